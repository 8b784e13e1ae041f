/* SPDX-License-Identifier: Apache-2.0 */
/* evm/codec_json.c - values from JSON and as JSON: what command lines and tools speak. */
#include "core/enc.h"
#include "core/status.h"
#include "evm/codec.h"

static int bad(const struct sn_abi_type *t, const struct sn_json *v, const char *want)
{
    struct sn_str s = sn_json_str(v);
    char shown[64];
    struct sn_buf b;
    sn_buf_init_fixed(&b, shown, sizeof(shown));
    if (s.ptr) sn_buf_printf(&b, "\"%.*s\"", (int)SN_MIN(s.len, (size_t)50), s.ptr);
    else sn_buf_cstr(&b, v ? sn_json_kind_name(sn_json_kind(v)) : "nothing");
    return sn_fail(SN_E_INVALID_ARGUMENT, "%.100s: expected %s, got %.*s", t->canonical.ptr, want,
                   SN_STR_ARG(sn_buf_view(&b)));
}
/* Sign and digits of a number, whatever the JSON writer did with it. */
static bool number_text(const struct sn_json *v, char out[32], struct sn_str *ret)
{
    if (!v) return false;
    switch (v->kind) {
    case SN_JSON_STRING:
    case SN_JSON_BIGINT: *ret = sn_str_of(v->str, v->len); return true;
    case SN_JSON_INT:
    case SN_JSON_UINT: {
        struct sn_buf b;
        sn_buf_init_fixed(&b, out, 32);
        if (v->kind == SN_JSON_INT) sn_buf_i64(&b, v->i);
        else sn_buf_u64(&b, v->u);
        *ret = sn_buf_view(&b);
        return true;
    }
    default: return false;
    }
}
static int read_number(const struct sn_abi_type *t, const struct sn_json *v, uint8_t word[32])
{
    char text[32];
    struct sn_str s;
    struct sn_u256 x;
    bool is_signed = t->kind == SN_ABI_INT || t->kind == SN_ABI_FIXED;
    bool fixed = t->kind == SN_ABI_FIXED || t->kind == SN_ABI_UFIXED;
    if (!number_text(v, text, &s))
        return bad(t, v, fixed ? "a decimal number in quotes" : "an integer");
    bool minus = s.len && s.ptr[0] == '-';
    if (minus) s = sn_str_from(s, 1);
    int r = fixed ? sn_units_parse(s, t->decimals, &x) : sn_u256_parse(s, &x);
    if (r == SN_E_SYNTAX) return bad(t, v, fixed ? "a decimal number" : "an integer");
    /* Below zero the magnitude of a signed type may be one more than above. */
    struct sn_u256 most = x;
    if (r == 0 && minus && is_signed && !sn_u256_is_zero(x)) sn_u256_sub(x, sn_u256(1), &most);
    if (r < 0 || sn_u256_bits(most) > t->bits - (is_signed ? 1u : 0u) ||
        (minus && !is_signed && !sn_u256_is_zero(x)))
        return sn_fail(SN_E_OUT_OF_RANGE, "%s%.*s does not fit %.20s", minus ? "-" : "",
                       (int)SN_MIN(s.len, (size_t)90), s.ptr, t->canonical.ptr);
    if (minus) sn_u256_sub(sn_u256(0), x, &x);
    sn_u256_store(x, word);
    return 0;
}
static int read_hex(struct sn_arena *a, const struct sn_abi_type *t, const struct sn_json *v,
                    struct sn_str *ret)
{
    struct sn_str s = sn_json_str(v);
    if (!sn_str_starts(s, SN_STR("0x"))) return bad(t, v, "0x and hex digits");
    s = sn_str_from(s, 2);
    char *out = sn_arena_alloc(a, s.len / 2 + 1);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_hex_decode(s, out);
    if (n < 0) return bad(t, v, "0x and an even number of hex digits");
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}
static int read_word(struct sn_arena *a, const struct sn_abi_type *t, const struct sn_json *v,
                     uint8_t word[32])
{
    struct sn_str raw;
    uint8_t address[SN_ADDRESS_LEN];
    bool b;
    int r;
    switch (t->kind) {
    case SN_ABI_BOOL:
        if (sn_json_to_bool(v, &b) < 0) {
            struct sn_str s = sn_json_str(v);
            if (!sn_str_eqc(s, "true") && !sn_str_eqc(s, "false")) return bad(t, v, "true or false");
            b = s.len == 4;
        }
        word[31] = b;
        return 0;
    case SN_ABI_ADDRESS:
        r = sn_address_parse(sn_json_str(v), address);
        if (r == SN_E_DATA_LOSS) return bad(t, v, "the checksum's upper and lower case");
        if (r < 0) return bad(t, v, "0x and 40 hex digits");
        sn_abi_put_address(word, address);
        return 0;
    case SN_ABI_FIXED_BYTES:
    case SN_ABI_FUNCTION: {
        size_t want = t->kind == SN_ABI_FUNCTION ? 24 : t->count;
        r = read_hex(a, t, v, &raw);
        if (r < 0) return r;
        if (raw.len != want)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%.20s: expected %zu bytes, got %zu",
                           t->canonical.ptr, want, raw.len);
        memcpy(word, raw.ptr, raw.len);
        return 0;
    }
    default: return read_number(t, v, word);
    }
}
static const struct sn_json *component(const struct sn_abi_type *t, const struct sn_json *v,
                                       size_t i)
{
    if (v->kind == SN_JSON_ARRAY) return &v->items[i];
    return t->components[i].name.len ? sn_json_find(v, t->components[i].name) : NULL;
}
static int read_items(struct sn_arena *a, const struct sn_abi_type *t, const struct sn_json *v,
                      struct sn_abi_value *ret)
{
    bool tuple = t->kind == SN_ABI_TUPLE;
    if (!sn_json_is(v, SN_JSON_ARRAY) && !(tuple && sn_json_is(v, SN_JSON_OBJECT)))
        return bad(t, v, tuple ? "an array or an object" : "an array");
    uint64_t want = tuple ? t->n_components : t->kind == SN_ABI_ARRAY ? t->count : v->len;
    if (v->len != want)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%.100s: expected %llu values, got %u",
                       t->canonical.ptr, (unsigned long long)want, v->len);
    struct sn_abi_value *items = SN_ARENA_ARRAY(a, struct sn_abi_value, v->len);
    if (!items) return SN_E_NOMEM;
    for (size_t i = 0; i < v->len; i++) {
        const struct sn_abi_type *c = tuple ? t->components[i].type : t->elem;
        int r = sn_abi_from_json(a, c, component(t, v, i), &items[i]);
        if (r < 0 && tuple && t->components[i].name.len)
            return sn_wrap(r, "%.*s", (int)SN_MIN(t->components[i].name.len, (size_t)60),
                           t->components[i].name.ptr);
        if (r < 0) return sn_wrap(r, "[%zu]", i);
    }
    *ret = sn_abi_items(items, v->len);
    return 0;
}
int sn_abi_from_json(struct sn_arena *a, const struct sn_abi_type *t, const struct sn_json *json,
                     struct sn_abi_value *ret)
{
    struct sn_str s = sn_json_str(json);
    if (t->kind == SN_ABI_STRING) {
        if (!s.ptr) return bad(t, json, "a string");
        *ret = sn_abi_bytes(s);
        return 0;
    }
    if (t->kind == SN_ABI_BYTES) {
        int r = read_hex(a, t, json, &s);
        if (r == 0) *ret = sn_abi_bytes(s);
        return r;
    }
    if (t->kind > SN_ABI_STRING) return read_items(a, t, json, ret);
    uint8_t *word = sn_arena_zalloc(a, SN_ABI_WORD);
    if (!word) return SN_E_NOMEM;
    int r = read_word(a, t, json, word);
    if (r == 0) *ret = sn_abi_word(word);
    return r;
}

