/* SPDX-License-Identifier: Apache-2.0 */
/* The block and the state store over memory; with a Go node's folders:
 * tests/interop/chain_store.sh. */
#include "consensus/answer.h"
#include "consensus/block_store.h"
#include "consensus/genesis.h"
#include "consensus/state_store.h"
#include "consensus/valset.h"
#include "core/torture.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "harness/test.h"

#define HEIGHTS 30

/* A chain of one validator; a second one comes with the answer to block 5, goes with that to
 * block 9. */
struct chain {
    struct sn_kv *kv[2];
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    struct sn_cons_state *state;
    struct sn_cons_valset *vals[HEIGHTS + 3]; /* of each height */
    struct sn_cons_hash hashes[HEIGHTS + 1];
};

static void run(int (*fn)(void *), void *arg)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, fn, arg));
}

static struct sn_cons_validator validator(uint8_t seed, int64_t power)
{
    struct sn_cons_validator v = {.power = power, .key = {.type = SN_CONS_ED25519, .len = 32}};
    memset(v.key.b, seed, 32);
    return v;
}

static int genesis(struct sn_cons_state **ret)
{
    static const char text[] =
        "{\"chain_id\":\"store\",\"genesis_time\":\"2026-01-01T00:00:00Z\",\"initial_height\":"
        "\"1\",\"app_hash\":\"\","
        "\"validators\":[{\"pub_key\":{\"type\":\"tendermint/PubKeyEd25519\",\"value\":"
        "\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\"},\"power\":\"10\",\"name\":\"a\"}]}";
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_genesis g;
    sn_arena_init(&a, NULL, 0);
    int r = sn_cons_genesis_parse(sn_str(text), &a, &g);
    return r < 0 ? r : sn_cons_genesis_state(&g, ret);
}

static struct sn_cons_commit commit_for(const struct chain *c, struct sn_cons_commit_sig *sigs)
{
    const struct sn_cons_valset *vals = c->state->last_vals;
    struct sn_cons_commit out = {.height = c->state->last_height,
                                 .block_id = c->state->last_block_id,
                                 .sigs = sigs};
    if (out.height == 0) return out;
    for (out.n = 0; out.n < vals->n; out.n++) {
        struct sn_cons_commit_sig *s = &sigs[out.n];
        *s = (struct sn_cons_commit_sig){.flag = SN_CONS_COMMIT, .sig.len = 64};
        s->time = (struct sn_cons_time){c->state->last_time.sec + 1, 0};
        memcpy(s->addr, vals->vals[out.n].addr, SN_CONS_ADDR_LEN);
    }
    return out;
}

/* One block more. */
static int grow(struct chain *c)
{
    struct sn_cons_commit_sig sigs[2];
    struct sn_cons_commit last = commit_for(c, sigs);
    const struct sn_str tx = SN_STR("k=v");
    struct sn_cons_block_content content = {.txs = &tx,
                                            .n_txs = 1,
                                            .last_commit = last.height ? &last : NULL};
    struct sn_cons_block *b = NULL;
    struct sn_cons_part_set *parts = NULL;
    struct sn_buf buf SN_CLEANUP(sn_buf_done);
    struct sn_cons_state *next;
    sn_buf_init(&buf, 0);
    memcpy(content.proposer, c->state->vals->vals[0].addr, SN_CONS_ADDR_LEN);
    int r = sn_cons_state_make_block(c->state, &content, &b);
    if (r >= 0) r = sn_cons_block_encode(b, &buf);
    if (r >= 0) r = sn_cons_part_set_split(sn_buf_view(&buf), &parts);
    if (r >= 0) {
        const struct sn_cons_block_id id = {b->hash, parts->header};
        struct sn_cons_commit seen = {.height = b->header.height,
                                      .block_id = id,
                                      .sigs = sigs,
                                      .n = 1};
        sigs[0] = (struct sn_cons_commit_sig){.flag = SN_CONS_COMMIT, .sig.len = 64};
        struct sn_cons_tx_result result = {.gas_used = 1};
        struct sn_cons_validator up = validator(2, b->header.height == 5 ? 3 : 0);
        struct sn_cons_block_result res = {.txs = &result,
                                           .n_txs = 1,
                                           .updates = &up,
                                           .n_updates =
                                               b->header.height == 5 || b->header.height == 9};
        r = sn_cons_block_store_save(c->blocks, b, parts, &seen, false);
        if (r >= 0)
            r = sn_cons_state_store_save_answer(c->states, b->header.height, SN_STR("\x2a\x01x"));
        if (r >= 0) r = sn_cons_state_apply(c->state, b, &id, &res, &next);
        if (r >= 0) {
            c->hashes[b->header.height] = b->hash;
            sn_cons_state_unref(c->state);
            c->state = next;
            r = sn_cons_state_store_save(c->states, next);
        }
    }
    sn_cons_block_unref(b);
    sn_cons_part_set_unref(parts);
    return r;
}

