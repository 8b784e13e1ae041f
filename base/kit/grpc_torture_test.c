/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_torture_test.c - the k-th allocation of a call, on either side, fails, for every k until one
 * gets through untouched: an error or an answer each time, and the next call works. And peers that
 * mean no good: PINGs without end, resets without end, windows that never open. */
#include "core/alloc.h"
#include "kit/grpc_env_test.h"
#include "tests/harness/test.h"
#include "tests/harness/h2_bare.h"

static int64_t torture_left; /* allocations until the one that fails; < 0: none */
static bool torture_fail(size_t size) { return torture_left >= 0 && torture_left-- == 0; }
static const struct sn_alloc_hooks torture_hooks = {.fail = torture_fail};

static int try_unary(struct grpc_env *e)
{
    said_t *s;
    struct sn_http_headers head = {0};
    static const struct sn_http_header md[] = {{SN_STR_INIT("x-echo"), SN_STR_INIT("v")}};
    struct sn_grpc_opts o = {.metadata = md, .n_metadata = 1, .ret_metadata = &head,
                             .compress = SN_GRPC_GZIP};
    int r = grpc_env_ask(e, &(ask_t){.n = 1, .text = SN_STR("x")}, &s, &o);
    if (r == 0) T_EQ(s->n, 2);
    return r;
}
static int try_failure(struct grpc_env *e)
{
    said_t *s;
    struct sn_grpc_status st;
    struct sn_grpc_opts o = {.ret_status = &st};
    int r = grpc_env_ask(e, &(ask_t){.n = 1, .code = 5, .text = SN_STR("x")}, &s, &o);
    T_ASSERT(r < 0);
    return r == SN_E_NOT_FOUND ? 0 : r;
}
static int try_both(struct grpc_env *e)
{
    struct sn_grpc_call *c;
    said_t *s = NULL;
    int r = sennit_grpctest_echo_both_open(e->ch, NULL, &c);
    if (r < 0) return r;
    for (int i = 0; i < 3 && r >= 0; i++) {
        r = sennit_grpctest_echo_both_send(c, &(ask_t){.n = i});
        if (r == 0) r = sennit_grpctest_echo_both_recv(c, NULL, &s);
        if (r == 0) break; /* the call ended early, with OK: never */
        if (r > 0) T_EQ(s->n, i + 1);
    }
    T_ASSERT(r != 0);
    if (r > 0) r = sn_grpc_close_send(c);
    if (r == 0 || r == SN_E_EOF) r = sn_grpc_recv(c, NULL, &(void *){NULL});
    int end = sn_grpc_close(c);
    return r < 0 ? r : end;
}
static int try_channel(struct grpc_env *e)
{
    struct sn_grpc_channel *ch;
    struct sn_grpc_channel_opts o = {.backoff_ns = SN_MS, .lb = &sn_grpc_round_robin};
    said_t *s;
    int r = sn_grpc_channel_new(e->addr, &o, &ch);
    if (r < 0) return r;
    r = sennit_grpctest_echo_unary_call(ch, &(ask_t){.n = 1}, &e->a, &s, NULL);
    sn_grpc_channel_free(ch);
    return r;
}

static int torture_body(struct grpc_env *e)
{
    static int (*const kinds[])(struct grpc_env *) = {try_unary, try_failure, try_both, try_channel};
    said_t *s;
    for (size_t kind = 0; kind < SN_COUNT_OF(kinds); kind++)
        for (int k = 0;; k++) {
            sn_test_row("kind %zu, allocation %d", kind, k);
            T_ASSERT(k < 2000);
            int64_t prev = sn_deadline_tighten(sn_now() + 15 * SN_SEC);
            torture_left = k;
            sn_alloc_set_hooks(&torture_hooks);
            int r = kinds[kind](e);
            bool untouched = torture_left >= 0;
            sn_alloc_set_hooks(NULL);
            sn_deadline_restore(prev);
            T_ASSERTF(r != SN_E_DEADLINE_EXCEEDED, "hangs");
            if (untouched) {
                T_OK(r);
                break;
            }
            struct sn_grpc_opts o = {.wait_for_ready = true, .timeout_ns = 15 * SN_SEC};
            T_OK(grpc_env_ask(e, &(ask_t){.n = k}, &s, &o));
            T_EQ(s->n, k + 1);
            sn_arena_reset(&e->a);
        }
    return 0;
}
SN_TEST_SLOW(grpc_torture, 180)
{
    struct grpc_env e = {.body = torture_body, .rt = {.workers = 1}, .co = {.backoff_ns = SN_MS},
                         .gso = {.compress = true}};
    grpc_env_run(&e);
}

