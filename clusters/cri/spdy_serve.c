/* SPDX-License-Identifier: Apache-2.0 */
/* cri/spdy_serve.c - exec, attach and port-forward over SPDY/3.1. */
#include <stdio.h>

#include "clusters/cri/spdy.h"
#include "clusters/cri/stream_int.h"

#define STREAMS_MAX 256u        /* open at a time on one connection */
#define CREATE_NS (30 * SN_SEC) /* for all streams of a command to be there */
#define LINGER_NS (2 * SN_SEC)  /* for the client to close when we are done */
#define PIECE (32u << 10)

struct spdy_port;
struct spdy_stream {
    uint32_t id; /* 0: a free slot */
    int channel; /* enum cri_channel; -1: of a port */
    struct spdy_port *port;
    bool is_error;
};
struct spdy_port { /* one forwarded connection: a data and an error stream */
    struct spdy_conn *sc;
    uint32_t data, error;
    unsigned port;
    char request[32];
    struct sn_stream *st;
    bool dialling, done;
};
struct spdy_conn {
    struct sn_cri *s;
    const struct cri_stream *want;
    struct cri_conn *conn;
    struct cri_carrier carrier;
    struct sn_spdy codec;
    struct sn_mutex out; /* frames leave whole; the compressor is shared */
    struct spdy_stream streams[STREAMS_MAX];
    struct spdy_port *ports[STREAMS_MAX];
    uint32_t channel[CRI_CHANNELS], last;
    struct cri_session *ss;
    struct sn_event complete, over;
    struct sn_scope *scope;
    bool done;
};

static struct spdy_stream *find(struct spdy_conn *sc, uint32_t id)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++)
        if (sc->streams[i].id == id) return &sc->streams[i];
    return NULL;
}

static int flush(struct spdy_conn *sc, struct sn_buf *b)
{
    int r = b->err < 0 ? b->err : sc->conn->write(sc->conn, sn_buf_view(b));
    sn_buf_done(b);
    return r;
}

static int send_data(struct spdy_conn *sc, uint32_t id, bool fin, struct sn_str data)
{
    int r = 0;
    do {
        struct sn_buf b = {0};
        struct sn_str piece = sn_str_sub(data, 0, PIECE);
        data = sn_str_from(data, piece.len);
        sn_mutex_lock_always(&sc->out);
        (void)sn_spdy_put_data(id, fin && !data.len, piece, &b);
        r = flush(sc, &b);
        sn_mutex_unlock(&sc->out);
    } while (r >= 0 && data.len);
    return r;
}

/* ---- remote commands ---- */

static int spdy_channel_write(struct cri_carrier *c, enum cri_channel ch, struct sn_str data)
{
    struct spdy_conn *sc = SN_CONTAINER_OF(c, struct spdy_conn, carrier);
    return sc->channel[ch] ? send_data(sc, sc->channel[ch], false, data) : 0;
}
static void spdy_channel_finish(struct cri_carrier *c, enum cri_channel ch)
{
    struct spdy_conn *sc = SN_CONTAINER_OF(c, struct spdy_conn, carrier);
    if (sc->channel[ch]) (void)send_data(sc, sc->channel[ch], true, (struct sn_str){0});
}

static bool have_all(const struct spdy_conn *sc)
{
    const struct cri_stream *w = sc->want;
    return sc->channel[CRI_CH_ERROR] && (!w->in || sc->channel[CRI_CH_STDIN]) &&
           (!w->out || sc->channel[CRI_CH_STDOUT]) && (!w->err || sc->channel[CRI_CH_STDERR]) &&
           (!w->tty || sc->channel[CRI_CH_RESIZE]);
}

