/* SPDX-License-Identifier: Apache-2.0 */
/* protoc-gen-sennit/emit_c.c - x.pb.c: the tables. */
#include <stdio.h>
#include <stdlib.h>

#include "gen.h"

/* Numbers up to this many times the field count are looked up by index, the rest by bisection. */
#define DENSE_FACTOR 4
#define DENSE_SLACK 16
#define LITERAL_BYTES 20 /* descriptor bytes per source line */

static void emit_str(struct sn_buf *out, struct sn_str s)
{
    sn_buf_cstr(out, "SN_STR_INIT(\"");
    gen_c_string(out, s);
    sn_buf_cstr(out, "\")");
}

static void emit_flags(const struct gen_field *f, struct sn_buf *out)
{
    const struct {
        bool on;
        const char *name;
    } flags[] = {
        {f->repeated, "REPEATED"}, {f->packed, "PACKED"},     {f->map, "MAP"},
        {f->hasbit, "HASBIT"},     {f->oneof != NULL, "ONEOF"}, {f->required, "REQUIRED"},
        {f->utf8, "UTF8"},         {f->closed, "CLOSED"},
    };
    bool any = false;
    for (size_t i = 0; i < SN_COUNT_OF(flags); i++) {
        if (!flags[i].on) continue;
        sn_buf_printf(out, "%sSN_PB_F_%s", any ? " | " : "", flags[i].name);
        any = true;
    }
    if (!any) sn_buf_byte(out, '0');
}
static void emit_field(const struct gen_msg *m, const struct gen_field *f, struct sn_buf *out)
{
    static const char *const types[19] = {
        NULL,    "DOUBLE", "FLOAT",  "INT64", "UINT64",   "INT32",    "FIXED64", "FIXED32", "BOOL",
        "STRING", "GROUP", "MESSAGE", "BYTES", "UINT32", "ENUM", "SFIXED32", "SFIXED64", "SINT32",
        "SINT64",
    };
    const char *c = m->t->c_name;
    sn_buf_cstr(out, "    {");
    emit_str(out, f->p->name);
    sn_buf_cstr(out, ", ");
    emit_str(out, f->p->json_name.len ? f->p->json_name : f->p->name);
    if (f->t)
        sn_buf_printf(out, ", {.%s = &%s_%s}", f->is_msg ? "msg" : "enm", f->t->c_name,
                      f->is_msg ? "desc" : "enum");
    else
        sn_buf_cstr(out, ", {NULL}");
    sn_buf_printf(out, ",\n     %d, %uu, offsetof(struct %s, %s), ", f->p->number, gen_tag(f), c,
                  f->name);
    if (f->oneof)
        sn_buf_printf(out, "offsetof(struct %s, %s_case)", c, f->oneof);
    else
        sn_buf_printf(out, "%u", f->bit);
    sn_buf_printf(out, ", SN_PB_%s, ", types[f->p->type]);
    emit_flags(f, out);
    sn_buf_cstr(out, "},\n");
}
static unsigned emit_dense(const struct gen_msg *m, struct sn_buf *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->n_fields; i++)
        if ((unsigned)m->fields[i].p->number <= DENSE_FACTOR * m->n_fields + DENSE_SLACK)
            n = (unsigned)m->fields[i].p->number + 1;
    if (!n) return 0;
    sn_buf_printf(out, "static const uint16_t %s_dense[] = {", m->t->c_name);
    for (unsigned num = 0, i = 0; num < n; num++) {
        while (i < m->n_fields && (unsigned)m->fields[i].p->number < num) i++;
        bool hit = i < m->n_fields && (unsigned)m->fields[i].p->number == num;
        sn_buf_printf(out, "%s%u", num == 0 ? "" : num % 24 ? ", " : ",\n    ", hit ? i + 1 : 0);
    }
    sn_buf_cstr(out, "};\n");
    return n;
}
static const char *wkt_of(struct sn_str name)
{
    static const char *const map[][2] = {
        {"Any", "ANY"},           {"Timestamp", "TIMESTAMP"}, {"Duration", "DURATION"},
        {"Struct", "STRUCT"},     {"Value", "VALUE"},         {"ListValue", "LIST_VALUE"},
        {"FieldMask", "FIELD_MASK"},
        {"DoubleValue", "WRAPPER"}, {"FloatValue", "WRAPPER"}, {"Int64Value", "WRAPPER"},
        {"UInt64Value", "WRAPPER"}, {"Int32Value", "WRAPPER"}, {"UInt32Value", "WRAPPER"},
        {"BoolValue", "WRAPPER"}, {"StringValue", "WRAPPER"}, {"BytesValue", "WRAPPER"},
    };
    struct sn_str prefix = SN_STR("google.protobuf.");
    if (!sn_str_starts(name, prefix)) return "NONE";
    name = sn_str_from(name, prefix.len);
    for (size_t i = 0; i < SN_COUNT_OF(map); i++)
        if (sn_str_eqc(name, map[i][0])) return map[i][1];
    return "NONE";
}
static int emit_desc(struct gen *g, const struct gen_msg *m, struct sn_buf *out)
{
    const char *c = m->t->c_name, *bar = "";
    bool maps = false, required = false,
         entry = m->t->msg->options && m->t->msg->options->map_entry;
    if (m->n_fields > UINT16_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: too many fields", SN_STR_ARG(m->t->full_name));
    sn_buf_byte(out, '\n');
    if (m->n_fields) sn_buf_printf(out, "static const struct sn_pb_field %s_fields[] = {\n", c);
    for (unsigned i = 0; i < m->n_fields; i++) {
        emit_field(m, &m->fields[i], out);
        maps |= m->fields[i].map;
        required |= m->fields[i].required;
    }
    if (m->n_fields) sn_buf_cstr(out, "};\n");
    unsigned n_dense = emit_dense(m, out);
    sn_buf_printf(out, "const struct sn_pb_desc %s_desc = {\n    ", c);
    emit_str(out, m->t->full_name);
    sn_buf_printf(out, ",\n    %s%s, %s%s, &%s_file,\n    sizeof(struct %s), %u, %u, %u, ",
                  m->n_fields ? c : "NULL", m->n_fields ? "_fields" : "", n_dense ? c : "NULL",
                  n_dense ? "_dense" : "", gen_path_ident(g, m->t->file->name), c, m->n_fields,
                  n_dense, m->n_has);
    if (!maps && !required && !entry) sn_buf_byte(out, '0');
    if (maps) sn_buf_cstr(out, "SN_PB_D_MAPS"), bar = " | ";
    if (required) sn_buf_printf(out, "%sSN_PB_D_REQUIRED", bar), bar = " | ";
    if (entry) sn_buf_printf(out, "%sSN_PB_D_ENTRY", bar);
    sn_buf_printf(out, ", SN_PB_WKT_%s,\n};\n", wkt_of(m->t->full_name));
    return 0;
}

static int emit_enum(struct gen *g, const struct gen_type *t, struct sn_buf *out)
{
    uint32_t n = t->enm->value.len;
    const struct google_protobuf_enum_value_descriptor_proto **v =
        SN_ARENA_ARRAY(&g->arena, const struct google_protobuf_enum_value_descriptor_proto *,
                       n + 1);
    if (!v) return SN_E_NOMEM;
    /* Insertion keeps the declared order of aliases: the first is the canonical name. */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = i;
        for (; k > 0 && v[k - 1]->number > t->enm->value.ptr[i]->number; k--) v[k] = v[k - 1];
        v[k] = t->enm->value.ptr[i];
    }
    sn_buf_printf(out, "\nstatic const struct sn_pb_enum_value %s_values[] = {\n", t->c_name);
    for (uint32_t i = 0; i < n; i++) {
        sn_buf_cstr(out, "    {");
        emit_str(out, v[i]->name);
        if (v[i]->number == INT32_MIN)
            sn_buf_cstr(out, ", -2147483647 - 1},\n");
        else
            sn_buf_printf(out, ", %d},\n", v[i]->number);
    }
    sn_buf_printf(out, "};\nconst struct sn_pb_enum %s_enum = {", t->c_name);
    emit_str(out, t->full_name);
    sn_buf_printf(out, ", %s_values, %u};\n", t->c_name, n);
    return 0;
}

