/* SPDX-License-Identifier: Apache-2.0 */
/* kit/debug_http.c - kit/debug.h as a handler of kit/http. */
#include "kit/debug.h"

#include "core/alloc.h"
#include "fiber/fiber.h"
#include "fiber/net.h"
#include "kit/trace.h"

static bool is_loopback(struct sn_str peer)
{
    return sn_str_starts(peer, SN_STR("127.")) || sn_str_starts(peer, SN_STR("[::1]")) ||
           sn_str_starts(peer, SN_STR("[::ffff:127.")) || sn_str_starts(peer, SN_STR("unix"));
}
static int header(struct sn_http_x *x, const char *name, struct sn_str value)
{
    return sn_http_header_add(x, sn_str(name), value);
}
static int headers(struct sn_http_x *x, const struct sn_debug_reply *r)
{
    int res = header(x, "X-Content-Type-Options", SN_STR("nosniff"));
    if (res >= 0) res = header(x, "Cache-Control", SN_STR("no-store"));
    if (res >= 0 && r->go_error) res = header(x, "X-Go-Pprof", SN_STR("1"));
    if (res >= 0 && r->attachment) {
        struct sn_str v = sn_arena_printf(x->arena, "attachment; filename=\"%s\"", r->attachment);
        res = v.ptr ? header(x, "Content-Disposition", v) : SN_E_NOMEM;
    }
    return res;
}
static int send_reply(struct sn_http_x *x, struct sn_debug_reply *r)
{
    int res = headers(x, r);
    return res < 0 ? res : sn_http_reply(x, r->status, r->content_type, sn_buf_view(&r->body));
}

/* A trace is sent while it is taken: it may be larger than memory. */
struct trace_out {
    struct sn_http_x *x;
    struct sn_debug_reply *r;
    bool started;
};
static int trace_write(void *arg, struct sn_str bytes)
{
    struct trace_out *o = arg;
    if (!o->started) {
        int res = headers(o->x, o->r);
        if (res >= 0) res = header(o->x, "Content-Type", o->r->content_type);
        if (res >= 0) res = sn_http_start(o->x, 200, -1);
        if (res < 0) return res;
        o->started = true;
    }
    return sn_http_write(o->x, bytes);
}
static int send_trace(struct sn_http_x *x, struct sn_debug_reply *r)
{
    struct trace_out o = {.x = x, .r = r};
    int res = sn_debug_trace(x->req.query,
                             &(struct sn_trace_opts){.write = trace_write, .arg = &o}, r);
    return res < 0 ? res : o.started ? sn_http_end(x) : send_reply(x, r);
}
int sn_debug_handler(struct sn_http_x *x, void *arg)
{
    const struct sn_debug_opts *o = arg;
    struct sn_str path = x->req.path;
    bool pprof = sn_str_starts(path, SN_STR("/debug/"));
    bool guarded = pprof ? !(o && o->allow_remote) : o && o->metrics_loopback_only;
    if (guarded && !is_loopback(sn_http_peer(x)))
        return sn_http_reply(x, 403, SN_STR("text/plain; charset=utf-8"),
                             SN_STR("debugging is for loopback only\n"));
    struct sn_debug_reply r = {.status = 200};
    sn_buf_init(&r.body, (size_t)512 << 20);
    int res;
    if (sn_str_eqc(path, "/debug/pprof/trace")) {
        res = send_trace(x, &r);
    } else {
        res = sn_debug_get(path, x->req.query,
                           sn_http_headers_get(&x->req.headers, SN_STR("accept")), &r);
        if (res >= 0) res = r.body.err < 0 ? r.body.err : send_reply(x, &r);
    }
    sn_buf_done(&r.body);
    return res;
}

/* ---- a server of its own ---- */

#define DEBUG_CONNS_MAX 256

struct debug_server {
    struct sn_http_server *http;
    struct sn_listener *listener;
};
static int only_debug(struct sn_http_x *x, void *arg)
{
    if (sn_debug_owns(x->req.path)) return sn_debug_handler(x, arg);
    return sn_http_reply(x, 404, SN_STR("text/plain; charset=utf-8"),
                         SN_STR("see /debug/pprof/, /metrics, /healthz\n"));
}
static void debug_fiber(void *arg)
{
    struct debug_server *d = arg;
    (void)!sn_http_serve(d->http, d->listener);
    (void)sn_http_server_drain(d->http, 0);
    sn_http_server_free(d->http);
    sn_free(d);
}
int sn_debug_start(const char *addr, char *ret_addr, size_t cap)
{
    struct sn_http_server_opts o = {.handler = only_debug, .conns_max = DEBUG_CONNS_MAX};
    struct debug_server *d = SN_NEW(struct debug_server);
    if (!d) return SN_E_NOMEM;
    int r = sn_listen(addr, NULL, &d->listener);
    if (r >= 0) {
        r = sn_http_server_new(&o, &d->http);
        if (r >= 0 && ret_addr) sn_listener_addr(d->listener, ret_addr, cap);
        if (r >= 0) r = sn_go("debug", debug_fiber, d);
        if (r >= 0) return 0;
        sn_http_server_free(d->http);
        sn_listener_close(d->listener);
    }
    sn_free(d);
    return sn_wrap(r, "debug server at %s", addr);
}
