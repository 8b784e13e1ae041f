/* SPDX-License-Identifier: Apache-2.0 */
/* cni/portmap.c - host ports and masquerading: one nftables table per family.
 *
 * A host port is an element of a map, so the rules are the same few however many pods there are,
 * and adding one costs the same. Key: [address,] protocol, port; data: address and port of the pod.
 */
#include <stdio.h>
#include <unistd.h>

#include "clusters/cni/cni_int.h"
#include "clusters/netlink/nft.h"
#include "core/alloc.h"
#include "core/status.h"

#define TABLE "sennit_cni"
#define T_ADDR4 7u /* data types as nft(8) numbers them */
#define T_ADDR6 8u
#define T_PROTO 12u
#define T_PORT 13u

static bool six(const struct sn_nft *t) { return t->family == NFPROTO_IPV6; }
static unsigned addr_len(const struct sn_nft *t) { return six(t) ? 16 : 4; }
static unsigned daddr_at(const struct sn_nft *t) { return six(t) ? 24 : 16; }
static unsigned saddr_at(const struct sn_nft *t) { return six(t) ? 8 : 12; }

static int open_nft(struct sn_nl *nl, unsigned len, struct sn_nft *ret)
{
    int r = sn_nl_open(nl, NETLINK_NETFILTER, -1);
    if (r < 0) return r;
    *ret = (struct sn_nft){.nl = nl,
                           .family = len == 16 ? NFPROTO_IPV6 : NFPROTO_IPV4,
                           .table = TABLE};
    return 0;
}

/* `dnat` by one of the maps, for what is addressed to this machine. */
static void add_dnat_rule(const struct sn_nft *t, const char *chain, const char *map,
                          bool with_addr)
{
    unsigned reg = NFT_REG32_00;
    sn_nft_rule(t, chain);
    sn_nft_x_local(t);
    if (with_addr) {
        sn_nft_x_network(t, daddr_at(t), addr_len(t), reg);
        reg += addr_len(t) / 4;
    }
    sn_nft_x_meta(t, NFT_META_L4PROTO, reg);
    sn_nft_x_transport(t, 2, 2, reg + 1);
    sn_nft_x_lookup(t, map, NFT_REG32_00, NFT_REG32_08);
    sn_nft_x_dnat(t, NFT_REG32_08, NFT_REG32_08 + addr_len(t) / 4);
    sn_nft_rule_end(t);
}

/* What a pod's connection to the host's loopback address needs to come back. */
static void add_loopback_rule(const struct sn_nft *t)
{
    static const char mask[4] = {(char)255}, lo[4] = {127};
    sn_nft_rule(t, "post");
    sn_nft_x_dnatted(t);
    sn_nft_x_network(t, saddr_at(t), 4, NFT_REG32_00);
    sn_nft_x_mask(t, NFT_REG32_00, sn_str_of(mask, 4));
    sn_nft_x_cmp(t, NFT_REG32_00, true, sn_str_of(lo, 4));
    sn_nft_x_masquerade(t);
    sn_nft_rule_end(t);
}

/* The table with its maps and rules, in one transaction; what is there already is made anew but for
 * the maps' elements. */
static int set_up(const struct sn_nft *t)
{
    static const struct sn_nft_hook pre = {NF_INET_PRE_ROUTING, -100, "nat"},
                                    out = {NF_INET_LOCAL_OUT, -100, "nat"},
                                    post = {NF_INET_POST_ROUTING, 100, "nat"};
    unsigned addr = six(t) ? T_ADDR6 : T_ADDR4, len = addr_len(t);
    sn_nft_begin(t);
    sn_nft_add_table(t);
    sn_nft_add_map(t, &(struct sn_nft_map){"ports", T_PROTO << 6 | T_PORT, 8, addr << 6 | T_PORT,
                                           len + 4});
    sn_nft_add_map(t, &(struct sn_nft_map){"ports_at", addr << 12 | T_PROTO << 6 | T_PORT, len + 8,
                                           addr << 6 | T_PORT, len + 4});
    sn_nft_add_chain(t, "pre", &pre);
    sn_nft_add_chain(t, "out", &out);
    sn_nft_add_chain(t, "post", &post);
    sn_nft_flush_chain(t, "pre");
    sn_nft_flush_chain(t, "out");
    sn_nft_flush_chain(t, "post");
    add_dnat_rule(t, "pre", "ports_at", true);
    add_dnat_rule(t, "pre", "ports", false);
    add_dnat_rule(t, "out", "ports_at", true);
    add_dnat_rule(t, "out", "ports", false);
    if (!six(t)) add_loopback_rule(t);
    return sn_nft_commit(t, NULL);
}

