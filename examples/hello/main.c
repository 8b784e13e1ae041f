/* SPDX-License-Identifier: Apache-2.0 */
/* examples/hello - the smallest useful server: "Hello, World!" on every path.
 *
 *   hello [ADDRESS] [WORKERS] [IDLE]      default 127.0.0.1:8080, one worker per CPU, 75s
 *
 * Also the server of bench/http.sh and bench/million.sh. SIGTERM drains and exits 0. */
#include <signal.h>
#include <stdio.h>

#include "fiber/os.h"
#include "kit/http.h"

static int hello(struct sn_http_x *x, void *arg)
{
    return sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("Hello, World!"));
}

struct app {
    const char *addr;
    int64_t idle_ns; /* keep-alive; 0 = the server's default */
    struct sn_http_server *server;
    struct sn_listener *listener;
};

static int serve(void *arg)
{
    struct app *a = arg;
    return sn_http_serve(a->server, a->listener);
}

static int app_main(void *arg)
{
    struct app *a = arg;
    struct sn_http_server_opts o = {.handler = hello, .server_name = "sennit",
                                    .idle_ns = a->idle_ns};
    struct sn_listen_opts lo = {.per_worker = true};
    int r = sn_listen(a->addr, &lo, &a->listener);
    if (r < 0) return r;
    r = sn_http_server_new(&o, &a->server);
    if (r < 0) return r;
    char text[128];
    if (sn_listener_addr(a->listener, text, sizeof(text)) > 0) printf("listening on %s\n", text);
    fflush(stdout);
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = sn_scope_go(scope, "serve", serve, a);
    static const int stop[] = {SIGTERM, SIGINT, 0};
    if (r >= 0) r = sn_signal_wait(stop);
    if (r >= 0) sn_http_server_drain(a->server, 5 * SN_SEC);
    r = sn_scope_end(scope);
    sn_http_server_free(a->server);
    return r;
}

int main(int argc, char **argv)
{
    struct app a = {.addr = argc > 1 ? argv[1] : "127.0.0.1:8080"};
    uint64_t workers = 0;
    if (argc > 2 && (sn_str_to_u64(sn_str(argv[2]), &workers) < 0 || workers > 1024)) {
        fprintf(stderr, "hello: WORKERS is not a number up to 1024: %s\n", argv[2]);
        return 2;
    }
    if (argc > 3 && sn_str_to_duration(sn_str(argv[3]), &a.idle_ns) < 0) {
        fprintf(stderr, "hello: IDLE is not a duration such as 75s: %s\n", argv[3]);
        return 2;
    }
    struct sn_rt_opts o = {.workers = (unsigned)workers};
    int r = sn_rt_run(&o, app_main, &a);
    if (r < 0) fprintf(stderr, "hello: %s\n", sn_diag_str(r));
    return r < 0;
}
