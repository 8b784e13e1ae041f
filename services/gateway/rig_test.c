/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/rig_test.c - see rig_test.h. */
#include "gateway/rig_test.h"

#include <stdio.h>
#include <unistd.h>

#include "harness/test.h"

/* ---- upstreams ------------------------------------------------------------------------------ */

/* Echoes what it received: the request line, its fields one per line, an empty line, the body. */
int echo(struct sn_http_x *x, void *arg)
{
    struct upstream *u = arg;
    __atomic_fetch_add(&u->requests, 1, __ATOMIC_RELAXED);
    if (sn_str_eqc(x->req.path, "/empty")) {
        int r = sn_http_start(x, 204, 0);
        return r < 0 ? r : sn_http_end(x);
    }
    if (sn_str_eqc(x->req.path, "/chunks")) {
        int r = sn_http_start(x, 200, -1);
        for (int i = 0; r == 0 && i < 5; i++) r = sn_http_write(x, S("piece;"));
        if (r == 0) r = sn_http_trailer(x, S("X-Sum"), S("30"));
        return r < 0 ? r : sn_http_end(x);
    }
    if (sn_str_eqc(x->req.path, "/slow") && sn_sleep(SN_SEC) < 0) return SN_E_CANCELLED;
    if (sn_str_eqc(x->req.path, "/cut")) {
        int r = sn_http_start(x, 200, 100);
        if (r == 0) r = sn_http_write(x, S("half"));
        return r < 0 ? r : SN_E_INTERNAL;
    }
    if (u->status) return sn_http_reply(x, u->status, S("text/plain"), S("no"));
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_printf(&b, "%.*s %.*s\n", SN_STR_ARG(x->req.method_text), SN_STR_ARG(x->req.target));
    for (unsigned i = 0; i < x->req.headers.len; i++)
        sn_buf_printf(&b, "%.*s: %.*s\n", SN_STR_ARG(x->req.headers.ptr[i].name),
                      SN_STR_ARG(x->req.headers.ptr[i].value));
    sn_buf_byte(&b, '\n');
    struct sn_str body;
    int r = sn_http_body_all(x, 64 << 20, &body);
    if (r == 0) r = sn_buf_str(&b, body);
    if (r == 0) r = sn_http_header_add(x, S("X-Upstream"), sn_str(u->name));
    if (r == 0) r = sn_http_header_add(x, S("Proxy-Connection"), S("close"));
    if (r == 0) r = sn_http_reply(x, 200, S("text/plain"), sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

int upstream_run(void *arg)
{
    struct upstream *u = arg;
    (void)!sn_http_serve(u->srv, u->l);
    sn_event_set(&u->gone);
    return 0;
}

/* A loopback address of this process's own: one that starts again needs its port back, which on
 * 127.0.0.1 any client of another test may hold by then. Certificates are for 127.0.0.1. */
static const char *own_address(const struct upstream *u, char *buf, size_t n)
{
    unsigned pid = (unsigned)getpid();
    if (u->tls) return "127.0.0.1:0";
    (void)snprintf(buf, n, "127.%u.%u.%u:0", 64 + (pid >> 16) % 64, (pid >> 8) % 256, pid % 254 + 1);
    return buf;
}

void upstream_start(struct upstream *u, const char *name, sn_http_handler fn)
{
    char own[32];
    u->name = name;
    u->gone = (struct sn_event){0};
    struct sn_http_server_opts o = {.handler = fn, .arg = u, .tls = u->tls};
    T_OK(sn_http_server_new(&o, &u->srv));
    T_OK(sn_listen(u->addr[0] ? u->addr : own_address(u, own, sizeof(own)), NULL, &u->l));
    T_OK(sn_listener_addr(u->l, u->addr, sizeof(u->addr)));
    T_OK(sn_scope_go(sn_scope_current(), "upstream", upstream_run, u));
}

void upstream_stop(struct upstream *u)
{
    (void)sn_http_server_drain(u->srv, 0);
    T_OK(sn_event_wait(&u->gone));
    sn_http_server_free(u->srv);
    u->srv = NULL;
}

/* ---- the gateway under test ----------------------------------------------------------------- */

static int gateway_main(void *arg)
{
    struct rig *g = arg;
    g->cut = sn_gateway_run(g->gw);
    sn_event_set(&g->over);
    return 0;
}

void config_text(struct sn_buf *b, const char *text, const struct rig *g)
{
    /* @0 .. @2 stand for the upstreams' addresses. */
    for (; *text; text++) {
        if (*text == '@' && text[1] >= '0' && text[1] <= '2')
            sn_buf_cstr(b, g->up[*++text - '0'].addr);
        else
            sn_buf_byte(b, (uint8_t)*text);
    }
}

void rig_start(struct rig *g, const char *config)
{
    struct sn_buf text = {0};
    config_text(&text, config, g);
    struct sn_gateway_opts o = {.config_text = sn_buf_view(&text)};
    struct sn_buf errors = {0};
    int r = sn_gateway_new(&o, &g->gw, &errors);
    T_ASSERTF(r == 0, "gateway: %.*s", (int)errors.len, (const char *)errors.ptr);
    sn_buf_done(&errors);
    sn_buf_done(&text);
    T_OK(sn_scope_go(sn_scope_current(), "gateway", gateway_main, g));
    T_OK(sn_gateway_listener_addr(g->gw, S("web"), g->addr, sizeof(g->addr)));
    T_OK(sn_http_client_new(&g->co, &g->client));
}

void rig_stop(struct rig *g)
{
    sn_http_client_free(g->client);
    sn_gateway_stop(g->gw);
    T_OK(sn_event_wait(&g->over));
    sn_gateway_free(g->gw);
    for (int i = 0; i < 3; i++)
        if (g->up[i].srv) upstream_stop(&g->up[i]);
}

int ask(struct rig *g, const char *method, const char *path, const struct sn_http_header *h,
               unsigned n, struct sn_str body, struct answer *ret)
{
    snprintf(g->url, sizeof(g->url), "http%s://%s%s", g->tls ? "s" : "", g->addr, path);
    struct sn_http_call call = {.method = sn_str(method),
                                .url = sn_str(g->url),
                                .headers = h,
                                .n_headers = n,
                                .body = body};
    int r = sn_http_do(g->client, &call, &ret->resp);
    if (r < 0) return r;
    ret->status = ret->resp->status;
    ret->headers = ret->resp->headers;
    r = sn_http_resp_all(ret->resp, 64 << 20, &ret->text);
    if (r < 0) sn_http_resp_close(ret->resp);
    return r;
}

bool has(struct sn_str text, const char *what)
{
    return sn_str_find(text, sn_str(what)) >= 0;
}

void with_rig(const char *config, int (*fn)(struct rig *g))
{
    struct rig *g = calloc(1, sizeof(*g));
    struct sn_scope_storage mem;
    (void)sn_scope_begin(&mem);
    upstream_start(&g->up[0], "zero", echo);
    upstream_start(&g->up[1], "one", echo);
    upstream_start(&g->up[2], "two", echo);
    rig_start(g, config);
    T_OK(fn(g));
    rig_stop(g);
    T_OK(sn_scope_end(sn_scope_current()));
    free(g);
}

struct sn_str raw_talk(struct rig *g, const char *request, char *buf, size_t cap)
{
    struct sn_stream *st;
    T_OK(sn_dial(g->addr, NULL, &st));
    T_OK(sn_write(st, request, strlen(request)));
    size_t n = 0;
    int64_t prev = sn_deadline_tighten(sn_now() + 300 * SN_MS);
    while (n < cap) {
        ssize_t r = sn_read(st, buf + n, cap - n);
        if (r <= 0) break;
        n += (size_t)r;
    }
    sn_deadline_restore(prev);
    sn_stream_close(st);
    return sn_str_of(buf, n);
}
