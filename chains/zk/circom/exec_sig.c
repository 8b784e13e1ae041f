/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/exec_sig.c - signals, tags, buses, components, instances. */
#include <stdio.h>

#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"

static int find_ports(struct cx_exec *x, uint32_t comp);

/* ---- assignment ------------------------------------------------------------------------------ */

static int check_target(struct cx_exec *x, const struct cx_place *p, uint32_t pos, uint32_t end)
{
    struct cx_inst *inst = x->f->inst;
    if (p->dyn)
        return cx_error(x->s, pos, end,
                        "the index of an assigned signal must be known when compiling");
    bool is_input = p->comp >= 0 ? inst->comps.ptr[p->comp].ports.ptr[p->port].dir == CX_INPUT
                                 : p->ent->dir != CX_INPUT;
    if (!is_input)
        return cx_error(x->s, pos, end,
                        p->comp >= 0 ? "an output of a component is not assigned from outside"
                                     : "an input is not assigned from inside");
    for (uint32_t i = 0; i < p->n; i++)
        if ((inst->assigned.ptr[p->prov + i] & 1) && x->f->code->region == 0)
            return cx_error(x->s, pos, end, "this signal is assigned a second time");
    return 0;
}

int cx_assign_signal(struct cx_exec *x, const struct cx_place *p, const struct cx_val *v,
                     bool constrain, uint32_t pos, uint32_t end)
{
    struct cx_inst *inst = x->f->inst;
    if (v->is_tuple || v->n_dims != p->n_dims || v->n != p->n || v->bus != p->bus ||
        memcmp(v->dims, p->dims, p->n_dims * sizeof(p->dims[0])) != 0)
        return cx_error(x->s, pos, end,
                        "the value has not the shape of the signal: %u dimensions "
                        "and %u numbers for %u and %u",
                        v->n_dims, v->n, p->n_dims, p->n);
    if (constrain && x->f->code->region)
        return cx_error(x->s, pos, end,
                        "a constraint stands under a condition that is not known "
                        "when compiling\nassign with <-- here and constrain outside");
    int r = check_target(x, p, pos, end);
    if (r < 0) return r;
    const struct cx_tags *tags = constrain ? v->tags : NULL;
    r = p->comp >= 0 ? cx_require_tags(x, p->tags, tags, pos, end) : cx_inherit_tags(x, p, tags);
    if (r < 0) return r;
    const struct sn_zv *e = cx_elems(v);
    bool quadratic = x->s->opts->inspect && !constrain && !x->f->code->region;
    for (uint32_t i = 0; i < p->n; i++) {
        struct sn_zv s = {.kind = SN_ZV_NODE, .node = cx_signal_node(x, p->prov + i)};
        uint32_t n = cx_node_of(x, &e[i]);
        if (!n || !s.node) return SN_E_NOMEM;
        if ((r = cx_effect(x, CXN_SET_SIGNAL, p->prov + i, n, 0, pos)) < 0) return r;
        if (constrain && (r = cx_constrain(x, &s, &e[i], pos, end)) < 0) return r;
        quadratic &= x->f->code->nodes.ptr[n].deg != CX_DEG_NONE;
        uint8_t *a = &inst->assigned.ptr[p->prov + i];
        if (p->comp >= 0 && !(*a & 1)) inst->comps.ptr[p->comp].left--;
        *a |= 1;
    }
    if (quadratic && !inst->def->custom)
        cx_warn(x->s, pos, end, "this value could be constrained\nwrite <== in place of <--");
    if (p->comp < 0 || x->f->code->region) return 0;
    if (inst->comps.ptr[p->comp].deferred && (r = find_ports(x, (uint32_t)p->comp)) < 0) return r;
    if (inst->comps.ptr[p->comp].left) return 0;
    return cx_comp_ready(x, (uint32_t)p->comp);
}

/* ---- buses ----------------------------------------------------------------------------------- */

