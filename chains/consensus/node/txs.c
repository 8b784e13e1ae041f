/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/txs.c - the pool asks the application.
 *
 * Calls in progress are counted in stripes, one per worker modulo STRIPES, so that checks on
 * different workers share no cache line; who holds adds the stripes up. */
#include "consensus/node/txs.h"

#include <stdatomic.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/status.h"
#include "core/varint.h"
#include "fiber/sync.h"
#include "kit/log.h"

SN_LOG_MODULE("txs");

#define STRIPES 32u
#define RECHECK_PARALLEL 32u
#define RECHECK_ARENA (16u << 20)

struct stripe {
    _Atomic int64_t calls;
} SN_ALIGNED(SN_CACHE_LINE);
struct sn_txs {
    struct sn_txs_opts o;
    struct sn_mempool *pool;
    _Atomic int64_t bytes_max, gas_max;
    _Atomic bool told; /* on_available, since the last update */
    _Atomic bool held;
    struct sn_mutex lock;   /* of what follows, and of changes of `held` */
    struct sn_cond free;    /* not held any more */
    struct sn_cond drained; /* a call has ended while held */
    struct sn_cond due;     /* for sn_txs_run */
    struct sn_cond rechecked; /* as after so many updates: */
    uint64_t updates, updates_rechecked;
    struct sn_scope *later; /* of checks nobody waits for, while sn_txs_run runs */
    unsigned n_later;
    struct stripe stripes[STRIPES];
};

int sn_txs_new(const struct sn_txs_opts *o, struct sn_txs **ret)
{
    struct sn_txs *t = sn_aligned_alloc(SN_CACHE_LINE, sizeof(*t));
    if (!t) return SN_E_NOMEM;
    memset(t, 0, sizeof(*t));
    t->o = *o;
    if (!t->o.recheck_parallel) t->o.recheck_parallel = RECHECK_PARALLEL;
    atomic_init(&t->bytes_max, -1);
    atomic_init(&t->gas_max, -1);
    int r = sn_mempool_new(&o->pool, &t->pool);
    if (r < 0) {
        sn_free(t);
        return r;
    }
    *ret = t;
    return 0;
}
void sn_txs_free(struct sn_txs *t)
{
    if (!t) return;
    sn_mempool_free(t->pool);
    sn_free(t);
}
struct sn_mempool *sn_txs_pool(struct sn_txs *t) { return t->pool; }
void sn_txs_on_available(struct sn_txs *t, void (*fn)(void *arg), void *arg)
{
    t->o.on_available = fn;
    t->o.arg = arg;
}
void sn_txs_set_limits(struct sn_txs *t, int64_t bytes_max, int64_t gas_max)
{
    atomic_store(&t->bytes_max, bytes_max);
    atomic_store(&t->gas_max, gas_max);
}
static void available(struct sn_txs *t)
{
    if (t->o.on_available && !atomic_exchange(&t->told, true)) t->o.on_available(t->o.arg);
}

/* ---- the gate ---- */

static struct stripe *own_stripe(struct sn_txs *t)
{
    return &t->stripes[(unsigned)sn_worker_id() % STRIPES];
}
static void leave(struct sn_txs *t, struct stripe *s)
{
    atomic_fetch_sub(&s->calls, 1);
    if (!atomic_load(&t->held)) return;
    sn_mutex_lock_always(&t->lock);
    sn_cond_broadcast(&t->drained);
    sn_mutex_unlock(&t->lock);
}
/* Whoever enters counts itself and then looks whether it is held; whoever holds says so and then
 * counts: one of the two sees the other. */
static int enter(struct sn_txs *t, struct stripe **ret)
{
    int r = 0;
    struct stripe *s = own_stripe(t);
    for (;;) {
        atomic_fetch_add(&s->calls, 1);
        if (!atomic_load(&t->held)) break;
        leave(t, s);
        r = sn_mutex_lock(&t->lock);
        if (r < 0) return r;
        while (r == 0 && atomic_load(&t->held)) r = sn_cond_wait(&t->free, &t->lock);
        sn_mutex_unlock(&t->lock);
        if (r < 0) return r;
    }
    *ret = s;
    return 0;
}
static bool busy(struct sn_txs *t)
{
    int64_t n = 0;
    for (unsigned i = 0; i < STRIPES; i++) n += atomic_load(&t->stripes[i].calls);
    return n != 0;
}
int sn_txs_hold(struct sn_txs *t)
{
    int r = sn_mutex_lock(&t->lock);
    if (r < 0) return r;
    while (r == 0 && atomic_load(&t->held)) r = sn_cond_wait(&t->free, &t->lock);
    if (r == 0) {
        atomic_store(&t->held, true);
        while (r == 0 && busy(t)) r = sn_cond_wait(&t->drained, &t->lock);
        if (r < 0) {
            atomic_store(&t->held, false);
            sn_cond_broadcast(&t->free);
        }
    }
    sn_mutex_unlock(&t->lock);
    return r;
}
void sn_txs_release(struct sn_txs *t, int64_t decided)
{
    if (decided) sn_mempool_decided(t->pool, decided);
    sn_mutex_lock_always(&t->lock);
    atomic_store(&t->held, false);
    sn_cond_broadcast(&t->free);
    sn_mutex_unlock(&t->lock);
}

