/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/pairing_tmpl_int.h - Miller steps for one curve, after tower and groups.
 * A template, included by bn254.c and bls12_381.c, which define line_into (how a line's three values
 * enter Fq12: it depends on the twist), the loop's miller_digits, and finish_miller. Lines are
 * scaled by Fq2 factors, which the final exponentiation removes.
 * Source: Costello, Lange, Naehrig, "Faster pairing computations on curves with high-degree
 * twists" (2010), here in Jacobian coordinates. */

/* l(P) = on_y * y_P, on_x * x_P, constant: in the twist's places. */
struct line {
    struct fq2 on_y, on_x, constant;
};
static void line_into(struct fq12 *f, const struct line *l, const struct g1_affine *p);

/* T = 2T and the tangent at the old T. */
static SN_NOINLINE void step_dbl(struct g2_point *t, struct line *l)
{
    struct fq2 a, b, c, d, e, zz, z3;
    fq2_sqr(&zz, &t->z);
    fq2_sqr(&a, &t->x);
    fq2_sqr(&b, &t->y);
    fq2_sqr(&c, &b);
    fq2_add(&d, &t->x, &b);
    fq2_sqr(&d, &d);
    fq2_sub(&d, &d, &a);
    fq2_sub(&d, &d, &c);
    fq2_dbl(&d, &d);
    fq2_dbl(&e, &a);
    fq2_add(&e, &e, &a);
    fq2_mul(&z3, &t->y, &t->z);
    fq2_dbl(&z3, &z3);
    fq2_mul(&l->on_y, &z3, &zz);
    fq2_mul(&l->on_x, &e, &zz);
    fq2_neg(&l->on_x, &l->on_x);
    fq2_mul(&l->constant, &e, &t->x);
    fq2_dbl(&b, &b);
    fq2_sub(&l->constant, &l->constant, &b);
    fq2_sqr(&a, &e);
    fq2_sub(&a, &a, &d);
    fq2_sub(&t->x, &a, &d);
    fq2_sub(&d, &d, &t->x);
    fq2_mul(&d, &d, &e);
    fq2_dbl(&c, &c);
    fq2_dbl(&c, &c);
    fq2_dbl(&c, &c);
    fq2_sub(&t->y, &d, &c);
    t->z = z3;
}
/* T = T + Q and the line through both; T and Q differ (multiples of a point of large order). */
static SN_NOINLINE void step_add(struct g2_point *t, const struct g2_affine *q, struct line *l)
{
    struct fq2 zz, h, r, hh, hhh, v;
    fq2_sqr(&zz, &t->z);
    fq2_mul(&h, &q->x, &zz);
    fq2_sub(&h, &h, &t->x);
    fq2_mul(&r, &q->y, &zz);
    fq2_mul(&r, &r, &t->z);
    fq2_sub(&r, &r, &t->y);
    fq2_sqr(&hh, &h);
    fq2_mul(&hhh, &hh, &h);
    fq2_mul(&v, &t->x, &hh);
    fq2_mul(&t->z, &t->z, &h);
    fq2_sqr(&t->x, &r);
    fq2_sub(&t->x, &t->x, &hhh);
    fq2_sub(&t->x, &t->x, &v);
    fq2_sub(&t->x, &t->x, &v);
    fq2_sub(&v, &v, &t->x);
    fq2_mul(&v, &v, &r);
    fq2_mul(&hhh, &hhh, &t->y);
    fq2_sub(&t->y, &v, &hhh);
    l->on_y = t->z;
    fq2_neg(&l->on_x, &r);
    fq2_mul(&l->constant, &r, &q->x);
    fq2_mul(&v, &q->y, &t->z);
    fq2_sub(&l->constant, &l->constant, &v);
}
/* (x, y) to psi(x, y): the q-power map carried over to the twist. */
static void psi(struct g2_affine *r, const struct g2_affine *q)
{
    fq2_conj(&r->x, &q->x);
    fq2_conj(&r->y, &q->y);
    fq2_mul(&r->x, &r->x, &psi_x);
    fq2_mul(&r->y, &r->y, &psi_y);
}
static void finish_miller(struct fq12 *f, struct g2_point *t, const struct g1_affine *const *p,
                          const struct g2_affine *const *q, size_t n);

static void miller(struct sn_gt *ret, const void *const *arg_p, const void *const *arg_q, size_t n)
{
    struct fq12 *f = (struct fq12 *)ret;
    struct g2_point t[SN_MILLER_MAX];
    const struct g1_affine *p[SN_MILLER_MAX];
    const struct g2_affine *q[SN_MILLER_MAX];
    struct line l;
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        p[m] = arg_p[i], q[m] = arg_q[i];
        if (g1_is_inf(p[m]) || g2_is_inf(q[m])) continue;
        g2_from_affine(&t[m], q[m]);
        m++;
    }
    fq12_one(f);
    for (int i = (int)SN_COUNT_OF(miller_digits) - 2; i >= 0; i--) {
        fq12_sqr(f, f);
        for (size_t k = 0; k < m; k++) {
            struct g2_affine s = *q[k];
            step_dbl(&t[k], &l);
            line_into(f, &l, p[k]);
            if (miller_digits[i] == 0) continue;
            if (miller_digits[i] < 0) fq2_neg(&s.y, &s.y);
            step_add(&t[k], &s, &l);
            line_into(f, &l, p[k]);
        }
    }
    finish_miller(f, t, p, q, m);
}
/* f^((q^6 - 1)(q^2 + 1)): into the subgroup where inverses are conjugates. */
static SN_NOINLINE void easy_part(struct fq12 *f)
{
    struct fq12 t;
    fq12_inv(&t, f);
    fq12_conj(f, f);
    fq12_mul(f, f, &t);
    fq12_frobenius(&t, f);
    fq12_frobenius(&t, &t);
    fq12_mul(f, f, &t);
}
static void gt_mul(struct sn_gt *ret, const struct sn_gt *a, const struct sn_gt *b)
{
    fq12_mul((struct fq12 *)ret, (const struct fq12 *)a, (const struct fq12 *)b);
}
static void gt_one(struct sn_gt *ret)
{
    memset(ret, 0, sizeof(*ret));
    fq12_one((struct fq12 *)ret);
}
