/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_channel.c - channels: endpoints and their states on each worker, backoff, picking.
 * Sources: grpc doc/connectivity-semantics-and-api.md, doc/connection-backoff.md. */
#include <stdio.h>

#include "core/alloc.h"
#include "kit/grpc_client_int.h"
#include "kit/tls.h"

#define BACKOFF_FACTOR 1.6
#define BACKOFF_JITTER 0.2
/* A call that waits looks again by itself so often: news may have been lost for want of memory. */
#define LOOK_NS (500 * SN_MS)

/* ---- subchannels ------------------------------------------------------------------------------ */

void gr_sub_unref(struct gr_sub *s)
{
    if (--s->refs) return;
    s->w->n_subs--;
    sn_free(s->ep.user);
    sn_free(s);
}

static enum sn_grpc_state state_of(const struct gr_worker *w)
{
    bool any[SN_GRPC_SHUTDOWN + 1] = {0};
    for (unsigned i = 0; i < w->lb.n; i++) any[w->lb.eps[i]->state] = true;
    if (any[SN_GRPC_READY]) return SN_GRPC_READY;
    if (any[SN_GRPC_CONNECTING]) return SN_GRPC_CONNECTING;
    if (any[SN_GRPC_IDLE] || !w->now) return SN_GRPC_IDLE;
    return SN_GRPC_TRANSIENT_FAILURE;
}

void gr_wake_all(struct gr_worker *w)
{
    for (struct sn_list *n; (n = sn_list_pop_front(&w->waiting));)
        h2_wake(&SN_LIST_ENTRY(n, struct gr_wait, link)->w);
}

void gr_wake_one(struct gr_worker *w)
{
    struct sn_list *n = sn_list_pop_front(&w->waiting);
    if (n) h2_wake(&SN_LIST_ENTRY(n, struct gr_wait, link)->w);
}

/* Tells the balancer, whose answer may change states again, and everybody who waits. */
static void changed(struct gr_worker *w)
{
    w->dirty = true;
    if (w->updating) return;
    w->updating = true;
    while (w->dirty) {
        w->dirty = false;
        if (w->lb.n && w->lb.ops->update) w->lb.ops->update(&w->lb);
        w->state = state_of(w);
    }
    w->updating = false;
    gr_wake_all(w);
}

static void set_state(struct gr_sub *s, enum sn_grpc_state state)
{
    if (s->ep.state == state) return;
    s->ep.state = state;
    if (s->listed) changed(s->w);
}

void gr_sub_ready(struct gr_sub *s)
{
    if (s->up) return;
    s->up = true;
    s->failures = 0;
    s->w->n.connects++;
    gr_health_look(s->conn);
}

void gr_sub_health(struct gr_sub *s, enum sn_grpc_state state, const char *why)
{
    if (why) {
        s->last_err = SN_E_UNAVAILABLE;
        (void)!sn_str_cz(sn_str_sub(sn_str(why), 0, sizeof(s->last_text) - 1), s->last_text,
                         sizeof(s->last_text));
    }
    set_state(s, state);
}

void gr_sub_lost(struct gr_sub *s)
{
    bool up = s->up;
    s->conn = NULL;
    s->up = false;
    if (!up) return; /* its fiber goes on to wait */
    s->fiber = NULL;
    gr_resolve_again(s->w->ch);
    set_state(s, SN_GRPC_IDLE);
}

static int sub_dial(struct gr_sub *s, struct gr_conn **ret)
{
    struct sn_grpc_channel *ch = s->w->ch;
    struct sn_stream *st = NULL, *tls = NULL;
    int64_t prev = sn_deadline_tighten(sn_now() + ch->o.connect_ns_max);
    int r = sn_dial(s->ep.at.addr.ptr, NULL, &st);
    if (r == 0 && ch->o.tls) {
        struct sn_str host = s->ep.at.host.len ? s->ep.at.host : sn_str(ch->authority);
        ssize_t colon = sn_str_rchr(host, ':');
        if (colon >= 0 && sn_str_chr(host, ']') < colon) host.len = (size_t)colon;
        r = sn_tls_client(st, ch->o.tls, host, &tls);
        if (r == 0 && !sn_str_eqc(sn_tls_alpn(tls), "h2")) {
            r = sn_fail(SN_E_UNAVAILABLE, "server does not agree on h2 (ALPN)");
            st = tls;
        } else if (r == 0) {
            st = tls;
        }
    }
    sn_deadline_restore(prev);
    if (r == 0) r = gr_conn_new(s->w, s, st, ret);
    if (r < 0) sn_stream_close(st);
    return r;
}

