/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/exec_var.c - what a name with its indexes and fields stands for; variables. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"

/* ---- places ---------------------------------------------------------------------------------- */

static uint32_t stride_of(const struct cx_place *p)
{
    uint32_t n = p->bus ? p->bus->size : 1;
    for (uint32_t i = 1; i < p->n_dims; i++) n *= p->dims[i];
    return n;
}
static void drop_dim(struct cx_place *p)
{
    p->n_dims--;
    memmove(p->dims, p->dims + 1, p->n_dims * sizeof(p->dims[0]));
}

static int index_place(struct cx_exec *x, const struct cx_access *a, struct cx_place *p)
{
    struct sn_zv v;
    const struct cx_expr *e = a->index;
    if (p->n_dims == 0) return cx_error(x->s, e->pos, e->end, "an index too many");
    int r = cx_eval_scalar(x, e, &v);
    if (r < 0) return r;
    uint32_t stride = stride_of(p), size = p->dims[0];
    if (p->ent->unsized) v = sn_zv_small(0);
    if (v.kind <= SN_ZV_FE) {
        int64_t i = sn_zv_index(x->field, &v, size);
        if (i < 0)
            return cx_error(x->s, e->pos, e->end, "index out of range: the array has %u elements",
                            size);
        p->at += (uint32_t)i * stride;
        if (p->is_comp) p->index[p->n_index++] = (uint32_t)i;
    } else {
        if (p->is_comp)
            return cx_error(x->s, e->pos, e->end,
                            "the index of a component must be known when compiling");
        struct cx_node n = {.op = CXN_BOUND, .deg = CX_DEG_NONE, .pos = e->pos, .c = size};
        if (!(n.a = cx_node_of(x, &v))) return SN_E_NOMEM;
        struct sn_zv t = {.kind = SN_ZV_NODE, .node = cx_node(x, n)}, k = sn_zv_small(stride);
        if (!t.node) return SN_E_NOMEM;
        if (stride != 1 && (r = cx_op(x, SN_ZOP_MUL, &t, &t, &k, e->pos, e->end)) < 0) return r;
        struct sn_zv sum = {.kind = SN_ZV_NODE, .node = p->dyn};
        if (p->dyn && (r = cx_op(x, SN_ZOP_ADD, &t, &sum, &t, e->pos, e->end)) < 0) return r;
        p->dyn = t.node;
    }
    p->indexed = true;
    drop_dim(p);
    return 0;
}

static int port_place(struct cx_exec *x, const struct cx_expr *e, const struct cx_access *a,
                      struct cx_place *p)
{
    uint32_t c = p->ent->comps[p->at];
    if (p->n_dims) return cx_error(x->s, e->pos, e->end, "an index is missing before the dot");
    if (c == 0)
        return cx_error(x->s, e->pos, e->end,
                        "this component has no template yet\n"
                        "assign one: %.*s = TEMPLATE(...)",
                        SN_STR_ARG(cx_name(x->s, e->sym)));
    struct cx_comp *comp = &x->f->inst->comps.ptr[c - 1];
    for (uint32_t i = 0; i < comp->ports.n; i++) {
        struct cx_port *port = &comp->ports.ptr[i];
        if (port->sym != a->sym) continue;
        p->is_comp = false;
        p->is_signal = true;
        p->comp = (int32_t)c - 1;
        p->port = (int32_t)i;
        p->prov = cx_port_prov(comp, i);
        p->at = 0;
        p->n = p->total = p->tag_total = port->n;
        p->n_dims = port->n_dims;
        memcpy(p->dims, port->dims, sizeof(p->dims));
        p->bus = port->bus;
        p->tags = &comp->port_tags[i];
        p->indexed = false;
        return 0;
    }
    return cx_error(x->s, a->pos + 1, a->pos + 1 + (uint32_t)cx_name(x->s, a->sym).len,
                    comp->deferred ? "\"%.*s\" has no input or output \"%.*s\" yet\n"
                                     "some depend on the tags of inputs: assign those first"
                                   : "\"%.*s\" has no input or output \"%.*s\"",
                    SN_STR_ARG(cx_name(x->s, comp->def->sym)), SN_STR_ARG(cx_name(x->s, a->sym)));
}

