/* SPDX-License-Identifier: Apache-2.0 */
/* registry/backend_int.h - what a registry must be able to do. Everything that is hard (holding on
 * to what was known, announcing again, backing off) is above this table, in registry.c and keep.c.
 *
 * Calls run in the registry's fibers, several at once but one per pull and one per lease; each has
 * the fiber's deadline and must end at it. */
#pragma once
#include "registry/registry.h"

struct sn_http_client;

#define REG_SERVERS_MAX 16u
struct reg_url {
    struct sn_str scheme,
        path; /* path of file:; for others what follows the servers, without '/' */
    struct sn_str servers[REG_SERVERS_MAX]; /* host:port, the port filled in */
    uint32_t n_servers;
    struct sn_label opts[16]; /* decoded */
    uint32_t n_opts;
    bool tls;
};
/* What a backend is opened with; all of it outlives the backend. */
struct reg_env {
    struct reg_url url;
    struct sn_str token;
    int64_t call_ns_max, wait_ns, poll_ns;
    struct sn_arena *arena; /* for the backend's own strings; only while opening */
    void *arg;              /* of tests */
    uint32_t server;        /* the one that answered last; reg_call moves on where one does not */
};
struct sn_str reg_url_opt(const struct reg_url *u, const char *name, const char *def);

/* One watched service or key, kept between calls. */
struct reg_pull {
    struct sn_str name;
    uint64_t cursor;        /* the backend's: index, revision, digest */
    void *state;            /* the backend's; freed by its pull_done */
    bool fresh;             /* ask for everything now: the first call, or history was lost */
    struct sn_arena *arena; /* what is returned lives here, until the next call */
    /* Answer: for services the whole list, in no order. */
    struct sn_instance *list;
    size_t n;
    /* Answer: for a key. */
    struct sn_str text;
    bool found;
};
/* One registration, kept between calls. */
struct reg_lease {
    struct sn_instance in;
    int64_t ttl_ns;
    uint64_t handle; /* the backend's: lease, session */
    void *state;
};

struct reg_backend {
    const char *scheme;
    uint16_t port;    /* default */
    const char *opts; /* names of the URL's options, separated by spaces */
    int (*open)(struct reg_env *env, void **ret);
    void (*close)(void *b);
    /* pull - the service's instances when they are others than at the last call; at once with
     * p->fresh. Returns 1 with an answer, 0 when nothing changed in its time, SN_E_OUT_OF_RANGE
     * where the history since the cursor is gone, other errors. */
    int (*pull)(void *b, struct reg_pull *p);
    int (*config)(void *b, struct reg_pull *p);     /* the same for a key; NULL: none */
    void (*pull_done)(void *b, struct reg_pull *p); /* frees p->state; may be NULL */
    int (*publish)(void *b, struct sn_str key, struct sn_str text);
    /* put announces (again). renew is the heartbeat, every third of ttl_ns: SN_E_NOT_FOUND means
     * that the registry knows it no more. remove takes it out. */
    int (*put)(void *b, struct reg_lease *l);
    int (*renew)(void *b, struct reg_lease *l);
    int (*remove)(void *b, struct reg_lease *l);
};
extern const struct reg_backend reg_consul, reg_nacos, reg_apollo, reg_files, reg_zk, reg_etcd;

/* reg_url_parse - strings go to the arena. Returns 0, SN_E_SYNTAX, SN_E_NOMEM. */
int reg_url_parse(struct sn_str url, struct sn_arena *a, struct reg_url *ret,
                  const struct reg_backend **ret_backend) SN_MUST_CHECK;

/* ---- HTTP, for the backends that speak it ---- */
struct reg_call {
    const char *method;
    struct sn_str target; /* path and query */
    struct sn_str body, content_type;
    const struct sn_label *headers;
    uint32_t n_headers;
    int64_t ns_max; /* 0 = env->call_ns_max */
};
struct reg_answer {
    int status;
    struct sn_str body;  /* in the arena */
    struct sn_str index; /* of X-Consul-Index, .ptr NULL without */
};
/* reg_http - one call to the server that answered last; where it does not, the next call asks the
 * next one. Returns 0 whatever the status, transport errors, SN_E_TOO_LARGE. */
int reg_http(struct reg_env *env, struct sn_http_client *c, struct sn_arena *a,
             const struct reg_call *call, struct reg_answer *ret) SN_MUST_CHECK;
/* reg_status - 0 for 2xx, else SN_E_* by the status, with the body's beginning as diagnostic. */
int reg_status(const char *what, const struct reg_answer *ans) SN_MUST_CHECK;

