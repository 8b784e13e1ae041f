/* SPDX-License-Identifier: Apache-2.0 */
/* kit/jwt.c - tokens; see jwt.h. */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "core/enc.h"
#include "crypto/hash.h"
#include "kit/jwt_int.h"

#define SIGNATURE_MAX 1024u /* RSA of 8192 bits */
#define DEPTH_MAX 16u

const struct jwt_alg jwt_algs[SN_JWT_EDDSA + 1] = {
    [SN_JWT_HS256] = {"HS256", "SHA256", EVP_PKEY_HMAC, false, 32, NULL},
    [SN_JWT_HS384] = {"HS384", "SHA384", EVP_PKEY_HMAC, false, 48, NULL},
    [SN_JWT_HS512] = {"HS512", "SHA512", EVP_PKEY_HMAC, false, 64, NULL},
    [SN_JWT_RS256] = {"RS256", "SHA256", EVP_PKEY_RSA, false, 0, NULL},
    [SN_JWT_RS384] = {"RS384", "SHA384", EVP_PKEY_RSA, false, 0, NULL},
    [SN_JWT_RS512] = {"RS512", "SHA512", EVP_PKEY_RSA, false, 0, NULL},
    [SN_JWT_PS256] = {"PS256", "SHA256", EVP_PKEY_RSA, true, 0, NULL},
    [SN_JWT_PS384] = {"PS384", "SHA384", EVP_PKEY_RSA, true, 0, NULL},
    [SN_JWT_PS512] = {"PS512", "SHA512", EVP_PKEY_RSA, true, 0, NULL},
    [SN_JWT_ES256] = {"ES256", "SHA256", EVP_PKEY_EC, false, 32, "prime256v1"},
    [SN_JWT_ES384] = {"ES384", "SHA384", EVP_PKEY_EC, false, 48, "secp384r1"},
    [SN_JWT_ES512] = {"ES512", "SHA512", EVP_PKEY_EC, false, 66, "secp521r1"},
    [SN_JWT_EDDSA] = {"EdDSA", NULL, EVP_PKEY_ED25519, false, 0, NULL},
};

const char *sn_jwt_alg_name(enum sn_jwt_alg alg)
{
    return alg >= SN_JWT_HS256 && alg <= SN_JWT_EDDSA ? jwt_algs[alg].name : "none";
}

int sn_jwt_alg_find(struct sn_str name)
{
    for (int i = SN_JWT_HS256; i <= SN_JWT_EDDSA; i++)
        if (sn_str_eqc(name, jwt_algs[i].name)) return i;
    return SN_E_NOT_FOUND;
}

int jwt_openssl(int code, const char *what)
{
    char text[160];
    unsigned long e = ERR_get_error();
    ERR_error_string_n(e, text, sizeof(text));
    ERR_clear_error();
    return sn_fail(code, "jwt: %s: %s", what, e ? text : "refused");
}

/* ---- signatures ------------------------------------------------------------------------------ */

static int hmac(const struct jwt_key *k, const struct jwt_alg *g, struct sn_str in, uint8_t *out)
{
    unsigned len = 0;
    if (!HMAC(EVP_get_digestbyname(g->digest), k->secret, (int)k->secret_len,
              (const uint8_t *)in.ptr, in.len, out, &len))
        return jwt_openssl(SN_E_INTERNAL, "HMAC");
    return (int)len;
}

static int pss(EVP_PKEY_CTX *c, const struct jwt_alg *g)
{
    if (!g->pss) return 1;
    return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) > 0;
}

/* JOSE has r and s side by side, OpenSSL wants them in DER. */
static int to_der(const struct jwt_alg *g, struct sn_str raw, uint8_t *out)
{
    if (raw.len != 2 * g->half) return SN_E_SYNTAX;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const uint8_t *)raw.ptr, (int)g->half, NULL);
    BIGNUM *s = BN_bin2bn((const uint8_t *)raw.ptr + g->half, (int)g->half, NULL);
    int n = SN_E_NOMEM;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL;
        n = i2d_ECDSA_SIG(sig, NULL);
        if (n > 0 && (size_t)n <= SIGNATURE_MAX) n = i2d_ECDSA_SIG(sig, &out);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return n;
}

static int from_der(const struct jwt_alg *g, const uint8_t *der, size_t n, uint8_t *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
    if (!sig) return jwt_openssl(SN_E_INTERNAL, "ECDSA");
    bool ok = BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)g->half) > 0 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + g->half, (int)g->half) > 0;
    ECDSA_SIG_free(sig);
    return ok ? (int)(2 * g->half) : SN_E_INTERNAL;
}

