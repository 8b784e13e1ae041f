/* SPDX-License-Identifier: Apache-2.0 */
/* core/vec.h - typed growable arrays.
 * SN_VEC(struct route) routes = {0};  r = sn_vec_push(&routes, route);  routes.ptr[i], routes.len
 * Zero-initialised is empty. Growth doubles; failure leaves the vector as it was. */
#pragma once
#include "core/alloc.h"
#include "core/base.h"
#include "core/status.h"

#define SN_VEC(type)     \
    struct {             \
        type *ptr;       \
        size_t len, cap; \
    }

int sn_vec_grow_(void **ptr, size_t *cap, size_t need, size_t elem);

/* sn_vec_reserve - room for n elements in all. Returns 0 or SN_E_NOMEM. */
#define sn_vec_reserve(v, n)                                   \
    ((n) <= (v)->cap ? 0                                       \
                     : sn_vec_grow_((void **)&(v)->ptr, &(v)->cap, (n), sizeof(*(v)->ptr)))
/* sn_vec_push - appends a copy. Returns 0 or SN_E_NOMEM. */
#define sn_vec_push(v, ...)                                      \
    ({                                                           \
        int sn_r_ = sn_vec_reserve((v), (v)->len + 1);           \
        if (sn_r_ == 0) (v)->ptr[(v)->len++] = (__VA_ARGS__);    \
        sn_r_;                                                   \
    })
/* sn_vec_add - appends a zeroed element and gives its address, NULL without memory. */
#define sn_vec_add(v)                                                              \
    (sn_vec_reserve((v), (v)->len + 1) == 0                                        \
         ? (__typeof__((v)->ptr))memset(&(v)->ptr[(v)->len++], 0, sizeof(*(v)->ptr)) \
         : NULL)
#define sn_vec_remove_swap(v, i) ((v)->ptr[(i)] = (v)->ptr[--(v)->len])
#define sn_vec_done(v)          \
    do {                        \
        sn_free((v)->ptr);      \
        (v)->ptr = NULL;        \
        (v)->len = (v)->cap = 0; \
    } while (0)
#define SN_VEC_EACH(v, it) \
    for (__typeof__((v)->ptr + 0) it = (v)->ptr; it < (v)->ptr + (v)->len; it++)
