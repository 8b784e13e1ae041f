/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/x25519.h - Diffie-Hellman on Curve25519 over libsodium: constant time. Any thread; nothing
 * suspends. Secrets are the caller's to wipe (sn_wipe). Source: RFC 7748. */
#pragma once
#include "core/base.h"

#define SN_X25519_LEN 32

/* sn_x25519_public - the public key of any 32 random bytes. */
void sn_x25519_public(uint8_t ret[SN_X25519_LEN], const uint8_t secret[SN_X25519_LEN]);
/* sn_x25519_shared - what both sides compute. Returns 0, SN_E_INVALID_ARGUMENT where the peer's key
 * has small order: the result would be zero whatever the secret. */
int sn_x25519_shared(uint8_t ret[SN_X25519_LEN], const uint8_t secret[SN_X25519_LEN],
                     const uint8_t peer[SN_X25519_LEN]) SN_MUST_CHECK;
