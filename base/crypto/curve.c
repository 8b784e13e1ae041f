/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/curve.c - groups behind one interface: dispatch, checks, coordinates, many products. */
#include "crypto/curve.h"

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/curve_int.h"

static unsigned q_words(const struct sn_group *g) { return (unsigned)(g->q_size / 8); }
static const struct sn_fx *fx_of(const struct sn_group *g)
{
    return g->q_size == 32 ? &sn_bn254_fx : &sn_bls12_381_fx;
}

void sn_point_zero(const struct sn_group *g, struct sn_point *ret)
{
    static const uint64_t inf[SN_AFFINE_MAX / 8];
    g->ops->from_affine(ret, inf);
}
bool sn_point_is_zero(const struct sn_group *g, const struct sn_point *a)
{
    return g->ops->is_zero(a);
}
bool sn_point_equal(const struct sn_group *g, const struct sn_point *a, const struct sn_point *b)
{
    return g->ops->equal(a, b);
}
void sn_point_add(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                  const struct sn_point *b)
{
    g->ops->add(ret, a, b);
}
void sn_point_add_affine(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                         const void *affine_b)
{
    g->ops->add_affine(ret, a, affine_b);
}
void sn_point_dbl(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a)
{
    g->ops->dbl(ret, a);
}
void sn_point_neg(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a)
{
    g->ops->neg(ret, a);
}
void sn_point_mul(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                  const struct sn_fe *scalar)
{
    g->ops->mul(ret, a, scalar);
}
void sn_point_mul_ct(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                     const struct sn_fe *scalar)
{
    g->ops->mul_ct(ret, a, scalar);
}
void sn_point_from_affine(const struct sn_group *g, struct sn_point *ret, const void *affine)
{
    g->ops->from_affine(ret, affine);
}
void sn_point_to_affine(const struct sn_group *g, void *ret_affine, const struct sn_point *a)
{
    g->ops->to_affine(ret_affine, a, sizeof(*a), 1);
}
int sn_point_to_affine_many(const struct sn_group *g, void *ret_affine, const struct sn_point *a,
                            size_t n)
{
    g->ops->to_affine(ret_affine, a, sizeof(*a), n);
    return 0;
}

bool sn_affine_is_zero(const struct sn_group *g, const void *affine)
{
    const uint64_t *w = affine;
    uint64_t any = 0;
    for (size_t i = 0; i < g->affine_size / 8; i++) any |= w[i];
    return any == 0;
}
void sn_affine_neg(const struct sn_group *g, void *ret_affine, const void *affine)
{
    g->ops->neg_affine(ret_affine, affine);
}
int sn_affine_check(const struct sn_group *g, const void *affine)
{
    switch (g->ops->check(affine)) {
    case 0:
        return 0;
    case SN_E_OUT_OF_RANGE:
        return sn_fail(SN_E_OUT_OF_RANGE, "%s: a coordinate is not below the modulus", g->name);
    case SN_E_INVALID_ARGUMENT:
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: the point is not on the curve", g->name);
    default:
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: the point is not in the subgroup of order r",
                       g->name);
    }
}

#define CHECK_CHUNK 256
struct check_job {
    const struct sn_group *g;
    const char *points;
    size_t n, bad; /* bad: the lowest index found so far, n for none */
};
static void check_chunk(void *arg, size_t chunk)
{
    struct check_job *j = arg;
    size_t end = SN_MIN((chunk + 1) * CHECK_CHUNK, j->n);
    for (size_t i = chunk * CHECK_CHUNK; i < end; i++) {
        uint64_t point[SN_AFFINE_MAX / 8];
        memcpy(point, j->points + i * j->g->affine_size, j->g->affine_size);
        if (j->g->ops->check(point) == 0) continue;
        size_t seen = __atomic_load_n(&j->bad, __ATOMIC_RELAXED);
        while (i < seen && !__atomic_compare_exchange_n(&j->bad, &seen, i, false, __ATOMIC_RELAXED,
                                                        __ATOMIC_RELAXED)) {
        }
        return;
    }
}
int sn_affine_check_many(const struct sn_group *g, const void *affine, size_t n,
                         const struct sn_par *par, size_t *ret_bad)
{
    struct check_job j = {g, affine, n, n};
    sn_par_run(par, check_chunk, &j, (n + CHECK_CHUNK - 1) / CHECK_CHUNK);
    if (j.bad == n) return 0;
    uint64_t point[SN_AFFINE_MAX / 8];
    *ret_bad = j.bad;
    memcpy(point, j.points + j.bad * g->affine_size, g->affine_size);
    return sn_affine_check(g, point);
}
bool sn_affine_from_x(const struct sn_group *g, void *ret_affine, const void *x)
{
    return g->ops->from_x(ret_affine, x);
}
void sn_affine_clear_cofactor(const struct sn_group *g, void *ret_affine, const void *affine)
{
    g->ops->clear_cofactor(ret_affine, affine);
}

