/* SPDX-License-Identifier: Apache-2.0 */
/* kit/jwt_test.c - every algorithm, the RFCs' vectors, and what attackers send. */
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "core/torture.h"
#include "harness/test.h"
#include "kit/jwt.h"

#define NOW (2000000000 * SN_SEC)

struct pair {
    char private[4096], public[2048];
};

static struct pair pair_of(EVP_PKEY *p)
{
    struct pair r;
    BIO *b = BIO_new(BIO_s_mem());
    T_ASSERT(PEM_write_bio_PrivateKey(b, p, NULL, NULL, 0, NULL, NULL));
    r.private[BIO_read(b, r.private, sizeof(r.private) - 1)] = 0;
    T_ASSERT(PEM_write_bio_PUBKEY(b, p));
    r.public[BIO_read(b, r.public, sizeof(r.public) - 1)] = 0;
    BIO_free(b);
    EVP_PKEY_free(p);
    return r;
}

static struct pair pair_for(enum sn_jwt_alg alg)
{
    if (alg == SN_JWT_ES256) return pair_of(EVP_EC_gen("P-256"));
    if (alg == SN_JWT_ES384) return pair_of(EVP_EC_gen("P-384"));
    if (alg == SN_JWT_ES512) return pair_of(EVP_EC_gen("P-521"));
    if (alg == SN_JWT_EDDSA) return pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    static struct pair rsa; /* one for all: making it takes a second */
    if (!rsa.public[0]) rsa = pair_of(EVP_RSA_gen(2048));
    return rsa;
}

static struct sn_arena arena;
static const struct sn_jwt_check plain = {.now_ns = NOW};
static int verify(struct sn_jwt_keys *k, struct sn_str token, const struct sn_jwt_check *c, struct sn_jwt *ret)
{
    sn_arena_done(&arena);
    return sn_jwt_verify(k, token, c ? c : &plain, &arena, ret);
}

#define CLAIMS SN_STR("{\"iss\":\"us\",\"sub\":\"alice\",\"aud\":[\"a\",\"b\"],\"exp\":2000000010,\"n\":[1,2]}")
static const struct sn_str secret = SN_STR_INIT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");

static void add_alg(struct sn_jwt_keys *signer, struct sn_jwt_keys *verifier, enum sn_jwt_alg alg)
{
    if (alg <= SN_JWT_HS512) {
        T_OK(sn_jwt_keys_add_secret(signer, alg, secret, SN_STR("k1")));
        T_OK(sn_jwt_keys_add_secret(verifier, alg, secret, SN_STR("k1")));
        return;
    }
    struct pair p = pair_for(alg);
    T_OK(sn_jwt_keys_add_pem(signer, alg, sn_str(p.private), SN_STR("k1")));
    T_OK(sn_jwt_keys_add_pem(verifier, alg, sn_str(p.public), SN_STR("k1")));
}

SN_TEST_SLOW(jwt_every_algorithm, 60)
{
    for (int alg = SN_JWT_HS256; alg <= SN_JWT_EDDSA; alg++) {
        sn_test_row("%s", sn_jwt_alg_name(alg));
        T_EQ(sn_jwt_alg_find(sn_str(sn_jwt_alg_name(alg))), alg);
        struct sn_jwt_keys *s = sn_jwt_keys_new(), *v = sn_jwt_keys_new();
        struct sn_buf b = {0};
        struct sn_jwt j;
        add_alg(s, v, alg);
        T_OK(sn_jwt_sign(s, alg, SN_STR(""), CLAIMS, SN_STR(""), &b));
        T_OK(verify(v, sn_buf_view(&b), NULL, &j));
        T_EQ(j.alg, alg);
        T_STR(j.kid, "k1");
        T_STR(j.subject, "alice");
        T_EQ(j.exp_ns, 2000000010 * SN_SEC);
        T_EQ(sn_json_len(sn_json_get(j.claims, "n")), 2);
        /* Any changed character is noticed. */
        for (size_t i = 0; i < b.len; i += alg <= SN_JWT_HS512 ? 1 : 7) {
            uint8_t was = b.ptr[i];
            b.ptr[i] = was == 'A' ? 'B' : 'A';
            T_ASSERTF(verify(v, sn_buf_view(&b), NULL, &j) < 0, "changed character %zu passed", i);
            b.ptr[i] = was;
        }
        for (size_t n = 0; n < b.len; n += 5) T_ASSERT(verify(v, sn_str_of((char *)b.ptr, n), NULL, &j) < 0);
        if (alg > SN_JWT_HS512) T_EQ(sn_jwt_sign(v, alg, SN_STR(""), CLAIMS, SN_STR(""), &b), SN_E_NOT_FOUND);
        sn_buf_done(&b);
        sn_jwt_keys_unref(s);
        sn_jwt_keys_unref(v);
    }
    sn_arena_done(&arena);
}

