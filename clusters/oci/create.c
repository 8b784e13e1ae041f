/* SPDX-License-Identifier: Apache-2.0 */
/* oci/create.c - parent: from a configuration to a container that waits for start. */
#include <limits.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#include "clusters/oci/parent_int.h"
#include "core/alloc.h"
#include "core/buf.h"

struct creation {
    struct sn_oci_birth birth;
    struct sn_oci_container *c;
    const struct sn_oci_create_opts *o;
    const struct sn_oci_criu_opts *criu; /* NULL: a new process, not a restored one */
    const char *bundle, *rootfs, *location;
    struct sn_str config;
    struct sn_cgroup_resources resources;
    bool state_made, cgroup_made, hooks_due;
};

static int64_t now_unix_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* banned: a time stamp; this room has no runtime below it */
    return t.tv_sec * SN_SEC + t.tv_nsec;
}

static int absolute(struct sn_arena *a, const char *base, const char *path, const char **ret)
{
    struct sn_str s =
        path[0] == '/' ? sn_arena_str(a, sn_str(path)) : sn_arena_printf(a, "%s/%s", base, path);
    if (!s.ptr) return SN_E_NOMEM;
    *ret = s.ptr;
    return 0;
}

static int read_config(struct creation *k)
{
    struct sn_arena *a = &k->birth.arena;
    char *cwd = sn_arena_alloc(a, PATH_MAX);
    if (!cwd) return SN_E_NOMEM;
    const char *given = k->o->bundle && k->o->bundle[0] ? k->o->bundle : ".";
    if (given[0] != '/' && !getcwd(cwd, PATH_MAX)) return sn_fail_errno(errno, "working directory");
    if (strcmp(given, ".") == 0) k->bundle = cwd;
    int e = k->bundle ? 0 : absolute(a, cwd, given, &k->bundle);
    if (e < 0) return e;
    k->config = k->o->config;
    if (!k->config.ptr) {
        const char *path;
        if ((e = absolute(a, k->bundle, "config.json", &path)) == 0)
            e = sn_oci_file_read(a, path, &k->config);
    }
    if (e == 0)
        e = sn_oci_spec_parse(a, k->config, k->birth.host.warn, k->birth.host.warn_arg,
                              k->birth.spec);
    if (e < 0) return e;
    struct sn_oci_spec *s = k->birth.spec;
    if ((e = absolute(a, k->bundle, s->root.path, &k->rootfs)) < 0) return e;
    struct stat st;
    if (stat(k->rootfs, &st) < 0)
        return sn_fail_errno(errno, "config.json: root.path: %s", k->rootfs);
    if (!S_ISDIR(st.st_mode))
        return sn_fail(SN_E_INVALID_ARGUMENT, "config.json: root.path: %s is not a directory",
                       k->rootfs);
    for (size_t i = 0; i < s->mounts.n && e == 0; i++) {
        struct sn_oci_mount *m = &s->mounts.ptr[i];
        if (m->kind == SN_OCI_MOUNT_BIND && m->source[0] != '/')
            e = absolute(a, k->bundle, m->source, &m->source);
    }
    k->birth.plan->rootfs = k->rootfs;
    k->birth.plan->process = s->process_set && s->process.args.n ? &s->process : NULL;
    return e;
}

/* The caller's mount that stands for `source`, or -1. */
static int given_source(const struct sn_oci_create_opts *o, const char *source)
{
    for (unsigned i = 0; i < o->n_sources; i++)
        if (strcmp(o->sources[i].path, source) == 0) return o->sources[i].fd;
    return -1;
}

/* Mounts that the child may not open or map: in a user namespace it has no privilege over the
 * host's files, and an idmapped mount needs one over its file system. */
