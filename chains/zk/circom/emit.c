/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/emit.c - constraints: expressions flattened to linear combinations. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"

struct flat {
    struct cx_exec *x;
    const struct cx_node *n;
    struct sn_fe constant;
    uint32_t product; /* node, 0 = none */
    struct sn_fe product_coef;
    SN_VEC(struct sn_lc_term) terms; /* wires are provisional signals + 1 */
};

static int room(struct cx_exec *x, size_t n)
{
    if (n <= x->acc_cap) return 0;
    size_t cap = n + n / 2;
    struct sn_fe *acc = sn_realloc(x->acc, cap * sizeof(*acc));
    if (acc) x->acc = acc;
    uint8_t *seen = acc ? sn_realloc(x->seen, cap) : NULL;
    if (!seen) return SN_E_NOMEM;
    memset(seen + x->acc_cap, 0, cap - x->acc_cap);
    x->seen = seen;
    x->acc_cap = cap;
    return 0;
}

/* The nodes still to do, the latest first: operands always precede their users. */
static int heap_push(struct cx_exec *x, uint32_t v)
{
    int r = sn_vec_push(&x->heap, v);
    if (r < 0) return r;
    uint32_t *h = x->heap.ptr;
    size_t i = x->heap.len - 1;
    for (; i > 0 && h[(i - 1) / 2] < v; i = (i - 1) / 2) h[i] = h[(i - 1) / 2];
    h[i] = v;
    return 0;
}
static uint32_t heap_pop(struct cx_exec *x)
{
    uint32_t *h = x->heap.ptr, top = h[0], v = h[--x->heap.len];
    size_t n = x->heap.len, i = 0;
    for (size_t k; (k = 2 * i + 1) < n; i = k) {
        if (k + 1 < n && h[k + 1] > h[k]) k++;
        if (h[k] <= v) break;
        h[i] = h[k];
    }
    if (n) h[i] = v;
    return top;
}

static int add(struct flat *f, uint32_t node, const struct sn_fe *coef)
{
    struct cx_exec *x = f->x;
    if (x->seen[node]) {
        sn_fe_add(x->field, &x->acc[node], &x->acc[node], coef);
        return 0;
    }
    x->seen[node] = 1;
    x->acc[node] = *coef;
    return heap_push(x, node);
}
static void const_fe(const struct flat *f, uint32_t node, struct sn_fe *ret)
{
    sn_zv_fe(f->x->field, ret, &f->x->c->consts.ptr[f->n[node].a - 1]);
}

static int expand(struct flat *f, uint32_t i, const struct sn_fe *c)
{
    const struct cx_node *n = &f->n[i];
    const struct sn_field *fd = f->x->field;
    struct sn_fe t;
    int r;
    switch (n->op) {
    case CXN_CONST:
        const_fe(f, i, &t);
        sn_fe_mul(fd, &t, &t, c);
        sn_fe_add(fd, &f->constant, &f->constant, &t);
        return 0;
    case CXN_SIGNAL: return sn_vec_push(&f->terms, (struct sn_lc_term){n->a + 1, *c});
    case SN_ZOP_ADD: r = add(f, n->a, c); return r < 0 ? r : add(f, n->b, c);
    case SN_ZOP_SUB:
        r = add(f, n->a, c);
        sn_fe_neg(fd, &t, c);
        return r < 0 ? r : add(f, n->b, &t);
    case SN_ZOP_NEG: sn_fe_neg(fd, &t, c); return add(f, n->a, &t);
    case SN_ZOP_DIV:
        const_fe(f, n->b, &t);
        sn_fe_inv(fd, &t, &t);
        sn_fe_mul(fd, &t, &t, c);
        return add(f, n->a, &t);
    case SN_ZOP_POW: /* a square */
        f->product = i;
        f->product_coef = *c;
        return 0;
    default: break; /* MUL: the degree says that nothing else comes here */
    }
    if (f->n[n->a].deg != CX_DEG_CONST && f->n[n->b].deg != CX_DEG_CONST) {
        f->product = i;
        f->product_coef = *c;
        return 0;
    }
    bool left = f->n[n->a].op == CXN_CONST;
    const_fe(f, left ? n->a : n->b, &t);
    sn_fe_mul(fd, &t, &t, c);
    return add(f, left ? n->b : n->a, &t);
}

