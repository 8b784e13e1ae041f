/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_health_test.c - healthCheckConfig (gRFC A17): calls go where SERVING is said, follow every
 * change of it, and a channel without it, or a server without the service, is as before. */
#include <stdio.h>

#include "core/alloc.h"
#include "kit/grpc_env_test.h"
#include "tests/harness/test.h"

#define SERVERS 2
#define HEALTH(name) "\"healthCheckConfig\":{\"serviceName\":\"" name "\"}"
#define ROBIN "\"loadBalancingConfig\":[{\"round_robin\":{}}],"

struct rig {
    struct grpc_env s[SERVERS];
    struct sn_grpc_channel *ch;
    struct sn_grpc_channel_opts co;
    struct sn_arena a;
    char target[160];
    unsigned watch_fails; /* watches that end with UNAVAILABLE */
    bool watch_unknown;   /* there is no such method */
    unsigned watches;
};

static int watching(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    struct rig *g = arg;
    if (!sn_str_eqc(c->path, "/grpc.health.v1.Health/Watch")) return sn_grpc_next(c, next);
    g->watches++;
    if (g->watch_unknown) return sn_grpc_fail(c, SN_E_UNIMPLEMENTED, "no such method");
    if (g->watch_fails && g->watch_fails--) return sn_grpc_fail(c, SN_E_UNAVAILABLE, "not now");
    return sn_grpc_next(c, next);
}

static void set(struct rig *g, int i, enum sn_grpc_serving state)
{
    T_OK(sn_grpc_health_set(g->s[i].grpc, SN_STR("x"), state));
}
static int ask(struct rig *g, const struct sn_grpc_opts *o)
{
    said_t *s;
    return sennit_grpctest_echo_unary_call(g->ch, &(ask_t){.n = 1}, &g->a, &s, o);
}
/* Calls reach the servers whose bit is set and only those; with none they fail. */
static void expect(struct rig *g, unsigned mask)
{
    int64_t until = sn_now() + 10 * SN_SEC;
    for (bool good = false; !good;) {
        for (int i = 0; i < SERVERS; i++) g->s[i].calls = 0;
        good = true;
        for (int i = 0; i < 8; i++) {
            int r = ask(g, NULL);
            good &= mask ? r == 0 : r == SN_E_UNAVAILABLE;
        }
        for (int i = 0; i < SERVERS; i++) good &= (g->s[i].calls > 0) == (mask >> i & 1);
        T_ASSERTF(good || sn_now() < until, "calls %u %u, expected mask %u", g->s[0].calls,
                  g->s[1].calls, mask);
        if (!good) T_OK(sn_sleep(2 * SN_MS));
    }
}

static int rig_main(struct rig *g, void (*body)(struct rig *g))
{
    struct sn_grpc_interceptor w = {"watching", watching, NULL, NULL, g};
    sn_arena_init(&g->a, NULL, 0);
    for (int i = 0; i < SERVERS; i++) {
        g->s[i].no_channel = true;
        g->s[i].gso.interceptors = &w;
        g->s[i].gso.n_interceptors = 1;
        grpc_env_up(&g->s[i], "127.0.0.1:0");
    }
    if (!g->target[0])
        snprintf(g->target, sizeof(g->target), "ipv4:%s,%s", g->s[0].addr, g->s[1].addr);
    g->co.backoff_ns = 5 * SN_MS;
    T_OK(sn_grpc_channel_new(g->target, &g->co, &g->ch));
    body(g);
    sn_grpc_channel_free(g->ch);
    for (int i = 0; i < SERVERS; i++) grpc_env_down(&g->s[i]);
    sn_arena_done(&g->a);
    return 0;
}
struct job {
    struct rig *g;
    void (*body)(struct rig *g);
};
static int job_main(void *arg)
{
    struct job *j = arg;
    return rig_main(j->g, j->body);
}
static void run(struct rig *g, void (*body)(struct rig *g))
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, job_main, &(struct job){g, body}));
}

