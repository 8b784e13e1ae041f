/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/tags.c - tags of signals and of the fields of buses.
 *
 * A signal has the tags it was declared with and those of what it is assigned from by <==. Fields of
 * a bus have their own, whatever the index of the bus in an array. An array assigned element by
 * element has in the end what all its elements had, with one value. */
#include "core/status.h"
#include "zk/circom/exec_int.h"

struct cx_tag *cx_find_tag(const struct cx_tags *t, uint32_t sym)
{
    for (uint32_t i = 0; t && i < t->n; i++)
        if (t->ptr[i].sym == sym) return &t->ptr[i];
    return NULL;
}

bool cx_any_tag(const struct cx_tags *t)
{
    if (!t) return false;
    bool any = t->n > 0;
    for (uint32_t i = 0; !any && i < t->n_fields; i++) any = cx_any_tag(&t->fields[i]);
    return any;
}

int cx_copy_tags(struct cx_exec *x, struct cx_tags *ret, const struct cx_tags *from)
{
    struct cx_tags out = {.n = from->n, .n_fields = from->n_fields};
    if (from->n) {
        out.ptr = sn_arena_array(x->arena, from->n, sizeof(struct cx_tag));
        if (!out.ptr) return SN_E_NOMEM;
        memcpy(out.ptr, from->ptr, from->n * sizeof(struct cx_tag));
    }
    if (from->n_fields) {
        out.fields = sn_arena_array(x->arena, from->n_fields, sizeof(struct cx_tags));
        if (!out.fields) return SN_E_NOMEM;
    }
    for (uint32_t i = 0; i < from->n_fields; i++) {
        int r = cx_copy_tags(x, &out.fields[i], &from->fields[i]);
        if (r < 0) return r;
    }
    *ret = out;
    return 0;
}

int cx_declared_tags(struct cx_exec *x, const struct cx_decl *d, const struct cx_bus *bus,
                     struct cx_tags *ret)
{
    struct cx_tags out = {.n = d->n_tags};
    out.ptr = sn_arena_array(x->arena, d->n_tags, sizeof(struct cx_tag));
    if (!out.ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < d->n_tags; i++)
        out.ptr[i] = (struct cx_tag){.sym = d->tags[i], .declared = true};
    if (bus && bus->n_fields) {
        out.n_fields = bus->n_fields;
        out.fields = sn_arena_array(x->arena, bus->n_fields, sizeof(struct cx_tags));
        if (!out.fields) return SN_E_NOMEM;
    }
    for (uint32_t i = 0; i < out.n_fields; i++) {
        int r = cx_copy_tags(x, &out.fields[i], &bus->fields[i].tags);
        if (r < 0) return r;
    }
    *ret = out;
    return 0;
}

static bool same_value(const struct cx_exec *x, const struct cx_tag *a, const struct cx_tag *b)
{
    struct sn_fe u, v;
    if (a->has_value != b->has_value) return false;
    if (!a->has_value) return true;
    sn_zv_fe(x->field, &u, &a->value);
    sn_zv_fe(x->field, &v, &b->value);
    return sn_fe_equal(&u, &v);
}

/* ---- inputs of components -------------------------------------------------------------------- */

int cx_require_tags(struct cx_exec *x, struct cx_tags *to, const struct cx_tags *from, uint32_t pos,
                    uint32_t end)
{
    for (uint32_t i = 0; i < to->n; i++) {
        struct cx_tag *want = &to->ptr[i];
        const struct cx_tag *t = cx_find_tag(from, want->sym);
        if (!t)
            return cx_error(x->s, pos, end,
                            "this input wants the tag \"%.*s\", the value has not\n"
                            "tag the signal, or constrain it with a template that gives the tag",
                            SN_STR_ARG(cx_name(x->s, want->sym)));
        if (want->given && !same_value(x, want, t))
            return cx_error(x->s, pos, end,
                            "the tag \"%.*s\" of this input got another value before",
                            SN_STR_ARG(cx_name(x->s, want->sym)));
        want->has_value = t->has_value;
        want->value = t->value;
        want->given = true;
    }
    for (uint32_t i = 0; i < to->n_fields; i++) {
        const struct cx_tags *f = from && i < from->n_fields ? &from->fields[i] : NULL;
        int r = cx_require_tags(x, &to->fields[i], f, pos, end);
        if (r < 0) return r;
    }
    return 0;
}

