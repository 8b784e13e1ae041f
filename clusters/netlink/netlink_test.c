/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/netlink_test.c - the codec on bytes, addresses, and the real kernel in namespaces of the
 * test's. */
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

#include "clusters/netlink/netns.h"
#include "clusters/netlink/nft.h"
#include "clusters/netlink/rtnl.h"
#include "core/alloc.h"
#include "tests/harness/test.h"

SN_TEST(ip_texts)
{
    static const struct {
        const char *in, *out, *net, *last; /* out NULL: refused */
    } rows[] = {{"10.1.2.3/24", "10.1.2.3/24", "10.1.2.0", "10.1.2.255"},
                {"10.1.2.3/32", "10.1.2.3/32", "10.1.2.3", "10.1.2.3"},
                {"10.1.2.3/0", "10.1.2.3/0", "0.0.0.0", "255.255.255.255"},
                {"172.16.9.1/20", "172.16.9.1/20", "172.16.0.0", "172.16.15.255"},
                {"fd00::5/64", "fd00::5/64", "fd00::", "fd00::ffff:ffff:ffff:ffff"},
                {"10.1.2.3", NULL},
                {"10.1.2.3/33", NULL},
                {"fd00::/129", NULL},
                {"10.1.2/8", NULL},
                {"/8", NULL},
                {"10.1.2.3/", NULL},
                {"10.1.2.3/-1", NULL}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].in);
        struct sn_cidr c;
        char t[SN_CIDR_TEXT_MAX];
        int r = sn_cidr_parse(sn_str(rows[i].in), &c);
        T_EQ(r, rows[i].out ? 0 : SN_E_SYNTAX);
        if (r < 0) continue;
        T_CSTR(sn_cidr_text(&c, t), rows[i].out);
        struct sn_ip net = sn_cidr_net(&c), last = sn_cidr_last(&c);
        T_CSTR(sn_ip_text(&net, t), rows[i].net);
        T_CSTR(sn_ip_text(&last, t), rows[i].last);
        T_ASSERT(sn_cidr_has(&c, &net) && sn_cidr_has(&c, &last));
        struct sn_ip out = sn_ip_step(&last, false);
        T_EQ(sn_cidr_has(&c, &out), c.bits == 0);
    }
    struct sn_ip a;
    T_OK(sn_ip_parse(SN_STR("10.0.0.255"), &a));
    char t[SN_IP_TEXT_MAX];
    a = sn_ip_step(&a, false);
    T_CSTR(sn_ip_text(&a, t), "10.0.1.0");
    a = sn_ip_step(&a, true);
    T_CSTR(sn_ip_text(&a, t), "10.0.0.255");
}

/* Every cut of a real message is taken or refused, never read beyond. */
SN_TEST(malformed_messages)
{
    struct sn_nl nl = {.fd = -1, .seq = 7};
    struct ifinfomsg h = {0};
    sn_nl_begin(&nl, RTM_NEWLINK, 0, &h, sizeof h, "x");
    sn_nl_put_str(&nl, 3, "name");
    sn_nl_nest(&nl, 18);
    sn_nl_put_u8(&nl, 1, 9);
    sn_nl_nest_end(&nl);
    T_EQ(nl.out.err, 0);
    T_EQ(nl.out.len % 4, 0);
    for (size_t cut = 0; cut <= nl.out.len; cut++) {
        char *copy = sn_alloc(cut + 1);
        memcpy(copy, nl.out.ptr, cut);
        struct sn_str in = sn_str_of(copy, cut);
        struct sn_nl_msg m;
        int r = sn_nl_next(&in, &m);
        T_EQ(r, cut == 0 ? 0 : cut == nl.out.len ? 1 : SN_E_PROTOCOL);
        sn_free(copy);
    }
    struct sn_str in = sn_buf_view(&nl.out);
    struct sn_nl_msg m;
    T_EQ(sn_nl_next(&in, &m), 1);
    T_EQ(m.seq, 7);
    struct sn_str attrs = sn_str_from(m.body, sizeof h), nest = sn_nl_attr_find(attrs, 18);
    T_STR(sn_str_sub(sn_nl_attr_find(attrs, 3), 0, 4), "name");
    T_EQ(sn_nl_attr_find(attrs, 3).len, 5); /* with its NUL */
    T_EQ(sn_nl_attr_find(nest, 1).len, 1);
    T_ASSERT(!sn_nl_attr_find(attrs, 4).ptr);
    sn_buf_done(&nl.out);
}

