/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_kv.c - etcd's KV service on the store. Every write, alone or in a transaction, goes
 * the same way: the operations are listed, checked, given their memory, and only then done, under
 * one revision. */
#include <stdlib.h>

#include "core/alloc.h"
#include "registry/etcd_face.h"

typedef struct etcdserverpb_range_request range_request;
typedef struct etcdserverpb_range_response range_response;
typedef struct etcdserverpb_put_request put_request;
typedef struct etcdserverpb_put_response put_response;
typedef struct etcdserverpb_delete_range_request delete_request;
typedef struct etcdserverpb_delete_range_response delete_response;
typedef struct etcdserverpb_txn_request txn_request;
typedef struct etcdserverpb_txn_response txn_response;
typedef struct etcdserverpb_request_op request_op;
typedef struct etcdserverpb_response_op response_op;
typedef struct etcdserverpb_compare compare;
typedef struct mvccpb_key_value key_value;

/* ---- reading -------------------------------------------------------------------------------- */

static int set_kv(struct sn_arena *a, const struct reg_view *v, bool keys_only, key_value *ret)
{
    ret->key = sn_arena_str(a, v->key);
    ret->create_revision = (int64_t)v->create_rev;
    ret->mod_revision = (int64_t)v->mod_rev;
    ret->version = (int64_t)v->version;
    ret->lease = (int64_t)v->lease;
    if (!keys_only) ret->value = sn_arena_str(a, reg_value_str(v->value));
    return ret->key.ptr && (keys_only || ret->value.ptr) ? 0 : SN_E_NOMEM;
}

static int cmp_u64(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }
static int by_version(const void *x, const void *y)
{
    const struct reg_view *a = x, *b = y;
    int c = cmp_u64(a->version, b->version);
    return c ? c : sn_str_cmp(a->key, b->key);
}
static int by_create(const void *x, const void *y)
{
    const struct reg_view *a = x, *b = y;
    int c = cmp_u64(a->create_rev, b->create_rev);
    return c ? c : sn_str_cmp(a->key, b->key);
}
static int by_mod(const void *x, const void *y)
{
    const struct reg_view *a = x, *b = y;
    int c = cmp_u64(a->mod_rev, b->mod_rev);
    return c ? c : sn_str_cmp(a->key, b->key);
}
static int by_value(const void *x, const void *y)
{
    const struct reg_view *a = x, *b = y;
    int c = sn_str_cmp(reg_value_str(a->value), reg_value_str(b->value));
    return c ? c : sn_str_cmp(a->key, b->key);
}

static void sort_views(const range_request *q, struct reg_view *v, size_t n)
{
    static int (*const orders[])(const void *, const void *) = {
        [ETCDSERVERPB_RANGE_REQUEST_SORT_TARGET_VERSION] = by_version,
        [ETCDSERVERPB_RANGE_REQUEST_SORT_TARGET_CREATE] = by_create,
        [ETCDSERVERPB_RANGE_REQUEST_SORT_TARGET_MOD] = by_mod,
        [ETCDSERVERPB_RANGE_REQUEST_SORT_TARGET_VALUE] = by_value,
    };
    if (q->sort_target > 0 && n) qsort(v, n, sizeof(*v), orders[q->sort_target]);
    if (q->sort_order != ETCDSERVERPB_RANGE_REQUEST_SORT_ORDER_DESCEND) return;
    for (size_t i = 0; i < n / 2; i++) {
        struct reg_view t = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = t;
    }
}

static bool wanted(const range_request *q, const struct reg_view *v)
{
    int64_t mod = (int64_t)v->mod_rev, create = (int64_t)v->create_rev;
    return (!q->min_mod_revision || mod >= q->min_mod_revision) &&
           (!q->max_mod_revision || mod <= q->max_mod_revision) &&
           (!q->min_create_revision || create >= q->min_create_revision) &&
           (!q->max_create_revision || create <= q->max_create_revision);
}

