/* SPDX-License-Identifier: Apache-2.0 */
/* govern/balance_test.c - choices, with time as a number. */
#include "govern/balance.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/map.h"
#include "core/rand.h"
#include "core/torture.h"
#include "harness/test.h"

#define MAX 64

struct rig {
    struct sn_gov_picker *p;
    struct sn_gov_endpoint_spec specs[MAX];
    char names[MAX][16];
    size_t n;
    struct sn_rand rand;
    int64_t now;
};

static void rig_specs(struct rig *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(r->names[i], sizeof(r->names[i]), "h%zu:1", i);
        r->specs[i].addr = sn_str(r->names[i]);
    }
    r->n = n;
}

static void rig_start(struct rig *r, size_t n, struct sn_gov_balance_opts o)
{
    rig_specs(r, n);
    sn_rand_seed(&r->rand, sn_test_seed());
    r->now = SN_HOUR;
    o.slow_start_ns = o.slow_start_ns ? o.slow_start_ns : -1;
    T_OK(sn_gov_picker_new(&o, 1, &r->p));
    T_OK(sn_gov_picker_update(r->p, r->specs, n, r->now));
}

static struct sn_gov_endpoint *pick(struct rig *r, uint64_t hash, const uint64_t *tried, uint32_t n_tried)
{
    struct sn_gov_ask a = {.now_ns = r->now, .rnd = sn_rand_u64(&r->rand), .hash = hash, .tried = tried,
                           .n_tried = n_tried};
    struct sn_gov_endpoint *ep;
    T_OK(sn_gov_pick(r->p, &a, &ep));
    return ep;
}

static size_t index_of(const struct sn_gov_endpoint *ep) { return (size_t)strtoul(ep->addr + 1, NULL, 10); }

static size_t call(struct rig *r, int64_t took, enum sn_gov_result result)
{
    struct sn_gov_endpoint *ep = pick(r, 0, NULL, 0);
    size_t i = index_of(ep);
    sn_gov_done(r->p, ep, r->now, r->now + took, result);
    return i;
}

SN_TEST(balance_p2c_avoids_the_slow_and_the_failing)
{
    struct rig r = {0};
    rig_start(&r, 10, (struct sn_gov_balance_opts){0});
    unsigned n[10] = {0}, forced = 0;
    for (int i = 0; i < 20000; i++) {
        struct sn_gov_endpoint *ep = pick(&r, 0, NULL, 0);
        size_t k = index_of(ep);
        n[k]++;
        sn_gov_done(r.p, ep, r.now, r.now + (k == 3 ? 60 : 1) * SN_MS, k == 7 ? SN_GOV_FAILED : SN_GOV_OK);
        r.now += SN_MS;
        forced += k == 7;
    }
    T_ASSERTF(n[3] < 500, "the slow one of ten got %u of 20000", n[3]);
    /* 20 s: the first draws, one that met the slow one, and forced ones after 1, 2, 4, 8 s. */
    T_ASSERTF(forced <= 15 && forced >= 3, "the failing one got %u", forced);
    for (size_t k = 0; k < 10; k++)
        if (k != 3 && k != 7) T_ASSERTF(n[k] > 1800, "endpoint %zu got %u", k, n[k]);
    sn_gov_picker_free(r.p);
}

SN_TEST(balance_p2c_silence_and_forced_picks)
{
    struct rig r = {0};
    rig_start(&r, 10, (struct sn_gov_balance_opts){0});
    struct sn_gov_endpoint *held[64];
    int64_t since[64];
    unsigned n = 0;
    for (int i = 0; i < 5000; i++, r.now += SN_MS) {
        struct sn_gov_endpoint *ep = pick(&r, 0, NULL, 0);
        if (index_of(ep) == 4) {
            T_ASSERT(n < 64);
            held[n] = ep;
            since[n++] = r.now;
        } else {
            sn_gov_done(r.p, ep, r.now, r.now + 2 * SN_MS, SN_GOV_OK);
        }
    }
    T_ASSERTF(n < 6, "%u of 5000 calls went to the silent one of ten", n);
    for (unsigned i = 0; i < n; i++) sn_gov_done(r.p, held[i], since[i], r.now, SN_GOV_OK);
    /* Slow then, but well now: nobody would know without a forced pick. Five seconds are forgotten by a
     * factor of 2.7 with each, a second apart. */
    unsigned again = 0;
    for (int i = 0; i < 10000; i++, r.now += SN_MS) call(&r, 2 * SN_MS, SN_GOV_OK);
    for (int i = 0; i < 10000; i++, r.now += SN_MS) again += call(&r, 2 * SN_MS, SN_GOV_OK) == 4;
    T_ASSERTF(again > 500, "the recovered one got %u of 10000", again);
    sn_gov_picker_free(r.p);
}

