/* SPDX-License-Identifier: Apache-2.0 */
/* protoc-gen-sennit/emit_h.c - x.pb.h: enums, structs, and the typed helpers around them. */
#include <stdio.h>

#include "gen.h"

static void include_of(struct sn_buf *out, struct sn_str path)
{
    if (sn_str_ends(path, SN_STR(".proto"))) path.len -= 6;
    sn_buf_printf(out, "#include \"%.*s.pb.h\"\n", SN_STR_ARG(path));
}

static void emit_enum(struct gen *g, const struct gen_type *t, struct sn_buf *out)
{
    sn_buf_printf(out, "\nenum %s {\n", t->c_name);
    for (uint32_t i = 0; i < t->enm->value.len; i++) {
        const struct google_protobuf_enum_value_descriptor_proto *v = t->enm->value.ptr[i];
        const char *name = gen_enum_const(g, t, v->name);
        if (v->number == INT32_MIN)
            sn_buf_printf(out, "    %s = -2147483647 - 1,\n", name);
        else
            sn_buf_printf(out, "    %s = %d,\n", name, v->number);
    }
    sn_buf_printf(out, "};\nextern const struct sn_pb_enum %s_enum;\n", t->c_name);
}

static void emit_member(const struct gen_field *f, const char *indent, struct sn_buf *out)
{
    const char *gap = f->is_msg && !f->repeated ? "" : " ";
    if (f->repeated)
        sn_buf_printf(out, "%sSN_PB_REPEATED_OF(%s) %s;", indent, f->c_type, f->name);
    else
        sn_buf_printf(out, "%s%s%s%s;", indent, f->c_type, gap, f->name);
    if (f->t && f->t->enm) sn_buf_printf(out, " /* enum %s */", f->t->c_name);
    sn_buf_byte(out, '\n');
}
/* The case enumeration of each real oneof. */
static void emit_cases(struct gen *g, const struct gen_msg *m, struct sn_buf *out)
{
    const char *prev = NULL;
    for (unsigned i = 0; i < m->n_fields; i++) {
        const struct gen_field *f = m->decl[i];
        if (!f->oneof || (prev && strcmp(prev, f->oneof) == 0)) continue;
        prev = f->oneof;
        const char *up = gen_upper(g, m->t->c_name), *one = gen_upper(g, f->oneof);
        sn_buf_printf(out, "enum %s_%s_case {\n    %s_%s_NOT_SET = 0,\n", m->t->c_name, f->oneof,
                      up, one);
        for (unsigned k = 0; k < m->n_fields; k++)
            if (m->decl[k]->oneof && strcmp(m->decl[k]->oneof, f->oneof) == 0)
                sn_buf_printf(out, "    %s_%s_%s = %d,\n", up, one, gen_upper(g, m->decl[k]->name),
                              m->decl[k]->p->number);
        sn_buf_cstr(out, "};\n");
    }
}
static void emit_struct(struct gen *g, const struct gen_msg *m, struct sn_buf *out)
{
    sn_buf_byte(out, '\n');
    emit_cases(g, m, out);
    sn_buf_printf(out, "struct %s {\n    struct sn_pb_head sn_head;\n", m->t->c_name);
    if (m->n_has) sn_buf_printf(out, "    uint32_t sn_has[%u];\n", (m->n_has + 31) / 32);
    for (unsigned i = 0; i < m->n_fields; i++) {
        const struct gen_field *f = m->decl[i];
        if (!f->oneof) {
            emit_member(f, "    ", out);
            continue;
        }
        /* protoc keeps the members of a oneof together. */
        sn_buf_printf(out, "    uint32_t %s_case;\n    union {\n", f->oneof);
        for (;; i++) {
            emit_member(m->decl[i], "        ", out);
            if (i + 1 >= m->n_fields || !m->decl[i + 1]->oneof ||
                strcmp(m->decl[i + 1]->oneof, f->oneof) != 0)
                break;
        }
        sn_buf_cstr(out, "    };\n");
    }
    sn_buf_printf(out, "};\nextern const struct sn_pb_desc %s_desc;\n", m->t->c_name);
}

static unsigned index_of(const struct gen_msg *m, const struct gen_field *f)
{
    return (unsigned)(f - m->fields);
}
static const char *spaced(struct gen *g, const struct gen_field *f)
{
    return f->is_msg ? f->c_type : sn_arena_printf(&g->arena, "%s ", f->c_type).ptr;
}