int64_t gr_backoff(const struct sn_grpc_channel *ch, unsigned failures)
{
    const struct sn_grpc_channel_opts *o = &ch->o;
    double ns = (double)o->backoff_ns;
    for (unsigned i = 1; i < failures && ns < (double)o->backoff_ns_max; i++) ns *= BACKOFF_FACTOR;
    ns = SN_MIN(ns, (double)o->backoff_ns_max);
    double unit = (double)(sn_random() >> 11) / (double)(1ull << 53);
    return (int64_t)(ns * (1 - BACKOFF_JITTER + 2 * BACKOFF_JITTER * unit));
}

/* Owns a reference. One life of an endpoint's connection, or one failure and the wait after it. */
static void sub_main(void *arg)
{
    struct gr_sub *s = arg;
    struct gr_conn *c = NULL;
    int r = s->listed ? sub_dial(s, &c) : SN_E_CANCELLED;
    if (r == 0) {
        s->conn = c;
        c->refs++;
        gr_conn_run(c);
        r = c->err;
        gr_conn_unref(c);
    }
    if (s->fiber != sn_self()) { /* it had been up: the endpoint goes its way without us */
        gr_sub_unref(s);
        return;
    }
    if (s->listed && r != SN_E_CANCELLED) {
        s->last_err = r;
        sn_diag_format(r, s->last_text, sizeof(s->last_text));
        s->failures++;
        s->w->n.connects_failed++;
        int64_t at = sn_now() + gr_backoff(s->w->ch, s->failures);
        set_state(s, SN_GRPC_TRANSIENT_FAILURE);
        gr_resolve_again(s->w->ch);
        (void)!sn_sleep_until(at);
    }
    s->fiber = NULL;
    set_state(s, SN_GRPC_IDLE);
    gr_sub_unref(s);
}

static void sub_start(void *arg)
{
    struct gr_sub *s = arg;
    sn_fiber_set_name("grpc connection");
    s->fiber = sn_self();
    sub_main(s);
}

void sn_grpc_lb_connect(struct sn_grpc_lb *lb, unsigned i)
{
    struct gr_sub *s = SN_CONTAINER_OF(lb->eps[i], struct gr_sub, ep);
    if (s->ep.state != SN_GRPC_IDLE || gr_closing(s->w->ch)) return;
    s->refs++;
    if (sn_stream_go(sub_start, s) < 0) { /* without memory: the next pick tries again */
        gr_sub_unref(s);
        return;
    }
    set_state(s, SN_GRPC_CONNECTING);
}

/* It leaves the list: what it does ends, calls on its connection go on. */
static void sub_unlist(struct gr_sub *s)
{
    s->listed = false;
    if (s->conn && s->up) {
        struct gr_conn *c = s->conn;
        s->conn = NULL;
        s->up = false;
        s->fiber = NULL;
        c->sub = NULL;
        h2_wake(&c->health_pause);
        if (c->calls == 0) gr_conn_break(c, SN_E_CLOSED);
    } else if (s->fiber) {
        sn_fiber_cancel(s->fiber);
    }
    s->ep.state = SN_GRPC_SHUTDOWN;
    gr_sub_unref(s);
}

static struct gr_sub *sub_new(struct gr_worker *w, const struct sn_grpc_address *a)
{
    struct gr_sub *s = sn_zalloc(1, sizeof(*s) + a->addr.len + a->host.len + a->labels.len + 3);
    if (!s) return NULL;
    char *p = s->text;
    memcpy(p, a->addr.ptr, a->addr.len);
    s->ep.at.addr = sn_str_of(p, a->addr.len);
    p += a->addr.len + 1;
    if (a->host.len) memcpy(p, a->host.ptr, a->host.len);
    s->ep.at.host = sn_str_of(p, a->host.len);
    p += a->host.len + 1;
    if (a->labels.len) memcpy(p, a->labels.ptr, a->labels.len);
    s->ep.at.labels = sn_str_of(p, a->labels.len);
    s->ep.state = SN_GRPC_IDLE;
    s->w = w;
    s->id = grpc_z_id();
    s->refs = 1;
    if (w->lb.ops->endpoint_bytes && !(s->ep.user = sn_zalloc(1, w->lb.ops->endpoint_bytes))) {
        sn_free(s);
        return NULL;
    }
    w->n_subs++;
    return s;
}

