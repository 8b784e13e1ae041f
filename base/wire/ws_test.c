/* SPDX-License-Identifier: Apache-2.0 */
/* wire/ws_test.c - frames round trip whatever their cut, and what RFC 6455 forbids is refused. */
#include "wire/ws.h"

#include "core/status.h"
#include "tests/harness/test.h"

static void put_frame(struct sn_buf *b, int op, bool fin, const char *s, size_t n, bool mask)
{
    uint8_t head[SN_WS_HEAD_MAX], key[4];
    uint32_t k = (uint32_t)sn_test_rand();
    memcpy(key, &k, 4);
    size_t h = sn_ws_head_put(head, (enum sn_ws_op)op, fin, n, mask ? key : NULL);
    sn_buf_put(b, head, h);
    T_OK(sn_buf_reserve(b, n));
    if (mask)
        sn_ws_mask(b->ptr + b->len, (const uint8_t *)s, n, key, 0);
    else
        memcpy(b->ptr + b->len, s, n);
    b->len += n;
}

SN_TEST(ws_round_trip_any_cut)
{
    static const size_t sizes[] = {0, 1, 3, 16, 125, 126, 127, 1000, 65535, 65536, 70001};
    struct sn_buf wire = {0}, msg = {0}, data = {0};
    for (size_t i = 0; i < 70001; i++) sn_buf_byte(&data, (uint8_t)('a' + i % 26));
    for (unsigned c = 0; c < sn_test_cases(60); c++) {
        size_t n = sizes[sn_test_rand_below(SN_COUNT_OF(sizes))];
        bool mask = sn_test_rand() & 1;
        sn_buf_reset(&wire);
        size_t cut = sn_test_rand_below(n + 1);
        put_frame(&wire, SN_WS_OP_TEXT, false, (char *)data.ptr, cut, mask);
        put_frame(&wire, SN_WS_OP_PING, true, "hi", 2, mask);
        put_frame(&wire, SN_WS_OP_CONT, true, (char *)data.ptr + cut, n - cut, mask);
        struct sn_ws_decoder d;
        sn_ws_decoder_init(&d, mask, 0);
        sn_buf_reset(&msg);
        size_t off = 0;
        int got = SN_E_AGAIN, pings = 0;
        while (got != SN_WS_OP_TEXT) {
            size_t step = 1 + sn_test_rand_below(20000);
            struct sn_str in = sn_str_of((char *)wire.ptr + off, SN_MIN(step, wire.len - off));
            T_ASSERT(in.len);
            off += in.len;
            while ((got = sn_ws_decode(&d, &in, &msg)) == SN_WS_OP_PING) pings++;
            T_ASSERT(got == SN_E_AGAIN || got == SN_WS_OP_TEXT);
        }
        T_EQ(pings, 1);
        T_EQ(off, wire.len);
        T_EQ(msg.len, n);
        T_ASSERT(memcmp(msg.ptr, data.ptr, n) == 0);
    }
    sn_buf_done(&wire);
    sn_buf_done(&msg);
    sn_buf_done(&data);
}

