/* SPDX-License-Identifier: Apache-2.0 */
/* abci/abci_test.c - the codec, and every way from a client to an application, over loopback. */
#include <stdlib.h>

#include "abci/abci_test.h"
#include "abci/codec.h"
#include "core/torture.h"
#include "fiber/net.h"
#include "tests/harness/test.h"

/* ---- codec -------------------------------------------------------------------------------------
 */

SN_TEST(frame_lengths)
{
    static const struct {
        const char *in;
        size_t len, max;
        ssize_t used;
        size_t want;
    } rows[] = {
        {"", 0, 10, 0, 0},
        {"\x00", 1, 10, 1, 1},
        {"\x03"
         "ab",
         3, 10, 0, 4},
        {"\x03"
         "abc",
         4, 10, 4, 4},
        {"\x83\x00"
         "abc",
         5, 10, 5, 5}, /* Go reads a length that is longer than it must be */
        {"\x80", 1, 10, 0, 0},
        {"\x0b", 1, 10, SN_E_TOO_LARGE, 0},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, 1u << 30, SN_E_TOO_LARGE, 0},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, 1u << 30, SN_E_SYNTAX, 0},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, 1u << 30, SN_E_SYNTAX, 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_str body;
        size_t want;
        sn_test_row("%zu", i);
        T_EQ(sn_abci_frame(sn_str_of(rows[i].in, rows[i].len), rows[i].max, &body, &want),
             rows[i].used);
        T_EQ(want, rows[i].want);
    }
}

/* Bytes that CometBFT's own writer makes of these. */
SN_TEST(messages_are_golden)
{
    struct sn_buf b = {0};
    struct sn_str body;
    struct sn_arena a;
    void *msg;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_abci_put_request(&b, SN_ABCI_ECHO,
                             &(struct tendermint_abci_request_echo){.message = SN_STR("hello")}));
    T_OK(sn_abci_put_request(&b, SN_ABCI_FLUSH, NULL));
    T_OK(sn_abci_put_response(&b, SN_ABCI_CHECK_TX,
                              &(struct tendermint_abci_response_check_tx){.gas_wanted = 1}));
    T_OK(sn_abci_put_exception(&b, SN_STR("no")));
    static const uint8_t want[] = {9, 0x0a, 7, 0x0a, 5, 'h', 'e',  'l', 'l',  'o', 2,   0x12, 0,
                                   4, 0x4a, 2, 0x28, 1, 6,   0x0a, 4,   0x0a, 2,   'n', 'o'};
    T_EQ(b.len, sizeof(want));
    T_ASSERT(memcmp(b.ptr, want, sizeof(want)) == 0);
    ssize_t n = sn_abci_frame(sn_buf_view(&b), 100, &body, NULL);
    T_EQ(n, 10);
    T_EQ(sn_abci_parse_request(body, 0, &a, &msg), SN_ABCI_ECHO);
    T_STR(((struct tendermint_abci_request_echo *)msg)->message, "hello");
    T_OK(sn_abci_frame(sn_str_from(sn_buf_view(&b), 18), 100, &body, NULL));
    T_EQ(sn_abci_parse_response(body, 0, &a, &msg, NULL), SN_E_ABORTED);
    T_EQ(sn_abci_parse_request(SN_STR(""), 0, &a, &msg), SN_E_UNIMPLEMENTED);
    T_EQ(sn_abci_parse_response(SN_STR(""), 0, &a, &msg, NULL), SN_E_PROTOCOL);
    sn_arena_done(&a);
    sn_buf_done(&b);
}

/* Whatever its length, a message comes back, and its length is written in the fewest bytes. */
SN_TEST(lengths_of_every_size)
{
    static const size_t sizes[] = {0,
                                   1,
                                   100,
                                   120,
                                   121,
                                   122,
                                   123,
                                   124,
                                   125,
                                   126,
                                   127,
                                   128,
                                   200,
                                   16370,
                                   16380,
                                   16400,
                                   (2u << 20) - 20,
                                   2u << 20,
                                   (2u << 20) + 1};
    char *text = calloc(1, 3u << 20);
    struct sn_buf b = {0};
    for (size_t i = 0; i < SN_COUNT_OF(sizes); i++) {
        struct tendermint_abci_request_check_tx q = {.tx = sn_str_of(text, sizes[i])};
        struct sn_arena a;
        struct sn_str body;
        void *msg;
        sn_test_row("%zu", sizes[i]);
        sn_buf_reset(&b);
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_abci_put_request(&b, SN_ABCI_CHECK_TX, &q));
        T_EQ(sn_abci_frame(sn_buf_view(&b), 8u << 20, &body, NULL), b.len);
        size_t len_bytes = b.len - body.len;
        T_EQ(len_bytes, body.len < 128 ? 1 : body.len < 16384 ? 2 : body.len < 2097152 ? 3 : 4);
        T_EQ(sn_abci_parse_request(body, 0, &a, &msg), SN_ABCI_CHECK_TX);
        T_EQ(((struct tendermint_abci_request_check_tx *)msg)->tx.len, sizes[i]);
        sn_arena_done(&a);
    }
    sn_buf_done(&b);
    free(text);
}

