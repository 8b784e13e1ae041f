/* SPDX-License-Identifier: Apache-2.0 */
/* Constraint systems: building, simplifying, checking, files. */
#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"
#include "zk/file.h"

static const struct sn_field *const F = &sn_bn254_fr;

static struct sn_fe fe(int64_t x)
{
    struct sn_fe r;
    sn_fe_set_i64(F, &r, x);
    return r;
}

/* Terms from pairs (wire, small coefficient). */
struct terms {
    struct sn_lc_term t[8];
    size_t n;
};
static struct sn_lc lc(struct terms *m, size_t n, const int64_t *pairs)
{
    for (size_t i = 0; i < n; i++)
        m->t[i] = (struct sn_lc_term){(uint32_t)pairs[2 * i], fe(pairs[2 * i + 1])};
    return (struct sn_lc){m->t, n};
}
#define LC(m, ...)                                                                     \
    lc(&(m), sizeof((int64_t[]){__VA_ARGS__}) / 16, (const int64_t[]){__VA_ARGS__})

SN_TEST(r1cs_rows_are_sorted_merged_and_free_of_zeros)
{
    struct sn_r1cs_builder b;
    struct sn_r1cs s;
    struct terms m[3];
    T_OK(sn_r1cs_builder_init(&b, F));
    struct sn_lc abc[3] = {LC(m[0], 3, 2, 2, 6, 3, -2, 2, 1), LC(m[1], 1, 1), {0}};
    T_OK(sn_r1cs_add(&b, abc));
    T_OK(sn_r1cs_builder_finish(&b, &(struct sn_r1cs_signals){.n_outputs = 1, .n_total = 5}, &s));
    T_EQ(s.n_rows, 1);
    T_EQ(s.row_at[1], 1); /* wire 3 cancelled */
    T_EQ(s.row_at[2], 2);
    T_EQ(s.wire[0], 2);
    struct sn_fe seven = fe(7);
    T_ASSERT(sn_fe_equal(&s.dict[s.coef[0]], &seven));
    sn_r1cs_done(&s);

    T_OK(sn_r1cs_builder_init(&b, F));
    T_OK(sn_r1cs_add(&b, abc));
    T_EQ(sn_r1cs_builder_finish(&b, &(struct sn_r1cs_signals){.n_total = 2}, &s),
         SN_E_INVALID_ARGUMENT);
}

/* A random circuit together with a witness: every new wire is a product of two random linear
 * combinations of earlier ones, or a linear combination, a copy, a number. */
#define WIRES_MAX 160
struct made {
    struct sn_r1cs s;
    struct sn_fe w[WIRES_MAX];
    uint32_t n;
};

static void random_lc(struct made *c, struct terms *m, unsigned n_max, struct sn_lc *ret,
                      struct sn_fe *ret_value)
{
    struct sn_fe v = {{0}}, t;
    m->n = 1 + sn_test_rand_below(n_max);
    for (size_t i = 0; i < m->n; i++) {
        uint32_t w = (uint32_t)sn_test_rand_below(c->n);
        m->t[i] = (struct sn_lc_term){w, fe((int64_t)sn_test_rand_below(7) - 3)};
        sn_fe_mul(F, &t, &m->t[i].coef, &c->w[w]);
        sn_fe_add(F, &v, &v, &t);
    }
    *ret = (struct sn_lc){m->t, m->n};
    *ret_value = v;
}

/* One wire and the row that makes it. */
static void random_row(struct made *c, struct sn_r1cs_builder *b)
{
    struct terms m[3];
    struct sn_fe va, vb;
    struct sn_lc abc[3] = {{0}};
    uint32_t w = c->n;
    switch (sn_test_rand_below(4)) {
    case 0:
        random_lc(c, &m[0], 3, &abc[0], &va);
        random_lc(c, &m[1], 3, &abc[1], &vb);
        sn_fe_mul(F, &c->w[w], &va, &vb);
        abc[2] = LC(m[2], w, 1);
        break;
    case 1:
        random_lc(c, &m[2], 5, &abc[2], &c->w[w]);
        m[2].t[m[2].n++] = (struct sn_lc_term){w, fe(-1)};
        abc[2].n++;
        break;
    case 2: {
        uint32_t from = 1 + (uint32_t)sn_test_rand_below(w - 1);
        c->w[w] = c->w[from];
        abc[2] = LC(m[2], w, -1, from, 1);
        break;
    }
    default: {
        int64_t k = (int64_t)sn_test_rand_below(9) - 4;
        sn_fe_set_i64(F, &c->w[w], k);
        abc[2] = LC(m[2], 0, 2 * k, w, -2);
    }
    }
    c->n++;
    T_OK(sn_r1cs_add(b, abc));
}

