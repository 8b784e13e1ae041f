/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/node_test.c - engines in worlds: alone, four together, with crashes. */
#include "consensus/node/checked.h"
#include "consensus/node/node_world_test.h"
#include "harness/test.h"

static struct world w;

SN_TEST(a_single_validator_makes_blocks)
{
    world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = 1, .target = 20});
    const struct sn_engine_stats *s = &w.nodes[0].stats;
    T_ASSERT(s->heights >= 19 && s->signatures >= 3 * 19);
    fprintf(stderr, "single validator: %.2f log syncs, %.2f signatures, %.2f store writes per block\n",
            (double)s->log_syncs / (double)s->heights, (double)s->signatures / (double)s->heights,
            (double)s->stores / (double)s->heights);
}

SN_TEST_SLOW(four_validators_make_blocks, 120)
{
    world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = 4, .target = 12, .loss = 0.05});
    const struct sn_engine_stats *s = &w.nodes[0].stats;
    fprintf(stderr,
            "four validators: %.2f log syncs, %.2f signatures per block; of others' %.2f checked, "
            "%.2f known\n",
            (double)s->log_syncs / (double)s->heights, (double)s->signatures / (double)s->heights,
            (double)s->signatures_checked / (double)s->heights,
            (double)s->signatures_known / (double)s->heights);
    T_ASSERT(s->signatures_known > s->signatures_checked);
}

SN_TEST_SLOW(vote_extensions, 120)
{
    world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = 4, .target = 8,
                                       .extensions = true});
}

/* #5204: an application whose ExtendVote and VerifyVoteExtension do not fit together costs its own node,
 * not the chain; where all are so, the chain waits, and goes on when they are mended. */
SN_TEST_SLOW(applications_that_disagree_on_extensions, 300)
{
    for (enum ext_fault f = EXT_BAD; f <= EXT_NOBODY; f++)
        for (unsigned i = 0; i < sn_test_cases(3); i++) {
            sn_test_row("fault %d", f);
            world_run(&w, &(struct world_opts){.seed = sn_test_seed() + i, .n = 4, .target = 10,
                                               .extensions = true, .ext_fault = f});
        }
}

/* double_sign_check_height; 1 is the last block (#5668). */
SN_TEST_SLOW(signatures_of_our_key_in_the_last_blocks, 120)
{
    sn_test_allow_crash_leaks();
    for (int n = 1; n <= 4; n += 3)
        world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = n, .target = 12,
                                           .double_sign_check = n == 1 ? 1 : 10});
}

SN_TEST(a_chain_may_begin_at_any_height)
{
    world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = 1, .target = 1010,
                                       .initial_height = 1000});
}

/* A second vote is seen, becomes evidence, is put into one block, and each application is told once. */
SN_TEST_SLOW(a_double_vote_comes_before_the_application, 300)
{
    for (unsigned i = 0; i < sn_test_cases(5); i++) {
        world_run(&w, &(struct world_opts){.seed = sn_test_seed() + i, .n = 4, .target = 16,
                                           .equivocate = true});
        for (int k = 0; k < 4; k++) T_EQ(w.misbehaviour[k], 1);
    }
}

SN_TEST_SLOW(a_restart_after_many_rounds, 300)
{
    sn_test_allow_crash_leaks();
    world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = 4, .target = 8, .stall = true});
}

/* Over the seeds every way two durable points can be apart must have been met. */
SN_TEST_SLOW(crashes_at_any_moment, 600)
{
    unsigned cases[CASE_COUNT] = {0}, crashes = 0;
    sn_test_allow_crash_leaks();
    for (unsigned i = 0; i < sn_test_cases(40); i++) {
        world_run(&w, &(struct world_opts){.seed = sn_test_seed() + i, .n = i % 2 ? 4 : 1,
                                           .target = 15, .crashes = 10, .extensions = i % 3 == 0,
                                           .loss = i % 5 ? 0 : 0.1,
                                           .forgetful_app = i % 4 >= 2});
        for (unsigned k = 0; k < CASE_COUNT; k++) cases[k] += w.n_cases[k];
        crashes += w.n_crashes;
    }
    fprintf(stderr, "%u crashes; came back even %u, block ahead %u, committed %u, app behind %u\n",
            crashes, cases[CASE_EVEN], cases[CASE_BLOCK], cases[CASE_COMMITTED],
            cases[CASE_APP_BEHIND]);
    for (unsigned k = 0; k < CASE_COUNT; k++) T_ASSERT(cases[k]);
}

/* Full disk. A node that cannot go on ends by itself with the reason; the others do not mind, and it catches up
 * when the fault is over. */
