/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/chan_test.c - channels and select: unit tests, and histories of random programs checked
 * against what a FIFO channel may do, in simulation (every interleaving the seeds reach) and on
 * several workers. */
#include "fiber/chan.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "fiber/sim.h"
#include "fiber/sync_int.h"
#include "harness/test.h"

static int run_n(unsigned workers, int (*fn)(void *), void *arg)
{
    struct sn_rt_opts o = {.workers = workers};
    return sn_rt_run(&o, fn, arg);
}

/* ---- one fiber ---- */

static int sizes(void *arg)
{
    (void)arg;
    static const size_t elem[] = {0, 1, 3, 8, 16, 24, 100, 4096};
    for (size_t e = 0; e < SN_COUNT_OF(elem); e++)
        for (size_t cap = 1; cap <= 5; cap += 2) {
            sn_test_row("elem %zu cap %zu", elem[e], cap);
            struct sn_chan *c = sn_chan_new(elem[e], cap);
            T_ASSERT(c);
            T_EQ(sn_chan_cap(c), cap);
            unsigned char *in = sn_alloc(4096), *out = sn_alloc(4096);
            for (unsigned round = 0; round < 3; round++) {
                for (size_t i = 0; i < cap; i++) {
                    memset(in, (int)(round * 16 + i + 1), 4096);
                    T_OK(i % 2 ? sn_chan_try_send(c, in) : sn_chan_send(c, in));
                    T_EQ(sn_chan_len(c), i + 1);
                }
                T_EQ(sn_chan_try_send(c, in), SN_E_AGAIN);
                for (size_t i = 0; i < cap; i++) {
                    memset(out, 0, 4096);
                    T_OK(i % 2 ? sn_chan_recv(c, out) : sn_chan_try_recv(c, out));
                    for (size_t k = 0; k < elem[e]; k++) T_EQ(out[k], round * 16 + i + 1);
                    if (elem[e] < 4096) T_EQ(out[elem[e]], 0);
                }
                T_EQ(sn_chan_try_recv(c, out), SN_E_AGAIN);
            }
            sn_free(in);
            sn_free(out);
            sn_chan_free(c);
        }
    return 0;
}
SN_TEST(chan_sizes) { T_OK(run_n(1, sizes, NULL)); }

SN_TEST(chan_limits)
{
    T_ASSERT(!sn_chan_new(SN_CHAN_ELEM_MAX + 1, 1));
    T_ASSERT(!sn_chan_new(8, SN_CHAN_CAP_MAX + 1));
    sn_chan_free(NULL);
}

static int closing(void *arg)
{
    (void)arg;
    struct sn_chan *c = sn_chan_new(8, 2);
    uint64_t v = 7, got = 0;
    T_OK(sn_chan_send(c, &v));
    sn_chan_close(c);
    sn_chan_close(c);
    T_EQ(sn_chan_send(c, &v), SN_E_CLOSED);
    T_EQ(sn_chan_try_send(c, &v), SN_E_CLOSED);
    T_OK(sn_chan_recv(c, &got));
    T_EQ(got, 7);
    T_EQ(sn_chan_recv(c, &got), SN_E_EOF);
    T_EQ(sn_chan_try_recv(c, &got), SN_E_EOF);
    T_EQ(sn_chan_recv(c, NULL), SN_E_EOF);
    sn_chan_free(c);
    return 0;
}
SN_TEST(chan_close) { T_OK(run_n(1, closing, NULL)); }

