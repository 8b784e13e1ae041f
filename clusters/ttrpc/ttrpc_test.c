/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc/ttrpc_test.c - frames byte by byte; calls of every kind over a real socket; what a peer
 * that breaks the rules gets; and many calls under the simulator's network, the same for the same
 * seed. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clusters/ttrpc/ttrpc.h"
#include "core/torture.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "google/protobuf/wrappers.pb.h"
#include "tests/harness/test.h"

typedef struct google_protobuf_string_value text_t;
#define TEXT &google_protobuf_string_value_desc

/* ---- frames ------------------------------------------------------------------------------------
 */

SN_TEST(frames)
{
    static const char raw[] = "\0\0\0\3\0\0\0\7\3\1abc"
                              "\0\0\0\0\0\0\1\1\2\0";
    struct sn_ttrpc_frame f;
    struct sn_str in = sn_str_of(raw, sizeof(raw) - 1);
    for (size_t n = 0; n < 13; n++) {
        T_EQ(sn_ttrpc_frame_parse(sn_str_sub(in, 0, n), &f), SN_E_AGAIN);
        T_EQ(f.len, n < 10 ? 0 : 3);
    }
    T_EQ(sn_ttrpc_frame_parse(in, &f), 13);
    T_EQ(f.stream, 7);
    T_EQ(f.type, SN_TTRPC_DATA);
    T_EQ(f.flags, SN_TTRPC_REMOTE_CLOSED);
    T_STR(f.data, "abc");
    T_EQ(sn_ttrpc_frame_parse(sn_str_from(in, 13), &f), 10);
    T_EQ(f.stream, 257);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    size_t at = sn_ttrpc_frame_begin(&b);
    sn_buf_cstr(&b, "abc");
    T_OK(sn_ttrpc_frame_end(&b, at, 7, SN_TTRPC_DATA, SN_TTRPC_REMOTE_CLOSED));
    at = sn_ttrpc_frame_begin(&b);
    T_OK(sn_ttrpc_frame_end(&b, at, 257, SN_TTRPC_RESPONSE, 0));
    T_ASSERT(sn_str_eq(sn_buf_view(&b), in));
    at = sn_ttrpc_frame_begin(&b);
    T_OK(sn_buf_reserve(&b, SN_TTRPC_DATA_MAX + 1));
    b.len += SN_TTRPC_DATA_MAX + 1;
    T_EQ(sn_ttrpc_frame_end(&b, at, 1, SN_TTRPC_DATA, 0), SN_E_TOO_LARGE);
    T_ASSERT(sn_str_eq(sn_buf_view(&b), in));
    sn_buf_done(&b);
    T_EQ(sn_ttrpc_frame_parse(sn_str_of("\0\x40\0\1\0\0\0\1\1\0", 10), &f), SN_E_TOO_LARGE);
    T_EQ(f.stream, 1);
    T_EQ(f.len, SN_TTRPC_DATA_MAX + 1);
}

/* ---- a service ---------------------------------------------------------------------------------
 */

static unsigned cancelled;

static int echo(struct sn_ttrpc_call *c, const void *req, void **rep)
{
    const text_t *q = req;
    text_t *p = google_protobuf_string_value_new(sn_ttrpc_arena(c));
    if (!p) return SN_E_NOMEM;
    struct sn_str who = sn_ttrpc_metadata(c, "who");
    p->value = who.len ? sn_arena_printf(sn_ttrpc_arena(c), "%.*s %.*s", SN_STR_ARG(who),
                                         SN_STR_ARG(q->value))
                       : q->value;
    if (sn_str_eqc(q->value, "missing")) return sn_fail(SN_E_NOT_FOUND, "process already finished");
    if (sn_str_eqc(q->value, "panic")) sn_panic("boom");
    if (sn_str_eqc(q->value, "huge")) {
        p->value.ptr = sn_arena_zalloc(sn_ttrpc_arena(c), SN_TTRPC_DATA_MAX);
        p->value.len = SN_TTRPC_DATA_MAX;
    }
    if (sn_str_eqc(q->value, "wait")) {
        int r = sn_sleep(20 * SN_SEC);
        cancelled += r == SN_E_CANCELLED;
        return r;
    }
    *rep = p;
    return 0;
}

