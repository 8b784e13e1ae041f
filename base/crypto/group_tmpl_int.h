/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/group_tmpl_int.h - one group of one curve: y^2 = x^3 + b over F.
 * A template, included twice: for G1 with G_(x) = g1_##x, F_(x) = fq_##x, F_T = struct fq and for G2
 * with g2_, fq2_ and struct fq2. Jacobian coordinates, x = X/Z^2, y = Y/Z^3, Z = 0 at infinity.
 * Formulas: the Explicit-Formulas Database's dbl-2009-l, add-2007-bl and madd-2007-bl for a = 0;
 * Renes, Costello, Batina (2016), algorithms 7 and 9, for the constant-time product. */

struct G_(affine)
{
    F_T x, y;
};
struct G_(point)
{
    F_T x, y, z;
};
static const F_T G_(b);
static const F_T G_(b3);

static inline bool G_(is_inf)(const struct G_(affine) * a)
{
    return F_(is_zero)(&a->x) && F_(is_zero)(&a->y);
}
static void G_(set_inf)(struct G_(point) * r)
{
    F_(one)(&r->x);
    F_(one)(&r->y);
    memset(&r->z, 0, sizeof(r->z));
}
static void G_(from_affine)(void *ret, const void *affine)
{
    struct G_(point) *r = ret;
    const struct G_(affine) *a = affine;
    if (G_(is_inf)(a)) {
        G_(set_inf)(r);
        return;
    }
    r->x = a->x;
    r->y = a->y;
    F_(one)(&r->z);
}
static SN_NOINLINE void G_(dbl)(void *ret, const void *arg)
{
    struct G_(point) *r = ret;
    const struct G_(point) *p = arg;
    F_T a, b, c, d, e, z;
    F_(mul)(&z, &p->y, &p->z);
    F_(sqr)(&a, &p->x);
    F_(sqr)(&b, &p->y);
    F_(sqr)(&c, &b);
    F_(add)(&d, &p->x, &b);
    F_(sqr)(&d, &d);
    F_(sub)(&d, &d, &a);
    F_(sub)(&d, &d, &c);
    F_(dbl)(&d, &d); /* 4 X Y^2 */
    F_(dbl)(&e, &a);
    F_(add)(&e, &e, &a); /* 3 X^2 */
    F_(sqr)(&a, &e);
    F_(sub)(&a, &a, &d);
    F_(sub)(&r->x, &a, &d);
    F_(sub)(&d, &d, &r->x);
    F_(mul)(&d, &d, &e);
    F_(dbl)(&c, &c);
    F_(dbl)(&c, &c);
    F_(dbl)(&c, &c);
    F_(sub)(&r->y, &d, &c);
    F_(dbl)(&r->z, &z);
}
/* The end of both additions: H = U2 - U1, R = S2 - S1, U1, S1, and the product of the Zs. */
static SN_NOINLINE void G_(add_end)(struct G_(point) * r, const F_T *h, const F_T *rr, const F_T *u1,
                        const F_T *s1, const F_T *zz)
{
    F_T hh, hhh, v, x;
    F_(sqr)(&hh, h);
    F_(mul)(&hhh, &hh, h);
    F_(mul)(&v, u1, &hh);
    F_(mul)(&r->z, zz, h);
    F_(sqr)(&x, rr);
    F_(sub)(&x, &x, &hhh);
    F_(sub)(&x, &x, &v);
    F_(sub)(&x, &x, &v);
    F_(sub)(&v, &v, &x);
    F_(mul)(&v, &v, rr);
    F_(mul)(&hhh, &hhh, s1);
    F_(sub)(&r->y, &v, &hhh);
    r->x = x;
}
static SN_NOINLINE void G_(add)(void *ret, const void *arg_a, const void *arg_b)
{
    struct G_(point) *r = ret;
    const struct G_(point) *p = arg_a, *q = arg_b;
    F_T z1, z2, u1, u2, s1, s2;
    if (F_(is_zero)(&p->z)) {
        *r = *q;
        return;
    }
    if (F_(is_zero)(&q->z)) {
        *r = *p;
        return;
    }
    F_(sqr)(&z1, &p->z);
    F_(sqr)(&z2, &q->z);
    F_(mul)(&u1, &p->x, &z2);
    F_(mul)(&u2, &q->x, &z1);
    F_(mul)(&s1, &p->y, &z2);
    F_(mul)(&s1, &s1, &q->z);
    F_(mul)(&s2, &q->y, &z1);
    F_(mul)(&s2, &s2, &p->z);
    F_(sub)(&u2, &u2, &u1);
    F_(sub)(&s2, &s2, &s1);
    if (F_(is_zero)(&u2)) {
        if (F_(is_zero)(&s2))
            G_(dbl)(r, p);
        else
            G_(set_inf)(r);
        return;
    }
    F_(mul)(&z1, &p->z, &q->z);
    G_(add_end)(r, &u2, &s2, &u1, &s1, &z1);
}
static SN_NOINLINE void G_(add_affine)(void *ret, const void *arg_a, const void *affine)
{
    struct G_(point) *r = ret;
    const struct G_(point) *p = arg_a;
    const struct G_(affine) *q = affine;
    F_T zz, u2, s2, x1, y1, z1;
    if (G_(is_inf)(q)) {
        *r = *p;
        return;
    }
    if (F_(is_zero)(&p->z)) {
        G_(from_affine)(r, q);
        return;
    }
    F_(sqr)(&zz, &p->z);
    F_(mul)(&u2, &q->x, &zz);
    F_(mul)(&s2, &q->y, &zz);
    F_(mul)(&s2, &s2, &p->z);
    F_(sub)(&u2, &u2, &p->x);
    F_(sub)(&s2, &s2, &p->y);
    if (F_(is_zero)(&u2)) {
        if (F_(is_zero)(&s2))
            G_(dbl)(r, p);
        else
            G_(set_inf)(r);
        return;
    }
    x1 = p->x, y1 = p->y, z1 = p->z;
    G_(add_end)(r, &u2, &s2, &x1, &y1, &z1);
}
static void G_(neg)(void *ret, const void *arg)
{
    struct G_(point) *r = ret;
    const struct G_(point) *p = arg;
    r->x = p->x;
    F_(neg)(&r->y, &p->y);
    r->z = p->z;
}
static void G_(neg_affine)(void *ret, const void *arg)
{
    struct G_(affine) *r = ret;
    const struct G_(affine) *p = arg;
    r->x = p->x;
    F_(neg)(&r->y, &p->y);
}
static bool G_(is_zero)(const void *arg)
{
    return F_(is_zero)(&((const struct G_(point) *)arg)->z);
}
static bool G_(equal)(const void *arg_a, const void *arg_b)
{
    const struct G_(point) *p = arg_a, *q = arg_b;
    F_T z1, z2, s, t;
    if (F_(is_zero)(&p->z) || F_(is_zero)(&q->z)) return F_(is_zero)(&p->z) == F_(is_zero)(&q->z);
    F_(sqr)(&z1, &p->z);
    F_(sqr)(&z2, &q->z);
    F_(mul)(&s, &p->x, &z2);
    F_(mul)(&t, &q->x, &z1);
    if (!F_(equal)(&s, &t)) return false;
    F_(mul)(&z1, &z1, &p->z);
    F_(mul)(&z2, &z2, &q->z);
    F_(mul)(&s, &p->y, &z2);
    F_(mul)(&t, &q->y, &z1);
    return F_(equal)(&s, &t);
}
static void G_(affine_with)(struct G_(affine) * r, const struct G_(point) * p, const F_T *zinv)
{
    F_T z2;
    F_(sqr)(&z2, zinv);
    F_(mul)(&r->x, &p->x, &z2);
    F_(mul)(&z2, &z2, zinv);
    F_(mul)(&r->y, &p->y, &z2);
}
#define G_NORM_BATCH 16
/* n points, one inversion for sixteen. Points are `stride` bytes apart. */
static SN_NOINLINE void G_(to_affine)(void *ret, const void *points, size_t stride, size_t n)
{
    struct G_(affine) *r = ret;
    for (size_t from = 0; from < n; from += G_NORM_BATCH) {
        size_t m = SN_MIN(n - from, (size_t)G_NORM_BATCH);
        F_T before[G_NORM_BATCH], acc, t;
        F_(one)(&acc);
        for (size_t i = 0; i < m; i++) {
            const struct G_(point) *p = (const void *)((const char *)points + (from + i) * stride);
            before[i] = acc;
            if (!F_(is_zero)(&p->z)) F_(mul)(&acc, &acc, &p->z);
        }
        F_(inv)(&acc, &acc);
        for (size_t i = m; i-- > 0;) {
            const struct G_(point) *p = (const void *)((const char *)points + (from + i) * stride);
            if (F_(is_zero)(&p->z)) {
                memset(&r[from + i], 0, sizeof(r[0]));
                continue;
            }
            F_(mul)(&t, &acc, &before[i]);
            F_(mul)(&acc, &acc, &p->z);
            G_(affine_with)(&r[from + i], p, &t);
        }
    }
}

