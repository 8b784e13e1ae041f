/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/sticky_test.c - cookies that bring clients back; endpoints judged by their success rate.
 */
#include "gateway/rig_test.h"

#include "gateway/upstream.h"
#include "harness/test.h"

static const char config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '@0'}, {address: '@1'}, {address: '@2'}],\n"
    "   outlier: {consecutive: 1, eject: 1m, ejected_percent_max: 100},\n"
    "   sticky: {cookie: stick, ttl: 1h, secure: true, same_site: none}}\n"
    "routes: [{name: main, proxy: {to: [{upstream: app}]}}]\n";

static struct sn_str visit(struct rig *g, const char *cookie, char set[256], char who[16])
{
    struct answer a = {0};
    struct sn_http_header h = {S("Cookie"), sn_str(cookie)};
    T_OK(ask(g, "GET", "/", &h, cookie[0] ? 1 : 0, (struct sn_str){0}, &a));
    T_EQ(a.status, 200);
    T_OK(sn_str_cz(sn_http_headers_get(&a.headers, S("x-upstream")), who, 16));
    T_OK(sn_str_cz(sn_http_headers_get(&a.headers, S("set-cookie")), set, 256));
    DONE(a);
    return sn_str(set);
}

RIG_TEST(sticky_cookie, config)
{
    char set[256], who[16], first[16], pair[300], text[300];
    struct sn_str c = visit(g, "", set, first);
    T_ASSERTF(sn_str_ends(c, S("; Path=/; Max-Age=3600; SameSite=None; Secure; HttpOnly")), "%s",
              set);
    struct sn_str value = sn_str_sub(c, 0, (size_t)sn_str_chr(c, ';'));
    snprintf(pair, sizeof(pair), "a=b; %.*s", SN_STR_ARG(value));
    for (int i = 0; i < 20; i++) {
        c = visit(g, pair, text, who);
        T_STR(sn_str(who), first);
        T_EQ(c.len, 0); /* the client has it */
    }
    /* A value that nobody signed counts for nothing. */
    pair[strlen(pair) - 1] ^= 1;
    T_ASSERT(visit(g, pair, text, who).len > 0);
    pair[strlen(pair) - 1] ^= 1;
    /* Gone: another endpoint, another cookie, and back to neither by the old one. */
    int i = strcmp(first, "zero") == 0 ? 0 : strcmp(first, "one") == 0 ? 1 : 2;
    upstream_stop(&g->up[i]);
    c = visit(g, pair, text, who);
    T_ASSERT(strcmp(who, first) != 0 && c.len > 0);
    c = visit(g, pair, text, who);
    T_ASSERT(strcmp(who, first) != 0 && c.len > 0);
    return 0;
}

SN_TEST(outlier_success_rate)
{
    struct sn_gw_conf_endpoint eps[6];
    struct sn_gw_endpoint *list[6];
    struct sn_gw_conf_upstream u = {.name = S("u"),
                                    .endpoints = eps,
                                    .n_endpoints = 6,
                                    .outlier = {.enabled = true,
                                                .consecutive = 1000,
                                                .eject = SN_SEC,
                                                .eject_max = SN_MINUTE,
                                                .ejected_percent_max = 50,
                                                .deviation = 1.9,
                                                .deviation_interval = 10 * SN_SEC,
                                                .deviation_requests = 100,
                                                .deviation_endpoints = 5}};
    char addr[6][16];
    for (int i = 0; i < 6; i++) {
        snprintf(addr[i], sizeof(addr[i]), "10.0.0.%d:80", i);
        eps[i] = (struct sn_gw_conf_endpoint){sn_str(addr[i]), 1};
        list[i] = sn_gw_endpoint_new(sn_str(addr[i]));
    }
    struct sn_gw_pool *p;
    T_OK(sn_gw_pool_new(&u, list, &p));
    int64_t now = SN_SEC;
    /* per row: failures of 200 requests at endpoint 5, of the others, requests of endpoint 5, who
     * is out */
    static const struct {
        const char *what;
        int bad, others, n, want;
    } rows[] = {
        {"all alike", 2, 2, 200, 0},
        {"one far below", 100, 2, 200, 1},
        {"below, but by little", 8, 1, 200, 0},
        {"all are bad: nobody is worse", 100, 100, 200, 0},
        {"too few requests to tell", 50, 0, 99, 0},
    };
    T_EQ(sn_gw_pool_judge(p, now), 0);
    for (size_t k = 0; k < SN_COUNT_OF(rows); k++) {
        sn_test_row("%s", rows[k].what);
        for (int i = 0; i < 6; i++)
            for (int n = 0; n < (i == 5 ? rows[k].n : 200); n++) {
                bool bad = n < (i == 5 ? rows[k].bad : rows[k].others);
                sn_gw_endpoint_begin(p->eps[i], now);
                sn_gw_endpoint_finish(p, p->eps[i], now, now + SN_MS,
                                      bad ? SN_GW_RESULT_FAILED : SN_GW_RESULT_OK);
            }
        T_EQ(sn_gw_pool_judge(p, now + 5 * SN_SEC), 0); /* not yet */
        now += 10 * SN_SEC;
        T_EQ(sn_gw_pool_judge(p, now), rows[k].want);
        T_EQ(sn_gw_endpoint_available(p->eps[5], now), !rows[k].want);
        T_EQ(sn_gw_pool_judge(p, now), 0);
        p->eps[5]->ejected_until_ns = 0;
        p->eps[5]->eject_row = 0;
        for (int i = 0; i < 6; i++) p->eps[i]->fail_row = 0;
    }
    sn_gw_pool_free(p);
}
