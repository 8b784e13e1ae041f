/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_call.c - a call, whichever side: metadata, messages, interceptors. */
#include <stdio.h>

#include "core/alloc.h"
#include "google/rpc/status.pb.h"
#include "kit/grpc_proto_int.h"

void grpc_call_init(struct grpc_call *g, const struct grpc_call_ops *ops, struct sn_arena *a)
{
    g->ops = ops;
    g->c.arena = a;
    g->c.deadline_ns = SN_FOREVER;
    sn_arena_init(&g->msgs, a->pool, 0);
    sn_grpc_in_init(&g->in, SN_GRPC_RECV_BYTES_MAX, SN_GRPC_COMPRESSED);
}

void grpc_call_done(struct grpc_call *g)
{
    sn_arena_done(&g->msgs);
    sn_grpc_in_done(&g->in);
    sn_buf_done(&g->out);
    sn_buf_done(&g->plain);
    sn_buf_done(&g->packed);
    sn_buf_done(&g->details);
}

/* ---- metadata --------------------------------------------------------------------------------- */

struct sn_str sn_grpc_metadata(const struct sn_grpc_call *c, const char *name)
{
    return sn_http_headers_get(&c->metadata, sn_str(name));
}

int grpc_head_add(struct sn_http_headers *to, struct sn_arena *a, struct sn_str name,
                  struct sn_str value)
{
    char *low = sn_arena_alloc(a, name.len);
    if (!low) return SN_E_NOMEM;
    for (size_t i = 0; i < name.len; i++) low[i] = sn_ascii_lower(name.ptr[i]);
    name = sn_str_of(low, name.len);
    if (sn_grpc_reserved(name))
        return sn_fail(SN_E_INVALID_ARGUMENT, "metadata name %.*s is reserved", SN_STR_ARG(name));
    if (!sn_grpc_metadata_valid(name, value))
        return sn_fail(SN_E_INVALID_ARGUMENT, "metadata %.*s: bad name or value", SN_STR_ARG(name));
    value = sn_grpc_is_bin(name) ? sn_grpc_bin_encode(value, a) : sn_arena_str(a, value);
    if (!value.ptr) return SN_E_NOMEM;
    return sn_http_headers_add(to, a, name, value);
}

int sn_grpc_metadata_add(struct sn_grpc_call *c, struct sn_str name, struct sn_str value)
{
    struct grpc_call *g = grpc_call_of(c);
    if (g->head_sent)
        return sn_fail(SN_E_FAILED_PRECONDITION, "metadata %.*s after the head was sent",
                       SN_STR_ARG(name));
    int r = grpc_head_add(&g->head, c->arena, name, value);
    if (r < 0 || c->server) return r;
    name = g->head.ptr[g->head.len - 1].name;
    value = sn_arena_str(c->arena, value);
    return value.ptr ? sn_http_headers_add(&c->metadata, c->arena, name, value) : SN_E_NOMEM;
}

int sn_grpc_trailer_add(struct sn_grpc_call *c, struct sn_str name, struct sn_str value)
{
    if (!c->server) return sn_fail(SN_E_FAILED_PRECONDITION, "a client sends no trailers");
    return grpc_head_add(&grpc_call_of(c)->tail, c->arena, name, value);
}

int sn_grpc_fail(struct sn_grpc_call *c, int code, const char *fmt, ...)
{
    struct grpc_call *g = grpc_call_of(c);
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : SN_MIN((size_t)n, sizeof(text) - 1);
    g->fail_code = code;
    g->fail_message = sn_arena_str(c->arena, sn_str_of(text, len)); /* without memory: none */
    return code;
}

int sn_grpc_detail(struct sn_grpc_call *c, const struct sn_pb_desc *d, const void *msg)
{
    struct grpc_call *g = grpc_call_of(c);
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    ssize_t n = sn_pb_encode(d, msg, &b);
    if (n < 0) return (int)n;
    sn_grpc_detail_put(&g->details, d->full_name, sn_buf_view(&b));
    return g->details.err;
}

int sn_grpc_details_pass(struct sn_grpc_call *c, struct sn_str status)
{
    struct grpc_call *g = grpc_call_of(c);
    struct google_rpc_status *st;
    int r = google_rpc_status_parse(status, 0, c->arena, &st);
    if (r < 0) return r == SN_E_NOMEM ? r : 0;
    for (uint32_t i = 0; i < st->details.len; i++) {
        struct sn_str type = st->details.ptr[i]->type_url;
        sn_grpc_detail_put(&g->details, sn_str_from(type, (size_t)(sn_str_rchr(type, '/') + 1)),
                           st->details.ptr[i]->value);
    }
    return g->details.err;
}