static int open_trees(struct creation *k)
{
    struct sn_oci_plan *p = k->birth.plan;
    const struct sn_oci_spec *s = k->birth.spec;
    p->mounts =
        SN_ARENA_ARRAY(&k->birth.arena, struct sn_oci_plan_mount, s->mounts.n ? s->mounts.n : 1);
    if (!p->mounts) return SN_E_NOMEM;
    for (size_t i = 0; i < s->mounts.n; i++) p->mounts[i].tree = -1;
    bool privileged = geteuid() == 0;
    if (k->o->root_tree) {
        p->root_tree = fcntl(*k->o->root_tree, F_DUPFD_CLOEXEC, 3);
        if (p->root_tree < 0) return sn_fail_errno(errno, "root_tree");
    } else if (p->userns && privileged) {
        p->root_tree =
            open_tree(AT_FDCWD, k->rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (p->root_tree < 0 && errno != EPERM)
            return sn_fail_errno(errno, "open the root %s", k->rootfs);
    }
    for (size_t i = 0; i < s->mounts.n; i++) {
        const struct sn_oci_mount *m = &s->mounts.ptr[i];
        bool idmap = m->idmap || m->ridmap;
        if (m->kind != SN_OCI_MOUNT_BIND) continue;
        int given = given_source(k->o, m->source);
        if (!idmap && !(p->userns && privileged) && given < 0) continue;
        unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m->recursive ? AT_RECURSIVE : 0) |
                       (m->src_nofollow || m->copy_symlink ? AT_SYMLINK_NOFOLLOW : 0);
        int fd = given >= 0 ? open_tree(given, "", how | AT_EMPTY_PATH)
                            : open_tree(AT_FDCWD, m->source, how);
        if (fd < 0 && errno == EPERM && !idmap) continue;
        if (fd < 0) return sn_fail_errno(errno, "mounts[%zu]: source %s", i, m->source);
        p->mounts[i].tree = fd;
        struct mount_attr a = {.propagation = MS_SLAVE};
        if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof(a)) < 0)
            return sn_fail_errno(errno, "mounts[%zu]: propagation", i);
        if (!idmap) continue;
        bool own = m->uid_maps.n != 0;
        if (!own && !(s->ns_new & CLONE_NEWUSER))
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "config.json: mounts[%zu].uidMappings: are missing, idmap needs them or "
                           "a new user namespace",
                           i);
        int ns =
            sn_oci_userns_fd(own ? &m->uid_maps : &s->uid_maps, own ? &m->gid_maps : &s->gid_maps);
        if (ns < 0) return sn_wrap(ns, "mounts[%zu]", i);
        a = (struct mount_attr){.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)ns};
        int r = mount_setattr(fd, "", AT_EMPTY_PATH | (m->ridmap ? AT_RECURSIVE : 0), &a,
                              sizeof(a)),
            err = errno;
        close(ns);
        if (r < 0) return sn_fail_errno(err, "mounts[%zu]: map the users of %s", i, m->source);
    }
    return 0;
}

static int open_namespaces(struct creation *k)
{
    struct sn_oci_plan *p = k->birth.plan;
    const struct sn_oci_spec *s = k->birth.spec;
    for (size_t i = 0; i < s->namespaces.n && i < SN_OCI_NAMESPACES; i++) {
        const struct sn_oci_namespace *n = &s->namespaces.ptr[i];
        p->ns_flag[i] = n->flag;
        if (n->flag == CLONE_NEWUSER) p->userns = true;
        if (!n->path) continue;
        p->ns_fd[i] = open(n->path, O_RDONLY | O_CLOEXEC);
        if (p->ns_fd[i] < 0)
            return sn_fail_errno(errno, "config.json: linux.namespaces: %s: %s", n->type, n->path);
        int kind = ioctl(p->ns_fd[i], NS_GET_NSTYPE);
        if (kind >= 0 && (uint64_t)kind != n->flag)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "config.json: linux.namespaces: %s is no %s namespace", n->path,
                           n->type);
        struct stat own, st;
        if (n->flag == CLONE_NEWUSER && fstat(p->ns_fd[i], &st) == 0 &&
            stat("/proc/self/ns/user", &own) == 0 && st.st_ino == own.st_ino) {
            /* Our own user namespace cannot be entered again, and need not be. */
            sn_oci_close_fd(&p->ns_fd[i]);
            p->userns = false;
        }
    }
    return 0;
}

static bool dev_is_bound(const struct sn_oci_spec *s)
{
    for (size_t i = 0; i < s->mounts.n; i++) {
        const struct sn_oci_mount *m = &s->mounts.ptr[i];
        if (m->kind == SN_OCI_MOUNT_BIND &&
            (strcmp(m->destination, "/dev") == 0 || strcmp(m->destination, "/dev/") == 0))
            return true;
    }
    return false;
}