/* Width-5 signed digits of an n-word integer (two's complement not: magnitude), lowest first.
 * Returns how many; `out` has 64n + 1 places. */
static unsigned G_(wnaf)(int8_t *out, const uint64_t *k, unsigned n)
{
    uint64_t t[SN_FX_WORDS_MAX + 3] = {0};
    unsigned len = 0;
    memcpy(t, k, 8 * n);
    while (!fx_is_zero(t, n + 1)) {
        int d = 0;
        if (t[0] & 1) {
            d = (int)(t[0] & 31);
            if (d > 16) d -= 32;
            uint64_t carry = 0, borrow = 0;
            if (d < 0) {
                t[0] = fx_adc(t[0], (uint64_t)-d, &carry);
                for (unsigned i = 1; i <= n; i++) t[i] = fx_adc(t[i], 0, &carry);
            } else {
                t[0] = fx_sbb(t[0], (uint64_t)d, &borrow);
            }
        }
        out[len++] = (int8_t)d;
        for (unsigned i = 0; i <= n; i++) t[i] = t[i] >> 1 | (i < n ? t[i + 1] << 63 : 0);
    }
    return len;
}
/* p, 3p, ... 15p. */
static SN_NOINLINE void G_(odd_multiples)(struct G_(point) table[8], const struct G_(point) * p)
{
    struct G_(point) two;
    table[0] = *p;
    G_(dbl)(&two, p);
    for (unsigned i = 1; i < 8; i++) G_(add)(&table[i], &table[i - 1], &two);
}
static SN_NOINLINE void G_(add_digit)(struct G_(point) * acc, const struct G_(point) * table,
                                      int digit, bool flip, const struct fq *beta)
{
    struct G_(point) t;
    if (digit == 0) return;
    t = table[(digit < 0 ? -digit : digit) >> 1];
    if ((digit < 0) != flip) F_(neg)(&t.y, &t.y);
    if (beta) F_(mul_fq)(&t.x, &t.x, beta);
    G_(add)(acc, acc, &t);
}
/* k*p for any point of the curve (no endomorphism): n words, at most 8. */
static SN_NOINLINE SN_UNUSED void G_(mul_words)(struct G_(point) * r, const struct G_(point) * p,
                                                const uint64_t *k, unsigned n)
{
    struct G_(point) table[8], acc;
    int8_t digits[64 * 8 + 1];
    unsigned len = G_(wnaf)(digits, k, n);
    G_(odd_multiples)(table, p);
    G_(set_inf)(&acc);
    while (len-- > 0) {
        G_(dbl)(&acc, &acc);
        G_(add_digit)(&acc, table, digits[len], false, NULL);
    }
    *r = acc;
}
/* k*p for a point of order r: two half-length scalars over p and its image under (beta x, y). */
static SN_NOINLINE void G_(mul)(void *ret, const void *arg, const struct sn_fe *k)
{
    struct G_(point) table[8], acc;
    int8_t d1[64 * 4 + 1], d2[64 * 4 + 1];
    uint64_t k1[4], k2[4];
    bool neg1, neg2;
    sn_glv_split(&glv, FR, k, k1, &neg1, k2, &neg2);
    unsigned n1 = G_(wnaf)(d1, k1, 4), n2 = G_(wnaf)(d2, k2, 4);
    G_(odd_multiples)(table, arg);
    G_(set_inf)(&acc);
    for (unsigned i = SN_MAX(n1, n2); i-- > 0;) {
        G_(dbl)(&acc, &acc);
        if (i < n1) G_(add_digit)(&acc, table, d1[i], neg1, NULL);
        if (i < n2) G_(add_digit)(&acc, table, d2[i], neg2, &G_(beta));
    }
    *(struct G_(point) *)ret = acc;
}

