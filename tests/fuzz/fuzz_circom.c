/* SPDX-License-Identifier: Apache-2.0 */
/* The circom compiler: any text is refused with a finding or compiles; what compiles gives a
 * system, names and a witness (or a failure), whose rows hold. Before a NUL stands the program,
 * after it the inputs. */
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/circom.h"
#include "zk/file.h"

static struct sn_str text;
static int read_text(void *ctx, const char *path, struct sn_buf *ret)
{
    return strcmp(path, "main.circom") == 0 ? sn_buf_str(ret, text) : SN_E_NOT_FOUND;
}
static void report(void *ctx, const struct sn_circom_msg *m)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_circom_msg_format(m, &b);
    sn_buf_done(&b);
}

/* Levels of simplification keep what a witness satisfies; files come back as they were; custom gates
 * keep their signals. w: the labels, which satisfy the system, or NULL. */
static void use_system(const struct sn_r1cs *sys, const struct sn_fe *w)
{
    struct sn_r1cs small, again;
    struct sn_r1cs_deps deps;
    struct sn_buf file;
    uint32_t row;
    if (sn_r1cs_simplify(sys, &(struct sn_simplify_opts){.level = 2}, &small, NULL) < 0) return;
    struct sn_fe *kept = sn_zalloc(small.n_wires, sizeof(*kept));
    for (uint32_t i = 0; w && kept && i < small.n_wires; i++)
        kept[i] = w[small.label_of ? small.label_of[i] : i];
    if (w && kept && sn_r1cs_check_scalar(&small, kept, &row) < 0) abort();
    sn_buf_init(&file, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&file);
    if (sn_r1cs_write(&small, &sink) == 0) {
        if (sn_r1cs_read(sn_buf_view(&file), &again) < 0) abort();
        if (again.n_rows != small.n_rows || !again.gates != !small.gates) abort();
        if (again.gates && again.gates->n_signals != small.gates->n_signals) abort();
        sn_r1cs_done(&again);
    }
    sn_buf_done(&file);
    if (sn_r1cs_deps(sys, &deps) == 0) {
        if (w && deps.contradicting.n) abort();
        sn_r1cs_deps_done(&deps);
    }
    sn_free(kept);
    sn_r1cs_done(&small);
}

static void use(const struct sn_circom *c, struct sn_str json)
{
    const struct sn_witness_prog *p = sn_circom_witness(c);
    struct sn_sym_source src = sn_circom_sym(c);
    uint32_t first, n = sn_witness_n_inputs(p, &first);
    uint64_t labels = sn_witness_n_labels(p);
    if (labels > 100000) return;
    struct sn_fe *in = sn_zalloc(n + 1u, sizeof(*in)), *w = sn_zalloc(labels, sizeof(*w));
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (uint64_t i = 1; i < labels; i++) src.name(src.ctx, i, &b);
    sn_buf_done(&b);
    struct sn_r1cs sys;
    uint32_t row;
    struct sn_witness_opts o = {.steps_max = 100000};
    if (sn_circom_r1cs(c, &sys) == 0) {
        (void)!sn_witness_inputs_json(p, json, SN_WITNESS_REDUCE, in);
        int r = sn_witness_run(p, in, &o, w);
        /* Only <-- may leave a row open, and then only one that no === checked. */
        if (r == 0) r = sn_r1cs_check_scalar(&sys, w, &row);
        if (r == 0 && !sn_fe_equal(&w[0], &sys.field->one)) abort();
        use_system(&sys, r == 0 ? w : NULL);
        sn_r1cs_done(&sys);
    }
    sn_free(in);
    sn_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096) return 0;
    struct sn_str all = sn_str_of((const char *)data, size), json = SN_STR("{}");
    ssize_t nul = sn_str_chr(all, 0);
    text = nul < 0 ? all : sn_str_sub(all, 0, (size_t)nul);
    if (nul >= 0) json = sn_str_from(all, (size_t)nul + 1);
    struct sn_circom_opts o = {.read = read_text,
                               .report = report,
                               .inspect = true,
                               .steps_max = 20000,
                               .nodes_max = 20000,
                               .signals_max = 20000,
                               .array_max = 20000};
    struct sn_circom *c;
    if (sn_circom_compile(&o, "main.circom", &c) < 0) return 0;
    use(c, json);
    sn_circom_free(c);
    return 0;
}
