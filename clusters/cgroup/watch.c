/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that wake when memory ran out or work stalled. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

void sn_cgroup_watch_close(struct sn_cgroup_watch *w)
{
    if (w->fd >= 0) close(w->fd);
    if (w->file >= 0) close(w->file);
    *w = (struct sn_cgroup_watch){.fd = -1, .file = -1};
}

static int cg_watch_fail(const struct sn_cgroup *cg, struct sn_cgroup_watch *w, int i,
                         const char *file)
{
    int err = errno;
    sn_cgroup_watch_close(w);
    return cg_fail(cg, i, err, "watch", file);
}

/* v1: "EVENTFD FD ARG" into cgroup.event_control ties an eventfd to a control file. */
static int cg_event_control(const struct sn_cgroup *cg, int i, const char *file, const char *arg,
                            struct sn_cgroup_watch *w)
{
    int dir = cg->m[i].dir;
    w->events = POLLIN;
    w->file = openat(dir, file, O_RDONLY | O_CLOEXEC);
    if (w->file < 0) return cg_watch_fail(cg, w, i, file);
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->fd < 0) return cg_watch_fail(cg, w, i, file);
    int r =
        cg_writef(dir, "cgroup.event_control", "%d %d%s%s", w->fd, w->file, *arg ? " " : "", arg);
    errno = -r;
    return r < 0 ? cg_watch_fail(cg, w, i, file) : 0;
}

/* v1 and v2 name it alike: "oom_kill N" in memory.oom_control and memory.events. *off: v1's killer
 * is switched off. */
static int cg_kills(int fd, uint64_t *ret, bool *off)
{
    char text[512];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n < 0) return -errno;
    int r = -ENOMSG;
    struct sn_str s = sn_str_of(text, (size_t)n), line;
    *off = false;
    while (cg_next_line(&s, &line)) {
        struct sn_str key = sn_str_cut(&line, ' ');
        if (sn_str_eqc(key, "oom_kill")) r = sn_str_to_u64(line, ret) < 0 ? -ENOMSG : 0;
        if (sn_str_eqc(key, "oom_kill_disable")) *off = sn_str_eqc(line, "1");
    }
    return r;
}

int sn_cgroup_oom_watch(const struct sn_cgroup *cg, struct sn_cgroup_watch *ret)
{
    int i = cg_index(cg, SN_CGROUP_MEMORY), r = 0;
    struct sn_cgroup_watch w = {.fd = -1, .file = -1};
    if (i < 0)
        return sn_fail(SN_E_UNIMPLEMENTED, "no memory controller tells when %s runs out",
                       cg->location);
    w.v2 = cg->host->h[i].v2;
    if (!w.v2) {
        r = cg_event_control(cg, i, "memory.oom_control", "", &w);
        if (r < 0) return r;
    } else {
        char path[SN_CGROUP_PATH_MAX / 2];
        if (snprintf(path, sizeof(path), "%s/memory.events", cg->m[i].path) >= (int)sizeof(path))
            return sn_fail(SN_E_TOO_LARGE, "watch %s", cg->location);
        w.events = POLLIN;
        w.file = openat(cg->m[i].dir, "memory.events", O_RDONLY | O_CLOEXEC);
        w.fd = w.file < 0 ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (w.fd < 0 || inotify_add_watch(w.fd, path, IN_MODIFY | IN_DELETE_SELF) < 0)
            return cg_watch_fail(cg, &w, i, "memory.events");
    }
    bool off;
    r = cg_kills(w.file, &w.seen, &off);
    if (r < 0) {
        errno = -r;
        return cg_watch_fail(cg, &w, i, w.v2 ? "memory.events" : "memory.oom_control");
    }
    *ret = w;
    return 0;
}

int sn_cgroup_oom_read(struct sn_cgroup_watch *w, uint64_t *ret_kills)
{
    char drain[2048] SN_ALIGNED(8);
    uint64_t now, events = 0;
    bool off;
    if (!w->v2 && read(w->fd, &events, sizeof(events)) < 0) events = 0;
    while (w->v2 && read(w->fd, drain, sizeof(drain)) > 0) {}
    int r = cg_kills(w->file, &now, &off);
    if (r == -ENODEV) return SN_E_EOF;
    if (r < 0) return sn_fail_errno(-r, "read the count of OOM kills");
    /* v1 signals before it kills and counts after, once: the kill on its way is taken as done. */
    if (events > 0 && now <= w->seen && !off) now = w->seen + 1;
    *ret_kills = now > w->seen ? now - w->seen : 0;
    if (now > w->seen) w->seen = now;
    return 0;
}

int sn_cgroup_pressure_watch(const struct sn_cgroup *cg, enum sn_cgroup_pressure what, bool full,
                             unsigned stall_us, unsigned window_us, struct sn_cgroup_watch *ret)
{
    static const char *const files[] = {"cpu.pressure", "memory.pressure", "io.pressure"};
    int i = cg->host->unified, dir = cg_unified(cg);
    char line[64];
    struct sn_cgroup_watch w = {.fd = -1, .file = -1, .events = POLLPRI, .v2 = true};
    if ((unsigned)what >= SN_COUNT_OF(files))
        return sn_fail(SN_E_INVALID_ARGUMENT, "pressure of %d", what);
    if (dir < 0 || !cg_exists(dir, files[what]))
        return sn_fail(SN_E_UNIMPLEMENTED, "%s has no %s", cg->location, files[what]);
    w.fd = openat(dir, files[what], O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (w.fd < 0) return cg_watch_fail(cg, &w, i, files[what]);
    int n = snprintf(line, sizeof(line), "%s %u %u", full ? "full" : "some", stall_us, window_us);
    if (write(w.fd, line, (size_t)n + 1) < 0) {
        if (errno == EOPNOTSUPP) {
            sn_cgroup_watch_close(&w);
            return sn_fail(SN_E_UNIMPLEMENTED, "pressure stall information is switched off");
        }
        return cg_watch_fail(cg, &w, i, files[what]);
    }
    *ret = w;
    return 0;
}

int sn_cgroup_level_watch(const struct sn_cgroup *cg, const char *level,
                          struct sn_cgroup_watch *ret)
{
    int i = cg_index(cg, SN_CGROUP_MEMORY);
    struct sn_cgroup_watch w = {.fd = -1, .file = -1};
    if (strcmp(level, "low") != 0 && strcmp(level, "medium") != 0 && strcmp(level, "critical") != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "memory pressure \"%s\", expected low, medium or critical", level);
    if (i < 0 || cg->host->h[i].v2)
        return sn_fail(SN_E_UNIMPLEMENTED, "%s has no memory.pressure_level", cg->location);
    int r = cg_event_control(cg, i, "memory.pressure_level", level, &w);
    if (r == 0) *ret = w;
    return r;
}
