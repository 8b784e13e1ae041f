/* SPDX-License-Identifier: Apache-2.0 */
/* harness/victim.c - tests that end in every way there is; selftest.py checks what is said of them. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/test.h"

static int64_t live;
int64_t sn_alloc_live(void);
int64_t sn_alloc_live(void) { return live; }
static int64_t toys;
static int64_t toys_live(void) { return toys; }
__attribute__((constructor)) static void count_toys(void) { sn_test_leak_counter("toys", toys_live); }

SN_TEST(passes) { T_EQ(2, 2); }
SN_TEST(fails)
{
    printf("said before failing\n");
    sn_test_row("row %d", 7);
    T_EQ(1 + 1, 3);
}
SN_TEST(skips) { sn_test_skip("no such %s here", "kernel"); }
SN_TEST(crashes)
{
    sn_test_row("the row of the crash");
    raise(SIGKILL); /* not SIGSEGV, which sanitizers turn into an exit */
}
SN_TEST_SLOW(hangs, 1)
{
    for (;;) pause();
}
SN_TEST(exits_early) { _exit(0); }
SN_TEST(exits_three) { _exit(3); }
SN_TEST(leaks_descriptor) { T_ASSERT(open("/dev/zero", O_RDONLY) >= 0); }
SN_TEST(leaks_descriptor_allowed)
{
    T_ASSERT(open("/dev/zero", O_RDONLY) >= 0);
    sn_test_allow_fds();
}
SN_TEST(closes_descriptor) { close(0); }
SN_TEST(leaks_block) { live++; }
SN_TEST(leaks_toys) { toys += 3; }
SN_TEST(leaks_toys_allowed)
{
    toys += 3;
    sn_test_allow_live("toys");
}

static void *fail_elsewhere(void *arg)
{
    sn_test_fail(__FILE__, 1, "from a thread");
}
SN_TEST(fails_in_thread)
{
    pthread_t t;
    T_EQ(pthread_create(&t, NULL, fail_elsewhere, NULL), 0);
    pthread_join(t, NULL);
}

static void first(void) { printf("at exit: first\n"); }
static void second(void)
{
    printf("at exit: second\n");
    T_ASSERT(!"the check at exit");
}
SN_TEST(fails_at_exit)
{
    sn_test_at_exit(first);
    sn_test_at_exit(second);
}

SN_TEST(leaves_files)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/sub", sn_test_tmpdir());
    printf("tmpdir %s\n", sn_test_tmpdir());
    T_EQ(symlink("/", path), 0); /* removing the folder must not follow it */
    abort();
}
SN_TEST(leaves_process)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    printf("child %d\n", (int)pid);
    T_ASSERT(pid < 0);
}
SN_TEST(random_numbers) { printf("numbers %llu\n", (unsigned long long)sn_test_rand()); T_ASSERT(0); }
