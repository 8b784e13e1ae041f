/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/field.h - arithmetic modulo the primes of pairing-friendly curves.
 *
 * An element is 256 bits in Montgomery form with R = 2^256 (struct sn_fe), always fully reduced:
 * two equal elements have equal words, and the words of BN254 elements are byte for byte what
 * .zkey and .ptau files hold on a little-endian machine. BLS12-381's base field takes six words
 * and R = 2^384 (struct sn_fe6).
 *
 * Time: add, sub, neg, dbl, mul, sqr, mont, select, is_zero, equal, inv_ct run in time that does
 * not depend on the values. inv, batch_inv, pow, sqrt, cmp and the conversions from and to text
 * do not promise that: keep secrets out of them, or use the _ct variant.
 * Nothing here allocates, fails by surprise or suspends; any thread may call it. Outputs may be
 * the inputs. */
#pragma once
#include "core/base.h"
#include "core/str.h"

struct sn_fe {
    uint64_t v[4];
};
struct sn_fe6 {
    uint64_t v[6];
};

/* Longest decimal text of an element of any field here, with the NUL. */
#define SN_FE_DEC_MAX 120
/* Longest decimal digits accepted by the from_dec functions; more is SN_E_TOO_LARGE. */
#define SN_FE_DEC_DIGITS_MAX 1024

/* A prime field of at most 256 bits. Constant after sn_field_init; share it freely. */
struct sn_field {
    const char *name;
    struct sn_fe p;    /* the modulus, plain */
    struct sn_fe one;  /* 1 in Montgomery form: 2^256 mod p */
    struct sn_fe r2;   /* 2^512 mod p: multiplying a plain value by it enters Montgomery form */
    struct sn_fe nqr;  /* the smallest quadratic non-residue, Montgomery */
    struct sn_fe root; /* nqr^((p-1)/2^two_adicity): of order 2^two_adicity, Montgomery */
    uint64_t inv;      /* -1/p mod 2^64 */
    unsigned bits;     /* of the modulus */
    unsigned two_adicity;
};

extern const struct sn_field sn_bn254_fr;     /* scalar field of BN254, circom's "bn128" */
extern const struct sn_field sn_bn254_fq;     /* its base field */
extern const struct sn_field sn_bls12_381_fr; /* scalar field of BLS12-381 */

/* sn_field_init - a field for another odd prime below 2^256 (plain words in p). For the primes
 * circom names beside the two above: about 0.1 ms. `name` is borrowed.
 * Returns 0, SN_E_INVALID_ARGUMENT where p is even, below 3 or fails a Miller-Rabin test. */
int sn_field_init(struct sn_field *ret, const char *name, const struct sn_fe *p) SN_MUST_CHECK;

/* sn_fe_add, sub, neg, dbl - modular sum, difference, negation, doubling. */
void sn_fe_add(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
               const struct sn_fe *b);
void sn_fe_sub(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
               const struct sn_fe *b);
void sn_fe_neg(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a);
void sn_fe_dbl(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a);
/* sn_fe_mul, sqr - Montgomery product: the product of the values the arguments stand for. */
void sn_fe_mul(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
               const struct sn_fe *b);
void sn_fe_sqr(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a);
/* sn_fe_mul_many, add_many, sub_many - element by element over arrays of n; `ret` may be `a` or
 * `b`. Eight lanes at a time where the processor has AVX-512. */
void sn_fe_mul_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                    const struct sn_fe *b, size_t n);
void sn_fe_add_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                    const struct sn_fe *b, size_t n);
void sn_fe_sub_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                    const struct sn_fe *b, size_t n);
/* sn_fe_inv - 1/a; 0 for 0. Time depends on a. sn_fe_inv_ct - the same by Fermat, about three
 * times slower, in time that does not. */
void sn_fe_inv(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a);
void sn_fe_inv_ct(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a);
/* sn_fe_batch_inv - a[i] = 1/a[i] for n elements with one inversion and 3n products; zeros stay
 * zero. `scratch` has room for n elements. */
void sn_fe_batch_inv(const struct sn_field *f, struct sn_fe *a, size_t n, struct sn_fe *scratch);
/* sn_fe_pow - a^e, e plain; 0^0 is 1. Time depends on e only. */
void sn_fe_pow(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
               const struct sn_fe *e);
/* sn_fe_sqrt - a square root of a (either one). Returns false, `ret` untouched, where a has none. */
bool sn_fe_sqrt(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a) SN_MUST_CHECK;
/* sn_fe_select - *ret = take_b ? *b : *a, in constant time. */
void sn_fe_select(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b, bool take_b);

