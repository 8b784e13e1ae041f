/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init_criu.c - child: becomes criu, in the container's groups, with the container's root
 * mounted where criu wants it. */
#include <linux/close_range.h>
#include <sys/socket.h>

#include "clusters/oci/init_int.h"

/* criu's descriptors after 0, 1, 2; its namespaces follow. */
enum { CRIU_SOCKET = 3 /* "criu swrk 3" */, CRIU_IMAGES = SN_OCI_CRIU_IMAGES_FD, CRIU_WORK, CRIU_FIRST };
_Static_assert(CRIU_WORK == SN_OCI_CRIU_WORK_FD && CRIU_FIRST == SN_OCI_CRIU_INHERIT_FD, "as told");

static void propagate(struct sn_oci_plan *p, int fd, const char *path, unsigned flags, uint64_t how)
{
    struct mount_attr a = {.propagation = how};
    if (mount_setattr(fd, path, flags | AT_RECURSIVE, &a, sizeof(a)) < 0)
        sn_oci_die(p, errno, "set the propagation of mounts");
}

/* What lies on a file system of the container's own comes back with its contents. */
static bool on_own_file_system(const struct sn_oci_spec *s, size_t i)
{
    const char *path = s->mounts.ptr[i].destination;
    for (size_t k = 0; k < i; k++) {
        const struct sn_oci_mount *m = &s->mounts.ptr[k];
        size_t n = strlen(m->destination);
        if (m->kind == SN_OCI_MOUNT_FS && strncmp(path, m->destination, n) == 0 && path[n] == '/')
            return true;
    }
    return false;
}

/* Makes the place of a mount, as create would. A bind mount is attached for the time, because others
 * may have their places in it; a read-only one is not, so that nothing is made there. */
static bool place(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m)
{
    struct stat st;
    if (m->kind != SN_OCI_MOUNT_BIND) {
        if (m->kind == SN_OCI_MOUNT_FS)
            close(sn_oci_target(p, root, m->destination, true, m->dest_nofollow));
        return false;
    }
    int fd = open_tree(AT_FDCWD, m->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd < 0 || fstat(fd, &st) < 0)
        sn_oci_die(p, errno, "mount %s: source %s", m->destination, m->source);
    bool attach = !((m->set | m->rset) & MOUNT_ATTR_RDONLY);
    int at = sn_oci_target(p, root, m->destination, S_ISDIR(st.st_mode), m->dest_nofollow);
    if (attach) sn_oci_attach(p, fd, at, m->destination);
    close(at);
    close(fd);
    return attach;
}

static void unplace(struct sn_oci_plan *p, int root, const char *path)
{
    const char *name;
    int dir = sn_oci_parent_of(p, root, path, &name);
    if (fchdir(dir) < 0 || umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
        sn_oci_die(p, errno, "unmount %s", path);
    close(dir);
}

/* criu wants the root as a mount of its own. It gets it in a mount namespace of its own, so that
 * nothing is mounted in the host's, and nothing left there. */
static void prepare_root(struct sn_oci_plan *p)
{
    propagate(p, AT_FDCWD, "/", 0, MS_SLAVE);
    int root = open_tree(AT_FDCWD, p->rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (root < 0) sn_oci_die(p, errno, "open the root %s", p->rootfs);
    /* A slave like all others here: criu gives the container what the root is to the host. */
    if (move_mount(root, "", AT_FDCWD, p->criu->root, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        sn_oci_die(p, errno, "mount the root on %s", p->criu->root);
    umask(0);
    size_t n = p->spec->mounts.n;
    uint8_t attached[SN_OCI_LIST_MAX / 8 + 1] = {0};
    for (size_t i = 0; i < n; i++)
        if (!on_own_file_system(p->spec, i) && place(p, root, &p->spec->mounts.ptr[i]))
            attached[i / 8] |= (uint8_t)(1u << i % 8);
    for (size_t i = n; i-- > 0;)
        if (attached[i / 8] & 1u << i % 8) unplace(p, root, p->spec->mounts.ptr[i].destination);
    umask(022);
    close(root);
    if (chdir("/") < 0) sn_oci_die(p, errno, "chdir /");
}

static int open_folder(struct sn_oci_plan *p, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) sn_oci_die(p, errno, "open %s", path);
    return fd;
}

/* Puts descriptors into their places. All sources move up first, so that none is overwritten. */
static void lay_descriptors(struct sn_oci_plan *p, int *from, int n)
{
    for (int i = 0; i < n; i++) {
        int up = fcntl(from[i], F_DUPFD_CLOEXEC, n);
        if (up < 0) sn_oci_die(p, errno, "duplicate descriptor %d", from[i]);
        from[i] = up;
    }
    int sock = fcntl(p->sock, F_DUPFD_CLOEXEC, n);
    if (sock < 0) sn_oci_die(p, errno, "duplicate the socket");
    p->sock = sock;
    for (int i = 0; i < n; i++)
        if (dup2(from[i], i) < 0) sn_oci_die(p, errno, "set up descriptor %d", i);
    close_range((unsigned)n, ~0u, CLOSE_RANGE_CLOEXEC);
}

void sn_oci_init_criu(struct sn_oci_plan *p)
{
    static char name[] = "criu", mode[] = "swrk", socket[] = "3";
    char *argv[] = {name, mode, socket, NULL};
    const struct sn_oci_criu_child *k = p->criu;
    int pair[2], from[CRIU_FIRST + SN_OCI_CRIU_INHERIT_MAX];
    if (k->root && unshare(CLONE_NEWNS) < 0) sn_oci_die(p, errno, "make criu's mount namespace");
    /* criu opens the folders by the /proc of whoever made its socket, and mounts below them: they
     * and the socket must come from here, from its own mount namespace. */
    from[CRIU_IMAGES] = open_folder(p, k->images);
    from[CRIU_WORK] = open_folder(p, k->work ? k->work : k->images);
    if (k->root) prepare_root(p);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        sn_oci_die(p, errno, "socketpair");
    memcpy(from, p->stdio, sizeof(p->stdio));
    from[CRIU_SOCKET] = pair[1];
    for (size_t i = 0; i < k->n_inherit; i++) from[CRIU_FIRST + i] = k->inherit[i];
    int e = sn_oci_message_send(p->sock, SN_OCI_MSG_READY, 0, NULL, pair[0]);
    if (e < 0) _exit(1); /* banned: the parent is gone */
    close(pair[0]);
    lay_descriptors(p, from, CRIU_FIRST + (int)k->n_inherit);
    execve(k->path, argv, environ);
    sn_oci_die(p, errno, "execute %s", k->path);
}
