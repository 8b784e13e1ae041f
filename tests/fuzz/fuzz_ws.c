/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_ws.c - WebSocket frames: the same messages and verdict whatever the cuts; text is
 * UTF-8; no message beyond the limit, compressed ones included; extension offers and answers. Byte 0:
 * bit 0 the side, bit 7 compression, the others the step of the second run. */
#include <stdlib.h>

#include "core/status.h"
#include "core/map.h"
#include "wire/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096u

/* Returns false where it is not a compressed message: then it is what it was. */
static bool expand(struct sn_buf *msg)
{
    struct sn_buf out = {0};
    int r = sn_ws_inflate(sn_buf_view(msg), LIMIT, &out);
    if (r < 0) {
        sn_buf_done(&out);
        return false;
    }
    sn_buf_done(msg);
    *msg = out;
    return sn_utf8_valid(sn_buf_view(msg));
}

static int decode(const uint8_t *p, size_t n, size_t step, uint8_t how, uint64_t *ret_sum)
{
    struct sn_ws_decoder d;
    struct sn_buf msg = {0};
    sn_ws_decoder_init(&d, how & 1, LIMIT);
    d.deflate = how & 0x80;
    uint64_t sum = 0;
    int r = SN_E_AGAIN;
    for (size_t off = 0; off < n && r == SN_E_AGAIN; off += step) {
        struct sn_str in = sn_str_of((const char *)p + off, SN_MIN(step, n - off));
        while ((r = sn_ws_decode(&d, &in, &msg)) > 0) {
            if (r <= SN_WS_OP_BINARY && d.compressed && !expand(&msg)) sum++;
            else if (r == SN_WS_OP_TEXT && !sn_utf8_valid(sn_buf_view(&msg))) abort();
            if (msg.len > LIMIT) abort();
            if (r <= SN_WS_OP_BINARY) {
                sum = sn_hash(msg.ptr ? msg.ptr : (uint8_t *)"", msg.len, sum + (uint64_t)r);
                sn_buf_reset(&msg);
            } else {
                sum = sn_hash(d.control, d.control_len, sum + (uint64_t)r);
            }
        }
    }
    sn_buf_done(&msg);
    *ret_sum = sum;
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    uint64_t a, b;
    int ra = decode(data + 1, size - 1, size, data[0], &a);
    int rb = decode(data + 1, size - 1, (size_t)(data[0] >> 1 & 63) % 31 + 1, data[0], &b);
    if (ra != rb || a != b) abort();
    struct sn_str text = sn_str_of((const char *)data + 1, size - 1);
    char answer[SN_WS_DEFLATE_ANSWER_MAX];
    unsigned bits = 0;
    if (sn_ws_deflate_offered(text, &bits, answer) &&
        (bits < 9 || bits > 15 || !sn_ws_deflate_answered(sn_str(answer))))
        abort();
    (void)sn_ws_deflate_answered(text);
    return 0;
}
