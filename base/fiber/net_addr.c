/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/net_addr.c - textual addresses to socket addresses and back.
 * The text form is the interface (net.h); nothing above this file sees a struct sockaddr, so the
 * simulator and the kernel share every name. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fiber/net_int.h"

/* parse_port - 0..65535 in decimal without sign or leading blanks. */
static int parse_port(struct sn_str s, uint16_t *ret)
{
    unsigned v = 0;
    if (s.len == 0 || s.len > 5) return SN_E_SYNTAX;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return SN_E_SYNTAX;
        v = v * 10 + (unsigned)(s.ptr[i] - '0');
    }
    if (v > 65535) return SN_E_SYNTAX;
    *ret = (uint16_t)v;
    return 0;
}

/* split_host_port - "h:p", "[v6]:p" or ":p"; the host without its brackets. */
static int split_host_port(struct sn_str s, struct sn_str *ret_host, uint16_t *ret_port)
{
    struct sn_str host, port;
    if (s.len && s.ptr[0] == '[') {
        const char *end = memchr(s.ptr, ']', s.len);
        if (!end || (size_t)(end - s.ptr) + 1 >= s.len || end[1] != ':') return SN_E_SYNTAX;
        host = sn_str_of(s.ptr + 1, (size_t)(end - s.ptr) - 1);
        port = sn_str_of(end + 2, s.len - (size_t)(end + 2 - s.ptr));
        if (!memchr(host.ptr, ':', host.len)) return SN_E_SYNTAX;
    } else {
        const char *colon = memchr(s.ptr, ':', s.len);
        if (!colon || memchr(colon + 1, ':', s.len - (size_t)(colon + 1 - s.ptr)))
            return SN_E_SYNTAX; /* no port, or IPv6 without brackets */
        host = sn_str_of(s.ptr, (size_t)(colon - s.ptr));
        port = sn_str_of(colon + 1, s.len - host.len - 1);
    }
    if (host.len >= SN_HOST_MAX || memchr(host.ptr, 0, host.len)) return SN_E_SYNTAX;
    int r = parse_port(port, ret_port);
    if (r < 0) return r;
    *ret_host = host;
    return 0;
}

int sn_net_name_parse(const char *text, struct sn_net_name *ret)
{
    struct sn_net_name n = {0};
    struct sn_str s = sn_str(text);
    if (sn_str_starts(s, SN_STR("unix:"))) {
        n.unix_path = sn_str_sub(s, 5, s.len);
        n.is_unix = true;
        if (n.unix_path.len == 0 || n.unix_path.len >= sizeof((struct sockaddr_un *)0)->sun_path)
            return sn_fail(SN_E_SYNTAX, "address \"%s\": a Unix socket path has 1 to %zu bytes",
                           text, sizeof((struct sockaddr_un *)0)->sun_path - 1);
    } else {
        if (sn_str_starts(s, SN_STR("tcp:")) || sn_str_starts(s, SN_STR("udp:")))
            s = sn_str_sub(s, 4, s.len);
        if (split_host_port(s, &n.host, &n.port) < 0)
            return sn_fail(SN_E_SYNTAX,
                           "address \"%s\": expected host:port, [ipv6]:port or unix:path",
                           text ? text : "(null)");
    }
    *ret = n;
    return 0;
}

bool sn_net_ip_parse(struct sn_str host, uint16_t port, struct sn_sockaddr *ret)
{
    char z[SN_ADDR_TEXT_MAX];
    if (host.len == 0 || host.len >= sizeof z) return false;
    memcpy(z, host.ptr, host.len);
    z[host.len] = 0;
    struct sn_sockaddr a = {0};
    if (inet_pton(AF_INET, z, &a.u.in4.sin_addr) == 1) {
        a.u.in4.sin_family = AF_INET;
        a.u.in4.sin_port = htons(port);
        a.len = sizeof a.u.in4;
        *ret = a;
        return true;
    }
    char *zone = strchr(z, '%');
    if (zone) *zone++ = 0;
    if (inet_pton(AF_INET6, z, &a.u.in6.sin6_addr) != 1) return false;
    if (zone && (a.u.in6.sin6_scope_id = if_nametoindex(zone)) == 0) return false;
    a.u.in6.sin6_family = AF_INET6;
    a.u.in6.sin6_port = htons(port);
    a.len = sizeof a.u.in6;
    *ret = a;
    return true;
}

void sn_net_unix_addr(struct sn_str path, struct sn_sockaddr *ret)
{
    struct sn_sockaddr a = {0};
    a.u.un.sun_family = AF_UNIX;
    memcpy(a.u.un.sun_path, path.ptr, path.len);
    if (path.ptr[0] == '@') { /* abstract: the name starts with NUL and is not NUL-ended */
        a.u.un.sun_path[0] = 0;
        a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    } else {
        a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    }
    *ret = a;
}

/* format_unix - the kernel's length tells an unnamed, an abstract and a path address apart. */
static int format_unix(const struct sn_sockaddr *a, char *out, size_t cap)
{
    size_t base = offsetof(struct sockaddr_un, sun_path);
    if (a->len <= base) return snprintf(out, cap, "unix:");
    if (a->u.un.sun_path[0] == 0)
        return snprintf(out, cap, "unix:@%.*s", (int)(a->len - base - 1), a->u.un.sun_path + 1);
    return snprintf(out, cap, "unix:%.*s", (int)(a->len - base), a->u.un.sun_path);
}

static char *put_decimal(char *p, unsigned v)
{
    char tmp[10];
    unsigned n = 0;
    do tmp[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    while (n) *p++ = tmp[--n];
    return p;
}

/* By hand, because proxies and access logs do it for every request: printf costs ten times this. */
static int format_ip4(const struct sockaddr_in *in, char *out, size_t cap)
{
    char text[sizeof "255.255.255.255:65535"], *p = text;
    const uint8_t *b = (const uint8_t *)&in->sin_addr;
    for (int i = 0; i < 4; i++) {
        p = put_decimal(p, b[i]);
        *p++ = i < 3 ? '.' : ':';
    }
    p = put_decimal(p, ntohs(in->sin_port));
    size_t n = (size_t)(p - text);
    if (n >= cap) return SN_E_TOO_LARGE;
    memcpy(out, text, n);
    out[n] = 0;
    return (int)n;
}

int sn_net_addr_format(const struct sn_sockaddr *a, char *out, size_t cap)
{
    char ip[INET6_ADDRSTRLEN];
    int n;
    switch (a->u.sa.sa_family) {
    case AF_INET:
        return format_ip4(&a->u.in4, out, cap);
    case AF_INET6:
        inet_ntop(AF_INET6, &a->u.in6.sin6_addr, ip, sizeof ip);
        if (a->u.in6.sin6_scope_id)
            n = snprintf(out, cap, "[%s%%%u]:%u", ip, a->u.in6.sin6_scope_id,
                         ntohs(a->u.in6.sin6_port));
        else
            n = snprintf(out, cap, "[%s]:%u", ip, ntohs(a->u.in6.sin6_port));
        break;
    case AF_UNIX: n = format_unix(a, out, cap); break;
    default: return SN_E_INVALID_ARGUMENT;
    }
    return (size_t)n < cap ? n : SN_E_TOO_LARGE;
}

bool sn_net_is_loopback(const struct sn_sockaddr *a)
{
    if (a->u.sa.sa_family == AF_INET)
        return ntohl(a->u.in4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return a->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->u.in6.sin6_addr);
}

void sn_net_tune_loopback(int fd)
{
    /* Every kernel has Reno and lets everybody use it; without it nothing is lost. */
    static const char reno[] = "reno";
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof reno - 1);
}
