/* SPDX-License-Identifier: Apache-2.0 */
/* wire/toml_test.c - every kind of value, what may follow what, and where errors are. */
#include "wire/toml.h"

#include <math.h>

#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

static struct sn_arena arena;
static const struct sn_toml *at(const struct sn_toml *t, const char *path)
{
    struct sn_str rest = sn_str(path);
    while (t && rest.ptr) {
        const struct sn_toml_entry *e = sn_toml_find(t, sn_str_cut(&rest, '/'));
        t = e ? &e->v : NULL;
    }
    return t;
}
/* The value of `a` in "a = TEXT". */
static struct sn_toml value(const char *text)
{
    struct sn_toml root;
    sn_arena_done(&arena);
    struct sn_str doc = sn_arena_printf(&arena, "a = %s\n", text);
    int r = sn_toml_parse(&arena, doc, 0, &root);
    T_ASSERTF(r == 0, "%s: %s", text, sn_diag_str(r));
    return *at(&root, "a");
}
static void done(void) { sn_arena_done(&arena); }

SN_TEST(toml_strings)
{
    static const struct { const char *text, *want; } rows[] = {
        {"\"\"", ""}, {"''", ""}, {"\"a\\tb\\\\\\\"\\u00e9\\U0001F600\"", "a\tb\\\"é😀"},
        {"'C:\\x\"'", "C:\\x\""}, {"\"\"\"\none\ntwo\"\"\"", "one\ntwo"},
        {"\"\"\"one \\\n   \n  two\"\"\"", "one two"}, {"\"\"\"\"quoted\"\"\"\"\"", "\"quoted\"\""},
        {"'''\nit's\\n'''", "it's\\n"}, {"''''''", ""}, {"'''\r\na\r\nb'''", "a\nb"},
        {"\"\\b\\f\\n\\r\" # said", "\b\f\n\r"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].text);
        struct sn_toml v = value(rows[i].text);
        T_EQ(v.kind, SN_TOML_STRING);
        T_STR(v.str, rows[i].want);
    }
    done();
}

SN_TEST(toml_numbers)
{
    static const struct { const char *text; int64_t want; } ints[] = {
        {"0", 0}, {"-0", 0}, {"+17", 17}, {"-1_000", -1000}, {"0xDEAD_beef", 0xdeadbeef},
        {"0o755", 0755}, {"0b1101", 13}, {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN}, {"0x7fffffffffffffff", INT64_MAX}};
    static const struct { const char *text; double want; } floats[] = {
        {"1.0", 1}, {"-0.25", -0.25}, {"5e+22", 5e22}, {"1_0.5_0E-2", 0.105}, {"+6.5e3", 6500}};
    for (size_t i = 0; i < SN_COUNT_OF(ints); i++) {
        struct sn_toml v = value(ints[i].text);
        sn_test_row("%s", ints[i].text);
        T_EQ(v.kind, SN_TOML_INT);
        T_EQ(v.i, ints[i].want);
    }
    for (size_t i = 0; i < SN_COUNT_OF(floats); i++) {
        struct sn_toml v = value(floats[i].text);
        sn_test_row("%s", floats[i].text);
        T_EQ(v.kind, SN_TOML_DOUBLE);
        T_ASSERT(v.d == floats[i].want);
    }
    T_ASSERT(isinf(value("-inf").d) && isnan(value("nan").d));
    T_EQ(value("true").b, true);
    done();
}

SN_TEST(toml_times)
{
    struct sn_toml_time t = value("1979-05-27T07:32:01.25+05:30").time;
    T_EQ(t.year, 1979);
    T_EQ(t.month * 100 + t.day, 527);
    T_EQ(t.hour * 10000 + t.minute * 100 + t.second, 73201);
    T_EQ(t.nanos, 250000000);
    T_EQ(t.offset_minutes, 330);
    T_ASSERT(t.has_date && t.has_time && t.has_offset);
    t = value("2024-02-29 00:00:00").time;
    T_ASSERT(t.has_date && t.has_time && !t.has_offset);
    t = value("1979-05-27 # day").time;
    T_ASSERT(t.has_date && !t.has_time);
    t = value("07:32:00.9999999999").time;
    T_ASSERT(!t.has_date && t.has_time && t.nanos == 999999999);
    done();
}

