/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/fiber_test.c - scheduling, waiting, timers, scopes, panics, offload. */
#include "harness/test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"
#include "fiber/net.h"
#include "fiber/sched_int.h"

static int run_n(unsigned workers, int (*fn)(void *), void *arg)
{
    struct sn_rt_opts o = {.workers = workers};
    return sn_rt_run(&o, fn, arg);
}

static int just_value(void *arg) { return *(int *)arg; }

SN_TEST(rt_returns_value)
{
    int v = 42;
    T_EQ(run_n(1, just_value, &v), 42);
    v = -7;
    T_EQ(run_n(2, just_value, &v), -7);
    T_EQ(sn_fibers_live(), 0);
}

static _Atomic int counter;
static void add_one(void *arg)
{
    (void)arg;
    counter++;
}

static int spawn_many(void *arg)
{
    int n = *(int *)arg;
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (int i = 0; i < n; i++) T_OK(sn_go("child", add_one, NULL));
    T_OK(sn_scope_end(s));
    T_EQ(counter, n);
    return 0;
}

SN_TEST(spawn_and_join_1)
{
    int n = 1000;
    T_OK(run_n(1, spawn_many, &n));
}

SN_TEST(spawn_and_join_4_workers)
{
    int n = 100000;
    T_OK(run_n(4, spawn_many, &n));
}

/* ---- yield, sleep, deadlines ---- */

static void push_trace(void *arg)
{
    struct sn_buf *b = arg;
    for (int i = 0; i < 3; i++) {
        sn_buf_byte(b, (uint8_t)sn_fiber_name(sn_self())[0]);
        sn_yield();
    }
}

static int yield_order(void *arg)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_go_on(0, "a", push_trace, arg));
    T_OK(sn_go_on(0, "b", push_trace, arg));
    T_OK(sn_scope_end(s));
    return 0;
}

SN_TEST(yield_is_fair)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(run_n(1, yield_order, &b));
    T_STR(sn_buf_view(&b), "ababab");
    sn_buf_done(&b);
}

static int sleeps(void *arg)
{
    static const int64_t ns[] = {0, 50 * SN_US, SN_MS, 3 * SN_MS, 30 * SN_MS, 300 * SN_MS};
    for (size_t i = 0; i < SN_COUNT_OF(ns); i++) {
        int64_t t0 = sn_now();
        T_EQ(sn_sleep(ns[i]), 0);
        int64_t d = sn_now() - t0;
        T_ASSERTF(d >= ns[i] && d < ns[i] + 200 * SN_MS, "slept %lld for %lld", (long long)d,
                  (long long)ns[i]);
    }
    return 0;
}

SN_TEST(sleep_lasts) { T_OK(run_n(1, sleeps, NULL)); }
SN_TEST(sleep_lasts_2_workers) { T_OK(run_n(2, sleeps, NULL)); }

static int deadlines(void *arg)
{
    int64_t t0 = sn_now();
    int64_t prev = sn_deadline_tighten(t0 + 5 * SN_MS);
    T_EQ(prev, SN_FOREVER);
    T_EQ(sn_sleep(SN_SEC), SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(sn_now() - t0 >= 5 * SN_MS && sn_now() - t0 < 500 * SN_MS);
    T_EQ(sn_sleep(SN_SEC), SN_E_DEADLINE_EXCEEDED); /* already past: at once */
    T_ASSERT(sn_cancelled());
    sn_deadline_restore(prev);
    T_ASSERT(!sn_cancelled());
    T_EQ(sn_sleep(SN_MS), 0);
    /* A wait's own limit, and a claim that beats it. */
    T_EQ(sn_wait_park(sn_wait_begin("test"), sn_now() + SN_MS), SN_E_DEADLINE_EXCEEDED);
    uint64_t t = sn_wait_begin("test");
    T_ASSERT(sn_wait_wake(sn_self(), t, 7));
    T_ASSERT(!sn_wait_abandon(t));
    T_ASSERT(!sn_wait_claim(sn_self(), t));
    T_EQ(sn_wait_park(t, sn_now() + SN_MS), 7);
    t = sn_wait_begin("test");
    T_ASSERT(sn_wait_abandon(t));
    T_ASSERT(!sn_wait_claim(sn_self(), t));
    return 0;
}

SN_TEST(deadlines_and_tickets) { T_OK(run_n(1, deadlines, NULL)); }

/* ---- scopes ---- */

static int sleep_child(void *arg) { return sn_sleep((int64_t)(intptr_t)arg * SN_MS); }
static int fail_child(void *arg)
{
    int r = sn_sleep(SN_MS);
    if (r < 0) return r;
    return sn_fail(SN_E_DATA_LOSS, "block %d is torn", 7);
}

static int scope_errors(void *arg)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    int64_t t0 = sn_now();
    for (int i = 0; i < 10; i++) T_OK(sn_scope_go(s, "sleeper", sleep_child, (void *)10000));
    T_OK(sn_scope_go(s, "failer", fail_child, NULL));
    T_EQ(sn_scope_end(s), SN_E_DATA_LOSS);
    T_ASSERT(strstr(sn_diag_str(SN_E_DATA_LOSS), "block 7 is torn"));
    T_ASSERT(sn_now() - t0 < SN_SEC);
    return 0;
}

