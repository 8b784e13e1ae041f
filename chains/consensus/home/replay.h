/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/replay.h - the log of consensus put through the core again, record by record, to see
 * what a node did and what it would do at its next start. Nothing is written: the log's files are only
 * read, the stores too, signatures and the application are not asked; what the application answered
 * to blocks is taken from the state store.
 * Source: CometBFT v0.38.25 consensus/replay_file.go (whose own command is out of order since 0.34). */
#pragma once
#include "consensus/block_store.h"
#include "consensus/core.h"
#include "consensus/state_store.h"

#define SN_HOME_REPLAY_BYTES_MAX (512u << 20) /* of the log's files that are needed */

struct sn_home_replay;
struct sn_home_replay_opts {
    struct sn_cons_block_store *blocks; /* borrowed, as all here */
    struct sn_cons_state_store *states;
    const struct sn_cons_verifier *verifier;
    const char *wal_path; /* the head file */
    int64_t height;       /* the first to replay, above the initial one; 0: the one after the last
                             that is stored, as at a start */
    bool has_key;         /* as the validator of this address */
    uint8_t addr[SN_CONS_ADDR_LEN];
    struct sn_cons_config config;
};
/* sn_home_replay_new - Returns 0; SN_E_NOT_FOUND (no state, no log, the log or the stores do not reach
 * back to that height), SN_E_TOO_LARGE, as the stores and sn_cons_core_new. Owns:
 * sn_home_replay_free. Suspends. */
int sn_home_replay_new(const struct sn_home_replay_opts *o,
                       struct sn_home_replay **ret) SN_MUST_CHECK;
void sn_home_replay_free(struct sn_home_replay *r);
/* sn_home_replay_next - one record: what it is and what comes of it is appended as lines. Returns 1,
 * 0 at the log's end (where it is cut off, too), SN_E_DATA_LOSS where it is damaged, as the stores;
 * what the core refuses is a line. Suspends. */
int sn_home_replay_next(struct sn_home_replay *r, struct sn_buf *out) SN_MUST_CHECK;
/* sn_home_replay_back - to where n fewer records were put in. Returns as sn_home_replay_new. */
int sn_home_replay_back(struct sn_home_replay *r, uint64_t n) SN_MUST_CHECK;
uint64_t sn_home_replay_count(const struct sn_home_replay *r);
/* sn_home_replay_show - the core's round as lines: "short", "validators", "proposal",
 * "proposal_block", "locked_round", "locked_block", "votes", or "" for all. Returns 0,
 * SN_E_INVALID_ARGUMENT for another word. */
int sn_home_replay_show(const struct sn_home_replay *r, struct sn_str what,
                        struct sn_buf *out) SN_MUST_CHECK;
