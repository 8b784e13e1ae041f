/* SPDX-License-Identifier: Apache-2.0 */
/* load/engine.c - one worker process: connections, closed and open loop, statistics frames.
 * A connection is a fiber that writes a preformatted request and reads the answer in place: two
 * system calls a request, and none of ours in between. */
#include "load/engine_int.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "kit/http.h"
#include "kit/tls.h"

const struct sn_load_target *sn_load_pick(struct sn_load_engine *e)
{
    const struct sn_load_target *t = e->plan->targets.ptr;
    size_t n = e->plan->targets.len;
    if (n == 1) return t;
    double at = (double)(sn_random() >> 11) * 0x1p-53 * e->weight_total;
    for (size_t i = 0; i + 1 < n; i++, t++) {
        if (at < t->weight) return t;
        at -= t->weight;
    }
    return t;
}

static bool measuring(const struct sn_load_engine *e) { return sn_now() >= e->measure_ns; }

void sn_load_error(struct sn_load_engine *e, enum sn_load_error kind)
{
    if (measuring(e)) e->stats.n.errors[kind]++;
}

static void record_since(struct sn_load_engine *e, enum sn_load_hist h, int64_t from_ns, int64_t to_ns)
{
    sn_hist_record(&e->stats.hist[h], (uint64_t)SN_MAX(to_ns - from_ns, (int64_t)0));
}

void sn_load_record(struct sn_load_engine *e, int status, int64_t due_ns, int64_t sent_ns)
{
    int64_t now = sn_now();
    if (now < e->measure_ns) return;
    struct sn_load_counts *n = &e->stats.n;
    n->requests++;
    n->status[status >= 100 && status < 600 ? status / 100 : 0]++;
    int want = e->plan->expect_status;
    if (want ? status != want : status < 200 || status > 399) n->errors[SN_LOAD_ERR_STATUS]++;
    record_since(e, SN_LOAD_LATENCY, due_ns, now);
    record_since(e, SN_LOAD_SERVICE, sent_ns, now);
}

/* ---- one connection ---- */

int sn_load_connect(struct sn_load_conn *c)
{
    struct sn_load_engine *e = c->e;
    const struct sn_load_plan *p = e->plan;
    struct sn_dial_opts o = {0};
    if (p->sources.len) o.local = p->sources.ptr[e->next_source++ % p->sources.len];
    int64_t t0 = sn_now(), prev = sn_deadline_tighten(t0 + p->timeout_ns);
    int r = sn_dial(c->target->addr, &o, &c->s);
    sn_deadline_restore(prev);
    if (r < 0) {
        c->s = NULL;
        if (!e->over) sn_load_error(e, SN_LOAD_ERR_CONNECT);
        return r;
    }
    int64_t t1 = sn_now();
    e->stats.conns_open++;
    e->stats.n.conns_opened++;
    record_since(e, SN_LOAD_CONNECT, t0, t1);
    c->from = c->len = 0;
    if (!c->target->tls) return 0;

    struct sn_stream *plain = c->s;
    prev = sn_deadline_tighten(t1 + p->timeout_ns);
    c->s = NULL;
    r = sn_tls_client(plain, e->tls, c->target->host, &c->s);
    sn_deadline_restore(prev);
    if (r < 0) {
        sn_stream_close(plain);
        e->stats.conns_open--;
        if (!e->over) sn_load_error(e, SN_LOAD_ERR_TLS);
        return r;
    }
    record_since(e, SN_LOAD_TLS, t1, sn_now());
    return 0;
}

void sn_load_disconnect(struct sn_load_conn *c)
{
    if (!c->s) return;
    sn_stream_close(c->s);
    c->s = NULL;
    c->e->stats.conns_open--;
}

