/* SPDX-License-Identifier: Apache-2.0 */
/* The log: CometBFT's bytes both ways, damage, rotation, and crashes of a simulated disk: what was
 * synced is there, in order, whatever else the disk kept. */
#include "consensus/wal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "consensus/wal_file.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "harness/test.h"
/* Needs the harness. */
#include "consensus/golden_test.h"

SN_TEST(wal_golden_both_ways)
{
    struct golden g;
    struct sn_arena a;
    struct sn_buf b;
    struct sn_cons_wal_record rec;
    unsigned kinds[5] = {0}, n = 0;
    int r;
    golden_open(&g, "wal");
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    struct sn_str rest = g.text;
    while ((r = sn_cons_wal_next(&rest, &a, &rec)) == 0) {
        sn_test_row("record %u", n++);
        kinds[rec.kind]++;
        T_OK(sn_cons_wal_encode(&rec, &b));
        T_ASSERT(b.len <= g.text.len && memcmp(b.ptr, g.text.ptr, b.len) == 0);
    }
    T_EQ(r, SN_E_EOF);
    T_EQ(b.len, g.text.len);
    T_ASSERTF(kinds[1] > 10 && kinds[2] > 10 && kinds[3] >= 1 && kinds[4] >= 5, "%u %u %u %u", kinds[1],
              kinds[2], kinds[3], kinds[4]);
    sn_buf_done(&b);
    sn_arena_done(&a);
    golden_close(&g);
}

/* Torn log: cut anywhere, any bit changed. */
SN_TEST(wal_damage)
{
    struct sn_arena a;
    struct sn_buf b;
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_END_HEIGHT, .height = 77}, got;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    T_OK(sn_cons_wal_encode(&rec, &b));
    size_t one = b.len;
    T_OK(sn_cons_wal_encode(&rec, &b));
    for (size_t cut = 0; cut <= b.len; cut++) {
        struct sn_str in = sn_str_of((char *)b.ptr, cut);
        T_EQ(sn_cons_wal_intact(in), cut / one * one);
        in = sn_str_from(in, cut / one * one);
        T_EQ(sn_cons_wal_next(&in, &a, &got), cut % one ? SN_E_AGAIN : SN_E_EOF);
    }
    for (size_t i = 0; i < one; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            b.ptr[i] ^= (uint8_t)(1u << bit);
            struct sn_str in = sn_buf_view(&b);
            int r = sn_cons_wal_next(&in, &a, &got);
            T_ASSERTF(r == SN_E_DATA_LOSS || (i >= 4 && i < 8 && r == SN_E_AGAIN), "byte %zu: %d", i, r);
            b.ptr[i] ^= (uint8_t)(1u << bit);
        }
    static const char zeros[64];
    struct sn_str in = sn_str_of(zeros, sizeof(zeros));
    T_EQ(sn_cons_wal_next(&in, &a, &got), SN_E_DATA_LOSS);
    T_EQ(sn_cons_wal_intact(in), 0);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

/* ---- files ---- */

static int put(struct sn_cons_wal *w, int64_t height, int32_t round)
{
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_ROUND_STATE, .height = height, .round = round,
                                     .step = SN_STR("RoundStepPropose")};
    if (round < 0) rec = (struct sn_cons_wal_record){.kind = SN_CONS_WAL_END_HEIGHT, .height = height};
    return sn_cons_wal_append(w, &rec);
}
struct seen {
    int64_t height;
    int32_t n;
    bool ordered;
};
static int see(void *arg, const struct sn_cons_wal_record *rec)
{
    struct seen *s = arg;
    if (rec->kind != SN_CONS_WAL_ROUND_STATE) return 0;
    s->ordered = s->ordered && rec->height >= s->height && rec->round == s->n % 10;
    s->height = rec->height;
    s->n++;
    return 0;
}

