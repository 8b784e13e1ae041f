/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "core/status.h"
#include "evm/codec.h"
#include "harness/test.h"

static const struct sn_abi_type *args(struct sn_arena *a, const char *text)
{
    struct sn_abi_params p;
    const struct sn_abi_type *t;
    T_OK(sn_abi_params_parse(a, sn_str(text), &p));
    T_OK(sn_abi_params_type(a, p, &t));
    return t;
}
static struct sn_abi_value value(struct sn_arena *a, const struct sn_abi_type *t, const char *json)
{
    const struct sn_json *tree;
    struct sn_abi_value v;
    T_OK(sn_json_parse(a, sn_str(json), NULL, &tree));
    T_OK(sn_abi_from_json(a, t, tree, &v));
    return v;
}
static struct sn_str hex_words(struct sn_arena *a, const char *text)
{
    char *out = sn_arena_alloc(a, strlen(text) + 1);
    size_t n = 0;
    for (; *text; text++)
        if (*text != ' ') out[n++] = *text;
    ssize_t len = sn_hex_decode(sn_str_of(out, n), out);
    T_OK(len);
    return sn_str_of(out, (size_t)len);
}
#define Z28 "00000000000000000000000000000000000000000000000000000000"
#define W(x) Z28 #x " "

/* The specification's examples and one of each kind. */
static const struct {
    const char *types, *json, *hex;
} good[] = {
    {"uint32,bool", "[69,true]", W(00000045) W(00000001)},
    {"bytes3[2]", "[[\"0x616263\",\"0x646566\"]]",
     "6162630000000000000000000000000000000000000000000000000000000000"
     "6465660000000000000000000000000000000000000000000000000000000000"},
    {"bytes,bool,uint[]", "[\"0x64617665\",true,[1,2,3]]",
     W(00000060) W(00000001) W(000000a0) W(00000004)
     "6461766500000000000000000000000000000000000000000000000000000000"
     W(00000003) W(00000001) W(00000002) W(00000003)},
    {"uint256,uint32[],bytes10,bytes", "[291,[1110,1929],\"0x31323334353637383930\",\"0x48656c6c6f2c20776f726c6421\"]",
     W(00000123) W(00000080) "3132333435363738393000000000000000000000000000000000000000000000"
     W(000000e0) W(00000002) W(00000456) W(00000789) W(0000000d)
     "48656c6c6f2c20776f726c642100000000000000000000000000000000000000"},
    {"uint[][],string[]", "[[[1,2],[3]],[\"one\",\"two\",\"three\"]]",
     W(00000040) W(00000140) W(00000002) W(00000040) W(000000a0) W(00000002) W(00000001) W(00000002)
     W(00000001) W(00000003) W(00000003) W(00000060) W(000000a0) W(000000e0) W(00000003)
     "6f6e650000000000000000000000000000000000000000000000000000000000" W(00000003)
     "74776f0000000000000000000000000000000000000000000000000000000000" W(00000005)
     "7468726565000000000000000000000000000000000000000000000000000000"},
    {"int8,int256,ufixed128x2", "[-128,\"-1\",\"1.5\"]",
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" W(00000096)},
    {"(uint8 a,(string s,bool b)[2] c) t", "[{\"a\":1,\"c\":[[\"x\",true],[\"\",false]]}]",
     W(00000020) W(00000001) W(00000040) W(00000040) W(000000c0) W(00000040) W(00000001) W(00000001)
     "7800000000000000000000000000000000000000000000000000000000000000" W(00000040) W(00000000)
     W(00000000)},
    {"uint[0],()[2],string", "[[],[[],[]],\"\"]", W(00000020) W(00000000)},
    {"", "[]", ""},
};
SN_TEST(codec_examples)
{
    for (size_t i = 0; i < SN_COUNT_OF(good); i++) {
        struct sn_arena a;
        struct sn_buf out, text, again;
        struct sn_jsonw w;
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&out, 0);
        sn_buf_init(&text, 0);
        sn_buf_init(&again, 0);
        sn_test_row("%s", good[i].types);
        const struct sn_abi_type *t = args(&a, good[i].types);
        struct sn_abi_value v = value(&a, t, good[i].json), back;
        struct sn_str want = hex_words(&a, good[i].hex);
        T_OK(sn_abi_encode(t, &v, &out));
        T_ASSERT(sn_str_eq(sn_buf_view(&out), want));
        T_OK(sn_abi_decode(&a, t, want, NULL, &back));
        T_OK(sn_abi_encode(t, &back, &again));
        T_ASSERT(sn_str_eq(sn_buf_view(&again), want));
        /* Through JSON and back it is the same value. */
        sn_jsonw_init(&w, &text, NULL);
        sn_abi_to_json(&w, t, &back);
        v = value(&a, t, sn_buf_cz(&text));
        sn_buf_reset(&again);
        T_OK(sn_abi_encode(t, &v, &again));
        T_ASSERT(sn_str_eq(sn_buf_view(&again), want));
        /* Nothing that is cut short, and nothing with more behind it, decodes strictly. */
        for (size_t n = 0; n < want.len; n++)
            T_ASSERT(sn_abi_decode(&a, t, sn_str_sub(want, 0, n), NULL, &back) < 0);
        sn_buf_byte(&out, 0);
        T_EQ(sn_abi_decode(&a, t, sn_buf_view(&out), NULL, &back), SN_E_SYNTAX);
        T_OK(sn_abi_decode(&a, t, sn_buf_view(&out), &(struct sn_abi_decode_opts){.lenient = true},
                           &back));
        sn_buf_done(&out);
        sn_buf_done(&text);
        sn_buf_done(&again);
        sn_arena_done(&a);
    }
}
SN_TEST(codec_refused)
{
    static const struct {
        const char *types, *hex;
        int strict, lenient;
    } rows[] = {
        {"uint8", W(00000100), SN_E_SYNTAX, SN_E_SYNTAX},
        {"int8", W(00000080), SN_E_SYNTAX, SN_E_SYNTAX},
        {"bool", W(00000002), SN_E_SYNTAX, SN_E_SYNTAX},
        {"address", "0000000000000000000000010000000000000000000000000000000000000000", SN_E_SYNTAX,
         SN_E_SYNTAX},
        {"bytes3", "6162630000000000000000000000000000000000000000000000000000000001", SN_E_SYNTAX,
         SN_E_SYNTAX},
        {"function", W(00000001), SN_E_SYNTAX, SN_E_SYNTAX},
        {"uint256", "", SN_E_EOF, SN_E_EOF},
        {"string", W(00000020), SN_E_EOF, SN_E_EOF},
        /* The offset points at itself, before its own head, behind the data, at 2^64. */
        {"uint256[]", W(00000000), SN_E_SYNTAX, 0},
        {"uint256[][]", W(00000000), SN_E_SYNTAX, 0},
        {"string", W(00000040) W(00000000), SN_E_SYNTAX, SN_E_EOF},
        {"string", W(ffffffff), SN_E_SYNTAX, SN_E_SYNTAX},
        {"string", "0000000000000000000000000000000000000000000000010000000000000020", SN_E_SYNTAX,
         SN_E_SYNTAX},
        /* Lengths beyond the data. */
        {"string", W(00000020) W(00000021) W(00000000), SN_E_EOF, SN_E_EOF},
        {"string", W(00000020) W(ffffffff), SN_E_SYNTAX, SN_E_SYNTAX},
        {"uint256[]", W(00000020) W(7fffffff), SN_E_EOF, SN_E_EOF},
        {"string[]", W(00000020) W(7fffffff), SN_E_EOF, SN_E_EOF},
        /* Elements of no size: only the work budget ends this. */
        {"uint256[0][]", W(00000020) W(7fffffff), SN_E_TOO_LARGE, SN_E_TOO_LARGE},
        {"()[][]", W(00000020) W(00000001) W(00000020) W(7fffffff), SN_E_TOO_LARGE, SN_E_TOO_LARGE},
        /* Dirty padding; a gap; shared tails. */
        {"string", W(00000020) W(00000001) "7801000000000000000000000000000000000000000000000000000000000000",
         SN_E_SYNTAX, 0},
        {"string", W(00000040) W(00000000) W(00000000), SN_E_SYNTAX, 0},
        {"string,string", W(00000040) W(00000040) W(00000000), SN_E_SYNTAX, 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_abi_value v;
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%zu: %s", i, rows[i].types);
        const struct sn_abi_type *t = args(&a, rows[i].types);
        struct sn_str data = hex_words(&a, rows[i].hex);
        T_EQ(sn_abi_decode(&a, t, data, NULL, &v), rows[i].strict);
        T_EQ(sn_abi_decode(&a, t, data, &(struct sn_abi_decode_opts){.lenient = true}, &v),
             rows[i].lenient);
        sn_arena_done(&a);
    }
}
/* Lists of lists that all share one tail: n^depth values in n words, if nobody counts. */
SN_TEST(codec_shared_tails_are_bounded)
{
    enum { N = 100 };
    static uint8_t data[32 * (2 + N)];
    struct sn_arena a;
    struct sn_abi_value v;
    struct sn_abi_decode_opts lenient = {.lenient = true};
    memset(data, 0, sizeof(data));
    data[31] = 32;
    data[63] = N;
    /* Every element points back at its own list: the head minus one word cannot be named, so each
     * level points at the word behind the length. */
    for (size_t i = 0; i < N; i++) data[32 * (2 + i) + 31] = (uint8_t)(i % 3 * 32);
    sn_arena_init(&a, NULL, 0);
    const struct sn_abi_type *t = args(&a, "uint256[][][][][][][][]");
    int r = sn_abi_decode(&a, t, sn_str_of((char *)data, sizeof(data)), &lenient, &v);
    T_ASSERT(a.used < 64u << 20);
    T_ASSERT(r <= 0);
    sn_arena_done(&a);
}
SN_TEST(codec_values_refused)
{
    static const struct {
        const char *types, *json, *message;
    } rows[] = {
        {"uint8", "[256]", "256 does not fit uint8"},
        {"uint8", "[-1]", "-1 does not fit uint8"},
        {"int8", "[128]", "128 does not fit int8"},
        {"int8", "[-129]", "-129 does not fit int8"},
        {"uint256", "[\"0x10000000000000000000000000000000000000000000000000000000000000000\"]",
         "does not fit"},
        {"uint256", "[1.5]", "expected an integer"},
        {"bool", "[1]", "expected true or false"},
        {"address", "[\"0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96046\"]", "checksum"},
        {"address", "[\"0x12\"]", "40 hex digits"},
        {"bytes4", "[\"0x010203\"]", "expected 4 bytes, got 3"},
        {"bytes", "[\"0x1\"]", "even number"},
        {"uint8[2]", "[[1]]", "expected 2 values, got 1"},
        {"(uint8 a, uint8 b) p", "[{\"a\":1,\"c\":2}]", "p: b: "},
        {"uint8[] ids", "[[1,2,300]]", "ids: [2]: 300"},
        {"fixed8x1", "[\"1.55\"]", "decimal number"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        const struct sn_json *tree;
        struct sn_abi_value v;
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s %s", rows[i].types, rows[i].json);
        const struct sn_abi_type *t = args(&a, rows[i].types);
        T_OK(sn_json_parse(&a, sn_str(rows[i].json), NULL, &tree));
        int r = sn_abi_from_json(&a, t, tree, &v);
        T_ASSERT(r < 0);
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].message), "said \"%s\"", sn_diag_str(r));
        sn_arena_done(&a);
    }
}
/* An encoder is given words that are not its type's by a program, not by JSON. */
SN_TEST(codec_encoder_checks_words)
{
    uint8_t word[32] = {1};
    struct sn_abi_value items[] = {sn_abi_word(word), sn_abi_word(word)};
    struct sn_abi_value v = sn_abi_items(items, 1);
    struct sn_arena a;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    const struct sn_abi_type *t = args(&a, "uint8 x");
    T_EQ(sn_abi_encode(t, &v, &b), SN_E_OUT_OF_RANGE);
    T_EQ(b.len, 0);
    v.len = 2;
    T_EQ(sn_abi_encode(t, &v, &b), SN_E_INVALID_ARGUMENT);
    sn_buf_done(&b);
    sn_arena_done(&a);
}
SN_TEST(codec_packed)
{
    static const struct {
        const char *types, *json, *hex;
    } rows[] = {
        {"int16,bytes1,uint16,string", "[-1,\"0x42\",3,\"Hello, world!\"]",
         "ffff42000348656c6c6f2c20776f726c6421"},
        {"bool,address", "[true,\"0x00000000000000000000000000000000000000ff\"]",
         "0100000000000000000000000000000000000000ff"},
        {"uint8[],bytes", "[[1,2],\"0xabcd\"]", W(00000001) W(00000002) "abcd"},
    };
    struct sn_arena a;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        const struct sn_abi_type *t = args(&a, rows[i].types);
        struct sn_abi_value v = value(&a, t, rows[i].json);
        sn_test_row("%s", rows[i].types);
        sn_buf_reset(&b);
        T_OK(sn_abi_encode_packed(t, &v, &b));
        T_ASSERT(sn_str_eq(sn_buf_view(&b), hex_words(&a, rows[i].hex)));
    }
    const struct sn_abi_type *t = args(&a, "string[]");
    struct sn_abi_value v = value(&a, t, "[[\"a\"]]");
    T_EQ(sn_abi_encode_packed(t, &v, &b), SN_E_INVALID_ARGUMENT);
    sn_buf_done(&b);
    sn_arena_done(&a);
}
SN_TEST(codec_logs)
{
    struct sn_arena a;
    struct sn_abi_item ev;
    struct sn_abi_value v, who;
    uint8_t topics[96] = {0};
    struct sn_buf b;
    struct sn_jsonw w;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    T_OK(sn_abi_item_parse(&a, SN_STR("event E(uint a, string indexed s, bool indexed b)"), &ev));
    memcpy(topics, ev.topic, 32);
    who = sn_abi_bytes(SN_STR("hi"));
    T_OK(sn_abi_topic(ev.in.ptr[1].type, &who, topics + 32));
    topics[95] = 1;
    struct sn_str data = hex_words(&a, W(0000002a));
    T_OK(sn_abi_decode_log(&a, &ev, topics, 3, data, NULL, &v));
    const struct sn_abi_type *t;
    T_OK(sn_abi_params_type(&a, ev.in, &t));
    sn_jsonw_init(&w, &b, NULL);
    sn_abi_to_json(&w, t, &v);
    T_STR(sn_buf_view(&b), "{\"a\":\"42\",\"s\":{\"hash\":\"0x7624778dedc75f8b322b9fa1632a610d40b85e106c"
                           "7d9bf0e743a9ce291b9c6f\"},\"b\":true}");
    T_EQ(sn_abi_decode_log(&a, &ev, topics, 2, data, NULL, &v), SN_E_SYNTAX);
    T_EQ(sn_abi_decode_log(&a, &ev, topics, 0, data, NULL, &v), SN_E_SYNTAX);
    topics[95] = 2;
    T_EQ(sn_abi_decode_log(&a, &ev, topics, 3, data, NULL, &v), SN_E_SYNTAX);
    topics[0] ^= 1;
    T_EQ(sn_abi_decode_log(&a, &ev, topics, 3, data, NULL, &v), SN_E_NOT_FOUND);
    /* An anonymous event spends no topic on itself. */
    T_OK(sn_abi_item_parse(&a, SN_STR("event A(uint indexed a) anonymous"), &ev));
    memset(topics, 0, 32);
    T_OK(sn_abi_decode_log(&a, &ev, topics, 1, SN_STR(""), NULL, &v));
    sn_buf_done(&b);
    sn_arena_done(&a);
}
SN_TEST(codec_errors)
{
    struct sn_arena a;
    struct sn_abi abi;
    const struct sn_abi_item *it;
    struct sn_abi_value v;
    uint64_t n;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_abi_text_parse(&a, SN_STR("error bad_thing(uint256 a)"), &abi));
    struct sn_str panic = hex_words(&a, "4e487b71" W(00000011));
    T_OK(sn_abi_decode_error(&a, &abi, panic, &it, &v));
    T_STR(it->name, "Panic");
    T_OK(sn_abi_u64(&v.items[0], &n));
    T_CSTR(sn_abi_panic_text(n), "arithmetic overflow");
    struct sn_str own = hex_words(&a, W(00000007));
    char *data = sn_arena_alloc(&a, 36);
    memcpy(data, abi.items[0].selector, 4);
    memcpy(data + 4, own.ptr, 32);
    T_OK(sn_abi_decode_error(&a, &abi, sn_str_of(data, 36), &it, &v));
    T_STR(it->name, "bad_thing");
    for (size_t i = 0; i < 4; i++)
        T_EQ(sn_abi_decode_error(&a, &abi, sn_str_of(data, i), &it, &v), SN_E_EOF);
    T_EQ(sn_abi_decode_error(&a, &abi, sn_str_of(data, 4), &it, &v), SN_E_EOF);
    data[0] ^= 1;
    T_EQ(sn_abi_decode_error(&a, &abi, sn_str_of(data, 36), &it, &v), SN_E_NOT_FOUND);
    sn_arena_done(&a);
}

