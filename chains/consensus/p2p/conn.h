/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/conn.h - a whole connection to a peer as one state machine: keys and signatures
 * (secret.h), node infos (node_info.h), then messages of channels (mconn.h). Sans-I/O.
 *
 * Until it is open (sn_conn_is_open) one fiber does everything. Then the receiving half
 * (sn_conn_feed, sn_conn_read_at) and the sending half (sn_conn_send, can_send, pull, note,
 * deadline) may belong to one fiber each. Nothing suspends. */
#pragma once
#include "consensus/p2p/mconn.h"
#include "consensus/p2p/node_info.h"

struct sn_conn_opts {
    const uint8_t *key; /* SN_ED25519_SECRET_LEN bytes, borrowed for the connection's life */
    const struct sn_node_info *self; /* borrowed alike; its id is the key's */
    const char *expected_id;         /* the peer must be this node; NULL: any but ourselves */
    struct sn_mconn_opts mconn;
};
struct sn_conn;
/* sn_conn_new - ephemeral: 32 fresh random bytes. Returns 0, or as sn_mconn_new. Owns:
 * sn_conn_free. opts is copied, expected_id borrowed until the connection is open. */
int sn_conn_new(const struct sn_conn_opts *opts, const uint8_t ephemeral[32], int64_t now,
                struct sn_conn **ret) SN_MUST_CHECK;
void sn_conn_free(struct sn_conn *c);
/* sn_conn_feed - takes n bytes from the peer; fn gets each message. Messages that came together
 * with the peer's node info wait for the next call, of no bytes too: the caller has learnt by then
 * that the connection is open. Returns 0; SN_E_PERMISSION_DENIED (not the expected node, or
 * ourselves, or an id that is not its key's); SN_E_FAILED_PRECONDITION (a node that does not fit);
 * or as sn_secret_feed, sn_node_info_get, sn_mconn_feed. The connection is over then. */
int sn_conn_feed(struct sn_conn *c, int64_t now, const void *data, size_t n, sn_mconn_fn fn,
                 void *arg) SN_MUST_CHECK;
bool sn_conn_is_open(const struct sn_conn *c);
/* sn_conn_peer - who the peer is; valid once open. */
const struct sn_node_info *sn_conn_peer(const struct sn_conn *c);
/* sn_conn_pull - appends what is to be sent now to out, at most about max bytes. Returns the bytes
 * appended, or as sn_mconn_pull, sn_secret_seal. */
ssize_t sn_conn_pull(struct sn_conn *c, int64_t now, struct sn_buf *out, size_t max) SN_MUST_CHECK;

/* As their namesakes of mconn.h; SN_E_FAILED_PRECONDITION before the connection is open. */
int sn_conn_send(struct sn_conn *c, uint8_t channel, const void *data, size_t n) SN_MUST_CHECK;
bool sn_conn_can_send(const struct sn_conn *c, uint8_t channel, size_t n);
int sn_conn_note(struct sn_conn *c, int64_t now) SN_MUST_CHECK;
int64_t sn_conn_deadline(const struct sn_conn *c, int64_t now);
bool sn_conn_pending(const struct sn_conn *c);
int64_t sn_conn_read_at(const struct sn_conn *c, int64_t now);
bool sn_conn_has_news(const struct sn_conn *c);
void sn_conn_stats(const struct sn_conn *c, struct sn_mconn_stats *ret);
