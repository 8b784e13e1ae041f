/* SPDX-License-Identifier: Apache-2.0 */
/* evm/abi_artifact.c - the files that compilers and frameworks write: contracts with their names,
 * NatSpec, selectors, creation code and the libraries it wants. */
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/abi_int.h"

#define LIBRARIES_MAX 1024u

struct artifact {
    struct sn_str name, source, code;
    const struct sn_json *abi, *links, *ids, *user, *dev;
};
typedef SN_VEC(struct sn_abi_contract) contracts_vec;

static struct sn_str text_of(const struct sn_json *v, const char *key)
{
    struct sn_str s = sn_json_str(sn_json_get(v, key));
    return s.ptr ? s : SN_STR("");
}
static int copied(struct sn_arena *a, struct sn_str s, struct sn_str *ret)
{
    *ret = s.len ? sn_arena_str(a, s) : SN_STR("");
    return ret->ptr ? 0 : SN_E_NOMEM;
}

/* ---- NatSpec ---- */

/* Paragraphs; empty ones leave no trace. */
static int joined(struct sn_arena *a, struct sn_str x, struct sn_str y, struct sn_str *ret)
{
    if (!x.len || !y.len) return copied(a, x.len ? x : y, ret);
    *ret = sn_arena_printf(a, "%.*s\n%.*s", SN_STR_ARG(x), SN_STR_ARG(y));
    return ret->ptr ? 0 : SN_E_NOMEM;
}
/* Outputs without a name are _0, _1, ... in the notes. */
static int doc_params(struct sn_arena *a, const struct sn_json *notes, struct sn_abi_params p,
                      bool outputs)
{
    struct sn_abi_param *ps = (struct sn_abi_param *)p.ptr; /* made here, const for the readers */
    int r = 0;
    for (size_t i = 0; i < p.len && r == 0; i++) {
        char unnamed[24];
        struct sn_buf b;
        sn_buf_init_fixed(&b, unnamed, sizeof(unnamed));
        sn_buf_printf(&b, "_%zu", i);
        struct sn_str key = ps[i].name.len ? ps[i].name : outputs ? sn_buf_view(&b) : SN_STR("");
        r = copied(a, sn_json_str(sn_json_find(notes, key)), &ps[i].doc);
    }
    return r;
}
/* Errors and events may have a list of notes, one per declaration: the first is taken. */
static const struct sn_json *note(const struct sn_json *doc, const char *kind, struct sn_str key)
{
    const struct sn_json *v = sn_json_find(sn_json_get(doc, kind), key);
    return sn_json_is(v, SN_JSON_ARRAY) ? sn_json_at(v, 0) : v;
}
static int document(struct sn_arena *a, struct sn_abi_item *it, const struct artifact *art)
{
    static const char *const kinds[] = {[SN_ABI_METHOD] = "methods",
                                        [SN_ABI_EVENT] = "events",
                                        [SN_ABI_ERROR] = "errors",
                                        [SN_ABI_CONSTRUCTOR] = "methods"};
    if (it->kind > SN_ABI_CONSTRUCTOR) return 0;
    struct sn_str key = it->kind == SN_ABI_CONSTRUCTOR ? SN_STR("constructor") : it->signature;
    const struct sn_json *dev = note(art->dev, kinds[it->kind], key);
    const struct sn_json *user = note(art->user, kinds[it->kind], key);
    int r = joined(a, text_of(user, "notice"), text_of(dev, "details"), &it->doc);
    if (r == 0) r = doc_params(a, sn_json_get(dev, "params"), it->in, false);
    if (r == 0) r = doc_params(a, sn_json_get(dev, "returns"), it->out, true);
    return r;
}
static int document_all(struct sn_arena *a, sn_abi_item_vec *items, const struct artifact *art,
                        struct sn_str *ret)
{
    struct sn_str title = text_of(art->dev, "title");
    int r = joined(a, title, text_of(art->user, "notice"), ret);
    if (r == 0) r = joined(a, *ret, text_of(art->dev, "details"), ret);
    for (size_t i = 0; i < items->len && r == 0 && (art->user || art->dev); i++)
        r = document(a, &items->ptr[i], art);
    return r;
}

/* ---- selectors ---- */

static bool listed(const sn_abi_item_vec *items, size_t n, struct sn_str signature)
{
    for (size_t i = 0; i < n; i++)
        if (items->ptr[i].kind == SN_ABI_METHOD && sn_str_eq(items->ptr[i].signature, signature))
            return true;
    return false;
}
/* A library's functions have selectors over names of types ("f(Lib.S storage)"), which the ABI does
 * not show, or shows as something with another selector. The compiler's own list decides. */