SN_TEST_SLOW(failures_end_the_node_by_name, 120)
{
    static const struct world_opts rows[] = {
        {.fault = "write", .fault_code = SN_E_RESOURCE_EXHAUSTED, .why = "/"},
        {.fault = "fsync", .fault_code = SN_E_IO, .why = "/"},
        {.fail_app = true, .why = "FinalizeBlock of block 5: "},
    };
    sn_test_allow_crash_leaks();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
        for (int n = 1; n <= 4; n += 3) {
            struct world_opts o = rows[i];
            o.seed = sn_test_seed() + i;
            o.n = n;
            o.target = 12;
            world_run(&w, &o);
        }
}

/* ---- checked.h ---- */

static unsigned asked;
static int say(const struct sn_cons_verifier *v, struct sn_cons_check *checks, size_t n)
{
    for (size_t i = 0; i < n; i++) checks[i].ok = checks[i].sig->b[0] == 1;
    asked += (unsigned)n;
    return 0;
}
/* Right ones are asked about once, wrong ones each time, long messages each time; another key, message
 * or signature is another. */
SN_TEST(signatures_are_checked_once)
{
    static const struct sn_cons_verifier inner = {say};
    static char text[SN_CHECKED_MSG_MAX + 1];
    struct sn_checked *k;
    T_EQ(sn_checked_new(&inner, 6, &k), SN_E_INVALID_ARGUMENT);
    T_OK(sn_checked_new(&inner, 16, &k));
    const struct sn_cons_verifier *v = sn_checked_verifier(k);
    struct sn_cons_key key = {.type = SN_CONS_ED25519, .len = 32}, other = key;
    struct sn_cons_sig right = {.len = 64, .b = {1}}, right2 = {.len = 64, .b = {1, 2}},
                       wrong = {.len = 64, .b = {2}};
    other.b[3] = 1;
    struct sn_str longest = sn_str_of(text, SN_CHECKED_MSG_MAX),
                  too_long = sn_str_of(text, SN_CHECKED_MSG_MAX + 1);
    const struct {
        const struct sn_cons_key *key;
        struct sn_str msg;
        const struct sn_cons_sig *sig;
        int ok;
        unsigned asked; /* in all, after two times */
    } rows[] = {
        {&key, SN_STR("a"), &right, 1, 1},  {&key, SN_STR("b"), &right, 1, 2},
        {&key, SN_STR("a"), &right2, 1, 3}, {&other, SN_STR("a"), &right, 1, 4},
        {&key, SN_STR("a"), &wrong, 0, 6},  {&key, longest, &right, 1, 7},
        {&key, too_long, &right, 1, 9},     {&key, SN_STR(""), &right, 1, 10},
    };
    asked = 0;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("row %zu", i);
        for (int twice = 0; twice < 2; twice++)
            T_EQ(sn_cons_verify(v, rows[i].key, rows[i].msg, rows[i].sig), rows[i].ok);
        T_EQ(asked, rows[i].asked);
    }
    /* Many more than it holds: all still judged right. */
    for (int i = 0; i < 200; i++) {
        char m[16];
        struct sn_str msg = sn_str_of(m, (size_t)snprintf(m, sizeof(m), "m%d", i % 100));
        struct sn_cons_check two[2] = {{.key = &key, .msg = msg, .sig = &right},
                                       {.key = &key, .msg = msg, .sig = &wrong}};
        T_OK(v->verify(v, two, 2));
        T_ASSERT(two[0].ok && !two[1].ok);
    }
    sn_checked_free(k);
}
/* What came one by one of as many validators as a commit has is known when the commit comes; after
 * the first such commit, for which room is made. */
SN_TEST(remembered_signatures_grow_with_commits)
{
    enum { N = 3000 };
    static const struct sn_cons_verifier inner = {say};
    static struct sn_cons_check commit[N];
    static char text[N][16];
    struct sn_cons_key key = {.type = SN_CONS_ED25519, .len = 32};
    struct sn_cons_sig right = {.len = 64, .b = {1}};
    struct sn_checked *k;
    struct sn_checked_stats before, after;
    T_OK(sn_checked_new(&inner, 0, &k));
    const struct sn_cons_verifier *v = sn_checked_verifier(k);
    for (int height = 1; height < 4; height++) {
        for (int i = 0; i < N; i++) {
            int len = snprintf(text[i], sizeof(text[i]), "%d/%d", height, i);
            commit[i] = (struct sn_cons_check){
                .key = &key, .msg = sn_str_of(text[i], (size_t)len), .sig = &right};
            T_EQ(sn_cons_verify(v, &key, commit[i].msg, &right), 1);
        }
        sn_checked_stats(k, &before);
        T_OK(v->verify(v, commit, N));
        sn_checked_stats(k, &after);
        T_EQ(after.known - before.known, height == 1 ? 0 : N);
        T_EQ(after.checked - before.checked, height == 1 ? N : 0);
    }
    sn_checked_free(k);
}
