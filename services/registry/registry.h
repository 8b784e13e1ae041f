/* SPDX-License-Identifier: Apache-2.0 */
/* registry/registry.h - finding services, announcing oneself, reading configuration: one client
 * over several registries.
 *
 *   sn_registry_open(&(struct sn_registry_opts){.url = "consul://127.0.0.1:8500"}, &reg);
 *   sn_registry_watch(reg, SN_STR("orders"), &svc);
 *   const struct sn_endpoints *e = sn_service_get(svc);    (no lock, no wait)
 *   ... e->list[i].address, .port ...
 *   sn_endpoints_unref(e);
 *
 * URLs are scheme://host:port[,host:port...][/][?option=value&...]; the schemes are consul, nacos,
 * apollo, etcd, zk and file. docs/registry.md lists their options.
 *
 * What happens when the registry does not behave is decided here, once, for all of them:
 * - No answer: the last known endpoints and values stay in force, also over a restart of this
 * program where a cache folder is given.
 * - An empty answer, one that lost more than half of at least four instances, and one that lost any
 *   just after an outage is not believed until it has been repeated for confirm_ns: a registry that
 * was restarted empty, or whose heartbeats got lost, does not take the traffic away.
 * - A registration that the registry has forgotten is made again at the next heartbeat, so within a
 *   third of its time to live.
 * - Reconnecting backs off, with jitter, and never beyond a third of the time to live.
 * - History that was compacted away is not an error: everything is read anew and compared.
 * - A configuration that does not decode, or that the caller's check refuses, is reported and the
 * last good one stays in force; so it does when the key vanishes.
 *
 * Context: all functions but the getters run in a fiber. The registry's own fibers belong to the
 * scope sn_registry_open was called in. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"
#include "fiber/fiber.h"

#define SN_REG_NAME_MAX 512u         /* bytes of a service name, an id, an address */
#define SN_REG_LABELS_MAX 64u        /* of an instance */
#define SN_REG_LABEL_BYTES_MAX 8192u /* all names and values of an instance */
#define SN_REG_INSTANCES_MAX 10000u  /* of a service */
#define SN_REG_CONFIG_MAX (1u << 20) /* bytes of a configuration value */
#define SN_REG_OBJECTS_MAX 4096u     /* services, keys and registrations of one client */

struct sn_label {
    struct sn_str name, value;
};
struct sn_instance {
    struct sn_str id; /* unique in its service; "" when registering: address:port is taken */
    struct sn_str service;
    struct sn_str address; /* host, without port */
    struct sn_str zone;    /* data centre, cluster; may be empty */
    const struct sn_label *labels;
    uint32_t n_labels;
    uint32_t weight; /* relative; 0 when registering: 1 */
    uint16_t port;
    bool healthy;
};

struct sn_registry;
struct sn_conf_table;

struct sn_registry_opts {
    const char *url;
    struct sn_str token;   /* Consul ACL token, Apollo secret, Nacos accessToken, ZooKeeper digest,
                            etcd password */
    const char *cache_dir; /* last known good on disk; NULL = in memory only */
    int64_t confirm_ns;    /* how long a suspicious answer must persist; 0 = 15 s */
    int64_t retry_ns_min;  /* first pause after a failure; 0 = 200 ms, doubling */
    int64_t retry_ns_max;  /* 0 = 10 s */
    int64_t call_ns_max;   /* one short call to the registry; 0 = 5 s */
    int64_t wait_ns;       /* how long a question may stay open at the registry; 0 = 30 s */
    int64_t poll_ns; /* for what cannot wait: files without inotify, Nacos v1 lists; 0 = 2 s */
    /* Tests: this backend instead of the URL's; see registry/backend_int.h. */
    const void *backend;
    void *backend_arg;
};

/* sn_registry_open - reads the URL; connects in the background. Returns 0, SN_E_SYNTAX (URL; the
 * diagnostic says where and what was expected), SN_E_NOMEM. Owns: *ret until sn_registry_close. */