static int nothing(struct sn_ttrpc_call *c, const void *req, void **rep) { return 0; }

/* Joins what the client sends, one answer. */
static int join(struct sn_ttrpc_call *c)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    text_t *q;
    int r;
    while ((r = sn_ttrpc_recv(c, (void **)&q)) == 0) {
        sn_buf_str(&b, q->value);
        sn_ttrpc_recv_reset(c);
    }
    if (r == SN_E_EOF) {
        text_t p = {.value = sn_buf_view(&b)};
        r = sn_ttrpc_send(c, &p);
    }
    sn_buf_done(&b);
    return r;
}

/* "5" is answered by five messages. */
static int count(struct sn_ttrpc_call *c)
{
    text_t *q;
    int r = sn_ttrpc_recv(c, (void **)&q);
    if (r < 0) return r;
    uint64_t n;
    if (sn_str_to_u64(q->value, &n) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "\"%.*s\" is no number", SN_STR_ARG(q->value));
    for (uint64_t i = 0; i < n && r == 0; i++) {
        char t[24];
        snprintf(t, sizeof(t), "%llu", (unsigned long long)i);
        text_t p = {.value = sn_str(t)};
        r = sn_ttrpc_send(c, &p);
    }
    return r;
}

static int both(struct sn_ttrpc_call *c)
{
    text_t *q;
    int r;
    while ((r = sn_ttrpc_recv(c, (void **)&q)) == 0) {
        r = sn_ttrpc_send(c, q);
        if (r < 0) return r;
        sn_ttrpc_recv_reset(c);
    }
    return r == SN_E_EOF ? 0 : r;
}

/* Never receives: its queue fills up. */
static int deaf(struct sn_ttrpc_call *c) { return sn_sleep(20 * SN_SEC); }

static const struct sn_ttrpc_method methods[] = {
    {.name = "Echo", .in = TEXT, .out = TEXT, .unary = echo},
    {.name = "Nothing", .in = TEXT, .out = TEXT, .unary = nothing},
    {.name = "Join",
     .in = TEXT,
     .out = TEXT,
     .client_streams = true,
     .server_streams = true,
     .stream = join},
    {.name = "Count", .in = TEXT, .out = TEXT, .server_streams = true, .stream = count},
    {.name = "Both",
     .in = TEXT,
     .out = TEXT,
     .client_streams = true,
     .server_streams = true,
     .stream = both},
    {.name = "Deaf",
     .in = TEXT,
     .out = TEXT,
     .client_streams = true,
     .server_streams = true,
     .stream = deaf},
    {.name = "Later", .in = TEXT, .out = TEXT},
};
static const struct sn_ttrpc_service service = {"test.Text", methods, SN_COUNT_OF(methods)};
enum { ECHO, NOTHING, JOIN, COUNT, BOTH, DEAF, LATER };

struct env {
    struct sn_ttrpc_server *s;
    struct sn_listener *l;
    char dir[64], addr[96];
    struct sn_event ended;
    int r;
};

static void serve(void *arg)
{
    struct env *e = arg;
    e->r = sn_ttrpc_server_run(e->s, e->l);
    sn_event_set(&e->ended);
}

static void env_up(struct env *e, const char *addr)
{
    *e = (struct env){0};
    if (addr) {
        snprintf(e->addr, sizeof(e->addr), "%s", addr);
    } else {
        snprintf(e->dir, sizeof(e->dir), "/tmp/sn_ttrpc.XXXXXX");
        T_ASSERT(mkdtemp(e->dir));
        snprintf(e->addr, sizeof(e->addr), "unix:%s/s", e->dir);
    }
    T_OK(sn_listen(e->addr, NULL, &e->l));
    T_OK(sn_ttrpc_server_new(&e->s));
    T_OK(sn_ttrpc_server_add(e->s, &service, e));
    T_EQ(sn_ttrpc_server_add(e->s, &service, e), SN_E_ALREADY_EXISTS);
    T_OK(sn_go_on(0, "server", serve, e));
}

