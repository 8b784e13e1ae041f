/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/wal.h - the log that consensus writes ahead: frames of CRC-32C and length (big-endian) and
 * a TimedWALMessage, byte for byte CometBFT's. The codec is sans-I/O; wal_file.h keeps it on disk.
 *
 * A torn frame at the very end is what a crash leaves and is no fault; damage before the end is.
 * Source: CometBFT v0.38.25 consensus/wal.go. */
#pragma once
#include "consensus/codec.h"
#include "consensus/core.h"

/* Of one message; CometBFT reads no longer ones. */
#define SN_CONS_WAL_MSG_MAX (SN_CONS_MSG_MAX + 24)
#define SN_CONS_WAL_FRAME 8 /* bytes before a message */

enum sn_cons_wal_kind {
    SN_CONS_WAL_ROUND_STATE = 1, /* a step was entered: height, round, step */
    SN_CONS_WAL_MSG,             /* msg from peer; from ourselves where peer.len is 0 */
    SN_CONS_WAL_TIMEOUT,         /* timeout */
    SN_CONS_WAL_END_HEIGHT,      /* height: its block is stored */
};
struct sn_cons_wal_record {
    enum sn_cons_wal_kind kind;
    struct sn_cons_time time;
    int64_t height;
    int32_t round;
    struct sn_str step; /* CometBFT's name: sn_cons_step_name */
    struct sn_cons_peer_id peer;
    struct sn_cons_msg msg;
    struct sn_cons_timeout timeout;
};
/* sn_cons_wal_encode - appends a frame. Returns 0, SN_E_TOO_LARGE beyond SN_CONS_WAL_MSG_MAX (the
 * buffer is as before), SN_E_NOMEM, the buffer's error. */
int sn_cons_wal_encode(const struct sn_cons_wal_record *rec, struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_wal_next - takes the first frame of *in. What *ret points to is the arena's and borrows the
 * input. Returns 0; SN_E_EOF at the end; SN_E_AGAIN where the last frame is cut off; SN_E_DATA_LOSS
 * for a frame whose checksum, length or content is wrong; SN_E_NOMEM. On failure *in is as before. */
int sn_cons_wal_next(struct sn_str *in, struct sn_arena *a,
                     struct sn_cons_wal_record *ret) SN_MUST_CHECK;
/* sn_cons_wal_intact - bytes of `in` up to the first frame that is cut off or wrong, by checksums and
 * lengths alone. */
size_t sn_cons_wal_intact(struct sn_str in);
