/* SPDX-License-Identifier: Apache-2.0 */
/* kit/pb_load.c - see pb_load.h. Three passes: files, then the names of all types, then fields and
 * methods, which refer to names. */
#include "kit/pb_load.h"

#include <stdlib.h>

#include "google/protobuf/descriptor.pb.h"

/* Numbers up to this many times the field count are looked up by index, the rest by bisection. */
#define DENSE_FACTOR 4u
#define DENSE_SLACK 16u

typedef struct google_protobuf_file_descriptor_proto file_proto;
typedef struct google_protobuf_descriptor_proto msg_proto;
typedef struct google_protobuf_field_descriptor_proto field_proto;
typedef struct google_protobuf_enum_descriptor_proto enum_proto;

struct type {
    struct sn_str name;
    struct sn_pb_file *file;
    bool proto3;
    const msg_proto *msg; /* or */
    const enum_proto *enm;
    struct sn_pb_desc *desc;
    struct sn_pb_enum *tab;
    struct type *next;
};
struct loader {
    struct sn_arena *a;
    struct sn_map types; /* full name -> struct type */
    struct type *first, **tail;
    uint32_t n_types;
    struct sn_pb_file **files;
    uint32_t n;
};

static bool is_proto3(const file_proto *f) { return sn_str_eqc(f->syntax, "proto3"); }

static struct sn_str dotted(struct loader *l, struct sn_str scope, struct sn_str name)
{
    if (!scope.len) return sn_arena_str(l->a, name);
    return sn_arena_printf(l->a, "%.*s.%.*s", SN_STR_ARG(scope), SN_STR_ARG(name));
}

/* ---- names ------------------------------------------------------------------------------------
 */

static struct type *type_new(struct loader *l, struct sn_pb_file *f, bool proto3,
                             struct sn_str scope, struct sn_str name, int *ret)
{
    struct type *t = SN_ARENA_NEW(l->a, struct type);
    *ret = SN_E_NOMEM;
    if (!t || !(t->name = dotted(l, scope, name)).ptr) return NULL;
    if (!name.len || l->n_types++ >= SN_PB_LOAD_TYPES_MAX) {
        *ret =
            sn_fail(name.len ? SN_E_TOO_LARGE : SN_E_INVALID_ARGUMENT, "%.*s: %s",
                    SN_STR_ARG(f->name), name.len ? "more than 65536 types" : "a type has no name");
        return NULL;
    }
    t->file = f;
    t->proto3 = proto3;
    int r = sn_map_put(&l->types, t->name, t, NULL);
    if (r == 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: %.*s is there twice", SN_STR_ARG(f->name),
                    SN_STR_ARG(t->name));
    if (r < 0) {
        *ret = r;
        return NULL;
    }
    *l->tail = t;
    l->tail = &t->next;
    *ret = 0;
    return t;
}

