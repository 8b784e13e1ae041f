/* SPDX-License-Identifier: Apache-2.0 */
/* wire/h1_test.c - the head parser and chunked decoder, in tables: what is read, what is refused
 * and why, and that it does not matter how the bytes were cut. */
#include "wire/h1.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"
#include "tests/harness/test.h"

/* A copy of exactly n bytes, so that ASan sees a read past them. */
static char *exact(const char *s, size_t n)
{
    char *p = malloc(n ? n : 1);
    T_ASSERT(p);
    memcpy(p, s, n);
    return p;
}

static ssize_t parse_whole(struct sn_h1 *h, struct sn_arena *a, const struct sn_h1_opts *o,
                           const char *s, size_t n)
{
    sn_h1_init(h, o, a);
    return sn_h1_parse(h, s, n);
}

SN_TEST(h1_simple_request)
{
    const char *s =
        "GET /a/b?x=1 HTTP/1.1\r\nHost: example.org:80\r\nX-Y:  v w \t\r\nEmpty:\r\n\r\nrest";
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_h1 h;
    ssize_t n = parse_whole(&h, &a, NULL, s, strlen(s));
    T_EQ(n, strlen(s) - 4);
    T_EQ(h.method, SN_HTTP_GET);
    T_EQ(h.version, 11);
    T_STR(h.target, "/a/b?x=1");
    T_STR(h.path, "/a/b");
    T_STR(h.query, "x=1");
    T_STR(h.authority, "example.org:80");
    T_EQ(h.headers.len, 3);
    T_STR(h.headers.ptr[1].value, "v w");
    T_STR(h.headers.ptr[2].value, "");
    T_STR(sn_http_headers_get(&h.headers, SN_STR("x-y")), "v w");
    T_ASSERT(h.keep_alive);
    T_EQ(h.body, SN_H1_BODY_NONE);
    T_EQ(h.content_length, 0);
    sn_arena_done(&a);
}

struct bad_row {
    const char *text;
    enum sn_h1_err err;
};
#define HOST "Host: a\r\n"
static const struct bad_row bad_requests[] = {
    /* two readings of where the body ends */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     SN_H1_ERR_LENGTH_AND_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
     SN_H1_ERR_LENGTH_AND_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
     SN_H1_ERR_LENGTH_REPEATED},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
     SN_H1_ERR_LENGTH_REPEATED},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\n", SN_H1_ERR_LENGTH},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n", SN_H1_ERR_LENGTH},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\n", SN_H1_ERR_LENGTH},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\n", SN_H1_ERR_LENGTH},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3 3\r\n\r\n", SN_H1_ERR_LENGTH},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", SN_H1_ERR_LENGTH},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999\r\n\r\n", SN_H1_ERR_LENGTH},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 00000000000000000003\r\n\r\n", SN_H1_ERR_LENGTH},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     SN_H1_ERR_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", SN_H1_ERR_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n", SN_H1_ERR_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", SN_H1_ERR_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", SN_H1_ERR_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", SN_H1_ERR_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \vchunked\r\n\r\n", SN_H1_ERR_VALUE},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", SN_H1_ERR_CODING},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
     SN_H1_ERR_CODING_UNKNOWN},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", SN_H1_ERR_CODING_OLD},
    /* lines */
    {"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", SN_H1_ERR_FOLD},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", SN_H1_ERR_FOLD},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", SN_H1_ERR_SPACE_BEFORE_COLON},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", SN_H1_ERR_SPACE_BEFORE_COLON},
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", SN_H1_ERR_LINE_END},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", SN_H1_ERR_LINE_END},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n", SN_H1_ERR_LINE_END},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", SN_H1_ERR_LINE_END},
    {"GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n", SN_H1_ERR_LINE_END},
    {"GET / HTTP/1.1\r\n: a\r\n\r\n", SN_H1_ERR_NAME},
    {"GET / HTTP/1.1\r\nno colon\r\n\r\n", SN_H1_ERR_SPACE_BEFORE_COLON},
    {"GET / HTTP/1.1\r\nb@d: a\r\n\r\n", SN_H1_ERR_NAME},
    {"GET / HTTP/1.1\r\nb\xc3\xa4: a\r\n\r\n", SN_H1_ERR_NAME},
    {"GET / HTTP/1.1\r\nX: a\x01z\r\n\r\n", SN_H1_ERR_VALUE},
    {"GET / HTTP/1.1\r\nX: a\x7fz\r\n\r\n", SN_H1_ERR_VALUE},
    /* start line */
    {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_METHOD},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_METHOD},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n", SN_H1_ERR_METHOD},
    {"\x16\x03\x01\x02\x00", SN_H1_ERR_METHOD},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_VERSION},
    {"GET /\r\n\r\n", SN_H1_ERR_VERSION},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", SN_H1_ERR_VERSION},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_VERSION},
    {"GET / HTTP/1,1\r\nHost: a\r\n\r\n", SN_H1_ERR_VERSION},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", SN_H1_ERR_VERSION_UNSUPPORTED},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", SN_H1_ERR_VERSION_UNSUPPORTED},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", SN_H1_ERR_VERSION_UNSUPPORTED},
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    {"GET /\ta HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_HOST},
    {"GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_HOST},
    {"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    {"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", SN_H1_ERR_TARGET},
    /* host */
    {"GET / HTTP/1.1\r\n\r\n", SN_H1_ERR_HOST_MISSING},
    {"GET http://a/ HTTP/1.1\r\n\r\n", SN_H1_ERR_HOST_MISSING},
    {"GET / HTTP/1.1\r\nHost: a\r\nhOsT: a\r\n\r\n", SN_H1_ERR_HOST_REPEATED},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", SN_H1_ERR_HOST},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", SN_H1_ERR_HOST},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", SN_H1_ERR_HOST},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", SN_H1_ERR_HOST},
    {"GET / HTTP/1.1\r\nHost: a, b:80:90\r\n\r\n", SN_H1_ERR_HOST},
    {"GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", SN_H1_ERR_HOST},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", SN_H1_ERR_HOST},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", SN_H1_ERR_EXPECT},
};

