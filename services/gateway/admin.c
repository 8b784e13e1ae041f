/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/admin.c - an HTTP API to look at the gateway and to act on it, on a listener of its own.
 * It lets nobody in by way of a browser: requests with an Origin, or for a host that is a name
 * other than localhost, are refused (a page elsewhere could otherwise act here, also by DNS
 * rebinding). */
#include <unistd.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "fiber/os.h"
#include "gateway/config.h"
#include "gateway/gw_int.h"
#include "kit/log.h"
#include "wire/json.h"

#define TOKEN_BYTES_MAX 4096u
#define DRAIN_NS SN_SEC

struct gw_admin {
    struct sn_gateway *gw;
    struct sn_str addr; /* as configured, heap */
    struct sn_listener *l;
    struct sn_http_server *srv;
    bool serving;
};

/* ---- answers ----------------------------------------------------------------------------------
 */

static int say(struct sn_http_x *x, int status, const char *text)
{
    struct sn_str body = sn_arena_printf(x->arena, "%s\n", text);
    return body.ptr ? sn_http_reply(x, status, SN_STR("text/plain; charset=utf-8"), body)
                    : SN_E_NOMEM;
}

static int reply_json(struct sn_http_x *x, int r, struct sn_buf *b)
{
    if (r == 0) r = sn_buf_byte(b, '\n');
    if (r == 0) r = sn_http_reply(x, 200, SN_STR("application/json"), sn_buf_view(b));
    sn_buf_done(b);
    return r;
}

static int get_config(struct sn_gateway *gw, struct sn_http_x *x)
{
    struct sn_buf b = {0};
    struct sn_json tree;
    unsigned w = (unsigned)sn_worker_id();
    struct gw_snap *s = gw_snap_enter(gw, w);
    int r = sn_conf_dump(x->arena, &sn_gw_conf_table, s->conf, &tree);
    if (r == 0) r = sn_json_write(&b, &tree, NULL);
    gw_snap_leave(s, w);
    return reply_json(x, r, &b);
}

static int get_stats(struct sn_gateway *gw, struct sn_http_x *x)
{
    struct sn_buf b = {0};
    return reply_json(x, sn_gateway_stats_json(gw, &b), &b);
}

/* One member of the statistics. */
static int get_part(struct sn_gateway *gw, struct sn_http_x *x, const char *name)
{
    struct sn_buf all = {0}, b = {0};
    const struct sn_json *tree = NULL;
    int r = sn_gateway_stats_json(gw, &all);
    if (r == 0) r = sn_json_parse(x->arena, sn_buf_view(&all), NULL, &tree);
    if (r == 0) r = sn_json_write(&b, sn_json_get(tree, name), NULL);
    sn_buf_done(&all);
    return reply_json(x, r, &b);
}

static int get_routes(struct sn_gateway *gw, struct sn_http_x *x)
{
    return get_part(gw, x, "routes");
}
static int get_upstreams(struct sn_gateway *gw, struct sn_http_x *x)
{
    return get_part(gw, x, "upstreams");
}
static int get_listeners(struct sn_gateway *gw, struct sn_http_x *x)
{
    return get_part(gw, x, "listeners");
}

static int get_ready(struct sn_gateway *gw, struct sn_http_x *x)
{
    bool ending = __atomic_load_n(&gw->draining, __ATOMIC_ACQUIRE) || sn_event_is_set(&gw->stop);
    return say(x, ending ? 503 : 200, ending ? "draining" : "ready");
}

/* ---- acts -------------------------------------------------------------------------------------
 */

static int query(struct sn_http_x *x, const char *name, struct sn_str *ret)
{
    struct sn_str rest = x->req.query;
    while (rest.ptr) {
        struct sn_str v = sn_str_cut(&rest, '&'), k = sn_str_cut(&v, '=');
        if (!sn_str_eqc(k, name)) continue;
        char *out = sn_arena_alloc(x->arena, v.len + 1);
        if (!out) return SN_E_NOMEM;
        ssize_t n = sn_pct_decode(v, true, out);
        if (n < 0) return SN_E_SYNTAX;
        *ret = sn_str_of(out, (size_t)n);
        return 0;
    }
    return SN_E_NOT_FOUND;
}

static int post_reload(struct sn_gateway *gw, struct sn_http_x *x)
{
    if (sn_gateway_reload(gw) == 0) return say(x, 200, "reloaded");
    char why[SN_DIAG_BYTES];
    return say(x, 409, sn_diag_format(SN_E_INVALID_ARGUMENT, why, sizeof(why)));
}

