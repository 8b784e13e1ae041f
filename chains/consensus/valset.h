/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/valset.h - validator sets: who may vote with which power, and whose turn it is.
 *
 * Each block every priority grows by its validator's power; the highest proposes and pays the total.
 * Priorities stay within a window of twice the total (rescaling) around zero (centring), and a new
 * validator begins 1.125 totals behind, so that leaving and joining gains nothing.
 *
 * A set that somebody else may hold is never changed: copy it first.
 * Source: CometBFT v0.38.25 types/validator_set.go; spec/consensus/proposer-selection. */
#pragma once
#include "consensus/types.h"

/* Sums of priorities stay within int64 by this. */
#define SN_CONS_POWER_MAX (INT64_MAX / 8)
#define SN_CONS_PRIORITY_WINDOW 2

/* sn_cons_by_power - for qsort: the order of a set's validators. */
int sn_cons_by_power(const void *a, const void *b);
/* sn_cons_valset_new - of n validators (key and power are read; addresses are the keys'), in any
 * order, with the first proposer chosen. n may be 0.
 * Returns 0 and references 1; SN_E_INVALID_ARGUMENT (a power below 1, a key twice, no key),
 * SN_E_OUT_OF_RANGE (a total beyond SN_CONS_POWER_MAX), SN_E_TOO_LARGE (more than
 * SN_CONS_VALIDATORS_MAX), SN_E_NOMEM. */
int sn_cons_valset_new(const struct sn_cons_validator *vals, uint32_t n,
                       struct sn_cons_valset **ret) SN_MUST_CHECK;
/* sn_cons_valset_copy - its own copy, references 1; NULL without memory. */
struct sn_cons_valset *sn_cons_valset_copy(const struct sn_cons_valset *s);
struct sn_cons_valset *sn_cons_valset_ref(struct sn_cons_valset *s);
void sn_cons_valset_unref(struct sn_cons_valset *s);

/* sn_cons_valset_update - applies changes in place: power 0 removes, a known key changes its power,
 * a new one joins behind the others. All or nothing.
 * Returns 0 or as sn_cons_valset_new, and SN_E_NOT_FOUND (removal of a stranger),
 * SN_E_FAILED_PRECONDITION (nobody would be left). */
int sn_cons_valset_update(struct sn_cons_valset *s, const struct sn_cons_validator *changes,
                          uint32_t n) SN_MUST_CHECK;
/* sn_cons_valset_advance - `times` >= 1 turns pass; the set is not empty. */
void sn_cons_valset_advance(struct sn_cons_valset *s, int32_t times);
/* sn_cons_valset_proposer - whose turn it is; NULL for the empty set. */
const struct sn_cons_validator *sn_cons_valset_proposer(const struct sn_cons_valset *s);
/* sn_cons_valset_find - index of the validator with this address, or -1. */
int32_t sn_cons_valset_find(const struct sn_cons_valset *s, const uint8_t addr[SN_CONS_ADDR_LEN]);
/* sn_cons_valset_check - sums the powers into total and checks what a set from outside must hold:
 * each key fits its address, powers are not negative, the total is in range, the proposer is one of
 * them. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_OUT_OF_RANGE. */
int sn_cons_valset_check(struct sn_cons_valset *s) SN_MUST_CHECK;
