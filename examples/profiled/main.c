/* SPDX-License-Identifier: Apache-2.0 */
/* examples/profiled - a server with something to see in every profile, and /debug/pprof/ on it.
 *
 *   profiled [ADDRESS] [WORKERS] [off]     default 127.0.0.1:6060; "off": no profiling, no load
 *   go tool pprof -top http://127.0.0.1:6060/debug/pprof/profile?seconds=5
 *
 * Also the server of tests/interop/pprof.sh and bench/profiling.sh. SIGTERM ends it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "kit/debug.h"
#include "kit/http.h"
#include "kit/metrics.h"
#include "kit/prof.h"

struct app {
    const char *addr;
    bool busy;
    struct sn_http_server *server;
    struct sn_listener *listener;
    struct sn_counter *requests;
};

/* ---- what the profiles show ---- */

static SN_NOINLINE uint64_t collatz_steps(uint64_t n)
{
    uint64_t steps = 0;
    for (; n != 1; steps++) n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}
static volatile uint64_t steps_last; /* keeps the computation alive */
static void compute(void *arg)
{
    for (uint64_t n = 1; !sn_cancelled(); n++) {
        steps_last = collatz_steps(n);
        if (n % 20000 == 0 && sn_sleep(2 * SN_MS) < 0) return;
    }
}
static SN_NOINLINE void *index_build(void) { return sn_alloc(96u << 10); }
static void remember(void *arg)
{
    void *kept[256] = {NULL};
    for (unsigned i = 0; sn_sleep(SN_MS) == 0; i = (i + 1) % SN_COUNT_OF(kept)) {
        sn_free(kept[i]);
        kept[i] = index_build();
    }
    for (unsigned i = 0; i < SN_COUNT_OF(kept); i++) sn_free(kept[i]);
}
static struct sn_mutex ledger;
static void transfer(void *arg)
{
    while (!sn_cancelled()) {
        if (sn_mutex_lock(&ledger) < 0) return;
        int r = sn_sleep(SN_MS);
        sn_mutex_unlock(&ledger);
        if (r < 0) return;
    }
}
static void forgotten(void *arg)
{
    struct sn_event *nobody_knows = SN_NEW(struct sn_event);
    if (!nobody_knows) return;
    (void)!sn_event_wait(nobody_knows);
    sn_free(nobody_knows);
}

static int start_load(void)
{
    int r = sn_go("compute", compute, NULL);
    if (r == 0) r = sn_go("remember", remember, NULL);
    for (int i = 0; r == 0 && i < 3; i++) r = sn_go("transfer", transfer, NULL);
    for (int i = 0; r == 0 && i < 5; i++) r = sn_go("forgotten", forgotten, NULL);
    return r;
}

/* ---- the server ---- */

static int handle(struct sn_http_x *x, void *arg)
{
    struct app *a = arg;
    sn_counter_add(a->requests, 1);
    if (sn_debug_owns(x->req.path)) return sn_debug_handler(x, NULL);
    return sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("Hello, World!"));
}
static int serve(void *arg)
{
    struct app *a = arg;
    return sn_http_serve(a->server, a->listener);
}
static int app_main(void *arg)
{
    struct app *a = arg;
    struct sn_http_server_opts o = {.handler = handle, .arg = a};
    struct sn_listen_opts lo = {.per_worker = true};
    static const int stop[] = {SIGTERM, SIGINT, 0};
    struct sn_scope_storage mem;
    char text[128];
    int r = sn_listen(a->addr, &lo, &a->listener);
    if (r >= 0) r = sn_http_server_new(&o, &a->server);
    if (r < 0) return r;
    if (sn_listener_addr(a->listener, text, sizeof text) > 0) printf("listening on %s\n", text);
    fflush(stdout);
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = a->busy ? start_load() : 0;
    if (r >= 0) r = sn_scope_go(scope, "serve", serve, a);
    if (r >= 0) r = sn_signal_wait(stop);
    sn_http_server_drain(a->server, SN_SEC);
    sn_scope_cancel(scope);
    sn_scope_end(scope);
    sn_http_server_free(a->server);
    return r;
}
int main(int argc, char **argv)
{
    struct app a = {.addr = argc > 1 ? argv[1] : "127.0.0.1:6060", .busy = argc <= 3};
    struct sn_rt_opts o = {.workers = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0};
    bool profiling = argc <= 3 || strcmp(argv[3], "off") != 0;
    a.requests = sn_counter_new(NULL, "profiled_requests_total", "Requests answered.", NULL);
    if (!a.requests) return 1;
    if (profiling) sn_prof_start(NULL);
    int r = sn_rt_run(&o, app_main, &a);
    if (r < 0 && r != SN_E_CANCELLED) fprintf(stderr, "profiled: %s\n", sn_diag_str(r));
    return r < 0 && r != SN_E_CANCELLED;
}
