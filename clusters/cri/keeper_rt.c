/* SPDX-License-Identifier: Apache-2.0 */
/* cri/keeper_rt.c - what the keeper asks of a runtime: clusters/oci, or a program with runc's
 * command line for a runtime handler that names one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/cri/keeper_int.h"
#include "core/status.h"

#define ARGS_MAX 20u

static struct sn_oci_host host_of(struct keeper *k)
{
    static char root[300];
    snprintf(root, sizeof root, "%s/oci", k->dir);
    return (struct sn_oci_host){.root = root,
                                .cgroups = k->have_cgroups ? &k->cgroups : NULL,
                                .protect_fd = k->protect_fd >= 0 ? &k->protect_fd : NULL};
}

/* ---- a program ---- */

static int complaint(int fd, const char *what, int status)
{
    char text[401];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    for (char *p = text; *p; p++)
        if (*p == '\n') *p = ' ';
    return sn_fail(SN_E_INTERNAL, "%s: status %d: %s", what, status, text);
}

/* Runs the program; standard streams as given (NULL: /dev/null). */
static int run(const char *const *argv, const int *stdio)
{
    int err = memfd_create("err", MFD_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC),
        status = 0;
    if (err < 0 || null < 0) {
        if (err >= 0) close(err);
        return sn_fail(SN_E_FILES, "%s: descriptors", argv[0]);
    }
    pid_t pid = fork(); /* banned: no fibers */
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        for (int i = 0; i < 3; i++) {
            int fd = stdio && stdio[i] >= 0 ? stdio[i] : i == 2 ? err : null;
            if (dup2(fd, i) < 0) _exit(127); /* banned: no fibers */
        }
        execvp(argv[0], (char *const *)argv);
        _exit(127); /* banned: no fibers */
    }
    close(null);
    int r = pid < 0 ? sn_fail_errno(errno, "%s", argv[0]) : 0;
    if (r >= 0) {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
        if (!WIFEXITED(status) || WEXITSTATUS(status)) r = complaint(err, argv[0], status);
    }
    close(err);
    return r;
}

struct command {
    const char *argv[ARGS_MAX];
    unsigned n;
    char root[300];
};
static void arg(struct command *m, const char *s)
{
    SN_ASSERT(m->n + 1 < ARGS_MAX);
    m->argv[m->n++] = s;
    m->argv[m->n] = NULL;
}
static void begin(struct keeper *k, struct keeper_ctr *c, struct command *m, const char *verb)
{
    m->n = 0;
    snprintf(m->root, sizeof m->root, "%s/runtime", k->dir);
    arg(m, c->runtime);
    arg(m, "--root");
    arg(m, m->root);
    arg(m, verb);
}

static int read_pid(const char *path, pid_t *ret)
{
    char text[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    (void)unlink(path);
    if (n <= 0) return sn_fail(SN_E_INTERNAL, "%s: no pid in it", path);
    text[n] = 0;
    *ret = (pid_t)atoi(text); /* banned: no fibers */
    return *ret > 0 ? 0 : sn_fail(SN_E_INTERNAL, "%s: no pid in it", path);
}

static int console_socket(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path)
        return sn_fail(SN_E_TOO_LARGE, "%s is too long for a socket", path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    (void)unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* banned: no fibers */
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1) < 0) {
        int err = errno;
        if (fd >= 0) close(fd);
        return sn_fail_errno(err, "%s", path);
    }
    return fd;
}

/* The terminal's master end, as runc and crun send it. */
static int receive_console(int listener, int *ret)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    if (poll(&p, 1, KEEPER_RT_WAIT_S * 1000) != 1) /* banned: no fibers */
        return sn_fail(SN_E_DEADLINE_EXCEEDED, "the runtime sent no terminal");
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC); /* banned: no fibers */
    if (fd < 0) return sn_fail_errno(errno, "terminal's socket");
    char data[256], ctl[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {data, sizeof data};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = ctl,
                       .msg_controllen = sizeof ctl};
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC); /* banned: no fibers */
    struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    close(fd);
    if (!h || h->cmsg_type != SCM_RIGHTS)
        return sn_fail(SN_E_PROTOCOL, "the runtime sent no terminal");
    memcpy(ret, CMSG_DATA(h), sizeof *ret);
    return 0;
}

