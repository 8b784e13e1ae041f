/* SPDX-License-Identifier: Apache-2.0 */
/* pthread.h of the WebAssembly runtime: there is one thread. */
#pragma once

typedef int pthread_once_t;
#define PTHREAD_ONCE_INIT 0
static inline int pthread_once(pthread_once_t *once, void (*fn)(void))
{
    if (*once == 0) fn();
    *once = 1;
    return 0;
}
