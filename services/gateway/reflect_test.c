/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/reflect_test.c - JSON in front of a gRPC service of which the gateway knows nothing but its
 * address: it asks it, by either version of reflection, and follows when the service is another one. */
#include "kit/grpc.h"

#include <unistd.h>

#include "gateway/rig_test.h"
#include "harness/test.h"

static const char config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams: [{name: app, h2: true, endpoints: [{address: '127.0.0.1:1'}, {address: '%s'}],\n"
    "  outlier: {consecutive: 1000}}]\n"
    "routes: [{name: all, proxy: {to: [{upstream: app}], retries: 3,\n"
    "  transcode: {reflection: true, reflection_interval: 50ms}}}]\n";

struct env {
    struct rig g;
    struct sn_grpc_server *grpc;
    unsigned asked[2]; /* v1, v1alpha */
    bool no_v1, nothing;
};

static int counting(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    struct env *e = arg;
    bool v1 = sn_str_starts(c->path, S("/grpc.reflection.v1."));
    bool alpha = sn_str_starts(c->path, S("/grpc.reflection.v1alpha."));
    if (v1) e->asked[0]++;
    if (alpha) e->asked[1]++;
    if ((v1 && e->no_v1) || ((v1 || alpha) && e->nothing))
        return sn_grpc_fail(c, SN_E_UNIMPLEMENTED, "no reflection");
    return sn_grpc_next(c, next);
}

static void backend_up(struct env *e, const char *at, bool channelz)
{
    struct sn_grpc_interceptor it = {"counting", counting, NULL, NULL, e};
    struct sn_grpc_server_opts so = {
        .interceptors = &it, .n_interceptors = 1, .web_off = true, .connect_off = true};
    struct upstream *u = &e->g.up[0];
    T_OK(sn_grpc_server_new(&so, &e->grpc));
    T_OK(sn_grpc_health_add(e->grpc));
    if (channelz) T_OK(sn_grpc_channelz_add(e->grpc));
    T_OK(sn_grpc_reflection_add(e->grpc));
    struct sn_http_server_opts ho = {.handler = sn_grpc_handle, .arg = e->grpc};
    T_OK(sn_http_server_new(&ho, &u->srv));
    T_OK(sn_listen(at, NULL, &u->l));
    T_OK(sn_listener_addr(u->l, u->addr, sizeof(u->addr)));
    T_OK(sn_scope_go(sn_scope_current(), "backend", upstream_run, u));
}
static void backend_down(struct env *e)
{
    struct upstream *u = &e->g.up[0];
    sn_http_server_drain(u->srv, 0);
    T_OK(sn_event_wait(&u->gone));
    u->gone = (struct sn_event){0};
    sn_http_server_free(u->srv);
    u->srv = NULL;
    sn_grpc_server_free(e->grpc);
}

/* A Connect call with JSON: its status and text. */
static int json(struct env *e, const char *path, char *text, size_t cap)
{
    struct sn_http_header h = {S("Content-Type"), S("application/json")};
    struct answer a;
    T_OK(ask(&e->g, "POST", path, &h, 1, S("{}"), &a));
    snprintf(text, cap, "%.*s", SN_STR_ARG(a.text));
    int status = a.status;
    DONE(a);
    return status;
}
static void until(struct env *e, const char *path, bool served)
{
    char text[200];
    int64_t end = sn_now() + 10 * SN_SEC;
    while ((json(e, path, text, sizeof(text)) == 200) != served) {
        T_ASSERTF(sn_now() < end, "%s: %s", path, text);
        T_OK(sn_sleep(5 * SN_MS));
    }
}
#define HEALTH "/grpc.health.v1.Health/Check"
#define CHANNELZ "/grpc.channelz.v1.Channelz/GetTopChannels"

static void follow(struct env *e)
{
    char text[200], at[64];
    until(e, HEALTH, true);
    T_EQ(json(e, HEALTH, text, sizeof(text)), 200);
    T_STR(sn_str(text), "{\"status\":\"SERVING\"}");
    T_ASSERT(json(e, CHANNELZ, text, sizeof(text)) != 200);
    snprintf(at, sizeof(at), "%s", e->g.up[0].addr);
    /* Away for a while: what is known of it stays, which is told by the status. */
    backend_down(e);
    T_OK(sn_sleep(200 * SN_MS));
    T_EQ(json(e, HEALTH, text, sizeof(text)), 503);
    T_ASSERTF(strstr(text, "\"code\":\"unavailable\""), "%s", text);
    /* Another program at its place, with more to serve. */
    backend_up(e, at, true);
    until(e, CHANNELZ, true);
    until(e, HEALTH, true);
    backend_down(e);
    backend_up(e, at, false);
    until(e, CHANNELZ, false);
    until(e, HEALTH, true);
}
static int reflect_main(void *arg)
{
    struct env *e = arg;
    struct sn_scope_storage mem;
    char text[sizeof(config) + 64];
    (void)sn_scope_begin(&mem);
    /* Of this process's own, as the rig's: it comes back to its port. */
    snprintf(text, sizeof(text), "127.%u.%u.9:0", 64 + (unsigned)getpid() / 250 % 128,
             (unsigned)getpid() % 250);
    backend_up(e, text, false);
    snprintf(text, sizeof(text), config, e->g.up[0].addr);
    rig_start(&e->g, text);
    if (e->nothing) {
        until(e, HEALTH, false);
        T_OK(sn_sleep(200 * SN_MS));
        until(e, HEALTH, false);
        T_ASSERT(e->asked[0] && e->asked[1]);
    } else {
        follow(e);
        T_ASSERT(e->no_v1 ? e->asked[1] > 2 : e->asked[0] > 2 && e->asked[1] == 0);
    }
    rig_stop(&e->g);
    sn_grpc_server_free(e->grpc);
    T_OK(sn_scope_end(sn_scope_current()));
    return 0;
}
SN_TEST_SLOW(reflect_v1, 60)
{
    static struct env e;
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, reflect_main, &e));
}
SN_TEST_SLOW(reflect_v1alpha, 60)
{
    static struct env e = {.no_v1 = true};
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, reflect_main, &e));
}
SN_TEST_SLOW(reflect_nothing, 60)
{
    static struct env e = {.nothing = true};
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, reflect_main, &e));
}
