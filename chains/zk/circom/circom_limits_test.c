/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/circom_limits_test.c - every named limit of circom.h ends a compilation with its own error, at a
 * place in the source: bombs of size and of recursion. */
#include <stdlib.h>

#include "tests/harness/test.h"
#include "zk/circom/circom_env_test.h"

/* Sources made as they are read. */
struct bomb {
    size_t main_bytes;  /* the main file is filled up to this many bytes */
    unsigned files;     /* fK.circom includes f(K+1).circom, so many of them */
    unsigned errors;
    char first[256];
};
static int read_bomb(void *ctx, const char *path, struct sn_buf *ret)
{
    struct bomb *b = ctx;
    unsigned long n = path[0] == 'f' ? strtoul(path + 1, NULL, 10) : 0;
    if (n > 0) return sn_buf_printf(ret, "include \"f%lu.circom\";\n", n + 1);
    (void)sn_buf_cstr(ret, HEAD);
    if (b->files) (void)sn_buf_cstr(ret, "include \"f1.circom\";\n");
    static const char spaces[1 << 16] = {[0 ...(1 << 16) - 1] = ' '};
    while (ret->err == 0 && ret->len < b->main_bytes)
        (void)sn_buf_put(ret, spaces, SN_MIN(sizeof(spaces), b->main_bytes - ret->len));
    return ret->err;
}
static void first_error(void *ctx, const struct sn_circom_msg *m)
{
    struct bomb *b = ctx;
    if (m->level == SN_CIRCOM_ERROR && b->errors++ == 0)
        (void)snprintf(b->first, sizeof(b->first), "%.*s", SN_STR_ARG(m->text));
}

SN_TEST(circom_limits_of_files)
{
    struct bomb b = {.files = 1};
    struct sn_circom_opts o = {.read = read_bomb, .report = first_error, .ctx = &b};
    struct sn_circom *c = NULL;
    T_EQ(sn_circom_compile(&o, "main.circom", &c), SN_E_TOO_LARGE);
    T_ASSERTF(strcmp(b.first, "more than 4096 files") == 0, "%s", b.first);
    b = (struct bomb){.main_bytes = SN_CIRCOM_SOURCE_BYTES_MAX + 1ull};
    T_EQ(sn_circom_compile(&o, "main.circom", &c), SN_E_TOO_LARGE);
    T_ASSERT(c == NULL);
}

/* Text and the lowered limits it runs into. */
static const struct {
    const char *text, *message;
    struct sn_circom_opts limits;
    int status;
} bombs[] = {
    {"template M() { var x = 0; while (1 == 1) { x++; } }" MAIN, "statements", {.steps_max = 10000},
     SN_E_TOO_LARGE},
    {"template M() { for (var i = 0; i < 1000; i++) { for (var j = 0; j < 1000; j++) { } } }" MAIN,
     "statements", {.steps_max = 10000}, SN_E_TOO_LARGE},
    {"function f(n) { return n == 0 ? 0 : f(n - 1) + f(n - 1); } "
     "template M() { signal input x; signal output y <-- f(x); var z = f(60); }" MAIN,
     "", {.steps_max = 100000}, SN_E_DEPTH},
    {"function f(n) { return f(n + 1); } template M() { var z = f(0); }" MAIN,
     "more than 200 functions", {0}, SN_E_DEPTH},
    {"template T(n) { component t = T(n + 1); } template M() { component t = T(0); }" MAIN,
     "more than 200 functions", {0}, SN_E_DEPTH},
    {"template M() { var a[16777217]; }" MAIN, "an array of more than 16777216", {0}, SN_E_TOO_LARGE},
    {"template M() { var a[4096][4096][4096]; }" MAIN, "an array of more than 16777216", {0},
     SN_E_TOO_LARGE},
    {"template M() { var a[2][2][2][2][2][2][2][2][2]; }" MAIN, "more than 8 dimensions", {0},
     SN_E_TOO_LARGE},
    {"template M() { signal a[600]; signal b[600]; }" MAIN, "more than 1000 signals",
     {.signals_max = 1000}, SN_E_TOO_LARGE},
    {"template T(n) { if (n > 0) { component a = T(n - 1); component b = T(n - 1); } "
     "else { signal x <== 1; } } template M() { component t = T(40); }" MAIN,
     "more than 268435456 signals", {0}, SN_E_TOO_LARGE},
    {"template M() { signal input x; signal output y; var s = x; "
     "for (var i = 0; i < 1000; i++) { s = s * s + x; } y <-- s; }" MAIN,
     "more than 1000 operations", {.nodes_max = 1000}, SN_E_TOO_LARGE},
    {"template T(n) { signal input x; x === n; } template M() { signal input x; component t[1100]; "
     "for (var i = 0; i < 1100; i++) { t[i] = T(i); t[i].x <== x; } }" MAIN,
     "more than 1000 different template instances", {.instances_max = 1000}, SN_E_TOO_LARGE},
};

struct limited {
    struct sn_circom_opts o;
    struct sn_circom *c;
    int r;
};
static void *limited_thread(void *arg)
{
    struct limited *l = arg;
    l->r = sn_circom_compile(&l->o, "main.circom", &l->c);
    return NULL;
}
SN_TEST(circom_limits_of_size)
{
    for (size_t i = 0; i < SN_COUNT_OF(bombs); i++) {
        sn_test_row("%s", bombs[i].text);
        char text[1024];
        (void)snprintf(text, sizeof(text), "%s%s", HEAD, bombs[i].text);
        const char *files[] = {"main.circom", text, NULL};
        struct env e = {.files = files};
        struct limited l = {.o = bombs[i].limits};
        pthread_attr_t a;
        pthread_t t;
        l.o.read = read_env;
        l.o.report = report;
        l.o.ctx = &e;
        T_EQ(pthread_attr_init(&a), 0);
        T_EQ(pthread_attr_setstacksize(&a, SN_CIRCOM_STACK_BYTES), 0);
        T_EQ(pthread_create(&t, &a, limited_thread, &l), 0);
        T_EQ(pthread_join(t, NULL), 0);
        T_ASSERTF(l.r == bombs[i].status, "status %d, \"%s\"", l.r, e.first);
        T_ASSERTF(strstr(e.first, bombs[i].message), "the error is \"%s\", expected \"%s\"", e.first,
                  bombs[i].message);
        T_ASSERT(l.c == NULL);
    }
}

/* Findings end at their limit, not at memory's. */
SN_TEST(circom_limits_of_findings)
{
    struct sn_buf text;
    struct env e;
    struct sn_circom *c = NULL;
    sn_buf_init(&text, 0);
    (void)sn_buf_cstr(&text, HEAD "template M() {");
    for (unsigned i = 0; i < 4 * SN_CIRCOM_ERRORS_MAX; i++) (void)sn_buf_printf(&text, " a%u = 1;\n", i);
    (void)sn_buf_cstr(&text, "}" MAIN);
    T_EQ(compile_text(&e, sn_buf_cz(&text), &c), SN_E_INVALID_ARGUMENT);
    T_EQ(e.errors, SN_CIRCOM_ERRORS_MAX);
    sn_buf_done(&text);
}
