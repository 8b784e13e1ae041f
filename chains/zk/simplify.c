/* SPDX-License-Identifier: Apache-2.0 */
/* zk/simplify.c - fewer constraints, same solutions.
 *
 * Level 1 unites wires over rows a = b and folds wires equal to a number; both are read off the
 * rows as they came, once. Level 2 then eliminates linear rows: rounds of sparse Gaussian
 * elimination (elim.c), each followed by substitution into the quadratic rows, of which some turn
 * linear and feed the next round. How many rows and wires are left does not depend on which wire
 * a row is solved for; how full the quadratic rows get does. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/elim_int.h"
#include "zk/gates.h"

struct pass1 {
    const struct sn_r1cs *s;
    const uint8_t *fixed;  /* wire -> stays */
    uint32_t *parent;      /* union-find; the root is the smallest fixed wire of its class, else the
                            * smallest */
    uint32_t *tied;        /* union-find of roots that are fixed: which ones kept rows make equal */
    uint8_t *has_value;    /* of a root: equal to the number in `value` */
    struct sn_fe *value;
    struct sn_r1cs_builder b;
};

static uint32_t root_of(uint32_t *parent, uint32_t w)
{
    while (parent[w] != w) {
        parent[w] = parent[parent[w]];
        w = parent[w];
    }
    return w;
}

bool sn_row_is_linear(const struct sn_r1cs *s, uint32_t i)
{
    const uint32_t *row = s->row_at + 3 * (size_t)i;
    for (int m = 0; m < 2; m++)
        if (row[m] == row[m + 1] || (row[m] + 1 == row[m + 1] && s->wire[row[m]] == 0))
            return true;
    return false;
}

/* ---- level 1 --------------------------------------------------------------------------------- */

/* The row as one linear combination that must be zero, where A and B are both empty: the form
 * compilers give linear rows. Returns the number of entries, 0 for other rows. */
static uint32_t plain_linear(const struct sn_r1cs *s, uint32_t i, uint32_t *ret_at)
{
    const uint32_t *row = s->row_at + 3 * (size_t)i;
    if (row[0] != row[2]) return 0;
    *ret_at = row[2];
    return row[3] - row[2];
}

/* a = b: unites the classes. Two fixed wires stay two, and their row stays where no row before it
 * has said the same. */
static bool take_equality(struct pass1 *p, uint32_t i)
{
    uint32_t at, n = plain_linear(p->s, i, &at);
    if (n != 2 || p->s->wire[at] == 0) return false;
    struct sn_fe sum;
    sn_fe_add(p->s->field, &sum, &p->s->dict[p->s->coef[at]], &p->s->dict[p->s->coef[at + 1]]);
    if (!sn_fe_is_zero(&sum)) return false;
    uint32_t a = root_of(p->parent, p->s->wire[at]), b = root_of(p->parent, p->s->wire[at + 1]);
    uint32_t *of = p->parent;
    bool both = p->fixed[a] && p->fixed[b];
    if (both) {
        of = p->tied;
        a = root_of(of, a);
        b = root_of(of, b);
    }
    if (a == b) return true;
    bool a_first = p->fixed[a] != p->fixed[b] ? p->fixed[a] : a < b;
    of[a_first ? b : a] = a_first ? a : b;
    return !both;
}

/* k*a = number, a not fixed and not yet known: a gets its value. */
static bool take_value(struct pass1 *p, uint32_t i)
{
    const struct sn_r1cs *s = p->s;
    uint32_t at, n = plain_linear(s, i, &at);
    bool with_number = n == 2 && s->wire[at] == 0;
    if (n != 1 && !with_number) return false;
    uint32_t last = at + n - 1, a = root_of(p->parent, s->wire[last]);
    if (p->fixed[a] || p->has_value[a]) return false;
    struct sn_fe v = {{0}};
    if (with_number) {
        sn_fe_neg(s->field, &v, &s->dict[s->coef[at]]);
        if (s->coef[last] != SN_COEF_ONE) {
            struct sn_fe inv;
            sn_fe_inv(s->field, &inv, &s->dict[s->coef[last]]);
            sn_fe_mul(s->field, &v, &v, &inv);
        }
    }
    p->value[a] = v;
    p->has_value[a] = 1;
    return true;
}

/* Row i with roots for wires and numbers for known ones; rows that say 0 = 0 are left out. */
static int pass1_row(struct pass1 *p, uint32_t i, struct sn_lc_term *terms)
{
    const struct sn_r1cs *s = p->s;
    const uint32_t *row = s->row_at + 3 * (size_t)i;
    struct sn_lc abc[3];
    for (int m = 0; m < 3; m++) {
        abc[m] = (struct sn_lc){terms, row[m + 1] - row[m]};
        for (uint32_t e = row[m]; e < row[m + 1]; e++, terms++) {
            uint32_t w = root_of(p->parent, s->wire[e]);
            *terms = (struct sn_lc_term){w, s->dict[s->coef[e]]};
            if (p->has_value[w]) {
                sn_fe_mul(s->field, &terms->coef, &terms->coef, &p->value[w]);
                terms->wire = 0;
            }
        }
    }
    int r = sn_r1cs_add(&p->b, abc);
    if (r == 0) sn_row_tidy(&p->b);
    return r;
}

