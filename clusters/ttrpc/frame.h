/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc/frame.h - what is on the wire of ttrpc, sans I/O: frames, and the envelopes in them.
 *
 * A frame is a head of ten bytes (length of the data, stream, type, flags; big endian) and its
 * data. Clients number their streams 1, 3, 5, ...; a request opens one, a response or a last data
 * frame ends it. Sources: containerd/ttrpc's PROTOCOL.md (1.2) and request.proto. */
#pragma once
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

#define SN_TTRPC_HEAD_BYTES 10u
#define SN_TTRPC_DATA_MAX (4u << 20) /* bytes of a frame's data; the protocol's limit */

enum sn_ttrpc_type { SN_TTRPC_REQUEST = 1, SN_TTRPC_RESPONSE = 2, SN_TTRPC_DATA = 3 };
enum sn_ttrpc_flag {
    SN_TTRPC_REMOTE_CLOSED = 1, /* the sender sends nothing more on this stream */
    SN_TTRPC_REMOTE_OPEN = 2,   /* of a request: data follows */
    SN_TTRPC_NO_DATA = 4,       /* not even an empty message: only the flags count */
};
struct sn_ttrpc_frame {
    uint32_t stream;
    uint8_t type, flags; /* as received: unknown ones are for the caller to ignore */
    uint32_t len;        /* of the data */
    struct sn_str data;  /* borrows the input */
};

/* sn_ttrpc_frame_parse - the frame at the beginning of `in`. Returns its whole length in bytes;
 * SN_E_AGAIN where more input is needed (ret->len is set once the head is there, else 0);
 * SN_E_TOO_LARGE where the data exceeds SN_TTRPC_DATA_MAX (stream and len are set: the caller may
 * skip that many bytes and go on). No diagnostic. */
ssize_t sn_ttrpc_frame_parse(struct sn_str in, struct sn_ttrpc_frame *ret);
/* sn_ttrpc_frame_begin - room for a head at the end of `out`, to be filled by _end once the data
 * has been appended. Returns where the head stands. Errors are the buffer's. */
size_t sn_ttrpc_frame_begin(struct sn_buf *out);
/* sn_ttrpc_frame_end - Returns 0; SN_E_TOO_LARGE, the data being longer than allowed; the buffer's
 * error. On failure `out` ends where the frame began. */
int sn_ttrpc_frame_end(struct sn_buf *out, size_t at, uint32_t stream, uint8_t type,
                       uint8_t flags) SN_MUST_CHECK;
