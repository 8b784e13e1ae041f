/* SPDX-License-Identifier: Apache-2.0 */
/* What the leak search must report and what it must never report. Every test holds its objects on
 * the heap and knows who can still reach them. Stale words may hide a leak (fiber/leak.h), so the
 * positive tests make many and want most; the negative ones want none at all. */
#include "core/alloc.h"
#include "fiber/chan.h"
#include "fiber/leak.h"
#include "fiber/sync.h"
#include "harness/test.h"

#define MANY 40
#ifdef SN_TSAN
#define FOUND_MIN 0 /* its history of accesses is memory like any other, and full of addresses */
#else
#define FOUND_MIN (MANY / 2)
#endif

static void on_alloc(void *p, size_t n)
{
    (void)n;
    sn_leak_heap_add(p);
}
static const struct sn_alloc_hooks hooks = {.on_alloc = on_alloc, .on_free = sn_leak_heap_del,
                                            .wipe_bytes_max = 1024};

struct tally {
    unsigned all, named; /* of the name looked for */
    const char *name;
    char others[256];
};
static void each(const struct sn_fiber_info *i, void *arg)
{
    struct tally *t = arg;
    t->all++;
    if (strcmp(i->name, t->name) == 0) {
        t->named++;
        T_ASSERT(i->n_pcs > 2 && i->wait_since_ns > 0);
        T_CSTR(i->state, "waiting");
    } else {
        snprintf(t->others, sizeof t->others, "%s (%s)", i->name, i->wait_reason);
    }
}
static int look(void *arg) { return sn_fiber_leaks(each, arg); }

/* Until every fiber has had the time to wait: `n` of them are parked on something but time. */
static _Atomic unsigned waiting;
static void settle(unsigned n)
{
    while (waiting < n) (void)!sn_sleep(SN_MS);
    (void)!sn_sleep(10 * SN_MS); /* from the counter to the wait is a few instructions */
}
static struct tally leaks(const char *name)
{
    struct tally t = {.name = name};
    int r = sn_offload(look, &t);
    if (r == SN_E_UNAVAILABLE) sn_test_skip("%s", sn_diag_str(r));
    T_OK(r);
    T_EQ(r, (int)t.all);
    return t;
}
/* The hooks stay for the rest of the process, or what is freed after the run would not be wiped. */
static void run_with(unsigned workers, int (*fn)(void *))
{
    sn_leak_heap_forget();
    sn_alloc_set_hooks(&hooks);
    /* Mapped before the stacks, and so above them, with the heap below: stacks lie between blocks. */
    void *above SN_CLEANUP(sn_freep) = sn_alloc(1 << 20);
    waiting = 0;
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, fn, NULL));
}
static void run_both(int (*fn)(void *))
{
    run_with(1, fn);
    run_with(3, fn);
}

/* Everything made for a test, so that it can be freed: hidden from the search by inverting. */
static uintptr_t hidden[4 * MANY];
static unsigned n_hidden;
static SN_NOINLINE void hide(void *p) { hidden[n_hidden++] = ~(uintptr_t)p; }
static void free_chan_at(unsigned i) { sn_chan_free((struct sn_chan *)~hidden[i]); }
/* Overwrites what earlier calls left in dead frames and registers. */
static SN_NOINLINE void clobber(void)
{
    volatile uintptr_t room[512];
    for (unsigned i = 0; i < SN_COUNT_OF(room); i++) room[i] = i;
    __asm__ volatile("" ::: "rbx", "r12", "r13", "r14", "r15", "memory");
}

/* ---- leaked ---- */

static void receiver(void *arg)
{
    int v;
    waiting++;
    (void)!sn_chan_recv(arg, &v);
}
static SN_NOINLINE void spawn_receivers(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct sn_chan *c = sn_chan_new(sizeof(int), 0);
        hide(c);
        T_OK(sn_go("receiver", receiver, c));
    }
}
static int chan_main(void *arg)
{
    (void)arg;
    n_hidden = 0;
    spawn_receivers(MANY);
    clobber();
    settle(MANY);
    struct tally t = leaks("receiver");
    T_ASSERTF((int)t.named >= FOUND_MIN, "%u of %u found", t.named, MANY);
    T_ASSERTF(t.all == t.named, "and %s", t.others);
    T_EQ(sn_fibers_live(), MANY + 1); /* the search has not disturbed them */
    for (unsigned i = 0; i < MANY; i++) {
        int v = 1;
        T_OK(sn_chan_try_send((struct sn_chan *)~hidden[i], &v));
    }
    while (sn_fibers_live() > 1) (void)!sn_sleep(SN_MS);
    for (unsigned i = 0; i < MANY; i++) free_chan_at(i);
    return 0;
}
SN_TEST(leak_receivers_of_unreachable_channels) { run_both(chan_main); }

