/* SPDX-License-Identifier: Apache-2.0 */
/* cri/container.c - containers of a pod. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"

#define SPEC_BYTES_MAX (4u << 20)

/* ---- create ---- */

/* Who the container runs as: by number or name, with the groups the image's files and the client
 * say. */
static int resolve_user(struct cri_ctr *c)
{
    const struct runtime_v1_linux_container_security_context *sc =
        c->config->linux_ ? c->config->linux_->security_context : NULL;
    struct sn_str who = c->image.user;
    struct sn_arena *a = &c->arena;
    if (sc && sc->run_as_username.len)
        who = sc->run_as_username;
    else if (sc && sc->run_as_user)
        who = sn_arena_printf(a, "%lld", (long long)sc->run_as_user->value);
    if (sc && sc->run_as_group) {
        if (!sc->run_as_user && !sc->run_as_username.len)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "run_as_group: needs run_as_user or run_as_username");
        who = sn_arena_printf(a, "%.*s:%lld", SN_STR_ARG(who), (long long)sc->run_as_group->value);
    }
    char by_fd[32];
    snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", c->root_fd);
    int r = sn_image_user(c->root_fd >= 0 ? by_fd : c->rootfs.ptr, who, a, &c->user);
    if (r < 0) return sn_wrap(r, "user \"%.*s\"", SN_STR_ARG(who));
    bool strict =
        sc && sc->supplemental_groups_policy == RUNTIME_V1_SUPPLEMENTAL_GROUPS_POLICY_STRICT;
    size_t own = strict ? 0 : c->user.n_groups, more = sc ? sc->supplemental_groups.len : 0;
    uint32_t *g = SN_ARENA_ARRAY(a, uint32_t, own + more + 1);
    if (!g) return SN_E_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < own + more; i++) {
        uint32_t v = i < own ? c->user.groups[i] : (uint32_t)sc->supplemental_groups.ptr[i - own];
        bool there = false;
        for (size_t k = 0; k < n; k++) there |= g[k] == v;
        if (!there) g[n++] = v;
    }
    bool primary = false;
    for (size_t k = 0; k < n; k++) primary |= g[k] == c->user.gid;
    if (!primary) { /* the process' own group is listed, too, as Docker's and containerd's are */
        memmove(g + 1, g, n * sizeof *g);
        g[0] = c->user.gid;
        n++;
    }
    c->user.groups = g;
    c->user.n_groups = n;
    return 0;
}

struct dirs_job {
    const char *run, *state;
    bool up;
};
static int dirs_work(void *arg)
{
    struct dirs_job *j = arg;
    if (j->up) {
        if (mkdir(j->run, 0711) < 0) return sn_fail_errno(errno, "%s", j->run);
        return mkdir(j->state, 0700) < 0 ? sn_fail_errno(errno, "%s", j->state) : 0;
    }
    int r = cri_remove_tree(j->run), q = cri_remove_tree(j->state);
    return r < 0 ? r : q;
}

static int ctr_dirs(struct cri_ctr *c, bool up)
{
    struct sn_cri *s = c->pod->s;
    struct sn_str run = cri_path(&c->arena, s->run_dir, "containers", c->id, NULL),
                  state = cri_path(&c->arena, s->state_dir, "containers", c->id, NULL);
    if (!run.ptr || !state.ptr) return SN_E_NOMEM;
    struct dirs_job j = {run.ptr, state.ptr, up};
    return sn_offload(dirs_work, &j);
}

static int find_image(struct cri_ctr *c)
{
    struct sn_str name = c->config->image->image;
    struct sn_image *img = SN_ARENA_NEW(&c->arena, struct sn_image);
    if (!img) return SN_E_NOMEM;
    if (sn_str_eqc(name, SN_IMAGE_HOST)) { /* this machine's own root, which is no image of the store */
        c->image_id = c->image_ref = SN_STR(SN_IMAGE_HOST);
        return 0;
    }
    int r = sn_image_find(c->pod->s->images, name, &c->arena, img);
    if (r < 0) return sn_wrap(r, "image \"%.*s\"", SN_STR_ARG(name));
    c->image_id = img->id;
    c->image_ref = img->n_digests ? img->digests[0] : img->id;
    c->image = img->config;
    return 0;
}

