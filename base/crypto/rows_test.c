/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/rows_test.c - the kernels find the first row that does not hold, as one row after the other does. */
#include "crypto/rows.h"

#include "crypto/fence_test.h"
#include "crypto/vec_int.h"
#include "harness/test.h"

enum { WIRES = 40, COEFS = 24, ROWS = 600, ENTRIES = 60000 };

/* A system in the making; its arrays move to where memory ends once their lengths are known. */
struct made {
    const struct sn_field *f;
    struct sn_fe w[WIRES], dict[COEFS + ROWS];
    uint32_t negation[COEFS + ROWS], at[3 * ROWS + 1], wire[ENTRIES], coef[ENTRIES];
    uint8_t order[ROWS];
    uint32_t rows, entries, coefs;
    uint32_t long_at, long_len; /* a long sum to repeat; 0: none yet */
};

static struct sn_fe some(const struct sn_field *f)
{
    struct sn_fe x = {{sn_test_rand(), sn_test_rand(), sn_test_rand(), sn_test_rand()}};
    switch (sn_test_rand_below(6)) {
    case 0: return (struct sn_fe){{0}};
    case 1: return f->one;
    case 2: /* p - 1, ... */
        x = f->p;
        x.v[0] -= 1 + sn_test_rand_below(3);
        return x;
    case 3: /* 1 but for a word */
        x = f->one;
        x.v[sn_test_rand_below(4)] ^= 1;
        break;
    default: break;
    }
    sn_fe_reduce(f, &x, &x);
    return x;
}
static uint32_t some_length(void)
{
    switch (sn_test_rand_below(12)) {
    case 0: return 0;
    case 1: return (uint32_t)sn_test_rand_below(20);
    case 2: return 8 + (uint32_t)sn_test_rand_below(60);
    case 3: return sn_test_rand_below(8) ? 3 : 1000 + (uint32_t)sn_test_rand_below(1500);
    default: return (uint32_t)sn_test_rand_below(5);
    }
}
static void sum_of(const struct made *m, uint32_t lo, uint32_t hi, struct sn_fe *ret)
{
    struct sn_fe t;
    *ret = (struct sn_fe){{0}};
    for (uint32_t e = lo; e < hi; e++) {
        sn_fe_mul(m->f, &t, &m->w[m->wire[e]], &m->dict[m->coef[e]]);
        sn_fe_add(m->f, ret, ret, &t);
    }
}
/* A sum: random, of the largest values, or a long one of before once more, as it was, negated, or with
 * one entry changed. */
static void put_sum(struct made *m)
{
    uint32_t n = some_length(), lo = m->entries;
    uint64_t kind = sn_test_rand_below(8);
    if (n + m->long_len + 2 > ENTRIES - lo) n = 0;
    if (kind < 3 && m->long_len > 0 && n >= SN_VEC_ROWS_LONG) {
        n = m->long_len;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t c = m->coef[m->long_at + i];
            m->wire[lo + i] = m->wire[m->long_at + i];
            m->coef[lo + i] = kind == 1 ? m->negation[c] : c;
        }
        if (kind == 2) m->coef[lo + sn_test_rand_below(n)] = (uint32_t)sn_test_rand_below(COEFS);
    } else {
        bool bits = sn_test_rand_below(3) == 0, unit = sn_test_rand_below(3) == 0;
        for (uint32_t i = 0; i < n; i++) {
            m->wire[lo + i] = kind == 7 ? 2 : (uint32_t)sn_test_rand_below(bits ? 2 : WIRES);
            m->coef[lo + i] = kind == 7 ? 2 : (uint32_t)sn_test_rand_below(unit ? 2 : COEFS);
        }
        if (n >= SN_VEC_ROWS_LONG) m->long_at = lo, m->long_len = n;
    }
    m->entries += n;
}
/* Wires 0, 1 and 2 are 1, 0 and p - 1; coefficient 2 is p - 2. Negations are neighbours, but for the last
 * that rows add, which have none. */
