/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519_int.h - between the verifier (ed25519.c), the curve in portable C
 * (ed25519_point.c) and the AVX-512 IFMA kernels (ed25519_vec.c).
 *
 * A verification is one sum of multiples of points that must have small order. The sum is cut into
 * groups of eight terms, one per vector lane; each term is a table of its point's first multiples
 * and the signed digits of its scalar. Tables have the same layout in both engines, so keys that
 * are kept serve either. */
#pragma once
#include "crypto/ed25519.h"
#include "crypto/ed25519_fe_int.h"
#include "crypto/field.h"

#define ED_LANES 8u
#define ED_KEY_WINDOW 5u   /* bits of a digit of kept keys: tables of 16 */
#define ED_KEY_ENTRIES 16u /* multiples 1..16 */
#define ED_KEY_PIECES 4u   /* times 1, 2^64, 2^128, 2^192 */
#define ED_POINT_WINDOW 4u /* bits of a digit of points met once: tables of 8 */
#define ED_POINT_ENTRIES 8u
#define ED_DIGITS_MAX 64u

/* Rows of a table, in words: y+x, y-x, 2dxy of five limbs each (a row of a kept key, z = 1,
 * padded), and 2z (a row of a point met once). Multiples of 32 bytes: a load crosses no cache line.
 */
#define ED_KEY_ROW 16u
#define ED_POINT_ROW 20u

struct ed_affine {
    struct fe51 x, y; /* carried */
};
struct ed_point {
    struct fe51 x, y, z, t; /* extended coordinates, carried */
};
struct ed_point_table {
    SN_ALIGNED(64) uint64_t row[ED_POINT_ENTRIES][ED_POINT_ROW];
};
/* Eight terms of a sum. The digit of weight 2^(window*i) in lane j is digit[i][j]; entry |d| - 1 of
 * the lane's table is its multiple. Lanes without a term have zero digits and any table. */
struct ed_group {
    const uint64_t *table[ED_LANES];
    bool kept; /* rows are ED_KEY_ROW words with z = 1 */
    uint8_t window, digits;
    SN_ALIGNED(8) int8_t digit[ED_DIGITS_MAX][ED_LANES];
};
/* The other way to sum, for many terms: each window of eight bits of the scalars has a bucket for
 * each digit, points are added to the buckets of their digits, and the buckets come together at the
 * end. */
#define ED_BUCKET_BITS 8u
#define ED_BUCKET_WINDOWS 32u /* of 256 bits */
#define ED_BUCKET_SLOTS \
    129u /* of a window: one for each size of a digit; that of zero is never read */
struct ed_bucket_term {
    const uint64_t *row;
    bool kept;
    uint8_t windows; /* a multiple of eight; the digits from there on are zero */
    int16_t digit[ED_BUCKET_WINDOWS];
};
/* What is hashed for one signature: R, the key and the message. */
struct ed_hash_in {
    const uint8_t *r, *key, *msg;
    size_t msg_len;
};
struct ed_engine {
    const char *name;
    /* Points of n encodings as ZIP-215 reads them; ok[i] says whether there is one. */
    void (*decompress)(struct ed_affine *ret, bool *ok, const uint8_t *const *enc, size_t n);
    /* First multiples of n points. */
    void (*tables)(struct ed_point_table *ret, const struct ed_affine *p, size_t n);
    /* The sum of all terms; `top` is above every digit's weight: 2^top. */
    void (*sum)(struct ed_point *ret, const struct ed_group *g, size_t n, unsigned top);
    /* The same sum of n terms by buckets, of which mem has ED_BUCKET_WINDOWS * ED_BUCKET_SLOTS. */
    void (*buckets)(struct ed_point *ret, const struct ed_bucket_term *t, size_t n,
                    struct ed_point *mem);
    /* SHA-512 of n inputs. Returns 0, SN_E_NOMEM, SN_E_INTERNAL. */
    int (*hash)(uint8_t (*ret)[64], const struct ed_hash_in *in, size_t n);
};
/* The one in use, set before main; tests switch it. */
extern const struct ed_engine *ed_engine;
extern const struct ed_engine ed_portable;
/* ed_engines - those this processor can run, best first. Returns how many, at most two. */
size_t ed_engines(const struct ed_engine *ret[2]);
#ifdef __x86_64__
extern const struct ed_engine ed_ifma;
/* Eight SHA-512 at a time, in AVX-512. */
int ed_vec_hash(uint8_t (*ret)[64], const struct ed_hash_in *in, size_t n);
#endif

extern const struct fe51 ed_d, ed_d2, ed_sqrt_m1;
extern const struct ed_affine ed_base;

/* ed_point_dbl, add_row - in portable C. A row as above; negative: its negation. */
void ed_point_dbl(struct ed_point *r, const struct ed_point *p);
void ed_point_add_row(struct ed_point *r, const struct ed_point *p, const uint64_t *row, bool kept,
                      bool negative);
void ed_point_zero(struct ed_point *r);
void ed_point_of_affine(struct ed_point *r, const struct ed_affine *a);
void ed_point_row(uint64_t row[ED_POINT_ROW], const struct ed_point *p);
/* ed_point_is_small - whether eight times p is the neutral element. */
bool ed_point_is_small(const struct ed_point *p);
/* ed_key_tables - the tables of a kept key. */
void ed_key_tables(struct sn_ed25519_key *ret, const struct ed_affine *a);

/* The scalar field: integers modulo the group's prime order. */
extern const struct sn_field ed_scalars;
/* ed_scalar_reduce - 64 little-endian bytes modulo the order, plain. */
void ed_scalar_reduce(struct sn_fe *ret, const uint8_t in[64]);
/* ed_scalar_load - 32 little-endian bytes. Returns false for the order and above. */
bool ed_scalar_load(struct sn_fe *ret, const uint8_t in[32]) SN_MUST_CHECK;
/* ed_windows - how many windows any of n terms has. */
unsigned ed_windows(const struct ed_bucket_term *t, size_t n);
/* ed_recode - lane `lane` of g gets the digits of the n-bit number (n <= 256) at bit `from` of x.
 */
void ed_recode(struct ed_group *g, unsigned lane, const struct sn_fe *x, unsigned from, unsigned n);
