/* SPDX-License-Identifier: Apache-2.0 */
/* The evidence pool on the disk; with a Go node's: tests/interop/evidence.sh. */
#include "consensus/hash.h"
#include "consensus/node/evidence_chain_test.h"
#include "core/status.h"
#include "core/torture.h"
#include "fiber/fiber.h"
#include "harness/test.h"

static void run(int (*fn)(void *arg))
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, fn, NULL));
}
static unsigned count(struct evidence_chain *c)
{
    struct sn_arena a;
    struct sn_cons_evidence **list;
    uint32_t n;
    int64_t bytes;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_evidence_keeper_pending(c->keeper, INT64_MAX, &a, &list, &n, &bytes));
    sn_arena_done(&a);
    return n;
}
/* How many keys begin with that byte. */
static unsigned keys(struct evidence_chain *c, uint8_t kind)
{
    struct sn_arena a;
    struct sn_kv_pair *pairs;
    size_t n;
    char from = (char)kind, to = (char)(kind + 1);
    struct sn_kv_range range = {.from = {&from, 1}, .to = {&to, 1}};
    sn_arena_init(&a, NULL, 0);
    T_EQ(sn_kv_scan(c->kv, &range, &a, &pairs, &n), 0);
    for (size_t i = 0; i < n; i++) {
        T_EQ(pairs[i].key.len, 82);
        T_ASSERT(pairs[i].key.ptr[17] == '/');
    }
    sn_arena_done(&a);
    return (unsigned)n;
}
/* As after a crash: the keeper is gone, its store has what was written. */
static void restart(struct evidence_chain *c)
{
    struct sn_kv *copy;
    T_OK(evidence_chain_copy(c->kv, &copy));
    sn_evidence_keeper_free(c->keeper);
    c->kv = copy;
    T_OK(evidence_chain_keeper(c));
}
static void unref(struct sn_cons_vote *votes[2])
{
    sn_cons_vote_unref(votes[0]);
    sn_cons_vote_unref(votes[1]);
}