static void env_down(struct env *e)
{
    sn_ttrpc_server_stop(e->s);
    T_OK(sn_event_wait(&e->ended));
    T_OK(e->r);
    sn_ttrpc_server_free(e->s);
    sn_listener_close(e->l);
    if (e->dir[0]) {
        unlink(e->addr + 5);
        rmdir(e->dir);
    }
}

static int ask(struct sn_ttrpc_client *c, unsigned m, const char *text, struct sn_arena *a,
               struct sn_str *ret)
{
    text_t q = {.value = sn_str(text)}, *p = NULL;
    int r = sn_ttrpc_invoke(c, "test.Text", &methods[m], &q, a, (void **)&p, NULL);
    if (r >= 0) *ret = p->value;
    return r;
}

static int unary_main(void *arg)
{
    struct env e;
    env_up(&e, NULL);
    struct sn_ttrpc_client *c;
    T_OK(sn_ttrpc_dial(e.addr, &c));
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_str s;
    T_OK(ask(c, ECHO, "hello", &a, &s));
    T_STR(s, "hello");
    T_OK(ask(c, NOTHING, "hello", &a, &s));
    T_STR(s, "");
    T_EQ(ask(c, ECHO, "missing", &a, &s), SN_E_NOT_FOUND);
    T_ASSERTF(strstr(sn_diag_str(SN_E_NOT_FOUND), "process already finished"), "%s",
              sn_diag_str(SN_E_NOT_FOUND));
    T_EQ(ask(c, LATER, "x", &a, &s), SN_E_UNIMPLEMENTED);
    T_EQ(ask(c, ECHO, "panic", &a, &s), SN_E_INTERNAL);
    T_EQ(ask(c, ECHO, "huge", &a, &s), SN_E_RESOURCE_EXHAUSTED);
    T_EQ(sn_ttrpc_invoke(c, "no.Such", &methods[ECHO], &(text_t){0}, &a, &(void *){NULL}, NULL),
         SN_E_UNIMPLEMENTED);
    /* What does not fit never leaves, and harms nothing else. */
    char *big = sn_arena_zalloc(&a, SN_TTRPC_DATA_MAX + 1);
    memset(big, 'x', SN_TTRPC_DATA_MAX);
    T_EQ(ask(c, ECHO, big, &a, &s), SN_E_TOO_LARGE);
    big[SN_TTRPC_DATA_MAX - 100] = 0;
    T_OK(ask(c, ECHO, big, &a, &s));
    T_EQ(s.len, SN_TTRPC_DATA_MAX - 100);
    struct sn_ttrpc_pair who = {SN_STR("who"), SN_STR("me")};
    text_t *p;
    T_OK(sn_ttrpc_invoke(c, "test.Text", &methods[ECHO], &(text_t){.value = SN_STR("!")}, &a,
                         (void **)&p, &(struct sn_ttrpc_call_opts){&who, 1}));
    T_STR(p->value, "me !");
    /* The deadline travels: the server's handler ends as well. */
    int64_t d = sn_deadline_tighten(sn_now() + 50 * SN_MS);
    T_EQ(ask(c, ECHO, "wait", &a, &s), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    while (sn_ttrpc_server_calls(e.s)) T_OK(sn_sleep(SN_MS));
    T_OK(ask(c, ECHO, "still there", &a, &s));
    T_STR(s, "still there");
    sn_arena_done(&a);
    sn_ttrpc_client_close(c);
    env_down(&e);
    return 0;
}
SN_TEST(unary_calls)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, unary_main, NULL));
}

