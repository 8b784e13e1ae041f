/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync_msg.h - the messages of channel 40. A block is passed on as the bytes it came in: who
 * gets it splits them into parts, whose hash the commit names, so no second encoding is needed. Sans-I/O.
 * Source: api/tendermint/blocksync/types.proto; CometBFT v0.38.25 blocksync/msgs.go. */
#pragma once
#include "consensus/types.h"

/* The longest block with the message around it, as CometBFT limits it. */
#define SN_BLOCKSYNC_MSG_MAX (SN_CONS_BLOCK_BYTES_MAX + 5u)

enum sn_blocksync_kind {
    SN_BLOCKSYNC_BLOCK_REQUEST = 1,
    SN_BLOCKSYNC_NO_BLOCK,
    SN_BLOCKSYNC_BLOCK,
    SN_BLOCKSYNC_STATUS_REQUEST,
    SN_BLOCKSYNC_STATUS,
};
struct sn_blocksync_msg {
    enum sn_blocksync_kind kind;
    int64_t height; /* BLOCK: what its header says */
    int64_t base;   /* STATUS */
    struct sn_str block, ext_commit; /* BLOCK: encoded; borrowed. ext_commit.ptr NULL: there is none */
};
/* sn_blocksync_decode - Returns 0; SN_E_SYNTAX, SN_E_INVALID_ARGUMENT (a height, a base above the
 * height, no kind we know), SN_E_TOO_LARGE. Of a block only the height is looked at. */
int sn_blocksync_decode(struct sn_str in, struct sn_blocksync_msg *ret) SN_MUST_CHECK;
/* sn_blocksync_encode - appends. Returns 0 or the buffer's error. */
int sn_blocksync_encode(const struct sn_blocksync_msg *m, struct sn_buf *out) SN_MUST_CHECK;
