/* SPDX-License-Identifier: Apache-2.0 */
/* kit/config.c - binds a document to a table: places, paths, and every error at once. */
#include "kit/config.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "kit/config_int.h"
#include "kit/suggest.h"

#define FIELDS_MAX 256
#define DEPTH_MAX 64

/* Where the binder is: a chain through its own frames, so that only a message costs anything. */
struct path {
    const struct path *up;
    struct sn_str name; /* of a member; .ptr NULL for an element */
    size_t index;
};

/* ---- errors ---- */

static bool bare(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = sn_ascii_lower(s.ptr[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return s.len > 0;
}

static void put_path(const struct path *p, struct sn_buf *out)
{
    const struct path *chain[DEPTH_MAX];
    size_t n = 0;
    for (; p && n < DEPTH_MAX; p = p->up) chain[n++] = p;
    bool first = true;
    while (n-- > 0) {
        p = chain[n];
        if (!p->name.ptr) {
            sn_buf_printf(out, "[%zu]", p->index);
        } else if (bare(p->name)) {
            sn_buf_printf(out, "%s%.*s", first ? "" : ".", SN_STR_ARG(p->name));
        } else {
            sn_buf_byte(out, '[');
            sn_json_write_string(out, p->name);
            sn_buf_byte(out, ']');
        }
        first = false;
    }
}

static void record(struct sn_conf *c, struct sn_yaml_pos pos, struct sn_str path,
                   struct sn_str text)
{
    unsigned i = c->n_errors++;
    if (i >= SN_CONF_ERRORS_MAX) return;
    char place[32] = "";
    if (pos.line) snprintf(place, sizeof(place), ":%u:%u", pos.line, pos.column);
    c->errors[i].pos = pos;
    c->errors[i].text = sn_arena_printf(c->arena, "%.*s%s: %.*s%s%.*s", SN_STR_ARG(c->file), place,
                                        SN_STR_ARG(path), path.len ? ": " : "", SN_STR_ARG(text));
}

static void record_at(struct sn_conf *c, const struct sn_json *node, const struct path *p,
                      struct sn_str text)
{
    char mem[SN_CONF_PATH_MAX];
    struct sn_buf b;
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    put_path(p, &b);
    struct sn_yaml_pos pos = {0};
    if (node && c->doc.root) pos = sn_yaml_pos(&c->doc, node);
    record(c, pos, sn_buf_view(&b), text);
}

static SN_PRINTF(4, 5) void complain(struct sn_conf *c, const struct sn_json *node,
                                     const struct path *p, const char *fmt, ...)
{
    char text[SN_DIAG_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    record_at(c, node, p, sn_str(text));
}

int sn_conf_status(const struct sn_conf *c)
{
    if (c->n_errors == 0) return 0;
    const struct sn_conf_error *first = &c->errors[0];
    for (unsigned i = 1; i < SN_MIN(c->n_errors, (unsigned)SN_CONF_ERRORS_MAX); i++)
        if (c->errors[i].pos.line < first->pos.line) first = &c->errors[i];
    if (c->n_errors == 1) return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s", SN_STR_ARG(first->text));
    return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s (and %u more)", SN_STR_ARG(first->text),
                   c->n_errors - 1);
}

static int by_place(const void *a, const void *b)
{
    const struct sn_yaml_pos *x = &((const struct sn_conf_error *)a)->pos;
    const struct sn_yaml_pos *y = &((const struct sn_conf_error *)b)->pos;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

int sn_conf_report(struct sn_conf *c, struct sn_buf *out)
{
    unsigned n = SN_MIN(c->n_errors, (unsigned)SN_CONF_ERRORS_MAX);
    qsort(c->errors, n, sizeof(c->errors[0]), by_place);
    for (unsigned i = 0; i < n; i++) {
        sn_buf_str(out, c->errors[i].text);
        sn_buf_byte(out, '\n');
    }
    if (c->n_errors > n)
        sn_buf_printf(out, "%.*s: %u more errors\n", SN_STR_ARG(c->file), c->n_errors - n);
    return out->err;
}

/* The next step of "a.b[2]["c.d"]". Returns false at the end or where it is malformed. */
static bool next_step(struct sn_str *rest, struct sn_str *ret_name, size_t *ret_index)
{
    struct sn_str s = *rest;
    if (s.len && s.ptr[0] == '.') s = sn_str_from(s, 1);
    if (s.len == 0) return false;
    *ret_name = (struct sn_str){0};
    if (s.ptr[0] != '[') {
        size_t n = 0;
        while (n < s.len && s.ptr[n] != '.' && s.ptr[n] != '[') n++;
        *ret_name = sn_str_sub(s, 0, n);
        *rest = sn_str_from(s, n);
        return n > 0;
    }
    bool quoted = s.len > 1 && s.ptr[1] == '"';
    ssize_t end = sn_str_find(s, quoted ? SN_STR("\"]") : SN_STR("]"));
    if (end < 0) return false;
    struct sn_str inner = sn_str_sub(s, quoted ? 2 : 1, (size_t)end);
    *rest = sn_str_from(s, (size_t)end + (quoted ? 2 : 1));
    uint64_t i = 0;
    if (quoted) *ret_name = inner;
    else if (sn_str_to_u64(inner, &i) < 0) return false;
    *ret_index = (size_t)i;
    return true;
}

void sn_conf_error(struct sn_conf *c, const char *path, const char *fmt, ...)
{
    char text[SN_DIAG_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const struct sn_json *node = c->doc.root;
    struct sn_str rest = sn_str(path), name;
    size_t index = 0;
    while (node && next_step(&rest, &name, &index)) {
        const struct sn_json *in = name.ptr ? sn_json_find(node, name) : sn_json_at(node, index);
        if (!in) break;
        node = in;
    }
    record(c, node ? sn_yaml_pos(&c->doc, node) : (struct sn_yaml_pos){0}, sn_str(path),
           sn_str(text));
}

/* ---- binding ---- */

static int bind_struct(struct sn_conf *c, const struct sn_conf_table *t, const struct path *p,
                       const struct sn_json *node, char *out, bool defaults_only);

static int bind_value(struct sn_conf *c, const struct sn_conf_field *f, enum sn_conf_type type,
                      const struct path *p, const struct sn_json *v, char *to, size_t size)
{
    if (type == SN_CONF_T_STRUCT) return bind_struct(c, f->sub, p, v, to, false);
    char mem[SN_DIAG_BYTES];
    struct sn_buf why;
    sn_buf_init_fixed(&why, mem, sizeof(mem));
    int r = sn_conf_scalar_(f, type, v, to, size, &why);
    if (r != SN_E_INVALID_ARGUMENT) return r;
    record_at(c, v, p, sn_buf_view(&why));
    return 0;
}

static bool length_ok(struct sn_conf *c, const struct sn_conf_field *f, const struct path *p,
                      const struct sn_json *v)
{
    if (!sn_conf_bounded_(f) || ((int64_t)v->len >= f->min && (int64_t)v->len <= f->max))
        return true;
    if (f->max == INT64_MAX)
        complain(c, v, p, "expected at least %lld elements, got %u", (long long)f->min, v->len);
    else
        complain(c, v, p, "expected %lld to %lld elements, got %u", (long long)f->min,
                 (long long)f->max, v->len);
    return false;
}

static int bind_list(struct sn_conf *c, const struct sn_conf_field *f, const struct path *p,
                     const struct sn_json *v, char *out)
{
    bool map = f->type == SN_CONF_T_MAP;
    if (v->kind != (map ? SN_JSON_OBJECT : SN_JSON_ARRAY)) {
        complain(c, v, p, "expected %s, got %s", map ? "a mapping" : "a list",
                 v->kind == SN_JSON_ARRAY ? "a list" : v->kind == SN_JSON_OBJECT ? "a mapping" :
                 v->kind == SN_JSON_STRING ? "a string" : sn_json_kind_name(v->kind));
        return 0;
    }
    if (!length_ok(c, f, p, v)) return 0;
    size_t n = v->len;
    char *list = sn_arena_array(c->arena, n, f->elem_size);
    if (!list) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        char *to = list + i * f->elem_size;
        struct path q = {.up = p, .index = i};
        const struct sn_json *item = map ? &v->members[i].value : &v->items[i];
        if (map) {
            q.name = sn_json_str(&v->members[i].key);
            memcpy(to + f->key_offset, &q.name, sizeof(q.name));
            if (f->item != SN_CONF_T_STRUCT) to += f->value_offset;
        }
        int r = bind_value(c, f, f->item, &q, item, to, f->item_size);
        if (r < 0) return r;
        /* Binding a struct clears nothing, so the key survives in its element. */
    }
    memcpy(out + f->offset, &list, sizeof(list));
    memcpy(out + f->len_offset, &n, sizeof(n));
    return 0;
}

/* Each name by itself, so that a wrong one is placed. */
static int bind_flags(struct sn_conf *c, const struct sn_conf_field *f, const struct path *p,
                      const struct sn_json *v, char *to)
{
    int64_t all = 0, one = 0;
    for (SN_JSON_EACH(v, it)) {
        struct path q = {.up = p, .index = (size_t)(it - v->items)};
        int r = bind_value(c, f, SN_CONF_T_ENUM, &q, it, (char *)&one, sizeof(one));
        if (r < 0) return r;
        all |= one;
    }
    sn_conf_store_int_(to, f->size, all);
    return 0;
}

static int bind_field(struct sn_conf *c, const struct sn_conf_field *f, const struct path *p,
                      const struct sn_json *v, char *out)
{
    /* Tag 0 is what a fresh struct holds anyway; and fields without a tag have tag_offset 0, where
     * another member lives. */
    if (f->oneof && f->tag) memcpy(out + f->tag_offset, &f->tag, sizeof(f->tag));
    if (f->has_given) out[f->given_offset] = true;
    if (f->type == SN_CONF_T_LIST || f->type == SN_CONF_T_MAP) return bind_list(c, f, p, v, out);
    if (f->type == SN_CONF_T_FLAGS && v->kind == SN_JSON_ARRAY)
        return bind_flags(c, f, p, v, out + f->offset);
    return bind_value(c, f, f->type, p, v, out + f->offset, f->size);
}

static void unknown_field(struct sn_conf *c, const struct sn_conf_table *t, const struct path *p,
                          const struct sn_json *key)
{
    struct sn_suggest near = sn_suggest_begin(sn_json_str(key));
    char mem[SN_DIAG_BYTES];
    struct sn_buf b;
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    sn_buf_cstr(&b, "unknown field");
    for (size_t i = 0; i < t->n_fields; i++)
        if (!t->fields[i].hidden) sn_suggest_offer(&near, sn_str(t->fields[i].name));
    if (near.best.ptr) {
        sn_buf_printf(&b, "; did you mean \"%.*s\"?", SN_STR_ARG(near.best));
    } else if (t->n_fields <= 12) {
        sn_buf_cstr(&b, "; known here: ");
        for (size_t i = 0; i < t->n_fields; i++)
            sn_buf_printf(&b, "%s%s", i ? ", " : "", t->fields[i].name);
    }
    record_at(c, key, p, sn_buf_view(&b));
}

static size_t find_field(const struct sn_conf_table *t, struct sn_str name)
{
    size_t i = 0;
    while (i < t->n_fields && !sn_str_eqc(name, t->fields[i].name)) i++;
    return i;
}

/* What was not given: defaults, then what was required. */
static int fill_absent(struct sn_conf *c, const struct sn_conf_table *t, const struct path *p,
                       const struct sn_json *node, char *out, const uint8_t *given,
                       bool defaults_only)
{
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct sn_conf_field *f = &t->fields[i];
        if (given[i]) continue;
        struct path q = {.up = p, .name = sn_str(f->name)};
        int r = 0;
        if (f->type == SN_CONF_T_STRUCT) {
            r = bind_struct(c, f->sub, &q, NULL, out + f->offset, true);
        } else if (f->def) {
            r = sn_conf_set_text(c->arena, f, sn_str(f->def), out);
            SN_ASSERT(r == 0 || r == SN_E_NOMEM); /* a table's own default is wrong */
        }
        if (r < 0) return r;
        if (f->required && !f->oneof && !defaults_only)
            complain(c, node, &q, "required, but missing");
    }
    return 0;
}

/* At most one field of a group, exactly one where any of them is marked required. */
static void check_groups(struct sn_conf *c, const struct sn_conf_table *t, const struct path *p,
                         const struct sn_json *node, const uint8_t *given)
{
    for (size_t i = 0; i < t->n_fields; i++) {
        unsigned group = t->fields[i].oneof, n = 0;
        bool required = false, first = true;
        char names[160];
        struct sn_buf b;
        if (!group) continue;
        sn_buf_init_fixed(&b, names, sizeof(names));
        for (size_t j = 0; j < t->n_fields; j++) {
            if (t->fields[j].oneof != group) continue;
            if (j < i) first = false;
            required |= t->fields[j].required;
            n += given[j];
            sn_buf_printf(&b, "%s%s", b.len ? ", " : "", t->fields[j].name);
        }
        if (!first) continue;
        if (n > 1)
            complain(c, node, p, "only one of %.*s may be given", SN_STR_ARG(sn_buf_view(&b)));
        if (n == 0 && required)
            complain(c, node, p, "one of %.*s is required", SN_STR_ARG(sn_buf_view(&b)));
    }
}

static int bind_struct(struct sn_conf *c, const struct sn_conf_table *t, const struct path *p,
                       const struct sn_json *node, char *out, bool defaults_only)
{
    uint8_t given[FIELDS_MAX] = {0};
    unsigned errors = c->n_errors;
    SN_ASSERT(t->n_fields <= FIELDS_MAX);
    if (node && node->kind == SN_JSON_NULL) node = p ? node : NULL;
    if (node && node->kind != SN_JSON_OBJECT && node->kind != SN_JSON_NULL) {
        complain(c, node, p, "expected a mapping, got %s",
                 node->kind == SN_JSON_ARRAY ? "a list" : sn_json_kind_name(node->kind));
        return 0;
    }
    for (SN_JSON_MEMBERS(node, m)) {
        struct path q = {.up = p, .name = sn_json_str(&m->key)};
        size_t i = find_field(t, q.name);
        if (i == t->n_fields) {
            unknown_field(c, t, &q, &m->key);
            continue;
        }
        if (m->value.kind == SN_JSON_NULL && t->fields[i].type != SN_CONF_T_RAW) continue;
        given[i] = 1;
        int r = bind_field(c, &t->fields[i], &q, &m->value, out);
        if (r < 0) return r;
    }
    int r = fill_absent(c, t, p, node, out, given, defaults_only);
    if (r < 0) return r;
    if (defaults_only) return 0;
    check_groups(c, t, p, node, given);
    if (t->check && c->n_errors == errors) {
        char mem[SN_CONF_PATH_MAX];
        struct sn_buf b;
        sn_buf_init_fixed(&b, mem, sizeof(mem) - 1);
        put_path(p, &b);
        mem[b.len] = 0;
        t->check(c, mem, out);
    }
    return 0;
}

void sn_conf_init(struct sn_conf *c, struct sn_arena *a, const char *file)
{
    memset(c, 0, sizeof(*c));
    c->arena = a;
    c->file = sn_str(file);
}

int sn_conf_read(struct sn_conf *c, struct sn_str text)
{
    struct sn_yaml_pos pos = {0};
    struct sn_yaml_opts o = {.error = &pos};
    int r = sn_yaml_parse(c->arena, text, &o, &c->doc);
    if (r >= 0 || r == SN_E_NOMEM) return r;
    /* The diagnostic begins with the place, which the line has already. */
    char why[SN_DIAG_BYTES];
    struct sn_str s = sn_str(sn_diag_format(r, why, sizeof(why)));
    ssize_t colon = sn_str_find(s, SN_STR(": "));
    record(c, pos, SN_STR(""), colon < 0 ? s : sn_str_from(s, (size_t)colon + 2));
    return sn_fail(r, "%.*s", SN_STR_ARG(c->errors[0].text));
}

int sn_conf_bind(struct sn_conf *c, const struct sn_conf_table *table, void *out)
{
    memset(out, 0, table->size);
    int r = bind_struct(c, table, NULL, c->doc.root, out, false);
    return r < 0 ? r : sn_conf_status(c);
}

int sn_conf_load(struct sn_conf *c, struct sn_arena *a, const char *file, struct sn_str text,
                 const struct sn_conf_table *table, void *out)
{
    sn_conf_init(c, a, file);
    int r = sn_conf_read(c, text);
    return r < 0 ? r : sn_conf_bind(c, table, out);
}

int sn_conf_defaults(struct sn_conf *c, const struct sn_conf_table *table, void *out)
{
    memset(out, 0, table->size);
    return bind_struct(c, table, NULL, NULL, out, true);
}