SN_TEST(h1_refused_requests)
{
    for (size_t i = 0; i < SN_COUNT_OF(bad_requests); i++) {
        const struct bad_row *r = &bad_requests[i];
        sn_test_row("%zu: %.60s", i, r->text);
        size_t n = strlen(r->text);
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_h1 h;
        char *text = exact(r->text, n);
        ssize_t got = parse_whole(&h, &a, NULL, text, n);
        T_ASSERTF(got < 0 && got != SN_E_AGAIN, "accepted (%zd)", got);
        T_ASSERTF(h.err == r->err, "refused for \"%s\", expected \"%s\"", sn_h1_err_text(h.err),
                  sn_h1_err_text(r->err));
        T_ASSERT(sn_h1_err_status(h.err) >= 400);
        /* Byte by byte it is refused as well, with the same reason. */
        sn_h1_init(&h, NULL, &a);
        ssize_t r2 = SN_E_AGAIN;
        for (size_t k = 1; k <= n && r2 == SN_E_AGAIN; k++) r2 = sn_h1_parse(&h, text, k);
        T_EQ(h.err, r->err);
        free(text);
        sn_arena_done(&a);
    }
}

SN_TEST(h1_nul_is_refused_everywhere)
{
    static const char base[] = "GET /a?b HTTP/1.1\r\nHost: abc\r\nX-Long-Name: some value\r\n\r\n";
    for (size_t i = 0; i < sizeof(base) - 1; i++) {
        char s[sizeof(base)];
        memcpy(s, base, sizeof(base));
        s[i] = 0;
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_h1 h;
        ssize_t n = parse_whole(&h, &a, NULL, s, sizeof(base) - 1);
        T_ASSERTF(n < 0 && n != SN_E_AGAIN, "NUL at %zu accepted", i);
        sn_arena_done(&a);
    }
}

