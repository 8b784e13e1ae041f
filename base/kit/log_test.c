/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "fiber/sim.h"
#include "harness/test.h"
#include "wire/json.h"

SN_LOG_MODULE("logtest");

static struct sn_buf seen;
static void collect(void *arg, struct sn_str lines) { sn_buf_str(arg, lines); }

static struct sn_log *open_log(enum sn_log_format format, bool sync)
{
    struct sn_log *l = NULL;
    sn_buf_init(&seen, 0);
    T_OK(sn_log_new(&(struct sn_log_opts){.format = format,
                                          .sink = collect,
                                          .arg = &seen,
                                          .sync = sync,
                                          .ring_bytes = 1},
                    &l));
    return l;
}

static unsigned count(const char *needle)
{
    unsigned n = 0;
    for (const char *p = sn_buf_cz(&seen); (p = strstr(p, needle)); p++) n++;
    return n;
}

SN_TEST(log_json_and_logfmt)
{
    for (int sync = 0; sync < 2; sync++) {
        for (int json = 0; json < 2; json++) {
            struct sn_log *l = open_log(json ? SN_LOG_JSON : SN_LOG_LOGFMT, sync);
            const char *secret = "hunter2";
            sn_test_row("json %d sync %d", json, sync);
            SN_LOG_TO(l, SN_LOG_LEVEL_INFO, "hello world", SN_L("s", "a \"b\"\n"), SN_L("i", -5),
                      SN_L("u", UINT64_MAX), SN_L("d", 0.5), SN_L("ok", (bool)true),
                      SN_L("str", SN_STR("plain")), SN_L_DURATION("took", 1500 * SN_US),
                      SN_L_SECRET("token", secret));
            SN_LOG_TO(l, SN_LOG_LEVEL_ERROR, "bare");
            T_ASSERT(sn_log_flush(l));
            const char *text = sn_buf_cz(&seen);
            const char *want = json ? "\"level\":\"info\",\"mod\":\"logtest\",\"msg\":\"hello "
                                      "world\",\"s\":\"a \\\"b\\\"\\n\",\"i\":-5,"
                                      "\"u\":18446744073709551615,\"d\":0.5,\"ok\":true,\"str\":"
                                      "\"plain\",\"took\":0.0015,"
                                      "\"token\":\"***\"}\n"
                                    : " level=info mod=logtest msg=\"hello world\" s=\"a "
                                      "\\\"b\\\"\\n\" i=-5 u=18446744073709551615 d=0.5"
                                      " ok=true str=plain took=1.5ms token=***\n";
            T_ASSERTF(strstr(text, want), "got %s", text);
            T_ASSERT(strstr(text, json ? "\"msg\":\"bare\"}\n" : " msg=bare\n"));
            T_ASSERT(!strstr(text, secret));
            sn_log_free(l);
            sn_buf_done(&seen);
        }
    }
}

SN_TEST(log_levels)
{
    struct sn_log *l = open_log(SN_LOG_LOGFMT, true);
    SN_LOG_TO(l, SN_LOG_LEVEL_DEBUG, "one");
    T_OK(sn_log_set_levels(SN_STR("warn,logtest=debug")));
    SN_LOG_TO(l, SN_LOG_LEVEL_DEBUG, "two");
    T_OK(sn_log_set_levels(SN_STR("off")));
    SN_LOG_TO(l, SN_LOG_LEVEL_ERROR, "three");
    T_EQ(sn_log_set_levels(SN_STR("info,logtset=debug")), SN_E_INVALID_ARGUMENT);
    T_CSTR(sn_diag_str(SN_E_INVALID_ARGUMENT),
           "no log module \"logtset\"; did you mean \"logtest\"?");
    T_EQ(sn_log_set_levels(SN_STR("loud")), SN_E_INVALID_ARGUMENT);
    SN_LOG_TO(l, SN_LOG_LEVEL_ERROR, "four"); /* a wrong list changes nothing */
    T_OK(sn_log_set_levels(SN_STR("info")));
    SN_LOG_TO(l, SN_LOG_LEVEL_INFO, "five");
    T_EQ(count("\n"), 2);
    T_EQ(count("msg=two") + count("msg=five"), 2);
    sn_log_free(l);
    sn_buf_done(&seen);
}

SN_TEST(log_site_limit_counts_what_it_holds_back)
{
    struct sn_log *l = open_log(SN_LOG_LOGFMT, true);
    for (int i = 0; i < 3 * SN_LOG_SITE_PER_S; i++) SN_LOG_TO(l, SN_LOG_LEVEL_INFO, "flood");
    /* At most two seconds can have begun. */
    T_ASSERT(count("msg=flood") >= SN_LOG_SITE_PER_S &&
             count("msg=flood") <= 2 * SN_LOG_SITE_PER_S);
    sn_log_free(l);
    sn_buf_done(&seen);
}

static void *shout(void *arg)
{
    for (int i = 0; i < 5000; i++) {
        char line[32];
        int n = snprintf(line, sizeof(line), "line %d\n", i);
        while (!sn_log_raw(arg, sn_str_of(line, (size_t)n))) usleep(50);
    }
    return NULL;
}