static int codec_once(void *arg)
{
    struct sn_buf b = {0};
    struct sn_arena a;
    struct sn_str body;
    struct sn_str txs[300];
    void *msg;
    sn_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(txs); i++) txs[i] = SN_STR("key=value");
    struct tendermint_abci_request_finalize_block q = {.txs = {txs, SN_COUNT_OF(txs), 0}};
    int r = sn_abci_put_request(&b, SN_ABCI_FINALIZE_BLOCK, &q);
    if (r >= 0 && sn_abci_frame(sn_buf_view(&b), 1u << 20, &body, NULL) <= 0) r = SN_E_INTERNAL;
    if (r >= 0) r = sn_abci_parse_request(body, SN_PB_COPY, &a, &msg);
    sn_arena_done(&a);
    sn_buf_done(&b);
    return r;
}
SN_TEST(codec_torture)
{
    int n = sn_torture(codec_once, NULL);
    T_ASSERTF(n > 3, "%d: %s", n, sn_diag_str(n));
}

SN_TEST(addresses)
{
    static const struct {
        const char *in, *out;
    } rows[] = {{"tcp://127.0.0.1:26658", "tcp:127.0.0.1:26658"},
                {"unix:///run/x.sock", "unix:/run/x.sock"},
                {"unix://x.sock", "unix:x.sock"},
                {"127.0.0.1:1", "tcp:127.0.0.1:1"},
                {"tcp:127.0.0.1:1", "tcp:127.0.0.1:1"},
                {"http://x", NULL}};
    char out[SN_ABCI_ADDR_MAX];
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].in);
        int r = sn_abci_addr(rows[i].in, out, sizeof(out));
        T_EQ(r, rows[i].out ? 0 : SN_E_SYNTAX);
        if (r == 0) T_CSTR(out, rows[i].out);
    }
    T_EQ(sn_abci_addr("tcp://a-name-that-is-long:1", out, 10), SN_E_TOO_LARGE);
}

/* ---- the ways in -------------------------------------------------------------------------------
 */

enum way { LOCAL, UNIX, TCP, GRPC, WAYS };
static const char *const way_names[] = {"local", "unix", "tcp", "grpc"};
struct bench {
    enum way way;
    struct test_app t;
    struct sn_abci_server *server;
    struct sn_abci_server_opts so;
    struct sn_abci_client *c;
    char addr[300], path[256];
    int (*test)(struct bench *b);
};

static void serve_main(void *arg) { T_OK(sn_abci_server_run(((struct bench *)arg)->server)); }

static void bench_up(struct bench *b)
{
    if (b->way == LOCAL) {
        T_OK(sn_abci_client_local(&b->t.app, "x", NULL, &b->c));
        return;
    }
    snprintf(b->path, sizeof(b->path), "unix://%s/app.sock", sn_test_tmpdir());
    b->so.addr = b->way == UNIX ? b->path : "tcp://127.0.0.1:0";
    b->so.grpc = b->way == GRPC;
    T_OK(sn_abci_server_new(&b->t.app, &b->so, &b->server));
    T_OK(sn_abci_server_addr(b->server, b->addr, sizeof(b->addr)));
    T_OK(sn_go("server", serve_main, b));
    struct sn_abci_client_opts o = {.addr = b->way == UNIX ? b->path : b->addr,
                                    .grpc = b->so.grpc,
                                    .must_connect = true,
                                    .message_max = b->so.message_max};
    int r = sn_abci_client_open(&o, &b->c);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
}

static int bench_main(void *arg)
{
    struct bench *b = arg;
    struct sn_scope_storage mem;
    sn_scope_begin(&mem);
    bench_up(b);
    int r = b->test(b);
    sn_abci_client_close(b->c);
    if (b->server) sn_abci_server_stop(b->server);
    sn_scope_end(sn_scope_current());
    sn_abci_server_free(b->server);
    return r;
}

