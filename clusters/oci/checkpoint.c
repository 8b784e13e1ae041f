/* SPDX-License-Identifier: Apache-2.0 */
/* oci/checkpoint.c - what criu is told: which mounts, namespaces and descriptors are not its own. */
#include "clusters/oci/checkpoint.h"

#include <limits.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "clusters/oci/criu_int.h"
#include "core/alloc.h"

#define DESCRIPTORS "descriptors.json" /* beside the images: what 0, 1 and 2 were */
#define CONFIG_ANNOTATION "org.criu.config"
#define CONFIG_DEFAULT "/etc/criu/runc.conf"
#define UNIX98_PTY_MAJOR_FIRST 136
#define UNIX98_PTY_MAJOR_LAST 143
#define CGROUP_TEXT_MAX 16384 /* bytes of /proc/PID/cgroup */
#define MOUNT_TEXT_MAX (4u << 20) /* of /proc/PID/mountinfo */

/* ---- what both ways share ----------------------------------------------------------------------
 */

static struct sn_str base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return sn_str(slash ? slash + 1 : path);
}

static void put_common(struct sn_criu_work *w, const char *root)
{
    static const uint8_t modes[] = {6, 3, 4, 5, 0}; /* criu_cg_mode of enum sn_oci_criu_cgroups */
    const struct sn_oci_criu_opts *o = w->o;
    struct sn_buf *b = &w->opts;
    const struct {
        unsigned field;
        bool v;
    } flags[] = {{SN_CRIU_EXT_UNIX_SK, o->ext_unix_sk},
                 {SN_CRIU_TCP_ESTABLISHED, o->tcp_established},
                 {SN_CRIU_SHELL_JOB, o->shell_job},
                 {SN_CRIU_FILE_LOCKS, o->file_locks},
                 {SN_CRIU_AUTO_DEDUP, o->auto_dedup},
                 {SN_CRIU_LAZY_PAGES, o->lazy_pages},
                 {SN_CRIU_NOTIFY_SCRIPTS, true},
                 {SN_CRIU_MANAGE_CGROUPS, true},
                 {SN_CRIU_ORPHAN_PTS_MASTER, true},
                 {SN_CRIU_EXT_MASTERS, true}};
    sn_criu_put_num(b, SN_CRIU_IMAGES_DIR_FD, SN_OCI_CRIU_IMAGES_FD);
    sn_criu_put_num(b, SN_CRIU_WORK_DIR_FD, SN_OCI_CRIU_WORK_FD);
    sn_criu_put_num(b, SN_CRIU_LOG_LEVEL, 4);
    sn_criu_put_str(b, SN_CRIU_LOG_FILE, sn_str(w->log));
    sn_criu_put_str(b, SN_CRIU_ROOT, sn_str(root));
    for (size_t i = 0; i < SN_COUNT_OF(flags); i++)
        sn_criu_put_num(b, flags[i].field, flags[i].v);
    sn_criu_put_num(b, SN_CRIU_MANAGE_CGROUPS_MODE, modes[o->cgroups]);
    sn_criu_put_num(b, SN_CRIU_EMPTY_NS, o->empty_ns | CLONE_NEWNET);
    /* The annotation may name another file of options, or none by an empty text. */
    const struct sn_json *given = sn_json_get(w->b->spec->annotations, CONFIG_ANNOTATION);
    struct sn_str config = SN_STR(CONFIG_DEFAULT);
    if (sn_json_is(given, SN_JSON_STRING)) config = sn_str_of(given->str, given->len);
    if (config.len) sn_criu_put_str(b, SN_CRIU_CONFIG_FILE, config);
}

/* An external mount. criu keeps the pair as one text, "mnt[KEY]:VALUE". */
static int put_mount(struct sn_criu_work *w, struct sn_str key, struct sn_str value)
{
    if (!key.len || sn_str_find(key, SN_STR("]:")) >= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "config.json: mounts: destination \"%.*s\" cannot be given to criu",
                       SN_STR_ARG(key));
    sn_criu_put_two(&w->opts, SN_CRIU_EXT_MNT, key, value);
    return 0;
}

/* The mounts that are the host's, by a name that both directions agree on: their configured place.
 * `each` gets the place and the host's side of it. */