static struct sn_str bytes(const struct sn_ip *ip)
{
    return sn_str_of((const char *)ip->b, ip->len);
}

static void match_net(const struct sn_nft *t, const struct sn_cidr *net, bool source, bool inside)
{
    struct sn_ip mask = sn_cidr_mask(net);
    sn_nft_x_network(t, source ? saddr_at(t) : daddr_at(t), addr_len(t), NFT_REG32_00);
    sn_nft_x_mask(t, NFT_REG32_00, bytes(&mask));
    sn_nft_x_cmp(t, NFT_REG32_00, inside, bytes(&net->ip));
}

/* A chain of its own for each network: making it twice is making it once. */
static int masquerade(const struct sn_nft *t, const char *chain, const struct sn_cidr *net)
{
    static const struct sn_nft_hook post = {NF_INET_POST_ROUTING, 100, "nat"};
    static const struct sn_cidr multicast4 = {{4, {224}}, 4}, multicast6 = {{16, {255}}, 8};
    sn_nft_begin(t);
    sn_nft_add_table(t);
    sn_nft_add_chain(t, chain, &post);
    sn_nft_flush_chain(t, chain);
    sn_nft_rule(t, chain);
    match_net(t, net, true, true);
    match_net(t, net, false, false);
    match_net(t, six(t) ? &multicast6 : &multicast4, false, false);
    sn_nft_x_masquerade(t);
    sn_nft_rule_end(t);
    sn_nft_rule(t, chain); /* a pod that reaches its own host port */
    sn_nft_x_dnatted(t);
    match_net(t, net, true, true);
    match_net(t, net, false, true);
    sn_nft_x_masquerade(t);
    sn_nft_rule_end(t);
    return sn_nft_commit(t, NULL);
}

int cni_nat_masquerade(struct sn_str network, const struct sn_cidr *net)
{
    struct sn_nl nl;
    struct sn_nft t;
    char chain[160], at[SN_CIDR_TEXT_MAX];
    int r = open_nft(&nl, net->ip.len, &t);
    if (r < 0) return r;
    snprintf(chain, sizeof chain, "masq-%.*s-%s", (int)SN_MIN(network.len, 90u), network.ptr,
             sn_cidr_text(net, at));
    r = sn_nft_has_chain(&t, chain) ? 0 : masquerade(&t, chain, net);
    sn_nl_close(&nl);
    return r < 0 ? sn_wrap(r, "masquerade network %.*s", SN_STR_ARG(network)) : 0;
}

/* ---- host ports ---- */

static uint8_t proto_number(const char *p)
{
    return !strcmp(p, "udp") ? 17 : !strcmp(p, "sctp") ? 132 : 6;
}

static const char *map_key(const struct sn_nft *t, const struct sn_cni_port *p, uint8_t key[24],
                           unsigned *ret_len)
{
    bool any = true; /* 0.0.0.0 and :: say the same as nothing */
    unsigned n = 0;
    for (unsigned i = 0; i < p->host_ip.len; i++) any &= p->host_ip.b[i] == 0;
    memset(key, 0, 24);
    if (!any) {
        memcpy(key, p->host_ip.b, addr_len(t));
        n = addr_len(t);
    }
    key[n] = proto_number(p->protocol);
    key[n + 4] = (uint8_t)(p->host >> 8);
    key[n + 5] = (uint8_t)p->host;
    *ret_len = n + 8;
    return any ? "ports" : "ports_at";
}

static int put_port(const struct sn_nft *t, const struct sn_cni_port *p, const struct sn_ip *at,
                    bool del)
{
    uint8_t key[24], data[20] = {0};
    unsigned len;
    char label[48];
    const char *map = map_key(t, p, key, &len);
    struct sn_str k = sn_str_of((char *)key, len);
    memcpy(data, at->b, at->len);
    data[at->len] = (uint8_t)(p->container >> 8);
    data[at->len + 1] = (uint8_t)p->container;
    snprintf(label, sizeof label, "host port %u/%s", p->host, p->protocol);
    sn_nft_begin(t);
    if (del)
        sn_nft_del_elem(t, map, k, label);
    else
        sn_nft_add_elem(t, map, k, sn_str_of((char *)data, at->len + 4u), label);
    int r = sn_nft_commit(t, NULL);
    if (del) return r == SN_E_NOT_FOUND ? 0 : r;
    if (r == SN_E_ALREADY_EXISTS)
        return sn_fail(r, "host port %u/%s is taken", p->host, p->protocol);
    return r;
}

