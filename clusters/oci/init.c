/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init.c - child: the order of the steps, and how it talks to its parent. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "clusters/oci/init_int.h"

/* ---- messages ----------------------------------------------------------------------------------
 */

static int send_with_fd(int sock, struct iovec *v, size_t n, int fd)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } c = {0};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = n};
    if (fd >= 0) {
        m.msg_control = c.room;
        m.msg_controllen = sizeof(c.room);
        c.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
                               .cmsg_level = SOL_SOCKET,
                               .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
    }
    ssize_t r;
    do r = sendmsg(sock, &m, MSG_NOSIGNAL); /* banned: between parent and child, not the network */
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

int sn_oci_fd_send(int sock, const void *data, size_t n, int fd)
{
    struct iovec v = {(void *)(uintptr_t)data, n};
    return send_with_fd(sock, &v, 1, fd);
}

int sn_oci_message_send(int sock, int kind, int value, const char *text, int fd)
{
    int32_t head[2] = {kind, value};
    size_t n = text ? strnlen(text, SN_OCI_MESSAGE_MAX - 1) : 0;
    struct iovec v[2] = {{head, sizeof(head)}, {(void *)(uintptr_t)text, n}};
    return send_with_fd(sock, v, n ? 2 : 1, fd);
}

int sn_oci_message_receive(int sock, struct sn_oci_message *m, int *ret_fd)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } c = {0};
    struct iovec v = {m, sizeof(*m) - 1};
    struct msghdr h = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = c.room,
                       .msg_controllen = sizeof(c.room)};
    ssize_t r;
    do r = recvmsg(sock, &h, MSG_CMSG_CLOEXEC); /* banned: as above */
    while (r < 0 && errno == EINTR);
    if (r < 0) return errno == ECONNRESET ? -EPIPE : -errno;
    if (r == 0) return -EPIPE;
    if (r < (ssize_t)offsetof(struct sn_oci_message, text)) return -EPROTO;
    ((char *)m)[r] = 0;
    int fd = -1;
    struct cmsghdr *got = CMSG_FIRSTHDR(&h);
    if (got && got->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(got), sizeof(fd));
    if (ret_fd)
        *ret_fd = fd;
    else if (fd >= 0)
        close(fd);
    return 0;
}

