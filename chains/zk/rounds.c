/* SPDX-License-Identifier: Apache-2.0 */
/* zk/rounds.c - the later rounds of level 2, each at the cost of what it changes.
 *
 * The first round solves nearly all linear rows there are. Then a row turns linear here and there,
 * solving it turns another, and a chain of additions on a curve takes a thousand rounds of a few
 * rows each. A round here takes the rows that turned linear and every row that mentions a wire of
 * theirs, makes a small system of them (their wires numbered anew, in the same order), solves that
 * and puts the rows back. Nothing else can change in the round, so the result is what rounds over the
 * whole system give. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "zk/elim_int.h"

struct row {
    const struct sn_lc_term *terms; /* NULL: as it is in the system */
    uint32_t n[3];
    uint32_t seen; /* the last round that took it */
    bool gone;
};
struct link {
    uint32_t row, next;
};
struct rounds {
    const struct sn_r1cs *s;
    const uint8_t *fixed;
    const struct sn_simplify_opts *o;
    struct sn_arena arena;
    SN_VEC(struct row) rows;
    uint32_t *head; /* wire -> link + 1: the rows that mention it, some of them no longer */
    SN_VEC(struct link) links;
    SN_VEC(uint32_t) batch, next; /* rows that are linear in a wire that is not fixed */
    uint32_t round;
    /* Of the round: rows taken, their wires in order, and where a wire is among them (+ 1). */
    SN_VEC(uint32_t) taken, wires;
    uint32_t *small_of;
};

static uint32_t row_len(const struct rounds *x, uint32_t i)
{
    const struct row *row = &x->rows.ptr[i];
    if (row->terms) return row->n[0] + row->n[1] + row->n[2];
    const uint32_t *at = x->s->row_at + 3 * (size_t)i;
    return at[3] - at[0];
}
static uint32_t row_wire(const struct rounds *x, uint32_t i, uint32_t k)
{
    const struct row *row = &x->rows.ptr[i];
    return row->terms ? row->terms[k].wire : x->s->wire[x->s->row_at[3 * (size_t)i] + k];
}

static int link_row(struct rounds *x, uint32_t i)
{
    uint32_t n = row_len(x, i);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t w = row_wire(x, i, k);
        if (x->fixed[w]) continue;
        int r = sn_vec_push(&x->links, (struct link){i, x->head[w]});
        if (r < 0) return r;
        x->head[w] = (uint32_t)x->links.len;
    }
    return 0;
}

static bool any_free(const struct rounds *x, uint32_t i)
{
    uint32_t n = row_len(x, i);
    for (uint32_t k = 0; k < n; k++)
        if (!x->fixed[row_wire(x, i, k)]) return true;
    return false;
}

static int begin(struct rounds *x)
{
    x->head = SN_NEW_ARRAY(uint32_t, x->s->n_wires);
    x->small_of = SN_NEW_ARRAY(uint32_t, x->s->n_wires);
    int r = x->head && x->small_of ? sn_vec_reserve(&x->rows, x->s->n_rows) : SN_E_NOMEM;
    for (uint32_t i = 0; i < x->s->n_rows && r == 0; i++) {
        r = sn_vec_push(&x->rows, (struct row){0});
        if (r == 0) r = link_row(x, i);
        if (r == 0 && sn_row_is_linear(x->s, i) && any_free(x, i)) r = sn_vec_push(&x->batch, i);
    }
    return r;
}

/* ---- a round --------------------------------------------------------------------------------- */

static int take(struct rounds *x, uint32_t i)
{
    struct row *row = &x->rows.ptr[i];
    if (row->gone || row->seen == x->round) return 0;
    row->seen = x->round;
    return sn_vec_push(&x->taken, i);
}

static int by_number(const void *pa, const void *pb)
{
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    return a < b ? -1 : a > b;
}

/* The batch, the rows that share a wire with it, and the wires of all. */
static int gather(struct rounds *x)
{
    int r = 0;
    x->taken.len = x->wires.len = 0;
    for (size_t b = 0; b < x->batch.len && r == 0; b++) {
        uint32_t i = x->batch.ptr[b], n = row_len(x, i);
        r = take(x, i);
        for (uint32_t k = 0; k < n && r == 0; k++)
            for (uint32_t at = x->head[row_wire(x, i, k)]; at && r == 0; at = x->links.ptr[at - 1].next)
                r = take(x, x->links.ptr[at - 1].row);
    }
    if (r == 0) r = sn_vec_push(&x->wires, 0u);
    x->small_of[0] = 1;
    for (size_t t = 0; t < x->taken.len && r == 0; t++) {
        uint32_t i = x->taken.ptr[t], n = row_len(x, i);
        for (uint32_t k = 0; k < n && r == 0; k++) {
            uint32_t w = row_wire(x, i, k);
            if (x->small_of[w]) continue;
            x->small_of[w] = 1;
            r = sn_vec_push(&x->wires, w);
        }
    }
    qsort(x->taken.ptr, x->taken.len, sizeof(*x->taken.ptr), by_number);
    qsort(x->wires.ptr, x->wires.len, sizeof(*x->wires.ptr), by_number);
    for (size_t k = 0; k < x->wires.len; k++) x->small_of[x->wires.ptr[k]] = (uint32_t)k + 1;
    return r;
}

