/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/exec_stmt.c - statements; regions where the program decides when it runs. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"

/* ---- which variables a region touches -------------------------------------------------------- */

struct touch {
    struct cx_exec *x;
    SN_VEC(struct cx_ent *) assigned;
    SN_VEC(struct cx_ent *) indexed;
    int err;
};
static void touch_name(struct touch *t, uint32_t sym, bool assigned)
{
    struct cx_ent *e = cx_find(t->x, sym);
    if (!e || e->kind != CX_ENT_VAR || t->err < 0) return;
    struct cx_ent **list = assigned ? t->assigned.ptr : t->indexed.ptr;
    size_t n = assigned ? t->assigned.len : t->indexed.len;
    for (size_t i = 0; i < n; i++)
        if (list[i] == e) return;
    t->err = assigned ? sn_vec_push(&t->assigned, e) : sn_vec_push(&t->indexed, e);
}
static void touch_expr(struct touch *t, const struct cx_expr *e)
{
    if (!e) return;
    switch (e->kind) {
    case CX_NAME:
        if (e->n_acc) touch_name(t, e->sym, false);
        for (uint32_t i = 0; i < e->n_acc; i++) touch_expr(t, e->acc[i].index);
        break;
    case CX_BINARY: touch_expr(t, e->a), touch_expr(t, e->b); break;
    case CX_UNARY: touch_expr(t, e->a); break;
    case CX_COND: touch_expr(t, e->a), touch_expr(t, e->b), touch_expr(t, e->c); break;
    case CX_CALL:
    case CX_ANON:
    case CX_ARRAY:
    case CX_TUPLE:
        for (uint32_t i = 0; i < e->n; i++) touch_expr(t, e->list[i]);
        for (uint32_t i = 0; i < e->n2; i++) touch_expr(t, e->list2[i]);
        break;
    default: break;
    }
}
static void touch_target(struct touch *t, const struct cx_expr *e)
{
    if (e->kind == CX_NAME) touch_name(t, e->sym, true);
    for (uint32_t i = 0; e->kind == CX_TUPLE && i < e->n; i++) touch_target(t, e->list[i]);
    touch_expr(t, e);
}
static void touch_stmt(struct touch *t, const struct cx_stmt *s)
{
    if (!s) return;
    if (s->kind == CX_ASSIGN)
        touch_target(t, s->a);
    else
        touch_expr(t, s->a);
    touch_expr(t, s->b);
    touch_stmt(t, s->then);
    touch_stmt(t, s->other);
    for (uint32_t i = 0; s->list && i < s->n; i++) touch_stmt(t, s->list[i]);
    for (uint32_t i = 0; s->args && i < s->n; i++) touch_expr(t, s->args[i]);
}
static void touch_done(struct touch *t)
{
    sn_vec_done(&t->assigned);
    sn_vec_done(&t->indexed);
}

static int enter(struct touch *t, const struct cx_stmt *s)
{
    struct cx_exec *x = t->x;
    touch_stmt(t, s);
    int r = t->err;
    SN_VEC_EACH (&t->assigned, it)
        if (r == 0) r = cx_spill(x, *it);
    if (r == 0 && x->f->code->region == 0)
        SN_VEC_EACH (&t->indexed, it)
            if (r == 0 && (*it)->n > 1) r = cx_spill(x, *it);
    SN_VEC_EACH (&t->assigned, it) (*it)->depth++;
    return r;
}
/* From here on the variables are what their slots hold. */
static void forget(struct touch *t)
{
    SN_VEC_EACH (&t->assigned, it)
        for (uint32_t i = 0; i < (*it)->n; i++)
            (*it)->elems[i] = (struct sn_zv){.kind = SN_ZV_SLOT, .node = (*it)->slot + i};
}
static void leave(struct touch *t)
{
    forget(t);
    SN_VEC_EACH (&t->assigned, it) (*it)->depth--;
}

