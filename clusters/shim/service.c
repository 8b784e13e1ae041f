/* SPDX-License-Identifier: Apache-2.0 */
/* shim/service.c - containerd.task.v2.Task and v3.Task, which differ in their names only. */
#include <stdio.h>
#include <unistd.h>

#include "clusters/shim/shim_int.h"
#include "core/alloc.h"
#include "wire/json.h"

#define REQ(type) const struct containerd_task_v2_##type *q = req
#define REP(type) \
    struct containerd_task_v2_##type *rep = containerd_task_v2_##type##_new(sn_ttrpc_arena(c))

struct google_protobuf_timestamp *shim_time(struct sn_arena *a, int64_t ns)
{
    struct google_protobuf_timestamp *t = ns ? google_protobuf_timestamp_new(a) : NULL;
    if (!t) return NULL;
    t->seconds = ns / SN_SEC;
    t->nanos = (int32_t)(ns % SN_SEC);
    return t;
}

struct shim_container *shim_find(struct shim *s, const char *id)
{
    SN_LIST_EACH (&s->containers, l) {
        struct shim_container *k = SN_LIST_ENTRY(l, struct shim_container, link);
        if (strcmp(k->id, id) == 0) return k;
    }
    return NULL;
}

/* cstr - a field as a string that ends in NUL, in the call's arena. */
static const char *cstr(struct sn_ttrpc_call *c, struct sn_str s)
{
    struct sn_str z = sn_arena_str(sn_ttrpc_arena(c), s);
    return z.ptr ? z.ptr : "";
}

static int find(struct sn_ttrpc_call *c, struct sn_str id, struct sn_task **ret)
{
    struct shim *s = sn_ttrpc_arg(c);
    if (!s->tasks) return sn_fail(SN_E_NOT_FOUND, "container %.*s does not exist", SN_STR_ARG(id));
    return sn_task_find(s->tasks, cstr(c, id), ret);
}

/* ---- create ------------------------------------------------------------------------------------
 */

static void container_free(struct shim *s, struct shim_container *k)
{
    sn_list_del(&k->link);
    s->n_containers--;
    sn_arena_done(&k->arena);
    sn_free(k);
}

static int container_new(struct shim *s, const struct containerd_task_v2_create_task_request *q,
                         struct shim_container **ret)
{
    struct shim_container *k = sn_zalloc(1, sizeof(*k) + q->id.len + 1);
    if (!k) return SN_E_NOMEM;
    if (q->id.len) memcpy(k->id, q->id.ptr, q->id.len);
    sn_arena_init(&k->arena, NULL, 0);
    sn_list_push_back(&s->containers, &k->link);
    s->n_containers++;
    void *copy = NULL;
    int r = sn_pb_clone(&containerd_task_v2_create_task_request_desc, q, &k->arena, &copy);
    k->req = copy;
    if (r >= 0) {
        k->bundle = (char *)sn_arena_str(&k->arena, q->bundle).ptr;
        k->rootfs = (char *)sn_arena_printf(&k->arena, "%.*s/rootfs", SN_STR_ARG(q->bundle)).ptr;
        if (!k->bundle || !k->rootfs) r = SN_E_NOMEM;
    }
    if (r < 0)
        container_free(s, k);
    else
        *ret = k;
    return r;
}

/* host_open - by the first create, which says where the states are. */
static int host_open(struct shim *s, const char *base, bool systemd)
{
    char root[SHIM_PATH_MAX];
    int r = shim_root(base, s->ns, root, sizeof(root));
    if (r < 0) return r;
    if (s->tasks)
        return strcmp(root, s->root) == 0
                   ? 0
                   : sn_fail(SN_E_INVALID_ARGUMENT, "root %s: this pod's is %s", root, s->root);
    size_t n = strlen(root) + 1;
    s->root = sn_alloc(n);
    if (!s->root) return SN_E_NOMEM;
    memcpy(s->root, root, n);
    s->oci = (struct sn_oci_host){.root = s->root,
                                  .cgroups = &s->cgroups,
                                  .systemd_cgroup = systemd,
                                  .protect_fd = s->protect_fd >= 0 ? &s->protect_fd : NULL};
    return sn_task_host_open(
        &(struct sn_task_host_opts){.oci = &s->oci, .event = shim_task_event, .arg = s}, &s->tasks);
}