SN_TEST_SLOW(log_many_threads_lose_nothing_they_were_told_is_kept, 60)
{
    struct sn_log *l = open_log(SN_LOG_LOGFMT, false);
    pthread_t t[4];
    for (int i = 0; i < 4; i++) T_EQ(pthread_create(&t[i], NULL, shout, l), 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    T_ASSERT(sn_log_flush(l));
    sn_log_free(l);
    T_EQ(count("line "), 20000);
    T_EQ(count("line 4999\n"), 4);
    sn_buf_done(&seen);
}

static atomic_bool stuck = true;
static void slow_sink(void *arg, struct sn_str lines)
{
    while (atomic_load(&stuck)) usleep(100);
    sn_buf_str(arg, lines);
}

/* A pipe nobody reads: callers go on at once, losses are counted and told. */
SN_TEST(log_slow_sink_never_blocks)
{
    struct sn_log *l = NULL;
    sn_buf_init(&seen, 0);
    T_OK(sn_log_new(&(struct sn_log_opts){.format = SN_LOG_LOGFMT, .sink = slow_sink, .arg = &seen,
                                          .ring_bytes = 1}, &l));
    unsigned kept = 0, lost = 0;
    for (int i = 0; i < 20000; i++) {
        if (sn_log_raw(l, SN_STR("a line of some length, so that the ring is full at some time\n")))
            kept++;
        else lost++;
    }
    T_ASSERT(lost > 0 && kept > 0);
    T_EQ(sn_log_dropped(l), lost);
    atomic_store(&stuck, false);
    T_ASSERT(sn_log_flush(l));
    sn_log_free(l);
    T_EQ(count("a line of"), kept);
    /* Told in one record or, where the thread looked in between, in several. */
    unsigned long told = 0;
    static const char mark[] = "msg=\"records were dropped\" count=";
    for (const char *p = sn_buf_cz(&seen); (p = strstr(p, mark)); p++)
        told += strtoul(p + sizeof(mark) - 1, NULL, 10);
    T_EQ(told, lost);
    sn_buf_done(&seen);
}

SN_TEST(log_long_values_are_cut)
{
    struct sn_log *l = open_log(SN_LOG_JSON, true);
    struct sn_buf big;
    sn_buf_init(&big, 0);
    for (int i = 0; i < 20000; i++) sn_buf_cstr(&big, "\xc3\xa9");
    SN_LOG_TO(l, SN_LOG_LEVEL_INFO, "long", SN_L("a", sn_buf_view(&big)), SN_L("b", "kept"));
    T_ASSERT(seen.len > 5000 && seen.len < SN_LOG_RECORD_MAX + 200);
    struct sn_arena a;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_json_parse(&a, sn_buf_view(&seen), NULL, &v));
    T_ASSERT(sn_str_ends(sn_json_str(sn_json_get(v, "a")), SN_STR("\xc3\xa9...")));
    T_STR(sn_json_str(sn_json_get(v, "b")), "kept");
    sn_arena_done(&a);
    sn_buf_done(&big);
    sn_log_free(l);
    sn_buf_done(&seen);
}

SN_TEST(log_file_and_rotation)
{
    char path[256], moved[256];
    snprintf(path, sizeof(path), "%s/a.log", sn_test_tmpdir());
    snprintf(moved, sizeof(moved), "%s/a.log.1", sn_test_tmpdir());
    struct sn_log *l = NULL;
    T_OK(sn_log_new(&(struct sn_log_opts){.path = path}, &l));
    T_ASSERT(sn_log_raw(l, SN_STR("before\n")) && sn_log_flush(l));
    T_EQ(rename(path, moved), 0);
    sn_log_reopen(l);
    for (int i = 0; i < 2000 && access(path, F_OK) != 0; i++) usleep(1000);
    T_ASSERT(sn_log_raw(l, SN_STR("after\n")) && sn_log_flush(l));
    sn_log_free(l);
    char text[32] = "";
    FILE *f = fopen(path, "r");
    T_ASSERT(f && fgets(text, sizeof(text), f));
    fclose(f);
    T_CSTR(text, "after\n");
    f = fopen(moved, "r");
    T_ASSERT(f && fgets(text, sizeof(text), f));
    fclose(f);
    T_CSTR(text, "before\n");
    T_ASSERT(sn_log_new(&(struct sn_log_opts){.path = "/nonexistent/x.log"}, &l) == SN_E_NOT_FOUND);
}

static size_t trace_id(char out[32])
{
    memcpy(out, "4bf92f3577b34da6", 16);
    return 16;
}

static int in_simulation(void *arg)
{
    sn_log_set_trace(trace_id);
    SN_LOG_TO(arg, SN_LOG_LEVEL_INFO, "first");
    int r = sn_sleep(SN_HOUR / 2);
    SN_LOG_TO(arg, SN_LOG_LEVEL_INFO, "second");
    return r;
}

/* With the virtual clock, by the caller, the same for the same seed. */
SN_TEST(log_in_simulation_repeats)
{
    char first[1024] = "";
    for (int run = 0; run < 2; run++) {
        struct sn_log *l = open_log(SN_LOG_LOGFMT, false);
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 5}, in_simulation, l, NULL));
        T_EQ(count("\n"), 2);
        T_EQ(count("trace=4bf92f3577b34da6"), 2);
        T_EQ(count("fiber="), 2);
        if (run == 0) T_OK(sn_str_cz(sn_buf_view(&seen), first, sizeof(first)));
        else T_CSTR(sn_buf_cz(&seen), first);
        sn_log_free(l);
        sn_buf_done(&seen);
    }
    sn_log_set_trace(NULL);
}
