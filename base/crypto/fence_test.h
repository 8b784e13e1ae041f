/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/fence_test.h - arrays that end, or begin, where memory does: for kernels that sanitizers do not
 * see. */
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include "core/base.h"

struct fence {
    char *map;
    size_t bytes; /* of the readable middle */
};
/* Room for n bytes between two pages that fault. Returns false without memory. Owns: fence_done. */
static inline bool fence_init(struct fence *f, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    f->bytes = (n + page - 1) / page * page;
    f->map = mmap(NULL, f->bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return f->map != MAP_FAILED && mprotect(f->map + page, f->bytes, PROT_READ | PROT_WRITE) == 0;
}
/* n bytes at the end of the room, or at its beginning. */
static inline void *fence_at(const struct fence *f, size_t n, bool end)
{
    return f->map + sysconf(_SC_PAGESIZE) + (end ? f->bytes - n : 0);
}
static inline void fence_done(struct fence *f)
{
    (void)munmap(f->map, f->bytes + 2 * (size_t)sysconf(_SC_PAGESIZE));
}
