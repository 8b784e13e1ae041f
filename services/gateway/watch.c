/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/watch.c - reloads when the configuration file changes. The folder is watched, not the
 * file: editors and orchestrators replace files by renaming, the latter through links. */
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "gateway/gw_int.h"

/* A writer that truncates and then writes shows as two changes: they are read as one. */
#define SETTLE_NS (100 * SN_MS)

struct stamp {
    ino_t ino;
    off_t size;
    struct timespec mtime;
};

static struct stamp stamp_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) return (struct stamp){0};
    return (struct stamp){st.st_ino, st.st_size, st.st_mtim};
}

static bool differs(const struct stamp *a, const struct stamp *b)
{
    return a->ino != b->ino || a->size != b->size || a->mtime.tv_sec != b->mtime.tv_sec ||
           a->mtime.tv_nsec != b->mtime.tv_nsec;
}

static void drain_events(int fd)
{
    char buf[1024];
    while (read(fd, buf, sizeof(buf)) > 0) {}
}

static int watch_loop(struct sn_gateway *gw, int fd)
{
    const char *path = gw->opts.config_path;
    struct stamp seen = stamp_of(path);
    for (;;) {
        int r = sn_fd_wait(fd, EPOLLIN);
        if (r < 0) return r;
        drain_events(fd);
        if ((r = sn_sleep(SETTLE_NS)) < 0) return r;
        drain_events(fd);
        struct stamp now = stamp_of(path);
        if (!differs(&seen, &now) || !now.ino) continue;
        seen = now;
        /* Outcome and reason are told by the reload itself. */
        if (gw->snap->conf->watch) (void)!sn_gateway_reload(gw);
    }
}

int gw_watch(void *gateway)
{
    struct sn_gateway *gw = gateway;
    const char *path = gw->opts.config_path, *slash = strrchr(path, '/');
    size_t n = slash ? SN_MAX((size_t)(slash - path), (size_t)1) : 1;
    char *folder SN_CLEANUP(sn_freep) = sn_alloc(n + 1);
    if (!folder) return SN_E_NOMEM;
    memcpy(folder, slash ? path : ".", n);
    folder[n] = 0;
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0 ||
        inotify_add_watch(fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0)
        gw_event(gw, "warn", "%s cannot be watched (%m): reload by SIGHUP", path);
    else
        (void)!watch_loop(gw, fd);
    if (fd >= 0) (void)close(fd);
    return 0;
}
