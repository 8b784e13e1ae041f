/* SPDX-License-Identifier: Apache-2.0 */
/* zk/zkey_mpc.c - contributions to a circuit's key: delta, and H and C that are divided by it.
 *
 * Section 10: the circuit's hash, a count, then per contribution delta after it, a public key
 * (s, s*x in G1 and sp*x in G2, sp hashed from the transcript up to s*x), the transcript's hash, a
 * type (0 secret, 1 beacon) and parameters (1 name, 2 iterations, 3 beacon). */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/msm.h"
#include "zk/setup_int.h"
#include "zk/zkey_int.h"

struct contribution {
    uint64_t delta1[SN_G1_MAX / 8], s[SN_G1_MAX / 8], sx[SN_G1_MAX / 8], spx[SN_G2_MAX / 8];
    uint8_t transcript[64];
    uint32_t type;
    struct sn_str params;
};

/* ---- reading --------------------------------------------------------------------------------- */

static int take_point(struct sn_cursor *c, const struct sn_group *g, uint64_t *ret)
{
    const uint8_t *p = sn_take(c, g->affine_size);
    if (!p) return SN_E_DATA_LOSS;
    memcpy(ret, p, g->affine_size);
    int r = sn_affine_check(g, ret);
    if (r == 0 && sn_affine_is_zero(g, ret))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "a point at infinity");
    return r;
}

static int take_contribution(struct sn_cursor *c, const struct sn_curve *curve,
                             struct contribution *ret)
{
    int r = take_point(c, &curve->g1, ret->delta1);
    if (r == 0) r = take_point(c, &curve->g1, ret->s);
    if (r == 0) r = take_point(c, &curve->g1, ret->sx);
    if (r == 0) r = take_point(c, &curve->g2, ret->spx);
    if (r < 0) return r;
    const uint8_t *t = sn_take(c, 64);
    if (t) memcpy(ret->transcript, t, 64);
    ret->type = sn_take32(c);
    uint32_t len = sn_take32(c);
    const uint8_t *params = sn_take(c, len);
    if (c->short_) return sn_fail(SN_E_DATA_LOSS, "the section ends");
    ret->params = sn_str_of((const char *)params, len);
    return 0;
}

/* The circuit's hash and the number of contributions; *c is left at the first. */
static int open_section(const struct sn_zkey *z, struct sn_cursor *c, uint8_t circuit_hash[64],
                        uint32_t *ret_n)
{
    *c = sn_cursor(z->contributions);
    const uint8_t *h = sn_take(c, 64);
    *ret_n = sn_take32(c);
    if (c->short_) return sn_fail(SN_E_DATA_LOSS, ".zkey section 10 ends in its first 68 bytes");
    memcpy(circuit_hash, h, 64);
    return 0;
}

/* ---- transcripts ----------------------------------------------------------------------------- */

static void put_key(struct sn_hasher *h, const struct sn_curve *curve, const struct contribution *c)
{
    sn_ceremony_put_point(h, &curve->g1, c->delta1);
    sn_ceremony_put_point(h, &curve->g1, c->s);
    sn_ceremony_put_point(h, &curve->g1, c->sx);
    sn_ceremony_put_point(h, &curve->g2, c->spx);
    sn_hasher_put(h, c->transcript, 64);
}

/* What contribution number n signs: the circuit, all before it, and its own s, s*x. Hashing starts
 * anew each time, since a hasher's state cannot be forked; ceremonies have dozens of contributions.
 */
static int transcript_of(const struct sn_zkey *z, uint32_t n, const struct contribution *own,
                         uint8_t ret[64])
{
    struct sn_cursor c;
    struct sn_hasher h;
    uint8_t circuit_hash[64];
    uint32_t total;
    int r = open_section(z, &c, circuit_hash, &total);
    if (r == 0) r = sn_hasher_init(&h, SN_BLAKE2B_512);
    if (r < 0) return r;
    sn_hasher_put(&h, circuit_hash, 64);
    for (uint32_t i = 0; i < n && r == 0; i++) {
        struct contribution before;
        r = take_contribution(&c, z->curve, &before);
        if (r == 0) put_key(&h, z->curve, &before);
    }
    sn_ceremony_put_point(&h, &z->curve->g1, own->s);
    sn_ceremony_put_point(&h, &z->curve->g1, own->sx);
    if (r == 0) r = sn_hasher_final(&h, ret);
    sn_hasher_done(&h);
    return r;
}

