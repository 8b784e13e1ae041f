/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sched_test.c - the runtime under pressure and in simulation: many fibers, claim races,
 * timers against a model, stack overflow, dumps, failing allocations, seeds that repeat. */
#include "harness/test.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "fiber/sched_int.h"
#include "fiber/sim.h"

static int run_n(unsigned workers, int (*fn)(void *), void *arg)
{
    struct sn_rt_opts o = {.workers = workers};
    return sn_rt_run(&o, fn, arg);
}

/* ---- many ---- */

#ifdef SN_TSAN
#define MANY 2000 /* its own limit on contexts is about 8,000 */
#else
#define MANY 100000
#endif
static _Atomic int woken;
static void park_once(void *arg)
{
    if (sn_sleep(SN_HOUR) == SN_E_CANCELLED) woken++;
}

static int many_main(void *arg)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (int i = 0; i < MANY; i++) T_OK(sn_go(NULL, park_once, NULL));
    while (true) {
        struct sn_rt_stats st;
        sn_rt_stats(&st);
        if (st.fibers_runnable == 0) break;
        T_EQ(sn_sleep(SN_MS), 0);
    }
    T_EQ(sn_fibers_live(), MANY + 1);
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), 0); /* sn_go children have no result */
    T_EQ(woken, MANY);
    return 0;
}

SN_TEST_SLOW(hundred_thousand_parked_then_cancelled, 60) { T_OK(run_n(1, many_main, NULL)); }
SN_TEST_SLOW(hundred_thousand_over_4_workers, 60) { T_OK(run_n(4, many_main, NULL)); }

static void nothing(void *arg) {}

/* ---- stacks return to the kernel when nobody wants them, and come back ---- */

static int64_t resident_pages(void)
{
    long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    T_ASSERT(f && fscanf(f, "%ld %ld", &size, &pages) == 2);
    fclose(f);
    return pages;
}
#define COOL 20000
static void park_all(void)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (int i = 0; i < COOL; i++) T_OK(sn_go(NULL, park_once, NULL));
    struct sn_rt_stats st;
    do {
        T_EQ(sn_sleep(SN_MS), 0);
        sn_rt_stats(&st);
    } while (st.fibers_runnable);
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), 0);
}
static int cool_main(void *arg)
{
    park_all();
    int64_t before = resident_pages();
    for (int i = 0; resident_pages() > before - COOL / 2; i++) {
        T_ASSERTF(i < 100, "%lld pages, %lld before", (long long)resident_pages(),
                  (long long)before);
        T_EQ(sn_sleep(100 * SN_MS), 0);
    }
    park_all(); /* cold slots work again */
    return 0;
}
SN_TEST_SLOW(unused_stacks_are_given_back, 30)
{
#if defined(SN_ASAN) || defined(SN_TSAN)
    sn_test_skip("sanitizers keep memory of their own for each stack");
#endif
    T_OK(run_n(1, cool_main, NULL));
}

static int limit_main(void *arg)
{
    int r = 0, n = 0;
    while (n < 1000 && (r = sn_go(NULL, nothing, NULL)) >= 0) n++;
    T_EQ(r, SN_E_RESOURCE_EXHAUSTED);
    T_EQ(n, 99); /* main is one of the hundred */
    T_EQ(sn_sleep(SN_MS), 0);
    T_OK(sn_go(NULL, nothing, NULL)); /* they have ended: there is room again */
    return 0;
}

SN_TEST(fibers_max_is_a_limit)
{
    struct sn_rt_opts o = {.workers = 1, .fibers_max = 100};
    T_OK(sn_rt_run(&o, limit_main, NULL));
}

/* ---- claim races: exactly one of two wakers and a timeout wins each wait ---- */

struct race {
    struct sn_fiber *f;
    uint64_t ticket; /* atomic: the round to claim, 0 = none */
    uint64_t wins[2];
    int stop;
};
struct racer {
    struct race *r;
    int code;
};

static int racer(void *arg)
{
    struct racer *me = arg;
    while (!__atomic_load_n(&me->r->stop, __ATOMIC_ACQUIRE)) {
        uint64_t t = __atomic_load_n(&me->r->ticket, __ATOMIC_ACQUIRE);
        if (t && sn_wait_claim(me->r->f, t)) {
            me->r->wins[me->code - 1]++;
            sn_wait_finish(me->r->f, me->code);
        }
        sn_yield();
    }
    return 0;
}

