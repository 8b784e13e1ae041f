/* SPDX-License-Identifier: Apache-2.0 */
/* evm/tx_json.c - transactions as JSON-RPC and wallets write them. */
#include "core/enc.h"
#include "core/status.h"
#include "evm/tx.h"

/* ---- writing ---- */

static void key_hex(struct sn_jsonw *w, const char *key, const void *p, size_t n)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "\"0x");
    sn_buf_hex(&b, p, n);
    sn_buf_byte(&b, '"');
    if (key) sn_jsonw_key(w, sn_str(key));
    if (b.err < 0 && w->out->err == 0) w->out->err = b.err;
    else sn_jsonw_raw(w, sn_buf_view(&b));
    sn_buf_done(&b);
}
static void key_quantity(struct sn_jsonw *w, const char *key, struct sn_u256 v)
{
    char text[72];
    struct sn_buf b;
    sn_buf_init_fixed(&b, text, sizeof(text));
    sn_buf_u256_hex(&b, v);
    sn_jsonw_kstr(w, key, sn_buf_view(&b));
}
static void key_u64(struct sn_jsonw *w, const char *key, uint64_t v)
{
    key_quantity(w, key, sn_u256(v));
}
static void key_address(struct sn_jsonw *w, const char *key, const uint8_t *address)
{
    char text[SN_ADDRESS_TEXT_LEN];
    sn_address_format(address, text);
    sn_jsonw_kstr(w, key, sn_str_of(text, sizeof(text)));
}
static void write_access(struct sn_jsonw *w, const struct sn_tx *tx)
{
    sn_jsonw_key(w, SN_STR("accessList"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < tx->n_access; i++) {
        sn_jsonw_object(w);
        key_address(w, "address", tx->access[i].address);
        sn_jsonw_key(w, SN_STR("storageKeys"));
        sn_jsonw_array(w);
        for (size_t k = 0; k < tx->access[i].n_keys; k++)
            key_hex(w, NULL, tx->access[i].keys + 32 * k, 32);
        sn_jsonw_array_end(w);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}
static void write_auths(struct sn_jsonw *w, const struct sn_tx *tx)
{
    uint8_t address[SN_ADDRESS_LEN];
    sn_jsonw_key(w, SN_STR("authorizationList"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < tx->n_auths; i++) {
        const struct sn_tx_auth *x = &tx->auths[i];
        sn_jsonw_object(w);
        key_quantity(w, "chainId", x->chain_id);
        key_address(w, "address", x->address);
        key_u64(w, "nonce", x->nonce);
        key_u64(w, "yParity", x->sig.parity);
        key_quantity(w, "r", x->sig.r);
        key_quantity(w, "s", x->sig.s);
        if (sn_tx_auth_signer(x, address) == 0) key_address(w, "authority", address);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}
static void write_signature(struct sn_jsonw *w, const struct sn_tx *tx)
{
    uint8_t hash[32], from[SN_ADDRESS_LEN];
    if (tx->type == SN_TX_LEGACY)
        key_u64(w, "v", tx->has_chain ? 35 + 2 * tx->chain_id + tx->sig.parity
                                      : 27u + tx->sig.parity);
    else key_u64(w, "yParity", tx->sig.parity);
    key_quantity(w, "r", tx->sig.r);
    key_quantity(w, "s", tx->sig.s);
    if (sn_tx_hash(tx, hash) == 0) key_hex(w, "hash", hash, sizeof(hash));
    if (sn_tx_sender(tx, from) == 0) key_address(w, "from", from);
}
void sn_tx_to_json(struct sn_jsonw *w, const struct sn_tx *tx)
{
    sn_jsonw_object(w);
    key_u64(w, "type", tx->type);
    if (tx->has_chain) key_u64(w, "chainId", tx->chain_id);
    key_u64(w, "nonce", tx->nonce);
    if (tx->type <= SN_TX_ACCESS_LIST) {
        key_quantity(w, "gasPrice", tx->gas_price);
    } else {
        key_quantity(w, "maxFeePerGas", tx->max_fee);
        key_quantity(w, "maxPriorityFeePerGas", tx->priority_fee);
    }
    key_u64(w, "gas", tx->gas_limit);
    if (tx->has_to) {
        key_address(w, "to", tx->to);
    } else {
        sn_jsonw_key(w, SN_STR("to"));
        sn_jsonw_null(w);
    }
    key_quantity(w, "value", tx->value);
    key_hex(w, "input", tx->data.ptr, tx->data.len);
    if (tx->type >= SN_TX_ACCESS_LIST) write_access(w, tx);
    if (tx->type == SN_TX_BLOB) {
        key_quantity(w, "maxFeePerBlobGas", tx->max_blob_fee);
        sn_jsonw_key(w, SN_STR("blobVersionedHashes"));
        sn_jsonw_array(w);
        for (size_t i = 0; i < tx->n_blobs; i++) key_hex(w, NULL, tx->blob_hashes + 32 * i, 32);
        sn_jsonw_array_end(w);
    }
    if (tx->type == SN_TX_SET_CODE) write_auths(w, tx);
    if (tx->is_signed) write_signature(w, tx);
    sn_jsonw_object_end(w);
}

/* ---- reading ---- */

static int bad(const char *name, const char *want)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected %s", name, want);
}
static bool given(const struct sn_json *v) { return v && v->kind != SN_JSON_NULL; }
static int get_u256(const struct sn_json *v, const char *name, struct sn_u256 *ret)
{
    uint64_t n;
    if (!given(v)) return 0;
    if (sn_json_to_u64(v, &n) == 0) {
        *ret = sn_u256(n);
        return 0;
    }
    struct sn_str s = v->kind == SN_JSON_BIGINT ? sn_str_of(v->str, v->len) : sn_json_str(v);
    int r = sn_amount_parse(s, ret);
    if (r == SN_E_OUT_OF_RANGE) return sn_fail(r, "%s: more than 256 bits", name);
    return r < 0 ? bad(name, "a quantity") : 0;
}
static int get_u64(const struct sn_json *v, const char *name, uint64_t *ret)
{
    struct sn_u256 x = sn_u256(*ret);
    int r = get_u256(v, name, &x);
    if (r < 0) return r;
    if (sn_u256_bits(x) > 64) return sn_fail(SN_E_OUT_OF_RANGE, "%s: more than 64 bits", name);
    *ret = x.w[0];
    return 0;
}
static int get_hex(struct sn_arena *a, const struct sn_json *v, const char *name,
                   struct sn_str *ret)
{
    struct sn_str s = sn_json_str(v);
    if (!given(v)) return 0;
    if (!sn_str_starts(s, SN_STR("0x"))) return bad(name, "0x and hex digits");
    s = sn_str_from(s, 2);
    char *out = sn_arena_alloc(a, s.len / 2 + 1);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_hex_decode(s, out);
    if (n < 0) return bad(name, "0x and an even number of hex digits");
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}
/* A list of hex strings of `each` bytes, put together. */
static int get_pieces(struct sn_arena *a, const struct sn_json *v, const char *name, size_t each,
                      struct sn_str *ret)
{
    if (!given(v)) return 0;
    if (v->kind != SN_JSON_ARRAY) return bad(name, "an array");
    char *out = SN_ARENA_ARRAY(a, char, v->len * each + 1);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < v->len; i++) {
        struct sn_str s = {0};
        int r = get_hex(a, &v->items[i], name, &s);
        if (r < 0) return r;
        if (s.len != each) return sn_fail(SN_E_INVALID_ARGUMENT, "%s[%zu]: expected %zu bytes",
                                          name, i, each);
        memcpy(out + i * each, s.ptr, each);
    }
    *ret = sn_str_of(out, v->len * each);
    return 0;
}
static int get_address(const struct sn_json *v, const char *name, uint8_t ret[SN_ADDRESS_LEN])
{
    int r = sn_address_parse(sn_json_str(v), ret);
    if (r == SN_E_DATA_LOSS) return bad(name, "the checksum's upper and lower case");
    return r < 0 ? bad(name, "0x and 40 hex digits") : 0;
}
static int get_access(struct sn_arena *a, const struct sn_json *v, struct sn_tx *tx)
{
    if (!given(v)) return 0;
    if (v->kind != SN_JSON_ARRAY) return bad("accessList", "an array");
    struct sn_tx_access *out = SN_ARENA_ARRAY(a, struct sn_tx_access, v->len);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < v->len; i++) {
        struct sn_str keys = {0};
        int r = get_address(sn_json_get(&v->items[i], "address"), "accessList: address",
                            out[i].address);
        if (r == 0)
            r = get_pieces(a, sn_json_get(&v->items[i], "storageKeys"), "accessList: storageKeys",
                           32, &keys);
        if (r < 0) return r;
        out[i].keys = (const uint8_t *)keys.ptr;
        out[i].n_keys = keys.len / 32;
    }
    tx->access = out;
    tx->n_access = v->len;
    return 0;
}
static int get_sig(const struct sn_json *v, struct sn_tx_sig *ret, uint64_t *ret_v)
{
    const struct sn_json *parity = sn_json_get(v, "yParity");
    uint64_t n = 0;
    int r = get_u256(sn_json_get(v, "r"), "r", &ret->r);
    if (r == 0) r = get_u256(sn_json_get(v, "s"), "s", &ret->s);
    if (r == 0) r = get_u64(given(parity) ? parity : sn_json_get(v, "v"), "v", &n);
    if (r < 0) return r;
    *ret_v = n;
    ret->parity = (uint8_t)(n >= 35 ? (n - 35) % 2 : n >= 27 ? n - 27 : n);
    return ret->parity > 1 ? bad("v", "0, 1, 27, 28 or 35 and above") : 0;
}
static int get_auths(struct sn_arena *a, const struct sn_json *v, struct sn_tx *tx)
{
    if (!given(v)) return 0;
    if (v->kind != SN_JSON_ARRAY) return bad("authorizationList", "an array");
    struct sn_tx_auth *out = SN_ARENA_ARRAY(a, struct sn_tx_auth, v->len);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < v->len; i++) {
        uint64_t ignored;
        const struct sn_json *x = &v->items[i];
        int r = get_u256(sn_json_get(x, "chainId"), "chainId", &out[i].chain_id);
        if (r == 0) r = get_address(sn_json_get(x, "address"), "address", out[i].address);
        if (r == 0) r = get_u64(sn_json_get(x, "nonce"), "nonce", &out[i].nonce);
        if (r == 0) r = get_sig(x, &out[i].sig, &ignored);
        if (r < 0) return sn_wrap(r, "authorizationList[%zu]", i);
    }
    tx->auths = out;
    tx->n_auths = v->len;
    return 0;
}
static int get_type(const struct sn_json *v, struct sn_tx *tx)
{
    const struct sn_json *type = sn_json_get(v, "type");
    uint64_t n = 0;
    if (given(type)) {
        int r = get_u64(type, "type", &n);
        if (r < 0) return r;
        if (n > SN_TX_SET_CODE) return bad("type", "0 to 4");
        tx->type = (uint8_t)n;
        return 0;
    }
    tx->type = given(sn_json_get(v, "authorizationList"))     ? SN_TX_SET_CODE
               : given(sn_json_get(v, "blobVersionedHashes")) ? SN_TX_BLOB
               : given(sn_json_get(v, "maxFeePerGas"))        ? SN_TX_DYNAMIC_FEE
               : given(sn_json_get(v, "accessList"))          ? SN_TX_ACCESS_LIST
                                                              : SN_TX_LEGACY;
    return 0;
}
static const struct sn_json *either(const struct sn_json *v, const char *a, const char *b)
{
    const struct sn_json *x = sn_json_get(v, a);
    return given(x) ? x : sn_json_get(v, b);
}
static int get_common(struct sn_arena *a, const struct sn_json *v, struct sn_tx *tx)
{
    const struct sn_json *to = sn_json_get(v, "to");
    int r = get_u64(sn_json_get(v, "nonce"), "nonce", &tx->nonce);
    tx->has_chain = given(sn_json_get(v, "chainId")) || tx->type != SN_TX_LEGACY;
    if (r == 0) r = get_u64(sn_json_get(v, "chainId"), "chainId", &tx->chain_id);
    if (r == 0) r = get_u64(either(v, "gas", "gasLimit"), "gas", &tx->gas_limit);
    if (r == 0 && tx->type <= SN_TX_ACCESS_LIST)
        r = get_u256(sn_json_get(v, "gasPrice"), "gasPrice", &tx->gas_price);
    if (r == 0 && tx->type >= SN_TX_DYNAMIC_FEE) {
        r = get_u256(sn_json_get(v, "maxFeePerGas"), "maxFeePerGas", &tx->max_fee);
        if (r == 0)
            r = get_u256(sn_json_get(v, "maxPriorityFeePerGas"), "maxPriorityFeePerGas",
                         &tx->priority_fee);
    }
    tx->has_to = given(to) && !sn_str_eqc(sn_json_str(to), "") && !sn_str_eqc(sn_json_str(to), "0x");
    if (r == 0 && tx->has_to) r = get_address(to, "to", tx->to);
    if (r == 0) r = get_u256(sn_json_get(v, "value"), "value", &tx->value);
    if (r == 0) r = get_hex(a, either(v, "input", "data"), "input", &tx->data);
    if (r == 0) r = get_access(a, sn_json_get(v, "accessList"), tx);
    return r;
}
int sn_tx_from_json(struct sn_arena *a, const struct sn_json *v, struct sn_tx *ret)
{
    struct sn_tx tx = {0};
    struct sn_str hashes = {0};
    uint64_t sig_v = 0;
    if (!sn_json_is(v, SN_JSON_OBJECT))
        return sn_fail(SN_E_INVALID_ARGUMENT, "a transaction is a JSON object");
    int r = get_type(v, &tx);
    if (r == 0) r = get_common(a, v, &tx);
    if (r == 0 && tx.type == SN_TX_BLOB) {
        r = get_u256(sn_json_get(v, "maxFeePerBlobGas"), "maxFeePerBlobGas", &tx.max_blob_fee);
        if (r == 0)
            r = get_pieces(a, sn_json_get(v, "blobVersionedHashes"), "blobVersionedHashes", 32,
                           &hashes);
        tx.blob_hashes = (const uint8_t *)hashes.ptr;
        tx.n_blobs = hashes.len / 32;
    }
    if (r == 0 && tx.type == SN_TX_SET_CODE)
        r = get_auths(a, sn_json_get(v, "authorizationList"), &tx);
    if (r == 0 && given(sn_json_get(v, "r"))) {
        r = get_sig(v, &tx.sig, &sig_v);
        tx.is_signed = true;
        if (tx.type == SN_TX_LEGACY && sig_v >= 35) {
            tx.has_chain = true;
            tx.chain_id = (sig_v - 35) / 2;
        } else if (tx.type == SN_TX_LEGACY) {
            tx.has_chain = false;
        }
    }
    if (r == 0) *ret = tx;
    return r;
}
