/* SPDX-License-Identifier: Apache-2.0 */
#include "google/protobuf/any.pb.h"
#include "pb_test.pb.h"
#include "tests/harness/test.h"
#include "wire/pb.h"

static struct sn_arena arena;
static void arena_off(void) { sn_arena_done(&arena); }
static void arena_on(void)
{
    sn_arena_init(&arena, NULL, 64u << 20);
    sn_test_at_exit(arena_off);
}
static const struct sn_pb_desc *resolve(struct sn_str name, void *arg)
{
    (void)arg;
    return sn_pb_find(&pb_test_proto_file, name);
}
static const struct sn_pb_json_opts opts = {.resolve = resolve};

static int from(const char *text, struct sennit_test_all **ret)
{
    *ret = sennit_test_all_new(&arena);
    return sn_pb_from_json(&sennit_test_all_desc, *ret, sn_str(text), &opts, &arena);
}
static struct sn_str to(const struct sennit_test_all *m)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    T_OK(sn_pb_to_json(&sennit_test_all_desc, m, &opts, &b));
    return sn_arena_str(&arena, sn_buf_view(&b));
}

/* What is read, and how we write it back; .out NULL: the same text. */
SN_TEST(pb_json_forms)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"{}", NULL},
        {"{\"fInt32\":-1,\"fInt64\":\"-9223372036854775808\"}", NULL},
        {"{\"f_int32\":\"12\",\"f_int64\":5}", "{\"fInt32\":12,\"fInt64\":\"5\"}"},
        {"{\"fInt32\":1e2,\"fUint32\":4294967295.0}", "{\"fInt32\":100,\"fUint32\":4294967295}"},
        {"{\"fUint64\":18446744073709551615}", "{\"fUint64\":\"18446744073709551615\"}"},
        {"{\"fDouble\":1.5,\"fFloat\":0.1}", NULL},
        {"{\"fDouble\":\"NaN\",\"fFloat\":\"-Infinity\"}", NULL},
        {"{\"fBool\":true,\"fString\":\"\\u00fc\\\"\\n\"}",
         "{\"fBool\":true,\"fString\":\"\u00fc\\\"\\n\"}"},
        {"{\"fBytes\":\"/+A=\"}", NULL},
        {"{\"fBytes\":\"_-A\"}", "{\"fBytes\":\"/+A=\"}"},
        {"{\"fColor\":\"COLOR_RED\"}", NULL},
        {"{\"fColor\":1}", "{\"fColor\":\"COLOR_RED\"}"},
        {"{\"fColor\":77}", NULL},
        {"{\"fLeaf\":{}}", NULL},
        {"{\"fLeaf\":null,\"rInt32\":null}", "{}"},
        {"{\"rInt32\":[1,\"2\",3.0]}", "{\"rInt32\":[1,2,3]}"},
        {"{\"rLeaf\":[{\"name\":\"a\"},{}]}", NULL},
        {"{\"oInt32\":0,\"oString\":\"\"}", NULL},
        {"{\"mString\":{\"b\":\"2\",\"a\":\"1\"}}", "{\"mString\":{\"a\":\"1\",\"b\":\"2\"}}"},
        {"{\"mLeaf\":{\"-7\":{\"id\":\"1\"}},\"mBool\":{\"true\":0.5}}", NULL},
        {"{\"mColor\":{\"5\":\"COLOR_RED\"}}", NULL},
        {"{\"pString\":\"\"}", NULL},
        {"{\"pNull\":null}", NULL},
        {"{\"wTimestamp\":\"1972-01-01T10:00:20.021Z\"}", NULL},
        {"{\"wTimestamp\":\"0001-01-01T00:00:00Z\"}", NULL},
        {"{\"wTimestamp\":\"9999-12-31T23:59:59.999999999Z\"}", NULL},
        {"{\"wTimestamp\":\"2000-02-29T01:00:00+01:30\"}",
         "{\"wTimestamp\":\"2000-02-28T23:30:00Z\"}"},
        {"{\"wDuration\":\"-1.5s\"}", "{\"wDuration\":\"-1.500s\"}"},
        {"{\"wDuration\":\"-0.000001s\"}", NULL},
        {"{\"wMask\":\"user.displayName,photo\"}", NULL},
        {"{\"wInt64\":\"0\",\"wBool\":false}", NULL},
        {"{\"wStruct\":{\"a\":[1.5,\"x\",null,true,{}]}}", NULL},
        {"{\"wValue\":null}", NULL},
        {"{\"wList\":[[],{}]}", NULL},
        {"{\"wAny\":{\"@type\":\"t.io/sennit.test.Leaf\",\"name\":\"n\"}}", NULL},
        {"{\"wAny\":{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"3s\"}}", NULL},
        {"{\"wAny\":{}}", NULL},
        {"{\"default\":1,\"switch\":2,\"camelCaseMixed9Name\":\"z\"}", NULL},
        {"{\"camelCase_mixed9_name\":\"z\"}", "{\"camelCaseMixed9Name\":\"z\"}"},
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sennit_test_all *m, *n;
        sn_test_row("%s", rows[i].in);
        T_OK(from(rows[i].in, &m));
        struct sn_str s = to(m);
        T_STR(s, rows[i].out ? rows[i].out : rows[i].in);
        /* Through the binary form and back to the same text. */
        struct sn_buf b SN_CLEANUP(sn_buf_done);
        sn_buf_init(&b, 0);
        T_OK(sennit_test_all_encode(m, &b));
        T_OK(sennit_test_all_parse(sn_buf_view(&b), SN_PB_COPY, &arena, &n));
        T_ASSERT(sn_str_eq(to(n), s));
    }
}

