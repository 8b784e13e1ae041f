/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/signer_link.h - a connection between a node and a remote signer: messages over a
 * Unix socket as they are, over TCP in a SecretConnection. Source: CometBFT v0.38.25 privval/.
 * Context: fibers; one at a time. */
#pragma once
#include "consensus/p2p/secret.h"
#include "consensus/signer_msg.h"
#include "fiber/net.h"

struct sn_signer_link;
/* sn_signer_addr - "tcp://HOST:PORT" or "unix://PATH" (a bare one is tcp) as fiber/net.h has it.
 * Returns 0, SN_E_SYNTAX, SN_E_TOO_LARGE. */
int sn_signer_addr(const char *text, char *out, size_t cap) SN_MUST_CHECK;
static inline bool sn_signer_addr_is_tcp(const char *addr) { return strncmp(addr, "unix:", 5); }
/* sn_signer_link_new - takes the stream, also where it fails. key: for a SecretConnection, borrowed
 * for the call; NULL: plain. Returns 0, as sn_secret_feed, sn_read, sn_write; SN_E_EOF. Suspends
 * for the handshake. */
int sn_signer_link_new(struct sn_stream *s, const uint8_t *key,
                       struct sn_signer_link **ret) SN_MUST_CHECK;
/* sn_signer_link_free - closes; accepts NULL. */
void sn_signer_link_free(struct sn_signer_link *l);
/* sn_signer_link_peer - the other side's Ed25519 key; NULL where the link is plain. */
const uint8_t *sn_signer_link_peer(const struct sn_signer_link *l);
/* sn_signer_link_send - Returns 0, as sn_signer_msg_put, sn_secret_seal, sn_write. Suspends. */
int sn_signer_link_send(struct sn_signer_link *l, const struct sn_signer_msg *m) SN_MUST_CHECK;
/* sn_signer_link_recv - the next message; its strings are the arena's.
 * Returns 0, SN_E_EOF (the other side has closed), as sn_signer_msg_get, sn_secret_feed, sn_read.
 * After any failure the link is of no more use. Suspends. */
int sn_signer_link_recv(struct sn_signer_link *l, struct sn_arena *a,
                        struct sn_signer_msg *ret) SN_MUST_CHECK;
