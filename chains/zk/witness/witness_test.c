/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/witness_test.c - compiled programs as files, and that every way to run one agrees. */
#include "zk/witness/prog.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "tests/harness/test.h"
#include "zk/circom/circom.h"
#include "zk/witness/dots_int.h"

#define HEAD "pragma circom 2.1.6;\n"

static int read_text(void *ctx, const char *path, struct sn_buf *ret)
{
    return strcmp(path, "main.circom") == 0 ? sn_buf_cstr(ret, ctx) : SN_E_NOT_FOUND;
}

/* Everything a program can hold: sub-components in arrays, buses, functions, logs, branches. */
static const char everything[] = HEAD
    "bus P() { signal x; signal y[2]; }\n"
    "function f(n, k) { if (n == 0) { return k; } return f(n - 1, k * 2 + 1); }\n"
    "template S(n) { signal input a; signal output b; b <== a * a + n; }\n"
    "template M() {\n"
    " signal input x; signal input v[2][3]; P() input p; signal output o; signal output q[3];\n"
    " component s[2][2];\n"
    " for (var i = 0; i < 2; i++) { for (var j = 0; j < 2; j++) {\n"
    "   s[i][j] = S(i); s[i][j].a <== v[i][j]; } }\n"
    " var t = 0; var w[3] = [7, 8, 9];\n"
    " if (x > 5) { t = f(3, x); } else { t = x \\ 3; }\n"
    " w[x & 1] = t; var n = x & 7; var acc = 0;\n"
    " while (n > 0) { acc += w[n % 3]; n--; }\n"
    " o <-- acc; q[0] <== s[0][1].b * s[1][0].b; q[1] <-- x != 0 ? 1 / x : 0;\n"
    " q[2] <-- p.y[1] >> 3; log(\"sum\", acc); signal m; m <== q[1] * x; assert(m == 1 || x == 0);\n"
    " p.x * p.y[0] === p.y[1];\n"
    "}\ncomponent main {public [x]} = M();\n";
static const char everything_json[] =
    "{\"x\": 6, \"v\": [[1, 2, 3], [4, 5, -1]], \"p\": {\"x\": 12, \"y\": [100, 1200]}}";

struct loaded {
    struct sn_circom *c;
    struct sn_r1cs o0, o2;
    struct sn_buf file;
    struct sn_witness_prog *p;
};
/* False where the text does not compile: random ones may divide by zero. */
static bool try_load(struct loaded *l, const char *text)
{
    struct sn_circom_opts o = {.read = read_text, .ctx = (void *)text};
    *l = (struct loaded){0};
    if (sn_circom_compile(&o, "main.circom", &l->c) < 0) return false;
    T_OK(sn_circom_r1cs(l->c, &l->o0));
    T_OK(sn_r1cs_simplify(&l->o0, &(struct sn_simplify_opts){.level = 2}, &l->o2, NULL));
    struct sn_zk_sink sink = sn_zk_sink_buf(&l->file);
    T_OK(sn_witness_write(sn_circom_witness(l->c), &l->o2, &sink));
    int r = sn_witness_read(sn_buf_view(&l->file), &l->p);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    return true;
}
static void load(struct loaded *l, const char *text) { T_ASSERT(try_load(l, text)); }
static void unload(struct loaded *l)
{
    sn_witness_free(l->p);
    sn_buf_done(&l->file);
    sn_r1cs_done(&l->o0);
    sn_r1cs_done(&l->o2);
    sn_circom_free(l->c);
}

SN_TEST(witness_file_round_trip)
{
    struct loaded l;
    load(&l, everything);
    const struct sn_witness_prog *a = sn_circom_witness(l.c), *b = l.p;
    uint64_t n = sn_witness_n_labels(a);
    T_EQ(n, sn_witness_n_labels(b));
    T_EQ(sn_witness_n_wires(b), l.o2.n_wires);
    struct sn_fe in[16], w[2][64], wires[64];
    T_ASSERT(n <= 64 && a->n_inputs <= 16);
    T_OK(sn_witness_inputs_json(b, sn_str(everything_json), SN_WITNESS_REDUCE, in));
    T_OK(sn_witness_run(a, in, NULL, w[0]));
    T_OK(sn_witness_run(b, in, NULL, w[1]));
    T_OK(sn_witness_run_wires(b, in, NULL, wires));
    uint32_t row;
    T_OK(sn_r1cs_check(&l.o2, wires, NULL, &row));
    struct sn_buf x, y;
    sn_buf_init(&x, 0);
    sn_buf_init(&y, 0);
    for (uint64_t i = 0; i < n; i++) {
        T_ASSERT(sn_fe_equal(&w[0][i], &w[1][i]));
        sn_wlabel_name(a, i, &x);
        sn_wlabel_name(b, i, &y);
        T_EQ(sn_wlabel_instance(a, i), sn_wlabel_instance(b, i));
    }
    T_ASSERT(sn_str_eq(sn_buf_view(&x), sn_buf_view(&y)));
    for (uint32_t i = 0; i < l.o2.n_wires; i++)
        T_ASSERT(sn_fe_equal(&wires[i], &w[0][l.o2.label_of[i]]));
    /* The .wtns file is what the ordinary writer makes of the wires. */
    sn_buf_reset(&x);
    sn_buf_reset(&y);
    struct sn_zk_sink sx = sn_zk_sink_buf(&x), sy = sn_zk_sink_buf(&y);
    T_OK(sn_witness_run_wtns(b, in, NULL, &sx));
    T_OK(sn_wtns_write(b->field, wires, l.o2.n_wires, &sy));
    T_ASSERT(sn_str_eq(sn_buf_view(&x), sn_buf_view(&y)));
    sn_buf_done(&x);
    sn_buf_done(&y);
    unload(&l);
}

