/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/exec_expr.c - the value of an expression, as far as it is known. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"

/* ---- frames and names ------------------------------------------------------------------------ */

int cx_push_frame(struct cx_exec *x, struct cx_frame *f, uint32_t pos)
{
    if (++x->depth > SN_CIRCOM_CALLS_MAX) {
        x->depth--;
        return cx_limit(x->s, SN_E_DEPTH, pos,
                        "more than %u functions and templates within each other\n"
                        "does this recursion end?",
                        SN_CIRCOM_CALLS_MAX);
    }
    f->up = x->f;
    f->ents_base = x->ents.len;
    sn_arena_init(&f->arena, &x->pool, 0);
    if (f->code) f->nodes_at_start = (uint32_t)f->code->nodes.len;
    x->f = f;
    return 0;
}
void cx_pop_frame(struct cx_exec *x)
{
    struct cx_frame *f = x->f;
    cx_pop_ents(x, f->ents_base);
    sn_arena_done(&f->arena);
    sn_vec_done(&f->fields);
    x->f = f->up;
    x->depth--;
}

struct cx_ent *cx_find(struct cx_exec *x, uint32_t sym)
{
    for (size_t i = x->ents.len; i > x->f->ents_base; i--)
        if (x->ents.ptr[i - 1]->sym == sym) return x->ents.ptr[i - 1];
    return NULL;
}
int cx_push_ent(struct cx_exec *x, enum cx_ent_kind kind, uint32_t sym, uint32_t pos,
                struct cx_ent **ret)
{
    struct cx_ent *e = x->free_ents;
    if (e)
        x->free_ents = e->next_free;
    else
        e = SN_NEW(struct cx_ent);
    if (!e) return SN_E_NOMEM;
    *e = (struct cx_ent){.kind = (uint8_t)kind, .sym = sym, .pos = pos, .n = 1};
    e->elems = &e->one;
    int r = sn_vec_push(&x->ents, e);
    if (r < 0) {
        sn_free(e);
        return r;
    }
    *ret = e;
    return 0;
}
void cx_pop_ents(struct cx_exec *x, size_t to)
{
    while (x->ents.len > to) {
        struct cx_ent *e = x->ents.ptr[--x->ents.len];
        if (e->elems != &e->one) sn_free(e->elems);
        sn_free(e->comps);
        e->next_free = x->free_ents;
        x->free_ents = e;
    }
}

/* ---- operators ------------------------------------------------------------------------------- */

static uint8_t degree_of(const struct cx_exec *x, uint32_t n)
{
    return x->f->code->nodes.ptr[n].deg;
}

/* What a constraint may make of the result; circom knows constants, linear expressions and one
 * product of two of them plus a linear one. */
static uint8_t result_degree(enum sn_zop op, uint8_t a, uint8_t b, bool square)
{
    uint8_t most = a > b ? a : b;
    switch (op) {
    case SN_ZOP_ADD:
    case SN_ZOP_SUB: return a == CX_DEG_QUADRATIC && b == CX_DEG_QUADRATIC ? CX_DEG_NONE : most;
    case SN_ZOP_MUL:
        if (a == CX_DEG_CONST || b == CX_DEG_CONST) return most;
        return most == CX_DEG_LINEAR ? CX_DEG_QUADRATIC : CX_DEG_NONE;
    case SN_ZOP_DIV: return b == CX_DEG_CONST ? a : CX_DEG_NONE;
    case SN_ZOP_POW: return square && a == CX_DEG_LINEAR ? CX_DEG_QUADRATIC : CX_DEG_NONE;
    case SN_ZOP_NEG: return a;
    default: return CX_DEG_NONE;
    }
}

