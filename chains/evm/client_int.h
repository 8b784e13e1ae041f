/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_int.h - what the parts of the client share. */
#pragma once
#include "evm/client.h"
#include "evm/rpc_int.h"

/* sn_eth_transient - a failure that the same question may not have a moment later. */
bool sn_eth_transient(int r);

/* What a node's answer to eth_sendRawTransaction says about the transaction. */
enum sn_eth_verdict {
    SN_ETH_TX_KNOWN = 1, /* it has these very bytes */
    SN_ETH_TX_USED,      /* the nonce is mined or another transaction's */
    SN_ETH_TX_EARLY,     /* a lower nonce is missing and this node does not keep it */
    SN_ETH_TX_FULL,      /* no room now */
    SN_ETH_TX_REFUSED,   /* never like this */
    SN_ETH_TX_UNSURE,    /* a failure that says nothing about whether it was taken */
};
enum sn_eth_verdict sn_eth_verdict(int64_t code, struct sn_str message);

/* sn_eth_range_limited - the error says that a range of blocks is too much at once. *ret_from, *ret_to:
 * the range that it proposes, where it proposes one within [from, to]; else *ret_to < *ret_from. */
bool sn_eth_range_limited(int64_t code, struct sn_str message, uint64_t from, uint64_t to,
                          uint64_t *ret_from, uint64_t *ret_to);
