/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/leak.c - the leak search's outside: the table of heap blocks, stopping the workers, the
 * clone.
 *
 * Why a clone: the graph must not change while it is walked, and a walk takes about a second per
 * GiB of heap. The kernel copies a process copy-on-write in about a millisecond per 100 MiB, so
 * that is how long everybody stands still. The clone is a bare system call: fork(2) of libc would
 * wait for the allocator's locks, which a stopped worker may hold. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "fiber/leak_int.h"
#include "fiber/sample.h"

/* ---- tracked blocks ---- */

uint8_t *sn_leak_leaves[SN_LEAK_LEAVES];
uint64_t sn_leak_leaf_lo = SN_LEAK_LEAVES, sn_leak_leaf_hi;

static SN_COLD SN_NOINLINE uint8_t *leaf_make(uintptr_t p)
{
    uint8_t **at = &sn_leak_leaves[p >> SN_LEAK_LEAF_BITS], *none = NULL;
    uint64_t i = p >> SN_LEAK_LEAF_BITS;
    uint64_t lo = SN_LOAD(&sn_leak_leaf_lo), hi = SN_LOAD(&sn_leak_leaf_hi);
    while (i < lo && !__atomic_compare_exchange_n(&sn_leak_leaf_lo, &lo, i, true, __ATOMIC_SEQ_CST,
                                                  __ATOMIC_RELAXED)) {}
    while (i >= hi && !__atomic_compare_exchange_n(&sn_leak_leaf_hi, &hi, i + 1, true,
                                                   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {}
    uint8_t *m = mmap(NULL, SN_LEAK_LEAF_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) return NULL; /* then these blocks count as in use */
    if (__atomic_compare_exchange_n(at, &none, m, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return m;
    munmap(m, SN_LEAK_LEAF_BYTES);
    return none;
}
static inline uint8_t *mark_of(uintptr_t p, uint8_t *leaf)
{
    return leaf + ((p & ((1ull << SN_LEAK_LEAF_BITS) - 1)) >> 4);
}
void sn_leak_heap_add(void *ptr)
{
    uintptr_t p = (uintptr_t)ptr;
    if (SN_UNLIKELY(p >> SN_LEAK_ADDR_BITS)) return;
    uint8_t *leaf = __atomic_load_n(&sn_leak_leaves[p >> SN_LEAK_LEAF_BITS], __ATOMIC_ACQUIRE);
    if (SN_UNLIKELY(!leaf) && !(leaf = leaf_make(p))) return;
    SN_STORE(mark_of(p, leaf), 1);
}
void sn_leak_heap_del(void *ptr)
{
    uintptr_t p = (uintptr_t)ptr;
    if (SN_UNLIKELY(p >> SN_LEAK_ADDR_BITS)) return;
    uint8_t *leaf = __atomic_load_n(&sn_leak_leaves[p >> SN_LEAK_LEAF_BITS], __ATOMIC_ACQUIRE);
    if (leaf) SN_STORE(mark_of(p, leaf), 0);
}

void sn_leak_heap_forget(void)
{
    for (uint64_t l = SN_LOAD(&sn_leak_leaf_lo); l < SN_LOAD(&sn_leak_leaf_hi); l++)
        if (sn_leak_leaves[l])
            (void)madvise(sn_leak_leaves[l], SN_LEAK_LEAF_BYTES, MADV_DONTNEED); /* zeroes */
}

/* ---- stopping the workers ---- */

#define STOP_SIGNAL SIGURG /* its default is to be ignored, so a late one does no harm */

static struct {
    pthread_mutex_t lock; /* one search at a time */
    struct sigaction before;
    bool installed;
    uint32_t stopping; /* __atomic; futex the stopped wait on */
    uint32_t stopped;  /* __atomic */
    uint32_t inside;   /* __atomic: handlers that may still look at `job` */
    struct sn_leak_job job;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
    struct sn_worker *worker; /* __atomic: who is asked */
    struct sn_sample sample;
} probe;

SN_LEAK_RAW static void on_stop(int sig, siginfo_t *si, void *uc)
{
    (void)sig, (void)si;
    int saved = errno;
    struct sn_worker *w = sn_worker_cur();
    const ucontext_t *u = uc;
    __atomic_fetch_add(&world.inside, 1, __ATOMIC_SEQ_CST);
    if (w && __atomic_load_n(&probe.worker, __ATOMIC_SEQ_CST) == w) {
        sn_sample_take(uc, &probe.sample);
        __atomic_store_n(&probe.worker, NULL, __ATOMIC_SEQ_CST);
    }
    if (w && __atomic_load_n(&world.stopping, __ATOMIC_SEQ_CST)) {
        struct sn_leak_stop *s = &world.job.at[w->index];
#if defined(__x86_64__)
        s->sp = (uintptr_t)u->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
        s->sp = u->uc_mcontext.sp;
#endif
        sn_crash_alt(&s->alt_lo, &s->alt_hi);
        uintptr_t here = (uintptr_t)__builtin_frame_address(0);
        if (here >= s->alt_lo && here < s->alt_hi)
            s->alt_lo = here;
        else
            s->alt_lo = s->alt_hi = 0, s->sp = here;
        __atomic_fetch_add(&world.stopped, 1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&world.stopping, __ATOMIC_SEQ_CST))
            (void)syscall(SYS_futex, &world.stopping, 128 /* FUTEX_WAIT_PRIVATE */, 1, NULL);
    }
    __atomic_fetch_sub(&world.inside, 1, __ATOMIC_SEQ_CST);
    errno = saved;
}

void sn_stop_install(void)
{
    struct sigaction a = {.sa_sigaction = on_stop,
                          .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigfillset(&a.sa_mask); /* the frames above ours are all there is to know */
    world.installed = sigaction(STOP_SIGNAL, &a, &world.before) == 0;
}
void sn_stop_uninstall(void)
{
    if (world.installed) sigaction(STOP_SIGNAL, &world.before, NULL);
    world.installed = false;
}
void sn_stop_worker(void)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, STOP_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &s, NULL);
}

bool sn_stop_sample(struct sn_worker *w, struct sn_sample *ret)
{
    bool got = false;
    __atomic_store_n(&probe.worker, w, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_tgkill, getpid(), SN_LOAD_ACQ(&w->os_tid), STOP_SIGNAL);
    for (int i = 0; i < 100 && !got; i++) {
        struct timespec ts = {0, SN_MS};
        (void)nanosleep(&ts, NULL);
        got = __atomic_load_n(&probe.worker, __ATOMIC_SEQ_CST) == NULL;
    }
    __atomic_store_n(&probe.worker, NULL, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&world.inside, __ATOMIC_SEQ_CST)) sched_yield();
    if (got) *ret = probe.sample;
    return got;
}

static void start_world(void)
{
    __atomic_store_n(&world.stopping, 0, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex, &world.stopping, 129 /* FUTEX_WAKE_PRIVATE */, INT32_MAX);
    while (__atomic_load_n(&world.inside, __ATOMIC_SEQ_CST)) sched_yield();
}
/* From a true return until start_world no lock may be taken that a worker might hold: no heap, no
 * stdio, no diagnostics. */
static bool stop_world(int here)
{
    uint32_t others = sn_rt.n - (here >= 0);
    int pid = getpid();
    __atomic_store_n(&world.stopped, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&world.stopping, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < sn_rt.n; i++)
        if ((int)i != here)
            (void)syscall(SYS_tgkill, pid, SN_LOAD_ACQ(&sn_rt.workers[i].os_tid), STOP_SIGNAL);
    int64_t until = sn_clock_mono() + SN_LEAK_STOP_NS;
    while (__atomic_load_n(&world.stopped, __ATOMIC_SEQ_CST) < others) {
        if (sn_clock_mono() > until) {
            start_world();
            return false;
        }
        sched_yield();
    }
    return true;
}

/* ---- the clone ---- */

SN_LEAK_RAW SN_NORETURN static void in_clone(void)
{
    struct rlimit none = {0, 0};
    (void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
    /* A fault here must be silent: the parent sees it and says that there is no answer. */
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    (void)syscall(SYS_close_range, 0, ~0u, 0); /* a listener must not outlive its closing by us */
    int r = sn_leak_search(&world.job);
    for (;;) (void)syscall(SYS_exit_group, r < 0 ? 1 : 0);
}

static int reap(pid_t pid)
{
    int status, r;
    int64_t until = sn_clock_mono() + SN_LEAK_SEARCH_NS, pause = 100 * SN_US;
    while ((r = waitpid(pid, &status, __WALL | WNOHANG)) == 0 || (r < 0 && errno == EINTR)) {
        if (sn_clock_mono() > until) {
            (void)kill(pid, SIGKILL);
            while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR) {}
            return sn_fail(SN_E_UNAVAILABLE, "leak search: not done in %d s",
                           (int)(SN_LEAK_SEARCH_NS / SN_SEC));
        }
        struct timespec ts = {0, (long)pause};
        (void)nanosleep(&ts, NULL);
        pause = SN_MIN(pause * 2, 20 * SN_MS);
    }
    if (r < 0) return sn_fail_errno(errno, "leak search");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    return sn_fail(SN_E_UNAVAILABLE, "leak search: the clone ended with status %#x", status);
}

/* Two pages of what this does before the call would be on the stack of the clone, too. */
static SN_NOINLINE int run_clone(struct sn_leak_job *job)
{
    pthread_attr_t a;
    void *lo = NULL;
    size_t size = 0;
    struct sn_worker *w = sn_worker_cur();
    job->here = w ? (int)w->index : -1;
    if (pthread_getattr_np(pthread_self(), &a) == 0) {
        (void)pthread_attr_getstack(&a, &lo, &size);
        pthread_attr_destroy(&a);
    }
    __builtin_unwind_init(); /* callee-saved registers into this frame */
    job->here_lo = (uintptr_t)lo;
    job->here_sp = (uintptr_t)__builtin_frame_address(0) - 256;
    if (!stop_world(job->here))
        return sn_fail(SN_E_UNAVAILABLE, "leak search: a worker did not stop within %d s",
                       (int)(SN_LEAK_STOP_NS / SN_SEC));
    long pid = syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
    if (pid == 0) in_clone();
    int err = errno;
    start_world();
    if (pid < 0) {
        sn_fail_errno(err, "leak search: clone");
        sn_diag()->code = SN_E_UNAVAILABLE;
        return SN_E_UNAVAILABLE;
    }
    return reap((pid_t)pid);
}

static int search(struct sn_leak_job *job, void (*fn)(const struct sn_fiber_info *, void *),
                  void *arg)
{
    int r = run_clone(job), n = 0;
    if (r < 0) return r;
    for (uint32_t i = 0; i < *job->ret_n; i++) {
        struct sn_leak_found *l = &job->found[i];
        struct sn_fiber_info info;
        if (!sn_fiber_snapshot(l->f, &info) || info.id != l->id) continue;
        /* A cancelled scope may have ended the wait meanwhile. */
        if (__atomic_load_n(&l->f->word, __ATOMIC_ACQUIRE) != l->word) continue;
        fn(&info, arg);
        n++;
    }
    return n;
}

int sn_fiber_leaks(void (*fn)(const struct sn_fiber_info *info, void *arg), void *arg)
{
    if (!sn_rt.running) return sn_fail(SN_E_UNAVAILABLE, "leak search: no runtime is running");
    pthread_mutex_lock(&world.lock);
    struct sn_leak_job *job = &world.job;
    *job = (struct sn_leak_job){.found_max = SN_LOAD(&sn_rt.rec_total) + 1024};
    size_t bytes = 64 + job->found_max * sizeof(*job->found);
    char *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    int r;
    if (m == MAP_FAILED) {
        r = sn_fail(SN_E_UNAVAILABLE, "leak search: no memory for %u fibers", job->found_max);
    } else {
        job->ret_n = (uint32_t *)(void *)m;
        job->found = (struct sn_leak_found *)(void *)(m + 64);
        r = search(job, fn, arg);
        munmap(m, bytes);
    }
    pthread_mutex_unlock(&world.lock);
    return r;
}
