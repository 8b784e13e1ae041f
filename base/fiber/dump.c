/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/dump.c - looking at all fibers: snapshots, the text dump, and the crash handler.
 *
 * Parked fibers of other workers may resume while they are read. Their records and stacks stay
 * mapped, every frame pointer is checked against the stack's bounds and must move outwards, and a
 * fiber whose wait word changed meanwhile is reported without frames: so a walk can be stale, never
 * wild. Text follows the grammar of Go's goroutine dump (debug=2), which existing tools read. */
#include "fiber/leak_int.h"

#include "core/buf.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAMES_MAX 32

static bool symbolize_dl(uintptr_t pc, char *out, size_t cap)
{
    Dl_info i;
    if (!dladdr((void *)pc, &i) || !i.dli_sname) return false;
    int n =
        snprintf(out, cap, "%s+%#lx", i.dli_sname, (unsigned long)(pc - (uintptr_t)i.dli_saddr));
    return n > 0;
}
bool (*sn_symbolize_hook)(uintptr_t pc, char *out, size_t cap) = symbolize_dl;

/* Return addresses from frame pointers, within [base, top). Stack memory of a fiber that just
 * resumed is garbage to us, hence no sanitizer. */
__attribute__((no_sanitize("address", "thread"))) static unsigned
walk(uintptr_t bp, uintptr_t base, uintptr_t top, uintptr_t *pcs, unsigned max)
{
    unsigned n = 0;
    while (n < max && bp >= base && bp + 16 <= top && (bp & 7) == 0) {
        uintptr_t next = ((volatile uintptr_t *)bp)[0], pc = ((volatile uintptr_t *)bp)[1];
        if (pc < 4096) break;
        pcs[n++] = pc;
        if (next <= bp) break;
        bp = next;
    }
    return n;
}

/* False: the record is free. */
__attribute__((no_sanitize("address", "thread"))) bool sn_fiber_snapshot(struct sn_fiber *f,
                                                                         struct sn_fiber_info *i)
{
    uint8_t st = SN_LOAD(&f->state);
    if (st == SN_FIBER_FREE || st == SN_FIBER_ZOMBIE) return false;
    uint64_t word = SN_LOAD_ACQ(&f->word);
    struct sn_worker *w = SN_LOAD(&f->w);
    *i = (struct sn_fiber_info){.id = f->id, .name = f->name, .entry = f->fn, .wait_reason = "",
                                .wait_since_ns = f->wait_since, .worker = w ? (int)w->index : -1};
    struct sn_worker *here = sn_worker_cur();
    if (st == SN_FIBER_RUNNING) {
        i->state = "running";
        if (here && f == here->cur && f->stack)
            i->n_pcs = walk((uintptr_t)__builtin_frame_address(0), (uintptr_t)f->stack->base,
                            (uintptr_t)f->stack->top, i->pcs, FRAMES_MAX);
        return true;
    }
    i->state = st == SN_FIBER_WAITING ? "waiting" : "runnable";
    if (st == SN_FIBER_WAITING && f->wait_reason) i->wait_reason = f->wait_reason;
    struct sn_stack *s = SN_LOAD(&f->stack);
    if (!s) return true;
    i->pcs[0] = (uintptr_t)f->ctx.ip;
    i->n_pcs = 1 + walk((uintptr_t)f->ctx.bp, (uintptr_t)s->base, (uintptr_t)s->top, i->pcs + 1,
                        FRAMES_MAX - 1);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (SN_LOAD(&f->word) != word || SN_LOAD(&f->state) != st) i->n_pcs = 0;
    return true;
}

void sn_fiber_each(void (*fn)(const struct sn_fiber_info *info, void *arg), void *arg)
{
    for (struct sn_chunk *c = SN_LOAD_ACQ(&sn_rt.chunks); c; c = c->next) {
        uint32_t used = SN_LOAD_ACQ(&c->used);
        for (uint32_t k = 0; k < used; k++) {
            struct sn_fiber_info i;
            if (sn_fiber_snapshot(&c->rec[k], &i)) fn(&i, arg);
        }
    }
}

/* ---- text ---- */

/* "symbol(pc)" and "\tfile:line +offset", Go's two lines of a frame. */
static size_t line_frame(char *out, size_t cap, uintptr_t pc)
{
    char sym[160];
    if (!sn_symbolize_hook || !sn_symbolize_hook(pc, sym, sizeof(sym)))
        snprintf(sym, sizeof(sym), "pc_%lx", (unsigned long)pc);
    const char *file = "??:0", *off = "0x0";
    char *p = strchr(sym, ' ');
    if (p) {
        *p = 0;
        file = p + 1;
    }
    p = strchr(sym, '+');
    if (p) {
        *p = 0;
        off = p + 1;
    }
    int n = snprintf(out, cap, "%s(%#lx)\n\t%s +%s\n", sym, (unsigned long)pc, file, off);
    return n < 0 ? 0 : SN_MIN((size_t)n, cap - 1);
}

/* Tools split what is between the brackets at commas and skip what they do not know: the place for
 * the name. */
static size_t line_head(char *out, size_t cap, const struct sn_fiber_info *i)
{
    int64_t min = i->wait_since_ns ? (sn_now() - i->wait_since_ns) / SN_MINUTE : 0;
    char age[40] = "";
    if (min >= 1 && i->state[0] == 'w')
        snprintf(age, sizeof(age), ", %lld minutes", (long long)min);
    const char *what = i->wait_reason[0] ? i->wait_reason : i->state;
    int n = snprintf(out, cap, "goroutine %llu [%s%s%s%s%s]:\n", (unsigned long long)i->id, what,
                     age, i->name[0] ? ", \"" : "", i->name, i->name[0] ? "\"" : "");
    return n < 0 ? 0 : SN_MIN((size_t)n, cap - 1);
}