static int field_place(struct cx_exec *x, const struct cx_expr *e, const struct cx_access *a,
                       struct cx_place *p)
{
    if (p->is_comp) return port_place(x, e, a, p);
    if (!p->is_signal) return cx_error(x->s, e->pos, e->end, "variables have no fields");
    for (uint32_t i = 0; p->n_dims == 0 && p->bus && i < p->bus->n_fields; i++) {
        const struct cx_field *f = &p->bus->fields[i];
        if (f->sym != a->sym) continue;
        p->at += f->offset;
        p->n_dims = f->n_dims;
        memcpy(p->dims, f->dims, sizeof(p->dims));
        p->bus = f->bus;
        p->tags = &p->tags->fields[i];
        p->tag_deep |= p->indexed;
        p->indexed = false;
        p->tag_total = f->n;
        return 0;
    }
    p->is_tag = true;
    p->tag = a->sym;
    return 0;
}

int cx_resolve(struct cx_exec *x, const struct cx_expr *e, struct cx_place *ret)
{
    if (e->kind != CX_NAME) return cx_error(x->s, e->pos, e->end, "this cannot be assigned");
    struct cx_ent *ent = cx_find(x, e->sym);
    if (!ent)
        return cx_error(x->s, e->pos, e->end, "\"%.*s\" is not declared",
                        SN_STR_ARG(cx_name(x->s, e->sym)));
    *ret = (struct cx_place){.ent = ent,
                             .n_dims = ent->n_dims,
                             .total = ent->n,
                             .comp = -1,
                             .port = -1,
                             .tag_total = ent->n,
                             .bus = ent->bus,
                             .prov = ent->prov};
    memcpy(ret->dims, ent->dims, sizeof(ret->dims));
    ret->is_signal = ent->kind == CX_ENT_SIGNAL;
    ret->is_comp = ent->kind == CX_ENT_COMPONENT;
    ret->tags = ret->is_signal ? &ent->tags : NULL;
    for (uint32_t i = 0; i < e->n_acc; i++) {
        if (ret->is_tag) return cx_error(x->s, e->pos, e->end, "a tag has no fields");
        int r =
            e->acc[i].index ? index_place(x, &e->acc[i], ret) : field_place(x, e, &e->acc[i], ret);
        if (r < 0) return r;
    }
    uint32_t n = ret->bus ? ret->bus->size : 1;
    for (uint32_t i = 0; i < ret->n_dims; i++) n *= ret->dims[i];
    ret->n = n;
    ret->prov += ret->at;
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int load_elem(struct cx_exec *x, const struct cx_place *p, uint32_t k, uint32_t pos,
                     struct sn_zv *ret)
{
    struct sn_zv idx = {.kind = SN_ZV_NODE, .node = p->dyn}, off = sn_zv_small(k);
    int r = k ? cx_op(x, SN_ZOP_ADD, &idx, &idx, &off, pos, pos) : 0;
    if (r < 0) return r;
    struct cx_node n = {.op = p->is_signal ? CXN_LOAD_SIGNAL : CXN_LOAD,
                        .deg = CX_DEG_NONE,
                        .a = p->is_signal ? p->prov : p->ent->slot + p->at,
                        .b = idx.node,
                        .c = p->total - p->at,
                        .pos = pos};
    *ret = (struct sn_zv){.kind = SN_ZV_NODE, .node = cx_node(x, n)};
    return ret->node ? 0 : SN_E_NOMEM;
}

static int check_assigned(struct cx_exec *x, const struct cx_place *p, const struct cx_expr *e)
{
    struct cx_inst *inst = x->f->inst;
    if (p->comp >= 0) {
        const struct cx_comp *c = &inst->comps.ptr[p->comp];
        if (c->ports.ptr[p->port].dir == CX_OUTPUT && c->left > 0)
            return cx_error(x->s, e->pos, e->end,
                            "this output is not there yet: %u inputs of the component are missing",
                            c->left);
    }
    uint32_t from = p->dyn ? p->prov - p->at : p->prov, n = p->dyn ? p->total : p->n;
    for (uint32_t i = 0; i < n; i++)
        if (!(inst->assigned.ptr[from + i] & 1))
            return cx_error(x->s, e->pos, e->end, "this signal is read before it is assigned");
    return 0;
}

int cx_read(struct cx_exec *x, const struct cx_place *p, const struct cx_expr *e,
            struct cx_val *ret)
{
    if (p->is_tag && p->tags) return cx_read_tag(x, p, e, ret);
    if (p->is_comp) return cx_error(x->s, e->pos, e->end, "a component has no value");
    struct cx_val out = {.n = p->n, .n_dims = p->n_dims, .bus = p->bus, .tags = p->tags};
    memcpy(out.dims, p->dims, sizeof(out.dims));
    if ((p->n_dims || p->bus) &&
        !(out.many = sn_arena_array(&x->f->arena, SN_MAX(p->n, 1u), sizeof(struct sn_zv))))
        return SN_E_NOMEM;
    struct sn_zv *elems = out.many ? out.many : &out.one;
    int r = 0;
    bool unknown = p->is_signal && x->f->kind == CX_IN_PORTS;
    if (p->is_signal && !unknown) r = check_assigned(x, p, e);
    if (r == 0 && p->dyn && !p->is_signal) r = cx_spill(x, p->ent);
    for (uint32_t i = 0; r == 0 && i < p->n; i++) {
        if (unknown) {
            elems[i] = (struct sn_zv){.kind = SN_ZV_SLOT};
        } else if (p->dyn) {
            r = load_elem(x, p, i, e->pos, &elems[i]);
        } else if (p->is_signal) {
            elems[i] = (struct sn_zv){.kind = SN_ZV_NODE, .node = cx_signal_node(x, p->prov + i)};
            if (!elems[i].node) r = SN_E_NOMEM;
        } else {
            elems[i] = p->ent->elems[p->at + i];
            if (elems[i].kind != SN_ZV_SLOT) continue;
            elems[i] = (struct sn_zv){.kind = SN_ZV_NODE, .node = cx_node_of(x, &elems[i])};
            if (!elems[i].node) r = SN_E_NOMEM;
        }
    }
    *ret = out;
    return r;
}

/* ---- variables ------------------------------------------------------------------------------- */

/* Gives the variable slots that hold what it is now. */
int cx_spill(struct cx_exec *x, struct cx_ent *ent)
{
    struct cx_code *code = x->f->code;
    if (!ent->spilled) {
        ent->spilled = true;
        ent->slot = code->n_slots;
        code->n_slots += ent->n;
        for (uint32_t i = 0; i < ent->n; i++)
            if (ent->elems[i].kind == SN_ZV_SLOT) ent->elems[i].node = ent->slot + i;
    } else if (ent->depth > 0 || ent->synced) {
        return 0;
    }
    for (uint32_t i = 0; i < ent->n; i++) {
        if (ent->elems[i].kind == SN_ZV_SLOT) continue;
        uint32_t n = cx_node_of(x, &ent->elems[i]);
        if (!n) return SN_E_NOMEM;
        int r = cx_effect(x, CXN_SET, ent->slot + i, n, 0, ent->pos);
        if (r < 0) return r;
    }
    if (code->region == 0) ent->synced = true;
    return 0;
}

static int write_elem(struct cx_exec *x, struct cx_ent *ent, uint32_t i, const struct sn_zv *v,
                      uint32_t pos)
{
    ent->elems[i] = *v;
    ent->synced = false;
    if (ent->depth == 0) return 0;
    uint32_t n = cx_node_of(x, v);
    return n ? cx_effect(x, CXN_SET, ent->slot + i, n, 0, pos) : SN_E_NOMEM;
}

/* An element whose index is known only when running. */
static int write_dynamic(struct cx_exec *x, const struct cx_place *p, const struct cx_val *v,
                         const struct cx_expr *e)
{
    struct cx_ent *ent = p->ent;
    int r = cx_spill(x, ent);
    for (uint32_t k = 0; r == 0 && k < p->n; k++) {
        struct sn_zv idx = {.kind = SN_ZV_NODE, .node = p->dyn}, off = sn_zv_small(k);
        if (k && (r = cx_op(x, SN_ZOP_ADD, &idx, &idx, &off, e->pos, e->end)) < 0) return r;
        struct cx_node n = {.op = CXN_STORE,
                            .a = ent->slot + p->at,
                            .b = idx.node,
                            .c = ent->n - p->at,
                            .pos = e->pos};
        n.d = cx_node_of(x, &cx_elems(v)[k]);
        if (!n.d || !cx_node(x, n)) return SN_E_NOMEM;
    }
    for (uint32_t i = 0; i < ent->n; i++)
        ent->elems[i] = (struct sn_zv){.kind = SN_ZV_SLOT, .node = ent->slot + i};
    return r;
}

/* Copies what of v fits p's shape, dimension by dimension. */
static int write_part(struct cx_exec *x, struct cx_ent *ent, uint32_t at, const uint32_t *pd,
                      const uint32_t *vd, uint32_t n_dims, const struct sn_zv *v, uint32_t pos)
{
    if (n_dims == 0) return write_elem(x, ent, at, v, pos);
    uint32_t ps = 1, vs = 1;
    for (uint32_t i = 1; i < n_dims; i++) {
        ps *= pd[i];
        vs *= vd[i];
    }
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < vd[0] && i < pd[0]; i++)
        r = write_part(x, ent, at + i * ps, pd + 1, vd + 1, n_dims - 1, v + (size_t)i * vs, pos);
    return r;
}

