/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus_int.h - the reactor's inside: consensus.c receives and wakes,
 * consensus_send.c has the two fibers of a peer. */
#pragma once
#include <stdatomic.h>

#include "consensus/reactors/consensus.h"
#include "fiber/chan.h"
#include "fiber/sync.h"

/* Why a fiber of a peer wakes up. */
enum sn_gossip_wake {
    SN_WAKE_STEP = 1,      /* our place is to be announced */
    SN_WAKE_BLOCK = 2,     /* the block we expect is to be announced */
    SN_WAKE_HAS_VOTES = 4, /* votes are */
    SN_WAKE_OWN = 8,       /* something of our own: now */
    SN_WAKE_RELAY = 16,    /* something to hand on: after a while */
    SN_WAKE_EXPECT = 32,   /* we expect a block: parts that came early may be its */
};
struct sn_gossip_waker {
    struct sn_chan *bell; /* of one element: rung, or not */
    _Atomic unsigned flags;
};
struct sn_gossip_has_vote {
    int64_t height;
    int32_t round, index;
    uint8_t type;
};

struct sn_gossip_link {
    struct sn_gossip_link *next, **pprev; /* of the reactor's list */
    struct sn_consensus_reactor *r;
    struct sn_switch_peer *sp;
    struct sn_cons_peer_id id;
    struct sn_gossip_waker votes, data;
    _Atomic int fault; /* why the connection must end */
    _Atomic uint64_t parts_in;
    unsigned faults;   /* under the reactor's lock: since faults_since */
    int64_t faults_since;

    struct sn_mutex lock; /* the peer's state; inside the engine's lock, never around it */
    struct sn_gossip_peer state;
    /* Parts that came early, as messages, of that height of ours; with state under the lock. */
    int64_t early_height;
    unsigned n_early;
    struct sn_buf early;
    size_t early_ends[SN_GOSSIP_EARLY_MAX];

    /* The vote fiber's. */
    struct sn_rand votes_rand;
    uint64_t cursor; /* in the reactor's has_votes */
    int64_t said_height;
    int32_t said_round;
    uint8_t said_step;
    struct sn_arena commit_arena;
    int64_t commit_height; /* the stored commit at hand; 0: none */
    struct sn_cons_commit commit;
    /* The data fiber's. */
    struct sn_rand data_rand;
    int64_t block_height; /* the stored block at hand; 0: none */
    struct sn_cons_part_set_header block_parts;
    int64_t lag_height, lag_since;
    /* Between the fibers. */
    _Atomic int64_t commit_sent; /* the height whose commit has been sent to a peer behind us */
    _Atomic int64_t unasked;     /* the height whose parts we send without being asked */
    _Atomic int64_t again_at;    /* it has asked since: when they go out again, if it does not
                                    move; 0: not */
};

struct sn_consensus_reactor {
    struct sn_node_view *view;
    struct sn_reactor reactor;
    int slot;
    bool has_key;
    uint8_t addr[SN_CONS_ADDR_LEN];
    _Atomic int64_t height, proposed_height; /* where we are; the last we proposed at */
    struct sn_spin lock;                     /* of what follows */
    struct sn_gossip_link *links;
    uint64_t has_votes_end; /* how many there were */
    struct sn_gossip_has_vote has_votes[SN_GOSSIP_HAS_VOTES_MAX];
    struct {
        _Atomic uint64_t votes_in, votes_known, votes_out, parts_in, parts_known, parts_out,
            proposals_in, proposals_known, proposals_out, announcements_in, announcements_out,
            faults, parts_other, prevotes_late, precommits_late;
    } stats;
};

/* The fibers of a peer. Return < 0 to end the connection. */
int sn_gossip_vote_fiber(void *link);
int sn_gossip_data_fiber(void *link);
/* sn_gossip_wake - from anywhere; does not suspend. */
void sn_gossip_wake(struct sn_gossip_waker *w, unsigned flags);
/* sn_gossip_old_part - a BLOCK_PART of a stored part, whose encoding is kept as it is. */
int sn_gossip_old_part(int64_t height, int32_t round, struct sn_str part,
                       struct sn_buf *out) SN_MUST_CHECK;
