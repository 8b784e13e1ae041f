/* SPDX-License-Identifier: Apache-2.0 */
/* zk/build.c - see build.h. */
#include "zk/build.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/status.h"
#include "core/vec.h"
#include "crypto/hash.h"

enum kind { OUTPUT, PUBLIC, PRIVATE, INNER, KINDS };
struct signal {
    struct sn_str name;
    uint8_t kind;
};
struct row {
    struct sn_lin abc[3];
};
/* How a signal gets its value, in the order they were made. */
struct step {
    struct sn_lin a, b;    /* out = a * b; without `product` out = a */
    sn_build_hint_fn *fn;  /* or out .. out+n_out-1 by a function */
    void *ctx;
    const struct sn_lin *in;
    uint32_t n_in, n_out, out;
    bool product;
};

/* Becomes the circuit when it is finished. */
struct sn_build {
    const struct sn_field *field;
    struct sn_arena arena; /* terms, names */
    SN_VEC(struct signal) signals; /* [0] is the one */
    SN_VEC(struct row) rows;
    SN_VEC(struct step) steps;
    uint32_t n[KINDS], n_in_max, n_out_max;
    uint64_t n_terms;
    struct sn_str scope[SN_BUILD_DEPTH_MAX];
    unsigned depth;
    int err;
    struct sn_fe minus_one;
};
struct sn_circuit {
    struct sn_build b;
    struct sn_r1cs sys;
    uint32_t *wire_of;   /* the builder's number -> wire */
    uint32_t *signal_of; /* and back */
};

/* ---- the builder ----------------------------------------------------------------------------- */

static void failed(struct sn_build *b, int r)
{
    if (r < 0 && b->err == 0) b->err = r;
}

struct sn_build *sn_build_new(const struct sn_field *f)
{
    struct sn_build *b = SN_NEW(struct sn_build);
    if (!b) return NULL;
    b->field = f;
    sn_arena_init(&b->arena, NULL, 0);
    sn_fe_neg(f, &b->minus_one, &f->one);
    b->scope[0] = SN_STR("main");
    failed(b, sn_vec_push(&b->signals, (struct signal){SN_STR("one"), OUTPUT}));
    return b;
}

static void done(struct sn_build *b)
{
    sn_vec_done(&b->signals);
    sn_vec_done(&b->rows);
    sn_vec_done(&b->steps);
    sn_arena_done(&b->arena);
}
void sn_build_free(struct sn_build *b)
{
    if (!b) return;
    done(b);
    sn_free(b);
}
int sn_build_error(const struct sn_build *b) { return b->err; }

void sn_build_scope(struct sn_build *b, const char *name)
{
    if (b->err < 0) return;
    if (b->depth + 1 >= SN_BUILD_DEPTH_MAX) {
        failed(b, sn_fail(SN_E_DEPTH, "more than %u scopes within each other", SN_BUILD_DEPTH_MAX));
        return;
    }
    struct sn_str s =
        sn_arena_printf(&b->arena, "%.*s.%s", SN_STR_ARG(b->scope[b->depth]), name);
    if (!s.ptr) failed(b, SN_E_NOMEM);
    b->scope[++b->depth] = s;
}
void sn_build_scope_end(struct sn_build *b)
{
    if (b->err < 0) return;
    if (b->depth == 0)
        failed(b, sn_fail(SN_E_INVALID_ARGUMENT, "the end of a scope that was not begun"));
    else
        b->depth--;
}

/* ---- linear combinations --------------------------------------------------------------------- */

static const struct sn_lin nothing;

static struct sn_lc_term *room(struct sn_build *b, size_t n)
{
    b->n_terms += n;
    if (b->n_terms > SN_BUILD_TERMS_MAX) {
        failed(b, sn_fail(SN_E_TOO_LARGE, "more than %u terms", SN_BUILD_TERMS_MAX));
        return NULL;
    }
    struct sn_lc_term *t = sn_arena_alloc(&b->arena, SN_MAX(n, (size_t)1) * sizeof(*t));
    if (!t) failed(b, SN_E_NOMEM);
    return t;
}
static struct sn_lin one_term(struct sn_build *b, uint32_t wire, const struct sn_fe *c)
{
    if (b->err < 0 || sn_fe_is_zero(c)) return nothing;
    struct sn_lc_term *t = room(b, 1);
    if (!t) return nothing;
    *t = (struct sn_lc_term){wire, *c};
    return (struct sn_lin){t, 1};
}
struct sn_lin sn_build_const(struct sn_build *b, const struct sn_fe *c) { return one_term(b, 0, c); }
struct sn_lin sn_build_u64(struct sn_build *b, uint64_t c)
{
    struct sn_fe m;
    sn_fe_set_u64(b->field, &m, c);
    return one_term(b, 0, &m);
}