struct mount_job {
    const struct shim_container *k;
};
static int mount_job(void *arg)
{
    const struct shim_container *k = ((struct mount_job *)arg)->k;
    return shim_mount_all(k->req->rootfs.ptr, k->req->rootfs.len, k->rootfs);
}
static int unmount_job(void *arg)
{
    const struct shim_container *k = ((struct mount_job *)arg)->k;
    return k->req->rootfs.len ? shim_unmount_all(k->rootfs) : 0;
}

/* criu_work - where criu's log goes: as asked, else the bundle, which is removed with it. */
static const char *criu_work(struct sn_ttrpc_call *c, const struct shim_container *k,
                             const char *asked)
{
    if (asked) return asked;
    struct sn_str s = sn_arena_printf(sn_ttrpc_arena(c), "%s/criu-work", k->bundle);
    return s.ptr ? s.ptr : k->bundle;
}

static int create_in(struct sn_ttrpc_call *c, struct shim *s, struct shim_container *k,
                     struct sn_task **ret)
{
    const struct containerd_task_v2_create_task_request *q = k->req;
    struct shim_options o;
    int r = shim_options(q->options, sn_ttrpc_arena(c), &o);
    if (r >= 0) r = host_open(s, o.root, o.systemd_cgroup);
    if (r < 0) return r;
    /* Before anything is made, so that "delete" knows where to look. */
    struct shim_record rec = {0};
    snprintf(rec.root, sizeof(rec.root), "%s", s->root);
    r = shim_record_write(k->bundle, &rec);
    if (r < 0) return r;
    r = sn_offload(mount_job, &(struct mount_job){k});
    if (r < 0) return r;
    const char *from = q->checkpoint.len ? cstr(c, q->checkpoint) : NULL;
    struct sn_task_opts t = {.id = k->id,
                             .bundle = k->bundle,
                             .restore_from = from,
                             .restore_work = from ? criu_work(c, k, o.criu_work) : NULL,
                             .no_pivot = o.no_pivot_root,
                             .no_new_keyring = o.no_new_keyring,
                             .io = {.terminal = q->terminal,
                                    .in = cstr(c, q->stdin_),
                                    .out = cstr(c, q->stdout_),
                                    .err = cstr(c, q->stderr_),
                                    .logger_id = k->id,
                                    .logger_namespace = s->ns}};
    r = sn_task_create(s->tasks, &t, ret);
    if (r < 0) {
        struct sn_diag keep = *sn_diag();
        if (sn_offload(unmount_job, &(struct mount_job){k}) < 0)
            shim_log("%s", sn_diag_str(SN_E_IO));
        *sn_diag() = keep;
    }
    return r;
}

static int create(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(create_task_request);
    struct shim *s = sn_ttrpc_arg(c);
    REP(create_task_response);
    if (!rep) return SN_E_NOMEM;
    if (shim_find(s, cstr(c, q->id)))
        return sn_fail(SN_E_ALREADY_EXISTS, "container with given ID already exists: %.*s",
                       SN_STR_ARG(q->id));
    struct shim_container *k;
    int r = container_new(s, q, &k);
    if (r < 0) return r;
    struct sn_task *t;
    r = create_in(c, s, k, &t);
    if (r < 0) {
        container_free(s, k);
        return r;
    }
    struct sn_task_state st;
    r = sn_task_state(t, "", &st);
    if (r >= 0) rep->pid = st.pid;
    sn_task_unref(t);
    *ret = rep;
    return r;
}

/* ---- the others --------------------------------------------------------------------------------
 */

static int start(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(start_request);
    REP(start_response);
    struct sn_task *t;
    int r = rep ? find(c, q->id, &t) : SN_E_NOMEM;
    if (r < 0) return r;
    r = sn_task_start(t, cstr(c, q->exec_id));
    sn_task_unref(t);
    if (r < 0) return r;
    rep->pid = (uint32_t)r;
    *ret = rep;
    return 0;
}

