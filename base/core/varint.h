/* SPDX-License-Identifier: Apache-2.0 */
/* core/varint.h - numbers in groups of seven bits, least significant first, as protobuf has them.
 * Source: protobuf.dev "Encoding", base 128 varints. */
#pragma once
#include "core/base.h"
#include "core/status.h"
#include "core/str.h"

#define SN_VARINT_MAX 10 /* bytes of the longest */

/* sn_varint_len - bytes of v, 1 to SN_VARINT_MAX. */
static inline size_t sn_varint_len(uint64_t v)
{
    size_t n = 1;
    for (; v >= 128; v >>= 7) n++;
    return n;
}
/* sn_varint_put - writes v; returns its bytes. */
static inline size_t sn_varint_put(uint8_t out[SN_VARINT_MAX], uint64_t v)
{
    size_t n = 0;
    for (; v >= 128; v >>= 7) out[n++] = (uint8_t)(v | 128);
    out[n++] = (uint8_t)v;
    return n;
}
/* sn_varint_get - reads the first of `in`. Returns its bytes, 0 where `in` ends before it does,
 * SN_E_SYNTAX for one of more than 64 bits. */
static inline int sn_varint_get(struct sn_str in, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < SN_VARINT_MAX; i++) {
        if (i == in.len) return 0;
        uint8_t c = (uint8_t)in.ptr[i];
        if (i == SN_VARINT_MAX - 1 && c > 1) break;
        v |= (uint64_t)(c & 127) << 7 * i;
        if (c < 128) {
            *ret = v;
            return (int)i + 1;
        }
    }
    return SN_E_SYNTAX;
}
/* sn_zigzag, sn_unzigzag - signed numbers as unsigned ones that are small where they are near zero.
 */
static inline uint64_t sn_zigzag(int64_t v) { return (uint64_t)v << 1 ^ (uint64_t)(v >> 63); }
static inline int64_t sn_unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }
