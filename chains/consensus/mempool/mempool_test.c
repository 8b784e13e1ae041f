/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/mempool/mempool.h"

#include <stdatomic.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "core/status.h"
#include "core/torture.h"
#include "core/vec.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "tests/harness/test.h"

static void in_runtime(unsigned workers, int (*fn)(void *), void *arg)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, fn, arg));
}

static struct sn_str tx_of(uint32_t *n) { return (struct sn_str){(const char *)n, sizeof(*n)}; }

/* Begun, found good, finished. */
static int add(struct sn_mempool *mp, uint32_t n, uint16_t from)
{
    struct sn_mempool_tx *tx;
    int r = sn_mempool_begin(mp, tx_of(&n), from, 0, &tx);
    return r < 0 ? r : sn_mempool_finish(mp, tx, true, 1);
}
static int update(struct sn_mempool *mp, int64_t height, uint32_t n, bool ok)
{
    uint8_t key[SN_MEMPOOL_KEY];
    struct sn_mempool_done d = {tx_of(&n), ok, height % 2 ? key : NULL};
    T_OK(sn_hash_once(SN_SHA256, d.data.ptr, d.data.len, key));
    sn_mempool_decided(mp, height);
    return sn_mempool_update(mp, height, &d, n ? 1 : 0);
}
static uint32_t number(const struct sn_mempool_tx *tx)
{
    uint32_t n;
    memcpy(&n, tx->data.ptr, sizeof(n));
    return n;
}
/* The numbers of what a block would get, unreferenced again. */
static size_t reap(struct sn_mempool *mp, const struct sn_mempool_limits *l, uint32_t *out,
                   size_t max)
{
    struct sn_mempool_tx **txs = SN_NEW_ARRAY(struct sn_mempool_tx *, max);
    size_t n = sn_mempool_reap(mp, l, txs, max);
    for (size_t i = 0; i < n; i++) {
        out[i] = number(txs[i]);
        sn_mempool_tx_unref(txs[i]);
    }
    sn_free(txs);
    return n;
}
static const struct sn_mempool_limits all = {.bytes = -1, .gas = -1, .unchecked = true};

/* ---- coming and going ---- */

static int basics_main(void *arg)
{
    struct sn_mempool *mp;
    struct sn_mempool_tx *tx;
    uint32_t got[8], five = 5;
    char big[101] = "";
    T_EQ(sn_mempool_new(&(struct sn_mempool_opts){.shards = 3}, &mp), SN_E_INVALID_ARGUMENT);
    T_OK(sn_mempool_new(&(struct sn_mempool_opts){.txs_max = 3, .tx_bytes_max = 100}, &mp));
    T_EQ(sn_mempool_begin(mp, (struct sn_str){big, 101}, 0, 0, &tx), SN_E_TOO_LARGE);
    T_CSTR(sn_diag_str(SN_E_TOO_LARGE), "Tx too large. Max size is 100, but got 101");
    T_EQ(add(mp, 1, 0), 1);
    T_EQ(add(mp, 1, 7), SN_E_ALREADY_EXISTS);
    T_EQ(add(mp, 2, 0), 1);
    /* One that is refused may come again; one that is being checked may not. */
    T_OK(sn_mempool_begin(mp, tx_of(&five), 0, 0, &tx));
    T_EQ(add(mp, 5, 3), SN_E_ALREADY_EXISTS);
    T_ASSERT(!sn_mempool_find(mp, tx->key));
    T_EQ(sn_mempool_finish(mp, tx, false, 0), 0);
    T_EQ(add(mp, 5, 0), 1);
    T_EQ(add(mp, 6, 0), SN_E_RESOURCE_EXHAUSTED);
    T_CSTR(sn_diag_str(SN_E_RESOURCE_EXHAUSTED),
           "mempool is full: number of txs 3 (max: 3), total txs bytes 12 (max: 1073741824)");
    /* A block takes one; it does not come back. A failed one may. */
    T_OK(update(mp, 1, 2, true));
    T_EQ(add(mp, 2, 0), SN_E_ALREADY_EXISTS);
    T_OK(update(mp, 2, 1, false));
    T_EQ(add(mp, 1, 0), 1);
    T_EQ(reap(mp, &all, got, 8), 2);
    T_ASSERT(got[0] == 5 && got[1] == 1);
    /* What is in a block while it is checked does not get in. */
    uint32_t nine = 9;
    T_OK(sn_mempool_begin(mp, tx_of(&nine), 0, 0, &tx));
    T_OK(update(mp, 3, 9, true));
    T_EQ(sn_mempool_finish(mp, tx, true, 1), 0);
    T_EQ(add(mp, 9, 0), SN_E_ALREADY_EXISTS);
    sn_mempool_flush(mp);
    T_EQ(reap(mp, &all, got, 8), 0);
    T_EQ(add(mp, 9, 0), 1);
    sn_mempool_free(mp);
    return 0;
}
SN_TEST(mempool_basics)
{
    in_runtime(1, basics_main, NULL);
}