static int race_main(void *arg)
{
    struct race r = {.f = sn_self()};
    struct racer a = {&r, 1}, b = {&r, 2};
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_scope_go(s, "a", racer, &a));
    T_OK(sn_scope_go(s, "b", racer, &b));
    uint64_t got[3] = {0};
    unsigned rounds = sn_test_cases(20000);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t t = sn_wait_begin("race");
        __atomic_store_n(&r.ticket, t, __ATOMIC_RELEASE);
        int c = sn_wait_park(t, i % 3 ? SN_FOREVER : sn_now() + (int64_t)(i % 7) * SN_US);
        __atomic_store_n(&r.ticket, 0, __ATOMIC_RELEASE);
        T_ASSERT(c == 1 || c == 2 || c == SN_E_DEADLINE_EXCEEDED);
        got[c > 0 ? c - 1 : 2]++;
    }
    __atomic_store_n(&r.stop, 1, __ATOMIC_RELEASE);
    T_OK(sn_scope_end(s));
    T_EQ(got[0], r.wins[0]);
    T_EQ(got[1], r.wins[1]);
    T_EQ(got[0] + got[1] + got[2], rounds);
    return 0;
}

SN_TEST_SLOW(claim_race_1_worker, 60) { T_OK(run_n(1, race_main, NULL)); }
SN_TEST_SLOW(claim_race_3_workers, 60) { T_OK(run_n(3, race_main, NULL)); }

/* ---- threads that are no workers ---- */

static _Atomic int from_outside;
static void outside_fiber(void *arg)
{
    if (sn_sleep(SN_MS) == 0) from_outside++;
}
static void *outside_thread(void *arg)
{
    for (int i = 0; i < 1000; i++) T_OK(sn_go_from_thread("outside", outside_fiber, NULL));
    return NULL;
}
static int outside_main(void *arg)
{
    pthread_t t;
    T_EQ(pthread_create(&t, NULL, outside_thread, NULL), 0);
    while (from_outside < 1000) T_EQ(sn_sleep(SN_MS), 0);
    pthread_join(t, NULL);
    return 0;
}
SN_TEST(go_from_thread) { T_OK(run_n(2, outside_main, NULL)); }

static int pinned_child(void *arg)
{
    int want = (int)(intptr_t)arg;
    for (int i = 0; i < 20; i++) {
        if (sn_worker_id() != want) return -1;
        int r = sn_sleep(100 * SN_US);
        if (r < 0) return r;
    }
    return 0;
}
static void pinned_void(void *arg) { T_EQ(pinned_child(arg), 0); }
static int pinned_main(void *arg)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (int i = 0; i < 60; i++)
        T_OK(sn_go_on((unsigned)i % 3, "pinned", pinned_void, (void *)(intptr_t)(i % 3)));
    for (int i = 0; i < 60; i++)
        T_OK(sn_scope_go_on(s, (unsigned)i % 3, "pinned", pinned_child, (void *)(intptr_t)(i % 3)));
    T_EQ(sn_go_on(3, "none", pinned_void, NULL), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_scope_go_on(s, 3, "none", pinned_child, NULL), SN_E_INVALID_ARGUMENT);
    T_OK(sn_scope_end(s));
    return 0;
}
SN_TEST(go_on_stays_on_its_worker) { T_OK(run_n(3, pinned_main, NULL)); }

/* ---- stealing: a worker that never yields does not keep its children ---- */

static _Atomic int stolen_by;
static void steal_me(void *arg) { stolen_by = sn_worker_id() + 1; }
static int steal_main(void *arg)
{
    for (int k = 0; k < 3; k++) {
        stolen_by = 0;
        T_OK(sn_go("victim", steal_me, NULL));
        int64_t t0 = sn_now();
        while (!stolen_by) T_ASSERTF(sn_now() - t0 < 10 * SN_SEC, "nobody stole it");
        T_EQ(stolen_by, 2);
    }
    return 0;
}
SN_TEST(unstarted_fibers_are_stolen_from_a_hog)
{
    sn_watchdog_hook = NULL;
    T_OK(run_n(2, steal_main, NULL));
}

