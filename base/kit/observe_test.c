/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles are taken of this very program and read back through the protobuf tables. With
 * SN_PROFILE_DIR set they are also written there, for tests/interop/pprof.sh and the real reader.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "core/alloc.h"
#include "fiber/chan.h"
#include "fiber/sync.h"
#include "kit/debug.h"
#include "kit/metrics.h"
#include "kit/pprof.h"
#include "kit/prof.h"
#include "kit/symbol.h"
#include "pprof/profile.pb.h"
#include "tests/harness/test.h"

static struct sn_arena arena;
static void arena_off(void) { sn_arena_done(&arena); }

static void get(const char *path, const char *query, struct sn_debug_reply *r)
{
    *r = (struct sn_debug_reply){.status = 0};
    sn_buf_init(&r->body, 0);
    T_OK(sn_debug_get(sn_str(path), sn_str(query), SN_STR(""), r));
}
static void keep(const char *name, struct sn_str data)
{
    const char *dir = getenv("SN_PROFILE_DIR");
    char path[512];
    if (!dir) return;
    snprintf(path, sizeof path, "%s/%s.pb.gz", dir, name);
    FILE *f = fopen(path, "wb");
    T_ASSERT(f);
    T_EQ(fwrite(data.ptr, 1, data.len, f), data.len);
    fclose(f);
}
/* unzip - parses a gzipped profile. */
static struct perftools_profiles_profile *unzip(struct sn_str gz)
{
    struct perftools_profiles_profile *p = NULL;
    size_t cap = 64u << 20;
    char *out = sn_arena_alloc(&arena, cap);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)gz.ptr, .avail_in = (uInt)gz.len,
                  .next_out = (Bytef *)out, .avail_out = (uInt)cap};
    T_ASSERT(inflateInit2(&z, 15 + 16) == Z_OK);
    T_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    T_OK(perftools_profiles_profile_parse(sn_str_of(out, z.total_out), 0, &arena, &p));
    T_EQ(p->string_table.ptr[0].len, 0);
    return p;
}
static struct perftools_profiles_profile *fetch(const char *name, const char *query)
{
    char path[64];
    struct sn_debug_reply r;
    snprintf(path, sizeof path, "/debug/pprof/%s", name);
    get(path, query, &r);
    T_EQ(r.status, 200);
    T_STR(r.content_type, "application/octet-stream");
    T_CSTR(r.attachment, name);
    keep(name, sn_buf_view(&r.body));
    struct perftools_profiles_profile *p = unzip(sn_buf_view(&r.body));
    sn_buf_done(&r.body);
    return p;
}
/* Sum of value `k` over the samples that have `function` on their stack. */
static int64_t sum_of(const struct perftools_profiles_profile *p, const char *function, unsigned k)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < p->sample.len; i++) {
        const struct perftools_profiles_sample *s = p->sample.ptr[i];
        bool hit = false;
        for (uint32_t j = 0; j < s->location_id.len; j++) {
            const struct perftools_profiles_location *l =
                p->location.ptr[s->location_id.ptr[j] - 1];
            for (uint32_t n = 0; n < l->line.len; n++) {
                const struct perftools_profiles_function *f =
                    p->function.ptr[l->line.ptr[n]->function_id - 1];
                hit |= sn_str_eqc(p->string_table.ptr[f->name], function);
            }
        }
        if (hit) sum += s->value.ptr[k];
    }
    return sum;
}
static bool has_label(const struct perftools_profiles_profile *p, const char *value)
{
    for (uint32_t i = 0; i < p->sample.len; i++)
        for (uint32_t k = 0; k < p->sample.ptr[i]->label.len; k++)
            if (sn_str_eqc(p->string_table.ptr[p->sample.ptr[i]->label.ptr[k]->str], value))
                return true;
    return false;
}
static void type_is(const struct perftools_profiles_profile *p, unsigned i, const char *type,
                    const char *unit)
{
    T_STR(p->string_table.ptr[p->sample_type.ptr[i]->type], type);
    T_STR(p->string_table.ptr[p->sample_type.ptr[i]->unit], unit);
}
static void in_runtime(int (*fn)(void *))
{
    sn_arena_init(&arena, NULL, 0);
    sn_test_at_exit(arena_off);
    sn_test_at_exit(sn_symbol_close);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, fn, NULL));
}

/* ---- CPU ---- */

