/* SPDX-License-Identifier: Apache-2.0 */
/* Groth16 from powers of tau to verified proofs, over both curves, and what must be refused. */
#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "crypto/msm.h"
#include "harness/test.h"
#include "zk/bin.h"
#include "zk/setup.h"

/* ---- a circuit: out = (a*b + c)^3 + c, with `steps` more squarings that tie down wires ---------- */

#define STEPS 9u
#define WIRES (7u + STEPS)

static struct sn_lc_term term(const struct sn_field *f, uint32_t w, int64_t k)
{
    struct sn_lc_term t = {.wire = w};
    sn_fe_set_i64(f, &t.coef, k);
    return t;
}

/* Wires: 1, out, a (public), b, c, t = a*b + c, t2 = t*t, t3, s_i = s_(i-1)^2 + 2 s_(i-2). */
static void circuit(const struct sn_field *f, struct sn_r1cs *ret)
{
    struct sn_r1cs_builder b;
    T_OK(sn_r1cs_builder_init(&b, f));
    struct sn_lc_term a[2] = {term(f, 2, 1)}, bb[2] = {term(f, 3, 1)};
    struct sn_lc_term c[2] = {term(f, 5, 1), term(f, 4, -1)};
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{a, 1}, {bb, 1}, {c, 2}}));
    a[0] = bb[0] = term(f, 5, 1);
    c[0] = term(f, 6, 1);
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{a, 1}, {bb, 1}, {c, 1}}));
    a[0] = term(f, 6, 1);
    c[0] = term(f, 1, 1);
    T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{a, 1}, {bb, 1}, {c, 2}}));
    for (uint32_t i = 0; i < STEPS; i++) {
        a[0] = bb[0] = term(f, 6 + i, 1);
        c[0] = term(f, 7 + i, 1);
        c[1] = term(f, 5 + i, -2);
        T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{a, 1}, {bb, 1}, {c, 2}}));
    }
    struct sn_r1cs_signals n = {1, 1, 2, WIRES};
    T_OK(sn_r1cs_builder_finish(&b, &n, ret));
}

static void witness(const struct sn_field *f, struct sn_fe w[WIRES])
{
    struct sn_fe t;
    memset(w, 0, WIRES * sizeof(*w));
    w[0] = f->one;
    for (int i = 2; i < 5; i++) sn_fe_set_u64(f, &w[i], sn_test_rand());
    sn_fe_mul(f, &w[5], &w[2], &w[3]);
    sn_fe_add(f, &w[5], &w[5], &w[4]);
    sn_fe_sqr(f, &w[6], &w[5]);
    sn_fe_mul(f, &w[1], &w[6], &w[5]);
    sn_fe_add(f, &w[1], &w[1], &w[4]);
    for (uint32_t i = 0; i < STEPS; i++) {
        sn_fe_sqr(f, &w[7 + i], &w[6 + i]);
        sn_fe_dbl(f, &t, &w[5 + i]);
        sn_fe_add(f, &w[7 + i], &w[7 + i], &t);
    }
}

/* ---- powers of tau whose secrets the test knows ------------------------------------------------ */

#define POWER 4u /* the circuit's domain */

static void put_powers(struct sn_out *o, uint32_t id, const struct sn_group *g, size_t n,
                       const struct sn_fe *tau, const struct sn_fe *factor)
{
    const struct sn_field *f = g->fr;
    struct sn_fe *k = sn_alloc(n * sizeof(*k)), x = *factor;
    uint8_t *p = sn_alloc(n * g->affine_size);
    T_ASSERT(k && p);
    for (size_t i = 0; i < n; i++) {
        sn_fe_from_mont(f, &k[i], &x);
        sn_fe_mul(f, &x, &x, tau);
    }
    T_OK(sn_group_mul_fixed(g, p, g->generator, k, n, NULL));
    sn_out_section(o, id, n * g->affine_size);
    sn_out_put(o, p, n * g->affine_size);
    sn_free(k);
    sn_free(p);
}

