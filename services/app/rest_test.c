/* SPDX-License-Identifier: Apache-2.0 */
#include "app/rest.h"

#include <stddef.h>

#include "app/daemon.h"
#include "core/torture.h"
#include "fiber/fiber.h"
#include "harness/test.h"
#include "kit/http.h"
#include "services/govern/chain.h"

/* ---- a service, as the generator would write it ---- */

struct item {
    struct sn_str sku;
    int32_t count;
};
struct node {
    int64_t v;
    struct node *next;
};
struct place {
    int64_t id;
    int64_t page;
    struct {
        struct sn_str *ptr;
        size_t len;
    } tags;
    struct sn_str token;
    struct sn_str kind;
    struct {
        struct item *ptr;
        size_t len;
    } items;
    struct {
        struct place_labels_entry {
            struct sn_str key;
            int64_t value;
        } * ptr;
        size_t len;
    } labels;
    struct node *node;
    const struct sn_json *any;
    struct sn_str raw;
    double ratio;
    uint8_t small;
    bool flag;
    uint64_t big;
};
static const struct sn_rest_field item_fields[] = {
    {.name = "sku", .type = SN_REST_T(STRING), .offset = offsetof(struct item, sku)},
    {.name = "count",
     .type = SN_REST_T(INT, 4),
     .offset = offsetof(struct item, count),
     .has_min = true,
     .min = 1,
     .has_max = true,
     .max = 10,
     .max_open = true},
};
static const struct sn_rest_struct item_desc = {.name = "Item",
                                                .size = sizeof(struct item),
                                                .fields = item_fields,
                                                .n_fields = 2};
static const struct sn_rest_struct node_desc;
static const struct sn_rest_field node_fields[] = {
    {.name = "v", .type = SN_REST_T(INT, 8), .offset = offsetof(struct node, v)},
    {.name = "next",
     .type = SN_REST_T(POINTER, .elem = SN_REST_T(STRUCT, .st = &node_desc)),
     .offset = offsetof(struct node, next),
     .optional = true},
};
static const struct sn_rest_struct node_desc = {.name = "Node",
                                                .size = sizeof(struct node),
                                                .fields = node_fields,
                                                .n_fields = 2};
#define AT(m) .offset = offsetof(struct place, m)
static const struct sn_rest_field place_fields[] = {
    {.name = "id", .type = SN_REST_T(INT, 8), AT(id), .where = SN_REST_IN_PATH},
    {.name = "page", .type = SN_REST_T(INT, 8), AT(page), .where = SN_REST_IN_FORM, .def = "7"},
    {.name = "tag",
     .type = SN_REST_T(LIST, .elem = SN_REST_T(STRING)),
     AT(tags),
     .where = SN_REST_IN_FORM,
     .optional = true},
    {.name = "X-Token",
     .type = SN_REST_T(STRING),
     AT(token),
     .where = SN_REST_IN_HEADER,
     .optional = true},
    {.name = "kind",
     .type = SN_REST_T(STRING),
     AT(kind),
     .def = "plain",
     .options = (const char *const[]){"plain", "gift", NULL}},
    {.name = "items",
     .type = SN_REST_T(LIST, .elem = SN_REST_T(STRUCT, .st = &item_desc)),
     AT(items)},
    {.name = "labels",
     .type = SN_REST_T(MAP, .elem = SN_REST_T(INT, 8)),
     AT(labels),
     .optional = true},
    {.name = "node",
     .type = SN_REST_T(POINTER, .elem = SN_REST_T(STRUCT, .st = &node_desc)),
     AT(node),
     .optional = true},
    {.name = "any", .type = SN_REST_T(ANY), AT(any), .optional = true},
    {.name = "raw", .type = SN_REST_T(BYTES), AT(raw), .optional = true},
    {.name = "ratio", .type = SN_REST_T(FLOAT, 8), AT(ratio), .optional = true},
    {.name = "small", .type = SN_REST_T(UINT, 1), AT(small), .optional = true},
    {.name = "flag", .type = SN_REST_T(BOOL), AT(flag), .optional = true},
    {.name = "big", .type = SN_REST_T(UINT, 8), AT(big), .optional = true, .as_string = true},
};
static const struct sn_rest_struct place_desc = {.name = "Place",
                                                 .size = sizeof(struct place),
                                                 .fields = place_fields,
                                                 .n_fields = SN_COUNT_OF(place_fields)};