static void on_all_ways(int (*test)(struct bench *b), unsigned parallel)
{
    for (enum way w = 0; w < WAYS; w++) {
        struct bench b = {.way = w, .test = test};
        sn_test_row("%s", way_names[w]);
        test_app_init(&b.t);
        b.t.app.concurrent = parallel ? SN_ABCI_READS : 0;
        b.t.app.parallel = parallel;
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, bench_main, &b));
    }
}

static int every_method(struct bench *b)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_str txs[] = {SN_STR_INIT("one"), SN_STR_INIT("three")};
    struct tendermint_abci_response_echo *echo;
    T_OK(sn_abci_echo(b->c, &(struct tendermint_abci_request_echo){.message = SN_STR("h\xff")}, &a,
                      &echo));
    T_STR(echo->message, "h\xff");
    struct tendermint_abci_response_flush *flush;
    T_OK(sn_abci_flush(b->c, &(struct tendermint_abci_request_flush){}, &a, &flush));
    struct tendermint_abci_response_info *info;
    T_OK(sn_abci_info(b->c, &(struct tendermint_abci_request_info){}, &a, &info));
    T_EQ(info->last_block_height, 0);
    struct tendermint_abci_response_prepare_proposal *pp;
    struct tendermint_abci_request_prepare_proposal pq = {.max_tx_bytes = 7, .txs = {txs, 2, 0}};
    T_OK(sn_abci_prepare_proposal(b->c, &pq, &a, &pp));
    T_EQ(pp->txs.len, 1);
    T_STR(pp->txs.ptr[0], "one");
    struct tendermint_abci_response_process_proposal *ps;
    T_OK(sn_abci_process_proposal(b->c, &(struct tendermint_abci_request_process_proposal){}, &a,
                                  &ps));
    T_EQ(ps->status, TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_ACCEPT);
    struct tendermint_abci_response_verify_vote_extension *vv;
    T_OK(sn_abci_verify_vote_extension(b->c,
                                       &(struct tendermint_abci_request_verify_vote_extension){},
                                       &a, &vv));
    T_EQ(vv->status, TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_ACCEPT);
    struct tendermint_abci_response_finalize_block *fb;
    T_OK(sn_abci_finalize_block(
        b->c, &(struct tendermint_abci_request_finalize_block){.txs = {txs, 2, 0}}, &a, &fb));
    T_EQ(fb->tx_results.len, 2);
    for (int m = 0; m < SN_ABCI_METHOD_COUNT; m++) { /* and each of the rest answers */
        void *req = sn_pb_new(sn_abci_method_info((enum sn_abci_method)m)->req, &a), *res;
        sn_test_row("%s by %s", sn_abci_method_info((enum sn_abci_method)m)->name,
                    way_names[b->way]);
        int r = sn_abci_client_call(b->c, (enum sn_abci_method)m, req, &a, &res);
        T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
    }
    sn_arena_done(&a);
    return 0;
}
SN_TEST(every_method_by_every_way)
{
    on_all_ways(every_method, 0);
}
SN_TEST(every_method_where_requests_overtake)
{
    on_all_ways(every_method, 8);
}

struct caller {
    struct bench *b;
    unsigned n;
    struct sn_waitgroup *wg;
};
static void caller_main(void *arg)
{
    struct caller *c = arg;
    struct sn_arena a;
    char tx[40];
    sn_arena_init(&a, NULL, 0);
    for (unsigned i = 0; i < 200; i++) {
        struct sn_str data;
        snprintf(tx, sizeof(tx), i % 50 == 7 ? "sleep 1" : "ok %u %u", c->n, i);
        int r = test_check(c->b->c, &a, tx, &data);
        T_ASSERTF(r == 0, "%s", sn_diag_str(r));
        if (i % 50 != 7) T_STR(data, tx);
        sn_arena_reset(&a);
    }
    sn_arena_done(&a);
    sn_waitgroup_done(c->wg);
}
static int many_callers(struct bench *b)
{
    struct caller cs[30];
    struct sn_waitgroup wg = {0};
    sn_waitgroup_add(&wg, SN_COUNT_OF(cs));
    for (unsigned i = 0; i < SN_COUNT_OF(cs); i++) {
        cs[i] = (struct caller){b, i, &wg};
        T_OK(sn_go("caller", caller_main, &cs[i]));
    }
    T_OK(sn_waitgroup_wait(&wg));
    T_EQ(b->t.calls, SN_COUNT_OF(cs) * 200);
    if (b->t.app.concurrent)
        T_ASSERT(b->t.inside_max > 1);
    else
        T_EQ(b->t.inside_max, 1);
    return 0;
}
SN_TEST_SLOW(answers_find_their_callers, 60)
{
    on_all_ways(many_callers, 0);
}
SN_TEST_SLOW(answers_find_their_callers_where_requests_overtake, 60)
{
    on_all_ways(many_callers, 16);
}

