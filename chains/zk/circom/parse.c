/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/parse.c - statements, definitions, files. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/parse_int.h"

struct stmt_vec {
    struct cx_stmt **ptr;
    size_t len, cap;
};

static struct cx_stmt *new_stmt(struct cx_parser *p, enum cx_stmt_kind kind, uint32_t pos)
{
    struct cx_stmt *s = CXP_NEW(p, struct cx_stmt);
    if (!s) return NULL;
    s->kind = (uint8_t)kind;
    s->zop = -1;
    s->pos = pos;
    return s;
}
static int stmt_list(struct cx_parser *p, struct stmt_vec *v, struct cx_stmt *s)
{
    s->list = SN_ARENA_ARRAY(&p->s->arena, struct cx_stmt *, v->len);
    if (!s->list) return SN_E_NOMEM;
    if (v->len) memcpy(s->list, v->ptr, v->len * sizeof(*s->list));
    s->n = (uint32_t)v->len;
    return 0;
}

/* ---- declarations ---------------------------------------------------------------------------- */

/* {tag, tag} */
static int tags(struct cx_parser *p, struct cx_decl *d)
{
    int r = cxp_take(p, '{');
    if (r <= 0) return r;
    SN_VEC(uint32_t) v = {0};
    do {
        uint32_t sym;
        if ((r = cxp_want_name(p, "a tag", &sym)) < 0 || (r = sn_vec_push(&v, sym)) < 0) break;
        r = cxp_take(p, ',');
    } while (r == 1);
    if (r == 0) r = cxp_want(p, '}', "after the tags");
    if (r == 0) {
        d->tags = SN_ARENA_ARRAY(&p->s->arena, uint32_t, v.len);
        if (d->tags)
            memcpy(d->tags, v.ptr, v.len * sizeof(uint32_t));
        else
            r = SN_E_NOMEM;
        d->n_tags = (uint32_t)v.len;
    }
    sn_vec_done(&v);
    return r;
}

/* name[dim][dim] */
static int declared_name(struct cx_parser *p, const struct cx_decl *model, struct stmt_vec *v)
{
    struct cx_stmt *s = new_stmt(p, CX_DECL, p->l.pos);
    struct cx_decl *d = CXP_NEW(p, struct cx_decl);
    if (!s || !d) return SN_E_NOMEM;
    *d = *model;
    d->pos = p->l.pos;
    s->decl = d;
    int r = cxp_want_name(p, "a name to declare", &d->sym);
    if (r < 0) return r;
    struct cx_expr **dims = NULL;
    size_t n = 0, cap = 0;
    while (r == 0 && (r = cxp_take(p, '[')) == 1) {
        struct cx_expr *e;
        r = cxp_expr(p, &e);
        if (r == 0) r = cxp_want(p, ']', "after an array's size");
        if (r == 0 && n == cap) r = sn_vec_grow_((void **)&dims, &cap, n + 1, sizeof(*dims));
        if (r == 0) dims[n++] = e;
    }
    if (r == 0 && n) {
        d->dims = SN_ARENA_ARRAY(&p->s->arena, struct cx_expr *, n);
        if (d->dims)
            memcpy(d->dims, dims, n * sizeof(*dims));
        else
            r = SN_E_NOMEM;
        d->n_dims = (uint32_t)n;
    }
    sn_free(dims);
    d->end = s->end = p->l.prev_end;
    return r < 0 ? r : sn_vec_push(v, s);
}

static struct cx_expr *name_of(struct cx_parser *p, const struct cx_decl *d)
{
    struct cx_expr *e = CXP_NEW(p, struct cx_expr);
    if (!e) return NULL;
    e->kind = CX_NAME;
    e->sym = d->sym;
    e->pos = d->pos;
    e->end = d->end;
    return e;
}