static _Atomic int hog_reports, hog_stacks;
static void hog_report(const char *text)
{
    T_ASSERT(strstr(text, "has held worker 0"));
    hog_stacks += strstr(text, " at ") != NULL;
    hog_reports++;
}
static int hog_main(void *arg)
{
    int64_t t0 = sn_now();
    /* Reported each time, its stack shown once: the first time that it answers in time. */
    for (int i = 1, more = 1; i < 9 && more >= 0; i++) {
        while (hog_reports < i && sn_now() - t0 < 20 * SN_SEC) {}
        T_EQ(hog_reports, i);
        T_OK(sn_sleep(30 * SN_MS));
        if (hog_stacks) more--;
    }
    T_EQ(hog_stacks, 1);
    return 0;
}
SN_TEST(watchdog_reports_a_hog)
{
    sn_watchdog_hook = hog_report;
    T_OK(run_n(1, hog_main, NULL));
}

/* Descriptors beyond standard error that the watchdog's thread holds; -1: there is none. */
static int watchdog_fds(void)
{
    int n = -1;
    DIR *tasks = opendir("/proc/self/task");
    T_ASSERT(tasks);
    for (struct dirent *t; (t = readdir(tasks));) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%.200s/comm", t->d_name);
        FILE *f = fopen(path, "re");
        if (!f) continue;
        if (!fgets(name, sizeof(name), f)) name[0] = 0;
        fclose(f);
        if (strcmp(name, "sn-watchdog\n") != 0) continue;
        snprintf(path, sizeof(path), "/proc/self/task/%.200s/fd", t->d_name);
        DIR *fds = opendir(path);
        T_ASSERT(fds);
        n = 0;
        for (struct dirent *d; (d = readdir(fds));) n += d->d_name[0] != '.' && strtol(d->d_name, NULL, 10) > STDERR_FILENO;
        closedir(fds);
    }
    closedir(tasks);
    return n;
}
static int alone_main(void *arg)
{
    int64_t t0 = sn_now();
    while (watchdog_fds() != 0) { /* before it has begun to run it shares them */
        T_ASSERTF(sn_now() - t0 < 10 * SN_SEC, "the watchdog holds %d", watchdog_fds());
        T_OK(sn_sleep(SN_MS));
    }
    return 0;
}
SN_TEST(watchdog_of_one_worker_shares_no_descriptors) { T_OK(run_n(1, alone_main, NULL)); }

/* ---- threads at the door while main returns ---- */

static _Atomic bool knocking;
static _Atomic unsigned let_in, ran;
static void guest(void *arg) { ran++; }
static void *knock(void *arg)
{
    while (knocking) {
        int r = sn_go_from_thread("guest", guest, NULL);
        if (r == 0)
            let_in++;
        else
            T_ASSERT(r == SN_E_FAILED_PRECONDITION || r == SN_E_CANCELLED);
    }
    return NULL;
}
static int door_main(void *arg)
{
    unsigned until = let_in + 3;
    int64_t t0 = sn_now();
    while (let_in < until && sn_now() - t0 < 10 * SN_SEC) (void)!sn_sleep(SN_MS);
    T_OK(sn_go_on(sn_worker_count() - 1, "late", guest, NULL)); /* cancelled as it starts */
    let_in++;
    return 0;
}
SN_TEST(threads_may_start_fibers_while_main_returns)
{
    pthread_t t[2];
    knocking = true;
    for (int i = 0; i < 2; i++) T_EQ(pthread_create(&t[i], NULL, knock, NULL), 0);
    for (int i = 0; i < 20; i++) T_OK(run_n(1 + i % 3, door_main, NULL));
    knocking = false;
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    T_EQ(ran, let_in); /* who was let in has run to its end */
}

/* ---- timers against a model ---- */

