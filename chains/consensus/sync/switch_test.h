/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/switch_test.h - a switch (p2p/switch.h) in memory, for one reactor: links between
 * nodes of one process, with a delay and a rate, that can be cut. What a reactor sees of it is what
 * it sees of the real one: fibers that end with the peer, messages in order, a result < 0 that ends
 * it. */
#pragma once
#include "consensus/p2p/switch.h"
#include "fiber/sync.h"

struct sn_scope;
/* net_switch - a node; its peers' fibers run in `scope`. */
struct sn_switch *net_switch(const char *name, struct sn_scope *scope);
/* net_link - b becomes a peer of a and the other way round. */
void net_link(struct sn_switch *a, struct sn_switch *b, int64_t delay_ns, int64_t bytes_per_s);
void net_cut(struct sn_switch *a, struct sn_switch *b);
/* net_id - of the node, as its peers see it. */
const char *net_id(const struct sn_switch *sw);
bool net_banned(const struct sn_switch *sw, const struct sn_switch *peer);
unsigned net_peers(const struct sn_switch *sw);
/* net_inject - a message to b as if a had sent it. */
void net_inject(struct sn_switch *a, struct sn_switch *b, uint8_t channel, struct sn_str msg);
/* net_sent - bytes that a has sent to b so far. */
uint64_t net_sent(const struct sn_switch *a, const struct sn_switch *b);
/* sn_switch_free - once all its peers have ended: after the scope has. */
