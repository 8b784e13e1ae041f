/* SPDX-License-Identifier: Apache-2.0 */
/* shim/mount.c - root file systems, as containerd's snapshotters describe them: type, source and
 * options in fstab's words, made with the kernel's mount API. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clusters/shim/shim_int.h"

/* Flags of single words; what is not among them belongs to the file system. */
struct word {
    const char *name;
    uint64_t set, clear; /* MOUNT_ATTR_* */
    uint64_t propagation;
    bool bind, recursive, nothing;
};
static const struct word words[] = {
    {"ro", .set = MOUNT_ATTR_RDONLY},
    {"rw", .clear = MOUNT_ATTR_RDONLY},
    {"nosuid", .set = MOUNT_ATTR_NOSUID},
    {"suid", .clear = MOUNT_ATTR_NOSUID},
    {"nodev", .set = MOUNT_ATTR_NODEV},
    {"dev", .clear = MOUNT_ATTR_NODEV},
    {"noexec", .set = MOUNT_ATTR_NOEXEC},
    {"exec", .clear = MOUNT_ATTR_NOEXEC},
    {"noatime", .set = MOUNT_ATTR_NOATIME, .clear = MOUNT_ATTR__ATIME},
    {"relatime", .clear = MOUNT_ATTR__ATIME},
    {"strictatime", .set = MOUNT_ATTR_STRICTATIME, .clear = MOUNT_ATTR__ATIME},
    {"nodiratime", .set = MOUNT_ATTR_NODIRATIME},
    {"diratime", .clear = MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", .set = MOUNT_ATTR_NOSYMFOLLOW},
    {"bind", .bind = true},
    {"rbind", .bind = true, .recursive = true},
    {"private", .propagation = MS_PRIVATE},
    {"rprivate", .propagation = MS_PRIVATE, .recursive = true},
    {"shared", .propagation = MS_SHARED},
    {"rshared", .propagation = MS_SHARED, .recursive = true},
    {"slave", .propagation = MS_SLAVE},
    {"rslave", .propagation = MS_SLAVE, .recursive = true},
    {"unbindable", .propagation = MS_UNBINDABLE},
    {"defaults", .nothing = true},
    {"auto", .nothing = true},
    {"noauto", .nothing = true},
    {"loop", .nothing = true}, /* the source is a device by now */
};

#define FS_VALUE_MAX 255u /* bytes of a file system's option in the mount API */

struct plan {
    struct mount_attr attr; /* set, clear, propagation */
    bool bind, recursive;
};

static const struct word *word_find(struct sn_str s)
{
    for (size_t i = 0; i < SN_COUNT_OF(words); i++)
        if (sn_str_eqc(s, words[i].name)) return &words[i];
    return NULL;
}

static void plan_make(const struct containerd_types_mount *m, struct plan *p)
{
    *p = (struct plan){.bind = sn_str_eqc(m->type, "bind")};
    for (uint32_t i = 0; i < m->options.len; i++) {
        const struct word *w = word_find(m->options.ptr[i]);
        if (!w) continue;
        p->attr.attr_clr |= w->clear;
        p->attr.attr_set = (p->attr.attr_set & ~w->clear) | w->set;
        if (w->propagation) p->attr.propagation = w->propagation;
        p->bind |= w->bind;
        p->recursive |= w->recursive;
    }
}

static int fs_message(int fs, int err, const char *what, struct sn_str name)
{
    char text[256];
    ssize_t n = read(fs, text, sizeof(text) - 1); /* the kernel's own words, "e ..." */
    if (n < 3) return sn_fail_errno(err, "mount: %s %.*s", what, SN_STR_ARG(name));
    text[n] = 0;
    if (text[n - 1] == '\n') text[n - 1] = 0;
    return sn_fail_errno(err, "mount: %s %.*s: %s", what, SN_STR_ARG(name), text + 2);
}

static int fs_set(int fs, struct sn_str key, struct sn_str value)
{
    char k[64], v[SHIM_PATH_MAX];
    if (sn_str_cz(key, k, sizeof(k)) < 0 || sn_str_cz(value, v, sizeof(v)) < 0)
        return sn_fail(SN_E_TOO_LARGE, "mount: option %.*s is too long", SN_STR_ARG(key));
    int r = value.ptr ? fsconfig(fs, FSCONFIG_SET_STRING, k, v, 0)
                      : fsconfig(fs, FSCONFIG_SET_FLAG, k, NULL, 0);
    return r < 0 ? fs_message(fs, errno, "option", key) : 0;
}

/* fs_folder - a folder as value: one with a name that is longer than a value may be goes by its
 * descriptor. The kernel opens it at once. */
static int fs_folder(int fs, struct sn_str key, struct sn_str value)
{
    char path[SHIM_PATH_MAX], self[32];
    if (value.len <= FS_VALUE_MAX) return fs_set(fs, key, value);
    if (sn_str_cz(value, path, sizeof(path)) < 0)
        return sn_fail(SN_E_TOO_LARGE, "mount: option %.*s is too long", SN_STR_ARG(key));
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "mount: option %.*s=%s", SN_STR_ARG(key), path);
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    int r = fs_set(fs, key, sn_str(self));
    close(fd);
    return r;
}

/* fs_lower - the layers of an overlay one by one: a value of the mount API is at most 255 bytes. */
static int fs_lower(int fs, struct sn_str layers)
{
    int r = 0;
    while (layers.ptr && r >= 0) {
        struct sn_str one = sn_str_cut(&layers, ':');
        r = fs_folder(fs, SN_STR("lowerdir+"), one);
    }
    return r;
}

