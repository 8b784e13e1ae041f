/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/exhibit.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/torture.h"
#include "fiber/fiber.h"
#include "harness/test.h"

SN_TEST(exhibit_card_rows)
{
    static const struct {
        const char *line, *want; /* want: the card, or part of the diagnostic */
        int code;
    } rows[] = {
        {"{}", "{\"state\":\"ok\",\"facts\":[]}", 0},
        {"{\"text\":\"a\\u00e9\",\"state\":\"error\"}",
         "{\"state\":\"error\",\"text\":\"a\u00e9\",\"facts\":[]}", 0},
        {"{\"facts\":[{\"label\":\"L\",\"value\":\"1\",\"unit\":\"s\",\"note\":\"n\",\"state\":"
         "\"warn\"},{\"label\":\"M\",\"value\":\"\"}],\"link\":{\"text\":\"t\",\"href\":\"#x\"}}",
         "{\"state\":\"ok\",\"facts\":[{\"label\":\"L\",\"value\":\"1\",\"unit\":\"s\",\"note\":"
         "\"n\",\"state\":\"warn\"},{\"label\":\"M\",\"value\":\"\"}],\"link\":{\"text\":\"t\","
         "\"href\":\"#x\"}}", 0},
        {"text: yaml", "1:2: expected true", SN_E_SYNTAX},
        {"[]", "expected", SN_E_INVALID_ARGUMENT},
        {"{\"stat\":\"ok\"}", "did you mean \"state\"", SN_E_INVALID_ARGUMENT},
        {"{\"state\":\"fine\"}", "state: ", SN_E_INVALID_ARGUMENT},
        {"{\"facts\":[{\"value\":\"1\"}]}", "label", SN_E_INVALID_ARGUMENT},
        {"{\"facts\":[{\"label\":\"L\"}]}", "value", SN_E_INVALID_ARGUMENT},
        {"{\"link\":{\"text\":\"t\",\"href\":\"javascript:alert(1)\"}}", "link.href",
         SN_E_INVALID_ARGUMENT},
        {"{\"link\":{\"text\":\"t\",\"href\":\"data:text/html,x\"}}", "link.href",
         SN_E_INVALID_ARGUMENT},
        {"{\"text\":\"\xff\"}", "UTF-8", SN_E_SYNTAX},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_buf out;
        sn_buf_init(&out, 0);
        sn_test_row("%s", rows[i].line);
        T_EQ(sn_exhibit_card("x", sn_str(rows[i].line), &out), rows[i].code);
        if (rows[i].code == 0)
            T_CSTR(sn_buf_cz(&out), rows[i].want);
        else
            T_ASSERTF(strstr(sn_diag_str(rows[i].code), rows[i].want), "%s",
                      sn_diag_str(rows[i].code));
        sn_buf_done(&out);
    }
}

SN_TEST(exhibit_card_bounds)
{
    struct sn_buf line, out;
    sn_buf_init(&line, 0);
    sn_buf_init(&out, 0);
    sn_buf_cstr(&line, "{\"facts\":[");
    for (int i = 0; i <= SN_EXHIBIT_FACTS_MAX; i++)
        sn_buf_printf(&line, "%s{\"label\":\"L\",\"value\":\"1\"}", i ? "," : "");
    sn_buf_cstr(&line, "]}");
    T_EQ(sn_exhibit_card("x", sn_buf_view(&line), &out), SN_E_INVALID_ARGUMENT);
    T_EQ(out.len, 0u);
    sn_buf_done(&line);
    sn_buf_done(&out);
}

static int one_card(void *arg)
{
    struct sn_buf out;
    sn_buf_init(&out, 0);
    int r = sn_exhibit_card("x", SN_STR("{\"facts\":[{\"label\":\"L\",\"value\":\"1\"}]}"), &out);
    sn_buf_done(&out);
    return r;
}
SN_TEST(exhibit_card_torture)
{
    int r = sn_torture(one_card, NULL);
    T_ASSERTF(r > 0, "%s", sn_diag_str(r));
}