/* ---- random types and values ---- */

static void put_type(struct sn_buf *b, unsigned depth)
{
    static const char *const words[] = {"uint8", "uint256", "int24", "int256", "bool", "address",
                                        "bytes1", "bytes32", "function", "bytes", "string"};
    if (depth && sn_test_rand() % 4 == 0) {
        sn_buf_byte(b, '(');
        for (size_t i = 0, n = sn_test_rand_below(4); i <= n; i++) {
            if (i) sn_buf_byte(b, ',');
            put_type(b, depth - 1);
        }
        sn_buf_byte(b, ')');
    } else {
        sn_buf_cstr(b, words[sn_test_rand_below(SN_COUNT_OF(words))]);
    }
    for (unsigned i = 0; i < 2 && sn_test_rand() % 4 == 0; i++)
        sn_buf_cstr(b, sn_test_rand() % 2 ? "[]" : sn_test_rand() % 2 ? "[2]" : "[1]");
}
static struct sn_abi_value random_value(struct sn_arena *a, const struct sn_abi_type *t)
{
    if (t->kind < SN_ABI_BYTES) {
        uint8_t *w = sn_arena_zalloc(a, 32), fill = 0;
        size_t n = t->kind == SN_ABI_BOOL ? 1 : t->kind == SN_ABI_ADDRESS ? 20
                 : t->kind == SN_ABI_FUNCTION ? 24 : t->count ? t->count : t->bits / 8u;
        bool left = t->kind == SN_ABI_FIXED_BYTES || t->kind == SN_ABI_FUNCTION;
        for (size_t i = 0; i < n; i++) w[left ? i : 32 - n + i] = (uint8_t)sn_test_rand();
        if (t->kind == SN_ABI_BOOL) w[31] &= 1;
        if (t->kind == SN_ABI_INT && w[32 - n] & 0x80) fill = 0xff;
        if (t->kind == SN_ABI_INT) memset(w, fill, 32 - n);
        return sn_abi_word(w);
    }
    if (t->kind <= SN_ABI_STRING) {
        size_t n = sn_test_rand_below(70);
        char *s = sn_arena_alloc(a, n);
        for (size_t i = 0; i < n; i++) s[i] = (char)('a' + sn_test_rand_below(26));
        return sn_abi_bytes(sn_str_of(s, n));
    }
    size_t n = t->kind == SN_ABI_TUPLE ? t->n_components
             : t->kind == SN_ABI_ARRAY ? t->count : sn_test_rand_below(4);
    struct sn_abi_value *items = SN_ARENA_ARRAY(a, struct sn_abi_value, n);
    for (size_t i = 0; i < n; i++)
        items[i] = random_value(a, t->kind == SN_ABI_TUPLE ? t->components[i].type : t->elem);
    return sn_abi_items(items, (uint32_t)n);
}
/* A strict decoder takes the encoder's output and nothing near it that is not itself canonical. */
SN_TEST(codec_random)
{
    for (unsigned i = 0; i < sn_test_cases(400); i++) {
        struct sn_arena a;
        struct sn_buf types, out, again;
        struct sn_abi_value back;
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&types, 0);
        sn_buf_init(&out, 0);
        sn_buf_init(&again, 0);
        for (size_t k = 0, n = sn_test_rand_below(4); k <= n; k++) {
            if (k) sn_buf_byte(&types, ',');
            put_type(&types, 3);
        }
        sn_test_row("%s", sn_buf_cz(&types));
        const struct sn_abi_type *t = args(&a, sn_buf_cz(&types));
        struct sn_abi_value v = random_value(&a, t);
        T_OK(sn_abi_encode(t, &v, &out));
        T_OK(sn_abi_decode(&a, t, sn_buf_view(&out), NULL, &back));
        T_OK(sn_abi_encode(t, &back, &again));
        T_ASSERT(sn_str_eq(sn_buf_view(&out), sn_buf_view(&again)));
        for (unsigned k = 0; k < 20 && out.len; k++) {
            size_t at = sn_test_rand_below(out.len);
            uint8_t old = out.ptr[at];
            out.ptr[at] ^= (uint8_t)(1u << sn_test_rand_below(8));
            if (sn_abi_decode(&a, t, sn_buf_view(&out), NULL, &back) == 0) {
                sn_buf_reset(&again);
                T_OK(sn_abi_encode(t, &back, &again));
                T_ASSERT(sn_str_eq(sn_buf_view(&out), sn_buf_view(&again)));
            }
            out.ptr[at] = old;
        }
        sn_buf_done(&types);
        sn_buf_done(&out);
        sn_buf_done(&again);
        sn_arena_done(&a);
    }
}

