/* SPDX-License-Identifier: Apache-2.0 */
/* evm/tx_decode.c - reading transactions. */
#include "core/status.h"
#include "evm/rlp.h"
#include "evm/tx.h"

static int take_to(struct sn_str *in, struct sn_tx *tx)
{
    struct sn_str s;
    int r = sn_rlp_take_str(in, "to", &s);
    if (r < 0) return r;
    if (s.len != 0 && s.len != SN_ADDRESS_LEN)
        return sn_fail(SN_E_SYNTAX, "to: %zu bytes, expected 20 or none", s.len);
    tx->has_to = s.len != 0;
    if (s.len) memcpy(tx->to, s.ptr, SN_ADDRESS_LEN);
    return 0;
}
/* How many items a list has; each is checked where it is taken. */
static int count(struct sn_str list, const char *what, size_t max, size_t *ret)
{
    struct sn_rlp it;
    size_t n = 0;
    int r;
    while ((r = sn_rlp_next(&list, &it)) == 0)
        if (++n > max) return sn_fail(SN_E_TOO_LARGE, "%s: more than %zu", what, max);
    if (r != SN_E_EOF) return sn_wrap(r, "%s", what);
    *ret = n;
    return 0;
}
static int take_keys(struct sn_arena *a, struct sn_str *in, struct sn_tx_access *ret)
{
    struct sn_str list;
    int r = sn_rlp_take_list(in, "storage keys", &list);
    if (r == 0) r = count(list, "storage keys", SN_TX_ACCESS_MAX, &ret->n_keys);
    if (r < 0) return r;
    uint8_t *keys = sn_arena_alloc(a, 32 * ret->n_keys);
    if (!keys) return SN_E_NOMEM;
    for (size_t i = 0; i < ret->n_keys && r == 0; i++)
        r = sn_rlp_take_fixed(&list, "storage key", keys + 32 * i, 32);
    ret->keys = keys;
    return r;
}
static int take_access(struct sn_arena *a, struct sn_str *in, struct sn_tx *tx)
{
    struct sn_str list, entry;
    int r = sn_rlp_take_list(in, "access list", &list);
    if (r == 0) r = count(list, "access list", SN_TX_ACCESS_MAX, &tx->n_access);
    if (r < 0) return r;
    struct sn_tx_access *out = SN_ARENA_ARRAY(a, struct sn_tx_access, tx->n_access);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < tx->n_access && r == 0; i++) {
        r = sn_rlp_take_list(&list, "access list entry", &entry);
        if (r == 0) r = sn_rlp_take_fixed(&entry, "address", out[i].address, SN_ADDRESS_LEN);
        if (r == 0) r = take_keys(a, &entry, &out[i]);
        if (r == 0 && entry.len)
            r = sn_fail(SN_E_SYNTAX, "access list entry %zu: more than two fields", i);
    }
    tx->access = out;
    return r;
}
static int take_sig(struct sn_str *in, struct sn_tx_sig *ret)
{
    uint64_t parity = 0;
    int r = sn_rlp_take_u64(in, "y parity", &parity);
    if (r == 0 && parity > 1) r = sn_fail(SN_E_SYNTAX, "y parity: neither 0 nor 1");
    if (r == 0) r = sn_rlp_take_u256(in, "r", &ret->r);
    if (r == 0) r = sn_rlp_take_u256(in, "s", &ret->s);
    ret->parity = (uint8_t)parity;
    return r;
}
static int take_auths(struct sn_arena *a, struct sn_str *in, struct sn_tx *tx)
{
    struct sn_str list, entry;
    int r = sn_rlp_take_list(in, "authorisation list", &list);
    if (r == 0) r = count(list, "authorisation list", SN_TX_AUTHS_MAX, &tx->n_auths);
    if (r < 0) return r;
    struct sn_tx_auth *out = SN_ARENA_ARRAY(a, struct sn_tx_auth, tx->n_auths);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < tx->n_auths && r == 0; i++) {
        r = sn_rlp_take_list(&list, "authorisation", &entry);
        if (r == 0) r = sn_rlp_take_u256(&entry, "chain id", &out[i].chain_id);
        if (r == 0) r = sn_rlp_take_fixed(&entry, "address", out[i].address, SN_ADDRESS_LEN);
        if (r == 0) r = sn_rlp_take_u64(&entry, "nonce", &out[i].nonce);
        if (r == 0) r = take_sig(&entry, &out[i].sig);
        if (r == 0 && entry.len) r = sn_fail(SN_E_SYNTAX, "more than six fields");
        if (r < 0) r = sn_wrap(r, "authorisation %zu", i);
    }
    tx->auths = out;
    return r;
}
/* A list of strings of one length, put together. */
static int take_pieces(struct sn_arena *a, struct sn_str *in, const char *what, size_t each,
                       size_t max, struct sn_str *ret)
{
    struct sn_str list;
    size_t n = 0;
    int r = sn_rlp_take_list(in, what, &list);
    if (r == 0) r = count(list, what, max, &n);
    if (r < 0) return r;
    char *out = sn_arena_alloc(a, n * each);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < n && r == 0; i++)
        r = sn_rlp_take_fixed(&list, what, out + i * each, each);
    *ret = sn_str_of(out, n * each);
    return r;
}

