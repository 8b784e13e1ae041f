/* SPDX-License-Identifier: Apache-2.0 */
/* registry/store.h - what the server knows: services with their instances and checks, keys with
 * their values, leases, and who waits for what. Sans-I/O: time comes in as an argument, what must
 * survive goes out as records (store_log.c, journal.c). Not thread-safe; the server has one lock
 * around it.
 *
 * One revision counts every change. Services and keys carry the revision of their last change, so
 * each face can say "tell me when this is no longer as I know it" in its own words. */
#pragma once
#include "core/buf.h"
#include "core/heap.h"
#include "core/list.h"
#include "core/map.h"
#include "core/status.h"
#include "core/vec.h"
#include "registry/registry.h"

#define REG_STORE_NS "public" /* the namespace where a face has none */
#define REG_CHECKS_MAX 8u     /* of an instance */
#define REG_KEY_MAX 1024u
#define REG_HISTORY_MAX 10u  /* former values kept of a configuration key */
#define REG_EVENTS_MAX 8192u /* changes of keys kept for watches that come late */
#define REG_EVENT_BYTES_MAX (64u << 20)

struct reg_store_limits {
    size_t instances_max; /* 0 = 100,000 */
    size_t keys_max;      /* 0 = 100,000 */
    size_t key_bytes_max; /* values in all; 0 = 512 MiB */
    size_t waiters_max;   /* 0 = 100,000 */
    size_t leases_max;    /* 0 = 100,000 */
};

enum reg_status { REG_PASSING, REG_WARNING, REG_CRITICAL };
enum reg_check_kind { REG_CHECK_FIXED, REG_CHECK_TTL, REG_CHECK_TCP, REG_CHECK_HTTP };
struct reg_check {
    struct sn_str id, name, output, target, notes;
    enum reg_check_kind kind;
    enum reg_status status;
    int64_t ttl_ns;                  /* TTL: critical when nothing was heard for so long */
    int64_t interval_ns, timeout_ns; /* TCP, HTTP */
    int64_t remove_after_ns;         /* critical for so long: the instance is removed; 0 = never */
    int64_t due_ns;                  /* TTL: when it becomes critical */
    int64_t critical_ns;             /* since when it is critical */
    uint32_t output_cap;             /* bytes behind output.ptr that are ours */
};

enum reg_face { REG_FACE_CONSUL, REG_FACE_NACOS, REG_FACE_ETCD, REG_FACE_OTHER };
struct reg_service;
/* What a face registers; strings are copied. in.healthy is not looked at: checks decide. */
struct reg_spec {
    struct sn_str ns; /* "" = REG_STORE_NS */
    struct sn_instance in;
    const struct sn_str *tags;
    uint32_t n_tags;
    double weight;            /* as the face has it; in.weight is made of it. 0 = 1 */
    bool disabled, permanent; /* permanent: survives the server's restart */
    enum reg_face face;
    struct reg_check checks[REG_CHECKS_MAX];
    uint32_t n_checks;
    uint64_t lease;      /* dies with it; 0 = none */
    struct sn_str extra; /* what the face wants back as it was: JSON, a value */
};
struct reg_inst {
    struct sn_list node; /* in its service, by id */
    struct sn_list lease_node;
    struct sn_heap_node due;
    struct reg_service *svc;
    struct reg_spec spec;
    uint64_t create_rev, mod_rev;
    int64_t due_ns, beat_ns;
    struct sn_arena arena;
};
struct reg_service {
    struct sn_str ns, name;
    struct sn_list insts;
    uint32_t n;
    uint64_t mod_rev; /* stays when the last instance goes, so that watches go on */
};

struct reg_value { /* shared by keys, their history and events */
    uint32_t refs;
    uint32_t len;
    char bytes[];
};
struct reg_past {
    struct reg_value *value;
    uint64_t mod_rev;
    int64_t wall_ns;
};
struct reg_kv {
    struct sn_str key;
    struct reg_value *value;
    uint64_t create_rev, mod_rev, version, flags, lock_index;
    int64_t wall_ns;             /* of the last change */
    struct reg_lease_rec *lease; /* etcd: dies with it; consul: holds the lock */
    struct sn_list lease_node;
    bool derived; /* shows an instance of another face (etcd_mirror.c): never written to the log */
    bool unseen;  /* ... and no instance has been found for it yet */
    struct reg_past past[REG_HISTORY_MAX]; /* oldest first */
    uint32_t n_past;
};
struct reg_lease_rec {
    struct sn_list keys, insts;
    struct sn_heap_node due;
    struct sn_str id; /* session: UUID; etcd: "" */
    struct sn_str name;
    uint64_t num;
    int64_t ttl_ns, due_ns; /* ttl 0: no end of its own */
    bool session;           /* keys are locked by it, and released (or deleted) at its end */
    bool delete_keys;
    bool connection; /* a connection's: no client of etcd sees it */
    uint64_t create_rev;
};
struct reg_event {
    bool deleted;
    char *key;
    uint32_t key_len;
    struct reg_value *value, *prev; /* NULL for a deletion; prev NULL where there was none */
    uint64_t create_rev, mod_rev, version, lease;
    uint64_t prev_create_rev, prev_mod_rev, prev_version, prev_lease; /* 0 where there was none */
};