/* = e, <== e, <-- e after a declaration. Returns 1 where there was one. */
static int initialiser(struct cx_parser *p, const struct cx_decl *model, struct cx_expr *target,
                       struct stmt_vec *v)
{
    int how = cxp_is(p, '=')             ? CX_SET
              : cxp_is(p, CXP_CONSTRAIN) ? CX_CONSTRAIN
              : cxp_is(p, CXP_ARROW)     ? CX_ARROW
                                         : -1;
    if (how < 0) return 0;
    if ((how == CX_SET) != (model->kind != CX_SIGNAL))
        return cx_syntax(p->s, p->l.pos, p->l.tok_end, "%s",
                         model->kind == CX_SIGNAL
                             ? "signals are assigned by <== or <--, not by ="
                             : "variables and components are assigned by =, not by an arrow");
    struct cx_stmt *s = new_stmt(p, CX_ASSIGN, target->pos);
    if (!s) return SN_E_NOMEM;
    s->assign = (uint8_t)how;
    s->a = target;
    int r = cx_next(&p->l);
    if (r < 0 || (r = cxp_expr(p, &s->b)) < 0) return r;
    s->end = p->l.prev_end;
    r = sn_vec_push(v, s);
    return r < 0 ? r : 1;
}

/* (a, b[2]) [= e] */
static int declared_tuple(struct cx_parser *p, const struct cx_decl *model, struct stmt_vec *v)
{
    size_t first = v->len;
    struct cx_expr *t = CXP_NEW(p, struct cx_expr);
    if (!t) return SN_E_NOMEM;
    t->kind = CX_TUPLE;
    t->pos = p->l.pos;
    int r = cxp_want(p, '(', "before the names");
    while (r == 0) {
        if ((r = declared_name(p, model, v)) < 0) return r;
        r = cxp_take(p, ',');
        if (r < 0) return r;
        r = !r;
    }
    if (r < 0 || (r = cxp_want(p, ')', "after the names")) < 0) return r;
    t->end = p->l.prev_end;
    t->n = (uint32_t)(v->len - first);
    t->list = SN_ARENA_ARRAY(&p->s->arena, struct cx_expr *, t->n);
    if (!t->list) return SN_E_NOMEM;
    for (uint32_t i = 0; i < t->n; i++)
        if (!(t->list[i] = name_of(p, v->ptr[first + i]->decl))) return SN_E_NOMEM;
    r = initialiser(p, model, t, v);
    return r < 0 ? r : 0;
}

static int declared_names(struct cx_parser *p, const struct cx_decl *model, struct stmt_vec *v)
{
    if (cxp_is(p, '(')) return declared_tuple(p, model, v);
    for (;;) {
        int r = declared_name(p, model, v);
        if (r < 0) return r;
        struct cx_expr *e = name_of(p, v->ptr[v->len - 1]->decl);
        if (!e) return SN_E_NOMEM;
        if ((r = initialiser(p, model, e, v)) < 0 || (r = cxp_take(p, ',')) <= 0) return r;
    }
}

static int direction(struct cx_parser *p, struct cx_decl *d)
{
    if (cxp_is_kw(p, CXK_INPUT))
        d->dir = CX_INPUT;
    else if (cxp_is_kw(p, CXK_OUTPUT))
        d->dir = CX_OUTPUT;
    else
        return 0;
    return cx_next(&p->l);
}

/* What follows the bus type: [input|output] {tags} names. */
static int bus_declaration(struct cx_parser *p, struct cx_decl *d, struct cx_expr *type,
                           struct stmt_vec *v)
{
    d->kind = CX_SIGNAL;
    d->bus = type;
    int r = direction(p, d);
    if (r < 0 || (r = tags(p, d)) < 0) return r;
    if (d->dir == CX_INPUT && p->def) p->def->tagged_inputs = true; /* its fields may have some */
    return declared_names(p, d, v);
}

/* var, signal, component, input, output. The statements go to v; ; is left. */
static int declaration(struct cx_parser *p, struct stmt_vec *v)
{
    struct cx_decl d = {.pos = p->l.pos};
    int r;
    if (cxp_is_kw(p, CXK_INPUT) || cxp_is_kw(p, CXK_OUTPUT)) {
        struct cx_expr *type;
        if ((r = direction(p, &d)) < 0 || (r = cxp_expr(p, &type)) < 0) return r;
        if (type->kind != CX_CALL)
            return cx_syntax(p->s, type->pos, type->end,
                             "expected a bus, as in Point(2)\n"
                             "for a single signal write: signal input NAME");
        return bus_declaration(p, &d, type, v);
    }
    d.kind = cxp_is_kw(p, CXK_VAR) ? CX_VAR : cxp_is_kw(p, CXK_SIGNAL) ? CX_SIGNAL : CX_COMPONENT;
    if ((r = cx_next(&p->l)) < 0) return r;
    if (d.kind == CX_SIGNAL) {
        if ((r = direction(p, &d)) < 0 || (r = tags(p, &d)) < 0) return r;
        if (d.n_tags && d.dir == CX_INPUT && p->def) p->def->tagged_inputs = true;
    }
    return declared_names(p, &d, v);
}

