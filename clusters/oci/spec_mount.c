/* SPDX-License-Identifier: Apache-2.0 */
/* oci/spec_mount.c - what the options of a mount mean. */
#include <linux/mount.h>
#include <sys/mount.h>

#include "clusters/oci/spec_int.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
/* fsconfig copies at most so many bytes of a value, its NUL included. */
#define FSCONFIG_VALUE_MAX 256

enum what {
    SET,
    CLEAR,
    ATIME,
    PROPAGATION,
    BIND,
    RBIND,
    REMOUNT,
    SB_FLAG,
    IGNORE,
    TMPCOPYUP,
    IDMAP,
    RIDMAP,
    COPY_SYMLINK,
    SRC_NOFOLLOW,
    DEST_NOFOLLOW
};
struct option {
    const char *name;
    enum what what;
    uint64_t attr;    /* MOUNT_ATTR_*, or MS_* of a propagation */
    unsigned long ms; /* MS_* for mount(2) */
    bool may_recurse; /* the name with an r before it is the recursive one */
};
static const struct option options[] = {
    {"ro", SET, MOUNT_ATTR_RDONLY, MS_RDONLY, true},
    {"rw", CLEAR, MOUNT_ATTR_RDONLY, MS_RDONLY, true},
    {"nosuid", SET, MOUNT_ATTR_NOSUID, MS_NOSUID, true},
    {"suid", CLEAR, MOUNT_ATTR_NOSUID, MS_NOSUID, true},
    {"nodev", SET, MOUNT_ATTR_NODEV, MS_NODEV, true},
    {"dev", CLEAR, MOUNT_ATTR_NODEV, MS_NODEV, true},
    {"noexec", SET, MOUNT_ATTR_NOEXEC, MS_NOEXEC, true},
    {"exec", CLEAR, MOUNT_ATTR_NOEXEC, MS_NOEXEC, true},
    {"nodiratime", SET, MOUNT_ATTR_NODIRATIME, MS_NODIRATIME, true},
    {"diratime", CLEAR, MOUNT_ATTR_NODIRATIME, MS_NODIRATIME, true},
    {"nosymfollow", SET, MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW, true},
    {"symfollow", CLEAR, MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW, true},
    {"noatime", ATIME, MOUNT_ATTR_NOATIME, MS_NOATIME, true},
    {"atime", ATIME, MOUNT_ATTR_RELATIME, 0, true},
    {"relatime", ATIME, MOUNT_ATTR_RELATIME, MS_RELATIME, true},
    {"norelatime", ATIME, MOUNT_ATTR_STRICTATIME, MS_STRICTATIME, true},
    {"strictatime", ATIME, MOUNT_ATTR_STRICTATIME, MS_STRICTATIME, true},
    {"nostrictatime", ATIME, MOUNT_ATTR_RELATIME, 0, true},
    {"private", PROPAGATION, MS_PRIVATE, 0, true},
    {"slave", PROPAGATION, MS_SLAVE, 0, true},
    {"shared", PROPAGATION, MS_SHARED, 0, true},
    {"unbindable", PROPAGATION, MS_UNBINDABLE, 0, true},
    {"bind", BIND},
    {"rbind", RBIND},
    {"remount", REMOUNT},
    {"defaults", IGNORE},
    {"sync", SB_FLAG, 0, MS_SYNCHRONOUS},
    {"dirsync", SB_FLAG, 0, MS_DIRSYNC},
    {"lazytime", SB_FLAG, 0, MS_LAZYTIME},
    {"mand", SB_FLAG, 0, MS_MANDLOCK},
    {"iversion", SB_FLAG, 0, MS_I_VERSION},
    {"async", IGNORE},
    {"nolazytime", IGNORE},
    {"nomand", IGNORE},
    {"noiversion", IGNORE},
    {"silent", IGNORE},
    {"loud", IGNORE},
    {"acl", SB_FLAG, 0, MS_POSIXACL},
    {"noacl", IGNORE},
    {"tmpcopyup", TMPCOPYUP},
    {"idmap", IDMAP},
    {"ridmap", RIDMAP},
    {"copy-symlink", COPY_SYMLINK},
    {"src-nofollow", SRC_NOFOLLOW},
    {"dest-nofollow", DEST_NOFOLLOW},
};

const char *sn_oci_mount_option_name(size_t i)
{
    return i < SN_COUNT_OF(options) ? options[i].name : NULL;
}

/* "rbind" is itself; "rro" is ro and recursive; "relatime" is itself, too: exact names go first. */
static const struct option *find(const char *name, bool *ret_recursive)
{
    for (size_t i = 0; i < SN_COUNT_OF(options); i++)
        if (strcmp(options[i].name, name) == 0) {
            *ret_recursive = false;
            return &options[i];
        }
    if (name[0] != 'r') return NULL;
    for (size_t i = 0; i < SN_COUNT_OF(options); i++)
        if (options[i].may_recurse && strcmp(options[i].name, name + 1) == 0) {
            *ret_recursive = true;
            return &options[i];
        }
    return NULL;
}

static void set_attr(struct sn_oci_mount *m, const struct option *o, bool rec)
{
    uint64_t *set = rec ? &m->rset : &m->set, *clear = rec ? &m->rclear : &m->clear;
    if (o->what == CLEAR) {
        *set &= ~o->attr;
        *clear |= o->attr;
        if (!rec) m->ms_flags &= ~o->ms;
        return;
    }
    if (o->what == ATIME) {
        *set &= ~(uint64_t)MOUNT_ATTR__ATIME;
        *clear |= MOUNT_ATTR__ATIME;
        m->ms_flags &= ~(unsigned long)(MS_NOATIME | MS_RELATIME | MS_STRICTATIME);
    } else {
        *clear &= ~o->attr;
    }
    *set |= o->attr;
    if (!rec) m->ms_flags |= o->ms;
}

