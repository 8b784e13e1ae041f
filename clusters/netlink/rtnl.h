/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/rtnl.h - links, addresses and routes: requests for nl.h's queue, and look-ups.
 *
 * sn_rtnl_* that return void queue one request; sn_nl_commit carries them out in order.
 * Sources: man rtnetlink(7); linux/if_link.h, if_addr.h, rtnetlink.h. */
#pragma once
#include <net/if.h>
#include <netinet/in.h>

#include "clusters/netlink/ip.h"
#include "clusters/netlink/nl.h"

#define SN_MAC_LEN 6u

struct sn_rtnl_link {
    int index, master, peer; /* peer: of a veth, in its own namespace; 0 = none */
    unsigned mtu, flags;     /* flags: IFF_UP, ... */
    uint8_t mac[SN_MAC_LEN];
    char name[IFNAMSIZ], kind[16];
    uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors,
        tx_dropped;
};
/* sn_rtnl_link - by name; by index where name is NULL. Returns 0, SN_E_NOT_FOUND, as sn_nl_query.
 */
int sn_rtnl_link(struct sn_nl *nl, const char *name, int index,
                 struct sn_rtnl_link *ret) SN_MUST_CHECK;
/* sn_rtnl_links - calls fn for every link of the namespace. Returns 0, or as fn, or as sn_nl_query.
 */
int sn_rtnl_links(struct sn_nl *nl, int (*fn)(const struct sn_rtnl_link *l, void *arg),
                  void *arg) SN_MUST_CHECK;
/* sn_rtnl_addrs - calls fn for every address of link `index`. Returns as sn_rtnl_links. */
int sn_rtnl_addrs(struct sn_nl *nl, int index, int (*fn)(const struct sn_cidr *at, void *arg),
                  void *arg) SN_MUST_CHECK;

/* sn_rtnl_add_bridge - mtu 0: the kernel's default. */
void sn_rtnl_add_bridge(struct sn_nl *nl, const char *name, unsigned mtu, bool vlan_filtering);
struct sn_rtnl_veth {
    const char *name, *peer; /* of this end, and of the other in its namespace */
    int master;              /* bridge of this end; 0 = none */
    int peer_netns;          /* descriptor; -1 = this namespace */
    int peer_index;          /* wished for; 0 = any */
    unsigned mtu;            /* 0 = the kernel's default */
    const uint8_t *peer_mac; /* NULL = random */
};
/* sn_rtnl_add_veth - both ends, this one up. */
void sn_rtnl_add_veth(struct sn_nl *nl, const struct sn_rtnl_veth *v);
/* sn_rtnl_up - sets or clears IFF_UP; by name where index is 0. */
void sn_rtnl_up(struct sn_nl *nl, const char *name, int index, bool up);
/* sn_rtnl_promisc - of a bridge: it receives what is not for it. */
void sn_rtnl_promisc(struct sn_nl *nl, int index);
/* sn_rtnl_mac - sets the link's address. */
void sn_rtnl_mac(struct sn_nl *nl, int index, const uint8_t mac[SN_MAC_LEN]);
/* sn_rtnl_port - of a bridge's port: frames may leave by the port they came from. */
void sn_rtnl_port(struct sn_nl *nl, const char *name, bool hairpin, bool isolated);
/* sn_rtnl_del - by name where index is 0. A veth goes with its peer. */
void sn_rtnl_del(struct sn_nl *nl, const char *name, int index);
/* sn_rtnl_add_addr - IPv4 with its broadcast address; IPv6 without duplicate detection. */
void sn_rtnl_add_addr(struct sn_nl *nl, int index, const struct sn_cidr *at);
struct sn_rtnl_route {
    struct sn_cidr to; /* ip.len 0: the default route of gw's family */
    struct sn_ip gw;   /* len 0: directly on the link */
    int index;
    unsigned mtu, priority; /* 0 = default */
};
void sn_rtnl_add_route(struct sn_nl *nl, const struct sn_rtnl_route *rt);
