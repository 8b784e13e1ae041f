/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/names.c - what can be said of definitions before any is executed, used or not: names
 * are declared once per scope and before they are used, calls name something, functions return, and
 * signals and components are not declared in loops. All findings are reported, up to
 * SN_CIRCOM_ERRORS_MAX. */
#include "core/status.h"
#include "zk/circom/exec_int.h"

struct names {
    struct cx_source *s;
    const struct cx_def *def;
    SN_VEC(uint32_t) syms; /* in scope, innermost last */
    size_t scope;          /* where the innermost begins */
    unsigned loops;
    int r; /* the first failure; only SN_E_INVALID_ARGUMENT goes on */
};

static void finding(struct names *n, int r)
{
    if (r < 0 && (n->r == 0 || r != SN_E_INVALID_ARGUMENT)) n->r = r;
}
static bool stop(const struct names *n)
{
    return (n->r < 0 && n->r != SN_E_INVALID_ARGUMENT) || n->s->n_errors >= SN_CIRCOM_ERRORS_MAX;
}

static bool visible(const struct names *n, uint32_t sym, size_t from)
{
    for (size_t i = n->syms.len; i > from; i--)
        if (n->syms.ptr[i - 1] == sym) return true;
    return false;
}
static void declare(struct names *n, uint32_t sym, uint32_t pos)
{
    struct sn_str name = cx_name(n->s, sym);
    if (visible(n, sym, n->scope))
        finding(n, cx_error(n->s, pos, pos + (uint32_t)name.len,
                            "\"%.*s\" is declared a second time here", SN_STR_ARG(name)));
    finding(n, sn_vec_push(&n->syms, sym));
}

static void call(struct names *n, const struct cx_expr *e, bool bus)
{
    struct sn_str name = cx_name(n->s, e->sym);
    const struct cx_def *d = sn_map_get(&n->s->def_of, name);
    if (!d || (d->kind == CX_BUS) != bus)
        finding(n, cx_error(n->s, e->pos, e->pos + (uint32_t)name.len,
                            "there is no %s \"%.*s\"\nis an include missing?",
                            bus                  ? "bus"
                            : e->kind == CX_ANON ? "template"
                                                 : "function or template",
                            SN_STR_ARG(name)));
    else if (d->n_params != e->n)
        finding(n, cx_error(n->s, e->pos, e->end, "\"%.*s\" takes %u parameters, here are %u",
                            SN_STR_ARG(name), d->n_params, e->n));
}

static void expr(struct names *n, const struct cx_expr *e)
{
    if (!e || stop(n)) return;
    switch (e->kind) {
    case CX_NAME:
        if (!visible(n, e->sym, 0))
            finding(n, cx_error(n->s, e->pos, e->pos + (uint32_t)cx_name(n->s, e->sym).len,
                                "\"%.*s\" is not declared", SN_STR_ARG(cx_name(n->s, e->sym))));
        for (uint32_t i = 0; i < e->n_acc; i++) expr(n, e->acc[i].index);
        return;
    case CX_BINARY: expr(n, e->a), expr(n, e->b); return;
    case CX_UNARY: expr(n, e->a); return;
    case CX_COND: expr(n, e->a), expr(n, e->b), expr(n, e->c); return;
    case CX_CALL:
    case CX_ANON: call(n, e, false); break;
    case CX_ARRAY:
    case CX_TUPLE: break;
    default: return;
    }
    for (uint32_t i = 0; i < e->n; i++) expr(n, e->list[i]);
    for (uint32_t i = 0; i < e->n2; i++) expr(n, e->list2[i]);
}

static void declaration(struct names *n, const struct cx_stmt *s)
{
    const struct cx_decl *d = s->decl;
    for (uint32_t i = 0; i < d->n_dims; i++) expr(n, d->dims[i]);
    if (d->bus) {
        call(n, d->bus, true);
        for (uint32_t i = 0; i < d->bus->n; i++) expr(n, d->bus->list[i]);
    }
    if (d->kind != CX_VAR && n->loops)
        finding(n, cx_error(n->s, d->pos, d->end,
                            "a %s is not declared in a loop\ndeclare an array before it",
                            d->kind == CX_SIGNAL ? "signal" : "component"));
    declare(n, d->sym, d->pos);
}

static void stmt(struct names *n, const struct cx_stmt *s)
{
    if (!s || stop(n)) return;
    size_t scope = n->scope, syms = n->syms.len;
    bool in_bus = n->def->kind == CX_BUS;
    if (in_bus && s->kind != CX_BLOCK && (s->kind != CX_DECL || s->decl->kind != CX_SIGNAL)) {
        finding(n, cx_error(n->s, s->pos, s->end, "a bus declares signals and buses, nothing else"));
        return;
    }
    switch (s->kind) {
    case CX_DECL: declaration(n, s); return;
    case CX_BLOCK:
        if (s->scope && s != n->def->body) n->scope = syms; /* the body shares its parameters' */
        for (uint32_t i = 0; i < s->n; i++) stmt(n, s->list[i]);
        n->scope = scope;
        if (s->scope) n->syms.len = syms;
        return;
    default: break;
    }
    expr(n, s->a);
    expr(n, s->b);
    for (uint32_t i = 0; s->args && i < s->n; i++) expr(n, s->args[i]);
    n->loops += s->kind == CX_WHILE;
    stmt(n, s->then);
    stmt(n, s->other);
    n->loops -= s->kind == CX_WHILE;
}

/* Whether every way through the statement ends in a return. */
static bool returns(const struct cx_stmt *s)
{
    if (!s) return false;
    if (s->kind == CX_RETURN) return true;
    if (s->kind == CX_IF) return returns(s->then) && returns(s->other);
    for (uint32_t i = 0; s->kind == CX_BLOCK && i < s->n; i++)
        if (returns(s->list[i])) return true;
    return false;
}

int cx_check_names(struct cx_source *s)
{
    struct names n = {.s = s};
    SN_VEC_EACH (&s->defs, it) {
        const struct cx_def *d = n.def = *it;
        n.syms.len = n.scope = 0;
        for (uint32_t i = 0; i < d->n_params; i++) declare(&n, d->params[i], d->pos);
        stmt(&n, d->body);
        if (d->kind == CX_FUNCTION && !returns(d->body) && !stop(&n))
            finding(&n, cx_error(s, d->pos, d->end,
                                 "there are ways through this function without a return"));
    }
    sn_vec_done(&n.syms);
    return n.r;
}
