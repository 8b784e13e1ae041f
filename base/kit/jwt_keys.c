/* SPDX-License-Identifier: Apache-2.0 */
/* kit/jwt_keys.c - key sets for jwt.c: secrets, PEM, JWK, and their rotation; see jwt.h. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "kit/jwt_int.h"
#include "kit/log.h"

SN_LOG_MODULE("jwt");

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192

static uint32_t bit(int alg) { return 1u << alg; }
#define HS_BITS (bit(SN_JWT_HS256) | bit(SN_JWT_HS384) | bit(SN_JWT_HS512))
#define RSA_BITS (0x3fu << SN_JWT_RS256) /* RS* and PS* */

struct sn_jwt_keys *sn_jwt_keys_new(void)
{
    struct sn_jwt_keys *k = SN_NEW(struct sn_jwt_keys);
    if (k) k->refs = 1;
    return k;
}

struct sn_jwt_keys *sn_jwt_keys_ref(struct sn_jwt_keys *k)
{
    __atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
    return k;
}

static void key_done(struct jwt_key *k)
{
    if (k->secret) sn_wipe(k->secret, k->secret_len);
    sn_free(k->secret);
    sn_free(k->kid);
    EVP_PKEY_free(k->pkey);
}

void sn_jwt_keys_unref(struct sn_jwt_keys *k)
{
    if (!k || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL)) return;
    for (size_t i = 0; i < k->n; i++) key_done(&k->keys[i]);
    sn_free(k);
}

size_t sn_jwt_keys_len(const struct sn_jwt_keys *k) { return k->n; }

/* Takes the key over, also where it fails. */
static int add(struct sn_jwt_keys *k, struct jwt_key key, struct sn_str kid)
{
    int r = 0;
    for (size_t i = 0; i < k->n && kid.len && r == 0; i++)
        if (sn_str_eqc(kid, k->keys[i].kid) && k->keys[i].algs & key.algs)
            r = sn_fail(SN_E_INVALID_ARGUMENT, "jwt: two keys are named '%.*s'", SN_STR_ARG(kid));
    if (r == 0 && k->n == SN_JWT_KEYS_MAX)
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "jwt: more than %u keys", SN_JWT_KEYS_MAX);
    if (r == 0 && memchr(kid.len ? kid.ptr : "x", 0, kid.len))
        r = sn_fail(SN_E_SYNTAX, "jwt: NUL in the name of a key");
    key.kid = r == 0 ? sn_alloc(kid.len + 1) : NULL;
    if (r == 0 && !key.kid) r = SN_E_NOMEM;
    if (r < 0) {
        key_done(&key);
        return r;
    }
    memcpy(key.kid, kid.len ? kid.ptr : "", kid.len);
    key.kid[kid.len] = 0;
    k->keys[k->n++] = key;
    return 0;
}

/* `algs` is cut to those that the secret is long enough for. */
static int add_secret(struct sn_jwt_keys *k, uint32_t algs, struct sn_str secret, struct sn_str kid)
{
    for (int i = SN_JWT_HS256; i <= SN_JWT_HS512; i++)
        if (secret.len < jwt_algs[i].half) algs &= ~bit(i);
    if (!algs)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "jwt: a secret of %zu bytes, at least as many as the digest's (32, 48, 64) "
                       "are expected",
                       secret.len);
    struct jwt_key key = {.algs = algs,
                          .secret = sn_alloc(secret.len),
                          .secret_len = secret.len,
                          .private = true};
    if (!key.secret) return SN_E_NOMEM;
    memcpy(key.secret, secret.ptr, secret.len);
    return add(k, key, kid);
}

int sn_jwt_keys_add_secret(struct sn_jwt_keys *k, enum sn_jwt_alg alg, struct sn_str secret,
                           struct sn_str kid)
{
    if (!(bit(alg) & HS_BITS))
        return sn_fail(SN_E_INVALID_ARGUMENT, "jwt: %s takes no secret", sn_jwt_alg_name(alg));
    return add_secret(k, bit(alg), secret, kid);
}

/* ---- public keys ----------------------------------------------------------------------------- */

