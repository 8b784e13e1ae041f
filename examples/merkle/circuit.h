/* SPDX-License-Identifier: Apache-2.0 */
/* examples/merkle/circuit.h - merkle.circom, from source text to verified proofs. */
#pragma once
#include "poseidon.h"
#include "zk/circom/circom.h"
#include "zk/groth16.h"

#define TREE_DEPTH 10
#define TREE_MEMBERS (1u << TREE_DEPTH)

/* Every node of the tree, the root at 1, the children of i at 2i and 2i+1, and who has which secret. */
struct tree {
    struct sn_fe node[2 * TREE_MEMBERS];
    struct sn_fe secret[TREE_MEMBERS];
};
struct circuit {
    struct sn_circom *compiled;
    struct sn_r1cs system; /* simplified */
    struct sn_buf key;     /* .zkey */
    struct sn_zkey zkey;
    struct sn_groth_vkey vkey;
    int64_t compile_ns, setup_ns;
};
struct proved {
    struct sn_groth_proof proof;
    struct sn_fe root;
    int64_t witness_ns, prove_ns, verify_ns;
    bool verified, refused; /* good as it is; bad with another root */
};

/* tree_init - random secrets and the tree over their hashes. Returns 0 or SN_E_IO (no randomness). */
int tree_init(struct tree *t, const struct poseidon *p) SN_MUST_CHECK;
/* circuit_compile - the constraints and the witness program. Context: a thread with
 * SN_CIRCOM_STACK_BYTES of stack, not a fiber. Returns as sn_circom_compile. Owns: circuit_done. */
int circuit_compile(struct circuit *c, const struct poseidon *p) SN_MUST_CHECK;
/* circuit_setup - proving and verifying key. The powers of tau are made here and now: whoever runs
 * this could keep the secrets and prove what is not so. For a demonstration that is all right, for
 * everything else there are ceremonies. Returns 0, SN_E_NOMEM, SN_E_IO. Suspends. */
int circuit_setup(struct circuit *c) SN_MUST_CHECK;
/* circuit_prove - that whoever knows t->secret[member] is in the tree; verified at once. Returns 0,
 * SN_E_NOMEM, SN_E_IO. Suspends. */
int circuit_prove(const struct circuit *c, const struct tree *t, unsigned member,
                  struct proved *ret) SN_MUST_CHECK;
void circuit_done(struct circuit *c);