/* x + k*y by merging; both are sorted. */
static struct sn_lin combine(struct sn_build *b, struct sn_lin x, struct sn_lin y,
                             const struct sn_fe *k)
{
    if (b->err < 0) return nothing;
    if (y.n == 0) return x;
    struct sn_lc_term *t = room(b, (size_t)x.n + y.n);
    if (!t) return nothing;
    uint32_t i = 0, j = 0, n = 0;
    while (i < x.n || j < y.n) {
        bool take_x = j == y.n || (i < x.n && x.terms[i].wire <= y.terms[j].wire);
        bool take_y = i == x.n || (j < y.n && y.terms[j].wire <= x.terms[i].wire);
        struct sn_fe c = {{0}};
        t[n].wire = take_x ? x.terms[i].wire : y.terms[j].wire;
        if (take_y) sn_fe_mul(b->field, &c, &y.terms[j++].coef, k);
        if (take_x) sn_fe_add(b->field, &c, &c, &x.terms[i++].coef);
        t[n].coef = c;
        n += !sn_fe_is_zero(&c);
    }
    return (struct sn_lin){t, n};
}
struct sn_lin sn_build_add(struct sn_build *b, struct sn_lin x, struct sn_lin y)
{
    return combine(b, x, y, &b->field->one);
}
struct sn_lin sn_build_sub(struct sn_build *b, struct sn_lin x, struct sn_lin y)
{
    return combine(b, x, y, &b->minus_one);
}
struct sn_lin sn_build_scale(struct sn_build *b, struct sn_lin x, const struct sn_fe *c)
{
    return sn_fe_is_zero(c) ? nothing : combine(b, nothing, x, c);
}

/* Whether x is a number, and which. */
static bool is_number(struct sn_lin x, struct sn_fe *ret)
{
    if (x.n > 1 || (x.n == 1 && x.terms[0].wire != 0)) return false;
    *ret = x.n ? x.terms[0].coef : (struct sn_fe){{0}};
    return true;
}

/* ---- signals and constraints ----------------------------------------------------------------- */

/* name NULL: a number. Returns the signal, 0 on failure. */
static uint32_t new_signal(struct sn_build *b, enum kind kind, const char *name)
{
    if (b->err < 0) return 0;
    uint32_t id = (uint32_t)b->signals.len;
    if (id >= SN_R1CS_WIRES_MAX) {
        failed(b, sn_fail(SN_E_TOO_LARGE, "more than %u signals", SN_R1CS_WIRES_MAX));
        return 0;
    }
    struct sn_str scope = b->scope[b->depth];
    struct sn_str s = name ? sn_arena_printf(&b->arena, "%.*s.%s", SN_STR_ARG(scope), name)
                           : sn_arena_printf(&b->arena, "%.*s.t%u", SN_STR_ARG(scope), id);
    int r = s.ptr ? sn_vec_push(&b->signals, (struct signal){s, (uint8_t)kind}) : SN_E_NOMEM;
    failed(b, r);
    if (r < 0) return 0;
    b->n[kind]++;
    return id;
}
struct sn_lin sn_build_public(struct sn_build *b, const char *name)
{
    return one_term(b, new_signal(b, PUBLIC, name), &b->field->one);
}
struct sn_lin sn_build_private(struct sn_build *b, const char *name)
{
    return one_term(b, new_signal(b, PRIVATE, name), &b->field->one);
}

