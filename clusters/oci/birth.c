/* SPDX-License-Identifier: Apache-2.0 */
/* oci/birth.c - parent: what create and exec share: descriptors, the clone, answering the child. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "clusters/oci/parent_int.h"

#define SN_OCI_ARENA_MAX (64u << 20)

void sn_oci_host_warn(const struct sn_oci_host *h, const char *fmt, ...)
{
    if (!h->warn) return;
    char text[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    h->warn(h->warn_arg, text);
}

int sn_oci_birth_init(struct sn_oci_birth *b, const struct sn_oci_host *h)
{
    memset(b, 0, sizeof(*b));
    b->host = *h;
    b->sock = b->pidfd = b->null_fd = b->console = -1;
    sn_arena_init(&b->arena, NULL, SN_OCI_ARENA_MAX);
    b->spec = SN_ARENA_NEW(&b->arena, struct sn_oci_spec);
    b->plan = SN_ARENA_NEW(&b->arena, struct sn_oci_plan);
    b->process = SN_ARENA_NEW(&b->arena, struct sn_oci_process_spec);
    if (!b->spec || !b->plan || !b->process) {
        sn_arena_done(&b->arena);
        return SN_E_NOMEM;
    }
    struct sn_oci_plan *p = b->plan;
    p->spec = b->spec;
    p->sock = p->pid_to = p->lock = p->proc = p->root_tree = p->nodes_fs = p->target =
        p->console_sock = p->exe = p->seccomp_sock = -1;
    for (int i = 0; i < SN_OCI_NAMESPACES; i++) p->ns_fd[i] = -1;
    p->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int e = p->proc < 0 ? sn_fail_errno(errno, "open /proc") : 0;
    p->exe_text = h->protect_fd || sn_oci_protect_text();
    if (e == 0 && h->protect_fd) {
        if ((p->exe = fcntl(*h->protect_fd, F_DUPFD_CLOEXEC, 3)) < 0)
            e = sn_fail_errno(errno, "duplicate protect_fd");
    } else if (e == 0 && sn_oci_protects() && (p->exe = sn_oci_protect_file(p->exe_text)) < 0) {
        e = sn_fail_errno(-p->exe, "copy the program into a sealed file");
    }
    if (e < 0) sn_oci_birth_done(b, false);
    return e;
}

void sn_oci_birth_kill(struct sn_oci_birth *b)
{
    siginfo_t si;
    if (b->pidfd < 0) return;
    sn_oci_pidfd_signal(b->pidfd, SIGKILL);
    while (waitid((idtype_t)P_PIDFD, (id_t)b->pidfd, &si, WEXITED | __WALL) < 0 && errno == EINTR)
        continue;
    sn_oci_close_fd(&b->pidfd);
}

void sn_oci_birth_done(struct sn_oci_birth *b, bool keep)
{
    struct sn_oci_plan *p = b->plan;
    if (!keep) sn_oci_birth_kill(b);
    int *all[] = {&p->sock,     &p->lock,         &p->proc,    &p->root_tree,
                  &p->nodes_fs, &p->console_sock, &p->exe,     &p->seccomp_sock,
                  &b->sock,     &b->pidfd,        &b->null_fd, &b->console};
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) sn_oci_close_fd(all[i]);
    for (int i = 0; i < SN_OCI_NAMESPACES; i++) sn_oci_close_fd(&p->ns_fd[i]);
    for (size_t i = 0; p->mounts && i < b->spec->mounts.n; i++) sn_oci_close_fd(&p->mounts[i].tree);
    sn_arena_done(&b->arena);
}

int sn_oci_birth_streams(struct sn_oci_birth *b, const struct sn_oci_streams *s)
{
    struct sn_oci_plan *p = b->plan;
    if (s->terminal && !s->console_socket && !s->ret_console)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "cannot allocate tty if runc will detach without setting console socket");
    if (!s->terminal && s->console_socket)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "cannot use console socket if runc will not detach or allocate tty");
    if (s->preserve_fds > SN_OCI_PRESERVE_FDS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "preserve-fds: %u: at most %d are allowed",
                       s->preserve_fds, SN_OCI_PRESERVE_FDS_MAX);
    p->preserve_fds = s->preserve_fds;
    for (int i = 0; i < 3; i++) {
        p->stdio[i] = s->stdio ? s->stdio[i] : i;
        if (p->stdio[i] >= 0) continue;
        if (b->null_fd < 0 && (b->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
            return sn_fail_errno(errno, "open /dev/null");
        p->stdio[i] = b->null_fd;
    }
    if (s->console_socket && (p->console_sock = sn_oci_socket_connect(s->console_socket)) < 0)
        return sn_wrap(p->console_sock, "console socket");
    p->console_wanted = s->ret_console != NULL;
    b->ret_console = s->ret_console;
    return 0;
}

/* Whether a later entry has the same name: it wins, where execve would leave both and libc take the
 * first. */
