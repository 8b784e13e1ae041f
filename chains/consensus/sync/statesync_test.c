/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of state sync without I/O: messages, the pool of snapshots, the plan of who is asked
 * for which chunk (against peers with a rate, and some that never answer), chunks on disk. */
#include <stdio.h>

#include "consensus/sync/chunk_plan.h"
#include "consensus/sync/chunk_store.h"
#include "consensus/sync/snapshots.h"
#include "core/rand.h"
#include "core/torture.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "harness/test.h"

/* ---- messages ---- */

SN_TEST(statesync_messages)
{
    static const struct {
        struct sn_statesync_msg m;
        int want;
    } rows[] = {
        {{.kind = SN_STATESYNC_SNAPSHOTS_REQUEST}, 0},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 5, 1, 3, {"h", 1}, {"meta", 4}}, 0},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 0, 1, 3, {"h", 1}, {"", 0}},
         SN_E_INVALID_ARGUMENT},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 5, 1, 0, {"h", 1}, {"", 0}},
         SN_E_INVALID_ARGUMENT},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 5, 1, 3, {"", 0}, {"", 0}},
         SN_E_INVALID_ARGUMENT},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 5, 1, UINT32_MAX, {"h", 1}, {"", 0}},
         SN_E_TOO_LARGE},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, UINT64_MAX, 1, 3, {"h", 1}, {"", 0}},
         SN_E_INVALID_ARGUMENT},
        {{.kind = SN_STATESYNC_CHUNK_REQUEST, 5, 1, 7}, 0},
        {{.kind = SN_STATESYNC_CHUNK_REQUEST, 0, 1, 7}, SN_E_INVALID_ARGUMENT},
        {{.kind = SN_STATESYNC_CHUNK_RESPONSE, 5, 1, 7, .chunk = {"bytes", 5}}, 0},
        {{.kind = SN_STATESYNC_CHUNK_RESPONSE, 5, 1, 7, .missing = true}, 0},
        {{.kind = SN_STATESYNC_CHUNK_RESPONSE, 5, 1, 7}, SN_E_INVALID_ARGUMENT},
        {{.kind = SN_STATESYNC_CHUNK_RESPONSE, 5, 1, 7, .chunk = {"b", 1}, .missing = true},
         SN_E_INVALID_ARGUMENT},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_buf buf;
        struct sn_arena a;
        struct sn_statesync_msg got, want = rows[i].m;
        sn_test_row("row %u", i);
        sn_buf_init(&buf, 0);
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_statesync_encode(&want, &buf));
        T_EQ(sn_statesync_decode(sn_buf_view(&buf), &a, &got), rows[i].want);
        if (rows[i].want == 0) {
            T_ASSERT(got.kind == want.kind && got.height == want.height &&
                     got.format == want.format && got.n == want.n && got.missing == want.missing &&
                     sn_str_eq(got.hash, want.hash) && sn_str_eq(got.metadata, want.metadata) &&
                     sn_str_eq(got.chunk, want.chunk));
        }
        sn_arena_done(&a);
        sn_buf_done(&buf);
    }
}
/* What Go's encoder writes (field numbers of its .proto): a chunk request of height 300, format 1,
 * chunk 2. */
SN_TEST(statesync_message_bytes)
{
    struct sn_buf buf;
    struct sn_statesync_msg m = {.kind = SN_STATESYNC_CHUNK_REQUEST,
                                 .height = 300,
                                 .format = 1,
                                 .n = 2};
    sn_buf_init(&buf, 0);
    T_OK(sn_statesync_encode(&m, &buf));
    T_ASSERT(buf.len == 9 && memcmp(buf.ptr, "\x1a\x07\x08\xac\x02\x10\x01\x18\x02", 9) == 0);
    sn_buf_done(&buf);
}
SN_TEST(statesync_manifest)
{
    struct sn_arena a;
    char meta[3 * 34 + 1];
    sn_arena_init(&a, NULL, 0);
    for (int i = 0; i < 3; i++) {
        memset(meta + i * 34, 'a' + i, 34);
        memcpy(meta + i * 34, "\x0a\x20", 2);
    }
    const uint8_t *m = sn_statesync_manifest(sn_str_of(meta, 3 * 34), 3, &a);
    T_ASSERT(m && m[0] == 'a' && m[32] == 'b' && m[95] == 'c');
    T_ASSERT(!sn_statesync_manifest(sn_str_of(meta, 3 * 34), 4, &a));
    T_ASSERT(!sn_statesync_manifest(sn_str_of(meta, 3 * 34 - 1), 3, &a));
    T_ASSERT(!sn_statesync_manifest(SN_STR(""), 0, &a));
    meta[34] = 0x12;
    T_ASSERT(!sn_statesync_manifest(sn_str_of(meta, 3 * 34), 3, &a));
    sn_arena_done(&a);
}