int sn_load_send(struct sn_load_conn *c, unsigned n)
{
    struct iovec iov[SN_LOAD_PIPELINE_MAX];
    struct sn_str request = c->target->request;
    for (unsigned i = 0; i < n; i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)request.ptr, request.len};
    ssize_t w = sn_writev(c->s, iov, (int)n);
    if (w < 0) {
        if (!c->e->over)
            sn_load_error(c->e, w == SN_E_DEADLINE_EXCEEDED ? SN_LOAD_ERR_TIMEOUT : SN_LOAD_ERR_WRITE);
        return (int)w;
    }
    c->e->stats.n.bytes_out += (uint64_t)w;
    return 0;
}

/* More bytes behind what is unread, moving it to the front when the buffer's end is reached. */
static int fill(struct sn_load_conn *c)
{
    if (c->from == c->len) {
        c->from = c->len = 0;
    } else if (c->len == SN_LOAD_READ_BYTES) {
        if (c->from == 0) return SN_E_TOO_LARGE; /* a head larger than the buffer */
        memmove(c->buf, c->buf + c->from, c->len - c->from);
        c->len -= c->from;
        c->from = 0;
    }
    ssize_t n = sn_read(c->s, c->buf + c->len, SN_LOAD_READ_BYTES - c->len);
    if (n <= 0) return n < 0 ? (int)n : SN_E_EOF;
    c->len += (size_t)n;
    c->e->stats.n.bytes_in += (uint64_t)n;
    return 0;
}

static int skip_length(struct sn_load_conn *c, uint64_t left)
{
    for (;;) {
        size_t n = SN_MIN((uint64_t)(c->len - c->from), left);
        c->from += n;
        left -= n;
        if (!left) return 0;
        int r = fill(c);
        if (r < 0) return r;
    }
}

static int skip_chunked(struct sn_load_conn *c)
{
    struct sn_h1_chunked chunked;
    sn_h1_chunked_init(&chunked);
    for (;;) {
        struct sn_str in = sn_str_of(c->buf + c->from, c->len - c->from), data;
        int r = sn_h1_chunked_next(&chunked, &in, &data, NULL);
        c->from = c->len - in.len;
        if (r == SN_E_AGAIN) r = fill(c) < 0 ? SN_E_EOF : 1;
        if (r <= 0) return r;
    }
}

static int skip_body(struct sn_load_conn *c, const struct sn_h1 *head)
{
    switch (head->body) {
    case SN_H1_BODY_NONE: return 0;
    case SN_H1_BODY_LENGTH: return skip_length(c, (uint64_t)head->content_length);
    case SN_H1_BODY_CHUNKED: return skip_chunked(c);
    default: break;
    }
    int r;
    do {
        c->from = c->len;
        r = fill(c);
    } while (r == 0);
    return r == SN_E_EOF ? 0 : r;
}

static int read_head(struct sn_load_conn *c, struct sn_h1 *head, int64_t sent_ns)
{
    struct sn_h1_opts o = {.response = true, .to_head = sn_str_eqc(c->target->method, "HEAD")};
    do { /* interim 1xx answers precede the one that counts */
        sn_arena_reset(&c->arena);
        sn_h1_init(head, &o, &c->arena);
        ssize_t n = SN_E_AGAIN;
        while (n == SN_E_AGAIN) {
            if (c->from < c->len) n = sn_h1_parse(head, c->buf + c->from, c->len - c->from);
            if (n != SN_E_AGAIN) break;
            bool first = c->from == c->len && sent_ns;
            int r = fill(c);
            if (r < 0) return r;
            if (first && measuring(c->e)) record_since(c->e, SN_LOAD_FIRST, sent_ns, sn_now());
            sent_ns = 0;
        }
        if (n < 0) return SN_E_PROTOCOL;
        c->from += (size_t)n;
    } while (head->status >= 100 && head->status < 200);
    return 0;
}

