/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/field_int.h - multi-word Montgomery arithmetic, generic in the number of words.
 *
 * Everything takes the modulus p as n words and inv = -1/p mod 2^64; n is a compile-time constant
 * wherever it matters, so that loops unroll. Values are below p in and out, unless said otherwise.
 * The interleaved product needs a spare bit in the top word of p (fx_spare): then the running sum
 * fits n words and no carry word exists. Source: Koc, Acar, Kaliski, "Analyzing and comparing
 * Montgomery multiplication algorithms" (1996), the CIOS method. */
#pragma once
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "core/base.h"
#include "crypto/field.h"

typedef unsigned __int128 sn_u128;

#define SN_FX_WORDS_MAX 6

/* Whether MULX, ADCX and ADOX may be used; set before main. Without optimisation compilers waste the
 * registers the assembly needs. */
#if defined(__x86_64__) && defined(__OPTIMIZE__)
#define SN_FIELD_ASM 1
#if defined(__ADX__) && defined(__BMI2__)
#define sn_field_adx true
#else
extern bool sn_field_adx;
#endif
#endif

/* A base field in as many words as it takes: what curves are built over. Starts like a modulus. */
struct sn_fx {
    uint64_t p[SN_FX_WORDS_MAX], one[SN_FX_WORDS_MAX], r2[SN_FX_WORDS_MAX];
    uint64_t inv;
};