int cx_find_bus(struct cx_exec *x, const struct cx_expr *e, const struct cx_bus **ret)
{
    struct cx_def *d = sn_map_get(&x->s->def_of, cx_name(x->s, e->sym));
    if (!d || d->kind != CX_BUS)
        return cx_error(x->s, e->pos, e->end, "there is no bus \"%.*s\"",
                        SN_STR_ARG(cx_name(x->s, e->sym)));
    struct cx_val *args;
    int r = cx_args(x, d, e, &args);
    if (r < 0) return r;
    sn_buf_reset(&x->key);
    (void)sn_buf_put(&x->key, &d, sizeof(d));
    for (uint32_t i = 0; i < e->n; i++) {
        for (uint32_t k = 0; k < args[i].n; k++)
            if (cx_elems(&args[i])[k].kind > SN_ZV_FE)
                return cx_error(x->s, e->pos, e->end,
                                "parameters of a bus must be known when compiling");
        (void)cx_key_val(x, &args[i], false);
    }
    const struct cx_bus *old = sn_map_get(&x->bus_of, sn_buf_view(&x->key));
    if (old) {
        *ret = old;
        return 0;
    }
    struct sn_str key = sn_arena_str(x->arena, sn_buf_view(&x->key));
    struct cx_frame f = {.kind = CX_IN_BUS, .def = d, .code = x->f->code};
    if ((r = cx_push_frame(x, &f, e->pos)) < 0) return r;
    if ((r = cx_bind(x, d, args)) == 0) r = cx_exec(x, d->body);
    struct cx_bus *b = SN_ARENA_NEW(x->arena, struct cx_bus);
    if (r == 0 && (!b || !key.ptr)) r = SN_E_NOMEM;
    if (r == 0) {
        b->def = d;
        b->n_fields = (uint32_t)f.fields.len;
        b->fields = sn_arena_array(x->arena, f.fields.len, sizeof(struct cx_field));
        if (!b->fields)
            r = SN_E_NOMEM;
        else if (b->n_fields)
            memcpy(b->fields, f.fields.ptr, b->n_fields * sizeof(*b->fields));
        for (uint32_t i = 0; i < b->n_fields; i++) b->size += f.fields.ptr[i].n;
    }
    cx_pop_frame(x);
    if (r == 0) r = sn_map_put(&x->bus_of, key, b, NULL);
    *ret = b;
    return r < 0 ? r : 0;
}

/* ---- instances ------------------------------------------------------------------------------- */

/* Inputs and outputs as the parent sees them, from the signals declared so far. */
static int make_ports(struct cx_exec *x, struct cx_inst *inst, struct cx_ports *ret)
{
    struct cx_ports p = {0};
    p.ptr = sn_arena_array(x->arena, inst->own.len, sizeof(struct cx_port));
    if (!p.ptr) return SN_E_NOMEM;
    for (unsigned dir = CX_OUTPUT;; dir = CX_INPUT) {
        SN_VEC_EACH (&inst->own, o) {
            if (o->dir != dir) continue;
            struct cx_port *q = &p.ptr[p.n++];
            *q = (struct cx_port){.sym = o->sym,
                                  .offset = p.n_out + p.n_in,
                                  .n = o->n,
                                  .dir = o->dir,
                                  .n_dims = o->n_dims,
                                  .bus = o->bus,
                                  .tags = o->tags};
            memcpy(q->dims, o->dims, sizeof(q->dims));
            if (dir == CX_OUTPUT)
                p.n_out += o->n;
            else
                p.n_in += o->n;
        }
        if (dir == CX_INPUT) break;
    }
    *ret = p;
    return 0;
}

uint32_t cx_count_ports(const struct cx_stmt *s)
{
    if (!s) return 0;
    if (s->kind == CX_DECL) return s->decl->kind == CX_SIGNAL && s->decl->dir != CX_MIDDLE;
    uint32_t n = cx_count_ports(s->then) + cx_count_ports(s->other);
    for (uint32_t i = 0; s->list && i < s->n; i++) n += cx_count_ports(s->list[i]);
    return n;
}

static void inst_drop(struct cx_inst *inst)
{
    sn_vec_done(&inst->own);
    sn_vec_done(&inst->comps);
    sn_vec_done(&inst->assigned);
    sn_vec_done(&inst->row_n);
    sn_vec_done(&inst->row_wire);
    sn_vec_done(&inst->row_coef);
    sn_vec_done(&inst->row_pos);
}

/* The inputs and outputs of a template that must wait for the tags of its inputs: its
 * declarations only are executed, with the values of tags known so far. Ports that depend on others
 * are left out, and *ret_deferred says so. */