static bool set_again(const struct sn_oci_strs *env, size_t i)
{
    const char *one = env->ptr[i];
    size_t n = strcspn(one, "=");
    for (size_t k = i + 1; k < env->n; k++)
        if (strncmp(env->ptr[k], one, n) == 0 && (env->ptr[k][n] == '=' || !env->ptr[k][n]))
            return true;
    return false;
}

int sn_oci_birth_env(struct sn_oci_birth *b, unsigned listen_fds)
{
    const struct sn_oci_strs *env = &b->plan->process->env;
    const char **to = SN_ARENA_ARRAY(&b->arena, const char *, env->n + 4);
    b->plan->env = to;
    b->plan->home = sn_arena_alloc(&b->arena, SN_OCI_HOME_MAX);
    if (!to || !b->plan->home) return SN_E_NOMEM;
    for (size_t i = 0; i < env->n; i++)
        if (!set_again(env, i)) *to++ = env->ptr[i];
    if (!listen_fds) return 0;
    struct sn_str n = sn_arena_printf(&b->arena, "LISTEN_FDS=%u", listen_fds);
    *to++ = n.ptr;
    *to++ = "LISTEN_PID=1"; /* as runc: the container's first process */
    return n.ptr ? 0 : SN_E_NOMEM;
}

int sn_oci_birth_seccomp(struct sn_oci_birth *b, const char *root)
{
    if (!b->spec->seccomp) return 0;
    /* One folder for all containers of the root; profiles are few, and most containers share one.
     */
    struct sn_str path = sn_arena_printf(&b->arena, "%s/.seccomp", root);
    if (!path.ptr) return SN_E_NOMEM;
    int dir = open(path.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0 && errno == ENOENT && (mkdir(path.ptr, 0700) == 0 || errno == EEXIST))
        dir = open(path.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int e = dir < 0 ? sn_seccomp_compile(&b->arena, b->spec->seccomp, &b->filter)
                    : sn_seccomp_cached(&b->arena, dir, b->spec->seccomp, &b->filter, NULL);
    sn_oci_close_fd(&dir);
    if (e < 0) return sn_wrap(e, "config.json");
    /* Unknown names are expected: profiles have those of newer kernels and other machines. */
    b->plan->seccomp = &b->filter;
    if (!b->filter.notify || !b->filter.listener_path.len) return 0;
    struct sn_str at = sn_arena_str(&b->arena, b->filter.listener_path);
    if (!at.ptr) return SN_E_NOMEM;
    if ((b->plan->seccomp_sock = sn_oci_socket_connect(at.ptr)) < 0)
        return sn_wrap(b->plan->seccomp_sock, "linux.seccomp.listenerPath");
    return 0;
}

/* ---- the clone ---------------------------------------------------------------------------------
 */

/* Stage 0 enters what counts for children only (pid) or must come before all else (user), makes the
 * real child as a child of our parent, and is gone. The child's pid goes by a pipe of its own: on
 * the socket, the child's first word may overtake it. */
SN_NORETURN static void stage0(struct sn_oci_plan *p, uint64_t flags,
                               void (*fn)(struct sn_oci_plan *))
{
    sn_oci_stage(p);
    if (p->target >= 0 && setns(p->target, (int)p->target_flags) < 0)
        sn_oci_die(p, errno, "enter the container's namespaces");
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < SN_OCI_NAMESPACES; i++) {
            uint64_t want = pass ? CLONE_NEWPID : CLONE_NEWUSER;
            if (p->ns_fd[i] >= 0 && p->ns_flag[i] == want && setns(p->ns_fd[i], (int)want) < 0)
                sn_oci_die(p, errno, "join the %s namespace %s", pass ? "pid" : "user",
                           p->spec->namespaces.ptr[i].path);
        }
    struct clone_args a = {.flags = flags | CLONE_PARENT};
    pid_t pid = sn_oci_clone3(&a);
    if (pid == 0) {
        sn_oci_close_fd(&p->pid_to);
        fn(p);
        __builtin_unreachable();
    }
    if (pid < 0) sn_oci_die(p, errno, "clone");
    if (write(p->pid_to, &pid, sizeof(pid)) != sizeof(pid)) kill(pid, SIGKILL);
    _exit(0); /* banned: the child of a clone */
}

