/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ntt_points.c - the transform over points: n/2 products by powers of w at each of log n
 * stages, taken a batch at a time (group_mul.c). Points stay affine, as the engine leaves them, between
 * stages. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/msm_int.h"
#include "crypto/ntt.h"

#define EXPORT_CHUNK 512

struct transform {
    const struct sn_group *g;
    const struct sn_msm_engine *e;
    unsigned log_max; /* w is for transforms of up to 2^log_max points */
    struct sn_fe *w;  /* plain w^j, j < 2^log_max / 2 */
    const struct sn_par *par;
    /* One transform, or stage of it. */
    char *a;
    size_t n, half, per; /* butterflies to a job */
    char *ret;
    const char *src;
    unsigned log_n, doublings;
    int err;
};

/* Butterflies x in [from, end) of a stage of the pass in time: (a, b) to (a + w b, a - w b). */
static void butterflies(const struct transform *t, struct sn_mul_batch *b, size_t from, size_t end)
{
    size_t size = t->e->point_size, stride = ((size_t)1 << t->log_max) / 2 / t->half, active = 0;
    size_t cap = b->cap, extra = (size_t)(b->extra - b->in) / size; /* its first place */
    /* Products of those with j > 0, in the order of x. */
    for (size_t x = from; x < end; x++) {
        size_t j = x % t->half;
        if (j == 0) continue;
        memcpy(b->in + active * size, t->a + (2 * x - j + t->half) * size, size);
        b->k[active++] = t->w[j * stride];
    }
    if (active) sn_mul_batch_run(b, active);
    /* Then a in the last row, b in the first and w b in the second, sums in the third and fourth. */
    size_t row = cap * size;
    active = 0;
    for (size_t x = from; x < end; x++) {
        size_t j = x % t->half, i = x - from;
        const char *upper = t->a + (2 * x - j) * size;
        memcpy(b->extra + i * size, upper, size);
        memcpy(b->in + row + i * size, j ? b->out + active++ * size : upper + t->half * size, size);
    }
    for (unsigned minus = 0; minus < 2; minus++) {
        for (size_t i = 0; i < end - from; i++)
            b->pairs[i] = (struct sn_pair){(uint32_t)(extra + i),
                                           (uint32_t)(cap + i) | (minus ? SN_PAIR_MINUS : 0),
                                           (uint32_t)((2 + minus) * cap + i)};
        t->e->add_pairs(b->in, b->in, b->pairs, end - from, b->scratch);
    }
    for (size_t x = from; x < end; x++) {
        size_t j = x % t->half, i = x - from;
        char *upper = t->a + (2 * x - j) * size;
        memcpy(upper, b->in + 2 * row + i * size, size);
        memcpy(upper + t->half * size, b->in + 3 * row + i * size, size);
    }
}
static void stage_job(void *arg, size_t job)
{
    struct transform *t = arg;
    struct sn_mul_batch b;
    int r = sn_mul_batch_init(&b, t->g);
    if (r < 0) {
        __atomic_store_n(&t->err, r, __ATOMIC_RELAXED);
        return;
    }
    size_t x = job * t->per, end = SN_MIN(x + t->per, t->n / 2);
    for (; x < end; x = SN_MIN(x + b.cap, end)) butterflies(t, &b, x, SN_MIN(x + b.cap, end));
    sn_mul_batch_done(&b);
}
/* Whole batches where there is work for all cores, else its share for each. */
static size_t share(const struct transform *t, size_t n)
{
    size_t width = sn_par_width(t->par);
    return SN_MIN((size_t)1024, SN_MAX((n + width - 1) / width, (size_t)64));
}
static int run_stages(struct transform *t)
{
    t->per = share(t, t->n / 2);
    for (t->half = 1; t->half < t->n && t->err == 0; t->half *= 2)
        sn_par_run(t->par, stage_job, t, (t->n / 2 + t->per - 1) / t->per);
    return t->err;
}