int cx_op(struct cx_exec *x, enum sn_zop op, struct sn_zv *ret, const struct sn_zv *a,
          const struct sn_zv *b, uint32_t pos, uint32_t end)
{
    bool unary = op >= SN_ZOP_NEG;
    bool known_b = unary || b->kind <= SN_ZV_FE;
    if (!unary && known_b && (op == SN_ZOP_DIV || op == SN_ZOP_IDIV || op == SN_ZOP_MOD) &&
        sn_zv_is_zero(b))
        return cx_error(x->s, pos, end, "division by zero");
    if (a->kind <= SN_ZV_FE && known_b) return sn_zv_op(x->field, op, ret, a, b);
    struct cx_node n = {.op = (uint8_t)op, .pos = pos};
    if (!(n.a = cx_node_of(x, a)) || (!unary && !(n.b = cx_node_of(x, b)))) return SN_E_NOMEM;
    bool square = known_b && b->kind == SN_ZV_SMALL && b->s == 2;
    n.deg = result_degree(op, degree_of(x, n.a), unary ? CX_DEG_CONST : degree_of(x, n.b), square);
    uint32_t id = cx_node(x, n);
    if (!id)
        return cx_limit(x->s, SN_E_TOO_LARGE, pos, "more than %u operations in one template",
                        x->s->nodes_max);
    *ret = (struct sn_zv){.kind = SN_ZV_NODE, .node = id};
    return 0;
}

int cx_eval_scalar(struct cx_exec *x, const struct cx_expr *e, struct sn_zv *ret)
{
    if (e->kind == CX_NUM) {
        *ret = e->num;
        return 0;
    }
    if (e->kind == CX_BINARY) {
        struct sn_zv a, b;
        int r = cx_eval_scalar(x, e->a, &a);
        if (r < 0 || (r = cx_eval_scalar(x, e->b, &b)) < 0) return r;
        return cx_op(x, e->op, ret, &a, &b, e->pos, e->end);
    }
    if (e->kind == CX_UNARY) {
        struct sn_zv a;
        int r = cx_eval_scalar(x, e->a, &a);
        return r < 0 ? r : cx_op(x, e->op, ret, &a, &a, e->pos, e->end);
    }
    struct cx_val v;
    int r = cx_eval(x, e, &v);
    if (r < 0) return r;
    if (v.is_tuple || v.n_dims || v.bus)
        return cx_error(x->s, e->pos, e->end, "expected a single number, found %s",
                        v.is_tuple ? "a tuple"
                        : v.n_dims ? "an array"
                                   : "a bus");
    *ret = *cx_elems(&v);
    return 0;
}

int cx_eval_size(struct cx_exec *x, const struct cx_expr *e, uint32_t *ret)
{
    struct sn_zv v;
    int r = cx_eval_scalar(x, e, &v);
    if (r < 0) return r;
    if (v.kind > SN_ZV_FE && x->f->kind == CX_IN_PORTS) return CX_UNSIZED;
    if (v.kind > SN_ZV_FE)
        return cx_error(x->s, e->pos, e->end, "the size of an array must be known when compiling");
    int64_t n = sn_zv_index(x->field, &v, (uint64_t)x->s->array_max + 1);
    if (n < 0)
        return cx_limit(x->s, SN_E_TOO_LARGE, e->pos, "an array of more than %u elements",
                        x->s->array_max);
    *ret = (uint32_t)n;
    return 0;
}

/* ---- arrays, conditions ---------------------------------------------------------------------- */

int cx_copy_val(struct cx_exec *x, struct sn_arena *a, struct cx_val *ret, const struct cx_val *v)
{
    struct cx_val out = *v;
    if (v->many) {
        out.many = sn_arena_array(a, v->n, sizeof(struct sn_zv));
        if (!out.many) return SN_E_NOMEM;
        memcpy(out.many, v->many, v->n * sizeof(struct sn_zv));
    }
    *ret = out;
    return 0;
}

static bool same_shape(const struct cx_val *a, const struct cx_val *b)
{
    if (a->n_dims != b->n_dims || a->n != b->n || a->bus != b->bus || a->is_tuple || b->is_tuple)
        return false;
    return memcmp(a->dims, b->dims, a->n_dims * sizeof(a->dims[0])) == 0;
}

