/* SPDX-License-Identifier: Apache-2.0 */
/* shim/sandbox.c - containerd.runtime.sandbox.v1.Sandbox: the pod itself. It is this process: there
 * is no pause container; namespaces that a pod shares are given to its containers by path. */
#include <sys/utsname.h>
#include <unistd.h>

#include "clusters/shim/shim_int.h"
#include "core/alloc.h"

#define REQ(type) const struct containerd_runtime_sandbox_v1_##type *q = req
#define REP(type)                                      \
    struct containerd_runtime_sandbox_v1_##type *rep = \
        containerd_runtime_sandbox_v1_##type##_new(sn_ttrpc_arena(c))

static int known(const struct shim *s, struct sn_str id)
{
    if (s->sandbox_id && sn_str_eqc(id, s->sandbox_id)) return 0;
    return sn_fail(SN_E_NOT_FOUND, "sandbox %.*s does not exist", SN_STR_ARG(id));
}

static int create(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(create_sandbox_request);
    struct shim *s = sn_ttrpc_arg(c);
    if (s->sandbox_id)
        return sn_fail(SN_E_ALREADY_EXISTS, "sandbox %s already exists", s->sandbox_id);
    if (!q->sandbox_id.len) return sn_fail(SN_E_INVALID_ARGUMENT, "sandbox_id: a name is expected");
    s->sandbox_id = sn_alloc(q->sandbox_id.len + 1);
    if (!s->sandbox_id) return SN_E_NOMEM;
    memcpy(s->sandbox_id, q->sandbox_id.ptr, q->sandbox_id.len);
    s->sandbox_id[q->sandbox_id.len] = 0;
    return 0;
}

static int start(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(start_sandbox_request);
    struct shim *s = sn_ttrpc_arg(c);
    REP(start_sandbox_response);
    int r = rep ? known(s, q->sandbox_id) : SN_E_NOMEM;
    if (r < 0) return r;
    if (s->sandbox_stopped_ns)
        return sn_fail(SN_E_FAILED_PRECONDITION, "sandbox %s has been stopped", s->sandbox_id);
    if (!s->sandbox_ready) s->sandbox_created_ns = sn_wall_now();
    s->sandbox_ready = true;
    rep->pid = (uint32_t)getpid();
    rep->created_at = shim_time(sn_ttrpc_arena(c), s->sandbox_created_ns);
    *ret = rep;
    return 0;
}

static int platform(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REP(platform_response);
    struct containerd_types_platform *p =
        rep ? containerd_runtime_sandbox_v1_platform_response_mut_platform(rep, sn_ttrpc_arena(c))
            : NULL;
    if (!p) return SN_E_NOMEM;
    struct utsname u;
    p->os = SN_STR("linux");
    p->architecture = SN_STR("amd64");
    if (uname(&u) == 0 && strcmp(u.machine, "aarch64") == 0) {
        p->architecture = SN_STR("arm64");
        p->variant = SN_STR("v8");
    }
    *ret = rep;
    return 0;
}

static int stop(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(stop_sandbox_request);
    struct shim *s = sn_ttrpc_arg(c);
    int r = known(s, q->sandbox_id);
    if (r < 0) return r;
    if (!s->sandbox_stopped_ns) s->sandbox_stopped_ns = sn_wall_now();
    s->sandbox_ready = false;
    sn_event_set(&s->sandbox_over);
    return 0;
}

static int wait(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(wait_sandbox_request);
    struct shim *s = sn_ttrpc_arg(c);
    REP(wait_sandbox_response);
    int r = rep ? known(s, q->sandbox_id) : SN_E_NOMEM;
    if (r >= 0) r = sn_event_wait(&s->sandbox_over);
    if (r < 0) return r;
    rep->exited_at =
        shim_time(sn_ttrpc_arena(c), s->sandbox_stopped_ns ? s->sandbox_stopped_ns : sn_wall_now());
    *ret = rep;
    return 0;
}

