/* SPDX-License-Identifier: Apache-2.0 */
/* oci/parent.c - parent: hooks, the state as JSON, small files and sockets. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clusters/oci/parent_int.h"
#include "core/buf.h"

int sn_oci_hook_state_make(struct sn_arena *a, const char *version, const char *id,
                           const char *bundle, struct sn_str annotations,
                           struct sn_oci_hook_state *ret)
{
    struct sn_buf b = {.limit = SN_OCI_CONFIG_BYTES_MAX};
    sn_buf_cstr(&b, "{\"ociVersion\":");
    sn_json_write_string(&b, sn_str(version));
    sn_buf_cstr(&b, ",\"id\":");
    sn_json_write_string(&b, sn_str(id));
    sn_buf_cstr(&b, ",\"status\":\"");
    size_t cut = b.len;
    sn_buf_cstr(&b, ",\"bundle\":");
    sn_json_write_string(&b, sn_str(bundle));
    if (annotations.len) {
        sn_buf_cstr(&b, ",\"annotations\":");
        sn_buf_str(&b, annotations);
    }
    sn_buf_cstr(&b, "}");
    int e = b.err;
    if (e == 0) {
        ret->head = sn_arena_str(a, sn_str_sub(sn_buf_view(&b), 0, cut));
        ret->middle = SN_STR("\",\"pid\":");
        ret->tail = sn_arena_str(a, sn_str_from(sn_buf_view(&b), cut));
        if (!ret->head.ptr || !ret->tail.ptr) e = SN_E_NOMEM;
    }
    sn_buf_done(&b);
    return e;
}

static int listener_state(struct sn_oci_birth *b)
{
    const struct sn_oci_hook_state *s = &b->plan->hook_state;
    struct sn_oci_hook_state *l = &b->plan->listener_state;
    struct sn_buf meta = {0};
    sn_json_write_string(&meta, b->filter.listener_metadata);
    l->head =
        sn_arena_printf(&b->arena,
                        "{\"ociVersion\":\"%s\",\"fds\":[\"seccompFd\"],\"pid\":", SN_OCI_VERSION);
    l->middle = sn_arena_printf(&b->arena, ",\"metadata\":%s,\"state\":%.*screating%.*s",
                                b->filter.listener_metadata.len ? sn_buf_cz(&meta) : "\"\"",
                                SN_STR_ARG(s->head), SN_STR_ARG(s->middle));
    l->tail = sn_arena_printf(&b->arena, "%.*s}", SN_STR_ARG(s->tail));
    int e = meta.err < 0 || !l->head.ptr || !l->middle.ptr || !l->tail.ptr ? SN_E_NOMEM : 0;
    sn_buf_done(&meta);
    return e;
}

void sn_oci_birth_annotations(struct sn_oci_birth *b)
{
    const struct sn_json *v = sn_json_get(b->spec->annotations, "run.oci.keep_original_groups");
    struct sn_str s = sn_json_is(v, SN_JSON_STRING) ? sn_str_of(v->str, v->len) : SN_STR("0");
    b->plan->keep_groups = !sn_str_eqc(s, "0") && !sn_str_eqc(s, "false");
}

int sn_oci_birth_state(struct sn_oci_birth *b, const char *id, const char *bundle,
                       const struct sn_json *annotations)
{
    struct sn_buf text = {.limit = SN_OCI_CONFIG_BYTES_MAX};
    int e = annotations ? sn_json_write(&text, annotations, NULL) : 0;
    if (e == 0)
        e = sn_oci_hook_state_make(&b->arena, b->spec->version ? b->spec->version : SN_OCI_VERSION,
                                   id, bundle, sn_buf_view(&text), &b->plan->hook_state);
    sn_buf_done(&text);
    return e == 0 && b->filter.notify ? listener_state(b) : e;
}

int sn_oci_hooks_run(const struct sn_oci_hook_list *l, const char *name,
                     const struct sn_oci_hook_state *s, const char *status, pid_t pid)
{
    char text[SN_OCI_MESSAGE_MAX];
    for (size_t i = 0; i < l->n; i++) {
        /* On the host, so with the runtime's environment, as runc and crun have it. */
        int e = sn_oci_hook_run(&l->ptr[i], environ, s, status, pid, text);
        if (e < 0)
            return sn_fail(SN_E_ABORTED, "error running %s hook #%zu (%s): %.200s", name, i,
                           l->ptr[i].path, text);
        if (e > 0)
            return sn_fail_errno(e, "error running %s hook #%zu (%s)", name, i, l->ptr[i].path);
    }
    return 0;
}

