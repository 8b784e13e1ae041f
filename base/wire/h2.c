/* SPDX-License-Identifier: Apache-2.0 */
/* wire/h2.c - the session around nghttp2. */
#include "wire/h2.h"

#include <nghttp2/nghttp2.h>

#include "core/alloc.h"
#include "core/list.h"
#include "core/status.h"

struct stream {
    struct sn_list link;
    int32_t id;
    void *user;
    struct sn_arena *arena;
    struct sn_h2_head head;
    struct sn_http_headers trailers_in;
    struct sn_http_header *trailers_out;
    unsigned n_trailers_out;
    size_t field_bytes;
    unsigned n_cookies;
    bool head_done, is_trailers, piece_end, reset_when_sent;
    const char *piece; /* the body bytes announced to nghttp2, until send_data */
};

/* Tokens in thousandths: taken by cheap hostile frames, given back by time and honest work. */
struct budget {
    int64_t milli, max_milli;
    unsigned per_sec;
};

/* Bandwidth-delay product, by PINGs sent beside data: what arrives in one round trip and fills two
 * thirds of the estimate, faster than ever before, doubles it. */
struct bdp {
    int64_t sent_ns; /* of the PING that is out; -1 = none */
    uint64_t sample; /* bytes since */
    double rtt_ns, rate_max;
    uint32_t estimate;
};

struct sn_h2 {
    nghttp2_session *s;
    struct sn_h2_opts o;
    struct sn_list streams;
    unsigned n_streams;
    int64_t now_ns;
    struct budget resets, control;
    struct bdp bdp;
    uint64_t unread, owed; /* body bytes not consumed; of them not yet given back to the connection */
    int64_t pinged_ns; /* the peer's last PING; -1 = none since data of ours */
    unsigned ping_strikes;
    bool spent, in_recv, settings_seen;
    bool reset_lost; /* a reset could not be queued: only the connection's end can tell the peer */
    struct sn_buf *out;      /* of the sn_h2_send in progress */
    struct sn_h2_lent *lent; /* of the sn_h2_send_lent in progress */
};

/* ---- budgets -------------------------------------------------------------------------------- */

static void budget_init(struct budget *b, unsigned burst, unsigned per_sec)
{
    b->milli = b->max_milli = (int64_t)burst * 1000;
    b->per_sec = per_sec;
}
static void budget_tick(struct budget *b, int64_t ns)
{
    /* ns is clamped by the caller to an hour: no overflow. */
    b->milli += ns / SN_US * b->per_sec / 1000;
    if (b->milli > b->max_milli) b->milli = b->max_milli;
}
static void spend(struct sn_h2 *h, struct budget *b)
{
    b->milli -= 1000;
    if (b->milli >= 0 || h->spent) return;
    h->spent = true;
    nghttp2_session_terminate_session(h->s, NGHTTP2_ENHANCE_YOUR_CALM);
}
static void earn(struct budget *b, int64_t milli)
{
    b->milli = SN_MIN(b->milli + milli, b->max_milli);
}

/* ---- PING and windows ----------------------------------------------------------------------- */

static const uint8_t ping_bdp[8] = {2, 4, 16, 16, 9, 14, 7, 7};
static const uint8_t ping_life[8] = {'s', 'e', 'n', 'n', 'i', 't', 0, 1};
#define PING_STRIKES_MAX 2u

static void bdp_data(struct sn_h2 *h, size_t n)
{
    if (!h->o.window_max || h->bdp.estimate >= h->o.window_max) return;
    h->bdp.sample += n;
    if (h->bdp.sent_ns >= 0) return;
    h->bdp.sample = n;
    if (nghttp2_submit_ping(h->s, NGHTTP2_FLAG_NONE, ping_bdp) == 0) h->bdp.sent_ns = h->now_ns;
}

static void bdp_pong(struct sn_h2 *h)
{
    struct bdp *b = &h->bdp;
    double rtt = (double)SN_MAX(h->now_ns - b->sent_ns, (int64_t)1);
    b->sent_ns = -1;
    b->rtt_ns = b->rtt_ns ? b->rtt_ns + (rtt - b->rtt_ns) * 0.9 : rtt;
    double rate = (double)b->sample / (b->rtt_ns * 1.5);
    bool faster = rate > b->rate_max;
    if (faster) b->rate_max = rate;
    if ((double)b->sample < 0.66 * b->estimate || !faster) return;
    b->estimate = (uint32_t)SN_MIN(b->sample * 2, (uint64_t)h->o.window_max);
    if (b->estimate <= SN_H2_STREAM_WINDOW) return;
    nghttp2_settings_entry iv = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, b->estimate};
    /* A window that could not be raised stays as it is: slower, not wrong. */
    if (nghttp2_submit_settings(h->s, NGHTTP2_FLAG_NONE, &iv, 1) == 0)
        (void)nghttp2_session_set_local_window_size(
            h->s, NGHTTP2_FLAG_NONE, 0, (int32_t)SN_MAX(b->estimate, SN_H2_CONN_WINDOW));
}