/* ---- statements ------------------------------------------------------------------------------ */

static int statement(struct cx_parser *p, struct stmt_vec *v);

static int compound_op(uint16_t punct)
{
    static const uint8_t ops[] = {SN_ZOP_POW, SN_ZOP_SHL, SN_ZOP_SHR, SN_ZOP_ADD,
                                  SN_ZOP_SUB, SN_ZOP_MUL, SN_ZOP_DIV, SN_ZOP_IDIV,
                                  SN_ZOP_MOD, SN_ZOP_AND, SN_ZOP_OR,  SN_ZOP_XOR};
    if (punct >= CXP_POW_SET && punct <= CXP_XOR_SET) return ops[punct - CXP_POW_SET];
    if (punct == CXP_INC) return SN_ZOP_ADD;
    if (punct == CXP_DEC) return SN_ZOP_SUB;
    return -1;
}

static int assignment(struct cx_parser *p, struct cx_stmt *s)
{
    uint16_t op = p->l.op;
    int zop = compound_op(op), r;
    s->kind = CX_ASSIGN;
    s->zop = (int8_t)zop;
    if ((r = cx_next(&p->l)) < 0) return r;
    if (op == CXP_INC || op == CXP_DEC) {
        s->b = CXP_NEW(p, struct cx_expr);
        if (!s->b) return SN_E_NOMEM;
        s->b->kind = CX_NUM;
        s->b->num = sn_zv_small(1);
        s->b->pos = s->pos;
        return 0;
    }
    if ((r = cxp_expr(p, &s->b)) < 0) return r;
    if (op == CXP_EQUAL3)
        s->kind = CX_EQUAL;
    else if (op == CXP_CONSTRAIN || op == CXP_RCONSTRAIN)
        s->assign = CX_CONSTRAIN;
    else if (op == CXP_ARROW || op == CXP_RARROW)
        s->assign = CX_ARROW;
    if (op == CXP_RCONSTRAIN || op == CXP_RARROW) {
        struct cx_expr *t = s->a;
        s->a = s->b;
        s->b = t;
    }
    return 0;
}

/* Assignments, constraints, bus declarations and calls all start with an expression. */
static int expression_stmt(struct cx_parser *p, struct stmt_vec *v)
{
    struct cx_stmt *s = new_stmt(p, CX_EXPR, p->l.pos);
    if (!s) return SN_E_NOMEM;
    int r = cxp_expr(p, &s->a);
    if (r < 0) return r;
    if (s->a->kind == CX_CALL && p->l.kind != CXT_PUNCT && p->l.kind != CXT_EOF) {
        struct cx_decl d = {.pos = s->pos};
        return bus_declaration(p, &d, s->a, v);
    }
    if (s->a->kind == CX_CALL && cxp_is(p, '{')) {
        struct cx_decl d = {.pos = s->pos};
        return bus_declaration(p, &d, s->a, v);
    }
    uint16_t op = p->l.kind == CXT_PUNCT ? p->l.op : 0;
    if (op == '=' || (op >= CXP_CONSTRAIN && op <= CXP_DEC)) {
        if ((r = assignment(p, s)) < 0) return r;
    } else if (s->a->kind != CX_ANON) {
        return cx_syntax(p->s, s->a->pos, s->a->end,
                         "this expression is not used\n"
                         "expected an assignment, a constraint or a component with inputs");
    }
    s->end = p->l.prev_end;
    return sn_vec_push(v, s);
}

static int one(struct cx_parser *p, struct cx_stmt **ret)
{
    struct stmt_vec v = {0};
    uint32_t pos = p->l.pos;
    int r = statement(p, &v);
    struct cx_stmt *s = r < 0 ? NULL : new_stmt(p, CX_BLOCK, pos);
    if (r == 0 && !s) r = SN_E_NOMEM;
    if (r == 0) {
        s->scope = true;
        r = stmt_list(p, &v, s);
        s->end = p->l.prev_end;
        *ret = s;
    }
    sn_vec_done(&v);
    return r;
}