SN_TEST(exhibit_find)
{
    const char *dir = sn_test_tmpdir();
    char path[512], file[512], out[512];
    snprintf(file, sizeof(file), "%s/tool", dir);
    snprintf(path, sizeof(path), "/nowhere:%s", dir);
    T_EQ(sn_exhibit_find(path, SN_STR("tool"), out, sizeof(out)), SN_E_NOT_FOUND);
    FILE *f = fopen(file, "w");
    T_ASSERT(f);
    fclose(f);
    T_EQ(sn_exhibit_find(path, SN_STR("tool"), out, sizeof(out)), SN_E_NOT_FOUND); /* no program */
    T_OK(chmod(file, 0755));
    T_OK(sn_exhibit_find(path, SN_STR("tool"), out, sizeof(out)));
    T_CSTR(out, file);
    T_OK(sn_exhibit_find("/nowhere", sn_str(file), out, sizeof(out)));
    T_CSTR(out, file);
    T_EQ(sn_exhibit_find(path, SN_STR("tool"), out, 4), SN_E_TOO_LARGE);
    T_EQ(sn_exhibit_find(dir, SN_STR("."), out, sizeof(out)), SN_E_NOT_FOUND); /* a folder */
}

/* ---- running them ---- */

#define SH(script) (const char *const[]){"sh", "-c", script, NULL}
static struct sn_exhibit all[] = {
    {.name = "again", .every_ns = 20 * SN_MS, .timeout_ns = 30 * SN_SEC,
     .argv = SH("echo '{\"text\":\"hello\"}'")},
    {.name = "stays", .timeout_ns = 30 * SN_SEC,
     .argv = SH("sleep 1000 & echo '{\"text\":\"here\"}'; wait")},
    {.name = "slow", .every_ns = SN_HOUR, .timeout_ns = 50 * SN_MS,
     .argv = SH("trap '' TERM; while :; do sleep 0.01; done")},
    {.name = "breaks", .every_ns = SN_HOUR, .timeout_ns = 30 * SN_SEC,
     .argv = SH("echo one >&2; echo two >&2; exit 3")},
    {.name = "text", .every_ns = SN_HOUR, .timeout_ns = 30 * SN_SEC, .argv = SH("echo nonsense")},
};
static struct sn_exhibits set = {
    .list = all, .n = SN_COUNT_OF(all), .path = "/usr/local/bin:/usr/bin:/bin",
    .grace_ns = 50 * SN_MS};
static pid_t stays_pid;

static int run_set(void *arg) { return sn_exhibits_run(&set); }

static bool says(const struct sn_json *x, const char *state, const char *error, const char *text)
{
    return sn_str_eqc(sn_json_str(sn_json_get(x, "state")), state) &&
           (!error || sn_str_find(sn_json_str(sn_json_get(x, "error")), sn_str(error)) >= 0) &&
           (!text || sn_str_eqc(sn_json_str(sn_json_path(x, "card.text")), text));
}
static bool settled(void)
{
    struct sn_arena a;
    struct sn_buf b;
    struct sn_jsonw w;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_exhibits_json(&set, &w);
    T_OK(sn_json_parse(&a, sn_buf_view(&b), NULL, &v));
    stays_pid = (pid_t)sn_json_i64_or(sn_json_path(v, "1.pid"), 0);
    bool done = sn_json_i64_or(sn_json_path(v, "0.runs"), 0) >= 3 &&
                says(sn_json_at(v, 1), "running", NULL, "here") && stays_pid > 0 &&
                says(sn_json_at(v, 2), "failed", "ran longer than 0.05 s; stopped", NULL) &&
                says(sn_json_at(v, 3), "failed", "two", NULL) &&
                says(sn_json_at(v, 4), "done", "no card", NULL);
    sn_buf_done(&b);
    sn_arena_done(&a);
    return done;
}
static int exhibits_main(void *arg)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    for (size_t i = 0; i < set.n; i++) all[i].log_fd = -1;
    T_OK(sn_scope_go(scope, "set", run_set, NULL));
    for (int i = 0; i < 1500 && !settled(); i++) T_OK(sn_sleep(10 * SN_MS));
    T_ASSERT(settled());
    sn_scope_cancel(scope);
    (void)sn_scope_end(scope);
    return 0;
}
SN_TEST_SLOW(exhibits_run, 60)
{
    int status;
    T_OK(prctl(PR_SET_CHILD_SUBREAPER, 1)); /* its child's child becomes ours */
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, exhibits_main, NULL));
    T_ASSERT(waitpid(-stays_pid, &status, 0) > 0 && WIFSIGNALED(status)); /* else it hangs */
    T_ASSERT(waitpid(-stays_pid, &status, 0) < 0);
    sn_exhibits_done(&set);
}
