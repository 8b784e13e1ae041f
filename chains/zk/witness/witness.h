/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/witness.h - runs the witness program of a circuit: inputs in, every signal out.
 *
 * A program is register code, one piece per template instance; its numbers are small integers for
 * as long as they fit and Montgomery elements from then on, so that circuits made of bits rarely
 * touch the field. A program is read-only: threads may run it at the same time, each with its own
 * memory.
 *
 * Nothing here suspends or does I/O. Witnesses are secrets: the memory they were computed in is
 * wiped before it is freed, the caller wipes what it was given. */
#pragma once
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "crypto/field.h"
#include "zk/file.h"

#define SN_WITNESS_STEPS_MAX (1ull << 36) /* instructions of one run */
#define SN_WITNESS_CALLS_MAX 256u         /* functions within each other */
#define SN_WITNESS_JSON_BYTES_MAX (256u << 20)
#define SN_WITNESS_PAR_MIN 4096u /* instructions of a component that is worth a thread */

struct sn_witness_prog;

/* An input signal or a field of an input bus: arrays of dims[0] x .. x dims[n_dims-1] elements,
 * each one signal, or one after the other of `fields`. */
struct sn_witness_shape {
    struct sn_str name;
    const uint32_t *dims;
    uint32_t n_dims;
    uint32_t n_fields; /* 0 for signals */
    const struct sn_witness_shape *fields;
    uint32_t label;     /* of the first signal; fields count from the start of their element */
    uint32_t n_signals; /* in all */
    bool is_public;     /* of main's inputs */
};
/* sn_witness_inputs - main's inputs in order of declaration; *ret_n how many. Borrowed. */
const struct sn_witness_shape *sn_witness_inputs(const struct sn_witness_prog *p, size_t *ret_n);
const struct sn_field *sn_witness_field(const struct sn_witness_prog *p);
/* sn_witness_n_labels - how many elements sn_witness_run writes; sn_witness_n_inputs - how many
 * input signals there are: labels first_input .. first_input+n-1. */
uint64_t sn_witness_n_labels(const struct sn_witness_prog *p);
uint32_t sn_witness_n_inputs(const struct sn_witness_prog *p, uint32_t *ret_first);

/* sn_witness_write - the program as a file (.snw): loaded in a fraction of a millisecond where
 * compiling takes a second. s: the simplified system whose wires a .wtns file holds, NULL for every
 * label; only its label_of is used. Returns 0, SN_E_INVALID_ARGUMENT (a system of another circuit),
 * SN_E_NOMEM, the sink's failures. */
int sn_witness_write(const struct sn_witness_prog *p, const struct sn_r1cs *s,
                     const struct sn_zk_sink *out) SN_MUST_CHECK;
/* sn_witness_read - a program from a file's bytes, which are borrowed as long as it lives (map the
 * file) and lie at a multiple of four. Everything is checked: a sum over the bytes, bounds, each
 * instruction. Returns 0, SN_E_SYNTAX, SN_E_DATA_LOSS, SN_E_OUT_OF_RANGE, SN_E_UNIMPLEMENTED
 * (version, prime), SN_E_INVALID_ARGUMENT (alignment), SN_E_NOMEM. Owns: *ret, sn_witness_free. */
int sn_witness_read(struct sn_str file, struct sn_witness_prog **ret) SN_MUST_CHECK;
/* sn_witness_verify - compares the SHA-256 a file carries of itself. Returns 0, SN_E_DATA_LOSS,
 * SN_E_INVALID_ARGUMENT for a program that was not read, as sn_hash_once. */
int sn_witness_verify(const struct sn_witness_prog *p) SN_MUST_CHECK;
/* sn_witness_free - a program that was read; the compiler's belong to the compiler. */
void sn_witness_free(struct sn_witness_prog *p);
/* sn_witness_n_wires - how many elements a .wtns file of this program has. */
uint64_t sn_witness_n_wires(const struct sn_witness_prog *p);

/* What to make of numbers outside of 0 .. p-1 in inputs. */
enum sn_witness_range {
    SN_WITNESS_REDUCE = 0, /* modulo p, negative ones too: what snarkjs does */
    SN_WITNESS_STRICT,     /* refuse */
};
/* sn_witness_inputs_json - input values from JSON as snarkjs takes it: an object with a member for
 * each input of main, numbers as JSON integers or as strings of decimal or 0x digits, arrays
 * nested or flat, buses as objects. ret has room for sn_witness_n_inputs elements.
 * Returns 0; SN_E_SYNTAX (not JSON, not a number), SN_E_NOT_FOUND (an input is missing),
 * SN_E_INVALID_ARGUMENT (an input main has not, wrong shape), SN_E_OUT_OF_RANGE (strict),
 * SN_E_TOO_LARGE, SN_E_NOMEM; diagnostics name the input and the place in it. */