static void powers_of(const struct sn_curve *c, unsigned power, struct sn_buf *ret)
{
    struct sn_buf raw;
    struct sn_out o;
    struct sn_ptau p;
    struct sn_fe tau, alpha, beta;
    size_t n = (size_t)1 << power;
    sn_buf_init(&raw, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&raw);
    sn_fe_set_u64(c->fr, &tau, sn_test_rand());
    sn_fe_set_u64(c->fr, &alpha, sn_test_rand());
    sn_fe_set_u64(c->fr, &beta, sn_test_rand());
    T_OK(sn_out_begin(&o, &sink));
    sn_out_header(&o, "ptau", 1, 7);
    sn_out_section(&o, 1, 4 + c->q_size + 8);
    sn_out_u32(&o, (uint32_t)c->q_size);
    sn_out_put(&o, c->q_le, c->q_size);
    sn_out_u32(&o, power);
    sn_out_u32(&o, power);
    put_powers(&o, 2, &c->g1, 2 * n - 1, &tau, &c->fr->one);
    put_powers(&o, 3, &c->g2, n, &tau, &c->fr->one);
    put_powers(&o, 4, &c->g1, n, &tau, &alpha);
    put_powers(&o, 5, &c->g1, n, &tau, &beta);
    put_powers(&o, 6, &c->g2, 1, &tau, &beta);
    sn_out_section(&o, 7, 4);
    sn_out_u32(&o, 0);
    T_OK(sn_out_end(&o));
    T_OK(sn_ptau_open(sn_buf_view(&raw), &p));
    sn_buf_init(ret, 0);
    sink = sn_zk_sink_buf(ret);
    T_OK(sn_ptau_prepare(&p, NULL, &sink));
    sn_buf_done(&raw);
}

/* A key with two contributions. */
struct made {
    struct sn_r1cs s;
    struct sn_buf powers, key;
    struct sn_ptau p;
};

static void contribute(struct sn_buf *key, const struct sn_contribution_opts *o)
{
    struct sn_buf next;
    uint8_t hash[64];
    sn_buf_init(&next, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&next);
    T_OK(sn_zkey_contribute(sn_buf_view(key), o, NULL, &sink, hash));
    sn_buf_done(key);
    *key = next;
}

static void make_with(const struct sn_curve *c, unsigned power, struct made *m)
{
    uint8_t random[64];
    circuit(c->fr, &m->s);
    powers_of(c, power, &m->powers);
    T_OK(sn_ptau_open(sn_buf_view(&m->powers), &m->p));
    sn_buf_init(&m->key, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&m->key);
    T_OK(sn_zkey_new(&m->s, &m->p, NULL, &sink));
    for (size_t i = 0; i < sizeof(random); i++) random[i] = (uint8_t)sn_test_rand();
    contribute(&m->key, &(struct sn_contribution_opts){.name = SN_STR("one"), .random = random});
    contribute(&m->key, &(struct sn_contribution_opts){.name = SN_STR("two"), .beacon = random,
                                                       .beacon_len = 20, .iterations_exp = 3});
}

static void make(const struct sn_curve *c, struct made *m) { make_with(c, POWER, m); }

static void made_done(struct made *m)
{
    sn_r1cs_done(&m->s);
    sn_buf_done(&m->powers);
    sn_buf_done(&m->key);
}

static void prove(const struct sn_zkey *z, const struct sn_fe *w, struct sn_groth_proof *ret)
{
    uint8_t random[SN_GROTH_RANDOM_BYTES];
    for (size_t i = 0; i < sizeof(random); i++) random[i] = (uint8_t)sn_test_rand();
    T_OK(sn_groth_prove(z, w, WIRES, random, NULL, ret));
}

static const struct sn_curve *const curves[] = {&sn_bn254, &sn_bls12_381};

/* ---- tests ------------------------------------------------------------------------------------- */

