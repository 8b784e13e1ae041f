/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/bn254.c - the curve y^2 = x^3 + 3, the twist y^2 = x^3 + 3/(9 + u), and its pairing.
 * The curve of EIP-196 and EIP-197 ("alt_bn128", circom's "bn128"): a Barreto-Naehrig curve with
 * parameter u. Constants are words of Montgomery form; curve_test.c checks them against the laws
 * they must obey. */
#include "core/status.h"
#include "crypto/curve_int.h"
#include "crypto/msm_int.h"

#define FQ_N 4
#define FQ sn_bn254_fx
#define FR (&sn_bn254_fr)
const struct sn_fx sn_bn254_fx = {
    .p = {0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029},
    .one = {0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f},
    .r2 = {0xf32cfc5b538afa89, 0xb5e71911d44501fb, 0x47ab1eff0a417ff6, 0x06d89f71cab8351f},
    .inv = 0x87d20782e4866389,
};
#include "crypto/tower_tmpl_int.h"

static const uint8_t q_le[] = {0x47, 0xfd, 0x7c, 0xd8, 0x16, 0x8c, 0x20, 0x3c, 0x8d, 0xca, 0x71,
                               0x68, 0x91, 0x6a, 0x81, 0x97, 0x5d, 0x58, 0x81, 0x81, 0xb6, 0x45,
                               0x50, 0xb8, 0x29, 0xa0, 0x31, 0xe1, 0x72, 0x4e, 0x64, 0x30};
static const struct fq2 frob[5] = {
    {{{0xaf9ba69633144907, 0xca6b1d7387afb78a, 0x11bded5ef08a2087, 0x02f34d751a1f3a7c}},
     {{0xa222ae234c492d72, 0xd00f02a4565de15b, 0xdc2ff3a253dfc926, 0x10a75716b3899551}}},
    {{{0xb5773b104563ab30, 0x347f91c8a9aa6454, 0x7a007127242e0991, 0x1956bcd8118214ec}},
     {{0x6e849f1ea0aa4757, 0xaa1c7b6d89f89141, 0xb6e713cdfae0ca3a, 0x26694fbb4e82ebc3}}},
    {{{0xe4bbdd0c2936b629, 0xbb30f162e133bacb, 0x31a9d1b6f9645366, 0x253570bea500f8dd}},
     {{0xa1d77ce45ffe77c7, 0x07affd117826d1db, 0x6d16bd27bb7edc6b, 0x2c87200285defecc}}},
    {{{0x7361d77f843abe92, 0xa5bb2bd3273411fb, 0x9c941f314b3e2399, 0x15df9cddbb9fd3ec}},
     {{0x5dddfd154bd8c949, 0x62cb29a5a4445b60, 0x37bc870a0c7dd2b9, 0x24830a9d3171f0fd}}},
    {{{0xc970692f41690fe7, 0xe240342127694b0b, 0x32bee66b83c459e8, 0x12aabced0ab08841}},
     {{0x0d485d2340aebfa9, 0x05193418ab2fcc57, 0xd3b0a40b8a4910f5, 0x2f21ebb535d2925a}}}};
static const struct fq2
    psi_x = {{{0xb5773b104563ab30, 0x347f91c8a9aa6454, 0x7a007127242e0991, 0x1956bcd8118214ec}},
             {{0x6e849f1ea0aa4757, 0xaa1c7b6d89f89141, 0xb6e713cdfae0ca3a, 0x26694fbb4e82ebc3}}},
    psi_y = {{{0xe4bbdd0c2936b629, 0xbb30f162e133bacb, 0x31a9d1b6f9645366, 0x253570bea500f8dd}},
             {{0xa1d77ce45ffe77c7, 0x07affd117826d1db, 0x6d16bd27bb7edc6b, 0x2c87200285defecc}}};
static const struct fq g1_beta = {{0x71930c11d782e155, 0xa6bb947cffbe3323, 0xaa303344d4741444,
                                   0x2c3b3f0d26594943}},
                       g2_beta = {{0x3350c88e13e80b9c, 0x7dce557cdb5e56b9, 0x6001b4b8b615564a,
                                   0x2682e617020217e0}};
static const struct sn_glv glv = {
    .g = {{0xd91d232ec7e0b3d7, 0x0000000000000002, 0x0000000000000000},
          {0x7a7bd9d4391eb18e, 0x4ccef014a773d2cf, 0x0000000000000002}},
    .k1 = {{0x762cda976b2dec1d, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff},
           {0xf41b1eabeddedaf5, 0x90b27db71147a602, 0xffffffffffffffff, 0xffffffffffffffff}},
    .k2 = {{0x8211bbeb7d4f1128, 0x6f4d8248eeb859fc, 0x0000000000000000, 0x0000000000000000},
           {0x762cda976b2dec1d, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff}},
};
#define BN_U 4965661367192848881u
static const uint64_t h2[4] = {0x345f2299c0f9fa8d, 0x06ceecda572a2489, 0xb85045b68181585e,
                               0x30644e72e131a029};

/* Times 9 + u. */
static void fq2_mul_xi(struct fq2 *r, const struct fq2 *a)
{
    struct fq2 t;
    fq2_dbl(&t, a);
    fq2_dbl(&t, &t);
    fq2_dbl(&t, &t);
    fq2_add(&t, &t, a); /* 9a */
    struct fq c1 = a->c1;
    fq_add(&r->c1, &t.c1, &a->c0);
    fq_sub(&r->c0, &t.c0, &c1);
}

#define F_T struct fq
#define F_(x) fq_##x
#define G_(x) g1_##x
static void g1_clear_cofactor(void *ret_affine, const void *affine);
#include "crypto/group_tmpl_int.h"
#undef F_T
#undef F_
#undef G_
#define F_T struct fq2
#define F_(x) fq2_##x
#define G_(x) g2_##x
static void g2_clear_cofactor(void *ret_affine, const void *affine);
#include "crypto/group_tmpl_int.h"

static const struct fq g1_b = {{0x7a17caa950ad28d7, 0x1f6ac17ae15521b9, 0x334bea4e696bd284,
                                0x2a1f6744ce179d8e}},
                       g1_b3 = {{0xf60647ce410d7ff7, 0x2f3d6f4dd31bd011, 0x2943337e3940c6d1,
                                 0x1d9598e8a7e39857}};
static const struct fq2
    g2_b = {{{0x3bf938e377b802a8, 0x020b1b273633535d, 0x26b7edf049755260, 0x2514c6324384a86d}},
            {{0x38e7ecccd1dcff67, 0x65f0b37d93ce0d3e, 0xd749d0dd22ac00aa, 0x0141b9ce4a688d4d}}},
    g2_b3 = {{{0x3baa927cb62e0d6a, 0xd71e7c52d1b664fd, 0x03873e63d95d4664, 0x0e75b5b1082ab8f4}},
             {{0xaab7c6667596fe35, 0x31d21a78bb6a27ba, 0x85dd7297680401ff, 0x03c52d6adf39a7e9}}};
static const struct g1_affine g1_gen = {
    {{0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f}},
    {{0xa6ba871b8b1e1b3a, 0x14f1d651eb8e167b, 0xccdd46def0f28c58, 0x1c14ef83340fbe5e}}};
static const struct g2_affine g2_gen = {
    {{{0x8e83b5d102bc2026, 0xdceb1935497b0172, 0xfbb8264797811adf, 0x19573841af96503b}},
     {{0xafb4737da84c6140, 0x6043dd5a5802d8c4, 0x09e950fc52a02f86, 0x14fef0833aea7b6b}}},
    {{{0x619dfa9d886be9f6, 0xfe7fd297f59e9b78, 0xff9e1a62231b7dfe, 0x28fd7eebae9e4206}},
     {{0x64095b56c71856ee, 0xdc57f922327d3cbb, 0x55f935be33351076, 0x0da4a0e693fd6482}}}};

/* Signed binary digits of 6u + 2, lowest first. */
static const int8_t miller_digits[] = {0,  0,  0,  1, 0,  1, 0,  -1, 0,  0, -1, 0, 0,  0,  1, 0, 0,
                                       -1, 0,  -1, 0, 0,  0, 1,  0,  -1, 0, 0,  0, 0,  -1, 0, 0, 1,
                                       0,  -1, 0,  0, 1,  0, 0,  0,  0,  0, -1, 0, 0,  -1, 0, 1, 0,
                                       -1, 0,  0,  0, -1, 0, -1, 0,  0,  0, 1,  0, -1, 0,  1};
#include "crypto/pairing_tmpl_int.h"

/* f *= a + (b + c v) w, a = on_y * y_P, b = on_x * x_P: D-type twist, (x, y) -> (x w^2, y w^3). */
static SN_NOINLINE void line_into(struct fq12 *f, const struct line *l, const struct g1_affine *p)
{
    struct fq2 a, b;
    struct fq6 t0, t1;
    fq2_mul_fq(&a, &l->on_y, &p->y);
    fq2_mul_fq(&b, &l->on_x, &p->x);
    fq2_mul(&t0.c0, &f->c0.c0, &a);
    fq2_mul(&t0.c1, &f->c0.c1, &a);
    fq2_mul(&t0.c2, &f->c0.c2, &a);
    fq6_mul_01(&t1, &f->c1, &b, &l->constant);
    fq6_add(&f->c1, &f->c0, &f->c1);
    fq2_add(&b, &a, &b);
    fq6_mul_01(&f->c1, &f->c1, &b, &l->constant);
    fq6_sub(&f->c1, &f->c1, &t0);
    fq6_sub(&f->c1, &f->c1, &t1);
    fq6_mul_v(&t1, &t1);
    fq6_add(&f->c0, &t0, &t1);
}
/* The two lines through psi(Q) and -psi^2(Q) that make the ate pairing optimal. */
static void finish_miller(struct fq12 *f, struct g2_point *t, const struct g1_affine *const *p,
                          const struct g2_affine *const *q, size_t n)
{
    struct g2_affine s;
    struct line l;
    for (size_t k = 0; k < n; k++) {
        psi(&s, q[k]);
        step_add(&t[k], &s, &l);
        line_into(f, &l, p[k]);
        psi(&s, &s);
        fq2_neg(&s.y, &s.y);
        step_add(&t[k], &s, &l);
        line_into(f, &l, p[k]);
    }
}
/* The hard part is exactly (q^4 - q^2 + 1)/r = y0 y1^2 y2^6 y3^12 y4^18 y5^30 y6^36 with the ys
 * below (Scott et al. 2009). */
static void final_exp(struct sn_gt *a)
{
    struct fq12 *f = (struct fq12 *)a, fu, fu2, fu3, t0, t1, y;
    easy_part(f);
    fq12_cyclo_pow(&fu, f, BN_U);
    fq12_cyclo_pow(&fu2, &fu, BN_U);
    fq12_cyclo_pow(&fu3, &fu2, BN_U);
    fq12_frobenius(&y, &fu3);
    fq12_mul(&y, &y, &fu3);
    fq12_conj(&y, &y); /* y6 */
    fq12_cyclo_sqr(&t0, &y);
    fq12_frobenius(&y, &fu2);
    fq12_mul(&y, &y, &fu);
    fq12_conj(&y, &y); /* y4 */
    fq12_mul(&t0, &t0, &y);
    fq12_conj(&y, &fu2); /* y5 */
    fq12_mul(&t0, &t0, &y);
    fq12_frobenius(&t1, &fu);
    fq12_conj(&t1, &t1); /* y3 */
    fq12_mul(&t1, &t1, &y);
    fq12_mul(&t1, &t1, &t0);
    fq12_frobenius(&y, &fu2);
    fq12_frobenius(&y, &y); /* y2 */
    fq12_mul(&t0, &t0, &y);
    fq12_cyclo_sqr(&t1, &t1);
    fq12_mul(&t1, &t1, &t0);
    fq12_cyclo_sqr(&t1, &t1);
    fq12_conj(&y, f); /* y1 */
    fq12_mul(&t0, &t1, &y);
    fq12_frobenius(&y, f);
    fq12_frobenius(&fu, &y);
    fq12_frobenius(&fu2, &fu);
    fq12_mul(&y, &y, &fu);
    fq12_mul(&y, &y, &fu2); /* y0 */
    fq12_mul(&t1, &t1, &y);
    fq12_cyclo_sqr(&t0, &t0);
    fq12_mul(f, &t0, &t1);
}

/* The cofactor of G1 is one. */
static bool g1_in_subgroup(const struct g1_affine *a) { return true; }
static void g1_clear_cofactor(void *ret_affine, const void *affine)
{
    memmove(ret_affine, affine, sizeof(struct g1_affine));
}
/* [u+1]Q + psi([u]Q) + psi^2([u]Q) = psi^3([2u]Q) in the subgroup of order r and nowhere else.
 * Source: El Housni, Guillevic, Piellard, "Co-factor clearing and subgroup membership testing on
 * pairing-friendly curves" (2022), section 3. */
static bool g2_in_subgroup(const struct g2_affine *a)
{
    static const uint64_t u[] = {BN_U};
    struct g2_affine x, y;
    struct g2_point t, s;
    g2_from_affine(&t, a);
    g2_mul_words(&s, &t, u, 1);
    g2_to_affine(&x, &s, sizeof(s), 1);
    g2_add_affine(&t, &s, a);
    psi(&y, &x);
    g2_add_affine(&t, &t, &y);
    psi(&y, &y);
    g2_add_affine(&t, &t, &y);
    psi(&y, &y);
    g2_from_affine(&s, &y);
    g2_dbl(&s, &s);
    return g2_equal(&s, &t);
}
static void g2_clear_cofactor(void *ret_affine, const void *affine)
{
    struct g2_point t;
    g2_from_affine(&t, affine);
    g2_mul_words(&t, &t, h2, SN_COUNT_OF(h2));
    g2_to_affine(ret_affine, &t, sizeof(t), 1);
}

const struct sn_curve sn_bn254 = {
    .name = "bn254",
    .fr = FR,
    .q_size = 8 * FQ_N,
    .q_le = q_le,
    .g1 = {"bn254.g1", FR, 8 * FQ_N, 8 * FQ_N, 16 * FQ_N, &g1_gen, &g1_ops},
    .g2 = {"bn254.g2", FR, 8 * FQ_N, 16 * FQ_N, 32 * FQ_N, &g2_gen, &g2_ops},
};
const struct sn_pairing_ops sn_bn254_pairing = {miller, final_exp, gt_mul, gt_one};
