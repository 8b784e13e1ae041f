/* SPDX-License-Identifier: Apache-2.0 */
#include "load/stats.h"

#include "core/status.h"

const char *const sn_load_hist_names[SN_LOAD_HISTS] = {"latency", "service",   "first_byte",
                                                       "connect", "handshake", "lateness"};
const char *const sn_load_error_names[SN_LOAD_ERRORS] = {
    "connect", "handshake", "read", "write", "timeout", "protocol", "status", "lost", "unsent"};

#define FRAME_MAGIC 0x31304c53u /* "SL01" */

/* Frames never leave the machine, so numbers are in its own order. */
struct frame {
    uint32_t magic, len; /* len counts everything after this struct */
    int64_t conns_open;
    struct sn_load_counts n;
};
struct frame_hist {
    uint64_t sum, min, max;
    uint32_t n_slots, pad;
};
struct frame_slot {
    uint32_t slot, pad;
    uint64_t count;
};

int sn_load_stats_init(struct sn_load_stats *s)
{
    *s = (struct sn_load_stats){0};
    for (int i = 0; i < SN_LOAD_HISTS; i++) {
        int r = sn_hist_init(&s->hist[i], SN_LOAD_HIST_BITS, SN_LOAD_HIST_MAX);
        if (r < 0) {
            sn_load_stats_done(s);
            return r;
        }
    }
    return 0;
}

void sn_load_stats_done(struct sn_load_stats *s)
{
    for (int i = 0; i < SN_LOAD_HISTS; i++)
        if (s->hist[i].counts) sn_hist_done(&s->hist[i]);
    *s = (struct sn_load_stats){0};
}

void sn_load_stats_reset(struct sn_load_stats *s)
{
    s->n = (struct sn_load_counts){0};
    for (int i = 0; i < SN_LOAD_HISTS; i++)
        if (s->hist[i].count) sn_hist_reset(&s->hist[i]);
}

uint64_t sn_load_errors(const struct sn_load_counts *n)
{
    uint64_t sum = 0;
    for (int i = 0; i < SN_LOAD_ERRORS; i++) sum += n->errors[i];
    return sum;
}

static void encode_hist(const struct sn_hist *h, struct sn_buf *out)
{
    size_t head_at = out->len;
    struct frame_hist head = {.sum = h->sum, .min = h->min, .max = h->max};
    sn_buf_put(out, &head, sizeof(head));
    if (!h->count) return;
    size_t last = sn_hist_slot(h->bits, SN_MIN(h->max, h->value_max));
    for (size_t i = sn_hist_slot(h->bits, SN_MIN(h->min, h->value_max)); i <= last; i++) {
        if (!h->counts[i]) continue;
        struct frame_slot slot = {.slot = (uint32_t)i, .count = h->counts[i]};
        sn_buf_put(out, &slot, sizeof(slot));
        head.n_slots++;
    }
    if (out->err == 0) memcpy(out->ptr + head_at, &head, sizeof(head));
}

int sn_load_stats_encode(const struct sn_load_stats *s, struct sn_buf *out)
{
    size_t at = out->len;
    struct frame f = {.magic = FRAME_MAGIC, .conns_open = s->conns_open, .n = s->n};
    sn_buf_put(out, &f, sizeof(f));
    for (int i = 0; i < SN_LOAD_HISTS; i++) encode_hist(&s->hist[i], out);
    if (out->err < 0) return out->err;
    f.len = (uint32_t)(out->len - at - sizeof(f));
    memcpy(out->ptr + at, &f, sizeof(f));
    return 0;
}

static void add_counts(struct sn_load_counts *into, const struct sn_load_counts *from)
{
    /* All members are uint64_t; the assertion keeps it so. */
    _Static_assert(sizeof(*into) % sizeof(uint64_t) == 0, "counts are uint64_t only");
    uint64_t *a = (uint64_t *)into;
    const uint64_t *b = (const uint64_t *)from;
    for (size_t i = 0; i < sizeof(*into) / sizeof(uint64_t); i++) a[i] += b[i];
}