static int exception(struct bench *b)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = test_check(b->c, &a, "fail", NULL);
    T_ASSERTF(r == SN_E_ABORTED || r == SN_E_INTERNAL, "%d", r);
    T_ASSERTF(strstr(sn_diag_str(r), "told to"), "%s", sn_diag_str(r));
    T_EQ(test_check(b->c, &a, "ok", NULL), SN_E_UNAVAILABLE); /* for good */
    T_ASSERT(strstr(sn_diag_str(SN_E_UNAVAILABLE), "told to"));
    T_ASSERT(sn_abci_client_failure(b->c) < 0);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(exceptions_end_a_connection)
{
    on_all_ways(exception, 0);
}
SN_TEST(exceptions_end_a_connection_where_requests_overtake)
{
    on_all_ways(exception, 4);
}

static int panics(struct bench *b)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    if (b->way != LOCAL) { /* there it is the caller's own */
        T_ASSERT(test_check(b->c, &a, "panic", NULL) < 0);
        struct sn_abci_client *again;
        struct sn_abci_client_opts o = {.addr = b->way == UNIX ? b->path : b->addr,
                                        .grpc = b->so.grpc};
        T_OK(sn_abci_client_open(&o, &again));
        T_EQ(test_check(again, &a, "ok", NULL), 0); /* the lock is free */
        sn_abci_client_close(again);
    }
    sn_arena_done(&a);
    return 0;
}
SN_TEST(a_panic_ends_one_connection)
{
    on_all_ways(panics, 0);
}
SN_TEST(a_panic_ends_one_connection_where_requests_overtake)
{
    on_all_ways(panics, 4);
}

static int deadlines(struct bench *b)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int64_t d = sn_deadline_tighten(sn_now() + 20 * SN_MS);
    int r = test_check(b->c, &a, "sleep 200", NULL);
    sn_deadline_restore(d);
    T_EQ(r, SN_E_DEADLINE_EXCEEDED);
    T_EQ(test_check(b->c, &a, "ok", NULL), 0); /* the late answer was not taken for this one's */
    T_EQ(test_check(b->c, &a, "what", NULL), 7);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(a_caller_that_gives_up_leaves_the_connection_whole)
{
    on_all_ways(deadlines, 0);
}

static int large(struct bench *b)
{
    struct sn_arena a;
    struct sn_str data;
    sn_arena_init(&a, NULL, 0);
    if (b->way == LOCAL) return 0;
    T_EQ(test_check(b->c, &a, "big 5000000", &data), 0);
    T_EQ(data.len, 5000000);
    int r = test_check(b->c, &a, "big 9000000", &data);
    T_ASSERTF(r < 0, "%d", r);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(large_answers_and_the_limit)
{
    for (enum way w = UNIX; w < WAYS; w++) {
        struct bench b = {.way = w, .test = large, .so.message_max = 8u << 20};
        sn_test_row("%s", way_names[w]);
        test_app_init(&b.t);
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, bench_main, &b));
    }
}

/* ---- peers that are none -----------------------------------------------------------------------
 */

static int garbage(struct bench *b)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
                {"\xff\xff\xff\xff\x7f", 5},
                {"\x02\x08", 2},
                {"\x03\xff\xff\xff", 4},
                {"\x00", 1},
                {"GET / HTTP/1.1\r\n\r\n", 18}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_stream *st;
        char buf[600];
        sn_test_row("%zu by %s", i, way_names[b->way]);
        T_OK(sn_dial(b->addr, NULL, &st));
        T_OK(sn_write(st, rows[i].bytes, rows[i].len));
        T_OK(sn_stream_shutdown(st));
        ssize_t n;
        size_t got = 0;
        while ((n = sn_read(st, buf, sizeof(buf))) > 0) got += (size_t)n;
        sn_stream_close(st);
    }
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    T_EQ(test_check(b->c, &a, "ok", NULL), 0);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(requests_that_are_none)
{
    for (unsigned parallel = 0; parallel <= 4; parallel += 4) {
        struct bench b = {.way = TCP, .test = garbage};
        test_app_init(&b.t);
        b.t.app.parallel = parallel;
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, bench_main, &b));
    }
}

