/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/switch.h - the node's peers: accepts and dials, keeps persistent ones, holds to the
 * limits, and hands each channel's messages to the reactor that has it.
 *
 * A peer has a scope: fibers that reactors start for it (sn_switch_peer_go) end with it. It is
 * counted by reference: who keeps a pointer beyond a call takes one, and gives it back before
 * sn_switch_free. A reactor that waits in `receive`, or in a fiber of the peer, holds up that peer
 * and nobody else. Source: CometBFT v0.38.25 p2p/switch.go, p2p/transport.go; spec/p2p. */
#pragma once
#include "consensus/p2p/book.h"
#include "consensus/p2p/peer.h"

#define SN_SWITCH_REACTORS_MAX 8
#define SN_SWITCH_PEERS_MAX 255u      /* connected at a time, whatever the other limits say */
#define SN_SWITCH_HANDSHAKES_MAX 128u /* accepted and not yet open; more are closed at once */
#define SN_SWITCH_HANDSHAKES_IP 32u   /* of these from one address */
#define SN_SWITCH_TARGETS_MAX 512u    /* addresses to dial, persistent ones included */
#define SN_SWITCH_ADDR_MAX 300u       /* bytes of one */
#define SN_SWITCH_NONE UINT32_MAX
#define SN_SWITCH_FILTER_NS (5 * SN_SEC)
/* Dialling a persistent peer again: so many tries with this pause, then 3, 9, 27 ... seconds; to
 * each pause up to SN_SWITCH_JITTER_NS is added. A connection shorter than SN_SWITCH_STABLE_NS
 * counts as a failed try. */
#define SN_SWITCH_RETRIES 20u
#define SN_SWITCH_RETRY_NS (5 * SN_SEC)
#define SN_SWITCH_BACKOFFS 10u
#define SN_SWITCH_JITTER_NS (3 * SN_SEC)
#define SN_SWITCH_STABLE_NS (30 * SN_SEC)
/* Two nodes that dial each other at once have two connections: the one that the lower id dialled
 * stays. Both sides hold the second one back: the side that expects it to stay waits
 * SN_SWITCH_YIELD_NS for the other to go, the other side SN_SWITCH_KEEP_NS before it refuses it
 * (time for a Go node to close one by its own rules). Only a connection younger than
 * SN_SWITCH_YOUNG_NS may be one of such two. */
#define SN_SWITCH_YIELD_NS (3 * SN_SEC)
#define SN_SWITCH_KEEP_NS (500 * SN_MS)
#define SN_SWITCH_YOUNG_NS (10 * SN_SEC)

