/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/inspect.c - warnings about signals that no constraint of their template mentions. */
#include "zk/circom/exec_int.h"

/* The signals of one name: one warning for all of an array or bus, with the first one as the
 * example. */
struct group {
    uint32_t prov, n, sym, pos;
    const struct sn_witness_shape *shape;
};

static uint32_t unconstrained(const struct cx_inst *inst, const struct group *g, uint32_t *ret_first)
{
    uint32_t n = 0;
    for (uint32_t i = g->n; i-- > 0;) {
        if (inst->assigned.ptr[g->prov + i] & 2) continue;
        *ret_first = i;
        n++;
    }
    return n;
}

/* what: "a signal of", who: "M", prefix: "" or the name of the component it is a port of. */
static void warn_group(struct cx_exec *x, const struct cx_inst *inst, const struct group *g,
                       const char *what, struct sn_str prefix)
{
    uint32_t first = 0, n = unconstrained(inst, g, &first);
    struct sn_buf name;
    if (n == 0) return;
    sn_buf_init(&name, 0);
    sn_wshape_name(g->shape, first, &name);
    struct sn_str text = sn_buf_view(&name);
    if (!prefix.len) text = sn_str_from(text, 1); /* without the dot it starts with */
    struct sn_str who = cx_name(x->s, inst->def->sym);
    uint32_t end = g->pos + (uint32_t)cx_name(x->s, g->sym).len;
    if (n == 1)
        cx_warn(x->s, g->pos, end, "%s of \"%.*s\" is in no constraint of it: \"%.*s%.*s\"", what,
                SN_STR_ARG(who), SN_STR_ARG(prefix), SN_STR_ARG(text));
    else
        cx_warn(x->s, g->pos, end,
                "%s of \"%.*s\" is in no constraint of it: \"%.*s%.*s\", and %u more like it", what,
                SN_STR_ARG(who), SN_STR_ARG(prefix), SN_STR_ARG(text), n - 1);
    sn_buf_done(&name);
}

static void inspect_own(struct cx_exec *x, const struct cx_inst *inst)
{
    const struct sn_winstance *w = &x->c->winsts.ptr[x->c->winsts.len - 1]; /* laid out just now */
    for (size_t i = 0; i < inst->own.len; i++) {
        const struct cx_own *o = &inst->own.ptr[i];
        struct group g = {o->prov, o->n, o->sym, o->pos, &w->signals[i]};
        if (o->dir == CX_OUTPUT && !x->s->opts->no_unconstrained) continue; /* said already */
        warn_group(x, inst, &g, o->dir == CX_INPUT ? "an input" : "a signal", SN_STR(""));
    }
}

/* What stands between a component and its parent; anonymous ones have no place to say it. */
static void inspect_comp(struct cx_exec *x, const struct cx_inst *inst, const struct cx_comp *c,
                         struct sn_str name)
{
    const struct sn_winstance *w = &x->c->winsts.ptr[c->inst->id];
    for (uint32_t i = 0; i < c->ports.n; i++) {
        const struct cx_port *p = &c->ports.ptr[i];
        size_t k = 0;
        while (c->inst->own.ptr[k].sym != p->sym) k++;
        struct group g = {cx_port_prov(c, i), p->n, c->sym, c->pos, &w->signals[k]};
        warn_group(x, inst, &g,
                   p->dir == CX_INPUT ? "an input of a component" : "an output of a component", name);
    }
}

static void warn_outputs(struct cx_exec *x, struct cx_inst *inst)
{
    SN_VEC_EACH (&inst->own, o) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < o->n; i++) n += !(inst->assigned.ptr[o->prov + i] & 2);
        if (n && o->dir == CX_OUTPUT)
            cx_warn(x->s, o->pos, o->pos + (uint32_t)cx_name(x->s, o->sym).len,
                    "the output \"%.*s\" of \"%.*s\" is in no constraint: a prover may put "
                    "anything there",
                    SN_STR_ARG(cx_name(x->s, o->sym)), SN_STR_ARG(cx_name(x->s, inst->def->sym)));
    }
}

void cx_inspect(struct cx_exec *x, struct cx_inst *inst)
{
    if (inst->def->custom) return;
    if (!x->s->opts->no_unconstrained) warn_outputs(x, inst);
    if (!x->s->opts->inspect) return;
    inspect_own(x, inst);
    struct sn_buf name;
    sn_buf_init(&name, 0);
    SN_VEC_EACH (&inst->comps, c) {
        if (c->anonymous || c->def->custom) continue;
        sn_buf_reset(&name);
        (void)sn_buf_str(&name, cx_name(x->s, c->sym));
        for (uint32_t i = 0; i < c->n_index; i++) (void)sn_buf_printf(&name, "[%u]", c->index[i]);
        inspect_comp(x, inst, c, sn_buf_view(&name));
    }
    sn_buf_done(&name);
}