/* v is 27 or 28, or 35 + 2 * chain + parity (EIP-155). */
static int take_legacy_sig(struct sn_str *in, struct sn_tx *tx)
{
    struct sn_u256 v;
    int r = sn_rlp_take_u256(in, "v", &v);
    if (r == 0) r = sn_rlp_take_u256(in, "r", &tx->sig.r);
    if (r == 0) r = sn_rlp_take_u256(in, "s", &tx->sig.s);
    if (r < 0) return r;
    if (sn_u256_bits(v) > 64) return sn_fail(SN_E_OUT_OF_RANGE, "v: more than 64 bits");
    uint64_t n = v.w[0];
    if (sn_u256_is_zero(tx->sig.r) && sn_u256_is_zero(tx->sig.s)) {
        tx->has_chain = true;
        tx->chain_id = n;
        return 0;
    }
    tx->is_signed = true;
    if (n == 27 || n == 28) {
        tx->sig.parity = (uint8_t)(n - 27);
        return 0;
    }
    if (n < 35) return sn_fail(SN_E_SYNTAX, "v: %u is none", (unsigned)n);
    tx->has_chain = true;
    tx->chain_id = (n - 35) / 2;
    tx->sig.parity = (uint8_t)((n - 35) % 2);
    return 0;
}
static int take_legacy(struct sn_str in, struct sn_tx *tx)
{
    int r = sn_rlp_take_u64(&in, "nonce", &tx->nonce);
    if (r == 0) r = sn_rlp_take_u256(&in, "gas price", &tx->gas_price);
    if (r == 0) r = sn_rlp_take_u64(&in, "gas limit", &tx->gas_limit);
    if (r == 0) r = take_to(&in, tx);
    if (r == 0) r = sn_rlp_take_u256(&in, "value", &tx->value);
    if (r == 0) r = sn_rlp_take_str(&in, "data", &tx->data);
    if (r == 0 && in.len) r = take_legacy_sig(&in, tx);
    if (r == 0 && in.len) r = sn_fail(SN_E_SYNTAX, "more fields than a transaction of type 0 has");
    return r;
}
static int take_typed(struct sn_arena *a, struct sn_str in, struct sn_tx *tx)
{
    struct sn_str hashes;
    int r = sn_rlp_take_u64(&in, "chain id", &tx->chain_id);
    tx->has_chain = true;
    if (r == 0) r = sn_rlp_take_u64(&in, "nonce", &tx->nonce);
    if (tx->type == SN_TX_ACCESS_LIST) {
        if (r == 0) r = sn_rlp_take_u256(&in, "gas price", &tx->gas_price);
    } else {
        if (r == 0) r = sn_rlp_take_u256(&in, "priority fee", &tx->priority_fee);
        if (r == 0) r = sn_rlp_take_u256(&in, "fee cap", &tx->max_fee);
    }
    if (r == 0) r = sn_rlp_take_u64(&in, "gas limit", &tx->gas_limit);
    if (r == 0) r = take_to(&in, tx);
    if (r == 0) r = sn_rlp_take_u256(&in, "value", &tx->value);
    if (r == 0) r = sn_rlp_take_str(&in, "data", &tx->data);
    if (r == 0) r = take_access(a, &in, tx);
    if (r == 0 && tx->type == SN_TX_BLOB) {
        r = sn_rlp_take_u256(&in, "blob fee cap", &tx->max_blob_fee);
        if (r == 0) r = take_pieces(a, &in, "blob hashes", 32, SN_TX_BLOBS_MAX, &hashes);
        if (r == 0) {
            tx->blob_hashes = (const uint8_t *)hashes.ptr;
            tx->n_blobs = hashes.len / 32;
        }
    }
    if (r == 0 && tx->type == SN_TX_SET_CODE) r = take_auths(a, &in, tx);
    if (r == 0 && in.len) {
        r = take_sig(&in, &tx->sig);
        tx->is_signed = r == 0;
    }
    if (r == 0 && in.len)
        r = sn_fail(SN_E_SYNTAX, "more fields than a transaction of type %u has", tx->type);
    if (r == 0 && tx->type >= SN_TX_BLOB && !tx->has_to)
        r = sn_fail(SN_E_SYNTAX, "to: a transaction of type %u cannot create a contract", tx->type);
    return r;
}
/* Version 0: body, blobs, commitments, proofs; later ones have their number behind the body. */
static int take_sidecar(struct sn_arena *a, struct sn_str in, struct sn_tx *tx)
{
    uint64_t version = 0;
    size_t n = 0, proofs = 1;
    int r = count(in, "sidecar", 5, &n);
    if (r == 0 && n == 4) {
        r = sn_rlp_take_u64(&in, "sidecar version", &version);
        if (r == 0 && version != 1) r = sn_fail(SN_E_UNIMPLEMENTED, "sidecar version");
        proofs = SN_TX_CELL_PROOFS;
    }
    if (r == 0)
        r = take_pieces(a, &in, "blobs", SN_TX_BLOB_LEN, SN_TX_BLOBS_MAX, &tx->blobs);
    if (r == 0) r = take_pieces(a, &in, "commitments", 48, SN_TX_BLOBS_MAX, &tx->commitments);
    if (r == 0) r = take_pieces(a, &in, "proofs", 48, SN_TX_BLOBS_MAX * proofs, &tx->proofs);
    if (r == 0 && in.len) r = sn_fail(SN_E_SYNTAX, "bytes behind the sidecar");
    if (r == 0 && (tx->blobs.len / SN_TX_BLOB_LEN != tx->n_blobs ||
                   tx->commitments.len / 48 != tx->n_blobs ||
                   tx->proofs.len / 48 != tx->n_blobs * proofs))
        r = sn_fail(SN_E_SYNTAX, "blobs, commitments, proofs and hashes differ in number");
    tx->has_sidecar = r == 0;
    tx->sidecar_version = (uint8_t)version;
    return r;
}
int sn_tx_decode(struct sn_arena *a, struct sn_str bytes, struct sn_tx *ret)
{
    struct sn_tx tx = {0};
    struct sn_rlp outer, inner;
    if (bytes.len > SN_TX_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "a transaction beyond %u bytes", SN_TX_BYTES_MAX);
    if (bytes.len && (uint8_t)bytes.ptr[0] < 0xc0) {
        tx.type = (uint8_t)bytes.ptr[0];
        if (tx.type == 0 || tx.type > SN_TX_SET_CODE)
            return sn_fail(SN_E_UNIMPLEMENTED, "transaction type %u", tx.type);
        bytes = sn_str_from(bytes, 1);
    }
    int r = sn_rlp_one(bytes, &outer);
    if (r < 0) return r;
    if (!outer.list) return sn_fail(SN_E_SYNTAX, "a transaction is a list");
    struct sn_str items = outer.data;
    if (tx.type == SN_TX_LEGACY) {
        r = take_legacy(items, &tx);
    } else {
        struct sn_str body = items;
        r = sn_rlp_next(&items, &inner);
        if (r == SN_E_EOF) return sn_fail(SN_E_SYNTAX, "chain id: missing");
        if (r < 0) return r;
        bool wrapped = tx.type == SN_TX_BLOB && inner.list;
        r = take_typed(a, wrapped ? inner.data : body, &tx);
        if (r == 0 && wrapped) r = take_sidecar(a, items, &tx);
    }
    if (r == 0) *ret = tx;
    return r;
}