/* Components whose last input was given inside a region run after it. */
static int run_pending(struct cx_exec *x)
{
    struct cx_inst *inst = x->f->inst;
    if (x->f->kind != CX_IN_TEMPLATE || x->f->code->region) return 0;
    for (uint32_t i = 0; i < inst->comps.len; i++) {
        if (inst->comps.ptr[i].ran || inst->comps.ptr[i].left) continue;
        int r = cx_comp_ready(x, i);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- control --------------------------------------------------------------------------------- */

static int region_body(struct cx_exec *x, const struct cx_stmt *s)
{
    struct cx_code *code = x->f->code;
    uint32_t before = code->region;
    code->region = ++code->n_regions;
    int r = cx_exec(x, s);
    code->region = before;
    x->f->returned = false;
    return r;
}

/* While the ports of a template are looked for: what depends on tags without value yet is left out,
 * and variables it would assign are unknown from there on. */
static int skip_unknown(struct cx_exec *x, const struct cx_stmt *s)
{
    struct touch t = {.x = x};
    touch_stmt(&t, s);
    forget(&t);
    x->f->deferred |= cx_count_ports(s) > 0;
    int r = t.err;
    touch_done(&t);
    return r;
}

static int may_branch(struct cx_exec *x, const struct cx_stmt *s)
{
    enum cx_frame_kind k = x->f->kind;
    if (k == CX_IN_INLINE) return CX_NEED_CALL;
    if (k == CX_IN_TEMPLATE || k == CX_IN_UNIT) return 0;
    return cx_error(x->s, s->a->pos, s->a->end, "this condition must be known when compiling");
}

/* The branches start from the same values: those of `elems` at the condition. */
struct saved {
    struct sn_zv *v;
};
static int save(struct touch *t, struct saved *ret)
{
    size_t n = 0;
    SN_VEC_EACH (&t->assigned, it) n += (*it)->n;
    ret->v = sn_alloc(n * sizeof(struct sn_zv) + 1);
    if (!ret->v) return SN_E_NOMEM;
    n = 0;
    SN_VEC_EACH (&t->assigned, it) {
        memcpy(ret->v + n, (*it)->elems, (*it)->n * sizeof(struct sn_zv));
        n += (*it)->n;
    }
    return 0;
}
static void restore(struct touch *t, struct saved *s)
{
    size_t n = 0;
    SN_VEC_EACH (&t->assigned, it) {
        memcpy((*it)->elems, s->v + n, (*it)->n * sizeof(struct sn_zv));
        n += (*it)->n;
    }
}

static int unknown_if(struct cx_exec *x, const struct cx_stmt *s, uint32_t cond)
{
    if (x->f->kind == CX_IN_PORTS) return skip_unknown(x, s);
    int r = may_branch(x, s);
    if (r < 0) return r;
    struct cx_code *code = x->f->code;
    struct touch t = {.x = x};
    struct saved saved = {0};
    uint32_t other = code->n_labels++, end = code->n_labels++;
    if ((r = enter(&t, s)) < 0 || (r = save(&t, &saved)) < 0) goto out;
    if ((r = cx_effect(x, CXN_JZ, cond, 0, other, s->pos)) < 0 || (r = region_body(x, s->then)) < 0)
        goto out;
    restore(&t, &saved);
    if (s->other && (r = cx_effect(x, CXN_JMP, 0, 0, end, s->pos)) < 0) goto out;
    if ((r = cx_effect(x, CXN_LABEL, other, 0, 0, s->pos)) < 0) goto out;
    if (s->other && ((r = region_body(x, s->other)) < 0 ||
                     (r = cx_effect(x, CXN_LABEL, end, 0, 0, s->pos)) < 0))
        goto out;
    leave(&t);
    r = run_pending(x);
out:
    sn_free(saved.v);
    touch_done(&t);
    return r;
}

static int if_stmt(struct cx_exec *x, const struct cx_stmt *s)
{
    struct sn_zv c;
    int r = cx_eval_scalar(x, s->a, &c);
    if (r < 0) return r;
    if (c.kind <= SN_ZV_FE) {
        const struct cx_stmt *b = sn_zv_is_zero(&c) ? s->other : s->then;
        return b ? cx_exec(x, b) : 0;
    }
    return unknown_if(x, s, c.node);
}

static int unknown_while(struct cx_exec *x, const struct cx_stmt *s)
{
    if (x->f->kind == CX_IN_PORTS) return skip_unknown(x, s);
    int r = may_branch(x, s);
    if (r < 0) return r;
    struct cx_code *code = x->f->code;
    struct touch t = {.x = x};
    struct sn_zv c;
    uint32_t top = code->n_labels++, end = code->n_labels++, before = code->region;
    if ((r = enter(&t, s)) < 0) goto out;
    forget(&t);
    code->region = ++code->n_regions;
    if ((r = cx_effect(x, CXN_LABEL, top, 0, 0, s->pos)) < 0 ||
        (r = cx_eval_scalar(x, s->a, &c)) < 0)
        goto out;
    uint32_t cond = cx_node_of(x, &c);
    if (!cond) r = SN_E_NOMEM;
    if (r < 0 || (r = cx_effect(x, CXN_JZ, cond, 0, end, s->pos)) < 0 ||
        (r = region_body(x, s->then)) < 0 || (r = cx_effect(x, CXN_JMP, 0, 0, top, s->pos)) < 0 ||
        (r = cx_effect(x, CXN_LABEL, end, 0, 0, s->pos)) < 0)
        goto out;
    code->region = before;
    leave(&t);
    r = run_pending(x);
out:
    code->region = before;
    touch_done(&t);
    return r;
}

static int while_stmt(struct cx_exec *x, const struct cx_stmt *s)
{
    if (x->f->kind == CX_IN_UNIT) return unknown_while(x, s);
    while (!x->f->returned) {
        struct sn_zv c;
        int r = cx_eval_scalar(x, s->a, &c);
        if (r < 0) return r;
        if (c.kind > SN_ZV_FE) return unknown_while(x, s);
        if (sn_zv_is_zero(&c)) break;
        if ((r = cx_exec(x, s->then)) < 0) return r;
    }
    return 0;
}

static int unit_return(struct cx_exec *x, const struct cx_stmt *s, const struct cx_val *v)
{
    struct cx_unit *u = x->f->unit;
    struct cx_code *code = x->f->code;
    if (!u->has_ret) {
        u->has_ret = true;
        u->n_dims = v->n_dims;
        memcpy(u->dims, v->dims, sizeof(u->dims));
        u->n_ret = v->n;
        u->ret_slot = code->n_slots;
        code->n_slots += v->n;
    } else if (u->ret_slot == 0 && u->n_args == 0) {
        return SN_E_INTERNAL;
    }
    if (u->n_ret != v->n || u->n_dims != v->n_dims)
        return cx_error(x->s, s->pos, s->end, "this return has another shape than the ones before");
    for (uint32_t i = 0; i < v->n; i++) {
        uint32_t n = cx_node_of(x, &cx_elems(v)[i]);
        if (!n) return SN_E_NOMEM;
        int r = cx_effect(x, CXN_SET, u->ret_slot + i, n, 0, s->pos);
        if (r < 0) return r;
    }
    x->f->returned = true;
    return cx_effect(x, CXN_RET, 0, 0, 0, s->pos);
}

static int return_stmt(struct cx_exec *x, const struct cx_stmt *s)
{
    struct cx_val v;
    enum cx_frame_kind k = x->f->kind;
    if (k != CX_IN_CONST && k != CX_IN_INLINE && k != CX_IN_UNIT)
        return cx_error(x->s, s->pos, s->end, "return stands in functions only");
    int r = cx_eval(x, s->a, &v);
    if (r < 0) return r;
    if (v.is_tuple || v.bus)
        return cx_error(x->s, s->a->pos, s->a->end, "functions return numbers and arrays");
    if (k == CX_IN_UNIT) return unit_return(x, s, &v);
    x->f->ret = v;
    x->f->returned = true;
    return 0;
}

/* ---- assignments ----------------------------------------------------------------------------- */

static int set_component(struct cx_exec *x, const struct cx_expr *target, struct cx_place *p,
                         const struct cx_stmt *s)
{
    if (s->assign != CX_SET || s->b->kind != CX_CALL)
        return cx_error(x->s, s->pos, s->end, "a component is assigned a template by =");
    if (p->n_dims)
        return cx_error(x->s, target->pos, target->end,
                        "one component at a time: an index is missing");
    if (x->f->kind == CX_IN_PORTS) return 0;
    if (p->ent->comps[p->at])
        return cx_error(x->s, target->pos, target->end, "this component has its template already");
    uint32_t first = p->ent->first_comp;
    if (first && x->f->inst->comps.ptr[first - 1].def->sym != s->b->sym)
        return cx_error(x->s, s->pos, s->end,
                        "the components of an array are all of one template, here \"%.*s\"",
                        SN_STR_ARG(cx_name(x->s, x->f->inst->comps.ptr[first - 1].def->sym)));
    int r = cx_new_component(x, target->sym, p, s->b, NULL);
    if (r == 0 && !first) p->ent->first_comp = p->ent->comps[p->at];
    return r;
}

static int assign_value(struct cx_exec *x, const struct cx_expr *target, const struct cx_stmt *s,
                        const struct cx_val *v)
{
    if (target->kind == CX_UNDERSCORE && v->is_tuple)
        return cx_error(x->s, s->pos, s->end, "_ is one value, here are %u\nwrite (_, _)",
                        v->n_items);
    if (target->kind == CX_UNDERSCORE) return 0;
    if (target->kind == CX_TUPLE) {
        if (!v->is_tuple || v->n_items != target->n)
            return cx_error(x->s, s->pos, s->end, "%u names on the left, %u values on the right",
                            target->n, v->is_tuple ? v->n_items : 1);
        for (uint32_t i = 0; i < target->n; i++) {
            int r = assign_value(x, target->list[i], s, &v->items[i]);
            if (r < 0) return r;
        }
        return 0;
    }
    struct cx_place p;
    int r = cx_resolve(x, target, &p);
    if (r < 0) return r;
    if (p.is_tag || p.is_comp)
        return cx_error(x->s, target->pos, target->end, "this cannot be assigned here");
    if (p.is_signal) {
        if (s->assign == CX_SET)
            return cx_error(x->s, s->pos, s->end,
                            "a signal is assigned by <== or <--\n"
                            "= is for variables");
        if (x->f->kind == CX_IN_PORTS) return 0;
        if (x->f->kind != CX_IN_TEMPLATE)
            return cx_error(x->s, s->pos, s->end, "signals are assigned in templates only");
        return cx_assign_signal(x, &p, v, s->assign == CX_CONSTRAIN, s->pos, s->end);
    }
    if (s->assign != CX_SET)
        return cx_error(x->s, s->pos, s->end,
                        "a variable is assigned by =\n"
                        "<== and <-- are for signals");
    return cx_write_var(x, &p, v, target);
}

static int assign_stmt(struct cx_exec *x, const struct cx_stmt *s);

/* (a, b) = (c, d) is a = c; b = d, one after the other: the language says so. */
static int assign_pairs(struct cx_exec *x, const struct cx_stmt *s)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < s->a->n; i++) {
        if (s->a->list[i]->kind == CX_UNDERSCORE) continue;
        struct cx_stmt one = *s;
        one.a = s->a->list[i];
        one.b = s->b->list[i];
        r = assign_stmt(x, &one);
    }
    return r;
}