/* ---- what the resolver found, applied on a worker --------------------------------------------- */

void gr_snapshot_unref(struct gr_snapshot *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL)) return;
    gr_config_free(s->config);
    struct sn_arena a = s->arena; /* the record lies in its own arena */
    sn_arena_done(&a);
}

static struct gr_snapshot *snapshot_get(struct sn_grpc_channel *ch)
{
    sn_mutex_lock_always(&ch->lock);
    struct gr_snapshot *s = ch->snapshot;
    if (s) __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    sn_mutex_unlock(&ch->lock);
    return s;
}

const struct gr_config *gr_config_of(const struct gr_worker *w)
{
    return w->ch->config ? w->ch->config : w->now ? w->now->config : NULL;
}

static void lb_stop(struct gr_worker *w)
{
    if (w->lb.ops && w->lb.ops->done) w->lb.ops->done(&w->lb);
    sn_free(w->lb.user);
    w->lb.user = NULL;
    w->lb.ops = NULL;
}

static int lb_start(struct gr_worker *w)
{
    const struct gr_config *cfg = gr_config_of(w);
    const struct sn_grpc_lb_ops *ops = w->ch->o.lb;
    if (!ops && cfg) ops = gr_lb_by_name(cfg->lb);
    if (!ops) ops = &sn_grpc_pick_first;
    if (ops == w->lb.ops) return 0;
    void *user = sn_zalloc(1, ops->bytes + 1);
    if (!user) return SN_E_NOMEM;
    /* Endpoints' records belong to the balancer they were made for. */
    for (unsigned i = 0; i < w->lb.n; i++)
        sub_unlist(SN_CONTAINER_OF(w->lb.eps[i], struct gr_sub, ep));
    w->lb.n = 0;
    lb_stop(w);
    w->lb.ops = ops;
    w->lb.user = user;
    w->lb.channel_worker = w;
    return 0;
}

static bool same_address(const struct sn_grpc_address *x, const struct sn_grpc_address *y)
{
    return sn_str_eq(x->addr, y->addr) && sn_str_eq(x->host, y->host) &&
           sn_str_eq(x->labels, y->labels);
}

static struct sn_str health_of(const struct gr_worker *w)
{
    const struct gr_config *c = gr_config_of(w);
    return c ? c->health : (struct sn_str){0};
}

/* Without memory the endpoints stay what they were. */
static void apply(struct gr_worker *w, struct gr_snapshot *s)
{
    struct gr_snapshot *old = w->now;
    struct sn_str before = health_of(w); /* of the old snapshot, which is freed last */
    w->now = s;
    struct sn_grpc_endpoint **eps = sn_zalloc(s->n + 1, sizeof(*eps));
    int r = eps ? lb_start(w) : SN_E_NOMEM;
    unsigned n = 0;
    w->updating = true;
    for (unsigned i = 0; r == 0 && i < s->n; i++) {
        struct sn_grpc_endpoint *ep = NULL;
        for (unsigned k = 0; k < w->lb.n && !ep; k++) {
            if (!w->lb.eps[k] || !same_address(&w->lb.eps[k]->at, &s->addrs[i])) continue;
            ep = w->lb.eps[k];
            w->lb.eps[k] = NULL;
        }
        struct gr_sub *sub = ep ? SN_CONTAINER_OF(ep, struct gr_sub, ep) : sub_new(w, &s->addrs[i]);
        if (!sub) continue;
        sub->listed = true;
        sub->ep.at.weight = s->addrs[i].weight ? s->addrs[i].weight : 1;
        sub->ep.index = n;
        eps[n++] = &sub->ep;
    }
    for (unsigned k = 0; r == 0 && k < w->lb.n; k++)
        if (w->lb.eps[k]) sub_unlist(SN_CONTAINER_OF(w->lb.eps[k], struct gr_sub, ep));
    if (r == 0) {
        sn_free(w->lb.eps);
        w->lb.eps = eps;
        w->lb.n = n;
    } else {
        sn_free(eps);
    }
    struct sn_str after = health_of(w);
    bool other = before.ptr ? !after.ptr || !sn_str_eq(before, after) : after.ptr != NULL;
    for (unsigned i = 0; other && i < w->lb.n; i++) {
        struct gr_sub *sub = SN_CONTAINER_OF(w->lb.eps[i], struct gr_sub, ep);
        if (sub->up) gr_health_look(sub->conn);
    }
    gr_snapshot_unref(old);
    w->updating = false;
    changed(w);
}

