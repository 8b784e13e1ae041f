/* SPDX-License-Identifier: Apache-2.0 */
#include "load/stats.h"

#include "core/status.h"
#include "harness/test.h"

static void fill(struct sn_load_stats *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sn_hist_record(&s->hist[sn_test_rand_below(SN_LOAD_HISTS)],
                       sn_test_rand_below(SN_HOUR * 2));
        s->n.requests++;
        s->n.errors[sn_test_rand_below(SN_LOAD_ERRORS)]++;
        s->n.status[sn_test_rand_below(6)]++;
        s->n.bytes_in += sn_test_rand_below(1000);
    }
}

static void same(const struct sn_load_stats *a, const struct sn_load_stats *b)
{
    T_EQ(memcmp(&a->n, &b->n, sizeof(a->n)), 0);
    for (int i = 0; i < SN_LOAD_HISTS; i++) {
        sn_test_row("%s", sn_load_hist_names[i]);
        const struct sn_hist *x = &a->hist[i], *y = &b->hist[i];
        T_EQ(x->count, y->count);
        T_EQ(x->sum, y->sum);
        T_EQ(x->min, y->min);
        T_EQ(x->max, y->max);
        T_EQ(memcmp(x->counts, y->counts, x->n_counts * sizeof(uint64_t)), 0);
    }
}

SN_TEST(stats_frames_add_up_to_what_was_recorded)
{
    struct sn_load_stats all, one, got;
    T_OK(sn_load_stats_init(&all));
    T_OK(sn_load_stats_init(&one));
    T_OK(sn_load_stats_init(&got));
    struct sn_buf wire;
    sn_buf_init(&wire, 0);
    for (unsigned frame = 0; frame < 20; frame++) {
        fill(&one, (unsigned)sn_test_rand_below(300));
        one.conns_open = (int64_t)frame;
        T_OK(sn_load_stats_add(&all, &one));
        T_OK(sn_load_stats_encode(&one, &wire));
        sn_load_stats_reset(&one);
    }
    /* Arrives in pieces of any size. */
    struct sn_buf in;
    sn_buf_init(&in, 0);
    unsigned frames = 0;
    for (size_t at = 0; at < wire.len;) {
        size_t n = SN_MIN(wire.len - at, 1 + (size_t)sn_test_rand_below(5000));
        sn_buf_put(&in, wire.ptr + at, n);
        at += n;
        int64_t open;
        struct sn_str view = sn_buf_view(&in);
        while (sn_load_stats_decode_add(&view, &got, &open) == 1) T_EQ(open, frames++);
        sn_buf_consume(&in, in.len - view.len);
    }
    T_EQ(frames, 20);
    T_EQ(in.len, 0);
    same(&all, &got);
    sn_buf_done(&in);
    sn_buf_done(&wire);
    sn_load_stats_done(&all);
    sn_load_stats_done(&one);
    sn_load_stats_done(&got);
}

SN_TEST(stats_damaged_frames_are_refused)
{
    struct sn_load_stats s;
    T_OK(sn_load_stats_init(&s));
    struct sn_buf wire;
    sn_buf_init(&wire, 0);
    fill(&s, 50);
    T_OK(sn_load_stats_encode(&s, &wire));
    for (unsigned i = 0; i < 200; i++) {
        struct sn_buf bad;
        sn_buf_init(&bad, 0);
        sn_buf_put(&bad, wire.ptr, wire.len);
        size_t at = i < 8 ? i : (size_t)sn_test_rand_below(wire.len);
        bad.ptr[at] ^= (uint8_t)(1u << sn_test_rand_below(8));
        int64_t open;
        struct sn_load_stats got;
        T_OK(sn_load_stats_init(&got));
        struct sn_str view = sn_buf_view(&bad);
        int r = sn_load_stats_decode_add(&view, &got, &open); /* any result, no crash */
        if (at < 4) T_EQ(r, SN_E_PROTOCOL);
        if (r != 1) T_EQ(sn_hist_percentile(&got.hist[0], 100) + got.hist[0].count + got.n.requests, 0);
        sn_load_stats_done(&got);
        sn_buf_done(&bad);
    }
    sn_buf_done(&wire);
    sn_load_stats_done(&s);
}

/* Damage that once was half added, or believed: found by tests/fuzz/fuzz_load_stats.c. */
SN_TEST(stats_impossible_histograms_are_refused_whole)
{
    struct sn_load_stats s, got;
    T_OK(sn_load_stats_init(&s));
    T_OK(sn_load_stats_init(&got));
    struct sn_buf wire;
    sn_buf_init(&wire, 0);
    sn_hist_record(&s.hist[0], 100);
    sn_hist_record(&s.hist[1], 100);
    T_OK(sn_load_stats_encode(&s, &wire));
    const size_t head = 16 + sizeof(struct sn_load_counts), second = head + 32 + 16;
    const struct {
        const char *what;
        size_t at;
        uint8_t byte;
    } rows[] = {
        {"length of 4 GiB", 7, 0xff},           {"min over max", head + 8, 101},
        {"max under the slot", head + 16, 99},  {"no slots but a sum", head + 24, 0},
        {"count of zero", head + 32 + 8, 0},    {"slot outside, second", second + 33, 0xff},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].what);
        int64_t open = 7;
        uint8_t was = wire.ptr[rows[i].at];
        struct sn_str in = sn_buf_view(&wire);
        wire.ptr[rows[i].at] = rows[i].byte;
        T_EQ(sn_load_stats_decode_add(&in, &got, &open), SN_E_PROTOCOL);
        T_EQ(got.hist[0].count + got.hist[1].count, 0);
        T_EQ(open, 7);
        wire.ptr[rows[i].at] = was;
    }
    struct sn_str in = sn_buf_view(&wire);
    int64_t open;
    T_EQ(sn_load_stats_decode_add(&in, &got, &open), 1);
    T_EQ(got.hist[0].count, 1);
    sn_buf_done(&wire);
    sn_load_stats_done(&s);
    sn_load_stats_done(&got);
}
