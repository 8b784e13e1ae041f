/* SPDX-License-Identifier: Apache-2.0 */
/* zk/ptau_verify.c - whether a powers-of-tau file is what its contributions say: each proves its
 * secrets and follows the one before, the sections are the powers of what the last one left, and
 * Lagrange sections are their transforms. Arrays are tested by random combinations, a chunk at a
 * time. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/msm.h"
#include "crypto/ntt.h"
#include "crypto/pairing.h"
#include "zk/ptau_int.h"

#define CHUNK ((size_t)1 << 16)

struct verifier {
    const struct sn_ptau *p;
    const struct sn_par *par;
    struct sn_ceremony_rng rng;
    struct sn_ptau_contribution last;
    uint8_t *points;   /* CHUNK + 1 */
    struct sn_fe *k;   /* CHUNK */
};

static int refuse(const char *what) { return sn_fail(SN_E_FAILED_PRECONDITION, "%s", what); }

/* ---- contributions --------------------------------------------------------------------------- */

/* b/a in G1 is the secret of key i, and so on with the pair in G2. */
static SN_NOINLINE int verify_step(const struct sn_curve *c, const struct sn_ptau_contribution *before,
                       const struct sn_ptau_contribution *k, const uint8_t challenge[64])
{
    static const char *const names[] = {"tau", "alpha", "beta"};
    const uint64_t *g1[][2] = {{before->tau1, k->tau1}, {before->alpha1, k->alpha1},
                               {before->beta1, k->beta1}};
    for (unsigned i = 0; i < SN_PTAU_SECRETS; i++) {
        uint64_t sp[SN_G2_MAX / 8];
        const struct sn_ptau_key *key = &k->key[i];
        sn_ptau_sp(c, i, challenge, key, sp);
        if (!sn_same_ratio(c, key->s, key->sx, sp, key->spx))
            return sn_fail(SN_E_FAILED_PRECONDITION, "does not know its %s", names[i]);
        if (!sn_same_ratio(c, g1[i][0], g1[i][1], sp, key->spx))
            return sn_fail(SN_E_FAILED_PRECONDITION, "%s does not follow the one before", names[i]);
    }
    if (!sn_same_ratio(c, k->key[SN_PTAU_TAU].s, k->key[SN_PTAU_TAU].sx, before->tau2, k->tau2))
        return refuse("tau in G2 does not follow the one before");
    if (!sn_same_ratio(c, k->key[SN_PTAU_BETA].s, k->key[SN_PTAU_BETA].sx, before->beta2, k->beta2))
        return refuse("beta in G2 does not follow the one before");
    return 0;
}
static SN_NOINLINE int verify_beacon(const struct sn_curve *c, const struct sn_ptau_contribution *k,
                         const uint8_t challenge[64])
{
    struct sn_contribution_opts o;
    struct sn_ceremony_rng rng;
    struct sn_ptau_key again[SN_PTAU_SECRETS];
    struct sn_fe secret[SN_PTAU_SECRETS];
    int r = sn_contribution_beacon_of(k->params, &o);
    if (r == 0) r = sn_contribution_rng(&o, &rng);
    if (r < 0) return r;
    sn_ptau_make_keys(c, challenge, &rng, again, secret);
    for (unsigned i = 0; i < SN_PTAU_SECRETS; i++)
        if (memcmp(again[i].s, k->key[i].s, c->g1.affine_size) != 0 ||
            memcmp(again[i].sx, k->key[i].sx, c->g1.affine_size) != 0 ||
            memcmp(again[i].spx, k->key[i].spx, c->g2.affine_size) != 0)
            return refuse("not made from the beacon it names");
    return 0;
}
/* The challenge after the last contribution covers every point of the file. */
static int verify_last_hash(const struct verifier *v)
{
    const struct sn_curve *c = v->p->curve;
    struct sn_blake2b h;
    uint8_t response[64], got[64];
    int r = sn_ptau_response(c, &v->last, response);
    if (r < 0) return r;
    sn_blake2b_init(&h);
    sn_blake2b_put(&h, response, 64);
    const struct sn_str all[] = {v->p->tau1, v->p->tau2, v->p->alpha1, v->p->beta1, v->p->beta2};
    for (unsigned i = 0; i < SN_COUNT_OF(all); i++) {
        const struct sn_group *g = i == 1 || i == 4 ? &c->g2 : &c->g1;
        sn_ptau_put_points(&h, g, all[i].ptr, all[i].len / g->affine_size, false);
    }
    sn_blake2b_final(&h, got);
    return memcmp(got, v->last.next_challenge, 64) == 0
               ? 0
               : refuse("the points are not those the last contribution's hash was made from");
}
static SN_NOINLINE int verify_contributions(struct verifier *v)
{
    const struct sn_curve *c = v->p->curve;
    struct sn_cursor cur;
    uint8_t challenge[64];
    uint32_t n;
    memcpy(v->last.tau1, c->g1.generator, c->g1.affine_size);
    memcpy(v->last.alpha1, c->g1.generator, c->g1.affine_size);
    memcpy(v->last.beta1, c->g1.generator, c->g1.affine_size);
    memcpy(v->last.tau2, c->g2.generator, c->g2.affine_size);
    memcpy(v->last.beta2, c->g2.generator, c->g2.affine_size);
    int r = sn_ptau_contributions(v->p, &cur, &n);
    if (r < 0) return r;
    if (n == 0) return refuse("no contribution: everybody knows its secrets");
    sn_ptau_first_challenge(c, v->p->ceremony_power, challenge);
    for (uint32_t i = 0; i < n; i++) {
        struct sn_ptau_contribution k;
        r = sn_ptau_take(&cur, c, &k);
        if (r == 0) r = verify_step(c, &v->last, &k, challenge);
        if (r == 0 && k.type == 1) r = verify_beacon(c, &k, challenge);
        if (r < 0) return sn_wrap(r, "contribution %u", i + 1);
        v->last = k;
        memcpy(challenge, k.next_challenge, 64);
    }
    if (cur.p != cur.end) return sn_fail(SN_E_DATA_LOSS, ".ptau section 7 is too long");
    /* A file cut down to a smaller power keeps the hashes of the ceremony it was cut from. */
    return v->p->power == v->p->ceremony_power ? verify_last_hash(v) : 0;
}

