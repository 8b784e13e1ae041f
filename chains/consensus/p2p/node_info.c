/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/node_info.h"

#include "core/arena.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "tendermint/p2p/types.pb.h"

int sn_node_id(const uint8_t key[SN_ED25519_PUBLIC_LEN], char ret[SN_NODE_ID_LEN + 1])
{
    uint8_t digest[32];
    int r = sn_hash_once(SN_SHA256, key, SN_ED25519_PUBLIC_LEN, digest);
    if (r < 0) return r;
    ret[sn_hex_encode(digest, SN_NODE_ID_LEN / 2, ret)] = 0;
    return 0;
}
int sn_node_info_put(const struct sn_node_info *i, struct sn_buf *out)
{
    struct tendermint_p2p_protocol_version version = {.p2p = i->p2p_version,
                                                      .block = i->block_version,
                                                      .app = i->app_version};
    struct tendermint_p2p_default_node_info_other other = {.tx_index = sn_str(i->tx_index),
                                                           .rpc_address = sn_str(i->rpc_address)};
    struct tendermint_p2p_default_node_info msg = {
        .protocol_version = &version,
        .default_node_id = sn_str(i->id),
        .listen_addr = sn_str(i->listen_addr),
        .network = sn_str(i->network),
        .version = sn_str(i->version),
        .channels = sn_str_of((const char *)i->channels, i->n_channels),
        .moniker = sn_str(i->moniker),
        .other = &other,
    };
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {.limit = SN_NODE_INFO_MAX};
    ssize_t n = tendermint_p2p_default_node_info_encode(&msg, &b);
    if (n < 0) return (int)n;
    for (size_t v = (size_t)n;; v >>= 7) {
        sn_buf_byte(out, (uint8_t)((v & 127) | (v >= 128 ? 128 : 0)));
        if (v < 128) break;
    }
    return sn_buf_str(out, sn_buf_view(&b));
}
static int text(char *to, struct sn_str from, const char *field)
{
    if (from.len > SN_NODE_TEXT_MAX)
        return sn_fail(SN_E_PROTOCOL, "node info: %s has %zu bytes, limit %u", field, from.len,
                       SN_NODE_TEXT_MAX);
    if (from.len > 0 && memchr(from.ptr, 0, from.len))
        return sn_fail(SN_E_PROTOCOL, "node info: %s has a zero byte", field);
    if (from.len > 0) memcpy(to, from.ptr, from.len);
    to[from.len] = 0;
    return 0;
}
static int convert(const struct tendermint_p2p_default_node_info *m, struct sn_node_info *ret)
{
    static const struct tendermint_p2p_protocol_version no_version;
    static const struct tendermint_p2p_default_node_info_other no_other;
    const struct tendermint_p2p_protocol_version *v =
        m->protocol_version ? m->protocol_version : &no_version;
    const struct tendermint_p2p_default_node_info_other *o = m->other ? m->other : &no_other;
    int r = 0;
    memset(ret, 0, sizeof(*ret));
    ret->p2p_version = v->p2p;
    ret->block_version = v->block;
    ret->app_version = v->app;
    if (m->default_node_id.len != SN_NODE_ID_LEN)
        return sn_fail(SN_E_PROTOCOL, "node info: the id has %zu bytes, expected %d",
                       m->default_node_id.len, SN_NODE_ID_LEN);
    memcpy(ret->id, m->default_node_id.ptr, SN_NODE_ID_LEN);
    if (m->channels.len > SN_NODE_CHANNELS_MAX)
        return sn_fail(SN_E_PROTOCOL, "node info: %zu channels, limit %u", m->channels.len,
                       SN_NODE_CHANNELS_MAX);
    if (m->channels.len > 0) memcpy(ret->channels, m->channels.ptr, m->channels.len);
    ret->n_channels = (unsigned)m->channels.len;
    r = text(ret->listen_addr, m->listen_addr, "listen_addr");
    if (r == 0) r = text(ret->network, m->network, "network");
    if (r == 0) r = text(ret->version, m->version, "version");
    if (r == 0) r = text(ret->moniker, m->moniker, "moniker");
    if (r == 0) r = text(ret->tx_index, o->tx_index, "tx_index");
    if (r == 0) r = text(ret->rpc_address, o->rpc_address, "rpc_address");
    return r == 0 ? sn_node_info_check(ret) : r;
}
ssize_t sn_node_info_get(struct sn_str in, struct sn_node_info *ret)
{
    struct tendermint_p2p_default_node_info *m;
    struct sn_arena a;
    size_t len = 0, head = 0;
    /* Two bytes of length reach beyond the limit. */
    do {
        if (head == in.len) return 0;
        len |= (size_t)((uint8_t)in.ptr[head] & 127) << 7 * head;
        head++;
    } while ((uint8_t)in.ptr[head - 1] >= 128 && head < 2);
    if (len > SN_NODE_INFO_MAX || (uint8_t)in.ptr[head - 1] >= 128)
        return sn_fail(SN_E_PROTOCOL, "node info of more than %u bytes", SN_NODE_INFO_MAX);
    if (in.len - head < len) return 0;
    sn_arena_init(&a, NULL, 64u << 10);
    int r = tendermint_p2p_default_node_info_parse(sn_str_sub(in, head, head + len),
                                                   SN_PB_DISCARD_UNKNOWN, &a, &m);
    if (r < 0)
        r = r == SN_E_NOMEM ? r : sn_fail(SN_E_PROTOCOL, "node info: not protobuf, or not UTF-8");
    else
        r = convert(m, ret);
    sn_arena_done(&a);
    return r < 0 ? r : (ssize_t)(head + len);
}

