/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/upstream_test.c - balancing, ejection and the retry budget, with time as a number. */
#include "gateway/upstream.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "harness/test.h"

struct set {
    struct sn_gw_conf_endpoint eps[16];
    struct sn_gw_conf_upstream conf;
    struct sn_gw_pool *pool;
    struct sn_rand rand;
};

static void set_start(struct set *s, size_t n, const uint64_t *weights, enum sn_gw_balance balance)
{
    static char names[16][16];
    struct sn_gw_endpoint *eps[16];
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[i]), "h%zu:1", i);
        s->eps[i] = (struct sn_gw_conf_endpoint){sn_str(names[i]), weights ? weights[i] : 1};
        eps[i] = sn_gw_endpoint_new(s->eps[i].address);
    }
    s->conf = (struct sn_gw_conf_upstream){.name = SN_STR("set"),
                                           .endpoints = s->eps,
                                           .n_endpoints = n,
                                           .balance = balance,
                                           .outlier = {.enabled = true,
                                                       .consecutive = 3,
                                                       .eject = SN_SEC,
                                                       .eject_max = 8 * SN_SEC,
                                                       .ejected_percent_max = 50},
                                           .health = {.healthy = 2, .unhealthy = 3},
                                           .panic_percent = 30};
    T_OK(sn_gw_pool_new(&s->conf, eps, &s->pool));
    sn_rand_seed(&s->rand, sn_test_seed());
}

static size_t pick(struct set *s, int64_t now, uint64_t hash, const struct sn_gw_tried *tried)
{
    struct sn_gw_endpoint *ep = sn_gw_pool_pick(s->pool, now, sn_rand_u64(&s->rand), hash, tried);
    size_t i = 0;
    while (s->pool->eps[i] != ep) i++;
    return i;
}

static void result(struct set *s, size_t i, int64_t start, int64_t end, enum sn_gw_result r)
{
    sn_gw_endpoint_begin(s->pool->eps[i], start);
    (void)sn_gw_endpoint_finish(s->pool, s->pool->eps[i], start, end, r);
}

SN_TEST(upstream_weights_are_exact_in_round_robin)
{
    struct set s;
    set_start(&s, 3, (uint64_t[]){50, 10, 20}, SN_GW_ROUND_ROBIN);
    unsigned n[3] = {0};
    for (int i = 0; i < 800; i++) n[pick(&s, SN_SEC, 0, NULL)]++;
    T_EQ(n[0], 500);
    T_EQ(n[1], 100);
    T_EQ(n[2], 200);
    sn_gw_pool_free(s.pool);
}

SN_TEST(upstream_p2c_follows_weights_and_avoids_the_slow)
{
    struct set s;
    set_start(&s, 4, NULL, SN_GW_P2C);
    int64_t now = SN_SEC;
    unsigned n[4] = {0};
    for (int i = 0; i < 20000; i++) {
        size_t k = pick(&s, now, 0, NULL);
        n[k]++;
        result(&s, k, now, now + (k == 2 ? 50 : 1) * SN_MS, SN_GW_RESULT_OK);
        now += SN_MS;
    }
    T_ASSERTF(n[2] < 1500, "the slow one of four got %u of 20000", n[2]);
    for (int k = 0; k < 4; k++)
        if (k != 2) T_ASSERTF(n[k] > 4500, "endpoint %d got %u of 20000", k, n[k]);
    sn_gw_pool_free(s.pool);
}

/* One endpoint takes requests and never answers: it must lose its share before any timeout. */
SN_TEST(upstream_p2c_notices_silence)
{
    struct set s;
    set_start(&s, 10, NULL, SN_GW_P2C);
    int64_t now = SN_SEC;
    unsigned stuck = 0;
    for (int i = 0; i < 5000; i++) {
        size_t k = pick(&s, now, 0, NULL);
        if (k == 4) {
            sn_gw_endpoint_begin(s.pool->eps[4], now);
            stuck++;
        } else {
            result(&s, k, now, now + 2 * SN_MS, SN_GW_RESULT_OK);
        }
        now += SN_MS;
    }
    T_ASSERTF(stuck < 10, "%u of 5000 requests went to the silent one of ten", stuck);
    sn_gw_pool_free(s.pool);
}

/* One that did not answer is left alone, however long the queues of the others are, then tried again; a
 * single one, or all of them, are used all the same. */
