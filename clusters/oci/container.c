/* SPDX-License-Identifier: Apache-2.0 */
/* oci/container.c - operations on a container that exists. */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "clusters/oci/parent_int.h"
#include "core/alloc.h"

const char *sn_oci_status_name(enum sn_oci_status s)
{
    static const char *const names[] = {"creating", "created", "running", "paused", "stopped"};
    return names[s];
}

int sn_oci_container_new(const struct sn_oci_host *h, const char *id, struct sn_oci_container **ret)
{
    struct sn_oci_container *c = SN_NEW(struct sn_oci_container);
    if (!c) return SN_E_NOMEM;
    c->host = *h;
    c->state = (struct sn_oci_state_file)SN_OCI_STATE_NONE;
    c->pidfd = -1;
    c->id = sn_str_dup(sn_str(id));
    c->root = sn_str_dup(sn_str(h->root));
    if (!c->id || !c->root) {
        sn_oci_close(c);
        return SN_E_NOMEM;
    }
    *ret = c;
    return 0;
}

int sn_oci_open(const struct sn_oci_host *h, const char *id, struct sn_oci_container **ret)
{
    struct sn_oci_container *c;
    int e = sn_oci_id_check(id);
    if (e == 0) e = sn_oci_container_new(h, id, &c);
    if (e < 0) return e;
    if ((e = sn_oci_state_load(c->root, id, &c->state)) < 0) {
        sn_oci_close(c);
        return e;
    }
    sn_oci_state_keep(&c->state);
    *ret = c;
    return 0;
}

void sn_oci_close(struct sn_oci_container *c)
{
    if (!c) return;
    sn_cgroup_close(c->cgroup);
    if (c->has_probed) sn_cgroup_host_done(&c->probed);
    sn_oci_state_done(&c->state);
    sn_oci_close_fd(&c->pidfd);
    sn_free(c->id);
    sn_free(c->root);
    sn_free(c);
}

const char *sn_oci_id(const struct sn_oci_container *c) { return c->id; }

pid_t sn_oci_pid(const struct sn_oci_container *c)
{
    struct sn_oci_state_view v;
    sn_oci_state_view(&c->state, &v);
    return v.pid;
}

int sn_oci_pidfd(struct sn_oci_container *c)
{
    if (c->pidfd >= 0) return c->pidfd;
    pid_t pid = sn_oci_pid(c);
    int fd = pid ? sn_oci_pidfd_open(pid) : -1;
    /* The number may have passed to another process in between: then it does not live any more. */
    if (fd >= 0 && sn_oci_pid(c) != pid) sn_oci_close_fd(&fd);
    c->pidfd = fd;
    return fd;
}

int sn_oci_cgroups(struct sn_oci_container *c, const struct sn_cgroup_host **ret)
{
    if (c->host.cgroups) {
        *ret = c->host.cgroups;
        return 0;
    }
    if (!c->has_probed) {
        struct sn_cgroup_probe_opts o = {.rootless = c->host.rootless};
        int e = sn_cgroup_probe(&c->probed, &o);
        if (e < 0) return sn_wrap(e, "cgroups of the host");
        c->has_probed = true;
    }
    *ret = &c->probed;
    return 0;
}

/* By what the maker of the container saw. Returns 0 where all of it is as it was. */
static int open_recorded(struct sn_oci_container *c, const char *location)
{
    struct sn_cgroup_probe_opts o = {.rootless = c->host.rootless};
    if (c->host.cgroups || c->has_probed) return SN_E_NOT_FOUND;
    int e =
        sn_cgroup_host_read(sn_oci_state_str(&c->state, SN_OCI_TEXT_HIERARCHIES), &o, &c->probed);
    if (e < 0) return e;
    e = sn_cgroup_open(&c->probed, location, &c->cgroup);
    if (e == 0 && sn_cgroup_complete(c->cgroup)) {
        c->has_probed = true;
        return 0;
    }
    if (e == 0) sn_cgroup_close(c->cgroup);
    c->cgroup = NULL;
    sn_cgroup_host_done(&c->probed);
    return SN_E_NOT_FOUND;
}

int sn_oci_cgroup(struct sn_oci_container *c, struct sn_cgroup **ret)
{
    const struct sn_cgroup_host *h;
    char location[SN_OCI_CGROUP_TEXT_MAX];
    if (!c->cgroup) {
        struct sn_str at = sn_oci_state_str(&c->state, SN_OCI_TEXT_CGROUP);
        if (!at.len || c->state.map->flags & SN_OCI_FLAG_NO_CGROUP)
            return sn_fail(SN_E_FAILED_PRECONDITION, "container %s has no cgroup", c->id);
        int e = sn_str_cz(at, location, sizeof(location));
        if (e == 0 && open_recorded(c, location) == 0) {
            *ret = c->cgroup;
            return 0;
        }
        if (e == 0) e = sn_oci_cgroups(c, &h);
        if (e == 0) e = sn_cgroup_open(h, location, &c->cgroup);
        if (e < 0) return sn_wrap(e, "cgroup of container %s", c->id);
    }
    *ret = c->cgroup;
    return 0;
}

