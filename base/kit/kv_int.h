/* SPDX-License-Identifier: Apache-2.0 */
/* kit/kv_int.h - what a kind of store is to kv.c. */
#pragma once
#include "kit/kv.h"

/* Calls may block: kv.c makes those of a store that says so on the blocking pool. */
struct kv_kind {
    bool blocks;
    void (*close)(struct sn_kv *kv);
    int (*get)(struct sn_kv *kv, struct sn_str key, struct sn_buf *out);
    int (*write)(struct sn_kv *kv, const struct sn_kv_batch *b, bool sync);
    int (*scan)(struct sn_kv *kv, const struct sn_kv_range *range, struct sn_arena *a,
                struct sn_kv_pair **ret, size_t *ret_n);
    int (*compact)(struct sn_kv *kv, struct sn_str from, struct sn_str to);
};
struct sn_kv {
    const struct kv_kind *kind;
};

/* kv_op - key and value of the operation at `op` in a batch's ops; value.ptr is NULL for a deletion.
 * Returns the bytes it takes there. */
size_t kv_op(const char *op, struct sn_str *ret_key, struct sn_str *ret_value);
/* kv_next_op - the next of a batch; *at starts at 0. False at the end. */
bool kv_next_op(const struct sn_kv_batch *b, size_t *at, struct sn_str *ret_key,
                struct sn_str *ret_value);
/* kv_take - adds a copy of a pair to an answer being built. Returns 0, SN_E_NOMEM. */
struct kv_answer {
    const struct sn_kv_range *range;
    struct sn_arena *arena;
    struct sn_kv_pair *pairs;
    size_t n, cap, bytes;
};
int kv_take(struct kv_answer *out, struct sn_str key, struct sn_str value);
/* kv_full - whether one pair more would be beyond what was asked for. */
bool kv_full(const struct kv_answer *out, struct sn_str key, struct sn_str value);
