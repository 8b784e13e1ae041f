/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_enc.c - base64, hex and percent-encoding: everything encodes and decodes back, also in
 * place; what decodes is the only spelling of its bytes; nothing is written past the stated size. */
#include <stdlib.h>

#include "core/enc.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *block(size_t n)
{
    void *p = malloc(n ? n : 1); /* exact, so that one byte too many is seen */
    SN_ASSERT(p);
    return p;
}

static void base64_of(struct sn_str s, enum sn_base64 kind)
{
    size_t n = sn_base64_len(s.len, kind), max = sn_base64_decoded_max(s.len);
    char *text = block(n), *back = block(sn_base64_decoded_max(n)), *plain = block(max);
    SN_ASSERT(sn_base64_encode(s.ptr, s.len, kind, text) == n);
    ssize_t r = sn_base64_decode(sn_str_of(text, n), kind, back);
    SN_ASSERT(r >= 0 && sn_str_eq(sn_str_of(back, (size_t)r), s));
    r = sn_base64_decode(s, kind, plain);
    SN_ASSERT(r <= (ssize_t)max && (r >= 0 || r == SN_E_SYNTAX));
    if (r >= 0) { /* strict: there is one spelling */
        SN_ASSERT(sn_base64_len((size_t)r, kind) == s.len);
        char *again = block(s.len), *in_place = block(max);
        sn_base64_encode(plain, (size_t)r, kind, again);
        SN_ASSERT(sn_str_eq(sn_str_of(again, s.len), s));
        if (s.len) memcpy(in_place, s.ptr, s.len < max ? s.len : max);
        if (s.len <= max) SN_ASSERT(sn_base64_decode(sn_str_of(in_place, s.len), kind, in_place) == r);
        free(again);
        free(in_place);
    }
    free(text);
    free(back);
    free(plain);
}

static void hex_of(struct sn_str s)
{
    char *text = block(2 * s.len), *back = block(s.len), *plain = block(s.len / 2);
    SN_ASSERT(sn_hex_encode(s.ptr, s.len, text) == 2 * s.len);
    SN_ASSERT(sn_hex_decode(sn_str_of(text, 2 * s.len), back) == (ssize_t)s.len);
    SN_ASSERT(sn_str_eq(sn_str_of(back, s.len), s));
    ssize_t r = sn_hex_decode(s, plain);
    bool digits = s.len % 2 == 0;
    for (size_t i = 0; i < s.len; i++) digits &= sn_hex_digit(s.ptr[i]) >= 0;
    SN_ASSERT(r == (digits ? (ssize_t)(s.len / 2) : SN_E_SYNTAX));
    free(text);
    free(back);
    free(plain);
}

static void pct_of(struct sn_str s, enum sn_pct kind)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    char *back = block(3 * s.len), *plain = block(s.len);
    SN_ASSERT(sn_buf_pct(&b, s, kind) == 0 && b.len <= 3 * s.len);
    for (size_t i = 0; i < b.len; i++) SN_ASSERT(b.ptr[i] > 0x20 && b.ptr[i] < 0x7f);
    ssize_t r = sn_pct_decode(sn_buf_view(&b), kind == SN_PCT_QUERY, back);
    SN_ASSERT(r >= 0 && sn_str_eq(sn_str_of(back, (size_t)r), s));
    r = sn_pct_decode(s, false, plain);
    SN_ASSERT(r <= (ssize_t)s.len && (r >= 0 || r == SN_E_SYNTAX));
    free(back);
    free(plain);
    sn_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str s = sn_str_of((const char *)data, size);
    for (int kind = 0; kind < 4; kind++) base64_of(s, (enum sn_base64)kind);
    hex_of(s);
    for (int kind = SN_PCT_SEGMENT; kind <= SN_PCT_UNRESERVED; kind++) pct_of(s, (enum sn_pct)kind);
    return 0;
}
