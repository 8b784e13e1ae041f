/* SPDX-License-Identifier: Apache-2.0 */
/* Worlds by the hundred: each seed twice with equal traces. SN_TEST_SCALE makes them thousands. */
#include "consensus/sim_world_test.h"
#include "harness/test.h"

static struct world world; /* large */

static void twice(const struct world_opts *o, void (*look)(const struct world *w))
{
    sn_test_row("seed %llu, %d nodes, %d byzantine", (unsigned long long)o->seed, o->n, o->n_byz);
    uint64_t a = world_run(&world, o);
    if (look) look(&world);
    world_done(&world);
    uint64_t b = world_run(&world, o);
    world_done(&world);
    T_ASSERTF(a == b, "two runs of one seed differ");
}

SN_TEST_SLOW(sim_honest, 300)
{
    for (unsigned i = 0; i < sn_test_cases(30); i++)
        twice(&(struct world_opts){.seed = sn_test_seed() + i, .n = 1 + (int)(i % 6), .target = 8,
                                   .skew = i & 1, .extensions = i % 4 == 2, .limit = 120 * SN_SEC},
              NULL);
}

static uint64_t replays, equal, restarts;
static void count_replays(const struct world *w)
{
    for (int i = 0; i < w->n; i++) {
        replays += w->nodes[i].replays;
        equal += w->nodes[i].replays_equal;
    }
    restarts += w->restarts;
}
SN_TEST_SLOW(sim_faults, 600)
{
    unsigned n = sn_test_cases(60);
    for (unsigned i = 0; i < n; i++)
        twice(&(struct world_opts){.seed = sn_test_seed() + i, .n = 3 + (int)(i % 4), .target = 12,
                                   .faults = true, .skew = i & 1, .extensions = i % 4 == 2,
                                   .loss = i % 3 ? 0.1 : 0.3, .heal_at = 12 * SN_SEC,
                                   .limit = 300 * SN_SEC},
              count_replays);
    T_ASSERTF(restarts > n && replays > n && equal > n / 4, "%llu restarts, %llu replays, %llu whole",
              (unsigned long long)restarts, (unsigned long long)replays, (unsigned long long)equal);
}

static uint64_t swept;
static void count_swept(const struct world *w) { swept += w->restarts == 2; }
/* Node 0 of four (without it nobody gets on) and of one crashes at each of its durable steps in turn:
 * log, signer, block, end of height, application, state. World checks: no second signature in a place,
 * equal replays, agreement, and the height is reached. */
SN_TEST_SLOW(sim_crash_at_every_write, 600)
{
    unsigned n = sn_test_cases(160);
    for (unsigned i = 0; i < n; i++)
        twice(&(struct world_opts){.seed = sn_test_seed() + i, .n = i & 1 ? 1 : 3, .target = 6,
                                   .extensions = i % 4 == 2, .crash_step = 1 + i / 2 % 80,
                                   .limit = 120 * SN_SEC},
              count_swept);
    T_ASSERTF(swept > n / 2, "%llu of %u crashed twice", (unsigned long long)swept, n);
}

SN_TEST_SLOW(sim_validator_updates, 300)
{
    for (unsigned i = 0; i < sn_test_cases(20); i++)
        twice(&(struct world_opts){.seed = sn_test_seed() + i, .n = 6, .target = 15, .updates = true,
                                   .loss = 0.05, .heal_at = 5 * SN_SEC, .limit = 300 * SN_SEC},
              NULL);
}

static uint64_t evidence, conflicts, rounds;
static void count_evidence(const struct world *w)
{
    evidence += w->evidence_committed;
    conflicts += w->conflicts;
    rounds += w->rounds_max;
}
SN_TEST_SLOW(sim_byzantine, 900)
{
    unsigned n = sn_test_cases(84);
    for (unsigned i = 0; i < n; i++)
        twice(&(struct world_opts){.seed = sn_test_seed() + i, .n = 4 + (int)(i % 4),
                                   .n_byz = 1 + (int)(i % 4 == 3), .target = 8,
                                   .byz = (enum behaviour)(i % N_BEHAVIOURS), .faults = i & 1,
                                   .skew = i % 3 == 0, .extensions = i % 5 == 2, .loss = 0.1,
                                   .heal_at = 6 * SN_SEC, .limit = 600 * SN_SEC},
              count_evidence);
    T_ASSERTF(evidence > n / 20 && conflicts > n && rounds > n / 2, "%llu pieces, %llu conflicts, %llu rounds",
              (unsigned long long)evidence, (unsigned long long)conflicts, (unsigned long long)rounds);
}

static uint64_t forks, amnesia_forks;
static void count_forks(const struct world *w) { forks += w->forked; }
static void count_amnesia_forks(const struct world *w) { amnesia_forks += w->forked; }
/* A third and more may fork the chain, but not unseen. */
SN_TEST_SLOW(sim_accountability, 600)
{
    unsigned n = sn_test_cases(80);
    static const struct {
        int n, n_byz;
    } sizes[] = {{4, 2}, {5, 3}, {7, 3}};
    for (unsigned i = 0; i < n; i++)
        twice(&(struct world_opts){.seed = sn_test_seed() + i, .n = sizes[i % 3].n,
                                   .n_byz = sizes[i % 3].n_byz, .heavy_byz = true, .target = 6,
                                   .byz = i & 1 ? EQUIVOCATE : AMNESIA, .loss = 0.02,
                                   .heal_at = 30 * SN_SEC, .limit = 40 * SN_SEC},
              i & 1 ? count_forks : count_amnesia_forks);
    T_ASSERTF(forks > n / 20 && amnesia_forks > n / 20, "%llu and %llu forks in %u worlds",
              (unsigned long long)forks, (unsigned long long)amnesia_forks, n);
}
