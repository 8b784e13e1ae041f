/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/chan.h - channels of fixed-size elements, and select.
 * Go's semantics: capacity 0 is a rendezvous; receive on a closed and drained channel gives
 * SN_E_EOF; send on a closed one gives SN_E_CLOSED (not a panic). Elements are copied directly
 * between the two fibers' frames when a peer waits. Any fiber on any worker may use any channel. */
#pragma once
#include "fiber/wait.h"

struct sn_chan;

/* sn_chan_new - elem in bytes (<= SN_CHAN_ELEM_MAX), cap in elements (<= SN_CHAN_CAP_MAX).
 * Returns NULL without memory. Owns: free with sn_chan_free when no fiber uses it. */
#define SN_CHAN_ELEM_MAX 4096u
#define SN_CHAN_CAP_MAX (1u << 24)
struct sn_chan *sn_chan_new(size_t elem, size_t cap);
void sn_chan_free(struct sn_chan *c);
/* sn_chan_send - Returns 0, SN_E_CLOSED, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. Suspends. */
int sn_chan_send(struct sn_chan *c, const void *elem) SN_MUST_CHECK;
/* sn_chan_recv - Returns 0, SN_E_EOF when closed and empty, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. */
int sn_chan_recv(struct sn_chan *c, void *ret_elem) SN_MUST_CHECK;
/* Non-blocking forms: SN_E_AGAIN where the blocking form would suspend. Any thread. */
int sn_chan_try_send(struct sn_chan *c, const void *elem) SN_MUST_CHECK;
int sn_chan_try_recv(struct sn_chan *c, void *ret_elem) SN_MUST_CHECK;
/* sn_chan_close - waiting receivers get SN_E_EOF after the buffer drains, senders SN_E_CLOSED.
 * Closing twice is harmless. */
void sn_chan_close(struct sn_chan *c);
size_t sn_chan_len(struct sn_chan *c);

#define SN_SELECT_MAX 64
enum sn_select_op { SN_SELECT_RECV, SN_SELECT_SEND };
struct sn_select_case {
    struct sn_chan *chan; /* NULL: never ready, as Go's nil channel */
    enum sn_select_op op;
    void *elem; /* where to receive to / send from */
    int status; /* out, for the chosen case: 0, SN_E_EOF, SN_E_CLOSED */
};
/* sn_select - waits until one case can proceed and performs it; among ready ones the choice is
 * uniform. Returns the index of the case performed, SN_E_AGAIN if none is ready and at_ns is 0,
 * SN_E_DEADLINE_EXCEEDED at at_ns (or the fiber's deadline), SN_E_CANCELLED. Suspends. */
int sn_select(struct sn_select_case *cases, unsigned n, int64_t at_ns) SN_MUST_CHECK;
