/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/circom_test.c - the language: what compiles to what, what is refused and where. */
#include "zk/circom/circom.h"

#include <pthread.h>

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "tests/harness/test.h"
#include "zk/file.h"

#define HEAD "pragma circom 2.1.6;\n"
#define MAIN "\ncomponent main = M();\n"

/* Files in memory: pairs of path and text, NULL-ended. */
struct env {
    const char *const *files;
    char first[1024];
    unsigned errors, warnings;
    struct sn_buf log;
};
static int read_env(void *ctx, const char *path, struct sn_buf *ret)
{
    struct env *e = ctx;
    for (const char *const *f = e->files; *f; f += 2)
        if (strcmp(*f, path) == 0) return sn_buf_cstr(ret, f[1]);
    return SN_E_NOT_FOUND;
}
static void report(void *ctx, const struct sn_circom_msg *m)
{
    struct env *e = ctx;
    if (m->level == SN_CIRCOM_WARNING) {
        e->warnings++;
        return;
    }
    if (e->errors++ == 0)
        snprintf(e->first, sizeof(e->first), "%u:%u %.*s", m->line, m->column, SN_STR_ARG(m->text));
}
static void log_line(void *ctx, struct sn_str line)
{
    struct env *e = ctx;
    (void)sn_buf_str(&e->log, line);
    (void)sn_buf_byte(&e->log, '\n');
}

/* The compiler's stack is larger than a test process's may be: a thread has it for certain. */
struct job {
    const struct sn_circom_opts *o;
    const char *path;
    struct sn_circom *c;
    int r;
};
static void *compile_thread(void *arg)
{
    struct job *j = arg;
    j->r = sn_circom_compile(j->o, j->path, &j->c);
    return NULL;
}
static int compile_files(struct env *e, const char *const *files, struct sn_circom **ret)
{
    *e = (struct env){.files = files};
    struct sn_circom_opts o = {.read = read_env, .report = report, .ctx = e};
    static const char *const dirs[] = {"lib"};
    o.include_dirs = dirs;
    o.n_include_dirs = 1;
    struct job j = {.o = &o, .path = files[0]};
    pthread_attr_t a;
    pthread_t t;
    T_EQ(pthread_attr_init(&a), 0);
    T_EQ(pthread_attr_setstacksize(&a, SN_CIRCOM_STACK_BYTES), 0);
    T_EQ(pthread_create(&t, &a, compile_thread, &j), 0);
    T_EQ(pthread_join(t, NULL), 0);
    *ret = j.c;
    return j.r;
}
static int compile_text(struct env *e, const char *text, struct sn_circom **ret)
{
    static const char *files[3];
    files[0] = "main.circom";
    files[1] = text;
    return compile_files(e, files, ret);
}

/* The label of a signal by its name. */
static uint64_t label_of(const struct sn_circom *c, const char *name)
{
    struct sn_sym_source src = sn_circom_sym(c);
    struct sn_circom_stats st;
    struct sn_buf b;
    sn_circom_stats(c, &st);
    sn_buf_init(&b, 0);
    uint64_t found = 0;
    for (uint64_t i = 1; i < st.labels && !found; i++) {
        sn_buf_reset(&b);
        src.name(src.ctx, i, &b);
        if (sn_str_eqc(sn_buf_view(&b), name)) found = i;
    }
    sn_buf_done(&b);
    T_ASSERTF(found, "there is no signal %s", name);
    return found;
}

/* A witness from JSON; the caller frees it. r: what the run said. */
static struct sn_fe *witness(struct env *e, const struct sn_circom *c, const char *json, int *ret_r)
{
    const struct sn_witness_prog *p = sn_circom_witness(c);
    uint32_t first, n = sn_witness_n_inputs(p, &first);
    struct sn_fe *in = sn_zalloc(n + 1, sizeof(*in));
    struct sn_fe *w = sn_zalloc(sn_witness_n_labels(p), sizeof(*w));
    struct sn_witness_opts o = {.log = log_line, .ctx = e};
    T_ASSERT(in && w);
    T_OK(sn_witness_inputs_json(p, sn_str(json), SN_WITNESS_REDUCE, in));
    sn_buf_init(&e->log, 0);
    *ret_r = sn_witness_run(p, in, &o, w);
    sn_free(in);
    return w;
}

/* ---- programs and their values --------------------------------------------------------------- */

