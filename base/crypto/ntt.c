/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ntt.c - transforms over a scalar field: the scalar engine, and the door to the vector one.
 *
 * Both engines know two passes with one table of powers of w: decimation in frequency, which takes
 * natural order to bit-reversed order, and decimation in time, which takes it back. A transform is
 * the first and a reordering; its inverse reads the result at -i; and from a domain to its coset
 * both passes meet in bit-reversed order, so nothing is reordered but the sign of the index. */
#include "crypto/ntt.h"

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/curve_int.h"
#include "crypto/vec_int.h"

struct sn_ntt {
    const struct sn_field *f;
    unsigned log_n;
    size_t n;
    struct sn_fe root, n_inv;
    struct sn_fe *twiddles; /* [h + j] = (root^(n/2h))^j for h = 1, 2, 4 .. n/2 and j < h */
    struct sn_fe *shift;    /* [k] = g^k/n; NULL where the field has no g */
    const struct sn_vec_engine *engine; /* of vec; NULL without */
    struct sn_vec_ntt *vec;
};

static size_t bit_reverse(size_t i, unsigned bits)
{
    size_t r = 0;
    for (unsigned k = 0; k < bits; k++) r |= (i >> k & 1) << (bits - 1 - k);
    return r;
}
/* out[i] = first * base^i for n elements: what is there times base^(how much is there), doubling. */
static void powers(const struct sn_field *f, struct sn_fe *out, size_t n, const struct sn_fe *base,
                   const struct sn_fe *first)
{
    struct sn_fe jump = *base;
    if (n == 0) return;
    out[0] = *first;
    for (size_t have = 1; have < n; have *= 2) {
        size_t more = SN_MIN(have, n - have);
        size_t done = sn_vec_of(f) ? sn_vec_of(f)->scale_many(f, out + have, out, &jump, more) : 0;
        for (size_t i = done; i < more; i++) sn_fe_mul(f, &out[have + i], &out[i], &jump);
        sn_fe_sqr(f, &jump, &jump);
    }
}

int sn_ntt_new(const struct sn_field *f, unsigned log_n, struct sn_ntt **ret)
{
    if (log_n > f->two_adicity || log_n > SN_NTT_LOG_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, "transform of 2^%u elements: %s has roots up to 2^%u",
                       log_n, f->name, SN_MIN(f->two_adicity, (unsigned)SN_NTT_LOG_MAX));
    struct sn_ntt *t = SN_NEW(struct sn_ntt);
    if (!t) return SN_E_NOMEM;
    size_t n = (size_t)1 << log_n;
    struct sn_fe g = f->root;
    t->f = f, t->log_n = log_n, t->n = n;
    t->twiddles = sn_alloc(n * sizeof(struct sn_fe));
    if (!t->twiddles) goto nomem;
    for (unsigned i = log_n + 1; i < f->two_adicity; i++) sn_fe_sqr(f, &g, &g);
    t->root = g;
    if (log_n < f->two_adicity) sn_fe_sqr(f, &t->root, &g);
    sn_fe_set_u64(f, &t->n_inv, n);
    sn_fe_inv(f, &t->n_inv, &t->n_inv);
    powers(f, t->twiddles + n / 2, n / 2, &t->root, &f->one);
    if (log_n < f->two_adicity) {
        t->shift = sn_alloc(n * sizeof(struct sn_fe));
        if (!t->shift) goto nomem;
        powers(f, t->shift, n, &g, &t->n_inv);
    }
    t->engine = sn_vec_of(f);
    int r = t->engine ? t->engine->ntt_new(f, log_n, t->twiddles + n / 2, t->shift, &t->n_inv, &t->vec)
                      : SN_E_UNIMPLEMENTED;
    if (r == 0) {
        sn_free(t->twiddles);
        t->twiddles = NULL;
        sn_free(t->shift);
        t->shift = NULL;
    } else if (r == SN_E_NOMEM) {
        goto nomem;
    } else {
        for (size_t h = n / 4; h >= 1; h /= 2)
            for (size_t j = 0; j < h; j++) t->twiddles[h + j] = t->twiddles[2 * h + 2 * j];
    }
    *ret = t;
    return 0;
nomem:
    sn_ntt_free(t);
    return SN_E_NOMEM;
}
void sn_ntt_free(struct sn_ntt *t)
{
    if (!t) return;
    if (t->vec) t->engine->ntt_free(t->vec);
    sn_free(t->twiddles);
    sn_free(t->shift);
    sn_free(t);
}
const struct sn_fe *sn_ntt_root(const struct sn_ntt *t) { return &t->root; }

/* A pass over 2^log_n elements: the stages that span blocks run one after the other, cut into
 * chunks; then each block runs all its own. */
