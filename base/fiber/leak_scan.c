/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/leak_scan.c - the leak search itself, in the clone: marking, with the fibers' stacks as
 * objects that are reached by a pointer into them.
 *
 * One thread, nobody else's locks: no libc that might take one, memory by bare mmap, sorting by
 * hand. Everything that may be written here is this clone's own copy.
 *
 * What a word may point into: a tracked block of the heap (marked and scanned in turn), or a live
 * part of a fiber's stack (that fiber goes on). Roots: fibers that go on anyway, and all writable
 * private memory except stacks of fibers, fiber records and tracked blocks. */
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fiber/leak_int.h"

#define PAGE 4096u
#define MAPPINGS_MAX (1u << 17)
#if defined(SN_ASAN) || defined(SN_TSAN)
#define MAPPING_BYTES_MAX (1ull << 38) /* the sanitizers' shadows, terabytes each */
#else
#define MAPPING_BYTES_MAX UINT64_MAX
#endif
#define PAGEMAP_BATCH 512u
#define PAGEMAP_THERE (3ull << 62) /* present, or swapped out */
#define PAGEMAP_GUARD (1ull << 58) /* MADV_GUARD_INSTALL: reading would fault */

struct span {
    uintptr_t lo, hi;
};
struct stack {
    uintptr_t lo, hi, sp; /* [sp, hi) is in use */
    struct sn_fiber *f;
    bool live;
};
struct search {
    struct sn_leak_job *job;
    struct span *maps, *skip;
    size_t n_maps, n_skip, skip_cap;
    struct stack *stacks; /* by address */
    size_t n_stacks;
    uintptr_t stacks_lo, stacks_hi;
    uintptr_t *blocks; /* by address */
    uint8_t *seen;
    size_t n_blocks;
    uintptr_t blocks_lo, blocks_hi; /* first start, last end */
    uint32_t *todo_blocks, *todo_stacks;
    size_t n_todo_blocks, n_todo_stacks;
    int pagemap;
    bool in_gaps; /* scanning what is in no tracked block */
    uint64_t pages[PAGEMAP_BATCH];
};
static struct search search;

