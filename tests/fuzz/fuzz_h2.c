/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_h2.c - a server's HTTP/2 session fed arbitrary bytes behind a good preface: every
 * opened stream is closed exactly once, heads are marked or well formed, nothing leaks. */
#include <stdlib.h>

#include "core/status.h"
#include "wire/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct st {
    struct sn_arena arena;
    int32_t id;
};
static struct sn_h2 *session;
static int open_streams;

static void *ev_open(void *ctx, int32_t id, struct sn_arena **ret)
{
    struct st *s = calloc(1, sizeof(*s));
    if (!s) return NULL;
    s->id = id;
    sn_arena_init(&s->arena, NULL, 1 << 20);
    *ret = &s->arena;
    open_streams++;
    return s;
}
static void ev_head(void *ctx, void *user, const struct sn_h2_head *h, bool end)
{
    struct st *s = user;
    if (!h->bad && !h->too_large && (!h->authority.len || !sn_http_is_token(h->method))) abort();
    (void)!sn_h2_respond(session, s->id, 200, NULL, &s->arena, true);
}
static void ev_data(void *ctx, void *user, struct sn_str d)
{
    sn_h2_consumed(session, ((struct st *)user)->id, d.len);
}
static void ev_trailers(void *ctx, void *user, const struct sn_http_headers *t) {}
static void ev_end(void *ctx, void *user) {}
static size_t ev_pull(void *ctx, void *user, size_t max, const char **ret, bool *ret_end)
{
    *ret = "hello";
    *ret_end = true;
    return SN_MIN(max, (size_t)5);
}
static void ev_sent(void *ctx, void *user, size_t n, bool end) {}
static void ev_closed(void *ctx, void *user, uint32_t code)
{
    struct st *s = user;
    open_streams--;
    sn_arena_done(&s->arena);
    free(s);
}
static const struct sn_h2_events events = {
    .open = ev_open, .head = ev_head, .data = ev_data, .trailers = ev_trailers,
    .end = ev_end,   .pull = ev_pull, .sent = ev_sent, .closed = ev_closed,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_h2_opts o = {.events = &events, .streams_max = 20, .fields_max = 16};
    if (sn_h2_new(&o, &session) < 0) return 0;
    struct sn_buf out = {0};
    int r = sn_h2_recv(session, SN_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"), 0);
    for (size_t off = 0; off < size && r == 0; off += 61) {
        r = sn_h2_recv(session, sn_str_of((const char *)data + off, SN_MIN((size_t)61, size - off)),
                       (int64_t)off);
        sn_buf_reset(&out);
        if (sn_h2_send(session, &out, 1 << 16) < 0) break;
    }
    sn_h2_free(session);
    sn_buf_done(&out);
    if (open_streams != 0) abort();
    return 0;
}
