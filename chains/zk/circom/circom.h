/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/circom.h - the circom 2.2 language: source text in, constraints and a witness program
 * out.
 *
 * A compilation reads files through the caller's callback, reports what it finds through another,
 * and gives a program that is read-only from then on: threads may share it. Templates are executed
 * once per parameter tuple and linked by offsets, so a circuit of a thousand equal components
 * costs one of them plus its constraints.
 *
 * Labels are numbered as circom numbers signals: 0 the constant one, main's outputs, public
 * inputs, private inputs, the other signals in order of declaration, then its components in the
 * order of their names, each laid out the same way.
 *
 * Nothing here suspends or does I/O. The compiler recurses over the source's structure: give it
 * SN_CIRCOM_STACK_BYTES of stack (a plain thread has that, a default fiber has not).
 * Source: the circom 2 language documentation and the observed behaviour of the compiler. */
#pragma once
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "crypto/field.h"
#include "zk/r1cs.h"
#include "zk/witness/witness.h"

#define SN_CIRCOM_STACK_BYTES (4u << 20)
#define SN_CIRCOM_SOURCE_BYTES_MAX (64u << 20) /* one file */
#define SN_CIRCOM_FILES_MAX 4096u
#define SN_CIRCOM_NESTING_MAX 200u             /* expressions and statements within each other */
#define SN_CIRCOM_CALLS_MAX 200u               /* functions and templates within each other */
#define SN_CIRCOM_ARRAY_MAX (1u << 24)         /* elements of one array */
#define SN_CIRCOM_INSTANCES_MAX (1u << 20)     /* different (template, parameters) */
#define SN_CIRCOM_SIGNALS_MAX (1u << 28)
#define SN_CIRCOM_STEPS_MAX (1ull << 32)       /* statements executed while instantiating */
#define SN_CIRCOM_NODES_MAX (1u << 26)         /* operations of one template instance */
#define SN_CIRCOM_ERRORS_MAX 32u               /* reported; more end the compilation */

enum sn_circom_level { SN_CIRCOM_ERROR, SN_CIRCOM_WARNING };
/* One finding. Texts are borrowed for the length of the report call. */
struct sn_circom_msg {
    enum sn_circom_level level;
    struct sn_str file;
    uint32_t line, column; /* 1-based, columns count bytes; 0 = no place */
    uint32_t width;        /* bytes marked from column on, within the line */
    struct sn_str source;  /* the whole line */
    struct sn_str text;
    struct sn_str hint;  /* empty = none */
    struct sn_str trace; /* "Main -> Bits(254)": templates and functions being executed */
};
/* sn_circom_msg_format - appends the finding as people read it: place, text, source line, caret,
 * hint, trace. */
void sn_circom_msg_format(const struct sn_circom_msg *m, struct sn_buf *out);

struct sn_circom_opts {
    /* Fills `ret` with the file's bytes. Returns 0, SN_E_NOT_FOUND, any other failure. Required. */
    int (*read)(void *ctx, const char *path, struct sn_buf *ret);
    /* Called for each finding; NULL: the first error is in the diagnostic, the rest is dropped. */
    void (*report)(void *ctx, const struct sn_circom_msg *m);
    void *ctx;
    const char *const *include_dirs; /* searched after the including file's folder */
    size_t n_include_dirs;
    const struct sn_field *field; /* NULL: sn_bn254_fr */
    bool no_unconstrained;        /* no warnings about outputs in no constraint */
    bool inspect; /* warnings about every signal in no constraint and <-- that could be <== */
    /* Lower limits than the ones above; 0 = those. */
    uint64_t steps_max;
    uint32_t nodes_max, signals_max, array_max, instances_max;
};
struct sn_circom; /* a compiled circuit; read-only */

/* sn_circom_compile - the program whose main component is in the file at `path`.
 * Returns 0; SN_E_SYNTAX (lexical and grammatical errors), SN_E_INVALID_ARGUMENT (everything else
 * that is wrong with the source), SN_E_NOT_FOUND (a file), SN_E_TOO_LARGE, SN_E_DEPTH (a limit
 * above), SN_E_NOMEM; read's own failures. The diagnostic has the first error as one line.
 * Owns: *ret, sn_circom_free. */
int sn_circom_compile(const struct sn_circom_opts *o, const char *path,
                      struct sn_circom **ret) SN_MUST_CHECK;
void sn_circom_free(struct sn_circom *c);

/* sn_circom_r1cs - the constraint system at level O0, wire = label: sn_r1cs_simplify makes the
 * other levels. Returns 0, SN_E_NOMEM, SN_E_TOO_LARGE. Owns: *ret, sn_r1cs_done. */
int sn_circom_r1cs(const struct sn_circom *c, struct sn_r1cs *ret) SN_MUST_CHECK;
/* sn_circom_sym - names and node numbers of the labels; borrows `c`. */
struct sn_sym_source sn_circom_sym(const struct sn_circom *c);
/* sn_circom_row_place - where constraint `row` (of level O0) stands in the source: appends
 * "FILE:LINE:COLUMN: source text, in main.a.b". */
void sn_circom_row_place(const struct sn_circom *c, uint32_t row, struct sn_buf *out);
/* sn_circom_witness - the program that computes all labels; borrowed from `c`. */
const struct sn_witness_prog *sn_circom_witness(const struct sn_circom *c);
const struct sn_field *sn_circom_field(const struct sn_circom *c);

/* What the compiler prints at the end. Constraints are counted as circom counts them: one that
 * was written as a product is non-linear even where a factor turned out constant. */
struct sn_circom_stats {
    uint32_t template_instances;
    uint32_t nonlinear, linear;
    uint32_t outputs, public_inputs, private_inputs;
    uint64_t labels;
    uint64_t code_ops; /* instructions of the witness program, each instance once */
};
void sn_circom_stats(const struct sn_circom *c, struct sn_circom_stats *ret);
