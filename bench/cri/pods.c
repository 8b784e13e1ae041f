/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cri/pods.c - pods through CRI, by any runtime: pods SOCKET IMAGE N [keep].
 * Without keep each pod is removed before the next one, and medians of every call are printed; with
 * keep they all stay, the medians of each hundred show whether a pod costs more when there are many,
 * and they go when a line comes on standard input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "fiber/fiber.h"
#include "kit/grpc.h"
#include "runtime/v1/api.grpc.h"

#define PODS_MAX 4096u
enum { RUN, CREATE, START, TOTAL, STOP, REMOVE, CALLS };
static const char *const names[CALLS] = {"RunPodSandbox",  "CreateContainer", "StartContainer",
                                         "pod, all three", "StopPodSandbox",  "RemovePodSandbox"};
static double ms[CALLS][PODS_MAX];

struct bench {
    const char *socket, *image;
    unsigned n;
    bool keep;
    struct sn_grpc_channel *ch;
    char ids[PODS_MAX][80];
};
static struct bench b;

static int by_value(const void *x, const void *y)
{
    double d = *(const double *)x - *(const double *)y;
    return d < 0 ? -1 : d > 0;
}

static double percentile(const double *v, unsigned n, double p)
{
    static double sorted[PODS_MAX];
    memcpy(sorted, v, n * sizeof *v);
    qsort(sorted, n, sizeof *sorted, by_value);
    return sorted[(unsigned)((double)(n - 1) * p)];
}

static double since(int64_t *t)
{
    int64_t now = sn_now();
    double d = (double)(now - *t) / (double)SN_MS;
    *t = now;
    return d;
}

static int start(struct sn_arena *a, unsigned i)
{
    static struct sn_str sleep_cmd[] = {SN_STR_INIT("sleep"), SN_STR_INIT("100000")};
    struct runtime_v1_pod_sandbox_metadata pm = {.name = sn_arena_printf(a, "bench-%u", i),
                                                 .uid = sn_arena_printf(a, "u%u-%llx", i,
                                                                        (long long)sn_wall_now()),
                                                 .namespace = SN_STR("bench")};
    struct runtime_v1_linux_pod_sandbox_config lx = {0};
    struct runtime_v1_pod_sandbox_config pc = {.metadata = &pm,
                                               .hostname = SN_STR("bench"),
                                               .linux_ = &lx};
    struct runtime_v1_run_pod_sandbox_request rq = {.config = &pc};
    struct runtime_v1_run_pod_sandbox_response *rr;
    struct runtime_v1_container_metadata cm = {.name = SN_STR("c")};
    struct runtime_v1_image_spec image = {.image = sn_str(b.image)};
    struct runtime_v1_linux_container_config lc = {0};
    struct runtime_v1_container_config cc = {.metadata = &cm,
                                             .image = &image,
                                             .linux_ = &lc,
                                             .command = {sleep_cmd, 2, 0}};
    struct runtime_v1_create_container_request cq = {.config = &cc, .sandbox_config = &pc};
    struct runtime_v1_create_container_response *cr;
    struct runtime_v1_start_container_response *sr;
    int64_t t = sn_now(), t0 = t;
    int r = runtime_v1_runtime_service_run_pod_sandbox_call(b.ch, &rq, a, &rr, NULL);
    if (r < 0) return r;
    ms[RUN][i] = since(&t);
    snprintf(b.ids[i], sizeof b.ids[i], "%.*s", SN_STR_ARG(rr->pod_sandbox_id));
    cq.pod_sandbox_id = rr->pod_sandbox_id;
    r = runtime_v1_runtime_service_create_container_call(b.ch, &cq, a, &cr, NULL);
    if (r < 0) return r;
    ms[CREATE][i] = since(&t);
    struct runtime_v1_start_container_request sq = {.container_id = cr->container_id};
    r = runtime_v1_runtime_service_start_container_call(b.ch, &sq, a, &sr, NULL);
    ms[START][i] = since(&t);
    ms[TOTAL][i] = since(&t0);
    return r;
}

static int end(struct sn_arena *a, unsigned i)
{
    struct runtime_v1_stop_pod_sandbox_request sq = {.pod_sandbox_id = sn_str(b.ids[i])};
    struct runtime_v1_remove_pod_sandbox_request rq = {.pod_sandbox_id = sn_str(b.ids[i])};
    struct runtime_v1_stop_pod_sandbox_response *s;
    struct runtime_v1_remove_pod_sandbox_response *rr;
    int64_t t = sn_now();
    int r = runtime_v1_runtime_service_stop_pod_sandbox_call(b.ch, &sq, a, &s, NULL);
    if (r < 0) return r;
    ms[STOP][i] = since(&t);
    r = runtime_v1_runtime_service_remove_pod_sandbox_call(b.ch, &rq, a, &rr, NULL);
    ms[REMOVE][i] = since(&t);
    return r;
}

static int run(void *arg)
{
    struct sn_arena a;
    char target[256];
    snprintf(target, sizeof target, "unix:%s", b.socket);
    sn_arena_init(&a, NULL, 0);
    int r = sn_grpc_channel_new(target, &(struct sn_grpc_channel_opts){.authority = "localhost"},
                                &b.ch);
    unsigned done = 0;
    for (; r >= 0 && done < b.n; done++) {
        r = start(&a, done);
        if (r >= 0 && !b.keep) r = end(&a, done);
        if (r >= 0 && b.keep && done % 100 == 99)
            printf("| %u | %.1f | %.1f |\n", done + 1, percentile(&ms[TOTAL][done - 99], 100, 0.5),
                   percentile(&ms[TOTAL][done - 99], 100, 0.9));
        fflush(stdout);
        sn_arena_reset(&a);
    }
    if (r < 0) fprintf(stderr, "pod %u: %s\n", done, sn_diag_str(r));
    if (b.keep) { /* whoever reads this measures, and sends a line */
        printf("up\n");
        fflush(stdout);
        (void)getchar();
    }
    for (unsigned i = 0; b.keep && i < done; i++)
        if (end(&a, i) < 0) fprintf(stderr, "remove: %s\n", sn_diag_str(SN_E_UNKNOWN));
    for (unsigned k = 0; r >= 0 && k < CALLS; k++)
        printf("| %s | %.1f | %.1f |\n", names[k], percentile(ms[k], b.n, 0.5),
               percentile(ms[k], b.n, 0.9));
    if (r >= 0 && !b.keep) printf("| pod, the quickest of %u | %.1f | |\n", b.n, percentile(ms[TOTAL], b.n, 0));
    if (b.ch) sn_grpc_channel_free(b.ch);
    sn_arena_done(&a);
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 4) return fprintf(stderr, "pods SOCKET IMAGE N [keep]\n"), 2;
    b.socket = argv[1], b.image = argv[2], b.n = (unsigned)atoi(argv[3]), b.keep = argc > 4;
    if (b.n < 1 || b.n > PODS_MAX) return 2;
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, run, NULL) < 0;
}
