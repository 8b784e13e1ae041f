/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml.h"

#include <math.h>

#include "core/alloc.h"
#include "core/status.h"
#include "harness/test.h"

static void json_is(const struct sn_json *v, const char *want)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_json_write(&b, v, NULL));
    T_CSTR(sn_buf_cz(&b), want);
    sn_buf_done(&b);
}

/* long: one table */
SN_TEST(yaml_reads_as_json)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", "null"},
        {"---\n", "null"},
        {"# only a comment\n", "null"},
        {"~", "null"},
        {"a", "\"a\""},
        {"true", "true"},
        {"True", "true"},
        {"yes", "\"yes\""},
        {"on", "\"on\""},
        {"'true'", "\"true\""},
        {"\"1\"", "\"1\""},
        {"1", "1"},
        {"+1", "1"},
        {"-1", "-1"},
        {"-0", "-0.0"},
        {"0", "0"},
        {"0o17", "15"},
        {"0xfF", "255"},
        {"0o18", "\"0o18\""},
        {"18446744073709551615", "18446744073709551615"},
        {"18446744073709551616", "18446744073709551616"},
        {"1.5", "1.5"},
        {".5", "0.5"},
        {"1.", "1.0"},
        {"1e3", "1000.0"},
        {"+1.5e-3", "0.0015"},
        {"-.5", "-0.5"},
        {".", "\".\""},
        {"1e", "\"1e\""},
        {"1.2.3", "\"1.2.3\""},
        {"-", "[null]"},
        {"--", "\"--\""},
        {"12e03", "12000.0"},
        {"!!str 1", "\"1\""},
        {"! 1", "\"1\""},
        {"!!float 1", "1.0"},
        {"!!int '7'", "7"},
        {"a: 1\nb:\n- x\n- y: 2\n  z: []\n", "{\"a\":1,\"b\":[\"x\",{\"y\":2,\"z\":[]}]}"},
        {"{a: 1, \"b\": [2, 3]}", "{\"a\":1,\"b\":[2,3]}"},
        {"1: a\ntrue: b", "{\"1\":\"a\",\"true\":\"b\"}"},
        {"a: |\n  x\n   y\n\nb: >-\n  x\n  y\n", "{\"a\":\"x\\n y\\n\",\"b\":\"x y\"}"},
        {"a: \"\\u00e9\\n\"", "{\"a\":\"\xc3\xa9\\n\"}"},
        {"\xef\xbb\xbf"
         "a: 1",
         "{\"a\":1}"},
        {"a: &x {k: 1}\nb: *x\nc: [*x]", "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":[{\"k\":1}]}"},
        {"a: &x 1\nb: &x 2\nc: *x", "{\"a\":1,\"b\":2,\"c\":2}"},
        {"base: &b {x: 1, y: 2}\nd:\n  y: 3\n  <<: *b\n  z: 4",
         "{\"base\":{\"x\":1,\"y\":2},\"d\":{\"y\":3,\"z\":4,\"x\":1}}"},
        {"a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}",
         "{\"a\":{\"x\":1},\"b\":{\"x\":2,\"y\":2},\"c\":{\"x\":1,\"y\":2}}"},
        {"'<<': 1", "{\"<<\":1}"},
        {"%YAML 1.1\n---\na: 1", "{\"a\":1}"},
        {"a: 1\n...\n", "{\"a\":1}"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_yaml_doc d;
        sn_test_row("%s", rows[i].in);
        sn_arena_init(&a, NULL, 0);
        int r = sn_yaml_parse(&a, sn_str(rows[i].in), NULL, &d);
        T_ASSERTF(r == 0, "%s", sn_diag_str(r));
        json_is(d.root, rows[i].out);
        sn_arena_done(&a);
    }
}

SN_TEST(yaml_11_scalars)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"yes", "true"}, {"Off", "false"}, {"y", "true"}, {"n", "false"}, {"0644", "420"},
        {"-010", "-8"}, {"'yes'", "\"yes\""}, {"yes: no", "{\"yes\":false}"}, {"00", "0"},
    };
    struct sn_yaml_opts o = {.yaml11 = true};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_yaml_doc d;
        sn_test_row("%s", rows[i].in);
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_yaml_parse(&a, sn_str(rows[i].in), &o, &d));
        json_is(d.root, rows[i].out);
        sn_arena_done(&a);
    }
}