SN_TEST(proofs_verify_and_nothing_else_does)
{
    for (size_t i = 0; i < SN_COUNT_OF(curves); i++) {
        struct made m;
        struct sn_zkey z;
        struct sn_groth_vkey k;
        struct sn_groth_proof p, other;
        struct sn_fe w[WIRES], pub[2];
        sn_test_row("%s", curves[i]->name);
        make(curves[i], &m);
        T_OK(sn_zkey_open(sn_buf_view(&m.key), &z));
        T_OK(sn_zkey_check_points(&z, NULL));
        T_OK(sn_zkey_vkey(&z, &k));
        witness(curves[i]->fr, w);
        prove(&z, w, &p);
        prove(&z, w, &other);
        T_ASSERT(memcmp(p.a, other.a, sizeof(p.a)) != 0); /* fresh blinding */
        T_OK(sn_groth_verify(&k, &p, w + 1, 2));
        T_OK(sn_groth_verify(&k, &other, w + 1, 2));
        /* Another statement, a proof put together from two, a witness that breaks one row. */
        memcpy(pub, w + 1, sizeof(pub));
        sn_fe_add(curves[i]->fr, &pub[1], &pub[1], &curves[i]->fr->one);
        T_EQ(sn_groth_verify(&k, &p, pub, 2), SN_E_FAILED_PRECONDITION);
        T_EQ(sn_groth_verify(&k, &p, pub, 1), SN_E_INVALID_ARGUMENT);
        memcpy(p.c, other.c, sizeof(p.c));
        T_EQ(sn_groth_verify(&k, &p, w + 1, 2), SN_E_FAILED_PRECONDITION);
        for (uint32_t wire = 1; wire < WIRES; wire++) {
            struct sn_fe old = w[wire];
            sn_fe_add(curves[i]->fr, &w[wire], &w[wire], &curves[i]->fr->one);
            prove(&z, w, &p);
            T_EQ(sn_groth_verify(&k, &p, w + 1, 2), SN_E_FAILED_PRECONDITION);
            w[wire] = old;
        }
        sn_groth_vkey_done(&k);
        sn_zkey_done(&z);
        made_done(&m);
    }
}

SN_TEST(batches_are_as_good_as_their_worst)
{
    struct made m;
    struct sn_zkey z;
    struct sn_groth_vkey k;
    struct sn_groth_proof p[4];
    struct sn_fe w[WIRES], pub[8];
    uint8_t random[64];
    make(&sn_bn254, &m);
    T_OK(sn_zkey_open(sn_buf_view(&m.key), &z));
    T_OK(sn_zkey_vkey(&z, &k));
    for (int i = 0; i < 4; i++) {
        witness(z.curve->fr, w);
        memcpy(pub + 2 * i, w + 1, 2 * sizeof(*pub));
        prove(&z, w, &p[i]);
    }
    for (size_t i = 0; i < sizeof(random); i++) random[i] = (uint8_t)sn_test_rand();
    T_OK(sn_groth_verify_many(&k, p, pub, 2, 4, random));
    T_OK(sn_groth_verify_many(&k, p, pub, 2, 0, random));
    for (int i = 0; i < 8; i++) {
        struct sn_fe old = pub[i];
        sn_fe_dbl(z.curve->fr, &pub[i], &pub[i]);
        T_EQ(sn_groth_verify_many(&k, p, pub, 2, 4, random), SN_E_FAILED_PRECONDITION);
        pub[i] = old;
    }
    sn_groth_vkey_done(&k);
    sn_zkey_done(&z);
    made_done(&m);
}

