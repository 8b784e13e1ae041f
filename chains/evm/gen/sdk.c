/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/sdk.c - structs by their layout to values of the codec and back. */
#include "evm/gen/sdk.h"

#include "core/enc.h"
#include "core/status.h"
#include "evm/codec.h"

/* ---- structs to values ---- */

static int to_value(struct sn_arena *a, const struct sn_sdk_layout *l, const void *obj,
                    struct sn_abi_value *ret);

static uint64_t load_uint(const void *obj, uint32_t size)
{
    switch (size) {
    case 1: return *(const uint8_t *)obj;
    case 2: return *(const uint16_t *)obj;
    case 4: return *(const uint32_t *)obj;
    default: return *(const uint64_t *)obj;
    }
}
static int64_t load_int(const void *obj, uint32_t size)
{
    switch (size) {
    case 1: return *(const int8_t *)obj;
    case 2: return *(const int16_t *)obj;
    case 4: return *(const int32_t *)obj;
    default: return *(const int64_t *)obj;
    }
}
static void put_word(const struct sn_sdk_layout *l, const void *obj, uint8_t word[32])
{
    if (l->rep == SN_SDK_ADDRESS) {
        memcpy(word + 12, obj, SN_ADDRESS_LEN);
    } else if (l->rep == SN_SDK_WORD) {
        memcpy(word, obj, l->count);
    } else if (l->rep == SN_SDK_BOOL) {
        word[31] = *(const bool *)obj;
    } else if (l->size == sizeof(struct sn_u256)) {
        sn_u256_store(*(const struct sn_u256 *)obj, word);
    } else {
        int64_t i = l->rep == SN_SDK_INT ? load_int(obj, l->size) : 0;
        uint64_t v = l->rep == SN_SDK_INT ? (uint64_t)i : load_uint(obj, l->size);
        memset(word, i < 0 ? 0xff : 0, 24);
        for (unsigned k = 0; k < 8; k++) word[24 + k] = (uint8_t)(v >> (56 - 8 * k));
    }
}
static int to_items(struct sn_arena *a, const struct sn_sdk_layout *elem, const void *first,
                    size_t n, struct sn_abi_value *ret)
{
    if (n > SN_ABI_DATA_MAX / SN_ABI_WORD) return SN_E_TOO_LARGE;
    struct sn_abi_value *items = SN_ARENA_ARRAY(a, struct sn_abi_value, n + 1);
    if (!items) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        int r = to_value(a, elem, (const char *)first + i * elem->size, &items[i]);
        if (r < 0) return r;
    }
    *ret = sn_abi_items(items, (uint32_t)n);
    return 0;
}
static int to_value(struct sn_arena *a, const struct sn_sdk_layout *l, const void *obj,
                    struct sn_abi_value *ret)
{
    if (l->rep == SN_SDK_TEXT) {
        const struct sn_str *s = obj;
        if (s->len > SN_ABI_DATA_MAX) return SN_E_TOO_LARGE;
        *ret = sn_abi_bytes(*s);
        return 0;
    }
    if (l->rep == SN_SDK_LIST) {
        const struct {
            const void *ptr;
            size_t len;
        } *list = obj;
        return to_items(a, l->elem, list->ptr, list->len, ret);
    }
    if (l->rep == SN_SDK_ARRAY) return to_items(a, l->elem, obj, l->count, ret);
    if (l->rep == SN_SDK_STRUCT) {
        struct sn_abi_value *items = SN_ARENA_ARRAY(a, struct sn_abi_value, l->count + 1);
        if (!items) return SN_E_NOMEM;
        for (uint32_t i = 0; i < l->count; i++) {
            const struct sn_sdk_field *f = &l->fields[i];
            int r = to_value(a, f->layout, (const char *)obj + f->offset, &items[i]);
            if (r < 0) return r;
        }
        *ret = sn_abi_items(items, l->count);
        return 0;
    }
    uint8_t *word = sn_arena_zalloc(a, SN_ABI_WORD);
    if (!word) return SN_E_NOMEM;
    put_word(l, obj, word);
    *ret = sn_abi_word(word);
    return 0;
}

/* ---- values to structs ---- */

static int from_value(struct sn_arena *a, const struct sn_sdk_layout *l,
                      const struct sn_abi_value *v, void *obj);

