/* SPDX-License-Identifier: Apache-2.0 */
/* cri/pod.c - pod sandboxes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"

#define PORTS_MAX SN_CNI_PORTS_MAX

static const struct runtime_v1_namespace_option *
ns_options(const struct runtime_v1_pod_sandbox_config *cfg)
{
    return cfg->linux_ && cfg->linux_->security_context
               ? cfg->linux_->security_context->namespace_options
               : NULL;
}

/* ---- folders, shared memory ---- */

struct dirs_job {
    struct cri_pod *p;
    struct sn_str run, state, shm;
    bool up;
};

static int dirs_work(void *arg)
{
    struct dirs_job *j = arg;
    if (!j->up) {
        if (j->p->shm && umount2(j->shm.ptr, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
            return sn_fail_errno(errno, "unmount %s", j->shm.ptr);
        int r = cri_remove_tree(j->run.ptr);
        int q = cri_remove_tree(j->state.ptr);
        return r < 0 ? r : q;
    }
    if (mkdir(j->run.ptr, 0711) < 0) return sn_fail_errno(errno, "%s", j->run.ptr);
    if (mkdir(j->shm.ptr, 01777) < 0) return sn_fail_errno(errno, "%s", j->shm.ptr);
    return cri_pod_files(j->p);
}

static int shm_work(void *arg)
{
    struct dirs_job *j = arg;
    const struct runtime_v1_user_namespace *u = cri_pod_userns(j->p);
    char options[96];
    snprintf(options, sizeof options, "mode=1777,size=%u,uid=%u,gid=%u", CRI_SHM_BYTES,
             u ? u->uids.ptr[0]->host_id : 0, u ? u->gids.ptr[0]->host_id : 0);
    return mount("shm", j->shm.ptr, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0
               ? sn_fail_errno(errno, "mount %s", j->shm.ptr)
               : 0;
}

/* A mount that every other container's start would copy, so it is made only where the keeper cannot
 * hold it. */
static int mount_shm(struct cri_pod *p)
{
    struct sn_str at = cri_path(&p->arena, p->s->run_dir, "pods", p->id, "shm");
    if (!p->shm || p->keeper.shm) return 0;
    return at.ptr ? sn_offload(shm_work, &(struct dirs_job){.p = p, .shm = at}) : SN_E_NOMEM;
}

/* The pod's file is there before anything else is, so that a daemon that is killed finds what there
 * may be to remove. */
static int note_begin(struct cri_pod *p)
{
    struct sn_str dir = cri_path(&p->arena, p->s->state_dir, "pods", p->id, NULL);
    if (!dir.ptr) return SN_E_NOMEM;
    if (mkdir(dir.ptr, 0700) < 0) return sn_fail_errno(errno, "%s", dir.ptr);
    const struct runtime_v1_namespace_option *ns = ns_options(p->config);
    p->shm = !ns || ns->ipc != RUNTIME_V1_NAMESPACE_MODE_NODE;
    return cri_pod_save(p);
}

static int pod_dirs(struct cri_pod *p, bool up)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct dirs_job j = {p, cri_path(&a, p->s->run_dir, "pods", p->id, NULL),
                         cri_path(&a, p->s->state_dir, "pods", p->id, NULL),
                         cri_path(&a, p->s->run_dir, "pods", p->id, "shm"), up};
    int r = j.run.ptr && j.state.ptr && j.shm.ptr ? sn_offload(dirs_work, &j) : SN_E_NOMEM;
    sn_arena_done(&a);
    return r;
}

/* ---- network ---- */

static const char *protocol_name(int p)
{
    return p == RUNTIME_V1_PROTOCOL_UDP ? "udp" : p == RUNTIME_V1_PROTOCOL_SCTP ? "sctp" : "tcp";
}

static int cni_pod(struct cri_pod *p, int netns_fd, struct sn_arena *a, struct sn_cni_pod *ret)
{
    const struct runtime_v1_pod_sandbox_config *cfg = p->config;
    struct sn_cni_port *ports = SN_ARENA_ARRAY(a, struct sn_cni_port, cfg->port_mappings.len + 1);
    unsigned n = 0;
    if (!ports) return SN_E_NOMEM;
    if (cfg->port_mappings.len > PORTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "port_mappings: at most %u", PORTS_MAX);
    for (unsigned i = 0; i < cfg->port_mappings.len; i++) {
        const struct runtime_v1_port_mapping *m = cfg->port_mappings.ptr[i];
        if (m->host_port <= 0) continue;
        if (m->host_port > 65535 || m->container_port <= 0 || m->container_port > 65535)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "port_mappings[%u]: %d:%d: expected ports of 1..65535", i, m->host_port,
                           m->container_port);
        ports[n] = (struct sn_cni_port){.protocol = protocol_name(m->protocol),
                                        .host = (uint16_t)m->host_port,
                                        .container = (uint16_t)m->container_port};
        if (m->host_ip.len && sn_ip_parse(m->host_ip, &ports[n].host_ip) < 0)
            return sn_wrap(SN_E_INVALID_ARGUMENT, "port_mappings[%u].host_ip", i);
        n++;
    }
    *ret = (struct sn_cni_pod){.id = p->id,
                               .netns_fd = netns_fd,
                               .ports = ports,
                               .n_ports = n,
                               .name = sn_arena_str(a, cfg->metadata->name).ptr,
                               .ns = sn_arena_str(a, cfg->metadata->namespace).ptr,
                               .uid = sn_arena_str(a, cfg->metadata->uid).ptr};
    if (p->keeper.pid)
        ret->netns = sn_arena_printf(a, "/proc/%d/ns/net", cri_pod_holder(p)).ptr;
    return 0;
}

static int connect_network(struct cri_pod *p, int netns_fd)
{
    struct sn_arena a;
    struct sn_cni_pod pod;
    struct sn_cni_result res;
    sn_arena_init(&a, NULL, 0);
    int r = cni_pod(p, netns_fd, &a, &pod);
    if (r >= 0) r = sn_cni_add(p->s->cni, &pod, &a, &res);
    if (r >= 0) {
        p->networked = true;
        for (unsigned i = 0; i < res.n_ips && p->n_ips < CRI_IPS_MAX; i++) {
            bool inside = res.ips[i].iface < 0 || res.ifaces[res.ips[i].iface].sandbox.len;
            if (inside) p->ips[p->n_ips++] = res.ips[i].at.ip;
        }
    }
    sn_arena_done(&a);
    return r < 0 ? sn_wrap(r, "network of pod %s", p->id) : 0;
}

static int disconnect_network(struct cri_pod *p)
{
    struct sn_arena a;
    struct sn_cni_pod pod;
    if (!p->networked) return 0;
    sn_arena_init(&a, NULL, 0);
    int r = cni_pod(p, -1, &a, &pod);
    if (p->keeper.dead || p->keeper.fd < 0) pod.netns = NULL;
    if (r >= 0) r = sn_cni_del(p->s->cni, &pod);
    if (r >= 0) p->networked = false;
    sn_arena_done(&a);
    return r;
}

/* ---- cgroup ---- */

static int take_cgroup_parent(struct cri_pod *p)
{
    struct sn_str parent =
        p->config->linux_ ? p->config->linux_->cgroup_parent : (struct sn_str){0};
    p->own_cgroup = !parent.len;
    p->cgroup = parent.len ? sn_arena_str(&p->arena, parent)
                           : sn_arena_printf(&p->arena, "%s/pod-%.20s", p->s->cgroup_root, p->id);
    return p->cgroup.ptr ? 0 : SN_E_NOMEM;
}

struct cgroup_job {
    struct cri_pod *p;
};
static int cgroup_remove(void *arg)
{
    struct cgroup_job *j = arg;
    struct sn_arena a;
    const char *location;
    struct sn_cgroup *cg;
    sn_arena_init(&a, NULL, 0);
    int r =
        sn_cgroup_resolve(&j->p->s->cgroups,
                          &(struct sn_cgroup_where){.path = j->p->cgroup, .id = sn_str(j->p->id)},
                          &a, &location);
    if (r >= 0) r = sn_cgroup_open(&j->p->s->cgroups, location, &cg);
    if (r >= 0) {
        r = sn_cgroup_remove(cg);
        sn_cgroup_close(cg);
    }
    sn_arena_done(&a);
    return r == SN_E_NOT_FOUND ? 0 : r;
}

/* ---- run ---- */

static int check_config(struct sn_cri *s, struct sn_grpc_call *c,
                        const struct runtime_v1_run_pod_sandbox_request *q)
{
    const struct runtime_v1_pod_sandbox_config *cfg = q->config;
    if (!cfg || !cfg->metadata || !cfg->metadata->name.len)
        return sn_grpc_fail(c, SN_E_INVALID_ARGUMENT,
                            "config.metadata.name: expected the pod's name");
    const struct runtime_v1_namespace_option *ns = ns_options(cfg);
    int r = cri_userns_check(ns);
    if (r >= 0 && cfg->linux_ && cfg->linux_->security_context)
        r = cri_selinux_check(cfg->linux_->security_context->selinux_options);
    if (r < 0) return cri_fail(c, r);
    unsigned i = 0;
    while (i < s->n_handlers && !sn_str_eqc(q->runtime_handler, s->handlers[i].name)) i++;
    if (i == s->n_handlers)
        return sn_grpc_fail(c, SN_E_NOT_FOUND, "no runtime for \"%.*s\" is configured",
                            SN_STR_ARG(q->runtime_handler));
    bool mapped = ns && ns->userns_options &&
                  ns->userns_options->mode == RUNTIME_V1_NAMESPACE_MODE_POD;
    if (mapped && !s->userns)
        return sn_grpc_fail(c, SN_E_UNIMPLEMENTED, "user namespaces: %s", s->userns_why);
    return mapped && s->handlers[i].program
               ? sn_grpc_fail(c, SN_E_UNIMPLEMENTED,
                              "user namespaces: runtime handler \"%.*s\" is a program of its own",
                              SN_STR_ARG(q->runtime_handler))
               : 0;
}

static int pod_prepare(struct cri_pod *p, const struct runtime_v1_run_pod_sandbox_request *q)
{
    void *cfg;
    int r = sn_pb_clone(&runtime_v1_pod_sandbox_config_desc, q->config, &p->arena, &cfg);
    if (r < 0) return r;
    p->config = cfg;
    p->handler = sn_arena_str(&p->arena, q->runtime_handler);
    for (unsigned i = 0; i < p->s->n_handlers; i++)
        if (sn_str_eqc(p->handler, p->s->handlers[i].name)) p->program = p->s->handlers[i].program;
    const struct runtime_v1_namespace_option *ns = ns_options(p->config);
    p->host_network = ns && ns->network == RUNTIME_V1_NAMESPACE_MODE_NODE;
    p->created_ns = sn_wall_now();
    return take_cgroup_parent(p);
}

struct take_job {
    struct sn_netns_pool *pool;
    struct sn_netns *ns;
};
static int take_netns(void *arg)
{
    struct take_job *j = arg;
    return sn_netns_pool_take(j->pool, j->ns);
}

/* A pod with a user namespace made its network in it, so none of the pool's will do. */
static int connect_own_network(struct cri_pod *p)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/ns/net", cri_pod_holder(p));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "%s", path);
    int r = connect_network(p, fd);
    close(fd);
    return r;
}

