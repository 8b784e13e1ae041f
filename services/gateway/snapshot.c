/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/snapshot.c - from a configuration's text to a published snapshot, and its end. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "gateway/config.h"
#include "gateway/gw_int.h"
#include "gateway/takeover.h"

#define CONFIG_BYTES_MAX (16u << 20)
#define RETIRE_POLL_NS (5 * SN_MS)

/* ---- stage one: text to tables -------------------------------------------------------------- */

static bool serves(const struct sn_gw_conf_route *r, struct sn_str listener)
{
    for (size_t i = 0; i < r->n_listeners; i++)
        if (sn_str_eq(r->listeners[i], listener)) return true;
    return r->n_listeners == 0;
}

static int table_compile(struct gw_load *l, struct gw_table *t, struct sn_str listener)
{
    const struct sn_gw_conf *c = l->conf;
    struct sn_gw_rule *rules = SN_ARENA_ARRAY(&l->arena, struct sn_gw_rule, c->n_routes + 1);
    t->map = SN_ARENA_ARRAY(&l->arena, uint32_t, c->n_routes + 1);
    if (!rules || !t->map) return SN_E_NOMEM;
    size_t n = 0, bad_rule = 0, bad_match = 0;
    for (size_t i = 0; i < c->n_routes; i++) {
        if (!serves(&c->routes[i], listener)) continue;
        rules[n] = c->routes[i].rule;
        t->map[n++] = (uint32_t)i;
    }
    int r = sn_gw_router_new(rules, n, l->workers, &t->router, &bad_rule, &bad_match);
    if (r == SN_E_SYNTAX || r == SN_E_TOO_LARGE) {
        char at[64], why[SN_DIAG_BYTES];
        snprintf(at, sizeof(at), "routes[%u].match[%zu]", t->map[bad_rule], bad_match);
        sn_conf_error(&l->cf, at, "%s", sn_diag_format(r, why, sizeof(why)));
    }
    return r;
}

/* Expressions that change paths, and what each worker needs to run them. */
static int rewrites_compile(struct gw_load *l)
{
    const struct sn_gw_conf *c = l->conf;
    bool any = false;
    l->rewrites = SN_ARENA_ARRAY(&l->arena, struct sn_gw_regex *, c->n_routes + 1);
    if (!l->rewrites) return SN_E_NOMEM;
    for (size_t i = 0; i < c->n_routes; i++) {
        if (!c->routes[i].proxy.rewrite.enabled) continue;
        int r = sn_gw_regex_new(c->routes[i].proxy.rewrite.regex, &l->rewrites[i]);
        if (r == SN_E_NOMEM) return r;
        any = true;
        if (r < 0) {
            char at[64], why[SN_DIAG_BYTES];
            snprintf(at, sizeof(at), "routes[%zu].proxy.rewrite.regex", i);
            sn_conf_error(&l->cf, at, "%s", sn_diag_format(r, why, sizeof(why)));
        }
    }
    if (!any) return 0;
    l->rewriting = SN_ARENA_ARRAY(&l->arena, struct sn_gw_regex_ctx *, l->workers);
    for (unsigned i = 0; l->rewriting && i < l->workers; i++)
        if (!(l->rewriting[i] = sn_gw_regex_ctx_new())) return SN_E_NOMEM;
    return l->rewriting ? 0 : SN_E_NOMEM;
}

static void rewriting_free(struct sn_gw_regex_ctx **c, unsigned workers)
{
    for (unsigned i = 0; c && i < workers; i++) sn_gw_regex_ctx_free(c[i]);
}

struct load_job {
    struct gw_load *l;
    struct sn_str text, objects;
    struct sn_buf *status, *documents;
};

