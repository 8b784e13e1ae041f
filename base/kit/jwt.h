/* SPDX-License-Identifier: Apache-2.0 */
/* kit/jwt.h - JSON Web Tokens: verify and sign, over OpenSSL.
 *
 * HS256/384/512, RS256/384/512, PS256/384/512, ES256/384/512, EdDSA (Ed25519, Ed448). A key says
 * which of these it may be used for, and nothing in a token changes that: no "none", no HMAC with a
 * public key, no key out of the token's own header (jwk, jku, x5u, x5c are ignored), no extension
 * that must be understood (crit). Keys that are too short for their algorithm are refused when they
 * are made: secrets shorter than the digest, RSA below 2048 bits.
 *
 * A key set is immutable and counted; a store holds the present one and lets it be replaced while
 * tokens are verified. Two keys without names in a set are the present and the previous secret.
 *
 * Sources: RFC 7515 (JWS), 7517 (JWK), 7518 (JWA), 7519 (JWT), 8037 (EdDSA), 8725 (best practices).
 */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_JWT_BYTES_MAX 16384u /* of a token */
#define SN_JWT_KEYS_MAX 64u     /* in a set */
#define SN_JWKS_BYTES_MAX (1u << 20)

enum sn_jwt_alg {
    SN_JWT_HS256 = 1,
    SN_JWT_HS384,
    SN_JWT_HS512,
    SN_JWT_RS256,
    SN_JWT_RS384,
    SN_JWT_RS512,
    SN_JWT_PS256,
    SN_JWT_PS384,
    SN_JWT_PS512,
    SN_JWT_ES256,
    SN_JWT_ES384,
    SN_JWT_ES512,
    SN_JWT_EDDSA,
};
/* sn_jwt_alg_name - "HS256". sn_jwt_alg_find - Returns the algorithm or SN_E_NOT_FOUND; case
 * matters. */
const char *sn_jwt_alg_name(enum sn_jwt_alg alg);
int sn_jwt_alg_find(struct sn_str name) SN_MUST_CHECK;

/* ---- keys ---- */
struct sn_jwt_keys;
/* sn_jwt_keys_new - an empty set, one reference. NULL without memory. */
struct sn_jwt_keys *sn_jwt_keys_new(void);
struct sn_jwt_keys *sn_jwt_keys_ref(struct sn_jwt_keys *k);
/* sn_jwt_keys_unref - the last one wipes and frees. NULL is accepted. Any thread. */
void sn_jwt_keys_unref(struct sn_jwt_keys *k);
/* sn_jwt_keys_add_secret, _add_pem - a key for exactly one algorithm, before the set is shared.
 * kid: its name, may be empty. pem: a public key, a private key (then it can sign) or a
 * certificate. Return 0, SN_E_INVALID_ARGUMENT (too short, not for this algorithm, a name twice),
 * SN_E_SYNTAX (no PEM), SN_E_RESOURCE_EXHAUSTED beyond SN_JWT_KEYS_MAX, SN_E_NOMEM. */
int sn_jwt_keys_add_secret(struct sn_jwt_keys *k, enum sn_jwt_alg alg, struct sn_str secret,
                           struct sn_str kid) SN_MUST_CHECK;
int sn_jwt_keys_add_pem(struct sn_jwt_keys *k, enum sn_jwt_alg alg, struct sn_str pem,
                        struct sn_str kid) SN_MUST_CHECK;
/* sn_jwt_keys_add_jwks - every key of a JWK Set, or of a single JWK. Keys of unknown kind, for
 * encryption or for algorithms that are not here are passed over, as RFC 7517 section 5 has it; a
 * known kind that is malformed is an error. A key without "alg" serves every algorithm of its kind
 * (RSA: RS* and PS*; EC: that of its curve). Returns the number of keys added, or as above and
 * SN_E_SYNTAX. */
