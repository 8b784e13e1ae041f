/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/metrics_scrape.c - what is read when somebody asks: of stores, peers, reactors, the
 * mempool. One family after the other: the samples of each must stand together. */
#include <stdio.h>

#include "consensus/block_store.h"
#include "consensus/rpc/metrics_int.h"

static const struct {
    const char *name, *kind, *help;
} families[METRICS_FAMILIES] = {
    [BLOCK_SYNCING] = {"blocksync_syncing", "gauge", "1 while blocks are synced."},
    [STATE_SYNCING] = {"statesync_syncing", "gauge", "1 while a state is synced."},
    [STORED_HEIGHT] = {"blocksync_latest_block_height", "gauge", "Height of the last block."},
    [BLOCK_PARTS] = {"consensus_block_parts", "counter", "Block parts from a peer."},
    [DUPLICATE_PARTS] = {"consensus_duplicate_block_part", "counter",
                         "Block parts that were here already."},
    [DUPLICATE_VOTES] = {"consensus_duplicate_vote", "counter", "Votes that were here already."},
    [PARTS_RECEIVED] = {"consensus_block_gossip_parts_received", "counter",
                        "Block parts, by whether that block was waited for."},
    [LATE_VOTES] = {"consensus_late_votes", "counter", "Votes of earlier heights and rounds."},
    [PEERS] = {"p2p_peers", "gauge", "Peers."},
    [RECEIVED] = {"p2p_peer_receive_bytes_total", "counter", "Bytes of messages from a peer."},
    [SENT] = {"p2p_peer_send_bytes_total", "counter", "Bytes of messages to a peer."},
    [PENDING] = {"p2p_peer_pending_send_bytes", "gauge", "Bytes that wait for a peer."},
    [MESSAGES_RECEIVED] = {"p2p_message_receive_bytes_total", "counter",
                           "Bytes of messages of a type from all peers."},
    [MESSAGES_SENT] = {"p2p_message_send_bytes_total", "counter",
                       "Bytes of messages of a type to all peers."},
    [POOL_SIZE] = {"mempool_size", "gauge", "Transactions that wait."},
    [POOL_BYTES] = {"mempool_size_bytes", "gauge", "Bytes of those."},
    [POOL_FAILED] = {"mempool_failed_txs", "counter", "Transactions the application refused."},
    [POOL_REJECTED] = {"mempool_rejected_txs", "counter", "Transactions there was no room for."},
    [POOL_EVICTED] = {"mempool_evicted_txs", "counter",
                      "Transactions that made room or waited too long."},
    [POOL_RECHECKS] = {"mempool_recheck_times", "counter",
                       "Transactions that were checked again after a block."},
    [POOL_DUPLICATES] = {"mempool_duplicate_txs", "counter", "Transactions that were known."},
    [POOL_PEERS] = {"mempool_active_outbound_connections", "gauge",
                    "Peers that transactions are sent to."},
};

/* The messages of each channel by the number of their field in the channel's wrapper, as CometBFT
 * labels them: the package and type of its generated code. */
static const struct {
    uint8_t channel;
    const char *types[SN_SWITCH_KINDS];
} messages[] = {
    {0x00, {[1] = "p2p_PexRequest", [2] = "p2p_PexAddrs"}},
    {0x20,
     {[1] = "consensus_NewRoundStep",
      [2] = "consensus_NewValidBlock",
      [7] = "consensus_HasVote",
      [8] = "consensus_VoteSetMaj23"}},
    {0x21,
     {[3] = "consensus_Proposal", [4] = "consensus_ProposalPOL", [5] = "consensus_BlockPart"}},
    {0x22, {[6] = "consensus_Vote"}},
    {0x23, {[9] = "consensus_VoteSetBits"}},
    {0x30, {[1] = "mempool_Txs"}},
    {0x38, {[1] = "types_EvidenceList"}},
    {0x40,
     {[1] = "blocksync_BlockRequest",
      [2] = "blocksync_NoBlockResponse",
      [3] = "blocksync_BlockResponse",
      [4] = "blocksync_StatusRequest",
      [5] = "blocksync_StatusResponse"}},
    {0x60, {[1] = "statesync_SnapshotsRequest", [2] = "statesync_SnapshotsResponse"}},
    {0x61, {[3] = "statesync_ChunkRequest", [4] = "statesync_ChunkResponse"}},
};

struct scrape {
    struct sn_chain_metrics *m;
    struct sn_metrics_writer *w;
    enum metrics_family what;
    uint64_t peers;
};
/* The writer looks at the last name again: names live as long as the node's numbers. */
static void put(struct scrape *s, enum metrics_family f, const struct sn_labels *l, double v)
{
    sn_metrics_write(s->w, s->m->names[f], families[f].kind, families[f].help, l ? l : &s->m->chain,
                     v);
}
static void put_with(struct scrape *s, enum metrics_family f, const char *label, const char *value,
                     uint64_t v)
{
    struct sn_labels l = metrics_labels(s->m, label, sn_str(value));
    put(s, f, &l, (double)v);
}

/* ---- peers ---- */

