/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/run_daemon.c - the daemon that runs the containers: found, started, asked. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fiber/os.h"
#include "sennit/run_int.h"

#define WAIT_DAEMON_NS (10 * SN_SEC)

static int ask_version(struct run_job *j)
{
    struct runtime_v1_version_request q = {0};
    struct runtime_v1_version_response *v;
    return runtime_v1_runtime_service_version_call(j->ch, &q, j->a, &v,
                                                   &(struct sn_grpc_opts){.timeout_ns =
                                                                              5 * SN_SEC});
}

static int start_daemon(struct run_job *j)
{
    char self[512];
    if (geteuid() != 0)
        return sn_fail(SN_E_PERMISSION_DENIED,
                       "no `sennit cri` serves at %.*s, and only root can start one",
                       SN_STR_ARG(j->o->socket));
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return sn_fail_errno(errno, "/proc/self/exe");
    self[n] = 0;
    unsigned k = 4;
    const char *argv[9] = {self, "cri", "--listen", sn_arena_str(j->a, j->o->socket).ptr};
    if (j->o->image_root.len) {
        argv[k++] = "--image-root";
        argv[k++] = sn_arena_str(j->a, j->o->image_root).ptr;
    }
    if (j->o->certs.len) {
        argv[k++] = "--registry-config";
        argv[k++] = sn_arena_str(j->a, j->o->certs).ptr;
    }
    struct sn_proc p;
    struct stat st;
    int r =
        sn_proc_start(&(struct sn_proc_opts){.argv = argv, .fds = {-1, -1, -1}, .new_group = true},
                      &p);
    if (r < 0) return r;
    int64_t until = sn_now() + WAIT_DAEMON_NS;
    while (stat(argv[3], &st) < 0 && sn_now() < until && r >= 0) r = sn_sleep(10 * SN_MS);
    return r < 0 ? r
           : stat(argv[3], &st) < 0
               ? sn_fail(SN_E_UNAVAILABLE, "`sennit cri` did not start; by hand it says why")
               : 0;
}

static int open_channel(struct run_job *j)
{
    bool may_start = j->may_start;
    struct stat st;
    struct sn_str target = sn_arena_printf(j->a, "unix:%.*s", SN_STR_ARG(j->o->socket));
    if (stat(target.ptr + 5, &st) < 0 && may_start) {
        int r = start_daemon(j);
        if (r < 0) return r;
    }
    int r = sn_grpc_channel_new(target.ptr,
                                &(struct sn_grpc_channel_opts){.authority = "localhost"}, &j->ch);
    if (r < 0) return r;
    r = ask_version(j);
    if (r >= 0) return 0;
    if (may_start && start_daemon(j) >= 0 && ask_version(j) >= 0) return 0;
    if (r == SN_E_PERMISSION_DENIED || access(target.ptr + 5, W_OK) < 0)
        return errno == EACCES || r == SN_E_PERMISSION_DENIED
                   ? sn_fail(SN_E_PERMISSION_DENIED, "%.*s is root's: try it with sudo",
                             SN_STR_ARG(j->o->socket))
                   : sn_fail(SN_E_UNAVAILABLE,
                             "no `sennit cri` serves at %.*s: nothing runs here; `sennit run` "
                             "starts it",
                             SN_STR_ARG(j->o->socket));
    return sn_wrap(r, "sennit cri at %.*s", SN_STR_ARG(j->o->socket));
}

static int with_daemon(void *arg)
{
    struct run_job *j = arg;
    int r = open_channel(j);
    if (r >= 0) r = j->work(j);
    if (j->http) sn_http_client_free(j->http);
    if (j->ch) sn_grpc_channel_free(j->ch);
    return r;
}

int run_job(const struct sn_cli_call *call, int (*work)(struct run_job *j), bool may_start)
{
    struct run_job j = {.call = call,
                        .o = call->opts,
                        .a = call->arena,
                        .work = work,
                        .may_start = may_start};
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1, .stack_bytes = 128u << 10}, with_daemon,
                     &j);
}

/* ---- finding containers ---- */

static bool label_is(const struct runtime_v1_container *c, struct sn_str value)
{
    for (uint32_t i = 0; i < c->labels.len; i++)
        if (sn_str_eqc(c->labels.ptr[i]->key, RUN_LABEL) &&
            sn_str_eq(c->labels.ptr[i]->value, value))
            return true;
    return false;
}

struct sn_str run_name(const struct runtime_v1_container *c)
{
    for (uint32_t i = 0; i < c->labels.len; i++)
        if (sn_str_eqc(c->labels.ptr[i]->key, RUN_LABEL)) return c->labels.ptr[i]->value;
    return c->metadata ? c->metadata->name : (struct sn_str){0};
}

int run_list(struct run_job *j, struct runtime_v1_list_containers_response **ret)
{
    struct runtime_v1_list_containers_request q = {0};
    return runtime_v1_runtime_service_list_containers_call(j->ch, &q, j->a, ret, NULL);
}

int run_find(struct run_job *j, struct sn_str what, struct runtime_v1_container **ret)
{
    struct runtime_v1_list_containers_response *all;
    struct runtime_v1_container *hit = NULL;
    int r = run_list(j, &all);
    if (r < 0) return r;
    for (uint32_t i = 0; i < all->containers.len; i++)
        if (label_is(all->containers.ptr[i], what)) hit = all->containers.ptr[i];
    for (uint32_t i = 0; !hit && i < all->containers.len; i++)
        if (what.len >= 4 && sn_str_starts(all->containers.ptr[i]->id, what))
            hit = all->containers.ptr[i];
    if (!hit)
        return sn_fail(SN_E_NOT_FOUND, "no container \"%.*s\"; `sennit ps -a` lists them",
                       SN_STR_ARG(what));
    *ret = hit;
    return 0;
}

int run_status(struct run_job *j, struct sn_str id, struct runtime_v1_container_status **ret)
{
    struct runtime_v1_container_status_request q = {.container_id = id};
    struct runtime_v1_container_status_response *s;
    int r = runtime_v1_runtime_service_container_status_call(j->ch, &q, j->a, &s, NULL);
    if (r >= 0) *ret = s->status;
    return r;
}

int run_remove_pod(struct run_job *j, struct sn_str pod)
{
    struct runtime_v1_remove_pod_sandbox_request q = {.pod_sandbox_id = pod};
    struct runtime_v1_remove_pod_sandbox_response *r;
    return runtime_v1_runtime_service_remove_pod_sandbox_call(j->ch, &q, j->a, &r, NULL);
}