static int pod_up(struct cri_pod *p)
{
    struct sn_netns *ns = NULL;
    bool mapped = cri_pod_userns(p) != NULL;
    int r = note_begin(p);
    if (r >= 0) r = pod_dirs(p, true);
    if (r >= 0 && !p->host_network && !mapped) {
        ns = SN_ARENA_NEW(&p->arena, struct sn_netns);
        struct take_job j = {p->s->pool, ns};
        r = !ns                           ? SN_E_NOMEM
            : sn_netns_pool_ready(j.pool) ? take_netns(&j)
                                          : sn_offload(take_netns, &j);
        if (r < 0) ns = NULL;
    }
    if (r >= 0) r = cri_keeper_start(p, ns ? ns->fd : -1);
    if (r >= 0) r = mount_shm(p);
    if (r >= 0 && ns) r = connect_network(p, ns->fd);
    if (r >= 0 && mapped) r = connect_own_network(p);
    if (ns) sn_netns_close(ns);
    if (r >= 0) {
        p->ready = p->made = true;
        r = cri_pod_save(p);
    }
    return r;
}

int cri_pod_down(struct cri_pod *p)
{
    int r = cri_pod_stop(p);
    if (p->own_cgroup) (void)!sn_offload(cgroup_remove, &(struct cgroup_job){p});
    int q = pod_dirs(p, false);
    cri_pod_unlink(p);
    return r < 0 ? r : q;
}

