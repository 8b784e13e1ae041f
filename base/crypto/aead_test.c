/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "core/status.h"
#include "crypto/aead.h"
#include "crypto/x25519.h"
#include "harness/test.h"

static void unhex(const char *hex, uint8_t *out) { T_OK(sn_hex_decode(sn_str(hex), out)); }

/* Sealed by another library (Go's x/crypto): key 80..9f, nonce 070000004041424344454647, no
 * associated data. */
SN_TEST(aead_known_answer)
{
    static const char text[] = "Any submarine would like to be under the sea";
    struct sn_aead seal, open;
    uint8_t key[32], nonce[12], out[64 + 16], back[64 + 16];
    char hex[160] = {0};
    size_t n = sizeof(text) - 1;
    for (unsigned i = 0; i < 32; i++) key[i] = (uint8_t)(0x80 + i);
    unhex("070000004041424344454647", nonce);
    T_OK(sn_aead_init(&seal, SN_AEAD_SEAL, key));
    T_OK(sn_aead_init(&open, SN_AEAD_OPEN, key));
    T_OK(sn_aead_seal(&seal, nonce, text, n, out));
    sn_hex_encode(out, n + 16, hex);
    T_CSTR(hex, "de15907d728822d77490e69553a17dc1b4acec1f656805bbfdfebfa737e723d020faae4a8cfa364e98"
                "a9d76ebbef0548b84ae9045e6842ba0437d6ef");
    for (unsigned i = 0; i < 3; i++) {
        T_OK(sn_aead_open(&open, nonce, out, n + 16, back));
        T_ASSERT(memcmp(back, text, n) == 0);
    }
    for (size_t i = 0; i < (n + 16) * 8; i += 5) {
        out[i / 8] ^= (uint8_t)(1u << i % 8);
        T_EQ(sn_aead_open(&open, nonce, out, n + 16, back), SN_E_DATA_LOSS);
        out[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    /* In place, and after failures. */
    T_OK(sn_aead_open(&open, nonce, out, n + 16, out));
    T_ASSERT(memcmp(out, text, n) == 0);
    T_OK(sn_aead_seal(&seal, nonce, out, n, out));
    T_OK(sn_aead_open(&open, nonce, out, n + 16, out));
    T_ASSERT(memcmp(out, text, n) == 0);
    sn_aead_done(&seal);
    sn_aead_done(&seal);
    sn_aead_done(&open);
}
/* SPEC: RFC 7748 section 6.1. */
SN_TEST(x25519_known_answer)
{
    uint8_t a[32], b[32], pub[32], k[32], want[32], zero[32] = {0};
    unhex("77076d0a7318a57d3c16c17251b26645df4c2f92ebc07800aed5ea1b6e6cf12a", a);
    unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b);
    sn_x25519_public(pub, b);
    unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", want);
    T_ASSERT(memcmp(pub, want, 32) == 0);
    T_OK(sn_x25519_shared(k, a, pub));
    uint8_t pub_a[32], k2[32];
    sn_x25519_public(pub_a, a);
    T_OK(sn_x25519_shared(k2, b, pub_a));
    T_ASSERT(memcmp(k, k2, 32) == 0);
    T_EQ(sn_x25519_shared(k, a, zero), SN_E_INVALID_ARGUMENT);
    zero[0] = 1;
    T_EQ(sn_x25519_shared(k, a, zero), SN_E_INVALID_ARGUMENT);
}
