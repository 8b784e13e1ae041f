/* SPDX-License-Identifier: Apache-2.0 */
/* zk/r1cs.h - rank-1 constraint systems: rows (A.w)*(B.w) = C.w over a prime field.
 *
 * A system is compressed sparse rows with a dictionary of coefficients: circuits of a hundred
 * thousand rows have a few hundred different coefficients, so an entry is two 32-bit numbers. The
 * three rows of a constraint lie next to each other. Within a row, entries are sorted by wire, no
 * wire twice, no zero coefficient.
 *
 * Wires: 0 is the constant one, then outputs, public inputs, private inputs, everything else.
 * A compiler numbers signals ("labels") the same way and emits wire = label; sn_r1cs_simplify
 * then drops wires and says which labels are left (label_of).
 * Nothing here suspends; a finished system is read-only and may be shared by threads. */
#pragma once
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "crypto/field.h"

#define SN_R1CS_ROWS_MAX (1u << 28)    /* constraints */
#define SN_R1CS_ENTRIES_MAX (1u << 31) /* non-zero coefficients */
#define SN_R1CS_WIRES_MAX (1u << 30)

/* Fixed places of the coefficient dictionary. */
enum { SN_COEF_ONE = 0, SN_COEF_MINUS_ONE = 1 };

/* One term of a linear combination; coef in Montgomery form. */
struct sn_lc_term {
    uint32_t wire;
    struct sn_fe coef;
};
/* A linear combination as callers hand it over: terms in any order, wires may repeat (their
 * coefficients add up). Borrowed. */
struct sn_lc {
    const struct sn_lc_term *terms;
    size_t n;
};

/* Custom gates, as circom's custom templates ask for: relations a proof system has to know by name,
 * since no constraint says what they mean. Their signals keep their wires. */
struct sn_r1cs_gate {
    struct sn_str name;
    struct sn_fe *params; /* Montgomery */
    uint32_t n_params;
};
struct sn_r1cs_use {
    uint32_t gate, n; /* which, and how many signals */
    uint64_t at;      /* the first one's place in `signal` */
};
struct sn_r1cs_gates {
    const struct sn_r1cs_gate *gate;
    const struct sn_r1cs_use *use;
    uint64_t *signal; /* wires */
    uint32_t n_gates, n_uses;
    uint64_t n_signals;
};

struct sn_r1cs {
    const struct sn_field *field;
    uint32_t n_wires; /* with the constant one */
    uint32_t n_outputs, n_public, n_private;
    uint64_t n_labels;  /* signals before any wire was dropped */
    uint32_t n_rows;    /* constraints */
    uint32_t n_dict;    /* different coefficients */
    uint32_t *row_at;   /* 3*n_rows+1: entries row_at[3*i+m] .. row_at[3*i+m+1] are row i of A, B, C
                         * for m = 0, 1, 2 */
    uint8_t *row_order; /* n_rows: how sn_r1cs_check takes them, see crypto/rows.h */
    uint32_t *wire;     /* of each entry */
    uint32_t *coef;     /* of each entry: index into dict */
    struct sn_fe *dict; /* Montgomery; SN_COEF_ONE and SN_COEF_MINUS_ONE come first */
    uint32_t *negation; /* n_dict: the place of -dict[i], i where it is in no place */
    uint64_t *label_of; /* n_wires: which label each wire carries; NULL = the identity */
    struct sn_r1cs_gates *gates; /* NULL = none, and none were announced */
};
static inline uint32_t sn_r1cs_n_entries(const struct sn_r1cs *s)
{
    return s->n_rows ? s->row_at[3 * (size_t)s->n_rows] : 0;
}
/* sn_r1cs_done - frees what the system holds (zero-initialised is fine). */
void sn_r1cs_done(struct sn_r1cs *s);

/* ---- building -------------------------------------------------------------------------------- */