/* Sums and differences with carry; the compilers see a chain of ADC and SBB in the intrinsics only. */
static SN_ALWAYS_INLINE uint64_t fx_adc(uint64_t a, uint64_t b, uint64_t *carry)
{
#ifdef __x86_64__
    unsigned long long s;
    *carry = _addcarry_u64((unsigned char)*carry, a, b, &s);
    return s;
#else
    sn_u128 s = (sn_u128)a + b + *carry;
    *carry = (uint64_t)(s >> 64);
    return (uint64_t)s;
#endif
}
static SN_ALWAYS_INLINE uint64_t fx_sbb(uint64_t a, uint64_t b, uint64_t *borrow)
{
#ifdef __x86_64__
    unsigned long long d;
    *borrow = _subborrow_u64((unsigned char)*borrow, a, b, &d);
    return d;
#else
    sn_u128 d = (sn_u128)a - b - *borrow;
    *borrow = (uint64_t)(d >> 64) & 1;
    return (uint64_t)d;
#endif
}
/* r = t (with a carry word above it) minus p where that is not negative. */
static SN_ALWAYS_INLINE void fx_reduce_once(uint64_t *r, const uint64_t *t, uint64_t carry,
                                            const uint64_t *p, unsigned n)
{
    uint64_t s[SN_FX_WORDS_MAX], borrow = 0;
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) s[i] = fx_sbb(t[i], p[i], &borrow);
    uint64_t keep = (uint64_t)0 - (uint64_t)((carry ^ 1) & borrow); /* all ones: t is below p */
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) r[i] = (t[i] & keep) | (s[i] & ~keep);
}
static SN_ALWAYS_INLINE void fx_add(uint64_t *r, const uint64_t *a, const uint64_t *b,
                                    const uint64_t *p, unsigned n)
{
    uint64_t t[SN_FX_WORDS_MAX], carry = 0;
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) t[i] = fx_adc(a[i], b[i], &carry);
    fx_reduce_once(r, t, carry, p, n);
}
static SN_ALWAYS_INLINE void fx_sub(uint64_t *r, const uint64_t *a, const uint64_t *b,
                                    const uint64_t *p, unsigned n)
{
    uint64_t t[SN_FX_WORDS_MAX], borrow = 0, carry = 0;
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) t[i] = fx_sbb(a[i], b[i], &borrow);
    uint64_t mask = (uint64_t)0 - borrow;
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) r[i] = fx_adc(t[i], p[i] & mask, &carry);
}
static SN_ALWAYS_INLINE bool fx_is_zero(const uint64_t *a, unsigned n)
{
    uint64_t any = 0;
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) any |= a[i];
    return any == 0;
}
static SN_ALWAYS_INLINE bool fx_equal(const uint64_t *a, const uint64_t *b, unsigned n)
{
    uint64_t any = 0;
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) any |= a[i] ^ b[i];
    return any == 0;
}
/* -a: p - a, but 0 for 0. */
static SN_ALWAYS_INLINE void fx_neg(uint64_t *r, const uint64_t *a, const uint64_t *p, unsigned n)
{
    uint64_t borrow = 0, mask = (uint64_t)fx_is_zero(a, n) - 1;
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) r[i] = fx_sbb(p[i] & mask, a[i], &borrow);
}
static SN_ALWAYS_INLINE void fx_select(uint64_t *r, const uint64_t *a, const uint64_t *b,
                                       bool take_b, unsigned n)
{
    uint64_t mask = (uint64_t)0 - (uint64_t)take_b;
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) r[i] = (a[i] & ~mask) | (b[i] & mask);
}
/* <0, 0, >0 of two integers; not constant time. */
static inline int fx_cmp(const uint64_t *a, const uint64_t *b, unsigned n)
{
    for (unsigned i = n; i-- > 0;)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

static SN_ALWAYS_INLINE bool fx_spare(const uint64_t *p, unsigned n)
{
    return p[n - 1] < UINT64_MAX / 2;
}
/* Montgomery product where fx_spare(p). */
static SN_ALWAYS_INLINE void fx_mul_portable(uint64_t *r, const uint64_t *a, const uint64_t *b,
                                             const uint64_t *p, uint64_t inv, unsigned n)
{
    uint64_t t[SN_FX_WORDS_MAX] = {0};
#pragma GCC unroll 6
    for (unsigned i = 0; i < n; i++) {
        sn_u128 c = (sn_u128)a[0] * b[i] + t[0];
        uint64_t q = (uint64_t)c * inv;
        sn_u128 d = (sn_u128)q * p[0] + (uint64_t)c;
#pragma GCC unroll 6
        for (unsigned j = 1; j < n; j++) {
            c = (sn_u128)a[j] * b[i] + t[j] + (uint64_t)(c >> 64);
            d = (sn_u128)q * p[j] + (uint64_t)c + (uint64_t)(d >> 64);
            t[j - 1] = (uint64_t)d;
        }
        t[n - 1] = (uint64_t)(c >> 64) + (uint64_t)(d >> 64);
    }
    fx_reduce_once(r, t, 0, p, n);
}
/* Montgomery product for any odd p: one carry word more. */
static inline void fx_mul_any(uint64_t *r, const uint64_t *a, const uint64_t *b, const uint64_t *p,
                              uint64_t inv, unsigned n)
{
    uint64_t t[SN_FX_WORDS_MAX] = {0}, top = 0;
    for (unsigned i = 0; i < n; i++) {
        sn_u128 c = 0, d;
        for (unsigned j = 0; j < n; j++) {
            c = (sn_u128)a[j] * b[i] + t[j] + (uint64_t)(c >> 64);
            t[j] = (uint64_t)c;
        }
        uint64_t carry = 0, high = fx_adc(top, (uint64_t)(c >> 64), &carry), q = t[0] * inv;
        d = (sn_u128)q * p[0] + t[0];
        for (unsigned j = 1; j < n; j++) {
            d = (sn_u128)q * p[j] + t[j] + (uint64_t)(d >> 64);
            t[j - 1] = (uint64_t)d;
        }
        uint64_t carry2 = 0;
        t[n - 1] = fx_adc(high, (uint64_t)(d >> 64), &carry2);
        top = carry + carry2;
    }
    fx_reduce_once(r, t, top, p, n);
}

#ifdef SN_FIELD_ASM
/* The product for four and six words with two carry chains (CF through ADCX, OF through ADOX): the
 * compilers at hand spill and serialise what a person can keep in registers, and are 1.5 to 3 times
 * slower. One row adds a*b[i] to t, then q*p with q chosen so that the lowest word becomes zero. */
#define SN_ROW_STEP_(off, lo_t, hi_t)                                   \
    "adcxq %[A],%[" #hi_t "]\n\t mulxq " #off "(%[a]),%[lo],%[A]\n\t"   \
    "adoxq %[lo],%[" #hi_t "]\n\t"
#define SN_ROW_BEGIN_(off)                                              \
    "xorl %k[lo],%k[lo]\n\t movq " #off "(%[b]),%%rdx\n\t"              \
    "mulxq 0(%[a]),%[lo],%[A]\n\t adoxq %[lo],%[t0]\n\t"
#define SN_ROW_END_ "movl $0,%k[lo]\n\t adcxq %[lo],%[A]\n\t adoxq %[lo],%[A]\n\t"
#define SN_RED_BEGIN_                                                   \
    "movq %[inv],%%rdx\n\t imulq %[t0],%%rdx\n\t xorl %k[lo],%k[lo]\n\t"\
    "mulxq 0(%[p]),%[lo],%[hi]\n\t adcxq %[t0],%[lo]\n\t movq %[hi],%[t0]\n\t"
#define SN_RED_STEP_(off, to, from)                                     \
    "adcxq %[" #from "],%[" #to "]\n\t"                                 \
    "mulxq " #off "(%[p]),%[lo],%[" #from "]\n\t adoxq %[lo],%[" #to "]\n\t"
#define SN_RED_END_(top)                                                \
    "movl $0,%k[lo]\n\t adcxq %[lo],%[" #top "]\n\t adoxq %[A],%[" #top "]\n\t"

#define SN_RED4_                                                        \
    SN_RED_BEGIN_ SN_RED_STEP_(8, t0, t1) SN_RED_STEP_(16, t1, t2)      \
    SN_RED_STEP_(24, t2, t3) SN_RED_END_(t3)
#define SN_ROW4_(off)                                                   \
    SN_ROW_BEGIN_(off) SN_ROW_STEP_(8, t0, t1) SN_ROW_STEP_(16, t1, t2) \
    SN_ROW_STEP_(24, t2, t3) SN_ROW_END_ SN_RED4_

static SN_ALWAYS_INLINE void fx_mul4_adx(uint64_t *r, const uint64_t *a, const uint64_t *b,
                                         const uint64_t *p, uint64_t inv)
{
    uint64_t t0, t1, t2, t3, A, lo, hi;
    __asm__("xorl %k[lo],%k[lo]\n\t movq 0(%[b]),%%rdx\n\t"
            "mulxq 0(%[a]),%[t0],%[t1]\n\t"
            "mulxq 8(%[a]),%[lo],%[t2]\n\t adoxq %[lo],%[t1]\n\t"
            "mulxq 16(%[a]),%[lo],%[t3]\n\t adoxq %[lo],%[t2]\n\t"
            "mulxq 24(%[a]),%[lo],%[A]\n\t adoxq %[lo],%[t3]\n\t"
            "movl $0,%k[lo]\n\t adoxq %[lo],%[A]\n\t" SN_RED4_ SN_ROW4_(8) SN_ROW4_(16) SN_ROW4_(24)
            "movq %[t0],%[lo]\n\t movq %[t1],%[hi]\n\t movq %[t2],%[A]\n\t movq %[t3],%%rdx\n\t"
            "subq 0(%[p]),%[lo]\n\t sbbq 8(%[p]),%[hi]\n\t"
            "sbbq 16(%[p]),%[A]\n\t sbbq 24(%[p]),%%rdx\n\t"
            "cmovncq %[lo],%[t0]\n\t cmovncq %[hi],%[t1]\n\t"
            "cmovncq %[A],%[t2]\n\t cmovncq %%rdx,%[t3]\n\t"
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [A] "=&r"(A),
              [lo] "=&r"(lo), [hi] "=&r"(hi)
            : [a] "r"(a), [b] "r"(b), [p] "r"(p), [inv] "rm"(inv), "m"(*(const uint64_t(*)[4])a),
              "m"(*(const uint64_t(*)[4])b), "m"(*(const uint64_t(*)[4])p)
            : "rdx", "cc");
    r[0] = t0, r[1] = t1, r[2] = t2, r[3] = t3;
}

#define SN_RED6_                                                        \
    SN_RED_BEGIN_ SN_RED_STEP_(8, t0, t1) SN_RED_STEP_(16, t1, t2)      \
    SN_RED_STEP_(24, t2, t3) SN_RED_STEP_(32, t3, t4)                   \
    SN_RED_STEP_(40, t4, t5) SN_RED_END_(t5)
#define SN_ROW6_(off)                                                   \
    SN_ROW_BEGIN_(off) SN_ROW_STEP_(8, t0, t1) SN_ROW_STEP_(16, t1, t2) \
    SN_ROW_STEP_(24, t2, t3) SN_ROW_STEP_(32, t3, t4)                   \
    SN_ROW_STEP_(40, t4, t5) SN_ROW_END_ SN_RED6_

static SN_ALWAYS_INLINE void fx_mul6_adx(uint64_t *r, const uint64_t *a, const uint64_t *b,
                                         const uint64_t *p, uint64_t inv)
{
    uint64_t t0, t1, t2, t3, t4, t5, A, lo, hi, t[6];
    __asm__("xorl %k[lo],%k[lo]\n\t movq 0(%[b]),%%rdx\n\t"
            "mulxq 0(%[a]),%[t0],%[t1]\n\t"
            "mulxq 8(%[a]),%[lo],%[t2]\n\t adoxq %[lo],%[t1]\n\t"
            "mulxq 16(%[a]),%[lo],%[t3]\n\t adoxq %[lo],%[t2]\n\t"
            "mulxq 24(%[a]),%[lo],%[t4]\n\t adoxq %[lo],%[t3]\n\t"
            "mulxq 32(%[a]),%[lo],%[t5]\n\t adoxq %[lo],%[t4]\n\t"
            "mulxq 40(%[a]),%[lo],%[A]\n\t adoxq %[lo],%[t5]\n\t"
            "movl $0,%k[lo]\n\t adoxq %[lo],%[A]\n\t" SN_RED6_ SN_ROW6_(8) SN_ROW6_(16) SN_ROW6_(24)
                SN_ROW6_(32) SN_ROW6_(40)
            : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4),
              [t5] "=&r"(t5), [A] "=&r"(A), [lo] "=&r"(lo), [hi] "=&r"(hi)
            : [a] "r"(a), [b] "r"(b), [p] "r"(p), [inv] "m"(inv), "m"(*(const uint64_t(*)[6])a),
              "m"(*(const uint64_t(*)[6])b), "m"(*(const uint64_t(*)[6])p)
            : "rdx", "cc");
    t[0] = t0, t[1] = t1, t[2] = t2, t[3] = t3, t[4] = t4, t[5] = t5;
    fx_reduce_once(r, t, 0, p, 6);
}
#endif

