/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/snapshots.h - the snapshots that peers offer, and which of them is tried next.
 * Sans-I/O; one lock of its owner's. Source: CometBFT v0.38.25 statesync/snapshots.go. */
#pragma once
#include "consensus/sync/statesync_msg.h"
#include "core/vec.h"

#define SN_SNAPSHOTS_PER_PEER 10u
#define SN_SNAPSHOT_PEERS_MAX 64u           /* that offer any */
#define SN_SNAPSHOT_POOL_BYTES (256u << 20) /* of metadata; more is not taken */
#define SN_SNAPSHOT_ID_MAX 48u              /* a peer's id with its NUL */

struct sn_snapshot {
    uint64_t height;
    uint32_t format, chunks;
    struct sn_str hash, metadata;
    const uint8_t *manifest; /* sn_statesync_manifest, or NULL */
    uint8_t key[32];         /* all of it: two that differ anywhere are two */
    bool rejected;           /* stays known, so that nobody can offer it again */
    uint64_t peers;          /* bits of sn_snapshot_pool.peers */
    struct sn_arena arena;   /* of its bytes */
};
struct sn_snapshot_pool {
    SN_VEC(struct sn_snapshot *) all;
    struct {
        char id[SN_SNAPSHOT_ID_MAX];
        bool used, rejected;
    } peers[SN_SNAPSHOT_PEERS_MAX];
    SN_VEC(uint32_t) bad_formats;
    size_t bytes;
};
void sn_snapshot_pool_done(struct sn_snapshot_pool *p);
/* sn_snapshot_pool_add - what a peer offers, copied. Returns 1 a new one, 0 known or unwanted
 * (rejected by itself, its format, its peer; beyond a limit), SN_E_NOMEM, SN_E_INTERNAL. */
int sn_snapshot_pool_add(struct sn_snapshot_pool *p, const char *peer,
                         const struct sn_statesync_msg *m) SN_MUST_CHECK;
/* sn_snapshot_pool_find - the peer's place; -1: it offers nothing. */
int sn_snapshot_pool_find(const struct sn_snapshot_pool *p, const char *peer);
void sn_snapshot_pool_remove_peer(struct sn_snapshot_pool *p, const char *peer);
/* _reject_peer - and nothing of it is taken any more. */
void sn_snapshot_pool_reject_peer(struct sn_snapshot_pool *p, const char *peer);
int sn_snapshot_pool_reject_format(struct sn_snapshot_pool *p, uint32_t format) SN_MUST_CHECK;
/* sn_snapshot_pool_best - the one to try: highest, then by format, then by how many peers have it.
 * NULL where nobody has any that is wanted. Valid until sn_snapshot_pool_done. */
struct sn_snapshot *sn_snapshot_pool_best(struct sn_snapshot_pool *p);
/* sn_snapshot_pool_peers - how many peers offer something. */
unsigned sn_snapshot_pool_peers(const struct sn_snapshot_pool *p);
