/* SPDX-License-Identifier: Apache-2.0 */
#include "clusters/task/logger_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/task/streams.h"
#include "core/arena.h"
#include "core/status.h"
#include "fiber/net.h"

extern char **environ;

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = sn_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* unescape - percent escapes and '+' of a query. Returns NULL for a bad escape or without memory. */
static char *unescape(struct sn_arena *a, struct sn_str s)
{
    char *out = sn_arena_alloc(a, s.len + 1), *p = out;
    if (!out) return NULL;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '%') {
            *p++ = s.ptr[i] == '+' ? ' ' : s.ptr[i];
            continue;
        }
        int hi = i + 2 < s.len ? hex(s.ptr[i + 1]) : -1, lo = i + 2 < s.len ? hex(s.ptr[i + 2]) : -1;
        if (hi < 0 || lo < 0 || hi + lo == 0) return NULL;
        *p++ = (char)(hi << 4 | lo);
        i += 2;
    }
    *p = 0;
    return out;
}

static int logger_args(struct sn_arena *a, const char *uri, char **argv)
{
    struct sn_str query = sn_str(uri + sizeof("binary://") - 1), path = sn_str_cut(&query, '?');
    unsigned n = 0;
    argv[n++] = unescape(a, path);
    if (!argv[0] || argv[0][0] != '/')
        return sn_fail(SN_E_INVALID_ARGUMENT, "logger %s: an absolute path is expected", uri);
    while (query.ptr && query.len) {
        struct sn_str value = sn_str_cut(&query, '&'), name = sn_str_cut(&value, '=');
        if (n + 2 > SN_STDIO_LOGGER_ARGS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "logger %s: more than %u arguments", uri, SN_STDIO_LOGGER_ARGS_MAX);
        argv[n] = unescape(a, name);
        if (argv[n++] && value.len) argv[n++] = unescape(a, value);
        if (!argv[n - 1]) return sn_fail(SN_E_INVALID_ARGUMENT, "logger %s: a bad escape", uri);
    }
    argv[n] = NULL;
    return 0;
}

static char **logger_env(struct sn_arena *a, const char *id, const char *ns)
{
    size_t n = 0;
    while (environ[n]) n++;
    char **env = SN_ARENA_ARRAY(a, char *, n + 3), **p = env;
    if (!env) return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "CONTAINER_", 10) != 0) *p++ = environ[i];
    *p++ = (char *)sn_arena_printf(a, "CONTAINER_ID=%s", id ? id : "").ptr;
    *p++ = (char *)sn_arena_printf(a, "CONTAINER_NAMESPACE=%s", ns ? ns : "").ptr;
    return p[-1] && p[-2] ? env : NULL;
}

/* logger_spawn - fds: what becomes 3, 4 and 5; all of ours are closed at exec, so copies first. */
static int logger_spawn(char **argv, char **env, const int fds[3], int *ret_pid)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t none, def;
    int copy[3] = {-1, -1, -1}, r = 0;
    sigemptyset(&none);
    sigemptyset(&def);
    sigaddset(&def, SIGPIPE);
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&at);
    posix_spawnattr_setsigmask(&at, &none);
    posix_spawnattr_setsigdefault(&at, &def);
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_RDWR, 0);
    for (int i = 0; i < 3 && r == 0; i++) {
        /* Above 5, so that no dup2 hits one that is still to be copied. */
        copy[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
        r = copy[i] < 0 ? errno : posix_spawn_file_actions_adddup2(&fa, copy[i], 3 + i);
    }
    if (r == 0) r = posix_spawn(ret_pid, argv[0], &fa, &at, argv, env);
    for (int i = 0; i < 3; i++)
        if (copy[i] >= 0) close(copy[i]);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    return r ? sn_fail_errno(r, "logger %s", argv[0]) : 0;
}

static int logger_ready(int fd, const char *path)
{
    int64_t before = sn_deadline_tighten(sn_now() + SN_STDIO_LOGGER_READY_NS);
    int r = sn_fd_wait(fd, EPOLLIN); /* a byte or, as most do, the end */
    sn_deadline_restore(before);
    return r < 0 ? sn_wrap(r, "logger %s: to get ready", path) : 0;
}

int sn_logger_start(const char *uri, const char *id, const char *ns, const int outputs[2], int *ret_pid,
                    int *ret_pidfd)
{
    char *argv[SN_STDIO_LOGGER_ARGS_MAX + 1];
    int ready[2], pid = 0, pidfd = -1;
    struct sn_arena a;
    if (pipe2(ready, O_CLOEXEC) < 0) return sn_fail_errno(errno, "logger: pipe");
    (void)fcntl(ready[0], F_SETFL, O_NONBLOCK);
    sn_arena_init(&a, NULL, 0);
    int r = logger_args(&a, uri, argv);
    char **env = r < 0 ? NULL : logger_env(&a, id, ns);
    if (r >= 0 && !env) r = SN_E_NOMEM;
    if (r >= 0) r = logger_spawn(argv, env, (int[3]){outputs[0], outputs[1], ready[1]}, &pid);
    close(ready[1]);
    if (r >= 0) {
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        r = pidfd < 0 ? sn_fail_errno(errno, "logger %s", argv[0]) : logger_ready(ready[0], argv[0]);
    }
    close(ready[0]);
    if (r < 0 && pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (pidfd >= 0) close(pidfd);
    } else if (r >= 0) {
        *ret_pid = pid;
        *ret_pidfd = pidfd;
    }
    sn_arena_done(&a);
    return r;
}

void sn_logger_end(int *pid, int *pidfd)
{
    int64_t before = sn_deadline_tighten(sn_now() + SN_STDIO_DRAIN_NS);
    if (sn_fd_wait(*pidfd, EPOLLIN) < 0) kill(*pid, SIGKILL);
    sn_deadline_restore(before);
    waitpid(*pid, NULL, 0);
    close(*pidfd);
    *pidfd = -1;
}
