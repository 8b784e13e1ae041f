/* SPDX-License-Identifier: Apache-2.0 */
/* bench/task/task - containers of the task layer, made by a daemon itself and by its zygote, in
 * turns in one process.
 *
 *   task BUNDLE STATES CPUACCT_USAGE ROUNDS MEGABYTES
 *
 * The daemon has touched MEGABYTES of memory, whose page tables a clone copies. BUNDLE's program
 * ends at once. Prints a line per way: name, then medians in microseconds: from create to the
 * program's execution, from create to the end of delete, CPU time of the latter (the group that
 * CPUACCT_USAGE is of: daemon, zygote, container); and the least of the first. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clusters/oci/container.h"
#include "clusters/task/task.h"
#include "clusters/task/zygote.h"
#include "fiber/fiber.h"

#define ROUNDS_MAX 2000u

struct way {
    const char *name;
    struct sn_task_host *h;
    int64_t start[ROUNDS_MAX], life[ROUNDS_MAX], cpu[ROUNDS_MAX];
};
static struct {
    const char *bundle, *usage;
    unsigned rounds;
    struct way way[2];
    struct sn_oci_host oci;
    struct sn_zygote *zygote;
    struct sn_cgroup_host cg;
    int protect;
} b;

static void must(int r, const char *what)
{
    if (r >= 0) return;
    fprintf(stderr, "%s: %s\n", what, sn_diag_str(r));
    exit(1);
}

static int64_t cpu_now(void)
{
    char text[32] = "";
    int fd = open(b.usage, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0) must(SN_E_IO, b.usage);
    close(fd);
    return atoll(text);
}

static void one(struct way *w, unsigned i, unsigned round)
{
    char id[32];
    struct sn_task *t;
    snprintf(id, sizeof(id), "%s%u", w->name, round);
    struct sn_task_opts o = {.id = id, .bundle = b.bundle, .no_new_keyring = true};
    int64_t c0 = cpu_now(), t0 = sn_now();
    must(sn_task_create(w->h, &o, &t), "create");
    must(sn_task_start(t, ""), "start");
    int64_t t1 = sn_now();
    must(sn_task_wait(t, "", NULL), "wait");
    must(sn_task_delete(t, "", false, NULL), "delete");
    w->start[i] = t1 - t0;
    w->life[i] = sn_now() - t0;
    sn_task_unref(t);
    w->cpu[i] = cpu_now() - c0;
}

static int compare(const void *x, const void *y)
{
    int64_t p = *(const int64_t *)x, q = *(const int64_t *)y;
    return (p > q) - (p < q);
}
static double median(int64_t *v, unsigned n)
{
    qsort(v, n, sizeof(*v), compare);
    return (double)v[n / 2] / 1000;
}

static int bench_main(void *arg)
{
    const unsigned warm = 3;
    for (int k = 0; k < 2; k++) {
        struct sn_task_host_opts o = {.oci = &b.oci, .zygote = k ? b.zygote : NULL};
        must(sn_task_host_open(&o, &b.way[k].h), "host");
    }
    for (unsigned i = 0; i < b.rounds + warm; i++)
        for (int k = 0; k < 2; k++) one(&b.way[(i + (unsigned)k) & 1], i < warm ? 0 : i - warm, i);
    for (int k = 0; k < 2; k++) {
        struct way *w = &b.way[k];
        double start = median(w->start, b.rounds), life = median(w->life, b.rounds);
        printf("%s %.0f %.0f %.0f %.0f\n", w->name, start, life, median(w->cpu, b.rounds),
               (double)w->start[0] / 1000);
        sn_task_host_close(w->h);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    must(sn_zygote_start(&b.zygote), "zygote");
    b.bundle = argv[1];
    b.usage = argv[3];
    b.rounds = SN_MIN((unsigned)atoi(argv[4]), ROUNDS_MAX);
    b.way[0].name = "direct";
    b.way[1].name = "zygote";
    size_t bytes = (size_t)atoi(argv[5]) << 20;
    char *ballast = malloc(bytes + 1);
    if (!ballast) return 1;
    memset(ballast, 1, bytes);
    must(sn_cgroup_probe(&b.cg, NULL), "cgroups");
    b.protect = sn_oci_protect_open();
    b.oci = (struct sn_oci_host){.root = argv[2],
                                 .cgroups = &b.cg,
                                 .protect_fd = b.protect >= 0 ? &b.protect : NULL};
    must(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, bench_main, NULL), "runtime");
    sn_zygote_stop(b.zygote);
    sn_cgroup_host_done(&b.cg);
    return ballast[bytes / 2] == 2;
}
