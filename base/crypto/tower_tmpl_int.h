/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/tower_tmpl_int.h - Fq and its extensions of degree 2, 6 and 12, for one curve.
 * A template, included by bn254.c and bls12_381.c, which define FQ_N, the words of Fq, FQ, its
 * struct sn_fx, and fq2_mul_xi. Fq2 = Fq[u]/(u^2 + 1), Fq6 = Fq2[v]/(v^3 - xi),
 * Fq12 = Fq6[w]/(w^2 - v). Everything is static and complete: outputs may be inputs. Constant time
 * but for _inv, _sqrt and the predicates. Not inlined into each other: frames have to fit a fiber's
 * stack. Sources: Devegili et al., "Multiplication and squaring on pairing-friendly fields" (2006);
 * Granger and Scott (2010) for cyclotomic squares. */

struct fq {
    uint64_t v[FQ_N];
};
struct fq2 {
    struct fq c0, c1;
};
struct fq6 {
    struct fq2 c0, c1, c2;
};
struct fq12 {
    struct fq6 c0, c1;
};

static inline void fq_add(struct fq *r, const struct fq *a, const struct fq *b)
{
    fx_add(r->v, a->v, b->v, FQ.p, FQ_N);
}
static inline void fq_sub(struct fq *r, const struct fq *a, const struct fq *b)
{
    fx_sub(r->v, a->v, b->v, FQ.p, FQ_N);
}
static inline void fq_dbl(struct fq *r, const struct fq *a) { fq_add(r, a, a); }
static inline void fq_neg(struct fq *r, const struct fq *a) { fx_neg(r->v, a->v, FQ.p, FQ_N); }
static SN_NOINLINE void fq_mul(struct fq *r, const struct fq *a, const struct fq *b)
{
    fx_mul(r->v, a->v, b->v, FQ.p, FQ.inv, FQ_N);
}
static inline void fq_sqr(struct fq *r, const struct fq *a) { fq_mul(r, a, a); }
static inline void fq_mul_fq(struct fq *r, const struct fq *a, const struct fq *b)
{
    fq_mul(r, a, b);
}
static inline bool fq_is_zero(const struct fq *a) { return fx_is_zero(a->v, FQ_N); }
static inline bool fq_equal(const struct fq *a, const struct fq *b)
{
    return fx_equal(a->v, b->v, FQ_N);
}
static inline void fq_select(struct fq *r, const struct fq *a, const struct fq *b, bool take_b)
{
    fx_select(r->v, a->v, b->v, take_b, FQ_N);
}
static inline void fq_one(struct fq *r) { memcpy(r, FQ.one, sizeof(*r)); }
static inline bool fq_reduced(const struct fq *a) { return fx_cmp(a->v, FQ.p, FQ_N) < 0; }
static SN_NOINLINE void fq_inv(struct fq *r, const struct fq *a)
{
    struct fq t;
    sn_fx_inv_plain(t.v, a->v, FQ.p, FQ_N);
    fq_mul(&t, &t, (const struct fq *)FQ.r2);
    fq_mul(r, &t, (const struct fq *)FQ.r2);
}
/* a^e for a public exponent of FQ_N words. */
static SN_NOINLINE void fq_pow(struct fq *r, const struct fq *a, const uint64_t *e)
{
    struct fq acc, base = *a;
    fq_one(&acc);
    for (int i = 64 * FQ_N - 1; i >= 0; i--) {
        fq_sqr(&acc, &acc);
        if (e[i / 64] >> (i % 64) & 1) fq_mul(&acc, &acc, &base);
    }
    *r = acc;
}
/* Both primes are 3 mod 4: the candidate is a^((q+1)/4). */
static bool fq_sqrt(struct fq *r, const struct fq *a)
{
    uint64_t e[FQ_N];
    struct fq t, s;
    memcpy(e, FQ.p, sizeof(e));
    e[0]++; /* q ends in ...11: no carry */
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < FQ_N; i++) e[i] = e[i] >> 1 | (i + 1 < FQ_N ? e[i + 1] << 63 : 0);
    fq_pow(&t, a, e);
    fq_sqr(&s, &t);
    if (!fq_equal(&s, a)) return false;
    *r = t;
    return true;
}

