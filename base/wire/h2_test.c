/* SPDX-License-Identifier: Apache-2.0 */
/* wire/h2_test.c - two sessions joined by buffers: requests, bodies, trailers, limits, floods. */
#include "wire/h2.h"

#include "core/alloc.h"
#include "core/rand.h"
#include "core/status.h"
#include "tests/harness/test.h"

/* One stream as either side sees it. */
struct peer_stream {
    bool used, head, ended, closed;
    int32_t id;
    uint32_t code;
    struct sn_arena arena;
    struct sn_h2_head h;
    struct sn_buf body;
    struct sn_str send;
    size_t sent;
    bool stalled; /* pull gives nothing */
    struct sn_http_headers trailers;
};
struct peer {
    struct sn_h2 *h;
    struct peer_stream st[64];
    unsigned n, refuse_after;
    int32_t goaway_last;
    uint32_t goaway_code;
    bool hold_credit;
};

static void *p_open(void *ctx, int32_t id, struct sn_arena **ret)
{
    struct peer *p = ctx;
    if (p->refuse_after && p->n >= p->refuse_after) return NULL;
    struct peer_stream *s = &p->st[p->n++ % SN_COUNT_OF(p->st)];
    if (s->used) {
        sn_arena_done(&s->arena);
        sn_buf_done(&s->body);
    }
    *s = (struct peer_stream){.used = true, .id = id};
    sn_arena_init(&s->arena, NULL, 0);
    *ret = &s->arena;
    return s;
}
static void p_head(void *ctx, void *user, const struct sn_h2_head *h, bool end)
{
    struct peer_stream *s = user;
    T_ASSERT(!s->head);
    s->head = true;
    s->h = *h;
}
static void p_data(void *ctx, void *user, struct sn_str d)
{
    struct peer *p = ctx;
    struct peer_stream *s = user;
    sn_buf_str(&s->body, d);
    if (!p->hold_credit) sn_h2_consumed(p->h, s->id, d.len);
}
static void p_trailers(void *ctx, void *user, const struct sn_http_headers *t)
{
    ((struct peer_stream *)user)->trailers = *t;
}
static void p_end(void *ctx, void *user) { ((struct peer_stream *)user)->ended = true; }
static size_t p_pull(void *ctx, void *user, size_t max, const char **ret, bool *ret_end)
{
    struct peer_stream *s = user;
    if (s->stalled) return 0;
    size_t n = SN_MIN(max, s->send.len - s->sent);
    *ret = s->send.ptr + s->sent;
    *ret_end = s->sent + n == s->send.len;
    return n;
}
static void p_sent(void *ctx, void *user, size_t n, bool end)
{
    struct peer_stream *s = user;
    s->sent += n;
    T_EQ(end, s->sent == s->send.len);
}
static void p_closed(void *ctx, void *user, uint32_t code)
{
    struct peer_stream *s = user;
    T_ASSERT(!s->closed);
    s->closed = true;
    s->code = code;
}
static void p_goaway(void *ctx, int32_t last, uint32_t code)
{
    ((struct peer *)ctx)->goaway_last = last;
    ((struct peer *)ctx)->goaway_code = code;
}
static const struct sn_h2_events events = {
    .open = p_open, .head = p_head, .data = p_data, .trailers = p_trailers,
    .end = p_end, .pull = p_pull, .sent = p_sent, .closed = p_closed, .goaway = p_goaway,
};

static void peer_new_as(struct peer *p, struct sn_h2_opts o)
{
    *p = (struct peer){0};
    o.events = &events;
    o.ctx = p;
    T_OK(sn_h2_new(&o, &p->h));
}
static void peer_new(struct peer *p, bool client)
{
    peer_new_as(p, (struct sn_h2_opts){.client = client});
}
static void peer_done(struct peer *p)
{
    sn_h2_free(p->h);
    for (size_t i = 0; i < SN_COUNT_OF(p->st); i++)
        if (p->st[i].used) {
            T_ASSERT(p->st[i].closed);
            sn_arena_done(&p->st[i].arena);
            sn_buf_done(&p->st[i].body);
        }
}

