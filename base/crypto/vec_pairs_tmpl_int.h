/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec_pairs_tmpl_int.h - sums of pairs of affine points, eight at a time.
 * A template, included by vec_msm.c once for each coordinate field: V_T is eight coordinates, V_(x)
 * their operations and the names made here, V_ROWS the cache lines of a point. Points are reduced
 * below 2p, zeros at infinity, and their coordinates a sixteenth of themselves (vec_msm.c): the slope
 * of a sum is right, its square must be divided by 16, which a quarter of the slope does; a tangent's
 * 3x^2/2y must be 16 times as large.
 *
 * One pass forward multiplies up the denominators x2 - x1, lane by lane; after one inversion a pass
 * backward finishes the sums. Equal or opposite points make the product zero, infinite ones show on
 * loading: then the batch is done again with care, where masks say which lanes are doublings,
 * copies, or cancel. */

struct V_(group)
{
    V_T x1, y1, x2, y2, den, before;
    __mmask8 inf1, inf2, tangent, cancel;
};

static SN_ALWAYS_INLINE void V_(forward)(struct V_(group) * s, V_T *acc, const V_(mod_t) * m,
                                         bool careful)
{
    s->den = V_(sub)(&s->x2, &s->x1, m);
    if (careful) {
        __mmask8 same = V_(is_zero)(&s->den, m);
        V_T sum = V_(add)(&s->y1, &s->y2), two_y = V_(add)(&s->y1, &s->y1), one = V_(one)(m);
        __mmask8 inf = s->inf1 | s->inf2;
        s->cancel = same & V_(is_zero)(&sum, m) & (__mmask8)~inf;
        s->tangent = same & (__mmask8) ~(s->cancel | inf);
        s->den = V_(blend)(s->tangent, &s->den, &two_y);
        s->den = V_(blend)(inf | s->cancel, &s->den, &one);
    }
    s->before = *acc;
    *acc = V_(mul)(&s->den, acc, m);
}
static SN_ALWAYS_INLINE void V_(backward)(struct V_(group) * s, V_T *acc, const V_(mod_t) * m,
                                          bool careful)
{
    V_T inv; /* a quarter of it: acc has the factor */
    V_(mul_both)(&inv, &s->before, acc, &s->den, m);
    V_T num = V_(sub)(&s->y2, &s->y1, m);
    if (careful) {
        V_T sq = V_(sqr)(&s->x1, m);
        sq = V_(times_16)(&sq, m);
        V_T three = V_(triple)(&sq, m);
        num = V_(blend)(s->tangent, &num, &three);
    }
    V_T l = V_(mul)(&num, &inv, m), x3 = V_(sqr)(&l, m);
    V_T xs = V_(add)(&s->x1, &s->x2);
    x3 = V_(sub_reduce)(&x3, &xs, m);
    V_T t = V_(sub)(&s->x1, &x3, m);
    t = V_(quadruple)(&t);
    t = V_(mul)(&t, &l, m);
    V_T y3 = V_(sub_once)(&t, &s->y1, m);
    if (careful) {
        x3 = V_(blend)(s->inf1, &x3, &s->x2), y3 = V_(blend)(s->inf1, &y3, &s->y2);
        x3 = V_(blend)(s->inf2, &x3, &s->x1), y3 = V_(blend)(s->inf2, &y3, &s->y1);
        __mmask8 none = s->cancel | (s->inf1 & s->inf2);
        x3 = V_(clear)(none, &x3), y3 = V_(clear)(none, &y3);
    }
    s->x1 = x3, s->y1 = y3;
}

/* Eight pairs from their places; the last pair fills the lanes that are left over. */
static SN_ALWAYS_INLINE void V_(gather)(struct V_(group) * s, const char *src,
                                        const struct sn_pair *p, size_t n, const V_(mod_t) * m)
{
    const char *a[8], *b[8];
    __mmask8 minus_a = 0, minus_b = 0;
    for (unsigned k = 0; k < 8; k++) {
        const struct sn_pair *q = &p[SN_MIN((size_t)k, n - 1)];
        a[k] = src + (size_t)(q->a & ~SN_PAIR_MINUS) * (64 * V_ROWS);
        b[k] = src + (size_t)(q->b & ~SN_PAIR_MINUS) * (64 * V_ROWS);
        minus_a |= (__mmask8)(q->a >> 31 << k);
        minus_b |= (__mmask8)(q->b >> 31 << k);
    }
    s->inf1 = V_(load)(&s->x1, &s->y1, a);
    s->inf2 = V_(load)(&s->x2, &s->y2, b);
    if (!(minus_a | minus_b)) return; /* all levels of a tree but the first */
    V_T neg = V_(neg)(&s->y1, m);
    s->y1 = V_(blend)(minus_a & (__mmask8)~s->inf1, &s->y1, &neg);
    neg = V_(neg)(&s->y2, m);
    s->y2 = V_(blend)(minus_b & (__mmask8)~s->inf2, &s->y2, &neg);
}