SN_TEST(keys_are_verified_against_circuit_and_powers)
{
    struct made m;
    uint8_t random[32];
    make(&sn_bn254, &m);
    for (size_t i = 0; i < sizeof(random); i++) random[i] = (uint8_t)sn_test_rand();
    T_OK(sn_zkey_verify(sn_buf_view(&m.key), &m.s, &m.p, random, NULL));
    /* Any byte changed behind the container's own fields must be noticed. */
    size_t step = m.key.len / sn_test_cases(40) + 1;
    for (size_t at = 24 + 12; at < m.key.len; at += step) {
        m.key.ptr[at] ^= 1;
        T_ASSERTF(sn_zkey_verify(sn_buf_view(&m.key), &m.s, &m.p, random, NULL) < 0,
                  "byte %zu of %zu changed", at, m.key.len);
        m.key.ptr[at] ^= 1;
    }
    /* A circuit with one coefficient changed is another circuit. */
    sn_fe_dbl(m.s.field, &m.s.dict[m.s.n_dict - 1], &m.s.dict[m.s.n_dict - 1]);
    T_EQ(sn_zkey_verify(sn_buf_view(&m.key), &m.s, &m.p, random, NULL), SN_E_FAILED_PRECONDITION);
    made_done(&m);
}

SN_TEST(texts_come_back)
{
    for (size_t i = 0; i < SN_COUNT_OF(curves); i++) {
        struct made m;
        struct sn_zkey z;
        struct sn_groth_vkey k, k2;
        struct sn_groth_proof p, p2;
        struct sn_fe w[WIRES], *pub;
        struct sn_buf b;
        size_t n;
        sn_test_row("%s", curves[i]->name);
        make(curves[i], &m);
        T_OK(sn_zkey_open(sn_buf_view(&m.key), &z));
        T_OK(sn_zkey_vkey(&z, &k));
        witness(z.curve->fr, w);
        prove(&z, w, &p);
        sn_buf_init(&b, 0);
        T_OK(sn_groth_vkey_write_json(&k, &b));
        T_OK(sn_groth_vkey_read_json(sn_buf_view(&b), &k2));
        sn_buf_reset(&b);
        T_OK(sn_groth_proof_write_json(&p, &b));
        T_OK(sn_groth_proof_read_json(sn_buf_view(&b), &p2));
        T_ASSERT(memcmp(&p, &p2, sizeof(p)) == 0);
        sn_buf_reset(&b);
        T_OK(sn_groth_public_write_json(z.curve->fr, w + 1, 2, &b));
        T_OK(sn_groth_public_read_json(z.curve->fr, sn_buf_view(&b), &pub, &n));
        T_OK(sn_groth_verify(&k2, &p2, pub, n));
        sn_free(pub);
        sn_buf_done(&b);
        sn_groth_vkey_done(&k);
        sn_groth_vkey_done(&k2);
        sn_zkey_done(&z);
        made_done(&m);
    }
}

SN_TEST(bad_proofs_in_json_are_refused)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"{}", SN_E_SYNTAX},
        {"{\"protocol\":\"plonk\",\"curve\":\"bn128\"}", SN_E_SYNTAX},
        {"{\"protocol\":\"groth16\",\"curve\":\"p256\"}", SN_E_UNIMPLEMENTED},
        {"{\"protocol\":\"groth16\",\"curve\":\"bn128\",\"pi_a\":[\"1\",\"2\"]}", SN_E_SYNTAX},
        {"{\"protocol\":\"groth16\",\"curve\":\"bn128\",\"pi_a\":[\"1\",\"3\",\"1\"]}",
         SN_E_INVALID_ARGUMENT},
        {"{\"protocol\":\"groth16\",\"curve\":\"bn128\",\"pi_a\":[\"1\",\"2\",\"3\"]}", SN_E_SYNTAX},
        {"{\"protocol\":\"groth16\",\"curve\":\"bn128\",\"pi_a\":[\"2188824287183927522224640574525727"
         "5088696311157297823662689037894645226208584\",\"2\",\"1\"]}", SN_E_OUT_OF_RANGE},
        {"{\"protocol\":\"groth16\",\"curve\":\"bn128\",\"pi_a\":[\"-1\",\"2\",\"1\"]}", SN_E_SYNTAX},
        {"[", SN_E_SYNTAX},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_groth_proof p;
        sn_test_row("%s", rows[i].text);
        T_EQ(sn_groth_proof_read_json(sn_str(rows[i].text), &p), rows[i].code);
    }
    struct sn_fe *pub;
    size_t n;
    T_EQ(sn_groth_public_read_json(&sn_bn254_fr, SN_STR("[\"2188824287183927522224640574525727508854"
                                                        "8364400416034343698204186575808495617\"]"),
                                   &pub, &n), SN_E_OUT_OF_RANGE);
    T_EQ(sn_groth_public_read_json(&sn_bn254_fr, SN_STR("{}"), &pub, &n), SN_E_SYNTAX);
}