static inline void fq2_add(struct fq2 *r, const struct fq2 *a, const struct fq2 *b)
{
    fq_add(&r->c0, &a->c0, &b->c0);
    fq_add(&r->c1, &a->c1, &b->c1);
}
static inline void fq2_sub(struct fq2 *r, const struct fq2 *a, const struct fq2 *b)
{
    fq_sub(&r->c0, &a->c0, &b->c0);
    fq_sub(&r->c1, &a->c1, &b->c1);
}
static inline void fq2_dbl(struct fq2 *r, const struct fq2 *a) { fq2_add(r, a, a); }
static inline void fq2_neg(struct fq2 *r, const struct fq2 *a)
{
    fq_neg(&r->c0, &a->c0);
    fq_neg(&r->c1, &a->c1);
}
static inline void fq2_conj(struct fq2 *r, const struct fq2 *a)
{
    r->c0 = a->c0;
    fq_neg(&r->c1, &a->c1);
}
static SN_NOINLINE void fq2_mul(struct fq2 *r, const struct fq2 *a, const struct fq2 *b)
{
    struct fq s, t, v0, v1;
    fq_mul(&v0, &a->c0, &b->c0);
    fq_mul(&v1, &a->c1, &b->c1);
    fq_add(&s, &a->c0, &a->c1);
    fq_add(&t, &b->c0, &b->c1);
    fq_mul(&s, &s, &t);
    fq_sub(&s, &s, &v0);
    fq_sub(&r->c1, &s, &v1);
    fq_sub(&r->c0, &v0, &v1);
}
static SN_NOINLINE void fq2_sqr(struct fq2 *r, const struct fq2 *a)
{
    struct fq s, d, m;
    fq_add(&s, &a->c0, &a->c1);
    fq_sub(&d, &a->c0, &a->c1);
    fq_mul(&m, &a->c0, &a->c1);
    fq_mul(&r->c0, &s, &d);
    fq_dbl(&r->c1, &m);
}
static inline void fq2_mul_fq(struct fq2 *r, const struct fq2 *a, const struct fq *b)
{
    struct fq t = *b;
    fq_mul(&r->c0, &a->c0, &t);
    fq_mul(&r->c1, &a->c1, &t);
}
static inline bool fq2_is_zero(const struct fq2 *a)
{
    return fq_is_zero(&a->c0) && fq_is_zero(&a->c1);
}
static inline bool fq2_equal(const struct fq2 *a, const struct fq2 *b)
{
    return fq_equal(&a->c0, &b->c0) && fq_equal(&a->c1, &b->c1);
}
static inline void fq2_select(struct fq2 *r, const struct fq2 *a, const struct fq2 *b, bool take_b)
{
    fq_select(&r->c0, &a->c0, &b->c0, take_b);
    fq_select(&r->c1, &a->c1, &b->c1, take_b);
}
static inline void fq2_one(struct fq2 *r)
{
    *r = (struct fq2){0};
    fq_one(&r->c0);
}
static inline bool fq2_reduced(const struct fq2 *a)
{
    return fq_reduced(&a->c0) && fq_reduced(&a->c1);
}
static SN_NOINLINE void fq2_inv(struct fq2 *r, const struct fq2 *a)
{
    struct fq n, t;
    fq_sqr(&n, &a->c0);
    fq_sqr(&t, &a->c1);
    fq_add(&n, &n, &t);
    fq_inv(&n, &n);
    fq_mul(&r->c0, &a->c0, &n);
    fq_mul(&t, &a->c1, &n);
    fq_neg(&r->c1, &t);
}
/* With the norm's root s: x0^2 = (a0 + s)/2 or (a0 - s)/2, and x1 = a1/(2 x0). */
static bool fq2_sqrt(struct fq2 *r, const struct fq2 *a)
{
    struct fq n, s, half, t;
    struct fq2 x, check;
    fq_sqr(&n, &a->c0);
    fq_sqr(&t, &a->c1);
    fq_add(&n, &n, &t);
    if (!fq_sqrt(&s, &n)) return false;
    fq_one(&half);
    fq_dbl(&half, &half);
    fq_inv(&half, &half);
    fq_add(&t, &a->c0, &s);
    fq_mul(&t, &t, &half);
    if (!fq_sqrt(&x.c0, &t)) {
        fq_sub(&t, &a->c0, &s);
        fq_mul(&t, &t, &half);
        if (!fq_sqrt(&x.c0, &t)) return false;
    }
    if (fq_is_zero(&x.c0)) {
        /* a = -x1^2 in Fq. */
        fq_neg(&t, &a->c0);
        if (!fq_sqrt(&x.c1, &t)) return false;
    } else {
        fq_inv(&t, &x.c0);
        fq_mul(&t, &t, &half);
        fq_mul(&x.c1, &a->c1, &t);
    }
    fq2_sqr(&check, &x);
    if (!fq2_equal(&check, a)) return false;
    *r = x;
    return true;
}
static void fq2_mul_xi(struct fq2 *r, const struct fq2 *a);