static int limits_main(void *arg)
{
    struct sn_mempool *mp;
    uint32_t got[8];
    T_OK(sn_mempool_new(&(struct sn_mempool_opts){.cache_max = 4, .shards = 1, .ttl_blocks = 2},
                        &mp));
    for (uint32_t i = 1; i <= 5; i++) T_EQ(add(mp, i, 0), 1);
    /* Four bytes each, six as a field. */
    T_EQ(reap(mp, &(struct sn_mempool_limits){.bytes = 18, .gas = -1}, got, 8), 3);
    T_EQ(reap(mp, &(struct sn_mempool_limits){.bytes = 17, .gas = -1}, got, 8), 2);
    T_EQ(reap(mp, &(struct sn_mempool_limits){.bytes = -1, .gas = 4}, got, 8), 4);
    /* The oldest of four keys goes when a fifth comes. */
    for (uint32_t i = 1; i <= 5; i++) T_OK(update(mp, 1, i, true));
    T_EQ(add(mp, 1, 0), 1);
    T_EQ(add(mp, 2, 0), SN_E_ALREADY_EXISTS);
    /* Came at height 1, may wait for two blocks. */
    T_OK(update(mp, 3, 0, true));
    T_EQ(reap(mp, &all, got, 8), 1);
    T_OK(update(mp, 4, 0, true));
    T_EQ(reap(mp, &all, got, 8), 0);
    sn_mempool_free(mp);
    return 0;
}
SN_TEST(mempool_limits)
{
    in_runtime(1, limits_main, NULL);
}

static int recheck_main(void *arg)
{
    struct sn_mempool *mp;
    const struct sn_mempool_limits checked = {.bytes = -1, .gas = -1};
    uint32_t got[8], late = 6;
    struct sn_mempool_tx *a, *b, *tx;
    T_OK(sn_mempool_new(&(struct sn_mempool_opts){0}, &mp));
    for (uint32_t i = 1; i <= 5; i++) T_EQ(add(mp, i, 0), 1);
    T_ASSERT(!sn_mempool_recheck_take(mp));
    T_OK(sn_mempool_begin(mp, tx_of(&late), 0, 0, &tx));
    T_OK(update(mp, 1, 1, true));
    T_EQ(reap(mp, &checked, got, 8), 0);
    T_EQ(reap(mp, &all, got, 8), 4);
    a = sn_mempool_recheck_take(mp);
    b = sn_mempool_recheck_take(mp);
    T_ASSERT(number(a) == 2 && number(b) == 3);
    sn_mempool_recheck_done(mp, b, true, 1);
    T_EQ(reap(mp, &checked, got, 8), 0); /* 2 is before it */
    sn_mempool_recheck_done(mp, a, false, 0);
    T_EQ(reap(mp, &checked, got, 8), 1);
    /* Checked before the block, finished after it: once more. */
    T_EQ(sn_mempool_finish(mp, tx, true, 1), 1);
    T_ASSERT(!sn_mempool_rechecked(mp));
    /* The next block comes while one is out: what is said of it does not count. */
    a = sn_mempool_recheck_take(mp);
    T_EQ(number(a), 4);
    T_OK(update(mp, 2, 3, true));
    sn_mempool_recheck_done(mp, a, false, 0);
    for (uint32_t i = 4; i <= 6; i++) {
        T_ASSERT((a = sn_mempool_recheck_take(mp)));
        T_EQ(number(a), i);
        sn_mempool_recheck_done(mp, a, true, 1);
    }
    T_ASSERT(!sn_mempool_recheck_take(mp) && sn_mempool_rechecked(mp));
    T_EQ(add(mp, 7, 0), 1);
    T_ASSERT(!sn_mempool_recheck_take(mp) && sn_mempool_rechecked(mp));
    T_EQ(reap(mp, &checked, got, 8), 4);
    sn_mempool_free(mp);
    return 0;
}
SN_TEST(mempool_recheck)
{
    in_runtime(1, recheck_main, NULL);
}