/* A failure reads the same from a file as from the compiler. */
SN_TEST(witness_file_failures)
{
    struct loaded l;
    load(&l, everything);
    struct sn_fe in[16], w[64];
    T_OK(sn_witness_inputs_json(l.p, sn_str(everything_json), SN_WITNESS_REDUCE, in));
    in[7] = l.p->field->one; /* p.x */
    char text[512];
    T_EQ(sn_witness_run(sn_circom_witness(l.c), in, NULL, w), SN_E_FAILED_PRECONDITION);
    snprintf(text, sizeof(text), "%s", sn_diag_str(SN_E_FAILED_PRECONDITION));
    T_EQ(sn_witness_run(l.p, in, NULL, w), SN_E_FAILED_PRECONDITION);
    T_ASSERTF(strcmp(text, sn_diag_str(SN_E_FAILED_PRECONDITION)) == 0, "\"%s\" and \"%s\"", text,
              sn_diag_str(SN_E_FAILED_PRECONDITION));
    T_ASSERTF(strstr(text, "main.circom:16:") && strstr(text, "p.x * p.y[0] === p.y[1];"), "%s", text);
    unload(&l);
}

/* What failed names the signals it was computed from, also in a component of an array. */
SN_TEST(witness_failures_name_signals)
{
    static const struct {
        const char *statement, *names;
    } rows[] = {
        {"a === b[1];", "in main.c[1]; signals main.c[1].a, main.c[1].b[1]"},
        {"assert(a + 3 == b[0] * b[1]);",
         "in main.c[1]; signals main.c[1].a, main.c[1].b[0], main.c[1].b[1]"},
        {"var s = a; for (var i = 0; i < 5; i++) { s += o[i]; } assert(s == b[0]);",
         ", ..."},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct loaded l;
        struct sn_fe in[3], w[64];
        char text[1024];
        snprintf(text, sizeof(text),
                 HEAD "template C() { signal input a; signal input b[2]; signal output o[5];\n"
                      " for (var i = 0; i < 5; i++) { o[i] <== a * b[0] + i; }\n %s }\n"
                      "template M() { signal input a; signal input b[2]; component c[2];\n"
                      " for (var i = 0; i < 2; i++) { c[i] = C(); c[i].b <== b; }\n"
                      " c[0].a <== 0; c[1].a <== a; }\ncomponent main = M();\n",
                 rows[i].statement);
        if (i == 0) memcpy(strstr(text, "c[0].a <== 0"), "c[0].a <== 5", 12);
        if (i == 1) memcpy(strstr(text, "c[0].a <== 0"), "c[0].a <== 7", 12);
        load(&l, text);
        T_ASSERT(sn_witness_n_labels(l.p) <= 64);
        sn_fe_set_u64(l.p->field, &in[0], 77);
        sn_fe_set_u64(l.p->field, &in[1], i == 2 ? 0 : 2);
        sn_fe_set_u64(l.p->field, &in[2], 5);
        if (i == 2) sn_fe_set_u64(l.p->field, &in[0], 78);
        T_EQ(sn_witness_run(l.p, in, NULL, w), SN_E_FAILED_PRECONDITION);
        T_ASSERTF(strstr(sn_diag_str(SN_E_FAILED_PRECONDITION), rows[i].names), "%s",
                  sn_diag_str(SN_E_FAILED_PRECONDITION));
        unload(&l);
    }
}