/* ---- state -------------------------------------------------------------------------------------
 */

static enum sn_oci_status status_of(struct sn_oci_container *c, const struct sn_oci_state_view *v)
{
    if (!v->pid)
        return v->phase == SN_OCI_PHASE_CREATING && v->maker_lives ? SN_OCI_CREATING
                                                                   : SN_OCI_STOPPED;
    if (v->phase == SN_OCI_PHASE_CREATING) return SN_OCI_CREATING;
    if (v->phase == SN_OCI_PHASE_CREATED) return SN_OCI_CREATED;
    /* Only who asks for the state pays for the freezer; nothing frozen is started. */
    struct sn_cgroup *cg;
    if (c->state.map->flags & SN_OCI_FLAG_NO_CGROUP || sn_oci_cgroup(c, &cg) < 0)
        return SN_OCI_RUNNING;
    return sn_cgroup_frozen(cg) == 1 ? SN_OCI_PAUSED : SN_OCI_RUNNING;
}

static enum sn_oci_status status_now(struct sn_oci_container *c, pid_t *ret_pid)
{
    struct sn_oci_state_view v;
    sn_oci_state_view(&c->state, &v);
    if (ret_pid) *ret_pid = v.pid;
    return status_of(c, &v);
}

int sn_oci_state(struct sn_oci_container *c, struct sn_arena *a, struct sn_oci_state *ret)
{
    struct sn_oci_state s = {.created_ns = c->state.map->created_ns,
                             .owner = c->state.map->owner,
                             .terminal = c->state.map->flags & SN_OCI_FLAG_TERMINAL,
                             .systemd_cgroup = c->state.map->flags & SN_OCI_FLAG_SYSTEMD};
    struct sn_str *const to[] = {&s.oci_version, &s.id,          &s.bundle,
                                 &s.rootfs,      &s.annotations, &s.cgroup};
    for (size_t i = 0; i < SN_COUNT_OF(to); i++) {
        *to[i] = sn_arena_str(a, sn_oci_state_str(&c->state, (enum sn_oci_state_text)i));
        if (!to[i]->ptr) return SN_E_NOMEM;
    }
    s.status = status_now(c, &s.pid);
    *ret = s;
    return 0;
}

int sn_oci_config(struct sn_oci_container *c, struct sn_arena *a, struct sn_str *ret)
{
    struct sn_str s = sn_arena_str(a, sn_oci_state_str(&c->state, SN_OCI_TEXT_CONFIG));
    if (!s.ptr) return SN_E_NOMEM;
    *ret = s;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return sn_str_cmp(*(const struct sn_str *)a, *(const struct sn_str *)b);
}

int sn_oci_list(const struct sn_oci_host *h, struct sn_arena *a, struct sn_oci_ids *ret)
{
    *ret = (struct sn_oci_ids){0};
    DIR *d = opendir(h->root);
    if (!d) return errno == ENOENT ? 0 : sn_fail_errno(errno, "open %s", h->root);
    size_t cap = 0;
    struct dirent *e;
    int err = 0;
    while (err == 0 && (e = readdir(d))) {
        if (e->d_name[0] == '.' || (e->d_type != DT_REG && e->d_type != DT_UNKNOWN)) continue;
        if (ret->n == cap) {
            struct sn_str *more = SN_ARENA_ARRAY(a, struct sn_str, cap ? cap * 2 : 16);
            if (more && ret->n) memcpy(more, ret->ptr, ret->n * sizeof(*more));
            if (!more) err = SN_E_NOMEM;
            ret->ptr = more;
            cap = cap ? cap * 2 : 16;
        }
        if (err == 0 && !(ret->ptr[ret->n++] = sn_arena_str(a, sn_str(e->d_name))).ptr)
            err = SN_E_NOMEM;
    }
    closedir(d);
    if (err == 0 && ret->n) qsort(ret->ptr, ret->n, sizeof(*ret->ptr), by_name);
    return err;
}

/* ---- life --------------------------------------------------------------------------------------
 */