#define TIMERS 400
struct model_timer {
    struct sn_timer t;
    int64_t want; /* SN_FOREVER = not armed */
    unsigned fired;
};
static struct model_timer model[TIMERS];
static int64_t model_late_max;
static void model_fire(struct sn_timer *t)
{
    struct model_timer *m = SN_CONTAINER_OF(t, struct model_timer, t);
    int64_t now = sn_now_coarse();
    T_ASSERTF(m->want != SN_FOREVER, "fired unarmed");
    T_ASSERTF(now >= m->want, "%lld ns early", (long long)(m->want - now));
    if (now - m->want > model_late_max) model_late_max = now - m->want;
    m->want = SN_FOREVER;
    m->fired++;
}
static int timers_main(void *arg)
{
    uint64_t fired = 0, armed = 0, cancelled = 0;
    for (int i = 0; i < TIMERS; i++) model[i].want = SN_FOREVER;
    for (int step = 0; step < 4000; step++) {
        struct model_timer *m = &model[sn_test_rand_below(TIMERS)];
        uint64_t what = sn_test_rand_below(8);
        if (what == 0) {
            cancelled += m->want != SN_FOREVER;
            sn_timer_cancel(&m->t);
            m->want = SN_FOREVER;
        } else if (what < 6) {
            /* from 1 us to about 20 min, so that every level of the wheel takes part */
            int64_t d = (int64_t)(1000ull << sn_test_rand_below(31));
            d += (int64_t)sn_test_rand_below((uint64_t)d);
            armed += m->want == SN_FOREVER;
            m->want = sn_now() + d;
            sn_timer_arm(&m->t, m->want, model_fire);
        } else if (sn_sleep((int64_t)sn_test_rand_below(sn_sim_active() ? 90000000000ull
                                                                        : 300000)) < 0) {
            return -1;
        }
    }
    for (int i = 0; i < TIMERS; i++) {
        fired += model[i].fired;
        if (model[i].want != SN_FOREVER) {
            cancelled++;
            sn_timer_cancel(&model[i].t);
        }
    }
    T_EQ(fired + cancelled, armed);
    T_ASSERT(fired > 100);
    return 0;
}
SN_TEST_SLOW(timers_match_model, 60)
{
    T_OK(run_n(1, timers_main, NULL));
    T_ASSERTF(model_late_max < 3 * SN_SEC, "late by %lld ns", (long long)model_late_max);
}
SN_TEST(timers_match_model_in_simulation)
{
    T_OK(sn_sim_run(&(struct sn_sim_opts){.time_limit_ns = SN_FOREVER}, timers_main, NULL, NULL));
    T_EQ(model_late_max, 0); /* simulated timers are exact */
}

/* The wheel itself, driven by a made-up clock over days. */
static void wheel_fire(struct sn_timer *t)
{
    struct model_timer *m = SN_CONTAINER_OF(t, struct model_timer, t);
    struct sn_worker *w = sn_worker_cur();
    T_ASSERT(m->want != SN_FOREVER && w->now >= m->want);
    T_ASSERTF(w->now - m->want <= 2 * SN_MS + model_late_max, "late %lld",
              (long long)(w->now - m->want));
    m->want = SN_FOREVER;
    m->fired++;
}
SN_TEST(wheel_over_months)
{
    struct sn_worker *w = sn_aligned_alloc(64, sizeof(*w));
    memset(w, 0, sizeof(*w));
    sn_worker_tls = w;
    w->now = (int64_t)sn_test_rand_below(1ull << 50);
    sn_timers_init(&w->timers, w->now, false);
    uint64_t armed = 0, fired = 0, visits = 0;
    for (int i = 0; i < TIMERS; i++) {
        struct model_timer *m = &model[i];
        int64_t d = (int64_t)(1000ull << sn_test_rand_below(43)); /* up to about 100 days */
        m->want = w->now + d + (int64_t)sn_test_rand_below((uint64_t)d);
        sn_timer_arm(&m->t, m->want, wheel_fire);
        if (sn_test_rand_below(2)) { /* later: a store only */
            m->want += (int64_t)sn_test_rand_below((uint64_t)d);
            sn_timer_arm(&m->t, m->want, wheel_fire);
        }
        armed++;
    }
    while (w->timers.n) {
        int64_t next = sn_timers_next(&w->timers), soonest = SN_FOREVER;
        for (int i = 0; i < TIMERS; i++) soonest = SN_MIN(soonest, model[i].want);
        T_ASSERT(next != SN_FOREVER);
        T_ASSERTF(next <= soonest + SN_MS, "would sleep past a timer by %lld",
                  (long long)(next - soonest));
        T_ASSERT(next >= w->now - SN_MS);
        model_late_max = (int64_t)sn_test_rand_below(3 * SN_MS);
        w->now = SN_MAX(next, w->now) + model_late_max;
        sn_timers_run(w);
        T_ASSERTF(++visits < 400000, "the wheel does not advance");
    }
    for (int i = 0; i < TIMERS; i++) fired += model[i].fired;
    T_EQ(fired, armed);
    sn_timers_done(&w->timers);
    sn_worker_tls = NULL;
    sn_free(w);
}

/* ---- everything at once over several workers ---- */