static int load_compile(void *arg)
{
    struct load_job *j = arg;
    struct gw_load *l = j->l;
    l->conf = SN_ARENA_NEW(&l->arena, struct sn_gw_conf);
    if (!l->conf) return SN_E_NOMEM;
    int r = sn_gw_conf_read_status(&l->cf, j->text, j->objects, l->conf, j->status, j->documents);
    if (r < 0) return r;
    l->tables = SN_ARENA_ARRAY(&l->arena, struct gw_table, l->conf->n_listeners);
    if (!l->tables) return SN_E_NOMEM;
    for (size_t i = 0; r == 0 && i < l->conf->n_listeners; i++) {
        if (l->cf.n_errors) break; /* the same expression would be reported once per listener */
        r = table_compile(l, &l->tables[i], l->conf->listeners[i].name);
    }
    return r < 0 ? r : rewrites_compile(l);
}

int gw_load_run(const struct sn_gateway_opts *opts, struct sn_str text, unsigned workers,
                struct gw_load *ret, struct sn_buf *ret_errors)
{
    struct gw_load *l = ret;
    memset(l, 0, sizeof(*l));
    sn_arena_init(&l->arena, NULL, 0);
    l->workers = workers;
    const char *name = opts->config_path   ? opts->config_path
                       : opts->config_name ? opts->config_name
                                           : "gateway.yaml";
    sn_conf_init(&l->cf, &l->arena, name);
    int r = 0;
    if (opts->config_path) r = sn_file_read(&l->arena, opts->config_path, CONFIG_BYTES_MAX, &text);
    if (r < 0) {
        char why[SN_DIAG_BYTES];
        sn_diag_format(r, why, sizeof(why));
        sn_buf_printf(ret_errors, "%s: %s\n", name, why);
    } else {
        l->text = text;
        struct load_job job = {l, text, opts->kube_objects, opts->ret_status,
                               opts->ret_documents};
        /* Compiling expressions and reading a large file are too much for a fiber: its stack, and
         * the other fibers' time. */
        r = sn_offload(load_compile, &job);
        if (l->cf.n_errors) {
            sn_conf_report(&l->cf, ret_errors);
            r = r < 0 ? r : SN_E_INVALID_ARGUMENT;
        } else if (r < 0) {
            sn_buf_printf(ret_errors, "%s: %s\n", name, sn_status_name(r));
        }
    }
    if (r < 0) gw_load_done(l);
    return r;
}

void gw_load_done(struct gw_load *l)
{
    for (size_t i = 0; l->tables && l->conf && i < l->conf->n_listeners; i++)
        sn_gw_router_free(l->tables[i].router);
    l->tables = NULL;
    for (size_t i = 0; l->rewrites && i < l->conf->n_routes; i++) sn_gw_regex_free(l->rewrites[i]);
    rewriting_free(l->rewriting, l->workers);
    l->rewrites = NULL;
    l->rewriting = NULL;
    sn_arena_done(&l->arena);
}

/* ---- stage two: state ----------------------------------------------------------------------- */

void gw_client_unref(struct gw_client *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL)) return;
    sn_http_client_free(c->http);
    gw_tls_free(c->tls);
    sn_buf_done(&c->key);
    sn_free(c);
}

static void client_key(const struct sn_gw_conf_upstream *u, struct sn_buf *key)
{
    const struct sn_gw_conf_tls_client *t = &u->tls;
    sn_buf_printf(key, "%d %lld %lld %llu %llu %d %d", u->h2, (long long)u->connect_timeout,
                  (long long)u->keepalive_idle, (unsigned long long)u->keepalive_connections,
                  (unsigned long long)u->connections_max, t->enabled, t->insecure);
    const struct sn_str parts[] = {t->ca, t->cert, t->key, t->server_name};
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++) {
        sn_buf_byte(key, 0);
        sn_buf_str(key, parts[i]);
    }
}

