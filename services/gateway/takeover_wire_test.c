/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/takeover_wire_test.c - frames survive the way there and back; nonsense is named. */
#include "gateway/takeover_wire.h"

#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

static struct sn_str body_of(const struct sn_buf *b, enum sn_tkw_type want)
{
    enum sn_tkw_type type;
    T_EQ(sn_tkw_head(b->ptr, b->len, &type), b->len);
    T_EQ(type, want);
    return sn_str_of((const char *)b->ptr + SN_TKW_HEAD, b->len - SN_TKW_HEAD);
}

static struct sn_tkw_endpoint endpoint(const char *addr, unsigned weight)
{
    struct sn_tkw_endpoint e = {.weight = (uint16_t)weight};
    T_OK(sn_tkw_addr_parse(sn_str(addr), e.ip, &e.port));
    return e;
}

static struct sn_tkw_service service(const char *name, const char *vip)
{
    struct sn_tkw_service v = {.name = sn_str(name), .proto = 6};
    T_OK(sn_tkw_addr_parse(sn_str(vip), v.ip, &v.port));
    return v;
}

SN_TEST(takeover_wire_snapshot_there_and_back)
{
    struct sn_tkw_endpoint live[] = {endpoint("10.1.0.1:8080", 1), endpoint("10.1.0.2:8080", 1000)};
    struct sn_tkw_endpoint direct[] = {endpoint("[fd00::2]:53", 7)};
    live[1].via = true;
    struct sn_tkw_service v[] = {service("shop", "10.96.0.1:80"), service("names", "[fd00::1]:53")};
    v[0].live = live;
    v[0].n_live = 2;
    v[0].lapsed = SN_TKW_PASS;
    v[1].proto = 17;
    v[1].by_cgroup = true;
    v[1].direct = direct;
    v[1].n_direct = 1;
    v[1].lapsed = SN_TKW_DIRECT;
    struct sn_tkw_snapshot s = {.generation = 0x0102030405060708,
                                .ttl_ms = 2000,
                                .services = v,
                                .n = 2},
                           t;
    struct sn_buf b = {0};
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_tkw_put_snapshot(&b, &s));
    struct sn_str body = body_of(&b, SN_TKW_SNAPSHOT);
    T_OK(sn_tkw_get_snapshot(&a, body, &t));
    T_EQ(t.generation, s.generation);
    T_EQ(t.ttl_ms, 2000);
    T_EQ(t.n, 2);
    T_STR(t.services[0].name, "shop");
    T_EQ(t.services[0].n_live, 2);
    T_ASSERT(memcmp(t.services[0].live[1].ip, live[1].ip, 16) == 0);
    T_EQ(t.services[0].live[1].port, 8080);
    T_EQ(t.services[0].live[1].weight, 1000);
    T_ASSERT(t.services[0].live[1].via && !t.services[0].live[0].via);
    T_EQ(t.services[0].lapsed, SN_TKW_PASS);
    T_EQ(t.services[1].proto, 17);
    T_ASSERT(t.services[1].by_cgroup && !t.services[0].by_cgroup);
    T_EQ(t.services[1].n_live, 0);
    T_EQ(t.services[1].direct[0].weight, 7);
    /* Cut anywhere, it is refused and not half believed. */
    for (size_t n = 0; n < body.len; n++)
        T_EQ(sn_tkw_get_snapshot(&a, sn_str_of(body.ptr, n), &t), SN_E_PROTOCOL);
    sn_buf_byte(&b, 0);
    body.len++;
    T_EQ(sn_tkw_get_snapshot(&a, sn_str_of((char *)b.ptr + SN_TKW_HEAD, body.len), &t),
         SN_E_PROTOCOL);
    sn_arena_done(&a);
    sn_buf_done(&b);
}

