/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/field_inv.c - modular inverses by divsteps.
 * Bernstein and Yang, "Fast constant-time gcd computation and modular inversion" (2019), with the
 * half-delta variant and sixty-two steps on the low words between two passes over the whole
 * numbers. Zeros are skipped and multiples cancelled several bits at a time, so time depends on the
 * values; secrets go through Fermat (sn_fe_inv_ct). About 1 us for four words. */
#include "crypto/field_int.h"

#define STEPS 62
#define LOW62 (UINT64_MAX >> 2)
#define LIMBS_MAX 7 /* of 62 bits, for 6 words and two signs */

/* The product of 62 divstep matrices, scaled by 2^62. */
struct matrix {
    int64_t u, v, q, r;
};

/* 62 steps on the low words of f and g. Returns the new eta (minus delta minus a half). */
static int64_t divsteps(int64_t eta, uint64_t f, uint64_t g, struct matrix *ret)
{
    uint64_t u = 1, v = 0, q = 0, r = 1;
    for (int left = STEPS;;) {
        int zeros = __builtin_ctzll(g | (UINT64_MAX << left));
        g >>= zeros, u <<= zeros, v <<= zeros;
        eta -= zeros, left -= zeros;
        if (left == 0) break;
        uint64_t w;
        int64_t bits;
        if (eta < 0) {
            uint64_t t;
            eta = -eta;
            t = f, f = g, g = -t;
            t = u, u = q, q = -t;
            t = v, v = r, r = -t;
            /* w = -g/f mod 2^6: f*(f*f - 2) is -1/f there. */
            bits = SN_MIN(SN_MIN(eta + 1, (int64_t)left), (int64_t)6);
            w = f * g * (f * f - 2);
        } else {
            /* The same mod 2^4; more bits are seldom usable here. */
            bits = SN_MIN(SN_MIN(eta + 1, (int64_t)left), (int64_t)4);
            w = -((f + (((f + 1) & 4) << 1)) * g);
        }
        w &= UINT64_MAX >> (64 - bits);
        g += f * w, q += u * w, r += v * w;
    }
    *ret = (struct matrix){(int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r};
    return eta;
}

/* (f, g) = matrix * (f, g) / 2^62, exact. */
static void update_fg(int64_t *f, int64_t *g, const struct matrix *m, unsigned n)
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
}

/* (d, e) = matrix * (d, e) / 2^62 mod p, both kept within (-2p, p). */
static void update_de(int64_t *d, int64_t *e, const struct matrix *m, const int64_t *p,
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

void sn_fx_inv_plain(uint64_t *r, const uint64_t *a, const uint64_t *p, unsigned n)
{
    unsigned limbs = (64 * n + 2 + STEPS - 1) / STEPS;
    int64_t f[LIMBS_MAX], g[LIMBS_MAX], m[LIMBS_MAX], d[LIMBS_MAX] = {0}, e[LIMBS_MAX] = {1};
    struct matrix t;
    split(m, p, n, limbs);
    split(g, a, n, limbs);
    memcpy(f, m, sizeof(f));
    uint64_t pinv = p[0];
    for (int i = 0; i < 5; i++) pinv *= 2 - p[0] * pinv; /* Newton: 3 bits, 6, 12, 24, 48, 96 */
    int64_t eta = -1;
    for (;;) {
        int64_t any = 0;
        for (unsigned i = 0; i < limbs; i++) any |= g[i];
        if (any == 0) break;
        eta = divsteps(eta, (uint64_t)f[0], (uint64_t)g[0], &t);
        update_de(d, e, &t, m, pinv, limbs);
        update_fg(f, g, &t, limbs);
    }
    /* f is the gcd up to sign: 1 or -1 (p is prime), or p where a was zero: then d is 0. */
    if (f[limbs - 1] < 0)
        for (unsigned i = 0; i < limbs; i++) d[i] = -d[i];
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
    /* Within (-p, 2p) before the sign was fixed: once is enough above. */
    while (fx_cmp(out, p, n) >= 0) {
        uint64_t borrow = 0;
        for (unsigned i = 0; i < n; i++) out[i] = fx_sbb(out[i], p[i], &borrow);
    }
    memcpy(r, out, 8 * n);
}