/* ---- the pool ---- */

static struct sn_statesync_msg offer(uint64_t height, uint32_t format, const char *hash)
{
    return (struct sn_statesync_msg){.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE,
                                     .height = height,
                                     .format = format,
                                     .n = 2,
                                     .hash = sn_str(hash),
                                     .metadata = SN_STR("")};
}
static int add(struct sn_snapshot_pool *p, const char *peer, uint64_t height, uint32_t format,
               const char *hash)
{
    struct sn_statesync_msg m = offer(height, format, hash);
    return sn_snapshot_pool_add(p, peer, &m);
}
SN_TEST(snapshot_pool)
{
    struct sn_snapshot_pool p = {0};
    T_EQ(add(&p, "a", 10, 1, "x"), 1);
    T_EQ(add(&p, "b", 10, 1, "x"), 0);
    T_EQ(add(&p, "c", 10, 1, "y"), 1);
    T_EQ(add(&p, "c", 9, 7, "z"), 1);
    T_STR(sn_snapshot_pool_best(&p)->hash, "x"); /* two have it */
    T_EQ(sn_snapshot_pool_peers(&p), 3);
    T_EQ(add(&p, "c", 10, 2, "f"), 1);
    T_EQ(sn_snapshot_pool_best(&p)->format, 2);
    T_OK(sn_snapshot_pool_reject_format(&p, 2));
    T_EQ(add(&p, "a", 11, 2, "f"), 0);
    T_EQ(add(&p, "d", 12, 1, "top"), 1);
    T_EQ(sn_snapshot_pool_best(&p)->height, 12);
    sn_snapshot_pool_remove_peer(&p, "d");
    T_STR(sn_snapshot_pool_best(&p)->hash, "x");
    sn_snapshot_pool_best(&p)->rejected = true;
    T_STR(sn_snapshot_pool_best(&p)->hash, "y");
    T_EQ(add(&p, "d", 10, 1, "x"), 0); /* again, by another */
    T_STR(sn_snapshot_pool_best(&p)->hash, "y");
    sn_snapshot_pool_reject_peer(&p, "c");
    sn_snapshot_pool_remove_peer(&p, "c");
    T_EQ(add(&p, "c", 99, 1, "w"), 0); /* it came back */
    T_ASSERT(!sn_snapshot_pool_best(&p));
    for (unsigned i = 0; i < 2 * SN_SNAPSHOTS_PER_PEER; i++) {
        int r = add(&p, "e", 100 + i, 1, "many");
        T_EQ(r, i < SN_SNAPSHOTS_PER_PEER);
    }
    for (unsigned i = 0; i < 2 * SN_SNAPSHOT_PEERS_MAX; i++) {
        char name[8];
        snprintf(name, sizeof(name), "p%u", i);
        T_OK(add(&p, name, 100, 1, "many"));
    }
    T_EQ(sn_snapshot_pool_peers(&p), SN_SNAPSHOT_PEERS_MAX - 2); /* c and d hold a place */
    sn_snapshot_pool_done(&p);
}
static int pool_life(void *arg)
{
    struct sn_snapshot_pool p = {0};
    int r = add(&p, "a", 10, 1, "x");
    if (r >= 0) r = add(&p, "b", 11, 2, "y");
    if (r >= 0) r = sn_snapshot_pool_reject_format(&p, 2);
    struct sn_chunk_plan plan = {0};
    if (r >= 0) r = sn_chunk_plan_init(&plan, 10, 0, SN_SEC);
    sn_chunk_plan_done(&plan);
    sn_snapshot_pool_done(&p);
    return r;
}
SN_TEST(statesync_torture)
{
    int n = sn_torture(pool_life, NULL);
    T_ASSERTF(n > 5, "%d: %s", n, sn_diag_str(n));
}
/* Liars cannot take all memory. */
SN_TEST(snapshot_pool_bytes)
{
    struct sn_snapshot_pool p = {0};
    size_t len = 3900000;
    char *big = sn_zalloc(len, 1);
    unsigned taken = 0;
    for (unsigned i = 0; i < 100; i++) {
        char name[8];
        struct sn_statesync_msg m = offer(1 + i, 1, "h");
        m.metadata = sn_str_of(big, len);
        snprintf(name, sizeof(name), "%u", i);
        taken += sn_snapshot_pool_add(&p, name, &m) == 1;
    }
    T_ASSERT(taken > 10 && taken < 50);
    T_ASSERT(p.bytes <= SN_SNAPSHOT_POOL_BYTES);
    sn_free(big);
    sn_snapshot_pool_done(&p);
}

/* ---- the plan ---- */