SN_TEST(toml_tables)
{
    struct sn_toml root;
    static const char text[] = "a.b.c = 1\na.b.d = 2\n'q r'.\"s\" = 3\n[t]\nx = [ 1, # one\n 'two',\n]\n"
                               "[t.u]\ny = {p = 1, q.r = {}}\n[t2.v.w]\n[t2]\nz = 1\n"
                               "[[l]]\nn = 1\n[[l]]\nn = 2\n[l.m]\no = 3\n[[l.k]]\n[[l.k]]\n";
    T_EQ(sn_toml_parse(&arena, sn_str(text), 0, &root), 0);
    T_EQ(at(&root, "a/b/c")->i, 1);
    T_EQ(at(&root, "a/b/d")->i, 2);
    T_EQ(at(&root, "q r/s")->i, 3);
    T_EQ(at(&root, "t/x")->array.n, 2);
    T_EQ(at(&root, "t/u/y/q/r")->kind, SN_TOML_TABLE);
    T_EQ(at(&root, "t2/z")->i, 1);
    T_ASSERT(at(&root, "t2/v/w"));
    const struct sn_toml *l = at(&root, "l");
    T_EQ(l->array.n, 2);
    T_EQ(at(&l->array.first->v, "n")->i, 1);
    T_EQ(at(&l->array.last->v, "m/o")->i, 3);
    T_EQ(at(&l->array.last->v, "k")->array.n, 2);
    const struct sn_toml *x = at(&root, "t/x");
    T_EQ(x->array.last->v.pos.line, 6);
    T_EQ(x->array.last->v.pos.column, 2);
    T_EQ(sn_toml_parse(&arena, SN_STR(""), 0, &root), 0);
    T_EQ(root.table.n, 0);
    done();
}