static int assign_stmt(struct cx_exec *x, const struct cx_stmt *s)
{
    struct cx_place p;
    struct cx_val v;
    int r;
    if (s->a->kind == CX_TUPLE && s->b->kind == CX_TUPLE && s->a->n == s->b->n)
        return assign_pairs(x, s);
    if (x->f->kind == CX_IN_PORTS && s->assign != CX_SET) return 0;
    if (s->a->kind == CX_NAME) {
        struct cx_ent *e = cx_find(x, s->a->sym);
        if (e && e->kind == CX_ENT_VAR && e->n_dims == 0 && s->assign == CX_SET && !s->a->n_acc) {
            struct sn_zv z;
            if ((r = cx_eval_scalar(x, s->b, &z)) < 0) return r;
            p = (struct cx_place){.ent = e, .n = 1};
            if (s->zop >= 0) {
                struct cx_val old;
                if ((r = cx_eval(x, s->a, &old)) < 0 ||
                    (r = cx_op(x, (enum sn_zop)s->zop, &z, &old.one, &z, s->pos, s->end)) < 0)
                    return r;
            }
            v = (struct cx_val){.one = z, .n = 1};
            return cx_write_var(x, &p, &v, s->a);
        }
        if (!e || e->kind != CX_ENT_VAR) {
            if ((r = cx_resolve(x, s->a, &p)) < 0) return r;
            if (p.is_tag) return cx_set_tag(x, &p, s);
            if (p.is_comp) return set_component(x, s->a, &p, s);
        }
    }
    if ((r = cx_eval(x, s->b, &v)) < 0) return r;
    if (s->zop >= 0) {
        struct sn_zv old, z;
        if (v.is_tuple || v.n_dims)
            return cx_error(x->s, s->b->pos, s->b->end, "expected a single number");
        if ((r = cx_eval_scalar(x, s->a, &old)) < 0 ||
            (r = cx_op(x, (enum sn_zop)s->zop, &z, &old, cx_elems(&v), s->pos, s->end)) < 0)
            return r;
        v = (struct cx_val){.one = z, .n = 1};
    }
    return assign_value(x, s->a, s, &v);
}