SN_TEST(jwt_vectors)
{
    struct sn_jwt_keys *k = sn_jwt_keys_new();
    struct sn_jwt j;
    /* SPEC: RFC 7515 A.1 */
    T_EQ(sn_jwt_keys_add_jwks(k, SN_STR("{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
        "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}")), 1);
    struct sn_str token = SN_STR("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsD"
        "QogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    T_OK(verify(k, token, &(struct sn_jwt_check){.now_ns = 1300819379 * SN_SEC, .issuer = SN_STR("joe")}, &j));
    T_EQ(verify(k, token, &(struct sn_jwt_check){.now_ns = 1300819380 * SN_SEC}, &j), SN_E_UNAUTHENTICATED);
    /* SPEC: RFC 8037 A.4: the signature is good, its payload is no claims. */
    T_EQ(sn_jwt_keys_add_jwks(k, SN_STR("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7"
        "hcvPapiMlrwIaaPcHURo\"}]}")), 1);
    T_EQ(verify(k, SN_STR("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg"
        "3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"), NULL, &j), SN_E_UNAUTHENTICATED);
    T_CSTR(sn_diag_str(SN_E_UNAUTHENTICATED), "jwt: the payload is no JSON object");
    sn_jwt_keys_unref(k);
    sn_arena_done(&arena);
}

static void token_of(struct sn_buf *b, const char *header, const char *claims, const char *signature)
{
    sn_buf_reset(b);
    sn_buf_base64(b, header, strlen(header), SN_BASE64_URL_UNPADDED);
    sn_buf_byte(b, '.');
    sn_buf_base64(b, claims, strlen(claims), SN_BASE64_URL_UNPADDED);
    sn_buf_printf(b, ".%s", signature);
}

SN_TEST(jwt_forgeries)
{
    struct pair rsa = pair_for(SN_JWT_RS256);
    struct sn_jwt_keys *v = sn_jwt_keys_new(), *forger = sn_jwt_keys_new();
    struct sn_jwt j;
    struct sn_buf b = {0};
    T_OK(sn_jwt_keys_add_pem(v, SN_JWT_RS256, sn_str(rsa.public), SN_STR("")));
    /* A public key as an HMAC secret. */
    T_OK(sn_jwt_keys_add_secret(forger, SN_JWT_HS256, sn_str(rsa.public), SN_STR("")));
    T_OK(sn_jwt_sign(forger, SN_JWT_HS256, SN_STR(""), CLAIMS, SN_STR(""), &b));
    T_EQ(verify(v, sn_buf_view(&b), NULL, &j), SN_E_UNAUTHENTICATED);
    T_CSTR(sn_diag_str(SN_E_UNAUTHENTICATED), "jwt: no key may be used with HS256");
    T_EQ(sn_jwt_keys_add_pem(v, SN_JWT_HS256, sn_str(rsa.public), SN_STR("")), SN_E_INVALID_ARGUMENT);
    /* The same key by another padding than it was given for. */
    struct sn_jwt_keys *other = sn_jwt_keys_new();
    T_OK(sn_jwt_keys_add_pem(other, SN_JWT_PS256, sn_str(rsa.private), SN_STR("")));
    sn_buf_reset(&b);
    T_OK(sn_jwt_sign(other, SN_JWT_PS256, SN_STR(""), CLAIMS, SN_STR(""), &b));
    T_EQ(verify(v, sn_buf_view(&b), NULL, &j), SN_E_UNAUTHENTICATED);
    static const char *const headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"\"}", "{}", "{\"alg\":1}", "{\"alg\":\"rs256\"}", "[]", "x",
        "{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", "{\"alg\":\"RS256\",\"alg\":\"none\"}", "{\"alg\":\"RS256\",\"kid\":1}",
        "{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", "{\"alg\":\"HS256\"}"};
    for (size_t i = 0; i < SN_COUNT_OF(headers); i++) {
        sn_test_row("%s", headers[i]);
        token_of(&b, headers[i], "{\"exp\":2000000010}", "");
        T_EQ(verify(v, sn_buf_view(&b), NULL, &j), SN_E_UNAUTHENTICATED);
        token_of(&b, headers[i], "{\"exp\":2000000010}", "AAAA");
        T_EQ(verify(v, sn_buf_view(&b), NULL, &j), SN_E_UNAUTHENTICATED);
    }
    static const char *const shapes[] = {"", ".", "..", "...", "a.b", "a.b.c.d", "e30=.e30.", "e30.e30.%", " e30.e30.e30"};
    for (size_t i = 0; i < SN_COUNT_OF(shapes); i++) T_EQ(verify(v, sn_str(shapes[i]), NULL, &j), SN_E_UNAUTHENTICATED);
    char *big = sn_alloc(SN_JWT_BYTES_MAX + 1);
    memset(big, 'a', SN_JWT_BYTES_MAX + 1);
    T_EQ(verify(v, sn_str_of(big, SN_JWT_BYTES_MAX + 1), NULL, &j), SN_E_TOO_LARGE);
    sn_free(big);
    /* An ECDSA signature of zeroes (CVE-2022-21449). */
    struct pair ec = pair_for(SN_JWT_ES256);
    T_OK(sn_jwt_keys_add_pem(v, SN_JWT_ES256, sn_str(ec.public), SN_STR("")));
    char zeroes[87];
    memset(zeroes, 'A', 86);
    zeroes[86] = 0;
    token_of(&b, "{\"alg\":\"ES256\"}", "{\"exp\":2000000010}", zeroes);
    T_EQ(verify(v, sn_buf_view(&b), NULL, &j), SN_E_UNAUTHENTICATED);
    sn_buf_done(&b);
    sn_jwt_keys_unref(v);
    sn_jwt_keys_unref(forger);
    sn_jwt_keys_unref(other);
    sn_arena_done(&arena);
}