static int ports_ahead(struct cx_exec *x, const struct cx_comp *c, struct cx_ports *ret,
                       bool *ret_deferred)
{
    const struct cx_def *d = c->def;
    struct cx_inst inst = {.def = d};
    struct cx_code code = {.n_slots = 1};
    struct cx_frame f = {.kind = CX_IN_PORTS,
                         .def = d,
                         .inst = &inst,
                         .code = &code,
                         .from = c,
                         .ports_left = cx_count_ports(d->body)};
    int r = cx_push_frame(x, &f, c->pos);
    if (r < 0) return r;
    if ((r = cx_bind(x, d, c->args)) == 0) r = cx_exec(x, d->body);
    *ret_deferred = f.deferred;
    cx_pop_frame(x);
    cx_code_done(&code);
    if (r == 0) r = make_ports(x, &inst, ret);
    inst_drop(&inst);
    return r;
}

static int finish_instance(struct cx_exec *x, struct cx_inst *inst)
{
    SN_VEC_EACH (&inst->comps, c) {
        if (c->ran) continue;
        return cx_error(x->s, c->pos, c->pos + 1, "the component \"%.*s\" misses %u of its inputs",
                        SN_STR_ARG(cx_name(x->s, c->sym)), c->left);
    }
    int r = make_ports(x, inst, &inst->ports);
    return r < 0 ? r : cx_layout(x, inst, x->f->code);
}

static int build(struct cx_exec *x, struct cx_inst *inst, const struct cx_comp *from, uint32_t pos)
{
    struct cx_code code = {0};
    struct cx_frame f = {
        .kind = CX_IN_TEMPLATE, .def = inst->def, .inst = inst, .code = &code, .from = from};
    int r = cx_push_frame(x, &f, pos);
    if (r < 0) return r;
    if ((r = cx_bind(x, inst->def, inst->args)) == 0) r = cx_exec(x, inst->def->body);
    if (r == 0) r = finish_instance(x, inst);
    if (r == 0) cx_inspect(x, inst);
    cx_pop_frame(x);
    cx_code_done(&code);
    return r;
}

static int instance_key(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args,
                        const struct cx_ports *ports, const struct cx_tags *tags)
{
    sn_buf_reset(&x->key);
    (void)sn_buf_put(&x->key, &d, sizeof(d));
    for (uint32_t i = 0; i < d->n_params; i++) (void)cx_key_val(x, &args[i], false);
    for (uint32_t i = 0; tags && i < ports->n; i++)
        if (ports->ptr[i].dir == CX_INPUT) (void)cx_key_tags(x, &tags[i]);
    return x->key.err;
}

static int new_instance(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args,
                        const struct cx_comp *from, uint32_t pos, struct cx_inst **ret)
{
    struct sn_str key = sn_arena_str(x->arena, sn_buf_view(&x->key));
    struct cx_inst *inst = SN_ARENA_NEW(x->arena, struct cx_inst);
    if (!key.ptr || !inst) return SN_E_NOMEM;
    if (x->c->insts.len >= x->s->instances_max)
        return cx_limit(x->s, SN_E_TOO_LARGE, pos, "more than %u different template instances",
                        x->s->instances_max);
    inst->def = d;
    inst->building = true;
    inst->is_main = x->f == NULL || x->f->up == NULL;
    inst->args = sn_arena_array(x->arena, d->n_params, sizeof(struct cx_val));
    if (!inst->args) return SN_E_NOMEM;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < d->n_params; i++)
        r = cx_copy_val(x, x->arena, &inst->args[i], &args[i]);
    if (r == 0) r = sn_map_put(&x->inst_of, key, inst, NULL);
    if (r < 0 || (r = build(x, inst, from, pos)) < 0) {
        inst_drop(inst);
        return r;
    }
    inst->building = false;
    inst->id = (uint32_t)x->c->insts.len;
    if ((r = sn_vec_push(&x->c->insts, inst)) < 0) {
        inst_drop(inst);
        return r;
    }
    *ret = inst;
    return 0;
}

