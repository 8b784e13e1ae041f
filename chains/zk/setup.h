/* SPDX-License-Identifier: Apache-2.0 */
/* zk/setup.h - trusted setups in snarkjs' files: powers of tau (.ptau) and circuit keys (.zkey).
 *
 * A setup is safe if one contributor at least forgot his secret. Secrets and what is computed from
 * them are wiped here; the caller wipes its random bytes.
 * Sources: Bowe, Gabizon, Miers, "Scalable Multi-party Computation for zk-SNARK Parameters in the
 * Random Beacon Model" (2017); observation of snarkjs 0.7. */
#pragma once
#include "zk/groth16.h"

#define SN_PTAU_POWER_MAX 28u
#define SN_BEACON_EXP_MAX 24u /* seconds: a file must not be able to ask its verifier for years */
#define SN_BEACON_BYTES_MAX 255u

/* ---- contributions --------------------------------------------------------------------------- */

/* Who contributes what. Either secret random bytes, or a public beacon value hashed
 * 2^iterations_exp times. */
struct sn_contribution_opts {
    struct sn_str name;     /* at most 64 bytes are kept */
    const uint8_t *random;  /* 64 secret bytes; NULL for a beacon */
    const uint8_t *beacon;  /* public bytes */
    size_t beacon_len;      /* at most SN_BEACON_BYTES_MAX */
    unsigned iterations_exp; /* at most SN_BEACON_EXP_MAX; each step doubles the time */
};

/* ---- powers of tau --------------------------------------------------------------------------- */

/* A .ptau file's view, which must outlive it. Points in the file may lie 4 bytes off alignment. */
struct sn_ptau {
    const struct sn_curve *curve;
    unsigned power, ceremony_power;
    struct sn_str tau1, tau2, alpha1, beta1, beta2; /* sections 2-6 */
    struct sn_str contributions;                    /* section 7 */
    struct sn_str lagrange[4]; /* 12-15: of tau1, tau2, alpha1, beta1, from 2^0 up; empty before
                                * sn_ptau_prepare */
};
/* sn_ptau_open - sections and sizes; points are not looked at. Returns 0 and as file.h's readers. */
int sn_ptau_open(struct sn_str file, struct sn_ptau *ret) SN_MUST_CHECK;
/* sn_ptau_new - the powers of tau = alpha = beta = 1, for contributions to come.
 * Returns 0, SN_E_OUT_OF_RANGE (power 1..SN_PTAU_POWER_MAX), SN_E_NOMEM or the sink's. */
int sn_ptau_new(const struct sn_curve *c, unsigned power, const struct sn_par *par,
                const struct sn_zk_sink *out) SN_MUST_CHECK;
/* sn_ptau_contribute - multiplies secrets into tau, alpha and beta; Lagrange points are left out.
 * ret_hash: what the contributor publishes, the hash of his response. Points stream through a few
 * MiB; what was written is read once more through `reread`.
 * Returns 0, SN_E_INVALID_ARGUMENT (options, a point that is none), SN_E_DATA_LOSS, SN_E_NOMEM, the
 * sink's or the reader's. */
int sn_ptau_contribute(const struct sn_ptau *p, const struct sn_contribution_opts *o,
                       const struct sn_par *par, const struct sn_zk_sink *out,
                       const struct sn_zk_reread *reread, uint8_t ret_hash[64]) SN_MUST_CHECK;
/* sn_ptau_verify - whether every contribution proves its secrets and follows the one before, the
 * sections are powers of what the last left, under the hash it signed, and Lagrange points, where
 * the file has them, are their transforms. random: 32 fresh bytes for the random combinations.
 * Returns 0, SN_E_FAILED_PRECONDITION with the reason (also: no contribution), and as readers. */
int sn_ptau_verify(const struct sn_ptau *p, const uint8_t *random,
                   const struct sn_par *par) SN_MUST_CHECK;
/* sn_ptau_prepare - the same file with Lagrange points (sections 12-15).
 * Returns 0, SN_E_NOMEM, SN_E_INVALID_ARGUMENT (a point that is none) or the sink's. */
int sn_ptau_prepare(const struct sn_ptau *p, const struct sn_par *par,
                    const struct sn_zk_sink *out) SN_MUST_CHECK;

/* ---- circuit keys ---------------------------------------------------------------------------- */

/* sn_zkey_new - the key of a circuit with gamma = delta = 1, from prepared powers of tau.
 * Returns 0, SN_E_FAILED_PRECONDITION (powers not prepared), SN_E_OUT_OF_RANGE (too small for the
 * circuit), SN_E_INVALID_ARGUMENT (another curve), SN_E_NOMEM or the sink's. */
int sn_zkey_new(const struct sn_r1cs *s, const struct sn_ptau *p, const struct sn_par *par,
                const struct sn_zk_sink *out) SN_MUST_CHECK;

/* sn_zkey_contribute - multiplies a secret into delta. ret_hash: what the contributor publishes.
 * Returns 0, SN_E_INVALID_ARGUMENT (options), as readers, SN_E_NOMEM or the sink's. */
int sn_zkey_contribute(struct sn_str zkey, const struct sn_contribution_opts *o,
                       const struct sn_par *par, const struct sn_zk_sink *out,
                       uint8_t ret_hash[64]) SN_MUST_CHECK;
/* What a key says of one contribution to it. */
struct sn_zkey_contribution {
    struct sn_str name; /* whatever its owner wrote; may be empty */
    uint8_t hash[64];   /* what he published */
    bool beacon;
    struct sn_str beacon_value;
    unsigned iterations_exp;
};
/* sn_zkey_contributions - the circuit's hash, and `each` contribution in order; what they say is
 * not checked (sn_zkey_verify). Views are the key's.
 * Returns 0, as readers, or what `each` returned below 0. */
int sn_zkey_contributions(const struct sn_zkey *z, uint8_t ret_circuit_hash[64],
                          int (*each)(void *ctx, const struct sn_zkey_contribution *c),
                          void *ctx) SN_MUST_CHECK;
/* sn_zkey_verify - whether the key is the circuit's over these powers: every contribution proves
 * its secret and follows the one before, everything that does not depend on delta equals a key made
 * anew, and what does (H, C) has the right ratio. random: 32 fresh bytes for the ratio checks.
 * Returns 0, SN_E_FAILED_PRECONDITION with the reason, and as readers. */
int sn_zkey_verify(struct sn_str zkey, const struct sn_r1cs *s, const struct sn_ptau *p,
                   const uint8_t *random, const struct sn_par *par) SN_MUST_CHECK;
