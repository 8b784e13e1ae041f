/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/secret.h"

#include "core/arena.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "crypto/merlin.h"
#include "tendermint/crypto/keys.pb.h"
#include "tendermint/p2p/conn.pb.h"

/* The first message: a delimited wrapper of bytes, always of this form. */
#define HELLO_LEN (3 + SN_X25519_LEN)
static const uint8_t hello_head[3] = {2 + SN_X25519_LEN, 0x0a, SN_X25519_LEN};

int sn_secret_init(struct sn_secret *c, const uint8_t key[SN_ED25519_SECRET_LEN],
                   const uint8_t ephemeral[SN_X25519_LEN], struct sn_buf *out)
{
    memset(c, 0, sizeof(*c));
    c->key = key;
    memcpy(c->ephemeral, ephemeral, sizeof(c->ephemeral));
    sn_x25519_public(c->ephemeral_public, c->ephemeral);
    sn_buf_put(out, hello_head, sizeof(hello_head));
    return sn_buf_put(out, c->ephemeral_public, sizeof(c->ephemeral_public));
}
void sn_secret_done(struct sn_secret *c)
{
    sn_aead_done(&c->seal);
    sn_aead_done(&c->open);
    sn_wipe(c, sizeof(*c));
    c->state = SN_SECRET_BROKEN;
}
int sn_secret_derive(const uint8_t shared[SN_X25519_LEN], uint8_t ret[96])
{
    struct sn_str info = SN_STR("TENDERMINT_SECRET_CONNECTION_KEY_AND_CHALLENGE_GEN");
    struct sn_hkdf_in in = {.secret = shared,
                            .secret_len = SN_X25519_LEN,
                            .info = info.ptr,
                            .info_len = info.len};
    return sn_hkdf_once(SN_SHA256, &in, ret, 96);
}
static void challenge_of(struct sn_secret *c, const uint8_t *peer, const uint8_t *shared,
                         bool lower)
{
    struct sn_merlin m;
    sn_merlin_init(&m, SN_STR("TENDERMINT_SECRET_CONNECTION_TRANSCRIPT_HASH"));
    sn_merlin_append(&m, SN_STR("EPHEMERAL_LOWER_PUBLIC_KEY"), lower ? c->ephemeral_public : peer,
                     SN_X25519_LEN);
    sn_merlin_append(&m, SN_STR("EPHEMERAL_UPPER_PUBLIC_KEY"), lower ? peer : c->ephemeral_public,
                     SN_X25519_LEN);
    sn_merlin_append(&m, SN_STR("DH_SECRET"), shared, SN_X25519_LEN);
    sn_merlin_challenge(&m, SN_STR("SECRET_CONNECTION_MAC"), c->challenge, sizeof(c->challenge));
    sn_wipe(&m, sizeof(m));
}
/* Ciphers of both directions and the challenge, from the peer's ephemeral key. */
static int agree(struct sn_secret *c, const uint8_t peer[SN_X25519_LEN])
{
    uint8_t shared[SN_X25519_LEN], keys[96];
    if (sn_x25519_shared(shared, c->ephemeral, peer) < 0)
        return sn_fail(SN_E_PROTOCOL, "the peer's ephemeral key has small order");
    int order = memcmp(c->ephemeral_public, peer, SN_X25519_LEN);
    /* Our own key back: a mirror would authenticate us to ourselves. */
    int r = order == 0 ? sn_fail(SN_E_PROTOCOL, "the peer's ephemeral key is ours") : 0;
    bool lower = order < 0;
    if (r == 0) r = sn_secret_derive(shared, keys);
    if (r == 0) {
        challenge_of(c, peer, shared, lower);
        r = sn_aead_init(&c->open, SN_AEAD_OPEN, keys + (lower ? 0 : 32));
        if (r == 0) r = sn_aead_init(&c->seal, SN_AEAD_SEAL, keys + (lower ? 32 : 0));
    }
    sn_wipe(shared, sizeof(shared));
    sn_wipe(keys, sizeof(keys));
    sn_wipe(c->ephemeral, sizeof(c->ephemeral));
    return r;
}
static int send_auth(struct sn_secret *c, struct sn_buf *out)
{
    uint8_t sig[SN_ED25519_SIG_LEN], mem[SN_SECRET_AUTH_MAX];
    struct sn_buf b;
    struct tendermint_crypto_public_key key = {
        .sum_case = TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_ED25519,
        .ed25519 = {(const char *)c->key + SN_ED25519_SEED_LEN, SN_ED25519_PUBLIC_LEN}};
    struct tendermint_p2p_auth_sig_message msg = {.pub_key = &key,
                                                  .sig = {(const char *)sig, sizeof(sig)}};
    int r = sn_ed25519_sign(c->key, c->challenge, sizeof(c->challenge), sig);
    if (r < 0) return r;
    /* A length of two and four: below 128, so one byte. */
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    sn_buf_byte(&b, 0);
    ssize_t n = tendermint_p2p_auth_sig_message_encode(&msg, &b);
    if (n < 0) return (int)n;
    SN_ASSERT(n < 128);
    mem[0] = (uint8_t)n;
    return sn_secret_seal(c, mem, (size_t)n + 1, out);
}
static int feed_hello(struct sn_secret *c, struct sn_buf *out)
{
    if (memcmp(c->in, hello_head, sizeof(hello_head)) != 0)
        return sn_fail(
            SN_E_PROTOCOL,
            "secret connection: expected an ephemeral key (22 0a 20), the peer sent %02x %02x %02x",
            c->in[0], c->in[1], c->in[2]);
    int r = agree(c, c->in + sizeof(hello_head));
    if (r == 0) r = send_auth(c, out);
    if (r == 0) c->state = SN_SECRET_AUTH;
    c->in_len = 0;
    return r;
}
static int check_auth(struct sn_secret *c, struct sn_str msg)
{
    struct tendermint_p2p_auth_sig_message *m;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 16u << 10);
    int r = tendermint_p2p_auth_sig_message_parse(msg, SN_PB_DISCARD_UNKNOWN, &a, &m);
    if (r < 0 && r != SN_E_NOMEM)
        r = sn_fail(SN_E_PROTOCOL, "the peer's key and signature: not protobuf");
    if (r == 0 && (!m->pub_key || m->pub_key->sum_case != TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_ED25519))
        r = sn_fail(SN_E_PROTOCOL, "the peer's key: expected ed25519, got %s",
                    m->pub_key && m->pub_key->sum_case ? "secp256k1" : "none");
    if (r == 0 &&
        (m->pub_key->ed25519.len != SN_ED25519_PUBLIC_LEN || m->sig.len != SN_ED25519_SIG_LEN))
        r = sn_fail(SN_E_PROTOCOL,
                    "the peer's key and signature: expected 32 and 64 bytes, got %zu and %zu",
                    m->pub_key->ed25519.len, m->sig.len);
    if (r == 0) {
        memcpy(c->peer, m->pub_key->ed25519.ptr, sizeof(c->peer));
        r = sn_ed25519_verify(c->peer, c->challenge, sizeof(c->challenge),
                              (const uint8_t *)m->sig.ptr);
        if (r < 0) r = sn_wrap(r, "the peer's signature of the challenge");
    }
    sn_arena_done(&a);
    return r;
}
/* Collects the peer's key and signature; what follows them is data. */
static int feed_auth(struct sn_secret *c, const uint8_t *data, size_t n, struct sn_buf *plain)
{
    size_t take = SN_MIN(n, sizeof(c->auth) - c->auth_len);
    memcpy(c->auth + c->auth_len, data, take);
    c->auth_len += (uint32_t)take;
    if (c->auth_len == 0) return 0;
    /* Two bytes of length suffice for what is accepted. */
    size_t len = c->auth[0], head = 1;
    if (len >= 128) {
        if (c->auth_len < 2) return 0;
        len = (len & 127) | (size_t)c->auth[1] << 7;
        head = 2;
    }
    if (len > sizeof(c->auth) - head)
        return sn_fail(SN_E_PROTOCOL,
                       "the peer's key and signature have %zu bytes or more, limit %u", len,
                       SN_SECRET_AUTH_MAX);
    if (c->auth_len < head + len) return 0;
    int r = check_auth(c, sn_str_of((const char *)c->auth + head, len));
    if (r < 0) return r;
    c->state = SN_SECRET_OPEN;
    size_t used = take - (c->auth_len - head - len);
    return sn_buf_put(plain, data + used, n - used);
}
static void nonce_of(uint8_t nonce[SN_AEAD_NONCE_LEN], uint64_t count)
{
    memset(nonce, 0, 4);
    for (unsigned i = 0; i < 8; i++) nonce[4 + i] = (uint8_t)(count >> 8 * i);
}
static int feed_frame(struct sn_secret *c, const uint8_t *frame, struct sn_buf *plain)
{
    uint8_t nonce[SN_AEAD_NONCE_LEN], out[SN_SECRET_SEALED];
    nonce_of(nonce, c->opened);
    int r = sn_aead_open(&c->open, nonce, frame, SN_SECRET_SEALED, out);
    if (r == SN_E_DATA_LOSS)
        return sn_fail(r, "frame %llu: not what the peer sealed", (unsigned long long)c->opened);
    if (r < 0) return r;
    if (c->opened++ == UINT64_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "secret connection: no nonce is left");
    uint32_t len = out[0] | (uint32_t)out[1] << 8 | (uint32_t)out[2] << 16 | (uint32_t)out[3] << 24;
    if (len > SN_SECRET_DATA_MAX)
        return sn_fail(SN_E_PROTOCOL, "frame %llu says it has %u bytes of data, limit %u",
                       (unsigned long long)c->opened - 1, len, SN_SECRET_DATA_MAX);
    if (c->state == SN_SECRET_OPEN) return sn_buf_put(plain, out + 4, len);
    return feed_auth(c, out + 4, len, plain);
}
int sn_secret_feed(struct sn_secret *c, const void *data, size_t n, struct sn_buf *out,
                   struct sn_buf *plain)
{
    const uint8_t *p = data;
    int r = c->state == SN_SECRET_BROKEN ? SN_E_CLOSED : 0;
    while (r == 0 && n > 0) {
        size_t unit = c->state == SN_SECRET_EPHEMERAL ? HELLO_LEN : SN_SECRET_SEALED;
        if (c->state != SN_SECRET_EPHEMERAL && c->in_len == 0 && n >= unit) {
            r = feed_frame(c, p, plain);
            p += unit;
            n -= unit;
            continue;
        }
        size_t take = SN_MIN(n, unit - c->in_len);
        memcpy(c->in + c->in_len, p, take);
        c->in_len += (uint32_t)take;
        p += take;
        n -= take;
        if (c->in_len < unit) break;
        if (c->state == SN_SECRET_EPHEMERAL) {
            r = feed_hello(c, out);
        } else {
            r = feed_frame(c, c->in, plain);
            c->in_len = 0;
        }
    }
    if (r < 0) c->state = SN_SECRET_BROKEN;
    return r;
}
int sn_secret_seal(struct sn_secret *c, const void *data, size_t n, struct sn_buf *out)
{
    const uint8_t *p = data;
    if (!c->seal.ctx)
        return sn_fail(SN_E_FAILED_PRECONDITION, "secret connection: no keys are agreed on yet");
    while (n > 0) {
        uint8_t nonce[SN_AEAD_NONCE_LEN];
        size_t take = SN_MIN(n, SN_SECRET_DATA_MAX);
        if (c->sealed == UINT64_MAX)
            return sn_fail(SN_E_RESOURCE_EXHAUSTED, "secret connection: no nonce is left");
        int r = sn_buf_reserve(out, SN_SECRET_SEALED);
        if (r < 0) return r;
        uint8_t *frame = out->ptr + out->len;
        for (unsigned i = 0; i < 4; i++) frame[i] = (uint8_t)(take >> 8 * i);
        memcpy(frame + 4, p, take);
        memset(frame + 4 + take, 0, SN_SECRET_DATA_MAX - take);
        nonce_of(nonce, c->sealed);
        r = sn_aead_seal(&c->seal, nonce, frame, SN_SECRET_FRAME, frame);
        if (r < 0) return r;
        c->sealed++;
        out->len += SN_SECRET_SEALED;
        p += take;
        n -= take;
    }
    return 0;
}