static int status(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(sandbox_status_request);
    struct shim *s = sn_ttrpc_arg(c);
    REP(sandbox_status_response);
    int r = rep ? known(s, q->sandbox_id) : SN_E_NOMEM;
    if (r < 0) return r;
    rep->sandbox_id = q->sandbox_id;
    rep->pid = (uint32_t)getpid();
    rep->state = s->sandbox_ready ? SN_STR("SANDBOX_READY") : SN_STR("SANDBOX_NOTREADY");
    rep->created_at = shim_time(sn_ttrpc_arena(c), s->sandbox_created_ns);
    rep->exited_at = shim_time(sn_ttrpc_arena(c), s->sandbox_stopped_ns);
    *ret = rep;
    return 0;
}

static int ping(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(ping_request);
    return known(sn_ttrpc_arg(c), q->sandbox_id);
}

static int shut_down(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    struct shim *s = sn_ttrpc_arg(c);
    if (s->n_containers)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "sandbox has %u containers: they must be deleted before", s->n_containers);
    s->sandbox_ready = false;
    shim_shutdown(c, s);
    return 0;
}

/* pod_stats - the sum of the pod's containers: its own group is its caller's, who reads it there.
 * Those that end meanwhile are left out. */
static int pod_stats(struct shim *s, struct sn_arena *a, struct sn_cgroup_stats *sum)
{
    unsigned n = 0;
    struct sn_task **t = SN_ARENA_ARRAY(a, struct sn_task *, s->n_containers + 1);
    if (!t) return SN_E_NOMEM;
    SN_LIST_EACH (&s->containers, l) { /* first all of them: the list may change while we wait */
        struct shim_container *k = SN_LIST_ENTRY(l, struct shim_container, link);
        if (s->tasks && sn_task_find(s->tasks, k->id, &t[n]) >= 0) n++;
    }
    int r = 0;
    for (unsigned i = 0; i < n; i++) {
        struct sn_cgroup_stats *one = SN_ARENA_NEW(a, struct sn_cgroup_stats);
        if (!one) r = SN_E_NOMEM;
        if (r >= 0 && sn_task_stats(t[i], a, one) >= 0) r = shim_metrics_add(sum, one, a);
        sn_task_unref(t[i]);
    }
    sn_diag_clear();
    return r;
}

static int metrics(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(sandbox_metrics_request);
    REP(sandbox_metrics_response);
    struct sn_arena *a = sn_ttrpc_arena(c);
    struct sn_cgroup_stats *sum = SN_ARENA_NEW(a, struct sn_cgroup_stats);
    int r = rep && sum ? known(sn_ttrpc_arg(c), q->sandbox_id) : SN_E_NOMEM;
    if (r >= 0) r = pod_stats(sn_ttrpc_arg(c), a, sum);
    if (r < 0) return r;
    struct containerd_types_metric *m =
        containerd_runtime_sandbox_v1_sandbox_metrics_response_mut_metrics(rep, a);
    struct google_protobuf_any *any = m ? containerd_types_metric_mut_data(m, a) : NULL;
    if (!any) return SN_E_NOMEM;
    m->id = q->sandbox_id;
    m->timestamp = shim_time(a, sn_wall_now());
    *ret = rep;
    return shim_metrics(sum, a, any);
}

#define M(nm, type, fn)                                                           \
    {                                                                             \
        .name = nm, .in = &containerd_runtime_sandbox_v1_##type##_request_desc,   \
        .out = &containerd_runtime_sandbox_v1_##type##_response_desc, .unary = fn \
    }
static const struct sn_ttrpc_method methods[] = {
    M("CreateSandbox", create_sandbox, create),
    M("StartSandbox", start_sandbox, start),
    M("Platform", platform, platform),
    M("StopSandbox", stop_sandbox, stop),
    M("WaitSandbox", wait_sandbox, wait),
    M("SandboxStatus", sandbox_status, status),
    M("PingSandbox", ping, ping),
    M("ShutdownSandbox", shutdown_sandbox, shut_down),
    M("SandboxMetrics", sandbox_metrics, metrics),
};
const struct sn_ttrpc_service shim_sandbox = {"containerd.runtime.sandbox.v1.Sandbox", methods,
                                              SN_COUNT_OF(methods)};
