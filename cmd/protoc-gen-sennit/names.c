/* SPDX-License-Identifier: Apache-2.0 */
/* protoc-gen-sennit/names.c - indexes the request's types and works out every C name. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "gen.h"

/* Words that cannot be a member's name; such a member gets a trailing underscore. */
static const char *const reserved[] = {
    "alignas",  "alignof",  "asm",      "assert",   "auto",     "bool",     "break",    "case",
    "char",     "const",    "continue", "default",  "do",       "double",   "else",     "enum",
    "errno",    "extern",   "false",    "float",    "for",      "goto",     "if",       "inline",
    "int",      "linux",    "long",     "register", "restrict", "return",
    "short",    "signed",   "sizeof",   "static",   "stderr",   "stdin",    "stdout",   "struct",
    "switch",   "true",     "typedef",  "typeof",   "union",    "unix",     "unsigned", "void",
    "volatile", "while",    "sn_head",  "sn_has",   "NULL",
};

const char *gen_snake(struct gen *g, struct sn_str s)
{
    char *out = sn_arena_alloc(&g->arena, 2 * s.len + 1), *q = out;
    if (!out) return NULL;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '.') c = '_';
        if (isupper((unsigned char)c)) {
            char prev = i ? s.ptr[i - 1] : '_', next = i + 1 < s.len ? s.ptr[i + 1] : '_';
            bool edge = islower((unsigned char)prev) || isdigit((unsigned char)prev) ||
                        (isupper((unsigned char)prev) && islower((unsigned char)next));
            if (edge) *q++ = '_';
            c = (char)tolower((unsigned char)c);
        }
        *q++ = c;
    }
    *q = 0;
    return out;
}
const char *gen_path_ident(struct gen *g, struct sn_str path)
{
    struct sn_str s = sn_arena_str(&g->arena, path);
    char *p = (char *)(uintptr_t)s.ptr;
    for (size_t i = 0; p && i < s.len; i++)
        if (!isalnum((unsigned char)p[i])) p[i] = '_';
    return p;
}
const char *gen_upper(struct gen *g, const char *str)
{
    struct sn_str s = sn_arena_str(&g->arena, sn_str(str));
    char *p = (char *)(uintptr_t)s.ptr;
    for (size_t i = 0; p && i < s.len; i++) p[i] = (char)toupper((unsigned char)p[i]);
    return p;
}
/* ENUM_VALUE; where the value repeats the enum's name (the usual style) it is said once. */
const char *gen_enum_const(struct gen *g, const struct gen_type *t, struct sn_str value)
{
    const char *own = gen_upper(g, gen_snake(g, t->enm->name));
    const char *prefix = gen_upper(g, t->c_name),
               *v = gen_upper(g, sn_arena_str(&g->arena, value).ptr);
    size_t n = strlen(own);
    if (strncmp(v, own, n) == 0 && v[n] == '_' && v[n + 1]) v += n + 1;
    return sn_arena_printf(&g->arena, "%s_%s", prefix, v).ptr;
}
bool gen_is_proto3(const struct file_proto *f) { return sn_str_eqc(f->syntax, "proto3"); }