/* Homogeneous coordinates for the constant-time product: x = X/Z, y = Y/Z, infinity (0:1:0). */
static SN_NOINLINE void G_(ct_add)(struct G_(point) * r, const struct G_(point) * p,
                                   const struct G_(point) * q)
{
    F_T t0, t1, t2, t3, t4, x3, y3, z3;
    F_(mul)(&t0, &p->x, &q->x);
    F_(mul)(&t1, &p->y, &q->y);
    F_(mul)(&t2, &p->z, &q->z);
    F_(add)(&t3, &p->x, &p->y);
    F_(add)(&t4, &q->x, &q->y);
    F_(mul)(&t3, &t3, &t4);
    F_(add)(&t4, &t0, &t1);
    F_(sub)(&t3, &t3, &t4); /* X1 Y2 + X2 Y1 */
    F_(add)(&t4, &p->y, &p->z);
    F_(add)(&x3, &q->y, &q->z);
    F_(mul)(&t4, &t4, &x3);
    F_(add)(&x3, &t1, &t2);
    F_(sub)(&t4, &t4, &x3); /* Y1 Z2 + Y2 Z1 */
    F_(add)(&x3, &p->x, &p->z);
    F_(add)(&y3, &q->x, &q->z);
    F_(mul)(&x3, &x3, &y3);
    F_(add)(&y3, &t0, &t2);
    F_(sub)(&y3, &x3, &y3); /* X1 Z2 + X2 Z1 */
    F_(dbl)(&x3, &t0);
    F_(add)(&t0, &x3, &t0);
    F_(mul)(&t2, &G_(b3), &t2);
    F_(add)(&z3, &t1, &t2);
    F_(sub)(&t1, &t1, &t2);
    F_(mul)(&y3, &G_(b3), &y3);
    F_(mul)(&x3, &t4, &y3);
    F_(mul)(&t2, &t3, &t1);
    F_(sub)(&x3, &t2, &x3);
    F_(mul)(&y3, &y3, &t0);
    F_(mul)(&t1, &t1, &z3);
    F_(add)(&y3, &t1, &y3);
    F_(mul)(&t0, &t0, &t3);
    F_(mul)(&z3, &z3, &t4);
    F_(add)(&z3, &z3, &t0);
    *r = (struct G_(point)){x3, y3, z3};
}
static SN_NOINLINE void G_(ct_dbl)(struct G_(point) * r, const struct G_(point) * p)
{
    F_T t0, t1, t2, x3, y3, z3;
    F_(sqr)(&t0, &p->y);
    F_(dbl)(&z3, &t0);
    F_(dbl)(&z3, &z3);
    F_(dbl)(&z3, &z3);
    F_(mul)(&t1, &p->y, &p->z);
    F_(sqr)(&t2, &p->z);
    F_(mul)(&t2, &G_(b3), &t2);
    F_(mul)(&x3, &t2, &z3);
    F_(add)(&y3, &t0, &t2);
    F_(mul)(&z3, &t1, &z3);
    F_(dbl)(&t1, &t2);
    F_(add)(&t2, &t1, &t2);
    F_(sub)(&t0, &t0, &t2);
    F_(mul)(&y3, &t0, &y3);
    F_(add)(&y3, &x3, &y3);
    F_(mul)(&t1, &p->x, &p->y);
    F_(mul)(&x3, &t0, &t1);
    F_(dbl)(&x3, &x3);
    *r = (struct G_(point)){x3, y3, z3};
}
/* Three-bit windows; every table entry is read each time. */
static void G_(mul_ct)(void *ret, const void *arg, const struct sn_fe *k)
{
    const struct G_(point) *p = arg;
    struct G_(point) table[8], acc, t, *r = ret;
    F_T zz;
    /* Jacobian to homogeneous: (X Z : Y : Z^3); infinity becomes (0 : 1 : 0) by itself. */
    F_(sqr)(&zz, &p->z);
    F_(mul)(&table[1].x, &p->x, &p->z);
    table[1].y = p->y;
    F_(mul)(&table[1].z, &zz, &p->z);
    memset(&table[0], 0, sizeof(table[0]));
    F_(one)(&table[0].y);
    for (unsigned i = 2; i < 8; i++) G_(ct_add)(&table[i], &table[i - 1], &table[1]);
    acc = table[0];
    for (int bit = 257; bit >= 0; bit -= 3) {
        unsigned d = 0;
        for (int i = bit; i > bit - 3; i--) {
            G_(ct_dbl)(&acc, &acc);
            d = d << 1 | (i < 256 ? (unsigned)(k->v[i / 64] >> (i % 64)) & 1 : 0);
        }
        t = table[0];
        for (unsigned i = 1; i < 8; i++) {
            F_(select)(&t.x, &t.x, &table[i].x, i == d);
            F_(select)(&t.y, &t.y, &table[i].y, i == d);
            F_(select)(&t.z, &t.z, &table[i].z, i == d);
        }
        G_(ct_add)(&acc, &acc, &t);
    }
    /* Back: (X Z : Y Z^2 : Z) is Jacobian with the same Z. */
    F_(sqr)(&zz, &acc.z);
    F_(mul)(&r->x, &acc.x, &acc.z);
    F_(mul)(&r->y, &acc.y, &zz);
    r->z = acc.z;
}