struct sn_switch;
struct sn_switch_peer;
struct sn_reactor {
    const char *name; /* in logs */
    const struct sn_mconn_channel *channels;
    unsigned n_channels;
    void *arg;
    /* The peer has joined. Returns < 0 to refuse it. May start fibers of the peer and set the
     * reactor's slot. May suspend, and send what its queues have room for: nothing is written
     * before every reactor has been asked. May be NULL, as all four. */
    int (*add_peer)(void *arg, struct sn_switch_peer *p);
    /* A message; borrowed. Returns < 0 to end the connection with that error. May suspend: then
     * nothing else of this peer is read. */
    int (*receive)(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str msg);
    /* The peer's fibers have ended; frees the slot. sn_switch_each and _find do not give the peer
     * any more. Of a peer that add_peer refused it is not called. */
    void (*remove_peer)(void *arg, struct sn_switch_peer *p, int why);
    /* The peer is at another height (sn_switch_peer_set_height). Must not suspend. */
    void (*peer_height)(void *arg, struct sn_switch_peer *p, int64_t height);
};
struct sn_switch_opts {
    const uint8_t *key;       /* the node's, SN_ED25519_SECRET_LEN bytes */
    struct sn_node_info self; /* channels are filled in from the reactors, an empty listen_addr by
                                 the address it listens at */
    const char *listen;       /* "tcp://HOST:PORT"; NULL: nobody is accepted */
    const char *const
        *persistent; /* "ID@HOST:PORT", NULL-ended: dialled again for ever, with growing pauses */
    const char *const *unconditional;   /* ids that no limit keeps out, NULL-ended */
    unsigned inbound_max, outbound_max; /* 0: 40, 10; SN_SWITCH_NONE: none but unconditional ones
                                           and, outbound, persistent ones */
    bool allow_duplicate_ip;
    int64_t handshake_ns, dial_ns;  /* 0: SN_PEER_HANDSHAKE_NS, SN_PEER_DIAL_NS */
    int64_t persistent_max_dial_ns; /* longest pause between dials; 0: no limit but the schedule */
    struct sn_mconn_opts mconn;     /* rates and payload */
    struct sn_book *book; /* NULL: no address book, no bans; others lock it: sn_switch_book_lock */
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
/* sn_switch_run - listens, dials and serves until cancelled; then every peer has ended. Once.
 * Returns SN_E_CANCELLED, or why it could not listen. Suspends. */
int sn_switch_run(struct sn_switch *sw) SN_MUST_CHECK;
/* sn_switch_dial - a peer to be dialled soon, by "ID@HOST:PORT"; persistent: for ever. Returns 0,
 * SN_E_SYNTAX, SN_E_INVALID_ARGUMENT (ourselves), SN_E_ALREADY_EXISTS (connected, being dialled, or
 * persistent already), SN_E_RESOURCE_EXHAUSTED (outbound_max, SN_SWITCH_TARGETS_MAX), SN_E_NOMEM.
 */
int sn_switch_dial(struct sn_switch *sw, const char *addr, bool persistent) SN_MUST_CHECK;
/* sn_switch_connect - the same, once, and waits until the peer has joined or not. Returns also as
 * sn_peer_dial, SN_E_PERMISSION_DENIED (another node is there, the filter, banned), SN_E_CANCELLED
 * (the dialling goes on). While the switch does not run: SN_E_CLOSED. Suspends. */
int sn_switch_connect(struct sn_switch *sw, const char *addr) SN_MUST_CHECK;
/* sn_switch_addr_check - whether it is "ID@HOST:PORT", "tcp://" before it or not. Returns 0,
 * SN_E_SYNTAX. */
int sn_switch_addr_check(const char *addr) SN_MUST_CHECK;
/* sn_switch_book_lock - the address book, or NULL; not for long, and nothing that suspends until
 * sn_switch_book_unlock. */
struct sn_book *sn_switch_book_lock(struct sn_switch *sw);
void sn_switch_book_unlock(struct sn_switch *sw);
/* sn_switch_each - fn for each peer, with the switch's lock held: must not suspend, nor call the
 * switch but for what a peer is (id, get, height ...). A peer that is just joining may not have the
 * reactor's slot yet. */
void sn_switch_each(struct sn_switch *sw, void (*fn)(void *arg, struct sn_switch_peer *p),
                    void *arg);
/* sn_switch_find - referenced, or NULL. */
struct sn_switch_peer *sn_switch_find(struct sn_switch *sw, const char *id);
struct sn_switch_counts {
    unsigned inbound, outbound, dialing; /* now; unconditional peers are not counted */
    unsigned peers, handshakes;          /* now, all of them; accepted and not yet open */
    unsigned outbound_max;
    /* Since the start. crowded: closed at once, by the limits of handshakes and addresses; refused:
     * after the handshake. */
    uint64_t accepted, dialed, joined, failed, crowded, refused, banned;
};
void sn_switch_counts(struct sn_switch *sw, struct sn_switch_counts *ret);
/* sn_switch_broadcast - to each peer that has room on the channel now. Returns to how many. */
size_t sn_switch_broadcast(struct sn_switch *sw, uint8_t channel, const void *data, size_t n);
const struct sn_node_info *sn_switch_self(const struct sn_switch *sw);
bool sn_switch_listening(const struct sn_switch *sw);
/* sn_switch_listen_addr - "HOST:PORT" where it listens, with the port that was free; "" where it
 * does not (yet). Valid as long as the switch. */
const char *sn_switch_listen_addr(const struct sn_switch *sw);
/* sn_switch_channel_stats - messages' bytes of one channel, of all peers since the start. */
#define SN_SWITCH_KINDS 16
struct sn_switch_channel_stats {
    uint64_t messages_in, bytes_in, messages_out, bytes_out;
    uint64_t kind_in[SN_SWITCH_KINDS], kind_out[SN_SWITCH_KINDS]; /* bytes, by the message's first
                                                                     field; 0: of another form */
};
void sn_switch_channel_stats(const struct sn_switch *sw, uint8_t channel,
                             struct sn_switch_channel_stats *ret);
/* sn_switch_channel - the i-th channel there is. Returns whether there are so many. */
bool sn_switch_channel(const struct sn_switch *sw, unsigned i, uint8_t *ret);

struct sn_switch_peer *sn_switch_peer_ref(struct sn_switch_peer *p);
void sn_switch_peer_unref(struct sn_switch_peer *p);
const char *sn_switch_peer_id(const struct sn_switch_peer *p);
const struct sn_node_info *sn_switch_peer_info(const struct sn_switch_peer *p);
const char *sn_switch_peer_remote_ip(const struct sn_switch_peer *p);
const char *sn_switch_peer_remote(const struct sn_switch_peer *p); /* "IP:PORT" */
bool sn_switch_peer_outbound(const struct sn_switch_peer *p);
bool sn_switch_peer_persistent(const struct sn_switch_peer *p);
bool sn_switch_peer_unconditional(const struct sn_switch_peer *p);
/* sn_switch_peer_set_height - the chain's height at the peer, as the reactor learns it that knows
 * (consensus, block sync) in `receive` or a fiber of the peer; the others are told.
 * sn_switch_peer_height: 0 where nobody knows. */
void sn_switch_peer_set_height(struct sn_switch_peer *p, int64_t height);
int64_t sn_switch_peer_height(const struct sn_switch_peer *p);
bool sn_switch_peer_has_channel(const struct sn_switch_peer *p, uint8_t channel);
int64_t sn_switch_peer_since(const struct sn_switch_peer *p); /* sn_now at joining */
void sn_switch_peer_stats(struct sn_switch_peer *p, struct sn_mconn_stats *ret);
/* sn_switch_peer_bytes - of messages from and to the peer on one channel. */
void sn_switch_peer_bytes(const struct sn_switch_peer *p, uint8_t channel, uint64_t *ret_in,
                          uint64_t *ret_out);
/* sn_switch_peer_number - 1 .. SN_SWITCH_PEERS_MAX, its own while it is connected. */
uint16_t sn_switch_peer_number(const struct sn_switch_peer *p);
/* A reactor's own pointer for the peer, by the slot that sn_switch_add_reactor gave. */
void *sn_switch_peer_get(const struct sn_switch_peer *p, int slot);
void sn_switch_peer_set(struct sn_switch_peer *p, int slot, void *value);
/* sn_switch_peer_go - a fiber of the peer's scope; a result < 0 other than SN_E_CANCELLED ends the
 * connection. */
int sn_switch_peer_go(struct sn_switch_peer *p, const char *name, int (*fn)(void *arg),
                      void *arg) SN_MUST_CHECK;
/* As sn_peer_send, _send_soon, _try_send; SN_E_NOT_FOUND (no diagnostic) also where the peer does not
 * have the channel. */
int sn_switch_peer_send(struct sn_switch_peer *p, uint8_t channel, const void *data,
                        size_t n) SN_MUST_CHECK;
int sn_switch_peer_send_soon(struct sn_switch_peer *p, uint8_t channel, const void *data,
                             size_t n) SN_MUST_CHECK;
int sn_switch_peer_try_send(struct sn_switch_peer *p, uint8_t channel, const void *data,
                            size_t n) SN_MUST_CHECK;
/* sn_switch_peer_stop - ends it with that error, in the log; ban_ns > 0: and does not want it back
 * for so long, unless it is persistent or unconditional. Does not wait. */
void sn_switch_peer_stop(struct sn_switch_peer *p, int why, int64_t ban_ns);
/* sn_switch_peer_finish - ends it in peace, after everything queued is written. Does not wait. */
void sn_switch_peer_finish(struct sn_switch_peer *p);