struct ws_row {
    const char *what, *bytes;
    size_t n;
    bool mask;
    int code;
};
#define B(s) s, sizeof(s) - 1
static const struct ws_row ws_rows[] = {
    {"reserved bit", B("\xc1\x00"), false, SN_E_PROTOCOL},
    {"unmasked to server", B("\x81\x00"), true, SN_E_PROTOCOL},
    {"masked to client", B("\x81\x80\x01\x02\x03\x04"), false, SN_E_PROTOCOL},
    {"opcode 3", B("\x83\x00"), false, SN_E_PROTOCOL},
    {"opcode 11", B("\x8b\x00"), false, SN_E_PROTOCOL},
    {"fragmented ping", B("\x09\x00"), false, SN_E_PROTOCOL},
    {"long ping", B("\x89\x7e\x00\x7e"), false, SN_E_PROTOCOL},
    {"stray continuation", B("\x80\x00"), false, SN_E_PROTOCOL},
    {"text inside text", B("\x01\x01" "a\x81\x01" "b"), false, SN_E_PROTOCOL},
    {"long form of 5", B("\x81\x7e\x00\x05hello"), false, SN_E_PROTOCOL},
    {"long form of 500", B("\x81\x7f\x00\x00\x00\x00\x00\x00\x01\xf4"), false, SN_E_PROTOCOL},
    {"64-bit length", B("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), false, SN_E_PROTOCOL},
    {"over the limit", B("\x82\x7f\x00\x00\x00\x00\x7f\x00\x00\x00"), false, SN_E_TOO_LARGE},
    {"bad UTF-8", B("\x81\x02\xc0\xaf"), false, SN_E_SYNTAX},
    {"surrogate", B("\x81\x03\xed\xa0\x80"), false, SN_E_SYNTAX},
    {"cut character", B("\x81\x01\xe2"), false, SN_E_SYNTAX},
    {"close of one byte", B("\x88\x01\x03"), false, SN_E_PROTOCOL},
    {"close 1005", B("\x88\x02\x03\xed"), false, SN_E_PROTOCOL},
    {"close 999", B("\x88\x02\x03\xe7"), false, SN_E_PROTOCOL},
    {"close reason not UTF-8", B("\x88\x03\x03\xe8\xff"), false, SN_E_SYNTAX},
    {"close", B("\x88\x02\x03\xe8"), false, SN_WS_OP_CLOSE},
    {"empty close", B("\x88\x00"), false, SN_WS_OP_CLOSE},
    {"split euro sign", B("\x01\x01\xe2\x80\x02\x82\xac"), false, SN_WS_OP_TEXT},
    {"empty text", B("\x81\x00"), false, SN_WS_OP_TEXT},
    {"incomplete", B("\x81\x05hel"), false, SN_E_AGAIN},
};

SN_TEST(ws_rules)
{
    for (size_t i = 0; i < SN_COUNT_OF(ws_rows); i++)
        for (size_t step = 1; step < 12; step += 5) {
            const struct ws_row *r = &ws_rows[i];
            sn_test_row("%s, by %zu", r->what, step);
            struct sn_ws_decoder d;
            struct sn_buf msg = {0};
            sn_ws_decoder_init(&d, r->mask, 0);
            int got = SN_E_AGAIN;
            for (size_t off = 0; off < r->n && got == SN_E_AGAIN; off += step) {
                struct sn_str in = sn_str_of(r->bytes + off, SN_MIN(step, r->n - off));
                got = sn_ws_decode(&d, &in, &msg);
            }
            T_EQ(got, r->code);
            if (got < 0 && got != SN_E_AGAIN) T_ASSERT(d.why && sn_ws_error_code(got) > 1001);
            sn_buf_done(&msg);
        }
}

SN_TEST(ws_fragment_flood)
{
    struct sn_ws_decoder d;
    struct sn_buf msg = {0};
    sn_ws_decoder_init(&d, false, 0);
    struct sn_str in = SN_STR("\x02\x00");
    int r = sn_ws_decode(&d, &in, &msg);
    for (unsigned i = 0; r == SN_E_AGAIN && i <= SN_WS_FRAGMENTS_MAX; i++) {
        in = SN_STR("\x00\x00");
        r = sn_ws_decode(&d, &in, &msg);
    }
    T_EQ(r, SN_E_TOO_LARGE);
    sn_buf_done(&msg);
}

/* The incremental check agrees with the whole-string one, however the string is cut. */
SN_TEST(ws_utf8_incremental)
{
    for (unsigned c = 0; c < sn_test_cases(20000); c++) {
        uint8_t s[24];
        size_t n = 0;
        while (n < 16) {
            if (sn_test_rand_below(4) == 0)
                s[n++] = (uint8_t)sn_test_rand();
            else
                n +=
                    sn_utf8_put((uint32_t)sn_test_rand_below(sn_test_rand() & 1 ? 0x110000 : 0x800),
                                (char *)s + n);
        }
        size_t cut = sn_test_rand_below(n + 1);
        struct sn_utf8_state st = {0};
        bool ok = sn_utf8_feed(&st, s, cut) && sn_utf8_feed(&st, s + cut, n - cut) && st.left == 0;
        T_EQ(ok, sn_utf8_valid(sn_str_of((char *)s, n)));
    }
}

/* ---- compression ---------------------------------------------------------------------------- */

SN_TEST(ws_deflate_negotiation)
{
    static const struct {
        const char *offer, *answer;
    } rows[] = {
        {"permessage-deflate", ""},
        {"permessage-deflate; client_max_window_bits", ""},
        {"permessage-deflate; client_max_window_bits=10; server_no_context_takeover", ""},
        {"x-other, permessage-deflate;server_max_window_bits=10", "; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=\"12\"", "; server_max_window_bits=12"},
        {"permessage-deflate; server_max_window_bits=8, permessage-deflate", ""},
        {"PerMessage-Deflate", ""},
        {"permessage-deflate; server_max_window_bits=8", NULL},
        {"permessage-deflate; server_max_window_bits", NULL},
        {"permessage-deflate; server_max_window_bits=16", NULL},
        {"permessage-deflate; server_max_window_bits=09", NULL},
        {"permessage-deflate; server_no_context_takeover=1", NULL},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", NULL},
        {"permessage-deflate; unknown", NULL},
        {"permessage-deflate;", NULL},
        {"x-webkit-deflate-frame", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        char answer[SN_WS_DEFLATE_ANSWER_MAX], want[200];
        unsigned bits = 0;
        sn_test_row("%s", rows[i].offer);
        T_EQ(sn_ws_deflate_offered(sn_str(rows[i].offer), &bits, answer), rows[i].answer != NULL);
        if (!rows[i].answer) continue;
        snprintf(want, sizeof(want), SN_WS_DEFLATE_OFFER "%s", rows[i].answer);
        T_CSTR(answer, want);
        T_ASSERT(bits >= 9 && bits <= 15);
        T_ASSERT(sn_ws_deflate_answered(sn_str(answer)));
    }
    T_ASSERT(!sn_ws_deflate_answered(SN_STR("permessage-deflate")));
    T_ASSERT(!sn_ws_deflate_answered(
        SN_STR("permessage-deflate; server_no_context_takeover; client_max_window_bits=10")));
    T_ASSERT(!sn_ws_deflate_answered(SN_STR(SN_WS_DEFLATE_OFFER ", permessage-deflate")));
}

SN_TEST(ws_deflate_messages)
{
    for (size_t n = 0; n < 300000; n = n * 5 / 3 + 1) {
        for (unsigned bits = 9; bits <= 15; bits += 3) {
            struct sn_buf text = {0}, small = {0}, back = {0};
            sn_test_row("%zu bytes, window %u", n, bits);
            for (size_t i = 0; i < n; i++) {
                uint8_t c = (uint8_t)sn_test_rand();
                sn_buf_byte(&text, n & 1 ? c : (uint8_t)('a' + (c & 3)));
            }
            T_OK(sn_ws_deflate(sn_buf_view(&text), bits, &small));
            if (n > 100 && !(n & 1)) T_ASSERT(small.len < n * 2 / 3);
            T_OK(sn_ws_inflate(sn_buf_view(&small), n, &back));
            T_EQ(back.len, n);
            T_ASSERT(n == 0 || memcmp(back.ptr, text.ptr, n) == 0);
            sn_buf_reset(&back);
            if (n) T_EQ(sn_ws_inflate(sn_buf_view(&small), n - 1, &back), SN_E_TOO_LARGE);
            sn_buf_reset(&back);
            /* Cut anywhere it is an error, or text no longer than the limit: whatever the marker
             * that ends a flush decodes to. */
            for (size_t cut = 0; n < 2000 && cut < small.len; cut += 1 + cut / 7) {
                int r = sn_ws_inflate(sn_str_of((char *)small.ptr, cut), n, &back);
                T_ASSERT(r == SN_E_SYNTAX || r == SN_E_TOO_LARGE || (r == 0 && back.len <= n));
                sn_buf_reset(&back);
            }
            sn_buf_done(&text);
            sn_buf_done(&small);
            sn_buf_done(&back);
        }
    }
    /* A bomb: a kilobyte that wants to be a megabyte costs the limit and no more. */
    struct sn_buf zeros = {0}, bomb = {0}, out = {0};
    T_OK(sn_buf_reserve(&zeros, 1 << 20));
    memset(zeros.ptr, 0, zeros.len = 1 << 20);
    T_OK(sn_ws_deflate(sn_buf_view(&zeros), 15, &bomb));
    T_ASSERT(bomb.len < 2000);
    T_EQ(sn_ws_inflate(sn_buf_view(&bomb), 10000, &out), SN_E_TOO_LARGE);
    T_ASSERT(out.cap <= 32768);
    /* A final block, as some compressors end; then not deflate at all. */
    sn_buf_reset(&out);
    T_OK(sn_ws_inflate(sn_str_of("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8), 100, &out));
    T_STR(sn_buf_view(&out), "Hello");
    T_EQ(sn_ws_inflate(SN_STR("\xff\xff\xff"), 100, &out), SN_E_SYNTAX);
    sn_buf_done(&zeros);
    sn_buf_done(&bomb);
    sn_buf_done(&out);
}

/* Which frames may carry RSV1, with and without the extension. */
SN_TEST(ws_deflate_frames)
{
    static const struct {
        const char *bytes;
        size_t n;
        int with, without;
    } rows[] = {
        {"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9, SN_WS_OP_TEXT, SN_E_PROTOCOL},
        {"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", 11, SN_WS_OP_TEXT, SN_E_PROTOCOL},
        {"\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00", 11, SN_E_PROTOCOL, SN_E_PROTOCOL},
        {"\xc9\x00", 2, SN_E_PROTOCOL, SN_E_PROTOCOL},
        {"\xa1\x00", 2, SN_E_PROTOCOL, SN_E_PROTOCOL},
        {"\x91\x00", 2, SN_E_PROTOCOL, SN_E_PROTOCOL},
        {"\x81\x01\x61", 3, SN_WS_OP_TEXT, SN_WS_OP_TEXT},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
        for (int with = 0; with < 2; with++) {
            struct sn_ws_decoder d;
            struct sn_buf m = {0};
            sn_test_row("%zu %d", i, with);
            sn_ws_decoder_init(&d, false, 0);
            d.deflate = with;
            struct sn_str in = sn_str_of(rows[i].bytes, rows[i].n);
            T_EQ(sn_ws_decode(&d, &in, &m), with ? rows[i].with : rows[i].without);
            if (with && i < 2) {
                struct sn_buf out = {0};
                T_ASSERT(d.compressed);
                T_OK(sn_ws_inflate(sn_buf_view(&m), 100, &out));
                T_STR(sn_buf_view(&out), "Hello");
                sn_buf_done(&out);
            }
            sn_buf_done(&m);
        }
}
