/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init_dev.c - child: device nodes, what is hidden or read-only, the terminal. */
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "clusters/oci/init_int.h"

/* ---- devices -----------------------------------------------------------------------------------
 */

/* node: a detached mount of it, or SN_OCI_NODE_HOST. */
static void bind_device(struct sn_oci_plan *p, int root, const char *path, int node)
{
    int fd = node >= 0 ? node : open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0) sn_oci_die(p, errno, "device %s of the host", path);
    int target = sn_oci_target(p, root, path, false, false);
    sn_oci_attach(p, fd, target, path);
    close(fd);
    close(target);
}

mode_t sn_oci_device_kind(const struct sn_oci_device *d)
{
    return d->type[0] == 'b' ? S_IFBLK : d->type[0] == 'p' ? S_IFIFO : S_IFCHR;
}

/* In the folder `dir`, which stays the caller's. */
static void make_device(struct sn_oci_plan *p, int root, int dir, const struct sn_oci_device *d,
                        int node)
{
    const char *slash = strrchr(d->path, '/'), *name = slash ? slash + 1 : d->path;
    dev_t dev =
        sn_oci_device_kind(d) == S_IFIFO ? 0 : makedev((unsigned)d->major, (unsigned)d->minor);
    mode_t mode = d->file_mode.set ? (mode_t)(d->file_mode.v & 07777) : 0666;
    if (p->userns) {
        bind_device(p, root, d->path, node);
        return;
    }
    if (mknodat(dir, name, sn_oci_device_kind(d) | mode, dev) < 0) {
        struct stat st;
        if (errno == EPERM && sn_oci_device_kind(d) != S_IFIFO) {
            bind_device(p, root, d->path, node);
            return;
        }
        if (errno != EEXIST) sn_oci_die(p, errno, "mknod %s", d->path);
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            sn_oci_die(p, errno, "stat %s", d->path);
        if ((st.st_mode & S_IFMT) != sn_oci_device_kind(d) ||
            (sn_oci_device_kind(d) != S_IFIFO && st.st_rdev != dev))
            sn_oci_die(p, EEXIST, "device %s: the image has something else there", d->path);
    }
    /* Only what was verified not to be a link is changed, and never through one. */
    if (fchownat(dir, name, d->uid.set ? (uid_t)d->uid.v : 0, d->gid.set ? (gid_t)d->gid.v : 0,
                 AT_SYMLINK_NOFOLLOW) < 0)
        sn_oci_die(p, errno, "chown %s", d->path);
    if (fchmodat(dir, name, mode, 0) < 0) sn_oci_die(p, errno, "chmod %s", d->path);
}

/* The nodes that the parent has made, each as a mount of its own. Mounts are cloned only where they
 * are attached (before Linux 6.15): on /dev, for the time. */