int cni_nat_ports(const struct sn_cni_port *ports, unsigned n, const struct sn_ip *at, bool del)
{
    struct sn_nl nl;
    struct sn_nft t;
    unsigned i = 0;
    int r = open_nft(&nl, at->len, &t);
    if (r < 0) return r;
    if (!del && !sn_nft_has_chain(&t, "pre")) r = set_up(&t);
    for (; i < n && r >= 0; i++) {
        if (ports[i].host_ip.len && ports[i].host_ip.len != at->len) continue;
        if (ports[i].host) r = put_port(&t, &ports[i], at, del);
    }
    if (r < 0 && !del && i > 0) { /* all or none */
        struct sn_diag keep = *sn_diag();
        for (unsigned k = 0; k + 1 < i; k++)
            if (ports[k].host && (!ports[k].host_ip.len || ports[k].host_ip.len == at->len))
                (void)put_port(&t, &ports[k], at, true);
        *sn_diag() = keep;
    }
    sn_nl_close(&nl);
    return r;
}

struct gc_walk {
    const struct sn_ip *valid;
    unsigned n, len, n_keys;
    struct {
        uint8_t b[24];
        unsigned len;
    } keys[256];
};

static int on_elem(struct sn_str key, struct sn_str data, void *arg)
{
    struct gc_walk *w = arg;
    if (data.len < w->len || key.len > 24 || w->n_keys == SN_COUNT_OF(w->keys))
        return 0; /* the rest: next time */
    for (unsigned i = 0; i < w->n; i++)
        if (w->valid[i].len == w->len && !memcmp(w->valid[i].b, data.ptr, w->len)) return 0;
    memcpy(w->keys[w->n_keys].b, key.ptr, key.len);
    w->keys[w->n_keys++].len = (unsigned)key.len;
    return 0;
}

static int gc_map(const struct sn_nft *t, const char *map, struct gc_walk *w)
{
    w->n_keys = 0;
    int r = sn_nft_elems(t, map, on_elem, w);
    if (r == SN_E_NOT_FOUND) return 0;
    for (unsigned i = 0; i < w->n_keys && r >= 0; i++) {
        sn_nft_begin(t);
        sn_nft_del_elem(t, map, sn_str_of((char *)w->keys[i].b, w->keys[i].len), "stale host port");
        r = sn_nft_commit(t, NULL);
        if (r == SN_E_NOT_FOUND) r = 0;
    }
    return r;
}

int cni_nat_gc(const struct sn_ip *valid, unsigned n)
{
    struct sn_nl nl;
    struct sn_nft t;
    struct gc_walk *w = SN_NEW(struct gc_walk);
    int r = w ? 0 : SN_E_NOMEM;
    for (unsigned len = 4; len <= 16 && r >= 0; len += 12) {
        r = open_nft(&nl, len, &t);
        if (r < 0) break;
        *w = (struct gc_walk){.valid = valid, .n = n, .len = len};
        r = gc_map(&t, "ports", w);
        if (r >= 0) r = gc_map(&t, "ports_at", w);
        sn_nl_close(&nl);
    }
    sn_free(w);
    return r;
}

int cni_portmap(struct cni_run *run, enum cni_command cmd)
{
    const struct sn_cni_result *res = run->result;
    int result = 0;
    if ((cmd != CNI_ADD && cmd != CNI_DEL) || !run->pod->n_ports) return 0;
    for (unsigned i = 0; i < res->n_ips; i++) {
        const struct sn_cni_ip *ip = &res->ips[i];
        if (ip->iface >= 0 && !res->ifaces[ip->iface].sandbox.len) continue;
        int r = cni_nat_ports(run->pod->ports, run->pod->n_ports, &ip->at.ip, cmd == CNI_DEL);
        if (r < 0 && cmd == CNI_ADD) return r;
        if (r < 0) result = r;
    }
    for (unsigned i = 0; i < res->n_ifaces && cmd == CNI_ADD; i++) {
        char path[96];
        if (res->ifaces[i].sandbox.len) continue;
        /* Connections to 127.0.0.1 leave by the bridge with that source until they are masqueraded.
         */
        snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%.*s/route_localnet",
                 SN_STR_ARG(res->ifaces[i].name));
        (void)cni_put(path, "1");
    }
    return result;
}