/* create and exec of a program: they leave a pid in a file and perhaps a terminal at a socket. */
static int run_process(struct keeper *k, struct command *m, const char *id, const int *stdio,
                       int *ret_console, pid_t *ret)
{
    char pid_file[320], sock[320];
    int listener = -1;
    snprintf(pid_file, sizeof pid_file, "%s/pid", k->dir);
    snprintf(sock, sizeof sock, "%s/tty", k->dir);
    arg(m, "--pid-file");
    arg(m, pid_file);
    if (ret_console) {
        listener = console_socket(sock);
        if (listener < 0) return listener;
        arg(m, "--console-socket");
        arg(m, sock);
    }
    arg(m, id);
    int r = run(m->argv, stdio);
    if (r >= 0) r = read_pid(pid_file, ret);
    if (r >= 0 && ret_console) r = receive_console(listener, ret_console);
    if (listener >= 0) {
        close(listener);
        (void)unlink(sock);
    }
    return r;
}

static int put_file(struct keeper *k, const char *name, struct sn_str text, char path[320])
{
    snprintf(path, 320, "%s/%s", k->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "%s", path);
    bool ok = write(fd, text.ptr, text.len) == (ssize_t)text.len;
    close(fd);
    return ok ? 0 : sn_fail(SN_E_IO, "write %s", path);
}

/* ---- either ---- */

int keeper_rt_create(struct keeper *k, struct keeper_ctr *c, const struct keeper_rt_create *o)
{
    if (c->runtime) {
        struct command m;
        begin(k, c, &m, "create");
        arg(&m, "--bundle");
        arg(&m, c->bundle);
        return run_process(k, &m, c->id, o->stdio, o->ret_console, &c->pid);
    }
    char shm[300];
    snprintf(shm, sizeof shm, "%s/shm", k->dir);
    const struct sn_oci_source held = {shm, k->shm};
    struct sn_oci_host h = host_of(k);
    struct sn_oci_create_opts co = {.id = c->id,
                                    .bundle = c->bundle,
                                    .stdio = o->stdio,
                                    .ret_console = o->ret_console,
                                    .root_tree = o->root_tree,
                                    .sources = &held,
                                    .n_sources = k->shm >= 0};
    int r = sn_oci_create(&h, &co, &c->oci);
    if (r >= 0) c->pid = sn_oci_pid(c->oci);
    return r;
}

int keeper_rt_start(struct keeper *k, struct keeper_ctr *c)
{
    if (!c->runtime) return sn_oci_start(c->oci);
    struct command m;
    begin(k, c, &m, "start");
    arg(&m, c->id);
    return run(m.argv, NULL);
}

int keeper_rt_kill(struct keeper *k, struct keeper_ctr *c, int sig, bool all)
{
    char num[12];
    struct command m;
    if (!c->runtime) return sn_oci_kill(c->oci, sig, all);
    snprintf(num, sizeof num, "%d", sig);
    begin(k, c, &m, "kill");
    if (all) arg(&m, "--all");
    arg(&m, c->id);
    arg(&m, num);
    return run(m.argv, NULL);
}

int keeper_rt_update(struct keeper *k, struct keeper_ctr *c, const struct sn_json *resources)
{
    char path[320];
    struct command m;
    if (!c->runtime) return sn_oci_update(c->oci, resources);
    sn_buf_reset(&k->scratch);
    int r = sn_json_write(&k->scratch, resources, NULL);
    if (r >= 0) r = put_file(k, "update.json", sn_buf_view(&k->scratch), path);
    if (r < 0) return r;
    begin(k, c, &m, "update");
    arg(&m, "-r");
    arg(&m, path);
    arg(&m, c->id);
    return run(m.argv, NULL);
}

int keeper_rt_exec(struct keeper *k, struct keeper_ctr *c, struct sn_str process, const int *stdio,
                   int *ret_console, pid_t *ret_pid)
{
    char path[320];
    struct command m;
    if (!c->runtime) {
        struct sn_oci_process p;
        struct sn_oci_exec_opts o = {.process = process,
                                     .stdio = stdio,
                                     .ret_console = ret_console};
        int r = sn_oci_exec(c->oci, &o, &p);
        if (r < 0) return r;
        close(p.pidfd);
        *ret_pid = p.pid;
        return 0;
    }
    int r = put_file(k, "process.json", process, path);
    if (r < 0) return r;
    begin(k, c, &m, "exec");
    arg(&m, "--detach");
    arg(&m, "--process");
    arg(&m, path);
    return run_process(k, &m, c->id, stdio, ret_console, ret_pid);
}

int keeper_rt_delete(struct keeper *k, struct keeper_ctr *c)
{
    struct command m;
    if (!c->runtime) return c->oci ? sn_oci_delete(c->oci, true) : 0;
    begin(k, c, &m, "delete");
    arg(&m, "--force");
    arg(&m, c->id);
    return run(m.argv, NULL);
}