static int check_range(struct sn_grpc_call *call, const range_request *q)
{
    const struct reg_store *st = &((struct sn_regserver *)call->arg)->store;
    if (!q->key.len) return etcd_fail(call, ETCD_EMPTY_KEY);
    if (q->sort_order < 0 || q->sort_order > 2 || q->sort_target < 0 || q->sort_target > 4)
        return sn_grpc_fail(call, SN_E_INVALID_ARGUMENT, "etcdserver: invalid sort option");
    if (q->revision > (int64_t)st->rev) return etcd_fail(call, ETCD_FUTURE_REV);
    if (q->revision > 0 && q->revision < etcd_compact_rev(st))
        return etcd_fail(call, ETCD_COMPACTED);
    return 0;
}

/* The lock is held. */
static int range_into(struct sn_grpc_call *call, const range_request *q, range_response *rep)
{
    struct sn_regserver *s = call->arg;
    struct sn_arena tmp, *a = call->arena;
    struct reg_view *v;
    size_t n, kept = 0;
    int r = check_range(call, q);
    if (r < 0) return r;
    sn_arena_init(&tmp, NULL, 0);
    uint64_t rev = q->revision > 0 ? (uint64_t)q->revision : 0;
    r = reg_store_range(&s->store, q->key, q->range_end, rev, &tmp, &v, &n);
    rep->count = r < 0 ? 0 : (int64_t)n;
    if (r >= 0 && !q->count_only) {
        for (size_t i = 0; i < n; i++)
            if (wanted(q, &v[i])) v[kept++] = v[i];
        sort_views(q, v, kept);
        if (q->limit > 0 && kept > (uint64_t)q->limit) {
            kept = (size_t)q->limit;
            rep->more = true;
        }
    }
    for (size_t i = 0; r >= 0 && i < kept; i++) {
        key_value *kv = etcdserverpb_range_response_add_kvs(rep, a);
        r = kv ? set_kv(a, &v[i], q->keys_only, kv) : SN_E_NOMEM;
    }
    sn_arena_done(&tmp);
    if (r >= 0 && !(rep->header = etcd_header(s, a))) r = SN_E_NOMEM;
    return r == SN_E_OUT_OF_RANGE ? etcd_fail(call, ETCD_COMPACTED) : r;
}

static int kv_range(struct sn_grpc_call *call, const range_request *q, range_response **ret)
{
    struct sn_regserver *s = call->arg;
    range_response *rep = etcdserverpb_range_response_new(call->arena);
    if (!rep) return SN_E_NOMEM;
    reg_srv_lock(s);
    int r = range_into(call, q, rep);
    reg_srv_unlock(s);
    if (r >= 0) *ret = rep;
    return r;
}

/* ---- operations ----------------------------------------------------------------------------- */

/* What is to be done, flat; `rep` is the answer's place in the tree of answers. */
struct op {
    uint32_t what; /* a case of request_op */
    union {
        const range_request *range;
        const put_request *put;
        const delete_request *del;
    } q;
    union {
        range_response *range;
        put_response *put;
        delete_response *del;
        txn_response *txn;
    } rep;
    struct reg_put p;
    struct reg_prepared prep;
};
struct run {
    struct sn_grpc_call *call;
    struct sn_regserver *s;
    struct op *ops;
    uint32_t n;
};
enum {
    OP_RANGE = ETCDSERVERPB_REQUEST_OP_REQUEST_REQUEST_RANGE,
    OP_PUT = ETCDSERVERPB_REQUEST_OP_REQUEST_REQUEST_PUT,
    OP_DELETE = ETCDSERVERPB_REQUEST_OP_REQUEST_REQUEST_DELETE_RANGE,
    OP_TXN = ETCDSERVERPB_REQUEST_OP_REQUEST_REQUEST_TXN,
};

static int add_op(struct run *run, struct op op)
{
    if (run->n == ETCD_TXN_OPS_MAX) return etcd_fail(run->call, ETCD_TOO_MANY_OPS);
    run->ops[run->n++] = op;
    return 0;
}

