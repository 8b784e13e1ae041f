/* SPDX-License-Identifier: Apache-2.0 */
/* bench/fiber/main.c - runs cases and prints "name ns-per-op" lines.
 *   bench_fiber WORKERS [CASE...] */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "fiber/fiber.h"

static const struct bench_case *const tables[] = {bench_sched_cases, bench_sync_cases};
static char **wanted;
static int n_wanted;

static bool is_wanted(const char *name)
{
    for (int i = 0; i < n_wanted; i++)
        if (strcmp(wanted[i], name) == 0) return true;
    return n_wanted == 0;
}

static int run_all(void *arg)
{
    unsigned workers = *(unsigned *)arg;
    for (size_t t = 0; t < SN_COUNT_OF(tables); t++)
        for (const struct bench_case *c = tables[t]; c->name; c++) {
            if (!is_wanted(c->name) || workers < c->workers_min) continue;
            c->fn(c->n / 10 + 1); /* warm caches and stacks */
            int64_t t0 = sn_now();
            c->fn(c->n);
            printf("%s %.2f\n", c->name, (double)(sn_now() - t0) / (double)c->n);
            fflush(stdout);
        }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned workers = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    wanted = argv + 2;
    n_wanted = argc > 2 ? argc - 2 : 0;
    struct sn_rt_opts o = {.workers = workers};
    return sn_rt_run(&o, run_all, &workers) < 0;
}
