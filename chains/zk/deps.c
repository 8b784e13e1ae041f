/* SPDX-License-Identifier: Apache-2.0 */
/* zk/deps.c - which linear constraints say nothing new, which contradict others, which constraints
 * stand twice.
 *
 * Linear rows are brought to echelon form one after the other: a row that reduces to nothing follows
 * from the rows before it, one that reduces to a number other than zero contradicts them. Rows are
 * taken shortest first, and each is solved for the wire that occurs least, which keeps them short in
 * circuits; SN_R1CS_DEPS_WORK_MAX bounds what is left. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/map.h"
#include "core/status.h"
#include "core/vec.h"
#include "zk/elim_int.h"

struct deps {
    const struct sn_r1cs *s;
    struct sn_arena arena;
    struct sn_elim_row *def; /* by wire: the row solved for it, its coefficient there 1 */
    uint32_t *occ;           /* wire -> entries in linear rows */
    uint32_t *slot;          /* wire -> place in sum + 1 */
    SN_VEC(struct sn_lc_term) sum;
    SN_VEC(uint32_t) queue; /* solved wires in the sum */
    uint64_t work;
};

static int add(struct deps *d, uint32_t wire, const struct sn_fe *c)
{
    uint32_t at = d->slot[wire];
    if (at) {
        sn_fe_add(d->s->field, &d->sum.ptr[at - 1].coef, &d->sum.ptr[at - 1].coef, c);
        return 0;
    }
    int r = sn_vec_push(&d->sum, (struct sn_lc_term){wire, *c});
    if (r == 0) d->slot[wire] = (uint32_t)d->sum.len;
    if (r == 0 && d->def[wire].n) r = sn_vec_push(&d->queue, wire);
    return r;
}

/* Row i as one combination that must be zero: k*B - C or k*A - C, or - C. */
static int load(struct deps *d, uint32_t i)
{
    const struct sn_r1cs *s = d->s;
    const uint32_t *at = s->row_at + 3 * (size_t)i;
    bool a_number = at[0] == at[1] || (at[0] + 1 == at[1] && s->wire[at[0]] == 0);
    int num = a_number ? 0 : 1, other = 1 - num, r = 0;
    struct sn_fe c;
    for (uint32_t k = at[2]; k < at[3] && r == 0; k++) {
        sn_fe_neg(s->field, &c, &s->dict[s->coef[k]]);
        r = add(d, s->wire[k], &c);
    }
    for (uint32_t k = at[other]; at[num] < at[num + 1] && k < at[other + 1] && r == 0; k++) {
        sn_fe_mul(s->field, &c, &s->dict[s->coef[k]], &s->dict[s->coef[at[num]]]);
        r = add(d, s->wire[k], &c);
    }
    return r;
}

/* Replaces solved wires until none is left. */
static int reduce(struct deps *d)
{
    int r = 0;
    while (d->queue.len && r == 0) {
        uint32_t w = d->queue.ptr[--d->queue.len];
        const struct sn_elim_row *def = &d->def[w];
        struct sn_fe k = d->sum.ptr[d->slot[w] - 1].coef, c;
        if (sn_fe_is_zero(&k)) continue;
        d->work += def->n;
        if (d->work > SN_R1CS_DEPS_WORK_MAX)
            return sn_fail(SN_E_TOO_LARGE, "the linear constraints are too entangled");
        for (uint32_t i = 0; i < def->n && r == 0; i++) {
            sn_fe_mul(d->s->field, &c, &k, &def->terms[i].coef);
            sn_fe_neg(d->s->field, &c, &c);
            r = add(d, def->terms[i].wire, &c);
            /* A wire that came back from zero has to be replaced again. */
            if (r == 0 && def->terms[i].wire != w && d->def[def->terms[i].wire].n)
                r = sn_vec_push(&d->queue, def->terms[i].wire);
        }
    }
    return r;
}

/* What is left of the sum: solved for the rarest wire. *ret_left: terms, the one not counted;
 * *ret_number: the one's coefficient is not zero. */