int sn_oci_socket_connect(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (sn_str_cz(sn_str(path), a.sun_path, sizeof(a.sun_path)) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "socket %s: longer than %zu bytes", path,
                       sizeof(a.sun_path) - 1);
    const int type = SOCK_STREAM | SOCK_CLOEXEC;
    int fd = socket(AF_UNIX, type, 0); /* banned: hands a descriptor over, synchronously */
    if (fd < 0) return sn_fail_errno(errno, "socket");
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) { /* banned: as above */
        int e = errno;
        close(fd);
        return sn_fail_errno(e, "connect to %s", path);
    }
    return fd;
}

int sn_oci_pid_file(const char *path, pid_t pid)
{
    char text[16];
    struct sn_buf name = {.limit = PATH_MAX};
    /* Whoever waits for the name must find the number in it: written beside and renamed. */
    const char *slash = strrchr(path, '/');
    int dir = slash ? (int)(slash - path + 1) : 0;
    sn_buf_printf(&name, "%.*s.%s", dir, path, path + dir);
    const char *tmp = sn_buf_cz(&name);
    int e = name.err < 0 ? sn_fail(name.err, "pid file %s", path) : 0;
    int fd = e < 0 ? -1 : open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (e == 0 && fd < 0) e = sn_fail_errno(errno, "pid file %s", path);
    if (e == 0) {
        int n = snprintf(text, sizeof(text), "%d", (int)pid),
            w = sn_oci_write_all(fd, text, (size_t)n);
        if (w < 0 || rename(tmp, path) < 0)
            e = sn_fail_errno(w < 0 ? -w : errno, "pid file %s", path);
    }
    sn_oci_close_fd(&fd);
    sn_buf_done(&name);
    return e;
}

int sn_oci_pidfd_send(const char *path, int pidfd)
{
    int s = sn_oci_socket_connect(path);
    if (s < 0) return sn_wrap(s, "pidfd socket");
    int e = sn_oci_fd_send(s, "pidfd", 5, pidfd);
    close(s);
    return e < 0 ? sn_fail_errno(-e, "pidfd socket %s", path) : 0;
}

int sn_oci_file_read(struct sn_arena *a, const char *path, struct sn_str *ret)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return sn_fail_errno(errno, "open %s", path);
    int e = fstat(fd, &st) < 0 ? sn_fail_errno(errno, "stat %s", path) : 0;
    bool regular = e == 0 && S_ISREG(st.st_mode);
    size_t cap = regular ? (size_t)st.st_size + 1 : SN_OCI_CONFIG_BYTES_MAX + 1, n = 0;
    if (e == 0 && cap > SN_OCI_CONFIG_BYTES_MAX + 1)
        e = sn_fail(SN_E_TOO_LARGE, "%s: more than %u bytes", path, SN_OCI_CONFIG_BYTES_MAX);
    if (e == 0 && !regular) fcntl(fd, F_SETFL, 0); /* /dev/stdin: wait for the writer */
    char *p = e < 0 ? NULL : sn_arena_alloc(a, cap);
    if (e == 0 && !p) e = SN_E_NOMEM;
    ssize_t r = 1;
    while (e == 0 && n < cap && (r = read(fd, p + n, cap - n)) != 0) {
        if (r < 0 && errno == EINTR) continue;
        if (r < 0)
            e = sn_fail_errno(errno, "read %s", path);
        else
            n += (size_t)r;
    }
    close(fd);
    if (e == 0 && n > SN_OCI_CONFIG_BYTES_MAX)
        e = sn_fail(SN_E_TOO_LARGE, "%s: more than %u bytes", path, SN_OCI_CONFIG_BYTES_MAX);
    if (e == 0) *ret = sn_str_of(p, n);
    return e;
}

int sn_oci_lock_open(struct sn_oci_state_file *f)
{
    /* A description of its own, so that the lock is the child's alone once we have closed ours. */
    char self[32];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
    int fd = open(self, O_RDWR | O_CLOEXEC);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &l) < 0) {
        int e = errno;
        sn_oci_close_fd(&fd);
        return sn_fail_errno(e, "lock the state file");
    }
    return fd;
}

int sn_oci_wait_executed(struct sn_oci_state_file *f)
{
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
    while (fcntl(f->fd, F_OFD_SETLKW, &l) < 0)
        if (errno != EINTR) return sn_fail_errno(errno, "wait for the program's execution");
    l.l_type = F_UNLCK;
    fcntl(f->fd, F_OFD_SETLK, &l);
    return 0;
}
