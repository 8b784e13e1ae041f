/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/node/txs.h"

#include <stdatomic.h>

#include "core/status.h"
#include "core/torture.h"
#include "fiber/fiber.h"
#include "fiber/sim.h"
#include "harness/test.h"

/* An application that says no to what begins with N, wants as much gas as a transaction has bytes,
 * and takes its time for what begins with S. */
static struct app {
    _Atomic unsigned calls, rechecks, inside, most;
    _Atomic bool closed;   /* no call may be inside */
    _Atomic bool fail;     /* it cannot go on */
    _Atomic bool no_gifts; /* refuses what begins with G when checked again */
    int64_t slow_ns;
} app;

static int check_tx(struct sn_abci_call *c, const struct tendermint_abci_request_check_tx *req,
                    struct tendermint_abci_response_check_tx *res)
{
    bool again = req->type == TENDERMINT_ABCI_CHECK_TX_TYPE_RECHECK;
    unsigned now = atomic_fetch_add(&app.inside, 1) + 1, most = atomic_load(&app.most);
    T_ASSERT(!atomic_load(&app.closed));
    while (now > most && !atomic_compare_exchange_weak(&app.most, &most, now)) {}
    atomic_fetch_add(again ? &app.rechecks : &app.calls, 1);
    int r = sn_str_starts(req->tx, SN_STR("S")) ? sn_sleep(app.slow_ns) : 0;
    T_ASSERT(!atomic_load(&app.closed));
    res->code = sn_str_starts(req->tx, SN_STR("N")) ? 7 : 0;
    if (again && app.no_gifts && sn_str_starts(req->tx, SN_STR("G"))) res->code = 8;
    res->gas_wanted = (int64_t)req->tx.len;
    res->data = req->tx; /* part of the request */
    atomic_fetch_sub(&app.inside, 1);
    if (app.fail) return sn_fail(SN_E_INTERNAL, "out of order");
    return r;
}
static struct sn_abci_app abci = {.name = "test",
                                  .concurrent = SN_ABCI_BIT(SN_ABCI_CHECK_TX),
                                  .check_tx = check_tx};
static _Atomic unsigned told;
static void on_available(void *arg) { atomic_fetch_add(&told, 1); }

static struct sn_abci_client *client;
static struct sn_txs *make(const struct sn_txs_opts *more)
{
    struct sn_txs_opts o = more ? *more : (struct sn_txs_opts){0};
    struct sn_txs *t;
    memset(&app, 0, sizeof(app));
    told = 0;
    T_OK(sn_abci_client_local(&abci, "mempool", NULL, &client));
    o.app = client;
    T_OK(sn_txs_new(&o, &t));
    sn_txs_on_available(t, on_available, NULL);
    return t;
}
static void unmake(struct sn_txs *t)
{
    sn_txs_free(t);
    sn_abci_client_close(client);
}
/* The application's code, or the error. */
static int check(struct sn_txs *t, const char *tx, uint16_t from)
{
    struct tendermint_abci_response_check_tx *res;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = sn_txs_check(t, sn_str(tx), from, &a, &res);
    if (r == 0) {
        T_STR(res->data, tx);
        r = (int)res->code;
    }
    sn_arena_done(&a);
    return r;
}
static uint64_t waiting(struct sn_txs *t)
{
    struct sn_mempool_stats s;
    sn_mempool_stats(sn_txs_pool(t), &s);
    return s.txs;
}
static void block(struct sn_txs *t, int64_t height, const char *tx)
{
    struct sn_mempool_done d = {.data = sn_str(tx), .ok = true};
    T_OK(sn_txs_hold(t));
    sn_txs_release(t, height);
    T_OK(sn_txs_update(t, sn_now(), &d, tx ? 1 : 0));
}
static int run(void *arg)
{
    int r = sn_txs_run(arg);
    T_ASSERT(r == SN_E_CANCELLED || (app.fail && r == SN_E_INTERNAL));
    return 0;
}
static void until_rechecked(struct sn_txs *t)
{
    for (unsigned i = 0; !sn_mempool_rechecked(sn_txs_pool(t)); i++) {
        T_ASSERT(i < 10000);
        T_OK(sn_sleep(SN_MS));
    }
}