SN_TEST(upstream_silent_ones_are_suspected)
{
    struct set s;
    set_start(&s, 4, NULL, SN_GW_P2C);
    int64_t now = SN_SEC;
    for (int k = 0; k < 4; k++) result(&s, (size_t)k, now, now + SN_MS, SN_GW_RESULT_OK);
    result(&s, 2, now, now + SN_SEC, SN_GW_RESULT_SILENT);
    now += SN_SEC;
    for (int i = 0; i < 600; i++) { /* a pile of calls that takes others half a second */
        size_t k = pick(&s, now + 500 * SN_MS, 0, NULL);
        T_ASSERT(k != 2);
        sn_gw_endpoint_begin(s.pool->eps[k], now);
    }
    unsigned again = 0;
    now += SN_GW_SUSPECT_NS + SN_MS;
    for (int i = 0; i < 200; i++) again += pick(&s, now, 0, NULL) == 2;
    T_ASSERTF(again > 0, "never tried again");
    result(&s, 2, now, now, SN_GW_RESULT_OK);
    result(&s, 2, now, now, SN_GW_RESULT_SILENT);
    T_CSTR(sn_gw_endpoint_state(s.pool, s.pool->eps[2], now + 1), "healthy");
    /* Called before it was suspected, and late: says nothing new. Called after it: the probe. */
    result(&s, 2, now - SN_MS, now + SN_MS, SN_GW_RESULT_SILENT);
    T_CSTR(sn_gw_endpoint_state(s.pool, s.pool->eps[2], now + 2 * SN_MS), "healthy");
    now += SN_GW_SUSPECT_NS + SN_MS;
    result(&s, 2, now, now, SN_GW_RESULT_SILENT);
    T_CSTR(sn_gw_endpoint_state(s.pool, s.pool->eps[2], now + 1), "ejected");
    now += 20 * SN_SEC;
    result(&s, 2, now, now, SN_GW_RESULT_OK);
    again = 0;
    for (int i = 0; i < 2000; i++) again += pick(&s, now, 0, NULL) == 2;
    T_ASSERTF(again > 0, "suspected after an answer");
    for (size_t k = 0; k < 4; k++) result(&s, k, now, now, SN_GW_RESULT_SILENT);
    unsigned n[4] = {0};
    for (int i = 0; i < 2000; i++) n[pick(&s, now, 0, NULL)]++;
    T_ASSERT(n[2] && n[0] + n[1] + n[3]);
    sn_gw_pool_free(s.pool);
}

/* Fresh from suspicion and from an ejection: one request a second until one is answered. */
SN_TEST(upstream_probes_come_one_at_a_time)
{
    struct set s;
    set_start(&s, 4, NULL, SN_GW_ROUND_ROBIN);
    int64_t now = SN_SEC;
    result(&s, 2, now, now, SN_GW_RESULT_SILENT);
    for (int turn = 0; turn < 2; turn++) {
        now += SN_GW_SUSPECT_NS + SN_MS;
        unsigned probes = 0;
        for (int i = 0; i < 400; i++) {
            size_t k = pick(&s, now, 0, NULL);
            sn_gw_endpoint_begin(s.pool->eps[k], now);
            probes += k == 2;
        }
        T_EQ(probes, 1);
        (void)sn_gw_endpoint_finish(s.pool, s.pool->eps[2], now, now, SN_GW_RESULT_SILENT);
        T_CSTR(sn_gw_endpoint_state(s.pool, s.pool->eps[2], now), "ejected");
        now += SN_SEC << turn;
    }
    now += SN_GW_SUSPECT_NS;
    result(&s, 2, now, now, SN_GW_RESULT_OK);
    unsigned n = 0;
    for (int i = 0; i < 400; i++) n += pick(&s, now, 0, NULL) == 2;
    T_EQ(n, 100);
    sn_gw_pool_free(s.pool);
}

SN_TEST(upstream_patience)
{
    struct sn_gw_patience p = {0};
    int64_t now = SN_HOUR;
    for (unsigned i = 0; i < SN_GW_PATIENCE_ANSWERS; i++) {
        T_EQ(sn_gw_patience_ns(&p), 0);
        sn_gw_patience_learn(&p, SN_MS, now);
    }
    T_EQ(sn_gw_patience_ns(&p), SN_GW_PATIENCE_MIN_NS);
    sn_gw_patience_learn(&p, 3 * SN_SEC, now);
    T_EQ(sn_gw_patience_ns(&p), 6 * SN_SEC);
    now += SN_GW_PATIENCE_TURN_NS + 1;
    sn_gw_patience_learn(&p, 90 * SN_MS, now); /* the turn before counts too */
    T_EQ(sn_gw_patience_ns(&p), 6 * SN_SEC);
    now += SN_GW_PATIENCE_TURN_NS + 1;
    sn_gw_patience_learn(&p, SN_MS, now);
    T_EQ(sn_gw_patience_ns(&p), 180 * SN_MS);
}

SN_TEST(upstream_silence_is_relative)
{
    struct set s;
    set_start(&s, 4, NULL, SN_GW_P2C);
    struct sn_gw_endpoint *ep = s.pool->eps[1];
    int64_t start = SN_SEC, now = start + 200 * SN_MS;
    T_ASSERT(!sn_gw_endpoint_silent(s.pool, ep, start, now)); /* nobody says anything */
    sn_gw_endpoint_heard(s.pool->eps[0], start + 50 * SN_MS);
    T_ASSERT(!sn_gw_endpoint_silent(s.pool, ep, start, now)); /* any more */
    sn_gw_endpoint_heard(s.pool->eps[0], start + 150 * SN_MS);
    sn_gw_endpoint_heard(ep, start + SN_MS);
    T_ASSERT(!sn_gw_endpoint_silent(s.pool, ep, start, now)); /* it has answered another request */
    sn_gw_endpoint_heard(ep, start - SN_MS);
    for (int i = 0; i < 200; i++) T_ASSERT(pick(&s, now, 0, NULL) < 4);
    T_ASSERT(sn_gw_endpoint_silent(s.pool, ep, start, now));
    for (int i = 0; i < 200; i++) T_ASSERT(pick(&s, now, 0, NULL) != 1);
    sn_gw_pool_free(s.pool);
}