static void on_ping(struct sn_h2 *h, const nghttp2_ping *f)
{
    if (f->hd.flags & NGHTTP2_FLAG_ACK) {
        if (h->bdp.sent_ns >= 0 && memcmp(f->opaque_data, ping_bdp, 8) == 0)
            bdp_pong(h);
        else if (h->o.events->pong && memcmp(f->opaque_data, ping_life, 8) == 0)
            h->o.events->pong(h->o.ctx);
        else
            spend(h, &h->control);
        return;
    }
    spend(h, &h->control);
    int64_t last = h->pinged_ns;
    h->pinged_ns = h->now_ns;
    if (!h->o.ping_min_ns || last < 0 || h->now_ns - last >= h->o.ping_min_ns) return;
    if (++h->ping_strikes <= PING_STRIKES_MAX || h->spent) return;
    static const char why[] = "too_many_pings";
    h->spent = true;
    nghttp2_submit_goaway(h->s, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->s),
                          NGHTTP2_ENHANCE_YOUR_CALM, (const uint8_t *)why, sizeof(why) - 1);
}

int sn_h2_ping(struct sn_h2 *h)
{
    return nghttp2_submit_ping(h->s, NGHTTP2_FLAG_NONE, ping_life) == 0 ? 0 : SN_E_NOMEM;
}

/* ---- fields --------------------------------------------------------------------------------- */

static struct stream *stream_of(struct sn_h2 *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->s, id);
}

static struct sn_str keep(struct stream *st, const uint8_t *p, size_t n)
{
    return sn_arena_str(st->arena, sn_str_of((const char *)p, n));
}

static bool is(const uint8_t *p, size_t n, const char *lit)
{
    return n == strlen(lit) && memcmp(p, lit, n) == 0;
}