static int pod_down(void *arg) { return cri_pod_down(arg); }

static int run_pod_sandbox(struct sn_grpc_call *c,
                           const struct runtime_v1_run_pod_sandbox_request *q,
                           struct runtime_v1_run_pod_sandbox_response **ret)
{
    struct sn_cri *s = c->arg;
    char id[CRI_ID_LEN + 1];
    int r = check_config(s, c, q);
    if (r < 0) return r;
    cri_new_id(id);
    struct cri_pod *p = cri_pod_new(s, id);
    if (!p) return SN_E_NOMEM;
    sn_mutex_lock_always(&p->op);
    r = pod_prepare(p, q);
    if (r >= 0) r = cri_pod_link(p);
    if (r >= 0) {
        r = pod_up(p);
        if (r < 0) {
            struct sn_diag keep = *sn_diag();
            (void)sn_shield(60 * SN_SEC, pod_down, p);
            *sn_diag() = keep;
        }
    }
    sn_mutex_unlock(&p->op);
    if (r >= 0) {
        *ret = SN_ARENA_NEW(c->arena, struct runtime_v1_run_pod_sandbox_response);
        if (*ret) (*ret)->pod_sandbox_id = sn_arena_str(c->arena, sn_str(p->id));
        cri_event(s, p, p->id, RUNTIME_V1_CONTAINER_EVENT_TYPE_CONTAINER_CREATED_EVENT);
        cri_event(s, p, p->id, RUNTIME_V1_CONTAINER_EVENT_TYPE_CONTAINER_STARTED_EVENT);
    } else {
        r = cri_fail(c, r);
    }
    cri_pod_unref(p);
    return r;
}