void sn_oci_die(struct sn_oci_plan *p, int err, const char *fmt, ...)
{
    char text[SN_OCI_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (p->ready && p->state) {
        size_t n = strnlen(text, SN_OCI_STATE_ERROR_MAX - 1);
        memcpy(p->state->error, text, n);
        p->state->error[n] = 0;
        atomic_store_explicit(&p->state->failed, (uint32_t)(err ? err : EINVAL),
                              memory_order_release);
    } else {
        (void)sn_oci_message_send(p->sock, SN_OCI_MSG_FAILED, err, text, -1);
    }
    _exit(err == ENOENT ? 127 : err == EACCES ? 126 : 1); /* banned: the child of a clone */
}

/* Tells the parent and waits for its word; the answer carries our pid as the parent sees it. */
static void ask(struct sn_oci_plan *p, int kind)
{
    struct sn_oci_message m;
    int e = sn_oci_message_send(p->sock, kind, 0, NULL, -1);
    if (e == 0) e = sn_oci_message_receive(p->sock, &m, NULL);
    if (e < 0 || m.kind != SN_OCI_MSG_GO) _exit(1); /* banned: the parent gave up */
    p->pid = m.value;
}

/* ---- first steps -------------------------------------------------------------------------------
 */

static int by_number(const int *fds, size_t n, int above)
{
    int least = -1;
    for (size_t i = 0; i < n; i++)
        if (fds[i] > above && (least < 0 || fds[i] < least)) least = fds[i];
    return least;
}

/* Descriptors of the calling program, whichever thread opened them, are closed but for the plan's.
 */
void sn_oci_close_others(const struct sn_oci_plan *p)
{
    int keep[16 + SN_OCI_NAMESPACES];
    size_t n = 0;
    const int ours[] = {p->sock,         p->lock,      p->proc,    p->stdio[0],     p->stdio[1],
                        p->stdio[2],     p->root_tree, p->target,  p->console_sock, p->exe,
                        p->seccomp_sock, p->pid_to,    p->nodes_fs};
    for (size_t i = 0; i < SN_COUNT_OF(ours); i++) keep[n++] = ours[i];
    for (size_t i = 0; i < SN_OCI_NAMESPACES; i++) keep[n++] = p->ns_fd[i];
    unsigned from = 3 + p->preserve_fds;
    for (int last = (int)from - 1;;) {
        int next = by_number(keep, n, last);
        for (size_t i = 0; p->mounts && i < p->spec->mounts.n; i++) {
            int m = p->mounts[i].tree;
            if (m > last && (next < 0 || m < next)) next = m;
        }
        if (next < 0) break;
        if ((unsigned)next > from) close_range(from, (unsigned)next - 1, 0);
        from = (unsigned)next + 1;
        last = next;
    }
    close_range(from, ~0u, 0);
}

void sn_oci_stage(struct sn_oci_plan *p)
{
    sigset_t none;
    sigemptyset(&none);
    if (p->affinity_in_child && p->process->affinity.initial_set &&
        syscall(SYS_sched_setaffinity, 0, sizeof(cpu_set_t), &p->process->affinity.initial) < 0)
        sn_oci_die(p, errno, "set the CPU affinity");
    if (p->cgroup) {
        int e = sn_cgroup_attach(p->cgroup, 0, p->born_v2);
        if (e < 0 && !p->rootless) sn_oci_die(p, -e, "join the cgroup");
    }
    sn_oci_close_others(p);
    /* Mapped from our own description of the file. The maker's, which its mapping would keep open
     * as long as we live, holds its lock: nobody could delete what a maker that was killed left. */
    if (p->state && p->lock >= 0 &&
        mmap(p->state, p->state->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, p->lock,
             0) == MAP_FAILED)
        sn_oci_die(p, errno, "map the state file");
    /* CLONE_CLEAR_SIGHAND took the handlers, but what was ignored and blocked was inherited. The
     * kernel is asked itself: a libc keeps some real-time signals from its callers, musl three. */
    static const uint64_t by_default[4]; /* struct sigaction of the kernel: SIG_DFL, no flags */
    for (int s = 1; s < 65; s++)
        if (s != SIGKILL && s != SIGSTOP)
            (void)syscall(SYS_rt_sigaction, s, by_default, NULL, sizeof(uint64_t));
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (p->exe >= 0) {
        int e = sn_oci_protect_self(p->exe, p->exe_text);
        /* In a user namespace the file is not the container's to write, whatever it sees. */
        if (e < 0 && !p->userns) sn_oci_die(p, -e, "protect the runtime's own file");
        sn_oci_close_fd(&p->exe);
    }
}

static void join_namespaces(struct sn_oci_plan *p)
{
    for (size_t i = 0; i < p->spec->namespaces.n && i < SN_OCI_NAMESPACES; i++) {
        if (p->ns_fd[i] < 0) continue;
        uint64_t flag = p->ns_flag[i];
        /* User and pid were entered by stage 0: they count for children only, or for all others. */
        if (!(flag & (CLONE_NEWUSER | CLONE_NEWPID)) && setns(p->ns_fd[i], (int)flag) < 0)
            sn_oci_die(p, errno, "join the %s namespace %s", p->spec->namespaces.ptr[i].type,
                       p->spec->namespaces.ptr[i].path);
        sn_oci_close_fd(&p->ns_fd[i]);
    }
    /* Its root is where we are now: after the attaching. */
    if ((p->spec->ns_new & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
        sn_oci_die(p, errno, "make a cgroup namespace");
    if (!(p->spec->ns_new & CLONE_NEWTIME)) return;
    if (unshare(CLONE_NEWTIME) < 0) sn_oci_die(p, errno, "make a time namespace");
    char text[128];
    const struct sn_oci_time_offset *b = &p->spec->boottime, *m = &p->spec->monotonic;
    int n = snprintf(text, sizeof(text), "monotonic %lld %lld\nboottime %lld %lld\n",
                     (long long)m->secs, (long long)m->nanosecs, (long long)b->secs,
                     (long long)b->nanosecs);
    int e = p->spec->time_offsets
                ? sn_oci_write_file(p->proc, "self/timens_offsets", text, (size_t)n)
                : 0;
    if (e < 0) sn_oci_die(p, -e, "set the time offsets");
}

/* ---- inside ------------------------------------------------------------------------------------
 */

static void run_hooks(struct sn_oci_plan *p, enum sn_oci_hook_kind kind, const char *name,
                      const char *status)
{
    const struct sn_oci_hook_list *l = &p->spec->hooks[kind];
    char text[SN_OCI_MESSAGE_MAX], *none[] = {NULL};
    for (size_t i = 0; i < l->n; i++) {
        int e = sn_oci_hook_run(&l->ptr[i], none, &p->hook_state, status, p->pid, text);
        if (e < 0)
            sn_oci_die(p, EINVAL, "error running %s hook #%zu (%.128s): %.128s", name, i,
                       l->ptr[i].path, text);
        if (e > 0) sn_oci_die(p, e, "error running %s hook #%zu (%.128s)", name, i, l->ptr[i].path);
    }
}

/* The kernel shows the sysctls of the writer's own namespaces whichever /proc it uses: the host's
 * is one that the container cannot have prepared. */
static void set_sysctls(struct sn_oci_plan *p)
{
    for (size_t i = 0; i < p->spec->sysctl.n; i++) {
        const struct sn_oci_kv *kv = &p->spec->sysctl.ptr[i];
        int n = snprintf(p->part, sizeof(p->part), "sys/%s", kv->key);
        if (n < 0 || (size_t)n >= sizeof(p->part))
            sn_oci_die(p, ENAMETOOLONG, "sysctl %.64s", kv->key);
        char *name = p->part + 4, *sep = strpbrk(name, "./");
        bool dots = sep && *sep == '.';
        for (char *c = name; *c; c++)
            if (dots) *c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
        int e = sn_oci_write_file(p->proc, p->part, kv->value, strlen(kv->value));
        if (e < 0) sn_oci_die(p, -e, "sysctl %.128s = %.64s", kv->key, kv->value);
    }
}

static void set_names(struct sn_oci_plan *p)
{
    const char *h = p->spec->hostname, *d = p->spec->domainname;
    if (h && h[0] && sethostname(h, strlen(h)) < 0)
        sn_oci_die(p, errno, "set the host name %.64s", h);
    if (d && d[0] && setdomainname(d, strlen(d)) < 0)
        sn_oci_die(p, errno, "set the domain name %.64s", d);
}

static int open_cwd(struct sn_oci_plan *p)
{
    /* Magic links are refused, so that no inherited descriptor becomes the working directory
     * (CVE-2024-21626). */
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, p->process->cwd, &how, sizeof(how));
    if (fd < 0)
        sn_oci_die(p, errno, "chdir to cwd (\"%.200s\") set in config.json", p->process->cwd);
    return fd;
}

static void build_root(struct sn_oci_plan *p)
{
    umask(0);
    int root = sn_oci_root_open(p);
    sn_oci_mount_all(p, root);
    sn_oci_devices(p, root);
    if (p->process && p->process->cwd) sn_oci_mkdirs(p, root, p->process->cwd, 0755);
    if (p->process && p->process->terminal) sn_oci_console(p, root, true);
    if (p->sync) ask(p, SN_OCI_MSG_HOOKS);
    set_sysctls(p);
    set_names(p);
    run_hooks(p, SN_OCI_HOOK_CREATE_CONTAINER, "createContainer", "creating");
    sn_oci_mask(p, root);
    sn_oci_root_enter(p, root);
    close(root);
}

static void load_seccomp_early(struct sn_oci_plan *p)
{
    const struct sn_seccomp_filter *f = p->seccomp;
    if (!f || (p->process->no_new_privs && !f->notify)) return;
    int listener = -1, e = 0;
    if (p->process->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) e = -errno;
    if (e == 0) e = sn_seccomp_load(f, &listener);
    if (e < 0) sn_oci_die(p, -e, "load the seccomp filter");
    p->seccomp = NULL;
    if (listener < 0) return;
    if (p->seccomp_sock < 0)
        sn_oci_die(p, EINVAL, "linux.seccomp.listenerPath: is missing, SCMP_ACT_NOTIFY needs it");
    char number[16];
    int n = snprintf(number, sizeof(number), "%d", (int)p->pid);
    const struct sn_oci_hook_state *s = &p->listener_state;
    struct iovec v[] = {{(void *)(uintptr_t)s->head.ptr, s->head.len},
                        {number, (size_t)n},
                        {(void *)(uintptr_t)s->middle.ptr, s->middle.len},
                        {number, (size_t)n},
                        {(void *)(uintptr_t)s->tail.ptr, s->tail.len}};
    e = send_with_fd(p->seccomp_sock, v, SN_COUNT_OF(v), listener);
    if (e < 0) sn_oci_die(p, -e, "send the seccomp listener");
    close(listener);
    sn_oci_close_fd(&p->seccomp_sock);
}

SN_NORETURN static void run_program(struct sn_oci_plan *p)
{
    int cwd = open_cwd(p);
    sn_oci_home(p);
    sn_oci_limits(p);
    sn_oci_labels(p);
    load_seccomp_early(p);
    sn_oci_credentials(p);
    if (p->state) run_hooks(p, SN_OCI_HOOK_START_CONTAINER, "startContainer", "created");
    sn_oci_execute(p, cwd);
}

void sn_oci_init(struct sn_oci_plan *p)
{
    if (p->want_maps) ask(p, SN_OCI_MSG_MAPS);
    sn_oci_become_root(p);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    join_namespaces(p);
    if (setsid() < 0 && errno != EPERM) sn_oci_die(p, errno, "setsid");
    build_root(p);
    if (p->process) {
        sn_oci_program_check(p);
        sn_oci_stdio(p);
    }
    int e = sn_oci_message_send(p->sock, SN_OCI_MSG_READY, 0, NULL, -1);
    if (e < 0) _exit(1); /* banned: the parent is gone */
    /* Its answer says that the state is written; its end, that nobody will ever start us. */
    struct sn_oci_message m;
    if (sn_oci_message_receive(p->sock, &m, NULL) < 0) _exit(1); /* banned: the parent gave up */
    p->pid = m.value;
    sn_oci_close_fd(&p->sock);
    p->ready = true;
    sn_oci_wait_start(p->state);
    if (!p->process)
        sn_oci_die(p, EINVAL, "config.json: process: is missing, there is nothing to start");
    run_program(p);
}

void sn_oci_init_exec(struct sn_oci_plan *p)
{
    sn_oci_become_root(p);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    umask(0);
    /* Without a mount namespace of the container's own its root is only a chroot. */
    if (p->shared_mounts && (chdir(p->rootfs) < 0 || chroot(".") < 0))
        sn_oci_die(p, errno, "enter the root %s", p->rootfs);
    if (setsid() < 0 && errno != EPERM) sn_oci_die(p, errno, "setsid");
    if (p->want_maps) ask(p, SN_OCI_MSG_MAPS); /* the parent sets limits; it has our pid */
    if (p->process->terminal) {
        int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0) sn_oci_die(p, errno, "open the root");
        sn_oci_console(p, root, false);
        close(root);
    }
    sn_oci_stdio(p);
    run_program(p);
}