/* Whoever does not wait for the application does not wait for a block either. */
static int later_main(void *arg)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    struct sn_txs *t = make(NULL);
    char text[16];
    T_OK(sn_txs_check_later(t, SN_STR("at once"), 0)); /* nobody runs it yet */
    T_EQ(waiting(t), 1);
    T_OK(sn_scope_go(s, "run", run, t));
    while (!sn_txs_running(t)) T_OK(sn_sleep(SN_MS));
    T_OK(sn_txs_hold(t));
    for (unsigned i = 0; i < SN_TXS_LATER_MAX; i++) {
        snprintf(text, sizeof(text), "later %u", i);
        T_OK(sn_txs_check_later(t, sn_str(text), 0));
    }
    T_EQ(sn_txs_check_later(t, SN_STR("one more"), 0), SN_E_RESOURCE_EXHAUSTED);
    T_EQ(waiting(t), 1);
    sn_txs_release(t, 0);
    for (unsigned i = 0; waiting(t) < SN_TXS_LATER_MAX + 1; i++) {
        T_ASSERT(i < 10000);
        T_OK(sn_sleep(SN_MS));
    }
    T_EQ(sn_txs_check_later(t, SN_STR("later 7"), 0), SN_E_ALREADY_EXISTS);
    T_OK(sn_txs_check_later(t, SN_STR("one more"), 0));
    for (unsigned i = 0; waiting(t) < SN_TXS_LATER_MAX + 2; i++) {
        T_ASSERT(i < 10000);
        T_OK(sn_sleep(SN_MS));
    }
    /* The end comes while one still waits. */
    T_OK(sn_txs_hold(t));
    T_OK(sn_txs_check_later(t, SN_STR("too late"), 0));
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    sn_txs_release(t, 0);
    T_EQ(waiting(t), SN_TXS_LATER_MAX + 2);
    unmake(t);
    return 0;
}

static int words(void *arg)
{
    struct sn_txs *t = make(NULL);
    T_EQ(check(t, "a", 0), 0);
    T_EQ(check(t, "a", 0), SN_E_ALREADY_EXISTS);
    T_EQ(check(t, "No", 0), 7);
    T_EQ(check(t, "No", 0), 7); /* not remembered: it may be better now */
    T_EQ(waiting(t), 1);
    T_EQ(told, 1);
    T_EQ(check(t, "b", 3), 0);
    T_EQ(told, 1); /* once for a block */
    block(t, 1, "a");
    T_EQ(told, 2); /* b is left */
    block(t, 2, "b");
    T_EQ(told, 2);
    T_EQ(waiting(t), 0);
    T_EQ(check(t, "c", 3), 0);
    T_EQ(told, 3);
    /* Limits of blocks. */
    sn_txs_set_limits(t, 10, 5);
    T_EQ(check(t, "12345678", 0), 0); /* the application's word; its gas has no room in a block */
    T_EQ(waiting(t), 1);
    T_EQ(check(t, "123456789", 0), SN_E_TOO_LARGE);
    T_EQ(check(t, "12345", 0), 0);
    T_EQ(waiting(t), 2);
    sn_txs_set_limits(t, -1, -1);
    T_EQ(check(t, "12345678", 0), 0);
    T_EQ(waiting(t), 3);
    unmake(t);
    return 0;
}
static int in_runtime(unsigned workers, int (*fn)(void *arg))
{
    return sn_rt_run(&(struct sn_rt_opts){.workers = workers}, fn, NULL);
}
SN_TEST(txs_later)
{
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 7}, later_main, NULL, NULL));
    T_OK(in_runtime(2, later_main));
}
SN_TEST(txs_words_of_the_application)
{
    T_OK(in_runtime(1, words));
}

static int rechecked(void *arg)
{
    struct sn_scope_storage mem;
    char tx[32];
    struct sn_txs *t = make(&(struct sn_txs_opts){.recheck_parallel = 8});
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "run", run, t));
    T_OK(sn_sleep(SN_MS)); /* without it nobody waits for a recheck */
    for (unsigned i = 0; i < 300; i++) {
        snprintf(tx, sizeof(tx), "%c%u", "GSa"[i % 3], i);
        T_EQ(check(t, tx, 0), 0);
    }
    app.no_gifts = true;
    app.slow_ns = SN_MS;
    app.most = 0;
    block(t, 1, NULL);
    T_OK(sn_txs_await_rechecked(t, sn_now())); /* the time is up at once */
    T_ASSERT(!sn_mempool_rechecked(sn_txs_pool(t)));
    T_OK(sn_txs_await_rechecked(t, sn_now() + 10 * SN_SEC));
    T_ASSERT(sn_mempool_rechecked(sn_txs_pool(t)));
    T_EQ(app.rechecks, 300);
    T_EQ(waiting(t), 200);
    T_ASSERTF(app.most > 1 && app.most <= 8, "%u at a time", app.most);
    /* A block in the middle of a recheck: it begins anew, and nothing waits for it. */
    app.slow_ns = SN_SEC;
    block(t, 2, NULL);
    T_OK(sn_sleep(10 * SN_MS));
    int64_t before = sn_now();
    app.slow_ns = 0;
    block(t, 3, "S1");
    T_ASSERT(sn_now() - before < 2 * SN_SEC); /* the checks in progress, and no others */
    until_rechecked(t);
    T_EQ(waiting(t), 199);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    unmake(t);
    return 0;
}
SN_TEST(txs_rechecked)
{
    for (uint64_t seed = 1; seed <= sn_test_cases(10); seed++)
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = seed}, rechecked, NULL, NULL));
    T_OK(in_runtime(2, rechecked));
}

