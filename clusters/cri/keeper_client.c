/* SPDX-License-Identifier: Apache-2.0 */
/* cri/keeper_client.c - a pod's keeper as the daemon sees it: started, asked, listened to. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"
#include "clusters/cri/keeper.h"

#define READY_NS (30 * SN_SEC)
#define CALL_NS (120 * SN_SEC)

/* ---- asking ---- */

void cri_msg_begin(struct cri_msg *m, const char *op, const char *id)
{
    *m = (struct cri_msg){0};
    sn_buf_init(&m->b, CRI_KEEPER_MESSAGE_MAX);
    sn_jsonw_init(&m->w, &m->b, NULL);
    sn_jsonw_object(&m->w);
    sn_jsonw_kstr(&m->w, "op", sn_str(op));
    if (id) sn_jsonw_kstr(&m->w, "id", sn_str(id));
}

static int send_message(struct cri_keeper *k, const struct cri_msg *m)
{
    char ctl[CMSG_SPACE(3 * sizeof(int))] = {0};
    struct iovec iov = {m->b.ptr, m->b.len};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (m->n_fds) {
        h.msg_control = ctl;
        h.msg_controllen = CMSG_SPACE(m->n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(m->n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), m->fds, m->n_fds * sizeof(int));
    }
    ssize_t n;
    do n = sendmsg(k->fd, &h, MSG_NOSIGNAL); /* banned: seqpacket */
    while (n < 0 && errno == EINTR);
    return n < 0 ? sn_fail(SN_E_UNAVAILABLE, "the pod's keeper is gone") : 0;
}

static int take_reply(struct cri_keeper *k, struct cri_msg *m, struct sn_arena *a,
                      const struct sn_json **ret)
{
    const struct sn_json *v;
    struct sn_str text = sn_arena_str(a, sn_buf_view(&k->reply));
    int r = text.ptr ? sn_json_parse(a, text, NULL, &v) : SN_E_NOMEM;
    if (r >= 0) {
        int err = (int)sn_json_i64_or(sn_json_get(v, "err"), SN_E_INTERNAL);
        if (err < 0) {
            struct sn_str msg = sn_json_str(sn_json_get(v, "msg"));
            r = sn_fail(err, "%.*s", SN_STR_ARG(msg));
        }
    }
    if (k->reply_fd >= 0) {
        if (m->ret_fd && r >= 0)
            *m->ret_fd = k->reply_fd;
        else
            close(k->reply_fd);
        k->reply_fd = -1;
    }
    if (r >= 0 && ret) *ret = v;
    return r;
}

static int wait_answer(void *arg) { return sn_event_wait(arg); }

int cri_keeper_call(struct cri_pod *p, struct cri_msg *m, struct sn_arena *a,
                    const struct sn_json **ret)
{
    struct cri_keeper *k = &p->keeper;
    struct sn_event answered = {0};
    struct sn_arena own;
    sn_arena_init(&own, NULL, 0);
    int r = sn_mutex_lock(&k->call);
    if (r >= 0) {
        sn_jsonw_ki64(&m->w, "seq", ++k->seq);
        sn_jsonw_object_end(&m->w);
        r = m->b.err < 0 ? m->b.err
            : k->dead    ? sn_fail(SN_E_UNAVAILABLE, "the pod's keeper is gone")
                         : 0;
        sn_buf_reset(&k->reply);
        k->waiting = &answered;
        if (r >= 0) r = send_message(k, m);
        /* A cancelled caller still waits for the answer: the request is under way. */
        if (r >= 0) r = sn_shield(CALL_NS, wait_answer, &answered);
        k->waiting = NULL;
        if (r >= 0 && k->dead && !k->reply.len)
            r = sn_fail(SN_E_UNAVAILABLE, "the pod's keeper is gone");
        if (r >= 0) r = take_reply(k, m, a ? a : &own, ret);
        sn_mutex_unlock(&k->call);
    }
    sn_buf_done(&m->b);
    sn_arena_done(&own);
    return r;
}