/* The algorithms that a key of OpenSSL's can serve; 0 = none, with a diagnostic. */
static uint32_t algs_of(EVP_PKEY *p)
{
    char curve[64] = "";
    int bits = EVP_PKEY_get_bits(p);
    if (EVP_PKEY_is_a(p, "RSA")) {
        if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) return RSA_BITS;
        (void)sn_fail(SN_E_INVALID_ARGUMENT, "jwt: an RSA key of %d bits, %d to %d are expected",
                      bits, RSA_BITS_MIN, RSA_BITS_MAX);
        return 0;
    }
    if (EVP_PKEY_is_a(p, "ED25519") || EVP_PKEY_is_a(p, "ED448")) return bit(SN_JWT_EDDSA);
    if (EVP_PKEY_is_a(p, "EC") && EVP_PKEY_get_group_name(p, curve, sizeof(curve), NULL) == 1)
        for (int i = SN_JWT_ES256; i <= SN_JWT_ES512; i++)
            if (strcmp(curve, jwt_algs[i].curve) == 0) return bit(i);
    (void)sn_fail(SN_E_INVALID_ARGUMENT, "jwt: no algorithm here takes a key of kind %s %s",
                  EVP_PKEY_get0_type_name(p), curve);
    return 0;
}

static int add_pkey(struct sn_jwt_keys *k, uint32_t algs, EVP_PKEY *p, bool private,
                    struct sn_str kid)
{
    uint32_t can = algs_of(p);
    if (!can || !(can & algs)) {
        EVP_PKEY_free(p);
        return can ? sn_fail(SN_E_INVALID_ARGUMENT, "jwt: the key is not for this algorithm")
                   : SN_E_INVALID_ARGUMENT;
    }
    return add(k, (struct jwt_key){.algs = can & algs, .pkey = p, .private = private}, kid);
}

static int no_password(char *buf, int size, int rw, void *arg) { return -1; }

int sn_jwt_keys_add_pem(struct sn_jwt_keys *k, enum sn_jwt_alg alg, struct sn_str pem,
                        struct sn_str kid)
{
    if (pem.len > 1u << 20) return sn_fail(SN_E_SYNTAX, "jwt: a PEM of %zu bytes", pem.len);
    if (alg < SN_JWT_RS256 || alg > SN_JWT_EDDSA)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "jwt: %s takes no PEM: a public key must never be a secret",
                       sn_jwt_alg_name(alg));
    BIO *b = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (!b) return SN_E_NOMEM;
    bool private = true;
    EVP_PKEY *p = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    if (!p) {
        private = false;
        (void)BIO_reset(b);
        p = PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
    }
    if (!p) {
        (void)BIO_reset(b);
        X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
        p = x ? X509_get_pubkey(x) : NULL;
        X509_free(x);
    }
    BIO_free(b);
    ERR_clear_error();
    if (!p)
        return sn_fail(SN_E_SYNTAX, "jwt: no PEM with a public key, private key or certificate");
    return add_pkey(k, bit(alg), p, private, kid);
}

/* ---- JWK ------------------------------------------------------------------------------------- */

static int member(const struct sn_json *jwk, const char *name, struct sn_arena *a,
                  struct sn_str *ret)
{
    struct sn_str v = sn_json_str(sn_json_get(jwk, name));
    char *out = sn_arena_alloc(a, sn_base64_decoded_max(v.len));
    if (!out) return SN_E_NOMEM;
    ssize_t n = v.len ? sn_base64_decode(v, SN_BASE64_URL_UNPADDED, out) : SN_E_SYNTAX;
    if (n <= 0) return sn_fail(SN_E_SYNTAX, "jwk: '%s' is missing or not base64url", name);
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *b)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY_CTX *c = params ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
    EVP_PKEY *p = NULL;
    if (c && EVP_PKEY_fromdata_init(c) == 1)
        (void)EVP_PKEY_fromdata(c, &p, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(c);
    OSSL_PARAM_free(params);
    return p;
}

static int jwk_rsa(const struct sn_json *jwk, struct sn_arena *a, EVP_PKEY **ret)
{
    struct sn_str n, e;
    int r = member(jwk, "n", a, &n);
    if (r == 0) r = member(jwk, "e", a, &e);
    if (r < 0) return r;
    if (n.len > RSA_BITS_MAX / 8 || e.len > 8)
        return sn_fail(SN_E_SYNTAX, "jwk: 'n' or 'e' is too long");
    BIGNUM *bn = BN_bin2bn((const uint8_t *)n.ptr, (int)n.len, NULL),
           *be = BN_bin2bn((const uint8_t *)e.ptr, (int)e.len, NULL);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    if (bn && be && b && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be))
        *ret = from_params("RSA", b);
    OSSL_PARAM_BLD_free(b);
    BN_free(bn);
    BN_free(be);
    return *ret ? 0 : jwt_openssl(SN_E_SYNTAX, "jwk: RSA key");
}

