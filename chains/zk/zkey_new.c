/* SPDX-License-Identifier: Apache-2.0 */
/* zk/zkey_new.c - the key of a circuit from powers of tau.
 *
 * Every point of A, B and C is a sum of Lagrange points times a wire's coefficients: the columns of
 * the constraint matrices. Columns are short except that of the constant one, which goes through
 * the multi-scalar product. Coefficients are mostly +-1 and small, and scaling by a small number
 * is cheap, so those go point by point. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "crypto/msm.h"
#include "zk/bin.h"
#include "zk/setup.h"
#include "zk/setup_int.h"
#include "zk/zkey_int.h"

#define COLUMN_MSM 64u   /* entries from which a column is one multi-scalar product */
#define WIRES_PER_JOB 256u

struct column_entry {
    uint32_t row, coef_m; /* coefficient place * 4 + matrix */
};
/* A newly made key's parts. */
struct maker {
    const struct sn_r1cs *s;
    const struct sn_curve *curve;
    const struct sn_par *par;
    unsigned log_n;
    uint32_t n_public; /* outputs too */
    uint32_t *column_at;
    struct column_entry *columns;
    struct sn_fe *plain, *minus_plain; /* coefficients by place, plain */
    uint8_t *l1, *l2, *la, *lb; /* Lagrange points of tau in G1 and G2, alpha and beta times tau */
    struct sn_zk_key_parts parts;
};

/* ---- columns --------------------------------------------------------------------------------- */

static int make_columns(struct maker *m)
{
    const struct sn_r1cs *s = m->s;
    size_t entries = sn_r1cs_n_entries(s), extra = (size_t)m->n_public + 1;
    m->column_at = SN_NEW_ARRAY(uint32_t, (size_t)s->n_wires + 2);
    m->columns = sn_alloc((entries + extra) * sizeof(*m->columns));
    m->plain = sn_alloc(s->n_dict * sizeof(*m->plain));
    m->minus_plain = sn_alloc(s->n_dict * sizeof(*m->plain));
    if (!m->column_at || !m->columns || !m->plain || !m->minus_plain) return SN_E_NOMEM;
    for (uint32_t i = 0; i < s->n_dict; i++) {
        sn_fe_neg(s->field, &m->minus_plain[i], &s->dict[i]);
        sn_fe_from_mont(s->field, &m->minus_plain[i], &m->minus_plain[i]);
        sn_fe_from_mont(s->field, &m->plain[i], &s->dict[i]);
    }
    uint32_t *at = m->column_at + 2; /* shifted, so that filling leaves the starts in column_at */
    for (uint32_t e = 0; e < entries; e++) at[s->wire[e]]++;
    for (uint32_t w = 0; w <= m->n_public; w++) at[w]++;
    for (uint32_t w = 1; w < s->n_wires; w++) at[w] += at[w - 1];
    at--;
    for (uint32_t i = 0; i < s->n_rows; i++)
        for (unsigned k = 0; k < 3; k++)
            for (uint32_t e = s->row_at[3 * (size_t)i + k]; e < s->row_at[3 * (size_t)i + k + 1];
                 e++)
                m->columns[at[s->wire[e]]++] = (struct column_entry){i, s->coef[e] * 4 + k};
    /* One row more for each public signal: w_s * 0 = 0 keeps the instance columns independent. */
    for (uint32_t w = 0; w <= m->n_public; w++)
        m->columns[at[w]++] = (struct column_entry){s->n_rows + w, SN_COEF_ONE * 4};
    return 0;
}

/* What a column's entries of matrix k are multiplied with; NULL: not part of this sum. */
struct sources {
    const struct sn_group *g;
    const uint8_t *of[3];
};
struct column_job {
    struct maker *m;
    struct sources src;
    uint32_t first, end; /* wires */
    uint8_t *out;
    int err;
};