static int chain_begin(struct chain *c)
{
    memset(c, 0, sizeof(*c));
    int r = genesis(&c->state);
    for (int i = 0; r >= 0 && i < 2; i++) r = sn_kv_open_memory(&c->kv[i]);
    if (r >= 0) r = sn_cons_block_store_new(c->kv[0], &c->blocks);
    if (r >= 0 && !(c->states = sn_cons_state_store_new(c->kv[1], false))) r = SN_E_NOMEM;
    return r < 0 ? r : sn_cons_state_store_save(c->states, c->state);
}
static void chain_end(struct chain *c)
{
    if (!c->blocks) sn_kv_close(c->kv[0]);
    if (!c->states) sn_kv_close(c->kv[1]);
    sn_cons_block_store_free(c->blocks);
    sn_cons_state_store_free(c->states);
    sn_cons_state_unref(c->state);
    for (unsigned i = 0; i < SN_COUNT_OF(c->vals); i++) sn_cons_valset_unref(c->vals[i]);
}
static void chain_full(struct chain *c)
{
    T_OK(chain_begin(c));
    c->vals[1] = sn_cons_valset_ref(c->state->vals);
    for (int h = 1; h <= HEIGHTS; h++) {
        c->vals[h + 1] = sn_cons_valset_ref(c->state->next_vals);
        T_OK(grow(c));
    }
}

static bool same_set(const struct sn_cons_valset *a, const struct sn_cons_valset *b)
{
    if (a->n != b->n || a->total != b->total) return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (memcmp(&a->vals[i].addr, &b->vals[i].addr, SN_CONS_ADDR_LEN) ||
            a->vals[i].power != b->vals[i].power || a->vals[i].priority != b->vals[i].priority)
            return false;
    return true;
}
static void expect_validators(struct chain *c, int64_t h)
{
    struct sn_cons_valset *got;
    sn_test_row("height %lld", (long long)h);
    T_OK(sn_cons_state_store_validators(c->states, h, &got));
    T_ASSERT(same_set(got, c->vals[h]));
    sn_cons_valset_unref(got);
}

