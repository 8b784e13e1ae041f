/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/field_inv.c - modular inverses by the binary greatest common divisor.
 * Pornin, "Optimized Binary GCD for Modular Inversion" (2020): which of two numbers is larger is decided by
 * their top bits, what to add is decided by their lowest bits, so that one word stands for each while 31 bits
 * go. Two such halves make a pass of 62 over the whole numbers; between them 62-bit windows are brought up to
 * date, not the numbers. In place of one bit a step, all zeros at the end go at once, and nothing in a step
 * branches on values: a wrong guess of the processor would cost as much as four steps. How many steps there
 * are depends on the values: secrets go through Fermat (sn_fe_inv_ct). 0.76 us for four words at 2.7 GHz. */
#include "crypto/field_int.h"

#define STEPS 62
#define HALF 31
#define LOW62 (UINT64_MAX >> 2)
#define LOW31 ((UINT64_C(1) << HALF) - 1)
#define LIMBS_MAX 7 /* of 62 bits, for 6 words and two signs */

/* f becomes (u*f + v*g)/2^k, g (q*f + r*g)/2^k; |u| + |v| and |q| + |r| are at most 2^k. */
struct matrix {
    int64_t u, v, q, r;
};

static SN_ALWAYS_INLINE unsigned zeros_of(uint64_t x)
{
    return x ? (unsigned)__builtin_ctzll(x) : 64;
}

/* d = g - f, and all ones where that is negative. Written so that no compiler makes a branch or a detour through
 * bytes of it: of the five cycles of a step it may take two. */
static SN_ALWAYS_INLINE uint64_t subtract(uint64_t g, uint64_t f, uint64_t *ret_less)
{
#ifdef SN_FIELD_ASM
    uint64_t d = g, less;
    __asm__("subq %[f],%[d]\n\tsbbq %[less],%[less]" : [d] "+r"(d), [less] "=r"(less) : [f] "r"(f) : "cc");
    *ret_less = less;
    return d;
#else
    *ret_less = (uint64_t)0 - (uint64_t)(g < f);
    return g - f;
#endif
}
/* 31 halvings of g on words whose low 31 bits are those of the numbers and whose high 33 bits are their size. f is
 * odd, f and g below 2^64. A row of the matrix is two numbers of 32 bits in one word. */
static SN_ALWAYS_INLINE struct matrix half_pass(uint64_t f, uint64_t g)
{
    const uint64_t bias = 0x7fffffff7fffffff; /* halves are within (-2^31, 2^31] */
    uint64_t row_f = 1, row_g = UINT64_C(1) << 32;
    unsigned left = HALF;
    for (unsigned zeros = zeros_of(g); zeros < left;) {
        left -= zeros;
        g >>= zeros;
        row_f <<= zeros;
        /* The larger less the smaller becomes g, the smaller f. */
        uint64_t less, d = subtract(g, f, &less), e = row_g - row_f;
        zeros = zeros_of(d);
        f += d & less, g = (d ^ less) - less;
        row_f += e & less, row_g = (e ^ less) - less;
    }
    row_f = (row_f << left) + bias, row_g += bias;
    return (struct matrix){(int64_t)(row_f & UINT32_MAX) - 0x7fffffff, (int64_t)(row_f >> 32) - 0x7fffffff,
                           (int64_t)(row_g & UINT32_MAX) - 0x7fffffff, (int64_t)(row_g >> 32) - 0x7fffffff};
}

/* What 62 bits from the highest on are in both numbers, and their low 62: exact where these are all. */
struct window {
    uint64_t high, low;
};
/* (a*x + b*y)/2^31 of windows; where that is negative, its negative and those of a and b. The high parts stand
 * for numbers that were cut off: a sign may be wrong next to 0, which costs time only. */
static SN_ALWAYS_INLINE struct window combine(int64_t *a, int64_t *b, const struct window *x,
                                              const struct window *y)
{
    __int128 high = (__int128)*a * (int64_t)x->high + (__int128)*b * (int64_t)y->high;
    uint64_t low = (uint64_t)*a * x->low + (uint64_t)*b * y->low;
    int64_t h = (int64_t)(high >> HALF), sign = h >> 63;
    *a = (*a ^ sign) - sign, *b = (*b ^ sign) - sign;
    return (struct window){(uint64_t)((h ^ sign) - sign), ((low >> HALF) ^ (uint64_t)sign) - (uint64_t)sign};
}