static int by_value(const void *x, const void *y)
{
    const struct sn_pb_enum_value *a = x, *b = y;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int add_enum(struct loader *l, struct sn_pb_file *f, bool proto3, struct sn_str scope,
                    const enum_proto *e)
{
    int r;
    struct type *t = type_new(l, f, proto3, scope, e->name, &r);
    if (!t) return r;
    struct sn_pb_enum_value *v = SN_ARENA_ARRAY(l->a, struct sn_pb_enum_value, e->value.len + 1);
    t->enm = e;
    t->tab = SN_ARENA_NEW(l->a, struct sn_pb_enum);
    if (!v || !t->tab) return SN_E_NOMEM;
    bool sorted = true;
    for (uint32_t i = 0; i < e->value.len; i++) {
        v[i] = (struct sn_pb_enum_value){e->value.ptr[i]->name, e->value.ptr[i]->number};
        sorted &= i == 0 || v[i - 1].number <= v[i].number;
    }
    /* Insertion would keep the order of aliases too; long enums come sorted, and few have aliases.
     */
    if (!sorted) qsort(v, e->value.len, sizeof(*v), by_value);
    *t->tab = (struct sn_pb_enum){t->name, v, e->value.len};
    return 0;
}

static int add_msg(struct loader *l, struct sn_pb_file *f, bool proto3, struct sn_str scope,
                   const msg_proto *m, unsigned depth)
{
    int r;
    if (depth == SN_PB_LOAD_NESTING_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: types nested deeper than 32", SN_STR_ARG(f->name));
    struct type *t = type_new(l, f, proto3, scope, m->name, &r);
    if (!t) return r;
    t->msg = m;
    t->desc = SN_ARENA_NEW(l->a, struct sn_pb_desc);
    if (!t->desc) return SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < m->enum_type.len; i++)
        r = add_enum(l, f, proto3, t->name, m->enum_type.ptr[i]);
    for (uint32_t i = 0; r == 0 && i < m->nested_type.len; i++)
        r = add_msg(l, f, proto3, t->name, m->nested_type.ptr[i], depth + 1);
    return r;
}

static struct type *find(const struct loader *l, struct sn_str name)
{
    if (name.len && name.ptr[0] == '.') name = sn_str_from(name, 1);
    return sn_map_get(&l->types, name);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static uint8_t wkt_of(struct sn_str name)
{
    static const struct {
        const char *name;
        uint8_t wkt;
    } map[] = {{"Any", SN_PB_WKT_ANY},
               {"Timestamp", SN_PB_WKT_TIMESTAMP},
               {"Duration", SN_PB_WKT_DURATION},
               {"Struct", SN_PB_WKT_STRUCT},
               {"Value", SN_PB_WKT_VALUE},
               {"ListValue", SN_PB_WKT_LIST_VALUE},
               {"FieldMask", SN_PB_WKT_FIELD_MASK}};
    struct sn_str prefix = SN_STR("google.protobuf.");
    if (!sn_str_starts(name, prefix)) return SN_PB_WKT_NONE;
    name = sn_str_from(name, prefix.len);
    for (size_t i = 0; i < SN_COUNT_OF(map); i++)
        if (sn_str_eqc(name, map[i].name)) return map[i].wkt;
    bool wrapper = sn_str_ends(name, SN_STR("Value")) && !sn_str_eqc(name, "EnumValue") &&
                   sn_str_chr(name, '.') < 0;
    return wrapper ? SN_PB_WKT_WRAPPER : SN_PB_WKT_NONE;
}

static int bad_field(const struct type *t, const field_proto *p, const char *why)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: %.*s.%.*s: %s", SN_STR_ARG(t->file->name),
                   SN_STR_ARG(t->name), SN_STR_ARG(p->name), why);
}

static bool is_msg(const field_proto *p)
{
    return p->type == SN_PB_MESSAGE || p->type == SN_PB_GROUP;
}

static uint8_t flags_of(const struct type *t, const field_proto *p, const struct type *sub)
{
    bool repeated = p->label == GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_LABEL_REPEATED;
    bool packable = !is_msg(p) && p->type != SN_PB_STRING && p->type != SN_PB_BYTES;
    bool said = p->options && google_protobuf_field_options_has_packed(p->options);
    bool oneof = google_protobuf_field_descriptor_proto_has_oneof_index(p) && !p->proto3_optional;
    bool entry = t->msg->options && t->msg->options->map_entry;
    unsigned f = 0;
    if (repeated) f |= SN_PB_F_REPEATED;
    if (repeated && packable && (said ? p->options->packed : t->proto3)) f |= SN_PB_F_PACKED;
    if (repeated && sub && sub->msg && sub->msg->options && sub->msg->options->map_entry)
        f |= SN_PB_F_MAP;
    if (t->proto3 && p->type == SN_PB_STRING) f |= SN_PB_F_UTF8;
    if (p->type == SN_PB_ENUM && !sub->proto3) f |= SN_PB_F_CLOSED;
    if (oneof) f |= SN_PB_F_ONEOF;
    if (p->label == GOOGLE_PROTOBUF_FIELD_DESCRIPTOR_PROTO_LABEL_REQUIRED) f |= SN_PB_F_REQUIRED;
    if (!oneof && !repeated && !is_msg(p) && !entry && (!t->proto3 || p->proto3_optional))
        f |= SN_PB_F_HASBIT;
    return (uint8_t)f;
}

