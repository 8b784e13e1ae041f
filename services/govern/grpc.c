/* SPDX-License-Identifier: Apache-2.0 */
/* govern/grpc.c - see grpc.h. */
#include "govern/grpc.h"

#include "core/alloc.h"
#include "core/map.h"
#include "govern/balance.h"
#include "govern/chain_int.h"
#include "govern/otlp.h"

/* ---- server ---------------------------------------------------------------------------------- */

struct sn_gov_grpc {
    struct sn_gov_server *s;
    struct sn_gov_route_opts o;
    struct sn_map routes; /* path -> struct sn_gov_route; fixed once calls come */
};

int sn_gov_grpc_new(struct sn_gov_server *s, const struct sn_gov_route_opts *o,
                    struct sn_gov_grpc **ret)
{
    struct sn_gov_grpc *g = SN_NEW(struct sn_gov_grpc);
    if (!g) return SN_E_NOMEM;
    g->s = s;
    if (o) g->o = *o;
    g->o.rpc = true;
    sn_map_init(&g->routes, 1, false);
    *ret = g;
    return 0;
}

void sn_gov_grpc_free(struct sn_gov_grpc *g)
{
    if (!g) return;
    sn_map_done(&g->routes);
    sn_free(g);
}

int sn_gov_grpc_add(struct sn_gov_grpc *g, const struct sn_pb_service *svc)
{
    for (uint32_t i = 0; i < svc->n_methods; i++) {
        struct sn_gov_route_opts o = g->o;
        struct sn_gov_route *r;
        char name[201];
        int e = sn_str_cz(svc->methods[i].path, name, sizeof(name));
        if (e < 0) return sn_wrap(e, "method %.*s", SN_STR_ARG(svc->methods[i].path));
        o.name = name;
        e = sn_gov_route_new(g->s, &o, &r);
        if (e == 0) e = sn_map_put(&g->routes, svc->methods[i].path, r, NULL);
        if (e < 0) return e;
    }
    return 0;
}

/* One call and how it ends, also when a panic unwinds it. */
struct run {
    struct sn_gov_grpc *g;
    struct sn_grpc_call *c;
    struct sn_grpc_chain *next;
    struct sn_gov_call call;
    int result;
};

static void run_done(struct run *r)
{
    struct sn_span *span = &r->call.span;
    sn_span_int(span, "rpc.grpc.status_code", sn_status_canonical(r->result));
    if (r->call.why) sn_span_str(span, "govern.refused", sn_str(sn_gov_why_name(r->call.why)));
    span->error = sn_gov_is_failure(r->result);
    if (span->error) span->message = sn_str(sn_status_name(r->result));
    sn_gov_leave(r->g->s, &r->call, r->result, 0);
    if (!r->g->s->o.trace_off) sn_otlp_end(r->g->s->o.otlp, span, sn_wall_now());
}

static void trace_begin(struct run *r)
{
    struct sn_span_ctx parent;
    uint64_t rnd[3] = {sn_random(), sn_random(), sn_random()};
    struct sn_str state = sn_grpc_metadata(r->c, "tracestate"), name = sn_str(r->call.route->name);
    bool has = sn_traceparent_parse(sn_grpc_metadata(r->c, "traceparent"), &parent) == 0;
    sn_span_init(&r->call.span, has ? &parent : NULL, name, SN_SPAN_SERVER,
                 r->g->s->o.trace_off ? 0 : r->g->s->o.trace_ratio, sn_wall_now(), rnd);
    if (has && sn_tracestate_ok(state)) r->call.span.state = state;
    struct sn_str baggage = sn_grpc_metadata(r->c, "baggage");
    if (baggage.len <= SN_BAGGAGE_MAX) r->call.baggage = baggage;
    sn_span_str(&r->call.span, "rpc.system", SN_STR("grpc"));
    sn_span_str(&r->call.span, "rpc.method", name);
}

static int refused(struct run *r, int status)
{
    struct sn_grpc_call *c = r->c;
    int64_t ms = SN_MIN(r->call.retry_after_ns / SN_MS, 3600000);
    struct sn_str v =
        ms > 0 ? sn_arena_printf(c->arena, "%lld", (long long)ms) : (struct sn_str){0};
    if (v.ptr && sn_grpc_trailer_add(c, SN_STR("grpc-retry-pushback-ms"), v) < 0)
        v.ptr = NULL; /* a hint only */
    return sn_grpc_fail(c, status, "refused: %s", sn_gov_why_name(r->call.why));
}

