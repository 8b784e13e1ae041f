/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit-bpf/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/status.h"

#define WAIT_S 10

static int read_full(int fd, uint8_t *out, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = recv(fd, out + at, n - at, 0);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return sn_fail_errno(errno, "the loader does not answer");
        if (r == 0) return sn_fail(SN_E_EOF, "the loader closed the connection (its log says why)");
        at += (size_t)r;
    }
    return 0;
}

int tk_client_call(int fd, const struct sn_buf *frame, enum sn_tkw_type want, struct sn_arena *a,
                   struct sn_str *ret_body)
{
    uint8_t head[SN_TKW_HEAD];
    enum sn_tkw_type type;
    if (frame->err) return frame->err;
    for (size_t at = 0; at < frame->len;) {
        ssize_t n = send(fd, frame->ptr + at, frame->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "send to the loader");
        at += (size_t)n;
    }
    int r = read_full(fd, head, sizeof(head));
    if (r < 0) return r;
    int64_t whole = sn_tkw_head(head, sizeof(head), &type);
    if (whole < 0) return (int)whole;
    size_t n = (size_t)whole - SN_TKW_HEAD;
    uint8_t *body = sn_arena_alloc(a, n + 1);
    if (!body) return SN_E_NOMEM;
    r = read_full(fd, body, n);
    if (r < 0) return r;
    struct sn_str text = sn_str_of((const char *)body, n), why;
    if (type == SN_TKW_REFUSED && sn_tkw_get_refused(text, &why) == 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "%.*s", SN_STR_ARG(why));
    if (type != want)
        return sn_fail(SN_E_PROTOCOL, "expected an answer of type %d, got %d", want, type);
    *ret_body = text;
    return 0;
}

int tk_client_open(const char *socket_path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int r = sn_str_cz(sn_str(socket_path), a.sun_path, sizeof(a.sun_path));
    if (r < 0) return sn_fail(r, "%s: longer than %zu bytes", socket_path, sizeof(a.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* banned: no runtime here */
    if (fd < 0) return sn_fail_errno(errno, "socket");
    const struct timeval wait = {.tv_sec = WAIT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) /* banned: no runtime here */
        r = sn_fail_errno(errno, "no loader at %s", socket_path);
    struct sn_arena mem;
    struct sn_buf b = {0};
    struct sn_str body;
    struct sn_tkw_welcome w;
    sn_arena_init(&mem, NULL, 1 << 20);
    if (r == 0) r = sn_tkw_put_hello(&b);
    if (r == 0) r = tk_client_call(fd, &b, SN_TKW_WELCOME, &mem, &body);
    if (r == 0) r = sn_tkw_get_welcome(body, &w);
    sn_buf_done(&b);
    sn_arena_done(&mem);
    if (r < 0) (void)close(fd);
    return r < 0 ? r : fd;
}