static int pseudo_field(struct stream *st, const uint8_t *name, size_t nn, struct sn_str v)
{
    struct sn_h2_head *h = &st->head;
    if (is(name, nn, ":method"))
        h->method = v;
    else if (is(name, nn, ":path"))
        h->path = v;
    else if (is(name, nn, ":scheme"))
        h->scheme = v;
    else if (is(name, nn, ":authority"))
        h->authority = v;
    else if (is(name, nn, ":protocol"))
        h->protocol = v;
    else if (is(name, nn, ":status"))
        for (size_t i = 0; i < v.len; i++) h->status = h->status * 10 + (v.ptr[i] - '0');
    return 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nn,
                     const uint8_t *value, size_t vn, uint8_t flags, void *ctx)
{
    struct sn_h2 *h = ctx;
    struct stream *st = stream_of(h, f->hd.stream_id);
    if (!st || !st->arena) return 0;
    /* RFC 9113 section 6.5.2: a field counts 32 bytes beyond its text. */
    st->field_bytes += nn + vn + 32;
    struct sn_http_headers *to = st->is_trailers ? &st->trailers_in : &st->head.headers;
    if (st->field_bytes > h->o.field_bytes_max || to->len >= h->o.fields_max) {
        st->head.too_large = true;
        return 0;
    }
    if (st->is_trailers && !sn_http_trailer_ok(sn_str_of((const char *)name, nn))) return 0;
    struct sn_str v = keep(st, value, vn);
    if (!v.ptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (name[0] == ':') return pseudo_field(st, name, nn, v);
    struct sn_str n = keep(st, name, nn);
    if (!n.ptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (is(name, nn, "content-length")) {
        uint64_t len;
        if (sn_str_to_u64(v, &len) < 0 || len > INT64_MAX) st->head.bad = true;
        else st->head.content_length = (int64_t)len;
    }
    if (is(name, nn, "cookie")) st->n_cookies++;
    if (sn_http_headers_add(to, st->arena, n, v) < 0) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
}

/* RFC 9113 section 8.2.3: cookie crumbs become one line before anybody else sees them. */
static void join_cookies(struct stream *st)
{
    struct sn_http_headers *hs = &st->head.headers;
    size_t n = 0;
    for (unsigned i = 0; i < hs->len; i++)
        if (sn_str_eqc(hs->ptr[i].name, "cookie")) n += hs->ptr[i].value.len + 2;
    char *all = sn_arena_alloc(st->arena, n), *p = all;
    if (!all) {
        st->head.too_large = true;
        return;
    }
    unsigned out = 0;
    struct sn_http_header joined = {SN_STR("cookie"), {all, n - 2}};
    for (unsigned i = 0; i < hs->len; i++) {
        if (!sn_str_eqc(hs->ptr[i].name, "cookie")) {
            hs->ptr[out++] = hs->ptr[i];
            continue;
        }
        if (p != all) {
            memcpy(p, "; ", 2);
            p += 2;
        }
        memcpy(p, hs->ptr[i].value.ptr, hs->ptr[i].value.len);
        p += hs->ptr[i].value.len;
    }
    hs->ptr[out++] = joined;
    hs->len = out;
}

/* What a request must satisfy so that its translation to 1.1 reads the same to everybody. */
static void check_request(struct stream *st, bool any_authority)
{
    struct sn_h2_head *h = &st->head;
    struct sn_str host = sn_http_headers_get(&h->headers, SN_STR("host"));
    unsigned hosts = 0;
    for (unsigned i = 0; i < h->headers.len; i++)
        hosts += sn_str_eqc(h->headers.ptr[i].name, "host");
    if (hosts > 1) h->bad = true;
    if (!h->authority.ptr)
        h->authority = host;
    else if (host.ptr && !sn_str_ieq(host, h->authority))
        h->bad = true;
    if (!h->authority.ptr || (!any_authority && !sn_http_host_valid(h->authority))) h->bad = true;
    if (!sn_http_is_token(h->method)) h->bad = true;
    for (size_t i = 0; i < h->path.len; i++) {
        unsigned char c = (unsigned char)h->path.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#') h->bad = true;
    }
    bool connect = sn_str_eqc(h->method, "CONNECT") && !h->protocol.ptr;
    if (h->protocol.ptr && !sn_http_is_token(h->protocol)) h->bad = true;
    if (!connect && (h->path.len == 0 || (h->path.ptr[0] != '/' && !sn_str_eqc(h->path, "*"))))
        h->bad = true;
}

/* ---- frames in ------------------------------------------------------------------------------ */

static struct stream *stream_new(struct sn_h2 *h, int32_t id, void *user, struct sn_arena *arena)
{
    struct stream *st = SN_ARENA_NEW(arena, struct stream);
    if (!st) return NULL;
    st->id = id;
    st->user = user;
    st->arena = arena;
    st->head.content_length = -1;
    sn_list_push_back(&h->streams, &st->link);
    h->n_streams++;
    return st;
}

static int on_begin_headers(nghttp2_session *s, const nghttp2_frame *f, void *ctx)
{
    struct sn_h2 *h = ctx;
    struct stream *st = stream_of(h, f->hd.stream_id);
    if (!st && !h->o.client && f->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct sn_arena *arena = NULL;
        void *user = h->spent ? NULL : h->o.events->open(h->o.ctx, f->hd.stream_id, &arena);
        if (!user) {
            spend(h, &h->resets);
            nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, f->hd.stream_id,
                                      NGHTTP2_REFUSED_STREAM);
            return 0;
        }
        st = stream_new(h, f->hd.stream_id, user, arena);
        if (!st) {
            h->o.events->closed(h->o.ctx, user, SN_H2_INTERNAL_ERROR);
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        nghttp2_session_set_stream_user_data(s, f->hd.stream_id, st);
        return 0;
    }
    if (st && st->head_done) st->is_trailers = true;
    return 0;
}

static void on_headers_done(struct sn_h2 *h, struct stream *st, bool end)
{
    if (st->is_trailers) {
        if (st->trailers_in.len)
            h->o.events->trailers(h->o.ctx, st->user, &st->trailers_in);
        return;
    }
    if (h->o.client && st->head.status < 200) { /* interim: forget it */
        st->head = (struct sn_h2_head){.content_length = -1};
        st->field_bytes = 0;
        return;
    }
    st->head_done = true;
    if (st->n_cookies > 1) join_cookies(st);
    if (!h->o.client) check_request(st, h->o.any_authority);
    h->o.events->head(h->o.ctx, st->user, &st->head, end);
}

static int on_frame_recv(nghttp2_session *s, const nghttp2_frame *f, void *ctx)
{
    struct sn_h2 *h = ctx;
    bool end = f->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct stream *st = f->hd.stream_id ? stream_of(h, f->hd.stream_id) : NULL;
    switch (f->hd.type) {
    case NGHTTP2_HEADERS:
        if (!st) break;
        earn(&h->control, 2000);
        on_headers_done(h, st, end);
        /* The callback may have reset the stream, which keeps its record until on_stream_close. */
        if (end) h->o.events->end(h->o.ctx, st->user);
        break;
    case NGHTTP2_DATA:
        if (f->hd.length == 0 && !end) spend(h, &h->control);
        if (st && end) h->o.events->end(h->o.ctx, st->user);
        break;
    case NGHTTP2_RST_STREAM:
        if (!h->o.client) spend(h, &h->resets);
        break;
    case NGHTTP2_GOAWAY:
        if (h->o.events->goaway)
            h->o.events->goaway(h->o.ctx, f->goaway.last_stream_id, f->goaway.error_code);
        break;
    case NGHTTP2_SETTINGS:
        spend(h, &h->control);
        if (h->settings_seen || f->hd.flags & NGHTTP2_FLAG_ACK) break;
        h->settings_seen = true;
        if (h->o.events->settings) h->o.events->settings(h->o.ctx);
        break;
    case NGHTTP2_PING: on_ping(h, &f->ping); break;
    default: spend(h, &h->control); break;
    }
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t n,
                   void *ctx)
{
    struct sn_h2 *h = ctx;
    struct stream *st = stream_of(h, id);
    earn(&h->control, 1000);
    bdp_data(h, n);
    if (!st) {
        nghttp2_session_consume_connection(s, n);
        return 0;
    }
    h->unread += n;
    if (h->unread - h->owed <= h->o.unread_max)
        nghttp2_session_consume_connection(s, n);
    else
        h->owed += n;
    h->o.events->data(h->o.ctx, st->user, sn_str_of((const char *)data, n));
    return 0;
}

static void stream_drop(struct sn_h2 *h, struct stream *st, uint32_t code)
{
    sn_list_del(&st->link);
    h->n_streams--;
    h->o.events->closed(h->o.ctx, st->user, code); /* st may be gone with its arena */
}

static int on_stream_close(nghttp2_session *s, int32_t id, uint32_t code, void *ctx)
{
    struct sn_h2 *h = ctx;
    struct stream *st = stream_of(h, id);
    if (!st) return 0;
    /* `closed` gives its memory back. Without memory here the send fails, and nothing is written. */
    if (h->lent && h->lent->n) (void)!sn_h2_lent_own(h->lent, h->out);
    nghttp2_session_set_stream_user_data(s, id, NULL);
    if (code == NGHTTP2_NO_ERROR) {
        /* A request served in full pays for later cancellations: honest clients cancel too. */
        earn(&h->resets, 500);
    }
    stream_drop(h, st, code);
    return 0;
}

/* A reset that the peer provoked by breaking a rule costs it as much as one it sent. */
static int on_invalid_frame(nghttp2_session *s, const nghttp2_frame *f, int code, void *ctx)
{
    spend(ctx, &((struct sn_h2 *)ctx)->resets);
    return 0;
}

static int on_invalid_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name,
                             size_t nn, const uint8_t *value, size_t vn, uint8_t flags, void *ctx)
{
    /* nghttp2's default is to skip such a field: two hops would see different requests. */
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_frame_send(nghttp2_session *s, const nghttp2_frame *f, void *ctx)
{
    struct sn_h2 *h = ctx;
    if (f->hd.type == NGHTTP2_RST_STREAM && !h->o.client &&
        f->rst_stream.error_code != NGHTTP2_NO_ERROR &&
        f->rst_stream.error_code != NGHTTP2_REFUSED_STREAM)
        spend(h, &h->resets);
    else if (f->hd.type == NGHTTP2_HEADERS || f->hd.type == NGHTTP2_DATA) {
        earn(&h->control, 2000);
        h->pinged_ns = -1;
        h->ping_strikes = 0;
        struct stream *st = f->hd.flags & NGHTTP2_FLAG_END_STREAM ? stream_of(h, f->hd.stream_id)
                                                                  : NULL;
        if (st && st->reset_when_sent) sn_h2_reset(h, f->hd.stream_id, SN_H2_NO_ERROR);
    }
    return 0;
}

/* ---- frames out ----------------------------------------------------------------------------- */

static int submit_trailers(struct sn_h2 *h, struct stream *st)
{
    nghttp2_nv *nv = sn_arena_alloc(st->arena, st->n_trailers_out * sizeof(*nv));
    if (!nv) return SN_E_NOMEM;
    unsigned n = 0;
    for (; n < st->n_trailers_out; n++) {
        struct sn_http_header *t = &st->trailers_out[n];
        nv[n] = (nghttp2_nv){(uint8_t *)t->name.ptr, (uint8_t *)t->value.ptr, t->name.len,
                             t->value.len, NGHTTP2_NV_FLAG_NONE};
    }
    return nghttp2_submit_trailer(h->s, st->id, nv, n);
}

static ssize_t read_body(nghttp2_session *s, int32_t id, uint8_t *buf, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *ctx)
{
    struct sn_h2 *h = ctx;
    struct stream *st = stream_of(h, id);
    if (!st) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    bool end = false;
    const char *p = NULL;
    size_t n = h->o.events->pull(h->o.ctx, st->user, max, &p, &end);
    if (n == 0 && !end) return NGHTTP2_ERR_DEFERRED;
    st->piece = p;
    st->piece_end = end;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (!end) return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!st->n_trailers_out) return (ssize_t)n;
    /* Without them the message would look complete: rather a reset. */
    if (submit_trailers(h, st) != 0) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return (ssize_t)n;
}

static int send_data(nghttp2_session *s, nghttp2_frame *f, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *ctx)
{
    struct sn_h2 *h = ctx;
    struct stream *st = stream_of(h, f->hd.stream_id);
    if (!st) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    /* No padding is ever asked for (no select_padding callback). */
    sn_buf_put(h->out, head, 9);
    struct sn_h2_lent *l = h->lent;
    if (l && n >= SN_H2_LENT_MIN && l->n < SN_H2_LENT_MAX) {
        l->piece[l->n].at = h->out->len;
        l->piece[l->n].ptr = st->piece;
        l->piece[l->n++].len = n;
        l->bytes += n;
    } else {
        sn_buf_put(h->out, st->piece, n);
    }
    st->piece = NULL;
    h->o.events->sent(h->o.ctx, st->user, n, st->piece_end);
    return h->out->err < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

int sn_h2_lent_own(struct sn_h2_lent *l, struct sn_buf *out)
{
    size_t from = out->len, to = from + l->bytes;
    if (l->n == 0) return out->err;
    int r = sn_buf_reserve(out, l->bytes);
    /* From the end on, so that nothing is overwritten before it was moved. */
    for (unsigned i = l->n; r == 0 && i-- > 0;) {
        size_t tail = from - l->piece[i].at;
        to -= tail;
        from -= tail;
        memmove(out->ptr + to, out->ptr + from, tail);
        to -= l->piece[i].len;
        memcpy(out->ptr + to, l->piece[i].ptr, l->piece[i].len);
    }
    if (r == 0) out->len += l->bytes;
    l->n = 0;
    l->bytes = 0;
    return r;
}

int sn_h2_send_lent(struct sn_h2 *h, struct sn_buf *out, size_t bytes_max, struct sn_h2_lent *lent)
{
    int r = out->err;
    if (h->reset_lost) return SN_E_NOMEM;
    h->out = out;
    h->lent = lent;
    while (r == 0 && out->len + (lent ? lent->bytes : 0) < bytes_max) {
        const uint8_t *p;
        size_t before = out->len;
        ssize_t n = nghttp2_session_mem_send(h->s, &p);
        if (n > 0) sn_buf_put(out, p, (size_t)n);
        r = out->err;
        if (r == 0 && n < 0) r = n == NGHTTP2_ERR_NOMEM ? SN_E_NOMEM : SN_E_INTERNAL;
        /* DATA goes out by send_data and mem_send then reports nothing. */
        if (n == 0 && out->len == before) break;
    }
    h->out = NULL;
    h->lent = NULL;
    return r;
}

int sn_h2_send(struct sn_h2 *h, struct sn_buf *out, size_t bytes_max)
{
    return sn_h2_send_lent(h, out, bytes_max, NULL);
}

/* ---- session -------------------------------------------------------------------------------- */

static void *mem_malloc(size_t n, void *u) { return sn_alloc(n); }
static void mem_free(void *p, void *u) { sn_free(p); }
static void *mem_calloc(size_t n, size_t size, void *u) { return sn_zalloc(n, size); }
static void *mem_realloc(void *p, size_t n, void *u)
{
    return p ? sn_realloc(p, n) : sn_alloc(n);
}

static int make_session(struct sn_h2 *h)
{
    static nghttp2_mem mem = {NULL, mem_malloc, mem_free, mem_calloc, mem_realloc};
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *opt = NULL;
    if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&opt)) {
        nghttp2_session_callbacks_del(cb);
        return SN_E_NOMEM;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_send_data_callback(cb, send_data);
    nghttp2_option_set_no_auto_window_update(opt, 1);
    nghttp2_option_set_no_closed_streams(opt, 1);
    nghttp2_option_set_max_outbound_ack(opt, 64);
    int r = h->o.client ? nghttp2_session_client_new3(&h->s, cb, h, opt, &mem)
                        : nghttp2_session_server_new3(&h->s, cb, h, opt, &mem);
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(opt);
    return r ? SN_E_NOMEM : 0;
}

int sn_h2_new(const struct sn_h2_opts *opts, struct sn_h2 **ret)
{
    struct sn_h2 *h = SN_NEW(struct sn_h2);
    if (!h) return SN_E_NOMEM;
    h->o = *opts;
    if (!h->o.streams_max) h->o.streams_max = SN_H2_STREAMS_MAX;
    if (!h->o.field_bytes_max) h->o.field_bytes_max = SN_H2_FIELD_BYTES_MAX;
    if (!h->o.fields_max) h->o.fields_max = SN_H2_FIELDS_MAX;
    sn_list_init(&h->streams);
    budget_init(&h->resets, SN_H2_RESETS_BURST, SN_H2_RESETS_PER_SEC);
    budget_init(&h->control, SN_H2_CONTROL_BURST, SN_H2_CONTROL_PER_SEC);
    h->now_ns = h->bdp.sent_ns = h->pinged_ns = -1;
    h->bdp.estimate = SN_H2_STREAM_WINDOW;
    if (make_session(h) < 0) {
        sn_free(h);
        return SN_E_NOMEM;
    }
    nghttp2_settings_entry iv[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h->o.streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, SN_H2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)h->o.field_bytes_max},
        {h->o.client ? NGHTTP2_SETTINGS_ENABLE_PUSH : NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL,
         h->o.client ? 0 : 1},
    };
    size_t n = h->o.client || h->o.connect_protocol ? 4 : 3;
    if (nghttp2_submit_settings(h->s, NGHTTP2_FLAG_NONE, iv, n) ||
        nghttp2_session_set_local_window_size(h->s, NGHTTP2_FLAG_NONE, 0, SN_H2_CONN_WINDOW)) {
        sn_h2_free(h);
        return SN_E_NOMEM;
    }
    *ret = h;
    return 0;
}

