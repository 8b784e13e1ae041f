/* SPDX-License-Identifier: Apache-2.0 */
/* app/source_test.c - both clients follow a service through a registry: instances come and go, the
 * registry stops, and calls reach exactly those that are announced. */
#include <stdio.h>

#include "app/rest.h"
#include "app/rpc.h"
#include "core/alloc.h"
#include "core/buf.h"
#include "fiber/net.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "services/registry/registry.h"
#include "services/registry/server.h"
#include "tests/harness/test.h"

#define N 3

/* An instance: gRPC for any method, and HTTP for any path, counted. */
struct instance {
    struct sn_grpc_server *grpc;
    struct sn_http_server *http;
    struct sn_listener *listener;
    struct sn_registration *reg;
    struct sn_event served;
    char addr[64];
    unsigned hits;
};
struct world {
    struct instance in[N];
    struct sn_regserver *server;
    char at[64], url[160], refused[64];
};

static int any_rpc(struct sn_grpc_call *c, void *arg)
{
    struct sn_str m;
    int r = sn_grpc_recv_raw(c, &m);
    if (r < 0) return r;
    __atomic_add_fetch(&((struct instance *)arg)->hits, 1, __ATOMIC_RELAXED);
    return sn_grpc_send_raw(c, SN_STR("\x08\x01"));
}
static int any_http(struct sn_http_x *x, void *arg)
{
    __atomic_add_fetch(&((struct instance *)arg)->hits, 1, __ATOMIC_RELAXED);
    return sn_http_reply(x, 200, SN_STR("application/json"), SN_STR("{}"));
}
static void serve(void *arg)
{
    struct instance *in = arg;
    (void)!sn_http_serve(in->http, in->listener);
    sn_event_set(&in->served);
}
static void up(struct instance *in)
{
    T_OK(sn_grpc_server_new(&(struct sn_grpc_server_opts){.unknown = any_rpc,
                                                          .unknown_arg = in,
                                                          .fallback = any_http,
                                                          .fallback_arg = in},
                            &in->grpc));
    struct sn_http_server_opts o = {.handler = sn_grpc_handle, .arg = in->grpc};
    sn_grpc_http_defaults(&o);
    T_OK(sn_http_server_new(&o, &in->http));
    T_OK(sn_listen("127.0.0.1:0", NULL, &in->listener));
    T_ASSERT(sn_listener_addr(in->listener, in->addr, sizeof(in->addr)) >= 0);
    T_OK(sn_go("instance", serve, in));
}
static void down(struct instance *in)
{
    sn_http_server_drain(in->http, 0);
    T_OK(sn_event_wait(&in->served));
    sn_http_server_free(in->http);
    sn_grpc_server_free(in->grpc);
}
static void announce(struct sn_registry *r, struct instance *in)
{
    const char *colon = strrchr(in->addr, ':');
    uint64_t port = 0;
    T_OK(sn_str_to_u64(sn_str(colon + 1), &port));
    struct sn_instance i = {.service = SN_STR("things"),
                            .address = SN_STR("127.0.0.1"),
                            .port = (uint16_t)port};
    T_OK(sn_registry_register(r, &i, NULL, &in->reg));
    T_OK(sn_registration_wait(in->reg, sn_now() + 10 * SN_SEC));
}

static const struct sn_rest_method ping = {.name = "GET /ping", .method = "GET", .path = "/ping"};
struct clients {
    struct sn_rest_client *rest;
    struct sn_rpc_client rpc;
};
static int ask(struct clients *c, bool rpc)
{
    struct sn_arena a;
    struct sn_str ret;
    sn_arena_init(&a, NULL, 0);
    int r = rpc ? sn_grpc_unary_raw(c->rpc.channel, SN_STR("/x.Y/Z"), (struct sn_str){0}, &a, &ret,
                                    NULL)
                : sn_rest_client_call(c->rest, &ping, NULL, &a, NULL);
    sn_arena_done(&a);
    return r;
}
/* Calls of the kind reach all of the `n` first instances from `from`, and then only them. */
static void expect_only(struct world *w, struct clients *c, bool rpc, int from, int n)
{
    int64_t until = sn_now() + 20 * SN_SEC;
    for (bool good = false; !good;) {
        for (int i = 0; i < N; i++) w->in[i].hits = 0;
        for (int i = 0; i < 60; i++) T_OK(ask(c, rpc));
        good = true;
        for (int i = 0; i < N; i++) good &= (w->in[i].hits > 0) == (i >= from && i < from + n);
        T_ASSERTF(good || sn_now() < until, "%s: hits %u %u %u, expected from %d, %d",
                  rpc ? "rpc" : "rest", w->in[0].hits, w->in[1].hits, w->in[2].hits, from, n);
        if (!good) T_OK(sn_sleep(20 * SN_MS));
    }
}
static void wait_for(struct clients *c)
{
    for (int64_t until = sn_now() + 20 * SN_SEC; ask(c, false) < 0 || ask(c, true) < 0;) {
        T_ASSERTF(sn_now() < until, "no instance: %s", sn_diag_str(sn_diag()->code));
        T_OK(sn_sleep(20 * SN_MS));
    }
}
static void expect_both(struct world *w, struct clients *c, int from, int n)
{
    expect_only(w, c, false, from, n);
    expect_only(w, c, true, from, n);
}
static void open_both(const char *url, struct clients *c)
{
    T_OK(sn_rest_client_new(&(struct sn_rest_client_opts){.service = "things",
                                                          .targets = sn_str(url)},
                            &c->rest));
    T_OK(sn_rpc_client_open(&(struct sn_rpc_client_opts){.targets = sn_str(url)}, &c->rpc));
}
static void close_both(struct clients *c)
{
    sn_rest_client_free(c->rest);
    sn_rpc_client_close(&c->rpc);
}

