/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "crypto/keccak.h"
#include "harness/test.h"

SN_TEST(keccak_known)
{
    static const struct {
        const char *text, *digest;
    } rows[] = {
        {"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"},
        {"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"},
        {"transfer(address,uint256)", "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b"},
        {"Transfer(address,address,uint256)",
         "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t d[SN_KECCAK256_LEN];
        char hex[2 * SN_KECCAK256_LEN + 1] = {0};
        sn_test_row("\"%s\"", rows[i].text);
        sn_keccak256(rows[i].text, strlen(rows[i].text), d);
        sn_hex_encode(d, sizeof(d), hex);
        T_CSTR(hex, rows[i].digest);
    }
}
SN_TEST(keccak_pieces_equal_whole)
{
    uint8_t data[600], whole[SN_KECCAK256_LEN], pieces[SN_KECCAK256_LEN];
    for (size_t i = 0; i < sizeof(data); i++) data[i] = (uint8_t)sn_test_rand();
    for (size_t n = 0; n <= sizeof(data); n++) {
        sn_test_row("%zu bytes", n);
        sn_keccak256(data, n, whole);
        struct sn_keccak k;
        sn_keccak_init(&k);
        for (size_t at = 0; at < n;) {
            size_t step = 1 + sn_test_rand_below(n - at);
            sn_keccak_put(&k, data + at, step);
            at += step;
        }
        sn_keccak_final(&k, pieces);
        T_ASSERT(memcmp(whole, pieces, sizeof(whole)) == 0);
    }
}