/* Moves bytes both ways until neither side has any. Returns the first failure of a receive. */
static int pump(struct peer *a, struct peer *b, int64_t now, size_t step)
{
    struct sn_buf w = {0};
    int first = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int dir = 0; dir < 2; dir++) {
            struct peer *from = dir ? b : a, *to = dir ? a : b;
            sn_buf_reset(&w);
            T_OK(sn_h2_send(from->h, &w, 1 << 20));
            for (size_t off = 0; off < w.len; off += step) {
                struct sn_str d = sn_str_of((char *)w.ptr + off, SN_MIN(step, w.len - off));
                int r = sn_h2_recv(to->h, d, now);
                if (r < 0 && !first) first = r;
                if (r < 0) break;
            }
            moved |= w.len > 0;
        }
        if (first) break;
    }
    sn_buf_done(&w);
    return first;
}

static struct peer_stream *request(struct peer *c, const char *method, const char *path,
                                   struct sn_str body, const struct sn_http_headers *hs)
{
    struct sn_arena *a;
    struct peer_stream *s = p_open(c, 0, &a);
    s->send = body;
    struct sn_h2_request rq = {.method = sn_str(method), .scheme = SN_STR("http"),
                               .authority = SN_STR("host:80"), .path = sn_str(path),
                               .headers = hs, .body = body.ptr != NULL};
    int32_t id = sn_h2_request(c->h, &rq, a, s);
    T_OK(id);
    s->id = id;
    return s;
}

SN_TEST(h2_exchange_with_bodies_and_trailers)
{
    static struct peer c, s;
    for (size_t step = 1; step <= 4096; step = step * 7 + 1) {
        peer_new(&c, true);
        peer_new(&s, false);
        size_t n = 600000; /* past both windows */
        char *big = sn_alloc(n);
        memset(big, 'x', n);
        struct sn_http_header hv[] = {{SN_STR_INIT("X-Upper"), SN_STR_INIT("v")},
                                      {SN_STR_INIT("cookie"), SN_STR_INIT("a=1")},
                                      {SN_STR_INIT("cookie"), SN_STR_INIT("b=2")},
                                      {SN_STR_INIT("Connection"), SN_STR_INIT("x")}};
        struct sn_http_headers hs = {hv, 4, 4};
        struct peer_stream *q = request(&c, "POST", "/p?q", sn_str_of(big, n), &hs);
        T_EQ(pump(&c, &s, 0, step), 0);
        struct peer_stream *r = &s.st[0];
        T_ASSERT(r->head && r->ended);
        T_STR(r->h.method, "POST");
        T_STR(r->h.path, "/p?q");
        T_STR(r->h.authority, "host:80");
        T_ASSERT(!r->h.bad && !r->h.too_large);
        T_STR(sn_http_headers_get(&r->h.headers, SN_STR("cookie")), "a=1; b=2");
        T_STR(r->h.headers.ptr[0].name, "x-upper");
        T_EQ(r->h.headers.len, 2);
        T_EQ(r->body.len, n);
        r->send = SN_STR("answer");
        struct sn_http_header tv[] = {{SN_STR_INIT("Grpc-Status"), SN_STR_INIT("0")}};
        struct sn_http_headers ts = {tv, 1, 1};
        T_OK(sn_h2_respond(s.h, r->id, 201, &hs, &r->arena, true));
        T_OK(sn_h2_trailers(s.h, r->id, &ts, &r->arena));
        T_EQ(pump(&c, &s, 0, step), 0);
        T_EQ(q->h.status, 201);
        T_STR(sn_buf_view(&q->body), "answer");
        T_STR(sn_http_headers_get(&q->trailers, SN_STR("grpc-status")), "0");
        T_ASSERT(q->closed && q->code == 0 && r->closed);
        T_EQ(sn_h2_streams(c.h), 0);
        sn_free(big);
        peer_done(&c);
        peer_done(&s);
    }
}

