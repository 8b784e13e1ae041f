/* SPDX-License-Identifier: Apache-2.0 */
/* govern/client.c - see client.h. */
#include "govern/client.h"

#include "core/alloc.h"
#include "core/map.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "govern/chain.h"
#include "govern/otlp.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)
#define PUSHBACK_MAX_NS (10 * SN_SEC)
#define HEDGE_MIN_NS SN_MS
#define P95 0.95
#define HEADERS_EXTRA 3u
#define METHODS_MAX 1024u

struct sn_gov_client {
    struct sn_gov_client_opts o;
    struct sn_gov_picker *picker;
    struct sn_gov_budget budget;
    struct sn_gov_keyed breakers; /* by method, and by method and instance */
    struct sn_gov_keyed methods;  /* struct method, by method */
    struct sn_gov_keyed codes;    /* struct code, by method and status */
    struct sn_counter *m_attempts, *m_retries, *m_hedges, *m_refused;
    uint64_t calls, attempts, retries, hedges, refused;
};

/* What is looked up in the registry once, not per call. */
struct method {
    struct sn_gov_quantile p95;
    struct sn_histogram *duration;
};
struct code {
    struct sn_counter *n;
};
static void method_forget(void *item)
{
    struct method *m = item;
    __atomic_store_n(&m->p95.value_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&m->duration, NULL, __ATOMIC_RELAXED);
}
static void code_forget(void *item)
{
    __atomic_store_n(&((struct code *)item)->n, NULL, __ATOMIC_RELAXED);
}

static int metrics_new(struct sn_gov_client *c)
{
    struct sn_labels l = {.n = 1, .l = {{SN_STR("service"), sn_str(c->o.service)}}};
    struct sn_metrics *m = c->o.metrics;
    c->m_attempts =
        sn_counter_new(m, "govern_client_attempts_total", "Attempts sent to instances.", &l);
    c->m_retries =
        sn_counter_new(m, "govern_client_retries_total", "Attempts that repeat a failed one.", &l);
    c->m_hedges =
        sn_counter_new(m, "govern_client_hedges_total", "Attempts beside a slow one.", &l);
    c->m_refused =
        sn_counter_new(m, "govern_client_refused_total", "Calls that a breaker refused.", &l);
    return c->m_attempts && c->m_retries && c->m_hedges && c->m_refused ? 0 : SN_E_NOMEM;
}

