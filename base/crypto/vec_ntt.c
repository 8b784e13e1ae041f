/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec_ntt.c - transforms with eight elements to a vector.
 *
 * While a transform runs its elements lie in blocks of eight, five limbs to an element (320 bytes a
 * block). Stages that pair elements eight or more apart pair vectors, two stages at a time; the last
 * three stages pair lanes, so 64 elements are transposed for them and lie transposed from then on:
 * where both directions meet nothing is transposed back. Subproblems are finished one after the
 * other, so all but the first pass works in the cache. Twiddles carry the radix 2^260 of the vector
 * product, elements keep the 2^256 they have in memory.
 *
 * Bounds are in multiples of p, which has at most 255 bits: factors of a twiddle stay below 32p. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/vec_int.h"

#ifdef __AVX512F__
#include "crypto/vec_f5_int.h"

struct sn_vec_ntt {
    const struct sn_field *f;
    unsigned log_n;
    size_t n;
    struct f5 *twiddles; /* block h/8 + j/8 has stage h's powers j..j+7 (see ntt.c), h = 8..n/2 */
    struct f5 *shift;    /* in the transposed order */
    struct f5 lane[3];   /* w8, w8^2 = w4, w8^3, the lanes' twiddles, broadcast */
    struct f5 one, n_inv;
    struct f5_mod m;
};
/* Lane l of a loaded vector is element order[l] of its block (f5_load_words). */
static const uint8_t order[8] = {0, 4, 1, 5, 2, 6, 3, 7};

static size_t bit_reverse(size_t i, unsigned bits)
{
    size_t r = 0;
    for (unsigned k = 0; k < bits; k++) r |= (i >> k & 1) << (bits - 1 - k);
    return r;
}
/* 2^260 mod p as a factor for VEC_(scale_many): from 2^256 to 2^260. */
static void radix_step(const struct sn_field *f, struct sn_fe *ret)
{
    *ret = f->one;
    for (unsigned i = 0; i < 4; i++) sn_fe_dbl(f, ret, ret);
}
static struct f5 broadcast(const struct sn_field *f, const struct sn_fe *a)
{
    struct sn_fe t = *a;
    for (unsigned i = 0; i < 4; i++) sn_fe_dbl(f, &t, &t);
    return f5_set(t.v);
}

/* bit_reverse of base + 8b + e for base a multiple of 64, given that of base. */
static inline size_t reversed_in(size_t base_rev, unsigned b, unsigned e, unsigned log_n)
{
    static const uint8_t rev3[8] = {0, 4, 2, 6, 1, 5, 3, 7};
    return base_rev | (size_t)(rev3[e] << 3 | rev3[b]) << (log_n - 6);
}
/* Arrays of n elements times one factor: n is a multiple of eight. */
static void scale(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                  const struct sn_fe *by, size_t n)
{
    size_t done = VEC_(scale_many)(f, ret, a, by, n);
    SN_ASSERT(done == n);
}
static int make_tables(struct sn_vec_ntt *t, const struct sn_fe *powers, const struct sn_fe *shift)
{
    size_t n = t->n;
    struct sn_fe *row = sn_alloc(n * sizeof(struct sn_fe)), step;
    if (!row) return SN_E_NOMEM;
    radix_step(t->f, &step);
    scale(t->f, row, powers, &step, n / 2);
    for (size_t h = 8; h <= n / 2; h *= 2)
        for (size_t j = 0; j < h; j += 8) {
            struct sn_fe x[8];
            __m512i w[4];
            for (size_t k = 0; k < 8; k++) x[k] = row[(j + k) * (n / 2 / h)];
            f5_load_words(w, x);
            t->twiddles[(h + j) / 8] = f5_split(w, 0);
        }
    for (unsigned k = 0; k < 3; k++) t->lane[k] = f5_set(row[(k + 1) * (n / 8)].v);
    if (shift) scale(t->f, row, shift, &step, n);
    for (size_t base = 0; shift && base < n; base += 64) {
        size_t rev = bit_reverse(base, t->log_n);
        for (unsigned e = 0; e < 8; e++) {
            struct sn_fe x[8];
            __m512i w[4];
            for (unsigned b = 0; b < 8; b++) /* so that lane b is block b */
                x[order[b]] = row[(n - reversed_in(rev, b, e, t->log_n)) & (n - 1)];
            f5_load_words(w, x);
            t->shift[base / 8 + e] = f5_split(w, 0);
        }
    }
    sn_free(row);
    return 0;
}

