/* SPDX-License-Identifier: Apache-2.0 */
/* kit/ws.c - WebSocket connections over HTTP/1.1 upgrades and h2 streams, both sides (RFC 6455, 8441).
 *
 * A connection belongs to one worker. With callbacks it is parked between messages: what stays is
 * struct sn_ws and the stream's record. A writer on the worker takes a parked stream back for the
 * time of its write; a writer elsewhere sends a fiber there. */
#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "fiber/sync.h"
#include "kit/http_int.h"
#include "wire/ws.h"

#define WS_READ_BYTES (16u << 10)
#define WS_PING_NS (30 * SN_SEC)
#define WS_MISSED_MAX 2u
#define WS_WRITE_STALL_NS (30 * SN_SEC)
#define WS_DEFLATE_MIN 256u
/* How long a close waits for the peer's answer. */
#define WS_CLOSE_NS (2 * SN_SEC)

struct sn_ws {
    struct sn_stream *st;
    struct sn_ws_opts o;
    struct sn_ws_decoder d;
    struct sn_buf msg;
    char *buf; /* while active */
    struct sn_str in;
    struct sn_str rest; /* heap: bytes that came with the handshake */
    struct sn_mutex wlock;
    unsigned refs, missed, window_bits; /* window_bits: 0 = no compression */
    int worker, err, close_code;
    bool client, parked, close_sent, shut, ended;
};

static bool by_callback(const struct sn_ws *ws) { return ws->o.on_message != NULL; }

static void ws_unref(struct sn_ws *ws)
{
    if (--ws->refs) return;
    if (ws->st) sn_stream_close(ws->st);
    sn_buf_done(&ws->msg);
    sn_free(ws->buf);
    sn_free((char *)ws->rest.ptr);
    sn_free(ws);
}

