/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "core/status.h"

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static bool is_v4(const struct sn_node_addr *a)
{
    return memcmp(a->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}
int sn_node_addr_set(struct sn_node_addr *ret, struct sn_str id, struct sn_str ip, uint64_t port)
{
    char text[SN_NODE_IP_TEXT_MAX];
    struct sn_node_addr a = {.port = (uint16_t)port};
    bool ok = id.len == SN_NODE_ID_LEN;
    for (size_t i = 0; ok && i < id.len; i++)
        ok = (id.ptr[i] >= '0' && id.ptr[i] <= '9') || (id.ptr[i] >= 'a' && id.ptr[i] <= 'f');
    if (!ok)
        return sn_fail(SN_E_INVALID_ARGUMENT, "peer address: the id is not %d hexadecimal digits",
                       SN_NODE_ID_LEN);
    memcpy(a.id, id.ptr, id.len);
    ok = ip.len > 0 && ip.len < sizeof(text) && !memchr(ip.ptr, 0, ip.len);
    if (ok) {
        memcpy(text, ip.ptr, ip.len);
        text[ip.len] = 0;
        memcpy(a.ip, v4_prefix, sizeof(v4_prefix));
        ok = inet_pton(AF_INET, text, a.ip + 12) == 1 || inet_pton(AF_INET6, text, a.ip) == 1;
    }
    if (!ok) return sn_fail(SN_E_INVALID_ARGUMENT, "peer address: not an IP address");
    if (port > 65535)
        return sn_fail(SN_E_INVALID_ARGUMENT, "peer address: port %llu", (unsigned long long)port);
    *ret = a;
    return 0;
}
int sn_node_addr_parse(struct sn_node_addr *ret, struct sn_str text)
{
    ssize_t at = sn_str_chr(text, '@'), colon = sn_str_rchr(text, ':');
    uint64_t port = 0;
    if (at < 0 || colon < at || (size_t)colon + 1 == text.len || text.len - (size_t)colon > 6)
        return sn_fail(SN_E_INVALID_ARGUMENT, "peer address: expected ID@IP:PORT");
    for (size_t i = (size_t)colon + 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return sn_fail(SN_E_INVALID_ARGUMENT, "peer address: the port is no number");
        port = port * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    struct sn_str ip = sn_str_sub(text, (size_t)at + 1, (size_t)colon);
    if (ip.len > 1 && ip.ptr[0] == '[' && ip.ptr[ip.len - 1] == ']')
        ip = sn_str_sub(ip, 1, ip.len - 1);
    return sn_node_addr_set(ret, sn_str_sub(text, 0, (size_t)at), ip, port);
}
size_t sn_node_addr_ip(const struct sn_node_addr *a, char out[SN_NODE_IP_TEXT_MAX])
{
    const char *s = is_v4(a) ? inet_ntop(AF_INET, a->ip + 12, out, SN_NODE_IP_TEXT_MAX)
                             : inet_ntop(AF_INET6, a->ip, out, SN_NODE_IP_TEXT_MAX);
    SN_ASSERT(s != NULL);
    return strlen(out);
}
size_t sn_node_addr_text(const struct sn_node_addr *a, char out[SN_NODE_ADDR_TEXT_MAX])
{
    char ip[SN_NODE_IP_TEXT_MAX];
    (void)sn_node_addr_ip(a, ip);
    int n = snprintf(out, SN_NODE_ADDR_TEXT_MAX, is_v4(a) ? "%s@%s:%u" : "%s@[%s]:%u", a->id, ip,
                     a->port);
    return (size_t)n;
}

/* Ranges: addresses whose first bits are these. */
struct range {
    uint8_t bits, prefix[16];
};
static bool within(const struct sn_node_addr *a, const struct range *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned bytes = r[i].bits / 8, rest = r[i].bits % 8;
        if (memcmp(a->ip, r[i].prefix, bytes) != 0) continue;
        if (rest == 0 || ((a->ip[bytes] ^ r[i].prefix[bytes]) >> (8 - rest)) == 0) return true;
    }
    return false;
}
#define V4(bits, ...)                                                          \
    {                                                                          \
        96 + (bits), { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, __VA_ARGS__ } \
    }
bool sn_node_addr_is_valid(const struct sn_node_addr *a)
{
    static const struct range nobody[] = {
        V4(32, 0, 0, 0, 0),             /* unspecified */
        V4(32, 255, 255, 255, 255),     /* broadcast */
        {128, {0}},                     /* unspecified */
        {32, {0x20, 0x01, 0x0d, 0xb8}}, /* documentation: RFC 3849 */
    };
    return !within(a, nobody, SN_COUNT_OF(nobody));
}
bool sn_node_addr_is_routable(const struct sn_node_addr *a)
{
    static const struct range near[] = {
        V4(8, 10),
        V4(12, 172, 16),
        V4(16, 192, 168), /* private: RFC 1918 */
        V4(16, 169, 254), /* of a link: RFC 3927 */
        V4(8, 127),
        V4(8, 0),                       /* of this machine */
        {128, {[15] = 1}},              /* of this machine */
        {64, {0xfe, 0x80}},             /* of a link: RFC 4862 */
        {7, {0xfc}},                    /* private: RFC 4193 */
        {28, {0x20, 0x01, 0x00, 0x10}}, /* hashes: RFC 4843 */
    };
    return sn_node_addr_is_valid(a) && !within(a, near, SN_COUNT_OF(near));
}
void sn_node_addr_group(const struct sn_node_addr *a, uint8_t ret[SN_NODE_ADDR_GROUP])
{
    memset(ret, 0, SN_NODE_ADDR_GROUP);
    ret[0] = is_v4(a) ? 4 : 6;
    memcpy(ret + 1, is_v4(a) ? a->ip + 12 : a->ip, is_v4(a) ? 2 : 4);
}
