/* SPDX-License-Identifier: Apache-2.0 */
/* bench/oci/drive - short commands against each other on a machine that is not quiet.
 *
 *   drive [-n ROUNDS] [-w WARMUP] -- NAME COMMAND... [-- NAME COMMAND...]...
 *
 * Every round runs each command once, in an order that alternates, so that whatever else the machine
 * does falls on all alike. Wall time is from fork to the end; CPU time is wait4's, which includes the
 * processes that the command itself waited for (the container's). "%i" in an argument becomes a number
 * that is new each time. Prints a Markdown row per command: medians, the 90th percentile, and the
 * medians of the pairwise ratios against the second command. A command that fails ends the run. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIDES_MAX 8
#define ROUNDS_MAX 10000
#define ARGS_MAX 64

struct side {
    const char *name;
    char **argv;
    int argc;
    double wall[ROUNDS_MAX], cpu[ROUNDS_MAX];
    long rss_kib;
};
static struct side sides[SIDES_MAX];
static unsigned serial;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void once(struct side *s, int round)
{
    char *argv[ARGS_MAX + 1], room[ARGS_MAX][256];
    serial++;
    for (int i = 0; i < s->argc; i++) {
        char *at = strstr(s->argv[i], "%i");
        argv[i] = s->argv[i];
        if (!at) continue;
        snprintf(room[i], sizeof(room[i]), "%.*s%u%s", (int)(at - s->argv[i]), s->argv[i], serial, at + 2);
        argv[i] = room[i];
    }
    argv[s->argc] = NULL;
    struct rusage u;
    int status;
    double t0 = now_ms();
    pid_t pid = vfork();
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    if (wait4(pid, &status, 0, &u) != pid || status) {
        fprintf(stderr, "drive: %s: %s failed with status %d\n", s->name, argv[0], status);
        exit(1);
    }
    double t1 = now_ms();
    /* Orphans of a runtime that left its helper behind. */
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    if (round < 0) return;
    s->wall[round] = t1 - t0;
    s->cpu[round] = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
    if (u.ru_maxrss > s->rss_kib) s->rss_kib = u.ru_maxrss;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double quantile(const double *v, int n, double q)
{
    static double copy[ROUNDS_MAX];
    memcpy(copy, v, (size_t)n * sizeof(*v));
    qsort(copy, (size_t)n, sizeof(*copy), by_value);
    return copy[(int)((n - 1) * q)];
}
static double ratio(const double *a, const double *b, int n)
{
    static double r[ROUNDS_MAX];
    for (int i = 0; i < n; i++) r[i] = b[i] > 0 ? a[i] / b[i] : 0;
    return quantile(r, n, 0.5);
}

int main(int argc, char **argv)
{
    int rounds = 50, warm = 3, at = 1, n = 0;
    for (; at + 1 < argc && argv[at][0] == '-' && argv[at][1] != '-'; at += 2) {
        if (argv[at][1] == 'n') rounds = (int)strtol(argv[at + 1], NULL, 10);
        if (argv[at][1] == 'w') warm = (int)strtol(argv[at + 1], NULL, 10);
    }
    while (at < argc && strcmp(argv[at], "--") == 0 && n < SIDES_MAX) {
        struct side *s = &sides[n++];
        if (++at + 1 >= argc) break;
        s->name = argv[at++];
        s->argv = argv + at;
        while (at < argc && strcmp(argv[at], "--") != 0 && s->argc < ARGS_MAX) at++, s->argc++;
    }
    if (n < 1 || at != argc || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: drive [-n ROUNDS] [-w WARMUP] -- NAME COMMAND... [-- NAME COMMAND...]...\n");
        return 2;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (int r = -warm; r < rounds; r++)
        for (int i = 0; i < n; i++) once(&sides[(r & 1) ? n - 1 - i : i], r);
    for (int i = 0; i < n; i++) {
        struct side *s = &sides[i], *peer = &sides[n > 1 ? 1 : 0];
        printf("| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.1f |\n", s->name, quantile(s->wall, rounds, 0.5),
               quantile(s->wall, rounds, 0.9), quantile(s->cpu, rounds, 0.5), ratio(s->wall, peer->wall, rounds),
               ratio(s->cpu, peer->cpu, rounds), (double)s->rss_kib / 1024);
    }
    return 0;
}