/* ---- checking ---- */

static int ask(struct sn_txs *t, struct sn_str tx, int32_t type, struct sn_arena *a,
               struct tendermint_abci_response_check_tx **ret)
{
    struct stripe *s;
    struct tendermint_abci_request_check_tx req = {.tx = tx, .type = type};
    int r = enter(t, &s);
    if (r < 0) return r;
    r = sn_abci_check_tx(t->o.app, &req, a, ret);
    leave(t, s);
    return r;
}
/* Whether the application's word and the block's gas have room for it. */
static bool is_ok(struct sn_txs *t, const struct tendermint_abci_response_check_tx *res)
{
    int64_t gas_max = atomic_load_explicit(&t->gas_max, memory_order_relaxed);
    return res->code == 0 && (gas_max < 0 || (res->gas_wanted >= 0 && res->gas_wanted <= gas_max));
}
int sn_txs_begin(struct sn_txs *t, struct sn_str tx, uint16_t from, struct sn_mempool_tx **ret_tx)
{
    int64_t bytes_max = atomic_load_explicit(&t->bytes_max, memory_order_relaxed);
    uint64_t field = 1 + sn_varint_len(tx.len) + tx.len;
    if (bytes_max >= 0 && field > (uint64_t)bytes_max)
        return sn_fail(SN_E_TOO_LARGE, "transaction of %zu bytes: a block has room for %lld",
                       tx.len, (long long)bytes_max);
    return sn_mempool_begin(t->pool, tx, from, sn_now(), ret_tx);
}
static int ask_about(struct sn_txs *t, struct sn_mempool_tx *tx, struct sn_str bytes,
                     struct sn_arena *a, struct tendermint_abci_response_check_tx **ret)
{
    struct tendermint_abci_response_check_tx *res;
    int r = ask(t, bytes, TENDERMINT_ABCI_CHECK_TX_TYPE_NEW, a, &res);
    if (r < 0) {
        /* Nobody has said a word about it: it may come again. */
        (void)sn_mempool_remove(t->pool, tx->key);
        (void)sn_mempool_finish(t->pool, tx, false, 0);
        return r;
    }
    r = sn_mempool_finish(t->pool, tx, is_ok(t, res), res->gas_wanted);
    if (r < 0) return r;
    if (r == 1) available(t);
    *ret = res;
    return 0;
}
int sn_txs_ask(struct sn_txs *t, struct sn_mempool_tx *tx, struct sn_arena *a,
               struct tendermint_abci_response_check_tx **ret)
{
    return ask_about(t, tx, tx->data, a, ret);
}
int sn_txs_check(struct sn_txs *t, struct sn_str tx, uint16_t from, struct sn_arena *a,
                 struct tendermint_abci_response_check_tx **ret)
{
    struct sn_mempool_tx *m;
    int r = sn_txs_begin(t, tx, from, &m);
    return r < 0 ? r : ask_about(t, m, tx, a, ret);
}

/* ---- checks nobody waits for ---- */

struct later {
    struct sn_txs *t;
    struct sn_mempool_tx *tx;
};
static void later_done(struct sn_txs *t)
{
    sn_mutex_lock_always(&t->lock);
    t->n_later--;
    sn_mutex_unlock(&t->lock);
}
static int later(void *arg)
{
    struct later l = *(struct later *)arg;
    struct tendermint_abci_response_check_tx *res;
    struct sn_arena a;
    sn_free(arg);
    sn_arena_init(&a, NULL, RECHECK_ARENA);
    int r = sn_txs_ask(l.t, l.tx, &a, &res);
    sn_arena_done(&a);
    later_done(l.t);
    if (r < 0 && r != SN_E_CANCELLED) SN_LOG_DEBUG("transaction not taken", SN_L_ERR(r));
    return 0;
}
/* A place among them. Returns 1, 0 where sn_txs_run does not run. */
static int later_enter(struct sn_txs *t)
{
    sn_mutex_lock_always(&t->lock);
    int r = t->later ? 1 : 0;
    if (r && t->n_later == SN_TXS_LATER_MAX)
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "%u transactions wait for the application's word",
                    t->n_later);
    if (r == 1) t->n_later++;
    sn_mutex_unlock(&t->lock);
    return r;
}
static int later_go(struct sn_txs *t, struct sn_mempool_tx *tx)
{
    struct later *l = SN_NEW(struct later);
    if (!l) return SN_E_NOMEM;
    *l = (struct later){t, tx};
    sn_mutex_lock_always(&t->lock);
    int r = t->later ? sn_scope_go(t->later, "check-tx", later, l) : SN_E_CANCELLED;
    sn_mutex_unlock(&t->lock);
    if (r < 0) sn_free(l);
    return r;
}
bool sn_txs_running(struct sn_txs *t)
{
    sn_mutex_lock_always(&t->lock);
    bool yes = t->later;
    sn_mutex_unlock(&t->lock);
    return yes;
}
int sn_txs_check_later(struct sn_txs *t, struct sn_str bytes, uint16_t from)
{
    struct sn_mempool_tx *tx;
    int place = later_enter(t);
    int r = place < 0 ? place : sn_txs_begin(t, bytes, from, &tx);
    if (r == 0 && place == 0) {
        struct tendermint_abci_response_check_tx *res;
        struct sn_arena a SN_CLEANUP(sn_arena_done);
        sn_arena_init(&a, NULL, RECHECK_ARENA);
        return sn_txs_ask(t, tx, &a, &res);
    }
    if (r == 0 && (r = later_go(t, tx)) < 0) {
        (void)sn_mempool_remove(t->pool, tx->key);
        (void)sn_mempool_finish(t->pool, tx, false, 0);
    }
    if (r < 0 && place == 1) later_done(t);
    return r;
}

