/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init_mount.c - child: the mounts of the configuration, by the mount API of Linux 5.12. */
#include <dirent.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/vfs.h>

#include "clusters/oci/init_int.h"

#define SN_OCI_COPY_CHUNK (1u << 20)

/* The kernel's own explanation of a refused option, if it left one: "e tmpfs: Unknown parameter".
 */
static const char *explain(int fs, char out[160])
{
    ssize_t n = read(fs, out, 159);
    out[n > 0 ? n : 0] = 0;
    for (ssize_t i = 0; i < n; i++)
        if (out[i] == '\n') out[i] = 0;
    return n > 2 ? out + 2 : "refused";
}

/* fsopen's reach; devpts' gid is retried without, because a mapped root may have no such group. */
static int configure(struct sn_oci_plan *p, const struct sn_oci_mount *m, bool with_gid,
                     char why[160])
{
    int fs = fsopen(m->type, FSOPEN_CLOEXEC);
    if (fs < 0) sn_oci_die(p, errno, "mount %s: file system type %s", m->destination, m->type);
    int e = 0;
    if (m->source && m->source[0] && fsconfig(fs, FSCONFIG_SET_STRING, "source", m->source, 0) < 0)
        e = errno;
    for (size_t i = 0; i < m->data.n && !e; i++) {
        const struct sn_oci_kv *kv = &m->data.ptr[i];
        if (!with_gid && strcmp(kv->key, "gid") == 0) continue;
        /* Every devpts is an instance of its own since Linux 4.7. */
        if (strcmp(kv->key, "newinstance") == 0) continue;
        if (fsconfig(fs, kv->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, kv->key, kv->value,
                     0) < 0)
            e = errno;
    }
    if (!e && m->sb_ro && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0) e = errno;
    if (!e && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) e = errno;
    if (e) {
        const char *text = explain(fs, why);
        memmove(why, text, strlen(text) + 1);
        close(fs);
        return -e;
    }
    return fs;
}

int sn_oci_mount_make(struct sn_oci_plan *p, const struct sn_oci_mount *m, uint64_t attrs)
{
    char why[160];
    int fs = configure(p, m, true, why);
    if (fs == -EINVAL && p->userns && strcmp(m->type, "devpts") == 0)
        fs = configure(p, m, false, why);
    if (fs < 0) {
        errno = -fs;
        if (fs == -EPERM || fs == -EBUSY) return -1;
        sn_oci_die(p, -fs, "mount %s (%s): %s", m->destination, m->type, why);
    }
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
    int e = errno;
    close(fs);
    errno = e;
    return fd;
}

/* mount(2), for option values that fsconfig's 255 bytes do not hold: the lower folders of overlay.
 */
static void mount_legacy(struct sn_oci_plan *p, const struct sn_oci_mount *m, int target)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d",
             target); /* the host's /proc: not yet pivoted */
    if (mount(m->source, path, m->type, m->ms_flags, m->data_text) < 0)
        sn_oci_die(p, errno, "mount %s (%s)", m->destination, m->type);
}

static void change(struct sn_oci_plan *p, int fd, const struct sn_oci_mount *m, unsigned flags,
                   struct mount_attr a)
{
    if (!a.attr_set && !a.attr_clr && !a.propagation) return;
    if (mount_setattr(fd, "", AT_EMPTY_PATH | flags, &a, sizeof(a)) < 0)
        sn_oci_die(p, errno, "set attributes of mount %s", m->destination);
}

static void finish(struct sn_oci_plan *p, int fd, const struct sn_oci_mount *m)
{
    change(p, fd, m, AT_RECURSIVE, (struct mount_attr){.attr_set = m->rset, .attr_clr = m->rclear});
    for (int i = 0; i < 4 && m->propagation[i]; i++)
        change(p, fd, m, 0, (struct mount_attr){.propagation = m->propagation[i]});
    for (int i = 0; i < 4 && m->rpropagation[i]; i++)
        change(p, fd, m, AT_RECURSIVE, (struct mount_attr){.propagation = m->rpropagation[i]});
}

/* ---- tmpcopyup ---------------------------------------------------------------------------------
 */

