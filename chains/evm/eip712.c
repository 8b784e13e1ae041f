/* SPDX-License-Identifier: Apache-2.0 */
/* evm/eip712.c - typed data: an in-place hash of a tree of structs. */
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/abi_int.h"
#include "evm/codec.h"
#include "evm/eip712.h"

struct typed {
    struct sn_arena *a;
    const struct sn_json *types; /* object: name -> array of {name, type} */
    const struct sn_json *made_domain; /* fields of the domain where types has none; or NULL */
    unsigned depth;
};
static const struct sn_json *fields_of(const struct typed *t, struct sn_str name)
{
    const struct sn_json *v = sn_json_find(t->types, name);
    if (!v && sn_str_eqc(name, "EIP712Domain")) v = t->made_domain;
    return sn_json_is(v, SN_JSON_ARRAY) ? v : NULL;
}
static struct sn_str base_of(struct sn_str type)
{
    ssize_t open = sn_str_chr(type, '[');
    return open < 0 ? type : sn_str_sub(type, 0, (size_t)open);
}

/* ---- type strings ---- */

typedef SN_VEC(struct sn_str) names_vec;
static int collect(struct typed *t, struct sn_str name, names_vec *seen)
{
    const struct sn_json *fields = fields_of(t, name);
    if (!fields) return 0;
    SN_VEC_EACH(seen, it) if (sn_str_eq(*it, name)) return 0;
    if (seen->len >= SN_EIP712_TYPES_MAX || fields->len > SN_EIP712_FIELDS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u types, or %u fields in one",
                       SN_EIP712_TYPES_MAX, SN_EIP712_FIELDS_MAX);
    int r = sn_vec_push(seen, name);
    /* Depth is bounded by the number of types: every level adds one. */
    if (r == 0 && ++t->depth > SN_EIP712_DEPTH_MAX)
        r = sn_fail(SN_E_DEPTH, "more than %u structs within one another", SN_EIP712_DEPTH_MAX);
    for (SN_JSON_EACH(fields, f))
        if (r == 0) r = collect(t, base_of(sn_json_str(sn_json_get(f, "type"))), seen);
    t->depth--;
    return r;
}
static int put_struct(struct typed *t, struct sn_buf *b, struct sn_str name)
{
    const struct sn_json *fields = fields_of(t, name);
    sn_buf_str(b, name);
    sn_buf_byte(b, '(');
    for (size_t i = 0; i < fields->len; i++) {
        struct sn_str type = sn_json_str(sn_json_get(&fields->items[i], "type"));
        struct sn_str field = sn_json_str(sn_json_get(&fields->items[i], "name"));
        if (!type.len || !field.ptr)
            return sn_fail(SN_E_INVALID_ARGUMENT, "types.%.*s[%zu]: expected a name and a type",
                           (int)SN_MIN(name.len, (size_t)60), name.ptr, i);
        if (i) sn_buf_byte(b, ',');
        sn_buf_str(b, type);
        sn_buf_byte(b, ' ');
        sn_buf_str(b, field);
    }
    sn_buf_byte(b, ')');
    return b->err;
}
/* The struct itself, then those it uses by name. */
static int encode_type(struct typed *t, struct sn_str name, struct sn_buf *b)
{
    names_vec seen = {0};
    int r = fields_of(t, name) ? collect(t, name, &seen)
                               : sn_fail(SN_E_NOT_FOUND, "no type \"%.*s\"",
                                         (int)SN_MIN(name.len, (size_t)60), name.ptr);
    for (size_t i = 2; i < seen.len; i++) {
        struct sn_str moved = seen.ptr[i];
        size_t at = i;
        for (; at > 1 && sn_str_cmp(seen.ptr[at - 1], moved) > 0; at--) seen.ptr[at] = seen.ptr[at - 1];
        seen.ptr[at] = moved;
    }
    for (size_t i = 0; i < seen.len && r == 0; i++) r = put_struct(t, b, seen.ptr[i]);
    sn_vec_done(&seen);
    return r;
}

/* ---- values ---- */

static int hash_struct(struct typed *t, struct sn_str name, const struct sn_json *v,
                       uint8_t ret[32]);
static int encode_value(struct typed *t, struct sn_str type, const struct sn_json *v,
                        uint8_t ret[32]);