static int settle(struct deps *d, uint32_t *ret_left, bool *ret_number)
{
    uint32_t n = 0, best = 0, left = 0;
    *ret_number = false;
    for (size_t i = 0; i < d->sum.len; i++) {
        struct sn_lc_term *t = &d->sum.ptr[i];
        d->slot[t->wire] = 0;
        if (sn_fe_is_zero(&t->coef)) continue;
        d->sum.ptr[n++] = *t;
        if (t->wire == 0) {
            *ret_number = true;
            continue;
        }
        left++;
        if (best == 0 || d->occ[t->wire] < d->occ[best]) best = t->wire;
    }
    d->sum.len = n;
    *ret_left = left;
    if (left == 0) return 0;
    struct sn_elim_row row = {.n = n};
    row.terms = sn_arena_array(&d->arena, n, sizeof(*row.terms));
    if (!row.terms) return SN_E_NOMEM;
    struct sn_fe inv = {{0}};
    for (uint32_t i = 0; i < n; i++)
        if (d->sum.ptr[i].wire == best) sn_fe_inv(d->s->field, &inv, &d->sum.ptr[i].coef);
    for (uint32_t i = 0; i < n; i++) {
        row.terms[i].wire = d->sum.ptr[i].wire;
        sn_fe_mul(d->s->field, &row.terms[i].coef, &d->sum.ptr[i].coef, &inv);
    }
    d->def[best] = row;
    return 0;
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

static int note(struct sn_r1cs_dep_list *l, size_t *cap, uint32_t row)
{
    int r = l->n == *cap ? sn_vec_grow_((void **)&l->row, cap, l->n + 1u, sizeof(*l->row)) : 0;
    if (r == 0) l->row[l->n++] = row;
    return r;
}

static int linear_rows(struct deps *d, struct sn_r1cs_deps *ret)
{
    const struct sn_r1cs *s = d->s;
    SN_VEC(struct by_len) order = {0};
    size_t dependent_cap = 0, contradicting_cap = 0;
    int r = 0;
    for (uint32_t i = 0; i < s->n_rows && r == 0; i++) {
        if (!sn_row_is_linear(s, i)) continue;
        const uint32_t *at = s->row_at + 3 * (size_t)i;
        for (uint32_t e = at[0]; e < at[3]; e++) d->occ[s->wire[e]]++;
        r = sn_vec_push(&order, (struct by_len){at[3] - at[0], i});
    }
    if (order.len) qsort(order.ptr, order.len, sizeof(*order.ptr), by_len);
    for (size_t k = 0; k < order.len && r == 0; k++) {
        uint32_t left;
        bool number;
        d->sum.len = d->queue.len = 0;
        if ((r = load(d, order.ptr[k].row)) < 0 || (r = reduce(d)) < 0) break;
        if ((r = settle(d, &left, &number)) < 0) break;
        if (left)
            ret->rank++;
        else
            r = number ? note(&ret->contradicting, &contradicting_cap, order.ptr[k].row)
                       : note(&ret->dependent, &dependent_cap, order.ptr[k].row);
    }
    sn_vec_done(&order);
    return r;
}

/* Rows equal to an earlier one, entry by entry. */
static int repeated_rows(const struct sn_r1cs *s, struct sn_r1cs_deps *ret)
{
    struct sn_map seen;
    struct sn_buf key;
    size_t cap = 0;
    sn_map_init(&seen, 1, true);
    sn_buf_init(&key, 0);
    int r = 0;
    for (uint32_t i = 0; i < s->n_rows && r >= 0; i++) {
        const uint32_t *at = s->row_at + 3 * (size_t)i;
        sn_buf_reset(&key);
        for (unsigned m = 0; m < 3; m++) {
            uint32_t n = at[m + 1] - at[m];
            (void)sn_buf_put(&key, &n, sizeof(n));
        }
        (void)sn_buf_put(&key, s->wire + at[0], (at[3] - at[0]) * sizeof(*s->wire));
        (void)sn_buf_put(&key, s->coef + at[0], (at[3] - at[0]) * sizeof(*s->coef));
        if ((r = key.err) < 0) break;
        if (sn_map_find(&seen, sn_buf_view(&key))) {
            r = note(&ret->repeated, &cap, i);
            continue;
        }
        r = sn_map_put(&seen, sn_buf_view(&key), NULL, NULL);
    }
    sn_map_done(&seen);
    sn_buf_done(&key);
    return r < 0 ? r : 0;
}

int sn_r1cs_deps(const struct sn_r1cs *s, struct sn_r1cs_deps *ret)
{
    struct deps d = {.s = s};
    struct sn_r1cs_deps out = {0};
    sn_arena_init(&d.arena, NULL, 0);
    d.def = SN_NEW_ARRAY(struct sn_elim_row, s->n_wires);
    d.occ = SN_NEW_ARRAY(uint32_t, s->n_wires);
    d.slot = SN_NEW_ARRAY(uint32_t, s->n_wires);
    int r = d.def && d.occ && d.slot ? linear_rows(&d, &out) : SN_E_NOMEM;
    if (r == 0) r = repeated_rows(s, &out);
    sn_arena_done(&d.arena);
    sn_free(d.def);
    sn_free(d.occ);
    sn_free(d.slot);
    sn_vec_done(&d.sum);
    sn_vec_done(&d.queue);
    if (r < 0) {
        sn_r1cs_deps_done(&out);
        return r;
    }
    *ret = out;
    return 0;
}

void sn_r1cs_deps_done(struct sn_r1cs_deps *d)
{
    sn_free(d->dependent.row);
    sn_free(d->contradicting.row);
    sn_free(d->repeated.row);
    *d = (struct sn_r1cs_deps){0};
}
