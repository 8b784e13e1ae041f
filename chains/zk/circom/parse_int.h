/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/parse_int.h - shared by the two halves of the parser. */
#pragma once
#include "zk/circom/ast_int.h"

struct cx_parser {
    struct cx_lexer l;
    struct cx_source *s;
    unsigned depth, loops;
    struct cx_def *def; /* being parsed; NULL at top level */
};
#define CXP_NEW(p, type) SN_ARENA_NEW(&(p)->s->arena, type)

static inline bool cxp_is(const struct cx_parser *p, uint16_t op)
{
    return p->l.kind == CXT_PUNCT && p->l.op == op;
}
static inline bool cxp_is_kw(const struct cx_parser *p, uint16_t kw)
{
    return p->l.kind == CXT_KEYWORD && p->l.op == kw;
}
/* cxp_take - steps over the operator if it is next: 1, 0, or an error. */
int cxp_take(struct cx_parser *p, uint16_t op) SN_MUST_CHECK;
int cxp_take_kw(struct cx_parser *p, uint16_t kw) SN_MUST_CHECK;
/* cxp_want - the operator must be next; `what` says where we are. */
int cxp_want(struct cx_parser *p, uint16_t op, const char *what) SN_MUST_CHECK;
int cxp_want_name(struct cx_parser *p, const char *what, uint32_t *ret_sym) SN_MUST_CHECK;
int cxp_enter(struct cx_parser *p) SN_MUST_CHECK;
/* cxp_expr - an expression; cxp_list - expressions up to `close`, which is taken. */
int cxp_expr(struct cx_parser *p, struct cx_expr **ret) SN_MUST_CHECK;
int cxp_list(struct cx_parser *p, uint16_t close, struct cx_expr ***ret, uint32_t *ret_n)
    SN_MUST_CHECK;
int cxp_block(struct cx_parser *p, struct cx_stmt **ret) SN_MUST_CHECK;
