/* SPDX-License-Identifier: Apache-2.0 */
/* cri/stats.c - statistics of containers and pods, and the same as metrics. */
#include <stdio.h>

#include "clusters/cri/stats_int.h"

int cri_read_cgroup(void *arg)
{
    struct cri_reading *q = arg;
    const char *location;
    struct sn_cgroup *cg;
    int r = sn_cgroup_resolve(&q->s->cgroups,
                              &(struct sn_cgroup_where){.path = q->cgroup, .id = sn_str(q->id)},
                              q->a, &location);
    if (r >= 0) r = sn_cgroup_open(&q->s->cgroups, location, &cg);
    if (r < 0) return r;
    r = sn_cgroup_stats(cg, q->a, &q->st);
    sn_cgroup_close(cg);
    return r;
}

static struct runtime_v1_u_int64_value *u64(struct sn_arena *a, uint64_t v)
{
    struct runtime_v1_u_int64_value *m = SN_ARENA_NEW(a, struct runtime_v1_u_int64_value);
    if (m) m->value = v;
    return m;
}

uint64_t cri_working_set(const struct sn_cgroup_stats *st)
{
    uint64_t idle = sn_cgroup_stat_get(st, st->v2 ? "inactive_file" : "total_inactive_file"),
             use = st->memory.memory.usage;
    return use > idle ? use - idle : 0;
}

static struct runtime_v1_psi_data *psi_data(struct sn_arena *a, const struct sn_cgroup_psi_line *l)
{
    struct runtime_v1_psi_data *d = SN_ARENA_NEW(a, struct runtime_v1_psi_data);
    if (d)
        *d = (struct runtime_v1_psi_data){.Total = l->total_us * 1000,
                                          .Avg10 = l->avg10,
                                          .Avg60 = l->avg60,
                                          .Avg300 = l->avg300};
    return d;
}

static struct runtime_v1_psi_stats *psi(struct sn_arena *a, const struct sn_cgroup_psi *p)
{
    struct runtime_v1_psi_stats *m = p->set ? SN_ARENA_NEW(a, struct runtime_v1_psi_stats) : NULL;
    if (m) {
        m->Full = psi_data(a, &p->full);
        m->Some = psi_data(a, &p->some);
    }
    return m;
}

static struct runtime_v1_cpu_usage *cpu_usage(struct sn_arena *a, const struct sn_cgroup_stats *st,
                                              int64_t now, uint64_t nano_cores)
{
    struct runtime_v1_cpu_usage *m = SN_ARENA_NEW(a, struct runtime_v1_cpu_usage);
    if (!m) return NULL;
    m->timestamp = now;
    m->usage_core_nano_seconds = u64(a, st->cpu.usage_ns);
    m->usage_nano_cores = u64(a, nano_cores);
    m->psi = psi(a, &st->cpu.psi);
    return m;
}

static struct runtime_v1_memory_usage *memory_usage(struct sn_arena *a,
                                                    const struct sn_cgroup_stats *st, int64_t now)
{
    struct runtime_v1_memory_usage *m = SN_ARENA_NEW(a, struct runtime_v1_memory_usage);
    if (!m) return NULL;
    uint64_t ws = cri_working_set(st), limit = st->memory.memory.limit;
    m->timestamp = now;
    m->usage_bytes = u64(a, st->memory.memory.usage);
    m->working_set_bytes = u64(a, ws);
    m->available_bytes = u64(a, limit < 1ull << 60 && limit > ws ? limit - ws : 0);
    m->rss_bytes = u64(a, sn_cgroup_stat_get(st, st->v2 ? "anon" : "total_rss"));
    m->page_faults = u64(a, sn_cgroup_stat_get(st, st->v2 ? "pgfault" : "total_pgfault"));
    m->major_page_faults =
        u64(a, sn_cgroup_stat_get(st, st->v2 ? "pgmajfault" : "total_pgmajfault"));
    m->psi = psi(a, &st->memory.psi);
    return m;
}