static int ctr_prepare(struct cri_ctr *c, const struct runtime_v1_create_container_request *q)
{
    void *cfg;
    int r = sn_pb_clone(&runtime_v1_container_config_desc, q->config, &c->arena, &cfg);
    if (r < 0) return r;
    c->config = cfg;
    c->resources = c->config->linux_ ? c->config->linux_->resources : NULL;
    c->created_ns = sn_wall_now();
    struct sn_str dir = c->pod->config->log_directory;
    if (dir.len && c->config->log_path.len)
        c->log_path = sn_arena_printf(&c->arena, "%.*s/%.*s", SN_STR_ARG(dir),
                                      SN_STR_ARG(c->config->log_path));
    struct cri_labels labels;
    r = cri_security(c->config, &c->arena, &labels);
    if (r >= 0) r = cri_userns_agrees(c);
    if (r >= 0) r = cri_check_mounts(c->config);
    if (r >= 0) r = find_image(c);
    if (r < 0) return r;
    c->stop_signal = c->image.stop_signal;
    if (c->config->stop_signal)
        c->stop_signal = sn_pb_enum_name(&runtime_v1_signal_enum, c->config->stop_signal);
    if (sn_str_starts(c->stop_signal, SN_STR("SIGNAL_")))
        c->stop_signal = sn_str_from(c->stop_signal, 7);
    return 0;
}

struct subpath_job {
    const char *root, *sub;
};
/* Whether the path is in the image, seen from its own root. */
static int check_subpath(void *arg)
{
    struct subpath_job *j = arg;
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
    int dir = open(j->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return sn_fail_errno(errno, "%s", j->root);
    long fd = syscall(SYS_openat2, dir, j->sub, &how, sizeof how);
    int err = errno;
    close(dir);
    if (fd < 0) return sn_fail_errno(err, "image_sub_path \"%s\"", j->sub);
    close((int)fd);
    return 0;
}

/* Images that are mounted as volumes: read-only, under keys of the container's. */
static int volumes_up(struct cri_ctr *c, const int *userns_fd)
{
    struct sn_image_store *st = c->pod->s->images;
    for (unsigned i = 0; i < c->config->mounts.len; i++) {
        struct runtime_v1_mount *m = c->config->mounts.ptr[i];
        struct sn_image img;
        struct sn_str root;
        if (!m->image || !m->image->image.len) continue;
        int r = sn_image_find(st, m->image->image, &c->arena, &img);
        if (r >= 0)
            r = sn_image_mount(st, img.id, cri_volume_key(c, i, &c->arena),
                               &(struct sn_image_mount_opts){.read_only = true,
                                                             .userns_fd = userns_fd},
                               &c->arena, &root);
        if (r >= 0 && m->image_sub_path.len)
            r = sn_offload(check_subpath,
                           &(struct subpath_job){root.ptr,
                                                 sn_arena_str(&c->arena, m->image_sub_path).ptr});
        if (r < 0) return sn_wrap(r, "mounts[%u]", i);
        m->image->image_ref = img.id;
    }
    return 0;
}

static void volumes_down(struct cri_ctr *c)
{
    for (unsigned i = 0; i < c->config->mounts.len; i++) {
        const struct runtime_v1_mount *m = c->config->mounts.ptr[i];
        if (m->image && m->image->image.len)
            (void)!sn_image_unmount(c->pod->s->images, cri_volume_key(c, i, &c->arena));
    }
}

static int ctr_up(struct cri_ctr *c)
{
    int r = ctr_dirs(c, true), ns = -1;
    const int *mapped = cri_pod_userns(c->pod) ? &ns : NULL;
    bool detached = !c->pod->program; /* which finds it by its path */
    if (r >= 0 && mapped) r = ns = cri_pod_userns_open(c->pod);
    if (r >= 0)
        r = sn_image_mount(c->pod->s->images, c->image_id, sn_str(c->id),
                           &(struct sn_image_mount_opts){.userns_fd = mapped,
                                                         .ret_fd = detached ? &c->root_fd : NULL},
                           &c->arena, &c->rootfs);
    if (r >= 0) r = volumes_up(c, mapped);
    if (ns >= 0) close(ns);
    if (r >= 0) r = resolve_user(c);
    return r < 0 ? r : cri_ctr_save(c);
}

static int ctr_down(void *arg)
{
    struct cri_ctr *c = arg;
    volumes_down(c);
    int r = sn_image_unmount(c->pod->s->images, sn_str(c->id));
    if (r == SN_E_NOT_FOUND) r = 0;
    int q = ctr_dirs(c, false);
    return r < 0 ? r : q;
}

static int create_container(struct sn_grpc_call *call,
                            const struct runtime_v1_create_container_request *q,
                            struct runtime_v1_create_container_response **ret)
{
    struct sn_cri *s = call->arg;
    struct cri_pod *p;
    char id[CRI_ID_LEN + 1];
    if (!q->config || !q->config->metadata || !q->config->metadata->name.len)
        return sn_grpc_fail(call, SN_E_INVALID_ARGUMENT,
                            "config.metadata.name: expected the container's name");
    if (!q->config->image || !q->config->image->image.len)
        return sn_grpc_fail(call, SN_E_INVALID_ARGUMENT, "config.image.image: expected an image");
    int r = cri_pod_get(s, call, q->pod_sandbox_id, &p);
    if (r < 0) return r;
    cri_new_id(id);
    struct cri_ctr *c = cri_ctr_new(p, id);
    r = c ? sn_mutex_lock(&p->op) : SN_E_NOMEM;
    if (r >= 0) {
        r = p->ready ? ctr_prepare(c, q)
                     : sn_fail(SN_E_FAILED_PRECONDITION, "pod sandbox %s is not ready", p->id);
        if (r >= 0) {
            r = ctr_up(c);
            if (r >= 0) r = cri_ctr_link(c);
            if (r < 0) {
                struct sn_diag keep = *sn_diag();
                (void)sn_shield(60 * SN_SEC, ctr_down, c);
                *sn_diag() = keep;
            }
        }
        sn_mutex_unlock(&p->op);
    }
    if (r >= 0) {
        *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_create_container_response);
        if (*ret) (*ret)->container_id = sn_arena_str(call->arena, sn_str(c->id));
        cri_event(s, p, c->id, RUNTIME_V1_CONTAINER_EVENT_TYPE_CONTAINER_CREATED_EVENT);
    } else {
        r = cri_fail(call, r);
    }
    cri_ctr_unref(c);
    cri_pod_unref(p);
    return r;
}