static _Atomic bool stop_burning;
static volatile uint64_t burnt; /* one fiber's at a time */
static SN_NOINLINE void burn_cycles_here(void)
{
    for (int i = 0; i < 1000000; i++) burnt += (uint64_t)i * 7;
}
static void burner(void *arg)
{
    (void)arg;
    while (!stop_burning) {
        burn_cycles_here();
        sn_yield();
    }
}
static int cpu_main(void *arg)
{
    (void)arg;
    stop_burning = false;
    T_OK(sn_go("burner", burner, NULL));
    struct perftools_profiles_profile *p = fetch("profile", "seconds=2");
    stop_burning = true;
    type_is(p, 0, "samples", "count");
    type_is(p, 1, "cpu", "nanoseconds");
    T_EQ(p->period, 10 * SN_MS);
    T_ASSERT(p->duration_nanos >= 2 * SN_SEC);
    int64_t here = sum_of(p, "burn_cycles_here", 0);
    T_ASSERTF(here > 10, "%lld samples in burn_cycles_here", (long long)here);
    T_EQ(sum_of(p, "burn_cycles_here", 1), here * 10 * SN_MS);
    T_ASSERT(sum_of(p, "burner", 0) >= here * 9 / 10);
    T_ASSERT(has_label(p, "burner"));
    T_ASSERT(p->mapping.len > 0 && p->mapping.ptr[0]->has_functions);
    T_ASSERT(p->string_table.ptr[p->mapping.ptr[0]->build_id].len >= 8);
    return 0;
}
SN_TEST_SLOW(observe_cpu_profile, 60)
{
#ifdef SN_TSAN
    sn_test_skip("ThreadSanitizer delivers signals late, at its own places");
#endif
    in_runtime(cpu_main);
}

static void second(void *arg)
{
    struct sn_debug_reply r;
    T_OK(sn_sleep(300 * SN_MS));
    get("/debug/pprof/profile", "seconds=1", &r);
    T_EQ(r.status, 500);
    T_ASSERT(r.go_error);
    sn_buf_done(&r.body);
    *(bool *)arg = true;
}
static int twice_main(void *arg)
{
    bool refused = false;
    (void)arg;
    T_OK(sn_go("second", second, &refused));
    (void)fetch("profile", "seconds=2");
    T_ASSERT(refused);
    return 0;
}
SN_TEST(observe_second_cpu_profile_refused) { in_runtime(twice_main); }

/* ---- heap ---- */

static void *kept[64];
static SN_NOINLINE void keep_megabytes(void)
{
    for (unsigned i = 0; i < SN_COUNT_OF(kept); i++) kept[i] = sn_alloc(256u << 10);
}
static SN_NOINLINE void churn_megabytes(void)
{
    for (unsigned i = 0; i < 64; i++) {
        volatile char *p = sn_alloc(256u << 10);
        p[0] = 1;
        sn_free((void *)p);
    }
}
static int heap_main(void *arg)
{
    (void)arg;
    keep_megabytes();
    churn_megabytes();
    struct perftools_profiles_profile *p = fetch("heap", "");
    type_is(p, 0, "alloc_objects", "count");
    type_is(p, 1, "alloc_space", "bytes");
    type_is(p, 2, "inuse_objects", "count");
    type_is(p, 3, "inuse_space", "bytes");
    T_STR(p->string_table.ptr[p->default_sample_type], "inuse_space");
    /* 16 MiB in 64 blocks, estimated from samples every 64 KiB or so: within a factor of two. */
    int64_t inuse = sum_of(p, "keep_megabytes", 3), churned = sum_of(p, "churn_megabytes", 1);
    T_ASSERTF(inuse > 8 << 20 && inuse < 32 << 20, "kept %lld", (long long)inuse);
    T_ASSERTF(churned > 8 << 20 && churned < 32 << 20, "churned %lld", (long long)churned);
    T_EQ(sum_of(p, "churn_megabytes", 3), 0);
    p = fetch("allocs", "");
    T_STR(p->string_table.ptr[p->default_sample_type], "alloc_space");
    /* A difference sees only what happened meanwhile. */
    p = fetch("heap", "seconds=1");
    T_EQ(sum_of(p, "keep_megabytes", 1), 0);
    for (unsigned i = 0; i < SN_COUNT_OF(kept); i++) sn_free(kept[i]);
    p = fetch("heap", "");
    T_EQ(sum_of(p, "keep_megabytes", 3), 0);
    return 0;
}
SN_TEST_SLOW(observe_heap_profile, 60)
{
    sn_prof_start(&(struct sn_prof_opts){.heap_bytes = 64u << 10});
    in_runtime(heap_main);
    sn_prof_stop();
}

/* ---- fibers, blocking ---- */

