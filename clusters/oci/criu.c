/* SPDX-License-Identifier: Apache-2.0 */
/* oci/criu.c - parent: criu's process and the conversation with it. */
#include "clusters/oci/criu_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/alloc.h"

#define LOG_BYTES_MAX (1u << 20) /* of criu's log that are searched for its first error */
#define LOG_LINE_MAX 200         /* bytes of it that are quoted */

/* ---- the program -------------------------------------------------------------------------------
 */

static int find_program(struct sn_criu_work *w)
{
    const char *name = w->o->criu ? w->o->criu : "criu";
    const char *path = getenv("PATH"); /* banned: where a program is looked for */
    w->child.path = name;
    if (strchr(name, '/')) {
        if (access(name, X_OK) == 0) return 0;
        return sn_fail_errno(errno, "exec: \"%s\"", name);
    }
    for (struct sn_str rest = sn_str(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"); rest.len;) {
        struct sn_str dir = sn_str_cut(&rest, ':');
        if (!dir.len || dir.ptr[0] != '/') continue; /* never out of the working directory */
        struct sn_str at = sn_arena_printf(&w->b->arena, "%.*s/%s", SN_STR_ARG(dir), name);
        if (!at.ptr) return SN_E_NOMEM;
        w->child.path = at.ptr;
        if (access(at.ptr, X_OK) == 0) return 0;
    }
    return sn_fail(SN_E_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", name);
}

static int open_folder(const char *path, bool make, int *ret)
{
    if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
        return sn_fail_errno(errno, "mkdir %s", path);
    *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? sn_fail_errno(errno, "open %s", path) : 0;
}

int sn_criu_open(struct sn_criu_work *w)
{
    w->child.images = w->o->images;
    w->child.work = w->o->work;
    if (!w->o->images || !w->o->images[0])
        return sn_fail(SN_E_INVALID_ARGUMENT, "image path: is missing");
    if (!(w->in = sn_alloc(SN_OCI_CRIU_MESSAGE_MAX))) return SN_E_NOMEM;
    int e = find_program(w);
    if (e == 0) e = open_folder(w->o->images, !w->child.root, &w->images);
    if (e == 0 && w->o->work) e = open_folder(w->o->work, true, &w->work);
    return e;
}

void sn_criu_close(struct sn_criu_work *w)
{
    sn_oci_close_fd(&w->images);
    sn_oci_close_fd(&w->work);
    sn_oci_close_fd(&w->talk);
    sn_buf_done(&w->opts);
    sn_free(w->in);
    w->in = NULL;
}

/* The child's word before it executes criu, or why it could not. */
static int hear_child(struct sn_criu_work *w, int *ret_fd)
{
    struct sn_oci_message m;
    int e = sn_oci_message_receive(w->b->sock, &m, ret_fd);
    if (e == 0 && m.kind == SN_OCI_MSG_FAILED) return sn_fail_errno(m.value, "%s", m.text);
    if (e == 0 && m.kind == SN_OCI_MSG_READY && ret_fd && *ret_fd >= 0) return 0;
    return sn_fail(SN_E_ABORTED, "criu's process ended without an answer");
}

int sn_criu_spawn(struct sn_criu_work *w)
{
    struct sn_oci_birth *b = w->b;
    /* It executes another program: ours is not seen inside. */
    sn_oci_close_fd(&b->plan->exe);
    b->plan->criu = &w->child;
    int e = sn_oci_birth_spawn(b, 0, sn_oci_init_criu);
    return e < 0 ? e : hear_child(w, &w->talk);
}

void sn_criu_reap(struct sn_criu_work *w)
{
    siginfo_t si;
    sn_oci_close_fd(&w->talk); /* criu waits for its end */
    if (w->b->pidfd < 0) return;
    while (waitid((idtype_t)P_PIDFD, (id_t)w->b->pidfd, &si, WEXITED | __WALL) < 0 &&
           errno == EINTR)
        continue;
    sn_oci_close_fd(&w->b->pidfd);
}

/* ---- the conversation --------------------------------------------------------------------------
 */

static int send_request(struct sn_criu_work *w, enum sn_criu_type type, struct sn_str opts,
                        unsigned feature)
{
    struct sn_buf b = {.limit = SN_OCI_CONFIG_BYTES_MAX};
    ssize_t n;
    int e = sn_criu_request(&b, type, opts, feature);
    do n = e < 0 ? 0 : send(w->talk, b.ptr, b.len, MSG_NOSIGNAL); /* banned: a child's socket */
    while (n < 0 && errno == EINTR);
    if (n < 0) e = sn_fail_errno(errno, "send to criu");
    sn_buf_done(&b);
    return e;
}

static int receive(struct sn_criu_work *w, struct sn_criu_answer *a, int *ret_fd)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } c = {0};
    struct iovec v = {w->in, SN_OCI_CRIU_MESSAGE_MAX};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = c.room,
                       .msg_controllen = sizeof(c.room)};
    ssize_t n;
    do n = recvmsg(w->talk, &m, MSG_CMSG_CLOEXEC); /* banned: a child's socket */
    while (n < 0 && errno == EINTR);
    if (n < 0) return sn_fail_errno(errno, "hear from criu");
    const struct cmsghdr *got = CMSG_FIRSTHDR(&m);
    if (got && got->cmsg_level == SOL_SOCKET && got->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(got), sizeof(*ret_fd));
    if (n == 0) return hear_child(w, NULL);
    if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return sn_fail(SN_E_TOO_LARGE, "criu's answer is longer than %d bytes or brings more than "
                                       "one descriptor",
                       SN_OCI_CRIU_MESSAGE_MAX);
    return sn_criu_answer_parse(sn_str_of(w->in, (size_t)n), a);
}

