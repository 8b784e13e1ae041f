/* SPDX-License-Identifier: Apache-2.0 */
/* app/rest_server.c - routes, and a request's way to its handler and back; see rest.h. */
#include <stdarg.h>
#include <stdlib.h>

#include "app/rest.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "kit/log.h"
#include "services/govern/chain.h"

SN_LOG_MODULE("rest");

struct entry { /* a route with its place in governance */
    struct sn_rest_server *s;
    const struct sn_rest_route *r;
    struct sn_gov_route *gov;
};
struct sn_rest_server {
    struct sn_rest_server_opts o;
    struct entry *entries;
    struct sn_gov_route *unmatched;
};

/* ---- patterns ---- */

int sn_rest_match(const char *pattern, struct sn_str path, struct sn_arena *a,
                  struct sn_rest_param *ret, unsigned *ret_n)
{
    struct sn_str p = sn_str(pattern);
    unsigned n = 0;
    if (path.len > 1 && path.ptr[path.len - 1] == '/') path.len--; /* "/orders/" is "/orders" */
    while (p.ptr && path.ptr) {
        struct sn_str want = sn_str_cut(&p, '/'), got = sn_str_cut(&path, '/');
        if (!want.len || want.ptr[0] != ':') {
            if (!sn_str_eq(want, got)) return 0;
            continue;
        }
        if (!got.len || n == SN_REST_PARAMS_MAX) return 0;
        char *text = sn_arena_alloc(a, got.len);
        if (!text) return SN_E_NOMEM;
        ssize_t len = sn_pct_decode(got, false, text);
        if (len < 0) return 0;
        ret[n++] = (struct sn_rest_param){sn_str_from(want, 1), sn_str_of(text, (size_t)len)};
    }
    *ret_n = n;
    return !p.ptr && !path.ptr;
}

/* Routes with fewer parameters come first, so that "/orders/stats" wins over "/orders/:id". */
static unsigned wildness(const char *pattern)
{
    unsigned n = 0;
    for (const char *p = pattern; *p; p++) n += p[0] == '/' && p[1] == ':';
    return n;
}
static int by_wildness(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    unsigned m = wildness(a->r->m->path), n = wildness(b->r->m->path);
    return m != n ? (m > n) - (m < n) : strcmp(a->r->m->path, b->r->m->path);
}

/* ---- answers ---- */

int sn_rest_fail(struct sn_rest_call *call, int code, const char *fmt, ...)
{
    char text[512];
    struct sn_buf b;
    va_list ap;
    sn_buf_init_fixed(&b, text, sizeof text);
    va_start(ap, fmt);
    sn_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    call->fail_code = code;
    call->fail_text = sn_arena_str(call->arena, sn_buf_view(&b));
    return code;
}

static int reply_buf(struct sn_http_x *x, int status, struct sn_buf *b)
{
    int r = b->err;
    struct sn_str text = r < 0 ? (struct sn_str){0} : sn_arena_str(x->arena, sn_buf_view(b));
    sn_buf_done(b);
    if (r < 0 || !text.ptr) return r < 0 ? r : SN_E_NOMEM;
    return sn_http_reply(x, status, SN_STR("application/json"), text);
}
static int reply_error(struct sn_http_x *x, int status, int code, struct sn_str text)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_printf(&b, "{\"code\":%d,\"message\":", sn_status_canonical(code));
    sn_json_write_string(&b, text);
    sn_buf_byte(&b, '}');
    return reply_buf(x, status, &b);
}
static int reply_failure(struct sn_rest_call *c, int r)
{
    struct sn_str text = sn_str(sn_status_name(r));
    if (c->fail_code == r && c->fail_text.ptr)
        text = c->fail_text;
    else if (sn_status_http(r) >= 500)
        SN_LOG_ERROR("handler failed", SN_L("route", c->route->m->name), SN_L_ERR(r));
    return reply_error(c->x, sn_status_http(r), r, text);
}

/* ---- a request ---- */