static void add_entry(const struct maker *m, const struct sources *src, struct sn_point *sum,
                      const struct column_entry *c)
{
    const uint8_t *base = src->of[c->coef_m & 3];
    uint32_t coef = c->coef_m >> 2;
    if (!base) return;
    const void *p = base + (size_t)c->row * src->g->affine_size;
    uint64_t minus[SN_AFFINE_MAX / 8];
    const struct sn_fe *k = &m->plain[coef];
    if (sn_fe_cmp(k, &m->minus_plain[coef]) > 0) { /* the smaller of c and -c */
        k = &m->minus_plain[coef];
        sn_affine_neg(src->g, minus, p);
        p = minus;
    }
    if (k->v[0] == 1 && (k->v[1] | k->v[2] | k->v[3]) == 0) {
        sn_point_add_affine(src->g, sum, sum, p);
        return;
    }
    struct sn_point t;
    sn_point_from_affine(src->g, &t, p);
    sn_point_mul(src->g, &t, &t, k);
    sn_point_add(src->g, sum, sum, &t);
}

static int long_column(const struct maker *m, const struct sources *src, uint32_t lo, uint32_t hi,
                       struct sn_point *sum)
{
    size_t size = src->g->affine_size, n = 0;
    uint8_t *points SN_CLEANUP(sn_freep) = sn_alloc((size_t)(hi - lo) * size);
    struct sn_fe *scalars SN_CLEANUP(sn_freep) = sn_alloc((size_t)(hi - lo) * sizeof(*scalars));
    if (!points || !scalars) return SN_E_NOMEM;
    for (uint32_t i = lo; i < hi; i++) {
        const uint8_t *base = src->of[m->columns[i].coef_m & 3];
        if (!base) continue;
        memcpy(points + n * size, base + (size_t)m->columns[i].row * size, size);
        scalars[n++] = m->plain[m->columns[i].coef_m >> 2];
    }
    return sn_msm(src->g, sum, points, scalars, n, NULL);
}

static void column_job(void *arg, size_t j)
{
    struct column_job *c = arg;
    struct maker *m = c->m;
    uint32_t first = c->first + (uint32_t)j * WIRES_PER_JOB;
    uint32_t end = SN_MIN(first + WIRES_PER_JOB, c->end);
    struct sn_point *sums SN_CLEANUP(sn_freep) = sn_alloc((end - first) * sizeof(*sums));
    int r = sums ? 0 : SN_E_NOMEM;
    for (uint32_t w = first; w < end && r == 0; w++) {
        uint32_t lo = m->column_at[w], hi = m->column_at[w + 1];
        sn_point_zero(c->src.g, &sums[w - first]);
        if (hi - lo >= COLUMN_MSM)
            r = long_column(m, &c->src, lo, hi, &sums[w - first]);
        else
            for (uint32_t i = lo; i < hi; i++)
                add_entry(m, &c->src, &sums[w - first], &m->columns[i]);
    }
    if (r == 0)
        r = sn_point_to_affine_many(c->src.g,
                                    c->out + (size_t)(first - c->first) * c->src.g->affine_size,
                                    sums, end - first);
    if (r < 0) __atomic_store_n(&c->err, r, __ATOMIC_RELAXED);
}

static int make_points(struct maker *m, struct sources src, uint32_t first, uint32_t end,
                       uint8_t **ret)
{
    size_t n = end - first;
    struct column_job job = {.m = m, .src = src, .first = first, .end = end};
    job.out = sn_alloc(SN_MAX(n, (size_t)1) * src.g->affine_size);
    if (!job.out) return SN_E_NOMEM;
    sn_par_run(m->par, column_job, &job, (n + WIRES_PER_JOB - 1) / WIRES_PER_JOB);
    *ret = job.out;
    return job.err;
}

/* ---- powers ---------------------------------------------------------------------------------- */

/* The Lagrange points of 2^log_n out of section 12 + i, aligned. */
static int take_lagrange(const struct sn_ptau *p, const struct sn_group *g, unsigned i,
                         unsigned log_n, uint8_t **ret)
{
    size_t n = (size_t)1 << log_n, skip = (n - 1) * g->affine_size, size = n * g->affine_size;
    if (skip + size > p->lagrange[i].len)
        return sn_fail(SN_E_OUT_OF_RANGE, "the powers of tau have no Lagrange points of 2^%u",
                       log_n);
    *ret = sn_alloc(size);
    if (!*ret) return SN_E_NOMEM;
    memcpy(*ret, p->lagrange[i].ptr + skip, size);
    return 0;
}

