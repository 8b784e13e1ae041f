/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519.h - Ed25519: verification by ZIP-215's rules, one signature or many at a time, and
 * signing over libsodium.
 *
 * The rules (consensus needs every node to accept exactly the same signatures): s is below the
 * group's order; the key and R are any encodings of points, canonical or not, small orders
 * included; and 8(sB - R - kA) is the neutral element. A batch is accepted exactly where each of
 * its signatures is.
 *
 * Verification reads public data only and takes time that depends on it. Signing is libsodium's and
 * constant time; secrets are only ever read here, wiping them is their owner's work (sn_wipe).
 * Nothing here suspends; any thread may call it, but a cache belongs to one user at a time.
 *
 * Source: RFC 8032; ZIP 215; Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020). */
#pragma once
#include "core/base.h"

#define SN_ED25519_PUBLIC_LEN 32
#define SN_ED25519_SEED_LEN 32
#define SN_ED25519_SECRET_LEN 64 /* the seed, then the public key: what key files have */
#define SN_ED25519_SIG_LEN 64

/* sn_ed25519_verify - whether sig is the signature of msg_len bytes by the key. Returns 0,
 * SN_E_UNAUTHENTICATED where it is not (the diagnostic says what is wrong with it), SN_E_NOMEM. */
int sn_ed25519_verify(const uint8_t key[SN_ED25519_PUBLIC_LEN], const void *msg, size_t msg_len,
                      const uint8_t sig[SN_ED25519_SIG_LEN]) SN_MUST_CHECK;

/* A key taken apart once, for many verifications: two to three times as quick. Eight KiB; constant
 * after init, to be shared freely. */
struct sn_ed25519_key {
    SN_ALIGNED(64)
    uint64_t row[4][16][16]; /* multiples 1..16 of the point, its 2^64-, 2^128-, ... fold */
    uint8_t bytes[SN_ED25519_PUBLIC_LEN];
};
/* sn_ed25519_key_init - about 30 us. Returns 0, SN_E_INVALID_ARGUMENT where the bytes are no point.
 */
int sn_ed25519_key_init(struct sn_ed25519_key *ret,
                        const uint8_t bytes[SN_ED25519_PUBLIC_LEN]) SN_MUST_CHECK;
/* sn_ed25519_key_verify - as sn_ed25519_verify. */
int sn_ed25519_key_verify(const struct sn_ed25519_key *key, const void *msg, size_t msg_len,
                          const uint8_t sig[SN_ED25519_SIG_LEN]) SN_MUST_CHECK;

/* Keys taken apart, found by their bytes; the longest unused one makes room. A key is taken apart
 * the second time it is seen, so that keys met once cost little. */
struct sn_ed25519_cache;
#define SN_ED25519_CACHE_KEYS 1024 /* default bound: 8 MiB when all are in use */
/* sn_ed25519_cache_new - keys_max: 0 is the default. Returns NULL without memory. Owns: cache_free.
 */
struct sn_ed25519_cache *sn_ed25519_cache_new(size_t keys_max);
void sn_ed25519_cache_free(struct sn_ed25519_cache *c);
/* sn_ed25519_cache_verify - as sn_ed25519_verify; c may be NULL. */
int sn_ed25519_cache_verify(struct sn_ed25519_cache *c, const uint8_t key[SN_ED25519_PUBLIC_LEN],
                            const void *msg, size_t msg_len,
                            const uint8_t sig[SN_ED25519_SIG_LEN]) SN_MUST_CHECK;
struct sn_ed25519_cache_stats {
    uint64_t hits, misses, evictions; /* a hit found the key taken apart */
    size_t keys, expanded;            /* held; of these, taken apart */
};
void sn_ed25519_cache_stats(const struct sn_ed25519_cache *c, struct sn_ed25519_cache_stats *ret);

/* One signature of a batch; all borrowed for the call. */
struct sn_ed25519_item {
    const uint8_t *key, *sig; /* SN_ED25519_PUBLIC_LEN, SN_ED25519_SIG_LEN bytes */
    const void *msg;
    size_t msg_len;
};
/* Signatures that are summed up at a time: memory of a call is at most about 4 KiB for
 * each and, for long batches, 660 KiB. */
#define SN_ED25519_BATCH_MAX 1024u
/* sn_ed25519_verify_batch - whether all n signatures are good. c may be NULL. ret_ok, where not
 * NULL, gets each one's own verdict (n of them), also where the call fails for that reason; without
 * it the first failure ends the work. Returns 0 (n = 0 too), SN_E_UNAUTHENTICATED (with ret_ok the
 * diagnostic names the first bad one), SN_E_NOMEM, SN_E_INTERNAL without random numbers: then
 * ret_ok is untouched or partly written and means nothing. */
int sn_ed25519_verify_batch(struct sn_ed25519_cache *c, const struct sn_ed25519_item *items,
                            size_t n, bool *ret_ok) SN_MUST_CHECK;

/* sn_ed25519_from_seed - the secret key (seed and public key) of a seed. Returns 0, SN_E_INTERNAL.
 */
int sn_ed25519_from_seed(uint8_t ret_secret[SN_ED25519_SECRET_LEN],
                         const uint8_t seed[SN_ED25519_SEED_LEN]) SN_MUST_CHECK;
/* sn_ed25519_generate - from the operating system's random numbers. Returns 0, SN_E_INTERNAL. */
int sn_ed25519_generate(uint8_t ret_secret[SN_ED25519_SECRET_LEN]) SN_MUST_CHECK;
/* sn_ed25519_sign - RFC 8032's signature, the same each time. Returns 0, SN_E_INTERNAL. */
int sn_ed25519_sign(const uint8_t secret[SN_ED25519_SECRET_LEN], const void *msg, size_t msg_len,
                    uint8_t ret_sig[SN_ED25519_SIG_LEN]) SN_MUST_CHECK;
/* sn_ed25519_engine - "ifma" (AVX-512 IFMA, eight lanes) or "portable". Static string. */
const char *sn_ed25519_engine(void);