static void emit_presence(struct gen *g, const struct gen_msg *m, const struct gen_field *f,
                          struct sn_buf *out)
{
    const char *c = m->t->c_name, *n = f->name, *ty = spaced(g, f);
    if (f->hasbit) {
        sn_buf_printf(out, "static inline bool %s_has_%s(const struct %s *m)\n{\n"
                      "    return sn_pb_has_bit(m, %u);\n}\n", c, n, c, f->bit);
        sn_buf_printf(out, "static inline void %s_set_%s(struct %s *m, %sv)\n{\n"
                      "    m->%s = v;\n    sn_pb_set_bit(m, %u);\n}\n", c, n, c, ty, n, f->bit);
        sn_buf_printf(out, "static inline void %s_clear_%s(struct %s *m)\n{\n"
                      "    sn_pb_clear(m, &%s_desc.fields[%u]);\n}\n", c, n, c, c, index_of(m, f));
    } else if (f->oneof) {
        sn_buf_printf(out, "static inline bool %s_has_%s(const struct %s *m)\n{\n"
                      "    return m->%s_case == %d;\n}\n", c, n, c, f->oneof, f->p->number);
        sn_buf_printf(out, "static inline void %s_set_%s(struct %s *m, %sv)\n{\n"
                      "    m->%s = v;\n    m->%s_case = %d;\n}\n", c, n, c, ty, n, f->oneof,
                      f->p->number);
    }
}
/* Proto2 defaults: the getter answers them where the field is absent. */
static void emit_default(struct gen *g, const struct gen_msg *m, const struct gen_field *f,
                         struct sn_buf *out)
{
    struct sn_str d = f->p->default_value;
    if (!google_protobuf_field_descriptor_proto_has_default_value(f->p) || !f->hasbit) return;
    const char *c = m->t->c_name;
    sn_buf_printf(out, "static inline %s%s_get_%s(const struct %s *m)\n{\n"
                  "    return sn_pb_has_bit(m, %u) ? m->%s : ", spaced(g, f), c, f->name, c, f->bit,
                  f->name);
    switch (f->p->type) {
    case SN_PB_STRING:
        sn_buf_cstr(out, "SN_STR(\"");
        gen_c_string(out, d);
        sn_buf_cstr(out, "\")");
        break;
    case SN_PB_BYTES: /* already C-escaped by protoc */
        sn_buf_printf(out, "SN_STR(\"%.*s\")", SN_STR_ARG(d));
        break;
    case SN_PB_ENUM: sn_buf_printf(out, "(int32_t)%s", gen_enum_const(g, f->t, d)); break;
    case SN_PB_DOUBLE:
    case SN_PB_FLOAT:
        if (sn_str_eqc(d, "inf") || sn_str_eqc(d, "-inf"))
            sn_buf_printf(out, "%s__builtin_inf()", d.ptr[0] == '-' ? "-" : "");
        else if (sn_str_eqc(d, "nan"))
            sn_buf_cstr(out, "__builtin_nan(\"\")");
        else
            sn_buf_printf(out, "(%s)%.*s", f->c_type, SN_STR_ARG(d));
        break;
    case SN_PB_BOOL: sn_buf_str(out, d); break;
    default:
        if (sn_str_eqc(d, "-9223372036854775808") || sn_str_eqc(d, "-2147483648"))
            sn_buf_cstr(out, d.len > 12 ? "INT64_MIN" : "INT32_MIN");
        else
            sn_buf_printf(out, "%.*s%s", SN_STR_ARG(d), f->c_type[0] == 'u' ? "ull" : "ll");
    }
    sn_buf_cstr(out, ";\n}\n");
}
static void emit_map(const struct gen_msg *m, const struct gen_field *f, struct sn_buf *out)
{
    const char *c = m->t->c_name, *e = f->t->c_name;
    bool text = f->t->msg->field.ptr[0]->type == SN_PB_STRING;
    sn_buf_printf(out,
                  "static inline struct %s *%s_find_%s(const struct %s *m, %s key)\n{\n"
                  "    return (struct %s *)sn_pb_map_%s(&m->%s, &%s_desc, %skey);\n}\n",
                  e, c, f->name, c, text ? "struct sn_str" : "int64_t", e, text ? "str" : "int",
                  f->name, e, text ? "" : "(uint64_t)");
}
static void emit_builders(struct gen *g, const struct gen_msg *m, const struct gen_field *f,
                          struct sn_buf *out)
{
    const char *c = m->t->c_name, *n = f->name;
    if (f->repeated && f->is_msg) {
        sn_buf_printf(out, "static inline %s%s_add_%s(struct %s *m, struct sn_arena *a)\n{\n"
                      "    %ssub = (%s)sn_pb_new(&%s_desc, a);\n"
                      "    %s*slot = sub ? (%s*)sn_pb_array_add(&m->%s, sizeof sub, a) : NULL;\n"
                      "    return slot ? (*slot = sub) : NULL;\n}\n", f->c_type, c, n, c, f->c_type,
                      f->c_type, f->t->c_name, f->c_type, f->c_type, n);
    } else if (f->repeated) {
        sn_buf_printf(out,
                      "static inline int %s_add_%s(struct %s *m, %sv, struct sn_arena *a)\n{\n"
                      "    %s*slot = (%s*)sn_pb_array_add(&m->%s, sizeof v, a);\n"
                      "    if (!slot) return SN_E_NOMEM;\n    *slot = v;\n    return 0;\n}\n",
                      c, n, c, spaced(g, f), spaced(g, f), spaced(g, f), n);
    } else if (f->is_msg) {
        sn_buf_printf(out,
                      "static inline %s%s_mut_%s(struct %s *m, struct sn_arena *a)\n{\n"
                      "    return (%s)sn_pb_mutable(m, &%s_desc.fields[%u], a);\n}\n",
                      f->c_type, c, n, c, f->c_type, c, index_of(m, f));
    }
    if (f->map) emit_map(m, f, out);
}
static void emit_whole(const struct gen_msg *m, struct sn_buf *out)
{
    const char *c = m->t->c_name;
    sn_buf_printf(out, "\nstatic inline struct %s *%s_new(struct sn_arena *a)\n{\n"
                  "    return (struct %s *)sn_pb_new(&%s_desc, a);\n}\n", c, c, c, c);
    sn_buf_printf(out, "static inline int %s_parse(struct sn_str in, unsigned flags, "
                  "struct sn_arena *a,\n    struct %s **ret)\n{\n    void *m;\n"
                  "    int r = sn_pb_parse(&%s_desc, in, flags, a, &m);\n"
                  "    if (r >= 0) *ret = (struct %s *)m;\n    return r;\n}\n", c, c, c, c);
    sn_buf_printf(out,
                  "static inline ssize_t %s_encode(const struct %s *m, struct sn_buf *out)\n{\n"
                  "    return sn_pb_encode(&%s_desc, m, out);\n}\n",
                  c, c, c);
}