/* ---- start ---- */

static int target_pid(struct cri_ctr *c, int *ret)
{
    const struct runtime_v1_linux_container_security_context *sc =
        c->config->linux_ ? c->config->linux_->security_context : NULL;
    const struct runtime_v1_namespace_option *ns = sc ? sc->namespace_options : NULL;
    if (!ns || ns->pid != RUNTIME_V1_NAMESPACE_MODE_TARGET) return 0;
    sn_mutex_lock_always(&c->pod->s->mu);
    struct cri_ctr *t = sn_map_get(&c->pod->s->ctrs, ns->target_id);
    *ret = t && t->pod == c->pod ? t->pid : 0;
    sn_mutex_unlock(&c->pod->s->mu);
    return *ret ? 0
                : sn_fail(SN_E_FAILED_PRECONDITION,
                          "target container \"%.*s\" is not running in this pod",
                          SN_STR_ARG(ns->target_id));
}

struct bundle_job {
    const char *path;
    struct sn_str text;
};
static int bundle_work(void *arg)
{
    struct bundle_job *j = arg;
    int fd = open(j->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "%s", j->path);
    bool ok = write(fd, j->text.ptr, j->text.len) == (ssize_t)j->text.len;
    close(fd);
    return ok ? 0 : sn_fail(SN_E_IO, "write %s", j->path);
}

static int write_bundle(struct cri_ctr *c, struct sn_arena *a)
{
    struct sn_cri *s = c->pod->s;
    struct sn_buf b;
    struct cri_spec sp = {.ctr = c,
                          .cgroup_v2 = s->cgroups.layout == SN_CGROUP_V2,
                          .a = a,
                          .dir = cri_path(a, s->run_dir, "pods", c->pod->id, NULL).ptr};
    struct sn_str path = cri_path(a, s->run_dir, "containers", c->id, "config.json");
    int r = path.ptr && sp.dir ? target_pid(c, &sp.target_pid) : SN_E_NOMEM;
    if (r >= 0) r = cri_seccomp(s, c, a, &sp.seccomp);
    if (r >= 0) r = cri_security(c->config, a, &sp.labels);
    if (r < 0) return r;
    sn_buf_init(&b, SPEC_BYTES_MAX);
    r = cri_spec_write(&sp, &b);
    if (r >= 0) r = bundle_work(&(struct bundle_job){path.ptr, sn_buf_view(&b)});
    sn_buf_done(&b);
    return r;
}