static void sp_of(const struct sn_curve *curve, const uint8_t transcript[64], void *ret)
{
    struct sn_ceremony_rng rng;
    sn_ceremony_rng_init(&rng, transcript);
    sn_ceremony_point(&rng, &curve->g2, ret);
}

static int hash_of(const struct sn_curve *curve, const struct contribution *c, uint8_t ret[64])
{
    struct sn_hasher h;
    int r = sn_hasher_init(&h, SN_BLAKE2B_512);
    if (r < 0) return r;
    put_key(&h, curve, c);
    r = sn_hasher_final(&h, ret);
    sn_hasher_done(&h);
    return r;
}

int sn_zkey_contributions(const struct sn_zkey *z, uint8_t ret_circuit_hash[64],
                          int (*each)(void *ctx, const struct sn_zkey_contribution *c), void *ctx)
{
    struct sn_cursor c;
    uint32_t n;
    int r = open_section(z, &c, ret_circuit_hash, &n);
    for (uint32_t i = 0; i < n && r >= 0; i++) {
        struct contribution k = {0};
        struct sn_contribution_opts o = {0};
        struct sn_zkey_contribution told = {0};
        r = take_contribution(&c, z->curve, &k);
        if (r == 0) r = hash_of(z->curve, &k, told.hash);
        if (r == 0 && k.type == 1) r = sn_contribution_beacon_of(k.params, &o);
        if (r < 0) return sn_wrap(r, "contribution %u", i + 1);
        told.name = sn_contribution_name(k.params);
        told.beacon = k.type == 1;
        told.beacon_value = sn_str_of((const char *)o.beacon, o.beacon_len);
        told.iterations_exp = o.iterations_exp;
        r = each(ctx, &told);
    }
    return r < 0 ? r : 0;
}

/* ---- contributing ---------------------------------------------------------------------------- */

/* Fills everything but delta; *ret_x is the secret, plain. */
static int make_key(const struct sn_zkey *z, uint32_t n, const struct sn_contribution_opts *o,
                    struct contribution *c, struct sn_fe *ret_x)
{
    const struct sn_curve *curve = z->curve;
    struct sn_ceremony_rng rng;
    uint64_t sp[SN_G2_MAX / 8];
    int r = sn_contribution_rng(o, &rng);
    if (r < 0) return r;
    sn_ceremony_fr(&rng, curve->fr, ret_x);
    sn_ceremony_point(&rng, &curve->g1, c->s);
    sn_wipe(&rng, sizeof(rng));
    sn_mul_affine_ct(&curve->g1, c->sx, c->s, ret_x);
    r = transcript_of(z, n, c, c->transcript);
    if (r < 0) return r;
    sp_of(curve, c->transcript, sp);
    sn_mul_affine_ct(&curve->g2, c->spx, sp, ret_x);
    c->type = o->beacon ? 1 : 0;
    return 0;
}

static void put_section10(struct sn_out *o, const struct sn_zkey *z, const struct contribution *c,
                          const struct sn_buf *params)
{
    size_t s1 = z->curve->g1.affine_size, s2 = z->curve->g2.affine_size;
    uint32_t n = sn_le32((const uint8_t *)z->contributions.ptr + 64);
    sn_out_section(o, 10, z->contributions.len + 3 * s1 + s2 + 64 + 8 + params->len);
    sn_out_put(o, z->contributions.ptr, 64);
    sn_out_u32(o, n + 1);
    sn_out_put(o, z->contributions.ptr + 68, z->contributions.len - 68);
    sn_out_put(o, c->delta1, s1);
    sn_out_put(o, c->s, s1);
    sn_out_put(o, c->sx, s1);
    sn_out_put(o, c->spx, s2);
    sn_out_put(o, c->transcript, 64);
    sn_out_u32(o, c->type);
    sn_out_u32(o, (uint32_t)params->len);
    sn_out_put(o, params->ptr, params->len);
}

