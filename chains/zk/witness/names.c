/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/names.c - what the labels of a program are called, and where its code came from. */
#include "zk/witness/prog.h"

static void put_index(struct sn_buf *out, const uint32_t *dims, uint32_t n_dims, uint32_t at)
{
    uint32_t stride = 1;
    for (uint32_t i = 0; i < n_dims; i++) stride *= dims[i];
    for (uint32_t i = 0; i < n_dims; i++) {
        stride /= dims[i];
        (void)sn_buf_printf(out, "[%u]", at / stride % dims[i]);
    }
}

/* The signal at `at` from the shape's first: array elements, then fields of a bus, and so on. */
void sn_wshape_name(const struct sn_witness_shape *s, uint32_t at, struct sn_buf *out)
{
    while (s) {
        uint32_t elements = 1;
        for (uint32_t i = 0; i < s->n_dims; i++) elements *= s->dims[i];
        uint32_t size = s->n_signals / elements;
        (void)sn_buf_byte(out, '.');
        (void)sn_buf_str(out, s->name);
        put_index(out, s->dims, s->n_dims, at / size);
        at %= size;
        const struct sn_witness_shape *in = NULL;
        for (uint32_t i = 0; i < s->n_fields && !in; i++) {
            const struct sn_witness_shape *f = &s->fields[i];
            if (at >= f->label && at - f->label < f->n_signals) in = f;
        }
        if (in) at -= in->label;
        s = in;
    }
}

/* The sub-component that holds the signal at this offset; NULL for the instance's own signals. */
static const struct sn_wsub *holder(const struct sn_winstance *inst, uint32_t at)
{
    uint32_t lo = 0, hi = inst->n_subs;
    if (hi == 0 || inst->subs[inst->order[0]].offset > at) return NULL;
    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;
        if (inst->subs[inst->order[mid]].offset <= at)
            lo = mid;
        else
            hi = mid;
    }
    return &inst->subs[inst->order[lo]];
}

/* Down from main to whose own signal the label is; appends the path where out is given. */
static const struct sn_winstance *descend(const struct sn_witness_prog *p, uint32_t *at,
                                          struct sn_buf *out)
{
    const struct sn_winstance *inst = &p->instances[p->main];
    const struct sn_wsub *sub;
    if (out) (void)sn_buf_cstr(out, "main");
    while ((sub = holder(inst, *at)) != NULL) {
        if (out) {
            (void)sn_buf_byte(out, '.');
            (void)sn_buf_str(out, sub->name);
            for (uint32_t i = 0; i < sub->n_index; i++)
                (void)sn_buf_printf(out, "[%u]", sub->index[i]);
        }
        *at -= sub->offset;
        inst = &p->instances[sub->instance];
    }
    return inst;
}

void sn_wlabel_name(const struct sn_witness_prog *p, uint64_t label, struct sn_buf *out)
{
    if (label == 0 || label >= p->n_labels) {
        (void)sn_buf_cstr(out, "one");
        return;
    }
    uint32_t at = (uint32_t)label - 1;
    const struct sn_winstance *inst = descend(p, &at, out);
    for (uint32_t i = 0; i < inst->n_signals; i++) {
        const struct sn_witness_shape *s = &inst->signals[i];
        if (at < s->label || at - s->label >= s->n_signals) continue;
        sn_wshape_name(s, at - s->label, out);
        return;
    }
}

uint32_t sn_wlabel_instance(const struct sn_witness_prog *p, uint64_t label)
{
    if (label == 0 || label >= p->n_labels) return p->main;
    uint32_t at = (uint32_t)label - 1;
    return (uint32_t)(descend(p, &at, NULL) - p->instances);
}

void sn_wplace_text(const struct sn_witness_prog *p, uint32_t place, uint64_t label,
                    struct sn_buf *out)
{
    struct sn_wplace at;
    if (p->place && p->place(p->ctx, place, &at))
        (void)sn_buf_printf(out, "%.*s:%u:%u: %.*s", SN_STR_ARG(at.file), at.line, at.column,
                            (int)SN_MIN(at.text.len, (size_t)120), at.text.ptr ? at.text.ptr : "");
    (void)sn_buf_cstr(out, ", in ");
    if (label == 0 || label >= p->n_labels) {
        (void)sn_buf_cstr(out, "main");
        return;
    }
    uint32_t first = (uint32_t)label - 1;
    (void)descend(p, &first, out);
}