static int jwk_ec(const struct sn_json *jwk, struct sn_arena *a, EVP_PKEY **ret)
{
    static const char *const names[] = {"P-256", "P-384", "P-521"};
    struct sn_str crv = sn_json_str(sn_json_get(jwk, "crv")), x, y;
    const struct jwt_alg *g = NULL;
    for (int i = 0; i < 3; i++)
        if (sn_str_eqc(crv, names[i])) g = &jwt_algs[SN_JWT_ES256 + i];
    if (!g) return SN_E_UNIMPLEMENTED;
    int r = member(jwk, "x", a, &x);
    if (r == 0) r = member(jwk, "y", a, &y);
    if (r < 0) return r;
    if (x.len != g->half || y.len != g->half)
        return sn_fail(SN_E_SYNTAX, "jwk: 'x' and 'y' of %zu bytes are expected", g->half);
    uint8_t point[1 + 2 * 66] = {4};
    memcpy(point + 1, x.ptr, x.len);
    memcpy(point + 1 + x.len, y.ptr, y.len);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    if (b && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, g->curve, 0) &&
        OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * g->half))
        *ret = from_params("EC", b);
    OSSL_PARAM_BLD_free(b);
    return *ret ? 0 : jwt_openssl(SN_E_SYNTAX, "jwk: EC key");
}

static int jwk_okp(const struct sn_json *jwk, struct sn_arena *a, EVP_PKEY **ret)
{
    struct sn_str crv = sn_json_str(sn_json_get(jwk, "crv")), x;
    int type = sn_str_eqc(crv, "Ed25519") ? EVP_PKEY_ED25519
               : sn_str_eqc(crv, "Ed448") ? EVP_PKEY_ED448
                                          : 0;
    if (!type) return SN_E_UNIMPLEMENTED;
    int r = member(jwk, "x", a, &x);
    if (r < 0) return r;
    *ret = EVP_PKEY_new_raw_public_key(type, NULL, (const uint8_t *)x.ptr, x.len);
    return *ret ? 0 : jwt_openssl(SN_E_SYNTAX, "jwk: OKP key");
}

/* Which algorithms a JWK is for: its "alg", or all of its kind; 0 = none that is here. */
static uint32_t jwk_algs(const struct sn_json *jwk)
{
    const struct sn_json *alg = sn_json_get(jwk, "alg"), *ops = sn_json_get(jwk, "key_ops");
    struct sn_str use = sn_json_str(sn_json_get(jwk, "use"));
    if (use.ptr && !sn_str_eqc(use, "sig")) return 0;
    bool verifies = !ops;
    for (SN_JSON_EACH(ops, it))
        verifies |= sn_str_eqc(sn_json_str(it), "verify") || sn_str_eqc(sn_json_str(it), "sign");
    if (!verifies) return 0;
    int a = alg ? sn_jwt_alg_find(sn_json_str(alg)) : 0;
    return !alg ? ~0u : a < 0 ? 0 : bit(a);
}

/* Returns 1 added, 0 passed over. */
static int jwk_add(struct sn_jwt_keys *k, const struct sn_json *jwk, struct sn_arena *a)
{
    struct sn_str kty = sn_json_str(sn_json_get(jwk, "kty")),
                  kid = sn_json_str(sn_json_get(jwk, "kid")), secret;
    if (!sn_json_is(jwk, SN_JSON_OBJECT) || !kty.ptr)
        return sn_fail(SN_E_SYNTAX, "jwk: an object with 'kty' is expected");
    uint32_t algs = jwk_algs(jwk);
    if (!algs) return 0;
    EVP_PKEY *p = NULL;
    int r = SN_E_UNIMPLEMENTED;
    if (sn_str_eqc(kty, "oct")) {
        r = member(jwk, "k", a, &secret);
        if (r == 0)
            r = algs & HS_BITS ? add_secret(k, algs & HS_BITS, secret, kid) : SN_E_UNIMPLEMENTED;
        if (r == 0) return 1;
    }
    if (sn_str_eqc(kty, "RSA")) r = jwk_rsa(jwk, a, &p);
    if (sn_str_eqc(kty, "EC")) r = jwk_ec(jwk, a, &p);
    if (sn_str_eqc(kty, "OKP")) r = jwk_okp(jwk, a, &p);
    if (r == SN_E_UNIMPLEMENTED) return 0;
    if (r == 0) r = add_pkey(k, algs, p, false, kid);
    return r < 0 ? r : 1;
}