SN_TEST(pb_json_bad)
{
    static const struct {
        const char *in;
        int code;
    } rows[] = {
        {"", SN_E_SYNTAX},
        {"[]", SN_E_SYNTAX},
        {"{\"nope\":1}", SN_E_SYNTAX},
        {"{\"fInt32\":2147483648}", SN_E_SYNTAX},
        {"{\"fInt32\":1.5}", SN_E_SYNTAX},
        {"{\"fInt32\":\" 1\"}", SN_E_SYNTAX},
        {"{\"fInt32\":true}", SN_E_SYNTAX},
        {"{\"fUint32\":-1}", SN_E_SYNTAX},
        {"{\"fUint64\":18446744073709551616}", SN_E_SYNTAX},
        {"{\"fInt64\":9223372036854775808}", SN_E_SYNTAX},
        {"{\"fFloat\":1e40}", SN_E_SYNTAX},
        {"{\"fDouble\":\"nan\"}", SN_E_SYNTAX},
        {"{\"fBool\":\"true\"}", SN_E_SYNTAX},
        {"{\"fString\":1}", SN_E_SYNTAX},
        {"{\"fString\":\"\xff\"}", SN_E_SYNTAX},
        {"{\"fString\":\"\\ud800\"}", SN_E_SYNTAX},
        {"{\"fString\":\"a", SN_E_SYNTAX},
        {"{\"fString\":\"a\"", SN_E_SYNTAX},
        {"{\"mString\":{\"\xc0\x80\":\"a\"}}", SN_E_SYNTAX},
        {"{\"fBytes\":\"!\"}", SN_E_SYNTAX},
        {"{\"fColor\":\"COLOR_BLUE\"}", SN_E_SYNTAX},
        {"{\"rInt32\":[null]}", SN_E_SYNTAX},
        {"{\"rInt32\":1}", SN_E_SYNTAX},
        {"{\"mBool\":{\"yes\":1}}", SN_E_SYNTAX},
        {"{\"mString\":{\"a\":null}}", SN_E_SYNTAX},
        {"{\"pString\":\"a\",\"pInt32\":1}", SN_E_SYNTAX},
        {"{\"fInt32\":1,\"fInt32\":1}", SN_E_SYNTAX},
        {"{\"wTimestamp\":\"2001-02-29T00:00:00Z\"}", SN_E_SYNTAX},
        {"{\"wTimestamp\":\"2001-02-28 00:00:00Z\"}", SN_E_SYNTAX},
        {"{\"wTimestamp\":\"0000-01-01T00:00:00Z\"}", SN_E_SYNTAX},
        {"{\"wTimestamp\":\"0001-01-01T00:00:00+00:01\"}", SN_E_SYNTAX},
        {"{\"wDuration\":\"1\"}", SN_E_SYNTAX},
        {"{\"wDuration\":\"315576000001s\"}", SN_E_SYNTAX},
        {"{\"wMask\":\"a_b\"}", SN_E_SYNTAX},
        {"{\"wAny\":{\"@type\":\"x/unknown.Type\"}}", SN_E_NOT_FOUND},
        {"{\"wAny\":{\"name\":\"n\"}}", SN_E_SYNTAX},
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sennit_test_all *m;
        sn_test_row("%s", rows[i].in);
        T_EQ(from(rows[i].in, &m), rows[i].code);
        T_ASSERT(sn_diag()->used > 0);
    }
}

SN_TEST(pb_json_options)
{
    arena_on();
    struct sennit_test_leaf m = {.name = SN_STR_INIT("x")};
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    T_OK(
        sn_pb_to_json(&sennit_test_leaf_desc, &m, &(struct sn_pb_json_opts){.defaults = true}, &b));
    T_STR(sn_buf_view(&b), "{\"name\":\"x\",\"id\":\"0\"}");
    struct sennit_test_all a = {.f_color = 1, .f_int32 = 3};
    sn_buf_reset(&b);
    T_OK(sn_pb_to_json(&sennit_test_all_desc, &a,
                       &(struct sn_pb_json_opts){.original_names = true, .enum_numbers = true},
                       &b));
    T_STR(sn_buf_view(&b), "{\"f_int32\":3,\"f_color\":1}");
    struct sennit_test_all c = {0};
    T_OK(sn_pb_from_json(&sennit_test_all_desc, &c,
                         SN_STR("{\"nope\":{\"x\":[1]},\"fInt32\":4,\"fColor\":\"COLOR_BLUE\"}"),
                         &(struct sn_pb_json_opts){.ignore_unknown = true}, &arena));
    T_EQ(c.f_int32, 4);
    T_EQ(c.f_color, 0);
    a.f_string = SN_STR("\xff");
    size_t len = b.len;
    T_EQ(sn_pb_to_json(&sennit_test_all_desc, &a, NULL, &b), SN_E_INVALID_ARGUMENT);
    T_EQ(b.len, len);
}

SN_TEST(pb_json_depth)
{
    arena_on();
    for (int n = 50; n <= 5000; n *= 10) {
        struct sn_buf b SN_CLEANUP(sn_buf_done);
        struct sennit_test_all *m;
        sn_buf_init(&b, 0);
        for (int i = 0; i < n; i++) sn_buf_cstr(&b, "{\"fSelf\":");
        sn_buf_cstr(&b, "{}");
        for (int i = 0; i < n; i++) sn_buf_cstr(&b, "}");
        T_EQ(from(sn_buf_cz(&b), &m), n < SN_PB_DEPTH_MAX ? 0 : SN_E_DEPTH);
        if (n < SN_PB_DEPTH_MAX) T_ASSERT(sn_str_eq(to(m), sn_buf_view(&b)));
    }
    struct sennit_test_all loop = {0};
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    loop.f_self = &loop;
    T_EQ(sn_pb_to_json(&sennit_test_all_desc, &loop, NULL, &b), SN_E_DEPTH);
}