SN_TEST(scope_first_error_cancels) { T_OK(run_n(1, scope_errors, NULL)); }
SN_TEST(scope_first_error_cancels_3_workers) { T_OK(run_n(3, scope_errors, NULL)); }

static int tree_child(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    int r = 0;
    for (int i = 0; i < 3 && depth > 0 && r >= 0; i++)
        r = sn_scope_go(s, "tree", tree_child, (void *)(depth - 1));
    if (r >= 0 && depth == 0) r = sn_sleep(100 * SN_SEC);
    int e = sn_scope_end(s);
    return r < 0 ? r : e;
}

static int scope_tree(void *arg)
{
    struct sn_scope_storage m;
    for (int k = 0; k < 20; k++) {
        struct sn_scope *s = sn_scope_begin(&m);
        T_OK(sn_scope_go(s, "root", tree_child, (void *)5));
        T_EQ(sn_sleep((k % 5) * 300 * SN_US), 0);
        sn_scope_cancel(s);
        T_ASSERT(sn_scope_cancelled(s));
        T_EQ(sn_scope_go(s, "late", sleep_child, NULL), SN_E_CANCELLED);
        T_EQ(sn_scope_end(s), SN_E_CANCELLED);
        T_EQ(sn_fibers_live(), 1);
        T_EQ(sn_sleep(0), 0); /* the owner itself is not cancelled */
    }
    return 0;
}

/* What tidies up runs although who asked for it is cancelled, on the worker it names. */
static void tidy(void *arg)
{
    if ((unsigned)sn_worker_id() == sn_worker_count() - 1 && sn_sleep(SN_US) == 0)
        __atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
    else
        __atomic_store_n((int *)arg, -1, __ATOMIC_RELEASE);
}
static int cancelled_child(void *arg)
{
    while (sn_sleep(SN_HOUR) >= 0) {}
    T_EQ(sn_go("refused", tidy, arg), SN_E_CANCELLED);
    T_OK(sn_go_cleanup(sn_worker_count() - 1, "tidy", tidy, arg));
    while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE)) sn_yield();
    return 0;
}
static int cleanup_main(void *arg)
{
    struct sn_scope_storage m;
    int done = 0;
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_scope_go(s, "child", cancelled_child, &done));
    T_OK(sn_sleep(SN_MS));
    sn_scope_cancel(s);
    T_OK(sn_scope_end(s));
    T_EQ(done, 1);
    T_EQ(sn_go_cleanup(sn_worker_count(), "nowhere", tidy, &done), SN_E_INVALID_ARGUMENT);
    return 0;
}
SN_TEST(go_cleanup) { T_OK(run_n(1, cleanup_main, NULL)); }
SN_TEST(go_cleanup_4_workers) { T_OK(run_n(4, cleanup_main, NULL)); }

SN_TEST(scope_cancel_tree) { T_OK(run_n(1, scope_tree, NULL)); }
SN_TEST(scope_cancel_tree_4_workers) { T_OK(run_n(4, scope_tree, NULL)); }