/* ---- endpoints: sans-I/O (keep.c) ---- */

/* reg_endpoints_new - sorted, doubles dropped (the last one counts), bounded; the list is copied.
 * Returns 0, SN_E_TOO_LARGE, SN_E_NOMEM. Owns: one reference. */
int reg_endpoints_new(const struct sn_instance *list, size_t n,
                      struct sn_endpoints **ret) SN_MUST_CHECK;
void reg_endpoints_ref(const struct sn_endpoints *e, int64_t n);
/* reg_instance_copy - strings and labels into the arena. Returns 0, SN_E_INVALID_ARGUMENT beyond a
 * limit, SN_E_NOMEM. */
int reg_instance_copy(struct sn_arena *a, const struct sn_instance *in,
                      struct sn_instance *ret) SN_MUST_CHECK;

/* Whether an answer is believed. */
struct reg_guard {
    int64_t confirm_ns;
    int64_t since_ns;  /* when the suspicion began; 0 = none */
    int64_t outage_ns; /* when a question was last not answered; 0 = never */
    bool empty;        /* what is suspected */
};
enum reg_verdict { REG_TAKE, REG_HOLD };
/* reg_guard_judge - n_have: what is in force; n_keep: how many of these the answer still has;
 * n_new: the answer. Suspicious is an answer without instances, one that keeps fewer than half of
 * at least SN_REG_GUARD_MIN, and, for confirm_ns after an outage, one that lost any: the registry
 * may have been restarted, and those who have found it again may be the first of many. It is taken
 * once every answer has been so for confirm_ns. An empty answer after a partial loss begins anew:
 * the two are not each other's confirmation. */
#define SN_REG_GUARD_MIN 4u
enum reg_verdict reg_guard_judge(struct reg_guard *g, int64_t now_ns, size_t n_have, size_t n_keep,
                                 size_t n_new);
/* reg_guard_broken - a question was not answered: what was suspected has to persist from here. */
static inline void reg_guard_broken(struct reg_guard *g, int64_t now_ns)
{
    g->outage_ns = now_ns;
    if (g->since_ns) g->since_ns = now_ns;
}
/* reg_endpoints_kept - how many of have's ids the list has. */
size_t reg_endpoints_kept(const struct sn_endpoints *have, const struct sn_endpoints *answer);
/* reg_endpoints_union - the answer, and what it lost: what is in force while a partial loss is
 * held. */
int reg_endpoints_union(const struct sn_endpoints *have, const struct sn_endpoints *answer,
                        struct sn_endpoints **ret) SN_MUST_CHECK;

/* JSON of a list: the cache file, the file: backend. */
int reg_endpoints_json(const struct sn_endpoints *e, struct sn_buf *out) SN_MUST_CHECK;
struct sn_json;
struct sn_jsonw;
void reg_instance_json(struct sn_jsonw *w, const struct sn_instance *in);
/* reg_instance_parse - one object of such a list; strings borrow the tree. Returns 0, SN_E_SYNTAX,
 * SN_E_NOMEM. */
int reg_instance_parse(const struct sn_json *object, struct sn_str service, struct sn_arena *a,
                       struct sn_instance *ret) SN_MUST_CHECK;
int reg_instances_parse(const struct sn_json *array, struct sn_str service, struct sn_arena *a,
                        struct sn_instance **ret, size_t *ret_n) SN_MUST_CHECK;

/* ---- a slot: one current object, taken by readers without a lock (slot.c) ---- */

/* The pointer and, in its upper 16 bits, how many references readers have taken from it since it
 * was put there. Taking is one addition; whoever replaces the pointer adds that number to the
 * object's own count. */
struct reg_slot {
    uint64_t word;
};
/* reg_slot_take - the object, and a reference. count(obj, n) adds n to the object's count. */
void *reg_slot_take(struct reg_slot *s, void (*count)(const void *obj, int64_t n));
/* reg_slot_put - `obj` with one reference, which becomes the slot's; the old one's reference is
 * given up: count(old, ...) and then drop(old) once. NULL empties the slot, when no reader can
 * come. */
void reg_slot_put(struct reg_slot *s, const void *obj, void (*count)(const void *obj, int64_t n),
                  void (*drop)(const void *obj));
static inline void *reg_slot_peek(const struct reg_slot *s) /* for the one writer */
{
    return (void *)(uintptr_t)(__atomic_load_n(&s->word, __ATOMIC_ACQUIRE) & 0xffffffffffffull);
}
