/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
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
/* A CometBFT key's public key, address and signature of "sennit", which both sides make alike: RFC 6979. */
SN_TEST(secp256k1_cometbft)
{
    uint8_t key[32], pub[33], address[20], sig[64], digest[32], got[64], n[32];
    char hex[129] = {0};
    unsigned recovery;
    unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e01", key);
    T_OK(sn_secp256k1_compressed(key, pub));
    sn_hex_encode(pub, 33, hex);
    T_CSTR(hex, "03c11fa4bf3278c2718c92592277ed3bf43735b0ae350c3339ce8ee76f3a8f8a97");
    memset(hex, 0, sizeof(hex));
    T_OK(sn_secp256k1_address(pub, address));
    sn_hex_encode(address, 20, hex);
    T_CSTR(hex, "4035e416cb4526ed54ea4630727f746a53bc9f38");
    unhex("f2a89c1f553395752fca76b5fff505dc372615d8951f9d58d9209c5feea8b8c5"
          "28f6474694600445e6456df178a50c8c937355c1d90c747aa89e7df56528337f",
          sig);
    T_OK(sn_hash_once(SN_SHA256, "sennit", 6, digest));
    T_OK(sn_secp256k1_verify(pub, digest, sig));
    T_OK(sn_secp256k1_sign(key, digest, got, &recovery));
    T_ASSERT(memcmp(got, sig, 64) == 0);
    /* The other form of s is as good to the curve and is refused. */
    unhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", n);
    for (int i = 31, borrow = 0; i >= 0; i--) {
        int d = n[i] - sig[32 + i] - borrow;
        got[32 + i] = (uint8_t)d;
        borrow = d < 0;
    }
    T_EQ(sn_secp256k1_verify(pub, digest, got), SN_E_UNAUTHENTICATED);
    digest[0] ^= 1;
    T_EQ(sn_secp256k1_verify(pub, digest, sig), SN_E_UNAUTHENTICATED);
    digest[0] ^= 1;
    pub[0] = 4;
    T_EQ(sn_secp256k1_verify(pub, digest, sig), SN_E_UNAUTHENTICATED);
}
