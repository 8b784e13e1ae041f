/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/node_world_test.c - see the header. */
#include "consensus/node/node_world_test.h"

#include <stdio.h>

#include "chains/abci/client.h"
#include "consensus/hash.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/ed25519.h"
#include "fiber/chan.h"
#include "fiber/os.h"
#include "harness/test.h"

struct packet {
    unsigned refs;
    size_t n;
    uint8_t data[];
};

static uint64_t below(uint64_t n) { return sn_sim_rand() % n; }

/* Where hosts crash, what they had in memory is not given back. */
static bool may_crash(const struct world *w)
{
    return w->o.crashes || w->o.why || w->o.stall || w->o.double_sign_check;
}

/* ---- keys ---- */

static void secret_of(int id, uint8_t secret[SN_ED25519_SECRET_LEN])
{
    uint8_t seed[SN_ED25519_SEED_LEN] = {(uint8_t)(id + 1)};
    T_OK(sn_ed25519_from_seed(secret, seed));
}
static void write_key(int id)
{
    uint8_t secret[SN_ED25519_SECRET_LEN];
    struct sn_buf b;
    secret_of(id, secret);
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "{\"priv_key\":{\"type\":\"tendermint/PrivKeyEd25519\",\"value\":\"");
    T_OK(sn_buf_base64(&b, secret, sizeof(secret), SN_BASE64_STD));
    sn_buf_cstr(&b, "\"}}");
    T_OK(sn_file_write("/key.json", sn_buf_view(&b), 0600));
    T_OK(sn_file_write("/state.json", SN_STR("{\"height\":\"0\",\"round\":0,\"step\":0}"), 0600));
    sn_buf_done(&b);
}

static void make_genesis(struct world *w)
{
    struct sn_cons_genesis *g = &w->genesis;
    sn_arena_init(&w->arena, NULL, 0);
    *g = (struct sn_cons_genesis){.has_time = true,
                                  .time = sn_cons_time_of_ns(sn_wall_now()),
                                  .chain_id = SN_STR("sim"),
                                  .initial_height = w->o.initial_height ? w->o.initial_height : 1,
                                  .params = sn_cons_params_default(),
                                  .n_validators = (uint32_t)w->o.n};
    if (w->o.extensions) g->params.extensions_height = g->initial_height;
    /* Evidence keeps headers for long; here it shall not. */
    g->params.evidence_max_blocks = w->o.equivocate ? 1000 : 3;
    g->params.evidence_max_ns = w->o.equivocate ? SN_HOUR : SN_SEC;
    g->validators = SN_ARENA_ARRAY(&w->arena, struct sn_cons_genesis_validator, g->n_validators);
    for (int i = 0; i < w->o.n; i++) {
        uint8_t secret[SN_ED25519_SECRET_LEN];
        struct sn_cons_validator *v = &g->validators[i].v;
        secret_of(i, secret);
        T_OK(sn_cons_key_set(&v->key, SN_CONS_ED25519, sn_str_of((char *)secret + 32, 32)));
        T_OK(sn_cons_key_addr(&v->key, v->addr));
        v->power = 10;
    }
}

/* ---- checks ---- */

static void check_vote(struct world *w, const struct sn_cons_vote *v)
{
    for (size_t i = 0; i < w->n_votes; i++) {
        const struct world_vote *o = &w->votes[i];
        if (o->height == v->height && o->round == v->round && o->type == v->type &&
            o->index == v->index)
            T_ASSERTF(sn_cons_block_id_eq(&o->id, &v->block_id),
                      "validator %d signed two votes of type %d at %lld/%d", v->index, v->type,
                      (long long)v->height, v->round);
    }
    if (w->n_votes == w->cap_votes) {
        w->cap_votes = w->cap_votes ? 2 * w->cap_votes : 64;
        w->votes = sn_realloc(w->votes, w->cap_votes * sizeof(*w->votes));
        T_ASSERT(w->votes);
    }
    w->votes[w->n_votes++] =
        (struct world_vote){v->height, v->round, v->index, v->type, v->block_id};
}

static void check_agreement(struct world *w)
{
    for (int64_t h = w->genesis.initial_height; h <= w->o.target; h++) {
        struct sn_cons_block_meta first, m;
        bool have = false;
        for (int i = 0; i < w->o.n; i++) {
            if (sn_cons_block_store_meta(w->nodes[i].blocks, h, &m) < 0) continue;
            if (have) T_ASSERT(sn_cons_hash_eq(&m.block_id.hash, &first.block_id.hash));
            first = m;
            have = true;
        }
        if (!w->o.retain) T_ASSERTF(have, "nobody has block %lld", (long long)h);
    }
}