/* Shares of p2c's draws and of the stride follow weights; the stride exactly over its whole period. */
SN_TEST(balance_weights)
{
    struct rig r = {0};
    r.specs[0].weight = 5;
    r.specs[1].weight = 1;
    r.specs[2].weight = 2;
    rig_start(&r, 3, (struct sn_gov_balance_opts){.policy = SN_GOV_WRR});
    unsigned n[3] = {0}, run = 0, longest = 0;
    size_t last = 9;
    for (int i = 0; i < 80000; i++) {
        size_t k = call(&r, SN_MS, SN_GOV_OK);
        n[k]++;
        run = k == last ? run + 1 : 1;
        last = k;
        if (k != 0) longest = SN_MAX(longest, run);
    }
    T_ASSERTF(n[0] > 49950 && n[0] < 50050, "%u of 80000, expected 50000", n[0]);
    T_ASSERTF(n[1] > 9950 && n[1] < 10050, "%u of 80000, expected 10000", n[1]);
    T_EQ(longest, 1);
    sn_gov_picker_free(r.p);
}

SN_TEST(balance_load_reports)
{
    struct rig r = {0};
    rig_start(&r, 3, (struct sn_gov_balance_opts){.policy = SN_GOV_WRR, .load_reports = true});
    struct sn_gov_endpoint *eps[3] = {0};
    while (!eps[0] || !eps[1] || !eps[2]) {
        struct sn_gov_endpoint *ep = pick(&r, 0, NULL, 0);
        eps[index_of(ep)] = ep;
        sn_gov_done(r.p, ep, r.now, r.now, SN_GOV_ABANDONED);
    }
    unsigned n[3] = {0};
    for (int i = 0; i < 60000; i++, r.now += SN_MS) {
        if (i % 1000 == 0) { /* 0 is three times as busy at the same rate; 2 also fails in half its calls */
            sn_gov_endpoint_report(eps[0], 0.9, 100, 0, 1.0, r.now);
            sn_gov_endpoint_report(eps[1], 0.3, 100, 0, 1.0, r.now);
            sn_gov_endpoint_report(eps[2], 0.4, 100, 50, 1.0, r.now);
        }
        size_t k = call(&r, SN_MS, SN_GOV_OK);
        if (i >= 15000) n[k]++;
        if (i == 5000) T_ASSERTF(n[0] == 0, "counts before the black-out");
    }
    T_ASSERTF(n[1] > n[0] * 29 / 10 && n[1] < n[0] * 31 / 10, "%u and %u, expected 1 to 3", n[0], n[1]);
    T_ASSERTF(n[2] > n[0] * 95 / 100 && n[2] < n[0] * 105 / 100, "%u and %u, expected alike", n[0], n[2]);
    /* Reports that stop are forgotten. */
    r.now += SN_GOV_REPORT_EXPIRE_NS + SN_SEC;
    memset(n, 0, sizeof(n));
    for (int i = 0; i < 3000; i++) n[call(&r, SN_MS, SN_GOV_OK)]++;
    T_EQ(n[0], 1000);
    sn_gov_picker_free(r.p);
}

static void hash_policy(enum sn_gov_policy policy)
{
    struct rig r = {0};
    rig_start(&r, 10, (struct sn_gov_balance_opts){.policy = policy});
    size_t before[2000];
    uint64_t keys[2000];
    for (int i = 0; i < 2000; i++) {
        struct sn_gov_endpoint *ep = pick(&r, keys[i] = sn_rand_u64(&r.rand), NULL, 0);
        before[i] = index_of(ep);
        sn_gov_done(r.p, ep, r.now, r.now + SN_MS, SN_GOV_OK);
    }
    T_OK(sn_gov_picker_update(r.p, r.specs, 9, r.now));
    unsigned moved = 0;
    for (int i = 0; i < 2000; i++) {
        struct sn_gov_endpoint *ep = pick(&r, keys[i], NULL, 0);
        moved += before[i] != 9 && index_of(ep) != before[i];
        sn_gov_done(r.p, ep, r.now, r.now + SN_MS, SN_GOV_OK);
    }
    T_ASSERTF(moved < (policy == SN_GOV_RING ? 1 : 100), "%u of 2000 keys moved", moved);
    /* One hot key: what its endpoint cannot bear goes on to others, never over the bound. */
    struct sn_gov_endpoint *held[900];
    for (int i = 0; i < 900; i++) held[i] = pick(&r, keys[0], NULL, 0);
    int64_t most = 0;
    for (int i = 0; i < 900; i++) most = SN_MAX(most, held[i]->latency.inflight);
    T_ASSERTF(most <= 125 + 1, "%lld in flight at one of nine, 900 in all", (long long)most);
    for (int i = 0; i < 900; i++) sn_gov_done(r.p, held[i], r.now, r.now, SN_GOV_ABANDONED);
    sn_gov_picker_free(r.p);
}

