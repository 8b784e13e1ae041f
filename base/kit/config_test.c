/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/config.h"

#include "core/status.h"
#include "harness/test.h"
#include "kit/suggest.h"

enum balance { P2C, ROUND_ROBIN };
enum action { NONE, PROXY, FILES };
struct endpoint { struct sn_str address; uint64_t weight; };
struct upstream {
    struct sn_str name;
    struct endpoint *endpoints;
    size_t n_endpoints;
    enum balance balance;
};
struct label { struct sn_str key, value; };
struct route {
    struct sn_str path;
    int64_t timeout;
    uint32_t action, retry_on;
    struct sn_str upstream;
    struct { struct sn_str root; bool listing; } files;
    struct label *labels;
    size_t n_labels;
    const struct sn_json *extra;
};
struct conf {
    struct sn_str address, token;
    uint16_t port;
    int8_t nice;
    double ratio;
    bool fast;
    uint64_t body_max;
    struct { int64_t idle; uint64_t heads; } limits;
    struct upstream *upstreams;
    size_t n_upstreams;
    struct route *routes;
    size_t n_routes;
    struct sn_str *hosts;
    size_t n_hosts;
    int32_t *numbers;
    size_t n_numbers;
};

static const struct sn_conf_enum balances[] = {{"p2c", P2C}, {"round_robin", ROUND_ROBIN}, {0}};
static const struct sn_conf_enum retries[] = {{"connect", 1}, {"reset", 2}, {"5xx", 4}, {0}};
static const struct sn_conf_field endpoint_fields[] = {
    SN_CONF_STRING(struct endpoint, address, "address", .required = true),
    SN_CONF_UINT(struct endpoint, weight, "weight", .def = "1", .min = 1, .max = 100),
};
static const struct sn_conf_table endpoint_table = SN_CONF_TABLE(struct endpoint, endpoint_fields);
static const struct sn_conf_field upstream_fields[] = {
    SN_CONF_LIST(struct upstream, endpoints, n_endpoints, "endpoints", SN_CONF_T_STRUCT,
                 .sub = &endpoint_table, .required = true, .min = 1, .max = 3),
    SN_CONF_ENUM(struct upstream, balance, "balance", balances, .def = "p2c"),
};
static const struct sn_conf_table upstream_table = SN_CONF_TABLE(struct upstream, upstream_fields);
static const struct sn_conf_field files_fields[] = {
    {.name = "root", .type = SN_CONF_T_STRING, .required = true},
    {.name = "listing", .type = SN_CONF_T_BOOL, .offset = 16, .size = 1},
};
static const struct sn_conf_table files_table = {.fields = files_fields, .n_fields = 2, .size = 24};
static const struct sn_conf_field route_fields[] = {
    SN_CONF_STRING(struct route, path, "path", .def = "/", .pattern = "/.*",
                   .pattern_help = "a path that begins with /"),
    SN_CONF_DURATION(struct route, timeout, "timeout", .def = "30s", .min = SN_MS, .max = SN_HOUR),
    SN_CONF_STRING(struct route, upstream, "proxy", .oneof = 1, .required = true,
                   SN_CONF_TAG(struct route, action, PROXY)),
    SN_CONF_STRUCT(struct route, files, "static", &files_table, .oneof = 1, .required = true,
                   SN_CONF_TAG(struct route, action, FILES)),
    SN_CONF_FLAGS(struct route, retry_on, "retry_on", retries, .def = "connect,reset"),
    SN_CONF_MAP(struct route, labels, n_labels, "labels", SN_CONF_T_STRING, struct label, key,
                value),
    SN_CONF_RAW(struct route, extra, "extra"),
};
static const struct sn_conf_table route_table = SN_CONF_TABLE(struct route, route_fields);