static int add_type(struct gen *g, const struct file_proto *f, struct gen_type *parent,
                    const struct msg_proto *m, const struct enum_proto *e)
{
    struct gen_type *t = SN_ARENA_NEW(&g->arena, struct gen_type);
    if (!t) return SN_E_NOMEM;
    struct sn_str name = m ? m->name : e->name, scope = parent ? parent->full_name : f->package;
    *t = (struct gen_type){.file = f, .msg = m, .enm = e, .parent = parent};
    t->full_name = sn_arena_printf(&g->arena, "%.*s%s%.*s", SN_STR_ARG(scope), scope.len ? "." : "",
                                   SN_STR_ARG(name));
    /* Outer.Inner and OuterInner meet in one C name: the later one gets an underscore. */
    const char *c = gen_snake(g, t->full_name);
    while (c && sn_map_get(&g->c_names, sn_str(c)))
        c = sn_arena_printf(&g->arena, "%s_", c).ptr;
    t->c_name = c;
    if (!c || !t->full_name.ptr || sn_map_put(&g->c_names, sn_str(c), t, NULL) < 0)
        return SN_E_NOMEM;
    int r = sn_map_put(&g->types, t->full_name, t, NULL);
    if (r == 0)
        return sn_fail(SN_E_ALREADY_EXISTS, "%.*s: declared twice", SN_STR_ARG(t->full_name));
    if (r < 0) return r;
    *g->tail = t;
    g->tail = &t->next;
    for (uint32_t i = 0; m && i < m->enum_type.len; i++)
        if ((r = add_type(g, f, t, NULL, m->enum_type.ptr[i])) < 0) return r;
    for (uint32_t i = 0; m && i < m->nested_type.len; i++)
        if ((r = add_type(g, f, t, m->nested_type.ptr[i], NULL)) < 0) return r;
    return 0;
}

int gen_init(struct gen *g, const struct google_protobuf_compiler_code_generator_request *req)
{
    int r;
    memset(g, 0, sizeof *g);
    sn_arena_init(&g->arena, NULL, 0);
    sn_map_init(&g->types, 1, false);
    sn_map_init(&g->c_names, 1, false);
    g->tail = &g->first;
    for (uint32_t i = 0; i < req->proto_file.len; i++) {
        const struct file_proto *f = req->proto_file.ptr[i];
        for (uint32_t k = 0; k < f->enum_type.len; k++)
            if ((r = add_type(g, f, NULL, NULL, f->enum_type.ptr[k])) < 0) return r;
        for (uint32_t k = 0; k < f->message_type.len; k++)
            if ((r = add_type(g, f, NULL, f->message_type.ptr[k], NULL)) < 0) return r;
    }
    return 0;
}
void gen_done(struct gen *g)
{
    sn_map_done(&g->types);
    sn_map_done(&g->c_names);
    sn_arena_done(&g->arena);
}
struct gen_type *gen_find(struct gen *g, struct sn_str type_name)
{
    if (type_name.len && type_name.ptr[0] == '.') type_name = sn_str_from(type_name, 1);
    return sn_map_get(&g->types, type_name);
}

static const char *member_name(struct gen *g, struct sn_str name)
{
    for (size_t i = 0; i < SN_COUNT_OF(reserved); i++)
        if (sn_str_eqc(name, reserved[i]))
            return sn_arena_printf(&g->arena, "%.*s_", SN_STR_ARG(name)).ptr;
    return sn_arena_str(&g->arena, name).ptr;
}
const char *gen_ident(struct gen *g, struct sn_str name)
{
    const char *c = gen_snake(g, name);
    return c ? member_name(g, sn_str(c)) : NULL;
}
static const char *scalar_type(int type)
{
    static const char *const names[19] = {
        [SN_PB_DOUBLE] = "double",        [SN_PB_FLOAT] = "float",
        [SN_PB_INT64] = "int64_t",        [SN_PB_UINT64] = "uint64_t",
        [SN_PB_INT32] = "int32_t",        [SN_PB_FIXED64] = "uint64_t",
        [SN_PB_FIXED32] = "uint32_t",     [SN_PB_BOOL] = "bool",
        [SN_PB_STRING] = "struct sn_str", [SN_PB_BYTES] = "struct sn_str",
        [SN_PB_UINT32] = "uint32_t",      [SN_PB_ENUM] = "int32_t",
        [SN_PB_SFIXED32] = "int32_t",     [SN_PB_SFIXED64] = "int64_t",
        [SN_PB_SINT32] = "int32_t",       [SN_PB_SINT64] = "int64_t",
    };
    return type >= 1 && type <= 18 ? names[type] : NULL;
}
uint32_t gen_tag(const struct gen_field *f)
{
    static const uint8_t wire[19] = {0, 1, 5, 0, 0, 0, 1, 5, 0, 2, 3, 2, 2, 0, 0, 5, 1, 0, 0};
    return (uint32_t)f->p->number << 3 | (f->packed ? 2u : wire[f->p->type]);
}