static int command(void *arg)
{
    struct spdy_conn *sc = arg;
    int r = sn_event_wait_until(&sc->complete, sn_now() + CREATE_NS);
    if (r >= 0) r = cri_session_start(sc->s, sc->want, &sc->carrier, &sc->ss);
    if (r >= 0) {
        sn_event_set(&sc->over); /* input may come */
        r = cri_session_wait(sc->ss);
    } else if (r != SN_E_CANCELLED && sc->channel[CRI_CH_ERROR]) {
        char msg[SN_DIAG_BYTES + 200];
        struct sn_buf b;
        sn_buf_init_fixed(&b, msg, sizeof msg);
        cri_failure(&b, r);
        (void)send_data(sc, sc->channel[CRI_CH_ERROR], true, sn_buf_view(&b));
    }
    sn_event_set(&sc->over);
    sc->done = true;
    if (r != SN_E_CANCELLED) {
        struct sn_buf b = {0};
        sn_mutex_lock_always(&sc->out);
        (void)sn_spdy_put_goaway(sc->last, &b);
        (void)flush(sc, &b);
        sn_mutex_unlock(&sc->out);
        sc->conn->shut(sc->conn);
        (void)!sn_sleep(LINGER_NS);
    }
    sn_scope_cancel(sc->scope);
    return 0;
}

/* ---- ports ---- */

static void port_fail(struct spdy_port *p, int r)
{
    char text[SN_DIAG_BYTES + 64];
    struct sn_str why = r < 0 ? sn_str(sn_diag_format(r, text, sizeof text)) : (struct sn_str){0};
    (void)send_data(p->sc, p->error, true, why);
    (void)send_data(p->sc, p->data, true, (struct sn_str){0});
}

static int port_run(void *arg)
{
    struct spdy_port *p = arg;
    char *buf = sn_alloc(PIECE);
    ssize_t n = buf ? 0 : SN_E_NOMEM;
    while (buf && (n = sn_read(p->st, buf, PIECE)) > 0)
        if (send_data(p->sc, p->data, false, sn_str_of(buf, (size_t)n)) < 0) break;
    sn_free(buf);
    port_fail(p, n < 0 && n != SN_E_RESET ? (int)n : 0);
    p->done = true;
    return 0;
}

static int port_begin(struct spdy_port *p)
{
    int r = cri_forward_dial(p->sc->s, p->sc->want->id, p->port, &p->st);
    if (r >= 0) r = sn_scope_go(p->sc->scope, "forwarded port", port_run, p);
    if (r < 0) {
        port_fail(p, r);
        p->done = true;
    }
    return 0;
}

static void port_free(struct spdy_conn *sc, unsigned i)
{
    struct spdy_port *p = sc->ports[i];
    for (unsigned k = 0; k < STREAMS_MAX; k++)
        if (sc->streams[k].port == p) sc->streams[k] = (struct spdy_stream){0};
    sn_stream_close(p->st);
    sn_free(p);
    sc->ports[i] = NULL;
}

static struct spdy_port *port_of(struct spdy_conn *sc, struct sn_str request, struct sn_str port)
{
    unsigned room = STREAMS_MAX;
    uint64_t num;
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        if (sc->ports[i] && sc->ports[i]->done) port_free(sc, i);
        if (!sc->ports[i])
            room = i;
        else if (sn_str_eqc(request, sc->ports[i]->request))
            return sc->ports[i];
    }
    struct spdy_port *p = room < STREAMS_MAX ? SN_NEW(struct spdy_port) : NULL;
    if (!p) return NULL;
    p->sc = sc;
    if (sn_str_cz(request, p->request, sizeof p->request) < 0 || sn_str_to_u64(port, &num) < 0 ||
        num < 1 || num > 65535) {
        sn_free(p);
        return NULL;
    }
    p->port = (unsigned)num;
    return sc->ports[room] = p;
}

/* ---- frames ---- */

static bool open_stream(struct spdy_conn *sc, const struct sn_spdy_frame *f)
{
    static const char *const names[CRI_CHANNELS] = {"stdin", "stdout", "stderr", "error", "resize"};
    struct sn_str type = sn_spdy_header_get(f, "streamtype");
    struct spdy_stream *slot = find(sc, 0);
    if (!slot || !f->stream || find(sc, f->stream)) return false;
    if (sc->want->kind == CRI_STREAM_FORWARD) {
        struct sn_str id = sn_spdy_header_get(f, "requestid"), port = sn_spdy_header_get(f, "port");
        bool error = sn_str_eqc(type, "error");
        if (!error && !sn_str_eqc(type, "data")) return false;
        char own[32];
        if (!id.len) { /* older clients: the pair is known by its first stream's number */
            snprintf(own, sizeof own, "s%u", error ? f->stream : f->stream - 2);
            id = sn_str(own);
        }
        struct spdy_port *p = port_of(sc, id, port);
        if (!p) return false;
        *(error ? &p->error : &p->data) = f->stream;
        *slot = (struct spdy_stream){f->stream, -1, p, error};
        return true;
    }
    for (int ch = 0; ch < CRI_CHANNELS; ch++) {
        if (!sn_str_eqc(type, names[ch]) || sc->channel[ch]) continue;
        sc->channel[ch] = f->stream;
        *slot = (struct spdy_stream){f->stream, ch, NULL, false};
        return true;
    }
    return false;
}