static void check(struct sn_conf *c, const char *path, void *obj);
static const struct sn_conf_field conf_fields[] = {
    SN_CONF_STRING(struct conf, address, "address", .required = true, .help = "Where to listen."),
    SN_CONF_STRING(struct conf, token, "token", .secret = true),
    SN_CONF_UINT(struct conf, port, "port", .def = "8080"),
    SN_CONF_INT(struct conf, nice, "nice"),
    SN_CONF_DOUBLE(struct conf, ratio, "ratio", .def = "0.5", .min_real = 0, .max_real = 1),
    SN_CONF_BOOL(struct conf, fast, "fast", .def = "true"),
    SN_CONF_BYTES(struct conf, body_max, "body_max", .def = "1MiB", .min = 1024, .max = INT64_MAX),
    SN_CONF_STRUCT(struct conf, limits, "limits", &(const struct sn_conf_table){0}),
    SN_CONF_MAP_STRUCT(struct conf, upstreams, n_upstreams, "upstreams", struct upstream, name,
                       &upstream_table),
    SN_CONF_LIST(struct conf, routes, n_routes, "routes", SN_CONF_T_STRUCT, .sub = &route_table),
    SN_CONF_LIST(struct conf, hosts, n_hosts, "hosts", SN_CONF_T_STRING),
    SN_CONF_LIST(struct conf, numbers, n_numbers, "numbers", SN_CONF_T_INT, .min = 0, .max = 4),
};
static const struct sn_conf_table conf_table =
    SN_CONF_TABLE(struct conf, conf_fields, .check = check, .title = "test");

static void check(struct sn_conf *c, const char *path, void *obj)
{
    const struct conf *k = obj;
    T_CSTR(path, "");
    for (size_t i = 0; i < k->n_routes; i++) {
        if (k->routes[i].action != PROXY) continue;
        bool known = false;
        for (size_t j = 0; j < k->n_upstreams; j++)
            known |= sn_str_eq(k->upstreams[j].name, k->routes[i].upstream);
        char at[64];
        snprintf(at, sizeof(at), "routes[%zu].proxy", i);
        if (!known)
            sn_conf_error(c, at, "no upstream is called \"%.*s\"",
                          SN_STR_ARG(k->routes[i].upstream));
    }
}

static const char good[] =
    "address: 127.0.0.1:80\ntoken: s3cret\nport: 65535\nnice: -5\nratio: 1\nfast: false\nbody_max: "
    "64KiB\n"
    "upstreams:\n  api:\n    endpoints: [{address: a, weight: 2}, {address: b}]\n    balance: "
    "round_robin\n"
    "routes:\n- path: /api\n  timeout: 1m30s\n  proxy: api\n  retry_on: [5xx, connect]\n"
    "  labels: {a: x, b.c: y}\n  extra: [1, {k: v}]\n- static: {root: /srv}\nhosts: [x, "
    "y]\nnumbers: [1, -2]\n";

SN_TEST(config_binds)
{
    struct sn_arena a;
    struct sn_conf c;
    struct conf k;
    sn_arena_init(&a, NULL, 0);
    int r = sn_conf_load(&c, &a, "t.yaml", sn_str(good), &conf_table, &k);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_STR(k.address, "127.0.0.1:80");
    T_EQ(k.port, 65535);
    T_EQ(k.nice, -5);
    T_ASSERT(k.ratio == 1.0 && !k.fast);
    T_EQ(k.body_max, 65536);
    T_EQ(k.n_upstreams, 1);
    T_STR(k.upstreams[0].name, "api");
    T_EQ(k.upstreams[0].balance, ROUND_ROBIN);
    T_EQ(k.upstreams[0].n_endpoints, 2);
    T_EQ(k.upstreams[0].endpoints[0].weight, 2);
    T_EQ(k.upstreams[0].endpoints[1].weight, 1);
    T_EQ(k.n_routes, 2);
    T_EQ(k.routes[0].timeout, 90 * SN_SEC);
    T_EQ(k.routes[0].action, PROXY);
    T_EQ(k.routes[0].retry_on, 5);
    T_EQ(k.routes[0].n_labels, 2);
    T_STR(k.routes[0].labels[1].key, "b.c");
    T_STR(k.routes[0].labels[1].value, "y");
    T_STR(sn_json_str(sn_json_path(k.routes[0].extra, "1.k")), "v");
    T_EQ(k.routes[1].action, FILES);
    T_STR(k.routes[1].path, "/");
    T_EQ(k.routes[1].timeout, 30 * SN_SEC);
    T_EQ(k.routes[1].retry_on, 3);
    T_STR(k.routes[1].files.root, "/srv");
    T_EQ(k.n_hosts, 2);
    T_EQ(k.n_numbers, 2);
    T_EQ(k.numbers[1], -2);

    /* What is printed reads back as the same. */
    struct sn_json tree;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_conf_dump(&a, &conf_table, &k, &tree));
    T_STR(sn_json_str(sn_json_get(&tree, "token")), "***");
    T_OK(sn_yaml_write(&b, &tree, NULL));
    struct conf again;
    r = sn_conf_load(&c, &a, "again", sn_buf_view(&b), &conf_table, &again);
    T_ASSERTF(r == 0, "%s in\n%s", sn_diag_str(r), sn_buf_cz(&b));
    T_EQ(again.routes[0].timeout, k.routes[0].timeout);
    T_EQ(again.body_max, k.body_max);
    T_EQ(again.routes[0].retry_on, 5);
    T_EQ(again.upstreams[0].endpoints[0].weight, 2);
    T_ASSERT(sn_json_eq(again.routes[0].extra, k.routes[0].extra));
    sn_buf_done(&b);
    sn_arena_done(&a);
}