/* Divisors that no input reaches come with their inverses; the others do not. */
SN_TEST(witness_inverses)
{
    struct loaded l;
    struct sn_fe c, y, x[2], *pairs;
    uint32_t n;
    load(&l, HEAD "template D() { signal input a; signal input c; signal output o;\n"
                  " o <-- a / (c + 1) + 1 / (a + c); o * 0 === 0; }\n"
                  "template M() { signal input x; signal output o; component d = D();\n"
                  " d.a <== x; d.c <== 123456789012345678901234567890123456789; o <== d.o; }\n"
                  "component main = M();\n");
    const struct sn_field *f = l.p->field;
    T_OK(sn_winverses_learn(sn_circom_witness(l.c), &pairs, &n));
    T_EQ(n, 1);
    T_OK(sn_fe_from_dec(f, &c, sn_str("123456789012345678901234567890123456790")));
    T_ASSERT(sn_fe_equal(&pairs[0], &c));
    T_ASSERT(sn_winverse(l.p, &c, &y));
    sn_fe_mul(f, &y, &y, &c);
    T_ASSERT(sn_fe_equal(&y, &f->one));
    T_ASSERT(!sn_winverse(l.p, &f->one, &y) && !sn_winverse(sn_circom_witness(l.c), &c, &y));
    /* A file's are not believed. */
    struct sn_witness_prog p = {.field = f};
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_winverses_set(&p, &a, (const uint32_t *)pairs, 1));
    x[0] = pairs[0], x[1] = pairs[1], x[1].v[0] ^= 1;
    T_EQ(sn_winverses_set(&p, &a, (const uint32_t *)x, 1), SN_E_DATA_LOSS);
    x[0] = f->p;
    T_EQ(sn_winverses_set(&p, &a, (const uint32_t *)x, 1), SN_E_OUT_OF_RANGE);
    sn_arena_done(&a);
    sn_free(pairs);
    unload(&l);
}

static void damaged(struct sn_buf *file, const char *what)
{
    struct sn_witness_prog *p;
    int r = sn_witness_read(sn_buf_view(file), &p);
    T_ASSERTF(r < 0, "%s was accepted", what);
}
SN_TEST(witness_file_damage)
{
    struct loaded l;
    load(&l, everything);
    struct sn_buf *f = &l.file;
    for (size_t i = 0; i < f->len; i += 1 + i / 64) { /* any byte */
        f->ptr[i] ^= 0x10;
        damaged(f, "a changed byte");
        f->ptr[i] ^= 0x10;
    }
    size_t len = f->len;
    for (f->len = 0; f->len < len; f->len += 1 + f->len / 16) damaged(f, "a shortened file");
    f->len = len;
    T_OK(sn_buf_byte(f, 0));
    damaged(f, "a lengthened file");
    f->len = len;
    unload(&l);
}

static int torture_file(void *arg)
{
    struct sn_witness_prog *p;
    struct loaded *l = arg;
    struct sn_fe in[16], w[64];
    struct sn_buf b;
    sn_buf_init(&b, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&b);
    int r = sn_witness_write(l->p, &l->o2, &sink);
    if (r == 0 && (r = sn_witness_read(sn_buf_view(&b), &p)) == 0) {
        r = sn_witness_inputs_json(p, sn_str(everything_json), SN_WITNESS_REDUCE, in);
        if (r == 0) r = sn_witness_run(p, in, NULL, w);
        if (r == 0) r = sn_witness_run_wires(p, in, NULL, w);
        sn_witness_free(p);
    }
    sn_buf_done(&b);
    return r;
}
SN_TEST(witness_file_without_memory)
{
    struct loaded l;
    load(&l, everything);
    /* Lenient: a line of log() may be lost. */
    int r = sn_torture_lenient(torture_file, &l);
    T_ASSERTF(r > 0, "%s", sn_diag_str(r));
    unload(&l);
}

/* ---- random programs ------------------------------------------------------------------------- */

#define N_X 6u     /* inputs */
#define N_JOBS 19u /* two groups of eight and three */

struct gen {
    struct sn_buf b;
    unsigned loops;
};
static unsigned pick(unsigned n) { return (unsigned)sn_test_rand_below(n); }

