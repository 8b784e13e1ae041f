/* SPDX-License-Identifier: Apache-2.0 */
/* cri/spdy_test.c - frames both ways, cut anywhere; what is malformed ends the connection. */
#include "clusters/cri/spdy.h"

#include "core/alloc.h"
#include "core/status.h"
#include "tests/harness/test.h"

SN_TEST(spdy_round_trip)
{
    static const struct sn_spdy_header h[] = {{SN_STR_INIT("streamtype"), SN_STR_INIT("stdin")},
                                              {SN_STR_INIT("port"), SN_STR_INIT("8080")}};
    for (size_t step = 1; step < 200; step += 7) {
        struct sn_spdy a, b;
        struct sn_buf wire = {0}, got = {0};
        T_OK(sn_spdy_init(&a));
        T_OK(sn_spdy_init(&b));
        for (uint32_t id = 1; id <= 9; id += 2) T_OK(sn_spdy_put_syn(&a, id, h, 2, &wire)); /* the compressor goes on */
        T_OK(sn_spdy_put_data(3, false, SN_STR("hello "), &wire));
        T_OK(sn_spdy_put_data(3, true, SN_STR("world"), &wire));
        T_OK(sn_spdy_put_data(5, true, SN_STR(""), &wire));
        T_OK(sn_spdy_put_ping(7, &wire));
        T_OK(sn_spdy_put_reply(&a, 1, &wire));
        T_OK(sn_spdy_put_rst(9, 3, &wire));
        T_OK(sn_spdy_put_goaway(9, &wire));
        unsigned syn = 0, fins = 0, others = 0;
        struct sn_spdy_frame *f = SN_NEW(struct sn_spdy_frame);
        for (size_t off = 0; off < wire.len; off += step) {
            struct sn_str in = sn_str_sub(sn_buf_view(&wire), off, off + step);
            int r;
            while ((r = sn_spdy_next(&b, &in, f)) > 0) {
                if (f->type == SN_SPDY_SYN_STREAM) {
                    T_EQ(f->stream, 2 * syn + 1);
                    T_STR(sn_spdy_header_get(f, "StreamType"), "stdin");
                    T_STR(sn_spdy_header_get(f, "port"), "8080");
                    T_ASSERT(!sn_spdy_header_get(f, "absent").ptr);
                    syn++;
                } else if (f->type == SN_SPDY_DATA) {
                    if (f->stream == 3) sn_buf_str(&got, f->data);
                    fins += f->fin;
                } else {
                    others++;
                }
            }
            T_EQ(r, 0);
        }
        T_EQ(syn, 5);
        T_EQ(fins, 2);
        T_EQ(others, 4);
        T_STR(sn_buf_view(&got), "hello world");
        sn_free(f);
        sn_buf_done(&wire);
        sn_buf_done(&got);
        sn_spdy_done(&a);
        sn_spdy_done(&b);
    }
}

SN_TEST(spdy_malformed)
{
    static const struct {
        const char *bytes;
        size_t n;
        int code;
    } rows[] = {{"\x80\x02\0\1\0\0\0\x0a\0\0\0\1\0\0\0\0\0\0", 18, SN_E_PROTOCOL},  /* version 2 */
                {"\x80\x03\0\x05\0\0\0\4\0\0\0\1", 12, SN_E_PROTOCOL},               /* unknown type */
                {"\x80\x03\0\1\0\0\0\4\0\0\0\1", 12, SN_E_PROTOCOL},                 /* too short for its type */
                {"\x80\x03\0\1\0\x10\0\0", 8, SN_E_TOO_LARGE},                       /* a control frame of 1 MiB */
                {"\x80\x03\0\1\0\0\0\x0e\0\0\0\1\0\0\0\0\0\0junk", 22, SN_E_PROTOCOL}, /* headers that are no zlib */
                {"\0\0\0\1\0\0\0\0", 8, 1}};
    struct sn_spdy_frame *f = SN_NEW(struct sn_spdy_frame);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_spdy s;
        struct sn_str in = sn_str_of(rows[i].bytes, rows[i].n);
        sn_test_row("row %zu", i);
        T_OK(sn_spdy_init(&s));
        T_EQ(sn_spdy_next(&s, &in, f), rows[i].code);
        sn_spdy_done(&s);
    }
    sn_free(f);
}