static int each_external(struct sn_criu_work *w, const struct sn_cgroup *cg,
                         int (*each)(struct sn_criu_work *, const char *place, const char *source))
{
    const struct sn_oci_spec *s = w->b->spec;
    const struct sn_cgroup_host *h = w->b->plan->cgroup_host;
    int e = 0;
    bool own_groups = s->ns_new & CLONE_NEWCGROUP;
    for (size_t i = 0; i < s->mounts.n && e == 0; i++) {
        const struct sn_oci_mount *m = &s->mounts.ptr[i];
        if (m->kind == SN_OCI_MOUNT_BIND && !m->copy_symlink)
            e = each(w, m->destination, m->source);
        if (m->kind != SN_OCI_MOUNT_CGROUP || own_groups || !cg) continue;
        bool whole = h->layout == SN_CGROUP_V2 || (strcmp(m->type, "cgroup2") == 0 && h->unified >= 0);
        if (whole && sn_cgroup_dir(cg, (unsigned)h->unified))
            e = each(w, m->destination, sn_cgroup_dir(cg, (unsigned)h->unified));
        for (unsigned k = 0; k < h->n && e == 0 && !whole; k++) {
            if (!sn_cgroup_dir(cg, k)) continue;
            struct sn_str at = sn_arena_printf(&w->b->arena, "%s/%.*s", m->destination,
                                               SN_STR_ARG(base_name(h->h[k].mount)));
            e = at.ptr ? each(w, at.ptr, sn_cgroup_dir(cg, k)) : SN_E_NOMEM;
        }
    }
    /* In a user namespace nodes are the host's, bound. */
    for (size_t i = 0; i < s->devices.n && e == 0; i++)
        e = each(w, s->devices.ptr[i].path, s->devices.ptr[i].path);
    for (size_t i = 0; sn_oci_devices_every[i].path && e == 0; i++)
        e = each(w, sn_oci_devices_every[i].path, sn_oci_devices_every[i].path);
    return e;
}

/* ---- checkpoint --------------------------------------------------------------------------------
 */

/* Where `path` lies for the container, links resolved: criu goes by the mount table. Empty where
 * there is nothing. */
static int resolved(struct sn_criu_work *w, int root, const char *path, struct sn_str *ret)
{
    char self[40], *out = sn_arena_alloc(&w->b->arena, PATH_MAX);
    if (!out) return SN_E_NOMEM;
    *ret = (struct sn_str){0};
    int fd = sn_oci_open_in(root, path, O_PATH, 0, 0);
    if (fd == -ENOENT || fd == -ENOTDIR) return 0;
    if (fd < 0) return sn_fail_errno(-fd, "%s of the container", path);
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(self, out, PATH_MAX);
    close(fd);
    if (n <= 0 || n == PATH_MAX) return sn_fail(SN_E_TOO_LARGE, "%s: path is too long", path);
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}

struct dump {
    struct sn_criu_work work;
    struct sn_oci_birth birth;
    pid_t pid;
    int root; /* the container's, by /proc */
};

static int dump_mount(struct sn_criu_work *w, const char *place, const char *source)
{
    struct dump *d = w->arg;
    struct sn_str at;
    (void)source;
    int e = resolved(w, d->root, place, &at);
    return e == 0 && at.len ? put_mount(w, at, sn_str(place)) : e;
}

/* Hidden files are covered by the host's /dev/null; hidden folders by a file system of their own. */
static int dump_masks(struct dump *d)
{
    const struct sn_oci_strs *m = &d->birth.spec->masked_paths;
    int e = 0;
    for (size_t i = 0; i < m->n && e == 0; i++) {
        struct stat st;
        struct sn_str at;
        int fd = sn_oci_open_in(d->root, m->ptr[i], O_PATH, 0, 0);
        bool file = fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode);
        sn_oci_close_fd(&fd);
        if (!file) continue;
        e = resolved(&d->work, d->root, m->ptr[i], &at);
        if (e == 0 && at.len) e = put_mount(&d->work, at, SN_STR("/dev/null"));
    }
    return e;
}

static bool has_mount(struct sn_str table, uint64_t id)
{
    while (table.len) {
        struct sn_str line = sn_str_cut(&table, '\n');
        uint64_t v;
        if (sn_str_to_u64(sn_str_cut(&line, ' '), &v) == 0 && v == id) return true;
    }
    return false;
}

