/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/discover_test.c - upstreams from a registry: a folder that changes under requests, and
 * stays what it was when it breaks; etcd, in go-zero's layout. */
#include "fiber/os.h"
#include "gateway/rig_test.h"
#include "services/registry/registry.h"
#include "services/registry/server.h"
#include "tests/harness/test.h"

struct hammer {
    struct rig *g;
    _Atomic bool stop;
    int n, bad;
};

static int hammer_main(void *arg)
{
    struct hammer *h = arg;
    while (!h->stop) {
        struct answer got = {0};
        T_OK(ask(h->g, "GET", "/", NULL, 0, (struct sn_str){0}, &got));
        h->n++;
        h->bad += got.status != 200;
        DONE(got);
    }
    return 0;
}

static void write_list(const char *dir, const struct rig *g, int from, int to)
{
    struct sn_buf b = {0};
    char path[512];
    for (int i = from; i <= to; i++) {
        const char *colon = strrchr(g->up[i].addr, ':');
        sn_buf_printf(&b, "- {address: %.*s, port: %s}\n", (int)(colon - g->up[i].addr),
                      g->up[i].addr, colon + 1);
    }
    snprintf(path, sizeof(path), "%s/services/orders.yaml", dir);
    T_OK(sn_file_write(path, sn_buf_view(&b), 0644));
    sn_buf_done(&b);
}

/* Until all of these, and only these, have answered for a while. */
static void expect_only(struct rig *g, int from, int to)
{
    int64_t until = sn_now() + 40 * SN_SEC;
    for (;;) {
        int wrong = 0, silent = 0;
        for (int i = 0; i < 3; i++) __atomic_store_n(&g->up[i].requests, 0, __ATOMIC_RELAXED);
        T_OK(sn_sleep(200 * SN_MS));
        for (int i = 0; i < 3; i++) {
            int n = __atomic_load_n(&g->up[i].requests, __ATOMIC_RELAXED);
            if (i < from || i > to)
                wrong += n;
            else
                silent += n == 0;
        }
        if (wrong == 0 && silent == 0) return;
        T_ASSERTF(sn_now() < until, "%d requests went elsewhere, %d endpoints had none", wrong,
                  silent);
    }
}

static char dir[256], config[1024];
static int changes(struct rig *g)
{
    struct hammer h = {.g = g};
    char path[512];
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "hammer", hammer_main, &h));
    write_list(dir, g, 1, 2);
    expect_only(g, 1, 2);
    write_list(dir, g, 0, 1);
    expect_only(g, 0, 1);
    snprintf(path, sizeof(path), "%s/services/orders.yaml", dir);
    T_OK(sn_file_write(path, SN_STR("- {address: "), 0644)); /* broken: what was stays */
    T_OK(sn_sleep(3 * SN_SEC));
    expect_only(g, 0, 1);
    h.stop = true;
    T_OK(sn_scope_end(s));
    T_ASSERT(h.n > 50);
    T_EQ(h.bad, 0);
    return 0;
}

static int discover_main(void *arg)
{
    char path[512];
    snprintf(dir, sizeof(dir), "%s/reg", sn_test_tmpdir());
    snprintf(path, sizeof(path), "%s/services", dir);
    T_OK(sn_mkdirs(path, 0755));
    /* At first the registry knows nobody: the configured endpoint counts. */
    snprintf(config, sizeof(config),
             "listeners: [{name: web, address: 127.0.0.1:0}]\n"
             "upstreams: [{name: u, discover: 'file://%s/orders', endpoints: [{address: '@0'}]}]\n"
             "routes: [{name: all, proxy: {to: [{upstream: u}]}}]\n",
             dir);
    with_rig(config, changes);
    return 0;
}

SN_TEST_SLOW(discover_follows_the_registry, 120)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, discover_main, NULL));
}

/* ---- etcd ----------------------------------------------------------------------------------- */

static char etcd_at[64];