SN_TEST(yaml_refuses_with_a_place)
{
    static const struct {
        const char *in;
        int code;
        const char *message;
    } rows[] = {
        {"a: 1\nb: 2\na: 3", SN_E_ALREADY_EXISTS, "3:1: key \"a\" is repeated"},
        {"a: {x: 1, 'x': 2}", SN_E_ALREADY_EXISTS, "1:11: key \"x\" is repeated"},
        {"a: .inf", SN_E_OUT_OF_RANGE, "1:4: .inf has no JSON form"},
        {"- -.INF", SN_E_OUT_OF_RANGE, "1:3: -.INF has no JSON form"},
        {"mode: 0644", SN_E_SYNTAX,
         "1:7: 0644 is a different number in YAML 1.1 and 1.2: write it in quotes, as 0o... "
         "(octal), or "
         "without the zeros in front"},
        {"a: 1e999", SN_E_OUT_OF_RANGE, "1:4: the number is beyond the range of a double"},
        {"a: 0x1ffffffffffffffff", SN_E_OUT_OF_RANGE, "1:4: the number is beyond 64 bits"},
        {"a: *x", SN_E_SYNTAX, "1:4: no anchor &x before this alias"},
        {"a: &x [*x]", SN_E_SYNTAX, "1:8: alias *x inside its own anchor"},
        {"? [a]\n: 1", SN_E_SYNTAX, "1:3: a key must be a scalar"},
        {"a: &k 1\n*k : 2", SN_E_SYNTAX, "2:1: a key must be a string"},
        {"a: !foo 1", SN_E_SYNTAX, "1:4: tag !foo is not supported"},
        {"a: !!binary aGk=", SN_E_SYNTAX, "1:4: tag tag:yaml.org,2002:binary is not supported"},
        {"a: !!int x", SN_E_SYNTAX, "1:4: \"x\" is not what its tag !!int says"},
        {"a: !!map [1]", SN_E_SYNTAX, "1:4: tag tag:yaml.org,2002:map is not supported"},
        {"a: {<<: 1}", SN_E_SYNTAX, "1:9: << takes a mapping or a list of mappings"},
        {"---\na\n---\nb\n", SN_E_SYNTAX, "4:1: expected one document, this is a second"},
        {"a: [1, 2", SN_E_SYNTAX,
         "2:1: while parsing a flow sequence, did not find expected ',' or ']'"},
        {"a:\n\t- 1", SN_E_SYNTAX,
         "2:1: while scanning for the next token, found character that cannot start any token"},
        {"a: b: c", SN_E_SYNTAX, "1:5: mapping values are not allowed in this context"},
        {"a: \"x", SN_E_SYNTAX,
         "1:6: while scanning a quoted scalar, found unexpected end of stream"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_yaml_doc d;
        sn_test_row("%s", rows[i].in);
        sn_arena_init(&a, NULL, 0);
        int r = sn_yaml_parse(&a, sn_str(rows[i].in), NULL, &d);
        T_EQ(r, rows[i].code);
        T_CSTR(sn_diag_str(r), rows[i].message);
        sn_arena_done(&a);
    }
    struct sn_arena a;
    struct sn_yaml_doc d;
    sn_arena_init(&a, NULL, 0);
    T_EQ(sn_yaml_parse(&a, SN_STR("a: \xff\xfe"), NULL, &d), SN_E_SYNTAX);
    T_EQ(sn_yaml_parse(&a, sn_str_of("a: \0", 4), NULL, &d), SN_E_SYNTAX);
    sn_arena_done(&a);
}

SN_TEST(yaml_places)
{
    struct sn_arena a;
    struct sn_yaml_doc d;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_yaml_parse(&a,
                       SN_STR("# comment\nroutes:\n  - match: {path: /}\n    \xc3\xa9: [1, 22, x]\n"
                              "  - &t\n    timeout: 5\n  - *t\n"),
                       NULL, &d));
    static const struct {
        const char *path;
        unsigned line, column;
    } rows[] = {
        {"", 2, 1}, {"routes", 3, 3}, {"routes.0", 3, 5}, {"routes.0.match", 3, 12},
        {"routes.0.match.path", 3, 19}, {"routes.0.\xc3\xa9.1", 4, 12}, {"routes.1.timeout", 6, 14},
        {"routes.2", 7, 5}, {"routes.2.timeout", 6, 14},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].path);
        struct sn_yaml_pos p = sn_yaml_pos(&d, sn_json_path(d.root, rows[i].path));
        T_EQ(p.line, rows[i].line);
        T_EQ(p.column, rows[i].column);
    }
    const struct sn_json *routes = sn_json_get(d.root, "routes");
    T_EQ(sn_yaml_pos(&d, &routes->items[0].members[1].key).line, 4);
    T_EQ(sn_yaml_pos(&d, &routes->items[0].members[1].key).column, 5);
    struct sn_json other = sn_json_null();
    T_EQ(sn_yaml_pos(&d, &other).line, 0);
    sn_arena_done(&a);
}

