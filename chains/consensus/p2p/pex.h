/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/pex.h - peers tell each other addresses (channel 00): who may ask when, what is
 * believed. Sans-I/O, on top of the address book. Nothing suspends.
 * Source: CometBFT's specification (spec/p2p/pex), its behaviour at v0.38.25. */
#pragma once
#include "consensus/p2p/book.h"

#define SN_PEX_CHANNEL 0x00
#define SN_PEX_BYTES_MAX (256u * SN_BOOK_SELECT_MAX) /* of a message */
#define SN_PEX_PERIOD_NS (30 * SN_SEC) /* how often a node looks whether it needs peers */
/* A peer that asks sooner than this after its second request is asking too much: a third of the
 * period. The first two have no limit: a node asks when it connects, and soon again. */
#define SN_PEX_ASK_MIN_NS (SN_PEX_PERIOD_NS / 3)
#define SN_PEX_BAN_NS (24 * SN_HOUR) /* for those who break the rules */

/* What is remembered of one peer. Zeroed for a new one. */
struct sn_pex {
    bool asked;         /* we did, and have no answer yet */
    unsigned requests;  /* of the peer's; counts to two */
    int64_t request_at; /* of the latest that counts */
};
/* sn_pex_ask - appends a request, unless one is under way. Returns 1 where it did, 0, SN_E_NOMEM,
 * SN_E_TOO_LARGE. */
int sn_pex_ask(struct sn_pex *p, struct sn_buf *out) SN_MUST_CHECK;
/* sn_pex_receive - a message of a peer that says of itself `peer`: a request is answered in out,
 * addresses go into the book. Returns how many addresses were new; SN_E_PROTOCOL (not the format,
 * addresses that nobody asked for, too many), SN_E_RESOURCE_EXHAUSTED (asks too often): disconnect
 * it and ban it for SN_PEX_BAN_NS; SN_E_NOMEM. Addresses the book does not want are passed over. */
int sn_pex_receive(struct sn_pex *p, struct sn_book *book, int64_t now,
                   const struct sn_node_addr *peer, struct sn_str message,
                   struct sn_buf *out) SN_MUST_CHECK;
