/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/mconn.h - CometBFT's MConnection: messages of several channels share one stream,
 * cut into packets so that a long message of one does not hold up the others. Sans-I/O; time comes
 * in as nanoseconds of any monotonic clock.
 *
 * The receiving half (sn_mconn_feed, sn_mconn_read_at) and the sending half (all others) may belong
 * to two fibers at a time; sn_mconn_note, of the sending half, takes over what the other has
 * learnt.
 *
 * Order: the channel that has sent the fewest bytes for its priority lately goes next; within a
 * channel messages keep their order. There is no flush timer: what is queued may be pulled at once.
 * Nothing suspends. Source: CometBFT's specification (spec/p2p), its behaviour at v0.38.25. */
#pragma once
#include "core/buf.h"

#define SN_MCONN_CHANNELS_MAX 64u
#define SN_MCONN_PAYLOAD 1024u /* default data in a packet; part of the network's configuration */
#define SN_MCONN_PAYLOAD_MAX 65536u
#define SN_MCONN_MESSAGE_MAX (21u << 20) /* default longest message received */
#define SN_MCONN_QUEUE_BYTES (32u << 20) /* default bytes queued for all channels together */
#define SN_MCONN_PING_NS (60 * SN_SEC)
#define SN_MCONN_PONG_NS (45 * SN_SEC)
#define SN_MCONN_MESSAGES_DEFAULT 64u /* queued in one channel */

struct sn_mconn_channel {
    uint8_t id;
    uint16_t priority;       /* 0 counts as 1 */
    uint32_t messages_max;   /* queued for sending; 0 = SN_MCONN_MESSAGES_DEFAULT */
    uint32_t recv_bytes_max; /* of one message; 0 = SN_MCONN_MESSAGE_MAX */
};
struct sn_mconn_opts {
    const struct sn_mconn_channel *channels; /* copied */
    unsigned n_channels;
    uint32_t payload;             /* bytes of data in a packet; 0 = SN_MCONN_PAYLOAD */
    size_t queue_bytes_max;       /* 0 = SN_MCONN_QUEUE_BYTES */
    int64_t send_rate, recv_rate; /* bytes a second, 0 = no limit */
    int64_t ping_ns, pong_ns;     /* 0 = the defaults; pong_ns is below ping_ns */
};
/* A whole message; borrowed for the call. A negative result ends sn_mconn_feed with it. */
typedef int (*sn_mconn_fn)(void *arg, uint8_t channel, struct sn_str message);

struct sn_mconn;
/* sn_mconn_new - Returns 0, SN_E_INVALID_ARGUMENT (channels: none, too many, one twice; pong_ns not
 * below ping_ns; payload), SN_E_NOMEM. Owns: sn_mconn_free. */
int sn_mconn_new(const struct sn_mconn_opts *opts, int64_t now,
                 struct sn_mconn **ret) SN_MUST_CHECK;
void sn_mconn_free(struct sn_mconn *m);

/* sn_mconn_send - queues a copy of a message of n bytes. Returns 0, SN_E_BUSY (no diagnostic) while
 * the channel's queue or the connection's bytes are full, SN_E_NOT_FOUND (no such channel),
 * SN_E_NOMEM. A message longer than all bytes allowed goes alone. */
int sn_mconn_send(struct sn_mconn *m, uint8_t channel, const void *data, size_t n) SN_MUST_CHECK;
/* sn_mconn_can_send - whether sn_mconn_send would take n bytes now. */
bool sn_mconn_can_send(const struct sn_mconn *m, uint8_t channel, size_t n);
/* sn_mconn_pull - appends packets to out, at most about max bytes, as the rate allows. Returns the
 * bytes appended, 0 where there is nothing to send now, SN_E_NOMEM, SN_E_TOO_LARGE. */
ssize_t sn_mconn_pull(struct sn_mconn *m, int64_t now, struct sn_buf *out,
                      size_t max) SN_MUST_CHECK;
/* sn_mconn_note - takes over pings and pongs that were received, and keeps the connection alive:
 * call it after sn_mconn_feed and at sn_mconn_deadline. Returns 0, SN_E_DEADLINE_EXCEEDED where the
 * peer has not answered a ping in time. */
int sn_mconn_note(struct sn_mconn *m, int64_t now) SN_MUST_CHECK;
/* sn_mconn_deadline - when note or pull has something to do without another event. */
int64_t sn_mconn_deadline(const struct sn_mconn *m, int64_t now);
/* sn_mconn_pending - whether anything waits to be sent, allowed or not. */
bool sn_mconn_pending(const struct sn_mconn *m);

/* sn_mconn_feed - takes all n bytes from the peer and hands over each message they complete.
 * Returns 0, SN_E_PROTOCOL (no packet, one longer than the configuration's, a channel that is not
 * ours), SN_E_TOO_LARGE (a message beyond recv_bytes_max), SN_E_NOMEM, or fn's. The connection is
 * over then. */
int sn_mconn_feed(struct sn_mconn *m, int64_t now, const void *data, size_t n, sn_mconn_fn fn,
                  void *arg) SN_MUST_CHECK;
/* sn_mconn_has_news - whether the sending half should call sn_mconn_note now. Either half. */
bool sn_mconn_has_news(const struct sn_mconn *m);
/* sn_mconn_read_at - not before when the next bytes should be read, by recv_rate; at most now where
 * there is no limit. */
int64_t sn_mconn_read_at(const struct sn_mconn *m, int64_t now);

struct sn_mconn_stats {
    uint64_t messages_sent, messages_received, bytes_sent, bytes_received, pings, pongs;
    size_t queued_bytes;
};
/* sn_mconn_stats - each half's numbers are exact for the fiber that has that half. */
void sn_mconn_stats(const struct sn_mconn *m, struct sn_mconn_stats *ret);
