/* SPDX-License-Identifier: Apache-2.0 */
/* oci/protect_open.c - the file that takes the program's place in what enters a container
 * (protect.c), for daemons: made once, and no bytes of it in memory.
 *
 * A detached overlay mount of the program's folder has lower layers only, so its superblock is
 * read-only for ever: nobody has a name for it in any mount namespace, a remount of it cannot make
 * it writable, and the layer below is the overlay's own read-only clone of the mount. Its pages are
 * the page cache's of the program itself, which all processes of the program share. Where there is
 * no overlay file system, or the program's file has been replaced since, a sealed copy in memory
 * does the same for a megabyte. Source: fsopen(2), filesystems/overlayfs of the kernel. */
#include <stdio.h>

#include "clusters/oci/container.h"
#include "clusters/oci/init_int.h"
#include "core/status.h"

/* An overlay without an upper layer wants two lower ones; the other is never asked for the name. */
#define OTHER_LAYER "/sys/fs"
#define PATH_BYTES_MAX 2048u /* of the program; a longer one is copied */

static int set(int fs, const char *key, const char *value)
{
    return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

/* overlay_on - the folder `dir` through a mount of its own. Returns it or -errno. */
static int overlay_on(int dir)
{
    char layers[64];
    int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0) return -errno;
    /* By the descriptor: a path may be too long, or hold what separates layers. */
    snprintf(layers, sizeof(layers), "/proc/self/fd/%d:" OTHER_LAYER, dir);
    int e = set(fs, "lowerdir", layers);
    if (e == 0) e = set(fs, "xino", "off"); /* so that files keep their numbers */
    if (e == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) e = -errno;
    if (e == 0) {
        e = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        if (e < 0) e = -errno;
    }
    close(fs);
    return e;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && S_ISREG(a->st_mode) &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* overlay_file - the running program's file through an overlay. Returns it or -errno. */
static int overlay_file(void)
{
    char path[PATH_BYTES_MAX];
    struct stat exe, st;
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
    if (n <= 0 || stat("/proc/self/exe", &exe) < 0) return -errno;
    if ((size_t)n == sizeof(path)) return -ENAMETOOLONG;
    path[n] = 0;
    char *name = strrchr(path, '/');
    if (!name || name == path) return -EINVAL;
    *name++ = 0;
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return -errno;
    /* The name may be another file's by now. */
    int e = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
    if (e == 0 && (st.st_dev != exe.st_dev || !same_file(&st, &exe))) e = -ESTALE;
    int m = e < 0 ? e : overlay_on(dir);
    close(dir);
    if (m < 0) return m;
    int fd = openat(m, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    e = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    if (e == 0 && !same_file(&st, &exe)) e = -ESTALE;
    close(m);
    if (e < 0) sn_oci_close_fd(&fd);
    return e < 0 ? e : fd;
}

int sn_oci_protect_open(void)
{
    if (!sn_oci_protects())
        return sn_fail(SN_E_UNIMPLEMENTED, "the kernel does not let a process replace its file");
    int fd = overlay_file();
    if (fd < 0) fd = sn_oci_protect_file(true);
    return fd < 0 ? sn_fail_errno(-fd, "copy the program into a sealed file") : fd;
}
