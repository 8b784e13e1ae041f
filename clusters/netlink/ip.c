/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/ip.c - addresses and prefixes. */
#include "clusters/netlink/ip.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "core/status.h"

int sn_ip_parse(struct sn_str s, struct sn_ip *ret)
{
    char text[SN_IP_TEXT_MAX];
    struct sn_ip ip = {0};
    if (sn_str_cz(s, text, sizeof text) == 0 && strlen(text) == s.len) {
        bool six = strchr(text, ':') != NULL;
        ip.len = six ? 16 : 4;
        if (inet_pton(six ? AF_INET6 : AF_INET, text, ip.b) == 1) {
            *ret = ip;
            return 0;
        }
    }
    return sn_fail(SN_E_SYNTAX, "\"%.*s\" is no IP address", (int)SN_MIN(s.len, 80u),
                   s.ptr ? s.ptr : "");
}

int sn_cidr_parse(struct sn_str s, struct sn_cidr *ret)
{
    ssize_t slash = sn_str_chr(s, '/');
    struct sn_cidr c = {0};
    uint64_t bits;
    if (slash < 0 || sn_str_to_u64(sn_str_from(s, (size_t)slash + 1), &bits) < 0 || bits > 128)
        return sn_fail(SN_E_SYNTAX, "\"%.*s\" is no prefix; expected ADDRESS/BITS",
                       (int)SN_MIN(s.len, 80u), s.ptr ? s.ptr : "");
    int r = sn_ip_parse(sn_str_sub(s, 0, (size_t)slash), &c.ip);
    if (r < 0) return r;
    if (bits > c.ip.len * 8u)
        return sn_fail(SN_E_SYNTAX, "\"%.*s\": a prefix of at most %u bits is expected",
                       SN_STR_ARG(s), c.ip.len * 8u);
    c.bits = (uint8_t)bits;
    *ret = c;
    return 0;
}

const char *sn_ip_text(const struct sn_ip *ip, char *out)
{
    if (!ip->len || !inet_ntop(ip->len == 16 ? AF_INET6 : AF_INET, ip->b, out, SN_IP_TEXT_MAX))
        out[0] = 0;
    return out;
}

const char *sn_cidr_text(const struct sn_cidr *c, char *out)
{
    char ip[SN_IP_TEXT_MAX];
    snprintf(out, SN_CIDR_TEXT_MAX, "%s/%u", sn_ip_text(&c->ip, ip), c->bits);
    return out;
}

int sn_ip_cmp(const struct sn_ip *a, const struct sn_ip *b)
{
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    return memcmp(a->b, b->b, a->len);
}

struct sn_ip sn_ip_step(const struct sn_ip *ip, bool down)
{
    struct sn_ip r = *ip;
    for (unsigned i = r.len; i-- > 0;) {
        if (down ? r.b[i]-- != 0 : ++r.b[i] != 0) break;
    }
    return r;
}

struct sn_ip sn_cidr_mask(const struct sn_cidr *c)
{
    struct sn_ip r = {.len = c->ip.len};
    for (unsigned i = 0; i < r.len; i++) {
        unsigned left = c->bits > i * 8 ? c->bits - i * 8 : 0;
        r.b[i] = (uint8_t)(left >= 8 ? 0xff : 0xff00 >> left);
    }
    return r;
}

struct sn_ip sn_cidr_net(const struct sn_cidr *c)
{
    struct sn_ip m = sn_cidr_mask(c), r = c->ip;
    for (unsigned i = 0; i < r.len; i++) r.b[i] &= m.b[i];
    return r;
}

struct sn_ip sn_cidr_last(const struct sn_cidr *c)
{
    struct sn_ip m = sn_cidr_mask(c), r = c->ip;
    for (unsigned i = 0; i < r.len; i++) r.b[i] |= (uint8_t)~m.b[i];
    return r;
}

bool sn_cidr_has(const struct sn_cidr *c, const struct sn_ip *ip)
{
    if (c->ip.len != ip->len) return false;
    struct sn_ip m = sn_cidr_mask(c);
    for (unsigned i = 0; i < m.len; i++)
        if ((c->ip.b[i] ^ ip->b[i]) & m.b[i]) return false;
    return true;
}