static struct sn_event release;
static struct sn_mutex contended;
static SN_NOINLINE void wait_for_release(void *arg)
{
    (void)arg;
    (void)!sn_event_wait(&release);
}
static SN_NOINLINE void lock_and_hold(void *arg)
{
    (void)arg;
    sn_mutex_lock_always(&contended);
    (void)!sn_sleep(20 * SN_MS);
    sn_mutex_unlock(&contended);
}
#define LEAKERS 20
static uintptr_t leaked[LEAKERS]; /* inverted: nothing but its fiber may know each event */
static SN_NOINLINE void wait_for_nobody(void *arg) { (void)!sn_event_wait(arg); }
static SN_NOINLINE void make_leakers(void)
{
    for (int i = 0; i < LEAKERS; i++) {
        struct sn_event *e = SN_NEW(struct sn_event);
        leaked[i] = ~(uintptr_t)e;
        T_OK(sn_go("leaker", wait_for_nobody, e));
    }
}
static void free_leakers(void)
{
    for (int i = 0; i < LEAKERS; i++) sn_free((void *)~leaked[i]);
}
static bool by_age(const struct perftools_profiles_profile *p)
{
    for (uint32_t i = 0; i < p->comment.len; i++)
        if (sn_str_starts(p->string_table.ptr[p->comment.ptr[i]], SN_STR("by age"))) return true;
    return false;
}
static int fibers_main(void *arg)
{
    (void)arg;
    struct sn_debug_reply r;
    make_leakers();
    for (int i = 0; i < 10; i++) T_OK(sn_go("waiter", wait_for_release, NULL));
    for (int i = 0; i < 4; i++) T_OK(sn_go_on(0, "locker", lock_and_hold, NULL));
    T_OK(sn_sleep(1200 * SN_MS));
    struct perftools_profiles_profile *p = fetch("goroutine", "");
    type_is(p, 0, "goroutine", "count");
    T_EQ(sum_of(p, "wait_for_release", 0), 10);
    T_ASSERT(has_label(p, "waiter"));
    p = fetch("goroutineleak", "");
    if (!by_age(p)) { /* a sanitizer may not let the workers be stopped in time */
        int64_t n = sum_of(p, "wait_for_nobody", 0);
#ifndef SN_TSAN /* its history of accesses is memory like any other, and full of addresses */
        T_ASSERTF(n >= LEAKERS / 2, "%lld leaks found", (long long)n);
        T_ASSERT(has_label(p, "leaker"));
#endif
        T_ASSERT(n <= LEAKERS);
    }
    T_EQ(sum_of(p, "wait_for_release", 0), 0);
    T_EQ(sum_of(p, "lock_and_hold", 0), 0);
    p = fetch("goroutineleak", "min=3600");
    T_EQ(p->sample.len, 0);
    p = fetch("mutex", "");
    type_is(p, 0, "contentions", "count");
    type_is(p, 1, "delay", "nanoseconds");
    T_ASSERT(sum_of(p, "lock_and_hold", 0) >= 3);
    T_ASSERT(sum_of(p, "lock_and_hold", 1) > 60 * SN_MS);
    p = fetch("block", "");
    T_ASSERT(sum_of(p, "lock_and_hold", 0) >= 3);
    p = fetch("threadcreate", "");
    T_ASSERT(sum_of(p, "sn_rt_run", 0) >= 2); /* a worker, the watchdog */
    T_ASSERT(sum_of(p, "sn_offload", 0) >= 1);
    get("/debug/pprof/goroutine", "debug=1", &r);
    T_ASSERT(sn_str_starts(sn_buf_view(&r.body), SN_STR("goroutine profile: total ")));
    T_ASSERT(sn_str_find(sn_buf_view(&r.body), SN_STR("wait_for_release")) > 0);
    sn_buf_done(&r.body);
    get("/debug/pprof/goroutine", "debug=2", &r);
    T_ASSERT(sn_str_find(sn_buf_view(&r.body), SN_STR("goroutine ")) >= 0);
    sn_buf_done(&r.body);
    sn_event_set(&release);
    return 0; /* ends the leakers, too */
}
SN_TEST_SLOW(observe_fibers_and_blocking, 60)
{
    sn_prof_start(&(struct sn_prof_opts){.block_ns = 1});
    in_runtime(fibers_main);
    free_leakers();
    sn_prof_stop();
}

/* ---- the rest of the endpoints ---- */