/* The JSON or urlencoded body, where the request has one and its route wants it. */
static int read_body(struct sn_rest_call *c, struct sn_rest_input *in)
{
    struct sn_http_x *x = c->x;
    struct sn_str type = sn_http_headers_get(&x->req.headers, SN_STR("content-type")), text;
    struct sn_json_opts jo = {.depth_max = SN_REST_DEPTH_MAX, .dup = SN_JSON_DUP_ERROR};
    uint64_t max = c->route->bytes_max > 0 ? (uint64_t)c->route->bytes_max : SN_GOV_BODY_MAX;
    if (!x->req.content_length) return 0;
    int r = sn_http_body_all(x, max, &text);
    if (r < 0 || !text.len) return r;
    struct sn_str media = sn_str_trim(sn_str_cut(&type, ';'));
    if (sn_str_ieq(media, SN_STR("application/x-www-form-urlencoded"))) {
        in->form = text;
        return 0;
    }
    if (media.len && !sn_str_ieq(media, SN_STR("application/json")) &&
        !sn_str_ends(media, SN_STR("+json")))
        return 0; /* go-zero passes over bodies of other kinds: what must be there is then missing
                   */
    r = sn_json_parse(c->arena, text, &jo, &in->body);
    if (r == SN_E_NOMEM) return r;
    return r < 0 ? sn_fail(SN_E_INVALID_ARGUMENT, "body: %s", sn_diag_str(r)) : 0;
}

static int run_handler(struct sn_rest_call *c)
{
    const struct sn_rest_method *m = c->route->m;
    struct sn_rest_input in = {.query = c->x->req.query,
                               .headers = &c->x->req.headers,
                               .params = c->params,
                               .n_params = c->n_params};
    void *req = m->req ? sn_arena_alloc(c->arena, SN_MAX(m->req->size, (size_t)1)) : NULL;
    size_t size = m->resp ? sn_rest_size(m->resp) : 1;
    void *resp = sn_arena_zalloc(c->arena, size);
    if ((m->req && !req) || !resp) return SN_E_NOMEM;
    if (m->req) {
        int r = read_body(c, &in);
        if (r == 0) r = sn_rest_decode(m->req, &in, c->arena, req);
        if (r == SN_E_INVALID_ARGUMENT) return sn_rest_fail(c, r, "%s", sn_diag_str(r));
        if (r < 0) return r;
    }
    int r = c->route->serve(c, req, resp);
    if (r < 0 || c->x->status) return r; /* failed, or the handler has answered by itself */
    if (!m->resp) return sn_http_reply(c->x, 200, (struct sn_str){0}, (struct sn_str){0});
    struct sn_buf b;
    sn_buf_init(&b, 0);
    r = sn_rest_to_json(m->resp, resp, &b);
    if (r < 0) {
        sn_buf_done(&b);
        return r;
    }
    return reply_buf(c->x, 200, &b);
}
int sn_rest_next(struct sn_rest_call *c)
{
    if (c->route->around && c->route->around[c->at]) return c->route->around[c->at++](c);
    return run_handler(c);
}

/* Inside governance: arg is the entry. */
static int serve(struct sn_http_x *x, void *arg)
{
    const struct entry *e = arg;
    struct sn_rest_call *c = SN_ARENA_NEW(x->arena, struct sn_rest_call);
    if (!c) return SN_E_NOMEM;
    c->x = x;
    c->arena = x->arena;
    c->route = e->r;
    c->ctx = e->s->o.ctx;
    int r = sn_rest_match(e->r->m->path, x->req.path, x->arena, c->params, &c->n_params);
    if (r == 1) r = sn_rest_next(c);
    if (r < 0 && !x->status && r != SN_E_CANCELLED) return reply_failure(c, r);
    return r < 0 ? r : 0;
}

static int unmatched(struct sn_http_x *x, void *arg)
{
    const struct sn_rest_server *s = arg;
    struct sn_rest_param params[SN_REST_PARAMS_MAX];
    struct sn_buf allow;
    unsigned n;
    sn_buf_init(&allow, 0);
    for (unsigned i = 0; i < s->o.n_routes; i++) {
        const struct sn_rest_method *m = s->entries[i].r->m;
        if (sn_rest_match(m->path, x->req.path, x->arena, params, &n) == 1)
            sn_buf_printf(&allow, "%s%s", allow.len ? ", " : "", m->method);
    }
    struct sn_str list =
        allow.err < 0 ? (struct sn_str){0} : sn_arena_str(x->arena, sn_buf_view(&allow));
    sn_buf_done(&allow);
    if (!list.len) return reply_error(x, 404, SN_E_NOT_FOUND, SN_STR("no such path"));
    int r = sn_http_header_add(x, SN_STR("allow"), list);
    return r < 0 ? r
                 : reply_error(x, 405, SN_E_UNIMPLEMENTED, SN_STR("this path has other methods"));
}

