/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_server.c - connections of a server: accepting, parking, counting, draining. */
#include "core/alloc.h"
#include "fiber/wait.h"
#include "kit/http_int.h"
#include "kit/tls.h"

struct http_listener {
    struct http_listener *next;
    struct sn_listener *l;
};

static void defaults(struct sn_http_server_opts *o)
{
    if (!o->head_bytes_max) o->head_bytes_max = SN_H1_HEAD_BYTES_MAX;
    if (!o->headers_max) o->headers_max = SN_H1_HEADERS_MAX;
    if (!o->idle_ns) o->idle_ns = 75 * SN_SEC;
    if (!o->h2_keepalive_timeout_ns) o->h2_keepalive_timeout_ns = 20 * SN_SEC;
    if (!o->head_ns_max) o->head_ns_max = 10 * SN_SEC;
    if (!o->write_stall_ns_max) o->write_stall_ns_max = 30 * SN_SEC;
    if (!o->body_stall_ns_max) o->body_stall_ns_max = 30 * SN_SEC;
    if (!o->h2_streams_max) o->h2_streams_max = 250;
}

int sn_http_server_new(const struct sn_http_server_opts *opts, struct sn_http_server **ret)
{
    if (!opts->handler) return sn_fail(SN_E_INVALID_ARGUMENT, "HTTP server without a handler");
    if (opts->server_name && !sn_http_is_value(sn_str(opts->server_name)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "server name has a control byte");
    struct sn_http_server *s = SN_NEW(struct sn_http_server);
    if (!s) return SN_E_NOMEM;
    s->o = *opts;
    defaults(&s->o);
    s->n_workers = sn_worker_count();
    s->workers = sn_aligned_alloc(SN_CACHE_LINE, s->n_workers * sizeof(*s->workers));
    if (!s->workers) {
        sn_free(s);
        return SN_E_NOMEM;
    }
    memset(s->workers, 0, s->n_workers * sizeof(*s->workers));
    for (unsigned i = 0; i < s->n_workers; i++) {
        http_pools_init(&s->workers[i].pools);
        sn_list_init(&s->workers[i].active);
    }
    *ret = s;
    return 0;
}

struct http_server_worker *http_server_worker(struct sn_http_server *s)
{
    int w = sn_worker_id();
    SN_ASSERT(w >= 0 && (unsigned)w < s->n_workers);
    return &s->workers[w];
}

/* ---- connections ---------------------------------------------------------------------------- */

static struct http_conn *conn_new(struct sn_http_server *s, struct sn_stream *st)
{
    struct http_conn *c = SN_NEW(struct http_conn);
    if (!c) return NULL;
    sn_list_init(&c->link);
    c->srv = s;
    c->st = st;
    http_conn_invited(c);
    __atomic_add_fetch(&s->conns_open, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&s->conns_total, 1, __ATOMIC_RELAXED);
    return c;
}

static void conn_active(struct http_conn *c, bool on)
{
    if (c->active == on) return;
    c->active = on;
    struct http_server_worker *w = http_server_worker(c->srv);
    if (on) {
        sn_list_push_back(&w->active, &c->link);
        w->n.conns_active++;
    } else {
        sn_list_del(&c->link);
        w->n.conns_active--;
    }
}

void http_conn_close(struct http_conn *c)
{
    struct sn_http_server *s = c->srv;
    http_h2_free(c->h2);
    if (!c->cut) sn_stream_close(c->st);
    conn_active(c, false);
    sn_free(c->peer);
    sn_free(c);
    /* Last: the server may be freed once this has reached zero. */
    __atomic_sub_fetch(&s->conns_open, 1, __ATOMIC_RELEASE);
}

static void on_ready(struct sn_stream *st, void *arg, int why);

/* A drain leaves a connection open so long after its client was told that it may ask: whoever asks twice
 * a second learns that it must leave from an answer, not from a closed connection. (h2 has GOAWAY.) */
#define INVITED_MS 500u

static uint32_t invited_left_ms(const struct http_conn *c)
{
    uint32_t ago = (uint32_t)(sn_now_coarse() / SN_MS) - c->invited_ms;
    return c->h2 || ago >= INVITED_MS ? 0 : INVITED_MS - ago;
}

/* By a name of its own: the drain's sweeps go by function. */
static void on_last_ready(struct sn_stream *st, void *arg, int why) { on_ready(st, arg, why); }

static void park_last(struct http_conn *c)
{
    conn_active(c, false);
    sn_stream_park(c->st, sn_now_coarse() + invited_left_ms(c) * SN_MS, on_last_ready, c);
}

void http_conn_park(struct http_conn *c)
{
    if (c->cut || (http_closing(c->srv) && !invited_left_ms(c))) {
        http_conn_close(c);
        return;
    }
    if (http_closing(c->srv)) {
        park_last(c);
        return;
    }
    int64_t idle_at = sn_now_coarse() + c->srv->o.idle_ns;
    conn_active(c, false);
    sn_stream_park(c->st, idle_at, on_ready, c);
}

static int conn_tls(struct http_conn *c)
{
    struct sn_stream *tls = NULL;
    int64_t prev = sn_deadline_tighten(sn_now() + c->srv->o.head_ns_max);
    int r = sn_tls_server(c->st, c->srv->o.tls, &tls);
    sn_deadline_restore(prev);
    if (r < 0) return r;
    c->st = tls;
    c->tls_done = true;
    return 0;
}

/* What comes in front of TLS and HTTP. */
static int conn_first(struct http_conn *c)
{
    int64_t prev = sn_deadline_tighten(sn_now() + c->srv->o.head_ns_max);
    int r = c->srv->o.first(c->st, c->srv->o.arg, &c->peer);
    sn_deadline_restore(prev);
    c->first_done = true;
    return r;
}

static bool conn_wants_h2(struct http_conn *c)
{
    return c->srv->o.tls && !c->srv->o.h2_off && c->requests == 0 &&
           sn_str_eqc(sn_tls_alpn(c->st), "h2");
}

static void on_ready(struct sn_stream *st, void *arg, int why)
{
    struct http_conn *c = arg;
    sn_fiber_set_name("http connection");
    if (SN_UNLIKELY(why < 0)) {
        if (why == SN_E_CANCELLED && !http_closing(c->srv)) {
            /* Another server of this process drains: sn_parked_cancel goes by function. */
            sn_stream_park(c->st, sn_now_coarse() + c->srv->o.idle_ns, on_ready, c);
            return;
        }
        bool drain = why == SN_E_CANCELLED && !__atomic_load_n(&c->srv->cutting, __ATOMIC_ACQUIRE);
        if (drain && invited_left_ms(c)) {
            park_last(c);
            return;
        }
        conn_active(c, true);
        if (drain && c->h2)
            http_h2_run(c, NULL, 0); /* says GOAWAY, and closes */
        else
            http_conn_close(c);
        return;
    }
    conn_active(c, true);
    if ((SN_UNLIKELY(c->srv->o.first && !c->first_done) && conn_first(c) < 0) ||
        (SN_UNLIKELY(c->srv->o.tls && !c->tls_done) && conn_tls(c) < 0)) {
        c->srv->workers[sn_worker_id()].n.errors_parse++;
        http_conn_close(c);
        return;
    }
    if (c->h2 || SN_UNLIKELY(conn_wants_h2(c)))
        http_h2_run(c, NULL, 0);
    else
        http_h1_run(c);
}

static void *conn_init(struct sn_stream *st, void *arg) { return conn_new(arg, st); }

int sn_http_serve_stream(struct sn_http_server *s, struct sn_stream *st)
{
    struct http_conn *c = http_draining(s) ? NULL : conn_new(s, st);
    if (!c) {
        sn_stream_close(st);
        return http_draining(s) ? SN_E_CLOSED : SN_E_NOMEM;
    }
    sn_stream_park(st, sn_now() + s->o.idle_ns, on_ready, c);
    return 0;
}

/* ---- serving and draining ------------------------------------------------------------------- */

int sn_http_serve(struct sn_http_server *s, struct sn_listener *l)
{
    struct http_listener me = {.l = l};
    sn_spin_lock(&s->listeners_lock);
    bool draining = http_draining(s);
    if (!draining) {
        me.next = s->listeners;
        s->listeners = &me;
    }
    sn_spin_unlock(&s->listeners_lock);
    if (draining) {
        sn_listener_close(l);
        return 0;
    }
    struct sn_serve_opts o = {
        .idle_ns = s->o.idle_ns, .conns_max = s->o.conns_max, .conn_init = conn_init};
    int r = sn_listener_serve(l, &o, on_ready, s);
    sn_spin_lock(&s->listeners_lock);
    for (struct http_listener **p = &s->listeners; *p; p = &(*p)->next) {
        if (*p != &me) continue;
        *p = me.next;
        break;
    }
    sn_spin_unlock(&s->listeners_lock);
    return r;
}

struct cut_job {
    struct sn_http_server *s;
    int64_t n;
    unsigned left; /* __atomic: workers still at it */
};

/* On the worker that owns the connections: their fibers find the stream closed. */
static void cut_worker(void *arg)
{
    struct cut_job *j = arg;
    struct http_server_worker *w = http_server_worker(j->s);
    SN_LIST_EACH(&w->active, it) {
        struct http_conn *c = SN_LIST_ENTRY(it, struct http_conn, link);
        if (c->cut) continue;
        c->cut = true;
        sn_stream_close(c->st);
        __atomic_add_fetch(&j->n, 1, __ATOMIC_RELAXED);
    }
    __atomic_sub_fetch(&j->left, 1, __ATOMIC_RELEASE);
}

#define DRAIN_POLL_NS (2 * SN_MS)

/* Connections that park from now on close instead, so once would do, were it not for those on their
 * way. A sweep over TLS wakes every parked TLS stream of the process: less often. */
#define DRAIN_TLS_SWEEP_NS (50 * SN_MS)

static void sweep(struct sn_http_server *s, sn_stream_ready_fn fn)
{
    sn_parked_cancel(fn);
    if (s->o.tls) sn_tls_parked_cancel(fn);
}

static bool drained_by(struct sn_http_server *s, int64_t at_ns)
{
    int64_t tls_at = 0;
    while (__atomic_load_n(&s->conns_open, __ATOMIC_ACQUIRE)) {
        if (sn_now() >= at_ns) return false;
        sn_parked_cancel(on_ready);
        if (s->o.tls && sn_now() >= tls_at) {
            sn_tls_parked_cancel(on_ready);
            tls_at = sn_now() + DRAIN_TLS_SWEEP_NS;
        }
        if (sn_sleep(DRAIN_POLL_NS) < 0) return false;
    }
    return true;
}

static void stop_accepting(struct sn_http_server *s, int how)
{
    sn_spin_lock(&s->listeners_lock);
    __atomic_store_n(&s->draining, how, __ATOMIC_RELEASE);
    for (struct http_listener *l = s->listeners; l; l = l->next) sn_listener_close(l->l);
    sn_spin_unlock(&s->listeners_lock);
}

uint64_t sn_http_server_wind_down(struct sn_http_server *s, int64_t ns)
{
    int64_t at = sn_now() + ns;
    if (!http_draining(s)) stop_accepting(s, HTTP_WINDING_DOWN);
    while (__atomic_load_n(&s->conns_open, __ATOMIC_ACQUIRE) && sn_now() < at)
        if (sn_sleep(DRAIN_POLL_NS) < 0) break;
    return __atomic_load_n(&s->conns_open, __ATOMIC_ACQUIRE);
}

int64_t sn_http_server_drain(struct sn_http_server *s, int64_t grace_ns)
{
    if (!http_draining(s))
        stop_accepting(s, HTTP_CLOSING);
    else
        __atomic_store_n(&s->draining, HTTP_CLOSING, __ATOMIC_RELEASE);
    if (drained_by(s, sn_now() + grace_ns)) return 0;

    __atomic_store_n(&s->cutting, 1, __ATOMIC_RELEASE);
    struct cut_job job = {.s = s, .left = s->n_workers};
    for (unsigned i = 0; i < s->n_workers; i++)
        if (sn_go_on(i, "http cut", cut_worker, &job) < 0)
            __atomic_sub_fetch(&job.left, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&job.left, __ATOMIC_ACQUIRE)) sn_yield();
    sweep(s, on_last_ready);
    return job.n;
}

