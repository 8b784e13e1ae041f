/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_io.c - buffers, and bodies on the read side of HTTP/1.1, for server and client. */
#include "core/alloc.h"
#include "kit/http_int.h"

void http_pools_init(struct http_pools *p)
{
    *p = (struct http_pools){.date_until_ns = INT64_MIN};
    sn_arena_pool_init(&p->arenas, HTTP_ARENA_CHUNK, HTTP_ARENA_CHUNKS_IDLE_MAX);
}

void http_pools_done(struct http_pools *p)
{
    while (p->bufs) {
        struct http_buf *b = p->bufs;
        p->bufs = b->next;
        sn_free(b);
    }
    p->n_bufs = 0;
    sn_arena_pool_done(&p->arenas);
}

char *http_buf_take(struct http_pools *p)
{
    struct http_buf *b = p->bufs;
    if (SN_UNLIKELY(!b)) return sn_alloc(HTTP_BUF_BYTES);
    p->bufs = b->next;
    p->n_bufs--;
    return (char *)b;
}

void http_buf_give(struct http_pools *p, char *buf)
{
    if (!buf) return;
    if (p->n_bufs >= HTTP_BUFS_IDLE_MAX) {
        sn_free(buf);
        return;
    }
    struct http_buf *b = (struct http_buf *)buf;
    b->next = p->bufs;
    p->bufs = b;
    p->n_bufs++;
}

const char *http_date(struct http_pools *p)
{
    int64_t now = sn_now_coarse();
    if (SN_UNLIKELY(now >= p->date_until_ns)) {
        int64_t wall = sn_wall_now();
        sn_http_date(wall / SN_SEC, p->date);
        p->date_until_ns = now + SN_SEC - wall % SN_SEC;
    }
    return p->date;
}

/* ---- read side ------------------------------------------------------------------------------ */

void http_in_init(struct http_in *in, struct http_pools *pools, struct sn_stream *st)
{
    *in = (struct http_in){.pools = pools, .st = st};
}

static void mem_give(struct http_in *in, char *mem, size_t cap)
{
    if (cap == HTTP_BUF_BYTES)
        http_buf_give(in->pools, mem);
    else
        sn_free(mem);
}

void http_in_done(struct http_in *in)
{
    mem_give(in, in->mem, in->cap);
    mem_give(in, in->held, in->held_cap);
    in->mem = in->held = NULL;
    in->cap = in->held_cap = in->start = in->end = in->pinned = 0;
}

void http_in_unpin(struct http_in *in)
{
    if (in->held) {
        mem_give(in, in->held, in->held_cap);
        in->held = NULL;
        in->held_cap = 0;
    }
    in->pinned = 0;
    if (in->start == in->end) in->start = in->end = 0;
}

/* A larger buffer, or a second one while a head is pinned in the first. */
static int in_replace(struct http_in *in, size_t cap)
{
    size_t n = http_in_len(in);
    char *mem = cap == HTTP_BUF_BYTES ? http_buf_take(in->pools) : sn_alloc(cap);
    if (!mem) return SN_E_NOMEM;
    if (n) memcpy(mem, in->mem + in->start, n);
    if (in->pinned) {
        SN_ASSERT(!in->held);
        in->held = in->mem;
        in->held_cap = in->cap;
        in->pinned = 0;
    } else {
        mem_give(in, in->mem, in->cap);
    }
    in->mem = mem;
    in->cap = cap;
    in->start = 0;
    in->end = n;
    return 0;
}

#define IN_ROOM_MIN 2048u /* a read smaller than this is not worth its system call */

static int in_room(struct http_in *in, size_t bytes_max)
{
    if (!in->mem) return in_replace(in, HTTP_BUF_BYTES);
    if (in->start == in->end) in->start = in->end = in->pinned;
    if (in->cap - in->end >= IN_ROOM_MIN) return 0;
    size_t n = http_in_len(in);
    if (in->start > in->pinned) {
        memmove(in->mem + in->pinned, in->mem + in->start, n);
        in->start = in->pinned;
        in->end = in->pinned + n;
        if (in->cap - in->end >= IN_ROOM_MIN) return 0;
    }
    if (in->pinned) return in_replace(in, HTTP_BUF_BYTES);
    if (n > bytes_max) return SN_E_TOO_LARGE;
    return in->cap - in->end ? 0 : in_replace(in, in->cap * 2);
}

ssize_t http_in_fill(struct http_in *in, size_t bytes_max)
{
    if (in->cut && *in->cut) return SN_E_CLOSED;
    int r = in_room(in, bytes_max);
    if (r < 0) return r;
    ssize_t n = sn_read(in->st, in->mem + in->end, in->cap - in->end);
    if (n > 0) in->end += (size_t)n;
    return n;
}