/* H: the odd ones of the Lagrange points of the domain twice as large. */
static int take_h(struct maker *m, const struct sn_ptau *p)
{
    const struct sn_group *g = &m->curve->g1;
    size_t n = (size_t)1 << m->log_n;
    uint8_t *all = NULL;
    int r = take_lagrange(p, g, 0, m->log_n + 1, &all);
    if (r < 0) return r;
    m->parts.h = all;
    for (size_t i = 0; i < n; i++)
        memmove(all + i * g->affine_size, all + (2 * i + 1) * g->affine_size, g->affine_size);
    return 0;
}

static int take_powers(struct maker *m, const struct sn_ptau *p)
{
    const struct sn_group *g1 = &m->curve->g1, *g2 = &m->curve->g2;
    int r = take_lagrange(p, g1, 0, m->log_n, &m->l1);
    if (r == 0) r = take_lagrange(p, g2, 1, m->log_n, &m->l2);
    if (r == 0) r = take_lagrange(p, g1, 2, m->log_n, &m->la);
    if (r == 0) r = take_lagrange(p, g1, 3, m->log_n, &m->lb);
    if (r == 0) r = take_h(m, p);
    return r;
}

static int make_all(struct maker *m)
{
    const struct sn_group *g1 = &m->curve->g1, *g2 = &m->curve->g2;
    struct sn_zk_key_parts *k = &m->parts;
    struct sources a = {g1, {m->l1}}, b1 = {g1, {NULL, m->l1}}, b2 = {g2, {NULL, m->l2}};
    struct sources c = {g1, {m->lb, m->la, m->l1}};
    uint32_t split = m->n_public + 1;
    int r = make_points(m, c, 0, split, &k->ic);
    if (r == 0) r = make_points(m, c, split, m->s->n_wires, &k->c);
    if (r == 0) r = make_points(m, a, 0, m->s->n_wires, &k->a);
    if (r == 0) r = make_points(m, b1, 0, m->s->n_wires, &k->b1);
    if (r == 0) r = make_points(m, b2, 0, m->s->n_wires, &k->b2);
    return r;
}

/* ---- the circuit's hash ---------------------------------------------------------------------- */

/* tau^(n+i) - tau^i for i in 0 .. n-2: H in the basis the ceremony's hash was defined over. */
static int hash_h(struct maker *m, const struct sn_ptau *p, struct sn_hasher *h)
{
    const struct sn_group *g = &m->curve->g1;
    size_t n = (size_t)1 << m->log_n;
    if (p->tau1.len < (2 * n - 1) * g->affine_size)
        return sn_fail(SN_E_OUT_OF_RANGE, "the powers of tau are too few for 2^%u", m->log_n);
    struct sn_point *d SN_CLEANUP(sn_freep) = sn_alloc(n * sizeof(*d));
    uint8_t *out SN_CLEANUP(sn_freep) = sn_alloc(n * g->affine_size);
    if (!d || !out) return SN_E_NOMEM;
    for (size_t i = 0; i + 1 < n; i++) {
        uint64_t low[SN_AFFINE_MAX / 8], high[SN_AFFINE_MAX / 8];
        memcpy(low, p->tau1.ptr + i * g->affine_size, g->affine_size);
        memcpy(high, p->tau1.ptr + (i + n) * g->affine_size, g->affine_size);
        sn_affine_neg(g, low, low);
        sn_point_from_affine(g, &d[i], high);
        sn_point_add_affine(g, &d[i], &d[i], low);
    }
    int r = sn_point_to_affine_many(g, out, d, n - 1);
    if (r == 0) sn_ceremony_put_points(h, g, out, n - 1);
    return r;
}

