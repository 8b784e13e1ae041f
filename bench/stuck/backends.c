/* SPDX-License-Identifier: Apache-2.0 */
/* bench/stuck/backends.c - servers of which one hangs: bench/stuck.sh.
 *
 *   stuck-backends FIRST_PORT COUNT TOOK_MS
 *
 * COUNT servers on ports from FIRST_PORT answer each request after TOOK_MS. SIGUSR1: the fourth accepts
 * connections and requests as before, and answers nothing; SIGUSR2: it answers again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "fiber/os.h"
#include "kit/http.h"

#define SERVERS_MAX 64
#define STUCK 3
#define LOOK_NS (10 * SN_MS)

static struct {
    int64_t took_ns;
    bool stuck; /* __atomic */
    struct server {
        unsigned index;
        struct sn_http_server *http;
        struct sn_listener *listener;
    } s[SERVERS_MAX];
} app;

static int handle(struct sn_http_x *x, void *arg)
{
    const struct server *s = arg;
    int r = sn_sleep(app.took_ns);
    while (r == 0 && s->index == STUCK && __atomic_load_n(&app.stuck, __ATOMIC_RELAXED))
        r = sn_sleep(LOOK_NS);
    return r < 0 ? r : sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("done\n"));
}

static int serve(void *arg)
{
    struct server *s = arg;
    return sn_http_serve(s->http, s->listener);
}

static int app_main(void *arg)
{
    char **argv = arg;
    static const int wanted[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, 0};
    unsigned n = (unsigned)atoi(argv[2]);
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < n && i < SERVERS_MAX; i++) {
        struct server *s = &app.s[i];
        char addr[64];
        s->index = i;
        (void)snprintf(addr, sizeof(addr), "127.0.0.1:%u", (unsigned)atoi(argv[1]) + i);
        r = sn_http_server_new(&(struct sn_http_server_opts){.handler = handle, .arg = s}, &s->http);
        if (r == 0) r = sn_listen(addr, NULL, &s->listener);
        if (r == 0) r = sn_scope_go(scope, "serve", serve, s);
    }
    for (int sig = 0; r == 0 && (sig = sn_signal_wait(wanted)) > 0;) {
        if (sig != SIGUSR1 && sig != SIGUSR2) break;
        __atomic_store_n(&app.stuck, sig == SIGUSR1, __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; i < n && i < SERVERS_MAX; i++)
        if (app.s[i].http) (void)sn_http_server_drain(app.s[i].http, 0);
    sn_scope_cancel(scope);
    (void)!sn_scope_end(scope);
    for (unsigned i = 0; i < SERVERS_MAX; i++) sn_http_server_free(app.s[i].http);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: stuck-backends FIRST_PORT COUNT TOOK_MS\n");
        return 2;
    }
    app.took_ns = atoi(argv[3]) * SN_MS;
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, app_main, argv);
    if (r < 0) fprintf(stderr, "stuck-backends: %s\n", sn_diag_str(r));
    return r < 0;
}
