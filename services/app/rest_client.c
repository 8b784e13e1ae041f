/* SPDX-License-Identifier: Apache-2.0 */
/* app/rest_client.c - a struct as a request, and the answer back; see rest.h. */
#include "app/rest.h"
#include "app/source_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "services/govern/chain.h"
#include "services/govern/client.h"
#include "services/registry/registry.h"

#define ANSWER_BYTES_MAX (16u << 20)
#define TARGETS_MAX 256u

struct sn_rest_client {
    struct sn_gov_client *gov;
    struct sn_http_client *http, *own_http;
    char *host, *token; /* host: of the URL; the first target's, or the service's name */
    struct app_source *source; /* NULL with fixed targets */
    struct sn_event known;     /* the registry has answered once */
    int64_t timeout_ns;
};

/* ---- the request ---- */

/* The field's value as text: for path, query and headers. .ptr NULL where it is absent. */
static int text_of(const struct sn_rest_type *t, const void *p, struct sn_arena *a,
                   struct sn_str *ret)
{
    struct sn_buf b;
    *ret = (struct sn_str){0};
    if (t->kind == SN_REST_POINTER) {
        const void *q = *(void *const *)p;
        return q ? text_of(t->elem, q, a, ret) : 0;
    }
    if (t->kind == SN_REST_STRING) {
        *ret = *(const struct sn_str *)p;
        if (!ret->ptr) *ret = SN_STR("");
        return 0;
    }
    sn_buf_init(&b, 0);
    int r = sn_rest_to_json(t, p, &b);
    if (r == 0) *ret = sn_arena_str(a, sn_buf_view(&b));
    sn_buf_done(&b);
    return r < 0 ? r : ret->ptr ? 0 : SN_E_NOMEM;
}
static bool is_zero(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const char *)p)[i]) return false;
    return true;
}
static int add_query(struct sn_buf *out, const struct sn_rest_field *f, const void *p,
                     struct sn_arena *a, bool *first)
{
    const struct sn_rest_list *l = p;
    bool many = f->type->kind == SN_REST_LIST;
    const struct sn_rest_type *t = many ? f->type->elem : f->type;
    if (f->optional && is_zero(p, sn_rest_size(f->type))) return 0;
    for (size_t i = 0; i < (many ? l->len : 1); i++) {
        struct sn_str v;
        int r = text_of(t, many ? (const char *)l->ptr + i * sn_rest_size(t) : p, a, &v);
        if (r < 0) return r;
        if (!v.ptr) continue;
        sn_buf_byte(out, *first ? '?' : '&');
        *first = false;
        sn_buf_pct(out, sn_str(f->name), SN_PCT_QUERY);
        sn_buf_byte(out, '=');
        sn_buf_pct(out, v, SN_PCT_QUERY);
    }
    return out->err;
}
static int add_header(struct sn_rest_request *out, const struct sn_rest_field *f, const void *p,
                      struct sn_arena *a)
{
    struct sn_buf b;
    struct sn_str v = {0};
    int r = 0;
    if (f->optional && is_zero(p, sn_rest_size(f->type))) return 0;
    if (f->type->kind != SN_REST_LIST) {
        r = text_of(f->type, p, a, &v);
        return r < 0 || !v.ptr ? r : sn_http_headers_add(&out->headers, a, sn_str(f->name), v);
    }
    const struct sn_rest_list *l = p;
    sn_buf_init(&b, 0);
    for (size_t i = 0; i < l->len && r == 0; i++) {
        r = text_of(f->type->elem, (const char *)l->ptr + i * sn_rest_size(f->type->elem), a, &v);
        sn_buf_printf(&b, "%s%.*s", i ? ", " : "", SN_STR_ARG(v));
    }
    if (r == 0) r = b.err;
    if (r == 0 && l->len) {
        v = sn_arena_str(a, sn_buf_view(&b));
        r = v.ptr ? sn_http_headers_add(&out->headers, a, sn_str(f->name), v) : SN_E_NOMEM;
    }
    sn_buf_done(&b);
    return r;
}
static const struct sn_rest_field *find(const struct sn_rest_struct *st, struct sn_str name,
                                        int where)
{
    for (uint32_t i = 0; st && i < st->n_fields; i++)
        if (st->fields[i].where == where && sn_str_eqc(name, st->fields[i].name))
            return &st->fields[i];
    return NULL;
}
static int add_path(struct sn_buf *out, const struct sn_rest_method *m, const char *req,
                    struct sn_arena *a)
{
    struct sn_str rest = sn_str_from(sn_str(m->path), 1);
    if (!rest.len) sn_buf_byte(out, '/');
    while (rest.ptr && strlen(m->path) > 1) {
        struct sn_str seg = sn_str_cut(&rest, '/'), v = {0};
        sn_buf_byte(out, '/');
        if (!seg.len || seg.ptr[0] != ':') {
            sn_buf_str(out, seg);
            continue;
        }
        seg = sn_str_from(seg, 1);
        const struct sn_rest_field *f = find(m->req, seg, SN_REST_IN_PATH);
        int r = f ? text_of(f->type, req + f->offset, a, &v) : 0;
        if (r < 0) return r;
        if (!v.len)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%s: \":%.*s\" is empty", m->name,
                           SN_STR_ARG(seg));
        sn_buf_pct(out, v, SN_PCT_SEGMENT);
    }
    return out->err;
}
static bool has_json(const struct sn_rest_struct *st)
{
    for (uint32_t i = 0; st && i < st->n_fields; i++)
        if (st->fields[i].where == SN_REST_IN_JSON) return true;
    return false;
}
int sn_rest_request(const struct sn_rest_method *m, const void *req, struct sn_arena *a,
                    struct sn_rest_request *ret)
{
    struct sn_buf b;
    bool first = true;
    memset(ret, 0, sizeof *ret);
    sn_buf_init(&b, 0);
    int r = add_path(&b, m, req, a);
    for (uint32_t i = 0; m->req && i < m->req->n_fields && r == 0; i++) {
        const struct sn_rest_field *f = &m->req->fields[i];
        const char *p = (const char *)req + f->offset;
        if (f->where == SN_REST_IN_FORM) r = add_query(&b, f, p, a, &first);
        if (f->where == SN_REST_IN_HEADER) r = add_header(ret, f, p, a);
    }
    if (r == 0) ret->target = sn_arena_str(a, sn_buf_view(&b));
    if (r == 0 && has_json(m->req)) {
        const struct sn_rest_type t = {.kind = SN_REST_STRUCT, .st = m->req};
        sn_buf_reset(&b);
        r = sn_rest_to_json(&t, req, &b);
        if (r == 0) ret->body = sn_arena_str(a, sn_buf_view(&b));
        if (r == 0 && !ret->body.ptr) r = SN_E_NOMEM;
        if (r == 0)
            r = sn_http_headers_add(&ret->headers, a, SN_STR("content-type"),
                                    SN_STR("application/json"));
    }
    sn_buf_done(&b);
    return r < 0 ? r : ret->target.ptr ? 0 : SN_E_NOMEM;
}