/* ---- where crashes hurt ---- */

static void poke(struct world_node *n)
{
    if (sn_sim_rand() % 6 == 0) (void)!sn_chan_try_send(n->w->poke, &n->id);
}

/* The application as it is, but with a poke behind what changes it. */
struct poked_app {
    struct sn_abci_app app;
    const struct sn_abci_app *real;
    struct world_node *n;
};
static int poked_finalize(struct sn_abci_call *c,
                          const struct tendermint_abci_request_finalize_block *req,
                          struct tendermint_abci_response_finalize_block *res)
{
    struct poked_app *p = SN_CONTAINER_OF(c->app, struct poked_app, app);
    if (p->n->w->o.fail_app && p->n->id == 0 && p->n->life == 1 && req->height == 5)
        return sn_fail(SN_E_INTERNAL, "the application is broken");
    for (uint32_t i = 0; i < req->misbehavior.len; i++) {
        const struct tendermint_abci_misbehavior *m = req->misbehavior.ptr[i];
        T_EQ(m->type, TENDERMINT_ABCI_MISBEHAVIOR_TYPE_DUPLICATE_VOTE);
        T_EQ(m->height, 4);
        T_EQ(m->validator->power, 10);
        T_EQ(m->total_voting_power, 10 * p->n->w->o.n);
        p->n->w->misbehaviour[p->n->id]++;
    }
    int r = p->real->finalize_block(c, req, res);
    poke(p->n);
    return r;
}
static int poked_extend(struct sn_abci_call *c, const struct tendermint_abci_request_extend_vote *req,
                        struct tendermint_abci_response_extend_vote *res)
{
    struct poked_app *p = SN_CONTAINER_OF(c->app, struct poked_app, app);
    if (p->n->w->ext_fault != EXT_BAD || p->n->id) return p->real->extend_vote(c, req, res);
    res->vote_extension = SN_STR("not what was agreed");
    return 0;
}
static int poked_verify(struct sn_abci_call *c,
                        const struct tendermint_abci_request_verify_vote_extension *req,
                        struct tendermint_abci_response_verify_vote_extension *res)
{
    struct poked_app *p = SN_CONTAINER_OF(c->app, struct poked_app, app);
    struct world *w = p->n->w;
    bool bad = sn_str_eqc(req->vote_extension, "not what was agreed");
    if (!bad && w->ext_fault != EXT_NOBODY && (w->ext_fault != EXT_REFUSES || p->n->id))
        return p->real->verify_vote_extension(c, req, res);
    res->status = TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_REJECT;
    w->ext_refused++;
    return 0;
}
static int poked_process(struct sn_abci_call *c,
                         const struct tendermint_abci_request_process_proposal *req,
                         struct tendermint_abci_response_process_proposal *res)
{
    struct poked_app *p = SN_CONTAINER_OF(c->app, struct poked_app, app);
    int r = p->real->process_proposal(c, req, res);
    if (p->n->w->refuse)
        res->status = TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_REJECT;
    return r;
}
static int poked_commit(struct sn_abci_call *c, const struct tendermint_abci_request_commit *req,
                        struct tendermint_abci_response_commit *res)
{
    struct poked_app *p = SN_CONTAINER_OF(c->app, struct poked_app, app);
    int r = p->real->commit(c, req, res);
    poke(p->n);
    return r;
}

/* ---- the network ---- */

static struct packet *packet_of(const struct sn_cons_msg *m)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_cons_msg_encode(m, &b));
    struct packet *p = sn_alloc(sizeof(*p) + b.len);
    T_ASSERT(p);
    p->refs = 1;
    p->n = b.len;
    memcpy(p->data, b.ptr, b.len);
    sn_buf_done(&b);
    return p;
}