/* Of the row just added: where one factor is zero the other goes too, and where then nothing is left
 * the row does. */
void sn_row_tidy(struct sn_r1cs_builder *b)
{
    uint32_t *row = b->sys.row_at + 3 * (size_t)(b->sys.n_rows - 1);
    if (row[0] != row[1] && row[1] != row[2]) return;
    uint32_t gone = row[2] - row[0], n = row[3] - row[2];
    if (gone && n) {
        memmove(b->sys.wire + row[0], b->sys.wire + row[2], n * sizeof(*b->sys.wire));
        memmove(b->sys.coef + row[0], b->sys.coef + row[2], n * sizeof(*b->sys.coef));
    }
    row[1] = row[2] = row[0];
    row[3] = row[0] + n;
    b->sys.n_rows -= n == 0;
}

static int pass1_run(struct pass1 *p)
{
    const struct sn_r1cs *s = p->s;
    uint8_t *gone SN_CLEANUP(sn_freep) = sn_zalloc(SN_MAX(s->n_rows, 1u), 1);
    uint32_t longest = sn_r1cs_row_max(s);
    struct sn_lc_term *terms SN_CLEANUP(sn_freep) = sn_alloc(longest * sizeof(*terms));
    if (!gone || !terms) return SN_E_NOMEM;
    for (uint32_t i = 0; i < s->n_rows; i++) gone[i] = take_equality(p, i);
    for (uint32_t i = 0; i < s->n_rows; i++)
        if (!gone[i]) gone[i] = take_value(p, i);
    for (uint32_t i = 0; i < s->n_rows; i++) {
        int r = gone[i] ? 0 : pass1_row(p, i, terms);
        if (r < 0) return r;
    }
    return 0;
}

/* Every wire that is now another one or a number. */
static int pass1_tell(struct pass1 *p, const struct sn_simplify_opts *o)
{
    int r = 0;
    for (uint32_t w = 0; w < p->s->n_wires && r == 0; w++) {
        uint32_t root = root_of(p->parent, w);
        struct sn_lc_term t = {root, p->s->field->one};
        struct sn_lc value = {&t, 1};
        if (p->has_value[root]) {
            t = (struct sn_lc_term){0, p->value[root]};
            value.n = !sn_fe_is_zero(&t.coef);
        }
        if (root != w || p->has_value[root]) r = o->replaced(o->ctx, w, &value);
    }
    return r;
}

static int level1(const struct sn_r1cs *s, const uint8_t *fixed, const struct sn_simplify_opts *o,
                  struct sn_r1cs *ret)
{
    struct pass1 p = {.s = s, .fixed = fixed};
    p.parent = sn_alloc((size_t)s->n_wires * sizeof(*p.parent));
    p.tied = sn_alloc((size_t)s->n_wires * sizeof(*p.tied));
    p.has_value = sn_zalloc(s->n_wires, 1);
    p.value = sn_alloc((size_t)s->n_wires * sizeof(*p.value));
    bool got = p.parent && p.tied && p.has_value && p.value;
    int r = got ? sn_r1cs_builder_init(&p.b, s->field) : SN_E_NOMEM;
    if (r == 0) {
        for (uint32_t w = 0; w < s->n_wires; w++) p.parent[w] = p.tied[w] = w;
        r = pass1_run(&p);
        if (r == 0 && o->replaced) r = pass1_tell(&p, o);
        struct sn_r1cs_signals n = {.n_total = s->n_wires};
        if (r == 0)
            r = sn_r1cs_builder_finish(&p.b, &n, ret);
        else
            sn_r1cs_builder_done(&p.b);
    }
    sn_free(p.parent);
    sn_free(p.tied);
    sn_free(p.has_value);
    sn_free(p.value);
    return r;
}

/* ---- level 2 --------------------------------------------------------------------------------- */

/* One round on *s: solves its linear rows and substitutes. *ret_more: rows turned linear that a
 * further round could solve. */
static int round2(struct sn_r1cs *s, const uint8_t *fixed, const struct sn_simplify_opts *o,
                  bool *ret_more)
{
    struct sn_elim e;
    struct sn_r1cs_builder b;
    struct sn_r1cs next;
    int r = sn_elim_solve(&e, s, fixed);
    if (r < 0) return r;
    r = sn_r1cs_builder_init(&b, s->field);
    if (r == 0) {
        r = sn_elim_expand(&e, o);
        if (r == 0) r = sn_elim_rewrite(&e, &b, ret_more);
        struct sn_r1cs_signals n = {.n_total = s->n_wires};
        if (r == 0)
            r = sn_r1cs_builder_finish(&b, &n, &next);
        else
            sn_r1cs_builder_done(&b);
    }
    sn_elim_done(&e);
    if (r < 0) return r;
    sn_r1cs_done(s);
    *s = next;
    return 0;
}