static void worker_start(struct gr_worker *w)
{
    if (w->started) return;
    sn_arena_pool_init(&w->arenas, HTTP_ARENA_CHUNK, HTTP_ARENA_CHUNKS_IDLE_MAX);
    sn_list_init(&w->waiting);
    w->state = SN_GRPC_IDLE;
    const struct gr_config *cfg = w->ch->config;
    w->tokens = cfg ? cfg->tokens_max : 0;
    __atomic_store_n(&w->started, 1, __ATOMIC_SEQ_CST);
    struct gr_snapshot *s = snapshot_get(w->ch);
    if (s)
        apply(w, s);
    else
        (void)!gr_resolve_start(w->ch); /* without memory: who waits tries again */
}

struct gr_worker *gr_worker_here(struct sn_grpc_channel *ch)
{
    struct gr_worker *w = &ch->workers[sn_worker_id()];
    worker_start(w);
    return w;
}

struct update_job {
    struct gr_worker *w;
    struct gr_snapshot *s;
};

static void update_main(void *arg)
{
    struct update_job *j = arg;
    struct sn_grpc_channel *ch = j->w->ch;
    if (gr_closing(ch))
        gr_snapshot_unref(j->s);
    else
        apply(j->w, j->s);
    sn_free(j);
    __atomic_sub_fetch(&ch->updates, 1, __ATOMIC_RELEASE);
}

void gr_publish(struct sn_grpc_channel *ch, struct gr_snapshot *s)
{
    sn_mutex_lock_always(&ch->lock);
    struct gr_snapshot *old = ch->snapshot;
    ch->snapshot = s;
    sn_mutex_unlock(&ch->lock);
    gr_snapshot_unref(old);
    for (unsigned i = 0; i < ch->n_workers; i++) {
        if (!__atomic_load_n(&ch->workers[i].started, __ATOMIC_SEQ_CST)) continue;
        struct update_job *j = SN_NEW(struct update_job);
        if (!j) continue; /* the worker hears of the next one */
        *j = (struct update_job){&ch->workers[i], snapshot_get(ch)};
        __atomic_add_fetch(&ch->updates, 1, __ATOMIC_RELAXED);
        if (sn_go_on(i, "grpc endpoints", update_main, j) == 0) continue;
        gr_snapshot_unref(j->s);
        sn_free(j);
        __atomic_sub_fetch(&ch->updates, 1, __ATOMIC_RELEASE);
    }
}

/* ---- picking ---------------------------------------------------------------------------------- */

static int wait_change(struct gr_worker *w, const char *why, int64_t at_ns)
{
    struct gr_wait me = {0};
    sn_list_push_back(&w->waiting, &me.link);
    int r = h2_wait(&me.w, why, at_ns);
    sn_list_del(&me.link);
    return r;
}

static int pick_failed(struct gr_worker *w)
{
    const struct gr_sub *last = NULL;
    for (unsigned i = 0; i < w->lb.n; i++) {
        const struct gr_sub *s = SN_CONTAINER_OF(w->lb.eps[i], struct gr_sub, ep);
        if (s->last_err < 0) last = s;
    }
    if (last)
        return sn_fail(SN_E_UNAVAILABLE, "no connection to %s; last: %s", w->ch->target,
                       last->last_text);
    return sn_fail(SN_E_UNAVAILABLE, "no connection to %s", w->ch->target);
}

/* What the resolver has published meanwhile, whether or not its message came through. */
static int first_snapshot(struct gr_worker *w)
{
    struct gr_snapshot *s = snapshot_get(w->ch);
    if (!s) return gr_resolve_start(w->ch);
    apply(w, s);
    return 0;
}

