/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/key.h - validators' public keys, their addresses, and who checks signatures.
 * Source: CometBFT v0.38.25 crypto/ed25519, crypto/secp256k1. */
#pragma once
#include "consensus/types.h"

/* sn_cons_key_set - from raw bytes. Returns 0, SN_E_INVALID_ARGUMENT for a length that is not the
 * type's (32, 33) or an unknown type. */
int sn_cons_key_set(struct sn_cons_key *k, unsigned type, struct sn_str bytes) SN_MUST_CHECK;
/* sn_cons_key_addr - Ed25519: the first 20 bytes of SHA-256 of the key; secp256k1: RIPEMD-160 of
 * SHA-256 of the compressed key. Returns 0, SN_E_INVALID_ARGUMENT without a key, SN_E_INTERNAL. */
int sn_cons_key_addr(const struct sn_cons_key *k, uint8_t ret[SN_CONS_ADDR_LEN]) SN_MUST_CHECK;
static inline bool sn_cons_key_eq(const struct sn_cons_key *a, const struct sn_cons_key *b)
{
    return a->type == b->type && a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}
/* sn_cons_key_type_name - "ed25519", "secp256k1", NULL for another. */
const char *sn_cons_key_type_name(unsigned type);

/* One signature to check. `ok` is the answer. */
struct sn_cons_check {
    const struct sn_cons_key *key;
    struct sn_str msg;
    const struct sn_cons_sig *sig;
    bool ok;
};
/* Who checks signatures: of Ed25519 under ZIP-215 in a network with other nodes, because any other
 * rule may disagree with theirs and fork the chain. Many at a time, so that an implementation may
 * batch them; the result must be that of checking each alone.
 * verify fills each ok. Returns 0, or SN_E_* where it could not decide. */
struct sn_cons_verifier {
    int (*verify)(const struct sn_cons_verifier *v, struct sn_cons_check *checks, size_t n);
};
/* sn_cons_verify - one signature. Returns 1 valid, 0 not, or SN_E_*. */
int sn_cons_verify(const struct sn_cons_verifier *v, const struct sn_cons_key *key,
                   struct sn_str msg, const struct sn_cons_sig *sig) SN_MUST_CHECK;
/* crypto/ed25519.h in batches, crypto/secp256k1.h for the other keys. */
extern const struct sn_cons_verifier sn_cons_verifier_zip215;
