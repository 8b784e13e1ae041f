/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/hash.h - SHA-1, SHA-256, SHA-512, BLAKE2b, MD5, RIPEMD-160, HMAC and HKDF over OpenSSL's
 * libcrypto, and the comparison secrets need. SHA-1, MD5 and RIPEMD-160 are here for protocols that name
 * them (WebSocket, Nacos, addresses of secp256k1 keys), not for security. */
#pragma once
#include "core/base.h"

enum sn_hash_kind { SN_SHA1, SN_SHA256, SN_SHA512, SN_BLAKE2B_512, SN_MD5, SN_RIPEMD160 };
#define SN_HASH_MAX 64 /* bytes of the longest digest */

/* sn_hash_len - bytes of the digest: 20, 32, 64, 64, 16, 20. */
size_t sn_hash_len(enum sn_hash_kind kind);

/* sn_hash_once - the digest of n bytes to out (sn_hash_len bytes).
 * Returns 0, SN_E_NOMEM, SN_E_INTERNAL where libcrypto refuses (diagnostic has its reason).
 * Context: any thread, never suspends. Source: FIPS 180-4, RFC 7693. */
int sn_hash_once(enum sn_hash_kind kind, const void *data, size_t n, void *out) SN_MUST_CHECK;
/* sn_hmac_once - HMAC of n bytes under `key`. Returns as sn_hash_once. Source: RFC 2104. */
int sn_hmac_once(enum sn_hash_kind kind, const void *key, size_t key_len, const void *data,
                 size_t n, void *out) SN_MUST_CHECK;

/* sn_hkdf_once - n bytes derived from a secret: extract with `salt` (NULL: none), expand with `info`.
 * At most 255 digests' worth. Returns as sn_hash_once, SN_E_INVALID_ARGUMENT beyond. Source: RFC 5869. */
struct sn_hkdf_in {
    const void *secret, *salt, *info;
    size_t secret_len, salt_len, info_len;
};
#define SN_HKDF_INFO_MAX 128 /* bytes of info; more is SN_E_INVALID_ARGUMENT */
int sn_hkdf_once(enum sn_hash_kind kind, const struct sn_hkdf_in *in, void *out,
                 size_t n) SN_MUST_CHECK;

/* A digest in progress. */
struct sn_hasher {
    void *ctx;
    enum sn_hash_kind kind;
    int err;             /* sticky: the first failure, reported by sn_hasher_final */
    uint64_t sha256[14]; /* of SN_SHA256, which needs no other memory */
};
/* sn_hasher_init - begins a digest. Returns 0, SN_E_NOMEM, SN_E_INTERNAL. Owns: end it with
 * sn_hasher_done, whatever happened in between. */
int sn_hasher_init(struct sn_hasher *h, enum sn_hash_kind kind) SN_MUST_CHECK;
/* sn_hasher_put - adds n bytes. */
void sn_hasher_put(struct sn_hasher *h, const void *data, size_t n);
/* sn_hasher_final - the digest of everything put since init, to out (sn_hash_len bytes); the hasher
 * begins anew. Returns 0 or SN_E_INTERNAL. */
int sn_hasher_final(struct sn_hasher *h, void *out) SN_MUST_CHECK;
/* sn_hasher_done - frees; idempotent. */
void sn_hasher_done(struct sn_hasher *h);

/* sn_secret_bytes - n bytes nobody can guess, of libcrypto's generator. Returns 0, SN_E_INTERNAL. Not for
 * what a simulation must repeat. */
int sn_secret_bytes(void *out, size_t n) SN_MUST_CHECK;
/* sn_equal_ct - whether n bytes are equal, in time that depends on n alone. */
bool sn_equal_ct(const void *a, const void *b, size_t n);
/* sn_wipe - zeroes memory in a way the compiler does not remove. */
static inline void sn_wipe(void *p, size_t n) { explicit_bzero(p, n); }