int gen_header(struct gen *g, const struct file_proto *f, struct sn_buf *out)
{
    struct gen_msg m;
    int r;
    sn_buf_printf(out,
                  "/* Written by protoc-gen-sennit from %.*s; edits are lost. */\n#pragma once\n"
                  "#include \"wire/pb.h\"\n",
                  SN_STR_ARG(f->name));
    for (uint32_t i = 0; i < f->dependency.len; i++) include_of(out, f->dependency.ptr[i]);
    for (const struct gen_type *t = g->first; t; t = t->next)
        if (t->file == f && t->enm) emit_enum(g, t, out);
    sn_buf_byte(out, '\n');
    for (const struct gen_type *t = g->first; t; t = t->next)
        if (t->file == f && t->msg) sn_buf_printf(out, "struct %s;\n", t->c_name);
    for (const struct gen_type *t = g->first; t; t = t->next) {
        if (t->file != f || !t->msg) continue;
        if ((r = gen_message(g, t, &m)) < 0) return r;
        emit_struct(g, &m, out);
    }
    sn_buf_byte(out, '\n');
    for (uint32_t i = 0; i < f->service.len; i++) {
        struct sn_str pkg = f->package, s = f->service.ptr[i]->name;
        struct sn_str full = sn_arena_printf(&g->arena, "%.*s%s%.*s", SN_STR_ARG(pkg),
                                             pkg.len ? "." : "", SN_STR_ARG(s));
        sn_buf_printf(out, "extern const struct sn_pb_service %s_service;\n", gen_snake(g, full));
    }
    sn_buf_printf(out, "extern const struct sn_pb_file %s_file;\n", gen_path_ident(g, f->name));
    for (const struct gen_type *t = g->first; t; t = t->next) {
        if (t->file != f || !t->msg) continue;
        if ((r = gen_message(g, t, &m)) < 0) return r;
        emit_whole(&m, out);
        for (unsigned i = 0; i < m.n_fields; i++) {
            emit_presence(g, &m, m.decl[i], out);
            emit_default(g, &m, m.decl[i], out);
            emit_builders(g, &m, m.decl[i], out);
        }
    }
    return 0;
}
