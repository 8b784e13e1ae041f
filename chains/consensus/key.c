/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/key.c - what the two kinds of keys have in common. */
#include "consensus/key.h"

#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "crypto/secp256k1.h"

static const struct {
    const char *name;
    uint8_t len;
} types[] = {[SN_CONS_ED25519] = {"ed25519", 32}, [SN_CONS_SECP256K1] = {"secp256k1", 33}};

const char *sn_cons_key_type_name(unsigned type)
{
    return type < SN_COUNT_OF(types) ? types[type].name : NULL;
}

int sn_cons_key_set(struct sn_cons_key *k, unsigned type, struct sn_str bytes)
{
    const char *name = sn_cons_key_type_name(type);
    if (!name) return sn_fail(SN_E_INVALID_ARGUMENT, "public key of no known type");
    if (bytes.len != types[type].len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s public key of %zu bytes, expected %u", name,
                       bytes.len, types[type].len);
    *k = (struct sn_cons_key){.type = (uint8_t)type, .len = types[type].len};
    memcpy(k->b, bytes.ptr, bytes.len);
    return 0;
}

int sn_cons_key_addr(const struct sn_cons_key *k, uint8_t ret[SN_CONS_ADDR_LEN])
{
    uint8_t h[32];
    if (!sn_cons_key_type_name(k->type)) return sn_fail(SN_E_INVALID_ARGUMENT, "no public key");
    if (k->type == SN_CONS_SECP256K1) return sn_secp256k1_address(k->b, ret);
    int r = sn_hash_once(SN_SHA256, k->b, k->len, h);
    if (r == 0) memcpy(ret, h, SN_CONS_ADDR_LEN);
    return r;
}

static int secp256k1_verify(struct sn_cons_check *c)
{
    uint8_t digest[32];
    if (c->sig->len != SN_SECP256K1_SIG_LEN) return 0;
    int r = sn_hash_once(SN_SHA256, c->msg.ptr, c->msg.len, digest);
    if (r < 0) return r;
    c->ok = sn_secp256k1_verify(c->key->b, digest, c->sig->b) == 0;
    return 0;
}

/* Ed25519 signatures that are checked together. */
#define BATCH 64

struct batch {
    size_t n;
    struct sn_cons_check *checks[BATCH];
    struct sn_ed25519_item items[BATCH];
};

static int batch_verify(struct batch *b)
{
    bool ok[BATCH];
    int r = b->n ? sn_ed25519_verify_batch(NULL, b->items, b->n, ok) : 0;
    if (r < 0 && r != SN_E_UNAUTHENTICATED) return r;
    for (size_t i = 0; i < b->n; i++) b->checks[i]->ok = ok[i];
    b->n = 0;
    return 0;
}

static int zip215_verify(const struct sn_cons_verifier *v, struct sn_cons_check *c, size_t n)
{
    struct batch b;
    int r = 0;
    b.n = 0;
    for (size_t i = 0; i < n && r >= 0; i++) {
        c[i].ok = false;
        if (c[i].key->type == SN_CONS_SECP256K1) {
            r = secp256k1_verify(&c[i]);
        } else if (c[i].sig->len == SN_ED25519_SIG_LEN) {
            b.checks[b.n] = &c[i];
            b.items[b.n++] = (struct sn_ed25519_item){.key = c[i].key->b,
                                                      .sig = c[i].sig->b,
                                                      .msg = c[i].msg.ptr,
                                                      .msg_len = c[i].msg.len};
            if (b.n == BATCH) r = batch_verify(&b);
        }
    }
    return r < 0 ? r : batch_verify(&b);
}
const struct sn_cons_verifier sn_cons_verifier_zip215 = {zip215_verify};

int sn_cons_verify(const struct sn_cons_verifier *v, const struct sn_cons_key *key,
                   struct sn_str msg, const struct sn_cons_sig *sig)
{
    struct sn_cons_check c = {.key = key, .msg = msg, .sig = sig};
    int r = v->verify(v, &c, 1);
    return r < 0 ? r : c.ok;
}
