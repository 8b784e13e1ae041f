/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/lanes.c - the kernels for eight lanes are those of the vector engine in use. */
#include "crypto/lanes.h"

#include "core/status.h"
#include "crypto/vec_int.h"

int sn_lanes_init(struct sn_lanes *c, const struct sn_field *f)
{
    const struct sn_vec_engine *e = sn_vec_of(f);
    if (!e) return SN_E_UNIMPLEMENTED;
    c->ops = e->lanes;
    c->ops->init(c, f);
    return 0;
}