/* 62 halvings. f and g are not negative; their limbs above *top are 0. */
static SN_ALWAYS_INLINE struct matrix pass(const int64_t *f, const int64_t *g, unsigned *top)
{
    unsigned i = *top;
    while (i > 0 && (f[i] | g[i]) == 0) i--;
    *top = i;
    if (i == 0) { /* the numbers themselves */
        struct window x = {(uint64_t)f[0], (uint64_t)f[0]}, y = {(uint64_t)g[0], (uint64_t)g[0]};
        struct matrix a = half_pass(x.high, y.high);
        struct window p = combine(&a.u, &a.v, &x, &y), q = combine(&a.q, &a.r, &x, &y);
        struct matrix b = half_pass(p.high, q.high);
        return (struct matrix){b.u * a.u + b.v * a.q, b.u * a.v + b.v * a.r, b.q * a.u + b.r * a.q,
                               b.q * a.v + b.r * a.r};
    }
    unsigned bits = 64 - (unsigned)__builtin_clzll((uint64_t)(f[i] | g[i]));
    struct window x = {(uint64_t)f[i] << (STEPS - bits) | (uint64_t)f[i - 1] >> bits, (uint64_t)f[0]};
    struct window y = {(uint64_t)g[i] << (STEPS - bits) | (uint64_t)g[i - 1] >> bits, (uint64_t)g[0]};
#define WORD(w, shift) ((w).high >> (shift) << HALF | ((w).low & LOW31))
    struct matrix a = half_pass(WORD(x, STEPS - 33), WORD(y, STEPS - 33));
    struct window p = combine(&a.u, &a.v, &x, &y), q = combine(&a.q, &a.r, &x, &y);
    unsigned up = (unsigned)__builtin_clzll(p.high | q.high | 1);
    p.high <<= up, q.high <<= up;
    struct matrix b = half_pass(WORD(p, HALF), WORD(q, HALF));
#undef WORD
    return (struct matrix){b.u * a.u + b.v * a.q, b.u * a.v + b.v * a.r, b.q * a.u + b.r * a.q,
                           b.q * a.v + b.r * a.r};
}

static SN_NOINLINE SN_COLD void negate(int64_t *a, unsigned n)
{
    int64_t carry = 0;
    for (unsigned i = 0; i < n; i++) {
        int64_t t = carry - a[i];
        a[i] = i + 1 < n ? (int64_t)((uint64_t)t & LOW62) : t;
        carry = t >> STEPS;
    }
}
/* (f, g) = matrix * (f, g) / 2^62, exact, of n limbs; made positive, and the matrix what leads there. */
static SN_ALWAYS_INLINE void update_fg(int64_t *f, int64_t *g, struct matrix *m, unsigned n)
{
    __int128 cf = 0, cg = 0;
    for (unsigned i = 0; i < n; i++) {
        cf += (__int128)m->u * f[i] + (__int128)m->v * g[i];
        cg += (__int128)m->q * f[i] + (__int128)m->r * g[i];
        if (i > 0) {
            f[i - 1] = (int64_t)((uint64_t)cf & LOW62);
            g[i - 1] = (int64_t)((uint64_t)cg & LOW62);
        }
        cf >>= STEPS, cg >>= STEPS;
    }
    f[n - 1] = (int64_t)cf, g[n - 1] = (int64_t)cg;
    if (SN_UNLIKELY(cf < 0)) m->u = -m->u, m->v = -m->v, negate(f, n);
    if (SN_UNLIKELY(cg < 0)) m->q = -m->q, m->r = -m->r, negate(g, n);
}

/* (d, e) = matrix * (d, e) / 2^62 mod p, both kept within (-2p, p). */
static SN_ALWAYS_INLINE void update_de(int64_t *d, int64_t *e, const struct matrix *m, const int64_t *p,
                                       uint64_t pinv, unsigned n)
{
    int64_t sd = d[n - 1] >> 63, se = e[n - 1] >> 63;
    int64_t md = (m->u & sd) + (m->v & se), me = (m->q & sd) + (m->r & se);
    __int128 cd = (__int128)m->u * d[0] + (__int128)m->v * e[0];
    __int128 ce = (__int128)m->q * d[0] + (__int128)m->r * e[0];
    /* Multiples of p that make the low 62 bits zero. */
    md -= (int64_t)((pinv * (uint64_t)cd + (uint64_t)md) & LOW62);
    me -= (int64_t)((pinv * (uint64_t)ce + (uint64_t)me) & LOW62);
    cd += (__int128)p[0] * md, ce += (__int128)p[0] * me;
#pragma GCC unroll 7
    for (unsigned i = 1; i < n; i++) {
        cd >>= STEPS, ce >>= STEPS;
        cd += (__int128)m->u * d[i] + (__int128)m->v * e[i] + (__int128)p[i] * md;
        ce += (__int128)m->q * d[i] + (__int128)m->r * e[i] + (__int128)p[i] * me;
        d[i - 1] = (int64_t)((uint64_t)cd & LOW62);
        e[i - 1] = (int64_t)((uint64_t)ce & LOW62);
    }
    d[n - 1] = (int64_t)(cd >> STEPS), e[n - 1] = (int64_t)(ce >> STEPS);
}