/* What descriptor i of the process is: a pipe by its name, a file of the host's by mount and inode,
 * as criu names an external one. Anything else is criu's business, its path is only noted. */
static int describe(struct dump *d, int i, struct sn_str mounts, struct sn_str *ret)
{
    struct sn_arena *a = &d->birth.arena;
    char path[64], text[512], *to = sn_arena_alloc(a, PATH_MAX);
    struct stat st;
    if (!to) return SN_E_NOMEM;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)d->pid, i);
    ssize_t n = readlink(path, to, PATH_MAX);
    *ret = sn_str_of(to, n > 0 ? (size_t)n : 0);
    if (n <= 0 || to[0] != '/' || stat(path, &st) < 0) return 0;
    bool tty = S_ISCHR(st.st_mode) && major(st.st_rdev) >= UNIX98_PTY_MAJOR_FIRST &&
               major(st.st_rdev) <= UNIX98_PTY_MAJOR_LAST;
    if (tty || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))) return 0;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)d->pid, i);
    if (sn_oci_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0) return 0;
    const char *p = strstr(text, "mnt_id:");
    uint64_t id = 0;
    for (p = p ? p + 7 : ""; *p == ' ' || *p == '\t';) p++;
    for (; *p >= '0' && *p <= '9'; p++) id = id * 10 + (uint64_t)(*p - '0');
    if (has_mount(mounts, id)) return 0;
    *ret = sn_arena_printf(a, "file[%llx:%llx]", (unsigned long long)id,
                           (unsigned long long)st.st_ino);
    if (!ret->ptr) return SN_E_NOMEM;
    sn_criu_put_str(&d->work.opts, SN_CRIU_EXTERNAL, *ret);
    return 0;
}

static int dump_descriptors(struct dump *d)
{
    char path[40];
    struct sn_str mounts, fds[3];
    struct sn_buf b = {.limit = SN_OCI_CONFIG_BYTES_MAX};
    snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)d->pid);
    char *table = sn_arena_alloc(&d->birth.arena, MOUNT_TEXT_MAX);
    if (!table) return SN_E_NOMEM;
    ssize_t n = sn_oci_read_file(AT_FDCWD, path, table, MOUNT_TEXT_MAX);
    if (n < 0) return sn_fail_errno((int)-n, "%s", path);
    mounts = sn_str_of(table, (size_t)n);
    int e = 0;
    for (int i = 0; i < 3 && e == 0; i++) e = describe(d, i, mounts, &fds[i]);
    if (e < 0) return e;
    sn_buf_cstr(&b, "[");
    for (int i = 0; i < 3; i++) {
        if (i) sn_buf_cstr(&b, ",");
        sn_json_write_string(&b, fds[i]);
    }
    sn_buf_cstr(&b, "]");
    int fd = b.err < 0 ? -1
                       : openat(d->work.images, DESCRIPTORS,
                                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int w = fd < 0 ? -errno : sn_oci_write_all(fd, b.ptr, b.len);
    e = b.err < 0 ? b.err : w < 0 ? sn_fail_errno(-w, "write " DESCRIPTORS) : 0;
    sn_oci_close_fd(&fd);
    sn_buf_done(&b);
    return e;
}

static const char *const ns_keys[] = {"extRootNetNS", "extRootPidNS"};
static const uint64_t ns_flags[] = {CLONE_NEWNET, CLONE_NEWPID};
static const char *const ns_types[] = {"net", "pid"};

/* Namespaces that were joined by path stay the host's; restore hands them back by these keys. */
static int dump_namespaces(struct dump *d)
{
    for (size_t i = 0; i < SN_COUNT_OF(ns_flags); i++) {
        const struct sn_oci_namespace *n = sn_oci_namespace_of(d->birth.spec, ns_flags[i]);
        char path[40];
        struct stat st;
        if (!n || !n->path) continue;
        /* By the process: the path may be gone by now. */
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)d->pid, ns_types[i]);
        if (stat(path, &st) < 0) return sn_fail_errno(errno, "%s", path);
        struct sn_str s = sn_arena_printf(&d->birth.arena, "%s[%llu]:%s", ns_types[i],
                                          (unsigned long long)st.st_ino, ns_keys[i]);
        if (!s.ptr) return SN_E_NOMEM;
        sn_criu_put_str(&d->work.opts, SN_CRIU_EXTERNAL, s);
    }
    return 0;
}