static void follows(struct rig *g)
{
    expect(g, 0); /* SERVICE_UNKNOWN is not SERVING */
    T_ASSERT(strstr(sn_diag_str(SN_E_UNAVAILABLE), "serving"));
    T_EQ(sn_grpc_channel_state(g->ch, false), SN_GRPC_TRANSIENT_FAILURE);
    set(g, 0, SN_GRPC_SERVING);
    expect(g, 1);
    set(g, 1, SN_GRPC_SERVING);
    expect(g, 3);
    set(g, 0, SN_GRPC_NOT_SERVING);
    expect(g, 2);
    set(g, 0, SN_GRPC_UNKNOWN);
    expect(g, 2);
    set(g, 0, SN_GRPC_SERVING);
    sn_grpc_health_shutdown(g->s[1].grpc);
    expect(g, 1);
    set(g, 0, SN_GRPC_NOT_SERVING);
    expect(g, 0);
    struct sn_grpc_opts o = {.wait_for_ready = true, .timeout_ns = 50 * SN_MS};
    T_EQ(ask(g, &o), SN_E_DEADLINE_EXCEEDED);
    T_EQ(g->watches, 2); /* one for each, all the while */
}
SN_TEST(grpc_health_is_followed)
{
    struct rig g = {.co.service_config = SN_STR("{" ROBIN HEALTH("x") "}")};
    run(&g, follows);
}

static void unwatched(struct rig *g)
{
    expect(g, 3);
    T_EQ(g->watches, 0);
}
SN_TEST(grpc_health_off)
{
    struct rig g = {.co.service_config = SN_STR("{" ROBIN HEALTH("x") "}"), .co.health_off = true};
    run(&g, unwatched);
    g = (struct rig){.co.service_config = SN_STR("{" ROBIN "\"healthCheckConfig\":{}}")};
    run(&g, unwatched);
}
static void first(struct rig *g)
{
    expect(g, 1);
    T_EQ(g->watches, 0);
}
SN_TEST(grpc_health_is_none_of_pick_first)
{
    struct rig g = {.co.service_config = SN_STR("{" HEALTH("x") "}")};
    run(&g, first);
}
static void unimplemented(struct rig *g)
{
    expect(g, 3);
    T_EQ(g->watches, 2);
}
SN_TEST(grpc_health_not_implemented_is_serving)
{
    struct rig g = {.co.service_config = SN_STR("{" ROBIN HEALTH("x") "}"), .watch_unknown = true};
    run(&g, unimplemented);
}
static void whole(struct rig *g)
{
    expect(g, 3);
    T_EQ(g->watches, 7);
    sn_grpc_health_shutdown(g->s[0].grpc);
    expect(g, 2);
}
SN_TEST(grpc_health_of_the_server_after_failures)
{
    struct rig g = {.co.service_config = SN_STR("{" ROBIN HEALTH("") "}"), .watch_fails = 5};
    run(&g, whole);
}

/* A server that goes and comes back is watched anew. */
static void restarts(struct rig *g)
{
    char at[64];
    expect(g, 3);
    snprintf(at, sizeof(at), "%s", g->s[0].addr);
    grpc_env_down(&g->s[0]);
    struct sn_grpc_server_opts o = g->s[0].gso;
    g->s[0] = (struct grpc_env){.no_channel = true, .gso = o};
    expect(g, 2);
    grpc_env_up(&g->s[0], at);
    T_OK(sn_grpc_health_set(g->s[0].grpc, (struct sn_str){"", 0}, SN_GRPC_NOT_SERVING));
    T_OK(sn_sleep(50 * SN_MS));
    expect(g, 2);
    T_OK(sn_grpc_health_set(g->s[0].grpc, (struct sn_str){"", 0}, SN_GRPC_SERVING));
    expect(g, 3);
    T_ASSERT(g->watches >= 3);
}
SN_TEST(grpc_health_after_a_restart)
{
    struct rig g = {.co.service_config = SN_STR("{" ROBIN HEALTH("") "}")};
    run(&g, restarts);
}