struct stress {
    uint64_t ops; /* __atomic */
    int64_t until;
};
static int stress_offload(void *arg) { return (int)(intptr_t)arg; }
static int stress_panic(void *arg) { sn_panic("stress %d", *(int *)arg); }
static int stress_sleep(void *arg)
{
    int r = sn_sleep((int64_t)(intptr_t)arg);
    return r == SN_E_CANCELLED ? 0 : r;
}
static int stress_step(struct stress *st, int depth);
struct stress_arg {
    struct stress *st;
    int depth;
};
static int stress_child(void *arg)
{
    struct stress_arg a = *(struct stress_arg *)arg;
    int r = 0;
    for (int i = 0; i < 4 && r >= 0; i++) r = stress_step(a.st, a.depth);
    return r;
}
static int stress_scope(struct stress *st, int depth)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    struct stress_arg a = {st, depth - 1};
    int r = 0, n = (int)(sn_random() % 6);
    for (int i = 0; i < n && r >= 0; i++) r = sn_scope_go(s, "stress", stress_child, &a);
    if (sn_random() % 8 == 0) sn_scope_cancel(s);
    int e = sn_scope_end(s);
    if (e == SN_E_CANCELLED && !sn_cancelled()) e = 0; /* our own doing */
    return r < 0 && r != SN_E_CANCELLED ? r : e;
}
static int stress_step(struct stress *st, int depth)
{
    __atomic_add_fetch(&st->ops, 1, __ATOMIC_RELAXED);
    int v = 7;
    switch (sn_random() % (depth > 0 ? 8 : 6)) {
    case 0:
        sn_yield();
        return 0;
    case 1:
        return sn_sleep((int64_t)(sn_random() % 200000));
    case 2:
        return sn_try(stress_panic, &v) == SN_E_PANIC ? 0 : -200;
    case 3: {
        int r = sn_offload(stress_offload, (void *)5);
        return r == 5 ? 0 : r == SN_E_CANCELLED ? r : -201;
    }
    case 4: {
        int64_t d = sn_deadline_tighten(sn_now() + (int64_t)(sn_random() % 50000));
        int r = sn_sleep((int64_t)(sn_random() % 100000));
        sn_deadline_restore(d);
        return r == SN_E_DEADLINE_EXCEEDED ? 0 : r;
    }
    case 5:
        return sn_shield(SN_SEC, stress_sleep, (void *)10000);
    default:
        return stress_scope(st, depth);
    }
}
static int stress_main(void *arg)
{
    struct stress st = {.until = sn_now() + 2 * SN_SEC};
    while (sn_now() < st.until) {
        int r = stress_scope(&st, 4);
        T_ASSERTF(r == 0, "%d: %s", r, sn_diag_str(r));
        T_EQ(sn_fibers_live(), 1);
    }
    T_ASSERT(st.ops > 1000);
    return 0;
}
SN_TEST_SLOW(stress_1_worker, 60) { T_OK(run_n(1, stress_main, NULL)); }
SN_TEST_SLOW(stress_4_workers, 60) { T_OK(run_n(4, stress_main, NULL)); }

/* ---- dumps ---- */

static void dump_child(void *arg) { (void)!sn_sleep(SN_HOUR); }
static int dump_main(void *arg)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_go_on(0, "sleepy", dump_child, NULL));
    T_EQ(sn_sleep(SN_MS), 0);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_fiber_dump(&b));
    const char *text = sn_buf_cz(&b);
    T_ASSERTF(strstr(text, " [sleep, \"sleepy\"]:\n"), "%s", text);
    T_ASSERTF(strstr(text, " [running, \"main\"]:\n"), "%s", text);
    T_ASSERT(strncmp(text, "goroutine ", 10) == 0);
    sn_buf_done(&b);
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), 0);
    return 0;
}
SN_TEST(dump_names_fibers) { T_OK(run_n(1, dump_main, NULL)); }

/* ---- stack overflow: the fiber is named, the process dies of SIGSEGV ---- */

static volatile int depth_sink;
static SN_NOINLINE int endless(int n)
{
    volatile char pad[512];
    pad[0] = (char)n;
    if (depth_sink == -1) return 0;
    return endless(n + 1) + pad[0];
}
static void overflow_fiber(void *arg) { depth_sink = endless(0); }
static int overflow_main(void *arg)
{
    T_OK(sn_go_on(0, "deep-thought", overflow_fiber, NULL));
    return sn_sleep(SN_SEC);
}