SN_TEST(yaml_bombs_cost_an_error)
{
    struct sn_arena a;
    struct sn_buf b;
    struct sn_yaml_doc d;
    sn_buf_init(&b, 0);
    /* Nine levels of nine aliases each would be 387,420,489 strings. */
    sn_arena_init(&a, NULL, 1 << 20);
    sn_buf_cstr(&b, "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (char c = 'b'; c <= 'i'; c++) {
        sn_buf_printf(&b, "%c: &%c [", c, c);
        for (int i = 0; i < 9; i++) sn_buf_printf(&b, "%s*%c", i ? ", " : "", c - 1);
        sn_buf_cstr(&b, "]\n");
    }
    int r = sn_yaml_parse(&a, sn_buf_view(&b), NULL, &d);
    T_EQ(r, SN_E_TOO_LARGE);
    T_CSTR(sn_diag_str(r), "7:8: more than 1000000 values (aliases expanded)");

    /* The same by merge keys. */
    sn_buf_reset(&b);
    sn_buf_cstr(&b, "a: &a {k: v}\n");
    for (char c = 'b'; c <= 'z'; c++)
        sn_buf_printf(&b, "%c: &%c {<<: *%c, x%c: *%c, y%c: *%c}\n", c, c, c - 1, c, c - 1, c,
                      c - 1);
    T_EQ(sn_yaml_parse(&a, sn_buf_view(&b), NULL, &d), SN_E_TOO_LARGE);

    /* Depth by brackets and by aliases. */
    sn_buf_reset(&b);
    for (int i = 0; i < 100000; i++) sn_buf_byte(&b, '[');
    T_EQ(sn_yaml_parse(&a, sn_buf_view(&b), NULL, &d), SN_E_DEPTH);
    sn_buf_reset(&b);
    sn_buf_cstr(&b, "- &a0 [x]\n");
    for (int i = 1; i < 200; i++) sn_buf_printf(&b, "- &a%d [*a%d]\n", i, i - 1);
    r = sn_yaml_parse(&a, sn_buf_view(&b), NULL, &d);
    T_EQ(r, SN_E_DEPTH);
    T_CSTR(sn_diag_str(r), "128:10: nested too deeply");
    sn_arena_done(&a);

    sn_arena_init(&a, NULL, 0);
    sn_buf_reset(&b);
    for (int i = 0; i <= SN_YAML_ANCHORS_MAX; i++) sn_buf_printf(&b, "- &a%d x\n", i);
    T_EQ(sn_yaml_parse(&a, sn_buf_view(&b), NULL, &d), SN_E_TOO_LARGE);
    sn_buf_reset(&b);
    for (int i = 0; i < 2000; i++) sn_buf_printf(&b, "key%d: %d\n", i, i);
    T_OK(sn_yaml_parse(&a, sn_buf_view(&b), NULL, &d));
    T_EQ(sn_json_len(d.root), 2000);
    sn_buf_printf(&b, "key1000: 1\n");
    T_EQ(sn_yaml_parse(&a, sn_buf_view(&b), NULL, &d), SN_E_ALREADY_EXISTS);
    struct sn_yaml_opts small = {.bytes_max = 8};
    T_EQ(sn_yaml_parse(&a, SN_STR("a: 123456"), &small, &d), SN_E_TOO_LARGE);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

/* Every prefix of a text parses or fails cleanly, whatever lies behind its end. */
SN_TEST(yaml_truncations)
{
    static const char whole[] =
        "%YAML 1.1\n---\nbase: &b {k: \"quo\\u00e9ted\", l: 'it''s'}\nlist:\n- <<: *b\n  n: -2.5e10\n"
        "- [1, 2, {x: !!str 3}]\ntext: |2+\n    kept\n\nfold: >-\n  a\n  b # c\n? q\n: \xc3\xa9\n...\n";
    for (size_t n = 0; n < sizeof(whole); n++) {
        struct sn_arena a;
        struct sn_yaml_doc d;
        sn_arena_init(&a, NULL, 0);
        char *exact = sn_alloc(n);
        T_ASSERT(exact);
        memcpy(exact, whole, n);
        sn_test_row("%zu bytes", n);
        int r = sn_yaml_parse(&a, sn_str_of(exact, n), NULL, &d);
        /* One byte over: the NUL that ends the literal. */
        if (n == sizeof(whole) - 1) T_OK(r);
        else T_ASSERT(r == 0 || r == SN_E_SYNTAX || (n < sizeof(whole) && r == SN_E_ALREADY_EXISTS));
        sn_free(exact);
        sn_arena_done(&a);
    }
}

SN_TEST(yaml_bad_encodings_and_block_depth)
{
    static const char *const rows[] = {
        "\xff", "a: \xc0\x80", "a: \xed\xa0\x80", "a: \xf4\x90\x80\x80", "a: \xc3", "a: \xe2\x82",
        "\xc3\x28: b", "a: \"\xff\"", "# \xfe\na: b", "a: \x80", "a: |\n  \xf8\x88\x80\x80\x80",
        "a: \x01", "a: \"\x7f\"", "a: \xef\xbf\xbe",
    };
    struct sn_arena a;
    struct sn_yaml_doc d;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%zu", i);
        sn_arena_init(&a, NULL, 0);
        T_EQ(sn_yaml_parse(&a, sn_str(rows[i]), NULL, &d), SN_E_SYNTAX);
        sn_arena_done(&a);
    }
    /* Depth by indentation, and by the shorthand for lists in lists. */
    for (int dashes = 0; dashes < 2; dashes++) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        for (int i = 0; i < 500; i++) {
            if (dashes) sn_buf_cstr(&b, "- ");
            else sn_buf_printf(&b, "%*sk:\n", i, "");
        }
        sn_arena_init(&a, NULL, 0);
        T_EQ(sn_yaml_parse(&a, sn_buf_view(&b), NULL, &d), SN_E_DEPTH);
        sn_arena_done(&a);
        sn_buf_done(&b);
    }
}