void sn_h2_abandon(struct sn_h2 *h)
{
    struct sn_list *n;
    while ((n = h->streams.next) != &h->streams) {
        struct stream *st = SN_LIST_ENTRY(n, struct stream, link);
        if (st->id) nghttp2_session_set_stream_user_data(h->s, st->id, NULL);
        stream_drop(h, st, SN_H2_CANCEL);
    }
}

void sn_h2_free(struct sn_h2 *h)
{
    if (!h) return;
    sn_h2_abandon(h);
    nghttp2_session_del(h->s);
    sn_free(h);
}

int sn_h2_recv(struct sn_h2 *h, struct sn_str data, int64_t now_ns)
{
    if (h->now_ns >= 0 && now_ns > h->now_ns) {
        int64_t dt = SN_MIN(now_ns - h->now_ns, SN_HOUR);
        budget_tick(&h->resets, dt);
        budget_tick(&h->control, dt);
    }
    h->now_ns = now_ns;
    ssize_t n = nghttp2_session_mem_recv(h->s, (const uint8_t *)data.ptr, data.len);
    if (h->spent)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "HTTP/2 peer makes work without requests");
    if (n == NGHTTP2_ERR_NOMEM) return SN_E_NOMEM;
    if (n < 0) {
        if (n == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
            nghttp2_session_terminate_session(h->s, NGHTTP2_PROTOCOL_ERROR);
        return sn_fail(SN_E_PROTOCOL, "HTTP/2: %s", nghttp2_strerror((int)n));
    }
    return 0;
}

