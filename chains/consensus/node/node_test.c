/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/node_test.c - engines in worlds: alone, four together, with crashes. */
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

SN_TEST(four_validators_make_blocks)
{
    world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = 4, .target = 12, .loss = 0.05});
    const struct sn_engine_stats *s = &w.nodes[0].stats;
    fprintf(stderr, "four validators: %.2f log syncs, %.2f signatures per block\n",
            (double)s->log_syncs / (double)s->heights, (double)s->signatures / (double)s->heights);
}

SN_TEST(vote_extensions)
{
    world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = 4, .target = 8,
                                       .extensions = true});
}

SN_TEST(a_chain_may_begin_at_any_height)
{
    world_run(&w, &(struct world_opts){.seed = sn_test_seed(), .n = 1, .target = 1010,
                                       .initial_height = 1000});
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

/* A node that cannot go on ends by itself with the reason; the others do not mind, and it catches up
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