static int if_stmt(struct cx_parser *p, struct stmt_vec *v)
{
    struct cx_stmt *s = new_stmt(p, CX_IF, p->l.pos);
    if (!s) return SN_E_NOMEM;
    int r = cx_next(&p->l);
    if (r < 0 || (r = cxp_want(p, '(', "after if")) < 0 || (r = cxp_expr(p, &s->a)) < 0 ||
        (r = cxp_want(p, ')', "after the condition")) < 0 || (r = one(p, &s->then)) < 0)
        return r;
    if ((r = cxp_take_kw(p, CXK_ELSE)) < 0 || (r == 1 && (r = one(p, &s->other)) < 0)) return r;
    s->end = p->l.prev_end;
    return sn_vec_push(v, s);
}

static int while_stmt(struct cx_parser *p, struct stmt_vec *v)
{
    struct cx_stmt *s = new_stmt(p, CX_WHILE, p->l.pos);
    if (!s) return SN_E_NOMEM;
    p->loops++;
    int r = cx_next(&p->l);
    if (r < 0 || (r = cxp_want(p, '(', "after while")) < 0 || (r = cxp_expr(p, &s->a)) < 0 ||
        (r = cxp_want(p, ')', "after the condition")) < 0 || (r = one(p, &s->then)) < 0)
        return r;
    p->loops--;
    s->end = p->l.prev_end;
    return sn_vec_push(v, s);
}

/* for (init; cond; step) body becomes { init; while (cond) { body step } }. */
static int for_stmt(struct cx_parser *p, struct stmt_vec *v)
{
    struct cx_stmt *outer = new_stmt(p, CX_BLOCK, p->l.pos);
    struct cx_stmt *loop = new_stmt(p, CX_WHILE, p->l.pos);
    struct cx_stmt *both = new_stmt(p, CX_BLOCK, p->l.pos), *body;
    if (!outer || !loop || !both) return SN_E_NOMEM;
    struct stmt_vec init = {0}, step = {0};
    int r = cx_next(&p->l);
    if (r < 0 || (r = cxp_want(p, '(', "after for")) < 0) goto out;
    r = cxp_is_kw(p, CXK_VAR) ? declaration(p, &init) : expression_stmt(p, &init);
    if (r < 0 || (r = cxp_want(p, ';', "after the start of a for")) < 0 ||
        (r = cxp_expr(p, &loop->a)) < 0 ||
        (r = cxp_want(p, ';', "after the condition of a for")) < 0 ||
        (r = expression_stmt(p, &step)) < 0 ||
        (r = cxp_want(p, ')', "after the step of a for")) < 0)
        goto out;
    p->loops++;
    r = one(p, &body);
    p->loops--;
    if (r < 0) goto out;
    struct cx_stmt *inner[2] = {body, step.ptr[0]};
    struct stmt_vec two = {inner, 2, 2};
    outer->scope = true;
    both->end = loop->end = outer->end = p->l.prev_end;
    loop->then = both;
    if ((r = stmt_list(p, &two, both)) < 0 || (r = sn_vec_push(&init, loop)) < 0 ||
        (r = stmt_list(p, &init, outer)) < 0)
        goto out;
    r = sn_vec_push(v, outer);
out:
    sn_vec_done(&init);
    sn_vec_done(&step);
    return r;
}

static int log_args(struct cx_parser *p, struct cx_stmt *s)
{
    SN_VEC(struct cx_expr *) v = {0};
    int r = cxp_take(p, ')');
    while (r == 0) {
        struct cx_expr *e;
        if (p->l.kind == CXT_STRING) {
            e = CXP_NEW(p, struct cx_expr);
            if (!e) {
                r = SN_E_NOMEM;
                break;
            }
            e->kind = CX_STRING;
            e->text = p->l.text;
            e->pos = p->l.pos;
            e->end = p->l.tok_end;
            r = cx_next(&p->l);
        } else {
            r = cxp_expr(p, &e);
        }
        if (r < 0 || (r = sn_vec_push(&v, e)) < 0 || (r = cxp_take(p, ')')) != 0) break;
        if ((r = cxp_want(p, ',', "between the things to log")) < 0) break;
    }
    if (r >= 0) {
        s->args = SN_ARENA_ARRAY(&p->s->arena, struct cx_expr *, v.len);
        if (s->args && v.len) memcpy(s->args, v.ptr, v.len * sizeof(*s->args));
        s->n = (uint32_t)v.len;
        r = s->args ? 0 : SN_E_NOMEM;
    }
    sn_vec_done(&v);
    return r;
}