static int keeper_create(struct cri_ctr *c, struct sn_arena *a)
{
    struct cri_msg m;
    const struct sn_json *v;
    cri_msg_begin(&m, "create", c->id);
    sn_jsonw_kstr(&m.w, "bundle", cri_path(a, c->pod->s->run_dir, "containers", c->id, NULL));
    if (c->pod->program) sn_jsonw_kstr(&m.w, "runtime", sn_str(c->pod->program));
    if (c->log_path.len) sn_jsonw_kstr(&m.w, "log", c->log_path);
    sn_jsonw_kbool(&m.w, "tty", c->config->tty);
    sn_jsonw_kbool(&m.w, "stdin", c->config->stdin_);
    sn_jsonw_kbool(&m.w, "stdin_once", c->config->stdin_once);
    m.fds = &c->root_fd;
    m.n_fds = c->root_fd >= 0;
    int r = cri_keeper_call(c->pod, &m, a, &v);
    if (r >= 0) c->pid = (int)sn_json_i64_or(sn_json_get(v, "pid"), 0);
    return r;
}

static int keeper_start(struct cri_ctr *c, struct sn_arena *a)
{
    struct cri_msg m;
    const struct sn_json *v;
    cri_msg_begin(&m, "start", c->id);
    sn_mutex_lock_always(&c->pod->s->mu);
    c->state = CRI_RUNNING; /* its end may be told before the answer is read */
    c->started_ns = sn_wall_now();
    c->starting = false;
    sn_mutex_unlock(&c->pod->s->mu);
    int r = cri_keeper_call(c->pod, &m, a, &v);
    if (r >= 0) c->started_ns = sn_json_i64_or(sn_json_get(v, "at"), c->started_ns);
    return r;
}

/* The daemon that created the container may have died with its root. */
static int need_root(struct cri_ctr *c, struct sn_arena *a)
{
    int ns = -1, r = 0;
    const int *mapped = cri_pod_userns(c->pod) ? &ns : NULL;
    if (c->root_fd >= 0 || c->pod->program) return 0;
    if (mapped) r = ns = cri_pod_userns_open(c->pod);
    if (r >= 0)
        r = sn_image_reopen(c->pod->s->images, sn_str(c->id),
                            &(struct sn_image_mount_opts){.userns_fd = mapped,
                                                          .ret_fd = &c->root_fd},
                            a);
    if (ns >= 0) close(ns);
    return SN_MIN(r, 0);
}

static int start(void *arg)
{
    struct cri_ctr *c = arg;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = 0;
    if (!c->pod->ready)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "pod sandbox %s is not ready", c->pod->id);
    else if (c->removed || c->state != CRI_CREATED)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "container %s is not in state CREATED", c->id);
    if (r >= 0) {
        c->starting = true;
        r = need_root(c, &a);
        if (r >= 0) r = write_bundle(c, &a);
        if (r >= 0) r = keeper_create(c, &a);
        if (r >= 0) r = keeper_start(c, &a);
        c->starting = false;
        if (c->root_fd >= 0) close(c->root_fd);
        c->root_fd = -1;
        if (r < 0) {
            struct sn_diag keep = *sn_diag();
            char text[SN_DIAG_BYTES + 64];
            (void)!cri_keeper_simple(c->pod, "delete", c->id);
            sn_mutex_lock_always(&c->pod->s->mu);
            *sn_diag() = keep;
            c->state = CRI_EXITED;
            c->exit_code = 128;
            c->started_ns = c->started_ns ? c->started_ns : sn_wall_now();
            c->finished_ns = sn_wall_now();
            c->reason = SN_STR("StartError");
            c->message = sn_arena_str(&c->arena, sn_str(sn_diag_format(r, text, sizeof text)));
            sn_mutex_unlock(&c->pod->s->mu);
            sn_event_set(&c->ended);
            (void)!cri_ctr_save(c);
            *sn_diag() = keep;
        } else {
            (void)!cri_ctr_save(c);
        }
    }
    sn_arena_done(&a);
    return r;
}