static int ws_new(struct sn_stream *st, const struct sn_ws_opts *o, bool client, struct sn_str rest,
                  struct sn_ws **ret)
{
    struct sn_ws *ws = SN_NEW(struct sn_ws);
    if (!ws) return SN_E_NOMEM;
    if (rest.len) {
        char *copy = sn_alloc(rest.len);
        if (!copy) {
            sn_free(ws);
            return SN_E_NOMEM;
        }
        memcpy(copy, rest.ptr, rest.len);
        ws->rest = ws->in = sn_str_of(copy, rest.len);
    }
    ws->st = st;
    if (o) ws->o = *o;
    if (!ws->o.ping_ns) ws->o.ping_ns = WS_PING_NS;
    if (!ws->o.deflate_bytes_min) ws->o.deflate_bytes_min = WS_DEFLATE_MIN;
    ws->client = client;
    ws->refs = 1;
    ws->worker = sn_worker_id();
    ws->close_code = SN_WS_ABNORMAL;
    sn_ws_decoder_init(&ws->d, !client, ws->o.message_bytes_max);
    *ret = ws;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int write_masked(struct sn_ws *ws, uint8_t *head, enum sn_ws_op op, struct sn_str data)
{
    uint8_t key[4];
    uint32_t k = (uint32_t)sn_random();
    memcpy(key, &k, 4);
    size_t n = sn_ws_head_put(head, op, true, data.len, key);
    uint8_t *frame = sn_alloc(n + data.len);
    if (!frame) return SN_E_NOMEM;
    memcpy(frame, head, n);
    sn_ws_mask(frame + n, (const uint8_t *)data.ptr, data.len, key, 0);
    ssize_t r = sn_write(ws->st, frame, n + data.len);
    sn_free(frame);
    return r < 0 ? (int)r : 0;
}

struct ws_frame {
    struct sn_ws *ws;
    enum sn_ws_op op;
    struct sn_str data;
};
static int put_frame(void *arg)
{
    struct ws_frame *f = arg;
    struct sn_ws *ws = f->ws;
    uint8_t head[SN_WS_HEAD_MAX];
    if (ws->client) return write_masked(ws, head, f->op, f->data);
    size_t n = sn_ws_head_put(head, f->op, true, f->data.len, NULL);
    struct iovec iov[2] = {{head, n}, {(char *)f->data.ptr, f->data.len}};
    ssize_t r = sn_writev(ws->st, iov, f->data.len ? 2 : 1);
    return r < 0 ? (int)r : 0;
}

/* With wlock held. A frame leaves whole or the connection ends, so the writer's own cancellation
 * and deadline wait until it is out. */
static int write_frame(struct sn_ws *ws, enum sn_ws_op op, struct sn_str data)
{
    if (ws->err < 0) return ws->err;
    if (ws->shut || ws->ended || (ws->close_sent && op != SN_WS_OP_CLOSE)) return SN_E_CLOSED;
    if (op == SN_WS_OP_CLOSE) ws->close_sent = true;
    struct ws_frame f = {ws, op, data};
    int r = sn_shield(WS_WRITE_STALL_NS, put_frame, &f);
    if (r < 0) ws->err = r;
    return r;
}

static int control(struct sn_ws *ws, enum sn_ws_op op, struct sn_str data)
{
    sn_mutex_lock_always(&ws->wlock);
    int r = write_frame(ws, op, data);
    sn_mutex_unlock(&ws->wlock);
    return r;
}

static int send_close(struct sn_ws *ws, int code, struct sn_str reason)
{
    uint8_t body[SN_WS_CONTROL_MAX];
    if (ws->close_sent) return 0;
    if (code == SN_WS_NO_STATUS || code == SN_WS_ABNORMAL || code == 0)
        return control(ws, SN_WS_OP_CLOSE, (struct sn_str){0});
    if (reason.len > sizeof(body) - 2) reason.len = sizeof(body) - 2;
    body[0] = (uint8_t)(code >> 8);
    body[1] = (uint8_t)code;
    if (reason.len) memcpy(body + 2, reason.ptr, reason.len);
    return control(ws, SN_WS_OP_CLOSE, sn_str_of((char *)body, reason.len + 2));
}

/* ---- reading -------------------------------------------------------------------------------- */

static int ws_fail(struct sn_ws *ws, int r, const char *why)
{
    ws->close_code = sn_ws_error_code(r);
    (void)!send_close(ws, ws->close_code, sn_str(why));
    return sn_fail(r, "websocket: %s", why ? why : sn_status_name(r));
}

/* The compressed message in ws->msg becomes what was meant. */
static int ws_expand(struct sn_ws *ws, int kind)
{
    struct sn_buf plain;
    sn_buf_init(&plain, 0);
    int r = sn_ws_inflate(sn_buf_view(&ws->msg), ws->d.message_bytes_max, &plain);
    if (r == 0 && kind == SN_WS_OP_TEXT && !sn_utf8_valid(sn_buf_view(&plain))) r = SN_E_SYNTAX;
    if (r < 0) {
        sn_buf_done(&plain);
        return ws_fail(ws, r, r == SN_E_SYNTAX ? "malformed compressed message"
                                               : "compressed message over the limit");
    }
    sn_buf_done(&ws->msg);
    ws->msg = plain;
    return kind;
}

/* One step of the peer's input. Returns SN_WS_TEXT or _BINARY with ws->msg, 0 to go on, SN_E_AGAIN
 * when the buffer is used up, SN_E_EOF after a close, a failure. */
static int ws_event(struct sn_ws *ws)
{
    int r = sn_ws_decode(&ws->d, &ws->in, &ws->msg);
    struct sn_str ctl = sn_str_of((char *)ws->d.control, ws->d.control_len);
    switch (r) {
    case SN_WS_OP_TEXT:
    case SN_WS_OP_BINARY: return ws->d.compressed ? ws_expand(ws, r) : r;
    case SN_WS_OP_PING:
        r = control(ws, SN_WS_OP_PONG, ctl);
        return r == SN_E_CLOSED ? 0 : r;
    case SN_WS_OP_PONG: return 0;
    case SN_WS_OP_CLOSE:
        ws->close_code = ws->d.close_code;
        (void)!send_close(ws, ws->d.close_code, (struct sn_str){0});
        return SN_E_EOF;
    case SN_E_AGAIN: return r;
    default: return ws_fail(ws, r, ws->d.why);
    }
}

static int ws_fill(struct sn_ws *ws)
{
    if (!ws->buf && !(ws->buf = sn_alloc(WS_READ_BYTES))) return SN_E_NOMEM;
    ssize_t n = sn_read(ws->st, ws->buf, WS_READ_BYTES);
    if (n == 0) return SN_E_RESET; /* without a close frame */
    if (n < 0) return (int)n;
    ws->missed = 0;
    ws->in = sn_str_of(ws->buf, (size_t)n);
    return 0;
}

/* The peer was silent for ping_ns. Returns SN_E_RESET once it has missed too many. */
static int ws_silence(struct sn_ws *ws)
{
    if (ws->missed++ >= WS_MISSED_MAX) return sn_fail(SN_E_RESET, "websocket peer does not answer");
    return control(ws, SN_WS_OP_PING, (struct sn_str){0});
}

int sn_ws_read(struct sn_ws *ws, struct sn_buf *out)
{
    if (by_callback(ws)) return sn_fail(SN_E_FAILED_PRECONDITION, "read beside on_message");
    if (ws->ended) return SN_E_EOF;
    int r;
    for (;;) {
        r = ws_event(ws);
        if (r > 0) break;
        if (r == 0) continue;
        if (r != SN_E_AGAIN) {
            ws->ended = true;
            return r;
        }
        int64_t own = sn_deadline(), ping_at = sn_now() + ws->o.ping_ns;
        int64_t prev = sn_deadline_tighten(ping_at);
        r = ws_fill(ws);
        sn_deadline_restore(prev);
        if (r == SN_E_DEADLINE_EXCEEDED && own > ping_at) r = ws_silence(ws);
        if (r < 0) return r;
    }
    sn_buf_reset(out);
    int e = sn_buf_put(out, ws->msg.ptr, ws->msg.len);
    sn_buf_reset(&ws->msg);
    return e < 0 ? e : r;
}

/* ---- served by callback --------------------------------------------------------------------- */

struct ws_call {
    struct sn_ws *ws;
    int kind;
};
static int call_message(void *arg)
{
    struct ws_call *c = arg;
    c->ws->o.on_message(c->ws, (enum sn_ws_kind)c->kind, sn_buf_view(&c->ws->msg), c->ws->o.arg);
    return 0;
}
static int call_close(void *arg)
{
    struct sn_ws *ws = arg;
    if (ws->o.on_close) ws->o.on_close(ws, ws->close_code, ws->o.arg);
    return 0;
}

static void ws_ready(struct sn_stream *st, void *arg, int why);

static void ws_park(struct sn_ws *ws)
{
    sn_free(ws->buf);
    ws->buf = NULL;
    sn_free((char *)ws->rest.ptr);
    ws->rest = (struct sn_str){0};
    if (ws->msg.len == 0) sn_buf_done(&ws->msg);
    /* A writer may be in the middle of a frame. */
    sn_mutex_lock_always(&ws->wlock);
    ws->parked = true;
    sn_stream_park(ws->st, sn_now_coarse() + ws->o.ping_ns, ws_ready, ws);
    sn_mutex_unlock(&ws->wlock);
}

static void ws_finish(struct sn_ws *ws)
{
    ws->ended = true;
    (void)!sn_try(call_close, ws);
    ws_unref(ws);
}

/* Serves what is there; then parks, or ends. The connection's own fiber. */
static void ws_serve(struct sn_ws *ws)
{
    int r;
    for (;;) {
        r = ws_event(ws);
        if (r > 0) {
            struct ws_call c = {ws, r};
            r = sn_try(call_message, &c);
            sn_buf_reset(&ws->msg);
            if (r < 0) {
                ws->close_code = SN_WS_INTERNAL;
                (void)!send_close(ws, SN_WS_INTERNAL, (struct sn_str){0});
                break;
            }
            if (ws->err < 0 || ws->shut) break;
        } else if (r == SN_E_AGAIN) {
            if (ws->err < 0 || ws->shut) break;
            /* A writer waiting for the lock must find the stream either parked or being read. */
            if (!sn_stream_readable_now(ws->st)) {
                ws_park(ws);
                return;
            }
            if ((r = ws_fill(ws)) < 0) break;
        } else if (r < 0) {
            break;
        }
    }
    ws_finish(ws);
}

static void ws_start(void *arg) { ws_serve(arg); }

static void ws_ready(struct sn_stream *st, void *arg, int why)
{
    struct sn_ws *ws = arg;
    ws->parked = false;
    if (why == SN_E_DEADLINE_EXCEEDED && !ws->shut) {
        if (ws_silence(ws) == 0)
            ws_park(ws);
        else
            ws_finish(ws);
        return;
    }
    if (why == SN_E_CANCELLED) {
        ws->close_code = SN_WS_GOING_AWAY;
        (void)!send_close(ws, SN_WS_GOING_AWAY, (struct sn_str){0});
        ws_finish(ws);
        return;
    }
    if (why == 0 && ws_fill(ws) < 0) {
        ws_finish(ws);
        return;
    }
    ws_serve(ws);
}

/* Takes a parked stream for a write and gives it back; on failure its fiber ends it. */
static int write_own_worker(struct sn_ws *ws, enum sn_ws_op op, struct sn_str data)
{
    int r = sn_mutex_lock(&ws->wlock);
    if (r < 0) return r;
    bool took = false;
    while (ws->parked && !took) {
        took = sn_stream_unpark(ws->st);
        if (!took) sn_yield(); /* ws_ready is about to start; the stream is nobody's until then */
    }
    if (took) ws->parked = false;
    r = write_frame(ws, op, data);
    if (took) {
        if (r == 0 && !ws->shut) {
            ws->parked = true;
            sn_stream_park(ws->st, sn_now_coarse() + ws->o.ping_ns, ws_ready, ws);
        } else if (sn_stream_go(ws_start, ws) < 0) {
            ws->parked = true; /* no memory for a fiber: the poller will find out */
            sn_stream_park(ws->st, sn_now_coarse() + SN_SEC, ws_ready, ws);
        }
    }
    sn_mutex_unlock(&ws->wlock);
    return r;
}

struct ws_job {
    struct sn_ws *ws;
    enum sn_ws_op op;
    struct sn_str data;
    struct sn_event done;
    int r;
};
static void job_run(void *arg)
{
    struct ws_job *j = arg;
    j->ws->refs++;
    j->r = write_own_worker(j->ws, j->op, j->data);
    ws_unref(j->ws);
    sn_event_set(&j->done);
}
static int job_wait(void *arg) { return sn_event_wait(&((struct ws_job *)arg)->done); }

static int ws_write_op(struct sn_ws *ws, enum sn_ws_op op, struct sn_str data)
{
    if (ws->worker == sn_worker_id()) {
        ws->refs++;
        int r = write_own_worker(ws, op, data);
        ws_unref(ws);
        return r;
    }
    struct ws_job j = {.ws = ws, .op = op, .data = data};
    int r = sn_go_on((unsigned)ws->worker, "websocket write", job_run, &j);
    if (r < 0) return r;
    /* The job borrows this frame: it must end before this call does. */
    while (!sn_event_is_set(&j.done)) (void)!sn_shield(SN_HOUR, job_wait, &j);
    return j.r;
}

int sn_ws_write(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data)
{
    if (kind != SN_WS_TEXT && kind != SN_WS_BINARY)
        return sn_fail(SN_E_INVALID_ARGUMENT, "websocket message kind %d", (int)kind);
    if (kind == SN_WS_TEXT && !sn_utf8_valid(data))
        return sn_fail(SN_E_SYNTAX, "websocket text is not UTF-8");
    if (!ws->window_bits || data.len < ws->o.deflate_bytes_min)
        return ws_write_op(ws, (enum sn_ws_op)kind, data);
    struct sn_buf small;
    sn_buf_init(&small, 0);
    int r = sn_ws_deflate(data, ws->window_bits, &small);
    if (r == 0 && small.len < data.len)
        r = ws_write_op(ws, (enum sn_ws_op)(kind | SN_WS_RSV1), sn_buf_view(&small));
    else
        r = ws_write_op(ws, (enum sn_ws_op)kind, data); /* no gain, or no memory to compress */
    sn_buf_done(&small);
    return r;
}

/* ---- closing -------------------------------------------------------------------------------- */

/* The peer's close frame, so that the stream ends in order; bounded. */
static void await_close(struct sn_ws *ws)
{
    int64_t prev = sn_deadline_tighten(sn_now() + WS_CLOSE_NS);
    while (!ws->ended) {
        int r = ws_event(ws);
        if (r > 0) sn_buf_reset(&ws->msg);
        if (r == SN_E_AGAIN) r = ws_fill(ws);
        if (r < 0) break;
    }
    sn_deadline_restore(prev);
}

void sn_ws_close(struct sn_ws *ws, int code, struct sn_str reason)
{
    if (!ws) return;
    if (by_callback(ws)) {
        uint8_t body[SN_WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
        size_t n = SN_MIN(reason.len, sizeof(body) - 2);
        if (n) memcpy(body + 2, reason.ptr, n);
        /* The peer answers with its own close frame, which ends the connection; a silent one runs
         * into the ping limit. */
        (void)!ws_write_op(ws, SN_WS_OP_CLOSE, sn_str_of((char *)body, n + 2));
        return;
    }
    if (ws->err == 0 && !ws->ended && send_close(ws, code, reason) == 0) await_close(ws);
    ws->shut = true;
    ws_unref(ws);
}

/* ---- handshake ------------------------------------------------------------------------------ */

int sn_ws_accept_of(struct sn_str key, char ret[SN_WS_ACCEPT_LEN])
{
    char text[SN_WS_KEY_LEN + 36];
    uint8_t sum[20];
    if (key.len != SN_WS_KEY_LEN) return SN_E_PROTOCOL;
    memcpy(text, key.ptr, SN_WS_KEY_LEN);
    memcpy(text + SN_WS_KEY_LEN, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    int r = sn_hash_once(SN_SHA1, text, sizeof(text), sum);
    if (r < 0) return r;
    sn_base64_encode(sum, sizeof(sum), SN_BASE64_STD, ret);
    return 0;
}

static int refuse(struct sn_http_x *x, int status, const char *why)
{
    (void)!sn_http_reply(x, status, SN_STR("text/plain"), sn_str(why));
    return sn_fail(SN_E_PROTOCOL, "websocket handshake: %s", why);
}

static int check_upgrade(struct sn_http_x *x, struct sn_str *ret_key)
{
    const struct sn_http_headers *h = &x->req.headers;
    bool extended = x->req.version == 20 && x->req.protocol.ptr;
    if (extended ? !sn_str_ieq(x->req.protocol, SN_STR("websocket"))
                 : x->req.method != SN_HTTP_GET || x->req.version != 11)
        return refuse(x, 400, "a websocket begins with an HTTP/1.1 GET or an extended CONNECT");
    struct sn_str up = sn_http_headers_get(h, SN_STR("upgrade"));
    struct sn_str conn = sn_http_headers_get(h, SN_STR("connection"));
    if (!extended &&
        (!sn_http_has_token(up, SN_STR("websocket")) || !sn_http_has_token(conn, SN_STR("upgrade"))))
        return refuse(x, 426, "Upgrade: websocket expected");
    if (!sn_str_eqc(sn_http_headers_get(h, SN_STR("sec-websocket-version")), "13")) {
        (void)!sn_http_header_add(x, SN_STR("Sec-WebSocket-Version"), SN_STR("13"));
        return refuse(x, 426, "Sec-WebSocket-Version is not 13");
    }
    if (extended) return 0; /* the stream itself proves what the key would */
    *ret_key = sn_http_headers_get(h, SN_STR("sec-websocket-key"));
    if (ret_key->len != SN_WS_KEY_LEN) return refuse(x, 400, "malformed Sec-WebSocket-Key");
    return 0;
}

/* What is agreed goes into the answer. *ret_bits: 0 without compression. */
static int add_answers(struct sn_http_x *x, const struct sn_ws_opts *o, struct sn_str key,
                       unsigned *ret_bits)
{
    const struct sn_http_headers *h = &x->req.headers;
    char accept[SN_WS_ACCEPT_LEN], extension[SN_WS_DEFLATE_ANSWER_MAX];
    int r = 0;
    if (key.ptr) {
        r = sn_ws_accept_of(key, accept);
        struct sn_str text = sn_arena_str(x->arena, sn_str_of(accept, SN_WS_ACCEPT_LEN));
        if (r == 0 && !text.ptr) r = SN_E_NOMEM;
        if (r == 0) r = sn_http_header_add(x, SN_STR("Upgrade"), SN_STR("websocket"));
        if (r == 0) r = sn_http_header_add(x, SN_STR("Sec-WebSocket-Accept"), text);
    }
    struct sn_str offered = sn_http_headers_get(h, SN_STR("sec-websocket-protocol"));
    if (r == 0 && o && o->subprotocol.len && sn_http_has_token(offered, o->subprotocol))
        r = sn_http_header_add(x, SN_STR("Sec-WebSocket-Protocol"), o->subprotocol);
    for (unsigned i = 0; r == 0 && o && o->deflate && i < h->len; i++) {
        if (!sn_str_ieq(h->ptr[i].name, SN_STR("sec-websocket-extensions"))) continue;
        if (!sn_ws_deflate_offered(h->ptr[i].value, ret_bits, extension)) continue;
        struct sn_str text = sn_arena_str(x->arena, sn_str(extension));
        return text.ptr ? sn_http_header_add(x, SN_STR("Sec-WebSocket-Extensions"), text)
                        : SN_E_NOMEM;
    }
    return r;
}

int sn_ws_accept(struct sn_http_x *x, const struct sn_ws_opts *o, struct sn_ws **ret)
{
    struct sn_str key = {0};
    unsigned bits = 0;
    int r = check_upgrade(x, &key);
    if (r == 0) r = add_answers(x, o, key, &bits);
    if (r < 0) return r;
    struct sn_stream *st;
    struct sn_str rest;
    r = sn_http_hijack(x, key.ptr ? 101 : 200, &st, &rest);
    if (r < 0) return r;
    struct sn_ws *ws;
    r = ws_new(st, o, false, rest, &ws);
    if (r < 0) {
        sn_stream_close(st);
        return r;
    }
    ws->window_bits = bits;
    ws->d.deflate = bits > 0;
    *ret = ws;
    if (!by_callback(ws)) return 0;
    /* Messages that came with the handshake are served by a fiber of their own: the caller has not
     * seen *ret yet. */
    if (sn_stream_go(ws_start, ws) < 0) ws_park(ws);
    return 0;
}

static int check_answer(struct sn_http_resp *resp, struct sn_str key, const struct sn_ws_opts *o)
{
    char want[SN_WS_ACCEPT_LEN];
    int r = sn_ws_accept_of(key, want);
    if (r < 0) return r;
    bool h2 = resp->version == 20; /* whose stream itself proves what the key would */
    if (h2 ? resp->status / 100 != 2 : resp->status != 101)
        return sn_fail(SN_E_PROTOCOL, "websocket handshake answered with status %d", resp->status);
    struct sn_str got = sn_http_headers_get(&resp->headers, SN_STR("sec-websocket-accept"));
    struct sn_str up = sn_http_headers_get(&resp->headers, SN_STR("upgrade"));
    if (!h2 && (!sn_http_has_token(up, SN_STR("websocket")) ||
                !sn_str_eq(got, sn_str_of(want, SN_WS_ACCEPT_LEN))))
        return sn_fail(SN_E_PROTOCOL, "websocket handshake answered for somebody else");
    struct sn_str ext = sn_http_headers_get(&resp->headers, SN_STR("sec-websocket-extensions"));
    if (ext.ptr && !(o && o->deflate && sn_ws_deflate_answered(ext)))
        return sn_fail(SN_E_PROTOCOL, "websocket server chose an extension nobody offered");
    struct sn_str sub = sn_http_headers_get(&resp->headers, SN_STR("sec-websocket-protocol"));
    if (sub.ptr && !(o && sn_str_eq(sub, o->subprotocol)))
        return sn_fail(SN_E_PROTOCOL, "websocket server chose a subprotocol nobody offered");
    return 0;
}

#define HANDSHAKE_HEADERS 6u
struct handshake {
    char key[SN_WS_KEY_LEN];
    struct sn_http_header hs[HANDSHAKE_HEADERS + SN_WS_HEADERS_MAX];
    unsigned n;
};
/* The request's headers; what is a secret among the caller's is not shown where it is refused. */
static int handshake_init(struct handshake *k, const struct sn_ws_opts *o)
{
    static const struct sn_str own = SN_STR_INIT("sec-websocket-");
    uint64_t nonce[2] = {sn_random(), sn_random()};
    sn_base64_encode(nonce, sizeof(nonce), SN_BASE64_STD, k->key);
    k->n = 0;
    k->hs[k->n++] = (struct sn_http_header){SN_STR("Connection"), SN_STR("Upgrade")};
    k->hs[k->n++] = (struct sn_http_header){SN_STR("Upgrade"), SN_STR("websocket")};
    k->hs[k->n++] = (struct sn_http_header){SN_STR("Sec-WebSocket-Version"), SN_STR("13")};
    k->hs[k->n++] = (struct sn_http_header){SN_STR("Sec-WebSocket-Key"),
                                            sn_str_of(k->key, sizeof(k->key))};
    if (!o) return 0;
    if (o->subprotocol.len)
        k->hs[k->n++] =
            (struct sn_http_header){SN_STR("Sec-WebSocket-Protocol"), o->subprotocol};
    if (o->deflate)
        k->hs[k->n++] = (struct sn_http_header){SN_STR("Sec-WebSocket-Extensions"),
                                                SN_STR(SN_WS_DEFLATE_OFFER)};
    if (o->n_headers > SN_WS_HEADERS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "websocket: %u headers, at most %u expected",
                       o->n_headers, SN_WS_HEADERS_MAX);
    for (unsigned i = 0; i < o->n_headers; i++) {
        struct sn_str name = o->headers[i].name;
        if (sn_str_ieq(name, SN_STR("connection")) || sn_str_ieq(name, SN_STR("upgrade")) ||
            sn_str_ieq(sn_str_sub(name, 0, own.len), own))
            return sn_fail(SN_E_INVALID_ARGUMENT, "websocket: header %.*s is the handshake's own",
                           SN_STR_ARG(name));
        k->hs[k->n++] = o->headers[i];
    }
    return 0;
}

int sn_ws_dial(struct sn_http_client *c, struct sn_str url, const struct sn_ws_opts *o,
               struct sn_ws **ret)
{
    struct handshake k;
    int r = handshake_init(&k, o);
    if (r < 0) return r;
    struct sn_http_call call = {.url = url, .protocol = SN_STR("websocket"), .headers = k.hs,
                                .n_headers = k.n, .no_retry = true};
    struct sn_http_resp *resp;
    r = sn_http_do(c, &call, &resp);
    if (r < 0) return r;
    struct sn_stream *st = NULL;
    struct sn_str rest = {0};
    r = check_answer(resp, sn_str_of(k.key, sizeof(k.key)), o);
    if (r == 0) r = sn_http_resp_hijack(resp, &st, &rest);
    struct sn_ws *ws = NULL;
    if (r == 0 && (r = ws_new(st, o, true, rest, &ws)) < 0) sn_stream_close(st);
    if (r == 0 && sn_http_headers_get(&resp->headers, SN_STR("sec-websocket-extensions")).ptr) {
        ws->window_bits = 15;
        ws->d.deflate = true;
    }
    sn_http_resp_close(resp);
    if (r < 0) return r;
    *ret = ws;
    if (!by_callback(ws)) return 0;
    if (sn_stream_go(ws_start, ws) < 0) ws_park(ws);
    return 0;
}