SN_TEST(yaml_streams)
{
    struct sn_arena a;
    struct sn_yaml_doc *d;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_yaml_parse_all(&a, SN_STR("a: 1\n---\n- 2\n---\n...\n---\nx"), NULL, &d, &n));
    T_EQ(n, 4);
    json_is(d[0].root, "{\"a\":1}");
    json_is(d[1].root, "[2]");
    json_is(d[2].root, "null");
    json_is(d[3].root, "\"x\"");
    T_EQ(sn_yaml_pos(&d[1], sn_json_at(d[1].root, 0)).line, 3);
    T_OK(sn_yaml_parse_all(&a, SN_STR(""), NULL, &d, &n));
    T_EQ(n, 0);
    /* Anchors end with their document. */
    T_EQ(sn_yaml_parse_all(&a, SN_STR("a: &x 1\n---\nb: *x"), NULL, &d, &n), SN_E_SYNTAX);
    sn_arena_done(&a);
}

SN_TEST(yaml_writes_as_kubernetes_tools_do)
{
    static const struct {
        const char *json, *yaml;
    } rows[] = {
        {"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"labels\":{}},"
         "\"spec\":{"
         "\"containers\":[{\"image\":\"nginx:1.25\",\"args\":[\"--port=80\",\"-v\"],\"ports\":[{"
         "\"containerPort\":80}]},{\"name\":\"b\"}],\"volumes\":[]},\"status\":null}",
         "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: {}\nspec:\n  containers:\n"
         "  - image: nginx:1.25\n    args:\n    - --port=80\n    - -v\n    ports:\n    - "
         "containerPort: 80\n"
         "  - name: b\n  volumes: []\nstatus: null\n"},
        {"[[1,[2]],{},[]]", "- - 1\n  - - 2\n- {}\n- []\n"},
        {"\"a\"", "a\n"},
        {"3", "3\n"},
        {"{}", "{}\n"},
        {"[\"true\",\"yes\",\"n\",\"1\",\"0644\",\"1.5\",\"\",\"~\",\"null\",\"2001-01-01\",\"1:"
         "30\",\"0b1\"]",
         "- \"true\"\n- \"yes\"\n- \"n\"\n- \"1\"\n- \"0644\"\n- \"1.5\"\n- \"\"\n- \"~\"\n- "
         "\"null\"\n"
         "- \"2001-01-01\"\n- \"1:30\"\n- \"0b1\"\n"},
        {"[\"a: b\",\"a #b\",\"#a\",\" a\",\"a \",\"a:\",\"*\",\"it's\",\"'q'\",\"- "
         "x\",\"a\\tb\",\"-\",\"---\"]",
         "- 'a: b'\n- 'a #b'\n- '#a'\n- ' a'\n- 'a '\n- 'a:'\n- '*'\n- it's\n- '''q'''\n- '- x'\n"
         "- \"a\\tb\"\n- '-'\n- '---'\n"},
        {"{\"a\":\"x\\ny\\n\",\"b\":\"x\\n\\n y\",\"c\":\"x\\n\\n\",\"d\":\" x\\ny\"}",
         "a: |\n  x\n  y\nb: |-\n  x\n\n   y\nc: |+\n  x\n\nd: \" x\\ny\"\n"},
        {"{\"a b\":1,\"1\":2,\"x: y\":3,\"true\":4,\"\":5}",
         "a b: 1\n\"1\": 2\n'x: y': 3\n\"true\": 4\n\"\": 5\n"},
        {"[\"1_000\",\"-0x_1f\",\"+0b1\",\"12:30:45\",\"1_0.5e3\",\"12ab\",\"0xzz\",\"::1\",\"a:"
         "b\"]",
         "- \"1_000\"\n- \"-0x_1f\"\n- \"+0b1\"\n- \"12:30:45\"\n- \"1_0.5e3\"\n- 12ab\n- "
         "\"0xzz\"\n"
         "- \"::1\"\n- a:b\n"},
        {"[\"http://x/y?a=b\",\"a@b\",\"10.0.0.1\",\"v1.2\",\"1.2.3\"]",
         "- http://x/y?a=b\n- a@b\n- 10.0.0.1\n- v1.2\n- 1.2.3\n"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_buf b;
        const struct sn_json *v;
        sn_test_row("%s", rows[i].json);
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&b, 0);
        T_OK(sn_json_parse(&a, sn_str(rows[i].json), NULL, &v));
        T_OK(sn_yaml_write(&b, v, NULL));
        T_CSTR(sn_buf_cz(&b), rows[i].yaml);
        sn_buf_done(&b);
        sn_arena_done(&a);
    }
}

