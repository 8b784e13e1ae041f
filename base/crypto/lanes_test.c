/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/lanes_test.c - eight lanes give what one gives, on random values and edges. */
#include "crypto/lanes.h"

#include "core/status.h"
#include "crypto/vec_int.h"
#include "harness/test.h"

static struct sn_fe some(const struct sn_field *f)
{
    struct sn_fe x = {{sn_test_rand(), sn_test_rand(), sn_test_rand(), sn_test_rand()}};
    switch (sn_test_rand_below(6)) {
    case 0: return (struct sn_fe){{0}};
    case 1: return f->one;
    case 2: /* p - 1, p - 2, ... */
        x = f->p;
        x.v[0] -= 1 + sn_test_rand_below(4);
        return x;
    case 3: /* limbs of ones */
        for (unsigned i = 0; i < 4; i++) x.v[i] = sn_test_rand_below(2) ? UINT64_MAX : 0;
        break;
    default: break;
    }
    sn_fe_reduce(f, &x, &x);
    return x;
}

static void compare(const struct sn_lanes *c, const char *what, const struct sn_fe8 *got,
                    const struct sn_fe want[8])
{
    struct sn_fe out[8];
    sn_fe8_to_fe(c, out, got);
    for (unsigned i = 0; i < 8; i++)
        T_ASSERTF(sn_fe_equal(&out[i], &want[i]), "%s, lane %u, %s", what, i, c->f->name);
}

static void dots_of(const struct sn_lanes *c)
{
    struct sn_fe sum[8] = {{{0}}};
    struct sn_fe8 x[SN_FE8_DOT_MAX], y[SN_FE8_DOT_MAX], z;
    const struct sn_fe8 *px[SN_FE8_DOT_MAX], *py[SN_FE8_DOT_MAX];
    T_ASSERT(c->dot_max >= 1 && c->dot_max <= SN_FE8_DOT_MAX);
    bool most = sn_test_rand_below(4) == 0; /* every factor p - 1 */
    for (unsigned n = 0; n < c->dot_max; n++) {
        struct sn_fe a[8], b[8], t;
        for (unsigned i = 0; i < 8; i++) {
            a[i] = some(c->f), b[i] = some(c->f);
            if (most) a[i] = b[i] = c->f->p, a[i].v[0]--, b[i].v[0]--;
            sn_fe_mul(c->f, &t, &a[i], &b[i]);
            sn_fe_add(c->f, &sum[i], &sum[i], &t);
        }
        sn_fe8_from_fe(c, &x[n], a), sn_fe8_from_fe(c, &y[n], b);
        px[n] = &x[n], py[n] = &y[n];
        sn_fe8_dot(c, &z, px, py, n + 1);
        compare(c, "dot", &z, sum);
    }
}

static void round_of(const struct sn_lanes *c)
{
    struct sn_fe a[8], b[8], r[8], p[8], q[8];
    struct sn_fe8 x, y, z;
    int64_t s[8];
    const struct sn_field *f = c->f;
    for (unsigned i = 0; i < 8; i++) {
        a[i] = some(f), b[i] = sn_test_rand_below(5) ? some(f) : a[i];
        s[i] = (int64_t)(sn_test_rand() >> 2 >> sn_test_rand_below(62)) * (sn_test_rand_below(2) ? 1 : -1);
    }
    sn_fe8_from_fe(c, &x, a);
    sn_fe8_from_fe(c, &y, b);
    compare(c, "load", &x, a);
    for (unsigned i = 0; i < 8; i++) sn_fe_add(f, &r[i], &a[i], &b[i]);
    sn_fe8_add(c, &z, &x, &y);
    compare(c, "add", &z, r);
    for (unsigned i = 0; i < 8; i++) sn_fe_sub(f, &r[i], &a[i], &b[i]);
    sn_fe8_sub(c, &z, &x, &y);
    compare(c, "sub", &z, r);
    for (unsigned i = 0; i < 8; i++) sn_fe_mul(f, &r[i], &a[i], &b[i]);
    sn_fe8_mul(c, &z, &x, &y);
    compare(c, "mul", &z, r);
    dots_of(c);
    for (unsigned i = 0; i < 8; i++) sn_fe_inv(f, &r[i], &a[i]);
    sn_fe8_inv(c, &z, &x);
    compare(c, "inv", &z, r);
    for (unsigned i = 0; i < 8; i++) sn_fe_set_i64(f, &r[i], s[i]);
    sn_fe8_from_i64(c, &z, s);
    compare(c, "from_i64", &z, r);
    uint8_t mask = (uint8_t)sn_test_rand(), equal = sn_fe8_equal(c, &x, &y);
    for (unsigned i = 0; i < 8; i++) r[i] = mask >> i & 1 ? b[i] : a[i];
    sn_fe8_select(c, &z, mask, &x, &y);
    compare(c, "select", &z, r);
    sn_fe8_to_plain(c, p, &x);
    for (unsigned i = 0; i < 8; i++) {
        T_EQ(equal >> i & 1, sn_fe_equal(&a[i], &b[i]));
        sn_fe_from_mont(f, &q[i], &a[i]);
        T_ASSERTF(sn_fe_equal(&p[i], &q[i]), "plain, lane %u, %s", i, f->name);
    }
}

static void all_fields(void)
{
    static const struct sn_field *const fields[] = {&sn_bn254_fr, &sn_bn254_fq, &sn_bls12_381_fr};
    struct sn_fe p256 = {{UINT64_MAX, UINT32_MAX, 0, 0xffffffff00000001}};
    struct sn_fe last = {{(uint64_t)-189, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    struct sn_field full, next_to;
    struct sn_lanes c;
    T_EQ(sn_field_init(&full, "P-256", &p256), 0);
    T_EQ(sn_field_init(&next_to, "2^256-189", &last), 0);
    T_EQ(sn_lanes_init(&c, &next_to), SN_E_UNIMPLEMENTED);
    for (unsigned k = 0; k < sn_test_cases(1000); k++) {
        const struct sn_field *f = k % 4 == 3 ? &full : fields[k % 4];
        if (!sn_field_vec) continue;
        T_EQ(sn_lanes_init(&c, f), 0);
        round_of(&c);
    }
}

SN_TEST(lanes_agree)
{
    const struct sn_vec_engine *engines[3] = {0}, *used = sn_field_vec;
    size_t n = sn_vec_engines(engines);
    for (size_t e = 0; e <= n; e++) { /* the last is none */
        sn_field_vec = engines[e];
        all_fields();
    }
    sn_field_vec = used;
}
