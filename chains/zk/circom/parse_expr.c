/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/parse_expr.c - expressions, by precedence climbing. */
#include "core/status.h"
#include "zk/circom/parse_int.h"

int cxp_take(struct cx_parser *p, uint16_t op)
{
    if (!cxp_is(p, op)) return 0;
    int r = cx_next(&p->l);
    return r < 0 ? r : 1;
}
int cxp_take_kw(struct cx_parser *p, uint16_t kw)
{
    if (!cxp_is_kw(p, kw)) return 0;
    int r = cx_next(&p->l);
    return r < 0 ? r : 1;
}
int cxp_want(struct cx_parser *p, uint16_t op, const char *what)
{
    int r = cxp_take(p, op);
    if (r != 0) return r < 0 ? r : 0;
    /* A missing ; or ) belongs to the end of what precedes it, not to the next line. */
    uint32_t at = p->l.prev_end && (op == ';' || op == ')') ? p->l.prev_end : p->l.pos;
    return cx_syntax(p->s, at, at + 1, "expected '%c' %s, found \"%.*s\"", (char)op, what,
                     SN_STR_ARG(p->l.text));
}
int cxp_want_name(struct cx_parser *p, const char *what, uint32_t *ret_sym)
{
    if (p->l.kind == CXT_NAME) {
        *ret_sym = p->l.sym;
        return cx_next(&p->l);
    }
    return cx_syntax(p->s, p->l.pos, p->l.tok_end, "expected %s, found \"%.*s\"%s", what,
                     SN_STR_ARG(p->l.text),
                     p->l.kind == CXT_KEYWORD ? "\nthis word is reserved" : "");
}
int cxp_enter(struct cx_parser *p)
{
    if (++p->depth > SN_CIRCOM_NESTING_MAX)
        return cx_limit(p->s, SN_E_DEPTH, p->l.pos, "more than %u levels within each other",
                        SN_CIRCOM_NESTING_MAX);
    return 0;
}

static struct cx_expr *new_expr(struct cx_parser *p, enum cx_expr_kind kind, uint32_t pos)
{
    struct cx_expr *e = CXP_NEW(p, struct cx_expr);
    if (!e) return NULL;
    e->kind = (uint8_t)kind;
    e->pos = pos;
    e->end = p->l.tok_end;
    return e;
}

struct expr_vec {
    struct cx_expr **ptr;
    size_t len, cap;
};
static int move_list(struct cx_parser *p, struct expr_vec *v, struct cx_expr ***ret,
                     uint32_t *ret_n)
{
    struct cx_expr **list = SN_ARENA_ARRAY(&p->s->arena, struct cx_expr *, v->len);
    if (list && v->len) memcpy(list, v->ptr, v->len * sizeof(*list));
    *ret_n = (uint32_t)v->len;
    *ret = list;
    return list ? 0 : SN_E_NOMEM;
}

int cxp_list(struct cx_parser *p, uint16_t close, struct cx_expr ***ret, uint32_t *ret_n)
{
    struct expr_vec v = {0};
    int r = cxp_take(p, close);
    while (r == 0) {
        struct cx_expr *e;
        if ((r = cxp_expr(p, &e)) < 0 || (r = sn_vec_push(&v, e)) < 0) break;
        if ((r = cxp_take(p, close)) != 0) break;
        if ((r = cxp_take(p, ',')) == 1) {
            r = 0;
            continue;
        }
        if (r == 0)
            r = cx_syntax(p->s, p->l.pos, p->l.tok_end, "expected ',' or '%c', found \"%.*s\"",
                          (char)close, SN_STR_ARG(p->l.text));
    }
    if (r >= 0) r = move_list(p, &v, ret, ret_n);
    sn_vec_done(&v);
    return r;
}

/* The inputs of an anonymous component: all by position or all by name. */
static int anon_inputs(struct cx_parser *p, struct cx_expr *e)
{
    struct expr_vec v = {0};
    SN_VEC(uint32_t) names = {0};
    int r = cxp_take(p, ')');
    while (r == 0) {
        struct cx_expr *x;
        if ((r = cxp_expr(p, &x)) < 0) break;
        int op = cxp_is(p, CXP_CONSTRAIN) ? CX_CONSTRAIN
                 : cxp_is(p, CXP_ARROW)   ? CX_ARROW
                 : cxp_is(p, '=')         ? CX_SET
                                          : -1;
        if ((names.len > 0) != (op >= 0) && v.len > 0) {
            r = cx_syntax(p->s, x->pos, x->end, "inputs by name and by position are mixed");
            break;
        }
        if (op >= 0) {
            if (op != CX_CONSTRAIN) {
                r = cx_syntax(p->s, p->l.pos, p->l.tok_end,
                              "inputs of an anonymous component are given by <==");
                break;
            }
            if (x->kind != CX_NAME || x->n_acc) {
                r = cx_syntax(p->s, x->pos, x->end, "expected the name of an input");
                break;
            }
            if ((r = sn_vec_push(&names, x->sym)) < 0 || (r = cx_next(&p->l)) < 0 ||
                (r = cxp_expr(p, &x)) < 0)
                break;
        }
        if ((r = sn_vec_push(&v, x)) < 0 || (r = cxp_take(p, ')')) != 0) break;
        if ((r = cxp_want(p, ',', "between inputs")) < 0) break;
    }
    if (r >= 0) r = move_list(p, &v, &e->list2, &e->n2);
    if (r >= 0 && names.len) {
        e->names2 = SN_ARENA_ARRAY(&p->s->arena, uint32_t, names.len);
        if (e->names2)
            memcpy(e->names2, names.ptr, names.len * sizeof(uint32_t));
        else
            r = SN_E_NOMEM;
    }
    sn_vec_done(&v);
    sn_vec_done(&names);
    return r < 0 ? r : 0;
}