void sn_build_rank1(struct sn_build *b, struct sn_lin x, struct sn_lin y, struct sn_lin z)
{
    struct sn_fe p, q, s;
    if (b->err < 0) return;
    if (is_number(x, &p) && is_number(y, &q) && is_number(z, &s)) {
        sn_fe_mul(b->field, &p, &p, &q);
        if (!sn_fe_equal(&p, &s))
            failed(b, sn_fail(SN_E_INVALID_ARGUMENT, "a constraint of numbers that does not hold, "
                              "in %.*s", SN_STR_ARG(b->scope[b->depth])));
        return;
    }
    if (b->rows.len >= SN_R1CS_ROWS_MAX)
        failed(b, sn_fail(SN_E_TOO_LARGE, "more than %u constraints", SN_R1CS_ROWS_MAX));
    else
        failed(b, sn_vec_push(&b->rows, (struct row){{x, y, z}}));
}
void sn_build_equal(struct sn_build *b, struct sn_lin x, struct sn_lin y)
{
    struct sn_fe c;
    struct sn_lin d = sn_build_sub(b, x, y);
    if (b->err == 0 && is_number(d, &c) && !sn_fe_is_zero(&c))
        failed(b, sn_fail(SN_E_INVALID_ARGUMENT, "two different numbers are to be equal, in %.*s",
                          SN_STR_ARG(b->scope[b->depth])));
    else if (d.n)
        sn_build_rank1(b, nothing, nothing, d); /* the form simplification looks for */
}

static struct sn_lin defined(struct sn_build *b, enum kind kind, const char *name, struct sn_lin x)
{
    uint32_t id = new_signal(b, kind, name);
    if (b->err < 0) return nothing;
    failed(b, sn_vec_push(&b->steps, (struct step){.a = x, .out = id}));
    struct sn_lin s = one_term(b, id, &b->field->one);
    sn_build_equal(b, s, x);
    return s;
}
struct sn_lin sn_build_output(struct sn_build *b, const char *name, struct sn_lin x)
{
    return defined(b, OUTPUT, name, x);
}
struct sn_lin sn_build_signal(struct sn_build *b, const char *name, struct sn_lin x)
{
    return defined(b, INNER, name, x);
}

struct sn_lin sn_build_mul(struct sn_build *b, struct sn_lin x, struct sn_lin y)
{
    struct sn_fe c;
    if (b->err < 0) return nothing;
    if (is_number(x, &c)) return sn_build_scale(b, y, &c);
    if (is_number(y, &c)) return sn_build_scale(b, x, &c);
    uint32_t id = new_signal(b, INNER, NULL);
    struct sn_lin z = one_term(b, id, &b->field->one);
    if (b->err < 0) return nothing;
    failed(b, sn_vec_push(&b->steps, (struct step){.a = x, .b = y, .out = id, .product = true}));
    sn_build_rank1(b, x, y, z);
    return z;
}

void sn_build_hint(struct sn_build *b, sn_build_hint_fn *fn, void *ctx, const struct sn_lin *in,
                   size_t n_in, struct sn_lin *ret, size_t n_out)
{
    for (size_t i = 0; i < n_out; i++) ret[i] = nothing;
    if (n_out == 0) return;
    struct sn_lin *copy = b->err < 0 ? NULL : sn_arena_array(&b->arena, n_in, sizeof(*copy));
    if (!copy) {
        failed(b, SN_E_NOMEM);
        return;
    }
    if (n_in) memcpy(copy, in, n_in * sizeof(*in));
    struct step s = {.fn = fn, .ctx = ctx, .in = copy, .n_in = (uint32_t)n_in,
                     .n_out = (uint32_t)n_out, .out = (uint32_t)b->signals.len};
    for (size_t i = 0; i < n_out; i++)
        ret[i] = one_term(b, new_signal(b, INNER, NULL), &b->field->one);
    if (b->err == 0) failed(b, sn_vec_push(&b->steps, s));
    b->n_in_max = SN_MAX(b->n_in_max, s.n_in);
    b->n_out_max = SN_MAX(b->n_out_max, s.n_out);
}

/* ---- gadgets --------------------------------------------------------------------------------- */

void sn_build_bool(struct sn_build *b, struct sn_lin x)
{
    sn_build_rank1(b, x, sn_build_sub(b, x, sn_build_u64(b, 1)), nothing);
}