SN_NORETURN static void direct(struct sn_oci_plan *p, void (*fn)(struct sn_oci_plan *))
{
    sn_oci_stage(p);
    uint64_t rest = p->target_flags & ~(uint64_t)CLONE_NEWPID;
    if (p->target >= 0 && rest && setns(p->target, (int)rest) < 0)
        sn_oci_die(p, errno, "enter the container's namespaces");
    fn(p);
    __builtin_unreachable();
}

static int failed(const struct sn_oci_message *m)
{
    int code = m->value == ENOENT ? SN_E_NOT_FOUND : sn_status_from_errno(m->value);
    return sn_fail_errno(m->value, "%s", m->text) < 0 ? code : code;
}

static int dead(void)
{
    return sn_fail(SN_E_ABORTED, "the container's process ended before it was ready");
}

/* Stage 0's word: the pid of the real child, or why there is none; then stage 0 is reaped. */
static int adopt(struct sn_oci_birth *b, int from)
{
    struct sn_oci_message m;
    siginfo_t si;
    pid_t pid = 0;
    ssize_t n;
    do n = read(from, &pid, sizeof(pid));
    while (n < 0 && errno == EINTR);
    while (waitid((idtype_t)P_PIDFD, (id_t)b->pidfd, &si, WEXITED | __WALL) < 0 && errno == EINTR)
        continue;
    sn_oci_close_fd(&b->pidfd);
    if (n != sizeof(pid)) {
        int e = sn_oci_message_receive(b->sock, &m, NULL);
        return e == 0 && m.kind == SN_OCI_MSG_FAILED ? failed(&m) : dead();
    }
    b->pid = pid;
    b->pidfd = sn_oci_pidfd_open(pid);
    return b->pidfd < 0 ? sn_fail_errno(errno, "pidfd of the container") : 0;
}

