/* SPDX-License-Identifier: Apache-2.0 */
/* wire/zlib_int.h - zlib on our allocator and into our buffers, for the files of this folder. */
#pragma once

#include <zlib.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"

#define WIRE_INFLATE_STEP_MIN 4096u

static inline voidpf wire_zalloc(voidpf ctx, uInt n, uInt size) { return sn_zalloc(n, size); }
static inline void wire_zfree(voidpf ctx, voidpf p) { sn_free(p); }
#define WIRE_Z_STREAM ((z_stream){.zalloc = wire_zalloc, .zfree = wire_zfree})

/* wire_inflate - one inflate() into the end of out, whose bytes from `begin` on are this message's: each
 * step may double them. Returns zlib's answer in *ret_z and 0, SN_E_NOMEM, or SN_E_TOO_LARGE when the
 * message has more than bytes_max. */
static inline int wire_inflate(z_stream *z, int flush, size_t begin, size_t bytes_max, struct sn_buf *out,
                               int *ret_z)
{
    size_t have = out->len - begin, step = SN_MAX((size_t)WIRE_INFLATE_STEP_MIN, have);
    /* One byte over the limit may be produced: it proves the excess. */
    step = SN_MIN(SN_MIN(step, bytes_max - have + 1), (size_t)UINT32_MAX / 2);
    int r = sn_buf_reserve(out, step);
    if (r < 0) return r;
    z->next_out = out->ptr + out->len;
    z->avail_out = (uInt)step;
    *ret_z = inflate(z, flush);
    out->len += step - z->avail_out;
    if (*ret_z == Z_MEM_ERROR) return SN_E_NOMEM;
    return out->len - begin > bytes_max ? SN_E_TOO_LARGE : 0;
}
