/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_jwt.c - the first byte says whether the rest is a token or a key set; whatever it is,
 * nothing that was not signed here passes. */
#include "core/base.h"
#include "kit/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sn_jwt_keys *keys;
    if (!keys) {
        keys = sn_jwt_keys_new();
        SN_ASSERT(keys && sn_jwt_keys_add_secret(keys, SN_JWT_HS256,
                                                 SN_STR("a secret that no fuzzer can guess"),
                                                 SN_STR("")) == 0);
        SN_ASSERT(
            sn_jwt_keys_add_jwks(keys,
                                 SN_STR("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
                                        "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}")) == 1);
    }
    if (!size) return 0;
    struct sn_str in = {(const char *)data + 1, size - 1};
    if (data[0] & 1) {
        struct sn_jwt_keys *k = sn_jwt_keys_new();
        SN_ASSERT(k);
        int r = sn_jwt_keys_add_jwks(k, in);
        SN_ASSERT(r < 0 || (size_t)r == sn_jwt_keys_len(k));
        sn_jwt_keys_unref(k);
        return 0;
    }
    struct sn_arena a;
    struct sn_jwt j;
    sn_arena_init(&a, NULL, 8u << 20);
    SN_ASSERT(sn_jwt_verify(keys, in, &(struct sn_jwt_check){.exp_optional = true}, &a, &j) < 0);
    sn_arena_done(&a);
    return 0;
}
