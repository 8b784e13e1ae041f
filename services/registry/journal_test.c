/* SPDX-License-Identifier: Apache-2.0 */
/* registry/journal_test.c - the journal on the simulated disk, whose host crashes at a random
 * moment: every acknowledged record is there afterwards, in order, and none that was never
 * appended. */
#include <fcntl.h>
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "registry/journal.h"
#include "tests/harness/test.h"

#define RECORDS 400

struct world {
    struct reg_journal j;
    struct sn_mutex lock;
    unsigned appended, acked, read; /* numbers of records: 1, 2, ... */
    bool small;                     /* rewrites happen often */
    struct sn_event up;
};

static int replay(void *arg, struct sn_str record)
{
    struct world *w = arg;
    uint64_t n;
    struct sn_str rest = record;
    T_OK(sn_str_to_u64(sn_str_cut(&rest, ' '), &n));
    T_EQ(n, w->read + 1);
    w->read = (unsigned)n;
    return 0;
}
static int dump(void *arg, int (*emit)(void *to, struct sn_str record), void *to)
{
    struct world *w = arg;
    char text[64];
    int r = 0;
    for (unsigned i = 1; r >= 0 && i <= w->appended; i++)
        r = emit(to, sn_str_of(text, (size_t)snprintf(text, sizeof(text), "%u content", i)));
    return r;
}
static void hold(void *arg) { sn_mutex_lock_always(&((struct world *)arg)->lock); }
static void release(void *arg) { sn_mutex_unlock(&((struct world *)arg)->lock); }

static void writer(void *arg)
{
    struct world *w = arg;
    char text[64];
    while (w->appended < RECORDS) {
        hold(w);
        unsigned n = ++w->appended;
        uint64_t seq =
            reg_journal_append(&w->j, sn_str_of(text, (size_t)snprintf(text, sizeof(text),
                                                                       "%u content", n)));
        release(w);
        if (sn_sim_rand() % 4) continue;
        T_OK(reg_journal_wait(&w->j, seq));
        w->acked = n;
    }
}
static void flusher(void *arg) { (void)!reg_journal_run(&((struct world *)arg)->j); }

static void host_main(void *arg)
{
    struct world *w = arg;
    int64_t cut;
    T_OK(sn_mkdirs("/data", 0700));
    T_OK(reg_journal_open(&w->j, "/data/j", replay, w, &cut));
    w->j.dump = dump;
    w->j.hold = hold;
    w->j.release = release;
    w->j.arg = w;
    if (w->small) w->j.rewrite_min = 300;
    sn_event_set(&w->up);
    T_OK(sn_go("flusher", flusher, w));
    writer(w);
}

static void after_crash(void *arg)
{
    struct world *w = arg;
    struct reg_journal j;
    int64_t cut;
    w->read = 0;
    T_OK(reg_journal_open(&j, "/data/j", replay, w, &cut));
    T_ASSERTF(w->read >= w->acked, "record %u was acknowledged, the journal ends with %u", w->acked,
              w->read);
    T_ASSERT(w->read <= w->appended);
    reg_journal_done(&j);
    sn_event_set(&w->up);
}

static int crash_main(void *arg)
{
    struct world *w = arg;
    struct sn_sim_host *h = sn_sim_host_new("disk");
    T_OK(sn_sim_host_go(h, "journal", host_main, w));
    T_OK(sn_event_wait(&w->up));
    T_OK(sn_sleep((int64_t)(sn_sim_rand() % 200) * SN_US * 500));
    sn_sim_crash(h);
    w->up = (struct sn_event){0};
    T_OK(sn_sim_host_go(h, "again", after_crash, w));
    return sn_event_wait(&w->up);
}

SN_TEST_SLOW(journal_crashes, 120)
{
    sn_test_allow_crash_leaks();
    unsigned acked = 0, lost = 0;
    for (unsigned i = 0; i < sn_test_cases(300); i++) {
        sn_test_row("case %u", i);
        struct world w = {.small = i % 2};
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed() + i}, crash_main, &w, NULL));
        acked += w.acked > 0;
        lost += w.read < w.appended;
    }
    T_ASSERTF(acked > 100 && lost > 20,
              "%u runs with acknowledged records, %u with lost ones: the crash says nothing", acked,
              lost);
}

static int count_only(void *arg, struct sn_str record)
{
    ++*(unsigned *)arg;
    return 0;
}

static int damage_main(void *arg)
{
    struct reg_journal j;
    unsigned n = 0;
    int64_t cut;
    T_OK(sn_mkdirs("/d", 0700));
    T_OK(sn_file_write("/d/j", SN_STR("something else entirely"), 0600));
    T_EQ(reg_journal_open(&j, "/d/j", count_only, &n, &cut), SN_E_DATA_LOSS);
    /* A good record, a damaged one, and a good one that must not be believed. */
    T_OK(sn_file_remove("/d/j"));
    T_OK(reg_journal_open(&j, "/d/j", count_only, &n, &cut));
    for (int i = 0; i < 3; i++) (void)reg_journal_append(&j, SN_STR("record"));
    reg_journal_stop(&j);
    T_OK(reg_journal_run(&j));
    reg_journal_done(&j);
    int fd;
    T_OK(sn_file_open("/d/j", O_RDWR, 0, &fd));
    T_EQ(sn_file_pwrite(fd, "X", 1, 8 + 14 + 10), 1);
    sn_file_close(fd);
    T_OK(reg_journal_open(&j, "/d/j", count_only, &n, &cut));
    T_EQ(n, 1);
    T_EQ(cut, 28);
    reg_journal_done(&j);
    struct stat st;
    T_OK(sn_file_stat("/d/j.damaged", &st));
    T_EQ(st.st_size, 28);
    n = 0;
    T_OK(reg_journal_open(&j, "/d/j", count_only, &n, &cut)); /* and again: clean */
    T_EQ(n, 1);
    T_EQ(cut, 0);
    reg_journal_done(&j);
    return 0;
}

SN_TEST(journal_damage)
{
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 5}, damage_main, NULL, NULL));
}

static int failing_main(void *arg)
{
    struct reg_journal j;
    unsigned n = 0;
    int64_t cut;
    struct sn_sim_host *h = arg;
    (void)h;
    T_OK(sn_mkdirs("/d", 0700));
    T_OK(reg_journal_open(&j, "/d/j", count_only, &n, &cut));
    (void)reg_journal_append(&j, (struct sn_str){0}); /* a record that could not be made */
    T_OK(reg_journal_run(&j));
    T_EQ(reg_journal_wait(&j, 1), SN_E_IO);
    reg_journal_done(&j);
    return 0;
}

SN_TEST(journal_acknowledges_nothing_after_a_failure)
{
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 5}, failing_main, NULL, NULL));
}