static void make(struct made *m, const struct sn_field *f)
{
    struct sn_fe a, b, c;
    memset(m, 0, sizeof(*m));
    m->f = f;
    for (unsigned i = 0; i < WIRES; i++) m->w[i] = some(f);
    m->w[0] = f->one;
    m->w[1] = (struct sn_fe){{0}};
    m->w[2] = f->p;
    m->w[2].v[0]--;
    for (unsigned i = 0; i < COEFS; i += 2) {
        m->dict[i] = i == 0 ? f->one : some(f);
        if (i == 2) m->dict[2] = f->p, m->dict[2].v[0] -= 2;
        sn_fe_neg(f, &m->dict[i + 1], &m->dict[i]);
        m->negation[i] = i + 1;
        m->negation[i + 1] = i;
    }
    m->coefs = COEFS;
    uint32_t rows = (uint32_t)sn_test_rand_below(sn_test_rand_below(2) ? ROWS : 20);
    for (m->rows = 0; m->rows < rows; m->rows++) {
        uint32_t *at = m->at + 3 * m->rows;
        for (unsigned k = 0; k < 3; k++) {
            put_sum(m);
            at[k + 1] = m->entries;
        }
        sum_of(m, at[0], at[1], &a);
        sum_of(m, at[1], at[2], &b);
        sum_of(m, at[2], at[3], &c);
        sn_fe_mul(f, &a, &a, &b);
        sn_fe_sub(f, &m->dict[m->coefs], &a, &c);
        m->negation[m->coefs] = m->coefs;
        if (sn_fe_is_zero(&m->dict[m->coefs]) || m->entries == ENTRIES) continue;
        m->wire[m->entries] = 0; /* what is missing, times the constant one */
        m->coef[m->entries++] = m->coefs++;
        at[3] = m->entries;
    }
}
static bool holds(const struct made *m, uint32_t i)
{
    const uint32_t *at = m->at + 3 * i;
    struct sn_fe v[3];
    for (unsigned k = 0; k < 3; k++) sum_of(m, at[k], at[k + 1], &v[k]);
    sn_fe_mul(m->f, &v[0], &v[0], &v[1]);
    return sn_fe_equal(&v[0], &v[2]);
}
static void compare(struct made *m)
{
    struct fence room[7];
    const void *from[7] = {m->at, m->wire, m->coef, m->dict, m->negation, m->w, m->order};
    size_t bytes[7] = {(3 * m->rows + 1) * 4, m->entries * 4, m->entries * 4,
                       m->coefs * sizeof(*m->dict), m->coefs * 4, sizeof(m->w), m->rows};
    void *to[7];
    sn_fe_rows_order(m->at, m->rows, m->order);
    for (unsigned i = 0; i < 7; i++) {
        T_ASSERT(fence_init(&room[i], bytes[i] + 64));
        to[i] = memcpy(fence_at(&room[i], bytes[i], true), from[i], bytes[i]);
    }
    struct sn_fe_rows r = {to[0], to[1], to[2], to[3], to[4], to[5], to[6]};
    uint32_t want = 0;
    while (want < m->rows && holds(m, want)) want++;
    T_ASSERTF(sn_fe_rows_check(m->f, &r, 0, m->rows) == want, "%u of %u rows, %s", want, m->rows,
              m->f->name);
    for (unsigned i = 0; i < 7; i++) fence_done(&room[i]);
}

SN_TEST(rows_agree)
{
    static const struct sn_field *const fields[] = {&sn_bn254_fr, &sn_bls12_381_fr, NULL};
    const struct sn_vec_engine *engines[3] = {0}, *used = sn_field_vec;
    struct sn_fe big = {{(uint64_t)-189, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    struct sn_field full;
    static struct made m;
    size_t n = sn_vec_engines(engines);
    T_EQ(sn_field_init(&full, "2^256-189", &big), 0);
    for (unsigned k = 0; k < sn_test_cases(60); k++) {
        make(&m, fields[k % 3] ? fields[k % 3] : &full);
        for (size_t e = 0; e <= n; e++) { /* the last is none */
            sn_field_vec = engines[e];
            compare(&m);
        }
        if (m.entries == 0) continue;
        for (unsigned tries = 0; tries < 3; tries++) { /* a coefficient or a wire that is not what it was */
            uint32_t e = (uint32_t)sn_test_rand_below(m.entries);
            if (tries == 1)
                sn_fe_add(m.f, &m.w[3], &m.w[3], &m.f->one);
            else
                m.coef[e] = (uint32_t)sn_test_rand_below(COEFS);
            for (size_t i = 0; i <= n; i++) {
                sn_field_vec = engines[i];
                compare(&m);
            }
        }
    }
    sn_field_vec = used;
}