/* Fibers on several workers check while another holds again and again: while it does, nobody is
 * with the application. */
static struct sn_txs *shared;
static int many(void *arg)
{
    char tx[32];
    for (unsigned i = 0; i < 300; i++) {
        snprintf(tx, sizeof(tx), "%c%u-%u", i % 5 ? 'a' : 'S', (unsigned)(uintptr_t)arg, i);
        T_EQ(check(shared, tx, 1), 0);
    }
    return 0;
}
static int hold_often(void *arg)
{
    for (unsigned i = 0; i < 100; i++) {
        T_OK(sn_txs_hold(shared));
        T_EQ(app.inside, 0);
        app.closed = true;
        T_OK(sn_sleep(50 * SN_US));
        app.closed = false;
        sn_txs_release(shared, i);
        T_OK(sn_txs_update(shared, sn_now(), NULL, 0));
        sn_yield();
    }
    return 0;
}
static int held(void *arg)
{
    struct sn_scope_storage mem;
    shared = make(&(struct sn_txs_opts){.pool = {.txs_max = 100000}});
    app.slow_ns = 20 * SN_US;
    struct sn_scope *s = sn_scope_begin(&mem), *runner;
    struct sn_scope_storage mem2;
    runner = sn_scope_begin(&mem2);
    T_OK(sn_scope_go(runner, "run", run, shared));
    for (uintptr_t i = 0; i < 8; i++) T_OK(sn_scope_go(s, "many", many, (void *)i));
    T_OK(sn_scope_go(s, "hold", hold_often, NULL));
    sn_scope_cancel(runner);
    (void)sn_scope_end(runner);
    T_OK(sn_scope_end(s));
    T_EQ(waiting(shared), 8 * 300);
    unmake(shared);
    return 0;
}
SN_TEST(txs_held)
{
    T_OK(in_runtime(4, held));
    for (uint64_t seed = 1; seed <= sn_test_cases(5); seed++)
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = seed}, held, NULL, NULL));
}

/* Who is cancelled in the middle leaves nothing behind; the application's failure likewise. */
static int slow_one(void *arg)
{
    T_EQ(check(shared, "Slow", 2), SN_E_CANCELLED);
    return 0;
}
static int given_up(void *arg)
{
    struct sn_scope_storage mem;
    shared = make(&(struct sn_txs_opts){.pool = {.keep_invalid = true}});
    app.slow_ns = SN_HOUR;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "slow", slow_one, NULL));
    T_OK(sn_sleep(SN_SEC));
    /* Who wants to hold waits for it, and may give up. */
    int64_t before = sn_deadline_tighten(sn_now() + SN_SEC);
    T_EQ(sn_txs_hold(shared), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(before);
    T_EQ(check(shared, "a", 0), 0);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    app.slow_ns = 0;
    unmake(shared);
    shared = make(NULL);
    app.fail = true;
    T_EQ(check(shared, "b", 0), SN_E_INTERNAL);
    T_EQ(waiting(shared), 0);
    T_OK(sn_txs_hold(shared)); /* nothing is counted as in progress */
    sn_txs_release(shared, 0);
    unmake(shared);
    return 0;
}
SN_TEST(txs_given_up)
{
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 1}, given_up, NULL, NULL));
}

static int no_memory(void *arg)
{
    struct sn_txs_opts o = {.app = client};
    struct sn_txs *t;
    struct tendermint_abci_response_check_tx *res;
    struct sn_arena a;
    int r = sn_txs_new(&o, &t);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    r = sn_txs_check(t, SN_STR("transaction"), 1, &a, &res);
    sn_arena_done(&a);
    if (r == 0) r = sn_txs_hold(t);
    if (r == 0) {
        struct sn_mempool_done d = {.data = SN_STR("another"), .ok = true};
        sn_txs_release(t, 1);
        r = sn_txs_update(t, 1, &d, 1);
    }
    sn_txs_free(t);
    return r;
}
static int tortured(void *arg)
{
    T_OK(sn_abci_client_local(&abci, "mempool", NULL, &client));
    int n = sn_torture(no_memory, NULL);
    T_ASSERTF(n >= 5, "%d failures injected", n);
    sn_abci_client_close(client);
    return 0;
}
SN_TEST(txs_without_memory)
{
    memset(&app, 0, sizeof(app));
    T_OK(in_runtime(1, tortured));
}
