/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"

#include "core/enc.h"
#include "core/rand.h"
#include "core/status.h"
#include "harness/test.h"

/* SPEC: FIPS 180-4 and RFC 7693 example messages, RFC 2202 and RFC 4231 test cases. */
SN_TEST(crypto_hash_known_answers)
{
    static const struct {
        enum sn_hash_kind kind;
        const char *text, *hex;
    } rows[] = {
        {SN_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {SN_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {SN_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {SN_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {SN_SHA512, "abc",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {SN_BLAKE2B_512, "abc",
         "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
         "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"},
        {SN_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
        {SN_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
        {SN_RIPEMD160, "abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        uint8_t md[SN_HASH_MAX];
        char hex[2 * SN_HASH_MAX];
        sn_test_row("row %zu \"%s\"", i, rows[i].text);
        T_OK(sn_hash_once(rows[i].kind, rows[i].text, strlen(rows[i].text), md));
        size_t n = sn_hex_encode(md, sn_hash_len(rows[i].kind), hex);
        T_STR(sn_str_of(hex, n), rows[i].hex);
    }
}

SN_TEST(crypto_hmac_known_answers)
{
    static const struct {
        enum sn_hash_kind kind;
        const char *hex;
    } rows[] = {
        {SN_SHA1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {SN_SHA256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {SN_SHA512, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                    "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        uint8_t md[SN_HASH_MAX];
        char hex[2 * SN_HASH_MAX];
        sn_test_row("row %zu", i);
        T_OK(sn_hmac_once(rows[i].kind, "Jefe", 4, "what do ya want for nothing?", 28, md));
        T_STR(sn_str_of(hex, sn_hex_encode(md, sn_hash_len(rows[i].kind), hex)), rows[i].hex);
    }
    uint8_t md[SN_HASH_MAX];
    char hex[2 * SN_HASH_MAX];
    T_OK(sn_hmac_once(SN_SHA256, NULL, 0, NULL, 0, md));
    T_STR(sn_str_of(hex, sn_hex_encode(md, 32, hex)),
          "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

SN_TEST(crypto_hash_streaming_equals_one_shot)
{
    struct sn_rand rnd;
    uint8_t data[3000], once[SN_HASH_MAX], parts[SN_HASH_MAX];
    sn_rand_seed(&rnd, sn_test_seed());
    sn_rand_bytes(&rnd, data, sizeof(data));
    for (unsigned i = 0; i < sn_test_cases(300); i++) {
        enum sn_hash_kind kind = (enum sn_hash_kind)sn_rand_below(&rnd, 3);
        size_t n = sn_rand_below(&rnd, sizeof(data) + 1);
        struct sn_hasher h;
        T_OK(sn_hasher_init(&h, kind));
        for (int round = 0; round < 2; round++) { /* final begins anew */
            for (size_t at = 0, k; at < n; at += k) {
                k = 1 + sn_rand_below(&rnd, n - at);
                sn_hasher_put(&h, data + at, k);
            }
            T_OK(sn_hasher_final(&h, parts));
            T_OK(sn_hash_once(kind, data, n, once));
            T_ASSERT(memcmp(once, parts, sn_hash_len(kind)) == 0);
        }
        sn_hasher_done(&h);
        sn_hasher_done(&h);
    }
}

SN_TEST(crypto_equal_ct)
{
    uint8_t a[33] = {1, 2, 3}, b[33] = {1, 2, 3};
    T_ASSERT(sn_equal_ct(a, b, 33));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] ^= 0x80;
        T_ASSERT(!sn_equal_ct(a, b, 33));
        b[i] ^= 0x80;
    }
    T_ASSERT(sn_equal_ct(a, b, 0));
    sn_wipe(a, sizeof(a));
    T_EQ(a[0] | a[1] | a[2], 0);
}

/* SPEC: RFC 5869, test cases 1 and 3. */
SN_TEST(crypto_hkdf_known_answers)
{
    uint8_t secret[22], salt[13], info[10], out[42];
    char hex[84];
    memset(secret, 0x0b, sizeof(secret));
    for (unsigned i = 0; i < 13; i++) salt[i] = (uint8_t)i;
    for (unsigned i = 0; i < 10; i++) info[i] = (uint8_t)(0xf0 + i);
    struct sn_hkdf_in in = {secret, salt, info, 22, 13, 10};
    T_OK(sn_hkdf_once(SN_SHA256, &in, out, sizeof(out)));
    T_STR(sn_str_of(hex, sn_hex_encode(out, sizeof(out), hex)),
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    in = (struct sn_hkdf_in){.secret = secret, .secret_len = 22};
    T_OK(sn_hkdf_once(SN_SHA256, &in, out, sizeof(out)));
    T_STR(sn_str_of(hex, sn_hex_encode(out, sizeof(out), hex)),
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    in.info_len = SN_HKDF_INFO_MAX + 1;
    T_EQ(sn_hkdf_once(SN_SHA256, &in, out, 1), SN_E_INVALID_ARGUMENT);
    in.info_len = 0;
    T_EQ(sn_hkdf_once(SN_SHA256, &in, out, 255 * 32 + 1), SN_E_INVALID_ARGUMENT);
}
