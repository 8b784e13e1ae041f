/* SPDX-License-Identifier: Apache-2.0 */
/* govern/chain.c - the guards around a call; see chain.h. */
#include "core/alloc.h"
#include "core/enc.h"
#include "core/map.h"
#include "govern/chain_int.h"
#include "govern/cpu.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)

static const char *const why_names[SN_GOV_WHY_COUNT] = {
    [SN_GOV_WHY_NONE] = "none",         [SN_GOV_WHY_DRAINING] = "draining",
    [SN_GOV_WHY_INFLIGHT] = "inflight", [SN_GOV_WHY_SHED] = "shed",
    [SN_GOV_WHY_BREAKER] = "breaker",   [SN_GOV_WHY_RATE] = "rate",
    [SN_GOV_WHY_TOKEN] = "token",       [SN_GOV_WHY_BODY] = "body",
};

const char *sn_gov_why_name(enum sn_gov_why w) { return w < SN_GOV_WHY_COUNT ? why_names[w] : "?"; }

/* ---- metrics --------------------------------------------------------------------------------- */

static struct sn_labels label(const char *name, struct sn_str value)
{
    return (struct sn_labels){.n = 1, .l = {{sn_str(name), value}}};
}

static int server_metrics(struct sn_gov_server *s)
{
    struct sn_metrics *m = s->o.metrics;
    for (unsigned i = 1; i < SN_GOV_WHY_COUNT; i++) {
        struct sn_labels l = label("reason", sn_str(why_names[i]));
        s->m_refused[i] = sn_counter_new(m, "govern_refused_total",
                                         "Calls refused before their handler, by reason.", &l);
        if (!s->m_refused[i]) return SN_E_NOMEM;
    }
    s->m_panics = sn_counter_new(m, "govern_panics_total", "Handlers that panicked.", NULL);
    s->m_active = sn_gauge_new(m, "http_server_requests_active", "Calls being served.", NULL);
    s->m_limit = sn_gauge_new(m, "govern_shed_limit",
                              "Calls in flight beyond which load is shed when CPU is busy.", NULL);
    s->m_cpu = sn_gauge_new(m, "govern_cpu_permille",
                            "CPU use of what may be used, moving average.", NULL);
    return s->m_panics && s->m_active && s->m_limit && s->m_cpu ? 0 : SN_E_NOMEM;
}

static int route_metrics(struct sn_gov_route *r)
{
    static const double bounds[] = {5, 10, 25, 50, 100, 250, 500, 750, 1000, 2500, 5000};
    struct sn_labels path = label("path", sn_str(r->name)),
                     l = r->o.rpc ? label("method", sn_str(r->name)) : path;
    struct sn_metrics *m = r->s->o.metrics;
    r->m_duration =
        sn_histogram_new(m,
                         r->o.rpc ? "rpc_server_requests_duration_ms"
                                  : "http_server_requests_duration_ms",
                         "Duration of calls in milliseconds.", &l, bounds, SN_COUNT_OF(bounds));
    r->m_open =
        sn_gauge_new(m, "govern_breaker_open", "1 while the route's breaker drops calls.", &path);
    return r->m_duration && r->m_open ? 0 : SN_E_NOMEM;
}

/* Made at the first answer of its status; racing makers get the same one from the registry. */
static void count_code(struct sn_gov_route *r, unsigned code)
{
    if (code >= GOV_CODES) return;
    struct sn_counter **at = &r->m_codes[code], *c = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    if (!c) {
        char text[12];
        struct sn_buf b;
        sn_buf_init_fixed(&b, text, sizeof(text));
        sn_buf_u64(&b, code);
        struct sn_labels l = {.n = 2,
                              .l = {{r->o.rpc ? SN_STR("method") : SN_STR("path"), sn_str(r->name)},
                                    {SN_STR("code"), sn_buf_view(&b)}}};
        c = sn_counter_new(r->s->o.metrics,
                           r->o.rpc ? "rpc_server_requests_code_total"
                                    : "http_server_requests_code_total",
                           "Calls by status.", &l);
        if (!c) return;
        __atomic_store_n(at, c, __ATOMIC_RELEASE);
    }
    sn_counter_add(c, 1);
}