static int work_out(struct gen *g, const struct gen_type *owner, const struct field_proto *p,
                    struct gen_field *f)
{
    const struct msg_proto *m = owner->msg;
    bool proto3 = gen_is_proto3(owner->file);
    int type = p->type;
    f->p = p;
    f->name = member_name(g, p->name);
    if (type < 1 || type > 18 || p->number < 1 || (uint32_t)p->number > SN_PB_NUMBER_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s.%.*s: bad type or number",
                       SN_STR_ARG(owner->full_name), SN_STR_ARG(p->name));
    f->is_msg = type == SN_PB_MESSAGE || type == SN_PB_GROUP;
    f->repeated = p->label == GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_LABEL_REPEATED;
    f->required = p->label == GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_LABEL_REQUIRED;
    if (f->is_msg || type == SN_PB_ENUM) {
        f->t = gen_find(g, p->type_name);
        if (!f->t || (f->is_msg ? !f->t->msg : !f->t->enm))
            return sn_fail(SN_E_NOT_FOUND, "%.*s.%.*s: type %.*s is not in the request",
                           SN_STR_ARG(owner->full_name), SN_STR_ARG(p->name),
                           SN_STR_ARG(p->type_name));
    }
    f->c_type = f->is_msg ? sn_arena_printf(&g->arena, "struct %s *", f->t->c_name).ptr
                          : scalar_type(type);
    bool packable = !f->is_msg && type != SN_PB_STRING && type != SN_PB_BYTES;
    bool said = p->options && google_protobuf_field_options_has_packed(p->options);
    f->packed = f->repeated && packable && (said ? p->options->packed : proto3);
    f->map = f->repeated && f->is_msg && f->t->msg->options && f->t->msg->options->map_entry;
    f->utf8 = proto3 && type == SN_PB_STRING;
    f->closed = type == SN_PB_ENUM && !gen_is_proto3(f->t->file);
    bool in_oneof = google_protobuf_field_descriptor_proto_has_oneof_index(p);
    if (in_oneof && !p->proto3_optional) {
        if ((uint32_t)p->oneof_index >= m->oneof_decl.len) return SN_E_INVALID_ARGUMENT;
        f->oneof = member_name(g, m->oneof_decl.ptr[p->oneof_index]->name);
    }
    bool entry = m->options && m->options->map_entry;
    f->hasbit =
        !f->oneof && !f->repeated && !f->is_msg && !entry && (!proto3 || p->proto3_optional);
    return f->name && f->c_type ? 0 : SN_E_NOMEM;
}
static int by_number(const void *x, const void *y)
{
    return ((const struct gen_field *)x)->p->number - ((const struct gen_field *)y)->p->number;
}

int gen_message(struct gen *g, const struct gen_type *t, struct gen_msg *ret)
{
    uint32_t n = t->msg->field.len;
    struct gen_msg m = {.t = t, .n_fields = n};
    m.fields = SN_ARENA_ARRAY(&g->arena, struct gen_field, n + 1);
    m.decl = SN_ARENA_ARRAY(&g->arena, struct gen_field *, n + 1);
    if (!m.fields || !m.decl) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        int r = work_out(g, t, t->msg->field.ptr[i], &m.fields[i]);
        if (r < 0) return r;
        if (m.fields[i].hasbit) m.fields[i].bit = m.n_has++;
    }
    qsort(m.fields, n, sizeof *m.fields, by_number);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++)
            if (m.fields[k].p == t->msg->field.ptr[i]) m.decl[i] = &m.fields[k];
    *ret = m;
    return 0;
}

void gen_c_string(struct sn_buf *out, struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\')
            sn_buf_printf(out, "\\%c", c);
        else if (c >= 0x20 && c < 0x7f && c != '?')
            sn_buf_byte(out, c);
        else
            sn_buf_printf(out, "\\%03o", c);
    }
}
