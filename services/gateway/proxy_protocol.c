/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/proxy_protocol.c - see proxy_protocol.h. */
#include "gateway/proxy_protocol.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "core/crc32c.h"

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
#define V2_HEAD 16u
#define TLV_CRC32C 3u

static int again(size_t more, size_t *ret_more)
{
    *ret_more = more;
    return SN_E_AGAIN;
}

static void put_addr(int family, const void *ip, unsigned port, char out[SN_PROXYP_ADDR_MAX])
{
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(family, ip, text, sizeof(text));
    snprintf(out, SN_PROXYP_ADDR_MAX, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
}

/* ---- version 1 --------------------------------------------------------------------------------
 */

static int v1_addr(int family, struct sn_str ip, struct sn_str port, char out[SN_PROXYP_ADDR_MAX])
{
    char text[INET6_ADDRSTRLEN + 1];
    uint8_t raw[16];
    uint64_t n;
    if (sn_str_cz(ip, text, sizeof(text)) < 0 || inet_pton(family, text, raw) != 1)
        return SN_E_SYNTAX;
    if (!port.len || (port.ptr[0] == '0' && port.len > 1) || sn_str_to_u64(port, &n) < 0 ||
        n > 65535)
        return SN_E_SYNTAX;
    put_addr(family, raw, (unsigned)n, out);
    return 0;
}

static int v1_parse(struct sn_str s, struct sn_proxyp *ret, size_t *ret_more)
{
    ssize_t end = sn_str_chr(s, '\n');
    if (end < 0) {
        if (s.len >= SN_PROXYP_V1_MAX) return sn_fail(SN_E_TOO_LARGE, "PROXY line over 107 bytes");
        return again(1, ret_more);
    }
    if (end + 1 > (ssize_t)SN_PROXYP_V1_MAX)
        return sn_fail(SN_E_TOO_LARGE, "PROXY line over 107 bytes");
    if (s.ptr[end - 1] != '\r') return sn_fail(SN_E_SYNTAX, "PROXY line without a carriage return");
    struct sn_str line = sn_str_sub(s, 6, (size_t)end - 1), kind = sn_str_cut(&line, ' ');
    if (sn_str_eqc(kind, "UNKNOWN")) return (int)end + 1;
    int family = sn_str_eqc(kind, "TCP4") ? AF_INET : sn_str_eqc(kind, "TCP6") ? AF_INET6 : 0;
    struct sn_str f[4];
    for (int i = 0; i < 4; i++) f[i] = sn_str_cut(&line, ' ');
    if (!family || line.ptr || v1_addr(family, f[0], f[2], ret->source) < 0 ||
        v1_addr(family, f[1], f[3], ret->dest) < 0)
        return sn_fail(SN_E_SYNTAX,
                       "PROXY line: expected TCP4 or TCP6, two addresses and two ports");
    ret->known = true;
    return (int)end + 1;
}

/* ---- version 2 --------------------------------------------------------------------------------
 */

/* The TLVs behind the addresses: framing, and the checksum where there is one. */
static int v2_tlvs(const uint8_t *all, size_t n, size_t at)
{
    while (at < n) {
        if (n - at < 3) return sn_fail(SN_E_SYNTAX, "PROXY header: a cut TLV");
        size_t len = (size_t)all[at + 1] << 8 | all[at + 2];
        if (len > n - at - 3) return sn_fail(SN_E_SYNTAX, "PROXY header: a TLV over its end");
        if (all[at] == TLV_CRC32C) {
            static const uint8_t zero[4];
            if (len != 4) return sn_fail(SN_E_SYNTAX, "PROXY header: a checksum of %zu bytes", len);
            uint32_t want = (uint32_t)all[at + 3] << 24 | (uint32_t)all[at + 4] << 16 |
                            (uint32_t)all[at + 5] << 8 | all[at + 6];
            uint32_t crc = sn_crc32c(0, all, at + 3);
            crc = sn_crc32c(sn_crc32c(crc, zero, 4), all + at + 7, n - at - 7);
            if (crc != want)
                return sn_fail(SN_E_DATA_LOSS, "PROXY header: its checksum does not fit");
        }
        at += 3 + len;
    }
    return 0;
}

static int v2_parse(const uint8_t *p, size_t n, struct sn_proxyp *ret, size_t *ret_more)
{
    if (n < V2_HEAD) return again(V2_HEAD - n, ret_more);
    size_t len = (size_t)p[14] << 8 | p[15], all = V2_HEAD + len;
    unsigned command = p[12] & 15u, family = p[13] >> 4, transport = p[13] & 15u;
    if (p[12] >> 4 != 2 || command > 1)
        return sn_fail(SN_E_SYNTAX, "PROXY header: version or command");
    if (all > SN_PROXYP_V2_MAX)
        return sn_fail(SN_E_TOO_LARGE, "PROXY header of %zu bytes over %u", all, SN_PROXYP_V2_MAX);
    if (n < all) return again(all - n, ret_more);
    const uint8_t *a = p + V2_HEAD;
    size_t ip = family == 1   ? 4
                : family == 2 ? 16
                              : 0,
           addrs = family == 3 ? 216
                   : ip        ? 2 * ip + 4
                               : 0;
    if (family > 3 || transport > 2 || len < addrs)
        return sn_fail(SN_E_SYNTAX, "PROXY header: family, transport or length");
    int r = v2_tlvs(p, all, V2_HEAD + addrs);
    if (r < 0 || command == 0 || !ip || transport != 1) return r < 0 ? r : (int)all;
    int af = family == 1 ? AF_INET : AF_INET6;
    const uint8_t *ports = a + 2 * ip;
    put_addr(af, a, (unsigned)ports[0] << 8 | ports[1], ret->source);
    put_addr(af, a + ip, (unsigned)ports[2] << 8 | ports[3], ret->dest);
    ret->known = true;
    return (int)all;
}

int sn_proxyp_parse(const void *data, size_t n, struct sn_proxyp *ret, size_t *ret_more)
{
    const char *p = data;
    *ret = (struct sn_proxyp){0};
    *ret_more = 0;
    /* The two forms differ in their first byte; the shorter one has 15 bytes at least. */
    if (n == 0) return again(12, ret_more);
    if (p[0] == 'P') {
        if (memcmp(p, "PROXY ", SN_MIN(n, (size_t)6)) != 0)
            return sn_fail(SN_E_SYNTAX, "no PROXY header");
        if (n < 12) return again(12 - n, ret_more);
        return v1_parse(sn_str_of(p, n), ret, ret_more);
    }
    if (memcmp(p, signature, SN_MIN(n, sizeof(signature))) != 0)
        return sn_fail(SN_E_SYNTAX, "no PROXY header");
    if (n < sizeof(signature)) return again(sizeof(signature) - n, ret_more);
    return v2_parse(data, n, ret, ret_more);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

/* Family, or 0 where it is no IP address with a port. */
static int split(struct sn_str s, uint8_t ip[16], unsigned *ret_port)
{
    char text[INET6_ADDRSTRLEN + 1];
    uint64_t port;
    ssize_t colon = sn_str_rchr(s, ':');
    if (colon < 0 || sn_str_to_u64(sn_str_from(s, (size_t)colon + 1), &port) < 0 || port > 65535)
        return 0;
    s.len = (size_t)colon;
    if (s.len > 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']') s = sn_str_sub(s, 1, s.len - 1);
    if (sn_str_cz(s, text, sizeof(text)) < 0) return 0;
    *ret_port = (unsigned)port;
    if (inet_pton(AF_INET, text, ip) == 1) return AF_INET;
    return inet_pton(AF_INET6, text, ip) == 1 ? AF_INET6 : 0;
}

/* A v4 address as IPv6 writes it, for pairs of different families. */
static void widen(uint8_t ip[16])
{
    memcpy(ip + 12, ip, 4);
    memset(ip, 0, 10);
    ip[10] = ip[11] = 0xff;
}

size_t sn_proxyp_write(unsigned version, struct sn_str source, struct sn_str dest,
                       uint8_t out[SN_PROXYP_OUT_MAX])
{
    uint8_t a[16] = {0}, b[16] = {0};
    unsigned pa = 0, pb = 0;
    int fa = split(source, a, &pa), fb = split(dest, b, &pb), family = fa;
    if (!fa || !fb) family = 0;
    if (family && fa != fb) {
        family = AF_INET6;
        widen(fa == AF_INET ? a : b);
    }
    if (version == 1) {
        char ta[INET6_ADDRSTRLEN] = "", tb[INET6_ADDRSTRLEN] = "";
        if (!family) return (size_t)snprintf((char *)out, SN_PROXYP_OUT_MAX, "PROXY UNKNOWN\r\n");
        inet_ntop(family, a, ta, sizeof(ta));
        inet_ntop(family, b, tb, sizeof(tb));
        return (size_t)snprintf((char *)out, SN_PROXYP_OUT_MAX, "PROXY TCP%d %s %s %u %u\r\n",
                                family == AF_INET ? 4 : 6, ta, tb, pa, pb);
    }
    size_t ip = family == AF_INET ? 4 : family ? 16 : 0, len = ip ? 2 * ip + 4 : 0;
    memcpy(out, signature, sizeof(signature));
    out[12] = family ? 0x21 : 0x20;
    out[13] = family == AF_INET ? 0x11 : family ? 0x21 : 0;
    out[14] = 0;
    out[15] = (uint8_t)len;
    memcpy(out + V2_HEAD, a, ip);
    memcpy(out + V2_HEAD + ip, b, ip);
    uint8_t *ports = out + V2_HEAD + 2 * ip;
    if (ip) {
        ports[0] = (uint8_t)(pa >> 8);
        ports[1] = (uint8_t)pa;
        ports[2] = (uint8_t)(pb >> 8);
        ports[3] = (uint8_t)pb;
    }
    return V2_HEAD + len;
}
