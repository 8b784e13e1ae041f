/* SPDX-License-Identifier: Apache-2.0 */
/* oci/exec.c - a further program in a container, and mounts in a live one. */
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "clusters/oci/parent_int.h"
#include "core/alloc.h"

static const uint64_t every_ns = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                                 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWTIME;

/* Which namespaces differ from ours: what the configuration lists, made or joined; a user namespace
 * that is our own cannot be entered again. */
static uint64_t foreign_namespaces(const struct sn_oci_spec *s, pid_t pid, bool restored)
{
    uint64_t flags = restored ? CLONE_NEWTIME : 0;
    for (size_t i = 0; i < s->namespaces.n; i++) flags |= s->namespaces.ptr[i].flag & every_ns;
    if (flags & CLONE_NEWUSER) {
        char path[32];
        struct stat own, st;
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
        if (stat(path, &st) == 0 && stat("/proc/self/ns/user", &own) == 0 &&
            st.st_ino == own.st_ino)
            flags &= ~(uint64_t)CLONE_NEWUSER;
    }
    return flags;
}

static int parse(struct sn_oci_birth *b, struct sn_oci_container *c, struct sn_str process)
{
    struct sn_str config;
    int e = sn_oci_config(c, &b->arena, &config);
    if (e == 0) e = sn_oci_spec_parse(&b->arena, config, NULL, NULL, b->spec);
    if (e == 0 && process.ptr)
        e = sn_oci_process_parse(&b->arena, process,
                                 b->spec->process_set ? &b->spec->process : NULL, b->host.warn,
                                 b->host.warn_arg, b->process);
    /* What belongs to the container's start is not repeated. */
    b->spec->memory_policy.set = false;
    b->spec->personality.set = b->spec->personality.set && process.ptr;
    return e;
}

static int target(struct sn_oci_birth *b, struct sn_oci_container *c)
{
    struct sn_oci_plan *p = b->plan;
    pid_t pid = sn_oci_pid(c);
    int fd = sn_oci_pidfd(c);
    if (!pid || fd < 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "cannot exec in a stopped container");
    p->target = fd;
    p->target_flags = foreign_namespaces(b->spec, pid, c->state.map->flags & SN_OCI_FLAG_RESTORED);
    p->userns = p->target_flags & CLONE_NEWUSER;
    return 0;
}

static int group(struct sn_oci_birth *b, struct sn_oci_container *c, const char *below,
                 struct sn_cgroup **ret_own)
{
    struct sn_cgroup *cg;
    const struct sn_cgroup_host *h;
    if (c->state.map->flags & SN_OCI_FLAG_NO_CGROUP) return 0;
    int e = sn_oci_cgroup(c, &cg);
    if (e == 0) e = sn_oci_cgroups(c, &h);
    if (e == 0 && below && below[0]) {
        struct sn_str at = sn_arena_printf(&b->arena, "%s%s%s", sn_cgroup_location(cg),
                                           below[0] == '/' ? "" : "/", below);
        if (!at.ptr) return SN_E_NOMEM;
        if ((e = sn_cgroup_open(h, at.ptr, ret_own)) < 0) return sn_wrap(e, "cgroup %s", below);
        cg = *ret_own;
    }
    if (e == 0) e = sn_cgroup_attach_prepare(cg);
    if (e < 0) return e;
    b->plan->cgroup = cg;
    b->plan->cgroup_host = h;
    return 0;
}

static int check_status(struct sn_oci_container *c, bool ignore_paused)
{
    struct sn_cgroup *cg;
    struct sn_oci_state_view v;
    sn_oci_state_view(&c->state, &v);
    if (!v.pid) return sn_fail(SN_E_FAILED_PRECONDITION, "cannot exec in a stopped container");
    if (v.phase == SN_OCI_PHASE_CREATING)
        return sn_fail(SN_E_FAILED_PRECONDITION, "cannot exec in a container in creating state");
    /* An exec into a frozen group would hang until it is thawed. */
    if (!ignore_paused && !(c->state.map->flags & SN_OCI_FLAG_NO_CGROUP) &&
        sn_oci_cgroup(c, &cg) == 0 && sn_cgroup_frozen(cg) == 1)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "cannot exec in a paused container (use --ignore-paused to override)");
    return 0;
}

