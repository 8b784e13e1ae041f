/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_retry_test.c - streams that are tried again (gRFC A6): the server fails attempts at chosen
 * points, and what the caller sees is one stream: every message once and in order, or the failure. */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/sim.h"
#include "kit/grpc_env_test.h"
#include "tests/harness/test.h"

/* How the server spoils the first `left` attempts. */
static struct {
    unsigned left, attempts;
    int after;            /* requests read first */
    bool head;            /* and a head sent */
    const char *pushback; /* grpc-retry-pushback-ms */
    unsigned last_before; /* grpc-previous-rpc-attempts of the last attempt */
} spoil;

static int spoiler(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    struct sn_str v = sn_http_headers_get(&c->http->req.headers, SN_STR("grpc-previous-rpc-attempts"));
    uint64_t n = 0;
    if (v.ptr) T_OK(sn_str_to_u64(v, &n));
    spoil.last_before = (unsigned)n;
    spoil.attempts++;
    if (!spoil.left) return sn_grpc_next(c, next);
    spoil.left--;
    struct sn_str m;
    for (int i = 0; i < spoil.after; i++)
        if (sn_grpc_recv_raw(c, &m) < 0) return SN_E_CANCELLED;
    if (spoil.head && sn_grpc_send_head(c) < 0) return SN_E_CANCELLED;
    if (spoil.pushback)
        (void)!sn_grpc_trailer_add(c, SN_STR("grpc-retry-pushback-ms"), sn_str(spoil.pushback));
    return sn_grpc_fail(c, SN_E_UNAVAILABLE, "spoiled");
}
static const struct sn_grpc_interceptor spoilers[] = {{"spoiler", spoiler, NULL, NULL, NULL}};

#define POLICY(attempts, throttling)                                                             \
    SN_STR("{" throttling "\"methodConfig\":[{\"name\":[{}],\"retryPolicy\":{\"maxAttempts\":" attempts  \
           ",\"initialBackoff\":\"0.001s\",\"maxBackoff\":\"0.01s\",\"backoffMultiplier\":2,"            \
           "\"retryableStatusCodes\":[\"UNAVAILABLE\"]}}]}")

static void run(struct grpc_env *e)
{
    e->gso.interceptors = spoilers;
    e->gso.n_interceptors = 1;
    e->rt.workers = 1;
    grpc_env_run(e);
}
static void spoil_next(unsigned n, int after)
{
    memset(&spoil, 0, sizeof(spoil));
    spoil.left = n;
    spoil.after = after;
}

/* ---- each kind of stream ---------------------------------------------------------------------- */

static int ask_down(struct grpc_env *e, const ask_t *q, int *got)
{
    struct sn_grpc_call *c;
    said_t *s;
    *got = 0;
    int r = sennit_grpctest_echo_down_open(e->ch, q, NULL, &c);
    if (r < 0) return r;
    while ((r = sennit_grpctest_echo_down_recv(c, NULL, &s)) == 1) {
        T_EQ(s->n, *got);
        ++*got;
    }
    T_EQ(sn_grpc_close(c), r);
    return r;
}
static int send_up(struct grpc_env *e, int n, const char *pad, size_t len, int *sum)
{
    struct sn_grpc_call *c;
    said_t *s = NULL;
    int r = sennit_grpctest_echo_up_open(e->ch, NULL, &c);
    if (r < 0) return r;
    for (int i = 1; i <= n && r == 0; i++)
        r = sennit_grpctest_echo_up_send(c, &(ask_t){.n = i, .pad = sn_str_of(pad, len)});
    if (r == 0) r = sn_grpc_close_send(c);
    if (r == SN_E_EOF || r == 0) r = sennit_grpctest_echo_up_recv(c, &e->a, &s);
    if (r > 0) *sum = s->n;
    int end = sn_grpc_close(c);
    return r < 0 ? r : end;
}