/* Montgomery product where fx_spare(p), n = 4 or 6 a constant. */
static SN_ALWAYS_INLINE void fx_mul(uint64_t *r, const uint64_t *a, const uint64_t *b,
                                    const uint64_t *p, uint64_t inv, unsigned n)
{
#ifdef SN_FIELD_ASM
    if (SN_LIKELY(sn_field_adx)) {
        if (n == 4)
            fx_mul4_adx(r, a, b, p, inv);
        else
            fx_mul6_adx(r, a, b, p, inv);
        return;
    }
#endif
    fx_mul_portable(r, a, b, p, inv, n);
}

/* Defined in field_inv.c and field_text.c for n = 1..SN_FX_WORDS_MAX words. */

/* sn_fx_inv_plain - 1/a mod p of plain integers, 0 for 0. p odd, below 2^(64n-2) not required. */
void sn_fx_inv_plain(uint64_t *r, const uint64_t *a, const uint64_t *p, unsigned n);
/* sn_fx_dec - decimal text of n words. Returns its length. */
size_t sn_fx_dec(const uint64_t *a, unsigned n, char out[SN_FE_DEC_MAX]);
/* sn_fx_parse - digits of base 10 or 16 to n words, below the modulus p. Returns 0, SN_E_SYNTAX,
 * SN_E_TOO_LARGE, SN_E_OUT_OF_RANGE. */
int sn_fx_parse(uint64_t *r, struct sn_str text, unsigned base, const uint64_t *p,
                unsigned n) SN_MUST_CHECK;
/* sn_fx_load_le, store_le - 8n bytes and n words. */
static inline void sn_fx_load_le(uint64_t *r, const void *in, unsigned n)
{
    const uint8_t *b = in;
    for (unsigned i = 0; i < n; i++) {
        uint64_t w = 0;
        for (unsigned k = 8; k-- > 0;) w = w << 8 | b[8 * i + k];
        r[i] = w;
    }
}
static inline void sn_fx_store_le(void *out, const uint64_t *a, unsigned n)
{
    uint8_t *b = out;
    for (unsigned i = 0; i < 8 * n; i++) b[i] = (uint8_t)(a[i / 8] >> (8 * (i % 8)));
}
