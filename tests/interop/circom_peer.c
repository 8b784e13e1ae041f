/* SPDX-License-Identifier: Apache-2.0 */
/* interop/circom_peer.c - one circuit through the library, for circom.sh: prints the counts of the
 * three levels, writes BASE.sym and, given inputs, BASE.labels (every signal in decimal).
 * usage: circom_peer FILE BASE [-l DIR]... [-i INPUTS.json] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/circom.h"

static int read_file(void *ctx, const char *path, struct sn_buf *ret)
{
    FILE *f = fopen(path, "rb");
    if (!f) return SN_E_NOT_FOUND;
    char block[65536];
    for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;) (void)sn_buf_put(ret, block, n);
    fclose(f);
    return ret->err;
}
static void report(void *ctx, const struct sn_circom_msg *m)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_circom_msg_format(m, &b);
    fwrite(b.ptr, 1, b.len, stderr);
    sn_buf_done(&b);
}
static void print_log(void *ctx, struct sn_str line) { printf("log %.*s\n", SN_STR_ARG(line)); }

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int counts(const struct sn_circom *c, bool simplify)
{
    struct sn_circom_stats st;
    struct sn_r1cs o0, s;
    sn_circom_stats(c, &st);
    printf("O0 %u %u %llu\n", st.nonlinear, st.linear, (unsigned long long)st.labels);
    int r = sn_circom_r1cs(c, &o0);
    if (r < 0) return r;
    for (unsigned level = 1; simplify && r == 0 && level <= 2; level++) {
        struct sn_simplify_opts o = {.level = level};
        struct sn_r1cs_stats rs;
        if ((r = sn_r1cs_simplify(&o0, &o, &s, NULL)) < 0) break;
        sn_r1cs_stats(&s, &rs);
        printf("O%u %u %u %u\n", level, rs.nonlinear, rs.linear, rs.wires);
        sn_r1cs_done(&s);
    }
    sn_r1cs_done(&o0);
    return r;
}

static int write_sym(const struct sn_circom *c, const char *base)
{
    char path[4096];
    struct sn_circom_stats st;
    struct sn_sym_source src = sn_circom_sym(c);
    struct sn_buf b;
    snprintf(path, sizeof(path), "%s.sym", base);
    FILE *f = fopen(path, "w");
    if (!f) return SN_E_IO;
    sn_circom_stats(c, &st);
    sn_buf_init(&b, 0);
    for (uint64_t i = 1; i < st.labels; i++) {
        sn_buf_reset(&b);
        src.name(src.ctx, i, &b);
        fprintf(f, "%llu,%llu,%.*s\n", (unsigned long long)i, (unsigned long long)i, (int)b.len,
                (const char *)b.ptr);
    }
    sn_buf_done(&b);
    fclose(f);
    return 0;
}

static int write_labels(const struct sn_circom *c, const char *inputs, const char *base)
{
    const struct sn_witness_prog *p = sn_circom_witness(c);
    struct sn_buf json;
    struct sn_r1cs sys;
    uint32_t first, row, n = sn_witness_n_inputs(p, &first);
    struct sn_fe *in = sn_alloc(n * sizeof(*in) + 1);
    struct sn_fe *out = sn_alloc(sn_witness_n_labels(p) * sizeof(*out));
    struct sn_witness_opts o = {.log = print_log};
    sn_buf_init(&json, 0);
    int r = in && out ? read_file(NULL, inputs, &json) : SN_E_NOMEM;
    if (r == 0) r = sn_witness_inputs_json(p, sn_buf_view(&json), SN_WITNESS_REDUCE, in);
    double at = now_ms();
    if (r == 0) r = sn_witness_run(p, in, &o, out);
    fprintf(stderr, "witness %.2f ms\n", now_ms() - at);
    if (r == 0 && (r = sn_circom_r1cs(c, &sys)) == 0) {
        r = sn_r1cs_check(&sys, out, NULL, &row);
        if (r < 0) {
            struct sn_buf b;
            sn_buf_init(&b, 0);
            sn_circom_row_place(c, row, &b);
            printf("constraint %u fails: %.*s\n", row, (int)b.len, (const char *)b.ptr);
            sn_buf_done(&b);
        }
        sn_r1cs_done(&sys);
    }
    char path[4096], text[SN_FE_DEC_MAX];
    snprintf(path, sizeof(path), "%s.labels", base);
    FILE *f = r == 0 ? fopen(path, "w") : NULL;
    for (uint64_t i = 0; f && i < sn_witness_n_labels(p); i++) {
        sn_fe_to_dec(sn_witness_field(p), &out[i], text);
        fprintf(f, "%s\n", text);
    }
    if (f) fclose(f);
    sn_free(in);
    sn_free(out);
    sn_buf_done(&json);
    return r;
}

static int g_argc, g_rc;
static char **g_argv;

static void *work(void *unused)
{
    const char *dirs[16], *inputs = NULL;
    bool fast = getenv("CIRCOM_PEER_FAST") != NULL;
    struct sn_circom_opts o = {.read = read_file, .report = report, .include_dirs = dirs};
    for (int i = 3; i + 1 < g_argc; i += 2) {
        if (strcmp(g_argv[i], "-l") == 0 && o.n_include_dirs < 16)
            dirs[o.n_include_dirs++] = g_argv[i + 1];
        else
            inputs = g_argv[i + 1];
    }
    struct sn_circom *c;
    double at = now_ms();
    int r = sn_circom_compile(&o, g_argv[1], &c);
    fprintf(stderr, "compile %.2f ms\n", now_ms() - at);
    if (r == 0) {
        r = counts(c, !fast);
        if (r == 0 && !fast) r = write_sym(c, g_argv[2]);
        if (r == 0 && inputs) r = write_labels(c, inputs, g_argv[2]);
        sn_circom_free(c);
    }
    if (r < 0) printf("failed: %s\n", sn_diag_str(r));
    g_rc = r < 0;
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    g_argc = argc;
    g_argv = argv;
    pthread_t t;
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, SN_CIRCOM_STACK_BYTES);
    if (pthread_create(&t, &a, work, NULL) != 0) return 2;
    pthread_join(t, NULL);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    fprintf(stderr, "max rss %ld KiB\n", u.ru_maxrss);
    return g_rc;
}