static int start_container(struct sn_grpc_call *call,
                           const struct runtime_v1_start_container_request *q,
                           struct runtime_v1_start_container_response **ret)
{
    struct cri_ctr *c;
    int r = cri_ctr_get(call->arg, call, q->container_id, &c);
    if (r < 0) return r;
    r = sn_mutex_lock(&c->pod->op);
    if (r >= 0) {
        r = start(c);
        sn_mutex_unlock(&c->pod->op);
    }
    if (r >= 0)
        cri_event(call->arg, c->pod, c->id,
                  RUNTIME_V1_CONTAINER_EVENT_TYPE_CONTAINER_STARTED_EVENT);
    cri_ctr_unref(c);
    return r < 0 ? cri_fail(call, r) : 0;
}

/* ---- stop, remove ---- */

int cri_ctr_stop(struct cri_ctr *c, int64_t timeout_ns)
{
    if (c->state == CRI_CREATED || c->state == CRI_EXITED) return 0;
    int r = 0;
    if (timeout_ns > 0) {
        r = cri_keeper_kill(c, NULL,
                            cri_signal_number(c->stop_signal.len ? c->stop_signal : SN_STR("TERM")),
                            false);
        if (r >= 0) r = sn_event_wait_until(&c->ended, sn_now() + timeout_ns);
        if (r >= 0 || r == SN_E_CANCELLED) return r;
    }
    r = cri_keeper_kill(c, NULL, SIGKILL, true);
    if (r < 0 && r != SN_E_FAILED_PRECONDITION && r != SN_E_NOT_FOUND) return r;
    r = sn_event_wait_until(&c->ended, sn_now() + CRI_STOP_NS);
    return r == SN_E_DEADLINE_EXCEEDED
               ? sn_fail(r, "container %s was killed and does not end", c->id)
               : r;
}

static int stop_container(struct sn_grpc_call *call,
                          const struct runtime_v1_stop_container_request *q,
                          struct runtime_v1_stop_container_response **ret)
{
    struct cri_ctr *c;
    int r = cri_ctr_get(call->arg, call, q->container_id, &c);
    if (r == SN_E_NOT_FOUND) return 0;
    if (r < 0) return r;
    r = cri_ctr_stop(c, q->timeout > 0 && q->timeout < 1 << 30 ? q->timeout * SN_SEC : 0);
    cri_ctr_unref(c);
    return r < 0 ? cri_fail(call, r) : 0;
}

int cri_ctr_remove(struct cri_ctr *c)
{
    if (c->removed) return 0;
    int r = cri_ctr_stop(c, 0);
    if (r < 0) return r;
    if (!c->pod->keeper.dead && c->pod->keeper.fd >= 0) {
        r = cri_keeper_simple(c->pod, "delete", c->id);
        if (r < 0 && r != SN_E_NOT_FOUND && r != SN_E_UNAVAILABLE) return r;
    }
    r = ctr_down(c);
    cri_ctr_unlink(c);
    cri_event(c->pod->s, c->pod, c->id, RUNTIME_V1_CONTAINER_EVENT_TYPE_CONTAINER_DELETED_EVENT);
    return r;
}

struct reap_job {
    struct cri_ctr *c;
};
static int reap_work(void *arg)
{
    struct reap_job *j = arg;
    const struct sn_cgroup_host *h = &j->c->pod->s->cgroups;
    struct sn_arena a;
    const char *location;
    struct sn_cgroup *cg;
    sn_arena_init(&a, NULL, 0);
    int r = sn_cgroup_resolve(h, &(struct sn_cgroup_where){.path = cri_ctr_cgroup(j->c, &a),
                                                           .id = sn_str(j->c->id)},
                              &a, &location);
    if (r >= 0) r = sn_cgroup_open(h, location, &cg);
    if (r >= 0) {
        r = sn_cgroup_kill(cg);
        int q = sn_cgroup_remove(cg);
        if (r >= 0) r = q;
        sn_cgroup_close(cg);
    }
    sn_arena_done(&a);
    return r;
}

void cri_ctr_reap(struct cri_ctr *c) { (void)!sn_offload(reap_work, &(struct reap_job){c}); }

