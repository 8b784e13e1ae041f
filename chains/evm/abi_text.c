/* SPDX-License-Identifier: Apache-2.0 */
/* evm/abi_text.c - the human-readable grammar: types, parameters, items, structs used by name.
 *
 *   item   = [kind] [name] "(" params ")" word* ["returns" "(" params ")"]
 *   params = [param *("," param)]
 *   param  = type word* [name]           words: indexed, memory, calldata, storage, payable
 *   type   = (elementary | struct name | ["tuple"] "(" params ")") *("[" [N] "]")
 */
#include "core/map.h"
#include "core/status.h"
#include "evm/abi_int.h"

struct scan {
    struct sn_arena *a;
    struct sn_str all, rest;
    unsigned depth;
    unsigned nodes;                /* types made, against SN_ABI_TYPES_MAX */
    const struct sn_map *structs;  /* name -> const struct sn_abi_type *; may be NULL */
    struct sn_str unknown;         /* the type name that was not found, for struct ordering */
};

static void skip_space(struct scan *s)
{
    while (s->rest.len && sn_abi_is_space(s->rest.ptr[0])) s->rest = sn_str_from(s->rest, 1);
}
static int fail_at(struct scan *s, const char *want)
{
    size_t n = SN_MIN(s->rest.len, (size_t)24);
    if (n == 0)
        return sn_fail(SN_E_SYNTAX, "\"%.*s\": expected %s at the end",
                       (int)SN_MIN(s->all.len, (size_t)120), s->all.ptr, want);
    return sn_fail(SN_E_SYNTAX, "\"%.*s\": expected %s at \"%.*s\"",
                   (int)SN_MIN(s->all.len, (size_t)120), s->all.ptr, want, (int)n, s->rest.ptr);
}
static bool take(struct scan *s, char c)
{
    skip_space(s);
    if (!s->rest.len || s->rest.ptr[0] != c) return false;
    s->rest = sn_str_from(s->rest, 1);
    return true;
}
static struct sn_str peek_word(struct scan *s)
{
    skip_space(s);
    size_t n = 0;
    while (n < s->rest.len && (sn_abi_is_word_char(s->rest.ptr[n]) ||
                               (s->rest.ptr[n] == '.' && n > 0)))
        n++;
    return sn_str_sub(s->rest, 0, n);
}
static struct sn_str take_word(struct scan *s)
{
    struct sn_str w = peek_word(s);
    s->rest = sn_str_from(s->rest, w.len);
    return w;
}

static int parse_params(struct scan *s, bool event, struct sn_abi_params *ret);

