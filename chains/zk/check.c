/* SPDX-License-Identifier: Apache-2.0 */
/* zk/check.c - whether a witness satisfies a system.
 *
 * The fast way takes rows in blocks: the products of a block's entries are gathered, multiplied
 * eight at a time (sn_fe_mul_many), summed, and then A.w * B.w of the whole block likewise. A sum
 * of several products is reduced as a whole (sn_fe_dot_many). Entries of +-1 and wires that are 0
 * or 1, which is most of both, need no product; in long rows a product costs less than to find out,
 * and only zeros are left out. Time depends on the witness, as the program that made it does. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/lanes.h"
#include "zk/r1cs.h"

#define BLOCK_ROWS 128u
#define BLOCK_PRODUCTS 512u /* gathered before they are multiplied: 32 KiB of operands */
#define DENSE 4u            /* products of a sum from which on it is reduced as a whole */
#define BLOCK_PAIRS 1024u   /* of such sums */
#define BLOCK_DOTS (BLOCK_PAIRS / DENSE)
#define LONG 16u /* entries of a sum from which on all are multiplied */
#define ROWS_PER_JOB 8192u

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

/* What one job works in. */
struct block {
    struct sn_fe sum[3][BLOCK_ROWS];
    struct sn_fe x[BLOCK_PRODUCTS], y[BLOCK_PRODUCTS];
    struct sn_fe *to[BLOCK_PRODUCTS]; /* the sum each product goes to */
    unsigned n;
    struct sn_fe_pair pair[BLOCK_PAIRS];
    uint32_t end[BLOCK_DOTS];          /* of each dense sum's pairs */
    struct sn_fe dot[BLOCK_DOTS], *dot_to[BLOCK_DOTS];
    unsigned n_pairs, n_dots; /* the pairs behind the last dot's end are of the sum at hand */
};

static void dots_flush(const struct sn_r1cs *s, struct block *b)
{
    sn_fe_dot_many(s->field, b->dot, b->pair, b->end, b->n_dots);
    for (unsigned i = 0; i < b->n_dots; i++)
        sn_fe_add(s->field, b->dot_to[i], b->dot_to[i], &b->dot[i]);
    b->n_pairs = b->n_dots = 0;
}
static void block_flush(const struct sn_r1cs *s, struct block *b)
{
    sn_fe_mul_many(s->field, b->x, b->x, b->y, b->n);
    for (unsigned i = 0; i < b->n; i++) sn_fe_add(s->field, b->to[i], b->to[i], &b->x[i]);
    b->n = 0;
}

/* Puts the pairs of the sum at hand where they are multiplied. */
static void sum_end(const struct sn_r1cs *s, struct sn_fe *sum, struct block *b)
{
    unsigned from = b->n_dots ? b->end[b->n_dots - 1] : 0;
    if (b->n_pairs - from >= DENSE) {
        b->end[b->n_dots] = b->n_pairs;
        b->dot_to[b->n_dots++] = sum;
    } else {
        for (unsigned i = from; i < b->n_pairs; i++) {
            if (b->n == BLOCK_PRODUCTS) block_flush(s, b);
            b->x[b->n] = *b->pair[i].a;
            b->y[b->n] = *b->pair[i].b;
            b->to[b->n++] = sum;
        }
        b->n_pairs = from;
    }
    if (b->n_pairs == BLOCK_PAIRS) dots_flush(s, b);
}
static void block_entry(const struct sn_r1cs *s, const struct sn_fe *w, uint32_t e,
                        struct sn_fe *sum, struct block *b)
{
    const struct sn_fe *v = &w[s->wire[e]];
    if (sn_fe_is_zero(v)) return;
    if (s->coef[e] == SN_COEF_ONE) {
        sn_fe_add(s->field, sum, sum, v);
    } else if (s->coef[e] == SN_COEF_MINUS_ONE) {
        sn_fe_sub(s->field, sum, sum, v);
    } else if (sn_fe_equal(v, &s->field->one)) {
        sn_fe_add(s->field, sum, sum, &s->dict[s->coef[e]]);
    } else {
        if (b->n_pairs == BLOCK_PAIRS) sum_end(s, sum, b);
        b->pair[b->n_pairs++] = (struct sn_fe_pair){v, &s->dict[s->coef[e]]};
    }
}