static int small_system(struct rounds *x, struct sn_r1cs *ret)
{
    struct sn_r1cs_builder b;
    SN_VEC(struct sn_lc_term) terms = {0};
    int r = sn_r1cs_builder_init(&b, x->s->field);
    if (r < 0) return r;
    for (size_t t = 0; t < x->taken.len && r == 0; t++) {
        uint32_t i = x->taken.ptr[t], n = row_len(x, i), from = 0;
        const struct row *row = &x->rows.ptr[i];
        const uint32_t *at = row->terms ? NULL : x->s->row_at + 3 * (size_t)i;
        struct sn_lc abc[3];
        if ((r = sn_vec_reserve(&terms, n)) < 0) break;
        for (uint32_t k = 0; k < n; k++) {
            const struct sn_fe *c = at ? &x->s->dict[x->s->coef[at[0] + k]] : &row->terms[k].coef;
            terms.ptr[k] = (struct sn_lc_term){x->small_of[row_wire(x, i, k)] - 1, *c};
        }
        for (int m = 0; m < 3; m++) {
            uint32_t len = at ? at[m + 1] - at[m] : row->n[m];
            abc[m] = (struct sn_lc){terms.ptr + from, len};
            from += len;
        }
        r = sn_r1cs_add(&b, abc);
    }
    sn_vec_done(&terms);
    struct sn_r1cs_signals n = {.n_total = x->wires.len};
    if (r == 0) return sn_r1cs_builder_finish(&b, &n, ret);
    sn_r1cs_builder_done(&b);
    return r;
}

/* Row i becomes the last row of the builder, whose wires are the small system's. */
static int put_back(struct rounds *x, uint32_t i, const struct sn_r1cs *from)
{
    const uint32_t *at = from->row_at + 3 * (size_t)(from->n_rows - 1);
    struct row *row = &x->rows.ptr[i];
    struct sn_lc_term *t = sn_arena_array(&x->arena, SN_MAX(at[3] - at[0], 1u), sizeof(*t));
    if (!t) return SN_E_NOMEM;
    for (uint32_t e = at[0]; e < at[3]; e++)
        t[e - at[0]] = (struct sn_lc_term){x->wires.ptr[from->wire[e]], from->dict[from->coef[e]]};
    for (int m = 0; m < 3; m++) row->n[m] = at[m + 1] - at[m];
    row->terms = t;
    int r = link_row(x, i);
    if (r == 0 && sn_row_is_linear(from, from->n_rows - 1) && any_free(x, i))
        r = sn_vec_push(&x->next, i);
    return r;
}

/* A linear row of fixed wires, which nothing solves. */
static int put_rest(struct rounds *x, const struct sn_elim_row *rest)
{
    struct sn_lc_term *t = sn_arena_array(&x->arena, rest->n, sizeof(*t));
    if (!t) return SN_E_NOMEM;
    for (uint32_t k = 0; k < rest->n; k++)
        t[k] = (struct sn_lc_term){x->wires.ptr[rest->terms[k].wire], rest->terms[k].coef};
    return sn_vec_push(&x->rows, (struct row){.terms = t, .n = {0, 0, rest->n}});
}

static int put_rows(struct rounds *x, struct sn_elim *e, const struct sn_r1cs *small)
{
    struct sn_r1cs_builder b;
    int r = sn_r1cs_builder_init(&b, small->field);
    if (r < 0) return r;
    for (uint32_t t = 0; t < small->n_rows && r == 0; t++) {
        struct row *row = &x->rows.ptr[x->taken.ptr[t]];
        const uint32_t *at = small->row_at + 3 * (size_t)t;
        bool same = true;
        if (sn_row_is_linear(small, t)) {
            row->gone = true;
            continue;
        }
        for (uint32_t k = at[0]; k < at[3] && same; k++) same = !e->def_of[small->wire[k]];
        if (same) continue;
        uint32_t before = b.sys.n_rows;
        r = sn_elim_rewrite_row(e, &b, t);
        if (r == 0 && b.sys.n_rows == before)
            row->gone = true; /* says 0 = 0 now */
        else if (r == 0)
            r = put_back(x, x->taken.ptr[t], &b.sys);
    }
    for (size_t i = 0; i < e->rows.len && r == 0; i++)
        if (!e->rows.ptr[i].taken && e->rows.ptr[i].n) r = put_rest(x, &e->rows.ptr[i]);
    sn_r1cs_builder_done(&b);
    return r;
}