bool sn_h2_done(struct sn_h2 *h)
{
    return !nghttp2_session_want_read(h->s) && !nghttp2_session_want_write(h->s);
}
bool sn_h2_wants_write(struct sn_h2 *h) { return nghttp2_session_want_write(h->s); }
unsigned sn_h2_streams(const struct sn_h2 *h) { return h->n_streams; }

/* ---- requests and responses ----------------------------------------------------------------- */

static bool connection_specific(struct sn_str n)
{
    return sn_str_ieq(n, SN_STR("connection")) || sn_str_ieq(n, SN_STR("keep-alive")) ||
           sn_str_ieq(n, SN_STR("proxy-connection")) ||
           sn_str_ieq(n, SN_STR("transfer-encoding")) || sn_str_ieq(n, SN_STR("upgrade"));
}

/* nghttp2 copies names and values when they are submitted. */
static void nv_set(nghttp2_nv *nv, struct sn_str name, struct sn_str value)
{
    *nv = (nghttp2_nv){(uint8_t *)name.ptr, (uint8_t *)value.ptr, name.len, value.len,
                       NGHTTP2_NV_FLAG_NONE};
}

static struct sn_str lower(struct sn_arena *a, struct sn_str s)
{
    bool need = false;
    for (size_t i = 0; i < s.len; i++) need |= s.ptr[i] >= 'A' && s.ptr[i] <= 'Z';
    if (!need) return s;
    char *p = sn_arena_alloc(a, s.len);
    if (!p) return (struct sn_str){0};
    for (size_t i = 0; i < s.len; i++) p[i] = sn_ascii_lower(s.ptr[i]);
    return sn_str_of(p, s.len);
}

