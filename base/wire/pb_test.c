/* SPDX-License-Identifier: Apache-2.0 */
#include "pb_test.pb.h"

#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "pb_test2.pb.h"
#include "tests/harness/test.h"
#include "wire/pb.h"

static struct sn_arena arena;
static void arena_off(void) { sn_arena_done(&arena); }
static void arena_on(void)
{
    sn_arena_init(&arena, NULL, 64u << 20);
    sn_test_at_exit(arena_off);
}
static struct sn_str encode(const struct sn_pb_desc *d, const void *m)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    T_OK(sn_pb_encode(d, m, &b));
    return sn_arena_str(&arena, sn_buf_view(&b));
}

static struct sennit_test_all *full(void)
{
    struct sennit_test_all *m = sennit_test_all_new(&arena);
    m->f_double = 1.5, m->f_float = -2.25f, m->f_int32 = -1, m->f_int64 = INT64_MIN;
    m->f_uint32 = UINT32_MAX, m->f_uint64 = UINT64_MAX, m->f_sint32 = INT32_MIN;
    m->f_sint64 = -300, m->f_fixed32 = 7, m->f_fixed64 = 8, m->f_sfixed32 = -7, m->f_sfixed64 = -8;
    m->f_bool = true, m->f_string = SN_STR("gr\xc3\xbc\xc3\x9f"), m->f_bytes = SN_STR("\xff\0x");
    m->f_color = SENNIT_TEST_COLOR_NEGATIVE;
    sennit_test_all_mut_f_leaf(m, &arena)->name = SN_STR("leaf");
    sennit_test_all_mut_f_self(m, &arena)->f_int32 = 5;
    for (int i = 0; i < 9; i++) {
        T_OK(sennit_test_all_add_r_int32(m, i * 1000 - 4000, &arena));
        T_OK(sennit_test_all_add_r_double(m, i / 4.0, &arena));
        T_OK(sennit_test_all_add_r_bool(m, i & 1, &arena));
        T_OK(sennit_test_all_add_r_unpacked(m, -i, &arena));
        T_OK(sennit_test_all_add_r_sint64(m, -i * 77777777777, &arena));
        T_OK(sennit_test_all_add_r_fixed32(m, (uint32_t)i, &arena));
        T_OK(sennit_test_all_add_r_string(m, i & 1 ? SN_STR("odd") : SN_STR(""), &arena));
        sennit_test_all_add_r_leaf(m, &arena)->id = i;
    }
    sennit_test_all_set_o_int32(m, 0);
    sennit_test_all_set_o_string(m, SN_STR(""));
    static const char *const keys[] = {"b", "a", "c"};
    for (int i = 0; i < 3; i++) {
        struct sennit_test_all_m_string_entry *e = sennit_test_all_add_m_string(m, &arena);
        e->key = sn_str(keys[i]);
        e->value = SN_STR("v");
        struct sennit_test_all_m_leaf_entry *l = sennit_test_all_add_m_leaf(m, &arena);
        l->key = -i;
        sennit_test_all_m_leaf_entry_mut_value(l, &arena)->id = i;
    }
    struct sennit_test_leaf *p = sennit_test_leaf_new(&arena);
    p->id = 42;
    sennit_test_all_set_p_leaf(m, p);
    m->default_ = 1, m->switch_ = 2, m->camelCase_mixed9_name = SN_STR("end");
    return m;
}

