/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/scope.c - structured concurrency: who joins whom, cancellation, deadlines, shields.
 *
 * A scope's lock guards its member and child lists. Lock order is parent before child. Finishing
 * members touch the scope only under its lock, and closing takes the lock last, so the frame a
 * scope lives in cannot go away under a finisher.
 *
 * Cancelling sets a flag in each fiber and tells the fiber's own worker, which alone decides, on
 * its scheduler context, whether the fiber is in a wait to be broken: so shields and waits that
 * must not be interrupted need no atomics. The root scope has no lists (every fiber below main
 * would contend on them): cancelling it walks all records. */
#include "fiber/sched_int.h"

#include "core/alloc.h"

static void cancel_here(struct sn_worker *w, struct sn_fiber *f)
{
    if (SN_LOAD(&f->state) != SN_FIBER_WAITING || f->shield || !SN_LOAD(&f->cancelled)) return;
    uint64_t word = SN_LOAD(&f->word);
    if ((word & 3) == SN_WAIT_OPEN && f != w->cur) (void)sn_wait_wake(f, word, SN_E_CANCELLED);
}

static void cancel_post(struct sn_post *p)
{
    struct sn_fiber *f = SN_CONTAINER_OF(p, struct sn_fiber, cancel_post);
    struct sn_worker *w = sn_worker_cur();
    (void)__atomic_exchange_n(&f->cancel_pending, 0, __ATOMIC_SEQ_CST);
    if (SN_LOAD(&f->w) == w)
        cancel_here(w, f);
    else if (SN_LOAD(&f->cancelled)) /* the record moved on: follow it */
        sn_fiber_cancel(f);
}

void sn_fiber_cancel(struct sn_fiber *f)
{
    __atomic_store_n(&f->cancelled, 1, __ATOMIC_SEQ_CST);
    struct sn_worker *owner = __atomic_load_n(&f->w, __ATOMIC_SEQ_CST), *w = sn_worker_cur();
    if (!owner) return; /* not started: it will see the flag when it first waits */
    if (owner == w) {
        cancel_here(w, f);
    } else if (!__atomic_exchange_n(&f->cancel_pending, 1, __ATOMIC_SEQ_CST)) {
        f->cancel_post.fn = cancel_post;
        sn_post_send(owner, &f->cancel_post);
    }
}

/* ---- membership ---- */

int sn_scope_enter(struct sn_scope *s, struct sn_fiber *f)
{
    sn_spin_lock(&s->lock);
    if (SN_LOAD(&s->cancelled)) {
        sn_spin_unlock(&s->lock);
        return SN_E_CANCELLED;
    }
    sn_list_push_back(&s->members, &f->member);
    s->count++;
    sn_spin_unlock(&s->lock);
    return 0;
}

/* Marks `top` and everything below; its lock is held. Iterative, because scopes may nest deeper
 * than a fiber's stack; the locks along the path stay held, so the links are stable. */
static void cancel_tree(struct sn_scope *top)
{
    struct sn_scope *s = top;
    for (;;) {
        SN_STORE(&s->cancelled, 1);
        SN_LIST_EACH (&s->members, it)
            sn_fiber_cancel(SN_LIST_ENTRY(it, struct sn_fiber, member));
        if (!sn_list_empty(&s->children)) {
            s = SN_LIST_ENTRY(s->children.next, struct sn_scope, sibling);
            sn_spin_lock(&s->lock);
            continue;
        }
        while (s != top) {
            struct sn_scope *up = s->parent;
            struct sn_list *next = s->sibling.next;
            sn_spin_unlock(&s->lock);
            s = up;
            if (next != &up->children) {
                s = SN_LIST_ENTRY(next, struct sn_scope, sibling);
                sn_spin_lock(&s->lock);
                break;
            }
        }
        if (s == top) return;
    }
}

static void scope_fail(struct sn_scope *s, struct sn_fiber *f, int result)
{
    s->error = result;
    struct sn_diag *from = f->stack->diag_used ? &f->stack->diag : NULL;
    if (from && from->code == result && (s->diag = sn_alloc(sizeof(*from))) != NULL)
        memcpy(s->diag, from, sizeof(*from)); /* without memory the code alone travels */
    cancel_tree(s);
}

void sn_scope_leave(struct sn_scope *s, struct sn_fiber *f, int result)
{
    sn_spin_lock(&s->lock);
    sn_list_del(&f->member);
    s->count--;
    if (result < 0 && s->error == 0) scope_fail(s, f, result);
    if (s->count == 0 && s->waiter) {
        (void)sn_wait_wake(s->owner, s->waiter, 0);
        s->waiter = 0;
    }
    sn_spin_unlock(&s->lock);
}

/* ---- the interface ---- */