static int prepare(struct sn_oci_birth *b, struct sn_oci_container *c,
                   const struct sn_oci_exec_opts *o, struct sn_cgroup **own)
{
    struct sn_oci_plan *p = b->plan;
    int e = parse(b, c, o->process);
    if (e < 0) return e;
    p->process = b->process;
    struct sn_oci_streams st = {.stdio = o->stdio,
                                .console_socket = o->console_socket,
                                .ret_console = o->ret_console,
                                .preserve_fds = o->preserve_fds,
                                .terminal = b->process->terminal,
                                .detach = o->detach};
    if ((e = sn_oci_birth_streams(b, &st)) < 0 || (e = sn_oci_birth_env(b, o->listen_fds)) < 0 ||
        (e = sn_oci_birth_seccomp(b, c->root)) < 0 || (e = target(b, c)) < 0 ||
        (e = group(b, c, o->cgroup, own)) < 0)
        return e;
    struct sn_str rootfs = sn_arena_str(&b->arena, sn_oci_state_str(&c->state, SN_OCI_TEXT_ROOTFS));
    if (!rootfs.ptr) return SN_E_NOMEM;
    p->rootfs = rootfs.ptr;
    p->shared_mounts = c->state.map->flags & SN_OCI_FLAG_SHARED;
    p->id = c->id;
    p->rootless = b->host.rootless;
    p->affinity_in_child = true;
    sn_oci_birth_annotations(b);
    p->want_maps = p->userns || b->filter.notify;
    struct sn_str bundle = sn_arena_str(&b->arena, sn_oci_state_str(&c->state, SN_OCI_TEXT_BUNDLE));
    if (!bundle.ptr) return SN_E_NOMEM;
    return b->filter.notify ? sn_oci_birth_state(b, c->id, bundle.ptr, b->spec->annotations) : 0;
}

/* A process of one thread that exists for this one exec takes the steps of stage 0 itself, which
 * saves a clone: its own file out of reach first, then the pid namespace for its children. It does
 * not become dumpable again: the child is seen from inside while it still has our descriptors. */
static int step_in(struct sn_oci_birth *b)
{
    struct sn_oci_plan *p = b->plan;
    if (!b->host.alone || p->exe < 0 || p->target_flags & CLONE_NEWUSER) return 0;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || sn_oci_protect_self(p->exe, p->exe_text) < 0)
        return 0; /* stage 0 tries, and says why not */
    sn_oci_close_fd(&p->exe);
    if (p->target_flags & CLONE_NEWPID && setns(p->target, CLONE_NEWPID) < 0)
        return sn_fail_errno(errno, "enter the container's pid namespace");
    p->direct = true;
    return 0;
}

static void set_oom(struct sn_oci_birth *b)
{
    if (!b->process->oom_score_adj.set) return;
    char path[40], text[16];
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)b->pid);
    int n = snprintf(text, sizeof(text), "%d", (int)b->process->oom_score_adj.v);
    int e = sn_oci_write_file(AT_FDCWD, path, text, (size_t)n);
    if (e < 0 && e != -ENOENT)
        sn_oci_host_warn(&b->host, "oomScoreAdj %s: not permitted, left as it is", text);
}

static int finish(struct sn_oci_birth *b, const struct sn_oci_exec_opts *o,
                  struct sn_oci_process *ret)
{
    int e = sn_oci_birth_serve(b);
    if (e < 0) return e;
    if (o->pid_file && (e = sn_oci_pid_file(o->pid_file, b->pid)) < 0) return e;
    if (o->pidfd_socket && (e = sn_oci_pidfd_send(o->pidfd_socket, b->pidfd)) < 0) return e;
    if (o->ret_console) {
        *o->ret_console = b->console;
        b->console = -1;
    }
    *ret = (struct sn_oci_process){b->pid, b->pidfd};
    b->pidfd = -1;
    return 0;
}

