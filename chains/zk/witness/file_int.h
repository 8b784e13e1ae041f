/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/file_int.h - the sections of a .snw file and what a reader keeps of them. */
#pragma once
#include "core/arena.h"
#include "zk/bin.h"
#include "zk/witness/prog.h"

#define SNW_VERSION 2u
#define SNW_RECORDS_MAX (1u << 28) /* of one table */
#define SNW_DIMS_MAX 64u
#define SNW_REGS_MAX (1u << 26) /* of one frame */
#define SNW_SUM_AT 24u /* behind the container's header and that of the first section */
#define SNW_DIGEST_AT (SNW_SUM_AT + 8u)
#define SNW_BODY_AT (SNW_DIGEST_AT + 32u)
#define SNW_SUM_FACTOR 0x9e3779b97f4a7c15u

/* Sections; each is a table of records of so many 32-bit words. */
enum {
    SNW_HEAD = 1,   /* sum (2), digest (8), prime (8), SNW_HEAD_WORDS counts */
    SNW_CONSTS,     /* 8: plain integers below the prime */
    SNW_CODES,      /* of the instances, then of the functions */
    SNW_INS,        /* of all codes, one after the other */
    SNW_INS_PLACES, /* 1: of each instruction; UINT32_MAX = none */
    SNW_SUBS,       /* of all instances */
    SNW_SHAPES,     /* the inputs, each instance's signals; fields of buses behind their bus */
    SNW_OWN,        /* 1: where an instance's signals begin among the shapes */
    SNW_WORDS,      /* 1: dimensions and indices */
    SNW_PLACES,     /* file, text, line, column */
    SNW_STRINGS,    /* 1: where each ends in the text; those of log() first */
    SNW_WIRES,      /* 1: label of each wire */
    SNW_INVERSES,   /* SN_WINVERSE_WORDS: constant divisors and inverses, times 2^256 mod p */
    SNW_N,
    SNW_TEXT = SNW_N, /* bytes */
};
enum {
    SNW_HEAD_WORDS = 8,  /* instances, functions, strings, main, inputs, first, shapes, wires */
    SNW_CODE_WORDS = 8,  /* instructions, registers, args, ret_at, n_ret, subs, signals, size */
    SNW_INS_WORDS = 5,   /* op, d, a, b, c: struct sn_wins */
    SNW_SUB_WORDS = 6,   /* instance, offset, name, index_at, n_index, order */
    SNW_SHAPE_WORDS = 8, /* name, dims_at, n_dims, label, n_signals, n_fields, fields_at, public */
    SNW_PLACE_WORDS = 4,
};

struct snw_file {
    struct sn_witness_prog prog;
    struct sn_bin bin;
    struct sn_str file;
    struct sn_arena arena;
    struct sn_str *strings;
    struct sn_witness_shape *shapes;
    const uint32_t *words, *places;
    uint32_t n_strings, n_shapes, n_words, n_places;
};

/* snw_sum - of everything behind the sum: four streams of words, mixed by multiplication. */
uint64_t snw_sum(struct sn_str file);
/* snw_table - a section as records of so many words; snw_table_of - exactly n of them.
 * Return 0, SN_E_SYNTAX, SN_E_DATA_LOSS, SN_E_INVALID_ARGUMENT (the view is not aligned). */
int snw_table(const struct snw_file *f, unsigned id, uint32_t words, const uint32_t **ret,
              uint32_t *ret_n) SN_MUST_CHECK;
int snw_table_of(const struct snw_file *f, unsigned id, uint32_t words, uint32_t n,
                 const uint32_t **ret) SN_MUST_CHECK;
/* snw_place - where instructions of programs from files come from: how they are told apart. */
bool snw_place(void *ctx, uint32_t place, struct sn_wplace *ret);
/* snw_read_code - instances and functions (file_code.c). Returns 0, SN_E_OUT_OF_RANGE,
 * SN_E_DATA_LOSS, SN_E_SYNTAX, SN_E_NOMEM. */
int snw_read_code(struct snw_file *f) SN_MUST_CHECK;
