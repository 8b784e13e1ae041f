/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/prog.h - the form of a witness program: what compilers write and the engine runs.
 *
 * An operand is two bits of kind and thirty of index: a register of the frame, a constant of the
 * program, or a signal counted from the first one of the running component. A component's signals
 * and those of its sub-components lie in one run of labels, so code is the same wherever an
 * instance stands. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "core/vec.h"
#include "zk/witness/value.h"
#include "zk/witness/witness.h"

#define SN_WARG_REG 0u
#define SN_WARG_CONST 1u
#define SN_WARG_SIGNAL 2u
#define SN_WARG(kind, i) ((uint32_t)(kind) << 30 | (uint32_t)(i))
#define SN_WARG_INDEX(x) ((x) & 0x3fffffffu)

/* Operators of sn_zop compute d = a op b; then come: */
enum sn_wop {
    SN_WOP_MOV = SN_ZOP_N, /* d = a */
    SN_WOP_SELECT,         /* d = a != 0 ? b : c */
    SN_WOP_BOUND,          /* d = a, which must be an index below c */
    SN_WOP_LOAD,           /* d = element b (a BOUND result) of the array at a; c elements */
    SN_WOP_STORE,          /* element a of the array at d = b; c elements */
    SN_WOP_JZ,             /* to instruction c where a is 0 */
    SN_WOP_JMP,            /* to c */
    SN_WOP_CHECK,          /* a == b, or the run fails */
    SN_WOP_ASSERT,         /* a != 0, or the run fails */
    SN_WOP_RUN,            /* sub-component c */
    SN_WOP_CALL,           /* function c: arguments from register a on, results to d on */
    SN_WOP_RET,
    SN_WOP_LOG_NUM, /* a */
    SN_WOP_LOG_STR, /* string c */
    SN_WOP_LOG_END,
    SN_WOP_COPY, /* c signals from a on to d on, in steps of SN_WSTEP_D(b) and SN_WSTEP_A(b) */
    SN_WOP_BIT,  /* d = a >> c & 1 */
    SN_WOP_N,
};
struct sn_wins {
    uint32_t op, d, a, b, c;
};
/* The steps of a COPY, -32768 .. 32767 each. */
#define SN_WSTEPS(d, a) ((uint32_t)(uint16_t)(d) | (uint32_t)(uint16_t)(a) << 16)
#define SN_WSTEP_D(b) ((int32_t)(int16_t)(b))
#define SN_WSTEP_A(b) ((int32_t)(int16_t)((b) >> 16))
struct sn_wcode {
    const struct sn_wins *ins;
    const uint32_t *place; /* of each instruction: what place() takes */
    uint32_t n;
    uint32_t n_regs;
    uint32_t n_args, ret_at, n_ret; /* functions: arguments are registers 0 .. n_args-1 */
};
struct sn_wsub {
    uint32_t instance, offset; /* signals from the parent's first to its own */
    struct sn_str name;
    const uint32_t *index; /* "name[index[0]][index[1]]" */
    uint32_t n_index;
};
/* Sub-components come before the instances they stand in. */
struct sn_winstance {
    struct sn_wcode code;
    const struct sn_wsub *subs;
    const uint32_t *order; /* subs by offset */
    uint32_t n_subs;
    uint32_t size; /* signals, with those of sub-components */
    const struct sn_witness_shape *signals; /* its own; labels count from its first signal */
    uint32_t n_signals;
};
/* Where an instruction came from; line and column are 1-based. */
struct sn_wplace {
    struct sn_str file, text; /* the source line */
    uint32_t line, column;
};
struct sn_witness_prog {
    const struct sn_field *field;
    const struct sn_winstance *instances;
    const struct sn_wcode *functions;
    const struct sn_zv *consts;
    const struct sn_str *strings;
    uint32_t n_instances, n_functions, n_consts, n_strings, main;
    uint32_t n_inputs, first_input; /* signals, label */
    uint64_t n_labels;
    const struct sn_witness_shape *inputs;
    size_t n_shapes;
    const uint32_t *wires; /* labels of the wires of the simplified system; NULL = all labels */
    uint32_t n_wires;      /* where wires is not NULL */
    /* Where a place is in the source; false where it is nowhere. */
    bool (*place)(void *ctx, uint32_t place, struct sn_wplace *ret);
    void *ctx;
    const uint32_t *inverses;   /* pairs of Montgomery elements: a divisor, its inverse */
    const uint32_t *inverse_at; /* hashed by the divisor: pair + 1; NULL where there are none */
    uint32_t inverse_mask;
    uint8_t digest[32]; /* of programs read from a file; zero otherwise */
};

#define SN_WINVERSE_WORDS 16u
#define SN_WINVERSES_MAX (1u << 16)
/* sn_winverse - *ret = 1/a where the program knows it, or false. */
bool sn_winverse(const struct sn_witness_prog *p, const struct sn_fe *a, struct sn_fe *ret);
/* sn_winverses_set - gives a program n pairs, which are checked and borrowed. Returns 0,
 * SN_E_OUT_OF_RANGE, SN_E_DATA_LOSS, SN_E_TOO_LARGE, SN_E_NOMEM. */
int sn_winverses_set(struct sn_witness_prog *p, struct sn_arena *arena, const uint32_t *pairs,
                     uint32_t n) SN_MUST_CHECK;
/* sn_winverses_learn - the pairs worth knowing: *ret_n of them, each two elements (inverses.c).
 * Returns 0, SN_E_NOMEM. Owns: *ret, sn_free. */
int sn_winverses_learn(const struct sn_witness_prog *p, struct sn_fe **ret,
                       uint32_t *ret_n) SN_MUST_CHECK;
struct sn_wdivisors {
    SN_VEC(struct sn_fe) v;
};
/* sn_wdivisors_run - one run that goes on where constraints and asserts fail, for what it divides
 * by. Returns 0 however it ends but for SN_E_NOMEM. Owns: ret->v, sn_vec_done, also on failure. */
int sn_wdivisors_run(const struct sn_witness_prog *p, const struct sn_fe *inputs,
                     uint64_t steps_max, struct sn_wdivisors *ret) SN_MUST_CHECK;

/* sn_wshape_name - appends ".out[1].x": the signal at `at` from the shape's first. */
void sn_wshape_name(const struct sn_witness_shape *s, uint32_t at, struct sn_buf *out);
/* sn_wlabel_name - appends "main.c[3].out[1]". */
void sn_wlabel_name(const struct sn_witness_prog *p, uint64_t label, struct sn_buf *out);
/* sn_wlabel_instance - which instance a label's signal belongs to; main's for 0. */
uint32_t sn_wlabel_instance(const struct sn_witness_prog *p, uint64_t label);
/* sn_wplace_text - appends "FILE:LINE:COLUMN: source text, in main.a.b": a place in the component
 * whose first signal is `label`. */
void sn_wplace_text(const struct sn_witness_prog *p, uint32_t place, uint64_t label,
                    struct sn_buf *out);