static int drain(struct flat *f)
{
    struct cx_exec *x = f->x;
    int r = 0;
    while (x->heap.len) {
        uint32_t i = heap_pop(x);
        struct sn_fe c = x->acc[i];
        x->seen[i] = 0;
        if (r == 0) r = expand(f, i, &c);
    }
    return r;
}
static int flatten(struct flat *f, uint32_t node, const struct sn_fe *coef)
{
    int r = add(f, node, coef);
    return r < 0 ? r : drain(f);
}

static int put_lc(struct cx_exec *x, struct flat *f, const struct sn_fe *scale)
{
    struct cx_inst *inst = x->f->inst;
    struct sn_fe t;
    uint32_t n = 0;
    for (size_t i = 0; i <= f->terms.len; i++) {
        const struct sn_fe *c = i ? &f->terms.ptr[i - 1].coef : &f->constant;
        uint32_t wire = i ? f->terms.ptr[i - 1].wire : 0;
        sn_fe_mul(x->field, &t, c, scale);
        if (sn_fe_is_zero(&t)) continue;
        uint32_t id = cx_coef(x, &t);
        if (!id || sn_vec_push(&inst->row_wire, wire) < 0 ||
            sn_vec_push(&inst->row_coef, id - 1) < 0)
            return SN_E_NOMEM;
        if (wire) inst->assigned.ptr[wire - 1] |= 2;
        n++;
    }
    return sn_vec_push(&inst->row_n, n);
}

static int put_empty(struct cx_exec *x) { return sn_vec_push(&x->f->inst->row_n, 0); }

static int put_product(struct cx_exec *x, struct flat *f)
{
    const struct cx_node *p = &f->n[f->product];
    uint32_t sides[2] = {p->a, p->op == SN_ZOP_POW ? p->a : p->b};
    struct sn_fe one = x->field->one;
    int r = 0;
    for (unsigned k = 0; k < 2 && r == 0; k++) {
        struct flat side = {.x = x, .n = f->n};
        r = flatten(&side, sides[k], &one);
        if (r == 0) r = put_lc(x, &side, k ? &one : &f->product_coef);
        sn_vec_done(&side.terms);
    }
    return r;
}

/* l = r as a row: A*B = C with A*B the product in l - r and C the rest of r - l. */
int cx_constrain(struct cx_exec *x, const struct sn_zv *l, const struct sn_zv *rhs, uint32_t pos,
                 uint32_t end)
{
    struct cx_inst *inst = x->f->inst;
    if (inst->def->custom)
        return cx_error(x->s, pos, end,
                        "a constraint in a custom template\nwhat it means is the proof system's "
                        "business: assign with <--");
    uint32_t a = cx_node_of(x, l), b = cx_node_of(x, rhs);
    if (!a || !b) return SN_E_NOMEM;
    struct flat f = {.x = x, .n = x->f->code->nodes.ptr};
    uint8_t da = f.n[a].deg, db = f.n[b].deg;
    if (da == CX_DEG_NONE || db == CX_DEG_NONE ||
        (da == CX_DEG_QUADRATIC && db == CX_DEG_QUADRATIC))
        return cx_error(x->s, pos, end,
                        "this constraint is not quadratic\n"
                        "a constraint is one product of linear expressions plus a linear one; "
                        "put parts into signals of their own, compute with <-- and constrain the "
                        "result with ===");
    struct sn_fe one = x->field->one, minus;
    sn_fe_neg(x->field, &minus, &one);
    size_t at = inst->row_wire.len, rows = inst->row_n.len;
    int r = room(x, x->f->code->nodes.len);
    if (r == 0) r = add(&f, a, &one);
    if (r == 0) r = add(&f, b, &minus);
    if (r == 0) r = drain(&f);
    if (r == 0) {
        if (f.product)
            r = put_product(x, &f);
        else if ((r = put_empty(x)) == 0)
            r = put_empty(x);
    }
    if (r == 0) r = put_lc(x, &f, &minus);
    sn_vec_done(&f.terms);
    if (r < 0) return r;
    if (!f.product && inst->row_wire.len == at) { /* 0 = 0 */
        inst->row_n.len = rows;
        return 0;
    }
    if (!f.product && inst->row_wire.len == at + 1 && inst->row_wire.ptr[at] == 0)
        return cx_error(x->s, pos, end, "this constraint is never satisfied");
    if (f.product)
        inst->nonlinear++;
    else
        inst->linear++;
    return sn_vec_push(&inst->row_pos, pos);
}