enum reg_wait_kind {
    REG_WAIT_SERVICE,
    REG_WAIT_CATALOG,
    REG_WAIT_KEY,
    REG_WAIT_PREFIX,
    REG_WAIT_RANGE, /* keys from name to before end */
};
struct reg_waiter {
    struct sn_list node;
    enum reg_wait_kind kind;
    struct sn_str ns, name; /* borrowed */
    struct sn_str end;      /* REG_WAIT_RANGE; "\0": no end. Borrowed */
    void (*wake)(
        struct reg_waiter *w); /* once; it is off the list already. Under the server's lock */
};

#define REG_WAIT_BUCKETS 1024u
struct reg_store {
    struct reg_store_limits lim;
    uint64_t rev, rev_reserved;
    uint64_t seed;
    uint64_t identity; /* of this history of revisions; survives with it. 0 = not given yet */
    uint64_t catalog_rev; /* services came or went, or their tags changed */
    struct sn_map services, by_id, leases, sessions;
    SN_VEC(struct reg_kv *) kvs; /* sorted by key */
    struct sn_heap inst_due, lease_due;
    struct sn_list waiting[REG_WAIT_BUCKETS], waiting_catalog, waiting_prefix;
    size_t n_waiters, n_insts, kv_bytes;
    struct reg_event *events; /* ring */
    size_t ev_first, ev_n, ev_bytes;
    uint64_t del_rev;   /* the last time a key was deleted */
    uint64_t compacted; /* events up to here are gone */
    /* What must survive. NULL: nothing. A record is complete; its failure is the log's to remember.
     */
    void (*log)(void *arg, struct sn_str record);
    void *log_arg;
    struct sn_buf rec;
    int64_t wall_ns; /* set by the server before changes: history's time */
    /* Changes between reg_store_begin and _end carry one revision: etcd's transactions. */
    bool batch;
    uint64_t batch_rev;
    size_t n_derived; /* keys that do not count against the limit */
    /* Told of every change, under the lock; must not suspend. NULL: nobody. on_key: kv as it is
     * now or, where `gone`, was last. on_inst: where `gone`, for the last time. */
    void (*on_key)(void *arg, const struct reg_kv *kv, bool gone);
    void (*on_inst)(void *arg, const struct reg_inst *in, bool gone);
    void *on_arg;
};
static inline bool reg_kv_leased(const struct reg_kv *kv) { return kv->lease && !kv->lease->session; }
static inline bool reg_kv_durable(const struct reg_kv *kv)
{
    return !kv->derived && !reg_kv_leased(kv);
}

/* reg_store_init - empty. seed: of the hash tables. Returns 0, SN_E_NOMEM. Owns: reg_store_done. */
int reg_store_init(struct reg_store *s, const struct reg_store_limits *lim,
                   uint64_t seed) SN_MUST_CHECK;
void reg_store_done(struct reg_store *s);

/* ---- services (store.c) ---- */

/* reg_store_register - adds or replaces the instance with this id in the namespace. With equal
 * content nothing changes but the TTL, which begins anew where the check is passing. Returns 1
 * where something changed, 0; SN_E_INVALID_ARGUMENT, SN_E_RESOURCE_EXHAUSTED, SN_E_NOT_FOUND
 * (lease), SN_E_NOMEM. */
int reg_store_register(struct reg_store *s, int64_t now_ns, const struct reg_spec *spec,
                       struct reg_inst **ret) SN_MUST_CHECK;
/* reg_store_deregister - Returns 0 or SN_E_NOT_FOUND. */
int reg_store_deregister(struct reg_store *s, struct sn_str ns, struct sn_str id);
struct reg_inst *reg_store_instance(const struct reg_store *s, struct sn_str ns, struct sn_str id);
/* reg_store_service - NULL where nobody ever registered one of this name. */
struct reg_service *reg_store_service(const struct reg_store *s, struct sn_str ns,
                                      struct sn_str name);
