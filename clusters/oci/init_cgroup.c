/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init_cgroup.c - child: the control groups as the container sees them, one mount per hierarchy
 * on v1 and hybrid, one in all on v2. With a cgroup namespace the kernel shows the container's
 * group as the root; without, the group's folder is bound. */
#include <limits.h>
#include <stdio.h>

#include "clusters/oci/init_int.h"

static int v2_mount(struct sn_oci_plan *p, const struct sn_oci_mount *m, const char *dir)
{
    if (p->spec->ns_new & CLONE_NEWCGROUP) {
        struct sn_oci_mount c = {.destination = m->destination,
                                 .type = "cgroup2",
                                 .source = "cgroup"};
        int fd = sn_oci_mount_make(p, &c, m->set);
        if (fd >= 0) return fd;
    }
    /* Refused where the user namespace does not own the cgroup namespace: the host's folder. */
    int fd = open_tree(AT_FDCWD, dir,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (p->userns ? AT_RECURSIVE : 0));
    if (fd < 0) sn_oci_die(p, errno, "mount %s: cgroup %s", m->destination, dir);
    struct mount_attr a = {.attr_set = m->set & ~(uint64_t)MOUNT_ATTR__ATIME,
                           .propagation = MS_SLAVE};
    if (mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
        sn_oci_die(p, errno, "set attributes of mount %s", m->destination);
    return fd;
}

static int v1_mount(struct sn_oci_plan *p, const struct sn_oci_mount *m,
                    const struct sn_cgroup_hierarchy *h, const char *dir)
{
    if (p->spec->ns_new & CLONE_NEWCGROUP) {
        struct sn_oci_kv kv[16] = {0};
        char names[64];
        struct sn_oci_mount c = {.destination = m->destination,
                                 .type = "cgroup",
                                 .source = "cgroup",
                                 .data.ptr = kv};
        if (sn_str_cz(sn_str(h->name), names, sizeof(names)) < 0)
            sn_oci_die(p, E2BIG, "hierarchy %.32s...", h->name);
        for (char *at = names; at && c.data.n < SN_COUNT_OF(kv);) {
            char *next = strchr(at, ',');
            if (next) *next++ = 0;
            kv[c.data.n].key = at;
            char *eq = strchr(at, '=');
            if (eq) *eq++ = 0;
            kv[c.data.n++].value = eq;
            at = next;
        }
        int fd = sn_oci_mount_make(p, &c, m->set & ~(uint64_t)MOUNT_ATTR_RDONLY);
        if (fd >= 0) return fd;
    }
    int fd = open_tree(AT_FDCWD, dir,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (p->userns ? AT_RECURSIVE : 0));
    if (fd < 0) sn_oci_die(p, errno, "mount %s: cgroup %s", m->destination, dir);
    return fd;
}

/* A v1 or hybrid tree: tmpfs, a folder per hierarchy, links for joined controllers' single names.
 */
static void mount_tree(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m,
                       const struct sn_cgroup_host *h)
{
    static struct sn_oci_kv mode[] = {{"mode", "755"}};
    struct sn_oci_mount t = {.destination = m->destination,
                             .type = "tmpfs",
                             .source = "tmpfs",
                             .data = {mode, 1}};
    int base = sn_oci_mount_make(p, &t, m->set & ~(uint64_t)MOUNT_ATTR_RDONLY);
    if (base < 0) sn_oci_die(p, errno, "mount %s (tmpfs)", m->destination);
    int target = sn_oci_target(p, root, m->destination, true, false);
    sn_oci_attach(p, base, target, m->destination);
    for (unsigned i = 0; i < h->n; i++) {
        const char *dir = sn_cgroup_dir(p->cgroup, i);
        if (!dir) continue;
        const char *slash = strrchr(h->h[i].mount, '/'), *name = slash ? slash + 1 : h->h[i].mount;
        if (mkdirat(base, name, 0755) < 0)
            sn_oci_die(p, errno, "mkdir %s/%s", m->destination, name);
        int at = openat(base, name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int fd = h->h[i].v2 ? v2_mount(p, m, dir) : v1_mount(p, m, &h->h[i], dir);
        struct mount_attr a = {.attr_set = m->set & ~(uint64_t)MOUNT_ATTR__ATIME};
        if (mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
            sn_oci_die(p, errno, "set attributes of mount %s/%s", m->destination, name);
        sn_oci_attach(p, fd, at, name);
        close(fd);
        close(at);
        for (const char *c = strchr(h->h[i].name, ',') ? h->h[i].name : NULL; c;) {
            char one[64];
            const char *end = strchrnul(c, ',');
            size_t n = SN_MIN((size_t)(end - c), sizeof(one) - 1);
            memcpy(one, c, n);
            one[n] = 0;
            if (symlinkat(name, base, one) < 0 && errno != EEXIST)
                sn_oci_die(p, errno, "link %s/%s", m->destination, one);
            c = *end ? end + 1 : NULL;
        }
    }
    struct mount_attr a = {.attr_set = m->set & MOUNT_ATTR_RDONLY};
    if (a.attr_set && mount_setattr(base, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
        sn_oci_die(p, errno, "set attributes of mount %s", m->destination);
    close(base);
    close(target);
}

void sn_oci_mount_cgroup(struct sn_oci_plan *p, int root, const struct sn_oci_mount *m)
{
    const struct sn_cgroup_host *h = p->cgroup_host;
    if (!p->cgroup || !h || h->layout == SN_CGROUP_NONE) {
        /* Made without: an empty folder says so better than the host's groups would. */
        sn_oci_mkdirs(p, root, m->destination, 0755);
        return;
    }
    bool whole = strcmp(m->type, "cgroup2") == 0 && h->unified >= 0;
    if (h->layout == SN_CGROUP_V2 || whole) {
        const char *dir = sn_cgroup_dir(p->cgroup, (unsigned)h->unified);
        if (!dir) sn_oci_die(p, ENOENT, "mount %s: no group", m->destination);
        int target = sn_oci_target(p, root, m->destination, true, m->dest_nofollow);
        int fd = v2_mount(p, m, dir);
        sn_oci_attach(p, fd, target, m->destination);
        close(fd);
        close(target);
        return;
    }
    mount_tree(p, root, m, h);
}