static int on_syn(struct spdy_conn *sc, const struct sn_spdy_frame *f)
{
    struct sn_buf b = {0};
    bool good = open_stream(sc, f);
    sc->last = f->stream;
    sn_mutex_lock_always(&sc->out);
    if (good)
        (void)sn_spdy_put_reply(&sc->codec, f->stream, &b);
    else
        (void)sn_spdy_put_rst(f->stream, 3 /* refused */, &b);
    int r = flush(sc, &b);
    sn_mutex_unlock(&sc->out);
    struct spdy_stream *st = good ? find(sc, f->stream) : NULL;
    if (r < 0 || !st) return r;
    if (!st->port && have_all(sc)) sn_event_set(&sc->complete);
    if (st->port && st->port->data && st->port->error && !st->port->dialling) {
        st->port->dialling = true;
        return port_begin(st->port);
    }
    return 0;
}

static int on_data(struct spdy_conn *sc, const struct sn_spdy_frame *f)
{
    struct spdy_stream *st = find(sc, f->stream);
    if (!st || !f->stream) return 0;
    if (st->port) {
        if (st->is_error || !st->port->st) return 0;
        if (f->data.len && sn_write(st->port->st, f->data.ptr, f->data.len) < 0) return 0;
        if (f->fin) (void)sn_stream_shutdown(st->port->st);
        return 0;
    }
    int r = sn_event_wait(&sc->over); /* until the command runs, or does not */
    if (r < 0 || !sc->ss || sc->done) return r;
    if (f->data.len) r = cri_session_input(sc->ss, (enum cri_channel)st->channel, f->data);
    if (f->fin && st->channel == CRI_CH_STDIN) cri_session_input_end(sc->ss);
    return r;
}

static int on_frame(struct spdy_conn *sc, const struct sn_spdy_frame *f)
{
    struct sn_buf b = {0};
    struct spdy_stream *st;
    switch (f->type) {
    case SN_SPDY_SYN_STREAM: return on_syn(sc, f);
    case SN_SPDY_DATA: return on_data(sc, f);
    case SN_SPDY_PING:
        sn_mutex_lock_always(&sc->out);
        (void)sn_spdy_put_ping(f->stream, &b);
        int r = flush(sc, &b);
        sn_mutex_unlock(&sc->out);
        return r;
    case SN_SPDY_RST_STREAM:
        st = f->stream ? find(sc, f->stream) : NULL;
        if (st && st->port && st->port->st) (void)sn_stream_shutdown(st->port->st);
        return 0;
    default: return 0;
    }
}

static int reader(struct spdy_conn *sc, struct sn_str rest)
{
    struct sn_spdy_frame *f = SN_NEW(struct sn_spdy_frame);
    char *buf = sn_alloc(PIECE);
    int r = f && buf ? 0 : SN_E_NOMEM;
    while (r >= 0) {
        while (r >= 0 && (r = sn_spdy_next(&sc->codec, &rest, f)) > 0) r = on_frame(sc, f);
        if (r < 0) break;
        ssize_t n = sc->conn->read(sc->conn, buf, PIECE);
        if (n <= 0)
            r = n < 0 ? (int)n : SN_E_EOF;
        else
            rest = sn_str_of(buf, (size_t)n);
    }
    sn_free(f);
    sn_free(buf);
    return r;
}

