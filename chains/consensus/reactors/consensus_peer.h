/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus_peer.h - what one peer of the consensus reactor has, and what to send it next.
 * Sans-I/O: messages in, the next message out, chosen by the difference of two sets of bits.
 *
 * What is known of a peer comes from its announcements (channel 20), from what it sent us, and from
 * what we sent it: each of these sets a bit, so that a part or a vote crosses a link once. A peer may
 * say what it likes: every index is checked against the arrays' fixed size, and a lie about itself
 * only keeps from the liar what it claims to have.
 *
 * Sizes: arrays hold any validator set (SN_CONS_VALIDATORS_MAX) and any block, so that they need
 * neither memory of their own nor our knowledge of the peer's validators.
 *
 * Source: CometBFT v0.38.25 consensus/reactor.go (its behaviour), spec/p2p; the messages:
 * api/tendermint/consensus/types.proto. */
#pragma once
#include "consensus/core.h"
#include "core/rand.h"

#define SN_GOSSIP_VOTE_WORDS ((SN_CONS_VALIDATORS_MAX + 63) / 64)
#define SN_GOSSIP_PART_WORDS ((SN_CONS_PARTS_MAX + 63) / 64)

struct sn_gossip_votes {
    uint64_t w[SN_GOSSIP_VOTE_WORDS];
};
struct sn_gossip_peer {
    int64_t height; /* 0: it has not said */
    int32_t round;
    uint8_t step;
    int64_t start_ns;                               /* unix: when its round began, as it says */
    int32_t last_commit_round, catchup_round, pol_round; /* -1: none */
    bool has_proposal;
    bool has_parts; /* parts_header and parts say something */
    bool pol_due;   /* we sent a proposal whose proof of lock comes next */
    struct sn_cons_part_set_header parts_header;
    uint64_t parts[SN_GOSSIP_PART_WORDS];
    /* Of its round; of pol_round; of the last height's last_commit_round; of its height's
     * catchup_round, which is not its round. */
    struct sn_gossip_votes prevotes, precommits, pol, last_commit, catchup;
    uint64_t votes_told, parts_told; /* that we did not have before it sent them */
};
void sn_gossip_peer_init(struct sn_gossip_peer *p);

/* ---- what the peer says and has ---- */

/* sn_gossip_check_step - whether a NEW_ROUND_STEP fits the chain. Returns 0, SN_E_INVALID_ARGUMENT. */
int sn_gossip_check_step(const struct sn_cons_msg *m, int64_t initial_height) SN_MUST_CHECK;
/* sn_gossip_heard - NEW_ROUND_STEP, NEW_VALID_BLOCK, PROPOSAL_POL or HAS_VOTE of the peer. What is
 * stale (an earlier place than it was at, another height) changes nothing. Returns whether something
 * changed. */
bool sn_gossip_heard(struct sn_gossip_peer *p, const struct sn_cons_msg *m, int64_t wall_ns);
/* sn_gossip_has - the peer has that PROPOSAL, BLOCK_PART or VOTE, for it sent it. */
void sn_gossip_has(struct sn_gossip_peer *p, const struct sn_cons_msg *m);
/* sn_gossip_bits - its VOTE_SET_BITS, an answer to our claim. ours: the votes we have for that block,
 * NULL where we do not know: what it has for other blocks is kept only with it. */
void sn_gossip_bits(struct sn_gossip_peer *p, const struct sn_cons_msg *m,
                    const struct sn_cons_bits *ours);

/* ---- what to send it: what ret points to is the round state's ---- */

/* Each returns whether there is something, and takes it as sent: a link that loses it is over. */

/* sn_gossip_pick_data - PROPOSAL, PROPOSAL_POL or BLOCK_PART of what is being agreed on. */
bool sn_gossip_pick_data(struct sn_gossip_peer *p, const struct sn_cons_round_state *rs,
                         struct sn_rand *rand, struct sn_cons_msg *ret);
/* sn_gossip_pick_vote - the next VOTE for a peer at our height or one behind. only >= 0: of that
 * validator alone. */
bool sn_gossip_pick_vote(struct sn_gossip_peer *p, const struct sn_cons_round_state *rs,
                         int32_t only, struct sn_rand *rand, struct sn_cons_msg *ret);
/* sn_gossip_pick_commit - the index of a signature of the stored commit of the peer's height. */
bool sn_gossip_pick_commit(struct sn_gossip_peer *p, const struct sn_cons_commit *c,
                           struct sn_rand *rand, uint32_t *ret);
/* sn_gossip_expect_parts - the block of the peer's height is this one, which the peer has not named
 * itself: all parts are missing. */
void sn_gossip_expect_parts(struct sn_gossip_peer *p, const struct sn_cons_part_set_header *h);
/* sn_gossip_pick_old_part - the index of a part that it lacks of the stored block with that header. */
bool sn_gossip_pick_old_part(struct sn_gossip_peer *p, const struct sn_cons_part_set_header *h,
                             struct sn_rand *rand, uint32_t *ret);

/* sn_gossip_forget - it is taken to have nothing of its height: all of it goes out again. */
void sn_gossip_forget(struct sn_gossip_peer *p);

/* ---- claims of a majority ---- */

#define SN_GOSSIP_CLAIMS_MAX 3
/* sn_gossip_claims - VOTE_SET_MAJ23 for what we have two thirds of and the peer is at: so that it can
 * tell which of those votes it has. Returns how many, at most SN_GOSSIP_CLAIMS_MAX. */
unsigned sn_gossip_claims(const struct sn_gossip_peer *p, const struct sn_cons_round_state *rs,
                          struct sn_cons_msg ret[SN_GOSSIP_CLAIMS_MAX]);
/* sn_gossip_our_bits - which votes we have for the block of a VOTE_SET_MAJ23 or VOTE_SET_BITS; NULL
 * where there are none. */
const struct sn_cons_bits *sn_gossip_our_bits(const struct sn_cons_round_state *rs,
                                              const struct sn_cons_msg *m);

/* ---- about ourselves ---- */

/* sn_gossip_step - our NEW_ROUND_STEP. */
void sn_gossip_step(const struct sn_cons_round_state *rs, int64_t wall_ns, struct sn_cons_msg *ret);
/* sn_gossip_valid_block - our NEW_VALID_BLOCK. Returns false where no block is expected. */
bool sn_gossip_valid_block(const struct sn_cons_round_state *rs, struct sn_cons_msg *ret);
/* sn_gossip_known - whether a peer's PROPOSAL, BLOCK_PART or VOTE is nothing new to us. */
bool sn_gossip_known(const struct sn_cons_round_state *rs, const struct sn_cons_msg *m);