static int circuit_hash(struct maker *m, const struct sn_ptau *p)
{
    const struct sn_group *g1 = &m->curve->g1, *g2 = &m->curve->g2;
    struct sn_zk_key_parts *k = &m->parts;
    struct sn_hasher h;
    int r = sn_hasher_init(&h, SN_BLAKE2B_512);
    if (r < 0) return r;
    sn_ceremony_put_point(&h, g1, k->alpha1);
    sn_ceremony_put_point(&h, g1, k->beta1);
    sn_ceremony_put_point(&h, g2, k->beta2);
    sn_ceremony_put_point(&h, g2, g2->generator);
    sn_ceremony_put_point(&h, g1, g1->generator);
    sn_ceremony_put_point(&h, g2, g2->generator);
    sn_ceremony_put_points(&h, g1, k->ic, (size_t)m->n_public + 1);
    r = hash_h(m, p, &h);
    if (r == 0) {
        sn_ceremony_put_points(&h, g1, k->c, (size_t)m->s->n_wires - m->n_public - 1);
        sn_ceremony_put_points(&h, g1, k->a, m->s->n_wires);
        sn_ceremony_put_points(&h, g1, k->b1, m->s->n_wires);
        sn_ceremony_put_points(&h, g2, k->b2, m->s->n_wires);
        r = sn_hasher_final(&h, k->circuit_hash);
    }
    sn_hasher_done(&h);
    return r;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_coef(struct sn_out *o, uint32_t matrix, uint32_t row, uint32_t wire,
                     const struct sn_fe *value_r2)
{
    sn_out_u32(o, matrix);
    sn_out_u32(o, row);
    sn_out_u32(o, wire);
    sn_out_put(o, value_r2->v, 32);
}

static int put_coefs(struct maker *m, struct sn_out *o)
{
    const struct sn_r1cs *s = m->s;
    struct sn_fe *r2 SN_CLEANUP(sn_freep) = sn_alloc(s->n_dict * sizeof(*r2));
    if (!r2) return SN_E_NOMEM;
    for (uint32_t i = 0; i < s->n_dict; i++) sn_fe_to_mont(s->field, &r2[i], &s->dict[i]);
    uint32_t n = 0;
    for (size_t i = 0; i < s->n_rows; i++) n += s->row_at[3 * i + 2] - s->row_at[3 * i];
    n += m->n_public + 1;
    sn_out_section(o, 4, 4 + (uint64_t)n * SN_ZKEY_COEF_BYTES);
    sn_out_u32(o, n);
    for (uint32_t i = 0; i < s->n_rows; i++)
        for (uint32_t k = 0; k < 2; k++)
            for (uint32_t e = s->row_at[3 * (size_t)i + k]; e < s->row_at[3 * (size_t)i + k + 1];
                 e++)
                put_coef(o, k, i, s->wire[e], &r2[s->coef[e]]);
    for (uint32_t w = 0; w <= m->n_public; w++)
        put_coef(o, 0, s->n_rows + w, w, &r2[SN_COEF_ONE]);
    return 0;
}

static void put_array(struct sn_out *o, uint32_t id, const uint8_t *p, size_t n, size_t size)
{
    sn_out_section(o, id, (uint64_t)n * size);
    sn_out_put(o, p, n * size);
}

void sn_zkey_put_header(struct sn_out *o, const struct sn_zkey *z)
{
    const struct sn_curve *c = z->curve;
    size_t s1 = c->g1.affine_size, s2 = c->g2.affine_size;
    sn_out_section(o, 2, 4 + c->q_size + 4 + 32 + 12 + 3 * s1 + 3 * s2);
    sn_out_u32(o, (uint32_t)c->q_size);
    sn_out_put(o, c->q_le, c->q_size);
    sn_out_u32(o, 32);
    sn_out_put(o, c->fr->p.v, 32);
    sn_out_u32(o, z->n_vars);
    sn_out_u32(o, z->n_public);
    sn_out_u32(o, 1u << z->domain_log);
    sn_out_put(o, z->alpha1, s1);
    sn_out_put(o, z->beta1, s1);
    sn_out_put(o, z->beta2, s2);
    sn_out_put(o, z->gamma2, s2);
    sn_out_put(o, z->delta1, s1);
    sn_out_put(o, z->delta2, s2);
}

static int write_key(struct maker *m, const struct sn_zk_sink *sink)
{
    const struct sn_curve *c = m->curve;
    const struct sn_zk_key_parts *k = &m->parts;
    size_t s1 = c->g1.affine_size, s2 = c->g2.affine_size, vars = m->s->n_wires;
    struct sn_zkey z = {.curve = c, .n_vars = m->s->n_wires, .n_public = m->n_public,
                        .domain_log = m->log_n};
    memcpy(z.alpha1, k->alpha1, s1);
    memcpy(z.beta1, k->beta1, s1);
    memcpy(z.beta2, k->beta2, s2);
    memcpy(z.gamma2, c->g2.generator, s2);
    memcpy(z.delta1, c->g1.generator, s1);
    memcpy(z.delta2, c->g2.generator, s2);
    struct sn_out o;
    int r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    sn_out_header(&o, "zkey", 1, 10);
    sn_out_section(&o, 1, 4);
    sn_out_u32(&o, 1);
    sn_zkey_put_header(&o, &z);
    r = put_coefs(m, &o);
    put_array(&o, 3, k->ic, (size_t)m->n_public + 1, s1);
    put_array(&o, 9, k->h, (size_t)1 << m->log_n, s1);
    put_array(&o, 8, k->c, vars - m->n_public - 1, s1);
    put_array(&o, 5, k->a, vars, s1);
    put_array(&o, 6, k->b1, vars, s1);
    put_array(&o, 7, k->b2, vars, s2);
    sn_out_section(&o, 10, 64 + 4);
    sn_out_put(&o, k->circuit_hash, 64);
    sn_out_u32(&o, 0);
    int end = sn_out_end(&o);
    return r < 0 ? r : end;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int begin(struct maker *m, const struct sn_ptau *p)
{
    const struct sn_r1cs *s = m->s;
    m->n_public = s->n_outputs + s->n_public;
    uint64_t rows = (uint64_t)s->n_rows + m->n_public + 1;
    while ((uint64_t)1 << m->log_n < rows) m->log_n++;
    if (s->field != p->curve->fr)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a circuit over %s and powers of tau over %s",
                       s->field->name, p->curve->name);
    if (!p->lagrange[0].len)
        return sn_fail(SN_E_FAILED_PRECONDITION, "the powers of tau are not prepared for phase 2");
    if (m->log_n > p->power)
        return sn_fail(SN_E_OUT_OF_RANGE, "the circuit needs powers of tau to 2^%u, the file has "
                       "2^%u", m->log_n, p->power);
    size_t s1 = m->curve->g1.affine_size;
    memcpy(m->parts.alpha1, p->alpha1.ptr, s1);
    memcpy(m->parts.beta1, p->beta1.ptr, s1);
    memcpy(m->parts.beta2, p->beta2.ptr, m->curve->g2.affine_size);
    return 0;
}

void sn_zk_key_parts_done(struct sn_zk_key_parts *k)
{
    sn_free(k->ic);
    sn_free(k->a);
    sn_free(k->b1);
    sn_free(k->b2);
    sn_free(k->c);
    sn_free(k->h);
    *k = (struct sn_zk_key_parts){0};
}

static void maker_done(struct maker *m)
{
    sn_free(m->column_at);
    sn_free(m->columns);
    sn_free(m->plain);
    sn_free(m->minus_plain);
    sn_free(m->l1);
    sn_free(m->l2);
    sn_free(m->la);
    sn_free(m->lb);
    sn_zk_key_parts_done(&m->parts);
}

static int make(struct maker *m, const struct sn_ptau *p)
{
    if (m->s->gates && m->s->gates->n_uses)
        return sn_fail(SN_E_UNIMPLEMENTED, "a circuit with custom gates: Groth16 has none");
    int r = begin(m, p);
    if (r == 0) r = make_columns(m);
    if (r == 0) r = take_powers(m, p);
    if (r == 0) r = make_all(m);
    if (r == 0) r = circuit_hash(m, p);
    return r;
}

int sn_zkey_new(const struct sn_r1cs *s, const struct sn_ptau *p, const struct sn_par *par,
                const struct sn_zk_sink *out)
{
    struct maker m = {.s = s, .curve = p->curve, .par = par};
    int r = make(&m, p);
    if (r == 0) r = write_key(&m, out);
    maker_done(&m);
    return r;
}

int sn_zkey_parts(const struct sn_r1cs *s, const struct sn_ptau *p, const struct sn_par *par,
                  struct sn_zk_key_parts *ret)
{
    struct maker m = {.s = s, .curve = p->curve, .par = par};
    int r = make(&m, p);
    if (r == 0) {
        m.parts.domain = (uint64_t)1 << m.log_n;
        *ret = m.parts;
        m.parts = (struct sn_zk_key_parts){0};
    }
    maker_done(&m);
    return r;
}
