/* SPDX-License-Identifier: Apache-2.0 */
/* govern/govern_sim_test.c - many clients and servers under the virtual clock: what the algorithms are
 * for. Servers have processors, a queue, and moods; a call takes its turn there until its deadline. */
#include <math.h>
#include <stdio.h>

#include "core/map.h"
#include "fiber/fiber.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "govern/balance.h"
#include "govern/breaker.h"
#include "govern/retry.h"
#include "govern/shed.h"
#include "harness/test.h"

enum mood { WELL, STUCK, REFUSING, FLAKY };
struct server {
    struct sn_sem processors;
    unsigned n_processors;
    int64_t service_ns; /* mean of an exponential distribution */
    enum mood mood;
    int64_t busy_ns;
    unsigned asked;
};

static double uniform(void) { return ((double)(sn_sim_rand() >> 11) + 0.5) * 0x1p-53; }

static int serve(struct server *s)
{
    s->asked++;
    if (s->mood == REFUSING || (s->mood == FLAKY && s->asked % 3 == 0)) return SN_E_REFUSED;
    if (s->mood == STUCK) {
        int r = sn_sleep(SN_HOUR);
        return r < 0 ? r : SN_E_INTERNAL;
    }
    int r = sn_sem_acquire(&s->processors, 1);
    if (r < 0) return r;
    int64_t took = (int64_t)(-log(uniform()) * (double)s->service_ns);
    s->busy_ns += took;
    r = sn_sleep(took);
    sn_sem_release(&s->processors, 1);
    return r;
}

static int serve_within(struct server *s, int64_t timeout_ns)
{
    int64_t prev = sn_deadline_tighten(sn_now() + timeout_ns);
    int r = serve(s);
    sn_deadline_restore(prev);
    return r;
}

#define SERVERS 10
static struct world {
    struct server servers[SERVERS];
    struct sn_gov_picker *picker;
    struct sn_gov_endpoint_spec specs[SERVERS];
    char names[SERVERS][16];
    unsigned calls, ok, bad;
    struct sn_gov_budget budget;
    struct sn_gov_breaker breaker;
    struct sn_gov_shed shed;
    unsigned attempts, goodput, flying;
    int64_t over_at_ns;
} w;

static void world_new(int64_t service_ns, unsigned processors)
{
    memset(&w, 0, sizeof(w));
    T_OK(sn_gov_picker_new(&(struct sn_gov_balance_opts){.slow_start_ns = -1}, 1, &w.picker));
    for (size_t i = 0; i < SERVERS; i++) {
        w.servers[i] = (struct server){.n_processors = processors, .service_ns = service_ns};
        sn_sem_init(&w.servers[i].processors, processors);
        snprintf(w.names[i], sizeof(w.names[i]), "s%zu", i);
        w.specs[i].addr = sn_str(w.names[i]);
    }
    T_OK(sn_gov_picker_update(w.picker, w.specs, SERVERS, sn_now()));
}

static int simulate(int (*fn)(void *), unsigned seeds)
{
    for (unsigned i = 0; i < sn_test_cases(seeds); i++) {
        struct sn_sim_opts o = {.seed = sn_test_seed() + i, .steps_max = 200000000};
        uint64_t a, b = 0;
        sn_test_row("seed %llu", (unsigned long long)o.seed);
        T_OK(sn_sim_run(&o, fn, NULL, &a));
        if (i == 0) {
            T_OK(sn_sim_run(&o, fn, NULL, &b));
            T_ASSERT(a == b);
        }
    }
    return 0;
}

/* ---- one of ten hangs ------------------------------------------------------------------------- */

static int p2c_call(void *arg)
{
    struct sn_gov_ask a = {.now_ns = sn_now(), .rnd = sn_random()};
    struct sn_gov_endpoint *ep;
    T_OK(sn_gov_pick(w.picker, &a, &ep));
    int r = serve_within(&w.servers[ep->addr[1] - '0'], SN_SEC);
    sn_gov_done(w.picker, ep, a.now_ns, sn_now(), r < 0 ? SN_GOV_FAILED : SN_GOV_OK);
    w.calls++;
    if (r < 0) w.bad++;
    return 0;
}

/* Calls at `rps`, evenly spread in the mean, for ns. */
static void load(int (*fn)(void *), double rps, int64_t ns)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int64_t end = sn_now() + ns; sn_now() < end;) {
        T_OK(sn_scope_go(s, "call", fn, NULL));
        T_OK(sn_sleep((int64_t)(-log(uniform()) / rps * SN_SEC)));
    }
    T_OK(sn_scope_end(s));
}