int cx_instance(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args,
                const struct cx_comp *from, uint32_t pos, struct cx_inst **ret)
{
    struct cx_inst *old = sn_map_get(&x->inst_of, sn_buf_view(&x->key));
    if (old && old->building)
        return cx_error(x->s, pos, pos + 1,
                        "the template \"%.*s\" contains itself with the same "
                        "parameters",
                        SN_STR_ARG(cx_name(x->s, d->sym)));
    if (!old) return new_instance(x, d, args, from, pos, ret);
    *ret = old;
    return 0;
}

/* ---- components ------------------------------------------------------------------------------ */

static int template_of(struct cx_exec *x, const struct cx_expr *e, struct cx_def **ret,
                       struct cx_val **ret_args)
{
    struct cx_def *d = sn_map_get(&x->s->def_of, cx_name(x->s, e->sym));
    if (!d || d->kind != CX_TEMPLATE)
        return cx_error(x->s, e->pos, e->end, "there is no template \"%.*s\"%s",
                        SN_STR_ARG(cx_name(x->s, e->sym)), d ? "" : "\nis an include missing?");
    int r = cx_args(x, d, e, ret_args);
    for (uint32_t i = 0; r == 0 && i < d->n_params; i++)
        for (uint32_t k = 0; k < (*ret_args)[i].n; k++)
            if (cx_elems(&(*ret_args)[i])[k].kind > SN_ZV_FE)
                return cx_error(x->s, e->list[i]->pos, e->list[i]->end,
                                "parameters of a template must be known when compiling");
    *ret = d;
    return r;
}

/* Room for n more signals as their parent numbers them. */
static int more_signals(struct cx_exec *x, uint32_t n, uint32_t pos, uint32_t *ret_first)
{
    struct cx_inst *inst = x->f->inst;
    *ret_first = inst->n_prov;
    inst->n_prov += n;
    if (inst->n_prov > x->s->signals_max)
        return cx_limit(x->s, SN_E_TOO_LARGE, pos, "more than %u signals", x->s->signals_max);
    int r = sn_vec_reserve(&inst->assigned, inst->n_prov);
    if (r < 0) return r;
    memset(inst->assigned.ptr + inst->assigned.len, 0, inst->n_prov - inst->assigned.len);
    inst->assigned.len = inst->n_prov;
    return 0;
}

static int copy_port_tags(struct cx_exec *x, struct cx_comp *c)
{
    c->port_tags = sn_arena_array(x->arena, c->ports.n, sizeof(struct cx_tags));
    if (!c->port_tags) return SN_E_NOMEM;
    for (uint32_t i = 0; i < c->ports.n; i++) {
        int r = cx_copy_tags(x, &c->port_tags[i], &c->ports.ptr[i].tags);
        if (r < 0) return r;
    }
    return 0;
}

/* The component has these ports now; the ones it had keep their signals and tags. */
static int set_ports(struct cx_exec *x, struct cx_comp *c, const struct cx_ports *now)
{
    struct cx_comp old = *c;
    c->ports = *now;
    int r = copy_port_tags(x, c);
    c->port_prov = sn_arena_array(x->arena, now->n, sizeof(uint32_t));
    if (r < 0 || !c->port_prov) return SN_E_NOMEM;
    for (uint32_t i = 0; i < now->n; i++) {
        const struct cx_port *q = &now->ptr[i];
        uint32_t k = 0;
        while (k < old.ports.n && old.ports.ptr[k].sym != q->sym) k++;
        if (k < old.ports.n && old.ports.ptr[k].n == q->n) {
            c->port_prov[i] = cx_port_prov(&old, k);
            if (q->dir == CX_INPUT) c->port_tags[i] = old.port_tags[k];
        } else if (k < old.ports.n && q->dir == CX_INPUT) {
            return cx_error(x->s, c->pos, c->pos + 1,
                            "the size of the input \"%.*s\" changes with the tags of others",
                            SN_STR_ARG(cx_name(x->s, q->sym)));
        } else {
            if ((r = more_signals(x, q->n, c->pos, &c->port_prov[i])) < 0) return r;
            if (q->dir == CX_INPUT) c->left += q->n;
        }
    }
    return 0;
}

