/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/timer.c - per-worker timers: a hierarchical wheel for what is milliseconds away or more, a
 * min-heap for what is due sooner and for simulation, where every timer is exact.
 *
 * Wheel: level 0 has 256 slots of 1 ms, each further level 64 slots of the whole level below.
 * A timer never fires early: its slot is its time rounded up. Moving a timer later does not touch
 * the wheel; the slot's visit finds at_ns in the future and files the timer again.
 * Source: Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987). */
#include "core/alloc.h"
#include "fiber/sched_int.h"

enum { TIMER_IDLE = 0, TIMER_WHEEL = 1, TIMER_HEAP = 2 };
#define EXACT_NS (2 * SN_MS) /* closer than this: the heap */
#define LEVEL_SHIFT(l) (8u + 6u * ((l) - 1u)) /* of level l >= 1, in ms ticks */

void sn_timers_init(struct sn_timers *t, int64_t now, bool exact)
{
    *t = (struct sn_timers){.tick = now / SN_MS, .next_ns = SN_FOREVER, .exact = exact};
}

void sn_timers_done(struct sn_timers *t)
{
    sn_free(t->heap);
    t->heap = NULL;
    t->heap_n = t->heap_cap = 0;
}

/* ---- heap; a timer's index is kept in its `next` field ---- */

static void heap_set(struct sn_timers *ts, size_t i, struct sn_timer *t)
{
    ts->heap[i] = t;
    t->next = (struct sn_timer *)(uintptr_t)i;
}

static void heap_up(struct sn_timers *ts, size_t i, struct sn_timer *t)
{
    while (i > 0) {
        size_t parent = (i - 1) / 4;
        if (ts->heap[parent]->at_ns <= t->at_ns) break;
        heap_set(ts, i, ts->heap[parent]);
        i = parent;
    }
    heap_set(ts, i, t);
}

static void heap_down(struct sn_timers *ts, size_t i, struct sn_timer *t)
{
    for (;;) {
        size_t first = i * 4 + 1, best = i;
        int64_t at = t->at_ns;
        for (size_t c = first; c < first + 4 && c < ts->heap_n; c++)
            if (ts->heap[c]->at_ns < at) {
                best = c;
                at = ts->heap[c]->at_ns;
            }
        if (best == i) break;
        heap_set(ts, i, ts->heap[best]);
        i = best;
    }
    heap_set(ts, i, t);
}

static bool heap_insert(struct sn_timers *ts, struct sn_timer *t)
{
    if (ts->heap_n == ts->heap_cap) {
        size_t cap = ts->heap_cap ? ts->heap_cap * 2 : 64;
        struct sn_timer **h = sn_realloc(ts->heap, cap * sizeof(*h));
        if (!h) return false;
        ts->heap = h;
        ts->heap_cap = cap;
    }
    t->state = TIMER_HEAP;
    heap_up(ts, ts->heap_n++, t);
    return true;
}

static void heap_remove(struct sn_timers *ts, struct sn_timer *t)
{
    size_t i = (size_t)(uintptr_t)t->next;
    struct sn_timer *last = ts->heap[--ts->heap_n];
    if (last == t) return;
    if (i > 0 && ts->heap[(i - 1) / 4]->at_ns > last->at_ns)
        heap_up(ts, i, last);
    else
        heap_down(ts, i, last);
}

/* ---- wheel ---- */

static void slot_push(struct sn_timer **slot, struct sn_timer *t)
{
    t->next = *slot;
    if (t->next) t->next->pprev = &t->next;
    t->pprev = slot;
    *slot = t;
}

static int64_t ms_up(int64_t ns)
{
    return ns > SN_FOREVER - SN_MS ? SN_FOREVER / SN_MS : (ns + SN_MS - 1) / SN_MS;
}