static void take_nodes(struct sn_oci_plan *p, int root)
{
    char name[24];
    int dev = sn_oci_target(p, root, "/dev", true, false);
    sn_oci_attach(p, p->nodes_fs, dev, "/dev");
    for (size_t k = 0; k < p->spec->devices.n; k++) {
        if (p->nodes[k] != SN_OCI_NODE_MADE) continue;
        snprintf(name, sizeof(name), "%zu", k);
        p->nodes[k] = open_tree(p->nodes_fs, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (p->nodes[k] < 0) sn_oci_die(p, errno, "device %s", p->spec->devices.ptr[k].path);
    }
    if (fchdir(p->nodes_fs) < 0 || umount2(".", MNT_DETACH) < 0)
        sn_oci_die(p, errno, "unmount the device nodes");
    sn_oci_close_fd(&p->nodes_fs);
    close(dev);
}

static void link_device(struct sn_oci_plan *p, int dev, const char *name, const char *to)
{
    if (symlinkat(to, dev, name) < 0 && errno != EEXIST) sn_oci_die(p, errno, "link /dev/%s", name);
}

static void link_all(struct sn_oci_plan *p, int dev)
{
    link_device(p, dev, "fd", "/proc/self/fd");
    link_device(p, dev, "stdin", "/proc/self/fd/0");
    link_device(p, dev, "stdout", "/proc/self/fd/1");
    link_device(p, dev, "stderr", "/proc/self/fd/2");
    if (faccessat(p->proc, "kcore", F_OK, 0) == 0) link_device(p, dev, "core", "/proc/kcore");
    /* The image's own ptmx would be the host's instance. */
    if (unlinkat(dev, "ptmx", 0) < 0 && errno != ENOENT) sn_oci_die(p, errno, "remove /dev/ptmx");
    link_device(p, dev, "ptmx", "pts/ptmx");
}

const struct sn_oci_device sn_oci_devices_every[] = {
    {"/dev/null", "c", 1, 3},   {"/dev/zero", "c", 1, 5},    {"/dev/full", "c", 1, 7},
    {"/dev/random", "c", 1, 8}, {"/dev/urandom", "c", 1, 9}, {"/dev/tty", "c", 5, 0},
    {NULL, NULL, 0, 0},
};

void sn_oci_devices(struct sn_oci_plan *p, int root)
{
    const struct sn_oci_device *every = sn_oci_devices_every;
    if (p->dev_bound) return;
    const char *name;
    int dev = sn_oci_parent_of(p, root, every[0].path, &name);
    for (size_t i = 0; every[i].path; i++) {
        bool own = false;
        for (size_t k = 0; k < p->spec->devices.n; k++)
            own |= strcmp(p->spec->devices.ptr[k].path, every[i].path) == 0;
        if (!own) make_device(p, root, dev, &every[i], SN_OCI_NODE_HOST);
    }
    if (p->nodes_fs >= 0) take_nodes(p, root);
    for (size_t k = 0; k < p->spec->devices.n; k++) {
        const struct sn_oci_device *d = &p->spec->devices.ptr[k];
        int dir = sn_oci_parent_of(p, root, d->path, &name);
        make_device(p, root, dir, d, p->nodes ? p->nodes[k] : SN_OCI_NODE_HOST);
        close(dir);
    }
    link_all(p, dev);
    close(dev);
}

/* ---- masked and read-only paths ----------------------------------------------------------------
 */

/* One empty read-only tmpfs serves all hidden folders: the first is attached, the others clone it.
 */
static int empty_folder(struct sn_oci_plan *p, int first)
{
    static struct sn_oci_kv few[] = {{"nr_inodes", "2"}, {"size", "0"}, {"mode", "755"}};
    if (first >= 0) {
        int fd = open_tree(first, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0) sn_oci_die(p, errno, "clone the empty folder");
        return fd;
    }
    struct sn_oci_mount m = {.destination = "masked path",
                             .type = "tmpfs",
                             .source = "tmpfs",
                             .data = {few, 3}};
    int fd = sn_oci_mount_make(p, &m, MOUNT_ATTR_RDONLY);
    if (fd < 0) sn_oci_die(p, errno, "mount the empty folder");
    return fd;
}

/* The host's /dev/null, and nothing that took its place (CVE-2025-31133). */
static int null_file(struct sn_oci_plan *p)
{
    struct stat st;
    int fd = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) sn_oci_die(p, errno, "open /dev/null");
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        sn_oci_die(p, EINVAL, "/dev/null is another file");
    return fd;
}

static void read_only(struct sn_oci_plan *p, int root, const char *path)
{
    int at = sn_oci_open_in(root, path, O_PATH, 0, 0);
    if (at == -ENOENT) return;
    if (at < 0) sn_oci_die(p, -at, "read-only path %s", path);
    int fd = open_tree(at, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY};
    if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof(a)) < 0)
        sn_oci_die(p, errno, "read-only path %s", path);
    sn_oci_attach(p, fd, at, path);
    close(fd);
    close(at);
}

void sn_oci_mask(struct sn_oci_plan *p, int root)
{
    for (size_t i = 0; i < p->spec->readonly_paths.n; i++)
        read_only(p, root, p->spec->readonly_paths.ptr[i]);
    int empty = -1;
    for (size_t i = 0; i < p->spec->masked_paths.n; i++) {
        const char *path = p->spec->masked_paths.ptr[i];
        struct stat st;
        int at = sn_oci_open_in(root, path, O_PATH, 0, 0);
        if (at == -ENOENT || at == -ENOTDIR) continue;
        if (at < 0 || fstat(at, &st) < 0)
            sn_oci_die(p, at < 0 ? -at : errno, "masked path %s", path);
        bool dir = S_ISDIR(st.st_mode);
        int fd = dir ? empty_folder(p, empty) : null_file(p);
        sn_oci_attach(p, fd, at, path);
        if (dir && empty < 0)
            empty = fd;
        else
            close(fd);
        close(at);
    }
    sn_oci_close_fd(&empty);
    if (p->spec->root.readonly) {
        struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY};
        if (mount_setattr(root, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
            sn_oci_die(p, errno, "make the root read-only");
    }
}

/* ---- terminal ----------------------------------------------------------------------------------
 */

static void bind_console(struct sn_oci_plan *p, int root, int slave)
{
    int fd = open_tree(slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0) sn_oci_die(p, errno, "bind the terminal");
    int target = sn_oci_target(p, root, "/dev/console", false, true);
    struct stat st;
    if (fstat(target, &st) < 0 || S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode))
        sn_oci_die(p, EINVAL, "/dev/console: the image has something else there");
    sn_oci_attach(p, fd, target, "/dev/console");
    close(fd);
    close(target);
}

