/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/node_threads_test.c - an engine on a runtime with several workers and real files,
 * while fibers on all of them bring it messages, look at what it knows, and prune behind it. What
 * ThreadSanitizer watches. */
#include <stdio.h>

#include "chains/abci/kvstore.h"
#include "consensus/node/engine.h"
#include "fiber/sync.h"
#include "harness/test.h"

#define BLOCKS 30

struct rig {
    char wal[256], key[256], state[256], app[256];
    struct sn_engine *engine;
    struct sn_exec *exec;
    struct sn_cons_state *start;
    _Atomic int64_t height;
    _Atomic unsigned faults, news, looks;
    _Atomic bool over;
};

static void on_block(void *arg, const struct sn_exec_block *b)
{
    ((struct rig *)arg)->height = b->block->header.height;
}
static void on_news(void *arg, const struct sn_cons_action *a, const struct sn_cons_msg *own)
{
    ((struct rig *)arg)->news++;
}
static void on_fault(void *arg, const struct sn_cons_peer_id *peer, int error)
{
    ((struct rig *)arg)->faults++;
}
static int engine_fiber(void *arg)
{
    struct rig *g = arg;
    int r = sn_engine_run(g->engine, g->start, false);
    T_ASSERTF(r == SN_E_CANCELLED, "%s", sn_diag_str(r));
    return r;
}
static int prune_fiber(void *arg) { return sn_exec_run_pruner(((struct rig *)arg)->exec); }

/* A peer whose votes are signed by nobody. */
static int peer_fiber(void *arg)
{
    struct rig *g = arg;
    struct sn_cons_peer_id id = {.len = 1, .b = {'p'}};
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = 0;
    while (r >= 0 && !g->over) {
        int64_t height = g->height + 1;
        struct sn_cons_vote v = {.type = SN_CONS_PREVOTE, .height = height, .time = {1, 0},
                                 .sig = {.len = 64}};
        struct sn_cons_msg m = {.kind = SN_CONS_MSG_VOTE, .vote = &v};
        sn_buf_reset(&b);
        T_OK(sn_cons_msg_encode(&m, &b));
        for (int i = 0; r >= 0 && i < 20; i++) r = sn_engine_submit(g->engine, &id, sn_buf_view(&b));
        if (r >= 0) r = sn_sleep(SN_MS);
    }
    sn_buf_done(&b);
    return r == SN_E_CLOSED ? 0 : r;
}
static int look_fiber(void *arg)
{
    struct rig *g = arg;
    int r = 0;
    int64_t last = 0;
    while (r >= 0 && !g->over) {
        const struct sn_cons_round_state *rs = sn_engine_lock(g->engine);
        if (rs) {
            T_ASSERT(rs->height >= last);
            last = rs->height;
            T_ASSERT(sn_engine_state(g->engine)->last_height == last - 1);
            for (size_t i = 0; i < rs->votes.rounds.len; i++)
                if (rs->votes.rounds.ptr[i].prevotes)
                    (void)sn_cons_bits_count(&rs->votes.rounds.ptr[i].prevotes->bits);
        }
        sn_engine_unlock(g->engine);
        struct sn_engine_stats st;
        sn_engine_stats(g->engine, &st);
        sn_engine_txs_available(g->engine);
        g->looks++;
        r = sn_sleep(200 * SN_US);
    }
    return r;
}

static void make_genesis(struct sn_cons_genesis *g, struct sn_cons_genesis_validator *v,
                         const struct sn_cons_key *key)
{
    *v = (struct sn_cons_genesis_validator){.v = {.key = *key, .power = 1}};
    *g = (struct sn_cons_genesis){.has_time = true, .time = sn_cons_time_of_ns(sn_wall_now()),
                                  .chain_id = SN_STR("threads"), .initial_height = 1,
                                  .params = sn_cons_params_default(), .validators = v,
                                  .n_validators = 1};
    g->params.evidence_max_blocks = 2;
    g->params.evidence_max_ns = 1;
}

