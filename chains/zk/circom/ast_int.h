/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/ast_int.h - what the parser hands to the executor. Everything lives in one arena.
 *
 * Names are interned: a symbol is a small number, 0 is none. A place (pos) is a byte of the
 * concatenation of all sources, so it names file, line and column in four bytes. */
#pragma once
#include "core/arena.h"
#include "core/map.h"
#include "core/vec.h"
#include "zk/circom/circom.h"
#include "zk/witness/value.h"

enum cx_expr_kind {
    CX_NUM,
    CX_NAME, /* sym, then accesses */
    CX_BINARY,
    CX_UNARY,
    CX_COND,
    CX_CALL,  /* function, template or bus: sym, list */
    CX_ANON,  /* template with signals: sym, list, list2 (names2 where named) */
    CX_ARRAY, /* list */
    CX_TUPLE, /* list */
    CX_UNDERSCORE,
    CX_STRING, /* text; in log() only */
};
struct cx_access {
    uint32_t sym;          /* .sym, or 0: */
    struct cx_expr *index; /* [index] */
    uint32_t pos;
};
struct cx_expr {
    uint8_t kind, op; /* op: enum sn_zop */
    bool parallel, in_loop; /* in_loop: of anonymous components, whose names then count */
    uint32_t pos, end, sym;
    union {
        struct sn_zv num;
        struct {
            struct cx_expr *a, *b, *c;
        };
        struct {
            struct cx_access *acc;
            uint32_t n_acc;
        };
        struct {
            struct cx_expr **list, **list2;
            uint32_t *names2;
            uint32_t n, n2;
        };
        struct sn_str text;
    };
};

enum cx_assign { CX_SET, CX_ARROW /* <-- */, CX_CONSTRAIN /* <== */ };
enum cx_stmt_kind {
    CX_BLOCK,
    CX_IF,
    CX_WHILE,
    CX_RETURN,
    CX_DECL,
    CX_ASSIGN, /* a op= b; zop where compound (a = a zop b) */
    CX_EQUAL,  /* a === b */
    CX_LOG,
    CX_ASSERT,
    CX_EXPR, /* an anonymous component whose outputs nobody wants */
};
enum cx_decl_kind { CX_VAR, CX_SIGNAL, CX_COMPONENT };
enum cx_signal_dir { CX_MIDDLE, CX_INPUT, CX_OUTPUT };
struct cx_decl {
    uint8_t kind, dir;
    uint32_t sym, pos, end;
    struct cx_expr **dims;
    uint32_t n_dims;
    uint32_t *tags;
    uint32_t n_tags;
    struct cx_expr *bus; /* CX_CALL of the bus; NULL for plain signals */
};
struct cx_stmt {
    uint8_t kind, assign;
    int8_t zop; /* -1 = none */
    bool scope; /* of a block: opens one */
    uint32_t pos, end;
    struct cx_expr *a, *b;
    struct cx_stmt *then, *other;
    struct cx_stmt **list;
    struct cx_expr **args;
    uint32_t n;
    struct cx_decl *decl;
    uint32_t *touched; /* variables a loop or branch may assign, for the executor; 0-ended */
};

enum cx_def_kind { CX_TEMPLATE, CX_FUNCTION, CX_BUS };
struct cx_def {
    uint8_t kind;
    bool custom, parallel;
    bool tagged_inputs; /* has an input with tags: instances wait for their values */
    bool prints;        /* a function that logs: not memoised */
    uint32_t sym, pos, end;
    uint32_t *params;
    uint32_t n_params;
    struct cx_stmt *body;
};

struct cx_file {
    struct sn_str path;
    struct sn_str text;
    uint32_t base; /* pos of its first byte */
    uint32_t *lines;
    uint32_t n_lines;
};

struct cx_source {
    struct sn_arena arena;
    const struct sn_circom_opts *opts;
    const struct sn_field *field;
    uint64_t steps_max;
    uint32_t nodes_max, signals_max, array_max, instances_max;
    SN_VEC(struct cx_file) files;
    struct sn_map syms;
    SN_VEC(struct sn_str) names; /* of symbols */
    SN_VEC(struct cx_def *) defs;
    struct sn_map def_of; /* name -> struct cx_def */
    struct cx_expr *main;
    uint32_t *publics;
    uint32_t n_publics;
    uint32_t main_pos;
    bool has_main, custom_pragma;
    uint32_t n_errors;
    int first_error;
    const char *(*trace)(void *ctx);
    void *trace_ctx;
    struct sn_buf msg, hint;
};