int sn_rest_handle(struct sn_http_x *x, void *server)
{
    struct sn_rest_server *s = server;
    struct sn_rest_param params[SN_REST_PARAMS_MAX];
    unsigned n;
    for (unsigned i = 0; i < s->o.n_routes; i++) {
        const struct entry *e = &s->entries[i];
        if (!sn_str_eqc(x->req.method_text, e->r->m->method)) continue;
        if (sn_rest_match(e->r->m->path, x->req.path, x->arena, params, &n) == 1)
            return sn_gov_handle(x, e->gov);
    }
    return sn_gov_handle(x, s->unmatched);
}

/* ---- start ---- */

static int add_route(struct sn_rest_server *s, struct entry *e, const struct sn_rest_route *r)
{
    struct sn_gov_route_opts o = {.name = r->m->name,
                                  .handler = serve,
                                  .arg = e,
                                  .timeout_ns = r->timeout_ns ? r->timeout_ns : s->o.timeout_ns,
                                  .body_bytes_max =
                                      r->bytes_max ? r->bytes_max : (int64_t)s->o.bytes_max};
    *e = (struct entry){.s = s, .r = r};
    if (r->jwt) {
        o.jwt = s->o.jwt ? s->o.jwt(s->o.jwt_arg, r->jwt) : NULL;
        if (!o.jwt)
            return sn_fail(SN_E_NOT_FOUND,
                           "%s asks for a token of \"%s\": expected jwt.%s in the "
                           "configuration",
                           r->m->name, r->jwt, r->jwt);
    }
    return sn_gov_route_new(s->o.gov, &o, &e->gov);
}
/* The same pattern but for parameters' names matches the same requests. */
static bool same_pattern(const char *x, const char *y)
{
    struct sn_str a = sn_str(x), b = sn_str(y);
    while (a.ptr && b.ptr) {
        struct sn_str m = sn_str_cut(&a, '/'), n = sn_str_cut(&b, '/');
        bool params = m.len && n.len && m.ptr[0] == ':' && n.ptr[0] == ':';
        if (!params && !sn_str_eq(m, n)) return false;
    }
    return !a.ptr && !b.ptr;
}
static int add_all(struct sn_rest_server *s)
{
    int r = 0;
    for (unsigned i = 0; i < s->o.n_routes; i++) s->entries[i].r = &s->o.routes[i];
    qsort(s->entries, s->o.n_routes, sizeof *s->entries, by_wildness);
    for (unsigned i = 0; i < s->o.n_routes && r == 0; i++) {
        const struct sn_rest_method *m = s->entries[i].r->m;
        for (unsigned k = 0; k < i; k++) {
            const struct sn_rest_method *o = s->entries[k].r->m;
            if (strcmp(o->method, m->method) == 0 && same_pattern(o->path, m->path))
                return sn_fail(SN_E_ALREADY_EXISTS, "%s and %s match the same requests", o->name,
                               m->name);
        }
        r = add_route(s, &s->entries[i], s->entries[i].r);
    }
    struct sn_gov_route_opts o = {.name = "unmatched", .handler = unmatched, .arg = s};
    return r < 0 ? r : sn_gov_route_new(s->o.gov, &o, &s->unmatched);
}
int sn_rest_server_new(const struct sn_rest_server_opts *o, struct sn_rest_server **ret)
{
    if (o->n_routes > SN_REST_ROUTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u routes", SN_REST_ROUTES_MAX);
    struct sn_rest_server *s = SN_NEW(struct sn_rest_server);
    if (!s) return SN_E_NOMEM;
    s->o = *o;
    s->entries = SN_NEW_ARRAY(struct entry, SN_MAX(o->n_routes, 1u));
    int r = s->entries ? add_all(s) : SN_E_NOMEM;
    if (r < 0) {
        sn_rest_server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}
void sn_rest_server_free(struct sn_rest_server *s)
{
    if (!s) return;
    sn_free(s->entries);
    sn_free(s);
}
