/* SPDX-License-Identifier: Apache-2.0 */
/* core/vec.c - growth of typed arrays. */
#include "core/vec.h"

#define CAP_MIN 8u

int sn_vec_grow_(void **ptr, size_t *cap, size_t need, size_t elem)
{
    size_t bytes, n = SN_MAX(*cap, (size_t)CAP_MIN / 2);
    if (__builtin_mul_overflow(n, (size_t)2, &n)) return SN_E_NOMEM;
    n = SN_MAX(n, need);
    if (__builtin_mul_overflow(n, elem, &bytes)) return SN_E_NOMEM;
    void *p = sn_realloc(*ptr, bytes);
    if (!p) return SN_E_NOMEM;
    *ptr = p;
    *cap = n;
    return 0;
}
