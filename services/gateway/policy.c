/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/policy.c - what a request must pass before its route's action: its origin (CORS), its
 * token, its rate. Routes without any of these cost one test of a flag. Source: the Fetch standard,
 * section CORS protocol. */
#include "gateway/gw_int.h"

/* ---- origins ----------------------------------------------------------------------------------
 */

/* A star in place of the first label fits one label or more. */
static bool origin_fits(struct sn_str pattern, struct sn_str origin)
{
    if (sn_str_eqc(pattern, "*")) return true;
    ssize_t star = sn_str_find(pattern, SN_STR("://*."));
    if (star < 0) return sn_str_ieq(pattern, origin);
    struct sn_str head = sn_str_sub(pattern, 0, (size_t)star + 3);
    struct sn_str tail = sn_str_from(pattern, (size_t)star + 4);
    if (origin.len <= head.len + tail.len) return false;
    struct sn_str middle = sn_str_sub(origin, head.len, origin.len - tail.len);
    return sn_str_ieq(sn_str_sub(origin, 0, head.len), head) &&
           sn_str_ieq(sn_str_from(origin, origin.len - tail.len), tail) &&
           sn_str_chr(middle, '/') < 0 && sn_str_chr(middle, '@') < 0;
}

static bool origin_allowed(const struct sn_gw_conf_cors *c, struct sn_str origin)
{
    for (size_t i = 0; i < c->n_origins; i++)
        if (origin_fits(c->origins[i], origin)) return true;
    return false;
}

static struct sn_str join(struct sn_arena *a, const struct sn_str *list, size_t n)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (size_t i = 0; i < n; i++) {
        if (i) sn_buf_cstr(&b, ", ");
        sn_buf_str(&b, list[i]);
    }
    struct sn_str s = b.err < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(&b));
    sn_buf_done(&b);
    return s;
}

int gw_cors_headers(struct gw_req *q)
{
    const struct sn_gw_conf_cors *c = &q->route->conf->cors;
    bool any = c->n_origins == 1 && sn_str_eqc(c->origins[0], "*") && !c->credentials;
    int r = any ? 0 : sn_http_header_add(q->x, SN_STR("Vary"), SN_STR("Origin"));
    if (r < 0 || !q->origin.ptr) return r;
    r = sn_http_header_add(q->x, SN_STR("Access-Control-Allow-Origin"),
                           any ? SN_STR("*") : q->origin);
    if (r == 0 && c->credentials)
        r = sn_http_header_add(q->x, SN_STR("Access-Control-Allow-Credentials"), SN_STR("true"));
    if (r == 0 && c->n_expose && !q->preflight) {
        struct sn_str names = join(q->x->arena, c->expose, c->n_expose);
        r = names.ptr ? sn_http_header_add(q->x, SN_STR("Access-Control-Expose-Headers"), names)
                      : SN_E_NOMEM;
    }
    return r;
}

struct sn_str gw_preflight_method(const struct sn_http_req *r)
{
    if (r->method != SN_HTTP_OPTIONS || !sn_http_headers_get(&r->headers, SN_STR("origin")).ptr)
        return (struct sn_str){0};
    return sn_http_headers_get(&r->headers, SN_STR("access-control-request-method"));
}

static bool method_allowed(const struct sn_gw_conf_cors *c, struct sn_str method)
{
    static const char *const usual[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < c->n_methods; i++)
        if (sn_str_eq(c->methods[i], method) || sn_str_eqc(c->methods[i], "*")) return true;
    for (size_t i = 0; !c->n_methods && i < SN_COUNT_OF(usual); i++)
        if (sn_str_eqc(method, usual[i])) return true;
    return false;
}

static int preflight(struct gw_req *q, struct sn_str method)
{
    const struct sn_gw_conf_cors *c = &q->route->conf->cors;
    struct sn_arena *a = q->x->arena;
    if (!q->origin.ptr) return gw_answer(q, 403, "origin not allowed");
    if (!method_allowed(c, method)) return gw_answer(q, 403, "method not allowed to other origins");
    struct sn_str age = sn_arena_printf(a, "%lld", (long long)(c->max_age / SN_SEC));
    struct sn_str names =
        c->n_headers
            ? join(a, c->headers, c->n_headers)
            : sn_http_headers_get(&q->x->req.headers, SN_STR("access-control-request-headers"));
    struct sn_str methods = c->n_methods ? join(a, c->methods, c->n_methods)
                                         : SN_STR("GET, HEAD, POST, PUT, PATCH, DELETE");
    if (!age.ptr || !methods.ptr) return SN_E_NOMEM;
    q->preflight = true;
    q->status = 204;
    int r = gw_response_headers(q);
    if (r == 0) r = sn_http_header_add(q->x, SN_STR("Access-Control-Allow-Methods"), methods);
    if (r == 0 && names.len)
        r = sn_http_header_add(q->x, SN_STR("Access-Control-Allow-Headers"), names);
    if (r == 0) r = sn_http_header_add(q->x, SN_STR("Access-Control-Max-Age"), age);
    return r < 0 ? r : sn_http_reply(q->x, 204, (struct sn_str){0}, (struct sn_str){0});
}

/* ---- in order ---------------------------------------------------------------------------------
 */

int gw_policies(struct gw_req *q)
{
    const struct sn_gw_conf_route *c = q->route->conf;
    if (c->cors.enabled) {
        struct sn_str origin = sn_http_headers_get(&q->x->req.headers, SN_STR("origin"));
        if (origin.ptr && origin_allowed(&c->cors, origin)) q->origin = origin;
        struct sn_str method = gw_preflight_method(&q->x->req);
        if (method.ptr) {
            int r = preflight(q, method);
            return r < 0 ? r : 1;
        }
    }
    int r = c->jwt.enabled ? gw_auth(q) : 0;
    if (r == 0 && q->route->limiter) r = gw_limit(q);
    return r;
}