/* One array with every point multiplied by k. */
static int put_scaled(struct sn_out *o, uint32_t id, const struct sn_group *g, const uint8_t *p,
                      size_t n, const struct sn_fe *k, const struct sn_par *par)
{
    size_t size = n * g->affine_size;
    uint8_t *out SN_CLEANUP(sn_freep) = sn_alloc(SN_MAX(size, (size_t)1));
    if (!out) return SN_E_NOMEM;
    int r = sn_group_mul_many(g, out, p, k, true, n, par);
    if (r < 0) return r;
    sn_out_section(o, id, size);
    sn_out_put(o, out, size);
    return 0;
}

static int write_contributed(struct sn_str file, struct sn_zkey *z, const struct contribution *c,
                             const struct sn_fe *x, const struct sn_buf *params,
                             const struct sn_par *par, const struct sn_zk_sink *sink)
{
    struct sn_bin bin;
    struct sn_out o;
    struct sn_fe inv;
    int r = sn_bin_open(file, "zkey", 1, ".zkey", &bin);
    if (r == 0) r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    sn_fe_to_mont(z->curve->fr, &inv, x);
    sn_fe_inv_ct(z->curve->fr, &inv, &inv);
    sn_fe_from_mont(z->curve->fr, &inv, &inv);
    sn_out_header(&o, "zkey", 1, 10);
    for (uint32_t id = 1; id <= 7; id++) {
        if (id == 2) {
            sn_zkey_put_header(&o, z);
            continue;
        }
        sn_out_section(&o, id, bin.section[id].len);
        sn_out_put(&o, bin.section[id].ptr, bin.section[id].len);
    }
    const struct sn_group *g1 = &z->curve->g1;
    r = put_scaled(&o, 8, g1, z->c, (size_t)z->n_vars - z->n_public - 1, &inv, par);
    if (r == 0) r = put_scaled(&o, 9, g1, z->h, (size_t)1 << z->domain_log, &inv, par);
    put_section10(&o, z, c, params);
    sn_wipe(&inv, sizeof(inv));
    int end = sn_out_end(&o);
    return r < 0 ? r : end;
}

static int contribute(struct sn_str file, struct sn_zkey *z, const struct sn_contribution_opts *o,
                      const struct sn_par *par, const struct sn_zk_sink *sink, uint8_t ret_hash[64])
{
    struct contribution c = {0};
    struct sn_cursor cur;
    struct sn_fe x;
    struct sn_buf params;
    uint8_t circuit_hash[64], params_mem[SN_CONTRIBUTION_PARAMS_MAX];
    uint32_t n;
    int r = open_section(z, &cur, circuit_hash, &n);
    if (r == 0) r = make_key(z, n, o, &c, &x);
    if (r == 0) {
        sn_mul_affine_ct(&z->curve->g1, z->delta1, z->delta1, &x);
        sn_mul_affine_ct(&z->curve->g2, z->delta2, z->delta2, &x);
        memcpy(c.delta1, z->delta1, sizeof(c.delta1));
        sn_buf_init_fixed(&params, params_mem, sizeof(params_mem));
        sn_contribution_params(o, &params);
        r = write_contributed(file, z, &c, &x, &params, par, sink);
    }
    if (r == 0) r = hash_of(z->curve, &c, ret_hash);
    sn_wipe(&x, sizeof(x));
    return r;
}

int sn_zkey_contribute(struct sn_str file, const struct sn_contribution_opts *o,
                       const struct sn_par *par, const struct sn_zk_sink *sink,
                       uint8_t ret_hash[64])
{
    struct sn_zkey z;
    int r = sn_contribution_check(o);
    if (r == 0) r = sn_zkey_open(file, &z);
    if (r < 0) return r;
    r = contribute(file, &z, o, par, sink, ret_hash);
    sn_zkey_done(&z);
    return r;
}

/* ---- verifying ------------------------------------------------------------------------------- */

/* A beacon's secret is public: anyone can make its key again. */
static int verify_beacon(const struct sn_zkey *z, uint32_t n, const struct contribution *c)
{
    struct contribution again = {0};
    struct sn_contribution_opts o;
    struct sn_fe x;
    int r = sn_contribution_beacon_of(c->params, &o);
    if (r == 0) r = make_key(z, n, &o, &again, &x);
    if (r < 0) return r;
    size_t s1 = z->curve->g1.affine_size;
    if (memcmp(again.s, c->s, s1) != 0 || memcmp(again.sx, c->sx, s1) != 0 ||
        memcmp(again.spx, c->spx, z->curve->g2.affine_size) != 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "not made from the beacon it names");
    return 0;
}

