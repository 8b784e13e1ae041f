/* SPDX-License-Identifier: Apache-2.0 */
/* cri/ws_serve.c - exec, attach and port-forward over WebSocket: channels by a message's first byte
 * (v4, v5), or a tunnel of SPDY. */
#include <stdio.h>

#include "clusters/cri/stream_int.h"

#define MESSAGE_MAX (1u << 20)
#define PORTS_MAX 16u
#define CH_CLOSE 255u /* v5: the next byte's channel is closed */

/* ---- remote commands ---- */

struct ws_command {
    struct cri_carrier c;
    struct sn_ws *ws;
    struct cri_session *ss;
    bool v5;
};

static int put_channel(struct sn_ws *ws, unsigned ch, struct sn_str data)
{
    char *msg = sn_alloc(data.len + 1);
    if (!msg) return SN_E_NOMEM;
    msg[0] = (char)ch;
    memcpy(msg + 1, data.ptr, data.len);
    int r = sn_ws_write(ws, SN_WS_BINARY, sn_str_of(msg, data.len + 1));
    sn_free(msg);
    return r;
}

static int ws_channel_write(struct cri_carrier *c, enum cri_channel ch, struct sn_str data)
{
    return put_channel(SN_CONTAINER_OF(c, struct ws_command, c)->ws, ch, data);
}
static void ws_channel_finish(struct cri_carrier *c, enum cri_channel ch) {
} /* the close of the whole tells */

static int ws_reader(void *arg)
{
    struct ws_command *w = arg;
    struct sn_buf m = {0};
    int r;
    while ((r = sn_ws_read(w->ws, &m)) >= 0) {
        const uint8_t *p = m.ptr;
        if (!m.len) continue;
        if (w->v5 && p[0] == CH_CLOSE && m.len == 2 && p[1] == CRI_CH_STDIN)
            cri_session_input_end(w->ss);
        else if (p[0] == CRI_CH_STDIN || p[0] == CRI_CH_RESIZE)
            r = cri_session_input(w->ss, (enum cri_channel)p[0], sn_str_from(sn_buf_view(&m), 1));
        if (r < 0) break;
    }
    sn_buf_done(&m);
    if (r != SN_E_CANCELLED) cri_session_gone(w->ss);
    return 0;
}

static int serve_command(struct sn_cri *s, struct cri_stream *st, struct sn_ws *ws, bool v5)
{
    struct ws_command w = {.c = {ws_channel_write, ws_channel_finish}, .ws = ws, .v5 = v5};
    int r = cri_session_start(s, st, &w.c, &w.ss);
    if (r < 0) {
        char msg[SN_DIAG_BYTES + 200];
        struct sn_buf b;
        sn_buf_init_fixed(&b, msg, sizeof msg);
        cri_failure(&b, r);
        return put_channel(ws, CRI_CH_ERROR, sn_buf_view(&b));
    }
    struct sn_scope_storage mem;
    struct sn_scope *sc = sn_scope_begin(&mem);
    r = sn_scope_go(sc, "exec input", ws_reader, &w);
    if (r >= 0) r = cri_session_wait(w.ss);
    sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    cri_session_free(w.ss);
    return r;
}

/* ---- ports, by channels: 2n data, 2n + 1 error ---- */

struct ws_port {
    struct ws_forward *f;
    unsigned index, port;
    struct sn_stream *st;
};
struct ws_forward {
    struct sn_cri *s;
    struct sn_ws *ws;
    struct ws_port ports[PORTS_MAX];
    unsigned n;
};

static int port_out(void *arg)
{
    struct ws_port *p = arg;
    char *buf = sn_alloc(16u << 10);
    ssize_t n = 0;
    while (buf && (n = sn_read(p->st, buf, 16u << 10)) > 0)
        if (put_channel(p->f->ws, 2 * p->index, sn_str_of(buf, (size_t)n)) < 0) break;
    sn_free(buf);
    return 0;
}

static void read_ports(struct ws_forward *f, struct sn_str query)
{
    while (query.ptr) {
        struct sn_str one = sn_str_cut(&query, '&'), name = sn_str_cut(&one, '=');
        if (!sn_str_eqc(name, "port") && !sn_str_eqc(name, "ports")) continue;
        while (one.ptr && f->n < PORTS_MAX) {
            uint64_t v;
            struct sn_str num = sn_str_cut(&one, ',');
            if (sn_str_to_u64(num, &v) == 0 && v > 0 && v < 65536) {
                f->ports[f->n] = (struct ws_port){f, f->n, (unsigned)v, NULL};
                f->n++;
            }
        }
    }
}

