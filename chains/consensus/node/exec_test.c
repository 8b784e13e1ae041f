/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/exec_test.c - what an application is asked, field by field, and the handshake in
 * each relation of the three heights. The chain is made by hand: three validators, of which the
 * second is absent from each commit and the third votes nil in it. */
#include <stdio.h>

#include "consensus/hash.h"
#include "consensus/node/exec_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/torture.h"
#include "crypto/ed25519.h"
#include "fiber/sim.h"
#include "harness/test.h"

#define BLOCKS 6

/* ---- an application that remembers ---- */

struct fake {
    struct sn_abci_app app;
    int64_t height, finalized;
    unsigned n_init, n_finalize, n_commit;
    int64_t retain;
    bool liar;        /* its hash is another */
    bool greedy;      /* proposes more than it may */
    int32_t verdict;  /* of ProcessProposal and VerifyVoteExtension */
    bool short_count; /* a result is missing */
    char error[256];  /* the first request that was not as expected */
    struct chain *c;
};
struct chain {
    struct fake fake;
    struct sn_abci_conns app;
    struct sn_cons_genesis genesis;
    struct sn_arena arena;
    struct sn_kv *blocks_kv, *states_kv;
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    struct sn_exec *exec;
    struct sn_cons_block *block[BLOCKS + 1];
    struct sn_cons_block_id id[BLOCKS + 1];
    struct sn_cons_state *state[BLOCKS + 1]; /* after it */
    uint8_t secret[3][SN_ED25519_SECRET_LEN];
    int64_t news;
};

