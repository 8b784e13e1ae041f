/* SPDX-License-Identifier: Apache-2.0 */
/* cri/logline_test.c - output cut anywhere gives the same lines, and they read back as the output. */
#include "clusters/cri/logline.h"

#include "core/alloc.h"
#include "tests/harness/test.h"

SN_TEST(log_lines)
{
    struct sn_cri_logline *l = SN_NEW(struct sn_cri_logline);
    struct sn_buf out = {0};
    sn_cri_logline_init(l, "stdout");
    sn_cri_logline_feed(l, SN_STR("one\ntw"), 1480000000123456789, &out);
    sn_cri_logline_feed(l, SN_STR("o\n\nend"), 1480000000123456789, &out);
    sn_cri_logline_end(l, 1480000000123456789, &out);
    T_STR(sn_buf_view(&out), "2016-11-24T15:06:40.123456789Z stdout F one\n2016-11-24T15:06:40.123456789Z stdout F two\n"
                             "2016-11-24T15:06:40.123456789Z stdout F \n2016-11-24T15:06:40.123456789Z stdout F end\n");
    sn_buf_done(&out);
    sn_free(l);
}

SN_TEST(log_lines_any_cut)
{
    struct sn_cri_logline *l = SN_NEW(struct sn_cri_logline);
    for (unsigned i = 0; i < sn_test_cases(200); i++) {
        struct sn_buf in = {0}, out = {0}, back = {0};
        size_t n = sn_test_rand_below(100000);
        unsigned every = 1 + (unsigned)sn_test_rand_below(40000);
        for (size_t k = 0; k < n; k++) sn_buf_byte(&in, sn_test_rand_below(every) ? 'x' : '\n');
        sn_cri_logline_init(l, "stderr");
        struct sn_str rest = sn_buf_view(&in);
        while (rest.len) {
            struct sn_str piece = sn_str_sub(rest, 0, 1 + sn_test_rand_below(50000));
            rest = sn_str_from(rest, piece.len);
            sn_cri_logline_feed(l, piece, 0, &out);
        }
        sn_cri_logline_end(l, 0, &out);
        struct sn_str text = sn_buf_view(&out);
        struct sn_cri_log_record rec;
        while (sn_cri_log_next(&text, &rec) > 0) {
            T_STR(rec.stream, "stderr");
            T_ASSERT(rec.text.len <= SN_CRI_LOG_LINE_MAX);
            T_ASSERT(!rec.partial || rec.text.len == SN_CRI_LOG_LINE_MAX);
            sn_buf_str(&back, rec.text);
            if (!rec.partial) sn_buf_byte(&back, '\n');
        }
        T_EQ(text.len, 0);
        bool open = in.len && in.ptr[in.len - 1] != '\n';
        if (open) back.len--;
        T_EQ(back.len, in.len);
        T_ASSERT(!in.len || !memcmp(back.ptr, in.ptr, in.len));
        sn_buf_done(&in);
        sn_buf_done(&out);
        sn_buf_done(&back);
    }
    sn_free(l);
    struct sn_cri_log_record rec;
    struct sn_str junk = SN_STR("no log line\n");
    T_EQ(sn_cri_log_next(&junk, &rec), -39); /* SN_E_SYNTAX */
    T_EQ(junk.len, 0);
}