/* ---- both ------------------------------------------------------------------------------------ */

/* The one, outputs, public inputs, signals of custom gates. */
static uint8_t *fixed_wires(const struct sn_r1cs *s)
{
    uint8_t *fixed = sn_zalloc(s->n_wires, 1);
    uint32_t n = 1 + s->n_outputs + s->n_public;
    for (uint32_t w = 0; fixed && w < n; w++) fixed[w] = 1;
    for (uint64_t i = 0; fixed && s->gates && i < s->gates->n_signals; i++)
        fixed[s->gates->signal[i]] = 1;
    return fixed;
}

/* Wires in no row go, the others move together; `from` says what labels were. */
static int compact(struct sn_r1cs *s, const struct sn_r1cs *from, const uint8_t *fixed)
{
    uint32_t n = 0;
    uint32_t *to SN_CLEANUP(sn_freep) = sn_zalloc(s->n_wires, sizeof(*to));
    if (!to) return SN_E_NOMEM;
    uint32_t entries = sn_r1cs_n_entries(s);
    for (uint32_t w = 0; w < s->n_wires; w++) to[w] = fixed[w];
    for (uint32_t e = 0; e < entries; e++) to[s->wire[e]] = 1;
    for (uint32_t w = 0; w < s->n_wires; w++) n += to[w];
    uint64_t *label_of = sn_alloc((size_t)n * sizeof(*label_of));
    if (!label_of) return SN_E_NOMEM;
    n = 0;
    for (uint32_t w = 0; w < s->n_wires; w++) {
        if (!to[w]) continue;
        label_of[n] = from->label_of ? from->label_of[w] : w;
        to[w] = n++;
    }
    for (uint32_t e = 0; e < entries; e++) s->wire[e] = to[s->wire[e]];
    for (uint64_t i = 0; s->gates && i < s->gates->n_signals; i++)
        s->gates->signal[i] = to[s->gates->signal[i]];
    s->label_of = label_of;
    s->n_wires = n;
    s->n_outputs = from->n_outputs;
    s->n_public = from->n_public;
    s->n_private = from->n_private;
    s->n_labels = from->n_labels;
    return 0;
}

static int copy(const struct sn_r1cs *s, struct sn_r1cs *ret)
{
    struct sn_r1cs_builder b;
    int r = sn_r1cs_builder_init(&b, s->field);
    if (r < 0) return r;
    uint32_t *map SN_CLEANUP(sn_freep) = sn_alloc((size_t)s->n_wires * sizeof(*map));
    if (!map) r = SN_E_NOMEM;
    for (uint32_t w = 0; map && w < s->n_wires; w++) map[w] = w;
    if (r == 0) r = sn_r1cs_add_mapped(&b, s, map);
    if (r < 0) {
        sn_r1cs_builder_done(&b);
        return r;
    }
    struct sn_r1cs_signals n = {.n_total = s->n_wires};
    r = sn_r1cs_builder_finish(&b, &n, ret);
    if (r < 0) return r;
    ret->n_outputs = s->n_outputs;
    ret->n_public = s->n_public;
    ret->n_private = s->n_private;
    ret->n_labels = s->n_labels;
    if (s->label_of) {
        ret->label_of = sn_alloc((size_t)s->n_wires * sizeof(*s->label_of));
        if (!ret->label_of) {
            sn_r1cs_done(ret);
            return SN_E_NOMEM;
        }
        memcpy(ret->label_of, s->label_of, (size_t)s->n_wires * sizeof(*s->label_of));
    }
    return 0;
}

static uint32_t linear_rows(const struct sn_r1cs *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_rows; i++) n += sn_row_is_linear(s, i);
    return n;
}

int sn_r1cs_simplify(const struct sn_r1cs *s, const struct sn_simplify_opts *o, struct sn_r1cs *ret,
                     struct sn_simplify_stats *ret_stats)
{
    struct sn_r1cs out = {0};
    unsigned rounds = 0;
    uint8_t *fixed SN_CLEANUP(sn_freep) = fixed_wires(s);
    if (!fixed) return SN_E_NOMEM;
    int r = o->level == 0 ? copy(s, &out) : level1(s, fixed, o, &out);
    if (r < 0) return r;
    bool more = false;
    if (o->level >= 2) {
        r = round2(&out, fixed, o, &more);
        rounds = 1;
    }
    if (r == 0 && more) r = sn_rounds_run(&out, fixed, o, &rounds);
    if (r == 0) r = sn_r1cs_gates_copy(s->gates, &out.gates);
    if (r == 0 && o->level > 0) r = compact(&out, s, fixed);
    if (r < 0) {
        sn_r1cs_done(&out);
        return r;
    }
    if (ret_stats)
        *ret_stats = (struct sn_simplify_stats){
            .rows_before = s->n_rows, .rows_after = out.n_rows, .linear_before = linear_rows(s),
            .linear_after = linear_rows(&out), .wires_before = s->n_wires,
            .wires_after = out.n_wires, .rounds = rounds};
    *ret = out;
    return 0;
}