struct good_row {
    const char *text;
    int version, body, keep;
    long long length;
    const char *path, *authority;
};
static const struct good_row good_requests[] = {
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "/", "a"},
    {"GET / HTTP/1.0\r\n\r\n", 10, SN_H1_BODY_NONE, 0, 0, "/", ""},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 10, SN_H1_BODY_NONE, 1, 0, "/", ""},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n", 11, SN_H1_BODY_NONE, 0, 0, "/",
     "a"},
    {"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", 11, SN_H1_BODY_LENGTH, 1, 10,
     "/p", "a"},
    {"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "/p",
     "a"},
    {"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 11, SN_H1_BODY_CHUNKED, 1,
     -1, "/p", "a"},
    {"GET http://b:81/q?r HTTP/1.1\r\nHost: a\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "/q", "b:81"},
    {"GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "/", "b"},
    {"GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "/", "b"},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "", "a"},
    {"CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "", "[::1]:443"},
    {"GET / HTTP/1.1\r\nHost: [fe80::1]:80\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "/",
     "[fe80::1]:80"},
    {"M-SEARCH / HTTP/1.1\r\nHost: a\r\nX:\tb\xc3\xa4\t\r\n\r\n", 11, SN_H1_BODY_NONE, 1, 0, "/",
     "a"},
};

SN_TEST(h1_accepted_requests)
{
    for (size_t i = 0; i < SN_COUNT_OF(good_requests); i++) {
        const struct good_row *r = &good_requests[i];
        sn_test_row("%zu: %.60s", i, r->text);
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_h1 h;
        ssize_t n = parse_whole(&h, &a, NULL, r->text, strlen(r->text));
        T_ASSERTF(n == (ssize_t)strlen(r->text), "refused: %s", sn_h1_err_text(h.err));
        T_EQ(h.version, r->version);
        T_EQ(h.body, r->body);
        T_EQ(h.keep_alive, r->keep);
        T_EQ(h.content_length, r->length);
        T_STR(h.path, r->path);
        T_STR(h.authority, r->authority);
        sn_arena_done(&a);
    }
}

/* Every cut in two, with the buffer moving in between, gives what the whole gives. */
SN_TEST(h1_cut_anywhere_and_moved)
{
    static const char s[] =
        "POST http://host.example/a/very/long/path/indeed?query=1 HTTP/1.1\r\n"
        "Host: host.example\r\nContent-Length: 12\r\n"
        "X-A-Header-Name-Longer-Than-Sixteen: a value longer than thirty-two bytes!\r\n\r\n";
    size_t n = sizeof(s) - 1;
    for (size_t cut = 0; cut <= n; cut++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_h1 h;
        sn_h1_init(&h, NULL, &a);
        char *one = exact(s, cut), *two = exact(s, n);
        ssize_t r = sn_h1_parse(&h, one, cut);
        T_EQ(r, cut == n ? (ssize_t)n : SN_E_AGAIN);
        memset(one, '?', cut);
        if (cut < n) {
            r = sn_h1_parse(&h, two, n);
            T_EQ(r, n);
            T_STR(h.authority, "host.example");
            T_STR(h.path, "/a/very/long/path/indeed");
            T_STR(h.query, "query=1");
            T_STR(h.headers.ptr[2].value, "a value longer than thirty-two bytes!");
            T_STR(h.headers.ptr[0].name, "Host");
            T_EQ(h.content_length, 12);
        }
        free(one);
        free(two);
        sn_arena_done(&a);
    }
}

SN_TEST(h1_limits)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_h1 h;
    struct sn_h1_opts o = {.head_bytes_max = 256, .target_bytes_max = 64, .headers_max = 3};
    struct sn_buf b = {0};
    sn_buf_cstr(&b, "GET /");
    for (int i = 0; i < 64; i++) sn_buf_byte(&b, 'a');
    T_EQ(parse_whole(&h, &a, &o, (char *)b.ptr, b.len), SN_E_TOO_LARGE);
    T_EQ(sn_h1_err_status(h.err), 414);
    sn_buf_reset(&b);
    sn_buf_cstr(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while (b.len < 300) sn_buf_byte(&b, 'x');
    T_EQ(parse_whole(&h, &a, &o, (char *)b.ptr, b.len), SN_E_TOO_LARGE);
    T_EQ(sn_h1_err_status(h.err), 431);
    sn_buf_cstr(&b, "\r\n\r\n");
    T_EQ(parse_whole(&h, &a, &o, (char *)b.ptr, b.len), SN_E_TOO_LARGE);
    sn_buf_reset(&b);
    sn_buf_cstr(&b, "GET / HTTP/1.1\r\nHost: a\r\na: 1\r\nb: 1\r\n\r\n");
    T_ASSERT(parse_whole(&h, &a, &o, (char *)b.ptr, b.len) > 0);
    sn_buf_reset(&b);
    sn_buf_cstr(&b, "GET / HTTP/1.1\r\nHost: a\r\na: 1\r\nb: 1\r\nc: 1\r\n\r\n");
    T_EQ(parse_whole(&h, &a, &o, (char *)b.ptr, b.len), SN_E_TOO_LARGE);
    T_EQ(h.err, SN_H1_ERR_HEADERS_MANY);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

struct resp_row {
    const char *text;
    int to_head, status, body, keep;
    long long length;
    enum sn_h1_err err;
};
static const struct resp_row responses[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0, 200, SN_H1_BODY_LENGTH, 1, 5, 0},
    {"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", 0, 200, SN_H1_BODY_LENGTH, 1, 5, 0},
    {"HTTP/1.1 200 \r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, 200, SN_H1_BODY_LENGTH,
     1, 5, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 1, 200, SN_H1_BODY_NONE, 1, 5, 0},
    {"HTTP/1.1 200 OK\r\n\r\n", 0, 200, SN_H1_BODY_CLOSE, 0, -1, 0},
    {"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", 0, 204, SN_H1_BODY_NONE, 1, 0, 0},
    {"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n", 0, 304, SN_H1_BODY_NONE, 1, 5, 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 200, SN_H1_BODY_CHUNKED, 1, -1, 0},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", 0, 200, SN_H1_BODY_LENGTH, 0, 1, 0},
    {"HTTP/1.1 100 Continue\r\n\r\n", 0, 100, SN_H1_BODY_NONE, 1, 0, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 0, 0, 0, 0,
     SN_H1_ERR_LENGTH_AND_CODING},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0, 0, 0, 0, 0,
     SN_H1_ERR_LENGTH_REPEATED},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0, 0, 0, 0, 0, SN_H1_ERR_CODING_UNKNOWN},
    {"HTTP/1.1 20 OK\r\nX: y\r\n\r\n", 0, 0, 0, 0, 0, SN_H1_ERR_STATUS},
    {"HTTP/1.1 2000 OK\r\nX: y\r\n\r\n", 0, 0, 0, 0, 0, SN_H1_ERR_STATUS},
    {"HTTP/1.1 099 OK\r\nX: y\r\n\r\n", 0, 0, 0, 0, 0, SN_H1_ERR_STATUS},
    {"HTTP/1.1 200 O\x01K\r\nX: y\r\n\r\n", 0, 0, 0, 0, 0, SN_H1_ERR_LINE_END},
    {"HTTP/3.1 200 OK\r\nX: y\r\n\r\n", 0, 0, 0, 0, 0, SN_H1_ERR_VERSION_UNSUPPORTED},
    {"SSH-2.0-OpenSSH_9\r\n", 0, 0, 0, 0, 0, SN_H1_ERR_VERSION},
};

SN_TEST(h1_responses)
{
    for (size_t i = 0; i < SN_COUNT_OF(responses); i++) {
        const struct resp_row *r = &responses[i];
        sn_test_row("%zu: %.60s", i, r->text);
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_h1 h;
        struct sn_h1_opts o = {.response = true, .to_head = r->to_head};
        ssize_t n = parse_whole(&h, &a, &o, r->text, strlen(r->text));
        if (r->err) {
            T_ASSERT(n < 0 && n != SN_E_AGAIN);
            T_EQ(h.err, r->err);
        } else {
            T_EQ(n, strlen(r->text));
            T_EQ(h.status, r->status);
            T_EQ(h.body, r->body);
            T_EQ(h.keep_alive, r->keep);
            T_EQ(h.content_length, r->length);
            /* and one byte at a time */
            sn_h1_init(&h, &o, &a);
            for (size_t k = 1; k < strlen(r->text); k++)
                T_EQ(sn_h1_parse(&h, r->text, k), SN_E_AGAIN);
            T_EQ(sn_h1_parse(&h, r->text, strlen(r->text)), strlen(r->text));
            T_EQ(h.status, r->status);
        }
        sn_arena_done(&a);
    }
}

/* ---- chunked -------------------------------------------------------------------------------- */

/* Decodes with pieces of `step` bytes; returns the code, the body in `out`, what was used. */
static int dechunk(const char *s, size_t n, size_t step, struct sn_buf *out,
                   struct sn_buf *trailers, size_t *ret_used, enum sn_h1_err *ret_err)
{
    struct sn_h1_chunked c;
    sn_h1_chunked_init(&c);
    size_t off = 0;
    int r = SN_E_AGAIN;
    while (r == SN_E_AGAIN && off < n) {
        struct sn_str in = sn_str_of(s + off, SN_MIN(step, n - off)), data;
        size_t had = in.len;
        while ((r = sn_h1_chunked_next(&c, &in, &data, trailers)) == 1)
            sn_buf_str(out, data);
        off += had - in.len;
    }
    *ret_used = off;
    *ret_err = c.err;
    return r;
}

struct chunk_row {
    const char *text, *body;
    int code; /* 0, SN_E_AGAIN or a failure */
    enum sn_h1_err err;
};
static const struct chunk_row chunk_rows[] = {
    {"5\r\nhello\r\n0\r\n\r\n", "hello", 0, 0},
    {"5\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n", "hello world", 0, 0},
    {"a;x=\"y;z\"\r\n0123456789\r\n000\r\n\r\n", "0123456789", 0, 0},
    {"A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0, 0},
    {"5\r\nhello\r\n", "hello", SN_E_AGAIN, 0},
    {"5\r\nhel", "hel", SN_E_AGAIN, 0},
    {"5\nhello\r\n0\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"5 \r\nhello\r\n0\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {" 5\r\nhello\r\n0\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"0x5\r\nhello\r\n0\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"-5\r\nhello\r\n0\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"\r\nhello\r\n0\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {";x\r\nhello\r\n0\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"5;a\nb\r\nhello\r\n0\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"5\r\rhello", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"5\r\nhelloX\n0\r\n\r\n", "hello", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_END},
    {"5\r\nhello\n0\r\n\r\n", "hello", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_END},
    {"5\r\nhello\r0\r\n\r\n", "hello", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_END},
    {"11111111111111111\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"ffffffffffffffff\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_CHUNK_SIZE},
    {"0\r\n\n", "", SN_E_PROTOCOL, SN_H1_ERR_TRAILER},
    {"0\r\n folded\r\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_TRAILER},
    {"0\r\nX: y\n\r\n", "", SN_E_PROTOCOL, SN_H1_ERR_TRAILER},
};

SN_TEST(h1_chunked_rows)
{
    for (size_t i = 0; i < SN_COUNT_OF(chunk_rows); i++)
        for (size_t step = 1; step < 9; step++) {
            const struct chunk_row *r = &chunk_rows[i];
            sn_test_row("%zu by %zu: %.40s", i, step, r->text);
            struct sn_buf out = {0}, tr = {0};
            size_t used;
            enum sn_h1_err err;
            int code = dechunk(r->text, strlen(r->text), step, &out, &tr, &used, &err);
            T_EQ(code, r->code);
            T_EQ(err, r->err);
            T_STR(sn_buf_view(&out), r->body);
            if (code == 0) T_EQ(used, strlen(r->text));
            sn_buf_done(&out);
            sn_buf_done(&tr);
        }
}

SN_TEST(h1_chunked_trailers)
{
    const char *s =
        "1\r\nx\r\n0\r\nX-Sum: 42\r\nContent-Length: 7\r\nhost: evil\r\nY:z\r\n\r\nNEXT";
    struct sn_buf out = {0}, tr = {0};
    size_t used;
    enum sn_h1_err err;
    T_EQ(dechunk(s, strlen(s), 100, &out, &tr, &used, &err), 0);
    T_EQ(strlen(s) - used, 4);
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_http_headers h = {0};
    T_OK(sn_h1_trailers(sn_buf_view(&tr), &a, &h));
    T_EQ(h.len, 2);
    T_STR(h.ptr[0].value, "42");
    T_STR(h.ptr[1].name, "Y");
    T_EQ(sn_h1_trailers(SN_STR("no colon\r\n"), &a, &h), SN_E_PROTOCOL);
    sn_arena_done(&a);
    sn_buf_done(&out);
    sn_buf_done(&tr);
}

/* One-byte chunks with long extensions stop after SN_H1_CHUNK_WASTE_MAX; honest bodies do not. */
SN_TEST(h1_chunked_waste)
{
    struct sn_buf b = {0}, out = {0};
    for (int i = 0; i < 200; i++) {
        sn_buf_cstr(&b, "1;");
        for (int k = 0; k < 200; k++) sn_buf_byte(&b, 'e');
        sn_buf_cstr(&b, "\r\nx\r\n");
    }
    sn_buf_cstr(&b, "0\r\n\r\n");
    size_t used;
    enum sn_h1_err err;
    T_EQ(dechunk((char *)b.ptr, b.len, 4096, &out, NULL, &used, &err), SN_E_TOO_LARGE);
    T_EQ(err, SN_H1_ERR_CHUNK_EXT);
    T_ASSERT(used < SN_H1_CHUNK_WASTE_MAX + 2048);
    sn_buf_reset(&b);
    sn_buf_reset(&out);
    for (int i = 0; i < 5000; i++) sn_buf_cstr(&b, "20\r\n0123456789abcdef0123456789abcdef\r\n");
    sn_buf_cstr(&b, "0\r\n\r\n");
    T_EQ(dechunk((char *)b.ptr, b.len, 4096, &out, NULL, &used, &err), 0);
    T_EQ(out.len, 160000);
    sn_buf_done(&b);
    sn_buf_done(&out);
}

SN_TEST(http_date_and_tables)
{
    static const struct {
        int64_t t;
        const char *s;
    } rows[] = {{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
                {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
                {4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"},
                {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        char d[SN_HTTP_DATE_LEN];
        sn_http_date(rows[i].t, d);
        T_STR(sn_str_of(d, sizeof(d)), rows[i].s);
    }
    T_STR(sn_http_status_line(404), "HTTP/1.1 404 Not Found\r\n");
    T_ASSERT(sn_http_status_line(799).ptr == NULL);
    T_ASSERT(sn_http_has_token(SN_STR("a, Upgrade ,b"), SN_STR("upgrade")));
    T_ASSERT(!sn_http_has_token(SN_STR("upgraded"), SN_STR("upgrade")));
    T_EQ(sn_http_method_of(SN_STR("DELETE")), SN_HTTP_DELETE);
    T_EQ(sn_http_method_of(SN_STR("delete")), SN_HTTP_OTHER);
}

/* Every byte at every place of words of eight and what is left over. */
SN_TEST(http_value_bytes)
{
    for (size_t len = 1; len <= 19; len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned c = 0; c < 256; c++) {
                char *s = exact("\xff \tabcdefghijklmnopqrst", len);
                s[at] = (char)c;
                bool want = c == '\t' || (c >= 0x20 && c != 0x7f);
                T_ASSERTF(sn_http_is_value(sn_str_of(s, len)) == want, "byte %u at %zu of %zu", c, at,
                          len);
                free(s);
            }
}

/* No memory for the header array: an error, not a crash. */
static bool fail_all(size_t size) { return true; }
SN_TEST(h1_nomem)
{
    static const struct sn_alloc_hooks hooks = {.fail = fail_all};
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_h1 h;
    const char *s = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    sn_alloc_set_hooks(&hooks);
    ssize_t r = parse_whole(&h, &a, NULL, s, strlen(s));
    sn_alloc_set_hooks(NULL);
    T_EQ(r, SN_E_NOMEM);
    T_EQ(sn_h1_err_status(h.err), 500);
    sn_arena_done(&a);
}
