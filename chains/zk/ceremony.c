/* SPDX-License-Identifier: Apache-2.0 */
/* zk/ceremony.c - the hashes and the repeatable random numbers of a setup. */
#include "core/status.h"
#include "crypto/pairing.h"
#include "zk/setup_int.h"

static bool is_negative(const struct sn_group *g, const void *affine);

size_t sn_ceremony_point_bytes(const struct sn_group *g, const void *affine, bool compressed,
                               uint8_t out[SN_AFFINE_MAX])
{
    unsigned parts = (unsigned)(g->coord_size / g->q_size), coords = compressed ? 1 : 2;
    size_t q = g->q_size, n = coords * g->coord_size;
    memset(out, 0, n);
    if (sn_affine_is_zero(g, affine)) {
        if (compressed) out[0] = 0x40;
        return n;
    }
    for (unsigned i = 0; i < coords * parts; i++) {
        uint8_t le[SN_FQ_BYTES_MAX];
        unsigned at = i / parts * parts + (parts - 1 - i % parts);
        sn_affine_get_le(g, affine, at, le);
        for (size_t b = 0; b < q; b++) out[i * q + b] = le[q - 1 - b];
    }
    if (compressed && is_negative(g, affine)) out[0] |= 0x80;
    return n;
}

void sn_ceremony_put_point(struct sn_hasher *h, const struct sn_group *g, const void *affine)
{
    uint8_t out[SN_AFFINE_MAX];
    sn_hasher_put(h, out, sn_ceremony_point_bytes(g, affine, false, out));
}