SN_TEST(pb_round_trip)
{
    arena_on();
    struct sennit_test_all *m = full(), *n;
    struct sn_str x = encode(&sennit_test_all_desc, m);
    for (unsigned flags = 0; flags <= SN_PB_COPY; flags++) {
        T_OK(sennit_test_all_parse(x, flags, &arena, &n));
        T_EQ(n->f_int64, INT64_MIN);
        T_EQ(n->f_sint32, INT32_MIN);
        T_EQ(n->f_color, SENNIT_TEST_COLOR_NEGATIVE);
        T_STR(n->f_string, "gr\xc3\xbc\xc3\x9f");
        T_EQ(n->f_bytes.len, 3);
        T_EQ(n->r_int32.len, 9);
        T_EQ(n->r_int32.ptr[8], 4000);
        T_EQ(n->r_unpacked.ptr[8], -8);
        T_EQ(n->r_sint64.ptr[2], -155555555554);
        T_EQ(n->r_leaf.ptr[8]->id, 8);
        T_ASSERT(sennit_test_all_has_o_int32(n) && sennit_test_all_has_o_string(n));
        T_ASSERT(!sennit_test_all_has_o_bool(n));
        T_EQ(n->pick_case, SENNIT_TEST_ALL_PICK_P_LEAF);
        T_EQ(n->p_leaf->id, 42);
        T_STR(n->camelCase_mixed9_name, "end");
        /* Decoded maps are sorted: encode them again and they must stay as they are. */
        T_STR(n->m_string.ptr[0]->key, "a");
        T_EQ(n->m_leaf.ptr[0]->key, -2);
        struct sn_str y = encode(&sennit_test_all_desc, n), z;
        T_OK(sennit_test_all_parse(y, 0, &arena, &n));
        z = encode(&sennit_test_all_desc, n);
        T_ASSERT(sn_str_eq(y, z));
        T_EQ(y.len, x.len);
    }
}

SN_TEST(pb_golden_bytes)
{
    arena_on();
    struct sennit_test_all *m = sennit_test_all_new(&arena);
    m->f_int32 = 150;
    m->f_string = SN_STR("testing");
    T_OK(sennit_test_all_add_r_int32(m, 3, &arena));
    T_OK(sennit_test_all_add_r_int32(m, 270, &arena));
    T_OK(sennit_test_all_add_r_int32(m, 86942, &arena));
    struct sn_str s = encode(&sennit_test_all_desc, m);
    /* SPEC: protobuf.dev "Encoding", the worked examples. */
    static const char want[] = "\x18\x96\x01\x72\x07testing\x8a\x02\x06\x03\x8e\x02\x9e\xa7\x05";
    T_EQ(s.len, sizeof want - 1);
    T_ASSERT(memcmp(s.ptr, want, s.len) == 0);
}