static int time_limits(void *arg)
{
    (void)arg;
    struct sn_chan *c = sn_chan_new(8, 0);
    uint64_t v = 1;
    int64_t d = sn_deadline_tighten(sn_now() + 2 * SN_MS);
    T_EQ(sn_chan_recv(c, &v), SN_E_DEADLINE_EXCEEDED);
    T_EQ(sn_chan_send(c, &v), SN_E_DEADLINE_EXCEEDED);
    struct sn_select_case k[2] = {{c, SN_SELECT_RECV, &v, 0}, {c, SN_SELECT_SEND, &v, 0}};
    T_EQ(sn_select(k, 2, SN_FOREVER), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    T_EQ(sn_select(k, 2, 0), SN_E_AGAIN);
    T_EQ(sn_select(k, 2, sn_now() + SN_MS), SN_E_DEADLINE_EXCEEDED); /* it must not meet itself */
    T_EQ(sn_select(NULL, 0, sn_now() + SN_MS), SN_E_DEADLINE_EXCEEDED);
    T_EQ(sn_select(k, SN_SELECT_MAX + 1, 0), SN_E_INVALID_ARGUMENT);
    k[0].chan = k[1].chan = NULL;
    T_EQ(sn_select(k, 2, 0), SN_E_AGAIN);
    T_EQ(sn_select(k, 2, sn_now() + SN_MS), SN_E_DEADLINE_EXCEEDED);
    /* Nobody is left on the queues: a send finds no receiver. */
    T_EQ(sn_chan_try_send(c, &v), SN_E_AGAIN);
    T_EQ(sn_chan_try_recv(c, &v), SN_E_AGAIN);
    sn_chan_free(c);
    return 0;
}
SN_TEST(chan_time_limits) { T_OK(run_n(1, time_limits, NULL)); }

static int cancel_member(void *arg)
{
    uint64_t v;
    int r = sn_chan_recv(arg, &v);
    T_EQ(r, SN_E_CANCELLED);
    T_EQ(sn_chan_send(arg, &v), SN_E_CANCELLED); /* there is room, and still */
    return 0;
}
static int cancelling(void *arg)
{
    (void)arg;
    struct sn_chan *c = sn_chan_new(8, 1);
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_scope_go(s, "member", cancel_member, c));
    T_OK(sn_sleep(SN_MS));
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    T_EQ(sn_chan_len(c), 0);
    sn_chan_free(c);
    return 0;
}
SN_TEST(chan_cancel) { T_OK(run_n(1, cancelling, NULL)); }
SN_TEST(chan_cancel_workers) { T_OK(run_n(3, cancelling, NULL)); }

/* ---- rendezvous ---- */

struct pair {
    struct sn_chan *a, *b;
    int n;
};
static void echo(void *arg)
{
    struct pair *p = arg;
    uint64_t v;
    while (sn_chan_recv(p->a, &v) == 0) {
        v++;
        T_OK(sn_chan_send(p->b, &v));
    }
    sn_chan_close(p->b);
}
static int ping_pong(void *arg)
{
    struct pair p = {sn_chan_new(8, 0), sn_chan_new(8, 0), *(int *)arg};
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    T_OK(sn_go("echo", echo, &p));
    uint64_t v = 0;
    for (int i = 0; i < p.n; i++) {
        T_OK(sn_chan_send(p.a, &v));
        T_OK(sn_chan_recv(p.b, &v));
        T_EQ(v, i + 1);
    }
    sn_chan_close(p.a);
    T_EQ(sn_chan_recv(p.b, &v), SN_E_EOF);
    T_OK(sn_scope_end(s));
    sn_chan_free(p.a);
    sn_chan_free(p.b);
    return 0;
}
SN_TEST(chan_ping_pong)
{
    int n = 20000;
    T_OK(run_n(1, ping_pong, &n));
}
SN_TEST(chan_ping_pong_workers)
{
    int n = 5000;
    T_OK(run_n(2, ping_pong, &n));
}

/* ---- select ---- */

static int select_fair(void *arg)
{
    (void)arg;
    enum { N = 7, ROUNDS = 14000 };
    struct sn_chan *c[N];
    struct sn_select_case k[N + 1];
    unsigned hits[N] = {0};
    uint64_t v = 1;
    for (unsigned i = 0; i < N; i++) {
        c[i] = sn_chan_new(8, 1);
        if (i % 2) T_OK(sn_chan_send(c[i], &v)); /* odd ones ready to receive, even ones to send */
        k[i] = (struct sn_select_case){c[i], i % 2 ? SN_SELECT_RECV : SN_SELECT_SEND, &v, 0};
    }
    k[N] = (struct sn_select_case){NULL, SN_SELECT_RECV, &v, 0};
    for (unsigned r = 0; r < ROUNDS; r++) {
        int i = sn_select(k, N + 1, SN_FOREVER);
        T_ASSERT(i >= 0 && i < N);
        T_EQ(k[i].status, 0);
        hits[i]++;
        T_OK(i % 2 ? sn_chan_try_send(c[i], &v) : sn_chan_try_recv(c[i], NULL));
    }
    /* 2000 expected, standard deviation 41: eight of them cannot happen by chance. */
    for (unsigned i = 0; i < N; i++)
        T_ASSERTF(hits[i] > 1670 && hits[i] < 2330, "case %u chosen %u times of 2000", i, hits[i]);
    for (unsigned i = 0; i < N; i++) sn_chan_free(c[i]);
    return 0;
}
SN_TEST(select_is_uniform) { T_OK(run_n(1, select_fair, NULL)); }