static int scope_deadline(void *arg)
{
    struct sn_scope_storage m;
    int64_t d = sn_deadline_tighten(sn_now() + 3 * SN_MS);
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_scope_go(s, "sleeper", sleep_child, (void *)10000));
    T_EQ(sn_scope_end(s), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    return 0;
}

SN_TEST(scope_wait_past_deadline_joins) { T_OK(run_n(2, scope_deadline, NULL)); }

static int shielded(void *arg) { return sn_sleep(2 * SN_MS); }
static int shield_child(void *arg)
{
    int r = sn_sleep(SN_SEC);
    if (r != SN_E_CANCELLED) return -100;
    if (sn_sleep(SN_MS) != SN_E_CANCELLED) return -101;
    if (sn_shield(SN_SEC, shielded, NULL) != 0) return -102;
    if (sn_shield(SN_MS / 4, shielded, NULL) != SN_E_DEADLINE_EXCEEDED) return -103;
    *(bool *)arg = true;
    return 0;
}

static int shields(void *arg)
{
    bool done = false;
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_scope_go(s, "shielded", shield_child, &done));
    T_EQ(sn_sleep(SN_MS), 0);
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), 0);
    T_ASSERT(done);
    return 0;
}

SN_TEST(shield_holds_cancellation_back) { T_OK(run_n(2, shields, NULL)); }

static void forever(void *arg)
{
    while (sn_sleep(SN_HOUR) == 0) {}
}
static int leaves_fibers(void *arg)
{
    for (int i = 0; i < 100; i++) T_OK(sn_go("stray", forever, NULL));
    return 5;
}

SN_TEST(main_cancels_and_joins_strays)
{
    T_EQ(run_n(1, leaves_fibers, NULL), 5);
    T_EQ(run_n(3, leaves_fibers, NULL), 5);
}

/* ---- panic ---- */

static char order[16];
static void note(char *c)
{
    size_t n = strlen(order);
    order[n] = *c;
}
static volatile int panic_at = 0;
static SN_NOINLINE int deep(int n)
{
    char c SN_CLEANUP(note) = (char)('0' + n);
    if (n <= panic_at) sn_panic("boom %d", 42);
    int r = n > 0 ? deep(n - 1) : 0;
    return r + c;
}
static int panics(void *arg) { return deep(3); }

static int panic_main(void *arg)
{
    for (int i = 0; i < 3; i++) {
        memset(order, 0, sizeof(order));
        T_EQ(sn_try(panics, NULL), SN_E_PANIC);
        T_CSTR(order, "0123");
        T_ASSERT(strstr(sn_diag_str(SN_E_PANIC), "boom 42"));
    }
    int v = 9;
    T_EQ(sn_try(just_value, &v), 9);
    memset(order, 0, sizeof(order));
    T_EQ(sn_try(panics, NULL), SN_E_PANIC); /* usable again */
    return 0;
}

SN_TEST(panic_unwinds_and_recovers) { T_OK(run_n(1, panic_main, NULL)); }

static int panic_with_scope(void *arg)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_scope_go(s, "sleeper", sleep_child, (void *)10000));
    sn_panic("scope open");
}
static int panic_scope_main(void *arg)
{
    T_EQ(sn_try(panic_with_scope, NULL), SN_E_PANIC);
    T_EQ(sn_fibers_live(), 1);
    T_ASSERT(strstr(sn_diag_str(SN_E_PANIC), "scope open"));
    return 0;
}
SN_TEST(panic_joins_open_scopes) { T_OK(run_n(2, panic_scope_main, NULL)); }

/* ---- offload and big stack ---- */

