/* SPDX-License-Identifier: Apache-2.0 */
/* task/streams.c - fifos and files are given to the process as they are: nobody stands between it
 * and its reader, so an idle stream costs two descriptors. We keep an end of each open, as
 * containerd expects: a reader that goes and comes back finds its stream, and a process whose
 * reader has gone waits instead of being told EPIPE. Only a terminal has to be moved, by one fiber
 * in each direction. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/task/logger_int.h"
#include "clusters/task/streams_int.h"
#include "core/alloc.h"
#include "core/status.h"
#include "fiber/net.h"

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* ---- names -------------------------------------------------------------------------------------
 */

enum kind { KIND_NONE, KIND_PATH, KIND_FILE, KIND_BINARY };

static int name_kind(const char *name, const char *which, enum kind *ret, const char **ret_path)
{
    struct sn_str s = sn_str(name);
    ssize_t at = sn_str_find(s, SN_STR("://"));
    *ret_path = name;
    *ret = s.len ? KIND_PATH : KIND_NONE;
    if (at < 0 || name[0] == '/') return 0;
    struct sn_str scheme = sn_str_sub(s, 0, (size_t)at);
    *ret_path = name + at + 3;
    if (sn_str_eqc(scheme, "fifo"))
        *ret = KIND_PATH;
    else if (sn_str_eqc(scheme, "file"))
        *ret = KIND_FILE;
    else if (sn_str_eqc(scheme, "binary"))
        *ret = KIND_BINARY;
    else
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: %s: fifo, file and binary are the schemes known",
                       which, name);
    if (**ret_path != '/')
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: %s: an absolute path is expected", which, name);
    return 0;
}

static int blocking(int fd)
{
    int fl = fcntl(fd, F_GETFL);
    return fl < 0 || fcntl(fd, F_SETFL, fl & ~O_NONBLOCK) < 0 ? -1 : 0;
}

/* open_in - the reading end for the process, and a writing end of ours that keeps it from reading
 * end of file before CloseIO. */
static int open_in(struct sn_stdio *io, const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return sn_fail_errno(errno, "stdin: open %s", path);
    io->child[0] = fd;
    struct stat st;
    if (fstat(fd, &st) < 0 ||
        (!S_ISFIFO(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "stdin: %s: a fifo or a file is expected", path);
    if (S_ISFIFO(st.st_mode) && (io->keep[0] = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
        return sn_fail_errno(errno, "stdin: open %s", path);
    return io->terminal || blocking(fd) == 0 ? 0 : sn_fail_errno(errno, "stdin: %s", path);
}

/* open_fifo - the writing end, once somebody reads: what a process has written that ends before its
 * reader has come would be gone with it. containerd's clients open theirs beside the call that
 * makes the process, so it may be a moment. Returns it; -1 with errno, ENXIO where nobody came. */
static int open_fifo(const char *path)
{
    int64_t until = sn_now() + SN_STDIO_READER_NS, pause = SN_MS / 4;
    for (;;) {
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 || errno != ENXIO) return fd;
        if (sn_now() >= until || sn_sleep(pause) < 0) break;
        pause = SN_MIN(pause * 2, 50 * SN_MS);
    }
    errno = ENXIO;
    return -1;
}

static int open_out(struct sn_stdio *io, int i, const char *path, enum kind kind)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    int make = kind == KIND_FILE ? O_CREAT | O_APPEND : 0, first = -1;
    struct stat st = {0};
    int fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode) ? O_RDWR : O_WRONLY | O_APPEND;
    if (fifo == O_RDWR && (first = open_fifo(path)) < 0 && errno != ENXIO)
        return sn_fail_errno(errno, "%s: open %s", names[i], path);
    io->keep[i] = open(path, fifo | make | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0644);
    int err = errno;
    close_fd(&first); /* not before: a reader alone would see the end */
    if (io->keep[i] < 0) return sn_fail_errno(err, "%s: open %s", names[i], path);
    if (io->terminal) return 0; /* we are the writer */
    io->child[i] =
        open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | (fifo == O_RDWR ? 0 : O_APPEND));
    if (io->child[i] < 0 || blocking(io->child[i]) < 0)
        return sn_fail_errno(errno, "%s: open %s", names[i], path);
    return 0;
}