static void hand_over(struct sn_oci_plan *p, int master, int slave)
{
    char self[32], name[64];
    snprintf(self, sizeof(self), "self/fd/%d", slave);
    ssize_t n = readlinkat(p->proc, self, name, sizeof(name) - 1);
    name[n > 0 ? n : 0] = 0;
    int e = 0;
    if (p->console_sock >= 0) e = sn_oci_fd_send(p->console_sock, name, strlen(name), master);
    if (e == 0 && p->console_wanted)
        e = sn_oci_message_send(p->sock, SN_OCI_MSG_CONSOLE, 0, name, master);
    if (e < 0) sn_oci_die(p, -e, "hand over the terminal");
}

void sn_oci_console(struct sn_oci_plan *p, int root, bool bind)
{
    const struct sn_oci_process_spec *ps = p->process;
    struct stat st;
    int unlock = 0;
    int master = sn_oci_open_in(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, RESOLVE_NO_SYMLINKS);
    if (master < 0) sn_oci_die(p, -master, "open the terminal multiplexer /dev/pts/ptmx");
    if (fstat(master, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
        sn_oci_die(p, EINVAL, "/dev/pts/ptmx is another file");
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0) sn_oci_die(p, errno, "unlock the terminal");
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) sn_oci_die(p, errno, "open the terminal");
    if (ps->console_height || ps->console_width) {
        struct winsize w = {.ws_row = (unsigned short)ps->console_height,
                            .ws_col = (unsigned short)ps->console_width};
        if (ioctl(slave, TIOCSWINSZ, &w) < 0) sn_oci_die(p, errno, "set the terminal's size");
    }
    if (fchown(slave, ps->user.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
        errno != EROFS)
        sn_oci_die(p, errno, "chown the terminal");
    if (bind) bind_console(p, root, slave);
    hand_over(p, master, slave);
    close(master);
    if (ioctl(slave, TIOCSCTTY, 0) < 0) sn_oci_die(p, errno, "make it the controlling terminal");
    for (int i = 0; i < 3; i++) p->stdio[i] = slave;
}

/* The container's /dev/null in place of the host's: the host's mount is not held, and a checkpoint
 * finds the file where it belongs. Where it is none, the host's stays. */
static void own_null(int fd)
{
    struct stat st;
    /* Not blocking, because the container may have a pipe there; the program sees plain flags. */
    int n = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (n < 0) return;
    if (fstat(n, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3) &&
        fcntl(n, F_SETFL, 0) == 0)
        dup2(n, fd);
    close(n);
}

/* The program's 0, 1, 2. What is a pipe or file becomes its user's: /dev/stdout is opened anew. */
void sn_oci_stdio(struct sn_oci_plan *p)
{
    for (int i = 0; i < 3; i++) {
        /* A source that a former step would overwrite moves up first. */
        for (int k = i + 1; k < 3; k++)
            if (p->stdio[k] == i && p->stdio[i] != i) {
                int up = fcntl(i, F_DUPFD_CLOEXEC, 3 + (int)p->preserve_fds);
                if (up < 0) sn_oci_die(p, errno, "duplicate descriptor %d", i);
                for (int j = k; j < 3; j++)
                    if (p->stdio[j] == i) p->stdio[j] = up;
            }
        if (p->stdio[i] == i) {
            fcntl(i, F_SETFD, 0);
        } else if (dup2(p->stdio[i], i) < 0) {
            sn_oci_die(p, errno, "set up descriptor %d", i);
        }
    }
    if (p->process->terminal) return;
    for (int i = 0; i < 3; i++) {
        struct stat st;
        if (fstat(i, &st) < 0) continue;
        if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) {
            own_null(i);
            continue;
        }
        if (st.st_uid == p->process->user.uid) continue;
        if (fchown(i, p->process->user.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
            errno != EROFS)
            sn_oci_die(p, errno, "chown descriptor %d", i);
    }
}