static int keyword_stmt(struct cx_parser *p, enum cx_stmt_kind kind, struct stmt_vec *v)
{
    struct cx_stmt *s = new_stmt(p, kind, p->l.pos);
    if (!s) return SN_E_NOMEM;
    int r = cx_next(&p->l);
    if (r < 0) return r;
    if (kind == CX_RETURN) {
        if ((r = cxp_expr(p, &s->a)) < 0) return r;
    } else {
        if ((r = cxp_want(p, '(', "here")) < 0) return r;
        if (kind == CX_LOG)
            r = log_args(p, s);
        else if ((r = cxp_expr(p, &s->a)) == 0)
            r = cxp_want(p, ')', "after the condition");
        if (r < 0) return r;
        if (p->def) p->def->prints |= kind == CX_LOG;
    }
    s->end = p->l.prev_end;
    return sn_vec_push(v, s);
}

int cxp_block(struct cx_parser *p, struct cx_stmt **ret)
{
    struct stmt_vec v = {0};
    struct cx_stmt *s = new_stmt(p, CX_BLOCK, p->l.pos);
    if (!s) return SN_E_NOMEM;
    s->scope = true;
    int r = cxp_want(p, '{', "before a block");
    while (r == 0 && !cxp_is(p, '}')) {
        if (p->l.kind == CXT_EOF)
            r = cx_syntax(p->s, s->pos, s->pos + 1, "this block does not end\nadd }");
        else
            r = statement(p, &v);
    }
    if (r == 0) r = cx_next(&p->l);
    if (r == 0) r = stmt_list(p, &v, s);
    s->end = p->l.prev_end;
    sn_vec_done(&v);
    *ret = s;
    return r;
}

static int statement(struct cx_parser *p, struct stmt_vec *v)
{
    int r = cxp_enter(p);
    if (r < 0) return r;
    struct cx_stmt *block;
    bool semicolon = true;
    if (cxp_is(p, '{')) {
        r = cxp_block(p, &block);
        if (r == 0) r = sn_vec_push(v, block);
        semicolon = false;
    } else if (cxp_is_kw(p, CXK_IF)) {
        r = if_stmt(p, v);
        semicolon = false;
    } else if (cxp_is_kw(p, CXK_FOR)) {
        r = for_stmt(p, v);
        semicolon = false;
    } else if (cxp_is_kw(p, CXK_WHILE)) {
        r = while_stmt(p, v);
        semicolon = false;
    } else if (cxp_is_kw(p, CXK_RETURN)) {
        r = keyword_stmt(p, CX_RETURN, v);
    } else if (cxp_is_kw(p, CXK_LOG)) {
        r = keyword_stmt(p, CX_LOG, v);
    } else if (cxp_is_kw(p, CXK_ASSERT)) {
        r = keyword_stmt(p, CX_ASSERT, v);
    } else if (p->l.kind == CXT_KEYWORD && p->l.op != CXK_PARALLEL) {
        if (!cxp_is_kw(p, CXK_VAR) && !cxp_is_kw(p, CXK_SIGNAL) && !cxp_is_kw(p, CXK_COMPONENT) &&
            !cxp_is_kw(p, CXK_INPUT) && !cxp_is_kw(p, CXK_OUTPUT))
            return cx_syntax(p->s, p->l.pos, p->l.tok_end, "\"%.*s\" does not start a statement",
                             SN_STR_ARG(p->l.text));
        r = declaration(p, v);
    } else {
        r = expression_stmt(p, v);
    }
    p->depth--;
    return r == 0 && semicolon ? cxp_want(p, ';', "after a statement") : r;
}