static void put_channels(struct scrape *s, struct sn_switch_peer *p)
{
    uint8_t channel;
    for (unsigned i = 0; sn_switch_channel(s->m->o.view->sw, i, &channel); i++) {
        char text[8];
        uint64_t in, out;
        struct sn_labels l = metrics_labels(s->m, "peer_id", sn_str(sn_switch_peer_id(p)));
        snprintf(text, sizeof(text), "0x%x", channel);
        l.l[l.n].name = SN_STR("chID");
        l.l[l.n++].value = sn_str(text);
        sn_switch_peer_bytes(p, channel, &in, &out);
        uint64_t v = s->what == RECEIVED ? in : out;
        if (v) put(s, s->what, &l, (double)v);
    }
}
static void put_peer(void *arg, struct sn_switch_peer *p)
{
    struct scrape *s = arg;
    const struct sn_chain_metrics_opts *o = &s->m->o;
    struct sn_mconn_stats st;
    if (s->what == PEERS) {
        s->peers++;
    } else if (s->what == BLOCK_PARTS) {
        put_with(s, BLOCK_PARTS, "peer_id", sn_switch_peer_id(p), o->parts(o->arg, p));
    } else if (s->what == PENDING) {
        sn_switch_peer_stats(p, &st);
        put_with(s, PENDING, "peer_id", sn_switch_peer_id(p), st.queued_bytes);
    } else {
        put_channels(s, p);
    }
}
static void put_messages(struct scrape *s, enum metrics_family f)
{
    for (size_t i = 0; i < SN_COUNT_OF(messages); i++) {
        struct sn_switch_channel_stats st;
        sn_switch_channel_stats(s->m->o.view->sw, messages[i].channel, &st);
        for (unsigned k = 1; k < SN_SWITCH_KINDS; k++) {
            uint64_t v = f == MESSAGES_RECEIVED ? st.kind_in[k] : st.kind_out[k];
            if (v && messages[i].types[k]) put_with(s, f, "message_type", messages[i].types[k], v);
        }
    }
}
static void put_network(struct scrape *s, struct sn_switch *sw)
{
    for (s->what = PEERS; s->what <= PENDING; s->what++) {
        sn_switch_each(sw, put_peer, s);
        if (s->what == PEERS) put(s, PEERS, NULL, (double)s->peers);
    }
    put_messages(s, MESSAGES_RECEIVED);
    put_messages(s, MESSAGES_SENT);
}

/* ---- reactors, mempool ---- */

static void put_gossip(struct scrape *s)
{
    const struct sn_chain_metrics_opts *o = &s->m->o;
    struct sn_consensus_reactor_stats g;
    o->gossip(o->arg, &g);
    put(s, DUPLICATE_PARTS, NULL, (double)g.parts_known);
    put(s, DUPLICATE_VOTES, NULL, (double)g.votes_known);
    put_with(s, PARTS_RECEIVED, "matches_current", "true", g.parts_in - g.parts_other);
    put_with(s, PARTS_RECEIVED, "matches_current", "false", g.parts_other);
    put_with(s, LATE_VOTES, "vote_type", "prevote", g.prevotes_late);
    put_with(s, LATE_VOTES, "vote_type", "precommit", g.precommits_late);
    s->what = BLOCK_PARTS;
    if (o->parts && o->view->sw) sn_switch_each(o->view->sw, put_peer, s);
}
static void put_mempool(struct scrape *s, struct sn_txs *txs)
{
    const struct sn_chain_metrics_opts *o = &s->m->o;
    struct sn_mempool_stats st;
    sn_mempool_stats(sn_txs_pool(txs), &st);
    put(s, POOL_SIZE, NULL, (double)st.txs);
    put(s, POOL_BYTES, NULL, (double)st.bytes);
    put(s, POOL_FAILED, NULL, (double)st.refused);
    put(s, POOL_REJECTED, NULL, (double)st.full);
    put(s, POOL_EVICTED, NULL, (double)(st.displaced + st.expired + st.failed_recheck));
    put(s, POOL_RECHECKS, NULL, (double)st.rechecked);
    put(s, POOL_DUPLICATES, NULL, (double)st.duplicates);
    if (o->tx_peers) put(s, POOL_PEERS, NULL, (double)o->tx_peers(o->arg));
}

void metrics_names(struct sn_chain_metrics *m)
{
    for (int f = 0; f < METRICS_FAMILIES; f++)
        snprintf(m->names[f], sizeof(m->names[f]), "%s_%s", m->ns, families[f].name);
}
void metrics_scrape(struct sn_metrics_writer *w, void *metrics)
{
    struct sn_chain_metrics *m = metrics;
    const struct sn_node_view *v = m->o.view;
    struct scrape s = {.m = m, .w = w};
    put(&s, BLOCK_SYNCING, NULL, v->block_syncing);
    put(&s, STATE_SYNCING, NULL, v->state_syncing);
    if (v->blocks) put(&s, STORED_HEIGHT, NULL, (double)sn_cons_block_store_height(v->blocks));
    if (m->o.gossip) put_gossip(&s);
    if (v->sw) put_network(&s, v->sw);
    if (v->txs) put_mempool(&s, v->txs);
}
