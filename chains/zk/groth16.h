/* SPDX-License-Identifier: Apache-2.0 */
/* zk/groth16.h - Groth16 proofs over BN254 and BLS12-381, in snarkjs' files and JSON.
 *
 * Points are affine and Montgomery as curve.h has them. Everything that comes from a file or from
 * JSON is checked where it is read: coordinates below the modulus, points on the curve and in the
 * subgroup, numbers below the group order.
 * Sources: J. Groth, "On the Size of Pairing-based Non-interactive Arguments" (2016); observation
 * of snarkjs 0.7. */
#pragma once
#include "core/arena.h"
#include "crypto/curve.h"
#include "zk/r1cs.h"
#include "zk/file.h"

#define SN_GROTH_PUBLIC_MAX (1u << 20) /* public signals of a verification key */

/* ---- keys, proofs ---------------------------------------------------------------------------- */

#define SN_G1_MAX (SN_AFFINE_MAX / 2)
#define SN_G2_MAX SN_AFFINE_MAX

struct sn_groth_vkey {
    const struct sn_curve *curve;
    uint32_t n_public;
    uint64_t alpha1[SN_G1_MAX / 8], beta2[SN_G2_MAX / 8];
    uint64_t gamma2[SN_G2_MAX / 8], delta2[SN_G2_MAX / 8];
    uint8_t *ic; /* n_public+1 points of G1 */
};
void sn_groth_vkey_done(struct sn_groth_vkey *k);

struct sn_groth_proof {
    const struct sn_curve *curve;
    uint64_t a[SN_G1_MAX / 8], b[SN_G2_MAX / 8], c[SN_G1_MAX / 8];
};

/* sn_groth_vkey_read_json, proof, public - from verification_key.json, proof.json, public.json.
 * Return 0; SN_E_SYNTAX (not JSON, a field missing or of the wrong shape, another protocol),
 * SN_E_UNIMPLEMENTED (an unknown curve), SN_E_OUT_OF_RANGE (a number that is not reduced),
 * SN_E_INVALID_ARGUMENT (a point off the curve or outside the subgroup), SN_E_TOO_LARGE,
 * SN_E_NOMEM; the diagnostic names the field.
 * Owns: the key with sn_groth_vkey_done, the public signals (Montgomery) with sn_free. */
int sn_groth_vkey_read_json(struct sn_str text, struct sn_groth_vkey *ret) SN_MUST_CHECK;
int sn_groth_proof_read_json(struct sn_str text, struct sn_groth_proof *ret) SN_MUST_CHECK;
int sn_groth_public_read_json(const struct sn_field *fr, struct sn_str text, struct sn_fe **ret,
                              size_t *ret_n) SN_MUST_CHECK;
/* sn_groth_vkey_write_json, proof, public - append the text, indented by one space as snarkjs does.
 * Return 0 or SN_E_NOMEM. */
int sn_groth_vkey_write_json(const struct sn_groth_vkey *k, struct sn_buf *out);
int sn_groth_proof_write_json(const struct sn_groth_proof *p, struct sn_buf *out);
int sn_groth_public_write_json(const struct sn_field *fr, const struct sn_fe *w, size_t n,
                               struct sn_buf *out);
/* sn_groth_calldata - appends the proof as snarkjs' soliditycalldata: ["0x..","0x.."],[[..],[..]],
 * [..],[public..] ready for verifyProof. BN254 only, SN_E_UNIMPLEMENTED else. */
int sn_groth_calldata(const struct sn_groth_proof *p, const struct sn_fe *pub, size_t n,
                      struct sn_buf *out);
/* sn_groth_solidity - appends a Solidity contract Groth16Verifier with
 * verifyProof(uint[2] a, uint[2][2] b, uint[2] c, uint[n] pub) view returns (bool).
 * Returns 0, SN_E_UNIMPLEMENTED for a curve without precompiles, SN_E_NOMEM. */
int sn_groth_solidity(const struct sn_groth_vkey *k, struct sn_buf *out);

/* ---- verifying ------------------------------------------------------------------------------- */

