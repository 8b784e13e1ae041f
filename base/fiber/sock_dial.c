/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sock_dial.c - connecting kernel sockets.
 * Several addresses race each other (dial_race.c). */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net_int.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
/* A Unix listener with a full backlog answers EAGAIN and offers nothing to wait for. */
#define UNIX_BUSY_NS_MIN (1 * SN_MS)
#define UNIX_BUSY_NS_MAX (50 * SN_MS)

static int dial_code(int err)
{
    switch (err) {
    case ECONNREFUSED: return SN_E_REFUSED;
    case ENOENT: /* Unix path */ return SN_E_NOT_FOUND;
    case EMFILE:
    case ENFILE: return SN_E_FILES;
    case EACCES:
    case EPERM: return SN_E_PERMISSION_DENIED;
    case ENOMEM:
    case ENOBUFS: return SN_E_NOMEM;
    case EINVAL:
    case EAFNOSUPPORT: return SN_E_INVALID_ARGUMENT;
    default: /* unreachable, timed out, reset, no free port */ return SN_E_UNAVAILABLE;
    }
}

static int dial_fail(int err, const char *text)
{
    int code = dial_code(err);
    sn_fail_errno(err, "dial %s", text);
    sn_diag()->code = code;
    return code;
}

static int bind_local(int fd, const struct sn_dial_opts *o, const char *text)
{
    struct sn_sockaddr a;
    struct sn_str s = sn_str(o->local);
    int one = 1;
    if (!sn_net_ip_parse(s, 0, &a)) {
        struct sn_net_name n;
        int r = sn_net_name_parse(o->local, &n);
        if (r < 0) return r;
        if (n.is_unix || !sn_net_ip_parse(n.host, n.port, &a))
            return sn_fail(SN_E_SYNTAX, "dial %s: local address \"%s\" is not an IP address", text,
                           o->local);
    }
    /* The port is chosen at connect, by the whole four-tuple: 64k connections per destination and
     * source address instead of 64k in all. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, &a.u.sa, a.len) < 0) {
        int err = errno;
        return sn_fail_errno(err, "dial %s from %s", text, o->local);
    }
    return 0;
}

static int connect_start(int fd, const struct sn_sockaddr *a)
{
    int64_t pause = UNIX_BUSY_NS_MIN;
    for (;;) {
        if (SN_SOCK_SYS(connect, fd, &a->u.sa, a->len) == 0) return 0;
        if (errno == EINTR || errno == EINPROGRESS) return EINPROGRESS;
        if (errno != EAGAIN || a->u.sa.sa_family != AF_UNIX) return errno;
        int r = sn_sleep(pause);
        if (r < 0) return r;
        pause = SN_MIN(pause * 2, UNIX_BUSY_NS_MAX);
    }
}

/* connect_wait - until the handshake is over. Returns 0, an errno > 0, or SN_E_*. */
static int connect_wait(struct sn_sock *k)
{
    int r = sn_sock_enter(k, SN_SS_WR_BUSY);
    if (r >= 0)
        r = (int)sn_sock_exit(k, SN_SS_WR_BUSY, sn_sock_wait(k, SN_SS_WR_BUSY, "IO wait: connect"));
    if (r < 0) return r;
    int err = 0;
    socklen_t len = sizeof err;
    if (getsockopt(k->e.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) return errno;
    return err;
}

static int dial_one(const struct sn_sockaddr *a, const struct sn_dial_opts *o, const char *text,
                    struct sn_stream **ret)
{
    int family = a->u.sa.sa_family, one = 1;
    int fd = SN_SOCK_SYS(socket, family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return dial_fail(errno, text);
    if (family != AF_UNIX) {
        int64_t ut = o->user_timeout_ms == 0 ? SN_USER_TIMEOUT_MS : o->user_timeout_ms;
        unsigned ut_ms = ut > 0 ? (unsigned)ut : 0;
        if (sn_net_is_loopback(a)) sn_net_tune_loopback(fd);
        if (!o->no_delay_off) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (ut_ms) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ut_ms, sizeof ut_ms);
        int r = o->local ? bind_local(fd, o, text) : 0;
        if (r < 0) {
            close(fd);
            return r;
        }
    }
    int err = connect_start(fd, a);
    if (err != 0 && err != EINPROGRESS) {
        close(fd);
        return err < 0 ? err : dial_fail(err, text);
    }
    struct sn_sock *k;
    int r = sn_sock_stream_new(fd, family, &k);
    if (r < 0) return r;
    if (err == EINPROGRESS) {
        err = connect_wait(k);
        if (err != 0) {
            sn_sock_close(k);
            return err < 0 ? err : dial_fail(err, text);
        }
    }
    *ret = &k->s;
    return 0;
}

struct dialing {
    const struct sn_sockaddr *a;
    const struct sn_dial_opts *o;
    const char *text;
};
static int dial_nth(void *arg, unsigned i, struct sn_stream **ret)
{
    const struct dialing *d = arg;
    return dial_one(&d->a[i], d->o, d->text, ret);
}

int sn_os_dial(const struct sn_net_name *n, const char *text, const struct sn_dial_opts *o,
               struct sn_stream **ret)
{
    static const struct sn_dial_opts none;
    if (!o) o = &none;
    struct sn_sockaddr a[SN_DIAL_ADDRS_MAX];
    if (n->is_unix) {
        sn_net_unix_addr(n->unix_path, &a[0]);
        return dial_one(&a[0], o, text, ret);
    }
    int count = sn_net_resolve_name(n, text, o->resolve_ttl_ms_max, a, SN_DIAL_ADDRS_MAX);
    if (count <= 0) return count;
    if (count == 1) return dial_one(&a[0], o, text, ret);
    struct dialing d = {a, o, text};
    return sn_dial_race((unsigned)count, dial_nth, &d, ret);
}