static int set_drained(struct sn_gateway *gw, struct sn_http_x *x, bool on)
{
    struct sn_str upstream, endpoint;
    if (query(x, "upstream", &upstream) < 0 || query(x, "endpoint", &endpoint) < 0)
        return say(x, 400, "expected ?upstream=NAME&endpoint=ADDRESS");
    unsigned w = (unsigned)sn_worker_id(), found = 0;
    struct gw_snap *s = gw_snap_enter(gw, w);
    for (size_t i = 0; i < s->conf->n_upstreams; i++) {
        const struct gw_pool *p = &s->pools[i];
        for (uint32_t k = 0; sn_str_eq(p->conf->name, upstream) && k < p->pool->n; k++) {
            if (!sn_str_eqc(endpoint, p->pool->eps[k]->addr)) continue;
            __atomic_store_n(&p->pool->eps[k]->drained, on, __ATOMIC_RELAXED);
            found++;
        }
    }
    gw_snap_leave(s, w);
    if (!found) return say(x, 404, "no such endpoint");
    gw_event(gw, "info", "upstream %.*s: endpoint %.*s is %s", SN_STR_ARG(upstream),
             SN_STR_ARG(endpoint), on ? "drained" : "back");
    return say(x, 200, on ? "drained" : "back");
}

static int post_drain(struct sn_gateway *gw, struct sn_http_x *x)
{
    return set_drained(gw, x, true);
}
static int post_undrain(struct sn_gateway *gw, struct sn_http_x *x)
{
    return set_drained(gw, x, false);
}

static int post_log(struct sn_gateway *gw, struct sn_http_x *x)
{
    struct sn_str level;
    if (query(x, "level", &level) < 0)
        return say(x, 400, "expected ?level=info or ?level=info,gateway=debug");
    if (sn_log_set_levels(level) == 0) return say(x, 200, "set");
    char why[SN_DIAG_BYTES];
    return say(x, 400, sn_diag_format(SN_E_INVALID_ARGUMENT, why, sizeof(why)));
}

static int get_index(struct sn_gateway *gw, struct sn_http_x *x);

static const struct {
    const char *method, *path, *what;
    int (*fn)(struct sn_gateway *gw, struct sn_http_x *x);
} acts[] = {
    {"GET", "/", "this list", get_index},
    {"GET", "/config", "the configuration in force, defaults filled in", get_config},
    {"GET", "/stats", "everything that is counted", get_stats},
    {"GET", "/routes", "routes, with rates and latencies", get_routes},
    {"GET", "/upstreams", "endpoints, their health, ejections and load", get_upstreams},
    {"GET", "/listeners", "listeners and their connections", get_listeners},
    {"GET", "/ready", "200, or 503 once the gateway drains", get_ready},
    {"POST", "/reload", "read the configuration again", post_reload},
    {"POST", "/drain", "?upstream=U&endpoint=A: no new requests to it", post_drain},
    {"POST", "/undrain", "?upstream=U&endpoint=A: back again", post_undrain},
    {"POST", "/log", "?level=debug, or info,gateway=debug", post_log},
};