static int open_logger(struct sn_stdio *io, const struct sn_stdio_opts *o, const char *uri)
{
    int out[2][2] = {{-1, -1}, {-1, -1}};
    int r = 0;
    for (int i = 0; i < 2 && r == 0; i++)
        if (pipe2(out[i], O_CLOEXEC) < 0) r = sn_fail_errno(errno, "logger: pipe");
    if (r == 0)
        r = sn_logger_start(uri, o->logger_id, o->logger_namespace, (int[2]){out[0][0], out[1][0]},
                            &io->logger, &io->logger_pidfd);
    for (int i = 0; i < 2; i++) {
        close_fd(&out[i][0]);
        if (io->terminal && i == 0)
            io->keep[1] = out[0][1];
        else
            io->child[i + 1] = out[i][1];
    }
    if (io->terminal) {
        close_fd(&io->child[2]);
        if (io->keep[1] >= 0) (void)fcntl(io->keep[1], F_SETFL, O_NONBLOCK);
    }
    return r;
}

static int open_names(struct sn_stdio *io, const struct sn_stdio_opts *o)
{
    enum kind kind;
    const char *path;
    int r = name_kind(o->in, "stdin", &kind, &path);
    if (r < 0) return r;
    if (kind == KIND_BINARY || kind == KIND_FILE)
        return sn_fail(SN_E_INVALID_ARGUMENT, "stdin: %s: a fifo is expected", o->in);
    if (kind == KIND_PATH && (r = open_in(io, path)) < 0) return r;
    r = name_kind(o->out, "stdout", &kind, &path);
    if (r < 0) return r;
    if (kind == KIND_BINARY) return open_logger(io, o, o->out); /* of both outputs */
    if (kind != KIND_NONE && (r = open_out(io, 1, path, kind)) < 0) return r;
    if (io->terminal) return 0;
    r = name_kind(o->err, "stderr", &kind, &path);
    if (r < 0) return r;
    if (kind == KIND_BINARY)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "stderr: %s: a logger serves stdout, too, and is named there", o->err);
    return kind == KIND_NONE ? 0 : open_out(io, 2, path, kind);
}

int sn_stdio_open(const struct sn_stdio_opts *o, struct sn_stdio **ret)
{
    struct sn_stdio *io = SN_NEW(struct sn_stdio);
    if (!io) return SN_E_NOMEM;
    *io = (struct sn_stdio){.terminal = o->terminal,
                            .use_fds = o->use_fds,
                            .child = {-1, -1, -1},
                            .keep = {-1, -1, -1},
                            .console = -1,
                            .logger_pidfd = -1,
                            .width = o->width,
                            .height = o->height};
    int r = 0;
    if (!o->use_fds) {
        r = open_names(io, o);
    } else if (!o->terminal) {
        for (int i = 0; i < 3; i++) io->child[i] = o->fds[i]; /* borrowed */
    }
    if (r < 0)
        sn_stdio_free(io);
    else
        *ret = io;
    return r;
}

/* ---- terminals ---------------------------------------------------------------------------------
 */

/* move - from one descriptor to another, as much as there is. Returns > 0, 0 at the end, SN_E_AGAIN
 * with *ret_full telling which side is not ready. Where splice does not serve these two, by a small
 * buffer. */
static ssize_t move(int from, int to, bool *ret_full)
{
    char buf[2048];
    *ret_full = false;
    if (to < 0) {
        ssize_t n = read(from, buf, sizeof(buf));
        return n < 0 ? (errno == EAGAIN ? SN_E_AGAIN : 0) : n;
    }
    ssize_t n = splice(from, NULL, to, NULL, SN_STDIO_CHUNK, SPLICE_F_NONBLOCK);
    if (n >= 0) return n;
    if (errno == EAGAIN) {
        int room = 0;
        *ret_full = ioctl(from, FIONREAD, &room) == 0 && room > 0;
        return SN_E_AGAIN;
    }
    if (errno != EINVAL) return 0;
    n = read(from, buf, sizeof(buf));
    if (n <= 0) return n < 0 && errno == EAGAIN ? SN_E_AGAIN : 0;
    for (ssize_t done = 0; done < n;) {
        ssize_t k = write(to, buf + done, (size_t)(n - done));
        if (k > 0)
            done += k;
        else if (errno != EAGAIN || sn_fd_wait(to, EPOLLOUT) < 0)
            return 0;
    }
    return n;
}