static int delete (struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(delete_request);
    struct shim *s = sn_ttrpc_arg(c);
    REP(delete_response);
    struct sn_task *t;
    struct sn_task_state st;
    int r = rep ? find(c, q->id, &t) : SN_E_NOMEM;
    if (r < 0) return r;
    r = sn_task_delete(t, cstr(c, q->exec_id), false, &st);
    sn_task_unref(t);
    if (r < 0) return r;
    rep->pid = st.pid;
    rep->exit_status = st.exit_status;
    rep->exited_at = shim_time(sn_ttrpc_arena(c), st.exited_at_ns);
    *ret = rep;
    if (q->exec_id.len) return 0;
    struct shim_container *k = shim_find(s, cstr(c, q->id));
    if (!k) return 0;
    r = sn_offload(unmount_job, &(struct mount_job){k});
    if (r < 0) shim_log("delete %s: %s", k->id, sn_diag_str(r));
    container_free(s, k);
    return 0;
}

static int32_t status_of(enum sn_task_status s)
{
    switch (s) {
    case SN_TASK_IS_CREATED: return CONTAINERD_V1_TYPES_STATUS_CREATED;
    case SN_TASK_IS_RUNNING: return CONTAINERD_V1_TYPES_STATUS_RUNNING;
    case SN_TASK_IS_PAUSED: return CONTAINERD_V1_TYPES_STATUS_PAUSED;
    case SN_TASK_IS_STOPPED: break;
    }
    return CONTAINERD_V1_TYPES_STATUS_STOPPED;
}

static int state(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(state_request);
    REP(state_response);
    struct sn_arena *a = sn_ttrpc_arena(c);
    struct sn_task *t;
    struct sn_task_state st;
    int r = rep ? find(c, q->id, &t) : SN_E_NOMEM;
    if (r < 0) return r;
    r = sn_task_state(t, cstr(c, q->exec_id), &st);
    if (r >= 0) {
        rep->id = q->id;
        rep->bundle = sn_arena_str(a, sn_str(sn_task_bundle(t)));
        rep->pid = st.pid;
        rep->status = status_of(st.status);
        rep->stdin_ = sn_arena_str(a, sn_str(st.in));
        rep->stdout_ = sn_arena_str(a, sn_str(st.out));
        rep->stderr_ = sn_arena_str(a, sn_str(st.err));
        rep->terminal = st.terminal;
        rep->exit_status = st.exit_status;
        rep->exited_at = shim_time(a, st.exited_at_ns);
        rep->exec_id = q->exec_id;
        *ret = rep;
    }
    sn_task_unref(t);
    return r;
}

static int pids(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(pids_request);
    REP(pids_response);
    struct sn_arena *a = sn_ttrpc_arena(c);
    struct sn_task *t;
    uint32_t *all;
    int r = rep ? find(c, q->id, &t) : SN_E_NOMEM;
    if (r < 0) return r;
    ssize_t n = sn_task_pids(t, a, &all);
    for (ssize_t i = 0; i < n && r >= 0; i++) {
        struct containerd_v1_types_process_info *p =
            containerd_task_v2_pids_response_add_processes(rep, a);
        if (!p)
            r = SN_E_NOMEM;
        else
            p->pid = all[i];
        const char *exec = p ? sn_task_exec_of_pid(t, all[i]) : NULL;
        if (!exec || !*exec) continue;
        struct containerd_runc_v1_process_details d = {.exec_id = sn_str(exec)};
        struct google_protobuf_any *any = containerd_v1_types_process_info_mut_info(p, a);
        r = any ? shim_any(a, &containerd_runc_v1_process_details_desc, &d, any) : SN_E_NOMEM;
    }
    sn_task_unref(t);
    *ret = rep;
    return n < 0 ? (int)n : r;
}

static int pause_task(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(pause_request);
    struct sn_task *t;
    int r = find(c, q->id, &t);
    if (r < 0) return r;
    r = sn_task_pause(t);
    sn_task_unref(t);
    return r;
}