int cx_write_var(struct cx_exec *x, const struct cx_place *p, const struct cx_val *v,
                 const struct cx_expr *e)
{
    if (v->is_tuple || v->bus)
        return cx_error(x->s, e->pos, e->end, "a variable cannot hold %s",
                        v->is_tuple ? "a tuple" : "a bus");
    if (x->f->kind == CX_IN_PORTS && (p->ent->unsized || p->dyn || v->n_dims != p->n_dims)) {
        for (uint32_t i = 0; i < p->ent->n; i++)
            p->ent->elems[i] = (struct sn_zv){.kind = SN_ZV_SLOT};
        return 0;
    }
    if (v->n_dims != p->n_dims)
        return cx_error(x->s, e->pos, e->end, "the value has %u dimensions, the variable %u",
                        v->n_dims, p->n_dims);
    for (uint32_t i = 0; i < v->n_dims; i++)
        if (v->dims[i] > p->dims[i])
            cx_warn(x->s, e->pos, e->end, "the variable holds %u elements, the value has %u: the "
                    "rest is dropped", p->dims[i], v->dims[i]);
    if (p->dyn) return write_dynamic(x, p, v, e);
    if (p->n_dims == 0) return write_elem(x, p->ent, p->at, cx_elems(v), e->pos);
    return write_part(x, p->ent, p->at, p->dims, v->dims, p->n_dims, cx_elems(v), e->pos);
}

