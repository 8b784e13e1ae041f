/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_web_test.c - the other protocols of a gRPC server's port: gRPC-Web, Connect, REST, CORS. Bytes
 * are written by hand, as the specifications show them. */
#include "core/enc.h"
#include "kit/grpc_env_test.h"
#include "tests/harness/test.h"

struct row { /* a request and what its answer must be */
    const char *what, *method, *path, *type, *body;
    size_t body_len; /* 0 = a string */
    int status;
    const char *ret_type, *ret; /* a piece of the body; NULL: not looked at */
    const char *header, *value; /* one more of the request */
};

static void run_rows(struct grpc_env *e, const struct row *rows, size_t n, bool h2)
{
    struct sn_http_client *cl;
    struct sn_http_client_opts co = {.h2_prior_knowledge = h2};
    T_OK(sn_http_client_new(&co, &cl));
    for (size_t i = 0; i < n; i++) {
        const struct row *w = &rows[i];
        sn_test_row("%s (%s)", w->what, h2 ? "h2" : "1.1");
        struct sn_str url = sn_arena_printf(&e->a, "http://%s%s", e->addr, w->path);
        struct sn_http_header h[3] = {{SN_STR("content-type"), sn_str(w->type)},
                                      {SN_STR("origin"), SN_STR("http://page.example")},
                                      {sn_str(w->header), sn_str(w->value)}};
        struct sn_http_call call = {.method = sn_str(w->method), .url = url, .headers = h,
                                    .n_headers = w->header ? 3 : 2,
                                    .body = sn_str_of(w->body, w->body_len ? w->body_len
                                                      : w->body            ? strlen(w->body)
                                                                           : 0)};
        struct sn_http_resp *resp;
        struct sn_str body;
        T_OK(sn_http_do(cl, &call, &resp));
        T_OK(sn_http_resp_all(resp, 1 << 20, &body));
        T_ASSERTF(resp->status == w->status, "status %d, expected %d: %.*s", resp->status, w->status,
                  SN_STR_ARG(body));
        struct sn_str type = sn_http_headers_get(&resp->headers, SN_STR("content-type"));
        if (w->ret_type) T_STR(type, w->ret_type);
        T_ASSERTF(!w->ret || sn_str_find(body, sn_str(w->ret)) >= 0, "body is %.*s, expected %s",
                  SN_STR_ARG(body), w->ret);
        sn_http_resp_close(resp);
    }
    sn_http_client_free(cl);
}

#define ECHO "/sennit.grpctest.Echo/"

static const struct row rest_rows[] = {
    {"path variable and query", "GET", "/v1/echo/a%20b?n=4&inner.name=x%2By&inner.big=9007199254740993",
     "", NULL, 0, 200, "application/json",
     "{\"text\":\"a b\",\"n\":5,\"inner\":{\"name\":\"x+y\",\"big\":\"9007199254740993\"}}"},
    {"whole body", "POST", "/v1/echo", "application/json", "{\"text\":\"t\",\"n\":1}", 0, 200,
     "application/json", "{\"text\":\"t\",\"n\":2}"},
    {"part of the body, part of the answer", "PUT", "/v1/rooms/7/inner?n=3", "application/json",
     "{\"name\":\"in\"}", 0, 200, "application/json", "{\"name\":\"in\"}"},
    {"rest of the path and a verb", "GET", "/v1/deep/a/b%2Fc/d:verb?list=1&list=2&text=z", "", NULL, 0,
     200, NULL, "{\"text\":\"z\",\"n\":1,\"inner\":{\"name\":\"a/b/c/d\"}}"},
    {"stream as lines", "GET", "/v1/down?n=3&text=s", "", NULL, 0, 200, "application/x-ndjson",
     "{\"result\":{\"text\":\"s\"}}\n{\"result\":{\"text\":\"s\",\"n\":1}}\n"},
    {"stream that fails", "GET", "/v1/down?n=1&code=5&text=gone", "", NULL, 0, 200, NULL,
     "{\"error\":{\"code\":5,\"message\":\"gone\"}}\n"},
    {"the body is a stream's only request", "POST", "/v1/both", "application/json",
     "{\"text\":\"b\",\"n\":6}", 0, 200, "application/x-ndjson", "{\"result\":{\"text\":\"b\",\"n\":7}}\n"},
    {"and one answer to it", "POST", "/v1/up", "application/json", "{\"text\":\"u\",\"n\":3}", 0, 200,
     "application/json", "\"n\":3"},
    {"failure", "GET", "/v1/echo/nope?code=5", "", NULL, 0, 404, "application/json",
     "{\"code\":5,\"message\":\"nope\"}"},
    {"unknown parameter", "GET", "/v1/echo/x?bogus=1", "", NULL, 0, 400, "application/json", "bogus"},
    {"bad number", "GET", "/v1/echo/x?n=abc", "", NULL, 0, 400, NULL, "\\\"n\\\""},
    {"one field twice", "GET", "/v1/echo/x?n=1&n=2", "", NULL, 0, 400, NULL, NULL},
    {"not JSON", "POST", "/v1/echo", "application/json", "{", 0, 400, NULL, "\"code\":3"},
    {"no such route", "GET", "/v1/none/x", "", NULL, 0, 404, NULL, NULL},
    {"method of another route", "DELETE", "/v1/echo", "", NULL, 0, 404, NULL, NULL},
};