static void streams(struct sn_ttrpc_client *c, int n)
{
    struct sn_ttrpc_call *k;
    text_t *p;
    T_OK(sn_ttrpc_open(c, "test.Text", &methods[COUNT], &(text_t){.value = SN_STR("5")}, NULL, &k));
    for (int i = 0; i < 5; i++) {
        T_OK(sn_ttrpc_recv(k, (void **)&p));
        T_ASSERT(p->value.len == 1 && p->value.ptr[0] == '0' + i);
    }
    T_EQ(sn_ttrpc_recv(k, (void **)&p), SN_E_EOF);
    T_EQ(sn_ttrpc_recv(k, (void **)&p), SN_E_EOF);
    T_EQ(sn_ttrpc_send(k, p), SN_E_CLOSED);
    sn_ttrpc_end(k);
    T_OK(sn_ttrpc_open(c, "test.Text", &methods[COUNT], &(text_t){.value = SN_STR("x")}, NULL, &k));
    T_EQ(sn_ttrpc_recv(k, (void **)&p), SN_E_INVALID_ARGUMENT);
    sn_ttrpc_end(k);
    T_OK(sn_ttrpc_open(c, "test.Text", &methods[JOIN], NULL, NULL, &k));
    for (int i = 0; i < n; i++) T_OK(sn_ttrpc_send(k, &(text_t){.value = SN_STR("ab")}));
    T_OK(sn_ttrpc_close_send(k));
    T_EQ(sn_ttrpc_send(k, &(text_t){.value = SN_STR("ab")}), SN_E_CLOSED);
    T_OK(sn_ttrpc_recv(k, (void **)&p));
    T_EQ(p->value.len, 2 * n);
    T_EQ(sn_ttrpc_recv(k, (void **)&p), SN_E_EOF);
    sn_ttrpc_end(k);
    T_OK(sn_ttrpc_open(c, "test.Text", &methods[BOTH], NULL, NULL, &k));
    for (int i = 0; i < n; i++) {
        char t[16];
        snprintf(t, sizeof(t), "%d", i);
        T_OK(sn_ttrpc_send(k, &(text_t){.value = sn_str(t)}));
        T_OK(sn_ttrpc_recv(k, (void **)&p));
        T_ASSERT(sn_str_eqc(p->value, t));
        sn_ttrpc_recv_reset(k);
    }
    sn_ttrpc_end(k); /* in the middle: what the server still sends is ignored */
}

static int streams_main(void *arg)
{
    struct env e;
    env_up(&e, NULL);
    struct sn_ttrpc_client *c;
    T_OK(sn_ttrpc_dial(e.addr, &c));
    streams(c, 500);
    /* A stream that nobody reads fails; the connection goes on. */
    struct sn_ttrpc_call *k;
    T_OK(sn_ttrpc_open(c, "test.Text", &methods[DEAF], NULL, NULL, &k));
    for (unsigned i = 0; i < SN_TTRPC_QUEUE_MAX + 2; i++)
        T_OK(sn_ttrpc_send(k, &(text_t){.value = SN_STR("ab")}));
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_str s;
    T_OK(ask(c, ECHO, "alive", &a, &s));
    sn_ttrpc_end(k);
    /* A client that goes cancels its calls. */
    cancelled = 0;
    T_OK(sn_ttrpc_open(c, "test.Text", &methods[ECHO], &(text_t){.value = SN_STR("wait")}, NULL,
                       &k));
    while (sn_ttrpc_server_calls(e.s) < 2) T_OK(sn_sleep(SN_MS));
    T_OK(sn_sleep(SN_MS));
    sn_ttrpc_client_close(c);
    T_EQ(sn_ttrpc_recv(k, &(void *){NULL}), SN_E_CLOSED);
    sn_ttrpc_end(k);
    while (sn_ttrpc_server_calls(e.s)) T_OK(sn_sleep(SN_MS));
    T_EQ(cancelled, 1);
    sn_arena_done(&a);
    env_down(&e);
    return 0;
}
SN_TEST(streaming_calls)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, streams_main, NULL));
}

/* ---- a peer that breaks the rules --------------------------------------------------------------
 */

static int expect(struct sn_stream *st, uint32_t id, int code)
{
    static char buf[70000];
    char head[SN_TTRPC_HEAD_BYTES];
    struct sn_ttrpc_frame f;
    T_OK(sn_read_full(st, head, sizeof(head)));
    T_EQ(sn_ttrpc_frame_parse(sn_str_of(head, sizeof(head)), &f), f.len ? SN_E_AGAIN : 10);
    T_ASSERT(f.len < sizeof(buf));
    if (f.len) T_OK(sn_read_full(st, buf, f.len));
    T_EQ(f.stream, id);
    T_EQ(f.type, SN_TTRPC_RESPONSE);
    /* Response{status{code}}: tag, length, tag, code */
    T_ASSERT(f.len >= 4 && buf[0] == 10 && buf[2] == 8);
    T_EQ(buf[3], code);
    return 0;
}