static int accesses(struct cx_parser *p, struct cx_expr *e)
{
    SN_VEC(struct cx_access) v = {0};
    int r = 0;
    while (r == 0 && (cxp_is(p, '[') || cxp_is(p, '.'))) {
        struct cx_access a = {.pos = p->l.pos};
        bool index = cxp_is(p, '[');
        if ((r = cx_next(&p->l)) < 0) break;
        if (index) {
            if ((r = cxp_expr(p, &a.index)) < 0) break;
            r = cxp_want(p, ']', "after an index");
        } else {
            r = cxp_want_name(p, "a signal, field or tag after '.'", &a.sym);
        }
        if (r == 0) r = sn_vec_push(&v, a);
    }
    if (r == 0 && v.len) {
        e->acc = SN_ARENA_ARRAY(&p->s->arena, struct cx_access, v.len);
        if (e->acc)
            memcpy(e->acc, v.ptr, v.len * sizeof(*e->acc));
        else
            r = SN_E_NOMEM;
        e->n_acc = (uint32_t)v.len;
    }
    sn_vec_done(&v);
    return r;
}

static int name_expr(struct cx_parser *p, struct cx_expr *e)
{
    e->sym = p->l.sym;
    e->kind = CX_NAME;
    int r = cx_next(&p->l);
    if (r < 0) return r;
    if (!cxp_is(p, '(')) return accesses(p, e);
    e->kind = CX_CALL;
    if ((r = cx_next(&p->l)) < 0 || (r = cxp_list(p, ')', &e->list, &e->n)) < 0) return r;
    if ((r = cxp_take(p, '(')) <= 0) return r;
    e->kind = CX_ANON;
    e->in_loop = p->loops > 0;
    return anon_inputs(p, e);
}

static int number_expr(struct cx_parser *p, struct cx_expr *e)
{
    struct sn_str t = p->l.text;
    bool hex = t.len > 2 && t.ptr[1] == 'x';
    struct sn_fe m, exact;
    int r = hex ? sn_fe_from_hex_mod(p->s->field, &m, sn_str_from(t, 2))
                : sn_fe_from_dec_mod(p->s->field, &m, t);
    if (r < 0) return cx_syntax(p->s, p->l.pos, p->l.tok_end, "this number is too long");
    e->num = sn_zv_from_fe(p->s->field, &m);
    if (!hex && sn_fe_from_dec(p->s->field, &exact, t) < 0)
        cx_warn(p->s, p->l.pos, p->l.tok_end,
                "this number is not below the prime: it is taken modulo the prime");
    return cx_next(&p->l);
}

static int paren_expr(struct cx_parser *p, struct cx_expr **ret)
{
    uint32_t pos = p->l.pos;
    int r = cx_next(&p->l);
    if (r < 0) return r;
    struct cx_expr *e = new_expr(p, CX_TUPLE, pos);
    if (!e) return SN_E_NOMEM;
    if ((r = cxp_list(p, ')', &e->list, &e->n)) < 0) return r;
    e->end = p->l.prev_end;
    if (e->n == 0) return cx_syntax(p->s, pos, e->end, "nothing between the parentheses");
    *ret = e->n == 1 ? e->list[0] : e;
    return 0;
}

static int primary(struct cx_parser *p, struct cx_expr **ret)
{
    if (cxp_is(p, '(')) return paren_expr(p, ret);
    struct cx_expr *e = new_expr(p, CX_NUM, p->l.pos);
    if (!e) return SN_E_NOMEM;
    int r;
    if (p->l.kind == CXT_NUMBER) {
        r = number_expr(p, e);
    } else if (p->l.kind == CXT_NAME) {
        r = name_expr(p, e);
    } else if (p->l.kind == CXT_UNDERSCORE) {
        e->kind = CX_UNDERSCORE;
        r = cx_next(&p->l);
    } else if (p->l.kind == CXT_STRING) {
        return cx_syntax(p->s, p->l.pos, p->l.tok_end, "strings stand in log() only");
    } else if (cxp_is(p, '[')) {
        e->kind = CX_ARRAY;
        if ((r = cx_next(&p->l)) == 0) r = cxp_list(p, ']', &e->list, &e->n);
        if (r == 0 && e->n == 0) r = cx_syntax(p->s, e->pos, e->end, "arrays are not empty");
    } else {
        return cx_syntax(p->s, p->l.pos, p->l.tok_end, "expected an expression, found \"%.*s\"",
                         SN_STR_ARG(p->l.text));
    }
    if (r < 0) return r;
    e->end = p->l.prev_end;
    *ret = e;
    return 0;
}