struct want {
    const char *name, *value;
};
static const struct {
    const char *name, *text, *json;
    struct want want[8];
    unsigned nonlinear, linear;
    const char *log;
} programs[] = {
    {"operators",
     HEAD "template M() { signal input x; signal output y; signal a <-- x ^ 5; signal b <-- ~x;"
          "signal c <-- -1 >> 1; signal d <-- -5 \\ 3; signal e <-- x \\ (x - 6); y <== x;"
          "signal f <-- x << (-1); signal g <-- x << 254; }" MAIN,
     "{\"x\": 7}",
     {{"main.a", "2"},
      {"main.b", "7059779437489773633646340506914701874769131765994106666166191815402473914359"},
      {"main.c", "10944121435919637611123202872628637544274182200208017171849102093287904247808"},
      {"main.d", "7296080957279758407415468581752425029516121466805344781232734728858602831870"},
      {"main.e", "7"},
      {"main.f", "3"},
      {"main.g", "0"}},
     0,
     1,
     ""},
    {"precedence",
     HEAD "template M() { signal input x; log(-2**2, 2**3**2, 1 & 3 << 1, 1 | 2 ^ 3 & 1);"
          "log(1 == 1 & 0, 5 - 3 - 1, 1 + 2 << 1, 12 \\ 5 * 2); }" MAIN,
     "{\"x\": 1}",
     {{"main.x", "1"}},
     0,
     0,
     "4 64 0 3\n0 1 6 4\n"},
    {"an unknown condition and a loop",
     HEAD "template M() { signal input x; signal input v[4]; signal output y; signal output z;"
          "signal output w[3]; var s = 0; var t[3] = [1,2,3];"
          "if (x > 4) { y <-- 3; s = x; t[1] = 7; } else { y <-- 4; s = 1; }"
          "z <-- s; var i = 0; var acc = 0; while (i < x) { acc += v[i % 4]; i++; }"
          "w[0] <-- acc; w[1] <-- v[x % 4]; w[2] <-- t[1]; }" MAIN,
     "{\"x\": \"7\", \"v\": [0,1,3,4]}",
     {{"main.y", "3"},
      {"main.z", "7"},
      {"main.w[0]", "12"},
      {"main.w[1]", "4"},
      {"main.w[2]", "7"}},
     0,
     0,
     ""},
    {"functions: known, unrolled, called, recursive",
     HEAD "function lin(x, n) { var s = 0; for (var i = 0; i < n; i++) { s += x * i; } return s; }"
          "function low(x) { var n = 0; while (x & 1 == 0) { x = x >> 1; n++; } return n; }"
          "function fib(n) { if (n < 2) { return n; } return fib(n-1) + fib(n-2); }"
          "function sort(a, n) { for (var i = 0; i < n; i++) { for (var j = 0; j + 1 < n; j++) {"
          " if (a[j] > a[j+1]) { var t = a[j]; a[j] = a[j+1]; a[j+1] = t; } } } return a; }"
          "template M() { signal input x; signal output a; signal output b; signal output c;"
          "signal output d; signal output s[4]; a <== lin(x, 4); b <-- low(x); c <== fib(20);"
          "d <-- fib(x); s <-- sort([x, 3, x \\ 2, 9], 4); }" MAIN,
     "{\"x\": 12}",
     {{"main.a", "72"},
      {"main.b", "2"},
      {"main.c", "6765"},
      {"main.d", "144"},
      {"main.s[0]", "3"},
      {"main.s[1]", "6"},
      {"main.s[2]", "9"},
      {"main.s[3]", "12"}},
     0,
     2,
     ""},
    {"components, arrays of them, anonymous ones, tuples, parallel",
     HEAD "template X(n) { signal input a; signal output o; o <== a * a + n; }"
          "template T() { signal input a; signal input b; signal output p; signal output q;"
          " p <== a + b; q <== a - b; }"
          "template M() { signal input x; signal output y; component c[2]; signal p; signal q;"
          "for (var i = 0; i < 2; i++) { c[i] = parallel X(i); c[i].a <== x + i; }"
          "(p, _) <== T()(b <== 1, a <== c[0].o); (_, q) <== T()(c[1].o, 2);"
          "y <== X(5)(p + q); var (u, v) = (3, 4); (u, v) = (v, u); log(u, v); }" MAIN,
     "{\"x\": \"0x3\"}",
     {{"main.c[0].o", "9"},
      {"main.c[1].o", "17"},
      {"main.p", "10"},
      {"main.q", "15"},
      {"main.y", "630"}},
     3,
     14,
     "4 4\n"},
    {"buses and tags",
     "pragma circom 2.2.0;"
     "bus P(n) { signal x; signal y[n]; } bus Q() { P(2) a[2]; signal z; }"
     "template T() { input Q() q; output P(2) {tg} p; p.x <== q.a[0].x; p.y <== q.a[1].y;"
     " signal input {maxb} w; signal output r; r <== w * w.maxb; }"
     "template M() { input Q() q; output P(2) p; signal input i; signal {maxb} w; w.maxb = 4;"
     " w <== i; component t = T(); t.q <== q; t.w <== w; p <== t.p; signal output r <== t.r; "
     "}" MAIN,
     "{\"q\": {\"a\": [{\"x\": 1, \"y\": [2, 3]}, {\"x\": 4, \"y\": [5, 6]}], \"z\": 7}, \"i\": 8}",
     {{"main.p.x", "1"}, {"main.p.y[1]", "6"}, {"main.r", "32"}, {"main.t.q.z", "7"}},
     0,
     17,
     ""},
};

static void check_rows(const struct sn_circom *c, struct sn_fe *w)
{
    struct sn_r1cs sys;
    uint32_t row;
    T_OK(sn_circom_r1cs(c, &sys));
    T_OK(sn_r1cs_check_scalar(&sys, w, &row));
    sn_r1cs_done(&sys);
}

SN_TEST(circom_programs)
{
    for (size_t i = 0; i < SN_COUNT_OF(programs); i++) {
        sn_test_row("%s", programs[i].name);
        struct env e;
        struct sn_circom *c;
        struct sn_circom_stats st;
        int r = compile_text(&e, programs[i].text, &c);
        T_ASSERTF(r == 0, "%d: %s", r, e.first);
        sn_circom_stats(c, &st);
        T_EQ(st.nonlinear, programs[i].nonlinear);
        T_EQ(st.linear, programs[i].linear);
        struct sn_fe *w = witness(&e, c, programs[i].json, &r);
        T_ASSERTF(r == 0, "%s", sn_diag_str(r));
        for (const struct want *q = programs[i].want; q < programs[i].want + 8 && q->name; q++) {
            char text[SN_FE_DEC_MAX];
            sn_fe_to_dec(sn_circom_field(c), &w[label_of(c, q->name)], text);
            T_ASSERTF(strcmp(text, q->value) == 0, "%s is %s, expected %s", q->name, text,
                      q->value);
        }
        T_STR(sn_buf_view(&e.log), programs[i].log);
        check_rows(c, w);
        sn_buf_done(&e.log);
        sn_free(w);
        sn_circom_free(c);
    }
}