/* ---- writing ---- */

static void write_hex(struct sn_jsonw *w, const uint8_t *p, size_t n)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "\"0x");
    sn_buf_hex(&b, p, n);
    sn_buf_byte(&b, '"');
    if (b.err < 0 && w->out->err == 0) w->out->err = b.err;
    else sn_jsonw_raw(w, sn_buf_view(&b));
    sn_buf_done(&b);
}
static void write_number(struct sn_jsonw *w, const struct sn_abi_type *t, const uint8_t *word)
{
    char text[SN_U256_TEXT_MAX + 2 + 81];
    struct sn_buf b;
    struct sn_u256 x = sn_u256_load(word);
    bool is_signed = t->kind == SN_ABI_INT || t->kind == SN_ABI_FIXED;
    sn_buf_init_fixed(&b, text, sizeof(text));
    if (is_signed && x.w[3] >> 63) {
        sn_buf_byte(&b, '-');
        sn_u256_sub(sn_u256(0), x, &x);
    }
    sn_buf_units(&b, x, t->decimals);
    sn_jsonw_str(w, sn_buf_view(&b));
}
static void write_word(struct sn_jsonw *w, const struct sn_abi_type *t, const uint8_t *word)
{
    char address[SN_ADDRESS_TEXT_LEN];
    switch (t->kind) {
    case SN_ABI_BOOL: sn_jsonw_bool(w, word[31] != 0); break;
    case SN_ABI_ADDRESS:
        sn_address_format(word + 12, address);
        sn_jsonw_str(w, sn_str_of(address, sizeof(address)));
        break;
    case SN_ABI_FIXED_BYTES: write_hex(w, word, t->count); break;
    case SN_ABI_FUNCTION: write_hex(w, word, 24); break;
    default: write_number(w, t, word);
    }
}
/* Objects need a name for each component, and no name twice. */
static bool named(const struct sn_abi_type *t)
{
    if (t->kind != SN_ABI_TUPLE || t->n_components == 0) return false;
    for (size_t i = 0; i < t->n_components; i++) {
        if (t->components[i].name.len == 0) return false;
        for (size_t k = 0; k < i; k++)
            if (sn_str_eq(t->components[i].name, t->components[k].name)) return false;
    }
    return true;
}
void sn_abi_to_json(struct sn_jsonw *w, const struct sn_abi_type *t, const struct sn_abi_value *v)
{
    if (v->hashed) {
        sn_jsonw_object(w);
        sn_jsonw_key(w, SN_STR("hash"));
        write_hex(w, v->bytes, v->len);
        sn_jsonw_object_end(w);
        return;
    }
    if (t->kind < SN_ABI_BYTES) {
        write_word(w, t, v->bytes);
    } else if (t->kind == SN_ABI_BYTES) {
        write_hex(w, v->bytes, v->len);
    } else if (t->kind == SN_ABI_STRING) {
        sn_jsonw_str(w, sn_abi_str(v));
    } else {
        bool object = named(t);
        if (object) sn_jsonw_object(w);
        else sn_jsonw_array(w);
        for (size_t i = 0; i < v->len; i++) {
            if (object) sn_jsonw_key(w, t->components[i].name);
            sn_abi_to_json(w, t->kind == SN_ABI_TUPLE ? t->components[i].type : t->elem,
                           &v->items[i]);
        }
        if (object) sn_jsonw_object_end(w);
        else sn_jsonw_array_end(w);
    }
}