static int prepare(struct creation *k)
{
    struct sn_oci_birth *b = &k->birth;
    const struct sn_oci_create_opts *o = k->o;
    struct sn_oci_plan *p = b->plan;
    int e = read_config(k);
    if (e < 0) return e;
    struct sn_oci_streams st = {.stdio = o->stdio,
                                .console_socket = o->console_socket,
                                .ret_console = o->ret_console,
                                .preserve_fds = o->preserve_fds,
                                .terminal = p->process && p->process->terminal,
                                .detach = o->detach};
    for (unsigned i = 3; i < 3 + o->preserve_fds && o->preserve_fds <= SN_OCI_PRESERVE_FDS_MAX; i++)
        if (fcntl((int)i, F_GETFD) < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "preserve-fds: descriptor %u is not open", i);
    if ((e = sn_oci_birth_streams(b, &st)) < 0 || (e = open_namespaces(k)) < 0) return e;
    if (!k->criu && ((e = open_trees(k)) < 0 || (e = sn_oci_birth_nodes(b)) < 0)) return e;
    if (!k->criu && p->process && (e = sn_oci_birth_env(b, o->listen_fds)) < 0) return e;
    if (!k->criu && p->process && (e = sn_oci_birth_seccomp(b, k->c->root)) < 0) return e;
    if ((e = sn_oci_birth_state(b, o->id, k->bundle, b->spec->annotations)) < 0) return e;
    struct sn_str ses = sn_arena_printf(&b->arena, "_ses.%s", o->id);
    if (!ses.ptr) return SN_E_NOMEM;
    p->session = ses;
    p->id = o->id;
    p->no_pivot = o->no_pivot;
    p->new_keyring = !o->no_new_keyring;
    p->shared_mounts = !(b->spec->ns_new & CLONE_NEWNS);
    p->rootless = b->host.rootless;
    p->dev_bound = dev_is_bound(b->spec);
    p->want_maps = p->userns;
    sn_oci_birth_annotations(b);
    p->sync = b->spec->hooks[SN_OCI_HOOK_PRESTART].n ||
              b->spec->hooks[SN_OCI_HOOK_CREATE_RUNTIME].n ||
              b->spec->hooks[SN_OCI_HOOK_CREATE_CONTAINER].n || b->spec->net_devices.n;
    if (b->filter.notify) p->sync = true;
    return 0;
}

static int make_cgroup(struct creation *k)
{
    struct sn_oci_birth *b = &k->birth;
    const struct sn_cgroup_host *h;
    if (b->host.no_cgroups) return 0;
    int e = sn_oci_cgroups(k->c, &h);
    if (e < 0) return e;
    if (h->layout == SN_CGROUP_NONE) {
        sn_oci_host_warn(&b->host, "no cgroups are mounted, the container has none");
        return 0;
    }
    if ((e = sn_cgroup_resources_parse(&b->arena, b->spec->resources, &k->resources)) < 0)
        return sn_wrap(e, "config.json");
    if (k->resources.devices_set && (e = sn_cgroup_devices_default(&b->arena, &k->resources)) < 0)
        return e;
    struct sn_cgroup_where w = {.path = sn_str(b->spec->cgroups_path),
                                .id = sn_str(k->o->id),
                                .systemd = b->host.systemd_cgroup};
    return sn_cgroup_resolve(h, &w, &b->arena, &k->location);
}

static int join_cgroup(struct creation *k)
{
    if (!k->location) return 0;
    const struct sn_cgroup_host *h;
    int e = sn_oci_cgroups(k->c, &h);
    if (e == 0) e = sn_cgroup_create(h, k->location, &k->c->cgroup);
    if (e < 0) return sn_wrap(e, "cgroup");
    k->cgroup_made = true;
    bool any = false;
    for (unsigned i = 0; i < h->n; i++) any |= sn_cgroup_dir(k->c->cgroup, i) != NULL;
    if (!any) {
        /* Rootless, and every hierarchy refused: as if there were none. */
        k->c->state.map->flags |= SN_OCI_FLAG_NO_CGROUP;
        return 0;
    }
    if ((e = sn_cgroup_attach_prepare(k->c->cgroup)) < 0) return sn_wrap(e, "cgroup");
    if ((e = sn_cgroup_apply(k->c->cgroup, &k->resources)) < 0) return sn_wrap(e, "config.json");
    k->birth.plan->cgroup = k->c->cgroup;
    k->birth.plan->cgroup_host = h;
    return 0;
}

