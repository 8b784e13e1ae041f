/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/field.c - prime fields of up to 256 bits, and what this processor can do. */
#include "crypto/field.h"

#include "core/status.h"
#include "crypto/field_int.h"
#include "crypto/vec_int.h"

/* Constants: field_test.c derives all of them from p again with GMP. */
const struct sn_field sn_bn254_fr = {
    .name = "bn254.fr",
    .p = {{0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029}},
    .one = {{0xac96341c4ffffffb, 0x36fc76959f60cd29, 0x666ea36f7879462e, 0x0e0a77c19a07df2f}},
    .r2 = {{0x1bb8e645ae216da7, 0x53fe3ab1e35c59e3, 0x8c49833d53bb8085, 0x0216d0b17f4e44a5}},
    .nqr = {{0x1b0d0ef99fffffe6, 0xeaba68a3a32a913f, 0x47d8eb76d8dd0689, 0x15d0085520f5bbc3}},
    .root = {{0x636e735580d13d9c, 0xa22bf3742445ffd6, 0x56452ac01eb203d8, 0x1860ef942963f9e7}},
    .inv = 0xc2e1f593efffffff,
    .bits = 254,
    .two_adicity = 28,
};
const struct sn_field sn_bn254_fq = {
    .name = "bn254.fq",
    .p = {{0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029}},
    .one = {{0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f}},
    .r2 = {{0xf32cfc5b538afa89, 0xb5e71911d44501fb, 0x47ab1eff0a417ff6, 0x06d89f71cab8351f}},
    .nqr = {{0x7a17caa950ad28d7, 0x1f6ac17ae15521b9, 0x334bea4e696bd284, 0x2a1f6744ce179d8e}},
    .root = {{0x68c3488912edefaa, 0x8d087f6872aabf4f, 0x51e1a24709081231, 0x2259d6b14729c0fa}},
    .inv = 0x87d20782e4866389,
    .bits = 254,
    .two_adicity = 1,
};
const struct sn_field sn_bls12_381_fr = {
    .name = "bls12_381.fr",
    .p = {{0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805, 0x73eda753299d7d48}},
    .one = {{0x00000001fffffffe, 0x5884b7fa00034802, 0x998c4fefecbc4ff5, 0x1824b159acc5056f}},
    .r2 = {{0xc999e990f3f29c6d, 0x2b6cedcb87925c23, 0x05d314967254398f, 0x0748d9d99f59ff11}},
    .nqr = {{0x0000000afffffff5, 0x66d9f3df00120c0b, 0xcc83b7a7960bb7c5, 0x04c9cf6d363b9de5}},
    .root = {{0x9cab6d5c0c17f47c, 0x1ce1e93dfd4b71e5, 0x0d6db230471dd505, 0x3f0ee990743a3b6a}},
    .inv = 0xfffffffeffffffff,
    .bits = 255,
    .two_adicity = 32,
};

#if defined(SN_FIELD_ASM) && !defined(sn_field_adx)
bool sn_field_adx;
#endif
const struct sn_vec_engine *sn_field_vec;

#if defined(__x86_64__)
#include <cpuid.h>

