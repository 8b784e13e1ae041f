/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_grpc.c - gRPC on the wire: the same messages whatever the cuts, none beyond the limit,
 * compressed ones included; timeouts, status messages and binary metadata reach a fixed point.
 * Byte 0: bits 0-1 the encoding, the others the step of the second run. */
#include <stdlib.h>

#include "core/map.h"
#include "wire/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096u

static int decode(const uint8_t *p, size_t n, size_t step, int encoding, uint64_t *ret_sum)
{
    struct sn_grpc_in in;
    struct sn_buf out = {0};
    sn_grpc_in_init(&in, LIMIT, SN_GRPC_COMPRESSED);
    uint64_t sum = 0;
    int r = 0;
    for (size_t off = 0; off < n && r == 0; off += step) {
        size_t now = SN_MIN(step, n - off), cap;
        uint8_t *to = sn_grpc_in_room(&in, now, &cap), flags;
        if (!to || cap < now) abort();
        memcpy(to, p + off, now);
        sn_grpc_in_add(&in, now);
        struct sn_str m;
        while ((r = sn_grpc_in_next(&in, &flags, &m)) == 1) {
            if (m.len > LIMIT) abort();
            sn_buf_reset(&out);
            int u = sn_grpc_unpack((enum sn_grpc_encoding)encoding, m, LIMIT, &out);
            if (u == 0 && out.len > LIMIT) abort();
            sum = sn_hash(m.ptr, m.len, sum + flags + (u < 0 ? 99 : out.len));
        }
    }
    sn_buf_done(&out);
    sn_grpc_in_done(&in);
    *ret_sum = sum;
    return r;
}

static void texts(struct sn_str s)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int64_t ns, again;
    char t[SN_GRPC_TIMEOUT_LEN];
    if (sn_grpc_timeout_parse(s, &ns) == 0) {
        unsigned n = sn_grpc_timeout_format(ns, t);
        if (ns < 0 || sn_grpc_timeout_parse(sn_str_of(t, n), &again) < 0 || again > ns) abort();
    }
    struct sn_str m = sn_grpc_message_encode(s, &a), back;
    if (s.len && (!m.ptr || !sn_str_eq(sn_grpc_message_decode(m, &a), s))) abort();
    (void)sn_grpc_message_decode(s, &a);
    if (sn_grpc_bin_decode(s, &a, &back) == 0) {
        struct sn_str twice;
        if (sn_grpc_bin_decode(sn_grpc_bin_encode(back, &a), &a, &twice) < 0 ||
            !sn_str_eq(back, twice))
            abort();
    }
    struct sn_http_header h = {SN_STR("x-bin"), s};
    struct sn_http_headers in = {.ptr = &h, .len = 1}, out;
    int r = sn_grpc_metadata_of(&in, &a, &out);
    if (r < 0 && r != SN_E_SYNTAX) abort();
    enum sn_grpc_codec codec;
    (void)sn_grpc_content_type(s, &codec);
    (void)sn_grpc_metadata_valid(s, s);
    (void)sn_grpc_code_parse(s);
    sn_arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    uint64_t a, b;
    int encoding = (data[0] & 3) % 3;
    int ra = decode(data + 1, size - 1, size, encoding, &a);
    int rb = decode(data + 1, size - 1, (size_t)(data[0] >> 2) % 31 + 1, encoding, &b);
    if (ra != rb || a != b) abort();
    texts(sn_str_of((const char *)data + 1, size - 1));
    return 0;
}
