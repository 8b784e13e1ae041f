/* SPDX-License-Identifier: Apache-2.0 */
/* evm/abi_type.c - types: construction with sizes and canonical names, every limit checked. */
#include "core/status.h"
#include "evm/abi_int.h"

bool sn_abi_is_identifier(struct sn_str s)
{
    if (s.len == 0 || s.len > SN_ABI_NAME_MAX || (s.ptr[0] >= '0' && s.ptr[0] <= '9')) return false;
    for (size_t i = 0; i < s.len; i++)
        if (!sn_abi_is_word_char(s.ptr[i])) return false;
    return true;
}

/* A number as type names have it: no sign, no leading zero, at most `max`. */
static bool number(struct sn_str s, uint64_t max, uint64_t *ret)
{
    if (s.len == 0 || (s.len > 1 && s.ptr[0] == '0')) return false;
    return sn_str_to_u64(s, ret) == 0 && *ret <= max;
}
static bool integer_bits(struct sn_str s, struct sn_abi_type *t)
{
    uint64_t bits = 256;
    if (s.len && (!number(s, 256, &bits) || bits == 0 || bits % 8)) return false;
    t->bits = (uint16_t)bits;
    return true;
}
static bool fixed_point(struct sn_str s, struct sn_abi_type *t)
{
    uint64_t bits = 128, decimals = 18;
    if (s.len) {
        ssize_t x = sn_str_chr(s, 'x');
        if (x < 0 || !number(sn_str_sub(s, 0, (size_t)x), 256, &bits) || bits == 0 || bits % 8)
            return false;
        if (!number(sn_str_from(s, (size_t)x + 1), 80, &decimals)) return false;
    }
    t->bits = (uint16_t)bits;
    t->decimals = (uint8_t)decimals;
    return true;
}
static bool fill_elementary(struct sn_str s, struct sn_abi_type *t)
{
    static const struct {
        struct sn_str name;
        uint8_t kind;
        bool dynamic;
    } plain[] = {
        {SN_STR_INIT("address"), SN_ABI_ADDRESS, false}, {SN_STR_INIT("bool"), SN_ABI_BOOL, false},
        {SN_STR_INIT("string"), SN_ABI_STRING, true},    {SN_STR_INIT("bytes"), SN_ABI_BYTES, true},
        {SN_STR_INIT("function"), SN_ABI_FUNCTION, false},
    };
    for (size_t i = 0; i < SN_COUNT_OF(plain); i++) {
        if (!sn_str_eq(s, plain[i].name)) continue;
        t->kind = plain[i].kind;
        t->dynamic = plain[i].dynamic;
        return true;
    }
    if (sn_str_starts(s, SN_STR("uint"))) {
        t->kind = SN_ABI_UINT;
        return integer_bits(sn_str_from(s, 4), t);
    }
    if (sn_str_starts(s, SN_STR("int"))) {
        t->kind = SN_ABI_INT;
        return integer_bits(sn_str_from(s, 3), t);
    }
    if (sn_str_starts(s, SN_STR("bytes")) || sn_str_eqc(s, "byte")) {
        t->kind = SN_ABI_FIXED_BYTES;
        t->count = 1;
        return s.len == 4 || (number(sn_str_from(s, 5), 32, &t->count) && t->count > 0);
    }
    if (sn_str_starts(s, SN_STR("ufixed"))) {
        t->kind = SN_ABI_UFIXED;
        return fixed_point(sn_str_from(s, 6), t);
    }
    t->kind = SN_ABI_FIXED;
    return sn_str_starts(s, SN_STR("fixed")) && fixed_point(sn_str_from(s, 5), t);
}
int sn_abi_elementary(struct sn_arena *a, struct sn_str name, const struct sn_abi_type **ret)
{
    struct sn_abi_type t = {.head = SN_ABI_WORD};
    if (!fill_elementary(name, &t)) return SN_E_NOT_FOUND;
    const char *sign = t.kind == SN_ABI_UINT || t.kind == SN_ABI_UFIXED ? "u" : "";
    if (t.kind == SN_ABI_UINT || t.kind == SN_ABI_INT)
        t.canonical = sn_arena_printf(a, "%sint%u", sign, t.bits);
    else if (t.kind == SN_ABI_FIXED_BYTES)
        t.canonical = sn_arena_printf(a, "bytes%u", (unsigned)t.count);
    else if (t.kind == SN_ABI_FIXED || t.kind == SN_ABI_UFIXED)
        t.canonical = sn_arena_printf(a, "%sfixed%ux%u", sign, t.bits, t.decimals);
    else
        t.canonical = sn_arena_str(a, name);
    struct sn_abi_type *made = SN_ARENA_NEW(a, struct sn_abi_type);
    if (!made || !t.canonical.ptr) return SN_E_NOMEM;
    *made = t;
    *ret = made;
    return 0;
}