static int encode_array(struct typed *t, struct sn_str type, const struct sn_json *v,
                        uint8_t ret[32])
{
    ssize_t open = sn_str_rchr(type, '[');
    struct sn_str elem = sn_str_sub(type, 0, (size_t)open);
    struct sn_str count = sn_str_sub(type, (size_t)open + 1, type.len - 1);
    struct sn_keccak k;
    uint64_t n;
    if (!sn_json_is(v, SN_JSON_ARRAY))
        return sn_fail(SN_E_INVALID_ARGUMENT, "expected an array");
    if (count.len && (sn_str_to_u64(count, &n) < 0 || n != v->len))
        return sn_fail(SN_E_INVALID_ARGUMENT, "expected %.*s values, got %u",
                       (int)SN_MIN(count.len, (size_t)20), count.ptr, v->len);
    sn_keccak_init(&k);
    for (size_t i = 0; i < v->len; i++) {
        uint8_t word[32];
        int r = encode_value(t, elem, &v->items[i], word);
        if (r < 0) return sn_wrap(r, "[%zu]", i);
        sn_keccak_put(&k, word, sizeof(word));
    }
    sn_keccak_final(&k, ret);
    return 0;
}
static int encode_value(struct typed *t, struct sn_str type, const struct sn_json *v,
                        uint8_t ret[32])
{
    const struct sn_abi_type *abi;
    struct sn_abi_value value;
    int r;
    if (++t->depth > SN_EIP712_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "more than %u levels", SN_EIP712_DEPTH_MAX);
    if (type.len && type.ptr[type.len - 1] == ']' && sn_str_rchr(type, '[') > 0) {
        r = encode_array(t, type, v, ret);
    } else if (fields_of(t, type)) {
        r = hash_struct(t, type, v, ret);
    } else {
        r = sn_abi_elementary(t->a, type, &abi);
        if (r == SN_E_NOT_FOUND)
            r = sn_fail(r, "no type \"%.*s\"", (int)SN_MIN(type.len, (size_t)60), type.ptr);
        if (r == 0) r = sn_abi_from_json(t->a, abi, v, &value);
        if (r == 0) r = sn_abi_topic(abi, &value, ret);
    }
    t->depth--;
    return r;
}
static int hash_struct(struct typed *t, struct sn_str name, const struct sn_json *v, uint8_t ret[32])
{
    const struct sn_json *fields = fields_of(t, name);
    struct sn_keccak k;
    struct sn_buf b;
    uint8_t word[32];
    if (!sn_json_is(v, SN_JSON_OBJECT))
        return sn_fail(SN_E_INVALID_ARGUMENT, "expected an object for %.*s",
                       (int)SN_MIN(name.len, (size_t)60), name.ptr);
    sn_buf_init(&b, 1 << 20);
    int r = encode_type(t, name, &b);
    if (r == 0) sn_keccak256(b.ptr, b.len, word);
    sn_buf_done(&b);
    if (r < 0) return r;
    sn_keccak_init(&k);
    sn_keccak_put(&k, word, sizeof(word));
    for (SN_JSON_EACH(fields, f)) {
        struct sn_str field = sn_json_str(sn_json_get(f, "name"));
        r = encode_value(t, sn_json_str(sn_json_get(f, "type")), sn_json_find(v, field), word);
        if (r < 0) return sn_wrap(r, "%.*s", (int)SN_MIN(field.len, (size_t)60), field.ptr);
        sn_keccak_put(&k, word, sizeof(word));
    }
    sn_keccak_final(&k, ret);
    return 0;
}

/* The domain's type, from the members it has, in EIP-712's order. */
static int make_domain(struct typed *t, const struct sn_json *domain)
{
    static const char *const fields[][2] = {{"name", "string"},
                                            {"version", "string"},
                                            {"chainId", "uint256"},
                                            {"verifyingContract", "address"},
                                            {"salt", "bytes32"}};
    struct sn_json *list = SN_ARENA_NEW(t->a, struct sn_json);
    if (!list) return SN_E_NOMEM;
    *list = sn_json_array();
    for (size_t i = 0; i < SN_COUNT_OF(fields); i++) {
        struct sn_json f = sn_json_object();
        if (!sn_json_get(domain, fields[i][0])) continue;
        if (!sn_json_add(t->a, &f, SN_STR("name"), sn_json_cstr(fields[i][0])) ||
            !sn_json_add(t->a, &f, SN_STR("type"), sn_json_cstr(fields[i][1])) ||
            !sn_json_push(t->a, list, f))
            return SN_E_NOMEM;
    }
    t->made_domain = list;
    return 0;
}
int sn_eip712_hash(struct sn_arena *a, const struct sn_json *data, struct sn_eip712 *ret)
{
    struct typed t = {.a = a, .types = sn_json_get(data, "types")};
    struct sn_str primary = sn_json_str(sn_json_get(data, "primaryType"));
    const struct sn_json *domain = sn_json_get(data, "domain");
    struct sn_eip712 out = {0};
    struct sn_buf b;
    if (!sn_json_is(t.types, SN_JSON_OBJECT))
        return sn_fail(SN_E_INVALID_ARGUMENT, "types: expected an object");
    if (!primary.len) return sn_fail(SN_E_INVALID_ARGUMENT, "primaryType: expected a name");
    if (!sn_json_is(domain, SN_JSON_OBJECT))
        return sn_fail(SN_E_INVALID_ARGUMENT, "domain: expected an object");
    int r = sn_json_get(t.types, "EIP712Domain") ? 0 : make_domain(&t, domain);
    if (r < 0) return r;
    bool only_domain = sn_str_eqc(primary, "EIP712Domain");
    sn_buf_init(&b, 1 << 20);
    r = encode_type(&t, primary, &b);
    if (r == 0) {
        out.type = sn_arena_str(a, sn_buf_view(&b));
        if (!out.type.ptr) r = SN_E_NOMEM;
    }
    sn_buf_done(&b);
    if (r < 0) return r;
    r = hash_struct(&t, SN_STR("EIP712Domain"), domain, out.domain);
    if (r < 0) return sn_wrap(r, "domain");
    if (!only_domain) r = hash_struct(&t, primary, sn_json_get(data, "message"), out.message);
    if (r < 0) return sn_wrap(r, "message");
    struct sn_keccak k;
    sn_keccak_init(&k);
    sn_keccak_put(&k, "\x19\x01", 2);
    sn_keccak_put(&k, out.domain, 32);
    if (!only_domain) sn_keccak_put(&k, out.message, 32);
    sn_keccak_final(&k, out.digest);
    *ret = out;
    return 0;
}