static void put_dump(struct dump *d, const struct sn_cgroup *cg)
{
    struct sn_buf *b = &d->work.opts;
    const struct sn_oci_criu_opts *o = d->work.o;
    const struct sn_cgroup_host *h = d->birth.plan->cgroup_host;
    sn_criu_put_num(b, SN_CRIU_PID, d->pid);
    sn_criu_put_num(b, SN_CRIU_LEAVE_RUNNING, o->leave_running);
    sn_criu_put_num(b, SN_CRIU_TCP_SKIP_IN_FLIGHT, o->tcp_skip_in_flight);
    sn_criu_put_num(b, SN_CRIU_LINK_REMAP, o->link_remap);
    int freezer = cg ? h->of[SN_CGROUP_FREEZER] : -1;
    if (cg && freezer < 0 && h->layout == SN_CGROUP_V2) freezer = h->unified;
    if (freezer >= 0 && sn_cgroup_dir(cg, (unsigned)freezer))
        sn_criu_put_str(b, SN_CRIU_FREEZE_CGROUP, sn_str(sn_cgroup_dir(cg, (unsigned)freezer)));
    if (o->page_server)
        sn_criu_put_text_num(b, SN_CRIU_PAGE_SERVER, sn_str(o->page_server), o->page_server_port);
    if (o->parent && o->parent[0]) {
        sn_criu_put_str(b, SN_CRIU_PARENT_IMG, sn_str(o->parent));
        sn_criu_put_num(b, SN_CRIU_TRACK_MEM, true);
    }
}

static int dump_notified(struct sn_criu_work *w, const struct sn_criu_answer *a, int *fd)
{
    (void)fd;
    if (!sn_str_eqc(a->script, "status-ready") || w->o->status_fd <= 0) return 0;
    ssize_t n;
    do n = write(w->o->status_fd, "", 1);
    while (n < 0 && errno == EINTR);
    return n < 0 ? sn_fail_errno(errno, "status-fd %d", w->o->status_fd) : 0;
}

/* Asks a criu of its own: the answer ends the conversation. */
static int need_feature(struct sn_oci_container *c, const struct sn_oci_criu_opts *o,
                        unsigned feature, const char *name)
{
    struct sn_criu_answer a;
    struct sn_criu_work w = SN_CRIU_WORK(.o = o, .log = "dump.log");
    struct sn_oci_birth *b = w.b = SN_NEW(struct sn_oci_birth);
    if (!b) return SN_E_NOMEM;
    int e = sn_oci_birth_init(b, &c->host);
    if (e == 0) {
        const struct sn_oci_streams none = {.stdio = (const int[]){-1, -1, -1}};
        e = sn_oci_birth_streams(b, &none);
        if (e == 0) e = sn_criu_open(&w);
        if (e == 0) e = sn_criu_spawn(&w);
        if (e == 0) e = sn_criu_talk(&w, SN_CRIU_FEATURE_CHECK, feature, &a);
        if (e < 0) e = sn_wrap(e, "CRIU feature check failed");
        if (e == 0 && !(a.features & 1u << feature))
            e = sn_fail(SN_E_UNIMPLEMENTED, "criu is missing features: [%s]", name);
        if (e == 0) sn_criu_reap(&w);
        sn_criu_close(&w);
        sn_oci_birth_done(b, false);
    }
    sn_free(b);
    return e;
}