static void expr(struct gen *g, unsigned depth)
{
    static const char *const binary[] = {"+", "-", "*", "+", "-", "*", "&", "|", "^",
                                         "<", "<=", ">", ">=", "==", "!=", "&&", "||"};
    switch (depth ? pick(12) : pick(4)) {
    case 0: (void)sn_buf_printf(&g->b, "x[%u]", pick(N_X)); break;
    case 1: (void)sn_buf_printf(&g->b, "%u", pick(3) ? pick(9) : pick(1u << 30)); break;
    case 2: (void)sn_buf_printf(&g->b, "v%u", pick(3)); break;
    case 3: (void)sn_buf_printf(&g->b, "w[%u]", pick(4)); break;
    case 4:
        (void)sn_buf_cstr(&g->b, "w[(");
        expr(g, depth - 1);
        (void)sn_buf_cstr(&g->b, ") & 3]");
        break;
    case 5:
        (void)sn_buf_cstr(&g->b, pick(2) ? "(-(" : "(~(");
        expr(g, depth - 1);
        (void)sn_buf_cstr(&g->b, "))");
        break;
    case 6:
        (void)sn_buf_cstr(&g->b, "f(");
        expr(g, depth - 1);
        (void)sn_buf_cstr(&g->b, ", ");
        expr(g, depth - 1);
        (void)sn_buf_cstr(&g->b, ")");
        break;
    case 7: { /* a right operand that is a number */
        static const char *const ops[] = {">>", "<<", "\\", "%", "**", "/"};
        unsigned op = pick(6);
        (void)sn_buf_cstr(&g->b, "((");
        expr(g, depth - 1);
        (void)sn_buf_printf(&g->b, ") %s %u)", ops[op], 1 + pick(op < 2 ? 260 : 5));
        break;
    }
    case 8: /* fails where it is zero */
        (void)sn_buf_cstr(&g->b, "((");
        expr(g, depth - 1);
        (void)sn_buf_printf(&g->b, ") %s (x[%u] + 1))", pick(2) ? "\\" : "%", pick(N_X));
        break;
    case 9:
        (void)sn_buf_cstr(&g->b, "(((");
        expr(g, depth - 1);
        (void)sn_buf_printf(&g->b, ") >> %u) & 1)", pick(256));
        break;
    default:
        (void)sn_buf_cstr(&g->b, "((");
        expr(g, depth - 1);
        (void)sn_buf_printf(&g->b, ") %s (", binary[pick(SN_COUNT_OF(binary))]);
        expr(g, depth - 1);
        (void)sn_buf_cstr(&g->b, "))");
        break;
    }
}

static void statement(struct gen *g, unsigned depth)
{
    switch (depth ? pick(6) : pick(3)) {
    case 0:
    case 1:
        (void)sn_buf_printf(&g->b, " v%u = ", pick(3));
        expr(g, 3);
        break;
    case 2:
        (void)sn_buf_cstr(&g->b, " w[(");
        expr(g, 1);
        (void)sn_buf_cstr(&g->b, ") & 3] = ");
        expr(g, 2);
        break;
    case 3:
        (void)sn_buf_printf(&g->b, " if (x[%u] %s ", pick(N_X), pick(2) ? ">" : "!=");
        expr(g, 1);
        (void)sn_buf_cstr(&g->b, ") {");
        statement(g, depth - 1);
        (void)sn_buf_cstr(&g->b, " } else {");
        statement(g, depth - 1);
        (void)sn_buf_cstr(&g->b, " }\n");
        return;
    case 4: {
        unsigned l = g->loops++;
        (void)sn_buf_printf(&g->b, " var k%u = (", l);
        expr(g, 1);
        (void)sn_buf_printf(&g->b, ") & 7; while (k%u > 0) {", l);
        statement(g, depth - 1);
        (void)sn_buf_printf(&g->b, " k%u--; }\n", l);
        return;
    }
    default:
        (void)sn_buf_printf(&g->b, " assert(x[%u] + (", pick(N_X));
        expr(g, 1);
        (void)sn_buf_printf(&g->b, ") != %u)", pick(4));
        break;
    }
    (void)sn_buf_cstr(&g->b, ";\n");
}

