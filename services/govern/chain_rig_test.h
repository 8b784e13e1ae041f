/* SPDX-License-Identifier: Apache-2.0 */
/* govern/chain_rig_test.h - HTTP servers and a client in one simulated network. */
#pragma once
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "govern/chain.h"
#include "govern/client.h"
#include "kit/http.h"

#define RIG_SERVERS 10

struct rig_server {
    struct sn_http_server *server;
    struct sn_listener *l;
    char addr[32];
    sn_http_handler handler;
    void *arg;
    unsigned asked;
};
static inline int rig_serve(void *arg)
{
    struct rig_server *s = arg;
    return sn_http_serve(s->server, s->l);
}
/* The server listens from its return on; it ends with rig_close. */
static inline void rig_open(struct sn_scope *scope, struct rig_server *s, int port,
                            sn_http_handler handler, void *arg)
{
    s->handler = handler;
    s->arg = arg;
    snprintf(s->addr, sizeof(s->addr), "10.0.0.1:%d", port);
    struct sn_http_server_opts o = {.handler = handler, .arg = arg};
    sn_gov_http_defaults(&o);
    T_OK(sn_http_server_new(&o, &s->server));
    T_OK(sn_listen(s->addr, NULL, &s->l));
    T_OK(sn_scope_go(scope, "serve", rig_serve, s));
}
static inline void rig_close(struct rig_server *s) { sn_http_server_drain(s->server, SN_SEC); }
/* One request; returns the status, or the failure. */
static inline int rig_get(struct sn_http_client *c, const char *addr, const char *path,
                          const struct sn_http_header *h, unsigned n,
                          struct sn_str *ret_retry_after)
{
    static char text[40];
    char url[128];
    struct sn_http_resp *resp;
    snprintf(url, sizeof(url), "http://%s%s", addr, path);
    int r = sn_http_do(c, &(struct sn_http_call){.url = sn_str(url), .headers = h, .n_headers = n},
                       &resp);
    if (r < 0) return r;
    r = resp->status;
    if (ret_retry_after) {
        *ret_retry_after = sn_http_headers_get(&resp->headers, SN_STR("retry-after"));
        snprintf(text, sizeof(text), "%.*s", SN_STR_ARG(*ret_retry_after));
        *ret_retry_after = sn_str(text);
    }
    struct sn_str body;
    if (sn_http_resp_all(resp, 1u << 20, &body) < 0) r = SN_E_RESET;
    sn_http_resp_close(resp);
    return r;
}
/* The metrics have this line. */
static inline void rig_metric(struct sn_metrics *m, const char *line)
{
    struct sn_buf b = {0};
    struct sn_str type;
    T_OK(sn_metrics_text(m, (struct sn_str){0}, &b, &type));
    T_ASSERTF(sn_str_find(sn_buf_view(&b), sn_str(line)) >= 0, "'%s' is not in\n%s", line, sn_buf_cz(&b));
    sn_buf_done(&b);
}
static inline void rig_simulate(int (*fn)(void *), unsigned seeds)
{
    for (unsigned i = 0; i < sn_test_cases(seeds); i++) {
        struct sn_sim_opts o = {.seed = sn_test_seed() + i, .steps_max = 200000000};
        sn_test_row("seed %llu", (unsigned long long)o.seed);
        T_OK(sn_sim_run(&o, fn, NULL, NULL));
    }
}