/* Without credit the sender stops at the window; with it, it goes on. */
SN_TEST(h2_flow_control)
{
    static struct peer c, s;
    peer_new(&c, true);
    peer_new(&s, false);
    s.hold_credit = true;
    T_EQ(pump(&c, &s, 0, 4096), 0);
    size_t n = SN_H2_STREAM_WINDOW + 1000;
    char *big = sn_alloc(n);
    memset(big, 'x', n);
    request(&c, "POST", "/", sn_str_of(big, n), NULL);
    T_EQ(pump(&c, &s, 0, 4096), 0);
    T_EQ(s.st[0].body.len, SN_H2_STREAM_WINDOW);
    T_ASSERT(!s.st[0].ended);
    sn_h2_consumed(s.h, s.st[0].id, s.st[0].body.len);
    T_EQ(pump(&c, &s, 0, 4096), 0);
    T_EQ(s.st[0].body.len, n);
    T_ASSERT(s.st[0].ended);
    sn_free(big);
    peer_done(&c);
    peer_done(&s);
}

/* Streams nobody reads use up the connection's window, unless so much may lie unread; beyond that they
 * do again, until somebody reads. */
SN_TEST(h2_unread_streams_and_the_others)
{
    static struct peer c, s;
    static const struct {
        uint64_t unread_max;
        unsigned before; /* streams of a full window each that come before the connection's is used up */
    } rows[] = {{0, SN_H2_CONN_WINDOW / SN_H2_STREAM_WINDOW},
                {6 * SN_H2_STREAM_WINDOW, 6 + SN_H2_CONN_WINDOW / SN_H2_STREAM_WINDOW}};
    char *big = sn_zalloc(1, SN_H2_STREAM_WINDOW);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%llu unread", (unsigned long long)rows[i].unread_max);
        peer_new(&c, true);
        s = (struct peer){0};
        struct sn_h2_opts o = {.events = &events, .ctx = &s, .unread_max = rows[i].unread_max};
        T_OK(sn_h2_new(&o, &s.h));
        s.hold_credit = true;
        T_EQ(pump(&c, &s, 0, 4096), 0);
        for (unsigned k = 0; k <= rows[i].before; k++) {
            request(&c, "POST", "/", sn_str_of(big, SN_H2_STREAM_WINDOW), NULL);
            T_EQ(pump(&c, &s, 0, 4096), 0);
            T_EQ(s.st[k].body.len, k < rows[i].before ? SN_H2_STREAM_WINDOW : 0);
        }
        /* Half a window's worth is read: that much comes again. */
        for (unsigned k = 0; k < 2; k++) sn_h2_consumed(s.h, s.st[k].id, s.st[k].body.len);
        T_EQ(pump(&c, &s, 0, 4096), 0);
        T_EQ(s.st[rows[i].before].body.len, SN_H2_STREAM_WINDOW);
        for (unsigned k = 2; k <= rows[i].before; k++)
            sn_h2_consumed(s.h, k % 2 ? s.st[k].id : 0, s.st[k].body.len);
        for (unsigned k = 0; k < 10; k++) { /* the windows are as they were */
            s.hold_credit = k >= 5;
            request(&c, "POST", "/", sn_str_of(big, SN_H2_STREAM_WINDOW), NULL);
            T_EQ(pump(&c, &s, 0, 4096), 0);
            struct peer_stream *st = &s.st[(rows[i].before + 1 + k) % SN_COUNT_OF(s.st)];
            T_EQ(st->body.len, k < 9 || rows[i].unread_max ? SN_H2_STREAM_WINDOW : 0);
        }
        peer_done(&c);
        peer_done(&s);
    }
    sn_free(big);
}

/* What goes out is the same whether pieces are lent or copied, also where a stream ends, and gives its
 * memory back, while some of it is lent. */