static struct op put_op(struct sn_arena *a, const put_request *q, put_response **ret)
{
    *ret = etcdserverpb_put_response_new(a);
    return (struct op){.what = OP_PUT, .q.put = q, .rep.put = *ret};
}
static struct op delete_op(struct sn_arena *a, const delete_request *q, delete_response **ret)
{
    *ret = etcdserverpb_delete_range_response_new(a);
    return (struct op){.what = OP_DELETE, .q.del = q, .rep.del = *ret};
}

static int check_one_put(struct run *run, struct op *op)
{
    const put_request *q = op->q.put;
    struct sn_grpc_call *call = run->call;
    const struct reg_kv *kv = reg_store_get(&run->s->store, q->key);
    if (!q->key.len) return etcd_fail(call, ETCD_EMPTY_KEY);
    if (q->ignore_value && q->value.len) return etcd_fail(call, ETCD_VALUE_PROVIDED);
    if (q->ignore_lease && q->lease) return etcd_fail(call, ETCD_LEASE_PROVIDED);
    if ((q->ignore_value || q->ignore_lease) && !kv) return etcd_fail(call, ETCD_KEY_NOT_FOUND);
    op->p = (struct reg_put){.key = q->key,
                             .value = q->ignore_value ? reg_value_str(kv->value) : q->value,
                             .lease = (uint64_t)q->lease,
                             .keep_flags = true};
    if (q->ignore_lease && reg_kv_leased(kv)) op->p.lease = kv->lease->num;
    const struct reg_lease_rec *l =
        op->p.lease ? reg_store_lease_of(&run->s->store, op->p.lease) : NULL;
    if (op->p.lease && (!l || l->session || l->connection)) return etcd_fail(call, ETCD_LEASE_NOT_FOUND);
    return 0;
}

/* A key is put at most once, and not also deleted. */
static int check_once(struct run *run, uint32_t at)
{
    struct sn_str key = run->ops[at].q.put->key;
    for (uint32_t i = 0; i < run->n; i++) {
        const struct op *o = &run->ops[i];
        if ((o->what == OP_PUT && i < at && sn_str_eq(o->q.put->key, key)) ||
            (o->what == OP_DELETE && reg_key_in_range(key, o->q.del->key, o->q.del->range_end)))
            return etcd_fail(run->call, ETCD_DUPLICATE_KEY);
    }
    return 0;
}

/* Checks and memory: after this only answers can fail. */
static int prepare(struct run *run)
{
    uint32_t puts = 0;
    int r = 0;
    for (uint32_t i = 0; r >= 0 && i < run->n; i++) {
        struct op *o = &run->ops[i];
        if (o->what == OP_DELETE && !o->q.del->key.len) return etcd_fail(run->call, ETCD_EMPTY_KEY);
        if (o->what == OP_RANGE) r = check_range(run->call, o->q.range);
        if (o->what != OP_PUT) continue;
        if ((r = check_one_put(run, o)) >= 0) r = check_once(run, i);
        if (r < 0) break;
        r = reg_store_prepare(&run->s->store, &o->p, puts++, &o->prep);
        if (r < 0) r = etcd_fail_of(run->call, r);
    }
    return r;
}

static int prev_of(struct run *run, const struct reg_kv *kv, key_value *ret)
{
    struct reg_view v = {.key = kv->key,
                         .value = kv->value,
                         .create_rev = kv->create_rev,
                         .mod_rev = kv->mod_rev,
                         .version = kv->version,
                         .lease = reg_kv_leased(kv) ? kv->lease->num : 0};
    return set_kv(run->call->arena, &v, false, ret);
}

static int do_put(struct run *run, struct op *o)
{
    int r = 0;
    const struct reg_kv *kv = reg_store_get(&run->s->store, o->p.key);
    if (o->q.put->prev_kv && kv) {
        o->rep.put->prev_kv = mvccpb_key_value_new(run->call->arena);
        r = o->rep.put->prev_kv ? prev_of(run, kv, o->rep.put->prev_kv) : SN_E_NOMEM;
    }
    (void)reg_store_put_prepared(&run->s->store, &o->p, &o->prep);
    o->rep.put->header = etcd_header(run->s, run->call->arena);
    return o->rep.put->header ? r : SN_E_NOMEM;
}