static void put_buf(void *to, const char *p, size_t n) { (void)sn_buf_put(to, p, n); }
static void put_fd(void *to, const char *p, size_t n) { (void)!write(*(int *)to, p, n); }

struct sink {
    void (*put)(void *to, const char *p, size_t n);
    void *to;
};

static void dump_one(const struct sn_fiber_info *i, void *arg)
{
    const struct sink *s = arg;
    char line[256];
    s->put(s->to, line, line_head(line, sizeof(line), i));
    for (unsigned k = 0; k < i->n_pcs; k++)
        s->put(s->to, line, line_frame(line, sizeof(line), i->pcs[k] - (k > 0)));
    s->put(s->to, line, line_frame(line, sizeof(line), (uintptr_t)i->entry));
    s->put(s->to, "\n", 1);
}

int sn_fiber_dump(struct sn_buf *out)
{
    struct sink s = {put_buf, out};
    sn_fiber_each(dump_one, &s);
    return out->err;
}

void sn_dump_fd(int fd)
{
    struct sink s = {put_fd, &fd};
    sn_fiber_each(dump_one, &s);
}

/* ---- the crash handler ---- */

static struct sigaction before[2];
static const int crash_signals[2] = {SIGSEGV, SIGBUS};
static __thread void *alt_mem;

static void crash_name_fiber(struct sn_fiber *f, uintptr_t addr, uintptr_t pc, uintptr_t bp)
{
    struct sn_stack *s = f->stack;
    uintptr_t base = (uintptr_t)s->base, top = (uintptr_t)s->top;
    /* The guard page, and a little more: a frame may skip past the page's upper end. */
    bool overflow = addr < base && addr >= base - 4096;
    char line[256];
    int n = snprintf(line, sizeof(line),
                     "fatal: %s in fiber %llu \"%s\" (entry %#lx, stack %#lx-%#lx, address %#lx)\n",
                     overflow ? "stack overflow" : "memory fault", (unsigned long long)f->id,
                     f->name, (unsigned long)(uintptr_t)f->fn, (unsigned long)base,
                     (unsigned long)top, (unsigned long)addr);
    if (n > 0) (void)!write(STDERR_FILENO, line, SN_MIN((size_t)n, sizeof(line) - 1));
    uintptr_t pcs[FRAMES_MAX];
    unsigned k = walk(bp, base, top, pcs, FRAMES_MAX);
    (void)!write(STDERR_FILENO, line, line_frame(line, sizeof(line), pc));
    for (unsigned i = 0; i < k; i++)
        (void)!write(STDERR_FILENO, line, line_frame(line, sizeof(line), pcs[i] - 1));
    (void)!write(STDERR_FILENO, "\n", 1);
}

static void on_crash(int sig, siginfo_t *si, void *uc)
{
    (void)uc;
    struct sn_worker *w = sn_worker_cur();
    uintptr_t pc = 0, bp = 0;
#if defined(__x86_64__)
    const ucontext_t *u = uc;
    pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    bp = (uintptr_t)u->uc_mcontext.gregs[REG_RBP];
#endif
    static uint32_t once;
    if (!__atomic_exchange_n(&once, 1, __ATOMIC_SEQ_CST)) {
        if (w && w->cur && w->cur->stack)
            crash_name_fiber(w->cur, (uintptr_t)si->si_addr, pc, bp);
        if (sn_death_hook) sn_death_hook();
        sn_dump_fd(STDERR_FILENO);
    }
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigaction(sig, &dfl, NULL); /* returning runs the faulting instruction again, with core dump */
    if (si->si_code <= 0) raise(sig); /* sent, not caused: it would not happen again by itself */
}

void sn_crash_install(void)
{
    struct sigaction a = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&a.sa_mask);
    for (int i = 0; i < 2; i++) sigaction(crash_signals[i], &a, &before[i]);
    sn_stop_install();
}

void sn_crash_uninstall(void)
{
    for (int i = 0; i < 2; i++) sigaction(crash_signals[i], &before[i], NULL);
    sn_stop_uninstall();
}

void sn_crash_worker(struct sn_worker *w)
{
    (void)w;
    sn_stop_worker();
    void *m =
        mmap(NULL, SN_ALT_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) return; /* then an overflow dies without being named */
    stack_t st = {.ss_sp = m, .ss_size = SN_ALT_STACK_BYTES};
    if (sigaltstack(&st, NULL) != 0) {
        munmap(m, SN_ALT_STACK_BYTES);
        return;
    }
    alt_mem = m;
}

SN_LEAK_RAW void sn_crash_alt(uintptr_t *ret_lo, uintptr_t *ret_hi)
{
    *ret_lo = (uintptr_t)alt_mem;
    *ret_hi = alt_mem ? (uintptr_t)alt_mem + SN_ALT_STACK_BYTES : 0;
}

void sn_crash_worker_done(void)
{
    stack_t off = {.ss_flags = SS_DISABLE};
    if (!alt_mem) return;
    sigaltstack(&off, NULL);
    munmap(alt_mem, SN_ALT_STACK_BYTES);
    alt_mem = NULL;
}