static void freed_closed(void *ctx, void *user, uint32_t code)
{
    struct peer_stream *s = user;
    p_closed(ctx, user, code);
    if (s->send.ptr) memset((void *)(uintptr_t)s->send.ptr, 0xdd, s->send.len);
}
static void lent_side(bool lend, const size_t *sizes, unsigned n, size_t max, struct sn_buf *all)
{
    static struct peer c, s;
    static const struct sn_h2_events freeing = {
        .open = p_open, .head = p_head, .data = p_data, .trailers = p_trailers, .end = p_end,
        .pull = p_pull, .sent = p_sent, .closed = freed_closed};
    struct sn_h2_opts o = {.events = &freeing, .ctx = &s};
    struct sn_h2_lent lent = {0};
    struct sn_buf w = {0};
    peer_new(&c, true);
    s = (struct peer){0};
    T_OK(sn_h2_new(&o, &s.h));
    for (unsigned i = 0; i < n; i++) request(&c, "GET", "/", (struct sn_str){0}, NULL);
    T_EQ(pump(&c, &s, 0, 1 << 20), 0);
    for (unsigned i = 0; i < n; i++) {
        struct peer_stream *st = &s.st[i];
        char *body = sn_arena_alloc(&st->arena, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) body[k] = (char)(k * 31 + i);
        st->send = sn_str_of(body, sizes[i]);
        T_OK(sn_h2_respond(s.h, st->id, 200, NULL, &st->arena, true));
    }
    for (bool more = true; more;) {
        sn_buf_reset(&w);
        T_OK(sn_h2_send_lent(s.h, &w, max, lend ? &lent : NULL));
        T_ASSERT(lend || !lent.n);
        T_OK(sn_h2_lent_own(&lent, &w));
        T_EQ(lent.bytes, 0);
        more = w.len > 0;
        sn_buf_put(all, w.ptr, w.len);
        T_OK(sn_h2_recv(c.h, sn_buf_view(&w), 0));
        T_EQ(pump(&c, &s, 0, 1 << 20), 0);
    }
    for (unsigned i = 0; i < n; i++) {
        T_EQ(c.st[i].body.len, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) T_ASSERT((char)c.st[i].body.ptr[k] == (char)(k * 31 + i));
    }
    sn_buf_done(&w);
    peer_done(&c);
    peer_done(&s);
}
SN_TEST(h2_lent_pieces)
{
    struct sn_rand r;
    sn_rand_seed(&r, sn_test_seed());
    for (int round = 0; round < 40; round++) {
        size_t sizes[40], max = 1 + sn_rand_u64(&r) % 100000;
        unsigned n = 1 + (unsigned)(sn_rand_u64(&r) % SN_COUNT_OF(sizes));
        for (unsigned i = 0; i < n; i++)
            sizes[i] = 1 + sn_rand_u64(&r) % (sn_rand_u64(&r) % 2 ? 60000 : 2 * SN_H2_LENT_MIN);
        struct sn_buf a = {0}, b = {0};
        lent_side(false, sizes, n, max, &a);
        lent_side(true, sizes, n, max, &b);
        if (max > 60000) T_ASSERT(a.len > 0 && b.len > 0);
        sn_buf_done(&a);
        sn_buf_done(&b);
    }
}

struct bad_head {
    const char *what, *method, *path, *authority, *name, *value;
    bool reset; /* else: bad is set */
};
static const struct bad_head bad_heads[] = {
    {"other host", "GET", "/", "a", "host", "b", false},
    {"authority with user", "GET", "/", "u@a", NULL, NULL, false},
    {"space in path", "GET", "/a b", "a", NULL, NULL, true},
    {"fragment", "GET", "/a#b", "a", NULL, NULL, false},
    {"method", "G(T", "/", "a", NULL, NULL, true},
    {"te", "GET", "/", "a", "te", "gzip", true},
    {"line feed in a value", "GET", "/", "a", "x", "a\nb", true},
    {"space in a name", "GET", "/", "a", "x y", "b", true},
};

SN_TEST(h2_bad_requests)
{
    static struct peer c, s;
    for (size_t i = 0; i < SN_COUNT_OF(bad_heads); i++) {
        const struct bad_head *b = &bad_heads[i];
        sn_test_row("%s", b->what);
        peer_new(&c, true);
        peer_new(&s, false);
        struct sn_arena *a = NULL;
        struct peer_stream *q = p_open(&c, 0, &a);
        struct sn_http_header hv = {sn_str(b->name), sn_str(b->value)};
        struct sn_http_headers hs = {&hv, b->name ? 1 : 0, 1};
        struct sn_h2_request rq = {.method = sn_str(b->method), .scheme = SN_STR("http"),
                                   .authority = sn_str(b->authority), .path = sn_str(b->path),
                                   .headers = &hs};
        T_OK(sn_h2_request(c.h, &rq, a, q));
        pump(&c, &s, 0, 4096);
        if (b->reset)
            T_ASSERTF(q->closed && q->code && !s.st[0].head, "code %u, head %d", q->code,
                      s.st[0].head);
        else
            T_ASSERT(s.st[0].head && s.st[0].h.bad);
        peer_done(&c);
        peer_done(&s);
    }
}