/* ---- declarations ---------------------------------------------------------------------------- */

static int declare_field(struct cx_exec *x, const struct cx_decl *d, struct cx_ent *e)
{
    struct cx_field f = {
        .sym = d->sym, .n = e->n, .n_dims = e->n_dims, .bus = e->bus, .tags = e->tags};
    memcpy(f.dims, e->dims, sizeof(f.dims));
    for (size_t i = 0; i < x->f->fields.len; i++) {
        f.offset += x->f->fields.ptr[i].n;
        if (x->f->fields.ptr[i].sym == f.sym)
            return cx_error(x->s, d->pos, d->end, "a second field of this name");
    }
    return sn_vec_push(&x->f->fields, f);
}

/* What the parent gave the input's tags. */
static void take_tag_values(const struct cx_comp *from, uint32_t sym, struct cx_tags *tags)
{
    for (uint32_t i = 0; i < from->ports.n && from->port_tags; i++)
        if (from->ports.ptr[i].sym == sym) cx_take_tags(tags, &from->port_tags[i]);
}

static int declare_signal(struct cx_exec *x, const struct cx_decl *d, struct cx_ent *e)
{
    struct cx_frame *f = x->f;
    int r = d->bus ? cx_find_bus(x, d->bus, &e->bus) : 0;
    if (r == 0) r = cx_declared_tags(x, d, e->bus, &e->tags);
    if (r < 0) return r;
    uint64_t n = (uint64_t)e->n * (e->bus ? e->bus->size : 1);
    if (n > x->s->array_max)
        return cx_limit(x->s, SN_E_TOO_LARGE, d->pos, "a signal of more than %u elements",
                        x->s->array_max);
    e->n = (uint32_t)n;
    if (f->kind == CX_IN_BUS) return declare_field(x, d, e);
    if (f->kind != CX_IN_TEMPLATE && f->kind != CX_IN_PORTS)
        return cx_error(x->s, d->pos, d->end, "signals are declared in templates only");
    if (f->code->region)
        return cx_error(x->s, d->pos, d->end,
                        "a signal cannot be declared where a signal decides whether");
    if (f->from && d->dir == CX_INPUT) take_tag_values(f->from, d->sym, &e->tags);
    struct cx_inst *inst = f->inst;
    if (e->unsized) {
        f->deferred |= d->dir != CX_MIDDLE;
        return 0;
    }
    if (inst->def->custom && d->dir == CX_MIDDLE && f->kind == CX_IN_TEMPLATE)
        cx_warn(x->s, d->pos, d->end,
                "a signal of a custom template that is neither input nor output");
    struct cx_own own = {.sym = d->sym,
                         .prov = inst->n_prov,
                         .n = e->n,
                         .dir = d->dir,
                         .n_dims = e->n_dims,
                         .bus = e->bus,
                         .tags = e->tags,
                         .pos = d->pos};
    memcpy(own.dims, e->dims, sizeof(own.dims));
    for (size_t i = 0; i < inst->own.len; i++)
        if (inst->own.ptr[i].sym == d->sym)
            return cx_error(x->s, d->pos, d->end, "this signal is declared a second time");
    e->prov = inst->n_prov;
    e->dir = d->dir;
    inst->n_prov += e->n;
    if (inst->n_prov > x->s->signals_max)
        return cx_limit(x->s, SN_E_TOO_LARGE, d->pos, "more than %u signals", x->s->signals_max);
    if ((r = sn_vec_push(&inst->own, own)) < 0 ||
        (r = sn_vec_reserve(&inst->assigned, inst->n_prov)) < 0)
        return r;
    memset(inst->assigned.ptr + inst->assigned.len, d->dir == CX_INPUT, e->n);
    inst->assigned.len = inst->n_prov;
    return 0;
}