static int describe_container(struct dump *d, struct sn_oci_container *c, struct sn_cgroup *cg)
{
    struct sn_criu_work *w = &d->work;
    struct sn_str config, rootfs;
    char path[40];
    int e = sn_oci_config(c, &d->birth.arena, &config);
    if (e == 0) e = sn_oci_spec_parse(&d->birth.arena, config, NULL, NULL, d->birth.spec);
    if (e < 0) return e;
    rootfs = sn_arena_str(&d->birth.arena, sn_oci_state_str(&c->state, SN_OCI_TEXT_ROOTFS));
    if (!rootfs.ptr) return SN_E_NOMEM;
    snprintf(path, sizeof(path), "/proc/%d/root", (int)d->pid);
    if ((d->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return sn_fail_errno(errno, "%s", path);
    put_common(w, rootfs.ptr);
    put_dump(d, cg);
    if ((e = dump_namespaces(d)) < 0 || w->o->pre_dump) return e;
    e = each_external(w, cg, dump_mount);
    if (e == 0) e = dump_masks(d);
    if (e == 0) e = dump_descriptors(d);
    return e;
}

static int dump(struct dump *d, struct sn_oci_container *c, struct sn_cgroup *cg)
{
    struct sn_criu_answer a;
    struct sn_criu_work *w = &d->work;
    const struct sn_oci_streams none = {.stdio = (const int[]){-1, -1, -1}};
    int e = sn_oci_birth_streams(&d->birth, &none);
    if (e == 0) e = sn_criu_open(w);
    if (e == 0 && cg) e = sn_oci_cgroups(c, &d->birth.plan->cgroup_host);
    if (e == 0) e = describe_container(d, c, cg);
    if (e == 0) e = sn_criu_spawn(w);
    if (e == 0)
        e = sn_criu_talk(w, w->o->pre_dump ? SN_CRIU_PRE_DUMP : SN_CRIU_DUMP, 0, &a);
    if (e == 0) sn_criu_reap(w);
    return e;
}

static int checkpoint_locked(struct sn_oci_container *c, const struct sn_oci_criu_opts *o,
                             struct dump *d)
{
    struct sn_oci_state s;
    struct sn_cgroup *cg = NULL;
    int e = sn_oci_state(c, &d->birth.arena, &s);
    if (e < 0) return e;
    if (s.status != SN_OCI_RUNNING && s.status != SN_OCI_PAUSED)
        return sn_fail(SN_E_FAILED_PRECONDITION, "Container cannot be checkpointed in %s state",
                       sn_oci_status_name(s.status));
    d->pid = s.pid;
    if (s.cgroup.len && (e = sn_oci_cgroup(c, &cg)) < 0) return e;
    /* criu stops the processes itself, and has them run code of its own for that. */
    bool paused = s.status == SN_OCI_PAUSED;
    if (paused && (e = sn_cgroup_freeze(cg, false)) < 0) return e;
    e = dump(d, c, cg);
    if (paused && (e < 0 || o->leave_running || o->pre_dump)) {
        struct sn_diag keep = *sn_diag();
        int f = sn_cgroup_freeze(cg, true);
        if (e < 0)
            *sn_diag() = keep;
        else
            e = f;
    }
    return e;
}

int sn_oci_checkpoint(struct sn_oci_container *c, const struct sn_oci_criu_opts *o)
{
    int e = 0;
    if (o->parent && o->parent[0] == '/')
        return sn_fail(SN_E_INVALID_ARGUMENT, "--parent-path must be relative");
    if (o->pre_dump) e = need_feature(c, o, SN_CRIU_FEATURE_MEM_TRACK, "MemTrack");
    if (e == 0 && o->lazy_pages) e = need_feature(c, o, SN_CRIU_FEATURE_LAZY_PAGES, "LazyPages");
    struct dump *d = e < 0 ? NULL : SN_NEW(struct dump);
    if (!d) return e < 0 ? e : SN_E_NOMEM;
    d->work = SN_CRIU_WORK(.b = &d->birth, .o = o, .log = "dump.log", .notified = dump_notified,
                           .arg = d);
    d->root = -1;
    if ((e = sn_oci_birth_init(&d->birth, &c->host)) == 0) {
        e = sn_oci_state_lock(&c->state);
        if (e == 0) {
            e = checkpoint_locked(c, o, d);
            sn_oci_state_unlock(&c->state);
        }
        sn_criu_close(&d->work);
        sn_oci_close_fd(&d->root);
        sn_oci_birth_done(&d->birth, false);
    }
    sn_free(d);
    return e;
}

/* ---- restore -----------------------------------------------------------------------------------
 */

struct restore {
    struct sn_criu_work work;
    struct sn_oci_container *c;
    pid_t pid; /* of the restored process, once criu has said it */
};

static int restore_mount(struct sn_criu_work *w, const char *place, const char *source)
{
    /* criu follows no link. */
    char self[40], *to = sn_arena_alloc(&w->b->arena, PATH_MAX);
    if (!to) return SN_E_NOMEM;
    int fd = open(source, O_PATH | O_CLOEXEC);
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    ssize_t n = fd < 0 ? 0 : readlink(self, to, PATH_MAX);
    sn_oci_close_fd(&fd);
    return put_mount(w, sn_str(place),
                     n > 0 && n < PATH_MAX ? sn_str_of(to, (size_t)n) : sn_str(source));
}

/* Network and pid namespaces go by descriptor and the key of the checkpoint, others by path. */
static int restore_namespaces(struct sn_criu_work *w)
{
    struct sn_oci_plan *p = w->b->plan;
    const struct sn_oci_spec *s = w->b->spec;
    for (size_t i = 0; i < s->namespaces.n && i < SN_OCI_NAMESPACES; i++) {
        const struct sn_oci_namespace *n = &s->namespaces.ptr[i];
        const char *key = NULL;
        if (!n->path || p->ns_fd[i] < 0) continue;
        p->ns_flag[i] = 0; /* criu joins it, not the child */
        for (size_t k = 0; k < SN_COUNT_OF(ns_flags); k++)
            if (n->flag == ns_flags[k]) key = ns_keys[k];
        if (key && w->child.n_inherit < SN_OCI_CRIU_INHERIT_MAX) {
            sn_criu_put_text_num(&w->opts, SN_CRIU_INHERIT_FD, sn_str(key),
                                 SN_OCI_CRIU_INHERIT_FD + (int64_t)w->child.n_inherit);
            w->child.inherit[w->child.n_inherit++] = p->ns_fd[i];
        } else if (n->flag == CLONE_NEWCGROUP) {
            return sn_fail(SN_E_UNIMPLEMENTED, "criu cannot join the cgroup namespace %s", n->path);
        } else {
            const char *type = n->flag == CLONE_NEWNS ? "mnt" : n->type;
            sn_criu_put_two(&w->opts, SN_CRIU_JOIN_NS, sn_str(type), sn_str(n->path));
        }
    }
    return 0;
}

/* What 0, 1 and 2 were is replaced by what they are now, which criu has as its own. */
static int restore_descriptors(struct sn_criu_work *w)
{
    const struct sn_json *list;
    char *text = sn_arena_alloc(&w->b->arena, CGROUP_TEXT_MAX);
    if (!text) return SN_E_NOMEM;
    ssize_t n = sn_oci_read_file(w->images, DESCRIPTORS, text, CGROUP_TEXT_MAX);
    if (n < 0) return sn_fail_errno((int)-n, "%s/" DESCRIPTORS, w->o->images);
    int e = sn_json_parse(&w->b->arena, sn_str_of(text, (size_t)n), NULL, &list);
    if (e < 0) return sn_wrap(e, "%s/" DESCRIPTORS, w->o->images);
    for (int i = 0; i < 3; i++) {
        const struct sn_json *v = sn_json_at(list, (size_t)i);
        if (!sn_json_is(v, SN_JSON_STRING)) continue;
        struct sn_str s = sn_str_of(v->str, v->len);
        if (sn_str_find(s, SN_STR("pipe:[")) == 0 || sn_str_find(s, SN_STR("file[")) == 0)
            sn_criu_put_text_num(&w->opts, SN_CRIU_INHERIT_FD, s, i);
    }
    return 0;
}

/* criu is in the container's groups already: what the images have as roots becomes those. */
static int restore_cgroups(struct sn_criu_work *w)
{
    char path[40], *text = sn_arena_alloc(&w->b->arena, CGROUP_TEXT_MAX);
    if (!text) return SN_E_NOMEM;
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)w->b->pid);
    ssize_t n = sn_oci_read_file(AT_FDCWD, path, text, CGROUP_TEXT_MAX);
    if (n < 0) return sn_fail_errno((int)-n, "%s", path);
    for (struct sn_str rest = sn_str_of(text, (size_t)n); rest.len;) {
        struct sn_str line = sn_str_cut(&rest, '\n');
        sn_str_cut(&line, ':');
        struct sn_str names = sn_str_cut(&line, ':');
        do sn_criu_put_two(&w->opts, SN_CRIU_CG_ROOT, sn_str_cut(&names, ','), line);
        while (names.ptr);
    }
    return 0;
}