/* What grpc-go sends where it was told to dial "tcp://...": no host, and refused unless it is asked for. */
SN_TEST(h2_any_authority)
{
    static struct peer c, s;
    for (int any = 0; any < 2; any++) {
        peer_new(&c, true);
        peer_new_as(&s, (struct sn_h2_opts){.any_authority = any});
        struct sn_arena *a = NULL;
        struct peer_stream *q = p_open(&c, 0, &a);
        struct sn_http_headers hs = {0};
        struct sn_h2_request rq = {.method = SN_STR("GET"), .scheme = SN_STR("http"),
                                   .authority = SN_STR("tcp:%2F%2F127.0.0.1:26658"),
                                   .path = SN_STR("/"), .headers = &hs};
        T_OK(sn_h2_request(c.h, &rq, a, q));
        pump(&c, &s, 0, 4096);
        T_ASSERT(s.st[0].head && s.st[0].h.bad == !any);
        peer_done(&c);
        peer_done(&s);
    }
}

SN_TEST(h2_field_limits)
{
    static struct peer c, s;
    peer_new(&c, true);
    peer_new(&s, false);
    struct sn_http_header hv[200];
    for (size_t i = 0; i < 200; i++) hv[i] = (struct sn_http_header){SN_STR("x-a"), SN_STR("b")};
    struct sn_http_headers hs = {hv, 200, 200};
    request(&c, "GET", "/", (struct sn_str){0}, &hs);
    T_EQ(pump(&c, &s, 0, 4096), 0);
    T_ASSERT(s.st[0].head && s.st[0].h.too_large);
    T_ASSERT(s.st[0].h.headers.len <= SN_H2_FIELDS_MAX);
    peer_done(&c);
    peer_done(&s);
}

static bool no_memory(size_t size) { return true; }

/* A reset that finds no memory must not leave the peer with a stream nobody hears: the connection
 * fails at its next write. */
SN_TEST(h2_reset_without_memory_ends_the_connection)
{
    static struct peer c, s;
    static const struct sn_alloc_hooks hooks = {.fail = no_memory};
    struct sn_buf w = {0};
    peer_new(&c, true);
    peer_new(&s, false);
    struct peer_stream *q = request(&c, "GET", "/", (struct sn_str){0}, NULL);
    T_EQ(pump(&c, &s, 0, 4096), 0);
    T_ASSERT(s.st[0].head && !s.st[0].closed);
    sn_alloc_set_hooks(&hooks);
    sn_h2_reset(c.h, q->id, SN_H2_CANCEL);
    sn_alloc_set_hooks(NULL);
    T_EQ(sn_h2_send(c.h, &w, 1 << 20), SN_E_NOMEM);
    sn_buf_done(&w);
    peer_done(&c);
    peer_done(&s);
}

/* CVE-2023-44487: open and reset as fast as possible. */
SN_TEST(h2_rapid_reset)
{
    static struct peer c, s;
    peer_new(&c, true);
    peer_new(&s, false);
    T_EQ(pump(&c, &s, 0, 4096), 0);
    int r = 0;
    unsigned i = 0;
    for (; i < 5000 && r == 0; i++) {
        struct peer_stream *q = request(&c, "GET", "/", (struct sn_str){0}, NULL);
        struct sn_buf w = {0};
        T_OK(sn_h2_send(c.h, &w, 1 << 20));
        sn_h2_reset(c.h, q->id, SN_H2_CANCEL);
        T_OK(sn_h2_send(c.h, &w, 1 << 20));
        r = sn_h2_recv(s.h, sn_buf_view(&w), (int64_t)i * SN_US);
        sn_buf_done(&w);
    }
    T_EQ(r, SN_E_RESOURCE_EXHAUSTED);
    T_ASSERTF(i <= SN_H2_RESETS_BURST + 10, "stopped after %u", i);
    pump(&s, &c, 0, 4096);
    T_EQ(c.goaway_code, SN_H2_ENHANCE_YOUR_CALM);
    /* At an honest pace the same number is fine. */
    peer_done(&c);
    peer_done(&s);
    peer_new(&c, true);
    peer_new(&s, false);
    T_EQ(pump(&c, &s, 0, 4096), 0);
    for (i = 0; i < 2000; i++) {
        struct peer_stream *q = request(&c, "GET", "/", (struct sn_str){0}, NULL);
        T_EQ(pump(&c, &s, (int64_t)i * 25 * SN_MS, 4096), 0);
        sn_h2_reset(c.h, q->id, SN_H2_CANCEL);
        T_EQ(pump(&c, &s, (int64_t)i * 25 * SN_MS, 4096), 0);
    }
    peer_done(&c);
    peer_done(&s);
}