static SN_NOINLINE int eval_array(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret)
{
    struct cx_val out = {0}, first = {0}, v;
    struct cx_tags *tags = NULL;
    for (uint32_t i = 0; i < e->n; i++) {
        int r = cx_eval(x, e->list[i], &v);
        if (r < 0) return r;
        if (i == 0 && cx_any_tag(v.tags)) {
            if (!(tags = SN_ARENA_NEW(&x->f->arena, struct cx_tags))) return SN_E_NOMEM;
            r = cx_copy_tags(x, tags, v.tags);
        } else if (tags) {
            r = cx_common_tags(x, tags, v.tags);
        }
        if (r < 0) return r;
        if (i == 0) {
            if (v.n_dims + 1 > CX_DIMS_MAX || v.is_tuple)
                return cx_error(x->s, e->pos, e->end, "this cannot be an element of an array");
            first = v;
            out.n_dims = v.n_dims + 1;
            out.dims[0] = e->n;
            memcpy(out.dims + 1, v.dims, v.n_dims * sizeof(v.dims[0]));
            out.n = e->n * v.n;
            out.bus = v.bus;
            out.many = sn_arena_array(&x->f->arena, out.n, sizeof(struct sn_zv));
            if (!out.many) return SN_E_NOMEM;
        } else if (!same_shape(&first, &v)) {
            return cx_error(x->s, e->list[i]->pos, e->list[i]->end,
                            "the elements of an array must have the same shape");
        }
        memcpy(out.many + (size_t)i * first.n, cx_elems(&v), first.n * sizeof(struct sn_zv));
    }
    out.tags = tags;
    *ret = out;
    return 0;
}

/* Whether both values of a condition may be computed although only one is wanted. */
static bool speculative(const struct cx_expr *e)
{
    switch (e->kind) {
    case CX_NUM: return true;
    case CX_NAME: return e->n_acc == 0;
    case CX_UNARY: return speculative(e->a);
    case CX_BINARY:
        return e->op != SN_ZOP_IDIV && e->op != SN_ZOP_MOD && e->op != SN_ZOP_POW &&
               speculative(e->a) && speculative(e->b);
    case CX_COND: return speculative(e->a) && speculative(e->b) && speculative(e->c);
    default: return false;
    }
}

static int new_node(struct cx_exec *x, struct cx_node n, struct sn_zv *ret)
{
    uint32_t id = cx_node(x, n);
    if (!id) return cx_limit(x->s, SN_E_TOO_LARGE, n.pos, "too many operations in one template");
    *ret = (struct sn_zv){.kind = SN_ZV_NODE, .node = id};
    return 0;
}

/* One value of a condition into the slot, within its own region. */
static int cond_branch(struct cx_exec *x, const struct cx_expr *e, uint32_t slot)
{
    struct cx_code *code = x->f->code;
    uint32_t before = code->region;
    struct sn_zv v;
    code->region = ++code->n_regions;
    int r = cx_eval_scalar(x, e, &v);
    uint32_t n = r < 0 ? 0 : cx_node_of(x, &v);
    if (r == 0) r = n ? cx_effect(x, CXN_SET, slot, n, 0, e->pos) : SN_E_NOMEM;
    code->region = before;
    return r;
}

