/* SPDX-License-Identifier: Apache-2.0 */
/* kit/redis_test.c - against a real redis-server, and against a bare one in simulation. */
#include "kit/redis.h"

#include <unistd.h>

#include "core/alloc.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "tests/harness/test.h"

#include "kit/redis_rig_test.h"

static struct redis_rig rig;
static struct sn_arena arena;

static struct sn_resp ask_n(struct sn_redis *r, size_t n, const char *const *words)
{
    struct sn_str w[16];
    struct sn_resp v;
    for (size_t i = 0; i < n; i++) w[i] = sn_str(words[i]);
    T_OK(sn_redis_do(r, w, n, &arena, &v));
    return v;
}
#define ASK(r, ...) ask_n((r), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static int commands_main(void *arg)
{
    rig_start(&rig);
    struct sn_redis *r = rig_client(&rig, 30 * SN_SEC);
    T_STR(ASK(r, "SET", "k", "v\r\n1").str, "OK");
    T_STR(ASK(r, "GET", "k").str, "v\r\n1");
    T_EQ(ASK(r, "GET", "none").type, SN_RESP_NULL);
    T_EQ(ASK(r, "INCR", "n").i, 1);
    T_EQ(ASK(r, "INCR", "k").type, SN_RESP_ERROR);
    ASK(r, "HSET", "h", "a", "1", "b", "2");
    struct sn_resp m = ASK(r, "HGETALL", "h");
    T_EQ(m.type, SN_RESP_MAP); /* RESP3 was agreed */
    T_STR(sn_resp_find(&m, SN_STR("b"))->str, "2");
    char *big = sn_alloc(3000000);
    memset(big, 'x', 3000000);
    struct sn_str set[3] = {SN_STR("SET"), SN_STR("big"), sn_str_of(big, 3000000)};
    struct sn_resp v;
    T_OK(sn_redis_do(r, set, 3, &arena, &v));
    T_EQ(ASK(r, "GET", "big").str.len, 3000000);
    /* An arena that is too small is this call's failure, not the connection's. */
    struct sn_arena small;
    sn_arena_init(&small, NULL, 4096);
    struct sn_str get[2] = {SN_STR("GET"), SN_STR("big")};
    T_EQ(sn_redis_do(r, get, 2, &small, &v), SN_E_NOMEM);
    sn_arena_done(&small);
    struct sn_redis_command c[3] = {{set, 3}, {get, 2}, {(struct sn_str[]){SN_STR("INCR"), SN_STR("n")}, 2}};
    struct sn_resp rets[3];
    T_OK(sn_redis_pipeline(r, c, 3, &arena, rets));
    T_EQ(rets[1].str.len, 3000000);
    sn_free(big);
    T_EQ(rets[2].i, 2);
    T_EQ(sn_redis_pipeline(r, c, 0, &arena, rets), SN_E_INVALID_ARGUMENT);
    struct sn_redis_stats st;
    sn_redis_stats(r, &st);
    T_EQ(st.dials, 1);
    T_EQ(st.pending, 0);
    sn_redis_free(r);
    rig_stop(&rig);
    sn_arena_done(&arena);
    return 0;
}
SN_TEST(redis_commands) { T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, commands_main, NULL)); }

static int calls(void *arg)
{
    struct sn_arena a;
    struct sn_str w[2] = {SN_STR("INCR"), SN_STR("n")};
    struct sn_resp v;
    sn_arena_init(&a, NULL, 0);
    int r = 0;
    for (int i = 0; i < 25 && r == 0; i++) r = sn_redis_do(arg, w, 2, &a, &v);
    sn_arena_done(&a);
    return r;
}
static void many(struct sn_redis *r, int n)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < n; i++) T_OK(sn_scope_go(s, "call", calls, r));
    T_OK(sn_scope_end(s));
}
static int pipelining_main(void *arg)
{
    rig_start(&rig);
    struct sn_redis *r = rig_client(&rig, 30 * SN_SEC);
    T_STR(ASK(r, "PING").str, "PONG"); /* connects */
    many(r, 20);
    T_EQ(ASK(r, "GET", "n").str.len, 3);
    T_STR(ASK(r, "GET", "n").str, "500");
    struct sn_redis_stats st;
    sn_redis_stats(r, &st);
    T_ASSERTF(st.writes < 200, "%llu writes for 500 calls", (unsigned long long)st.writes);
    sn_redis_free(r);
    rig_stop(&rig);
    sn_arena_done(&arena);
    return 0;
}
SN_TEST(redis_calls_of_many_fibers_share_writes) { T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, pipelining_main, NULL)); }

