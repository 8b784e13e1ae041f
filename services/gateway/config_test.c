/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/config_test.c - what the configuration says about mistakes, word for word; defaults; and
 * that what is printed reads back as the same. */
#include "gateway/config.h"

#include "core/alloc.h"
#include "harness/test.h"

static void expect_report(const char *text, const char *want)
{
    struct sn_arena a;
    struct sn_conf c;
    struct sn_gw_conf g;
    struct sn_buf report = {0};
    sn_arena_init(&a, NULL, 0);
    sn_conf_init(&c, &a, "gw.yaml");
    int r = sn_gw_conf_read(&c, sn_str(text), &g);
    sn_conf_report(&c, &report);
    T_ASSERT((r == 0) == (*want == 0));
    T_ASSERTF(sn_str_eqc(sn_buf_view(&report), want), "got:\n%.*swanted:\n%s", (int)report.len,
              (const char *)report.ptr, want);
    sn_buf_done(&report);
    sn_arena_done(&a);
}

#define LISTEN "listeners: [{name: web, address: ':1'}]\n"
#define APP "upstreams: [{name: app, endpoints: [{address: 'h:1'}]}]\n"

SN_TEST(config_errors_name_place_and_remedy)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {LISTEN "routes: [{name: a, respond: {body: x}}]\n", ""},
        {"routes: []\n", "gw.yaml:1:1: listeners: required, but missing\n"},
        {LISTEN "routes: [{name: a}]\n",
         "gw.yaml:2:10: routes[0]: one of proxy, static, redirect, respond is required\n"},
        {LISTEN "rutes: []\n", "gw.yaml:2:1: rutes: unknown field; did you mean \"routes\"?\n"},
        {LISTEN APP "routes: [{name: a, proxy: {to: [{upstream: ap}]}}]\n",
         "gw.yaml:3:44: routes[0].proxy.to[0].upstream: no upstream is called \"ap\"\n"},
        {LISTEN APP "routes: [{name: a, proxy: {to: [{upstream: app, weight: 0}]}}]\n",
         "gw.yaml:3:32: routes[0].proxy.to: at least one weight must be above 0\n"},
        {LISTEN "routes: [{name: a, hosts: ['a b'], respond: {}}, {name: a, respond: {}}]\n",
         "gw.yaml:2:28: routes[0].hosts[0]: expected a host such as a.example or *.example, got "
         "\"a b\"\ngw.yaml:2:57: routes[1].name: \"a\" is already taken\n"},
        {"listeners: [{name: web, address: here}]\n",
         "gw.yaml:1:34: listeners[0].address: expected an address such as 127.0.0.1:8080, got "
         "\"here\"\n"},
        {LISTEN "upstreams: [{name: u, endpoints: [{address: 'h:1'}], balance: ring_hash}]\n",
         "gw.yaml:2:13: upstreams[0].hash: ring_hash needs header, cookie, source_ip or path\n"},
        {LISTEN "routes: [{name: a, respond: {}, response_headers: {set: {Connection: x}}}]\n",
         "gw.yaml:2:51: routes[0].response_headers: Connection belongs to the connection and "
         "cannot "
         "be changed\n"},
        {LISTEN "trusted_proxies: [10.0.0.0/40]\n",
         "gw.yaml:2:19: trusted_proxies[0]: expected an address or network such as 10.0.0.0/8, got "
         "\"10.0.0.0/40\"\n"},
        {LISTEN "routes: [{name: a, redirect: {status: 305}}]\n",
         "gw.yaml:2:39: routes[0].redirect.status: expected 301, 302, 303, 307 or 308, got 305\n"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%zu: %s", i, rows[i].text);
        expect_report(rows[i].text, rows[i].want);
    }
}