static int emit_service(struct gen *g, const struct file_proto *f, const struct service_proto *s,
                        struct sn_buf *out)
{
    struct sn_str full = sn_arena_printf(&g->arena, "%.*s%s%.*s", SN_STR_ARG(f->package),
                                         f->package.len ? "." : "", SN_STR_ARG(s->name));
    const char *c = gen_snake(g, full);
    if (!c) return SN_E_NOMEM;
    sn_buf_byte(out, '\n');
    if (s->method.len) sn_buf_printf(out, "static const struct sn_pb_method %s_methods[] = {\n", c);
    for (uint32_t i = 0; i < s->method.len; i++) {
        const struct google_protobuf_method_descriptor_proto *m = s->method.ptr[i];
        const struct gen_type *in = gen_find(g, m->input_type), *to = gen_find(g, m->output_type);
        if (!in || !to)
            return sn_fail(SN_E_NOT_FOUND, "%.*s.%.*s: message not in the request",
                           SN_STR_ARG(full), SN_STR_ARG(m->name));
        sn_buf_cstr(out, "    {");
        emit_str(out, m->name);
        sn_buf_printf(out, ", SN_STR_INIT(\"/%.*s/%.*s\"),\n     &%s_desc, &%s_desc, %s, %s},\n",
                      SN_STR_ARG(full), SN_STR_ARG(m->name), in->c_name, to->c_name,
                      m->client_streaming ? "true" : "false",
                      m->server_streaming ? "true" : "false");
    }
    if (s->method.len) sn_buf_cstr(out, "};\n");
    sn_buf_printf(out, "const struct sn_pb_service %s_service = {", c);
    emit_str(out, full);
    sn_buf_printf(out, ", %s%s, %u, &%s_file};\n", s->method.len ? c : "NULL",
                  s->method.len ? "_methods" : "", s->method.len, gen_path_ident(g, f->name));
    return 0;
}