static int stuck_main(void *arg)
{
    world_new(5 * SN_MS, 2);
    load(p2c_call, 500, 5 * SN_SEC);
    T_EQ(w.bad, 0);
    w.servers[3].mood = STUCK;
    load(p2c_call, 500, 20 * SN_SEC);
    /* What it had when it hung, what came before its silence showed, and a forced pick now and then. */
    T_ASSERTF(w.bad <= 12, "%u of %u calls failed with one of ten stuck", w.bad, w.calls);
    w.bad = 0;
    w.servers[3].mood = WELL;
    unsigned before = w.servers[3].asked;
    load(p2c_call, 500, 20 * SN_SEC);
    T_EQ(w.bad, 0);
    T_ASSERTF(w.servers[3].asked - before > 400, "after it recovered it got %u of 10000",
              w.servers[3].asked - before);
    sn_gov_picker_free(w.picker);
    return 0;
}
SN_TEST_SLOW(sim_stuck_server_is_left_alone, 120) { simulate(stuck_main, 5); }

static int refusing_main(void *arg)
{
    world_new(5 * SN_MS, 2);
    load(p2c_call, 500, 5 * SN_SEC);
    w.servers[6].mood = REFUSING;
    load(p2c_call, 500, 20 * SN_SEC);
    T_ASSERTF(w.bad <= 12, "%u of %u calls failed with one of ten refusing", w.bad, w.calls);
    sn_gov_picker_free(w.picker);
    return 0;
}
SN_TEST_SLOW(sim_refusing_server_is_left_alone, 120) { simulate(refusing_main, 5); }

/* ---- breaker ----------------------------------------------------------------------------------- */

static int guarded_call(void *arg)
{
    int64_t start = sn_now();
    w.calls++;
    if (!sn_gov_breaker_allow(&w.breaker, start, sn_random())) {
        w.bad++;
        return 0;
    }
    w.attempts++;
    int r = serve_within(&w.servers[0], 2 * SN_SEC);
    sn_gov_breaker_mark(&w.breaker, start, sn_now(), !sn_gov_is_failure(r));
    if (r < 0) w.bad++;
    return 0;
}

static void breaker_outage(enum mood mood)
{
    world_new(2 * SN_MS, 4);
    load(guarded_call, 300, 10 * SN_SEC);
    T_EQ(w.bad, 0);
    w.servers[0].mood = mood;
    load(guarded_call, 300, 15 * SN_SEC);
    w.attempts = 0;
    load(guarded_call, 300, 60 * SN_SEC);
    T_ASSERTF(w.attempts < 60 * 8, "%u attempts in a minute of outage", w.attempts);
    w.servers[0].mood = WELL;
    load(guarded_call, 300, SN_SEC);
    w.bad = 0;
    load(guarded_call, 300, 10 * SN_SEC);
    T_ASSERTF(w.bad == 0, "%u calls refused more than a second after the backend was back", w.bad);
    sn_gov_picker_free(w.picker);
}
static int breaker_refusing_main(void *arg) { return breaker_outage(REFUSING), 0; }
static int breaker_stuck_main(void *arg) { return breaker_outage(STUCK), 0; }
SN_TEST_SLOW(sim_breaker_recovers_with_the_backend, 120)
{
    simulate(breaker_refusing_main, 5);
    simulate(breaker_stuck_main, 5);
}

/* ---- retries in a full outage ------------------------------------------------------------------- */

static int retrying_call(void *arg)
{
    w.calls++;
    sn_gov_budget_begin(&w.budget);
    for (uint32_t k = 0; k < SN_GOV_RETRY_ATTEMPTS; k++) {
        if (k > 0 && !sn_gov_budget_take(&w.budget)) break;
        if (k > 0 && sn_sleep(sn_gov_backoff(k, 0, 0, sn_random())) < 0) k = SN_GOV_RETRY_ATTEMPTS;
        w.attempts++;
        int r = serve_within(&w.servers[sn_random() % SERVERS], 100 * SN_MS);
        sn_gov_budget_result(&w.budget, r < 0);
        if (k > 0) sn_gov_budget_give(&w.budget);
        if (r == 0) {
            w.ok++;
            break;
        }
    }
    sn_gov_budget_end(&w.budget);
    return 0;
}

