/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/udp.c - datagrams over the kernel, and the front that picks kernel or simulator. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net_int.h"

struct os_udp {
    struct sn_udp base;
    struct sn_sock *k;
    int family;
};

static ssize_t os_udp_recv(struct sn_udp *base, void *buf, size_t cap, char *peer, size_t peer_cap)
{
    struct os_udp *u = SN_CONTAINER_OF(base, struct os_udp, base);
    struct sn_sock *k = u->k;
    int r = sn_sock_enter(k, SN_SS_RD_BUSY);
    if (r < 0) return r;
    for (;;) {
        struct sn_sockaddr from = {.len = sizeof from.u};
        sn_sock_clear(k, SN_SS_RD_READY | SN_SS_ERR);
        ssize_t n = recvfrom(k->e.fd, buf, cap, 0, &from.u.sa, &from.len);
        if (n >= 0) {
            /* One datagram says nothing about the next. */
            sn_sock_set(k, SN_SS_RD_READY);
            int f = peer ? sn_net_addr_format(&from, peer, peer_cap) : 0;
            return sn_sock_exit(k, SN_SS_RD_BUSY, f < 0 ? f : n);
        }
        /* An ICMP answer to something sent before is not this receiver's failure. */
        if (errno == EINTR || errno == ECONNREFUSED || errno == EHOSTUNREACH ||
            errno == ENETUNREACH)
            continue;
        if (errno != EAGAIN)
            return sn_sock_exit(k, SN_SS_RD_BUSY, sn_fail_errno(errno, "receive datagram"));
        r = sn_sock_wait(k, SN_SS_RD_BUSY, "IO wait: datagram");
        if (r < 0) return sn_sock_exit(k, SN_SS_RD_BUSY, r);
    }
}

static int udp_peer(struct os_udp *u, const char *peer, struct sn_sockaddr *ret)
{
    struct sn_net_name n;
    int r = sn_net_name_parse(peer, &n);
    if (r < 0) return r;
    if (n.is_unix) return sn_fail(SN_E_SYNTAX, "datagram peer \"%s\": not an IP address", peer);
    r = sn_net_resolve_name(&n, peer, 0, ret, 1);
    if (r < 0) return r;
    if (ret->u.sa.sa_family != u->family)
        return sn_fail(SN_E_INVALID_ARGUMENT, "datagram peer %s: other address family", peer);
    return 0;
}

static ssize_t os_udp_send(struct sn_udp *base, const void *buf, size_t n, const char *peer)
{
    struct os_udp *u = SN_CONTAINER_OF(base, struct os_udp, base);
    struct sn_sock *k = u->k;
    struct sn_sockaddr to;
    int r = udp_peer(u, peer, &to);
    if (r < 0) return r;
    r = sn_sock_enter(k, SN_SS_WR_BUSY);
    if (r < 0) return r;
    for (;;) {
        sn_sock_clear(k, SN_SS_WR_READY | SN_SS_ERR);
        ssize_t sent = sendto(k->e.fd, buf, n, MSG_NOSIGNAL, &to.u.sa, to.len);
        if (sent >= 0) return sn_sock_exit(k, SN_SS_WR_BUSY, sent);
        if (errno == EINTR || errno == ECONNREFUSED) continue;
        if (errno == EMSGSIZE) {
            r = sn_fail(SN_E_TOO_LARGE, "datagram of %zu bytes to %s", n, peer);
        } else if (errno != EAGAIN) {
            r = sn_fail_errno(errno, "send datagram to %s", peer);
        } else {
            r = sn_sock_wait(k, SN_SS_WR_BUSY, "IO wait: datagram send");
        }
        if (r < 0) return sn_sock_exit(k, SN_SS_WR_BUSY, r);
    }
}

static int os_udp_addr(struct sn_udp *base, char *out, size_t cap)
{
    struct os_udp *u = SN_CONTAINER_OF(base, struct os_udp, base);
    struct sn_sockaddr a = {.len = sizeof a.u};
    if (getsockname(u->k->e.fd, &a.u.sa, &a.len) < 0) return sn_status_from_errno(errno);
    return sn_net_addr_format(&a, out, cap);
}

static void os_udp_close(struct sn_udp *base)
{
    struct os_udp *u = SN_CONTAINER_OF(base, struct os_udp, base);
    sn_sock_close(u->k);
    sn_free(u);
}

static const struct sn_udp_ops os_udp_ops = {os_udp_recv, os_udp_send, os_udp_addr, os_udp_close};

static int os_udp_open(const struct sn_net_name *n, const char *text, struct sn_udp **ret)
{
    struct sn_sockaddr a;
    int r = n->is_unix ? sn_fail(SN_E_SYNTAX, "datagrams on %s: not an IP address", text)
                       : sn_net_resolve_name(n, text, 0, &a, 1);
    if (r < 0) return r;
    int fd = SN_SOCK_SYS(socket, a.u.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return sn_fail_errno(errno, "datagrams on %s", text);
    struct os_udp *u = NULL;
    struct sn_sock *k = NULL;
    if (bind(fd, &a.u.sa, a.len) < 0) {
        bool used = errno == EADDRINUSE;
        r = sn_fail_errno(errno, "datagrams on %s", text);
        if (used) r = sn_diag()->code = SN_E_ALREADY_EXISTS;
    } else if (!(u = SN_NEW(struct os_udp)) || !(k = sn_sock_new(fd, SN_SOCK_UDP))) {
        r = SN_E_NOMEM;
    } else if ((r = sn_sock_watch(k, EPOLLIN | EPOLLOUT | EPOLLET)) >= 0) {
        *u = (struct os_udp){{&os_udp_ops}, k, a.u.sa.sa_family};
        *ret = &u->base;
        return 0;
    }
    if (k)
        sn_sock_close(k);
    else
        close(fd);
    sn_free(u);
    return r;
}

int sn_udp_open(const char *bind_addr, struct sn_udp **ret)
{
    struct sn_net_name n;
    int r = sn_net_name_parse(bind_addr, &n);
    if (r < 0) return r;
    return sn_sim_on ? sn_simnet_udp_open(&n, bind_addr, ret) : os_udp_open(&n, bind_addr, ret);
}
ssize_t sn_udp_recv(struct sn_udp *u, void *buf, size_t cap, char *peer, size_t peer_cap)
{
    return u->ops->recv(u, buf, cap, peer, peer_cap);
}
ssize_t sn_udp_send(struct sn_udp *u, const void *buf, size_t n, const char *peer)
{
    return u->ops->send(u, buf, n, peer);
}
int sn_udp_addr(struct sn_udp *u, char *out, size_t cap) { return u->ops->addr(u, out, cap); }
void sn_udp_close(struct sn_udp *u)
{
    if (u) u->ops->close(u);
}