int sn_oci_exec(struct sn_oci_container *c, const struct sn_oci_exec_opts *o,
                struct sn_oci_process *ret)
{
    struct sn_cgroup *own = NULL;
    struct sn_oci_birth *b = SN_NEW(struct sn_oci_birth);
    if (!b) return SN_E_NOMEM;
    int e = sn_oci_birth_init(b, &c->host);
    if (e == 0) {
        e = check_status(c, o->ignore_paused);
        if (e == 0) e = prepare(b, c, o, &own);
        if (e == 0) e = step_in(b);
        if (e == 0) e = sn_oci_birth_spawn(b, 0, sn_oci_init_exec);
        if (e == 0) set_oom(b);
        if (e == 0) e = finish(b, o, ret);
        sn_oci_birth_done(b, e == 0);
    }
    sn_cgroup_close(own);
    sn_free(b);
    return e;
}

/* ---- mounts of a live container ----------------------------------------------------------------
 */

/* The plan's spec carries the mounts; the sources were opened outside, the places are inside. */
static void mount_child(struct sn_oci_plan *p)
{
    sn_oci_become_root(p);
    umask(0);
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) sn_oci_die(p, errno, "open the root");
    if (!p->no_pivot) {
        sn_oci_mount_all(p, root);
    } else {
        for (size_t i = 0; i < p->spec->mounts.n; i++) {
            const char *path = p->spec->mounts.ptr[i].destination;
            const char *name;
            int fd = sn_oci_parent_of(p, root, path, &name);
            /* By its name in the folder that was resolved in the root, and not through a link. */
            if (fchdir(fd) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
                sn_oci_die(p, errno, "unmount %s", path);
            close(fd);
        }
    }
    _exit(0); /* banned: the child of a clone */
}

static int open_sources(struct sn_oci_birth *b, const struct sn_oci_mount *m, size_t n)
{
    struct sn_oci_plan *p = b->plan;
    p->mounts = SN_ARENA_ARRAY(&b->arena, struct sn_oci_plan_mount, n ? n : 1);
    if (!p->mounts) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) p->mounts[i].tree = -1;
    for (size_t i = 0; i < n; i++) {
        if (m[i].kind != SN_OCI_MOUNT_BIND) continue;
        p->mounts[i].tree =
            open_tree(AT_FDCWD, m[i].source,
                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m[i].recursive ? AT_RECURSIVE : 0));
        struct mount_attr a = {.propagation = MS_SLAVE};
        if (p->mounts[i].tree < 0 ||
            mount_setattr(p->mounts[i].tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof(a)) < 0)
            return sn_fail_errno(errno, "mounts[%zu]: source %s", i, m[i].source);
    }
    return 0;
}

static int change_mounts(struct sn_oci_container *c, const struct sn_json *mounts, bool remove)
{
    struct sn_oci_birth *b = SN_NEW(struct sn_oci_birth);
    if (!b) return SN_E_NOMEM;
    int e = sn_oci_birth_init(b, &c->host);
    if (e < 0) {
        sn_free(b);
        return e;
    }
    struct sn_oci_mount *m = NULL;
    size_t n = 0;
    e = parse(b, c, (struct sn_str){0});
    b->spec->mounts.n = 0;
    if (e == 0) e = sn_oci_mounts_parse(&b->arena, mounts, &m, &n);
    if (e == 0 && !remove) e = open_sources(b, m, n);
    if (e == 0) e = target(b, c);
    if (e == 0) {
        b->spec->mounts.ptr = m;
        b->spec->mounts.n = n;
        b->plan->no_pivot = remove;
        b->plan->rootless = b->host.rootless;
        b->plan->target_flags &= CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP |
                                 CLONE_NEWNET | CLONE_NEWIPC;
        b->plan->stdio[0] = b->plan->stdio[1] = b->plan->stdio[2] = -1;
        e = sn_oci_birth_spawn(b, 0, mount_child);
        if (e == 0) e = sn_oci_birth_serve(b);
    }
    sn_oci_birth_done(b, false);
    sn_free(b);
    return e;
}

int sn_oci_mounts_add(struct sn_oci_container *c, const struct sn_json *mounts)
{
    return change_mounts(c, mounts, false);
}
int sn_oci_mounts_remove(struct sn_oci_container *c, const struct sn_json *mounts)
{
    return change_mounts(c, mounts, true);
}