static void put(struct sn_stream *st, uint32_t id, uint8_t type, uint8_t flags, const char *data,
                size_t n)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    size_t at = sn_ttrpc_frame_begin(&b);
    sn_buf_put(&b, data, n);
    T_OK(sn_ttrpc_frame_end(&b, at, id, type, flags));
    T_OK(sn_write(st, b.ptr, b.len));
    sn_buf_done(&b);
}

static const char echo_request[] = "\n\tTest.Text\x12\4Echo";
#define ECHO_REQUEST "\n\ttest.Text\x12\4Echo", sizeof(echo_request) - 1

static int rules_main(void *arg)
{
    struct env e;
    env_up(&e, NULL);
    struct sn_stream *st;
    T_OK(sn_dial(e.addr, NULL, &st));
    put(st, 2, SN_TTRPC_REQUEST, 0, ECHO_REQUEST);
    expect(st, 2, 3);
    put(st, 3, SN_TTRPC_REQUEST, 0, "\xff\xff", 2);
    expect(st, 3, 3);
    put(st, 3, SN_TTRPC_REQUEST, 0, ECHO_REQUEST);
    expect(st, 3, 3);
    put(st, 9, SN_TTRPC_DATA, 0, "", 0);
    expect(st, 9, 3);
    put(st, 3, SN_TTRPC_DATA, 0, "", 0); /* late data: ignored */
    put(st, 5, 77, 0, "later", 5);       /* a later version's frame: ignored */
    put(st, 7, SN_TTRPC_REQUEST, 0, echo_request, sizeof(echo_request) - 1);
    expect(st, 7, 12);
    /* Too long: refused and skipped, however it is cut. */
    static char zeros[65536];
    T_OK(sn_write(st, "\0\x40\0\1\0\0\0\x0b\1\0", 10));
    for (size_t left = SN_TTRPC_DATA_MAX + 1; left;) {
        size_t n = SN_MIN(left, sizeof(zeros));
        T_OK(sn_write(st, zeros, n));
        left -= n;
    }
    expect(st, 11, 8);
    for (size_t i = 0; i < 30; i++) { /* a request byte by byte */
        struct sn_buf b;
        sn_buf_init(&b, 0);
        size_t at = sn_ttrpc_frame_begin(&b);
        sn_buf_put(&b, "\n\4none", 6);
        T_OK(sn_ttrpc_frame_end(&b, at, 13, SN_TTRPC_REQUEST, 0));
        if (i < b.len) T_OK(sn_write(st, b.ptr + i, 1));
        sn_buf_done(&b);
    }
    expect(st, 13, 12);
    sn_stream_close(st);
    /* A peer that goes in the middle of a frame. */
    T_OK(sn_dial(e.addr, NULL, &st));
    T_OK(sn_write(st, "\0\0\1", 3));
    sn_stream_close(st);
    env_down(&e);
    return 0;
}
SN_TEST(rules_of_the_protocol)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, rules_main, NULL));
}

/* ---- simulation --------------------------------------------------------------------------------
 */

struct world {
    struct sn_sim_host *host;
    struct sn_ttrpc_client *c;
    struct sn_waitgroup wg;
    char addr[64];
    bool crash;
    unsigned ok, failed;
};

static void sim_server(void *arg)
{
    struct world *w = arg;
    struct sn_listener *l;
    struct sn_ttrpc_server *s;
    T_OK(sn_listen(w->addr, NULL, &l));
    T_OK(sn_ttrpc_server_new(&s));
    T_OK(sn_ttrpc_server_add(s, &service, NULL));
    int r = sn_ttrpc_server_run(s, l);
    T_ASSERT(r == SN_E_CANCELLED); /* the world ends */
    sn_ttrpc_server_free(s);
    sn_listener_close(l);
}

static void sim_caller(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < 20; i++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_str s = {0};
        char text[32];
        snprintf(text, sizeof(text), "%s", sn_sim_rand() % 8 ? "some text" : "wait");
        int64_t d = sn_deadline_tighten(sn_now() + (int64_t)(sn_sim_rand() % 300) * SN_MS);
        int r = ask(w->c, ECHO, text, &a, &s);
        sn_deadline_restore(d);
        T_ASSERTF(r == 0 || r == SN_E_DEADLINE_EXCEEDED || (w->crash && r == SN_E_CLOSED) ||
                      (w->crash && r == SN_E_RESET),
                  "%s", sn_status_name(r));
        if (r == 0) T_STR(s, "some text");
        w->ok += r == 0;
        w->failed += r < 0;
        sn_arena_done(&a);
    }
    sn_waitgroup_done(&w->wg);
}