/* The engine's points of job's chunk, in the order the pass in time begins with, doubled. */
static void begin_chunk(void *arg, size_t job)
{
    const struct transform *t = arg;
    size_t size = t->e->point_size, end = SN_MIN((job + 1) * EXPORT_CHUNK, t->n);
    for (size_t i = job * EXPORT_CHUNK; i < end; i++) {
        size_t rev = 0;
        for (unsigned k = 0; k < t->log_n; k++) rev |= (i >> k & 1) << (t->log_n - 1 - k);
        memcpy(t->a + i * size, t->src + rev * size, size);
    }
}
static void double_job(void *arg, size_t job)
{
    struct transform *t = arg;
    size_t from = job * SN_PAIR_BATCH, n = SN_MIN(t->n - from, (size_t)SN_PAIR_BATCH);
    void *scratch = sn_aligned_alloc(64, (t->e->scratch_size + 63) & ~(size_t)63);
    if (scratch)
        t->e->double_all(t->a + from * t->e->point_size, n, scratch);
    else
        __atomic_store_n(&t->err, SN_E_NOMEM, __ATOMIC_RELAXED);
    sn_free(scratch);
}
static void export_chunk(void *arg, size_t job)
{
    const struct transform *t = arg;
    size_t end = SN_MIN((job + 1) * EXPORT_CHUNK, t->n);
    for (size_t i = job * EXPORT_CHUNK; i < end; i++)
        t->e->export(t->ret + i * t->g->affine_size, t->a + i * t->e->point_size);
}
/* ret = the transform of 2^log_n points of src, both the engine's but ret, which is affine. */
static int transform(struct transform *t, unsigned log_n, unsigned doublings, const char *src,
                     void *ret)
{
    t->log_n = log_n, t->n = (size_t)1 << log_n, t->src = src, t->ret = ret;
    size_t chunks = (t->n + EXPORT_CHUNK - 1) / EXPORT_CHUNK;
    memset(t->a, 0, 8 * t->e->point_size); /* double_all takes whole eights */
    sn_par_run(t->par, begin_chunk, t, chunks);
    size_t n = t->n;
    t->n = SN_MAX(n, (size_t)8);
    for (unsigned i = 0; i < doublings && t->err == 0; i++)
        sn_par_run(t->par, double_job, t, (t->n + SN_PAIR_BATCH - 1) / SN_PAIR_BATCH);
    t->n = n;
    int r = t->err ? t->err : run_stages(t);
    if (r == 0) sn_par_run(t->par, export_chunk, t, chunks);
    return r;
}

static int transform_init(struct transform *t, const struct sn_group *g, unsigned log_max,
                          bool inverse, const struct sn_par *par)
{
    const struct sn_field *f = g->fr;
    struct sn_ntt *probe = NULL;
    int r = sn_ntt_new(f, log_max, &probe);
    if (r < 0) return r;
    struct sn_fe w = *sn_ntt_root(probe), x = f->one;
    sn_ntt_free(probe);
    size_t n = (size_t)1 << log_max;
    *t = (struct transform){.g = g, .e = sn_msm_engine_of(g), .log_max = log_max, .par = par};
    t->w = sn_alloc((n / 2 + 1) * sizeof(struct sn_fe));
    t->a = sn_aligned_alloc(64, SN_MAX(n, (size_t)8) * t->e->point_size);
    if (!t->w || !t->a) {
        sn_free(t->w);
        sn_free(t->a);
        return SN_E_NOMEM;
    }
    if (inverse) sn_fe_inv(f, &w, &w);
    for (size_t i = 0; i < n / 2; i++) {
        sn_fe_from_mont(f, &t->w[i], &x);
        sn_fe_mul(f, &x, &x, &w);
    }
    return 0;
}
static void transform_done(struct transform *t)
{
    sn_free(t->w);
    sn_free(t->a);
}
/* The engine's points of n affine ones times 2^-log (no factor for log 0), to *ret. */
static int scaled(const struct transform *t, const void *affine, size_t n, unsigned log, char **ret)
{
    const struct sn_field *f = t->g->fr;
    char *out = sn_aligned_alloc(64, ((n + 7) & ~(size_t)7) * t->e->point_size);
    char *mid SN_CLEANUP(sn_freep) = log ? sn_alloc(n * t->g->affine_size) : NULL;
    int r = out && (mid || !log) ? 0 : SN_E_NOMEM;
    if (r == 0 && log) {
        struct sn_fe by;
        sn_fe_set_u64(f, &by, (uint64_t)1 << log);
        sn_fe_inv(f, &by, &by);
        sn_fe_from_mont(f, &by, &by);
        r = sn_group_mul_many(t->g, mid, affine, &by, true, n, t->par);
    }
    if (r < 0) {
        sn_free(out);
        return r;
    }
    memcpy(out, log ? mid : affine, n * t->g->affine_size);
    *ret = out;
    return 0;
}

int sn_ntt_points(const struct sn_group *g, unsigned log_n, bool inverse, void *affine,
                  const struct sn_par *par)
{
    struct transform t;
    char *src;
    int r = transform_init(&t, g, log_n, inverse, par);
    if (r < 0) return r;
    r = scaled(&t, affine, (size_t)1 << log_n, inverse ? log_n : 0, &src);
    if (r == 0) {
        r = transform(&t, log_n, 0, src, affine);
        sn_free(src);
    }
    transform_done(&t);
    return r;
}

int sn_lagrange_points(const struct sn_group *g, unsigned log_max, const void *powers,
                       const struct sn_par *par,
                       int (*put)(void *ctx, const void *affine, size_t n), void *ctx)
{
    struct transform t;
    size_t n = (size_t)1 << log_max;
    char *src = NULL, *out = NULL;
    int r = transform_init(&t, g, log_max, true, par);
    if (r < 0) return r;
    out = sn_alloc(n * g->affine_size);
    r = out ? scaled(&t, powers, n, log_max, &src) : SN_E_NOMEM;
    /* All begin with the same powers over 2^log_max: doubling makes that the factor of a smaller one. */
    for (unsigned k = 0; k <= log_max && r >= 0; k++) {
        r = transform(&t, k, log_max - k, src, out);
        if (r == 0) r = put(ctx, out, (size_t)1 << k);
    }
    sn_free(src);
    sn_free(out);
    transform_done(&t);
    return r < 0 ? r : 0;
}
