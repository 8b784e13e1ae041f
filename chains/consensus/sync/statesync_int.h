/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/statesync_int.h - the reactor (statesync.c), one sync from discovery to bootstrap
 * (statesync_run.c), fetching and applying a snapshot's chunks (statesync_fetch.c), and the state
 * that a light client makes (statesync_state.c). */
#pragma once
#include "consensus/sync/chunk_plan.h"
#include "consensus/sync/chunk_store.h"
#include "consensus/sync/sync.h"
#include "fiber/sync.h"

#define DISCOVERY_NS (15 * SN_SEC)
#define QUIET_NS (1 * SN_SEC) /* nothing new for so long: discovery may be over */
#define CHUNK_NS (10 * SN_SEC)
#define STALL_NS (120 * SN_SEC) /* no chunk for so long: the snapshot is given up */
#define AHEAD 256u              /* chunks fetched before the application has taken those below */
#define RETRIES_MAX 16u         /* that the application asks for, of a chunk or all of them */
#define BAN_NS (24 * 3600 * SN_SEC)
#define NOBODY 0xffu

/* A sync in progress. All under the reactor's lock but what says otherwise. */
struct session {
    struct sn_statesync *st;
    struct sn_statesync_opts o; /* with the defaults filled in */
    struct sn_snapshot_pool pool;
    int64_t last_new; /* when a snapshot was new */
    /* The snapshot being restored; NULL: none, and what follows is nobody's. */
    struct sn_snapshot *snap;
    struct sn_chunk_plan plan;
    struct sn_chunk_store store; /* its files are written without the lock */
    uint8_t *sender;             /* of each chunk that is here: a place in the pool, or NOBODY */
    bool *arriving;              /* is being written */
    bool *done;                  /* the application has it */
    uint32_t next;               /* lowest that is not done */
    int64_t progress;            /* when the last chunk came */
    int error;                   /* writing failed: nothing more will come */
    unsigned writers;
    uint64_t fetched, fetched_bytes, known; /* chunks */
};
struct sn_statesync {
    struct sn_node_view *view;
    struct sn_reactor reactor;
    int slot;
    struct sn_sem loads; /* chunks read from the application at a time, for all peers */
    struct sn_mutex lock;
    struct sn_cond changed;
    struct session *session;
    struct sn_statesync_stats stats;
};

/* ---- statesync.c ---- */

/* statesync_ban - the peer is not wanted: not in the pool, not connected. With the lock held. */
void statesync_ban(struct session *s, const char *id, int why);
/* statesync_wait - until something changes, or until `at`. With the lock held. Returns 0, also at
 * the time; SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. */
int statesync_wait(struct session *s, int64_t at) SN_MUST_CHECK;

/* ---- statesync_fetch.c ---- */

enum outcome {
    RESTORED = 1,
    RETRY_SNAPSHOT,
    REJECT_SNAPSHOT, /* the application, or nobody has it all */
};
/* statesync_restore - the snapshot has been offered and accepted. Returns an outcome, SN_E_ABORTED,
 * as sn_abci_client_call and files. */
int statesync_restore(struct session *s, struct sn_snapshot *snap) SN_MUST_CHECK;
/* statesync_receive_chunk - a CHUNK_RESPONSE. */
void statesync_receive_chunk(struct sn_statesync *st, struct sn_switch_peer *p,
                             const struct sn_statesync_msg *m);

/* ---- statesync_state.c ---- */

/* statesync_state - the state after `height` (one reference) and the commit of its block, in the
 * arena: waits until the chain has the two blocks after it. Returns as sn_light_client_block. */
int statesync_state(const struct sn_node_view *view, struct sn_light_client *light, int64_t height,
                    struct sn_arena *a, struct sn_cons_state **ret,
                    struct sn_cons_commit *ret_commit) SN_MUST_CHECK;