/* Both fibers offer to send and to receive on one channel: each must meet the other, never itself.
 */
struct meet {
    struct sn_chan *c;
    _Atomic int sent, received;
};
static void meeter(void *arg)
{
    struct meet *m = arg;
    for (int i = 0; i < 500; i++) {
        uint64_t out = sn_fiber_id(sn_self()), in = 0;
        struct sn_select_case k[2] = {{m->c, SN_SELECT_SEND, &out, 0},
                                      {m->c, SN_SELECT_RECV, &in, 0}};
        int r = sn_select(k, 2, SN_FOREVER);
        T_ASSERT(r == 0 || r == 1);
        T_EQ(k[r].status, 0);
        if (r == 1) {
            T_ASSERT(in != out && in != 0);
            m->received++;
        } else {
            m->sent++;
        }
    }
}
static int meeting(void *arg)
{
    (void)arg;
    struct meet m = {.c = sn_chan_new(8, 0)};
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_go("a", meeter, &m));
    T_OK(sn_go("b", meeter, &m));
    T_OK(sn_scope_end(s));
    T_EQ(m.sent, 500);
    T_EQ(m.received, 500);
    sn_chan_free(m.c);
    return 0;
}
SN_TEST(select_same_channel) { T_OK(run_n(1, meeting, NULL)); }
SN_TEST(select_same_channel_workers) { T_OK(run_n(2, meeting, NULL)); }

struct wide {
    struct sn_chan *c[SN_SELECT_MAX];
    int order[SN_SELECT_MAX];
};
static void wide_sender(void *arg)
{
    struct wide *w = arg;
    for (int i = 0; i < SN_SELECT_MAX; i++) {
        uint64_t v = (uint64_t)w->order[i];
        if (i % 5 == 4) sn_chan_close(w->c[w->order[i]]);
        else T_OK(sn_chan_send(w->c[w->order[i]], &v));
    }
}
static int wide_select(void *arg)
{
    (void)arg;
    struct wide w;
    uint64_t v[SN_SELECT_MAX];
    struct sn_select_case k[SN_SELECT_MAX];
    for (int i = 0; i < SN_SELECT_MAX; i++) {
        w.c[i] = sn_chan_new(8, 0);
        w.order[i] = (i * 37 + 11) % SN_SELECT_MAX;
        k[i] = (struct sn_select_case){w.c[i], SN_SELECT_RECV, &v[i], 0};
    }
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_go("sender", wide_sender, &w));
    bool seen[SN_SELECT_MAX] = {false};
    for (int i = 0; i < SN_SELECT_MAX; i++) {
        int r = sn_select(k, SN_SELECT_MAX, SN_FOREVER);
        T_ASSERT(r >= 0 && !seen[r]);
        seen[r] = true;
        if (k[r].status == 0) T_EQ(v[r], r);
        else T_EQ(k[r].status, SN_E_EOF);
        k[r].chan = NULL; /* a closed one would be ready for ever */
    }
    T_OK(sn_scope_end(s));
    for (int i = 0; i < SN_SELECT_MAX; i++) sn_chan_free(w.c[i]);
    return 0;
}
SN_TEST(select_wide) { T_OK(run_n(1, wide_select, NULL)); }
SN_TEST(select_wide_workers) { T_OK(run_n(2, wide_select, NULL)); }

/* ---- histories ---- */

/* A run records, for every operation, the interval of a global counter in which it took effect. For
 * distinct values a history is that of a FIFO channel only if: a value is received at most once,
 * not before its send began, and only if its send did not fail; what was sent (and the channel
 * then drained) was received; and no value overtakes one whose send had ended before its own began.
 */