size_t sn_vec_engines(const struct sn_vec_engine *ret[2])
{
    size_t n = 0;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512bw"))
        return 0;
    if (__builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi2")) ret[n++] = &sn_vec_ifma_engine;
    ret[n++] = &sn_vec_fma_engine;
    return n;
}

/* ADX has no name in gcc 12's __builtin_cpu_supports. */
__attribute__((constructor)) static void probe(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    __builtin_cpu_init();
#if defined(SN_FIELD_ASM) && !defined(sn_field_adx)
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        sn_field_adx = (b & (1u << 8)) && (b & (1u << 19)); /* BMI2, ADX */
#else
    (void)a, (void)b, (void)c, (void)d;
#endif
    const struct sn_vec_engine *vec[2];
    if (sn_vec_engines(vec) > 0) sn_field_vec = vec[0];
}
#else
size_t sn_vec_engines(const struct sn_vec_engine *ret[2]) { return 0; }
#endif

const char *sn_field_engine(void)
{
    if (sn_field_vec) return sn_field_vec->name;
#ifdef SN_FIELD_ASM
    if (sn_field_adx) return "adx";
#endif
    return "portable";
}

void sn_par_run(const struct sn_par *par, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    if (par && n > 1) {
        par->run(par->ctx, job, arg, n);
        return;
    }
    for (size_t i = 0; i < n; i++) job(arg, i);
}
unsigned sn_par_width(const struct sn_par *par) { return par && par->width ? par->width : 1; }

/* The product for any field: one test more than the named ones. */
static SN_NOINLINE void mul(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                            const struct sn_fe *b)
{
    if (SN_LIKELY(fx_spare(f->p.v, 4)))
        fx_mul(ret->v, a->v, b->v, f->p.v, f->inv, 4);
    else
        fx_mul_any(ret->v, a->v, b->v, f->p.v, f->inv, 4);
}
void sn_fe_mul(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
               const struct sn_fe *b)
{
    mul(f, ret, a, b);
}
void sn_fe_sqr(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a)
{
    mul(f, ret, a, a);
}
void sn_bn254_fr_mul(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b)
{
    fx_mul(ret->v, a->v, b->v, sn_bn254_fr.p.v, sn_bn254_fr.inv, 4);
}
void sn_bn254_fq_mul(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b)
{
    fx_mul(ret->v, a->v, b->v, sn_bn254_fq.p.v, sn_bn254_fq.inv, 4);
}
void sn_bls12_381_fr_mul(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b)
{
    fx_mul(ret->v, a->v, b->v, sn_bls12_381_fr.p.v, sn_bls12_381_fr.inv, 4);
}
void sn_fe_add(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
               const struct sn_fe *b)
{
    fx_add(ret->v, a->v, b->v, f->p.v, 4);
}
void sn_fe_sub(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
               const struct sn_fe *b)
{
    fx_sub(ret->v, a->v, b->v, f->p.v, 4);
}
void sn_fe_neg(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a)
{
    fx_neg(ret->v, a->v, f->p.v, 4);
}
void sn_fe_dbl(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a)
{
    fx_add(ret->v, a->v, a->v, f->p.v, 4);
}

void sn_fe_mul_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                    const struct sn_fe *b, size_t n)
{
    size_t done = sn_vec_of(f) ? sn_vec_of(f)->mul_many(f, ret, a, b, n) : 0;
    for (size_t i = done; i < n; i++) mul(f, &ret[i], &a[i], &b[i]);
}
void sn_fe_add_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                    const struct sn_fe *b, size_t n)
{
    for (size_t i = 0; i < n; i++) fx_add(ret[i].v, a[i].v, b[i].v, f->p.v, 4);
}
void sn_fe_sub_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                    const struct sn_fe *b, size_t n)
{
    for (size_t i = 0; i < n; i++) fx_sub(ret[i].v, a[i].v, b[i].v, f->p.v, 4);
}

