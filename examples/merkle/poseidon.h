/* SPDX-License-Identifier: Apache-2.0 */
/* examples/merkle/poseidon.h - the Poseidon hash of two elements of BN254's scalar field, and the
 * constants for a circuit that computes the same.
 *
 * Width 3, x^5, 8 full and 57 partial rounds. The constants are not a table: they come out of the
 * Grain LFSR as the paper's appendix describes, so that anyone can make them again.
 * Source: Grassi, Khovratovich, Rechberger, Roy, Schofnegger, "Poseidon: A New Hash Function for
 * Zero-Knowledge Proof Systems" (2021), section 4 and appendices E, F. */
#pragma once
#include "core/buf.h"
#include "crypto/field.h"

#define POSEIDON_WIDTH 3
#define POSEIDON_FULL 8
#define POSEIDON_PARTIAL 57
#define POSEIDON_ROUNDS (POSEIDON_FULL + POSEIDON_PARTIAL)

struct poseidon {
    struct sn_fe round[POSEIDON_ROUNDS][POSEIDON_WIDTH];
    struct sn_fe mix[POSEIDON_WIDTH][POSEIDON_WIDTH];
};
/* poseidon_init - makes the constants: some milliseconds. */
void poseidon_init(struct poseidon *p);
/* poseidon_permute - the permutation, in place; Montgomery elements. */
void poseidon_permute(const struct poseidon *p, struct sn_fe state[POSEIDON_WIDTH]);
/* poseidon_hash - of two elements: the first of the permuted (0, a, b). */
void poseidon_hash(const struct poseidon *p, const struct sn_fe *a, const struct sn_fe *b,
                   struct sn_fe *ret);
/* poseidon_circom - appends the functions ROUND(i, j) and MIX(i, j) in circom's language. Returns 0
 * or the buffer's error. */
int poseidon_circom(const struct poseidon *p, struct sn_buf *out);