/* Coordinate i as plain words, and back. */
static void coord_get(const struct sn_group *g, const void *affine, unsigned i, uint64_t *out)
{
    static const uint64_t one[SN_FX_WORDS_MAX] = {1};
    const struct sn_fx *q = fx_of(g);
    const uint64_t *w = (const uint64_t *)affine + i * q_words(g);
    if (q_words(g) == 4)
        fx_mul(out, w, one, q->p, q->inv, 4);
    else
        fx_mul(out, w, one, q->p, q->inv, 6);
}
static void coord_set(const struct sn_group *g, void *affine, unsigned i, const uint64_t *in)
{
    const struct sn_fx *q = fx_of(g);
    uint64_t *w = (uint64_t *)affine + i * q_words(g);
    if (q_words(g) == 4)
        fx_mul(w, in, q->r2, q->p, q->inv, 4);
    else
        fx_mul(w, in, q->r2, q->p, q->inv, 6);
}
void sn_affine_get_le(const struct sn_group *g, const void *affine, unsigned i, void *out)
{
    uint64_t w[SN_FX_WORDS_MAX];
    coord_get(g, affine, i, w);
    sn_fx_store_le(out, w, q_words(g));
}
int sn_affine_set_le(const struct sn_group *g, void *affine, unsigned i, const void *in)
{
    uint64_t w[SN_FX_WORDS_MAX];
    sn_fx_load_le(w, in, q_words(g));
    if (fx_cmp(w, fx_of(g)->p, q_words(g)) >= 0) return SN_E_OUT_OF_RANGE;
    coord_set(g, affine, i, w);
    return 0;
}
size_t sn_affine_get_dec(const struct sn_group *g, const void *affine, unsigned i,
                         char out[SN_FE_DEC_MAX])
{
    uint64_t w[SN_FX_WORDS_MAX];
    coord_get(g, affine, i, w);
    return sn_fx_dec(w, q_words(g), out);
}
int sn_affine_set_dec(const struct sn_group *g, void *affine, unsigned i, struct sn_str text)
{
    uint64_t w[SN_FX_WORDS_MAX];
    int r = sn_fx_parse(w, text, 10, fx_of(g)->p, q_words(g));
    if (r == 0) coord_set(g, affine, i, w);
    return r;
}

/* r += a * b modulo 2^256. */
static void mul_add_256(uint64_t r[4], const uint64_t *a, unsigned n, const uint64_t b[4])
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; i + j < 4; j++) {
            sn_u128 t = (sn_u128)a[i] * b[j] + r[i + j] + carry;
            r[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
    }
}
/* The words of k * g above 2^256. */
static void high_product(uint64_t c[3], const uint64_t k[4], const uint64_t g[3])
{
    uint64_t t[7] = {0};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; j < 4; j++) {
            sn_u128 x = (sn_u128)g[i] * k[j] + t[i + j] + carry;
            t[i + j] = (uint64_t)x;
            carry = (uint64_t)(x >> 64);
        }
        t[i + 4] = carry;
    }
    memcpy(c, t + 4, 24);
}
static bool magnitude(uint64_t k[4])
{
    bool neg = k[3] >> 63;
    uint64_t borrow = 0;
    for (unsigned i = 0; i < 4 && neg; i++) k[i] = fx_sbb(0, k[i], &borrow);
    return neg;
}
void sn_glv_split(const struct sn_glv *glv, const struct sn_field *fr, const struct sn_fe *k,
                  uint64_t k1[4], bool *neg1, uint64_t k2[4], bool *neg2)
{
    struct sn_fe t;
    uint64_t c1[3], c2[3];
    sn_fe_reduce(fr, &t, k);
    high_product(c1, t.v, glv->g[0]);
    high_product(c2, t.v, glv->g[1]);
    memcpy(k1, t.v, 32);
    memset(k2, 0, 32);
    mul_add_256(k1, c1, 3, glv->k1[0]);
    mul_add_256(k1, c2, 3, glv->k1[1]);
    mul_add_256(k2, c1, 3, glv->k2[0]);
    mul_add_256(k2, c2, 3, glv->k2[1]);
    *neg1 = magnitude(k1);
    *neg2 = magnitude(k2);
}