/* ---- the answer ---- */

static int code_of(int status)
{
    static const struct {
        int status, code;
    } rows[] = {{400, SN_E_INVALID_ARGUMENT},   {401, SN_E_UNAUTHENTICATED},
                {403, SN_E_PERMISSION_DENIED},  {404, SN_E_NOT_FOUND},
                {409, SN_E_ALREADY_EXISTS},     {413, SN_E_INVALID_ARGUMENT},
                {429, SN_E_RESOURCE_EXHAUSTED}, {499, SN_E_CANCELLED},
                {501, SN_E_UNIMPLEMENTED},      {502, SN_E_UNAVAILABLE},
                {503, SN_E_UNAVAILABLE},        {504, SN_E_DEADLINE_EXCEEDED}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
        if (rows[i].status == status) return rows[i].code;
    return status >= 500 ? SN_E_INTERNAL : SN_E_UNKNOWN;
}
static int failed(const struct sn_rest_method *m, int status, struct sn_str body,
                  struct sn_arena *a)
{
    const struct sn_json *v = NULL;
    int code = code_of(status);
    int64_t n;
    if (sn_json_parse(a, body, NULL, &v) < 0) v = NULL;
    if (v && sn_json_to_i64(sn_json_get(v, "code"), &n) == 0 && n >= 1 && n <= 16) code = (int)-n;
    struct sn_str text = sn_json_str(sn_json_get(v, "message"));
    if (!text.ptr) text = sn_str_trim(sn_str_sub(body, 0, 200));
    return sn_fail(code, "%s: status %d: %.*s", m->name, status, SN_STR_ARG(text));
}
static int answer(const struct sn_rest_method *m, struct sn_http_resp *resp, struct sn_arena *a,
                  void *ret)
{
    struct sn_str body;
    const struct sn_json *v;
    int r = sn_http_resp_all(resp, ANSWER_BYTES_MAX, &body);
    if (r == 0 && !(body = sn_arena_str(a, body)).ptr) r = SN_E_NOMEM; /* outlives the response */
    if (r < 0) return sn_wrap(r, "%s", m->name);
    if (resp->status < 200 || resp->status > 299) return failed(m, resp->status, body, a);
    if (!m->resp || !ret) return 0;
    r = sn_json_parse(a, body, &(struct sn_json_opts){.depth_max = SN_REST_DEPTH_MAX}, &v);
    if (r == 0) r = sn_rest_from_json(m->resp, v, true, a, ret);
    return r < 0 ? sn_wrap(r, "the answer to %s", m->name) : 0;
}
/* Before the first answer of a registry a call waits, as one for a connection would. */
static int known(struct sn_rest_client *c)
{
    if (!c->source || sn_event_is_set(&c->known)) return 0;
    int64_t at = c->timeout_ns < 0 ? SN_FOREVER : sn_now() + c->timeout_ns;
    int r = sn_event_wait_until(&c->known, at);
    if (r != SN_E_DEADLINE_EXCEEDED) return r;
    return sn_fail(r, "the registry has not named an instance of %s yet", c->host);
}
int sn_rest_client_call(struct sn_rest_client *c, const struct sn_rest_method *m, const void *req,
                        struct sn_arena *a, void *ret)
{
    struct sn_rest_request q;
    struct sn_http_resp *resp;
    int r = known(c);
    if (r < 0) return sn_wrap(r, "%s", m->name);
    r = sn_rest_request(m, req, a, &q);
    if (r == 0 && c->token)
        r = sn_http_headers_add(&q.headers, a, SN_STR("authorization"), sn_str(c->token));
    if (r < 0) return r;
    struct sn_str url = sn_arena_printf(a, "http://%s%.*s", c->host, SN_STR_ARG(q.target));
    if (!url.ptr) return SN_E_NOMEM;
    struct sn_http_call call = {.method = sn_str(m->method),
                                .url = url,
                                .headers = q.headers.ptr,
                                .n_headers = q.headers.len,
                                .body = q.body};
    r = sn_gov_client_do(c->gov, &(struct sn_gov_request){.method = m->name, .call = &call}, &resp);
    if (r < 0) return sn_wrap(r, "%s", m->name);
    r = answer(m, resp, a, ret);
    sn_http_resp_close(resp);
    return r;
}

/* ---- life ---- */

static int set_host(struct sn_rest_client *c, struct sn_str host)
{
    c->host = sn_alloc(host.len + 1);
    return c->host ? sn_str_cz(host, c->host, host.len + 1) : SN_E_NOMEM;
}
static int set_targets(struct sn_rest_client *c, struct sn_str list)
{
    if (sn_str_find(list, SN_STR("://")) >= 0) return sn_registry_url_check(list); /* says why not */
    struct sn_gov_endpoint_spec *specs = SN_NEW_ARRAY(struct sn_gov_endpoint_spec, TARGETS_MAX);
    size_t n = 0;
    int r = specs ? 0 : SN_E_NOMEM;
    while (list.ptr && r == 0) {
        struct sn_str one = sn_str_trim(sn_str_cut(&list, ','));
        if (n == TARGETS_MAX)
            r = sn_fail(SN_E_INVALID_ARGUMENT, "more than %u targets", TARGETS_MAX);
        else if (one.len)
            specs[n++] = (struct sn_gov_endpoint_spec){.addr = one};
    }
    if (r == 0 && !n)
        r = sn_fail(SN_E_INVALID_ARGUMENT,
                    "no target: expected host:port[,host:port...] or a registry's URL");
    if (r == 0) r = set_host(c, specs[0].addr);
    if (r == 0) r = sn_gov_client_update(c->gov, specs, n);
    sn_free(specs);
    return r;
}
static int found(const struct app_target *list, uint32_t n, void *arg)
{
    struct sn_rest_client *c = arg;
    struct sn_gov_endpoint_spec *specs = SN_NEW_ARRAY(struct sn_gov_endpoint_spec, n + 1);
    if (!specs) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        specs[i] = (struct sn_gov_endpoint_spec){.addr = list[i].addr,
                                                 .zone = list[i].zone,
                                                 .weight = SN_MIN(list[i].weight, 1000000u)};
    int r = sn_gov_client_update(c->gov, specs, n);
    sn_free(specs);
    if (r == 0) sn_event_set(&c->known);
    return r;
}
static int set_source(struct sn_rest_client *c, const struct sn_rest_client_opts *o)
{
    int r = app_source_open(&(struct app_source_opts){.url = o->targets,
                                                      .token = o->registry_token,
                                                      .found = found,
                                                      .arg = c},
                            &c->source);
    return r < 0 ? r : set_host(c, app_source_host(c->source));
}
static int set_up(struct sn_rest_client *c, const struct sn_rest_client_opts *o)
{
    int r = 0;
    c->http = o->http;
    if (!c->http) {
        r = sn_http_client_new(&(struct sn_http_client_opts){0}, &c->own_http);
        c->http = c->own_http;
    }
    if (r < 0) return r;
    r = sn_gov_client_new(&(struct sn_gov_client_opts){.http = c->http,
                                                       .service = o->service,
                                                       .timeout_ns = o->timeout_ns,
                                                       .otlp = o->otlp},
                          &c->gov);
    c->timeout_ns = o->timeout_ns ? o->timeout_ns : SN_GOV_TIMEOUT_RPC_NS;
    if (r == 0)
        r = sn_registry_url_is(o->targets) ? set_source(c, o) : set_targets(c, o->targets);
    if (r == 0 && o->token.len) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_buf_printf(&b, "Bearer %.*s", SN_STR_ARG(o->token));
        sn_buf_byte(&b, 0);
        if ((r = b.err) == 0)
            c->token = (char *)b.ptr;
        else
            sn_buf_done(&b);
    }
    return r;
}
int sn_rest_client_new(const struct sn_rest_client_opts *o, struct sn_rest_client **ret)
{
    if (!o->service || !o->targets.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a client needs a service's name and targets");
    struct sn_rest_client *c = SN_NEW(struct sn_rest_client);
    if (!c) return SN_E_NOMEM;
    int r = set_up(c, o);
    if (r < 0) {
        sn_rest_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}
void sn_rest_client_free(struct sn_rest_client *c)
{
    if (!c) return;
    app_source_close(c->source);
    sn_gov_client_free(c->gov);
    sn_http_client_free(c->own_http);
    sn_free(c->host);
    sn_free(c->token);
    sn_free(c);
}
