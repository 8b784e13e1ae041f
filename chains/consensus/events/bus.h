/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/events/bus.h - who subscribes to what, and what waits for them.
 *
 * Publishing never waits: an event is put, by reference, into the queue of each subscription it
 * matches; one whose queue is full is ended there and then, and its client told why. Consensus is
 * not held up by a reader, and a reader never misses an event without a word. Subscriptions whose
 * query names an event's kind (tm.event = 'Tx') are found by that name, so a thousand of them cost
 * nothing to an event of another kind. */
#pragma once
#include "consensus/events/query.h"
#include "core/list.h"
#include "core/map.h"
#include "fiber/sync.h"

/* One event, built by the publisher in one block and not changed after: its attributes, and the
 * bytes subscribers are sent. */
struct sn_chain_event {
    _Atomic uint32_t refs;
    struct sn_query_attr *attrs;
    size_t n;
    struct sn_str data;
};
/* sn_chain_event_new - a copy of everything. Returns NULL without memory. */
struct sn_chain_event *sn_chain_event_new(const struct sn_query_attr *attrs, size_t n,
                                          struct sn_str data);
struct sn_chain_event *sn_chain_event_ref(struct sn_chain_event *e);
/* sn_chain_event_unref - accepts NULL. Any thread. */
void sn_chain_event_unref(struct sn_chain_event *e);

struct sn_event_bus_opts {
    uint32_t clients_max;     /* 0: 100 */
    uint32_t each_max;        /* subscriptions of one client; 0: 5 */
    uint32_t queue_max;       /* events that wait in one; 0: 200 */
    uint64_t queue_bytes_max; /* bytes of their data, where more than one waits; 0: 64 MiB */
    uint64_t seed;            /* of the tables */
};
struct sn_event_bus;
/* sn_event_bus_new - Returns 0, SN_E_NOMEM. */
int sn_event_bus_new(const struct sn_event_bus_opts *o, struct sn_event_bus **ret) SN_MUST_CHECK;
/* sn_event_bus_free - every subscription has been ended. */
void sn_event_bus_free(struct sn_event_bus *b);

struct sn_subscription;
/* sn_event_bus_subscribe - `wake` is called when an event comes into an empty queue, and when the
 * subscription is ended: from any fiber, with a lock held: it may set an event, and nothing else.
 * Returns 0, SN_E_ALREADY_EXISTS where this client has this query, SN_E_RESOURCE_EXHAUSTED with the
 * limit that was reached, what sn_query_parse returns, SN_E_NOMEM. Owns: *ret belongs to the
 * caller, who ends it with sn_subscription_end. Context: fibers. */
int sn_event_bus_subscribe(struct sn_event_bus *b, struct sn_str client, struct sn_str query,
                           void (*wake)(void *arg), void *arg,
                           struct sn_subscription **ret) SN_MUST_CHECK;
/* sn_subscription_find - the client's subscription with this query, or NULL. Borrowed. */
struct sn_subscription *sn_subscription_find(struct sn_event_bus *b, struct sn_str client,
                                             struct sn_str query);
/* sn_subscription_take - the oldest event that waits, referenced, in *ret. Returns 1, 0 where none
 * waits, SN_E_RESOURCE_EXHAUSTED when all that waited has been taken and the queue had overflowed.
 */
int sn_subscription_take(struct sn_subscription *s, struct sn_chain_event **ret);
/* sn_subscription_query - its text, as sn_query_text has it. */
struct sn_str sn_subscription_query(const struct sn_subscription *s);
/* sn_subscription_end - unsubscribes and frees; accepts NULL. */
void sn_subscription_end(struct sn_subscription *s);

/* sn_event_bus_publish - to everybody it matches; the caller keeps its reference. Returns how many.
 */
size_t sn_event_bus_publish(struct sn_event_bus *b, struct sn_chain_event *e);

/* sn_event_bus_wants - whether an event of this kind alone (tm.event, no application's attributes
 * that name others) could be of interest to anybody now: whoever publishes need not build one that
 * is of none. */
bool sn_event_bus_wants(struct sn_event_bus *b, struct sn_str kind);

struct sn_event_bus_stats {
    uint64_t clients, subscriptions, published, delivered, overflowed;
};
void sn_event_bus_stats(struct sn_event_bus *b, struct sn_event_bus_stats *ret);