static int serve_ports(struct ws_forward *f, const char *pod)
{
    struct sn_scope_storage mem;
    struct sn_buf m = {0};
    struct sn_scope *sc = sn_scope_begin(&mem);
    int r = 0;
    for (unsigned i = 0; i < f->n && r >= 0; i++) {
        char head[2] = {(char)f->ports[i].port, (char)(f->ports[i].port >> 8)}, text[SN_DIAG_BYTES];
        r = put_channel(f->ws, 2 * i, sn_str_of(head, 2));
        if (r >= 0) r = put_channel(f->ws, 2 * i + 1, sn_str_of(head, 2));
        int d = r < 0 ? r : cri_forward_dial(f->s, pod, f->ports[i].port, &f->ports[i].st);
        if (d < 0 && r >= 0)
            r = put_channel(f->ws, 2 * i + 1, sn_str(sn_diag_format(d, text, sizeof text)));
        else if (r >= 0)
            r = sn_scope_go(sc, "forwarded port", port_out, &f->ports[i]);
    }
    while (r >= 0 && (r = sn_ws_read(f->ws, &m)) >= 0) {
        unsigned ch = m.len ? m.ptr[0] : 1;
        if (m.len < 2 || ch % 2 || ch / 2 >= f->n || !f->ports[ch / 2].st) continue;
        if (sn_write(f->ports[ch / 2].st, m.ptr + 1, m.len - 1) < 0) break;
    }
    sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    for (unsigned i = 0; i < f->n; i++) sn_stream_close(f->ports[i].st);
    sn_buf_done(&m);
    return 0;
}

/* ---- SPDY in a tunnel ---- */

struct ws_tunnel {
    struct cri_conn c;
    struct sn_ws *ws;
    struct sn_buf in;
    size_t off;
};

static ssize_t tunnel_read(struct cri_conn *c, void *buf, size_t cap)
{
    struct ws_tunnel *t = SN_CONTAINER_OF(c, struct ws_tunnel, c);
    while (t->off == t->in.len) {
        t->off = 0;
        int r = sn_ws_read(t->ws, &t->in);
        if (r == SN_E_EOF) return 0;
        if (r < 0) return r;
    }
    size_t n = SN_MIN(cap, t->in.len - t->off);
    memcpy(buf, t->in.ptr + t->off, n);
    t->off += n;
    return (ssize_t)n;
}
static int tunnel_write(struct cri_conn *c, struct sn_str data)
{
    return sn_ws_write(SN_CONTAINER_OF(c, struct ws_tunnel, c)->ws, SN_WS_BINARY, data);
}
static void tunnel_shut(struct cri_conn *c) {}

static int serve_tunnel(struct sn_cri *s, const struct cri_stream *st, struct sn_ws *ws)
{
    struct ws_tunnel t = {.c = {tunnel_read, tunnel_write, tunnel_shut}, .ws = ws};
    int r = cri_spdy_run(s, st, &t.c, (struct sn_str){0});
    sn_buf_done(&t.in);
    return r;
}

/* ---- which of them ---- */

static struct sn_str choose(struct sn_str offered, const char *const *known)
{
    for (; *known; known++) {
        struct sn_str rest = offered;
        while (rest.ptr)
            if (sn_str_eqc(sn_str_trim(sn_str_cut(&rest, ',')), *known)) return sn_str(*known);
    }
    return (struct sn_str){0};
}

int cri_ws_serve(struct sn_cri *s, struct sn_http_x *x, struct cri_stream *st)
{
    static const char *const commands[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};
    static const char *const forwards[] = {"SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io",
                                           NULL};
    bool forward = st->kind == CRI_STREAM_FORWARD;
    struct sn_str sub =
        choose(sn_http_headers_get(&x->req.headers, SN_STR("sec-websocket-protocol")),
               forward ? forwards : commands);
    struct sn_ws *ws;
    if (!sub.ptr)
        return sn_http_reply(
            x, 400, SN_STR("text/plain"),
            SN_STR("Sec-WebSocket-Protocol: expected v5.channel.k8s.io or v4.channel.k8s.io\n"));
    int r =
        sn_ws_accept(x, &(struct sn_ws_opts){.message_bytes_max = MESSAGE_MAX, .subprotocol = sub},
                     &ws);
    if (r < 0) return r;
    if (!forward) {
        r = serve_command(s, st, ws, sub.ptr[1] == '5');
    } else if (sn_str_starts(sub, SN_STR("SPDY"))) {
        r = serve_tunnel(s, st, ws);
    } else {
        struct ws_forward *f = SN_ARENA_NEW(x->arena, struct ws_forward);
        r = f ? 0 : SN_E_NOMEM;
        if (f) {
            f->s = s;
            f->ws = ws;
            read_ports(f, x->req.query);
            r = serve_ports(f, st->id);
        }
    }
    sn_ws_close(ws, r < 0 ? 1011 : 1000, (struct sn_str){0});
    return 0;
}

int cri_stream_serve(struct sn_cri *s, struct sn_http_x *x, struct cri_stream *st)
{
    struct sn_str up = sn_http_headers_get(&x->req.headers, SN_STR("upgrade"));
    if (sn_str_ieq(up, SN_STR("websocket"))) return cri_ws_serve(s, x, st);
    if (sn_str_ieq(up, SN_STR("SPDY/3.1"))) return cri_spdy_serve(s, x, st);
    return sn_http_reply(x, 400, SN_STR("text/plain"),
                         SN_STR("Upgrade: expected SPDY/3.1 or websocket\n"));
}