/* Held by a structure that only the fiber itself knows; and two that wait for each other. */
struct pair {
    struct sn_chan *mine, *other;
    char pad[200];
};
static void partner(void *arg)
{
    struct pair *p = arg;
    int v;
    waiting++;
    (void)!sn_chan_recv(p->mine, &v);
    (void)!sn_chan_send(p->other, &v);
    sn_free(p);
}
static SN_NOINLINE void spawn_pairs(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct sn_chan *a = sn_chan_new(sizeof(int), 0), *b = sn_chan_new(sizeof(int), 0);
        struct pair *p = SN_NEW(struct pair), *q = SN_NEW(struct pair);
        *p = (struct pair){.mine = a, .other = b};
        *q = (struct pair){.mine = b, .other = a};
        hide(a);
        hide(b);
        T_OK(sn_go("partner", partner, p));
        T_OK(sn_go("partner", partner, q));
    }
}
static int pair_main(void *arg)
{
    (void)arg;
    n_hidden = 0;
    spawn_pairs(MANY / 2);
    clobber();
    settle(MANY);
    struct tally t = leaks("partner");
    T_ASSERTF((int)t.named >= FOUND_MIN, "%u of %u found", t.named, MANY);
    T_ASSERTF(t.all == t.named, "and %s", t.others);
    return 0; /* cancelled by the end of the runtime */
}
static void free_hidden(void)
{
    for (unsigned i = 0; i < n_hidden; i++) free_chan_at(i);
}
SN_TEST(leak_deadlocked_pairs)
{
    run_with(1, pair_main);
    free_hidden();
    run_with(3, pair_main);
    free_hidden();
}

/* An owner waits for its scope, whose only member waits for ever. */
static int member(void *arg)
{
    struct sn_event *e = arg;
    waiting++;
    return sn_event_wait(e);
}
static void owner(void *arg)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "member", member, arg));
    (void)sn_scope_end(s);
}
static SN_NOINLINE void spawn_owners(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct sn_event *e = SN_NEW(struct sn_event);
        hide(e);
        T_OK(sn_go("owner", owner, e));
    }
}
static int scope_main(void *arg)
{
    (void)arg;
    struct sn_scope_storage mem; /* theirs are children of ours: that alone wakes nobody */
    struct sn_scope *s = sn_scope_begin(&mem);
    n_hidden = 0;
    spawn_owners(MANY);
    clobber();
    settle(MANY);
    struct tally t = leaks("owner");
    T_ASSERTF((int)t.named >= FOUND_MIN, "%u of %u owners found", t.named, MANY);
    T_ASSERTF((int)t.all >= 2 * FOUND_MIN, "%u owners and members found", t.all);
    sn_scope_cancel(s);
    sn_scope_end(s);
    for (unsigned i = 0; i < MANY; i++) sn_free((void *)~hidden[i]);
    return 0;
}
SN_TEST(leak_scope_of_a_leaked_member) { run_both(scope_main); }

/* ---- not leaked ---- */