static int unary(struct cx_parser *p, struct cx_expr **ret)
{
    uint32_t pos = p->l.pos;
    int r = cxp_enter(p);
    if (r < 0) return r;
    int op = cxp_is(p, '-')   ? SN_ZOP_NEG
             : cxp_is(p, '!') ? SN_ZOP_LNOT
             : cxp_is(p, '~') ? SN_ZOP_NOT
                              : -1;
    if (op >= 0) {
        struct cx_expr *e = new_expr(p, CX_UNARY, pos);
        if (!e) return SN_E_NOMEM;
        e->op = (uint8_t)op;
        if ((r = cx_next(&p->l)) < 0 || (r = unary(p, &e->a)) < 0) return r;
        e->end = e->a->end;
        *ret = e;
    } else if (cxp_is_kw(p, CXK_PARALLEL)) {
        if ((r = cx_next(&p->l)) < 0 || (r = unary(p, ret)) < 0) return r;
        if ((*ret)->kind != CX_CALL && (*ret)->kind != CX_ANON)
            return cx_syntax(p->s, pos, (*ret)->end, "parallel stands before a template only");
        (*ret)->parallel = true;
    } else if ((r = primary(p, ret)) < 0) {
        return r;
    }
    p->depth--;
    return 0;
}

/* Loosest first; 0 ends the table. */
static const struct {
    uint16_t punct;
    uint8_t op, level;
} operators[] = {
    {CXP_LOR, SN_ZOP_LOR, 1}, {CXP_LAND, SN_ZOP_LAND, 2}, {CXP_EQ, SN_ZOP_EQ, 3},
    {CXP_NE, SN_ZOP_NE, 3},   {'<', SN_ZOP_LT, 3},        {'>', SN_ZOP_GT, 3},
    {CXP_LE, SN_ZOP_LE, 3},   {CXP_GE, SN_ZOP_GE, 3},     {'|', SN_ZOP_OR, 4},
    {'^', SN_ZOP_XOR, 5},     {'&', SN_ZOP_AND, 6},       {CXP_SHL, SN_ZOP_SHL, 7},
    {CXP_SHR, SN_ZOP_SHR, 7}, {'+', SN_ZOP_ADD, 8},       {'-', SN_ZOP_SUB, 8},
    {'*', SN_ZOP_MUL, 9},     {'/', SN_ZOP_DIV, 9},       {'\\', SN_ZOP_IDIV, 9},
    {'%', SN_ZOP_MOD, 9},     {CXP_POW, SN_ZOP_POW, 10},  {0, 0, 0},
};

/* Binary operators of at least `level`, all associating to the left. */
static int binary(struct cx_parser *p, unsigned level, struct cx_expr **ret)
{
    int r = unary(p, ret);
    if (r < 0) return r;
    while (p->l.kind == CXT_PUNCT) {
        unsigned i = 0;
        while (operators[i].punct && operators[i].punct != p->l.op) i++;
        if (!operators[i].punct || operators[i].level < level) break;
        struct cx_expr *e = new_expr(p, CX_BINARY, (*ret)->pos);
        if (!e) return SN_E_NOMEM;
        e->op = operators[i].op;
        e->a = *ret;
        if ((r = cx_next(&p->l)) < 0) return r;
        if ((r = binary(p, operators[i].level + 1u, &e->b)) < 0) return r;
        e->end = p->l.prev_end;
        *ret = e;
    }
    return 0;
}

int cxp_expr(struct cx_parser *p, struct cx_expr **ret)
{
    int r = cxp_enter(p);
    if (r < 0 || (r = binary(p, 1, ret)) < 0) return r;
    if (cxp_is(p, '?')) {
        struct cx_expr *e = new_expr(p, CX_COND, (*ret)->pos);
        if (!e) return SN_E_NOMEM;
        e->c = *ret;
        if ((r = cx_next(&p->l)) < 0 || (r = binary(p, 1, &e->a)) < 0 ||
            (r = cxp_want(p, ':', "between the two values of a condition")) < 0 ||
            (r = binary(p, 1, &e->b)) < 0)
            return r;
        if (cxp_is(p, '?'))
            return cx_syntax(p->s, p->l.pos, p->l.tok_end,
                             "conditions do not nest\nput the inner one into parentheses");
        e->end = p->l.prev_end;
        *ret = e;
    }
    p->depth--;
    return 0;
}
