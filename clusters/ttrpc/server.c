/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc/server.c - services, and a fiber per request. */
#include "clusters/ttrpc/ttrpc_int.h"

struct service {
    const struct sn_ttrpc_service *s;
    void *arg;
};
struct sn_ttrpc_server {
    struct service services[SN_TTRPC_SERVICES_MAX];
    unsigned n_services, n_calls, n_conns;
    struct sn_list conns;
    struct ttrpc_wait room, idle; /* a connection, or a call, has ended */
    struct sn_listener *listener;
    struct sn_fiber *runner;
    bool stopping;
    void (*on_reply)(void *arg);
    void *on_reply_arg;
};
struct server_conn {
    struct ttrpc_conn c;
    struct sn_ttrpc_server *server;
};

int sn_ttrpc_server_new(struct sn_ttrpc_server **ret)
{
    struct sn_ttrpc_server *s = SN_NEW(struct sn_ttrpc_server);
    if (!s) return SN_E_NOMEM;
    sn_list_init(&s->conns);
    *ret = s;
    return 0;
}

void sn_ttrpc_server_free(struct sn_ttrpc_server *s)
{
    SN_ASSERT(!s || (!s->n_conns && !s->n_calls));
    sn_free(s);
}

int sn_ttrpc_server_add(struct sn_ttrpc_server *s, const struct sn_ttrpc_service *service, void *arg)
{
    for (unsigned i = 0; i < s->n_services; i++)
        if (strcmp(s->services[i].s->name, service->name) == 0)
            return sn_fail(SN_E_ALREADY_EXISTS, "ttrpc: service %s is served already", service->name);
    if (s->n_services == SN_TTRPC_SERVICES_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "ttrpc: %u services, at most %u", s->n_services + 1,
                       SN_TTRPC_SERVICES_MAX);
    s->services[s->n_services++] = (struct service){service, arg};
    return 0;
}

unsigned sn_ttrpc_server_calls(const struct sn_ttrpc_server *s)
{
    return s->n_calls;
}

void sn_ttrpc_server_on_reply(struct sn_ttrpc_server *s, void (*fn)(void *arg), void *arg)
{
    s->on_reply = fn;
    s->on_reply_arg = arg;
}

unsigned sn_ttrpc_server_conns(const struct sn_ttrpc_server *s)
{
    return s->n_conns;
}

void *sn_ttrpc_arg(const struct sn_ttrpc_call *c)
{
    return c->arg;
}

struct sn_str sn_ttrpc_metadata(const struct sn_ttrpc_call *c, const char *key)
{
    for (uint32_t i = 0; c->req && i < c->req->metadata.len; i++)
        if (sn_str_eqc(c->req->metadata.ptr[i]->key, key)) return c->req->metadata.ptr[i]->value;
    return (struct sn_str){0};
}

void sn_ttrpc_after_reply(struct sn_ttrpc_call *c, void (*fn)(void *arg), void *arg)
{
    c->after = fn;
    c->after_arg = arg;
}

/* ---- answers ----------------------------------------------------------------------------------- */

/* put_response - the frame that ends a stream: a status, and a reply where that is 0. */
static int put_response(struct sn_buf *b, uint32_t id, int code, struct sn_str text,
                        const struct sn_pb_desc *d, const void *rep)
{
    struct sn_buf payload;
    sn_buf_init(&payload, 0);
    struct google_rpc_status st = {.code = code < 0 ? sn_status_canonical(code) : 0, .message = text};
    struct ttrpc_response res = {.status = &st};
    int r = 0;
    if (code >= 0 && rep) {
        ssize_t n = sn_pb_encode(d, rep, &payload);
        r = n < 0 ? (int)n : 0;
    }
    res.payload = sn_buf_view(&payload);
    size_t at = sn_ttrpc_frame_begin(b);
    if (r >= 0) {
        ssize_t n = ttrpc_response_encode(&res, b);
        r = n < 0 ? (int)n : 0;
    }
    if (r >= 0)
        r = sn_ttrpc_frame_end(b, at, id, SN_TTRPC_RESPONSE, 0);
    else
        b->len = at;
    sn_buf_done(&payload);
    return r;
}

