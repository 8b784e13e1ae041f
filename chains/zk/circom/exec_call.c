/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/exec_call.c - functions: computed, unrolled into the caller, or called when running. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"

int cx_args(struct cx_exec *x, const struct cx_def *d, const struct cx_expr *e, struct cx_val **ret)
{
    if (e->n != d->n_params)
        return cx_error(x->s, e->pos, e->end, "\"%.*s\" takes %u parameters, here are %u",
                        SN_STR_ARG(cx_name(x->s, d->sym)), d->n_params, e->n);
    struct cx_val *v = sn_arena_array(&x->f->arena, e->n, sizeof(*v));
    if (!v) return SN_E_NOMEM;
    for (uint32_t i = 0; i < e->n; i++) {
        int r = cx_eval(x, e->list[i], &v[i]);
        if (r < 0) return r;
        if (v[i].is_tuple || v[i].bus)
            return cx_error(x->s, e->list[i]->pos, e->list[i]->end,
                            "parameters are numbers and arrays of numbers");
        v[i].tags = NULL;
    }
    *ret = v;
    return 0;
}

/* The parameters as variables of the frame on top. */
int cx_bind(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args)
{
    for (uint32_t i = 0; i < d->n_params; i++) {
        struct cx_ent *e;
        int r = cx_push_ent(x, CX_ENT_VAR, d->params[i], d->pos, &e);
        if (r < 0) return r;
        const struct cx_val *v = &args[i];
        e->n_dims = v->n_dims;
        memcpy(e->dims, v->dims, sizeof(e->dims));
        e->n = v->n;
        if (v->many && !(e->elems = sn_alloc(SN_MAX(v->n, 1u) * sizeof(struct sn_zv)))) {
            e->elems = &e->one;
            return SN_E_NOMEM;
        }
        memcpy(e->elems, cx_elems(v), v->n * sizeof(struct sn_zv));
    }
    return 0;
}

static bool all_known(const struct cx_val *args, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct sn_zv *e = cx_elems(&args[i]);
        for (uint32_t k = 0; k < args[i].n; k++)
            if (e[k].kind > SN_ZV_FE) return false;
    }
    return true;
}

static int run_body(struct cx_exec *x, struct cx_frame *f, const struct cx_def *d,
                    const struct cx_val *args, const struct cx_expr *e, struct sn_arena *keep,
                    struct cx_val *ret)
{
    int r = cx_push_frame(x, f, e->pos);
    if (r < 0) return r;
    if ((r = cx_bind(x, d, args)) == 0) r = cx_exec(x, d->body);
    if (r == 0 && !f->returned)
        r = cx_error(x->s, e->pos, e->end, "the function ends without a return");
    if (r == 0) r = cx_copy_val(x, keep, ret, &f->ret);
    if (ret) ret->tags = NULL;
    cx_pop_frame(x);
    return r;
}

static int def_key(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args,
                   bool shape_only)
{
    sn_buf_reset(&x->key);
    (void)sn_buf_put(&x->key, &d, sizeof(d));
    for (uint32_t i = 0; i < d->n_params; i++) (void)cx_key_val(x, &args[i], shape_only);
    return x->key.err;
}

/* All arguments are known: the result is a constant, and remembered. */
static int call_const(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args,
                      const struct cx_expr *e, struct cx_val *ret)
{
    struct cx_frame f = {.kind = CX_IN_CONST, .def = d, .code = x->f->code};
    if (d->prints) return run_body(x, &f, d, args, e, &x->f->arena, ret);
    int r = def_key(x, d, args, false);
    if (r < 0) return r;
    struct cx_val *old = sn_map_get(&x->const_call, sn_buf_view(&x->key));
    if (old) {
        *ret = *old;
        return 0;
    }
    struct sn_str key = sn_arena_str(x->arena, sn_buf_view(&x->key));
    struct cx_val *v = SN_ARENA_NEW(x->arena, struct cx_val);
    if (!key.ptr || !v) return SN_E_NOMEM;
    if ((r = run_body(x, &f, d, args, e, x->arena, v)) < 0) return r;
    if ((r = sn_map_put(&x->const_call, key, v, NULL)) < 0) return r;
    *ret = *v;
    return 0;
}

/* ---- functions of the program ---------------------------------------------------------------- */

/* The arguments as the body sees them: single constants stay, the rest is in slots. */
static int unit_args(struct cx_exec *x, struct cx_code *code, const struct cx_def *d)
{
    uint32_t n = d->n_params;
    for (uint32_t i = 0; i < n; i++) {
        struct cx_ent *e = x->ents.ptr[x->f->ents_base + i];
        e->slot = code->n_slots;
        e->spilled = true;
        code->n_slots += e->n;
        for (uint32_t k = 0; k < e->n; k++)
            if (e->n_dims || e->elems[k].kind > SN_ZV_FE)
                e->elems[k] = (struct sn_zv){.kind = SN_ZV_SLOT};
    }
    return 0;
}