static int field_build(struct loader *l, const struct type *t, const field_proto *p,
                       struct sn_pb_field *f)
{
    static const uint8_t wire[19] = {0, 1, 5, 0, 0, 0, 1, 5, 0, 2, 3, 2, 2, 0, 0, 5, 1, 0, 0};
    bool number_ok = p->number > 0 && (uint32_t)p->number <= SN_PB_NUMBER_MAX &&
                     (p->number < 19000 || p->number > 19999);
    if (!number_ok || !p->name.len) return bad_field(t, p, "field number or name");
    if (p->type < 1 || p->type > 18) return bad_field(t, p, "unknown field type");
    struct type *sub = p->type_name.len ? find(l, p->type_name) : NULL;
    bool enm = p->type == SN_PB_ENUM;
    if ((is_msg(p) && (!sub || !sub->msg)) || (enm && (!sub || !sub->enm)))
        return sn_fail(SN_E_NOT_FOUND, "%.*s: %.*s.%.*s: type %.*s is not in the set",
                       SN_STR_ARG(t->file->name), SN_STR_ARG(t->name), SN_STR_ARG(p->name),
                       SN_STR_ARG(p->type_name));
    *f = (struct sn_pb_field){.name = p->name,
                              .json_name = p->json_name.len ? p->json_name : p->name,
                              .number = (uint32_t)p->number,
                              .type = (uint8_t)p->type,
                              .flags = flags_of(t, p, sub)};
    if (is_msg(p))
        f->sub.msg = sub->desc;
    else if (enm)
        f->sub.enm = sub->tab;
    f->tag = f->number << 3 | (f->flags & SN_PB_F_PACKED ? 2u : wire[f->type]);
    if (f->flags & SN_PB_F_ONEOF) {
        if ((uint32_t)p->oneof_index >= t->msg->oneof_decl.len)
            return bad_field(t, p, "its oneof does not exist");
        f->presence = (uint16_t)p->oneof_index; /* the offset of its case, once that is known */
    }
    return 0;
}

static uint32_t place(uint32_t *at, uint32_t size, uint32_t align)
{
    uint32_t off = (*at + align - 1) & ~(align - 1);
    *at = off + size;
    return off;
}

/* Presence bits, cases and members, one after another. Every member of a oneof has its own place: a
 * few bytes more than a union, and no two members ever share one. */
static int layout(struct loader *l, const struct type *t, struct sn_pb_field *f, uint32_t n,
                  struct sn_pb_desc *d)
{
    uint32_t bits = 0, n_oneof = t->msg->oneof_decl.len;
    for (uint32_t i = 0; i < n; i++)
        if (f[i].flags & SN_PB_F_HASBIT) f[i].presence = (uint16_t)bits++;
    uint32_t at = (uint32_t)sizeof(struct sn_pb_head) + (bits + 31) / 32 * 4;
    uint32_t *cases = SN_ARENA_ARRAY(l->a, uint32_t, n_oneof + 1);
    if (!cases) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n_oneof; i++) cases[i] = place(&at, 4, 4);
    if (at > UINT16_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: too many oneofs", SN_STR_ARG(t->name));
    for (uint32_t i = 0; i < n; i++) {
        bool rep = f[i].flags & SN_PB_F_REPEATED;
        uint32_t size = rep ? sizeof(struct sn_pb_array) : (uint32_t)sn_pb_elem_size(f[i].type);
        uint32_t align = size >= 8 ? 8 : size;
        if (f[i].flags & SN_PB_F_ONEOF) {
            f[i].presence = (uint16_t)cases[f[i].presence];
            align = 8;
            size = SN_MAX(size, 8u); /* marking a message member writes a pointer */
        }
        f[i].offset = place(&at, size, align);
        if (at > SN_PB_LOAD_STRUCT_MAX)
            return sn_fail(SN_E_TOO_LARGE, "%.*s: its struct would be over 1 MiB",
                           SN_STR_ARG(t->name));
    }
    d->size = (at + 7) & ~7u;
    d->n_has = (uint16_t)bits;
    return 0;
}

static int by_number(const void *x, const void *y)
{
    const struct sn_pb_field *a = x, *b = y;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int dense_build(struct loader *l, const struct sn_pb_field *f, uint32_t n,
                       struct sn_pb_desc *d)
{
    uint32_t top = 0;
    for (uint32_t i = 0; i < n; i++)
        if (f[i].number <= DENSE_FACTOR * n + DENSE_SLACK) top = f[i].number + 1;
    if (!top) return 0;
    uint16_t *dense = SN_ARENA_ARRAY(l->a, uint16_t, SN_MIN(top, (uint32_t)UINT16_MAX));
    if (!dense) return SN_E_NOMEM;
    d->n_dense = (uint16_t)SN_MIN(top, (uint32_t)UINT16_MAX);
    memset(dense, 0, d->n_dense * sizeof(*dense));
    for (uint32_t i = 0; i < n && f[i].number < d->n_dense; i++)
        dense[f[i].number] = (uint16_t)(i + 1);
    d->dense = dense;
    return 0;
}

static int msg_build(struct loader *l, struct type *t)
{
    uint32_t n = t->msg->field.len;
    struct sn_pb_desc *d = t->desc;
    if (n > UINT16_MAX / 2)
        return sn_fail(SN_E_TOO_LARGE, "%.*s: too many fields", SN_STR_ARG(t->name));
    struct sn_pb_field *f = SN_ARENA_ARRAY(l->a, struct sn_pb_field, n + 1);
    int r = f ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < n; i++) r = field_build(l, t, t->msg->field.ptr[i], &f[i]);
    if (r == 0) r = layout(l, t, f, n, d);
    if (r < 0) return r;
    qsort(f, n, sizeof(*f), by_number);
    for (uint32_t i = 0; i < n; i++) {
        if (i && f[i].number == f[i - 1].number)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: field number %u is there twice",
                           SN_STR_ARG(t->name), f[i].number);
        if (f[i].flags & SN_PB_F_MAP) d->flags |= SN_PB_D_MAPS;
        if (f[i].flags & SN_PB_F_REQUIRED) d->flags |= SN_PB_D_REQUIRED;
    }
    if (t->msg->options && t->msg->options->map_entry) {
        if (n != 2 || f[0].number != 1 || f[1].number != 2)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: a map entry is key and value",
                           SN_STR_ARG(t->name));
        d->flags |= SN_PB_D_ENTRY;
    }
    d->full_name = t->name;
    d->fields = f;
    d->n_fields = (uint16_t)n;
    d->file = t->file;
    d->wkt = wkt_of(t->name);
    return dense_build(l, f, n, d);
}