int sn_abi_array_of(struct sn_arena *a, const struct sn_abi_type *elem, uint64_t count,
                    const struct sn_abi_type **ret)
{
    bool list = count == UINT64_MAX;
    if (elem->depth + 1 > SN_ABI_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "type %.60s...: more than %d levels", elem->canonical.ptr,
                       SN_ABI_DEPTH_MAX);
    struct sn_abi_type t = {
        .kind = list ? SN_ABI_LIST : SN_ABI_ARRAY,
        .dynamic = list || elem->dynamic,
        .depth = (uint8_t)(elem->depth + 1),
        .head = SN_ABI_WORD,
        .count = list ? 0 : count,
        .elem = elem,
    };
    /* Elements of a dynamic type take a head too: one bound for both. */
    if (!list && count > SN_ABI_HEAD_MAX / SN_MAX(elem->head, 1u))
        return sn_fail(SN_E_TOO_LARGE, "type %.60s[%llu]: larger than %u bytes",
                       elem->canonical.ptr, (unsigned long long)count, SN_ABI_HEAD_MAX);
    if (!t.dynamic) t.head = elem->head * (uint32_t)count;
    if (!list)
        t.canonical = sn_arena_printf(a, "%.*s[%llu]", SN_STR_ARG(elem->canonical),
                                      (unsigned long long)count);
    else
        t.canonical = sn_arena_printf(a, "%.*s[]", SN_STR_ARG(elem->canonical));
    struct sn_abi_type *made = SN_ARENA_NEW(a, struct sn_abi_type);
    if (!made || !t.canonical.ptr) return SN_E_NOMEM;
    *made = t;
    *ret = made;
    return 0;
}
int sn_abi_dimensions(struct sn_arena *a, const struct sn_abi_type *base, struct sn_str dims,
                      const struct sn_abi_type **ret)
{
    while (dims.len) {
        ssize_t end = sn_str_chr(dims, ']');
        if (dims.ptr[0] != '[' || end < 0)
            return sn_fail(SN_E_SYNTAX, "expected [] or [N], got \"%.*s\"",
                           (int)SN_MIN(dims.len, (size_t)60), dims.ptr);
        struct sn_str n = sn_str_sub(dims, 1, (size_t)end);
        uint64_t count = UINT64_MAX;
        if (n.len && !number(n, UINT32_MAX, &count))
            return sn_fail(SN_E_SYNTAX, "\"%.*s\" is no array length",
                           (int)SN_MIN(n.len, (size_t)60), n.ptr);
        int r = sn_abi_array_of(a, base, count, &base);
        if (r < 0) return r;
        dims = sn_str_from(dims, (size_t)end + 1);
    }
    *ret = base;
    return 0;
}

int sn_abi_tuple_of(struct sn_arena *a, struct sn_abi_params p, const struct sn_abi_type **ret)
{
    struct sn_abi_type t = {.kind = SN_ABI_TUPLE, .components = p.ptr, .n_components = p.len};
    size_t text = 2;
    uint64_t head = 0;
    for (size_t i = 0; i < p.len; i++) {
        const struct sn_abi_type *c = p.ptr[i].type;
        t.dynamic |= c->dynamic;
        t.depth = SN_MAX(t.depth, c->depth);
        head += c->head;
        text += c->canonical.len + (i > 0);
    }
    t.depth++;
    if (t.depth > SN_ABI_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "tuple: more than %d levels", SN_ABI_DEPTH_MAX);
    if (head > SN_ABI_HEAD_MAX)
        return sn_fail(SN_E_TOO_LARGE, "tuple: larger than %u bytes", SN_ABI_HEAD_MAX);
    if (text > SN_ABI_CANONICAL_MAX)
        return sn_fail(SN_E_TOO_LARGE, "tuple: its signature is longer than %u bytes",
                       SN_ABI_CANONICAL_MAX);
    t.head = t.dynamic ? SN_ABI_WORD : (uint32_t)head;
    char *out = sn_arena_alloc(a, text + 1);
    struct sn_abi_type *made = SN_ARENA_NEW(a, struct sn_abi_type);
    if (!made || !out) return SN_E_NOMEM;
    t.canonical = sn_str_of(out, text);
    *out++ = '(';
    for (size_t i = 0; i < p.len; i++) {
        struct sn_str c = p.ptr[i].type->canonical;
        if (i) *out++ = ',';
        memcpy(out, c.ptr, c.len);
        out += c.len;
    }
    *out++ = ')';
    *out = 0;
    *made = t;
    *ret = made;
    return 0;
}
int sn_abi_params_type(struct sn_arena *a, struct sn_abi_params p, const struct sn_abi_type **ret)
{
    return sn_abi_tuple_of(a, p, ret);
}

int sn_abi_with_internal(struct sn_arena *a, const struct sn_abi_type *t, struct sn_str internal,
                         const struct sn_abi_type **ret)
{
    struct sn_abi_type *made = SN_ARENA_NEW(a, struct sn_abi_type);
    if (!made) return SN_E_NOMEM;
    *made = *t;
    made->internal = internal;
    ssize_t open = internal.len && internal.ptr[internal.len - 1] == ']'
                       ? sn_str_rchr(internal, '[') : -1;
    if (t->elem && open >= 0) {
        int r = sn_abi_with_internal(a, t->elem, sn_str_sub(internal, 0, (size_t)open),
                                     &made->elem);
        if (r < 0) return r;
    }
    *ret = made;
    return 0;
}