/* reg_store_services - the next one with instances of a namespace; *it begins at 0. */
struct reg_service *reg_store_services(const struct reg_store *s, struct sn_str ns, size_t *it);
/* reg_store_check - the result of a check: TTL begins anew. Returns 0. */
int reg_store_check(struct reg_store *s, int64_t now_ns, struct reg_inst *in, struct reg_check *c,
                    enum reg_status status, struct sn_str output) SN_MUST_CHECK;
struct reg_check *reg_inst_check(struct reg_inst *in, struct sn_str check_id);
enum reg_status reg_inst_status(const struct reg_inst *in);
/* reg_store_tick - what time has brought about: checks that become critical, instances removed,
 * leases that end. reg_store_next: when to call it next, SN_FOREVER without anything to expect. */
void reg_store_tick(struct reg_store *s, int64_t now_ns);
int64_t reg_store_next(const struct reg_store *s);

/* ---- keys (store_kv.c) ---- */

struct reg_put {
    struct sn_str key, value;
    uint64_t flags;
    bool keep_flags;
    uint64_t lease; /* attach; 0 = none (an etcd put without a lease detaches) */
    bool cas;       /* only where mod_rev is cas_rev; 0: only where the key is not there */
    uint64_t cas_rev;
    struct sn_str acquire, release; /* Consul: session */
    bool derived;                   /* gives way to a key that is there on its own account: 0 */
};
/* reg_store_put - Returns 1 done, 0 where a condition did not hold; SN_E_INVALID_ARGUMENT (key,
 * value), SN_E_NOT_FOUND (lease, session), SN_E_RESOURCE_EXHAUSTED, SN_E_NOMEM. */
int reg_store_put(struct reg_store *s, int64_t now_ns, const struct reg_put *p) SN_MUST_CHECK;
/* What a put needs from the allocator, in advance, so that several puts fail before any is done. */
struct reg_prepared {
    struct reg_value *value;
    struct reg_kv *kv;
};
/* reg_store_prepare - memory for one put; `before` others have been prepared and not yet done.
 * Returns 0, SN_E_INVALID_ARGUMENT, SN_E_TOO_LARGE, SN_E_RESOURCE_EXHAUSTED, SN_E_NOT_FOUND
 * (lease), SN_E_NOMEM. Owns: what reg_store_put_prepared does not use, reg_store_unprepare frees. */
int reg_store_prepare(struct reg_store *s, const struct reg_put *p, size_t before,
                      struct reg_prepared *ret) SN_MUST_CHECK;
/* reg_store_put_prepared - as reg_store_put, without failures of memory and limits. */
int reg_store_put_prepared(struct reg_store *s, const struct reg_put *p, struct reg_prepared *prep);
void reg_store_unprepare(struct reg_prepared *prep);
/* reg_store_del - Returns 1 or, where it is not there (of its own account) or has another revision
 * than cas_rev (if that is not 0), 0. */
int reg_store_del(struct reg_store *s, struct sn_str key, uint64_t cas_rev);
/* reg_store_undo_derived - takes a derived key out; others stay. */
void reg_store_undo_derived(struct reg_store *s, struct sn_str key);
/* reg_store_begin, reg_store_end - around changes that are to have one revision. */
void reg_store_begin(struct reg_store *s);
void reg_store_end(struct reg_store *s);
struct reg_kv *reg_store_get(const struct reg_store *s, struct sn_str key);
/* reg_store_lower - index in s->kvs of the first key not less than `key`. */
size_t reg_store_lower(const struct reg_store *s, struct sn_str key);
struct reg_value *reg_value_ref(struct reg_value *v);
void reg_value_unref(struct reg_value *v);
static inline struct sn_str reg_value_str(const struct reg_value *v)
{
    return v ? sn_str_of(v->bytes, v->len) : SN_STR("");
}
/* reg_store_events - the events after revision `after`, oldest first: calls fn until it returns < 0
 * or they end. Returns 0, fn's, SN_E_OUT_OF_RANGE where some of them are gone. */
int reg_store_events(const struct reg_store *s, uint64_t after,
                     int (*fn)(const struct reg_event *e, void *arg), void *arg) SN_MUST_CHECK;

