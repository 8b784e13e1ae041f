/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/mconn_int.h - the packets of an MConnection, for mconn.c and its tests. */
#pragma once
#include "core/buf.h"

enum mconn_kind { MCONN_PING = 1, MCONN_PONG = 2, MCONN_MSG = 3 };
struct mconn_packet {
    enum mconn_kind kind;
    bool eof;
    int32_t channel; /* as sent: it may be no channel at all */
    struct sn_str data;
};
/* What the longest packet of this payload takes, without the length before it; channel ids of 128
 * and more take one byte more than others. */
size_t mconn_packet_max(uint32_t payload);
/* Appends a packet with its length. */
void mconn_packet_put(struct sn_buf *out, const struct mconn_packet *p);
/* The packet at the head of `in`; max as mconn_packet_max. Returns the bytes it takes with its
 * length, 0 where more are needed, SN_E_PROTOCOL. ret->data borrows in. */
ssize_t mconn_packet_get(struct sn_str in, size_t max, struct mconn_packet *ret);