SN_TEST(truncated_keys_and_powers_are_refused)
{
    struct made m;
    struct sn_zkey z;
    struct sn_ptau p;
    make(&sn_bn254, &m);
    for (size_t n = 0; n < m.key.len; n += 1 + n / 100)
        T_ASSERTF(sn_zkey_open(sn_str_of((char *)m.key.ptr, n), &z) < 0, "key cut at %zu", n);
    for (size_t n = 0; n < m.powers.len; n += 1 + n / 100)
        T_ASSERTF(sn_ptau_open(sn_str_of((char *)m.powers.ptr, n), &p) < 0, "powers cut at %zu", n);
    made_done(&m);
}

/* ---- determinism, other circuits, other powers ------------------------------------------------- */

/* Last job first, and finely cut. */
static void backward_run(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    while (n-- > 0) job(arg, n);
}

SN_TEST(proofs_do_not_depend_on_threads)
{
    struct made m;
    struct sn_zkey z;
    struct sn_groth_proof one, other;
    struct sn_fe w[WIRES];
    uint8_t random[SN_GROTH_RANDOM_BYTES];
    make(&sn_bn254, &m);
    T_OK(sn_zkey_open(sn_buf_view(&m.key), &z));
    witness(z.curve->fr, w);
    for (size_t i = 0; i < sizeof(random); i++) random[i] = (uint8_t)sn_test_rand();
    T_OK(sn_groth_prove(&z, w, WIRES, random, NULL, &one));
    for (unsigned width = 1; width <= 9; width += 4) {
        struct sn_par par = {.run = backward_run, .width = width};
        T_OK(sn_groth_prove(&z, w, WIRES, random, &par, &other));
        T_ASSERT(memcmp(&one, &other, sizeof(one)) == 0);
    }
    T_EQ(sn_groth_prove(&z, w, WIRES - 1, random, NULL, &other), SN_E_INVALID_ARGUMENT);
    sn_zkey_done(&z);
    made_done(&m);
}

/* Keys from powers larger than the circuit's domain. */
SN_TEST(proofs_from_powers_of_any_size)
{
    for (size_t i = 0; i < SN_COUNT_OF(curves); i++)
        for (unsigned power = POWER; power <= POWER + 2; power += i ? 1 : 2) {
            struct made m;
            struct sn_zkey z;
            struct sn_groth_vkey k;
            struct sn_groth_proof p;
            struct sn_fe w[WIRES];
            sn_test_row("%s, powers of 2^%u", curves[i]->name, power);
            make_with(curves[i], power, &m);
            T_OK(sn_zkey_open(sn_buf_view(&m.key), &z));
            T_OK(sn_zkey_vkey(&z, &k));
            witness(curves[i]->fr, w);
            prove(&z, w, &p);
            T_OK(sn_groth_verify(&k, &p, w + 1, 2));
            sn_groth_vkey_done(&k);
            sn_zkey_done(&z);
            made_done(&m);
        }
}

