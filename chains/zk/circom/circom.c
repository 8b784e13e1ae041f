/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/circom.c - one compilation from start to end. */
#include "zk/circom/circom.h"

#include "core/alloc.h"
#include "core/status.h"
#include "zk/circom/exec_int.h"

static const char *trace(void *ctx)
{
    struct cx_exec *x = ctx;
    const struct cx_frame *f[16];
    unsigned n = 0, skipped = 0;
    for (const struct cx_frame *p = x->f; p && p->up; p = p->up) {
        if (n == SN_COUNT_OF(f))
            skipped++;
        else
            f[n++] = p;
    }
    sn_buf_reset(&x->trace);
    if (skipped) (void)sn_buf_cstr(&x->trace, "... -> ");
    for (unsigned i = n; i-- > 0;) {
        if (!f[i]->def) continue;
        (void)sn_buf_printf(&x->trace, "%.*s%s", SN_STR_ARG(cx_name(x->s, f[i]->def->sym)),
                            i ? " -> " : "");
    }
    return sn_buf_cz(&x->trace);
}

static void exec_init(struct cx_exec *x, struct sn_circom *c)
{
    *x = (struct cx_exec){.c = c, .s = &c->src, .field = c->src.field, .arena = &c->src.arena};
    sn_arena_pool_init(&x->pool, 0, 64);
    struct sn_map *maps[] = {&x->inst_of, &x->unit_of, &x->const_call, &x->bus_of};
    for (size_t i = 0; i < SN_COUNT_OF(maps); i++) sn_map_init(maps[i], 1, false);
    sn_map_init(&x->const_of, 1, true);
    sn_map_init(&x->coef_of, 1, true);
}
static void exec_done(struct cx_exec *x)
{
    struct sn_map *maps[] = {&x->inst_of, &x->unit_of,  &x->const_call,
                             &x->bus_of,  &x->const_of, &x->coef_of};
    for (size_t i = 0; i < SN_COUNT_OF(maps); i++) sn_map_done(maps[i]);
    cx_pop_ents(x, 0);
    while (x->free_ents) {
        struct cx_ent *e = x->free_ents;
        x->free_ents = e->next_free;
        sn_free(e);
    }
    sn_vec_done(&x->ents);
    sn_vec_done(&x->heap);
    sn_free(x->acc);
    sn_free(x->seen);
    sn_buf_done(&x->key);
    sn_buf_done(&x->trace);
    sn_arena_pool_done(&x->pool);
}

static int run_main(struct cx_exec *x)
{
    const struct cx_expr *e = x->s->main;
    struct cx_def *d = sn_map_get(&x->s->def_of, cx_name(x->s, e->sym));
    if (!d || d->kind != CX_TEMPLATE)
        return cx_error(x->s, e->pos, e->end, "there is no template \"%.*s\"",
                        SN_STR_ARG(cx_name(x->s, e->sym)));
    struct cx_frame root = {.kind = CX_IN_CONST};
    int r = cx_push_frame(x, &root, e->pos);
    if (r < 0) return r;
    struct cx_val *args;
    if ((r = cx_args(x, d, e, &args)) == 0) {
        sn_buf_reset(&x->key);
        (void)sn_buf_put(&x->key, &d, sizeof(d));
        for (uint32_t i = 0; i < e->n; i++) (void)cx_key_val(x, &args[i], false);
        r = x->key.err;
        if (r == 0) r = cx_instance(x, d, args, NULL, e->pos, &x->c->main);
    }
    cx_pop_frame(x);
    return r < 0 ? r : cx_link(x);
}

static int compile(struct sn_circom *c, const char *path)
{
    int r = cx_parse_all(&c->src, path);
    if (r < 0 || (r = cx_check_names(&c->src)) < 0) return r;
    struct cx_exec x;
    exec_init(&x, c);
    if ((r = sn_buf_reserve(&x.trace, 4096)) < 0) { /* findings need no memory later */
        exec_done(&x);
        return r;
    }
    c->src.trace = trace;
    c->src.trace_ctx = &x;
    r = run_main(&x);
    c->src.trace = NULL;
    exec_done(&x);
    return r;
}

int sn_circom_compile(const struct sn_circom_opts *o, const char *path, struct sn_circom **ret)
{
    struct sn_circom *c = SN_NEW(struct sn_circom);
    if (!c) return SN_E_NOMEM;
    c->src.opts = o;
    c->src.field = o->field ? o->field : &sn_bn254_fr;
    c->src.steps_max = o->steps_max ? o->steps_max : SN_CIRCOM_STEPS_MAX;
    c->src.nodes_max = o->nodes_max ? o->nodes_max : SN_CIRCOM_NODES_MAX;
    c->src.signals_max = o->signals_max ? o->signals_max : SN_CIRCOM_SIGNALS_MAX;
    c->src.instances_max = o->instances_max ? o->instances_max : SN_CIRCOM_INSTANCES_MAX;
    c->src.array_max = o->array_max ? o->array_max : SN_CIRCOM_ARRAY_MAX;
    sn_arena_init(&c->src.arena, NULL, 0);
    sn_map_init(&c->src.syms, 1, false);
    sn_map_init(&c->src.def_of, 1, false);
    int r = sn_buf_reserve(&c->src.msg, 4096);
    if (r == 0) r = compile(c, path);
    c->src.opts = NULL;
    sn_buf_done(&c->src.msg);
    if (r < 0) {
        sn_circom_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void sn_circom_free(struct sn_circom *c)
{
    if (!c) return;
    SN_VEC_EACH (&c->insts, it) {
        struct cx_inst *i = *it;
        sn_vec_done(&i->own);
        sn_vec_done(&i->comps);
        sn_vec_done(&i->assigned);
        sn_vec_done(&i->row_n);
        sn_vec_done(&i->row_wire);
        sn_vec_done(&i->row_coef);
        sn_vec_done(&i->row_pos);
    }
    sn_vec_done(&c->insts);
    sn_vec_done(&c->units);
    sn_vec_done(&c->consts);
    sn_vec_done(&c->coefs);
    sn_vec_done(&c->winsts);
    sn_vec_done(&c->wfuncs);
    sn_vec_done(&c->strings);
    sn_vec_done(&c->src.files);
    sn_vec_done(&c->src.names);
    sn_vec_done(&c->src.defs);
    sn_map_done(&c->src.syms);
    sn_map_done(&c->src.def_of);
    sn_arena_done(&c->src.arena);
    sn_free(c);
}

const struct sn_witness_prog *sn_circom_witness(const struct sn_circom *c) { return &c->prog; }
const struct sn_field *sn_circom_field(const struct sn_circom *c) { return c->src.field; }

void sn_circom_stats(const struct sn_circom *c, struct sn_circom_stats *ret)
{
    const struct cx_inst *m = c->main;
    *ret = (struct sn_circom_stats){
        .template_instances = (uint32_t)c->insts.len,
        .nonlinear = (uint32_t)m->all_nonlinear,
        .linear = (uint32_t)m->all_linear,
        .outputs = m->ports.n_out,
        .public_inputs = c->n_public,
        .private_inputs = m->ports.n_in - c->n_public,
        .labels = m->size + 1,
    };
    for (size_t i = 0; i < c->winsts.len; i++) ret->code_ops += c->winsts.ptr[i].code.n;
    for (size_t i = 0; i < c->wfuncs.len; i++) ret->code_ops += c->wfuncs.ptr[i].n;
}
