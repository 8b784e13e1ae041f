/* SPDX-License-Identifier: Apache-2.0 */
/* oci/nodes.c - parent: device nodes for a user namespace, whose root may make none. They are made
 * here, on a file system that is mounted nowhere, and bound by the child. */
#include <stdio.h>
#include <sys/sysmacros.h>

#include "clusters/oci/parent_int.h"

/* The host's id of one inside, or -1. */
static int64_t outside(const struct sn_oci_id_maps *m, int64_t id)
{
    for (size_t i = 0; i < m->n; i++)
        if (id >= m->ptr[i].inside && id - m->ptr[i].inside < m->ptr[i].size)
            return m->ptr[i].outside + (id - m->ptr[i].inside);
    return -1;
}

/* The host's own node does where nothing more is asked for than it is. */
static bool host_has(const struct sn_oci_device *d, mode_t kind, dev_t dev)
{
    struct stat st;
    return !d->file_mode.set && !d->uid.set && !d->gid.set && stat(d->path, &st) == 0 &&
           (st.st_mode & S_IFMT) == kind && (kind == S_IFIFO || st.st_rdev == dev);
}

static int file_system(int *ret)
{
    int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), fd = -1;
    if (fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) == 0 &&
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    int e = errno;
    sn_oci_close_fd(&fs);
    if (fd < 0) return sn_fail_errno(e, "make a file system for device nodes");
    *ret = fd;
    return 0;
}

static int make_node(const struct sn_oci_spec *s, int dir, size_t i)
{
    const struct sn_oci_device *d = &s->devices.ptr[i];
    mode_t kind = sn_oci_device_kind(d);
    mode_t mode = d->file_mode.set ? (mode_t)(d->file_mode.v & 07777) : 0666;
    dev_t dev = kind == S_IFIFO ? 0 : makedev((unsigned)d->major, (unsigned)d->minor);
    int64_t uid = outside(&s->uid_maps, d->uid.set ? d->uid.v : 0);
    int64_t gid = outside(&s->gid_maps, d->gid.set ? d->gid.v : 0);
    char name[24];
    if (uid < 0 || gid < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "config.json: linux.devices[%zu]: its owner %lld:%lld is not mapped", i,
                       (long long)(d->uid.set ? d->uid.v : 0),
                       (long long)(d->gid.set ? d->gid.v : 0));
    snprintf(name, sizeof(name), "%zu", i);
    if (mknodat(dir, name, kind | mode, dev) < 0 ||
        fchownat(dir, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(dir, name, mode, 0) < 0)
        return sn_fail_errno(errno, "config.json: linux.devices[%zu]: make %s", i, d->path);
    return 0;
}

int sn_oci_birth_nodes(struct sn_oci_birth *b)
{
    const struct sn_oci_spec *s = b->spec;
    struct sn_oci_plan *p = b->plan;
    if (!(s->ns_new & CLONE_NEWUSER) || geteuid() != 0 || !s->devices.n) return 0;
    p->nodes = SN_ARENA_ARRAY(&b->arena, int, s->devices.n);
    if (!p->nodes) return SN_E_NOMEM;
    for (size_t i = 0; i < s->devices.n; i++) p->nodes[i] = SN_OCI_NODE_HOST;
    for (size_t i = 0; i < s->devices.n; i++) {
        const struct sn_oci_device *d = &s->devices.ptr[i];
        if (host_has(d, sn_oci_device_kind(d), makedev((unsigned)d->major, (unsigned)d->minor)))
            continue;
        int e = p->nodes_fs < 0 ? file_system(&p->nodes_fs) : 0;
        if (e == 0) e = make_node(s, p->nodes_fs, i);
        if (e < 0) return e;
        p->nodes[i] = SN_OCI_NODE_MADE;
    }
    return 0;
}
