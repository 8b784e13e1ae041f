/* SPDX-License-Identifier: Apache-2.0 */
/* registry/url.c - a registry's URL, and the HTTP call the backends share. */
#include "core/enc.h"
#include "kit/http.h"
#include "kit/suggest.h"
#include "registry/backend_int.h"

static const struct reg_backend *const backends[] = {&reg_consul, &reg_nacos, &reg_apollo,
                                                     &reg_etcd,   &reg_zk,    &reg_files, NULL};

static int bad(struct sn_str url, const char *what)
{
    ssize_t q = sn_str_chr(url, '?'); /* options may hold a secret */
    struct sn_str shown = q < 0 ? url : sn_str_sub(url, 0, (size_t)q);
    return sn_fail(SN_E_SYNTAX, "registry URL \"%.*s\": %s", (int)SN_MIN(shown.len, (size_t)200),
                   shown.ptr ? shown.ptr : "", what);
}

static const struct reg_backend *backend_of(struct sn_str scheme)
{
    for (size_t i = 0; backends[i]; i++)
        if (sn_str_eqc(scheme, backends[i]->scheme)) return backends[i];
    return NULL;
}

static int one_server(struct sn_str url, struct sn_str s, uint16_t port, struct sn_arena *a,
                      struct reg_url *u)
{
    if (!sn_http_host_valid(s)) return bad(url, "expected host or host:port, several with commas");
    if (u->n_servers == REG_SERVERS_MAX) return bad(url, "more than 16 servers");
    ssize_t colon = sn_str_rchr(s, ':');
    if (colon >= 0 && s.ptr[s.len - 1] == ']') colon = -1;
    uint64_t given = 1;
    if (colon >= 0 && (sn_str_to_u64(sn_str_from(s, (size_t)colon + 1), &given) < 0 || given == 0 ||
                       given > 65535))
        return bad(url, "port is not in 1..65535");
    struct sn_str full =
        colon >= 0 ? sn_arena_str(a, s) : sn_arena_printf(a, "%.*s:%u", SN_STR_ARG(s), port);
    if (!full.ptr) return SN_E_NOMEM;
    u->servers[u->n_servers++] = full;
    return 0;
}

static bool word_in(const char *words, struct sn_str w)
{
    struct sn_str rest = sn_str(words);
    while (rest.ptr)
        if (sn_str_eq(sn_str_cut(&rest, ' '), w)) return true;
    return false;
}

static int decode(struct sn_arena *a, struct sn_str in, struct sn_str *ret)
{
    char *out = sn_arena_alloc(a, in.len + 1);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_pct_decode(in, true, out);
    if (n < 0) return (int)n;
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}

static int options(struct sn_str url, struct sn_str query, const struct reg_backend *be,
                   struct sn_arena *a, struct reg_url *u)
{
    while (query.ptr) {
        struct sn_str value = sn_str_cut(&query, '&'), name = sn_str_cut(&value, '=');
        if (!name.len) continue;
        if (!word_in(be->opts, name) && !sn_str_eqc(name, "tls"))
            return sn_fail(SN_E_SYNTAX, "registry URL: %s has no option \"%.*s\"; it has: %s tls",
                           be->scheme, (int)SN_MIN(name.len, (size_t)64), name.ptr, be->opts);
        if (u->n_opts == SN_COUNT_OF(u->opts)) return bad(url, "more than 16 options");
        struct sn_label *l = &u->opts[u->n_opts++];
        int r = decode(a, name, &l->name);
        if (r >= 0) r = decode(a, value, &l->value);
        if (r < 0) return r == SN_E_NOMEM ? r : bad(url, "'%' without two hex digits");
    }
    u->tls = sn_str_eqc(reg_url_opt(u, "tls", "false"), "true");
    return 0;
}

int reg_url_parse(struct sn_str url, struct sn_arena *a, struct reg_url *ret,
                  const struct reg_backend **ret_backend)
{
    ssize_t sep = sn_str_find(url, SN_STR("://"));
    if (sep < 0) return bad(url, "expected scheme://host:port");
    struct reg_url u = {.scheme = sn_arena_str(a, sn_str_sub(url, 0, (size_t)sep))};
    if (!u.scheme.ptr) return SN_E_NOMEM;
    const struct reg_backend *be = backend_of(u.scheme);
    if (!be) return bad(url, "expected consul, nacos, apollo, etcd, zk or file as scheme");
    struct sn_str rest = sn_str_from(url, (size_t)sep + 3), query = rest;
    for (size_t i = 0; i < rest.len; i++)
        if ((unsigned char)rest.ptr[i] <= 0x20 || (unsigned char)rest.ptr[i] >= 0x7f)
            return bad(url, "byte that must be percent-encoded");
    rest = sn_str_cut(&query, '?');
    int r;
    if (be->port == 0) { /* a path */
        if (!rest.len) return bad(url, "expected a path");
        if ((r = decode(a, rest, &u.path)) < 0) return r == SN_E_NOMEM ? r : bad(url, "bad escape");
    } else {
        struct sn_str path = rest, servers = sn_str_cut(&path, '/');
        if (sn_str_chr(servers, '@') >= 0)
            return sn_fail(SN_E_SYNTAX,
                           "registry URL: a user part is not taken; give the token apart");
        while (servers.ptr)
            if ((r = one_server(url, sn_str_cut(&servers, ','), be->port, a, &u)) < 0) return r;
        if ((r = decode(a, path, &u.path)) < 0) return r == SN_E_NOMEM ? r : bad(url, "bad escape");
    }
    if ((r = options(url, query, be, a, &u)) < 0) return r;
    *ret = u;
    *ret_backend = be;
    return 0;
}