/* Names of the small system's wires for whoever asked what goes. */
static int replaced(void *ctx, uint32_t wire, const struct sn_lc *value)
{
    struct rounds *x = ctx;
    struct sn_lc_term *t = sn_arena_array(&x->arena, SN_MAX(value->n, (size_t)1), sizeof(*t));
    if (!t) return SN_E_NOMEM;
    for (size_t k = 0; k < value->n; k++)
        t[k] = (struct sn_lc_term){x->wires.ptr[value->terms[k].wire], value->terms[k].coef};
    return x->o->replaced(x->o->ctx, x->wires.ptr[wire], &(struct sn_lc){t, value->n});
}

static int one_round(struct rounds *x)
{
    struct sn_r1cs small;
    struct sn_elim e;
    struct sn_simplify_opts o = {.replaced = x->o->replaced ? replaced : NULL, .ctx = x};
    x->round++;
    x->next.len = 0;
    int r = gather(x);
    if (r == 0) r = small_system(x, &small);
    if (r < 0) return r;
    uint8_t *fixed SN_CLEANUP(sn_freep) = sn_alloc(x->wires.len);
    if (!fixed) r = SN_E_NOMEM;
    for (size_t k = 0; k < x->wires.len; k++) {
        if (fixed) fixed[k] = x->fixed[x->wires.ptr[k]];
        x->small_of[x->wires.ptr[k]] = 0;
    }
    if (r == 0) r = sn_elim_solve(&e, &small, fixed);
    if (r == 0) {
        r = sn_elim_expand(&e, &o);
        if (r == 0) r = put_rows(x, &e, &small);
        sn_elim_done(&e);
    }
    sn_r1cs_done(&small);
    __auto_type done = x->batch;
    x->batch = x->next;
    x->next = done;
    return r;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* The rows there are now as a system. */
static int assemble(struct rounds *x, struct sn_r1cs *ret)
{
    const struct sn_r1cs *s = x->s;
    struct sn_r1cs_builder b;
    int64_t *id SN_CLEANUP(sn_freep) = sn_alloc(SN_MAX(s->n_dict, 1u) * sizeof(*id));
    uint32_t *ids SN_CLEANUP(sn_freep) = sn_alloc(SN_MAX(sn_r1cs_row_max(s), 1u) * sizeof(*ids));
    if (!id || !ids) return SN_E_NOMEM;
    int r = sn_r1cs_builder_init(&b, s->field);
    if (r < 0) return r;
    for (uint32_t c = 0; c < s->n_dict; c++) id[c] = -1;
    for (uint32_t i = 0; i < x->rows.len && r == 0; i++) {
        const struct row *row = &x->rows.ptr[i];
        if (row->gone) continue;
        if (row->terms) {
            const struct sn_lc_term *t = row->terms;
            r = sn_r1cs_add(&b, (struct sn_lc[3]){{t, row->n[0]}, {t + row->n[0], row->n[1]},
                                                  {t + row->n[0] + row->n[1], row->n[2]}});
            continue;
        }
        const uint32_t *at = s->row_at + 3 * (size_t)i;
        for (uint32_t k = at[0]; k < at[3]; k++) {
            int64_t *p = &id[s->coef[k]];
            if (*p < 0) *p = sn_r1cs_coef(&b, &s->dict[s->coef[k]]);
            if (*p < 0) r = (int)*p;
            ids[k - at[0]] = (uint32_t)*p;
        }
        uint32_t n[3] = {at[1] - at[0], at[2] - at[1], at[3] - at[2]};
        if (r == 0) r = sn_r1cs_add_ids(&b, n, s->wire + at[0], ids);
    }
    struct sn_r1cs_signals n = {.n_total = s->n_wires};
    if (r == 0) return sn_r1cs_builder_finish(&b, &n, ret);
    sn_r1cs_builder_done(&b);
    return r;
}

int sn_rounds_run(struct sn_r1cs *s, const uint8_t *fixed, const struct sn_simplify_opts *o,
                  unsigned *rounds)
{
    struct rounds x = {.s = s, .fixed = fixed, .o = o};
    struct sn_r1cs out;
    unsigned before = *rounds;
    sn_arena_init(&x.arena, NULL, 0);
    int r = begin(&x);
    while (r == 0 && x.batch.len && (o->rounds_max == 0 || *rounds < o->rounds_max)) {
        r = one_round(&x);
        ++*rounds;
    }
    bool changed = *rounds > before;
    if (r == 0 && changed) r = assemble(&x, &out);
    sn_arena_done(&x.arena);
    sn_vec_done(&x.rows);
    sn_vec_done(&x.links);
    sn_vec_done(&x.batch);
    sn_vec_done(&x.next);
    sn_vec_done(&x.taken);
    sn_vec_done(&x.wires);
    sn_free(x.head);
    sn_free(x.small_of);
    if (r < 0 || !changed) return r;
    sn_r1cs_done(s);
    *s = out;
    return 0;
}