static struct fake *fake_of(struct sn_abci_call *c)
{
    return SN_CONTAINER_OF(c->app, struct fake, app);
}
#define EXPECT(f, cond)                                                                        \
    do {                                                                                       \
        if (!(cond) && !(f)->error[0])                                                         \
            snprintf((f)->error, sizeof((f)->error), "%s:%d: %s", __func__, __LINE__, #cond); \
    } while (0)

/* Every block adds its height to the hash. */
static void hash_at(int64_t height, uint8_t out[8])
{
    memset(out, 0, 8);
    out[0] = (uint8_t)height;
    out[7] = 7;
}

static int fake_info(struct sn_abci_call *c, const struct tendermint_abci_request_info *q,
                     struct tendermint_abci_response_info *res)
{
    struct fake *f = fake_of(c);
    uint8_t *hash = sn_arena_alloc(c->arena, 8);
    if (!hash) return SN_E_NOMEM;
    EXPECT(f, sn_str_eqc(q->version, "0.38.25") && q->block_version == 11 && q->p2p_version == 8 &&
                  sn_str_eqc(q->abci_version, "2.0.0"));
    hash_at(f->height + f->liar, hash);
    res->last_block_height = f->height;
    res->app_version = 3;
    if (f->height) res->last_block_app_hash = sn_str_of((char *)hash, 8);
    return 0;
}
static int fake_init(struct sn_abci_call *c, const struct tendermint_abci_request_init_chain *q,
                     struct tendermint_abci_response_init_chain *res)
{
    struct fake *f = fake_of(c);
    f->n_init++;
    EXPECT(f, sn_str_eqc(q->chain_id, "made") && q->initial_height == 1 && q->validators.len == 3);
    EXPECT(f, q->validators.ptr[0]->power == 300 && q->validators.ptr[2]->power == 10);
    EXPECT(f, q->validators.ptr[0]->pub_key->ed25519.len == 32);
    EXPECT(f, sn_str_eqc(q->app_state_bytes, "{\"a\":1}"));
    EXPECT(f, q->consensus_params && q->consensus_params->block->max_bytes == 22020096);
    EXPECT(f, q->time->seconds == 1700000000 && q->time->nanos == 5);
    return 0;
}
static void check_commit_info(struct fake *f, const struct tendermint_abci_commit_info *ci, int64_t h)
{
    EXPECT(f, ci != NULL);
    if (h == 1) {
        EXPECT(f, ci->votes.len == 0 && ci->round == 0);
        return;
    }
    EXPECT(f, ci->votes.len == 3 && ci->round == 0);
    EXPECT(f, ci->votes.ptr[0]->validator->power == 300 && ci->votes.ptr[0]->block_id_flag == 2);
    EXPECT(f, ci->votes.ptr[1]->validator->power == 20 &&
                  ci->votes.ptr[1]->block_id_flag == (h % 2 ? 2 : 1));
    EXPECT(f, ci->votes.ptr[2]->validator->power == 10 && ci->votes.ptr[2]->block_id_flag == 3);
    EXPECT(f, ci->votes.ptr[1]->validator->address.len == 20);
}
static int fake_finalize(struct sn_abci_call *c,
                         const struct tendermint_abci_request_finalize_block *q,
                         struct tendermint_abci_response_finalize_block *res)
{
    struct fake *f = fake_of(c);
    f->n_finalize++;
    EXPECT(f, q->height == f->height + 1);
    const struct sn_cons_block *b = f->c->block[q->height];
    EXPECT(f, q->hash.len == 32 && memcmp(q->hash.ptr, b->hash.b, 32) == 0);
    EXPECT(f, q->txs.len == b->n_txs && sn_str_eq(q->txs.ptr[0], b->txs[0]));
    EXPECT(f, q->time->seconds == b->header.time.sec && q->time->nanos == b->header.time.nsec);
    EXPECT(f, memcmp(q->next_validators_hash.ptr, b->header.next_validators_hash.b, 32) == 0);
    EXPECT(f, memcmp(q->proposer_address.ptr, b->header.proposer, 20) == 0);
    check_commit_info(f, q->decided_last_commit, q->height);
    EXPECT(f, q->misbehavior.len == 0);
    f->finalized = q->height;
    uint32_t n = q->txs.len - f->short_count;
    res->tx_results.ptr = SN_ARENA_ARRAY(c->arena, struct tendermint_abci_exec_tx_result *, n + 1);
    uint8_t *hash = sn_arena_alloc(c->arena, 8);
    if (!hash || !res->tx_results.ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        if (!(res->tx_results.ptr[i] = tendermint_abci_exec_tx_result_new(c->arena)))
            return SN_E_NOMEM;
    res->tx_results.len = n;
    hash_at(q->height, hash);
    res->app_hash = sn_str_of((char *)hash, 8);
    return 0;
}
static int fake_commit(struct sn_abci_call *c, const struct tendermint_abci_request_commit *q,
                       struct tendermint_abci_response_commit *res)
{
    struct fake *f = fake_of(c);
    f->n_commit++;
    f->height = f->finalized;
    res->retain_height = f->retain;
    return 0;
}
static int fake_prepare(struct sn_abci_call *c,
                        const struct tendermint_abci_request_prepare_proposal *q,
                        struct tendermint_abci_response_prepare_proposal *res)
{
    struct fake *f = fake_of(c);
    const struct tendermint_abci_extended_commit_info *ci = q->local_last_commit;
    EXPECT(f, q->height == 2 && ci->votes.len == 3 && ci->round == 0);
    EXPECT(f, ci->votes.ptr[0]->validator->power == 300 && ci->votes.ptr[0]->block_id_flag == 2);
    EXPECT(f, sn_str_eqc(ci->votes.ptr[0]->vote_extension, "ext"));
    EXPECT(f, ci->votes.ptr[0]->extension_signature.len == 64);
    EXPECT(f, memcmp(q->next_validators_hash.ptr,
                     f->c->block[2]->header.next_validators_hash.b, 32) == 0);
    EXPECT(f, q->time->seconds == f->c->block[2]->header.time.sec &&
                  q->time->nanos == f->c->block[2]->header.time.nsec);
    EXPECT(f, q->proposer_address.len == 20);
    EXPECT(f, q->max_tx_bytes == sn_cons_data_bytes_max(22020096, 0, 3));
    size_t n = (size_t)q->max_tx_bytes - 5 + f->greedy; /* tag and length of so long a one: 5 */
    char *tx = sn_arena_alloc(c->arena, n);
    res->txs.ptr = SN_ARENA_ARRAY(c->arena, struct sn_str, 1);
    if (!tx || !res->txs.ptr) return SN_E_NOMEM;
    memset(tx, 'x', n);
    res->txs.ptr[0] = sn_str_of(tx, n);
    res->txs.len = 1;
    return 0;
}
static int fake_process(struct sn_abci_call *c,
                        const struct tendermint_abci_request_process_proposal *q,
                        struct tendermint_abci_response_process_proposal *res)
{
    struct fake *f = fake_of(c);
    const struct sn_cons_block *b = f->c->block[q->height];
    EXPECT(f, memcmp(q->hash.ptr, b->hash.b, 32) == 0 && q->txs.len == b->n_txs);
    check_commit_info(f, q->proposed_last_commit, q->height);
    res->status = f->verdict;
    return 0;
}
static int fake_extend(struct sn_abci_call *c, const struct tendermint_abci_request_extend_vote *q,
                       struct tendermint_abci_response_extend_vote *res)
{
    struct fake *f = fake_of(c);
    EXPECT(f, memcmp(q->hash.ptr, f->c->block[q->height]->hash.b, 32) == 0);
    check_commit_info(f, q->proposed_last_commit, q->height);
    res->vote_extension = SN_STR("ext");
    return 0;
}
static int fake_verify(struct sn_abci_call *c,
                       const struct tendermint_abci_request_verify_vote_extension *q,
                       struct tendermint_abci_response_verify_vote_extension *res)
{
    struct fake *f = fake_of(c);
    EXPECT(f, q->height == 1 && sn_str_eqc(q->vote_extension, "ext") && q->hash.len == 32 &&
                  q->validator_address.len == 20);
    res->status = f->verdict;
    return 0;
}

/* ---- a chain by hand ---- */

static void on_block(void *arg, const struct sn_exec_block *b)
{
    struct chain *c = arg;
    c->news = b->block->header.height;
}

static void make_genesis(struct chain *c)
{
    struct sn_cons_genesis *g = &c->genesis;
    *g = (struct sn_cons_genesis){.has_time = true, .time = {1700000000, 5},
                                  .chain_id = SN_STR("made"), .initial_height = 1,
                                  .params = sn_cons_params_default(), .n_validators = 3,
                                  .app_state = SN_STR("{\"a\":1}")};
    g->params.block_max_bytes = 22020096;
    g->params.evidence_max_blocks = 1;
    g->params.evidence_max_ns = 1;
    g->validators = SN_ARENA_ARRAY(&c->arena, struct sn_cons_genesis_validator, 3);
    for (int i = 0; i < 3; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        T_OK(sn_ed25519_from_seed(c->secret[i], seed));
        struct sn_cons_validator *v = &g->validators[i].v;
        T_OK(sn_cons_key_set(&v->key, SN_CONS_ED25519, sn_str_of((char *)c->secret[i] + 32, 32)));
        v->power = i == 0 ? 300 : 30 - 10 * i; /* the first has two thirds alone */
    }
}

/* The precommits for block h: the first for it, the second by turns, the third for nil. */
static void make_commit(struct chain *c, int64_t h, struct sn_arena *a, struct sn_cons_commit *ret)
{
    *ret = (struct sn_cons_commit){.height = h, .n = 3, .block_id = c->id[h]};
    ret->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct sn_cons_commit_sig *s = &ret->sigs[i];
        struct sn_buf b;
        struct sn_cons_vote v;
        s->flag = i == 0 ? SN_CONS_COMMIT : i == 1 ? (h % 2 ? SN_CONS_ABSENT : SN_CONS_COMMIT)
                                                   : SN_CONS_NIL;
        s->time = SN_CONS_TIME_ZERO;
        if (s->flag == SN_CONS_ABSENT) continue;
        memcpy(s->addr, c->state[0]->vals->vals[i].addr, SN_CONS_ADDR_LEN);
        s->time = (struct sn_cons_time){1700000000 + h, (int32_t)i};
        sn_cons_commit_vote(ret, i, &v);
        sn_buf_init(&b, 0);
        T_OK(sn_cons_vote_sign_bytes(c->genesis.chain_id, &v, &b));
        T_OK(sn_ed25519_sign(c->secret[i], b.ptr, b.len, s->sig.b));
        s->sig.len = 64;
        sn_buf_done(&b);
    }
}

static void make_block(struct chain *c, int64_t h, bool store)
{
    struct sn_arena a;
    struct sn_buf b;
    struct sn_cons_commit last, seen;
    struct sn_cons_part_set *parts;
    char tx[32];
    snprintf(tx, sizeof(tx), "tx%lld", (long long)h);
    struct sn_str txs[] = {sn_str(tx)};
    struct sn_cons_block_content content = {.txs = txs, .n_txs = 1};
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    if (h > 1) {
        make_commit(c, h - 1, &a, &last);
        content.last_commit = &last;
    }
    memcpy(content.proposer, c->state[0]->vals->vals[0].addr, SN_CONS_ADDR_LEN);
    T_OK(sn_cons_state_make_block(c->state[h - 1], &content, &c->block[h]));
    T_OK(sn_cons_block_encode(c->block[h], &b));
    T_OK(sn_cons_part_set_split(sn_buf_view(&b), &parts));
    c->id[h] = (struct sn_cons_block_id){c->block[h]->hash, parts->header};
    make_commit(c, h, &a, &seen);
    if (store) T_OK(sn_cons_block_store_save(c->blocks, c->block[h], parts, &seen, false));
    sn_cons_part_set_unref(parts);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

static void open_chain(struct chain *c)
{
    *c = (struct chain){0};
    c->fake = (struct fake){.app = {.name = "fake", .info = fake_info, .init_chain = fake_init,
                                    .finalize_block = fake_finalize, .commit = fake_commit,
                                    .prepare_proposal = fake_prepare,
                                    .process_proposal = fake_process, .extend_vote = fake_extend,
                                    .verify_vote_extension = fake_verify},
                            .c = c, .verdict = 1};
    sn_arena_init(&c->arena, NULL, 0);
    make_genesis(c);
    T_OK(sn_abci_conns_local(&c->fake.app, &c->app));
    T_OK(sn_kv_open_memory(&c->blocks_kv));
    T_OK(sn_kv_open_memory(&c->states_kv));
    T_OK(sn_cons_block_store_new(c->blocks_kv, &c->blocks));
    T_ASSERT(c->states = sn_cons_state_store_new(c->states_kv, false));
    T_OK(sn_exec_new(&(struct sn_exec_opts){.app = &c->app, .blocks = c->blocks,
                                            .states = c->states,
                                            .verifier = &sn_cons_verifier_zip215,
                                            .on_block = on_block, .arg = c}, &c->exec));
    struct sn_cons_state *s;
    T_OK(sn_cons_genesis_state(&c->genesis, &s));
    T_OK(sn_exec_handshake(c->exec, &c->genesis, s, &c->state[0]));
    sn_cons_state_unref(s);
    T_EQ(c->state[0]->app_version, 3);
}
/* Blocks up to h, executed; with `ahead` one more that is only stored. */
static void grow(struct chain *c, int64_t h, bool ahead)
{
    for (int64_t i = 1; i <= h + ahead; i++) {
        make_block(c, i, true);
        if (i <= h)
            T_OK(sn_exec_apply(c->exec, c->state[i - 1], c->block[i], &c->id[i], &c->state[i]));
    }
    T_ASSERTF(!c->fake.error[0], "%s", c->fake.error);
}
static void close_chain(struct chain *c)
{
    for (int i = 0; i <= BLOCKS; i++) {
        sn_cons_state_unref(c->state[i]);
        sn_cons_block_unref(c->block[i]);
    }
    sn_exec_free(c->exec);
    sn_cons_block_store_free(c->blocks);
    sn_cons_state_store_free(c->states);
    sn_abci_conns_close(&c->app);
    sn_arena_done(&c->arena);
}

/* A handshake from what is stored; returns its result, checks the state's height where it is 0. */
static int shake(struct chain *c, int64_t want)
{
    struct sn_cons_state *s, *after;
    T_OK(sn_cons_state_store_load(c->states, &s));
    int r = sn_exec_handshake(c->exec, &c->genesis, s, &after);
    sn_cons_state_unref(s);
    if (r < 0) return r;
    T_EQ(after->last_height, want);
    sn_cons_state_unref(after);
    T_OK(sn_cons_state_store_load(c->states, &s));
    T_EQ(s->last_height, want);
    sn_cons_state_unref(s);
    T_EQ(c->fake.height, want);
    T_ASSERTF(!c->fake.error[0], "%s", c->fake.error);
    return 0;
}

static int in_sim(int (*fn)(void *arg), void *arg)
{
    uint64_t hash;
    return sn_sim_run(&(struct sn_sim_opts){.seed = 1}, fn, arg, &hash);
}

/* ---- tests ---- */

static struct chain c;

static int requests_main(void *arg)
{
    open_chain(&c);
    grow(&c, 4, false);
    T_EQ(c.fake.n_init, 1);
    T_EQ(c.fake.n_finalize, 4);
    T_EQ(c.fake.n_commit, 4);
    T_EQ(c.news, 4);
    bool ok;
    T_OK(sn_exec_process(c.exec, c.state[2], c.block[3], &ok));
    T_ASSERT(ok);
    c.fake.verdict = 2;
    T_OK(sn_exec_process(c.exec, c.state[2], c.block[3], &ok));
    T_ASSERT(!ok);
    c.fake.verdict = 0;
    T_EQ(sn_exec_process(c.exec, c.state[2], c.block[3], &ok), SN_E_INTERNAL);
    struct sn_arena a;
    struct sn_str ext;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_exec_extend(c.exec, c.state[2], c.block[3], &a, &ext));
    T_STR(ext, "ext");
    struct sn_cons_vote v = {.type = SN_CONS_PRECOMMIT, .height = 1, .block_id = c.id[1],
                             .ext = SN_STR("ext")};
    T_EQ(sn_exec_verify(c.exec, &v, &ok), SN_E_INTERNAL);
    c.fake.verdict = 1;
    T_OK(sn_exec_verify(c.exec, &v, &ok));
    T_ASSERT(ok);
    struct sn_cons_commit last;
    struct sn_exec_proposal p;
    make_commit(&c, 1, &a, &last);
    last.sigs[0].ext = SN_STR("ext");
    last.sigs[0].ext_sig.len = 64;
    T_OK(sn_exec_prepare(c.exec, c.state[1], &last, c.state[1]->vals->vals[0].addr, &p));
    T_EQ(p.content.n_txs, 1);
    sn_exec_proposal_done(&p);
    c.fake.greedy = true;
    T_EQ(sn_exec_prepare(c.exec, c.state[1], &last, c.state[1]->vals->vals[0].addr, &p),
         SN_E_INTERNAL);
    sn_arena_done(&a);
    T_ASSERTF(!c.fake.error[0], "%s", c.fake.error);
    close_chain(&c);
    return 0;
}
SN_TEST(what_the_application_is_asked) { T_OK(in_sim(requests_main, NULL)); }

static int misfits_main(void *arg)
{
    struct sn_cons_state *after;
    open_chain(&c);
    grow(&c, 2, false);
    make_block(&c, 3, true);
    /* Not the next block, a missing result. */
    T_EQ(sn_exec_apply(c.exec, c.state[1], c.block[3], &c.id[3], &after), SN_E_INVALID_ARGUMENT);
    T_EQ(c.fake.n_finalize, 2);
    c.fake.short_count = true;
    T_EQ(sn_exec_apply(c.exec, c.state[2], c.block[3], &c.id[3], &after), SN_E_INTERNAL);
    T_EQ(c.fake.n_commit, 2);
    close_chain(&c);
    return 0;
}
SN_TEST(blocks_and_answers_that_do_not_fit) { T_OK(in_sim(misfits_main, NULL)); }

static const struct {
    const char *name;
    int64_t height;         /* of the state */
    bool ahead;             /* one more block is stored */
    int64_t app;            /* the application's height */
    bool liar, drop_state;  /* drop_state: the state before the last is the stored one */
    int64_t prune;          /* to this height before */
    int result;
    int64_t want;           /* height in the end */
    unsigned finalized;     /* calls in the handshake */
    const char *words;      /* of the error */
} cases[] = {
    {"in step", 4, false, 4, .want = 4},
    {"one block stored only", 4, true, 4, .want = 5, .finalized = 1},
    {"committed, state lost", 4, false, 4, .drop_state = true, .want = 4},
    {"the application two behind", 4, false, 2, .want = 4, .finalized = 2},
    {"two behind and a block stored only", 4, true, 2, .want = 5, .finalized = 3},
    {"the application begins anew", 4, false, 0, .want = 4, .finalized = 4},
    {"anew with a block stored only", 3, true, 0, .want = 4, .finalized = 4},
    {"the application is ahead", 4, false, 5, .result = SN_E_FAILED_PRECONDITION,
     .words = "is ahead: it is at height 5, the chain's last block is 4"},
    {"another hash", 4, false, 4, .liar = true, .result = SN_E_FAILED_PRECONDITION,
     .words = "hash mismatch at height 4"},
    {"another hash some blocks ago", 4, false, 2, .liar = true,
     .result = SN_E_FAILED_PRECONDITION, .words = "hash mismatch at height 2"},
    {"blocks the application needs are pruned", 5, false, 2, .prune = 4,
     .result = SN_E_FAILED_PRECONDITION, .words = "oldest stored block is 4"},
    {"anew, but the first blocks are pruned", 5, false, 0, .prune = 2,
     .result = SN_E_FAILED_PRECONDITION, .words = "oldest stored block is 2"},
    {"pruned up to what it needs", 5, false, 3, .prune = 4, .want = 5, .finalized = 2},
};
static int handshakes_main(void *arg)
{
    for (size_t i = 0; i < SN_COUNT_OF(cases); i++) {
        sn_test_row("%s", cases[i].name);
        open_chain(&c);
        grow(&c, cases[i].height, cases[i].ahead);
        if (cases[i].drop_state)
            T_OK(sn_cons_state_store_save(c.states, c.state[cases[i].height - 1]));
        int64_t kept;
        if (cases[i].prune)
            T_ASSERT(sn_cons_block_store_prune(c.blocks, cases[i].prune, c.state[cases[i].height],
                                               &kept) > 0);
        c.fake.height = c.fake.finalized = cases[i].app;
        c.fake.liar = cases[i].liar;
        unsigned before = c.fake.n_finalize;
        int r = shake(&c, cases[i].want);
        T_ASSERTF(r == cases[i].result, "%d: %s", r, sn_diag_str(r));
        if (r == 0) T_EQ(c.fake.n_finalize - before, cases[i].finalized);
        if (r < 0)
            T_ASSERTF(strstr(sn_diag_str(r), cases[i].words), "%s", sn_diag_str(r));
        close_chain(&c);
    }
    return 0;
}
SN_TEST(handshakes) { T_OK(in_sim(handshakes_main, NULL)); }

static int pruner(void *arg) { return sn_exec_run_pruner(arg); }
static int pruning_main(void *arg)
{
    struct sn_scope_storage mem;
    struct sn_cons_valset *vals;
    open_chain(&c);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "pruner", pruner, c.exec));
    c.fake.retain = 1;
    grow(&c, 3, false);
    T_OK(sn_sleep(SN_SEC));
    T_EQ(sn_cons_block_store_base(c.blocks), 1);
    c.fake.retain = 4;
    make_block(&c, 4, true);
    T_OK(sn_exec_apply(c.exec, c.state[3], c.block[4], &c.id[4], &c.state[4]));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(sn_cons_block_store_base(c.blocks), 4);
    T_OK(sn_cons_state_store_validators(c.states, 4, &vals));
    sn_cons_valset_unref(vals);
    T_EQ(sn_cons_state_store_validators(c.states, 1, &vals), 0); /* later heights look back to it */
    sn_cons_valset_unref(vals);
    T_EQ(sn_cons_state_store_validators(c.states, 2, &vals), SN_E_NOT_FOUND);
    c.fake.retain = 100; /* beyond the chain: said, and left alone */
    make_block(&c, 5, true);
    T_OK(sn_exec_apply(c.exec, c.state[4], c.block[5], &c.id[5], &c.state[5]));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(sn_cons_block_store_base(c.blocks), 4);
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), SN_E_CANCELLED);
    close_chain(&c);
    return 0;
}
SN_TEST(pruning_follows_the_application) { T_OK(in_sim(pruning_main, NULL)); }

