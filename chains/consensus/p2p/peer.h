/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/peer.h - a connection (conn.h) on a stream, driven by two fibers: one reads and
 * hands over messages, one writes as soon as there is something to write.
 *
 *   sn_peer_open (handshake) -> sn_peer_run (until the connection ends) -> sn_peer_free
 *
 * Meanwhile any fiber may send and stop. */
#pragma once
#include "consensus/p2p/conn.h"
#include "fiber/net.h"

#define SN_PEER_HANDSHAKE_NS (20 * SN_SEC)
#define SN_PEER_DIAL_NS (3 * SN_SEC)
#define SN_PEER_READ (32u << 10)  /* bytes read at a time */
#define SN_PEER_WRITE (64u << 10) /* bytes of packets written at a time */
#define SN_PEER_LINGER_NS (5 * SN_MS) /* of sn_peer_send_soon */

struct sn_peer;
/* A message, borrowed for the call; in the reading fiber: while it runs nothing else is read. It
 * may suspend and send. A negative result ends the connection with it. */
typedef int (*sn_peer_fn)(struct sn_peer *p, void *arg, uint8_t channel, struct sn_str message);
struct sn_peer_opts {
    struct sn_conn_opts conn; /* borrowed for the peer's life: key, self, expected_id */
    int64_t handshake_ns;     /* 0 = SN_PEER_HANDSHAKE_NS */
    int64_t dial_ns;          /* 0 = SN_PEER_DIAL_NS */
    sn_peer_fn on_message;
    void *arg;
};
/* sn_peer_open - handshake on a stream, accepted or dialled. Takes s: it is closed on failure.
 * Returns 0, SN_E_DEADLINE_EXCEEDED, SN_E_EOF (the peer closed in the middle: it may not want us),
 * SN_E_CANCELLED, or as sn_conn_feed and the stream's errors. Owns: sn_peer_free. Suspends. */
int sn_peer_open(struct sn_stream *s, const struct sn_peer_opts *opts,
                 struct sn_peer **ret) SN_MUST_CHECK;
/* sn_peer_dial - connects to "ID@HOST:PORT" (the scheme tcp:// may stand before ID) and opens: the
 * id is the expected one. Returns also SN_E_SYNTAX (address), and as sn_dial. Suspends. */
int sn_peer_dial(const char *addr, const struct sn_peer_opts *opts,
                 struct sn_peer **ret) SN_MUST_CHECK;
/* sn_peer_run - until the connection ends: 0 after sn_peer_stop, SN_E_EOF where the peer closed,
 * otherwise why it broke. Once. Suspends. */
int sn_peer_run(struct sn_peer *p) SN_MUST_CHECK;
/* sn_peer_info - who it is; valid for the peer's life. */
const struct sn_node_info *sn_peer_info(const struct sn_peer *p);
/* sn_peer_send - queues a message; waits while there is no room. Returns 0, SN_E_CLOSED (the
 * connection ended or is being stopped), SN_E_NOT_FOUND (channel), SN_E_NOMEM, SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED. Suspends. */
int sn_peer_send(struct sn_peer *p, uint8_t channel, const void *data, size_t n) SN_MUST_CHECK;
/* sn_peer_send_soon - the same for what need not leave at once: it goes with the next other message, or
 * after SN_PEER_LINGER_NS. A sealed frame has a kilobyte, and each write its price at both ends, however
 * little is in them. */
int sn_peer_send_soon(struct sn_peer *p, uint8_t channel, const void *data, size_t n) SN_MUST_CHECK;
/* sn_peer_try_send - the same, SN_E_BUSY (no diagnostic) instead of waiting for room. Suspends only
 * for a lock that is held briefly. */
int sn_peer_try_send(struct sn_peer *p, uint8_t channel, const void *data, size_t n) SN_MUST_CHECK;
/* sn_peer_stop - ends sn_peer_run; with flush after everything queued is written. */
void sn_peer_stop(struct sn_peer *p, bool flush);
void sn_peer_stats(struct sn_peer *p, struct sn_mconn_stats *ret);
/* sn_peer_remote - "IP:PORT" of the other end. Returns the length, as sn_stream_addr. */
int sn_peer_remote(struct sn_peer *p, char *out, size_t cap);
/* sn_peer_close - closes the stream, after sn_peer_run; what may be called from other fibers still
 * may be, until sn_peer_free. */
void sn_peer_close(struct sn_peer *p);
/* sn_peer_free - closes the stream; after sn_peer_run has returned, or without it. NULL is
 * accepted. */
void sn_peer_free(struct sn_peer *p);
