/* SPDX-License-Identifier: Apache-2.0 */
/* abci/client_socket.c - an application behind a socket.
 *
 * Callers append their requests to one buffer and stand in one line; a writer sends what has
 * gathered while it was away, with a Flush behind it, for which servers may hold their answers
 * back; a reader gives each answer to the head of the line. A caller that gives up leaves its place
 * empty. */
#include "abci/client_int.h"

#include "abci/codec.h"
#include "abci/server.h"
#include "core/alloc.h"
#include "fiber/net.h"

#define READ_BYTES (32u << 10)
#define KEEP_BYTES (1u << 20)
#define LINE_FIRST 64u

struct waiter { /* in the caller's frame */
    struct sn_event done;
    struct sn_arena *a;
    void *res;
    int r;
    uint64_t at; /* its place in the line */
};
struct place {
    struct waiter *w; /* NULL: the writer's Flush, or a caller that left */
    enum sn_abci_method m;
    bool paid; /* it holds a permit of `room` */
};
struct sock {
    struct sn_abci_client base;
    struct sn_stream *st;
    size_t message_max;
    struct sn_sem room;
    struct sn_mutex lock; /* of what follows */
    struct sn_cond more;
    struct sn_buf out;
    struct place *line; /* a ring of `size`, a power of two; from `head` to `tail` */
    uint64_t head, tail;
    size_t size;
    struct sn_event close;
};
static struct sock *sock_of(struct sn_abci_client *c)
{
    return SN_CONTAINER_OF(c, struct sock, base);
}

/* ---- the line; under the lock ------------------------------------------------------------------
 */

static struct place *place_at(struct sock *s, uint64_t at) { return &s->line[at & (s->size - 1)]; }

static int join(struct sock *s, struct waiter *w, enum sn_abci_method m)
{
    if (s->tail - s->head == s->size) {
        size_t size = s->size ? s->size * 2 : LINE_FIRST;
        struct place *line = SN_NEW_ARRAY(struct place, size);
        if (!line) return SN_E_NOMEM;
        for (uint64_t i = s->head; i < s->tail; i++) line[i & (size - 1)] = *place_at(s, i);
        sn_free(s->line);
        s->line = line;
        s->size = size;
    }
    *place_at(s, s->tail) = (struct place){w, m, w != NULL};
    if (w) w->at = s->tail;
    s->tail++;
    return 0;
}

static void leave_first(struct sock *s, int r, void *res)
{
    struct place *p = place_at(s, s->head++);
    if (p->paid) sn_sem_release(&s->room, 1);
    if (!p->w) return;
    p->w->r = r;
    p->w->res = res;
    sn_event_set(&p->w->done); /* from here on the waiter's frame may be gone */
}

/* The failure is everybody's who waits. */
static void fail(struct sock *s, int r)
{
    sn_mutex_lock_always(&s->lock);
    abci_client_fail(&s->base, r);
    while (s->head < s->tail) leave_first(s, s->base.failure, NULL);
    sn_cond_broadcast(&s->more);
    sn_mutex_unlock(&s->lock);
}

/* ---- calls -------------------------------------------------------------------------------------
 */

static int submit(struct sock *s, struct waiter *w, enum sn_abci_method m, const void *req)
{
    size_t before = s->out.len;
    if (s->base.failure < 0) return SN_E_UNAVAILABLE;
    int r = sn_abci_put_request(&s->out, m, req);
    s->out.err = 0; /* memory that was short for one request may do for the next */
    if (r >= 0 && s->out.len - before > s->message_max)
        r = sn_fail(SN_E_TOO_LARGE, "%s: a request of %zu bytes, limit %zu",
                    sn_abci_method_info(m)->name, s->out.len - before, s->message_max);
    if (r >= 0) r = join(s, w, m);
    if (r < 0)
        s->out.len = before;
    else if (before == 0)
        sn_cond_signal(&s->more);
    return r;
}

static int call(struct sn_abci_client *c, enum sn_abci_method m, const void *req,
                struct sn_arena *a, void **ret)
{
    struct sock *s = sock_of(c);
    struct waiter w = {.a = a};
    int r = sn_sem_acquire(&s->room, 1);
    if (r < 0) return r;
    sn_mutex_lock_always(&s->lock);
    r = submit(s, &w, m, req);
    sn_mutex_unlock(&s->lock);
    if (r < 0)
        sn_sem_release(&s->room, 1);
    else if ((r = sn_event_wait(&w.done)) < 0) {
        sn_mutex_lock_always(&s->lock);
        if (sn_event_is_set(&w.done))
            r = 0; /* just in time */
        else
            place_at(s, w.at)->w = NULL;
        sn_mutex_unlock(&s->lock);
    }
    if (r >= 0) r = w.r;
    if (r >= 0)
        *ret = w.res;
    else if (c->failure < 0)
        r = sn_fail(r, "%s: connection %s: %s", sn_abci_method_info(m)->name, c->name, c->why);
    return r;
}

/* ---- reader and writer -------------------------------------------------------------------------
 */

static int answer(struct sock *s, struct sn_str body, struct sn_arena *scratch)
{
    if (s->head == s->tail)
        return sn_fail(SN_E_PROTOCOL, "abci: a response that nothing asked for");
    struct place *p = place_at(s, s->head);
    void *res = NULL;
    int m = sn_abci_parse_response(body, SN_PB_COPY, p->w ? p->w->a : scratch, &res, NULL);
    sn_arena_reset(scratch);
    if (m == SN_E_NOMEM && p->w) { /* the caller's arena has a limit */
        leave_first(s, m, NULL);
        return 0;
    }
    if (m < 0) return m;
    if (m != (int)p->m)
        return sn_fail(SN_E_PROTOCOL, "abci: response %s to a request %s",
                       sn_abci_method_info((enum sn_abci_method)m)->name,
                       sn_abci_method_info(p->m)->name);
    leave_first(s, 0, res);
    return 0;
}