void sn_fe_inv(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a)
{
    /* From aR, 1/(aR); times R^3 (by products with R^2, twice) gives R/a. */
    struct sn_fe t;
    sn_fx_inv_plain(t.v, a->v, f->p.v, 4);
    mul(f, &t, &t, &f->r2);
    mul(f, ret, &t, &f->r2);
}
void sn_fe_inv_ct(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a)
{
    struct sn_fe e = f->p;
    uint64_t borrow = 0;
    e.v[0] = fx_sbb(e.v[0], 2, &borrow);
    for (unsigned i = 1; i < 4; i++) e.v[i] = fx_sbb(e.v[i], 0, &borrow);
    sn_fe_pow(f, ret, a, &e);
}
void sn_fe_batch_inv(const struct sn_field *f, struct sn_fe *a, size_t n, struct sn_fe *scratch)
{
    struct sn_fe acc = f->one;
    for (size_t i = 0; i < n; i++) {
        scratch[i] = acc;
        if (!sn_fe_is_zero(&a[i])) mul(f, &acc, &acc, &a[i]);
    }
    sn_fe_inv(f, &acc, &acc);
    for (size_t i = n; i-- > 0;) {
        if (sn_fe_is_zero(&a[i])) continue;
        struct sn_fe t;
        mul(f, &t, &acc, &scratch[i]);
        mul(f, &acc, &acc, &a[i]);
        a[i] = t;
    }
}
/* Left to right in windows of four bits: the time depends on the exponent's length alone. */
void sn_fe_pow(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
               const struct sn_fe *e)
{
    struct sn_fe table[16], acc = f->one;
    table[0] = f->one;
    for (unsigned i = 1; i < 16; i++) mul(f, &table[i], &table[i - 1], a);
    for (int i = 63; i >= 0; i--) {
        for (int k = 0; k < 4 && i < 63; k++) mul(f, &acc, &acc, &acc);
        mul(f, &acc, &acc, &table[(e->v[i / 16] >> (4 * (i % 16))) & 15]);
    }
    *ret = acc;
}
/* Tonelli and Shanks; the loop needs at most two_adicity rounds. */
bool sn_fe_sqrt(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a)
{
    struct sn_fe e = f->p, x, b, t, c = f->root;
    if (sn_fe_is_zero(a)) {
        *ret = *a;
        return true;
    }
    /* e = (q - 1)/2 with q the odd part of p - 1. */
    for (unsigned s = 0; s <= f->two_adicity; s++)
        for (unsigned i = 0; i < 4; i++) e.v[i] = e.v[i] >> 1 | (i < 3 ? e.v[i + 1] << 63 : 0);
    sn_fe_pow(f, &t, a, &e);
    mul(f, &x, &t, a);
    mul(f, &b, &t, &x); /* a^q */
    unsigned m = f->two_adicity;
    while (!sn_fe_equal(&b, &f->one)) {
        unsigned k = 0;
        for (t = b; !sn_fe_equal(&t, &f->one) && k < m; k++) mul(f, &t, &t, &t);
        if (k == m) return false;
        for (unsigned i = 0; i + k + 1 < m; i++) mul(f, &c, &c, &c);
        mul(f, &x, &x, &c);
        mul(f, &c, &c, &c);
        mul(f, &b, &b, &c);
        m = k;
    }
    *ret = x;
    return true;
}
void sn_fe_select(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b, bool take_b)
{
    fx_select(ret->v, a->v, b->v, take_b, 4);
}
int sn_fe_cmp(const struct sn_fe *a, const struct sn_fe *b) { return fx_cmp(a->v, b->v, 4); }

void sn_fe_to_mont(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *plain)
{
    mul(f, ret, plain, &f->r2);
}
void sn_fe_from_mont(const struct sn_field *f, struct sn_fe *ret_plain, const struct sn_fe *a)
{
    static const struct sn_fe one = {{1}};
    mul(f, ret_plain, a, &one);
}
void sn_fe_to_mont_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *plain,
                        size_t n)
{
    size_t done = sn_vec_of(f) ? sn_vec_of(f)->scale_many(f, ret, plain, &f->r2, n) : 0;
    for (size_t i = done; i < n; i++) sn_fe_to_mont(f, &ret[i], &plain[i]);
}
void sn_fe_from_mont_many(const struct sn_field *f, struct sn_fe *ret_plain, const struct sn_fe *a,
                          size_t n)
{
    static const struct sn_fe one = {{1}};
    size_t done = sn_vec_of(f) ? sn_vec_of(f)->scale_many(f, ret_plain, a, &one, n) : 0;
    for (size_t i = done; i < n; i++) sn_fe_from_mont(f, &ret_plain[i], &a[i]);
}
void sn_fe_reduce(const struct sn_field *f, struct sn_fe *ret_plain, const struct sn_fe *a)
{
    if (sn_fe_cmp(a, &f->p) < 0) {
        *ret_plain = *a;
        return;
    }
    if (f->bits >= 250) { /* at most a few dozen multiples fit */
        struct sn_fe t = *a;
        while (sn_fe_cmp(&t, &f->p) >= 0) {
            uint64_t borrow = 0;
            for (unsigned k = 0; k < 4; k++) t.v[k] = fx_sbb(t.v[k], f->p.v[k], &borrow);
        }
        *ret_plain = t;
        return;
    }
    /* Bit by bit is enough: 2t + bit stays below 2p, and one subtraction brings it back. */
    struct sn_fe t = {{0}};
    for (int i = 255; i >= 0; i--) {
        uint64_t bit = (a->v[i / 64] >> (i % 64)) & 1, borrow = 0;
        sn_fe_dbl(f, &t, &t);
        for (unsigned k = 0; k < 4 && bit; k++) t.v[k] = fx_adc(t.v[k], 0, &bit);
        if (!bit && sn_fe_cmp(&t, &f->p) < 0) continue;
        for (unsigned k = 0; k < 4; k++) t.v[k] = fx_sbb(t.v[k], f->p.v[k], &borrow);
    }
    *ret_plain = t;
}