int sn_witness_inputs_json(const struct sn_witness_prog *p, struct sn_str json,
                           enum sn_witness_range range, struct sn_fe *ret) SN_MUST_CHECK;

struct sn_witness_opts {
    /* One line of log(), without the line end. NULL: dropped. */
    void (*log)(void *ctx, struct sn_str line);
    void *ctx;
    uint64_t steps_max; /* 0 = SN_WITNESS_STEPS_MAX */
    /* sn_witness_run_many: where groups run. The others: where components that do not depend on each
     * other run, where they have par_min instructions or more; results and failures are the same as
     * without. NULL: on the caller. */
    const struct sn_par *par;
    uint32_t par_min; /* 0 = SN_WITNESS_PAR_MIN */
};
/* sn_witness_run - all signals: ret has room for sn_witness_n_labels elements, Montgomery form,
 * ret[0] = 1. o: NULL for defaults.
 * Returns 0; SN_E_FAILED_PRECONDITION where an assert or a constraint fails, SN_E_OUT_OF_RANGE for
 * an index outside of its array, SN_E_INVALID_ARGUMENT for an integer division by zero: the
 * diagnostic has the source line and the component; SN_E_RESOURCE_EXHAUSTED beyond steps_max,
 * SN_E_DEPTH beyond SN_WITNESS_CALLS_MAX, SN_E_NOMEM. ret is undefined on failure. */
int sn_witness_run(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                   const struct sn_witness_opts *o, struct sn_fe *ret) SN_MUST_CHECK;
/* sn_witness_run_wires - the same, but ret has the sn_witness_n_wires elements a prover takes. */
int sn_witness_run_wires(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                         const struct sn_witness_opts *o, struct sn_fe *ret) SN_MUST_CHECK;
/* sn_witness_run_wtns - the same as a .wtns file. Nothing is written where the run fails. Returns
 * also the sink's failures. */
int sn_witness_run_wtns(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                        const struct sn_witness_opts *o, const struct sn_zk_sink *out)
    SN_MUST_CHECK;

/* One of many witnesses. */
struct sn_witness_job {
    const struct sn_fe *inputs;
    struct sn_fe *ret; /* sn_witness_n_wires elements, undefined where it failed */
    int status;        /* as sn_witness_run */
};
/* sn_witness_run_many - the wires of n witnesses, eight at a time where the processor has AVX-512
 * IFMA: several times faster than one after the other; groups of eight run on o->par.
 * Returns 0, or the status of the first job that failed, with its diagnostic; the others are done
 * all the same. SN_E_NOMEM where not even one could run. */
int sn_witness_run_many(const struct sn_witness_prog *p, struct sn_witness_job *jobs, size_t n,
                        const struct sn_witness_opts *o) SN_MUST_CHECK;

/* ---- cache ----------------------------------------------------------------------------------- */

/* Witnesses by SHA-256 of the circuit's digest and the inputs, the least recently used going first.
 * Witnesses are wiped when they go. Failures are not kept, and a hit does not log. One user at a
 * time: the caller locks. */
struct sn_witness_cache;
struct sn_witness_cache_stats {
    uint64_t hits, misses, evicted;
    size_t bytes, bytes_max; /* of witnesses held, with their keys */
};
/* sn_witness_cache_new - for one program, which is borrowed and must have been read from a file: its
 * digest is compared first. bytes_max: a witness that is larger is not kept.
 * Returns 0, SN_E_INVALID_ARGUMENT, SN_E_DATA_LOSS (see sn_witness_verify), SN_E_NOMEM.
 * Owns: sn_witness_cache_free. */
int sn_witness_cache_new(const struct sn_witness_prog *p, size_t bytes_max,
                         struct sn_witness_cache **ret) SN_MUST_CHECK;
void sn_witness_cache_free(struct sn_witness_cache *c);
/* sn_witness_cache_run - as sn_witness_run_wires. Returns the same, and as sn_hash_once. */
int sn_witness_cache_run(struct sn_witness_cache *c, const struct sn_fe *inputs,
                         const struct sn_witness_opts *o, struct sn_fe *ret) SN_MUST_CHECK;
void sn_witness_cache_stats(const struct sn_witness_cache *c, struct sn_witness_cache_stats *ret);