static int shielded_remove(void *arg) { return cri_ctr_remove(arg); }

static int remove_container(struct sn_grpc_call *call,
                            const struct runtime_v1_remove_container_request *q,
                            struct runtime_v1_remove_container_response **ret)
{
    struct cri_ctr *c;
    int r = cri_ctr_get(call->arg, call, q->container_id, &c);
    if (r == SN_E_NOT_FOUND) return 0;
    if (r < 0) return r;
    r = sn_mutex_lock(&c->pod->op);
    if (r >= 0) {
        r = sn_shield(60 * SN_SEC, shielded_remove, c);
        sn_mutex_unlock(&c->pod->op);
    }
    cri_ctr_unref(c);
    return r < 0 ? cri_fail(call, r) : 0;
}

/* ---- status, list ---- */

static struct runtime_v1_image_spec *image_spec(const struct cri_ctr *c, struct sn_arena *a)
{
    struct runtime_v1_image_spec *sp = SN_ARENA_NEW(a, struct runtime_v1_image_spec);
    if (!sp) return NULL;
    *sp = *c->config->image;
    return sp;
}

static void fill_user(struct runtime_v1_container_status *st, const struct cri_ctr *c,
                      struct sn_arena *a)
{
    struct runtime_v1_container_user *u = SN_ARENA_NEW(a, struct runtime_v1_container_user);
    struct runtime_v1_linux_container_user *l =
        SN_ARENA_NEW(a, struct runtime_v1_linux_container_user);
    if (!u || !l) return;
    l->uid = c->user.uid;
    l->gid = c->user.gid;
    for (size_t i = 0; i < c->user.n_groups; i++) {
        int64_t *g = sn_pb_array_add(&l->supplemental_groups, sizeof *g, a);
        if (g) *g = c->user.groups[i];
    }
    u->linux_ = l;
    st->user = u;
}

struct runtime_v1_container_status *cri_ctr_status(struct cri_ctr *c, struct sn_arena *a)
{
    struct runtime_v1_container_status *st = SN_ARENA_NEW(a, struct runtime_v1_container_status);
    if (!st) return NULL;
    st->id = sn_str(c->id);
    st->metadata = c->config->metadata;
    st->state = (int)c->state;
    st->created_at = c->created_ns;
    st->started_at = c->started_ns;
    st->finished_at = c->finished_ns;
    st->exit_code = c->exit_code;
    st->image = image_spec(c, a);
    st->image_ref = c->image_ref;
    st->image_id = c->image_id;
    st->reason = c->reason;
    st->message = c->message;
    memcpy(&st->labels, &c->config->labels, sizeof st->labels);
    memcpy(&st->annotations, &c->config->annotations, sizeof st->annotations);
    memcpy(&st->mounts, &c->config->mounts, sizeof st->mounts);
    st->log_path = c->log_path;
    if (c->resources) {
        struct runtime_v1_container_resources *r =
            SN_ARENA_NEW(a, struct runtime_v1_container_resources);
        if (!r) return NULL;
        r->linux_ = (struct runtime_v1_linux_container_resources *)c->resources;
        st->resources = r;
    }
    fill_user(st, c, a);
    int sig = cri_signal_number(c->stop_signal.len ? c->stop_signal : SN_STR("TERM"));
    struct sn_str name = c->stop_signal.len ? c->stop_signal : SN_STR("SIGTERM");
    if (!sn_str_starts(name, SN_STR("SIG"))) name = sn_arena_printf(a, "SIG%.*s", SN_STR_ARG(name));
    struct sn_str full = sn_arena_printf(a, "SIGNAL_%.*s", SN_STR_ARG(name));
    int32_t num;
    if (sig && (sn_pb_enum_number(&runtime_v1_signal_enum, name, &num) == 0 ||
                sn_pb_enum_number(&runtime_v1_signal_enum, full, &num) == 0))
        st->stop_signal = num;
    return st;
}