static SN_NOINLINE int eval_cond(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret)
{
    struct sn_zv c, a, b;
    int r = cx_eval_scalar(x, e->c, &c);
    if (r < 0) return r;
    if (c.kind <= SN_ZV_FE) return cx_eval(x, sn_zv_is_zero(&c) ? e->b : e->a, ret);
    *ret = (struct cx_val){.n = 1};
    struct cx_code *code = x->f->code;
    if (speculative(e->a) && speculative(e->b)) {
        if ((r = cx_eval_scalar(x, e->a, &a)) < 0 || (r = cx_eval_scalar(x, e->b, &b)) < 0)
            return r;
        struct cx_node n = {.op = CXN_SELECT, .deg = CX_DEG_NONE, .pos = e->pos, .a = c.node};
        if (!(n.b = cx_node_of(x, &a)) || !(n.c = cx_node_of(x, &b))) return SN_E_NOMEM;
        return new_node(x, n, &ret->one);
    }
    uint32_t slot = code->n_slots++, other = code->n_labels++, end = code->n_labels++;
    if ((r = cx_effect(x, CXN_JZ, c.node, 0, other, e->pos)) < 0 ||
        (r = cond_branch(x, e->a, slot)) < 0 ||
        (r = cx_effect(x, CXN_JMP, 0, 0, end, e->pos)) < 0 ||
        (r = cx_effect(x, CXN_LABEL, other, 0, 0, e->pos)) < 0 ||
        (r = cond_branch(x, e->b, slot)) < 0 ||
        (r = cx_effect(x, CXN_LABEL, end, 0, 0, e->pos)) < 0)
        return r;
    return new_node(x,
                    (struct cx_node){.op = CXN_GET, .deg = CX_DEG_NONE, .a = slot, .pos = e->pos},
                    &ret->one);
}

static SN_NOINLINE int eval_tuple(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret)
{
    struct cx_val out = {.is_tuple = true, .n_items = e->n};
    out.items = sn_arena_array(&x->f->arena, e->n, sizeof(struct cx_val));
    if (!out.items) return SN_E_NOMEM;
    for (uint32_t i = 0; i < e->n; i++) {
        int r = cx_eval(x, e->list[i], &out.items[i]);
        if (r < 0) return r;
    }
    *ret = out;
    return 0;
}

static SN_NOINLINE int eval_name(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret)
{
    struct cx_place p;
    int r = cx_resolve(x, e, &p);
    return r < 0 ? r : cx_read(x, &p, e, ret);
}

int cx_eval(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret)
{
    switch (e->kind) {
    case CX_NUM:
    case CX_BINARY:
    case CX_UNARY:
        ret->many = NULL;
        ret->items = NULL;
        ret->n = 1;
        ret->n_dims = 0;
        ret->is_tuple = false;
        ret->bus = NULL;
        ret->tags = NULL;
        return cx_eval_scalar(x, e, &ret->one);
    case CX_NAME: {
        struct cx_ent *ent = e->n_acc ? NULL : cx_find(x, e->sym);
        if (ent && ent->kind == CX_ENT_VAR && ent->n_dims == 0 && ent->one.kind != SN_ZV_SLOT) {
            *ret = (struct cx_val){.one = ent->one, .n = 1};
            return 0;
        }
        return eval_name(x, e, ret);
    }
    case CX_COND: return eval_cond(x, e, ret);
    case CX_CALL: return cx_call(x, e, ret);
    case CX_ANON: return cx_anonymous(x, e, ret);
    case CX_ARRAY: return eval_array(x, e, ret);
    case CX_TUPLE: return eval_tuple(x, e, ret);
    case CX_UNDERSCORE: return cx_error(x->s, e->pos, e->end, "_ has no value");
    default: return cx_error(x->s, e->pos, e->end, "a string has no value");
    }
}

/* ---- keys ------------------------------------------------------------------------------------ */

static int key_put(struct cx_exec *x, const void *p, size_t n) { return sn_buf_put(&x->key, p, n); }

/* Constants by value, everything else by shape. */
int cx_key_val(struct cx_exec *x, const struct cx_val *v, bool shape_only)
{
    (void)key_put(x, &v->n_dims, sizeof(v->n_dims));
    (void)key_put(x, v->dims, v->n_dims * sizeof(v->dims[0]));
    const struct sn_zv *e = cx_elems(v);
    for (uint32_t i = 0; i < v->n; i++) {
        bool known = e[i].kind <= SN_ZV_FE && !(shape_only && v->n_dims);
        (void)sn_buf_byte(&x->key, known);
        if (!known) continue;
        struct sn_fe m;
        sn_zv_fe(x->field, &m, &e[i]);
        (void)key_put(x, &m, sizeof(m));
    }
    return x->key.err;
}
