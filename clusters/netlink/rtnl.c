/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/rtnl.c - links, addresses, routes. */
#include "clusters/netlink/rtnl.h"

#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

/* ---- looking ---- */

static void copy_name(char *out, size_t cap, struct sn_str v)
{
    size_t n = SN_MIN(v.len, cap - 1);
    if (n) memcpy(out, v.ptr, n);
    out[n] = 0;
}

static void read_stats(struct sn_str v, struct sn_rtnl_link *l)
{
    struct rtnl_link_stats64 s = {0};
    if (!v.ptr) return;
    memcpy(&s, v.ptr, SN_MIN(v.len, sizeof s));
    l->rx_bytes = s.rx_bytes, l->rx_packets = s.rx_packets, l->rx_errors = s.rx_errors,
    l->rx_dropped = s.rx_dropped;
    l->tx_bytes = s.tx_bytes, l->tx_packets = s.tx_packets, l->tx_errors = s.tx_errors,
    l->tx_dropped = s.tx_dropped;
}

static bool read_link(const struct sn_nl_msg *m, struct sn_rtnl_link *ret)
{
    struct ifinfomsg h;
    if (m->type != RTM_NEWLINK || m->body.len < sizeof h) return false;
    memcpy(&h, m->body.ptr, sizeof h);
    struct sn_rtnl_link l = {.index = h.ifi_index, .flags = h.ifi_flags};
    struct sn_str attrs = sn_str_from(m->body, NLMSG_ALIGN(sizeof h)), v;
    uint16_t t;
    while (sn_nl_attr(&attrs, &t, &v) > 0) {
        if (t == IFLA_IFNAME)
            copy_name(l.name, sizeof l.name, v);
        else if (t == IFLA_MTU)
            l.mtu = sn_nl_u32(v, 0);
        else if (t == IFLA_MASTER)
            l.master = (int)sn_nl_u32(v, 0);
        else if (t == IFLA_LINK)
            l.peer = (int)sn_nl_u32(v, 0);
        else if (t == IFLA_ADDRESS && v.len == SN_MAC_LEN)
            memcpy(l.mac, v.ptr, SN_MAC_LEN);
        else if (t == IFLA_LINKINFO)
            copy_name(l.kind, sizeof l.kind, sn_nl_attr_find(v, IFLA_INFO_KIND));
        else if (t == IFLA_STATS64)
            read_stats(v, &l);
    }
    *ret = l;
    return true;
}

struct links_walk {
    int (*fn)(const struct sn_rtnl_link *l, void *arg);
    void *arg;
};

static int on_link(const struct sn_nl_msg *m, void *arg)
{
    struct links_walk *w = arg;
    struct sn_rtnl_link l;
    return read_link(m, &l) ? w->fn(&l, w->arg) : 0;
}

static int keep_link(const struct sn_rtnl_link *l, void *arg)
{
    *(struct sn_rtnl_link *)arg = *l;
    return 0;
}

int sn_rtnl_link(struct sn_nl *nl, const char *name, int index, struct sn_rtnl_link *ret)
{
    struct ifinfomsg h = {.ifi_index = name ? 0 : index};
    struct sn_rtnl_link got = {0};
    struct links_walk w = {keep_link, &got};
    if (name)
        sn_nl_begin(nl, RTM_GETLINK, 0, &h, sizeof h, "link %s", name);
    else
        sn_nl_begin(nl, RTM_GETLINK, 0, &h, sizeof h, "link %d", index);
    if (name) sn_nl_put_str(nl, IFLA_IFNAME, name);
    int r = sn_nl_query(nl, on_link, &w);
    if (r < 0) return r;
    *ret = got;
    return 0;
}

int sn_rtnl_links(struct sn_nl *nl, int (*fn)(const struct sn_rtnl_link *l, void *arg), void *arg)
{
    struct ifinfomsg h = {0};
    struct links_walk w = {fn, arg};
    sn_nl_begin(nl, RTM_GETLINK, NLM_F_DUMP, &h, sizeof h, "list links");
    return sn_nl_query(nl, on_link, &w);
}

struct addrs_walk {
    int index;
    int (*fn)(const struct sn_cidr *at, void *arg);
    void *arg;
};