static struct runtime_v1_filesystem_usage *layer_usage(struct sn_cri *s, const struct cri_ctr *c,
                                                       struct sn_arena *a, int64_t now)
{
    struct sn_image_mount_info mi;
    struct runtime_v1_filesystem_usage *m = SN_ARENA_NEW(a, struct runtime_v1_filesystem_usage);
    if (!m || sn_image_mount_usage(s->images, sn_str(c->id), a, &mi) < 0) return NULL;
    m->timestamp = now;
    m->fs_id = SN_ARENA_NEW(a, struct runtime_v1_filesystem_identifier);
    if (m->fs_id) m->fs_id->mountpoint = sn_str(sn_image_store_root(s->images));
    m->used_bytes = u64(a, mi.bytes);
    m->inodes_used = u64(a, mi.inodes);
    return m;
}

static struct runtime_v1_container_attributes *attributes(const struct cri_ctr *c,
                                                          struct sn_arena *a)
{
    struct runtime_v1_container_attributes *m =
        SN_ARENA_NEW(a, struct runtime_v1_container_attributes);
    if (!m) return NULL;
    m->id = sn_str(c->id);
    m->metadata = c->config->metadata;
    memcpy(&m->labels, &c->config->labels, sizeof m->labels);
    memcpy(&m->annotations, &c->config->annotations, sizeof m->annotations);
    return m;
}

static int ctr_stats(struct sn_cri *s, struct cri_ctr *c, struct sn_arena *a,
                     struct runtime_v1_container_stats **ret)
{
    struct runtime_v1_container_stats *m = SN_ARENA_NEW(a, struct runtime_v1_container_stats);
    struct cri_reading *q = SN_ARENA_NEW(a, struct cri_reading);
    if (!m || !q) return SN_E_NOMEM;
    m->attributes = attributes(c, a);
    *q = (struct cri_reading){.s = s, .a = a, .cgroup = cri_ctr_cgroup(c, a), .id = c->id};
    int64_t now = sn_wall_now();
    if (c->state == CRI_RUNNING && sn_offload(cri_read_cgroup, q) >= 0) {
        if (c->cpu_at && now > c->cpu_at + SN_MS && q->st.cpu.usage_ns >= c->cpu_ns)
            c->nano_cores = (uint64_t)((double)(q->st.cpu.usage_ns - c->cpu_ns) /
                                       (double)(now - c->cpu_at) * 1e9);
        c->cpu_ns = q->st.cpu.usage_ns;
        c->cpu_at = now;
        m->cpu = cpu_usage(a, &q->st, now, c->nano_cores);
        m->memory = memory_usage(a, &q->st, now);
        m->swap = SN_ARENA_NEW(a, struct runtime_v1_swap_usage);
        if (m->swap && q->st.memory.swap_set) {
            uint64_t both = q->st.memory.swap.usage, mem = q->st.memory.memory.usage;
            m->swap->timestamp = now;
            m->swap->swap_usage_bytes = u64(a, q->st.v2 ? both : both > mem ? both - mem : 0);
            m->swap->swap_available_bytes = u64(a, 0);
        }
        m->io = SN_ARENA_NEW(a, struct runtime_v1_io_usage);
        if (m->io) m->io->timestamp = now, m->io->psi = psi(a, &q->st.io.psi);
    }
    m->writable_layer = layer_usage(s, c, a, now);
    *ret = m;
    return 0;
}

static int container_stats(struct sn_grpc_call *call,
                           const struct runtime_v1_container_stats_request *q,
                           struct runtime_v1_container_stats_response **ret)
{
    struct cri_ctr *c;
    void *copy;
    int r = cri_ctr_get(call->arg, call, q->container_id, &c);
    if (r < 0) return r;
    struct runtime_v1_container_stats *m;
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_container_stats_response);
    r = *ret ? ctr_stats(call->arg, c, call->arena, &m) : SN_E_NOMEM;
    if (r >= 0) r = sn_pb_clone(&runtime_v1_container_stats_desc, m, call->arena, &copy);
    if (r >= 0) (*ret)->stats = copy;
    cri_ctr_unref(c);
    return r < 0 ? cri_fail(call, r) : 0;
}