int sn_oci_birth_spawn(struct sn_oci_birth *b, uint64_t flags, void (*fn)(struct sn_oci_plan *))
{
    struct sn_oci_plan *p = b->plan;
    int pair[2], word[2] = {-1, -1};
    bool two = p->target >= 0 && !p->direct;
    for (int i = 0; i < SN_OCI_NAMESPACES; i++)
        two |= p->ns_fd[i] >= 0 && (p->ns_flag[i] & (CLONE_NEWUSER | CLONE_NEWPID));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return sn_fail_errno(errno, "socketpair");
    b->sock = pair[0];
    p->sock = pair[1];
    if (two && pipe2(word, O_CLOEXEC) < 0) return sn_fail_errno(errno, "pipe");
    p->pid_to = word[1];
    int into = p->cgroup ? sn_cgroup_fd(p->cgroup) : -1;
    struct clone_args a = {.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | (two ? 0 : flags),
                           .pidfd = (uintptr_t)&b->pidfd,
                           .exit_signal = SIGCHLD};
    if (into >= 0) {
        a.flags |= CLONE_INTO_CGROUP;
        a.cgroup = (uint64_t)into;
    }
    p->born_v2 = into >= 0;
    pid_t pid = sn_oci_clone3(&a);
    if (pid < 0 && into >= 0 &&
        (errno == EACCES || errno == EPERM || errno == EOPNOTSUPP || errno == EBUSY)) {
        a.flags &= ~(uint64_t)CLONE_INTO_CGROUP;
        p->born_v2 = false;
        pid = sn_oci_clone3(&a);
    }
    if (pid == 0) {
        if (two) stage0(p, flags, fn);
        direct(p, fn);
    }
    int e = pid < 0 ? sn_fail_errno(errno, "clone the container's process") : 0;
    sn_oci_close_fd(&p->pid_to);
    if (e == 0) {
        b->pid = pid;
        sn_oci_close_fd(&p->sock);
        sn_oci_close_fd(&p->lock);
        if (two) e = adopt(b, word[0]);
    }
    sn_oci_close_fd(&word[0]);
    return e;
}

/* ---- answers -----------------------------------------------------------------------------------
 */

static int set_limits(struct sn_oci_birth *b)
{
    for (size_t i = 0; i < b->plan->process->rlimits.n; i++) {
        const struct sn_oci_rlimit *l = &b->plan->process->rlimits.ptr[i];
        struct rlimit64 r = {.rlim_cur = l->soft, .rlim_max = l->hard};
        /* Where that is refused the child tries itself, and says what could not be set. */
        (void)syscall(SYS_prlimit64, b->pid, l->type, &r, NULL);
    }
    return 0;
}

static int answer(struct sn_oci_birth *b, const struct sn_oci_message *m)
{
    const struct sn_oci_spec *s = b->spec;
    int e = 0;
    if (m->kind == SN_OCI_MSG_MAPS) {
        if (s->ns_new & CLONE_NEWUSER && b->plan->target < 0)
            e = sn_oci_userns_map(b->pid, &s->uid_maps, &s->gid_maps);
        if (e == 0 && b->plan->process) e = set_limits(b);
    } else {
        e = sn_oci_net_devices(s, b->pid);
        if (e == 0)
            e = sn_oci_hooks_run(&s->hooks[SN_OCI_HOOK_PRESTART], "prestart", &b->plan->hook_state,
                                 "created", b->pid);
        if (e == 0)
            e = sn_oci_hooks_run(&s->hooks[SN_OCI_HOOK_CREATE_RUNTIME], "createRuntime",
                                 &b->plan->hook_state, "creating", b->pid);
    }
    if (e < 0) return e;
    e = sn_oci_message_send(b->sock, SN_OCI_MSG_GO, b->pid, NULL, -1);
    return e < 0 ? dead() : 0;
}

int sn_oci_birth_serve(struct sn_oci_birth *b)
{
    for (;;) {
        struct sn_oci_message m;
        int fd = -1, e = sn_oci_message_receive(b->sock, &m, &fd);
        if (e == -EPIPE) return 0;
        if (e < 0) return sn_fail_errno(-e, "hear from the container's process");
        if (m.kind == SN_OCI_MSG_CONSOLE && fd >= 0) {
            sn_oci_close_fd(&b->console);
            b->console = fd;
            continue;
        }
        sn_oci_close_fd(&fd);
        if (m.kind == SN_OCI_MSG_FAILED) return failed(&m);
        if (m.kind == SN_OCI_MSG_READY) return 1;
        if ((e = answer(b, &m)) < 0) return e;
    }
}