SN_TEST(balance_ring_keys_and_bound) { hash_policy(SN_GOV_RING); }
SN_TEST(balance_maglev_keys_and_bound) { hash_policy(SN_GOV_MAGLEV); }

SN_TEST(balance_zones)
{
    struct rig r = {0};
    for (size_t i = 0; i < 12; i++) r.specs[i].zone = i < 4 ? SN_STR("a") : SN_STR("b");
    rig_start(&r, 12, (struct sn_gov_balance_opts){.zone = SN_STR("a"), .zone_clients_share = 0.5});
    unsigned near = 0;
    for (int i = 0; i < 30000; i++) {
        near += call(&r, SN_MS, SN_GOV_OK) < 4;
        r.now += SN_US;
    }
    /* A third of the endpoints for half of the clients: two thirds of the calls may stay. */
    T_ASSERTF(near > 19000 && near < 21000, "%u of 30000 stayed in the zone, expected 20000", near);
    /* The zone goes down: all calls leave it. */
    struct sn_gov_endpoint *seen[12] = {0};
    for (int i = 0; i < 2000; i++) {
        struct sn_gov_endpoint *ep = pick(&r, 0, NULL, 0);
        seen[index_of(ep)] = ep;
        sn_gov_done(r.p, ep, r.now, r.now, SN_GOV_ABANDONED);
    }
    for (int i = 0; i < 4; i++) sn_gov_endpoint_health(seen[i], false, r.now);
    for (int i = 0; i < 2000; i++) T_ASSERT(call(&r, SN_MS, SN_GOV_OK) >= 4);
    sn_gov_picker_free(r.p);
}

SN_TEST(balance_subset_and_updates_keep_state)
{
    struct rig r = {0};
    rig_start(&r, 40, (struct sn_gov_balance_opts){.subset_size = 8, .subset_client = 3, .slow_start_ns = SN_SEC});
    bool used[40] = {0};
    unsigned n = 0;
    for (int i = 0; i < 4000; i++) used[call(&r, SN_MS, SN_GOV_OK)] = true;
    for (int i = 0; i < 40; i++) n += used[i];
    T_EQ(n, 8);
    /* A pick survives the sets it came from. */
    struct sn_gov_endpoint *ep = pick(&r, 0, NULL, 0);
    T_OK(sn_gov_picker_update(r.p, NULL, 0, r.now));
    struct sn_gov_ask a = {.now_ns = r.now};
    struct sn_gov_endpoint *none;
    T_EQ(sn_gov_pick(r.p, &a, &none), SN_E_UNAVAILABLE);
    sn_gov_done(r.p, ep, r.now, r.now, SN_GOV_OK);
    struct sn_gov_endpoint_spec twice[2] = {r.specs[0], r.specs[0]};
    T_EQ(sn_gov_picker_update(r.p, twice, 2, r.now), SN_E_INVALID_ARGUMENT);
    sn_gov_picker_free(r.p);
}

SN_TEST(balance_new_endpoint_starts_slowly)
{
    struct rig r = {0};
    rig_start(&r, 4, (struct sn_gov_balance_opts){.slow_start_ns = 10 * SN_SEC});
    for (int i = 0; i < 2000; i++, r.now += SN_MS) call(&r, 5 * SN_MS, SN_GOV_OK);
    rig_specs(&r, 5);
    T_OK(sn_gov_picker_update(r.p, r.specs, 5, r.now));
    unsigned early = 0, late = 0;
    for (int i = 0; i < 1000; i++, r.now += SN_MS) early += call(&r, 5 * SN_MS, SN_GOV_OK) == 4;
    r.now += 10 * SN_SEC;
    for (int i = 0; i < 1000; i++, r.now += SN_MS) late += call(&r, 5 * SN_MS, SN_GOV_OK) == 4;
    T_ASSERTF(early < 20 && late > 120, "%u of 1000 in its first second, %u later", early, late);
    sn_gov_picker_free(r.p);
}