static int rotation_main(void *arg)
{
    const char *dir = arg;
    char path[512];
    struct sn_cons_wal *w;
    struct sn_cons_wal_opts o = {.head_bytes_max = 2000, .total_bytes_max = 12000};
    snprintf(path, sizeof(path), "%s/cs.wal/wal", dir);
    size_t torn = 1;
    T_OK(sn_cons_wal_open(path, &o, &torn, &w));
    T_EQ(torn, 0);
    for (int64_t h = 1; h <= 60; h++) {
        for (int32_t k = 0; k < 10; k++) T_OK(put(w, h, k));
        T_OK(put(w, h, -1));
        T_OK(sn_cons_wal_sync(w));
        if (h % 7 == 0) {
            sn_cons_wal_close(w);
            T_OK(sn_cons_wal_open(path, &o, &torn, &w));
            T_EQ(torn, 0);
        }
    }
    for (int64_t h = 50; h <= 60; h++) {
        struct seen s = {.ordered = true};
        T_OK(sn_cons_wal_replay(w, h, see, &s));
        T_EQ(s.n, (60 - h) * 10);
        T_ASSERT(s.ordered);
    }
    struct seen s = {.ordered = true};
    T_EQ(sn_cons_wal_replay(w, 2, see, &s), SN_E_NOT_FOUND); /* its file is gone */
    T_EQ(sn_cons_wal_replay(w, 61, see, &s), SN_E_NOT_FOUND);
    sn_cons_wal_close(w);
    struct sn_arena a;
    struct sn_str *names;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    snprintf(path, sizeof(path), "%s/cs.wal", dir);
    T_OK(sn_dir_list(&a, path, &names, &n));
    T_STR(names[0], "wal");
    T_ASSERT(n >= 4 && n <= 10);
    for (size_t i = 1; i < n; i++)
        T_ASSERT(names[i].len == 7 && sn_str_starts(names[i], SN_STR("wal.0")));
    sn_arena_done(&a);
    return 0;
}
SN_TEST(wal_rotation)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, rotation_main, (void *)sn_test_tmpdir()));
}

/* A writer that syncs now and then is crashed; the log opens again and has every synced record. */
struct life {
    struct sn_sim_host *h;
    int64_t written, synced, lives;
    bool done;
};
static int check_log(void *arg, const struct sn_cons_wal_record *rec)
{
    int64_t *next = arg;
    if (rec->kind != SN_CONS_WAL_ROUND_STATE) return 0;
    T_EQ(rec->height, *next);
    (*next)++;
    return 0;
}
static void live(void *arg)
{
    struct life *l = arg;
    struct sn_cons_wal *w;
    struct sn_cons_wal_opts o = {.head_bytes_max = 3000};
    T_OK(sn_cons_wal_open("/d/wal", &o, NULL, &w));
    int64_t next = 0;
    T_OK(sn_cons_wal_replay(w, 0, check_log, &next));
    T_ASSERTF(next >= l->synced && next <= l->written, "%lld records, %lld synced, %lld written",
              (long long)next, (long long)l->synced, (long long)l->written);
    l->written = next;
    for (;;) {
        l->written++;
        T_OK(put(w, l->written - 1, 0));
        if (sn_sim_rand() % 4 == 0) {
            int64_t upto = l->written;
            T_OK(sn_cons_wal_sync(w));
            l->synced = upto;
        }
        if (sn_sleep((int64_t)(sn_sim_rand() % SN_MS)) < 0) return;
    }
}
static int crash_main(void *arg)
{
    struct life *l = arg;
    l->h = sn_sim_host_new("node");
    for (int k = 0; k < 12; k++) {
        T_OK(sn_sim_host_go(l->h, "writer", live, l));
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % (100 * SN_MS))));
        sn_sim_crash(l->h);
        T_OK(sn_sleep(SN_MS));
    }
    return 0;
}
SN_TEST_SLOW(wal_survives_crashes, 120)
{
    sn_test_allow_crash_leaks();
    unsigned n = sn_test_cases(40);
    for (unsigned i = 0; i < n; i++) {
        uint64_t hash[2];
        struct life l;
        for (unsigned twice = 0; twice < 2; twice++) {
            struct sn_sim_opts o = {.seed = sn_test_seed() + i};
            sn_test_row("seed %llu", (unsigned long long)o.seed);
            l = (struct life){0};
            T_OK(sn_sim_run(&o, crash_main, &l, &hash[twice]));
        }
        T_ASSERT(hash[0] == hash[1]);
        T_ASSERT(l.synced > 5);
    }
}