/* ---- stop, remove ---- */

static struct cri_ctr *any_ctr(struct cri_pod *p, bool running)
{
    struct cri_ctr *hit = NULL;
    sn_mutex_lock_always(&p->s->mu);
    SN_LIST_EACH (&p->ctrs, it) {
        struct cri_ctr *c = SN_LIST_ENTRY(it, struct cri_ctr, link);
        if (!hit && (!running || c->state == CRI_RUNNING)) hit = c;
    }
    if (hit) hit->refs++;
    sn_mutex_unlock(&p->s->mu);
    return hit;
}

int cri_pod_stop(struct cri_pod *p)
{
    struct cri_ctr *c;
    int r = 0;
    while (r >= 0 && (c = any_ctr(p, true))) {
        r = cri_ctr_stop(c, 0);
        cri_ctr_unref(c);
    }
    if (r < 0) return r;
    bool was = p->ready;
    r = disconnect_network(p);
    sn_mutex_lock_always(&p->s->mu);
    p->ready = false;
    sn_mutex_unlock(&p->s->mu);
    cri_keeper_stop(p);
    (void)!cri_pod_save(p);
    if (was) cri_event(p->s, p, p->id, RUNTIME_V1_CONTAINER_EVENT_TYPE_CONTAINER_STOPPED_EVENT);
    return r;
}

static int locked_stop(void *arg) { return cri_pod_stop(arg); }

static int stop_pod_sandbox(struct sn_grpc_call *c,
                            const struct runtime_v1_stop_pod_sandbox_request *q,
                            struct runtime_v1_stop_pod_sandbox_response **ret)
{
    struct cri_pod *p;
    int r = cri_pod_get(c->arg, c, q->pod_sandbox_id, &p);
    if (r == SN_E_NOT_FOUND) return 0; /* stopping is idempotent, also of what was removed */
    if (r < 0) return r;
    r = sn_mutex_lock(&p->op);
    if (r >= 0) {
        r = sn_shield(60 * SN_SEC, locked_stop, p);
        sn_mutex_unlock(&p->op);
    }
    cri_pod_unref(p);
    return r < 0 ? cri_fail(c, r) : 0;
}

static int remove_all(void *arg)
{
    struct cri_pod *p = arg;
    struct cri_ctr *c;
    int r = cri_pod_stop(p);
    while (r >= 0 && (c = any_ctr(p, false))) {
        r = cri_ctr_remove(c);
        cri_ctr_unref(c);
    }
    return r < 0 ? r : cri_pod_down(p);
}

static int remove_pod_sandbox(struct sn_grpc_call *c,
                              const struct runtime_v1_remove_pod_sandbox_request *q,
                              struct runtime_v1_remove_pod_sandbox_response **ret)
{
    struct cri_pod *p;
    int r = cri_pod_get(c->arg, c, q->pod_sandbox_id, &p);
    if (r == SN_E_NOT_FOUND) return 0;
    if (r < 0) return r;
    r = sn_mutex_lock(&p->op);
    if (r >= 0) {
        r = p->removed ? 0 : sn_shield(120 * SN_SEC, remove_all, p);
        sn_mutex_unlock(&p->op);
    }
    if (r >= 0) cri_event(p->s, p, p->id, RUNTIME_V1_CONTAINER_EVENT_TYPE_CONTAINER_DELETED_EVENT);
    cri_pod_unref(p);
    return r < 0 ? cri_fail(c, r) : 0;
}