SN_TEST(takeover_wire_small_frames)
{
    struct sn_buf b = {0};
    uint16_t version;
    uint32_t ttl;
    struct sn_str why;
    struct sn_tkw_welcome w = {.version = 3,
                               .shortcut = true,
                               .cgroup = SN_STR("/sys/fs/cgroup/x")},
                          w2;
    struct sn_tkw_applied p = {.generation = 5, .changed = 2, .removed = 1}, p2;
    T_OK(sn_tkw_put_hello(&b));
    T_OK(sn_tkw_get_hello(body_of(&b, SN_TKW_HELLO), &version));
    T_EQ(version, SN_TKW_VERSION);
    b.ptr[SN_TKW_HEAD] ^= 1;
    T_EQ(sn_tkw_get_hello(body_of(&b, SN_TKW_HELLO), &version), SN_E_PROTOCOL);
    sn_buf_reset(&b);
    T_OK(sn_tkw_put_welcome(&b, &w));
    T_OK(sn_tkw_get_welcome(body_of(&b, SN_TKW_WELCOME), &w2));
    T_STR(w2.cgroup, "/sys/fs/cgroup/x");
    T_ASSERT(w2.shortcut && w2.version == 3);
    sn_buf_reset(&b);
    T_OK(sn_tkw_put_applied(&b, &p));
    T_OK(sn_tkw_get_applied(body_of(&b, SN_TKW_APPLIED), &p2));
    T_ASSERT(p2.generation == 5 && p2.changed == 2 && p2.removed == 1);
    sn_buf_reset(&b);
    T_OK(sn_tkw_put_refused(&b, SN_STR("no")));
    T_OK(sn_tkw_get_refused(body_of(&b, SN_TKW_REFUSED), &why));
    T_STR(why, "no");
    sn_buf_reset(&b);
    T_OK(sn_tkw_put_beat(&b, 2000));
    T_OK(sn_tkw_get_beat(body_of(&b, SN_TKW_BEAT), &ttl));
    T_EQ(ttl, 2000);
    sn_buf_reset(&b);
    T_OK(sn_tkw_put_beat(&b, 0));
    T_EQ(sn_tkw_get_beat(body_of(&b, SN_TKW_BEAT), &ttl), SN_E_PROTOCOL);
    sn_buf_reset(&b);
    T_OK(sn_tkw_put_empty(&b, SN_TKW_ASK));
    T_EQ(body_of(&b, SN_TKW_ASK).len, 0);
    sn_buf_done(&b);
}

SN_TEST(takeover_wire_stats)
{
    struct sn_tkw_stat v[2] = {{.name = SN_STR("a"),
                                .port = 80,
                                .proto = 6,
                                .n_live = 3,
                                .connects = 1,
                                .datagrams = 2,
                                .replies = 3,
                                .refused = 4,
                                .lapsed = UINT64_MAX},
                               {.name = SN_STR("b"), .n_direct = 9}};
    struct sn_tkw_stats s = {.generation = 7, .left_ms = -20, .services = v, .n = 2}, t;
    struct sn_buf b = {0};
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_tkw_put_stats(&b, &s));
    struct sn_str body = body_of(&b, SN_TKW_STATS);
    T_OK(sn_tkw_get_stats(&a, body, &t));
    T_EQ(t.left_ms, -20);
    T_EQ(t.services[0].replies, 3);
    T_ASSERT(t.services[0].lapsed == UINT64_MAX);
    T_EQ(t.services[1].n_direct, 9);
    for (size_t n = 0; n < body.len; n++)
        T_EQ(sn_tkw_get_stats(&a, sn_str_of(body.ptr, n), &t), SN_E_PROTOCOL);
    sn_arena_done(&a);
    sn_buf_done(&b);
}

SN_TEST(takeover_wire_heads)
{
    enum sn_tkw_type type;
    uint8_t head[8] = {16, 0, 0, 0, SN_TKW_BEAT, 0, 0, 0};
    T_EQ(sn_tkw_head(head, 7, &type), 0);
    T_EQ(sn_tkw_head(head, 8, &type), 24);
    head[3] = 1;
    T_EQ(sn_tkw_head(head, 8, &type), SN_E_TOO_LARGE);
    head[3] = 0;
    head[5] = 1;
    T_EQ(sn_tkw_head(head, 8, &type), SN_E_PROTOCOL);
    head[5] = head[4] = 0;
    T_EQ(sn_tkw_head(head, 8, &type), SN_E_PROTOCOL);
}

