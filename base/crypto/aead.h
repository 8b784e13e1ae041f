/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/aead.h - ChaCha20-Poly1305 over libcrypto, one key and direction per object so that the
 * cipher is set up once. Not for two threads at a time; nothing suspends. Source: RFC 8439. */
#pragma once
#include "core/base.h"

#define SN_AEAD_KEY_LEN 32
#define SN_AEAD_NONCE_LEN 12
#define SN_AEAD_TAG_LEN 16

struct sn_aead {
    void *ctx;
};
enum sn_aead_way { SN_AEAD_SEAL, SN_AEAD_OPEN };
/* sn_aead_init - copies the key. Returns 0, SN_E_NOMEM, SN_E_INTERNAL. Owns: sn_aead_done. */
int sn_aead_init(struct sn_aead *a, enum sn_aead_way way,
                 const uint8_t key[SN_AEAD_KEY_LEN]) SN_MUST_CHECK;
/* sn_aead_seal - n bytes to n + SN_AEAD_TAG_LEN; out may be in. A nonce serves once.
 * Returns 0, SN_E_INTERNAL. */
int sn_aead_seal(struct sn_aead *a, const uint8_t nonce[SN_AEAD_NONCE_LEN], const void *in,
                 size_t n, void *out) SN_MUST_CHECK;
/* sn_aead_open - n bytes (n >= SN_AEAD_TAG_LEN) to n - SN_AEAD_TAG_LEN; out may be in.
 * Returns 0; SN_E_DATA_LOSS (no diagnostic) where they are not what was sealed: out is to be thrown
 * away; SN_E_INTERNAL. */
int sn_aead_open(struct sn_aead *a, const uint8_t nonce[SN_AEAD_NONCE_LEN], const void *in,
                 size_t n, void *out) SN_MUST_CHECK;
/* sn_aead_done - wipes the key and frees; idempotent, also on a zeroed object. */
void sn_aead_done(struct sn_aead *a);