int cri_keeper_simple(struct cri_pod *p, const char *op, const char *id)
{
    struct cri_msg m;
    cri_msg_begin(&m, op, id);
    return cri_keeper_call(p, &m, NULL, NULL);
}

int cri_keeper_kill(struct cri_ctr *c, const char *key, int sig, bool all)
{
    struct cri_msg m;
    cri_msg_begin(&m, "kill", c->id);
    if (key) sn_jsonw_kstr(&m.w, "key", sn_str(key));
    sn_jsonw_ki64(&m.w, "sig", sig);
    sn_jsonw_kbool(&m.w, "all", all);
    return cri_keeper_call(c->pod, &m, NULL, NULL);
}

/* ---- listening ---- */

static void on_exit_event(struct cri_pod *p, const struct sn_json *v)
{
    struct sn_str id = sn_json_str(sn_json_get(v, "id")), key = sn_json_str(sn_json_get(v, "key"));
    int code = (int)sn_json_i64_or(sn_json_get(v, "code"), 255);
    int64_t at = sn_json_i64_or(sn_json_get(v, "at"), 0);
    struct cri_ctr *hit = NULL;
    sn_mutex_lock_always(&p->s->mu);
    if (key.len) {
        SN_LIST_EACH (&p->execs, it) {
            struct cri_exec *e = SN_LIST_ENTRY(it, struct cri_exec, link);
            if (!sn_str_eqc(key, e->key)) continue;
            e->code = code;
            sn_list_del(&e->link);
            sn_event_set(&e->ended);
        }
    } else {
        hit = sn_map_get(&p->s->ctrs, id);
        if (hit) hit->refs++;
    }
    sn_mutex_unlock(&p->s->mu);
    if (!hit) return;
    cri_ctr_exited(hit, code, at, sn_json_bool_or(sn_json_get(v, "oom"), false));
    cri_ctr_unref(hit);
}

static void on_message(struct cri_pod *p, struct sn_str text, int fd)
{
    struct cri_keeper *k = &p->keeper;
    struct sn_arena a;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 0);
    if (sn_json_parse(&a, text, NULL, &v) == 0) {
        if (sn_json_get(v, "event")) {
            on_exit_event(p, v);
        } else if (k->waiting && sn_json_i64_or(sn_json_get(v, "seq"), -1) == (int64_t)k->seq) {
            sn_buf_str(&k->reply, text);
            k->reply_fd = fd;
            fd = -1;
            sn_event_set(k->waiting);
        }
    }
    if (fd >= 0) close(fd);
    sn_arena_done(&a);
}

/* The keeper has ended without being told to: nobody will learn how its containers did. */
static void on_death(struct cri_pod *p)
{
    struct cri_keeper *k = &p->keeper;
    sn_mutex_lock_always(&p->s->mu);
    k->dead = true;
    bool was = p->ready;
    p->ready = false;
    SN_LIST_EACH (&p->execs, it) {
        struct cri_exec *e = SN_LIST_ENTRY(it, struct cri_exec, link);
        e->code = 255;
        sn_list_del(&e->link);
        sn_event_set(&e->ended);
    }
    sn_mutex_unlock(&p->s->mu);
    if (k->waiting) sn_event_set(k->waiting);
    for (bool more = was; more;) {
        struct cri_ctr *hit = NULL;
        sn_mutex_lock_always(&p->s->mu);
        SN_LIST_EACH (&p->ctrs, it) {
            struct cri_ctr *c = SN_LIST_ENTRY(it, struct cri_ctr, link);
            if (!hit && (c->state == CRI_RUNNING || c->starting)) hit = c;
        }
        if (hit) hit->refs++;
        sn_mutex_unlock(&p->s->mu);
        more = hit != NULL;
        if (!hit) break;
        hit->starting = false;
        cri_ctr_exited(hit, 255, sn_wall_now(), false);
        cri_ctr_reap(hit);
        cri_ctr_unref(hit);
    }
}

