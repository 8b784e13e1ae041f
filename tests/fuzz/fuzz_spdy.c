/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_spdy.c - SPDY/3.1 frames: the same frames and verdict whatever the cuts, within the limits. Byte 0: the step of
 * the second run. */
#include <stdlib.h>

#include "clusters/cri/spdy.h"
#include "core/alloc.h"
#include "core/map.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int decode(const uint8_t *p, size_t n, size_t step, uint64_t *ret_sum)
{
    struct sn_spdy s;
    struct sn_spdy_frame *f = SN_NEW(struct sn_spdy_frame);
    uint64_t sum = 0;
    int r = f ? sn_spdy_init(&s) : SN_E_NOMEM;
    if (r < 0) {
        sn_free(f);
        return r;
    }
    for (size_t off = 0; off < n && r >= 0; off += step) {
        struct sn_str in = sn_str_of((const char *)p + off, SN_MIN(step, n - off));
        while ((r = sn_spdy_next(&s, &in, f)) > 0) {
            if (f->n_headers > SN_SPDY_HEADERS_MAX) abort();
            for (unsigned i = 0; i < f->n_headers; i++) sum = sn_hash(f->headers[i].value.ptr, f->headers[i].value.len, sum);
            for (size_t i = 0; i < f->data.len; i++) sum = sn_hash_u64((uint8_t)f->data.ptr[i], sum);
            if (f->type != SN_SPDY_DATA || f->fin) sum = sn_hash_u64(f->type + ((uint64_t)f->stream << 8) + ((uint64_t)f->fin << 40), sum);
        }
    }
    sn_spdy_done(&s);
    sn_free(f);
    *ret_sum = sum;
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t a = 0, b = 0;
    if (size < 2) return 0;
    int ra = decode(data + 1, size - 1, size, &a), rb = decode(data + 1, size - 1, data[0] % 31u + 1, &b);
    if (ra != rb || (ra >= 0 && a != b)) abort();
    return 0;
}
