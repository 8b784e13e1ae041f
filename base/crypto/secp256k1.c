/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/secp256k1.c - a signing context lives for one call: it holds blinding values, and whatever
 * lives on a stack or in a thread outlives its use. */
#include <openssl/rand.h>
#include <secp256k1.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "crypto/secp256k1.h"

struct signing {
    secp256k1_context *ctx;
    void *mem;
    size_t size;
};
static int signing_init(struct signing *s)
{
    uint8_t seed[32];
    s->size = secp256k1_context_preallocated_size(SECP256K1_CONTEXT_SIGN);
    s->mem = sn_alloc(s->size);
    if (!s->mem) return SN_E_NOMEM;
    s->ctx = secp256k1_context_preallocated_create(s->mem, SECP256K1_CONTEXT_SIGN);
    /* Blinding protects against other channels than timing; without entropy signing is still right.
     */
    if (RAND_bytes(seed, sizeof(seed)) == 1) {
        int ok = secp256k1_context_randomize(s->ctx, seed);
        SN_ASSERT(ok);
    }
    sn_wipe(seed, sizeof(seed));
    return 0;
}
static void signing_done(struct signing *s)
{
    secp256k1_context_preallocated_destroy(s->ctx);
    sn_wipe(s->mem, s->size);
    sn_free(s->mem);
}
static void put_public(const secp256k1_context *ctx, const secp256k1_pubkey *key,
                       uint8_t ret[SN_SECP256K1_PUBLIC_LEN])
{
    uint8_t out[1 + SN_SECP256K1_PUBLIC_LEN];
    size_t n = sizeof(out);
    secp256k1_ec_pubkey_serialize(ctx, out, &n, key, SECP256K1_EC_UNCOMPRESSED);
    memcpy(ret, out + 1, SN_SECP256K1_PUBLIC_LEN);
}

static int public_of(const uint8_t key[SN_SECP256K1_KEY_LEN], secp256k1_pubkey *ret)
{
    struct signing s;
    int r = signing_init(&s);
    if (r < 0) return r;
    if (!secp256k1_ec_pubkey_create(s.ctx, ret, key))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "not a private key: zero, or beyond the group's order");
    signing_done(&s);
    return r;
}
int sn_secp256k1_public(const uint8_t key[SN_SECP256K1_KEY_LEN],
                        uint8_t ret[SN_SECP256K1_PUBLIC_LEN])
{
    secp256k1_pubkey pub;
    int r = public_of(key, &pub);
    if (r == 0) put_public(secp256k1_context_static, &pub, ret);
    return r;
}
int sn_secp256k1_compressed(const uint8_t key[SN_SECP256K1_KEY_LEN],
                            uint8_t ret[SN_SECP256K1_COMPRESSED_LEN])
{
    secp256k1_pubkey pub;
    size_t n = SN_SECP256K1_COMPRESSED_LEN;
    int r = public_of(key, &pub);
    if (r == 0)
        secp256k1_ec_pubkey_serialize(secp256k1_context_static, ret, &n, &pub, SECP256K1_EC_COMPRESSED);
    return r;
}
int sn_secp256k1_verify(const uint8_t key[SN_SECP256K1_COMPRESSED_LEN], const uint8_t digest[32],
                        const uint8_t sig[SN_SECP256K1_SIG_LEN])
{
    const secp256k1_context *ctx = secp256k1_context_static;
    secp256k1_pubkey pub;
    secp256k1_ecdsa_signature s;
    if (!secp256k1_ec_pubkey_parse(ctx, &pub, key, SN_SECP256K1_COMPRESSED_LEN))
        return sn_fail(SN_E_UNAUTHENTICATED, "the public key is no point of the curve");
    if (!sn_secp256k1_is_low(sig))
        return sn_fail(SN_E_UNAUTHENTICATED, "the signature's s is in the upper half");
    if (!secp256k1_ecdsa_signature_parse_compact(ctx, &s, sig) ||
        !secp256k1_ecdsa_verify(ctx, &s, digest, &pub))
        return sn_fail(SN_E_UNAUTHENTICATED, "the signature is not the key's for this digest");
    return 0;
}
int sn_secp256k1_address(const uint8_t key[SN_SECP256K1_COMPRESSED_LEN],
                         uint8_t ret[SN_SECP256K1_ADDRESS_LEN])
{
    uint8_t digest[32];
    int r = sn_hash_once(SN_SHA256, key, SN_SECP256K1_COMPRESSED_LEN, digest);
    return r < 0 ? r : sn_hash_once(SN_RIPEMD160, digest, sizeof(digest), ret);
}
int sn_secp256k1_sign(const uint8_t key[SN_SECP256K1_KEY_LEN], const uint8_t digest[32],
                      uint8_t ret[SN_SECP256K1_SIG_LEN], unsigned *ret_recovery)
{
    struct signing s;
    secp256k1_ecdsa_recoverable_signature sig;
    int r = signing_init(&s), recovery;
    if (r < 0) return r;
    if (secp256k1_ecdsa_sign_recoverable(s.ctx, &sig, digest, key, NULL, NULL)) {
        secp256k1_ecdsa_recoverable_signature_serialize_compact(s.ctx, ret, &recovery, &sig);
        *ret_recovery = (unsigned)recovery;
    } else {
        r = sn_fail(SN_E_INVALID_ARGUMENT, "not a private key: zero, or beyond the group's order");
    }
    signing_done(&s);
    return r;
}
int sn_secp256k1_recover(const uint8_t sig[SN_SECP256K1_SIG_LEN], unsigned recovery,
                         const uint8_t digest[32], uint8_t ret[SN_SECP256K1_PUBLIC_LEN])
{
    const secp256k1_context *ctx = secp256k1_context_static;
    secp256k1_ecdsa_recoverable_signature s;
    secp256k1_pubkey pub;
    if (recovery > 3 ||
        !secp256k1_ecdsa_recoverable_signature_parse_compact(ctx, &s, sig, (int)recovery) ||
        !secp256k1_ecdsa_recover(ctx, &pub, &s, digest))
        return sn_fail(SN_E_INVALID_ARGUMENT, "no public key has this signature");
    put_public(ctx, &pub, ret);
    return 0;
}
bool sn_secp256k1_is_low(const uint8_t sig[SN_SECP256K1_SIG_LEN])
{
    static const uint8_t half[32] = {
        0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
    };
    return memcmp(sig + 32, half, sizeof(half)) <= 0;
}
