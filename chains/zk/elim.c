/* SPDX-License-Identifier: Apache-2.0 */
/* zk/elim.c - see elim_int.h.
 *
 * Solving has two stages. Peeling: a wire that one row only mentions solves that row at no cost,
 * which may leave further wires with one row; circuits are mostly directed, so peeling from the
 * outputs backwards takes nearly everything. Core: what is left, row by row the wire with the
 * fewest rows, replaced in each of those (fill-in happens here only).
 * Definitions are expanded last to first, and only those the quadratic rows need. */
#include "zk/elim_int.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"

/* ---- sums ------------------------------------------------------------------------------------ */

static int sum_add(struct sn_elim *e, uint32_t wire, const struct sn_fe *coef)
{
    uint32_t at = e->slot[wire];
    if (at) {
        struct sn_fe *c = &e->sum.ptr[at - 1].coef;
        sn_fe_add(e->s->field, c, c, coef);
        return 0;
    }
    int r = sn_vec_push(&e->sum, (struct sn_lc_term){wire, *coef});
    if (r == 0) e->slot[wire] = (uint32_t)e->sum.len;
    return r;
}

static int sum_add_row(struct sn_elim *e, const struct sn_lc_term *t, size_t n,
                       const struct sn_fe *factor)
{
    const struct sn_field *f = e->s->field;
    for (size_t i = 0; i < n; i++) {
        struct sn_fe c = t[i].coef;
        if (factor) sn_fe_mul(f, &c, &c, factor);
        int r = sum_add(e, t[i].wire, &c);
        if (r < 0) return r;
    }
    return 0;
}

static int by_wire(const void *pa, const void *pb)
{
    const struct sn_lc_term *a = pa, *b = pb;
    return a->wire < b->wire ? -1 : a->wire > b->wire;
}

/* Sorts, drops zeros, frees the slots; the terms stay in e->sum until the next sum begins. */
static void sum_finish(struct sn_elim *e)
{
    size_t n = 0;
    bool sorted = true;
    for (size_t i = 0; i < e->sum.len; i++) {
        e->slot[e->sum.ptr[i].wire] = 0;
        if (sn_fe_is_zero(&e->sum.ptr[i].coef)) continue;
        e->sum.ptr[n++] = e->sum.ptr[i];
        if (n > 1) sorted &= e->sum.ptr[n - 2].wire < e->sum.ptr[n - 1].wire;
    }
    e->sum.len = n;
    if (!sorted) qsort(e->sum.ptr, n, sizeof(*e->sum.ptr), by_wire);
}

static void sum_begin(struct sn_elim *e) { e->sum.len = 0; }

/* An allocation failed between begin and finish: the slots must not outlive it. */
static void sum_abort(struct sn_elim *e)
{
    for (size_t i = 0; i < e->sum.len; i++) e->slot[e->sum.ptr[i].wire] = 0;
    e->sum.len = 0;
}

/* Replaces the row's terms by the sum's. */
static int sum_to_row(struct sn_elim *e, struct sn_elim_row *row)
{
    if (e->sum.len > row->n) {
        row->terms = sn_arena_alloc(&e->arena, e->sum.len * sizeof(*row->terms));
        if (!row->terms) {
            row->n = 0;
            return SN_E_NOMEM;
        }
    }
    row->n = (uint32_t)e->sum.len;
    if (row->n) memcpy(row->terms, e->sum.ptr, row->n * sizeof(*row->terms));
    return 0;
}

/* ---- collecting ------------------------------------------------------------------------------ */

static void count_row(struct sn_elim *e, uint32_t i, int by)
{
    const struct sn_elim_row *row = &e->rows.ptr[i];
    for (uint32_t k = 0; k < row->n; k++) {
        uint32_t w = row->terms[k].wire;
        e->occ[w] = (uint32_t)((int)e->occ[w] + by);
        e->row_xor[w] ^= i;
    }
}

