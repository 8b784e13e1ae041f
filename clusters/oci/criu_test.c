/* SPDX-License-Identifier: Apache-2.0 */
/* oci/criu_test.c - criu's packets, byte for byte, and what is refused. */
#include "clusters/oci/checkpoint.h"
#include "clusters/oci/criu_rpc_int.h"
#include "tests/harness/test.h"

static void bytes_are(struct sn_buf *b, const char *want, size_t n)
{
    T_OK(b->err);
    T_EQ(b->len, n);
    T_ASSERT(memcmp(b->ptr, want, n) == 0);
    sn_buf_done(b);
}
#define BYTES_ARE(b, s) bytes_are(b, s, sizeof(s) - 1)

SN_TEST(criu_requests)
{
    struct sn_buf b = {0}, o = {0};
    sn_criu_put_num(&b, SN_CRIU_PID, 300);
    BYTES_ARE(&b, "\x10\xac\x02");
    sn_criu_put_num(&b, SN_CRIU_LOG_LEVEL, -1); /* int32: ten bytes */
    BYTES_ARE(&b, "\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    sn_criu_put_two(&b, SN_CRIU_EXT_MNT, SN_STR("/a"), SN_STR("b"));
    BYTES_ARE(&b, "\xba\x01\x07\x0a\x02/a\x12\x01" "b");
    sn_criu_put_text_num(&b, SN_CRIU_INHERIT_FD, SN_STR("pipe:[1]"), 200);
    BYTES_ARE(&b, "\xda\x01\x0d\x0a\x08pipe:[1]\x10\xc8\x01");
    sn_criu_put_num(&o, SN_CRIU_LEAVE_RUNNING, true);
    T_OK(sn_criu_request(&b, SN_CRIU_DUMP, sn_buf_view(&o), 0));
    BYTES_ARE(&b, "\x08\x01\x12\x02\x18\x01");
    T_OK(sn_criu_request(&b, SN_CRIU_NOTIFY, (struct sn_str){0}, 0));
    BYTES_ARE(&b, "\x08\x06\x18\x01");
    T_OK(sn_criu_request(&b, SN_CRIU_FEATURE_CHECK, (struct sn_str){0}, SN_CRIU_FEATURE_LAZY_PAGES));
    BYTES_ARE(&b, "\x08\x09\x2a\x02\x10\x01");
    sn_buf_done(&o);
    /* A text as long as its length takes two bytes. */
    char text[300];
    memset(text, 'x', sizeof(text));
    sn_criu_put_two(&b, SN_CRIU_CG_ROOT, sn_str_of(text, sizeof(text)), SN_STR(""));
    T_EQ(b.len, 2 + 2 + 3 + 300 + 2);
    T_EQ((uint8_t)b.ptr[2] | (uint8_t)b.ptr[3] << 8, 0xb1 | 0x02 << 8);
    sn_buf_done(&b);
}

SN_TEST(criu_answers)
{
    struct sn_criu_answer a;
    T_OK(sn_criu_answer_parse(SN_STR("\x08\x06\x10\x01\x2a\x0b\x0a\x06script\x10\x92\x01"), &a));
    T_EQ(a.type, SN_CRIU_NOTIFY);
    T_ASSERT(a.success);
    T_STR(a.script, "script");
    T_EQ(a.pid, 146);
    T_OK(sn_criu_answer_parse(SN_STR("\x08\x02\x10\x01\x22\x02\x08\x07"), &a));
    T_EQ(a.pid, 7);
    T_OK(sn_criu_answer_parse(SN_STR("\x08\x01\x10\x01\x38\x5f\x4a\x02no"), &a));
    T_EQ(a.error, 95);
    T_STR(a.text, "no");
    T_OK(sn_criu_answer_parse(SN_STR("\x08\x09\x10\x01\x42\x04\x08\x01\x10\x01"), &a));
    T_EQ(a.features, 6);
    /* Fields of other kinds are passed over. */
    T_OK(sn_criu_answer_parse(SN_STR("\x08\x01\xf9\x07" "12345678\xfd\x07" "1234\x10\x01"), &a));
    T_ASSERT(a.success);
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {{"", 0},         {"\x10\x01", 2},     {"\x08", 1},
               {"\x08\x80", 2}, {"\x08\x01\x0b", 3}, {"\x08\x01\x2a\x05" "ab", 6},
               {"\x08\x01\x22\x02\x08\x80", 6},      {"\x08\x01\xf9\x07" "1234", 8},
               {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++)
        T_EQ(sn_criu_answer_parse(sn_str_of(bad[i].p, bad[i].n), &a), SN_E_DATA_LOSS);
}
