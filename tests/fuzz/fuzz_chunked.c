/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_chunked.c - the chunked decoder gives the same body, end and verdict whatever the cuts;
 * trailers it collected parse or are refused. Byte 0 is the step of the second run. */
#include <stdlib.h>

#include "core/buf.h"
#include "core/status.h"
#include "wire/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int decode(const uint8_t *p, size_t n, size_t step, struct sn_buf *body, struct sn_buf *tr,
                  size_t *ret_used)
{
    struct sn_h1_chunked c;
    sn_h1_chunked_init(&c);
    int r = SN_E_AGAIN;
    size_t off = 0;
    while (r == SN_E_AGAIN && off < n) {
        struct sn_str in = sn_str_of((const char *)p + off, SN_MIN(step, n - off)), d;
        size_t had = in.len;
        while ((r = sn_h1_chunked_next(&c, &in, &d, tr)) == 1) sn_buf_str(body, d);
        off += had - in.len;
        if (r < 0 && r != SN_E_AGAIN && c.err == SN_H1_OK) abort();
    }
    *ret_used = off;
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct sn_buf a = {0}, b = {0}, ta = {0}, tb = {0};
    size_t ua, ub;
    int ra = decode(data + 1, size - 1, SIZE_MAX, &a, &ta, &ua);
    int rb = decode(data + 1, size - 1, (size_t)data[0] % 17 + 1, &b, &tb, &ub);
    if (ra != rb || ua != ub || !sn_str_eq(sn_buf_view(&a), sn_buf_view(&b)) ||
        !sn_str_eq(sn_buf_view(&ta), sn_buf_view(&tb)))
        abort();
    if (ra == 0) {
        struct sn_arena ar;
        struct sn_http_headers h = {0};
        sn_arena_init(&ar, NULL, 0);
        int r = sn_h1_trailers(sn_buf_view(&ta), &ar, &h);
        if (r < 0 && r != SN_E_PROTOCOL && r != SN_E_TOO_LARGE) abort();
        sn_arena_done(&ar);
    }
    sn_buf_done(&a);
    sn_buf_done(&b);
    sn_buf_done(&ta);
    sn_buf_done(&tb);
    return 0;
}