static int sim_main(void *arg)
{
    struct world *w = arg;
    w->host = sn_sim_host_new("server");
    snprintf(w->addr, sizeof(w->addr), "%s:80", sn_sim_host_addr(w->host));
    T_OK(sn_sim_host_go(w->host, "server", sim_server, w));
    T_OK(sn_sleep(SN_MS));
    T_OK(sn_ttrpc_dial(w->addr, &w->c));
    sn_waitgroup_add(&w->wg, 4);
    for (int i = 0; i < 4; i++) T_OK(sn_go("caller", sim_caller, w));
    if (w->crash) {
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 2000) * SN_MS));
        sn_sim_crash(w->host);
    }
    T_OK(sn_waitgroup_wait(&w->wg));
    if (!w->crash) streams(w->c, 80);
    sn_ttrpc_client_close(w->c);
    return 0;
}

SN_TEST(simulated)
{
    unsigned ok = 0, failed = 0;
    sn_test_allow_crash_leaks();
    for (uint64_t seed = 1; seed <= 150; seed++) {
        uint64_t h[2];
        for (int i = 0; i < 2; i++) {
            struct world w = {.crash = seed % 3 == 0};
            struct sn_sim_opts o = {.seed = seed, .loss = seed % 2 ? 0.02 : 0};
            sn_test_row("seed %llu", (unsigned long long)seed);
            int r = sn_sim_run(&o, sim_main, &w, &h[i]);
            T_ASSERTF(r == 0, "%s", sn_diag_str(r));
            ok += w.ok;
            failed += w.failed;
        }
        T_ASSERTF(h[0] == h[1], "seed %llu differs", (unsigned long long)seed);
    }
    T_ASSERTF(ok > 1000 && failed > 100, "%u calls succeeded, %u failed", ok, failed);
}

/* ---- no memory ---------------------------------------------------------------------------------
 */

/* One server and one call, complete in itself; whatever fails to be allocated, nothing hangs. */
static int torture_once(void *arg)
{
    struct env *e = arg;
    struct sn_ttrpc_client *c = NULL;
    struct sn_arena a;
    struct sn_str s = {0};
    e->s = NULL;
    e->ended = (struct sn_event){0};
    sn_arena_init(&a, NULL, 0);
    int r = sn_ttrpc_server_new(&e->s);
    if (r < 0) return r;
    r = sn_ttrpc_server_add(e->s, &service, e);
    if (r >= 0) r = sn_go_on(0, "server", serve, e);
    if (r < 0) {
        sn_ttrpc_server_free(e->s);
        return r;
    }
    r = sn_ttrpc_dial(e->addr, &c);
    int64_t d = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
    if (r >= 0) r = ask(c, ECHO, "hello", &a, &s);
    sn_deadline_restore(d);
    T_ASSERT(r != SN_E_DEADLINE_EXCEEDED);
    if (r >= 0) T_STR(s, "hello");
    sn_ttrpc_client_close(c);
    sn_arena_done(&a);
    sn_ttrpc_server_stop(e->s);
    T_OK(sn_event_wait(&e->ended));
    sn_yield();
    sn_ttrpc_server_free(e->s);
    return r;
}

static int torture_main(void *arg)
{
    struct env e;
    env_up(&e, NULL);
    struct sn_ttrpc_server *first = e.s;
    sn_ttrpc_server_stop(first);
    T_OK(sn_event_wait(&e.ended));
    sn_ttrpc_server_free(first);
    T_OK(torture_once(&e)); /* the pools fill up */
    int n = sn_torture_lenient(torture_once, &e);
    T_ASSERTF(n > 10, "%d: %s", n, sn_diag_str(n));
    sn_listener_close(e.l);
    unlink(e.addr + 5);
    rmdir(e.dir);
    return 0;
}
SN_TEST(torture)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, torture_main, NULL));
}
