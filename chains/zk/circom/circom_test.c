/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/circom_test.c - the language: what compiles to what, what is refused and where, what fails
 * when it runs. */
#include "tests/harness/test.h"
#include "zk/circom/circom_env_test.h"

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

SN_TEST(circom_without_memory)
{
    for (size_t i = 2; i < SN_COUNT_OF(programs); i++) {
        sn_test_row("%s", programs[i].name);
        /* Lenient: a finished system may stay larger than it has to be. */
        int r = sn_torture_lenient(torture_one, (void *)programs[i].text);
        T_ASSERTF(r > 0, "%s", sn_diag_str(r));
    }
}