/* One peer has filled the pool: others still get in, its users always keep theirs. */
static int displace_main(void *arg)
{
    struct sn_mempool *mp;
    struct sn_mempool_stats st;
    uint32_t got[16];
    T_OK(sn_mempool_new(&(struct sn_mempool_opts){.txs_max = 10}, &mp));
    T_EQ(add(mp, 100, 0), 1);
    for (uint32_t i = 1; i <= 9; i++) T_EQ(add(mp, i, 1), 1);
    T_EQ(add(mp, 10, 1), SN_E_RESOURCE_EXHAUSTED);
    T_EQ(add(mp, 9, 0), SN_E_ALREADY_EXISTS); /* from a user too: it stays */
    for (uint32_t i = 20; i < 24; i++) T_EQ(add(mp, i, 2), 1);
    T_EQ(add(mp, 24, 2), SN_E_RESOURCE_EXHAUSTED); /* 5 and 4: even */
    T_EQ(reap(mp, &all, got, 16), 10);
    const uint32_t left[] = {100, 1, 2, 3, 4, 9, 20, 21, 22, 23};
    for (unsigned i = 0; i < 10; i++) T_EQ(got[i], left[i]);
    sn_mempool_stats(mp, &st);
    T_EQ(st.displaced, 4);
    T_EQ(st.txs, 10);
    /* Displaced is not forgotten for ever: it may come again. */
    T_OK(update(mp, 1, 100, true));
    T_EQ(add(mp, 8, 3), 1);
    sn_mempool_free(mp);
    return 0;
}
SN_TEST(mempool_displaces)
{
    in_runtime(1, displace_main, NULL);
}