static const struct sn_rest_type place_type = {.kind = SN_REST_STRUCT, .st = &place_desc};
static const struct sn_rest_method place_method = {.name = "PUT /v1/place/:id",
                                                   .method = "PUT",
                                                   .path = "/v1/place/:id",
                                                   .req = &place_desc,
                                                   .resp = &place_type};

static int decode(struct sn_arena *a, const char *json, const char *query, struct place *ret)
{
    struct sn_rest_param id = {SN_STR("id"), SN_STR("5")};
    struct sn_rest_input in = {.query = sn_str(query), .params = &id, .n_params = 1};
    int r = json ? sn_json_parse(a, sn_str(json), NULL, &in.body) : 0;
    return r < 0 ? r : sn_rest_decode(&place_desc, &in, a, ret);
}

SN_TEST(rest_decodes_every_source)
{
    struct sn_arena a;
    struct place p;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    int r = decode(&a,
                   "{\"items\":[{\"sku\":\"pen\",\"count\":9}],\"labels\":{\"x\":1,\"y\":-2},"
                   "\"node\":{\"v\":1,"
                   "\"next\":{\"v\":2}},\"any\":[1,{}],\"raw\":\"aGk=\",\"ratio\":2,\"small\":255,"
                   "\"flag\":true,"
                   "\"big\":\"18446744073709551615\",\"unknown\":1}",
                   "tag=a%20b&tag=c&page=&x", &p);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_EQ(p.id, 5);
    T_EQ(p.page, 7); /* "page=" is as good as nothing */
    T_EQ(p.tags.len, 2);
    T_STR(p.tags.ptr[0], "a b");
    T_STR(p.kind, "plain");
    T_EQ(p.items.ptr[0].count, 9);
    T_EQ(p.labels.ptr[1].value, -2);
    T_EQ(p.node->next->v, 2);
    T_STR(p.raw, "hi");
    T_EQ(p.small, 255);
    T_ASSERT(p.big == UINT64_MAX && p.flag && !p.token.ptr);
    sn_buf_init(&b, 0);
    T_OK(sn_rest_to_json(&place_type, &p, &b));
    T_STR(sn_buf_view(&b),
          "{\"kind\":\"plain\",\"items\":[{\"sku\":\"pen\",\"count\":9}],\"labels\":{\"x\":1,\"y\":"
          "-2},"
          "\"node\":{\"v\":1,\"next\":{\"v\":2}},\"any\":[1,{}],\"raw\":\"aGk=\",\"ratio\":2.0,"
          "\"small\":255,\"flag\":true,\"big\":\"18446744073709551615\"}");
    sn_buf_done(&b);
    sn_arena_done(&a);
}
SN_TEST(rest_refuses_with_the_field_and_what_was_expected)
{
#define OK_ITEMS "\"items\":[]"
    static const struct {
        const char *json, *query, *says;
    } rows[] = {
        {NULL, "", "items: is missing: expected a list"},
        {"{}", "", "items: is missing: expected a list"},
        {"{\"items\":null}", "", "items: is missing"},
        {"[]", "", "the body is no JSON object"},
        {"{\"items\":{}}", "", "items: expected a list, got a object"},
        {"{\"items\":[{\"sku\":\"a\"}]}", "",
         "items[0].count: is missing: expected an integer of 32 bits"},
        {"{\"items\":[{\"sku\":1,\"count\":1}]}", "", "items[0].sku: expected a text, got 1"},
        {"{\"items\":[{\"sku\":\"a\",\"count\":10}]}", "",
         "items[0].count: expected a number in [1:10), got 10"},
        {"{\"items\":[{\"sku\":\"a\",\"count\":0}]}", "",
         "items[0].count: expected a number in [1:10), got 0"},
        {"{\"items\":[{\"sku\":\"a\",\"count\":3000000000}]}", "",
         "items[0].count: expected an integer of 32 bits"},
        {"{\"items\":[{\"sku\":\"a\",\"count\":1.5}]}", "", "items[0].count: expected an integer"},
        {"{" OK_ITEMS ",\"kind\":\"odd\"}", "", "kind: expected one of plain, gift"},
        {"{" OK_ITEMS ",\"small\":256}", "", "small: expected an integer from 0 to 255, got 256"},
        {"{" OK_ITEMS ",\"small\":-1}", "", "small: expected an integer from 0 to 255, got -1"},
        {"{" OK_ITEMS ",\"raw\":\"*\"}", "", "raw: expected text in base64"},
        {"{" OK_ITEMS ",\"flag\":\"yes\"}", "", "flag: expected true or false, got \"yes\""},
        {"{" OK_ITEMS ",\"big\":\"1x\"}", "", "big: expected an integer that is not negative"},
        {"{" OK_ITEMS ",\"labels\":{\"k\":\"v\"}}", "",
         "labels[\"k\"]: expected an integer, got \"v\""},
        {"{" OK_ITEMS ",\"node\":{}}", "", "node.v: is missing"},
        {"{" OK_ITEMS "}", "page=x", "page: expected an integer, got \"x\""},
        {"{" OK_ITEMS "}", "tag=%zz", "the query has a % without two hex digits"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct place p;
        sn_test_row("%s ? %s", rows[i].json ? rows[i].json : "none", rows[i].query);
        sn_arena_init(&a, NULL, 0);
        int r = decode(&a, rows[i].json, rows[i].query, &p);
        T_EQ(r, SN_E_INVALID_ARGUMENT);
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].says), "\"%s\"", sn_diag_str(r));
        sn_arena_done(&a);
    }
}
SN_TEST(rest_bounds_depth_and_forms)
{
    struct sn_arena a;
    struct sn_buf b;
    struct place p;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "{\"items\":[],\"node\":");
    for (int i = 0; i < 100; i++) sn_buf_cstr(&b, "{\"v\":1,\"next\":");
    sn_buf_cstr(&b, "null");
    for (int i = 0; i < 101; i++) sn_buf_cstr(&b, "}");
    T_EQ(decode(&a, sn_buf_cz(&b), "", &p), SN_E_DEPTH);
    sn_buf_reset(&b);
    for (int i = 0; i < 513; i++) sn_buf_cstr(&b, "a=1&");
    T_EQ(decode(&a, "{\"items\":[]}", sn_buf_cz(&b), &p), SN_E_TOO_LARGE);
    sn_buf_done(&b);
    sn_arena_done(&a);
}
SN_TEST(rest_samples_pass_their_own_rules)
{
    struct sn_arena a;
    struct sn_rest_request q;
    struct place p, back;
    struct sn_rest_param params[SN_REST_PARAMS_MAX];
    struct sn_rest_input in = {.params = params};
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_rest_sample(&place_desc, &a, 0, &p));
    T_OK(sn_rest_request(&place_method, &p, &a, &q));
    T_STR(q.target, "/v1/place/1?page=7&tag=sample");
    T_STR(q.headers.ptr[0].name, "X-Token");
    in.headers = &q.headers;
    in.query = SN_STR("page=7&tag=sample");
    T_EQ(sn_rest_match(place_method.path, SN_STR("/v1/place/1"), &a, params, &in.n_params), 1);
    T_OK(sn_json_parse(&a, q.body, NULL, &in.body));
    int r = sn_rest_decode(&place_desc, &in, &a, &back);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_EQ(back.items.ptr[0].count, p.items.ptr[0].count);
    sn_arena_done(&a);
}
SN_TEST(rest_matches_patterns)
{
    static const struct {
        const char *pattern, *path;
        int want;
        const char *first;
    } rows[] = {{"/a/:x", "/a/b", 1, "b"},  {"/a/:x", "/a/b%2Fc", 1, "b/c"},
                {"/a/:x", "/a/", 0, ""},    {"/a/:x", "/a/b/", 1, "b"},
                {"/a/:x", "/a/b/c", 0, ""}, {"/a/:x", "/a/%zz", 0, ""},
                {"/", "/", 1, ""},          {"/a", "/a/", 1, ""},
                {"/a/b", "/a", 0, ""}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_rest_param p[SN_REST_PARAMS_MAX] = {0};
        unsigned n = 0;
        sn_test_row("%s %s", rows[i].pattern, rows[i].path);
        sn_arena_init(&a, NULL, 0);
        T_EQ(sn_rest_match(rows[i].pattern, sn_str(rows[i].path), &a, p, &n), rows[i].want);
        if (rows[i].want) T_STR(p[0].value, rows[i].first);
        sn_arena_done(&a);
    }
}
static int torture_body(void *arg)
{
    struct sn_arena a;
    struct place p;
    struct sn_rest_request q;
    sn_arena_init(&a, NULL, 0);
    int r = decode(&a, "{\"items\":[{\"sku\":\"pen\",\"count\":9}],\"labels\":{\"x\":1}}",
                   "tag=a&tag=b", &p);
    if (r == 0) r = sn_rest_request(&place_method, &p, &a, &q);
    sn_arena_done(&a);
    return r;
}
SN_TEST(rest_torture)
{
    int r = sn_torture(torture_body, NULL);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
}