static void wheel_insert(struct sn_timers *ts, struct sn_timer *t)
{
    int64_t ms = ms_up(t->at_ns);
    if (ms < ts->tick) ms = ts->tick;
    uint64_t delta = (uint64_t)(ms - ts->tick);
    t->state = TIMER_WHEEL;
    if (delta < SN_WHEEL0_SLOTS) {
        unsigned s = (unsigned)ms & (SN_WHEEL0_SLOTS - 1);
        slot_push(&ts->slot0[s], t);
        ts->map0[s / 64] |= 1ull << (s % 64);
    } else {
        unsigned l = 1;
        while (l < SN_WHEEL_LEVELS - 1 && delta >= 1ull << LEVEL_SHIFT(l + 1)) l++;
        uint64_t span = 1ull << (LEVEL_SHIFT(l) + 6);
        if (delta >= span)
            ms = ts->tick + (int64_t)span - 1; /* beyond the wheel: filed again then */
        unsigned s = (unsigned)(ms >> LEVEL_SHIFT(l)) & (SN_WHEELN_SLOTS - 1);
        slot_push(&ts->slotn[l - 1][s], t);
        ts->mapn[l - 1] |= 1ull << s;
        ms = (ms >> LEVEL_SHIFT(l)) << LEVEL_SHIFT(l);
    }
    if (ms * SN_MS < ts->next_ns) ts->next_ns = ms * SN_MS;
}

static void timer_insert(struct sn_timers *ts, struct sn_timer *t, int64_t now)
{
    if ((ts->exact || t->at_ns - now < EXACT_NS) && heap_insert(ts, t)) {
        if (t->at_ns < ts->next_ns) ts->next_ns = t->at_ns;
        return;
    }
    wheel_insert(ts, t);
}

static void timer_unlink(struct sn_timers *ts, struct sn_timer *t)
{
    if (t->state == TIMER_HEAP) {
        heap_remove(ts, t);
    } else {
        *t->pprev = t->next;
        if (t->next) t->next->pprev = t->pprev;
    }
    t->state = TIMER_IDLE;
    ts->n--;
}

void sn_timer_arm(struct sn_timer *t, int64_t at_ns, void (*fn)(struct sn_timer *t))
{
    struct sn_worker *w = sn_worker_cur();
    SN_DCHECK(w != NULL);
    t->fn = fn;
    if (t->state != TIMER_IDLE) {
        SN_DCHECK(t->worker == w->index);
        if (t->state == TIMER_WHEEL && at_ns >= t->at_ns) {
            t->at_ns = at_ns;
            return;
        }
        timer_unlink(&w->timers, t);
    }
    t->at_ns = at_ns;
    t->worker = w->index;
    w->timers.n++;
    timer_insert(&w->timers, t, w->now);
}

void sn_timer_cancel(struct sn_timer *t)
{
    if (t->state == TIMER_IDLE) return;
    struct sn_worker *w = sn_worker_cur();
    SN_DCHECK(w != NULL && t->worker == w->index);
    timer_unlink(&w->timers, t);
}

/* The first tick at or after ts->tick whose level-0 slot is filled, or limit. */
static int64_t next0(const struct sn_timers *ts, int64_t limit)
{
    int64_t m = ts->tick;
    while (m < limit) {
        unsigned s = (unsigned)m & (SN_WHEEL0_SLOTS - 1);
        uint64_t word = ts->map0[s / 64] >> (s % 64);
        if (word) {
            m += __builtin_ctzll(word);
            break;
        }
        m += 64 - (s % 64);
    }
    return m < limit ? m : limit;
}

static void fire(struct sn_worker *w, struct sn_timer *t)
{
    t->state = TIMER_IDLE;
    w->timers.n--;
    SN_STORE(&w->timers_fired, w->timers_fired + 1);
    t->fn(t);
}