static int read_main(void *arg)
{
    struct chain c;
    struct sn_cons_block *b;
    struct sn_cons_block_meta meta;
    struct sn_cons_state *state;
    struct sn_cons_params params;
    struct sn_arena a;
    struct sn_cons_commit commit;
    struct sn_buf buf = {0};
    int64_t h;
    chain_full(&c);
    sn_arena_init(&a, NULL, 0);
    T_EQ(sn_cons_block_store_base(c.blocks), 1);
    T_EQ(sn_cons_block_store_height(c.blocks), HEIGHTS);
    for (h = 1; h <= HEIGHTS; h++) {
        int64_t found;
        T_OK(sn_cons_block_store_block(c.blocks, h, &b));
        T_ASSERT(sn_cons_hash_eq(&b->hash, &c.hashes[h]) && b->n_txs == 1);
        sn_cons_block_unref(b);
        T_OK(sn_cons_block_store_find(c.blocks, &c.hashes[h], &found));
        T_EQ(found, h);
        expect_validators(&c, h);
    }
    T_EQ(sn_cons_block_store_block(c.blocks, HEIGHTS + 1, &b), SN_E_NOT_FOUND);
    T_CSTR(sn_diag_str(SN_E_NOT_FOUND), "block store: no H:31");
    T_OK(sn_cons_block_store_commit(c.blocks, 7, &a, &commit));
    T_EQ(commit.n, 2);
    T_EQ(sn_cons_block_store_commit(c.blocks, HEIGHTS, &a, &commit), SN_E_NOT_FOUND);
    T_OK(sn_cons_block_store_seen(c.blocks, HEIGHTS, &a, &commit));
    T_EQ(sn_cons_block_store_extended(c.blocks, 7, &a, &commit), SN_E_NOT_FOUND);
    T_OK(sn_cons_block_store_meta(c.blocks, 3, &meta));
    T_ASSERT(meta.num_txs == 1 && sn_cons_hash_eq(&meta.block_id.hash, &c.hashes[3]));
    T_OK(sn_cons_state_store_params(c.states, 20, &params));
    T_EQ(params.block_max_bytes, c.state->params.block_max_bytes);
    T_OK(sn_cons_state_store_answer(c.states, 4, &buf));
    T_STR(sn_buf_view(&buf), "\x2a\x01x");
    sn_buf_reset(&buf);
    T_OK(sn_cons_state_store_last_answer(c.states, HEIGHTS, &buf));
    T_STR(sn_buf_view(&buf), "\x2a\x01x");
    T_EQ(sn_cons_state_store_last_answer(c.states, HEIGHTS - 1, &buf), SN_E_NOT_FOUND);
    T_OK(sn_cons_state_store_load(c.states, &state));
    T_EQ(state->last_height, HEIGHTS);
    T_ASSERT(same_set(state->next_vals, c.state->next_vals));
    sn_cons_state_unref(state);
    T_OK(sn_cons_state_store_offline(c.states, &h));
    T_EQ(h, 0);
    T_OK(sn_cons_state_store_set_offline(c.states, 1234567));
    T_OK(sn_cons_state_store_offline(c.states, &h));
    T_EQ(h, 1234567);
    sn_buf_done(&buf);
    sn_arena_done(&a);
    chain_end(&c);
    return 0;
}
SN_TEST(stores_read_what_was_saved)
{
    run(read_main, NULL);
}

static int prune_main(void *arg)
{
    struct chain c;
    struct sn_cons_block *b;
    struct sn_cons_block_meta meta;
    struct sn_cons_valset *vals;
    struct sn_cons_params params;
    int64_t kept;
    chain_full(&c);
    T_EQ(sn_cons_block_store_prune(c.blocks, HEIGHTS + 1, c.state, &kept), SN_E_OUT_OF_RANGE);
    /* Evidence of anything older than ten blocks is too old. */
    struct sn_cons_state young = *c.state;
    young.params.evidence_max_blocks = 10;
    young.params.evidence_max_ns = 1;
    T_EQ(sn_cons_block_store_prune(c.blocks, 25, &young, &kept), 24);
    T_EQ(kept, HEIGHTS - 10);
    T_EQ(sn_cons_block_store_base(c.blocks), 25);
    T_EQ(sn_cons_block_store_block(c.blocks, 24, &b), SN_E_NOT_FOUND);
    T_EQ(sn_cons_block_store_meta(c.blocks, kept - 1, &meta), SN_E_NOT_FOUND);
    T_OK(sn_cons_block_store_meta(c.blocks, kept, &meta));
    T_OK(sn_cons_block_store_block(c.blocks, 25, &b));
    sn_cons_block_unref(b);
    T_OK(sn_cons_state_store_prune(c.states, 1, 25, kept));
    T_EQ(sn_cons_state_store_validators(c.states, 4, &vals), SN_E_NOT_FOUND);
    for (int64_t h = kept; h <= HEIGHTS + 1; h++) expect_validators(&c, h);
    T_EQ(sn_cons_state_store_params(c.states, 12, &params), SN_E_NOT_FOUND);
    T_OK(sn_cons_state_store_params(c.states, 25, &params));
    T_EQ(sn_cons_state_store_prune(c.states, 5, 5, 5), SN_E_INVALID_ARGUMENT);
    /* Back by one, and on again. */
    T_OK(sn_cons_block_store_drop(c.blocks));
    T_EQ(sn_cons_block_store_height(c.blocks), HEIGHTS - 1);
    T_EQ(sn_cons_block_store_block(c.blocks, HEIGHTS, &b), SN_E_NOT_FOUND);
    chain_end(&c);
    return 0;
}
SN_TEST(stores_prune)
{
    run(prune_main, NULL);
}