/* With any one constraint changed, the witness of the circuit as it was proves nothing. */
SN_TEST(every_constraint_counts)
{
    struct made m;
    struct sn_fe w[WIRES];
    make(&sn_bn254, &m);
    witness(m.s.field, w);
    for (uint32_t row = 0; row < m.s.n_rows; row++) {
        struct sn_r1cs s;
        struct sn_buf key;
        struct sn_zkey z;
        struct sn_groth_vkey k;
        struct sn_groth_proof p;
        circuit(m.s.field, &s);
        /* The first entry of A takes the coefficient of another wire's. */
        uint32_t entry = s.row_at[3 * (size_t)row];
        s.wire[entry] = s.wire[entry] == 2 ? 3 : 2;
        sn_test_row("row %u", row);
        sn_buf_init(&key, 0);
        struct sn_zk_sink sink = sn_zk_sink_buf(&key);
        T_OK(sn_zkey_new(&s, &m.p, NULL, &sink));
        T_OK(sn_zkey_open(sn_buf_view(&key), &z));
        T_OK(sn_zkey_vkey(&z, &k));
        prove(&z, w, &p);
        T_EQ(sn_groth_verify(&k, &p, w + 1, 2), SN_E_FAILED_PRECONDITION);
        sn_groth_vkey_done(&k);
        sn_zkey_done(&z);
        sn_buf_done(&key);
        sn_r1cs_done(&s);
    }
    made_done(&m);
}

/* ---- ceremonies -------------------------------------------------------------------------------- */

static int read_back(void *ctx, uint64_t at, void *out, size_t n)
{
    const struct sn_buf *b = ctx;
    T_ASSERT(at + n <= b->len);
    memcpy(out, b->ptr + at, n);
    return 0;
}
static void ptau_contribute(struct sn_buf *b, const struct sn_contribution_opts *o)
{
    struct sn_buf next;
    struct sn_ptau p;
    uint8_t hash[64];
    sn_buf_init(&next, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&next);
    struct sn_zk_reread reread = {read_back, &next};
    T_OK(sn_ptau_open(sn_buf_view(b), &p));
    T_OK(sn_ptau_contribute(&p, o, NULL, &sink, &reread, hash));
    sn_buf_done(b);
    *b = next;
}
static int ptau_verdict(const struct sn_buf *b)
{
    static const uint8_t random[32] = {1, 2, 3};
    struct sn_ptau p;
    int r = sn_ptau_open(sn_buf_view(b), &p);
    return r < 0 ? r : sn_ptau_verify(&p, random, NULL);
}

/* The beacon's exponent stands before its value: 2^63 hashes are refused, not made. */
static void asks_for_years(struct sn_buf *b, const uint8_t *beacon)
{
    uint8_t params[8] = {2, 2, 3, 9, beacon[0], beacon[1], beacon[2], beacon[3]};
    char *at = memmem(b->ptr, b->len, params, sizeof(params));
    T_ASSERT(at != NULL);
    at[1] = 63;
    T_EQ(ptau_verdict(b), SN_E_INVALID_ARGUMENT);
    at[1] = 2;
}