static int token(struct run *r)
{
    const struct sn_gov_route_opts *o = &r->call.route->o;
    struct sn_str auth = sn_grpc_metadata(r->c, "authorization");
    struct sn_jwt_check check = o->jwt_check;
    check.now_ns = sn_wall_now();
    int e = SN_E_UNAUTHENTICATED;
    if (auth.len > 7 && sn_str_ieq(sn_str_sub(auth, 0, 7), SN_STR("Bearer "))) {
        struct sn_jwt_keys *keys = sn_jwt_store_get(o->jwt);
        e = keys ? sn_jwt_verify(keys, sn_str_trim(sn_str_from(auth, 7)), &check, r->c->arena,
                                 &r->call.jwt)
                 : SN_E_NOT_FOUND;
        sn_jwt_keys_unref(keys);
    }
    if (e == 0) return 0;
    if (e == SN_E_NOT_FOUND) sn_jwt_store_want(o->jwt);
    r->call.why = SN_GOV_WHY_TOKEN;
    gov_count(r->g->s, SN_GOV_WHY_TOKEN);
    return sn_grpc_fail(r->c, SN_E_UNAUTHENTICATED, "a valid bearer token is required");
}

static int inside(void *arg)
{
    struct run *r = arg;
    return sn_grpc_next(r->c, r->next);
}

/* The peer without its port; empty for a Unix socket. */
static struct sn_str client_of(struct sn_grpc_call *c)
{
    struct sn_str p = sn_grpc_peer(c);
    ssize_t colon = p.ptr ? sn_str_rchr(p, ':') : -1;
    return colon < 0 ? (struct sn_str){0} : sn_str_sub(p, 0, (size_t)colon);
}

static int server_around(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    struct sn_gov_grpc *g = arg;
    struct sn_gov_route *route = sn_map_get(&g->routes, c->path);
    if (!route) return sn_grpc_next(c, next);
    struct run r SN_CLEANUP(run_done) = {.g = g, .c = c, .next = next};
    r.call.route = route;
    trace_begin(&r);
    r.result = sn_gov_enter(g->s, &r.call, client_of(c));
    if (r.result < 0) return refused(&r, r.result);
    if (route->o.jwt && (r.result = token(&r)) < 0) return r.result;
    bool unary = c->method && !c->method->client_streaming && !c->method->server_streaming;
    int64_t prev = sn_deadline();
    if (unary && route->o.timeout_ns > 0)
        sn_deadline_tighten(r.call.start_ns + route->o.timeout_ns);
    r.result = sn_try(inside, &r);
    sn_deadline_restore(prev);
    return r.result == SN_E_PANIC ? SN_E_INTERNAL : r.result;
}

struct sn_grpc_interceptor sn_gov_grpc_server(struct sn_gov_grpc *g)
{
    return (struct sn_grpc_interceptor){.name = "govern", .around = server_around, .arg = g};
}

/* ---- client ---------------------------------------------------------------------------------- */

struct sn_gov_grpc_client {
    struct sn_gov_grpc_client_opts o;
    struct sn_gov_keyed breakers;
    struct sn_counter *m_refused;
    struct sn_histogram *m_duration;
};

int sn_gov_grpc_client_new(const struct sn_gov_grpc_client_opts *o, struct sn_gov_grpc_client **ret)
{
    static const double bounds[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000};
    struct sn_gov_grpc_client *c = SN_NEW(struct sn_gov_grpc_client);
    if (!c) return SN_E_NOMEM;
    if (o) c->o = *o;
    if (!c->o.timeout_ns) c->o.timeout_ns = SN_GOV_TIMEOUT_RPC_NS;
    if (c->o.trace_ratio == 0) c->o.trace_ratio = 1.0;
    int e = sn_gov_breakers_init(&c->breakers, 0);
    c->m_refused = sn_counter_new(c->o.metrics, "rpc_client_refused_total",
                                  "Calls that a breaker refused.", NULL);
    c->m_duration =
        sn_histogram_new(c->o.metrics, "rpc_client_requests_duration_ms",
                         "Duration of calls in milliseconds.", NULL, bounds, SN_COUNT_OF(bounds));
    if (e < 0 || !c->m_refused || !c->m_duration) {
        sn_gov_grpc_client_free(c);
        return SN_E_NOMEM;
    }
    *ret = c;
    return 0;
}

void sn_gov_grpc_client_free(struct sn_gov_grpc_client *c)
{
    if (!c) return;
    sn_gov_keyed_done(&c->breakers);
    sn_free(c);
}

static int headers_add(struct sn_grpc_call *c, const struct sn_span *span, struct sn_str baggage)
{
    char parent[SN_TRACEPARENT_LEN];
    int r = sn_grpc_metadata_add(c, SN_STR("traceparent"),
                                 sn_str_of(parent, sn_traceparent_format(&span->ctx, parent)));
    if (r == 0 && span->state.len) r = sn_grpc_metadata_add(c, SN_STR("tracestate"), span->state);
    if (r == 0 && baggage.len) r = sn_grpc_metadata_add(c, SN_STR("baggage"), baggage);
    return r;
}