void sn_ceremony_put_points(struct sn_hasher *h, const struct sn_group *g, const void *affine,
                            size_t n)
{
    uint8_t count[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    sn_hasher_put(h, count, 4);
    for (size_t i = 0; i < n; i++)
        sn_ceremony_put_point(h, g, (const uint8_t *)affine + i * g->affine_size);
}

/* ---- ChaCha20 -------------------------------------------------------------------------------- */

static uint32_t rotl(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void quarter(uint32_t *v, int a, int b, int c, int d)
{
    v[a] += v[b];
    v[d] = rotl(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotl(v[b] ^ v[c], 12);
    v[a] += v[b];
    v[d] = rotl(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotl(v[b] ^ v[c], 7);
}

static void next_block(struct sn_ceremony_rng *r)
{
    memcpy(r->block, r->state, sizeof(r->block));
    for (int i = 0; i < 10; i++) {
        for (int k = 0; k < 4; k++) quarter(r->block, k, 4 + k, 8 + k, 12 + k);
        for (int k = 0; k < 4; k++)
            quarter(r->block, k, 4 + (k + 1) % 4, 8 + (k + 2) % 4, 12 + (k + 3) % 4);
    }
    for (int i = 0; i < 16; i++) r->block[i] += r->state[i];
    for (int i = 12; i < 16 && ++r->state[i] == 0; i++)
        continue;
    r->used = 0;
}

void sn_ceremony_rng_init(struct sn_ceremony_rng *r, const uint8_t seed[32])
{
    static const uint32_t sigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    *r = (struct sn_ceremony_rng){.used = 16};
    memcpy(r->state, sigma, sizeof(sigma));
    for (int i = 0; i < 8; i++)
        r->state[4 + i] = (uint32_t)seed[4 * i] << 24 | (uint32_t)seed[4 * i + 1] << 16 |
                          (uint32_t)seed[4 * i + 2] << 8 | seed[4 * i + 3];
}

uint32_t sn_ceremony_rng_u32(struct sn_ceremony_rng *r)
{
    if (r->used == 16) next_block(r);
    return r->block[r->used++];
}

/* A number of n_words 64-bit words below p by rejection; words least significant first, the halves
 * of each most significant first. */
static void below(struct sn_ceremony_rng *r, const uint64_t *p, size_t n_words, uint64_t *ret)
{
    int bits = 64 - __builtin_clzll(p[n_words - 1]);
    uint64_t mask = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    for (;;) {
        for (size_t i = 0; i < n_words; i++) {
            uint64_t high = sn_ceremony_rng_u32(r);
            ret[i] = high << 32 | sn_ceremony_rng_u32(r);
        }
        ret[n_words - 1] &= mask;
        for (size_t i = n_words; i-- > 0;) {
            if (ret[i] < p[i]) return;
            if (ret[i] > p[i]) break;
        }
    }
}

void sn_ceremony_fr(struct sn_ceremony_rng *r, const struct sn_field *f, struct sn_fe *ret_plain)
{
    struct sn_fe v;
    below(r, f->p.v, 4, v.v);
    sn_fe_from_mont(f, ret_plain, &v); /* the number drawn is the Montgomery form */
}

/* y above (q-1)/2; of an Fq2 the imaginary half decides, where it is not zero. */
static bool is_negative(const struct sn_group *g, const void *affine)
{
    const struct sn_curve *c = g->q_size == 32 ? &sn_bn254 : &sn_bls12_381;
    unsigned parts = (unsigned)(g->coord_size / g->q_size);
    for (unsigned i = 2 * parts; i-- > parts;) {
        uint8_t le[SN_FQ_BYTES_MAX], twice[SN_FQ_BYTES_MAX + 1];
        unsigned carry = 0, any = 0;
        sn_affine_get_le(g, affine, i, le);
        for (size_t b = 0; b < g->q_size; b++) {
            any |= le[b];
            twice[b] = (uint8_t)(le[b] << 1 | carry);
            carry = le[b] >> 7;
        }
        if (!any) continue;
        if (carry) return true;
        for (size_t b = g->q_size; b-- > 0;)
            if (twice[b] != c->q_le[b]) return twice[b] > c->q_le[b];
        return false;
    }
    return false;
}

void sn_ceremony_point(struct sn_ceremony_rng *r, const struct sn_group *g, void *ret_affine)
{
    const struct sn_curve *c = g->q_size == 32 ? &sn_bn254 : &sn_bls12_381;
    uint64_t q[SN_FQ_BYTES_MAX / 8], x[SN_AFFINE_MAX / 16], p[SN_AFFINE_MAX / 8];
    size_t words = g->q_size / 8;
    memcpy(q, c->q_le, g->q_size);
    bool greatest;
    do {
        for (size_t i = 0; i < g->coord_size / g->q_size; i++) below(r, q, words, x + i * words);
        greatest = sn_ceremony_rng_u32(r) & 1;
    } while (!sn_affine_from_x(g, p, x));
    if (greatest != is_negative(g, p)) sn_affine_neg(g, p, p);
    sn_affine_clear_cofactor(g, ret_affine, p);
}

int sn_ceremony_beacon(const uint8_t *value, size_t len, unsigned iterations_exp, uint8_t ret[32])
{
    uint8_t h[SN_BEACON_BYTES_MAX];
    if (len > sizeof(h) || iterations_exp > SN_BEACON_EXP_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "a beacon of %zu bytes and 2^%u hashes (at most %u and 2^%u)",
                       len, iterations_exp, SN_BEACON_BYTES_MAX, SN_BEACON_EXP_MAX);
    memcpy(h, value, len);
    for (uint64_t i = 0; i < (uint64_t)1 << iterations_exp; i++) {
        int r = sn_hash_once(SN_SHA256, h, len, h);
        if (r < 0) return r;
        len = 32;
    }
    memcpy(ret, h, 32);
    return 0;
}

/* ---- options, parameters --------------------------------------------------------------------- */

int sn_contribution_check(const struct sn_contribution_opts *o)
{
    if (!o->random && !o->beacon)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a contribution needs random bytes or a beacon");
    if (o->beacon && (o->beacon_len > SN_BEACON_BYTES_MAX || o->iterations_exp > SN_BEACON_EXP_MAX))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "a beacon of %zu bytes and 2^%u hashes (at most %u and 2^%u)",
                       o->beacon_len, o->iterations_exp, SN_BEACON_BYTES_MAX, SN_BEACON_EXP_MAX);
    return 0;
}

int sn_contribution_rng(const struct sn_contribution_opts *o, struct sn_ceremony_rng *ret)
{
    uint8_t h[64];
    int r = o->beacon ? sn_ceremony_beacon(o->beacon, o->beacon_len, o->iterations_exp, h)
                      : sn_hash_once(SN_BLAKE2B_512, o->random, 64, h);
    if (r == 0) sn_ceremony_rng_init(ret, h);
    sn_wipe(h, sizeof(h));
    return r;
}

void sn_contribution_params(const struct sn_contribution_opts *o, struct sn_buf *b)
{
    size_t name = SN_MIN(o->name.len, (size_t)SN_CONTRIBUTION_NAME_MAX);
    if (name) {
        (void)sn_buf_byte(b, 1);
        (void)sn_buf_byte(b, (uint8_t)name);
        (void)sn_buf_put(b, o->name.ptr, name);
    }
    if (!o->beacon) return;
    (void)sn_buf_byte(b, 2);
    (void)sn_buf_byte(b, (uint8_t)o->iterations_exp);
    (void)sn_buf_byte(b, 3);
    (void)sn_buf_byte(b, (uint8_t)o->beacon_len);
    (void)sn_buf_put(b, o->beacon, o->beacon_len);
}

/* A parameter of a contribution; false where it is absent. */
static bool param(struct sn_str params, uint8_t id, struct sn_str *ret)
{
    struct sn_cursor c = sn_cursor(params);
    for (;;) {
        const uint8_t *tag = sn_take(&c, 2);
        if (!tag) return false;
        size_t len = tag[0] == 2 ? 0 : tag[1];
        const uint8_t *p = sn_take(&c, len);
        if (!p) return false;
        if (tag[0] != id) continue;
        *ret = id == 2 ? sn_str_of((const char *)tag + 1, 1) : sn_str_of((const char *)p, len);
        return true;
    }
}

int sn_contribution_beacon_of(struct sn_str params, struct sn_contribution_opts *ret)
{
    struct sn_str iterations, value;
    if (!param(params, 2, &iterations) || !param(params, 3, &value))
        return sn_fail(SN_E_FAILED_PRECONDITION, "a beacon without its value");
    *ret = (struct sn_contribution_opts){.beacon = (const uint8_t *)value.ptr,
                                         .beacon_len = value.len,
                                         .iterations_exp = (uint8_t)iterations.ptr[0]};
    return sn_contribution_check(ret);
}

struct sn_str sn_contribution_name(struct sn_str params)
{
    struct sn_str name;
    return param(params, 1, &name) ? name : (struct sn_str){0};
}

bool sn_same_ratio(const struct sn_curve *curve, const void *a, const void *b, const void *c,
                   const void *d)
{
    uint64_t minus[SN_G1_MAX / 8];
    sn_affine_neg(&curve->g1, minus, a);
    const void *g1[2] = {minus, b}, *g2[2] = {d, c};
    return sn_pairing_is_one(curve, g1, g2, 2);
}

void sn_mul_affine_ct(const struct sn_group *g, void *ret, const void *p, const struct sn_fe *k)
{
    struct sn_point t;
    sn_point_from_affine(g, &t, p);
    sn_point_mul_ct(g, &t, &t, k);
    sn_point_to_affine(g, ret, &t);
}
