/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/secp256k1.h - Ethereum's and CometBFT's signatures over libsecp256k1: constant time,
 * deterministic nonces (RFC 6979), low s. Keys are only ever read here; wiping them is their owner's
 * work (sn_wipe).
 *
 * Source: SEC 1, SEC 2; libsecp256k1's documentation. */
#pragma once
#include "core/base.h"

#define SN_SECP256K1_KEY_LEN 32
#define SN_SECP256K1_PUBLIC_LEN 64 /* x and y, big-endian, without a format byte */
#define SN_SECP256K1_SIG_LEN 64    /* r and s, big-endian */

/* sn_secp256k1_public - the public key of a private one. Returns 0; SN_E_INVALID_ARGUMENT for zero or
 * the group's order and above (the diagnostic never has the key); SN_E_NOMEM. */
int sn_secp256k1_public(const uint8_t key[SN_SECP256K1_KEY_LEN],
                        uint8_t ret[SN_SECP256K1_PUBLIC_LEN]) SN_MUST_CHECK;
/* sn_secp256k1_sign - signs a 32-byte digest; s is in the lower half. ret_recovery: 0..3, which of
 * the candidate public keys is the signer's. Returns as sn_secp256k1_public. Context: any thread,
 * never suspends. */
int sn_secp256k1_sign(const uint8_t key[SN_SECP256K1_KEY_LEN], const uint8_t digest[32],
                      uint8_t ret[SN_SECP256K1_SIG_LEN], unsigned *ret_recovery) SN_MUST_CHECK;
/* sn_secp256k1_recover - the public key that signed. recovery: 0..3; any s of the group, so that old
 * signatures verify: see sn_secp256k1_is_low. Returns 0, SN_E_INVALID_ARGUMENT where there is none.
 */
int sn_secp256k1_recover(const uint8_t sig[SN_SECP256K1_SIG_LEN], unsigned recovery,
                         const uint8_t digest[32], uint8_t ret[SN_SECP256K1_PUBLIC_LEN])
    SN_MUST_CHECK;
/* sn_secp256k1_is_low - whether s is at most half the order: of each signature's two forms the one
 * that transactions may have (EIP-2). */
bool sn_secp256k1_is_low(const uint8_t sig[SN_SECP256K1_SIG_LEN]);

#define SN_SECP256K1_COMPRESSED_LEN 33
#define SN_SECP256K1_ADDRESS_LEN 20
/* sn_secp256k1_compressed - the public key of a private one as CometBFT has it: 02 or 03 by the parity of
 * y, then x. Returns as sn_secp256k1_public. */
int sn_secp256k1_compressed(const uint8_t key[SN_SECP256K1_KEY_LEN],
                            uint8_t ret[SN_SECP256K1_COMPRESSED_LEN]) SN_MUST_CHECK;
/* sn_secp256k1_verify - whether sig is the key's over a digest (CometBFT: SHA-256 of the message).
 * Returns 0, SN_E_UNAUTHENTICATED where it is not, its s is in the upper half, or the key no point. */
int sn_secp256k1_verify(const uint8_t key[SN_SECP256K1_COMPRESSED_LEN], const uint8_t digest[32],
                        const uint8_t sig[SN_SECP256K1_SIG_LEN]) SN_MUST_CHECK;
/* sn_secp256k1_address - CometBFT's address of a key: RIPEMD-160 of SHA-256 of it. Returns 0,
 * SN_E_NOMEM, SN_E_INTERNAL. */
int sn_secp256k1_address(const uint8_t key[SN_SECP256K1_COMPRESSED_LEN],
                         uint8_t ret[SN_SECP256K1_ADDRESS_LEN]) SN_MUST_CHECK;
