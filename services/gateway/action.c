/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/action.c - routes that need no upstream: redirects and fixed answers; path rewriting. */
#include <stdio.h>

#include "gateway/gw_int.h"

struct sn_str gw_rewrite_path(struct gw_req *q, struct sn_str replace_path,
                              struct sn_str replace_prefix, struct sn_str strip_prefix)
{
    struct sn_str path = q->path;
    if (replace_path.ptr) return replace_path;
    struct sn_str cut = strip_prefix.ptr     ? strip_prefix
                        : replace_prefix.ptr ? q->matched
                                             : SN_STR("");
    struct sn_str put = replace_prefix.ptr ? replace_prefix : SN_STR("");
    while (cut.len && cut.ptr[cut.len - 1] == '/') cut.len--;
    while (put.len && put.ptr[put.len - 1] == '/') put.len--;
    bool fits = sn_str_starts(path, cut) && (path.len == cut.len || path.ptr[cut.len] == '/');
    if (!fits || (!cut.len && !put.len)) return path;
    struct sn_str rest = sn_str_from(path, cut.len);
    if (!put.len) return rest.len ? rest : SN_STR("/");
    if (!rest.len) return put;
    return sn_arena_printf(q->x->arena, "%.*s%.*s", SN_STR_ARG(put), SN_STR_ARG(rest));
}

struct sn_str gw_rewrite_regex(struct gw_req *q)
{
    struct sn_str path;
    int r = sn_gw_regex_replace(q->route->rewrite, q->snap->rewriting[q->worker], q->path,
                                q->route->conf->proxy.rewrite.replace, q->x->arena, &path);
    if (r == SN_E_NOT_FOUND) return q->path;
    if (r < 0) return (struct sn_str){0};
    if (path.len && path.ptr[0] == '/') return path;
    return sn_arena_printf(q->x->arena, "/%.*s", SN_STR_ARG(path));
}

int gw_redirect(struct gw_req *q)
{
    const struct sn_gw_conf_redirect *c = &q->route->conf->redirect;
    const struct sn_http_req *req = &q->x->req;
    struct sn_str path = gw_rewrite_path(q, c->path, c->replace_prefix, (struct sn_str){0});
    if (!path.ptr) return SN_E_NOMEM;
    struct sn_str scheme = c->scheme.ptr ? c->scheme : req->tls ? SN_STR("https") : SN_STR("http");
    struct sn_str host = c->host.ptr ? c->host : q->host;
    char port[16] = "";
    bool usual = sn_str_eqc(scheme, "https") ? c->port == 443 : c->port == 80;
    if (c->port && !usual)
        snprintf(port, sizeof(port), ":%u", (unsigned)c->port);
    else if (!c->port && !c->scheme.ptr && !c->host.ptr)
        host = req->authority;
    bool query = req->query.ptr != NULL && !c->path.ptr;
    /* Without a host the location is relative, and "//x" would be somebody else's. */
    while (!host.len && path.len > 1 && path.ptr[1] == '/') path = sn_str_from(path, 1);
    struct sn_str loc;
    if (host.len)
        loc = sn_arena_printf(q->x->arena, "%.*s://%.*s%s%.*s%s%.*s", SN_STR_ARG(scheme),
                              SN_STR_ARG(host), port, SN_STR_ARG(path), query ? "?" : "",
                              query ? (int)req->query.len : 0, query ? req->query.ptr : "");
    else
        loc = sn_arena_printf(q->x->arena, "%.*s%s%.*s", SN_STR_ARG(path), query ? "?" : "",
                              query ? (int)req->query.len : 0, query ? req->query.ptr : "");
    if (!loc.ptr) return SN_E_NOMEM;
    int r = gw_response_headers(q);
    if (r == 0) r = sn_http_header_add(q->x, SN_STR("Location"), loc);
    if (r < 0) return r;
    q->status = (int)c->status;
    return sn_http_reply(q->x, (int)c->status, (struct sn_str){0}, SN_STR(""));
}

int gw_respond(struct gw_req *q)
{
    const struct sn_gw_conf_respond *c = &q->route->conf->respond;
    int r = gw_response_headers(q);
    if (r < 0) return r;
    q->status = (int)c->status;
    struct sn_str type = c->content_type;
    if (!type.ptr && c->body.len) type = SN_STR("text/plain; charset=utf-8");
    return sn_http_reply(q->x, (int)c->status, type, c->body);
}