static void deliver(struct world_node *from, int to, struct sn_str msg)
{
    struct world *w = from->w;
    struct sn_engine *e = w->nodes[to].engine;
    struct sn_cons_peer_id id = {.len = 2, .b = {'n', (char)('0' + from->id)}};
    if (e && sn_sim_rand() % 1000 >= (uint64_t)(w->o.loss * 1000))
        (void)!sn_engine_submit(e, &id, msg);
}
static void on_news(void *arg, const struct sn_cons_action *a, const struct sn_cons_msg *own)
{
    struct world_node *n = arg;
    if (!own) return;
    if (own->kind == SN_CONS_MSG_VOTE) check_vote(n->w, own->vote);
    poke(n);
    struct packet *p = packet_of(own);
    if (sn_chan_try_send(n->out, &p) < 0) sn_free(p); /* the repeater has it, too */
}
static int sender(void *arg)
{
    struct world_node *n = arg;
    struct packet *p;
    int r;
    while ((r = sn_chan_recv(n->out, &p)) >= 0) {
        r = sn_sleep((int64_t)below(20) * SN_MS);
        for (int to = 0; r >= 0 && to < n->w->o.n; to++)
            if (to != n->id) deliver(n, to, sn_str_of((char *)p->data, p->n));
        sn_free(p);
        if (r < 0) break;
    }
    return r;
}

static void give(struct world_node *n, int to, const struct sn_cons_msg *m)
{
    struct packet *p = packet_of(m);
    deliver(n, to, sn_str_of((char *)p->data, p->n));
    sn_free(p);
}

/* A lagging peer gets the stored block of its height. */
static void give_block(struct world_node *n, int to, int64_t height, int32_t round)
{
    struct sn_arena a;
    struct sn_cons_commit c;
    struct sn_cons_block *block;
    struct sn_cons_part_set *set;
    struct sn_buf whole;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&whole, 0);
    int r = n->w->o.extensions ? sn_cons_block_store_extended(n->blocks, height, &a, &c)
                               : sn_cons_block_store_seen(n->blocks, height, &a, &c);
    if (r >= 0) r = sn_cons_block_store_block(n->blocks, height, &block);
    if (r >= 0) {
        T_OK(sn_cons_block_encode(block, &whole));
        T_OK(sn_cons_part_set_split(sn_buf_view(&whole), &set));
        for (uint32_t i = 0; i < c.n; i++) {
            struct sn_cons_vote v;
            sn_cons_commit_vote(&c, i, &v);
            if (c.sigs[i].flag == SN_CONS_COMMIT)
                give(n, to, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v});
        }
        for (uint32_t i = 0; i < set->header.total; i++)
            give(n, to, &(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART, .height = height,
                                              .round = round, .part = *set->parts[i]});
        sn_cons_part_set_unref(set);
        sn_cons_block_unref(block);
    }
    sn_buf_done(&whole);
    sn_arena_done(&a);
}

/* Everything we have of the peer's height, as packets: taken with the lock held, given without. */
static size_t gather(struct world_node *n, int64_t height, struct packet **out, size_t max)
{
    size_t k = 0;
    const struct sn_cons_round_state *rs = sn_engine_lock(n->engine);
    if (rs && rs->height == height) {
        if (rs->has_proposal)
            out[k++] = packet_of(&(struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL,
                                                       .proposal = rs->proposal});
        for (uint32_t i = 0; rs->parts && i < rs->parts->header.total && k < max; i++)
            if (rs->parts->parts[i])
                out[k++] = packet_of(&(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART,
                                                           .height = height,
                                                           .round = rs->round,
                                                           .part = *rs->parts->parts[i]});
        for (size_t i = 0; i < rs->votes.rounds.len; i++) {
            const struct sn_cons_round_votes *rv = &rs->votes.rounds.ptr[i];
            for (uint32_t v = 0; v < rs->vals->n && k + 2 < max; v++) {
                if (rv->prevotes && rv->prevotes->votes[v])
                    out[k++] = packet_of(&(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE,
                                                               .vote = rv->prevotes->votes[v]});
                if (rv->precommits && rv->precommits->votes[v])
                    out[k++] = packet_of(&(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE,
                                                               .vote = rv->precommits->votes[v]});
            }
        }
    }
    if (rs && rs->height == height + 1 && rs->last_commit)
        for (uint32_t v = 0; v < rs->last_commit->vals->n && k < max; v++)
            if (rs->last_commit->votes[v])
                out[k++] = packet_of(&(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE,
                                                           .vote = rs->last_commit->votes[v]});
    sn_engine_unlock(n->engine);
    return k;
}

