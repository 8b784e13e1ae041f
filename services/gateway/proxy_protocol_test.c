/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/proxy_protocol_test.c - PROXY headers: in pieces, malformed, written; and through a
 * gateway. */
#include "gateway/proxy_protocol.h"

#include "core/crc32c.h"
#include "gateway/rig_test.h"
#include "harness/test.h"

struct row {
    const char *what, *bytes;
    size_t n; /* 0 = a string */
    int want; /* length, or SN_E_* */
    const char *source;
};
#define SIG "\r\n\r\n\0\r\nQUIT\n"
static const struct row rows[] = {
    {"v4", "PROXY TCP4 10.1.2.3 10.0.0.1 5000 80\r\nGET", 0, 38, "10.1.2.3:5000"},
    {"v6", "PROXY TCP6 2001:db8::1 ::1 5000 443\r\n", 0, 37, "[2001:db8::1]:5000"},
    {"unknown", "PROXY UNKNOWN\r\n", 0, 15, ""},
    {"unknown with more", "PROXY UNKNOWN ffff::1 ::2 1 2\r\n", 0, 31, ""},
    {"no carriage return", "PROXY TCP4 10.1.2.3 10.0.0.1 5000 80\n", 0, SN_E_SYNTAX, NULL},
    {"bad address", "PROXY TCP4 10.1.2.300 10.0.0.1 5000 80\r\n", 0, SN_E_SYNTAX, NULL},
    {"v6 as v4", "PROXY TCP4 ::1 ::1 5000 80\r\n", 0, SN_E_SYNTAX, NULL},
    {"port over", "PROXY TCP4 10.1.2.3 10.0.0.1 65536 80\r\n", 0, SN_E_SYNTAX, NULL},
    {"leading zero", "PROXY TCP4 10.1.2.3 10.0.0.1 080 80\r\n", 0, SN_E_SYNTAX, NULL},
    {"a field more", "PROXY TCP4 10.1.2.3 10.0.0.1 5000 80 x\r\n", 0, SN_E_SYNTAX, NULL},
    {"two spaces", "PROXY TCP4  10.1.2.3 10.0.0.1 5000 80\r\n", 0, SN_E_SYNTAX, NULL},
    {"an HTTP request", "GET / HTTP/1.1\r\n", 0, SN_E_SYNTAX, NULL},
    {"a POST", "POST / HTTP/1.1\r\n", 0, SN_E_SYNTAX, NULL},
    {"v2 TCP4", SIG "\x21\x11\0\x0c\x0a\1\2\3\x0a\0\0\1\x13\x88\0\x50", 28, 28, "10.1.2.3:5000"},
    {"v2 local", SIG "\x20\0\0\0", 16, 16, ""},
    {"v2 local with addresses", SIG "\x20\x11\0\x0c\x0a\1\2\3\x0a\0\0\1\x13\x88\0\x50", 28, 28, ""},
    {"v2 UDP", SIG "\x21\x12\0\x0c\x0a\1\2\3\x0a\0\0\1\x13\x88\0\x50", 28, 28, ""},
    {"v2 with a TLV", SIG "\x21\x11\0\x10\x0a\1\2\3\x0a\0\0\1\x13\x88\0\x50\4\0\1x", 32, 32,
     "10.1.2.3:5000"},
    {"v2 cut TLV", SIG "\x21\x11\0\x0f\x0a\1\2\3\x0a\0\0\1\x13\x88\0\x50\4\0\1", 31, SN_E_SYNTAX,
     NULL},
    {"v2 wrong checksum", SIG "\x21\x11\0\x13\x0a\1\2\3\x0a\0\0\1\x13\x88\0\x50\3\0\4\1\2\3\4", 35,
     SN_E_DATA_LOSS, NULL},
    {"v2 too short", SIG "\x21\x11\0\x0b\x0a\1\2\3\x0a\0\0\1\x13\x88\0", 27, SN_E_SYNTAX, NULL},
    {"v2 version 3", SIG "\x31\x11\0\0", 16, SN_E_SYNTAX, NULL},
    {"v2 command 2", SIG "\x22\x11\0\0", 16, SN_E_SYNTAX, NULL},
    {"v2 too long", SIG "\x21\x11\xff\xff", 16, SN_E_TOO_LARGE, NULL},
};

SN_TEST(proxy_protocol_table)
{
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        const struct row *w = &rows[i];
        size_t n = w->n ? w->n : strlen(w->bytes), more;
        struct sn_proxyp p;
        sn_test_row("%s", w->what);
        int r = sn_proxyp_parse(w->bytes, n, &p, &more);
        T_EQ(r, w->want);
        if (r < 0) continue;
        T_STR(sn_str(p.source), w->source);
        T_EQ(p.known, w->source[0] != 0);
        for (size_t cut = 0; cut < (size_t)r;
             cut++) { /* never asks for a byte that is not the header's */
            T_EQ(sn_proxyp_parse(w->bytes, cut, &p, &more), SN_E_AGAIN);
            T_ASSERT(more > 0 && cut + more <= (size_t)r);
        }
    }
    char line[200];
    struct sn_proxyp p;
    size_t more;
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY ", 6);
    T_EQ(sn_proxyp_parse(line, 106, &p, &more), SN_E_AGAIN);
    T_EQ(sn_proxyp_parse(line, 107, &p, &more), SN_E_TOO_LARGE);
    /* A checksum that fits. */
    uint8_t b[35];
    memcpy(b, SIG "\x21\x11\0\x13\x0a\1\2\3\x0a\0\0\1\x13\x88\0\x50\3\0\4\0\0\0\0", 35);
    uint32_t crc = sn_crc32c(0, b, 35);
    for (int i = 0; i < 4; i++) b[31 + i] = (uint8_t)(crc >> (24 - 8 * i));
    T_EQ(sn_proxyp_parse(b, 35, &p, &more), 35);
}