/* ---- as a process ---- */

static int answer(struct sn_rest_call *call, const void *req, void *resp)
{
    const struct place *p = req;
    struct place *out = resp;
    if (p->id == 404) return sn_rest_fail(call, SN_E_NOT_FOUND, "no place %lld", (long long)p->id);
    if (p->id == 500) return sn_fail(SN_E_INTERNAL, "a secret");
    if (p->id == 13) sn_panic("on purpose");
    *out = *p;
    return 0;
}
static int stamp(struct sn_rest_call *call)
{
    int r = sn_http_header_add(call->x, SN_STR("x-stamp"), SN_STR("1"));
    return r < 0 ? r : sn_rest_next(call);
}
static int refuse(struct sn_rest_call *call)
{
    return sn_rest_fail(call, SN_E_PERMISSION_DENIED, "not today");
}
static int bare(struct sn_rest_call *call, const void *req, void *resp) { return 0; }
static const struct sn_rest_method bare_method = {.name = "GET /v1/bare",
                                                  .method = "GET",
                                                  .path = "/v1/bare"};
static const struct sn_rest_method shut_method = {.name = "GET /v1/shut",
                                                  .method = "GET",
                                                  .path = "/v1/shut"};
static const struct sn_rest_route routes[] = {
    {.m = &place_method, .serve = answer, .around = (const sn_rest_around[]){stamp, NULL}},
    {.m = &bare_method, .serve = bare},
    {.m = &shut_method,
     .serve = bare,
     .around = (const sn_rest_around[]){stamp, refuse, NULL},
     .jwt = "Auth"},
};
struct conf {
    struct sn_daemon_conf base;
};
static const struct sn_conf_field fields[] = {SN_DAEMON_FIELDS(struct conf, base)};
static const struct sn_conf_table table = SN_CONF_TABLE(struct conf, fields);
static const struct sn_daemon_app app = {.name = "rest_test",
                                         .version = "1",
                                         .table = &table,
                                         .routes = routes,
                                         .n_routes = SN_COUNT_OF(routes)};