static int kinds_body(struct grpc_env *e)
{
    int n = 0;
    spoil_next(2, 0);
    T_OK(ask_down(e, &(ask_t){.n = 5}, &n));
    T_EQ(n, 5);
    T_EQ(spoil.attempts, 3);
    T_EQ(spoil.last_before, 2);
    for (int after = 0; after < 6; after++) {
        sn_test_row("client streams, spoiled after %d", after);
        spoil_next(3, after);
        T_OK(send_up(e, 5, "", 0, &n));
        T_EQ(n, 15);
        T_EQ(spoil.attempts, 4);
    }
    for (int after = 0; after < 2; after++) {
        struct sn_grpc_call *c;
        said_t *s;
        sn_test_row("both, spoiled after %d", after);
        spoil_next(2, after);
        T_OK(sennit_grpctest_echo_both_open(e->ch, NULL, &c));
        for (int i = 0; i < 4; i++) {
            T_OK(sennit_grpctest_echo_both_send(c, &(ask_t){.n = i}));
            T_EQ(sennit_grpctest_echo_both_recv(c, NULL, &s), 1);
            T_EQ(s->n, i + 1);
        }
        T_OK(sn_grpc_close_send(c));
        T_EQ(sennit_grpctest_echo_both_recv(c, NULL, &s), 0);
        T_EQ(sn_grpc_close(c), 0);
        T_EQ(spoil.attempts, 3);
    }
    struct sn_grpc_call *c; /* its initial metadata is the good attempt's */
    spoil_next(1, 0);
    T_OK(sennit_grpctest_echo_down_open(e->ch, &(ask_t){.n = 1}, NULL, &c));
    T_OK(sn_grpc_recv_head(c));
    T_EQ(spoil.attempts, 2);
    said_t *s;
    T_EQ(sennit_grpctest_echo_down_recv(c, NULL, &s), 1);
    T_EQ(sn_grpc_close(c), 0); /* all of it was here: OK, though nobody asked */
    return 0;
}
SN_TEST(grpc_retry_streams)
{
    struct grpc_env e = {.body = kinds_body, .co = {.service_config = POLICY("4", "")}};
    run(&e);
}

/* ---- when there is no further attempt --------------------------------------------------------- */

static int final_body(struct grpc_env *e)
{
    int n = 0;
    spoil_next(100, 1); /* the policy's number */
    T_EQ(ask_down(e, &(ask_t){.n = 5}, &n), SN_E_UNAVAILABLE);
    T_ASSERT(strstr(sn_diag_str(SN_E_UNAVAILABLE), "spoiled"));
    T_EQ(spoil.attempts, 4);
    spoil_next(100, 1); /* a head has been shown */
    spoil.head = true;
    T_EQ(ask_down(e, &(ask_t){.n = 5}, &n), SN_E_UNAVAILABLE);
    T_EQ(spoil.attempts, 1);
    spoil_next(0, 0); /* so have messages */
    T_EQ(ask_down(e, &(ask_t){.n = 3, .code = 14, .text = SN_STR("late")}, &n), SN_E_UNAVAILABLE);
    T_EQ(n, 3);
    T_EQ(spoil.attempts, 1);
    spoil_next(0, 0); /* another status */
    T_EQ(ask_down(e, &(ask_t){.n = 0, .code = 5, .text = SN_STR("no")}, &n), SN_E_NOT_FOUND);
    T_EQ(spoil.attempts, 1);
    spoil_next(100, 0);
    spoil.pushback = "-1"; /* the server's word */
    T_EQ(ask_down(e, &(ask_t){.n = 5}, &n), SN_E_UNAVAILABLE);
    T_EQ(spoil.attempts, 1);
    spoil_next(100, 0);
    spoil.pushback = "soon"; /* what is no number is a no */
    T_EQ(ask_down(e, &(ask_t){.n = 5}, &n), SN_E_UNAVAILABLE);
    T_EQ(spoil.attempts, 1);
    spoil_next(1, 0);
    spoil.pushback = "60";
    int64_t begun = sn_now();
    T_OK(ask_down(e, &(ask_t){.n = 5}, &n));
    T_ASSERT(sn_now() - begun >= 60 * SN_MS);
    /* A pause beyond the deadline is not begun. */
    spoil_next(1, 0);
    spoil.pushback = "100000";
    int64_t prev = sn_deadline_tighten(sn_now() + 20 * SN_SEC);
    T_EQ(ask_down(e, &(ask_t){.n = 5}, &n), SN_E_UNAVAILABLE);
    sn_deadline_restore(prev);
    T_EQ(spoil.attempts, 1);
    return 0;
}
SN_TEST(grpc_retry_ends)
{
    struct grpc_env e = {.body = final_body, .co = {.service_config = POLICY("4", "")}};
    run(&e);
}