int sn_jwt_keys_add_jwks(struct sn_jwt_keys *k, struct sn_str json) SN_MUST_CHECK;
size_t sn_jwt_keys_len(const struct sn_jwt_keys *k);

/* ---- verify ---- */
struct sn_jwt_check {
    int64_t now_ns;       /* unix time; required */
    int64_t leeway_ns;    /* for exp, nbf, iat; 0 = none */
    struct sn_str issuer; /* "iss" must equal it; empty: not checked */
    struct sn_str
        audience; /* "aud" must be or hold it; empty: not checked, whatever the token says */
    struct sn_str subject; /* as issuer */
    struct sn_str typ;     /* header "typ" must equal it, ignoring case and "application/" */
    bool exp_optional;     /* default: a token without "exp" is refused */
    int64_t age_ns_max;    /* "iat" is required and at most so long ago; 0 = not checked */
};
struct sn_jwt {
    enum sn_jwt_alg alg;
    struct sn_str kid, issuer, subject, id; /* .ptr NULL where absent */
    int64_t exp_ns, nbf_ns, iat_ns;         /* unix; 0 where absent */
    const struct sn_json *header, *claims;  /* objects */
};
/* sn_jwt_verify - a token in compact form. *ret and its strings live in `a` and borrow the token.
 * Returns 0; SN_E_UNAUTHENTICATED with the reason in the diagnostic (malformed, algorithm, key,
 * signature, or the claim and what was expected of it); SN_E_NOT_FOUND: no key of that name, a
 * fresh set may have it; SN_E_TOO_LARGE, SN_E_NOMEM. Context: any thread, does not suspend. */
int sn_jwt_verify(const struct sn_jwt_keys *keys, struct sn_str token,
                  const struct sn_jwt_check *check, struct sn_arena *a,
                  struct sn_jwt *ret) SN_MUST_CHECK;
/* sn_jwt_sign - appends the token for `claims` (the text of a JSON object) by the first key of the
 * set that can sign for alg and, where kid is not empty, has that name. typ: empty = "JWT". Returns
 * 0, SN_E_NOT_FOUND (no such key), SN_E_SYNTAX (claims), SN_E_NOMEM, SN_E_INTERNAL. */
int sn_jwt_sign(const struct sn_jwt_keys *keys, enum sn_jwt_alg alg, struct sn_str kid,
                struct sn_str claims, struct sn_str typ, struct sn_buf *out) SN_MUST_CHECK;

/* ---- rotation ---- */
struct sn_http_client;
struct sn_jwt_store;
/* sn_jwt_store_new - holds `keys` (taken over; may be NULL: nothing verifies yet). NULL without
 * memory. */
struct sn_jwt_store *sn_jwt_store_new(struct sn_jwt_keys *keys);
void sn_jwt_store_free(struct sn_jwt_store *s);
/* sn_jwt_store_set - replaces the set (taken over); verifications in progress keep theirs. Any
 * thread. */
void sn_jwt_store_set(struct sn_jwt_store *s, struct sn_jwt_keys *keys);
/* sn_jwt_store_get - a reference to the present set, or NULL. Any thread. */
struct sn_jwt_keys *sn_jwt_store_get(struct sn_jwt_store *s);
/* sn_jwt_store_want - a token named a key that is not there: the follower looks early, at most
 * every SN_JWKS_WANT_NS. Any fiber. */
void sn_jwt_store_want(struct sn_jwt_store *s);
#define SN_JWKS_EVERY_NS (10 * SN_MINUTE)
#define SN_JWKS_WANT_NS (30 * SN_SEC)
/* sn_jwt_store_follow - fetches the JWK Set at `url` now and every every_ns (0 = SN_JWKS_EVERY_NS),
 * or early when wanted, until cancelled. A failure or a set without a usable key keeps the last
 * good one. Returns SN_E_CANCELLED. Suspends. */
int sn_jwt_store_follow(struct sn_jwt_store *s, struct sn_http_client *c, struct sn_str url,
                        int64_t every_ns) SN_MUST_CHECK;