static void copy_tree(struct sn_oci_plan *p, int from, int to, const char *what, int depth);

static void copy_file(struct sn_oci_plan *p, int from, int to, const char *name,
                      const struct stat *st)
{
    int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = out < 0 ? -1 : 1;
    while (n > 0) n = sendfile(out, in, NULL, SN_OCI_COPY_CHUNK);
    if (n < 0 || fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
        sn_oci_die(p, errno, "tmpcopyup: copy %s", name);
    close(in);
    close(out);
}

static void copy_entry(struct sn_oci_plan *p, int from, int to, const char *name, int depth)
{
    struct stat st;
    char *link = p->link;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        sn_oci_die(p, errno, "tmpcopyup: stat %s", name);
    if (S_ISREG(st.st_mode)) {
        copy_file(p, from, to, name, &st);
    } else if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(from, name, link, PATH_MAX - 1);
        if (n >= 0) link[n] = 0;
        if (n < 0 || symlinkat(link, to, name) < 0)
            sn_oci_die(p, errno, "tmpcopyup: link %s", name);
        if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
            sn_oci_die(p, errno, "tmpcopyup: chown %s", name);
    } else if (S_ISDIR(st.st_mode)) {
        if (mkdirat(to, name, 0700) < 0) sn_oci_die(p, errno, "tmpcopyup: mkdir %s", name);
        int a = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int b = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (a < 0 || b < 0) sn_oci_die(p, errno, "tmpcopyup: open %s", name);
        copy_tree(p, a, b, name, depth + 1);
        if (fchown(b, st.st_uid, st.st_gid) < 0 || fchmod(b, st.st_mode & 07777) < 0)
            sn_oci_die(p, errno, "tmpcopyup: chown %s", name);
        close(a);
        close(b);
    }
}

static void copy_tree(struct sn_oci_plan *p, int from, int to, const char *what, int depth)
{
    char buf[512] SN_ALIGNED(16);
    if (depth > SN_OCI_COPYUP_DEPTH_MAX) sn_oci_die(p, ELOOP, "tmpcopyup: %s is too deep", what);
    ssize_t n;
    while ((n = syscall(SYS_getdents64, from, buf, sizeof(buf))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *d = (const struct dirent64 *)(buf + at);
            at += d->d_reclen;
            if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                copy_entry(p, from, to, d->d_name, depth);
        }
    if (n < 0) sn_oci_die(p, errno, "tmpcopyup: read %s", what);
}

static void copy_up(struct sn_oci_plan *p, int root, int mnt, const struct sn_oci_mount *m)
{
    int from = sn_oci_open_in(root, m->destination, O_RDONLY | O_DIRECTORY, 0, 0);
    if (from < 0) sn_oci_die(p, -from, "tmpcopyup: open %s", m->destination);
    int to = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (to < 0 || fstat(from, &st) < 0) sn_oci_die(p, errno, "tmpcopyup: %s", m->destination);
    copy_tree(p, from, to, m->destination, 0);
    if (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
        sn_oci_die(p, errno, "tmpcopyup: chown %s", m->destination);
    close(from);
    close(to);
}

/* ---- one mount ---------------------------------------------------------------------------------
 */

/* sysfs and mqueue want the namespace of their kind to be ours; where it is not, the host's is
 * bound. */
static int host_instead(struct sn_oci_plan *p, const struct sn_oci_mount *m, uint64_t attrs)
{
    const char *path = strcmp(m->type, "sysfs") == 0    ? "/sys"
                       : strcmp(m->type, "mqueue") == 0 ? "/dev/mqueue"
                       : strcmp(m->type, "proc") == 0   ? "/proc"
                                                        : NULL;
    int e = errno;
    int fd = path && e == EPERM
                 ? open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)
                 : -1;
    if (fd < 0) sn_oci_die(p, e, "mount %s (%s)", m->destination, m->type);
    struct mount_attr a = {.attr_set = attrs & ~(uint64_t)MOUNT_ATTR__ATIME,
                           .propagation = MS_SLAVE};
    if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof(a)) < 0)
        sn_oci_die(p, errno, "set attributes of mount %s", m->destination);
    return fd;
}