static void regserver(void *server) { T_OK(sn_regserver_run(server)); }

static void follow(struct world *w)
{
    struct sn_registry *r;
    struct clients c;
    char registry[160];
    snprintf(registry, sizeof(registry), "%s", w->url);
    char *slash = strrchr(registry, '/'), *query = strchr(slash, '?');
    memmove(slash, query ? query : "", query ? strlen(query) + 1 : 1);
    T_OK(sn_registry_open(&(struct sn_registry_opts){.url = registry}, &r));
    announce(r, &w->in[0]);
    open_both(w->url, &c);
    expect_both(w, &c, 0, 1);
    announce(r, &w->in[1]);
    announce(r, &w->in[2]);
    expect_both(w, &c, 0, 3);
    T_OK(sn_registration_remove(w->in[0].reg));
    expect_both(w, &c, 1, 2);
    /* The registry goes away: what it said last stays in force. */
    sn_regserver_stop(w->server);
    T_OK(sn_sleep(300 * SN_MS));
    expect_both(w, &c, 1, 2);
    close_both(&c);
    sn_registry_close(r);
}
static int with_registry(void *face)
{
    struct world w = {0};
    struct sn_scope_storage mem;
    bool etcd = strcmp(face, "etcd") == 0;
    T_OK(sn_regserver_new(&(struct sn_regserver_opts){.etcd = etcd ? ":0" : NULL,
                                                      .consul = etcd ? NULL : ":0"},
                          &w.server));
    T_ASSERT(sn_regserver_addr(w.server, face, w.at, sizeof(w.at)) > 0);
    snprintf(w.url, sizeof(w.url), etcd ? "etcd://%s/things?layout=go-zero" : "consul://%s/things",
             w.at);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_go("registry", regserver, w.server));
    for (int i = 0; i < N; i++) up(&w.in[i]);
    follow(&w);
    for (int i = 0; i < N; i++) down(&w.in[i]);
    T_OK(sn_scope_end(s));
    sn_regserver_free(w.server);
    return 0;
}
SN_TEST_SLOW(source_follows_etcd, 120)
{
    sn_test_allow_live("heap blocks"); /* metrics live as long as the process */
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, with_registry, "etcd"));
}
SN_TEST_SLOW(source_follows_consul, 120)
{
    sn_test_allow_live("heap blocks");
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, with_registry, "consul"));
}

static void write_list(const char *path, const struct world *w, int n)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (int i = 0; i < n; i++)
        sn_buf_printf(&b, "- {address: 127.0.0.1, port: %s}\n", strrchr(w->in[i].addr, ':') + 1);
    T_OK(sn_file_write(path, sn_buf_view(&b), 0644));
    sn_buf_done(&b);
}
/* A registry that does not answer: calls wait for it as long as they may. One that has said that
 * there is nobody: they fail at once, until there is. */
