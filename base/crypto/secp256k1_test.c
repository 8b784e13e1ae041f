/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "crypto/secp256k1.h"
#include "harness/test.h"

static void unhex(const char *hex, uint8_t *out)
{
    T_OK(sn_hex_decode(sn_str(hex), out));
}
/* The key and address every development node begins with. */
#define KEY "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

SN_TEST(secp256k1_public_of_key)
{
    uint8_t key[32], pub[64], hash[32];
    char hex[41] = {0};
    unhex(KEY, key);
    T_OK(sn_secp256k1_public(key, pub));
    sn_keccak256(pub, 64, hash);
    sn_hex_encode(hash + 12, 20, hex);
    T_CSTR(hex, "f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
}
SN_TEST(secp256k1_sign_and_recover)
{
    uint8_t key[32], pub[64], got[64], sig[64], again[64], digest[32];
    unsigned recovery, recovery2;
    for (unsigned i = 0; i < sn_test_cases(30); i++) {
        for (unsigned k = 0; k < 32; k++) {
            key[k] = (uint8_t)sn_test_rand();
            digest[k] = (uint8_t)sn_test_rand();
        }
        T_OK(sn_secp256k1_public(key, pub));
        T_OK(sn_secp256k1_sign(key, digest, sig, &recovery));
        T_OK(sn_secp256k1_sign(key, digest, again, &recovery2));
        T_ASSERT(memcmp(sig, again, 64) == 0 && recovery == recovery2);
        T_ASSERT(sn_secp256k1_is_low(sig));
        T_OK(sn_secp256k1_recover(sig, recovery, digest, got));
        T_ASSERT(memcmp(pub, got, 64) == 0);
        digest[i % 32] ^= 1;
        if (sn_secp256k1_recover(sig, recovery, digest, got) == 0)
            T_ASSERT(memcmp(pub, got, 64) != 0);
    }
}
/* RFC 6979's nonces leave one signature per key and message. */
SN_TEST(secp256k1_deterministic)
{
    uint8_t key[32] = {0}, digest[32], sig[64];
    char hex[129] = {0};
    unsigned recovery;
    key[31] = 1;
    unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", digest);
    T_OK(sn_secp256k1_sign(key, digest, sig, &recovery));
    sn_hex_encode(sig, 64, hex);
    T_CSTR(hex, "77c8d336572f6f466055b5f70f433851f8f535f6c4fc71133a6cfd71079d03b7"
                "0ed9f5eb8aa5b266abac35d416c3207e7a538bf5f37649727d7a9823b1069577");
}
SN_TEST(secp256k1_refuses)
{
    uint8_t key[32] = {0}, pub[64], sig[64] = {0}, digest[32] = {1};
    unsigned recovery;
    T_EQ(sn_secp256k1_public(key, pub), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_secp256k1_sign(key, digest, sig, &recovery), SN_E_INVALID_ARGUMENT);
    memset(key, 0xff, sizeof(key));
    T_EQ(sn_secp256k1_public(key, pub), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_secp256k1_recover(sig, 0, digest, pub), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_secp256k1_recover(sig, 4, digest, pub), SN_E_INVALID_ARGUMENT);
    /* Half the order is the last low s. */
    unhex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", sig + 32);
    T_ASSERT(sn_secp256k1_is_low(sig));
    sig[63]++;
    T_ASSERT(!sn_secp256k1_is_low(sig));
}