static int make_state(struct creation *k)
{
    struct sn_oci_birth *b = &k->birth;
    struct sn_buf ann = {.limit = SN_OCI_CONFIG_BYTES_MAX}, hosts = {.limit = PATH_MAX};
    const struct sn_cgroup_host *h;
    /* A caller's own picture of the machine is not for others; one that is too long is not kept. */
    if (k->location && !b->host.cgroups && sn_oci_cgroups(k->c, &h) == 0 &&
        sn_cgroup_host_write(h, &hosts) < 0)
        hosts.len = 0;
    if (b->spec->annotations) sn_json_write(&ann, b->spec->annotations, NULL);
    struct sn_oci_state_init init = {.owner = geteuid(), .created_ns = now_unix_ns()};
    init.text[SN_OCI_TEXT_VERSION] = sn_str(b->spec->version);
    init.text[SN_OCI_TEXT_ID] = sn_str(k->o->id);
    init.text[SN_OCI_TEXT_BUNDLE] = sn_str(k->bundle);
    init.text[SN_OCI_TEXT_ROOTFS] = sn_str(k->rootfs);
    init.text[SN_OCI_TEXT_ANNOTATIONS] = sn_buf_view(&ann);
    init.text[SN_OCI_TEXT_CGROUP] = sn_str(k->location);
    init.text[SN_OCI_TEXT_CONFIG] = k->config;
    init.text[SN_OCI_TEXT_HIERARCHIES] = sn_buf_view(&hosts);
    if (b->plan->process && b->plan->process->terminal) init.flags |= SN_OCI_FLAG_TERMINAL;
    if (b->host.systemd_cgroup) init.flags |= SN_OCI_FLAG_SYSTEMD;
    if (!k->location) init.flags |= SN_OCI_FLAG_NO_CGROUP;
    if (b->plan->shared_mounts)
        init.flags |= sn_oci_namespace_of(b->spec, CLONE_NEWNS)
                          ? SN_OCI_FLAG_SHARED
                          : SN_OCI_FLAG_SHARED | SN_OCI_FLAG_MOUNTED;
    int e = ann.err < 0 ? ann.err : sn_oci_state_make(k->c->root, k->o->id, &init, &k->c->state);
    sn_buf_done(&ann);
    sn_buf_done(&hosts);
    if (e < 0) return e;
    k->state_made = true;
    b->plan->state = k->c->state.map;
    b->plan->lock = sn_oci_lock_open(&k->c->state);
    return b->plan->lock < 0 ? b->plan->lock : 0;
}

/* Below the runtime's own value only with privilege over the host; without, it stays and is said.
 */
static int set_oom(struct creation *k)
{
    const struct sn_oci_process_spec *ps = k->birth.plan->process;
    if (!ps || !ps->oom_score_adj.set) return 0;
    char path[40], text[16];
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)k->birth.pid);
    int n = snprintf(text, sizeof(text), "%d", (int)ps->oom_score_adj.v);
    int e = sn_oci_write_file(AT_FDCWD, path, text, (size_t)n);
    if (e == -EACCES || e == -EPERM) {
        sn_oci_host_warn(&k->birth.host, "oomScoreAdj %s: not permitted, left as it is", text);
        return 0;
    }
    return e < 0 ? sn_fail_errno(-e, "config.json: process.oomScoreAdj: %s", text) : 0;
}