int gr_pick(struct gr_worker *w, struct sn_grpc_call *c, bool wait_for_ready, struct gr_sub **ret_sub,
            struct gr_conn **ret_conn)
{
    for (;;) {
        if (gr_closing(w->ch)) return sn_fail(SN_E_UNAVAILABLE, "channel is closing");
        if (gr_call_ended(c)) return SN_E_CANCELLED;
        int i = SN_E_AGAIN, r = w->now ? 0 : first_snapshot(w);
        if (r < 0) return r;
        if (w->now && w->lb.n == 0) {
            gr_resolve_again(w->ch);
            if (!wait_for_ready)
                return sn_fail(SN_E_UNAVAILABLE, "%s: no endpoints (%s)", w->ch->target,
                               sn_status_name(w->now->err));
        } else if (w->now) {
            i = w->lb.ops->pick(&w->lb, c);
        }
        if (i >= 0 && (unsigned)i < w->lb.n) {
            struct gr_sub *s = SN_CONTAINER_OF(w->lb.eps[i], struct gr_sub, ep);
            if (s->ep.state == SN_GRPC_READY && s->conn && !sn_h2_takes_requests(s->conn->s)) {
                gr_conn_retire(s->conn);
                continue;
            }
            if (s->ep.state == SN_GRPC_READY && s->conn && sn_h2_streams_left(s->conn->s)) {
                s->refs++;
                s->conn->refs++;
                *ret_sub = s;
                *ret_conn = s->conn;
                return 0;
            }
        } else if (i != SN_E_AGAIN && !wait_for_ready) {
            return pick_failed(w);
        }
        int64_t look_at = sn_now() + LOOK_NS;
        r = wait_change(w, "grpc connection", SN_MIN(c->deadline_ns, look_at));
        if (r == SN_E_DEADLINE_EXCEEDED && sn_now() < SN_MIN(c->deadline_ns, sn_deadline())) r = 0;
        if (r < 0) return r;
    }
}

/* ---- the channel ------------------------------------------------------------------------------ */

static void channel_defaults(struct sn_grpc_channel_opts *o)
{
    if (!o->recv_bytes_max) o->recv_bytes_max = SN_GRPC_RECV_BYTES_MAX;
    o->recv_bytes_max = SN_MIN(o->recv_bytes_max, (size_t)SN_PB_BYTES_MAX);
    if (!o->send_bytes_max) o->send_bytes_max = SN_PB_BYTES_MAX;
    if (!o->connect_ns_max) o->connect_ns_max = 20 * SN_SEC;
    if (!o->backoff_ns) o->backoff_ns = SN_SEC;
    if (!o->backoff_ns_max) o->backoff_ns_max = 120 * SN_SEC;
    if (o->keepalive_ns) o->keepalive_ns = SN_MAX(o->keepalive_ns, 10 * SN_SEC);
    if (!o->keepalive_timeout_ns) o->keepalive_timeout_ns = 20 * SN_SEC;
    if (!o->idle_ns) o->idle_ns = 30 * SN_MINUTE;
    if (!o->retry_bytes_max) o->retry_bytes_max = GRPC_KEPT_CALL_MAX;
    if (!o->window_bytes_max) o->window_bytes_max = SN_H2_WINDOW_MAX;
    o->window_bytes_max = SN_MIN(o->window_bytes_max, (size_t)INT32_MAX);
}

static void channel_destroy(struct sn_grpc_channel *ch)
{
    gr_snapshot_unref(ch->snapshot);
    gr_config_free(ch->config);
    sn_free(ch->workers);
    sn_free(ch->interceptors);
    sn_free(ch->target);
    sn_free(ch->authority);
    sn_free(ch->user_agent);
    sn_free(ch);
}

static int channel_texts(struct sn_grpc_channel *ch, const char *target)
{
    struct sn_str authority;
    ch->target = sn_str_dup(sn_str(target));
    if (!ch->target) return SN_E_NOMEM;
    int r = gr_resolver_of(ch, sn_str(ch->target), &ch->res.how, &ch->res.target, &authority);
    if (r < 0) return r;
    ch->authority = sn_str_dup(ch->o.authority ? sn_str(ch->o.authority) : authority);
    char agent[200];
    const char *mine = ch->o.user_agent;
    snprintf(agent, sizeof(agent), "%s%sgrpc-c-sennit/0.1", mine ? mine : "", mine ? " " : "");
    ch->user_agent = sn_str_dup(sn_str(agent));
    return ch->authority && ch->user_agent ? 0 : SN_E_NOMEM;
}