static inline void fq6_add(struct fq6 *r, const struct fq6 *a, const struct fq6 *b)
{
    fq2_add(&r->c0, &a->c0, &b->c0);
    fq2_add(&r->c1, &a->c1, &b->c1);
    fq2_add(&r->c2, &a->c2, &b->c2);
}
static inline void fq6_sub(struct fq6 *r, const struct fq6 *a, const struct fq6 *b)
{
    fq2_sub(&r->c0, &a->c0, &b->c0);
    fq2_sub(&r->c1, &a->c1, &b->c1);
    fq2_sub(&r->c2, &a->c2, &b->c2);
}
static inline void fq6_neg(struct fq6 *r, const struct fq6 *a)
{
    fq2_neg(&r->c0, &a->c0);
    fq2_neg(&r->c1, &a->c1);
    fq2_neg(&r->c2, &a->c2);
}
/* (a0 + a1 v + a2 v^2) v. */
static inline void fq6_mul_v(struct fq6 *r, const struct fq6 *a)
{
    struct fq2 t;
    fq2_mul_xi(&t, &a->c2);
    r->c2 = a->c1;
    r->c1 = a->c0;
    r->c0 = t;
}
static SN_NOINLINE void fq6_mul(struct fq6 *r, const struct fq6 *a, const struct fq6 *b)
{
    struct fq2 v0, v1, v2, s, t, x0, x1;
    fq2_mul(&v0, &a->c0, &b->c0);
    fq2_mul(&v1, &a->c1, &b->c1);
    fq2_mul(&v2, &a->c2, &b->c2);
    fq2_add(&s, &a->c1, &a->c2);
    fq2_add(&t, &b->c1, &b->c2);
    fq2_mul(&s, &s, &t);
    fq2_sub(&s, &s, &v1);
    fq2_sub(&s, &s, &v2);
    fq2_mul_xi(&s, &s);
    fq2_add(&x0, &s, &v0); /* v0 + xi ((a1+a2)(b1+b2) - v1 - v2) */
    fq2_add(&s, &a->c0, &a->c1);
    fq2_add(&t, &b->c0, &b->c1);
    fq2_mul(&s, &s, &t);
    fq2_sub(&s, &s, &v0);
    fq2_sub(&s, &s, &v1);
    fq2_mul_xi(&t, &v2);
    fq2_add(&x1, &s, &t); /* (a0+a1)(b0+b1) - v0 - v1 + xi v2 */
    fq2_add(&s, &a->c0, &a->c2);
    fq2_add(&t, &b->c0, &b->c2);
    fq2_mul(&s, &s, &t);
    fq2_sub(&s, &s, &v0);
    fq2_sub(&s, &s, &v2);
    fq2_add(&r->c2, &s, &v1); /* (a0+a2)(b0+b2) - v0 - v2 + v1 */
    r->c0 = x0;
    r->c1 = x1;
}
/* Times b0 + b1 v: five products. */
static SN_NOINLINE void fq6_mul_01(struct fq6 *r, const struct fq6 *a, const struct fq2 *b0,
                       const struct fq2 *b1)
{
    struct fq2 v0, v1, s, t, x0, x1;
    fq2_mul(&v0, &a->c0, b0);
    fq2_mul(&v1, &a->c1, b1);
    fq2_mul(&s, &a->c2, b1);
    fq2_mul_xi(&s, &s);
    fq2_add(&x0, &s, &v0);
    fq2_add(&s, &a->c0, &a->c1);
    fq2_add(&t, b0, b1);
    fq2_mul(&s, &s, &t);
    fq2_sub(&s, &s, &v0);
    fq2_sub(&x1, &s, &v1);
    fq2_mul(&s, &a->c2, b0);
    fq2_add(&r->c2, &s, &v1);
    r->c0 = x0;
    r->c1 = x1;
}
/* Times b1 v. */
static SN_NOINLINE SN_UNUSED void fq6_mul_1(struct fq6 *r, const struct fq6 *a, const struct fq2 *b1)
{
    struct fq2 x0, x1, x2;
    fq2_mul(&x0, &a->c2, b1);
    fq2_mul_xi(&x0, &x0);
    fq2_mul(&x1, &a->c0, b1);
    fq2_mul(&x2, &a->c1, b1);
    *r = (struct fq6){x0, x1, x2};
}
static SN_NOINLINE void fq6_inv(struct fq6 *r, const struct fq6 *a)
{
    struct fq2 t0, t1, t2, s, n;
    fq2_sqr(&t0, &a->c0);
    fq2_mul(&s, &a->c1, &a->c2);
    fq2_mul_xi(&s, &s);
    fq2_sub(&t0, &t0, &s); /* a0^2 - xi a1 a2 */
    fq2_sqr(&t1, &a->c2);
    fq2_mul_xi(&t1, &t1);
    fq2_mul(&s, &a->c0, &a->c1);
    fq2_sub(&t1, &t1, &s); /* xi a2^2 - a0 a1 */
    fq2_sqr(&t2, &a->c1);
    fq2_mul(&s, &a->c0, &a->c2);
    fq2_sub(&t2, &t2, &s); /* a1^2 - a0 a2 */
    fq2_mul(&n, &a->c2, &t1);
    fq2_mul(&s, &a->c1, &t2);
    fq2_add(&n, &n, &s);
    fq2_mul_xi(&n, &n);
    fq2_mul(&s, &a->c0, &t0);
    fq2_add(&n, &n, &s);
    fq2_inv(&n, &n);
    fq2_mul(&r->c0, &t0, &n);
    fq2_mul(&r->c1, &t1, &n);
    fq2_mul(&r->c2, &t2, &n);
}