/* Entries lo .. hi of a long row. */
static void long_sum(const struct sn_r1cs *s, const struct sn_fe *w, uint32_t lo, uint32_t hi,
                     struct sn_fe *sum, struct block *b)
{
    const uint32_t *wire = s->wire, *coef = s->coef;
    const struct sn_fe *dict = s->dict;
    while (lo < hi) {
        uint32_t n = SN_MIN(hi - lo, BLOCK_PAIRS);
        if (b->n_pairs + n > BLOCK_PAIRS) dots_flush(s, b);
        struct sn_fe_pair *to = b->pair + b->n_pairs;
        for (uint32_t end = lo + n; lo < end; lo++) {
            *to = (struct sn_fe_pair){&w[wire[lo]], &dict[coef[lo]]};
            to += !sn_fe_is_zero(to->a);
        }
        b->n_pairs = (unsigned)(to - b->pair);
        sum_end(s, sum, b);
    }
}

/* sum[0] = sum[0] * sum[1] of the block's rows, without the products that bits make trivial. */
static void block_rows(const struct sn_r1cs *s, struct block *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct sn_fe *x = &b->sum[0][i];
        const struct sn_fe *y = &b->sum[1][i];
        if (sn_fe_is_zero(y))
            *x = *y;
        else if (sn_fe_equal(x, &s->field->one))
            *x = *y;
        else if (!sn_fe_is_zero(x) && !sn_fe_equal(y, &s->field->one)) {
            b->x[b->n] = *x;
            b->y[b->n] = *y;
            b->to[b->n++] = x;
        }
    }
    sn_fe_mul_many(s->field, b->x, b->x, b->y, b->n);
    for (unsigned i = 0; i < b->n; i++) *b->to[i] = b->x[i];
    b->n = 0;
}

/* The first row of lo..hi that fails, hi where none does. */
static uint32_t check_rows(const struct sn_r1cs *s, const struct sn_fe *w, uint32_t lo, uint32_t hi,
                           struct block *b)
{
    for (uint32_t at = lo; at < hi; at += BLOCK_ROWS) {
        uint32_t n = SN_MIN(BLOCK_ROWS, hi - at);
        b->n = b->n_pairs = b->n_dots = 0;
        for (int m = 0; m < 3; m++) memset(b->sum[m], 0, n * sizeof(b->sum[m][0]));
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t *row = s->row_at + 3 * (size_t)(at + i);
            for (int m = 0; m < 3; m++) {
                struct sn_fe *sum = &b->sum[m][i];
                if (row[m + 1] - row[m] >= LONG) {
                    long_sum(s, w, row[m], row[m + 1], sum, b);
                    continue;
                }
                for (uint32_t e = row[m]; e < row[m + 1]; e++) block_entry(s, w, e, sum, b);
                sum_end(s, sum, b);
            }
        }
        block_flush(s, b);
        dots_flush(s, b);
        block_rows(s, b, n);
        for (uint32_t i = 0; i < n; i++)
            if (!sn_fe_equal(&b->sum[0][i], &b->sum[2][i])) return at + i;
    }
    return hi;
}

struct check_job {
    const struct sn_r1cs *s;
    const struct sn_fe *w;
    uint32_t *bad; /* per job: the first row that fails, UINT32_MAX, or n_rows without memory */
};

static void check_job(void *arg, size_t j)
{
    struct check_job *c = arg;
    struct block *b = sn_alloc(sizeof(*b));
    uint32_t lo = (uint32_t)j * ROWS_PER_JOB, hi = SN_MIN(lo + ROWS_PER_JOB, c->s->n_rows);
    uint32_t bad = b ? check_rows(c->s, c->w, lo, hi, b) : c->s->n_rows;
    c->bad[j] = b && bad == hi ? UINT32_MAX : bad;
    if (b) explicit_bzero(b, sizeof(*b));
    sn_free(b);
}

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
    struct check_job c = {s, w, bad};
    sn_par_run(par, check_job, &c, jobs);
    for (size_t j = 0; j < jobs; j++) {
        if (bad[j] == UINT32_MAX) continue;
        if (bad[j] == s->n_rows) return SN_E_NOMEM;
        *ret_row = bad[j];
        return SN_E_FAILED_PRECONDITION;
    }
    return 0;
}