SN_TEST(config_defaults_of_nothing)
{
    struct sn_arena a;
    struct sn_conf c;
    struct conf k;
    sn_arena_init(&a, NULL, 0);
    sn_conf_init(&c, &a, "x");
    T_OK(sn_conf_defaults(&c, &conf_table, &k));
    T_EQ(k.port, 8080);
    T_ASSERT(k.fast && k.ratio == 0.5 && !k.address.ptr);
    T_EQ(k.body_max, 1 << 20);
    int r = sn_conf_load(&c, &a, "empty.yaml", SN_STR("# nothing\n"), &conf_table, &k);
    T_EQ(r, SN_E_INVALID_ARGUMENT);
    T_CSTR(sn_diag_str(r), "empty.yaml: address: required, but missing");
    sn_arena_done(&a);
}

/* long: one table */
SN_TEST(config_errors_are_exact)
{
    static const struct {
        const char *in, *report;
    } rows[] = {
        {"addres: x", "t.yaml:1:1: addres: unknown field; did you mean \"address\"?\n"
                      "t.yaml:1:1: address: required, but missing\n"},
        {"address: 80", "t.yaml:1:10: address: expected a string, got 80\n"},
        {"address: [x]", "t.yaml:1:10: address: expected a string, got a list\n"},
        {"address: a\nport: 65536",
         "t.yaml:2:7: port: expected a whole number from 0 to 2^16 - 1, got 65536\n"},
        {"address: a\nport: -1",
         "t.yaml:2:7: port: expected a whole number from 0 to 2^16 - 1, got -1\n"},
        {"address: a\nport: 1.5", "t.yaml:2:7: port: expected a whole number, got 1.5\n"},
        {"address: a\nport: \"80\"", "t.yaml:2:7: port: expected a whole number, got \"80\"\n"},
        {"address: a\nnice: 128",
         "t.yaml:2:7: nice: expected a whole number of at most 2^7 - 1, got 128\n"},
        {"address: a\nratio: 1.5", "t.yaml:2:8: ratio: expected a number from 0 to 1, got 1.5\n"},
        {"address: a\nfast: yes", "t.yaml:2:7: fast: expected true or false, got \"yes\"\n"},
        {"address: a\nbody_max: 1k",
         "t.yaml:2:11: body_max: expected a size of at least 1KiB, got \"1k\"\n"},
        {"address: a\nbody_max: big",
         "t.yaml:2:11: body_max: expected a size such as 64KiB, got \"big\"\n"},
        {"address: a\nroutes:\n- timeout: abc\n  static: {root: /}",
         "t.yaml:3:12: routes[0].timeout: expected a duration such as 250ms, got \"abc\"\n"},
        {"address: a\nroutes:\n- timeout: 5\n  static: {root: /}",
         "t.yaml:3:12: routes[0].timeout: expected a duration such as 250ms, got 5\n"},
        {"address: a\nroutes:\n- timeout: 2h\n  static: {root: /}",
         "t.yaml:3:12: routes[0].timeout: expected a duration from 1ms to 1h0m0s, got \"2h\"\n"},
        {"address: a\nroutes:\n- path: x\n  static: {root: /}",
         "t.yaml:3:9: routes[0].path: expected a path that begins with /, got \"x\"\n"},
        {"address: a\nroutes:\n- path: /x\n",
         "t.yaml:3:3: routes[0]: one of proxy, static is required\n"},
        {"address: a\nroutes:\n- {proxy: p, static: {root: /}}\n",
         "t.yaml:3:3: routes[0]: only one of proxy, static may be given\n"},
        {"address: a\nroutes:\n- static: {}\n  retry_on: [connect, 5x]",
         "t.yaml:3:11: routes[0].static.root: required, but missing\n"
         "t.yaml:4:23: routes[0].retry_on[1]: expected one of connect, reset, 5xx, got \"5x\"; did "
         "you mean \"5xx\"?\n"},
        {"address: a\nroutes:\n- proxy: nowhere\n",
         "t.yaml:3:10: routes[0].proxy: no upstream is called \"nowhere\"\n"},
        {"address: a\nroutes: {}", "t.yaml:2:9: routes: expected a list, got a mapping\n"},
        {"address: a\nnumbers: [1,2,3,4,5]",
         "t.yaml:2:10: numbers: expected 0 to 4 elements, got 5\n"},
        {"address: a\nnumbers: [1, x]",
         "t.yaml:2:14: numbers[1]: expected a whole number, got \"x\"\n"},
        {"address: a\nupstreams:\n  \"a b\": {endpoints: []}\n  c: {endpoints: [{}], balance: rr, "
         "zzzz: 1}\n",
         "t.yaml:3:22: upstreams[\"a b\"].endpoints: expected 1 to 3 elements, got 0\n"
         "t.yaml:4:19: upstreams.c.endpoints[0].address: required, but missing\n"
         "t.yaml:4:33: upstreams.c.balance: expected one of p2c, round_robin, got \"rr\"\n"
         "t.yaml:4:37: upstreams.c.zzzz: unknown field; known here: endpoints, balance\n"},
        {"[1]", "t.yaml:1:1: expected a mapping, got a list\n"},
        {"a: [", "t.yaml:2:1: while parsing a flow node, did not find expected node content\n"},
    };
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_conf c;
        struct conf k;
        sn_test_row("%s", rows[i].in);
        sn_arena_init(&a, NULL, 0);
        sn_buf_reset(&b);
        T_ASSERT(sn_conf_load(&c, &a, "t.yaml", sn_str(rows[i].in), &conf_table, &k) < 0);
        T_OK(sn_conf_report(&c, &b));
        T_CSTR(sn_buf_cz(&b), rows[i].report);
        sn_arena_done(&a);
    }
    sn_buf_done(&b);
}