#define MUL_CHUNK 64
/* Tables of d * 2^(8w) * base for d = 1..255, w = 0..31: a product is 32 mixed additions. */
#define FIXED_WINDOWS 32
#define FIXED_DIGITS 255
struct fixed_job {
    const struct sn_group *g;
    char *ret, *table;
    const struct sn_fe *scalars;
    size_t n;
};
static void fixed_window(void *arg, size_t w)
{
    const struct fixed_job *j = arg;
    const struct sn_group *g = j->g;
    char *row = j->table + w * FIXED_DIGITS * g->affine_size;
    struct sn_point t[5], acc; /* five divide 255 */
    char first[SN_AFFINE_MAX] SN_ALIGNED(8);
    memcpy(first, row, g->affine_size); /* put there by sn_group_mul_fixed */
    g->ops->from_affine(&acc, first);
    for (size_t d = 0; d < FIXED_DIGITS; d += SN_COUNT_OF(t)) {
        for (size_t k = 0; k < SN_COUNT_OF(t); k++) {
            t[k] = acc;
            g->ops->add_affine(&acc, &acc, first);
        }
        g->ops->to_affine(row + d * g->affine_size, t, sizeof(t[0]), SN_COUNT_OF(t));
    }
}
static void fixed_chunk(void *arg, size_t chunk)
{
    const struct fixed_job *j = arg;
    const struct sn_group *g = j->g;
    size_t size = g->affine_size, end = SN_MIN((chunk + 1) * MUL_CHUNK, j->n);
    struct sn_point t[8];
    for (size_t i = chunk * MUL_CHUNK; i < end; i += SN_COUNT_OF(t)) {
        size_t m = SN_MIN(end - i, SN_COUNT_OF(t));
        for (size_t k = 0; k < m; k++) {
            const uint64_t *s = j->scalars[i + k].v;
            sn_point_zero(g, &t[k]);
            for (unsigned w = 0; w < FIXED_WINDOWS; w++) {
                unsigned d = (unsigned)(s[w / 8] >> (8 * (w % 8))) & 255;
                if (d) g->ops->add_affine(&t[k], &t[k], j->table + (w * FIXED_DIGITS + d - 1) * size);
            }
        }
        g->ops->to_affine(j->ret + i * size, t, sizeof(t[0]), m);
    }
}
int sn_group_mul_fixed(const struct sn_group *g, void *ret_affine, const void *base,
                       const struct sn_fe *scalars, size_t n, const struct sn_par *par)
{
    size_t size = g->affine_size;
    struct sn_point p;
    if (n < MUL_CHUNK) { /* the table would cost more */
        for (size_t i = 0; i < n; i++) {
            g->ops->from_affine(&p, base);
            g->ops->mul(&p, &p, &scalars[i]);
            g->ops->to_affine((char *)ret_affine + i * size, &p, sizeof(p), 1);
        }
        return 0;
    }
    char *table = sn_alloc(FIXED_WINDOWS * FIXED_DIGITS * size);
    if (!table) return SN_E_NOMEM;
    g->ops->from_affine(&p, base);
    for (unsigned w = 0; w < FIXED_WINDOWS; w++) {
        g->ops->to_affine(table + w * FIXED_DIGITS * size, &p, sizeof(p), 1);
        for (unsigned i = 0; i < 8; i++) g->ops->dbl(&p, &p);
    }
    struct fixed_job j = {g, ret_affine, table, scalars, n};
    sn_par_run(par, fixed_window, &j, FIXED_WINDOWS);
    sn_par_run(par, fixed_chunk, &j, (n + MUL_CHUNK - 1) / MUL_CHUNK);
    sn_free(table);
    return 0;
}