void sn_fe_set_u64(const struct sn_field *f, struct sn_fe *ret, uint64_t x)
{
    struct sn_fe t = {{x}};
    sn_fe_reduce(f, &t, &t); /* a modulus may be as small as three */
    sn_fe_to_mont(f, ret, &t);
}
void sn_fe_set_i64(const struct sn_field *f, struct sn_fe *ret, int64_t x)
{
    sn_fe_set_u64(f, ret, x < 0 ? 0 - (uint64_t)x : (uint64_t)x);
    if (x < 0) sn_fe_neg(f, ret, ret);
}
int sn_fe_from_bytes_le(const struct sn_field *f, struct sn_fe *ret, const void *in)
{
    struct sn_fe t;
    sn_fx_load_le(t.v, in, 4);
    if (sn_fe_cmp(&t, &f->p) >= 0) return SN_E_OUT_OF_RANGE;
    sn_fe_to_mont(f, ret, &t);
    return 0;
}
int sn_fe_from_bytes_be(const struct sn_field *f, struct sn_fe *ret, const void *in)
{
    uint8_t le[32];
    for (unsigned i = 0; i < 32; i++) le[i] = ((const uint8_t *)in)[31 - i];
    return sn_fe_from_bytes_le(f, ret, le);
}
void sn_fe_to_bytes_le(const struct sn_field *f, void *out, const struct sn_fe *a)
{
    struct sn_fe t;
    sn_fe_from_mont(f, &t, a);
    sn_fx_store_le(out, t.v, 4);
}
void sn_fe_to_bytes_be(const struct sn_field *f, void *out, const struct sn_fe *a)
{
    uint8_t le[32];
    sn_fe_to_bytes_le(f, le, a);
    for (unsigned i = 0; i < 32; i++) ((uint8_t *)out)[i] = le[31 - i];
}
int sn_fe_from_dec(const struct sn_field *f, struct sn_fe *ret, struct sn_str text)
{
    struct sn_fe t;
    int r = sn_fx_parse(t.v, text, 10, f->p.v, 4);
    if (r == 0) sn_fe_to_mont(f, ret, &t);
    return r;
}
/* Horner's rule in the field. */
static int parse_mod(const struct sn_field *f, struct sn_fe *ret, struct sn_str text, unsigned base)
{
    static const struct sn_fe all = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    struct sn_fe acc = {{0}}, scale, digit, t;
    /* Short enough to fit 256 bits, whatever the digits: the usual case. */
    int r = sn_fx_parse(t.v, text, base, all.v, 4);
    if (r == 0) {
        sn_fe_reduce(f, &t, &t);
        sn_fe_to_mont(f, ret, &t);
        return 0;
    }
    if (r != SN_E_OUT_OF_RANGE) return r;
    sn_fe_set_u64(f, &scale, base);
    for (size_t i = 0; i < text.len; i++) {
        struct sn_fe word;
        if (sn_fx_parse(word.v, sn_str_sub(text, i, i + 1), base, all.v, 4) < 0) return SN_E_SYNTAX;
        sn_fe_set_u64(f, &digit, word.v[0]);
        mul(f, &acc, &acc, &scale);
        sn_fe_add(f, &acc, &acc, &digit);
    }
    *ret = acc;
    return 0;
}
int sn_fe_from_dec_mod(const struct sn_field *f, struct sn_fe *ret, struct sn_str text)
{
    return parse_mod(f, ret, text, 10);
}
int sn_fe_from_hex_mod(const struct sn_field *f, struct sn_fe *ret, struct sn_str text)
{
    return parse_mod(f, ret, text, 16);
}
size_t sn_fe_to_dec(const struct sn_field *f, const struct sn_fe *a, char out[SN_FE_DEC_MAX])
{
    struct sn_fe t;
    sn_fe_from_mont(f, &t, a);
    return sn_fx_dec(t.v, 4, out);
}