/* Variables computed by anything, and signals bound by constraints. */
static void program(struct gen *g)
{
    (void)sn_buf_cstr(&g->b, HEAD
                      "function f(a, b) { var r = a; if (a > b) { r = r * b + 1; }\n"
                      " for (var i = 0; i < (b & 3); i++) { r = r + a; } return r; }\n"
                      "template S(n) { signal input a[4]; signal output b[4];\n"
                      " for (var i = 0; i < 4; i++) { b[i] <== a[3 - i] * a[i] + n; } }\n"
                      "template T() { signal input a[4]; signal output b[4]; component s = S(7);\n"
                      " for (var i = 0; i < 4; i++) { s.a[i] <== a[i]; }\n"
                      " for (var i = 0; i < 4; i++) { b[i] <== s.b[i] - a[0]; } }\n"
                      "template D() { signal input c; signal input a; signal output o[2];\n"
                      " o[0] <-- (a + 1) / (c + 3); o[0] * (c + 3) === a + 1;\n"
                      " o[1] <-- c / (a * c + 1); o[1] * 0 === 0; }\n"
                      "template M() {\n signal input x[6]; signal output o[7]; signal m[4];\n"
                      " var v0 = 0; var v1 = 1; var v2 = 2; var w[4] = [1, 2, 3, 4];\n");
    for (unsigned i = 0; i < 3 + pick(5); i++) statement(g, 3);
    (void)sn_buf_cstr(&g->b, " component s[3]; component t[2];\n"
                             " for (var i = 0; i < 4; i++) { m[i] <== x[i] * x[5 - i] + i; }\n"
                             " for (var i = 0; i < 3; i++) { s[i] = S(i); }\n"
                             " for (var i = 0; i < 4; i++) { s[0].a[i] <== x[i];\n"
                             "  s[1].a[i] <== m[i]; s[2].a[3 - i] <== x[i + 1]; }\n"
                             " for (var i = 0; i < 2; i++) { t[i] = T();\n"
                             "  for (var j = 0; j < 4; j++) { t[i].a[j] <== s[i].b[j]; } }\n"
                             " component d[2]; for (var i = 0; i < 2; i++) { d[i] = D();\n"
                             "  d[i].a <== x[i]; d[i].c <== i * 123456789012345678901234567890 + 4; }\n"
                             " for (var i = 0; i < 3; i++) { o[i] <== t[i & 1].b[i] + s[2].b[i]; }\n"
                             " o[3] <-- v0; o[4] <-- v1; o[5] <-- v2; o[6] <-- w[1];\n"
                             "}\ncomponent main = M();\n");
}

static void random_input(const struct sn_field *f, struct sn_fe *ret)
{
    struct sn_fe x = {{sn_test_rand(), sn_test_rand(), sn_test_rand(), sn_test_rand()}};
    switch (pick(5)) {
    case 0: sn_fe_reduce(f, &x, &x), *ret = x; break;
    case 1: sn_fe_set_u64(f, ret, x.v[0] >> pick(64)); break;
    case 2: sn_fe_set_i64(f, ret, -(int64_t)(x.v[0] >> (4 + pick(59)))); break;
    default: sn_fe_set_u64(f, ret, pick(10)); break;
    }
}

/* Runs jobs in another order than they are numbered: nothing may depend on it. */
static void backwards(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    while (n > 0) job(arg, --n);
}

static void check_mutations(const struct sn_r1cs *sys, struct sn_fe *w)
{
    uint32_t row[2] = {0}, i = sn_r1cs_n_entries(sys) ? pick(sn_r1cs_n_entries(sys)) : 0;
    T_OK(sn_r1cs_check(sys, w, NULL, row));
    uint32_t wire = sys->wire[i];
    struct sn_fe was = w[wire];
    sn_fe_add(sys->field, &w[wire], &was, &sys->field->one);
    int r = sn_r1cs_check(sys, w, NULL, row);
    T_EQ(r, sn_r1cs_check_scalar(sys, w, row + 1));
    T_ASSERT(r == 0 || row[0] == row[1]);
    w[wire] = was;
    /* An output of a product is bound: any other value is refused. */
    sn_fe_add(sys->field, &w[1], &w[1], &sys->field->one);
    T_EQ(sn_r1cs_check(sys, w, NULL, row), SN_E_FAILED_PRECONDITION);
    sn_fe_sub(sys->field, &w[1], &w[1], &sys->field->one);
}

static unsigned engines_agree_on(struct loaded *l)
{
    enum { WIRES_MAX = 128 };
    static struct sn_fe in[N_JOBS][N_X], one[N_JOBS][WIRES_MAX], many[N_JOBS][WIRES_MAX];
    struct sn_witness_job jobs[N_JOBS];
    struct sn_par par = {.run = backwards, .width = 3};
    struct sn_witness_opts o = {.steps_max = 1u << 22}, op = o;
    op.par = &par;
    op.par_min = 1;
    int status[N_JOBS], first = 0;
    unsigned passed = 0;
    char text[2][512];
    T_ASSERT(l->o2.n_wires <= WIRES_MAX);
    for (unsigned i = 0; i < N_JOBS; i++) {
        for (unsigned k = 0; k < N_X; k++) random_input(l->p->field, &in[i][k]);
        status[i] = sn_witness_run_wires(l->p, in[i], &o, one[i]);
        if (status[i] < 0 && first == 0) {
            first = status[i];
            snprintf(text[0], sizeof(text[0]), "%s", sn_diag_str(first));
        }
        jobs[i] = (struct sn_witness_job){.inputs = in[i], .ret = many[i]};
        T_EQ(sn_witness_run_wires(l->p, in[i], &op, many[i]), status[i]);
        if (status[i] == 0) T_EQ(memcmp(one[i], many[i], l->o2.n_wires * sizeof(one[i][0])), 0);
    }
    memset(many, 0, sizeof(many));
    int r = sn_witness_run_many(l->p, jobs, N_JOBS, pick(2) ? &op : &o);
    T_EQ(r, first);
    if (r < 0) {
        snprintf(text[1], sizeof(text[1]), "%s", sn_diag_str(r));
        T_ASSERTF(strcmp(text[0], text[1]) == 0, "\"%s\" and \"%s\"", text[0], text[1]);
    }
    for (unsigned i = 0; i < N_JOBS; i++) {
        T_EQ(jobs[i].status, status[i]);
        for (uint32_t k = 0; status[i] == 0 && k < l->o2.n_wires; k++)
            T_ASSERTF(sn_fe_equal(&one[i][k], &many[i][k]), "witness %u, wire %u", i, k);
        if (status[i] == 0) check_mutations(&l->o2, one[i]);
        passed += status[i] == 0;
    }
    return passed;
}