SN_TEST(pb_bad_input)
{
    arena_on();
    static const struct {
        const char *what;
        struct sn_str in;
        int code;
    } rows[] = {
        {"tag cut", SN_STR_INIT("\x80"), SN_E_SYNTAX},
        {"field number 0", SN_STR_INIT("\x00\x01"), SN_E_SYNTAX},
        {"value missing", SN_STR_INIT("\x18"), SN_E_SYNTAX},
        {"varint of eleven bytes", SN_STR_INIT("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
         SN_E_SYNTAX},
        {"varint beyond 64 bits", SN_STR_INIT("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
         SN_E_SYNTAX},
        {"length past the end",
         SN_STR_INIT("\x72\x05"
                     "abc"),
         SN_E_SYNTAX},
        {"length 2^63", SN_STR_INIT("\x72\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), SN_E_SYNTAX},
        {"invalid UTF-8", SN_STR_INIT("\x72\x01\xff"), SN_E_SYNTAX},
        {"surrogate", SN_STR_INIT("\x72\x03\xed\xa0\x80"), SN_E_SYNTAX},
        {"fixed64 cut", SN_STR_INIT("\x09\x01\x02"), SN_E_SYNTAX},
        {"packed doubles of 9 bytes",
         SN_STR_INIT("\xfa\x01\x09"
                     "123456789"),
         SN_E_SYNTAX},
        {"packed varint cut", SN_STR_INIT("\x8a\x02\x02\x01\x80"), SN_E_SYNTAX},
        {"wire type 6", SN_STR_INIT("\x1e"), SN_E_SYNTAX},
        {"stray end of group", SN_STR_INIT("\x1c"), SN_E_SYNTAX},
        {"group never ended", SN_STR_INIT("\xa3\x06\x08\x01"), SN_E_SYNTAX},
        {"group ended by another", SN_STR_INIT("\xa3\x06\xac\x06"), SN_E_SYNTAX},
        {"sub-message longer than its parent",
         SN_STR_INIT("\x8a\x01\x04\x0a\x05"
                     "ab"),
         SN_E_SYNTAX},
        {"tag of 33 bits", SN_STR_INIT("\x88\x80\x80\x80\x10\x01"), SN_E_SYNTAX},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sennit_test_all *m = NULL;
        sn_test_row("%s", rows[i].what);
        int r = sennit_test_all_parse(rows[i].in, 0, &arena, &m);
        T_EQ(r, rows[i].code);
        T_ASSERT(!m);
        T_ASSERT(sn_diag()->used > 0);
    }
    struct sennit_test_all *m;
    sn_test_row("a varint longer than needed is allowed");
    T_OK(sennit_test_all_parse(SN_STR("\x18\x81\x80\x00"), 0, &arena, &m));
    T_EQ(m->f_int32, 1);
}

/* Every prefix of a good message either decodes (it ends between fields) or is refused. */
SN_TEST(pb_truncated)
{
    arena_on();
    struct sn_str x = encode(&sennit_test_all_desc, full());
    unsigned good = 0;
    for (size_t n = 0; n <= x.len; n++) {
        struct sn_arena a;
        struct sennit_test_all *m;
        char *exact = memcpy(sn_alloc(n), x.ptr, n); /* so that ASan sees a read past the end */
        sn_arena_init(&a, NULL, 0);
        int r = sennit_test_all_parse(sn_str_of(exact, n), 0, &a, &m);
        T_ASSERT(r == 0 || r == SN_E_SYNTAX);
        good += r == 0;
        sn_arena_done(&a);
        sn_free(exact);
    }
    T_ASSERT(good > 20 && good < x.len / 2);
}

static struct sn_str nested(unsigned depth, bool group)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_str in = SN_STR("");
    for (unsigned i = 0; i < depth; i++) {
        sn_buf_init(&b, 0);
        if (group) { /* unknown field 100 */
            sn_buf_put(&b, "\xa3\x06", 2);
            sn_buf_str(&b, in);
            sn_buf_put(&b, "\xa4\x06", 2);
        } else { /* field 18 */
            sn_buf_put(&b, "\x92\x01", 2);
            for (size_t n = in.len;; n >>= 7) {
                sn_buf_byte(&b, (uint8_t)(n >= 0x80 ? n | 0x80 : n));
                if (n < 0x80) break;
            }
            sn_buf_str(&b, in);
        }
        in = sn_arena_str(&arena, sn_buf_view(&b));
        sn_buf_done(&b);
        sn_buf_init(&b, 0);
    }
    return in;
}
SN_TEST(pb_depth_bomb)
{
    arena_on();
    for (int group = 0; group < 2; group++) {
        struct sennit_test_all *m;
        T_OK(sennit_test_all_parse(nested(SN_PB_DEPTH_MAX, group), 0, &arena, &m));
        (void)encode(&sennit_test_all_desc, m);
        T_EQ(sennit_test_all_parse(nested(SN_PB_DEPTH_MAX + 1, group), 0, &arena, &m), SN_E_DEPTH);
        T_EQ(sennit_test_all_parse(nested(3000, group), 0, &arena, &m), SN_E_DEPTH);
    }
    struct sennit_test_all *m = sennit_test_all_new(&arena);
    m->f_self = m; /* a cycle is depth without end */
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    T_EQ(sn_pb_encode(&sennit_test_all_desc, m, &b), SN_E_DEPTH);
    T_EQ(b.len, 0);
}

SN_TEST(pb_unknown_survive)
{
    arena_on();
    struct sn_str x = encode(&sennit_test_all_desc, full());
    for (unsigned flags = 0; flags <= SN_PB_COPY; flags++) {
        struct sennit_test_older *o;
        struct sennit_test_all *m;
        T_OK(sennit_test_older_parse(x, flags, &arena, &o));
        struct sn_str y = encode(&sennit_test_older_desc, o);
        T_OK(sennit_test_all_parse(y, 0, &arena, &m));
        T_EQ(m->p_leaf->id, 42);
        T_EQ(m->r_leaf.len, 9);
        T_EQ(y.len, x.len);
        T_OK(sennit_test_older_parse(x, SN_PB_DISCARD_UNKNOWN, &arena, &o));
        T_EQ(encode(&sennit_test_older_desc, o).len, 9 + 9);
    }
}

SN_TEST(pb_merge_and_both_packings)
{
    arena_on();
    struct sennit_test_all m = {0};
    /* unpacked 1, packed 2 3, unpacked 4; last scalar wins; sub-messages merge */
    struct sn_str in = SN_STR("\x88\x02\x01\x8a\x02\x02\x02\x03\x88\x02\x04"
                              "\x18\x01\x18\x02" "\x8a\x01\x03\x0a\x01q" "\x8a\x01\x02\x10\x07"
                              "\x8a\x05\x01s" "\x90\x05\x09" "\x82\x03\x01\x05");
    T_OK(sn_pb_decode(&sennit_test_all_desc, &m, in, 0, &arena));
    T_EQ(m.r_int32.len, 4);
    T_EQ(m.r_int32.ptr[3], 4);
    T_EQ(m.f_int32, 2);
    T_STR(m.f_leaf->name, "q");
    T_EQ(m.f_leaf->id, 7);
    T_EQ(m.pick_case, SENNIT_TEST_ALL_PICK_P_INT32);
    T_EQ(m.p_int32, 9);
    T_EQ(m.r_unpacked.len, 1);
    T_OK(sn_pb_decode(&sennit_test_all_desc, &m, in, 0, &arena));
    T_EQ(m.r_int32.len, 8);
}

SN_TEST(pb_maps)
{
    arena_on();
    struct sennit_test_all m = {0}, *n;
    for (int i = 0; i < 1000; i++) {
        struct sennit_test_all_m_string_entry *e = sennit_test_all_add_m_string(&m, &arena);
        e->key = sn_arena_printf(&arena, "k%d", (i * 7919) % 500);
        e->value = sn_arena_printf(&arena, "%d", i);
    }
    T_OK(sennit_test_all_parse(encode(&sennit_test_all_desc, &m), 0, &arena, &n));
    T_EQ(n->m_string.len, 500);
    for (int i = 500; i < 1000; i++) {
        struct sn_str key = sn_arena_printf(&arena, "k%d", (i * 7919) % 500);
        struct sennit_test_all_m_string_entry *e = sennit_test_all_find_m_string(n, key);
        T_ASSERT(e);
        T_EQ(strtol(e->value.ptr, NULL, 10), i); /* the last one wins */
    }
    T_ASSERT(!sennit_test_all_find_m_string(n, SN_STR("nope")));
    /* An entry without key and value is {0: empty message}. */
    T_OK(sennit_test_all_parse(SN_STR("\xc2\x04\x00"), 0, &arena, &n));
    T_ASSERT(sennit_test_all_find_m_leaf(n, 0)->value);
}

SN_TEST(pb_proto2)
{
    arena_on();
    struct sennit_test2_old *m;
    T_EQ(sennit_test2_old_parse(SN_STR(""), 0, &arena, &m), SN_E_INVALID_ARGUMENT);
    T_OK(sennit_test2_old_parse(SN_STR(""), SN_PB_PARTIAL, &arena, &m));
    /* A nested required field counts too. */
    T_EQ(sennit_test2_old_parse(SN_STR("\x08\x01\x62\x00"), 0, &arena, &m), SN_E_INVALID_ARGUMENT);
    /* id, mode=9 (unknown), group 6 {left 5}, groups 7, modes 1 7 2, extension 100 */
    struct sn_str in = SN_STR("\x08\x03\x18\x09\x33\x08\x05\x34\x3b\x0a\x01x\x3c\x3b\x3c"
                              "\x5a\x03\x01\x07\x02\xa0\x06\x01");
    T_OK(sennit_test2_old_parse(in, 0, &arena, &m));
    T_ASSERT(!sennit_test2_old_has_mode(m));
    T_EQ(sennit_test2_old_get_mode(m), SENNIT_TEST2_OLD_MODE_B);
    T_STR(sennit_test2_old_get_name(m), "na\"me\n");
    T_ASSERT(isinf(sennit_test2_old_get_ratio(m)) && sennit_test2_old_get_ratio(m) < 0);
    T_EQ(sennit_test2_old_get_low(m), INT64_MIN);
    T_EQ(sennit_test2_old_get_raw(m).len, 3);
    T_EQ(m->pair->left, 5);
    T_EQ(m->many.len, 2);
    T_STR(m->many.ptr[0]->tag, "x");
    T_EQ(m->modes.len, 2);
    struct sn_str y = encode(&sennit_test2_old_desc, m);
    T_ASSERT(sn_str_find(y, SN_STR("\x18\x09")) >= 0);
    T_ASSERT(sn_str_find(y, SN_STR("\x58\x07")) >= 0);
    T_ASSERT(sn_str_find(y, SN_STR("\xa0\x06\x01")) >= 0);
    T_ASSERT(sn_str_find(y, SN_STR("\x33\x08\x05\x34")) >= 0);
}

SN_TEST(pb_tight_buffers)
{
    arena_on();
    struct sennit_test_all *m = full();
    struct sn_str x = encode(&sennit_test_all_desc, m);
    char *mem = sn_arena_alloc(&arena, x.len);
    struct sn_buf b;
    sn_buf_init_fixed(&b, mem, x.len);
    T_EQ(sn_pb_encode(&sennit_test_all_desc, m, &b), x.len);
    T_ASSERT(memcmp(mem, x.ptr, x.len) == 0);
    sn_buf_init_fixed(&b, mem, x.len - 1);
    T_EQ(sn_pb_encode(&sennit_test_all_desc, m, &b), SN_E_TOO_LARGE);
    T_EQ(b.len, 0);
    struct sn_buf g SN_CLEANUP(sn_buf_done);
    sn_buf_init(&g, x.len + 3);
    sn_buf_put(&g, "abc", 3);
    T_EQ(sn_pb_encode(&sennit_test_all_desc, m, &g), x.len);
    T_ASSERT(memcmp(g.ptr, "abc", 3) == 0 && memcmp(g.ptr + 3, x.ptr, x.len) == 0);
    m->f_string = SN_STR("\xc0\x80");
    sn_buf_reset(&g);
    T_EQ(sn_pb_encode(&sennit_test_all_desc, m, &g), SN_E_INVALID_ARGUMENT);
}

/* Every length around the word copies, and a byte above ASCII at every place: short strings are copied
 * and looked at in one go. */
SN_TEST(pb_text_of_every_length)
{
    enum { LONGEST = 70 };
    char text[LONGEST + 1];
    struct sn_buf out;
    sn_buf_init(&out, 0);
    for (size_t n = 0; n <= LONGEST; n++) {
        for (size_t at = 0; at <= n; at++) { /* n: none */
            struct sennit_test_all m = {0};
            for (size_t i = 0; i < n; i++) text[i] = (char)('a' + i % 26);
            if (at < n) text[at] = (char)0xc3; /* begins two bytes; the second is missing */
            m.f_string = sn_str_of(text, n);
            sn_buf_reset(&out);
            ssize_t r = sn_pb_encode(&sennit_test_all_desc, &m, &out);
            if (at < n)
                T_EQ(r, SN_E_INVALID_ARGUMENT);
            else
                T_EQ(r, n ? (ssize_t)n + 2 : 0);
            if (at + 1 < n) { /* and whole */
                text[at + 1] = (char)0xbc;
                sn_buf_reset(&out);
                T_EQ(sn_pb_encode(&sennit_test_all_desc, &m, &out), (ssize_t)n + 2);
                T_ASSERT(out.len == n + 2 && memcmp(out.ptr + 2, text, n) == 0);
            }
            if (at < n) text[at] = (char)0xff;
            m = (struct sennit_test_all){.f_bytes = sn_str_of(text, n)};
            sn_buf_reset(&out);
            T_EQ(sn_pb_encode(&sennit_test_all_desc, &m, &out), n ? (ssize_t)n + 2 : 0);
            T_ASSERT(!n || (out.len == n + 2 && memcmp(out.ptr + 2, text, n) == 0));
        }
    }
    sn_buf_done(&out);
}

SN_TEST(pb_by_table)
{
    arena_on();
    const struct sn_pb_desc *d = sn_pb_find(&pb_test_proto_file, SN_STR("sennit.test.All"));
    T_ASSERT(d == &sennit_test_all_desc);
    T_ASSERT(sn_pb_find(&pb_test_proto_file, SN_STR("google.protobuf.Any")));
    const struct sn_pb_field *f = sn_pb_field_by_name(d, SN_STR("fInt32"));
    T_ASSERT(f && f == sn_pb_field_by_name(d, SN_STR("f_int32")) && f->number == 3);
    void *m = sn_pb_new(d, &arena), *c;
    sn_pb_set(m, f, (union sn_pb_value){.i32 = 9});
    T_EQ(sn_pb_get(m, f).i32, 9);
    f = sn_pb_field_by_name(d, SN_STR("r_leaf"));
    T_OK(sn_pb_append(m, f, (union sn_pb_value){.msg = sn_pb_new(f->sub.msg, &arena)}, &arena));
    T_EQ(sn_pb_len(m, f), 1);
    T_OK(sn_pb_clone(d, m, &arena, &c));
    T_EQ(sn_pb_equal(d, m, c), 1);
    sn_pb_clear(c, f);
    T_EQ(sn_pb_equal(d, m, c), 0);
    f = sn_pb_field_by_name(d, SN_STR("p_string"));
    sn_pb_set(m, f, (union sn_pb_value){.s = SN_STR("x")});
    T_ASSERT(sn_pb_has(m, f));
    sn_pb_clear(m, f);
    T_ASSERT(!sn_pb_has(m, f));
    T_STR(sn_pb_enum_name(&sennit_test_color_enum, -5), "COLOR_NEGATIVE");
    T_EQ(sennit_test_echo_service.n_methods, 2);
    T_STR(sennit_test_echo_service.methods[1].path, "/sennit.test.Echo/Stream");
    T_ASSERT(sennit_test_echo_service.methods[1].client_streaming);
}

/* Random bytes and random damage: never a crash, and what decodes is stable from then on. */
SN_TEST(pb_random_damage)
{
    arena_on();
    struct sn_str x = encode(&sennit_test_all_desc, full());
    for (unsigned i = 0; i < sn_test_cases(3000); i++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 16u << 20);
        struct sn_str in = sn_arena_str(&a, x);
        for (unsigned k = 0; k <= sn_test_rand_below(4); k++)
            ((char *)(uintptr_t)in.ptr)[sn_test_rand_below(in.len)] = (char)sn_test_rand();
        in.len = sn_test_rand_below(in.len + 1);
        struct sennit_test_all *m, *n;
        int r = sennit_test_all_parse(in, sn_test_rand() & 1, &a, &m);
        if (r == 0) {
            struct sn_buf b SN_CLEANUP(sn_buf_done), c SN_CLEANUP(sn_buf_done);
            sn_buf_init(&b, 0);
            sn_buf_init(&c, 0);
            T_OK(sn_pb_encode(&sennit_test_all_desc, m, &b));
            T_OK(sennit_test_all_parse(sn_buf_view(&b), 0, &a, &n));
            T_OK(sn_pb_encode(&sennit_test_all_desc, n, &c));
            T_ASSERT(sn_str_eq(sn_buf_view(&b), sn_buf_view(&c)));
        }
        sn_arena_done(&a);
    }
}