static const struct row connect_rows[] = {
    {"JSON", "POST", ECHO "Unary", "application/json", "{\"text\":\"hi\",\"n\":41}", 0, 200,
     "application/json", "{\"text\":\"hi\",\"n\":42}", "connect-protocol-version", "1"},
    {"binary", "POST", ECHO "Unary", "application/proto", "\x0a\x02hi\x10\x29", 6, 200,
     "application/proto", "\x0a\x02hi\x10\x2a"},
    {"empty JSON", "POST", ECHO "Unary", "application/json", "{}", 0, 200, NULL, "{\"n\":1}"},
    {"empty body is an empty message", "POST", ECHO "Unary", "application/proto", NULL, 0, 200, NULL,
     "\x10\x01"},
    {"failure", "POST", ECHO "Unary", "application/json",
     "{\"code\":8,\"text\":\"busy\",\"n\":1}", 0, 429, "application/json",
     "{\"code\":\"resource_exhausted\",\"message\":\"busy\",\"details\":[{\"type\":\"sennit.grpctest."
     "Ask\",\"value\":\"CgRidXN5EAEgCA\"}]}"},
    {"bad JSON", "POST", ECHO "Unary", "application/json", "{\"nope\":1}", 0, 400, NULL,
     "\"code\":\"invalid_argument\""},
    {"bad timeout", "POST", ECHO "Unary", "application/json", "{}", 0, 400, NULL, "Timeout",
     "connect-timeout-ms", "12345678901"},
    {"timeout", "POST", ECHO "Unary", "application/json", "{\"sleepMs\":60000}", 0, 504, NULL,
     "\"code\":\"deadline_exceeded\"", "connect-timeout-ms", "20"},
    {"unknown encoding", "POST", ECHO "Unary", "application/json", "{}", 0, 501, NULL, "unimplemented",
     "content-encoding", "br"},
    {"unary type on a stream", "POST", ECHO "Down", "application/json", "{}", 0, 501, NULL, NULL},
    {"stream", "POST", ECHO "Down", "application/connect+json", "\0\0\0\0\x07{\"n\":2}", 12, 200,
     "application/connect+json", "{\"n\":1}\x02"},
    {"stream that fails", "POST", ECHO "Down", "application/connect+json",
     "\0\0\0\0\x12{\"n\":1, \"code\": 5}", 23, 200, NULL, "{\"error\":{\"code\":\"not_found\",\"details\":"},
    {"no such method", "POST", ECHO "Nope", "application/connect+json", "\0\0\0\0\2{}", 7, 200, NULL,
     "unimplemented"},
};

