/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/blake2b.h - BLAKE2b-512 whose state can be kept and taken up again, which OpenSSL's cannot:
 * powers-of-tau files hold the hash of a contribution half done. For everything else hash.h.
 * Source: RFC 7693. */
#pragma once
#include "core/base.h"

#define SN_BLAKE2B_STATE 216 /* bytes of a kept state */
struct sn_blake2b {
    uint8_t block[128];
    uint64_t h[8];
    uint64_t count; /* bytes hashed before the block */
    size_t used;    /* bytes of the block */
};
/* sn_blake2b_init, put, final - final gives 64 bytes and ends the hash. Nothing fails. */
void sn_blake2b_init(struct sn_blake2b *b);
void sn_blake2b_put(struct sn_blake2b *b, const void *data, size_t n);
void sn_blake2b_final(struct sn_blake2b *b, uint8_t ret[64]);
/* sn_blake2b_save, load - block, h, count, used and a zero word, little-endian: the layout of
 * npm's blake2b-wasm, which .ptau files have. load returns 0 or SN_E_OUT_OF_RANGE (used above 128
 * or a state that is final). */
void sn_blake2b_save(const struct sn_blake2b *b, uint8_t ret[SN_BLAKE2B_STATE]);
int sn_blake2b_load(struct sn_blake2b *b, const uint8_t in[SN_BLAKE2B_STATE]) SN_MUST_CHECK;