void cx_take_tags(struct cx_tags *to, const struct cx_tags *from)
{
    for (uint32_t i = 0; i < to->n && i < from->n; i++) {
        to->ptr[i].has_value = from->ptr[i].has_value;
        to->ptr[i].value = from->ptr[i].value;
        to->ptr[i].given = from->ptr[i].given;
    }
    for (uint32_t i = 0; i < to->n_fields && i < from->n_fields; i++)
        cx_take_tags(&to->fields[i], &from->fields[i]);
}

/* ---- inheritance ----------------------------------------------------------------------------- */

static int inherit(struct cx_exec *x, struct cx_tags *to, const struct cx_tags *from)
{
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < from->n; i++) {
        struct cx_tag *t = cx_find_tag(to, from->ptr[i].sym);
        if (!t) {
            fresh++;
        } else if (!t->has_value) {
            t->has_value = from->ptr[i].has_value;
            t->value = from->ptr[i].value;
        }
    }
    if (fresh) {
        struct cx_tag *all = sn_arena_array(x->arena, to->n + fresh, sizeof(*all));
        if (!all) return SN_E_NOMEM;
        if (to->n) memcpy(all, to->ptr, to->n * sizeof(*all));
        uint32_t n = to->n;
        for (uint32_t i = 0; i < from->n; i++) {
            if (cx_find_tag(to, from->ptr[i].sym)) continue;
            all[n] = from->ptr[i];
            all[n++].declared = false;
        }
        to->ptr = all;
        to->n = n;
    }
    for (uint32_t i = 0; i < to->n_fields && i < from->n_fields; i++) {
        int r = inherit(x, &to->fields[i], &from->fields[i]);
        if (r < 0) return r;
    }
    return 0;
}

int cx_common_tags(struct cx_exec *x, struct cx_tags *t, const struct cx_tags *with)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct cx_tag *other = cx_find_tag(with, t->ptr[i].sym);
        if (other && same_value(x, &t->ptr[i], other)) t->ptr[n++] = t->ptr[i];
    }
    t->n = n;
    for (uint32_t i = 0; i < t->n_fields; i++) {
        const struct cx_tags *f = with && i < with->n_fields ? &with->fields[i] : NULL;
        int r = cx_common_tags(x, &t->fields[i], f);
        if (r < 0) return r;
    }
    return 0;
}

/* Some elements of an array: what they have in common with the ones before, and once all are
 * there, that is the array's. */
static int inherit_part(struct cx_exec *x, const struct cx_place *p, const struct cx_tags *from)
{
    struct cx_tags *t = p->tags;
    if (t->part_lost) return 0;
    if (!cx_any_tag(from)) {
        t->part_lost = true;
        return 0;
    }
    int r = 0;
    if (!t->part) {
        t->part = SN_ARENA_NEW(x->arena, struct cx_tags);
        r = t->part ? cx_copy_tags(x, t->part, from) : SN_E_NOMEM;
    } else {
        r = cx_common_tags(x, t->part, from);
    }
    t->part_n += p->n;
    return r < 0 || t->part_n < p->tag_total ? r : inherit(x, t, t->part);
}

int cx_inherit_tags(struct cx_exec *x, const struct cx_place *p, const struct cx_tags *from)
{
    if (p->tag_deep) return 0;
    int r = 0;
    if (p->indexed)
        r = inherit_part(x, p, from);
    else if (cx_any_tag(from))
        r = inherit(x, p->tags, from);
    else
        return 0;
    if (r < 0 || p->tags != &p->ent->tags) return r;
    struct cx_inst *inst = x->f->inst;
    for (size_t i = 0; p->tags->n && i < inst->own.len; i++)
        if (inst->own.ptr[i].prov == p->ent->prov) inst->own.ptr[i].tags = p->ent->tags;
    return 0;
}