#define MODEL_PEERS 5
struct model {
    int64_t busy[MODEL_PEERS]; /* until when its wire is taken */
    double rate[MODEL_PEERS];  /* bytes a ns; 0: never answers */
    unsigned got[MODEL_PEERS];
};
struct answer {
    int64_t at;
    unsigned peer;
    uint32_t chunk;
};
/* Peers of given rates until all is here; the virtual time it took. */
static int64_t run_plan(struct model *m, uint32_t n, size_t bytes)
{
    struct sn_chunk_plan p;
    SN_VEC(struct answer) coming = {0};
    int64_t now = 0, until;
    unsigned peer, asked = 0;
    uint32_t chunk;
    T_OK(sn_chunk_plan_init(&p, n, 4, 10 * SN_SEC));
    for (unsigned i = 0; i < MODEL_PEERS; i++) sn_chunk_plan_add(&p, i);
    while (p.here < n) {
        int r;
        while ((r = sn_chunk_plan_next(&p, now, &peer, &chunk, &until)) == 1) {
            T_ASSERT(sn_chunk_plan_asked(&p, peer, chunk));
            T_ASSERT(p.peers[peer].open <= 4);
            asked++;
            if (m->rate[peer] <= 0) continue;
            m->busy[peer] = SN_MAX(m->busy[peer], now) + (int64_t)((double)bytes / m->rate[peer]);
            T_OK(sn_vec_push(&coming, (struct answer){m->busy[peer] + 20 * SN_MS, peer, chunk}));
        }
        T_OK(r);
        size_t first = 0;
        for (size_t i = 1; i < coming.len; i++)
            if (coming.ptr[i].at < coming.ptr[first].at) first = i;
        if (coming.len == 0 || until < coming.ptr[first].at) {
            T_ASSERTF(until != SN_FOREVER, "stuck with %u of %u", p.here, n);
            now = SN_MAX(until, now + 1);
            continue;
        }
        struct answer a = coming.ptr[first];
        sn_vec_remove_swap(&coming, first);
        now = a.at;
        if (!sn_chunk_plan_asked(&p, a.peer, a.chunk)) continue; /* late */
        m->got[a.peer]++;
        sn_chunk_plan_got(&p, (int)a.peer, a.chunk, bytes, now);
    }
    T_ASSERT(asked < 2 * n + 40);
    T_EQ(p.open.len, 0);
    for (unsigned i = 0; i < MODEL_PEERS; i++) T_EQ(p.peers[i].open, 0);
    sn_chunk_plan_done(&p);
    sn_vec_done(&coming);
    return now;
}
SN_TEST(chunk_plan_rates)
{
    const double mb = 1e6 / 1e9; /* a MB a second, in bytes a ns */
    struct model even = {.rate = {10 * mb, 10 * mb, 10 * mb, 10 * mb, 10 * mb}};
    int64_t t = run_plan(&even, 400, 1 << 20);
    T_ASSERTF(t < 9500 * SN_MS, "%lld ms", (long long)(t / SN_MS)); /* 8.4 s is the wires' sum */
    struct model mixed = {.rate = {20 * mb, 10 * mb, 1 * mb, mb / 50, 0}};
    t = run_plan(&mixed, 400, 1 << 20);
    /* 13.5 s by the wires' sum; a peer that does not answer costs its timeouts of a few chunks. */
    T_ASSERTF(t < 19 * SN_SEC, "%lld ms", (long long)(t / SN_MS));
    T_ASSERTF(mixed.got[0] > mixed.got[1] && mixed.got[1] > 3 * mixed.got[2], "%u %u %u",
              mixed.got[0], mixed.got[1], mixed.got[2]);
}
SN_TEST(chunk_plan_property)
{
    for (unsigned k = 0; k < sn_test_cases(60); k++) {
        struct sn_chunk_plan p;
        uint32_t n = 1 + (uint32_t)sn_test_rand_below(60);
        int64_t now = 0, until;
        sn_test_row("case %u", k);
        T_OK(sn_chunk_plan_init(&p, n, 3, SN_SEC));
        for (unsigned step = 0; step < 3000 && p.here < n; step++) {
            unsigned peer = (unsigned)sn_test_rand_below(6);
            uint32_t chunk;
            now += (int64_t)sn_test_rand_below(200) * SN_MS;
            switch (sn_test_rand_below(8)) {
            case 0: sn_chunk_plan_add(&p, peer); break;
            case 1:
                if (sn_test_rand_below(4) == 0) sn_chunk_plan_remove(&p, peer);
                break;
            case 2: sn_chunk_plan_again(&p, (uint32_t)sn_test_rand_below(n)); break;
            case 3:
            case 4:
                if (p.open.len) {
                    struct sn_chunk_request q = p.open.ptr[sn_test_rand_below(p.open.len)];
                    sn_chunk_plan_got(&p, q.peer, q.chunk, 1000, now);
                }
                break;
            default:
                if (sn_chunk_plan_next(&p, now, &peer, &chunk, &until) == 1)
                    T_ASSERT(p.peers[peer].used && p.state[chunk] == SN_CHUNK_ASKED);
            }
            uint32_t here = 0, open[6] = {0};
            for (uint32_t i = 0; i < n; i++) here += p.state[i] == SN_CHUNK_HERE;
            T_EQ(here, p.here);
            for (uint32_t i = 0; i < p.lowest; i++) T_ASSERT(p.state[i] != SN_CHUNK_WANTED);
            for (size_t i = 0; i < p.open.len; i++) {
                open[p.open.ptr[i].peer]++;
                T_ASSERT(p.state[p.open.ptr[i].chunk] == SN_CHUNK_ASKED);
            }
            for (unsigned i = 0; i < 6; i++) T_EQ(open[i], p.peers[i].open);
        }
        sn_chunk_plan_done(&p);
    }
}