void sn_http_server_free(struct sn_http_server *s)
{
    if (!s) return;
    sn_http_server_drain(s, 0);
    /* Handlers that do not look at their connection keep it until they return. */
    while (__atomic_load_n(&s->conns_open, __ATOMIC_ACQUIRE)) {
        sweep(s, on_ready);
        sweep(s, on_last_ready);
        if (sn_sleep(DRAIN_POLL_NS) < 0) sn_yield();
    }
    for (unsigned i = 0; i < s->n_workers; i++) http_pools_done(&s->workers[i].pools);
    sn_free(s->workers);
    sn_free(s);
}

/* Another worker's plain counter: one aligned word, whole in any case and at most a moment old. The
 * owner pays no atomic for each request, so ThreadSanitizer is told not to look here. */
__attribute__((no_sanitize("thread"), noinline)) static uint64_t counter(const uint64_t *n)
{
    return *(const volatile uint64_t *)n;
}

void sn_http_server_stats(const struct sn_http_server *s, struct sn_http_server_stats *ret)
{
    struct sn_http_server_stats t = {0};
    uint64_t active = 0;
    t.conns_open = __atomic_load_n(&s->conns_open, __ATOMIC_RELAXED);
    t.conns_total = __atomic_load_n(&s->conns_total, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < s->n_workers; i++) {
        const struct http_counters *n = &s->workers[i].n;
        active += counter(&n->conns_active);
        t.requests += counter(&n->requests);
        t.requests_active += counter(&n->requests_active);
        t.errors_parse += counter(&n->errors_parse);
        t.panics += counter(&n->panics);
        t.bytes_in += counter(&n->bytes_in);
        t.bytes_out += counter(&n->bytes_out);
        t.h2_streams += counter(&n->h2_streams);
    }
    t.conns_parked = t.conns_open > active ? t.conns_open - active : 0;
    *ret = t;
}