static void slot_run(struct sn_worker *w, struct sn_timer **slot, int64_t due_ns)
{
    struct sn_timers *ts = &w->timers;
    struct sn_timer *mine = *slot; /* fn may arm into this very slot: take the list first */
    *slot = NULL;
    if (mine) mine->pprev = &mine;
    while (mine) {
        struct sn_timer *t = mine;
        mine = t->next;
        if (mine) mine->pprev = &mine;
        if (t->at_ns <= due_ns)
            fire(w, t);
        else
            wheel_insert(ts, t);
    }
}

/* Files the timers of the higher-level slots that begin at tick `m` into lower levels. */
static void cascade(struct sn_timers *ts, int64_t m)
{
    for (unsigned l = 1; l < SN_WHEEL_LEVELS; l++) {
        if (m & ((1ll << LEVEL_SHIFT(l)) - 1)) break;
        unsigned s = (unsigned)(m >> LEVEL_SHIFT(l)) & (SN_WHEELN_SLOTS - 1);
        struct sn_timer *t = ts->slotn[l - 1][s];
        ts->slotn[l - 1][s] = NULL;
        ts->mapn[l - 1] &= ~(1ull << s);
        while (t) {
            struct sn_timer *next = t->next;
            wheel_insert(ts, t);
            t = next;
        }
    }
}

/* When the wheel must next be visited, in ns; SN_FOREVER when it is empty. */
static int64_t wheel_next(const struct sn_timers *ts)
{
    int64_t best = SN_FOREVER;
    int64_t m = next0(ts, ts->tick + SN_WHEEL0_SLOTS);
    if (m < ts->tick + (int64_t)SN_WHEEL0_SLOTS) best = m * SN_MS;
    for (unsigned l = 1; l < SN_WHEEL_LEVELS; l++) {
        if (!ts->mapn[l - 1]) continue;
        int64_t base = ts->tick >> LEVEL_SHIFT(l);
        bool on_edge = (ts->tick & ((1ll << LEVEL_SHIFT(l)) - 1)) == 0;
        for (unsigned i = on_edge ? 0 : 1; i <= SN_WHEELN_SLOTS; i++) {
            unsigned s = (unsigned)(base + i) & (SN_WHEELN_SLOTS - 1);
            if (ts->mapn[l - 1] >> s & 1) {
                int64_t at = ((base + i) << LEVEL_SHIFT(l)) * SN_MS;
                if (at < best) best = at;
                break;
            }
        }
    }
    return best;
}

int64_t sn_timers_next(struct sn_timers *ts)
{
    if (ts->n == 0) return ts->next_ns = SN_FOREVER;
    int64_t best = wheel_next(ts);
    if (ts->heap_n && ts->heap[0]->at_ns < best) best = ts->heap[0]->at_ns;
    return ts->next_ns = best;
}

void sn_timers_run(struct sn_worker *w)
{
    struct sn_timers *ts = &w->timers;
    int64_t now = w->now, target = now / SN_MS;
    while (ts->tick <= target) {
        if ((ts->tick & (SN_WHEEL0_SLOTS - 1)) == 0) cascade(ts, ts->tick);
        int64_t edge = (ts->tick | (SN_WHEEL0_SLOTS - 1)) + 1;
        int64_t m = next0(ts, SN_MIN(edge, target + 1));
        if (m > target || m == edge) {
            ts->tick = m;
            continue;
        }
        unsigned s = (unsigned)m & (SN_WHEEL0_SLOTS - 1);
        ts->tick = m + 1; /* what fn arms now goes to a later slot, so a slot is visited once */
        ts->map0[s / 64] &= ~(1ull << (s % 64));
        if ((ts->tick & (SN_WHEEL0_SLOTS - 1)) == 0) cascade(ts, ts->tick);
        slot_run(w, &ts->slot0[s], m * SN_MS);
    }
    while (ts->heap_n && ts->heap[0]->at_ns <= now) {
        struct sn_timer *t = ts->heap[0];
        heap_remove(ts, t);
        fire(w, t);
    }
    sn_timers_next(ts);
}
