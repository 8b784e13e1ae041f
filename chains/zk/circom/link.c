/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/link.c - where signals lie, what they are called, the rows of the whole circuit. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"
#include "zk/gates.h"

/* ---- layout ---------------------------------------------------------------------------------- */

static bool is_public(const struct cx_source *s, uint32_t sym)
{
    for (uint32_t i = 0; i < s->n_publics; i++)
        if (s->publics[i] == sym) return true;
    return false;
}

/* Outputs, inputs (main: the public ones first), the rest: each in order of declaration. */
static unsigned rank(const struct cx_exec *x, const struct cx_inst *inst, const struct cx_own *o)
{
    if (o->dir == CX_OUTPUT) return 0;
    if (o->dir != CX_INPUT) return 3;
    return inst->is_main && !is_public(x->s, o->sym) ? 2 : 1;
}

static void place_own(struct cx_exec *x, struct cx_inst *inst)
{
    for (unsigned k = 0; k < 4; k++) {
        SN_VEC_EACH (&inst->own, o) {
            if (rank(x, inst, o) != k) continue;
            o->offset = inst->n_own;
            for (uint32_t i = 0; i < o->n; i++) inst->remap[o->prov + i] = inst->n_own++;
        }
    }
}

struct by_name {
    const struct cx_source *s;
    const struct cx_comp *comps;
};
static int comp_cmp(const void *a, const void *b, void *ctx)
{
    const struct by_name *c = ctx;
    const struct cx_comp *p = &c->comps[*(const uint32_t *)a], *q = &c->comps[*(const uint32_t *)b];
    int r = p->sym == q->sym ? 0 : sn_str_cmp(cx_name(c->s, p->sym), cx_name(c->s, q->sym));
    for (uint32_t i = 0; r == 0 && i < p->n_index && i < q->n_index; i++)
        r = p->index[i] < q->index[i] ? -1 : p->index[i] > q->index[i];
    return r;
}

static int place_comps(struct cx_exec *x, struct cx_inst *inst)
{
    inst->order = sn_arena_array(x->arena, inst->comps.len, sizeof(uint32_t));
    if (!inst->order) return SN_E_NOMEM;
    for (uint32_t i = 0; i < inst->comps.len; i++) inst->order[i] = i;
    struct by_name ctx = {x->s, inst->comps.ptr};
    qsort_r(inst->order, inst->comps.len, sizeof(uint32_t), comp_cmp, &ctx);
    inst->size = inst->n_own;
    for (uint32_t i = 0; i < inst->comps.len; i++) {
        struct cx_comp *c = &inst->comps.ptr[inst->order[i]];
        c->offset = (uint32_t)inst->size;
        inst->size += c->inst->size;
        if (inst->size >= x->s->signals_max)
            return cx_limit(x->s, SN_E_TOO_LARGE, inst->def->pos, "more than %u signals",
                            x->s->signals_max);
        for (uint32_t p = 0; p < c->ports.n; p++)
            for (uint32_t k = 0; k < c->ports.ptr[p].n; k++)
                inst->remap[cx_port_prov(c, p) + k] = c->offset + c->ports.ptr[p].offset + k;
        inst->has_custom |= c->inst->has_custom;
        inst->all_nonlinear += c->inst->all_nonlinear;
        inst->all_linear += c->inst->all_linear;
        if (c->inst->depth + 1 > inst->depth) inst->depth = c->inst->depth + 1;
    }
    return 0;
}

/* Rows were written with provisional signals: the final ones, in order. Rows are short or nearly
 * sorted: insertion. */