int VEC_(ntt_new)(const struct sn_field *f, unsigned log_n, const struct sn_fe *powers,
                    const struct sn_fe *shift, const struct sn_fe *n_inv, struct sn_vec_ntt **ret)
{
    if (log_n < SN_VEC_NTT_LOG_MIN || f->bits > 255) return SN_E_UNIMPLEMENTED;
    struct sn_vec_ntt *t = sn_aligned_alloc(64, sizeof(*t));
    if (!t) return SN_E_NOMEM;
    memset(t, 0, sizeof(*t));
    t->f = f, t->log_n = log_n, t->n = (size_t)1 << log_n;
    f5_mod_init(&t->m, f->p.v, f->inv);
    t->one = broadcast(f, &f->one);
    t->n_inv = broadcast(f, n_inv);
    t->twiddles = sn_aligned_alloc(64, t->n / 8 * sizeof(struct f5));
    if (shift) t->shift = sn_aligned_alloc(64, t->n / 8 * sizeof(struct f5));
    if (!t->twiddles || (shift && !t->shift) || make_tables(t, powers, shift) < 0) {
        VEC_(ntt_free)(t);
        return SN_E_NOMEM;
    }
    *ret = t;
    return 0;
}
void VEC_(ntt_free)(struct sn_vec_ntt *t)
{
    if (!t) return;
    sn_free(t->twiddles);
    sn_free(t->shift);
    sn_free(t);
}

struct run {
    const struct sn_vec_ntt *t;
    struct sn_fe *a;
    struct f5 *buf;
    enum sn_ntt_mode mode;
    size_t quarter, chunks; /* blocks in a quarter; jobs of a spanning pass */
    unsigned spans;         /* passes over quarters of quarters before blocks are jobs */
};