/* sn_groth_verify - whether the proof is good for these n public signals (Montgomery).
 * Returns 0; SN_E_FAILED_PRECONDITION, no diagnostic, where it is not; SN_E_INVALID_ARGUMENT for
 * another curve or number of signals. */
int sn_groth_verify(const struct sn_groth_vkey *k, const struct sn_groth_proof *p,
                    const struct sn_fe *pub, size_t n) SN_MUST_CHECK;
/* sn_groth_verify_many - n_proofs proofs of one key at once, each with n public signals one after
 * another in `pub`: one final exponentiation and three fixed pairings for all of them. `random`:
 * 16 fresh secret bytes per proof; a forged batch passes with probability 2^-128.
 * Returns as sn_groth_verify (which of them is bad is not known), SN_E_NOMEM. */
int sn_groth_verify_many(const struct sn_groth_vkey *k, const struct sn_groth_proof *p,
                         const struct sn_fe *pub, size_t n, size_t n_proofs,
                         const uint8_t *random) SN_MUST_CHECK;

/* ---- .zkey ----------------------------------------------------------------------------------- */

/* A proving key in a file's view, which must outlive it. */
struct sn_zkey {
    const struct sn_curve *curve;
    uint32_t n_vars, n_public, n_coefs;
    unsigned domain_log;
    uint64_t alpha1[SN_G1_MAX / 8], beta1[SN_G1_MAX / 8], beta2[SN_G2_MAX / 8];
    uint64_t gamma2[SN_G2_MAX / 8], delta1[SN_G1_MAX / 8], delta2[SN_G2_MAX / 8];
    uint8_t *ic;                        /* a copy */
    const uint8_t *a, *b1, *b2, *c, *h; /* arrays of points in the file, at any address */
    /* Where set, proving calls it for each long array it needs no more: the owner of a mapped file may
     * let the pages go. They are read again if another proof follows. */
    void (*used)(const void *p, size_t n);
    const uint8_t *coefs; /* entries of 12 + q bytes: matrix, row, wire, value * R^2 */
    bool coefs_sorted;    /* by row, as every known writer leaves them */
    struct sn_str contributions; /* section 10 */
};
/* sn_zkey_open - reads the header, checks its points and those of IC, and every size; coefficients'
 * wires, rows and matrices too. The long point arrays are taken as they are: sn_zkey_check_points.
 * Returns 0 and as the readers of file.h; SN_E_INVALID_ARGUMENT for a bad point.
 * Owns: sn_zkey_done. */
int sn_zkey_open(struct sn_str file, struct sn_zkey *ret) SN_MUST_CHECK;
void sn_zkey_done(struct sn_zkey *z);
/* sn_zkey_check_points - every point on its curve and in its subgroup. Returns 0,
 * SN_E_OUT_OF_RANGE, SN_E_INVALID_ARGUMENT; the diagnostic names section and index. */
int sn_zkey_check_points(const struct sn_zkey *z, const struct sn_par *par) SN_MUST_CHECK;
/* sn_zkey_vkey - the verification key in it. Returns 0 or SN_E_NOMEM. Owns: *ret. */
int sn_zkey_vkey(const struct sn_zkey *z, struct sn_groth_vkey *ret) SN_MUST_CHECK;

/* ---- proving --------------------------------------------------------------------------------- */

#define SN_GROTH_RANDOM_BYTES 128
/* sn_groth_prove - a proof that the witness (z->n_vars Montgomery elements) satisfies the circuit.
 * random: SN_GROTH_RANDOM_BYTES fresh secret bytes; the same bytes twice give away the witness.
 * The witness is not checked: a wrong one gives a proof that does not verify.
 * Returns 0, SN_E_INVALID_ARGUMENT for a witness of another length, SN_E_NOMEM,
 * SN_E_OUT_OF_RANGE for a domain the field has no coset for. Context: may suspend inside par. */
int sn_groth_prove(const struct sn_zkey *z, const struct sn_fe *w, size_t n, const uint8_t *random,
                   const struct sn_par *par, struct sn_groth_proof *ret) SN_MUST_CHECK;