static int limit_body(struct grpc_env *e)
{
    static char pad[3000];
    int n;
    spoil_next(1, 3); /* 3 of 900 bytes are kept within 3000 */
    T_OK(send_up(e, 3, pad, 900, &n));
    T_EQ(n, 6);
    T_EQ(spoil.attempts, 2);
    spoil_next(1, 4); /* 4 are not */
    T_EQ(send_up(e, 4, pad, 900, &n), SN_E_UNAVAILABLE);
    T_EQ(spoil.attempts, 1);
    spoil_next(1, 0); /* it was spoiled before the limit was passed, found out or not: both are right */
    int r = send_up(e, 4, pad, 900, &n);
    T_ASSERT(r == 0 ? n == 10 && spoil.attempts == 2 : r == SN_E_UNAVAILABLE);
    spoil_next(0, 0); /* and nothing is lost behind it */
    T_OK(send_up(e, 400, pad, 2900, &n));
    T_EQ(n, 400 * 401 / 2);
    return 0;
}
SN_TEST(grpc_retry_keeps_so_much)
{
    struct grpc_env e = {.body = limit_body,
                         .co = {.service_config = POLICY("4", ""), .retry_bytes_max = 3000}};
    run(&e);
}

static int throttle_body(struct grpc_env *e)
{
    int n;
    spoil_next(100, 0); /* 10 tokens: 3 retries until half of them is gone, the first of all counts too */
    T_EQ(ask_down(e, &(ask_t){.n = 1}, &n), SN_E_UNAVAILABLE);
    T_EQ(spoil.attempts, 4);
    spoil_next(100, 0);
    T_EQ(ask_down(e, &(ask_t){.n = 1}, &n), SN_E_UNAVAILABLE);
    T_EQ(spoil.attempts, 1);
    for (int i = 0; i < 3; i++) { /* good ones pay back one each */
        spoil_next(0, 0);
        T_OK(ask_down(e, &(ask_t){.n = 1}, &n));
    }
    spoil_next(1, 0);
    T_OK(ask_down(e, &(ask_t){.n = 1}, &n));
    T_EQ(spoil.attempts, 2);
    return 0;
}
SN_TEST(grpc_retry_throttles_streams)
{
    struct grpc_env e = {
        .body = throttle_body,
        .co = {.service_config =
                   POLICY("4", "\"retryThrottling\":{\"maxTokens\":10,\"tokenRatio\":1},")}};
    run(&e);
}

/* ---- two fibers on one stream, and one that cancels ------------------------------------------- */

struct two {
    struct sn_grpc_call *c;
    struct sn_waitgroup wg;
    int n, sent;
};
static void sender(void *arg)
{
    struct two *t = arg;
    static char pad[20000];
    int r = 0;
    for (int i = 0; i < t->n && r == 0; i++, t->sent++)
        r = sennit_grpctest_echo_both_send(t->c, &(ask_t){.n = i, .pad = sn_str_of(pad, sizeof(pad))});
    if (r == 0) r = sn_grpc_close_send(t->c);
    T_ASSERTF(r == 0 || r == SN_E_EOF || r == SN_E_CANCELLED || r == SN_E_DEADLINE_EXCEEDED,
              "%s", sn_status_name(r));
    sn_waitgroup_done(&t->wg);
}
static int two_body(struct grpc_env *e)
{
    for (int after = 0; after < 12; after++) {
        struct two t = {.n = 40};
        said_t *s;
        int got = 0, r;
        sn_test_row("spoiled after %d", after);
        spoil_next(2, after);
        T_OK(sennit_grpctest_echo_both_open(e->ch, NULL, &t.c));
        sn_waitgroup_add(&t.wg, 1);
        T_OK(sn_go("sender", sender, &t));
        while ((r = sennit_grpctest_echo_both_recv(t.c, NULL, &s)) == 1) {
            T_EQ(s->n, got + 1);
            T_EQ(s->pad.len, 20000);
            got++;
        }
        T_EQ(r, 0);
        T_EQ(got, 40);
        T_EQ(spoil.attempts, 3);
        T_OK(sn_waitgroup_wait(&t.wg));
        T_EQ(sn_grpc_close(t.c), 0);
    }
    return 0;
}
SN_TEST(grpc_retry_with_two_fibers)
{
    struct grpc_env e = {.body = two_body,
                         .co = {.service_config = POLICY("4", ""), .retry_bytes_max = 4u << 20}};
    run(&e);
}