static int client_get(struct gw_pool *old, const struct sn_gw_conf_upstream *u,
                      struct gw_client **ret)
{
    struct gw_client *c = SN_NEW(struct gw_client);
    if (!c) return SN_E_NOMEM;
    client_key(u, &c->key);
    if (c->key.err == 0 && old && sn_str_eq(sn_buf_view(&old->client->key), sn_buf_view(&c->key))) {
        sn_buf_done(&c->key);
        sn_free(c);
        c = old->client;
        __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
        *ret = c;
        return 0;
    }
    c->refs = 1;
    int r = c->key.err;
    if (r == 0 && u->tls.enabled) r = gw_tls_client(u, &c->tls);
    struct sn_http_client_opts o = {
        .tls = c->tls,
        .h2_prior_knowledge = u->h2 && !u->tls.enabled,
        .h2_off = !u->h2,
        .idle_per_addr_max = (unsigned)u->keepalive_connections,
        .conns_per_addr_max = (unsigned)u->connections_max,
        .idle_ns = u->keepalive_idle,
        .connect_ns_max = u->connect_timeout,
    };
    if (r == 0) r = sn_http_client_new(&o, &c->http);
    if (r < 0) {
        gw_tls_free(c->tls);
        sn_buf_done(&c->key);
        sn_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

static struct sn_gw_endpoint *endpoint_get(const struct gw_pool *old, struct sn_str addr,
                                           unsigned workers)
{
    for (uint32_t i = 0; old && i < old->pool->n; i++)
        if (sn_str_eqc(addr, old->pool->eps[i]->addr)) return sn_gw_endpoint_ref(old->pool->eps[i]);
    struct sn_gw_endpoint *ep = sn_gw_endpoint_new(addr);
    if (ep && !(ep->meter = sn_gw_meter_new(workers))) {
        sn_gw_endpoint_unref(ep);
        ep = NULL;
    }
    return ep;
}

static int pool_build(struct gw_snap *s, struct gw_pool *p, struct gw_pool *old)
{
    const struct sn_gw_conf_upstream *u = p->conf;
    struct sn_gw_endpoint **eps = SN_NEW_ARRAY(struct sn_gw_endpoint *, u->n_endpoints);
    int r = eps ? 0 : SN_E_NOMEM;
    for (size_t i = 0; r == 0 && i < u->n_endpoints; i++) {
        eps[i] = endpoint_get(old, u->endpoints[i].address, s->gw->workers);
        if (!eps[i]) r = SN_E_NOMEM;
    }
    if (r == 0) r = sn_gw_pool_new(u, eps, &p->pool);
    for (size_t i = 0; r < 0 && eps && i < u->n_endpoints; i++) sn_gw_endpoint_unref(eps[i]);
    sn_free(eps);
    if (r < 0) return r;
    if (old) {
        p->up = old->up;
        __atomic_add_fetch(&p->up->refs, 1, __ATOMIC_RELAXED);
    } else {
        p->up = SN_NEW(struct gw_upstream);
        if (!p->up) return SN_E_NOMEM;
        p->up->refs = 1;
        sn_gw_budget_init(&p->up->budget);
    }
    p->url = u->tls.enabled
                 ? sn_arena_printf(&s->arena, "https://%.*s/", SN_STR_ARG(u->tls.server_name))
                 : SN_STR("http://upstream/");
    if (!p->url.ptr) return SN_E_NOMEM;
    r = client_get(old, u, &p->client);
    return r < 0 ? r : gw_sticky_build(s, p);
}

static int pools_build(struct gw_snap *s, const struct gw_snap *old, struct sn_map *by_name,
                       struct sn_conf *cf)
{
    struct sn_map before;
    sn_map_init(&before, 0, false);
    int r = 0;
    for (size_t i = 0; r >= 0 && old && i < old->conf->n_upstreams; i++)
        r = sn_map_put(&before, old->conf->upstreams[i].name, &old->pools[i], NULL);
    for (size_t i = 0; r >= 0 && i < s->conf->n_upstreams; i++) {
        struct gw_pool *p = &s->pools[i];
        p->conf = &s->conf->upstreams[i];
        r = pool_build(s, p, sn_map_get(&before, p->conf->name));
        if (r < 0 && r != SN_E_NOMEM) {
            char at[64], why[SN_DIAG_BYTES];
            snprintf(at, sizeof(at), "upstreams[%zu]", i);
            sn_conf_error(cf, at, "%s", sn_diag_format(r, why, sizeof(why)));
        }
        if (r >= 0) r = sn_map_put(by_name, p->conf->name, p, NULL);
    }
    sn_map_done(&before);
    return r < 0 ? r : 0;
}

static int targets_build(struct gw_snap *s, struct gw_route *r, const struct sn_map *pools)
{
    const struct sn_gw_conf_proxy *p = &r->conf->proxy;
    r->targets = SN_ARENA_ARRAY(&s->arena, struct gw_target, p->n_to + 1);
    if (!r->targets) return SN_E_NOMEM;
    struct sn_buf text;
    sn_buf_init(&text, 0);
    for (size_t i = 0; i < p->n_to; i++) {
        struct gw_pool *pool = sn_map_get(pools, p->to[i].upstream);
        SN_ASSERT(pool); /* the configuration's check found it */
        r->weight_total += p->to[i].weight;
        r->targets[i] = (struct gw_target){(uint32_t)(pool - s->pools), r->weight_total};
        sn_buf_printf(&text, "%s%.*s", i ? ", " : "", SN_STR_ARG(p->to[i].upstream));
        if (p->n_to > 1) sn_buf_printf(&text, " %llu", (unsigned long long)p->to[i].weight);
    }
    r->target = sn_arena_str(&s->arena, sn_buf_view(&text));
    sn_buf_done(&text);
    return r->target.ptr ? 0 : SN_E_NOMEM;
}

/* "a.example /api" and the like, for people. */
static struct sn_str match_text(struct gw_snap *s, const struct sn_gw_rule *rule)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    if (rule->n_hosts) sn_buf_str(&b, rule->hosts[0]);
    if (rule->n_hosts > 1) sn_buf_printf(&b, " +%zu", rule->n_hosts - 1);
    if (rule->n_hosts && rule->n_matches) sn_buf_byte(&b, ' ');
    for (size_t i = 0; i < rule->n_matches && i < 2; i++) {
        const struct sn_gw_match *m = &rule->matches[i];
        if (i) sn_buf_cstr(&b, ", ");
        for (size_t k = 0; k < m->n_methods; k++)
            sn_buf_printf(&b, "%.*s ", SN_STR_ARG(m->methods[k]));
        if (m->exact.ptr)
            sn_buf_printf(&b, "= %.*s", SN_STR_ARG(m->exact));
        else if (m->regex.ptr)
            sn_buf_printf(&b, "~ %.*s", SN_STR_ARG(m->regex));
        else
            sn_buf_str(&b, m->prefix.ptr ? m->prefix : SN_STR("/"));
        for (size_t k = 0; k < m->n_headers; k++)
            sn_buf_printf(&b, " [%.*s]", SN_STR_ARG(m->headers[k].name));
        for (size_t k = 0; k < m->n_query; k++)
            sn_buf_printf(&b, " ?%.*s", SN_STR_ARG(m->query[k].name));
    }
    if (rule->n_matches > 2) sn_buf_printf(&b, " +%zu", rule->n_matches - 2);
    struct sn_str text = sn_arena_str(&s->arena, b.len ? sn_buf_view(&b) : SN_STR("/"));
    sn_buf_done(&b);
    return text;
}

static int policies_build(struct gw_snap *s, struct gw_route *r, const struct gw_route *old)
{
    const struct sn_gw_conf_route *c = r->conf;
    r->policies = c->cors.enabled || c->jwt.enabled || c->rate_limit.enabled;
    while (c->jwt.enabled && !sn_str_eq(s->conf->jwt_providers[r->provider].name, c->jwt.provider))
        r->provider++; /* the configuration's check found it */
    if (!c->rate_limit.enabled) return 0;
    return gw_limiter_get(s, c, old ? old->limiter : NULL, &r->limiter);
}

static int proxy_build(struct gw_snap *s, struct gw_route *r, const struct sn_map *pools,
                       struct sn_conf *cf)
{
    const struct sn_gw_conf_transcode *t = &r->conf->proxy.transcode;
    int e = targets_build(s, r, pools);
    if (r->conf->proxy.mirror.enabled)
        r->mirror = sn_map_get(pools, r->conf->proxy.mirror.upstream);
    if (e < 0 || !t->enabled) return e;
    struct gw_pool *first = &s->pools[r->targets[0].pool];
    if (t->reflection)
        first->reflect_every = first->reflect_every
                                   ? SN_MIN(first->reflect_every, t->reflection_interval)
                                   : t->reflection_interval;
    struct sn_str reflected = t->reflection ? sn_buf_view(&first->up->reflected) : (struct sn_str){0};
    e = gw_transcoder_new(t, reflected, &r->transcoder);
    if (e < 0 && e != SN_E_NOMEM) {
        char at[80], why[SN_DIAG_BYTES];
        snprintf(at, sizeof(at), "routes[%zu].proxy.transcode", (size_t)(r - s->routes));
        sn_conf_error(cf, at, "%s", sn_diag_format(e, why, sizeof(why)));
    }
    return e;
}

static int route_build(struct gw_snap *s, struct gw_route *r, struct gw_route *old,
                       const struct sn_map *pools, struct sn_conf *cf)
{
    size_t i = (size_t)(r - s->routes);
    r->meter = old ? sn_gw_meter_ref(old->meter) : sn_gw_meter_new(s->gw->workers);
    r->match = match_text(s, &r->conf->rule);
    if (!r->meter || !r->match.ptr) return SN_E_NOMEM;
    int e = policies_build(s, r, old);
    if (e < 0) return e;
    switch (r->conf->action) {
    case SN_GW_PROXY: return proxy_build(s, r, pools, cf);
    case SN_GW_STATIC: {
        r->target = r->conf->files.root;
        char at[64];
        struct sn_str root = sn_arena_str(&s->arena, r->conf->files.root);
        if (!root.ptr) return SN_E_NOMEM;
        r->root_fd = open(root.ptr, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (r->root_fd >= 0) return 0;
        snprintf(at, sizeof(at), "routes[%zu].static.root", i);
        sn_conf_error(cf, at, "%m: %s", root.ptr);
        return SN_E_INVALID_ARGUMENT;
    }
    case SN_GW_REDIRECT: r->target = SN_STR("redirect"); return 0;
    case SN_GW_RESPOND: r->target = SN_STR("fixed answer"); return 0;
    case SN_GW_NONE: break;
    }
    return SN_E_INVALID_ARGUMENT;
}

static int routes_build(struct gw_snap *s, const struct gw_snap *old, const struct sn_map *pools,
                        struct sn_conf *cf)
{
    struct sn_map before;
    sn_map_init(&before, 0, false);
    int r = 0;
    for (size_t i = 0; r >= 0 && old && i < old->conf->n_routes; i++)
        r = sn_map_put(&before, old->routes[i].conf->name, &old->routes[i], NULL);
    for (size_t i = 0; i < s->conf->n_routes; i++) {
        s->routes[i].conf = &s->conf->routes[i];
        s->routes[i].root_fd = -1;
    }
    for (size_t i = 0; r >= 0 && i < s->conf->n_routes; i++)
        r = route_build(s, &s->routes[i], sn_map_get(&before, s->conf->routes[i].name), pools, cf);
    sn_map_done(&before);
    return r < 0 ? r : 0;
}

static int trusted_build(struct gw_snap *s)
{
    s->trusted = SN_ARENA_ARRAY(&s->arena, struct gw_cidr, s->conf->n_trusted_proxies + 1);
    if (!s->trusted) return SN_E_NOMEM;
    for (size_t i = 0; i < s->conf->n_trusted_proxies; i++) {
        int r = gw_cidr_parse(s->conf->trusted_proxies[i], &s->trusted[i]);
        if (r < 0) return r;
    }
    return 0;
}

static int via_build(struct gw_snap *s)
{
    static const char *const versions[] = {"1.0", "1.1", "2.0"};
    for (int i = 0; s->conf->via.len && i < 3; i++) {
        s->via[i] = sn_arena_printf(&s->arena, "%s %.*s", versions[i], SN_STR_ARG(s->conf->via));
        if (!s->via[i].ptr) return SN_E_NOMEM;
    }
    return 0;
}

static int shared_build(struct gw_snap *s, const struct gw_snap *old, struct sn_conf *cf)
{
    const struct sn_gw_conf *c = s->conf;
    char at[64], why[SN_DIAG_BYTES];
    int r = 0;
    s->keys = SN_ARENA_ARRAY(&s->arena, struct gw_keys *, c->n_jwt_providers + 1);
    if (!s->keys) return SN_E_NOMEM;
    for (size_t i = 0; r == 0 && i < c->n_jwt_providers; i++) {
        r = gw_keys_get(old, &c->jwt_providers[i], &s->keys[i]);
        snprintf(at, sizeof(at), "jwt_providers[%zu]", i);
        if (r < 0 && r != SN_E_NOMEM)
            sn_conf_error(cf, at, "%s", sn_diag_format(r, why, sizeof(why)));
    }
    if (r == 0) {
        r = gw_admin_token(s);
        if (r < 0 && r != SN_E_NOMEM)
            sn_conf_error(cf, "admin.token_file", "%s", sn_diag_format(r, why, sizeof(why)));
    }
    if (r == 0 && c->tracing.enabled) {
        r = gw_tracer_get(old, &c->tracing, &s->tracer);
        if (r < 0 && r != SN_E_NOMEM)
            sn_conf_error(cf, "tracing", "%s", sn_diag_format(r, why, sizeof(why)));
    }
    if (r < 0 || !c->redis.enabled) return r;
    r = gw_redis_get(old, &c->redis, &s->redis);
    if (r < 0 && r != SN_E_NOMEM)
        sn_conf_error(cf, "redis", "%s", sn_diag_format(r, why, sizeof(why)));
    return r;
}

static int log_open(struct gw_snap *s, const struct gw_snap *old)
{
    const struct sn_gw_conf_access_log *c = &s->conf->access_log;
    if (c->format == SN_GW_LOG_OFF) return 0;
    if (old && old->log && gw_log_same(old->log, c)) {
        s->log = gw_log_ref(old->log);
        return 0;
    }
    return gw_log_new(c, s->gw->workers, &s->log);
}

int gw_snap_new(struct sn_gateway *gw, struct gw_load *l, struct gw_snap **ret)
{
    struct gw_snap *s = SN_NEW(struct gw_snap);
    struct gw_active *active = sn_aligned_alloc(SN_CACHE_LINE, gw->workers * sizeof(*active));
    if (!s || !active) {
        sn_free(s);
        sn_free(active);
        return SN_E_NOMEM;
    }
    memset(active, 0, gw->workers * sizeof(*active));
    const struct gw_snap *old = gw->snap;
    s->gw = gw;
    s->active = active;
    s->arena = l->arena; /* moves; given back on failure */
    l->cf.arena = &s->arena; /* whose errors are still to be told */
    s->conf = l->conf;
    s->tables = l->tables;
    s->generation = ++gw->generation;
    s->loaded_ns = sn_now();
    s->pools = SN_ARENA_ARRAY(&s->arena, struct gw_pool, s->conf->n_upstreams + 1);
    s->routes = SN_ARENA_ARRAY(&s->arena, struct gw_route, s->conf->n_routes + 1);
    struct sn_map pools;
    sn_map_init(&pools, 0, false);
    int r = s->pools && s->routes ? trusted_build(s) : SN_E_NOMEM;
    if (!s->routes) s->conf = NULL;
    if (r == 0) r = via_build(s);
    if (r == 0) r = shared_build(s, old, &l->cf);
    if (r == 0) r = pools_build(s, old, &pools, &l->cf);
    if (r == 0) r = routes_build(s, old, &pools, &l->cf);
    if (r == 0) r = gw_takeover_prepare(s);
    if (r == 0) r = gw_health_prepare(s);
    if (r == 0) r = gw_reflect_prepare(s);
    if (r == 0) r = log_open(s, old);
    sn_map_done(&pools);
    __atomic_add_fetch(&gw->snaps_live, 1, __ATOMIC_RELAXED);
    /* The arena, and with it what the tables point to, stays the load's until all has succeeded. */
    l->arena = s->arena;
    l->cf.arena = &l->arena;
    if (r < 0) {
        s->tables = NULL;
        memset(&s->arena, 0, sizeof(s->arena));
        gw_snap_free(s);
        return r;
    }
    memset(&l->arena, 0, sizeof(l->arena));
    l->tables = NULL;
    for (size_t i = 0; i < s->conf->n_routes; i++) s->routes[i].rewrite = l->rewrites[i];
    s->rewriting = l->rewriting;
    l->rewrites = NULL;
    l->rewriting = NULL;
    *ret = s;
    return 0;
}

/* ---- the end -------------------------------------------------------------------------------- */

void gw_snap_free(struct gw_snap *s)
{
    if (!s) return;
    const struct sn_gw_conf *c = s->conf;
    for (size_t i = 0; c && i < c->n_routes; i++) {
        sn_gw_meter_unref(s->routes[i].meter);
        gw_transcoder_free(s->routes[i].transcoder);
        gw_limiter_unref(s->routes[i].limiter);
        sn_gw_regex_free(s->routes[i].rewrite);
        if (s->routes[i].conf && s->routes[i].root_fd >= 0) (void)close(s->routes[i].root_fd);
    }
    for (size_t i = 0; c && s->keys && i < c->n_jwt_providers; i++) gw_keys_unref(s->keys[i]);
    gw_redis_unref(s->redis);
    gw_tracer_unref(s->tracer);
    rewriting_free(s->rewriting, s->gw->workers);
    for (size_t i = 0; c && i < c->n_upstreams; i++) {
        struct gw_pool *p = &s->pools[i];
        sn_gw_pool_free(p->pool);
        gw_client_unref(p->client);
        gw_upstream_unref(p->up);
    }
    for (size_t i = 0; s->tables && i < c->n_listeners; i++) sn_gw_router_free(s->tables[i].router);
    gw_log_unref(s->log);
    __atomic_sub_fetch(&s->gw->snaps_live, 1, __ATOMIC_RELEASE);
    sn_free(s->active);
    sn_arena_done(&s->arena);
    sn_free(s);
}

struct on_workers {
    void (*fn)(void *arg);
    void *arg;
    uint32_t left;
};

static void on_worker(void *arg)
{
    struct on_workers *j = arg;
    if (j->fn) j->fn(j->arg);
    __atomic_sub_fetch(&j->left, 1, __ATOMIC_RELEASE);
}

void gw_on_workers(struct sn_gateway *gw, void (*fn)(void *arg), void *arg)
{
    struct on_workers j = {fn, arg, gw->workers};
    for (unsigned i = 0; i < gw->workers; i++)
        while (sn_go_on(i, "gateway worker", on_worker, &j) < 0) sn_yield();
    /* The job lies in this frame: it must be over before this returns, cancelled or not. */
    while (__atomic_load_n(&j.left, __ATOMIC_ACQUIRE))
        if (sn_sleep(SN_MS) < 0) sn_yield();
}

static int64_t active_requests(const struct gw_snap *s)
{
    int64_t n = 0;
    for (unsigned i = 0; i < s->gw->workers; i++)
        n += __atomic_load_n(&s->active[i].n, __ATOMIC_ACQUIRE);
    return n;
}

void gw_snap_retire(struct gw_snap *s)
{
    sn_event_set(&s->retired);
    /* After this every worker has seen the new snapshot, and has counted whoever uses this one. */
    gw_on_workers(s->gw, NULL, NULL);
    while (active_requests(s) || __atomic_load_n(&s->checkers, __ATOMIC_ACQUIRE))
        if (sn_sleep(RETIRE_POLL_NS) < 0) sn_yield();
    gw_snap_free(s);
}