SN_TEST(jwt_claims)
{
    struct sn_jwt_keys *k = sn_jwt_keys_new();
    struct sn_buf b = {0};
    struct sn_jwt j;
    T_OK(sn_jwt_keys_add_secret(k, SN_JWT_HS256, secret, SN_STR("")));
    static const struct {
        const char *claims;
        struct sn_jwt_check c;
        bool ok;
    } rows[] = {
        {"{\"exp\":2000000001}", {0}, true},
        {"{\"exp\":2000000000}", {0}, false},
        {"{\"exp\":1999999991.5}", {.leeway_ns = 10 * SN_SEC}, true},
        {"{\"exp\":1999999990}", {.leeway_ns = 10 * SN_SEC}, false},
        {"{\"exp\":\"2000000001\"}", {0}, false},
        {"{\"exp\":-1}", {0}, false},
        {"{\"exp\":1e300}", {0}, false},
        {"{}", {0}, false},
        {"{}", {.exp_optional = true}, true},
        {"{\"nbf\":2000000001}", {.exp_optional = true}, false},
        {"{\"nbf\":2000000001}", {.exp_optional = true, .leeway_ns = SN_SEC}, true},
        {"{\"iat\":2000000001}", {.exp_optional = true}, false},
        {"{\"iat\":1999999000}", {.exp_optional = true, .age_ns_max = 1000 * SN_SEC}, true},
        {"{\"iat\":1999998999}", {.exp_optional = true, .age_ns_max = 1000 * SN_SEC}, false},
        {"{}", {.exp_optional = true, .age_ns_max = 1000 * SN_SEC}, false},
        {"{\"iss\":\"a\"}", {.exp_optional = true, .issuer = SN_STR_INIT("a")}, true},
        {"{\"iss\":\"b\"}", {.exp_optional = true, .issuer = SN_STR_INIT("a")}, false},
        {"{\"iss\":[\"a\"]}", {.exp_optional = true, .issuer = SN_STR_INIT("a")}, false},
        {"{}", {.exp_optional = true, .issuer = SN_STR_INIT("a")}, false},
        {"{\"aud\":\"a\"}", {.exp_optional = true, .audience = SN_STR_INIT("a")}, true},
        {"{\"aud\":[\"b\",\"a\"]}", {.exp_optional = true, .audience = SN_STR_INIT("a")}, true},
        {"{\"aud\":[\"b\"]}", {.exp_optional = true, .audience = SN_STR_INIT("a")}, false},
        {"{\"aud\":\"ab\"}", {.exp_optional = true, .audience = SN_STR_INIT("a")}, false},
        {"{\"sub\":\"x\"}", {.exp_optional = true, .subject = SN_STR_INIT("y")}, false},
        {"{}", {.exp_optional = true, .typ = SN_STR_INIT("jwt")}, true},
        {"{}", {.exp_optional = true, .typ = SN_STR_INIT("at+jwt")}, false},
        {"[]", {.exp_optional = true}, false},
        {"{\"a\":1,\"a\":2}", {.exp_optional = true}, false},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].claims);
        struct sn_jwt_check c = rows[i].c;
        c.now_ns = NOW;
        sn_buf_reset(&b);
        int r = sn_jwt_sign(k, SN_JWT_HS256, SN_STR(""), sn_str(rows[i].claims), SN_STR(""), &b);
        if (r == 0) r = verify(k, sn_buf_view(&b), &c, &j);
        T_ASSERTF((r == 0) == rows[i].ok, "%d %s", r, sn_diag_str(r));
    }
    sn_buf_done(&b);
    sn_jwt_keys_unref(k);
    sn_arena_done(&arena);
}

