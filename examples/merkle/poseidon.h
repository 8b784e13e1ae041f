/* SPDX-License-Identifier: Apache-2.0 */
/* examples/merkle/poseidon.h - Poseidon of two inputs over BN254's scalar field: as a function, and as
 * a circuit that gives the same. Source: Grassi et al., "Poseidon: A New Hash Function for
 * Zero-Knowledge Proof Systems" (2019), width 3, 8 full and 57 partial rounds, exponent 5; constants
 * by the paper's Grain generator, as circomlib's. */
#pragma once
#include "crypto/field.h"
#include "zk/build.h"

#define POSEIDON_WIDTH 3u
#define POSEIDON_FULL 8u
#define POSEIDON_PARTIAL 57u
#define POSEIDON_ROUNDS (POSEIDON_FULL + POSEIDON_PARTIAL)

struct poseidon {
    const struct sn_field *field;
    struct sn_fe round[POSEIDON_ROUNDS][POSEIDON_WIDTH];
    struct sn_fe mix[POSEIDON_WIDTH][POSEIDON_WIDTH];
};
/* poseidon_init - makes the constants. */
void poseidon_init(struct poseidon *p);
void poseidon_hash(const struct poseidon *p, const struct sn_fe *a, const struct sn_fe *b,
                   struct sn_fe *ret);
struct sn_lin poseidon_build(const struct poseidon *p, struct sn_build *c, struct sn_lin a,
                             struct sn_lin b);
