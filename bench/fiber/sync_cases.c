/* SPDX-License-Identifier: Apache-2.0 */
/* bench/fiber/sync_cases.c - channels, select, locks, and the lock-free ring beside the channel. */
#include <stdlib.h>

#include "bench.h"
#include "core/ring.h"
#include "fiber/chan.h"
#include "fiber/sync.h"

static void must(int r)
{
    if (r < 0) abort();
}
/* The peer of a two-sided case: with two workers, on the other one. */
static void go_peer(sn_fiber_fn fn, void *arg)
{
    must(sn_go_on(((unsigned)sn_worker_id() + 1) % sn_worker_count(), NULL, fn, arg));
}

/* ---- channels ---- */

struct pair {
    struct sn_chan *a, *b;
    uint64_t n;
};

static void echo(void *arg)
{
    struct pair *p = arg;
    uint64_t v;
    while (sn_chan_recv(p->a, &v) == 0) {
        v++;
        must(sn_chan_send(p->b, &v));
    }
    sn_chan_close(p->b);
}

/* As Go's runtime would place them: the peer is started here, unpinned, and runs where it may. */
static void bench_ping_pong(uint64_t n)
{
    struct pair p = {sn_chan_new(8, 0), sn_chan_new(8, 0), n};
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    must(sn_go(NULL, echo, &p));
    uint64_t v = 0;
    for (uint64_t i = 0; i < n; i++) {
        must(sn_chan_send(p.a, &v));
        must(sn_chan_recv(p.b, &v));
    }
    sn_chan_close(p.a);
    must(sn_scope_end(s));
    sn_chan_free(p.a);
    sn_chan_free(p.b);
}

static void produce(void *arg)
{
    struct pair *p = arg;
    for (uint64_t i = 0; i < p->n; i++) must(sn_chan_send(p->a, &i));
    sn_chan_close(p->a);
}

static void stream(uint64_t n, size_t cap, bool across)
{
    struct pair p = {sn_chan_new(8, cap), NULL, n};
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    if (across) go_peer(produce, &p);
    else must(sn_go(NULL, produce, &p));
    uint64_t v;
    while (sn_chan_recv(p.a, &v) == 0) {
    }
    must(sn_scope_end(s));
    sn_chan_free(p.a);
}
static void bench_unbuffered(uint64_t n) { stream(n, 0, false); }
static void bench_buffered(uint64_t n) { stream(n, 128, false); }

static void bench_solo(uint64_t n)
{
    struct sn_chan *c = sn_chan_new(8, 1);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t v = i;
        must(sn_chan_send(c, &v));
        must(sn_chan_recv(c, &v));
    }
    sn_chan_free(c);
}

/* ---- select ---- */

static void feed_a(void *arg)
{
    struct pair *p = arg;
    for (uint64_t i = 0; i < p->n / 2; i++) must(sn_chan_send(p->a, &i));
}
static void feed_b(void *arg)
{
    struct pair *p = arg;
    for (uint64_t i = 0; i < p->n / 2; i++) must(sn_chan_send(p->b, &i));
}

static void bench_select_wait(uint64_t n)
{
    struct pair p = {sn_chan_new(8, 0), sn_chan_new(8, 0), n};
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    must(sn_go(NULL, feed_a, &p));
    must(sn_go(NULL, feed_b, &p));
    uint64_t v;
    struct sn_select_case k[2] = {{p.a, SN_SELECT_RECV, &v, 0}, {p.b, SN_SELECT_RECV, &v, 0}};
    for (uint64_t i = 0; i < n / 2 * 2; i++) must(sn_select(k, 2, SN_FOREVER));
    must(sn_scope_end(s));
    sn_chan_free(p.a);
    sn_chan_free(p.b);
}

static void bench_select_ready(uint64_t n)
{
    struct sn_chan *a = sn_chan_new(8, 1), *b = sn_chan_new(8, 1);
    uint64_t v = 1;
    struct sn_select_case put[2] = {{a, SN_SELECT_SEND, &v, 0}, {b, SN_SELECT_RECV, &v, 0}};
    struct sn_select_case get[2] = {{a, SN_SELECT_RECV, &v, 0}, {b, SN_SELECT_RECV, &v, 0}};
    for (uint64_t i = 0; i < n; i++) {
        must(sn_select(put, 2, SN_FOREVER));
        must(sn_select(get, 2, SN_FOREVER));
    }
    sn_chan_free(a);
    sn_chan_free(b);
}