SN_TEST(proxy_protocol_round_trip)
{
    static const char *const pairs[][3] = {
        {"10.1.2.3:5000", "10.0.0.1:80", "10.1.2.3:5000"},
        {"[2001:db8::1]:1", "[::1]:65535", "[2001:db8::1]:1"},
        {"10.1.2.3:5000", "[::1]:80", "[::ffff:10.1.2.3]:5000"},
        {"", "", ""},
        {"unix:/x", "10.0.0.1:80", ""},
    };
    for (size_t i = 0; i < SN_COUNT_OF(pairs); i++)
        for (unsigned v = 1; v <= 2; v++) {
            uint8_t out[SN_PROXYP_OUT_MAX];
            struct sn_proxyp p;
            size_t more, n = sn_proxyp_write(v, sn_str(pairs[i][0]), sn_str(pairs[i][1]), out);
            T_EQ(sn_proxyp_parse(out, n, &p, &more), (int)n);
            T_STR(sn_str(p.source), pairs[i][2]);
        }
}

/* ---- through a gateway ---- */

static const char config[] =
    "listeners:\n"
    "- {name: web, address: '127.0.0.1:0', proxy_protocol: {from: [127.0.0.0/8], timeout: 100ms}}\n"
    "- {name: open, address: '127.0.0.1:0', proxy_protocol: {from: [10.0.0.0/8]}}\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '@0'}]}\n"
    "routes: [{name: main, proxy: {to: [{upstream: app}]}}]\n";

RIG_TEST(proxy_protocol_in, config)
{
    char buf[4096];
    struct sn_str s =
        raw_talk(g, "PROXY TCP4 10.1.2.3 10.0.0.1 5000 80\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
                 buf, sizeof(buf));
    T_ASSERTF(has(s, "X-Forwarded-For: 10.1.2.3\n"), "%.*s", SN_STR_ARG(s));
    s = raw_talk(g, "PROXY UNKNOWN\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf));
    T_ASSERT(has(s, "X-Forwarded-For: 127.0.0.1\n"));
    s = raw_talk(g, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf)); /* required of these */
    T_EQ(s.len, 0);
    s = raw_talk(g, "PROXY TC", buf, sizeof(buf)); /* and within the time */
    T_EQ(s.len, 0);
    char addr[64];
    memcpy(addr, g->addr, sizeof(addr));
    T_OK(sn_gateway_listener_addr(g->gw, S("open"), g->addr, sizeof(g->addr)));
    s = raw_talk(g, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", buf,
                 sizeof(buf)); /* from others nothing is asked */
    T_ASSERT(has(s, "X-Forwarded-For: 127.0.0.1\n"));
    s = raw_talk(g, "PROXY TCP4 1.1.1.1 10.0.0.1 5000 80\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
                 buf, sizeof(buf));
    T_ASSERT(sn_str_starts(s, S("HTTP/1.1 400"))); /* nor believed */
    memcpy(g->addr, addr, sizeof(addr));
    return 0;
}

/* Two gateways in one: the first one's upstream is the second listener. */
static const char chain_config[] = "listeners:\n"
                                   "- {name: web, address: '127.0.0.1:0'}\n"
                                   "upstreams: [{name: app, endpoints: [{address: '@0'}]}]\n"
                                   "routes: [{name: main, proxy: {to: [{upstream: app}]}}]\n";

RIG_TEST(proxy_protocol_out, chain_config)
{
    char inner[64];
    struct sn_buf text = {0};
    struct sn_listener *l;
    T_OK(sn_listen("127.0.0.1:0", NULL, &l)); /* a port that is free */
    T_OK(sn_listener_addr(l, inner, sizeof(inner)));
    sn_listener_close(l);
    for (int v = 1; v <= 2; v++) {
        sn_buf_reset(&text);
        sn_buf_printf(
            &text,
            "listeners:\n"
            "- {name: web, address: '127.0.0.1:0'}\n"
            "- {name: inner, address: '%s', proxy_protocol: {from: [127.0.0.0/8]}}\n"
            "upstreams:\n"
            "- {name: app, endpoints: [{address: '%s'}]}\n"
            "- {name: next, endpoints: [{address: '%s'}], proxy_protocol: v%d, health: {path: /h,\n"
            "   interval: 20ms, unhealthy: 1}}\n"
            "routes:\n"
            "- {name: out, listeners: [web], proxy: {to: [{upstream: next}]}}\n"
            "- {name: in, listeners: [inner], proxy: {to: [{upstream: app}]}}\n",
            inner, g->up[0].addr, inner, v);
        T_OK(sn_gateway_set_text(g->gw, sn_buf_view(&text)));
        for (int i = 0; i < 5; i++) {
            struct answer a = ASK("GET", "/x", 200);
            T_ASSERTF(has(a.text, "X-Forwarded-For: 127.0.0.1\n"), "%.*s", SN_STR_ARG(a.text));
            DONE(a);
        }
        T_OK(sn_sleep(100 * SN_MS)); /* health checks say that they are the proxy's own */
        struct answer a = ASK("GET", "/x", 200);
        DONE(a);
    }
    sn_buf_done(&text);
    return 0;
}