static int repeater(void *arg)
{
    struct world_node *n = arg;
    struct packet *p[256];
    for (;;) {
        int r = sn_sleep(200 * SN_MS + (int64_t)below(200) * SN_MS);
        if (r < 0) return r;
        int to = (int)below((uint64_t)n->w->o.n);
        struct sn_engine *other = n->w->nodes[to].engine;
        if (to == n->id || !other) continue;
        const struct sn_cons_round_state *rs = sn_engine_lock(other);
        int64_t height = rs ? rs->height : 0;
        int32_t round = rs ? rs->round : 0;
        sn_engine_unlock(other);
        if (!height) continue;
        size_t k = gather(n, height, p, SN_COUNT_OF(p));
        for (size_t i = 0; i < k; i++) {
            deliver(n, to, sn_str_of((char *)p[i]->data, p[i]->n));
            sn_free(p[i]);
        }
        if (height <= sn_cons_block_store_height(n->blocks)) give_block(n, to, height, round);
    }
}

/* ---- a node's life ---- */

static void on_block(void *arg, const struct sn_exec_block *b)
{
    struct world_node *n = arg;
    int64_t h = b->block->header.height, *last = &n->w->executed[n->id];
    T_ASSERTF(*last == 0 || (h <= *last + 1 && h >= *last - 1), "node %d: news of block %lld after %lld",
              n->id, (long long)h, (long long)*last);
    T_EQ(b->state->last_height, h);
    T_EQ(b->res->tx_results.len, b->block->n_txs);
    *last = h;
    sn_buf_reset(&n->before);
    T_OK(sn_buf_str(&n->before, sn_buf_view(&n->state)));
    sn_buf_reset(&n->state);
    T_OK(sn_cons_state_encode(b->state, &n->state));
    poke(n);
}

/* As if the crash had come between the application's Commit and the state. */
static void lose_state(struct world_node *n, struct sn_cons_state_store *states)
{
    struct sn_cons_state *s, *before;
    struct sn_buf answer;
    if (n->before.len == 0 || sn_sim_rand() % 2) return;
    T_OK(sn_cons_state_decode(sn_buf_view(&n->before), &before));
    T_OK(sn_cons_state_store_load(states, &s));
    sn_buf_init(&answer, 0);
    if (before->last_height + 1 == s->last_height &&
        sn_cons_block_store_height(n->blocks) == s->last_height &&
        sn_cons_state_store_last_answer(states, s->last_height, &answer) >= 0)
        T_OK(sn_cons_state_store_save(states, before));
    sn_buf_done(&answer);
    sn_cons_state_unref(s);
    sn_cons_state_unref(before);
}

/* The application's disk is lost. */
static void lose_app(void)
{
    struct sn_arena a;
    struct sn_str *names;
    size_t n;
    char path[256];
    sn_arena_init(&a, NULL, 0);
    if (sn_dir_list(&a, "/app", &names, &n) >= 0)
        for (size_t i = 0; i < n; i++) {
            snprintf(path, sizeof(path), "/app/%.*s", SN_STR_ARG(names[i]));
            (void)!sn_file_remove(path); /* a folder of snapshots stays */
        }
    sn_arena_done(&a);
}

static void count_case(struct world_node *n, struct sn_kvstore *kv, const struct sn_cons_state *s)
{
    struct sn_kvstore_stats st;
    sn_kvstore_stats(kv, &st);
    int64_t top = sn_cons_block_store_height(n->blocks), state = s->last_height;
    enum world_case c = st.height == top && state == top ? CASE_EVEN
                        : st.height == top               ? CASE_COMMITTED
                        : st.height == state             ? CASE_BLOCK
                                                         : CASE_APP_BEHIND;
    if (n->life > 1) n->w->n_cases[c]++;
}

static int engine_fiber(void *arg)
{
    struct world_node *n = arg;
    int r = sn_engine_run(n->engine, n->start, false);
    sn_diag_format(r, n->why, sizeof(n->why));
    n->result = r;
    n->engine = NULL;
    return r;
}