/* Appends headers to nv at n; connection-specific ones are dropped. Returns the new count. */
static ssize_t nv_headers(nghttp2_nv *nv, size_t n, const struct sn_http_headers *hs,
                          struct sn_arena *a)
{
    for (unsigned i = 0; hs && i < hs->len; i++) {
        if (connection_specific(hs->ptr[i].name)) continue;
        struct sn_str name = lower(a, hs->ptr[i].name);
        if (!name.ptr) return SN_E_NOMEM;
        nv_set(&nv[n++], name, hs->ptr[i].value);
    }
    return (ssize_t)n;
}

int sn_h2_respond(struct sn_h2 *h, int32_t id, int status, const struct sn_http_headers *headers,
                  struct sn_arena *a, bool body)
{
    if (!stream_of(h, id)) return SN_E_CLOSED;
    nghttp2_nv *nv = sn_arena_alloc(a, ((headers ? headers->len : 0) + 1) * sizeof(*nv));
    char *text = sn_arena_alloc(a, 3);
    if (!nv || !text) return SN_E_NOMEM;
    text[0] = (char)('0' + status / 100);
    text[1] = (char)('0' + status / 10 % 10);
    text[2] = (char)('0' + status % 10);
    nv_set(&nv[0], SN_STR(":status"), sn_str_of(text, 3));
    ssize_t n = nv_headers(nv, 1, headers, a);
    if (n < 0) return (int)n;
    nghttp2_data_provider dp = {.read_callback = read_body};
    int r = nghttp2_submit_response(h->s, id, nv, (size_t)n, body ? &dp : NULL);
    return r == 0 ? 0 : r == NGHTTP2_ERR_NOMEM ? SN_E_NOMEM : SN_E_CLOSED;
}

