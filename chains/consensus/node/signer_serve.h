/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/signer_serve.h - the signer's end: dials a node and answers it with a local key
 * (privval.h), whose memory keeps it from signing twice. For CometBFT's nodes and ours.
 * Source: CometBFT v0.38.25 privval/signer_server.go, signer_requestHandler.go. */
#pragma once
#include "consensus/p2p/node_info.h"
#include "consensus/privval.h"

/* A node that asks nothing, not even whether we are there, for so long is gone: it pings within
 * five seconds. */
#define SN_SIGNER_IDLE_NS (15 * SN_SEC)
struct sn_signer_serve_opts {
    const char *addr; /* the node's priv_validator_laddr: "tcp://HOST:PORT", "unix://PATH" */
    struct sn_str chain_id; /* requests for other chains are refused */
    struct sn_privval *pv;
    const uint8_t *key;  /* SN_ED25519_SECRET_LEN bytes: what a node sees of us over tcp */
    const char *node_id; /* only this node is served, over tcp; NULL: any. CometBFT's listener has
                            a new key at each start: only of use with our nodes */
    int64_t pause_max_ns; /* between dials, doubling from 100 ms; 0: 2 s */
    void (*on_link)(void *arg, bool up, int error); /* may be NULL */
    void *arg;
};
/* sn_signer_serve - serves one node, dialling it again whenever it is gone, until cancelled. Returns
 * SN_E_CANCELLED, SN_E_SYNTAX (address), or SN_E_IO where what was signed cannot be stored: then
 * nothing more may be signed. Suspends. */
int sn_signer_serve(const struct sn_signer_serve_opts *o) SN_MUST_CHECK;