SN_TEST(stack_overflow_names_the_fiber)
{
    int fds[2];
    T_EQ(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        (void)!run_n(1, overflow_main, NULL);
        _exit(0);
    }
    close(fds[1]);
    char text[16384];
    size_t n = 0;
    ssize_t k;
    while (n < sizeof(text) - 1 && (k = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)k;
    close(fds[0]);
    text[n] = 0;
    int status;
    T_EQ(waitpid(pid, &status, 0), pid);
    T_ASSERTF(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x\n%s", status, text);
    T_ASSERTF(strstr(text, "fatal: stack overflow in fiber"), "%s", text);
    T_ASSERT(strstr(text, "\"deep-thought\""));
    T_ASSERT(strstr(text, ", \"main\"]:")); /* and everybody else is listed */
}

static int uncaught_main(void *arg) { sn_panic("nobody catches %d", 99); }
SN_TEST(uncaught_panic_aborts_with_dump)
{
    int fds[2];
    T_EQ(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        (void)!run_n(1, uncaught_main, NULL);
        _exit(0);
    }
    close(fds[1]);
    char text[4096] = "";
    (void)!read(fds[0], text, sizeof(text) - 1);
    close(fds[0]);
    int status;
    T_EQ(waitpid(pid, &status, 0), pid);
    T_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    T_ASSERTF(strstr(text, "panic: nobody catches 99"), "%s", text);
}

/* ---- failing allocations: the k-th allocation fails, for every k until a run passes ---- */

static int64_t fail_at, alloc_n;
static bool fail_kth(size_t size)
{
    return __atomic_add_fetch(&alloc_n, 1, __ATOMIC_RELAXED) == fail_at;
}
static const struct sn_alloc_hooks torture_hooks = {.fail = fail_kth};

static int torture_child(void *arg)
{
    int r = sn_sleep(50 * SN_US);
    return r < 0 ? r : sn_fail(SN_E_NOT_FOUND, "as ordered");
}
static int torture_main(void *arg)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    int r = 0;
    for (int i = 0; i < 300 && r >= 0; i++) r = sn_go(NULL, nothing, NULL);
    if (r >= 0) r = sn_scope_go(s, "t", torture_child, NULL);
    int e = sn_scope_end(s);
    if (r >= 0 && e != SN_E_NOT_FOUND) return -100;
    return r;
}
SN_TEST_SLOW(torture_allocations, 60)
{
    int64_t k;
    for (k = 1; k < 200; k++) {
        alloc_n = 0;
        fail_at = k;
        int64_t live = sn_alloc_live();
        sn_alloc_set_hooks(&torture_hooks);
        int r = run_n(2, torture_main, NULL);
        sn_alloc_set_hooks(NULL);
        T_ASSERTF(r == 0 || r == SN_E_NOMEM, "allocation %lld: %d", (long long)k, r);
        T_EQ(sn_alloc_live(), live);
        if (alloc_n < k) break;
    }
    T_ASSERTF(k > 5 && k < 200, "%lld", (long long)k);
}

/* ---- simulation ---- */

struct prog {
    unsigned n;
    uint64_t log;
};
static int load_int(void *arg) { return *(int *)arg; }
static int prog_child(void *arg)
{
    struct prog *p = arg;
    for (int i = 0; i < 4; i++) {
        p->log = p->log * 31 + sn_fiber_id(sn_self());
        switch (sn_random() % 3) {
        case 0:
            sn_yield();
            break;
        case 1: {
            int r = sn_sleep((int64_t)(sn_random() % 1000000));
            if (r < 0) return r;
            break;
        }
        default: {
            int v = 3;
            int r = sn_offload(load_int, &v);
            if (r != 3) return -1;
        }
        }
    }
    return 0;
}
static int prog_main(void *arg)
{
    struct prog *p = arg;
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (unsigned i = 0; i < p->n; i++) T_OK(sn_scope_go(s, "child", prog_child, p));
    return sn_scope_end(s);
}

SN_TEST_SLOW(simulation_repeats_for_2000_seeds, 120)
{
    uint64_t distinct = 0, last = 0;
    unsigned seeds = sn_test_cases(2000);
    for (unsigned seed = 1; seed <= seeds; seed++) {
        sn_test_row("seed %u", seed);
        struct sn_sim_opts o = {.seed = seed};
        uint64_t h[2];
        struct prog p[2] = {{.n = 5}, {.n = 5}};
        for (int k = 0; k < 2; k++) T_OK(sn_sim_run(&o, prog_main, &p[k], &h[k]));
        T_EQ(h[0], h[1]);
        T_EQ(p[0].log, p[1].log);
        distinct += h[0] != last;
        last = h[0];
    }
    T_EQ(distinct, seeds); /* and seeds differ */
}

static int sim_clock_main(void *arg)
{
    int64_t t0 = sn_now(), w0 = sn_wall_now();
    T_EQ(sn_sleep(30 * SN_MINUTE), 0);
    T_ASSERT(sn_now() - t0 >= 30 * SN_MINUTE && sn_now() - t0 < 30 * SN_MINUTE + SN_MS);
    T_EQ(sn_wall_now() - w0, sn_now() - t0);
    return 11;
}
SN_TEST(simulation_jumps_the_clock)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    T_EQ(sn_sim_run(NULL, sim_clock_main, NULL, NULL), 11);
    clock_gettime(CLOCK_MONOTONIC, &b);
    T_ASSERT(b.tv_sec - a.tv_sec < 5);
    T_ASSERT(!sn_sim_active());
}