/* answer_status - of a failure that has a diagnostic, on whatever stream. */
static int answer_status(struct ttrpc_conn *c, uint32_t id, int code)
{
    char text[SN_DIAG_BYTES];
    sn_diag_format(code, text, sizeof(text));
    /* Messages are UTF-8; a name from outside may not be. */
    if (!sn_utf8_valid(sn_str(text)))
        for (char *p = text; *p; p++)
            if ((uint8_t)*p >= 0x80) *p = '?';
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = put_response(&b, id, code, sn_str(text), NULL, NULL);
    if (r >= 0) r = ttrpc_conn_write(c, &b);
    sn_buf_done(&b);
    return r;
}

static void answer(struct sn_ttrpc_call *k, int code, const void *rep)
{
    struct ttrpc_conn *c = k->conn;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = 0;
    if (code >= 0 && k->m->server_streams) {
        size_t at = sn_ttrpc_frame_begin(&b);
        r = sn_ttrpc_frame_end(&b, at, k->id, SN_TTRPC_DATA, SN_TTRPC_REMOTE_CLOSED | SN_TTRPC_NO_DATA);
    } else if (code >= 0) {
        r = put_response(&b, k->id, 0, (struct sn_str){0}, k->m->out, rep);
    }
    ttrpc_call_leave(k);
    if (code < 0 || r < 0)
        (void)answer_status(c, k->id, code < 0 ? code : r);
    else
        (void)ttrpc_conn_write(c, &b);
    sn_buf_done(&b);
}

/* ---- calls ------------------------------------------------------------------------------------- */

struct run {
    struct sn_ttrpc_call *k;
    const void *req;
    void *rep;
};

static int run_handler(void *arg)
{
    struct run *u = arg;
    return u->k->m->stream ? u->k->m->stream(u->k) : u->k->m->unary(u->k, u->req, &u->rep);
}

static void call_main(void *arg)
{
    struct sn_ttrpc_call *k = arg;
    struct sn_ttrpc_server *s = k->server;
    struct run u = {.k = k};
    void *req = NULL;
    int r = 0;
    if (k->m->unary) {
        r = sn_pb_parse(k->m->in, k->req->payload, 0, &k->arena, &req);
        if (r < 0) r = sn_wrap(SN_E_INVALID_ARGUMENT, "%s", k->m->name);
    }
    u.req = req;
    /* The connection may have ended before this fiber ran. */
    if (k->conn->closed) r = SN_E_CANCELLED;
    k->fiber = sn_self();
    int64_t before = sn_deadline();
    if (k->req->timeout_nano > 0 && k->req->timeout_nano < SN_FOREVER - sn_now())
        before = sn_deadline_tighten(sn_now() + k->req->timeout_nano);
    if (r >= 0) r = sn_try(run_handler, &u);
    sn_deadline_restore(before);
    k->fiber = NULL;
    answer(k, r, u.rep);
    void (*after)(void *) = k->after;
    void *after_arg = k->after_arg;
    ttrpc_call_unref(k);
    s->n_calls--;
    if (after) after(after_arg);
    if (s->on_reply) s->on_reply(s->on_reply_arg);
    ttrpc_wake(&s->idle);
}

