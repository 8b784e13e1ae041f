/* SPDX-License-Identifier: Apache-2.0 */
/* evm/tx.c - writing, hashing, signing. */
#include "core/status.h"
#include "crypto/hash.h"
#include "crypto/keccak.h"
#include "crypto/secp256k1.h"
#include "evm/rlp.h"
#include "evm/tx.h"

/* Which of a transaction's forms is written. */
enum form { FORM_DIGEST, FORM_HASH, FORM_NETWORK };

static int check(const struct sn_tx *tx)
{
    const char *bad = NULL;
    bool fees = tx->type >= SN_TX_DYNAMIC_FEE, blob = tx->type == SN_TX_BLOB;
    if (tx->type > SN_TX_SET_CODE) return sn_fail(SN_E_UNIMPLEMENTED, "transaction type %u", tx->type);
    if (fees && !sn_u256_is_zero(tx->gas_price)) bad = "gas price";
    else if (!fees && !(sn_u256_is_zero(tx->max_fee) && sn_u256_is_zero(tx->priority_fee)))
        bad = "fee cap";
    else if (tx->type == SN_TX_LEGACY && tx->n_access) bad = "access list";
    else if (!blob && (tx->n_blobs || tx->has_sidecar || !sn_u256_is_zero(tx->max_blob_fee)))
        bad = "blobs";
    else if (tx->type != SN_TX_SET_CODE && tx->n_auths) bad = "authorisation list";
    if (bad)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a transaction of type %u has no %s", tx->type, bad);
    if (tx->type >= SN_TX_BLOB && !tx->has_to)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a transaction of type %u cannot create a contract",
                       tx->type);
    if (tx->type == SN_TX_LEGACY && tx->has_chain && tx->chain_id > (UINT64_MAX - 36) / 2)
        return sn_fail(SN_E_INVALID_ARGUMENT, "chain id beyond what a legacy signature holds");
    if (!tx->has_sidecar) return 0;
    size_t proofs = tx->sidecar_version ? SN_TX_CELL_PROOFS : 1;
    if (tx->sidecar_version > 1 || tx->n_blobs > SN_TX_BLOBS_MAX ||
        tx->blobs.len != tx->n_blobs * SN_TX_BLOB_LEN || tx->commitments.len != tx->n_blobs * 48 ||
        tx->proofs.len != tx->n_blobs * proofs * 48)
        return sn_fail(SN_E_INVALID_ARGUMENT, "blobs, commitments and proofs do not match");
    return 0;
}
static void put_access(struct sn_buf *b, const struct sn_tx *tx)
{
    size_t list = sn_rlp_list_begin(b);
    for (size_t i = 0; i < tx->n_access; i++) {
        const struct sn_tx_access *x = &tx->access[i];
        size_t entry = sn_rlp_list_begin(b);
        sn_rlp_put_str(b, sn_str_of((const char *)x->address, SN_ADDRESS_LEN));
        size_t keys = sn_rlp_list_begin(b);
        for (size_t k = 0; k < x->n_keys; k++)
            sn_rlp_put_str(b, sn_str_of((const char *)x->keys + 32 * k, 32));
        sn_rlp_list_end(b, keys);
        sn_rlp_list_end(b, entry);
    }
    sn_rlp_list_end(b, list);
}
static void put_auths(struct sn_buf *b, const struct sn_tx *tx)
{
    size_t list = sn_rlp_list_begin(b);
    for (size_t i = 0; i < tx->n_auths; i++) {
        const struct sn_tx_auth *x = &tx->auths[i];
        size_t entry = sn_rlp_list_begin(b);
        sn_rlp_put_u256(b, x->chain_id);
        sn_rlp_put_str(b, sn_str_of((const char *)x->address, SN_ADDRESS_LEN));
        sn_rlp_put_u64(b, x->nonce);
        sn_rlp_put_u64(b, x->sig.parity);
        sn_rlp_put_u256(b, x->sig.r);
        sn_rlp_put_u256(b, x->sig.s);
        sn_rlp_list_end(b, entry);
    }
    sn_rlp_list_end(b, list);
}
static void put_pieces(struct sn_buf *b, struct sn_str s, size_t each)
{
    size_t list = sn_rlp_list_begin(b);
    for (size_t at = 0; at < s.len; at += each) sn_rlp_put_str(b, sn_str_sub(s, at, at + each));
    sn_rlp_list_end(b, list);
}
static void put_to(struct sn_buf *b, const struct sn_tx *tx)
{
    sn_rlp_put_str(b, sn_str_of((const char *)tx->to, tx->has_to ? SN_ADDRESS_LEN : 0));
}
static void put_legacy(struct sn_buf *b, const struct sn_tx *tx, enum form form)
{
    sn_rlp_put_u64(b, tx->nonce);
    sn_rlp_put_u256(b, tx->gas_price);
    sn_rlp_put_u64(b, tx->gas_limit);
    put_to(b, tx);
    sn_rlp_put_u256(b, tx->value);
    sn_rlp_put_str(b, tx->data);
    if (tx->is_signed && form != FORM_DIGEST) {
        sn_rlp_put_u64(b, tx->has_chain ? tx->chain_id * 2 + 35 + tx->sig.parity
                                        : 27u + tx->sig.parity);
        sn_rlp_put_u256(b, tx->sig.r);
        sn_rlp_put_u256(b, tx->sig.s);
    } else if (tx->has_chain) {
        sn_rlp_put_u64(b, tx->chain_id);
        sn_rlp_put_u64(b, 0);
        sn_rlp_put_u64(b, 0);
    }
}
static void put_typed(struct sn_buf *b, const struct sn_tx *tx, enum form form)
{
    sn_rlp_put_u64(b, tx->chain_id);
    sn_rlp_put_u64(b, tx->nonce);
    if (tx->type == SN_TX_ACCESS_LIST) {
        sn_rlp_put_u256(b, tx->gas_price);
    } else {
        sn_rlp_put_u256(b, tx->priority_fee);
        sn_rlp_put_u256(b, tx->max_fee);
    }
    sn_rlp_put_u64(b, tx->gas_limit);
    put_to(b, tx);
    sn_rlp_put_u256(b, tx->value);
    sn_rlp_put_str(b, tx->data);
    put_access(b, tx);
    if (tx->type == SN_TX_BLOB) {
        sn_rlp_put_u256(b, tx->max_blob_fee);
        put_pieces(b, sn_str_of((const char *)tx->blob_hashes, 32 * tx->n_blobs), 32);
    }
    if (tx->type == SN_TX_SET_CODE) put_auths(b, tx);
    if (!tx->is_signed || form == FORM_DIGEST) return;
    sn_rlp_put_u64(b, tx->sig.parity);
    sn_rlp_put_u256(b, tx->sig.r);
    sn_rlp_put_u256(b, tx->sig.s);
}
static int encode(const struct sn_tx *tx, enum form form, struct sn_buf *b)
{
    int r = check(tx);
    if (r < 0) return r;
    size_t before = b->len;
    bool wrapped = form == FORM_NETWORK && tx->has_sidecar;
    if (tx->type) sn_buf_byte(b, tx->type);
    size_t outer = wrapped ? sn_rlp_list_begin(b) : 0, list = sn_rlp_list_begin(b);
    if (tx->type) put_typed(b, tx, form);
    else put_legacy(b, tx, form);
    sn_rlp_list_end(b, list);
    if (wrapped) {
        if (tx->sidecar_version) sn_rlp_put_u64(b, tx->sidecar_version);
        put_pieces(b, tx->blobs, SN_TX_BLOB_LEN);
        put_pieces(b, tx->commitments, 48);
        put_pieces(b, tx->proofs, 48);
        sn_rlp_list_end(b, outer);
    }
    if (b->err < 0) b->len = before;
    return b->err;
}
int sn_tx_encode(const struct sn_tx *tx, struct sn_buf *out)
{
    return encode(tx, FORM_NETWORK, out);
}
static int hash_form(const struct sn_tx *tx, enum form form, uint8_t ret[32])
{
    struct sn_buf b;
    sn_buf_init(&b, SN_TX_BYTES_MAX);
    int r = encode(tx, form, &b);
    if (r == 0) sn_keccak256(b.ptr, b.len, ret);
    sn_buf_done(&b);
    return r;
}
int sn_tx_digest(const struct sn_tx *tx, uint8_t ret[32]) { return hash_form(tx, FORM_DIGEST, ret); }
int sn_tx_hash(const struct sn_tx *tx, uint8_t ret[32])
{
    if (!tx->is_signed) return sn_fail(SN_E_FAILED_PRECONDITION, "the transaction is not signed");
    return hash_form(tx, FORM_HASH, ret);
}