static int faults_main(void *arg)
{
    rig_start(&rig);
    struct sn_redis *wrong, *r = rig_client(&rig, SN_SEC), *other = rig_client(&rig, 10 * SN_SEC);
    struct sn_str ping[1] = {SN_STR("PING")};
    struct sn_resp v;
    T_OK(sn_redis_new(&(struct sn_redis_opts){.addr = rig.addr, .password = SN_STR("x")}, &wrong));
    T_EQ(sn_redis_do(wrong, ping, 1, &arena, &v), SN_E_UNAUTHENTICATED);
    T_EQ(sn_redis_do(wrong, ping, 1, &arena, &v), SN_E_UNAUTHENTICATED); /* without dialling again */
    struct sn_redis_stats st;
    sn_redis_stats(wrong, &st);
    T_EQ(st.dials, 1);
    sn_redis_free(wrong);
    /* A server that is busy: the call gives up, its late reply is not taken for the next one's. */
    T_STR(ASK(r, "PING").str, "PONG");
    T_STR(ASK(other, "CLIENT", "PAUSE", "1500", "ALL").str, "OK");
    struct sn_str incr[2] = {SN_STR("INCR"), SN_STR("late")};
    T_EQ(sn_redis_do(r, incr, 2, &arena, &v), SN_E_DEADLINE_EXCEEDED);
    T_OK(sn_sleep(SN_SEC));
    T_STR(ASK(r, "PING").str, "PONG");
    T_STR(ASK(r, "GET", "late").str, "1");
    /* Scripts that the server forgot are sent again. */
    struct sn_redis_script script = {.text = "return {KEYS[1], ARGV[1]}"};
    struct sn_str words[2] = {SN_STR("a"), SN_STR("b")};
    for (int i = 0; i < 3; i++) {
        T_OK(sn_redis_eval(r, &script, words, 1, 2, &arena, &v));
        T_STR(v.items[1].str, "b");
        if (i) ASK(r, "SCRIPT", "FLUSH");
    }
    /* It dies: at once a clear failure; it is back: so are we, within a second. */
    rig_stop(&rig);
    T_EQ(sn_redis_do(r, ping, 1, &arena, &v), SN_E_UNAVAILABLE);
    T_EQ(sn_redis_do(r, ping, 1, &arena, &v), SN_E_UNAVAILABLE);
    rig_start(&rig);
    int64_t t0 = sn_now();
    while (sn_redis_do(r, ping, 1, &arena, &v) < 0) T_OK(sn_sleep(10 * SN_MS));
    T_ASSERTF(sn_now() - t0 < 5 * SN_SEC, "back after %lld ms", (long long)((sn_now() - t0) / SN_MS));
    sn_redis_free(r);
    sn_redis_free(other);
    rig_stop(&rig);
    sn_arena_done(&arena);
    return 0;
}
SN_TEST(redis_faults) { T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, faults_main, NULL)); }

/* ---- simulation: a bare server that answers PONG to whatever comes --------------------------- */

static struct sn_sim_host *host, *client;
static struct sn_event over;
static unsigned answered;
static void sim_conn(void *arg)
{
    struct sn_stream *st = arg;
    struct sn_buf in = {0};
    struct sn_resp_scan scan = {0};
    for (;;) {
        ssize_t len;
        while ((len = sn_resp_scan(&scan, sn_buf_view(&in))) > 0) {
            sn_buf_consume(&in, (size_t)len);
            if (sn_sleep((int64_t)(sn_sim_rand() % 2000) * SN_US) < 0 || sn_write(st, "+PONG\r\n", 7) < 0) goto out;
            answered++;
        }
        if (sn_buf_reserve(&in, 512) < 0) break;
        ssize_t n = sn_read(st, in.ptr + in.len, in.cap - in.len);
        if (n <= 0) break;
        in.len += (size_t)n;
    }
out:
    sn_buf_done(&in);
    sn_stream_close(st);
}
static void sim_server(void *arg)
{
    struct sn_listener *l;
    struct sn_stream *st;
    T_OK(sn_listen("0.0.0.0:6379", NULL, &l));
    while (sn_accept(l, &st) == 0) T_OK(sn_go("conn", sim_conn, st));
    sn_listener_close(l);
}
static int sim_caller(void *arg)
{
    struct sn_arena a;
    struct sn_str ping[1] = {SN_STR("PING")};
    struct sn_resp v;
    sn_arena_init(&a, NULL, 0);
    for (int i = 0; i < 30; i++) {
        int64_t t0 = sn_now();
        int r = sn_redis_do(arg, ping, 1, &a, &v);
        T_ASSERTF(r == 0 || r == SN_E_UNAVAILABLE || r == SN_E_DEADLINE_EXCEEDED, "%d", r);
        if (r == 0) T_STR(v.str, "PONG");
        T_ASSERT(sn_now() - t0 <= 2 * SN_SEC);
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 200) * SN_MS));
    }
    sn_arena_done(&a);
    return 0;
}
static void sim_client(void *arg)
{
    char addr[64];
    snprintf(addr, sizeof(addr), "%s:6379", sn_sim_host_addr(host));
    struct sn_redis *r;
    T_OK(sn_redis_new(&(struct sn_redis_opts){.addr = addr, .call_ns_max = 300 * SN_MS, .conns = 2}, &r));
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < 8; i++) T_OK(sn_scope_go(s, "caller", sim_caller, r));
    for (int i = 0; i < 3; i++) {
        T_OK(sn_sleep(400 * SN_MS));
        sn_sim_partition(client, host, true);
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 1500) * SN_MS));
        sn_sim_partition(client, host, false);
    }
    T_OK(sn_scope_end(s));
    /* Healed for a while: it works again. */
    T_OK(sn_sleep(3 * SN_SEC));
    unsigned before = answered;
    T_OK(sim_caller(r));
    T_ASSERT(answered - before >= 30);
    sn_redis_free(r);
    sn_event_set(&over);
}
static int sim_main(void *arg)
{
    answered = 0;
    over = (struct sn_event){0};
    host = sn_sim_host_new("redis");
    client = sn_sim_host_new("client");
    T_OK(sn_sim_host_go(host, "server", sim_server, NULL));
    T_OK(sn_sleep(SN_MS));
    T_OK(sn_sim_host_go(client, "client", sim_client, NULL));
    return sn_event_wait(&over);
}
SN_TEST_SLOW(redis_sim_partitions, 60)
{
    for (unsigned i = 0; i < sn_test_cases(20); i++) {
        struct sn_sim_opts o = {.seed = sn_test_seed() + i};
        uint64_t a, b;
        sn_test_row("seed %llu", (unsigned long long)o.seed);
        T_OK(sn_sim_run(&o, sim_main, NULL, &a));
        T_OK(sn_sim_run(&o, sim_main, NULL, &b));
        T_ASSERT(a == b);
    }
}
