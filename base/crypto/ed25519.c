/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519.c - one signature: the sum sB - kA - R, and signing.
 *
 * Scalars are taken modulo the prime order also where a point has a part of small order: the factor
 * eight at the end removes what that changes. */
#include <openssl/rand.h>
#include <sodium.h>

#include "core/status.h"
#include "crypto/ed25519_batch_int.h"
#include "crypto/hash.h"

#define PIECE_BITS 64u
#define PIECE_DIGITS 13u /* of five bits: 64 and a carry */

const struct ed_engine *ed_engine = &ed_portable;
struct sn_ed25519_key ed_base_key;

size_t ed_engines(const struct ed_engine *ret[2])
{
    size_t n = 0;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512ifma"))
        ret[n++] = &ed_ifma;
#endif
    ret[n++] = &ed_portable;
    return n;
}
__attribute__((constructor)) static void start(void)
{
    const struct ed_engine *e[2];
    (void)ed_engines(e);
    ed_engine = e[0];
    ed_key_tables(&ed_base_key, &ed_base);
}
const char *sn_ed25519_engine(void) { return ed_engine->name; }

static int unverified(const char *why) { return sn_fail(SN_E_UNAUTHENTICATED, "%s", why); }

int ed_check_one(const struct sn_ed25519_key *key, const struct ed_affine *a,
                 const struct ed_terms *t)
{
    /* Without tables of the key there is one long scalar, and lanes would stand empty. */
    const struct ed_engine *e = key ? ed_engine : &ed_portable;
    struct ed_group g[2];
    struct ed_point_table table;
    struct ed_point p;
    struct sn_fe k;
    uint64_t row[ED_POINT_ROW];
    sn_fe_neg(&ed_scalars, &k, &t->k);
    memset(g, 0, sizeof(g[0]));
    g[0].kept = true;
    g[0].window = ED_KEY_WINDOW;
    g[0].digits = PIECE_DIGITS;
    for (unsigned i = 0; i < ED_LANES; i++) {
        unsigned piece = i % ED_KEY_PIECES;
        bool of_key = i >= ED_KEY_PIECES;
        g[0].table[i] = of_key && key ? key->row[piece][0] : ed_base_key.row[piece][0];
        if (of_key && !key) continue;
        ed_recode(&g[0], i, of_key ? &k : &t->s, piece * PIECE_BITS, PIECE_BITS);
    }
    if (!key) {
        memset(&g[1], 0, sizeof(g[1]));
        g[1].window = ED_POINT_WINDOW;
        g[1].digits = ED_DIGITS_MAX;
        e->tables(&table, a, 1);
        for (unsigned i = 0; i < ED_LANES; i++) g[1].table[i] = table.row[0];
        ed_recode(&g[1], 0, &k, 0, 256);
    }
    e->sum(&p, g, key ? 1 : 2, key ? PIECE_DIGITS * ED_KEY_WINDOW : 256);
    struct ed_point r;
    ed_point_of_affine(&r, &t->r);
    ed_point_row(row, &r);
    ed_point_add_row(&p, &p, row, false, true);
    return ed_point_is_small(&p) ? 0
                                 : unverified("the signature is not the key's for this message");
}
static int verify(const struct sn_ed25519_key *key, const uint8_t *bytes, const void *msg,
                  size_t msg_len, const uint8_t sig[64])
{
    struct ed_terms t;
    struct ed_affine p[2];
    bool ok[2] = {true, true};
    uint8_t digest[1][64];
    const uint8_t *enc[2] = {sig, bytes};
    const struct ed_hash_in in = {.r = sig, .key = bytes, .msg = msg, .msg_len = msg_len};
    if (!ed_scalar_load(&t.s, sig + 32))
        return unverified("the signature's s is not below the order");
    ed_engine->decompress(p, ok, enc, key ? 1 : 2);
    if (!ok[1]) return unverified("the public key is no point of the curve");
    if (!ok[0]) return unverified("the signature's R is no point of the curve");
    int r = ed_engine->hash(digest, &in, 1);
    if (r < 0) return r;
    ed_scalar_reduce(&t.k, digest[0]);
    t.r = p[0];
    return ed_check_one(key, &p[1], &t);
}
int sn_ed25519_verify(const uint8_t key[32], const void *msg, size_t msg_len, const uint8_t sig[64])
{
    return verify(NULL, key, msg, msg_len, sig);
}
int sn_ed25519_key_verify(const struct sn_ed25519_key *key, const void *msg, size_t msg_len,
                          const uint8_t sig[64])
{
    return verify(key, key->bytes, msg, msg_len, sig);
}
int sn_ed25519_key_init(struct sn_ed25519_key *ret, const uint8_t bytes[32])
{
    struct ed_affine a;
    bool ok;
    ed_engine->decompress(&a, &ok, &bytes, 1);
    if (!ok) return sn_fail(SN_E_INVALID_ARGUMENT, "ed25519 public key: no point of the curve");
    ed_key_tables(ret, &a);
    memcpy(ret->bytes, bytes, sizeof(ret->bytes));
    return 0;
}

int sn_ed25519_from_seed(uint8_t ret_secret[64], const uint8_t seed[32])
{
    uint8_t public[32];
    if (sodium_init() < 0 || crypto_sign_seed_keypair(public, ret_secret, seed) != 0)
        return sn_fail(SN_E_INTERNAL, "libsodium makes no key pair");
    return 0;
}
int sn_ed25519_generate(uint8_t ret_secret[64])
{
    uint8_t seed[32];
    if (RAND_bytes(seed, sizeof(seed)) != 1)
        return sn_fail(SN_E_INTERNAL, "ed25519 key: no random numbers");
    int r = sn_ed25519_from_seed(ret_secret, seed);
    sn_wipe(seed, sizeof(seed));
    return r;
}
int sn_ed25519_sign(const uint8_t secret[64], const void *msg, size_t msg_len, uint8_t ret_sig[64])
{
    if (crypto_sign_detached(ret_sig, NULL, msg, msg_len, secret) != 0)
        return sn_fail(SN_E_INTERNAL, "libsodium does not sign");
    return 0;
}