/* Whatever the health, history and weights: a pick succeeds, avoids the tried, and what was begun is over. */
SN_TEST(balance_property_any_state)
{
    for (unsigned c = 0; c < sn_test_cases(200); c++) {
        struct rig r = {0};
        size_t n = 1 + sn_test_rand_below(20);
        for (size_t i = 0; i < n; i++) r.specs[i].weight = (uint32_t)(1 + sn_test_rand_below(1000));
        rig_start(&r, n, (struct sn_gov_balance_opts){.policy = (enum sn_gov_policy)sn_test_rand_below(4)});
        struct sn_gov_endpoint *held[32];
        int64_t since[32];
        unsigned n_held = 0;
        for (int i = 0; i < 500; i++, r.now += (int64_t)sn_test_rand_below(20 * SN_MS)) {
            uint64_t tried[8];
            uint32_t n_tried = (uint32_t)sn_test_rand_below(SN_MIN(n, 8u));
            for (uint32_t k = 0; k < n_tried; k++) tried[k] = sn_hash(r.names[k], strlen(r.names[k]), 0);
            struct sn_gov_endpoint *ep = pick(&r, sn_test_rand(), tried, n_tried);
            T_ASSERT(index_of(ep) >= n_tried);
            if (sn_test_rand_below(10) == 0) sn_gov_endpoint_health(ep, sn_test_rand() & 1, r.now);
            if (n_held == 32 || (n_held && sn_test_rand() & 1)) {
                unsigned k = (unsigned)sn_test_rand_below(n_held--);
                sn_gov_done(r.p, held[k], since[k], r.now, (enum sn_gov_result)sn_test_rand_below(3));
                held[k] = held[n_held];
                since[k] = since[n_held];
            }
            held[n_held] = ep;
            since[n_held++] = r.now;
        }
        for (unsigned k = 0; k < n_held; k++) sn_gov_done(r.p, held[k], since[k], r.now, SN_GOV_OK);
        T_EQ(r.p != NULL, 1);
        sn_gov_picker_free(r.p);
    }
}

/* ---- many threads, and sets that change under them ------------------------------------------- */

static struct sn_gov_picker *shared;
static _Atomic bool stop;
static _Atomic unsigned picking; /* threads that have picked once */
static void *picker_thread(void *arg)
{
    struct sn_rand rnd;
    sn_rand_seed(&rnd, (uintptr_t)arg);
    int64_t now = SN_HOUR;
    uint64_t n = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct sn_gov_ask a = {.slot = (uint32_t)(uintptr_t)arg, .now_ns = now, .rnd = sn_rand_u64(&rnd)};
        struct sn_gov_endpoint *ep;
        if (sn_gov_pick(shared, &a, &ep) == 0) {
            if (n == 0) picking++;
            n += ep->addr[0] == 'h';
            sn_gov_done(shared, ep, now, now + SN_MS, SN_GOV_OK);
        }
        now += 100 * SN_US;
    }
    return (void *)(uintptr_t)n;
}

SN_TEST(balance_threads_and_updates)
{
    struct rig r = {0};
    rig_specs(&r, 30);
    T_OK(sn_gov_picker_new(&(struct sn_gov_balance_opts){0}, 3, &shared));
    pthread_t t[3];
    for (uintptr_t i = 0; i < 3; i++) T_EQ(pthread_create(&t[i], NULL, picker_thread, (void *)i), 0);
    for (int i = 0; i < 40; i++) {
        T_OK(sn_gov_picker_update(shared, r.specs + i % 10, 1 + (size_t)i % 20, SN_HOUR));
        sched_yield();
    }
    while (picking < 3) sched_yield();
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        void *n;
        pthread_join(t[i], &n);
        T_ASSERT(n);
    }
    sn_gov_picker_free(shared);
}

static int torture_body(void *arg)
{
    struct rig *r = arg;
    struct sn_gov_picker *p;
    int e = sn_gov_picker_new(&(struct sn_gov_balance_opts){.policy = SN_GOV_P2C, .zone = SN_STR("a")}, 1, &p);
    if (e < 0) return e;
    e = sn_gov_picker_update(p, r->specs, 5, 1);
    if (e == 0) e = sn_gov_picker_update(p, r->specs + 2, 5, 1);
    sn_gov_picker_free(p);
    return e;
}

SN_TEST(balance_torture)
{
    struct rig r = {0};
    r.specs[1].zone = SN_STR("a");
    rig_specs(&r, 8);
    T_OK(sn_torture(torture_body, &r));
}