/* ---- powers ---------------------------------------------------------------------------------- */

static void draw(struct verifier *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        v->k[i] = (struct sn_fe){{0}};
        for (int j = 0; j < 2; j++)
            v->k[i].v[j] = (uint64_t)sn_ceremony_rng_u32(&v->rng) << 32 | sn_ceremony_rng_u32(&v->rng);
    }
}
static int add_sum(const struct verifier *v, const struct sn_group *g, struct sn_point *acc,
                   const void *points, const struct sn_fe *k, size_t n)
{
    struct sn_point t;
    int r = sn_msm(g, &t, points, k, n, &(struct sn_msm_opts){.par = v->par});
    if (r == 0) sn_point_add(g, acc, acc, &t);
    return r;
}
/* Every point of the group, and the same random sum of all but the last, and of all but the first. */
static int two_sums(struct verifier *v, const struct sn_group *g, struct sn_str s, uint64_t *ret_low,
                    uint64_t *ret_high)
{
    size_t size = g->affine_size, total = s.len / size, bad;
    struct sn_point low, high;
    sn_point_zero(g, &low);
    sn_point_zero(g, &high);
    for (size_t from = 0; from < total; from += CHUNK) {
        size_t n = SN_MIN(total - from, CHUNK), pairs = SN_MIN(n, total - from - 1);
        memcpy(v->points, s.ptr + from * size, (pairs + 1) * size);
        int r = sn_affine_check_many(g, v->points, n, v->par, &bad);
        if (r < 0) return sn_wrap(r, "[%zu]", from + bad);
        draw(v, pairs);
        r = add_sum(v, g, &low, v->points, v->k, pairs);
        if (r == 0) r = add_sum(v, g, &high, v->points + size, v->k, pairs);
        if (r < 0) return r;
    }
    sn_point_to_affine(g, ret_low, &low);
    sn_point_to_affine(g, ret_high, &high);
    return 0;
}
static bool begins(struct sn_str s, const struct sn_group *g, size_t at, const void *want)
{
    return memcmp(s.ptr + at * g->affine_size, want, g->affine_size) == 0;
}
static int verify_powers(struct verifier *v, const char *name, const struct sn_group *g,
                         struct sn_str s)
{
    const struct sn_curve *c = v->p->curve;
    uint64_t low[SN_AFFINE_MAX / 8], high[SN_AFFINE_MAX / 8];
    int r = two_sums(v, g, s, low, high);
    if (r < 0) return sn_wrap(r, ".ptau %s", name);
    bool good = g == &c->g1 ? sn_same_ratio(c, low, high, c->g2.generator, v->last.tau2)
                            : sn_same_ratio(c, c->g1.generator, v->last.tau1, low, high);
    return good ? 0 : sn_fail(SN_E_FAILED_PRECONDITION, ".ptau %s: not powers of tau", name);
}
static SN_NOINLINE int verify_sections(struct verifier *v)
{
    const struct sn_ptau *p = v->p;
    const struct sn_group *g1 = &p->curve->g1, *g2 = &p->curve->g2;
    if (!begins(p->tau1, g1, 0, g1->generator) || !begins(p->tau1, g1, 1, v->last.tau1))
        return refuse(".ptau tau1 does not begin with 1 and tau");
    if (!begins(p->tau2, g2, 0, g2->generator) || !begins(p->tau2, g2, 1, v->last.tau2))
        return refuse(".ptau tau2 does not begin with 1 and tau");
    if (!begins(p->alpha1, g1, 0, v->last.alpha1))
        return refuse(".ptau alpha1 does not begin with alpha");
    if (!begins(p->beta1, g1, 0, v->last.beta1))
        return refuse(".ptau beta1 does not begin with beta");
    if (!begins(p->beta2, g2, 0, v->last.beta2)) return refuse(".ptau beta2 is not beta");
    int r = verify_powers(v, "tau1", g1, p->tau1);
    if (r == 0) r = verify_powers(v, "tau2", g2, p->tau2);
    if (r == 0) r = verify_powers(v, "alpha1", g1, p->alpha1);
    if (r == 0) r = verify_powers(v, "beta1", g1, p->beta1);
    return r;
}

