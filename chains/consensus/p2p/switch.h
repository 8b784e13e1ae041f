/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/switch.h - the node's peers: accepts and dials, keeps persistent ones, holds to the
 * limits, and hands each channel's messages to the reactor that has it.
 *
 * A peer has a scope: fibers that reactors start for it (sn_switch_peer_go) end with it. It is
 * counted by reference: who keeps a pointer beyond a call takes one. Source: CometBFT v0.38.25
 * p2p/switch.go, p2p/transport.go; spec/p2p. */
#pragma once
#include "consensus/p2p/book.h"
#include "consensus/p2p/peer.h"

#define SN_SWITCH_REACTORS_MAX 8

struct sn_switch;
struct sn_switch_peer;
struct sn_reactor {
    const char *name; /* in logs */
    const struct sn_mconn_channel *channels;
    unsigned n_channels;
    void *arg;
    /* The peer has joined. Returns < 0 to refuse it. May start fibers of the peer and set the
     * reactor's slot. May suspend. */
    int (*add_peer)(void *arg, struct sn_switch_peer *p);
    /* A message; borrowed. Returns < 0 to end the connection with that error. May suspend: then
     * nothing else of this peer is read. */
    int (*receive)(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str msg);
    /* The peer's fibers have ended; frees the slot. */
    void (*remove_peer)(void *arg, struct sn_switch_peer *p, int why);
};
struct sn_switch_opts {
    const uint8_t *key;       /* the node's, SN_ED25519_SECRET_LEN bytes */
    struct sn_node_info self; /* channels are filled in from the reactors */
    const char *listen;       /* "tcp://HOST:PORT"; NULL: nobody is accepted */
    const char *const
        *persistent; /* "ID@HOST:PORT", NULL-ended: dialled again for ever, with growing pauses */
    const char *const *unconditional;   /* ids that no limit keeps out, NULL-ended */
    unsigned inbound_max, outbound_max; /* 0: 40, 10 */
    bool allow_duplicate_ip;
    int64_t handshake_ns, dial_ns;  /* 0: SN_PEER_HANDSHAKE_NS, SN_PEER_DIAL_NS */
    int64_t persistent_max_dial_ns; /* longest pause between dials; 0: no limit but the schedule */
    struct sn_mconn_opts mconn;     /* rates and payload */
    struct sn_book *book;           /* NULL: no address book; the switch locks it: sn_switch_book */
    /* Whether a peer is wanted (CometBFT's filter_peers by ABCI queries /p2p/filter/...): 0 or < 0.
     * May be NULL; may suspend. */
    int (*filter)(void *arg, const char *remote_addr, const char *id);
    void *arg;
};
/* sn_switch_new - Returns 0, SN_E_SYNTAX (an address, which one), SN_E_NOMEM. What opts points to
 * is borrowed. */
int sn_switch_new(const struct sn_switch_opts *o, struct sn_switch **ret) SN_MUST_CHECK;
void sn_switch_free(struct sn_switch *sw);
/* sn_switch_add_reactor - before run; *r is borrowed. Returns its slot, SN_E_RESOURCE_EXHAUSTED,
 * SN_E_ALREADY_EXISTS for a channel that another has. */
int sn_switch_add_reactor(struct sn_switch *sw, const struct sn_reactor *r) SN_MUST_CHECK;
/* sn_switch_run - listens, dials and serves until cancelled; then every peer has ended. Returns
 * SN_E_CANCELLED, or why it could not listen. */
int sn_switch_run(struct sn_switch *sw) SN_MUST_CHECK;
/* sn_switch_dial - a peer to be dialled soon, by "ID@HOST:PORT"; persistent: for ever. Returns 0,
 * SN_E_SYNTAX, SN_E_ALREADY_EXISTS, SN_E_RESOURCE_EXHAUSTED. */
int sn_switch_dial(struct sn_switch *sw, const char *addr, bool persistent) SN_MUST_CHECK;
/* sn_switch_each - fn for each peer, with the switch's lock held: must not suspend. */
void sn_switch_each(struct sn_switch *sw, void (*fn)(void *arg, struct sn_switch_peer *p),
                    void *arg);
/* sn_switch_find - referenced, or NULL. */
struct sn_switch_peer *sn_switch_find(struct sn_switch *sw, const char *id);
struct sn_switch_counts {
    unsigned inbound, outbound, dialing;
};
void sn_switch_counts(struct sn_switch *sw, struct sn_switch_counts *ret);
/* sn_switch_broadcast - to each peer that has room on the channel now. Returns to how many. */
size_t sn_switch_broadcast(struct sn_switch *sw, uint8_t channel, const void *data, size_t n);
const struct sn_node_info *sn_switch_self(const struct sn_switch *sw);
bool sn_switch_listening(const struct sn_switch *sw);

struct sn_switch_peer *sn_switch_peer_ref(struct sn_switch_peer *p);
void sn_switch_peer_unref(struct sn_switch_peer *p);
const char *sn_switch_peer_id(const struct sn_switch_peer *p);
const struct sn_node_info *sn_switch_peer_info(const struct sn_switch_peer *p);
const char *sn_switch_peer_remote_ip(const struct sn_switch_peer *p);
bool sn_switch_peer_outbound(const struct sn_switch_peer *p);
bool sn_switch_peer_has_channel(const struct sn_switch_peer *p, uint8_t channel);
int64_t sn_switch_peer_since(const struct sn_switch_peer *p); /* sn_now at joining */
void sn_switch_peer_stats(struct sn_switch_peer *p, struct sn_mconn_stats *ret);
/* sn_switch_peer_number - 1 .. SN_MEMPOOL_PEERS_MAX - 1, its own while it is connected. */
uint16_t sn_switch_peer_number(const struct sn_switch_peer *p);
/* A reactor's own pointer for the peer, by the slot that sn_switch_add_reactor gave. */
void *sn_switch_peer_get(const struct sn_switch_peer *p, int slot);
void sn_switch_peer_set(struct sn_switch_peer *p, int slot, void *value);
/* sn_switch_peer_go - a fiber of the peer's scope; a result < 0 other than SN_E_CANCELLED ends the
 * connection. */
int sn_switch_peer_go(struct sn_switch_peer *p, const char *name, int (*fn)(void *arg),
                      void *arg) SN_MUST_CHECK;
/* As sn_peer_send, sn_peer_try_send. */
int sn_switch_peer_send(struct sn_switch_peer *p, uint8_t channel, const void *data,
                        size_t n) SN_MUST_CHECK;
int sn_switch_peer_try_send(struct sn_switch_peer *p, uint8_t channel, const void *data,
                            size_t n) SN_MUST_CHECK;
/* sn_switch_peer_stop - ends it with that error, in the log; ban_ns > 0: and does not want it back
 * for so long. Does not wait. */
void sn_switch_peer_stop(struct sn_switch_peer *p, int why, int64_t ban_ns);