static struct sn_registration *announce(struct sn_registry *r, const struct rig *g, int i)
{
    const char *colon = strrchr(g->up[i].addr, ':');
    uint64_t port = 0;
    T_OK(sn_str_to_u64(sn_str(colon + 1), &port));
    struct sn_instance in = {.service = SN_STR("orders.rpc"),
                             .address = sn_str_of(g->up[i].addr, (size_t)(colon - g->up[i].addr)),
                             .port = (uint16_t)port};
    struct sn_registration *reg;
    T_OK(sn_registry_register(r, &in, NULL, &reg));
    T_OK(sn_registration_wait(reg, sn_now() + 10 * SN_SEC));
    return reg;
}

static int etcd_changes(struct rig *g)
{
    struct hammer h = {.g = g};
    struct sn_scope_storage mem;
    struct sn_registry *r;
    char url[128];
    snprintf(url, sizeof(url), "etcd://%s?layout=go-zero", etcd_at);
    T_OK(sn_registry_open(&(struct sn_registry_opts){.url = url}, &r));
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "hammer", hammer_main, &h));
    struct sn_registration *one = announce(r, g, 1);
    struct sn_registration *two = announce(r, g, 2);
    expect_only(g, 1, 2);
    (void)announce(r, g, 0);
    T_OK(sn_registration_remove(one));
    T_OK(sn_registration_remove(two));
    expect_only(g, 0, 0);
    h.stop = true;
    T_OK(sn_scope_end(s));
    T_ASSERT(h.n > 50);
    T_EQ(h.bad, 0);
    sn_registry_close(r);
    return 0;
}

static void serve_etcd(void *server) { T_OK(sn_regserver_run(server)); }

static int etcd_main(void *arg)
{
    struct sn_regserver *server;
    T_OK(sn_regserver_new(&(struct sn_regserver_opts){.etcd = ":0"}, &server));
    T_ASSERT(sn_regserver_addr(server, "etcd", etcd_at, sizeof(etcd_at)) > 0);
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_go("etcd", serve_etcd, server));
    snprintf(config, sizeof(config),
             "listeners: [{name: web, address: 127.0.0.1:0}]\n"
             "upstreams: [{name: u, discover: 'etcd://%s/orders.rpc?layout=go-zero', "
             "endpoints: [{address: '@0'}]}]\n"
             "routes: [{name: all, proxy: {to: [{upstream: u}]}}]\n",
             etcd_at);
    with_rig(config, etcd_changes);
    sn_regserver_stop(server);
    T_OK(sn_scope_end(s));
    sn_regserver_free(server);
    return 0;
}

SN_TEST_SLOW(discover_follows_etcd, 120)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, etcd_main, NULL));
}

static int refused_main(void *arg)
{
    static const struct {
        const char *upstream, *says;
    } rows[] = {{"{name: u}", "expected endpoints (at least one) or discover"},
                {"{name: u, discover: 'consul://h:8500'}", "expected a service at the end"},
                {"{name: u, discover: 'eureka://h/x'}", "expected consul, nacos"},
                {"{name: u, discover: 'consul://h:0/x'}", "port is not in 1..65535"}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_buf text = {0}, errors = {0};
        sn_test_row("%s", rows[i].upstream);
        sn_buf_printf(&text,
                      "listeners: [{name: web, address: 127.0.0.1:0}]\nupstreams: [%s]\n"
                      "routes: [{name: all, proxy: {to: [{upstream: u}]}}]\n",
                      rows[i].upstream);
        struct sn_gateway_opts o = {.config_text = sn_buf_view(&text)};
        T_EQ(sn_gateway_check(&o, &errors), SN_E_INVALID_ARGUMENT);
        T_ASSERTF(strstr(sn_buf_cz(&errors), rows[i].says), "got \"%s\"", sn_buf_cz(&errors));
        sn_buf_done(&text);
        sn_buf_done(&errors);
    }
    return 0;
}

SN_TEST(discover_refused)
{
    T_OK(sn_rt_run(NULL, refused_main, NULL));
}