static int too_many(struct bench *b)
{
    struct sn_stream *st;
    struct sn_arena a;
    char c;
    sn_arena_init(&a, NULL, 0);
    /* An answer says that the client's connection is the one: two workers accept in any order. */
    T_EQ(test_check(b->c, &a, "ok", NULL), 0);
    T_OK(sn_dial(b->addr, NULL, &st));
    T_ASSERT(sn_read(st, &c, 1) <= 0);
    sn_stream_close(st);
    T_EQ(test_check(b->c, &a, "ok", NULL), 0);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(one_connection_too_many)
{
    struct bench b = {.way = TCP, .test = too_many, .so.conns_max = 1};
    test_app_init(&b.t);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, bench_main, &b));
}

/* A server that answers what it likes. */
struct liar {
    struct sn_listener *l;
    struct sn_str says;
    bool hang_up;
};
static void liar_main(void *arg)
{
    struct liar *l = arg;
    struct sn_stream *st;
    char buf[600];
    while (sn_accept(l->l, &st) >= 0) {
        if (sn_read(st, buf, sizeof(buf)) > 0 && l->says.len)
            (void)!sn_write(st, l->says.ptr, l->says.len);
        if (!l->hang_up)
            while (sn_read(st, buf, sizeof(buf)) > 0) {}
        sn_stream_close(st);
    }
}
static int lied_to(void *arg)
{
    static const struct {
        const char *bytes;
        size_t len;
        int r;
        const char *why;
    } rows[] = {
        {"\x02\x12\x00", 3, SN_E_PROTOCOL, "response echo to a request check_tx"},
        {"\x00", 1, SN_E_PROTOCOL, "no kind"},
        {"\x02\x4a\x05", 3, SN_E_SYNTAX, "response"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, SN_E_SYNTAX, "64 bits"},
        {"\xff\xff\xff\xff\x7f", 5, SN_E_TOO_LARGE, "limit"},
        {"\x06\x0a\x04\x0a\x02no", 7, SN_E_ABORTED, "the application says: no"},
        {"\x02\x4a\x00\x02\x1a\x00\x02\x1a\x00", 9, 0,
         ""}, /* one Flush too many, after the answer */
        {"", 0, SN_E_RESET, "closed the connection"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct liar l = {.says = sn_str_of(rows[i].bytes, rows[i].len),
                         .hang_up = rows[i].len == 0};
        struct sn_abci_client *c;
        struct sn_arena a;
        char addr[100];
        sn_test_row("%zu", i);
        T_OK(sn_listen("127.0.0.1:0", NULL, &l.l));
        T_OK(sn_listener_addr(l.l, addr, sizeof(addr)));
        T_OK(sn_go("liar", liar_main, &l));
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_abci_client_open(&(struct sn_abci_client_opts){.addr = addr}, &c));
        int r = test_check(c, &a, "ok", NULL);
        T_EQ(r, rows[i].r);
        if (r < 0) T_ASSERTF(strstr(sn_diag_str(r), rows[i].why), "%s", sn_diag_str(r));
        if (r == 0) {
            while (sn_abci_client_failure(c) == 0) T_OK(sn_sleep(SN_MS));
            T_EQ(sn_abci_client_failure(c), SN_E_PROTOCOL);
        }
        sn_abci_client_close(c);
        sn_listener_close(l.l);
        T_OK(sn_sleep(2 * SN_MS));
        sn_arena_done(&a);
    }
    return 0;
}
SN_TEST(answers_that_are_none)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, lied_to, NULL));
}

/* ---- the four ----------------------------------------------------------------------------------
 */

static int four(void *arg)
{
    struct test_app t;
    struct sn_abci_conns cs;
    struct sn_arena a;
    test_app_init(&t);
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_abci_conns_local(&t.app, &cs));
    T_EQ(test_check(cs.mempool, &a, "ok", NULL), 0);
    int64_t d = sn_deadline_tighten(sn_now() + 5 * SN_MS);
    T_EQ(sn_abci_conns_wait(&cs), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    T_EQ(test_check(cs.mempool, &a, "fail", NULL), SN_E_INTERNAL);
    T_EQ(sn_abci_conns_wait(&cs), SN_E_INTERNAL);
    T_ASSERT(strstr(sn_diag_str(SN_E_INTERNAL), "connection mempool"));
    sn_abci_conns_close(&cs);
    struct sn_abci_client_opts nobody = {.addr = "unix:///nonexistent/x", .retry_ns = SN_MS};
    d = sn_deadline_tighten(sn_now() + 20 * SN_MS);
    T_EQ(sn_abci_conns_open(&nobody, &cs), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    nobody.must_connect = true;
    T_ASSERT(sn_abci_conns_open(&nobody, &cs) < 0);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(four_connections)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, four, NULL));
}
