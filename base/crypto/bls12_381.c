/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/bls12_381.c - the curve y^2 = x^3 + 4, the twist y^2 = x^3 + 4(1 + u), and its pairing.
 * A Barreto-Lynn-Scott curve with parameter x = -BLS_X. Constants are words of Montgomery form;
 * curve_test.c checks them against the laws they must obey. */
#include "core/status.h"
#include "crypto/curve_int.h"
#include "crypto/msm_int.h"

#define FQ_N 6
#define FQ sn_bls12_381_fx
#define FR (&sn_bls12_381_fr)
const struct sn_fx sn_bls12_381_fx = {
    .p = {0xb9feffffffffaaab, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624, 0x64774b84f38512bf,
          0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a},
    .one = {0x760900000002fffd, 0xebf4000bc40c0002, 0x5f48985753c758ba, 0x77ce585370525745,
            0x5c071a97a256ec6d, 0x15f65ec3fa80e493},
    .r2 = {0xf4df1f341c341746, 0x0a76e6a609d104f1, 0x8de5476c4c95b6d5, 0x67eb88a9939d83c0,
           0x9a793e85b519952d, 0x11988fe592cae3aa},
    .inv = 0x89f3fffcfffcfffd,
};
#include "crypto/tower_tmpl_int.h"

static const uint8_t q_le[] = {0xab, 0xaa, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xb9, 0xff, 0xff,
                               0x53, 0xb1, 0xfe, 0xff, 0xab, 0x1e, 0x24, 0xf6, 0xb0, 0xf6,
                               0xa0, 0xd2, 0x30, 0x67, 0xbf, 0x12, 0x85, 0xf3, 0x84, 0x4b,
                               0x77, 0x64, 0xd7, 0xac, 0x4b, 0x43, 0xb6, 0xa7, 0x1b, 0x4b,
                               0x9a, 0xe6, 0x7f, 0x39, 0xea, 0x11, 0x01, 0x1a};
static const struct fq2 frob[5] = {{{{0x07089552b319d465, 0xc6695f92b50a8313, 0x97e83cccd117228f,
                                      0xa35baecab2dc29ee, 0x1ce393ea5daace4d, 0x08f2220fb0fb66eb}},
                                    {{0xb2f66aad4ce5d646, 0x5842a06bfc497cec, 0xcf4895d42599d394,
                                      0xc11b9cba40a8e8d0, 0x2e3813cbe5a0de89, 0x110eefda88847faf}}},
                                   {{{0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
                                      0x0000000000000000, 0x0000000000000000, 0x0000000000000000}},
                                    {{0xcd03c9e48671f071, 0x5dab22461fcda5d2, 0x587042afd3851b95,
                                      0x8eb60ebe01bacb9e, 0x03f97d6e83d050d2, 0x18f0206554638741}}},
                                   {{{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1,
                                      0xd1ca2087da74d4a7, 0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}},
                                    {{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1,
                                      0xd1ca2087da74d4a7, 0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}}},
                                   {{{0x890dc9e4867545c3, 0x2af322533285a5d5, 0x50880866309b7e2c,
                                      0xa20d1b8c7e881024, 0x14e4f04fe2db9068, 0x14e56d3f1564853a}},
                                    {{0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
                                      0x0000000000000000, 0x0000000000000000, 0x0000000000000000}}},
                                   {{{0x82d83cf50dbce43f, 0xa2813e53df9d018f, 0xc6f0caa53c65e181,
                                      0x7525cf528d50fe95, 0x4a85ed50f4798a6b, 0x171da0fd6cf8eebd}},
                                    {{0x3726c30af242c66c, 0x7c2ac1aad1b6fe70, 0xa04007fbba4b14a2,
                                      0xef517c3266341429, 0x0095ba654ed2226b,
                                      0x02e370eccc86f7dd}}}};
static const struct fq2 psi_x = {{{0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
                                   0x0000000000000000, 0x0000000000000000, 0x0000000000000000}},
                                 {{0x890dc9e4867545c3, 0x2af322533285a5d5, 0x50880866309b7e2c,
                                   0xa20d1b8c7e881024, 0x14e4f04fe2db9068, 0x14e56d3f1564853a}}},
                        psi_y = {{{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732,
                                   0x92ad2afd19103e18, 0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}},
                                 {{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1,
                                   0xd1ca2087da74d4a7, 0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}}};
static const struct fq g1_beta = {{0xcd03c9e48671f071, 0x5dab22461fcda5d2, 0x587042afd3851b95,
                                   0x8eb60ebe01bacb9e, 0x03f97d6e83d050d2, 0x18f0206554638741}},
                       g2_beta = {{0x30f1361b798a64e8, 0xf3b8ddab7ece5a2a, 0x16a8ca3ac61577f7,
                                   0xc26a2ff874fd029b, 0x3636b76660701c6e, 0x051ba4ab241b6160}};
