/* SPDX-License-Identifier: Apache-2.0 */
/* evm/abi.c - items: signatures, names that tell overloads apart, look-ups, and the model as text. */
#include "core/enc.h"
#include "core/map.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/abi_int.h"

const char *sn_abi_mutability_name(enum sn_abi_mutability m)
{
    static const char *const names[] = {"nonpayable", "payable", "view", "pure"};
    return (unsigned)m < SN_COUNT_OF(names) ? names[m] : "nonpayable";
}

int sn_abi_item_finish(struct sn_arena *a, struct sn_abi_item *item)
{
    const struct sn_abi_type *args;
    int r = sn_abi_tuple_of(a, item->in, &args);
    if (r < 0) return r;
    item->unique = item->name;
    if (item->kind > SN_ABI_ERROR) return 0;
    item->signature = sn_arena_printf(a, "%.*s%.*s", SN_STR_ARG(item->name),
                                      SN_STR_ARG(args->canonical));
    if (!item->signature.ptr) return SN_E_NOMEM;
    sn_keccak256(item->signature.ptr, item->signature.len, item->topic);
    memcpy(item->selector, item->topic, SN_ABI_SELECTOR_LEN);
    return 0;
}

/* ---- names ---- */

/* "uint256[2][]" as part of a name: uint256Array2Array; tuples are named by their struct. */
static void put_type_name(struct sn_buf *b, const struct sn_abi_type *t)
{
    if (t->elem) {
        put_type_name(b, t->elem);
        sn_buf_cstr(b, "Array");
        if (t->kind == SN_ABI_ARRAY) sn_buf_u64(b, t->count);
        return;
    }
    if (t->kind != SN_ABI_TUPLE) {
        sn_buf_str(b, t->canonical);
        return;
    }
    ssize_t dot = sn_str_rchr(t->internal, '.'), space = sn_str_rchr(t->internal, ' ');
    struct sn_str name = sn_str_from(t->internal, (size_t)(SN_MAX(dot, space) + 1));
    if (name.len) {
        sn_buf_str(b, name);
        return;
    }
    sn_buf_cstr(b, "tuple");
    for (size_t i = 0; i < t->n_components; i++) put_type_name(b, t->components[i].type);
}
/* How many leading parameter types all of the group have in common. */
static size_t shared_types(const struct sn_abi_item *items, const size_t *group, size_t n)
{
    struct sn_abi_params first = items[group[0]].in;
    size_t shared = first.len;
    for (size_t k = 1; k < n; k++) {
        struct sn_abi_params in = items[group[k]].in;
        size_t i = 0;
        while (i < shared && i < in.len &&
               sn_str_eq(in.ptr[i].type->canonical, first.ptr[i].type->canonical))
            i++;
        shared = i;
    }
    return shared;
}
/* safeTransferFrom(address,address,uint256[,bytes]) are safeTransferFrom, safeTransferFrom_bytes. */
static int name_overload(struct sn_arena *a, struct sn_abi_item *it, size_t shared)
{
    struct sn_buf b;
    sn_buf_init(&b, 4 * SN_ABI_CANONICAL_MAX);
    sn_buf_str(&b, it->name);
    for (size_t i = shared; i < it->in.len; i++) {
        sn_buf_byte(&b, '_');
        put_type_name(&b, it->in.ptr[i].type);
    }
    if (b.err == 0) it->unique = sn_arena_str(a, sn_buf_view(&b));
    int r = b.err < 0 ? b.err : it->unique.ptr ? 0 : SN_E_NOMEM;
    sn_buf_done(&b);
    return r;
}
/* Two overloads that still look alike (tuples of one struct name) get their selectors. */
static int tell_apart(struct sn_arena *a, struct sn_abi_item *items, const size_t *group, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool clash = false;
        for (size_t k = 0; k < n; k++)
            clash |= k != i && sn_str_eq(items[group[i]].unique, items[group[k]].unique);
        if (!clash) continue;
        char hex[2 * SN_ABI_SELECTOR_LEN];
        sn_hex_encode(items[group[i]].selector, SN_ABI_SELECTOR_LEN, hex);
        for (size_t k = 0; k < n; k++) {
            if (k == i || !sn_str_eq(items[group[i]].unique, items[group[k]].unique)) continue;
            char other[2 * SN_ABI_SELECTOR_LEN];
            sn_hex_encode(items[group[k]].selector, SN_ABI_SELECTOR_LEN, other);
            struct sn_str u = sn_arena_printf(a, "%.*s_%.8s", SN_STR_ARG(items[group[k]].unique),
                                              other);
            if (!u.ptr) return SN_E_NOMEM;
            items[group[k]].unique = u;
        }
        struct sn_str u = sn_arena_printf(a, "%.*s_%.8s", SN_STR_ARG(items[group[i]].unique), hex);
        if (!u.ptr) return SN_E_NOMEM;
        items[group[i]].unique = u;
    }
    return 0;
}
#define OVERLOADS_MAX 256 /* of one name: naming them is quadratic */

