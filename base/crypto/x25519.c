/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x25519.h"

#include <sodium.h>

#include "core/status.h"

void sn_x25519_public(uint8_t ret[SN_X25519_LEN], const uint8_t secret[SN_X25519_LEN])
{
    (void)sodium_init(); /* chooses the implementation; without it the slow one serves */
    (void)crypto_scalarmult_base(ret, secret);
}
int sn_x25519_shared(uint8_t ret[SN_X25519_LEN], const uint8_t secret[SN_X25519_LEN],
                     const uint8_t peer[SN_X25519_LEN])
{
    (void)sodium_init();
    if (crypto_scalarmult(ret, secret, peer) != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "x25519: the peer's public key has small order");
    return 0;
}