static int late(void *arg)
{
    struct world w = {0};
    struct clients c;
    struct sn_listener *silent;
    char at[64], where[128];
    T_OK(sn_listen("127.0.0.1:0", NULL, &silent));
    T_ASSERT(sn_listener_addr(silent, at, sizeof(at)) >= 0);
    snprintf(where, sizeof(where), "consul://%s/things", at);
    open_both(where, &c);
    int64_t before = sn_deadline_tighten(sn_now() + 200 * SN_MS);
    T_EQ(ask(&c, false), SN_E_DEADLINE_EXCEEDED);
    T_EQ(ask(&c, true), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(before);
    close_both(&c);
    sn_listener_close(silent);
    char path[256];
    struct sn_scope_storage mem;
    snprintf(path, sizeof(path), "%s/services", sn_test_tmpdir());
    T_OK(sn_mkdirs(path, 0755));
    snprintf(path, sizeof(path), "%s/services/things.yaml", sn_test_tmpdir());
    char url[256];
    snprintf(url, sizeof(url), "file://%s/things", sn_test_tmpdir());
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < N; i++) up(&w.in[i]);
    open_both(url, &c);
    T_EQ(ask(&c, false), SN_E_UNAVAILABLE);
    T_EQ(ask(&c, true), SN_E_UNAVAILABLE);
    write_list(path, &w, 2);
    wait_for(&c);
    close_both(&c); /* with breakers that have seen so many failures */
    open_both(url, &c);
    expect_both(&w, &c, 0, 2);
    write_list(path, &w, 3);
    expect_both(&w, &c, 0, 3);
    close_both(&c);
    for (int i = 0; i < N; i++) down(&w.in[i]);
    T_OK(sn_scope_end(s));
    return 0;
}
SN_TEST_SLOW(source_calls_wait_for_the_registry_not_for_instances, 120)
{
    sn_test_allow_live("heap blocks");
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, late, NULL));
}

static int refused(void *arg)
{
    static const struct {
        const char *targets, *says;
    } rows[] = {{"consul://h:8500", "expected a service at the end"},
                {"etcd://h/x?frob=1", "has no option \"frob\""},
                {"consul://h:0/x", "port is not in 1..65535"},
                {"etcd://u@h/x", "a user part is not taken"}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_rest_client *rest;
        struct sn_rpc_client rpc;
        sn_test_row("%s", rows[i].targets);
        int r = sn_rest_client_new(&(struct sn_rest_client_opts){.service = "x",
                                                                 .targets =
                                                                     sn_str(rows[i].targets)},
                                   &rest);
        T_EQ(r, SN_E_SYNTAX);
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].says), "got \"%s\"", sn_diag_str(r));
        r = sn_rpc_client_open(&(struct sn_rpc_client_opts){.targets = sn_str(rows[i].targets)},
                               &rpc);
        T_EQ(r, SN_E_SYNTAX);
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].says), "got \"%s\"", sn_diag_str(r));
    }
    struct sn_rest_client *rest;
    int r = sn_rest_client_new(&(struct sn_rest_client_opts){.service = "x",
                                                             .targets = SN_STR("eureka://h/x")},
                               &rest);
    T_EQ(r, SN_E_SYNTAX);
    T_ASSERT(strstr(sn_diag_str(r), "expected consul, nacos"));
    return 0;
}
SN_TEST(source_refuses_bad_urls)
{
    sn_test_allow_live("heap blocks");
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, refused, NULL));
}

/* ---- allocations that fail ---- */

static __thread int64_t torture_left; /* on this worker; < 0: none */
static bool torture_fail(size_t size) { return torture_left >= 0 && torture_left-- == 0; }
static const struct sn_alloc_hooks torture_hooks = {.fail = torture_fail};

/* Whatever fails while a client is opened, asked once and closed: an error or an answer. */
static int try_clients(const char *url)
{
    struct clients c = {0};
    int r = sn_rest_client_new(&(struct sn_rest_client_opts){.service = "things",
                                                             .targets = sn_str(url)},
                               &c.rest);
    if (r == 0) r = sn_rpc_client_open(&(struct sn_rpc_client_opts){.targets = sn_str(url)}, &c.rpc);
    if (r == 0) r = ask(&c, false);
    if (r == 0) r = ask(&c, true);
    close_both(&c);
    return r;
}
static int torture(void *arg)
{
    struct world w = {0};
    char path[256], url[256];
    struct sn_scope_storage mem;
    snprintf(path, sizeof(path), "%s/services", sn_test_tmpdir());
    T_OK(sn_mkdirs(path, 0755));
    snprintf(path, sizeof(path), "%s/services/things.yaml", sn_test_tmpdir());
    snprintf(url, sizeof(url), "file://%s/things", sn_test_tmpdir());
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < N; i++) up(&w.in[i]);
    write_list(path, &w, N);
    torture_left = -1;
    T_OK(try_clients(url)); /* what is allocated once is there now */
    for (int k = 0;; k += k < 100 ? 1 : 5) {
        sn_test_row("allocation %d", k);
        T_ASSERT(k < 5000);
        torture_left = k;
        sn_alloc_set_hooks(&torture_hooks);
        int r = try_clients(url);
        bool untouched = torture_left >= 0;
        sn_alloc_set_hooks(NULL);
        if (untouched) {
            T_OK(r);
            break;
        }
    }
    for (int i = 0; i < N; i++) down(&w.in[i]);
    T_OK(sn_scope_end(s));
    return 0;
}
SN_TEST_SLOW(source_torture, 240)
{
    sn_test_allow_live("heap blocks");
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, torture, NULL));
}