static int life(void *arg)
{
    struct evidence_chain c;
    struct sn_cons_vote *votes[2], *more[2], *later[2];
    struct sn_cons_evidence ev, ev2, wrong;
    evidence_chain_open(&c, NULL);
    for (unsigned i = 0; i < 5; i++) evidence_chain_grow(&c, NULL, 0);
    T_OK(evidence_chain_keeper(&c));
    T_EQ(sn_evidence_keeper_max_age(c.keeper), 100000);
    evidence_chain_votes(&c, 1, 3, 7, votes);
    evidence_chain_double(&c, 3, votes, &ev);
    uint64_t seen = sn_evidence_keeper_generation(c.keeper);
    T_EQ(sn_evidence_keeper_add(c.keeper, &ev), 1);
    T_EQ(sn_evidence_keeper_add(c.keeper, &ev), 0);
    T_ASSERT(sn_evidence_keeper_generation(c.keeper) != seen);
    T_OK(sn_evidence_keeper_wait(c.keeper, seen)); /* at once */
    int64_t before = sn_deadline_tighten(sn_now() + 10 * SN_MS);
    T_EQ(sn_evidence_keeper_wait(c.keeper, sn_evidence_keeper_generation(c.keeper)),
         SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(before);
    wrong = ev;
    wrong.total_power++;
    T_EQ(sn_evidence_keeper_add(c.keeper, &wrong), SN_E_INVALID_ARGUMENT);
    T_EQ(count(&c), 1);
    T_EQ(keys(&c, 1), 1);
    restart(&c);
    T_EQ(count(&c), 1);
    /* What consensus saw becomes evidence with its height's block. */
    evidence_chain_votes(&c, 2, 6, 30, later);
    T_OK(sn_evidence_keeper_report(c.keeper, later[0], later[1]));
    T_EQ(count(&c), 1);
    seen = sn_evidence_keeper_generation(c.keeper);
    evidence_chain_grow(&c, NULL, 0);
    T_EQ(count(&c), 2);
    T_EQ(keys(&c, 1), 2);
    T_ASSERT(sn_evidence_keeper_generation(c.keeper) > seen);
    /* A block with the first: it is committed, here and after a restart. */
    struct sn_cons_evidence *list[1] = {&ev};
    struct sn_cons_block with = {.evidence = list, .n_evidence = 1};
    T_OK(sn_evidence_keeper_check(c.keeper, c.state, &with));
    evidence_chain_grow(&c, list, 1);
    T_EQ(keys(&c, 1), 1);
    T_EQ(keys(&c, 0), 1);
    for (unsigned again = 0; again < 2; again++) {
        T_EQ(count(&c), 1);
        T_EQ(sn_evidence_keeper_add(c.keeper, &ev), 0);
        T_EQ(sn_evidence_keeper_check(c.keeper, c.state, &with), SN_E_INVALID_ARGUMENT);
        restart(&c);
    }
    evidence_chain_votes(&c, 1, 2, 50, more);
    evidence_chain_double(&c, 2, more, &ev2);
    T_EQ(sn_evidence_keeper_add(c.keeper, &ev2), 1);
    T_EQ(count(&c), 2);
    evidence_chain_close(&c);
    unref(votes);
    unref(more);
    unref(later);
    return 0;
}
SN_TEST(evidence_keeper_life)
{
    run(life);
}

static void put(struct sn_kv *kv, struct sn_str key, struct sn_str value)
{
    struct sn_kv_batch b = {0};
    T_OK(sn_kv_batch_put(&b, key, value));
    T_OK(sn_kv_write(kv, &b, true));
    sn_kv_batch_done(&b);
}
/* What is damaged, or wrong, or has expired since is left out, and gone after the start. */
static int damaged(void *arg)
{
    static char key[] = "\x01"
                        "0000000000000003/"
                        "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF";
    struct evidence_chain c;
    struct sn_cons_vote *votes[2];
    struct sn_cons_evidence ev;
    evidence_chain_open(&c, NULL);
    for (unsigned i = 0; i < 5; i++) evidence_chain_grow(&c, NULL, 0);
    T_OK(evidence_chain_keeper(&c));
    evidence_chain_votes(&c, 1, 3, 7, votes);
    evidence_chain_double(&c, 3, votes, &ev);
    T_EQ(sn_evidence_keeper_add(c.keeper, &ev), 1);
    put(c.kv, sn_str_of(key, sizeof(key) - 1), SN_STR("junk"));
    put(c.kv, SN_STR("\x01short"), SN_STR("junk"));
    put(c.kv, SN_STR("\x01zzzzzzzzzzzzzzzz/0"), SN_STR(""));
    restart(&c);
    T_EQ(count(&c), 1);
    struct sn_buf out = {0};
    T_EQ(sn_kv_get(c.kv, sn_str_of(key, sizeof(key) - 1), &out), 0);
    T_EQ(sn_kv_get(c.kv, SN_STR("\x01short"), &out), 1); /* not ours: left alone */
    sn_buf_done(&out);
    c.state->params.evidence_max_blocks = 1;
    c.state->params.evidence_max_ns = SN_SEC;
    restart(&c);
    T_EQ(count(&c), 0);
    T_EQ(sn_evidence_keeper_add(c.keeper, &ev), SN_E_FAILED_PRECONDITION);
    evidence_chain_close(&c);
    unref(votes);
    return 0;
}
SN_TEST(evidence_keeper_damaged)
{
    run(damaged);
}

/* More than one answer of the store has. */
static int many(void *arg)
{
    struct evidence_chain c;
    enum { PIECES = 1100 };
    evidence_chain_open(&c, NULL);
    for (unsigned i = 0; i < 12; i++) evidence_chain_grow(&c, NULL, 0);
    T_OK(evidence_chain_keeper(&c));
    for (unsigned i = 0; i < PIECES; i++) {
        struct sn_cons_vote *votes[2];
        struct sn_cons_evidence ev;
        evidence_chain_votes(&c, i % 4, 1 + i / 120, (uint8_t)(i % 120 / 4 * 4), votes);
        evidence_chain_double(&c, 1 + i / 120, votes, &ev);
        T_EQ(sn_evidence_keeper_add(c.keeper, &ev), 1);
        unref(votes);
    }
    T_EQ(count(&c), PIECES);
    restart(&c);
    T_EQ(count(&c), PIECES);
    evidence_chain_close(&c);
    return 0;
}
SN_TEST_SLOW(evidence_keeper_many, 120)
{
    run(many);
}

static struct evidence_chain shared;
static struct sn_cons_evidence shared_ev;
static int no_memory(void *arg)
{
    int r = evidence_chain_copy(arg, &shared.kv);
    if (r < 0) return r;
    r = evidence_chain_keeper(&shared);
    if (r < 0) {
        sn_kv_close(shared.kv);
        return r;
    }
    r = sn_evidence_keeper_add(shared.keeper, &shared_ev);
    struct sn_arena a;
    struct sn_cons_evidence **list;
    uint32_t n;
    int64_t bytes;
    sn_arena_init(&a, NULL, 0);
    if (r >= 0) r = sn_evidence_keeper_pending(shared.keeper, 1 << 20, &a, &list, &n, &bytes);
    /* The verifier has a way round a failed allocation; nothing is forgotten by it. */
    if (r >= 0) T_EQ(n, 2);
    sn_arena_done(&a);
    sn_evidence_keeper_free(shared.keeper);
    return r;
}
static int tortured(void *arg)
{
    struct sn_cons_vote *votes[2], *more[2];
    struct sn_cons_evidence ev;
    evidence_chain_open(&shared, NULL);
    for (unsigned i = 0; i < 5; i++) evidence_chain_grow(&shared, NULL, 0);
    T_OK(evidence_chain_keeper(&shared));
    evidence_chain_votes(&shared, 1, 3, 7, votes);
    evidence_chain_double(&shared, 3, votes, &ev);
    T_EQ(sn_evidence_keeper_add(shared.keeper, &ev), 1);
    evidence_chain_votes(&shared, 2, 4, 9, more);
    evidence_chain_double(&shared, 4, more, &shared_ev);
    struct sn_kv *stored;
    T_OK(evidence_chain_copy(shared.kv, &stored));
    sn_evidence_keeper_free(shared.keeper);
    shared.keeper = NULL;
    int n = sn_torture_lenient(no_memory, stored);
    T_ASSERTF(n > 30, "%d failures injected: %s", n, sn_diag_str(n));
    shared.keeper = NULL;
    shared.kv = NULL;
    sn_kv_close(stored);
    evidence_chain_close(&shared);
    unref(votes);
    unref(more);
    return 0;
}
SN_TEST_SLOW(evidence_keeper_without_memory, 60)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, tortured, NULL));
}