static void canceller(void *arg)
{
    struct two *t = arg;
    T_OK(sn_sleep(30 * SN_MS));
    sn_grpc_cancel(t->c);
    sn_waitgroup_done(&t->wg);
}
static int cancel_body(struct grpc_env *e)
{
    struct two t = {0};
    said_t *s;
    spoil_next(1, 0);
    spoil.pushback = "3600000"; /* it is in the pause */
    T_OK(sennit_grpctest_echo_both_open(e->ch, NULL, &t.c));
    T_OK(sennit_grpctest_echo_both_send(t.c, &(ask_t){.n = 1}));
    sn_waitgroup_add(&t.wg, 1);
    T_OK(sn_go("canceller", canceller, &t));
    T_EQ(sennit_grpctest_echo_both_recv(t.c, NULL, &s), SN_E_CANCELLED);
    T_OK(sn_waitgroup_wait(&t.wg));
    T_EQ(sn_grpc_close(t.c), SN_E_CANCELLED);
    T_EQ(spoil.attempts, 1);
    /* It waits for a connection: the server is gone. */
    struct sn_grpc_opts o = {.wait_for_ready = true};
    spoil_next(1, 0);
    spoil.pushback = "40";
    T_OK(sennit_grpctest_echo_both_open(e->ch, &o, &t.c));
    T_OK(sennit_grpctest_echo_both_send(t.c, &(ask_t){.n = 1}));
    T_OK(sn_sleep(20 * SN_MS));
    sn_http_server_drain(e->http, 0);
    sn_waitgroup_add(&t.wg, 1);
    T_OK(sn_go("canceller", canceller, &t));
    T_EQ(sennit_grpctest_echo_both_recv(t.c, NULL, &s), SN_E_CANCELLED);
    T_OK(sn_waitgroup_wait(&t.wg));
    T_EQ(sn_grpc_close(t.c), SN_E_CANCELLED);
    return 0;
}
SN_TEST(grpc_retry_is_cancelled)
{
    struct grpc_env e = {.body = cancel_body, .co = {.service_config = POLICY("4", "")}};
    run(&e);
}

/* ---- allocations that fail -------------------------------------------------------------------- */

static int64_t torture_left;
static bool torture_fail(size_t size) { return torture_left >= 0 && torture_left-- == 0; }
static const struct sn_alloc_hooks torture_hooks = {.fail = torture_fail};

static int torture_body(struct grpc_env *e)
{
    for (int k = 0;; k++) {
        int n = 0;
        sn_test_row("allocation %d", k);
        T_ASSERT(k < 2000);
        int64_t prev = sn_deadline_tighten(sn_now() + 15 * SN_SEC);
        spoil_next(2, 1);
        torture_left = k;
        sn_alloc_set_hooks(&torture_hooks);
        int r = send_up(e, 3, "", 0, &n);
        bool untouched = torture_left >= 0;
        sn_alloc_set_hooks(NULL);
        sn_deadline_restore(prev);
        T_ASSERTF(r != SN_E_DEADLINE_EXCEEDED, "hangs");
        if (r == 0) T_EQ(n, 6);
        if (!untouched) continue;
        T_OK(r);
        return 0;
    }
}
SN_TEST_SLOW(grpc_retry_torture, 240)
{
    struct grpc_env e = {.body = torture_body,
                         .co = {.service_config = POLICY("4", ""), .backoff_ns = SN_MS}};
    run(&e);
}

/* ---- on a simulated network ------------------------------------------------------------------- */

