/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc/client.c - calls over one connection. */
#include "clusters/ttrpc/ttrpc_int.h"

struct sn_ttrpc_client {
    struct ttrpc_conn c;
};

static int client_frame(struct ttrpc_conn *c, const struct sn_ttrpc_frame *f)
{
    struct sn_ttrpc_call *k = ttrpc_call_find(c, f->stream);
    if (!k) return 0; /* given up by its caller */
    char text[SN_DIAG_BYTES];
    int r = 0;
    k->refs++;
    if (f->type == SN_TTRPC_DATA) {
        r = ttrpc_call_data(k, f);
    } else if (f->type == SN_TTRPC_RESPONSE) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct ttrpc_response *res;
        r = ttrpc_response_parse(f->data, 0, &a, &res);
        if (r >= 0 && res->status && res->status->code > 0) {
            int code = res->status->code <= 16 ? -res->status->code : SN_E_UNKNOWN;
            ttrpc_call_fail(k, code, res->status->message);
        } else if (r >= 0) {
            r = ttrpc_queue(k, res->payload);
            k->remote_closed = true;
            ttrpc_wake(&k->reader);
        }
        sn_arena_done(&a);
    }
    if (r < 0) ttrpc_call_fail(k, r, sn_str(sn_diag_format(r, text, sizeof(text))));
    ttrpc_call_unref(k);
    return 0;
}

static int client_oversized(struct ttrpc_conn *c, const struct sn_ttrpc_frame *f)
{
    struct sn_ttrpc_call *k = ttrpc_call_find(c, f->stream);
    if (k) ttrpc_call_fail(k, SN_E_TOO_LARGE, SN_STR("the reply exceeds 4 MiB"));
    return 0;
}

static void client_closed(struct ttrpc_conn *c)
{
    SN_LIST_EACH (&c->streams, l) {
        struct sn_ttrpc_call *k = SN_LIST_ENTRY(l, struct sn_ttrpc_call, link);
        k->local_closed = true;
        ttrpc_call_fail(k, SN_E_CLOSED, SN_STR("ttrpc: the connection has ended"));
    }
}

static void client_free(struct ttrpc_conn *c)
{
    sn_free(SN_CONTAINER_OF(c, struct sn_ttrpc_client, c));
}

static const struct ttrpc_conn_ops client_ops = {.frame = client_frame,
                                                 .oversized = client_oversized,
                                                 .closed = client_closed,
                                                 .free = client_free};

int sn_ttrpc_dial(const char *addr, struct sn_ttrpc_client **ret)
{
    struct sn_stream *st;
    int r = sn_dial(addr, NULL, &st);
    if (r < 0) return r;
    struct sn_ttrpc_client *c = SN_NEW(struct sn_ttrpc_client);
    if (!c) {
        sn_stream_close(st);
        return SN_E_NOMEM;
    }
    ttrpc_conn_init(&c->c, &client_ops, st);
    c->c.refs++; /* the caller's */
    ttrpc_conn_start(&c->c);
    *ret = c;
    return 0;
}

void sn_ttrpc_client_close(struct sn_ttrpc_client *c)
{
    if (!c) return;
    ttrpc_conn_close(&c->c);
    ttrpc_conn_unref(&c->c);
}

bool sn_ttrpc_client_alive(const struct sn_ttrpc_client *c) { return !c->c.closed; }

/* put_request - the frame that opens call k. */
static int put_request(struct sn_buf *b, struct sn_ttrpc_call *k, const char *service,
                       const void *msg, const struct sn_ttrpc_call_opts *opts)
{
    struct ttrpc_request q = {.service = sn_str(service), .method = sn_str(k->m->name)};
    unsigned n = opts ? opts->n_metadata : 0;
    if (n > SN_TTRPC_METADATA_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "ttrpc: %u pairs of metadata, at most %u", n,
                       SN_TTRPC_METADATA_MAX);
    for (unsigned i = 0; i < n; i++) {
        struct ttrpc_key_value *p = ttrpc_request_add_metadata(&q, &k->arena);
        if (!p) return SN_E_NOMEM;
        p->key = opts->metadata[i].key;
        p->value = opts->metadata[i].value;
    }
    if (sn_deadline() != SN_FOREVER) q.timeout_nano = SN_MAX(sn_deadline() - sn_now(), (int64_t)1);
    struct sn_buf payload;
    sn_buf_init(&payload, 0);
    ssize_t r = msg ? sn_pb_encode(k->m->in, msg, &payload) : 0;
    q.payload = sn_buf_view(&payload);
    size_t at = sn_ttrpc_frame_begin(b);
    if (r >= 0) r = ttrpc_request_encode(&q, b);
    uint8_t flags = k->m->client_streams   ? SN_TTRPC_REMOTE_OPEN
                    : k->m->server_streams ? SN_TTRPC_REMOTE_CLOSED
                                           : 0;
    if (r >= 0) r = sn_ttrpc_frame_end(b, at, k->id, SN_TTRPC_REQUEST, flags);
    sn_buf_done(&payload);
    return r < 0 ? (int)r : 0;
}