/* Returns whether the signature is the key's; OpenSSL's reasons for "no" do not matter. */
static bool matches(const struct jwt_key *k, const struct jwt_alg *g, struct sn_str in,
                    struct sn_str sig)
{
    uint8_t buf[SIGNATURE_MAX];
    if (g->kind == EVP_PKEY_HMAC) {
        int n = hmac(k, g, in, buf);
        bool same = n > 0 && sig.len == (size_t)n && sn_equal_ct(buf, sig.ptr, sig.len);
        sn_wipe(buf, 64);
        return same;
    }
    const uint8_t *raw = (const uint8_t *)sig.ptr;
    size_t len = sig.len;
    if (g->kind == EVP_PKEY_EC) {
        int n = to_der(g, sig, buf);
        if (n < 0) return false;
        raw = buf;
        len = (size_t)n;
    }
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *c = NULL;
    bool ok = md && EVP_DigestVerifyInit_ex(md, &c, g->digest, NULL, NULL, k->pkey, NULL) == 1 &&
              pss(c, g) && EVP_DigestVerify(md, raw, len, (const uint8_t *)in.ptr, in.len) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return ok;
}

static int sign(const struct jwt_key *k, const struct jwt_alg *g, struct sn_str in, uint8_t *out)
{
    if (g->kind == EVP_PKEY_HMAC) return hmac(k, g, in, out);
    uint8_t der[SIGNATURE_MAX];
    size_t len = sizeof(der);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *c = NULL;
    bool ok = md && EVP_DigestSignInit_ex(md, &c, g->digest, NULL, NULL, k->pkey, NULL) == 1 &&
              pss(c, g) && EVP_DigestSign(md, der, &len, (const uint8_t *)in.ptr, in.len) == 1;
    EVP_MD_CTX_free(md);
    if (!ok) return jwt_openssl(SN_E_INTERNAL, "signing");
    if (g->kind == EVP_PKEY_EC) return from_der(g, der, len, out);
    memcpy(out, der, len);
    return (int)len;
}

/* ---- parts of a token ------------------------------------------------------------------------ */

struct token {
    struct sn_str signed_part, signature;
    const struct sn_json *header;
    struct sn_str claims_text;
};

static int refuse(const char *why) { return sn_fail(SN_E_UNAUTHENTICATED, "jwt: %s", why); }

static int decode(struct sn_arena *a, struct sn_str part, struct sn_str *ret)
{
    char *out = sn_arena_alloc(a, sn_base64_decoded_max(part.len));
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_base64_decode(part, SN_BASE64_URL_UNPADDED, out);
    if (n < 0) return refuse("a part is not base64url");
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}

static int object(struct sn_arena *a, struct sn_str text, const char *what,
                  const struct sn_json **ret)
{
    struct sn_json_opts o = {.depth_max = DEPTH_MAX, .dup = SN_JSON_DUP_ERROR};
    int r = sn_json_parse(a, text, &o, ret);
    if (r == SN_E_NOMEM) return r;
    if (r == 0 && sn_json_is(*ret, SN_JSON_OBJECT)) return 0;
    return sn_fail(SN_E_UNAUTHENTICATED, "jwt: %s is no JSON object", what);
}

static int split(struct sn_arena *a, struct sn_str token, struct token *t)
{
    struct sn_str rest = token, header = sn_str_cut(&rest, '.');
    struct sn_str claims = rest.ptr ? sn_str_cut(&rest, '.') : (struct sn_str){0};
    if (!rest.ptr || sn_str_chr(rest, '.') >= 0)
        return refuse("three parts with '.' between them are expected");
    t->signed_part = sn_str_sub(token, 0, header.len + 1 + claims.len);
    struct sn_str text;
    int r = decode(a, header, &text);
    if (r == 0) r = object(a, text, "the header", &t->header);
    if (r == 0) r = decode(a, claims, &t->claims_text);
    if (r == 0) r = decode(a, rest, &t->signature);
    return r;
}

/* Keys with a name serve tokens that name it, or name none; keys without serve all. */
static bool fits(const struct jwt_key *k, int alg, struct sn_str kid)
{
    return k->algs >> alg & 1 && (!kid.ptr || !k->kid[0] || sn_str_eqc(kid, k->kid));
}

