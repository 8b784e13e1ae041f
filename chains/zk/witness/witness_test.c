/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/witness_test.c - compiled programs as files, and that every way to run one agrees. */
#include "zk/witness/prog.h"

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "tests/harness/test.h"
#include "zk/circom/circom.h"

#define HEAD "pragma circom 2.1.6;\n"

static int read_text(void *ctx, const char *path, struct sn_buf *ret)
{
    return strcmp(path, "main.circom") == 0 ? sn_buf_cstr(ret, ctx) : SN_E_NOT_FOUND;
}
static struct sn_circom *compiled(const char *text)
{
    struct sn_circom_opts o = {.read = read_text, .ctx = (void *)text};
    struct sn_circom *c = NULL;
    int r = sn_circom_compile(&o, "main.circom", &c);
    T_ASSERTF(r == 0, "%s in\n%s", sn_diag_str(r), text);
    return c;
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
static void load(struct loaded *l, const char *text)
{
    *l = (struct loaded){.c = compiled(text)};
    T_OK(sn_circom_r1cs(l->c, &l->o0));
    T_OK(sn_r1cs_simplify(&l->o0, &(struct sn_simplify_opts){.level = 2}, &l->o2, NULL));
    struct sn_zk_sink sink = sn_zk_sink_buf(&l->file);
    T_OK(sn_witness_write(sn_circom_witness(l->c), &l->o2, &sink));
    int r = sn_witness_read(sn_buf_view(&l->file), &l->p);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
}
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