/* ---- bodies --------------------------------------------------------------------------------- */

void http_body_init(struct http_body *b, const struct sn_h1 *head)
{
    *b = (struct http_body){.kind = head->body, .eof = head->body == SN_H1_BODY_NONE};
    if (b->kind == SN_H1_BODY_LENGTH) b->left = (uint64_t)head->content_length;
    sn_h1_chunked_init(&b->chunked);
}

void http_body_done(struct http_body *b) { sn_buf_done(&b->trailers); }

static ssize_t body_fail(struct http_body *b, ssize_t r)
{
    b->err = (int)r;
    return r;
}

/* Bytes are in the buffer, or the stream ended (then r <= 0). */
static ssize_t body_fill(struct http_body *b, struct http_in *in)
{
    if (http_in_len(in)) return 1;
    ssize_t r = http_in_fill(in, SIZE_MAX);
    if (r == 0 && b->kind == SN_H1_BODY_CLOSE) {
        b->eof = true;
        return 0;
    }
    if (r == 0) return body_fail(b, SN_E_EOF);
    return r < 0 ? body_fail(b, r) : r;
}

static ssize_t chunked_next(struct http_body *b, struct http_in *in, size_t max, const char **ret)
{
    for (;;) {
        ssize_t n = body_fill(b, in);
        if (n <= 0) return n;
        struct sn_str avail = sn_str_of(http_in_ptr(in), http_in_len(in)), data;
        /* No more than `max` data bytes are wanted: the rest stays in the buffer. */
        if (b->chunked.left && avail.len > max) avail.len = max;
        size_t had = avail.len;
        int r = sn_h1_chunked_next(&b->chunked, &avail, &data, &b->trailers);
        if (r == 1 && data.len > max) { /* a chunk that began in this very call */
            size_t back = data.len - max;
            b->chunked.left += back;
            b->chunked.total -= back;
            b->chunked.state = SN_H1_CHUNKED_DATA;
            in->start += had - avail.len - back;
            *ret = data.ptr;
            return (ssize_t)max;
        }
        in->start += had - avail.len;
        if (r == 1) {
            *ret = data.ptr;
            return (ssize_t)data.len;
        }
        if (r == 0) {
            b->eof = true;
            return 0;
        }
        if (r != SN_E_AGAIN) return body_fail(b, r);
    }
}

ssize_t http_body_next(struct http_body *b, struct http_in *in, size_t max, const char **ret)
{
    if (b->err < 0) return b->err;
    if (b->eof || max == 0) return 0;
    if (b->kind == SN_H1_BODY_CHUNKED) return chunked_next(b, in, max, ret);
    ssize_t r = body_fill(b, in);
    if (r <= 0) return r;
    size_t n = SN_MIN(http_in_len(in), max);
    if (b->kind == SN_H1_BODY_LENGTH) {
        if (n > b->left) n = (size_t)b->left;
        b->left -= n;
        if (b->left == 0) b->eof = true;
    }
    *ret = http_in_ptr(in);
    in->start += n;
    return (ssize_t)n;
}

ssize_t http_body_copy(struct http_body *b, struct http_in *in, void *buf, size_t cap)
{
    /* Straight into the caller's memory when nothing is buffered and the framing allows it. */
    if (b->err == 0 && !b->eof && b->kind == SN_H1_BODY_LENGTH && http_in_len(in) == 0 &&
        cap >= IN_ROOM_MIN) {
        size_t n = cap < b->left ? cap : (size_t)b->left;
        if (in->cut && *in->cut) return body_fail(b, SN_E_CLOSED);
        ssize_t r = sn_read(in->st, buf, n);
        if (r == 0) return body_fail(b, SN_E_EOF);
        if (r < 0) return body_fail(b, r);
        b->left -= (uint64_t)r;
        if (b->left == 0) b->eof = true;
        return r;
    }
    const char *p = NULL;
    ssize_t n = http_body_next(b, in, cap, &p);
    if (n > 0) memcpy(buf, p, (size_t)n);
    return n;
}

int http_body_trailers(struct http_body *b, struct sn_arena *a, struct sn_http_headers *ret)
{
    if (!b->trailers.len) return 0;
    struct sn_str raw = sn_arena_str(a, sn_buf_view(&b->trailers));
    sn_buf_reset(&b->trailers);
    int r = raw.ptr ? sn_h1_trailers(raw, a, ret) : SN_E_NOMEM;
    if (r < 0) b->err = r;
    return r;
}