/* ---- a configuration that changes -------------------------------------------------------------- */

static const char *volatile now_config;
static int resolve(struct sn_grpc_resolving *r, struct sn_str target, void *arg)
{
    struct rig *g = arg;
    const char *told = NULL;
    for (;;) {
        const char *cfg = now_config;
        struct sn_grpc_address a[SERVERS];
        for (int i = 0; i < SERVERS; i++)
            a[i] = (struct sn_grpc_address){.addr = sn_str(g->s[i].addr)};
        int e = cfg == told ? 0 : sn_grpc_resolved(r, a, SERVERS, true, sn_str(cfg), 0);
        told = cfg;
        if (e == 0) e = sn_grpc_resolve_wait(r, sn_now() + 5 * SN_MS);
        if (e < 0) return e;
    }
}
static void changes(struct rig *g)
{
    set(g, 0, SN_GRPC_SERVING);
    expect(g, 1);
    T_OK(sn_grpc_health_set(g->s[1].grpc, SN_STR("y"), SN_GRPC_SERVING));
    now_config = "{" ROBIN HEALTH("y") "}";
    expect(g, 2);
    now_config = "{" ROBIN "\"methodConfig\":[]}";
    expect(g, 3);
    now_config = "{" ROBIN HEALTH("x") "}";
    expect(g, 1);
    now_config = "{" ROBIN HEALTH("nobody") "}";
    expect(g, 0);
    now_config = "{" ROBIN HEALTH("y") "}";
    expect(g, 2);
}
SN_TEST(grpc_health_configuration_changes)
{
    struct rig g = {.target = "rig:///x"};
    struct sn_grpc_resolver r = {"rig", resolve, &g};
    now_config = "{" ROBIN HEALTH("x") "}";
    g.co.resolvers = &r;
    g.co.n_resolvers = 1;
    run(&g, changes);
}

/* ---- allocations that fail -------------------------------------------------------------------- */

static int64_t torture_left;
static bool torture_fail(size_t size) { return torture_left >= 0 && torture_left-- == 0; }
static const struct sn_alloc_hooks torture_hooks = {.fail = torture_fail};

static void torture(struct rig *g)
{
    set(g, 0, SN_GRPC_SERVING);
    for (int k = 0;; k++) {
        struct sn_grpc_channel *ch;
        said_t *s;
        sn_test_row("allocation %d", k);
        T_ASSERT(k < 2000);
        int64_t prev = sn_deadline_tighten(sn_now() + 15 * SN_SEC);
        torture_left = k;
        sn_alloc_set_hooks(&torture_hooks);
        int r = sn_grpc_channel_new(g->target, &g->co, &ch);
        if (r == 0) {
            r = sennit_grpctest_echo_unary_call(ch, &(ask_t){.n = 1}, &g->a, &s, NULL);
            sn_grpc_channel_free(ch);
        }
        bool untouched = torture_left >= 0;
        sn_alloc_set_hooks(NULL);
        sn_deadline_restore(prev);
        T_ASSERTF(r != SN_E_DEADLINE_EXCEEDED, "hangs");
        sn_arena_reset(&g->a);
        if (!untouched) continue;
        T_OK(r);
        return;
    }
}
SN_TEST_SLOW(grpc_health_torture, 240)
{
    struct rig g = {.co.service_config = SN_STR("{" ROBIN HEALTH("x") "}")};
    run(&g, torture);
}

SN_TEST(grpc_health_bad_configs)
{
    static const char *const rows[] = {"{\"healthCheckConfig\":3}",
                                       "{\"healthCheckConfig\":{\"serviceName\":7}}"};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_grpc_channel *ch;
        struct sn_grpc_channel_opts o = {.service_config = sn_str(rows[i])};
        sn_test_row("%s", rows[i]);
        T_EQ(sn_grpc_channel_new("localhost:1", &o, &ch), SN_E_SYNTAX);
        T_ASSERT(strstr(sn_diag_str(SN_E_SYNTAX), "serviceName"));
    }
}