static int declare_var(struct cx_exec *x, struct cx_ent *e)
{
    if (e->unsized) {
        e->one.kind = SN_ZV_SLOT;
        return 0;
    }
    if (e->n > 1 || e->n_dims) {
        e->elems = sn_zalloc(SN_MAX(e->n, 1u), sizeof(struct sn_zv));
        if (!e->elems) {
            e->elems = &e->one;
            return SN_E_NOMEM;
        }
    }
    /* Arrays born where the program runs live in slots from the start. */
    if (e->n_dims == 0 || (x->f->kind != CX_IN_UNIT && x->f->code->region == 0)) return 0;
    if (x->f->kind == CX_IN_CONST || x->f->kind == CX_IN_PORTS || x->f->kind == CX_IN_BUS) return 0;
    int r = cx_spill(x, e);
    e->depth = 1;
    return r;
}

int cx_declare(struct cx_exec *x, const struct cx_decl *d)
{
    uint32_t dims[CX_DIMS_MAX];
    uint64_t n = 1;
    if (d->n_dims > CX_DIMS_MAX)
        return cx_limit(x->s, SN_E_TOO_LARGE, d->pos, "more than %u dimensions", CX_DIMS_MAX);
    bool unsized = false;
    for (uint32_t i = 0; i < d->n_dims; i++) {
        int r = cx_eval_size(x, d->dims[i], &dims[i]);
        if (r < 0) return r;
        if (r == CX_UNSIZED) {
            unsized = true;
            dims[i] = 1;
        }
        n *= dims[i];
        if (n > x->s->array_max)
            return cx_limit(x->s, SN_E_TOO_LARGE, d->pos, "an array of more than %u elements",
                            x->s->array_max);
    }
    enum cx_ent_kind kind = d->kind == CX_VAR      ? CX_ENT_VAR
                            : d->kind == CX_SIGNAL ? CX_ENT_SIGNAL
                                                   : CX_ENT_COMPONENT;
    struct cx_ent *e;
    int r = cx_push_ent(x, kind, d->sym, d->pos, &e);
    if (r < 0) return r;
    e->n_dims = d->n_dims;
    memcpy(e->dims, dims, d->n_dims * sizeof(dims[0]));
    e->n = (uint32_t)n;
    e->unsized = unsized;
    if (kind == CX_ENT_VAR) return declare_var(x, e);
    if (kind == CX_ENT_SIGNAL) return declare_signal(x, d, e);
    if (x->f->kind != CX_IN_TEMPLATE && x->f->kind != CX_IN_PORTS)
        return cx_error(x->s, d->pos, d->end, "components are declared in templates only");
    e->comps = sn_zalloc(SN_MAX(e->n, 1u), sizeof(uint32_t));
    return e->comps ? 0 : SN_E_NOMEM;
}