static void mount_fs(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m)
{
    /* A file system that ignores its source may be mounted on a file only if it is one; here all
     * are folders. */
    int target = sn_oci_target(p, root, m->destination, true, m->dest_nofollow);
    if (m->legacy) {
        mount_legacy(p, m, target);
        close(target);
        target = sn_oci_target(p, root, m->destination, true, m->dest_nofollow);
        finish(p, target, m);
        close(target);
        return;
    }
    int fd = sn_oci_mount_make(p, m, m->set & ~(m->tmpcopyup ? (uint64_t)MOUNT_ATTR_RDONLY : 0));
    if (fd < 0) fd = host_instead(p, m, m->set);
    if (m->tmpcopyup) {
        copy_up(p, root, fd, m);
        change(p, fd, m, 0, (struct mount_attr){.attr_set = m->set & MOUNT_ATTR_RDONLY});
    }
    sn_oci_attach(p, fd, target, m->destination);
    finish(p, fd, m);
    close(fd);
    close(target);
}

static int bind_source(struct sn_oci_plan *p, const struct sn_oci_mount *m,
                       const struct sn_oci_plan_mount *pm)
{
    if (pm->tree >= 0) return pm->tree;
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m->recursive ? AT_RECURSIVE : 0) |
                     (m->src_nofollow || m->copy_symlink ? AT_SYMLINK_NOFOLLOW : 0);
    int fd = open_tree(AT_FDCWD, m->source, flags);
    /* Mounts that a user namespace inherited are locked together: all or none. */
    if (fd < 0 && errno == EINVAL && p->userns)
        fd = open_tree(AT_FDCWD, m->source, flags | AT_RECURSIVE);
    if (fd < 0) sn_oci_die(p, errno, "mount %s: source %s", m->destination, m->source);
    return fd;
}

static void mount_bind(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m,
                       const struct sn_oci_plan_mount *pm)
{
    int fd = bind_source(p, m, pm);
    struct stat st;
    if (fstat(fd, &st) < 0) sn_oci_die(p, errno, "mount %s: stat the source", m->destination);
    if (m->copy_symlink && S_ISLNK(st.st_mode)) {
        char *link = p->link;
        const char *name;
        ssize_t n = readlinkat(fd, "", link, PATH_MAX - 1);
        if (n < 0) sn_oci_die(p, errno, "mount %s: read the link", m->destination);
        link[n] = 0;
        int parent = sn_oci_parent_of(p, root, m->destination, &name);
        if (symlinkat(link, parent, name) < 0 && errno != EEXIST)
            sn_oci_die(p, errno, "link %s", m->destination);
        close(parent);
        close(fd);
        return;
    }
    struct mount_attr a = {.attr_set = m->set, .attr_clr = m->clear};
    change(p, fd, m, 0, a);
    int target = sn_oci_target(p, root, m->destination, S_ISDIR(st.st_mode), m->dest_nofollow);
    sn_oci_attach(p, fd, target, m->destination);
    finish(p, fd, m);
    close(target);
    close(fd);
}

static void remount(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m)
{
    int fd = sn_oci_open_in(root, m->destination, O_PATH, 0, 0);
    if (fd < 0) sn_oci_die(p, -fd, "remount %s", m->destination);
    change(p, fd, m, 0, (struct mount_attr){.attr_set = m->set, .attr_clr = m->clear});
    finish(p, fd, m);
    close(fd);
}

void sn_oci_mount_one(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m,
                      const struct sn_oci_plan_mount *pm)
{
    switch (m->kind) {
    case SN_OCI_MOUNT_FS: mount_fs(p, root, m); break;
    case SN_OCI_MOUNT_BIND: mount_bind(p, root, m, pm); break;
    case SN_OCI_MOUNT_CGROUP: sn_oci_mount_cgroup(p, root, m); break;
    case SN_OCI_MOUNT_REMOUNT: remount(p, root, m); break;
    }
}

void sn_oci_mount_all(struct sn_oci_plan *p, int root)
{
    for (size_t i = 0; i < p->spec->mounts.n; i++)
        sn_oci_mount_one(p, root, &p->spec->mounts.ptr[i], &p->mounts[i]);
}