/* ---- definitions ----------------------------------------------------------------------------- */

static int parameters(struct cx_parser *p, struct cx_def *d)
{
    SN_VEC(uint32_t) v = {0};
    int r = cxp_want(p, '(', "before the parameters");
    if (r == 0) r = cxp_take(p, ')');
    while (r == 0) {
        uint32_t sym;
        if ((r = cxp_want_name(p, "a parameter", &sym)) < 0 || (r = sn_vec_push(&v, sym)) < 0 ||
            (r = cxp_take(p, ')')) != 0)
            break;
        r = cxp_want(p, ',', "between parameters");
    }
    if (r >= 0) {
        d->params = SN_ARENA_ARRAY(&p->s->arena, uint32_t, v.len);
        if (d->params && v.len) memcpy(d->params, v.ptr, v.len * sizeof(uint32_t));
        d->n_params = (uint32_t)v.len;
        r = d->params ? 0 : SN_E_NOMEM;
    }
    sn_vec_done(&v);
    return r;
}

static int definition(struct cx_parser *p, enum cx_def_kind kind)
{
    struct cx_def *d = CXP_NEW(p, struct cx_def), *old;
    if (!d) return SN_E_NOMEM;
    d->kind = (uint8_t)kind;
    int r = cx_next(&p->l);
    while (r == 0 && (cxp_is_kw(p, CXK_CUSTOM) || cxp_is_kw(p, CXK_PARALLEL))) {
        d->custom |= cxp_is_kw(p, CXK_CUSTOM);
        d->parallel |= cxp_is_kw(p, CXK_PARALLEL);
        r = cx_next(&p->l);
    }
    if (r < 0) return r;
    d->pos = p->l.pos;
    d->end = p->l.tok_end;
    if ((r = cxp_want_name(p, "a name", &d->sym)) < 0) return r;
    if (d->custom && !p->s->custom_pragma)
        return cx_syntax(p->s, d->pos, d->end,
                         "custom templates are not switched on\nadd: pragma custom_templates;");
    p->def = d;
    if ((r = parameters(p, d)) < 0 || (r = cxp_block(p, &d->body)) < 0) return r;
    p->def = NULL;
    struct sn_str name = cx_name(p->s, d->sym);
    if ((old = sn_map_get(&p->s->def_of, name)) != NULL) {
        uint32_t line, column;
        const struct cx_file *f = cx_place(p->s, old->pos, &line, &column);
        return cx_error(p->s, d->pos, d->end, "\"%.*s\" is defined twice\nthe first one: %.*s:%u",
                        SN_STR_ARG(name), SN_STR_ARG(f->path), line);
    }
    r = sn_map_put(&p->s->def_of, name, d, NULL);
    return r < 0 ? r : sn_vec_push(&p->s->defs, d);
}

/* component main {public [a, b]} = T(...); */
static int main_component(struct cx_parser *p)
{
    struct cx_source *s = p->s;
    uint32_t pos = p->l.pos, sym;
    int r = cx_next(&p->l);
    if (r < 0 || (r = cxp_want_name(p, "main", &sym)) < 0) return r;
    if (!sn_str_eqc(cx_name(s, sym), "main"))
        return cx_syntax(s, pos, p->l.prev_end, "only the component main stands outside templates");
    if (s->has_main)
        return cx_error(s, pos, p->l.prev_end,
                        "a second main component\n"
                        "included files must not have one");
    SN_VEC(uint32_t) v = {0};
    if ((r = cxp_take(p, '{')) == 1) {
        if ((r = cxp_take_kw(p, CXK_PUBLIC)) == 0)
            r = cx_syntax(s, p->l.pos, p->l.tok_end, "expected public");
        if (r > 0) r = cxp_want(p, '[', "after public");
        while (r == 0) {
            if ((r = cxp_want_name(p, "an input", &sym)) < 0 || (r = sn_vec_push(&v, sym)) < 0 ||
                (r = cxp_take(p, ']')) != 0)
                break;
            r = cxp_want(p, ',', "between inputs");
        }
        if (r > 0) r = cxp_want(p, '}', "after the public inputs");
    }
    if (r >= 0) {
        s->publics = SN_ARENA_ARRAY(&s->arena, uint32_t, v.len);
        if (s->publics && v.len) memcpy(s->publics, v.ptr, v.len * sizeof(uint32_t));
        s->n_publics = (uint32_t)v.len;
        r = s->publics ? 0 : SN_E_NOMEM;
    }
    sn_vec_done(&v);
    if (r < 0 || (r = cxp_want(p, '=', "after main")) < 0 || (r = cxp_expr(p, &s->main)) < 0)
        return r;
    if (s->main->kind != CX_CALL)
        return cx_syntax(s, s->main->pos, s->main->end, "main must be a template with parameters");
    s->has_main = true;
    s->main_pos = pos;
    return cxp_want(p, ';', "after main");
}