static int reader(void *arg)
{
    struct cri_pod *p = arg;
    struct cri_keeper *k = &p->keeper;
    char *buf = sn_alloc(CRI_KEEPER_MESSAGE_MAX);
    int r = buf ? 0 : SN_E_NOMEM;
    while (r >= 0) {
        char ctl[CMSG_SPACE(sizeof(int))];
        struct iovec iov = {buf, CRI_KEEPER_MESSAGE_MAX};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = ctl,
                           .msg_controllen = sizeof ctl};
        ssize_t n = recvmsg(k->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); /* banned: seqpacket */
        if (n < 0 && errno == EAGAIN) {
            r = sn_fd_wait(k->fd, EPOLLIN);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        int fd = -1;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
        on_message(p, sn_str_of(buf, (size_t)n), fd);
    }
    sn_free(buf);
    if (r != SN_E_CANCELLED) on_death(p);
    close(k->fd);
    k->fd = -1;
    cri_pod_unref(p);
    return 0;
}

/* ---- starting ---- */

int cri_keeper_connect(struct cri_pod *p)
{
    struct cri_keeper *k = &p->keeper;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct sn_str path = cri_path(&p->arena, p->s->run_dir, "pods", p->id, NULL);
    if (!path.ptr) return SN_E_NOMEM;
    /* By the folder's descriptor: a socket's path has 107 bytes. */
    int folder = open(path.ptr, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return sn_fail_errno(errno, "open %s", path.ptr);
    snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/keeper.sock", folder);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); /* banned: seqpacket */
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0; /* banned: seqpacket */
    int err = ok ? 0 : errno;
    close(folder);
    if (err) {
        if (fd >= 0) close(fd);
        return sn_fail_errno(err, "keeper of pod %s", p->id);
    }
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0) k->pid = who.pid;
    k->fd = fd;
    k->reply_fd = -1;
    sn_buf_init(&k->reply, CRI_KEEPER_MESSAGE_MAX);
    int r = sn_scope_go(p->s->scope, "cri keeper", reader, cri_pod_ref(p));
    if (r < 0) {
        cri_pod_unref(p);
        close(fd);
        k->fd = -1;
    }
    return r;
}

/* The keeper's one line, then the end of the pipe. */
static int read_ready(int fd, struct sn_arena *a, struct cri_keeper *k)
{
    char text[1024];
    size_t n = 0;
    int64_t prev = sn_deadline_tighten(sn_now() + READY_NS);
    int r = 0;
    while (r >= 0 && n < sizeof text) {
        ssize_t got = read(fd, text + n, sizeof text - n);
        if (got == 0) break;
        if (got > 0)
            n += (size_t)got;
        else if (errno == EAGAIN)
            r = sn_fd_wait(fd, EPOLLIN);
        else if (errno != EINTR)
            r = sn_fail_errno(errno, "keeper");
    }
    sn_deadline_restore(prev);
    const struct sn_json *v;
    if (r >= 0)
        r = n ? sn_json_parse(a, sn_str_of(text, n), NULL, &v)
              : sn_fail(SN_E_INTERNAL, "the keeper did not start");
    if (r < 0) return r;
    int err = (int)sn_json_i64_or(sn_json_get(v, "err"), 0);
    struct sn_str msg = sn_json_str(sn_json_get(v, "msg"));
    if (err < 0) return sn_fail(err, "%.*s", SN_STR_ARG(msg));
    k->pause = (int)sn_json_i64_or(sn_json_get(v, "pause"), 0);
    k->shm = sn_json_bool_or(sn_json_get(v, "shm"), false);
    return 0;
}

struct reap {
    struct sn_proc p;
};
static int reaper(void *arg)
{
    struct reap *r = arg;
    int code;
    (void)!sn_proc_wait(&r->p, &code);
    if (r->p.pidfd >= 0) close(r->p.pidfd);
    sn_free(r);
    return 0;
}