SN_TEST_SLOW(witness_engines_agree, 120)
{
    unsigned passed = 0;
    for (unsigned i = 0; i < sn_test_cases(150); i++) {
        struct gen g = {0};
        struct loaded l;
        program(&g);
        sn_test_row("%s", sn_buf_cz(&g.b));
        if (try_load(&l, sn_buf_cz(&g.b))) {
            passed += engines_agree_on(&l);
            unload(&l);
        }
        sn_buf_done(&g.b);
    }
    T_ASSERTF(passed > 100, "only %u runs succeeded", passed);
}

/* Rows of a matrix times a vector: what lanes take as one sum of products, of any length, begun in
 * one register and ended in another or in a signal, with factors that are small, 0 or the largest.
 */
static const char matrix[] =
    HEAD "template V() { signal input x[6]; signal output o[9]; signal output q; signal y[4];\n"
         " for (var i = 0; i < 4; i++) { y[i] <== x[i] * x[i + 1] + x[i + 2]; }\n"
         " for (var r = 0; r < 8; r++) { var sum = 0;\n"
         "  for (var i = 0; i < r; i++) { sum += ((r * 31 + i + 2) ** 60) * y[i % 4]; } o[r] <== "
         "sum; }\n"
         " var big = -1; o[8] <== big * y[0] + big * y[1] + 3 * y[2] + (7 ** 80) * y[3] + y[0];\n"
         " q <-- (y[0] * y[1] + y[2] * y[3] + y[1] * y[1]) * (y[0] * y[0] + y[3] * y[2]) + y[0] * "
         "y[3]; q * 0 === 0; }\n"
         "component main = V();\n";
SN_TEST(witness_sums_of_products)
{
    struct loaded l;
    load(&l, matrix);
    unsigned found = 0, longest = 0;
    T_EQ(l.p->n_inputs, N_X);
    for (uint32_t i = 0; i < l.p->n_instances; i++) {
        const struct sn_wcode *c = &l.p->instances[i].code;
        uint8_t *dots = sn_alloc(c->n + 1);
        sn_wdots_find(l.p, c, 5, dots);
        for (uint32_t k = 0; k < c->n; k++) {
            found += dots[k] != 0;
            longest = SN_MAX(longest, SN_WDOT_PRODUCTS(dots[k]));
            T_ASSERT(dots[k] == 0 || k + sn_wdots_length(dots[k]) <= c->n);
        }
        sn_free(dots);
    }
    T_ASSERTF(found >= 6 && longest == 5, "%u sums, the longest of %u products", found, longest);
    for (unsigned i = 0; i < sn_test_cases(100); i++) (void)engines_agree_on(&l);
    unload(&l);
}

/* More wires than stay in a cache, and fewer, most of them bits: written a line of memory at a
 * time, wherever the caller's memory begins. */
static const char bits[] =
    HEAD "template B(n, k) { signal input x[6]; signal output o; signal b[n][k]; var any = 0;\n"
         " for (var i = 0; i < n; i++) { for (var j = 0; j < k; j++) {\n"
         "   b[i][j] <-- (x[i %% 4] >> j) & 1; b[i][j] * (b[i][j] - 1) === 0; any += b[i][j]; } }\n"
         " signal p[4]; for (var i = 0; i < 4; i++) { p[i] <== x[i] * x[i]; } o <== any * p[0]; }\n"
         "component main = B(%u, %u);\n";
