/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/signer_msg.h - what a node and a remote signer say to each other: the signer dials, the
 * node asks, and every question has one answer. Each message has its length before it. Sans-I/O.
 * Source: api/tendermint/privval/types.proto, CometBFT v0.38.25 privval/. Nothing suspends. */
#pragma once
#include "consensus/types.h"

/* A vote's extension and what is around it; CometBFT's ends read at most 10 KiB. */
#define SN_SIGNER_MSG_MAX (SN_CONS_EXTENSION_MAX + 4096)
#define SN_SIGNER_ERROR_MAX 1024 /* bytes of a refusal's words that are kept */

enum sn_signer_msg_kind {
    SN_SIGNER_PUB_KEY_REQUEST = 1,
    SN_SIGNER_PUB_KEY_RESPONSE,
    SN_SIGNER_SIGN_VOTE_REQUEST,
    SN_SIGNER_SIGNED_VOTE_RESPONSE,
    SN_SIGNER_SIGN_PROPOSAL_REQUEST,
    SN_SIGNER_SIGNED_PROPOSAL_RESPONSE,
    SN_SIGNER_PING_REQUEST,
    SN_SIGNER_PING_RESPONSE,
};
struct sn_signer_msg {
    enum sn_signer_msg_kind kind;
    struct sn_str chain_id; /* requests, but for pings */
    struct sn_cons_key key;
    struct sn_cons_vote vote; /* uncounted; of a request it has no signature */
    struct sn_cons_proposal proposal;
    bool refused; /* a response without what was asked for */
    int32_t code;
    struct sn_str why;
};
/* sn_signer_msg_put - appends it. Returns 0, SN_E_NOMEM, the buffer's error. */
int sn_signer_msg_put(const struct sn_signer_msg *m, struct sn_buf *out) SN_MUST_CHECK;
/* sn_signer_msg_get - the message at the head of `in`; its strings are the arena's.
 * Returns the bytes it takes; 0 where more are needed; SN_E_SYNTAX, SN_E_INVALID_ARGUMENT (a field
 * out of its rules), SN_E_TOO_LARGE, SN_E_NOMEM. */
ssize_t sn_signer_msg_get(struct sn_str in, struct sn_arena *a,
                          struct sn_signer_msg *ret) SN_MUST_CHECK;
