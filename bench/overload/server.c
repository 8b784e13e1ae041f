/* SPDX-License-Identifier: Apache-2.0 */
/* bench/overload/server.c - a service whose calls cost processor time, behind everything that
 * govern puts around a handler: bench/overload.sh.
 *
 *   overload-server ADDRESS TURNS [unguarded]
 *
 * A call computes so many turns of a loop on the offload pool, as what holds its thread must.
 * `unguarded` switches the shedder and the breaker off. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "fiber/os.h"
#include "govern/chain.h"

static struct {
    const char *addr;
    uint64_t turns; /* of a call's loop */
    bool unguarded;
    struct sn_http_server *http;
    struct sn_listener *listener;
} app;

static uint64_t spin(uint64_t turns)
{
    uint64_t x = 88172645463325252ull;
    for (uint64_t i = 0; i < turns; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static int burn(void *arg)
{
    *(uint64_t *)arg = spin(app.turns);
    return 0;
}

static int handle(struct sn_http_x *x, void *arg)
{
    uint64_t sum = 0;
    (void)arg;
    int r = sn_offload(burn, &sum);
    return r < 0 ? r
                 : sn_http_reply(x, 200, SN_STR("text/plain"),
                                 sum ? SN_STR("done\n") : SN_STR("none\n"));
}

static void watch_cpu(void *arg)
{
    int r = sn_gov_server_run(arg);
    if (r < 0 && r != SN_E_CANCELLED) fprintf(stderr, "overload-server: %s\n", sn_diag_str(r));
}

static void until_told(void *arg)
{
    static const int wanted[] = {SIGTERM, SIGINT, 0};
    (void)arg;
    if (sn_signal_wait(wanted) > 0) (void)sn_http_server_drain(app.http, SN_SEC);
}

static int serve(void *arg)
{
    struct sn_gov_server *gov;
    struct sn_gov_route *route;
    struct sn_http_server_opts o = {.handler = sn_gov_handle};
    (void)arg;
    const struct sn_gov_server_opts g = {.shed_off = app.unguarded,
                                         .breaker_off = app.unguarded,
                                         .access_log_off = true};
    int r = sn_gov_server_new(&g, &gov);
    if (r < 0) return r;
    r = sn_gov_route_new(gov, &(struct sn_gov_route_opts){.name = "GET /", .handler = handle},
                         &route);
    o.arg = route;
    sn_gov_http_defaults(&o);
    if (r == 0) r = sn_http_server_new(&o, &app.http);
    if (r == 0) r = sn_listen(app.addr, NULL, &app.listener);
    if (r < 0) return r;
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    r = sn_go("cpu", watch_cpu, gov);
    if (r == 0) r = sn_go("signals", until_told, NULL);
    puts("ready");
    (void)fflush(stdout);
    if (r == 0) r = sn_http_serve(app.http, app.listener);
    sn_scope_cancel(s);
    (void)!sn_scope_end(s);
    sn_http_server_free(app.http);
    sn_gov_server_free(gov);
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: overload-server ADDRESS TURNS [unguarded]\n");
        return 2;
    }
    app.addr = argv[1];
    app.unguarded = argc > 3;
    app.turns = (uint64_t)strtoull(argv[2], NULL, 10);
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, serve, NULL);
    if (r < 0) fprintf(stderr, "overload-server: %s\n", sn_diag_str(r));
    return r < 0;
}
