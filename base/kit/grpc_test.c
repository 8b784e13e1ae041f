/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_test.c - client and server over loopback: every kind of call, what goes wrong, limits,
 * interceptors, deadlines and cancellation, retries, connections that end. */
#include "kit/grpc_env_test.h"
#include "tests/harness/test.h"

#include "core/alloc.h"
#include "google/rpc/status.pb.h"

#define ASK(...) (&(ask_t){__VA_ARGS__})

/* ---- unary ------------------------------------------------------------------------------------ */

static int unary_body(struct grpc_env *e)
{
    said_t *s;
    struct sn_http_headers head = {0}, tail = {0};
    static const struct sn_http_header md[] = {{SN_STR_INIT("X-Echo"), SN_STR_INIT("here")}};
    struct sn_grpc_status st;
    struct sn_grpc_opts o = {.metadata = md, .n_metadata = 1, .ret_metadata = &head,
                             .ret_trailers = &tail, .ret_status = &st};
    for (int i = 0; i < 50; i++) {
        T_OK(grpc_env_ask(e, ASK(.text = SN_STR("hi"), .n = i), &s, i % 2 ? &o : NULL));
        T_STR(s->text, "hi");
        T_EQ(s->n, i + 1);
    }
    T_STR(sn_http_headers_get(&head, SN_STR("x-head")), "here");
    T_STR(sn_http_headers_get(&tail, SN_STR("x-tail-bin")), "here");
    T_EQ(st.code, 0);
    /* Larger than a window, both ways. */
    char *pad = sn_arena_alloc(&e->a, 3u << 20);
    for (size_t i = 0; i < 3u << 20; i++) pad[i] = (char)(i * 7 >> 3);
    T_OK(grpc_env_ask(e, ASK(.pad = sn_str_of(pad, 3u << 20)), &s, NULL));
    T_EQ(s->pad.len, 3u << 20);
    T_ASSERT(memcmp(s->pad.ptr, pad, 3u << 20) == 0);
    struct sn_grpc_server_stats ss;
    sn_grpc_server_stats(e->grpc, &ss);
    T_EQ(ss.calls_ok, 51);
    T_EQ(ss.calls_active, 0);
    struct sn_grpc_channel_stats cs;
    sn_grpc_channel_stats(e->ch, &cs);
    T_EQ(cs.calls_ok, 51);
    T_EQ(cs.connects, 1);
    return 0;
}
SN_TEST(grpc_unary)
{
    struct grpc_env e = {.body = unary_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

static int errors_body(struct grpc_env *e)
{
    said_t *s;
    struct sn_grpc_status st;
    struct sn_grpc_opts o = {.ret_status = &st};
    for (int code = 1; code <= 16; code++) {
        T_EQ(grpc_env_ask(e, ASK(.code = code, .text = SN_STR("no: 100% \xc3\xa9"), .n = code), &s, &o),
             -code);
        T_EQ(st.code, -code);
        T_STR(st.message, "no: 100% \xc3\xa9");
        struct google_rpc_status *d;
        T_OK(google_rpc_status_parse(st.details, 0, &e->a, &d));
        T_EQ(d->code, code);
        T_EQ(d->details.len, 1);
        T_STR(d->details.ptr[0]->type_url, "type.googleapis.com/sennit.grpctest.Ask");
        ask_t *back;
        T_OK(sennit_grpctest_ask_parse(d->details.ptr[0]->value, 0, &e->a, &back));
        T_EQ(back->n, code);
    }
    /* What a handler did not say for the client's ears stays here. */
    for (int code = 98; code <= 99; code++) {
        T_EQ(grpc_env_ask(e, ASK(.code = code), &s, &o), SN_E_INTERNAL);
        T_EQ(st.message.len, 0);
    }
    const struct sn_pb_method *missing = &sennit_grpctest_echo_service.methods[4];
    void *v;
    T_EQ(sn_grpc_unary(e->ch, missing, ASK(), &e->a, &v, &o), SN_E_UNIMPLEMENTED);
    struct sn_str raw;
    T_EQ(sn_grpc_unary_raw(e->ch, SN_STR("/no.Such/Method"), SN_STR(""), &e->a, &raw, &o),
         SN_E_UNIMPLEMENTED);
    T_STR(st.message, "unknown service no.Such");
    T_EQ(sn_grpc_unary_raw(e->ch, sennit_grpctest_echo_service.methods[0].path, SN_STR("\xff"), &e->a,
                           &raw, &o),
         SN_E_INTERNAL);
    T_ASSERT(sn_str_find(st.message, SN_STR("sennit.grpctest.Ask")) >= 0);
    T_OK(grpc_env_ask(e, ASK(.n = 1), &s, NULL)); /* the connection is none the worse */
    return 0;
}
SN_TEST(grpc_errors)
{
    struct grpc_env e = {.body = errors_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

static int limits_body(struct grpc_env *e)
{
    said_t *s;
    struct sn_grpc_status st;
    struct sn_grpc_opts o = {.ret_status = &st};
    char *pad = sn_arena_zalloc(&e->a, 5u << 20);
    /* 4 MiB is what every gRPC peer receives by default. */
    T_EQ(grpc_env_ask(e, ASK(.pad = sn_str_of(pad, (4u << 20) + 1)), &s, &o),
         SN_E_RESOURCE_EXHAUSTED);
    T_ASSERT(sn_str_find(st.message, SN_STR("larger than max")) >= 0);
    o.recv_bytes_max = 1000;
    T_EQ(grpc_env_ask(e, ASK(.pad = sn_str_of(pad, 1001)), &s, &o), SN_E_RESOURCE_EXHAUSTED);
    T_OK(grpc_env_ask(e, ASK(.pad = sn_str_of(pad, 900)), &s, &o));
    T_EQ(sn_grpc_channel_state(e->ch, false), SN_GRPC_READY);
    return 0;
}
SN_TEST(grpc_limits)
{
    struct grpc_env e = {.body = limits_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

static int compressed_body(struct grpc_env *e)
{
    said_t *s;
    char *pad = sn_arena_zalloc(&e->a, 100000);
    for (int enc = -1; enc <= SN_GRPC_DEFLATE; enc++) {
        struct sn_grpc_opts o = {.compress = enc};
        T_OK(grpc_env_ask(e, ASK(.pad = sn_str_of(pad, 100000)), &s, &o));
        T_EQ(s->pad.len, 100000);
    }
    struct sn_http_server_stats hs;
    sn_http_server_stats(e->http, &hs);
    /* Requests and answers of 100,000 zero bytes: only one request went as it is. */
    T_ASSERTF(hs.bytes_out < 10000 && hs.bytes_in < 210000, "%llu out, %llu in",
              (unsigned long long)hs.bytes_out, (unsigned long long)hs.bytes_in);
    /* A bomb: what it would become counts. */
    struct sn_grpc_opts o = {.compress = SN_GRPC_GZIP};
    char *bomb = sn_arena_zalloc(&e->a, 5u << 20);
    T_EQ(grpc_env_ask(e, ASK(.pad = sn_str_of(bomb, 5u << 20)), &s, &o), SN_E_RESOURCE_EXHAUSTED);
    return 0;
}
SN_TEST(grpc_compressed)
{
    struct grpc_env e = {.body = compressed_body, .gso = {.compress = true}, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

/* ---- streams ---------------------------------------------------------------------------------- */

static int streams_body(struct grpc_env *e)
{
    struct sn_grpc_call *c;
    said_t *s;
    int n = 0, r;
    T_OK(sennit_grpctest_echo_up_open(e->ch, NULL, &c));
    for (int i = 0; i < 1000; i++) {
        sn_grpc_hold(c, i < 900);
        T_OK(sennit_grpctest_echo_up_send(c, ASK(.n = i)));
    }
    T_OK(sn_grpc_close_send(c));
    T_EQ(sennit_grpctest_echo_up_recv(c, &e->a, &s), 1);
    T_EQ(s->n, 499500);
    T_EQ(sennit_grpctest_echo_up_recv(c, &e->a, &s), 0);
    T_EQ(sn_grpc_close(c), 0);
    T_OK(sennit_grpctest_echo_down_open(e->ch, ASK(.n = 5000, .text = SN_STR("d")), NULL, &c));
    while ((r = sennit_grpctest_echo_down_recv(c, NULL, &s)) > 0) T_EQ(s->n, n++);
    T_EQ(r, 0);
    T_EQ(n, 5000);
    T_EQ(sn_grpc_recv(c, NULL, &(void *){NULL}), 0); /* the end stays the end */
    T_EQ(sn_grpc_close(c), 0);
    T_OK(sennit_grpctest_echo_both_open(e->ch, NULL, &c));
    for (int i = 0; i < 100; i++) {
        T_OK(sennit_grpctest_echo_both_send(c, ASK(.n = i)));
        T_EQ(sennit_grpctest_echo_both_recv(c, NULL, &s), 1);
        T_EQ(s->n, i + 1);
    }
    T_OK(sennit_grpctest_echo_both_send(c, ASK(.code = 9, .text = SN_STR("enough"))));
    T_EQ(sennit_grpctest_echo_both_recv(c, NULL, &s), SN_E_FAILED_PRECONDITION);
    T_STR(c->status.message, "enough");
    T_EQ(sennit_grpctest_echo_both_send(c, ASK(.n = 1)), SN_E_EOF);
    T_EQ(sn_grpc_close(c), SN_E_FAILED_PRECONDITION);
    return 0;
}
SN_TEST(grpc_streams)
{
    struct grpc_env e = {.body = streams_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

/* One fiber sends while another receives, and both are held back by windows. */
struct duplex {
    struct sn_grpc_call *c;
    struct sn_str pad;
    int n;
};
static int duplex_send(void *arg)
{
    struct duplex *d = arg;
    for (int i = 0; i < d->n; i++) {
        int r = sennit_grpctest_echo_both_send(d->c, ASK(.n = i, .pad = d->pad));
        if (r < 0) return r;
    }
    return sn_grpc_close_send(d->c);
}
static int duplex_body(struct grpc_env *e)
{
    struct duplex d = {.n = 200, .pad = sn_str_of(sn_arena_zalloc(&e->a, 100000), 100000)};
    struct sn_scope_storage mem;
    said_t *s;
    T_OK(sennit_grpctest_echo_both_open(e->ch, NULL, &d.c));
    struct sn_scope *scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go_on(scope, (unsigned)sn_worker_id(), "send", duplex_send, &d));
    for (int i = 0; i < d.n; i++) {
        if (i % 50 == 0) T_OK(sn_sleep(20 * SN_MS)); /* a reader that pauses */
        T_EQ(sennit_grpctest_echo_both_recv(d.c, NULL, &s), 1);
        T_EQ(s->n, i + 1);
        T_EQ(s->pad.len, 100000);
    }
    T_EQ(sennit_grpctest_echo_both_recv(d.c, NULL, &s), 0);
    T_OK(sn_scope_end(scope));
    T_EQ(sn_grpc_close(d.c), 0);
    return 0;
}
SN_TEST(grpc_duplex)
{
    struct grpc_env e = {.body = duplex_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

/* Eight streams whose readers sleep, each with more than a stream's window on its way: the calls beside
 * them on the same connection go on, in both directions. */
static int unread_body(struct grpc_env *e)
{
    struct sn_grpc_call *down[8], *up[8];
    struct sn_str pad = sn_str_of(sn_arena_zalloc(&e->a, 100000), 100000);
    struct duplex d[8];
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    said_t *s;
    for (int i = 0; i < 8; i++) {
        T_OK(sennit_grpctest_echo_down_open(e->ch, ASK(.n = 20, .pad = pad), NULL, &down[i]));
        T_OK(sennit_grpctest_echo_both_open(e->ch, NULL, &up[i]));
        T_OK(sennit_grpctest_echo_both_send(up[i], ASK(.sleep_ms = 60000)));
        d[i] = (struct duplex){.c = up[i], .n = 20, .pad = pad};
        T_OK(sn_scope_go_on(scope, (unsigned)sn_worker_id(), "send", duplex_send, &d[i]));
    }
    T_OK(sn_sleep(100 * SN_MS));
    struct sn_grpc_opts o = {.timeout_ns = 20 * SN_SEC};
    for (int i = 0; i < 20; i++) {
        T_OK(grpc_env_ask(e, ASK(.n = i, .pad = pad), &s, &o));
        T_EQ(s->pad.len, pad.len);
    }
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (sennit_grpctest_echo_down_recv(down[i], NULL, &s) > 0) n++;
        T_EQ(n, 20);
        T_EQ(sn_grpc_close(down[i]), 0);
        sn_grpc_cancel(up[i]);
    }
    sn_scope_cancel(scope);
    (void)!sn_scope_end(scope);
    for (int i = 0; i < 8; i++) T_EQ(sn_grpc_close(up[i]), SN_E_CANCELLED);
    struct sn_grpc_channel_stats cs;
    sn_grpc_channel_stats(e->ch, &cs);
    T_EQ(cs.connects, 1);
    return 0;
}
SN_TEST(grpc_unread_streams)
{
    struct grpc_env e = {.body = unread_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

/* ---- deadlines and cancellation --------------------------------------------------------------- */

static int deadline_body(struct grpc_env *e)
{
    said_t *s;
    struct sn_grpc_opts o = {.timeout_ns = 50 * SN_MS};
    T_OK(grpc_env_ask(e, ASK(.n = 1), &s, NULL));
    T_EQ(e->deadline_left, SN_FOREVER);
    T_EQ(grpc_env_ask(e, ASK(.sleep_ms = 60000), &s, &o), SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(e->deadline_left > 0 && e->deadline_left <= 50 * SN_MS);
    /* The fiber's deadline is the call's, and the shorter one counts. */
    int64_t prev = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
    T_OK(grpc_env_ask(e, ASK(.n = 1), &s, NULL));
    T_ASSERT(e->deadline_left > 0 && e->deadline_left <= 5 * SN_SEC);
    o.timeout_ns = SN_HOUR;
    T_OK(grpc_env_ask(e, ASK(.n = 1), &s, &o));
    T_ASSERT(e->deadline_left <= 5 * SN_SEC);
    sn_deadline_restore(prev);
    return 0;
}
SN_TEST(grpc_deadlines)
{
    struct grpc_env e = {.body = deadline_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

static void until(unsigned *what, unsigned n)
{
    for (int i = 0; __atomic_load_n(what, __ATOMIC_RELAXED) < n; i++) {
        T_ASSERT(i < 5000);
        T_OK(sn_sleep(SN_MS));
    }
}

static int cancel_body(struct grpc_env *e)
{
    struct sn_grpc_call *c;
    said_t *s;
    /* While the handler sleeps, while it waits for a message, while its sends find no window. */
    T_OK(sennit_grpctest_echo_both_open(e->ch, NULL, &c));
    T_OK(sennit_grpctest_echo_both_send(c, ASK(.sleep_ms = 60000)));
    T_OK(sn_event_wait(&e->entered));
    sn_grpc_cancel(c);
    T_EQ(sennit_grpctest_echo_both_recv(c, NULL, &s), SN_E_CANCELLED);
    T_EQ(sn_grpc_close(c), SN_E_CANCELLED);
    until(&e->cancelled, 1);
    T_OK(sennit_grpctest_echo_up_open(e->ch, NULL, &c));
    T_OK(sennit_grpctest_echo_up_send(c, ASK(.n = 1)));
    T_OK(sn_sleep(20 * SN_MS));
    T_EQ(sn_grpc_close(c), SN_E_CANCELLED);
    until(&e->cancelled, 2);
    char *pad = sn_arena_zalloc(&e->a, 1u << 20);
    T_OK(sennit_grpctest_echo_down_open(e->ch, ASK(.n = 1000, .pad = sn_str_of(pad, 1u << 20)), NULL,
                                        &c));
    T_EQ(sennit_grpctest_echo_down_recv(c, NULL, &s), 1);
    T_EQ(sn_grpc_close(c), SN_E_CANCELLED);
    until(&e->cancelled, 3);
    T_OK(grpc_env_ask(e, ASK(.n = 1), &s, NULL));
    return 0;
}
SN_TEST(grpc_cancel)
{
    struct grpc_env e = {.body = cancel_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

/* ---- interceptors ----------------------------------------------------------------------------- */

static char journal[256];
static void note(const char *s)
{
    size_t n = strlen(journal);
    snprintf(journal + n, sizeof(journal) - n, "%s", s);
}
static int around(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    note(arg);
    note("(");
    if (sn_grpc_metadata(c, "x-refuse").ptr && c->server && *(char *)arg == 'S')
        return sn_grpc_fail(c, SN_E_PERMISSION_DENIED, "refused");
    int r = sn_grpc_next(c, next);
    if (c->server) T_EQ(sn_grpc_next(c, next), SN_E_FAILED_PRECONDITION);
    note(")");
    return r;
}
static void done(struct sn_grpc_call *c, void *arg)
{
    note(arg);
    note(c->status.code ? "!" : ".");
}
static int intercept_body(struct grpc_env *e)
{
    said_t *s;
    struct sn_grpc_call *c;
    T_OK(grpc_env_ask(e, ASK(.n = 1), &s, NULL));
    T_CSTR(journal, "A(B(S(T())T.S.))B.A.");
    journal[0] = 0;
    T_OK(sennit_grpctest_echo_both_open(e->ch, NULL, &c));
    T_OK(sn_grpc_close_send(c));
    T_EQ(sennit_grpctest_echo_both_recv(c, NULL, &s), 0);
    T_EQ(sn_grpc_close(c), 0);
    T_CSTR(journal, "A(B())S(T())T.S.B.A.");
    journal[0] = 0;
    static const struct sn_http_header md[] = {{SN_STR_INIT("x-refuse"), SN_STR_INIT("1")}};
    struct sn_grpc_opts o = {.metadata = md, .n_metadata = 1};
    unsigned calls = e->calls;
    T_EQ(grpc_env_ask(e, ASK(.n = 1), &s, &o), SN_E_PERMISSION_DENIED);
    T_CSTR(journal, "A(B(S(S!))B!A!");
    T_EQ(e->calls, calls);
    return 0;
}
SN_TEST(grpc_interceptors)
{
    struct sn_grpc_interceptor client[] = {{"A", around, done, NULL, "A"}, {"B", around, done, NULL, "B"}};
    struct sn_grpc_interceptor server[] = {{"S", around, done, NULL, "S"}, {"T", around, done, NULL, "T"}};
    struct grpc_env e = {.body = intercept_body, .gso = {.interceptors = server, .n_interceptors = 2},
                         .co = {.interceptors = client, .n_interceptors = 2}, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

/* ---- retries ---------------------------------------------------------------------------------- */

static unsigned flaky_left, attempts;
static bool single; /* every attempt is another call's first */
static int flaky(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    attempts++;
    struct sn_str n = sn_http_headers_get(&c->http->req.headers, SN_STR("grpc-previous-rpc-attempts"));
    T_EQ(n.ptr ? n.ptr[0] - '0' : 0, single ? 0 : attempts - 1);
    if (flaky_left && flaky_left--) return sn_grpc_fail(c, SN_E_UNAVAILABLE, "not now");
    return sn_grpc_next(c, next);
}
static int retry_body(struct grpc_env *e)
{
    said_t *s;
    flaky_left = 2;
    attempts = 0;
    T_OK(grpc_env_ask(e, ASK(.n = 1), &s, NULL));
    T_EQ(attempts, 3);
    flaky_left = 100; /* the policy's limit */
    attempts = 0;
    T_EQ(grpc_env_ask(e, ASK(.n = 1), &s, NULL), SN_E_UNAVAILABLE);
    T_EQ(attempts, 4);
    attempts = 0;
    struct sn_grpc_opts o = {.no_retry = true};
    T_EQ(grpc_env_ask(e, ASK(.n = 1), &s, &o), SN_E_UNAVAILABLE);
    T_EQ(attempts, 1);
    attempts = 0; /* another status is not the policy's */
    flaky_left = 0;
    T_EQ(grpc_env_ask(e, ASK(.code = 5), &s, NULL), SN_E_NOT_FOUND);
    T_EQ(attempts, 1);
    /* Tokens run out: 10 to begin with, 2 were spent and 4 more, so at 5 the rest goes unretried. */
    flaky_left = 100;
    attempts = 0;
    single = true;
    for (int i = 0; i < 5; i++) T_EQ(grpc_env_ask(e, ASK(.n = 1), &s, NULL), SN_E_UNAVAILABLE);
    T_EQ(attempts, 5);
    return 0;
}
SN_TEST(grpc_retries)
{
    struct sn_grpc_interceptor server[] = {{"flaky", flaky, NULL, NULL, NULL}};
    struct grpc_env e = {
        .body = retry_body,
        .rt = {.workers = 1},
        .gso = {.interceptors = server, .n_interceptors = 1},
        .co = {.service_config = SN_STR(
                   "{\"retryThrottling\":{\"maxTokens\":10,\"tokenRatio\":0.1},\"methodConfig\":[{"
                   "\"name\":[{\"service\":\"sennit.grpctest.Echo\"}],\"retryPolicy\":{"
                   "\"maxAttempts\":4,\"initialBackoff\":\"0.001s\",\"maxBackoff\":\"0.01s\","
                   "\"backoffMultiplier\":2,\"retryableStatusCodes\":[\"UNAVAILABLE\"]}}]}")}};
    grpc_env_run(&e);
}

static int config_refused(void *arg)
{
    static const struct {
        const char *json, *says;
    } rows[] = {
        {"[]", "expected an object"},
        {"{", "service config"},
        {"{\"retryThrottling\":{\"maxTokens\":0}}", "maxTokens"},
        {"{\"methodConfig\":[{\"name\":[{}],\"timeout\":\"1\"}]}", "timeout"},
        {"{\"methodConfig\":[{\"name\":[{\"method\":\"x\"}]}]}", "without a service"},
        {"{\"methodConfig\":[{\"name\":[{}],\"retryPolicy\":{\"maxAttempts\":1}}]}", "maxAttempts"},
        {"{\"methodConfig\":[{\"name\":[{}],\"retryPolicy\":{\"maxAttempts\":3,\"initialBackoff\":"
         "\"1s\",\"maxBackoff\":\"1s\",\"backoffMultiplier\":1,\"retryableStatusCodes\":[\"NO\"]}}]}",
         "no status NO"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_grpc_channel *ch;
        struct sn_grpc_channel_opts o = {.service_config = sn_str(rows[i].json)};
        sn_test_row("%s", rows[i].json);
        T_EQ(sn_grpc_channel_new("localhost:1", &o, &ch), SN_E_SYNTAX);
        T_ASSERTF(strstr(sn_diag_str(SN_E_SYNTAX), rows[i].says), "%s", sn_diag_str(SN_E_SYNTAX));
    }
    struct sn_grpc_channel *ch;
    T_EQ(sn_grpc_channel_new("", NULL, &ch), SN_E_SYNTAX);
    T_EQ(sn_grpc_channel_new("dns:///", NULL, &ch), SN_E_SYNTAX);
    T_EQ(sn_grpc_channel_new("dns://8.8.8.8/x:1", NULL, &ch), SN_E_SYNTAX);
    T_EQ(sn_grpc_channel_new("xds:///x", NULL, &ch), SN_E_NOT_FOUND);
    return 0;
}
SN_TEST(grpc_bad_configs) { T_OK(sn_rt_run(NULL, config_refused, NULL)); }

/* ---- connections ------------------------------------------------------------------------------ */

static int nobody(void *arg)
{
    struct sn_grpc_channel *ch;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    said_t *s;
    T_OK(sn_grpc_channel_new("127.0.0.1:1", NULL, &ch));
    T_EQ(sennit_grpctest_echo_unary_call(ch, ASK(), &a, &s, NULL), SN_E_UNAVAILABLE);
    T_ASSERT(strstr(sn_diag_str(SN_E_UNAVAILABLE), "127.0.0.1:1"));
    T_EQ(sn_grpc_channel_state(ch, false), SN_GRPC_TRANSIENT_FAILURE);
    struct sn_grpc_opts o = {.wait_for_ready = true, .timeout_ns = 30 * SN_MS};
    T_EQ(sennit_grpctest_echo_unary_call(ch, ASK(), &a, &s, &o), SN_E_DEADLINE_EXCEEDED);
    sn_grpc_channel_free(ch);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(grpc_nobody_listens)
{
    struct sn_rt_opts rt = {.workers = 1};
    T_OK(sn_rt_run(&rt, nobody, NULL));
}

/* The connection's age ends it again and again: no call notices. */
static int age_body(struct grpc_env *e)
{
    said_t *s;
    for (int i = 0; i < 400; i++) {
        T_OK(grpc_env_ask(e, ASK(.n = i), &s, NULL));
        T_OK(sn_sleep(2 * SN_MS));
    }
    struct sn_grpc_channel_stats cs;
    sn_grpc_channel_stats(e->ch, &cs);
    T_ASSERTF(cs.connects >= 2, "%llu connections", (unsigned long long)cs.connects);
    T_EQ(cs.calls_ok, 400);
    return 0;
}
SN_TEST(grpc_connection_age)
{
    struct grpc_env e = {.body = age_body, .rt = {.workers = 1},
                         .hso = {.h2_age_ns_max = 100 * SN_MS, .h2_age_grace_ns = SN_SEC}};
    grpc_env_run(&e);
}

struct many {
    struct grpc_env *e;
    unsigned n;
    struct sn_waitgroup wg;
};
static void one_of_many(void *arg)
{
    struct many *m = arg;
    for (unsigned i = 0; i < m->n; i++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        said_t *s;
        T_OK(sennit_grpctest_echo_unary_call(m->e->ch, ASK(.n = (int)i), &a, &s, NULL));
        T_EQ(s->n, i + 1);
        sn_arena_done(&a);
    }
    sn_waitgroup_done(&m->wg);
}
static int many_body(struct grpc_env *e)
{
    struct many m = {.e = e, .n = 30};
    sn_waitgroup_add(&m.wg, 200);
    for (int i = 0; i < 200; i++) T_OK(sn_go("caller", one_of_many, &m));
    T_OK(sn_waitgroup_wait(&m.wg));
    return 0;
}
SN_TEST_SLOW(grpc_many_workers, 60)
{
    struct grpc_env e = {.body = many_body, .rt = {.workers = 4}};
    grpc_env_run(&e);
}
/* More calls at once than the server admits streams: they wait for their turn. */
SN_TEST_SLOW(grpc_few_streams, 60)
{
    struct grpc_env e = {.body = many_body, .rt = {.workers = 1}, .hso = {.h2_streams_max = 3}};
    grpc_env_run(&e);
}
SN_TEST_SLOW(grpc_round_robin, 60)
{
    struct grpc_env e = {.body = many_body, .rt = {.workers = 2}, .co = {.lb = &sn_grpc_round_robin}};
    grpc_env_run(&e);
}
