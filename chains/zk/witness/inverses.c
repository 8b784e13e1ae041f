/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/inverses.c - divisors that are the same in every run, and their inverses.
 *
 * Curve arithmetic over fixed base points divides by hundreds of numbers that no input reaches, each
 * an inversion that takes as long as fifty products. Which they are is learned once, when a program
 * is written: those that two runs on unrelated inputs have in common. A run compares its divisor
 * with the known ones, so one that was taken for constant by accident costs a few bytes, no more. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "core/status.h"
#include "zk/witness/prog.h"

#define PROBES 8u
#define RUN_STEPS_MAX (1u << 24)

bool sn_winverse(const struct sn_witness_prog *p, const struct sn_fe *a, struct sn_fe *ret)
{
    for (uint32_t k = 0; p->inverse_at && k < PROBES; k++) {
        uint32_t i = p->inverse_at[((uint32_t)a->v[0] + k) & p->inverse_mask];
        if (i == 0) return false;
        const uint32_t *pair = p->inverses + SN_WINVERSE_WORDS * (size_t)(i - 1);
        if (memcmp(pair, a, sizeof(*a)) != 0) continue;
        memcpy(ret, pair + 8, sizeof(*ret));
        return true;
    }
    return false;
}

int sn_winverses_set(struct sn_witness_prog *p, struct sn_arena *arena, const uint32_t *pairs,
                     uint32_t n)
{
    uint32_t size = 16;
    if (n == 0) return 0;
    if (n > SN_WINVERSES_MAX)
        return sn_fail(SN_E_TOO_LARGE, ".snw file with %u inverses, the limit is %u", n,
                       SN_WINVERSES_MAX);
    while (size < 2 * n) size *= 2;
    uint32_t *at = sn_arena_array(arena, size, sizeof(*at));
    if (!at) return SN_E_NOMEM;
    memset(at, 0, size * sizeof(*at));
    for (uint32_t i = 0; i < n; i++) {
        struct sn_fe v[2], one;
        memcpy(v, pairs + SN_WINVERSE_WORDS * (size_t)i, sizeof(v));
        if (sn_fe_cmp(&v[0], &p->field->p) >= 0 || sn_fe_cmp(&v[1], &p->field->p) >= 0)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw inverse %u is not below the prime", i);
        sn_fe_mul(p->field, &one, &v[0], &v[1]);
        if (!sn_fe_equal(&one, &p->field->one))
            return sn_fail(SN_E_DATA_LOSS, ".snw inverse %u is not one", i);
        for (uint32_t k = 0; k < PROBES; k++) { /* where all are taken it goes without */
            uint32_t *to = &at[((uint32_t)v[0].v[0] + k) & (size - 1)];
            if (*to) continue;
            *to = i + 1;
            break;
        }
    }
    p->inverses = pairs;
    p->inverse_at = at;
    p->inverse_mask = size - 1;
    return 0;
}

/* ---- learning -------------------------------------------------------------------------------- */

static bool code_divides(const struct sn_wcode *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->ins[i].op == SN_ZOP_DIV) return true;
    return false;
}
static bool divides(const struct sn_witness_prog *p)
{
    bool any = false;
    for (uint32_t i = 0; i < p->n_instances && !any; i++) any = code_divides(&p->instances[i].code);
    for (uint32_t i = 0; i < p->n_functions && !any; i++) any = code_divides(&p->functions[i]);
    return any;
}

static int by_value(const void *a, const void *b)
{
    return sn_fe_cmp(a, b);
}
/* The divisors of a run on random inputs, in order; it may end early, the inputs being what they
 * are. */
static int divisors(const struct sn_witness_prog *p, uint64_t seed, struct sn_wdivisors *ret)
{
    struct sn_rand rnd;
    struct sn_fe *in SN_CLEANUP(sn_freep) = sn_alloc((p->n_inputs + 1u) * sizeof(*in));
    if (!in) return SN_E_NOMEM;
    sn_rand_seed(&rnd, seed);
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        for (unsigned k = 0; k < 4; k++) in[i].v[k] = sn_rand_u64(&rnd);
        sn_fe_reduce(p->field, &in[i], &in[i]);
    }
    int r = sn_wdivisors_run(p, in, RUN_STEPS_MAX, ret);
    if (r == 0 && ret->v.len) qsort(ret->v.ptr, ret->v.len, sizeof(ret->v.ptr[0]), by_value);
    return r;
}
/* Into the first what both have, once each. */
static void keep_common(struct sn_wdivisors *a, const struct sn_wdivisors *b)
{
    size_t n = 0;
    for (size_t i = 0, k = 0; i < a->v.len; i++) {
        const struct sn_fe *x = &a->v.ptr[i];
        while (k < b->v.len && sn_fe_cmp(&b->v.ptr[k], x) < 0) k++;
        if (k == b->v.len || !sn_fe_equal(&b->v.ptr[k], x)) continue;
        if (n == 0 || !sn_fe_equal(&a->v.ptr[n - 1], x)) a->v.ptr[n++] = *x;
    }
    a->v.len = SN_MIN(n, (size_t)SN_WINVERSES_MAX);
}

int sn_winverses_learn(const struct sn_witness_prog *p, struct sn_fe **ret, uint32_t *ret_n)
{
    struct sn_wdivisors a = {0}, b = {0};
    struct sn_fe *pairs = NULL;
    *ret = NULL;
    *ret_n = 0;
    if (!divides(p)) return 0;
    int r = divisors(p, 1, &a);
    if (r == 0) r = divisors(p, 2, &b);
    if (r == 0) keep_common(&a, &b);
    size_t n = r == 0 ? a.v.len : 0;
    if (n) {
        pairs = sn_alloc(2 * n * sizeof(*pairs));
        struct sn_fe *scratch = sn_alloc(2 * n * sizeof(*scratch));
        if (pairs && scratch) {
            memcpy(scratch, a.v.ptr, n * sizeof(*scratch));
            sn_fe_batch_inv(p->field, scratch, n, scratch + n);
            for (size_t i = 0; i < n; i++) pairs[2 * i] = a.v.ptr[i], pairs[2 * i + 1] = scratch[i];
        } else {
            r = SN_E_NOMEM;
        }
        sn_free(scratch);
    }
    sn_vec_done(&a.v);
    sn_vec_done(&b.v);
    if (r < 0) {
        sn_free(pairs);
        return r;
    }
    *ret = pairs;
    *ret_n = (uint32_t)n;
    return 0;
}