struct sn_str grpc_details_of(struct grpc_call *g, int code, struct sn_str message)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    if (g->details.len == 0 || code == 0) return (struct sn_str){0};
    sn_grpc_details_put(&b, sn_status_canonical(code), message, sn_buf_view(&g->details));
    return b.err < 0 ? (struct sn_str){0} : sn_arena_str(g->c.arena, sn_buf_view(&b));
}

struct sn_str grpc_code_text(int code)
{
    static const char *const texts[] = {"0", "1", "2",  "3",  "4",  "5",  "6",  "7", "8",
                                        "9", "10", "11", "12", "13", "14", "15", "16"};
    return sn_str(texts[sn_status_canonical(code)]);
}

void sn_grpc_hold(struct sn_grpc_call *c, bool on) { grpc_call_of(c)->hold = on; }

void sn_grpc_compress(struct sn_grpc_call *c, bool on) { grpc_call_of(c)->compress = on; }

/* A fault of what came over the wire, or of its size, is told to the peer in our words: they say nothing
 * about the program. */
static int told(struct grpc_call *g, int r)
{
    bool ours = r == SN_E_INTERNAL || r == SN_E_RESOURCE_EXHAUSTED || r == SN_E_INVALID_ARGUMENT;
    if (!g->c.server || !ours || sn_diag()->code != r) return r;
    struct sn_diag d = *sn_diag();
    r = sn_grpc_fail(&g->c, r, "%s", sn_diag_str(r));
    *sn_diag() = d;
    return r;
}

/* ---- messages in ------------------------------------------------------------------------------ */

uint8_t *grpc_room(struct grpc_call *g, size_t *ret_cap)
{
    const struct sn_grpc_in *in = &g->in;
    size_t have = in->buf.len - in->off, want = GRPC_ROOM_MIN;
    if (have >= SN_GRPC_PREFIX_LEN) {
        const uint8_t *p = in->buf.ptr + in->off;
        size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
        size_t missing = len + SN_GRPC_PREFIX_LEN - SN_MIN(have, len + SN_GRPC_PREFIX_LEN);
        want = SN_MIN(SN_MAX(missing, want), (size_t)GRPC_ROOM_MAX);
    }
    return sn_grpc_in_room(&g->in, want, ret_cap);
}

ssize_t grpc_put_in(struct grpc_call *g, struct sn_str m, uint8_t flags)
{
    size_t cap;
    if (m.len > UINT32_MAX) return SN_E_RESOURCE_EXHAUSTED;
    uint8_t *p = sn_grpc_in_room(&g->in, m.len + SN_GRPC_PREFIX_LEN, &cap);
    if (!p) return SN_E_RESOURCE_EXHAUSTED;
    sn_grpc_prefix(p, flags, (uint32_t)m.len);
    if (m.len) memcpy(p + SN_GRPC_PREFIX_LEN, m.ptr, m.len);
    sn_grpc_in_add(&g->in, m.len + SN_GRPC_PREFIX_LEN);
    return 1;
}

int grpc_bad_message(const struct sn_pb_desc *d, int r)
{
    if (r == SN_E_NOMEM) return SN_E_RESOURCE_EXHAUSTED;
    return sn_wrap(SN_E_INTERNAL, "%.*s", SN_STR_ARG(d->full_name));
}

int grpc_decode(struct grpc_call *g, const struct sn_pb_desc *d, struct sn_str m, bool copy,
                struct sn_arena *a, void **ret)
{
    int r;
    if (g->in_proto || g->codec == SN_GRPC_PROTO) {
        r = sn_pb_parse(d, m, copy ? SN_PB_COPY : 0, a, ret);
    } else {
        void *msg = sn_pb_new(d, a);
        r = msg ? sn_pb_from_json(d, msg, m, g->json, a) : SN_E_NOMEM;
        if (r == 0) *ret = msg;
        else if (r != SN_E_NOMEM)
            return told(g, sn_wrap(SN_E_INVALID_ARGUMENT, "%.*s", SN_STR_ARG(d->full_name)));
    }
    return r < 0 ? told(g, grpc_bad_message(d, r)) : 0;
}