static const struct sn_glv glv = {
    .g = {{0x63f6e522f6cfee30, 0x7c6becf1e01faadd, 0x0000000000000001},
          {0x0000000000000002, 0x0000000000000000, 0x0000000000000000}},
    .k1 = {{0xffffffff00000001, 0x53ba5bfefffe5bfd, 0xffffffffffffffff, 0xffffffffffffffff},
           {0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff}},
    .k2 = {{0x0000000000000001, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000},
           {0xffffffff00000000, 0x53ba5bfefffe5bfd, 0xffffffffffffffff, 0xffffffffffffffff}},
};
#define BLS_X 0xd201000000010000u
static const uint64_t h1[2] = {0x8c00aaab0000aaab, 0x396c8c005555e156};
static const uint64_t h2[8] = {0xcf1c38e31c7238e5, 0x1616ec6e786f0c70, 0x21537e293a6691ae,
                               0xa628f1cb4d9e82ef, 0xa68a205b2e5a7ddf, 0xcd91de4547085aba,
                               0x091d50792876a202, 0x05d543a95414e7f1};

/* Times 1 + u. */
static void fq2_mul_xi(struct fq2 *r, const struct fq2 *a)
{
    struct fq c1 = a->c1;
    fq_add(&r->c1, &a->c0, &c1);
    fq_sub(&r->c0, &a->c0, &c1);
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

static const struct fq g1_b = {{0xaa270000000cfff3, 0x53cc0032fc34000a, 0x478fe97a6b0a807f,
                                0xb1d37ebee6ba24d7, 0x8ec9733bbf78ab2f, 0x09d645513d83de7e}},
                       g1_b3 = {{0x447600000027552e, 0xdcb8009a43480020, 0x6f7ee9ce4a6e8b59,
                                 0xb10330b7c0a95bc6, 0x6140b1fcfb1e54b7, 0x0381be097f0bb4e1}};
static const struct fq2 g2_b = {{{0xaa270000000cfff3, 0x53cc0032fc34000a, 0x478fe97a6b0a807f,
                                  0xb1d37ebee6ba24d7, 0x8ec9733bbf78ab2f, 0x09d645513d83de7e}},
                                {{0xaa270000000cfff3, 0x53cc0032fc34000a, 0x478fe97a6b0a807f,
                                  0xb1d37ebee6ba24d7, 0x8ec9733bbf78ab2f, 0x09d645513d83de7e}}},
                        g2_b3 = {{{0x447600000027552e, 0xdcb8009a43480020, 0x6f7ee9ce4a6e8b59,
                                   0xb10330b7c0a95bc6, 0x6140b1fcfb1e54b7, 0x0381be097f0bb4e1}},
                                 {{0x447600000027552e, 0xdcb8009a43480020, 0x6f7ee9ce4a6e8b59,
                                   0xb10330b7c0a95bc6, 0x6140b1fcfb1e54b7, 0x0381be097f0bb4e1}}};
static const struct g1_affine g1_gen = {
    {{0x5cb38790fd530c16, 0x7817fc679976fff5, 0x154f95c7143ba1c1, 0xf0ae6acdf3d0e747,
      0xedce6ecc21dbf440, 0x120177419e0bfb75}},
    {{0xbaac93d50ce72271, 0x8c22631a7918fd8e, 0xdd595f13570725ce, 0x51ac582950405194,
      0x0e1c8c3fad0059c0, 0x0bbc3efc5008a26a}}};
static const struct g2_affine g2_gen = {
    {{{0xf5f28fa202940a10, 0xb3f5fb2687b4961a, 0xa1a893b53e2ae580, 0x9894999d1a3caee9,
       0x6f67b7631863366b, 0x058191924350bcd7}},
     {{0xa5a9c0759e23f606, 0xaaa0c59dbccd60c3, 0x3bb17e18e2867806, 0x1b1ab6cc8541b367,
       0xc2b6ed0ef2158547, 0x11922a097360edf3}}},
    {{{0x4c730af860494c4a, 0x597cfa1f5e369c5a, 0xe7e6856caa0a635a, 0xbbefb5e96e0d495f,
       0x07d3a975f0ef25a2, 0x0083fd8e7e80dae5}},
     {{0xadc0fc92df64b05d, 0x18aa270a2b1461dc, 0x86adac6a3be4eba0, 0x79495c4ec93da33a,
       0xe7175850a43ccaed, 0x0b2bc2a163de1bf2}}}};

/* Binary digits of BLS_X, lowest first. */
static const int8_t miller_digits[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                       1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                       0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                       1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 1};
#include "crypto/pairing_tmpl_int.h"

/* f *= (c + b v) + a v w, a = on_y * y_P, b = on_x * x_P: M-type twist, (x, y) -> (x/w^2, y/w^3),
 * the line times w^3. */
static SN_NOINLINE void line_into(struct fq12 *f, const struct line *l, const struct g1_affine *p)
{
    struct fq2 a, b;
    struct fq6 t0, t1;
    fq2_mul_fq(&a, &l->on_y, &p->y);
    fq2_mul_fq(&b, &l->on_x, &p->x);
    fq6_mul_01(&t0, &f->c0, &l->constant, &b);
    fq6_mul_1(&t1, &f->c1, &a);
    fq6_add(&f->c1, &f->c0, &f->c1);
    fq2_add(&b, &a, &b);
    fq6_mul_01(&f->c1, &f->c1, &l->constant, &b);
    fq6_sub(&f->c1, &f->c1, &t0);
    fq6_sub(&f->c1, &f->c1, &t1);
    fq6_mul_v(&t1, &t1);
    fq6_add(&f->c0, &t0, &t1);
}
/* The parameter is negative: f_{-x} is the inverse, which is the conjugate after the easy part. */
static void finish_miller(struct fq12 *f, struct g2_point *t, const struct g1_affine *const *p,
                          const struct g2_affine *const *q, size_t n)
{
    fq12_conj(f, f);
}
/* The hard part is exactly (q^4 - q^2 + 1)/r = (x-1)/3 (x-1) (x+q) (x^2 + q^2 - 1) + 1, after
 * Hayashida, Hayasaka, Teruya, "Efficient final exponentiation via cyclotomic structure" (2020). */
static void final_exp(struct sn_gt *a)
{
    struct fq12 *f = (struct fq12 *)a, t, s, y;
    easy_part(f);
    fq12_cyclo_pow(&t, f, (BLS_X + 1) / 3);
    fq12_cyclo_pow(&t, &t, BLS_X + 1); /* both signs negative: they cancel */
    fq12_cyclo_pow(&s, &t, BLS_X);
    fq12_conj(&s, &s);
    fq12_frobenius(&y, &t);
    fq12_mul(&t, &s, &y); /* ^(x + q) */
    fq12_cyclo_pow(&s, &t, BLS_X);
    fq12_cyclo_pow(&s, &s, BLS_X);
    fq12_frobenius(&y, &t);
    fq12_frobenius(&y, &y);
    fq12_mul(&s, &s, &y);
    fq12_conj(&t, &t);
    fq12_mul(&s, &s, &t); /* ^(x^2 + q^2 - 1) */
    fq12_mul(f, f, &s);
}

/* (beta x, y) = [x^2 - 1]P: then P is killed by x^4 - x^2 + 1 = r.
 * Source for both: Scott, "A note on group membership tests for G1, G2 and GT" (2021). */
static bool g1_in_subgroup(const struct g1_affine *a)
{
    static const uint64_t x[] = {BLS_X};
    struct g1_affine image;
    struct g1_point p, t, s;
    g1_from_affine(&p, a);
    g1_mul_words(&t, &p, x, 1);
    g1_mul_words(&t, &t, x, 1);
    image = *a;
    fq_mul(&image.x, &image.x, &g1_beta);
    g1_from_affine(&s, &image);
    g1_add(&s, &s, &p);
    return g1_equal(&s, &t);
}
/* psi(Q) = [x]Q. */
static bool g2_in_subgroup(const struct g2_affine *a)
{
    static const uint64_t x[] = {BLS_X};
    struct g2_affine image;
    struct g2_point t, s;
    g2_from_affine(&t, a);
    g2_mul_words(&t, &t, x, 1);
    g2_neg(&t, &t);
    psi(&image, a);
    g2_from_affine(&s, &image);
    return g2_equal(&s, &t);
}
static void g1_clear_cofactor(void *ret_affine, const void *affine)
{
    struct g1_point t;
    g1_from_affine(&t, affine);
    g1_mul_words(&t, &t, h1, SN_COUNT_OF(h1));
    g1_to_affine(ret_affine, &t, sizeof(t), 1);
}
static void g2_clear_cofactor(void *ret_affine, const void *affine)
{
    struct g2_point t;
    g2_from_affine(&t, affine);
    g2_mul_words(&t, &t, h2, SN_COUNT_OF(h2));
    g2_to_affine(ret_affine, &t, sizeof(t), 1);
}

const struct sn_curve sn_bls12_381 = {
    .name = "bls12_381",
    .fr = FR,
    .q_size = 8 * FQ_N,
    .q_le = q_le,
    .g1 = {"bls12_381.g1", FR, 8 * FQ_N, 8 * FQ_N, 16 * FQ_N, &g1_gen, &g1_ops},
    .g2 = {"bls12_381.g2", FR, 8 * FQ_N, 16 * FQ_N, 32 * FQ_N, &g2_gen, &g2_ops},
};
const struct sn_pairing_ops sn_bls12_381_pairing = {miller, final_exp, gt_mul, gt_one};