static int apply_selectors(struct sn_arena *a, const struct sn_json *ids, sn_abi_item_vec *items)
{
    if (sn_json_len(ids) == 0) return 0;
    if (sn_json_len(ids) > SN_ABI_ITEMS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%zu selectors", sn_json_len(ids));
    size_t kept = 0;
    for (size_t i = 0; i < items->len; i++)
        if (items->ptr[i].kind != SN_ABI_METHOD || sn_json_find(ids, items->ptr[i].signature))
            items->ptr[kept++] = items->ptr[i];
    items->len = kept;
    for (SN_JSON_MEMBERS(ids, m)) {
        struct sn_str sig = sn_json_str(&m->key);
        struct sn_abi_item it = {.kind = SN_ABI_METHOD, .library = true};
        ssize_t open = sn_str_chr(sig, '(');
        if (open <= 0) return sn_fail(SN_E_SYNTAX, "methodIdentifiers: \"%.*s\" is no signature",
                                      (int)SN_MIN(sig.len, (size_t)60), sig.ptr);
        if (listed(items, kept, sig)) continue;
        int r = copied(a, sig, &it.signature);
        if (r == 0) r = copied(a, sn_str_sub(sig, 0, (size_t)open), &it.name);
        if (r < 0) return r;
        it.unique = it.name;
        sn_keccak256(sig.ptr, sig.len, it.topic);
        memcpy(it.selector, it.topic, SN_ABI_SELECTOR_LEN);
        if ((r = sn_vec_push(items, it)) < 0) return r;
    }
    return 0;
}

/* ---- creation code ---- */

/* {"contracts/Math.sol": {"Math": [{"start": 12, "length": 20}]}}; the placeholder is read from the
 * code itself, at twice the offset. */
static int load_libraries(struct sn_arena *a, const struct sn_json *refs, struct sn_abi_contract *c)
{
    size_t n = 0;
    for (SN_JSON_MEMBERS(refs, file)) n += sn_json_len(&file->value);
    if (n > LIBRARIES_MAX) return sn_fail(SN_E_TOO_LARGE, "%zu libraries", n);
    struct sn_abi_library *out = SN_ARENA_ARRAY(a, struct sn_abi_library, n);
    if (!out) return SN_E_NOMEM;
    c->libraries = out;
    for (SN_JSON_MEMBERS(refs, file))
        for (SN_JSON_MEMBERS(&file->value, lib)) {
            int64_t start = sn_json_i64_or(sn_json_path(&lib->value, "0.start"), -1);
            struct sn_str name = sn_json_str(&lib->key);
            if (start < 0 || (uint64_t)start > c->code.len / 2 ||
                c->code.len - 2 * (size_t)start < SN_ABI_PLACEHOLDER_LEN)
                return sn_fail(SN_E_SYNTAX, "link reference of %.*s is outside the bytecode",
                               SN_STR_ARG(name));
            struct sn_abi_library *l = &out[c->n_libraries++];
            l->placeholder = sn_str_sub(c->code, 2 * (size_t)start,
                                        2 * (size_t)start + SN_ABI_PLACEHOLDER_LEN);
            int r = copied(a, name, &l->name);
            if (r < 0) return r;
        }
    return 0;
}
/* Hex, with or without 0x, may hold placeholders. Text that is no code at all is an error. */
static int load_code(struct sn_arena *a, const struct artifact *art, struct sn_abi_contract *c)
{
    struct sn_str hex = art->code;
    bool linked = true;
    if (sn_str_starts(hex, SN_STR("0x"))) hex = sn_str_from(hex, 2);
    for (size_t i = 0; i < hex.len; i++) {
        if (!sn_abi_is_word_char(hex.ptr[i]))
            return sn_fail(SN_E_SYNTAX, "bytecode is not hexadecimal");
        linked &= hex.ptr[i] != '_' && hex.ptr[i] != '$';
    }
    if (hex.len % 2) return sn_fail(SN_E_SYNTAX, "half a byte of code");
    int r = copied(a, hex, &c->code);
    if (r == 0) r = load_libraries(a, art->links, c);
    if (r == 0 && !linked && c->n_libraries == 0)
        r = sn_fail(SN_E_SYNTAX, "unlinked bytecode without linkReferences");
    return r;
}

/* ---- files ---- */

static int load_contract(struct sn_arena *a, const struct artifact *art, contracts_vec *out)
{
    struct sn_abi_contract c = {0};
    sn_abi_item_vec items = {0};
    int r = copied(a, art->name, &c.name);
    if (r == 0) r = copied(a, art->source, &c.source);
    if (r == 0) r = sn_abi_json_items(a, art->abi, &items);
    if (r == 0) r = document_all(a, &items, art, &c.doc);
    if (r == 0) r = apply_selectors(a, art->ids, &items);
    if (r == 0) r = sn_abi_finish(a, &items, &c.abi);
    if (r == 0) r = load_code(a, art, &c);
    sn_vec_done(&items);
    if (r == 0) r = sn_vec_push(out, c);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(art->name)) : 0;
}
/* Metadata is an object in some artifacts and text in others. */
static const struct sn_json *metadata(struct sn_arena *tree, const struct sn_json *v)
{
    const struct sn_json *m = sn_json_get(v, "metadata"), *parsed = NULL;
    if (!sn_json_is(m, SN_JSON_STRING)) return m;
    if (m->len == 0 || sn_json_parse(tree, sn_json_str(m), NULL, &parsed) < 0) return NULL;
    return parsed;
}
static int load_artifact(struct sn_arena *a, struct sn_arena *tree, const struct sn_json *v,
                         struct artifact art, contracts_vec *out)
{
    const struct sn_json *evm = sn_json_get(v, "evm"), *meta = metadata(tree, v);
    const struct sn_json *code = sn_json_get(evm ? evm : v, "bytecode");
    bool object = sn_json_is(code, SN_JSON_OBJECT);
    art.abi = sn_json_get(v, "abi");
    art.ids = sn_json_get(evm ? evm : v, "methodIdentifiers");
    art.code = object ? text_of(code, "object") : sn_json_str(code);
    art.links = sn_json_get(object ? code : v, "linkReferences");
    art.user = sn_json_get(v, "userdoc");
    art.dev = sn_json_get(v, "devdoc");
    if (!art.user) art.user = sn_json_path(meta, "output.userdoc");
    if (!art.dev) art.dev = sn_json_path(meta, "output.devdoc");
    bool named = text_of(v, "contractName").len > 0;
    for (SN_JSON_MEMBERS(sn_json_path(meta, "settings.compilationTarget"), m)) {
        if (art.source.len == 0) art.source = sn_json_str(&m->key);
        if (!named) art.name = sn_json_str(&m->value);
    }
    if (named) art.name = text_of(v, "contractName");
    if (text_of(v, "sourceName").len) art.source = text_of(v, "sourceName");
    return load_contract(a, &art, out);
}
static int load_root(struct sn_arena *a, struct sn_arena *tree, const struct sn_json *root,
                     struct sn_str name, contracts_vec *out)
{
    struct artifact art = {.name = name};
    if (sn_json_is(root, SN_JSON_ARRAY)) {
        art.abi = root;
        return load_contract(a, &art, out);
    }
    if (sn_json_is(sn_json_get(root, "abi"), SN_JSON_ARRAY))
        return load_artifact(a, tree, root, art, out);
    const struct sn_json *contracts = sn_json_get(root, "contracts");
    if (!contracts) contracts = sn_json_path(root, "output.contracts");
    int r = 0;
    for (SN_JSON_MEMBERS(contracts, file))
        for (SN_JSON_MEMBERS(&file->value, m)) {
            if (r < 0 || !sn_json_is(sn_json_get(&m->value, "abi"), SN_JSON_ARRAY)) continue;
            art.name = sn_json_str(&m->key);
            art.source = sn_json_str(&file->key);
            r = load_artifact(a, tree, &m->value, art, out);
        }
    return r;
}
static int load_json(struct sn_arena *a, struct sn_str text, struct sn_str name, contracts_vec *out)
{
    struct sn_arena tree;
    const struct sn_json *root;
    sn_arena_init(&tree, NULL, 0);
    int r = sn_json_parse(&tree, text, NULL, &root);
    if (r == 0) r = load_root(a, &tree, root, name, out);
    if (r == 0 && out->len == 0) r = sn_fail(SN_E_NOT_FOUND, "no ABI in this JSON");
    sn_arena_done(&tree);
    return r;
}
int sn_abi_load(struct sn_arena *a, struct sn_str text, struct sn_str name,
                struct sn_abi_contracts *ret)
{
    contracts_vec v = {0};
    struct sn_str t = sn_str_trim(text);
    int r;
    if (t.len && (t.ptr[0] == '[' || t.ptr[0] == '{')) {
        r = load_json(a, t, name, &v);
    } else {
        struct sn_abi_contract c = {.name = name, .source = SN_STR(""), .doc = SN_STR("")};
        r = sn_abi_text_parse(a, t, &c.abi);
        if (r == 0) r = sn_vec_push(&v, c);
    }
    struct sn_abi_contract *out = r == 0 ? SN_ARENA_ARRAY(a, struct sn_abi_contract, v.len) : NULL;
    if (r == 0 && !out) r = SN_E_NOMEM;
    if (r == 0) {
        memcpy(out, v.ptr, v.len * sizeof(*out));
        *ret = (struct sn_abi_contracts){out, v.len};
    }
    sn_vec_done(&v);
    return r;
}