bool sn_registry_url_is(struct sn_str text)
{
    ssize_t sep = sn_str_find(text, SN_STR("://"));
    return sep > 0 && backend_of(sn_str_sub(text, 0, (size_t)sep));
}

int sn_registry_url_check(struct sn_str url)
{
    struct sn_arena a;
    struct reg_url u;
    const struct reg_backend *be;
    sn_arena_init(&a, NULL, 1 << 16);
    int r = reg_url_parse(url, &a, &u, &be);
    sn_arena_done(&a);
    return r;
}

int sn_registry_split(struct sn_str url, struct sn_arena *a, struct sn_str *ret_registry,
                      struct sn_str *ret_service)
{
    struct sn_str query = url, head = sn_str_cut(&query, '?');
    ssize_t sep = sn_str_find(head, SN_STR("://")), slash = sn_str_rchr(head, '/');
    if (sep < 0 || slash <= sep + 2 || slash + 1 == (ssize_t)head.len)
        return bad(url, "expected a service at the end, as in consul://127.0.0.1:8500/orders");
    struct sn_str registry =
        query.ptr ? sn_arena_printf(a, "%.*s?%.*s", (int)slash, head.ptr, SN_STR_ARG(query))
                  : sn_arena_str(a, sn_str_sub(head, 0, (size_t)slash));
    if (!registry.ptr) return SN_E_NOMEM;
    struct sn_str service;
    int r = decode(a, sn_str_from(head, (size_t)slash + 1), &service);
    if (r < 0) return r == SN_E_NOMEM ? r : bad(url, "bad escape");
    if ((r = sn_registry_url_check(registry)) < 0) return r;
    *ret_registry = registry;
    *ret_service = service;
    return 0;
}

struct sn_str reg_url_opt(const struct reg_url *u, const char *name, const char *def)
{
    for (uint32_t i = 0; i < u->n_opts; i++)
        if (sn_str_eqc(u->opts[i].name, name)) return u->opts[i].value;
    return sn_str(def);
}

/* ---- HTTP ----------------------------------------------------------------------------------- */

/* A list of ten thousand instances with their labels. */
#define ANSWER_MAX (64u << 20)
#define HEADERS_MAX 8u

static int ask(struct sn_http_client *c, struct sn_arena *a, const struct sn_http_call *call,
               struct reg_answer *ret)
{
    struct sn_http_resp *resp;
    int r = sn_http_do(c, call, &resp);
    if (r < 0) return r;
    struct reg_answer ans = {.status = resp->status};
    struct sn_str body;
    r = sn_http_resp_all(resp, ANSWER_MAX, &body);
    if (r >= 0 && !(ans.body = sn_arena_str(a, body)).ptr) r = SN_E_NOMEM;
    struct sn_str index = sn_http_headers_get(&resp->headers, SN_STR("x-consul-index"));
    if (r >= 0 && index.ptr && !(ans.index = sn_arena_str(a, index)).ptr) r = SN_E_NOMEM;
    sn_http_resp_close(resp);
    if (r >= 0) *ret = ans;
    return r;
}

int reg_http(struct reg_env *env, struct sn_http_client *c, struct sn_arena *a,
             const struct reg_call *rc, struct reg_answer *ret)
{
    uint32_t at = __atomic_load_n(&env->server, __ATOMIC_RELAXED) % env->url.n_servers;
    struct sn_http_header headers[HEADERS_MAX];
    SN_ASSERT(rc->n_headers + 1 <= HEADERS_MAX);
    unsigned n = 0;
    for (; n < rc->n_headers; n++)
        headers[n] = (struct sn_http_header){rc->headers[n].name, rc->headers[n].value};
    if (rc->content_type.len)
        headers[n++] = (struct sn_http_header){SN_STR("content-type"), rc->content_type};
    struct sn_http_call call = {.method = sn_str(rc->method),
                                .headers = headers,
                                .n_headers = n,
                                .body = rc->body};
    call.url = sn_arena_printf(a, "http%s://%.*s%.*s", env->url.tls ? "s" : "",
                               SN_STR_ARG(env->url.servers[at]), SN_STR_ARG(rc->target));
    if (!call.url.ptr) return SN_E_NOMEM;
    int64_t prev = sn_deadline_tighten(sn_now() + (rc->ns_max ? rc->ns_max : env->call_ns_max));
    int r = ask(c, a, &call, ret);
    sn_deadline_restore(prev);
    bool moved_on = r < 0 ? r != SN_E_CANCELLED && r != SN_E_NOMEM : ret->status >= 500;
    if (moved_on) __atomic_store_n(&env->server, at + 1, __ATOMIC_RELAXED);
    return r;
}

int reg_status(const char *what, const struct reg_answer *ans)
{
    static const struct {
        int status, code;
    } codes[] = {{400, SN_E_INVALID_ARGUMENT},  {401, SN_E_UNAUTHENTICATED},
                 {403, SN_E_PERMISSION_DENIED}, {404, SN_E_NOT_FOUND},
                 {409, SN_E_ABORTED},           {429, SN_E_RESOURCE_EXHAUSTED}};
    if (ans->status >= 200 && ans->status < 300) return 0;
    int code = ans->status >= 500 ? SN_E_UNAVAILABLE : SN_E_UNKNOWN;
    for (size_t i = 0; i < SN_COUNT_OF(codes); i++)
        if (codes[i].status == ans->status) code = codes[i].code;
    return sn_fail(code, "%s: the registry answered %d: %.*s", what, ans->status,
                   (int)SN_MIN(ans->body.len, (size_t)120), ans->body.ptr ? ans->body.ptr : "");
}