static int on_addr(const struct sn_nl_msg *m, void *arg)
{
    struct addrs_walk *w = arg;
    struct ifaddrmsg h;
    if (m->type != RTM_NEWADDR || m->body.len < sizeof h) return 0;
    memcpy(&h, m->body.ptr, sizeof h);
    if ((int)h.ifa_index != w->index || (h.ifa_family != AF_INET && h.ifa_family != AF_INET6))
        return 0;
    struct sn_str attrs = sn_str_from(m->body, NLMSG_ALIGN(sizeof h));
    struct sn_str v = sn_nl_attr_find(attrs, IFA_LOCAL);
    if (!v.ptr) v = sn_nl_attr_find(attrs, IFA_ADDRESS);
    struct sn_cidr c = {.ip.len = h.ifa_family == AF_INET ? 4 : 16, .bits = h.ifa_prefixlen};
    if (v.len != c.ip.len) return 0;
    memcpy(c.ip.b, v.ptr, v.len);
    return w->fn(&c, w->arg);
}

int sn_rtnl_addrs(struct sn_nl *nl, int index, int (*fn)(const struct sn_cidr *at, void *arg),
                  void *arg)
{
    struct ifaddrmsg h = {0};
    struct addrs_walk w = {index, fn, arg};
    sn_nl_begin(nl, RTM_GETADDR, NLM_F_DUMP, &h, sizeof h, "list addresses");
    return sn_nl_query(nl, on_addr, &w);
}

/* ---- changing ---- */

void sn_rtnl_add_bridge(struct sn_nl *nl, const char *name, unsigned mtu, bool vlan_filtering)
{
    struct ifinfomsg h = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    sn_nl_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof h, "bridge %s", name);
    sn_nl_put_str(nl, IFLA_IFNAME, name);
    if (mtu) sn_nl_put_u32(nl, IFLA_MTU, mtu);
    sn_nl_nest(nl, IFLA_LINKINFO);
    sn_nl_put_str(nl, IFLA_INFO_KIND, "bridge");
    if (vlan_filtering) {
        sn_nl_nest(nl, IFLA_INFO_DATA);
        sn_nl_put_u8(nl, IFLA_BR_VLAN_FILTERING, 1);
        sn_nl_nest_end(nl);
    }
    sn_nl_nest_end(nl);
}

void sn_rtnl_add_veth(struct sn_nl *nl, const struct sn_rtnl_veth *v)
{
    struct ifinfomsg h = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP},
                     peer = {.ifi_index = v->peer_index};
    sn_nl_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof h, "veth %s, %s", v->name,
                v->peer);
    sn_nl_put_str(nl, IFLA_IFNAME, v->name);
    if (v->mtu) sn_nl_put_u32(nl, IFLA_MTU, v->mtu);
    if (v->master) sn_nl_put_u32(nl, IFLA_MASTER, (uint32_t)v->master);
    sn_nl_nest(nl, IFLA_LINKINFO);
    sn_nl_put_str(nl, IFLA_INFO_KIND, "veth");
    sn_nl_nest(nl, IFLA_INFO_DATA);
    sn_nl_nest(nl, VETH_INFO_PEER);
    sn_nl_raw(nl, &peer, sizeof peer);
    sn_nl_put_str(nl, IFLA_IFNAME, v->peer);
    if (v->mtu) sn_nl_put_u32(nl, IFLA_MTU, v->mtu);
    if (v->peer_mac) sn_nl_put(nl, IFLA_ADDRESS, v->peer_mac, SN_MAC_LEN);
    if (v->peer_netns >= 0) sn_nl_put_u32(nl, IFLA_NET_NS_FD, (uint32_t)v->peer_netns);
    sn_nl_nest_end(nl);
    sn_nl_nest_end(nl);
    sn_nl_nest_end(nl);
}

void sn_rtnl_up(struct sn_nl *nl, const char *name, int index, bool up)
{
    struct ifinfomsg h = {.ifi_index = index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP};
    if (index)
        sn_nl_begin(nl, RTM_NEWLINK, 0, &h, sizeof h, "link %d %s", index, up ? "up" : "down");
    else
        sn_nl_begin(nl, RTM_NEWLINK, 0, &h, sizeof h, "link %s %s", name, up ? "up" : "down");
    if (!index) sn_nl_put_str(nl, IFLA_IFNAME, name);
}

void sn_rtnl_promisc(struct sn_nl *nl, int index)
{
    struct ifinfomsg h = {.ifi_index = index, .ifi_flags = IFF_PROMISC, .ifi_change = IFF_PROMISC};
    sn_nl_begin(nl, RTM_NEWLINK, 0, &h, sizeof h, "link %d promiscuous", index);
}