static void V_(add_pairs)(void *ret, const void *src, const struct sn_pair *pairs, size_t n,
                          void *scratch)
{
    struct V_(group) *s = scratch;
    size_t groups = (n + 7) / 8;
    V_(mod_t) mod, *m = &mod;
    V_(mod_init)(m);
    __mmask8 odd = 0;
    V_T acc = V_(one)(m);
    for (size_t i = 0; i < groups; i++) {
        for (size_t k = 8 * i + 24; k < SN_MIN(8 * i + 32, n); k++) { /* three groups ahead */
            const char *a = (const char *)src + (size_t)(pairs[k].a & ~SN_PAIR_MINUS) * (64 * V_ROWS);
            const char *b = (const char *)src + (size_t)(pairs[k].b & ~SN_PAIR_MINUS) * (64 * V_ROWS);
            for (unsigned r = 0; r < V_ROWS; r++)
                __builtin_prefetch(a + 64 * r), __builtin_prefetch(b + 64 * r);
        }
        V_(gather)(&s[i], src, pairs + 8 * i, n - 8 * i, m);
        odd |= s[i].inf1 | s[i].inf2;
        V_(forward)(&s[i], &acc, m, false);
    }
    bool careful = odd != 0 || !V_(invert)(&acc, m, -2);
    if (careful) {
        acc = V_(one)(m);
        for (size_t i = 0; i < groups; i++) V_(forward)(&s[i], &acc, m, true);
        bool invertible = V_(invert)(&acc, m, -2);
        SN_ASSERT(invertible);
    }
    for (size_t i = groups; i-- > 0;) {
        if (careful)
            V_(backward)(&s[i], &acc, m, true);
        else
            V_(backward)(&s[i], &acc, m, false);
        char *out[8];
        for (unsigned k = 0; k < 8; k++)
            out[k] = (char *)ret + (size_t)pairs[SN_MIN(8 * i + k, n - 1)].out * (64 * V_ROWS);
        V_(store)(out, &s[i].x1, &s[i].y1);
    }
}

/* One doubling pass forward. Points of order two have y = 0 too, and no inverse: with `careful` they
 * are found, and double to infinity as infinity does. */
static SN_ALWAYS_INLINE void V_(tangent)(struct V_(group) * s, V_T *acc, const V_(mod_t) * m,
                                         bool careful)
{
    V_T one = V_(one)(m);
    s->den = V_(add)(&s->y1, &s->y1);
    if (careful) s->inf1 |= V_(is_zero)(&s->den, m);
    s->den = V_(blend)(s->inf1, &s->den, &one);
    s->before = *acc;
    *acc = V_(mul)(&s->den, acc, m);
}
static void V_(double_batch)(char *points, size_t groups, struct V_(group) * s, const V_(mod_t) * m)
{
    V_T acc = V_(one)(m);
    for (size_t i = 0; i < groups; i++) {
        const char *in[8];
        for (unsigned k = 0; k < 8; k++) in[k] = points + (8 * i + k) * (64 * V_ROWS);
        s[i].inf1 = V_(load)(&s[i].x1, &s[i].y1, in);
        V_(tangent)(&s[i], &acc, m, false);
    }
    /* 16 for the tangent, a quarter for its square. */
    if (!V_(invert)(&acc, m, 2)) {
        acc = V_(one)(m);
        for (size_t i = 0; i < groups; i++) V_(tangent)(&s[i], &acc, m, true);
        bool invertible = V_(invert)(&acc, m, 2);
        SN_ASSERT(invertible);
    }
    for (size_t i = groups; i-- > 0;) {
        V_T inv, sq = V_(sqr)(&s[i].x1, m);
        V_(mul_both)(&inv, &s[i].before, &acc, &s[i].den, m);
        V_T num = V_(triple)(&sq, m), l = V_(mul)(&num, &inv, m), x3 = V_(sqr)(&l, m);
        V_T xs = V_(add)(&s[i].x1, &s[i].x1);
        x3 = V_(sub_reduce)(&x3, &xs, m);
        V_T t = V_(sub)(&s[i].x1, &x3, m);
        t = V_(quadruple)(&t);
        t = V_(mul)(&t, &l, m);
        V_T y3 = V_(sub_once)(&t, &s[i].y1, m);
        x3 = V_(clear)(s[i].inf1, &x3), y3 = V_(clear)(s[i].inf1, &y3);
        char *out[8];
        for (unsigned k = 0; k < 8; k++) out[k] = points + (8 * i + k) * (64 * V_ROWS);
        V_(store)(out, &x3, &y3);
    }
}
static void V_(double_all)(void *points, size_t n, void *scratch)
{
    V_(mod_t) mod;
    V_(mod_init)(&mod);
    for (size_t from = 0; from < n; from += SN_PAIR_BATCH)
        V_(double_batch)((char *)points + from * (64 * V_ROWS),
                         SN_MIN(n - from, (size_t)SN_PAIR_BATCH) / 8, scratch, &mod);
}
static void V_(image)(void *ret, const void *src, size_t n)
{
    V_(mod_t) mod;
    V_(mod_init)(&mod);
    V_T beta = V_(beta)(&mod);
    for (size_t i = 0; i < n; i += 8) {
        const char *in[8];
        char *out[8];
        V_T x, y;
        for (unsigned k = 0; k < 8; k++) {
            in[k] = (const char *)src + (i + k) * (64 * V_ROWS);
            out[k] = (char *)ret + (i + k) * (64 * V_ROWS);
        }
        (void)V_(load)(&x, &y, in);
        x = V_(mul)(&x, &beta, &mod);
        V_(store)(out, &x, &y);
    }
}