static int name_overloads(struct sn_arena *a, struct sn_abi_item *items, size_t n)
{
    struct sn_map first; /* kind and name -> 1 + index of the group's latest member */
    size_t *next = sn_zalloc(n + 1, sizeof(*next)), group[OVERLOADS_MAX];
    int r = next ? 0 : SN_E_NOMEM;
    sn_map_init(&first, 0, true);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (items[i].kind > SN_ABI_ERROR) continue;
        struct sn_str key = sn_arena_printf(a, "%u%.*s", items[i].kind, SN_STR_ARG(items[i].name));
        void *old = NULL;
        r = key.ptr ? sn_map_put(&first, key, (void *)(i + 1), &old) : SN_E_NOMEM;
        next[i] = (size_t)old;
        if (r > 0) r = 0;
    }
    struct sn_map_slot *slot;
    for (size_t it = 0; r == 0 && (slot = sn_map_next(&first, &it));) {
        size_t len = 0;
        for (size_t at = (size_t)slot->value; at && r == 0; at = next[at - 1]) {
            if (len == OVERLOADS_MAX)
                r = sn_fail(SN_E_TOO_LARGE, "%.*s: more than %d overloads", SN_STR_ARG(slot->key),
                            OVERLOADS_MAX);
            else group[len++] = at - 1;
        }
        size_t shared = len > 1 ? shared_types(items, group, len) : 0;
        for (size_t i = 0; i < len && len > 1 && r == 0; i++)
            r = name_overload(a, &items[group[i]], shared);
        if (r == 0) r = tell_apart(a, items, group, len);
    }
    sn_map_done(&first);
    sn_free(next);
    return r;
}

/* ---- finishing ---- */

/* The same item twice (an interface's, inherited) is one; two different ones with one selector could
 * not be told apart on the chain. */
static int drop_repeated(sn_abi_item_vec *v, size_t *ret_n)
{
    struct sn_map seen;
    size_t n = 0;
    int r = 0;
    sn_map_init(&seen, 0, true);
    for (size_t i = 0; i < v->len && r == 0; i++) {
        struct sn_abi_item *it = &v->ptr[i];
        if (it->kind > SN_ABI_ERROR) {
            v->ptr[n++] = *it;
            continue;
        }
        char key[1 + SN_ABI_TOPIC_LEN];
        size_t len = it->kind == SN_ABI_EVENT ? SN_ABI_TOPIC_LEN : SN_ABI_SELECTOR_LEN;
        key[0] = (char)(it->kind + (it->anonymous ? 16 : 0));
        memcpy(key + 1, it->topic, len);
        struct sn_abi_item *old = sn_map_get(&seen, sn_str_of(key, 1 + len));
        if (old && !sn_str_eq(old->signature, it->signature)) {
            r = sn_fail(SN_E_ALREADY_EXISTS, "%.*s and %.*s have the same selector 0x%02x%02x%02x%02x",
                        SN_STR_ARG(old->signature), SN_STR_ARG(it->signature), it->selector[0],
                        it->selector[1], it->selector[2], it->selector[3]);
        } else if (!old) {
            v->ptr[n] = *it;
            r = sn_map_put(&seen, sn_str_of(key, 1 + len), &v->ptr[n++], NULL);
            if (r > 0) r = 0;
        }
    }
    sn_map_done(&seen);
    *ret_n = n;
    return r;
}
int sn_abi_finish(struct sn_arena *a, const sn_abi_item_vec *items, struct sn_abi *ret)
{
    sn_abi_item_vec v = *items;
    size_t n;
    int r = drop_repeated(&v, &n);
    if (r < 0) return r;
    struct sn_abi_item *out = SN_ARENA_ARRAY(a, struct sn_abi_item, n);
    if (!out) return SN_E_NOMEM;
    if (n) memcpy(out, v.ptr, n * sizeof(*out));
    r = name_overloads(a, out, n);
    if (r < 0) return r;
    *ret = (struct sn_abi){out, n};
    return 0;
}

/* ---- look-ups ---- */