static int blocking(void *arg)
{
    struct timespec ts = {0, 2000000};
    nanosleep(&ts, NULL);
    T_ASSERT(sn_self() == NULL);
    (*(int *)arg)++;
    return sn_fail(SN_E_NOT_FOUND, "file %d", *(int *)arg);
}
static int offload_child(void *arg)
{
    int n = 0;
    for (int i = 0; i < 5; i++) {
        T_EQ(sn_offload(blocking, &n), SN_E_NOT_FOUND);
        T_ASSERT(strstr(sn_diag_str(SN_E_NOT_FOUND), "file"));
    }
    T_EQ(n, 5);
    return 0;
}
static int offloads(void *arg)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (int i = 0; i < 100; i++) T_OK(sn_scope_go(s, "off", offload_child, NULL));
    T_OK(sn_scope_end(s));
    return 0;
}
SN_TEST(offload_runs_and_returns_diag) { T_OK(run_n(2, offloads, NULL)); }

struct order {
    char done[8];
    int n;
};
struct turn {
    struct order *o;
    char name;
    bool first;
};
static int take_down(void *arg)
{
    struct turn *t = arg;
    struct timespec ts = {0, 20000000};
    nanosleep(&ts, NULL);
    t->o->done[t->o->n++] = t->name; /* one thread: one after the other */
    return 0;
}
static int take_turn(void *arg)
{
    struct turn *t = arg;
    return t->first ? sn_offload_first(take_down, t) : sn_offload(take_down, t);
}
static int turns(void *arg)
{
    struct order o = {0};
    struct turn t[] = {{&o, 'a', false}, {&o, 'b', false}, {&o, 'c', false}, {&o, 'x', true}};
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (int i = 0; i < 4; i++) {
        T_OK(sn_scope_go(s, "turn", take_turn, &t[i]));
        T_OK(sn_sleep(2 * SN_MS)); /* a has the thread, the others wait in this order */
    }
    T_OK(sn_scope_end(s));
    T_ASSERTF(strcmp(o.done, "axbc") == 0, "in the order %s", o.done);
    return 0;
}
SN_TEST(offload_first_goes_first)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1, .offload_max = 1}, turns, NULL));
}

static int big_frame(void *arg)
{
    volatile char room[700000];
    for (size_t i = 0; i < sizeof(room); i += 512) room[i] = (char)i;
    if (arg) sn_panic("big %d", room[512]);
    return 1234;
}
static int big_panics(void *arg) { return sn_on_big_stack(big_frame, arg); }
static int big_main(void *arg)
{
    for (int i = 0; i < 3; i++) {
        T_EQ(sn_on_big_stack(big_frame, NULL), 1234);
        T_EQ(sn_try(big_panics, &i), SN_E_PANIC);
        T_ASSERT(strstr(sn_diag_str(SN_E_PANIC), "big"));
        T_EQ(sn_sleep(SN_MS), 0);
    }
    return 0;
}
SN_TEST(big_stack_and_panic_across_it) { T_OK(run_n(1, big_main, NULL)); }

/* ---- polling instead of sleeping ---- */

SN_TEST(idle_gaps_are_learned)
{
    unsigned g = 0;
    for (int i = 0; i < 15; i++) g = sn_gaps_learn(g, true);
    T_ASSERT(!sn_gaps_short(g));
    g = sn_gaps_learn(g, true);
    T_ASSERT(sn_gaps_short(g));
    for (int i = 0; i < 100; i++) g = sn_gaps_learn(g, true);
    T_EQ(g, SN_GAPS_MAX);
    for (int i = 0; i < 6; i++) g = sn_gaps_learn(g, false);
    T_ASSERT(!sn_gaps_short(g));
    for (int i = 0; i < 6; i++) g = sn_gaps_learn(g, false);
    T_EQ(g, 0);
    for (int i = 0; i < 200; i++) g = sn_gaps_learn(g, i % 2); /* one short for each long one */
    T_ASSERT(!sn_gaps_short(g));
    for (int i = 0; i < 200; i++) g = sn_gaps_learn(g, i % 5); /* four */
    T_ASSERT(sn_gaps_short(g));
}

