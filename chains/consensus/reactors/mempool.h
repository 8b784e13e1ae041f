/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/reactors/mempool.h - transactions from peers and to them (channel 30).
 *
 * In: each message is looked over before anything is kept; what breaks the rules ends the
 * connection. Known transactions cost a look-up; the others are checked by the application in
 * fibers of the peer, SN_MEMPOOL_CHECKS of them at a time: a peer with more waits, alone.
 * Out: a fiber per peer reads the pool by cursors and is woken by what is new; it never sends what
 * the peer has sent. While a message is on its way, or has just gone, the next ones gather into
 * one. Of what came from other peers each of two neighbours sends one half at once and the other
 * after SN_MEMPOOL_RELAY_NS, by when the peer has most often sent it: in a full mesh a transaction
 * crosses each link once, not twice. Go sends one transaction per message, and takes many. Source:
 * CometBFT v0.38.25 mempool/reactor.go, mempool/filter.go. */
#pragma once
#include "consensus/node/txs.h"
#include "consensus/p2p/switch.h"

#define SN_MEMPOOL_CHANNEL 0x30
#define SN_MEMPOOL_CHECKS 64u              /* transactions of one peer being checked at a time */
#define SN_MEMPOOL_BATCH_BYTES (64u << 10) /* of one message sent, one larger transaction apart */
#define SN_MEMPOOL_BATCH_TXS 512u
/* Between messages to one peer that are not full; the first goes at once. Go's connections gather
 * for 100 ms (flush_throttle_timeout). */
#define SN_MEMPOOL_GATHER_NS (10 * SN_MS)
/* What a neighbour is to send first, if it has it: Go holds all back for up to 100 ms. */
#define SN_MEMPOOL_RELAY_NS (50 * SN_MS)

struct sn_mempool_reactor;
struct sn_mempool_reactor_opts {
    struct sn_switch *sw;
    struct sn_txs *txs;
    bool no_broadcast;
    uint32_t tx_bytes_max; /* of one transaction; 0: 1 MiB. The peers' is taken to be the same */
    int64_t
        batch_bytes_max; /* of the transactions of one message received; <= tx_bytes_max: that */
    /* To how many peers at a time transactions are sent, persistent ones and others apart,
     * unconditional ones apart from both; 0: to all (CometBFT's
     * experimental_max_gossip_connections_to_...). */
    unsigned persistent_max, others_max;
};
/* sn_mempool_reactor_new - adds its reactor to the switch. Returns 0, as sn_switch_add_reactor,
 * SN_E_NOMEM. */
int sn_mempool_reactor_new(const struct sn_mempool_reactor_opts *o,
                           struct sn_mempool_reactor **ret) SN_MUST_CHECK;
/* sn_mempool_reactor_free - after the switch's run has ended. */
void sn_mempool_reactor_free(struct sn_mempool_reactor *x);
struct sn_mempool_gossip {
    uint64_t txs_in, known_in, messages_in; /* known_in: of txs_in */
    uint64_t txs_out, messages_out, bytes_out;
    uint64_t active; /* peers that are sent to now */
};
void sn_mempool_reactor_stats(const struct sn_mempool_reactor *x, struct sn_mempool_gossip *ret);

/* ---- the message, without I/O ---- */

struct sn_mempool_rules {
    uint32_t tx_bytes_max;
    int64_t batch_bytes_max;
};
/* sn_mempool_message_check - whether a message may come: well formed, at least one transaction,
 * none of no bytes, none and not all together beyond the limits. Nothing is allocated. Returns how
 * many transactions it has; SN_E_PROTOCOL, SN_E_TOO_LARGE. */
int sn_mempool_message_check(struct sn_str message,
                             const struct sn_mempool_rules *rules) SN_MUST_CHECK;
/* sn_mempool_message_next - the transactions of a message that has been checked, one after the
 * other, as a part of it. *at starts zeroed. Returns false at the end. */
struct sn_mempool_reading {
    size_t at, end; /* end: of the list that is being read; 0: none */
};
bool sn_mempool_message_next(struct sn_str message, struct sn_mempool_reading *at,
                             struct sn_str *ret_tx);
/* sn_mempool_message_put - appends a message of n > 0 transactions. Returns 0, SN_E_NOMEM. */
int sn_mempool_message_put(struct sn_mempool_tx *const *txs, size_t n,
                           struct sn_buf *out) SN_MUST_CHECK;
