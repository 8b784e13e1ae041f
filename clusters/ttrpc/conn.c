/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc/conn.c - a connection of either side: reading by a fiber only while there is something to
 * read, writing under a lock, the queues of its streams. */
#include "clusters/ttrpc/ttrpc_int.h"
#include "fiber/wait.h"

int ttrpc_wait(struct ttrpc_wait *w, const char *reason, int64_t at_ns)
{
    SN_ASSERT(!w->f); /* one at a time */
    uint64_t t = sn_wait_begin(reason);
    w->f = sn_self();
    w->ticket = t;
    int r = sn_wait_park(t, at_ns);
    w->f = NULL;
    return r;
}

void ttrpc_wake(struct ttrpc_wait *w)
{
    if (w->f) sn_wait_wake(w->f, w->ticket, 0);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

void ttrpc_conn_init(struct ttrpc_conn *c, const struct ttrpc_conn_ops *ops, struct sn_stream *st)
{
    c->ops = ops;
    c->st = st;
    c->refs = 1;
    sn_list_init(&c->link);
    sn_list_init(&c->streams);
    sn_buf_init(&c->in, SN_TTRPC_HEAD_BYTES + SN_TTRPC_DATA_MAX + TTRPC_READ_BYTES);
}

void ttrpc_conn_unref(struct ttrpc_conn *c)
{
    if (--c->refs > 0) return;
    sn_buf_done(&c->in);
    c->ops->free(c);
}

/* conn_frames - handles the whole frames in the buffer. Returns 0, or a failure that ends the
 * connection. */
static int conn_frames(struct ttrpc_conn *c)
{
    size_t at = 0;
    int r = 0;
    while (r >= 0 && !c->closed) {
        size_t left = c->in.len - at;
        if (c->skip) {
            size_t n = SN_MIN(c->skip, (uint64_t)left);
            c->skip -= n;
            at += n;
            if (c->skip) break;
            continue;
        }
        struct sn_ttrpc_frame f;
        ssize_t n = sn_ttrpc_frame_parse(sn_str_of((char *)c->in.ptr + at, left), &f);
        if (n == SN_E_AGAIN) break;
        if (n == SN_E_TOO_LARGE) {
            at += SN_TTRPC_HEAD_BYTES;
            c->skip = f.len;
            r = c->ops->oversized(c, &f);
            continue;
        }
        at += (size_t)n;
        r = c->ops->frame(c, &f);
    }
    sn_buf_consume(&c->in, at);
    return r;
}

/* conn_room - a buffer for the next read: for the rest of the frame under way, if one is. */
static int conn_room(struct ttrpc_conn *c)
{
    struct sn_ttrpc_frame f;
    size_t want = TTRPC_READ_BYTES;
    if (!c->skip && sn_ttrpc_frame_parse(sn_buf_view(&c->in), &f) == SN_E_AGAIN && f.len)
        want = SN_MAX(want, SN_TTRPC_HEAD_BYTES + f.len - c->in.len);
    return sn_buf_reserve(&c->in, want);
}

/* conn_read_now - what is there, without waiting. Returns bytes, 0 at the end, SN_E_AGAIN. */
static ssize_t conn_read_now(struct ttrpc_conn *c)
{
    if (!sn_stream_readable_now(c->st)) return SN_E_AGAIN;
    /* Exact for every stream but sockets, where it may be left over: there a read that must not
     * wait tells. */
    bool sure = sn_stream_fd(c->st) < 0;
    int64_t before = sure ? sn_deadline() : sn_deadline_tighten(sn_now());
    ssize_t n = sn_read(c->st, c->in.ptr + c->in.len, c->in.cap - c->in.len);
    sn_deadline_restore(before);
    return n == SN_E_DEADLINE_EXCEEDED ? SN_E_AGAIN : n;
}

static void conn_park(struct ttrpc_conn *c);

/* conn_ready - the fiber that bytes have started: reads until there are none, then parks again. A
 * frame of which only a part is there is waited for, so that its buffer has an owner. */
static void conn_ready(struct sn_stream *st, void *arg, int why)
{
    struct ttrpc_conn *c = arg;
    c->parked = false;
    if (c->closed) { /* while this fiber was on its way */
        sn_stream_close(st);
        ttrpc_conn_unref(c);
        return;
    }
    int r = why;
    while (r >= 0 && !c->closed) {
        r = conn_room(c);
        if (r < 0) break;
        ssize_t n = conn_read_now(c);
        if (n == SN_E_AGAIN) {
            if (c->in.len == 0 && !c->skip && !c->writing) {
                sn_buf_done(&c->in);
                conn_park(c);
                return;
            }
            n = sn_read(st, c->in.ptr + c->in.len, c->in.cap - c->in.len);
        }
        if (n <= 0) break;
        c->in.len += (size_t)n;
        r = conn_frames(c);
    }
    ttrpc_conn_close(c);
    ttrpc_conn_unref(c);
}

static void conn_park(struct ttrpc_conn *c)
{
    c->parked = true;
    sn_stream_park(c->st, SN_FOREVER, conn_ready, c);
}

void ttrpc_conn_start(struct ttrpc_conn *c) { conn_park(c); }

void ttrpc_conn_close(struct ttrpc_conn *c)
{
    if (c->closed) return;
    c->closed = true;
    c->refs++;
    c->ops->closed(c);
    if (!c->parked) {
        sn_stream_close(c->st); /* the reading fiber finds out and lets go */
    } else if (sn_stream_unpark(c->st)) {
        c->parked = false;
        sn_stream_close(c->st);
        ttrpc_conn_unref(c);
    }
    ttrpc_conn_unref(c);
}

/* ---- writing -----------------------------------------------------------------------------------
 */

/* conn_take - a parked stream must not be written to: takes it back from the poller, true if it is
 * to be parked again. */
static bool conn_take(struct ttrpc_conn *c)
{
    while (c->parked) {
        if (sn_stream_unpark(c->st)) {
            c->parked = false;
            return true;
        }
        sn_yield(); /* bytes have come, the reading fiber starts; it may park again before we run */
    }
    return false;
}

struct rest {
    struct ttrpc_conn *c;
    const uint8_t *ptr;
    size_t len;
};

static int write_rest(void *arg)
{
    struct rest *w = arg;
    ssize_t n = sn_write(w->c->st, w->ptr, w->len);
    return n < 0 ? (int)n : 0;
}

int ttrpc_conn_write_locked(struct ttrpc_conn *c, const struct sn_buf *b)
{
    if (b->err < 0) return sn_wrap(b->err, "ttrpc: message");
    bool taken = conn_take(c);
    int r = SN_E_CLOSED;
    if (!c->closed) {
        struct iovec iov = {b->ptr, b->len};
        c->writing = true; /* which a parked stream must not be */
        ssize_t n = sn_try_writev(c->st, &iov, 1);
        if (n == SN_E_AGAIN) n = 0;
        r = n < 0 ? (int)n : 0;
        /* Half a frame spoils the connection: whoever began goes on, whatever happens to his call.
         */
        if (n >= 0 && (size_t)n < b->len)
            r = sn_shield(SN_TTRPC_WRITE_NS_MAX, write_rest,
                          &(struct rest){c, b->ptr + n, b->len - (size_t)n});
        c->writing = false;
        if (r < 0) ttrpc_conn_close(c);
    }
    if (taken && c->closed)
        ttrpc_conn_unref(c); /* in the place of the reading fiber */
    else if (taken)
        conn_park(c);
    return r;
}

int ttrpc_conn_write(struct ttrpc_conn *c, const struct sn_buf *b)
{
    c->refs++;
    int r = sn_mutex_lock(&c->write);
    if (r >= 0) {
        r = ttrpc_conn_write_locked(c, b);
        sn_mutex_unlock(&c->write);
    }
    ttrpc_conn_unref(c);
    return r;
}

/* ---- streams -----------------------------------------------------------------------------------
 */

struct sn_ttrpc_call *ttrpc_call_new(struct ttrpc_conn *c, uint32_t id)
{
    struct sn_ttrpc_call *k = SN_NEW(struct sn_ttrpc_call);
    if (!k) return NULL;
    k->conn = c;
    k->id = id;
    k->refs = 1;
    c->refs++;
    c->n_streams++;
    sn_list_init(&k->queue);
    sn_list_push_back(&c->streams, &k->link);
    sn_arena_init(&k->arena, NULL, 0);
    sn_arena_init(&k->messages, NULL, 0);
    return k;
}

void ttrpc_call_leave(struct sn_ttrpc_call *k)
{
    if (k->over) return;
    k->over = true;
    k->conn->n_streams--;
    sn_list_del(&k->link);
}

void ttrpc_call_unref(struct sn_ttrpc_call *k)
{
    if (--k->refs > 0) return;
    ttrpc_call_leave(k);
    for (struct sn_list *l; (l = sn_list_pop_front(&k->queue));)
        sn_free(SN_LIST_ENTRY(l, struct ttrpc_message, link));
    sn_arena_done(&k->arena);
    sn_arena_done(&k->messages);
    sn_free(k->raw);
    sn_free(k->text);
    ttrpc_conn_unref(k->conn);
    sn_free(k);
}

struct sn_ttrpc_call *ttrpc_call_find(struct ttrpc_conn *c, uint32_t id)
{
    SN_LIST_EACH (&c->streams, l) {
        struct sn_ttrpc_call *k = SN_LIST_ENTRY(l, struct sn_ttrpc_call, link);
        if (k->id == id) return k;
    }
    return NULL;
}

int ttrpc_queue(struct sn_ttrpc_call *k, struct sn_str data)
{
    struct ttrpc_message *m = sn_alloc(sizeof(*m) + data.len);
    if (!m) return SN_E_NOMEM;
    m->len = data.len;
    if (data.len) memcpy(m->data, data.ptr, data.len);
    sn_list_push_back(&k->queue, &m->link);
    k->n_queue++;
    k->queue_bytes += data.len;
    ttrpc_wake(&k->reader);
    return 0;
}

static bool queue_full(const struct sn_ttrpc_call *k, size_t more)
{
    return k->n_queue >= SN_TTRPC_QUEUE_MAX ||
           (k->n_queue && k->queue_bytes + more > SN_TTRPC_QUEUE_BYTES_MAX);
}

/* call_room - waits until the queue takes `more` bytes. The stream may be over afterwards. */
static int call_room(struct sn_ttrpc_call *k, size_t more)
{
    int64_t until = sn_now() + SN_TTRPC_QUEUE_NS_MAX;
    while (!k->over && queue_full(k, more)) {
        int r = ttrpc_wait(&k->room, "ttrpc: room in a stream's queue", until);
        if (r < 0)
            return sn_fail(SN_E_RESOURCE_EXHAUSTED,
                           "%u messages wait on the stream, nobody takes them", k->n_queue);
    }
    return 0;
}

int ttrpc_call_data(struct sn_ttrpc_call *k, const struct sn_ttrpc_frame *f)
{
    if (k->remote_closed) return sn_fail(SN_E_PROTOCOL, "data after the end of the stream");
    if (!(f->flags & SN_TTRPC_NO_DATA)) {
        int r = call_room(k, f->data.len);
        if (r < 0) return r;
        if (k->over) return 0;
        r = ttrpc_queue(k, f->data);
        if (r < 0) return r;
    }
    if (f->flags & SN_TTRPC_REMOTE_CLOSED) {
        k->remote_closed = true;
        ttrpc_wake(&k->reader);
    }
    return 0;
}

void ttrpc_call_fail(struct sn_ttrpc_call *k, int code, struct sn_str text)
{
    if (k->status < 0) return;
    k->status = code;
    k->remote_closed = true;
    k->text = sn_alloc(text.len + 1);
    if (k->text) {
        if (text.len) memcpy(k->text, text.ptr, text.len);
        k->text[text.len] = 0;
    }
    ttrpc_wake(&k->reader);
    ttrpc_wake(&k->room);
}

void sn_ttrpc_recv_reset(struct sn_ttrpc_call *c) { sn_arena_reset(&c->messages); }

int sn_ttrpc_recv(struct sn_ttrpc_call *c, void **ret)
{
    const struct sn_pb_desc *d = c->server ? c->m->in : c->m->out;
    while (sn_list_empty(&c->queue)) {
        if (c->status < 0)
            return c->text && c->text[0] ? sn_fail(c->status, "%s", c->text) : c->status;
        if (c->remote_closed) return SN_E_EOF;
        int r = ttrpc_wait(&c->reader, "ttrpc receive", SN_FOREVER);
        if (r < 0) return r;
    }
    struct ttrpc_message *m =
        SN_LIST_ENTRY(sn_list_pop_front(&c->queue), struct ttrpc_message, link);
    c->n_queue--;
    c->queue_bytes -= m->len;
    ttrpc_wake(&c->room);
    int r = sn_pb_parse(d, sn_str_of(m->data, m->len), SN_PB_COPY, &c->messages, ret);
    sn_free(m);
    return r;
}

int sn_ttrpc_send(struct sn_ttrpc_call *c, const void *msg)
{
    const struct sn_pb_desc *d = c->server ? c->m->out : c->m->in;
    if (c->local_closed || c->over) return sn_fail(SN_E_CLOSED, "ttrpc: the stream is closed");
    struct sn_buf b;
    sn_buf_init(&b, 0);
    size_t at = sn_ttrpc_frame_begin(&b);
    ssize_t n = sn_pb_encode(d, msg, &b);
    int r = n < 0 ? (int)n : sn_ttrpc_frame_end(&b, at, c->id, SN_TTRPC_DATA, 0);
    if (r >= 0) r = ttrpc_conn_write(c->conn, &b);
    sn_buf_done(&b);
    return r;
}

struct sn_arena *sn_ttrpc_arena(struct sn_ttrpc_call *c) { return &c->arena; }