static void live(struct world_node *n, struct sn_kvstore *kv, struct sn_signer *signer,
                 struct sn_cons_state_store *states)
{
    struct sn_abci_conns app;
    struct sn_scope_storage mem;
    struct sn_cons_state *state, *after;
    struct sn_exec *exec;
    struct sn_engine *engine;
    struct poked_app poked = {.app = *sn_kvstore_app(kv), .real = sn_kvstore_app(kv), .n = n};
    poked.app.finalize_block = poked_finalize;
    poked.app.process_proposal = poked_process;
    poked.app.commit = poked_commit;
    poked.app.extend_vote = poked_extend;
    poked.app.verify_vote_extension = poked_verify;
    T_OK(sn_abci_conns_local(&poked.app, &app));
    if (sn_cons_state_store_load(states, &state) == SN_E_NOT_FOUND)
        T_OK(sn_cons_genesis_state(&n->w->genesis, &state));
    count_case(n, kv, state);
    struct sn_exec_opts eo = {.app = &app, .blocks = n->blocks, .states = states,
                              .verifier = &sn_cons_verifier_zip215, .on_block = on_block, .arg = n};
    T_OK(sn_exec_new(&eo, &exec));
    int r = sn_exec_handshake(exec, &n->w->genesis, state, &after);
    T_ASSERTF(r >= 0, "node %d: %s", n->id, sn_diag_str(r));
    sn_cons_state_unref(state);
    sn_exec_free(exec);
    struct sn_evidence_keeper_opts ko = {.blocks = n->blocks, .states = states,
                                         .verifier = &sn_cons_verifier_zip215};
    T_OK(sn_kv_open_memory(&ko.kv));
    T_OK(sn_evidence_keeper_new(&ko, after, &eo.evidence));
    T_OK(sn_exec_new(&eo, &exec));
    struct sn_engine_opts o = {.config = sn_cons_config_default(),
                               .verifier = &sn_cons_verifier_zip215, .exec = exec, .env = eo,
                               .signer = signer, .wal_path = "/wal/wal",
                               .on_news = on_news, .arg = n};
    if (n->life > 1) o.double_sign_check = n->w->o.double_sign_check;
    o.config.propose_ns = 600 * SN_MS;
    o.config.prevote_ns = o.config.precommit_ns = 300 * SN_MS;
    o.config.commit_ns = 100 * SN_MS;
    if (n->w->o.stall) o.config.propose_delta_ns = o.config.prevote_delta_ns =
        o.config.precommit_delta_ns = 0;
    T_OK(sn_engine_new(&o, &engine));
    n->engine = engine;
    struct sn_scope *s = sn_scope_begin(&mem);
    n->start = after;
    T_OK(sn_scope_go(s, "engine", engine_fiber, n));
    T_OK(sn_scope_go(s, "sender", sender, n));
    T_OK(sn_scope_go(s, "repeater", repeater, n));
    T_OK(sn_scope_go(s, "pruner", (int (*)(void *))sn_exec_run_pruner, exec));
    while (!n->w->over && n->engine && sn_sleep(50 * SN_MS) >= 0) sn_engine_stats(engine, &n->stats);
    sn_scope_cancel(s);
    (void)!sn_scope_end(s);
    n->engine = NULL;
    sn_engine_free(engine);
    sn_exec_free(exec);
    sn_evidence_keeper_free(eo.evidence);
    sn_cons_state_unref(after);
    sn_abci_conns_close(&app);
}

static void node_main(void *arg)
{
    struct world_node *n = arg;
    struct sn_privval *pv;
    struct sn_signer_file signer;
    struct sn_kvstore *kv;
    struct sn_kvstore_opts ko = {.dir = "/app", .vote_extensions = n->w->o.extensions,
                                 .retain_blocks = n->w->o.retain};
    struct stat st;
    n->life++;
    T_ASSERT(n->out = sn_chan_new(sizeof(struct packet *), 256)); /* the dead wait at the old one */
    if (sn_file_stat("/key.json", &st) < 0 || sn_file_stat("/state.json", &st) < 0)
        write_key(n->id);
    T_OK(sn_privval_open(&(struct sn_privval_opts){"/key.json", "/state.json", false}, &pv));
    sn_signer_file(pv, &signer);
    if (n->life > 1 && n->w->o.forgetful_app && sn_sim_rand() % 3 == 0) lose_app();
    T_OK(sn_kvstore_open(&ko, &kv));
    T_OK(sn_cons_block_store_new(n->blocks_kv, &n->blocks));
    struct sn_cons_state_store *states = sn_cons_state_store_new(n->states_kv, false);
    T_ASSERT(states);
    if (n->life > 1) lose_state(n, states);
    live(n, kv, &signer.s, states);
    sn_kvstore_close(kv);
    sn_privval_close(pv);
    if (!may_crash(n->w)) sn_cons_state_store_free(states);
}