/* References to the containers that a filter wants. */
int cri_pick_ctrs(struct sn_cri *s, struct sn_arena *a,
                  const struct runtime_v1_container_stats_filter *f, const char *pod,
                  struct cri_ctr ***ret, size_t *ret_n)
{
    size_t it = 0, n = 0;
    struct sn_map_slot *slot;
    int r = sn_mutex_lock(&s->mu);
    if (r < 0) return r;
    struct cri_ctr **all = SN_ARENA_ARRAY(a, struct cri_ctr *, s->ctrs.len + 1);
    while (all && (slot = sn_map_next(&s->ctrs, &it))) {
        struct cri_ctr *c = slot->value;
        if (f && f->id.len && !sn_str_starts(sn_str(c->id), f->id)) continue;
        if (f && f->pod_sandbox_id.len && !sn_str_starts(sn_str(c->pod->id), f->pod_sandbox_id))
            continue;
        if (pod && strcmp(pod, c->pod->id)) continue;
        if (f && !cri_labels_match(&c->config->labels, &f->label_selector)) continue;
        if (c->state == CRI_EXITED) continue;
        c->refs++;
        all[n++] = c;
    }
    sn_mutex_unlock(&s->mu);
    if (!all) return SN_E_NOMEM;
    *ret = all;
    *ret_n = n;
    return 0;
}

static int list_into(struct sn_cri *s, struct sn_arena *a,
                     const struct runtime_v1_container_stats_filter *f, const char *pod,
                     void *array)
{
    struct cri_ctr **all;
    size_t n = 0;
    int r = cri_pick_ctrs(s, a, f, pod, &all, &n);
    for (size_t i = 0; i < n; i++) {
        struct runtime_v1_container_stats *m;
        void *copy, **at = r >= 0 ? sn_pb_array_add(array, sizeof *at, a) : NULL;
        if (r >= 0) r = at ? ctr_stats(s, all[i], a, &m) : SN_E_NOMEM;
        if (r >= 0) r = sn_pb_clone(&runtime_v1_container_stats_desc, m, a, &copy);
        if (r >= 0) *at = copy;
        cri_ctr_unref(all[i]);
    }
    return r;
}

static int list_container_stats(struct sn_grpc_call *call,
                                const struct runtime_v1_list_container_stats_request *q,
                                struct runtime_v1_list_container_stats_response **ret)
{
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_list_container_stats_response);
    int r = *ret ? list_into(call->arg, call->arena, q->filter, NULL, &(*ret)->stats) : SN_E_NOMEM;
    return r < 0 ? cri_fail(call, r) : 0;
}

static int stream_container_stats(struct sn_grpc_call *call,
                                  const struct runtime_v1_stream_container_stats_request *q)
{
    struct runtime_v1_stream_container_stats_response all = {0}, one = {0};
    int r = list_into(call->arg, call->arena, q->filter, NULL, &all.container_stats);
    for (uint32_t i = 0; r >= 0 && i < all.container_stats.len; i++) {
        one.container_stats.ptr = &all.container_stats.ptr[i];
        one.container_stats.len = 1;
        r = runtime_v1_runtime_service_stream_container_stats_reply(call, &one);
    }
    return r;
}

/* ---- pods ---- */

static int keep(const struct sn_rtnl_link *l, void *arg)
{
    struct cri_net *j = arg;
    if (l->flags & IFF_LOOPBACK || j->n == SN_COUNT_OF(j->links)) return 0;
    j->links[j->n++] = *l;
    return 0;
}

int cri_read_net(void *arg)
{
    struct cri_net *j = arg;
    struct sn_netns ns;
    int r = sn_netns_open(j->path, &ns);
    if (r < 0) return r;
    r = sn_rtnl_links(&ns.nl, keep, j);
    sn_netns_close(&ns);
    return r;
}