void sn_rtnl_mac(struct sn_nl *nl, int index, const uint8_t mac[SN_MAC_LEN])
{
    struct ifinfomsg h = {.ifi_index = index};
    sn_nl_begin(nl, RTM_NEWLINK, 0, &h, sizeof h, "address of link %d", index);
    sn_nl_put(nl, IFLA_ADDRESS, mac, SN_MAC_LEN);
}

void sn_rtnl_port(struct sn_nl *nl, const char *name, bool hairpin, bool isolated)
{
    struct ifinfomsg h = {0};
    sn_nl_begin(nl, RTM_NEWLINK, 0, &h, sizeof h, "bridge port %s", name);
    sn_nl_put_str(nl, IFLA_IFNAME, name);
    sn_nl_nest(nl, IFLA_LINKINFO);
    sn_nl_put_str(nl, IFLA_INFO_SLAVE_KIND, "bridge");
    sn_nl_nest(nl, IFLA_INFO_SLAVE_DATA);
    sn_nl_put_u8(nl, IFLA_BRPORT_MODE, hairpin);
    sn_nl_put_u8(nl, IFLA_BRPORT_ISOLATED, isolated);
    sn_nl_nest_end(nl);
    sn_nl_nest_end(nl);
}

void sn_rtnl_del(struct sn_nl *nl, const char *name, int index)
{
    struct ifinfomsg h = {.ifi_index = index};
    if (index)
        sn_nl_begin(nl, RTM_DELLINK, 0, &h, sizeof h, "delete link %d", index);
    else
        sn_nl_begin(nl, RTM_DELLINK, 0, &h, sizeof h, "delete link %s", name);
    if (!index) sn_nl_put_str(nl, IFLA_IFNAME, name);
}

void sn_rtnl_add_addr(struct sn_nl *nl, int index, const struct sn_cidr *at)
{
    bool six = at->ip.len == 16;
    char text[SN_CIDR_TEXT_MAX];
    struct ifaddrmsg h = {.ifa_family = six ? AF_INET6 : AF_INET,
                          .ifa_prefixlen = at->bits,
                          .ifa_index = (unsigned)index,
                          .ifa_flags = six ? IFA_F_NODAD : 0};
    sn_nl_begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof h, "address %s on link %d",
                sn_cidr_text(at, text), index);
    sn_nl_put(nl, IFA_LOCAL, at->ip.b, at->ip.len);
    sn_nl_put(nl, IFA_ADDRESS, at->ip.b, at->ip.len);
    if (six || at->bits > 30) return;
    struct sn_ip last = sn_cidr_last(at);
    sn_nl_put(nl, IFA_BROADCAST, last.b, last.len);
}

void sn_rtnl_add_route(struct sn_nl *nl, const struct sn_rtnl_route *rt)
{
    bool six = rt->to.ip.len == 16 || rt->gw.len == 16, direct = !rt->gw.len;
    char to[SN_CIDR_TEXT_MAX] = "default", gw[SN_IP_TEXT_MAX];
    bool all = !rt->to.ip.len || !rt->to.bits;
    if (!all) sn_cidr_text(&rt->to, to);
    struct rtmsg h = {.rtm_family = six ? AF_INET6 : AF_INET,
                      .rtm_dst_len = all ? 0 : rt->to.bits,
                      .rtm_table = RT_TABLE_MAIN,
                      .rtm_protocol = RTPROT_BOOT,
                      .rtm_type = RTN_UNICAST,
                      .rtm_scope = direct && !six ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE};
    sn_nl_begin(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof h, "route %s via %s", to,
                direct ? "link" : sn_ip_text(&rt->gw, gw));
    struct sn_ip net = sn_cidr_net(&rt->to);
    if (!all) sn_nl_put(nl, RTA_DST, net.b, net.len);
    if (!direct) sn_nl_put(nl, RTA_GATEWAY, rt->gw.b, rt->gw.len);
    if (rt->index) sn_nl_put_u32(nl, RTA_OIF, (uint32_t)rt->index);
    if (rt->priority) sn_nl_put_u32(nl, RTA_PRIORITY, rt->priority);
    if (rt->mtu) {
        sn_nl_nest(nl, RTA_METRICS);
        sn_nl_put_u32(nl, RTAX_MTU, rt->mtu);
        sn_nl_nest_end(nl);
    }
}