static void fq12_one(struct fq12 *r)
{
    *r = (struct fq12){0};
    fq2_one(&r->c0.c0);
}
static SN_NOINLINE void fq12_mul(struct fq12 *r, const struct fq12 *a, const struct fq12 *b)
{
    struct fq6 v0, v1, s, t;
    fq6_mul(&v0, &a->c0, &b->c0);
    fq6_mul(&v1, &a->c1, &b->c1);
    fq6_add(&s, &a->c0, &a->c1);
    fq6_add(&t, &b->c0, &b->c1);
    fq6_mul(&s, &s, &t);
    fq6_sub(&s, &s, &v0);
    fq6_sub(&r->c1, &s, &v1);
    fq6_mul_v(&v1, &v1);
    fq6_add(&r->c0, &v0, &v1);
}
static SN_NOINLINE void fq12_sqr(struct fq12 *r, const struct fq12 *a)
{
    struct fq6 m, s, t;
    fq6_mul(&m, &a->c0, &a->c1);
    fq6_add(&s, &a->c0, &a->c1);
    fq6_mul_v(&t, &a->c1);
    fq6_add(&t, &t, &a->c0);
    fq6_mul(&s, &s, &t); /* (a0 + a1)(a0 + v a1) = a0^2 + v a1^2 + m + v m */
    fq6_sub(&s, &s, &m);
    fq6_mul_v(&t, &m);
    fq6_sub(&r->c0, &s, &t);
    fq6_add(&r->c1, &m, &m);
}
static void fq12_conj(struct fq12 *r, const struct fq12 *a)
{
    r->c0 = a->c0;
    fq6_neg(&r->c1, &a->c1);
}
static SN_NOINLINE void fq12_inv(struct fq12 *r, const struct fq12 *a)
{
    struct fq6 n, t;
    fq6_mul(&n, &a->c0, &a->c0);
    fq6_mul(&t, &a->c1, &a->c1);
    fq6_mul_v(&t, &t);
    fq6_sub(&n, &n, &t);
    fq6_inv(&n, &n);
    fq6_mul(&r->c0, &a->c0, &n);
    fq6_mul(&t, &a->c1, &n);
    fq6_neg(&r->c1, &t);
}
/* xi^(k(q-1)/6), k = 1..5: what w^k gains when raised to the power q. */
static const struct fq2 frob[5];
static SN_NOINLINE void fq12_frobenius(struct fq12 *r, const struct fq12 *a)
{
    fq2_conj(&r->c0.c0, &a->c0.c0);
    fq2_conj(&r->c0.c1, &a->c0.c1);
    fq2_conj(&r->c0.c2, &a->c0.c2);
    fq2_conj(&r->c1.c0, &a->c1.c0);
    fq2_conj(&r->c1.c1, &a->c1.c1);
    fq2_conj(&r->c1.c2, &a->c1.c2);
    fq2_mul(&r->c1.c0, &r->c1.c0, &frob[0]);
    fq2_mul(&r->c0.c1, &r->c0.c1, &frob[1]);
    fq2_mul(&r->c1.c1, &r->c1.c1, &frob[2]);
    fq2_mul(&r->c0.c2, &r->c0.c2, &frob[3]);
    fq2_mul(&r->c1.c2, &r->c1.c2, &frob[4]);
}
/* (a + b t)^2 in Fq4 = Fq2[t]/(t^2 - xi). */
static SN_NOINLINE void fq4_sqr(struct fq2 *r0, struct fq2 *r1, const struct fq2 *a, const struct fq2 *b)
{
    struct fq2 a2, b2, s;
    fq2_sqr(&a2, a);
    fq2_sqr(&b2, b);
    fq2_add(&s, a, b);
    fq2_sqr(&s, &s);
    fq2_sub(&s, &s, &a2);
    fq2_sub(r1, &s, &b2);
    fq2_mul_xi(&b2, &b2);
    fq2_add(r0, &a2, &b2);
}
/* r = 3t - 2z and r = 3t + 2z. */
static void three_minus(struct fq2 *r, const struct fq2 *t, const struct fq2 *z)
{
    struct fq2 d;
    fq2_sub(&d, t, z);
    fq2_dbl(&d, &d);
    fq2_add(r, &d, t);
}
static void three_plus(struct fq2 *r, const struct fq2 *t, const struct fq2 *z)
{
    struct fq2 d;
    fq2_add(&d, t, z);
    fq2_dbl(&d, &d);
    fq2_add(r, &d, t);
}
/* The square of an element of norm one over Fq6 and Fq4 (after the easy part). */
static SN_NOINLINE void fq12_cyclo_sqr(struct fq12 *r, const struct fq12 *a)
{
    struct fq2 t0, t1, u0, u1, x0, x1;
    fq4_sqr(&t0, &t1, &a->c0.c0, &a->c1.c1);
    fq4_sqr(&u0, &u1, &a->c1.c0, &a->c0.c2);
    fq4_sqr(&x0, &x1, &a->c0.c1, &a->c1.c2);
    three_minus(&r->c0.c0, &t0, &a->c0.c0);
    three_plus(&r->c1.c1, &t1, &a->c1.c1);
    three_minus(&r->c0.c1, &u0, &a->c0.c1);
    three_plus(&r->c1.c2, &u1, &a->c1.c2);
    fq2_mul_xi(&t0, &x1);
    three_plus(&r->c1.c0, &t0, &a->c1.c0);
    three_minus(&r->c0.c2, &x0, &a->c0.c2);
}
/* a^e for a 64-bit public exponent, a as above. */
static SN_NOINLINE void fq12_cyclo_pow(struct fq12 *r, const struct fq12 *a, uint64_t e)
{
    struct fq12 acc = *a, base = *a;
    for (int i = 62 - __builtin_clzll(e); i >= 0; i--) {
        fq12_cyclo_sqr(&acc, &acc);
        if (e >> i & 1) fq12_mul(&acc, &acc, &base);
    }
    *r = acc;
}