/* ---- status, list ---- */

struct runtime_v1_pod_sandbox_status *cri_pod_status(struct cri_pod *p, struct sn_arena *a)
{
    struct runtime_v1_pod_sandbox_status *st =
        SN_ARENA_NEW(a, struct runtime_v1_pod_sandbox_status);
    struct runtime_v1_pod_sandbox_network_status *net =
        SN_ARENA_NEW(a, struct runtime_v1_pod_sandbox_network_status);
    struct runtime_v1_linux_pod_sandbox_status *lx =
        SN_ARENA_NEW(a, struct runtime_v1_linux_pod_sandbox_status);
    struct runtime_v1_namespace *ns = SN_ARENA_NEW(a, struct runtime_v1_namespace);
    struct runtime_v1_namespace_option *no = SN_ARENA_NEW(a, struct runtime_v1_namespace_option);
    char ip[SN_IP_TEXT_MAX];
    if (!st || !net || !lx || !ns || !no) return NULL;
    st->id = sn_arena_str(a, sn_str(p->id));
    st->metadata = p->config->metadata;
    st->state = p->ready ? RUNTIME_V1_POD_SANDBOX_STATE_SANDBOX_READY
                         : RUNTIME_V1_POD_SANDBOX_STATE_SANDBOX_NOTREADY;
    st->created_at = p->created_ns;
    if (p->n_ips) net->ip = sn_arena_str(a, sn_str(sn_ip_text(&p->ips[0], ip)));
    for (unsigned i = 1; i < p->n_ips; i++) {
        struct runtime_v1_pod_ip *more = SN_ARENA_NEW(a, struct runtime_v1_pod_ip);
        struct runtime_v1_pod_ip **at = sn_pb_array_add(&net->additional_ips, sizeof *at, a);
        if (!more || !at) return NULL;
        more->ip = sn_arena_str(a, sn_str(sn_ip_text(&p->ips[i], ip)));
        *at = more;
    }
    st->network = net;
    const struct runtime_v1_namespace_option *had = ns_options(p->config);
    ns->options = had ? (struct runtime_v1_namespace_option *)had : no;
    lx->namespaces = ns;
    st->linux_ = lx;
    memcpy(&st->labels, &p->config->labels, sizeof st->labels);
    memcpy(&st->annotations, &p->config->annotations, sizeof st->annotations);
    st->runtime_handler = p->handler;
    return st;
}

static int pod_sandbox_status(struct sn_grpc_call *c,
                              const struct runtime_v1_pod_sandbox_status_request *q,
                              struct runtime_v1_pod_sandbox_status_response **ret)
{
    struct cri_pod *p;
    struct sn_cri *s = c->arg;
    int r = cri_pod_get(s, c, q->pod_sandbox_id, &p);
    if (r < 0) return r;
    struct runtime_v1_pod_sandbox_status_response *out =
        SN_ARENA_NEW(c->arena, struct runtime_v1_pod_sandbox_status_response);
    sn_mutex_lock_always(&s->mu);
    struct runtime_v1_pod_sandbox_status *st = cri_pod_status(p, c->arena);
    void *copy = NULL;
    /* The answer outlives our reference. */
    r = out && st ? sn_pb_clone(&runtime_v1_pod_sandbox_status_desc, st, c->arena, &copy)
                  : SN_E_NOMEM;
    if (r >= 0) {
        out->status = copy;
        out->timestamp = sn_wall_now();
        SN_LIST_EACH (&p->ctrs, it) {
            struct runtime_v1_container_status *cs =
                cri_ctr_status(SN_LIST_ENTRY(it, struct cri_ctr, link), c->arena);
            struct runtime_v1_container_status **at =
                sn_pb_array_add(&out->containers_statuses, sizeof *at, c->arena);
            void *one = NULL;
            if (cs && at && sn_pb_clone(&runtime_v1_container_status_desc, cs, c->arena, &one) >= 0)
                *at = one;
            else
                r = SN_E_NOMEM;
        }
    }
    int pid = p->keeper.pid;
    sn_mutex_unlock(&s->mu);
    if (r >= 0 && q->verbose) {
        struct runtime_v1_pod_sandbox_status_response_info_entry
            *e = SN_ARENA_NEW(c->arena, struct runtime_v1_pod_sandbox_status_response_info_entry),
            **at;
        at = sn_pb_array_add(&out->info, sizeof *at, c->arena);
        if (!e || !at)
            r = SN_E_NOMEM;
        else {
            e->key = SN_STR("info");
            e->value =
                sn_arena_printf(c->arena, "{\"pid\":%d,\"keeper\":%d,\"runtimeType\":\"sennit\"}",
                                pid, pid);
            *at = e;
        }
    }
    if (r >= 0) *ret = out;
    cri_pod_unref(p);
    return r;
}

