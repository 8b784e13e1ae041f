/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/nft.c - nftables messages. */
#include "clusters/netlink/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#define MSG(x) (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (x))

static void request(const struct sn_nft *t, uint16_t type, uint16_t flags, const char *what,
                    const char *name)
{
    struct nfgenmsg h = {.nfgen_family = t->family, .version = NFNETLINK_V0};
    sn_nl_begin(t->nl, MSG(type), flags, &h, sizeof h, "nftables %s %s", what, name);
}

static void edge(const struct sn_nft *t, uint16_t type)
{
    struct nfgenmsg h = {.nfgen_family = AF_UNSPEC,
                         .version = NFNETLINK_V0,
                         .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    sn_nl_begin(t->nl, type, SN_NL_NO_ACK, &h, sizeof h, "nftables transaction");
}

void sn_nft_begin(const struct sn_nft *t) { edge(t, NFNL_MSG_BATCH_BEGIN); }

int sn_nft_commit(const struct sn_nft *t, unsigned *ret_failed)
{
    edge(t, NFNL_MSG_BATCH_END);
    return sn_nl_commit(t->nl, ret_failed);
}

static int nothing(const struct sn_nl_msg *m, void *arg) { return 0; }

bool sn_nft_supported(struct sn_nl *nl)
{
    struct sn_nft t = {.nl = nl, .family = AF_UNSPEC};
    request(&t, NFT_MSG_GETGEN, 0, "generation", "");
    return sn_nl_query(nl, nothing, NULL) == 0;
}

void sn_nft_add_table(const struct sn_nft *t)
{
    request(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, "table", t->table);
    sn_nl_put_str(t->nl, NFTA_TABLE_NAME, t->table);
}

void sn_nft_add_chain(const struct sn_nft *t, const char *name, const struct sn_nft_hook *hook)
{
    request(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "chain", name);
    sn_nl_put_str(t->nl, NFTA_CHAIN_TABLE, t->table);
    sn_nl_put_str(t->nl, NFTA_CHAIN_NAME, name);
    if (!hook) return;
    sn_nl_nest(t->nl, NFTA_CHAIN_HOOK);
    sn_nl_put_be32(t->nl, NFTA_HOOK_HOOKNUM, hook->hook);
    sn_nl_put_be32(t->nl, NFTA_HOOK_PRIORITY, (uint32_t)hook->priority);
    sn_nl_nest_end(t->nl);
    sn_nl_put_str(t->nl, NFTA_CHAIN_TYPE, hook->type);
    sn_nl_put_be32(t->nl, NFTA_CHAIN_POLICY, NF_ACCEPT);
}

void sn_nft_flush_chain(const struct sn_nft *t, const char *name)
{
    request(t, NFT_MSG_DELRULE, 0, "flush chain", name);
    sn_nl_put_str(t->nl, NFTA_RULE_TABLE, t->table);
    sn_nl_put_str(t->nl, NFTA_RULE_CHAIN, name);
}

bool sn_nft_has_chain(const struct sn_nft *t, const char *name)
{
    request(t, NFT_MSG_GETCHAIN, 0, "chain", name);
    sn_nl_put_str(t->nl, NFTA_CHAIN_TABLE, t->table);
    sn_nl_put_str(t->nl, NFTA_CHAIN_NAME, name);
    return sn_nl_query(t->nl, nothing, NULL) == 0;
}

/* ---- maps ---- */

void sn_nft_add_map(const struct sn_nft *t, const struct sn_nft_map *m)
{
    request(t, NFT_MSG_NEWSET, NLM_F_CREATE, "map", m->name);
    sn_nl_put_str(t->nl, NFTA_SET_TABLE, t->table);
    sn_nl_put_str(t->nl, NFTA_SET_NAME, m->name);
    sn_nl_put_be32(t->nl, NFTA_SET_FLAGS, m->data_len ? NFT_SET_MAP : 0);
    sn_nl_put_be32(t->nl, NFTA_SET_KEY_TYPE, m->key_type);
    sn_nl_put_be32(t->nl, NFTA_SET_KEY_LEN, m->key_len);
    sn_nl_put_be32(t->nl, NFTA_SET_ID, 1); /* of this transaction; nobody refers to it */
    if (!m->data_len) return;
    sn_nl_put_be32(t->nl, NFTA_SET_DATA_TYPE, m->data_type);
    sn_nl_put_be32(t->nl, NFTA_SET_DATA_LEN, m->data_len);
}

static void value(const struct sn_nft *t, uint16_t attr, struct sn_str v)
{
    sn_nl_nest(t->nl, attr);
    sn_nl_put(t->nl, NFTA_DATA_VALUE, v.ptr, v.len);
    sn_nl_nest_end(t->nl);
}

static void elem(const struct sn_nft *t, const char *map, struct sn_str key, struct sn_str data)
{
    SN_ASSERT(key.len <= SN_NFT_KEY_MAX && data.len <= SN_NFT_KEY_MAX);
    sn_nl_put_str(t->nl, NFTA_SET_ELEM_LIST_TABLE, t->table);
    sn_nl_put_str(t->nl, NFTA_SET_ELEM_LIST_SET, map);
    sn_nl_nest(t->nl, NFTA_SET_ELEM_LIST_ELEMENTS);
    sn_nl_nest(t->nl, NFTA_LIST_ELEM);
    value(t, NFTA_SET_ELEM_KEY, key);
    if (data.len) value(t, NFTA_SET_ELEM_DATA, data);
    sn_nl_nest_end(t->nl);
    sn_nl_nest_end(t->nl);
}

void sn_nft_add_elem(const struct sn_nft *t, const char *map, struct sn_str key, struct sn_str data,
                     const char *label)
{
    request(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, "element", label);
    elem(t, map, key, data);
}

void sn_nft_del_elem(const struct sn_nft *t, const char *map, struct sn_str key, const char *label)
{
    request(t, NFT_MSG_DELSETELEM, 0, "delete element", label);
    elem(t, map, key, (struct sn_str){0});
}

struct elems_walk {
    int (*fn)(struct sn_str key, struct sn_str data, void *arg);
    void *arg;
};

static int on_elems(const struct sn_nl_msg *m, void *arg)
{
    struct elems_walk *w = arg;
    if (m->type != MSG(NFT_MSG_NEWSETELEM)) return 0;
    struct sn_str attrs = sn_str_from(m->body, NLMSG_ALIGN(sizeof(struct nfgenmsg)));
    struct sn_str list = sn_nl_attr_find(attrs, NFTA_SET_ELEM_LIST_ELEMENTS), e;
    uint16_t type;
    int r = 0;
    while (r >= 0 && sn_nl_attr(&list, &type, &e) > 0) {
        struct sn_str key = sn_nl_attr_find(sn_nl_attr_find(e, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
        struct sn_str data =
            sn_nl_attr_find(sn_nl_attr_find(e, NFTA_SET_ELEM_DATA), NFTA_DATA_VALUE);
        r = w->fn(key, data, w->arg);
    }
    return r;
}

int sn_nft_elems(const struct sn_nft *t, const char *map,
                 int (*fn)(struct sn_str key, struct sn_str data, void *arg), void *arg)
{
    struct elems_walk w = {fn, arg};
    request(t, NFT_MSG_GETSETELEM, NLM_F_DUMP, "list", map);
    sn_nl_put_str(t->nl, NFTA_SET_ELEM_LIST_TABLE, t->table);
    sn_nl_put_str(t->nl, NFTA_SET_ELEM_LIST_SET, map);
    return sn_nl_query(t->nl, on_elems, &w);
}

/* ---- rules ---- */

void sn_nft_rule(const struct sn_nft *t, const char *chain)
{
    request(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "rule of", chain);
    sn_nl_put_str(t->nl, NFTA_RULE_TABLE, t->table);
    sn_nl_put_str(t->nl, NFTA_RULE_CHAIN, chain);
    sn_nl_nest(t->nl, NFTA_RULE_EXPRESSIONS);
}

void sn_nft_rule_end(const struct sn_nft *t) { sn_nl_nest_end(t->nl); }

static void expr(const struct sn_nft *t, const char *name)
{
    sn_nl_nest(t->nl, NFTA_LIST_ELEM);
    sn_nl_put_str(t->nl, NFTA_EXPR_NAME, name);
    sn_nl_nest(t->nl, NFTA_EXPR_DATA);
}

static void expr_end(const struct sn_nft *t)
{
    sn_nl_nest_end(t->nl);
    sn_nl_nest_end(t->nl);
}

void sn_nft_x_meta(const struct sn_nft *t, unsigned key, unsigned reg)
{
    expr(t, "meta");
    sn_nl_put_be32(t->nl, NFTA_META_DREG, reg);
    sn_nl_put_be32(t->nl, NFTA_META_KEY, key);
    expr_end(t);
}

static void payload(const struct sn_nft *t, unsigned base, unsigned offset, unsigned len,
                    unsigned reg)
{
    expr(t, "payload");
    sn_nl_put_be32(t->nl, NFTA_PAYLOAD_DREG, reg);
    sn_nl_put_be32(t->nl, NFTA_PAYLOAD_BASE, base);
    sn_nl_put_be32(t->nl, NFTA_PAYLOAD_OFFSET, offset);
    sn_nl_put_be32(t->nl, NFTA_PAYLOAD_LEN, len);
    expr_end(t);
}

void sn_nft_x_network(const struct sn_nft *t, unsigned offset, unsigned len, unsigned reg)
{
    payload(t, NFT_PAYLOAD_NETWORK_HEADER, offset, len, reg);
}

void sn_nft_x_transport(const struct sn_nft *t, unsigned offset, unsigned len, unsigned reg)
{
    payload(t, NFT_PAYLOAD_TRANSPORT_HEADER, offset, len, reg);
}

void sn_nft_x_mask(const struct sn_nft *t, unsigned reg, struct sn_str mask)
{
    static const uint8_t zero[16];
    SN_ASSERT(mask.len <= sizeof zero);
    expr(t, "bitwise");
    sn_nl_put_be32(t->nl, NFTA_BITWISE_SREG, reg);
    sn_nl_put_be32(t->nl, NFTA_BITWISE_DREG, reg);
    sn_nl_put_be32(t->nl, NFTA_BITWISE_LEN, (uint32_t)mask.len);
    value(t, NFTA_BITWISE_MASK, mask);
    value(t, NFTA_BITWISE_XOR, sn_str_of((const char *)zero, mask.len));
    expr_end(t);
}

void sn_nft_x_cmp(const struct sn_nft *t, unsigned reg, bool equal, struct sn_str v)
{
    expr(t, "cmp");
    sn_nl_put_be32(t->nl, NFTA_CMP_SREG, reg);
    sn_nl_put_be32(t->nl, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    value(t, NFTA_CMP_DATA, v);
    expr_end(t);
}

void sn_nft_x_local(const struct sn_nft *t)
{
    uint32_t local = RTN_LOCAL;
    expr(t, "fib");
    sn_nl_put_be32(t->nl, NFTA_FIB_DREG, NFT_REG32_00);
    sn_nl_put_be32(t->nl, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    sn_nl_put_be32(t->nl, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
    expr_end(t);
    sn_nft_x_cmp(t, NFT_REG32_00, true, sn_str_of((const char *)&local, sizeof local));
}

void sn_nft_x_dnatted(const struct sn_nft *t)
{
    uint32_t bit = IPS_DST_NAT, none = 0;
    expr(t, "ct");
    sn_nl_put_be32(t->nl, NFTA_CT_DREG, NFT_REG32_00);
    sn_nl_put_be32(t->nl, NFTA_CT_KEY, NFT_CT_STATUS);
    expr_end(t);
    sn_nft_x_mask(t, NFT_REG32_00, sn_str_of((const char *)&bit, sizeof bit));
    sn_nft_x_cmp(t, NFT_REG32_00, false, sn_str_of((const char *)&none, sizeof none));
}

void sn_nft_x_lookup(const struct sn_nft *t, const char *map, unsigned reg, unsigned to)
{
    expr(t, "lookup");
    sn_nl_put_str(t->nl, NFTA_LOOKUP_SET, map);
    sn_nl_put_be32(t->nl, NFTA_LOOKUP_SREG, reg);
    sn_nl_put_be32(t->nl, NFTA_LOOKUP_DREG, to);
    expr_end(t);
}

void sn_nft_x_dnat(const struct sn_nft *t, unsigned addr_reg, unsigned port_reg)
{
    expr(t, "nat");
    sn_nl_put_be32(t->nl, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    sn_nl_put_be32(t->nl, NFTA_NAT_FAMILY, t->family);
    sn_nl_put_be32(t->nl, NFTA_NAT_REG_ADDR_MIN, addr_reg);
    sn_nl_put_be32(t->nl, NFTA_NAT_REG_PROTO_MIN, port_reg);
    expr_end(t);
}

void sn_nft_x_masquerade(const struct sn_nft *t)
{
    expr(t, "masq");
    expr_end(t);
}
