/* SPDX-License-Identifier: Apache-2.0 */
/* evm/abi_json.c - JSON ABIs: the array of items alone. What it comes in is abi_artifact.c's. */
#include "core/status.h"
#include "evm/abi_int.h"

struct loader {
    struct sn_arena *a;
    unsigned depth, nodes;
};

static int copied(struct sn_arena *a, struct sn_str s, struct sn_str *ret)
{
    *ret = s.len ? sn_arena_str(a, s) : SN_STR("");
    return ret->ptr ? 0 : SN_E_NOMEM;
}
static int name_of(struct sn_arena *a, const struct sn_json *v, struct sn_str *ret)
{
    const struct sn_json *name = sn_json_get(v, "name");
    struct sn_str s = sn_json_str(name);
    if (name && name->kind != SN_JSON_NULL && !s.ptr) return sn_fail(SN_E_SYNTAX, "name: no string");
    if (s.len && !sn_abi_is_identifier(s))
        return sn_fail(SN_E_SYNTAX, "name: \"%.*s\" is no identifier",
                       (int)SN_MIN(s.len, (size_t)60), s.ptr);
    return copied(a, s, ret);
}

static int load_params(struct loader *l, const struct sn_json *list, const char *what,
                       struct sn_abi_params *ret);

static int load_type(struct loader *l, const struct sn_json *param, const struct sn_abi_type **ret)
{
    struct sn_str text = sn_json_str(sn_json_get(param, "type")), base = text;
    if (!text.len) return sn_fail(SN_E_SYNTAX, "type: missing or no string");
    if (++l->nodes > SN_ABI_TYPES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %d types", SN_ABI_TYPES_MAX);
    ssize_t dims = sn_str_chr(text, '[');
    if (dims >= 0) base = sn_str_sub(text, 0, (size_t)dims);
    int r;
    if (sn_str_eqc(base, "tuple")) {
        struct sn_abi_params p;
        if (++l->depth > SN_ABI_DEPTH_MAX)
            return sn_fail(SN_E_DEPTH, "more than %d levels", SN_ABI_DEPTH_MAX);
        if (!sn_json_is(sn_json_get(param, "components"), SN_JSON_ARRAY))
            return sn_fail(SN_E_SYNTAX, "a tuple without components");
        r = load_params(l, sn_json_get(param, "components"), "components", &p);
        l->depth--;
        if (r == 0) r = sn_abi_tuple_of(l->a, p, ret);
    } else {
        r = sn_abi_elementary(l->a, base, ret);
        if (r == SN_E_NOT_FOUND)
            return sn_fail(SN_E_SYNTAX, "type: \"%.*s\" is no type",
                           (int)SN_MIN(text.len, (size_t)60), text.ptr);
    }
    if (r == 0 && dims >= 0)
        r = sn_abi_dimensions(l->a, *ret, sn_str_from(text, (size_t)dims), ret);
    struct sn_str internal = sn_json_str(sn_json_get(param, "internalType"));
    if (r == 0 && internal.len) {
        r = copied(l->a, internal, &internal);
        if (r == 0) r = sn_abi_with_internal(l->a, *ret, internal, ret);
    }
    return r;
}
static int load_params(struct loader *l, const struct sn_json *list, const char *what,
                       struct sn_abi_params *ret)
{
    *ret = (struct sn_abi_params){0};
    if (!list || list->kind == SN_JSON_NULL) return 0;
    if (list->kind != SN_JSON_ARRAY) return sn_fail(SN_E_SYNTAX, "%s: no array", what);
    if (list->len > SN_ABI_PARAMS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: more than %d", what, SN_ABI_PARAMS_MAX);
    struct sn_abi_param *out = SN_ARENA_ARRAY(l->a, struct sn_abi_param, list->len);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < list->len; i++) {
        int r = name_of(l->a, &list->items[i], &out[i].name);
        if (r == 0) r = load_type(l, &list->items[i], &out[i].type);
        if (r < 0) return sn_wrap(r, "%s[%zu]", what, i);
        out[i].indexed = sn_json_bool_or(sn_json_get(&list->items[i], "indexed"), false);
    }
    *ret = (struct sn_abi_params){out, list->len};
    return 0;
}
static int load_kind(const struct sn_json *v, uint8_t *ret)
{
    static const struct {
        const char *name;
        uint8_t kind;
    } kinds[] = {{"function", SN_ABI_METHOD},       {"event", SN_ABI_EVENT},
                 {"error", SN_ABI_ERROR},           {"constructor", SN_ABI_CONSTRUCTOR},
                 {"receive", SN_ABI_RECEIVE},       {"fallback", SN_ABI_FALLBACK}};
    const struct sn_json *type = sn_json_get(v, "type");
    if (!sn_json_is(v, SN_JSON_OBJECT)) return sn_fail(SN_E_SYNTAX, "no object");
    *ret = SN_ABI_METHOD;
    if (!type) return 0;
    for (size_t i = 0; i < SN_COUNT_OF(kinds); i++) {
        if (!sn_str_eqc(sn_json_str(type), kinds[i].name)) continue;
        *ret = kinds[i].kind;
        return 0;
    }
    return sn_fail(SN_E_SYNTAX, "type: \"%.*s\" is no kind of item",
                   (int)SN_MIN(sn_json_str(type).len, (size_t)60), sn_json_str(type).ptr);
}
static int load_mutability(const struct sn_json *v, uint8_t *ret)
{
    const struct sn_json *m = sn_json_get(v, "stateMutability");
    for (unsigned i = SN_ABI_NONPAYABLE; m && i <= SN_ABI_PURE; i++) {
        if (!sn_str_eqc(sn_json_str(m), sn_abi_mutability_name(i))) continue;
        *ret = (uint8_t)i;
        return 0;
    }
    if (m)
        return sn_fail(SN_E_SYNTAX, "stateMutability: \"%.*s\"",
                       (int)SN_MIN(sn_json_str(m).len, (size_t)60), sn_json_str(m).ptr);
    /* Compilers before 0.4.16. */
    *ret = sn_json_bool_or(sn_json_get(v, "constant"), false)  ? SN_ABI_VIEW
           : sn_json_bool_or(sn_json_get(v, "payable"), false) ? SN_ABI_PAYABLE
                                                                : SN_ABI_NONPAYABLE;
    return 0;
}
static int load_item(struct sn_arena *a, const struct sn_json *v, struct sn_abi_item *ret)
{
    struct loader l = {.a = a};
    struct sn_abi_item it = {0};
    int r = load_kind(v, &it.kind);
    if (r == 0) r = name_of(a, v, &it.name);
    if (r == 0) r = load_mutability(v, &it.mutability);
    if (r == 0 && it.kind <= SN_ABI_ERROR && !it.name.len)
        r = sn_fail(SN_E_SYNTAX, "name: missing");
    if (r == 0) r = load_params(&l, sn_json_get(v, "inputs"), "inputs", &it.in);
    if (r == 0 && it.kind == SN_ABI_METHOD)
        r = load_params(&l, sn_json_get(v, "outputs"), "outputs", &it.out);
    if (r < 0) return it.name.len ? sn_wrap(r, "%.*s", SN_STR_ARG(it.name)) : r;
    if (it.kind > SN_ABI_ERROR) it.name = SN_STR("");
    it.anonymous = it.kind == SN_ABI_EVENT &&
                   sn_json_bool_or(sn_json_get(v, "anonymous"), false);
    r = sn_abi_item_finish(a, &it);
    if (r == 0) *ret = it;
    return r;
}
int sn_abi_json_items(struct sn_arena *a, const struct sn_json *json, sn_abi_item_vec *ret)
{
    if (!sn_json_is(json, SN_JSON_ARRAY)) return sn_fail(SN_E_SYNTAX, "an ABI is a JSON array");
    if (json->len > SN_ABI_ITEMS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %d items", SN_ABI_ITEMS_MAX);
    int r = 0;
    for (size_t i = 0; i < json->len && r == 0; i++) {
        struct sn_abi_item it;
        r = load_item(a, &json->items[i], &it);
        r = r < 0 ? sn_wrap(r, "item %zu", i) : sn_vec_push(ret, it);
    }
    return r;
}
int sn_abi_json_parse(struct sn_arena *a, const struct sn_json *json, struct sn_abi *ret)
{
    sn_abi_item_vec items = {0};
    int r = sn_abi_json_items(a, json, &items);
    if (r == 0) r = sn_abi_finish(a, &items, ret);
    sn_vec_done(&items);
    return r;
}