/* reg_store_compact - forgets the events up to `rev`. */
void reg_store_compact(struct reg_store *s, uint64_t rev);
/* reg_key_in_range - etcd's ranges: end empty: the key itself; end "\0": all keys from `key` on. */
bool reg_key_in_range(struct sn_str k, struct sn_str key, struct sn_str end);
/* A key as it was at some revision; borrows from the store. */
struct reg_view {
    struct sn_str key;
    struct reg_value *value;
    uint64_t create_rev, mod_rev, version, lease;
};
/* reg_store_range - the keys of a range at a revision (0: now), ascending; the array is `a`'s.
 * Returns 0, SN_E_OUT_OF_RANGE where the changes since are no longer known, SN_E_NOMEM. */
int reg_store_range(const struct reg_store *s, struct sn_str key, struct sn_str end, uint64_t rev,
                    struct sn_arena *a, struct reg_view **ret, size_t *ret_n) SN_MUST_CHECK;

/* ---- leases (store_kv.c) ---- */

/* reg_store_lease - num 0: chosen. id: of a session, else "". Returns 0; SN_E_ALREADY_EXISTS,
 * SN_E_RESOURCE_EXHAUSTED, SN_E_NOMEM. */
int reg_store_lease(struct reg_store *s, int64_t now_ns, uint64_t num, struct sn_str id,
                    int64_t ttl_ns, struct reg_lease_rec **ret) SN_MUST_CHECK;
struct reg_lease_rec *reg_store_lease_of(const struct reg_store *s, uint64_t num);
struct reg_lease_rec *reg_store_session(const struct reg_store *s, struct sn_str id);
void reg_store_lease_renew(struct reg_store *s, int64_t now_ns, struct reg_lease_rec *l);
void reg_store_lease_end(struct reg_store *s, struct reg_lease_rec *l);

/* ---- waiting ---- */

/* reg_store_wait - wake is called at the next change of what is waited for. Returns 0,
 * SN_E_RESOURCE_EXHAUSTED. reg_store_unwait: whether or not it was called. */
int reg_store_wait(struct reg_store *s, struct reg_waiter *w) SN_MUST_CHECK;
void reg_store_unwait(struct reg_store *s, struct reg_waiter *w);
/* reg_store_wake_all - the server ends. */
void reg_store_wake_all(struct reg_store *s);

/* ---- surviving (store_log.c) ---- */

/* reg_store_identify - gives the history a number by which clients know it from another. */
void reg_store_identify(struct reg_store *s, uint64_t identity);
/* reg_store_replay - applies one record; revisions are those of the record. Returns 0,
 * SN_E_DATA_LOSS (no record of ours), SN_E_NOMEM. */
int reg_store_replay(struct reg_store *s, struct sn_str record) SN_MUST_CHECK;
/* reg_store_dump - emits records from which reg_store_replay makes the same. Returns 0 or emit's.
 */
int reg_store_dump(struct reg_store *s, int (*emit)(void *arg, struct sn_str record),
                   void *arg) SN_MUST_CHECK;

/* Inside: store_*.c. */
uint64_t reg_store_bump(struct reg_store *s);
void reg_store_woke(struct reg_store *s, struct sn_list *list, const struct reg_waiter *like);
void reg_store_key_changed(struct reg_store *s, struct sn_str key);
void reg_store_unlink(struct reg_store *s, struct reg_inst *in);
void reg_log_put(struct reg_store *s, const struct reg_kv *kv);
void reg_log_del(struct reg_store *s, struct sn_str key, uint64_t rev);
void reg_log_inst(struct reg_store *s, const struct reg_inst *in);
void reg_log_inst_del(struct reg_store *s, struct sn_str ns, struct sn_str id, uint64_t rev);
int reg_store_kv_add(struct reg_store *s, struct sn_str key, struct reg_kv **ret) SN_MUST_CHECK;
void reg_kv_set(struct reg_store *s, struct reg_kv *kv, struct reg_value *v);
void reg_store_kv_drop(struct reg_store *s, struct reg_kv *kv);
struct reg_value *reg_value_new(struct sn_str s);
/* reg_event_add - takes over before->prev. reg_events_drop: all, and history begins after `rev`. */
void reg_event_add(struct reg_store *s, const struct reg_kv *kv, const struct reg_event *before,
                   bool deleted, uint64_t rev);
void reg_events_drop(struct reg_store *s, uint64_t rev);
void reg_events_done(struct reg_store *s);
void reg_store_leases_done(struct reg_store *s);
void reg_store_kv_done(struct reg_store *s);
bool reg_key_keeps_history(struct sn_str key);
