/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/chunk_plan.h - which chunk of a snapshot is asked of which peer. Sans-I/O.
 *
 * A peer has as many requests open as it answers in time: a quick one gets up to `window` at once,
 * one that lets a request time out gets half, and after SN_CHUNK_FAILURES_MAX in a row none. Where
 * nothing is left to ask for, what a slow peer has had for long is asked of a quick one, too. */
#pragma once
#include "core/status.h"
#include "core/vec.h"

#define SN_CHUNK_PEERS_MAX 64u
#define SN_CHUNK_FAILURES_MAX 3u
#define SN_CHUNK_WINDOW 8u /* requests open at one peer */

enum sn_chunk_state { SN_CHUNK_WANTED, SN_CHUNK_ASKED, SN_CHUNK_HERE };
struct sn_chunk_peer {
    bool used;
    unsigned open, window, failures;
    double rate; /* bytes a second of late, 0: not known yet */
    uint64_t bytes, chunks;
};
struct sn_chunk_request {
    uint32_t chunk;
    uint8_t peer;
    bool doubled; /* another peer has been asked as well */
    int64_t at;
};
struct sn_chunk_plan {
    uint8_t *state;           /* enum sn_chunk_state, of each chunk */
    uint32_t n, here, lowest; /* lowest: nothing below is wanted */
    uint32_t limit;           /* chunks from here on are not asked for yet */
    unsigned window;
    int64_t timeout_ns;
    struct sn_chunk_peer peers[SN_CHUNK_PEERS_MAX];
    SN_VEC(struct sn_chunk_request) open;
};
/* sn_chunk_plan_init - n chunks, all wanted. window 0: SN_CHUNK_WINDOW. Returns 0, SN_E_NOMEM. */
int sn_chunk_plan_init(struct sn_chunk_plan *p, uint32_t n, unsigned window,
                       int64_t timeout_ns) SN_MUST_CHECK;
void sn_chunk_plan_done(struct sn_chunk_plan *p);
/* sn_chunk_plan_peers - peer i (its caller's number) has the snapshot, or not any more: then what
 * was asked of it is wanted again. */
void sn_chunk_plan_add(struct sn_chunk_plan *p, unsigned peer);
void sn_chunk_plan_remove(struct sn_chunk_plan *p, unsigned peer);
/* sn_chunk_plan_next - the next request. Returns 1; 0 where nothing is to be asked before
 * *ret_until, or before something comes; SN_E_NOMEM. */
int sn_chunk_plan_next(struct sn_chunk_plan *p, int64_t now, unsigned *ret_peer,
                       uint32_t *ret_chunk, int64_t *ret_until) SN_MUST_CHECK;
/* sn_chunk_plan_asked - whether this peer has been asked for it, and it is not here. */
bool sn_chunk_plan_asked(const struct sn_chunk_plan *p, unsigned peer, uint32_t chunk);
/* sn_chunk_plan_got - it is here now: from this peer, or (peer < 0) from elsewhere. */
void sn_chunk_plan_got(struct sn_chunk_plan *p, int peer, uint32_t chunk, size_t bytes,
                       int64_t now);
/* sn_chunk_plan_again - it is wanted (again). */
void sn_chunk_plan_again(struct sn_chunk_plan *p, uint32_t chunk);
/* sn_chunk_plan_useful - whether any peer is left to ask. */
bool sn_chunk_plan_useful(const struct sn_chunk_plan *p);