/* Linear row i as k*B - C or k*A - C. */
static int collect_row(struct sn_elim *e, uint32_t i)
{
    const struct sn_r1cs *s = e->s;
    const uint32_t *at = s->row_at + 3 * (size_t)i;
    bool a_number = at[0] == at[1] || (at[0] + 1 == at[1] && s->wire[at[0]] == 0);
    int num = a_number ? 0 : 1, other = 1 - num;
    sum_begin(e);
    int r = 0;
    for (uint32_t k = at[2]; k < at[3] && r == 0; k++) {
        struct sn_fe c;
        sn_fe_neg(s->field, &c, &s->dict[s->coef[k]]);
        r = sum_add(e, s->wire[k], &c);
    }
    for (uint32_t k = at[other]; at[num] < at[num + 1] && k < at[other + 1] && r == 0; k++) {
        struct sn_fe c;
        sn_fe_mul(s->field, &c, &s->dict[s->coef[k]], &s->dict[s->coef[at[num]]]);
        r = sum_add(e, s->wire[k], &c);
    }
    if (r < 0) {
        sum_abort(e);
        return r;
    }
    sum_finish(e);
    if (e->sum.len == 0) return 0;
    struct sn_elim_row row = {0};
    r = sum_to_row(e, &row);
    if (r == 0) r = sn_vec_push(&e->rows, row);
    if (r == 0) count_row(e, (uint32_t)e->rows.len - 1, 1);
    return r;
}

static int collect(struct sn_elim *e)
{
    for (uint32_t i = 0; i < e->s->n_rows; i++) {
        if (sn_row_is_linear(e->s, i)) {
            int r = collect_row(e, i);
            if (r < 0) return r;
            continue;
        }
        const uint32_t *at = e->s->row_at + 3 * (size_t)i;
        for (uint32_t k = at[0]; k < at[3]; k++) e->quad_occ[e->s->wire[k]]++;
    }
    return 0;
}

/* ---- solving --------------------------------------------------------------------------------- */

/* The cheapest wire to solve row i for: fewest other rows, then fewest places in quadratic rows,
 * then the larger number (later signals are made from earlier ones). 0 where all are fixed. */
static uint32_t best_pivot(const struct sn_elim *e, const struct sn_elim_row *row)
{
    uint32_t best = 0;
    for (uint32_t k = 0; k < row->n; k++) {
        uint32_t w = row->terms[k].wire;
        if (e->fixed[w]) continue;
        if (best == 0 || e->occ[w] < e->occ[best] ||
            (e->occ[w] == e->occ[best] && e->quad_occ[w] <= e->quad_occ[best]))
            best = w;
    }
    return best;
}

static int define(struct sn_elim *e, uint32_t i, uint32_t pivot)
{
    count_row(e, i, -1);
    e->rows.ptr[i].taken = true;
    int r = sn_vec_push(&e->defs, (struct sn_elim_def){pivot, i});
    if (r == 0) e->def_of[pivot] = (uint32_t)e->defs.len;
    return r;
}

static int peel(struct sn_elim *e)
{
    SN_VEC(uint32_t) queue = {0};
    int r = 0;
    for (uint32_t w = e->s->n_wires; w-- > 0 && r == 0;)
        if (!e->fixed[w] && e->occ[w] == 1) r = sn_vec_push(&queue, w);
    for (size_t q = 0; q < queue.len && r == 0; q++) {
        uint32_t w = queue.ptr[q];
        if (e->occ[w] != 1) continue; /* its row went with another wire */
        uint32_t i = e->row_xor[w];
        const struct sn_elim_row *row = &e->rows.ptr[i];
        r = define(e, i, best_pivot(e, row));
        for (uint32_t k = 0; k < row->n && r == 0; k++) {
            uint32_t v = row->terms[k].wire;
            if (!e->fixed[v] && e->occ[v] == 1) r = sn_vec_push(&queue, v);
        }
    }
    sn_vec_done(&queue);
    return r;
}