static struct sn_chan *global_chan;
static struct holder {
    struct sn_chan *c;
    struct holder *next;
} *global_list;
struct frame {
    int before[5];
    struct sn_event done;
};
static void setter(void *arg)
{
    struct frame *f = arg; /* a pointer to the middle of another fiber's frame is all there is */
    waiting++;
    if (sn_sleep(SN_HOUR) == 0) sn_event_set(&f->done); /* else its frame may be gone */
}
static void frame_waiter(void *arg)
{
    struct frame f = {.done = {0}};
    (void)arg;
    T_OK(sn_go("setter", setter, &f));
    waiting++;
    (void)!sn_event_wait(&f.done);
}
static void sleeper(void *arg)
{
    struct sn_chan *volatile c = arg;
    waiting++;
    (void)!sn_sleep(SN_HOUR);
    (void)c;
}
static void timed(void *arg)
{
    struct sn_event *e = arg;
    waiting++;
    (void)!sn_event_wait_until(e, sn_now() + SN_HOUR);
}
static void chained(void *arg) /* waits on one channel and will serve another */
{
    struct pair *p = arg;
    int v;
    waiting++;
    (void)!sn_chan_recv(p->mine, &v);
    (void)!sn_chan_send(p->other, &v);
}
static void selector(void *arg)
{
    struct pair *p = arg;
    int v;
    struct sn_select_case cases[2] = {{.op = SN_SELECT_RECV, .chan = p->mine, .elem = &v},
                                      {.op = SN_SELECT_RECV, .chan = p->other, .elem = &v}};
    waiting++;
    (void)!sn_select(cases, 2, SN_FOREVER);
}
static int live_main(void *arg)
{
    (void)arg;
    struct sn_chan *c[8];
    struct pair pairs[2];
    struct sn_event *e = SN_NEW(struct sn_event);
    for (unsigned i = 0; i < 8; i++) c[i] = sn_chan_new(sizeof(int), 0);
    global_chan = c[0];
    global_list = SN_NEW(struct holder);
    global_list->next = SN_NEW(struct holder);
    global_list->next->c = c[1];
    T_OK(sn_go("by a global", receiver, c[0]));
    T_OK(sn_go("by a list", receiver, c[1]));
    T_OK(sn_go("by a sleeper", receiver, c[2]));
    T_OK(sn_go("sleeper", sleeper, c[2]));
    T_OK(sn_go("by a frame", frame_waiter, NULL));
    T_OK(sn_go("timed", timed, e));
    pairs[0] = (struct pair){.mine = c[0], .other = c[3]};
    T_OK(sn_go("chained", chained, &pairs[0]));
    T_OK(sn_go("by a waiter", receiver, c[3]));
    pairs[1] = (struct pair){.mine = c[4], .other = c[1]};
    T_OK(sn_go("selector", selector, &pairs[1]));
    for (unsigned i = 2; i < 8; i++) hide(c[i]);
    settle(10);
    for (unsigned round = 0; round < 3; round++) {
        struct tally t = leaks("-");
        T_ASSERTF(t.all == 0, "%u, one is %s", t.all, t.others);
    }
    sn_free(global_list->next);
    sn_free(global_list);
    global_list = NULL;
    hide(e);
    hide(c[1]);
    return 0;
}
SN_TEST(leak_nothing_that_can_be_woken)
{
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        n_hidden = 0;
        run_with(workers, live_main);
        sn_chan_free(global_chan);
        free_chan_at(7);
        sn_free((void *)~hidden[6]);
        for (unsigned i = 0; i < 6; i++) free_chan_at(i);
    }
}

/* Fibers that are always under way, their channels in no memory but their own frames, registers
 * and each other's queues: stopped anywhere, none may be taken for leaked. */
static _Atomic bool stop;
static void bouncer(void *arg)
{
    struct pair p = *(struct pair *)arg;
    int v = 0;
    waiting++;
    while (!stop) {
        if (sn_chan_recv(p.mine, &v) < 0) return;
        if (sn_chan_send(p.other, &v) < 0) return;
    }
}
static int busy_main(void *arg)
{
    static struct pair pairs[2 * 8];
#if defined(SN_ASAN) || defined(SN_TSAN)
    const unsigned rounds = 3; /* cloning a sanitizer's page tables takes most of a second */
#else
    const unsigned rounds = 20;
#endif
    (void)arg;
    stop = false;
    n_hidden = 0;
    for (unsigned i = 0; i < 8; i++) {
        struct sn_chan *a = sn_chan_new(sizeof(int), 1), *b = sn_chan_new(sizeof(int), 0);
        int v = 1;
        pairs[2 * i] = (struct pair){.mine = a, .other = b};
        pairs[2 * i + 1] = (struct pair){.mine = b, .other = a};
        T_OK(sn_chan_send(a, &v));
        T_OK(sn_go_on(i % sn_worker_count(), "bouncer", bouncer, &pairs[2 * i]));
        T_OK(sn_go_on(i / 2 % sn_worker_count(), "bouncer", bouncer, &pairs[2 * i + 1]));
        hide(a);
        hide(b);
    }
    settle(16);
    memset(pairs, 0, sizeof pairs);
    for (unsigned round = 0; round < rounds; round++) {
        struct tally t = leaks("-");
        T_ASSERTF(t.all == 0, "round %u: %u, one is %s", round, t.all, t.others);
    }
    stop = true;
    return 0;
}
SN_TEST(leak_never_a_fiber_under_way)
{
    run_with(1, busy_main);
    free_hidden();
    run_with(3, busy_main);
    free_hidden();
}
