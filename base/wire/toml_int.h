/* SPDX-License-Identifier: Apache-2.0 */
/* wire/toml_int.h - the reader's state: toml.c has keys and tables, toml_value.c values. */
#pragma once
#include "wire/toml.h"

struct sn_toml_reader {
    struct sn_arena *a;
    const char *p, *end;
    const char *line_start;
    uint32_t line;
    uint32_t n_values, section, depth;
};
/* sn_toml_here_ - the place of `at`, which is in the current line. */
struct sn_toml_pos sn_toml_here_(const struct sn_toml_reader *r, const char *at);
int sn_toml_fail_(const struct sn_toml_reader *r, const char *at, int code, const char *fmt, ...)
    SN_PRINTF(4, 5);
#define sn_toml_fail_(r, at, code, ...)          \
    __extension__({                              \
        const int sn_toml_code_ = (code);        \
        (void)(sn_toml_fail_)(r, at, sn_toml_code_, __VA_ARGS__); \
        sn_toml_code_;                           \
    })
void sn_toml_blank_(struct sn_toml_reader *r); /* spaces and tabs */
/* sn_toml_eol_ - a comment and the line's end, or the file's. */
int sn_toml_eol_(struct sn_toml_reader *r);
/* sn_toml_gap_ - white space, comments and line ends, as they may be in arrays. */
int sn_toml_gap_(struct sn_toml_reader *r);
int sn_toml_value_(struct sn_toml_reader *r, struct sn_toml *ret);
int sn_toml_string_(struct sn_toml_reader *r, bool multiline, struct sn_str *ret);
int sn_toml_scalar_(struct sn_toml_reader *r, struct sn_toml *ret);
/* sn_toml_pair_ - "key = value" into t. */
int sn_toml_pair_(struct sn_toml_reader *r, struct sn_toml_table *t);