enum { VALUES = 160, CHANS = 3 };
struct value {
    unsigned sent_from, sent_to; /* counter at begin and end of the send; to 0 = never ended */
    unsigned recv_from, recv_to; /* of the receive that got it */
    int result;
    uint8_t chan;
    _Atomic uint8_t received;
};
struct history {
    struct sn_chan *c[CHANS];
    struct value v[VALUES];
    _Atomic unsigned clock, next_value, active;
    bool closes;
    uint64_t seed;
    unsigned fibers, ops;
};
struct actor {
    struct history *h;
    struct sn_rand rand;
};

static void note_recv(struct history *h, unsigned chan, uint64_t v, unsigned from)
{
    T_ASSERTF(v < VALUES, "received %llu, which nobody sent", (unsigned long long)v);
    struct value *x = &h->v[v];
    T_ASSERTF(!atomic_exchange(&x->received, 1), "value %llu received twice",
              (unsigned long long)v);
    T_EQ(x->chan, chan);
    x->recv_from = from;
    x->recv_to = ++h->clock;
}
static uint64_t next_value(struct history *h, unsigned chan)
{
    unsigned v = h->next_value++;
    if (v >= VALUES) return VALUES;
    h->v[v].chan = (uint8_t)chan;
    h->v[v].sent_from = ++h->clock;
    return v;
}
static void note_send(struct history *h, uint64_t v, int r)
{
    h->v[v].result = r;
    h->v[v].sent_to = ++h->clock;
}

static void one_select(struct history *h, struct sn_rand *rnd)
{
    uint64_t in[4], out = VALUES;
    struct sn_select_case k[4];
    unsigned chan[4], n = 1 + (unsigned)sn_rand_below(rnd, 4);
    for (unsigned i = 0; i < n; i++) {
        chan[i] = (unsigned)sn_rand_below(rnd, CHANS);
        k[i] = (struct sn_select_case){h->c[chan[i]], SN_SELECT_RECV, &in[i], 99};
        if (out == VALUES && sn_rand_below(rnd, 2)) {
            out = next_value(h, chan[i]);
            if (out == VALUES) return;
            k[i].op = SN_SELECT_SEND;
            k[i].elem = &out;
        }
    }
    unsigned from = ++h->clock;
    int64_t at =
        sn_rand_below(rnd, 3) == 0 ? 0 : sn_now() + (int64_t)sn_rand_below(rnd, 40) * SN_US;
    int r = sn_select(k, n, at);
    bool sent = r >= 0 && k[r].op == SN_SELECT_SEND;
    if (out != VALUES) note_send(h, out, sent ? k[r].status : SN_E_AGAIN);
    if (r < 0) {
        T_ASSERT(r == SN_E_DEADLINE_EXCEEDED || (r == SN_E_AGAIN && at == 0));
    } else if (!sent) {
        T_ASSERT(k[r].status == 0 || (k[r].status == SN_E_EOF && h->closes));
        if (k[r].status == 0) note_recv(h, chan[r], in[r], from);
    }
}

static void one_op(struct history *h, struct sn_rand *rnd)
{
    unsigned chan = (unsigned)sn_rand_below(rnd, CHANS);
    unsigned op = (unsigned)sn_rand_below(rnd, 16);
    struct sn_chan *c = h->c[chan];
    int64_t d =
        sn_deadline_tighten(sn_rand_below(rnd, 2) ? sn_now() + 30 * SN_US : sn_now() + SN_MS);
    if (op < 5) {
        uint64_t v = next_value(h, chan);
        if (v < VALUES) note_send(h, v, op < 3 ? sn_chan_send(c, &v) : sn_chan_try_send(c, &v));
    } else if (op < 10) {
        uint64_t v = VALUES;
        unsigned from = ++h->clock;
        int r = op < 8 ? sn_chan_recv(c, &v) : sn_chan_try_recv(c, &v);
        if (r == 0) note_recv(h, chan, v, from);
        else T_ASSERT(r != SN_E_EOF || h->closes);
    } else if (op < 15) {
        one_select(h, rnd);
    } else if (h->closes && sn_rand_below(rnd, 8) == 0) {
        sn_chan_close(c);
    }
    sn_deadline_restore(d);
}

static void act(void *arg)
{
    struct actor *a = arg;
    for (unsigned i = 0; i < a->h->ops; i++) one_op(a->h, &a->rand);
}