/* The first error of the log says what the others follow from. */
static struct sn_str first_error(struct sn_criu_work *w, struct sn_str *text)
{
    struct sn_str rest;
    int fd = openat(w->work >= 0 ? w->work : w->images, w->log, O_RDONLY | O_CLOEXEC);
    char *p = fd < 0 ? NULL : sn_arena_alloc(&w->b->arena, LOG_BYTES_MAX);
    ssize_t n = p ? read(fd, p, LOG_BYTES_MAX) : 0;
    sn_oci_close_fd(&fd);
    for (rest = sn_str_of(p, n > 0 ? (size_t)n : 0); rest.len;) {
        struct sn_str line = sn_str_cut(&rest, '\n');
        ssize_t at = sn_str_find(line, SN_STR("Error ("));
        /* Not errors: it has fewer descriptors than it would like, and probes for features. */
        if (at < 0 || sn_str_find(line, SN_STR("rlimit: Can't setup")) >= 0 ||
            sn_str_find(line, SN_STR("Unable to create tun")) >= 0)
            continue;
        *text = sn_str_from(line, (size_t)at);
        if (text->len > LOG_LINE_MAX) text->len = LOG_LINE_MAX;
        return *text;
    }
    return *text;
}

static int refused(struct sn_criu_work *w, const struct sn_criu_answer *a)
{
    static const char *const types[] = {[SN_CRIU_DUMP] = "DUMP",
                                        [SN_CRIU_RESTORE] = "RESTORE",
                                        [SN_CRIU_PRE_DUMP] = "PRE_DUMP",
                                        [SN_CRIU_NOTIFY] = "NOTIFY",
                                        [SN_CRIU_FEATURE_CHECK] = "FEATURE_CHECK"};
    const char *type = a->type < SN_COUNT_OF(types) && types[a->type] ? types[a->type] : "?";
    struct sn_str text = a->text;
    first_error(w, &text);
    return sn_fail(SN_E_ABORTED, "criu failed: type %s errno %d: %.*s (log file: %s/%s)", type,
                   a->error, SN_STR_ARG(text), w->o->work ? w->o->work : w->o->images, w->log);
}

int sn_criu_talk(struct sn_criu_work *w, enum sn_criu_type type, unsigned feature,
                 struct sn_criu_answer *ret)
{
    struct sn_criu_answer a;
    int e = w->opts.err;
    if (e == 0) e = send_request(w, type, feature ? (struct sn_str){0} : sn_buf_view(&w->opts), feature);
    while (e == 0) {
        int fd = -1;
        e = receive(w, &a, &fd);
        if (e == 0 && !a.success) e = refused(w, &a);
        if (e == 0 && a.type == SN_CRIU_NOTIFY && w->notified) e = w->notified(w, &a, &fd);
        sn_oci_close_fd(&fd);
        if (e < 0) break;
        if (a.type == SN_CRIU_NOTIFY) {
            e = send_request(w, SN_CRIU_NOTIFY, (struct sn_str){0}, 0);
            continue;
        }
        if (a.type != (uint32_t)type)
            return sn_fail(SN_E_DATA_LOSS, "criu answers %u to a request of type %u", a.type, type);
        *ret = a;
        return 0;
    }
    return e;
}