/* The codec has checked the word against the type, so what is cut off is sign or zero. */
static void get_word(const struct sn_sdk_layout *l, const uint8_t *word, void *obj)
{
    uint64_t low = 0;
    for (unsigned k = 24; k < 32; k++) low = low << 8 | word[k];
    switch (l->rep) {
    case SN_SDK_ADDRESS: memcpy(obj, word + 12, SN_ADDRESS_LEN); return;
    case SN_SDK_WORD:
        memset(obj, 0, 32);
        memcpy(obj, word, l->count);
        return;
    case SN_SDK_BOOL: *(bool *)obj = low != 0; return;
    default: break;
    }
    switch (l->size) {
    case 1: *(uint8_t *)obj = (uint8_t)low; break;
    case 2: *(uint16_t *)obj = (uint16_t)low; break;
    case 4: *(uint32_t *)obj = (uint32_t)low; break;
    case 8: *(uint64_t *)obj = low; break;
    default: *(struct sn_u256 *)obj = sn_u256_load(word); break;
    }
}
static int from_items(struct sn_arena *a, const struct sn_sdk_layout *elem,
                      const struct sn_abi_value *v, void *first)
{
    for (uint32_t i = 0; i < v->len; i++) {
        int r = from_value(a, elem, &v->items[i], (char *)first + (size_t)i * elem->size);
        if (r < 0) return r;
    }
    return 0;
}
static int from_value(struct sn_arena *a, const struct sn_sdk_layout *l,
                      const struct sn_abi_value *v, void *obj)
{
    if (v->hashed) { /* an indexed value of a log: its layout is a word of 32 bytes */
        memcpy(obj, v->bytes, 32);
        return 0;
    }
    if (l->rep == SN_SDK_TEXT) {
        *(struct sn_str *)obj = sn_abi_str(v);
    } else if (l->rep == SN_SDK_LIST) {
        struct {
            void *ptr;
            size_t len;
        } *list = obj;
        list->len = v->len;
        list->ptr = sn_arena_array(a, (size_t)v->len + 1, l->elem->size);
        return list->ptr ? from_items(a, l->elem, v, list->ptr) : SN_E_NOMEM;
    } else if (l->rep == SN_SDK_ARRAY) {
        return from_items(a, l->elem, v, obj);
    } else if (l->rep == SN_SDK_STRUCT) {
        for (uint32_t i = 0; i < l->count; i++) {
            const struct sn_sdk_field *f = &l->fields[i];
            int r = from_value(a, f->layout, &v->items[i], (char *)obj + f->offset);
            if (r < 0) return r;
        }
    } else {
        get_word(l, v->bytes, obj);
    }
    return 0;
}
/* The caller's struct stays untouched unless everything arrived. */
static int fill(struct sn_arena *a, const struct sn_sdk_layout *l, const struct sn_abi_value *v,
                void *ret)
{
    if (l->size == 0) return 0;
    void *tmp = sn_arena_zalloc(a, l->size);
    int r = tmp ? from_value(a, l, v, tmp) : SN_E_NOMEM;
    if (r == 0) memcpy(ret, tmp, l->size);
    return r;
}

/* ---- items ---- */