int sn_jwt_keys_add_jwks(struct sn_jwt_keys *k, struct sn_str json)
{
    struct sn_arena a;
    const struct sn_json *root;
    int n = 0;
    if (json.len > SN_JWKS_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "jwks: %zu bytes, at most %u", json.len, SN_JWKS_BYTES_MAX);
    sn_arena_init(&a, NULL, 16u << 20);
    int r = sn_json_parse(&a, json,
                          &(struct sn_json_opts){.depth_max = 16, .dup = SN_JSON_DUP_ERROR}, &root);
    const struct sn_json *keys = r == 0 ? sn_json_get(root, "keys") : NULL;
    if (r == 0 && !keys && sn_json_get(root, "kty"))
        r = n = jwk_add(k, root, &a);
    else if (r == 0 && !sn_json_is(keys, SN_JSON_ARRAY))
        r = sn_fail(SN_E_SYNTAX, "jwks: an array 'keys' is expected");
    for (size_t i = 0; r >= 0 && i < sn_json_len(keys); i++) {
        r = jwk_add(k, sn_json_at(keys, i), &a);
        if (r < 0) r = sn_wrap(r, "jwks: key %zu", i);
        n += r > 0;
    }
    sn_arena_done(&a);
    return r < 0 ? r : n;
}

/* ---- rotation -------------------------------------------------------------------------------- */

struct sn_jwt_store {
    struct sn_spin lock;
    struct sn_jwt_keys *keys;
    _Atomic bool wanted;
};

struct sn_jwt_store *sn_jwt_store_new(struct sn_jwt_keys *keys)
{
    struct sn_jwt_store *s = SN_NEW(struct sn_jwt_store);
    if (s) s->keys = keys;
    return s;
}

void sn_jwt_store_free(struct sn_jwt_store *s)
{
    if (!s) return;
    sn_jwt_keys_unref(s->keys);
    sn_free(s);
}

void sn_jwt_store_set(struct sn_jwt_store *s, struct sn_jwt_keys *keys)
{
    sn_spin_lock(&s->lock);
    struct sn_jwt_keys *old = s->keys;
    s->keys = keys;
    sn_spin_unlock(&s->lock);
    sn_jwt_keys_unref(old);
}

struct sn_jwt_keys *sn_jwt_store_get(struct sn_jwt_store *s)
{
    sn_spin_lock(&s->lock);
    struct sn_jwt_keys *k = s->keys ? sn_jwt_keys_ref(s->keys) : NULL;
    sn_spin_unlock(&s->lock);
    return k;
}

void sn_jwt_store_want(struct sn_jwt_store *s) { s->wanted = true; }

static int fetch(struct sn_jwt_store *s, struct sn_http_client *c, struct sn_str url)
{
    struct sn_http_resp *resp;
    struct sn_str body;
    int64_t prev = sn_deadline_tighten(sn_now() + 10 * SN_SEC);
    int r = sn_http_do(c, &(struct sn_http_call){.url = url}, &resp);
    if (r == 0) {
        r = resp->status == 200 ? sn_http_resp_all(resp, SN_JWKS_BYTES_MAX, &body)
                                : sn_fail(SN_E_UNAVAILABLE, "jwks: status %d", resp->status);
        struct sn_jwt_keys *k = r == 0 ? sn_jwt_keys_new() : NULL;
        if (r == 0) r = k ? sn_jwt_keys_add_jwks(k, body) : SN_E_NOMEM;
        if (r == 0) r = sn_fail(SN_E_NOT_FOUND, "jwks: no key of a kind that is known here");
        if (r > 0)
            sn_jwt_store_set(s, k);
        else
            sn_jwt_keys_unref(k);
        sn_http_resp_close(resp);
    }
    sn_deadline_restore(prev);
    return r;
}

int sn_jwt_store_follow(struct sn_jwt_store *s, struct sn_http_client *c, struct sn_str url,
                        int64_t every_ns)
{
    if (!every_ns) every_ns = SN_JWKS_EVERY_NS;
    for (;;) {
        s->wanted = false;
        int r = fetch(s, c, url);
        if (sn_cancelled()) return SN_E_CANCELLED;
        if (r < 0)
            SN_LOG_WARN("key set not read; the last good one stays", SN_L("url", url), SN_L_ERR(r));
        int64_t early = sn_now() + SN_MIN(SN_JWKS_WANT_NS, every_ns),
                at = sn_now() + (r < 0 ? SN_JWKS_WANT_NS : every_ns);
        while (sn_now() < at && !(s->wanted && sn_now() >= early)) {
            r = sn_sleep(SN_MIN(SN_SEC, SN_MAX(at - sn_now(), SN_MS)));
            if (r < 0) return r;
        }
    }
}