static int do_delete(struct run *run, struct op *o)
{
    struct reg_store *st = &run->s->store;
    const delete_request *q = o->q.del;
    size_t at = reg_store_lower(st, q->key);
    int r = 0;
    while (at < st->kvs.len && reg_key_in_range(st->kvs.ptr[at]->key, q->key, q->range_end)) {
        const struct reg_kv *kv = st->kvs.ptr[at];
        if (kv->derived) { /* an instance of another face: not to be deleted here */
            at++;
            continue;
        }
        if (q->prev_kv && r >= 0) {
            key_value *out =
                etcdserverpb_delete_range_response_add_prev_kvs(o->rep.del, run->call->arena);
            r = out ? prev_of(run, kv, out) : SN_E_NOMEM;
        }
        o->rep.del->deleted++;
        /* Deleting may make or take a derived key beside it: the place is looked up anew. */
        struct sn_str next = sn_arena_str(run->call->arena, kv->key);
        (void)reg_store_del(st, kv->key, 0);
        at = reg_store_lower(st, next.ptr ? next : q->key);
        if (!next.ptr) r = SN_E_NOMEM;
    }
    o->rep.del->header = etcd_header(run->s, run->call->arena);
    return o->rep.del->header ? r : SN_E_NOMEM;
}

/* Everything is done, also where an answer could not be built: the client then gets a failure
 * whose outcome is not known, never half of a transaction. */
static int perform(struct run *run)
{
    int r = prepare(run);
    if (r >= 0) {
        reg_store_begin(&run->s->store);
        for (uint32_t i = 0; i < run->n; i++) {
            struct op *o = &run->ops[i];
            int e = 0;
            if (o->what == OP_RANGE) e = range_into(run->call, o->q.range, o->rep.range);
            if (o->what == OP_PUT) e = do_put(run, o);
            if (o->what == OP_DELETE) e = do_delete(run, o);
            if (r >= 0) r = e;
        }
        reg_store_end(&run->s->store);
    }
    for (uint32_t i = 0; i < run->n; i++) reg_store_unprepare(&run->ops[i].prep);
    return r;
}

/* One operation by itself. */
static int perform_one(struct sn_grpc_call *call, struct op op)
{
    struct run run = {.call = call, .s = call->arg, .ops = &op, .n = 1};
    reg_srv_lock(run.s);
    int r = perform(&run), c = reg_srv_commit(run.s);
    return r < 0 ? r : c;
}

static int kv_put(struct sn_grpc_call *call, const put_request *q, put_response **ret)
{
    int r = etcd_writes(call);
    if (r < 0) return r;
    put_response *rep;
    struct op op = put_op(call->arena, q, &rep);
    if (!rep) return SN_E_NOMEM;
    if ((r = perform_one(call, op)) >= 0) *ret = rep;
    return r;
}

static int kv_delete_range(struct sn_grpc_call *call, const delete_request *q,
                           delete_response **ret)
{
    int r = etcd_writes(call);
    if (r < 0) return r;
    delete_response *rep;
    struct op op = delete_op(call->arena, q, &rep);
    if (!rep) return SN_E_NOMEM;
    if ((r = perform_one(call, op)) >= 0) *ret = rep;
    return r;
}

/* ---- transactions --------------------------------------------------------------------------- */

static bool outcome(int32_t want, int c)
{
    switch (want) {
    case ETCDSERVERPB_COMPARE_COMPARE_RESULT_EQUAL: return c == 0;
    case ETCDSERVERPB_COMPARE_COMPARE_RESULT_NOT_EQUAL: return c != 0;
    case ETCDSERVERPB_COMPARE_COMPARE_RESULT_GREATER: return c > 0;
    case ETCDSERVERPB_COMPARE_COMPARE_RESULT_LESS: return c < 0;
    default: return false;
    }
}