/* ---- constraints, asserts, logs -------------------------------------------------------------- */

static int equal_stmt(struct cx_exec *x, const struct cx_stmt *s)
{
    struct cx_val a, b;
    if (x->f->kind == CX_IN_PORTS) return 0;
    if (x->f->kind != CX_IN_TEMPLATE)
        return cx_error(x->s, s->pos, s->end, "constraints stand in templates only");
    if (x->f->code->region)
        return cx_error(
            x->s, s->pos, s->end,
            "a constraint stands under a condition that is not "
            "known when compiling\nmake it unconditional: (condition) * (difference) === 0");
    int r = cx_eval(x, s->a, &a);
    if (r < 0 || (r = cx_eval(x, s->b, &b)) < 0) return r;
    if (a.is_tuple || b.is_tuple || a.n != b.n || a.n_dims != b.n_dims)
        return cx_error(x->s, s->pos, s->end, "the two sides have different shapes");
    for (uint32_t i = 0; i < a.n; i++) {
        const struct sn_zv *l = &cx_elems(&a)[i], *q = &cx_elems(&b)[i];
        if ((r = cx_constrain(x, l, q, s->pos, s->end)) < 0) return r;
        if (l->kind <= SN_ZV_FE && q->kind <= SN_ZV_FE) continue;
        uint32_t ln = cx_node_of(x, l), qn = cx_node_of(x, q);
        if (!ln || !qn) return SN_E_NOMEM;
        if (ln != qn && (r = cx_effect(x, CXN_CHECK, ln, qn, 0, s->pos)) < 0) return r;
    }
    return 0;
}