int sn_load_receive(struct sn_load_conn *c, int64_t sent_ns, bool *ret_keep)
{
    struct sn_h1 head;
    int r = read_head(c, &head, sent_ns);
    if (r == 0) r = skip_body(c, &head);
    if (r < 0) {
        enum sn_load_error kind = r == SN_E_DEADLINE_EXCEEDED ? SN_LOAD_ERR_TIMEOUT
                                  : r == SN_E_PROTOCOL || r == SN_E_TOO_LARGE ? SN_LOAD_ERR_PROTOCOL
                                                                              : SN_LOAD_ERR_READ;
        if (!c->e->over) sn_load_error(c->e, kind);
        return r;
    }
    *ret_keep = head.keep_alive && head.body != SN_H1_BODY_CLOSE;
    return head.status;
}

/* ---- the loops ---- */

static bool ended(struct sn_load_engine *e)
{
    if (!e->over && (sn_now() >= e->end_ns || (e->requests_max && e->sent >= e->requests_max)))
        e->over = true;
    return e->over;
}

/* Connects unless connected; after a failure waits a little, so that a server that is down is not
 * hammered. Returns false when the run is over. */
static bool ready_to_send(struct sn_load_conn *c)
{
    int64_t pause = 10 * SN_MS;
    while (!ended(c->e)) {
        if (c->s) return true;
        if (!c->target) c->target = sn_load_pick(c->e);
        if (sn_load_connect(c) == 0) return true;
        if (sn_sleep(pause) < 0) return false;
        pause = SN_MIN(pause * 2, 1 * SN_SEC);
    }
    return false;
}

/* Sends n requests that were due at due_ns and reads their answers. */
static void exchange(struct sn_load_conn *c, unsigned n, int64_t due_ns)
{
    struct sn_load_engine *e = c->e;
    int64_t sent = sn_now();
    if (!due_ns) due_ns = sent;
    int64_t prev = sn_deadline_tighten(sent + e->plan->timeout_ns);
    bool keep = sn_load_send(c, n) == 0;
    e->sent += n;
    for (unsigned i = 0; keep && i < n; i++) {
        int status = sn_load_receive(c, i == 0 ? sent : 0, &keep);
        if (status < 0) keep = false;
        else sn_load_record(e, status, due_ns, sent);
    }
    sn_deadline_restore(prev);
    if (!keep || e->plan->no_keepalive) sn_load_disconnect(c);
}

/* Draws the next request's target; a connection to another address is of no use for it. */
static void next_target(struct sn_load_conn *c)
{
    if (!c->s || c->e->plan->targets.len == 1) return;
    const struct sn_load_target *next = sn_load_pick(c->e);
    if (strcmp(next->addr, c->target->addr) != 0 || next->tls != c->target->tls)
        sn_load_disconnect(c);
    c->target = next;
}

static void closed_loop(struct sn_load_conn *c)
{
    unsigned depth = c->e->plan->pipeline ? c->e->plan->pipeline : 1;
    while (ready_to_send(c)) {
        exchange(c, depth, 0);
        next_target(c);
    }
}

/* Timers further away than this are kept to the millisecond; nearer ones are exact. */
#define EXACT_NS (1500 * SN_US)

/* Sleeps until `due` as exactly as the machine can. Returns whether there was anything to wait for;
 * SN_E_* when the run was stopped. */
int sn_load_wait_due(int64_t due)
{
    int64_t now = sn_now();
    if (now >= due) return 0;
    int r = due - now > EXACT_NS ? sn_sleep_until(due - EXACT_NS) : 0;
    if (r == 0 && sn_now() < due) r = sn_sleep_until(due);
    return r < 0 ? r : 1;
}

static void open_loop(struct sn_load_conn *c)
{
    struct sn_load_engine *e = c->e;
    int64_t at;
    while (ready_to_send(c) && sn_load_schedule_take(&e->schedule, &at)) {
        int64_t due = e->start_ns + at;
        int early = sn_load_wait_due(due);
        if (early < 0) return;
        if (!c->s && !ready_to_send(c)) {
            sn_load_error(e, SN_LOAD_ERR_UNSENT);
            return;
        }
        /* Lateness is ours only if this connection was free before the request was due. */
        if (early && measuring(e)) record_since(e, SN_LOAD_LATE, due, sn_now());
        exchange(c, 1, due);
        next_target(c);
    }
}

