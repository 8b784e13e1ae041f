/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/heap.c - malloc for a program of two milliseconds and one thread.
 *
 * musl's allocator gives memory back by a system call whenever it can, and each page it got again
 * costs a fault: a tenth of an exec. Here the first memory comes at once and with its pages, blocks
 * are cut off its front, and a freed one waits in the list of its size for the next of that size.
 * The sizes are four to each power of two, so at most a fifth of a block is wasted. Only what is
 * larger than a list's sizes goes back to the kernel. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_BYTES (128u << 10) /* a run takes 80 KiB */
#define CHUNK_BYTES (1u << 20)
#define LISTED_MAX (256u << 10)
#define LISTS 64

struct block {
    size_t size; /* usable bytes */
    union {
        struct block *next; /* while it is free */
        max_align_t align;
    } u;
};
#define HEAD offsetof(struct block, u)

static struct block *lists[LISTS];
static char *front, *end;

static struct block *block_of(void *p) { return (struct block *)(void *)((char *)p - HEAD); }

/* The smallest listed size that holds n, 16-aligned; *ret_list: its number. */
static size_t round_up(size_t n, unsigned *ret_list)
{
    if (n <= 64) {
        *ret_list = (unsigned)((n + 15) / 16);
        return *ret_list * 16u;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll((unsigned long long)n - 1); /* n - 1 has it */
    size_t step = (size_t)1 << (top - 2), size = (n + step - 1) & ~(step - 1);
    *ret_list = 5 + (top - 6) * 4 + (unsigned)((size - 1) >> (top - 2) & 3);
    return size;
}

static void *take_pages(size_t n, int flags)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* New memory, all zero. */
static struct block *cut(size_t size)
{
    size_t need = HEAD + size;
    if ((size_t)(end - front) < need) {
        size_t bytes = front ? CHUNK_BYTES : FIRST_BYTES;
        if (bytes < need) bytes = CHUNK_BYTES;
        char *p = take_pages(bytes, front ? 0 : MAP_POPULATE);
        if (!p) return NULL;
        front = p;
        end = p + bytes;
    }
    struct block *b = (struct block *)(void *)front;
    front += need;
    b->size = size;
    return b;
}

static struct block *get(size_t n, int *ret_zero)
{
    unsigned list;
    *ret_zero = 1;
    if (n > PTRDIFF_MAX - CHUNK_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    if (n > LISTED_MAX) {
        struct block *b = take_pages(HEAD + n, 0);
        if (b) b->size = n;
        return b;
    }
    size_t size = round_up(n ? n : 1, &list);
    struct block *b = lists[list];
    if (!b) return cut(size);
    lists[list] = b->u.next;
    *ret_zero = 0;
    return b;
}

static void *take(size_t n)
{
    int zero;
    struct block *b = get(n, &zero);
    return b ? (char *)b + HEAD : NULL;
}

static void *take_zeroed(size_t n, size_t size)
{
    size_t total;
    int zero;
    if (__builtin_mul_overflow(n, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    struct block *b = get(total, &zero);
    if (!b) return NULL;
    return zero ? (char *)b + HEAD : memset((char *)b + HEAD, 0, total);
}

static void give(void *p)
{
    if (!p) return;
    struct block *b = block_of(p);
    unsigned list;
    if (b->size > LISTED_MAX) {
        munmap(b, HEAD + b->size);
        return;
    }
    (void)round_up(b->size, &list);
    b->u.next = lists[list];
    lists[list] = b;
}

static void *change(void *p, size_t n)
{
    if (!p) return take(n);
    size_t have = block_of(p)->size;
    if (n <= have) return p;
    void *q = take(n);
    if (!q) return NULL;
    memcpy(q, p, have);
    give(p);
    return q;
}

/* What libc and core/alloc.h call. */
void *malloc(size_t n) { return take(n); }                           /* banned: the heap itself */
void free(void *p) { give(p); }                                      /* banned: as above */
void *calloc(size_t n, size_t size) { return take_zeroed(n, size); } /* banned: as above */
void *realloc(void *p, size_t n) { return change(p, n); }            /* banned: as above */
size_t malloc_usable_size(void *p) { return p ? block_of(p)->size : 0; }
