/* SPDX-License-Identifier: Apache-2.0 */
/* cni/exec.c - foreign plugins: programs run with a deadline. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clusters/cni/cni_int.h"
#include "core/status.h"
#include "fiber/net.h"
#include "fiber/os.h"

#define ENV_MAX 12u
#define STDERR_SHOWN 200u

static int find_program(const struct cni_exec *x, char *out, size_t cap)
{
    struct sn_str dirs = sn_str(x->bin_dirs);
    while (dirs.ptr) {
        struct sn_str d = sn_str_cut(&dirs, ':');
        if (!d.len ||
            snprintf(out, cap, "%.*s/%.*s", SN_STR_ARG(d), SN_STR_ARG(x->type)) >= (int)cap)
            continue;
        if (access(out, X_OK) == 0) return 0;
    }
    return sn_fail(SN_E_NOT_FOUND, "CNI plugin \"%.*s\" is not in %s", SN_STR_ARG(x->type),
                   x->bin_dirs);
}

int cni_exec_find(const char *bin_dirs, struct sn_str type)
{
    char path[512];
    return find_program(&(struct cni_exec){.bin_dirs = bin_dirs, .type = type}, path, sizeof path);
}

static int make_env(const struct cni_exec *x, struct sn_arena *a, const char *env[ENV_MAX])
{
    const struct sn_cni_pod *p = x->pod;
    const char *path = getenv("PATH"); /* banned: plugins inherit PATH */
    unsigned n = 0;
    struct sn_str e[ENV_MAX];
    e[n++] = sn_arena_printf(a, "CNI_COMMAND=%s", x->command);
    e[n++] = sn_arena_printf(a, "CNI_PATH=%s", x->bin_dirs);
    e[n++] = sn_arena_printf(a, "PATH=%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
    if (p) {
        e[n++] = sn_arena_printf(a, "CNI_CONTAINERID=%s", p->id);
        e[n++] = sn_arena_printf(a, "CNI_IFNAME=%s", x->ifname);
        e[n++] = sn_arena_printf(a, "CNI_NETNS=%s", p->netns ? p->netns : "");
        e[n++] = sn_arena_printf(a,
                                 "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=%s;"
                                 "K8S_POD_INFRA_CONTAINER_ID=%s;K8S_POD_UID=%s",
                                 p->ns ? p->ns : "", p->name ? p->name : "", p->id,
                                 p->uid ? p->uid : "");
    }
    for (unsigned i = 0; i < n; i++) {
        if (!e[i].ptr) return SN_E_NOMEM;
        env[i] = e[i].ptr;
    }
    env[n] = NULL;
    return 0;
}

/* A file in memory; what is in it is read from the start. */
static int memory_file(struct sn_str text)
{
    int fd = memfd_create("cni", MFD_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "memfd");
    if (text.len &&
        (write(fd, text.ptr, text.len) != (ssize_t)text.len || lseek(fd, 0, SEEK_SET) < 0)) {
        int err = errno;
        close(fd);
        return sn_fail_errno(err, "memfd");
    }
    return fd;
}