static void h2_once(struct sn_load_engine *e, int64_t due_ns)
{
    const struct sn_load_target *t = sn_load_pick(e);
    struct sn_http_call call = {.method = t->method, .url = t->url, .body = t->body,
                                .headers = (const struct sn_http_header *)e->plan->headers.ptr,
                                .n_headers = (unsigned)e->plan->headers.len, .no_retry = true};
    int64_t sent = sn_now();
    if (!due_ns) due_ns = sent;
    int64_t prev = sn_deadline_tighten(sent + e->plan->timeout_ns);
    struct sn_http_resp *resp;
    int r = sn_http_do(e->client, &call, &resp);
    e->sent++;
    if (r == 0) {
        if (measuring(e)) record_since(e, SN_LOAD_FIRST, sent, sn_now());
        const void *data;
        ssize_t n;
        while ((n = sn_http_resp_peek(resp, &data)) > 0) e->stats.n.bytes_in += (uint64_t)n;
        int status = resp->status;
        sn_http_resp_close(resp);
        if (n == 0) sn_load_record(e, status, due_ns, sent);
        r = (int)n;
    }
    sn_deadline_restore(prev);
    if (r < 0 && !e->over)
        sn_load_error(e, r == SN_E_DEADLINE_EXCEEDED ? SN_LOAD_ERR_TIMEOUT
                         : r == SN_E_REFUSED         ? SN_LOAD_ERR_CONNECT
                                                     : SN_LOAD_ERR_READ);
    if (r < 0) (void)!sn_sleep(10 * SN_MS);
}

static void h2_loop(struct sn_load_engine *e)
{
    int64_t at;
    while (!ended(e)) {
        if (e->plan->mode != SN_LOAD_OPEN) {
            h2_once(e, 0);
            continue;
        }
        if (!sn_load_schedule_take(&e->schedule, &at)) return;
        int early = sn_load_wait_due(e->start_ns + at);
        if (early < 0) return;
        if (early && measuring(e)) record_since(e, SN_LOAD_LATE, e->start_ns + at, sn_now());
        h2_once(e, e->start_ns + at);
    }
}

static int user_main(void *arg)
{
    struct sn_load_engine *e = arg;
    if (e->plan->h2) {
        h2_loop(e);
        return 0;
    }
    struct sn_load_conn c = {.e = e, .buf = sn_alloc(SN_LOAD_READ_BYTES)};
    if (!c.buf) return SN_E_NOMEM;
    sn_arena_init(&c.arena, NULL, 0);
    if (e->plan->mode == SN_LOAD_OPEN) open_loop(&c);
    else closed_loop(&c);
    sn_load_disconnect(&c);
    sn_arena_done(&c.arena);
    sn_free(c.buf);
    return 0;
}

