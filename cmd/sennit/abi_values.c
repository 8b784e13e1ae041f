/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/abi_values.c - what the abi commands share: see abi_cmd.h. Files stay mapped until the program
 * ends, so that nothing needs to say who borrows them. */
#include "core/enc.h"
#include "core/status.h"
#include "sennit/abi_cmd.h"
#include "sennit/files.h"

/* "0x..." of an operand, or of the file behind '@'. */
int abi_read_hex(struct sn_arena *a, struct sn_str s, struct sn_str *ret)
{
    int r = 0;
    if (sn_str_starts(s, SN_STR("@"))) r = files_map(sn_str_from(s, 1), &s);
    if (r < 0) return r;
    s = sn_str_trim(s);
    if (sn_str_starts(s, SN_STR("0x"))) s = sn_str_from(s, 2);
    char *out = sn_arena_alloc(a, s.len / 2 + 1);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_hex_decode(s, out);
    if (n < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "expected 0x and an even number of hex digits, got \"%.*s\"",
                       (int)SN_MIN(s.len, (size_t)40), s.ptr);
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}
/* The file's contracts as one list of items. */
int abi_load_file(struct sn_arena *a, struct sn_str path, struct sn_abi_contracts *ret)
{
    struct sn_str text;
    struct sn_str name = path;
    for (ssize_t at; (at = sn_str_chr(name, '/')) >= 0;) name = sn_str_from(name, (size_t)at + 1);
    ssize_t dot = sn_str_chr(name, '.');
    if (dot > 0) name = sn_str_sub(name, 0, (size_t)dot);
    int r = files_map(path, &text);
    if (r == 0) r = sn_abi_load(a, text, name, ret);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(path)) : 0;
}
/* The method named `what` in the file, or what `what` itself says. */
int abi_find_method(struct sn_arena *a, const struct abi_file_opts *file, struct sn_str what,
                    struct sn_abi_item *ret)
{
    struct sn_abi_contracts c;
    const struct sn_abi_item *it = NULL;
    if (!file->abi.len) return sn_abi_item_parse(a, what, ret);
    int r = abi_load_file(a, file->abi, &c), last = 0;
    if (r < 0) return r;
    for (size_t i = 0; i < c.len; i++) {
        const struct sn_abi_item *found;
        if (file->contract.len && !sn_str_eq(file->contract, c.ptr[i].name)) continue;
        r = sn_abi_method(&c.ptr[i].abi, what, &found);
        if (r < 0) {
            last = r;
            continue;
        }
        if (it && !sn_str_eq(it->signature, found->signature))
            return sn_fail(SN_E_FAILED_PRECONDITION, "several contracts have %.*s: give --contract",
                           SN_STR_ARG(what));
        it = found;
    }
    if (!it && last < 0) return last;
    if (!it) return sn_fail(SN_E_NOT_FOUND, "no contract %.*s", SN_STR_ARG(file->contract));
    *ret = *it;
    return 0;
}

/* An operand: JSON for what has parts, else its text as it is. */
static int operand(struct sn_arena *a, const struct sn_abi_type *t, struct sn_str text,
                   struct sn_abi_value *ret)
{
    struct sn_json leaf = sn_json_string(text);
    const struct sn_json *v = &leaf;
    if (t->kind > SN_ABI_STRING) {
        int r = sn_json_parse(a, text, NULL, &v);
        if (r < 0) return sn_wrap(r, "%.*s as JSON", (int)SN_MIN(text.len, (size_t)40), text.ptr);
    }
    return sn_abi_from_json(a, t, v, ret);
}
int abi_encode_args(struct sn_arena *a, const struct sn_abi_item *it, const struct sn_str *args,
                    size_t n, const struct abi_encoding *how, struct sn_buf *b)
{
    struct sn_abi_value *items = SN_ARENA_ARRAY(a, struct sn_abi_value, n), v;
    const struct sn_abi_type *t;
    if (!items) return SN_E_NOMEM;
    if (n != it->in.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s takes %zu values, got %zu",
                       SN_STR_ARG(it->signature), it->in.len, n);
    for (size_t i = 0; i < n; i++) {
        int r = operand(a, it->in.ptr[i].type, args[i], &items[i]);
        if (r < 0) return sn_wrap(r, "value %zu", i + 1);
    }
    v = sn_abi_items(items, (uint32_t)n);
    int r = sn_abi_params_type(a, it->in, &t);
    if (r < 0) return r;
    if (how && how->packed) return sn_abi_encode_packed(t, &v, b);
    if (!how || !how->params) sn_buf_put(b, it->selector, SN_ABI_SELECTOR_LEN);
    return sn_abi_encode(t, &v, b);
}
void abi_put_hex(struct sn_buf *out, struct sn_str s)
{
    sn_buf_cstr(out, "0x");
    sn_buf_hex(out, s.ptr, s.len);
}
/* A line per parameter: name, type, value as JSON. */
void abi_write_values(struct sn_buf *out, const struct sn_abi_type *t,
                      const struct sn_abi_value *v, bool json)
{
    struct sn_jsonw w;
    if (json) {
        sn_jsonw_init(&w, out, NULL);
        sn_abi_to_json(&w, t, v);
        return;
    }
    for (size_t i = 0; i < v->len; i++) {
        const struct sn_abi_param *p = &t->components[i];
        if (i) sn_buf_byte(out, '\n');
        sn_buf_printf(out, "%.*s %.*s: ", SN_STR_ARG(p->type->canonical),
                      SN_STR_ARG(p->name.len ? p->name : SN_STR("_")));
        sn_jsonw_init(&w, out, NULL);
        sn_abi_to_json(&w, p->type, &v->items[i]);
    }
}
