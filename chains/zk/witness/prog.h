/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/prog.h - the form of a witness program: what compilers write and the engine runs.
 *
 * An operand is two bits of kind and thirty of index: a register of the frame, a constant of the
 * program, or a signal counted from the first one of the running component. A component's signals
 * and those of its sub-components lie in one run of labels, so code is the same wherever an
 * instance stands. */
#pragma once
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
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
    SN_WOP_N,
};
struct sn_wins {
    uint32_t op, d, a, b, c;
};
struct sn_wcode {
    struct sn_wins *ins;
    uint32_t *place; /* of each instruction: what describe() takes */
    uint32_t n;
    uint32_t n_regs;
    uint32_t n_args, ret_at, n_ret; /* functions: arguments are registers 0 .. n_args-1 */
};
struct sn_wsub {
    uint32_t instance, offset; /* signals from the parent's first to its own */
};
struct sn_winstance {
    struct sn_wcode code;
    struct sn_wsub *subs;
    uint32_t n_subs;
};
struct sn_witness_prog {
    const struct sn_field *field;
    struct sn_winstance *instances;
    struct sn_wcode *functions;
    struct sn_zv *consts;
    struct sn_str *strings;
    uint32_t n_instances, n_functions, n_consts, n_strings, main;
    uint32_t n_inputs, first_input; /* signals, label */
    uint64_t n_labels;
    const struct sn_witness_shape *inputs;
    size_t n_shapes;
    /* Appends what stands at a place, and the name of the component whose first signal is `label`. */
    void (*describe)(void *ctx, uint32_t place, uint64_t label, struct sn_buf *out);
    void *ctx;
};