static struct runtime_v1_network_interface_usage *iface(struct sn_arena *a,
                                                        const struct sn_rtnl_link *l)
{
    struct runtime_v1_network_interface_usage *m =
        SN_ARENA_NEW(a, struct runtime_v1_network_interface_usage);
    if (!m) return NULL;
    m->name = sn_arena_str(a, sn_str(l->name));
    m->rx_bytes = u64(a, l->rx_bytes);
    m->rx_errors = u64(a, l->rx_errors);
    m->tx_bytes = u64(a, l->tx_bytes);
    m->tx_errors = u64(a, l->tx_errors);
    return m;
}

static struct runtime_v1_network_usage *net_usage(struct cri_pod *p, struct sn_arena *a,
                                                  int64_t now)
{
    struct runtime_v1_network_usage *m = SN_ARENA_NEW(a, struct runtime_v1_network_usage);
    struct cri_net *j = SN_ARENA_NEW(a, struct cri_net);
    if (!m || !j || p->host_network || !p->ready) return NULL;
    snprintf(j->path, sizeof j->path, "/proc/%d/ns/net", cri_pod_holder(p));
    if (sn_offload(cri_read_net, j) < 0 || !j->n) return NULL;
    m->timestamp = now;
    for (unsigned i = 0; i < j->n; i++) {
        struct runtime_v1_network_interface_usage *u = iface(a, &j->links[i]), **at;
        if (!i) m->default_interface = u;
        at = sn_pb_array_add(&m->interfaces, sizeof *at, a);
        if (at) *at = u;
    }
    return m;
}

static int pod_stats(struct sn_cri *s, struct cri_pod *p, struct sn_arena *a,
                     struct runtime_v1_pod_sandbox_stats **ret)
{
    struct runtime_v1_pod_sandbox_stats *m = SN_ARENA_NEW(a, struct runtime_v1_pod_sandbox_stats);
    struct runtime_v1_linux_pod_sandbox_stats *l =
        SN_ARENA_NEW(a, struct runtime_v1_linux_pod_sandbox_stats);
    struct runtime_v1_pod_sandbox_attributes *at =
        SN_ARENA_NEW(a, struct runtime_v1_pod_sandbox_attributes);
    struct cri_reading *q = SN_ARENA_NEW(a, struct cri_reading);
    int64_t now = sn_wall_now();
    if (!m || !l || !at || !q) return SN_E_NOMEM;
    at->id = sn_str(p->id);
    at->metadata = p->config->metadata;
    memcpy(&at->labels, &p->config->labels, sizeof at->labels);
    memcpy(&at->annotations, &p->config->annotations, sizeof at->annotations);
    m->attributes = at;
    m->linux_ = l;
    *q = (struct cri_reading){.s = s, .a = a, .cgroup = p->cgroup, .id = p->id};
    int r = list_into(s, a, NULL, p->id, &l->containers);
    if (r < 0) return r;
    if (p->ready && sn_offload(cri_read_cgroup, q) >= 0) {
        uint64_t cores = 0;
        for (uint32_t i = 0; i < l->containers.len; i++)
            if (l->containers.ptr[i]->cpu && l->containers.ptr[i]->cpu->usage_nano_cores)
                cores += l->containers.ptr[i]->cpu->usage_nano_cores->value;
        l->cpu = cpu_usage(a, &q->st, now, cores);
        l->memory = memory_usage(a, &q->st, now);
        l->process = SN_ARENA_NEW(a, struct runtime_v1_process_usage);
        if (l->process)
            l->process->timestamp = now, l->process->process_count = u64(a, q->st.pids.current);
    }
    l->network = net_usage(p, a, now);
    void *copy;
    r = sn_pb_clone(&runtime_v1_pod_sandbox_stats_desc, m, a, &copy);
    if (r >= 0) *ret = copy;
    return r;
}