static inline bool sn_fe_is_zero(const struct sn_fe *a)
{
    return (a->v[0] | a->v[1] | a->v[2] | a->v[3]) == 0;
}
static inline bool sn_fe_equal(const struct sn_fe *a, const struct sn_fe *b)
{
    return ((a->v[0] ^ b->v[0]) | (a->v[1] ^ b->v[1]) | (a->v[2] ^ b->v[2]) |
            (a->v[3] ^ b->v[3])) == 0;
}
/* sn_fe_cmp - <0, 0, >0 of two 256-bit integers: compare plain values, not Montgomery ones. */
int sn_fe_cmp(const struct sn_fe *a, const struct sn_fe *b);

/* sn_fe_to_mont, from_mont - between a plain integer below p and Montgomery form. */
void sn_fe_to_mont(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *plain);
void sn_fe_from_mont(const struct sn_field *f, struct sn_fe *ret_plain, const struct sn_fe *a);
/* sn_fe_to_mont_many, from_mont_many - over arrays of n; `ret` may be `a`. */
void sn_fe_to_mont_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *plain,
                        size_t n);
void sn_fe_from_mont_many(const struct sn_field *f, struct sn_fe *ret_plain,
                          const struct sn_fe *a, size_t n);
/* sn_fe_reduce - a plain 256-bit integer modulo p, still plain. */
void sn_fe_reduce(const struct sn_field *f, struct sn_fe *ret_plain, const struct sn_fe *a);

/* sn_fe_set_u64, set_i64 - small constants, Montgomery. */
void sn_fe_set_u64(const struct sn_field *f, struct sn_fe *ret, uint64_t x);
void sn_fe_set_i64(const struct sn_field *f, struct sn_fe *ret, int64_t x);
/* sn_fe_from_bytes_le, be - 32 bytes of a plain integer. Returns 0, SN_E_OUT_OF_RANGE for p and
 * above (no diagnostic; say which value it was). */
int sn_fe_from_bytes_le(const struct sn_field *f, struct sn_fe *ret, const void *in) SN_MUST_CHECK;
int sn_fe_from_bytes_be(const struct sn_field *f, struct sn_fe *ret, const void *in) SN_MUST_CHECK;
/* sn_fe_to_bytes_le, be - the plain integer, 32 bytes. */
void sn_fe_to_bytes_le(const struct sn_field *f, void *out, const struct sn_fe *a);
void sn_fe_to_bytes_be(const struct sn_field *f, void *out, const struct sn_fe *a);
/* sn_fe_from_dec - digits only, no sign. Returns 0, SN_E_SYNTAX for anything but digits or
 * nothing, SN_E_OUT_OF_RANGE for p and above, SN_E_TOO_LARGE beyond SN_FE_DEC_DIGITS_MAX. */
int sn_fe_from_dec(const struct sn_field *f, struct sn_fe *ret, struct sn_str text) SN_MUST_CHECK;
/* sn_fe_from_dec_mod - the same, reduced modulo p instead of refused. */
int sn_fe_from_dec_mod(const struct sn_field *f, struct sn_fe *ret,
                       struct sn_str text) SN_MUST_CHECK;
/* sn_fe_from_hex_mod - hexadecimal digits without 0x, reduced modulo p. Returns as from_dec. */
int sn_fe_from_hex_mod(const struct sn_field *f, struct sn_fe *ret,
                       struct sn_str text) SN_MUST_CHECK;
/* sn_fe_to_dec - decimal text of the plain value, NUL-terminated. Returns its length. */
size_t sn_fe_to_dec(const struct sn_field *f, const struct sn_fe *a, char out[SN_FE_DEC_MAX]);

/* Products in one named field, for inner loops: the modulus is an immediate. */
void sn_bn254_fr_mul(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b);
void sn_bn254_fq_mul(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b);
void sn_bls12_381_fr_mul(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b);
/* Does n jobs, in any order and on as many threads as it likes, and returns when all are done:
 * how the long computations here use more than one core without knowing about threads or fibers.
 * NULL where a function takes one means: one after the other, on the caller. */
struct sn_par {
    void (*run)(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n);
    void *ctx;
    unsigned width; /* jobs that really run at a time: how finely work is cut */
};
/* sn_par_run - through par, or in a loop where par is NULL. */
void sn_par_run(const struct sn_par *par, void (*job)(void *arg, size_t i), void *arg, size_t n);
/* sn_par_width - par->width, 1 where par is NULL or says 0. */
unsigned sn_par_width(const struct sn_par *par);

/* sn_field_engine - how products are computed here: "ifma" (AVX-512 IFMA, eight lanes), "avx512"
 * (eight lanes without IFMA), "adx" (MULX, ADCX, ADOX) or "portable". Static string. */
const char *sn_field_engine(void);