const struct sn_abi_item *sn_abi_by_selector(const struct sn_abi *abi, enum sn_abi_item_kind kind,
                                             const uint8_t selector[SN_ABI_SELECTOR_LEN])
{
    for (size_t i = 0; i < abi->n_items; i++)
        if (abi->items[i].kind == kind &&
            memcmp(abi->items[i].selector, selector, SN_ABI_SELECTOR_LEN) == 0)
            return &abi->items[i];
    return NULL;
}
const struct sn_abi_item *sn_abi_by_topic(const struct sn_abi *abi,
                                          const uint8_t topic[SN_ABI_TOPIC_LEN])
{
    for (size_t i = 0; i < abi->n_items; i++)
        if (abi->items[i].kind == SN_ABI_EVENT && !abi->items[i].anonymous &&
            memcmp(abi->items[i].topic, topic, SN_ABI_TOPIC_LEN) == 0)
            return &abi->items[i];
    return NULL;
}
static bool is_called(const struct sn_abi_item *it, struct sn_str what)
{
    uint8_t hash[SN_ABI_TOPIC_LEN];
    if (sn_str_eq(it->signature, what) || sn_str_eq(it->unique, what)) return true;
    if (what.len != 2 + 2 * SN_ABI_SELECTOR_LEN && what.len != 2 + 2 * SN_ABI_TOPIC_LEN)
        return false;
    return sn_str_starts(what, SN_STR("0x")) && sn_hex_decode(sn_str_from(what, 2), hash) > 0 &&
           memcmp(hash, it->topic, what.len / 2 - 1) == 0;
}
static int find(const struct sn_abi *abi, uint8_t kind, const char *kind_name, struct sn_str what,
                const struct sn_abi_item **ret)
{
    const struct sn_abi_item *named = NULL;
    size_t n_named = 0;
    char names[200];
    struct sn_buf list;
    for (size_t i = 0; i < abi->n_items; i++) {
        const struct sn_abi_item *it = &abi->items[i];
        if (it->kind != kind) continue;
        if (is_called(it, what)) {
            *ret = it;
            return 0;
        }
        if (sn_str_eq(it->name, what)) {
            named = it;
            n_named++;
        }
    }
    if (n_named == 1) {
        *ret = named;
        return 0;
    }
    sn_buf_init_fixed(&list, names, sizeof(names));
    for (size_t i = 0; i < abi->n_items; i++) {
        const struct sn_abi_item *it = &abi->items[i];
        if (it->kind != kind || (n_named && !sn_str_eq(it->name, what))) continue;
        if (list.len + it->signature.len + 6 > sizeof(names)) {
            sn_buf_cstr(&list, ", ...");
            break;
        }
        sn_buf_printf(&list, "%s%.*s", list.len ? ", " : "", SN_STR_ARG(it->signature));
    }
    struct sn_str seen = sn_buf_view(&list);
    int shown = (int)SN_MIN(what.len, (size_t)100);
    if (n_named)
        return sn_fail(SN_E_FAILED_PRECONDITION, "%s %.*s is overloaded: name one of %.*s",
                       kind_name, shown, what.ptr, SN_STR_ARG(seen));
    return sn_fail(SN_E_NOT_FOUND, "no %s %.*s%s%.*s", kind_name, shown, what.ptr,
                   seen.len ? " among " : "", SN_STR_ARG(seen));
}
int sn_abi_method(const struct sn_abi *abi, struct sn_str what, const struct sn_abi_item **ret)
{
    return find(abi, SN_ABI_METHOD, "function", what, ret);
}
int sn_abi_event(const struct sn_abi *abi, struct sn_str what, const struct sn_abi_item **ret)
{
    return find(abi, SN_ABI_EVENT, "event", what, ret);
}
int sn_abi_error(const struct sn_abi *abi, struct sn_str what, const struct sn_abi_item **ret)
{
    return find(abi, SN_ABI_ERROR, "error", what, ret);
}
const struct sn_abi *sn_abi_builtin_errors(void)
{
    static const struct sn_abi_type string = {
        .kind = SN_ABI_STRING, .dynamic = true, .head = SN_ABI_WORD,
        .canonical = SN_STR_INIT("string")};
    static const struct sn_abi_type uint256 = {
        .kind = SN_ABI_UINT, .bits = 256, .head = SN_ABI_WORD, .canonical = SN_STR_INIT("uint256")};
    static const struct sn_abi_param message = {.name = SN_STR_INIT("message"), .type = &string};
    static const struct sn_abi_param code = {.name = SN_STR_INIT("code"), .type = &uint256};
    static const struct sn_abi_item items[] = {
        {.kind = SN_ABI_ERROR, .name = SN_STR_INIT("Error"), .unique = SN_STR_INIT("Error"),
         .signature = SN_STR_INIT("Error(string)"), .selector = {0x08, 0xc3, 0x79, 0xa0},
         .topic = {0x08, 0xc3, 0x79, 0xa0}, .in = {&message, 1}},
        {.kind = SN_ABI_ERROR, .name = SN_STR_INIT("Panic"), .unique = SN_STR_INIT("Panic"),
         .signature = SN_STR_INIT("Panic(uint256)"), .selector = {0x4e, 0x48, 0x7b, 0x71},
         .topic = {0x4e, 0x48, 0x7b, 0x71}, .in = {&code, 1}},
    };
    static const struct sn_abi abi = {items, SN_COUNT_OF(items)};
    return &abi;
}