static int setup_namespaces(struct sn_criu_work *w, pid_t pid)
{
    const struct sn_oci_spec *s = w->b->spec;
    int e = sn_oci_net_devices(s, pid);
    if (e == 0)
        e = sn_oci_hooks_run(&s->hooks[SN_OCI_HOOK_PRESTART], "prestart", &w->b->plan->hook_state,
                             "created", pid);
    if (e == 0)
        e = sn_oci_hooks_run(&s->hooks[SN_OCI_HOOK_CREATE_RUNTIME], "createRuntime",
                             &w->b->plan->hook_state, "creating", pid);
    return e;
}

static int restore_notified(struct sn_criu_work *w, const struct sn_criu_answer *a, int *fd)
{
    struct restore *r = w->arg;
    if (a->pid > 0) r->pid = a->pid;
    if (sn_str_eqc(a->script, "setup-namespaces") && a->pid > 0) return setup_namespaces(w, a->pid);
    if (sn_str_eqc(a->script, "post-restore") && a->pid > 0) {
        /* Before it runs: who looks now finds it. */
        int e = sn_oci_state_set_process(&r->c->state, a->pid);
        r->c->state.map->flags |= SN_OCI_FLAG_RESTORED;
        if (e == 0) sn_oci_set_running(r->c->state.map);
        return e;
    }
    if (sn_str_eqc(a->script, "orphan-pts-master") && *fd >= 0) {
        struct sn_oci_plan *p = w->b->plan;
        int e = p->console_sock >= 0 ? sn_oci_fd_send(p->console_sock, "pts", 3, *fd) : 0;
        if (e < 0) return sn_fail_errno(-e, "hand over the terminal");
        if (p->console_wanted) {
            sn_oci_close_fd(&w->b->console);
            w->b->console = *fd;
            *fd = -1;
        }
    }
    return 0;
}

