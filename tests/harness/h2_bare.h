/* SPDX-License-Identifier: Apache-2.0 */
/* harness/h2_bare.h - an h2 client of one request, for tests: a bare session on a socket, so that its
 * frames can be counted and its bytes held back; and WebSocket frames over its stream. */
#pragma once
#include <string.h>

#include "core/arena.h"
#include "core/buf.h"
#include "fiber/net.h"
#include "tests/harness/test.h"
#include "wire/h2.h"
#include "wire/ws.h"

struct bare {
    struct sn_stream *st;
    struct sn_h2 *h;
    struct sn_arena arena;
    int32_t id;
    struct sn_h2_head head;
    bool answered, end, closed, out_end;
    uint32_t code;
    struct sn_buf in;
    struct sn_str out;
    unsigned head_frames;
    struct sn_buf frames; /* received and not yet counted */
};

static inline void b_head(void *ctx, void *user, const struct sn_h2_head *h, bool end)
{
    struct bare *b = ctx;
    b->head = *h;
    b->answered = true;
}
static inline void b_data(void *ctx, void *user, struct sn_str d)
{
    struct bare *b = ctx;
    sn_buf_str(&b->in, d);
    sn_h2_consumed(b->h, b->id, d.len);
}
static inline void b_trailers(void *ctx, void *user, const struct sn_http_headers *t) {}
static inline void b_end(void *ctx, void *user) { ((struct bare *)ctx)->end = true; }
static inline size_t b_pull(void *ctx, void *user, size_t max, const char **ret, bool *ret_end)
{
    struct bare *b = ctx;
    *ret = b->out.ptr;
    *ret_end = b->out_end && b->out.len <= max;
    return SN_MIN(max, b->out.len);
}
static inline void b_sent(void *ctx, void *user, size_t n, bool end)
{
    ((struct bare *)ctx)->out = sn_str_from(((struct bare *)ctx)->out, n);
}
static inline void b_closed(void *ctx, void *user, uint32_t code)
{
    struct bare *b = ctx;
    b->closed = true;
    b->code = code;
}
static const struct sn_h2_events bare_events = {.head = b_head, .data = b_data,
                                                .trailers = b_trailers, .end = b_end,
                                                .pull = b_pull, .sent = b_sent,
                                                .closed = b_closed};

static inline void count_frames(struct bare *b, const char *p, size_t n)
{
    sn_buf_put(&b->frames, p, n);
    while (b->frames.len >= 9) {
        const uint8_t *f = b->frames.ptr;
        size_t len = 9 + ((size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2]);
        if (b->frames.len < len) return;
        b->head_frames += f[3] == 1;
        sn_buf_consume(&b->frames, len);
    }
}

static inline void bare_flush(struct bare *b)
{
    struct sn_buf w = {0};
    T_OK(sn_h2_send(b->h, &w, 1 << 20));
    if (w.len) T_OK(sn_write(b->st, w.ptr, w.len));
    sn_buf_done(&w);
}

/* One read of what comes within a moment. Returns false when nothing did. */
static inline bool bare_turn(struct bare *b, int64_t ns)
{
    char buf[8192];
    bare_flush(b);
    int64_t prev = sn_deadline_tighten(sn_now() + ns);
    ssize_t n = sn_read(b->st, buf, sizeof(buf));
    sn_deadline_restore(prev);
    if (n <= 0) return false;
    count_frames(b, buf, (size_t)n);
    T_OK(sn_h2_recv(b->h, sn_str_of(buf, (size_t)n), sn_now()));
    bare_flush(b);
    return true;
}
#define BARE_UNTIL(b, cond) \
    while (!(cond)) T_ASSERTF(bare_turn(b, 10 * SN_SEC), "gone before: %s", #cond)

static inline void bare_open(struct bare *b, const char *addr)
{
    *b = (struct bare){0};
    sn_arena_init(&b->arena, NULL, 0);
    T_OK(sn_dial(addr, NULL, &b->st));
    T_OK(sn_h2_new(&(struct sn_h2_opts){.client = true, .events = &bare_events, .ctx = b}, &b->h));
    while (!sn_h2_connect_protocol(b->h)) T_ASSERT(bare_turn(b, 10 * SN_SEC));
}

static inline void bare_request(struct bare *b, const char *path, const char *protocol,
                         const struct sn_http_header *h, unsigned n)
{
    struct sn_http_headers hs = {(struct sn_http_header *)h, n, n};
    struct sn_h2_request rq = {.method = SN_STR("POST"), .scheme = SN_STR("http"),
                               .authority = SN_STR("a"), .path = sn_str(path), .headers = &hs,
                               .body = true};
    if (protocol) {
        rq.method = SN_STR("CONNECT");
        rq.protocol = sn_str(protocol);
    }
    b->id = sn_h2_request(b->h, &rq, &b->arena, b);
    T_OK(b->id);
    bare_flush(b);
}

static inline void bare_send(struct bare *b, struct sn_str data, bool end)
{
    b->out = data;
    b->out_end = end;
    sn_h2_resume(b->h, b->id);
    bare_flush(b);
    T_EQ(b->out.len, 0);
}

static inline void bare_done(struct bare *b)
{
    sn_h2_free(b->h);
    sn_stream_close(b->st);
    sn_buf_done(&b->in);
    sn_buf_done(&b->frames);
    sn_arena_done(&b->arena);
}

static const struct sn_http_header ws_version[1] = {{SN_STR_INIT("sec-websocket-version"),
                                                    SN_STR_INIT("13")}};

static inline void ws_send(struct bare *b, enum sn_ws_op op, const char *text)
{
    static const uint8_t key[4] = {1, 2, 3, 4};
    uint8_t frame[600];
    size_t len = strlen(text), n = sn_ws_head_put(frame, op, true, len, key);
    sn_ws_mask(frame + n, (const uint8_t *)text, len, key, 0);
    bare_send(b, sn_str_of((char *)frame, n + len), false);
}

/* The next frame of the server: one of ours fits b->in's beginning. */
static inline void ws_expect(struct bare *b, enum sn_ws_op op, const char *text)
{
    size_t len = strlen(text);
    BARE_UNTIL(b, b->in.len >= 2 + len);
    T_EQ(b->in.ptr[0], 0x80 | op);
    T_EQ(b->in.ptr[1], len);
    T_ASSERTF(memcmp(b->in.ptr + 2, text, len) == 0, "%.*s", (int)b->in.len, (char *)b->in.ptr);
    sn_buf_consume(&b->in, 2 + len);
}
