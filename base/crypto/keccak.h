/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/keccak.h - Keccak-256 as Ethereum uses it: the submission's padding, not FIPS 202's. */
#pragma once
#include "core/base.h"
#include "core/str.h"

#define SN_KECCAK256_LEN 32
#define SN_KECCAK256_RATE 136 /* bytes absorbed per permutation */

struct sn_keccak {
    uint64_t state[25];
    unsigned at; /* bytes of the current block */
};
/* sn_keccak_init - begins a digest; there is nothing to free. */
void sn_keccak_init(struct sn_keccak *k);
/* sn_keccak_put - adds n bytes. */
void sn_keccak_put(struct sn_keccak *k, const void *data, size_t n);
/* sn_keccak_final - the digest of everything put; the state must be initialised anew. */
void sn_keccak_final(struct sn_keccak *k, uint8_t out[SN_KECCAK256_LEN]);
/* sn_keccak256 - the digest of n bytes. Context: any thread, never suspends.
 * Source: The Keccak reference, version 3.0. */
void sn_keccak256(const void *data, size_t n, uint8_t out[SN_KECCAK256_LEN]);
/* sn_keccak_permute - Keccak-f[1600] on 25 lanes, for other sponges. */
void sn_keccak_permute(uint64_t state[25]);
