/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/addr.h - where a node can be reached: id, IP address, port. Nothing here allocates,
 * suspends or resolves names. Source: CometBFT's specification (spec/p2p); RFC 4291 and the RFCs of
 * the ranges that are not routable. */
#pragma once
#include "consensus/p2p/node_info.h"

struct sn_node_addr {
    char id[SN_NODE_ID_LEN + 1];
    uint8_t ip[16]; /* an IPv4 address as ::ffff:a.b.c.d */
    uint16_t port;
};
#define SN_NODE_ADDR_TEXT_MAX 100 /* "ID@[IPv6]:PORT" and a NUL */
#define SN_NODE_IP_TEXT_MAX 46

/* sn_node_addr_set - from its parts as text. Returns 0, SN_E_INVALID_ARGUMENT: the diagnostic says
 * which part is not well formed. */
int sn_node_addr_set(struct sn_node_addr *ret, struct sn_str id, struct sn_str ip,
                     uint64_t port) SN_MUST_CHECK;
/* sn_node_addr_parse - from "ID@IP:PORT". Returns as sn_node_addr_set. */
int sn_node_addr_parse(struct sn_node_addr *ret, struct sn_str text) SN_MUST_CHECK;
/* sn_node_addr_ip - the IP address as text, sn_node_addr_text - "ID@IP:PORT". Return the length. */
size_t sn_node_addr_ip(const struct sn_node_addr *a, char out[SN_NODE_IP_TEXT_MAX]);
size_t sn_node_addr_text(const struct sn_node_addr *a, char out[SN_NODE_ADDR_TEXT_MAX]);
/* sn_node_addr_is_valid - whether it can be anybody's: not unspecified, not for documentation, not
 * broadcast. */
bool sn_node_addr_is_valid(const struct sn_node_addr *a);
/* sn_node_addr_is_routable - whether it is valid and reachable from other networks: not private,
 * local to a link or this machine. */
bool sn_node_addr_is_routable(const struct sn_node_addr *a);
/* sn_node_addr_group - the network it is counted to: the first 16 bits of an IPv4 address, 32 of an
 * IPv6 one, so that many addresses of one owner count little. */
#define SN_NODE_ADDR_GROUP 5
void sn_node_addr_group(const struct sn_node_addr *a, uint8_t ret[SN_NODE_ADDR_GROUP]);