int sn_registry_open(const struct sn_registry_opts *opts, struct sn_registry **ret) SN_MUST_CHECK;
/* sn_registry_close - takes registrations out (at most two seconds for all), ends the fibers, frees
 * everything that sn_registry_watch, _config and _register gave. Accepts NULL. Suspends. */
void sn_registry_close(struct sn_registry *r);
/* sn_registry_url_check - whether the URL is one sn_registry_open takes. Returns as that. */
int sn_registry_url_check(struct sn_str url) SN_MUST_CHECK;

/* sn_registry_url_is - whether the text is meant as a registry's URL: its scheme is one of theirs. */
bool sn_registry_url_is(struct sn_str text);

/* sn_registry_split - takes the service out of a URL that ends in one:
 * consul://host:8500/orders?dc=x is the registry consul://host:8500?dc=x and the service orders; of
 * file:///a/b/orders the folder is /a/b. Returns 0 with both in the arena, SN_E_SYNTAX, SN_E_NOMEM.
 */
int sn_registry_split(struct sn_str url, struct sn_arena *a, struct sn_str *ret_registry,
                      struct sn_str *ret_service) SN_MUST_CHECK;

/* ---- endpoints ------------------------------------------------------------------------------ */

enum sn_freshness {
    SN_FRESH,  /* as the registry last said, and it is answering */
    SN_HELD,   /* the registry says less than this; not believed yet */
    SN_STALE,  /* the registry does not answer; this is what it said last */
    SN_CACHED, /* from the file: the registry has not answered since the start */
};
/* Immutable; healthy instances first, then by id. */
struct sn_endpoints {
    uint64_t version; /* grows with every change of the list; 0: nothing is known yet */
    uint32_t n, n_healthy;
    const struct sn_instance *list;
    uint64_t digest_; /* ours from here */
    int64_t refs_;
    struct sn_arena arena_;
};
struct sn_service;
/* sn_registry_watch - begins (or joins) watching a service. Returns 0, SN_E_INVALID_ARGUMENT
 * (name), SN_E_RESOURCE_EXHAUSTED beyond SN_REG_OBJECTS_MAX, SN_E_NOMEM, SN_E_CANCELLED while
 * closing. Owns: the registry keeps *ret until it is closed. */
int sn_registry_watch(struct sn_registry *r, struct sn_str service,
                      struct sn_service **ret) SN_MUST_CHECK;
/* sn_service_get - the endpoints of the moment; never NULL. One atomic addition: no lock, no wait.
 * Owns: a reference, for sn_endpoints_unref. Context: any fiber or thread, while the registry is
 * open (the reference may outlive it). */
const struct sn_endpoints *sn_service_get(struct sn_service *s);
void sn_endpoints_unref(const struct sn_endpoints *e);
/* sn_service_wait - suspends until the version is another than `seen`, or at_ns. Returns 0,
 * SN_E_DEADLINE_EXCEEDED, SN_E_CANCELLED, SN_E_CLOSED while the registry closes. */
int sn_service_wait(struct sn_service *s, uint64_t seen, int64_t at_ns) SN_MUST_CHECK;

struct sn_service_stats {
    enum sn_freshness fresh;
    uint64_t answers, changes, failures, reloads, held; /* held: suspicious answers not believed */
    int64_t answered_ns;                                /* sn_now() of the last answer; 0 = never */
};
void sn_service_stats(struct sn_service *s, struct sn_service_stats *ret);
const char *sn_freshness_name(enum sn_freshness f);

/* ---- registration --------------------------------------------------------------------------- */

struct sn_registration;
struct sn_register_opts {
    int64_t
        ttl_ns;  /* without a heartbeat for so long the registry drops us; 0 = 15 s, at least 1 s */
    bool paused; /* not announced before sn_registration_resume */
};
/* sn_registry_register - announces `in` (copied) and keeps it announced; does not wait for the
 * registry. Returns as sn_registry_watch, and SN_E_INVALID_ARGUMENT for an instance without
 * service, address or port, or beyond a limit. Owns: as sn_registry_watch, or
 * sn_registration_remove. */
