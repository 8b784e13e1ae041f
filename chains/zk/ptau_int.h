/* SPDX-License-Identifier: Apache-2.0 */
/* zk/ptau_int.h - a powers-of-tau file's contributions, for making and verifying them.
 *
 * Section 7: a count, then per contribution tau, alpha, beta after it (tau in G1 and G2, alpha in G1,
 * beta in G1 and G2), for each of the three a public key (s, s*x in G1, sp*x in G2; all G1 points
 * come first), the hash of the response half done, the hash that is the next challenge, a type (0
 * secret, 1 beacon) and parameters.
 * Source: Bowe, Gabizon, Miers (2017), and its first implementation's hashing (powersoftau, 2018). */
#pragma once
#include "crypto/blake2b.h"
#include "zk/setup_int.h"

enum { SN_PTAU_TAU, SN_PTAU_ALPHA, SN_PTAU_BETA, SN_PTAU_SECRETS };
struct sn_ptau_key {
    uint64_t s[SN_G1_MAX / 8], sx[SN_G1_MAX / 8], spx[SN_G2_MAX / 8];
};
struct sn_ptau_contribution {
    uint64_t tau1[SN_G1_MAX / 8], tau2[SN_G2_MAX / 8], alpha1[SN_G1_MAX / 8];
    uint64_t beta1[SN_G1_MAX / 8], beta2[SN_G2_MAX / 8];
    struct sn_ptau_key key[SN_PTAU_SECRETS];
    uint8_t partial[SN_BLAKE2B_STATE];
    uint8_t next_challenge[64];
    uint32_t type;
    struct sn_str params;
};
/* sn_ptau_contributions - a cursor at the first of *ret_n. Returns 0 or SN_E_DATA_LOSS. */
int sn_ptau_contributions(const struct sn_ptau *p, struct sn_cursor *ret,
                          uint32_t *ret_n) SN_MUST_CHECK;
/* sn_ptau_take - the next one, its points checked. Returns 0, as sn_affine_check, SN_E_DATA_LOSS. */
int sn_ptau_take(struct sn_cursor *c, const struct sn_curve *curve,
                 struct sn_ptau_contribution *ret) SN_MUST_CHECK;
/* sn_ptau_first_challenge - what the first contributor signs: the hash of tau = alpha = beta = 1. */
void sn_ptau_first_challenge(const struct sn_curve *c, unsigned power, uint8_t ret[64]);
/* sn_ptau_make_keys - secrets (plain) and public keys from a contributor's numbers. */
void sn_ptau_make_keys(const struct sn_curve *c, const uint8_t challenge[64],
                       struct sn_ceremony_rng *rng, struct sn_ptau_key key[SN_PTAU_SECRETS],
                       struct sn_fe ret_secret[SN_PTAU_SECRETS]);
/* sn_ptau_sp - the point of G2 that secret number i proves itself with. */
void sn_ptau_sp(const struct sn_curve *c, unsigned i, const uint8_t challenge[64],
                const struct sn_ptau_key *key, void *ret);
/* sn_ptau_response - ends the half-done hash with the public keys. Returns 0, SN_E_OUT_OF_RANGE. */
int sn_ptau_response(const struct sn_curve *c, const struct sn_ptau_contribution *k,
                     uint8_t ret[64]) SN_MUST_CHECK;
/* sn_ptau_put_points - n points to a hash. */
void sn_ptau_put_points(struct sn_blake2b *h, const struct sn_group *g, const void *affine,
                        size_t n, bool compressed);
