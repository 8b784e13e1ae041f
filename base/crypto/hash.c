/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/hash.c - libcrypto's EVP behind Sennit's error values.
 * EVP_sha256() and friends look the implementation up on each use (several hundred ns in OpenSSL
 * 3); fetched algorithms are kept for the process instead. SHA-256 goes by libcrypto's own functions
 * beneath EVP: chains hash by the kilobyte and less, where EVP's allocations cost as much as the digest
 * (33 bytes: 184 ns by EVP, 77 ns without). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "core/status.h"

static const struct {
    const char *name;
    uint8_t len;
} kinds[] = {[SN_SHA1] = {"SHA1", 20},
             [SN_SHA256] = {"SHA256", 32},
             [SN_SHA512] = {"SHA512", 64},
             [SN_BLAKE2B_512] = {"BLAKE2B-512", 64},
             [SN_MD5] = {"MD5", 16},
             [SN_RIPEMD160] = {"RIPEMD160", 20}};

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct sn_hasher *)0)->sha256), "SHA-256's state");

size_t sn_hash_len(enum sn_hash_kind kind) { return kinds[kind].len; }

/* Fetched once per process. Two threads may fetch at the same time: the loser frees its copy. */
static const EVP_MD *md_of(enum sn_hash_kind kind)
{
    static EVP_MD *fetched[SN_COUNT_OF(kinds)];
    EVP_MD *md = __atomic_load_n(&fetched[kind], __ATOMIC_ACQUIRE);
    if (SN_LIKELY(md != NULL)) return md;
    md = EVP_MD_fetch(NULL, kinds[kind].name, NULL);
    if (!md) return NULL;
    EVP_MD *expected = NULL;
    if (__atomic_compare_exchange_n(&fetched[kind], &expected, md, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return md;
    EVP_MD_free(md);
    return expected;
}

static int refuse(const char *what, enum sn_hash_kind kind)
{
    char reason[128] = "no reason given";
    unsigned long e = ERR_get_error();
    if (e) ERR_error_string_n(e, reason, sizeof(reason));
    ERR_clear_error();
    return sn_fail(SN_E_INTERNAL, "%s %s: %s", what, kinds[kind].name, reason);
}

static SHA256_CTX *sha256_of(struct sn_hasher *h) { return (SHA256_CTX *)(void *)h->sha256; }

/* The digest is out; the hasher cannot go on. */
static void end(struct sn_hasher *h, void *out)
{
    int ok = h->kind == SN_SHA256 ? SHA256_Final(out, sha256_of(h))
                                  : EVP_DigestFinal_ex(h->ctx, out, NULL);
    if (ok != 1) h->err = refuse("digest", h->kind);
}

int sn_hash_once(enum sn_hash_kind kind, const void *data, size_t n, void *out)
{
    struct sn_hasher h;
    int r = sn_hasher_init(&h, kind);
    if (r < 0) return r;
    sn_hasher_put(&h, data, n);
    if (h.err == 0) end(&h, out);
    r = h.err;
    sn_hasher_done(&h);
    return r;
}

int sn_hmac_once(enum sn_hash_kind kind, const void *key, size_t key_len, const void *data,
                 size_t n, void *out)
{
    const EVP_MD *md = md_of(kind);
    if (!md) return refuse("fetch", kind);
    if (key_len > INT32_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "HMAC key of %zu bytes", key_len);
    /* A NULL key would mean "the previous one" to libcrypto. */
    if (!HMAC(md, key ? key : "", (int)key_len, n ? data : (const void *)"", n, out, NULL))
        return refuse("hmac", kind);
    return 0;
}

int sn_hkdf_once(enum sn_hash_kind kind, const struct sn_hkdf_in *in, void *out, size_t n)
{
    static const uint8_t no_salt[SN_HASH_MAX];
    const size_t len = kinds[kind].len;
    uint8_t key[SN_HASH_MAX], block[SN_HASH_MAX + SN_HKDF_INFO_MAX + 1], t[SN_HASH_MAX];
    if (n > 255 * len || in->info_len > SN_HKDF_INFO_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "HKDF of %zu bytes with %zu of info", n, in->info_len);
    int r = sn_hmac_once(kind, in->salt ? in->salt : no_salt, in->salt ? in->salt_len : len,
                         in->secret, in->secret_len, key);
    size_t before = 0; /* bytes of the last block, which each block begins with */
    for (size_t at = 0, i = 1; at < n && r == 0; at += len, i++) {
        memcpy(block, t, before);
        if (in->info_len) memcpy(block + before, in->info, in->info_len);
        block[before + in->info_len] = (uint8_t)i;
        r = sn_hmac_once(kind, key, len, block, before + in->info_len + 1, t);
        if (r == 0) memcpy((uint8_t *)out + at, t, SN_MIN(len, n - at));
        before = len;
    }
    sn_wipe(key, sizeof(key));
    sn_wipe(block, sizeof(block));
    sn_wipe(t, sizeof(t));
    return r;
}

int sn_hasher_init(struct sn_hasher *h, enum sn_hash_kind kind)
{
    h->ctx = NULL;
    h->kind = kind;
    h->err = 0;
    if (kind == SN_SHA256) return SHA256_Init(sha256_of(h)) == 1 ? 0 : refuse("start", kind);
    const EVP_MD *md = md_of(kind);
    if (!md) return refuse("fetch", kind);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx) return SN_E_NOMEM;
    if (EVP_DigestInit_ex2(ctx, md, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return refuse("start", kind);
    }
    h->ctx = ctx;
    return 0;
}

void sn_hasher_put(struct sn_hasher *h, const void *data, size_t n)
{
    if (h->err < 0 || n == 0) return;
    int ok = h->kind == SN_SHA256 ? SHA256_Update(sha256_of(h), data, n)
                                  : EVP_DigestUpdate(h->ctx, data, n);
    if (ok != 1) h->err = refuse("update", h->kind);
}

int sn_hasher_final(struct sn_hasher *h, void *out)
{
    if (h->err < 0) return h->err;
    end(h, out);
    if (h->err < 0) return h->err;
    int ok = h->kind == SN_SHA256 ? SHA256_Init(sha256_of(h))
                                  : EVP_DigestInit_ex2(h->ctx, NULL, NULL);
    if (ok != 1) h->err = refuse("start", h->kind);
    return h->err;
}

void sn_hasher_done(struct sn_hasher *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

bool sn_equal_ct(const void *a, const void *b, size_t n) { return CRYPTO_memcmp(a, b, n) == 0; }

int sn_secret_bytes(void *out, size_t n)
{
    if (RAND_bytes(out, (int)n) == 1) return 0;
    return sn_fail(SN_E_INTERNAL, "libcrypto has no random bytes");
}