/* The present secret and the previous one; names; sets that are replaced. */
SN_TEST(jwt_rotation)
{
    struct sn_jwt_keys *old = sn_jwt_keys_new(), *both = sn_jwt_keys_new();
    struct sn_str fresh = SN_STR("fedcba9876543210fedcba9876543210");
    struct sn_buf b = {0};
    struct sn_jwt j;
    T_OK(sn_jwt_keys_add_secret(old, SN_JWT_HS256, secret, SN_STR("")));
    T_OK(sn_jwt_keys_add_secret(both, SN_JWT_HS256, fresh, SN_STR("")));
    T_OK(sn_jwt_keys_add_secret(both, SN_JWT_HS256, secret, SN_STR("")));
    T_OK(sn_jwt_sign(old, SN_JWT_HS256, SN_STR(""), CLAIMS, SN_STR(""), &b));
    struct sn_jwt_store *s = sn_jwt_store_new(both);
    struct sn_jwt_keys *k = sn_jwt_store_get(s);
    T_OK(verify(k, sn_buf_view(&b), NULL, &j));
    struct sn_jwt_keys *named = sn_jwt_keys_new();
    T_OK(sn_jwt_keys_add_secret(named, SN_JWT_HS256, fresh, SN_STR("2030")));
    T_EQ(sn_jwt_keys_add_secret(named, SN_JWT_HS256, secret, SN_STR("2030")), SN_E_INVALID_ARGUMENT);
    sn_jwt_store_set(s, named);
    T_OK(verify(k, sn_buf_view(&b), NULL, &j)); /* who began keeps the set it has */
    sn_jwt_keys_unref(k);
    k = sn_jwt_store_get(s);
    T_EQ(verify(k, sn_buf_view(&b), NULL, &j), SN_E_UNAUTHENTICATED);
    token_of(&b, "{\"alg\":\"HS256\",\"kid\":\"2031\"}", "{}", "AAAA");
    T_EQ(verify(k, sn_buf_view(&b), NULL, &j), SN_E_NOT_FOUND);
    sn_jwt_keys_unref(k);
    sn_jwt_keys_unref(old);
    sn_jwt_store_free(s);
    sn_buf_done(&b);
    sn_arena_done(&arena);
}

