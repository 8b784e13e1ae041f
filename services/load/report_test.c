/* SPDX-License-Identifier: Apache-2.0 */
#include "core/status.h"
#include "harness/test.h"
#include "load/load.h"
#include "wire/json.h"

static void make(struct sn_load_plan *p, struct sn_load_result *r, struct sn_arena *a)
{
    *p = (struct sn_load_plan){.mode = SN_LOAD_OPEN, .procs = 2, .conns = 8,
                               .duration_ns = 3 * SN_SEC};
    T_OK(sn_load_schedule_parse(SN_STR("100"), 3 * SN_SEC, &p->schedule));
    T_OK(sn_vec_push(&p->targets,
                     (struct sn_load_target){.url = SN_STR("http://127.0.0.1:8080/</script>")}));
    T_OK(sn_load_plan_prepare(p, a));
    *r = (struct sn_load_result){.elapsed_s = 3, .conns_peak = 8, .workers_lost = 1};
    T_OK(sn_load_stats_init(&r->total));
    for (unsigned i = 1; i <= 1000; i++) sn_hist_record(&r->total.hist[SN_LOAD_LATENCY], i * 1000);
    r->total.n.requests = 1000;
    r->total.n.status[2] = 990;
    r->total.n.status[5] = 10;
    r->total.n.errors[SN_LOAD_ERR_STATUS] = 10;
    for (unsigned i = 1; i <= 3; i++)
        T_OK(sn_vec_push(&r->seconds, (struct sn_load_second){.at_s = i, .requests = 333,
                                                              .conns_open = 8, .p99_ns = 990000}));
}

static void done(struct sn_load_plan *p, struct sn_load_result *r, struct sn_arena *a)
{
    sn_vec_done(&p->targets);
    sn_load_result_done(r);
    sn_arena_done(a);
}

SN_TEST(report_json_is_json_and_says_what_was_measured)
{
    struct sn_load_plan p;
    struct sn_load_result r;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    make(&p, &r, &a);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_load_report_json(&p, &r, &b));
    const struct sn_json *root;
    T_OK(sn_json_parse(&a, sn_str_trim(sn_buf_view(&b)), NULL, &root));
    T_EQ(sn_json_i64_or(sn_json_get(root, "requests"), -1), 1000);
    T_EQ(sn_json_i64_or(sn_json_path(root, "errors.status"), -1), 10);
    T_EQ(sn_json_i64_or(sn_json_path(root, "workers_lost"), -1), 1);
    T_EQ(sn_json_len(sn_json_get(root, "seconds")), 3);
    const struct sn_json *latency = sn_json_path(root, "times_ns.latency");
    int64_t p99 = sn_json_i64_or(sn_json_get(latency, "p99"), 0);
    T_ASSERTF(p99 >= 990000 && p99 <= 994000, "p99 %lld", (long long)p99);
    T_EQ(sn_json_i64_or(sn_json_get(latency, "max"), 0), 1000000);
    T_ASSERT(sn_json_len(sn_json_get(root, "curve")) > 10);
    sn_buf_done(&b);
    done(&p, &r, &a);
}

SN_TEST(report_page_cannot_be_broken_by_a_target)
{
    struct sn_load_plan p;
    struct sn_load_result r;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    make(&p, &r, &a);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_load_report_html(&p, &r, &b));
    struct sn_str page = sn_buf_view(&b);
    T_ASSERT(sn_str_find(page, SN_STR("@DATA@")) < 0);
    T_ASSERT(sn_str_find(page, SN_STR("8080/</script>")) < 0);
    T_ASSERT(sn_str_find(page, SN_STR("8080/\\u003c/script>")) > 0);
    T_ASSERT(sn_str_ends(sn_str_trim(page), SN_STR("</html>")));
    sn_buf_done(&b);
    done(&p, &r, &a);
}

SN_TEST(report_text_names_errors_and_lost_workers)
{
    struct sn_load_plan p;
    struct sn_load_result r;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    make(&p, &r, &a);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_load_report_text(&p, &r, &b));
    struct sn_str text = sn_buf_view(&b);
    static const char *const says[] = {"open loop, 8 connections over 2 processes", "333.3/s",
                                       "errors      10 (status 10)", "2xx 990 5xx 10",
                                       "1 worker process ended before"};
    for (size_t i = 0; i < SN_COUNT_OF(says); i++)
        T_ASSERTF(sn_str_find(text, sn_str(says[i])) >= 0, "no \"%s\" in\n%.*s", says[i],
                  SN_STR_ARG(text));
    sn_buf_done(&b);
    done(&p, &r, &a);
}

SN_TEST(plan_refuses_bad_targets)
{
    static const struct {
        const char *url, *says;
    } rows[] = {{"localhost:80", "expected http:// or https://"},
                {"http:///x", "expected HOST"},
                {"http://u:p@h/", "expected HOST"},
                {"http://h/a b", "blank or control character at 10"},
                {"http://h/\r\nX: y", "blank or control character at 9"}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].url);
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_load_plan p = {.procs = 1};
        T_OK(sn_vec_push(&p.targets, (struct sn_load_target){.url = sn_str(rows[i].url)}));
        int r = sn_load_plan_prepare(&p, &a);
        T_ASSERT(r < 0);
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].says), "says %s", sn_diag_str(r));
        sn_vec_done(&p.targets);
        sn_arena_done(&a);
    }
}