SN_TEST(duty_is_measured_by_windows)
{
    static const struct {
        int64_t work, rest;
        bool high;
    } cases[] = {{10, 10, false}, {12, 10, false}, {20, 10, true}, {300, 1, true}, {0, 50, false}};
    struct sn_duty d = {0};
    int64_t now = 0;
    for (size_t i = 0; i < SN_COUNT_OF(cases); i++) {
        for (int64_t end = now + 3 * SN_DUTY_WINDOW_NS; now < end;) { /* the first is still mixed */
            sn_duty_work(&d, now);
            now += cases[i].work * SN_US;
            sn_duty_idle(&d, now);
            now += cases[i].rest * SN_US;
        }
        T_ASSERTF(d.high == cases[i].high, "case %zu: %d", i, d.high);
    }
    sn_duty_work(&d, now); /* after long rest one busy moment is nothing */
    sn_duty_idle(&d, now + SN_MS);
    sn_duty_work(&d, now + SN_SEC);
    sn_duty_idle(&d, now + SN_SEC + 50 * SN_MS);
    T_ASSERT(!d.high);
}

static void *echo_thread(void *arg)
{
    int fd = *(int *)arg;
    char b;
    while (read(fd, &b, 1) == 1 && write(fd, &b, 1) == 1) continue;
    close(fd);
    return NULL;
}

/* From here on this worker polls when idle, whatever the machine does. */
static void poll_when_idle(struct sn_worker *w)
{
    w->gaps = SN_GAPS_MAX;
    w->duty = (struct sn_duty){.window_at = sn_now(), .busy_at = sn_now()};
    w->contended = false;
    w->contended_look_at = SN_FOREVER;
}

static _Atomic int told;
static void tell(void *arg) { told++; }
static int tell_from_outside(void *arg) { return sn_go_from_thread("told", tell, NULL); }

static int idle_poll_main(void *arg)
{
    struct sn_worker *w = sn_worker_cur();
    struct sn_rt_stats before, after;
    struct sn_stream *s;
    pthread_t t;
    int fds[2];
    T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    T_OK(sn_stream_adopt(fds[0], &s));
    T_EQ(pthread_create(&t, NULL, echo_thread, &fds[1]), 0);
    sn_rt_stats(&before);
    for (int i = 0; i < 500; i++) { /* an answer, a timer and a word from a thread, while it polls */
        char b = (char)i;
        poll_when_idle(w);
        T_EQ(sn_write(s, &b, 1), 1);
        T_OK(sn_read_full(s, &b, 1));
        T_EQ(b, (char)i);
        if (i % 10 == 0) T_EQ(sn_sleep(300 * SN_US), 0);
        if (i % 10 == 5) T_OK(sn_offload(tell_from_outside, NULL));
    }
    while (told % 50) T_EQ(sn_sleep(100 * SN_US), 0);
    sn_rt_stats(&after);
    T_ASSERT(after.idle_polled_ns > before.idle_polled_ns);
    /* Long waits end it: a server without work only sleeps. */
    for (int i = 0; i < 16; i++) T_EQ(sn_sleep(5 * SN_MS), 0);
    T_EQ(w->gaps, 0);
    int64_t polled = w->idle_polled_ns;
    uint64_t polls = w->polls;
    for (int i = 0; i < 10; i++) T_EQ(sn_sleep(5 * SN_MS), 0);
    T_EQ(w->idle_polled_ns, polled);
    T_ASSERTF(w->polls - polls < 100, "%llu polls", (unsigned long long)(w->polls - polls));
    /* Where others want the processor it is left to them. */
    poll_when_idle(w);
    w->contended = true;
    T_EQ(sn_sleep(SN_MS), 0);
    T_EQ(w->idle_polled_ns, polled);
    T_OK(sn_stream_shutdown(s)); /* io_uring keeps a closed socket for a while */
    sn_stream_close(s);
    pthread_join(t, NULL);
    return 0;
}

SN_TEST(idle_worker_polls_while_events_come)
{
    struct sn_rt_opts o = {.workers = 1, .idle_poll_ns = 200 * SN_US};
    T_OK(sn_rt_run(&o, idle_poll_main, NULL));
    o.workers = 3;
    T_OK(sn_rt_run(&o, idle_poll_main, NULL));
    o.io_uring = true; /* epoll where the kernel has none */
    o.workers = 1;
    T_OK(sn_rt_run(&o, idle_poll_main, NULL));
}