SN_TEST(jwt_keys_refused)
{
    struct sn_jwt_keys *k = sn_jwt_keys_new();
    T_EQ(sn_jwt_keys_add_secret(k, SN_JWT_HS256, SN_STR("short"), SN_STR("")), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_jwt_keys_add_secret(k, SN_JWT_HS512, sn_str_sub(secret, 0, 63), SN_STR("")), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_jwt_keys_add_secret(k, SN_JWT_RS256, secret, SN_STR("")), SN_E_INVALID_ARGUMENT);
    struct pair weak = pair_of(EVP_RSA_gen(1024)), p256 = pair_for(SN_JWT_ES256);
    T_EQ(sn_jwt_keys_add_pem(k, SN_JWT_RS256, sn_str(weak.public), SN_STR("")), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_jwt_keys_add_pem(k, SN_JWT_ES384, sn_str(p256.public), SN_STR("")), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_jwt_keys_add_pem(k, SN_JWT_ES256, SN_STR("x"), SN_STR("")), SN_E_SYNTAX);
    static const struct { const char *json; int want; } rows[] = {
        {"{\"keys\":[]}", 0}, {"{}", SN_E_SYNTAX}, {"x", SN_E_SYNTAX}, {"{\"keys\":[1]}", SN_E_SYNTAX},
        {"{\"keys\":[{\"kty\":\"XX\"}]}", 0}, {"{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\"}]}", 0},
        {"{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"RSA-OAEP\"}]}", 0}, {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\"}]}", 0},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\"}]}", SN_E_SYNTAX}, {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e"
            "\":\"AQAB\"}]}", SN_E_INVALID_ARGUMENT},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}", SN_E_SYNTAX}, {"{\"kty\":\"oct\","
            "\"k\":\"AAAA\"}", SN_E_INVALID_ARGUMENT},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAA"
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}", SN_E_SYNTAX},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}", SN_E_SYNTAX}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].json);
        T_EQ(sn_jwt_keys_add_jwks(k, sn_str(rows[i].json)), rows[i].want);
    }
    T_EQ(sn_jwt_keys_len(k), 0);
    for (unsigned i = 0; i < SN_JWT_KEYS_MAX; i++) T_OK(sn_jwt_keys_add_secret(k, SN_JWT_HS256, secret, SN_STR("")));
    T_EQ(sn_jwt_keys_add_secret(k, SN_JWT_HS256, secret, SN_STR("")), SN_E_RESOURCE_EXHAUSTED);
    sn_jwt_keys_unref(k);
}

static int torture_body(void *arg)
{
    struct sn_jwt_keys *k = sn_jwt_keys_new();
    struct sn_buf b = {0};
    struct sn_arena a;
    struct sn_jwt j;
    if (!k) return SN_E_NOMEM;
    sn_arena_init(&a, NULL, 0);
    int r = sn_jwt_keys_add_jwks(k, SN_STR("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"));
    if (r >= 0) r = sn_jwt_keys_add_secret(k, SN_JWT_HS256, secret, SN_STR("k"));
    if (r >= 0) r = sn_jwt_sign(k, SN_JWT_HS256, SN_STR("k"), CLAIMS, SN_STR(""), &b);
    if (r >= 0) r = sn_jwt_verify(k, sn_buf_view(&b), &plain, &a, &j);
    sn_arena_done(&a);
    sn_buf_done(&b);
    sn_jwt_keys_unref(k);
    return r;
}
SN_TEST(jwt_torture) { T_OK(sn_torture(torture_body, NULL)); }
