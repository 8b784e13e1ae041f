/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/lanes.c - which kernels for eight lanes this processor can run. */
#include "crypto/lanes.h"

#include "core/status.h"
#include "crypto/lanes_int.h"
#include "crypto/vec_int.h"

int sn_lanes_init(struct sn_lanes *c, const struct sn_field *f)
{
#ifdef __x86_64__
    const struct sn_lanes_ops *ops = NULL;
    const struct sn_vec_engine *vec[2];
    if (sn_field_vec == &sn_vec_ifma_engine)
        ops = &sn_lanes_ifma;
    else if (sn_vec_engines(vec) > 0)
        ops = &sn_lanes_fma;
    if (ops) {
        c->ops = ops;
        ops->init(c, f);
        return 0;
    }
#endif
    return SN_E_UNIMPLEMENTED;
}