static SN_NOINLINE bool G_(on_curve)(const struct G_(affine) * a)
{
    F_T l, s;
    F_(sqr)(&l, &a->y);
    F_(sqr)(&s, &a->x);
    F_(mul)(&s, &s, &a->x);
    F_(add)(&s, &s, &G_(b));
    return F_(equal)(&l, &s);
}
static bool G_(in_subgroup)(const struct G_(affine) * a);
/* 0, SN_E_OUT_OF_RANGE, SN_E_INVALID_ARGUMENT off the curve, SN_E_FAILED_PRECONDITION outside the
 * subgroup; the caller words it. */
static int G_(check)(const void *arg)
{
    const struct G_(affine) *a = arg;
    if (!F_(reduced)(&a->x) || !F_(reduced)(&a->y)) return SN_E_OUT_OF_RANGE;
    if (G_(is_inf)(a)) return 0;
    if (!G_(on_curve)(a)) return SN_E_INVALID_ARGUMENT;
    return G_(in_subgroup)(a) ? 0 : SN_E_FAILED_PRECONDITION;
}
static bool G_(from_x)(void *ret, const void *arg)
{
    struct G_(affine) *r = ret;
    F_T x, s;
    memcpy(&x, arg, sizeof(x));
    F_(sqr)(&s, &x);
    F_(mul)(&s, &s, &x);
    F_(add)(&s, &s, &G_(b));
    if (!F_(sqrt)(&s, &s)) return false;
    r->x = x;
    r->y = s;
    return true;
}

