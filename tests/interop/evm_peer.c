/* SPDX-License-Identifier: Apache-2.0 */
/* evm_peer - answers the interop script: one JSON object a line in, one out. {"op": "encode",
 * "types": "uint256,string", "values": [...]} and so on; what fails says why in "error". */
#include <stdio.h>
#include <stdlib.h>

#include "core/enc.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/codec.h"
#include "evm/eip712.h"
#include "evm/rlp.h"
#include "evm/tx.h"

struct call {
    struct sn_arena *a;
    const struct sn_json *in;
    struct sn_jsonw *w;
};
static int hex_of(struct call *c, const char *key, struct sn_str *ret)
{
    struct sn_str s = sn_json_str(sn_json_get(c->in, key));
    if (!sn_str_starts(s, SN_STR("0x"))) return sn_fail(SN_E_INVALID_ARGUMENT, "%s: no hex", key);
    char *out = sn_arena_alloc(c->a, s.len);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_hex_decode(sn_str_from(s, 2), out);
    *ret = sn_str_of(out, n < 0 ? 0 : (size_t)n);
    return n < 0 ? (int)n : 0;
}
static void put_hex(struct call *c, const char *key, const void *p, size_t n)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "0x");
    sn_buf_hex(&b, p, n);
    sn_jsonw_kstr(c->w, key, sn_buf_view(&b));
    sn_buf_done(&b);
}
static int types_of(struct call *c, const struct sn_abi_type **ret)
{
    struct sn_abi_params p;
    int r = sn_abi_params_parse(c->a, sn_json_str(sn_json_get(c->in, "types")), &p);
    return r < 0 ? r : sn_abi_params_type(c->a, p, ret);
}
static int op_encode(struct call *c)
{
    const struct sn_abi_type *t;
    struct sn_abi_value v;
    struct sn_buf b;
    bool packed = sn_json_bool_or(sn_json_get(c->in, "packed"), false);
    int r = types_of(c, &t);
    if (r == 0) r = sn_abi_from_json(c->a, t, sn_json_get(c->in, "values"), &v);
    sn_buf_init(&b, 0);
    if (r == 0) r = packed ? sn_abi_encode_packed(t, &v, &b) : sn_abi_encode(t, &v, &b);
    if (r == 0) put_hex(c, "data", b.ptr, b.len);
    sn_buf_done(&b);
    return r;
}
static int op_decode(struct call *c)
{
    const struct sn_abi_type *t;
    struct sn_abi_value v;
    struct sn_str data;
    struct sn_abi_decode_opts o = {.lenient = sn_json_bool_or(sn_json_get(c->in, "lenient"), false)};
    int r = types_of(c, &t);
    if (r == 0) r = hex_of(c, "data", &data);
    if (r == 0) r = sn_abi_decode(c->a, t, data, &o, &v);
    if (r < 0) return r;
    sn_jsonw_key(c->w, SN_STR("values"));
    sn_abi_to_json(c->w, t, &v);
    return 0;
}
static int op_abi(struct call *c)
{
    struct sn_abi_contracts found;
    int r = sn_abi_load(c->a, sn_json_str(sn_json_get(c->in, "abi")), SN_STR("x"), &found);
    if (r < 0) return r;
    const struct sn_abi *abi = &found.ptr[0].abi;
    sn_jsonw_key(c->w, SN_STR("items"));
    sn_jsonw_array(c->w);
    for (size_t i = 0; i < abi->n_items; i++) {
        sn_jsonw_object(c->w);
        sn_jsonw_kstr(c->w, "signature", abi->items[i].signature);
        put_hex(c, "selector", abi->items[i].selector, 4);
        put_hex(c, "topic", abi->items[i].topic, 32);
        sn_jsonw_object_end(c->w);
    }
    sn_jsonw_array_end(c->w);
    return 0;
}
static int op_log(struct call *c)
{
    struct sn_abi_contracts found;
    struct sn_str data, topics;
    const struct sn_abi_item *ev;
    const struct sn_abi_type *t;
    struct sn_abi_value v;
    int r = sn_abi_load(c->a, sn_json_str(sn_json_get(c->in, "abi")), SN_STR("x"), &found);
    if (r == 0) r = sn_abi_event(&found.ptr[0].abi, sn_json_str(sn_json_get(c->in, "event")), &ev);
    if (r == 0) r = hex_of(c, "data", &data);
    if (r == 0) r = hex_of(c, "topics", &topics);
    if (r == 0)
        r = sn_abi_decode_log(c->a, ev, (const uint8_t *)topics.ptr, topics.len / 32, data, NULL, &v);
    if (r == 0) r = sn_abi_params_type(c->a, ev->in, &t);
    if (r < 0) return r;
    sn_jsonw_key(c->w, SN_STR("values"));
    sn_jsonw_array(c->w);
    for (size_t i = 0; i < v.len; i++) sn_abi_to_json(c->w, t->components[i].type, &v.items[i]);
    sn_jsonw_array_end(c->w);
    return 0;
}
static int op_eip712(struct call *c)
{
    struct sn_eip712 got;
    int r = sn_eip712_hash(c->a, c->in, &got);
    if (r < 0) return r;
    put_hex(c, "digest", got.digest, 32);
    put_hex(c, "message", got.message, 32);
    return 0;
}
static int put_rlp(struct call *c, const struct sn_json *v, struct sn_buf *b, unsigned depth)
{
    struct sn_str s = sn_json_str(v);
    if (depth > 60) return SN_E_DEPTH;
    if (s.ptr) {
        char *raw = sn_arena_alloc(c->a, s.len);
        ssize_t n = sn_hex_decode(sn_str_from(s, 2), raw);
        if (n < 0) return (int)n;
        sn_rlp_put_str(b, sn_str_of(raw, (size_t)n));
        return 0;
    }
    size_t mark = sn_rlp_list_begin(b);
    int r = 0;
    for (SN_JSON_EACH(v, it))
        if (r == 0) r = put_rlp(c, it, b, depth + 1);
    sn_rlp_list_end(b, mark);
    return r;
}
static int get_rlp(struct call *c, const struct sn_rlp *it, unsigned depth)
{
    struct sn_rlp sub;
    struct sn_str in = it->data;
    int r = 0;
    if (depth > 60) return SN_E_DEPTH;
    if (!it->list) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_buf_cstr(&b, "0x");
        sn_buf_hex(&b, it->data.ptr, it->data.len);
        sn_jsonw_str(c->w, sn_buf_view(&b));
        sn_buf_done(&b);
        return 0;
    }
    sn_jsonw_array(c->w);
    while (r == 0 && (r = sn_rlp_next(&in, &sub)) == 0) r = get_rlp(c, &sub, depth + 1);
    sn_jsonw_array_end(c->w);
    return r == SN_E_EOF ? 0 : r;
}
static int op_rlp(struct call *c)
{
    struct sn_buf b;
    struct sn_str data;
    struct sn_rlp it;
    sn_buf_init(&b, 0);
    int r = put_rlp(c, sn_json_get(c->in, "decoded"), &b, 0);
    if (r == 0) put_hex(c, "encoded", b.ptr, b.len);
    sn_buf_done(&b);
    if (r == 0) r = hex_of(c, "encoded", &data);
    if (r == 0) r = sn_rlp_one(data, &it);
    if (r < 0) return r;
    sn_jsonw_key(c->w, SN_STR("decoded"));
    return get_rlp(c, &it, 0);
}
static int put_tx(struct call *c, const char *key, const struct sn_tx *tx)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = sn_tx_encode(tx, &b);
    if (r == 0) put_hex(c, key, b.ptr, b.len);
    sn_buf_done(&b);
    return r;
}
/* From JSON where there is "tx", else from the bytes in "unsigned"; signed with "key". */
static int op_tx(struct call *c)
{
    struct sn_tx tx, back;
    struct sn_str raw, key;
    uint8_t from[20];
    const struct sn_json *v = sn_json_get(c->in, "tx");
    int r = 0;
    if (!v) r = hex_of(c, "unsigned", &raw);
    if (r == 0) r = v ? sn_tx_from_json(c->a, v, &tx) : sn_tx_decode(c->a, raw, &tx);
    if (r == 0) r = put_tx(c, "unsigned", &tx);
    if (r == 0) r = hex_of(c, "key", &key);
    if (r == 0 && key.len != 32) r = sn_fail(SN_E_INVALID_ARGUMENT, "key");
    if (r == 0) r = sn_tx_sign(&tx, (const uint8_t *)key.ptr);
    if (r == 0) r = put_tx(c, "signed", &tx);
    if (r == 0) r = hex_of(c, "signed", &raw);
    if (r == 0) r = sn_tx_decode(c->a, raw, &back);
    if (r == 0) r = sn_tx_sender(&back, from);
    if (r == 0) put_hex(c, "from", from, 20);
    if (r == 0) r = put_tx(c, "again", &back);
    return r;
}
static int op_keccak(struct call *c)
{
    struct sn_str data;
    uint8_t hash[32];
    int r = hex_of(c, "data", &data);
    if (r < 0) return r;
    sn_keccak256(data.ptr, data.len, hash);
    put_hex(c, "hash", hash, 32);
    return 0;
}
static int op_address(struct call *c)
{
    struct sn_str s;
    uint8_t address[20];
    char text[SN_ADDRESS_TEXT_LEN];
    int r = hex_of(c, "address", &s);
    if (r == 0 && sn_json_get(c->in, "key")) {
        r = hex_of(c, "key", &s);
        if (r == 0) r = sn_address_of_key((const uint8_t *)s.ptr, address);
    } else if (r == 0) {
        memcpy(address, s.ptr, 20);
    }
    if (r < 0) return r;
    sn_address_format(address, text);
    sn_jsonw_kstr(c->w, "checksum", sn_str_of(text, sizeof(text)));
    return 0;
}
static const struct {
    const char *name;
    int (*run)(struct call *c);
} ops[] = {{"encode", op_encode}, {"decode", op_decode}, {"abi", op_abi}, {"log", op_log},
           {"eip712", op_eip712}, {"rlp", op_rlp},       {"tx", op_tx},   {"keccak", op_keccak},
           {"address", op_address}};

static int answer(struct call *c)
{
    struct sn_str op = sn_json_str(sn_json_get(c->in, "op"));
    for (size_t i = 0; i < SN_COUNT_OF(ops); i++)
        if (sn_str_eqc(op, ops[i].name)) return ops[i].run(c);
    return sn_fail(SN_E_INVALID_ARGUMENT, "no such op");
}
int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct sn_arena a;
        struct sn_buf out;
        struct sn_jsonw w;
        struct call c = {.a = &a, .w = &w};
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&out, 0);
        sn_jsonw_init(&w, &out, NULL);
        sn_jsonw_object(&w);
        int r = sn_json_parse(&a, sn_str_of(line, (size_t)n), NULL, &c.in);
        if (r == 0) r = answer(&c);
        if (r < 0) sn_jsonw_kstr(&w, "error", sn_str(sn_diag_str(r)));
        sn_jsonw_object_end(&w);
        sn_buf_byte(&out, '\n');
        fwrite(out.ptr, 1, out.len, stdout);
        sn_buf_done(&out);
        sn_arena_done(&a);
    }
    free(line);
    return 0;
}
