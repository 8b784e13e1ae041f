/* SPDX-License-Identifier: Apache-2.0 */
/* A group's life: its directories in every hierarchy, who is in it, its end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/alloc.h"
#include "core/status.h"
#include "core/vec.h"

/* A process whose clone is not finished is refused with EINVAL for a moment. */
#define CG_ATTACH_TRIES 64

static struct sn_cgroup *cg_new(const struct sn_cgroup_host *h, const char *location)
{
    struct sn_cgroup *cg = SN_NEW(struct sn_cgroup);
    if (!cg) return NULL;
    cg->host = h;
    sn_arena_init(&cg->text, NULL, 0);
    for (unsigned i = 0; i < SN_CGROUP_HIERARCHIES_MAX; i++)
        cg->m[i] = (struct sn_cgroup_member){.dir = -1, .tasks = -1};
    cg->location = sn_arena_str(&cg->text, sn_str(location)).ptr;
    bool ok = cg->location != NULL;
    for (unsigned i = 0; ok && i < h->n; i++) {
        struct sn_str path = cg_location_path(h, i, location);
        if (!path.ptr) continue;
        cg->m[i].path = sn_arena_printf(&cg->text, "%s%.*s", h->h[i].mount, SN_STR_ARG(path)).ptr;
        ok = cg->m[i].path != NULL;
    }
    if (ok) return cg;
    sn_cgroup_close(cg);
    return NULL;
}

void sn_cgroup_close(struct sn_cgroup *cg)
{
    if (!cg) return;
    for (unsigned i = 0; i < SN_CGROUP_HIERARCHIES_MAX; i++) {
        if (cg->m[i].dir >= 0) close(cg->m[i].dir);
        if (cg->m[i].tasks >= 0) close(cg->m[i].tasks);
    }
    sn_arena_done(&cg->text);
    sn_free(cg);
}

uint32_t sn_cgroup_existed(const struct sn_cgroup *cg) { return cg->existed; }
const char *sn_cgroup_location(const struct sn_cgroup *cg) { return cg->location; }
const char *sn_cgroup_dir(const struct sn_cgroup *cg, unsigned i)
{
    return i < cg->host->n && cg->m[i].dir >= 0 ? cg->m[i].path : NULL;
}
bool sn_cgroup_complete(const struct sn_cgroup *cg)
{
    for (unsigned i = 0; i < cg->host->n; i++)
        if (cg->m[i].path && cg->m[i].dir < 0) return false;
    return true;
}
int sn_cgroup_fd(const struct sn_cgroup *cg) { return cg_unified(cg); }