static void check_history(const struct history *h)
{
    unsigned n = SN_MIN((unsigned)h->next_value, (unsigned)VALUES);
    for (unsigned i = 0; i < n; i++) {
        const struct value *a = &h->v[i];
        T_ASSERTF(a->sent_to, "value %u: its send never ended", i);
        if (a->result == 0) T_ASSERTF(a->received, "value %u was sent and lost", i);
        else T_ASSERTF(!a->received, "value %u: send failed with %d, yet it came", i, a->result);
        if (!a->received) continue;
        T_ASSERTF(a->recv_to > a->sent_from, "value %u came before it was sent", i);
        for (unsigned k = 0; k < n; k++) {
            const struct value *b = &h->v[k];
            if (k == i || !b->received || b->chan != a->chan || a->sent_to >= b->sent_from)
                continue;
            T_ASSERTF(b->recv_to > a->recv_from, "value %u overtook value %u", k, i);
        }
    }
}

static int history_main(void *arg)
{
    struct history *h = arg;
    struct sn_rand rnd;
    sn_rand_seed(&rnd, h->seed);
    h->closes = sn_rand_below(&rnd, 2);
    for (unsigned i = 0; i < CHANS; i++) h->c[i] = sn_chan_new(8, sn_rand_below(&rnd, 4));
    struct actor a[12];
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < h->fibers; i++) {
        a[i].h = h;
        sn_rand_seed(&a[i].rand, sn_rand_u64(&rnd));
        T_OK(sn_go("actor", act, &a[i]));
    }
    T_OK(sn_scope_end(s));
    for (unsigned i = 0; i < CHANS; i++) {
        uint64_t v;
        unsigned from = ++h->clock;
        while (sn_chan_try_recv(h->c[i], &v) == 0) {
            note_recv(h, i, v, from);
            from = ++h->clock;
        }
        sn_chan_free(h->c[i]);
    }
    check_history(h);
    return 0;
}

SN_TEST_SLOW(chan_histories_sim, 120)
{
    unsigned n = sn_test_cases(3000);
    for (unsigned i = 0; i < n; i++) {
        uint64_t seed = sn_test_seed() + i, hash[2];
        sn_test_row("seed %llu", (unsigned long long)seed);
        for (unsigned twice = 0; twice < (i % 50 ? 1u : 2u); twice++) {
            static struct history h;
            h = (struct history){.seed = seed, .fibers = 2 + (unsigned)(seed % 6), .ops = 20};
            struct sn_sim_opts o = {.seed = seed};
            T_OK(sn_sim_run(&o, history_main, &h, &hash[twice]));
        }
        if (i % 50 == 0) T_ASSERTF(hash[0] == hash[1], "one seed, two runs");
    }
}

static void histories_on(unsigned workers, unsigned base)
{
    unsigned n = sn_test_cases(base);
    for (unsigned i = 0; i < n; i++) {
        static struct history h;
        h = (struct history){.seed = sn_test_seed() + i, .fibers = 8, .ops = 24};
        sn_test_row("seed %llu", (unsigned long long)h.seed);
        T_OK(run_n(workers, history_main, &h));
    }
}
SN_TEST_SLOW(chan_histories_1_worker, 60) { histories_on(1, 200); }
SN_TEST_SLOW(chan_histories_4_workers, 120) { histories_on(4, 200); }

/* ---- volume: sums and counts survive many producers, consumers and time limits ---- */