static const struct sn_ttrpc_method *find(const struct sn_ttrpc_server *s, const struct ttrpc_request *q,
                                          void **ret_arg)
{
    bool known = false;
    for (unsigned i = 0; i < s->n_services; i++) {
        const struct sn_ttrpc_service *v = s->services[i].s;
        if (!sn_str_eqc(q->service, v->name)) continue;
        known = true;
        for (unsigned j = 0; j < v->n_methods; j++) {
            const struct sn_ttrpc_method *m = &v->methods[j];
            if (!sn_str_eqc(q->method, m->name) || (!m->unary && !m->stream)) continue;
            *ret_arg = s->services[i].arg;
            return m;
        }
    }
    if (known)
        sn_fail(SN_E_UNIMPLEMENTED, "method %.*s", SN_STR_ARG(q->method));
    else
        sn_fail(SN_E_UNIMPLEMENTED, "service %.*s", SN_STR_ARG(q->service));
    return NULL;
}

/* call_read - the request out of its frame. */
static int call_read(struct sn_ttrpc_call *k, const struct sn_ttrpc_frame *f)
{
    k->raw = sn_alloc(f->data.len + 1);
    if (!k->raw) return SN_E_NOMEM;
    if (f->data.len) memcpy(k->raw, f->data.ptr, f->data.len);
    struct ttrpc_request *q = NULL;
    int r = ttrpc_request_parse(sn_str_of(k->raw, f->data.len), 0, &k->arena, &q);
    if (r < 0) return sn_wrap(r == SN_E_NOMEM ? r : SN_E_INVALID_ARGUMENT, "ttrpc request");
    if (q->metadata.len > SN_TTRPC_METADATA_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%u pairs of metadata, at most %u", q->metadata.len,
                       SN_TTRPC_METADATA_MAX);
    k->req = q;
    k->m = find(k->server, q, &k->arg);
    if (!k->m) return SN_E_UNIMPLEMENTED;
    k->remote_closed = !(f->flags & SN_TTRPC_REMOTE_OPEN);
    /* The one message of a client that does not stream comes with the request. */
    if (k->m->stream && (q->payload.len || !k->m->client_streams)) return ttrpc_queue(k, q->payload);
    return 0;
}

static int on_request(struct server_conn *sc, const struct sn_ttrpc_frame *f)
{
    struct sn_ttrpc_server *s = sc->server;
    if (f->stream <= sc->c.last_id)
        return sn_fail(SN_E_INVALID_ARGUMENT, "stream %u was used before; the last one was %u",
                       f->stream, sc->c.last_id);
    sc->c.last_id = f->stream;
    if (sc->c.n_streams >= SN_TTRPC_STREAMS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%u requests in progress on this connection",
                       sc->c.n_streams);
    struct sn_ttrpc_call *k = ttrpc_call_new(&sc->c, f->stream);
    if (!k) return SN_E_NOMEM;
    k->server = s;
    s->n_calls++;
    int r = call_read(k, f);
    if (r >= 0) r = sn_go_on((unsigned)sn_worker_id(), k->m->name, call_main, k);
    if (r < 0) {
        s->n_calls--;
        ttrpc_call_unref(k);
    }
    return r;
}

static int on_data(struct server_conn *sc, const struct sn_ttrpc_frame *f)
{
    struct sn_ttrpc_call *k = ttrpc_call_find(&sc->c, f->stream);
    if (!k) {
        /* What was on its way when we answered early is no mistake. */
        if (f->stream <= sc->c.last_id) return 0;
        return sn_fail(SN_E_INVALID_ARGUMENT, "data on stream %u, which was never opened", f->stream);
    }
    k->refs++;
    int r = ttrpc_call_data(k, f);
    if (r < 0 && !k->over) {
        /* The handler learns of it by its next receive, the client by the answer to that. */
        char text[SN_DIAG_BYTES];
        ttrpc_call_fail(k, r, sn_str(sn_diag_format(r, text, sizeof(text))));
    }
    ttrpc_call_unref(k);
    return 0;
}