/* Every signal that a constraint fixes: another value is refused. */
SN_TEST(circom_constraints_bind)
{
    struct env e;
    struct sn_circom *c;
    int r;
    T_OK(compile_text(&e, programs[4].text, &c));
    struct sn_fe *w = witness(&e, c, programs[4].json, &r);
    T_OK(r);
    struct sn_r1cs sys;
    T_OK(sn_circom_r1cs(c, &sys));
    for (uint32_t i = 1; i < sys.n_wires; i++) {
        uint32_t row;
        struct sn_fe old = w[i];
        sn_fe_add(sys.field, &w[i], &w[i], &sys.field->one);
        T_EQ(sn_r1cs_check_scalar(&sys, w, &row), SN_E_FAILED_PRECONDITION);
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_circom_row_place(c, row, &b);
        T_ASSERT(sn_str_starts(sn_buf_view(&b), SN_STR("main.circom:2:")));
        sn_buf_done(&b);
        w[i] = old;
    }
    sn_r1cs_done(&sys);
    sn_buf_done(&e.log);
    sn_free(w);
    sn_circom_free(c);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static const struct {
    const char *text, *message; /* "LINE:COLUMN text" begins so */
    int status;
} errors[] = {
    {HEAD "template M() { signal input x; y <== x; }" MAIN, "2:32 \"y\" is not declared",
     SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { signal input x\n signal output y; }" MAIN, "2:30 expected ';'",
     SN_E_SYNTAX},
    {HEAD "template M() { signal input x; signal output y; y <== x*x + x*x; }" MAIN,
     "2:49 this constraint is not quadratic", SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { signal input x; signal y; y === x; }" MAIN,
     "2:42 this signal is read before", SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { signal input x; signal y; y <== x; y <== x; }" MAIN,
     "2:51 this signal is assigned a second time", SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { signal input x; x <== 1; }" MAIN, "2:32 an input is not assigned",
     SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { signal input x; signal y; if (x == 1) { y <== 1; } }" MAIN,
     "2:56 a constraint stands under a condition", SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { signal input x; signal y = x; }" MAIN, "2:41 signals are assigned by",
     SN_E_SYNTAX},
    {HEAD "template M() { signal input x; var a[2]; a[2] = 1; }" MAIN, "2:44 index out of range",
     SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { signal input x; var a[x]; }" MAIN, "2:38 the size of an array",
     SN_E_INVALID_ARGUMENT},
    {HEAD "template N() { signal input a; signal output b; b <== a; }\n"
          "template M() { signal input x; component n = N(); n.c <== x; }" MAIN,
     "3:53 \"N\" has no input or output \"c\"", SN_E_INVALID_ARGUMENT},
    {HEAD "template N() { signal input a; signal output b; b <== a; }\n"
          "template M() { signal input x; component n = N(); signal y <== n.b; }" MAIN,
     "3:64 this output is not there yet", SN_E_INVALID_ARGUMENT},
    {HEAD "template N() { signal input a; signal output b; b <== a; }\n"
          "template M() { signal input x; component n = N(); }" MAIN,
     "3:46 the component \"n\" misses 1", SN_E_INVALID_ARGUMENT},
    {HEAD "template N() { signal input {bin} a; signal output b; b <== a; }\n"
          "template M() { signal input x; signal y <== N()(x); }" MAIN,
     "3:49 this input wants the tag \"bin\"", SN_E_INVALID_ARGUMENT},
    {HEAD "function f(x) { return f(x + 1); }\ntemplate M() { signal input x; var a = f(0); }" MAIN,
     "2:24 more than 200 functions", SN_E_DEPTH},
    {HEAD "template M() { component m = M(); }" MAIN, "2:30 the template \"M\" contains itself",
     SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { var a = 1 / 0; }" MAIN, "2:24 division by zero", SN_E_INVALID_ARGUMENT},
    {HEAD "template M() { var a[99999999]; }" MAIN, "2:22 an array of more than", SN_E_TOO_LARGE},
    {HEAD "include \"none.circom\";" MAIN, "2:9 there is no file", SN_E_NOT_FOUND},
    {HEAD "template M() { assert(1 == 2); }" MAIN, "2:16 this assert is false",
     SN_E_INVALID_ARGUMENT},
    {HEAD "/* never", "2:1 this comment does not end", SN_E_SYNTAX},
    {HEAD "template M() { signal input x; 1 === 2; }" MAIN, "2:32 this constraint is never",
     SN_E_INVALID_ARGUMENT},
    {"pragma circom 3.0.0;" MAIN, "1:1 version 3.0", SN_E_SYNTAX},
    {HEAD "template M() { signal input x; }", "1:1 no main component", SN_E_INVALID_ARGUMENT},
    {HEAD "template custom M() { signal input x; }" MAIN, "2:17 custom templates are not",
     SN_E_SYNTAX},
    {HEAD "template T() { signal input a; signal output o; o <== a; }\n"
     "template M() { signal input x; signal y <== T()(a <-- x); }" MAIN,
     "3:51 inputs of an anonymous component", SN_E_SYNTAX},
    {"pragma custom_templates;" HEAD
     "template custom M() { signal input x; signal output y; y <== x; }" MAIN,
     "2:56 a constraint in a custom template", SN_E_INVALID_ARGUMENT},
    {"pragma custom_templates;" HEAD "template N() { signal output o; o <== 1; }\n"
     "template custom M() { component n = N(); }" MAIN,
     "3:37 a component in a custom template", SN_E_INVALID_ARGUMENT},
};

SN_TEST(circom_errors)
{
    for (size_t i = 0; i < SN_COUNT_OF(errors); i++) {
        sn_test_row("%s", errors[i].text);
        struct env e;
        struct sn_circom *c = NULL;
        T_EQ(compile_text(&e, errors[i].text, &c), errors[i].status);
        T_ASSERTF(strncmp(e.first, errors[i].message, strlen(errors[i].message)) == 0,
                  "the error is \"%s\", expected \"%s\"", e.first, errors[i].message);
        T_ASSERT(c == NULL);
    }
}

SN_TEST(circom_nesting_is_bounded)
{
    static char text[200000];
    struct env e;
    struct sn_circom *c = NULL;
    size_t n = (size_t)snprintf(text, sizeof(text), "%stemplate M() { var a = ", HEAD);
    memset(text + n, '(', 100000);
    T_EQ(compile_text(&e, text, &c), SN_E_DEPTH);
    memset(text + n, '-', 100000);
    T_EQ(compile_text(&e, text, &c), SN_E_SYNTAX); /* "--" is an operator of its own */
    for (size_t i = 0; i < 50000; i++) memcpy(text + n + 2 * i, "!~", 2);
    T_EQ(compile_text(&e, text, &c), SN_E_DEPTH);
    n = (size_t)snprintf(text, sizeof(text), "%stemplate M() ", HEAD);
    memset(text + n, '{', 100000);
    T_EQ(compile_text(&e, text, &c), SN_E_DEPTH);
}

SN_TEST(circom_includes)
{
    static const char *const files[] = {
        "dir/main.circom",
        HEAD "include \"a.circom\"; include \"./../dir/a.circom\";"
             "include \"b.circom\"; template M() { signal input x; "
             "signal output y <== A()(x); }" MAIN,
        "dir/a.circom",
        "include \"main.circom\"; template A() { signal input i; signal output o; o <== i + k(); }",
        "lib/b.circom",
        "function k() { return 41; }",
        NULL};
    struct env e;
    struct sn_circom *c;
    int r = compile_files(&e, files, &c);
    T_ASSERTF(r == 0, "%s", e.first);
    struct sn_fe *w = witness(&e, c, "{\"x\": 1}", &r);
    T_OK(r);
    struct sn_fe want;
    sn_fe_set_u64(sn_circom_field(c), &want, 42);
    T_ASSERT(sn_fe_equal(&w[1], &want));
    sn_free(w);
    sn_circom_free(c);
}

/* ---- tags, buses, names ---------------------------------------------------------------------- */

#define HEAD22 "pragma circom 2.2.0;\n"
/* What circom 2.2 accepts and with how many constraints at O0, and what it refuses; there a message
 * as in `errors`. */
static const struct {
    const char *text, *message;
    uint32_t nonlinear, linear;
} rules[] = {
    {HEAD22 "template T(){signal input {bin} a[2]; signal output o; o<==a[0];} template "
     "M(){signal input x; signal {bin} b; b<==x; signal c[2]; c[0]<==b; c[1]<==x; "
     "signal output y<==T()(c);}" MAIN,
     "2:174 this input wants the tag \"bin\", the valu", 0, 0},
    {HEAD22 "template T(){signal input {bin} a; signal output o; o<==a;} template "
     "M(){signal input x; signal {bin} b; b<==x; signal c[2]; c[0]<==b; signal "
     "output y<==T()(c[0]); c[1]<==b;}" MAIN,
     "2:158 this input wants the tag \"bin\", the valu", 0, 0},
    {HEAD22 "template T(){signal input {bin} a; signal output o; o<==a;} template "
     "M(){signal input x; signal {bin} b; b<==x; signal c[2]; c[0]<==b; c[1]<==b; "
     "signal output y<==T()(c[0]);}" MAIN,
     NULL, 0, 6},
    {HEAD22 "template T(){signal input {bin} a[2]; signal output o; o<==a[0];} template "
     "M(){signal input x; signal {bin} b; b<==x; signal c[2]; c<==[b,b]; signal "
     "output y<==T()(c);}" MAIN,
     NULL, 0, 7},
    {HEAD22 "template T(){signal input {bin} a[2]; signal output o; o<==a[0];} template "
     "M(){signal input x; signal {bin} b; b<==x; signal output y<==T()([b,b]);}" MAIN,
     NULL, 0, 5},
    {HEAD22 "template T(){signal input {bin} a[2]; signal output o; o<==a[0];} template "
     "M(){signal input x; signal {bin} b; b<==x; component t=T(); t.a[0]<==b; "
     "t.a[1]<==x; signal output y<==t.o;}" MAIN,
     "2:148 this input wants the tag \"bin\", the valu", 0, 0},
    {HEAD22 "template T(){signal input {bin} a[2]; signal output o; o<==a[0];} template "
     "M(){signal input x; signal {bin} b; b<==x; component t=T(); t.a[0]<==b; "
     "t.a[1]<--b; signal output y<==t.o;}" MAIN,
     "2:148 this input wants the tag \"bin\", the valu", 0, 0},
    {HEAD22 "template T(){signal input {bin} a; signal output o; o<==a;} template "
     "M(){signal input x; signal {bin} b; b<==x; component t=T(); t.a<--b; signal "
     "output y<==t.o;}" MAIN,
     "2:130 this input wants the tag \"bin\", the valu", 0, 0},
    {HEAD22 "template T(){signal input {bin} a[2]; signal output o; o<==a[0];} template "
     "M(){signal input x; signal {bin} b; b<==x; signal c[2]; for(var "
     "i=0;i<2;i++){c[i]<==b;} signal d[2]; d<==c; signal output y<==T()(d);}" MAIN,
     NULL, 0, 9},
    {HEAD22 "template T(){signal input {max} a[2]; signal output o; o<==a[0]*a.max;} "
     "template M(){signal input x; signal {max} b; b.max=7; b<==x; signal {max} d; "
     "d.max=8; d<==x; signal c[2]; c[0]<==b; c[1]<==b; signal output y<==T()(c);}" MAIN,
     NULL, 0, 8},
    {HEAD22 "template T(){signal input {max} a[2]; signal output o; o<==a[0]*a.max;} "
     "template M(){signal input x; signal {max} b; b.max=7; b<==x; signal {max} d; "
     "d.max=8; d<==x; signal c[2]; c[0]<==b; c[1]<==d; signal output y<==T()(c);}" MAIN,
     "2:221 this input wants the tag \"max\", the valu", 0, 0},
    {HEAD22 "template T(){signal input {max} a[2]; signal output o; o<==a[0]*a.max;} "
     "template M(){signal input x; signal {max} b; b.max=7; b<==x; signal {max} d; "
     "d.max=8; d<==x; signal output y<==T()([b,b]);}" MAIN,
     NULL, 0, 6},
    {HEAD22 "template T(){signal input {max} a; signal output o; o<==a*a.max;} template "
     "M(){signal input x; signal {max} b; b.max=7; b<==x; signal {max} d; d.max=8; "
     "d<==x; signal {max} c; c.max=9; c<==b; signal output y<==T()(c);}" MAIN,
     NULL, 0, 6},
    {HEAD22 "template T(){signal input {max} a[2]; signal output o; o<==a[0]*a.max;} "
     "template M(){signal input x; signal {max} b; b.max=7; b<==x; signal {max} d; "
     "d.max=8; d<==x; component t=T(); t.a[0]<==b; t.a[1]<==d; signal output y<==t.o;}" MAIN,
     "2:195 the tag \"max\" of this input got another ", 0, 0},
    {HEAD22 "template M(){signal input x; signal {max} b; b.max=7; b<==x; signal {max} "
     "d; d.max=8; d<==x; signal {max} c; c<==b; signal output y<==c*c.max;}" MAIN,
     NULL, 0, 4},
    {HEAD22 "template M(){signal input x; signal {max} b; b.max=7; b<==x; signal {max} "
     "d; d.max=8; d<==x; signal {max} c[2]; c.max=3; c[0]<==b; c[1]<==d; signal "
     "output y<==c[0]*c[0].max;}" MAIN,
     "2:165 the elements of an array have no tags of", 0, 0},
    {HEAD22 "template T(){signal input a; signal output {max} o; o<==a; o.max=4;} "
     "template M(){signal input x; component t=T(); t.a<==x; signal output "
     "y<==t.o*t.o.max;}" MAIN,
     "2:60 the signal is assigned already", 0, 0},
    {HEAD22 "template T(){signal input {n} a; signal output o[a.n]; for(var "
     "i=0;i<a.n;i++){o[i]<==a;}} template M(){signal input x; signal {n} b; b.n=3; "
     "b<==x; component t=T(); t.a<==b; signal output y[3]; y<==t.o;}" MAIN,
     NULL, 0, 8},
    {HEAD22 "template T(){signal input {n} a; signal input b[a.n]; signal output "
     "o<==b[a.n-1]*a;} template M(){signal input x; signal {n} b; b.n=3; b<==x; "
     "component t=T(); t.a<==b; t.b<==[1,2,3]; signal output y<==t.o;}" MAIN,
     NULL, 1, 6},
    {HEAD22 "template T(){signal input {n} a; signal input b[a.n]; signal output "
     "o<==b[a.n-1]*a;} template M(){signal input x; signal {n} b; b.n=3; b<==x; "
     "component t=T(); t.b<==[1,2,3]; t.a<==b; signal output y<==t.o;}" MAIN,
     "2:162 \"T\" has no input or output \"b\" yet", 0, 0},
    {HEAD22 "template T(){signal input {n} a; signal output o; if(a.n==3){signal output "
     "z; z<==a;} o<==a;} template M(){signal input x; signal {n} b; b.n=3; b<==x; "
     "component t=T(); t.a<==b; signal output y<==t.o+t.z;}" MAIN,
     NULL, 0, 5},
    {HEAD22 "bus P(){signal {bin} x; signal y;} template T(){signal input {bin} a; "
     "signal output o; o<==a;} template M(){signal input x; P() p; p.x<==x; "
     "p.y<==p.x; signal output y<==T()(p.y);}" MAIN,
     NULL, 0, 5},
    {HEAD22 "bus P(){signal {max} x; signal y;} template U(){input P() i; signal output "
     "o<==i.x*i.x.max;} template M(){signal input x; P() p; p.x.max=3; p.x<==x; "
     "p.y<==x; signal output y<==U()(p);}" MAIN,
     NULL, 0, 6},
    {HEAD22 "bus P(){signal {max} x; signal y;} template U(){input P() i; signal output "
     "o<==i.x*i.x.max;} template M(){signal input x; P() p; p.x.max=3; p.x<==x; "
     "p.y<==x; P() q; q<==p; signal output y<==U()(q);}" MAIN,
     NULL, 0, 8},
    {HEAD22 "bus P(){signal {max} x; signal y;} template U(){signal input i; output P() "
     "o; o.x.max=6; o.x<==i; o.y<==i;} template M(){signal input x; component "
     "u=U(); u.i<==x; signal output y<==u.o.x*u.o.x.max;}" MAIN,
     NULL, 0, 4},
    {HEAD22 "bus P(){signal {bin} x; signal y;} template U(){input P() i; signal output "
     "o<==i.x;}  template M(){signal input x; component u=U(); u.i.x<==x; "
     "u.i.y<==x; signal output y<==u.o;}" MAIN,
     "2:133 this input wants the tag \"bin\", the valu", 0, 0},
    {HEAD22 "bus P(){signal {bin} x; signal y;} template U(){input P() i; signal output "
     "o<==i.x;} template M(){signal input x; P() p; p.x<--x; p.y<--x; component "
     "u=U(); u.i<--p; signal output y<==u.o;}" MAIN,
     "2:157 this input wants the tag \"bin\", the valu", 0, 0},
    {HEAD22 "template M(){signal input x; signal output y; y<==x**1;}" MAIN,
     "2:47 this constraint is not quadratic", 0, 0},
    {HEAD22 "template M(){signal input x; signal output y; y<==(x+1)**2;}" MAIN,
     NULL, 1, 0},
    {HEAD22 "template M(){signal input x; signal output y; y<==3*x**2+x;}" MAIN,
     NULL, 1, 0},
    {HEAD22 "template M(){signal input x; signal t<==x*x; signal output y; y<==0*t*x+x;}" MAIN,
     NULL, 2, 0},
    {HEAD22 "bus A(){signal x;} template T(){input A() a[2]; signal output o<==a[0].x;} "
     "template M(){signal input i; A() a; a.x<==i; signal output o<==T()([a,a]);}" MAIN,
     NULL, 0, 5},
    {HEAD22 "bus P(n) { signal {bin} x; signal y[n]; }\n"
     "bus Q() { P(2) {tg} a[2]; signal {m} z; }\n"
     "template T(){input Q() q; signal output o; o<==q.a[1].y[0]*q.z.m+q.a.tg;} "
     "template M(){signal input i; Q() q; q.z.m=9; q.a.tg=4; for(var "
     "k=0;k<2;k++){q.a[k].x<==i; q.a[k].y<==[k,i];} q.z<==3; signal output o; "
     "o<==T()(q);}" MAIN,
     NULL, 0, 16},
    {HEAD22 "bus P(n) { signal {bin} x; signal y[n]; }\n"
     "bus Q() { P(2) {tg} a[2]; signal {m} z; }\n"
     "template M(){input Q() q; signal output o; o<==q.z;}" MAIN,
     "4:24 inputs of main have no tags, nor have th", 0, 0},
    {HEAD22 "bus A(n){var k=n*2; signal x[k];} template M(){signal input i; A(2) a; "
     "a.x<==[1,i,2,3]; signal output o<==a.x[2];}" MAIN,
     "2:14 a bus declares signals and buses, nothin", 0, 0},
    {HEAD22 "template M(){signal input x; var a[2]=[1,2,3]; signal output y<==a[1]+x;}" MAIN,
     NULL, 0, 1},
    {HEAD22 "template M(){signal input x; signal output y; y<==0*x*x;}" MAIN,
     NULL, 1, 0},
    {HEAD22 "template M(){signal input x; signal {max} b; b.max=7; b.max=8; b<==x; "
     "signal output y; y<==b;}" MAIN,
     "2:55 this tag has a value already", 0, 0},
    {HEAD22 "template M(){signal input x; signal {max} b; b<==x; b.max=7; signal output "
     "y; y<==b;}" MAIN,
     "2:53 the signal is assigned already", 0, 0},
    {HEAD22 "template T(){signal input a; signal output {bin} o; o.bin=3; o<==a;} "
     "template M(){signal input x; signal output y; signal z<==T()(x); y<==z*z.bin;}" MAIN,
     "2:141 this signal was not declared with the ta", 0, 0},
    {HEAD22 "template T(){signal input {n} a; signal output o; o<==a;} template "
     "M(){signal input x; signal {n} b; b.n=3; b<==x; component t=T(); t.a<==b; "
     "signal output y; y<==t.o*t.a.n;}" MAIN,
     "2:167 tags of a component's inputs cannot be r", 0, 0},
    {HEAD22 "template T(){signal input a; signal output o<==a;} template U(){signal "
     "input a; signal output o<==a*a;} template M(){signal input x; component c[2]; "
     "c[0]=T(); c[1]=U(); c[0].a<==x; c[1].a<==x; signal output y<==c[0].o+c[1].o;}" MAIN,
     "2:160 the components of an array are all of on", 0, 0},
    {HEAD22 "template T(){signal input a; signal output o<==a;} template M(n){signal "
     "input x; for(var i=0;i<n;i++){component c=T(); c.a<==x;} signal output y<==x;}\n"
     "component main = M(2);\n",
     "2:113 a component is not declared in a loop", 0, 0},
    {HEAD22 "template T(a,a){signal input x;} template M(){signal input x; signal output "
     "y<==x;}" MAIN,
     "2:10 \"a\" is declared a second time here", 0, 0},
    {HEAD22 "template M(n){var n=3; signal input x; signal output y<==x*n;}\n"
     "component main = M(2);\n",
     "2:19 \"n\" is declared a second time here", 0, 0},
    {HEAD22 "template M(){var n=3; var n=4; signal input x; signal output y<==x*n;}" MAIN,
     "2:27 \"n\" is declared a second time here", 0, 0},
    {HEAD22 "template T(){signal input x; y<==x;} template M(){signal input x; signal "
     "output y<==x;}" MAIN,
     "2:30 \"y\" is not declared", 0, 0},
    {HEAD22 "template M(){signal input x; signal output y<==foo(x);}" MAIN,
     "2:48 there is no function or template \"foo\"", 0, 0},
    {HEAD22 "function f(x){if(x==1){return 3;}} template M(){signal input x; signal "
     "output y<==x+f(1);}" MAIN,
     "2:10 there are ways through this function wit", 0, 0},
    {HEAD22 "template T(){signal input a; signal output o<==a; signal output p<==a;} "
     "template M(){signal input x; _<==T()(x); signal output y<==x;}" MAIN,
     "2:102 _ is one value, here are 2", 0, 0},
    {HEAD22 "template M(){signal input x; signal output y<==x;}\n"
     "component main {public [x,x]} = M();\n",
     NULL, 0, 1},
    {HEAD22 "template M(){signal input x; signal output y<==x;}\n"
     "component main {public [z]} = M();\n",
     "3:1 main has no input \"z\" to make public", 0, 0},
};

SN_TEST(circom_rules)
{
    for (size_t i = 0; i < SN_COUNT_OF(rules); i++) {
        sn_test_row("%s", rules[i].text);
        struct env e;
        struct sn_circom *c = NULL;
        struct sn_circom_stats st;
        int r = compile_text(&e, rules[i].text, &c);
        if (rules[i].message) {
            T_EQ(r, SN_E_INVALID_ARGUMENT);
            T_ASSERTF(strncmp(e.first, rules[i].message, strlen(rules[i].message)) == 0,
                      "the error is \"%s\", expected \"%s\"", e.first, rules[i].message);
            continue;
        }
        T_ASSERTF(r == 0, "%s", e.first);
        sn_circom_stats(c, &st);
        T_EQ(st.nonlinear, rules[i].nonlinear);
        T_EQ(st.linear, rules[i].linear);
        sn_circom_free(c);
    }
}

/* Every finding of the names, not the first one only. */
SN_TEST(circom_reports_all_names)
{
    struct env e;
    struct sn_circom *c = NULL;
    T_EQ(compile_text(&e, HEAD22 "template A() { signal input x; y <== x; z <== q; }\n"
                                 "template M() { signal input x; w <== f(x); }" MAIN, &c),
         SN_E_INVALID_ARGUMENT);
    T_EQ(e.errors, 5);
}

SN_TEST(circom_inspect)
{
    static const char *const files[] = {
        "main.circom",
        HEAD22 "template S() { signal input a[2]; signal output o[2]; o[0] <== a[0]; o[1] <-- a[1]; }\n"
               "template M() { signal input x; signal output y; signal u <-- x * x; component s = S();\n"
               "s.a <== [x, 1]; y <== s.o[0]; }" MAIN,
        NULL};
    struct env e = {.files = files};
    struct sn_circom_opts o = {.read = read_env, .report = report, .ctx = &e, .inspect = true};
    struct sn_circom *c;
    T_OK(sn_circom_compile(&o, "main.circom", &c));
    /* S: o in no constraint, a[1] neither, o[1] could be <==; M: u twice, s.o[1]. */
    T_EQ(e.warnings, 6);
    sn_circom_free(c);
}

/* ---- custom templates ------------------------------------------------------------------------ */

static const char custom_text[] =
    HEAD22 "pragma custom_templates;\n"
           "template custom G(n, B) { signal input a; signal output o; signal input b[2];"
           " o <-- a * n + b[1] + B[0]; }\n"
           "template M() { signal input x; signal output y; component g[2];"
           "for (var i = 0; i < 2; i++) { g[i] = G(5 + i, [7, 8]); g[i].a <== x; g[i].b <== [x, 1]; }"
           "y <== g[0].o + g[1].o; }" MAIN;

static void expect_gates(const struct sn_r1cs *s, const uint32_t uses[2][4])
{
    const struct sn_r1cs_gates *g = s->gates;
    T_ASSERT(g);
    T_EQ(g->n_gates, 2);
    T_EQ(g->n_uses, 2);
    for (unsigned i = 0; i < 2; i++) {
        T_STR(g->gate[i].name, "G");
        T_EQ(g->gate[i].n_params, 3); /* B before n */
        struct sn_fe n;
        sn_fe_set_u64(s->field, &n, 5 + i);
        T_ASSERT(sn_fe_equal(&g->gate[i].params[2], &n));
        T_EQ(g->use[i].gate, i);
        T_EQ(g->use[i].n, 4);
        for (unsigned k = 0; k < 4; k++) T_EQ(g->signal[g->use[i].at + k], uses[i][k]);
    }
}
SN_TEST(circom_custom_templates)
{
    static const uint32_t full[2][4] = {{4, 3, 5, 6}, {8, 7, 9, 10}};
    static const uint32_t small[2][4] = {{3, 2, 4, 5}, {7, 6, 8, 9}};
    struct env e;
    struct sn_circom *c;
    struct sn_r1cs s, o2, again;
    T_OK(compile_text(&e, custom_text, &c));
    T_OK(sn_circom_r1cs(c, &s));
    expect_gates(&s, full);
    T_OK(sn_r1cs_simplify(&s, &(struct sn_simplify_opts){.level = 2}, &o2, NULL));
    expect_gates(&o2, small); /* x, a private input, is gone; the gates' signals are not */
    T_EQ(o2.n_wires, 10);
    struct sn_buf file;
    sn_buf_init(&file, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&file);
    T_OK(sn_r1cs_write(&o2, &sink));
    T_OK(sn_r1cs_read(sn_buf_view(&file), &again));
    expect_gates(&again, small);
    sn_r1cs_done(&again);
    /* No shorter file is one. */
    for (size_t n = 0; n < file.len; n++)
        T_ASSERT(sn_r1cs_read(sn_str_of((const char *)file.ptr, n), &again) < 0);
    sn_buf_done(&file);
    sn_r1cs_done(&s);
    sn_r1cs_done(&o2);
    sn_circom_free(c);
}

/* ---- running --------------------------------------------------------------------------------- */

static const struct {
    const char *body, *json, *message;
    int status;
} failures[] = {
    {"signal y <-- x + 1; y === x;", "{\"x\": 1}",
     "constraint not satisfied: main.circom:2:52: ", SN_E_FAILED_PRECONDITION},
    {"assert(x < 5);", "{\"x\": 9}", "assert failed: main.circom:2:", SN_E_FAILED_PRECONDITION},
    {"signal y <-- x \\ (x - 1);", "{\"x\": 1}",
     "division by zero: main.circom:2:", SN_E_INVALID_ARGUMENT},
    {"var t[3] = [1, 2, 3]; signal y <-- t[x];", "{\"x\": 3}", "index out of range",
     SN_E_OUT_OF_RANGE},
    {"var i = 0; while (i < 5) { i = i * x; }", "{\"x\": 1}", "too many steps",
     SN_E_RESOURCE_EXHAUSTED},
};
SN_TEST(circom_failures_when_running)
{
    for (size_t i = 0; i < SN_COUNT_OF(failures); i++) {
        sn_test_row("%s", failures[i].body);
        char text[512];
        struct env e;
        struct sn_circom *c;
        snprintf(text, sizeof(text), "%stemplate M() { signal input x; %s }%s", HEAD,
                 failures[i].body, MAIN);
        T_OK(compile_text(&e, text, &c));
        const struct sn_witness_prog *p = sn_circom_witness(c);
        struct sn_fe in, w[8];
        struct sn_witness_opts o = {.steps_max = 100000};
        T_ASSERT(sn_witness_n_labels(p) <= 8);
        T_OK(sn_witness_inputs_json(p, sn_str(failures[i].json), SN_WITNESS_STRICT, &in));
        int r = sn_witness_run(p, &in, &o, w);
        T_EQ(r, failures[i].status);
        T_ASSERTF(strncmp(sn_diag_str(r), failures[i].message, strlen(failures[i].message)) == 0,
                  "the error is \"%s\"", sn_diag_str(r));
        sn_circom_free(c);
    }
}

static const struct {
    const char *json;
    enum sn_witness_range range;
    int status;
} inputs[] = {
    {"{\"x\": 1, \"v\": [[1, 2], [\"3\", \"0x4\"]]}", SN_WITNESS_STRICT, 0},
    {"{\"x\": 1, \"v\": [1, 2, 3, 4]}", SN_WITNESS_STRICT, 0},
    {"{\"x\": -1, \"v\": [1, 2, 3, 4]}", SN_WITNESS_REDUCE, 0},
    {"{\"x\": -1, \"v\": [1, 2, 3, 4]}", SN_WITNESS_STRICT, SN_E_OUT_OF_RANGE},
    {"{\"x\": 1, \"v\": [1, 2, 3]}", SN_WITNESS_STRICT, SN_E_INVALID_ARGUMENT},
    {"{\"x\": 1, \"v\": [1, 2, 3, 4, 5]}", SN_WITNESS_STRICT, SN_E_INVALID_ARGUMENT},
    {"{\"x\": 1}", SN_WITNESS_STRICT, SN_E_NOT_FOUND},
    {"{\"x\": 1, \"v\": [1, 2, 3, 4], \"z\": 1}", SN_WITNESS_STRICT, SN_E_INVALID_ARGUMENT},
    {"{\"x\": \"12a\", \"v\": [1, 2, 3, 4]}", SN_WITNESS_STRICT, SN_E_SYNTAX},
    {"{\"x\": null, \"v\": [1, 2, 3, 4]}", SN_WITNESS_STRICT, SN_E_INVALID_ARGUMENT},
    {"{\"x\": 1.5, \"v\": [1, 2, 3, 4]}", SN_WITNESS_STRICT, SN_E_INVALID_ARGUMENT},
    {"{\"x\": 1, \"v\": ", SN_WITNESS_STRICT, SN_E_SYNTAX},
    {"[]", SN_WITNESS_STRICT, SN_E_INVALID_ARGUMENT},
};
SN_TEST(circom_inputs)
{
    struct env e;
    struct sn_circom *c;
    T_OK(compile_text(&e, HEAD "template M() { signal input x; signal input v[2][2]; }" MAIN, &c));
    for (size_t i = 0; i < SN_COUNT_OF(inputs); i++) {
        sn_test_row("%s", inputs[i].json);
        struct sn_fe in[5];
        T_EQ(sn_witness_inputs_json(sn_circom_witness(c), sn_str(inputs[i].json), inputs[i].range,
                                    in),
             inputs[i].status);
    }
    sn_circom_free(c);
}

static int torture_one(void *arg)
{
    const char *files[] = {"main.circom", arg, NULL};
    struct env e = {.files = files};
    struct sn_circom_opts o = {.read = read_env, .ctx = &e};
    struct sn_circom *c;
    struct sn_r1cs sys;
    int r = sn_circom_compile(&o, "main.circom", &c);
    if (r < 0) return r;
    r = sn_circom_r1cs(c, &sys);
    if (r == 0) sn_r1cs_done(&sys);
    sn_circom_free(c);
    return r;
}
SN_TEST(circom_without_memory)
{
    for (size_t i = 2; i < SN_COUNT_OF(programs); i++) {
        sn_test_row("%s", programs[i].name);
        /* Lenient: a finished system may stay larger than it has to be. */
        int r = sn_torture_lenient(torture_one, (void *)programs[i].text);
        T_ASSERTF(r > 0, "%s", sn_diag_str(r));
    }
    for (size_t i = 0; i < SN_COUNT_OF(rules); i++) {
        if (rules[i].message) continue;
        int r = sn_torture_lenient(torture_one, (void *)rules[i].text);
        T_ASSERTF(r > 0, "%s", sn_diag_str(r));
    }
    T_ASSERT(sn_torture_lenient(torture_one, (void *)custom_text) > 0);
}