static void expect(struct sn_daemon *d, const char *method, const char *target, const char *body,
                   int status, const char *says)
{
    struct sn_http_resp *resp;
    struct sn_str text;
    char url[200];
    static const struct sn_http_header json = {SN_STR_INIT("content-type"),
                                               SN_STR_INIT("application/json")};
    sn_test_row("%s %s %s", method, target, body ? body : "");
    snprintf(url, sizeof url, "http://%s%s", d->addr, target);
    struct sn_http_call call = {.method = sn_str(method),
                                .url = sn_str(url),
                                .body = sn_str(body),
                                .headers = &json,
                                .n_headers = body ? 1 : 0};
    T_OK(sn_http_do(d->http, &call, &resp));
    T_OK(sn_http_resp_all(resp, 1 << 20, &text));
    T_ASSERTF(resp->status == status && sn_str_find(text, sn_str(says)) >= 0, "status %d, \"%.*s\"",
              resp->status, SN_STR_ARG(text));
    if (strstr(target, "/place/") && status != 405 && !strstr(target, "/13"))
        T_STR(sn_http_headers_get(&resp->headers, SN_STR("x-stamp")), "1");
    sn_http_resp_close(resp);
}
static int ask(struct sn_daemon *d, void *arg)
{
    static const char good[] = "{\"items\":[{\"sku\":\"pen\",\"count\":9}]}";
    struct sn_rest_client *c;
    struct sn_arena a;
    struct place p, back;
    expect(d, "PUT", "/v1/place/5", good, 200, "\"sku\":\"pen\"");
    expect(d, "PUT", "/v1/place/5", "{", 400, "{\"code\":3,\"message\":\"body: 1:2: ");
    expect(d, "PUT", "/v1/place/5", "{\"items\":[],\"items\":[]}", 400, "body: ");
    expect(d, "PUT", "/v1/place/5", "{}", 400,
           "{\"code\":3,\"message\":\"items: is missing: expected a list\"}");
    expect(d, "PUT", "/v1/place/x", good, 400, "id: expected an integer, got \\\"x\\\"");
    expect(d, "PUT", "/v1/place/404", good, 404, "{\"code\":5,\"message\":\"no place 404\"}");
    expect(d, "PUT", "/v1/place/500", good, 500,
           "{\"code\":13,\"message\":\"INTERNAL\"}"); /* no secret */
    expect(d, "PUT", "/v1/place/13", good, 500, "");
    expect(d, "PATCH", "/v1/place/5", NULL, 405, "other methods");
    expect(d, "GET", "/v1/none", NULL, 404, "no such path");
    expect(d, "GET", "/v1/bare", NULL, 200, "");
    expect(d, "GET", "/v1/shut", NULL, 401, "");
    expect(d, "GET", "/healthz", NULL, 200, "ok");
    expect(d, "GET", "/readyz", NULL, 200, "");
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_rest_client_new(&(struct sn_rest_client_opts){.service = "self",
                                                          .targets = sn_str(d->addr)},
                            &c));
    T_OK(sn_rest_sample(&place_desc, &a, 0, &p));
    int r = sn_rest_client_call(c, &place_method, &p, &a, &back);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_STR(back.items.ptr[0].sku, "sample");
    p.id = 404;
    T_EQ(sn_rest_client_call(c, &place_method, &p, &a, &back), SN_E_NOT_FOUND);
    T_ASSERT(strstr(sn_diag_str(SN_E_NOT_FOUND), "no place 404"));
    sn_rest_client_free(c);
    sn_arena_done(&a);
    sn_daemon_stop(d);
    return 0;
}
static int serve(void *arg)
{
    static struct sn_daemon_jwt jwt = {.name = SN_STR_INIT("Auth"),
                                       .secret = SN_STR_INIT("0123456789abcdef0123456789abcdef")};
    struct sn_arena a;
    struct sn_conf c;
    struct conf conf;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_conf_load(&c, &a, "none", (struct sn_str){0}, &table, &conf));
    conf.base.listen = SN_STR("127.0.0.1:0");
    conf.base.settle = 0;
    conf.base.shed = conf.base.breaker = false;
    if (arg) {
        conf.base.jwt = &jwt;
        conf.base.n_jwt = 1;
    }
    int r = sn_daemon_run(&app, &conf, ask, NULL);
    if (arg)
        T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    else
        T_ASSERTF(r == SN_E_NOT_FOUND && strstr(sn_diag_str(r), "expected jwt.Auth"), "%s",
                  sn_diag_str(r));
    sn_arena_done(&a);
    return 0;
}
SN_TEST(rest_serves_and_drains)
{
    sn_test_allow_live("heap blocks"); /* metrics live as long as the process */
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, serve, (void *)1));
}
SN_TEST(rest_start_fails_without_its_keys)
{
    sn_test_allow_live("heap blocks");
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, serve, NULL));
}
