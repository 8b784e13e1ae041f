/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ntt_points.c - the transform over points: n/2 products by powers of w at each of log n
 * stages. Points stay affine between stages, so that many can share an inversion. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/curve_int.h"
#include "crypto/ntt.h"

#define POINTS_CHUNK 64

struct points_job {
    const struct sn_group *g;
    unsigned log_n;
    size_t n, half;
    const struct sn_fe *w; /* plain w^j, j < n/2 */
    char *a;
    const struct sn_fe *n_inv;
};

/* Butterflies x of a stage of the pass in time: (a, b) to (a + w b, a - w b). */
static void points_stage(void *arg, size_t chunk)
{
    const struct points_job *s = arg;
    const struct sn_group_ops *ops = s->g->ops;
    size_t size = s->g->affine_size, stride = s->n / 2 / s->half;
    size_t end = SN_MIN((chunk + 1) * POINTS_CHUNK, s->n / 2);
    for (size_t x = chunk * POINTS_CHUNK; x < end; x++) {
        size_t j = x % s->half, at = (x - j) * 2 + j;
        char *a = s->a + at * size, *b = a + s->half * size;
        struct sn_point t[3];
        ops->from_affine(&t[0], b);
        if (j > 0) ops->mul(&t[0], &t[0], &s->w[j * stride]);
        ops->neg(&t[1], &t[0]);
        ops->add_affine(&t[0], &t[0], a);
        ops->add_affine(&t[1], &t[1], a);
        char out[2 * SN_AFFINE_MAX] SN_ALIGNED(8);
        ops->to_affine(out, t, sizeof(t[0]), 2);
        memcpy(a, out, size);
        memcpy(b, out + size, size);
    }
}
static void swap_points(char *a, char *b, size_t size)
{
    char t[SN_AFFINE_MAX];
    memcpy(t, a, size), memcpy(a, b, size), memcpy(b, t, size);
}

int sn_ntt_points(const struct sn_group *g, unsigned log_n, bool inverse, void *affine,
                  const struct sn_par *par)
{
    const struct sn_field *f = g->fr;
    struct sn_ntt *probe = NULL;
    int r = sn_ntt_new(f, log_n, &probe);
    if (r < 0) return r;
    struct sn_fe w = *sn_ntt_root(probe), n_inv, x = f->one;
    sn_ntt_free(probe);
    size_t n = (size_t)1 << log_n;
    struct points_job job = {g, log_n, n, 1, NULL, affine, &n_inv};
    struct sn_fe *powers = sn_alloc((n / 2 + 1) * sizeof(struct sn_fe));
    if (!powers) return SN_E_NOMEM;
    if (inverse) sn_fe_inv(f, &w, &w);
    for (size_t i = 0; i < n / 2; i++) {
        sn_fe_from_mont(f, &powers[i], &x);
        sn_fe_mul(f, &x, &x, &w);
    }
    job.w = powers;
    for (size_t i = 0; i < n; i++) {
        size_t rev = 0;
        for (unsigned k = 0; k < log_n; k++) rev |= (i >> k & 1) << (log_n - 1 - k);
        if (rev > i) swap_points(job.a + i * g->affine_size, job.a + rev * g->affine_size,
                                 g->affine_size);
    }
    for (; job.half < n; job.half *= 2)
        sn_par_run(par, points_stage, &job, (n / 2 + POINTS_CHUNK - 1) / POINTS_CHUNK);
    if (inverse) {
        sn_fe_set_u64(f, &n_inv, n);
        sn_fe_inv(f, &n_inv, &n_inv);
        sn_fe_from_mont(f, &n_inv, &n_inv);
        r = sn_group_mul_many(g, affine, affine, &n_inv, true, n, par);
    }
    sn_free(powers);
    return r;
}
