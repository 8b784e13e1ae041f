/* SPDX-License-Identifier: Apache-2.0 */
/* zk/ptau_mpc.c - contributions to powers of tau. Powers stream: a chunk of points is read, checked,
 * multiplied, hashed and written; then what was written is read once more for the next challenge,
 * which begins with a hash known only at the end. */
#include "core/alloc.h"
#include "core/status.h"
#include "zk/ptau_int.h"

#define CHUNK 16384u /* points worked on at a time */

/* ---- reading --------------------------------------------------------------------------------- */

int sn_ptau_contributions(const struct sn_ptau *p, struct sn_cursor *ret, uint32_t *ret_n)
{
    *ret = sn_cursor(p->contributions);
    *ret_n = sn_take32(ret);
    return ret->short_ ? sn_fail(SN_E_DATA_LOSS, ".ptau section 7 ends in its count") : 0;
}

static int take_point(struct sn_cursor *c, const struct sn_group *g, const char *name, uint64_t *ret)
{
    const uint8_t *p = sn_take(c, g->affine_size);
    if (!p) return sn_fail(SN_E_DATA_LOSS, "the section ends in %s", name);
    memcpy(ret, p, g->affine_size);
    int r = sn_affine_check(g, ret);
    if (r == 0 && sn_affine_is_zero(g, ret))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "a point at infinity");
    return r < 0 ? sn_wrap(r, "%s", name) : 0;
}

int sn_ptau_take(struct sn_cursor *c, const struct sn_curve *curve,
                 struct sn_ptau_contribution *ret)
{
    const struct sn_group *g1 = &curve->g1, *g2 = &curve->g2;
    int r = take_point(c, g1, "tau in G1", ret->tau1);
    if (r == 0) r = take_point(c, g2, "tau in G2", ret->tau2);
    if (r == 0) r = take_point(c, g1, "alpha", ret->alpha1);
    if (r == 0) r = take_point(c, g1, "beta in G1", ret->beta1);
    if (r == 0) r = take_point(c, g2, "beta in G2", ret->beta2);
    for (unsigned i = 0; i < SN_PTAU_SECRETS && r == 0; i++) {
        r = take_point(c, g1, "a public key", ret->key[i].s);
        if (r == 0) r = take_point(c, g1, "a public key", ret->key[i].sx);
    }
    for (unsigned i = 0; i < SN_PTAU_SECRETS && r == 0; i++)
        r = take_point(c, g2, "a public key", ret->key[i].spx);
    if (r < 0) return r;
    const uint8_t *partial = sn_take(c, SN_BLAKE2B_STATE), *next = sn_take(c, 64);
    ret->type = sn_take32(c);
    uint32_t len = sn_take32(c);
    const uint8_t *params = sn_take(c, len);
    if (c->short_) return sn_fail(SN_E_DATA_LOSS, "the section ends in its hashes");
    memcpy(ret->partial, partial, SN_BLAKE2B_STATE);
    memcpy(ret->next_challenge, next, 64);
    ret->params = sn_str_of((const char *)params, len);
    return 0;
}

/* ---- hashes ---------------------------------------------------------------------------------- */

/* n points as they are hashed, one after the other. Returns how many bytes. */
static size_t points_bytes(const struct sn_group *g, const void *affine, size_t n, bool compressed,
                           uint8_t *ret)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t p[SN_AFFINE_MAX / 8];
        uint8_t one[SN_AFFINE_MAX];
        memcpy(p, (const uint8_t *)affine + i * g->affine_size, g->affine_size);
        size_t size = sn_ceremony_point_bytes(g, p, compressed, one);
        memcpy(ret + len, one, size);
        len += size;
    }
    return len;
}
void sn_ptau_put_points(struct sn_blake2b *h, const struct sn_group *g, const void *affine,
                        size_t n, bool compressed)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t out[SN_AFFINE_MAX];
        sn_blake2b_put(h, out, points_bytes(g, (const uint8_t *)affine + i * g->affine_size, 1,
                                            compressed, out));
    }
}