void gov_count(struct sn_gov_server *s, enum sn_gov_why why)
{
    ADD(&s->refused[why], 1);
    sn_counter_add(s->m_refused[why], 1);
}

/* ---- life ------------------------------------------------------------------------------------ */

int sn_gov_server_new(const struct sn_gov_server_opts *o, struct sn_gov_server **ret)
{
    if (o->rate.per_s < 0 || o->rate.per_s > SN_GOV_RATE_MAX || o->inflight_max < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "govern: a rate of 0 to %.0f a second and inflight_max >= 0 are expected",
                       SN_GOV_RATE_MAX);
    struct sn_gov_server *s = SN_NEW(struct sn_gov_server);
    if (!s) return SN_E_NOMEM;
    s->o = *o;
    if (!s->o.inflight_max) s->o.inflight_max = SN_GOV_INFLIGHT_MAX;
    if (!s->o.shed.processors) s->o.shed.processors = sn_worker_count();
    if (s->o.trace_ratio == 0) s->o.trace_ratio = 1.0;
    if (s->o.trace_ratio < 0) s->o.trace_ratio = 0;
    sn_gov_shed_init(&s->shed, &s->o.shed);
    int r = o->rate.per_s > 0 ? sn_gov_buckets_init(&s->buckets, 1u << 16) : 0;
    if (r == 0) r = server_metrics(s);
    if (r < 0) {
        sn_gov_server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void sn_gov_server_free(struct sn_gov_server *s)
{
    if (!s) return;
    for (struct sn_gov_route *r = s->routes, *next; r; r = next) {
        next = r->next;
        sn_free(r->name);
        sn_free(r);
    }
    sn_gov_keyed_done(&s->buckets);
    sn_free(s);
}

int sn_gov_route_new(struct sn_gov_server *s, const struct sn_gov_route_opts *o,
                     struct sn_gov_route **ret)
{
    if (!o->name || !o->name[0] || strlen(o->name) > 200)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "govern: a route's name of 1 to 200 bytes is expected");
    struct sn_gov_route *r = SN_NEW(struct sn_gov_route);
    size_t n = strlen(o->name) + 1;
    if (r) r->name = sn_alloc(n);
    if (!r || !r->name) {
        sn_free(r);
        return SN_E_NOMEM;
    }
    memcpy(r->name, o->name, n);
    r->o = *o;
    r->o.name = r->name;
    r->s = s;
    if (!r->o.timeout_ns) r->o.timeout_ns = o->rpc ? SN_GOV_TIMEOUT_RPC_NS : SN_GOV_TIMEOUT_HTTP_NS;
    if (!r->o.body_bytes_max) r->o.body_bytes_max = SN_GOV_BODY_MAX;
    if (route_metrics(r) < 0) {
        sn_free(r->name);
        sn_free(r);
        return SN_E_NOMEM;
    }
    r->next = s->routes;
    s->routes = r;
    *ret = r;
    return 0;
}

void sn_gov_server_cpu(struct sn_gov_server *s, uint32_t average, uint32_t latest)
{
    sn_gov_shed_cpu(&s->shed, average, latest, sn_now());
    sn_gauge_set(s->m_cpu, average);
    int64_t limit = sn_gov_shed_limit(&s->shed, sn_now());
    sn_gauge_set(s->m_limit, limit == INT64_MAX ? -1.0 : (double)limit);
    for (const struct sn_gov_route *r = s->routes; r; r = r->next)
        sn_gauge_set(r->m_open, LOAD(&r->breaker.open));
}

static void cpu_sample(const struct sn_gov_cpu *c, void *arg)
{
    sn_gov_server_cpu(arg, (uint32_t)(c->ewma + 0.5), c->latest);
}

int sn_gov_server_run(struct sn_gov_server *s) { return sn_gov_cpu_run("", cpu_sample, s); }

void sn_gov_server_drain(struct sn_gov_server *s, bool draining)
{
    __atomic_store_n(&s->draining, draining, __ATOMIC_RELEASE);
}

void sn_gov_server_stats(const struct sn_gov_server *s, struct sn_gov_server_stats *ret)
{
    *ret = (struct sn_gov_server_stats){.calls = LOAD(&s->calls),
                                        .panics = LOAD(&s->panics),
                                        .active = LOAD(&s->active)};
    for (unsigned i = 0; i < SN_GOV_WHY_COUNT; i++) ret->refused[i] = LOAD(&s->refused[i]);
}

/* ---- a call ---------------------------------------------------------------------------------- */

struct sn_gov_call *sn_gov_current(void)
{
    void **slot = sn_self() ? sn_fiber_local() : NULL;
    return slot ? *slot : NULL;
}

size_t sn_gov_log_trace(char out[32])
{
    const struct sn_gov_call *c = sn_gov_current();
    return c ? sn_hex_encode(c->span.ctx.trace_id, 16, out) : 0;
}

static int refuse(struct sn_gov_server *s, struct sn_gov_call *c, enum sn_gov_why why,
                  int64_t retry_after)
{
    c->why = why;
    c->retry_after_ns = retry_after;
    gov_count(s, why);
    return why == SN_GOV_WHY_RATE ? SN_E_RESOURCE_EXHAUSTED : SN_E_UNAVAILABLE;
}

static bool within_rate(struct sn_gov_server *s, struct sn_str client, int64_t now,
                        int64_t *ret_wait)
{
    *ret_wait = 0;
    if (s->o.shared)
        return sn_gov_shared_take(s->o.shared, client, 1, ret_wait) != 0; /* a failure admits */
    if (!(s->o.rate.per_s > 0)) return true;
    struct sn_gov_bucket *b =
        sn_gov_keyed_get(&s->buckets, sn_hash(client.ptr, client.len, 0), now);
    return sn_gov_bucket_take(b, &s->o.rate, 1, now, ret_wait);
}

int sn_gov_enter(struct sn_gov_server *s, struct sn_gov_call *c, struct sn_str client)
{
    int64_t now = c->start_ns = sn_now(), wait, n = ADD(&s->active, 1);
    ADD(&s->calls, 1);
    void **local = sn_fiber_local();
    c->outer = *local;
    *local = c;
    if (c->route->o.important) return 0;
    if (__atomic_load_n(&s->draining, __ATOMIC_ACQUIRE))
        return refuse(s, c, SN_GOV_WHY_DRAINING, 0);
    if (n > s->o.inflight_max) return refuse(s, c, SN_GOV_WHY_INFLIGHT, SN_SEC);
    if (!s->o.shed_off && !sn_gov_shed_enter(&s->shed, now))
        return refuse(s, c, SN_GOV_WHY_SHED, SN_SEC);
    c->shed_held = !s->o.shed_off;
    if (!s->o.breaker_off && !sn_gov_breaker_allow(&c->route->breaker, now, sn_random()))
        return refuse(s, c, SN_GOV_WHY_BREAKER, SN_SEC);
    if (!within_rate(s, client, now, &wait)) return refuse(s, c, SN_GOV_WHY_RATE, wait);
    c->breaker = s->o.breaker_off ? NULL : &c->route->breaker;
    return 0;
}

void sn_gov_leave(struct sn_gov_server *s, struct sn_gov_call *c, int status, int code)
{
    int64_t now = sn_now();
    bool failed = sn_gov_is_failure(status);
    ADD(&s->active, -1);
    /* A call that was refused behind the shedder says nothing about how long calls take. */
    if (c->shed_held)
        sn_gov_shed_leave(&s->shed, c->start_ns, now, c->why == SN_GOV_WHY_NONE && !failed);
    /* What the client did wrong, or was told for its own sake, is no failure of the route. */
    if (c->breaker) sn_gov_breaker_mark(c->breaker, c->start_ns, now, !failed);
    if (status == SN_E_PANIC) {
        ADD(&s->panics, 1);
        sn_counter_add(s->m_panics, 1);
    }
    sn_gauge_set(s->m_active, (double)LOAD(&s->active));
    sn_histogram_observe(c->route->m_duration, (double)(now - c->start_ns) * 1e-6);
    if (c->route->o.rpc) code = sn_status_canonical(status);
    count_code(c->route, (unsigned)(code || c->route->o.rpc ? code : sn_status_http(status)));
    *sn_fiber_local() = c->outer;
}
