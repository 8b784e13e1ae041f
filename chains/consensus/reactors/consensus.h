/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus.h - the consensus reactor: our engine and its peers tell each other where they
 * are, and hand on proposals, block parts and votes (channels 20 to 23).
 *
 * Two fibers per peer, one for announcements and votes, one for proposals and parts (a long block
 * must not hold up a vote), sleep until the engine or the peer has news. What is our own goes out at
 * once; what is handed on waits SN_GOSSIP_RELAY_NS, because the peer most likely gets it from its
 * origin meanwhile, and says so. A peer that is behind is served from the block store.
 *
 * While the engine does not run (block sync) nothing is announced, so that nobody sends us votes and
 * parts; what comes is left alone. Source: CometBFT v0.38.25 consensus/reactor.go; spec/p2p. */
#pragma once
#include "consensus/node/view.h"
#include "consensus/reactors/consensus_peer.h"

#define SN_STATE_CHANNEL 0x20
#define SN_DATA_CHANNEL 0x21
#define SN_VOTE_CHANNEL 0x22
#define SN_VOTE_BITS_CHANNEL 0x23

#define SN_GOSSIP_RELAY_NS (20 * SN_MS)
/* A peer that votes already most likely has the block. */
#define SN_GOSSIP_RELAY_VOTING_NS (100 * SN_MS)
#define SN_GOSSIP_CLAIMS_NS (2 * SN_SEC) /* between claims of a majority */
#define SN_GOSSIP_IDLE_NS (500 * SN_MS)  /* looks again, should a wake-up have come too early */
/* A peer that is behind names the block it waits for; after so long we go by our own store. */
#define SN_GOSSIP_GRACE_NS (150 * SN_MS)
/* It is where it was: what we sent may have come before it could use it, so all of it once more. */
#define SN_GOSSIP_REPEAT_NS (10 * SN_SEC)
/* So many messages of a peer may break the rules in a minute: a Byzantine proposer makes honest nodes
 * send each other parts of blocks that they do not expect. */
#define SN_GOSSIP_FAULTS_MAX 8
/* Parts of a peer that wait until we know which block they should be of: bytes, messages. A CometBFT
 * peer sends an earlier block's parts along with its commit, and again only when it looks again. */
#define SN_GOSSIP_EARLY_BYTES_MAX (1u << 20)
#define SN_GOSSIP_EARLY_MAX 64
/* Votes announced (HAS_VOTE) that a slow peer may be behind by; then it hears of the later ones only. */
#define SN_GOSSIP_HAS_VOTES_MAX 4096

struct sn_consensus_reactor;
/* sn_consensus_reactor_new - adds its reactor to view->sw and its hooks to view->engine; needs
 * view->blocks, genesis and, for a validator, validator_key. Returns 0, SN_E_NOMEM, as
 * sn_switch_add_reactor. Owns: freed after the switch and the engine have stopped. */
int sn_consensus_reactor_new(struct sn_node_view *view,
                             struct sn_consensus_reactor **ret) SN_MUST_CHECK;
void sn_consensus_reactor_free(struct sn_consensus_reactor *r);

/* sn_consensus_reactor_peer - a copy of what is known of a connected peer. Returns whether there is
 * one of that id. Suspends. */
bool sn_consensus_reactor_peer(struct sn_consensus_reactor *r, const char *id,
                               struct sn_gossip_peer *ret);

/* Since the start, all peers together. _known: what came and was here already. */
struct sn_consensus_reactor_stats {
    uint64_t votes_in, votes_known, votes_out;
    uint64_t parts_in, parts_known, parts_out;
    uint64_t proposals_in, proposals_known, proposals_out;
    uint64_t announcements_in, announcements_out; /* of steps, votes and blocks */
    uint64_t faults;
    uint64_t parts_other;               /* of parts_in: not of a block that we were waiting for */
    uint64_t prevotes_late, precommits_late; /* of votes_in: of an earlier height or round */
};
void sn_consensus_reactor_stats(const struct sn_consensus_reactor *r,
                                struct sn_consensus_reactor_stats *ret);
/* sn_consensus_reactor_parts - block parts that this peer has sent. Context: within
 * sn_switch_each. */
uint64_t sn_consensus_reactor_parts(const struct sn_consensus_reactor *r,
                                    const struct sn_switch_peer *sp);