void sn_ptau_first_challenge(const struct sn_curve *c, unsigned power, uint8_t ret[64])
{
    struct sn_blake2b h;
    uint8_t g1[SN_AFFINE_MAX], g2[SN_AFFINE_MAX];
    uint64_t n = (uint64_t)1 << power;
    const struct {
        const uint8_t *p;
        size_t size;
        uint64_t n;
    } parts[] = {{g1, c->g1.affine_size, 2 * n - 1}, {g2, c->g2.affine_size, n},
                 {g1, c->g1.affine_size, n}, {g1, c->g1.affine_size, n},
                 {g2, c->g2.affine_size, 1}};
    (void)sn_ceremony_point_bytes(&c->g1, c->g1.generator, false, g1);
    (void)sn_ceremony_point_bytes(&c->g2, c->g2.generator, false, g2);
    sn_blake2b_init(&h);
    sn_blake2b_final(&h, ret); /* the ceremony began with the hash of nothing */
    sn_blake2b_init(&h);
    sn_blake2b_put(&h, ret, 64);
    for (size_t k = 0; k < SN_COUNT_OF(parts); k++)
        for (uint64_t i = 0; i < parts[k].n; i++) sn_blake2b_put(&h, parts[k].p, parts[k].size);
    sn_blake2b_final(&h, ret);
}

int sn_ptau_response(const struct sn_curve *c, const struct sn_ptau_contribution *k,
                     uint8_t ret[64])
{
    struct sn_blake2b h;
    int r = sn_blake2b_load(&h, k->partial);
    if (r < 0) return sn_fail(r, "a hash state that is none");
    for (unsigned i = 0; i < SN_PTAU_SECRETS; i++) {
        sn_ptau_put_points(&h, &c->g1, k->key[i].s, 1, false);
        sn_ptau_put_points(&h, &c->g1, k->key[i].sx, 1, false);
    }
    for (unsigned i = 0; i < SN_PTAU_SECRETS; i++)
        sn_ptau_put_points(&h, &c->g2, k->key[i].spx, 1, false);
    sn_blake2b_final(&h, ret);
    return 0;
}

/* ---- keys ------------------------------------------------------------------------------------ */

void sn_ptau_sp(const struct sn_curve *c, unsigned i, const uint8_t challenge[64],
                const struct sn_ptau_key *key, void *ret)
{
    struct sn_blake2b h;
    struct sn_ceremony_rng rng;
    uint8_t who = (uint8_t)i, hash[64];
    sn_blake2b_init(&h);
    sn_blake2b_put(&h, &who, 1);
    sn_blake2b_put(&h, challenge, 64);
    sn_ptau_put_points(&h, &c->g1, key->s, 1, false);
    sn_ptau_put_points(&h, &c->g1, key->sx, 1, false);
    sn_blake2b_final(&h, hash);
    sn_ceremony_rng_init(&rng, hash);
    sn_ceremony_point(&rng, &c->g2, ret);
}

void sn_ptau_make_keys(const struct sn_curve *c, const uint8_t challenge[64],
                       struct sn_ceremony_rng *rng, struct sn_ptau_key key[SN_PTAU_SECRETS],
                       struct sn_fe ret_secret[SN_PTAU_SECRETS])
{
    for (unsigned i = 0; i < SN_PTAU_SECRETS; i++) sn_ceremony_fr(rng, c->fr, &ret_secret[i]);
    for (unsigned i = 0; i < SN_PTAU_SECRETS; i++) {
        uint64_t sp[SN_G2_MAX / 8];
        sn_ceremony_point(rng, &c->g1, key[i].s);
        sn_mul_affine_ct(&c->g1, key[i].sx, key[i].s, &ret_secret[i]);
        sn_ptau_sp(c, i, challenge, &key[i], sp);
        sn_mul_affine_ct(&c->g2, key[i].spx, sp, &ret_secret[i]);
    }
}

/* ---- contributing ---------------------------------------------------------------------------- */

struct contributor {
    const struct sn_ptau *p;
    const struct sn_par *par;
    const struct sn_zk_reread *reread;
    struct sn_out out;
    struct sn_blake2b response;
    struct sn_fe tau;      /* Montgomery */
    uint8_t *points;       /* CHUNK of them */
    uint8_t *bytes;        /* the same, to hash */
    struct sn_fe *scalars;
    uint64_t at[5];        /* where the new sections 2-6 begin */
};

static struct sn_str section_of(const struct sn_ptau *p, unsigned i, const struct sn_group **ret_g)
{
    const struct sn_str all[] = {p->tau1, p->tau2, p->alpha1, p->beta1, p->beta2};
    *ret_g = i == 1 || i == 4 ? &p->curve->g2 : &p->curve->g1;
    return all[i];
}
/* Section 2 + i with point k multiplied by first * tau^k; `first` Montgomery. `keep` gets the point
 * with index `which`. */
