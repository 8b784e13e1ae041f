/* SPDX-License-Identifier: Apache-2.0 */
/* zk/build.h - circuits defined in C: signals, linear combinations, products; out come a constraint
 * system and a solver for its witness.
 *
 *   struct sn_build *b = sn_build_new(&sn_bn254_fr);
 *   struct sn_lin p = sn_build_private(b, "p"), q = sn_build_private(b, "q");
 *   sn_build_output(b, "n", sn_build_mul(b, p, q));
 *   struct sn_circuit *c;
 *   int r = sn_build_finish(b, &c);                    // says what went wrong above, if anything
 *   r = sn_circuit_solve(c, inputs, w);                // w: sn_circuit_r1cs(c)->n_wires elements
 *
 * A linear combination is a value that lives as long as its builder. Sums and multiples cost no
 * constraint; products of two of them cost one and make a signal. What cannot be computed by sums
 * and products (a bit, an inverse) is a hint: a function that computes signals when the circuit is
 * solved, and constraints that say what they must be. A hint without constraints proves nothing.
 *
 * Failures stick to the builder: the functions then return the empty combination, and
 * sn_build_finish returns the first failure. A circuit is read-only; threads may solve it at the
 * same time. Nothing here suspends or does I/O. */
#pragma once
#include "zk/r1cs.h"

#define SN_BUILD_TERMS_MAX (1u << 28)  /* of all combinations together */
#define SN_BUILD_DEPTH_MAX 64u         /* scopes within each other */
#define SN_BUILD_BITS_MAX 253u         /* of sn_build_bits: below every prime's, so they are unique */

struct sn_build;
struct sn_circuit;
struct sn_lin {
    const struct sn_lc_term *terms; /* sorted by wire, no zeros; wires are the builder's */
    uint32_t n;
};

/* sn_build_new - an empty circuit over f (borrowed). NULL without memory. Owns: sn_build_finish or
 * sn_build_free (NULL is fine). */
struct sn_build *sn_build_new(const struct sn_field *f);
void sn_build_free(struct sn_build *b);
/* sn_build_error - the first failure so far, or 0. */
int sn_build_error(const struct sn_build *b);
/* sn_build_scope - names of signals from here on are below `name`, until sn_build_scope_end. */
void sn_build_scope(struct sn_build *b, const char *name);
void sn_build_scope_end(struct sn_build *b);

/* Signals from outside, in the order sn_circuit_solve takes them: public ones, then private ones. */
struct sn_lin sn_build_public(struct sn_build *b, const char *name);
struct sn_lin sn_build_private(struct sn_build *b, const char *name);
/* sn_build_output - a public signal equal to x; one constraint. */
struct sn_lin sn_build_output(struct sn_build *b, const char *name, struct sn_lin x);
/* sn_build_signal - a signal equal to x; one constraint. For combinations that grew long and are
 * used often; simplification removes it again. */
struct sn_lin sn_build_signal(struct sn_build *b, const char *name, struct sn_lin x);

/* Without constraints. */
struct sn_lin sn_build_const(struct sn_build *b, const struct sn_fe *c);
struct sn_lin sn_build_u64(struct sn_build *b, uint64_t c);
struct sn_lin sn_build_add(struct sn_build *b, struct sn_lin x, struct sn_lin y);
struct sn_lin sn_build_sub(struct sn_build *b, struct sn_lin x, struct sn_lin y);
struct sn_lin sn_build_scale(struct sn_build *b, struct sn_lin x, const struct sn_fe *c);

/* sn_build_mul - x * y: a new signal and a constraint, or none where one is a number. */
struct sn_lin sn_build_mul(struct sn_build *b, struct sn_lin x, struct sn_lin y);
/* sn_build_equal - x must be y. sn_build_rank1 - x * y must be z. */
void sn_build_equal(struct sn_build *b, struct sn_lin x, struct sn_lin y);
void sn_build_rank1(struct sn_build *b, struct sn_lin x, struct sn_lin y, struct sn_lin z);

/* Computes n_out values from n_in (Montgomery) while solving. Returns 0, or < 0 where there are
 * none: solving ends with that. */
typedef int sn_build_hint_fn(void *ctx, const struct sn_field *f, const struct sn_fe *in,
                             size_t n_in, struct sn_fe *out, size_t n_out);
/* sn_build_hint - n_out new signals. ctx lives as long as the circuit. */
void sn_build_hint(struct sn_build *b, sn_build_hint_fn *fn, void *ctx, const struct sn_lin *in,
                   size_t n_in, struct sn_lin *ret, size_t n_out);

/* sn_build_bool - x must be 0 or 1. sn_build_bits - x as n bits, lowest first: n signals, n + 1
 * constraints; solving fails for numbers of more bits. n <= SN_BUILD_BITS_MAX.
 * sn_build_select - bit ? x : y. sn_build_is_zero - 1 where x is 0, else 0. */
void sn_build_bool(struct sn_build *b, struct sn_lin x);
void sn_build_bits(struct sn_build *b, struct sn_lin x, unsigned n, struct sn_lin *ret);
struct sn_lin sn_build_select(struct sn_build *b, struct sn_lin bit, struct sn_lin x,
                              struct sn_lin y);
struct sn_lin sn_build_is_zero(struct sn_build *b, struct sn_lin x);

/* sn_build_finish - the circuit; the builder is gone, also on failure. Returns 0 or the first
 * failure: SN_E_NOMEM, SN_E_TOO_LARGE, SN_E_DEPTH, SN_E_INVALID_ARGUMENT (scopes left open; 1 = 2
 * as a constraint; too many bits). Owns: *ret, sn_circuit_free. */
int sn_build_finish(struct sn_build *b, struct sn_circuit **ret) SN_MUST_CHECK;
void sn_circuit_free(struct sn_circuit *c);
/* sn_circuit_r1cs - every signal a wire: outputs, public inputs, private inputs, the others.
 * sn_circuit_sym - their names. Borrowed from c. */
const struct sn_r1cs *sn_circuit_r1cs(const struct sn_circuit *c);
struct sn_sym_source sn_circuit_sym(const struct sn_circuit *c);
/* sn_circuit_n_inputs - how many elements sn_circuit_solve takes. */
uint32_t sn_circuit_n_inputs(const struct sn_circuit *c);
/* sn_circuit_solve - all wires of sn_circuit_r1cs from the inputs (Montgomery). Every constraint is
 * checked. Returns 0, SN_E_FAILED_PRECONDITION (a constraint does not hold; the diagnostic has it
 * with names), SN_E_NOMEM, a hint's failure. ret is undefined on failure.
 * Witnesses are secrets: the caller wipes ret. */
int sn_circuit_solve(const struct sn_circuit *c, const struct sn_fe *inputs,
                     struct sn_fe *ret) SN_MUST_CHECK;
