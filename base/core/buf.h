/* SPDX-License-Identifier: Apache-2.0 */
/* core/buf.h - a growable byte buffer with a limit and a sticky error.
 * Writers append without checking and ask once at the end: `if (b.err < 0) return b.err;`.
 * After an error appends do nothing, so output is never silently truncated in the middle. */
#pragma once
#include <stdarg.h>

#include "core/base.h"
#include "core/str.h"

struct sn_buf {
    uint8_t *ptr;
    size_t len, cap;
    size_t limit; /* bytes, 0 = none; reaching it is SN_E_TOO_LARGE */
    int err;      /* 0, SN_E_NOMEM, SN_E_TOO_LARGE; SN_E_INVALID_ARGUMENT: printf refused */
    bool fixed;   /* ptr is the caller's, never grown or freed */
};

static inline void sn_buf_init(struct sn_buf *b, size_t limit)
{
    *b = (struct sn_buf){.limit = limit};
}
/* sn_buf_init_fixed - writes into the caller's `mem`; full is SN_E_TOO_LARGE. */
static inline void sn_buf_init_fixed(struct sn_buf *b, void *mem, size_t cap)
{
    *b = (struct sn_buf){.ptr = mem, .cap = cap, .limit = cap, .fixed = true};
}
/* sn_buf_done - frees the memory (not a fixed buffer's); it is empty with the same limit. */
void sn_buf_done(struct sn_buf *b);
/* sn_buf_reset - empties and clears the error, keeps the memory. */
static inline void sn_buf_reset(struct sn_buf *b)
{
    b->len = 0;
    b->err = 0;
}
/* sn_buf_reserve - room for `n` more bytes at ptr+len. Returns 0 or the (now sticky) error. */
int sn_buf_reserve(struct sn_buf *b, size_t n);
static inline int sn_buf_put(struct sn_buf *b, const void *data, size_t n)
{
    if (SN_UNLIKELY(b->err < 0 || b->cap - b->len < n) && sn_buf_reserve(b, n) < 0) return b->err;
    if (n) memcpy(b->ptr + b->len, data, n);
    b->len += n;
    return 0;
}
static inline int sn_buf_byte(struct sn_buf *b, uint8_t c) { return sn_buf_put(b, &c, 1); }
static inline int sn_buf_str(struct sn_buf *b, struct sn_str s)
{
    return sn_buf_put(b, s.ptr, s.len);
}
static inline int sn_buf_cstr(struct sn_buf *b, const char *s)
{
    return sn_buf_put(b, s, strlen(s));
}
/* sn_buf_printf, sn_buf_vprintf - append formatted text. Return 0 or the (now sticky) error. */
int sn_buf_printf(struct sn_buf *b, const char *fmt, ...) SN_PRINTF(2, 3);
int sn_buf_vprintf(struct sn_buf *b, const char *fmt, va_list ap);
/* sn_buf_u64, sn_buf_i64 - decimal digits, no printf. Return 0 or the (now sticky) error. */
int sn_buf_u64(struct sn_buf *b, uint64_t v);
int sn_buf_i64(struct sn_buf *b, int64_t v);
/* sn_buf_consume - drops the first n bytes (n <= len), moving the rest down. */
void sn_buf_consume(struct sn_buf *b, size_t n);
/* sn_buf_cz - ensures a NUL after the content (not counted). Returns ptr, or "" on error. */
const char *sn_buf_cz(struct sn_buf *b);
static inline struct sn_str sn_buf_view(const struct sn_buf *b)
{
    return (struct sn_str){(const char *)b->ptr, b->len};
}