/* Spreads the start of connections over ramp_ns. */
static int start_users(struct sn_load_engine *e, struct sn_scope *users)
{
    for (unsigned i = 0; i < e->conns; i++) {
        if (e->plan->ramp_ns) {
            int64_t at = e->start_ns + e->plan->ramp_ns * (int64_t)i / (int64_t)e->conns;
            if (sn_sleep_until(at) < 0) return SN_E_CANCELLED;
        }
        int r = sn_scope_go(users, "load user", user_main, e);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- the process ---- */

struct worker_args {
    const struct sn_load_plan *plan;
    unsigned index;
    int64_t start_ns;
    int out_fd;
};

static int write_all(int fd, const uint8_t *data, size_t n)
{
    while (n) {
        ssize_t w = write(fd, data, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0 && errno == EAGAIN) {
            int r = sn_fd_wait(fd, POLLOUT);
            if (r < 0) return r;
            continue;
        }
        if (w < 0) return SN_E_EOF; /* the parent is gone */
        data += w;
        n -= (size_t)w;
    }
    return 0;
}

static int send_frame(struct sn_load_engine *e, int fd, struct sn_buf *b)
{
    sn_buf_reset(b);
    int r = sn_load_stats_encode(&e->stats, b);
    sn_load_stats_reset(&e->stats);
    return r < 0 ? r : write_all(fd, b->ptr, b->len);
}

struct reporter {
    struct sn_load_engine *e;
    struct sn_scope *users;
    int fd;
};

/* Frames until the users' scope ends; the parent's death or the end of the plan stops the users. */
static int report_main(void *arg)
{
    struct reporter *rep = arg;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = 0;
    int64_t grace = rep->e->end_ns == SN_FOREVER ? SN_FOREVER
                                                 : rep->e->end_ns + rep->e->plan->timeout_ns;
    while (r == 0 && (r = sn_sleep(SN_LOAD_FRAME_NS)) == 0) {
        r = send_frame(rep->e, rep->fd, &b);
        if (sn_now() > grace) break;
    }
    rep->e->over = true;
    sn_scope_cancel(rep->users);
    sn_buf_done(&b);
    return 0;
}

static int run_users(struct sn_load_engine *e, int out_fd)
{
    struct sn_scope_storage outer_mem, users_mem;
    struct sn_scope *outer = sn_scope_begin(&outer_mem);
    struct sn_scope *users = sn_scope_begin(&users_mem);
    struct reporter rep = {e, users, out_fd};
    int r = sn_scope_go(outer, "load report", report_main, &rep);
    if (r == 0) r = e->plan->mode == SN_LOAD_HOLD ? sn_load_hold(e) : start_users(e, users);
    int w = sn_scope_end(users);
    if (r == 0 && w != SN_E_CANCELLED) r = w;
    sn_scope_cancel(outer);
    (void)sn_scope_end(outer);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int last = send_frame(e, out_fd, &b);
    sn_buf_done(&b);
    return r < 0 ? r : last;
}

static int make_clients(struct sn_load_engine *e)
{
    bool tls = false;
    SN_VEC_EACH(&e->plan->targets, t) tls |= t->tls;
    int r = 0;
    if (tls) {
        struct sn_tls_opts o = {.insecure = e->plan->insecure, .ca_file = e->plan->ca_file,
                                .alpn = e->plan->h2 ? "h2" : "http/1.1"};
        r = sn_tls_config_new(&o, &e->tls);
    }
    if (r == 0 && e->plan->h2) {
        struct sn_http_client_opts o = {.tls = e->tls, .h2_prior_knowledge = true};
        r = sn_http_client_new(&o, &e->client);
    }
    return r;
}

static int worker_main(void *arg)
{
    struct worker_args *w = arg;
    const struct sn_load_plan *p = w->plan;
    struct sn_load_engine e = {.plan = p, .index = w->index, .start_ns = w->start_ns,
                               .schedule = p->schedule};
    e.conns = p->conns / p->procs + (w->index < p->conns % p->procs);
    e.requests_max = p->requests_max / p->procs + (w->index < p->requests_max % p->procs);
    e.end_ns = p->duration_ns ? w->start_ns + p->duration_ns : SN_FOREVER;
    e.measure_ns = w->start_ns + p->warmup_ns;
    e.next_source = w->index * 7919u;
    sn_load_schedule_part(&e.schedule, w->index, p->procs);
    SN_VEC_EACH(&p->targets, t) e.weight_total += t->weight;
    int r = sn_load_stats_init(&e.stats);
    if (r < 0) return r;
    r = make_clients(&e);
    if (r == 0) r = sn_sleep_until(e.start_ns);
    if (r == 0) r = run_users(&e, w->out_fd);
    if (e.client) sn_http_client_free(e.client);
    if (e.tls) sn_tls_config_unref(e.tls);
    sn_load_stats_done(&e.stats);
    return r;
}

int sn_load_worker(const struct sn_load_plan *p, unsigned index, int64_t start_ns, int out_fd)
{
    struct worker_args w = {p, index, start_ns, out_fd};
    struct sn_rt_opts o = {.workers = 1};
    return sn_rt_run(&o, worker_main, &w);
}