SN_TEST(ceremonies_verify_and_nothing_else_does)
{
    for (size_t i = 0; i < SN_COUNT_OF(curves); i++) {
        struct sn_buf b, prepared;
        struct sn_ptau p;
        uint8_t random[64];
        unsigned power = 2 - (unsigned)i;
        sn_test_row("%s", curves[i]->name);
        for (size_t k = 0; k < sizeof(random); k++) random[k] = (uint8_t)sn_test_rand();
        sn_buf_init(&b, 0);
        struct sn_zk_sink sink = sn_zk_sink_buf(&b);
        T_OK(sn_ptau_new(curves[i], power, NULL, &sink));
        T_EQ(ptau_verdict(&b), SN_E_FAILED_PRECONDITION); /* nobody contributed */
        ptau_contribute(&b, &(struct sn_contribution_opts){.name = SN_STR("one"), .random = random});
        T_OK(ptau_verdict(&b));
        ptau_contribute(&b, &(struct sn_contribution_opts){.beacon = random, .beacon_len = 9,
                                                           .iterations_exp = 2});
        T_OK(ptau_verdict(&b));
        asks_for_years(&b, random);
        sn_buf_init(&prepared, 0);
        sink = sn_zk_sink_buf(&prepared);
        T_OK(sn_ptau_open(sn_buf_view(&b), &p));
        T_OK(sn_ptau_prepare(&p, NULL, &sink));
        T_OK(ptau_verdict(&prepared));
        /* Names and what lies behind a half-done hash's bytes are not signed; all else is. */
        size_t step = prepared.len / sn_test_cases(8) + 1;
        size_t section7 = (size_t)(p.contributions.ptr - (const char *)b.ptr);
        for (size_t at = 80 + curves[i]->q_size; at < prepared.len; at += step) {
            if (at >= section7 && at < section7 + p.contributions.len) continue;
            prepared.ptr[at] ^= 1;
            T_ASSERTF(ptau_verdict(&prepared) < 0, "byte %zu of %zu changed", at, prepared.len);
            prepared.ptr[at] ^= 1;
        }
        for (size_t at = section7 + 4; at < section7 + 4 + 11 * curves[i]->g1.affine_size; at += 149) {
            b.ptr[at] ^= 1;
            T_ASSERTF(ptau_verdict(&b) < 0, "byte %zu of a contribution changed", at - section7);
            b.ptr[at] ^= 1;
        }
        sn_buf_done(&b);
        sn_buf_done(&prepared);
    }
}

/* A section twice, bytes behind the last, a section that says it is longer than the file. */
SN_TEST(containers_that_lie_are_refused)
{
    struct made m;
    struct sn_zkey z;
    struct sn_buf b;
    make(&sn_bn254, &m);
    sn_buf_init(&b, 0);
    T_OK(sn_buf_put(&b, m.key.ptr, m.key.len));
    T_OK(sn_buf_put(&b, m.key.ptr + 12, 16)); /* section 1 again */
    sn_put_le32(b.ptr + 8, sn_le32(b.ptr + 8) + 1);
    T_EQ(sn_zkey_open(sn_buf_view(&b), &z), SN_E_SYNTAX);
    sn_buf_reset(&b);
    T_OK(sn_buf_put(&b, m.key.ptr, m.key.len));
    T_OK(sn_buf_byte(&b, 0));
    T_ASSERT(sn_zkey_open(sn_buf_view(&b), &z) < 0);
    sn_buf_reset(&b);
    T_OK(sn_buf_put(&b, m.key.ptr, m.key.len));
    sn_put_le64(b.ptr + 16, UINT64_MAX - 7);
    T_ASSERT(sn_zkey_open(sn_buf_view(&b), &z) < 0);
    sn_buf_done(&b);
    made_done(&m);
}

/* ---- who contributed --------------------------------------------------------------------------- */

static int note(void *ctx, const struct sn_zkey_contribution *c)
{
    struct sn_zkey_contribution **next = ctx;
    *(*next)++ = *c;
    return 0;
}
SN_TEST(contributions_are_told_in_order)
{
    struct made m;
    struct sn_zkey z;
    struct sn_zkey_contribution all[3], *next = all;
    uint8_t circuit_hash[64], hash[64], random[64] = {7};
    struct sn_buf out;
    make(&sn_bn254, &m);
    sn_buf_init(&out, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&out);
    struct sn_contribution_opts o = {.name = SN_STR("three"), .random = random};
    T_OK(sn_zkey_contribute(sn_buf_view(&m.key), &o, NULL, &sink, hash));
    T_OK(sn_zkey_open(sn_buf_view(&out), &z));
    T_OK(sn_zkey_contributions(&z, circuit_hash, note, &next));
    T_EQ(next - all, 3);
    T_ASSERT(sn_str_eq(all[0].name, SN_STR("one")) && !all[0].beacon);
    T_ASSERT(sn_str_eq(all[1].name, SN_STR("two")) && all[1].beacon);
    T_EQ(all[1].beacon_value.len, 20);
    T_EQ(all[1].iterations_exp, 3);
    T_ASSERT(memcmp(all[2].hash, hash, sizeof(hash)) == 0);
    z.contributions.len--;
    next = all;
    T_ASSERT(sn_zkey_contributions(&z, circuit_hash, note, &next) < 0);
    sn_zkey_done(&z);
    sn_buf_done(&out);
    made_done(&m);
}