static int resume_task(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(resume_request);
    struct sn_task *t;
    int r = find(c, q->id, &t);
    if (r < 0) return r;
    r = sn_task_resume(t);
    sn_task_unref(t);
    return r;
}

static int checkpoint(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(checkpoint_task_request);
    struct shim *s = sn_ttrpc_arg(c);
    struct shim_container *k = shim_find(s, cstr(c, q->id));
    struct sn_task *t;
    int r = find(c, q->id, &t);
    if (r < 0) return r;
    struct sn_oci_criu_opts o = {.images = cstr(c, q->path)};
    if (!q->path.len) r = sn_fail(SN_E_INVALID_ARGUMENT, "checkpoint: path: a folder is expected");
    if (r >= 0) r = shim_criu_options(q->options, sn_ttrpc_arena(c), &o);
    if (!o.work && k) o.work = criu_work(c, k, NULL);
    if (r >= 0) r = sn_task_checkpoint(t, &o);
    sn_task_unref(t);
    if (r < 0) return r;
    shim_publish(s, "/tasks/checkpointed", &containerd_events_task_checkpointed_desc,
                 &(struct containerd_events_task_checkpointed){.container_id = q->id,
                                                               .checkpoint = q->path});
    return 0;
}

static int kill_task(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(kill_request);
    struct sn_task *t;
    int r = find(c, q->id, &t);
    if (r < 0) return r;
    r = sn_task_kill(t, cstr(c, q->exec_id), (int)q->signal, q->all);
    sn_task_unref(t);
    return r;
}

static int exec(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(exec_process_request);
    struct shim *s = sn_ttrpc_arg(c);
    struct sn_task *t;
    if (!q->spec || !q->spec->value.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "exec: spec: a process is expected");
    int r = find(c, q->id, &t);
    if (r < 0) return r;
    struct sn_task_exec_opts o = {.exec_id = cstr(c, q->exec_id),
                                  .process = q->spec->value,
                                  .io = {.terminal = q->terminal,
                                         .in = cstr(c, q->stdin_),
                                         .out = cstr(c, q->stdout_),
                                         .err = cstr(c, q->stderr_),
                                         .logger_id = sn_task_id(t),
                                         .logger_namespace = s->ns}};
    r = sn_task_exec_add(t, &o);
    sn_task_unref(t);
    return r;
}

static int resize(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(resize_pty_request);
    struct sn_task *t;
    int r = find(c, q->id, &t);
    if (r < 0) return r;
    r = sn_task_resize(t, cstr(c, q->exec_id), q->width, q->height);
    sn_task_unref(t);
    return r;
}

static int close_io(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(close_io_request);
    struct sn_task *t;
    int r = find(c, q->id, &t);
    if (r < 0) return r;
    if (q->stdin_) r = sn_task_close_stdin(t, cstr(c, q->exec_id));
    sn_task_unref(t);
    return r;
}

static int update(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(update_task_request);
    const struct sn_json *j;
    struct sn_task *t;
    if (!q->resources) return 0;
    int r = sn_json_parse(sn_ttrpc_arena(c), q->resources->value, NULL, &j);
    if (r < 0) return sn_wrap(SN_E_INVALID_ARGUMENT, "update: resources");
    r = find(c, q->id, &t);
    if (r < 0) return r;
    r = sn_task_update(t, j);
    sn_task_unref(t);
    return r;
}

static int wait(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(wait_request);
    REP(wait_response);
    struct sn_task *t;
    struct sn_task_state st;
    int r = rep ? find(c, q->id, &t) : SN_E_NOMEM;
    if (r < 0) return r;
    r = sn_task_wait(t, cstr(c, q->exec_id), &st);
    sn_task_unref(t);
    if (r < 0) return r;
    rep->exit_status = st.exit_status;
    rep->exited_at = shim_time(sn_ttrpc_arena(c), st.exited_at_ns);
    *ret = rep;
    return 0;
}