/* open_locked - numbers must arrive in order, so the connection's write lock is held from taking
 * one until its request is written. */
static int open_locked(struct ttrpc_conn *c, const char *service, const struct sn_ttrpc_method *m,
                       const void *req, const struct sn_ttrpc_call_opts *opts,
                       struct sn_ttrpc_call **ret)
{
    if (c->closed) return sn_fail(SN_E_CLOSED, "ttrpc: the connection has ended");
    if (c->n_streams >= SN_TTRPC_STREAMS_MAX || c->last_id > UINT32_MAX - 2)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED,
                       "ttrpc: %u calls in progress, %u made on the connection", c->n_streams,
                       c->last_id / 2);
    uint32_t id = c->last_id ? c->last_id + 2 : 1;
    struct sn_ttrpc_call *k = ttrpc_call_new(c, id);
    if (!k) return SN_E_NOMEM;
    k->m = m;
    k->local_closed = !m->client_streams;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = put_request(&b, k, service, req, opts);
    if (r >= 0) {
        c->last_id = id;
        r = ttrpc_conn_write_locked(c, &b);
    }
    sn_buf_done(&b);
    if (r < 0)
        ttrpc_call_unref(k);
    else
        *ret = k;
    return r;
}

int sn_ttrpc_open(struct sn_ttrpc_client *client, const char *service,
                  const struct sn_ttrpc_method *m, const void *req,
                  const struct sn_ttrpc_call_opts *opts, struct sn_ttrpc_call **ret)
{
    struct ttrpc_conn *c = &client->c;
    c->refs++;
    int r = sn_mutex_lock(&c->write);
    if (r >= 0) {
        r = open_locked(c, service, m, req, opts, ret);
        sn_mutex_unlock(&c->write);
    }
    ttrpc_conn_unref(c);
    return r;
}

int sn_ttrpc_close_send(struct sn_ttrpc_call *k)
{
    if (k->local_closed) return 0;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    size_t at = sn_ttrpc_frame_begin(&b);
    int r =
        sn_ttrpc_frame_end(&b, at, k->id, SN_TTRPC_DATA, SN_TTRPC_REMOTE_CLOSED | SN_TTRPC_NO_DATA);
    if (r >= 0) r = ttrpc_conn_write(k->conn, &b);
    k->local_closed = true;
    sn_buf_done(&b);
    return r;
}

void sn_ttrpc_end(struct sn_ttrpc_call *k)
{
    if (!k) return;
    ttrpc_call_leave(k);
    ttrpc_call_unref(k);
}

int sn_ttrpc_invoke(struct sn_ttrpc_client *c, const char *service, const struct sn_ttrpc_method *m,
                    const void *req, struct sn_arena *a, void **ret_rep,
                    const struct sn_ttrpc_call_opts *opts)
{
    struct sn_ttrpc_call *k;
    int r = sn_ttrpc_open(c, service, m, req, opts, &k);
    if (r < 0) return r;
    sn_arena_done(&k->messages);
    void *rep = NULL;
    r = sn_ttrpc_recv(k, &rep);
    if (r == SN_E_EOF)
        r = sn_fail(SN_E_PROTOCOL, "ttrpc: %s: the server ended the call without a reply", m->name);
    if (r >= 0) r = sn_pb_clone(m->out, rep, a, ret_rep);
    sn_ttrpc_end(k);
    return r;
}