/* ---- chunks on disk ---- */

static struct sn_snapshot *manifest_of(struct sn_snapshot_pool *p, const char *const *chunks,
                                       uint32_t n)
{
    struct sn_buf meta;
    struct sn_statesync_msg m = offer(5, 1, "h");
    sn_buf_init(&meta, 0);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t e[34] = {0x0a, 32};
        T_OK(sn_hash_once(SN_SHA256, chunks[i], strlen(chunks[i]), e + 2));
        sn_buf_put(&meta, e, sizeof(e));
    }
    m.n = n;
    m.metadata = sn_buf_view(&meta);
    T_EQ(sn_snapshot_pool_add(p, "a", &m), 1);
    struct sn_snapshot *s = p->all.ptr[p->all.len - 1];
    T_ASSERT(s->manifest);
    sn_buf_done(&meta);
    return s;
}
static int chunk_store(void *arg)
{
    const char *dir = arg;
    static const char *const one[] = {"alpha", "beta", "gamma"}, *const two[] = {"alpha", "delta"};
    struct sn_snapshot_pool p = {0};
    struct sn_chunk_store c;
    struct sn_arena a;
    struct sn_str got;
    char path[700];
    struct stat st;
    sn_arena_init(&a, NULL, 0);
    struct sn_snapshot *first = manifest_of(&p, one, 3), *second = manifest_of(&p, two, 2);
    T_OK(sn_chunk_store_open(&c, dir, 0));
    snprintf(path, sizeof(path), "%s/somebody-elses", dir);
    T_OK(sn_file_write(path, SN_STR("x"), 0600));
    T_OK(sn_chunk_store_begin(&c, first));
    for (uint32_t i = 0; i < 3; i++) {
        T_ASSERT(!sn_chunk_store_has(&c, i));
        T_OK(sn_chunk_store_put(&c, i, sn_str(one[i])));
        T_OK(sn_chunk_store_get(&c, i, &a, &got));
        T_STR(got, one[i]);
        sn_chunk_store_drop(&c, i, false);
        T_ASSERT(sn_chunk_store_has(&c, i));
    }
    sn_chunk_store_end(&c);
    /* The next snapshot shares a chunk; what only the first had goes. */
    T_OK(sn_chunk_store_open(&c, dir, 0));
    T_OK(sn_chunk_store_begin(&c, second));
    T_ASSERT(sn_chunk_store_has(&c, 0) && !sn_chunk_store_has(&c, 1));
    /* What is there and is not what its name says is gone after a look. */
    T_OK(sn_chunk_store_put(&c, 1, SN_STR("tampered")));
    T_EQ(sn_chunk_store_get(&c, 1, &a, &got), SN_E_NOT_FOUND);
    T_ASSERT(!sn_chunk_store_has(&c, 1));
    sn_chunk_store_end(&c);
    T_OK(sn_file_stat(path, &st)); /* other files are nobody's business */
    /* Without a manifest nothing outlives the restore. */
    T_EQ(add(&p, "a", 7, 1, "plain"), 1);
    T_OK(sn_chunk_store_open(&c, dir, 0));
    T_OK(sn_chunk_store_begin(&c, p.all.ptr[2]));
    T_OK(sn_chunk_store_put(&c, 0, SN_STR("zero")));
    T_OK(sn_chunk_store_get(&c, 0, &a, &got));
    T_STR(got, "zero");
    sn_chunk_store_drop(&c, 0, false);
    T_EQ(sn_chunk_store_get(&c, 0, &a, &got), SN_E_NOT_FOUND);
    sn_chunk_store_end(&c);
    T_OK(sn_chunk_store_open(&c, NULL, 0));
    snprintf(path, sizeof(path), "%s", c.dir);
    T_OK(sn_file_stat(path, &st));
    sn_chunk_store_end(&c);
    T_EQ(sn_file_stat(path, &st), SN_E_NOT_FOUND);
    sn_snapshot_pool_done(&p);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(chunk_store_files)
{
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, chunk_store, (void *)sn_test_tmpdir());
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
}