static int stats(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(stats_request);
    REP(stats_response);
    struct sn_arena *a = sn_ttrpc_arena(c);
    struct sn_cgroup_stats *st = SN_ARENA_NEW(a, struct sn_cgroup_stats);
    struct sn_task *t;
    int r = rep && st ? find(c, q->id, &t) : SN_E_NOMEM;
    if (r < 0) return r;
    r = sn_task_stats(t, a, st);
    sn_task_unref(t);
    struct google_protobuf_any *any = containerd_task_v2_stats_response_mut_stats(rep, a);
    if (r >= 0) r = any ? shim_metrics(st, a, any) : SN_E_NOMEM;
    *ret = rep;
    return r;
}

static int connect_task(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    REQ(connect_request);
    REP(connect_response);
    struct sn_task *t;
    struct sn_task_state st;
    if (!rep) return SN_E_NOMEM;
    rep->shim_pid = (uint32_t)getpid();
    *ret = rep;
    int r = find(c, q->id, &t);
    if (r < 0) return 0; /* a sandbox without a task of its name */
    r = sn_task_state(t, "", &st);
    if (r >= 0) rep->task_pid = st.pid;
    sn_task_unref(t);
    return 0;
}

static void stop_server(void *arg) { sn_ttrpc_server_stop(((struct shim *)arg)->server); }

void shim_shutdown(struct sn_ttrpc_call *c, struct shim *s)
{
    sn_event_set(&s->sandbox_over);
    sn_ttrpc_after_reply(c, stop_server, s);
}

static int shut_down(struct sn_ttrpc_call *c, const void *req, void **ret)
{
    struct shim *s = sn_ttrpc_arg(c);
    if (!s->n_containers && !s->sandbox_ready) shim_shutdown(c, s);
    return 0;
}

/* What changes things is finished once begun, though its connection, and with it the call, may end:
 * a containerd that comes back finds it done or undone, never half. */
struct change {
    int (*fn)(struct sn_ttrpc_call *c, const void *req, void **ret);
    struct sn_ttrpc_call *c;
    const void *req;
    void **ret;
};
static int change_run(void *arg)
{
    struct change *h = arg;
    return h->fn(h->c, h->req, h->ret);
}
#define CHANGE(fn)                                                                \
    static int fn##_whole(struct sn_ttrpc_call *c, const void *req, void **ret)   \
    {                                                                             \
        return sn_shield(SN_HOUR, change_run, &(struct change){fn, c, req, ret}); \
    }
CHANGE(create)
CHANGE(start)
CHANGE(delete)
CHANGE(exec)
CHANGE(checkpoint)
CHANGE(update)
CHANGE(pause_task)
CHANGE(resume_task)

#define M(nm, in_, out_, fn)                                                         \
    {                                                                                \
        .name = nm, .in = &containerd_task_v2_##in_##_desc, .out = out_, .unary = fn \
    }
#define T(type) &containerd_task_v2_##type##_desc
#define EMPTY &google_protobuf_empty_desc
static const struct sn_ttrpc_method methods[] = {
    M("State", state_request, T(state_response), state),
    M("Create", create_task_request, T(create_task_response), create_whole),
    M("Start", start_request, T(start_response), start_whole),
    M("Delete", delete_request, T(delete_response), delete_whole),
    M("Pids", pids_request, T(pids_response), pids),
    M("Pause", pause_request, EMPTY, pause_task_whole),
    M("Resume", resume_request, EMPTY, resume_task_whole),
    M("Checkpoint", checkpoint_task_request, EMPTY, checkpoint_whole),
    M("Kill", kill_request, EMPTY, kill_task),
    M("Exec", exec_process_request, EMPTY, exec_whole),
    M("ResizePty", resize_pty_request, EMPTY, resize),
    M("CloseIO", close_io_request, EMPTY, close_io),
    M("Update", update_task_request, EMPTY, update_whole),
    M("Wait", wait_request, T(wait_response), wait),
    M("Stats", stats_request, T(stats_response), stats),
    M("Connect", connect_request, T(connect_response), connect_task),
    M("Shutdown", shutdown_request, EMPTY, shut_down),
};
const struct sn_ttrpc_service shim_task_v2 = {"containerd.task.v2.Task", methods,
                                              SN_COUNT_OF(methods)};
const struct sn_ttrpc_service shim_task_v3 = {"containerd.task.v3.Task", methods,
                                              SN_COUNT_OF(methods)};
