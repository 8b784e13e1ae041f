/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/sync.h - how a node that is behind gets to where its peers are: state sync (a
 * snapshot of the application, checked by a light client), then block sync. Both reactors also
 * serve others, always. Source: CometBFT v0.38.25 blocksync/, statesync/; spec/p2p/legacy-docs. */
#pragma once
#include "consensus/light/client.h"
#include "consensus/node/view.h"

#define SN_BLOCKSYNC_CHANNEL 0x40
#define SN_SNAPSHOT_CHANNEL 0x60
#define SN_CHUNK_CHANNEL 0x61

struct sn_blocksync;
/* sn_blocksync_new - adds its reactor to view->sw. */
int sn_blocksync_new(struct sn_node_view *view, struct sn_blocksync **ret) SN_MUST_CHECK;
void sn_blocksync_free(struct sn_blocksync *b);
/* sn_blocksync_run - fetches, checks and executes blocks from `state` on until no peer has more
 * (or, where it is the only validator, at once). Returns 0 with the state to go on from (one
 * reference) and how many blocks came; as sn_exec_apply; SN_E_CANCELLED. */
int sn_blocksync_run(struct sn_blocksync *b, struct sn_cons_state *state,
                     struct sn_cons_state **ret, int64_t *ret_blocks) SN_MUST_CHECK;

struct sn_statesync;
struct sn_statesync_opts {
    struct sn_light_client *light; /* trusts as the configuration says */
    int64_t discovery_ns;          /* at most, for a first snapshot; 0: 15 s */
    int64_t chunk_request_ns;      /* 0: 10 s */
    unsigned fetchers;             /* chunks asked of one peer at a time; 0: 4 */
    const char *dir;               /* chunks on their way, and those of the last snapshot for the next;
                                      NULL: one that is removed afterwards */
    uint64_t cache_bytes;          /* of the chunks that stay in dir; 0: 8 GiB */
    struct sn_abci_app *local_app; /* the application where it is in this process: what it has of a
                                      snapshot is not fetched; NULL: it is elsewhere */
};
/* sn_statesync_new - adds its reactor, which serves the application's snapshots. Returns 0, as
 * sn_switch_add_reactor, SN_E_NOMEM. */
int sn_statesync_new(struct sn_node_view *view, struct sn_statesync **ret) SN_MUST_CHECK;
void sn_statesync_free(struct sn_statesync *s);
/* sn_statesync_run - finds a snapshot, restores it and bootstraps the stores; view->state_syncing is
 * true meanwhile. Returns 0 with the state (one reference); SN_E_NOT_FOUND: no peer has any (the
 * caller may go on with block sync); SN_E_ABORTED (the application gave up), SN_E_DATA_LOSS (it came
 * to another hash, or the light client saw an attack), SN_E_UNAVAILABLE (no answers for the light
 * client); SN_E_FAILED_PRECONDITION (one is going on; the light client's trust has expired); as the
 * application's calls, the stores and files; SN_E_CANCELLED. Suspends. */
int sn_statesync_run(struct sn_statesync *s, const struct sn_statesync_opts *o,
                     struct sn_cons_state **ret) SN_MUST_CHECK;
/* What the last restore took, whole or not. */
struct sn_statesync_stats {
    int64_t height;
    uint32_t chunks;
    uint64_t fetched, fetched_bytes, known; /* chunks; known: not fetched */
};
void sn_statesync_stats(struct sn_statesync *s, struct sn_statesync_stats *ret);
