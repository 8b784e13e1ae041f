/* SPDX-License-Identifier: Apache-2.0 */
/* core/buf.c - growth, formatting and numbers of the byte buffer. */
#include "core/buf.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/status.h"

#define CAP_MIN 64u

static int fail(struct sn_buf *b, int err)
{
    b->err = err;
    return err;
}

/* Room for n more bytes. A buffer of ours has one byte beyond cap, for the NUL that printf and
 * sn_buf_cz put behind the content and no limit counts. */
static int grow(struct sn_buf *b, size_t n)
{
    if (b->err < 0) return b->err;
    size_t need;
    if (__builtin_add_overflow(b->len, n, &need) || need == SIZE_MAX)
        return fail(b, SN_E_TOO_LARGE);
    if (b->limit && need > b->limit) return fail(b, SN_E_TOO_LARGE);
    if (need <= b->cap && b->ptr) return 0;
    if (b->fixed) return fail(b, SN_E_TOO_LARGE);
    size_t cap = SN_MAX(b->cap + b->cap / 2, (size_t)CAP_MIN - 1);
    if (b->limit) cap = SN_MIN(cap, b->limit);
    cap = SN_MAX(cap, need);
    uint8_t *p = sn_realloc(b->ptr, cap + 1);
    if (!p) return fail(b, SN_E_NOMEM);
    b->ptr = p;
    b->cap = cap;
    return 0;
}

int sn_buf_reserve(struct sn_buf *b, size_t n) { return n == 0 ? b->err : grow(b, n); }

void sn_buf_done(struct sn_buf *b)
{
    if (b->fixed) {
        sn_buf_reset(b);
        return;
    }
    sn_free(b->ptr);
    sn_buf_init(b, b->limit);
}

int sn_buf_vprintf(struct sn_buf *b, const char *fmt, va_list ap)
{
    if (b->err < 0) return b->err;
    va_list again;
    va_copy(again, ap);
    size_t spare = b->ptr ? b->cap - b->len + !b->fixed : 0;
    int r = vsnprintf(spare ? (char *)b->ptr + b->len : NULL, spare, fmt, ap);
    size_t n = (size_t)r;
    if (r < 0) {
        fail(b, SN_E_INVALID_ARGUMENT);
    } else if (n < spare) {
        b->len += n;
    } else if (b->fixed && n == spare && n > 0) {
        /* An exact fit, but vsnprintf wants a byte more for its NUL. */
        char *tmp = sn_alloc(n + 1);
        if (tmp) {
            vsnprintf(tmp, n + 1, fmt, again);
            sn_buf_put(b, tmp, n);
            sn_free(tmp);
        } else {
            fail(b, SN_E_NOMEM);
        }
    } else if (n > 0 && grow(b, n) == 0) {
        vsnprintf((char *)b->ptr + b->len, n + 1, fmt, again);
        b->len += n;
    }
    va_end(again);
    return b->err;
}

int sn_buf_printf(struct sn_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = sn_buf_vprintf(b, fmt, ap);
    va_end(ap);
    return r;
}

static const char digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
                                     "25262728293031323334353637383940414243444546474849"
                                     "50515253545556575859606162636465666768697071727374"
                                     "75767778798081828384858687888990919293949596979899";

/* Digits of v, right-aligned before `end`. Returns the first. */
static char *digits(uint64_t v, char *end)
{
    while (v >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + (v % 100) * 2, 2);
        v /= 100;
    }
    if (v >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + v * 2, 2);
    } else {
        *--end = (char)('0' + v);
    }
    return end;
}

int sn_buf_u64(struct sn_buf *b, uint64_t v)
{
    char tmp[20];
    char *p = digits(v, tmp + sizeof(tmp));
    return sn_buf_put(b, p, (size_t)(tmp + sizeof(tmp) - p));
}

int sn_buf_i64(struct sn_buf *b, int64_t v)
{
    char tmp[21];
    char *p = digits(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, tmp + sizeof(tmp));
    if (v < 0) *--p = '-';
    return sn_buf_put(b, p, (size_t)(tmp + sizeof(tmp) - p));
}

void sn_buf_consume(struct sn_buf *b, size_t n)
{
    SN_ASSERT(n <= b->len);
    b->len -= n;
    if (n && b->len) memmove(b->ptr, b->ptr + n, b->len);
}

const char *sn_buf_cz(struct sn_buf *b)
{
    if (b->err < 0 || (!b->ptr && grow(b, 0) < 0)) return "";
    if (b->fixed && b->len == b->cap) {
        fail(b, SN_E_TOO_LARGE);
        return "";
    }
    b->ptr[b->len] = 0;
    return (const char *)b->ptr;
}