/* pragma circom 2.1.6; pragma custom_templates; */
static int pragma(struct cx_parser *p)
{
    uint32_t pos = p->l.pos;
    int r = cx_next(&p->l);
    if (r < 0) return r;
    if (p->l.kind == CXT_NAME && sn_str_eqc(p->l.text, "custom_templates")) {
        p->s->custom_pragma = true;
        if ((r = cx_next(&p->l)) < 0) return r;
        return cxp_want(p, ';', "after pragma");
    }
    if (p->l.kind != CXT_NAME || !sn_str_eqc(p->l.text, "circom"))
        return cx_syntax(p->s, p->l.pos, p->l.tok_end,
                         "expected circom or custom_templates after pragma");
    uint64_t v[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        if ((r = cx_next(&p->l)) < 0) return r;
        if (p->l.kind != CXT_NUMBER || sn_str_to_u64(p->l.text, &v[i]) < 0)
            return cx_syntax(p->s, p->l.pos, p->l.tok_end, "expected a version, as in 2.1.6");
        if ((r = cx_next(&p->l)) < 0) return r;
        if (i < 2 && !cxp_is(p, '.'))
            return cx_syntax(p->s, p->l.pos, p->l.tok_end, "expected a version, as in 2.1.6");
    }
    if (v[0] != 2 || v[1] > 2)
        return cx_syntax(
            p->s, pos, p->l.prev_end,
            "version %u.%u of the language is not this compiler's: it speaks 2.0 to 2.2",
            (unsigned)v[0], (unsigned)v[1]);
    return cxp_want(p, ';', "after pragma");
}

/* ---- files ----------------------------------------------------------------------------------- */

static int load(struct cx_source *s, struct sn_str path)
{
    struct sn_buf b;
    sn_buf_init(&b, SN_CIRCOM_SOURCE_BYTES_MAX);
    int r = s->opts->read(s->opts->ctx, path.ptr, &b);
    if (r == 0 && b.err < 0) r = b.err;
    if (r == 0) {
        struct sn_str text = sn_arena_str(&s->arena, sn_buf_view(&b));
        r = text.ptr ? cx_add_file(s, path, text) : SN_E_NOMEM;
    }
    sn_buf_done(&b);
    return r;
}

/* DIR/FILE without "." and ".." parts, so that a file reached by two ways is read once. */
static struct sn_str join(struct cx_source *s, struct sn_str dir, struct sn_str file)
{
    if (sn_str_starts(file, SN_STR("/"))) dir = SN_STR("");
    struct sn_str all = sn_arena_printf(&s->arena, "%.*s%s%.*s", SN_STR_ARG(dir),
                                        dir.len ? "/" : "", SN_STR_ARG(file));
    char *out = sn_arena_alloc(&s->arena, all.len + 2);
    if (!all.ptr || !out) return (struct sn_str){0};
    bool root = all.len && all.ptr[0] == '/';
    size_t n = 0;
    for (struct sn_str rest = all; rest.ptr;) {
        struct sn_str part = sn_str_cut(&rest, '/');
        if (part.len == 0 || sn_str_eqc(part, ".")) continue;
        struct sn_str so_far = sn_str_of(out, n);
        ssize_t slash = sn_str_rchr(so_far, '/');
        struct sn_str last = sn_str_from(so_far, (size_t)(slash + 1));
        if (sn_str_eqc(part, "..") && n > 0 && !sn_str_eqc(last, "..") && last.len) {
            n = slash > 0 ? (size_t)slash : 0;
            continue;
        }
        if (n || root) out[n++] = '/';
        memcpy(out + n, part.ptr, part.len);
        n += part.len;
    }
    out[n] = 0;
    return sn_str_of(out, n);
}

