/* SPDX-License-Identifier: Apache-2.0 */
/* kit/jwt_int.h - keys, for jwt.c (tokens) and jwt_keys.c (key sets). */
#pragma once
#include <openssl/evp.h>

#include "kit/jwt.h"

struct jwt_key {
    uint32_t algs; /* bits 1 << enum sn_jwt_alg */
    char *kid;     /* "" = none */
    uint8_t *secret;
    size_t secret_len;
    EVP_PKEY *pkey;
    bool private;
};
struct sn_jwt_keys {
    int refs;
    size_t n;
    struct jwt_key keys[SN_JWT_KEYS_MAX];
};
struct jwt_alg {
    const char *name;
    const char *digest; /* NULL for EdDSA */
    int kind;           /* EVP_PKEY_HMAC, _RSA, _EC, _ED25519 */
    bool pss;
    size_t half;       /* EC: bytes of r and of s */
    const char *curve; /* EC: OpenSSL's group */
};
extern const struct jwt_alg jwt_algs[SN_JWT_EDDSA + 1];
/* jwt_openssl - a failure of OpenSSL with its reason. */
int jwt_openssl(int code, const char *what);