static void split(int64_t *r, const uint64_t *a, unsigned words, unsigned limbs)
{
    for (unsigned i = 0; i < limbs; i++) {
        unsigned bit = 62 * i, w = bit / 64, s = bit % 64;
        uint64_t x = w < words ? a[w] >> s : 0;
        if (s > 2 && w + 1 < words) x |= a[w + 1] << (64 - s);
        r[i] = (int64_t)(x & LOW62);
    }
}
static void carry_up(int64_t *d, unsigned n)
{
    for (unsigned i = 0; i + 1 < n; i++) {
        d[i + 1] += d[i] >> STEPS;
        d[i] = (int64_t)((uint64_t)d[i] & LOW62);
    }
}

static SN_ALWAYS_INLINE void invert(uint64_t *r, const uint64_t *a, const uint64_t *p, unsigned n)
{
    const unsigned limbs = (64 * n + 2 + STEPS - 1) / STEPS;
    int64_t f[LIMBS_MAX], g[LIMBS_MAX], m[LIMBS_MAX], d[LIMBS_MAX] = {0}, e[LIMBS_MAX] = {1};
    unsigned top = limbs - 1;
    split(m, p, n, limbs);
    split(g, a, n, limbs);
    memcpy(f, m, sizeof(f));
    uint64_t pinv = p[0];
    for (int i = 0; i < 5; i++) pinv *= 2 - p[0] * pinv; /* Newton: 3 bits, 6, 12, 24, 48, 96 */
    for (;;) {
        int64_t any = 0;
        for (unsigned i = 0; i < limbs; i++) any |= g[i];
        if (any == 0) break;
        struct matrix t = pass(f, g, &top);
        update_fg(f, g, &t, top + 1);
        update_de(d, e, &t, m, pinv, limbs);
    }
    /* f is the gcd: 1 (p is prime), or p where a was zero: then d is 0. */
    carry_up(d, limbs);
    while (d[limbs - 1] < 0) {
        for (unsigned i = 0; i < limbs; i++) d[i] += m[i];
        carry_up(d, limbs);
    }
    uint64_t out[SN_FX_WORDS_MAX + 1] = {0};
    for (unsigned i = 0; i < limbs; i++) {
        unsigned bit = 62 * i, w = bit / 64, s = bit % 64;
        if (w < n) out[w] |= (uint64_t)d[i] << s;
        if (s > 2 && w + 1 < n) out[w + 1] |= (uint64_t)d[i] >> (64 - s);
    }
    /* d was within (-2p, p). */
    while (fx_cmp(out, p, n) >= 0) {
        uint64_t borrow = 0;
        for (unsigned i = 0; i < n; i++) out[i] = fx_sbb(out[i], p[i], &borrow);
    }
    memcpy(r, out, 8 * n);
}

#ifdef SN_FIELD_ASM
/* Shifts that leave the flags alone: the compiler's for any x86-64 take two more cycles of a step's five. */
__attribute__((target("bmi,bmi2"))) static void invert_4(uint64_t *r, const uint64_t *a, const uint64_t *p)
{
    invert(r, a, p, 4);
}
__attribute__((target("bmi,bmi2"))) static void invert_6(uint64_t *r, const uint64_t *a, const uint64_t *p)
{
    invert(r, a, p, 6);
}
#endif
void sn_fx_inv_plain(uint64_t *r, const uint64_t *a, const uint64_t *p, unsigned n)
{
#ifdef SN_FIELD_ASM
    if (sn_field_adx && n == 4) {
        invert_4(r, a, p);
        return;
    }
    if (sn_field_adx && n == 6) {
        invert_6(r, a, p);
        return;
    }
#endif
    invert(r, a, p, n);
}
