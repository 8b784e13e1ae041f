/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/signer_remote.h - the node's end of a remote signer: listens where
 * priv_validator_laddr says, and asks the signer that has connected.
 *
 * One signer at a time; another one waits in the listener's backlog until the first has gone. A
 * signer that comes back must have the key it had. What it signs is verified before it is used.
 * Source: CometBFT v0.38.25 privval/signer_listener_endpoint.go, retry_signer_client.go. */
#pragma once
#include "consensus/node/signer.h"

struct sn_cons_verifier;
struct sn_signer_remote;
struct sn_signer_remote_opts {
    const char *laddr;     /* "tcp://HOST:PORT" or "unix://PATH" */
    struct sn_str chain_id; /* borrowed until the end */
    const uint8_t *node_key; /* SN_ED25519_SECRET_LEN bytes: what a signer sees of us over tcp;
                                borrowed until the end */
    const struct sn_cons_verifier *verifier;
    int64_t timeout_accept_ns; /* one attempt waits so long for a connection; 0: 3 s */
    int64_t timeout_rw_ns;     /* and so long for an answer; 0: 5 s. Pings: after two thirds of it */
    unsigned retries;          /* attempts at a signature; 0: 50 */
    int64_t retry_pause_ns;    /* between them; 0: 100 ms */
};
/* sn_signer_remote_new - listens. Returns 0, as sn_signer_addr and sn_listen, SN_E_NOMEM. */
int sn_signer_remote_new(const struct sn_signer_remote_opts *o,
                         struct sn_signer_remote **ret) SN_MUST_CHECK;
/* sn_signer_remote_free - after sn_signer_remote_run has returned; accepts NULL. */
void sn_signer_remote_free(struct sn_signer_remote *r);
/* sn_signer_remote_run - accepts signers and keeps the connection alive until it is cancelled: one
 * fiber of the node's. Returns SN_E_CANCELLED, or why nobody can be accepted any more. Suspends. */
int sn_signer_remote_run(struct sn_signer_remote *r) SN_MUST_CHECK;
/* sn_signer_remote_wait - until a signer has told its key, at most timeout_ns (0: for ever); while
 * _run runs. Returns 0 with the signer (borrowed), SN_E_DEADLINE_EXCEEDED, SN_E_CANCELLED. Suspends.
 */
int sn_signer_remote_wait(struct sn_signer_remote *r, int64_t timeout_ns,
                          struct sn_signer **ret) SN_MUST_CHECK;
/* sn_signer_remote_addr - where it listens, as sn_listener_addr. */
int sn_signer_remote_addr(const struct sn_signer_remote *r, char *out, size_t cap) SN_MUST_CHECK;