/* ---- hostile clients -------------------------------------------------------------------------- */

static const struct sn_http_header grpc_headers[] = {
    {SN_STR_INIT("content-type"), SN_STR_INIT("application/grpc")},
    {SN_STR_INIT("te"), SN_STR_INIT("trailers")}};

/* PINGs that are too close: the third strike ends the connection, whatever budget is left. */
static int pings_body(struct grpc_env *e)
{
    struct bare b;
    bare_open(&b, e->addr);
    unsigned sent = 0;
    bool over = false;
    for (; sent < 50 && !over; sent++) {
        T_OK(sn_h2_ping(b.h));
        bare_flush(&b);
        char buf[256];
        ssize_t n = sn_read(b.st, buf, sizeof(buf));
        if (n <= 0) break;
        over = sn_str_find(sn_str_of(buf, (size_t)n), SN_STR("too_many_pings")) >= 0;
    }
    T_ASSERTF(over, "%u PINGs went unpunished", sent);
    T_ASSERT(sent <= 5);
    bare_done(&b);
    return 0;
}
SN_TEST(grpc_too_many_pings)
{
    struct grpc_env e = {.body = pings_body, .rt = {.workers = 1}, .no_channel = true};
    grpc_env_run(&e);
}

/* Calls that are reset at once: handlers end, and the connection does before long. */
static int resets_body(struct grpc_env *e)
{
    static const char frame[] = "\0\0\0\0\4\x18\xe0\xd4\3"; /* Ask{sleep_ms: 60000} */
    struct bare b;
    bare_open(&b, e->addr);
    unsigned sent = 0;
    int32_t last = 0;
    for (; sent < 2000; sent++) {
        struct sn_http_headers hs = {(struct sn_http_header *)grpc_headers, 2, 2};
        struct sn_h2_request rq = {.method = SN_STR("POST"), .scheme = SN_STR("http"),
                                   .authority = SN_STR("a"), .path = SN_STR("/sennit.grpctest.Echo/Unary"),
                                   .headers = &hs, .body = true};
        last = sn_h2_request(b.h, &rq, &b.arena, &b);
        if (last < 0) break;
        b.id = last;
        b.out = sn_str_of(frame, sizeof(frame) - 1);
        b.out_end = true;
        struct sn_buf w = {0};
        int r = sn_h2_send(b.h, &w, 1 << 20);
        sn_h2_reset(b.h, last, SN_H2_CANCEL);
        if (r == 0) r = sn_h2_send(b.h, &w, 1 << 20);
        ssize_t n = w.len ? sn_write(b.st, w.ptr, w.len) : 0;
        sn_buf_done(&w);
        if (n < 0 || !bare_turn(&b, 2 * SN_MS)) sn_yield();
        if (n < 0 || sn_h2_streams_left(b.h) == 0) break;
    }
    T_ASSERTF(sent < 2000, "%u resets went unpunished", sent);
    bare_done(&b);
    for (int i = 0;; i++) { /* no handler is left sleeping */
        struct sn_grpc_server_stats st;
        sn_grpc_server_stats(e->grpc, &st);
        if (st.calls_active == 0) break;
        T_ASSERT(i < 2000);
        T_OK(sn_sleep(5 * SN_MS));
    }
    return 0;
}
SN_TEST_SLOW(grpc_rapid_reset, 60)
{
    struct grpc_env e = {.body = resets_body, .rt = {.workers = 1}, .no_channel = true};
    grpc_env_run(&e);
}