SN_TEST(upstream_ring_moves_few_keys)
{
    struct set a, b;
    set_start(&a, 10, NULL, SN_GW_RING_HASH);
    set_start(&b, 9, NULL, SN_GW_RING_HASH);
    unsigned moved = 0, least = 100000, n[10] = {0};
    for (uint64_t k = 0; k < 20000; k++) {
        uint64_t hash = sn_rand_u64(&a.rand);
        size_t x = pick(&a, SN_SEC, hash, NULL), y = pick(&b, SN_SEC, hash, NULL);
        T_EQ(x, pick(&a, SN_SEC, hash, NULL));
        n[x]++;
        if (x != 9 && x != y) moved++;
    }
    T_EQ(moved, 0);
    for (int i = 0; i < 10; i++) least = SN_MIN(least, n[i]);
    T_ASSERTF(least > 1200, "an endpoint of ten has %u of 20000 keys", least);
    sn_gw_pool_free(a.pool);
    sn_gw_pool_free(b.pool);
}

SN_TEST(upstream_ejects_backs_off_and_forgives)
{
    struct set s;
    set_start(&s, 4, NULL, SN_GW_P2C);
    struct sn_gw_endpoint *ep = s.pool->eps[0];
    int64_t now = 10 * SN_SEC;
    for (int i = 0; i < 3; i++) result(&s, 0, now, now + SN_MS, SN_GW_RESULT_FAILED);
    T_CSTR(sn_gw_endpoint_state(s.pool, ep, now + SN_MS), "ejected");
    for (int i = 0; i < 500; i++) T_ASSERT(pick(&s, now + SN_MS, 0, NULL) != 0);
    T_ASSERT(sn_gw_endpoint_available(ep, now + 2 * SN_SEC));
    /* The first failure after it is the probe's: twice as long. */
    now += 2 * SN_SEC;
    result(&s, 0, now, now, SN_GW_RESULT_FAILED);
    T_ASSERT(!sn_gw_endpoint_available(ep, now + SN_SEC + SN_MS));
    T_ASSERT(sn_gw_endpoint_available(ep, now + 2 * SN_SEC + SN_MS));
    /* Well for long enough: the next trouble starts from the beginning. */
    now += 10 * SN_SEC;
    result(&s, 0, now, now + SN_MS, SN_GW_RESULT_OK);
    result(&s, 0, now, now + SN_MS, SN_GW_RESULT_FAILED);
    T_ASSERT(sn_gw_endpoint_available(ep, now + SN_MS));
    T_EQ(ep->ejections, 2);
    sn_gw_pool_free(s.pool);
}

SN_TEST(upstream_ejection_leaves_half_and_panic_uses_all)
{
    struct set s;
    set_start(&s, 4, NULL, SN_GW_ROUND_ROBIN);
    int64_t now = SN_SEC;
    for (size_t k = 0; k < 4; k++)
        for (int i = 0; i < 3; i++) result(&s, k, now, now, SN_GW_RESULT_FAILED);
    int out = 0;
    for (int k = 0; k < 4; k++) out += !sn_gw_endpoint_available(s.pool->eps[k], now + 1);
    T_EQ(out, 2);
    /* Health checks may take out more; below 30 % every endpoint is tried again. */
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 3; i++)
            (void)sn_gw_endpoint_checked(s.pool, s.pool->eps[k], now, false);
    unsigned n[4] = {0};
    for (int i = 0; i < 400; i++) n[pick(&s, now + SN_SEC / 2, 0, NULL)]++;
    for (int k = 0; k < 4; k++) T_EQ(n[k], 100);
    sn_gw_pool_free(s.pool);
}

SN_TEST(upstream_tried_endpoints_are_avoided)
{
    struct set s;
    set_start(&s, 3, NULL, SN_GW_P2C);
    struct sn_gw_tried tried = {.n = 2, .eps = {s.pool->eps[0], s.pool->eps[2]}};
    for (int i = 0; i < 300; i++) T_EQ(pick(&s, SN_SEC, 0, &tried), 1);
    tried.eps[tried.n++] = s.pool->eps[1];
    for (int i = 0; i < 300; i++) T_ASSERT(pick(&s, SN_SEC, 0, &tried) < 3);
    sn_gw_pool_free(s.pool);
}

SN_TEST(upstream_retry_budget)
{
    struct sn_gw_budget b;
    sn_gw_budget_init(&b);
    int retries = 0;
    for (int i = 0; i < 1000; i++) {
        sn_gw_budget_deposit(&b, 20);
        for (int k = 0; k < 3; k++) retries += sn_gw_budget_take(&b);
    }
    T_ASSERT(retries >= 200 && retries <= 200 + (int)SN_GW_BUDGET_BURST);
}