int grpc_unframe(struct grpc_call *g, struct sn_str *ret)
{
    uint8_t flags;
    struct sn_str m;
    int r = sn_grpc_in_next(&g->in, &flags, &m);
    if (r <= 0) return r;
    size_t wire = m.len;
    g->c.received_compressed = flags & SN_GRPC_COMPRESSED;
    if (flags & SN_GRPC_COMPRESSED) {
        if (g->enc_in == SN_GRPC_IDENTITY)
            return sn_fail(SN_E_INTERNAL, "compressed message without an encoding");
        sn_buf_reset(&g->plain);
        r = sn_grpc_unpack((enum sn_grpc_encoding)g->enc_in, m, g->recv_max, &g->plain);
        if (r < 0) return r == SN_E_NOMEM ? SN_E_RESOURCE_EXHAUSTED : r;
        m = sn_buf_view(&g->plain);
    }
    g->c.received_msgs++;
    g->c.received_bytes += (int64_t)m.len;
    for (unsigned i = 0; i < g->entered; i++)
        if (g->interceptors[i].message)
            g->interceptors[i].message(&g->c, false, wire, g->interceptors[i].arg);
    *ret = m;
    return 1;
}

static int recv_bytes(struct grpc_call *g, struct sn_str *ret)
{
    for (;;) {
        int r = grpc_unframe(g, ret);
        if (r == 1) return 1;
        if (r < 0) return g->ops->failed ? g->ops->failed(g, r) : told(g, r);
        if (g->in_ended) return g->ops->over ? g->ops->over(g) : 0;
        ssize_t n = g->ops->fill(g);
        if (n < 0) return g->ops->failed ? g->ops->failed(g, (int)n) : told(g, (int)n);
        if (n > 0) continue;
        g->in_ended = true;
        if (!sn_grpc_in_partial(&g->in)) continue;
        /* A client's call that ended badly says so better than its torn message does. */
        r = g->ops->over ? g->ops->over(g) : 0;
        if (r < 0) return r;
        r = sn_fail(SN_E_INTERNAL, "stream ended inside a message");
        return g->ops->failed ? g->ops->failed(g, r) : told(g, r);
    }
}

int sn_grpc_recv_raw(struct sn_grpc_call *c, struct sn_str *ret)
{
    return recv_bytes(grpc_call_of(c), ret);
}

int sn_grpc_recv(struct sn_grpc_call *c, struct sn_arena *a, void **ret)
{
    struct grpc_call *g = grpc_call_of(c);
    if (!g->in_desc)
        return sn_fail(SN_E_FAILED_PRECONDITION, "no message type is known for %.*s",
                       SN_STR_ARG(c->path));
    struct sn_str m;
    int r = recv_bytes(g, &m);
    if (r <= 0) return r;
    bool copy = a != NULL;
    if (!a) {
        a = &g->msgs;
        sn_arena_reset(a);
    }
    r = grpc_decode(g, g->in_desc, m, copy, a, ret);
    if (r < 0) return g->ops->failed ? g->ops->failed(g, r) : r;
    return 1;
}

/* ---- messages out ----------------------------------------------------------------------------- */

/* The prefix at `at` of what was appended behind it. Undoes all of it on failure. */
static int frame_end(struct grpc_call *g, size_t at, size_t plain, uint8_t flags, int r)
{
    size_t n = r < 0 ? 0 : g->out.len - at - SN_GRPC_PREFIX_LEN;
    if (r >= 0 && plain > g->send_max)
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "message of %zu bytes over the send limit of %zu", plain,
                    g->send_max);
    if (r < 0) {
        g->out.len = at;
        g->out.err = 0;
        return r == SN_E_NOMEM ? SN_E_RESOURCE_EXHAUSTED : told(g, r);
    }
    sn_grpc_prefix(g->out.ptr + at, flags, (uint32_t)n);
    g->c.sent_msgs++;
    g->c.sent_bytes += (int64_t)plain;
    for (unsigned i = 0; i < g->entered; i++)
        if (g->interceptors[i].message)
            g->interceptors[i].message(&g->c, true, n, g->interceptors[i].arg);
    return 0;
}

static ssize_t encode(struct grpc_call *g, const void *msg, struct sn_buf *to)
{
    if (g->codec == SN_GRPC_PROTO) return sn_pb_encode(g->out_desc, msg, to);
    size_t before = to->len;
    const struct sn_pb_desc *d = g->out_desc;
    if (g->out_field) {
        msg = sn_pb_get(msg, g->out_field).msg;
        d = g->out_field->sub.msg;
    }
    int r = msg ? sn_pb_to_json(d, msg, g->json, to) : sn_buf_cstr(to, "{}");
    return r < 0 ? r : (ssize_t)(to->len - before);
}