SN_TEST(config_many_errors_are_counted)
{
    struct sn_arena a;
    struct sn_conf c;
    struct conf k;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "address: a\n");
    for (int i = 0; i < 30; i++) sn_buf_printf(&b, "unknown%d: 1\n", i);
    int r = sn_conf_load(&c, &a, "t", sn_buf_view(&b), &conf_table, &k);
    T_EQ(r, SN_E_INVALID_ARGUMENT);
    T_EQ(c.n_errors, 30);
    T_ASSERT(strstr(sn_diag_str(r), "(and 29 more)"));
    sn_buf_reset(&b);
    T_OK(sn_conf_report(&c, &b));
    T_ASSERT(strstr(sn_buf_cz(&b), "t: 10 more errors\n"));
    sn_buf_done(&b);
    sn_arena_done(&a);
}

SN_TEST(config_text_sets_fields)
{
    struct sn_arena a;
    struct sn_conf c;
    struct conf k;
    sn_arena_init(&a, NULL, 0);
    sn_conf_init(&c, &a, "x");
    T_OK(sn_conf_defaults(&c, &conf_table, &k));
    static const struct {
        unsigned field;
        const char *text, *error;
    } rows[] = {
        {0, "somewhere", NULL}, {0, "8080", NULL}, {2, "443", NULL},
        {2, "x", "expected a whole number, got \"x\""},
        {2, "70000", "expected a whole number from 0 to 2^16 - 1, got 70000"},
        {4, "0.25", NULL}, {4, "1", NULL}, {5, "off", NULL}, {5, "1", NULL},
        {5, "maybe", "expected true or false, got \"maybe\""}, {6, "2MiB", NULL}, {6, "4096", NULL},
        {10, "a,b,c", NULL}, {11, "1,2", NULL}, {11, "1,,2", "expected a whole number, got \"\""},
        {11, "1,2,3,4,5", "expected at most 4 values"}, {9, "x", NULL},
    };
    for (size_t i = 0; i + 1 < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s = %s", conf_fields[rows[i].field].name, rows[i].text);
        int r = sn_conf_set_text(&a, &conf_fields[rows[i].field], sn_str(rows[i].text), &k);
        if (rows[i].error) {
            T_EQ(r, SN_E_INVALID_ARGUMENT);
            T_CSTR(sn_diag_str(r), rows[i].error);
        } else {
            T_ASSERTF(r == 0, "%s", sn_diag_str(r));
        }
    }
    T_STR(k.address, "8080");
    T_EQ(k.port, 443);
    T_EQ(k.body_max, 4096);
    T_EQ(k.n_hosts, 3);
    T_STR(k.hosts[2], "c");
    sn_arena_done(&a);
}

