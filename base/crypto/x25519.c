/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x25519.h"

#include <sodium.h>

#include "core/status.h"

/* Chooses an implementation for this processor; where it fails, the one for every processor serves.
 */
static void prepare(void)
{
    int r = sodium_init();
    (void)r;
}
void sn_x25519_public(uint8_t ret[SN_X25519_LEN], const uint8_t secret[SN_X25519_LEN])
{
    prepare();
    (void)crypto_scalarmult_base(ret, secret);
}
int sn_x25519_shared(uint8_t ret[SN_X25519_LEN], const uint8_t secret[SN_X25519_LEN],
                     const uint8_t peer[SN_X25519_LEN])
{
    prepare();
    if (crypto_scalarmult(ret, secret, peer) != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "x25519: the peer's public key has small order");
    return 0;
}
