/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/watch.c - reloads when the configuration file, or an object it is made of, changes. The
 * folder is watched, not the file: editors and orchestrators replace files by renaming, the latter
 * through links. */
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

#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM)

/* Takes the events away. Returns whether one is of another folder than the configuration's own. */
static bool drain_events(int fd, int own)
{
    char buf[4096] SN_ALIGNED(8);
    bool other = false;
    for (;;) {
        ssize_t n = read(fd, buf, sizeof(buf));
        if (n <= 0) return other;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)(buf + at);
            other |= e->wd != own && !(e->mask & IN_IGNORED);
            at += (ssize_t)sizeof(*e) + e->len;
        }
    }
}

/* Folders of Kubernetes objects; those of files. One that is watched already stays so. */
static void watch_objects(struct sn_gateway *gw, int fd)
{
    sn_mutex_lock_always(&gw->reload); /* the snapshot stays */
    const struct sn_gw_conf_kube *k = &gw->snap->conf->kubernetes;
    for (size_t i = 0; i < k->n_paths; i++) {
        char path[2048];
        struct stat st;
        if (sn_str_cz(k->paths[i], path, sizeof(path) - 1) < 0) continue;
        if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
            char *slash = strrchr(path, '/');
            if (slash)
                slash[slash == path] = 0;
            else
                memcpy(path, ".", 2);
        }
        (void)inotify_add_watch(fd, path, EVENTS);
    }
    sn_mutex_unlock(&gw->reload);
}

static int watch_loop(struct sn_gateway *gw, int fd, int own)
{
    const char *path = gw->opts.config_path;
    struct stamp seen = stamp_of(path);
    for (;;) {
        watch_objects(gw, fd);
        int r = sn_fd_wait(fd, EPOLLIN);
        if (r < 0) return r;
        bool objects = drain_events(fd, own);
        if ((r = sn_sleep(SETTLE_NS)) < 0) return r;
        objects |= drain_events(fd, own);
        struct stamp now = stamp_of(path);
        if ((!differs(&seen, &now) || !now.ino) && !objects) continue;
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
    int own = fd < 0 ? -1 : inotify_add_watch(fd, folder, EVENTS);
    if (own < 0)
        gw_event(gw, "warn", "%s cannot be watched (%m): reload by SIGHUP", path);
    else
        (void)!watch_loop(gw, fd, own);
    if (fd >= 0) (void)close(fd);
    return 0;
}