static int check_signature(const struct sn_jwt_keys *keys, const struct token *t,
                           struct sn_jwt *ret)
{
    const struct sn_json *kid = sn_json_get(t->header, "kid");
    struct sn_str name = sn_json_str(sn_json_get(t->header, "alg"));
    int alg = sn_jwt_alg_find(name);
    if (alg < 0)
        return sn_fail(SN_E_UNAUTHENTICATED, "jwt: algorithm '%.*s' is not accepted",
                       SN_STR_ARG(name));
    if (sn_json_get(t->header, "crit") || sn_json_get(t->header, "b64"))
        return refuse("an extension that must be understood (crit) is not");
    if (kid && !sn_json_is(kid, SN_JSON_STRING)) return refuse("'kid' is no string");
    ret->alg = (enum sn_jwt_alg)alg;
    ret->kid = sn_json_str(kid);
    bool any = false, named = !ret->kid.ptr;
    for (size_t i = 0; i < keys->n; i++) {
        named |= !keys->keys[i].kid[0] || sn_str_eqc(ret->kid, keys->keys[i].kid);
        if (!fits(&keys->keys[i], alg, ret->kid)) continue;
        any = true;
        if (matches(&keys->keys[i], &jwt_algs[alg], t->signed_part, t->signature)) return 0;
    }
    if (!named) return sn_fail(SN_E_NOT_FOUND, "jwt: no key is named '%.*s'", SN_STR_ARG(ret->kid));
    if (!any)
        return sn_fail(SN_E_UNAUTHENTICATED, "jwt: no key may be used with %s", jwt_algs[alg].name);
    return refuse("the signature is not by a known key");
}

/* ---- claims ---------------------------------------------------------------------------------- */

/* A NumericDate, seconds with or without a fraction, to ns. 0 = absent. */
static int date(const struct sn_json *claims, const char *name, int64_t *ret)
{
    const struct sn_json *v = sn_json_get(claims, name);
    double s;
    if (!v) return 0;
    if (sn_json_to_double(v, &s) < 0 || !(s >= 0 && s <= 9.2e9))
        return sn_fail(SN_E_UNAUTHENTICATED, "jwt: '%s' is no time in seconds", name);
    *ret = SN_MAX((int64_t)(s * 1e9), 1);
    return 0;
}

static int dates(const struct sn_json *claims, const struct sn_jwt_check *c, struct sn_jwt *ret)
{
    int r = date(claims, "exp", &ret->exp_ns);
    if (r == 0) r = date(claims, "nbf", &ret->nbf_ns);
    if (r == 0) r = date(claims, "iat", &ret->iat_ns);
    if (r < 0) return r;
    int64_t now = c->now_ns, leeway = c->leeway_ns;
    if (!ret->exp_ns && !c->exp_optional) return refuse("'exp' is missing");
    if (ret->exp_ns && now >= ret->exp_ns + leeway)
        return sn_fail(SN_E_UNAUTHENTICATED, "jwt: expired %lld s ago",
                       (long long)((now - ret->exp_ns) / SN_SEC));
    if (ret->nbf_ns > now + leeway)
        return sn_fail(SN_E_UNAUTHENTICATED, "jwt: not valid for another %lld s",
                       (long long)((ret->nbf_ns - now) / SN_SEC));
    if (ret->iat_ns > now + leeway) return refuse("issued in the future");
    if (c->age_ns_max && (!ret->iat_ns || now - ret->iat_ns > c->age_ns_max + leeway))
        return refuse("'iat' is missing or too long ago");
    return 0;
}

static int expect(const struct sn_json *claims, const char *name, struct sn_str want)
{
    if (!want.len || sn_str_eq(sn_json_str(sn_json_get(claims, name)), want)) return 0;
    return sn_fail(SN_E_UNAUTHENTICATED, "jwt: '%s' is not '%.*s'", name, SN_STR_ARG(want));
}

static int audience(const struct sn_json *claims, struct sn_str want)
{
    const struct sn_json *aud = sn_json_get(claims, "aud");
    bool ok = !want.len || sn_str_eq(sn_json_str(aud), want);
    for (SN_JSON_EACH(aud, it)) ok |= sn_str_eq(sn_json_str(it), want);
    return ok ? 0
              : sn_fail(SN_E_UNAUTHENTICATED, "jwt: 'aud' does not hold '%.*s'", SN_STR_ARG(want));
}