static int cmp_i64(int64_t a, int64_t b) { return a < b ? -1 : a > b; }

/* v NULL: a key that is not there, whose numbers are 0 and which has no value. A operand that was
 * not sent is 0. */
static bool holds_for(const compare *c, const struct reg_view *v)
{
    static const struct reg_view none = {0};
    bool sent[] = {c->target_union_case == 4, c->target_union_case == 5, c->target_union_case == 6,
                   c->target_union_case == 7, c->target_union_case == 8};
    if (!v) v = &none;
    switch (c->target) {
    case ETCDSERVERPB_COMPARE_COMPARE_TARGET_VERSION:
        return outcome(c->result, cmp_i64((int64_t)v->version, sent[0] ? c->version : 0));
    case ETCDSERVERPB_COMPARE_COMPARE_TARGET_CREATE:
        return outcome(c->result, cmp_i64((int64_t)v->create_rev, sent[1] ? c->create_revision : 0));
    case ETCDSERVERPB_COMPARE_COMPARE_TARGET_MOD:
        return outcome(c->result, cmp_i64((int64_t)v->mod_rev, sent[2] ? c->mod_revision : 0));
    case ETCDSERVERPB_COMPARE_COMPARE_TARGET_LEASE:
        return outcome(c->result, cmp_i64((int64_t)v->lease, sent[4] ? c->lease : 0));
    case ETCDSERVERPB_COMPARE_COMPARE_TARGET_VALUE:
        return v != &none && outcome(c->result, sn_str_cmp(reg_value_str(v->value),
                                                           sent[3] ? c->value : SN_STR("")));
    default: return false;
    }
}

/* Of a range every key must fulfil it. Returns 1, 0, or a failure. */
static int holds(struct run *run, const compare *c)
{
    struct sn_arena tmp;
    struct reg_view *v;
    size_t n;
    if (!c->key.len) return etcd_fail(run->call, ETCD_EMPTY_KEY);
    sn_arena_init(&tmp, NULL, 0);
    int r = reg_store_range(&run->s->store, c->key, c->range_end, 0, &tmp, &v, &n);
    bool all = r >= 0 && (n || holds_for(c, NULL));
    for (size_t i = 0; all && i < n; i++) all = holds_for(c, &v[i]);
    sn_arena_done(&tmp);
    return r < 0 ? r : all;
}

static int unfold(struct run *run, const txn_request *q, txn_response *rep, unsigned depth);

static int unfold_op(struct run *run, const request_op *q, response_op *rep, unsigned depth)
{
    struct sn_arena *a = run->call->arena;
    struct op op = {.what = q->request_case};
    rep->response_case = q->request_case; /* the numbers are the same on both sides */
    switch (q->request_case) {
    case OP_RANGE:
        op.q.range = q->request_range;
        op.rep.range = rep->response_range = etcdserverpb_range_response_new(a);
        return rep->response_range ? add_op(run, op) : SN_E_NOMEM;
    case OP_PUT:
        op = put_op(a, q->request_put, &rep->response_put);
        return rep->response_put ? add_op(run, op) : SN_E_NOMEM;
    case OP_DELETE:
        op = delete_op(a, q->request_delete_range, &rep->response_delete_range);
        return rep->response_delete_range ? add_op(run, op) : SN_E_NOMEM;
    case OP_TXN:
        rep->response_txn = etcdserverpb_txn_response_new(a);
        if (!rep->response_txn) return SN_E_NOMEM;
        return unfold(run, q->request_txn, rep->response_txn, depth + 1);
    default: return sn_grpc_fail(run->call, SN_E_INVALID_ARGUMENT, "etcdserver: empty operation");
    }
}