static int assert_stmt(struct cx_exec *x, const struct cx_stmt *s)
{
    struct sn_zv v;
    if (x->f->kind == CX_IN_PORTS) return 0;
    int r = cx_eval_scalar(x, s->a, &v);
    if (r < 0) return r;
    if (v.kind > SN_ZV_FE) return cx_effect(x, CXN_ASSERT, v.node, 0, 0, s->pos);
    if (!sn_zv_is_zero(&v)) return 0;
    if (x->f->code && x->f->code->region) {
        uint32_t n = cx_node_of(x, &v);
        return n ? cx_effect(x, CXN_ASSERT, n, 0, 0, s->pos) : SN_E_NOMEM;
    }
    return cx_error(x->s, s->pos, s->end, "this assert is false");
}

static int log_string(struct cx_exec *x, struct sn_str text, uint32_t pos)
{
    int r = sn_vec_push(&x->c->strings, text);
    return r < 0 ? r : cx_effect(x, CXN_LOG_STR, 0, 0, (uint32_t)x->c->strings.len - 1, pos);
}
static int log_stmt(struct cx_exec *x, const struct cx_stmt *s)
{
    if (x->f->kind == CX_IN_PORTS || x->f->kind == CX_IN_BUS) return 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct cx_expr *e = s->args[i];
        struct cx_val v;
        int r = i ? log_string(x, SN_STR(" "), s->pos) : 0;
        if (r == 0 && e->kind == CX_STRING)
            r = log_string(x, e->text, s->pos);
        else if (r == 0 && (r = cx_eval(x, e, &v)) == 0) {
            if (v.is_tuple) return cx_error(x->s, e->pos, e->end, "a tuple cannot be logged");
            for (uint32_t k = 0; r == 0 && k < v.n; k++) {
                uint32_t n = cx_node_of(x, &cx_elems(&v)[k]);
                if (!n) return SN_E_NOMEM;
                if (k) r = log_string(x, SN_STR(" "), s->pos);
                if (r == 0) r = cx_effect(x, CXN_LOG_NUM, n, 0, 0, s->pos);
            }
        }
        if (r < 0) return r;
    }
    return cx_effect(x, CXN_LOG_END, 0, 0, 0, s->pos);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int block(struct cx_exec *x, const struct cx_stmt *s)
{
    size_t ents = x->ents.len;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < s->n && !x->f->returned; i++) {
        r = cx_exec(x, s->list[i]);
        if (x->f->kind == CX_IN_PORTS && x->f->ports_left == 0) x->f->returned = true;
    }
    if (s->scope) cx_pop_ents(x, ents);
    return r;
}