/* cx_error - reports; returns SN_E_INVALID_ARGUMENT (or SN_E_SYNTAX from the parser's variant).
 * The hint follows the text after a newline. */
int cx_error(struct cx_source *s, uint32_t pos, uint32_t end, const char *fmt, ...)
    SN_PRINTF(4, 5);
int cx_syntax(struct cx_source *s, uint32_t pos, uint32_t end, const char *fmt, ...)
    SN_PRINTF(4, 5);
int cx_limit(struct cx_source *s, int code, uint32_t pos, const char *fmt, ...) SN_PRINTF(4, 5);
void cx_warn(struct cx_source *s, uint32_t pos, uint32_t end, const char *fmt, ...)
    SN_PRINTF(4, 5);
/* cx_place - file, line and column of a pos; column 0-based. NULL where pos is 0. */
const struct cx_file *cx_place(const struct cx_source *s, uint32_t pos, uint32_t *ret_line,
                               uint32_t *ret_column);
struct sn_str cx_line(const struct cx_file *f, uint32_t line);
/* cx_add_file - takes over a file's text; counts its lines. */
int cx_add_file(struct cx_source *s, struct sn_str path, struct sn_str text);

static inline struct sn_str cx_name(const struct cx_source *s, uint32_t sym)
{
    return s->names.ptr[sym];
}
/* cx_intern - the symbol of a name; 0 without memory. */
uint32_t cx_intern(struct cx_source *s, struct sn_str name);

/* cx_parse_all - the file and all it includes. */
int cx_parse_all(struct cx_source *s, const char *path);
/* cx_check_names - every definition, see names.c. */
int cx_check_names(struct cx_source *s);

/* ---- lexer ----------------------------------------------------------------------------------- */
enum cx_tok {
    CXT_EOF,
    CXT_NAME,
    CXT_UNDERSCORE,
    CXT_NUMBER,
    CXT_STRING,
    CXT_PUNCT,   /* op */
    CXT_KEYWORD, /* op */
};
/* Multi-character operators, longest first in the lexer's table; single characters are their own
 * code. */
enum cx_punct {
    CXP_CONSTRAIN = 256, /* <== */
    CXP_ARROW,           /* <-- */
    CXP_RCONSTRAIN,      /* ==> */
    CXP_RARROW,          /* --> */
    CXP_EQUAL3,          /* === */
    CXP_POW_SET,         /* **= */
    CXP_SHL_SET,
    CXP_SHR_SET,
    CXP_ADD_SET,
    CXP_SUB_SET,
    CXP_MUL_SET,
    CXP_DIV_SET,
    CXP_IDIV_SET,
    CXP_MOD_SET,
    CXP_AND_SET,
    CXP_OR_SET,
    CXP_XOR_SET,
    CXP_INC,
    CXP_DEC,
    CXP_POW,
    CXP_SHL,
    CXP_SHR,
    CXP_LE,
    CXP_GE,
    CXP_EQ,
    CXP_NE,
    CXP_LAND,
    CXP_LOR,
};
enum cx_keyword {
    CXK_ASSERT,
    CXK_BUS,
    CXK_COMPONENT,
    CXK_CUSTOM,
    CXK_ELSE,
    CXK_FOR,
    CXK_FUNCTION,
    CXK_IF,
    CXK_INCLUDE,
    CXK_INPUT,
    CXK_LOG,
    CXK_OUTPUT,
    CXK_PARALLEL,
    CXK_PRAGMA,
    CXK_PUBLIC,
    CXK_RETURN,
    CXK_SIGNAL,
    CXK_TEMPLATE,
    CXK_VAR,
    CXK_WHILE,
    CXK_N,
};
struct cx_lexer {
    struct cx_source *s;
    const char *at, *end, *start;
    uint32_t base;
    /* The token. */
    uint8_t kind;
    uint16_t op;
    uint32_t pos, tok_end, prev_end;
    struct sn_str text;
    uint32_t sym;
};
/* cx_next - reads the next token. Returns 0 or a reported error. */
int cx_next(struct cx_lexer *l) SN_MUST_CHECK;
