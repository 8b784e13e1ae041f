/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled witness programs: any file is refused or runs without reaching outside of its memory.
 * The sum is made right first, so that mutations get past it. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "zk/witness/file_int.h"

static void use(const struct sn_witness_prog *p)
{
    uint64_t labels = sn_witness_n_labels(p), wires = sn_witness_n_wires(p);
    if (labels > 20000 || p->n_inputs > labels) return;
    for (uint32_t i = 0; i < p->n_instances; i++)
        if (p->instances[i].code.n_regs > 4096) return;
    for (uint32_t i = 0; i < p->n_functions; i++)
        if (p->functions[i].n_regs > 4096) return;
    struct sn_fe *in = sn_zalloc(p->n_inputs + 1u, sizeof(*in)), *w = sn_zalloc(labels, sizeof(*w));
    struct sn_fe *out = sn_zalloc(wires, sizeof(*out));
    struct sn_witness_opts o = {.steps_max = 100000};
    struct sn_buf b;
    sn_buf_init(&b, 1u << 20);
    for (uint64_t i = 0; i < labels; i++) {
        sn_buf_reset(&b);
        sn_wlabel_name(p, i, &b);
    }
    sn_buf_done(&b);
    for (uint32_t i = 0; i < p->n_inputs; i++) sn_fe_set_u64(p->field, &in[i], i * i % 7);
    (void)!sn_witness_inputs_json(p, SN_STR("{\"x\": [[1, 2], 3], \"y\": {\"z\": [4]}}"),
                                  SN_WITNESS_REDUCE, in);
    int r = sn_witness_run(p, in, &o, w);
    if (r == 0 && sn_witness_run_wires(p, in, &o, out) < 0) abort();
    for (uint64_t i = 0; r == 0 && i < wires; i++)
        if (!sn_fe_equal(&out[i], &w[p->wires ? p->wires[i] : i])) abort();
    sn_free(in);
    sn_free(w);
    sn_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_witness_prog *p;
    if (size < 64 || size > 65536) return 0;
    uint8_t *copy = sn_alloc(size);
    memcpy(copy, data, size);
    sn_put_le64(copy + 24, snw_sum(sn_str_of((const char *)copy, size)));
    if (sn_witness_read(sn_str_of((const char *)copy, size), &p) == 0) {
        use(p);
        sn_witness_free(p);
    }
    sn_free(copy);
    return 0;
}