struct volume {
    struct sn_chan *c;
    _Atomic uint64_t sent, sent_sum, got, got_sum;
    unsigned per_producer;
    struct sn_waitgroup producers;
};
static void producer(void *arg)
{
    struct volume *v = arg;
    for (unsigned i = 0; i < v->per_producer; i++) {
        uint64_t x = sn_random() >> 8;
        int64_t d = sn_deadline_tighten(i % 7 ? SN_FOREVER : sn_now() + 5 * SN_US);
        struct sn_select_case k = {v->c, SN_SELECT_SEND, &x, 0};
        int r = i % 3 ? sn_chan_send(v->c, &x) : sn_select(&k, 1, SN_FOREVER);
        sn_deadline_restore(d);
        if (r < 0) {
            T_EQ(r, SN_E_DEADLINE_EXCEEDED);
            continue;
        }
        v->sent++;
        v->sent_sum += x;
    }
    sn_waitgroup_done(&v->producers);
}
static void consumer(void *arg)
{
    struct volume *v = arg;
    for (unsigned i = 0;; i++) {
        uint64_t x;
        int64_t d = sn_deadline_tighten(i % 5 ? SN_FOREVER : sn_now() + 5 * SN_US);
        int r = sn_chan_recv(v->c, &x);
        sn_deadline_restore(d);
        if (r == SN_E_EOF) return;
        if (r == SN_E_DEADLINE_EXCEEDED) continue;
        T_OK(r);
        v->got++;
        v->got_sum += x;
    }
}
static int volume_main(void *arg)
{
    struct volume *v = arg;
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    sn_waitgroup_add(&v->producers, 6);
    for (int i = 0; i < 6; i++) {
        T_OK(sn_go_on((unsigned)i % sn_worker_count(), "producer", producer, v));
        T_OK(sn_go_on((unsigned)(i + 1) % sn_worker_count(), "consumer", consumer, v));
    }
    T_OK(sn_waitgroup_wait(&v->producers));
    sn_chan_close(v->c);
    T_OK(sn_scope_end(s));
    T_EQ(v->got, v->sent);
    T_EQ(v->got_sum, v->sent_sum);
    T_ASSERT(v->sent > 0);
    return 0;
}
static void volume(unsigned workers, size_t cap)
{
    struct volume v = {.c = sn_chan_new(8, cap), .per_producer = 3000};
    T_OK(run_n(workers, volume_main, &v));
    sn_chan_free(v.c);
}
SN_TEST(chan_volume_unbuffered) { volume(1, 0); }
SN_TEST_SLOW(chan_volume_unbuffered_4, 60) { volume(4, 0); }
SN_TEST_SLOW(chan_volume_buffered_4, 60) { volume(4, 3); }

/* The same through selects that offer several channels at once: a peer may win one case while the
 * select still queues on the next, and two selects may meet each other. */
enum { RACE_CHANS = 4 };
struct race {
    struct sn_chan *c[RACE_CHANS];
    unsigned chans, fibers, ops;
    _Atomic uint64_t sent, received;
    struct sn_waitgroup senders;
};
static void race_sender(void *arg)
{
    struct race *r = arg;
    uint64_t v[RACE_CHANS], sum = 0;
    struct sn_select_case k[RACE_CHANS];
    for (uint64_t i = 1; i <= r->ops; i++) {
        for (unsigned x = 0; x < r->chans; x++) {
            v[x] = i << 8 | x; /* which case was performed must be the channel it came by */
            k[x] = (struct sn_select_case){r->c[x], SN_SELECT_SEND, &v[x], 1};
        }
        int at = sn_select(k, r->chans, SN_FOREVER);
        T_OK(at);
        T_EQ(k[at].status, 0);
        sum += v[at];
    }
    r->sent += sum;
    sn_waitgroup_done(&r->senders);
}
static void race_receiver(void *arg)
{
    struct race *r = arg;
    uint64_t v[RACE_CHANS], sum = 0;
    struct sn_select_case k[RACE_CHANS];
    for (unsigned x = 0; x < r->chans; x++)
        k[x] = (struct sn_select_case){r->c[x], SN_SELECT_RECV, &v[x], 1};
    for (unsigned open = r->chans; open;) {
        for (unsigned x = 0; x < r->chans; x++) v[x] = 255;
        int at = sn_select(k, r->chans, SN_FOREVER);
        T_OK(at);
        if (k[at].status == SN_E_EOF) {
            k[at].chan = NULL;
            open--;
            continue;
        }
        T_EQ(k[at].status, 0);
        T_EQ(v[at] & 255, at);
        for (unsigned x = 0; x < r->chans; x++)
            if ((int)x != at) T_EQ(v[x], 255); /* nothing was delivered to a losing case */
        sum += v[at];
    }
    r->received += sum;
}
static int race_main(void *arg)
{
    struct race *r = arg;
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    sn_waitgroup_add(&r->senders, r->fibers);
    for (unsigned i = 0; i < r->fibers; i++) {
        T_OK(sn_go_on(i % sn_worker_count(), "sender", race_sender, r));
        T_OK(sn_go_on((i + 1) % sn_worker_count(), "receiver", race_receiver, r));
    }
    T_OK(sn_waitgroup_wait(&r->senders));
    for (unsigned i = 0; i < r->chans; i++) sn_chan_close(r->c[i]);
    T_OK(sn_scope_end(s));
    T_EQ(r->received, r->sent);
    return 0;
}
#ifndef NDEBUG
/* 0 to 4 us, every other time none. */
static void dawdle(void)
{
    static _Atomic uint64_t n;
    uint64_t x = ++n * 0x9e3779b97f4a7c15ull >> 40;
    if (x & 1) return;
    int64_t until = sn_now() + (int64_t)(x >> 1) % (4 * SN_US);
    while (sn_now() < until) {
    }
}
#endif
static void race(unsigned workers, unsigned chans, unsigned fibers, unsigned ops, size_t cap)
{
    struct race r = {.chans = chans, .fibers = fibers, .ops = ops};
    for (unsigned i = 0; i < chans; i++) r.c[i] = sn_chan_new(8, i % 2 ? cap : 0);
#ifndef NDEBUG
    sn_race_hook = dawdle;
#endif
    T_OK(run_n(workers, race_main, &r));
    for (unsigned i = 0; i < chans; i++) sn_chan_free(r.c[i]);
}
SN_TEST_SLOW(select_meets_select_2, 60) { race(2, RACE_CHANS, 3, 8000, 0); }
SN_TEST_SLOW(select_meets_select_few, 60) { race(2, 3, 1, 20000, 0); }
SN_TEST_SLOW(select_meets_select_4, 60) { race(4, RACE_CHANS, 3, 8000, 1); }
/* Nobody else would come to match two that missed each other: a miss is a hang. */
SN_TEST_SLOW(select_meets_select_alone, 60) { race(2, 1, 1, 40000, 0); }