static int revive(struct restore *r)
{
    struct sn_criu_answer a;
    struct sn_criu_work *w = &r->work;
    struct sn_oci_birth *b = w->b;
    struct sn_buf *o = &w->opts;
    int e = sn_criu_open(w);
    if (e < 0) return e;
    put_common(w, w->child.root);
    sn_criu_put_num(o, SN_CRIU_EVASIVE_DEVICES, true);
    sn_criu_put_num(o, SN_CRIU_RST_SIBLING, true);
    if (w->o->lsm_profile) sn_criu_put_str(o, SN_CRIU_LSM_PROFILE, sn_str(w->o->lsm_profile));
    if (w->o->lsm_mount_context)
        sn_criu_put_str(o, SN_CRIU_LSM_MOUNT_CONTEXT, sn_str(w->o->lsm_mount_context));
    e = restore_namespaces(w);
    if (e == 0) e = each_external(w, b->plan->cgroup, restore_mount);
    if (e == 0) e = restore_descriptors(w);
    if (e == 0) e = sn_criu_spawn(w);
    if (e == 0) e = restore_cgroups(w);
    if (e == 0) e = sn_criu_talk(w, SN_CRIU_RESTORE, 0, &a);
    if (e < 0) return e;
    if (a.pid > 0) r->pid = a.pid;
    sn_criu_reap(w);
    b->pid = r->pid;
    b->pidfd = sn_oci_pidfd_open(r->pid);
    return b->pidfd < 0 ? sn_fail_errno(errno, "pidfd of the container") : 0;
}

int sn_oci_birth_restore(struct sn_oci_birth *b, struct sn_oci_container *c,
                         const struct sn_oci_criu_opts *o)
{
    struct restore r = {.c = c};
    /* root: only in criu's own mount namespace, so any folder will do. */
    r.work = SN_CRIU_WORK(.b = b, .o = o, .log = "restore.log", .child.root = c->root,
                          .notified = restore_notified, .arg = &r);
    int e = revive(&r);
    if (e < 0 && r.pid > 0 && r.pid != b->pid) {
        /* Our child as well: killed with criu, or now. */
        struct sn_diag keep = *sn_diag();
        sn_oci_birth_kill(b);
        b->pid = r.pid;
        b->pidfd = sn_oci_pidfd_open(r.pid);
        sn_oci_birth_kill(b);
        *sn_diag() = keep;
    }
    sn_criu_close(&r.work);
    return e;
}