static void place_rows(struct cx_inst *inst)
{
    uint32_t *w = inst->row_wire.ptr, *c = inst->row_coef.ptr;
    size_t at = 0;
    for (size_t i = 0; i < inst->row_n.len; i++) {
        uint32_t n = inst->row_n.ptr[i];
        for (uint32_t k = 0; k < n; k++) {
            uint32_t wire = w[at + k] ? inst->remap[w[at + k] - 1] + 1 : 0, coef = c[at + k], m = k;
            for (; m > 0 && w[at + m - 1] > wire; m--) {
                w[at + m] = w[at + m - 1];
                c[at + m] = c[at + m - 1];
            }
            w[at + m] = wire;
            c[at + m] = coef;
        }
        at += n;
    }
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static int bus_shape(struct cx_exec *x, const struct cx_bus *b, struct sn_witness_shape *ret)
{
    struct sn_witness_shape *f = sn_arena_array(x->arena, b->n_fields, sizeof(*f));
    if (!f) return SN_E_NOMEM;
    for (uint32_t i = 0; i < b->n_fields; i++) {
        const struct cx_field *q = &b->fields[i];
        f[i].name = cx_name(x->s, q->sym);
        f[i].dims = q->dims;
        f[i].n_dims = q->n_dims;
        f[i].label = q->offset;
        f[i].n_signals = q->n;
        int r = q->bus ? bus_shape(x, q->bus, &f[i]) : 0;
        if (r < 0) return r;
    }
    ret->fields = f;
    ret->n_fields = b->n_fields;
    return 0;
}

static int own_shape(struct cx_exec *x, const struct cx_own *o, struct sn_witness_shape *ret)
{
    uint32_t *dims = sn_arena_array(x->arena, o->n_dims, sizeof(*dims));
    if (!dims) return SN_E_NOMEM;
    memcpy(dims, o->dims, o->n_dims * sizeof(*dims));
    *ret = (struct sn_witness_shape){.name = cx_name(x->s, o->sym),
                                     .dims = dims,
                                     .n_dims = o->n_dims,
                                     .label = o->offset,
                                     .n_signals = o->n};
    return o->bus ? bus_shape(x, o->bus, ret) : 0;
}
static int own_shapes(struct cx_exec *x, const struct cx_inst *inst, struct sn_winstance *w)
{
    struct sn_witness_shape *s = sn_arena_array(x->arena, inst->own.len, sizeof(*s));
    if (!s) return SN_E_NOMEM;
    for (size_t i = 0; i < inst->own.len; i++) {
        int r = own_shape(x, &inst->own.ptr[i], &s[i]);
        if (r < 0) return r;
    }
    w->signals = s;
    w->n_signals = (uint32_t)inst->own.len;
    return 0;
}

int cx_layout(struct cx_exec *x, struct cx_inst *inst, struct cx_code *code)
{
    inst->remap = sn_arena_array(x->arena, inst->n_prov + 1u, sizeof(uint32_t));
    if (!inst->remap) return SN_E_NOMEM;
    place_own(x, inst);
    inst->has_custom = inst->def->custom;
    inst->all_nonlinear = inst->nonlinear;
    inst->all_linear = inst->linear;
    int r = place_comps(x, inst);
    if (r < 0) return r;
    place_rows(inst);
    struct sn_winstance w = {.n_subs = (uint32_t)inst->comps.len,
                             .order = inst->order,
                             .size = (uint32_t)inst->size};
    struct sn_wsub *subs = sn_arena_array(x->arena, inst->comps.len, sizeof(*subs));
    if (!subs) return SN_E_NOMEM;
    for (uint32_t i = 0; i < w.n_subs; i++) {
        const struct cx_comp *c = &inst->comps.ptr[i];
        uint32_t *index = sn_arena_array(x->arena, c->n_index, sizeof(*index));
        if (!index) return SN_E_NOMEM;
        memcpy(index, c->index, c->n_index * sizeof(*index));
        subs[i] = (struct sn_wsub){
            c->inst->id, c->offset, cx_name(x->s, c->sym), index, c->n_index};
    }
    w.subs = subs;
    if ((r = own_shapes(x, inst, &w)) < 0) return r;
    if ((r = cx_finish_code(x, code, inst->remap, &w.code)) < 0) return r;
    inst->remap = NULL;
    return sn_vec_push(&x->c->winsts, w);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static int link_inputs(struct cx_exec *x, struct cx_inst *m)
{
    struct sn_witness_prog *p = &x->c->prog;
    struct sn_witness_shape *s = sn_arena_array(x->arena, m->own.len, sizeof(*s));
    if (!s) return SN_E_NOMEM;
    uint32_t n_out = 0;
    SN_VEC_EACH (&m->own, o) {
        if (o->dir == CX_OUTPUT) n_out += o->n;
        if (o->dir != CX_INPUT) continue;
        struct sn_witness_shape *q = &s[p->n_shapes++];
        int r = own_shape(x, o, q);
        if (r < 0) return r;
        q->label++; /* the constant one comes first */
        q->is_public = is_public(x->s, o->sym);
        if (q->is_public) x->c->n_public += o->n;
        p->n_inputs += o->n;
        if (cx_any_tag(&o->tags))
            return cx_error(x->s, o->pos, o->pos + (uint32_t)cx_name(x->s, o->sym).len,
                            "inputs of main have no tags, nor have the fields of their buses\n"
                            "tag a signal inside of main, and constrain it");
    }
    for (uint32_t k = 0; k < x->s->n_publics; k++) {
        uint32_t sym = x->s->publics[k];
        bool found = false;
        SN_VEC_EACH (&m->own, o) found |= o->dir == CX_INPUT && o->sym == sym;
        if (!found)
            return cx_error(x->s, x->s->main_pos, 0, "main has no input \"%.*s\" to make public",
                            SN_STR_ARG(cx_name(x->s, sym)));
    }
    p->inputs = s;
    p->first_input = n_out + 1;
    return 0;
}

static bool place(void *ctx, uint32_t pos, struct sn_wplace *ret)
{
    const struct sn_circom *c = ctx;
    uint32_t column = 0;
    const struct cx_file *f = cx_place(&c->src, pos, &ret->line, &column);
    if (!f) return false;
    ret->file = f->path;
    ret->column = column + 1;
    ret->text = sn_str_trim(cx_line(f, ret->line));
    return true;
}

int cx_link(struct cx_exec *x)
{
    struct sn_circom *c = x->c;
    struct sn_witness_prog *p = &c->prog;
    int r = link_inputs(x, c->main);
    if (r < 0) return r;
    p->field = x->field;
    p->instances = c->winsts.ptr;
    p->n_instances = (uint32_t)c->winsts.len;
    p->functions = c->wfuncs.ptr;
    p->n_functions = (uint32_t)c->wfuncs.len;
    p->consts = c->consts.ptr;
    p->n_consts = (uint32_t)c->consts.len;
    p->strings = c->strings.ptr;
    p->n_strings = (uint32_t)c->strings.len;
    p->main = c->main->id;
    p->n_labels = c->main->size + 1;
    p->place = place;
    p->ctx = c;
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static void sym_name(void *ctx, uint64_t label, struct sn_buf *out)
{
    sn_wlabel_name(sn_circom_witness(ctx), label, out);
}
static uint64_t sym_node(void *ctx, uint64_t label)
{
    return label ? sn_wlabel_instance(sn_circom_witness(ctx), label) : 0;
}
struct sn_sym_source sn_circom_sym(const struct sn_circom *c)
{
    return (struct sn_sym_source){.name = sym_name, .node = sym_node, .ctx = (void *)c};
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct linker {
    const struct sn_circom *c;
    struct sn_r1cs_builder b;
    uint32_t *coef; /* ours -> the builder's */
    SN_VEC(uint32_t) wire;
    SN_VEC(uint32_t) ids;
};

static int add_rows(struct linker *l, const struct cx_inst *inst, uint32_t base)
{
    size_t at = 0;
    for (size_t i = 0; i < inst->row_n.len; i += 3) {
        const uint32_t *n = &inst->row_n.ptr[i];
        uint32_t all = n[0] + n[1] + n[2];
        if (sn_vec_reserve(&l->wire, all) < 0 || sn_vec_reserve(&l->ids, all) < 0)
            return SN_E_NOMEM;
        for (uint32_t k = 0; k < all; k++) {
            uint32_t w = inst->row_wire.ptr[at + k];
            l->wire.ptr[k] = w ? w + base : 0;
            l->ids.ptr[k] = l->coef[inst->row_coef.ptr[at + k]];
        }
        int r = sn_r1cs_add_ids(&l->b, n, l->wire.ptr, l->ids.ptr);
        if (r < 0) return r;
        at += all;
    }
    for (uint32_t i = 0; i < inst->comps.len; i++) {
        const struct cx_comp *c = &inst->comps.ptr[inst->order[i]];
        if (c->inst->all_linear + c->inst->all_nonlinear == 0) continue;
        int r = add_rows(l, c->inst, base + c->offset);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- custom gates ---------------------------------------------------------------------------- */

struct by_param {
    const struct cx_source *s;
    const struct cx_def *def;
};
static int param_cmp(const void *a, const void *b, void *ctx)
{
    const struct by_param *c = ctx;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    return sn_str_cmp(cx_name(c->s, c->def->params[i]), cx_name(c->s, c->def->params[j]));
}

/* The gate an instance is: parameters in the order of their names, arrays flat. */
static int add_gate(const struct sn_circom *c, const struct cx_inst *inst, struct sn_r1cs_gates *g)
{
    const struct cx_def *d = inst->def;
    uint32_t *order SN_CLEANUP(sn_freep) = sn_alloc((d->n_params + 1u) * sizeof(*order));
    SN_VEC(struct sn_fe) values = {0};
    if (!order) return SN_E_NOMEM;
    for (uint32_t i = 0; i < d->n_params; i++) order[i] = i;
    struct by_param ctx = {&c->src, d};
    qsort_r(order, d->n_params, sizeof(*order), param_cmp, &ctx);
    int r = 0;
    for (uint32_t i = 0; i < d->n_params; i++) {
        const struct cx_val *v = &inst->args[order[i]];
        for (uint32_t k = 0; r == 0 && k < v->n; k++) {
            struct sn_fe m;
            sn_zv_fe(c->src.field, &m, &cx_elems(v)[k]);
            r = sn_vec_push(&values, m);
        }
    }
    if (r == 0)
        r = sn_r1cs_gates_add(g, cx_name(&c->src, d->sym), values.ptr, (uint32_t)values.len);
    sn_vec_done(&values);
    return r;
}

/* Uses below inst, whose first signal is wire `base`; signals in order of declaration. */
static int add_uses(const struct cx_inst *inst, uint64_t base, const uint32_t *gate_of,
                    struct sn_r1cs_gates *g)
{
    int r = 0;
    if (inst->def->custom) {
        r = sn_r1cs_gates_use(g, gate_of[inst->id]);
        SN_VEC_EACH (&inst->own, o)
            for (uint32_t k = 0; r == 0 && k < o->n; k++)
                r = sn_r1cs_gates_signal(g, base + o->offset + k);
    }
    for (uint32_t i = 0; r == 0 && i < inst->comps.len; i++) {
        const struct cx_comp *k = &inst->comps.ptr[inst->order[i]];
        if (k->inst->has_custom) r = add_uses(k->inst, base + k->offset, gate_of, g);
    }
    return r;
}

static int add_gates(const struct sn_circom *c, struct sn_r1cs *s)
{
    if (!c->src.custom_pragma) return 0;
    uint32_t *gate_of SN_CLEANUP(sn_freep) = sn_alloc((c->insts.len + 1) * sizeof(*gate_of));
    s->gates = sn_r1cs_gates_new();
    int r = s->gates && gate_of ? 0 : SN_E_NOMEM;
    for (size_t i = 0; r == 0 && i < c->insts.len; i++) {
        if (!c->insts.ptr[i]->def->custom) continue;
        gate_of[i] = s->gates->n_gates;
        r = add_gate(c, c->insts.ptr[i], s->gates);
    }
    return r < 0 ? r : add_uses(c->main, 1, gate_of, s->gates);
}

int sn_circom_r1cs(const struct sn_circom *c, struct sn_r1cs *ret)
{
    struct linker l = {.c = c};
    int r = sn_r1cs_builder_init(&l.b, c->src.field);
    if (r < 0) return r;
    l.coef = sn_alloc((c->coefs.len + 1) * sizeof(uint32_t));
    if (!l.coef) r = SN_E_NOMEM;
    for (size_t i = 0; r == 0 && i < c->coefs.len; i++) {
        int64_t id = sn_r1cs_coef(&l.b, &c->coefs.ptr[i]);
        if (id < 0)
            r = (int)id;
        else
            l.coef[i] = (uint32_t)id;
    }
    if (r == 0) r = add_rows(&l, c->main, 0);
    const struct cx_ports *p = &c->main->ports;
    struct sn_r1cs_signals s = {.n_outputs = p->n_out,
                                .n_public = c->n_public,
                                .n_private = p->n_in - c->n_public,
                                .n_total = c->main->size + 1};
    if (r == 0)
        r = sn_r1cs_builder_finish(&l.b, &s, ret);
    else
        sn_r1cs_builder_done(&l.b);
    if (r == 0 && (r = add_gates(c, ret)) < 0) sn_r1cs_done(ret);
    sn_free(l.coef);
    sn_vec_done(&l.wire);
    sn_vec_done(&l.ids);
    return r;
}

void sn_circom_row_place(const struct sn_circom *c, uint32_t row, struct sn_buf *out)
{
    const struct cx_inst *inst = c->main;
    uint64_t at = row, base = 1;
    while (at >= inst->row_pos.len) {
        at -= inst->row_pos.len;
        const struct cx_comp *k = NULL;
        for (uint32_t i = 0; i < inst->comps.len; i++) {
            const struct cx_comp *q = &inst->comps.ptr[inst->order[i]];
            uint64_t n = q->inst->all_linear + q->inst->all_nonlinear;
            if (at < n) {
                k = q;
                break;
            }
            at -= n;
        }
        if (!k) return;
        base += k->offset;
        inst = k->inst;
    }
    sn_wplace_text(&c->prog, inst->row_pos.ptr[at], base, out);
}