static const struct row web_rows[] = {
    {"binary", "POST", ECHO "Unary", "application/grpc-web+proto", "\0\0\0\0\x06\x0a\x02hi\x10\x29", 11,
     200, "application/grpc-web+proto", "grpc-status: 0\r\n"},
    {"text", "POST", ECHO "Unary", "application/grpc-web-text", "AAAAAAYKAmhpECk=", 0, 200,
     "application/grpc-web-text+proto", "AAAAAAYKAmhpECqAAAAAEGdycGMtc3RhdHVzOiAwDQo="},
    {"text in two pieces", "POST", ECHO "Unary", "application/grpc-web-text", "AAAAAAY=CgJoaRAp", 0, 200,
     NULL, "AAAAAAYKAmhpECqAAAAAEGdycGMtc3RhdHVzOiAwDQo="},
    {"failure", "POST", ECHO "Unary", "application/grpc-web", "\0\0\0\0\x02\x20\x05", 7, 200, NULL,
     "grpc-status: 5\r\n"},
    {"text that is none", "POST", ECHO "Unary", "application/grpc-web-text", "????", 0, 200, NULL, NULL},
};

static const struct row other_rows[] = {
    {"GET of what is no GET", "GET", ECHO "Unary", "", NULL, 0, 405, NULL, NULL},
    {"type of nobody", "POST", ECHO "Unary", "text/plain", "x", 0, 415, NULL, NULL},
    {"nothing", "GET", "/", "", NULL, 0, 404, NULL, NULL},
};

static int web_body(struct grpc_env *e)
{
    for (int h2 = 0; h2 < 2; h2++) {
        run_rows(e, rest_rows, SN_COUNT_OF(rest_rows), h2);
        run_rows(e, connect_rows, SN_COUNT_OF(connect_rows), h2);
        run_rows(e, web_rows, SN_COUNT_OF(web_rows), h2);
        run_rows(e, other_rows, SN_COUNT_OF(other_rows), h2);
    }
    return 0;
}
SN_TEST(grpc_other_protocols)
{
    static const struct sn_str origins[] = {SN_STR_INIT("http://page.example")};
    struct grpc_env e = {.body = web_body, .rt = {.workers = 1}, .no_channel = true,
                         .gso = {.cors_origins = origins, .n_cors_origins = 1}};
    grpc_env_run(&e);
}

static const struct row names_rows[] = {
    {"a name of the .proto", "POST", "/v1/named", "application/json", "{\"sleepMs\":1,\"n\":2}", 0, 200,
     "application/json", "\"sleep_ms\":1"},
};

/* The answer of a method that gives back its request, so that a name of two words is seen. */
static int names_body(struct grpc_env *e)
{
    run_rows(e, names_rows, SN_COUNT_OF(names_rows), false);
    return 0;
}
SN_TEST(grpc_rest_with_original_names)
{
    struct grpc_env e = {.body = names_body, .rt = {.workers = 1}, .no_channel = true,
                         .gso = {.json_original_names = true}};
    grpc_env_run(&e);
}

static int cors_body(struct grpc_env *e)
{
    struct sn_http_client *cl;
    struct sn_http_resp *resp;
    T_OK(sn_http_client_new(NULL, &cl));
    struct sn_str url = sn_arena_printf(&e->a, "http://%s" ECHO "Unary", e->addr);
    for (int ok = 0; ok < 2; ok++) {
        struct sn_http_header h[] = {
            {SN_STR("origin"), ok ? SN_STR("http://page.example") : SN_STR("http://evil.example")},
            {SN_STR("access-control-request-method"), SN_STR("POST")},
            {SN_STR("access-control-request-headers"), SN_STR("x-grpc-web,content-type")}};
        struct sn_http_call call = {.method = SN_STR("OPTIONS"), .url = url, .headers = h,
                                    .n_headers = 3};
        T_OK(sn_http_do(cl, &call, &resp));
        T_EQ(resp->status, ok ? 204 : 405);
        struct sn_str allow =
            sn_http_headers_get(&resp->headers, SN_STR("access-control-allow-origin"));
        T_EQ(allow.ptr != NULL, ok);
        sn_http_resp_close(resp);
    }
    sn_http_client_free(cl);
    return 0;
}
SN_TEST(grpc_cors)
{
    static const struct sn_str origins[] = {SN_STR_INIT("http://page.example")};
    struct grpc_env e = {.body = cors_body, .rt = {.workers = 1}, .no_channel = true,
                         .gso = {.cors_origins = origins, .n_cors_origins = 1}};
    grpc_env_run(&e);
}
