/* SPDX-License-Identifier: Apache-2.0 */
/* zk/elim_int.h - sparse Gaussian elimination of linear rows, and substitution of the result. */
#pragma once
#include "core/arena.h"
#include "core/vec.h"
#include "zk/r1cs.h"

/* A linear combination that must be zero; terms sorted by wire, in the arena. */
struct sn_elim_row {
    struct sn_lc_term *terms;
    uint32_t n;
    bool taken; /* solved for a wire, or kept as it is */
};
/* Row `row` solved for `pivot`, in order: a definition mentions no pivot that comes before it. */
struct sn_elim_def {
    uint32_t pivot, row;
};
struct sn_elim {
    const struct sn_r1cs *s;
    const uint8_t *fixed; /* wire -> stays */
    struct sn_arena arena;
    SN_VEC(struct sn_elim_row) rows;
    SN_VEC(struct sn_elim_def) defs;
    uint32_t *def_of;   /* wire -> index into defs + 1; 0 = none */
    uint32_t *occ;      /* wire -> rows not taken that mention it */
    uint32_t *row_xor;  /* wire -> xor of those rows' numbers: with occ 1, the row */
    uint32_t *quad_occ; /* wire -> entries of quadratic rows */
    /* The accumulator sums are made in. */
    uint32_t *slot; /* wire -> place in sum + 1 */
    SN_VEC(struct sn_lc_term) sum;
};

/* sn_elim_solve - takes the linear rows of `s`; wires marked in `fixed` (borrowed; the one among
 * them) are never solved for.
 * Returns 0, SN_E_NOMEM. Owns: sn_elim_done, after a failure too it is done. */
int sn_elim_solve(struct sn_elim *e, const struct sn_r1cs *s,
                  const uint8_t *fixed) SN_MUST_CHECK;
/* sn_elim_expand - the solved wires' values in terms of wires that stay, where a quadratic row needs
 * them; o->replaced is told of each, and then all are expanded. Returns 0, SN_E_NOMEM, replaced's. */
int sn_elim_expand(struct sn_elim *e, const struct sn_simplify_opts *o) SN_MUST_CHECK;
/* sn_elim_rewrite - after it: the quadratic rows with every solved wire replaced, and the linear rows
 * that could not be solved. *ret_more: some row turned linear in a wire that is not fixed.
 * sn_elim_rewrite_row - quadratic row i alone; none where it says 0 = 0 now. */
int sn_elim_rewrite(struct sn_elim *e, struct sn_r1cs_builder *b, bool *ret_more) SN_MUST_CHECK;
int sn_elim_rewrite_row(struct sn_elim *e, struct sn_r1cs_builder *b, uint32_t i) SN_MUST_CHECK;
void sn_elim_done(struct sn_elim *e);

/* sn_rounds_run - all rounds after the first on *s, which is replaced; *rounds counts on, up to
 * o->rounds_max. Returns 0, SN_E_NOMEM, SN_E_TOO_LARGE, o->replaced's failures; *s is untouched then. */
int sn_rounds_run(struct sn_r1cs *s, const uint8_t *fixed, const struct sn_simplify_opts *o,
                  unsigned *rounds) SN_MUST_CHECK;

/* sn_row_is_linear - one factor of row i is a number. */
bool sn_row_is_linear(const struct sn_r1cs *s, uint32_t i);
/* sn_row_tidy - the row just added without a product that is zero; without the row if it says 0 = 0. */
void sn_row_tidy(struct sn_r1cs_builder *b);
/* sn_r1cs_row_max - entries of the longest row. */
uint32_t sn_r1cs_row_max(const struct sn_r1cs *s);