static const struct sn_fe *coef_of(const struct sn_elim_row *row, uint32_t wire)
{
    uint32_t lo = 0, hi = row->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (row->terms[mid].wire < wire)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < row->n && row->terms[lo].wire == wire ? &row->terms[lo].coef : NULL;
}

/* -1/c */
static void minus_inverse(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *c)
{
    struct sn_fe minus;
    sn_fe_neg(f, &minus, c);
    if (sn_fe_equal(&minus, &f->one) || sn_fe_equal(c, &f->one))
        *ret = minus;
    else
        sn_fe_inv(f, ret, &minus);
}

/* The rows that mention each wire of the core, as chains of places; entries may be out of date. */
struct link {
    uint32_t row, next;
};
struct chains {
    uint32_t *head; /* wire -> entry + 1 */
    SN_VEC(struct link) entries;
};

static int chain_row(struct sn_elim *e, struct chains *c, uint32_t i)
{
    const struct sn_elim_row *row = &e->rows.ptr[i];
    for (uint32_t k = 0; k < row->n; k++) {
        uint32_t w = row->terms[k].wire;
        if (e->fixed[w]) continue;
        int r = sn_vec_push(&c->entries, (struct link){i, c->head[w]});
        if (r < 0) return r;
        c->head[w] = (uint32_t)c->entries.len;
    }
    return 0;
}

/* row += factor * def, so that the pivot vanishes from it. */
static int replace_in(struct sn_elim *e, struct chains *c, uint32_t i, uint32_t def_row,
                      const struct sn_fe *minus_inv, uint32_t pivot)
{
    struct sn_elim_row *row = &e->rows.ptr[i];
    const struct sn_elim_row *def = &e->rows.ptr[def_row];
    const struct sn_fe *have = coef_of(row, pivot);
    if (row->taken || !have) return 0;
    struct sn_fe factor;
    sn_fe_mul(e->s->field, &factor, have, minus_inv);
    count_row(e, i, -1);
    sum_begin(e);
    int r = sum_add_row(e, row->terms, row->n, NULL);
    if (r == 0) r = sum_add_row(e, def->terms, def->n, &factor);
    if (r < 0) {
        sum_abort(e);
        return r;
    }
    sum_finish(e);
    r = sum_to_row(e, row);
    if (r < 0) return r;
    count_row(e, i, 1);
    return chain_row(e, c, i);
}

static int solve_core_row(struct sn_elim *e, struct chains *c, uint32_t i)
{
    uint32_t pivot = best_pivot(e, &e->rows.ptr[i]);
    if (pivot == 0) return 0;
    struct sn_fe minus_inv;
    minus_inverse(e->s->field, &minus_inv, coef_of(&e->rows.ptr[i], pivot));
    int r = define(e, i, pivot);
    /* Rows added to the chain while it is walked no longer hold the pivot. */
    for (uint32_t at = c->head[pivot]; at && r == 0; at = c->entries.ptr[at - 1].next)
        r = replace_in(e, c, c->entries.ptr[at - 1].row, i, &minus_inv, pivot);
    c->head[pivot] = 0;
    return r;
}

struct by_len {
    uint32_t n, row;
};
static int by_len(const void *pa, const void *pb)
{
    const struct by_len *a = pa, *b = pb;
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static int solve_core(struct sn_elim *e)
{
    struct chains c = {.head = SN_NEW_ARRAY(uint32_t, e->s->n_wires)};
    SN_VEC(struct by_len) order = {0};
    int r = c.head ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; i < e->rows.len && r == 0; i++) {
        if (e->rows.ptr[i].taken) continue;
        r = chain_row(e, &c, i);
        if (r == 0) r = sn_vec_push(&order, (struct by_len){e->rows.ptr[i].n, i});
    }
    if (order.len) qsort(order.ptr, order.len, sizeof(*order.ptr), by_len);
    for (size_t k = 0; k < order.len && r == 0; k++) r = solve_core_row(e, &c, order.ptr[k].row);
    sn_vec_done(&order);
    sn_vec_done(&c.entries);
    sn_free(c.head);
    return r;
}