static unsigned keeper_args(struct cri_pod *p, bool net, const char **argv, unsigned max,
                            const char *dir)
{
    const struct runtime_v1_linux_pod_sandbox_config *l = p->config->linux_;
    const struct runtime_v1_namespace_option *ns =
        l && l->security_context ? l->security_context->namespace_options : NULL;
    unsigned n = 0;
    argv[n++] = p->s->keeper;
    argv[n++] = "--dir";
    argv[n++] = dir;
    const struct runtime_v1_user_namespace *u = cri_pod_userns(p);
    if (net) argv[n++] = "--net";
    if (u) {
        const struct runtime_v1_id_mapping *uid = u->uids.ptr[0], *gid = u->gids.ptr[0];
        argv[n++] = "--userns";
        argv[n++] = sn_arena_printf(&p->arena, "%u:%u:%u:%u", uid->host_id, uid->length,
                                    gid->host_id, gid->length)
                        .ptr;
    }
    if (!ns || ns->ipc != RUNTIME_V1_NAMESPACE_MODE_NODE) argv[n++] = "--ipc";
    if (!p->host_network) argv[n++] = "--uts";
    if (!ns || ns->pid == RUNTIME_V1_NAMESPACE_MODE_POD) argv[n++] = "--pid";
    /* A program of its own finds /dev/shm by a path. */
    if (p->shm && !p->program) {
        argv[n++] = "--shm";
        argv[n++] = sn_arena_printf(&p->arena, "%u", CRI_SHM_BYTES).ptr;
    }
    if (p->config->hostname.len && !p->host_network) {
        argv[n++] = "--hostname";
        argv[n++] = sn_arena_str(&p->arena, p->config->hostname).ptr;
    }
    for (unsigned i = 0; l && i < l->sysctls.len && n + 3 < max; i++) {
        argv[n++] = "--sysctl";
        argv[n++] = sn_arena_printf(&p->arena, "%.*s=%.*s", SN_STR_ARG(l->sysctls.ptr[i]->key),
                                    SN_STR_ARG(l->sysctls.ptr[i]->value))
                        .ptr;
    }
    argv[n] = NULL;
    return n;
}

int cri_keeper_start(struct cri_pod *p, int netns_fd)
{
    const char *argv[22 + 2 * SN_KEEPER_SYSCTLS_MAX];
    struct sn_str dir = cri_path(&p->arena, p->s->run_dir, "pods", p->id, NULL);
    int ready[2];
    struct reap *rp = SN_NEW(struct reap);
    if (!rp || !dir.ptr) {
        sn_free(rp);
        return SN_E_NOMEM;
    }
    if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) < 0) {
        sn_free(rp);
        return sn_fail_errno(errno, "pipe");
    }
    (void)fcntl(ready[1], F_SETFL, 0);
    keeper_args(p, netns_fd >= 0, argv, SN_COUNT_OF(argv), dir.ptr);
    struct sn_proc_opts o = {.argv = argv, .fds = {netns_fd >= 0 ? netns_fd : -1, ready[1], -2}};
    int r = sn_proc_start(&o, &rp->p);
    close(ready[1]);
    if (r < 0) {
        sn_free(rp);
    } else {
        p->keeper.pid = rp->p.pid;
        int pid = rp->p.pid;
        r = read_ready(ready[0], &p->arena, &p->keeper);
        if (r < 0) (void)kill(pid, SIGKILL);
        int go = sn_scope_go(p->s->scope, "cri reaper", reaper, rp);
        if (go < 0 && r >= 0) r = go;
    }
    close(ready[0]);
    if (r >= 0) r = cri_keeper_connect(p);
    if (r < 0 && p->keeper.pid) (void)kill(p->keeper.pid, SIGKILL);
    return r < 0 ? sn_wrap(r, "keeper") : 0;
}

void cri_keeper_stop(struct cri_pod *p)
{
    if (p->keeper.fd < 0 || p->keeper.dead) return;
    (void)!cri_keeper_simple(p, "quit", NULL);
}