static int add_data(struct sn_oci_reader *r, struct sn_oci_mount *m, const char *text)
{
    struct sn_oci_kv *kv = &m->data.ptr[m->data.n];
    struct sn_str rest = sn_str(text), key = sn_str_cut(&rest, '=');
    if (!key.len) return sn_oci_refuse(r, "options", "\"%.64s\" is no option", text);
    kv->key = sn_oci_cstr(r->a, key);
    kv->value = rest.ptr;
    if (!kv->key) return SN_E_NOMEM;
    if (rest.len >= FSCONFIG_VALUE_MAX) m->legacy = true;
    m->data.n++;
    return 0;
}

static int add_option(struct sn_oci_reader *r, struct sn_oci_mount *m, const char *text)
{
    bool rec;
    const struct option *o = find(text, &rec);
    if (!o) return add_data(r, m, text);
    switch (o->what) {
    case SET:
    case CLEAR:
    case ATIME: set_attr(m, o, rec); break;
    case PROPAGATION: {
        unsigned *list = rec ? m->rpropagation : m->propagation;
        for (size_t i = 0; i < 3; i++)
            if (!list[i]) {
                list[i] = (unsigned)o->attr;
                break;
            }
        break;
    }
    case BIND: m->kind = SN_OCI_MOUNT_BIND; break;
    case RBIND:
        m->kind = SN_OCI_MOUNT_BIND;
        m->recursive = true;
        break;
    case REMOUNT: m->kind = SN_OCI_MOUNT_REMOUNT; break;
    case SB_FLAG:
        m->ms_flags |= o->ms;
        m->data.ptr[m->data.n++] = (struct sn_oci_kv){o->name, NULL};
        break;
    case IGNORE: break;
    case TMPCOPYUP: m->tmpcopyup = true; break;
    case IDMAP: m->idmap = true; break;
    case RIDMAP: m->ridmap = true; break;
    case COPY_SYMLINK: m->copy_symlink = true; break;
    case SRC_NOFOLLOW: m->src_nofollow = true; break;
    case DEST_NOFOLLOW: m->dest_nofollow = true; break;
    }
    return 0;
}

/* The options that are no flags, joined by commas: what mount(2) takes as data. */
static int join_data(struct sn_oci_reader *r, struct sn_oci_mount *m)
{
    size_t n = 1;
    for (size_t i = 0; i < m->data.n; i++)
        n += strlen(m->data.ptr[i].key) +
             (m->data.ptr[i].value ? strlen(m->data.ptr[i].value) : 0) + 2;
    char *p = sn_arena_alloc(r->a, n), *at = p;
    if (!p) return SN_E_NOMEM;
    for (size_t i = 0; i < m->data.n; i++) {
        const struct sn_oci_kv *kv = &m->data.ptr[i];
        bool sb_flag = false, rec;
        const struct option *o = kv->value ? NULL : find(kv->key, &rec);
        if (o && o->what == SB_FLAG) sb_flag = true;
        if (sb_flag) continue;
        if (at != p) *at++ = ',';
        at = mempcpy(at, kv->key, strlen(kv->key));
        if (!kv->value) continue;
        *at++ = '=';
        at = mempcpy(at, kv->value, strlen(kv->value));
    }
    *at = 0;
    m->data_text = p;
    return 0;
}

int sn_oci_mount_compile(struct sn_oci_reader *r, struct sn_oci_mount *m)
{
    if (!m->destination[0]) return sn_oci_refuse(r, "destination", "must not be empty");
    if (m->destination[0] != '/')
        sn_oci_warn(r, "destination \"%.64s\" is not an absolute path, taken as from /",
                    m->destination);
    m->data.ptr = SN_ARENA_ARRAY(r->a, struct sn_oci_kv, m->options.n + 1);
    if (!m->data.ptr) return SN_E_NOMEM;
    bool typed = m->type && m->type[0] && strcmp(m->type, "none") != 0;
    if (typed && strcmp(m->type, "bind") == 0) m->kind = SN_OCI_MOUNT_BIND;
    for (size_t i = 0; i < m->options.n; i++) {
        int e = add_option(r, m, m->options.ptr[i]);
        if (e < 0) return e;
    }
    if (m->kind == SN_OCI_MOUNT_FS && typed && strncmp(m->type, "cgroup", 6) == 0)
        m->kind = SN_OCI_MOUNT_CGROUP;
    if (m->kind == SN_OCI_MOUNT_FS && !typed)
        return sn_oci_refuse(r, "type",
                             "is missing: expected a file system, or the option bind or rbind");
    if (m->kind == SN_OCI_MOUNT_BIND && (!m->source || !m->source[0]))
        return sn_oci_refuse(r, "source", "is missing: a bind mount needs one");
    if (m->uid_maps.n != 0 && m->gid_maps.n == 0)
        return sn_oci_refuse(r, "gidMappings", "are missing, uidMappings are there");
    if (m->uid_maps.n == 0 && m->gid_maps.n != 0)
        return sn_oci_refuse(r, "uidMappings", "are missing, gidMappings are there");
    if (m->uid_maps.n && !m->idmap && !m->ridmap) m->idmap = true;
    if ((m->idmap || m->ridmap) && m->kind != SN_OCI_MOUNT_BIND)
        return sn_oci_refuse(r, "options", "idmap is for bind mounts only");
    return join_data(r, m);
}