static int count(const struct sn_cidr *at, void *arg)
{
    struct sn_cidr *c = arg;
    *c = *at;
    return 0;
}

static void need_root(struct sn_netns *ns)
{
    int r = sn_netns_new(ns);
    if (r < 0) sn_test_skip("no network namespace here: %s", sn_diag_str(r));
}

SN_TEST(bridge_veth_address_route)
{
    struct sn_netns host, pod;
    need_root(&host);
    T_OK(sn_netns_new(&pod));
    struct sn_rtnl_link br, l;
    sn_rtnl_add_bridge(&host.nl, "br0", 1400, false);
    T_OK(sn_nl_commit(&host.nl, NULL));
    T_OK(sn_rtnl_link(&host.nl, "br0", 0, &br));
    T_CSTR(br.kind, "bridge");
    T_EQ(br.mtu, 1400);
    T_ASSERT(br.flags & IFF_UP);
    struct sn_cidr gw, at, got = {0};
    T_OK(sn_cidr_parse(SN_STR("10.9.0.1/24"), &gw));
    T_OK(sn_cidr_parse(SN_STR("10.9.0.7/24"), &at));
    sn_rtnl_add_addr(&host.nl, br.index, &gw);
    sn_rtnl_add_veth(&host.nl, &(struct sn_rtnl_veth){.name = "veth1",
                                                      .peer = "eth0",
                                                      .master = br.index,
                                                      .peer_netns = pod.fd,
                                                      .peer_index = 2});
    sn_rtnl_port(&host.nl, "veth1", true, false);
    T_OK(sn_nl_commit(&host.nl, NULL));
    sn_rtnl_up(&pod.nl, NULL, 2, true);
    sn_rtnl_add_addr(&pod.nl, 2, &at);
    sn_rtnl_add_route(&pod.nl, &(struct sn_rtnl_route){.gw = gw.ip, .index = 2});
    T_OK(sn_nl_commit(&pod.nl, NULL));
    T_OK(sn_rtnl_link(&pod.nl, "eth0", 0, &l));
    T_EQ(l.index, 2);
    T_ASSERT(l.flags & IFF_UP);
    T_OK(sn_rtnl_addrs(&pod.nl, 2, count, &got));
    T_ASSERT(sn_ip_eq(&got.ip, &at.ip) || got.ip.len == 16);
    T_OK(sn_rtnl_link(&host.nl, "veth1", 0, &l));
    T_EQ(l.master, br.index);
    /* The same again: the failure names the request and the kernel's reason. */
    unsigned failed = 99;
    sn_rtnl_up(&pod.nl, NULL, 2, true);
    sn_rtnl_add_addr(&pod.nl, 2, &at);
    int r = sn_nl_commit(&pod.nl, &failed);
    T_EQ(r, SN_E_ALREADY_EXISTS);
    T_EQ(failed, 1);
    T_ASSERTF(strstr(sn_diag_str(r), "address 10.9.0.7/24 on link 2"), "got \"%s\"",
              sn_diag_str(r));
    T_EQ(sn_rtnl_link(&pod.nl, "nope", 0, &l), SN_E_NOT_FOUND);
    sn_rtnl_del(&host.nl, "veth1", 0);
    T_OK(sn_nl_commit(&host.nl, NULL));
    T_EQ(sn_rtnl_link(&pod.nl, "eth0", 0, &l), SN_E_NOT_FOUND);
    sn_netns_close(&pod);
    sn_netns_close(&host);
}

struct seen {
    unsigned n;
    uint8_t key[8], data[8];
};
static int see(struct sn_str key, struct sn_str data, void *arg)
{
    struct seen *s = arg;
    s->n++;
    if (key.len == 8) memcpy(s->key, key.ptr, 8);
    if (data.len == 8) memcpy(s->data, data.ptr, 8);
    return 0;
}