static bool loaded(const struct cx_source *s, struct sn_str path)
{
    for (size_t i = 0; i < s->files.len; i++)
        if (sn_str_eq(s->files.ptr[i].path, path)) return true;
    return false;
}

static int include(struct cx_parser *p)
{
    struct cx_source *s = p->s;
    int r = cx_next(&p->l);
    if (r < 0) return r;
    if (p->l.kind != CXT_STRING)
        return cx_syntax(s, p->l.pos, p->l.tok_end, "expected the name of a file in quotes");
    struct sn_str name = p->l.text;
    uint32_t line, column, pos = p->l.pos, end = p->l.tok_end;
    struct sn_str from = cx_place(s, pos, &line, &column)->path;
    ssize_t slash = sn_str_rchr(from, '/');
    struct sn_str dir = slash < 0 ? SN_STR("")
                        : slash   ? sn_str_sub(from, 0, (size_t)slash)
                                  : SN_STR("/");
    r = SN_E_NOT_FOUND;
    for (size_t i = 0; r == SN_E_NOT_FOUND && i <= s->opts->n_include_dirs; i++) {
        if (i) dir = sn_str(s->opts->include_dirs[i - 1]);
        struct sn_str path = join(s, dir, name);
        if (!path.ptr) return SN_E_NOMEM;
        if (s->files.len >= SN_CIRCOM_FILES_MAX)
            return cx_limit(s, SN_E_TOO_LARGE, pos, "more than %u files", SN_CIRCOM_FILES_MAX);
        r = loaded(s, path) ? 0 : load(s, path);
    }
    if (r == SN_E_NOT_FOUND)
        return cx_limit(s, r, pos, "there is no file \"%.*s\"\nadd the folder it is in with -l",
                        SN_STR_ARG(name));
    if (r < 0) return cx_limit(s, r, pos, "cannot read \"%.*s\"", SN_STR_ARG(name));
    (void)end;
    if ((r = cx_next(&p->l)) < 0) return r;
    return cxp_want(p, ';', "after include");
}

static int parse_file(struct cx_source *s, size_t i)
{
    struct cx_file f = s->files.ptr[i];
    struct cx_parser p = {.s = s};
    p.l = (struct cx_lexer){.s = s,
                            .start = f.text.ptr,
                            .at = f.text.ptr,
                            .end = f.text.ptr + f.text.len,
                            .base = f.base};
    int r = cx_next(&p.l);
    while (r == 0 && p.l.kind != CXT_EOF) {
        if (cxp_is_kw(&p, CXK_TEMPLATE))
            r = definition(&p, CX_TEMPLATE);
        else if (cxp_is_kw(&p, CXK_FUNCTION))
            r = definition(&p, CX_FUNCTION);
        else if (cxp_is_kw(&p, CXK_BUS))
            r = definition(&p, CX_BUS);
        else if (cxp_is_kw(&p, CXK_COMPONENT))
            r = main_component(&p);
        else if (cxp_is_kw(&p, CXK_PRAGMA))
            r = pragma(&p);
        else if (cxp_is_kw(&p, CXK_INCLUDE))
            r = include(&p);
        else
            r = cx_syntax(s, p.l.pos, p.l.tok_end,
                          "expected template, function, bus, include, pragma or component, "
                          "found \"%.*s\"",
                          SN_STR_ARG(p.l.text));
    }
    return r;
}

int cx_parse_all(struct cx_source *s, const char *path)
{
    struct sn_str p = join(s, SN_STR(""), sn_str(path));
    if (!p.ptr) return SN_E_NOMEM;
    int r = load(s, p);
    if (r < 0) {
        (void)cx_limit(s, r, 0, r == SN_E_NOT_FOUND ? "%s: there is no such file"
                                                    : "%s: cannot read the file", path);
        return sn_wrap(r, "read %s", path);
    }
    for (size_t i = 0; i < s->files.len; i++)
        if ((r = parse_file(s, i)) < 0) return r;
    return s->has_main ? 0
                       : cx_error(s, s->files.ptr[0].base, 0,
                                  "no main component\nadd: component main = TEMPLATE();");
}
