/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/merkle.c - the trees of RFC 6962 without recursion: a leaf's place in the tree is a walk
 * down from the root, and the root of a run of leaves is a stack of perfect subtrees. */
#include "crypto/merkle.h"

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"

_Static_assert(sizeof(size_t) == 8, "a tree has at most 64 levels");

int sn_merkle_leaf(struct sn_str data, uint8_t ret[SN_MERKLE_LEN])
{
    struct sn_hasher h;
    int r = sn_hasher_init(&h, SN_SHA256);
    if (r < 0) return r;
    sn_hasher_put(&h, "\0", 1);
    sn_hasher_put(&h, data.ptr, data.len);
    r = sn_hasher_final(&h, ret);
    sn_hasher_done(&h);
    return r;
}

int sn_merkle_inner(const uint8_t left[SN_MERKLE_LEN], const uint8_t right[SN_MERKLE_LEN],
                    uint8_t ret[SN_MERKLE_LEN])
{
    uint8_t m[1 + 2 * SN_MERKLE_LEN];
    m[0] = 1;
    memcpy(m + 1, left, SN_MERKLE_LEN);
    memcpy(m + 1 + SN_MERKLE_LEN, right, SN_MERKLE_LEN);
    return sn_hash_once(SN_SHA256, m, sizeof(m), ret);
}

/* The largest power of two below n; n >= 2. */
static size_t split(size_t n) { return (size_t)1 << (63 - __builtin_clzll(n - 1)); }

/* Leaves join a stack of perfect subtrees like the bits of a counter; what is left at the end is
 * folded from the right, which is where the tree is ragged. */
int sn_merkle_fold(uint8_t (*hashes)[SN_MERKLE_LEN], size_t n, uint8_t ret[SN_MERKLE_LEN])
{
    if (n == 0) return sn_hash_once(SN_SHA256, "", 0, ret);
    uint8_t stack[64][SN_MERKLE_LEN];
    unsigned top = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(stack[top++], hashes[i], SN_MERKLE_LEN);
        for (size_t k = i + 1; !(k & 1); k >>= 1, top--) {
            int r = sn_merkle_inner(stack[top - 2], stack[top - 1], stack[top - 2]);
            if (r < 0) return r;
        }
    }
    for (; top > 1; top--) {
        int r = sn_merkle_inner(stack[top - 2], stack[top - 1], stack[top - 2]);
        if (r < 0) return r;
    }
    memcpy(ret, stack[0], SN_MERKLE_LEN);
    return 0;
}

int sn_merkle_root(const struct sn_str *leaves, size_t n, uint8_t ret[SN_MERKLE_LEN])
{
    uint8_t(*hashes)[SN_MERKLE_LEN] SN_CLEANUP(sn_freep) = sn_zalloc(n + 1, SN_MERKLE_LEN);
    if (!hashes) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        int r = sn_merkle_leaf(leaves[i], hashes[i]);
        if (r < 0) return r;
    }
    return sn_merkle_fold(hashes, n, ret);
}

unsigned sn_merkle_depth(size_t index, size_t n)
{
    unsigned depth = 0;
    for (; n > 1; depth++) {
        size_t k = split(n);
        if (index < k) {
            n = k;
        } else {
            index -= k;
            n -= k;
        }
    }
    return depth;
}

int sn_merkle_aunts(const uint8_t (*hashes)[SN_MERKLE_LEN], size_t n, size_t index,
                    uint8_t (*ret)[SN_MERKLE_LEN])
{
    uint8_t(*copy)[SN_MERKLE_LEN] SN_CLEANUP(sn_freep) = sn_zalloc(n + 1, SN_MERKLE_LEN);
    if (!copy) return SN_E_NOMEM;
    memcpy(copy, hashes, n * SN_MERKLE_LEN);
    size_t from = 0;
    for (unsigned at = sn_merkle_depth(index, n); n > 1; at--) {
        size_t k = split(n);
        bool left = index < k;
        int r = left ? sn_merkle_fold(copy + from + k, n - k, ret[at - 1])
                     : sn_merkle_fold(copy + from, k, ret[at - 1]);
        if (r < 0) return r;
        if (!left) {
            from += k;
            index -= k;
        }
        n = left ? k : n - k;
    }
    return 0;
}

int sn_merkle_climb(const uint8_t leaf[SN_MERKLE_LEN], size_t index, size_t n,
                    const uint8_t (*aunts)[SN_MERKLE_LEN], size_t n_aunts,
                    uint8_t ret[SN_MERKLE_LEN])
{
    if (index >= n) return SN_E_INVALID_ARGUMENT;
    if (n_aunts != sn_merkle_depth(index, n)) return SN_E_INVALID_ARGUMENT;
    /* Which side each level of the way down takes; the way up is the same in reverse. */
    uint64_t right = 0;
    for (unsigned at = (unsigned)n_aunts; n > 1; at--) {
        size_t k = split(n);
        if (index >= k) {
            right |= 1ull << (at - 1);
            index -= k;
            n -= k;
        } else {
            n = k;
        }
    }
    uint8_t h[SN_MERKLE_LEN];
    memcpy(h, leaf, SN_MERKLE_LEN);
    for (size_t i = 0; i < n_aunts; i++) {
        int r = right >> i & 1 ? sn_merkle_inner(aunts[i], h, h) : sn_merkle_inner(h, aunts[i], h);
        if (r < 0) return r;
    }
    memcpy(ret, h, SN_MERKLE_LEN);
    return 0;
}