static void pump(int from, int to)
{
    for (;;) {
        bool full;
        ssize_t n = move(from, to, &full);
        if (n == 0) return;
        if (n > 0) continue;
        int r = full ? sn_fd_wait(to, EPOLLOUT) : sn_fd_wait(from, EPOLLIN);
        if (r < 0) return;
    }
}

/* Out ends when every holder of the terminal is gone (EIO), in with its fifo. */
static void pump_main(void *arg)
{
    struct stdio_pump *p = arg;
    struct sn_stdio *io = p->io;
    p->fiber = sn_self();
    if (!io->ended)
        p == &io->out ? pump(io->console, io->keep[1]) : pump(io->child[0], io->console);
    p->fiber = NULL;
    sn_event_set(&p->done);
}

static int pump_start(struct sn_stdio *io, struct stdio_pump *p, unsigned worker)
{
    p->io = io;
    int r = sn_go_cleanup(worker, p == &io->out ? "terminal out" : "terminal in", pump_main, p);
    p->on = r >= 0;
    return r;
}

/* pump_stop - before its descriptors are closed: a closed one wakes nobody. */
static void pump_stop(struct stdio_pump *p)
{
    if (!p->on) return;
    if (p->fiber) sn_fiber_cancel(p->fiber);
    while (!sn_event_is_set(&p->done) && sn_event_wait(&p->done) < 0) sn_yield();
    p->on = false;
}

int sn_stdio_resize(struct sn_stdio *io, unsigned width, unsigned height)
{
    struct winsize w = {.ws_col = (unsigned short)SN_MIN(width, 65535u),
                        .ws_row = (unsigned short)SN_MIN(height, 65535u)};
    if (!io->terminal) return sn_fail(SN_E_FAILED_PRECONDITION, "the process has no terminal");
    io->width = width;
    io->height = height;
    if (io->console < 0) return 0; /* not started yet, or over by now */
    if (ioctl(io->console, TIOCSWINSZ, &w) < 0) return sn_fail_errno(errno, "resize terminal");
    return 0;
}

int sn_stdio_started(struct sn_stdio *io, int console, unsigned worker)
{
    io->console = console;
    if (!io->terminal) {
        for (int i = 0; i < 3; i++) {
            if (!io->use_fds) close_fd(&io->child[i]);
            io->child[i] = -1;
        }
        return 0;
    }
    if (io->width && io->height && sn_stdio_resize(io, io->width, io->height) < 0) sn_diag_clear();
    if (io->use_fds) return 0;
    if (fcntl(console, F_SETFL, O_RDWR | O_NONBLOCK) < 0) return sn_fail_errno(errno, "terminal");
    int r = pump_start(io, &io->out, worker);
    if (r >= 0 && io->child[0] >= 0) r = pump_start(io, &io->in, worker);
    return r;
}

void sn_stdio_close_stdin(struct sn_stdio *io) { close_fd(&io->keep[0]); }

/* ---- the end -----------------------------------------------------------------------------------
 */

void sn_stdio_ended(struct sn_stdio *io)
{
    if (io->ended) return;
    if (io->out.on && sn_event_wait_until(&io->out.done, sn_now() + SN_STDIO_DRAIN_NS) < 0)
        sn_diag_clear();
    io->ended = true;
    pump_stop(&io->out);
    pump_stop(&io->in);
    close_fd(&io->console);
    for (int i = 0; i < 3; i++) {
        close_fd(&io->keep[i]);
        if (!io->use_fds) close_fd(&io->child[i]);
        io->child[i] = -1;
    }
    if (io->logger_pidfd >= 0) sn_logger_end(&io->logger, &io->logger_pidfd);
}

void sn_stdio_free(struct sn_stdio *io)
{
    if (!io) return;
    if (!io->ended) {
        io->ended = true;
        pump_stop(&io->out);
        io->ended = false;
        io->out.on = false;
        sn_stdio_ended(io);
    }
    sn_free(io);
}