/* Two stages down, halves of 2q and q vectors apart: inputs below 4p, outputs below 4p. */
static SN_ALWAYS_INLINE void dif4_at(const struct sn_vec_ntt *t, struct f5 *x, size_t q, size_t j)
{
    const struct f5_mod *m = &t->m;
    const struct f5 *tw2 = t->twiddles + 2 * q, *tw1 = t->twiddles + q;
    struct f5 a0 = x[j], a1 = x[j + q], a2 = x[j + 2 * q], a3 = x[j + 3 * q];
    struct f5 s0 = f5_add_raw(&a0, &a2), s1 = f5_add_raw(&a1, &a3);
    struct f5 d0 = f5_sub(&a0, &a2, &m->p4), d1 = f5_sub(&a1, &a3, &m->p4);
    d0 = f5_mul(&d0, &tw2[j], m);
    d1 = f5_mul(&d1, &tw2[j + q], m);
    struct f5 y = f5_add(&s0, &s1);
    y = f5_reduce(&y, &m->p8);
    x[j] = f5_reduce(&y, &m->p4);
    y = f5_sub(&s0, &s1, &m->p8);
    x[j + q] = f5_mul(&y, &tw1[j], m);
    x[j + 2 * q] = f5_add_raw(&d0, &d1);
    y = f5_sub(&d0, &d1, &m->p2);
    x[j + 3 * q] = f5_mul(&y, &tw1[j], m);
}
/* One stage down, q vectors apart: below 4p to below 4p. */
static SN_ALWAYS_INLINE void dif2_at(const struct sn_vec_ntt *t, struct f5 *x, size_t q, size_t j)
{
    const struct f5_mod *m = &t->m;
    struct f5 a = x[j], b = x[j + q], y = f5_add(&a, &b);
    x[j] = f5_reduce(&y, &m->p4);
    y = f5_sub(&a, &b, &m->p4);
    x[j + q] = f5_mul(&y, &t->twiddles[q + j], m);
}
/* Two stages up: outputs 4p above the inputs, which are at most 28p; below 4p if asked to reduce. */
static SN_ALWAYS_INLINE void dit4_at(const struct sn_vec_ntt *t, struct f5 *x, size_t q, size_t j,
                                     bool reduce)
{
    const struct f5_mod *m = &t->m;
    const struct f5 *tw2 = t->twiddles + 2 * q, *tw1 = t->twiddles + q;
    struct f5 a1 = f5_carry(x[j + q]), a3 = f5_carry(x[j + 3 * q]);
    a1 = f5_mul(&a1, &tw1[j], m);
    a3 = f5_mul(&a3, &tw1[j], m);
    struct f5 u0 = f5_add_raw(&x[j], &a1), u1 = f5_sub_raw(&x[j], &a1, &m->p2);
    struct f5 u2 = f5_add(&x[j + 2 * q], &a3), u3 = f5_sub(&x[j + 2 * q], &a3, &m->p2);
    u2 = f5_mul(&u2, &tw2[j], m);
    u3 = f5_mul(&u3, &tw2[j + q], m);
    struct f5 y[4] = {f5_add_raw(&u0, &u2), f5_add_raw(&u1, &u3), f5_sub_raw(&u0, &u2, &m->p2),
                      f5_sub_raw(&u1, &u3, &m->p2)};
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        if (reduce) {
            y[i] = f5_carry(y[i]);
            y[i] = f5_reduce(&y[i], &m->p16);
            y[i] = f5_reduce(&y[i], &m->p8);
            y[i] = f5_reduce(&y[i], &m->p4);
        }
        x[j + i * q] = y[i];
    }
}
static SN_ALWAYS_INLINE void dit2_at(const struct sn_vec_ntt *t, struct f5 *x, size_t q, size_t j)
{
    const struct f5_mod *m = &t->m;
    struct f5 b = f5_carry(x[j + q]);
    b = f5_mul(&b, &t->twiddles[q + j], m);
    x[j + q] = f5_sub_raw(&x[j], &b, &m->p2);
    x[j] = f5_add_raw(&x[j], &b);
}

/* Lanes to vectors and back: 64 elements, element order[l] of block b in out[order[l]] lane b. */
static SN_NOINLINE void turn(struct f5 *out, const struct f5 *in, bool back)
{
    for (unsigned limb = 0; limb < 5; limb++) {
        __m512i r[8], c[8];
        for (unsigned i = 0; i < 8; i++) r[i] = in[back ? order[i] : i].l[limb];
        f5_transpose(c, r);
        for (unsigned i = 0; i < 8; i++) out[back ? i : order[i]].l[limb] = c[i];
    }
}
/* The three lane stages down, on turned elements: from below 4p to below 32p. */
static SN_NOINLINE void lanes_down(const struct sn_vec_ntt *t, struct f5 x[8])
{
    const struct f5_mod *m = &t->m;
    struct f5 y;
    for (unsigned e = 0; e < 4; e++) {
        struct f5 a = x[e], b = x[e + 4];
        x[e] = f5_add_raw(&a, &b);
        y = f5_sub(&a, &b, &m->p4);
        x[e + 4] = e == 0 ? y : f5_mul(&y, &t->lane[e - 1], m);
    }
    /* x0..x3, x4 below 8p; x5..x7 below 2p */
    for (unsigned g = 0; g < 8; g += 4)
        for (unsigned e = 0; e < 2; e++) {
            struct f5 a = x[g + e], b = x[g + e + 2];
            x[g + e] = f5_add_raw(&a, &b);
            y = f5_sub(&a, &b, g == 0 ? &m->p8 : &m->p2);
            x[g + e + 2] = e == 0 ? y : f5_mul(&y, &t->lane[1], m);
        }
    /* x0, x1, x2 below 16p; x3, x7 below 2p; x4, x6 below 10p; x5 below 4p */
    for (unsigned g = 0; g < 8; g += 2) {
        struct f5 a = x[g], b = x[g + 1];
        x[g] = f5_add(&a, &b);
        x[g + 1] = f5_sub(&a, &b, g == 0 ? &m->p16 : g == 4 ? &m->p4 : &m->p2);
    }
}
/* The same up: from below 2p to below 16p. */
static SN_NOINLINE void lanes_up(const struct sn_vec_ntt *t, struct f5 x[8])
{
    const struct f5_mod *m = &t->m;
    for (unsigned g = 0; g < 8; g += 2) {
        struct f5 a = x[g], b = x[g + 1];
        x[g] = f5_add(&a, &b);
        x[g + 1] = f5_sub(&a, &b, &m->p2);
    }
    for (unsigned g = 0; g < 8; g += 4)
        for (unsigned e = 0; e < 2; e++) {
            struct f5 a = x[g + e], b = x[g + e + 2];
            if (e == 1) b = f5_mul(&b, &t->lane[1], m);
            x[g + e] = f5_add(&a, &b);
            x[g + e + 2] = f5_sub(&a, &b, e == 0 ? &m->p4 : &m->p2);
        }
    for (unsigned e = 0; e < 4; e++) {
        struct f5 a = x[e], b = x[e + 4];
        if (e > 0) b = f5_mul(&b, &t->lane[e - 1], m);
        x[e] = f5_add(&a, &b);
        x[e + 4] = f5_sub(&a, &b, e == 0 ? &m->p8 : &m->p2);
    }
}

