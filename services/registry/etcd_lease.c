/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_lease.c - etcd's Lease service on the store's leases. Consul's sessions and Nacos's
 * connections live among them and are none of ours. */
#include "core/alloc.h"
#include "registry/etcd_face.h"

static struct reg_lease_rec *lease_of(struct sn_regserver *s, int64_t id)
{
    struct reg_lease_rec *l = reg_store_lease_of(&s->store, (uint64_t)id);
    return l && !l->session && !l->connection ? l : NULL;
}

static int grant(struct sn_grpc_call *call, const struct etcdserverpb_lease_grant_request *q,
                 struct etcdserverpb_lease_grant_response **ret)
{
    struct sn_regserver *s = call->arg;
    struct etcdserverpb_lease_grant_response *rep =
        etcdserverpb_lease_grant_response_new(call->arena);
    struct reg_lease_rec *l;
    if (!rep) return SN_E_NOMEM;
    int r = etcd_writes(call);
    if (r < 0) return r;
    if (q->TTL > ETCD_LEASE_TTL_MAX) return etcd_fail(call, ETCD_LEASE_TTL);
    int64_t ttl = SN_MAX(q->TTL, (int64_t)1);
    reg_srv_lock(s);
    r = reg_store_lease(&s->store, sn_now(), (uint64_t)q->ID, SN_STR(""),
                        SN_MIN(ttl, (int64_t)(SN_FOREVER / 2 / SN_SEC)) * SN_SEC, &l);
    if (r >= 0) {
        rep->ID = (int64_t)l->num;
        rep->TTL = ttl;
        if (!(rep->header = etcd_header(s, call->arena))) r = SN_E_NOMEM;
    }
    reg_srv_unlock(s);
    if (r == SN_E_ALREADY_EXISTS) return etcd_fail(call, ETCD_LEASE_EXISTS);
    if (r == SN_E_RESOURCE_EXHAUSTED) return etcd_fail(call, ETCD_NO_SPACE);
    if (r >= 0) *ret = rep;
    return r;
}

static int revoke(struct sn_grpc_call *call, const struct etcdserverpb_lease_revoke_request *q,
                  struct etcdserverpb_lease_revoke_response **ret)
{
    struct sn_regserver *s = call->arg;
    struct etcdserverpb_lease_revoke_response *rep =
        etcdserverpb_lease_revoke_response_new(call->arena);
    if (!rep) return SN_E_NOMEM;
    int r = etcd_writes(call);
    if (r < 0) return r;
    reg_srv_lock(s);
    struct reg_lease_rec *l = lease_of(s, q->ID);
    if (l) {
        reg_store_begin(&s->store);
        reg_store_lease_end(&s->store, l);
        reg_store_end(&s->store);
    }
    rep->header = etcd_header(s, call->arena);
    r = reg_srv_commit(s);
    if (!l) return etcd_fail(call, ETCD_LEASE_NOT_FOUND);
    *ret = rep;
    return rep->header ? r : SN_E_NOMEM;
}

/* A lease that is not there has a TTL of 0: clients take it as lost. */
static int renew(struct sn_grpc_call *call, int64_t id)
{
    struct sn_regserver *s = call->arg;
    struct sn_arena a;
    struct etcdserverpb_lease_keep_alive_response rep = {.ID = id};
    sn_arena_init(&a, NULL, 0);
    reg_srv_lock(s);
    struct reg_lease_rec *l = lease_of(s, id);
    if (l) {
        reg_store_lease_renew(&s->store, sn_now(), l);
        rep.TTL = l->ttl_ns / SN_SEC;
    }
    rep.header = etcd_header(s, &a);
    reg_srv_unlock(s);
    int r = rep.header ? etcdserverpb_lease_lease_keep_alive_reply(call, &rep) : SN_E_NOMEM;
    sn_arena_done(&a);
    return r;
}

struct keeping {
    struct sn_grpc_call *call;
    struct reg_stream stream;
    struct sn_event over;
};