SN_TEST(config_describes_itself)
{
    struct sn_arena a;
    struct sn_buf b;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    T_OK(sn_conf_schema(&conf_table, &b));
    T_OK(sn_json_parse(&a, sn_buf_view(&b), NULL, &v));
    T_STR(sn_json_str(sn_json_path(v, "properties.port.type")), "integer");
    T_EQ(sn_json_i64_or(sn_json_path(v, "properties.port.default"), 0), 8080);
    T_STR(sn_json_str(sn_json_path(v, "required.0")), "address");
    T_STR(sn_json_str(
              sn_json_path(v,
                           "properties.upstreams.additionalProperties.properties.balance.enum.1")),
          "round_robin");
    T_EQ(sn_json_len(sn_json_path(v, "properties.routes.items.allOf.0.oneOf")), 2);
    sn_buf_reset(&b);
    T_OK(sn_conf_reference(&conf_table, &b));
    T_ASSERT(strstr(sn_buf_cz(&b), "| `address` | string | required | Where to listen. |\n"));
    T_ASSERT(
        strstr(sn_buf_cz(&b), "| `routes[].timeout` | duration, 1ms to 1h0m0s | `30s` |  |\n"));
    T_ASSERT(strstr(sn_buf_cz(&b),
                    "| `upstreams.NAME.balance` | one of p2c, round_robin | `p2c` |  |\n"));
    T_ASSERT(strstr(sn_buf_cz(&b), "| `body_max` | size, at least 1KiB | `1MiB` |  |\n"));
    sn_buf_done(&b);
    sn_arena_done(&a);
}

SN_TEST(suggest_nearest)
{
    static const char *const names[] = {"timeout", "connections", "rate", "h2", "path", NULL};
    static const struct { const char *word, *want;
    } rows[] = {
        {"timout", "timeout"},
        {"tiemout", "timeout"},
        {"TIMEOUT", "timeout"},
        {"conections", "connections"},
        {"rat", "rate"},
        {"raet", "rate"},
        {"xyz", NULL},
        {"h3", "h2"},
        {"", NULL},
        {"zz", NULL},
        {"pth", "path"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_suggest s = sn_suggest_begin(sn_str(rows[i].word));
        sn_test_row("%s", rows[i].word);
        for (size_t j = 0; names[j]; j++) sn_suggest_offer(&s, sn_str(names[j]));
        if (rows[i].want) T_STR(s.best, rows[i].want);
        else T_ASSERT(!s.best.ptr);
    }
}