/* All whole messages of `in`. */
static int answers(struct sock *s, struct sn_buf *in, struct sn_arena *scratch, size_t *ret_want)
{
    size_t off = 0;
    ssize_t n;
    sn_mutex_lock_always(&s->lock);
    for (struct sn_str body;; off += (size_t)n) {
        n = sn_abci_frame(sn_str_from(sn_buf_view(in), off), s->message_max, &body, ret_want);
        if (n > 0) {
            int r = answer(s, body, scratch);
            if (r < 0) n = r;
        }
        if (n <= 0) break;
    }
    sn_mutex_unlock(&s->lock);
    sn_buf_consume(in, off);
    if (in->len == 0 && in->cap > KEEP_BYTES) sn_buf_done(in);
    return (int)n;
}

static int read_all(struct sock *s, struct sn_buf *in, struct sn_arena *scratch)
{
    size_t want = 0;
    for (;;) {
        want = want > in->len ? SN_MIN(want - in->len, in->len) : 0;
        want = SN_MAX(want, (size_t)READ_BYTES);
        if (in->cap - in->len < READ_BYTES / 2 && sn_buf_reserve(in, want) < 0) return in->err;
        ssize_t n = sn_read(s->st, in->ptr + in->len, in->cap - in->len);
        if (n == 0) return sn_fail(SN_E_RESET, "the application has closed the connection");
        if (n < 0) return sn_wrap((int)n, "read from the application");
        in->len += (size_t)n;
        int r = answers(s, in, scratch, &want);
        if (r < 0) return r;
    }
}

static int reader_main(void *arg)
{
    struct sock *s = arg;
    struct sn_buf in = {0};
    struct sn_arena scratch;
    sn_arena_init(&scratch, NULL, 0);
    fail(s, read_all(s, &in, &scratch));
    sn_arena_done(&scratch);
    sn_buf_done(&in);
    return 0;
}

/* What callers have left, with a Flush behind it. Returns 0, SN_E_CLOSED after a failure. */
static int gather(struct sock *s, struct sn_buf *batch)
{
    int r = 0;
    sn_mutex_lock_always(&s->lock);
    while (r >= 0 && !s->out.len && s->base.failure == 0) r = sn_cond_wait(&s->more, &s->lock);
    if (r >= 0 && s->base.failure < 0) r = SN_E_CLOSED;
    if (r >= 0) r = sn_abci_put_request(&s->out, SN_ABCI_FLUSH, NULL);
    if (r >= 0) r = join(s, NULL, SN_ABCI_FLUSH);
    if (r >= 0) {
        struct sn_buf t = *batch;
        *batch = s->out;
        s->out = t;
    }
    sn_mutex_unlock(&s->lock);
    return r;
}

static int writer_main(void *arg)
{
    struct sock *s = arg;
    struct sn_buf batch = {0};
    int r;
    while ((r = gather(s, &batch)) >= 0) {
        ssize_t n = sn_write(s->st, batch.ptr, batch.len);
        if (n < 0) {
            r = sn_wrap((int)n, "write to the application");
            break;
        }
        if (batch.cap > KEEP_BYTES)
            sn_buf_done(&batch);
        else
            sn_buf_reset(&batch);
    }
    fail(s, r);
    sn_buf_done(&batch);
    return 0;
}

/* Outlives the caller of open, and frees everything once the connection is closed. */
static void keeper_main(void *arg)
{
    struct sock *s = arg;
    struct sn_scope_storage mem;
    struct sn_scope *sc = sn_scope_begin(&mem);
    int r = sn_scope_go(sc, "abci read", reader_main, s);
    if (r >= 0) r = sn_scope_go(sc, "abci write", writer_main, s);
    if (r < 0) fail(s, r);
    (void)!sn_event_wait(&s->close);
    sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    sn_stream_close(s->st);
    sn_buf_done(&s->out);
    sn_free(s->line);
    sn_free(s);
}

static void close_sock(struct sn_abci_client *c)
{
    sn_mutex_lock_always(&c->failing);
    c->also = NULL; /* whose it is may be gone before the keeper is */
    sn_mutex_unlock(&c->failing);
    sn_event_set(&sock_of(c)->close);
}
static const struct abci_client_ops ops = {call, close_sock};

int abci_socket_open(const struct sn_abci_client_opts *o, struct sn_abci_client **ret)
{
    char addr[SN_ABCI_ADDR_MAX];
    struct sn_stream *st;
    int r = sn_abci_addr(o->addr, addr, sizeof(addr));
    if (r < 0) return r;
    while ((r = sn_dial(addr, NULL, &st)) < 0)
        if ((r = abci_dial_again(o, r)) < 0) return r;
    struct sock *s = SN_NEW(struct sock);
    if (!s) {
        sn_stream_close(st);
        return SN_E_NOMEM;
    }
    abci_client_init(&s->base, &ops, o->name, o->failed);
    s->st = st;
    s->message_max = o->message_max ? o->message_max : SN_ABCI_MESSAGE_MAX;
    sn_sem_init(&s->room, o->pipeline_max ? o->pipeline_max : SN_ABCI_PIPELINE_MAX);
    r = sn_go_cleanup((unsigned)sn_worker_id(), "abci client", keeper_main, s);
    if (r < 0) {
        sn_stream_close(st);
        sn_free(s);
        return r;
    }
    *ret = &s->base;
    return 0;
}
