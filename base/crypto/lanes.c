/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/lanes.c - the kernels for eight lanes are those of the vector engine in use. */
#include "crypto/lanes.h"

#include "core/status.h"
#include "crypto/vec_int.h"

int sn_lanes_init(struct sn_lanes *c, const struct sn_field *f)
{
    if (!sn_field_vec) return SN_E_UNIMPLEMENTED;
    c->ops = sn_field_vec->lanes;
    c->ops->init(c, f);
    return 0;
}

void sn_fe_dot_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe_pair *pairs,
                    const uint32_t *end, size_t n)
{
    if (sn_field_vec) {
        sn_field_vec->lanes->dot_many(f, ret, pairs, end, n);
        return;
    }
    for (size_t i = 0, k = 0; i < n; i++) {
        struct sn_fe sum = {{0}}, t;
        for (; k < end[i]; k++) {
            sn_fe_mul(f, &t, pairs[k].a, pairs[k].b);
            sn_fe_add(f, &sum, &sum, &t);
        }
        ret[i] = sum;
    }
}