static const struct {
    const char *what;
    struct sn_str frame;
} floods[] = {
    {"ping", SN_STR_INIT("\0\0\x08\x06\0\0\0\0\0abcdefgh")},
    {"settings", SN_STR_INIT("\0\0\0\x04\0\0\0\0\0")},
    {"priority", SN_STR_INIT("\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\0")},
    {"window", SN_STR_INIT("\0\0\x04\x08\0\0\0\0\0\0\0\0\x01")},
};
SN_TEST(h2_control_floods)
{
    static struct peer c, s;
    for (size_t k = 0; k < SN_COUNT_OF(floods); k++) {
        sn_test_row("%s", floods[k].what);
        peer_new(&c, true);
        peer_new(&s, false);
        T_EQ(pump(&c, &s, 0, 4096), 0);
        int r = 0;
        unsigned i = 0;
        for (; i < 20000 && r == 0; i++) {
            r = sn_h2_recv(s.h, floods[k].frame, (int64_t)i);
            struct sn_buf w = {0};
            T_OK(sn_h2_send(s.h, &w, 1 << 20));
            sn_buf_done(&w);
        }
        T_ASSERTF(r == SN_E_RESOURCE_EXHAUSTED || r == SN_E_PROTOCOL, "got %d after %u", r, i);
        T_ASSERT(i < SN_H2_CONTROL_BURST + 100);
        peer_done(&c);
        peer_done(&s);
    }
}

/* CVE-2025-8671: make the server reset, by frames that are stream errors. */
SN_TEST(h2_made_you_reset)
{
    static struct peer c, s;
    peer_new(&c, true);
    peer_new(&s, false);
    T_EQ(pump(&c, &s, 0, 4096), 0);
    int r = 0;
    unsigned i = 0;
    for (; i < 5000 && r == 0; i++) {
        struct peer_stream *q = request(&c, "GET", "/", (struct sn_str){0}, NULL);
        struct sn_buf w = {0};
        T_OK(sn_h2_send(c.h, &w, 1 << 20));
        uint8_t overflow[13] = {0, 0, 4, 8, 0, (uint8_t)(q->id >> 24), (uint8_t)(q->id >> 16),
                                (uint8_t)(q->id >> 8), (uint8_t)q->id, 0x7f, 0xff, 0xff, 0xff};
        sn_buf_put(&w, overflow, sizeof(overflow));
        r = sn_h2_recv(s.h, sn_buf_view(&w), (int64_t)i);
        sn_buf_reset(&w);
        T_OK(sn_h2_send(s.h, &w, 1 << 20));
        if (sn_h2_recv(c.h, sn_buf_view(&w), 0) < 0) r = r ? r : -1;
        sn_buf_done(&w);
    }
    T_ASSERTF(r < 0, "%u resets provoked", i);
    T_ASSERTF(i <= SN_H2_RESETS_BURST + 10, "stopped after %u", i);
    peer_done(&c);
    peer_done(&s);
}

SN_TEST(h2_garbage_and_continuations)
{
    static struct peer s;
    peer_new(&s, false);
    T_EQ(sn_h2_recv(s.h, SN_STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0), SN_E_PROTOCOL);
    peer_done(&s);
    peer_new(&s, false);
    T_OK(sn_h2_recv(s.h, SN_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"), 0));
    T_OK(sn_h2_recv(s.h, SN_STR("\0\0\x01\x01\0\0\0\0\x01\x82"), 0));
    int r = 0, i = 0;
    for (; i < 10000 && r == 0; i++) r = sn_h2_recv(s.h, SN_STR("\0\0\x01\x09\0\0\0\0\x01\x84"), 0);
    T_ASSERTF(r < 0 && i < 100, "continuations without end: %d after %d", r, i);
    peer_done(&s);
}