/* The list `name` of pointers to symbols; returns its length. */
static unsigned emit_types(struct gen *g, const struct file_proto *f, bool enums,
                           struct sn_buf *out)
{
    unsigned n = 0;
    for (const struct gen_type *t = g->first; t; t = t->next) {
        if (t->file != f || !t->enm == enums) continue;
        if (!n++)
            sn_buf_printf(out, "static const struct sn_pb_%s *const file_%s[] = {\n",
                          enums ? "enum" : "desc", enums ? "enums" : "msgs");
        sn_buf_printf(out, "    &%s_%s,\n", t->c_name, enums ? "enum" : "desc");
    }
    if (n) sn_buf_cstr(out, "};\n");
    return n;
}
static int emit_descriptor(const struct file_proto *f, struct sn_buf *out, size_t *ret_len)
{
    struct file_proto copy = *f;
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    copy.source_code_info = NULL; /* comments and positions serve no peer */
    ssize_t n = google_protobuf_file_descriptor_proto_encode(&copy, &b);
    if (n < 0) return (int)n;
    sn_buf_cstr(out, "\nstatic const uint8_t file_descriptor[] = {");
    for (ssize_t i = 0; i < n; i++)
        sn_buf_printf(out, "%s%u,", i % LITERAL_BYTES ? "" : "\n    ", b.ptr[i]);
    sn_buf_cstr(out, "\n};\n");
    *ret_len = (size_t)n;
    return 0;
}
static int emit_file(struct gen *g, const struct file_proto *f, struct sn_buf *out)
{
    size_t len;
    int r = emit_descriptor(f, out, &len);
    if (r < 0) return r;
    if (f->dependency.len) {
        sn_buf_cstr(out, "static const struct sn_pb_file *const file_deps[] = {\n");
        for (uint32_t i = 0; i < f->dependency.len; i++)
            sn_buf_printf(out, "    &%s_file,\n", gen_path_ident(g, f->dependency.ptr[i]));
        sn_buf_cstr(out, "};\n");
    }
    unsigned n_msgs = emit_types(g, f, false, out), n_enums = emit_types(g, f, true, out);
    if (f->service.len) {
        sn_buf_cstr(out, "static const struct sn_pb_service *const file_services[] = {\n");
        for (uint32_t i = 0; i < f->service.len; i++) {
            struct sn_str full = sn_arena_printf(&g->arena, "%.*s%s%.*s", SN_STR_ARG(f->package),
                                                 f->package.len ? "." : "",
                                                 SN_STR_ARG(f->service.ptr[i]->name));
            sn_buf_printf(out, "    &%s_service,\n", gen_snake(g, full));
        }
        sn_buf_cstr(out, "};\n");
    }
    sn_buf_printf(out, "const struct sn_pb_file %s_file = {\n    ", gen_path_ident(g, f->name));
    emit_str(out, f->name);
    sn_buf_cstr(out, ", ");
    emit_str(out, f->package);
    sn_buf_printf(
        out,
        ",\n    {(const char *)file_descriptor, sizeof file_descriptor},\n    %s, %s, %s, "
        "%s,\n    %u, %u, %u, %u,\n};\n",
        f->dependency.len ? "file_deps" : "NULL", n_msgs ? "file_msgs" : "NULL",
        n_enums ? "file_enums" : "NULL", f->service.len ? "file_services" : "NULL",
        f->dependency.len, n_msgs, n_enums, f->service.len);
    return 0;
}

int gen_source(struct gen *g, const struct file_proto *f, struct sn_buf *out)
{
    struct sn_str base = f->name;
    struct gen_msg m;
    int r;
    if (sn_str_ends(base, SN_STR(".proto"))) base.len -= 6;
    sn_buf_printf(out, "/* Written by protoc-gen-sennit from %.*s; edits are lost. */\n"
                  "#include \"%.*s.pb.h\"\n", SN_STR_ARG(f->name), SN_STR_ARG(base));
    for (const struct gen_type *t = g->first; t; t = t->next)
        if (t->file == f && t->enm && (r = emit_enum(g, t, out)) < 0) return r;
    for (const struct gen_type *t = g->first; t; t = t->next) {
        if (t->file != f || !t->msg) continue;
        if ((r = gen_message(g, t, &m)) < 0 || (r = emit_desc(g, &m, out)) < 0) return r;
    }
    for (uint32_t i = 0; i < f->service.len; i++)
        if ((r = emit_service(g, f, f->service.ptr[i], out)) < 0) return r;
    return emit_file(g, f, out);
}