static int bear(struct creation *k)
{
    struct sn_oci_birth *b = &k->birth;
    int e = sn_oci_birth_spawn(b, b->spec->ns_new & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME),
                               sn_oci_init);
    if (e == 0) e = sn_oci_state_set_process(&k->c->state, b->pid);
    if (e == 0 || e == SN_E_ABORTED) {
        /* Ended already: what it said is better than that it ended. */
        int o = e == 0 ? set_oom(k) : 0;
        k->hooks_due = true;
        e = o < 0 ? o : sn_oci_birth_serve(b);
        if (e == 0)
            return sn_fail(SN_E_ABORTED, "the container's process ended before it was ready");
    }
    if (e < 0) return e;
    if (k->o->pid_file && (e = sn_oci_pid_file(k->o->pid_file, b->pid)) < 0) return e;
    if (k->o->pidfd_socket && (e = sn_oci_pidfd_send(k->o->pidfd_socket, b->pidfd)) < 0) return e;
    sn_oci_set_created(k->c->state.map);
    /* Before the child is told that it is created: it need not sleep for a second word. */
    if ((k->c->released = k->o->released))
        atomic_store_explicit(&k->c->state.map->start, 1, memory_order_release);
    e = sn_oci_message_send(b->sock, SN_OCI_MSG_GO, b->pid, NULL, -1);
    return e < 0 ? sn_fail(SN_E_ABORTED, "the container's process ended before it was ready") : 0;
}

static int revive(struct creation *k)
{
    struct sn_oci_birth *b = &k->birth;
    k->hooks_due = true;
    int e = sn_oci_birth_restore(b, k->c, k->criu);
    if (e == 0 && k->o->pid_file) e = sn_oci_pid_file(k->o->pid_file, b->pid);
    if (e == 0 && k->o->pidfd_socket) e = sn_oci_pidfd_send(k->o->pidfd_socket, b->pidfd);
    return e;
}

static void undo(struct creation *k)
{
    struct sn_diag keep = *sn_diag();
    struct sn_oci_birth *b = &k->birth;
    sn_oci_birth_kill(b);
    if (k->cgroup_made) {
        (void)!sn_cgroup_kill(k->c->cgroup);
        (void)!sn_cgroup_remove(k->c->cgroup);
    }
    if (k->hooks_due && b->plan->shared_mounts && !sn_oci_namespace_of(b->spec, CLONE_NEWNS))
        (void)umount2(k->rootfs, MNT_DETACH | UMOUNT_NOFOLLOW);
    if (k->hooks_due)
        (void)!sn_oci_hooks_run(&b->spec->hooks[SN_OCI_HOOK_POSTSTOP], "poststop",
                                &b->plan->hook_state, "stopped", 0);
    if (k->state_made) (void)!sn_oci_state_unlink(k->c->root, k->o->id);
    *sn_diag() = keep;
}

static int make(const struct sn_oci_host *h, const struct sn_oci_create_opts *o,
                const struct sn_oci_criu_opts *criu, struct sn_oci_container **ret)
{
    struct creation *k = NULL;
    struct sn_oci_container *c = NULL;
    int e = sn_oci_id_check(o->id);
    if (e == 0) e = sn_oci_container_new(h, o->id, &c);
    if (e < 0) return e;
    if (!(k = SN_NEW(struct creation))) e = SN_E_NOMEM;
    if (e == 0 && (e = sn_oci_birth_init(&k->birth, h)) < 0) {
        sn_free(k);
        k = NULL;
    }
    if (e == 0) {
        k->c = c;
        k->o = o;
        k->criu = criu;
        e = sn_oci_state_exists(c->root, o->id);
        if (e == 0) e = prepare(k);
        if (e == 0) e = make_cgroup(k);
        if (e == 0) e = make_state(k);
        if (e == 0) e = join_cgroup(k);
        if (e == 0) e = criu ? revive(k) : bear(k);
        if (e < 0) undo(k);
    }
    if (e == 0) {
        sn_oci_state_keep(&c->state);
        c->pidfd = k->birth.pidfd;
        k->birth.pidfd = -1;
        if (o->ret_console) {
            *o->ret_console = k->birth.console;
            k->birth.console = -1;
        }
        *ret = c;
    } else {
        sn_oci_close(c);
    }
    if (k) sn_oci_birth_done(&k->birth, e == 0);
    sn_free(k);
    return e;
}

int sn_oci_create(const struct sn_oci_host *h, const struct sn_oci_create_opts *o,
                  struct sn_oci_container **ret)
{
    return make(h, o, NULL, ret);
}

int sn_oci_restore(const struct sn_oci_host *h, const struct sn_oci_create_opts *create,
                   const struct sn_oci_criu_opts *o, struct sn_oci_container **ret)
{
    return make(h, create, o, ret);
}