/* Every label entry of every message looks the same: key and value behind the head. */
struct label_entry {
    struct sn_pb_head head;
    struct sn_str key, value;
};
struct label_array {
    struct label_entry **ptr;
    uint32_t len, cap;
};

bool cri_labels_match(const void *labels, const void *selector)
{
    const struct label_array *have = labels, *want = selector;
    for (uint32_t i = 0; i < want->len; i++) {
        bool hit = false;
        for (uint32_t k = 0; k < have->len && !hit; k++)
            hit = sn_str_eq(have->ptr[k]->key, want->ptr[i]->key) &&
                  sn_str_eq(have->ptr[k]->value, want->ptr[i]->value);
        if (!hit) return false;
    }
    return true;
}

static bool pod_matches(const struct cri_pod *p, const struct runtime_v1_pod_sandbox_filter *f)
{
    if (!f) return true;
    if (f->id.len && !sn_str_starts(sn_str(p->id), f->id)) return false;
    if (f->state && (f->state->state == RUNTIME_V1_POD_SANDBOX_STATE_SANDBOX_READY) != p->ready)
        return false;
    return cri_labels_match(&p->config->labels, &f->label_selector);
}

static int list_pods(struct sn_cri *s, struct sn_arena *a,
                     const struct runtime_v1_pod_sandbox_filter *f, void *array)
{
    size_t it = 0;
    struct sn_map_slot *slot;
    int r = sn_mutex_lock(&s->mu);
    if (r < 0) return r;
    while (r >= 0 && (slot = sn_map_next(&s->pods, &it))) {
        struct cri_pod *p = slot->value;
        if (!pod_matches(p, f)) continue;
        struct runtime_v1_pod_sandbox m = {.id = sn_str(p->id),
                                           .metadata = p->config->metadata,
                                           .state =
                                               p->ready
                                                   ? RUNTIME_V1_POD_SANDBOX_STATE_SANDBOX_READY
                                                   : RUNTIME_V1_POD_SANDBOX_STATE_SANDBOX_NOTREADY,
                                           .created_at = p->created_ns,
                                           .runtime_handler = p->handler};
        memcpy(&m.labels, &p->config->labels, sizeof m.labels);
        memcpy(&m.annotations, &p->config->annotations, sizeof m.annotations);
        void *copy, **at = sn_pb_array_add(array, sizeof *at, a);
        r = at ? sn_pb_clone(&runtime_v1_pod_sandbox_desc, &m, a, &copy) : SN_E_NOMEM;
        if (r >= 0) *at = copy;
    }
    sn_mutex_unlock(&s->mu);
    return r;
}

static int list_pod_sandbox(struct sn_grpc_call *c,
                            const struct runtime_v1_list_pod_sandbox_request *q,
                            struct runtime_v1_list_pod_sandbox_response **ret)
{
    *ret = SN_ARENA_NEW(c->arena, struct runtime_v1_list_pod_sandbox_response);
    return *ret ? list_pods(c->arg, c->arena, q->filter, &(*ret)->items) : SN_E_NOMEM;
}

static int stream_pod_sandboxes(struct sn_grpc_call *c,
                                const struct runtime_v1_stream_pod_sandboxes_request *q)
{
    struct runtime_v1_stream_pod_sandboxes_response m = {0}, one = {0};
    int r = list_pods(c->arg, c->arena, q->filter, &m.pod_sandboxes);
    for (uint32_t i = 0; r >= 0 && i < m.pod_sandboxes.len; i++) {
        one.pod_sandboxes.ptr = &m.pod_sandboxes.ptr[i];
        one.pod_sandboxes.len = 1;
        r = runtime_v1_runtime_service_stream_pod_sandboxes_reply(c, &one);
    }
    return r;
}

void cri_handlers_pods(struct runtime_v1_runtime_service_handlers *h)
{
    h->run_pod_sandbox = run_pod_sandbox;
    h->stop_pod_sandbox = stop_pod_sandbox;
    h->remove_pod_sandbox = remove_pod_sandbox;
    h->pod_sandbox_status = pod_sandbox_status;
    h->list_pod_sandbox = list_pod_sandbox;
    h->stream_pod_sandboxes = stream_pod_sandboxes;
}
