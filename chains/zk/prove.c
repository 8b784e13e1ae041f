/* SPDX-License-Identifier: Apache-2.0 */
/* zk/prove.c - the Groth16 prover.
 *
 * Four multi-scalar products take the witness as it is, and come first: their points are let go before
 * the quotient needs its room.
 * A.w and B.w are evaluated per row, C.w is their product (a satisfied row needs no third sum).
 * All three go from the domain <w> to its odd coset, where A*B - C is the quotient up to a constant
 * that the key's H points (Lagrange points of that coset) have absorbed: no division. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "crypto/msm.h"
#include "crypto/ntt.h"
#include "zk/bin.h"
#include "zk/zkey_int.h"

#define GATHER 512u /* products multiplied at a time: 32 KiB of operands */

static void used(const struct sn_zkey *z, const void *p, size_t n)
{
    if (z->used) z->used(p, n);
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct rows {
    const struct sn_zkey *z;
    const struct sn_fe *w;
    struct sn_fe *ab[2]; /* A.w and B.w by row */
    size_t n_jobs;
    uint32_t *from; /* n_jobs+1: where each job's coefficients begin */
    bool failed;
};

static uint32_t row_of(const struct sn_zkey *z, uint32_t i)
{
    return sn_le32(z->coefs + (size_t)i * SN_ZKEY_COEF_BYTES + 4);
}

/* Jobs take runs of whole rows where the entries are sorted; otherwise one job does it all. */
static void cut_rows(struct rows *r)
{
    const struct sn_zkey *z = r->z;
    if (!z->coefs_sorted) r->n_jobs = 1;
    r->from[0] = 0;
    for (size_t j = 1; j < r->n_jobs; j++) {
        uint32_t at = (uint32_t)((uint64_t)z->n_coefs * j / r->n_jobs);
        while (at > 0 && at < z->n_coefs && row_of(z, at) == row_of(z, at - 1)) at++;
        r->from[j] = at;
    }
    r->from[r->n_jobs] = z->n_coefs;
}

struct gather {
    struct sn_fe x[GATHER], y[GATHER];
    struct sn_fe *to[GATHER];
};

static void rows_job(void *arg, size_t j)
{
    struct rows *r = arg;
    const struct sn_field *f = r->z->curve->fr;
    struct gather *g = sn_alloc(sizeof(*g));
    if (!g) {
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
        return;
    }
    uint32_t at = r->from[j], end = r->from[j + 1];
    while (at < end) {
        uint32_t n = SN_MIN(GATHER, end - at);
        for (uint32_t i = 0; i < n; i++) {
            const uint8_t *e = r->z->coefs + (size_t)(at + i) * SN_ZKEY_COEF_BYTES;
            memcpy(g->x[i].v, e + 12, 32);
            g->y[i] = r->w[sn_le32(e + 8)]; /* plain: the value carries R^2 */
            g->to[i] = &r->ab[sn_le32(e)][sn_le32(e + 4)];
        }
        sn_fe_mul_many(f, g->x, g->x, g->y, n);
        for (uint32_t i = 0; i < n; i++) sn_fe_add(f, g->to[i], g->to[i], &g->x[i]);
        at += n;
    }
    sn_free(g);
}

/* ---- the quotient ---------------------------------------------------------------------------- */

struct pointwise {
    const struct sn_field *f;
    struct sn_fe *a, *b, *c;
    size_t n, n_jobs;
    bool last; /* a = a*b - c, else c = a*b */
};

static void pointwise_job(void *arg, size_t j)
{
    struct pointwise *p = arg;
    size_t lo = p->n * j / p->n_jobs, n = p->n * (j + 1) / p->n_jobs - lo;
    if (p->last) {
        sn_fe_mul_many(p->f, p->a + lo, p->a + lo, p->b + lo, n);
        sn_fe_sub_many(p->f, p->a + lo, p->a + lo, p->c + lo, n);
    } else {
        sn_fe_mul_many(p->f, p->c + lo, p->a + lo, p->b + lo, n);
    }
}

/* h[0..n) = values of A*B - C on the odd coset, Montgomery, in v; v has room for 3n. */
static int quotient(const struct sn_zkey *z, const struct sn_fe *w_plain, const struct sn_par *par,
                    struct sn_fe *v)
{
    size_t n = (size_t)1 << z->domain_log;
    struct rows rows = {.z = z, .w = w_plain, .ab = {v, v + n}};
    rows.n_jobs = 4 * (size_t)sn_par_width(par);
    uint32_t *from SN_CLEANUP(sn_freep) = rows.from = SN_NEW_ARRAY(uint32_t, rows.n_jobs + 1);
    if (!from) return SN_E_NOMEM;
    memset(v, 0, 2 * n * sizeof(*v));
    cut_rows(&rows);
    sn_par_run(par, rows_job, &rows, rows.n_jobs);
    if (rows.failed) return SN_E_NOMEM;
    used(z, z->coefs, (size_t)z->n_coefs * SN_ZKEY_COEF_BYTES);
    struct pointwise p = {.f = z->curve->fr, .a = v, .b = v + n, .c = v + 2 * n, .n = n,
                          .n_jobs = 4 * (size_t)sn_par_width(par)};
    sn_par_run(par, pointwise_job, &p, p.n_jobs);
    struct sn_ntt *t;
    int r = sn_ntt_new(z->curve->fr, z->domain_log, &t);
    if (r < 0) return r;
    for (int i = 0; i < 3 && r == 0; i++) r = sn_ntt_to_coset(t, v + (size_t)i * n, par);
    sn_ntt_free(t);
    if (r < 0) return r;
    p.last = true;
    sn_par_run(par, pointwise_job, &p, p.n_jobs);
    return 0;
}

/* ---- the proof ------------------------------------------------------------------------------- */

struct sums {
    struct sn_point a, b1, b2, c, h;
};

/* What the witness weighs, all at once: one queue of jobs, the dearest first. */
static int sum_witness(const struct sn_zkey *z, const struct sn_fe *w_plain,
                       const struct sn_par *par, struct sums *ret)
{
    const struct sn_group *g1 = &z->curve->g1, *g2 = &z->curve->g2;
    uint32_t skip = z->n_public + 1;
    size_t n = z->n_vars;
    struct sn_msm_sum sums[] = {
        {.g = g2, .points = z->b2, .scalars = w_plain, .n = n},
        {.g = g1, .points = z->c, .scalars = w_plain + skip, .n = n - skip},
        {.g = g1, .points = z->a, .scalars = w_plain, .n = n},
        {.g = g1, .points = z->b1, .scalars = w_plain, .n = n},
    };
    int r = sn_msm_many(sums, SN_COUNT_OF(sums), &(struct sn_msm_opts){.par = par});
    if (r < 0) return r;
    for (size_t i = 0; i < SN_COUNT_OF(sums); i++)
        used(z, sums[i].points, sums[i].n * sums[i].g->affine_size);
    ret->b2 = sums[0].ret, ret->c = sums[1].ret, ret->a = sums[2].ret, ret->b1 = sums[3].ret;
    return 0;
}

/* 64 random bytes modulo the group order: as good as uniform. Montgomery. */
static void random_scalar(const struct sn_field *f, const uint8_t *bytes, struct sn_fe *ret)
{
    struct sn_fe lo, hi;
    memcpy(lo.v, bytes, 32);
    memcpy(hi.v, bytes + 32, 32);
    sn_fe_reduce(f, &lo, &lo);
    sn_fe_reduce(f, &hi, &hi);
    sn_fe_to_mont(f, &lo, &lo);
    sn_fe_to_mont(f, &hi, &hi);
    sn_fe_mul(f, &hi, &hi, &f->r2); /* r2 as a Montgomery value is 2^256 */
    sn_fe_add(f, ret, &hi, &lo);
    sn_wipe(&lo, sizeof(lo));
    sn_wipe(&hi, sizeof(hi));
}

/* sum += k * point, for secret k. */
struct blind {
    const struct sn_group *g;
    struct sn_point *sum, point;
    struct sn_fe k;
};
static void blind_job(void *arg, size_t i)
{
    struct blind *b = (struct blind *)arg + i;
    sn_point_mul_ct(b->g, &b->point, &b->point, &b->k);
}
static void blind_all(struct blind *b, size_t n, const struct sn_par *par)
{
    sn_par_run(par, blind_job, b, n);
    for (size_t i = 0; i < n; i++) sn_point_add(b[i].g, b[i].sum, b[i].sum, &b[i].point);
    sn_wipe(b, n * sizeof(*b));
}

/* A = alpha + a + r delta, B = beta + b + s delta, C = c + h + s A + r B1 - r s delta. */
static SN_NOINLINE void assemble(const struct sn_zkey *z, struct sums *m, const uint8_t *random,
                     const struct sn_par *par, struct sn_groth_proof *ret)
{
    const struct sn_group *g1 = &z->curve->g1, *g2 = &z->curve->g2;
    const struct sn_field *f = z->curve->fr;
    struct sn_fe r, s, minus_rs;
    struct sn_point delta1, delta2;
    random_scalar(f, random, &r);
    random_scalar(f, random + 64, &s);
    sn_fe_mul(f, &minus_rs, &r, &s);
    sn_fe_neg(f, &minus_rs, &minus_rs);
    sn_fe_from_mont(f, &r, &r);
    sn_fe_from_mont(f, &s, &s);
    sn_fe_from_mont(f, &minus_rs, &minus_rs);
    sn_point_from_affine(g1, &delta1, z->delta1);
    sn_point_from_affine(g2, &delta2, z->delta2);
    struct blind first[] = {{g2, &m->b2, delta2, s}, {g1, &m->a, delta1, r},
                            {g1, &m->b1, delta1, s}, {g1, &m->c, delta1, minus_rs}};
    blind_all(first, SN_COUNT_OF(first), par);
    sn_point_add_affine(g1, &m->a, &m->a, z->alpha1);
    sn_point_add_affine(g1, &m->b1, &m->b1, z->beta1);
    sn_point_add_affine(g2, &m->b2, &m->b2, z->beta2);
    sn_point_add(g1, &m->c, &m->c, &m->h);
    struct blind then[] = {{g1, &m->c, m->a, s}, {g1, &m->c, m->b1, r}};
    blind_all(then, SN_COUNT_OF(then), par);
    *ret = (struct sn_groth_proof){.curve = z->curve};
    sn_point_to_affine(g1, ret->a, &m->a);
    sn_point_to_affine(g2, ret->b, &m->b2);
    sn_point_to_affine(g1, ret->c, &m->c);
    sn_wipe(&r, sizeof(r));
    sn_wipe(&s, sizeof(s));
    sn_wipe(&minus_rs, sizeof(minus_rs));
}

int sn_groth_prove(const struct sn_zkey *z, const struct sn_fe *w, size_t n, const uint8_t *random,
                   const struct sn_par *par, struct sn_groth_proof *ret)
{
    size_t domain = (size_t)1 << z->domain_log;
    if (n != z->n_vars)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a witness of %zu values for a key of %u", n,
                       z->n_vars);
    size_t room = 3 * domain * sizeof(struct sn_fe);
    struct sn_fe *plain = sn_alloc(n * sizeof(*plain)), *v = NULL;
    struct sums sums;
    int r = plain ? 0 : SN_E_NOMEM;
    if (r == 0) {
        sn_fe_from_mont_many(z->curve->fr, plain, w, n);
        r = sum_witness(z, plain, par, &sums);
    }
    if (r == 0 && !(v = sn_alloc(room))) r = SN_E_NOMEM;
    if (r == 0) r = quotient(z, plain, par, v);
    if (r == 0)
        r = sn_msm(&z->curve->g1, &sums.h, z->h, v, domain,
                   &(struct sn_msm_opts){.par = par, .montgomery = true});
    if (r == 0) assemble(z, &sums, random, par, ret);
    /* Both hold the witness, or what gives it away. */
    if (plain) sn_wipe(plain, n * sizeof(*plain));
    if (v) sn_wipe(v, room);
    sn_free(plain);
    sn_free(v);
    return r;
}
