/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_ttrpc.c - frames: each prefix asks for more until the whole is there, and what was
 * parsed is written back to the same bytes. */
#include "clusters/ttrpc/frame.h"
#include "core/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str in = {(const char *)data, size};
    struct sn_buf out;
    sn_buf_init(&out, 0);
    for (;;) {
        struct sn_ttrpc_frame f, part;
        ssize_t n = sn_ttrpc_frame_parse(in, &f);
        SN_ASSERT(n == SN_E_AGAIN || n == SN_E_TOO_LARGE || (n >= 10 && (size_t)n <= in.len));
        if (n < 0) break;
        SN_ASSERT(f.data.len == f.len && (size_t)n == f.len + SN_TTRPC_HEAD_BYTES);
        for (size_t i = 0; i < (size_t)n; i += 1 + i / 16)
            SN_ASSERT(sn_ttrpc_frame_parse(sn_str_sub(in, 0, i), &part) == SN_E_AGAIN);
        size_t at = sn_ttrpc_frame_begin(&out);
        sn_buf_str(&out, f.data);
        SN_ASSERT(sn_ttrpc_frame_end(&out, at, f.stream, f.type, f.flags) == 0);
        SN_ASSERT(sn_str_eq(sn_str_from(sn_buf_view(&out), at), sn_str_sub(in, 0, (size_t)n)));
        in = sn_str_from(in, (size_t)n);
    }
    sn_buf_done(&out);
    return 0;
}