/* ---- properties ---- */

static struct sn_str random_string(struct sn_arena *a)
{
    static const char *const pieces[] = {
        "a",
        "B",
        "yes",
        "null",
        "1",
        "0",
        ".",
        "-",
        ":",
        " ",
        "#",
        "'",
        "\"",
        "\n",
        "\n\n",
        "\t",
        "\r",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&",
        "*",
        "!",
        "|",
        ">",
        "%",
        "@",
        "`",
        "?",
        "~",
        "=",
        "<<",
        "e",
        "x",
        "_",
        "+",
        "\xc3\xa9",
        "\xe2\x80\xa8",
        "\xef\xbb\xbf",
        "\xef\xbf\xbd",
        "\xf0\x9f\x98\x80",
        "\x7f",
        "\xc2\x85",
        "\x01",
        "  ",
        ": ",
        " #",
        "---",
        "...",
        "/",
    };
    char *p = sn_arena_alloc(a, 2200);
    size_t len = 0;
    T_ASSERT(p);
    uint64_t n = sn_test_rand_below(sn_test_rand_below(50) ? 7 : 500);
    while (n-- > 0) {
        const char *s = pieces[sn_test_rand_below(SN_COUNT_OF(pieces))];
        memcpy(p + len, s, strlen(s));
        len += strlen(s);
    }
    return sn_str_of(p, len);
}