/* ---- as text ---- */

static const char *const kind_words[] = {"", "function", "event", "error", "constructor",
                                         "receive", "fallback"};

static void put_params(struct sn_buf *b, struct sn_abi_params p);
static void put_type(struct sn_buf *b, const struct sn_abi_type *t)
{
    if (t->elem) {
        put_type(b, t->elem);
        sn_buf_byte(b, '[');
        if (t->kind == SN_ABI_ARRAY) sn_buf_u64(b, t->count);
        sn_buf_byte(b, ']');
    } else if (t->kind == SN_ABI_TUPLE) {
        put_params(b, (struct sn_abi_params){t->components, t->n_components});
    } else {
        sn_buf_str(b, t->canonical);
    }
}
static void put_params(struct sn_buf *b, struct sn_abi_params p)
{
    sn_buf_byte(b, '(');
    for (size_t i = 0; i < p.len; i++) {
        if (i) sn_buf_cstr(b, ", ");
        put_type(b, p.ptr[i].type);
        if (p.ptr[i].indexed) sn_buf_cstr(b, " indexed");
        if (p.ptr[i].name.len) sn_buf_printf(b, " %.*s", SN_STR_ARG(p.ptr[i].name));
    }
    sn_buf_byte(b, ')');
}
int sn_abi_item_format(struct sn_buf *out, const struct sn_abi_item *it)
{
    sn_buf_cstr(out, kind_words[it->kind]);
    if (it->name.len) sn_buf_printf(out, " %.*s", SN_STR_ARG(it->name));
    put_params(out, it->in);
    if (it->kind >= SN_ABI_RECEIVE) sn_buf_cstr(out, " external");
    if (it->mutability != SN_ABI_NONPAYABLE && it->kind != SN_ABI_EVENT && it->kind != SN_ABI_ERROR)
        sn_buf_printf(out, " %s", sn_abi_mutability_name(it->mutability));
    if (it->anonymous) sn_buf_cstr(out, " anonymous");
    if (it->out.len) {
        sn_buf_cstr(out, " returns ");
        put_params(out, it->out);
    }
    return out->err;
}

static void write_params(struct sn_jsonw *w, const char *key, struct sn_abi_params p, bool event)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (size_t i = 0; i < p.len; i++) {
        const struct sn_abi_type *base = p.ptr[i].type;
        while (base->elem) base = base->elem;
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "name", p.ptr[i].name);
        struct sn_str canonical = p.ptr[i].type->canonical;
        if (base->kind == SN_ABI_TUPLE) {
            char text[8 * SN_ABI_DEPTH_MAX * 2];
            struct sn_buf b;
            sn_buf_init_fixed(&b, text, sizeof(text));
            sn_buf_printf(&b, "tuple%.*s",
                          SN_STR_ARG(sn_str_from(canonical, base->canonical.len)));
            sn_jsonw_kstr(w, "type", sn_buf_view(&b));
            write_params(w, "components", (struct sn_abi_params){base->components,
                                                                 base->n_components}, false);
        } else {
            sn_jsonw_kstr(w, "type", canonical);
        }
        if (p.ptr[i].type->internal.len)
            sn_jsonw_kstr(w, "internalType", p.ptr[i].type->internal);
        if (event) sn_jsonw_kbool(w, "indexed", p.ptr[i].indexed);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}
int sn_abi_json_write(struct sn_buf *out, const struct sn_abi *abi)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_array(&w);
    for (size_t i = 0; i < abi->n_items; i++) {
        const struct sn_abi_item *it = &abi->items[i];
        if (it->library) continue; /* its types are not expressible */
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "type", sn_str(kind_words[it->kind]));
        if (it->name.len) sn_jsonw_kstr(&w, "name", it->name);
        if (it->kind <= SN_ABI_CONSTRUCTOR)
            write_params(&w, "inputs", it->in, it->kind == SN_ABI_EVENT);
        if (it->kind == SN_ABI_METHOD) write_params(&w, "outputs", it->out, false);
        if (it->kind == SN_ABI_EVENT) sn_jsonw_kbool(&w, "anonymous", it->anonymous);
        else if (it->kind != SN_ABI_ERROR)
            sn_jsonw_kstr(&w, "stateMutability", sn_str(sn_abi_mutability_name(it->mutability)));
        sn_jsonw_object_end(&w);
    }
    sn_jsonw_array_end(&w);
    return out->err;
}
