/* SPDX-License-Identifier: Apache-2.0 */
/* kit/prof_cpu.c - the CPU profiler and the table of stacks.
 * The signal handler takes no lock, allocates nothing and reads only memory whose bounds it knows
 * (fiber/sample.h). Starting and stopping are serialised by `state`. */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fiber/fiber.h"
#include "fiber/sample.h"
#include "fiber/trace.h"
#include "kit/prof_int.h"

#define CPU_SLOTS 16384u /* distinct stacks per profile; 7 MiB, touched as used */
#define THREADS_MAX 1024u
#define HZ_MAX 1000u
/* A thread's CPU clock, as the kernel names it: ~tid << 3, "per thread" and "scheduled time". */
#define THREAD_CPU_CLOCK(tid) ((clockid_t)((~(unsigned)(tid)) << 3 | 4 | 2))
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { CPU_OFF, CPU_CHANGING, CPU_ON };
static struct prof_slot slots[CPU_SLOTS];
static struct {
    uint32_t state;    /* __atomic, of the above */
    uint32_t sampling; /* __atomic: the handler counts only while set */
    uint32_t inside;   /* __atomic: handlers running */
    struct prof_table table;
    timer_t timers[THREADS_MAX];
    unsigned n_timers;
    int64_t started_ns, wall_ns, period_ns;
} cpu;