SN_TEST(takeover_wire_nonsense_is_named)
{
    struct sn_tkw_endpoint good = endpoint("10.1.0.1:80", 1), v6 = endpoint("[fd00::1]:80", 1),
                           itself = endpoint("10.96.0.1:80", 1), light = endpoint("10.1.0.1:80", 0),
                           portless = good;
    portless.port = 0;
    const struct {
        struct sn_tkw_endpoint e;
        const char *vip2, *says;
        unsigned proto, lapsed;
    } rows[] = {
        {v6, "10.96.0.2:80", "back-end [fd00::1]:80: it is not of the service's address family", 6,
         0},
        {itself, "10.96.0.2:80", "back-end 10.96.0.1:80: it is a service itself", 6, 0},
        {light, "10.96.0.2:80", "a weight from 1 to 1000 was expected", 6, 0},
        {portless, "10.96.0.2:80", "a port above 0 was expected", 6, 0},
        {good, "10.96.0.1:80", "service two: 10.96.0.1:80 is a service already", 6, 0},
        {good, "10.96.0.2:80", "service two: expected TCP (6) or UDP (17)", 1, 0},
        {good, "10.96.0.2:80", "service two: expected a policy from 0 to 2", 6, 3},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].says);
        struct sn_tkw_endpoint e = rows[i].e;
        struct sn_tkw_service v[] = {service("one", "10.96.0.1:80"), service("two", rows[i].vip2)};
        v[0].live = &good;
        v[0].n_live = 1;
        v[1].live = &e;
        v[1].n_live = 1;
        v[1].proto = (uint8_t)rows[i].proto;
        v[1].lapsed = (uint8_t)rows[i].lapsed;
        struct sn_tkw_snapshot s = {.services = v, .n = 2};
        T_EQ(sn_tkw_check(&s), SN_E_INVALID_ARGUMENT);
        T_ASSERTF(strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), rows[i].says), "said: %s",
                  sn_diag_str(SN_E_INVALID_ARGUMENT));
        struct sn_buf b = {0};
        T_ASSERT(sn_tkw_put_snapshot(&b, &s) < 0 && b.len == 0);
        sn_buf_done(&b);
    }
    /* The same address over another protocol is another service, and may be a back-end. */
    struct sn_tkw_service v[] = {service("one", "10.96.0.1:80"), service("two", "10.96.0.1:80")};
    v[1].proto = 17;
    v[0].live = &good;
    v[0].n_live = 1;
    T_OK(sn_tkw_check(&(struct sn_tkw_snapshot){.services = v, .n = 2}));
}

SN_TEST(takeover_wire_addresses)
{
    static const char *const good[] = {"10.0.0.1:80", "[fd00::1]:65535", "127.0.0.1:1"};
    static const char *const bad[] = {
        "",           "10.0.0.1",     "10.0.0.1:0",    "10.0.0.1:65536",
        "fd00::1:80", "a.example:80", "[10.0.0.1]:80", ":80",
        "10.0.0.1:",  "[::1]"};
    for (size_t i = 0; i < SN_COUNT_OF(good); i++) {
        uint8_t ip[16];
        uint16_t port;
        char text[SN_TKW_ADDR_TEXT_MAX];
        sn_test_row("%s", good[i]);
        T_OK(sn_tkw_addr_parse(sn_str(good[i]), ip, &port));
        T_CSTR(sn_tkw_addr_text(ip, port, text), good[i]);
    }
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        uint8_t ip[16];
        uint16_t port;
        sn_test_row("%s", bad[i]);
        T_EQ(sn_tkw_addr_parse(sn_str(bad[i]), ip, &port), SN_E_SYNTAX);
    }
}

static int everything(void *arg)
{
    (void)arg;
    struct sn_tkw_endpoint e = {.port = 80, .weight = 1};
    struct sn_tkw_service v = {.name = SN_STR("s"), .port = 8, .proto = 6, .live = &e, .n_live = 1};
    struct sn_tkw_snapshot s = {.services = &v, .n = 1}, t;
    struct sn_buf b = {0};
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = sn_tkw_put_snapshot(&b, &s);
    if (r == 0) r = sn_tkw_get_snapshot(&a, body_of(&b, SN_TKW_SNAPSHOT), &t);
    sn_arena_done(&a);
    sn_buf_done(&b);
    return r;
}

SN_TEST(takeover_wire_without_memory)
{
    T_OK(sn_torture(everything, NULL));
}