static int keep_requests(void *arg)
{
    struct keeping *k = arg;
    struct etcdserverpb_lease_keep_alive_request *q;
    int r;
    while ((r = etcdserverpb_lease_lease_keep_alive_request(k->call, &q)) > 0)
        if ((r = renew(k->call, q->ID)) < 0) break;
    sn_event_set(&k->over);
    return r;
}

static void stop_keeping(struct reg_stream *st)
{
    sn_event_set(&SN_CONTAINER_OF(st, struct keeping, stream)->over);
}

static int keep_alive(struct sn_grpc_call *call)
{
    struct sn_regserver *s = call->arg;
    struct keeping k = {.call = call, .stream.poke = stop_keeping};
    struct sn_scope_storage mem;
    reg_stream_add(s, &k.stream);
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = sn_scope_go_on(scope, (unsigned)sn_worker_id(), "etcd keepalive", keep_requests, &k);
    if (r >= 0) r = sn_event_wait(&k.over);
    bool stopped = sn_event_is_set(&s->stop);
    if (r < 0 || stopped) sn_scope_cancel(scope);
    int e = sn_scope_end(scope);
    reg_stream_del(s, &k.stream);
    if (stopped) return etcd_fail(call, ETCD_STOPPED);
    return r < 0 ? r : e;
}

static int time_to_live(struct sn_grpc_call *call,
                        const struct etcdserverpb_lease_time_to_live_request *q,
                        struct etcdserverpb_lease_time_to_live_response **ret)
{
    struct sn_regserver *s = call->arg;
    struct sn_arena *a = call->arena;
    struct etcdserverpb_lease_time_to_live_response *rep =
        etcdserverpb_lease_time_to_live_response_new(a);
    if (!rep) return SN_E_NOMEM;
    rep->ID = q->ID;
    rep->TTL = -1; /* not there */
    int r = 0;
    reg_srv_lock(s);
    struct reg_lease_rec *l = lease_of(s, q->ID);
    if (l) {
        rep->grantedTTL = l->ttl_ns / SN_SEC;
        rep->TTL = SN_MAX((l->due_ns - sn_now()) / SN_SEC, (int64_t)0);
    }
    if (l && q->keys) {
        SN_LIST_EACH (&l->keys, n) {
            struct sn_str k = sn_arena_str(a, SN_LIST_ENTRY(n, struct reg_kv, lease_node)->key);
            r = k.ptr ? etcdserverpb_lease_time_to_live_response_add_keys(rep, k, a) : SN_E_NOMEM;
            if (r < 0) break;
        }
    }
    rep->header = etcd_header(s, a);
    reg_srv_unlock(s);
    if (r >= 0) *ret = rep;
    return rep->header ? r : SN_E_NOMEM;
}

static int leases(struct sn_grpc_call *call, const struct etcdserverpb_lease_leases_request *q,
                  struct etcdserverpb_lease_leases_response **ret)
{
    struct sn_regserver *s = call->arg;
    struct etcdserverpb_lease_leases_response *rep =
        etcdserverpb_lease_leases_response_new(call->arena);
    struct sn_map_slot *slot;
    size_t it = 0;
    int r = rep ? 0 : SN_E_NOMEM;
    if (r < 0) return r;
    reg_srv_lock(s);
    while (r >= 0 && (slot = sn_map_next(&s->store.leases, &it))) {
        const struct reg_lease_rec *l = slot->value;
        if (l->session || l->connection) continue;
        struct etcdserverpb_lease_status *st =
            etcdserverpb_lease_leases_response_add_leases(rep, call->arena);
        if (st)
            st->ID = (int64_t)l->num;
        else
            r = SN_E_NOMEM;
    }
    rep->header = etcd_header(s, call->arena);
    reg_srv_unlock(s);
    if (r >= 0) *ret = rep;
    return rep->header ? r : SN_E_NOMEM;
}

const struct etcdserverpb_lease_handlers etcd_lease_handlers = {
    .lease_grant = grant,
    .lease_revoke = revoke,
    .lease_keep_alive = keep_alive,
    .lease_time_to_live = time_to_live,
    .lease_leases = leases,
};
