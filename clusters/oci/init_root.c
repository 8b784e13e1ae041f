/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init_root.c - child: the root file system, and places in it.
 * Every path of the configuration is resolved from the root's descriptor by openat2, so that
 * nothing in the image can lead outside. */
#include <limits.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "clusters/oci/init_int.h"

static void propagate(struct sn_oci_plan *p, int fd, const char *path, unsigned flags, uint64_t how)
{
    struct mount_attr a = {.propagation = how};
    if (mount_setattr(fd, path, flags, &a, sizeof(a)) < 0)
        sn_oci_die(p, errno, "set the propagation of mount %s", *path ? path : "of the root");
}

/* In a mount namespace that others use, too, nothing of theirs may change: the root is mounted on
 * its own place, which delete unmounts. */
static int open_shared(struct sn_oci_plan *p)
{
    int fd = open_tree(AT_FDCWD, p->rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd < 0) sn_oci_die(p, errno, "open the root %s", p->rootfs);
    propagate(p, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, MS_PRIVATE);
    if (move_mount(fd, "", AT_FDCWD, p->rootfs, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        sn_oci_die(p, errno, "mount the root %s", p->rootfs);
    return fd;
}

int sn_oci_root_open(struct sn_oci_plan *p)
{
    if (p->shared_mounts) return open_shared(p);
    unsigned long prop = p->spec->rootfs_propagation;
    /* What is mounted here must not appear in the host, unless that is asked for; "unbindable"
     * comes last, because such a mount could not become the root any more. */
    if (!(prop & MS_SHARED))
        propagate(p, AT_FDCWD, "/", AT_RECURSIVE, prop & MS_PRIVATE ? MS_PRIVATE : MS_SLAVE);
    int fd = p->root_tree;
    if (fd < 0)
        fd = open_tree(AT_FDCWD, p->rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd < 0) sn_oci_die(p, errno, "open the root %s", p->rootfs);
    /* The root itself is never a peer of the host's mount: ours would show below the bundle. */
    propagate(p, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, prop & MS_PRIVATE ? MS_PRIVATE : MS_SLAVE);
    /* On top of "/", whose own place needs no search permission of a mapped root. */
    if (prop & MS_SHARED) propagate(p, AT_FDCWD, "/", 0, MS_PRIVATE);
    if (move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        sn_oci_die(p, errno, "mount the root %s", p->rootfs);
    return fd;
}

void sn_oci_root_enter(struct sn_oci_plan *p, int root)
{
    if (fchdir(root) < 0) sn_oci_die(p, errno, "enter the root");
    if (p->shared_mounts) {
        if (chroot(".") < 0) sn_oci_die(p, errno, "chroot");
        return;
    }
    if (p->no_pivot) {
        if (mount(".", "/", NULL, MS_MOVE, NULL) < 0) sn_oci_die(p, errno, "move the root to /");
        if (chroot(".") < 0) sn_oci_die(p, errno, "chroot");
    } else {
        /* The old root comes to lie on the new one, where it is the topmost mount of ".". */
        if (syscall(SYS_pivot_root, ".", ".") < 0)
            sn_oci_die(p, errno, "pivot_root to %s", p->rootfs);
        if (umount2(".", MNT_DETACH) < 0) sn_oci_die(p, errno, "detach the old root");
    }
    if (chdir("/") < 0) sn_oci_die(p, errno, "enter the new root");
    if (p->spec->rootfs_propagation) {
        unsigned long prop = p->spec->rootfs_propagation;
        propagate(p, AT_FDCWD, "/", prop & MS_REC ? AT_RECURSIVE : 0,
                  prop & ~(unsigned long)MS_REC);
    }
}

/* Copies the first n bytes of a path, the part to look up next. */
static void prefix(struct sn_oci_plan *p, char *out, const char *path, size_t n)
{
    if (n >= PATH_MAX) sn_oci_die(p, ENAMETOOLONG, "%.100s...", path);
    memcpy(out, path, n);
    out[n] = 0;
}

static const char *last_part(const char *path, size_t *ret_len)
{
    size_t n = strlen(path);
    while (n && path[n - 1] == '/') n--;
    size_t from = n;
    while (from && path[from - 1] != '/') from--;
    *ret_len = n - from;
    return path + from;
}

/* Makes the folder `path` whose parent is `dir`, or which somebody else made meanwhile. */
static int make_last(struct sn_oci_plan *p, int root, int dir, const char *path, mode_t mode)
{
    size_t n;
    const char *last = last_part(path, &n);
    char name[NAME_MAX + 1];
    if (n > NAME_MAX) sn_oci_die(p, ENAMETOOLONG, "%.100s", path);
    prefix(p, name, last, n);
    if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
        sn_oci_die(p, errno, "mkdir %s in the root", path);
    return sn_oci_open_in(root, path, O_PATH | O_DIRECTORY, 0, 0);
}

/* The folder `path`, made where it is missing: nearly always only its last part is. */
static int make_dirs(struct sn_oci_plan *p, int root, const char *path, mode_t mode)
{
    char *part = p->part;
    int fd = sn_oci_open_in(root, path, O_PATH | O_DIRECTORY, 0, 0);
    if (fd == -ENOENT) {
        size_t n;
        const char *last = last_part(path, &n);
        prefix(p, part, path, (size_t)(last - path));
        int dir = sn_oci_open_in(root, part, O_PATH | O_DIRECTORY, 0, 0);
        bool deep = dir == -ENOENT;
        if (deep) dir = sn_oci_open_in(root, ".", O_PATH | O_DIRECTORY, 0, 0);
        for (size_t i = 0; deep && path[i];) {
            while (path[i] == '/') i++;
            size_t from = i;
            while (path[i] && path[i] != '/') i++;
            if (i == from || path + from >= last) break;
            prefix(p, part, path, i);
            fd = sn_oci_open_in(root, part, O_PATH | O_DIRECTORY, 0, 0);
            if (fd == -ENOENT) fd = make_last(p, root, dir, part, mode);
            if (fd < 0) sn_oci_die(p, -fd, "%s in the root", part);
            sn_oci_close_fd(&dir);
            dir = fd;
        }
        if (dir < 0) sn_oci_die(p, -dir, "%s in the root", path);
        fd = make_last(p, root, dir, path, mode);
        close(dir);
    }
    if (fd < 0) sn_oci_die(p, -fd, "%s in the root", path);
    return fd;
}

void sn_oci_mkdirs(struct sn_oci_plan *p, int root, const char *path, mode_t mode)
{
    close(make_dirs(p, root, path, mode));
}

int sn_oci_parent_of(struct sn_oci_plan *p, int root, const char *path, const char **ret_name)
{
    char *dir = p->dir;
    size_t n;
    const char *name = last_part(path, &n);
    prefix(p, dir, path, (size_t)(name - path));
    int fd = make_dirs(p, root, dir, 0755);
    if (n == 0 || n > NAME_MAX || name[n] || (n == 2 && name[0] == '.' && name[1] == '.'))
        sn_oci_die(p, EINVAL, "%s is no name of a file", path);
    *ret_name = name;
    return fd;
}

int sn_oci_target(struct sn_oci_plan *p, int root, const char *path, bool dir, bool nofollow)
{
    int flags = O_PATH | (dir ? O_DIRECTORY : 0) | (nofollow ? O_NOFOLLOW : 0);
    if (dir && !nofollow) return make_dirs(p, root, path, 0755);
    int fd = sn_oci_open_in(root, path, flags, 0, 0);
    if (fd == -ENOENT && dir) {
        sn_oci_mkdirs(p, root, path, 0755);
        fd = sn_oci_open_in(root, path, flags, 0, 0);
    } else if (fd == -ENOENT) {
        const char *name;
        int parent = sn_oci_parent_of(p, root, path, &name);
        int file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (file < 0) sn_oci_die(p, errno, "create %s in the root", path);
        close(file);
        close(parent);
        fd = sn_oci_open_in(root, path, flags, 0, 0);
    }
    if (fd < 0) sn_oci_die(p, -fd, "mount point %s in the root", path);
    return fd;
}

void sn_oci_attach(struct sn_oci_plan *p, int mount, int target, const char *path)
{
    if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        sn_oci_die(p, errno, "mount on %s", path);
}
