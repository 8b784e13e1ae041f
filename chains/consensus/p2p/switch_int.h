/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/switch_int.h - the switch's records, for switch.c, switch_conn.c and switch_peer.c.
 */
#pragma once
#include <stdatomic.h>

#include "consensus/p2p/switch.h"
#include "core/list.h"
#include "fiber/sync.h"

enum peer_state {
    PEER_OPENING,  /* handshake */
    PEER_SETTLING, /* open, but another connection to the same node may stay instead */
    PEER_JOINED,
    PEER_LEAVING, /* nobody finds it any more; the reactors are told */
};
struct sn_switch_peer {
    struct sn_switch *sw;
    struct sn_list link; /* of sw->conns */
    _Atomic uint32_t refs;
    enum peer_state state;
    bool outbound, persistent, unconditional;
    char id[SN_NODE_ID_LEN + 1]; /* an inbound one's is empty before it is open */
    char ip[SN_NODE_IP_TEXT_MAX];
    char remote[SN_ADDR_TEXT_MAX];
    struct sn_stream *stream; /* accepted, until it is the connection's */
    struct sn_peer *conn;
    struct sn_scope *scope; /* of the reactors' fibers, while they may start some */
    int64_t since;
    uint16_t number;
    int why; /* set by sn_switch_peer_stop */
    char why_text[200];
    _Atomic int64_t height;
    struct {
        _Atomic uint64_t in, out;
    } bytes[SN_NODE_CHANNELS_MAX]; /* by the place in sw->count_of */
    void *slots[SN_SWITCH_REACTORS_MAX];
};
/* An address to dial; its fiber has it. */
struct target {
    struct sn_switch *sw;
    struct sn_list link; /* of sw->targets */
    _Atomic uint32_t refs;
    bool persistent, started;
    char id[SN_NODE_ID_LEN + 1];
    char addr[SN_SWITCH_ADDR_MAX + 1];
    struct sn_event settled; /* joined, or failed: result */
    int result;
};
struct channel_count {
    _Atomic uint64_t messages_in, bytes_in, messages_out, bytes_out;
    _Atomic uint64_t kind_in[SN_SWITCH_KINDS], kind_out[SN_SWITCH_KINDS]; /* bytes */
};
/* The kind of a message: the number of its first field, as in the wrappers that CometBFT's channels
 * have; 0 where that is none of 1 to 15 with a message in it. */
static inline unsigned switch_kind(struct sn_str message)
{
    uint8_t tag = message.len ? (uint8_t)message.ptr[0] : 0;
    return (tag & 7) == 2 && tag < 0x80 ? tag >> 3 : 0;
}
struct sn_switch {
    struct sn_switch_opts o;
    char listen[SN_SWITCH_ADDR_MAX + 1]; /* "tcp:HOST:PORT" */
    char listen_addr[SN_ADDR_TEXT_MAX];
    _Atomic bool listening;
    const struct sn_reactor *reactors[SN_SWITCH_REACTORS_MAX];
    unsigned n_reactors;
    struct sn_mconn_channel channels[SN_NODE_CHANNELS_MAX];
    unsigned n_channels;
    uint8_t reactor_of[256]; /* channel -> its reactor's number, from 1 */
    struct channel_count count_of[SN_NODE_CHANNELS_MAX];
    uint8_t count_at[256]; /* channel -> its place in count_of */
    struct sn_mutex book_lock;
    struct sn_mutex lock;   /* of all below; of peers' state, scope, why */
    struct sn_cond news;    /* an address to dial */
    struct sn_cond changed; /* a connection or a dial has ended, or a peer joined */
    struct sn_scope *scope; /* while it runs */
    struct sn_list conns;   /* oldest first */
    struct sn_list targets;
    unsigned n_targets;
    uint64_t numbers[(SN_SWITCH_PEERS_MAX + 64) / 64]; /* taken ones; 0 always is */
    struct sn_switch_counts counts;                    /* what counts since the start */
};

/* What an address says: "ID@HOST:PORT", "tcp://" before it or not. Returns 0, SN_E_SYNTAX. */
int switch_addr(struct sn_str addr, char ret_id[SN_NODE_ID_LEN + 1],
                char ret_addr[SN_SWITCH_ADDR_MAX + 1]) SN_MUST_CHECK;
bool switch_is_unconditional(const struct sn_switch *sw, const char *id);
/* With the lock: the oldest connection of that id in a state from `least` on, or NULL. */
struct sn_switch_peer *switch_conn_of(struct sn_switch *sw, const char *id, enum peer_state least);
bool switch_is_persistent(struct sn_switch *sw, const char *id);
void switch_count(struct sn_switch *sw, struct sn_switch_counts *ret);
void target_unref(struct target *t);
int target_run(void *arg); /* the fiber of a target */
struct accepting {
    struct sn_switch *sw;
    struct sn_listener *l;
};
int switch_accept(void *arg); /* the fiber that accepts; arg: a struct accepting */
