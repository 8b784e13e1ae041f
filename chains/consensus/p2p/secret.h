/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/secret.h - CometBFT's SecretConnection: a stream both ends of which know each
 * other's Ed25519 key. Sans-I/O: bytes in, bytes out.
 *
 * Both send a fresh X25519 key. From the shared secret HKDF gives a key for each direction and a
 * merlin transcript a challenge; both sign the challenge and send key and signature through the
 * encrypted stream. From then on data travels in frames of exactly SN_SECRET_SEALED bytes: length,
 * data, zeros, sealed by ChaCha20-Poly1305 with a counter as nonce.
 *
 * After the handshake the two halves are independent: one fiber may feed while another seals.
 * Nothing suspends. Source: CometBFT's specification (spec/p2p), its behaviour at v0.38.25. */
#pragma once
#include "core/buf.h"
#include "crypto/aead.h"
#include "crypto/ed25519.h"
#include "crypto/x25519.h"

#define SN_SECRET_DATA_MAX 1024u /* data in a frame */
#define SN_SECRET_FRAME 1028u    /* with its length */
#define SN_SECRET_SEALED 1044u   /* and its tag */
#define SN_SECRET_AUTH_MAX 256u  /* bytes of the peer's key and signature; they need 106 */

enum sn_secret_state { SN_SECRET_EPHEMERAL, SN_SECRET_AUTH, SN_SECRET_OPEN, SN_SECRET_BROKEN };
struct sn_secret {
    enum sn_secret_state state;
    uint8_t peer[SN_ED25519_PUBLIC_LEN]; /* whose key it is, once OPEN */
    /* The rest is secret.c's. */
    const uint8_t *key;
    uint8_t ephemeral[SN_X25519_LEN], ephemeral_public[SN_X25519_LEN], challenge[32];
    struct sn_aead seal, open;
    uint64_t sealed, opened; /* frames: the nonces */
    uint32_t in_len, auth_len;
    uint8_t in[SN_SECRET_SEALED], auth[SN_SECRET_AUTH_MAX];
};

/* sn_secret_init - begins a handshake and appends its first message to out. key: borrowed until
 * OPEN. ephemeral: 32 fresh random bytes, copied, wiped when used. Returns 0 or out's error. Owns:
 * sn_secret_done. */
int sn_secret_init(struct sn_secret *c, const uint8_t key[SN_ED25519_SECRET_LEN],
                   const uint8_t ephemeral[SN_X25519_LEN], struct sn_buf *out) SN_MUST_CHECK;
/* sn_secret_done - wipes and frees; idempotent. */
void sn_secret_done(struct sn_secret *c);
/* sn_secret_feed - takes all n bytes from the peer: appends answers of the handshake to out and
 * data to plain. Once OPEN out is not touched. Returns 0; SN_E_PROTOCOL (not the protocol, a key of
 * small order, another kind of key, a frame longer than its room), SN_E_DATA_LOSS (a frame is not
 * what the peer sealed), SN_E_UNAUTHENTICATED (the signature is not the key's), SN_E_CLOSED after
 * an earlier failure, SN_E_NOMEM, SN_E_TOO_LARGE (plain's limit). */
int sn_secret_feed(struct sn_secret *c, const void *data, size_t n, struct sn_buf *out,
                   struct sn_buf *plain) SN_MUST_CHECK;
/* sn_secret_seal - appends n bytes as frames. Returns 0, SN_E_FAILED_PRECONDITION before the
 * handshake has gone so far, SN_E_RESOURCE_EXHAUSTED after 2^64-1 frames, SN_E_NOMEM,
 * SN_E_TOO_LARGE. */
int sn_secret_seal(struct sn_secret *c, const void *data, size_t n,
                   struct sn_buf *out) SN_MUST_CHECK;

/* sn_secret_derive - the two directions' keys (for the side whose ephemeral key is the lower one:
 * receive, send) from the shared secret, 32 bytes each; the last 32 serve nothing. Returns as
 * sn_hkdf_once. */
int sn_secret_derive(const uint8_t shared[SN_X25519_LEN], uint8_t ret[96]) SN_MUST_CHECK;
