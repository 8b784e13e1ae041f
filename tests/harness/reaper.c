/* SPDX-License-Identifier: Apache-2.0 */
/* harness/reaper.c - sn-reap [-C|-c TEXT] [--] COMMAND...: runs a command as the subreaper of all
 * that it starts, ends what is left afterwards, and says what leaked: processes, mounts (of this
 * mount namespace) and cgroups with TEXT ("sennit-test-") in their path (-C: not looked at). Start
 * it in a mount namespace of its own where others mount at the same time. PID 1 of a test machine
 * may reap nobody, so tests of runtimes bring their own. Exit: the command's status (128 + signal);
 * 99 where that was 0 and something leaked. */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES_MAX 65536
#define GRACE_MS 2000 /* for what is on its way to end */

struct lines {
    char **v;
    size_t n;
};

static void add(struct lines *l, const char *s)
{
    if (l->n == LINES_MAX) return;
    if (!l->v) l->v = calloc(LINES_MAX, sizeof(*l->v));
    if (l->v && (l->v[l->n] = strdup(s))) l->n++;
}
static bool has(const struct lines *l, const char *s)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i], s) == 0) return true;
    return false;
}

static struct lines mounts(void)
{
    struct lines l = {0};
    char line[4096], at[4096];
    FILE *f = fopen("/proc/self/mountinfo", "re");
    /* Only where: ids and options may change without a mount being made. */
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "%*s %*s %*s %*s %4095s", at) == 1) add(&l, at);
    if (f) fclose(f);
    return l;
}

static struct lines *walked;
static int one(const char *path, const struct stat *st, int kind, struct FTW *w)
{
    (void)st;
    (void)w;
    if (kind == FTW_D) add(walked, path);
    return 0;
}
static struct lines cgroups(void)
{
    struct lines l = {0};
    walked = &l;
    nftw("/sys/fs/cgroup", one, 32, FTW_PHYS);
    return l;
}

#define TOLD_MAX 4096

/* Children that are left; each is named, then killed. None is waited for alone: the first process
 * of a pid namespace ends only when whoever else of it is our child has been reaped. */
static unsigned end_children(bool quiet)
{
    static int told[TOLD_MAX];
    unsigned n = 0;
    char path[64], name[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    for (int round = 0; round < 1000; round++) {
        FILE *f = fopen(path, "re");
        int pid, any = 0;
        while (f && fscanf(f, "%d", &pid) == 1) {
            siginfo_t si = {0};
            if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG) == 0 && si.si_pid == pid) continue;
            any++;
            if (round < GRACE_MS / 10) continue;
            kill(pid, SIGKILL);
            bool known = false;
            for (unsigned i = 0; i < n && i < TOLD_MAX; i++) known |= told[i] == pid;
            if (known) continue;
            if (n < TOLD_MAX) told[n] = pid;
            char comm[64] = "?";
            snprintf(name, sizeof(name), "/proc/%d/comm", pid);
            FILE *c = fopen(name, "re");
            if (c && fgets(comm, sizeof(comm), c)) comm[strcspn(comm, "\n")] = 0;
            if (c) fclose(c);
            if (!quiet) fprintf(stderr, "sn-reap: leaked process %d (%s)\n", pid, comm);
            n++;
        }
        if (f) fclose(f);
        if (!any) break;
        usleep(10000);
    }
    return n;
}

static unsigned compare(const char *what, const struct lines *before, const struct lines *after)
{
    unsigned n = 0;
    for (size_t i = 0; i < after->n; i++)
        if (!has(before, after->v[i])) {
            fprintf(stderr, "sn-reap: leaked %s %s\n", what, after->v[i]);
            n++;
        }
    return n;
}

static pid_t command;
static void pass(int sig) { kill(command, sig); }

int main(int argc, char **argv)
{
    int at = 1;
    bool no_cgroups = false;
    const char *ours = "sennit-test-";
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strcmp(argv[at], "-c") == 0 && at + 1 < argc) ours = argv[++at];
        if (strcmp(argv[at], "-C") == 0)
            no_cgroups = true; /* others make cgroups at the same time */
    }
    if (at >= argc) {
        fprintf(stderr, "usage: sn-reap [-C|-c TEXT] [--] COMMAND [ARG...]\n");
        return 2;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    struct lines m0 = mounts(), c0 = {0};
    if (!no_cgroups) c0 = cgroups();
    command = fork();
    if (command == 0) {
        execvp(argv[at], argv + at);
        perror(argv[at]);
        _exit(127);
    }
    signal(SIGTERM, pass);
    signal(SIGINT, pass);
    siginfo_t si;
    int status = 1;
    for (;;) {
        memset(&si, 0, sizeof(si));
        if (waitid(P_ALL, 0, &si, WEXITED) < 0) {
            if (errno == EINTR) continue;
            break;
        }
        if (si.si_pid != command) continue;
        status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
        break;
    }
    unsigned leaks = end_children(false);
    struct lines m1 = mounts(), c1 = {0};
    leaks += compare("mount", &m0, &m1);
    if (!no_cgroups) c1 = cgroups();
    /* A group that another test makes meanwhile is not ours: only names of tests count. */
    for (size_t i = 0; i < c1.n; i++)
        if (!has(&c0, c1.v[i]) && strstr(c1.v[i], ours)) {
            fprintf(stderr, "sn-reap: leaked cgroup %s\n", c1.v[i]);
            leaks++;
        }
    return status == 0 && leaks ? 99 : status;
}