SN_TEST(nftables_transactions)
{
    struct sn_netns ns;
    struct sn_nl nl;
    need_root(&ns);
    T_OK(sn_nl_open(&nl, NETLINK_NETFILTER, ns.fd));
    if (!sn_nft_supported(&nl)) {
        sn_nl_close(&nl);
        sn_netns_close(&ns);
        sn_test_skip("this kernel has no nf_tables");
    }
    struct sn_nft t = {.nl = &nl, .family = NFPROTO_IPV4, .table = "t"};
    uint8_t key[8] = {6, 0, 0, 0, 0x1f, 0x90}, data[8] = {10, 9, 0, 7, 0, 80};
    struct sn_str k = sn_str_of((char *)key, 8), d = sn_str_of((char *)data, 8);
    for (int i = 0; i < 2; i++) { /* twice: what is there already stays */
        sn_nft_begin(&t);
        sn_nft_add_table(&t);
        sn_nft_add_map(&t, &(struct sn_nft_map){"ports", 12u << 6 | 13, 8, 7u << 6 | 13, 8});
        sn_nft_add_chain(&t, "pre", &(struct sn_nft_hook){NF_INET_PRE_ROUTING, -100, "nat"});
        sn_nft_flush_chain(&t, "pre");
        sn_nft_rule(&t, "pre");
        sn_nft_x_local(&t);
        sn_nft_x_meta(&t, NFT_META_L4PROTO, NFT_REG32_00);
        sn_nft_x_transport(&t, 2, 2, NFT_REG32_01);
        sn_nft_x_lookup(&t, "ports", NFT_REG32_00, NFT_REG32_08);
        sn_nft_x_dnat(&t, NFT_REG32_08, NFT_REG32_09);
        sn_nft_rule_end(&t);
        int r = sn_nft_commit(&t, NULL);
        T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    }
    sn_nft_begin(&t);
    sn_nft_add_elem(&t, "ports", k, d, "port 8080/tcp");
    T_OK(sn_nft_commit(&t, NULL));
    sn_nft_begin(&t);
    sn_nft_add_elem(&t, "ports", k, d, "port 8080/tcp");
    int r = sn_nft_commit(&t, NULL);
    T_EQ(r, SN_E_ALREADY_EXISTS);
    T_ASSERTF(strstr(sn_diag_str(r), "port 8080/tcp"), "got \"%s\"", sn_diag_str(r));
    struct seen s = {0};
    T_OK(sn_nft_elems(&t, "ports", see, &s));
    T_EQ(s.n, 1);
    T_EQ(memcmp(s.data, data, 8), 0);
    /* A batch whose second half fails changes nothing. */
    key[5]++;
    sn_nft_begin(&t);
    sn_nft_add_elem(&t, "ports", k, d, "port 8081/tcp");
    sn_nft_flush_chain(&t, "nope");
    T_EQ(sn_nft_commit(&t, NULL), SN_E_NOT_FOUND);
    s.n = 0;
    T_OK(sn_nft_elems(&t, "ports", see, &s));
    T_EQ(s.n, 1);
    sn_nl_close(&nl);
    sn_netns_close(&ns);
}

SN_TEST(netns_pool)
{
    struct sn_netns a, b;
    need_root(&a);
    sn_netns_close(&a);
    struct sn_netns_pool *p = sn_netns_pool_new(2);
    T_ASSERT(p);
    T_EQ(sn_netns_pool_fill(p), 1);
    T_EQ(sn_netns_pool_fill(p), 1);
    T_EQ(sn_netns_pool_fill(p), 0);
    T_OK(sn_netns_pool_take(p, &a));
    T_EQ(sn_netns_pool_ready(p), 1);
    T_OK(sn_netns_pool_take(p, &b));
    sn_netns_close(&b);
    T_OK(sn_netns_pool_take(p, &b)); /* empty: made on the spot */
    struct sn_rtnl_link lo;
    T_OK(sn_rtnl_link(&b.nl, "lo", 0, &lo));
    T_ASSERT(lo.flags & IFF_UP);
    sn_netns_close(&a);
    sn_netns_close(&b);
    sn_netns_pool_free(p);
}