int sn_h2_interim(struct sn_h2 *h, int32_t id, int status)
{
    if (!stream_of(h, id)) return SN_E_CLOSED;
    char text[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                    (char)('0' + status % 10)};
    nghttp2_nv nv;
    nv_set(&nv, SN_STR(":status"), sn_str_of(text, 3));
    int r = nghttp2_submit_headers(h->s, NGHTTP2_FLAG_NONE, id, NULL, &nv, 1, NULL);
    return r == 0 ? 0 : r == NGHTTP2_ERR_NOMEM ? SN_E_NOMEM : SN_E_CLOSED;
}

int32_t sn_h2_request(struct sn_h2 *h, const struct sn_h2_request *req, struct sn_arena *a,
                      void *user)
{
    size_t cap = (req->headers ? req->headers->len : 0) + 5;
    nghttp2_nv *nv = sn_arena_alloc(a, cap * sizeof(*nv));
    if (!nv) return SN_E_NOMEM;
    size_t n = 0;
    nv_set(&nv[n++], SN_STR(":method"), req->method);
    if (req->protocol.ptr) nv_set(&nv[n++], SN_STR(":protocol"), req->protocol);
    if (!sn_str_eqc(req->method, "CONNECT") || req->protocol.ptr) {
        nv_set(&nv[n++], SN_STR(":scheme"), req->scheme);
        nv_set(&nv[n++], SN_STR(":path"), req->path);
    }
    nv_set(&nv[n++], SN_STR(":authority"), req->authority);
    ssize_t total = nv_headers(nv, n, req->headers, a);
    if (total < 0) return (int32_t)total;
    struct stream *st = stream_new(h, 0, user, a);
    if (!st) return SN_E_NOMEM;
    nghttp2_data_provider dp = {.read_callback = read_body};
    int32_t id = nghttp2_submit_request(h->s, NULL, nv, (size_t)total, req->body ? &dp : NULL, st);
    if (id < 0) {
        sn_list_del(&st->link);
        h->n_streams--;
        return id == NGHTTP2_ERR_NOMEM ? SN_E_NOMEM : SN_E_UNAVAILABLE;
    }
    st->id = id;
    return id;
}