static int small_main(void *arg)
{
    static const struct {
        const char *path, *query;
        int status;
        const char *holds;
    } rows[] = {
        {"/healthz", "", 200, "ok\n"},
        {"/debug/pprof/", "", 200, "goroutineleak"},
        {"/debug/pprof/cmdline", "", 200, "test_observe"},
        {"/debug/pprof/trace", "seconds=x", 400, "up to 600"},
        {"/debug/pprof/nope", "", 404, "Unknown profile"},
        {"/debug/pprof/heap", "seconds=1&debug=1", 400, "incompatible"},
        {"/debug/pprof/profile", "seconds=x", 400, "seconds"},
        {"/debug/pprof/profile", "seconds=99999", 400, "seconds"},
        {"/debug/pprof/heap", "debug=1", 200, "heap profile: "},
        {"/debug/pprof/mutex", "debug=1", 200, "cycles/second"},
        {"/metrics", "", 200, "process_resident_memory_bytes"},
        {"/metrics", "", 200, "go_goroutines"},
        {"/elsewhere", "", 404, "not found"},
    };
    (void)arg;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_debug_reply r;
        sn_test_row("%s?%s", rows[i].path, rows[i].query);
        get(rows[i].path, rows[i].query, &r);
        T_EQ(r.status, rows[i].status);
        T_ASSERT(sn_str_find(sn_buf_view(&r.body), sn_str(rows[i].holds)) >= 0);
        T_ASSERT(r.go_error == (r.status >= 400));
        sn_buf_done(&r.body);
    }
    struct sn_debug_reply r;
    char query[64];
    snprintf(query, sizeof query, "0x%lx+0x1", (unsigned long)(uintptr_t)burn_cycles_here + 4);
    get("/debug/pprof/symbol", query, &r);
    T_ASSERT(sn_str_find(sn_buf_view(&r.body), SN_STR("burn_cycles_here")) > 0);
    sn_buf_done(&r.body);
    return 0;
}
SN_TEST(observe_endpoints) { in_runtime(small_main); }

/* ---- metrics ---- */

static int count_main(void *arg)
{
    for (int i = 0; i < 1000; i++) sn_counter_add(arg, 2);
    return 0;
}
SN_TEST(metrics_text)
{
    struct sn_metrics *m = sn_metrics_new();
    struct sn_labels a = {2,
                          {{SN_STR("code"), SN_STR("200")},
                           {SN_STR("path"), SN_STR("/\"x\"\\\n")}}};
    struct sn_counter *c = sn_counter_new(m, "t_requests_total", "Requests.\nAll.", &a);
    T_ASSERT(c && c == sn_counter_new(m, "t_requests_total", "", &a));
    T_ASSERT(!sn_gauge_new(m, "t_requests_total", "", NULL));
    T_ASSERT(!sn_gauge_new(m, "0bad", "", NULL));
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, count_main, c));
    sn_counter_add(c, 1); /* not a worker */
    T_EQ(sn_counter_value(c), 2001);
    sn_gauge_set(sn_gauge_new(m, "t_load", "Load.", NULL), 0.1);
    struct sn_histogram *h = sn_histogram_new(m, "t_seconds", "Latency.", NULL,
                                              (const double[]){.1, 1}, 2);
    sn_histogram_observe(h, .1);
    sn_histogram_observe(h, .5);
    sn_histogram_observe_ns(h, 7 * SN_SEC);
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_str type, text;
    sn_buf_init(&b, 0);
    T_OK(sn_metrics_text(m, SN_STR(""), &b, &type));
    T_STR(type, "text/plain; version=0.0.4; charset=utf-8");
    text = sn_buf_view(&b);
    static const char *const want[] = {
        "# HELP t_requests_total Requests.\\nAll.\n# TYPE t_requests_total counter\n"
        "t_requests_total{code=\"200\",path=\"/\\\"x\\\"\\\\\\n\"} 2001\n",
        "# TYPE t_load gauge\nt_load 0.1\n",
        "# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.1\"} 1\nt_seconds_bucket{le=\"1\"} 2\n"
        "t_seconds_bucket{le=\"+Inf\"} 3\nt_seconds_sum 7.6\nt_seconds_count 3\n",
    };
    for (size_t i = 0; i < SN_COUNT_OF(want); i++)
        T_ASSERTF(sn_str_find(text, sn_str(want[i])) >= 0, "%s\nis not in\n%.*s", want[i],
                  SN_STR_ARG(text));
    sn_buf_reset(&b);
    T_OK(sn_metrics_text(m, SN_STR("application/openmetrics-text; version=1.0.0"), &b, &type));
    T_ASSERT(sn_str_find(sn_buf_view(&b), SN_STR("# TYPE t_requests counter\n")) >= 0);
    T_ASSERT(sn_str_ends(sn_buf_view(&b), SN_STR("# EOF\n")));
    sn_metrics_free(m);
}
SN_TEST(metrics_cardinality_is_bounded)
{
    struct sn_metrics *m = sn_metrics_new();
    struct sn_counter *last = NULL;
    for (int i = 0; i < SN_METRIC_CHILDREN_DEFAULT + 50; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", i);
        struct sn_labels l = {1, {{SN_STR("id"), sn_str_of(text, (size_t)n)}}};
        last = sn_counter_new(m, "t_many_total", "", &l);
        T_ASSERT(last);
        sn_counter_add(last, 1);
    }
    T_EQ(sn_counter_value(last), 50); /* the shared "other" */
    sn_metrics_free(m);
}
