/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/nft.h - nftables by netlink: one batch is one transaction, taken whole or not at all.
 *
 * Between sn_nft_begin and sn_nft_commit tables, chains, maps, rules and elements are queued on a
 * NETLINK_NETFILTER socket. A rule is a list of expressions over 16-byte registers: the sn_nft_x_*
 * between sn_nft_rule and sn_nft_rule_end append one each.
 * Sources: linux/netfilter/nf_tables.h, nfnetlink.h; wiki.nftables.org. */
#pragma once
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "clusters/netlink/nl.h"

#define SN_NFT_KEY_MAX 64u

struct sn_nft { /* what a batch is about */
    struct sn_nl *nl;
    uint8_t family; /* NFPROTO_IPV4, NFPROTO_IPV6 */
    const char *table;
};
/* sn_nft_supported - whether this kernel has nf_tables. nl: NETLINK_NETFILTER. */
bool sn_nft_supported(struct sn_nl *nl);

void sn_nft_begin(const struct sn_nft *t);
/* sn_nft_commit - Returns 0, or the first failure (then nothing was changed). */
int sn_nft_commit(const struct sn_nft *t, unsigned *ret_failed) SN_MUST_CHECK;

void sn_nft_add_table(const struct sn_nft *t);
struct sn_nft_hook {
    unsigned hook; /* NF_INET_... */
    int priority;
    const char *type; /* "nat", "filter" */
};
/* sn_nft_add_chain - hook NULL: a chain to jump to. It may exist. */
void sn_nft_add_chain(const struct sn_nft *t, const char *name, const struct sn_nft_hook *hook);
/* sn_nft_flush_chain - removes its rules. */
void sn_nft_flush_chain(const struct sn_nft *t, const char *name);
/* sn_nft_has_chain - asks the kernel; outside a batch. */
bool sn_nft_has_chain(const struct sn_nft *t, const char *name);

struct sn_nft_map {
    const char *name;
    unsigned key_type, key_len;   /* as nft(8) numbers data types, for people who list it */
    unsigned data_type, data_len; /* 0: a set */
};
void sn_nft_add_map(const struct sn_nft *t, const struct sn_nft_map *m);
/* sn_nft_add_elem - one element; data_len 0 for a set's. Exists already: the commit fails with
 * SN_E_ALREADY_EXISTS. */
void sn_nft_add_elem(const struct sn_nft *t, const char *map, struct sn_str key, struct sn_str data,
                     const char *label);
void sn_nft_del_elem(const struct sn_nft *t, const char *map, struct sn_str key, const char *label);
/* sn_nft_elems - calls fn with key and data of every element. Returns 0, as fn, as sn_nl_query. */
int sn_nft_elems(const struct sn_nft *t, const char *map,
                 int (*fn)(struct sn_str key, struct sn_str data, void *arg),
                 void *arg) SN_MUST_CHECK;

void sn_nft_rule(const struct sn_nft *t, const char *chain);
void sn_nft_rule_end(const struct sn_nft *t);
/* Registers are NFT_REG32_00 + n. */
void sn_nft_x_meta(const struct sn_nft *t, unsigned key, unsigned reg);
void sn_nft_x_network(const struct sn_nft *t, unsigned offset, unsigned len, unsigned reg);
void sn_nft_x_transport(const struct sn_nft *t, unsigned offset, unsigned len, unsigned reg);
/* sn_nft_x_mask - reg &= mask; cmp - the rule goes on where reg (not) equals. */
void sn_nft_x_mask(const struct sn_nft *t, unsigned reg, struct sn_str mask);
void sn_nft_x_cmp(const struct sn_nft *t, unsigned reg, bool equal, struct sn_str value);
/* sn_nft_x_local - the rule goes on where the destination is an address of this machine. */
void sn_nft_x_local(const struct sn_nft *t);
/* sn_nft_x_dnatted - the rule goes on for connections whose destination was changed. */
void sn_nft_x_dnatted(const struct sn_nft *t);
/* sn_nft_x_lookup - the rule goes on where `reg` is in the map; its data go to `to`. */
void sn_nft_x_lookup(const struct sn_nft *t, const char *map, unsigned reg, unsigned to);
void sn_nft_x_dnat(const struct sn_nft *t, unsigned addr_reg, unsigned port_reg);
void sn_nft_x_masquerade(const struct sn_nft *t);