static int verify_one(const struct sn_zkey *z, uint32_t n, const struct contribution *c,
                      const uint64_t *delta_before)
{
    uint8_t transcript[64];
    uint64_t sp[SN_G2_MAX / 8];
    int r = transcript_of(z, n, c, transcript);
    if (r < 0) return r;
    if (memcmp(transcript, c->transcript, 64) != 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "signs another transcript");
    sp_of(z->curve, transcript, sp);
    if (!sn_same_ratio(z->curve, c->s, c->sx, sp, c->spx))
        return sn_fail(SN_E_FAILED_PRECONDITION, "does not know its secret");
    if (!sn_same_ratio(z->curve, delta_before, c->delta1, sp, c->spx))
        return sn_fail(SN_E_FAILED_PRECONDITION, "delta does not follow the one before");
    return c->type == 1 ? verify_beacon(z, n, c) : 0;
}

static int verify_contributions(const struct sn_zkey *z, const struct sn_zk_key_parts *fresh)
{
    const struct sn_curve *curve = z->curve;
    struct sn_cursor c;
    uint8_t circuit_hash[64];
    uint64_t delta[SN_G1_MAX / 8];
    uint32_t n;
    int r = open_section(z, &c, circuit_hash, &n);
    if (r < 0) return r;
    if (memcmp(circuit_hash, fresh->circuit_hash, 64) != 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "the circuit's hash differs");
    memcpy(delta, curve->g1.generator, curve->g1.affine_size);
    for (uint32_t i = 0; i < n; i++) {
        struct contribution k = {0};
        r = take_contribution(&c, curve, &k);
        if (r == 0) r = verify_one(z, i, &k, delta);
        if (r < 0) return sn_wrap(r, "contribution %u", i + 1);
        memcpy(delta, k.delta1, sizeof(delta));
    }
    if (c.p != c.end) return sn_fail(SN_E_DATA_LOSS, ".zkey section 10 is too long");
    if (memcmp(delta, z->delta1, curve->g1.affine_size) != 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "delta is not the last contribution's");
    if (!sn_same_ratio(curve, curve->g1.generator, z->delta1, curve->g2.generator, z->delta2))
        return sn_fail(SN_E_FAILED_PRECONDITION, "delta differs between G1 and G2");
    return 0;
}

/* Everything that no contribution changes. */
static int verify_fixed(const struct sn_zkey *z, const struct sn_zk_key_parts *k)
{
    size_t s1 = z->curve->g1.affine_size, s2 = z->curve->g2.affine_size, vars = z->n_vars;
    const struct {
        const char *name;
        const void *have, *want;
        size_t size;
    } all[] = {
        {"alpha1", z->alpha1, k->alpha1, s1}, {"beta1", z->beta1, k->beta1, s1},
        {"beta2", z->beta2, k->beta2, s2}, {"gamma2", z->gamma2, z->curve->g2.generator, s2},
        {"IC", z->ic, k->ic, ((size_t)z->n_public + 1) * s1}, {"A", z->a, k->a, vars * s1},
        {"B1", z->b1, k->b1, vars * s1}, {"B2", z->b2, k->b2, vars * s2},
    };
    for (size_t i = 0; i < SN_COUNT_OF(all); i++)
        if (memcmp(all[i].have, all[i].want, all[i].size) != 0)
            return sn_fail(SN_E_FAILED_PRECONDITION, "%s is not the circuit's", all[i].name);
    return 0;
}