SN_TEST(toml_refused)
{
    static const struct { const char *text, *place; int code; } rows[] = {
        {"a", "1:2:", SN_E_SYNTAX}, {"a =", "1:4:", SN_E_SYNTAX}, {"= 1", "1:1:", SN_E_SYNTAX},
        {"a = 1 b = 2", "1:7:", SN_E_SYNTAX}, {"a = 1\na = 2", "2:1:", SN_E_ALREADY_EXISTS},
        {"é = 1", "1:1:", SN_E_SYNTAX}, {"a = \"é\" x", "1:9:", SN_E_SYNTAX},
        {"a = \"x", "1:5:", SN_E_SYNTAX}, {"a = \"x\ny\"", "1:7:", SN_E_SYNTAX},
        {"a = \"\\x\"", "1:6:", SN_E_SYNTAX}, {"a = \"\\ud800\"", "1:6:", SN_E_SYNTAX},
        {"a = \"\x01\"", "1:6:", SN_E_SYNTAX}, {"# \x7f", "1:3:", SN_E_SYNTAX},
        {"a = \"\xff\"", "1:1:", SN_E_SYNTAX}, {"a = 01", "1:5:", SN_E_SYNTAX},
        {"a = 1__0", "1:5:", SN_E_SYNTAX}, {"a = _1", "1:5:", SN_E_SYNTAX},
        {"a = 1.", "1:5:", SN_E_SYNTAX}, {"a = .5", "1:5:", SN_E_SYNTAX},
        {"a = 0x", "1:5:", SN_E_SYNTAX}, {"a = -0x1", "1:5:", SN_E_SYNTAX},
        {"a = 9223372036854775808", "1:5:", SN_E_OUT_OF_RANGE},
        {"a = 0x8000000000000000", "1:5:", SN_E_OUT_OF_RANGE},
        {"a = 2023-02-29", "1:5:", SN_E_OUT_OF_RANGE}, {"a = 25:00:00", "1:5:", SN_E_OUT_OF_RANGE},
        {"a = 07:32:00Z", "1:5:", SN_E_OUT_OF_RANGE}, {"a = word", "1:5:", SN_E_SYNTAX},
        {"a = [1 2]", "1:8:", SN_E_SYNTAX}, {"a = [", "1:6:", SN_E_SYNTAX},
        {"a = {b = 1,}", "1:12:", SN_E_SYNTAX}, {"a = {\nb = 1}", "1:6:", SN_E_SYNTAX},
        {"a = {b = 1}\na.c = 2", "2:1:", SN_E_ALREADY_EXISTS},
        {"a = {b = 1}\n[a.c]", "2:2:", SN_E_ALREADY_EXISTS},
        {"[a]\n[a]", "2:2:", SN_E_ALREADY_EXISTS}, {"a.b = 1\n[a]", "2:2:", SN_E_ALREADY_EXISTS},
        {"[a.b]\n[a]\nb.c = 1", "3:1:", SN_E_ALREADY_EXISTS},
        {"a = [1]\n[[a]]", "2:3:", SN_E_ALREADY_EXISTS}, {"[[a]]\n[a]", "2:2:", SN_E_ALREADY_EXISTS},
        {"a = 1\na.b = 2", "2:1:", SN_E_ALREADY_EXISTS}, {"[a", "1:3:", SN_E_SYNTAX},
        {"[[a]", "1:4:", SN_E_SYNTAX}, {"[]", "1:2:", SN_E_SYNTAX}, {"a\r= 1", "1:2:", SN_E_SYNTAX},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_toml root = {.kind = SN_TOML_BOOL};
        sn_test_row("%s", rows[i].text);
        int r = sn_toml_parse(&arena, sn_str(rows[i].text), 0, &root);
        T_EQ(r, rows[i].code);
        T_ASSERTF(!strncmp(sn_diag_str(r), rows[i].place, strlen(rows[i].place)), "%s",
                  sn_diag_str(r));
        T_EQ(root.kind, SN_TOML_BOOL);
        done();
    }
}

SN_TEST(toml_limits)
{
    struct sn_toml root;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "a = ");
    for (int i = 0; i < SN_TOML_DEPTH_MAX; i++) sn_buf_byte(&b, '[');
    for (int i = 0; i < SN_TOML_DEPTH_MAX; i++) sn_buf_byte(&b, ']');
    T_EQ(sn_toml_parse(&arena, sn_buf_view(&b), 0, &root), 0);
    sn_buf_reset(&b);
    sn_buf_cstr(&b, "a = ");
    for (int i = 0; i <= SN_TOML_DEPTH_MAX; i++) sn_buf_byte(&b, '[');
    T_EQ(sn_toml_parse(&arena, sn_buf_view(&b), 0, &root), SN_E_DEPTH);
    sn_buf_reset(&b);
    for (int i = 0; i <= SN_TOML_TABLE_KEYS_MAX; i++) sn_buf_printf(&b, "k%d = 1\n", i);
    T_EQ(sn_toml_parse(&arena, sn_buf_view(&b), 0, &root), SN_E_TOO_LARGE);
    T_EQ(sn_toml_parse(&arena, SN_STR("a = 1"), 4, &root), SN_E_TOO_LARGE);
    sn_buf_done(&b);
    done();
}

static int torture(void *arg)
{
    struct sn_arena a;
    struct sn_toml root;
    sn_arena_init(&a, NULL, 0);
    int r = sn_toml_parse(&a, SN_STR("a = 'x'\n[b]\nc = [1, {d = \"\"\"y\"\"\"}]\n[[e]]\n"), 0, &root);
    sn_arena_done(&a);
    return r + (arg != NULL);
}
SN_TEST(toml_torture)
{
    int n = sn_torture(torture, NULL);
    T_ASSERTF(n >= 3, "%d: %s", n, sn_diag_str(n));
}
