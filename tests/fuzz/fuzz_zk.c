/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_zk.c - the files of circuits: .r1cs, .wtns, .zkey, .ptau, .sym and the JSON of proofs.
 * What is read must be writable, and read back the same. */
#include <stdlib.h>

#include "core/alloc.h"
#include "zk/file.h"
#include "zk/setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void r1cs(struct sn_str in)
{
    struct sn_r1cs s, again;
    struct sn_buf one, two;
    if (sn_r1cs_read(in, &s) < 0) return;
    sn_buf_init(&one, 0);
    sn_buf_init(&two, 0);
    struct sn_zk_sink to_one = sn_zk_sink_buf(&one), to_two = sn_zk_sink_buf(&two);
    if (sn_r1cs_write(&s, &to_one) == 0) {
        SN_ASSERT(sn_r1cs_read(sn_buf_view(&one), &again) == 0);
        SN_ASSERT(sn_r1cs_write(&again, &to_two) == 0);
        SN_ASSERT(sn_str_eq(sn_buf_view(&one), sn_buf_view(&two)));
        sn_r1cs_done(&again);
    }
    for (unsigned level = 0; level <= 2; level++) {
        struct sn_simplify_opts o = {.level = level};
        if (sn_r1cs_simplify(&s, &o, &again, NULL) < 0) continue;
        SN_ASSERT(again.n_rows <= s.n_rows && again.n_wires <= s.n_wires);
        sn_r1cs_done(&again);
    }
    sn_r1cs_done(&s);
    sn_buf_done(&one);
    sn_buf_done(&two);
}

static void wtns(struct sn_str in)
{
    const struct sn_field *f;
    struct sn_fe *w;
    size_t n;
    if (sn_wtns_read(in, &f, &w, &n) < 0) return;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&b);
    SN_ASSERT(sn_wtns_write(f, w, n, &sink) == 0);
    SN_ASSERT(b.len <= in.len);
    sn_buf_done(&b);
    sn_free(w);
}

static void keys(struct sn_str in)
{
    struct sn_zkey z;
    struct sn_ptau p;
    struct sn_groth_vkey k;
    if (sn_zkey_open(in, &z) == 0) {
        if (sn_zkey_vkey(&z, &k) == 0) sn_groth_vkey_done(&k);
        sn_zkey_done(&z);
    }
    if (sn_ptau_open(in, &p) == 0) {
        static const uint8_t random[32] = {7};
        SN_ASSERT(p.tau1.len > p.alpha1.len);
        /* Contributions are read before any long computation; a good file of small powers passes. */
        if (p.power <= 2) (void)!sn_ptau_verify(&p, random, NULL);
    }
}

static void texts(struct sn_str in)
{
    struct sn_groth_vkey k;
    struct sn_groth_proof p;
    struct sn_fe *pub;
    struct sn_sym sym;
    size_t n;
    if (sn_groth_vkey_read_json(in, &k) == 0) sn_groth_vkey_done(&k);
    if (sn_groth_proof_read_json(in, &p) == 0)
        SN_ASSERT(sn_affine_check(&p.curve->g2, p.b) == 0);
    if (sn_groth_public_read_json(&sn_bn254_fr, in, &pub, &n) == 0) sn_free(pub);
    if (sn_sym_read(in, &sym) == 0) sn_sym_done(&sym);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Exactly sized, so that a read behind the end is seen. */
    char *copy = malloc(size ? size : 1);
    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    struct sn_str in = sn_str_of(copy, size);
    r1cs(in);
    wtns(in);
    keys(in);
    texts(in);
    free(copy);
    return 0;
}
