/* SPDX-License-Identifier: Apache-2.0 */
/* oci/state_test.c - the state file: written once, read consistently, foreign files refused. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/oci/container.h"
#include "clusters/oci/state_int.h"
#include "core/status.h"
#include "tests/harness/test.h"

static struct sn_oci_state_init sample(void)
{
    struct sn_oci_state_init i = {.owner = 7, .created_ns = 42};
    i.text[SN_OCI_TEXT_ID] = SN_STR("a");
    i.text[SN_OCI_TEXT_CONFIG] = SN_STR("{\"x\":1}");
    i.text[SN_OCI_TEXT_CGROUP] = SN_STR("/g");
    return i;
}

SN_TEST(written_and_read)
{
    struct sn_oci_state_init i = sample();
    struct sn_oci_state_file f, g;
    struct sn_oci_state_view v;
    const char *root = sn_test_tmpdir();
    T_OK(sn_oci_state_make(root, "a", &i, &f));
    T_EQ(sn_oci_state_make(root, "a", &i, &g), SN_E_ALREADY_EXISTS);
    T_EQ(sn_oci_state_exists(root, "a"), SN_E_ALREADY_EXISTS);
    T_OK(sn_oci_state_load(root, "a", &g));
    T_STR(sn_oci_state_str(&g, SN_OCI_TEXT_CONFIG), "{\"x\":1}");
    T_STR(sn_oci_state_str(&g, SN_OCI_TEXT_BUNDLE), "");
    T_EQ(g.map->owner, 7);
    sn_oci_state_view(&g, &v);
    T_EQ(v.pid, 0);
    T_ASSERT(v.maker_lives);
    T_OK(sn_oci_state_set_process(&f, getpid()));
    sn_oci_state_view(&g, &v);
    T_EQ(v.pid, getpid());
    sn_oci_state_done(&g);
    T_OK(sn_oci_state_unlink(root, "a"));
    sn_oci_state_done(&f);
    T_EQ(sn_oci_state_load(root, "a", &g), SN_E_NOT_FOUND);
}

SN_TEST(ended_and_reused_pids)
{
    struct sn_oci_state_init i = sample();
    struct sn_oci_state_file f;
    struct sn_oci_state_view v;
    const char *root = sn_test_tmpdir();
    T_OK(sn_oci_state_make(root, "a", &i, &f));
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    T_OK(sn_oci_state_set_process(&f, child));
    sn_oci_state_view(&f, &v);
    T_EQ(v.pid, child);
    /* The same number with another start time is another process. */
    f.map->pid_start++;
    sn_oci_state_view(&f, &v);
    T_EQ(v.pid, 0);
    f.map->pid_start--;
    kill(child, SIGKILL);
    siginfo_t si;
    T_OK(waitid(P_PID, (id_t)child, &si, WEXITED | WNOWAIT));
    sn_oci_state_view(&f, &v);
    T_EQ(v.pid, 0); /* a zombie has ended */
    T_OK(waitpid(child, NULL, 0));
    T_EQ(sn_oci_state_set_process(&f, child), SN_E_ABORTED);
    T_OK(sn_oci_state_unlink(root, "a"));
    sn_oci_state_done(&f);
}

SN_TEST(foreign_files)
{
    char path[512];
    const char *root = sn_test_tmpdir();
    struct sn_oci_state_file f;
    snprintf(path, sizeof(path), "%s/a", root);
    T_OK(mkdir(path, 0700));
    T_EQ(sn_oci_state_load(root, "a", &f), SN_E_NOT_FOUND);
    T_OK(rmdir(path));
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    T_EQ(sn_oci_state_load(root, "a", &f), SN_E_DATA_LOSS);
    T_OK(ftruncate(fd, 65536));
    T_EQ(sn_oci_state_load(root, "a", &f), SN_E_DATA_LOSS);
    /* Offsets that lead outside are refused, whatever they are. */
    struct sn_oci_state_init i = sample();
    struct sn_oci_state_file good;
    T_OK(sn_oci_state_make(root, "b", &i, &good));
    for (unsigned n = 0; n < sn_test_cases(2000); n++) {
        struct sn_oci_state_map m = *good.map;
        m.text_off[sn_test_rand_below(SN_OCI_TEXTS)] = (uint32_t)sn_test_rand();
        m.text_len[sn_test_rand_below(SN_OCI_TEXTS)] = (uint32_t)sn_test_rand();
        T_EQ(pwrite(good.fd, &m, sizeof(m), 0), (ssize_t)sizeof(m));
        int e = sn_oci_state_load(root, "b", &f);
        if (e == 0) {
            for (int k = 0; k < SN_OCI_TEXTS; k++) {
                struct sn_str s = sn_oci_state_str(&f, (enum sn_oci_state_text)k);
                T_ASSERT(s.ptr >= (char *)f.map && s.ptr + s.len <= (char *)f.map + f.bytes);
            }
            sn_oci_state_done(&f);
        } else {
            T_EQ(e, SN_E_DATA_LOSS);
        }
    }
    close(fd);
    sn_oci_state_done(&good);
}

SN_TEST(ids)
{
    static const char *const good[] = {"a", "A-b_c.d+1", "..a"}, *const bad[] = {"",    ".",
                                                                                 "..",  "a/b",
                                                                                 "a b", "\xc3\xa4"};
    for (size_t i = 0; i < SN_COUNT_OF(good); i++) T_OK(sn_oci_id_check(good[i]));
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++)
        T_EQ(sn_oci_id_check(bad[i]), SN_E_INVALID_ARGUMENT);
}

SN_TEST(start_word)
{
    struct sn_oci_state_init i = sample();
    struct sn_oci_state_file f;
    const char *root = sn_test_tmpdir();
    T_OK(sn_oci_state_make(root, "a", &i, &f));
    int status;
    pid_t child = fork();
    if (child == 0) {
        sn_oci_wait_start(f.map);
        _exit(9);
    }
    sn_oci_wake_start(f.map);
    T_EQ(waitpid(child, &status, 0), child);
    T_EQ(WEXITSTATUS(status), 9);
    T_OK(sn_oci_state_unlink(root, "a"));
    sn_oci_state_done(&f);
}
