/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/status.h"

static int refuse(const char *what)
{
    ERR_clear_error();
    return sn_fail(SN_E_INTERNAL, "libcrypto does not %s with ChaCha20-Poly1305", what);
}
int sn_aead_init(struct sn_aead *a, enum sn_aead_way way, const uint8_t key[SN_AEAD_KEY_LEN])
{
    a->ctx = EVP_CIPHER_CTX_new();
    if (!a->ctx) return SN_E_NOMEM;
    if (EVP_CipherInit_ex(a->ctx, EVP_chacha20_poly1305(), NULL, key, NULL, way == SN_AEAD_SEAL) ==
        1)
        return 0;
    sn_aead_done(a);
    return refuse("start");
}
int sn_aead_seal(struct sn_aead *a, const uint8_t nonce[SN_AEAD_NONCE_LEN], const void *in,
                 size_t n, void *out)
{
    int len = 0;
    if (EVP_CipherInit_ex(a->ctx, NULL, NULL, NULL, nonce, -1) != 1 ||
        EVP_CipherUpdate(a->ctx, out, &len, in, (int)n) != 1 || (size_t)len != n ||
        EVP_CipherFinal_ex(a->ctx, (uint8_t *)out + n, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, SN_AEAD_TAG_LEN, (uint8_t *)out + n) !=
            1)
        return refuse("seal");
    return 0;
}
int sn_aead_open(struct sn_aead *a, const uint8_t nonce[SN_AEAD_NONCE_LEN], const void *in,
                 size_t n, void *out)
{
    uint8_t tag[SN_AEAD_TAG_LEN];
    int len = 0;
    SN_ASSERT(n >= SN_AEAD_TAG_LEN);
    n -= SN_AEAD_TAG_LEN;
    memcpy(tag, (const uint8_t *)in + n, sizeof(tag));
    if (EVP_CipherInit_ex(a->ctx, NULL, NULL, NULL, nonce, -1) != 1 ||
        EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, SN_AEAD_TAG_LEN, tag) != 1 ||
        EVP_CipherUpdate(a->ctx, out, &len, in, (int)n) != 1)
        return refuse("open");
    return EVP_CipherFinal_ex(a->ctx, (uint8_t *)out + n, &len) == 1 ? 0 : SN_E_DATA_LOSS;
}
void sn_aead_done(struct sn_aead *a)
{
    EVP_CIPHER_CTX_free(a->ctx);
    a->ctx = NULL;
}