static int put_powers(struct contributor *c, unsigned i, struct sn_fe first, size_t which,
                      uint64_t *keep)
{
    static const char *const names[] = {"tau1", "tau2", "alpha1", "beta1", "beta2"};
    const struct sn_group *g;
    const struct sn_field *f = c->p->curve->fr;
    struct sn_str s = section_of(c->p, i, &g);
    size_t size = g->affine_size, total = s.len / size, bad;
    sn_out_section(&c->out, 2 + i, s.len);
    c->at[i] = c->out.total;
    for (size_t from = 0; from < total && c->out.err == 0; from += CHUNK) {
        size_t n = SN_MIN(total - from, (size_t)CHUNK);
        memcpy(c->points, s.ptr + from * size, n * size);
        /* A point outside the group would give the secret away modulo its order. */
        int r = sn_affine_check_many(g, c->points, n, c->par, &bad);
        if (r < 0) return sn_wrap(r, ".ptau %s[%zu]", names[i], from + bad);
        for (size_t k = 0; k < n; k++) {
            sn_fe_from_mont(f, &c->scalars[k], &first);
            sn_fe_mul(f, &first, &first, &c->tau);
        }
        r = sn_group_mul_many(g, c->points, c->points, c->scalars, false, n, c->par);
        if (r < 0) return r;
        if (which >= from && which < from + n) memcpy(keep, c->points + (which - from) * size, size);
        sn_blake2b_put(&c->response, c->bytes, points_bytes(g, c->points, n, true, c->bytes));
        sn_out_put(&c->out, c->points, n * size);
    }
    sn_wipe(&first, sizeof(first));
    return c->out.err;
}
static int put_all_powers(struct contributor *c, const struct sn_fe plain[SN_PTAU_SECRETS],
                          struct sn_ptau_contribution *k)
{
    const struct sn_field *f = c->p->curve->fr;
    struct sn_fe alpha, beta;
    sn_fe_to_mont(f, &c->tau, &plain[SN_PTAU_TAU]);
    sn_fe_to_mont(f, &alpha, &plain[SN_PTAU_ALPHA]);
    sn_fe_to_mont(f, &beta, &plain[SN_PTAU_BETA]);
    int r = put_powers(c, 0, f->one, 1, k->tau1);
    if (r == 0) r = put_powers(c, 1, f->one, 1, k->tau2);
    if (r == 0) r = put_powers(c, 2, alpha, 0, k->alpha1);
    if (r == 0) r = put_powers(c, 3, beta, 0, k->beta1);
    if (r == 0) r = put_powers(c, 4, beta, 0, k->beta2);
    sn_wipe(&alpha, sizeof(alpha));
    sn_wipe(&beta, sizeof(beta));
    return r;
}
/* The hash over all that was written, after the response's. */
static int next_challenge(struct contributor *c, const uint8_t response[64], uint8_t ret[64])
{
    struct sn_blake2b h;
    int r = sn_out_flush(&c->out);
    sn_blake2b_init(&h);
    sn_blake2b_put(&h, response, 64);
    for (unsigned i = 0; i < 5 && r == 0; i++) {
        const struct sn_group *g;
        struct sn_str s = section_of(c->p, i, &g);
        size_t size = g->affine_size, total = s.len / size;
        for (size_t from = 0; from < total && r == 0; from += CHUNK) {
            size_t n = SN_MIN(total - from, (size_t)CHUNK);
            r = c->reread->read(c->reread->ctx, c->at[i] + from * size, c->points, n * size);
            if (r == 0) sn_ptau_put_points(&h, g, c->points, n, false);
        }
    }
    sn_blake2b_final(&h, ret);
    return r;
}
static void put_section7(struct contributor *c, const struct sn_ptau_contribution *k,
                         const struct sn_buf *params)
{
    struct sn_out *o = &c->out;
    struct sn_str old = c->p->contributions;
    size_t s1 = c->p->curve->g1.affine_size, s2 = c->p->curve->g2.affine_size;
    sn_out_section(o, 7, old.len + 9 * s1 + 5 * s2 + SN_BLAKE2B_STATE + 64 + 8 + params->len);
    sn_out_u32(o, sn_le32((const uint8_t *)old.ptr) + 1);
    sn_out_put(o, old.ptr + 4, old.len - 4);
    sn_out_put(o, k->tau1, s1);
    sn_out_put(o, k->tau2, s2);
    sn_out_put(o, k->alpha1, s1);
    sn_out_put(o, k->beta1, s1);
    sn_out_put(o, k->beta2, s2);
    for (unsigned i = 0; i < SN_PTAU_SECRETS; i++) {
        sn_out_put(o, k->key[i].s, s1);
        sn_out_put(o, k->key[i].sx, s1);
    }
    for (unsigned i = 0; i < SN_PTAU_SECRETS; i++) sn_out_put(o, k->key[i].spx, s2);
    sn_out_put(o, k->partial, SN_BLAKE2B_STATE);
    sn_out_put(o, k->next_challenge, 64);
    sn_out_u32(o, k->type);
    sn_out_u32(o, (uint32_t)params->len);
    sn_out_put(o, params->ptr, params->len);
}
/* What the next contributor signs, and that the section is sound as far as it is read. */
static SN_NOINLINE int challenge_of(const struct sn_ptau *p, uint8_t ret[64])
{
    struct sn_cursor cur;
    uint32_t n;
    int r = sn_ptau_contributions(p, &cur, &n);
    if (r < 0) return r;
    if (n == 0) sn_ptau_first_challenge(p->curve, p->power, ret);
    for (uint32_t i = 0; i < n; i++) {
        struct sn_ptau_contribution k;
        r = sn_ptau_take(&cur, p->curve, &k);
        if (r < 0) return sn_wrap(r, ".ptau contribution %u", i + 1);
        memcpy(ret, k.next_challenge, 64);
    }
    return cur.p == cur.end ? 0 : sn_fail(SN_E_DATA_LOSS, ".ptau section 7 is too long");
}
static SN_NOINLINE int contribute(struct contributor *c, const struct sn_contribution_opts *o,
                      uint8_t ret_hash[64])
{
    struct sn_ptau_contribution k = {.type = o->beacon ? 1 : 0};
    struct sn_ceremony_rng rng;
    struct sn_fe secret[SN_PTAU_SECRETS];
    struct sn_buf params;
    uint8_t challenge[64], params_mem[SN_CONTRIBUTION_PARAMS_MAX];
    int r = challenge_of(c->p, challenge);
    if (r == 0) r = sn_contribution_rng(o, &rng);
    if (r < 0) return r;
    sn_ptau_make_keys(c->p->curve, challenge, &rng, k.key, secret);
    sn_wipe(&rng, sizeof(rng));
    sn_blake2b_init(&c->response);
    sn_blake2b_put(&c->response, challenge, 64);
    sn_out_header(&c->out, "ptau", 1, 7);
    sn_ptau_put_header(&c->out, c->p->curve, c->p->power, c->p->ceremony_power);
    r = put_all_powers(c, secret, &k);
    sn_wipe(secret, sizeof(secret));
    sn_blake2b_save(&c->response, k.partial);
    if (r == 0) r = sn_ptau_response(c->p->curve, &k, ret_hash);
    if (r == 0) r = next_challenge(c, ret_hash, k.next_challenge);
    sn_buf_init_fixed(&params, params_mem, sizeof(params_mem));
    sn_contribution_params(o, &params);
    if (r == 0) put_section7(c, &k, &params);
    return r;
}

int sn_ptau_contribute(const struct sn_ptau *p, const struct sn_contribution_opts *o,
                       const struct sn_par *par, const struct sn_zk_sink *out,
                       const struct sn_zk_reread *reread, uint8_t ret_hash[64])
{
    struct contributor c = {.p = p, .par = par, .reread = reread};
    int r = sn_contribution_check(o);
    if (r < 0) return r;
    c.points = sn_alloc(CHUNK * p->curve->g2.affine_size);
    c.bytes = sn_alloc(CHUNK * p->curve->g2.affine_size);
    c.scalars = sn_alloc(CHUNK * sizeof(*c.scalars));
    r = c.points && c.bytes && c.scalars ? sn_out_begin(&c.out, out) : SN_E_NOMEM;
    if (r == 0) {
        r = contribute(&c, o, ret_hash);
        int end = sn_out_end(&c.out);
        if (r == 0) r = end;
    }
    if (c.scalars) sn_wipe(c.scalars, CHUNK * sizeof(*c.scalars));
    sn_wipe(&c.tau, sizeof(c.tau));
    sn_free(c.points);
    sn_free(c.bytes);
    sn_free(c.scalars);
    return r;
}
