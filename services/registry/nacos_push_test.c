/* SPDX-License-Identifier: Apache-2.0 */
/* registry/nacos_push_test.c - a v1 client with a UDP port: told of every change, told again of what it
 * does not acknowledge, forgotten when it stops asking; and nobody else's port is sent to. */
#include <stdio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "registry/server.h"
#include "tests/harness/test.h"
#include "wire/grpc.h"
#include "wire/json.h"

struct rig {
    struct sn_regserver *server;
    struct sn_http_client *http;
    struct sn_udp *udp;
    char at[64], udp_at[64], peer[96];
    struct sn_arena a;
};

static void ask(struct rig *g, const char *method, const char *what, const char *has)
{
    struct sn_http_resp *resp;
    struct sn_str url = sn_arena_printf(&g->a, "http://%s/nacos/v1/ns/%s", g->at, what), body;
    struct sn_http_call call = {.method = sn_str(method), .url = url};
    T_OK(sn_http_do(g->http, &call, &resp));
    T_EQ(resp->status, 200);
    T_OK(sn_http_resp_all(resp, 1 << 20, &body));
    T_ASSERTF(sn_str_find(body, sn_str(has)) >= 0, "%.*s", SN_STR_ARG(body));
    sn_http_resp_close(resp);
}
static const char *port_of(const char *addr) { return strrchr(addr, ':') + 1; }
static void subscribe(struct rig *g, const char *has)
{
    char what[160];
    snprintf(what, sizeof(what), "instance/list?serviceName=s&clientIP=10.9.9.9&udpPort=%s",
             port_of(g->udp_at));
    ask(g, "GET", what, has);
}
static void announce(struct rig *g, int port)
{
    char what[300];
    snprintf(what, sizeof(what),
             "instance?serviceName=s&ip=10.0.0.1&port=%d&ephemeral=false&metadata=%%7B%%22k%%22:%%22%064d%%22%%7D",
             port, port);
    ask(g, "POST", what, "ok");
}
/* The next push within ns: the instances in it and its number; -1: none. */
static int pushed(struct rig *g, int64_t ns, int64_t *ret_ref)
{
    static char buf[65536];
    int64_t prev = sn_deadline_tighten(sn_now() + ns);
    ssize_t n = sn_udp_recv(g->udp, buf, sizeof(buf), g->peer, sizeof(g->peer));
    sn_deadline_restore(prev);
    if (n < 0) return -1;
    struct sn_str text = sn_str_of(buf, (size_t)n);
    struct sn_buf plain = {0};
    if ((uint8_t)buf[0] == 0x1f) {
        T_OK(sn_grpc_unpack(SN_GRPC_GZIP, text, 1 << 20, &plain));
        text = sn_buf_view(&plain);
    }
    const struct sn_json *v, *data;
    T_OK(sn_json_parse(&g->a, sn_arena_str(&g->a, text), NULL, &v));
    sn_buf_done(&plain);
    T_STR(sn_json_str(sn_json_get(v, "type")), "dom");
    *ret_ref = sn_json_i64_or(sn_json_get(v, "lastRefTime"), 0);
    T_OK(sn_json_parse(&g->a, sn_json_str(sn_json_get(v, "data")), NULL, &data));
    T_STR(sn_json_str(sn_json_get(data, "name")), "DEFAULT_GROUP@@s");
    return (int)sn_json_len(sn_json_get(data, "hosts"));
}
static void ack(struct rig *g, int64_t ref, bool text)
{
    char buf[128];
    int n = snprintf(buf, sizeof(buf), text ? "{\"type\":\"push-ack\",\"lastRefTime\":\"%lld\",\"data\":\"\"}"
                                            : "{\"type\":\"push-ack\",\"lastRefTime\":%lld}",
                     (long long)ref);
    T_EQ(sn_udp_send(g->udp, buf, (size_t)n, g->peer), n);
}

static void pushes(struct rig *g)
{
    int64_t ref, first;
    subscribe(g, "\"cacheMillis\":10000");
    T_EQ(pushed(g, 200 * SN_MS, &ref), -1); /* it has the list */
    announce(g, 1);
    T_EQ(pushed(g, 5 * SN_SEC, &ref), 1);
    ack(g, ref, false);
    for (int i = 2; i < 40; i++) announce(g, i); /* more than a datagram likes: compressed */
    int n = 0;
    while (n < 39) {
        n = pushed(g, 5 * SN_SEC, &ref);
        T_ASSERT(n > 0);
        ack(g, ref, n % 2);
    }
    T_EQ(pushed(g, 1500 * SN_MS, &first), -1); /* what is acknowledged is not sent again */
    announce(g, 40);
    for (int i = 0; i < 3; i++) { /* what is not, is: so often, under new numbers */
        T_EQ(pushed(g, 5 * SN_SEC, &first), 40);
        T_ASSERT(first > ref);
        ref = first;
    }
    T_EQ(pushed(g, 1500 * SN_MS, &first), -1);
    ask(g, "GET", "instance/list?serviceName=s", "\"cacheMillis\":2000");
    ask(g, "GET", "instance/list?serviceName=s&udpPort=70000", "\"cacheMillis\":2000");
    ask(g, "GET", "instance/list?serviceName=s&udpPort=x", "\"cacheMillis\":2000");
}

static void run_server(void *s) { T_OK(sn_regserver_run(s)); }
static int rig_main(void *arg)
{
    struct rig g = {0};
    struct sn_scope_storage mem;
    sn_arena_init(&g.a, NULL, 0);
    T_OK(sn_regserver_new(&(struct sn_regserver_opts){.nacos = "127.0.0.1:0"}, &g.server));
    T_ASSERT(sn_regserver_addr(g.server, "nacos", g.at, sizeof(g.at)) > 0);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_go("server", run_server, g.server));
    T_OK(sn_http_client_new(&(struct sn_http_client_opts){0}, &g.http));
    T_OK(sn_udp_open("127.0.0.1:0", &g.udp));
    T_ASSERT(sn_udp_addr(g.udp, g.udp_at, sizeof(g.udp_at)) >= 0);
    pushes(&g);
    sn_udp_close(g.udp);
    sn_http_client_free(g.http);
    sn_regserver_stop(g.server);
    T_OK(sn_scope_end(s));
    sn_regserver_free(g.server);
    sn_arena_done(&g.a);
    return 0;
}
SN_TEST_SLOW(nacos_pushes, 60) { T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, rig_main, NULL)); }
