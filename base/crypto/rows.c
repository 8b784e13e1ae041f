/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/rows.c - rows one by one, where the processor has nothing better (vec_rows.c). */
#include "crypto/rows.h"

#include "crypto/vec_int.h"

/* Rows with long sums stay together as they are: neighbours share sums. */
static unsigned shape(const uint32_t at[4])
{
    uint32_t a = at[1] - at[0], b = at[2] - at[1], c = at[3] - at[2];
    if (SN_MAX(SN_MAX(a, b), c) >= SN_VEC_ROWS_LONG) return 255;
    return c << 5 | b << 2 | SN_MIN(a, 2u);
}
void sn_fe_rows_order(const uint32_t *at, uint32_t n, uint8_t *ret)
{
    for (uint32_t from = 0; from < n; from += SN_FE_ROWS_WINDOW) {
        uint32_t rows = SN_MIN(n - from, SN_FE_ROWS_WINDOW), place[257] = {0};
        for (uint32_t i = 0; i < rows; i++) place[shape(at + 3 * (size_t)(from + i)) + 1]++;
        for (unsigned k = 1; k < 257; k++) place[k] += place[k - 1];
        for (uint32_t i = 0; i < rows; i++)
            ret[from + place[shape(at + 3 * (size_t)(from + i))]++] = (uint8_t)i;
    }
}

static void sum(const struct sn_field *f, const struct sn_fe_rows *r, uint32_t lo, uint32_t hi,
                struct sn_fe *ret)
{
    struct sn_fe t;
    *ret = (struct sn_fe){{0}};
    for (uint32_t e = lo; e < hi; e++) {
        const struct sn_fe *w = &r->w[r->wire[e]];
        if (r->coef[e] == 0) {
            sn_fe_add(f, ret, ret, w);
        } else if (r->coef[e] == 1) {
            sn_fe_sub(f, ret, ret, w);
        } else if (!sn_fe_is_zero(w)) {
            sn_fe_mul(f, &t, w, &r->dict[r->coef[e]]);
            sn_fe_add(f, ret, ret, &t);
        }
    }
}

uint32_t sn_fe_rows_check(const struct sn_field *f, const struct sn_fe_rows *r, uint32_t lo,
                          uint32_t hi)
{
    const struct sn_vec_engine *e = sn_vec_of(f);
    if (e && f->bits >= SN_VEC_ROWS_BITS_MIN) return e->rows_check(f, r, lo, hi);
    for (uint32_t i = lo; i < hi; i++) {
        const uint32_t *at = r->at + 3 * (size_t)i;
        struct sn_fe v[3];
        for (unsigned m = 0; m < 3; m++) sum(f, r, at[m], at[m + 1], &v[m]);
        sn_fe_mul(f, &v[0], &v[0], &v[1]);
        if (!sn_fe_equal(&v[0], &v[2])) return i;
    }
    return hi;
}