/* ---- blocks ---- */

int sn_txs_update(struct sn_txs *t, int64_t now_ns, const struct sn_mempool_done *txs, size_t n)
{
    struct sn_mempool_stats s;
    int r = sn_mempool_update(t->pool, now_ns, txs, n);
    atomic_store(&t->told, false);
    sn_mempool_stats(t->pool, &s);
    if (s.txs > 0) available(t);
    sn_mutex_lock_always(&t->lock);
    t->updates++;
    sn_cond_broadcast(&t->due);
    sn_mutex_unlock(&t->lock);
    return r;
}
static int recheck(void *arg)
{
    struct sn_txs *t = arg;
    struct sn_mempool_tx *tx;
    struct sn_arena a;
    int r = 0;
    sn_arena_init(&a, NULL, RECHECK_ARENA);
    while (r == 0 && (tx = sn_mempool_recheck_take(t->pool)) != NULL) {
        struct tendermint_abci_response_check_tx *res;
        r = ask(t, tx->data, TENDERMINT_ABCI_CHECK_TX_TYPE_RECHECK, &a, &res);
        /* One about which nothing was learnt stays, as checked: the application's failure is the
         * node's end, and memory may be there for the next. */
        sn_mempool_recheck_done(t->pool, tx, r < 0 || is_ok(t, res),
                                r < 0 ? tx->gas : res->gas_wanted);
        if (r == SN_E_NOMEM) r = 0;
        sn_arena_reset(&a);
    }
    sn_arena_done(&a);
    return r;
}
/* As many at a time as there is work for, each taking the next that is due. */
static int recheck_all(struct sn_txs *t)
{
    struct sn_scope_storage mem;
    struct sn_mempool_stats st;
    sn_mempool_stats(t->pool, &st);
    if (st.txs == 0) return 0;
    struct sn_scope *s = sn_scope_begin(&mem);
    unsigned n = (unsigned)SN_MIN((uint64_t)t->o.recheck_parallel, st.txs);
    int r = 0;
    for (unsigned i = 1; r == 0 && i < n; i++) r = sn_scope_go(s, "recheck", recheck, t);
    if (r == SN_E_NOMEM || r == SN_E_RESOURCE_EXHAUSTED) r = 0; /* this fiber does it alone */
    if (r == 0) r = recheck(t);
    int e = sn_scope_end(s);
    return r < 0 ? r : e;
}
int sn_txs_await_rechecked(struct sn_txs *t, int64_t until_ns)
{
    int r = sn_mutex_lock(&t->lock);
    if (r < 0) return r;
    int64_t before = sn_deadline_tighten(until_ns);
    while (r == 0 && t->later && t->updates_rechecked != t->updates)
        r = sn_cond_wait(&t->rechecked, &t->lock);
    sn_deadline_restore(before);
    sn_mutex_unlock(&t->lock);
    return r == SN_E_DEADLINE_EXCEEDED && sn_now() < before ? 0 : r;
}
static int follow(struct sn_txs *t)
{
    uint64_t done = 0;
    for (;;) {
        int r = sn_mutex_lock(&t->lock);
        if (r < 0) return r;
        while (r == 0 && t->updates == done) r = sn_cond_wait(&t->due, &t->lock);
        done = t->updates;
        sn_mutex_unlock(&t->lock);
        if (r == 0) r = recheck_all(t);
        if (r == 0) {
            sn_mutex_lock_always(&t->lock);
            t->updates_rechecked = done;
            sn_cond_broadcast(&t->rechecked);
            sn_mutex_unlock(&t->lock);
        }
        if (r < 0 && sn_cancelled()) return SN_E_CANCELLED;
        if (r < 0) return sn_wrap(r, "recheck of transactions");
    }
}
int sn_txs_run(struct sn_txs *t)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    sn_mutex_lock_always(&t->lock);
    t->later = s;
    sn_mutex_unlock(&t->lock);
    char why[SN_DIAG_BYTES];
    int r = follow(t);
    sn_diag_format(r, why, sizeof(why));
    sn_mutex_lock_always(&t->lock);
    t->later = NULL;
    sn_cond_broadcast(&t->rechecked);
    sn_mutex_unlock(&t->lock);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    return r == SN_E_CANCELLED ? r : sn_fail(r, "%s", why);
}