static int client_around(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    struct sn_gov_grpc_client *g = arg;
    const struct sn_gov_call *current = sn_gov_current();
    int64_t start = sn_now(), prev = sn_deadline();
    struct sn_gov_breaker *b =
        g->o.breaker_off
            ? NULL
            : sn_gov_breakers_get(&g->breakers, sn_hash(c->path.ptr, c->path.len, 0), start);
    if (b && !sn_gov_breaker_allow(b, start, sn_random())) {
        sn_counter_add(g->m_refused, 1);
        return sn_fail(SN_E_UNAVAILABLE, "%.*s: the method's breaker drops the call",
                       SN_STR_ARG(c->path));
    }
    struct sn_span span;
    uint64_t rnd[3] = {sn_random(), sn_random(), sn_random()};
    sn_span_init(&span, current ? &current->span.ctx : NULL, c->path, SN_SPAN_CLIENT,
                 g->o.trace_ratio < 0 ? 0 : g->o.trace_ratio, sn_wall_now(), rnd);
    if (current) span.state = current->span.state;
    bool unary = c->method && !c->method->client_streaming && !c->method->server_streaming;
    int r = headers_add(c, &span, current ? current->baggage : (struct sn_str){0});
    if (r == 0) {
        if (unary && g->o.timeout_ns > 0) sn_deadline_tighten(start + g->o.timeout_ns);
        r = sn_grpc_next(c, next);
        sn_deadline_restore(prev);
    }
    int64_t now = sn_now();
    if (b && r != SN_E_CANCELLED) sn_gov_breaker_mark(b, start, now, !sn_gov_is_failure(r));
    sn_histogram_observe(g->m_duration, (double)(now - start) * 1e-6);
    sn_span_str(&span, "rpc.system", SN_STR("grpc"));
    sn_span_int(&span, "rpc.grpc.status_code", sn_status_canonical(r));
    span.error = r < 0;
    if (r < 0) span.message = sn_str(sn_status_name(r));
    sn_otlp_end(g->o.otlp, &span, sn_wall_now());
    return r;
}

struct sn_grpc_interceptor sn_gov_grpc_client(struct sn_gov_grpc_client *c)
{
    return (struct sn_grpc_interceptor){.name = "govern", .around = client_around, .arg = c};
}

/* ---- p2c ------------------------------------------------------------------------------------- */

#define DRAWS 8

/* The endpoint's record, on a cache line's beginning; made ready at its first sight. */
static struct sn_gov_endpoint *gov_of(struct sn_grpc_endpoint *ep)
{
    struct sn_gov_endpoint *g =
        (void *)(((uintptr_t)ep->user + SN_CACHE_LINE - 1) & ~(uintptr_t)(SN_CACHE_LINE - 1));
    if (!g->force_ns) sn_gov_endpoint_reset(g);
    return g;
}

static void p2c_update(struct sn_grpc_lb *lb)
{
    for (unsigned i = 0; i < lb->n; i++)
        if (lb->eps[i]->state == SN_GRPC_IDLE) sn_grpc_lb_connect(lb, i);
}

static int p2c_none(const struct sn_grpc_lb *lb)
{
    for (unsigned i = 0; i < lb->n; i++)
        if (lb->eps[i]->state == SN_GRPC_IDLE || lb->eps[i]->state == SN_GRPC_CONNECTING)
            return SN_E_AGAIN;
    return lb->n ? SN_E_UNAVAILABLE : SN_E_AGAIN;
}

static int p2c_pick(struct sn_grpc_lb *lb, struct sn_grpc_call *c)
{
    struct sn_grpc_endpoint *a = NULL, *b = NULL;
    uint64_t rnd = sn_random();
    unsigned from = lb->n ? (unsigned)(rnd % lb->n) : 0;
    for (int i = 0; i < DRAWS && !b && lb->n; i++) {
        struct sn_grpc_endpoint *ep = lb->eps[sn_random() % lb->n];
        if (ep->state != SN_GRPC_READY || ep == a) continue;
        if (a)
            b = ep;
        else
            a = ep;
    }
    for (unsigned i = 0; i < lb->n && !a; i++)
        if (lb->eps[(from + i) % lb->n]->state == SN_GRPC_READY) a = lb->eps[(from + i) % lb->n];
    if (!a) return p2c_none(lb);
    struct sn_gov_endpoint *x = gov_of(a);
    if (b && sn_gov_better(x, gov_of(b), sn_now(), 0) != x) {
        a = b;
        x = gov_of(b);
    }
    /* The call's start stands for the attempt's: what begins and what ends must be the same number.
     */
    sn_gov_endpoint_begin(x, c->start_ns);
    return (int)a->index;
}

static void p2c_outcome(struct sn_grpc_lb *lb, struct sn_grpc_endpoint *ep, struct sn_grpc_call *c,
                        const struct sn_grpc_outcome *o)
{
    struct sn_gov_endpoint *g = gov_of(ep);
    int64_t now = sn_now();
    enum sn_gov_result result = o->status == SN_E_CANCELLED    ? SN_GOV_ABANDONED
                                : sn_gov_is_failure(o->status) ? SN_GOV_FAILED
                                                               : SN_GOV_OK;
    sn_gov_endpoint_end(g, c->start_ns, now, result);
}

const struct sn_grpc_lb_ops sn_gov_grpc_p2c = {.name = "p2c",
                                               .health = true,
                                               .endpoint_bytes =
                                                   sizeof(struct sn_gov_endpoint) + SN_CACHE_LINE,
                                               .update = p2c_update,
                                               .pick = p2c_pick,
                                               .outcome = p2c_outcome};