int sn_elim_solve(struct sn_elim *e, const struct sn_r1cs *s, const uint8_t *fixed)
{
    *e = (struct sn_elim){.s = s, .fixed = fixed};
    sn_arena_init(&e->arena, NULL, 0);
    e->def_of = SN_NEW_ARRAY(uint32_t, s->n_wires);
    e->occ = SN_NEW_ARRAY(uint32_t, s->n_wires);
    e->row_xor = SN_NEW_ARRAY(uint32_t, s->n_wires);
    e->quad_occ = SN_NEW_ARRAY(uint32_t, s->n_wires);
    e->slot = SN_NEW_ARRAY(uint32_t, s->n_wires);
    int r = e->def_of && e->occ && e->row_xor && e->quad_occ && e->slot ? 0 : SN_E_NOMEM;
    if (r == 0) r = collect(e);
    if (r == 0) r = peel(e);
    if (r == 0) r = solve_core(e);
    if (r < 0) sn_elim_done(e);
    return r;
}

void sn_elim_done(struct sn_elim *e)
{
    sn_arena_done(&e->arena);
    sn_vec_done(&e->rows);
    sn_vec_done(&e->defs);
    sn_vec_done(&e->sum);
    sn_free(e->def_of);
    sn_free(e->occ);
    sn_free(e->row_xor);
    sn_free(e->quad_occ);
    sn_free(e->slot);
    *e = (struct sn_elim){0};
}

/* ---- substituting ---------------------------------------------------------------------------- */

/* Adds factor * (wire's value) to the sum; the definition of a solved wire is final by then, and
 * holds pivot = terms. */
static int sum_add_wire(struct sn_elim *e, uint32_t wire, const struct sn_fe *factor)
{
    if (!e->def_of[wire]) return sum_add(e, wire, factor);
    const struct sn_elim_row *row = &e->rows.ptr[e->defs.ptr[e->def_of[wire] - 1].row];
    return sum_add_row(e, row->terms, row->n, factor);
}

/* Turns definition d from "terms = 0" into "pivot = terms", later pivots replaced. */
static int expand(struct sn_elim *e, const struct sn_elim_def *d)
{
    const struct sn_field *f = e->s->field;
    struct sn_elim_row *row = &e->rows.ptr[d->row];
    struct sn_fe scale;
    minus_inverse(f, &scale, coef_of(row, d->pivot));
    sum_begin(e);
    int r = 0;
    for (uint32_t k = 0; k < row->n && r == 0; k++) {
        if (row->terms[k].wire == d->pivot) continue;
        struct sn_fe c;
        sn_fe_mul(f, &c, &row->terms[k].coef, &scale);
        r = sum_add_wire(e, row->terms[k].wire, &c);
    }
    if (r < 0) {
        sum_abort(e);
        return r;
    }
    sum_finish(e);
    return sum_to_row(e, row);
}

static int expand_needed(struct sn_elim *e, bool all)
{
    uint8_t *need SN_CLEANUP(sn_freep) = sn_zalloc(SN_MAX(e->defs.len, (size_t)1), 1);
    if (!need) return SN_E_NOMEM;
    for (size_t d = 0; d < e->defs.len; d++) {
        need[d] |= all || e->quad_occ[e->defs.ptr[d].pivot] > 0;
        if (!need[d]) continue;
        const struct sn_elim_row *row = &e->rows.ptr[e->defs.ptr[d].row];
        for (uint32_t k = 0; k < row->n; k++) {
            uint32_t other = e->def_of[row->terms[k].wire];
            if (other) need[other - 1] = 1;
        }
    }
    for (size_t d = e->defs.len; d-- > 0;) {
        int r = need[d] ? expand(e, &e->defs.ptr[d]) : 0;
        if (r < 0) return r;
    }
    return 0;
}

