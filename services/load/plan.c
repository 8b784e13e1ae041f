/* SPDX-License-Identifier: Apache-2.0 */
/* load/plan.c - from what the user asked for to bytes ready to send. */
#include "core/status.h"
#include "load/load.h"

static int split_url(struct sn_load_target *t, struct sn_str *ret_authority,
                     struct sn_str *ret_path)
{
    struct sn_str u = t->url;
    if (sn_str_starts(u, SN_STR("https://"))) {
        t->tls = true;
        u = sn_str_from(u, 8);
    } else if (sn_str_starts(u, SN_STR("http://"))) {
        u = sn_str_from(u, 7);
    } else {
        return sn_fail(SN_E_SYNTAX, "target \"%.*s\": expected http:// or https://",
                       SN_STR_ARG(t->url));
    }
    ssize_t slash = sn_str_chr(u, '/');
    *ret_authority = slash < 0 ? u : sn_str_sub(u, 0, (size_t)slash);
    *ret_path = slash < 0 ? SN_STR("/") : sn_str_from(u, (size_t)slash);
    ssize_t hash = sn_str_chr(*ret_path, '#');
    if (hash >= 0) *ret_path = sn_str_sub(*ret_path, 0, (size_t)hash);
    if (ret_authority->len == 0 || sn_str_chr(*ret_authority, '@') >= 0)
        return sn_fail(SN_E_SYNTAX, "target \"%.*s\": expected HOST or HOST:PORT after the scheme",
                       SN_STR_ARG(t->url));
    for (size_t i = 0; i < t->url.len; i++)
        if ((unsigned char)t->url.ptr[i] <= ' ')
            return sn_fail(SN_E_SYNTAX, "target \"%.*s\": blank or control character at %zu",
                           SN_STR_ARG(t->url), i);
    return 0;
}

static int set_address(struct sn_load_target *t, struct sn_str authority, struct sn_arena *a)
{
    ssize_t colon = sn_str_rchr(authority, ':');
    ssize_t bracket = sn_str_rchr(authority, ']');
    bool has_port = colon >= 0 && colon > bracket;
    t->host = has_port ? sn_str_sub(authority, 0, (size_t)colon) : authority;
    if (t->host.len > 2 && t->host.ptr[0] == '[') t->host = sn_str_sub(t->host, 1, t->host.len - 1);
    struct sn_str addr = sn_arena_printf(a, "tcp:%.*s%s", SN_STR_ARG(authority),
                                         has_port ? "" : t->tls ? ":443" : ":80");
    if (!addr.ptr) return SN_E_NOMEM;
    t->addr = addr.ptr;
    return 0;
}

static bool has_header(const struct sn_load_plan *p, struct sn_str name)
{
    SN_VEC_EACH(&p->headers, h)
        if (sn_str_ieq(h->name, name)) return true;
    return false;
}

static int format_request(const struct sn_load_plan *p, struct sn_load_target *t,
                          struct sn_str authority, struct sn_str path, struct sn_arena *a)
{
    struct sn_buf b;
    sn_buf_init(&b, 64u << 20);
    sn_buf_printf(&b, "%.*s %.*s HTTP/1.1\r\n", SN_STR_ARG(t->method), SN_STR_ARG(path));
    if (!has_header(p, SN_STR("host")))
        sn_buf_printf(&b, "Host: %.*s\r\n", SN_STR_ARG(authority));
    if (!has_header(p, SN_STR("user-agent"))) sn_buf_cstr(&b, "User-Agent: sennit-load\r\n");
    if (p->no_keepalive) sn_buf_cstr(&b, "Connection: close\r\n");
    if (t->body.len || sn_str_eqc(t->method, "POST") || sn_str_eqc(t->method, "PUT"))
        sn_buf_printf(&b, "Content-Length: %zu\r\n", t->body.len);
    SN_VEC_EACH(&p->headers, h)
        sn_buf_printf(&b, "%.*s: %.*s\r\n", SN_STR_ARG(h->name), SN_STR_ARG(h->value));
    sn_buf_cstr(&b, "\r\n");
    sn_buf_str(&b, t->body);
    int r = b.err;
    if (r == 0) {
        t->request = sn_arena_str(a, sn_buf_view(&b));
        if (!t->request.ptr) r = SN_E_NOMEM;
    }
    sn_buf_done(&b);
    return r;
}

int sn_load_plan_prepare(struct sn_load_plan *p, struct sn_arena *a)
{
    if (p->targets.len == 0) return sn_fail(SN_E_INVALID_ARGUMENT, "load: no URL given");
    if (p->targets.len > SN_LOAD_TARGETS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "load: more than %u targets", SN_LOAD_TARGETS_MAX);
    SN_VEC_EACH(&p->headers, h)
        for (size_t i = 0; i < h->value.len; i++)
            if (h->value.ptr[i] == '\r' || h->value.ptr[i] == '\n')
                return sn_fail(SN_E_INVALID_ARGUMENT, "header %.*s: line break in its value",
                               SN_STR_ARG(h->name));
    SN_VEC_EACH(&p->targets, t) {
        struct sn_str authority, path;
        if (!t->method.len) t->method = SN_STR("GET");
        if (t->weight <= 0) t->weight = 1;
        int r = split_url(t, &authority, &path);
        if (r >= 0) r = set_address(t, authority, a);
        if (r >= 0) r = format_request(p, t, authority, path, a);
        if (r < 0) return r;
    }
    return 0;
}
