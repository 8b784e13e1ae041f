/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/http_peer.c - our side of tests/interop/http.sh.
 *
 *   http_peer serve [CERT KEY]          serves on a free port, printed; h1, h2 and WebSocket
 *   http_peer get URL [h2|tls] [BODY]   one call with our client; status, version and body printed
 *   http_peer ws URL COUNT [deflate] [h2]    COUNT round trips with our WebSocket client */
#include <signal.h>
#include <stdio.h>

#include "core/buf.h"
#include "fiber/os.h"
#include "kit/http.h"
#include "kit/tls.h"

struct app {
    int argc;
    char **argv;
    struct sn_http_server *server;
    struct sn_listener *listener;
};

static int echo(struct sn_http_x *x)
{
    char buf[8192];
    ssize_t n;
    int r = sn_http_start(x, 200, x->req.content_length);
    while (r >= 0 && (n = sn_http_body_read(x, buf, sizeof(buf))) != 0)
        r = n < 0 ? (int)n : sn_http_write(x, sn_str_of(buf, (size_t)n));
    return r;
}

static void ws_message(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data, void *arg)
{
    (void)!sn_ws_write(ws, kind, data);
}

static int handler(struct sn_http_x *x, void *arg)
{
    struct sn_str p = x->req.path;
    if (sn_str_eqc(p, "/echo")) return echo(x);
    if (sn_str_eqc(p, "/read")) { /* answers when all of the body is there */
        struct sn_str body;
        int r = sn_http_body_all(x, 64 << 20, &body);
        return r < 0 ? r : sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("ok"));
    }
    if (sn_str_eqc(p, "/ws")) {
        struct sn_ws *ws;
        struct sn_ws_opts o = {.on_message = ws_message, .deflate = true,
                               .message_bytes_max = 1 << 20};
        return sn_ws_accept(x, &o, &ws);
    }
    if (sn_str_eqc(p, "/chunked")) {
        int r = sn_http_start(x, 200, -1);
        for (int i = 0; i < 1000 && r >= 0; i++) r = sn_http_write(x, SN_STR("0123456789"));
        if (r >= 0 && x->req.version > 10) r = sn_http_trailer(x, SN_STR("X-Sum"), SN_STR("10000"));
        return r;
    }
    return sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("hello"));
}

static int serve(void *arg)
{
    struct app *a = arg;
    return sn_http_serve(a->server, a->listener);
}

static int run_server(struct app *a)
{
    struct sn_http_server_opts o = {.handler = handler};
    if (a->argc > 3) {
        struct sn_tls_cert cert = {.cert_file = a->argv[2], .key_file = a->argv[3]};
        struct sn_tls_opts to = {.certs = &cert, .n_certs = 1, .alpn = "h2,http/1.1"};
        int r = sn_tls_config_new(&to, &o.tls);
        if (r < 0) return r;
    }
    int r = sn_listen("127.0.0.1:0", NULL, &a->listener);
    if (r >= 0) r = sn_http_server_new(&o, &a->server);
    if (r < 0) return r;
    char text[64];
    r = sn_listener_addr(a->listener, text, sizeof(text));
    if (r < 0) return r;
    printf("%s\n", text);
    fflush(stdout);
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = sn_scope_go(scope, "serve", serve, a);
    static const int stop[] = {SIGTERM, 0};
    if (r >= 0) r = sn_signal_wait(stop);
    sn_http_server_drain(a->server, 2 * SN_SEC);
    r = sn_scope_end(scope);
    sn_http_server_free(a->server);
    sn_tls_config_unref(o.tls);
    return r;
}

static int run_get(struct app *a)
{
    struct sn_http_client_opts o = {0};
    struct sn_str mode = sn_str(a->argc > 3 ? a->argv[3] : "");
    o.h2_prior_knowledge = sn_str_eqc(mode, "h2");
    int r = 0;
    if (sn_str_eqc(mode, "tls")) {
        struct sn_tls_opts to = {.insecure = true, .alpn = "h2,http/1.1"};
        r = sn_tls_config_new(&to, &o.tls);
    }
    struct sn_http_client *c = NULL;
    if (r >= 0) r = sn_http_client_new(&o, &c);
    if (r < 0) return r;
    struct sn_http_call call = {.url = sn_str(a->argv[2])};
    if (a->argc > 4) {
        call.method = SN_STR("POST");
        call.body = sn_str(a->argv[4]);
    }
    for (int i = 0; i < 3 && r >= 0; i++) { /* the later ones over the pooled connection */
        struct sn_http_resp *resp;
        struct sn_str body;
        r = sn_http_do(c, &call, &resp);
        if (r < 0) break;
        r = sn_http_resp_all(resp, 1 << 20, &body);
        if (r >= 0)
            printf("%d %d %d %.*s\n", resp->status, resp->version, resp->reused, SN_STR_ARG(body));
        sn_http_resp_close(resp);
    }
    sn_http_client_free(c);
    sn_tls_config_unref(o.tls);
    return r;
}

static int run_ws(struct app *a)
{
    struct sn_http_client *c;
    uint64_t count;
    struct sn_http_client_opts co = {0};
    struct sn_ws_opts o = {0};
    for (int i = 4; i < a->argc; i++) {
        co.h2_prior_knowledge |= strcmp(a->argv[i], "h2") == 0;
        o.deflate |= strcmp(a->argv[i], "deflate") == 0;
    }
    int r = sn_str_to_u64(sn_str(a->argv[3]), &count);
    if (r >= 0) r = sn_http_client_new(&co, &c);
    if (r < 0) return r;
    struct sn_ws *ws;
    r = sn_ws_dial(c, sn_str(a->argv[2]), &o, &ws);
    struct sn_buf big = {0}, m = {0};
    for (uint64_t i = 0; i < count && r >= 0; i++) {
        for (int k = 0; k < 100; k++) sn_buf_byte(&big, (uint8_t)('a' + (i + (uint64_t)k) % 26));
        r = sn_ws_write(ws, i & 1 ? SN_WS_TEXT : SN_WS_BINARY, sn_buf_view(&big));
        if (r >= 0) r = sn_ws_read(ws, &m);
        if (r >= 0 && !sn_str_eq(sn_buf_view(&m), sn_buf_view(&big)))
            r = sn_fail(SN_E_DATA_LOSS, "message %d came back different", (int)i);
    }
    if (r >= 0) {
        printf("ok\n");
        sn_ws_close(ws, 1000, SN_STR("done"));
    }
    sn_buf_done(&big);
    sn_buf_done(&m);
    sn_http_client_free(c);
    return r < 0 ? r : 0;
}

static int app_main(void *arg)
{
    struct app *a = arg;
    struct sn_str verb = sn_str(a->argv[1]);
    if (sn_str_eqc(verb, "serve")) return run_server(a);
    if (sn_str_eqc(verb, "get") && a->argc > 2) return run_get(a);
    if (sn_str_eqc(verb, "ws") && a->argc > 3) return run_ws(a);
    return sn_fail(SN_E_INVALID_ARGUMENT, "unknown verb %s", a->argv[1]);
}

int main(int argc, char **argv)
{
    struct app a = {.argc = argc, .argv = argv};
    if (argc < 2) return 2;
    int r = sn_rt_run(NULL, app_main, &a);
    if (r < 0) fprintf(stderr, "http_peer: %s\n", sn_diag_str(r));
    return r < 0;
}
