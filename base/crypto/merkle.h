/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/merkle.h - binary Merkle trees over SHA-256 with separate prefixes for leaves and inner
 * nodes: leaf = H(00 || data), inner = H(01 || left || right), the left subtree the largest power
 * of two below the number of leaves, the empty tree H(""). Inclusion proofs are a leaf hash and
 * the siblings from the leaf up ("aunts").
 * Source: RFC 6962 section 2.1. */
#pragma once
#include "core/str.h"

#define SN_MERKLE_LEN 32
/* Siblings of one proof: beyond any tree that memory holds. */
#define SN_MERKLE_AUNTS_MAX 100

/* sn_merkle_leaf - the hash of one leaf. Returns 0 or as sn_hash_once. */
int sn_merkle_leaf(struct sn_str data, uint8_t ret[SN_MERKLE_LEN]) SN_MUST_CHECK;
/* sn_merkle_inner - the hash of two subtrees' hashes. Returns as sn_merkle_leaf. */
int sn_merkle_inner(const uint8_t left[SN_MERKLE_LEN], const uint8_t right[SN_MERKLE_LEN],
                    uint8_t ret[SN_MERKLE_LEN]) SN_MUST_CHECK;
/* sn_merkle_root - the root over n leaves. Returns 0, SN_E_NOMEM, SN_E_INTERNAL.
 * Context: any thread, never suspends. */
int sn_merkle_root(const struct sn_str *leaves, size_t n, uint8_t ret[SN_MERKLE_LEN]) SN_MUST_CHECK;
/* sn_merkle_fold - the root over n leaf hashes; the array is overwritten. Returns as sn_merkle_leaf. */
int sn_merkle_fold(uint8_t (*hashes)[SN_MERKLE_LEN], size_t n, uint8_t ret[SN_MERKLE_LEN]) SN_MUST_CHECK;
/* sn_merkle_depth - how many aunts leaf `index` of n has; index < n. */
unsigned sn_merkle_depth(size_t index, size_t n);
/* sn_merkle_aunts - the siblings of leaf `index` of n leaf hashes, lowest first, to `ret`
 * (sn_merkle_depth of them). Returns as sn_merkle_leaf, and SN_E_NOMEM. Costs n hashes: for all
 * leaves of a tree that is n * n, meant for the 1,600 parts of the largest block. */
int sn_merkle_aunts(const uint8_t (*hashes)[SN_MERKLE_LEN], size_t n, size_t index,
                    uint8_t (*ret)[SN_MERKLE_LEN]) SN_MUST_CHECK;
/* sn_merkle_climb - the root that leaf hash `leaf`, at `index` of n, has with these aunts.
 * Returns 0; SN_E_INVALID_ARGUMENT where the number of aunts is not the tree's (or index >= n). */
int sn_merkle_climb(const uint8_t leaf[SN_MERKLE_LEN], size_t index, size_t n,
                    const uint8_t (*aunts)[SN_MERKLE_LEN], size_t n_aunts,
                    uint8_t ret[SN_MERKLE_LEN]) SN_MUST_CHECK;