/* The same random combination of an array and of its fresh counterpart: their ratio is delta. */
static int verify_scaled(const struct sn_zkey *z, const char *name, const uint8_t *have,
                         const uint8_t *fresh, size_t n, struct sn_ceremony_rng *rng,
                         const struct sn_par *par)
{
    const struct sn_group *g1 = &z->curve->g1;
    struct sn_fe *k SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(struct sn_fe, SN_MAX(n, (size_t)1));
    struct sn_point a, b;
    uint64_t a1[SN_G1_MAX / 8], b1[SN_G1_MAX / 8];
    size_t bad;
    if (!k) return SN_E_NOMEM;
    int r = sn_affine_check_many(g1, have, n, par, &bad);
    if (r < 0) return sn_wrap(r, "%s[%zu]", name, bad);
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < 2; j++)
            k[i].v[j] = (uint64_t)sn_ceremony_rng_u32(rng) << 32 | sn_ceremony_rng_u32(rng);
    r = sn_msm(g1, &a, have, k, n, &(struct sn_msm_opts){.par = par});
    if (r == 0) r = sn_msm(g1, &b, fresh, k, n, &(struct sn_msm_opts){.par = par});
    if (r < 0) return r;
    sn_point_to_affine(g1, a1, &a);
    sn_point_to_affine(g1, b1, &b);
    if (!sn_same_ratio(z->curve, a1, b1, z->curve->g2.generator, z->delta2))
        return sn_fail(SN_E_FAILED_PRECONDITION, "%s is not the circuit's divided by delta", name);
    return 0;
}

/* Section 4 by value: made anew, it would be byte for byte the same. */
static int verify_coefs(const struct sn_zkey *z, const struct sn_r1cs *s)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->n_rows + z->n_public + 1; i++) {
        bool extra = i >= s->n_rows;
        for (uint32_t m = 0; m < (extra ? 1u : 2u); m++) {
            uint32_t lo = extra ? 0 : s->row_at[3 * (size_t)i + m];
            uint32_t hi = extra ? 1 : s->row_at[3 * (size_t)i + m + 1];
            for (uint32_t e = lo; e < hi; e++, at++) {
                const uint8_t *p = z->coefs + (size_t)at * SN_ZKEY_COEF_BYTES;
                struct sn_fe want;
                sn_fe_to_mont(s->field, &want, extra ? &s->field->one : &s->dict[s->coef[e]]);
                if (at >= z->n_coefs || sn_le32(p) != m || sn_le32(p + 4) != i ||
                    sn_le32(p + 8) != (extra ? i - s->n_rows : s->wire[e]) ||
                    memcmp(p + 12, want.v, 32) != 0)
                    return sn_fail(SN_E_FAILED_PRECONDITION, "coefficient %u is not the circuit's",
                                   at);
            }
        }
    }
    if (at != z->n_coefs)
        return sn_fail(SN_E_FAILED_PRECONDITION, "%u coefficients, the circuit has %u", z->n_coefs,
                       at);
    return 0;
}

static int verify_all(const struct sn_zkey *z, const struct sn_r1cs *s, const struct sn_ptau *p,
                      const uint8_t *random, const struct sn_par *par)
{
    struct sn_zk_key_parts k;
    struct sn_ceremony_rng rng;
    if (z->curve != p->curve || z->n_vars != s->n_wires ||
        z->n_public != s->n_outputs + s->n_public)
        return sn_fail(SN_E_FAILED_PRECONDITION, "a key of %u wires and %u public signals for a "
                       "circuit of %u and %u", z->n_vars, z->n_public, s->n_wires,
                       s->n_outputs + s->n_public);
    int r = sn_zkey_parts(s, p, par, &k);
    if (r < 0) return r;
    sn_ceremony_rng_init(&rng, random);
    if ((uint64_t)1 << z->domain_log != k.domain)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "a domain of 2^%u", z->domain_log);
    if (r == 0) r = verify_coefs(z, s);
    if (r == 0) r = verify_fixed(z, &k);
    if (r == 0) r = verify_contributions(z, &k);
    if (r == 0)
        r = verify_scaled(z, "C", z->c, k.c, (size_t)z->n_vars - z->n_public - 1, &rng, par);
    if (r == 0) r = verify_scaled(z, "H", z->h, k.h, (size_t)1 << z->domain_log, &rng, par);
    sn_zk_key_parts_done(&k);
    return r;
}

int sn_zkey_verify(struct sn_str file, const struct sn_r1cs *s, const struct sn_ptau *p,
                   const uint8_t *random, const struct sn_par *par)
{
    struct sn_zkey z;
    int r = sn_zkey_open(file, &z);
    if (r < 0) return r;
    r = verify_all(&z, s, p, random, par);
    sn_zkey_done(&z);
    return r;
}