int grpc_put_raw(struct grpc_call *g, struct sn_str m)
{
    size_t at = g->out.len;
    bool pack = g->compress && g->enc_out && m.len;
    int r = sn_buf_reserve(&g->out, SN_GRPC_PREFIX_LEN + (pack ? 0 : m.len));
    if (r < 0) return frame_end(g, at, 0, 0, r);
    g->out.len += SN_GRPC_PREFIX_LEN;
    if (pack)
        r = sn_grpc_pack((enum sn_grpc_encoding)g->enc_out, m, &g->out);
    else
        r = sn_buf_str(&g->out, m);
    return frame_end(g, at, m.len, pack ? SN_GRPC_COMPRESSED : 0, r);
}

int grpc_put_msg(struct grpc_call *g, const void *msg)
{
    if (g->compress && g->enc_out) {
        sn_buf_reset(&g->packed);
        ssize_t n = encode(g, msg, &g->packed);
        return n < 0 ? (int)n : grpc_put_raw(g, sn_buf_view(&g->packed));
    }
    size_t at = g->out.len;
    int r = sn_buf_reserve(&g->out, SN_GRPC_PREFIX_LEN);
    if (r < 0) return frame_end(g, at, 0, 0, r);
    g->out.len += SN_GRPC_PREFIX_LEN;
    ssize_t n = encode(g, msg, &g->out);
    return frame_end(g, at, n < 0 ? 0 : (size_t)n, 0, n < 0 ? (int)n : 0);
}

static int put_done(struct grpc_call *g, int r)
{
    if (r < 0) return r;
    if (g->hold && g->out.len < GRPC_HOLD_BYTES) return 0;
    return g->ops->push(g);
}

static int may_send(struct grpc_call *g)
{
    if (g->out_closed) return sn_fail(SN_E_FAILED_PRECONDITION, "message after the last");
    return 0;
}

int sn_grpc_send(struct sn_grpc_call *c, const void *msg)
{
    struct grpc_call *g = grpc_call_of(c);
    if (!g->out_desc)
        return sn_fail(SN_E_FAILED_PRECONDITION, "no message type is known for %.*s",
                       SN_STR_ARG(c->path));
    int r = may_send(g);
    return r < 0 ? r : put_done(g, grpc_put_msg(g, msg));
}

int sn_grpc_send_raw(struct sn_grpc_call *c, struct sn_str msg)
{
    struct grpc_call *g = grpc_call_of(c);
    int r = may_send(g);
    return r < 0 ? r : put_done(g, grpc_put_raw(g, msg));
}

/* ---- interceptors ----------------------------------------------------------------------------- */

int sn_grpc_next(struct sn_grpc_call *c, struct sn_grpc_chain *next)
{
    struct grpc_call *g = next->g;
    if (next->ran && next->used)
        return sn_fail(SN_E_FAILED_PRECONDITION, "a handler runs once per call");
    struct sn_grpc_chain rest = *next;
    next->used = true;
    for (; rest.i < g->n_interceptors; rest.i++) {
        const struct sn_grpc_interceptor *it = &g->interceptors[rest.i];
        if (g->entered <= rest.i) g->entered = rest.i + 1;
        if (!it->around) continue;
        rest.i++;
        return it->around(c, &rest, it->arg);
    }
    if (rest.ran) *rest.ran = true;
    return rest.end(g, rest.arg);
}

int grpc_run_chain(struct grpc_call *g, bool once, int (*end)(struct grpc_call *g, void *arg),
                   void *arg)
{
    if (g->n_interceptors == 0) return end(g, arg);
    bool ran = false;
    struct sn_grpc_chain chain = {.g = g, .ran = once ? &ran : NULL, .end = end, .arg = arg};
    int r = sn_grpc_next(&g->c, &chain);
    /* An interceptor that neither called nor refused has no answer to give. */
    return once && !ran && r >= 0 ? sn_fail(SN_E_INTERNAL, "interceptor dropped the call") : r;
}

void grpc_run_done(struct grpc_call *g)
{
    while (g->entered) {
        const struct sn_grpc_interceptor *it = &g->interceptors[--g->entered];
        if (it->done) it->done(&g->c, it->arg);
    }
}

int grpc_copy_interceptors(const struct sn_grpc_interceptor *list, unsigned n,
                           struct sn_grpc_interceptor **ret)
{
    if (n > SN_GRPC_INTERCEPTORS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%u interceptors over %u", n, SN_GRPC_INTERCEPTORS_MAX);
    *ret = NULL;
    if (n == 0) return 0;
    *ret = SN_NEW_ARRAY(struct sn_grpc_interceptor, n);
    if (!*ret) return SN_E_NOMEM;
    memcpy(*ret, list, n * sizeof(*list));
    return 0;
}