static int encode_args(struct sn_arena *a, const struct sn_sdk_item *item, const void *args,
                       struct sn_buf *out)
{
    struct sn_abi_item model;
    const struct sn_abi_type *type;
    struct sn_abi_value v;
    int r = sn_abi_item_parse(a, sn_str(item->text), &model);
    if (r == 0) r = sn_abi_params_type(a, model.in, &type);
    if (r == 0) r = to_value(a, item->in, args, &v);
    return r == 0 ? sn_abi_encode(type, &v, out) : r;
}
int sn_sdk_encode(const struct sn_sdk_item *item, const void *args, struct sn_buf *out)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    size_t before = out->len;
    int r = sn_buf_put(out, item->selector, sizeof(item->selector));
    if (r == 0) r = encode_args(&a, item, args, out);
    sn_arena_done(&a);
    if (r < 0) out->len = before;
    return r < 0 ? sn_wrap(r, "%s", item->text) : 0;
}
int sn_sdk_decode(const struct sn_sdk_item *item, struct sn_arena *a, struct sn_str data, void *ret)
{
    struct sn_abi_item model;
    const struct sn_abi_type *type;
    struct sn_abi_value v;
    int r = sn_abi_item_parse(a, sn_str(item->text), &model);
    if (r < 0) return r;
    bool error = model.kind == SN_ABI_ERROR;
    if (error) {
        if (data.len < 4 || memcmp(data.ptr, item->selector, 4) != 0) return SN_E_NOT_FOUND;
        data = sn_str_from(data, 4);
    }
    const struct sn_sdk_layout *layout = error ? item->in : item->out;
    if (layout->count == 0) return 0; /* a function without results may return anything */
    r = sn_abi_params_type(a, error ? model.in : model.out, &type);
    if (r == 0) r = sn_abi_decode(a, type, data, NULL, &v);
    if (r == 0) r = fill(a, layout, &v, ret);
    return r < 0 ? sn_wrap(r, "%s", item->text) : 0;
}
int sn_sdk_decode_builtin(struct sn_arena *a, struct sn_str data, struct sn_str *ret_reason,
                          struct sn_u256 *ret_code)
{
    const struct sn_abi_item *item;
    struct sn_abi_value v;
    int r = sn_abi_decode_error(a, NULL, data, &item, &v);
    if (r < 0) return r == SN_E_NOMEM ? r : 0;
    if (item->in.ptr[0].type->kind == SN_ABI_STRING) {
        *ret_reason = sn_abi_str(&v.items[0]);
        return 1;
    }
    *ret_code = sn_u256_load(v.items[0].bytes);
    return 2;
}
int sn_sdk_decode_event(const struct sn_sdk_item *item, struct sn_arena *a, const uint8_t *topics,
                        size_t n, struct sn_str data, void *ret)
{
    struct sn_abi_item model;
    struct sn_abi_value v;
    int r = sn_abi_item_parse(a, sn_str(item->text), &model);
    if (r == 0) r = sn_abi_decode_log(a, &model, topics, n, data, NULL, &v);
    return r == 0 ? fill(a, item->in, &v, ret) : r;
}
static int link_code(struct sn_arena *a, const char *code, const struct sn_sdk_link *links,
                     size_t n_links, struct sn_str *ret)
{
    struct sn_str hex = sn_arena_str(a, sn_str(code));
    uint8_t *bytes = sn_arena_alloc(a, hex.len / 2 + 1);
    if (!hex.ptr || !bytes) return SN_E_NOMEM;
    for (size_t i = 0; i < n_links; i++) {
        struct sn_str mark = sn_str(links[i].placeholder), rest = hex;
        for (ssize_t at; (at = sn_str_find(rest, mark)) >= 0;) {
            if (mark.len != 2 * SN_ADDRESS_LEN) return SN_E_INVALID_ARGUMENT;
            sn_hex_encode(links[i].at.bytes, SN_ADDRESS_LEN, (char *)rest.ptr + at);
            rest = sn_str_from(rest, (size_t)at + mark.len);
        }
    }
    ssize_t n = sn_hex_decode(hex, bytes);
    if (n < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "the code has libraries that were not given");
    *ret = sn_str_of((const char *)bytes, (size_t)n);
    return 0;
}
int sn_sdk_encode_deploy(const struct sn_sdk_item *item, const char *code,
                         const struct sn_sdk_link *links, size_t n_links, const void *args,
                         struct sn_buf *out)
{
    struct sn_arena a;
    struct sn_str bytes = {0};
    sn_arena_init(&a, NULL, 0);
    size_t before = out->len;
    int r = link_code(&a, code, links, n_links, &bytes);
    if (r == 0) r = sn_buf_str(out, bytes);
    if (r == 0 && item) r = encode_args(&a, item, args, out);
    sn_arena_done(&a);
    if (r < 0) out->len = before;
    return r;
}

/* ---- the node ---- */