/* ---- Lagrange points ------------------------------------------------------------------------- */

/* sum k[i] * points[i], a chunk at a time; beyond the section come infinities. */
static int long_sum(struct verifier *v, const struct sn_group *g, struct sn_str s, size_t skip,
                    const struct sn_fe *k, size_t n, uint64_t *ret)
{
    size_t size = g->affine_size, have = SN_MIN(n, s.len / size - skip), bad;
    struct sn_point acc;
    sn_point_zero(g, &acc);
    for (size_t from = 0; from < have; from += CHUNK) {
        size_t m = SN_MIN(have - from, CHUNK);
        memcpy(v->points, s.ptr + (skip + from) * size, m * size);
        int r = sn_affine_check_many(g, v->points, m, v->par, &bad);
        if (r < 0) return sn_wrap(r, "[%zu]", skip + from + bad);
        r = add_sum(v, g, &acc, v->points, k + from, m);
        if (r < 0) return r;
    }
    sn_point_to_affine(g, ret, &acc);
    return 0;
}
/* The transform is a symmetric matrix: k * (M * powers) = (M * k) * powers. */
static SN_NOINLINE int verify_lagrange(struct verifier *v, unsigned i, const struct sn_group *g,
                           struct sn_str powers, unsigned log_max)
{
    const struct sn_field *f = g->fr;
    struct sn_str s = v->p->lagrange[i];
    struct sn_fe *k SN_CLEANUP(sn_freep) = sn_alloc(sizeof(struct sn_fe) << log_max);
    int r = k ? 0 : SN_E_NOMEM;
    for (unsigned log = 0; log <= log_max && r == 0; log++) {
        size_t n = (size_t)1 << log;
        uint64_t a[SN_AFFINE_MAX / 8], b[SN_AFFINE_MAX / 8];
        struct sn_ntt *t;
        for (size_t x = 0; x < n; x++) sn_ceremony_fr(&v->rng, f, &k[x]);
        r = long_sum(v, g, s, n - 1, k, n, a);
        if (r == 0) r = sn_ntt_new(f, log, &t);
        if (r < 0) break;
        sn_fe_to_mont_many(f, k, k, n);
        r = sn_ntt_inverse(t, k, v->par);
        sn_ntt_free(t);
        sn_fe_from_mont_many(f, k, k, n);
        if (r == 0) r = long_sum(v, g, powers, 0, k, n, b);
        if (r == 0 && memcmp(a, b, g->affine_size) != 0)
            r = sn_fail(SN_E_FAILED_PRECONDITION, "not the Lagrange points of 2^%u", log);
    }
    return r < 0 ? sn_wrap(r, ".ptau section %u", 12 + i) : 0;
}

int sn_ptau_verify(const struct sn_ptau *p, const uint8_t *random, const struct sn_par *par)
{
    const struct sn_group *g1 = &p->curve->g1, *g2 = &p->curve->g2;
    struct verifier v = {.p = p, .par = par};
    v.points = sn_alloc((CHUNK + 1) * g2->affine_size);
    v.k = sn_alloc(CHUNK * sizeof(*v.k));
    int r = v.points && v.k ? 0 : SN_E_NOMEM;
    sn_ceremony_rng_init(&v.rng, random);
    if (r == 0) r = verify_contributions(&v);
    if (r == 0) r = verify_sections(&v);
    if (r == 0 && p->lagrange[0].ptr) {
        r = verify_lagrange(&v, 0, g1, p->tau1, p->power + 1);
        if (r == 0) r = verify_lagrange(&v, 1, g2, p->tau2, p->power);
        if (r == 0) r = verify_lagrange(&v, 2, g1, p->alpha1, p->power);
        if (r == 0) r = verify_lagrange(&v, 3, g1, p->beta1, p->power);
    }
    sn_free(v.points);
    sn_free(v.k);
    return r;
}