struct sn_r1cs_builder {
    struct sn_r1cs sys;
    size_t rows_cap, entries_cap, dict_cap;
    uint32_t *index; /* open addressing: dictionary place + 1, 0 = free */
    size_t index_cap;
    struct sn_lc_term *scratch; /* of lcs that are not sorted */
    size_t scratch_cap;
};
/* sn_r1cs_builder_init - an empty system over `f` (borrowed). Returns 0 or SN_E_NOMEM.
 * Owns: end it with sn_r1cs_builder_finish or _done. */
int sn_r1cs_builder_init(struct sn_r1cs_builder *b, const struct sn_field *f) SN_MUST_CHECK;
void sn_r1cs_builder_done(struct sn_r1cs_builder *b);
/* sn_r1cs_coef - the dictionary place of a coefficient (Montgomery), added where it is new: look
 * constants up once and use sn_r1cs_add_ids in loops. Returns the place or SN_E_NOMEM. */
int64_t sn_r1cs_coef(struct sn_r1cs_builder *b, const struct sn_fe *coef) SN_MUST_CHECK;
/* sn_r1cs_add - the constraint abc[0] * abc[1] = abc[2]. Terms are sorted, merged and freed of
 * zeros here. Returns 0, SN_E_NOMEM, SN_E_TOO_LARGE beyond the limits above. Wires are checked
 * against n_wires only by sn_r1cs_builder_finish. */
int sn_r1cs_add(struct sn_r1cs_builder *b, const struct sn_lc abc[3]) SN_MUST_CHECK;
/* sn_r1cs_add_ids - the same from entries as they are stored: n[m] entries for A, B, C one after
 * another in `wire` and `coef` (dictionary places), each row sorted, merged, without zeros. */
int sn_r1cs_add_ids(struct sn_r1cs_builder *b, const uint32_t n[3], const uint32_t *wire,
                    const uint32_t *coef) SN_MUST_CHECK;
/* sn_r1cs_add_mapped - every constraint of `fragment`, wire w becoming map[w]: how a template
 * compiled once is placed many times. Rows are re-sorted where the map is not increasing; two
 * wires mapped to one add up. Returns as sn_r1cs_add. */
int sn_r1cs_add_mapped(struct sn_r1cs_builder *b, const struct sn_r1cs *fragment,
                       const uint32_t *map) SN_MUST_CHECK;
/* The signals, any time before finish. */
struct sn_r1cs_signals {
    uint32_t n_outputs, n_public, n_private; /* of main: array elements count one each */
    uint64_t n_total;                        /* all of them with the constant one */
};
/* sn_r1cs_builder_finish - moves the system to *ret; the builder is as after _done, also on
 * failure. Returns 0, SN_E_INVALID_ARGUMENT where an entry's wire is not below n_total (or the
 * counts contradict each other), SN_E_TOO_LARGE beyond SN_R1CS_WIRES_MAX. Owns: *ret,
 * sn_r1cs_done. */
int sn_r1cs_builder_finish(struct sn_r1cs_builder *b, const struct sn_r1cs_signals *signals,
                           struct sn_r1cs *ret) SN_MUST_CHECK;

/* ---- names ----------------------------------------------------------------------------------- */

/* What a .sym file says of labels 1 .. n_labels-1, asked one by one in increasing order: the
 * compiler keeps its component tree and builds names on demand. */
struct sn_sym_source {
    /* Appends "main.c[3].out[1]". */
    void (*name)(void *ctx, uint64_t label, struct sn_buf *out);
    /* The number of the template instance the signal belongs to (third column); may be NULL: 0. */
    uint64_t (*node)(void *ctx, uint64_t label);
    void *ctx;
};

/* ---- simplification -------------------------------------------------------------------------- */

/* circom's levels. 0: nothing. 1: equalities between two wires and wires equal to a constant are
 * substituted. 2: all linear constraints are eliminated, rounds repeated until none is left. */
