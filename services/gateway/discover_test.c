/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/discover_test.c - upstreams from a registry: a folder that changes under requests, and
 * stays what it was when it breaks. */
#include "fiber/os.h"
#include "gateway/rig_test.h"
#include "services/registry/registry.h"
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