/* ---- locks ---- */

static void bench_mutex(uint64_t n)
{
    struct sn_mutex m = {0};
    for (uint64_t i = 0; i < n; i++) {
        must(sn_mutex_lock(&m));
        sn_mutex_unlock(&m);
    }
}

struct shared {
    struct sn_mutex m;
    struct sn_cond c[2];
    uint64_t x, n;
    unsigned turn;
    _Atomic unsigned ids;
};
static void sharer(void *arg)
{
    struct shared *h = arg;
    for (uint64_t i = 0; i < h->n / 8; i++) {
        must(sn_mutex_lock(&h->m));
        h->x++;
        sn_mutex_unlock(&h->m);
    }
}
static void bench_mutex_shared(uint64_t n)
{
    struct shared h = {.n = n};
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (unsigned i = 0; i < 8; i++) must(sn_go_on(i % sn_worker_count(), NULL, sharer, &h));
    must(sn_scope_end(s));
    if (h.x != n / 8 * 8) abort();
}

static void bench_waitgroup(uint64_t n)
{
    struct sn_waitgroup w = {0};
    for (uint64_t i = 0; i < n; i++) {
        sn_waitgroup_add(&w, 1);
        sn_waitgroup_done(&w);
        must(sn_waitgroup_wait(&w));
    }
}

static void taker_of_turns(void *arg)
{
    struct shared *h = arg;
    unsigned me = h->ids++;
    must(sn_mutex_lock(&h->m));
    for (uint64_t i = 0; i < h->n / 2; i++) {
        while (h->turn != me) must(sn_cond_wait(&h->c[me], &h->m));
        h->turn = 1 - me;
        sn_cond_signal(&h->c[1 - me]);
    }
    sn_mutex_unlock(&h->m);
}
static void bench_cond(uint64_t n)
{
    struct shared h = {.n = n};
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    must(sn_go(NULL, taker_of_turns, &h));
    must(sn_go(NULL, taker_of_turns, &h));
    must(sn_scope_end(s));
}

/* ---- the ring beside the channel: one producer, one consumer, 1,024 slots of 8 bytes ---- */

/* A side that finds the ring full or empty lets the other get ahead for a microsecond: looking
 * again at once would drag the index's cache line across for every single element. With one worker
 * it yields. */
static void ring_wait(void)
{
    if (sn_worker_count() > 1)
        for (int i = 0; i < 32; i++) __builtin_ia32_pause();
    sn_yield();
}
struct ring_job {
    struct sn_spsc r;
    uint64_t n;
};
static void ring_producer(void *arg)
{
    struct ring_job *j = arg;
    for (uint64_t i = 0; i < j->n; i++)
        while (!sn_spsc_push(&j->r, &i)) ring_wait();
}
static void bench_spsc(uint64_t n)
{
    struct ring_job j = {.n = n};
    must(sn_spsc_init(&j.r, 1024, 8));
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    go_peer(ring_producer, &j);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t v;
        while (!sn_spsc_pop(&j.r, &v)) ring_wait();
        if (v != i) abort();
    }
    must(sn_scope_end(s));
    sn_spsc_done(&j.r);
}
/* The same job on a channel, the peer placed alike. */
static void bench_spsc_chan(uint64_t n) { stream(n, 1024, true); }

const struct bench_case bench_sync_cases[] = {
    {"chan_ping_pong", 5000000, bench_ping_pong, 0},
    {"chan_unbuffered", 5000000, bench_unbuffered, 0},
    {"chan_buffered", 20000000, bench_buffered, 0},
    {"chan_solo", 20000000, bench_solo, 0},
    {"select_wait", 3000000, bench_select_wait, 0},
    {"select_ready", 10000000, bench_select_ready, 0},
    {"mutex", 50000000, bench_mutex, 0},
    {"mutex_shared", 10000000, bench_mutex_shared, 0},
    {"waitgroup", 20000000, bench_waitgroup, 0},
    {"cond_turns", 3000000, bench_cond, 0},
    {"queue_spsc", 50000000, bench_spsc, 0},
    {"queue_spsc_chan", 10000000, bench_spsc_chan, 0},
    {0},
};