/* ---- by name --------------------------------------------------------------------------------- */

int cx_read_tag(struct cx_exec *x, const struct cx_place *p, const struct cx_expr *e,
                struct cx_val *ret)
{
    *ret = (struct cx_val){.n = 1};
    const struct cx_tag *t = cx_find_tag(p->tags, p->tag);
    if (!t || !t->declared)
        return cx_error(x->s, e->pos, e->end,
                        t ? "this signal was not declared with the tag \"%.*s\", which it has from "
                            "an assignment\nadd the tag to its declaration"
                          : "\"%.*s\" is neither a field nor a tag of this signal",
                        SN_STR_ARG(cx_name(x->s, p->tag)));
    if (p->indexed || p->tag_deep)
        return cx_error(x->s, e->pos, e->end,
                        "the elements of an array have no tags of their own\nask the array");
    if (p->comp >= 0 && x->f->inst->comps.ptr[p->comp].ports.ptr[p->port].dir == CX_INPUT)
        return cx_error(x->s, e->pos, e->end, "tags of a component's inputs cannot be read");
    if (t->has_value) {
        ret->one = t->value;
        return 0;
    }
    if (x->f->kind == CX_IN_PORTS) {
        ret->one.kind = SN_ZV_SLOT;
        return 0;
    }
    return cx_error(x->s, e->pos, e->end, "the tag \"%.*s\" has no value here",
                    SN_STR_ARG(cx_name(x->s, p->tag)));
}

static bool any_assigned(const struct cx_inst *inst, const struct cx_place *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (inst->assigned.ptr[p->prov + i] & 1) return true;
    return false;
}

int cx_set_tag(struct cx_exec *x, const struct cx_place *p, const struct cx_stmt *s)
{
    struct cx_val v;
    int r = cx_eval(x, s->b, &v);
    if (r < 0) return r;
    bool unknown = x->f->kind == CX_IN_PORTS && v.n == 1 && cx_elems(&v)->kind > SN_ZV_FE;
    if (unknown) return 0;
    if (s->assign != CX_SET || v.n_dims || v.is_tuple || v.one.kind > SN_ZV_FE)
        return cx_error(x->s, s->pos, s->end, "a tag is set by = to a number known when compiling");
    if (p->comp >= 0 || p->indexed || p->tag_deep)
        return cx_error(x->s, s->pos, s->end,
                        "only tags of whole signals declared here can be set");
    if (p->ent->dir == CX_INPUT)
        return cx_error(x->s, s->pos, s->end, "tags of inputs come from outside");
    struct cx_tag *t = cx_find_tag(p->tags, p->tag);
    if (!t || !t->declared)
        return cx_error(x->s, s->pos, s->end,
                        "this signal has no such tag\nadd it where it is declared");
    if (t->has_value) return cx_error(x->s, s->pos, s->end, "this tag has a value already");
    if (x->f->kind == CX_IN_TEMPLATE && any_assigned(x->f->inst, p))
        return cx_error(x->s, s->pos, s->end,
                        "the signal is assigned already\nset its tags before that");
    t->has_value = true;
    t->value = v.one;
    return 0;
}

int cx_key_tags(struct cx_exec *x, const struct cx_tags *t)
{
    for (uint32_t k = 0; k < t->n; k++) {
        (void)sn_buf_byte(&x->key, t->ptr[k].has_value);
        if (!t->ptr[k].has_value) continue;
        struct cx_val v = {.one = t->ptr[k].value, .n = 1};
        (void)cx_key_val(x, &v, false);
    }
    for (uint32_t i = 0; i < t->n_fields; i++) (void)cx_key_tags(x, &t->fields[i]);
    return x->key.err;
}