/* ---- signatures ---- */

static int sign(const uint8_t digest[32], const uint8_t key[32], struct sn_tx_sig *ret)
{
    uint8_t sig[SN_SECP256K1_SIG_LEN];
    unsigned recovery;
    int r = sn_secp256k1_sign(key, digest, sig, &recovery);
    if (r < 0) return r;
    /* 2 and 3 mean r at or above the order, which nobody will ever see. */
    if (recovery > 1) return sn_fail(SN_E_INTERNAL, "a signature that has no parity");
    *ret = (struct sn_tx_sig){sn_u256_load(sig), sn_u256_load(sig + 32), (uint8_t)recovery};
    return 0;
}
static int signer(const uint8_t digest[32], const struct sn_tx_sig *sig, bool low,
                  uint8_t ret[SN_ADDRESS_LEN])
{
    uint8_t raw[SN_SECP256K1_SIG_LEN], key[SN_SECP256K1_PUBLIC_LEN];
    sn_u256_store(sig->r, raw);
    sn_u256_store(sig->s, raw + 32);
    if (low && !sn_secp256k1_is_low(raw))
        return sn_fail(SN_E_INVALID_ARGUMENT, "s is in the upper half of the group (EIP-2)");
    int r = sig->parity > 1 ? sn_fail(SN_E_INVALID_ARGUMENT, "parity %u", sig->parity)
                            : sn_secp256k1_recover(raw, sig->parity, digest, key);
    if (r == 0) sn_address_of_public(key, ret);
    return r;
}
int sn_tx_sign(struct sn_tx *tx, const uint8_t key[32])
{
    uint8_t digest[32];
    struct sn_tx_sig sig = {0};
    int r = sn_tx_digest(tx, digest);
    if (r == 0) r = sign(digest, key, &sig);
    if (r < 0) return r;
    tx->sig = sig;
    tx->is_signed = true;
    return 0;
}
int sn_tx_sender(const struct sn_tx *tx, uint8_t ret[SN_ADDRESS_LEN])
{
    uint8_t digest[32];
    if (!tx->is_signed) return sn_fail(SN_E_FAILED_PRECONDITION, "the transaction is not signed");
    int r = sn_tx_digest(tx, digest);
    return r < 0 ? r : signer(digest, &tx->sig, true, ret);
}
static int auth_digest(const struct sn_tx_auth *x, uint8_t ret[32])
{
    struct sn_buf b;
    uint8_t mem[128];
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    sn_buf_byte(&b, 0x05);
    size_t list = sn_rlp_list_begin(&b);
    sn_rlp_put_u256(&b, x->chain_id);
    sn_rlp_put_str(&b, sn_str_of((const char *)x->address, SN_ADDRESS_LEN));
    sn_rlp_put_u64(&b, x->nonce);
    sn_rlp_list_end(&b, list);
    if (b.err == 0) sn_keccak256(b.ptr, b.len, ret);
    return b.err;
}
int sn_tx_auth_sign(struct sn_tx_auth *auth, const uint8_t key[32])
{
    uint8_t digest[32];
    struct sn_tx_sig sig = {0};
    int r = auth_digest(auth, digest);
    if (r == 0) r = sign(digest, key, &sig);
    if (r == 0) auth->sig = sig;
    return r;
}
int sn_tx_auth_signer(const struct sn_tx_auth *auth, uint8_t ret[SN_ADDRESS_LEN])
{
    uint8_t digest[32];
    int r = auth_digest(auth, digest);
    return r < 0 ? r : signer(digest, &auth->sig, true, ret);
}
int sn_digest_sign(const uint8_t digest[32], const uint8_t key[32], uint8_t ret[65])
{
    struct sn_tx_sig sig = {0};
    int r = sign(digest, key, &sig);
    if (r < 0) return r;
    sn_u256_store(sig.r, ret);
    sn_u256_store(sig.s, ret + 32);
    ret[64] = 27 + sig.parity;
    return 0;
}
int sn_digest_signer(const uint8_t digest[32], const uint8_t sig[65], uint8_t ret[SN_ADDRESS_LEN])
{
    unsigned v = sig[64] >= 27 ? sig[64] - 27u : sig[64];
    struct sn_tx_sig s = {sn_u256_load(sig), sn_u256_load(sig + 32), (uint8_t)v};
    return signer(digest, &s, false, ret);
}
void sn_message_digest(struct sn_str message, uint8_t ret[32])
{
    char text[64];
    struct sn_buf b;
    struct sn_keccak k;
    sn_buf_init_fixed(&b, text, sizeof(text));
    sn_buf_cstr(&b, "\x19" "Ethereum Signed Message:\n");
    sn_buf_u64(&b, message.len);
    sn_keccak_init(&k);
    sn_keccak_put(&k, b.ptr, b.len);
    sn_keccak_put(&k, message.ptr, message.len);
    sn_keccak_final(&k, ret);
}

