/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/inspect.c - warnings about signals that no constraint of their template mentions. */
#include "zk/circom/exec_int.h"

/* Signals from prov on, by the name they have in the template: one warning for all of an array or
 * bus, with the first one as the example. */
struct group {
    uint32_t prov, n, sym, n_dims, pos;
    const uint32_t *dims;
    const struct cx_bus *bus;
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

/* "a", "a.b[2]", or "3 signals of a, a.b[2] for one". */
static void group_text(const struct cx_exec *x, const struct group *g, struct sn_str prefix,
                       uint32_t n, uint32_t first, struct sn_buf *out)
{
    sn_buf_reset(out);
    if (g->n > 1)
        (void)sn_buf_printf(out, "%u signals of \"%.*s%.*s\", \"", n, SN_STR_ARG(prefix),
                            SN_STR_ARG(cx_name(x->s, g->sym)));
    else
        (void)sn_buf_cstr(out, "\"");
    (void)sn_buf_str(out, prefix);
    size_t at = out->len;
    cx_put_signal(x->s, out, g->sym, g->dims, g->n_dims, g->bus, first);
    if (out->err == 0 && out->len > at) { /* without the dot it starts with */
        memmove(out->ptr + at, out->ptr + at + 1, out->len - at - 1);
        out->len--;
    }
    (void)sn_buf_cstr(out, g->n > 1 ? "\" for one," : "\"");
}

static void inspect_own(struct cx_exec *x, struct cx_inst *inst, struct sn_buf *b)
{
    SN_VEC_EACH (&inst->own, o) {
        struct group g = {o->prov, o->n, o->sym, o->n_dims, o->pos, o->dims, o->bus};
        uint32_t first = 0, n = unconstrained(inst, &g, &first);
        if (n == 0 || (o->dir == CX_OUTPUT && !x->s->opts->no_unconstrained)) continue;
        group_text(x, &g, SN_STR(""), n, first, b);
        cx_warn(x->s, o->pos, o->pos + (uint32_t)cx_name(x->s, o->sym).len,
                "%s of \"%.*s\" in no constraint: %s", o->dir == CX_INPUT ? "an input" : "a signal",
                SN_STR_ARG(cx_name(x->s, inst->def->sym)), sn_buf_cz(b));
    }
}

/* What stands between a component and its parent; anonymous ones have no place to say it. */
static void inspect_comps(struct cx_exec *x, struct cx_inst *inst, struct sn_buf *b)
{
    struct sn_buf name;
    sn_buf_init(&name, 0);
    SN_VEC_EACH (&inst->comps, c) {
        if (c->anonymous || c->def->custom) continue;
        sn_buf_reset(&name);
        (void)sn_buf_str(&name, cx_name(x->s, c->sym));
        for (uint32_t i = 0; i < c->n_index; i++) (void)sn_buf_printf(&name, "[%u]", c->index[i]);
        (void)sn_buf_byte(&name, '.');
        for (uint32_t i = 0; i < c->ports.n; i++) {
            const struct cx_port *p = &c->ports.ptr[i];
            struct group g = {c->prov + p->offset, p->n, p->sym, p->n_dims, c->pos, p->dims, p->bus};
            uint32_t first = 0, n = unconstrained(inst, &g, &first);
            if (n == 0) continue;
            group_text(x, &g, sn_buf_view(&name), n, first, b);
            cx_warn(x->s, c->pos, c->pos + 1,
                    "%s of a component in no constraint of \"%.*s\": %s",
                    p->dir == CX_INPUT ? "an input" : "an output",
                    SN_STR_ARG(cx_name(x->s, inst->def->sym)), sn_buf_cz(b));
        }
    }
    sn_buf_done(&name);
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
    struct sn_buf b;
    sn_buf_init(&b, 0);
    inspect_own(x, inst, &b);
    inspect_comps(x, inst, &b);
    sn_buf_done(&b);
}
