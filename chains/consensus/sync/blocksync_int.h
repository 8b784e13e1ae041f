/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync_int.h - block sync's inside: blocksync.c talks to peers and serves them,
 * blocksync_run.c brings blocks from there into the state.
 *
 *   a peer's fiber: bytes -> a job of that height
 *   a fiber per job: decoded, split into parts, hashed        (READY)
 *   a fiber per some heights: the commits in their successors (CHECKED)
 *   the fiber of sn_blocksync_run: executed and stored, in order
 *
 * Blocks, commits and sets in jobs are only read once they are there; counts of references change under
 * the lock alone. */
#pragma once
#include "consensus/sync/blocksync_msg.h"
#include "consensus/sync/blocksync_pool.h"
#include "consensus/sync/sync.h"
#include "fiber/chan.h"
#include "fiber/sync.h"

#define SN_BLOCKSYNC_BAN_NS (60 * SN_SEC)
#define SN_BLOCKSYNC_TICK_NS (100 * SN_MS)
#define SN_BLOCKSYNC_STATUS_NS (10 * SN_SEC) /* peers are asked for their heights */
#define SN_BLOCKSYNC_SETTLE_NS (500 * SN_MS) /* nobody says more for so long: that is the end */
#define SN_BLOCKSYNC_NEAR 20                 /* or no more blocks than so many */
#define SN_BLOCKSYNC_WANTED_MAX 256          /* heights a peer may have asked for */
#define SN_BLOCKSYNC_SERVERS 4 /* fibers that read blocks for a peer: each waits for the disk */
#define SN_BLOCKSYNC_CHECK_HEIGHTS 16        /* checked together, */
#define SN_BLOCKSYNC_CHECK_SIGNATURES 512    /* or as many as have so many signatures */

struct sn_sync_link {
    struct sn_blocksync *b;
    struct sn_switch_peer *sp;
    unsigned index; /* in links, and the pool's number of it */
    bool has_status;
    int64_t base, height;
    unsigned owed;          /* what it was asked and has not answered */
    struct sn_chan *wanted; /* heights it wants */
};

enum sn_sync_job_state { SN_JOB_FETCHED, SN_JOB_READY, SN_JOB_CHECKING, SN_JOB_CHECKED };
struct sn_sync_job {
    unsigned refs;
    enum sn_sync_job_state state;
    int64_t height;
    struct sn_buf bytes, ext_bytes; /* until READY */
    bool has_ext;
    struct sn_cons_block *block;
    struct sn_cons_part_set *parts;
    struct sn_cons_block_id id;
    struct sn_arena arena; /* ext's */
    struct sn_cons_commit ext;
    struct sn_sync_job *next; /* CHECKED: whose last commit it was checked by; referenced */
};

struct sn_blocksync {
    struct sn_node_view *view;
    struct sn_reactor reactor;
    int slot;
    struct sn_mutex lock; /* of everything below */
    struct sn_sync_link *links[SN_SYNC_PEERS_MAX];
    bool syncing;
    struct sn_scope *scope;  /* the run's */
    struct sn_cond changed;  /* a job is checked, a peer came or said more */
    struct sn_sync_pool pool;
    struct sn_sync_job *jobs[SN_SYNC_WINDOW];
    struct {
        struct sn_cons_hash hash;
        struct sn_cons_valset *set; /* a copy of its own: the state's counts are another fiber's */
    } sets[2];                      /* of the next height, and the one after */
    unsigned checks; /* running */
    _Atomic uint64_t served, refused;
};

/* With the lock held. */

/* sn_blocksync_pump - asks peers for what is due, and begins checks that can begin. */
void sn_blocksync_pump(struct sn_blocksync *b);
/* sn_blocksync_fetched - a wanted block: begins to decode it. Returns 0, SN_E_NOMEM. */
int sn_blocksync_fetched(struct sn_blocksync *b, const struct sn_blocksync_msg *m) SN_MUST_CHECK;
/* sn_blocksync_wrong - the block of that height goes, and who gave it is banned. */
void sn_blocksync_wrong(struct sn_blocksync *b, int64_t height, int why);
void sn_blocksync_send(struct sn_sync_link *l, const struct sn_blocksync_msg *m);
void sn_blocksync_ask_status(struct sn_blocksync *b);