static int hooks_of(struct sn_oci_container *c, enum sn_oci_hook_kind kind, const char *name,
                    const char *status, pid_t pid)
{
    struct sn_arena a;
    struct sn_oci_hook_state s;
    struct sn_oci_spec *spec;
    struct sn_str bundle, text = sn_oci_state_str(&c->state, SN_OCI_TEXT_CONFIG);
    /* Most have none: not parsed for that. */
    if (sn_str_find(text, sn_str(name)) < 0) return 0;
    sn_arena_init(&a, NULL, 0);
    spec = SN_ARENA_NEW(&a, struct sn_oci_spec);
    bundle = sn_arena_str(&a, sn_oci_state_str(&c->state, SN_OCI_TEXT_BUNDLE));
    int e = spec && bundle.ptr ? sn_oci_spec_parse(&a, text, NULL, NULL, spec) : SN_E_NOMEM;
    if (e == 0)
        e = sn_oci_hook_state_make(&a, spec->version, c->id, bundle.ptr,
                                   sn_oci_state_str(&c->state, SN_OCI_TEXT_ANNOTATIONS), &s);
    if (e == 0) e = sn_oci_hooks_run(&spec->hooks[kind], name, &s, status, pid);
    sn_arena_done(&a);
    return e;
}

static int start_locked(struct sn_oci_container *c)
{
    pid_t pid = 0;
    struct sn_oci_state_map *m = c->state.map;
    enum sn_oci_status s = c->released ? SN_OCI_CREATED : status_now(c, &pid);
    /* In slices, because its maker may die. */
    for (int waited = 0; s == SN_OCI_CREATING && waited < SN_OCI_CREATE_MS; waited += 100) {
        sn_oci_wait_created(m, 100);
        s = status_now(c, &pid);
    }
    if (s == SN_OCI_STOPPED)
        return sn_fail(SN_E_FAILED_PRECONDITION, "cannot start a container that has stopped");
    if (s != SN_OCI_CREATED || (!c->released && atomic_load(&m->start)))
        return sn_fail(SN_E_FAILED_PRECONDITION, "cannot start a container in the %s state",
                       sn_oci_status_name(s));
    if (c->released)
        pid = atomic_load(&m->pid);
    else
        sn_oci_wake_start(m);
    c->released = false; /* a second start is an error like any other */
    int e = sn_oci_wait_executed(&c->state);
    if (e < 0) return e;
    uint32_t failed = atomic_load_explicit(&m->failed, memory_order_acquire);
    if (failed) {
        e = failed == ENOENT ? SN_E_NOT_FOUND : sn_status_from_errno((int)failed);
        m->error[SN_OCI_STATE_ERROR_MAX - 1] = 0;
        (void)sn_fail_errno((int)failed, "%s", m->error);
        return e;
    }
    if (atomic_load(&m->phase) != SN_OCI_PHASE_RUNNING)
        return sn_fail(SN_E_ABORTED,
                       "the container's process ended before its program was executed");
    e = hooks_of(c, SN_OCI_HOOK_POSTSTART, "poststart", "running", pid);
    if (e < 0) {
        /* A failed poststart hook is no failure of the start: the specification has it logged. */
        sn_oci_host_warn(&c->host, "%s", sn_diag_str(e));
        e = 0;
    }
    return e;
}

int sn_oci_start(struct sn_oci_container *c)
{
    int e = sn_oci_state_lock(&c->state);
    if (e < 0) return e;
    e = start_locked(c);
    sn_oci_state_unlock(&c->state);
    return e;
}

int sn_oci_kill(struct sn_oci_container *c, int sig, bool all)
{
    struct sn_cgroup *cg;
    if (all && !(c->state.map->flags & SN_OCI_FLAG_NO_CGROUP)) {
        /* Also after the first process: what it left behind is meant. */
        int e = sn_oci_cgroup(c, &cg);
        if (e == 0) return sn_cgroup_signal(cg, sig);
        if (e != SN_E_NOT_FOUND) return e;
    }
    int fd = sn_oci_pidfd(c);
    if (fd < 0) return sn_fail(SN_E_FAILED_PRECONDITION, "container not running");
    if (sn_oci_pidfd_signal(fd, sig) < 0) {
        if (errno == ESRCH) return sn_fail(SN_E_FAILED_PRECONDITION, "container not running");
        return sn_fail_errno(errno, "send signal %d", sig);
    }
    return 0;
}

/* Until the process has ended; it need not be our child. */
static int wait_end(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int n;
    do n = poll(&p, 1, SN_OCI_KILL_MS); /* banned: this room blocks its caller by contract */
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return sn_fail(SN_E_DEADLINE_EXCEEDED,
                       "the container's process does not end after SIGKILL");
    return n < 0 ? sn_fail_errno(errno, "wait for the container's process") : 0;
}