static bool is_printable(const char *s)
{
    for (; *s; s++)
        if (*s < 0x20 || *s > 0x7e) return false;
    return true;
}
static bool is_blank(const char *s) { return s[strspn(s, " ")] == 0; }
static int check_text(const char *s, const char *field, bool needed)
{
    if ((*s == 0 && !needed) || (is_printable(s) && !is_blank(s))) return 0;
    return sn_fail(SN_E_PROTOCOL, "node info: %s is not printable ASCII%s", field,
                   *s == 0 ? ": it is empty" : "");
}
/* "[tcp://]HOST:PORT", where an IPv6 host stands in brackets. */
static bool is_address(const char *s)
{
    struct sn_str at = sn_str(s);
    ssize_t scheme = sn_str_find(at, SN_STR("://"));
    if (scheme >= 0) at = sn_str_from(at, (size_t)scheme + 3);
    ssize_t colon = sn_str_rchr(at, ':');
    if (colon < 0 || colon + 1 == (ssize_t)at.len || at.len - (size_t)colon > 6) return false;
    unsigned port = 0;
    for (size_t i = (size_t)colon + 1; i < at.len; i++) {
        if (at.ptr[i] < '0' || at.ptr[i] > '9') return false;
        port = port * 10 + (unsigned)(at.ptr[i] - '0');
    }
    return port <= 65535;
}
int sn_node_info_check(const struct sn_node_info *i)
{
    bool seen[256] = {false};
    for (unsigned k = 0; k < SN_NODE_ID_LEN; k++)
        if (!((i->id[k] >= '0' && i->id[k] <= '9') || (i->id[k] >= 'a' && i->id[k] <= 'f')))
            return sn_fail(SN_E_PROTOCOL,
                           "node info: the id is not %d lower-case hexadecimal digits",
                           SN_NODE_ID_LEN);
    for (unsigned k = 0; k < i->n_channels; k++) {
        if (seen[i->channels[k]])
            return sn_fail(SN_E_PROTOCOL, "node info: channel %02x is there twice", i->channels[k]);
        seen[i->channels[k]] = true;
    }
    if (!is_printable(i->listen_addr) || !is_address(i->listen_addr))
        return sn_fail(SN_E_PROTOCOL, "node info: listen_addr is not HOST:PORT");
    int r = check_text(i->version, "version", false);
    if (r == 0) r = check_text(i->moniker, "moniker", true);
    if (r == 0) r = check_text(i->rpc_address, "rpc_address", false);
    if (r < 0) return r;
    if (*i->tx_index && strcmp(i->tx_index, "on") != 0 && strcmp(i->tx_index, "off") != 0)
        return sn_fail(SN_E_PROTOCOL, "node info: tx_index is neither on nor off nor empty");
    return 0;
}
int sn_node_info_fits(const struct sn_node_info *self, const struct sn_node_info *other)
{
    if (self->block_version != other->block_version)
        return sn_fail(SN_E_FAILED_PRECONDITION, "the peer's block version is %llu, ours %llu",
                       (unsigned long long)other->block_version,
                       (unsigned long long)self->block_version);
    if (strcmp(self->network, other->network) != 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "the peer's network is \"%s\", ours \"%s\"",
                       other->network, self->network);
    for (unsigned i = 0; i < self->n_channels; i++)
        if (memchr(other->channels, self->channels[i], other->n_channels)) return 0;
    if (self->n_channels == 0) return 0;
    return sn_fail(SN_E_FAILED_PRECONDITION, "the peer has none of our %u channels",
                   self->n_channels);
}