static int deadlock_main(void *arg) { return sn_wait_park(sn_wait_begin("godot"), SN_FOREVER); }
SN_TEST(simulation_detects_deadlock)
{
    T_EQ(sn_sim_run(NULL, deadlock_main, NULL, NULL), SN_E_ABORTED);
    T_ASSERTF(strstr(sn_diag_str(SN_E_ABORTED), "deadlock"), "%s", sn_diag_str(SN_E_ABORTED));
    T_ASSERTF(strstr(sn_diag_str(SN_E_ABORTED), "godot"), "%s", sn_diag_str(SN_E_ABORTED));
}

static int endless_main(void *arg)
{
    while (sn_sleep(SN_MINUTE) == 0) {}
    return 0;
}
static int yields_main(void *arg)
{
    while (!sn_cancelled()) sn_yield();
    return 0;
}
SN_TEST(simulation_has_limits)
{
    T_EQ(sn_sim_run(NULL, endless_main, NULL, NULL), SN_E_DEADLINE_EXCEEDED);
    T_EQ(sn_sim_run(&(struct sn_sim_opts){.steps_max = 1000}, yields_main, NULL, NULL),
         SN_E_RESOURCE_EXHAUSTED);
}

static int host_ticks;
static void host_fiber(void *arg)
{
    T_CSTR(sn_sim_host_addr(sn_sim_host_cur()), "10.0.0.2");
    while (sn_sleep(SN_SEC) == 0) host_ticks++;
    host_ticks = -1; /* a crash runs no cleanup */
}
static int crash_main(void *arg)
{
    T_CSTR(sn_sim_host_addr(sn_sim_host_cur()), "10.0.0.1");
    struct sn_sim_host *h = sn_sim_host_new("b");
    T_ASSERT(sn_sim_host_find("10.0.0.2") == h);
    host_ticks = 0;
    T_OK(sn_sim_host_go(h, "ticker", host_fiber, NULL));
    T_EQ(sn_sleep(10 * SN_SEC + SN_SEC / 2), 0);
    T_EQ(host_ticks, 10);
    sn_sim_crash(h);
    T_EQ(sn_sleep(10 * SN_SEC), 0);
    T_EQ(host_ticks, 10);
    T_OK(sn_sim_host_go(h, "ticker", host_fiber, NULL)); /* restart */
    T_EQ(sn_sleep(5 * SN_SEC + SN_SEC / 2), 0);
    T_EQ(host_ticks, 15);
    sn_sim_crash(h);
    sn_sim_fault(sn_sim_host_cur(), "open", SN_E_IO, 2);
    T_EQ(sn_sim_fault_take("open"), SN_E_IO);
    T_EQ(sn_sim_fault_take("dial"), 0);
    T_EQ(sn_sim_fault_take("open"), SN_E_IO);
    T_EQ(sn_sim_fault_take("open"), 0);
    sn_sim_fault(sn_sim_host_cur(), "alloc", SN_E_NOMEM, 1);
    T_ASSERT(sn_alloc(10) == NULL);
    void *p = sn_alloc(10);
    T_ASSERT(p != NULL);
    sn_free(p);
    return 0;
}
SN_TEST(simulation_crash_and_faults) { T_OK(sn_sim_run(NULL, crash_main, NULL, NULL)); }