static int stop(struct sn_oci_container *c)
{
    struct sn_cgroup *cg = NULL;
    int e = 0, fd = sn_oci_pidfd(c);
    if (!(c->state.map->flags & SN_OCI_FLAG_NO_CGROUP) && (e = sn_oci_cgroup(c, &cg)) < 0 &&
        e != SN_E_NOT_FOUND)
        return e;
    bool lives = fd >= 0 && sn_oci_pidfd_signal(fd, SIGKILL) == 0;
    if (fd >= 0 && !lives && errno != ESRCH) return sn_fail_errno(errno, "kill the container");
    if (lives && cg) {
        /* A frozen process dies when it is thawed. */
        if (sn_cgroup_frozen(cg) == 1 && (e = sn_cgroup_freeze(cg, false)) < 0) return e;
    }
    if (lives && (e = wait_end(fd)) < 0) return e;
    bool removed = cg && sn_cgroup_remove_empty(cg) == 0;
    if (cg && !removed && sn_cgroup_populated(cg) != 0 && (e = sn_cgroup_kill(cg)) < 0) return e;
    if (c->state.map->flags & SN_OCI_FLAG_MOUNTED) {
        char rootfs[SN_OCI_CGROUP_TEXT_MAX];
        /* Once: a second mount there is somebody else's. */
        if (sn_str_cz(sn_oci_state_str(&c->state, SN_OCI_TEXT_ROOTFS), rootfs, sizeof(rootfs)) ==
                0 &&
            umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
            c->state.map->flags &= ~(uint32_t)SN_OCI_FLAG_MOUNTED;
    }
    return cg && !removed ? sn_cgroup_remove(cg) : 0;
}

int sn_oci_delete(struct sn_oci_container *c, bool force)
{
    int e = sn_oci_state_lock(&c->state);
    if (e < 0) return e;
    enum sn_oci_status s = status_now(c, NULL);
    if (!force && s != SN_OCI_STOPPED && s != SN_OCI_CREATED)
        e = sn_fail(SN_E_FAILED_PRECONDITION, "cannot delete container %s that is not stopped: %s",
                    c->id, sn_oci_status_name(s));
    if (e == 0) e = stop(c);
    if (e == 0 && (e = hooks_of(c, SN_OCI_HOOK_POSTSTOP, "poststop", "stopped", 0)) < 0) {
        /* As with poststart: said, and the deletion goes on. */
        sn_oci_host_warn(&c->host, "%s", sn_diag_str(e));
        e = 0;
    }
    if (e == 0) e = sn_oci_state_unlink(c->root, c->id);
    sn_oci_state_unlock(&c->state);
    return e;
}

/* ---- the group ---------------------------------------------------------------------------------
 */

static int freeze(struct sn_oci_container *c, bool frozen)
{
    struct sn_cgroup *cg;
    int e = sn_oci_state_lock(&c->state);
    if (e < 0) return e;
    enum sn_oci_status s = status_now(c, NULL);
    if (frozen && s != SN_OCI_RUNNING && s != SN_OCI_CREATED)
        e = sn_fail(SN_E_FAILED_PRECONDITION, "container not running or created: %s",
                    sn_oci_status_name(s));
    if (!frozen && s != SN_OCI_PAUSED)
        e = sn_fail(SN_E_FAILED_PRECONDITION, "container not paused");
    if (e == 0) e = sn_oci_cgroup(c, &cg);
    if (e == 0) e = sn_cgroup_freeze(cg, frozen);
    sn_oci_state_unlock(&c->state);
    return e;
}
int sn_oci_pause(struct sn_oci_container *c) { return freeze(c, true); }
int sn_oci_resume(struct sn_oci_container *c) { return freeze(c, false); }

int sn_oci_update(struct sn_oci_container *c, const struct sn_json *resources)
{
    struct sn_cgroup_resources *r;
    struct sn_cgroup *cg;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int e = status_now(c, NULL) == SN_OCI_STOPPED
                ? sn_fail(SN_E_FAILED_PRECONDITION, "container not running")
                : 0;
    r = SN_ARENA_NEW(&a, struct sn_cgroup_resources);
    if (e == 0 && !r) e = SN_E_NOMEM;
    if (e == 0) e = sn_cgroup_resources_parse(&a, resources, r);
    if (e == 0 && r->devices_set) e = sn_cgroup_devices_default(&a, r);
    if (e == 0) e = sn_oci_cgroup(c, &cg);
    if (e == 0) e = sn_cgroup_apply(cg, r);
    sn_arena_done(&a);
    return e;
}

int sn_oci_pids(struct sn_oci_container *c, struct sn_arena *a, struct sn_cgroup_pids *ret)
{
    struct sn_cgroup *cg;
    int e = sn_oci_cgroup(c, &cg);
    return e < 0 ? e : sn_cgroup_pids(cg, true, a, ret);
}
