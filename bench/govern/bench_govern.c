/* SPDX-License-Identifier: Apache-2.0 */
/* bench/govern/bench_govern.c - what a decision costs, and how the algorithms behave in a model of
 * servers and clients; bench/govern/main.go runs go-zero's own through the same model. Prints "NAME
 * VALUE" lines.
 *
 * The model: calls come at random (Poisson); a server has processors and a first-come queue;
 * service times are exponential. Events in a heap, a virtual clock, one thread. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/heap.h"
#include "core/rand.h"
#include "govern/balance.h"
#include "govern/breaker.h"
#include "govern/limit.h"
#include "govern/shed.h"

static struct sn_rand rnd;

/* ---- cost ------------------------------------------------------------------------------------ */

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* banned: what a benchmark measures */
    return t.tv_sec * SN_SEC + t.tv_nsec;
}

#define COST_N 2000000
#define COST(name, ...)                                            \
    do {                                                           \
        double best = 1e9;                                         \
        for (int run = 0; run < 5; run++) {                        \
            int64_t t0 = clock_ns();                               \
            for (int i = 0; i < COST_N; i++) {                     \
                now += 10000;                                      \
                __VA_ARGS__;                                       \
            }                                                      \
            best = fmin(best, (double)(clock_ns() - t0) / COST_N); \
        }                                                          \
        printf("cost_%s %.1f\n", name, best);                      \
    } while (0)

static void costs(void)
{
    int64_t now = SN_HOUR;
    struct sn_gov_breaker b = {0};
    COST("breaker", {
        if (sn_gov_breaker_allow(&b, now, sn_rand_u64(&rnd)))
            sn_gov_breaker_mark(&b, now, now, true);
    });
    struct sn_gov_shed s;
    sn_gov_shed_init(&s, NULL);
    COST("shedder", {
        if (sn_gov_shed_enter(&s, now)) sn_gov_shed_leave(&s, now, now + 5000, true);
    });
    struct sn_gov_picker *p;
    struct sn_gov_endpoint_spec specs[10] = {0};
    char names[10][8];
    for (int i = 0; i < 10; i++) {
        snprintf(names[i], sizeof(names[i]), "h%d", i);
        specs[i].addr = sn_str(names[i]);
    }
    static const char *const policies[] = {"p2c", "wrr", "ring", "maglev"};
    for (int k = 0; k < 4; k++) {
        struct sn_gov_balance_opts o = {.policy = (enum sn_gov_policy)k, .slow_start_ns = -1};
        if (sn_gov_picker_new(&o, 1, &p) < 0 || sn_gov_picker_update(p, specs, 10, now) < 0)
            exit(1);
        COST(policies[k], {
            struct sn_gov_ask a = {.now_ns = now,
                                   .rnd = sn_rand_u64(&rnd),
                                   .hash = sn_rand_u64(&rnd)};
            struct sn_gov_endpoint *ep;
            if (sn_gov_pick(p, &a, &ep) == 0) sn_gov_done(p, ep, now, now + 2000000, SN_GOV_OK);
        });
        sn_gov_picker_free(p);
    }
    struct sn_gov_bucket bucket = {0};
    struct sn_gov_rate rate = {.per_s = 50000, .burst = 100};
    unsigned taken = 0;
    COST("token_bucket", taken += sn_gov_bucket_take(&bucket, &rate, 1, now, NULL));
    if (!taken) exit(1);
}

/* ---- the model ------------------------------------------------------------------------------- */

#define SERVERS_MAX 10
enum mood { WELL, STUCK, REFUSING };
struct event {
    struct sn_heap_node node;
    struct event *next_free, *next_queued;
    int64_t at, start;
    int server;
    void *user;
    enum { ARRIVE, FINISH, EXPIRE, TICK } kind;
    bool over; /* its caller has been told */
};
struct server {
    enum mood mood;
    int busy, processors;
    int64_t busy_ns, service_ns;
    struct event *first, *last;
};
static struct sn_heap heap;
static struct event *spare;
static int64_t now_ns;
static struct server servers[SERVERS_MAX];

static bool sooner(const struct sn_heap_node *a, const struct sn_heap_node *b)
{
    return SN_CONTAINER_OF(a, struct event, node)->at < SN_CONTAINER_OF(b, struct event, node)->at;
}
static struct event *event_new(int kind, int64_t at)
{
    struct event *e = spare;
    if (e)
        spare = e->next_free;
    else
        e = calloc(1, sizeof(*e)); /* banned: never freed, the model's own */
    *e = (struct event){.kind = kind, .at = at};
    if (sn_heap_push(&heap, &e->node) < 0) exit(1);
    return e;
}
static void event_free(struct event *e)
{
    e->next_free = spare;
    spare = e;
}
static double uniform(void) { return ((double)(sn_rand_u64(&rnd) >> 11) + 0.5) * 0x1p-53; }
static int64_t exponential(double mean) { return (int64_t)(-log(uniform()) * mean); }