static void random_circuit(struct made *c)
{
    struct sn_r1cs_builder b;
    uint32_t outputs = (uint32_t)sn_test_rand_below(3), pub = (uint32_t)sn_test_rand_below(3);
    T_OK(sn_r1cs_builder_init(&b, F));
    c->n = 1 + outputs + pub + 3;
    for (uint32_t i = 0; i < c->n; i++) sn_fe_set_u64(F, &c->w[i], i == 0 ? 1 : sn_test_rand() >> 40);
    uint32_t total = c->n + 5 + (uint32_t)sn_test_rand_below(WIRES_MAX - 20);
    while (c->n < total) random_row(c, &b);
    /* Outputs are tied to what was made: sometimes two to the same. */
    for (uint32_t o = 1; o <= outputs; o++) {
        struct terms m;
        uint32_t from = outputs + 1 + (uint32_t)sn_test_rand_below(c->n - outputs - 1);
        bool used = false;
        for (uint32_t e = 0; e < b.sys.row_at[3 * (size_t)b.sys.n_rows]; e++)
            used |= b.sys.wire[e] == o;
        if (used) continue;
        c->w[o] = c->w[from];
        T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{0}, {0}, LC(m, o, 1, from, -1)}));
    }
    struct sn_r1cs_signals n = {outputs, pub, 3, c->n};
    T_OK(sn_r1cs_builder_finish(&b, &n, &c->s));
}

static void project(const struct sn_r1cs *s, const struct sn_fe *labels, struct sn_fe *ret)
{
    for (uint32_t w = 0; w < s->n_wires; w++) ret[w] = labels[s->label_of ? s->label_of[w] : w];
}

SN_TEST(simplified_systems_accept_the_same_witnesses)
{
    for (unsigned n = 0; n < sn_test_cases(150); n++) {
        struct made c;
        random_circuit(&c);
        uint32_t bad, rows = c.s.n_rows;
        T_OK(sn_r1cs_check(&c.s, c.w, NULL, &bad));
        for (unsigned level = 0; level <= 2; level++) {
            struct sn_r1cs small;
            struct sn_simplify_stats st;
            struct sn_fe w[WIRES_MAX];
            sn_test_row("case %u level %u", n, level);
            T_OK(sn_r1cs_simplify(&c.s, &(struct sn_simplify_opts){.level = level}, &small, &st));
            T_ASSERT(small.n_rows <= rows);
            rows = small.n_rows;
            project(&small, c.w, w);
            T_OK(sn_r1cs_check(&small, w, NULL, &bad));
            T_OK(sn_r1cs_check_scalar(&small, w, &bad));
            for (uint32_t o = 0; o < 1 + c.s.n_outputs + c.s.n_public; o++)
                T_EQ(small.label_of ? small.label_of[o] : o, o);
            if (level == 2) T_ASSERT(st.linear_after <= c.s.n_outputs + c.s.n_public + 1);
            sn_r1cs_done(&small);
        }
        sn_r1cs_done(&c.s);
    }
}