static int cg_open_dir(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

/* ---- making ------------------------------------------------------------------------------------
 */

/* A v1 cpuset without processors or memory takes no process: it is given its parent's. A fresh one
 * is not asked whether it has any. Returns 0, 1 where the parent has none either, or -errno. */
static int cg_cpuset_inherit(int dir, bool fresh)
{
    static const char *const files[][2] = {{"cpuset.cpus", "../cpuset.cpus"},
                                           {"cpuset.mems", "../cpuset.mems"}};
    char text[256];
    for (unsigned i = 0; i < SN_COUNT_OF(files); i++) {
        ssize_t n = fresh ? 0 : cg_read_into(dir, files[i][0], text, sizeof(text));
        if (n > 0) continue;
        if (n == 0) n = cg_read_into(dir, files[i][1], text, sizeof(text));
        if (n == 0) return 1;
        int r = n > 0 ? cg_write(dir, files[i][0], text, (size_t)n) : (int)n;
        if (r < 0) return r;
    }
    return 0;
}

/* Walks from the mount point down, making what is missing. */
static int cg_walk(const struct sn_cgroup_hierarchy *y, const char *path, unsigned *made)
{
    bool cpuset = !y->v2 && y->controllers & 1u << SN_CGROUP_CPUSET;
    struct sn_str rest = sn_str_from(sn_str(path), strlen(y->mount) + 1);
    int dir = cg_open_dir(y->mount), r = dir;
    while (r >= 0 && rest.ptr) {
        char name[256];
        struct sn_str part = sn_str_cut(&rest, '/');
        if (sn_str_cz(part, name, sizeof(name)) < 0)
            r = -ENAMETOOLONG;
        else if (mkdirat(dir, name, 0755) == 0)
            ++*made;
        else if (errno != EEXIST)
            r = -errno;
        if (r < 0) break;
        int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = next < 0 ? -errno : cpuset ? cg_cpuset_inherit(next, false) : 0;
        close(dir);
        dir = next;
    }
    if (r < 0) {
        if (dir >= 0) close(dir);
        return r;
    }
    return dir;
}

/* The last `made` levels of a path, those that are empty: the way back. */
static void cg_unmake(const struct sn_cgroup_member *m)
{
    char *path = sn_alloc(strlen(m->path) + 1);
    if (!path) return;
    memcpy(path, m->path, strlen(m->path) + 1);
    for (unsigned k = 0; k < m->made; k++) {
        if (rmdir(path) < 0) break;
        *strrchr(path, '/') = '\0';
    }
    sn_free(path);
}

static int cg_make(struct sn_cgroup *cg, unsigned i)
{
    struct sn_cgroup_member *m = &cg->m[i];
    const struct sn_cgroup_hierarchy *y = &cg->host->h[i];
    bool cpuset = !y->v2 && y->controllers & 1u << SN_CGROUP_CPUSET;
    /* Nearly always only the last directory is missing. */
    int err = mkdir(m->path, 0755) < 0 ? errno : 0;
    m->made = err == 0;
    if (err == 0 || (err == EEXIST && !cpuset)) {
        m->dir = cg_open_dir(m->path);
        int r = cpuset && m->dir >= 0 ? cg_cpuset_inherit(m->dir, true) : 0;
        if (r == 0) return m->dir;
        /* A parent that has nothing itself: from the top down. */
        close(m->dir);
        m->dir = -1;
        if (r < 0) return r;
    }
    m->dir = cg_walk(y, m->path, &m->made);
    return m->dir;
}

int cg_enable_v2(const struct sn_cgroup *cg)
{
    int u = cg->host->unified;
    const struct sn_cgroup_hierarchy *y = &cg->host->h[u];
    char has[512], list[512];
    struct sn_buf want;
    int dir = cg_open_dir(y->mount);
    if (dir < 0) return dir;
    ssize_t n = cg_read_into(dir, "cgroup.controllers", list, sizeof(list));
    struct sn_str rest = sn_str_from(sn_str(cg->m[u].path), strlen(y->mount) + 1);
    while (n > 0 && rest.ptr) {
        char name[256], enable[1024];
        struct sn_str part = sn_str_cut(&rest, '/'), all = sn_str_of(list, (size_t)n), word;
        if (sn_str_cz(part, name, sizeof(name)) < 0) n = -ENAMETOOLONG;
        int next = n < 0 ? -1 : openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (n > 0 && next < 0) n = -errno;
        ssize_t h = next < 0 ? n : cg_read_into(next, "cgroup.controllers", has, sizeof(has));
        if (n > 0 && h >= 0 && h < n) { /* fewer below than here: enable all, then one by one */
            sn_buf_init_fixed(&want, enable, sizeof(enable));
            while (cg_next_word(&all, &word)) sn_buf_printf(&want, "+%.*s ", SN_STR_ARG(word));
            if (want.err == 0 && cg_write(dir, "cgroup.subtree_control", enable, want.len) < 0) {
                all = sn_str_of(list, (size_t)n);
                while (cg_next_word(&all, &word))
                    (void)cg_writef(dir, "cgroup.subtree_control", "+%.*s", SN_STR_ARG(word));
            }
            h = cg_read_into(next, "cgroup.controllers", list, sizeof(list));
        }
        close(dir);
        dir = next;
        n = h;
    }
    if (dir >= 0) close(dir);
    return n < 0 ? (int)n : 0;
}

/* v2 lets no process into a domain beside threads; the kernel's own error would not say so. */
static int cg_check_type(const struct sn_cgroup *cg)
{
    char type[64];
    int dir = cg_unified(cg);
    ssize_t n = dir >= 0 ? cg_read_into(dir, "cgroup.type", type, sizeof(type)) : -1;
    if (n > 0 && strcmp(type, "domain invalid") == 0)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "%s lies below a threaded group: cgroup.type is \"%s\"",
                       cg->m[cg->host->unified].path, type);
    return 0;
}