/* ---- amounts and addresses ---- */

SN_TEST(u256_text)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"0", "0"}, {"00", "0"}, {"0xff", "255"}, {"18446744073709551616", "18446744073709551616"},
        {"10000000000000000000000000000000000000000", "10000000000000000000000000000000000000000"},
        {"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
         "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_u256 x, y;
        char text[SN_U256_TEXT_MAX];
        sn_test_row("%s", rows[i].in);
        T_OK(sn_u256_parse(sn_str(rows[i].in), &x));
        T_STR(sn_str_of(text, sn_u256_format(x, text)), rows[i].out);
        T_OK(sn_u256_parse(sn_str(rows[i].out), &y));
        T_EQ(sn_u256_cmp(x, y), 0);
    }
    struct sn_u256 x;
    T_EQ(sn_u256_parse(SN_STR(""), &x), SN_E_SYNTAX);
    T_EQ(sn_u256_parse(SN_STR("0x"), &x), SN_E_SYNTAX);
    T_EQ(sn_u256_parse(SN_STR("1e18"), &x), SN_E_SYNTAX);
    T_EQ(sn_u256_parse(SN_STR("11579208923731619542357098500868790785326998466564056403945758400791"
                              "3129639936"), &x), SN_E_OUT_OF_RANGE);
}
SN_TEST(units)
{
    static const struct {
        const char *in, *wei, *ether;
    } rows[] = {
        {"1 ether", "1000000000000000000", "1"},
        {"1.5ether", "1500000000000000000", "1.5"},
        {"30gwei", "30000000000", "0.00000003"},
        {"0.000000000000000001 ether", "1", "0.000000000000000001"},
        {"7", "7", "0.000000000000000007"},
        {"0", "0", "0"},
        {"1234567.89 ether", "1234567890000000000000000", "1234567.89"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_u256 x;
        struct sn_buf b;
        sn_test_row("%s", rows[i].in);
        sn_buf_init(&b, 0);
        T_OK(sn_amount_parse(sn_str(rows[i].in), &x));
        sn_buf_u256(&b, x);
        T_CSTR(sn_buf_cz(&b), rows[i].wei);
        sn_buf_reset(&b);
        sn_buf_units(&b, x, 18);
        T_CSTR(sn_buf_cz(&b), rows[i].ether);
        sn_buf_done(&b);
    }
    struct sn_u256 x;
    static const char *const bad[] = {"", ".", "1.", "1.5", "-1", "1 ethers", "0.1 wei", "1..2gwei"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("%s", bad[i]);
        T_EQ(sn_amount_parse(sn_str(bad[i]), &x), SN_E_SYNTAX);
    }
}
SN_TEST(addresses)
{
    /* EIP-55's own. */
    static const char *const good_ones[] = {
        "0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    };
    for (size_t i = 0; i < SN_COUNT_OF(good_ones); i++) {
        uint8_t raw[20];
        char text[43] = {0};
        T_OK(sn_address_parse(sn_str(good_ones[i]), raw));
        sn_address_format(raw, text);
        T_CSTR(text, good_ones[i]);
        text[2 + 1] ^= text[3] >= 'A' ? 0x20 : 0;
        if (strcmp(text, good_ones[i]) != 0 && i >= 4)
            T_EQ(sn_address_parse(sn_str(text), raw), SN_E_DATA_LOSS);
    }
}