/* What simplification says it replaced holds of a witness, and every wire that is gone was said once. */
struct told {
    const struct sn_fe *w;
    uint8_t times[WIRES_MAX];
};
static int tell(void *ctx, uint32_t wire, const struct sn_lc *value)
{
    struct told *t = ctx;
    struct sn_fe sum = {{0}}, one;
    for (size_t i = 0; i < value->n; i++) {
        sn_fe_mul(F, &one, &value->terms[i].coef, &t->w[value->terms[i].wire]);
        sn_fe_add(F, &sum, &sum, &one);
        T_ASSERT(i == 0 || value->terms[i - 1].wire < value->terms[i].wire);
    }
    T_ASSERTF(sn_fe_equal(&sum, &t->w[wire]), "wire %u is not what replaces it", wire);
    t->times[wire]++;
    return 0;
}
static void check_told(const struct sn_r1cs *s, const struct sn_fe *w, unsigned level, unsigned rounds_max)
{
    struct told t = {.w = w};
    struct sn_r1cs small;
    struct sn_simplify_opts o = {.level = level, .rounds_max = rounds_max, .replaced = tell, .ctx = &t};
    T_OK(sn_r1cs_simplify(s, &o, &small, NULL));
    for (uint32_t i = 0; i < small.n_wires; i++) T_EQ(t.times[small.label_of[i]], 0);
    for (uint32_t i = 0; i < s->n_wires; i++) T_ASSERT(t.times[i] <= 1);
    sn_r1cs_done(&small);
}
SN_TEST(replaced_wires_are_told)
{
    for (unsigned n = 0; n < sn_test_cases(100); n++) {
        struct made c;
        random_circuit(&c);
        for (unsigned level = 1; level <= 2; level++) {
            sn_test_row("case %u level %u", n, level);
            check_told(&c.s, c.w, level, 0);
        }
        sn_r1cs_done(&c.s);
    }
}

/* w[i] * w[i+1] = k[i] with w[1] = 3 last: each row turns linear when the one before it is solved, so there
 * are as many rounds as rows, but for the last wire, an output, whose row stays. A row beside them mentions
 * every wire. */
#define CHAIN 40u
static void chain_system(struct sn_r1cs *ret, struct sn_fe w[CHAIN + 3])
{
    struct sn_r1cs_builder b;
    struct sn_r1cs_signals n = {1, 0, 1, CHAIN + 3};
    struct sn_lc_term all[CHAIN];
    const uint32_t last = CHAIN + 2;
    T_OK(sn_r1cs_builder_init(&b, F));
    w[0] = fe(1);
    for (uint32_t i = 2; i <= last; i++) w[i] = fe(i + 1);
    w[1] = fe(0);
    for (uint32_t i = 2; i < last; i++) { /* wires 2 .. last */
        struct terms m[3];
        struct sn_fe k;
        sn_fe_mul(F, &k, &w[i], &w[i + 1]);
        struct sn_lc abc[3] = {LC(m[0], i, 1), LC(m[1], i + 1, 1), LC(m[2], 0, 1)};
        m[2].t[0].coef = k;
        T_OK(sn_r1cs_add(&b, abc));
        all[i - 2] = (struct sn_lc_term){i, fe(1)};
        sn_fe_add(F, &w[1], &w[1], &w[i]);
    }
    struct terms m[2];
    sn_fe_mul(F, &w[1], &w[1], &w[last]);
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{all, CHAIN}, LC(m[0], last, 1), LC(m[1], 1, 1)}));
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{0}, {0}, LC(m[0], 2, 1, 0, -3)}));
    T_OK(sn_r1cs_builder_finish(&b, &n, ret));
}
static int simplify_once(void *arg)
{
    struct sn_r1cs small;
    int r = sn_r1cs_simplify(arg, &(struct sn_simplify_opts){.level = 2}, &small, NULL);
    if (r == 0) sn_r1cs_done(&small);
    return r;
}
SN_TEST(rows_turn_linear_one_by_one)
{
    struct sn_r1cs s, small;
    struct sn_fe w[CHAIN + 3], v[CHAIN + 3];
    uint32_t bad;
    chain_system(&s, w);
    T_OK(sn_r1cs_check(&s, w, NULL, &bad));
    for (unsigned max = 1; max <= CHAIN + 2; max++) {
        struct sn_simplify_stats st;
        sn_test_row("rounds %u", max);
        T_OK(sn_r1cs_simplify(&s, &(struct sn_simplify_opts){.level = 2, .rounds_max = max}, &small, &st));
        /* The first wire is a number from level 1 on, the second after the first round. */
        T_EQ(small.n_rows, max <= CHAIN ? CHAIN + 1 - max : 1);
        T_EQ(st.rounds, SN_MIN(max, CHAIN));
        project(&small, w, v);
        T_OK(sn_r1cs_check(&small, v, NULL, &bad));
        v[1] = fe(1);
        T_EQ(sn_r1cs_check(&small, v, NULL, &bad), SN_E_FAILED_PRECONDITION);
        sn_r1cs_done(&small);
        check_told(&s, w, 2, max);
    }
    T_ASSERT(sn_torture_lenient(simplify_once, &s) > 0);
    sn_r1cs_done(&s);
}

