/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/chan.h - channels of fixed-size elements, and select.
 * Go's semantics: capacity 0 is a rendezvous; receive on a closed and drained channel gives
 * SN_E_EOF; send on a closed one gives SN_E_CLOSED (not a panic). Elements are copied directly
 * between the two fibers' frames when a peer waits. Any fiber on any worker may use any channel.
 * Values arrive in the order they were sent; waiting senders and receivers are served in the order
 * they came. A value is delivered exactly once or, where send fails, not at all.
 * "Any thread" below includes threads that are not workers; such a call must have returned before
 * the runtime ends, because it may wake a fiber of it. */
#pragma once
#include "fiber/wait.h"

struct sn_chan;

#define SN_CHAN_ELEM_MAX 4096u
#define SN_CHAN_CAP_MAX (1u << 24)
/* sn_chan_new - elem in bytes (0 .. SN_CHAN_ELEM_MAX), cap in elements (<= SN_CHAN_CAP_MAX).
 * Returns NULL without memory and beyond those limits (the diagnostic tells).
 * Owns: free with sn_chan_free when no fiber uses it. Any thread. */
struct sn_chan *sn_chan_new(size_t elem, size_t cap);
/* sn_chan_free - accepts NULL. Nobody may wait on it; values still buffered are dropped. */
void sn_chan_free(struct sn_chan *c);
/* sn_chan_send - copies *elem in. Returns 0, SN_E_CLOSED, SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED: the value was not delivered. Suspends. */
int sn_chan_send(struct sn_chan *c, const void *elem) SN_MUST_CHECK;
/* sn_chan_recv - copies the next value to ret_elem (NULL drops it). Returns 0, SN_E_EOF when closed
 * and empty, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. Suspends. */
int sn_chan_recv(struct sn_chan *c, void *ret_elem) SN_MUST_CHECK;
/* sn_chan_try_send, sn_chan_try_recv - SN_E_AGAIN where the blocking form would suspend, otherwise
 * as those; no cancellation point. Any thread. */
int sn_chan_try_send(struct sn_chan *c, const void *elem) SN_MUST_CHECK;
int sn_chan_try_recv(struct sn_chan *c, void *ret_elem) SN_MUST_CHECK;
/* sn_chan_close - waiting receivers get SN_E_EOF after the buffer drains, senders SN_E_CLOSED.
 * Closing twice is harmless. Any thread. */
void sn_chan_close(struct sn_chan *c);
/* sn_chan_len - values buffered at some moment during the call. Any thread. */
size_t sn_chan_len(const struct sn_chan *c);
size_t sn_chan_cap(const struct sn_chan *c);

#define SN_SELECT_MAX 64
enum sn_select_op { SN_SELECT_RECV, SN_SELECT_SEND };
struct sn_select_case {
    struct sn_chan *chan; /* NULL: never ready, as Go's nil channel */
    enum sn_select_op op;
    void *elem; /* where to receive to (NULL drops it) / send from */
    int status; /* out, for the chosen case: 0, SN_E_EOF, SN_E_CLOSED */
};
/* sn_select - waits until one case can proceed and performs it; among ready ones the choice is
 * uniform. One channel may stand in several cases.
 * Returns the index of the case performed, SN_E_AGAIN if none is ready and at_ns is 0,
 * SN_E_DEADLINE_EXCEEDED at at_ns (or the fiber's deadline), SN_E_CANCELLED,
 * SN_E_INVALID_ARGUMENT for more than SN_SELECT_MAX cases. Suspends. */
int sn_select(struct sn_select_case *cases, unsigned n, int64_t at_ns) SN_MUST_CHECK;