SN_TEST(config_defaults)
{
    struct sn_arena a;
    struct sn_conf c;
    struct sn_gw_conf g;
    sn_arena_init(&a, NULL, 0);
    sn_conf_init(&c, &a, "gw.yaml");
    T_OK(sn_gw_conf_read(&c,
                         sn_str(LISTEN APP "routes: [{name: a, proxy: {to: [{upstream: app}]}}]\n"),
                         &g));
    T_ASSERT(g.listeners[0].h2 && !g.listeners[0].tls.enabled);
    const struct sn_gw_conf_upstream *u = &g.upstreams[0];
    T_EQ(u->balance, SN_GW_P2C);
    T_ASSERT(u->outlier.enabled && !u->tls.enabled && !u->health.enabled);
    T_EQ(u->connect_timeout, SN_SEC);
    T_EQ(u->endpoints[0].weight, 1);
    const struct sn_gw_conf_route *r = &g.routes[0];
    T_EQ(r->action, SN_GW_PROXY);
    T_EQ(r->proxy.retries, 2);
    T_EQ(r->proxy.retry_on,
         SN_GW_RETRY_CONNECT | SN_GW_RETRY_RESET | SN_GW_RETRY_5XX | SN_GW_RETRY_SILENT);
    T_STR(g.via, "sennit");
    T_EQ(g.limits.head_bytes, 65536);
    sn_arena_done(&a);
}

/* What is printed reads back as the same configuration: absent TLS and checks stay absent, values of
 * conditions and empty lists are there. */
SN_TEST(config_prints_what_reads_back)
{
    static const char *const rows[] = {
        LISTEN APP "routes: [{name: a, proxy: {to: [{upstream: app}], retry_on: []}}]\n",
        "listeners: [{name: l, address: ':1', tls: {cert: c, key: k, more: [{cert: d, key: e}]}}]\n"
        "upstreams: [{name: u, endpoints: [{address: 'a:1'}], health: {path: /h},\n"
        "  tls: {server_name: x}, h2: true}]\n"
        "routes: [{name: a, match: [{regex: '/.', headers: [{name: X, regex: 'a+'}],\n"
        "  query: [{name: q, exact: ''}]}], proxy: {to: [{upstream: u}], host: upstream}}]\n",
        LISTEN "routes: [{name: a, static: {root: /srv}}, {name: b, redirect: {path: /x}}]\n",
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_conf c;
        struct sn_gw_conf g, again;
        struct sn_json tree, tree2;
        struct sn_buf text = {0};
        sn_test_row("%s", rows[i]);
        sn_arena_init(&a, NULL, 0);
        sn_conf_init(&c, &a, "gw.yaml");
        T_OK(sn_gw_conf_read(&c, sn_str(rows[i]), &g));
        T_OK(sn_conf_dump(&a, &sn_gw_conf_table, &g, &tree));
        T_OK(sn_yaml_write(&text, &tree, NULL));
        sn_conf_init(&c, &a, "printed.yaml");
        T_OK(sn_gw_conf_read(&c, sn_buf_view(&text), &again));
        T_OK(sn_conf_dump(&a, &sn_gw_conf_table, &again, &tree2));
        T_ASSERTF(sn_json_eq(&tree, &tree2), "%.*s", (int)text.len, (const char *)text.ptr);
        if (i == 0) T_EQ(again.routes[0].proxy.retry_on, 0);
        if (i == 1) {
            const struct sn_gw_match *m = &again.routes[0].rule.matches[0];
            T_STR(m->headers[0].regex, "a+");
            T_ASSERT(m->query[0].exact.ptr && again.upstreams[0].h2);
            T_STR(again.listeners[0].tls.more[0].key, "e");
        }
        sn_buf_done(&text);
        sn_arena_done(&a);
    }
}

/* Names of a condition lie before its value: a field must not disturb its neighbours. */
SN_TEST(config_conditions_keep_their_names)
{
    struct sn_arena a;
    struct sn_conf c;
    struct sn_gw_conf g;
    sn_arena_init(&a, NULL, 0);
    sn_conf_init(&c, &a, "gw.yaml");
    T_OK(sn_gw_conf_read(&c,
                         sn_str(LISTEN
                                "routes: [{name: a, respond: {}, match: [{prefix: /x, headers: "
                                "[{name: X-A, exact: one}, {regex: '[a-z]', name: X-B}]}]}]\n"),
                         &g));
    const struct sn_gw_match *m = &g.routes[0].rule.matches[0];
    T_STR(m->headers[0].name, "X-A");
    T_STR(m->headers[0].exact, "one");
    T_STR(m->headers[1].name, "X-B");
    T_STR(m->headers[1].regex, "[a-z]");
    T_STR(m->prefix, "/x");
    sn_arena_done(&a);
}