static int damage_main(void *arg)
{
    static const char *const keys[] = {"H:3", "P:3:0", "SC:3", "C:2"};
    struct chain c;
    struct sn_cons_block *b;
    struct sn_cons_block_store *again;
    struct sn_cons_commit commit;
    struct sn_arena a;
    struct sn_kv_batch batch = {0};
    chain_full(&c);
    sn_arena_init(&a, NULL, 0);
    for (unsigned i = 0; i < SN_COUNT_OF(keys); i++)
        T_OK(sn_kv_batch_put(&batch, sn_str(keys[i]), SN_STR("\xff\xff")));
    T_OK(sn_kv_batch_put(&batch, SN_STR("P:4:0"), SN_STR("")));
    T_OK(sn_kv_batch_put(&batch, SN_STR("blockStore"), SN_STR("\x08\x09\x10\x02")));
    T_OK(sn_kv_write(c.kv[0], &batch, false));
    T_EQ(sn_cons_block_store_block(c.blocks, 3, &b), SN_E_DATA_LOSS);
    T_ASSERTF(strstr(sn_diag_str(SN_E_DATA_LOSS), "block store: H:3 cannot be read"), "%s",
              sn_diag_str(SN_E_DATA_LOSS));
    T_EQ(sn_cons_block_store_block(c.blocks, 4, &b), SN_E_DATA_LOSS);
    T_EQ(sn_cons_block_store_seen(c.blocks, 3, &a, &commit), SN_E_DATA_LOSS);
    T_EQ(sn_cons_block_store_commit(c.blocks, 2, &a, &commit), SN_E_DATA_LOSS);
    T_EQ(sn_cons_block_store_new(c.kv[0], &again), SN_E_DATA_LOSS);
    /* Not the next one. */
    struct sn_cons_part_set *parts;
    T_OK(sn_cons_block_store_block(c.blocks, 5, &b));
    T_OK(sn_cons_part_set_split(SN_STR("x"), &parts));
    T_EQ(sn_cons_block_store_save(c.blocks, b, parts, &commit, false), SN_E_FAILED_PRECONDITION);
    sn_cons_part_set_unref(parts);
    sn_cons_block_unref(b);
    sn_kv_batch_done(&batch);
    sn_arena_done(&a);
    chain_end(&c);
    return 0;
}
SN_TEST(stores_damage)
{
    run(damage_main, NULL);
}

static int sync_main(void *arg)
{
    struct chain c;
    struct sn_kv *kv;
    struct sn_cons_state_store *s;
    struct sn_cons_valset *vals;
    chain_full(&c);
    T_OK(sn_kv_open_memory(&kv));
    T_ASSERT((s = sn_cons_state_store_new(kv, true)));
    T_EQ(sn_cons_state_store_load(s, &(struct sn_cons_state *){NULL}), SN_E_NOT_FOUND);
    T_OK(sn_cons_state_store_bootstrap(s, c.state));
    for (int64_t h = HEIGHTS; h <= HEIGHTS + 2; h++) {
        T_OK(sn_cons_state_store_validators(s, h, &vals));
        T_ASSERT(same_set(vals, h == HEIGHTS       ? c.state->last_vals
                                : h == HEIGHTS + 1 ? c.state->vals
                                                   : c.state->next_vals));
        sn_cons_valset_unref(vals);
    }
    T_EQ(sn_cons_state_store_validators(s, HEIGHTS - 1, &vals), SN_E_NOT_FOUND);
    struct sn_buf buf = {0};
    T_OK(sn_cons_state_store_save_answer(s, HEIGHTS, SN_STR("\x2a\x01x")));
    T_EQ(sn_cons_state_store_answer(s, HEIGHTS, &buf), SN_E_FAILED_PRECONDITION);
    T_OK(sn_cons_state_store_last_answer(s, HEIGHTS, &buf));
    /* As many results as a large block has: decoded they would take a hundred times the bytes. */
    struct sn_buf many = {0};
    for (int i = 0; i < 1000000; i++) sn_buf_put(&many, "\x12\x00", 2);
    T_OK(sn_cons_state_store_save_answer(s, HEIGHTS, sn_buf_view(&many)));
    sn_buf_reset(&buf);
    T_OK(sn_cons_state_store_last_answer(s, HEIGHTS, &buf));
    T_ASSERT(sn_str_eq(sn_buf_view(&buf), sn_buf_view(&many)));
    sn_buf_done(&many);
    sn_buf_done(&buf);
    sn_cons_state_store_free(s);
    chain_end(&c);
    return 0;
}
SN_TEST(stores_after_state_sync)
{
    run(sync_main, NULL);
}

