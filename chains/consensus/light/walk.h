/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/walk.h - from a trusted block to a later one by bisection: which height to ask
 * for next, and what is verified so far. Sans-I/O; blocks are borrowed until the walk is over. */
#pragma once
#include "consensus/light.h"

/* Verified blocks of one walk: a longer way is gone in several walks. */
#define SN_LIGHT_TRACE_MAX 64
/* A pivot lies at 9/16 of what is left, so this many lead from any target down to the next height.
 */
#define SN_LIGHT_PIVOTS_MAX 80

struct sn_light_walk {
    struct sn_cons_light_opts rules;
    struct sn_cons_time now;
    /* [0] was trusted before; each other one was verified by the one before it. */
    struct sn_cons_light_block *trace[SN_LIGHT_TRACE_MAX];
    unsigned n_trace;
    struct sn_cons_light_block *pending[SN_LIGHT_PIVOTS_MAX]; /* by descending height */
    unsigned n_pending, depth;
};
enum sn_light_step {
    SN_LIGHT_WANT, /* the block of a height: sn_light_walk_put it */
    SN_LIGHT_DONE, /* the target is the trace's last */
    SN_LIGHT_FULL, /* the trace is; its last block is verified */
};
/* sn_light_walk_begin - target->header.height > trusted->header.height. */
void sn_light_walk_begin(struct sn_light_walk *w, const struct sn_cons_light_opts *rules,
                         struct sn_cons_light_block *trusted, struct sn_cons_light_block *target,
                         struct sn_cons_time now);
/* sn_light_walk_next - enum sn_light_step, with *ret_height for WANT; or as sn_cons_light_verify,
 * but never SN_E_AGAIN, with the height of the block that failed. */
int sn_light_walk_next(struct sn_light_walk *w, int64_t *ret_height) SN_MUST_CHECK;
/* sn_light_walk_put - the block of the height wanted last. */
void sn_light_walk_put(struct sn_light_walk *w, struct sn_cons_light_block *b);
/* sn_light_walk_shorten - keeps the trace's first and last block. */
void sn_light_walk_shorten(struct sn_light_walk *w);