static void write_bits(unsigned n, unsigned k)
{
    char text[1024];
    struct loaded l;
    snprintf(text, sizeof(text), bits, n, k);
    load(&l, text);
    size_t wires = l.o2.n_wires, room = wires * sizeof(struct sn_fe) + 64;
    char *one = sn_alloc(8 * room), *many = sn_alloc(8 * room);
    struct sn_fe in[8][N_X];
    struct sn_witness_job jobs[8];
    memset(many, 0x5a, 8 * room);
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < N_X; j++) random_input(l.p->field, &in[i][j]);
        jobs[i] =
            (struct sn_witness_job){in[i],
                                    (struct sn_fe *)(void *)(many + i * room + 8 * (size_t)i), 0};
        T_OK(sn_witness_run_wires(l.p, in[i], NULL, (struct sn_fe *)(void *)(one + i * room)));
    }
    T_OK(sn_witness_run_many(l.p, jobs, 8, NULL));
    for (unsigned i = 0; i < 8; i++) {
        T_EQ(memcmp(one + i * room, jobs[i].ret, wires * sizeof(struct sn_fe)), 0);
        for (size_t at = 0; at < room; at++) /* nothing beside it */
            if (at < 8 * i || at >= 8 * i + wires * sizeof(struct sn_fe))
                T_EQ(many[i * room + at], 0x5a);
    }
    sn_free(one);
    sn_free(many);
    unload(&l);
}
SN_TEST(witness_lanes_write_bits)
{
    write_bits(17, 250);
    write_bits(4, 150);
    write_bits(1, 12);
    write_bits(3, 171);
}

/* ---- components beside each other ------------------------------------------------------------- */

struct crew {
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t n, most; /* of the calls so far */
    _Atomic size_t next;
};
static void *crew_member(void *arg)
{
    struct crew *c = arg;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->n;) c->job(c->arg, i);
    return NULL;
}
static void crew_run(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    struct crew *c = ctx;
    pthread_t t[3];
    c->job = job, c->arg = arg, c->n = n;
    c->most = SN_MAX(c->most, n);
    atomic_store(&c->next, 0);
    for (unsigned i = 0; i < 3; i++)
        T_EQ(pthread_create(&t[i], NULL, crew_member, c), 0); /* banned: the program has no runtime */
    (void)crew_member(c);
    for (unsigned i = 0; i < 3; i++) T_EQ(pthread_join(t[i], NULL), 0);
}
/* A tree of squares over eight leaves; what fails is leaf `x - 100`. Registers are used again and again,
 * and a leaf's input depends on the one before where `chained` says so. */
static const char tree[] = HEAD
    "template L(n) { signal input a; signal input at; signal output b; signal s[n+1]; s[0] <== a;\n"
    " for (var i = 0; i < n; i++) { s[i+1] <== s[i] * s[i] + i; } b <== s[n]; assert(at != n); }\n"
    "template T() { signal input x; signal output o; signal h[8]; component l[8]; component m[4];\n"
    " var t = x; for (var i = 0; i < 8; i++) { l[i] = L(i + 20); h[i] <-- t * t + (t \\ (i + 3)); t = t * 3 + i;\n"
    "   l[i].at <== x - 100; l[i].a <== i == 5 ? l[2].b : h[i]; }\n"
    " for (var i = 0; i < 4; i++) { m[i] = L(40); m[i].at <== l[2 * i].b;\n"
    "   m[i].a <== l[2 * i].b + l[2 * i + 1].b; }\n"
    " o <== m[0].b * m[1].b + m[2].b - m[3].b; o * 0 === 0; }\n"
    "component main = T();\n";
SN_TEST(witness_components_beside_each_other)
{
    struct loaded l;
    struct crew crew = {0};
    struct sn_par par = {.run = crew_run, .ctx = &crew, .width = 4};
    struct sn_witness_opts o = {.par = &par, .par_min = 10};
    load(&l, tree);
    uint64_t n = sn_witness_n_labels(l.p);
    struct sn_fe in, *a = sn_zalloc(n, sizeof(*a)), *b = sn_zalloc(n, sizeof(*b));
    for (uint64_t x = 90; x < 150; x++) {
        char text[2][512] = {"", ""};
        sn_fe_set_u64(l.p->field, &in, x);
        int r = sn_witness_run(l.p, &in, NULL, a);
        if (r < 0) snprintf(text[0], sizeof(text[0]), "%s", sn_diag_str(r));
        T_EQ(sn_witness_run(l.p, &in, &o, b), r);
        if (r < 0) snprintf(text[1], sizeof(text[1]), "%s", sn_diag_str(r));
        T_ASSERTF(strcmp(text[0], text[1]) == 0, "\"%s\" and \"%s\"", text[0], text[1]);
        T_EQ(r, x >= 120 && x < 128 ? SN_E_FAILED_PRECONDITION : 0);
        T_ASSERT(r < 0 || memcmp(a, b, n * sizeof(*a)) == 0);
    }
    T_EQ(crew.most, 7); /* all leaves but the one that waits for another */
    o.steps_max = 100;
    T_EQ(sn_witness_run(l.p, &in, &o, b), SN_E_RESOURCE_EXHAUSTED);
    sn_free(a);
    sn_free(b);
    unload(&l);
}
static int torture_beside(void *arg)
{
    struct loaded *l = arg;
    struct sn_par par = {.run = backwards, .width = 2};
    struct sn_witness_opts o = {.par = &par, .par_min = 10};
    struct sn_fe in, *w = sn_alloc(sn_witness_n_labels(l->p) * sizeof(*w));
    if (!w) return SN_E_NOMEM;
    sn_fe_set_u64(l->p->field, &in, 7);
    int r = sn_witness_run(l->p, &in, &o, w);
    sn_free(w);
    return r;
}
SN_TEST(witness_components_without_memory)
{
    struct loaded l;
    load(&l, tree);
    int r = sn_torture_lenient(torture_beside, &l);
    T_ASSERTF(r > 0, "%s", sn_diag_str(r));
    unload(&l);
}