int sn_h2_trailers(struct sn_h2 *h, int32_t id, const struct sn_http_headers *t, struct sn_arena *a)
{
    struct stream *st = stream_of(h, id);
    if (!st) return SN_E_CLOSED;
    if (t->len > SN_H2_FIELDS_MAX) return SN_E_TOO_LARGE;
    struct sn_http_header *out = sn_arena_alloc(a, t->len * sizeof(*out));
    if (!out) return SN_E_NOMEM;
    for (unsigned i = 0; i < t->len; i++) {
        out[i] = (struct sn_http_header){lower(a, t->ptr[i].name), t->ptr[i].value};
        if (!out[i].name.ptr) return SN_E_NOMEM;
    }
    st->trailers_out = out;
    st->n_trailers_out = t->len;
    return 0;
}

void sn_h2_resume(struct sn_h2 *h, int32_t id)
{
    /* Rather an end that both sides see than a body that never comes. */
    if (nghttp2_session_resume_data(h->s, id) == NGHTTP2_ERR_NOMEM)
        sn_h2_reset(h, id, SN_H2_INTERNAL_ERROR);
}

void sn_h2_consumed(struct sn_h2 *h, int32_t id, size_t n)
{
    uint64_t back = SN_MIN(h->owed, (uint64_t)n);
    SN_DCHECK(n <= h->unread);
    h->unread -= n;
    h->owed -= back;
    if (back) nghttp2_session_consume_connection(h->s, back);
    if (stream_of(h, id)) nghttp2_session_consume_stream(h->s, id, n);
}

void sn_h2_reset(struct sn_h2 *h, int32_t id, uint32_t code)
{
    if (nghttp2_submit_rst_stream(h->s, NGHTTP2_FLAG_NONE, id, code) == NGHTTP2_ERR_NOMEM)
        h->reset_lost = true;
}

void sn_h2_reset_when_sent(struct sn_h2 *h, int32_t id)
{
    struct stream *st = stream_of(h, id);
    if (!st) return;
    if (nghttp2_session_get_stream_local_close(h->s, id) == 1)
        sn_h2_reset(h, id, SN_H2_NO_ERROR);
    else
        st->reset_when_sent = true;
}

void sn_h2_drop(struct sn_h2 *h, int32_t id, void *user, uint32_t code)
{
    struct stream *st = stream_of(h, id);
    /* A request still queued has no stream in nghttp2 yet. */
    if (!st)
        SN_LIST_EACH(&h->streams, it)
            if (SN_LIST_ENTRY(it, struct stream, link)->user == user)
                st = SN_LIST_ENTRY(it, struct stream, link);
    if (!st || st->user != user) return;
    nghttp2_session_set_stream_user_data(h->s, id, NULL);
    sn_h2_reset(h, id, code);
    stream_drop(h, st, code);
}

size_t sn_h2_send_room(struct sn_h2 *h, int32_t id)
{
    int32_t stream = nghttp2_session_get_stream_remote_window_size(h->s, id);
    int32_t conn = nghttp2_session_get_remote_window_size(h->s);
    int32_t room = SN_MIN(stream, conn);
    return room > 0 ? (size_t)room : 0;
}

void sn_h2_shutdown(struct sn_h2 *h, bool final)
{
    if (final)
        nghttp2_session_terminate_session(h->s, NGHTTP2_NO_ERROR);
    else if (!h->o.client)
        nghttp2_submit_shutdown_notice(h->s);
}

bool sn_h2_connect_protocol(const struct sn_h2 *h)
{
    return nghttp2_session_get_remote_settings(h->s, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

bool sn_h2_takes_requests(struct sn_h2 *h)
{
    return nghttp2_session_check_request_allowed(h->s) != 0;
}

unsigned sn_h2_streams_left(const struct sn_h2 *h)
{
    uint32_t max =
        nghttp2_session_get_remote_settings(h->s, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (max > 65535) max = 65535;
    if (!nghttp2_session_check_request_allowed(h->s)) return 0;
    return h->n_streams < max ? max - h->n_streams : 0;
}