/* ---- files ------------------------------------------------------------------------------------
 */

static int service_build(struct loader *l, struct sn_pb_file *f, struct sn_str package,
                         const struct google_protobuf_service_descriptor_proto *s,
                         struct sn_pb_service *to)
{
    struct sn_pb_method *m = SN_ARENA_ARRAY(l->a, struct sn_pb_method, s->method.len + 1);
    to->full_name = dotted(l, package, s->name);
    if (!m || !to->full_name.ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < s->method.len; i++) {
        const struct google_protobuf_method_descriptor_proto *p = s->method.ptr[i];
        const struct type *in = find(l, p->input_type), *out = find(l, p->output_type);
        if (!in || !out || !in->msg || !out->msg)
            return sn_fail(SN_E_NOT_FOUND, "%.*s: %.*s.%.*s: its messages are not in the set",
                           SN_STR_ARG(f->name), SN_STR_ARG(to->full_name), SN_STR_ARG(p->name));
        m[i] = (struct sn_pb_method){.name = p->name,
                                     .path = sn_arena_printf(l->a, "/%.*s/%.*s",
                                                             SN_STR_ARG(to->full_name),
                                                             SN_STR_ARG(p->name)),
                                     .input = in->desc,
                                     .output = out->desc,
                                     .client_streaming = p->client_streaming,
                                     .server_streaming = p->server_streaming};
        if (!m[i].path.ptr) return SN_E_NOMEM;
    }
    to->methods = m;
    to->n_methods = s->method.len;
    to->file = f;
    return 0;
}

static int deps_build(struct loader *l, struct sn_pb_file *f, const file_proto *p)
{
    const struct sn_pb_file **deps =
        SN_ARENA_ARRAY(l->a, const struct sn_pb_file *, p->dependency.len + 1);
    if (!deps) return SN_E_NOMEM;
    for (uint32_t i = 0; i < p->dependency.len; i++) {
        for (uint32_t k = 0; k < l->n && !deps[i]; k++)
            if (sn_str_eq(l->files[k]->name, p->dependency.ptr[i])) deps[i] = l->files[k];
        if (!deps[i])
            return sn_fail(SN_E_NOT_FOUND, "%.*s: its import %.*s is not in the set",
                           SN_STR_ARG(f->name), SN_STR_ARG(p->dependency.ptr[i]));
    }
    f->deps = deps;
    f->n_deps = p->dependency.len;
    return 0;
}

static int file_begin(struct loader *l, struct sn_pb_file *f, const file_proto *p)
{
    bool proto3 = is_proto3(p);
    if (!proto3 && p->syntax.len && !sn_str_eqc(p->syntax, "proto2"))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: expected proto2 or proto3, got \"%.*s\"",
                       SN_STR_ARG(p->name), SN_STR_ARG(p->syntax));
    f->name = p->name;
    f->package = p->package;
    file_proto bare = *p;
    bare.source_code_info = NULL; /* comments and positions serve no peer */
    struct sn_buf b;
    sn_buf_init(&b, 0);
    ssize_t n = google_protobuf_file_descriptor_proto_encode(&bare, &b);
    if (n >= 0) f->descriptor = sn_arena_str(l->a, sn_buf_view(&b));
    sn_buf_done(&b);
    if (n < 0) return (int)n;
    int r = f->descriptor.ptr ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < p->enum_type.len; i++)
        r = add_enum(l, f, proto3, p->package, p->enum_type.ptr[i]);
    for (uint32_t i = 0; r == 0 && i < p->message_type.len; i++)
        r = add_msg(l, f, proto3, p->package, p->message_type.ptr[i], 0);
    return r;
}