static int get_index(struct sn_gateway *gw, struct sn_http_x *x)
{
    struct sn_buf b = {0};
    for (size_t i = 0; i < SN_COUNT_OF(acts); i++)
        sn_buf_printf(&b, "%-4s %-10s %s\n", acts[i].method, acts[i].path, acts[i].what);
    int r = b.err < 0 ? b.err
                      : sn_http_reply(x, 200, SN_STR("text/plain; charset=utf-8"), sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

/* ---- who may ----------------------------------------------------------------------------------
 */

static bool host_ok(struct sn_str authority)
{
    char buf[SN_GW_HOST_MAX + 1];
    struct sn_str host;
    struct gw_cidr ip;
    if (sn_gw_host_normalize(authority, buf, &host) < 0) return false;
    return !host.len || sn_str_eqc(host, "localhost") || gw_cidr_parse(host, &ip) == 0;
}

static bool token_ok(struct sn_gateway *gw, struct sn_http_x *x)
{
    uint8_t want[32], got[32];
    unsigned w = (unsigned)sn_worker_id();
    struct sn_str auth = sn_http_headers_get(&x->req.headers, SN_STR("authorization"));
    struct gw_snap *s = gw_snap_enter(gw, w);
    bool ok = !s->conf->admin.token_file.len;
    if (!ok && auth.len > 7 && sn_str_ieq(sn_str_sub(auth, 0, 7), SN_STR("Bearer "))) {
        /* Digests are compared, so that neither length nor content shows in the time. */
        struct sn_str t = sn_str_trim(sn_str_from(auth, 7));
        ok = sn_hash_once(SN_SHA256, s->admin_token.ptr, s->admin_token.len, want) == 0 &&
             sn_hash_once(SN_SHA256, t.ptr, t.len, got) == 0 &&
             sn_equal_ct(want, got, sizeof(want));
    }
    gw_snap_leave(s, w);
    return ok;
}

static int handle(struct sn_http_x *x, void *arg)
{
    struct gw_admin *a = arg;
    bool known = false;
    if (!host_ok(x->req.authority) || sn_http_headers_get(&x->req.headers, SN_STR("origin")).ptr)
        return say(x, 403, "not for pages of browsers");
    if (!token_ok(a->gw, x)) {
        int r = sn_http_header_add(x, SN_STR("WWW-Authenticate"), SN_STR("Bearer"));
        return r < 0 ? r : say(x, 401, "expected the bearer token");
    }
    for (size_t i = 0; i < SN_COUNT_OF(acts); i++) {
        if (!sn_str_eqc(x->req.path, acts[i].path)) continue;
        known = true;
        if (sn_str_eqc(x->req.method_text, acts[i].method)) return acts[i].fn(a->gw, x);
    }
    return say(x, known ? 405 : 404,
               known ? "another method is expected" : "no such path; GET / lists all");
}

/* ---- the listener through reloads -------------------------------------------------------------
 */

int gw_admin_token(struct gw_snap *s)
{
    const struct sn_gw_conf_admin *c = &s->conf->admin;
    if (!c->enabled || !c->token_file.len) return 0;
    struct sn_str path = sn_arena_str(&s->arena, c->token_file);
    if (!path.ptr) return SN_E_NOMEM;
    int r = sn_file_read(&s->arena, path.ptr, TOKEN_BYTES_MAX, &s->admin_token);
    if (r < 0) return r;
    s->admin_token = sn_str_trim(s->admin_token);
    return s->admin_token.len >= 16
               ? 0
               : sn_fail(SN_E_INVALID_ARGUMENT, "%s: a token of 16 characters at least is expected",
                         path.ptr);
}

void gw_admin_free(struct gw_admin *a)
{
    if (!a) return;
    /* The drain closes a listener that is being served. */
    bool served = __atomic_load_n(&a->serving, __ATOMIC_ACQUIRE);
    if (a->srv) (void)sn_http_server_drain(a->srv, DRAIN_NS);
    if (a->l && !served) sn_listener_close(a->l);
    while (__atomic_load_n(&a->serving, __ATOMIC_ACQUIRE))
        if (sn_sleep(SN_MS) < 0) sn_yield();
    sn_http_server_free(a->srv);
    sn_free((void *)(uintptr_t)a->addr.ptr);
    sn_free(a);
}

int gw_admin_prepare(struct sn_gateway *gw, const struct gw_snap *s, struct gw_admin **ret)
{
    const struct sn_gw_conf_admin *c = &s->conf->admin;
    *ret = gw->admin && c->enabled && sn_str_eq(gw->admin->addr, c->address) ? gw->admin : NULL;
    if (!c->enabled || *ret) return 0;
    struct gw_admin *a = SN_NEW(struct gw_admin);
    char *addr = a ? sn_alloc(c->address.len + 1) : NULL;
    if (!addr) {
        sn_free(a);
        return SN_E_NOMEM;
    }
    memcpy(addr, c->address.ptr, c->address.len);
    addr[c->address.len] = 0;
    a->addr = sn_str_of(addr, c->address.len);
    a->gw = gw;
    struct sn_http_server_opts o = {.handler = handle, .arg = a, .body_bytes_max = 1 << 16};
    int r = sn_http_server_new(&o, &a->srv);
    int fd = gw_inherit_fd(gw, "admin", addr);
    struct sn_listen_opts lo = {.fd = fd > 0 ? fd : 0};
    if (r == 0) r = sn_listen(addr, &lo, &a->l);
    if (r < 0 && fd > 0) (void)close(fd);
    if (r < 0) {
        gw_admin_free(a);
        return sn_wrap(r, "admin");
    }
    *ret = a;
    return 0;
}

static int serve_main(void *arg)
{
    struct gw_admin *a = arg;
    (void)!sn_http_serve(a->srv, a->l);
    __atomic_store_n(&a->serving, false, __ATOMIC_RELEASE);
    return 0;
}

static int free_main(void *arg)
{
    gw_admin_free(arg);
    return 0;
}

void gw_admin_commit(struct sn_gateway *gw, struct gw_admin *a)
{
    struct gw_admin *old = gw->admin;
    gw->admin = a;
    gw_admin_start(gw);
    /* The request that asked for this reload may be the old one's own. */
    if (old && old != a && !(gw->running && gw_go(gw, "gateway admin end", free_main, old)))
        gw_admin_free(old);
}

void gw_admin_start(struct sn_gateway *gw)
{
    struct gw_admin *a = gw->admin;
    if (!a || !gw->running || a->serving) return;
    a->serving = true;
    if (!gw_go(gw, "gateway admin", serve_main, a)) a->serving = false;
}

int gw_admin_addr(struct sn_gateway *gw, char *out, size_t cap)
{
    return gw->admin && gw->admin->l ? sn_listener_addr(gw->admin->l, out, cap) : SN_E_NOT_FOUND;
}

struct sn_listener *gw_admin_listener(struct sn_gateway *gw)
{
    return gw->admin ? gw->admin->l : NULL;
}

const char *gw_admin_name(struct sn_gateway *gw) { return gw->admin ? gw->admin->addr.ptr : ""; }