int sn_gov_client_new(const struct sn_gov_client_opts *o, struct sn_gov_client **ret)
{
    if (!o->http || !o->service || o->attempts > SN_GOV_RETRY_ATTEMPTS_MAX)
        return sn_fail(
            SN_E_INVALID_ARGUMENT,
            "govern: an HTTP client, a service's name and at most %u attempts are expected",
            SN_GOV_RETRY_ATTEMPTS_MAX);
    struct sn_gov_client *c = SN_NEW(struct sn_gov_client);
    if (!c) return SN_E_NOMEM;
    c->o = *o;
    if (!c->o.timeout_ns) c->o.timeout_ns = SN_GOV_TIMEOUT_RPC_NS;
    if (!c->o.attempts) c->o.attempts = SN_GOV_RETRY_ATTEMPTS;
    if (c->o.trace_ratio == 0) c->o.trace_ratio = 1.0;
    sn_gov_budget_init(&c->budget, &o->budget);
    int r = sn_gov_picker_new(&o->balance, sn_worker_count(), &c->picker);
    if (r == 0) r = sn_gov_breakers_init(&c->breakers, 0);
    if (r == 0)
        r = sn_gov_keyed_init(&c->methods, sizeof(struct method), METHODS_MAX, method_forget);
    if (r == 0) r = sn_gov_keyed_init(&c->codes, sizeof(struct code), 4 * METHODS_MAX, code_forget);
    if (r == 0) r = metrics_new(c);
    if (r < 0) {
        sn_gov_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void sn_gov_client_free(struct sn_gov_client *c)
{
    if (!c) return;
    sn_gov_picker_free(c->picker);
    sn_gov_keyed_done(&c->breakers);
    sn_gov_keyed_done(&c->methods);
    sn_gov_keyed_done(&c->codes);
    sn_free(c);
}

int sn_gov_client_update(struct sn_gov_client *c, const struct sn_gov_endpoint_spec *specs,
                         size_t n)
{
    return sn_gov_picker_update(c->picker, specs, n, sn_now());
}

void sn_gov_client_stats(const struct sn_gov_client *c, struct sn_gov_client_stats *ret)
{
    *ret = (struct sn_gov_client_stats){LOAD(&c->calls), LOAD(&c->attempts), LOAD(&c->retries),
                                        LOAD(&c->hedges), LOAD(&c->refused)};
}

/* ---- one attempt ----------------------------------------------------------------------------- */

struct work { /* a call with all its attempts */
    struct sn_gov_client *c;
    const struct sn_gov_request *q;
    struct sn_span *span;
    struct sn_str baggage;
    uint64_t key;
    uint64_t tried[SN_GOV_TRIED_MAX];
    uint32_t n_tried;
};

struct attempt {
    struct work *w;
    struct sn_http_resp *resp;
    int result;
    bool sent;           /* something may have reached the instance */
    int64_t pushback_ns; /* -2 nothing said, -1 do not */
};

static bool status_failed(int status) { return status == 502 || status == 503 || status == 504; }

/* Headers of the call and those of the trace; in the caller's array. */
static unsigned headers_of(const struct work *w, struct sn_http_header *h, char *parent)
{
    const struct sn_http_call *call = w->q->call;
    unsigned n = call->n_headers;
    if (n) memcpy(h, call->headers, n * sizeof(*h));
    h[n++] =
        (struct sn_http_header){SN_STR("traceparent"),
                                sn_str_of(parent, sn_traceparent_format(&w->span->ctx, parent))};
    if (w->span->state.len) h[n++] = (struct sn_http_header){SN_STR("tracestate"), w->span->state};
    if (w->baggage.len) h[n++] = (struct sn_http_header){SN_STR("baggage"), w->baggage};
    return n;
}

static int send_to(struct attempt *a, const struct sn_gov_endpoint *ep)
{
    const struct sn_http_call *call = a->w->q->call;
    struct sn_http_header *h SN_CLEANUP(sn_freep) =
        SN_NEW_ARRAY(struct sn_http_header, call->n_headers + HEADERS_EXTRA);
    char parent[SN_TRACEPARENT_LEN];
    if (!h) return SN_E_NOMEM;
    struct sn_http_call mine = *call;
    mine.headers = h;
    mine.n_headers = headers_of(a->w, h, parent);
    mine.addr = sn_str(ep->addr);
    mine.no_retry = true; /* what is repeated is decided here */
    return sn_http_do(a->w->c->o.http, &mine, &a->resp);
}

static void attempt_run(struct attempt *a)
{
    struct work *w = a->w;
    struct sn_gov_client *c = w->c;
    struct sn_gov_endpoint *ep;
    struct sn_gov_ask ask = {.slot = (uint32_t)sn_worker_id(),
                             .now_ns = sn_now(),
                             .rnd = sn_random(),
                             .hash = w->q->hash,
                             .tried = w->tried,
                             .n_tried = w->n_tried};
    a->pushback_ns = -2;
    a->result = sn_gov_pick(c->picker, &ask, &ep);
    if (a->result < 0) {
        a->result = sn_fail(SN_E_UNAVAILABLE, "%s: no instance is known", c->o.service);
        a->pushback_ns = -1;
        return;
    }
    if (w->n_tried < SN_GOV_TRIED_MAX) w->tried[w->n_tried++] = ep->key;
    struct sn_gov_breaker *b =
        c->o.breaker_off
            ? NULL
            : sn_gov_breakers_get(&c->breakers, sn_gov_key2(w->key, ep->key), ask.now_ns);
    if (b && !sn_gov_breaker_allow(b, ask.now_ns, sn_random())) {
        sn_gov_done(c->picker, ep, ask.now_ns, ask.now_ns, SN_GOV_ABANDONED);
        a->result = sn_fail(SN_E_UNAVAILABLE, "%s: the breaker of this instance drops the call",
                            c->o.service);
        return;
    }
    ADD(&c->attempts, 1);
    sn_counter_add(c->m_attempts, 1);
    a->result = send_to(a, ep);
    int64_t now = sn_now();
    bool left = a->result == SN_E_CANCELLED; /* the caller's wish, nobody's failure */
    bool failed =
        !left && (a->result < 0 ? sn_gov_is_failure(a->result) : status_failed(a->resp->status));
    a->sent = a->result != SN_E_REFUSED;
    sn_gov_done(c->picker, ep, ask.now_ns, now,
                left     ? SN_GOV_ABANDONED
                : failed ? SN_GOV_FAILED
                         : SN_GOV_OK);
    if (b && !left) sn_gov_breaker_mark(b, ask.now_ns, now, !failed);
    if (a->result < 0) return;
    if (status_failed(a->resp->status) || a->resp->status == 429)
        a->pushback_ns =
            sn_gov_pushback((struct sn_str){0},
                            sn_http_headers_get(&a->resp->headers, SN_STR("retry-after")),
                            PUSHBACK_MAX_NS);
    struct method *m = sn_gov_keyed_get(&c->methods, w->key, now);
    m->p95.q = P95;
    if (!failed) sn_gov_quantile_add(&m->p95, now - ask.now_ns);
}

static bool attempt_failed(const struct attempt *a)
{
    return a->result < 0 || status_failed(a->resp->status) ||
           (a->resp->status == 429 && a->pushback_ns >= 0);
}

static void attempt_drop(struct attempt *a)
{
    sn_http_resp_close(a->resp);
    a->resp = NULL;
}

/* ---- hedging --------------------------------------------------------------------------------- */

struct race {
    struct attempt a[2];
    struct sn_event first; /* somebody has a good answer, or the only one running has failed */
    unsigned running;
    int winner; /* -1 = none yet */
};
struct lane {
    struct race *r;
    int i;
};

static int lane_main(void *arg)
{
    struct lane *l = arg;
    struct attempt *a = &l->r->a[l->i];
    attempt_run(a);
    l->r->running--;
    if (!attempt_failed(a) && l->r->winner < 0) l->r->winner = l->i;
    if (l->r->winner >= 0 || !l->r->running) sn_event_set(&l->r->first);
    return 0;
}

static int lane_start(struct sn_scope *s, struct lane *l)
{
    l->r->running++;
    int e = sn_scope_go_on(s, (unsigned)sn_worker_id(), "hedge", lane_main, l);
    if (e < 0) l->r->running--;
    return e;
}

/* Runs the attempt, and another one beside it when it takes longer than usual. The better one is
 * left in *a. */
static void attempt_hedged(struct attempt *a, int64_t delay)
{
    struct sn_gov_client *c = a->w->c;
    struct race r = {.a = {*a, *a}, .winner = -1};
    struct lane lanes[2] = {{&r, 0}, {&r, 1}};
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    bool second = false;
    int e = lane_start(s, &lanes[0]);
    if (e == 0) e = sn_event_wait_until(&r.first, sn_now() + delay);
    if (e == SN_E_DEADLINE_EXCEEDED && !sn_cancelled() && sn_gov_budget_take(&c->budget)) {
        second = true;
        ADD(&c->hedges, 1);
        sn_counter_add(c->m_hedges, 1);
        (void)lane_start(s, &lanes[1]);
    }
    if (!sn_event_is_set(&r.first)) e = sn_event_wait(&r.first);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    if (second) sn_gov_budget_give(&c->budget);
    int w = r.winner >= 0 ? r.winner : 0;
    *a = r.a[w];
    if (e < 0 && r.winner < 0 && !a->resp && a->result == 0)
        a->result = e; /* the first lane never ran */
    attempt_drop(&r.a[!w]);
}

/* ---- a call ---------------------------------------------------------------------------------- */

static bool may_repeat(const struct work *w, const struct attempt *a)
{
    const struct sn_http_call *call = w->q->call;
    if (call->body_fn) return false; /* its bytes are gone */
    if (w->q->idempotent || (a->result < 0 && !a->sent)) return true;
    enum sn_http_method m = call->method.len ? sn_http_method_of(call->method) : SN_HTTP_GET;
    return m != SN_HTTP_TRACE && sn_http_idempotent(m); /* a trace is of one path */
}

/* Pause before attempt k, or < 0: not again. */
static int64_t pause_before(const struct work *w, const struct attempt *a, uint32_t k)
{
    if (a->pushback_ns == -1 || !may_repeat(w, a) || sn_cancelled()) return -1;
    int64_t ns = a->pushback_ns >= 0 ? a->pushback_ns
                                     : sn_gov_backoff(k, w->c->o.backoff_base_ns,
                                                      w->c->o.backoff_max_ns, sn_random());
    return sn_deadline() - sn_now() > ns ? ns : -1; /* nobody would be there for the answer */
}

static void attempts(struct work *w, struct attempt *a)
{
    struct sn_gov_client *c = w->c;
    bool retry = false;
    for (uint32_t k = 0;; k++) {
        *a = (struct attempt){.w = w};
        int64_t delay = SN_FOREVER;
        if (w->q->hedge && w->q->idempotent && !w->q->call->body_fn)
            delay = sn_gov_hedge_delay(
                &((struct method *)sn_gov_keyed_get(&c->methods, w->key, sn_now()))->p95,
                HEDGE_MIN_NS);
        if (delay < SN_FOREVER)
            attempt_hedged(a, delay);
        else
            attempt_run(a);
        bool failed = attempt_failed(a);
        if (a->result != SN_E_CANCELLED) sn_gov_budget_result(&c->budget, failed);
        if (retry) sn_gov_budget_give(&c->budget);
        if (!failed || k + 1 >= c->o.attempts) return;
        int64_t pause = pause_before(w, a, k + 1);
        if (pause < 0 || !sn_gov_budget_take(&c->budget)) return;
        retry = true;
        attempt_drop(a);
        int e = sn_sleep(pause);
        if (e < 0) {
            sn_gov_budget_give(&c->budget);
            a->result = e;
            return;
        }
        ADD(&c->retries, 1);
        sn_counter_add(c->m_retries, 1);
    }
}

static int guarded(struct work *w, struct attempt *a)
{
    struct sn_gov_client *c = w->c;
    int64_t start = sn_now();
    struct sn_gov_breaker *b =
        c->o.breaker_off ? NULL : sn_gov_breakers_get(&c->breakers, w->key, start);
    if (b && !sn_gov_breaker_allow(b, start, sn_random())) {
        ADD(&c->refused, 1);
        sn_counter_add(c->m_refused, 1);
        return sn_fail(SN_E_UNAVAILABLE, "%s %s: the method's breaker drops the call", c->o.service,
                       w->q->method);
    }
    sn_gov_budget_begin(&c->budget);
    attempts(w, a);
    sn_gov_budget_end(&c->budget);
    bool bad = a->result < 0 ? sn_gov_is_failure(a->result) : status_failed(a->resp->status);
    if (b && a->result != SN_E_CANCELLED) sn_gov_breaker_mark(b, start, sn_now(), !bad);
    return a->result;
}

static void measure(struct sn_gov_client *c, const struct work *w, int64_t took, int code)
{
    static const double bounds[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000};
    int64_t now = sn_now();
    struct method *m = sn_gov_keyed_get(&c->methods, w->key, now);
    struct code *k = sn_gov_keyed_get(&c->codes, sn_gov_key2(w->key, (uint64_t)code), now);
    struct sn_histogram *h = __atomic_load_n(&m->duration, __ATOMIC_ACQUIRE);
    struct sn_counter *n = __atomic_load_n(&k->n, __ATOMIC_ACQUIRE);
    char text[12];
    struct sn_buf b;
    sn_buf_init_fixed(&b, text, sizeof(text));
    sn_buf_i64(&b, code);
    struct sn_labels l = {.n = 1,
                          .l = {{SN_STR("path"), sn_str(w->q->method)},
                                {SN_STR("code"), sn_buf_view(&b)}}};
    if (!h)
        h = sn_histogram_new(c->o.metrics, "http_client_requests_duration_ms",
                             "Duration of calls in milliseconds, retries included.", &l, bounds,
                             SN_COUNT_OF(bounds));
    l.n = 2;
    if (!n)
        n = sn_counter_new(c->o.metrics, "http_client_requests_code_total", "Calls by status.", &l);
    __atomic_store_n(&m->duration, h, __ATOMIC_RELEASE);
    __atomic_store_n(&k->n, n, __ATOMIC_RELEASE);
    if (h) sn_histogram_observe(h, (double)took * 1e-6);
    if (n) sn_counter_add(n, 1);
}

int sn_gov_client_do(struct sn_gov_client *c, const struct sn_gov_request *q,
                     struct sn_http_resp **ret)
{
    const struct sn_gov_call *current = sn_gov_current();
    struct sn_span span;
    uint64_t rnd[3] = {sn_random(), sn_random(), sn_random()};
    sn_span_init(&span, current ? &current->span.ctx : NULL, sn_str(q->method), SN_SPAN_CLIENT,
                 c->o.trace_ratio < 0 ? 0 : c->o.trace_ratio, sn_wall_now(), rnd);
    if (current) span.state = current->span.state;
    struct work w = {.c = c,
                     .q = q,
                     .span = &span,
                     .key = sn_hash(q->method, strlen(q->method), 0)};
    if (current) w.baggage = current->baggage;
    struct attempt a = {.w = &w};
    int64_t start = sn_now(), prev = sn_deadline();
    ADD(&c->calls, 1);
    if (c->o.timeout_ns > 0) sn_deadline_tighten(start + c->o.timeout_ns);
    int r = guarded(&w, &a);
    sn_deadline_restore(prev);
    int code = r < 0 ? sn_status_http(r) : a.resp->status;
    sn_span_str(&span, "peer.service", sn_str(c->o.service));
    sn_span_int(&span, "http.response.status_code", code);
    sn_span_int(&span, "http.request.resend_count", w.n_tried ? (int64_t)w.n_tried - 1 : 0);
    span.error = r < 0 || code >= 500;
    if (r < 0) span.message = sn_str(sn_status_name(r));
    sn_otlp_end(c->o.otlp, &span, sn_wall_now());
    measure(c, &w, sn_now() - start, code);
    if (r == 0) *ret = a.resp;
    return r;
}