struct sn_scope *sn_scope_begin(struct sn_scope_storage *mem)
{
    struct sn_fiber *f = sn_worker_cur()->cur;
    struct sn_scope *s = (struct sn_scope *)(void *)mem;
    *s = (struct sn_scope){.parent = f->scope, .owner = f};
    sn_list_init(&s->members);
    sn_list_init(&s->children);
    sn_list_init(&s->sibling);
    /* A scope of a cancelled fiber is born cancelled; its parent's state alone would miss the
     * fiber's own cancellation when the parent is the root, which keeps no lists. */
    if (s->parent != &sn_rt.root) {
        sn_spin_lock(&s->parent->lock);
        s->cancelled = s->parent->cancelled;
        sn_list_push_back(&s->parent->children, &s->sibling);
        sn_spin_unlock(&s->parent->lock);
    } else if (SN_LOAD(&sn_rt.root_cancelled)) {
        s->cancelled = 1;
    }
    f->scope = s;
    return s;
}

int sn_scope_go(struct sn_scope *s, const char *name, int (*fn)(void *arg), void *arg)
{
    return sn_spawn(sn_worker_cur(), s, name, (void *)(uintptr_t)fn, arg, SN_FF_INT, -1, NULL);
}

int sn_scope_go_on(struct sn_scope *s, unsigned worker, const char *name, int (*fn)(void *arg),
                   void *arg)
{
    if (worker >= sn_worker_count())
        return sn_fail(SN_E_INVALID_ARGUMENT, "no worker %u among %u", worker, sn_worker_count());
    return sn_spawn(sn_worker_cur(), s, name, (void *)(uintptr_t)fn, arg, SN_FF_INT | SN_FF_PINNED,
                    (int)worker, NULL);
}

void sn_scope_cancel(struct sn_scope *s)
{
    if (s == &sn_rt.root) {
        sn_cancel_all();
        return;
    }
    sn_spin_lock(&s->lock);
    if (!SN_LOAD(&s->cancelled)) cancel_tree(s);
    sn_spin_unlock(&s->lock);
}

bool sn_scope_cancelled(const struct sn_scope *s)
{
    return SN_LOAD(&s->cancelled) || (s == &sn_rt.root && SN_LOAD(&sn_rt.root_cancelled));
}

int sn_scope_wait(struct sn_scope *s)
{
    struct sn_fiber *f = sn_worker_cur()->cur;
    SN_ASSERT(s->owner == f);
    bool cancelled = false;
    for (;;) {
        sn_spin_lock(&s->lock);
        if (s->count == 0) break;
        uint64_t t = sn_wait_begin("scope wait");
        s->waiter = t;
        sn_spin_unlock(&s->lock);
        int r = cancelled ? sn_wait_park_always(t) : sn_wait_park(t, SN_FOREVER);
        if (r < 0 && !cancelled) {
            cancelled = true;
            sn_spin_lock(&s->lock);
            s->waiter = 0;
            if (s->error == 0) s->error = r;
            cancel_tree(s);
            sn_spin_unlock(&s->lock);
        }
    }
    int error = s->error;
    struct sn_diag *d = s->diag;
    s->diag = NULL;
    sn_spin_unlock(&s->lock);
    if (d) {
        *sn_diag() = *d;
        sn_free(d);
    }
    return error;
}

int sn_scope_end(struct sn_scope *s)
{
    if (!s->owner) return s->error; /* a panic has joined and closed it on its way */
    int r = sn_scope_wait(s);
    struct sn_fiber *f = s->owner;
    SN_ASSERT(f->scope == s);
    struct sn_scope *parent = s->parent;
    if (parent != &sn_rt.root) {
        sn_spin_lock(&parent->lock);
        sn_list_del(&s->sibling);
        sn_spin_unlock(&parent->lock);
    }
    /* The last member woke us holding the lock; a canceller may hold it too. */
    sn_spin_lock(&s->lock);
    sn_spin_unlock(&s->lock);
    f->scope = parent;
    s->owner = NULL;
    return r;
}

struct sn_scope *sn_scope_current(void)
{
    return sn_worker_cur()->cur->scope;
}

bool sn_cancelled(void)
{
    struct sn_worker *w = sn_worker_cur();
    const struct sn_fiber *f = w->cur;
    if (f->shield) return sn_now() >= f->shield_deadline;
    return SN_LOAD(&f->cancelled) || (f->deadline != SN_FOREVER && sn_now() >= f->deadline);
}

int sn_shield(int64_t max_ns, int (*fn)(void *arg), void *arg)
{
    struct sn_fiber *f = sn_worker_cur()->cur;
    int64_t before = f->shield_deadline, now = sn_now();
    int64_t at = max_ns > SN_FOREVER - now ? SN_FOREVER : now + max_ns;
    SN_ASSERT((f->shield & 0x7f) < 0x7f); /* nesting */
    f->shield_deadline = f->shield ? SN_MIN(before, at) : at;
    f->shield++;
    int r = fn(arg);
    f->shield--;
    f->shield_deadline = before;
    return r;
}

int64_t sn_deadline_tighten(int64_t at_ns)
{
    struct sn_fiber *f = sn_worker_cur()->cur;
    int64_t prev = f->deadline;
    if (at_ns < prev) f->deadline = at_ns;
    return prev;
}

void sn_deadline_restore(int64_t prev_ns)
{
    sn_worker_cur()->cur->deadline = prev_ns;
}

int64_t sn_deadline(void)
{
    return sn_worker_cur()->cur->deadline;
}