struct sn_simplify_opts {
    unsigned level;      /* 0, 1, 2 */
    unsigned rounds_max; /* of level 2; 0 = until nothing changes */
    /* Told of each wire that was replaced and by what, in wires of the system simplified, in the
     * order it happened: a value may mention a wire replaced later. Terms are sorted by wire and
     * borrowed. < 0 ends simplification and is what it returns. NULL: nobody asks. */
    int (*replaced)(void *ctx, uint32_t wire, const struct sn_lc *value);
    void *ctx;
};
/* What happened, for reports. */
struct sn_simplify_stats {
    uint32_t rows_before, rows_after, linear_before, linear_after;
    uint32_t wires_before, wires_after;
    unsigned rounds;
};
/* sn_r1cs_simplify - an equivalent system with fewer rows and wires. The constant one, outputs and
 * public inputs stay, in place, and so do the signals of custom gates; private inputs may go (then
 * their label has no wire). ret->label_of maps wires to labels of `s`. ret_stats may be NULL.
 * A row without a solution (0 = 1) stays: the result is unsatisfiable exactly where `s` is.
 * Returns 0, SN_E_NOMEM, SN_E_TOO_LARGE, replaced's failures. */
int sn_r1cs_simplify(const struct sn_r1cs *s, const struct sn_simplify_opts *o, struct sn_r1cs *ret,
                     struct sn_simplify_stats *ret_stats) SN_MUST_CHECK;

/* ---- asking ---------------------------------------------------------------------------------- */

/* Counts as circom prints them. */
struct sn_r1cs_stats {
    uint32_t rows, linear, nonlinear; /* linear: A or B is zero or constant */
    uint32_t wires, outputs, public_inputs, private_inputs;
    uint64_t labels, entries, entries_unit /* +-1 */;
    uint32_t coefficients, row_max; /* different coefficients; entries of the longest row */
    uint32_t wires_unused;          /* in no constraint and no custom gate */
};
void sn_r1cs_stats(const struct sn_r1cs *s, struct sn_r1cs_stats *ret);

/* Constraints that are not needed, or cannot all hold. Rows in increasing order of the work they
 * take, not of their number. */
struct sn_r1cs_dep_list {
    uint32_t *row, n;
};
struct sn_r1cs_deps {
    uint32_t rank;                         /* linear rows that are independent of each other */
    struct sn_r1cs_dep_list dependent;     /* linear rows that follow from other linear rows */
    struct sn_r1cs_dep_list contradicting; /* linear rows no witness satisfies beside the others */
    struct sn_r1cs_dep_list repeated;      /* rows, linear or not, equal to an earlier one */
};
#define SN_R1CS_DEPS_WORK_MAX (1ull << 34) /* terms added up */
/* sn_r1cs_deps - by elimination of the linear rows among themselves. Returns 0, SN_E_TOO_LARGE,
 * SN_E_NOMEM. Owns: *ret, sn_r1cs_deps_done. */
int sn_r1cs_deps(const struct sn_r1cs *s, struct sn_r1cs_deps *ret) SN_MUST_CHECK;
void sn_r1cs_deps_done(struct sn_r1cs_deps *d);

/* sn_r1cs_check - whether a witness (n_wires Montgomery elements, w[0] = 1) satisfies every row;
 * *ret_row is the first row that fails. Runs on par (NULL: the caller alone).
 * Returns 0, SN_E_FAILED_PRECONDITION (a row fails, or w[0] is not one: *ret_row = n_rows),
 * SN_E_NOMEM. No diagnostic: the caller knows names. */
int sn_r1cs_check(const struct sn_r1cs *s, const struct sn_fe *w, const struct sn_par *par,
                  uint32_t *ret_row) SN_MUST_CHECK;
/* sn_r1cs_check_scalar - the same row by row: what sn_r1cs_check is measured and tested against. */
int sn_r1cs_check_scalar(const struct sn_r1cs *s, const struct sn_fe *w, uint32_t *ret_row)
    SN_MUST_CHECK;
/* sn_r1cs_row_text - appends row i as "(2*w3 + w5) * (w1) = w7"; wires named by their label's name
 * where src is given. */
void sn_r1cs_row_text(const struct sn_r1cs *s, uint32_t i, const struct sn_sym_source *src,
                      struct sn_buf *out);
