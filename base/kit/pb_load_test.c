/* SPDX-License-Identifier: Apache-2.0 */
/* kit/pb_load_test.c - tables made at run time against the generator's: the same bytes and the same
 * JSON, and sets that are none. */
#include "kit/pb_load.h"

#include "core/torture.h"
#include "google/protobuf/descriptor.pb.h"
#include "harness/test.h"
#include "pb_test.pb.h"
#include "pb_test2.pb.h"

/* ---- a set of the compiled files ---- */

struct bag {
    const struct sn_pb_file *seen[64];
    unsigned n;
    struct sn_buf out;
};

static void put_len(struct sn_buf *b, size_t n)
{
    for (; n >= 0x80; n >>= 7) sn_buf_byte(b, (uint8_t)(n | 0x80));
    sn_buf_byte(b, (uint8_t)n);
}

static void put_file(struct bag *s, const struct sn_pb_file *f)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->seen[i] == f) return;
    T_ASSERT(s->n < SN_COUNT_OF(s->seen));
    s->seen[s->n++] = f;
    sn_buf_byte(&s->out, 1 << 3 | 2);
    put_len(&s->out, f->descriptor.len);
    sn_buf_str(&s->out, f->descriptor);
    for (uint32_t i = 0; i < f->n_deps; i++) put_file(s, f->deps[i]);
}

static const struct sn_pb_desc *any_of(struct sn_str name, void *arg)
{
    return sn_pb_set_find(arg, name);
}

static const struct sn_pb_desc *any_compiled(struct sn_str name, void *arg)
{
    return sn_pb_find(&pb_test_proto_file, name);
}

static void same(const struct sn_pb_set *set, const struct sn_pb_desc *d, const char *json)
{
    struct sn_arena a;
    struct sn_buf x = {0}, y = {0}, jx = {0}, jy = {0};
    struct sn_pb_json_opts ox = {.resolve = any_compiled},
                           oy = {.resolve = any_of, .arg = (void *)set};
    const struct sn_pb_desc *e = sn_pb_set_find(set, d->full_name);
    sn_arena_init(&a, NULL, 0);
    T_ASSERT(e && e != d);
    T_EQ(e->n_fields, d->n_fields);
    T_EQ(e->flags, d->flags);
    T_EQ(e->wkt, d->wkt);
    for (unsigned i = 0; i < d->n_fields; i++) {
        T_EQ(e->fields[i].tag, d->fields[i].tag);
        T_EQ(e->fields[i].flags, d->fields[i].flags);
        T_ASSERT(sn_str_eq(e->fields[i].json_name, d->fields[i].json_name));
    }
    void *m = sn_pb_new(d, &a), *n = sn_pb_new(e, &a), *again;
    T_OK(sn_pb_from_json(d, m, sn_str(json), &ox, &a));
    T_OK(sn_pb_from_json(e, n, sn_str(json), &oy, &a));
    T_ASSERT(sn_pb_encode(d, m, &x) >= 0 && sn_pb_encode(e, n, &y) >= 0);
    T_ASSERTF(sn_str_eq(sn_buf_view(&x), sn_buf_view(&y)), "%s: other bytes", json);
    T_OK(sn_pb_parse(e, sn_buf_view(&x), SN_PB_PARTIAL, &a, &again));
    T_OK(sn_pb_to_json(d, m, &ox, &jx));
    T_OK(sn_pb_to_json(e, again, &oy, &jy));
    T_STR(sn_buf_view(&jy), sn_buf_cz(&jx));
    sn_buf_done(&x);
    sn_buf_done(&y);
    sn_buf_done(&jx);
    sn_buf_done(&jy);
    sn_arena_done(&a);
}

SN_TEST(pb_load_equals_the_generator)
{
    struct bag bag = {0};
    struct sn_arena a;
    struct sn_pb_set *set = NULL;
    sn_arena_init(&a, NULL, 0);
    put_file(&bag, &pb_test_proto_file);
    put_file(&bag, &pb_test2_proto_file);
    T_OK(sn_pb_load(sn_buf_view(&bag.out), &a, &set));
    static const char *const all[] = {
        "{}",
        "{\"fDouble\":1.5,\"fInt32\":-3,\"fUint64\":\"18446744073709551615\",\"fSint64\":\"-9\","
        "\"fBool\":true,\"fString\":\"x\",\"fBytes\":\"AQI=\",\"fColor\":\"COLOR_NEGATIVE\","
        "\"fLeaf\":{\"name\":\"n\",\"id\":\"7\"},\"fSelf\":{\"fSelf\":{\"fInt32\":1}}}",
        "{\"rDouble\":[1,2.5],\"rInt32\":[1,-1],\"rString\":[\"a\",\"\"],\"rLeaf\":[{},{\"id\":"
        "\"1\"}],"
        "\"rColor\":[\"COLOR_RED\",0],\"rBool\":[true,false]}",
    };
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) same(set, &sennit_test_all_desc, all[i]);
    /* Every message of both files has the same table. */
    unsigned n = 0;
    for (unsigned i = 0; i < bag.n; i++)
        for (uint32_t k = 0; k < bag.seen[i]->n_msgs; k++, n++)
            if (!(bag.seen[i]->msgs[k]->wkt)) same(set, bag.seen[i]->msgs[k], "{}");
    T_ASSERT(n > 20);
    sn_pb_set_done(set);
    sn_buf_done(&bag.out);
    sn_arena_done(&a);
}

