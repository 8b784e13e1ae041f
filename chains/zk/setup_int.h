/* SPDX-License-Identifier: Apache-2.0 */
/* zk/setup_int.h - what the files of a setup share: key parts, the ceremony's hashes and numbers. */
#pragma once
#include "crypto/hash.h"
#include "zk/bin.h"
#include "zk/setup.h"

/* A key with delta = 1, as arrays. */
struct sn_zk_key_parts {
    uint64_t alpha1[SN_G1_MAX / 8], beta1[SN_G1_MAX / 8], beta2[SN_G2_MAX / 8];
    uint8_t *ic, *a, *b1, *b2, *c, *h;
    uint64_t domain;
    uint8_t circuit_hash[64];
};
int sn_zkey_parts(const struct sn_r1cs *s, const struct sn_ptau *p, const struct sn_par *par,
                  struct sn_zk_key_parts *ret) SN_MUST_CHECK;
void sn_zk_key_parts_done(struct sn_zk_key_parts *k);
/* sn_ptau_put_header - section 1. */
void sn_ptau_put_header(struct sn_out *o, const struct sn_curve *c, unsigned power,
                        unsigned ceremony_power);
/* sn_zkey_put_header - section 2. */
void sn_zkey_put_header(struct sn_out *o, const struct sn_zkey *z);

/* sn_ceremony_point_bytes - as the ceremony hashes points: plain coordinates, big-endian, the second
 * half of an Fq2 first, infinity all zero; compressed: x with 0x80 in the first byte for the greater
 * y, 0x40 alone for infinity. Returns how many bytes. */
size_t sn_ceremony_point_bytes(const struct sn_group *g, const void *affine, bool compressed,
                               uint8_t out[SN_AFFINE_MAX]);
/* sn_ceremony_put_point - adds a point, not compressed. _points - a big-endian count, then n points. */
void sn_ceremony_put_point(struct sn_hasher *h, const struct sn_group *g, const void *affine);
void sn_ceremony_put_points(struct sn_hasher *h, const struct sn_group *g, const void *affine,
                            size_t n);

/* Numbers everybody can repeat: ChaCha20's key stream from 32 bytes. Source: RFC 8439 section 2.3,
 * with a 128-bit block counter in place of counter and nonce. */
struct sn_ceremony_rng {
    uint32_t state[16], block[16];
    unsigned used; /* words of the block */
};
void sn_ceremony_rng_init(struct sn_ceremony_rng *r, const uint8_t seed[32]);
uint32_t sn_ceremony_rng_u32(struct sn_ceremony_rng *r);
/* sn_ceremony_fr - a scalar below the group order, plain. */
void sn_ceremony_fr(struct sn_ceremony_rng *r, const struct sn_field *f, struct sn_fe *ret_plain);
/* sn_ceremony_point - a point of the subgroup whose logarithm nobody knows. */
void sn_ceremony_point(struct sn_ceremony_rng *r, const struct sn_group *g, void *ret_affine);
/* sn_ceremony_beacon - SHA-256 applied 2^iterations_exp times. Returns 0 or SN_E_*. */
int sn_ceremony_beacon(const uint8_t *value, size_t len, unsigned iterations_exp,
                       uint8_t ret[32]) SN_MUST_CHECK;

#define SN_CONTRIBUTION_NAME_MAX 64u
#define SN_CONTRIBUTION_PARAMS_MAX (2 + SN_CONTRIBUTION_NAME_MAX + 2 + 2 + SN_BEACON_BYTES_MAX)
/* sn_contribution_check - Returns 0 or SN_E_INVALID_ARGUMENT. */
int sn_contribution_check(const struct sn_contribution_opts *o) SN_MUST_CHECK;
/* sn_contribution_rng - what the contributor's secrets are drawn from; the caller wipes it. */
int sn_contribution_rng(const struct sn_contribution_opts *o,
                        struct sn_ceremony_rng *ret) SN_MUST_CHECK;
/* sn_contribution_params - the parameters a file keeps: name, iterations, beacon. */
void sn_contribution_params(const struct sn_contribution_opts *o, struct sn_buf *b);
/* sn_contribution_beacon_of - the options a beacon contribution was made with, from its parameters.
 * Borrows them. Returns 0, SN_E_FAILED_PRECONDITION, SN_E_INVALID_ARGUMENT. */
int sn_contribution_beacon_of(struct sn_str params,
                              struct sn_contribution_opts *ret) SN_MUST_CHECK;
/* sn_contribution_name - empty where the parameters have none. */
struct sn_str sn_contribution_name(struct sn_str params);
/* sn_same_ratio - whether b/a in G1 equals d/c in G2. */
bool sn_same_ratio(const struct sn_curve *curve, const void *a, const void *b, const void *c,
                   const void *d);
/* sn_mul_affine_ct - k * p in constant time. */
void sn_mul_affine_ct(const struct sn_group *g, void *ret, const void *p, const struct sn_fe *k);
