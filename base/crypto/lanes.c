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