static void model_reset(uint64_t seed, int n, int processors, int64_t service_ns)
{
    sn_rand_seed(&rnd, seed);
    while (sn_heap_peek(&heap)) event_free(SN_CONTAINER_OF(sn_heap_pop(&heap), struct event, node));
    heap.less = sooner;
    memset(servers, 0, sizeof(servers));
    for (int i = 0; i < n; i++)
        servers[i] = (struct server){.processors = processors, .service_ns = service_ns};
    now_ns = SN_HOUR;
}

/* A call begins its service: it will finish. */
static void begin(struct server *s, struct event *e)
{
    int64_t took = exponential((double)s->service_ns);
    s->busy++;
    s->busy_ns += took;
    e->kind = FINISH;
    e->at = now_ns + took;
    if (sn_heap_push(&heap, &e->node) < 0) exit(1);
}
static void arrive(struct server *s, struct event *e)
{
    if (s->busy < s->processors) {
        begin(s, e);
        return;
    }
    e->next_queued = NULL;
    if (s->first)
        s->last->next_queued = e;
    else
        s->first = e;
    s->last = e;
}
/* The next in line; `expired` (or NULL) takes those that waited longer than the handler's deadline.
 */
#define DEADLINE_NS (3 * SN_SEC)
static void leave(struct server *s, void (*expired)(struct event *e))
{
    s->busy--;
    for (struct event *e; (e = s->first);) {
        s->first = e->next_queued;
        if (!expired || now_ns - e->start <= DEADLINE_NS) {
            begin(s, e);
            return;
        }
        expired(e);
    }
}

/* ---- one of ten hangs or refuses --------------------------------------------------------------
 */

struct outcome {
    unsigned calls, bad;
    int64_t last_bad_ns;
};

/* Calls at 500 a second to ten servers of two processors and 5 ms; after 5 s number 3 changes its
 * mood for 20 s. */
static void ejection(enum mood mood, uint64_t seed, struct outcome *ret)
{
    model_reset(seed, 10, 2, 5 * SN_MS);
    struct sn_gov_picker *p;
    struct sn_gov_endpoint_spec specs[10] = {0};
    char names[10][8];
    for (int i = 0; i < 10; i++) {
        snprintf(names[i], sizeof(names[i]), "%d", i);
        specs[i].addr = sn_str(names[i]);
    }
    if (sn_gov_picker_new(&(struct sn_gov_balance_opts){.slow_start_ns = -1}, 1, &p) < 0 ||
        sn_gov_picker_update(p, specs, 10, now_ns) < 0)
        exit(1);
    int64_t change = now_ns + 5 * SN_SEC, end = change + 20 * SN_SEC;
    event_new(ARRIVE, now_ns);
    struct sn_heap_node *node;
    while ((node = sn_heap_pop(&heap))) {
        struct event *e = SN_CONTAINER_OF(node, struct event, node);
        now_ns = e->at;
        if (now_ns >= change) servers[3].mood = mood;
        if (e->kind == ARRIVE) {
            if (now_ns < end) event_new(ARRIVE, now_ns + exponential(SN_SEC / 500.0));
            struct sn_gov_ask a = {.now_ns = now_ns, .rnd = sn_rand_u64(&rnd)};
            struct sn_gov_endpoint *ep;
            if (sn_gov_pick(p, &a, &ep) < 0) exit(1);
            ret->calls++;
            e->server = atoi(ep->addr);
            e->user = ep;
            e->start = now_ns;
            struct server *s = &servers[e->server];
            if (s->mood == STUCK || s->mood == REFUSING) {
                e->kind = EXPIRE;
                e->at = now_ns + (s->mood == STUCK ? SN_SEC : 200 * SN_US);
                if (sn_heap_push(&heap, &e->node) < 0) exit(1);
            } else {
                arrive(s, e);
            }
            continue;
        }
        bool ok = e->kind == FINISH;
        sn_gov_done(p, e->user, e->start, now_ns, ok ? SN_GOV_OK : SN_GOV_FAILED);
        if (ok) leave(&servers[e->server], NULL);
        if (!ok) {
            ret->bad++;
            ret->last_bad_ns = SN_MAX(ret->last_bad_ns, e->start - change);
        }
        event_free(e);
    }
    sn_gov_picker_free(p);
}

/* ---- breaker ----------------------------------------------------------------------------------
 */