/* Ports that depend on the tags of inputs, with what is known by now. */
static int find_ports(struct cx_exec *x, uint32_t i)
{
    struct cx_comp c = x->f->inst->comps.ptr[i];
    struct cx_ports ports;
    int r = ports_ahead(x, &c, &ports, &c.deferred);
    if (r == 0) r = set_ports(x, &c, &ports);
    if (r == 0) x->f->inst->comps.ptr[i] = c;
    return r;
}

int cx_new_component(struct cx_exec *x, uint32_t sym, const struct cx_place *at,
                     const struct cx_expr *call, struct cx_comp **ret)
{
    struct cx_inst *inst = x->f->inst;
    struct cx_comp c = {.sym = sym, .pos = call->pos, .parallel = call->parallel};
    struct cx_def *d = NULL;
    if (x->f->kind != CX_IN_TEMPLATE || x->f->code->region)
        return cx_error(x->s, call->pos, call->end, "a component cannot be created %s",
                        x->f->kind == CX_IN_TEMPLATE ? "where a signal decides whether" : "here");
    if (inst->def->custom)
        return cx_error(x->s, call->pos, call->end, "a component in a custom template");
    struct cx_val *args;
    int r = template_of(x, call, &d, &args);
    if (r < 0) return r;
    c.def = d;
    if (at) {
        c.n_index = at->n_index;
        memcpy(c.index, at->index, sizeof(c.index));
    }
    if (d->tagged_inputs) {
        c.args = sn_arena_array(x->arena, d->n_params, sizeof(struct cx_val));
        if (!c.args) return SN_E_NOMEM;
        for (uint32_t i = 0; r == 0 && i < d->n_params; i++)
            r = cx_copy_val(x, x->arena, &c.args[i], &args[i]);
        if (r == 0) r = ports_ahead(x, &c, &c.ports, &c.deferred);
    } else {
        if ((r = instance_key(x, d, args, NULL, NULL)) == 0)
            r = cx_instance(x, d, args, NULL, call->pos, &c.inst);
        if (r == 0) c.ports = c.inst->ports;
    }
    if (r < 0 || (r = copy_port_tags(x, &c)) < 0) return r;
    c.left = c.ports.n_in;
    if ((r = more_signals(x, c.ports.n_in + c.ports.n_out, call->pos, &c.prov)) < 0 ||
        (r = sn_vec_push(&inst->comps, c)) < 0)
        return r;
    if (at) at->ent->comps[at->at] = (uint32_t)inst->comps.len;
    uint32_t index = (uint32_t)inst->comps.len - 1;
    if (c.left == 0 && (r = cx_comp_ready(x, index)) < 0) return r;
    if (ret) *ret = &inst->comps.ptr[index];
    return 0;
}

int cx_comp_ready(struct cx_exec *x, uint32_t i)
{
    struct cx_inst *inst = x->f->inst;
    struct cx_comp c = inst->comps.ptr[i];
    int r = 0;
    if (!c.inst) {
        if ((r = instance_key(x, c.def, c.args, &c.ports, c.port_tags)) < 0) return r;
        if ((r = cx_instance(x, c.def, c.args, &c, c.pos, &c.inst)) < 0) return r;
        if ((r = set_ports(x, &c, &c.inst->ports)) < 0) return r;
        if (c.left)
            return cx_error(x->s, c.pos, c.pos + 1, "there are inputs that depend on tags");
    }
    c.ran = true;
    inst->comps.ptr[i] = c;
    for (uint32_t k = 0; k < c.ports.n; k++)
        for (uint32_t s = 0; s < c.ports.ptr[k].n; s++)
            inst->assigned.ptr[cx_port_prov(&c, k) + s] |= 1;
    return cx_effect(x, CXN_RUN, 0, 0, i, c.pos);
}

/* ---- anonymous components -------------------------------------------------------------------- */

static int anon_name(struct cx_exec *x, const struct cx_expr *e, struct cx_place *at, uint32_t *ret)
{
    uint32_t line, column;
    char name[256];
    const struct cx_file *f = cx_place(x->s, e->pos, &line, &column);
    snprintf(name, sizeof(name), "%.*s_%u_%u", SN_STR_ARG(cx_name(x->s, e->sym)), line,
             e->pos - f->base);
    uint32_t sym = cx_intern(x->s, sn_str(name));
    if (!sym) return SN_E_NOMEM;
    *at = (struct cx_place){0};
    if (e->in_loop) {
        at->n_index = 1;
        struct cx_inst *inst = x->f->inst;
        for (size_t i = inst->comps.len; i > 0; i--) {
            if (inst->comps.ptr[i - 1].sym != sym) continue;
            at->index[0] = inst->comps.ptr[i - 1].index[0] + 1;
            break;
        }
    }
    *ret = sym;
    return 0;
}