static int fs_options(int fs, const struct containerd_types_mount *m)
{
    bool overlay = sn_str_eqc(m->type, "overlay");
    int r = 0;
    for (uint32_t i = 0; i < m->options.len && r >= 0; i++) {
        struct sn_str value = m->options.ptr[i];
        if (word_find(value)) continue;
        ssize_t eq = sn_str_chr(value, '=');
        struct sn_str key = sn_str_cut(&value, '=');
        if (eq < 0) value = (struct sn_str){0};
        /* An escaped colon is part of a name: only the old form knows those. */
        if (overlay && sn_str_eqc(key, "lowerdir") && sn_str_chr(value, '\\') < 0)
            r = fs_lower(fs, value);
        else if (overlay && (sn_str_eqc(key, "upperdir") || sn_str_eqc(key, "workdir")))
            r = fs_folder(fs, key, value);
        else
            r = fs_set(fs, key, value);
    }
    return r;
}

static int tree_new(const struct containerd_types_mount *m, const struct plan *p)
{
    char type[64], source[SHIM_PATH_MAX];
    if (sn_str_cz(m->type, type, sizeof(type)) < 0 ||
        sn_str_cz(m->source, source, sizeof(source)) < 0)
        return sn_fail(SN_E_TOO_LARGE, "mount: type %.*s, source %.*s: too long",
                       SN_STR_ARG(m->type), SN_STR_ARG(m->source));
    if (p->bind) {
        int fd = open_tree(AT_FDCWD, source,
                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (p->recursive ? AT_RECURSIVE : 0));
        return fd < 0 ? sn_fail_errno(errno, "mount: source %s", source) : fd;
    }
    int fs = fsopen(type, FSOPEN_CLOEXEC);
    if (fs < 0) return sn_fail_errno(errno, "mount: file system %s", type);
    int r = m->source.len ? fs_set(fs, SN_STR("source"), m->source) : 0;
    if (r >= 0 && (p->attr.attr_set & MOUNT_ATTR_RDONLY))
        r = fs_set(fs, SN_STR("ro"), (struct sn_str){0});
    if (r >= 0) r = fs_options(fs, m);
    if (r >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        r = fs_message(fs, errno, "create", m->type);
    if (r >= 0) {
        r = fsmount(fs, FSMOUNT_CLOEXEC, 0);
        if (r < 0) r = fs_message(fs, errno, "mount", m->type);
    }
    close(fs);
    return r;
}

/* mount_on - target_fd: where, or -1 for the path, of which the last part must be no symbolic link.
 */
static int mount_on(const struct containerd_types_mount *m, const char *target, int target_fd)
{
    struct plan p;
    plan_make(m, &p);
    int tree = tree_new(m, &p);
    if (tree < 0) return sn_wrap(tree, "%s", target);
    int r = 0;
    unsigned flags = AT_EMPTY_PATH | (p.bind && p.recursive ? AT_RECURSIVE : 0);
    if ((p.attr.attr_set || p.attr.attr_clr || p.attr.propagation) &&
        mount_setattr(tree, "", flags, &p.attr, sizeof(p.attr)) < 0)
        r = sn_fail_errno(errno, "mount: flags of %s", target);
    unsigned how = MOVE_MOUNT_F_EMPTY_PATH | (target_fd >= 0 ? MOVE_MOUNT_T_EMPTY_PATH : 0);
    if (r >= 0 && move_mount(tree, "", target_fd >= 0 ? target_fd : AT_FDCWD,
                             target_fd >= 0 ? "" : target, how) < 0)
        r = sn_fail_errno(errno, "mount: on %s", target);
    close(tree);
    return r;
}

/* target_of - a mount's own place inside the root file system, never outside of it. */
static int target_of(const struct containerd_types_mount *m, const char *rootfs)
{
    char rel[SHIM_PATH_MAX];
    if (sn_str_cz(m->target, rel, sizeof(rel)) < 0)
        return sn_fail(SN_E_TOO_LARGE, "mount: target: too long");
    int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return sn_fail_errno(errno, "open %s", rootfs);
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, root, rel, &how, sizeof(how));
    int err = errno;
    close(root);
    return fd < 0 ? sn_fail_errno(err, "mount: target %s in %s", rel, rootfs) : fd;
}

int shim_mount_all(struct containerd_types_mount *const *m, unsigned n, const char *rootfs)
{
    if (n > SN_SHIM_MOUNTS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%u mounts of a root, at most %u", n, SN_SHIM_MOUNTS_MAX);
    if (n && mkdir(rootfs, 0711) < 0 && errno != EEXIST)
        return sn_fail_errno(errno, "mkdir %s", rootfs);
    int r = 0;
    for (unsigned i = 0; i < n && r >= 0; i++) {
        int fd = -1;
        if (m[i]->target.len) r = fd = target_of(m[i], rootfs);
        if (r >= 0) r = mount_on(m[i], rootfs, fd);
        if (fd >= 0) close(fd);
    }
    if (r < 0) {
        struct sn_diag keep = *sn_diag();
        if (shim_unmount_all(rootfs) < 0) sn_diag_clear();
        *sn_diag() = keep;
    }
    return r;
}

int shim_unmount_all(const char *rootfs)
{
    for (unsigned i = 0; i < SN_SHIM_UNMOUNTS_MAX; i++) {
        if (umount2(rootfs, UMOUNT_NOFOLLOW) == 0) continue;
        if (errno == EBUSY && umount2(rootfs, UMOUNT_NOFOLLOW | MNT_DETACH) == 0) continue;
        if (errno == EINVAL || errno == ENOENT) return 0;
        return sn_fail_errno(errno, "unmount %s", rootfs);
    }
    return sn_fail(SN_E_RESOURCE_EXHAUSTED, "more than %u mounts on %s", SN_SHIM_UNMOUNTS_MAX,
                   rootfs);
}