/* What a system says about a wire: changing it must break a row at every level, unless it was free
 * before. Both checks name the same row. */
SN_TEST(mutated_witnesses_are_rejected)
{
    for (unsigned n = 0; n < sn_test_cases(60); n++) {
        struct made c;
        random_circuit(&c);
        for (unsigned level = 0; level <= 2; level++) {
            struct sn_r1cs small;
            struct sn_fe w[WIRES_MAX];
            T_OK(sn_r1cs_simplify(&c.s, &(struct sn_simplify_opts){.level = level}, &small, NULL));
            project(&small, c.w, w);
            for (uint32_t i = 0; i < small.n_wires; i++) {
                struct sn_fe old = w[i];
                uint32_t bad = 0, bad2 = 0;
                sn_fe_add(F, &w[i], &w[i], &F->one);
                int r = sn_r1cs_check(&small, w, NULL, &bad);
                T_EQ(sn_r1cs_check_scalar(&small, w, &bad2), r);
                T_EQ(bad, bad2);
                if (i == 0) T_EQ(r, SN_E_FAILED_PRECONDITION);
                /* A made wire is named by the row that made it, as the output of which it must
                 * have the value it has: only rows can object, and only used wires are in rows. */
                bool used = false;
                for (uint32_t e = 0; e < sn_r1cs_n_entries(&small); e++) used |= small.wire[e] == i;
                if (!used && i) T_EQ(r, 0);
                w[i] = old;
            }
            sn_r1cs_done(&small);
        }
        sn_r1cs_done(&c.s);
    }
}

/* Rows of any length, longer than the check gathers at once too, over bits, zeros and anything. */
#define LONG_WIRES 1500u
#define LONG_ROWS 150u
static struct sn_fe anything(void)
{
    struct sn_fe x = {{sn_test_rand(), sn_test_rand(), sn_test_rand(), sn_test_rand()}};
    uint64_t kind = sn_test_rand_below(4);
    sn_fe_reduce(F, &x, &x);
    return kind < 2 ? fe((int64_t)kind) : kind == 2 ? fe(-1) : x;
}
static struct sn_lc long_lc(struct sn_lc_term *t, const struct sn_fe *w, struct sn_fe *ret)
{
    static const unsigned most[] = {3, 8, 40, LONG_WIRES};
    size_t n = sn_test_rand_below(most[sn_test_rand_below(20) ? sn_test_rand_below(3) : 3]);
    struct sn_fe x;
    *ret = fe(0);
    for (size_t i = 0; i < n; i++) {
        t[i] = (struct sn_lc_term){(uint32_t)sn_test_rand_below(LONG_WIRES), anything()};
        sn_fe_mul(F, &x, &w[t[i].wire], &t[i].coef);
        sn_fe_add(F, ret, ret, &x);
    }
    return (struct sn_lc){t, n};
}
SN_TEST(long_rows_are_checked)
{
    static struct sn_lc_term t[2][LONG_WIRES];
    static struct sn_fe w[LONG_WIRES + LONG_ROWS];
    for (unsigned n = 0; n < sn_test_cases(10); n++) {
        struct sn_r1cs_builder b;
        struct sn_r1cs s;
        struct sn_fe x, y;
        uint32_t bad = 0, bad2 = 0;
        T_OK(sn_r1cs_builder_init(&b, F));
        for (uint32_t i = 0; i < LONG_WIRES; i++) w[i] = i ? anything() : F->one;
        for (uint32_t i = 0; i < LONG_ROWS; i++) {
            struct sn_lc_term o = {LONG_WIRES + i, F->one};
            struct sn_lc abc[3] = {long_lc(t[0], w, &x), long_lc(t[1], w, &y), {&o, 1}};
            sn_fe_mul(F, &w[LONG_WIRES + i], &x, &y);
            T_OK(sn_r1cs_add(&b, abc));
        }
        struct sn_r1cs_signals signals = {.n_total = LONG_WIRES + LONG_ROWS};
        signals.n_private = LONG_WIRES + LONG_ROWS - 1;
        T_OK(sn_r1cs_builder_finish(&b, &signals, &s));
        T_OK(sn_r1cs_check(&s, w, NULL, &bad));
        for (unsigned k = 0; k < 60; k++) {
            uint32_t i = 1 + (uint32_t)sn_test_rand_below(LONG_WIRES + LONG_ROWS - 1);
            struct sn_fe old = w[i];
            w[i] = anything();
            int r = sn_r1cs_check(&s, w, NULL, &bad);
            T_EQ(sn_r1cs_check_scalar(&s, w, &bad2), r);
            if (r < 0) T_EQ(bad, bad2);
            if (i >= LONG_WIRES && !sn_fe_equal(&w[i], &old)) T_EQ(r, SN_E_FAILED_PRECONDITION);
            w[i] = old;
        }
        sn_r1cs_done(&s);
    }
}

