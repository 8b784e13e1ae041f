/* SPDX-License-Identifier: Apache-2.0 */
/* cri/userns.c - pods with a user namespace: what may be asked for, and whether it works here. The
 * namespace is the pod's process 1's (keeper_ns.c), and so are all its other namespaces; images are
 * mounted with their owners mapped into it, volumes as the client maps them. Refusals are worded as
 * containerd's. Sources: user_namespaces(7), mount_setattr(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"

static int check_map(const char *what, struct runtime_v1_id_mapping *const *m, uint32_t n)
{
    if (!n) return 0;
    if (n > 1)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "userns_options: %s mapping: only one mapping line supported, got %u "
                       "mapping lines",
                       what, n);
    if (m[0]->length < 1)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "userns_options: %s mapping: invalid mapping length: %u", what,
                       m[0]->length);
    if (m[0]->container_id != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "userns_options: %s mapping: container ID %u: expected 0, which the files "
                       "of an image belong to",
                       what, m[0]->container_id);
    if (m[0]->host_id > UINT32_MAX - m[0]->length)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "userns_options: %s mapping: %u IDs from %u on: more than there are", what,
                       m[0]->length, m[0]->host_id);
    return 0;
}

int cri_userns_check(const struct runtime_v1_namespace_option *ns)
{
    const struct runtime_v1_user_namespace *u = ns ? ns->userns_options : NULL;
    if (!u) return 0;
    int r = check_map("UID", u->uids.ptr, u->uids.len);
    if (r >= 0) r = check_map("GID", u->gids.ptr, u->gids.len);
    if (r < 0) return r;
    struct sn_str mode = sn_pb_enum_name(&runtime_v1_namespace_mode_enum, u->mode);
    if (u->mode == RUNTIME_V1_NAMESPACE_MODE_NODE)
        return u->uids.len || u->gids.len
                   ? sn_fail(SN_E_INVALID_ARGUMENT,
                             "can't use user namespace mode \"%.*s\" with mappings. Got %u UID "
                             "mappings and %u GID mappings",
                             SN_STR_ARG(mode), u->uids.len, u->gids.len)
                   : 0;
    if (u->mode != RUNTIME_V1_NAMESPACE_MODE_POD)
        return sn_fail(SN_E_INVALID_ARGUMENT, "unsupported user namespace mode: \"%.*s\"",
                       SN_STR_ARG(mode));
    if (!u->uids.len || !u->gids.len)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "can't use user namespace mode \"%.*s\" without UID and GID mappings",
                       SN_STR_ARG(mode));
    if (ns->network == RUNTIME_V1_NAMESPACE_MODE_NODE ||
        ns->pid == RUNTIME_V1_NAMESPACE_MODE_NODE || ns->ipc == RUNTIME_V1_NAMESPACE_MODE_NODE)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "a pod with a user namespace cannot use the host's network, pid or ipc "
                       "namespace");
    return 0;
}

const struct runtime_v1_user_namespace *cri_pod_userns(const struct cri_pod *p)
{
    const struct runtime_v1_linux_pod_sandbox_config *l = p->config ? p->config->linux_ : NULL;
    const struct runtime_v1_namespace_option *ns =
        l && l->security_context ? l->security_context->namespace_options : NULL;
    const struct runtime_v1_user_namespace *u = ns ? ns->userns_options : NULL;
    return u && u->mode == RUNTIME_V1_NAMESPACE_MODE_POD ? u : NULL;
}

static bool same_map(const struct runtime_v1_user_namespace *a,
                     const struct runtime_v1_user_namespace *b, bool gids)
{
    uint32_t n = gids ? a->gids.len : a->uids.len;
    if (n != (gids ? b->gids.len : b->uids.len)) return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct runtime_v1_id_mapping *x = gids ? a->gids.ptr[i] : a->uids.ptr[i],
                                           *y = gids ? b->gids.ptr[i] : b->uids.ptr[i];
        if (x->host_id != y->host_id || x->container_id != y->container_id ||
            x->length != y->length)
            return false;
    }
    return true;
}

int cri_userns_agrees(const struct cri_ctr *c)
{
    const struct runtime_v1_linux_container_security_context *sc =
        c->config->linux_ ? c->config->linux_->security_context : NULL;
    const struct runtime_v1_user_namespace *pod = cri_pod_userns(c->pod),
                                           *own = sc && sc->namespace_options
                                                      ? sc->namespace_options->userns_options
                                                      : NULL;
    if (own && own->mode != RUNTIME_V1_NAMESPACE_MODE_POD) own = NULL;
    bool same = !pod || !own ? pod == own
                             : same_map(pod, own, false) && same_map(pod, own, true);
    return same ? 0
                : sn_fail(SN_E_INVALID_ARGUMENT,
                          "user namespace config for sandbox is different from container");
}

int cri_pod_holder(const struct cri_pod *p)
{
    return cri_pod_userns(p) ? p->keeper.pause : p->keeper.pid;
}

int cri_pod_userns_open(const struct cri_pod *p)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/ns/user", cri_pod_holder(p));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? sn_fail_errno(errno, "%s", path) : fd;
}

/* ---- whether it works here ---- */

static int write_small(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    int err = errno;
    if (fd >= 0) close(fd);
    return n < 0 ? sn_fail_errno(err, "%s", path) : 0;
}

/* A user namespace that nobody is in: its descriptor keeps it. */
static int trial(void *arg)
{
    int pidfd = -1, *ret = arg, r = 0;
    char path[48];
    struct clone_args a = {.flags = CLONE_NEWUSER | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
                           .pidfd = (uintptr_t)&pidfd};
    long pid = syscall(SYS_clone3, &a, sizeof a);
    if (pid == 0)
        for (;;) pause(); /* until it is killed: nothing else is safe in a copy of many threads */
    if (pid < 0) return sn_fail_errno(errno, "new user namespace");
    snprintf(path, sizeof path, "/proc/%ld/uid_map", pid);
    r = write_small(path, "0 65536 65536\n");
    snprintf(path, sizeof path, "/proc/%ld/gid_map", pid);
    if (r >= 0) r = write_small(path, "0 65536 65536\n");
    snprintf(path, sizeof path, "/proc/%ld/ns/user", pid);
    int fd = r < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (r >= 0 && fd < 0) r = sn_fail_errno(errno, "%s", path);
    siginfo_t si;
    (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED | __WALL) < 0 && errno == EINTR) {}
    close(pidfd);
    *ret = fd;
    return r;
}

void cri_userns_probe(struct sn_cri *s)
{
    int fd = -1, r = sn_offload(trial, &fd);
    if (r >= 0) r = sn_image_maps_owners(s->images, fd);
    if (fd >= 0) close(fd);
    s->userns = r >= 0;
    if (r < 0) (void)sn_diag_format(r, s->userns_why, sizeof s->userns_why);
}