static int storm_main(void *arg)
{
    world_new(5 * SN_MS, 2);
    sn_gov_budget_init(&w.budget, NULL);
    load(retrying_call, 500, 5 * SN_SEC);
    T_EQ(w.ok, w.calls);
    for (int i = 0; i < SERVERS; i++) w.servers[i].mood = i % 2 ? STUCK : REFUSING;
    w.calls = w.attempts = 0;
    load(retrying_call, 500, 10 * SN_SEC);
    T_ASSERTF(w.attempts * 10 <= w.calls * 12, "%u attempts for %u calls in the outage", w.attempts, w.calls);
    /* One of ten fails in a third of its calls: retries hide it. */
    for (int i = 0; i < SERVERS; i++) w.servers[i].mood = i ? WELL : FLAKY;
    load(retrying_call, 500, 5 * SN_SEC);
    w.calls = w.ok = w.attempts = 0;
    load(retrying_call, 500, 10 * SN_SEC);
    T_ASSERTF(w.attempts * 10 <= w.calls * 12, "%u attempts for %u calls", w.attempts, w.calls);
    T_ASSERTF(w.ok * 1000 >= w.calls * 998, "%u of %u calls well with one of ten flaky", w.ok, w.calls);
    sn_gov_picker_free(w.picker);
    return 0;
}
SN_TEST_SLOW(sim_retry_storm, 120) { simulate(storm_main, 5); }

/* ---- overload ----------------------------------------------------------------------------------- */

/* Clients give up after ten times the mean; what is answered later is work for nobody. */
static int shed_call(void *arg)
{
    int64_t start = sn_now();
    struct server *s = &w.servers[0];
    w.calls++;
    if (!sn_gov_shed_enter(&w.shed, start)) return 0;
    int r = serve(s); /* the server does not see its clients leave */
    int64_t now = sn_now();
    sn_gov_shed_leave(&w.shed, start, now, r == 0);
    if (r == 0 && now - start <= 10 * s->service_ns) w.goodput++;
    return 0;
}

static int cpu_watch(void *arg)
{
    int64_t before = w.servers[0].busy_ns;
    double ewma = 0;
    while (sn_now() < w.over_at_ns) {
        if (sn_sleep(250 * SN_MS) < 0) return 0;
        double use = (double)(w.servers[0].busy_ns - before) / (250.0 * SN_MS * w.servers[0].n_processors);
        before = w.servers[0].busy_ns;
        ewma = ewma * 0.95 + SN_MIN(use, 1.0) * 1000 * 0.05;
        sn_gov_shed_cpu(&w.shed, (uint32_t)ewma, (uint32_t)(SN_MIN(use, 1.0) * 1000), sn_now());
    }
    return 0;
}

/* What the machine does at best: as many clients as keep it busy, each with one call at a time. */
static int busy_client(void *arg)
{
    while (sn_now() < w.over_at_ns)
        if (serve(&w.servers[0]) == 0) w.ok++;
    return 0;
}

static double peak_per_s(unsigned processors)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    w.over_at_ns = sn_now() + 10 * SN_SEC;
    for (unsigned i = 0; i < processors + 1; i++) T_OK(sn_scope_go(s, "busy", busy_client, NULL));
    T_OK(sn_scope_end(s));
    return w.ok / 10.0;
}

static void overload(int64_t service_ns, unsigned processors)
{
    world_new(service_ns, processors);
    sn_gov_shed_init(&w.shed, &(struct sn_gov_shed_opts){.processors = processors});
    double capacity = peak_per_s(processors);
    w.over_at_ns = sn_now() + 120 * SN_SEC;
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "cpu", cpu_watch, NULL));
    load(shed_call, capacity * 0.6, 5 * SN_SEC);
    T_ASSERTF(w.shed.refused == 0, "%llu refused at 60 %% load", (unsigned long long)w.shed.refused);
    load(shed_call, capacity * 5, 2 * SN_SEC);
    w.goodput = w.calls = 0;
    int64_t t0 = sn_now();
    load(shed_call, capacity * 5, 20 * SN_SEC);
    double good = w.goodput / ((double)(sn_now() - t0) / SN_SEC) / capacity;
    T_ASSERTF(good >= 0.95, "goodput %.3f of capacity at five times the load, limit %lld", good,
              (long long)sn_gov_shed_limit(&w.shed, sn_now()));
    /* Over: everybody is served again. */
    load(shed_call, capacity * 0.5, 10 * SN_SEC);
    uint64_t refused = w.shed.refused;
    load(shed_call, capacity * 0.5, 5 * SN_SEC);
    T_EQ(w.shed.refused, refused);
    w.over_at_ns = 0;
    T_OK(sn_scope_end(s));
    sn_gov_picker_free(w.picker);
}
static int overload_main(void *arg) { return overload(10 * SN_MS, 4), 0; }
static int overload_fast_main(void *arg) { return overload(500 * SN_US, 2), 0; }
SN_TEST_SLOW(sim_goodput_at_five_times_the_load, 300)
{
    simulate(overload_main, 2);
    simulate(overload_fast_main, 1);
}