/* Any one allocation of a question fails: the answer is SN_E_NOMEM, and nothing is lost. */
static int ask_everything(void *arg)
{
    struct sn_exec_run run SN_CLEANUP(sn_exec_run_done);
    struct sn_exec_proposal p = {0};
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_commit *last = arg;
    struct sn_str ext;
    bool ok;
    sn_exec_run_init(&run);
    sn_arena_init(&a, NULL, 0);
    int r = sn_exec_process(c.exec, c.state[2], c.block[3], &ok);
    if (r >= 0) r = sn_exec_extend(c.exec, c.state[2], c.block[3], &a, &ext);
    if (r >= 0) r = sn_exec_prepare(c.exec, c.state[1], last, c.block[3]->header.proposer, &p);
    sn_exec_proposal_done(&p);
    c.fake.height = 2;
    if (r >= 0) r = sn_exec_finalize(c.exec, c.state[2]->last_vals, 1, c.block[3], true, &run);
    return r;
}
static int shake_again(void *arg)
{
    struct sn_cons_state *after;
    c.fake.height = 2;
    int r = sn_exec_handshake(c.exec, &c.genesis, c.state[4], &after);
    if (r >= 0) sn_cons_state_unref(after);
    return r;
}
static int torture_main(void *arg)
{
    struct sn_arena a;
    struct sn_cons_commit last;
    open_chain(&c);
    grow(&c, 4, false);
    sn_arena_init(&a, NULL, 0);
    make_commit(&c, 1, &a, &last);
    last.sigs[0].ext = SN_STR("ext");
    last.sigs[0].ext_sig.len = 64;
    T_OK(sn_torture(ask_everything, &last));
    int shaken = sn_torture_lenient(shake_again, NULL); /* a line of the log may be lost */
    T_ASSERTF(shaken > 0, "%s", sn_diag_str(shaken));
    sn_arena_done(&a);
    T_ASSERTF(!c.fake.error[0], "%s", c.fake.error);
    close_chain(&c);
    return 0;
}
SN_TEST_SLOW(failing_allocations, 120) { T_OK(in_sim(torture_main, NULL)); }