/* ---- the world ---- */

static void crash(struct world *w, int id)
{
    struct world_node *n = &w->nodes[id];
    n->engine = NULL;
    sn_sim_crash(n->host);
    w->n_crashes++;
    T_OK(sn_sleep((int64_t)below(300) * SN_MS));
    T_OK(sn_sim_host_go(n->host, "node", node_main, n));
}

/* Node 0 must end by itself, and say why; then it comes back. */
static void fail_and_return(struct world *w)
{
    struct world_node *n = &w->nodes[0];
    while (!w->o.fail_app && w->executed[0] < 5) T_OK(sn_sleep(10 * SN_MS));
    if (w->o.fault) sn_sim_fault(n->host, w->o.fault, w->o.fault_code, 1000000);
    while (n->result == 0) T_OK(sn_sleep(10 * SN_MS));
    T_ASSERTF(strstr(n->why, w->o.why), "%s", n->why);
    fprintf(stderr, "%s\n", n->why);
    T_OK(sn_sleep(SN_SEC));
    if (w->o.fault) sn_sim_fault(n->host, w->o.fault, w->o.fault_code, 0);
    n->result = 0;
    crash(w, 0);
}

/* Started again while the last blocks have its signatures: it says so and ends; it goes on without. */
static void restart_with_signatures(struct world *w)
{
    struct world_node *n = &w->nodes[0];
    while (w->executed[0] < 5) T_OK(sn_sleep(10 * SN_MS));
    crash(w, 0);
    while (n->result == 0) T_OK(sn_sleep(10 * SN_MS));
    T_EQ(n->result, SN_E_FAILED_PRECONDITION);
    T_ASSERTF(strstr(n->why, "does another node sign with it?"), "%s", n->why);
    w->o.double_sign_check = 0;
    n->result = 0;
    crash(w, 0);
}

/* Whoever has the fault stays where it is, alive; who has not goes on; and all do when it is over. */
static void disagree_on_extensions(struct world *w)
{
    int first = w->ext_fault == EXT_REFUSES;
    if (w->ext_fault == EXT_NOBODY) T_OK(sn_sleep(20 * SN_SEC));
    else
        for (int i = first; i < w->o.n; i++)
            while (w->executed[i] < w->o.target / 2) T_OK(sn_sleep(10 * SN_MS));
    T_ASSERT(w->ext_refused > 0);
    for (int i = 0; i < w->o.n; i++) {
        bool stays = w->ext_fault == EXT_NOBODY || i < first;
        T_ASSERTF(w->nodes[i].engine && w->nodes[i].result == 0, "node %d: %s", i, w->nodes[i].why);
        T_EQ(w->executed[i] == 0, stays);
    }
    w->ext_fault = EXT_FINE;
}

/* The last validator votes for a block that nobody has proposed, too, and node 0 hears of it. */
static void equivocate(struct world *w)
{
    struct world_node *n = &w->nodes[0];
    struct sn_cons_vote v = {.type = SN_CONS_PREVOTE, .height = 4, .time = {1735689600, 7}};
    uint8_t secret[SN_ED25519_SECRET_LEN];
    struct sn_cons_peer_id id = {.len = 2, .b = "n9"};
    struct sn_cons_key key = {0};
    struct sn_buf b;
    secret_of(w->o.n - 1, secret);
    T_OK(sn_cons_key_set(&key, SN_CONS_ED25519, sn_str_of((char *)secret + 32, 32)));
    T_OK(sn_cons_key_addr(&key, v.addr));
    v.block_id.hash.len = v.block_id.parts.hash.len = 32;
    v.block_id.parts.total = 1;
    for (bool there = false; !there;) {
        /* When its first vote counts already, or the second is taken for the first. */
        T_OK(sn_sleep(SN_MS));
        const struct sn_cons_round_state *rs = sn_engine_lock(n->engine);
        T_ASSERT(rs && rs->height <= 4);
        v.index = sn_cons_valset_find(rs->vals, v.addr);
        const struct sn_cons_vote_set *set = sn_cons_height_votes_get(&rs->votes, 0, SN_CONS_PREVOTE);
        there = rs->height == 4 && set && set->votes[v.index];
        sn_engine_unlock(n->engine);
    }
    sn_buf_init(&b, 0);
    T_OK(sn_cons_vote_sign_bytes(w->genesis.chain_id, &v, &b));
    T_OK(sn_ed25519_sign(secret, b.ptr, b.len, v.sig.b));
    v.sig.len = 64;
    sn_buf_reset(&b);
    T_OK(sn_cons_msg_encode(&(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v}, &b));
    T_OK(sn_engine_submit(n->engine, &id, sn_buf_view(&b)));
    sn_buf_done(&b);
}

