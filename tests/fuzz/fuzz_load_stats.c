/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_load_stats.c - frames between load processes: a refused or incomplete one changes
 * nothing, an accepted one encodes again to a frame that adds up to the same. */
#include <stdlib.h>

#include "core/status.h"
#include "load/stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sn_load_stats one, two; /* large: kept */

static bool same(const struct sn_load_stats *x, const struct sn_load_stats *y)
{
    if (memcmp(&x->n, &y->n, sizeof(x->n)) != 0) return false;
    for (int i = 0; i < SN_LOAD_HISTS; i++) {
        const struct sn_hist *a = &x->hist[i], *b = &y->hist[i];
        if (a->count != b->count || a->sum != b->sum || a->min != b->min || a->max != b->max ||
            memcmp(a->counts, b->counts, a->n_counts * sizeof(a->counts[0])) != 0)
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!one.hist[0].counts && (sn_load_stats_init(&one) < 0 || sn_load_stats_init(&two) < 0)) abort();
    struct sn_str in = sn_str_of((const char *)data, size);
    struct sn_buf b;
    sn_buf_init(&b, 64u << 20);
    sn_load_stats_reset(&one);
    sn_load_stats_reset(&two);
    int64_t open = 7, open2;
    int r = sn_load_stats_decode_add(&in, &one, &open);
    if (r != 1) {
        SN_ASSERT(r == 0 || r == SN_E_PROTOCOL);
        SN_ASSERT(in.len == size && open == 7 && same(&one, &two));
    } else {
        SN_ASSERT(in.len < size);
        for (int i = 0; i < SN_LOAD_HISTS; i++) {
            const struct sn_hist *h = &one.hist[i];
            if (h->count) SN_ASSERT(h->min <= h->max && sn_hist_percentile(h, 50) <= h->max);
        }
        one.conns_open = open;
        SN_ASSERT(sn_load_stats_encode(&one, &b) == 0);
        struct sn_str view = sn_buf_view(&b);
        SN_ASSERT(sn_load_stats_decode_add(&view, &two, &open2) == 1 && view.len == 0);
        SN_ASSERT(open2 == open && same(&one, &two));
    }
    sn_buf_done(&b);
    return 0;
}