/* Events and logs of the last answer are stored once; with what is left the chain goes on. */
static int last_answer_main(void *arg)
{
    static const char answer[] =
        "\x0a\x05\x0a\x03" "end"                             /* events: type */
        "\x12\x18\x08\x07\x12\x02" "da\x1a\x01l\x22\x01i\x28\x0b\x30\x0c\x3a\x03\x0a\x01t\x42\x01s"
        "\x12\x05\x3a\x03\x0a\x01t"                           /* a result with an event only */
        "\x12\x00" "\x2a\x01h";                               /* app_hash */
    static const char hashed[] =
        "\x10\x04\x1a\x13" "\x12\x0a\x08\x07\x12\x02" "da\x28\x0b\x30\x0c"
        "\x12\x00" "\x12\x00" "\x2a\x01h";
    struct sn_buf buf = {0};
    struct sn_kv *kv;
    struct sn_cons_state_store *s;
    struct sn_kv_batch b = {0};
    T_OK(sn_kv_open_memory(&kv));
    T_ASSERT((s = sn_cons_state_store_new(kv, false)));
    T_OK(sn_cons_state_store_save_answer(s, 4, sn_str_of(answer, sizeof(answer) - 1)));
    T_EQ(sn_kv_get(kv, SN_STR("lastABCIResponseKey"), &buf), 1);
    T_ASSERT(sn_str_eq(sn_buf_view(&buf), sn_str_of(hashed, sizeof(hashed) - 1)));
    sn_buf_reset(&buf);
    T_OK(sn_cons_state_store_last_answer(s, 4, &buf));
    T_ASSERT(sn_str_eq(sn_buf_view(&buf), sn_str_of(answer, sizeof(answer) - 1)));
    T_EQ(sn_cons_state_store_last_answer(s, 3, &buf), SN_E_NOT_FOUND);
    /* CometBFT's, which has all of it; and where the other copy is gone. */
    T_OK(sn_kv_batch_del(&b, SN_STR("abciResponsesKey:4")));
    T_OK(sn_kv_write(kv, &b, false));
    sn_buf_reset(&buf);
    T_OK(sn_cons_state_store_last_answer(s, 4, &buf));
    T_ASSERT(sn_str_eq(sn_buf_view(&buf), sn_str_from(sn_str_of(hashed, sizeof(hashed) - 1), 4)));
    T_EQ(sn_cons_state_store_save_answer(s, 5, SN_STR("\x12\x05\x08")), SN_E_INTERNAL);
    T_EQ(sn_cons_state_store_save_answer(s, 5, SN_STR("\x12\x02\x12\x05")), SN_E_INTERNAL);
    sn_kv_batch_done(&b);
    sn_buf_done(&buf);
    sn_cons_state_store_free(s);
    return 0;
}
SN_TEST(stores_last_answer)
{
    run(last_answer_main, NULL);
}

static int no_memory(void *arg)
{
    struct chain c;
    int r = chain_begin(&c);
    for (int h = 1; r >= 0 && h <= 2; h++) r = grow(&c);
    chain_end(&c);
    return r < 0 ? r : 0;
}
static int torture_main(void *arg)
{
    T_OK(no_memory(NULL));
    int n = sn_torture(no_memory, NULL);
    T_ASSERTF(n > 50, "%d failures injected: %s", n, sn_diag_str(n));
    return 0;
}
SN_TEST_SLOW(stores_torture, 120)
{
    run(torture_main, NULL);
}