static struct sn_json random_value(struct sn_arena *a, unsigned depth)
{
    struct sn_json v;
    switch (sn_test_rand_below(depth ? 9 : 6)) {
    case 0: return sn_json_null();
    case 1: return sn_json_bool(sn_test_rand() & 1);
    case 2: return sn_json_i64((int64_t)sn_test_rand() >> sn_test_rand_below(64));
    case 3: return sn_json_double(ldexp((double)sn_test_rand_below(1000003) - 500000,
                                        (int)sn_test_rand_below(200) - 100));
    case 4: case 5: return sn_json_string(random_string(a));
    case 6:
        v = sn_json_array();
        for (uint64_t n = sn_test_rand_below(5); n > 0; n--)
            T_ASSERT(sn_json_push(a, &v, random_value(a, depth - 1)));
        return v;
    default:
        v = sn_json_object();
        for (uint64_t n = sn_test_rand_below(5); n > 0; n--)
            T_ASSERT(sn_json_set(a, &v, random_string(a), random_value(a, depth - 1)));
        return v;
    }
}

SN_TEST_SLOW(yaml_reads_back_what_it_writes, 60)
{
    unsigned cases = sn_test_cases(5000);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (unsigned i = 0; i < cases; i++) {
        for (int yaml11 = 0; yaml11 < 2; yaml11++) {
            struct sn_arena a;
            struct sn_yaml_doc d;
            sn_arena_init(&a, NULL, 0);
            struct sn_json v = random_value(&a, 4);
            sn_buf_reset(&b);
            T_OK(sn_yaml_write(&b, &v, &(struct sn_yaml_style){.sort_keys = i & 1}));
            struct sn_yaml_opts o = {.yaml11 = yaml11};
            int r = sn_yaml_parse(&a, sn_buf_view(&b), &o, &d);
            T_ASSERTF(r == 0, "%s in:\n%s", sn_diag_str(r), sn_buf_cz(&b));
            T_ASSERTF(sn_json_eq(&v, d.root), "changed:\n%s", sn_buf_cz(&b));
            sn_arena_done(&a);
        }
    }
    sn_buf_done(&b);
}