static int pod_sandbox_stats(struct sn_grpc_call *call,
                             const struct runtime_v1_pod_sandbox_stats_request *q,
                             struct runtime_v1_pod_sandbox_stats_response **ret)
{
    struct cri_pod *p;
    int r = cri_pod_get(call->arg, call, q->pod_sandbox_id, &p);
    if (r < 0) return r;
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_pod_sandbox_stats_response);
    r = *ret ? pod_stats(call->arg, p, call->arena, &(*ret)->stats) : SN_E_NOMEM;
    cri_pod_unref(p);
    return r < 0 ? cri_fail(call, r) : 0;
}

int cri_each_pod(struct sn_cri *s, struct sn_arena *a, struct cri_pod ***ret, size_t *ret_n)
{
    size_t it = 0, n = 0;
    struct sn_map_slot *slot;
    int r = sn_mutex_lock(&s->mu);
    if (r < 0) return r;
    struct cri_pod **all = SN_ARENA_ARRAY(a, struct cri_pod *, s->pods.len + 1);
    while (all && (slot = sn_map_next(&s->pods, &it))) {
        all[n] = slot->value;
        all[n++]->refs++;
    }
    sn_mutex_unlock(&s->mu);
    *ret = all;
    *ret_n = n;
    return all ? 0 : SN_E_NOMEM;
}

static int list_pods(struct sn_cri *s, struct sn_arena *a,
                     const struct runtime_v1_pod_sandbox_stats_filter *f, void *array)
{
    struct cri_pod **all;
    size_t n = 0;
    int r = cri_each_pod(s, a, &all, &n);
    for (size_t i = 0; i < n; i++) {
        bool want = !f || ((!f->id.len || sn_str_starts(sn_str(all[i]->id), f->id)) &&
                           cri_labels_match(&all[i]->config->labels, &f->label_selector));
        struct runtime_v1_pod_sandbox_stats *m;
        void **at = r >= 0 && want ? sn_pb_array_add(array, sizeof *at, a) : NULL;
        if (r >= 0 && want) r = at ? pod_stats(s, all[i], a, &m) : SN_E_NOMEM;
        if (r >= 0 && want) *at = m;
        cri_pod_unref(all[i]);
    }
    return r;
}

static int list_pod_sandbox_stats(struct sn_grpc_call *call,
                                  const struct runtime_v1_list_pod_sandbox_stats_request *q,
                                  struct runtime_v1_list_pod_sandbox_stats_response **ret)
{
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_list_pod_sandbox_stats_response);
    int r = *ret ? list_pods(call->arg, call->arena, q->filter, &(*ret)->stats) : SN_E_NOMEM;
    return r < 0 ? cri_fail(call, r) : 0;
}

static int stream_pod_sandbox_stats(struct sn_grpc_call *call,
                                    const struct runtime_v1_stream_pod_sandbox_stats_request *q)
{
    struct runtime_v1_stream_pod_sandbox_stats_response all = {0}, one = {0};
    int r = list_pods(call->arg, call->arena, q->filter, &all.pod_sandbox_stats);
    for (uint32_t i = 0; r >= 0 && i < all.pod_sandbox_stats.len; i++) {
        one.pod_sandbox_stats.ptr = &all.pod_sandbox_stats.ptr[i];
        one.pod_sandbox_stats.len = 1;
        r = runtime_v1_runtime_service_stream_pod_sandbox_stats_reply(call, &one);
    }
    return r;
}

void cri_handlers_stats(struct runtime_v1_runtime_service_handlers *h)
{
    h->container_stats = container_stats;
    h->list_container_stats = list_container_stats;
    h->stream_container_stats = stream_container_stats;
    h->pod_sandbox_stats = pod_sandbox_stats;
    h->list_pod_sandbox_stats = list_pod_sandbox_stats;
    h->stream_pod_sandbox_stats = stream_pod_sandbox_stats;
}