static void serve(struct rig *g)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go_on(s, 0, "engine", engine_fiber, g));
    T_OK(sn_scope_go_on(s, 1, "prune", prune_fiber, g));
    for (unsigned i = 0; i < 4; i++) {
        T_OK(sn_scope_go_on(s, i, "peer", peer_fiber, g));
        T_OK(sn_scope_go_on(s, i, "look", look_fiber, g));
    }
    while (g->height < BLOCKS) T_OK(sn_sleep(10 * SN_MS));
    g->over = true;
    sn_scope_cancel(s);
    (void)!sn_scope_end(s);
    T_ASSERT(g->faults > 0 && g->news > 0 && g->looks > 0);
    T_ASSERT(!sn_engine_running(g->engine));
}

static int threads_main(void *arg)
{
    struct rig *g = arg;
    struct sn_privval *pv;
    struct sn_signer_file signer;
    struct sn_kvstore *kv;
    struct sn_abci_conns app;
    struct sn_kv *blocks_kv, *states_kv;
    struct sn_cons_block_store *blocks;
    struct sn_cons_genesis genesis;
    struct sn_cons_genesis_validator validator;
    struct sn_cons_state *first;
    T_OK(sn_privval_open(&(struct sn_privval_opts){g->key, g->state, true}, &pv));
    sn_signer_file(pv, &signer);
    T_OK(sn_kvstore_open(&(struct sn_kvstore_opts){.dir = g->app, .retain_blocks = 3}, &kv));
    T_OK(sn_abci_conns_local(sn_kvstore_app(kv), &app));
    T_OK(sn_kv_open_memory(&blocks_kv));
    T_OK(sn_kv_open_memory(&states_kv));
    T_OK(sn_cons_block_store_new(blocks_kv, &blocks));
    struct sn_cons_state_store *states = sn_cons_state_store_new(states_kv, false);
    make_genesis(&genesis, &validator, sn_privval_key(pv));
    struct sn_exec_opts eo = {.app = &app, .blocks = blocks, .states = states,
                              .verifier = &sn_cons_verifier_zip215, .on_block = on_block, .arg = g};
    T_OK(sn_exec_new(&eo, &g->exec));
    T_OK(sn_cons_genesis_state(&genesis, &first));
    T_OK(sn_exec_handshake(g->exec, &genesis, first, &g->start));
    sn_cons_state_unref(first);
    struct sn_engine_opts o = {.config = sn_cons_config_default(),
                               .verifier = &sn_cons_verifier_zip215, .exec = g->exec, .env = eo,
                               .signer = &signer.s, .wal_path = g->wal, .on_news = on_news, .arg = g};
    o.config.commit_ns = 5 * SN_MS;
    o.config.skip_commit_timeout = true;
    T_OK(sn_engine_new(&o, &g->engine));
    sn_engine_on_fault(g->engine, on_fault, g);
    serve(g);
    T_ASSERT(sn_cons_block_store_base(blocks) > 1);
    sn_engine_free(g->engine);
    sn_exec_free(g->exec);
    sn_cons_state_unref(g->start);
    sn_cons_state_store_free(states);
    sn_cons_block_store_free(blocks);
    sn_abci_conns_close(&app);
    sn_kvstore_close(kv);
    sn_privval_close(pv);
    return 0;
}

SN_TEST_SLOW(many_workers_around_one_engine, 120)
{
    static struct rig g;
    const char *dir = sn_test_tmpdir();
    snprintf(g.wal, sizeof(g.wal), "%s/wal/wal", dir);
    snprintf(g.key, sizeof(g.key), "%s/key.json", dir);
    snprintf(g.state, sizeof(g.state), "%s/state.json", dir);
    snprintf(g.app, sizeof(g.app), "%s/app", dir);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 4}, threads_main, &g));
}
