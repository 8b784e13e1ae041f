/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync_pool.h - which block is asked of whom, and when a peer is given up. Sans-I/O: time and
 * events come in, requests and verdicts out.
 *
 * A window of heights above the last applied one is kept in flight over all peers. A height is asked of
 * the peer that is likely to answer first; the lowest ones, which hold up all others, of a second
 * peer when the first takes long. Each asked height is remembered with whom it was asked of, so that
 * what nobody asked for is noticed, and a liar's blocks can be asked of others.
 *
 * Source: CometBFT v0.38.25 blocksync/pool.go (limits and rules). */
#pragma once
#include "consensus/types.h"

#define SN_SYNC_PEERS_MAX 256      /* the switch has no more */
#define SN_SYNC_WINDOW 512         /* heights in flight or waiting to be applied */
#define SN_SYNC_IN_FLIGHT_MAX 64   /* requests to one peer */
#define SN_SYNC_BUFFER (64u << 20) /* bytes of blocks that wait, and are expected */
#define SN_SYNC_TIMEOUT_NS (15 * SN_SEC)
#define SN_SYNC_RATE_MIN (128u << 10) /* bytes a second a peer must come to within the timeout */
#define SN_SYNC_SECOND_NS (2 * SN_SEC) /* the lowest heights are asked of another peer as well */
#define SN_SYNC_SECOND_HEIGHTS 50

struct sn_sync_peer {
    bool used;
    int64_t base, height;
    unsigned in_flight;
    int64_t waiting_since; /* it owes us something, and has sent nothing since */
    int64_t answer_ns;     /* from one answer to the next, lately */
    unsigned refusals;     /* NoBlock for heights it says it has */
    int64_t refused;       /* from this height on nothing is asked of it; 0: none */
};
enum sn_sync_slot_state { SN_SYNC_FREE, SN_SYNC_ASKED, SN_SYNC_HERE };
struct sn_sync_slot {
    uint8_t state;
    int16_t of[2]; /* asked of, -1 = nobody */
    int16_t giver;
    int64_t asked_at[2];
    uint32_t bytes;
};
struct sn_sync_pool {
    int64_t next;    /* the lowest height not applied */
    int64_t top;     /* heights below it are asked for or here, from next on */
    uint64_t buffered;
    uint64_t block_bytes; /* a block's size, lately: what an answer is expected to take */
    unsigned in_flight, n_peers;
    struct sn_sync_peer peers[SN_SYNC_PEERS_MAX];
    struct sn_sync_slot slots[SN_SYNC_WINDOW];
};
void sn_sync_pool_init(struct sn_sync_pool *p, int64_t next);

/* sn_sync_pool_status - peer i (below SN_SYNC_PEERS_MAX) has blocks base to height. Returns 0,
 * SN_E_INVALID_ARGUMENT where it had said more before: it is given up. */
int sn_sync_pool_status(struct sn_sync_pool *p, unsigned i, int64_t base,
                        int64_t height) SN_MUST_CHECK;
/* sn_sync_pool_remove - the peer is gone; what was asked of it is asked of others. */
void sn_sync_pool_remove(struct sn_sync_pool *p, unsigned i);

/* sn_sync_pool_request - the next height to ask a peer for. Returns whether there is one; it counts as
 * asked. */
bool sn_sync_pool_request(struct sn_sync_pool *p, int64_t now, unsigned *ret_peer,
                          int64_t *ret_height);
/* sn_sync_pool_block - a block came. Returns 1 it is wanted, 0 another was faster;
 * SN_E_INVALID_ARGUMENT: this peer was not asked for it. */
int sn_sync_pool_block(struct sn_sync_pool *p, unsigned i, int64_t height, size_t bytes,
                       int64_t now) SN_MUST_CHECK;
/* sn_sync_pool_no_block - it does not have it. Returns 0; SN_E_INVALID_ARGUMENT: it was not asked, or
 * has refused heights it said it has before. */
int sn_sync_pool_no_block(struct sn_sync_pool *p, unsigned i, int64_t height,
                          int64_t now) SN_MUST_CHECK;
/* sn_sync_pool_redo - the block of that height is wrong. Returns who gave it, -1: nobody. */
int sn_sync_pool_redo(struct sn_sync_pool *p, int64_t height);
/* sn_sync_pool_applied - the block `next` is done with. */
void sn_sync_pool_applied(struct sn_sync_pool *p);
/* sn_sync_pool_expired - a peer that owes us blocks and is too slow. Returns whether there is one. */
bool sn_sync_pool_expired(struct sn_sync_pool *p, int64_t now, unsigned *ret_peer);

/* sn_sync_pool_max - the highest block of a peer that has the next one, too; 0: none has. */
int64_t sn_sync_pool_max(const struct sn_sync_pool *p);
/* sn_sync_pool_caught_up - nothing is left that could be checked: a block is by its successor. */
bool sn_sync_pool_caught_up(const struct sn_sync_pool *p);