/* ---- no memory --------------------------------------------------------------------------------- */

static const uint8_t torture_random[SN_GROTH_RANDOM_BYTES] = {5};

static int torture_prove(void *arg)
{
    struct made *m = arg;
    struct sn_zkey z;
    struct sn_groth_proof p;
    struct sn_fe w[WIRES];
    struct sn_par par = {.run = backward_run, .width = 3};
    int r = sn_zkey_open(sn_buf_view(&m->key), &z);
    if (r < 0) return r;
    witness(z.curve->fr, w);
    r = sn_groth_prove(&z, w, WIRES, torture_random, &par, &p);
    sn_zkey_done(&z);
    return r;
}
static int torture_zkey(void *arg)
{
    struct made *m = arg;
    struct sn_buf key, next;
    uint8_t hash[64];
    sn_buf_init(&key, 0);
    sn_buf_init(&next, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&key);
    int r = sn_zkey_new(&m->s, &m->p, NULL, &sink);
    sink = sn_zk_sink_buf(&next);
    struct sn_contribution_opts o = {.name = SN_STR("x"), .random = torture_random};
    if (r == 0) r = sn_zkey_contribute(sn_buf_view(&key), &o, NULL, &sink, hash);
    if (r == 0) r = sn_zkey_verify(sn_buf_view(&next), &m->s, &m->p, torture_random, NULL);
    sn_buf_done(&key);
    sn_buf_done(&next);
    return r;
}
static int torture_ptau(void *arg)
{
    const struct sn_curve *curve = arg;
    struct sn_buf b, next, prepared;
    struct sn_ptau p;
    uint8_t hash[64];
    sn_buf_init(&b, 0);
    sn_buf_init(&next, 0);
    sn_buf_init(&prepared, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&b);
    struct sn_zk_reread reread = {read_back, &next};
    struct sn_contribution_opts o = {.name = SN_STR("x"), .random = torture_random};
    int r = sn_ptau_new(curve, 1, NULL, &sink);
    if (r == 0) r = sn_ptau_open(sn_buf_view(&b), &p);
    sink = sn_zk_sink_buf(&next);
    if (r == 0) r = sn_ptau_contribute(&p, &o, NULL, &sink, &reread, hash);
    if (r == 0) r = sn_ptau_open(sn_buf_view(&next), &p);
    sink = sn_zk_sink_buf(&prepared);
    if (r == 0) r = sn_ptau_prepare(&p, NULL, &sink);
    if (r == 0) r = sn_ptau_open(sn_buf_view(&prepared), &p);
    if (r == 0) r = sn_ptau_verify(&p, torture_random, NULL);
    sn_buf_done(&b);
    sn_buf_done(&next);
    sn_buf_done(&prepared);
    return r;
}
/* Each allocation fails in turn: an error, and nothing leaks. */
SN_TEST(allocations_that_fail_in_proving)
{
    struct made m;
    make(&sn_bn254, &m);
    int r = sn_torture(torture_prove, &m);
    T_ASSERTF(r > 20, "%d", r);
    made_done(&m);
}
SN_TEST(allocations_that_fail_in_keys)
{
    struct made m;
    make(&sn_bn254, &m);
    int r = sn_torture(torture_zkey, &m);
    T_ASSERTF(r > 50, "%d", r);
    made_done(&m);
}
SN_TEST(allocations_that_fail_in_powers)
{
    int r = sn_torture(torture_ptau, (void *)(uintptr_t)&sn_bn254);
    T_ASSERTF(r > 50, "%d", r);
}