SN_LEAK_RAW static void *grab(size_t n, size_t each)
{
    long p = syscall(SYS_mmap, NULL, n * each + PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p < 0 && p > -PAGE ? NULL : (void *)p;
}

/* ---- what there is ---- */

SN_LEAK_RAW static void skip_add(uintptr_t lo, uintptr_t hi, void *arg)
{
    struct search *s = arg;
    if (s->n_skip < s->skip_cap && lo < hi) s->skip[s->n_skip++] = (struct span){lo, hi};
}

/* Heapsort, by the first field. */
#define SORT(name, type, key)                                                  \
    SN_LEAK_RAW static void name##_sift(type *a, size_t at, size_t n)          \
    {                                                                          \
        for (size_t kid; (kid = 2 * at + 1) < n; at = kid) {                   \
            if (kid + 1 < n && a[kid].key < a[kid + 1].key) kid++;             \
            if (a[at].key >= a[kid].key) return;                               \
            type t = a[at];                                                    \
            a[at] = a[kid];                                                    \
            a[kid] = t;                                                        \
        }                                                                      \
    }                                                                          \
    SN_LEAK_RAW static void name(type *a, size_t n)                            \
    {                                                                          \
        for (size_t i = n / 2; i-- > 0;) name##_sift(a, i, n);                 \
        while (n > 1) {                                                        \
            type t = a[0];                                                     \
            a[0] = a[--n];                                                     \
            a[n] = t;                                                          \
            name##_sift(a, 0, n);                                              \
        }                                                                      \
    }
SORT(sort_spans, struct span, lo)
SORT(sort_stacks, struct stack, lo)

/* One line of /proc/self/maps is "lo-hi perms ...\n"; only private writable mappings count. */
struct maps_parser {
    uintptr_t v[2];
    unsigned field;
    bool writable, private;
};
SN_LEAK_RAW static bool maps_char(struct search *s, struct maps_parser *p, char c)
{
    if (c == '\n') {
        if (p->writable && p->private && p->v[1] - p->v[0] < MAPPING_BYTES_MAX) {
            if (s->n_maps == MAPPINGS_MAX) return false;
            s->maps[s->n_maps++] = (struct span){p->v[0], p->v[1]};
        }
        *p = (struct maps_parser){.field = 0};
    } else if (c == ' ' || (c == '-' && p->field == 0)) {
        p->field++;
    } else if (p->field < 2) {
        p->v[p->field] = p->v[p->field] << 4 | (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    } else if (p->field == 2) {
        p->writable |= c == 'w';
        p->private |= c == 'p';
    }
    return true;
}
SN_LEAK_RAW static bool maps_read(struct search *s)
{
    static char text[PAGE];
    struct maps_parser p = {.field = 0};
    long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY), n = -1;
    if (fd < 0) return false;
    bool ok = true;
    while (ok && (n = syscall(SYS_read, fd, text, sizeof text)) > 0)
        for (long i = 0; ok && i < n; i++) ok = maps_char(s, &p, text[i]);
    (void)syscall(SYS_close, fd);
    return ok && n == 0;
}

SN_LEAK_RAW static bool blocks_read(struct search *s)
{
    size_t n = 0;
    for (int count = 1; count >= 0; count--) {
        for (uint64_t l = sn_leak_leaf_lo; l < sn_leak_leaf_hi; l++) {
            const uint8_t *leaf = sn_leak_leaves[l];
            if (!leaf) continue;
            if (count) skip_add((uintptr_t)leaf, (uintptr_t)leaf + SN_LEAK_LEAF_BYTES, s);
            for (size_t i = 0; i < SN_LEAK_LEAF_BYTES; i += 8) {
                if (*(const uint64_t *)(const void *)(leaf + i) == 0) continue;
                for (size_t k = i; k < i + 8; k++) {
                    if (!leaf[k]) continue;
                    if (count)
                        n++;
                    else
                        s->blocks[s->n_blocks++] =
                            (uintptr_t)l << SN_LEAK_LEAF_BITS | (uintptr_t)k << 4;
                }
            }
        }
        if (count && (!(s->blocks = grab(n, sizeof(*s->blocks))) || !(s->seen = grab(n, 1)) ||
                      !(s->todo_blocks = grab(n, sizeof(*s->todo_blocks)))))
            return false;
    }
    if (n == 0) return true;
    s->blocks_lo = s->blocks[0];
    s->blocks_hi = s->blocks[n - 1] + malloc_usable_size((void *)s->blocks[n - 1]);
    return true;
}

SN_LEAK_RAW static bool stacks_read(struct search *s)
{
    size_t n = 0;
    for (struct sn_chunk *c = sn_rt.chunks; c; c = c->next) n += c->used;
    if (!(s->stacks = grab(n, sizeof(*s->stacks))) ||
        !(s->todo_stacks = grab(n, sizeof(*s->todo_stacks))))
        return false;
    for (struct sn_chunk *c = sn_rt.chunks; c; c = c->next) {
        skip_add((uintptr_t)c, (uintptr_t)(c + 1), s);
        for (uint32_t i = 0; i < c->used; i++) {
            struct sn_fiber *f = &c->rec[i];
            if (f->state == SN_FIBER_FREE || f->state == SN_FIBER_ZOMBIE || !f->stack) continue;
            struct stack k = {.lo = (uintptr_t)f->stack->base, .hi = (uintptr_t)f->stack->top,
                              .sp = (uintptr_t)f->ctx.sp, .f = f};
            if (k.sp < k.lo || k.sp > k.hi) k.sp = k.lo; /* not left yet in this life */
            s->stacks[s->n_stacks++] = k;
        }
    }
    sort_stacks(s->stacks, s->n_stacks);
    if (s->n_stacks == 0) return true;
    s->stacks_lo = s->stacks[0].lo;
    s->stacks_hi = s->stacks[s->n_stacks - 1].hi;
    return true;
}

/* ---- marking ---- */

SN_LEAK_RAW static struct stack *stack_at(struct search *s, uintptr_t v)
{
    size_t lo = 0, hi = s->n_stacks;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (s->stacks[mid].lo <= v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && v < s->stacks[lo - 1].hi ? &s->stacks[lo - 1] : NULL;
}
/* The first block that starts after v. */
SN_LEAK_RAW static size_t block_after(const struct search *s, uintptr_t v)
{
    size_t lo = 0, hi = s->n_blocks;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (s->blocks[mid] <= v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}
SN_LEAK_RAW static uintptr_t block_end(const struct search *s, size_t i)
{
    uintptr_t end = s->blocks[i] + malloc_usable_size((void *)s->blocks[i]);
    return i + 1 < s->n_blocks ? SN_MIN(end, s->blocks[i + 1]) : end;
}

SN_LEAK_RAW static void stack_live(struct search *s, struct stack *k)
{
    if (k->live) return;
    k->live = true;
    s->todo_stacks[s->n_todo_stacks++] = (uint32_t)(k - s->stacks);
}
/* glibc's lists of free chunks name a chunk by its head, whose first word is also the last one of the
 * block in front. Such a link at `at` is known by the link back: v's list node is at v + 16, which
 * is within the heap. Among the blocks there are also links of chunks taken from their lists long
 * ago; a foreign block that holds a true pointer to just the last word of ours is given up for it. */
SN_LEAK_RAW static bool is_free_list(const struct search *s, size_t i, uintptr_t v, uintptr_t at)
{
    if (v + 8 != block_end(s, i) || v % 16) return false;
    if (s->in_gaps && at - s->blocks_lo < s->blocks_hi - s->blocks_lo) return true;
    const uintptr_t *node = (const uintptr_t *)(v + 16);
    return node[0] == at - 24 || node[1] == at - 16;
}
/* The ranges of blocks and of stacks may overlap: threads' arenas lie anywhere between mappings. */
SN_LEAK_RAW static void word(struct search *s, uintptr_t v, uintptr_t at)
{
    if (v - s->blocks_lo < s->blocks_hi - s->blocks_lo) {
        size_t i = block_after(s, v);
        if (i && v < block_end(s, i - 1)) {
            if (s->seen[--i] || is_free_list(s, i, v, at)) return;
            s->seen[i] = 1;
            s->todo_blocks[s->n_todo_blocks++] = (uint32_t)i;
            return;
        }
    }
    if (v - s->stacks_lo < s->stacks_hi - s->stacks_lo) {
        struct stack *k = stack_at(s, v);
        if (k && v >= k->sp) stack_live(s, k);
    }
}
SN_LEAK_RAW static void words(struct search *s, uintptr_t lo, uintptr_t hi)
{
    for (uintptr_t at = (lo + 7) & ~(uintptr_t)7; at + 8 <= hi; at += 8)
        word(s, *(const volatile uintptr_t *)at, at);
}

/* A scope on the stack is linked with its neighbours in other fibers' frames. To be somebody's
 * child is no way to be woken (being cancelled does not count), so those words are left out. */
SN_LEAK_RAW static void stack_words(struct search *s, const struct stack *k)
{
    struct sn_fiber *f = k->f;
    uintptr_t at = k->sp;
    while (at < k->hi) {
        uintptr_t end = k->hi, next = k->hi;
        const struct sn_scope *c = f->scope;
        for (uintptr_t p; p = (uintptr_t)c, p >= k->sp && p + sizeof(*c) <= k->hi; c = c->parent)
            if (p >= at && p < end) end = p, next = p + sizeof(*c);
        words(s, at, end);
        at = next;
    }
}
SN_LEAK_RAW static void fiber_words(struct search *s, const struct sn_fiber *f)
{
    word(s, (uintptr_t)f->arg, 0);
    word(s, (uintptr_t)f->local, 0);
    /* When this fiber ends, the owner of its scope goes on. The scope may be gone in the moment in
     * which the fiber is ending. */
    word(s, (uintptr_t)f->home, 0);
}
SN_LEAK_RAW static void mark(struct search *s)
{
    while (s->n_todo_stacks || s->n_todo_blocks) {
        if (s->n_todo_stacks) {
            const struct stack *k = &s->stacks[s->todo_stacks[--s->n_todo_stacks]];
            stack_words(s, k);
            fiber_words(s, k->f);
        } else {
            size_t i = s->todo_blocks[--s->n_todo_blocks];
            words(s, s->blocks[i], block_end(s, i));
        }
    }
}

/* ---- roots ---- */

/* Waits that only another fiber, thread or callback ends, through the object waited on. What is
 * not known here counts as going on. */
SN_LEAK_RAW static bool ends_by_others(const char *why)
{
    static const char *const known[] = {"chan ",       "select",     "sync.",
                                        "semacquire", "event wait", "scope wait"};
    for (size_t i = 0; why && i < SN_COUNT_OF(known); i++) {
        const char *a = known[i], *b = why;
        while (*a && *a == *b) a++, b++;
        if (!*a) return true;
    }
    return false;
}
SN_LEAK_RAW static bool may_be_leaked(const struct sn_fiber *f)
{
    return f->state == SN_FIBER_WAITING && (f->word & 3) == SN_WAIT_OPEN && !f->cancelled &&
           f->wait_at == SN_FOREVER && ends_by_others(f->wait_reason);
}
/* What a stopped thread was running: its registers, and the part of a fiber's stack in use. */
SN_LEAK_RAW static void root_thread(struct search *s, uintptr_t sp, const struct sn_worker *w,
                                    const struct sn_leak_stop *regs)
{
    struct stack *k = stack_at(s, sp);
    if (k) {
        k->sp = SN_MAX(sp - 128, k->lo); /* with the red zone */
        stack_live(s, k);
    } else if (w && w->cur && w->cur->stack) {
        /* Inside another signal's handler, or on the big stack: how deep is not known. */
        k = stack_at(s, (uintptr_t)w->cur->stack->base);
        if (k && (w->on_big_stack || (sp >= regs->alt_lo && sp < regs->alt_hi))) k->sp = k->lo;
        if (k) stack_live(s, k);
    }
    words(s, regs->alt_lo, regs->alt_hi);
}
SN_LEAK_RAW static void root_fibers(struct search *s)
{
    struct sn_leak_job *j = s->job;
    for (unsigned i = 0; i < sn_rt.n; i++) {
        struct sn_worker *w = &sn_rt.workers[i];
        bool mine = (int)i == j->here;
        uintptr_t sp = mine ? j->here_sp : j->at[i].sp, lo = (uintptr_t)w->thread_stack;
        root_thread(s, sp, w, &j->at[i]);
        /* Below the stack pointer of the worker's own stack are only leftovers. */
        if (sp < lo || sp >= lo + w->thread_stack_size) sp = (uintptr_t)w->sched.sp;
        if (lo && sp > lo + 256 && sp < lo + w->thread_stack_size) skip_add(lo, sp - 256, s);
    }
    if (j->here < 0 && j->here_lo) skip_add(j->here_lo, j->here_sp, s);
    for (size_t i = 0; i < s->n_stacks; i++)
        if (!may_be_leaked(s->stacks[i].f)) stack_live(s, &s->stacks[i]);
    for (struct sn_chunk *c = sn_rt.chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->used; i++)
            if (c->rec[i].state == SN_FIBER_NEW) fiber_words(s, &c->rec[i]);
}

/* Words of [lo, hi) that are in no tracked block, page by page where pages were ever touched. */
SN_LEAK_RAW static void root_gaps(struct search *s, uintptr_t lo, uintptr_t hi)
{
    size_t i = block_after(s, lo);
    if (i && block_end(s, i - 1) > lo) lo = block_end(s, i - 1);
    for (; lo < hi; i++) {
        uintptr_t end = i < s->n_blocks && s->blocks[i] < hi ? s->blocks[i] : hi;
        s->in_gaps = true;
        words(s, lo, end);
        s->in_gaps = false;
        if (end == hi) return;
        lo = block_end(s, i);
    }
}
SN_LEAK_RAW static void root_pages(struct search *s, uintptr_t lo, uintptr_t hi)
{
    while (lo < hi) {
        uintptr_t page = lo / PAGE, left = (hi + PAGE - 1) / PAGE - page;
        uintptr_t n = SN_MIN(left, (uintptr_t)PAGEMAP_BATCH);
        long got = syscall(SYS_pread64, s->pagemap, s->pages, n * 8, page * 8);
        if (got != (long)(n * 8)) { /* not to be had: everything is read */
            root_gaps(s, lo, hi);
            return;
        }
        for (uintptr_t i = 0; i < n; i++) {
            uintptr_t from = SN_MAX(lo, (page + i) * PAGE), to = SN_MIN(hi, (page + i + 1) * PAGE);
            if ((s->pages[i] & PAGEMAP_THERE) && !(s->pages[i] & PAGEMAP_GUARD))
                root_gaps(s, from, to);
        }
        lo = SN_MIN(hi, (page + n) * PAGE);
    }
}
SN_LEAK_RAW static void root_memory(struct search *s)
{
    sort_spans(s->skip, s->n_skip);
    size_t k = 0;
    for (size_t i = 0; i < s->n_maps; i++) {
        uintptr_t lo = s->maps[i].lo, hi = s->maps[i].hi;
        while (lo < hi) {
            while (k < s->n_skip && s->skip[k].hi <= lo) k++;
            uintptr_t end = k < s->n_skip ? SN_MIN(hi, s->skip[k].lo) : hi;
            if (end > lo) root_pages(s, lo, end);
            if (k == s->n_skip || s->skip[k].lo >= hi) break;
            lo = SN_MAX(end, s->skip[k].hi);
        }
        mark(s); /* as we go, so that the lists stay short */
    }
}
/* Blocks inside what is skipped (fiber records) are never scanned, even when reached. */
SN_LEAK_RAW static void skip_blocks(struct search *s)
{
    for (size_t k = 0; k < s->n_skip; k++)
        for (size_t i = block_after(s, s->skip[k].lo - 1);
             i < s->n_blocks && s->blocks[i] < s->skip[k].hi; i++)
            s->seen[i] = 1;
}

SN_LEAK_RAW int sn_leak_search(struct sn_leak_job *job)
{
    struct search *s = &search;
    *s = (struct search){.job = job};
    size_t chunks = 0, leaves = 0;
    for (struct sn_chunk *c = sn_rt.chunks; c; c = c->next) chunks++;
    for (uint64_t l = sn_leak_leaf_lo; l < sn_leak_leaf_hi; l++) leaves += sn_leak_leaves[l] != NULL;
    s->skip_cap = chunks + leaves + sn_stacks_reserved() / PAGE / 16 + 2u * sn_rt.n + 16;
    s->pagemap = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY);
    if (!(s->maps = grab(MAPPINGS_MAX, sizeof(*s->maps))) ||
        !(s->skip = grab(s->skip_cap, sizeof(*s->skip))) || !maps_read(s) || !stacks_read(s) ||
        !blocks_read(s))
        return -1;
    skip_blocks(s); /* the records' */
    skip_add((uintptr_t)s, (uintptr_t)(s + 1), s);
    sn_stacks_regions(skip_add, s);
    for (unsigned i = 0; i < sn_rt.n; i++)
        if (job->at[i].alt_hi)
            skip_add(job->at[i].alt_hi - SN_ALT_STACK_BYTES, job->at[i].alt_hi, s);
    root_fibers(s);
    mark(s);
    root_memory(s);
    mark(s);
    uint32_t n = 0;
    for (size_t i = 0; i < s->n_stacks; i++) {
        struct sn_fiber *f = s->stacks[i].f;
        if (!s->stacks[i].live && n < job->found_max)
            job->found[n++] = (struct sn_leak_found){f, f->id, f->word};
    }
    *job->ret_n = n;
    return 0;
}
