/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_ws.c - WebSocket frames: the same messages and verdict whatever the cuts; text is
 * UTF-8; no message beyond the limit. Byte 0: bit 0 the side, the rest the step of the second run.
 */
#include <stdlib.h>

#include "core/status.h"
#include "core/map.h"
#include "wire/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096u
static int decode(const uint8_t *p, size_t n, size_t step, bool mask, uint64_t *ret_sum)
{
    struct sn_ws_decoder d;
    struct sn_buf msg = {0};
    sn_ws_decoder_init(&d, mask, LIMIT);
    uint64_t sum = 0;
    int r = SN_E_AGAIN;
    for (size_t off = 0; off < n && r == SN_E_AGAIN; off += step) {
        struct sn_str in = sn_str_of((const char *)p + off, SN_MIN(step, n - off));
        while ((r = sn_ws_decode(&d, &in, &msg)) > 0) {
            if (msg.len > LIMIT) abort();
            if (r == SN_WS_OP_TEXT && !sn_utf8_valid(sn_buf_view(&msg))) abort();
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
    int ra = decode(data + 1, size - 1, size, data[0] & 1, &a);
    int rb = decode(data + 1, size - 1, (size_t)(data[0] >> 1) % 31 + 1, data[0] & 1, &b);
    if (ra != rb || a != b) abort();
    return 0;
}