/* Everything up to the end of the pipe. */
static int read_pipe(int fd, struct sn_buf *out)
{
    for (;;) {
        int r = sn_buf_reserve(out, 4096);
        if (r < 0)
            return r == SN_E_TOO_LARGE
                       ? sn_fail(r, "its output is longer than %u bytes", SN_CNI_RESULT_BYTES_MAX)
                       : r;
        ssize_t n = read(fd, out->ptr + out->len, out->cap - out->len);
        if (n == 0) return 0;
        if (n > 0) {
            out->len += (size_t)n;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return sn_fail_errno(errno, "read its output");
        r = sn_fd_wait(fd, EPOLLIN);
        if (r < 0) return r;
    }
}

/* The plugin's own words: {"code", "msg", "details"}, else what it wrote to standard error. */
static int complaint(const struct cni_exec *x, struct sn_arena *a, struct sn_str out, int err_fd,
                     int code)
{
    const struct sn_json *v;
    if (sn_json_parse(a, out, NULL, &v) == 0 && sn_json_str(sn_json_get(v, "msg")).len) {
        struct sn_str msg = sn_json_str(sn_json_get(v, "msg")),
                      details = sn_json_str(sn_json_get(v, "details"));
        int64_t num = sn_json_i64_or(sn_json_get(v, "code"), 0);
        return sn_fail(num == 11 ? SN_E_ABORTED : SN_E_UNAVAILABLE,
                       "CNI plugin %.*s, %s: %.*s%s%.*s", SN_STR_ARG(x->type), x->command,
                       SN_STR_ARG(msg), details.len ? ": " : "", SN_STR_ARG(details));
    }
    char text[STDERR_SHOWN + 1];
    ssize_t n = pread(err_fd, text, STDERR_SHOWN, 0);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\r\n")] = 0;
    return sn_fail(SN_E_UNAVAILABLE, "CNI plugin %.*s, %s: exit status %d: %s", SN_STR_ARG(x->type),
                   x->command, code, text);
}

struct running {
    struct sn_proc p;
    int code;
};

/* The plugin has been killed: its end is waited for even by a cancelled fiber. */
static int reap(void *arg)
{
    struct running *run = arg;
    return sn_proc_wait(&run->p, &run->code);
}

static int run_it(const struct cni_exec *x, const struct sn_proc_opts *o, int out_fd,
                  struct sn_buf *out, int *ret_code)
{
    struct running run = {0};
    int r = sn_proc_start(o, &run.p);
    close(o->fds[1]); /* or its end would never be seen */
    if (r < 0) return r;
    int64_t prev = sn_deadline_tighten(sn_now() + x->ns_max);
    r = read_pipe(out_fd, out);
    if (r >= 0) r = sn_proc_wait(&run.p, &run.code);
    sn_deadline_restore(prev);
    if (r < 0) {
        (void)sn_proc_signal(&run.p, SIGKILL);
        if (run.p.pidfd >= 0) (void)sn_shield(10 * SN_SEC, reap, &run);
        if (r == SN_E_DEADLINE_EXCEEDED)
            return sn_fail(r, "CNI plugin %.*s, %s: killed, it did not end within %lld ms",
                           SN_STR_ARG(x->type), x->command, (long long)(x->ns_max / SN_MS));
        return sn_wrap(r, "CNI plugin %.*s, %s", SN_STR_ARG(x->type), x->command);
    }
    *ret_code = run.code;
    return 0;
}

int cni_exec(const struct cni_exec *x, struct sn_arena *a, struct sn_str *ret_out)
{
    char path[512];
    const char *env[ENV_MAX], *argv[] = {path, NULL};
    int p[2], code = 0;
    int r = find_program(x, path, sizeof path);
    if (r >= 0) r = make_env(x, a, env);
    if (r < 0) return r;
    int in = memory_file(x->conf), err = memory_file((struct sn_str){0});
    if (in < 0 || err < 0 || pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0) {
        if (in >= 0) close(in);
        if (err >= 0) close(err);
        return in < 0 ? in : err < 0 ? err : sn_fail(SN_E_FILES, "CNI plugin: pipe");
    }
    (void)fcntl(p[1], F_SETFL, 0);
    struct sn_buf out;
    sn_buf_init(&out, SN_CNI_RESULT_BYTES_MAX);
    struct sn_proc_opts o = {.argv = argv, .env = env, .fds = {in, p[1], err}, .new_group = true};
    r = run_it(x, &o, p[0], &out, &code);
    if (r >= 0 && code != 0) r = complaint(x, a, sn_buf_view(&out), err, code);
    if (r >= 0 && ret_out) {
        *ret_out = sn_arena_str(a, sn_buf_view(&out));
        if (!ret_out->ptr) r = SN_E_NOMEM;
    }
    sn_buf_done(&out);
    close(p[0]);
    close(in);
    close(err);
    return r;
}