SN_TEST(unsatisfiable_stays_unsatisfiable)
{
    struct sn_r1cs_builder b;
    struct sn_r1cs s, small;
    struct terms m[2];
    uint32_t bad;
    T_OK(sn_r1cs_builder_init(&b, F));
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{0}, {0}, LC(m[0], 1, 1, 0, -5)}));
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{0}, {0}, LC(m[1], 1, 1, 0, -6)}));
    T_OK(sn_r1cs_builder_finish(&b, &(struct sn_r1cs_signals){.n_private = 1, .n_total = 2}, &s));
    for (unsigned level = 1; level <= 2; level++) {
        T_OK(sn_r1cs_simplify(&s, &(struct sn_simplify_opts){.level = level}, &small, NULL));
        T_EQ(sn_r1cs_check(&small, &F->one, NULL, &bad), SN_E_FAILED_PRECONDITION);
        sn_r1cs_done(&small);
    }
    sn_r1cs_done(&s);
}

static void write_r1cs(const struct sn_r1cs *s, struct sn_buf *b)
{
    struct sn_zk_sink sink = sn_zk_sink_buf(b);
    sn_buf_init(b, 0);
    T_OK(sn_r1cs_write(s, &sink));
}

SN_TEST(r1cs_files_come_back)
{
    for (unsigned n = 0; n < sn_test_cases(20); n++) {
        struct made c;
        struct sn_r1cs small, back;
        struct sn_buf one, two;
        uint32_t bad;
        struct sn_fe w[WIRES_MAX];
        random_circuit(&c);
        T_OK(sn_r1cs_simplify(&c.s, &(struct sn_simplify_opts){.level = n % 3}, &small, NULL));
        write_r1cs(&small, &one);
        T_OK(sn_r1cs_read(sn_buf_view(&one), &back));
        write_r1cs(&back, &two);
        T_ASSERT(sn_str_eq(sn_buf_view(&one), sn_buf_view(&two)));
        project(&back, c.w, w);
        T_OK(sn_r1cs_check(&back, w, NULL, &bad));
        sn_r1cs_done(&back);
        sn_r1cs_done(&small);
        sn_r1cs_done(&c.s);
        sn_buf_done(&one);
        sn_buf_done(&two);
    }
}

SN_TEST(damaged_r1cs_files_are_refused)
{
    struct made c;
    struct sn_r1cs back;
    struct sn_buf b;
    random_circuit(&c);
    write_r1cs(&c.s, &b);
    /* Cut anywhere, the file is refused. */
    for (size_t n = 0; n < b.len; n++)
        T_ASSERTF(sn_r1cs_read(sn_str_of((char *)b.ptr, n), &back) < 0, "cut at %zu", n);
    /* Changed anywhere, it is refused or read as something that is within bounds. */
    for (size_t n = 0; n < b.len; n++) {
        b.ptr[n] ^= (uint8_t)(1u << (n % 8));
        if (sn_r1cs_read(sn_buf_view(&b), &back) == 0) {
            struct sn_r1cs_stats st;
            sn_r1cs_stats(&back, &st);
            sn_r1cs_done(&back);
        }
        b.ptr[n] ^= (uint8_t)(1u << (n % 8));
    }
    sn_buf_done(&b);
    sn_r1cs_done(&c.s);
}