static int server_frame(struct ttrpc_conn *c, const struct sn_ttrpc_frame *f)
{
    struct server_conn *sc = SN_CONTAINER_OF(c, struct server_conn, c);
    int r = 0;
    if (f->stream % 2 != 1)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "stream %u: a client's streams have odd numbers", f->stream);
    else if (f->type == SN_TTRPC_REQUEST)
        r = on_request(sc, f);
    else if (f->type == SN_TTRPC_DATA)
        r = on_data(sc, f);
    /* Other types belong to later versions of the protocol. */
    return r < 0 ? answer_status(c, f->stream, r) : 0;
}

static int server_oversized(struct ttrpc_conn *c, const struct sn_ttrpc_frame *f)
{
    if (f->type == SN_TTRPC_REQUEST && f->stream % 2 == 1 && f->stream > c->last_id)
        c->last_id = f->stream;
    sn_fail(SN_E_TOO_LARGE, "message length %u exceeds the maximum of %u", f->len, SN_TTRPC_DATA_MAX);
    return answer_status(c, f->stream, SN_E_TOO_LARGE);
}

static void server_closed(struct ttrpc_conn *c)
{
    struct server_conn *sc = SN_CONTAINER_OF(c, struct server_conn, c);
    sn_list_del(&c->link);
    SN_LIST_EACH(&c->streams, l) {
        struct sn_ttrpc_call *k = SN_LIST_ENTRY(l, struct sn_ttrpc_call, link);
        k->local_closed = true;
        ttrpc_call_fail(k, SN_E_CLOSED, SN_STR("the connection has ended"));
        if (k->fiber && k->fiber != sn_self()) sn_fiber_cancel(k->fiber);
    }
    sc->server->n_conns--;
    ttrpc_wake(&sc->server->room);
    ttrpc_wake(&sc->server->idle);
}

static void server_free(struct ttrpc_conn *c)
{
    sn_free(SN_CONTAINER_OF(c, struct server_conn, c));
}

static const struct ttrpc_conn_ops server_ops = {.frame = server_frame, .oversized = server_oversized,
                                                 .closed = server_closed, .free = server_free};

/* ---- running ----------------------------------------------------------------------------------- */

static int accept_one(struct sn_ttrpc_server *s)
{
    while (s->n_conns >= SN_TTRPC_CONNS_MAX) {
        int r = ttrpc_wait(&s->room, "ttrpc: a connection to end", SN_FOREVER);
        if (r < 0) return r;
        if (s->stopping) return SN_E_CLOSED;
    }
    struct sn_stream *st;
    int r = sn_accept(s->listener, &st);
    if (r < 0) return r;
    struct server_conn *sc = SN_NEW(struct server_conn);
    if (!sc) {
        sn_stream_close(st);
        return 0; /* the client tries again */
    }
    ttrpc_conn_init(&sc->c, &server_ops, st);
    sc->server = s;
    s->n_conns++;
    sn_list_push_back(&s->conns, &sc->c.link);
    ttrpc_conn_start(&sc->c);
    return 0;
}

static int end_all(void *arg)
{
    struct sn_ttrpc_server *s = arg;
    while (!sn_list_empty(&s->conns))
        ttrpc_conn_close(&SN_LIST_ENTRY(s->conns.next, struct server_conn, c.link)->c);
    while (s->n_calls > 0) {
        int r = ttrpc_wait(&s->idle, "ttrpc: calls to end", SN_FOREVER);
        if (r < 0) return r;
    }
    return 0;
}

int sn_ttrpc_server_run(struct sn_ttrpc_server *s, struct sn_listener *l)
{
    s->listener = l;
    s->runner = sn_self();
    int r = 0;
    while (r >= 0 && !s->stopping) r = accept_one(s);
    s->runner = NULL;
    bool asked = s->stopping;
    s->stopping = true;
    /* A call that will not end is worse than a bound: handlers see their cancellation at once. */
    while (sn_shield(SN_HOUR, end_all, s) < 0) continue;
    return asked ? 0 : r;
}

void sn_ttrpc_server_stop(struct sn_ttrpc_server *s)
{
    s->stopping = true;
    if (s->runner) sn_fiber_cancel(s->runner);
}