/* The entries lo..hi of a row, replaced, as the sum. */
static int rewrite_lc(struct sn_elim *e, uint32_t lo, uint32_t hi)
{
    const struct sn_r1cs *s = e->s;
    sum_begin(e);
    for (uint32_t k = lo; k < hi; k++) {
        int r = sum_add_wire(e, s->wire[k], &s->dict[s->coef[k]]);
        if (r < 0) {
            sum_abort(e);
            return r;
        }
    }
    sum_finish(e);
    return 0;
}

int sn_elim_rewrite_row(struct sn_elim *e, struct sn_r1cs_builder *b, uint32_t i)
{
    const uint32_t *at = e->s->row_at + 3 * (size_t)i;
    SN_VEC(struct sn_lc_term) terms = {0};
    size_t end[4] = {0};
    int r = 0;
    for (int m = 0; m < 3 && r == 0; m++) {
        r = rewrite_lc(e, at[m], at[m + 1]);
        if (r == 0) r = sn_vec_reserve(&terms, terms.len + e->sum.len);
        if (r < 0) break;
        if (e->sum.len)
            memcpy(terms.ptr + terms.len, e->sum.ptr, e->sum.len * sizeof(*terms.ptr));
        terms.len += e->sum.len;
        end[m + 1] = terms.len;
    }
    struct sn_lc abc[3];
    for (int m = 0; m < 3; m++) abc[m] = (struct sn_lc){terms.ptr + end[m], end[m + 1] - end[m]};
    if (r == 0) r = sn_r1cs_add(b, abc);
    if (r == 0) sn_row_tidy(b);
    sn_vec_done(&terms);
    return r;
}

/* Whether row i is linear in a wire that is not fixed: a further round solves it. */
static bool solvable(const struct sn_elim *e, const struct sn_r1cs *s, uint32_t i)
{
    const uint32_t *row = s->row_at + 3 * (size_t)i;
    if (!sn_row_is_linear(s, i)) return false;
    for (uint32_t k = row[0]; k < row[3]; k++)
        if (!e->fixed[s->wire[k]]) return true;
    return false;
}

int sn_elim_expand(struct sn_elim *e, const struct sn_simplify_opts *o)
{
    int r = expand_needed(e, o->replaced != NULL);
    for (size_t d = 0; d < e->defs.len && r == 0 && o->replaced; d++) {
        const struct sn_elim_row *row = &e->rows.ptr[e->defs.ptr[d].row];
        r = o->replaced(o->ctx, e->defs.ptr[d].pivot, &(struct sn_lc){row->terms, row->n});
    }
    return r;
}

int sn_elim_rewrite(struct sn_elim *e, struct sn_r1cs_builder *b, bool *ret_more)
{
    const struct sn_r1cs *s = e->s;
    bool more = false;
    int r = 0;
    for (uint32_t i = 0; i < s->n_rows && r == 0; i++) {
        if (sn_row_is_linear(s, i)) continue;
        uint32_t before = b->sys.n_rows;
        /* Rows without a solved wire, too, go by value: the dictionary is built anew. */
        r = sn_elim_rewrite_row(e, b, i);
        more |= r == 0 && b->sys.n_rows > before && solvable(e, &b->sys, before);
    }
    for (size_t i = 0; i < e->rows.len && r == 0; i++) {
        const struct sn_elim_row *row = &e->rows.ptr[i];
        if (row->taken || row->n == 0) continue;
        struct sn_lc abc[3] = {{0}, {0}, {row->terms, row->n}};
        r = sn_r1cs_add(b, abc);
    }
    if (r == 0) *ret_more = more;
    return r;
}
