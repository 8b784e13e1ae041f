/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of values, made by hand for trees of several stores: each once as it is, and with one
 * thing wrong. What the proxy answers to whole requests is tried in tests/interop/light.sh. */
#include "consensus/light/proxy_int.h"
#include "core/varint.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "harness/test.h"
#include "tendermint/crypto/proof.pb.h"

#define LEAVES 5

/* A tree of LEAVES pairs, of which number `at` is (key, value); its operation and root. */
static void tree(struct sn_arena *a, struct sn_str key, struct sn_str value, size_t at,
                 struct proxy_op *op, struct sn_str *ret_root)
{
    uint8_t hashes[LEAVES][SN_MERKLE_LEN], copy[LEAVES][SN_MERKLE_LEN], digest[32];
    struct tendermint_crypto_value_op *m = tendermint_crypto_value_op_new(a);
    m->key = key;
    m->proof = tendermint_crypto_proof_new(a);
    for (size_t i = 0; i < LEAVES; i++) {
        struct sn_buf pair;
        uint8_t len[SN_VARINT_MAX];
        struct sn_str k = i == at ? key : SN_STR("other"), v = i == at ? value : SN_STR("thing");
        sn_buf_init(&pair, 0);
        T_OK(sn_hash_once(SN_SHA256, v.ptr, v.len, digest));
        sn_buf_put(&pair, len, sn_varint_put(len, k.len));
        sn_buf_str(&pair, k);
        sn_buf_byte(&pair, 32);
        sn_buf_put(&pair, digest, 32);
        T_OK(sn_merkle_leaf(sn_buf_view(&pair), hashes[i]));
        sn_buf_done(&pair);
    }
    uint8_t aunts[SN_MERKLE_AUNTS_MAX][SN_MERKLE_LEN], root[SN_MERKLE_LEN];
    T_OK(sn_merkle_aunts((const uint8_t(*)[SN_MERKLE_LEN])hashes, LEAVES, at, aunts));
    m->proof->total = LEAVES;
    m->proof->index = (int64_t)at;
    m->proof->leaf_hash = sn_arena_str(a, sn_str_of((char *)hashes[at], SN_MERKLE_LEN));
    for (unsigned i = 0; i < sn_merkle_depth(at, LEAVES); i++)
        T_OK(tendermint_crypto_proof_add_aunts(
            m->proof, sn_arena_str(a, sn_str_of((char *)aunts[i], SN_MERKLE_LEN)), a));
    memcpy(copy, hashes, sizeof(copy));
    T_OK(sn_merkle_fold(copy, LEAVES, root));
    *ret_root = sn_arena_str(a, sn_str_of((char *)root, sizeof(root)));
    struct sn_buf out;
    sn_buf_init(&out, 0);
    T_ASSERT(tendermint_crypto_value_op_encode(m, &out) >= 0);
    *op = (struct proxy_op){SN_STR("simple:v"), key, sn_arena_str(a, sn_buf_view(&out))};
    sn_buf_done(&out);
}

SN_TEST(proof_of_a_value)
{
    struct sn_arena a;
    struct proxy_op ops[2];
    struct sn_str inner, root, keys[2] = {SN_STR("bank"), SN_STR("alice")}, value = SN_STR("100");
    sn_arena_init(&a, NULL, 0);
    for (size_t at = 0; at < LEAVES; at++) {
        tree(&a, keys[1], value, at, &ops[0], &inner);
        tree(&a, keys[0], inner, (at + 2) % LEAVES, &ops[1], &root);
        T_OK(proxy_proof(ops, 2, keys, 2, value, root, &a));
        T_EQ(proxy_proof(ops, 2, keys, 2, SN_STR("101"), root, &a), SN_E_INVALID_ARGUMENT);
        T_EQ(proxy_proof(ops, 2, keys, 2, value, inner, &a), SN_E_INVALID_ARGUMENT);
        T_EQ(proxy_proof(ops, 1, keys, 2, value, inner, &a), SN_E_INVALID_ARGUMENT);
        T_EQ(proxy_proof(ops + 1, 1, keys, 2, inner, root, &a), SN_E_INVALID_ARGUMENT);
        struct sn_str others[2] = {SN_STR("bank"), SN_STR("bob")};
        T_EQ(proxy_proof(ops, 2, others, 2, value, root, &a), SN_E_INVALID_ARGUMENT);
        struct sn_str deeper[3] = {SN_STR("x"), SN_STR("bank"), SN_STR("alice")};
        T_EQ(proxy_proof(ops, 2, deeper, 3, value, root, &a), SN_E_INVALID_ARGUMENT);
        struct proxy_op cut = ops[0];
        cut.data.len--;
        T_EQ(proxy_proof(&cut, 1, keys + 1, 1, value, inner, &a), SN_E_INVALID_ARGUMENT);
    }
    T_EQ(proxy_proof(ops, 0, keys, 2, value, root, &a), SN_E_INVALID_ARGUMENT);
    ops[0].type = SN_STR("ics23:iavl");
    T_EQ(proxy_proof(ops, 2, keys, 2, value, root, &a), SN_E_UNIMPLEMENTED);
    sn_arena_done(&a);
}