static int budget(struct cx_exec *x, const struct cx_stmt *s)
{
    if (++x->steps > x->s->steps_max)
        return cx_limit(x->s, SN_E_TOO_LARGE, s->pos,
                        "more than %llu statements executed\ndoes this loop end?",
                        (unsigned long long)x->s->steps_max);
    if (x->f->kind == CX_IN_INLINE &&
        x->f->code->nodes.len - x->f->nodes_at_start > CX_INLINE_NODES_MAX)
        return CX_NEED_CALL;
    return 0;
}

int cx_exec(struct cx_exec *x, const struct cx_stmt *s)
{
    int r = budget(x, s);
    if (r < 0) return r;
    switch (s->kind) {
    case CX_BLOCK: return block(x, s);
    case CX_IF: return if_stmt(x, s);
    case CX_WHILE: return while_stmt(x, s);
    case CX_RETURN: return return_stmt(x, s);
    case CX_DECL:
        if (x->f->kind == CX_IN_PORTS && x->f->ports_left && s->decl->kind == CX_SIGNAL &&
            s->decl->dir != CX_MIDDLE)
            x->f->ports_left--;
        return cx_declare(x, s->decl);
    case CX_ASSIGN: return assign_stmt(x, s);
    case CX_EQUAL: return equal_stmt(x, s);
    case CX_LOG: return log_stmt(x, s);
    case CX_ASSERT: return assert_stmt(x, s);
    default: {
        struct cx_val v;
        return x->f->kind == CX_IN_PORTS ? 0 : cx_eval(x, s->a, &v);
    }
    }
}