/* Compares, also of nested transactions, look at the state before any operation. */
static int unfold(struct run *run, const txn_request *q, txn_response *rep, unsigned depth)
{
    struct sn_arena *a = run->call->arena;
    int r = 1;
    if (depth > ETCD_TXN_DEPTH_MAX || q->compare.len > ETCD_TXN_OPS_MAX ||
        q->success.len > ETCD_TXN_OPS_MAX || q->failure.len > ETCD_TXN_OPS_MAX)
        return etcd_fail(run->call, ETCD_TOO_MANY_OPS);
    for (uint32_t i = 0; r > 0 && i < q->compare.len; i++) r = holds(run, q->compare.ptr[i]);
    if (r < 0) return r;
    rep->succeeded = r > 0;
    uint32_t n = r > 0 ? q->success.len : q->failure.len;
    request_op **ops = r > 0 ? q->success.ptr : q->failure.ptr;
    for (uint32_t i = 0; r >= 0 && i < n; i++) {
        response_op *out = etcdserverpb_txn_response_add_responses(rep, a);
        r = out ? unfold_op(run, ops[i], out, depth) : SN_E_NOMEM;
    }
    return r < 0 ? r : 0;
}

static void set_headers(txn_response *rep, struct etcdserverpb_response_header *h)
{
    rep->header = h;
    for (uint32_t i = 0; i < rep->responses.len; i++)
        if (rep->responses.ptr[i]->response_case == OP_TXN)
            set_headers(rep->responses.ptr[i]->response_txn, h);
}

static bool only_reads(const txn_request *q, unsigned depth)
{
    for (unsigned side = 0; side < 2; side++) {
        uint32_t n = side ? q->failure.len : q->success.len;
        request_op **ops = side ? q->failure.ptr : q->success.ptr;
        for (uint32_t i = 0; i < n; i++) {
            bool nested = ops[i]->request_case == OP_TXN && depth < ETCD_TXN_DEPTH_MAX;
            if (nested ? !only_reads(ops[i]->request_txn, depth + 1)
                       : ops[i]->request_case != OP_RANGE)
                return false;
        }
    }
    return true;
}

static int kv_txn(struct sn_grpc_call *call, const txn_request *q, txn_response **ret)
{
    struct run run = {.call = call,
                      .s = call->arg,
                      .ops = SN_ARENA_ARRAY(call->arena, struct op, ETCD_TXN_OPS_MAX)};
    txn_response *rep = etcdserverpb_txn_response_new(call->arena);
    if (!rep || !run.ops) return SN_E_NOMEM;
    int r = only_reads(q, 0) ? 0 : etcd_writes(call);
    if (r < 0) return r;
    reg_srv_lock(run.s);
    r = unfold(&run, q, rep, 0);
    if (r >= 0) r = perform(&run);
    struct etcdserverpb_response_header *h = etcd_header(run.s, call->arena);
    if (h)
        set_headers(rep, h);
    else if (r >= 0)
        r = SN_E_NOMEM;
    int c = reg_srv_commit(run.s);
    if (r >= 0) r = c;
    if (r >= 0) *ret = rep;
    return r;
}

static int kv_compact(struct sn_grpc_call *call, const struct etcdserverpb_compaction_request *q,
                      struct etcdserverpb_compaction_response **ret)
{
    struct sn_regserver *s = call->arg;
    struct etcdserverpb_compaction_response *rep =
        etcdserverpb_compaction_response_new(call->arena);
    int r = etcd_writes(call);
    if (r < 0) return r;
    if (!rep) return SN_E_NOMEM;
    reg_srv_lock(s);
    if (q->revision > (int64_t)s->store.rev)
        r = etcd_fail(call, ETCD_FUTURE_REV);
    else if (q->revision <= etcd_compact_rev(&s->store))
        r = etcd_fail(call, ETCD_COMPACTED);
    else
        reg_store_compact(&s->store, (uint64_t)q->revision - 1);
    rep->header = etcd_header(s, call->arena);
    reg_srv_unlock(s);
    if (r < 0) return r;
    *ret = rep;
    return rep->header ? 0 : SN_E_NOMEM;
}

const struct etcdserverpb_kv_handlers etcd_kv_handlers = {
    .range = kv_range,
    .put = kv_put,
    .delete_range = kv_delete_range,
    .txn = kv_txn,
    .compact = kv_compact,
};