/* ---- addresses ---- */

void sn_address_of_public(const uint8_t key[64], uint8_t ret[SN_ADDRESS_LEN])
{
    uint8_t hash[32];
    sn_keccak256(key, 64, hash);
    memcpy(ret, hash + 12, SN_ADDRESS_LEN);
}
int sn_address_of_key(const uint8_t key[32], uint8_t ret[SN_ADDRESS_LEN])
{
    uint8_t public[SN_SECP256K1_PUBLIC_LEN];
    int r = sn_secp256k1_public(key, public);
    if (r == 0) sn_address_of_public(public, ret);
    return r;
}
void sn_tx_created(const uint8_t sender[SN_ADDRESS_LEN], uint64_t nonce, uint8_t ret[SN_ADDRESS_LEN])
{
    uint8_t mem[64], hash[32];
    struct sn_buf b;
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    size_t list = sn_rlp_list_begin(&b);
    sn_rlp_put_str(&b, sn_str_of((const char *)sender, SN_ADDRESS_LEN));
    sn_rlp_put_u64(&b, nonce);
    sn_rlp_list_end(&b, list);
    sn_keccak256(b.ptr, b.len, hash);
    memcpy(ret, hash + 12, SN_ADDRESS_LEN);
}
void sn_tx_created2(const uint8_t sender[SN_ADDRESS_LEN], const uint8_t salt[32],
                    struct sn_str init_code, uint8_t ret[SN_ADDRESS_LEN])
{
    uint8_t mem[1 + SN_ADDRESS_LEN + 64], hash[32];
    mem[0] = 0xff;
    memcpy(mem + 1, sender, SN_ADDRESS_LEN);
    memcpy(mem + 1 + SN_ADDRESS_LEN, salt, 32);
    sn_keccak256(init_code.ptr, init_code.len, mem + 1 + SN_ADDRESS_LEN + 32);
    sn_keccak256(mem, sizeof(mem), hash);
    memcpy(ret, hash + 12, SN_ADDRESS_LEN);
}