static void woken(void *arg) { ++*(int *)arg; }
static size_t take(struct sn_mempool *mp, struct sn_mempool_cursor *c, int64_t height,
                   uint64_t bytes, uint32_t *got)
{
    struct sn_mempool_tx *txs[8];
    size_t n = sn_mempool_cursor_take(mp, c, height, bytes, txs, 8);
    for (size_t i = 0; i < n; i++) {
        got[i] = number(txs[i]);
        sn_mempool_tx_unref(txs[i]);
    }
    return n;
}
static int gossip_main(void *arg)
{
    struct sn_mempool *mp;
    struct sn_mempool_cursor c;
    int wakes = 0;
    uint32_t got[8];
    T_OK(sn_mempool_new(&(struct sn_mempool_opts){0}, &mp));
    c = (struct sn_mempool_cursor){.peer = 5, .wake = woken, .arg = &wakes};
    sn_mempool_cursor_open(mp, &c);
    T_EQ(take(mp, &c, 0, 1000, got), 0);
    T_EQ(add(mp, 1, 0), 1);
    T_EQ(add(mp, 2, 5), 1); /* its own */
    T_EQ(add(mp, 3, 6), 1);
    T_EQ(add(mp, 4, 6), 1);
    T_EQ(wakes, 1);
    T_EQ(take(mp, &c, 0, 12, got), 2);
    T_ASSERT(got[0] == 1 && got[1] == 3);
    /* The one it stands at goes, and the peer sends us the next itself. */
    T_OK(update(mp, 1, 4, true));
    T_EQ(take(mp, &c, 0, 1, got), 0);
    T_EQ(add(mp, 5, 0), 1);
    T_EQ(wakes, 2);
    T_EQ(add(mp, 5, 5), SN_E_ALREADY_EXISTS);
    T_EQ(take(mp, &c, 0, 1, got), 0);
    /* Came at height 3: a peer at 1 could not check it, one at 2 can. */
    T_OK(update(mp, 3, 0, true));
    T_EQ(add(mp, 6, 0), 1);
    T_EQ(take(mp, &c, 1, 1, got), 0);
    T_EQ(take(mp, &c, 2, 1, got), 1);
    T_EQ(got[0], 6);
    sn_mempool_cursor_close(mp, &c);
    /* Another peer under the same number is sent everything. */
    c = (struct sn_mempool_cursor){.peer = 5, .wake = woken, .arg = &wakes};
    sn_mempool_cursor_open(mp, &c);
    T_EQ(take(mp, &c, 9, 1000, got), 5);
    sn_mempool_cursor_close(mp, &c);
    sn_mempool_free(mp);
    return 0;
}
SN_TEST(mempool_gossip)
{
    in_runtime(1, gossip_main, NULL);
}

/* Which of 8 transactions, numbered from 1, a cursor gives further on. */
static unsigned taken(struct sn_mempool *mp, struct sn_mempool_cursor *c)
{
    uint32_t got[8];
    unsigned set = 0;
    for (size_t n; (n = take(mp, c, 9, 40, got)) > 0;)
        for (size_t i = 0; i < n; i++) set |= 1u << got[i];
    return set;
}
/* What the cursors of a neighbour have that is first with the odd keys, or with the even ones. */
static unsigned first_of(bool odd)
{
    const unsigned all = 0x1fe, own = 1u << 1, his = 1u << 2;
    struct sn_mempool *mp;
    T_OK(sn_mempool_new(&(struct sn_mempool_opts){0}, &mp));
    for (uint32_t i = 1; i <= 8; i++) {
        struct sn_mempool_tx *tx;
        uint32_t n = i;
        T_OK(sn_mempool_begin(mp, tx_of(&n), i == 1 ? 0 : i == 2 ? 5 : 6, i < 8 ? 100 : 200, &tx));
        T_EQ(sn_mempool_finish(mp, tx, true, 1), 1);
    }
    struct sn_mempool_cursor a = {.peer = 5, .share = SN_MEMPOOL_FIRST, .odd = odd},
                             b = {.peer = 5, .share = SN_MEMPOOL_ALL};
    sn_mempool_cursor_open(mp, &a);
    sn_mempool_cursor_open(mp, &b);
    unsigned first = taken(mp, &a);
    T_ASSERT((first & own) && !(first & his)); /* what is his it has */
    const unsigned rest = all & ~his & ~first, last = rest & 1u << 8;
    b.until_ns = 99; /* none is old enough */
    T_EQ(taken(mp, &b), 0);
    T_EQ(b.stopped_ns, 100);
    b.until_ns = 199;
    T_EQ(taken(mp, &b), (rest & ~last));
    T_EQ(b.stopped_ns, last ? 200 : 0);
    b.until_ns = 0;
    T_EQ(taken(mp, &b), last);
    T_EQ(b.stopped_ns, 0);
    sn_mempool_cursor_close(mp, &a);
    sn_mempool_cursor_close(mp, &b);
    /* Another peer of that number has none of it. */
    sn_mempool_cursor_open(mp, &b);
    T_EQ(taken(mp, &b), all);
    sn_mempool_cursor_close(mp, &b);
    sn_mempool_free(mp);
    return first;
}
static int shares_main(void *arg)
{
    unsigned even = first_of(false), odd = first_of(true);
    /* Between the two neighbours each is first with its own half. */
    T_EQ(even & odd, 1u << 1); /* our users' own */
    T_EQ(even | odd, 0x1fe & ~(1u << 2));
    T_ASSERT(even != 1u << 1 && odd != 1u << 1);
    return 0;
}
SN_TEST(mempool_shares)
{
    in_runtime(1, shares_main, NULL);
}