/* Sums of pairs of affine points: lambda = dy/dx, x3 = lambda^2 - x1 - x2, y3 = lambda(x1 - x3) - y1,
 * with one inversion for the batch. */
struct G_(sum)
{
    struct G_(affine) a, b;
    F_T den, before;
    uint8_t kind;
};
enum { G_(plain), G_(take_a), G_(take_b), G_(cancel), G_(tangent) };
static SN_NOINLINE void G_(sum_begin)(struct G_(sum) * s, const void *src, const struct sn_pair *p)
{
    const struct G_(affine) *from = src;
    s->a = from[p->a & ~SN_PAIR_MINUS];
    s->b = from[p->b & ~SN_PAIR_MINUS];
    if (p->a & SN_PAIR_MINUS) F_(neg)(&s->a.y, &s->a.y);
    if (p->b & SN_PAIR_MINUS) F_(neg)(&s->b.y, &s->b.y);
    F_(one)(&s->den);
    if (G_(is_inf)(&s->a)) {
        s->kind = G_(take_b);
    } else if (G_(is_inf)(&s->b)) {
        s->kind = G_(take_a);
    } else if (!F_(equal)(&s->a.x, &s->b.x)) {
        s->kind = G_(plain);
        F_(sub)(&s->den, &s->b.x, &s->a.x);
    } else if (F_(equal)(&s->a.y, &s->b.y)) {
        s->kind = G_(tangent);
        F_(dbl)(&s->den, &s->a.y);
    } else {
        s->kind = G_(cancel);
    }
}
static SN_NOINLINE void G_(sum_end)(struct G_(affine) * r, const struct G_(sum) * s, const F_T *inv)
{
    F_T l, x, t;
    switch (s->kind) {
    case G_(take_a):
        *r = s->a;
        return;
    case G_(take_b):
        *r = s->b;
        return;
    case G_(cancel):
        memset(r, 0, sizeof(*r));
        return;
    case G_(tangent):
        F_(sqr)(&t, &s->a.x);
        F_(dbl)(&l, &t);
        F_(add)(&l, &l, &t);
        break;
    default:
        F_(sub)(&l, &s->b.y, &s->a.y);
    }
    F_(mul)(&l, &l, inv);
    F_(sqr)(&x, &l);
    F_(sub)(&x, &x, &s->a.x);
    F_(sub)(&x, &x, &s->b.x);
    F_(sub)(&t, &s->a.x, &x);
    F_(mul)(&t, &t, &l);
    F_(sub)(&r->y, &t, &s->a.y);
    r->x = x;
}
static void G_(add_pairs)(void *ret, const void *src, const struct sn_pair *pairs, size_t n,
                          void *scratch)
{
    struct G_(sum) *s = scratch;
    F_T acc, inv;
    F_(one)(&acc);
    for (size_t i = 0; i < n; i++) {
        G_(sum_begin)(&s[i], src, &pairs[i]);
        s[i].before = acc;
        F_(mul)(&acc, &acc, &s[i].den);
    }
    F_(inv)(&acc, &acc);
    for (size_t i = n; i-- > 0;) {
        F_(mul)(&inv, &acc, &s[i].before);
        F_(mul)(&acc, &acc, &s[i].den);
        G_(sum_end)((struct G_(affine) *)ret + pairs[i].out, &s[i], &inv);
    }
}
static void G_(export)(void *ret_affine, const void *point)
{
    memcpy(ret_affine, point, sizeof(struct G_(affine)));
}
static void G_(double_batch)(struct G_(affine) * p, size_t n, struct G_(sum) * s)
{
    F_T acc, inv, t, l;
    F_(one)(&acc);
    for (size_t i = 0; i < n; i++) {
        F_(dbl)(&s[i].den, &p[i].y);
        if (F_(is_zero)(&s[i].den)) F_(one)(&s[i].den);
        s[i].before = acc;
        F_(mul)(&acc, &acc, &s[i].den);
    }
    F_(inv)(&acc, &acc);
    for (size_t i = n; i-- > 0;) {
        F_(mul)(&inv, &acc, &s[i].before);
        F_(mul)(&acc, &acc, &s[i].den);
        if (F_(is_zero)(&p[i].y)) { /* infinity, or a point of order two */
            memset(&p[i], 0, sizeof(p[i]));
            continue;
        }
        F_(sqr)(&t, &p[i].x);
        F_(dbl)(&l, &t);
        F_(add)(&l, &l, &t);
        F_(mul)(&l, &l, &inv);
        F_(sqr)(&t, &l);
        F_(sub)(&t, &t, &p[i].x);
        F_(sub)(&t, &t, &p[i].x);
        F_(sub)(&inv, &p[i].x, &t);
        F_(mul)(&inv, &inv, &l);
        F_(sub)(&p[i].y, &inv, &p[i].y);
        p[i].x = t;
    }
}
static void G_(double_all)(void *points, size_t n, void *scratch)
{
    struct G_(affine) *p = points;
    for (size_t from = 0; from < n; from += SN_PAIR_BATCH)
        G_(double_batch)(p + from, SN_MIN(n - from, (size_t)SN_PAIR_BATCH), scratch);
}
static void G_(image)(void *ret, const void *src, size_t n)
{
    const struct G_(affine) *p = src;
    struct G_(affine) *r = ret;
    for (size_t i = 0; i < n; i++) {
        r[i].y = p[i].y;
        F_(mul_fq)(&r[i].x, &p[i].x, &G_(beta));
    }
}
static const struct sn_msm_engine G_(engine) = {
    .point_size = sizeof(struct G_(affine)),
    .scratch_size = SN_PAIR_BATCH * sizeof(struct G_(sum)),
    .export = G_(export),
    .neg = G_(neg_affine),
    .add_pairs = G_(add_pairs),
    .double_all = G_(double_all),
    .image = G_(image),
};

static const struct sn_group_ops G_(ops) = {
    .add = G_(add),
    .add_affine = G_(add_affine),
    .dbl = G_(dbl),
    .neg = G_(neg),
    .neg_affine = G_(neg_affine),
    .mul = G_(mul),
    .mul_ct = G_(mul_ct),
    .from_affine = G_(from_affine),
    .to_affine = G_(to_affine),
    .is_zero = G_(is_zero),
    .equal = G_(equal),
    .check = G_(check),
    .from_x = G_(from_x),
    .clear_cofactor = G_(clear_cofactor),
    .engine = &G_(engine),
    .glv = &glv,
    .beta = G_(beta).v,
};