static int cg_create(struct sn_cgroup *cg)
{
    const struct sn_cgroup_host *h = cg->host;
    unsigned got = 0;
    for (unsigned i = 0; i < h->n; i++) {
        if (!cg->m[i].path) continue;
        int r = cg_make(cg, i);
        if (r >= 0) {
            if (cg->m[i].made == 0) cg->existed |= 1u << i;
            got++;
        } else if (!(h->rootless && cg_denied(-r))) {
            return cg_fail(cg, (int)i, -r, "create cgroup", NULL);
        }
    }
    if (got == 0 && !h->rootless)
        return sn_fail(SN_E_INVALID_ARGUMENT, "location \"%s\" names no hierarchy of this host",
                       cg->location);
    if (h->layout == SN_CGROUP_V2 && cg_unified(cg) >= 0) {
        int r = cg_enable_v2(cg);
        if (r < 0 && !(h->rootless && cg_denied(-r)))
            return cg_fail(cg, h->unified, -r, "enable controllers for", NULL);
    }
    cg->fresh = cg->existed == 0;
    return cg_check_type(cg);
}

static int cg_start(const struct sn_cgroup_host *h, const char *location, struct sn_cgroup **ret)
{
    if (h->layout == SN_CGROUP_NONE)
        return sn_fail(SN_E_FAILED_PRECONDITION, "no cgroup hierarchy is mounted");
    int r = cg_location_check(location);
    if (r < 0) return r;
    *ret = cg_new(h, location);
    return *ret ? 0 : sn_fail(SN_E_NOMEM, "cgroup %s", location);
}

int sn_cgroup_create(const struct sn_cgroup_host *h, const char *location, struct sn_cgroup **ret)
{
    struct sn_cgroup *cg = NULL;
    int r = cg_start(h, location, &cg);
    if (r < 0) return r;
    r = cg_create(cg);
    if (r < 0) {
        for (unsigned i = 0; i < h->n; i++)
            if (cg->m[i].made) cg_unmake(&cg->m[i]);
        sn_cgroup_close(cg);
        return r;
    }
    *ret = cg;
    return 0;
}

int sn_cgroup_open(const struct sn_cgroup_host *h, const char *location, struct sn_cgroup **ret)
{
    struct sn_cgroup *cg = NULL;
    int r = cg_start(h, location, &cg);
    unsigned got = 0;
    for (unsigned i = 0; r == 0 && i < h->n; i++) {
        if (!cg->m[i].path) continue;
        int fd = cg_open_dir(cg->m[i].path);
        if (fd < 0 && fd != -ENOENT && !(h->rootless && cg_denied(-fd)))
            r = cg_fail(cg, (int)i, -fd, "open cgroup", NULL);
        if (fd < 0) continue;
        cg->m[i].dir = fd;
        got++;
    }
    if (r == 0 && got == 0) r = sn_fail(SN_E_NOT_FOUND, "cgroup %s does not exist", location);
    if (r < 0) {
        sn_cgroup_close(cg);
        return r;
    }
    *ret = cg;
    return 0;
}

/* ---- who is in it ------------------------------------------------------------------------------
 */

/* Decimal without stdio: this runs between clone and exec. */
static size_t cg_decimal(char out[16], pid_t pid)
{
    char tmp[16];
    size_t n = 0, k = 0;
    do tmp[n++] = (char)('0' + pid % 10);
    while ((pid /= 10) > 0);
    while (n > 0) out[k++] = tmp[--n];
    return k;
}

/* v1's `tasks` moves one thread, and a thread that moves itself takes no global lock. */
static const char *cg_attach_file(bool v2, pid_t pid)
{
    return !v2 && pid == 0 ? "tasks" : "cgroup.procs";
}