/* 300 calls a second; 60 s of outage in which calls fail after fail_ns. */
static void outage(int64_t fail_ns, uint64_t seed, double *ret_sent, double *ret_back_ms)
{
    model_reset(seed, 1, 64, 2 * SN_MS);
    struct sn_gov_breaker b = {0};
    int64_t from = now_ns + 10 * SN_SEC, to = from + 60 * SN_SEC, end = to + 60 * SN_SEC,
            last_drop = to;
    event_new(ARRIVE, now_ns);
    struct sn_heap_node *node;
    while ((node = sn_heap_pop(&heap))) {
        struct event *e = SN_CONTAINER_OF(node, struct event, node);
        now_ns = e->at;
        bool down = now_ns >= from && now_ns < to;
        if (e->kind == ARRIVE) {
            if (now_ns < end) event_new(ARRIVE, now_ns + exponential(SN_SEC / 300.0));
            if (sn_gov_breaker_allow(&b, now_ns, sn_rand_u64(&rnd))) {
                /* The first 12 s are how long it takes to notice. */
                if (down && now_ns > from + 12 * SN_SEC) *ret_sent += 1;
                struct event *f =
                    event_new(down ? EXPIRE : FINISH, now_ns + (down ? fail_ns : exponential(2e6)));
                f->start = now_ns;
            } else if (now_ns >= to) {
                last_drop = now_ns;
            }
        } else {
            sn_gov_breaker_mark(&b, e->start, now_ns, e->kind == FINISH);
        }
        event_free(e);
    }
    *ret_back_ms += (double)(last_drop - to) / SN_MS;
}

/* ---- overload ---------------------------------------------------------------------------------
 */

static struct sn_gov_shed shed;
static void shed_expired(struct event *e)
{
    sn_gov_shed_leave(&shed, e->start, now_ns, false);
    event_free(e);
}

/* One server at five times what it can do; clients give up after ten times the mean service time,
 * which the server does not see; its own deadline of 3 s ends what still waits. Goodput of the last
 * 20 of 40 s over the capacity. */
static double overload(int64_t service_ns, int processors, uint64_t seed)
{
    model_reset(seed, 1, processors, service_ns);
    sn_gov_shed_init(&shed, &(struct sn_gov_shed_opts){.processors = (uint32_t)processors});
    double capacity = processors / ((double)service_ns / SN_SEC), cpu = 0;
    int64_t start = now_ns, hot = start + 10 * SN_SEC, end = hot + 40 * SN_SEC, before = 0;
    unsigned good = 0;
    event_new(ARRIVE, now_ns);
    event_new(TICK, now_ns + 250 * SN_MS);
    struct sn_heap_node *node;
    while ((node = sn_heap_pop(&heap))) {
        struct event *e = SN_CONTAINER_OF(node, struct event, node);
        now_ns = e->at;
        struct server *s = &servers[0];
        if (e->kind == TICK) {
            double use = fmin((double)(s->busy_ns - before) / (250.0 * SN_MS * processors), 1.0);
            before = s->busy_ns;
            cpu = cpu * 0.95 + use * 1000 * 0.05;
            sn_gov_shed_cpu(&shed, (uint32_t)cpu, (uint32_t)(use * 1000), now_ns);
            if (now_ns < end) event_new(TICK, now_ns + 250 * SN_MS);
            event_free(e);
        } else if (e->kind == ARRIVE) {
            if (now_ns < end)
                event_new(ARRIVE,
                          now_ns + exponential(SN_SEC / (capacity * (now_ns < hot ? 0.6 : 5))));
            if (sn_gov_shed_enter(&shed, now_ns)) {
                e->start = now_ns;
                arrive(s, e);
            } else {
                event_free(e);
            }
        } else {
            sn_gov_shed_leave(&shed, e->start, now_ns, true);
            leave(s, shed_expired);
            if (now_ns >= end - 20 * SN_SEC && now_ns < end && now_ns - e->start <= 10 * service_ns)
                good++;
            event_free(e);
        }
    }
    return good / 20.0 / capacity;
}

int main(int argc, char **argv)
{
    int seeds = argc > 1 ? atoi(argv[1]) : 20;
    sn_rand_seed(&rnd, 1);
    costs();
    struct outcome stuck = {0}, refusing = {0};
    double sent[2] = {0}, back[2] = {0}, slow = 0, fast = 0;
    for (int i = 0; i < seeds; i++) {
        ejection(STUCK, (uint64_t)i + 1, &stuck);
        ejection(REFUSING, (uint64_t)i + 1, &refusing);
        outage(2 * SN_MS, (uint64_t)i + 1, &sent[0], &back[0]);
        outage(2 * SN_SEC, (uint64_t)i + 1, &sent[1], &back[1]);
    }
    for (int i = 0; i < 3; i++) {
        slow += overload(10 * SN_MS, 4, (uint64_t)i + 1) / 3;
        fast += overload(500 * SN_US, 2, (uint64_t)i + 1) / 3;
    }
    printf("stuck_errors %.1f\nrefusing_errors %.1f\n", (double)stuck.bad / seeds,
           (double)refusing.bad / seeds);
    printf("outage_sent_per_s %.2f\noutage_sent_timeouts_per_s %.2f\n", sent[0] / seeds / 48,
           sent[1] / seeds / 48);
    printf("recovery_ms %.0f\nrecovery_timeouts_ms %.0f\n", back[0] / seeds, back[1] / seeds);
    printf("goodput_10ms %.3f\ngoodput_500us %.3f\n", slow, fast);
    return 0;
}