SN_TEST(wtns_files_come_back)
{
    static const char *const primes[] = {"bn128", "bls12381", "goldilocks", "grumpkin", "pallas",
                                         "vesta", "secq256r1", "bls12377"};
    for (size_t i = 0; i < SN_COUNT_OF(primes); i++) {
        sn_test_row("%s", primes[i]);
        const struct sn_field *f = sn_zk_field(sn_str(primes[i])), *g;
        T_ASSERT(f);
        struct sn_fe w[5] = {f->one, {{0}}}, *back;
        for (int k = 1; k < 5; k++) sn_fe_set_i64(f, &w[k], -k);
        struct sn_buf b;
        size_t n;
        sn_buf_init(&b, 0);
        struct sn_zk_sink sink = sn_zk_sink_buf(&b);
        T_OK(sn_wtns_write(f, w, 5, &sink));
        T_OK(sn_wtns_read(sn_buf_view(&b), &g, &back, &n));
        T_ASSERT(g == f && n == 5 && memcmp(back, w, sizeof(w)) == 0);
        sn_free(back);
        for (size_t cut = 0; cut < b.len; cut++)
            T_ASSERT(sn_wtns_read(sn_str_of((char *)b.ptr, cut), &g, &back, &n) < 0);
        /* A value that is the prime itself. */
        size_t n8 = (b.len - 12 - 12 - 12 - 4 - 4) / 6;
        memcpy(b.ptr + b.len - n8, f->p.v, n8);
        T_EQ(sn_wtns_read(sn_buf_view(&b), &g, &back, &n), SN_E_OUT_OF_RANGE);
        sn_buf_done(&b);
    }
}

static void test_name(void *ctx, uint64_t label, struct sn_buf *out)
{
    (void)sn_buf_printf(out, "main.s[%llu]", (unsigned long long)label);
}

SN_TEST(sym_and_json_texts)
{
    struct sn_r1cs_builder b;
    struct sn_r1cs s, small;
    struct terms m[6];
    struct sn_buf out;
    struct sn_sym sym;
    struct sn_sym_source src = {.name = test_name};
    T_OK(sn_r1cs_builder_init(&b, F));
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){LC(m[0], 2, 1), LC(m[1], 3, 2, 0, 1), LC(m[2], 1, 1)}));
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{0}, {0}, LC(m[3], 2, 1, 3, -1)}));
    T_OK(sn_r1cs_builder_finish(&b, &(struct sn_r1cs_signals){1, 0, 1, 4}, &s));
    T_OK(sn_r1cs_simplify(&s, &(struct sn_simplify_opts){.level = 1}, &small, NULL));
    sn_buf_init(&out, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&out);
    T_OK(sn_sym_write(&small, &src, &sink));
    T_CSTR(sn_buf_cz(&out), "1,1,0,main.s[1]\n2,2,0,main.s[2]\n3,-1,0,main.s[3]\n");
    T_OK(sn_sym_read(sn_buf_view(&out), &sym));
    T_EQ(sym.n_labels, 4);
    T_EQ(sym.wire[3], -1);
    src = sn_sym_source_of(&sym);
    struct sn_buf text;
    sn_buf_init(&text, 0);
    sn_r1cs_row_text(&small, 0, &src, &text);
    T_CSTR(sn_buf_cz(&text), "(main.s[2]) * (1 + 2*main.s[2]) = main.s[1]");
    sn_buf_done(&text);
    sn_sym_done(&sym);
    sn_buf_reset(&out);
    T_OK(sn_r1cs_write_json(&small, &sink));
    T_CSTR(sn_buf_cz(&out), "{\n\"constraints\": [\n[{\"2\":\"1\"},{\"0\":\"1\",\"2\":\"2\"},"
                           "{\"1\":\"1\"}]\n]\n}");
    T_EQ(sn_sym_read(SN_STR("1,1,0,a\n1,2,0,b\n"), &sym), SN_E_SYNTAX);
    T_EQ(sn_sym_read(SN_STR("1,1,0\n"), &sym), SN_E_SYNTAX);
    T_EQ(sn_sym_read(SN_STR("900000000,1,0,a\n"), &sym), SN_E_SYNTAX);
    sn_buf_done(&out);
    sn_r1cs_done(&small);
    sn_r1cs_done(&s);
}