/* A height of many rounds, all of which are in the log when the node comes back. */
static void stall(struct world *w)
{
    int32_t before = 0, after = 0;
    while (w->executed[0] < 3) T_OK(sn_sleep(SN_MS));
    w->refuse = true;
    for (int i = 0; i < 2; i++) {
        int32_t *at = i == 0 ? &before : &after;
        while (*at < 200 || *at < before) {
            T_OK(sn_sleep(100 * SN_MS));
            if (!w->nodes[0].engine) continue;
            const struct sn_cons_round_state *rs = sn_engine_lock(w->nodes[0].engine);
            *at = rs ? rs->round : 0;
            sn_engine_unlock(w->nodes[0].engine);
        }
        if (i == 0) crash(w, 0);
    }
    w->refuse = false;
}

static int64_t lowest(const struct world *w)
{
    int64_t low = INT64_MAX;
    for (int i = 0; i < w->o.n; i++) low = SN_MIN(low, w->executed[i]);
    return low;
}

static int world_main(void *arg)
{
    struct world *w = arg;
    make_genesis(w);
    T_ASSERT(w->poke = sn_chan_new(sizeof(int), 1));
    for (int i = 0; i < w->o.n; i++) {
        struct world_node *n = &w->nodes[i];
        char name[16];
        snprintf(name, sizeof(name), "n%d", i);
        *n = (struct world_node){.w = w, .id = i, .host = sn_sim_host_new(name)};
        T_OK(sn_kv_open_memory(&n->blocks_kv));
        T_OK(sn_kv_open_memory(&n->states_kv));
        T_OK(sn_sim_host_go(n->host, "node", node_main, n));
    }
    unsigned left = w->o.crashes;
    if (w->o.why) fail_and_return(w);
    if (w->o.stall) stall(w);
    if (w->o.double_sign_check) restart_with_signatures(w);
    if (w->ext_fault) disagree_on_extensions(w);
    if (w->o.equivocate) {
        while (w->executed[0] < 3) T_OK(sn_sleep(SN_MS));
        equivocate(w);
    }
    while (lowest(w) < w->o.target || left) {
        int id = (int)below((uint64_t)w->o.n);
        for (int i = 0; i < w->o.n; i++)
            T_ASSERTF(w->nodes[i].result == 0, "node %d: %s", i, w->nodes[i].why);
        if (!left) {
            T_OK(sn_sleep(50 * SN_MS));
            continue;
        }
        if (sn_sim_rand() % 3 == 0) T_OK(sn_sleep((int64_t)below(600) * SN_MS));
        else T_OK(sn_chan_recv(w->poke, &id));
        for (uint64_t k = below(20); k > 0; k--) sn_yield();
        crash(w, id);
        left--;
    }
    check_agreement(w);
    w->over = true;
    T_OK(sn_sleep(5 * SN_SEC));
    for (int i = 0; !may_crash(w) && i < w->o.n; i++) {
        struct packet *p;
        while (sn_chan_try_recv(w->nodes[i].out, &p) >= 0) sn_free(p);
        sn_chan_free(w->nodes[i].out);
        sn_buf_done(&w->nodes[i].state);
        sn_buf_done(&w->nodes[i].before);
        sn_cons_block_store_free(w->nodes[i].blocks);
    }
    sn_chan_free(w->poke);
    sn_free(w->votes);
    sn_arena_done(&w->arena);
    return 0;
}

void world_run(struct world *w, const struct world_opts *o)
{
    uint64_t hash;
    *w = (struct world){.o = *o, .ext_fault = o->ext_fault};
    sn_test_row("seed %llu", (unsigned long long)o->seed);
    struct sn_sim_opts so = {.seed = o->seed, .time_limit_ns = SN_HOUR};
    int r = sn_sim_run(&so, world_main, w, &hash);
    T_ASSERTF(r == 0, "%d: %s", r, sn_diag_str(r));
}
