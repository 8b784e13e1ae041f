/* SPDX-License-Identifier: Apache-2.0 */
/* zk/r1cs.c - building constraint systems: rows, the coefficient dictionary, counts. */
#include "zk/r1cs.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/map.h"
#include "core/status.h"
#include "crypto/rows.h"
#include "zk/elim_int.h"
#include "zk/gates.h"

#define INDEX_SEED 0x7a6b636f65660000ull /* coefficients are no attacker's choice of collision: the
                                          * table only costs time, and is at most half full */

void sn_r1cs_done(struct sn_r1cs *s)
{
    sn_free(s->row_at);
    sn_free(s->row_order);
    sn_free(s->wire);
    sn_free(s->coef);
    sn_free(s->dict);
    sn_free(s->negation);
    sn_free(s->label_of);
    sn_r1cs_gates_free(s->gates);
    *s = (struct sn_r1cs){0};
}

/* ---- room ------------------------------------------------------------------------------------ */

static int grow_rows(struct sn_r1cs_builder *b, size_t n)
{
    if (n <= b->rows_cap) return 0;
    if (n > SN_R1CS_ROWS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u constraints", SN_R1CS_ROWS_MAX);
    size_t cap = SN_MAX(n, b->rows_cap + b->rows_cap / 2 + 64);
    uint32_t *p = sn_realloc(b->sys.row_at, (3 * cap + 1) * sizeof(*p));
    if (!p) return SN_E_NOMEM;
    b->sys.row_at = p;
    b->rows_cap = cap;
    return 0;
}

static int grow_entries(struct sn_r1cs_builder *b, size_t n)
{
    if (n <= b->entries_cap) return 0;
    if (n > SN_R1CS_ENTRIES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u coefficients", SN_R1CS_ENTRIES_MAX);
    size_t cap = SN_MAX(n, b->entries_cap + b->entries_cap / 2 + 256);
    uint32_t *wire = sn_realloc(b->sys.wire, cap * sizeof(*wire));
    if (!wire) return SN_E_NOMEM;
    b->sys.wire = wire;
    uint32_t *coef = sn_realloc(b->sys.coef, cap * sizeof(*coef));
    if (!coef) return SN_E_NOMEM;
    b->sys.coef = coef;
    b->entries_cap = cap;
    return 0;
}

static int index_grow(struct sn_r1cs_builder *b)
{
    size_t cap = b->index_cap ? 2 * b->index_cap : 256;
    uint32_t *index = SN_NEW_ARRAY(uint32_t, cap);
    if (!index) return SN_E_NOMEM;
    for (uint32_t i = 0; i < b->sys.n_dict; i++) {
        size_t at = sn_hash(&b->sys.dict[i], sizeof(struct sn_fe), INDEX_SEED) & (cap - 1);
        while (index[at]) at = (at + 1) & (cap - 1);
        index[at] = i + 1;
    }
    sn_free(b->index);
    b->index = index;
    b->index_cap = cap;
    return 0;
}

static int grow_dict(struct sn_r1cs_builder *b)
{
    size_t cap = 2 * b->dict_cap + 32;
    struct sn_fe *dict = sn_realloc(b->sys.dict, cap * sizeof(*dict));
    if (!dict) return SN_E_NOMEM;
    b->sys.dict = dict;
    uint32_t *negation = sn_realloc(b->sys.negation, cap * sizeof(*negation));
    if (!negation) return SN_E_NOMEM;
    b->sys.negation = negation;
    b->dict_cap = cap;
    return 0;
}
/* Where the index has the coefficient, or has room for it. */
static size_t index_at(const struct sn_r1cs_builder *b, const struct sn_fe *coef)
{
    size_t mask = b->index_cap - 1, at = sn_hash(coef, sizeof(*coef), INDEX_SEED) & mask;
    while (b->index[at] && !sn_fe_equal(&b->sys.dict[b->index[at] - 1], coef)) at = (at + 1) & mask;
    return at;
}

int64_t sn_r1cs_coef(struct sn_r1cs_builder *b, const struct sn_fe *coef)
{
    struct sn_r1cs *s = &b->sys;
    struct sn_fe minus;
    if (2 * ((size_t)s->n_dict + 1) > b->index_cap) {
        int r = index_grow(b);
        if (r < 0) return r;
    }
    size_t at = index_at(b, coef);
    if (b->index[at]) return b->index[at] - 1;
    if (s->n_dict == b->dict_cap) {
        int r = grow_dict(b);
        if (r < 0) return r;
    }
    uint32_t id = s->n_dict++;
    s->dict[id] = *coef;
    b->index[at] = id + 1;
    sn_fe_neg(s->field, &minus, coef);
    uint32_t found = b->index[index_at(b, &minus)];
    s->negation[id] = found ? found - 1 : id;
    s->negation[s->negation[id]] = id;
    return id;
}

int sn_r1cs_builder_init(struct sn_r1cs_builder *b, const struct sn_field *f)
{
    *b = (struct sn_r1cs_builder){.sys = {.field = f}};
    struct sn_fe minus;
    sn_fe_neg(f, &minus, &f->one);
    if (grow_rows(b, 1) < 0 || grow_entries(b, 1) < 0 || sn_r1cs_coef(b, &f->one) < 0 ||
        sn_r1cs_coef(b, &minus) < 0) {
        sn_r1cs_builder_done(b);
        return SN_E_NOMEM;
    }
    b->sys.row_at[0] = 0;
    return 0;
}

void sn_r1cs_builder_done(struct sn_r1cs_builder *b)
{
    sn_r1cs_done(&b->sys);
    sn_free(b->index);
    sn_free(b->scratch);
    *b = (struct sn_r1cs_builder){0};
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int by_wire(const void *pa, const void *pb)
{
    const struct sn_lc_term *a = pa, *b = pb;
    return a->wire < b->wire ? -1 : a->wire > b->wire;
}

/* Appends one linear combination at entry *at, sorted and merged. */
static int put_lc(struct sn_r1cs_builder *b, const struct sn_lc *lc, size_t *at)
{
    const struct sn_lc_term *t = lc->terms;
    bool sorted = true;
    for (size_t i = 1; i < lc->n && sorted; i++) sorted = t[i - 1].wire < t[i].wire;
    if (!sorted) {
        if (lc->n > b->scratch_cap) {
            struct sn_lc_term *p = sn_realloc(b->scratch, lc->n * sizeof(*p));
            if (!p) return SN_E_NOMEM;
            b->scratch = p;
            b->scratch_cap = lc->n;
        }
        memcpy(b->scratch, t, lc->n * sizeof(*t));
        qsort(b->scratch, lc->n, sizeof(*t), by_wire);
        t = b->scratch;
    }
    for (size_t i = 0; i < lc->n;) {
        struct sn_fe sum = t[i].coef;
        uint32_t wire = t[i].wire;
        for (i++; i < lc->n && t[i].wire == wire; i++)
            sn_fe_add(b->sys.field, &sum, &sum, &t[i].coef);
        if (sn_fe_is_zero(&sum)) continue;
        int64_t id = sn_r1cs_coef(b, &sum);
        if (id < 0) return (int)id;
        b->sys.wire[*at] = wire;
        b->sys.coef[(*at)++] = (uint32_t)id;
    }
    return 0;
}

int sn_r1cs_add(struct sn_r1cs_builder *b, const struct sn_lc abc[3])
{
    struct sn_r1cs *s = &b->sys;
    size_t at = s->row_at[3 * (size_t)s->n_rows];
    int r = grow_rows(b, (size_t)s->n_rows + 1);
    if (r == 0) r = grow_entries(b, at + abc[0].n + abc[1].n + abc[2].n);
    if (r < 0) return r;
    uint32_t *row = s->row_at + 3 * (size_t)s->n_rows;
    for (int m = 0; m < 3; m++) {
        r = put_lc(b, &abc[m], &at);
        if (r < 0) return r;
        row[m + 1] = (uint32_t)at;
    }
    s->n_rows++;
    return 0;
}

int sn_r1cs_add_ids(struct sn_r1cs_builder *b, const uint32_t n[3], const uint32_t *wire,
                    const uint32_t *coef)
{
    struct sn_r1cs *s = &b->sys;
    size_t at = s->row_at[3 * (size_t)s->n_rows], len = (size_t)n[0] + n[1] + n[2];
    int r = grow_rows(b, (size_t)s->n_rows + 1);
    if (r == 0) r = grow_entries(b, at + len);
    if (r < 0) return r;
    if (len) {
        memcpy(s->wire + at, wire, len * sizeof(*wire));
        memcpy(s->coef + at, coef, len * sizeof(*coef));
    }
    uint32_t *row = s->row_at + 3 * (size_t)s->n_rows;
    for (int m = 0; m < 3; m++) row[m + 1] = row[m] + n[m];
    s->n_rows++;
    return 0;
}

/* One row of a fragment by the slow way: through terms, sorted and merged again. */
static int add_row_mapped(struct sn_r1cs_builder *b, const struct sn_r1cs *from, uint32_t row,
                          const uint32_t *map, struct sn_lc_term *terms)
{
    struct sn_lc abc[3];
    for (int m = 0; m < 3; m++) {
        uint32_t lo = from->row_at[3 * (size_t)row + m], hi = from->row_at[3 * (size_t)row + m + 1];
        abc[m] = (struct sn_lc){terms, hi - lo};
        for (uint32_t e = lo; e < hi; e++)
            *terms++ = (struct sn_lc_term){map[from->wire[e]], from->dict[from->coef[e]]};
    }
    return sn_r1cs_add(b, abc);
}

uint32_t sn_r1cs_row_max(const struct sn_r1cs *s)
{
    uint32_t max = 0;
    for (size_t i = 0; i < s->n_rows; i++)
        max = SN_MAX(max, s->row_at[3 * i + 3] - s->row_at[3 * i]);
    return max;
}

int sn_r1cs_add_mapped(struct sn_r1cs_builder *b, const struct sn_r1cs *from, const uint32_t *map)
{
    struct sn_r1cs *s = &b->sys;
    uint32_t *id SN_CLEANUP(sn_freep) = sn_alloc((size_t)from->n_dict * sizeof(*id));
    struct sn_lc_term *terms SN_CLEANUP(sn_freep) = sn_alloc(sn_r1cs_row_max(from) * sizeof(*terms));
    if (!id || !terms) return SN_E_NOMEM;
    for (uint32_t i = 0; i < from->n_dict; i++) {
        int64_t at = sn_r1cs_coef(b, &from->dict[i]);
        if (at < 0) return (int)at;
        id[i] = (uint32_t)at;
    }
    int r = grow_rows(b, (size_t)s->n_rows + from->n_rows);
    size_t at = s->row_at[3 * (size_t)s->n_rows];
    if (r == 0) r = grow_entries(b, at + sn_r1cs_n_entries(from));
    if (r < 0) return r;
    for (uint32_t i = 0; i < from->n_rows; i++) {
        const uint32_t *row = from->row_at + 3 * (size_t)i;
        uint32_t *to = s->row_at + 3 * (size_t)s->n_rows;
        bool increasing = true;
        for (int m = 0; m < 3; m++) {
            for (uint32_t e = row[m]; e < row[m + 1]; e++) {
                uint32_t w = map[from->wire[e]], p = to[0] + (e - row[0]);
                increasing &= e == row[m] || s->wire[p - 1] < w;
                s->wire[p] = w;
                s->coef[p] = id[from->coef[e]];
            }
            to[m + 1] = to[0] + (row[m + 1] - row[0]);
        }
        if (increasing) {
            s->n_rows++;
            continue;
        }
        r = add_row_mapped(b, from, i, map, terms);
        if (r < 0) return r;
    }
    return 0;
}

static int check_signals(const struct sn_r1cs *s, const struct sn_r1cs_signals *n)
{
    uint64_t io = 1ull + n->n_outputs + n->n_public + n->n_private;
    if (n->n_total > SN_R1CS_WIRES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u signals", SN_R1CS_WIRES_MAX);
    if (io > n->n_total)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%llu inputs and outputs, but %llu signals",
                       (unsigned long long)io, (unsigned long long)n->n_total);
    uint32_t end = sn_r1cs_n_entries(s);
    for (uint32_t e = 0; e < end; e++)
        if (s->wire[e] >= n->n_total)
            return sn_fail(SN_E_INVALID_ARGUMENT, "a constraint uses signal %u of %llu", s->wire[e],
                           (unsigned long long)n->n_total);
    return 0;
}

int sn_r1cs_builder_finish(struct sn_r1cs_builder *b, const struct sn_r1cs_signals *n,
                           struct sn_r1cs *ret)
{
    struct sn_r1cs *s = &b->sys;
    int r = check_signals(s, n);
    if (r == 0) {
        s->row_order = sn_alloc(s->n_rows + 1u);
        if (!s->row_order) r = SN_E_NOMEM;
    }
    if (r == 0) {
        sn_fe_rows_order(s->row_at, s->n_rows, s->row_order);
        /* Shrinking may not fail the caller: the larger block serves as well. */
        size_t entries = SN_MAX(sn_r1cs_n_entries(s), 1u);
        void *p = sn_realloc(s->wire, entries * sizeof(*s->wire));
        if (p) s->wire = p;
        p = sn_realloc(s->coef, entries * sizeof(*s->coef));
        if (p) s->coef = p;
        p = sn_realloc(s->row_at, (3 * (size_t)s->n_rows + 1) * sizeof(*s->row_at));
        if (p) s->row_at = p;
        s->n_outputs = n->n_outputs;
        s->n_public = n->n_public;
        s->n_private = n->n_private;
        s->n_labels = n->n_total;
        s->n_wires = (uint32_t)n->n_total;
        *ret = *s;
        *s = (struct sn_r1cs){0};
    }
    sn_r1cs_builder_done(b);
    return r;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* A row of one matrix is a number: empty, or the constant one alone. */
static bool is_number(const struct sn_r1cs *s, const uint32_t *row, int m)
{
    return row[m] == row[m + 1] || (row[m] + 1 == row[m + 1] && s->wire[row[m]] == 0);
}

void sn_r1cs_stats(const struct sn_r1cs *s, struct sn_r1cs_stats *ret)
{
    struct sn_r1cs_stats t = {.rows = s->n_rows, .wires = s->n_wires, .outputs = s->n_outputs,
                              .public_inputs = s->n_public, .private_inputs = s->n_private,
                              .labels = s->n_labels, .coefficients = s->n_dict,
                              .entries = sn_r1cs_n_entries(s), .row_max = sn_r1cs_row_max(s)};
    for (size_t i = 0; i < s->n_rows; i++) {
        const uint32_t *row = s->row_at + 3 * i;
        t.linear += is_number(s, row, 0) || is_number(s, row, 1);
    }
    t.nonlinear = t.rows - t.linear;
    for (uint64_t e = 0; e < t.entries; e++)
        t.entries_unit += s->coef[e] == SN_COEF_ONE || s->coef[e] == SN_COEF_MINUS_ONE;
    uint8_t *seen SN_CLEANUP(sn_freep) = sn_zalloc(s->n_wires ? s->n_wires : 1, 1);
    if (seen) {
        for (uint64_t e = 0; e < t.entries; e++) seen[s->wire[e]] = 1;
        for (uint64_t i = 0; s->gates && i < s->gates->n_signals; i++) seen[s->gates->signal[i]] = 1;
        for (uint32_t w = 1; w < s->n_wires; w++) t.wires_unused += !seen[w];
    }
    *ret = t;
}

static void term_text(const struct sn_r1cs *s, uint32_t e, const struct sn_sym_source *src,
                      bool first, struct sn_buf *out)
{
    struct sn_fe minus;
    char plus_dec[SN_FE_DEC_MAX], minus_dec[SN_FE_DEC_MAX];
    const struct sn_fe *c = &s->dict[s->coef[e]];
    sn_fe_neg(s->field, &minus, c);
    size_t plus_len = sn_fe_to_dec(s->field, c, plus_dec);
    bool negative = sn_fe_to_dec(s->field, &minus, minus_dec) < plus_len;
    const char *dec = negative ? minus_dec : plus_dec;
    (void)sn_buf_cstr(out, first ? (negative ? "-" : "") : negative ? " - " : " + ");
    uint32_t w = s->wire[e];
    if (w == 0) {
        (void)sn_buf_cstr(out, dec);
        return;
    }
    if (strcmp(dec, "1") != 0) (void)sn_buf_printf(out, "%s*", dec);
    if (src)
        src->name(src->ctx, s->label_of ? s->label_of[w] : w, out);
    else
        (void)sn_buf_printf(out, "w%u", w);
}

void sn_r1cs_row_text(const struct sn_r1cs *s, uint32_t i, const struct sn_sym_source *src,
                      struct sn_buf *out)
{
    const uint32_t *row = s->row_at + 3 * (size_t)i;
    for (int m = 0; m < 3; m++) {
        (void)sn_buf_cstr(out, m == 0 ? "(" : m == 1 ? ") * (" : ") = ");
        if (row[m] == row[m + 1]) (void)sn_buf_cstr(out, "0");
        for (uint32_t e = row[m]; e < row[m + 1]; e++) term_text(s, e, src, e == row[m], out);
    }
}