int cri_spdy_run(struct sn_cri *s, const struct cri_stream *st, struct cri_conn *c,
                 struct sn_str rest)
{
    struct spdy_conn *sc = SN_NEW(struct spdy_conn);
    struct sn_scope_storage mem;
    if (!sc) return SN_E_NOMEM;
    sc->s = s, sc->want = st, sc->conn = c;
    sc->carrier = (struct cri_carrier){spdy_channel_write, spdy_channel_finish};
    int r = sn_spdy_init(&sc->codec);
    if (r >= 0) {
        bool is_command = st->kind != CRI_STREAM_FORWARD;
        sc->scope = sn_scope_begin(&mem);
        if (is_command) r = sn_scope_go(sc->scope, "remote command", command, sc);
        if (r >= 0) r = reader(sc, rest);
        if (sc->ss && !sc->done)
            cri_session_gone(sc->ss);
        else if (!sc->done)
            sn_scope_cancel(sc->scope);
        if (sc->done && r != SN_E_CANCELLED) sn_scope_cancel(sc->scope);
        (void)sn_scope_end(sc->scope);
        cri_session_free(sc->ss);
        for (unsigned i = 0; i < STREAMS_MAX; i++)
            if (sc->ports[i]) port_free(sc, i);
        sn_spdy_done(&sc->codec);
    }
    sn_free(sc);
    return r == SN_E_EOF || r == SN_E_CANCELLED || r == SN_E_RESET ? 0 : r;
}

/* ---- the upgrade ---- */

struct plain {
    struct cri_conn c;
    struct sn_stream *st;
};
static ssize_t plain_read(struct cri_conn *c, void *buf, size_t cap)
{
    return sn_read(SN_CONTAINER_OF(c, struct plain, c)->st, buf, cap);
}
static int plain_write(struct cri_conn *c, struct sn_str data)
{
    ssize_t n = sn_write(SN_CONTAINER_OF(c, struct plain, c)->st, data.ptr, data.len);
    return n < 0 ? (int)n : 0;
}
static void plain_shut(struct cri_conn *c)
{
    (void)sn_stream_shutdown(SN_CONTAINER_OF(c, struct plain, c)->st);
}

/* The first protocol of ours that the client names; one that names none speaks the oldest. */
static struct sn_str protocol(struct sn_http_x *x, bool forward)
{
    static const char *const commands[] = {"v4.channel.k8s.io", NULL}, *const forwards[] = {
                                                                           "portforward.k8s.io",
                                                                           NULL};
    const char *const *known = forward ? forwards : commands;
    for (unsigned i = 0; i < x->req.headers.len; i++) {
        const struct sn_http_header *h = &x->req.headers.ptr[i];
        if (!sn_str_ieq(h->name, SN_STR("x-stream-protocol-version"))) continue;
        struct sn_str rest = h->value;
        while (rest.ptr) {
            struct sn_str one = sn_str_trim(sn_str_cut(&rest, ','));
            if (sn_str_eqc(one, known[0])) return one;
        }
    }
    return (struct sn_str){0};
}

int cri_spdy_serve(struct sn_cri *s, struct sn_http_x *x, struct cri_stream *st)
{
    bool forward = st->kind == CRI_STREAM_FORWARD;
    struct sn_str proto = protocol(x, forward), rest;
    struct plain p = {.c = {plain_read, plain_write, plain_shut}};
    if (!proto.ptr) {
        (void)!sn_http_header_add(x, SN_STR("X-Accepted-Stream-Protocol-Versions"),
                                  forward ? SN_STR("portforward.k8s.io")
                                          : SN_STR("v4.channel.k8s.io"));
        return sn_http_reply(x, 403, SN_STR("text/plain"),
                             SN_STR("X-Stream-Protocol-Version: none of these is known here\n"));
    }
    int r = sn_http_header_add(x, SN_STR("Upgrade"), SN_STR("SPDY/3.1"));
    if (r >= 0) r = sn_http_header_add(x, SN_STR("X-Stream-Protocol-Version"), proto);
    if (r >= 0) r = sn_http_hijack(x, 101, &p.st, &rest);
    if (r < 0) return r;
    r = cri_spdy_run(s, st, &p.c, rest);
    sn_stream_close(p.st);
    return r;
}