struct pass {
    const struct sn_ntt *t;
    struct sn_fe *a;
    size_t half, block, chunks;
};
static void dif_butterflies(const struct sn_ntt *t, struct sn_fe *a, size_t h, size_t from,
                            size_t to)
{
    const struct sn_fe *w = t->twiddles + h;
    for (size_t j = from; j < to; j++) {
        struct sn_fe d;
        sn_fe_sub(t->f, &d, &a[j], &a[j + h]);
        sn_fe_add(t->f, &a[j], &a[j], &a[j + h]);
        sn_fe_mul(t->f, &a[j + h], &d, &w[j]);
    }
}
static void dit_butterflies(const struct sn_ntt *t, struct sn_fe *a, size_t h, size_t from,
                            size_t to)
{
    const struct sn_fe *w = t->twiddles + h;
    for (size_t j = from; j < to; j++) {
        struct sn_fe b;
        sn_fe_mul(t->f, &b, &a[j + h], &w[j]);
        sn_fe_sub(t->f, &a[j + h], &a[j], &b);
        sn_fe_add(t->f, &a[j], &a[j], &b);
    }
}
typedef void butterflies_fn(const struct sn_ntt *t, struct sn_fe *a, size_t h, size_t from,
                            size_t to);
static inline void stage_chunk(const struct pass *p, size_t i, butterflies_fn *fn)
{
    /* Butterfly number x of the stage: block x / half, place x % half. */
    size_t per = p->t->n / 2 / p->chunks, x = i * per, end = x + per;
    while (x < end) {
        size_t from = x % p->half, to = SN_MIN(p->half, from + (end - x));
        fn(p->t, p->a + (x - from) * 2, p->half, from, to);
        x += to - from;
    }
}
static void dif_stage(void *arg, size_t i) { stage_chunk(arg, i, dif_butterflies); }
static void dit_stage(void *arg, size_t i) { stage_chunk(arg, i, dit_butterflies); }
static void dif_block(void *arg, size_t i)
{
    const struct pass *p = arg;
    for (size_t h = p->block / 2; h >= 1; h /= 2)
        for (size_t at = 0; at < p->block; at += 2 * h)
            dif_butterflies(p->t, p->a + i * p->block + at, h, 0, h);
}
static void dit_block(void *arg, size_t i)
{
    const struct pass *p = arg;
    for (size_t h = 1; h < p->block; h *= 2)
        for (size_t at = 0; at < p->block; at += 2 * h)
            dit_butterflies(p->t, p->a + i * p->block + at, h, 0, h);
}
static struct pass pass_of(const struct sn_ntt *t, struct sn_fe *a, const struct sn_par *par)
{
    size_t chunks = 1;
    while (chunks < 4 * (size_t)sn_par_width(par) && chunks < t->n / 64) chunks *= 2;
    return (struct pass){t, a, 0, t->n / chunks, chunks};
}
static void dif(const struct sn_ntt *t, struct sn_fe *a, const struct sn_par *par)
{
    struct pass p = pass_of(t, a, par);
    for (p.half = t->n / 2; p.half >= p.block; p.half /= 2)
        sn_par_run(par, dif_stage, &p, p.chunks);
    sn_par_run(par, dif_block, &p, p.chunks);
}
static void dit(const struct sn_ntt *t, struct sn_fe *a, const struct sn_par *par)
{
    struct pass p = pass_of(t, a, par);
    sn_par_run(par, dit_block, &p, p.chunks);
    for (p.half = p.block; p.half < t->n; p.half *= 2) sn_par_run(par, dit_stage, &p, p.chunks);
}
static void swap(struct sn_fe *a, struct sn_fe *b)
{
    struct sn_fe x = *a;
    *a = *b;
    *b = x;
}
static void reorder(const struct sn_ntt *t, struct sn_fe *a)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t r = bit_reverse(i, t->log_n);
        if (r > i) swap(&a[i], &a[r]);
    }
}
/* a[i] to a[-i]. */
static void negate_index(const struct sn_ntt *t, struct sn_fe *a)
{
    for (size_t i = 1; i < t->n - i; i++) swap(&a[i], &a[t->n - i]);
}

int sn_ntt_forward(const struct sn_ntt *t, struct sn_fe *a, const struct sn_par *par)
{
    if (t->vec) return t->engine->ntt_run(t->vec, a, SN_NTT_FORWARD, par);
    dif(t, a, par);
    reorder(t, a);
    return 0;
}
int sn_ntt_inverse(const struct sn_ntt *t, struct sn_fe *a, const struct sn_par *par)
{
    if (t->vec) return t->engine->ntt_run(t->vec, a, SN_NTT_INVERSE, par);
    dif(t, a, par);
    reorder(t, a);
    negate_index(t, a);
    for (size_t i = 0; i < t->n; i++) sn_fe_mul(t->f, &a[i], &a[i], &t->n_inv);
    return 0;
}
int sn_ntt_to_coset(const struct sn_ntt *t, struct sn_fe *a, const struct sn_par *par)
{
    if (t->log_n >= t->f->two_adicity)
        return sn_fail(SN_E_OUT_OF_RANGE, "%s has no root of order 2^%u", t->f->name, t->log_n + 1);
    if (t->vec) return t->engine->ntt_run(t->vec, a, SN_NTT_COSET, par);
    dif(t, a, par);
    for (size_t p = 0; p < t->n; p++) {
        size_t k = (t->n - bit_reverse(p, t->log_n)) & (t->n - 1);
        sn_fe_mul(t->f, &a[p], &a[p], &t->shift[k]);
    }
    dit(t, a, par);
    negate_index(t, a);
    return 0;
}
