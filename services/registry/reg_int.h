/* SPDX-License-Identifier: Apache-2.0 */
/* registry/reg_int.h - what the files of the client side share. */
#pragma once
#include "core/list.h"
#include "core/map.h"
#include "fiber/chan.h"
#include "fiber/sync.h"
#include "registry/backend_int.h"

struct sn_registry {
    struct sn_registry_opts o; /* defaults filled in */
    struct sn_arena arena;     /* URL, options, names of objects */
    struct reg_env env;
    const struct reg_backend *be;
    void *b;
    struct sn_mutex lock; /* the lists below, and each object's plain fields */
    struct sn_map services, items;
    struct sn_list leases;
    uint32_t n_objects;
    bool closing;
    struct sn_scope *scope; /* of the root fiber; valid between started and ended */
    struct sn_event started, close, ended;
};

/* Pauses between attempts: doubling, with jitter, never above max. */
struct reg_backoff {
    int64_t next_ns;
};
int64_t reg_backoff_next(struct reg_backoff *b, int64_t min_ns, int64_t max_ns);
/* reg_pace - holds a loop that is answered at once, again and again, to twenty rounds a second. */
struct reg_pace {
    int64_t at_ns;
    double tokens;
};
int reg_pace(struct reg_pace *p) SN_MUST_CHECK;

struct sn_service {
    struct sn_registry *reg;
    struct sn_str name;
    struct reg_slot slot; /* struct sn_endpoints */
    struct sn_cond changed;
    struct sn_service_stats stats;
    struct reg_guard guard;
    struct reg_pull pull;
    struct sn_arena arena; /* of one answer */
    struct reg_backoff backoff;
    struct reg_pace pace;
    bool cache_tried;
};
int reg_service_main(void *service);
void reg_service_free(struct sn_service *s);

struct sn_config_item {
    struct sn_registry *reg;
    struct sn_str key;
    struct sn_config_opts opts;
    struct reg_slot slot; /* struct sn_config */
    struct sn_cond changed;
    struct sn_config_stats stats;
    struct reg_pull pull;
    struct sn_arena arena;
    struct reg_backoff backoff;
    struct reg_pace pace;
    bool cache_tried;
    uint64_t refused_digest; /* the text refused last: it is told once */
};
int reg_item_main(void *item);
void reg_item_free(struct sn_config_item *i);

enum reg_want { REG_WANT_UP, REG_WANT_PAUSED, REG_WANT_GONE };
struct sn_registration {
    struct sn_list node;
    struct sn_registry *reg;
    struct reg_lease lease;
    struct sn_arena arena;
    enum reg_want want; /* under reg->lock */
    int state;          /* enum sn_registration_state, atomic */
    bool maybe;         /* the registry may have it: a failed put may have arrived */
    struct sn_chan *poke;
    struct sn_cond changed;
    struct sn_event ended; /* its fiber is gone */
    struct reg_backoff backoff;
    uint64_t lost;
};
int reg_lease_main(void *registration);
/* reg_lease_remove - asks the backend to take it out. Returns 0 or why not. */
int reg_lease_remove(struct sn_registration *g);
void reg_lease_free(struct sn_registration *g);

/* cache.c: the last known good on disk. kind: "service", "config". */
int reg_cache_write(struct sn_registry *r, const char *kind, struct sn_str name,
                    struct sn_str text) SN_MUST_CHECK;
/* reg_cache_read - Returns 0, SN_E_NOT_FOUND, SN_E_DATA_LOSS (damaged), SN_E_NOMEM. */
int reg_cache_read(struct sn_registry *r, const char *kind, struct sn_str name, struct sn_arena *a,
                   struct sn_str *ret) SN_MUST_CHECK;