static int typ(const struct sn_json *header, struct sn_str want)
{
    struct sn_str v = sn_json_str(sn_json_get(header, "typ")), prefix = SN_STR("application/");
    if (v.len > prefix.len && sn_str_ieq(sn_str_sub(v, 0, prefix.len), prefix))
        v = sn_str_from(v, prefix.len);
    if (!want.len || sn_str_ieq(v, want)) return 0;
    return sn_fail(SN_E_UNAUTHENTICATED, "jwt: 'typ' is not '%.*s'", SN_STR_ARG(want));
}

int sn_jwt_verify(const struct sn_jwt_keys *keys, struct sn_str token,
                  const struct sn_jwt_check *check, struct sn_arena *a, struct sn_jwt *ret)
{
    struct token t = {0};
    struct sn_jwt j = {0};
    if (token.len > SN_JWT_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "jwt: %zu bytes, at most %u", token.len, SN_JWT_BYTES_MAX);
    int r = split(a, token, &t);
    if (r == 0) r = check_signature(keys, &t, &j);
    /* Nothing of the claims is looked at before the signature is known to be good. */
    if (r == 0) r = object(a, t.claims_text, "the payload", &j.claims);
    if (r == 0) r = dates(j.claims, check, &j);
    if (r == 0) r = expect(j.claims, "iss", check->issuer);
    if (r == 0) r = expect(j.claims, "sub", check->subject);
    if (r == 0) r = audience(j.claims, check->audience);
    if (r == 0) r = typ(t.header, check->typ);
    if (r < 0) return r;
    j.header = t.header;
    j.issuer = sn_json_str(sn_json_get(j.claims, "iss"));
    j.subject = sn_json_str(sn_json_get(j.claims, "sub"));
    j.id = sn_json_str(sn_json_get(j.claims, "jti"));
    *ret = j;
    return 0;
}

/* ---- signing --------------------------------------------------------------------------------- */

static int head_text(struct sn_buf *b, enum sn_jwt_alg alg, const char *kid, struct sn_str typ_text)
{
    sn_buf_printf(b, "{\"alg\":\"%s\",\"typ\":", jwt_algs[alg].name);
    sn_json_write_string(b, typ_text.len ? typ_text : SN_STR("JWT"));
    if (kid[0]) {
        sn_buf_cstr(b, ",\"kid\":");
        sn_json_write_string(b, sn_str(kid));
    }
    return sn_buf_byte(b, '}');
}

int sn_jwt_sign(const struct sn_jwt_keys *keys, enum sn_jwt_alg alg, struct sn_str kid,
                struct sn_str claims, struct sn_str typ_text, struct sn_buf *out)
{
    const struct jwt_key *k = NULL;
    for (size_t i = 0; i < keys->n && !k; i++)
        if (keys->keys[i].algs >> alg & 1 && keys->keys[i].private &&
            (!kid.len || sn_str_eqc(kid, keys->keys[i].kid)))
            k = &keys->keys[i];
    if (!k) return sn_fail(SN_E_NOT_FOUND, "jwt: no key can sign with %s", sn_jwt_alg_name(alg));
    struct sn_arena a;
    struct sn_buf head = {0};
    const struct sn_json *parsed;
    uint8_t signature[SIGNATURE_MAX];
    sn_arena_init(&a, NULL, 4u << 20);
    int r = sn_json_parse(&a, claims, &(struct sn_json_opts){.dup = SN_JSON_DUP_ERROR}, &parsed);
    if (r == 0 && !sn_json_is(parsed, SN_JSON_OBJECT))
        r = sn_fail(SN_E_SYNTAX, "jwt: the claims are no JSON object");
    sn_arena_done(&a);
    size_t from = out->len;
    if (r == 0) r = head_text(&head, alg, k->kid, typ_text);
    if (r == 0) {
        sn_buf_base64(out, head.ptr, head.len, SN_BASE64_URL_UNPADDED);
        sn_buf_byte(out, '.');
        r = sn_buf_base64(out, claims.ptr, claims.len, SN_BASE64_URL_UNPADDED);
    }
    if (r == 0) r = sign(k, &jwt_algs[alg], sn_str_from(sn_buf_view(out), from), signature);
    if (r > 0) {
        sn_buf_byte(out, '.');
        r = sn_buf_base64(out, signature, (size_t)r, SN_BASE64_URL_UNPADDED);
    }
    sn_buf_done(&head);
    return r;
}