static int container_status(struct sn_grpc_call *call,
                            const struct runtime_v1_container_status_request *q,
                            struct runtime_v1_container_status_response **ret)
{
    struct sn_cri *s = call->arg;
    struct cri_ctr *c;
    void *copy = NULL;
    int r = cri_ctr_get(s, call, q->container_id, &c);
    if (r < 0) return r;
    struct runtime_v1_container_status_response *out =
        SN_ARENA_NEW(call->arena, struct runtime_v1_container_status_response);
    sn_mutex_lock_always(&s->mu);
    struct runtime_v1_container_status *st = cri_ctr_status(c, call->arena);
    r = out && st ? sn_pb_clone(&runtime_v1_container_status_desc, st, call->arena, &copy)
                  : SN_E_NOMEM;
    int pid = c->pid;
    sn_mutex_unlock(&s->mu);
    if (r >= 0) out->status = copy;
    if (r >= 0 && q->verbose) {
        struct runtime_v1_container_status_response_info_entry
            *e = SN_ARENA_NEW(call->arena, struct runtime_v1_container_status_response_info_entry),
            **at;
        at = sn_pb_array_add(&out->info, sizeof *at, call->arena);
        if (e && at) {
            e->key = SN_STR("info");
            e->value =
                sn_arena_printf(call->arena,
                                "{\"sandboxID\":\"%s\",\"pid\":%d,\"runtimeType\":\"sennit\"}",
                                c->pod->id, pid);
            *at = e;
        }
    }
    if (r >= 0) *ret = out;
    cri_ctr_unref(c);
    return r;
}

static bool ctr_matches(const struct cri_ctr *c, const struct runtime_v1_container_filter *f)
{
    if (!f) return true;
    if (f->id.len && !sn_str_starts(sn_str(c->id), f->id)) return false;
    if (f->pod_sandbox_id.len && !sn_str_starts(sn_str(c->pod->id), f->pod_sandbox_id))
        return false;
    if (f->state && f->state->state != (int)c->state) return false;
    return cri_labels_match(&c->config->labels, &f->label_selector);
}

static int list_ctrs(struct sn_cri *s, struct sn_arena *a,
                     const struct runtime_v1_container_filter *f, void *array)
{
    size_t it = 0;
    struct sn_map_slot *slot;
    int r = sn_mutex_lock(&s->mu);
    if (r < 0) return r;
    while (r >= 0 && (slot = sn_map_next(&s->ctrs, &it))) {
        struct cri_ctr *c = slot->value;
        if (!ctr_matches(c, f)) continue;
        struct runtime_v1_container m = {.id = sn_str(c->id),
                                         .pod_sandbox_id = sn_str(c->pod->id),
                                         .metadata = c->config->metadata,
                                         .image = c->config->image,
                                         .image_ref = c->image_ref,
                                         .image_id = c->image_id,
                                         .state = (int)c->state,
                                         .created_at = c->created_ns};
        memcpy(&m.labels, &c->config->labels, sizeof m.labels);
        memcpy(&m.annotations, &c->config->annotations, sizeof m.annotations);
        void *copy, **at = sn_pb_array_add(array, sizeof *at, a);
        r = at ? sn_pb_clone(&runtime_v1_container_desc, &m, a, &copy) : SN_E_NOMEM;
        if (r >= 0) *at = copy;
    }
    sn_mutex_unlock(&s->mu);
    return r;
}

static int list_containers(struct sn_grpc_call *call,
                           const struct runtime_v1_list_containers_request *q,
                           struct runtime_v1_list_containers_response **ret)
{
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_list_containers_response);
    return *ret ? list_ctrs(call->arg, call->arena, q->filter, &(*ret)->containers) : SN_E_NOMEM;
}

static int stream_containers(struct sn_grpc_call *call,
                             const struct runtime_v1_stream_containers_request *q)
{
    struct runtime_v1_stream_containers_response m = {0}, one = {0};
    int r = list_ctrs(call->arg, call->arena, q->filter, &m.containers);
    for (uint32_t i = 0; r >= 0 && i < m.containers.len; i++) {
        one.containers.ptr = &m.containers.ptr[i];
        one.containers.len = 1;
        r = runtime_v1_runtime_service_stream_containers_reply(call, &one);
    }
    return r;
}

void cri_handlers_ctrs(struct runtime_v1_runtime_service_handlers *h)
{
    h->create_container = create_container;
    h->start_container = start_container;
    h->stop_container = stop_container;
    h->remove_container = remove_container;
    h->container_status = container_status;
    h->list_containers = list_containers;
    h->stream_containers = stream_containers;
}