int sn_grpc_channel_new(const char *target, const struct sn_grpc_channel_opts *opts,
                        struct sn_grpc_channel **ret)
{
    struct sn_grpc_channel *ch = SN_NEW(struct sn_grpc_channel);
    if (!ch) return SN_E_NOMEM;
    if (opts) ch->o = *opts;
    channel_defaults(&ch->o);
    ch->n_workers = sn_worker_count();
    ch->res.ch = ch;
    sn_list_init(&ch->link);
    size_t bytes = ch->n_workers * sizeof(*ch->workers);
    ch->workers = sn_aligned_alloc(SN_CACHE_LINE, bytes);
    int r = ch->workers ? 0 : SN_E_NOMEM;
    if (r == 0) {
        memset(ch->workers, 0, bytes);
        for (unsigned i = 0; i < ch->n_workers; i++) ch->workers[i].ch = ch;
        r = channel_texts(ch, target);
    }
    if (r == 0 && ch->o.service_config.ptr) r = gr_config_parse(ch->o.service_config, &ch->config);
    if (r == 0)
        r = grpc_copy_interceptors(ch->o.interceptors, ch->o.n_interceptors, &ch->interceptors);
    if (r < 0) {
        channel_destroy(ch);
        return r;
    }
    grpc_z_add_channel(ch);
    *ret = ch;
    return 0;
}

struct free_job {
    struct sn_grpc_channel *ch;
    unsigned left; /* __atomic */
};

static void free_worker(void *arg)
{
    struct free_job *j = arg;
    struct gr_worker *w = &j->ch->workers[sn_worker_id()];
    if (w->started) {
        w->updating = true;
        for (unsigned i = 0; i < w->lb.n; i++)
            sub_unlist(SN_CONTAINER_OF(w->lb.eps[i], struct gr_sub, ep));
        w->lb.n = 0;
        gr_wake_all(w);
        while (w->n_subs || w->n_conns)
            if (sn_sleep(SN_MS) < 0) sn_yield();
        lb_stop(w);
        sn_free(w->lb.eps);
        gr_snapshot_unref(w->now);
        sn_arena_pool_done(&w->arenas);
    }
    __atomic_sub_fetch(&j->left, 1, __ATOMIC_RELEASE);
}

void sn_grpc_channel_free(struct sn_grpc_channel *ch)
{
    if (!ch) return;
    grpc_z_del(&ch->link);
    __atomic_store_n(&ch->closing, 1, __ATOMIC_SEQ_CST);
    gr_resolve_stop(ch);
    while (__atomic_load_n(&ch->updates, __ATOMIC_ACQUIRE)) sn_yield();
    struct free_job j = {.ch = ch, .left = ch->n_workers};
    for (unsigned i = 0; i < ch->n_workers; i++)
        while (sn_go_cleanup(i, "grpc channel free", free_worker, &j) < 0) sn_yield();
    while (__atomic_load_n(&j.left, __ATOMIC_ACQUIRE))
        if (sn_sleep(SN_MS / 4) < 0) sn_yield();
    channel_destroy(ch);
}

enum sn_grpc_state sn_grpc_channel_state(struct sn_grpc_channel *ch, bool connect)
{
    struct gr_worker *w = gr_worker_here(ch);
    if (connect && w->now && w->state == SN_GRPC_IDLE && w->lb.n) {
        struct sn_grpc_call none = {.channel = ch};
        (void)w->lb.ops->pick(&w->lb, &none);
        w->state = state_of(w);
    }
    return w->state;
}

int sn_grpc_channel_wait(struct sn_grpc_channel *ch, enum sn_grpc_state from)
{
    struct gr_worker *w = gr_worker_here(ch);
    while (w->state == from) {
        int r = wait_change(w, "grpc channel state", SN_FOREVER);
        if (r < 0) return r;
    }
    return 0;
}

/* Another worker's plain counters, at most a moment old. */
__attribute__((no_sanitize("thread"), noinline)) static void add_stats(
    const volatile uint64_t *from, uint64_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += from[i];
}

void sn_grpc_channel_stats(const struct sn_grpc_channel *ch, struct sn_grpc_channel_stats *ret)
{
    struct sn_grpc_channel_stats t = {0};
    for (unsigned i = 0; i < ch->n_workers; i++)
        add_stats((const uint64_t *)&ch->workers[i].n, (uint64_t *)&t, sizeof(t) / sizeof(uint64_t));
    *ret = t;
}
