/* SPDX-License-Identifier: Apache-2.0 */
/* The roots RFC 6962's definition gives, computed here by its recursion, and every proof of every
 * tree up to 70 leaves: it leads to the root, and no other index, size, aunt or leaf does. */
#include "crypto/merkle.h"

#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "harness/test.h"

static void by_definition(uint8_t (*h)[32], size_t n, uint8_t out[32])
{
    if (n == 1) {
        memcpy(out, h[0], 32);
        return;
    }
    size_t k = 1;
    while (k * 2 < n) k *= 2;
    uint8_t m[65] = {1};
    by_definition(h, k, m + 1);
    by_definition(h + k, n - k, m + 33);
    T_OK(sn_hash_once(SN_SHA256, m, 65, out));
}

SN_TEST(merkle_roots_are_the_definitions)
{
    char hex[65] = "";
    uint8_t root[32], want[32], leaves[70][32], copy[70][32];
    T_OK(sn_merkle_root(NULL, 0, root));
    sn_hex_encode(root, 32, hex);
    T_CSTR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    T_OK(sn_merkle_root(&SN_STR(""), 1, root));
    sn_hex_encode(root, 32, hex);
    T_CSTR(hex, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    for (size_t n = 1; n <= 70; n++) {
        sn_test_row("%zu leaves", n);
        for (size_t i = 0; i < n; i++)
            T_OK(sn_merkle_leaf(sn_str_of((char[]){(char)i, (char)n}, 2), leaves[i]));
        by_definition(leaves, n, want);
        memcpy(copy, leaves, sizeof(copy));
        T_OK(sn_merkle_fold(copy, n, root));
        T_ASSERT(memcmp(root, want, 32) == 0);
    }
}

SN_TEST(merkle_proofs_hold_and_bind)
{
    uint8_t leaves[70][32], copy[70][32], root[32], got[32], aunts[8][32];
    for (size_t n = 1; n <= 70; n++) {
        for (size_t i = 0; i < n; i++)
            T_OK(sn_merkle_leaf(sn_str_of((char[]){(char)i, (char)n}, 2), leaves[i]));
        memcpy(copy, leaves, sizeof(copy));
        T_OK(sn_merkle_fold(copy, n, root));
        for (size_t i = 0; i < n; i++) {
            sn_test_row("leaf %zu of %zu", i, n);
            unsigned depth = sn_merkle_depth(i, n);
            T_OK(sn_merkle_aunts((const uint8_t(*)[32])leaves, n, i, aunts));
            const uint8_t(*a)[32] = (const uint8_t(*)[32])aunts;
            T_OK(sn_merkle_climb(leaves[i], i, n, a, depth, got));
            T_ASSERT(memcmp(root, got, 32) == 0);
            T_EQ(sn_merkle_climb(leaves[i], i, n, a, depth + 1, got), SN_E_INVALID_ARGUMENT);
            T_EQ(sn_merkle_climb(leaves[i], n, n, a, depth, got), SN_E_INVALID_ARGUMENT);
            T_ASSERT(sn_merkle_climb(leaves[i], i ^ 1, n, a, depth, got) < 0 ||
                     memcmp(root, got, 32) != 0);
            for (unsigned k = 0; k < depth; k++) {
                aunts[k][5] ^= 1;
                T_OK(sn_merkle_climb(leaves[i], i, n, a, depth, got));
                T_ASSERT(memcmp(root, got, 32) != 0);
                aunts[k][5] ^= 1;
            }
        }
    }
}