int sn_cgroup_attach(const struct sn_cgroup *cg, pid_t pid, bool skip_v2)
{
    char text[16];
    size_t n = cg_decimal(text, pid);
    for (unsigned i = 0; i < cg->host->n; i++) {
        const struct sn_cgroup_member *m = &cg->m[i];
        bool v2 = cg->host->h[i].v2;
        if (m->dir < 0 || (v2 && skip_v2)) continue;
        int fd = pid == 0 && m->tasks >= 0
                     ? m->tasks
                     : openat(m->dir, cg_attach_file(v2, pid), O_WRONLY | O_CLOEXEC);
        int r = fd < 0 ? -errno : 0;
        for (unsigned k = 0; r == 0 && write(fd, text, n) < 0; k++) {
            if (errno == EINTR) continue;
            if (errno != EINVAL || k == CG_ATTACH_TRIES)
                r = -errno;
            else
                sched_yield();
        }
        if (fd >= 0 && fd != m->tasks) close(fd);
        if (r < 0 && !(cg->host->rootless && cg_denied(-r))) return r;
    }
    return 0;
}

int sn_cgroup_attach_prepare(struct sn_cgroup *cg)
{
    for (unsigned i = 0; i < cg->host->n; i++) {
        struct sn_cgroup_member *m = &cg->m[i];
        if (m->dir < 0 || m->tasks >= 0) continue;
        const char *file = cg_attach_file(cg->host->h[i].v2, 0);
        m->tasks = openat(m->dir, file, O_WRONLY | O_CLOEXEC);
        if (m->tasks < 0 && !(cg->host->rootless && cg_denied(errno)))
            return cg_fail(cg, (int)i, errno, "open", file);
    }
    return 0;
}

typedef SN_VEC(pid_t) cg_pid_vec;

static int cg_pids_dir(int dir, struct sn_arena *a, cg_pid_vec *out)
{
    struct sn_str text, line;
    int r = cg_read(a, dir, "cgroup.procs", &text);
    if (r == -ENODEV || r == -ENOENT) return 0; /* removed meanwhile */
    if (r == -EOPNOTSUPP) return 0;             /* a threaded group lists no processes */
    while (r == 0 && cg_next_line(&text, &line)) {
        uint64_t pid;
        if (sn_str_to_u64(line, &pid) < 0 || pid > INT32_MAX)
            r = -ENOMSG;
        else if (out->len >= SN_CGROUP_PIDS_MAX)
            r = -E2BIG;
        else if (pid != 0 && sn_vec_push(out, (pid_t)pid) < 0)
            r = -ENOMEM;
    }
    return r;
}

/* Calls visit for each directory below `dir` (not for itself), children before parents. */
static int cg_below(int dir, unsigned depth,
                    int (*visit)(void *arg, int parent, const char *name, int dir), void *arg)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    if (copy < 0) return errno == ENOENT ? 0 : -errno;
    DIR *d = fdopendir(copy);
    if (!d) {
        close(copy);
        return -ENOMEM;
    }
    struct dirent *e;
    while (r == 0 && (e = readdir(d))) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.') continue;
        if (depth == 0) {
            r = -ELOOP;
            break;
        }
        int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (sub < 0) continue; /* removed meanwhile */
        r = cg_below(sub, depth - 1, visit, arg);
        if (r == 0) r = visit(arg, dir, e->d_name, sub);
        close(sub);
    }
    closedir(d);
    return r;
}

struct cg_listing {
    struct sn_arena *a;
    cg_pid_vec pids;
};
static int cg_list_one(void *arg, int parent, const char *name, int dir)
{
    struct cg_listing *l = arg;
    return cg_pids_dir(dir, l->a, &l->pids);
}

/* The hierarchy whose listing counts: v2 where the group is in it and it has anybody, since a
 * process may have been moved by v1 means only; else the first that has. */
static int cg_list(const struct sn_cgroup *cg, bool recursive, struct cg_listing *l, int *ret_index)
{
    int order[SN_CGROUP_HIERARCHIES_MAX + 1], n = 0;
    if (cg_unified(cg) >= 0) order[n++] = cg->host->unified;
    for (unsigned i = 0; i < cg->host->n; i++)
        if (cg->m[i].dir >= 0 && (int)i != cg->host->unified) order[n++] = (int)i;
    for (int k = 0; k < n; k++) {
        int dir = cg->m[order[k]].dir, r = cg_pids_dir(dir, l->a, &l->pids);
        if (r == 0 && recursive) r = cg_below(dir, SN_CGROUP_DEPTH_MAX, cg_list_one, l);
        *ret_index = order[k];
        if (r < 0 || l->pids.len > 0) return r;
    }
    return 0;
}