static int port_of(struct cx_exec *x, const struct cx_comp *c, const struct cx_expr *e, uint32_t k,
                   uint32_t *ret)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < c->ports.n; i++) {
        if (c->ports.ptr[i].dir != CX_INPUT) continue;
        if (e->names2 ? c->ports.ptr[i].sym == e->names2[k] : seen++ == k) {
            *ret = i;
            return 0;
        }
    }
    return e->names2 ? cx_error(x->s, e->pos, e->end, "\"%.*s\" has no input \"%.*s\"",
                                SN_STR_ARG(cx_name(x->s, e->sym)),
                                SN_STR_ARG(cx_name(x->s, e->names2[k])))
                     : cx_error(x->s, e->pos, e->end, "\"%.*s\" has %u inputs, here are %u",
                                SN_STR_ARG(cx_name(x->s, e->sym)), seen, e->n2);
}

static void port_as_place(struct cx_comp *c, uint32_t index, uint32_t port, struct cx_place *ret)
{
    struct cx_port *q = &c->ports.ptr[port];
    *ret = (struct cx_place){.is_signal = true,
                             .comp = (int32_t)index,
                             .port = (int32_t)port,
                             .prov = cx_port_prov(c, port),
                             .n = q->n,
                             .total = q->n,
                             .tag_total = q->n,
                             .n_dims = q->n_dims,
                             .bus = q->bus,
                             .tags = &c->port_tags[port]};
    memcpy(ret->dims, q->dims, sizeof(ret->dims));
}

int cx_anonymous(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret)
{
    struct cx_place at, p;
    uint32_t sym = 0, port;
    if (x->f->kind == CX_IN_PORTS) {
        *ret = (struct cx_val){.n = 1, .one = {.kind = SN_ZV_SLOT}};
        return 0;
    }
    int r = x->f->kind == CX_IN_TEMPLATE
                ? anon_name(x, e, &at, &sym)
                : cx_error(x->s, e->pos, e->end, "components stand in templates only");
    if (r < 0) return r;
    struct cx_val *in = sn_arena_array(&x->f->arena, e->n2, sizeof(struct cx_val));
    if (!in) return SN_E_NOMEM;
    for (uint32_t k = 0; k < e->n2; k++)
        if ((r = cx_eval(x, e->list2[k], &in[k])) < 0) return r;
    struct cx_ent none = {.comps = &port};
    at.ent = &none;
    struct cx_comp *c;
    if ((r = cx_new_component(x, sym, &at, e, &c)) < 0) return r;
    uint32_t index = (uint32_t)(c - x->f->inst->comps.ptr);
    c->anonymous = true;
    for (uint32_t k = 0; k < e->n2; k++) {
        c = &x->f->inst->comps.ptr[index];
        if ((r = port_of(x, c, e, k, &port)) < 0) return r;
        port_as_place(c, index, port, &p);
        if ((r = cx_assign_signal(x, &p, &in[k], true, e->list2[k]->pos, e->list2[k]->end)) < 0)
            return r;
    }
    c = &x->f->inst->comps.ptr[index];
    if (c->left)
        return cx_error(x->s, e->pos, e->end, "%u inputs of \"%.*s\" are missing", c->left,
                        SN_STR_ARG(cx_name(x->s, e->sym)));
    struct cx_val out = {.is_tuple = true};
    out.items = sn_arena_array(&x->f->arena, c->ports.n, sizeof(struct cx_val));
    if (!out.items) return SN_E_NOMEM;
    for (uint32_t i = 0; i < c->ports.n; i++) {
        if (c->ports.ptr[i].dir != CX_OUTPUT) continue;
        port_as_place(c, index, i, &p);
        if ((r = cx_read(x, &p, e, &out.items[out.n_items++])) < 0) return r;
    }
    *ret = out.n_items == 1 ? out.items[0] : out;
    return 0;
}
