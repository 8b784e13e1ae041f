/* SPDX-License-Identifier: Apache-2.0 */
/* cri/update.c - changes of what lives: limits of containers and pods, logs opened again. */
#include "clusters/cri/cri_int.h"

/* ---- containers ---- */

/* What the client left out stays as it was. */
static int merge_resources(struct cri_ctr *c,
                           const struct runtime_v1_linux_container_resources *more)
{
    struct runtime_v1_linux_container_resources *m =
        SN_ARENA_NEW(&c->arena, struct runtime_v1_linux_container_resources);
    void *copy;
    if (!m || sn_pb_clone(&runtime_v1_linux_container_resources_desc, more, &c->arena, &copy) < 0)
        return SN_E_NOMEM;
    const struct runtime_v1_linux_container_resources *n = copy;
    if (c->resources) *m = *c->resources;
    if (n->cpu_period) m->cpu_period = n->cpu_period;
    if (n->cpu_quota) m->cpu_quota = n->cpu_quota;
    if (n->cpu_shares) m->cpu_shares = n->cpu_shares;
    if (n->memory_limit_in_bytes) m->memory_limit_in_bytes = n->memory_limit_in_bytes;
    if (n->memory_swap_limit_in_bytes)
        m->memory_swap_limit_in_bytes = n->memory_swap_limit_in_bytes;
    if (n->oom_score_adj) m->oom_score_adj = n->oom_score_adj;
    if (n->cpuset_cpus.len) m->cpuset_cpus = n->cpuset_cpus;
    if (n->cpuset_mems.len) m->cpuset_mems = n->cpuset_mems;
    if (n->hugepage_limits.len) m->hugepage_limits = n->hugepage_limits;
    if (n->unified.len) m->unified = n->unified;
    sn_mutex_lock_always(&c->pod->s->mu);
    c->resources = m;
    sn_mutex_unlock(&c->pod->s->mu);
    return cri_ctr_save(c);
}

static int update_container_resources(struct sn_grpc_call *call,
                                      const struct runtime_v1_update_container_resources_request *q,
                                      struct runtime_v1_update_container_resources_response **ret)
{
    struct cri_ctr *c;
    int r = cri_ctr_get(call->arg, call, q->container_id, &c);
    if (r < 0) return r;
    if (q->linux_ && c->state == CRI_RUNNING) {
        struct cri_msg m;
        cri_msg_begin(&m, "update", c->id);
        sn_jsonw_key(&m.w, SN_STR("resources"));
        r = cri_resources_write(&m.w, q->linux_);
        if (r >= 0)
            r = cri_keeper_call(c->pod, &m, NULL, NULL);
        else
            sn_buf_done(&m.b);
    }
    if (r >= 0 && q->linux_) r = merge_resources(c, q->linux_);
    cri_ctr_unref(c);
    return r < 0 ? cri_fail(call, r) : 0;
}

static int reopen_container_log(struct sn_grpc_call *call,
                                const struct runtime_v1_reopen_container_log_request *q,
                                struct runtime_v1_reopen_container_log_response **ret)
{
    struct cri_ctr *c;
    int r = cri_ctr_get(call->arg, call, q->container_id, &c);
    if (r < 0) return r;
    r = c->state == CRI_RUNNING
            ? cri_keeper_simple(c->pod, "reopen", c->id)
            : sn_fail(SN_E_FAILED_PRECONDITION, "container %s is not running", c->id);
    cri_ctr_unref(c);
    return r < 0 ? cri_fail(call, r) : 0;
}

/* ---- pods ---- */

struct limit_job {
    struct cri_pod *p;
    const struct sn_json *resources;
    struct sn_arena *a;
};
static int limit_work(void *arg)
{
    struct limit_job *j = arg;
    const struct sn_cgroup_host *h = &j->p->s->cgroups;
    struct sn_cgroup_resources r;
    const char *location;
    struct sn_cgroup *cg;
    int e = sn_cgroup_resources_parse(j->a, j->resources, &r);
    if (e >= 0)
        e = sn_cgroup_resolve(h, &(struct sn_cgroup_where){.path = j->p->cgroup,
                                                           .id = sn_str(j->p->id)},
                              j->a, &location);
    if (e >= 0) e = sn_cgroup_create(h, location, &cg);
    if (e < 0) return e;
    e = sn_cgroup_apply(cg, &r);
    sn_cgroup_close(cg);
    return e;
}

/* A pod's group that the client named is the client's: the kubelet has changed it before it calls.
 * One of our own is limited here. */
static int limit_own(struct cri_pod *p, const struct runtime_v1_linux_container_resources *res,
                     struct sn_arena *a)
{
    struct sn_buf b = {0};
    struct sn_jsonw w;
    const struct sn_json *v;
    sn_jsonw_init(&w, &b, NULL);
    int r = cri_resources_write(&w, res);
    struct sn_str text = r < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(&b));
    sn_buf_done(&b);
    if (r >= 0) r = text.ptr ? sn_json_parse(a, text, NULL, &v) : SN_E_NOMEM;
    return r < 0 ? r : sn_offload(limit_work, &(struct limit_job){p, v, a});
}

/* A changed copy of the configuration takes the old one's place, as readers may hold that. */
static int note(struct cri_pod *p, const struct runtime_v1_update_pod_sandbox_resources_request *q)
{
    void *cfg, *part;
    int r = sn_pb_clone(&runtime_v1_pod_sandbox_config_desc, p->config, &p->arena, &cfg);
    if (r < 0) return r;
    struct runtime_v1_pod_sandbox_config *c = cfg;
    if (!c->linux_) c->linux_ = SN_ARENA_NEW(&p->arena, struct runtime_v1_linux_pod_sandbox_config);
    if (!c->linux_) return SN_E_NOMEM;
    const struct sn_pb_desc *d = &runtime_v1_linux_container_resources_desc;
    if (q->overhead) {
        if ((r = sn_pb_clone(d, q->overhead, &p->arena, &part)) < 0) return r;
        c->linux_->overhead = part;
    }
    if (q->resources) {
        if ((r = sn_pb_clone(d, q->resources, &p->arena, &part)) < 0) return r;
        c->linux_->resources = part;
    }
    sn_mutex_lock_always(&p->s->mu);
    p->config = c;
    sn_mutex_unlock(&p->s->mu);
    return cri_pod_save(p);
}

static int
update_pod_sandbox_resources(struct sn_grpc_call *call,
                             const struct runtime_v1_update_pod_sandbox_resources_request *q,
                             struct runtime_v1_update_pod_sandbox_resources_response **ret)
{
    struct cri_pod *p;
    int r = cri_pod_get(call->arg, call, q->pod_sandbox_id, &p);
    if (r < 0) return r;
    r = sn_mutex_lock(&p->op);
    if (r >= 0) {
        if (!p->ready)
            r = sn_fail(SN_E_FAILED_PRECONDITION, "pod sandbox %s is not ready", p->id);
        if (r >= 0 && p->own_cgroup && q->resources) r = limit_own(p, q->resources, call->arena);
        if (r >= 0) r = note(p, q);
        sn_mutex_unlock(&p->op);
    }
    cri_pod_unref(p);
    return r < 0 ? cri_fail(call, r) : 0;
}

void cri_handlers_update(struct runtime_v1_runtime_service_handlers *h)
{
    h->update_container_resources = update_container_resources;
    h->reopen_container_log = reopen_container_log;
    h->update_pod_sandbox_resources = update_pod_sandbox_resources;
}