static int hint_bits(void *ctx, const struct sn_field *f, const struct sn_fe *in, size_t n_in,
                     struct sn_fe *out, size_t n_out)
{
    uint8_t le[32];
    sn_fe_to_bytes_le(f, le, &in[0]);
    for (size_t i = 0; i < n_out; i++) sn_fe_set_u64(f, &out[i], le[i / 8] >> (i % 8) & 1);
    return 0;
}
void sn_build_bits(struct sn_build *b, struct sn_lin x, unsigned n, struct sn_lin *ret)
{
    for (unsigned i = 0; i < n; i++) ret[i] = nothing;
    if (b->err == 0 && (n > SN_BUILD_BITS_MAX || n >= b->field->bits)) {
        failed(b, sn_fail(SN_E_INVALID_ARGUMENT, "%u bits are not unique over %s", n,
                          b->field->name));
        return;
    }
    sn_build_hint(b, hint_bits, NULL, &x, 1, ret, n);
    struct sn_lin sum = nothing;
    struct sn_fe power = b->field->one;
    for (unsigned i = 0; i < n && b->err == 0; i++) {
        sn_build_bool(b, ret[i]);
        sum = combine(b, sum, ret[i], &power);
        sn_fe_dbl(b->field, &power, &power);
    }
    sn_build_equal(b, sum, x);
}

struct sn_lin sn_build_select(struct sn_build *b, struct sn_lin bit, struct sn_lin x,
                              struct sn_lin y)
{
    return sn_build_add(b, y, sn_build_mul(b, bit, sn_build_sub(b, x, y)));
}

static int hint_inverse(void *ctx, const struct sn_field *f, const struct sn_fe *in, size_t n_in,
                        struct sn_fe *out, size_t n_out)
{
    sn_fe_inv_ct(f, &out[0], &in[0]);
    return 0;
}
struct sn_lin sn_build_is_zero(struct sn_build *b, struct sn_lin x)
{
    struct sn_fe c;
    struct sn_lin inverse, one = sn_build_u64(b, 1);
    if (is_number(x, &c)) return sn_build_u64(b, sn_fe_is_zero(&c));
    sn_build_hint(b, hint_inverse, NULL, &x, 1, &inverse, 1);
    struct sn_lin zero = sn_build_sub(b, one, sn_build_mul(b, x, inverse));
    sn_build_rank1(b, x, zero, nothing);
    return zero;
}

/* ---- the circuit ----------------------------------------------------------------------------- */

/* Wires by kind, in the order they were made. */
static int number_wires(struct sn_circuit *c)
{
    size_t n = c->b.signals.len;
    c->wire_of = SN_NEW_ARRAY(uint32_t, n);
    c->signal_of = SN_NEW_ARRAY(uint32_t, n);
    if (!c->wire_of || !c->signal_of) return SN_E_NOMEM;
    uint32_t next[KINDS] = {1};
    for (unsigned k = 1; k < KINDS; k++) next[k] = next[k - 1] + c->b.n[k - 1];
    for (uint32_t i = 1; i < n; i++) {
        c->wire_of[i] = next[c->b.signals.ptr[i].kind]++;
        c->signal_of[c->wire_of[i]] = i;
    }
    return 0;
}

static int make_rows(struct sn_circuit *c)
{
    struct sn_r1cs_builder rb;
    SN_VEC(struct sn_lc_term) terms = {0};
    int r = sn_r1cs_builder_init(&rb, c->b.field);
    if (r < 0) return r;
    for (size_t i = 0; i < c->b.rows.len && r == 0; i++) {
        const struct sn_lin *abc = c->b.rows.ptr[i].abc;
        struct sn_lc lc[3];
        r = sn_vec_reserve(&terms, (size_t)abc[0].n + abc[1].n + abc[2].n);
        size_t at = 0;
        for (unsigned m = 0; m < 3 && r == 0; m++) {
            lc[m] = (struct sn_lc){terms.ptr + at, abc[m].n};
            for (uint32_t k = 0; k < abc[m].n; k++, at++)
                terms.ptr[at] =
                    (struct sn_lc_term){c->wire_of[abc[m].terms[k].wire], abc[m].terms[k].coef};
        }
        if (r == 0) r = sn_r1cs_add(&rb, lc);
    }
    sn_vec_done(&terms);
    struct sn_r1cs_signals s = {.n_outputs = c->b.n[OUTPUT], .n_public = c->b.n[PUBLIC],
                                .n_private = c->b.n[PRIVATE], .n_total = c->b.signals.len};
    if (r == 0) return sn_r1cs_builder_finish(&rb, &s, &c->sys);
    sn_r1cs_builder_done(&rb);
    return r;
}