static int build_unit(struct cx_exec *x, struct cx_unit *u, const struct cx_val *args,
                      const struct cx_expr *e)
{
    struct cx_code code = {0};
    struct cx_frame f = {.kind = CX_IN_UNIT, .def = u->def, .code = &code, .unit = u};
    int r = cx_push_frame(x, &f, e->pos);
    if (r < 0) return r;
    if ((r = cx_bind(x, u->def, args)) == 0 && (r = unit_args(x, &code, u->def)) == 0)
        r = cx_exec(x, u->def->body);
    if (r == 0 && !u->has_ret)
        r = cx_error(x->s, e->pos, e->end, "the function ends without a return");
    if (r == 0) r = cx_effect(x, CXN_RET, 0, 0, 0, u->def->end);
    cx_pop_frame(x);
    struct sn_wcode out = {0};
    if (r == 0) r = cx_finish_code(x, &code, NULL, &out);
    cx_code_done(&code);
    out.n_args = u->n_args;
    out.ret_at = u->ret_slot;
    out.n_ret = u->n_ret;
    if (r == 0) x->c->wfuncs.ptr[u->id] = out;
    return r;
}

static int find_unit(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args,
                     const struct cx_expr *e, struct cx_unit **ret)
{
    int r = def_key(x, d, args, true);
    if (r < 0) return r;
    struct cx_unit *u = sn_map_get(&x->unit_of, sn_buf_view(&x->key));
    if (!u) {
        struct sn_str key = sn_arena_str(x->arena, sn_buf_view(&x->key));
        u = SN_ARENA_NEW(x->arena, struct cx_unit);
        if (!key.ptr || !u) return SN_E_NOMEM;
        u->def = d;
        u->id = (uint32_t)x->c->units.len;
        for (uint32_t i = 0; i < d->n_params; i++) u->n_args += args[i].n;
        if ((r = sn_vec_push(&x->c->units, u)) < 0 || !sn_vec_add(&x->c->wfuncs) ||
            (r = sn_map_put(&x->unit_of, key, u, NULL)) < 0)
            return SN_E_NOMEM;
        if ((r = build_unit(x, u, args, e)) < 0) return r;
    }
    if (!u->has_ret) { /* a recursion that has not returned anything yet */
        u->has_ret = true;
        u->n_ret = 1;
    }
    *ret = u;
    return 0;
}

static int call_unit(struct cx_exec *x, const struct cx_def *d, const struct cx_val *args,
                     const struct cx_expr *e, struct cx_val *ret)
{
    struct cx_unit *u;
    int r = find_unit(x, d, args, e, &u);
    if (r < 0) return r;
    struct cx_code *code = x->f->code;
    uint32_t at = code->n_slots, n = 0;
    code->n_slots += u->n_args + u->n_ret;
    for (uint32_t i = 0; i < d->n_params; i++) {
        const struct sn_zv *v = cx_elems(&args[i]);
        for (uint32_t k = 0; k < args[i].n; k++, n++) {
            uint32_t node = cx_node_of(x, &v[k]);
            if (!node) return SN_E_NOMEM;
            if ((r = cx_effect(x, CXN_SET, at + n, node, 0, e->pos)) < 0) return r;
        }
    }
    if ((r = cx_effect(x, CXN_CALL, at, at + n, u->id, e->pos)) < 0) return r;
    struct cx_val out = {.n = u->n_ret, .n_dims = u->n_dims};
    memcpy(out.dims, u->dims, sizeof(out.dims));
    if (u->n_dims && !(out.many = sn_arena_array(&x->f->arena, u->n_ret, sizeof(struct sn_zv))))
        return SN_E_NOMEM;
    struct sn_zv *elems = out.many ? out.many : &out.one;
    for (uint32_t k = 0; k < u->n_ret; k++) {
        uint32_t node = cx_node(
            x, (struct cx_node){.op = CXN_GET, .deg = CX_DEG_NONE, .a = at + n + k, .pos = e->pos});
        if (!node) return SN_E_NOMEM;
        elems[k] = (struct sn_zv){.kind = SN_ZV_NODE, .node = node};
    }
    *ret = out;
    return 0;
}

int cx_call(struct cx_exec *x, const struct cx_expr *e, struct cx_val *ret)
{
    struct cx_def *d = sn_map_get(&x->s->def_of, cx_name(x->s, e->sym));
    if (!d)
        return cx_error(x->s, e->pos, e->end,
                        "there is no function or template \"%.*s\"\n"
                        "is an include missing?",
                        SN_STR_ARG(cx_name(x->s, e->sym)));
    if (d->kind != CX_FUNCTION)
        return cx_error(x->s, e->pos, e->end, "a %s is no value here",
                        d->kind == CX_BUS ? "bus" : "template");
    struct cx_val *args;
    int r = cx_args(x, d, e, &args);
    if (r < 0) return r;
    if (all_known(args, d->n_params)) return call_const(x, d, args, e, ret);
    if (x->f->kind == CX_IN_PORTS) {
        *ret = (struct cx_val){.n = 1, .one = {.kind = SN_ZV_SLOT}};
        return 0;
    }
    struct sn_zv *needs_call = NULL;
    if (x->f->kind != CX_IN_UNIT) {
        r = def_key(x, d, args, true);
        if (r < 0) return r;
        needs_call = sn_map_get(&x->unit_of, sn_buf_view(&x->key));
        if (!needs_call) {
            struct cx_code *code = x->f->code;
            size_t nodes = code->nodes.len;
            struct cx_frame f = {.kind = CX_IN_INLINE, .def = d, .code = code};
            r = run_body(x, &f, d, args, e, &x->f->arena, ret);
            if (r != CX_NEED_CALL) return r;
            code->nodes.len = nodes;
        }
    }
    return call_unit(x, d, args, e, ret);
}