/* ---- against a model: the order is an array, everything else follows from it ---- */

#define NUMBERS 64

struct model {
    uint32_t order[NUMBERS];
    size_t n;
    bool cached[NUMBERS +
                1]; /* in a block, or refused where that is kept: the cache is larger than this */
};

static bool model_has(const struct model *m, uint32_t x)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->order[i] == x) return true;
    return m->cached[x];
}
static void model_del(struct model *m, uint32_t x)
{
    size_t k = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->order[i] != x) m->order[k++] = m->order[i];
    m->n = k;
}

static void step(struct sn_mempool *mp, struct model *m, struct sn_rand *rnd)
{
    uint32_t x = 1 + (uint32_t)sn_rand_below(rnd, NUMBERS);
    struct sn_mempool_tx *tx;
    uint8_t key[SN_MEMPOOL_KEY];
    switch (sn_rand_below(rnd, 8)) {
    case 0: {
        bool ok = sn_rand_below(rnd, 2);
        T_OK(update(mp, 1, x, ok));
        model_del(m, x);
        m->cached[x] = ok;
        break;
    }
    case 1:
        T_OK(sn_hash_once(SN_SHA256, &x, sizeof(x), key));
        (void)!sn_mempool_remove(mp, key);
        model_del(m, x);
        break;
    case 2:
        if ((tx = sn_mempool_recheck_take(mp))) {
            bool ok = sn_rand_below(rnd, 3);
            if (!ok) model_del(m, number(tx));
            sn_mempool_recheck_done(mp, tx, ok, 1);
        }
        break;
    default: {
        int r = sn_mempool_begin(mp, tx_of(&x), 0, 0, &tx);
        T_EQ(r, model_has(m, x) ? SN_E_ALREADY_EXISTS : 0);
        bool ok = sn_rand_below(rnd, 4);
        if (r == 0 && sn_mempool_finish(mp, tx, ok, 1) == 1) m->order[m->n++] = x;
        break;
    }
    }
}
static int model_main(void *arg)
{
    for (unsigned i = 0; i < sn_test_cases(200); i++) {
        struct sn_mempool *mp;
        struct model m = {0};
        struct sn_rand rnd;
        uint32_t got[NUMBERS];
        sn_test_row("case %u", i);
        sn_rand_seed(&rnd, sn_test_seed() + i);
        T_OK(sn_mempool_new(&(struct sn_mempool_opts){.seed = i, .shards = 1u << i % 5}, &mp));
        for (unsigned k = 0; k < 300; k++) {
            step(mp, &m, &rnd);
            T_EQ(reap(mp, &all, got, NUMBERS), m.n);
            for (size_t j = 0; j < m.n; j++) T_EQ(got[j], m.order[j]);
        }
        sn_mempool_free(mp);
    }
    return 0;
}
SN_TEST(mempool_as_a_list)
{
    in_runtime(1, model_main, NULL);
}

/* ---- many at once ---- */

#define EACH 2000
#define ADDERS 8