static int named_type(struct scan *s, struct sn_str word, const struct sn_abi_type **ret)
{
    int r = sn_abi_elementary(s->a, word, ret);
    if (r != SN_E_NOT_FOUND) return r;
    ssize_t dot = sn_str_rchr(word, '.');
    *ret = s->structs ? sn_map_get(s->structs, sn_str_from(word, (size_t)(dot + 1))) : NULL;
    if (*ret) return 0;
    s->unknown = word;
    return sn_fail(SN_E_SYNTAX, "\"%.*s\" is no type", (int)SN_MIN(word.len, (size_t)60),
                   word.ptr);
}
static int parse_type(struct scan *s, const struct sn_abi_type **ret)
{
    if (++s->nodes > SN_ABI_TYPES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %d types", SN_ABI_TYPES_MAX);
    const struct sn_abi_type *t;
    struct sn_str word = take_word(s);
    int r;
    if (word.len == 0 || sn_str_eqc(word, "tuple")) {
        if (!take(s, '(')) return fail_at(s, word.len ? "( after tuple" : "a type");
        if (++s->depth > SN_ABI_DEPTH_MAX)
            return sn_fail(SN_E_DEPTH, "more than %d levels", SN_ABI_DEPTH_MAX);
        struct sn_abi_params p;
        r = parse_params(s, false, &p);
        s->depth--;
        if (r == 0) r = sn_abi_tuple_of(s->a, p, &t);
    } else {
        r = named_type(s, word, &t);
    }
    if (r < 0) return r;
    size_t n = 0; /* dimensions follow without white space, as Solidity's formatter writes them */
    while (n < s->rest.len && s->rest.ptr[n] == '[') {
        ssize_t end = sn_str_chr(sn_str_from(s->rest, n), ']');
        if (end < 0) return fail_at(s, "]");
        n += (size_t)end + 1;
    }
    struct sn_str dims = sn_str_sub(s->rest, 0, n);
    s->rest = sn_str_from(s->rest, n);
    return sn_abi_dimensions(s->a, t, dims, ret);
}
static bool is_location(struct sn_str w)
{
    return sn_str_eqc(w, "memory") || sn_str_eqc(w, "calldata") || sn_str_eqc(w, "storage");
}
static int parse_param(struct scan *s, bool event, struct sn_abi_param *ret)
{
    struct sn_abi_param p = {0};
    int r = parse_type(s, &p.type);
    if (r < 0) return r;
    for (;;) {
        struct sn_str w = peek_word(s);
        if (w.len == 0) break;
        if (is_location(w) && !p.name.len) {
            take_word(s);
        } else if (event && !p.indexed && !p.name.len && sn_str_eqc(w, "indexed")) {
            take_word(s);
            p.indexed = true;
        } else if (p.type->kind == SN_ABI_ADDRESS && !p.name.len && sn_str_eqc(w, "payable")) {
            take_word(s);
        } else if (!p.name.len && sn_abi_is_identifier(w)) {
            p.name = sn_arena_str(s->a, take_word(s));
            if (!p.name.ptr) return SN_E_NOMEM;
        } else {
            return fail_at(s, "a comma or )");
        }
    }
    *ret = p;
    return 0;
}
/* Behind the opening parenthesis, up to and with the closing one. */
static int parse_params(struct scan *s, bool event, struct sn_abi_params *ret)
{
    SN_VEC(struct sn_abi_param) v = {0};
    int r = 0;
    if (!take(s, ')')) {
        do {
            struct sn_abi_param p;
            r = v.len < SN_ABI_PARAMS_MAX
                    ? parse_param(s, event, &p)
                    : sn_fail(SN_E_TOO_LARGE, "more than %d parameters", SN_ABI_PARAMS_MAX);
            if (r == 0) r = sn_vec_push(&v, p);
        } while (r == 0 && take(s, ','));
        if (r == 0 && !take(s, ')')) r = fail_at(s, "a comma or )");
    }
    struct sn_abi_param *out = NULL;
    if (r == 0 && !(out = SN_ARENA_ARRAY(s->a, struct sn_abi_param, v.len))) r = SN_E_NOMEM;
    if (r == 0) {
        if (v.len) memcpy(out, v.ptr, v.len * sizeof(*out));
        *ret = (struct sn_abi_params){out, v.len};
    }
    sn_vec_done(&v);
    return r;
}

static struct scan scan_of(struct sn_arena *a, struct sn_str text)
{
    return (struct scan){.a = a, .all = text, .rest = text};
}
int sn_abi_type_parse(struct sn_arena *a, struct sn_str text, const struct sn_abi_type **ret)
{
    struct scan s = scan_of(a, text);
    const struct sn_abi_type *t;
    int r = parse_type(&s, &t);
    if (r < 0) return r;
    if (t->kind == SN_ABI_ADDRESS && sn_str_eqc(peek_word(&s), "payable")) take_word(&s);
    skip_space(&s);
    if (s.rest.len) return fail_at(&s, "nothing more");
    *ret = t;
    return 0;
}
int sn_abi_params_parse(struct sn_arena *a, struct sn_str text, struct sn_abi_params *ret)
{
    struct sn_str t = sn_str_trim(text);
    struct scan s = scan_of(a, t);
    /* "(a,b)" is two parameters unless something follows the parenthesis: "(a,b)[2] c". */
    if (t.len && t.ptr[0] == '(' && take(&s, '(')) {
        struct sn_abi_params p;
        int r = parse_params(&s, false, &p);
        if (r < 0) return r;
        skip_space(&s);
        if (!s.rest.len) {
            *ret = p;
            return 0;
        }
    }
    struct sn_str closed = sn_arena_printf(a, "%.*s)", SN_STR_ARG(t));
    if (!closed.ptr) return SN_E_NOMEM;
    s = scan_of(a, closed);
    struct sn_abi_params p;
    int r = parse_params(&s, false, &p);
    if (r < 0) return r;
    if (s.rest.len) return fail_at(&s, "nothing more");
    *ret = p;
    return 0;
}

static uint8_t item_kind(struct sn_str w)
{
    static const struct {
        const char *word;
        uint8_t kind;
    } kinds[] = {{"function", SN_ABI_METHOD},       {"event", SN_ABI_EVENT},
                 {"error", SN_ABI_ERROR},           {"constructor", SN_ABI_CONSTRUCTOR},
                 {"receive", SN_ABI_RECEIVE},       {"fallback", SN_ABI_FALLBACK}};
    for (size_t i = 0; i < SN_COUNT_OF(kinds); i++)
        if (sn_str_eqc(w, kinds[i].word)) return kinds[i].kind;
    return 0;
}
static int parse_modifiers(struct scan *s, struct sn_abi_item *it)
{
    static const char *const ignored[] = {"external", "public",  "internal", "private",
                                          "virtual",  "override", "nonpayable"};
    for (;;) {
        struct sn_str w = peek_word(s);
        bool known = false, callable = it->kind != SN_ABI_EVENT && it->kind != SN_ABI_ERROR;
        if (w.len == 0 || sn_str_eqc(w, "returns")) return 0;
        if (it->kind == SN_ABI_EVENT && sn_str_eqc(w, "anonymous")) it->anonymous = known = true;
        for (size_t i = 0; i < SN_COUNT_OF(ignored) && callable; i++)
            known |= sn_str_eqc(w, ignored[i]);
        if (callable && sn_str_eqc(w, "payable")) {
            it->mutability = SN_ABI_PAYABLE;
            known = true;
        }
        if (it->kind == SN_ABI_METHOD && (sn_str_eqc(w, "view") || sn_str_eqc(w, "constant"))) {
            it->mutability = SN_ABI_VIEW;
            known = true;
        }
        if (it->kind == SN_ABI_METHOD && sn_str_eqc(w, "pure")) {
            it->mutability = SN_ABI_PURE;
            known = true;
        }
        if (!known) return fail_at(s, "a modifier");
        take_word(s);
    }
}
static int parse_item(struct scan *s, struct sn_abi_item *ret)
{
    struct sn_abi_item it = {.kind = SN_ABI_METHOD};
    struct sn_str w = take_word(s);
    uint8_t kind = item_kind(w);
    bool needs_name = true;
    skip_space(s);
    /* "error" alone is no reserved word: a function may have that name. */
    if (kind && !(kind == SN_ABI_ERROR && s->rest.len && s->rest.ptr[0] == '(')) {
        it.kind = kind;
        needs_name = kind <= SN_ABI_ERROR;
        if (needs_name) w = take_word(s);
    }
    if (needs_name) {
        if (!sn_abi_is_identifier(w)) return fail_at(s, "a name");
        it.name = sn_arena_str(s->a, w);
        if (!it.name.ptr) return SN_E_NOMEM;
    }
    if (!take(s, '(')) return fail_at(s, "(");
    int r = parse_params(s, it.kind == SN_ABI_EVENT, &it.in);
    if (r == 0) r = parse_modifiers(s, &it);
    if (r < 0) return r;
    if (it.kind == SN_ABI_RECEIVE) it.mutability = SN_ABI_PAYABLE;
    if (it.kind == SN_ABI_METHOD && sn_str_eqc(peek_word(s), "returns")) {
        take_word(s);
        if (!take(s, '(')) return fail_at(s, "(");
        r = parse_params(s, false, &it.out);
        if (r < 0) return r;
    }
    while (take(s, ';')) {}
    skip_space(s);
    if (s->rest.len) return fail_at(s, "the end of the item");
    r = sn_abi_item_finish(s->a, &it);
    if (r < 0) return r;
    *ret = it;
    return 0;
}
int sn_abi_item_parse(struct sn_arena *a, struct sn_str text, struct sn_abi_item *ret)
{
    struct scan s = scan_of(a, sn_str_trim(text));
    return parse_item(&s, ret);
}

/* ---- several items, with structs ---- */

/* Comments become spaces; quotes do not occur in the grammar. */
static struct sn_str without_comments(struct sn_arena *a, struct sn_str text)
{
    char *out = sn_arena_alloc(a, text.len + 1);
    if (!out) return (struct sn_str){0};
    for (size_t i = 0; i < text.len; i++) {
        bool slash = text.ptr[i] == '/' && i + 1 < text.len;
        if (slash && text.ptr[i + 1] == '/') {
            while (i < text.len && text.ptr[i] != '\n') out[i++] = ' ';
        } else if (slash && text.ptr[i + 1] == '*') {
            size_t from = i;
            for (i += 2; i < text.len && !(text.ptr[i - 1] == '*' && text.ptr[i] == '/' &&
                                           i - 2 > from); i++) {}
            memset(out + from, ' ', SN_MIN(i + 1, text.len) - from);
            continue;
        }
        if (i < text.len) out[i] = text.ptr[i];
    }
    return sn_str_of(out, text.len);
}
/* The next item: up to ';', the '}' of a struct, or a line end outside all brackets. */
static struct sn_str next_piece(struct sn_str *text)
{
    int depth = 0;
    bool seen = false;
    for (size_t i = 0; i < text->len; i++) {
        char c = text->ptr[i];
        depth += (c == '(' || c == '{') - (c == ')' || c == '}');
        seen |= !sn_abi_is_space(c);
        bool end = depth <= 0 && ((c == ';') || c == '}' || (c == '\n' && seen));
        if (!end) continue;
        struct sn_str piece = sn_str_sub(*text, 0, i + 1);
        *text = sn_str_from(*text, i + 1);
        return sn_str_trim(piece);
    }
    struct sn_str piece = sn_str_trim(*text);
    *text = (struct sn_str){0};
    return piece;
}
/* "struct A {...}", "enum E {...}", "type T is uint;": names of types, not items. */
static bool declares(struct sn_str piece, const char *word)
{
    size_t n = strlen(word);
    return sn_str_starts(piece, sn_str(word)) && piece.len > n && sn_abi_is_space(piece.ptr[n]);
}
static bool is_struct(struct sn_str piece) { return declares(piece, "struct"); }
static bool is_alias(struct sn_str piece)
{
    return declares(piece, "enum") || declares(piece, "type");
}
static int declare(struct sn_map *types, struct sn_str name, const struct sn_abi_type *t)
{
    int put = sn_map_put(types, name, (void *)t, NULL);
    return put == 0 ? sn_fail(SN_E_SYNTAX, "%.*s is declared twice", SN_STR_ARG(name))
                    : SN_MIN(put, 0);
}
/* "enum Mood { Good, Bad }" is an uint8, "type Price is uint256" what it says; both keep their names. */
static int parse_alias(struct sn_arena *a, struct sn_str piece, struct sn_map *types)
{
    struct scan s = scan_of(a, piece);
    const struct sn_abi_type *t = NULL;
    bool is_enum = sn_str_eqc(take_word(&s), "enum");
    struct sn_str name = take_word(&s), base = SN_STR("uint8");
    if (!sn_abi_is_identifier(name)) return fail_at(&s, "the type's name");
    if (is_enum) {
        if (!take(&s, '{')) return fail_at(&s, "{");
        do
            if (!sn_abi_is_identifier(take_word(&s))) return fail_at(&s, "a value's name");
        while (take(&s, ','));
        if (!take(&s, '}')) return fail_at(&s, "}");
    } else {
        if (!sn_str_eqc(take_word(&s), "is")) return fail_at(&s, "is");
        base = take_word(&s);
    }
    while (take(&s, ';')) {}
    skip_space(&s);
    if (s.rest.len) return fail_at(&s, "the end of the declaration");
    int r = sn_abi_elementary(a, base, &t);
    if (r == SN_E_NOT_FOUND) return fail_at(&s, "an elementary type");
    struct sn_str internal = {0};
    if (r == 0) {
        internal = sn_arena_printf(a, "%s%.*s", is_enum ? "enum " : "", SN_STR_ARG(name));
        r = internal.ptr ? sn_abi_with_internal(a, t, internal, &t) : SN_E_NOMEM;
    }
    return r < 0 ? r : declare(types, sn_str_from(internal, is_enum ? 5 : 0), t);
}
/* "struct Point { uint x; uint y; }" into the map. */
static int parse_struct(struct sn_arena *a, struct sn_str piece, struct sn_map *structs,
                        struct sn_str *ret_unknown)
{
    struct scan s = scan_of(a, piece);
    s.structs = structs;
    take_word(&s);
    struct sn_str name = take_word(&s);
    if (!sn_abi_is_identifier(name)) return fail_at(&s, "the struct's name");
    if (!take(&s, '{')) return fail_at(&s, "{");
    SN_VEC(struct sn_abi_param) v = {0};
    int r = 0;
    while (r == 0 && !take(&s, '}')) {
        struct sn_abi_param p;
        r = v.len < SN_ABI_PARAMS_MAX ? parse_param(&s, false, &p)
                                      : sn_fail(SN_E_TOO_LARGE, "struct %.60s: too many members",
                                                name.ptr);
        if (r == 0 && !take(&s, ';')) r = fail_at(&s, ";");
        if (r == 0) r = sn_vec_push(&v, p);
    }
    struct sn_abi_param *members = r == 0 ? SN_ARENA_ARRAY(a, struct sn_abi_param, v.len) : NULL;
    const struct sn_abi_type *t = NULL;
    if (r == 0 && !members) r = SN_E_NOMEM;
    if (r == 0) {
        if (v.len) memcpy(members, v.ptr, v.len * sizeof(*members));
        r = sn_abi_tuple_of(a, (struct sn_abi_params){members, v.len}, &t);
    }
    sn_vec_done(&v);
    struct sn_str internal = {0};
    if (r == 0) {
        internal = sn_arena_printf(a, "struct %.*s", SN_STR_ARG(name));
        r = internal.ptr ? sn_abi_with_internal(a, t, internal, &t) : SN_E_NOMEM;
    }
    if (r == 0) r = declare(structs, sn_str_from(internal, 7), t);
    *ret_unknown = s.unknown;
    return r;
}
/* Structs may use one another in any order: rounds until one makes no progress. */
static int parse_structs(struct sn_arena *a, const struct sn_str *pieces, size_t n, bool *done,
                         struct sn_map *structs)
{
    for (bool moved = true; moved;) {
        int last = 0;
        moved = false;
        for (size_t i = 0; i < n; i++) {
            struct sn_str unknown = {0};
            if (done[i] || !is_struct(pieces[i])) continue;
            int r = parse_struct(a, pieces[i], structs, &unknown);
            if (r == 0) done[i] = moved = true;
            else if (unknown.len == 0) return r;
            else last = r;
        }
        if (!moved && last < 0) return sn_wrap(last, "struct (or one that contains itself)");
    }
    return 0;
}
#define STRUCTS_MAX 1024 /* rounds are quadratic in them */

typedef SN_VEC(struct sn_str) pieces_vec;
static int split(struct sn_str text, pieces_vec *ret)
{
    size_t structs = 0;
    while (text.ptr) {
        struct sn_str piece = next_piece(&text);
        if (piece.len == 0 || (piece.len == 1 && piece.ptr[0] == ';')) continue;
        structs += is_struct(piece) || is_alias(piece);
        if (ret->len >= SN_ABI_ITEMS_MAX || structs > STRUCTS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "more than %d items or %d structs", SN_ABI_ITEMS_MAX,
                           STRUCTS_MAX);
        int r = sn_vec_push(ret, piece);
        if (r < 0) return r;
    }
    return 0;
}
int sn_abi_text_parse(struct sn_arena *a, struct sn_str text, struct sn_abi *ret)
{
    pieces_vec pieces = {0};
    sn_abi_item_vec items = {0};
    struct sn_map structs;
    sn_map_init(&structs, 0, false);
    text = without_comments(a, text);
    int r = text.ptr ? split(text, &pieces) : SN_E_NOMEM;
    bool *done = r == 0 ? sn_zalloc(pieces.len + 1, sizeof(bool)) : NULL;
    if (r == 0 && !done) r = SN_E_NOMEM;
    for (size_t i = 0; i < pieces.len && r == 0; i++)
        if (is_alias(pieces.ptr[i])) r = parse_alias(a, pieces.ptr[i], &structs);
    if (r == 0) r = parse_structs(a, pieces.ptr, pieces.len, done, &structs);
    for (size_t i = 0; i < pieces.len && r == 0; i++) {
        if (is_struct(pieces.ptr[i]) || is_alias(pieces.ptr[i])) continue;
        struct scan s = scan_of(a, pieces.ptr[i]);
        struct sn_abi_item it;
        s.structs = &structs;
        r = parse_item(&s, &it);
        if (r == 0) r = sn_vec_push(&items, it);
    }
    if (r == 0) r = sn_abi_finish(a, &items, ret);
    sn_free(done);
    sn_vec_done(&items);
    sn_vec_done(&pieces);
    sn_map_done(&structs);
    return r;
}