static void refused(struct google_protobuf_file_descriptor_set *set, int want, const char *says)
{
    struct sn_arena a;
    struct sn_buf b = {0};
    struct sn_pb_set *got = NULL;
    sn_arena_init(&a, NULL, 0);
    T_ASSERT(google_protobuf_file_descriptor_set_encode(set, &b) >= 0);
    T_EQ(sn_pb_load(sn_buf_view(&b), &a, &got), want);
    T_ASSERTF(strstr(sn_diag_str(want), says), "\"%s\" does not say %s", sn_diag_str(want), says);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

SN_TEST(pb_load_says_what_is_wrong)
{
    struct google_protobuf_field_descriptor_proto f = {.name = SN_STR("f")}, *fields[] = {&f, &f};
    struct google_protobuf_descriptor_proto m = {.name = SN_STR("M")}, *msgs[] = {&m, &m};
    struct google_protobuf_file_descriptor_proto file = {.name = SN_STR("a.proto")},
                                                 *files[] = {&file};
    struct google_protobuf_file_descriptor_set set = {.file = {files, 1, 0}};
    struct sn_str import[] = {SN_STR("b.proto")};
    google_protobuf_file_descriptor_proto_set_name(&file, SN_STR("a.proto"));
    google_protobuf_descriptor_proto_set_name(&m, SN_STR("M"));
    google_protobuf_field_descriptor_proto_set_name(&f, SN_STR("f"));
    google_protobuf_file_descriptor_proto_set_syntax(&file, SN_STR("editions"));
    refused(&set, SN_E_INVALID_ARGUMENT, "proto2 or proto3");
    google_protobuf_file_descriptor_proto_set_syntax(&file, SN_STR("proto3"));
    file.dependency.ptr = import;
    file.dependency.len = 1;
    refused(&set, SN_E_NOT_FOUND, "b.proto");
    file.dependency.len = 0;
    file.message_type.ptr = msgs;
    file.message_type.len = 2;
    refused(&set, SN_E_INVALID_ARGUMENT, "twice");
    file.message_type.len = 1;
    m.field.ptr = fields;
    m.field.len = 1;
    google_protobuf_field_descriptor_proto_set_type(&f, SN_PB_INT32);
    refused(&set, SN_E_INVALID_ARGUMENT, "number");
    google_protobuf_field_descriptor_proto_set_number(&f, 1);
    google_protobuf_field_descriptor_proto_set_type(&f, 19);
    refused(&set, SN_E_INVALID_ARGUMENT, "type");
    google_protobuf_field_descriptor_proto_set_type(&f, SN_PB_MESSAGE);
    google_protobuf_field_descriptor_proto_set_type_name(&f, SN_STR(".N"));
    refused(&set, SN_E_NOT_FOUND, ".N");
    google_protobuf_field_descriptor_proto_set_type(&f, SN_PB_INT32);
    google_protobuf_field_descriptor_proto_set_oneof_index(&f, 3);
    refused(&set, SN_E_INVALID_ARGUMENT, "oneof");
    struct sn_arena a;
    struct sn_pb_set *got;
    sn_arena_init(&a, NULL, 0);
    T_EQ(sn_pb_load(SN_STR("\xff\xff"), &a, &got), SN_E_SYNTAX);
    T_EQ(sn_pb_load(SN_STR(""), &a, &got), SN_E_SYNTAX);
    sn_arena_done(&a);
}

static struct bag torture_bag;

static int load_round(void *arg)
{
    struct sn_arena a;
    struct sn_pb_set *set = NULL;
    sn_arena_init(&a, NULL, 0);
    int r = sn_pb_load(sn_buf_view(&torture_bag.out), &a, &set);
    if (r == 0) sn_pb_set_done(set);
    sn_arena_done(&a);
    return r;
}

SN_TEST_SLOW(pb_load_without_memory, 60)
{
    put_file(&torture_bag, &pb_test_proto_file);
    T_ASSERT(sn_torture(load_round, NULL) > 10);
    sn_buf_done(&torture_bag.out);
}