/* ---- cache ----------------------------------------------------------------------------------- */

static const char square[] = HEAD
    "template M() { signal input x; signal output o; o <== x * x + 5; assert(x != 9); }\n"
    "component main = M();\n";

/* x squared plus five, through the cache. */
static int squared(struct sn_witness_cache *c, uint64_t x, struct sn_fe w[8])
{
    struct sn_fe in, want;
    sn_fe_set_u64(&sn_bn254_fr, &in, x);
    sn_fe_set_u64(&sn_bn254_fr, &want, x * x + 5);
    int r = sn_witness_cache_run(c, &in, NULL, w);
    T_ASSERT(r < 0 || sn_fe_equal(&w[1], &want));
    return r;
}

SN_TEST(witness_cache_keeps_the_recently_used)
{
    struct loaded l;
    struct sn_fe w[8];
    struct sn_witness_cache *c;
    struct sn_witness_cache_stats st;
    load(&l, square);
    T_ASSERT(l.o2.n_wires <= 8);
    T_EQ(sn_witness_cache_new(sn_circom_witness(l.c), 1000, &c), SN_E_INVALID_ARGUMENT);
    T_OK(sn_witness_cache_new(l.p, 1u << 20, &c));
    T_OK(squared(c, 1, w));
    sn_witness_cache_stats(c, &st);
    size_t each = st.bytes;
    sn_witness_cache_free(c);

    T_OK(sn_witness_cache_new(l.p, 3 * each + each / 2, &c)); /* three of them */
    static const struct {
        uint64_t x;
        bool hit;
    } steps[] = {{1, false}, {2, false}, {3, false}, {1, true}, {2, true}, {4, false},
                 {3, false}, {2, true},  {4, true},  {1, false}};
    uint64_t hits = 0;
    for (size_t i = 0; i < SN_COUNT_OF(steps); i++) {
        sn_test_row("step %zu", i);
        T_OK(squared(c, steps[i].x, w));
        hits += steps[i].hit;
        sn_witness_cache_stats(c, &st);
        T_EQ(st.hits, hits);
        T_EQ(st.misses, i + 1 - hits);
        T_ASSERT(st.bytes <= st.bytes_max);
    }
    T_EQ(st.evicted, 3);
    T_EQ(squared(c, 9, w), SN_E_FAILED_PRECONDITION);
    T_EQ(squared(c, 9, w), SN_E_FAILED_PRECONDITION); /* failures are not kept */
    sn_witness_cache_free(c);

    T_OK(sn_witness_cache_new(l.p, each - 1, &c)); /* none fits */
    T_OK(squared(c, 1, w));
    T_OK(squared(c, 1, w));
    sn_witness_cache_stats(c, &st);
    T_EQ(st.hits, 0);
    T_EQ(st.bytes, 0);
    sn_witness_cache_free(c);
    unload(&l);
}

static int torture_cache(void *arg)
{
    struct sn_witness_cache *c = NULL;
    struct sn_fe w[8];
    int r = sn_witness_cache_new(arg, 1000, &c);
    for (uint64_t x = 0; r == 0 && x < 6; x++) r = squared(c, x % 4, w);
    sn_witness_cache_free(c);
    return r;
}
SN_TEST(witness_cache_without_memory)
{
    struct loaded l;
    load(&l, square);
    /* Lenient: what cannot be kept is computed again. */
    int r = sn_torture_lenient(torture_cache, l.p);
    T_ASSERTF(r > 0, "%s", sn_diag_str(r));
    unload(&l);
}
