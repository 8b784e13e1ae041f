/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/lanes.c - which kernels for eight lanes this processor can run. */
#include "crypto/lanes.h"

#include "core/status.h"
#include "crypto/lanes_int.h"

int sn_lanes_init(struct sn_lanes *c, const struct sn_field *f)
{
#ifdef __x86_64__
    const struct sn_lanes_ops *ops = NULL;
    __builtin_cpu_init();
    if (sn_field_ifma)
        ops = &sn_lanes_ifma;
    else if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        ops = &sn_lanes_fma;
    if (ops) {
        c->ops = ops;
        ops->init(c, f);
        return 0;
    }
#endif
    return SN_E_UNIMPLEMENTED;
}
