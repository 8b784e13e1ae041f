/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/commit.h - whether enough validators signed a block, and what time they agreed on.
 * Source: CometBFT v0.38.25 types/validation.go, state/validation.go, types/time. */
#pragma once
#include "consensus/key.h"
#include "consensus/types.h"

struct sn_cons_fraction {
    uint64_t num, den;
};

/* sn_cons_commit_verify - the set signed block_id at height with more than two thirds; every
 * signature there must be valid, those for nil included (they are paid for, too).
 * Returns 0; SN_E_INVALID_ARGUMENT (not a commit of this set, height and block; a wrong signature,
 * named by its index), SN_E_FAILED_PRECONDITION (not enough power), SN_E_NOMEM, the verifier's.
 * Context: any fiber; suspends if the verifier does. */
int sn_cons_commit_verify(const struct sn_cons_verifier *v, struct sn_str chain_id,
                          const struct sn_cons_valset *vals, const struct sn_cons_commit *c,
                          int64_t height, const struct sn_cons_block_id *block_id) SN_MUST_CHECK;
enum sn_cons_light_flag {
    SN_CONS_ALL_SIGNATURES = 1, /* check each, not only as many as are enough */
};
/* sn_cons_commit_verify_light - as sn_cons_commit_verify, but only signatures for the block count,
 * and only until they are enough. flags: of enum sn_cons_light_flag. */
int sn_cons_commit_verify_light(const struct sn_cons_verifier *v, struct sn_str chain_id,
                                const struct sn_cons_valset *vals, const struct sn_cons_commit *c,
                                int64_t height, const struct sn_cons_block_id *block_id,
                                unsigned flags) SN_MUST_CHECK;
/* sn_cons_commit_verify_trusting - validators of `vals`, which need not be the set of the commit,
 * signed with more than `level` of their power. Returns as above; a validator that signed twice is
 * SN_E_INVALID_ARGUMENT. */
int sn_cons_commit_verify_trusting(const struct sn_cons_verifier *v, struct sn_str chain_id,
                                   const struct sn_cons_valset *vals,
                                   const struct sn_cons_commit *c, struct sn_cons_fraction level,
                                   unsigned flags) SN_MUST_CHECK;

/* sn_cons_median_time - the commit's times weighted by power: the next block's time. Versions of
 * CometBFT differ: 0.38 and 0.39 count the times of precommits for nil, 0.40 skips them; one chain
 * must use one rule. Returns 0, SN_E_NOT_FOUND (a signer who is not in the set), SN_E_NOMEM. */
int sn_cons_median_time(const struct sn_cons_commit *c, const struct sn_cons_valset *vals,
                        bool skip_nil, struct sn_cons_time *ret) SN_MUST_CHECK;