int sn_cgroup_pids(const struct sn_cgroup *cg, bool recursive, struct sn_arena *a,
                   struct sn_cgroup_pids *ret)
{
    struct cg_listing l = {.a = a};
    int i = 0, r = cg_list(cg, recursive, &l, &i);
    pid_t *copy = r == 0 ? SN_ARENA_ARRAY(a, pid_t, l.pids.len + 1) : NULL;
    if (r == 0 && !copy) r = -ENOMEM;
    if (r == 0) {
        if (l.pids.len) memcpy(copy, l.pids.ptr, l.pids.len * sizeof(pid_t));
        *ret = (struct sn_cgroup_pids){copy, l.pids.len};
    }
    sn_vec_done(&l.pids);
    if (r == -E2BIG || r == -ELOOP)
        return sn_fail(SN_E_TOO_LARGE, "%s: more than %d processes or %d levels", cg->m[i].path,
                       SN_CGROUP_PIDS_MAX, SN_CGROUP_DEPTH_MAX);
    return r < 0 ? cg_fail(cg, i, -r, "read processes of", NULL) : 0;
}

int sn_cgroup_populated(const struct sn_cgroup *cg)
{
    struct sn_arena a;
    struct sn_cgroup_pids p = {0};
    sn_arena_init(&a, NULL, 0);
    int r = sn_cgroup_pids(cg, true, &a, &p);
    sn_arena_done(&a);
    return r < 0 ? r : p.n > 0;
}

/* ---- the end -----------------------------------------------------------------------------------
 */

static int cg_rm_one(void *arg, int parent, const char *name, int dir)
{
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

static int cg_rmdir(const struct sn_cgroup_member *m)
{
    if (rmdir(m->path) == 0 || errno == ENOENT) return 0;
    if (errno != EBUSY) return -errno;
    int r = cg_below(m->dir, SN_CGROUP_DEPTH_MAX, cg_rm_one, NULL);
    if (r < 0) return r;
    return rmdir(m->path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* A process that is through with exiting may count for a moment longer: then there is nobody to
 * wait for, and the wait is a millisecond. */
int cg_wait_exit(const struct sn_cgroup *cg, int ms)
{
    struct sn_arena a;
    struct sn_cgroup_pids p = {0};
    struct pollfd fd = {.fd = -1, .events = POLLIN};
    sn_arena_init(&a, NULL, 0);
    if (sn_cgroup_pids(cg, true, &a, &p) == 0 && p.n > 0)
        fd.fd = (int)syscall(SYS_pidfd_open, p.ptr[0], 0);
    sn_arena_done(&a);
    if (fd.fd < 0) ms = 1;
    int r = poll(&fd, 1, ms); /* banned: waits on a pidfd, below the fibers */
    if (fd.fd >= 0) close(fd.fd);
    return r == 0 ? ms : 1;
}

int sn_cgroup_remove_empty(struct sn_cgroup *cg)
{
    for (unsigned i = 0; i < cg->host->n; i++) {
        struct sn_cgroup_member *m = &cg->m[i];
        if (m->dir < 0) continue;
        if (rmdir(m->path) < 0 && errno != ENOENT) return 1;
        close(m->dir);
        m->dir = -1;
    }
    return 0;
}

int sn_cgroup_remove(struct sn_cgroup *cg)
{
    const int slice_ms = 10;
    for (int waited_ms = 0;;) {
        int busy = -1, err = 0;
        for (unsigned i = 0; i < cg->host->n; i++) {
            if (cg->m[i].dir < 0) continue;
            int r = cg_rmdir(&cg->m[i]);
            if (r == 0) {
                close(cg->m[i].dir);
                cg->m[i].dir = -1;
            } else if (r != -EBUSY && !(cg->host->rootless && cg_denied(-r))) {
                return cg_fail(cg, (int)i, -r, "remove cgroup", NULL);
            } else if (r == -EBUSY) {
                busy = (int)i;
                err = -r;
            }
        }
        if (busy < 0) return 0;
        if (waited_ms >= SN_CGROUP_REMOVE_MS)
            return sn_fail_errno(err, "remove cgroup %s", cg->m[busy].path);
        /* Each hierarchy lets go at its own moment, so the rest is tried again after each event. */
        waited_ms += cg_wait_exit(cg, slice_ms);
    }
}