struct crowd {
    struct sn_mempool *mp;
    _Atomic unsigned added, gone, seen, done;
};
static void news(void *arg) { (void)arg; }
static int adder(void *arg)
{
    struct crowd *c = arg;
    /* Half of what each sends, its neighbour sends too. */
    unsigned me = atomic_fetch_add(&c->done, 1);
    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t x = 1 + me * EACH / 2 + i;
        struct sn_mempool_tx *tx;
        if (sn_mempool_begin(c->mp, tx_of(&x), (uint16_t)(me % 3), 0, &tx) < 0) continue;
        if (i % 16 == 0) sn_yield();
        if (sn_mempool_finish(c->mp, tx, true, 1) == 1) c->added++;
    }
    return 0;
}
static int blocks(void *arg)
{
    struct crowd *c = arg;
    struct sn_mempool_tx *txs[100];
    for (int64_t h = 1; h < 400; h++) {
        struct sn_mempool_done done[100];
        size_t n = sn_mempool_reap(c->mp, &all, txs, 100);
        for (size_t i = 0; i < n; i++)
            done[i] = (struct sn_mempool_done){.data = txs[i]->data, .ok = true};
        sn_mempool_decided(c->mp, h);
        T_OK(sn_mempool_update(c->mp, h, done, n));
        for (size_t i = 0; i < n; i++) sn_mempool_tx_unref(txs[i]);
        c->gone += (unsigned)n;
        struct sn_mempool_tx *tx = sn_mempool_recheck_take(c->mp);
        if (tx) sn_mempool_recheck_done(c->mp, tx, true, 1);
        sn_yield();
    }
    return 0;
}
static int gossiper(void *arg)
{
    struct crowd *c = arg;
    struct sn_mempool_cursor cur;
    struct sn_mempool_tx *txs[64];
    cur = (struct sn_mempool_cursor){.peer = 9, .wake = news};
    sn_mempool_cursor_open(c->mp, &cur);
    uint64_t last = 0;
    for (unsigned i = 0; i < 2000; i++) {
        size_t n = sn_mempool_cursor_take(c->mp, &cur, 1000, 64 << 10, txs, 64);
        for (size_t k = 0; k < n; k++) {
            T_ASSERTF(txs[k]->seq > last, "sequence %llu after %llu",
                      (unsigned long long)txs[k]->seq, (unsigned long long)last);
            last = txs[k]->seq;
            sn_mempool_tx_unref(txs[k]);
        }
        c->seen += (unsigned)n;
        sn_yield();
    }
    sn_mempool_cursor_close(c->mp, &cur);
    return 0;
}
static int crowd_main(void *arg)
{
    struct crowd c = {0};
    struct sn_mempool_stats st;
    struct sn_scope_storage mem;
    T_OK(sn_mempool_new(&(struct sn_mempool_opts){.txs_max = 100000, .cache_max = 100000}, &c.mp));
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < ADDERS; i++) T_OK(sn_scope_go(s, "adder", adder, &c));
    T_OK(sn_scope_go(s, "blocks", blocks, &c));
    T_OK(sn_scope_go(s, "gossiper", gossiper, &c));
    T_OK(sn_scope_wait(s));
    sn_scope_end(s);
    sn_mempool_stats(c.mp, &st);
    /* Each number is added once, however many sent it, and is in a block or still here. */
    T_EQ(c.added, (ADDERS + 1) * EACH / 2);
    T_EQ(st.txs, c.added - c.gone);
    T_ASSERT(c.seen <= c.added);
    sn_mempool_free(c.mp);
    return 0;
}
SN_TEST(mempool_many_fibers)
{
    in_runtime(4, crowd_main, NULL);
}

static int no_memory(void *arg)
{
    struct sn_mempool *mp;
    int r = sn_mempool_new(&(struct sn_mempool_opts){.shards = 1}, &mp);
    if (r < 0) return r;
    for (uint32_t i = 1; i < 4 && r >= 0; i++) r = add(mp, i, 0);
    if (r >= 0) r = update(mp, 1, 2, true);
    if (r >= 0) r = update(mp, 2, 77, true);
    sn_mempool_free(mp);
    return r;
}
static int torture_main(void *arg)
{
    int n = sn_torture(no_memory, NULL);
    T_ASSERTF(n >= 8, "%d failures injected", n);
    return 0;
}
SN_TEST(mempool_torture)
{
    in_runtime(1, torture_main, NULL);
}