int sn_build_finish(struct sn_build *b, struct sn_circuit **ret)
{
    if (b->err == 0 && b->depth)
        failed(b, sn_fail(SN_E_INVALID_ARGUMENT, "the scope %.*s does not end",
                          SN_STR_ARG(b->scope[b->depth])));
    struct sn_circuit *c = b->err == 0 ? SN_NEW(struct sn_circuit) : NULL;
    if (!c) {
        int r = b->err ? b->err : SN_E_NOMEM;
        sn_build_free(b);
        return r;
    }
    c->b = *b;
    sn_free(b);
    int r = number_wires(c);
    if (r == 0) r = make_rows(c);
    if (r < 0) {
        sn_circuit_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void sn_circuit_free(struct sn_circuit *c)
{
    if (!c) return;
    done(&c->b);
    sn_r1cs_done(&c->sys);
    sn_free(c->wire_of);
    sn_free(c->signal_of);
    sn_free(c);
}
const struct sn_r1cs *sn_circuit_r1cs(const struct sn_circuit *c) { return &c->sys; }
uint32_t sn_circuit_n_inputs(const struct sn_circuit *c) { return c->b.n[PUBLIC] + c->b.n[PRIVATE]; }

static void sym_name(void *ctx, uint64_t label, struct sn_buf *out)
{
    const struct sn_circuit *c = ctx;
    (void)sn_buf_str(out, c->b.signals.ptr[label < c->b.signals.len ? c->signal_of[label] : 0].name);
}
struct sn_sym_source sn_circuit_sym(const struct sn_circuit *c)
{
    return (struct sn_sym_source){.name = sym_name, .ctx = (void *)(uintptr_t)c};
}

/* ---- solving --------------------------------------------------------------------------------- */

static void value_of(const struct sn_circuit *c, struct sn_lin x, const struct sn_fe *w,
                     struct sn_fe *ret)
{
    struct sn_fe sum = {{0}}, t;
    for (uint32_t i = 0; i < x.n; i++) {
        sn_fe_mul(c->b.field, &t, &x.terms[i].coef, &w[c->wire_of[x.terms[i].wire]]);
        sn_fe_add(c->b.field, &sum, &sum, &t);
    }
    *ret = sum;
}

static int run_hint(const struct sn_circuit *c, const struct step *s, struct sn_fe *scratch,
                    struct sn_fe *w)
{
    struct sn_fe *out = scratch + c->b.n_in_max;
    for (uint32_t i = 0; i < s->n_in; i++) value_of(c, s->in[i], w, &scratch[i]);
    int r = s->fn(s->ctx, c->b.field, scratch, s->n_in, out, s->n_out);
    for (uint32_t i = 0; r >= 0 && i < s->n_out; i++) w[c->wire_of[s->out + i]] = out[i];
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(c->b.signals.ptr[s->out].name)) : 0;
}

static int check(const struct sn_circuit *c, const struct sn_fe *w)
{
    uint32_t row;
    int r = sn_r1cs_check(&c->sys, w, NULL, &row);
    if (r != SN_E_FAILED_PRECONDITION) return r;
    struct sn_sym_source names = sn_circuit_sym(c);
    struct sn_buf b;
    sn_buf_init(&b, 1 << 12);
    sn_r1cs_row_text(&c->sys, row, &names, &b);
    r = sn_fail(r, "constraint %u does not hold: %s", row, sn_buf_cz(&b));
    sn_buf_done(&b);
    return r;
}

int sn_circuit_solve(const struct sn_circuit *c, const struct sn_fe *inputs, struct sn_fe *w)
{
    size_t n_scratch = (size_t)c->b.n_in_max + c->b.n_out_max + 1;
    struct sn_fe *scratch = SN_NEW_ARRAY(struct sn_fe, n_scratch);
    if (!scratch) return SN_E_NOMEM;
    w[0] = c->b.field->one;
    uint32_t n_in = sn_circuit_n_inputs(c);
    if (n_in) memcpy(w + 1 + c->b.n[OUTPUT], inputs, n_in * sizeof(*inputs));
    int r = 0;
    for (size_t i = 0; i < c->b.steps.len && r == 0; i++) {
        const struct step *s = &c->b.steps.ptr[i];
        struct sn_fe a, b;
        if (s->fn) {
            r = run_hint(c, s, scratch, w);
            continue;
        }
        value_of(c, s->a, w, &a);
        if (s->product) {
            value_of(c, s->b, w, &b);
            sn_fe_mul(c->b.field, &a, &a, &b);
        }
        w[c->wire_of[s->out]] = a;
    }
    sn_wipe(scratch, n_scratch * sizeof(*scratch));
    sn_free(scratch);
    return r < 0 ? r : check(c, w);
}