/* Where results in bit-reversed order go, as canonical words. */
static void scatter(const struct run *r, size_t base_rev, unsigned e, const struct f5 *x)
{
    size_t n = r->t->n;
    struct sn_fe out[8];
    __m512i w[4];
    struct f5 y = f5_reduce(x, &r->t->m.p);
    f5_join(w, &y);
    f5_store_words(out, w);
    for (unsigned b = 0; b < 8; b++) {
        size_t at = reversed_in(base_rev, b, e, r->t->log_n);
        if (r->mode == SN_NTT_INVERSE) at = (n - at) & (n - 1);
        r->a[at] = out[order[b]];
    }
}
/* 64 elements where the passes meet. */
static void turn_point(const struct run *r, size_t base)
{
    const struct sn_vec_ntt *t = r->t;
    struct f5 x[8];
    size_t rev = bit_reverse(base, t->log_n);
    turn(x, r->buf + base / 8, false);
    lanes_down(t, x);
    for (unsigned e = 0; e < 8; e++) {
        const struct f5 *scale = r->mode == SN_NTT_COSET     ? &t->shift[base / 8 + e]
                                 : r->mode == SN_NTT_INVERSE ? &t->n_inv
                                                             : &t->one;
        x[e] = f5_mul(&x[e], scale, &t->m);
        if (r->mode != SN_NTT_COSET) scatter(r, rev, e, &x[e]);
    }
    if (r->mode != SN_NTT_COSET) return;
    lanes_up(t, x);
    turn(r->buf + base / 8, x, true);
}
/* All stages of `size` elements from `base` on, down and (to a coset) up again. */
static void solve(const struct run *r, size_t base, size_t size)
{
    const struct sn_vec_ntt *t = r->t;
    struct f5 *x = r->buf + base / 8;
    bool up = r->mode == SN_NTT_COSET;
    if (size == 64) {
        for (size_t j = 0; j < 4; j++) dif2_at(t, x, 4, j);
        dif4_at(t, x, 1, 0), dif4_at(t, x + 4, 1, 0);
        turn_point(r, base);
        if (!up) return;
        dit4_at(t, x, 1, 0, false), dit4_at(t, x + 4, 1, 0, false); /* 16p to 20p */
        for (size_t j = 0; j < 4; j++) dit2_at(t, x, 4, j);         /* to 22p */
        return;
    }
    size_t q = size / 32;
    for (size_t j = 0; j < q; j++) dif4_at(t, x, q, j);
    if (size == 128) {
        for (size_t k = 0; k < 16; k += 4) dif4_at(t, x + k, 1, 0);
        turn_point(r, base), turn_point(r, base + 64);
        for (size_t k = 0; up && k < 16; k += 4) dit4_at(t, x + k, 1, 0, false); /* to 20p */
    } else {
        for (size_t k = 0; k < 4; k++) solve(r, base + k * (size / 4), size / 4);
    }
    /* From 22p or 24p each level adds 4p; every sixth or so must come down before 32p. */
    bool reduce = size == 1 << 10 || size == 1 << 11 || size == 1 << 22 || size == 1 << 23;
    for (size_t j = 0; up && j < q; j++) dit4_at(t, x, q, j, reduce);
}