struct world {
    bool partition, age;
    double loss;
    struct grpc_env e;
    struct sn_sim_host *host;
    struct sn_event up, over;
    unsigned ok, failed;
};
static int sim_spoiler(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    struct sn_str m;
    if (sn_sim_rand() % 3) return sn_grpc_next(c, next);
    for (uint64_t n = sn_sim_rand() % 4; n; n--)
        if (sn_grpc_recv_raw(c, &m) <= 0) break;
    if (sn_sim_rand() % 4 == 0 && sn_sleep((int64_t)(sn_sim_rand() % 200) * SN_MS) < 0)
        return SN_E_CANCELLED;
    return sn_grpc_fail(c, SN_E_UNAVAILABLE, "spoiled");
}
static const struct sn_grpc_interceptor sim_spoilers[] = {{"spoiler", sim_spoiler, NULL, NULL, NULL}};
static void sim_server(void *arg)
{
    struct world *w = arg;
    char addr[64];
    snprintf(addr, sizeof(addr), "%s:80", sn_sim_host_addr(w->host));
    w->e.no_channel = true;
    w->e.gso = (struct sn_grpc_server_opts){.interceptors = sim_spoilers, .n_interceptors = 1};
    if (w->age) w->e.hso.h2_age_ns_max = 700 * SN_MS;
    grpc_env_up(&w->e, addr);
    sn_event_set(&w->up);
}
/* A stream with a fiber for each direction: what it echoes is what was sent, once and in order. */
static void sim_stream(struct world *w, struct sn_grpc_channel *ch)
{
    struct two t = {.n = (int)(sn_sim_rand() % 20)};
    struct sn_grpc_opts o = {.timeout_ns = 20 * SN_SEC, .wait_for_ready = sn_sim_rand() % 2};
    said_t *s;
    int got = 0, r = sennit_grpctest_echo_both_open(ch, &o, &t.c);
    if (r < 0) {
        w->failed++;
        return;
    }
    sn_waitgroup_add(&t.wg, 1);
    T_OK(sn_go("sender", sender, &t));
    bool cancel = sn_sim_rand() % 8 == 0;
    while ((r = sennit_grpctest_echo_both_recv(t.c, NULL, &s)) == 1) {
        T_EQ(s->n, got + 1);
        got++;
        if (cancel) sn_grpc_cancel(t.c);
    }
    if (r == 0) T_EQ(got, t.n);
    T_ASSERTF(r == 0 || r == SN_E_UNAVAILABLE || r == SN_E_DEADLINE_EXCEEDED || r == SN_E_CANCELLED,
              "status %s: %s", sn_status_name(r), sn_diag_str(r));
    w->ok += r == 0;
    w->failed += r < 0;
    T_OK(sn_waitgroup_wait(&t.wg));
    T_EQ(sn_grpc_close(t.c), r);
}
static void sim_client(void *arg)
{
    struct world *w = arg;
    struct sn_grpc_channel *ch;
    char target[64];
    snprintf(target, sizeof(target), "%s:80", sn_sim_host_addr(w->host));
    struct sn_grpc_channel_opts co = {.service_config = POLICY("4", ""),
                                      .backoff_ns = 10 * SN_MS,
                                      .retry_bytes_max = 100000};
    T_OK(sn_grpc_channel_new(target, &co, &ch));
    for (int i = 0; i < 30; i++) {
        sim_stream(w, ch);
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 200) * SN_MS));
    }
    sn_grpc_channel_free(ch);
    sn_event_set(&w->over);
}
static int sim_main(void *arg)
{
    struct world *w = arg;
    struct sn_sim_host *me = sn_sim_host_new("client");
    w->host = sn_sim_host_new("server");
    T_OK(sn_sim_host_go(w->host, "server", sim_server, w));
    T_OK(sn_event_wait(&w->up));
    if (w->loss > 0) sn_sim_link(me, w->host, 100 * SN_US, 5 * SN_MS, w->loss);
    T_OK(sn_sim_host_go(me, "client", sim_client, w));
    for (int i = 0; w->partition && i < 4; i++) {
        T_OK(sn_sleep((int64_t)(300 + sn_sim_rand() % 1500) * SN_MS));
        sn_sim_partition(me, w->host, true);
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 2000) * SN_MS));
        sn_sim_partition(me, w->host, false);
    }
    T_OK(sn_event_wait(&w->over));
    T_OK(sn_sleep(30 * SN_SEC));
    grpc_env_down(&w->e);
    return 0;
}
static void run_sim(const struct world *kind, unsigned seeds)
{
    unsigned ok = 0, all = 0;
    for (unsigned i = 0; i < sn_test_cases(seeds); i++) {
        uint64_t seed = sn_test_rand(), hash[2];
        sn_test_row("seed %llu", (unsigned long long)seed);
        for (int again = 0; again < 2; again++) {
            struct world w = *kind;
            struct sn_sim_opts o = {.seed = seed};
            int r = sn_sim_run(&o, sim_main, &w, &hash[again]);
            T_ASSERTF(r == 0, "%s", sn_diag_str(r));
            ok += w.ok;
            all += w.ok + w.failed;
        }
        T_ASSERTF(hash[0] == hash[1], "two runs of one seed differ");
    }
    T_ASSERTF(ok > all / 2, "%u of %u streams got through", ok, all);
}
SN_TEST_SLOW(grpc_retry_sim_calm, 120) { run_sim(&(struct world){0}, 6); }
SN_TEST_SLOW(grpc_retry_sim_goaway, 120) { run_sim(&(struct world){.age = true}, 6); }
SN_TEST_SLOW(grpc_retry_sim_partition, 120)
{
    run_sim(&(struct world){.partition = true, .loss = 0.01, .age = true}, 8);
}