static struct sn_str hex_text(struct sn_arena *a, const void *p, size_t n)
{
    char *s = sn_arena_alloc(a, 2 * n + 3);
    if (!s) return (struct sn_str){0};
    memcpy(s, "0x", 2);
    sn_hex_encode(p, n, s + 2);
    s[2 * n + 2] = 0;
    return sn_str_of(s, 2 * n + 2);
}
static int hex_bytes(struct sn_arena *a, struct sn_str text, struct sn_str *ret)
{
    if (!sn_str_starts(text, SN_STR("0x"))) return SN_E_PROTOCOL;
    uint8_t *p = sn_arena_alloc(a, text.len / 2 + 1);
    ssize_t n = p ? sn_hex_decode(sn_str_from(text, 2), p) : SN_E_NOMEM;
    if (n < 0) return n == SN_E_NOMEM ? SN_E_NOMEM : SN_E_PROTOCOL;
    *ret = sn_str_of((const char *)p, (size_t)n);
    return 0;
}
static bool is_zero(const struct sn_sdk_address *at)
{
    static const struct sn_sdk_address zero;
    return memcmp(at, &zero, sizeof(zero)) == 0;
}
static void tell_revert(struct sn_arena *a, struct sn_str data, struct sn_str *ret)
{
    if (!ret) return;
    *ret = SN_STR("");
    if (data.len) (void)!hex_bytes(a, data, ret);
}
int sn_sdk_call(const struct sn_sdk_item *item, const struct sn_sdk_at *at, struct sn_arena *a,
                const void *args, void *ret, struct sn_str *ret_revert)
{
    struct sn_buf data;
    sn_buf_init(&data, SN_ABI_DATA_MAX);
    int r = sn_sdk_encode(item, args, &data);
    struct sn_str input = r == 0 ? hex_text(a, data.ptr, data.len) : (struct sn_str){0};
    sn_buf_done(&data);
    struct sn_str to = hex_text(a, at->address.bytes, SN_ADDRESS_LEN);
    struct sn_str from = hex_text(a, at->from.bytes, SN_ADDRESS_LEN);
    if (r < 0) return r;
    if (!input.ptr || !to.ptr || !from.ptr) return SN_E_NOMEM;
    const struct sn_json *answer;
    struct sn_eth_reply reply = {0};
    r = sn_eth_call(at->rpc, a, &answer, &reply, "eth_call",
                    "[{\"to\":\"%s\",\"data\":\"%s\"%s%s%s},\"%.*s\"]", to.ptr, input.ptr,
                    is_zero(&at->from) ? "" : ",\"from\":\"", is_zero(&at->from) ? "" : from.ptr,
                    is_zero(&at->from) ? "" : "\"", at->block.len ? (int)at->block.len : 6,
                    at->block.len ? at->block.ptr : "latest");
    if (r < 0) {
        tell_revert(a, reply.data, ret_revert);
        return r;
    }
    struct sn_str bytes;
    r = hex_bytes(a, sn_json_str(answer), &bytes);
    if (r < 0) return sn_fail(r, "eth_call answered with what is no hexadecimal data");
    return sn_sdk_decode(item, a, bytes, ret);
}
static int check_gas(const struct sn_sdk_at *at, struct sn_arena *a, const struct sn_gas_call *call,
                     const struct sn_sdk_tx *tx, uint64_t *ret_limit, struct sn_str *ret_revert)
{
    static const struct sn_gas_opts quick = {.drift_blocks = 1, .quick = true};
    struct sn_gas_estimate est;
    int r = sn_gas_estimate(at->rpc, call, &quick, a, &est);
    if (r < 0) return r;
    if (est.reverts) {
        tell_revert(a, est.revert_data, ret_revert);
        return sn_fail(SN_E_ABORTED, "the transaction would revert");
    }
    if (tx && tx->on_gas && (r = tx->on_gas(tx->ctx, &est)) < 0) return r;
    *ret_limit = est.limit;
    return 0;
}
int sn_sdk_send(const struct sn_sdk_at *at, struct sn_arena *a, struct sn_str data, bool create,
                const struct sn_sdk_tx *tx, uint8_t ret_hash[32], struct sn_str *ret_revert)
{
    struct sn_buf value;
    char text[80];
    sn_buf_init_fixed(&value, text, sizeof(text));
    sn_buf_u256_hex(&value, tx ? tx->value : sn_u256(0));
    struct sn_gas_call call = {
        .from = hex_text(a, at->from.bytes, SN_ADDRESS_LEN),
        .to = create ? SN_STR("") : hex_text(a, at->address.bytes, SN_ADDRESS_LEN),
        .data = hex_text(a, data.ptr, data.len),
        .value = sn_arena_str(a, sn_buf_view(&value)),
    };
    if (!call.from.ptr || !call.to.ptr || !call.data.ptr || !call.value.ptr) return SN_E_NOMEM;
    uint64_t gas = tx ? tx->gas : 0;
    int r = gas ? 0 : check_gas(at, a, &call, tx, &gas, ret_revert);
    if (r < 0) return r;
    const struct sn_json *answer;
    struct sn_eth_reply reply = {0};
    r = sn_eth_call(at->rpc, a, &answer, &reply, "eth_sendTransaction",
                    "[{\"from\":\"%s\"%s%s%s,\"data\":\"%s\",\"value\":\"%s\",\"gas\":\"0x%llx\"}]",
                    call.from.ptr, create ? "" : ",\"to\":\"", create ? "" : call.to.ptr,
                    create ? "" : "\"", call.data.ptr, call.value.ptr, (unsigned long long)gas);
    if (r < 0) {
        tell_revert(a, reply.data, ret_revert);
        return r;
    }
    struct sn_str hash;
    r = hex_bytes(a, sn_json_str(answer), &hash);
    if (r < 0 || hash.len != 32) return sn_fail(SN_E_PROTOCOL, "eth_sendTransaction gave no hash");
    memcpy(ret_hash, hash.ptr, 32);
    return 0;
}