/* Miller and Rabin with the bases 2, 3, ... : no composite below 3.3e24 passes the first thirteen,
 * and a modulus chosen to fool them would only fool its chooser. */
static bool is_prime(const struct sn_field *f)
{
    struct sn_fe odd = f->p, minus_one, x, base;
    if (f->p.v[0] < 47 && (f->p.v[1] | f->p.v[2] | f->p.v[3]) == 0) {
        for (uint64_t d = 3; d * d <= f->p.v[0]; d += 2)
            if (f->p.v[0] % d == 0) return false;
        return true;
    }
    for (unsigned s = 0; s < f->two_adicity; s++)
        for (unsigned i = 0; i < 4; i++)
            odd.v[i] = odd.v[i] >> 1 | (i < 3 ? odd.v[i + 1] << 63 : 0);
    sn_fe_neg(f, &minus_one, &f->one);
    for (unsigned b = 2; b <= 43; b++) {
        unsigned s = 0;
        sn_fe_set_u64(f, &base, b);
        sn_fe_pow(f, &x, &base, &odd);
        if (sn_fe_equal(&x, &f->one)) continue;
        while (s < f->two_adicity && !sn_fe_equal(&x, &minus_one)) mul(f, &x, &x, &x), s++;
        if (s == f->two_adicity) return false;
    }
    return true;
}

int sn_field_init(struct sn_field *ret, const char *name, const struct sn_fe *p)
{
    struct sn_field f = {.name = name, .p = *p};
    bool big = (p->v[1] | p->v[2] | p->v[3]) != 0;
    if (!(p->v[0] & 1) || (!big && p->v[0] < 3))
        return sn_fail(SN_E_INVALID_ARGUMENT, "field %s: the modulus is not an odd prime", name);
    for (int i = 0; i < 5; i++) f.inv = i ? f.inv * (2 - p->v[0] * f.inv) : p->v[0];
    f.inv *= 2 - p->v[0] * f.inv;
    f.inv = 0 - f.inv;
    for (int i = 255; i >= 0 && f.bits == 0; i--)
        if (p->v[i / 64] >> (i % 64) & 1) f.bits = (unsigned)i + 1;
    struct sn_fe t = {{1}};
    for (unsigned i = 0; i < 512; i++) {
        fx_add(t.v, t.v, t.v, p->v, 4);
        if (i == 255) f.one = t;
    }
    f.r2 = t;
    struct sn_fe even = f.p;
    even.v[0] ^= 1;
    while (!(even.v[f.two_adicity / 64] >> (f.two_adicity % 64) & 1)) f.two_adicity++;
    if (!is_prime(&f))
        return sn_fail(SN_E_INVALID_ARGUMENT, "field %s: the modulus is not prime", name);
    /* e = (p-1)/2: Euler's criterion, then (p-1)/2^s. */
    struct sn_fe e = even, minus_one;
    sn_fe_neg(&f, &minus_one, &f.one);
    for (unsigned s = 0; s < f.two_adicity; s++) {
        for (unsigned i = 0; i < 4; i++) e.v[i] = e.v[i] >> 1 | (i < 3 ? e.v[i + 1] << 63 : 0);
        for (uint64_t x = 2; s == 0; x++) {
            sn_fe_set_u64(&f, &f.nqr, x);
            sn_fe_pow(&f, &t, &f.nqr, &e);
            if (sn_fe_equal(&t, &minus_one)) break;
        }
    }
    sn_fe_pow(&f, &f.root, &f.nqr, &e);
    *ret = f;
    return 0;
}