static int file_finish(struct loader *l, struct sn_pb_file *f, const file_proto *p)
{
    uint32_t n_msgs = 0, n_enums = 0, n_svc = p->service.len;
    for (const struct type *t = l->first; t; t = t->next)
        if (t->file == f) t->msg ? n_msgs++ : n_enums++;
    const struct sn_pb_desc **msgs = SN_ARENA_ARRAY(l->a, const struct sn_pb_desc *, n_msgs + 1);
    const struct sn_pb_enum **enums = SN_ARENA_ARRAY(l->a, const struct sn_pb_enum *, n_enums + 1);
    const struct sn_pb_service **svcs =
        SN_ARENA_ARRAY(l->a, const struct sn_pb_service *, n_svc + 1);
    struct sn_pb_service *svc = SN_ARENA_ARRAY(l->a, struct sn_pb_service, n_svc + 1);
    if (!msgs || !enums || !svcs || !svc) return SN_E_NOMEM;
    for (const struct type *t = l->first; t; t = t->next) {
        if (t->file != f) continue;
        if (t->msg)
            msgs[f->n_msgs++] = t->desc;
        else
            enums[f->n_enums++] = t->tab;
    }
    int r = deps_build(l, f, p);
    for (uint32_t i = 0; r == 0 && i < n_svc; i++) {
        r = service_build(l, f, p->package, p->service.ptr[i], &svc[i]);
        svcs[i] = &svc[i];
    }
    f->msgs = msgs;
    f->enums = enums;
    f->services = svcs;
    f->n_services = n_svc;
    return r;
}

static int load(struct loader *l, const struct google_protobuf_file_descriptor_set *set,
                struct sn_pb_set *s)
{
    int r = 0;
    l->n = set->file.len;
    if (!l->n || l->n > SN_PB_LOAD_FILES_MAX)
        return sn_fail(l->n ? SN_E_TOO_LARGE : SN_E_SYNTAX,
                       "descriptor set: %u files, expected 1 to %u", l->n, SN_PB_LOAD_FILES_MAX);
    l->files = SN_ARENA_ARRAY(l->a, struct sn_pb_file *, l->n);
    if (!l->files) return SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < l->n; i++) {
        l->files[i] = SN_ARENA_NEW(l->a, struct sn_pb_file);
        r = l->files[i] ? file_begin(l, l->files[i], set->file.ptr[i]) : SN_E_NOMEM;
    }
    for (struct type *t = l->first; r == 0 && t; t = t->next)
        if (t->msg) r = msg_build(l, t);
    for (uint32_t i = 0; r == 0 && i < l->n; i++) r = file_finish(l, l->files[i], set->file.ptr[i]);
    for (struct type *t = l->first; r >= 0 && t; t = t->next)
        if (t->msg) r = sn_map_put(&s->types, t->name, t->desc, NULL);
    s->files = (const struct sn_pb_file *const *)l->files;
    s->n_files = l->n;
    return r < 0 ? r : 0;
}

int sn_pb_load(struct sn_str bytes, struct sn_arena *a, struct sn_pb_set **ret)
{
    struct google_protobuf_file_descriptor_set *set;
    struct sn_pb_set *s = SN_ARENA_NEW(a, struct sn_pb_set);
    struct loader l = {.a = a, .tail = &l.first};
    if (!s) return SN_E_NOMEM;
    int r = google_protobuf_file_descriptor_set_parse(bytes, SN_PB_COPY, a, &set);
    if (r < 0) return r == SN_E_NOMEM ? r : sn_wrap(SN_E_SYNTAX, "not a FileDescriptorSet");
    sn_map_init(&s->types, 0, false);
    sn_map_init(&l.types, 0, false);
    r = load(&l, set, s);
    sn_map_done(&l.types);
    if (r < 0) {
        sn_map_done(&s->types);
        return r;
    }
    *ret = s;
    return 0;
}

void sn_pb_set_done(struct sn_pb_set *s)
{
    if (s) sn_map_done(&s->types);
}

const struct sn_pb_desc *sn_pb_set_find(const struct sn_pb_set *s, struct sn_str full_name)
{
    return sn_map_get(&s->types, full_name);
}

const struct sn_pb_service *sn_pb_set_service(const struct sn_pb_set *s, struct sn_str full_name)
{
    for (uint32_t i = 0; i < s->n_files; i++)
        for (uint32_t k = 0; k < s->files[i]->n_services; k++)
            if (sn_str_eq(s->files[i]->services[k]->full_name, full_name))
                return s->files[i]->services[k];
    return NULL;
}