int sn_registry_register(struct sn_registry *r, const struct sn_instance *in,
                         const struct sn_register_opts *opts,
                         struct sn_registration **ret) SN_MUST_CHECK;
enum sn_registration_state {
    SN_REG_PENDING, /* wanted, not announced (yet, or the registry lost it) */
    SN_REG_ANNOUNCED,
    SN_REG_PAUSED,
    SN_REG_REMOVED,
};
enum sn_registration_state sn_registration_state(const struct sn_registration *g);
/* sn_registration_pause, _resume - take the instance out of the registry, and back in, while the
 * process serves on: for maintenance and for drains. Do not suspend. */
void sn_registration_pause(struct sn_registration *g);
void sn_registration_resume(struct sn_registration *g);
/* sn_registration_remove - takes it out for good; `g` is gone at return. Waits until the registry
 * has confirmed, at most call_ns_max. Returns 0, or why it could not be confirmed (the registry
 * then drops it when its time to live has passed). Suspends. */
int sn_registration_remove(struct sn_registration *g);
/* sn_registration_wait - suspends until it is announced, or at_ns. Returns as sn_service_wait. */
int sn_registration_wait(struct sn_registration *g, int64_t at_ns) SN_MUST_CHECK;
/* sn_registration_lost - how often the registry had forgotten it and it was announced again. */
uint64_t sn_registration_lost(const struct sn_registration *g);

/* ---- configuration -------------------------------------------------------------------------- */

/* Immutable. */
struct sn_config {
    uint64_t version;   /* grows with every accepted change; 0: nothing is known yet */
    struct sn_str text; /* as the registry has it; .ptr NULL with version 0 */
    const void *value;  /* decoded by opts.table; NULL without one */
    int64_t refs_;
    struct sn_arena arena_;
};
struct sn_config_item;
struct sn_config_opts {
    const struct sn_conf_table
        *table; /* YAML or JSON text into table->size bytes; NULL = text only */
    /* Refuses a value by returning < 0 with a diagnostic. Called after decoding, in a fiber of the
     * registry; may suspend. */
    int (*check)(const struct sn_config *c, void *arg);
    void *arg;
};
/* sn_registry_config - begins watching a key ("application", or as the backend reads it). Returns
 * and Owns as sn_registry_watch; a second call for a key is SN_E_ALREADY_EXISTS. */
int sn_registry_config(struct sn_registry *r, struct sn_str key, const struct sn_config_opts *opts,
                       struct sn_config_item **ret) SN_MUST_CHECK;
/* sn_config_get, sn_config_unref, sn_config_wait - as for endpoints. */
const struct sn_config *sn_config_get(struct sn_config_item *i);
void sn_config_unref(const struct sn_config *c);
int sn_config_wait(struct sn_config_item *i, uint64_t seen, int64_t at_ns) SN_MUST_CHECK;
struct sn_config_stats {
    enum sn_freshness fresh;
    uint64_t answers, changes, failures, refused, vanished;
    int64_t answered_ns;
    char error[256]; /* why the last value was refused; "" when the value in force is the last */
};
void sn_config_stats(struct sn_config_item *i, struct sn_config_stats *ret);
/* sn_registry_publish - stores a value at the registry. Returns 0, SN_E_UNIMPLEMENTED where the
 * backend has no such call, transport errors. Suspends. */
int sn_registry_publish(struct sn_registry *r, struct sn_str key, struct sn_str text) SN_MUST_CHECK;
/* sn_registry_config_once - reads a key without watching it; the text is `a`'s. Returns 0,
 * SN_E_NOT_FOUND, transport errors. Suspends. */
int sn_registry_config_once(struct sn_registry *r, struct sn_str key, struct sn_arena *a,
                            struct sn_str *ret) SN_MUST_CHECK;