static bool take(struct sn_str *in, void *out, size_t n)
{
    if (in->len < n) return false;
    memcpy(out, in->ptr, n);
    *in = sn_str_from(*in, n);
    return true;
}

/* What encode_hist writes and nothing else: used slots in order, between those of min and max. */
static int check_hist(struct sn_str *in, const struct sn_hist *h)
{
    struct frame_hist head;
    if (!take(in, &head, sizeof(head))) return SN_E_PROTOCOL;
    if (!head.n_slots) return head.sum || head.max || head.min != UINT64_MAX ? SN_E_PROTOCOL : 0;
    if (head.min > head.max) return SN_E_PROTOCOL;
    size_t next = sn_hist_slot(h->bits, SN_MIN(head.min, h->value_max));
    size_t last = sn_hist_slot(h->bits, SN_MIN(head.max, h->value_max));
    uint64_t count = h->count;
    for (uint32_t i = 0; i < head.n_slots; i++) {
        struct frame_slot slot;
        if (!take(in, &slot, sizeof(slot)) || slot.slot < next || slot.slot > last || !slot.count ||
            __builtin_add_overflow(count, slot.count, &count))
            return SN_E_PROTOCOL;
        next = (size_t)slot.slot + 1;
    }
    return 0;
}

/* `in` has passed check_hist. */
static void add_hist(struct sn_str *in, struct sn_hist *into)
{
    struct frame_hist head;
    if (!take(in, &head, sizeof(head)) || !head.n_slots) return;
    for (uint32_t i = 0; i < head.n_slots; i++) {
        struct frame_slot slot;
        if (!take(in, &slot, sizeof(slot))) return;
        into->counts[slot.slot] += slot.count;
        into->count += slot.count;
    }
    into->sum += head.sum;
    into->min = SN_MIN(into->min, head.min);
    into->max = SN_MAX(into->max, head.max);
}

int sn_load_stats_decode_add(struct sn_str *in, struct sn_load_stats *into, int64_t *ret_open)
{
    struct frame f;
    struct sn_str rest = *in;
    if (!take(&rest, &f, sizeof(f))) return 0;
    if (f.magic != FRAME_MAGIC) return sn_fail(SN_E_PROTOCOL, "load worker: not a frame");
    /* Before waiting for the rest: a wrong length would have the reader collect up to 4 GiB. */
    size_t len_max = 0;
    for (int i = 0; i < SN_LOAD_HISTS; i++)
        len_max += sizeof(struct frame_hist) + into->hist[i].n_counts * sizeof(struct frame_slot);
    if (f.len > len_max)
        return sn_fail(SN_E_PROTOCOL, "load worker: frame of %u bytes, at most %zu", f.len, len_max);
    if (rest.len < f.len) return 0;
    struct sn_str body = sn_str_sub(rest, 0, f.len);
    for (int i = 0; i < SN_LOAD_HISTS; i++) /* all of it before any of it is added */
        if (check_hist(&body, &into->hist[i]) < 0)
            return sn_fail(SN_E_PROTOCOL, "load worker: damaged %s histogram", sn_load_hist_names[i]);
    if (body.len) return sn_fail(SN_E_PROTOCOL, "load worker: %zu bytes too many", body.len);
    body = sn_str_sub(rest, 0, f.len);
    for (int i = 0; i < SN_LOAD_HISTS; i++) add_hist(&body, &into->hist[i]);
    add_counts(&into->n, &f.n);
    *ret_open = f.conns_open;
    *in = sn_str_from(rest, f.len);
    return 1;
}

int sn_load_stats_add(struct sn_load_stats *into, const struct sn_load_stats *from)
{
    add_counts(&into->n, &from->n);
    for (int i = 0; i < SN_LOAD_HISTS; i++) {
        int r = sn_hist_merge(&into->hist[i], &from->hist[i]);
        if (r < 0) return r;
    }
    return 0;
}
