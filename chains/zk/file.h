/* SPDX-License-Identifier: Apache-2.0 */
/* zk/file.h - the files circuits live in: .r1cs, .sym, .wtns, constraint JSON.
 *
 * Readers take the whole file as a view (a mapped file does) and check everything: magic, version,
 * section bounds, repeated or missing sections, sizes against the header, every coefficient and
 * value below the modulus, every wire in range. Failures: SN_E_SYNTAX where it is not the format,
 * SN_E_DATA_LOSS where it ends early or sizes disagree, SN_E_OUT_OF_RANGE for a number that is not
 * reduced or an index beyond its table, SN_E_UNIMPLEMENTED for a version or prime unknown here,
 * SN_E_TOO_LARGE beyond the limits of r1cs.h, SN_E_NOMEM; the diagnostic says where.
 * Writers write to a sink, front to back, never seeking.
 * Sources: iden3's r1csfile and binfileutils format descriptions; observation of circom 2.2. */
#pragma once
#include "zk/r1cs.h"

/* Where a writer puts its bytes: < 0 stops it and is what it returns. */
struct sn_zk_sink {
    int (*write)(void *ctx, const void *data, size_t n);
    void *ctx;
};
/* sn_zk_sink_buf - appends to a buffer. */
struct sn_zk_sink sn_zk_sink_buf(struct sn_buf *b);

/* Reads back what went into a sink: exactly n bytes from byte `at` on, all of them written. < 0 stops
 * the reader and is what it returns. */
struct sn_zk_reread {
    int (*read)(void *ctx, uint64_t at, void *out, size_t n);
    void *ctx;
};
/* sn_zk_field - "bn128" (also "bn254"), "bls12381", "goldilocks", "grumpkin", "pallas", "vesta",
 * "secq256r1": the primes circom names; NULL for others. Any thread. */
const struct sn_field *sn_zk_field(struct sn_str name);
/* sn_zk_field_of - the field with that modulus (plain little-endian bytes); NULL for others. */
const struct sn_field *sn_zk_field_of(const uint8_t *prime, size_t n);

/* sn_r1cs_read, write - .r1cs version 1, with custom gates (sections 4, 5) where it has them.
 * Owns: *ret, sn_r1cs_done. */
int sn_r1cs_read(struct sn_str file, struct sn_r1cs *ret) SN_MUST_CHECK;
int sn_r1cs_write(const struct sn_r1cs *s, const struct sn_zk_sink *out) SN_MUST_CHECK;
/* sn_r1cs_write_json - {"constraints": [[A,B,C], ...]} with wires as keys and decimal values, as
 * circom --json. */
int sn_r1cs_write_json(const struct sn_r1cs *s, const struct sn_zk_sink *out) SN_MUST_CHECK;

/* What simplification replaced as JSON, {"5" : {"0":"3","2":"2"}, ...}: by signal its value, in the order
 * it happened, as circom --simplification_substitution.
 * sn_subst_init - zero text. sn_subst_add - is sn_simplify_opts.replaced, with the struct as ctx;
 * returns 0, SN_E_NOMEM. sn_subst_write - once, at the end; returns 0, SN_E_NOMEM, the sink's
 * failures. Owns: sn_subst_done. */
struct sn_subst {
    const struct sn_field *field;
    struct sn_buf text;
    uint32_t n;
};
void sn_subst_init(struct sn_subst *s, const struct sn_field *f);
int sn_subst_add(void *ctx, uint32_t wire, const struct sn_lc *value) SN_MUST_CHECK;
int sn_subst_write(struct sn_subst *s, const struct sn_zk_sink *out) SN_MUST_CHECK;
void sn_subst_done(struct sn_subst *s);

/* sn_sym_write - label,wire,node,name per line; wire -1 where simplification dropped the signal. */
int sn_sym_write(const struct sn_r1cs *s, const struct sn_sym_source *src,
                 const struct sn_zk_sink *out) SN_MUST_CHECK;
/* A .sym file that was read; names borrow the text. */
struct sn_sym {
    uint64_t n_labels; /* one more than the highest label */
    struct sn_str *name; /* by label; .ptr NULL where the file has none */
    int64_t *wire;       /* by label; -1 = none */
};
int sn_sym_read(struct sn_str text, struct sn_sym *ret) SN_MUST_CHECK;
void sn_sym_done(struct sn_sym *s);
/* sn_sym_source_of - names for sn_r1cs_row_text from a file. Borrows `s`. */
struct sn_sym_source sn_sym_source_of(const struct sn_sym *s);

/* sn_wtns_read - .wtns version 2: n Montgomery elements. Owns: *ret, sn_free. */
int sn_wtns_read(struct sn_str file, const struct sn_field **ret_field, struct sn_fe **ret,
                 size_t *ret_n) SN_MUST_CHECK;
int sn_wtns_write(const struct sn_field *f, const struct sn_fe *w, size_t n,
                  const struct sn_zk_sink *out) SN_MUST_CHECK;