/* ---- a waiting sender enters the ring as soon as there is room ---- */

static void waiting_sender(void *arg)
{
    uint64_t v = 2;
    T_OK(sn_chan_send(arg, &v));
}
static int refill(void *arg)
{
    (void)arg;
    struct sn_chan *c = sn_chan_new(8, 1);
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    uint64_t v = 1;
    T_OK(sn_chan_send(c, &v));
    T_OK(sn_go_on(0, "sender", waiting_sender, c));
    T_OK(sn_sleep(SN_MS));
    T_OK(sn_chan_recv(c, &v));
    T_EQ(v, 1);
    T_EQ(sn_chan_len(c), 1); /* its value is ahead of whatever is sent from now on */
    T_EQ(sn_chan_try_send(c, &v), SN_E_AGAIN);
    T_OK(sn_scope_end(s));
    T_OK(sn_chan_recv(c, &v));
    T_EQ(v, 2);
    sn_chan_free(c);
    return 0;
}
SN_TEST(chan_waiting_sender_enters_ring) { T_OK(run_n(1, refill, NULL)); }

/* ---- from threads ---- */

#include <pthread.h>
static void *thread_sender(void *arg)
{
    struct volume *v = arg;
    for (uint64_t i = 1; i <= 2000;) {
        int r = sn_chan_try_send(v->c, &i);
        if (r == SN_E_AGAIN) {
            sched_yield();
            continue;
        }
        T_OK(r);
        v->sent_sum += i++;
    }
    sn_chan_close(v->c);
    return NULL;
}
/* A thread must be out of the runtime's calls before the runtime ends. */
static int join_thread(void *arg) { return pthread_join(*(pthread_t *)arg, NULL); }
static int thread_receiver(void *arg)
{
    struct volume *v = arg;
    uint64_t x, last = 0;
    int r;
    pthread_t t;
    T_EQ(pthread_create(&t, NULL, thread_sender, v), 0);
    while ((r = sn_chan_recv(v->c, &x)) == 0) {
        T_EQ(x, last + 1);
        last = x;
    }
    T_EQ(r, SN_E_EOF);
    T_EQ(last, 2000);
    T_EQ(sn_offload(join_thread, &t), 0);
    return 0;
}
SN_TEST(chan_from_thread)
{
    for (size_t cap = 0; cap < 3; cap++) {
        struct volume v = {.c = sn_chan_new(8, cap)};
        T_OK(run_n(2, thread_receiver, &v));
        sn_chan_free(v.c);
    }
}