static void load_chunk(void *arg, size_t i)
{
    const struct run *r = arg;
    size_t blocks = r->t->n / 8, per = (blocks + r->chunks - 1) / r->chunks;
    for (size_t b = i * per; b < SN_MIN(blocks, (i + 1) * per); b++) {
        __m512i w[4];
        f5_load_words(w, r->a + 8 * b);
        r->buf[b] = f5_split(w, 0);
    }
}
/* Job i of the pass over `quarter`: all butterflies j of that residue in each group of four. */
static SN_ALWAYS_INLINE void span(const struct run *r, size_t i, bool up)
{
    size_t q = r->quarter, per = (q + r->chunks - 1) / r->chunks;
    for (size_t group = 0; group < r->t->n / 8; group += 4 * q)
        for (size_t j = i * per; j < SN_MIN(q, (i + 1) * per); j++) {
            if (up)
                dit4_at(r->t, r->buf + group, q, j, true);
            else
                dif4_at(r->t, r->buf + group, q, j);
        }
}
static void span_down(void *arg, size_t i) { span(arg, i, false); }
static void span_up(void *arg, size_t i) { span(arg, i, true); }
static void solve_job(void *arg, size_t i)
{
    const struct run *r = arg;
    solve(r, i * r->quarter * 8, r->quarter * 8);
}
/* Back to canonical words, a[-i] = element i. */
static void store_chunk(void *arg, size_t i)
{
    const struct run *r = arg;
    const struct f5_mod *m = &r->t->m;
    size_t n = r->t->n, blocks = n / 8, per = (blocks + r->chunks - 1) / r->chunks;
    for (size_t b = i * per; b < SN_MIN(blocks, (i + 1) * per); b++) {
        struct f5 y = f5_carry(r->buf[b]);
        struct sn_fe out[8];
        __m512i w[4];
        y = f5_reduce(&y, &m->p2); /* below 4p after the last pass */
        y = f5_reduce(&y, &m->p);
        f5_join(w, &y);
        f5_store_words(out, w);
        for (size_t k = 0; k < 8; k++) r->a[(n - 8 * b - k) & (n - 1)] = out[k];
    }
}

int VEC_(ntt_run)(const struct sn_vec_ntt *t, struct sn_fe *a, enum sn_ntt_mode mode,
                    const struct sn_par *par)
{
    struct run r = {.t = t, .a = a, .mode = mode};
    size_t width = sn_par_width(par), jobs = 4;
    r.buf = sn_aligned_alloc(64, t->n / 8 * sizeof(struct f5));
    if (!r.buf) return SN_E_NOMEM;
    r.chunks = SN_MIN(2 * width, t->n / 64);
    r.quarter = t->n / 32;
    sn_par_run(par, load_chunk, &r, r.chunks);
    sn_par_run(par, span_down, &r, r.chunks);
    /* More cores than quarters: one more pass all together. */
    bool twice = width > 4 && t->n >= 1 << 10;
    if (twice) {
        r.quarter /= 4, jobs = 16;
        sn_par_run(par, span_down, &r, r.chunks);
    }
    sn_par_run(par, solve_job, &r, jobs);
    if (mode == SN_NTT_COSET) {
        if (twice) {
            sn_par_run(par, span_up, &r, r.chunks);
            r.quarter *= 4;
        }
        sn_par_run(par, span_up, &r, r.chunks);
        sn_par_run(par, store_chunk, &r, r.chunks);
    }
    sn_free(r.buf);
    return 0;
}
#endif
