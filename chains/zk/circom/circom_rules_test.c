/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/circom_rules_test.c - tags, buses, names, custom templates: what circom 2.2 allows. */
#include "tests/harness/test.h"
#include "zk/circom/circom_env_test.h"

/* ---- tags, buses, names ---------------------------------------------------------------------- */

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
SN_TEST(circom_rules_without_memory)
{
    for (size_t i = 0; i < SN_COUNT_OF(rules); i++) {
        if (rules[i].message) continue;
        int r = sn_torture_lenient(torture_one, (void *)rules[i].text);
        T_ASSERTF(r > 0, "%s", sn_diag_str(r));
    }
    T_ASSERT(sn_torture_lenient(torture_one, (void *)custom_text) > 0);
}