struct prof_slot *prof_slot_get(struct prof_table *t, const uintptr_t *pcs, unsigned n,
                                const char *name)
{
    n = SN_MIN(n, (unsigned)PROF_FRAMES);
    uint64_t h = sn_hash(pcs, n * sizeof *pcs, sn_hash(name, strlen(name), 1));
    if (h == 0) h = 1;
    for (uint32_t i = 0; i < PROF_PROBES; i++) {
        struct prof_slot *s = &t->slots[(h + i) & t->mask];
        uint64_t seen = __atomic_load_n(&s->hash, __ATOMIC_ACQUIRE);
        if (seen == h) return s;
        if (seen != 0 || !__atomic_compare_exchange_n(&s->hash, &seen, h, false, __ATOMIC_ACQ_REL,
                                                      __ATOMIC_ACQUIRE)) {
            if (seen == h) return s;
            continue;
        }
        s->n = n;
        memcpy(s->pcs, pcs, n * sizeof *pcs);
        size_t len = SN_MIN(strlen(name), (size_t)PROF_NAME - 1);
        memcpy(s->name, name, len);
        s->name[len] = 0;
        __atomic_store_n(&s->ready, 1, __ATOMIC_RELEASE);
        return s;
    }
    __atomic_fetch_add(&t->lost, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void on_sigprof(int sig, siginfo_t *si, void *uc)
{
    (void)sig;
    int saved = errno;
    __atomic_fetch_add(&cpu.inside, 1, __ATOMIC_ACQ_REL);
    if (__atomic_load_n(&cpu.sampling, __ATOMIC_ACQUIRE)) {
        struct sn_sample s;
        sn_sample_take(uc, &s);
        sn_trace_sample(&s);
        struct prof_slot *slot = prof_slot_get(&cpu.table, s.pcs, s.n_pcs, s.name);
        /* Ticks the kernel could not deliver one by one arrive as an overrun of this one. */
        int64_t weight = si->si_code == SI_TIMER && si->si_overrun > 0 ? 1 + si->si_overrun : 1;
        if (slot) prof_add(&slot->v[0], weight);
    }
    __atomic_fetch_sub(&cpu.inside, 1, __ATOMIC_ACQ_REL);
    errno = saved;
}

static int timer_for(int tid, timer_t *ret)
{
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    ev.sigev_notify_thread_id = tid;
    if (timer_create(THREAD_CPU_CLOCK(tid), &ev, ret) != 0) return -1;
    struct itimerspec it = {.it_interval.tv_nsec = cpu.period_ns,
                            .it_value.tv_nsec = cpu.period_ns};
    if (timer_settime(*ret, 0, &it, NULL) == 0) return 0;
    timer_delete(*ret);
    return -1;
}
static void arm_all(void)
{
    DIR *d = opendir("/proc/self/task");
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL && cpu.n_timers < THREADS_MAX;) {
        int tid = (int)strtol(e->d_name, NULL, 10); /* "." and ".." give 0 */
        if (tid > 0 && timer_for(tid, &cpu.timers[cpu.n_timers]) == 0) cpu.n_timers++;
    }
    closedir(d);
}
static void disarm_all(void)
{
    for (unsigned i = 0; i < cpu.n_timers; i++) timer_delete(cpu.timers[i]);
    cpu.n_timers = 0;
    /* Signals already under way find sampling off; those inside the handler are waited for. */
    __atomic_store_n(&cpu.sampling, 0, __ATOMIC_RELEASE);
    while (__atomic_load_n(&cpu.inside, __ATOMIC_ACQUIRE)) sched_yield();
}
static int begin(unsigned hz)
{
    for (uint32_t i = 0; i < CPU_SLOTS; i++) /* only what the last profile used is written to */
        if (slots[i].hash) memset(&slots[i], 0, sizeof slots[i]);
    cpu.table = (struct prof_table){.slots = slots, .mask = CPU_SLOTS - 1};
    cpu.period_ns = SN_SEC / hz;
    cpu.started_ns = sn_now();
    cpu.wall_ns = sn_wall_now();
    /* Stays installed: a late SIGPROF without a handler would end the process. */
    struct sigaction a = {.sa_sigaction = on_sigprof,
                          .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&a.sa_mask);
    if (sigaction(SIGPROF, &a, NULL) != 0) return sn_fail_errno(errno, "CPU profile: sigaction");
    __atomic_store_n(&cpu.sampling, 1, __ATOMIC_RELEASE);
    arm_all();
    if (cpu.n_timers) return 0;
    __atomic_store_n(&cpu.sampling, 0, __ATOMIC_RELEASE);
    return sn_fail(SN_E_UNAVAILABLE, "CPU profile: no timer on a thread's CPU clock to be had");
}

int sn_prof_cpu_start(unsigned hz)
{
    uint32_t off = CPU_OFF;
    if (hz == 0) hz = SN_PROF_HZ_DEFAULT;
    hz = SN_MIN(hz, HZ_MAX);
    if (!__atomic_compare_exchange_n(&cpu.state, &off, CPU_CHANGING, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return sn_fail(SN_E_FAILED_PRECONDITION, "CPU profiling is already in use");
    int r = begin(hz);
    __atomic_store_n(&cpu.state, r < 0 ? CPU_OFF : CPU_ON, __ATOMIC_RELEASE);
    return r;
}

int sn_prof_cpu_stop(struct sn_pprof *ret)
{
    static const struct sn_pprof_type types[] = {{"samples", "count"}, {"cpu", "nanoseconds"}};
    uint32_t on = CPU_ON;
    if (!__atomic_compare_exchange_n(&cpu.state, &on, CPU_CHANGING, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return sn_fail(SN_E_FAILED_PRECONDITION, "no CPU profile was started");
    disarm_all();
    sn_pprof_init(ret, types, 2, NULL);
    sn_pprof_period(ret, types[1], cpu.period_ns);
    sn_pprof_time(ret, cpu.wall_ns, sn_now() - cpu.started_ns);
    for (uint32_t i = 0; i < CPU_SLOTS; i++) {
        const struct prof_slot *s = &cpu.table.slots[i];
        if (!s->ready) continue;
        int64_t v[2] = {s->v[0], s->v[0] * cpu.period_ns};
        struct sn_pprof_label label = {.key = "fiber", .str = s->name};
        sn_pprof_add(ret, s->pcs, s->n, true, v, s->name[0] ? &label : NULL);
    }
    if (cpu.table.lost) {
        char text[80];
        snprintf(text, sizeof text, "%llu samples did not fit the table",
                 (unsigned long long)cpu.table.lost);
        sn_pprof_comment(ret, text);
    }
    __atomic_store_n(&cpu.state, CPU_OFF, __ATOMIC_RELEASE);
    return 0;
}
