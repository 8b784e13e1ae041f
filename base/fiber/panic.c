/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/panic.c - panic unwinds to the nearest sn_try with the C++ ABI's forced unwinding, so the
 * compiler's landing pads run `cleanup` attributes on the way (all code is built -fexceptions).
 * Source: Itanium C++ ABI, "Exception Handling", 1.6.1 _Unwind_ForcedUnwind. */
#include "fiber/sched_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <unwind.h>

#define PANIC_TEXT_MAX 256
#define PANIC_FRAMES_MAX 16

#ifdef SN_ASAN
void __asan_handle_no_return(void);
#endif

/* On sn_try's frame. `cfa` tells when unwinding has arrived. */
struct sn_try_frame {
    struct sn_try_frame *outer;
    struct sn_scope *scope; /* the innermost one when sn_try began */
    void *jmp[5]; /* __builtin_setjmp buffer */
    uintptr_t cfa;
    bool panicked;
    struct _Unwind_Exception ex;
};

static __thread struct sn_try_frame *thread_try; /* for code outside fibers */
static __thread bool pending;                    /* the last sn_try on this thread caught a panic */

static struct sn_try_frame **try_top(void)
{
    struct sn_fiber *f = sn_self();
    return f ? &f->try_top : &thread_try;
}

static _Unwind_Reason_Code unwind_step(int version, _Unwind_Action actions,
                                       _Unwind_Exception_Class cls, struct _Unwind_Exception *ex,
                                       struct _Unwind_Context *ctx, void *arg)
{
    (void)version, (void)cls, (void)ex;
    struct sn_try_frame *t = arg;
    if (_Unwind_GetCFA(ctx) >= t->cfa || (actions & _UA_END_OF_STACK)) {
#ifdef SN_ASAN
        __asan_handle_no_return();
#endif
        __builtin_longjmp(t->jmp, 1);
    }
    return _URC_NO_REASON;
}

struct trace {
    char *at, *end;
    unsigned skip, left;
};

static _Unwind_Reason_Code trace_step(struct _Unwind_Context *ctx, void *arg)
{
    struct trace *t = arg;
    if (t->skip) {
        t->skip--;
        return _URC_NO_REASON;
    }
    if (!t->left--) return _URC_END_OF_STACK;
    char name[96];
    uintptr_t pc = _Unwind_GetIP(ctx);
    if (!sn_symbolize_hook || !sn_symbolize_hook(pc - 1, name, sizeof(name)))
        snprintf(name, sizeof(name), "%#lx", (unsigned long)pc);
    int n = snprintf(t->at, (size_t)(t->end - t->at), "%s%s", t->at[-1] == '[' ? "" : " < ", name);
    if (n < 0 || n >= t->end - t->at) return _URC_END_OF_STACK;
    t->at += n;
    return _URC_NO_REASON;
}

/* "message" into the diagnostic, the innermost calls as a second frame. */
static void panic_diag(const char *msg)
{
    char where[PANIC_TEXT_MAX] = "[";
    struct trace t = {.at = where + 1, .end = where + sizeof(where) - 1, .skip = 2, .left = 6};
    _Unwind_Backtrace(trace_step, &t);
    (void)sn_fail(SN_E_PANIC, "panic: %s", msg);
    (void)sn_wrap(SN_E_PANIC, "at %s]", where);
}

bool sn_panic_pending(void) { return pending; }

static SN_NORETURN void raise_panic(struct sn_try_frame *t)
{
    memset(&t->ex, 0, sizeof(t->ex));
    t->panicked = true;
    _Unwind_ForcedUnwind(&t->ex, unwind_step, t);
    abort(); /* only returns when there is no unwind information at all */
}

/* Scopes opened since `t` live in frames about to go: their fibers end first. */
static void join_scopes(struct sn_try_frame *t)
{
    struct sn_worker *w = sn_worker_cur();
    if (!w || !w->cur || w->on_big_stack) return;
    while (w->cur->scope != t->scope) {
        struct sn_scope *s = w->cur->scope;
        sn_scope_cancel(s);
        (void)sn_scope_end(s);
    }
}

void sn_panic_again(void)
{
    struct sn_try_frame *t = *try_top();
    if (!t) sn_panic_uncaught(sn_diag_str(SN_E_PANIC));
    raise_panic(t);
}

void (*sn_death_hook)(void);

SN_NORETURN void sn_panic_uncaught(const char *msg)
{
    struct sn_fiber *f = sn_self();
    char line[PANIC_TEXT_MAX + 96];
    int n = snprintf(line, sizeof(line), "panic: %s [fiber %llu \"%s\"]\n\n", msg,
                     f ? (unsigned long long)f->id : 0, f ? f->name : "");
    if (n > 0) (void)!write(STDERR_FILENO, line, SN_MIN((size_t)n, sizeof(line) - 1));
    if (sn_death_hook) sn_death_hook();
    sn_dump_fd(STDERR_FILENO);
    abort();
}

void sn_panic(const char *fmt, ...)
{
    char msg[PANIC_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    struct sn_try_frame *t = *try_top();
    if (!t) sn_panic_uncaught(msg);
    join_scopes(t);
    panic_diag(msg);
    raise_panic(t);
}

/* __builtin_longjmp may not land in the function that calls it, nor setjmp's caller be inlined. */
static SN_NOINLINE int try_run(struct sn_try_frame *t, int (*fn)(void *arg), void *arg)
{
    t->cfa = (uintptr_t)__builtin_dwarf_cfa();
    if (__builtin_setjmp(t->jmp)) return SN_E_PANIC;
    return fn(arg);
}

int sn_try(int (*fn)(void *arg), void *arg)
{
    struct sn_try_frame **top = try_top();
    struct sn_try_frame t = {.outer = *top};
    *top = &t;
    struct sn_fiber *f = sn_self();
    int64_t deadline = SN_FOREVER, shield_deadline = 0;
    uint8_t shield = 0;
    if (f) {
        t.scope = f->scope;
        deadline = f->deadline;
        shield = f->shield;
        shield_deadline = f->shield_deadline;
    }
    int r = try_run(&t, fn, arg);
    *top = t.outer;
    pending = t.panicked;
    if (t.panicked && f) { /* what the unwound frames would have restored */
        f->deadline = deadline;
        f->shield = shield;
        f->shield_deadline = shield_deadline;
    }
    return r;
}
