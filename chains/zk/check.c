/* SPDX-License-Identifier: Apache-2.0 */
/* zk/check.c - whether a witness satisfies a system: rows by the kernels of crypto/rows.h, jobs of many
 * rows each. Time depends on the witness, as the program that made it does. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/rows.h"
#include "zk/r1cs.h"

#define ROWS_PER_JOB (32 * SN_FE_ROWS_WINDOW)

static void scalar_lc(const struct sn_r1cs *s, const struct sn_fe *w, uint32_t lo, uint32_t hi,
                      struct sn_fe *ret)
{
    struct sn_fe sum = {{0}}, t;
    for (uint32_t e = lo; e < hi; e++) {
        sn_fe_mul(s->field, &t, &w[s->wire[e]], &s->dict[s->coef[e]]);
        sn_fe_add(s->field, &sum, &sum, &t);
    }
    *ret = sum;
}

int sn_r1cs_check_scalar(const struct sn_r1cs *s, const struct sn_fe *w, uint32_t *ret_row)
{
    if (s->n_wires == 0 || !sn_fe_equal(&w[0], &s->field->one)) {
        *ret_row = s->n_rows;
        return SN_E_FAILED_PRECONDITION;
    }
    for (uint32_t i = 0; i < s->n_rows; i++) {
        const uint32_t *row = s->row_at + 3 * (size_t)i;
        struct sn_fe v[3], ab;
        for (int m = 0; m < 3; m++) scalar_lc(s, w, row[m], row[m + 1], &v[m]);
        sn_fe_mul(s->field, &ab, &v[0], &v[1]);
        if (sn_fe_equal(&ab, &v[2])) continue;
        *ret_row = i;
        return SN_E_FAILED_PRECONDITION;
    }
    return 0;
}

struct check_job {
    const struct sn_field *f;
    struct sn_fe_rows rows;
    uint32_t n_rows;
    uint32_t *bad; /* per job: the first row that fails, UINT32_MAX */
};

static void check_job(void *arg, size_t j)
{
    struct check_job *c = arg;
    uint32_t lo = (uint32_t)j * ROWS_PER_JOB, hi = SN_MIN(lo + ROWS_PER_JOB, c->n_rows);
    uint32_t bad = sn_fe_rows_check(c->f, &c->rows, lo, hi);
    c->bad[j] = bad == hi ? UINT32_MAX : bad;
}

_Static_assert(SN_COEF_ONE == 0 && SN_COEF_MINUS_ONE == 1, "as crypto/rows.h has them");
int sn_r1cs_check(const struct sn_r1cs *s, const struct sn_fe *w, const struct sn_par *par,
                  uint32_t *ret_row)
{
    if (s->n_wires == 0 || !sn_fe_equal(&w[0], &s->field->one)) {
        *ret_row = s->n_rows;
        return SN_E_FAILED_PRECONDITION;
    }
    size_t jobs = (s->n_rows + ROWS_PER_JOB - 1) / ROWS_PER_JOB;
    uint32_t *bad SN_CLEANUP(sn_freep) = sn_alloc(jobs * sizeof(*bad));
    if (!bad) return SN_E_NOMEM;
    struct check_job c = {s->field,
                          {s->row_at, s->wire, s->coef, s->dict, s->negation, w, s->row_order},
                          s->n_rows,
                          bad};
    sn_par_run(par, check_job, &c, jobs);
    for (size_t j = 0; j < jobs; j++) {
        if (bad[j] == UINT32_MAX) continue;
        *ret_row = bad[j];
        return SN_E_FAILED_PRECONDITION;
    }
    return 0;
}
