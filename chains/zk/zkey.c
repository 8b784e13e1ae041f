/* SPDX-License-Identifier: Apache-2.0 */
/* zk/zkey.c - reading proving keys. Sections: 1 protocol, 2 header, 3 IC, 4 coefficients, 5 A,
 * 6 B in G1, 7 B in G2, 8 C, 9 H, 10 contributions. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/ntt.h"
#include "zk/bin.h"
#include "zk/groth16.h"
#include "zk/zkey_int.h"

const struct sn_curve *sn_zk_curve_of(const uint8_t *q, size_t n)
{
    static const struct sn_curve *const all[] = {&sn_bn254, &sn_bls12_381};
    for (size_t i = 0; i < SN_COUNT_OF(all); i++)
        if (n == all[i]->q_size && memcmp(q, all[i]->q_le, n) == 0) return all[i];
    return NULL;
}

static int take_prime(struct sn_cursor *c, const uint8_t **ret, size_t *ret_n)
{
    uint32_t n = sn_take32(c);
    *ret = n <= 64 ? sn_take(c, n) : NULL;
    *ret_n = n;
    return *ret ? 0 : sn_fail(SN_E_DATA_LOSS, ".zkey header ends inside a prime");
}

static int take_point(struct sn_cursor *c, const struct sn_group *g, const char *name, void *ret)
{
    const uint8_t *p = sn_take(c, g->affine_size);
    uint64_t copy[SN_AFFINE_MAX / 8];
    if (!p) return sn_fail(SN_E_DATA_LOSS, ".zkey header ends inside %s", name);
    memcpy(copy, p, g->affine_size);
    int r = sn_affine_check(g, copy);
    if (r < 0) return sn_wrap(r, ".zkey %s", name);
    memcpy(ret, copy, g->affine_size);
    return 0;
}

static int take_sizes(struct sn_cursor *c, struct sn_zkey *z)
{
    z->n_vars = sn_take32(c);
    z->n_public = sn_take32(c);
    uint32_t domain = sn_take32(c);
    if (c->short_) return sn_fail(SN_E_DATA_LOSS, ".zkey header ends inside its sizes");
    while (z->domain_log < 31 && 1u << z->domain_log < domain) z->domain_log++;
    if (domain == 0 || 1u << z->domain_log != domain || z->domain_log > SN_NTT_LOG_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, ".zkey domain of %u, which is no power of two to 2^%u",
                       domain, SN_NTT_LOG_MAX);
    if (z->n_vars > SN_R1CS_WIRES_MAX || z->n_public >= z->n_vars ||
        z->n_public > SN_GROTH_PUBLIC_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, ".zkey of %u wires with %u public signals", z->n_vars,
                       z->n_public);
    return 0;
}

static int header(struct sn_str text, struct sn_zkey *z)
{
    struct sn_cursor c = sn_cursor(text);
    const uint8_t *q = NULL, *fr = NULL;
    size_t q_len = 0, fr_len = 0;
    int r = take_prime(&c, &q, &q_len);
    if (r == 0) r = take_prime(&c, &fr, &fr_len);
    if (r < 0) return r;
    z->curve = sn_zk_curve_of(q, q_len);
    if (!z->curve || fr_len != 32 || memcmp(fr, z->curve->fr->p.v, 32) != 0)
        return sn_fail(SN_E_UNIMPLEMENTED, ".zkey over a curve that is not known");
    r = take_sizes(&c, z);
    const struct sn_group *g1 = &z->curve->g1, *g2 = &z->curve->g2;
    if (r == 0) r = take_point(&c, g1, "alpha1", z->alpha1);
    if (r == 0) r = take_point(&c, g1, "beta1", z->beta1);
    if (r == 0) r = take_point(&c, g2, "beta2", z->beta2);
    if (r == 0) r = take_point(&c, g2, "gamma2", z->gamma2);
    if (r == 0) r = take_point(&c, g1, "delta1", z->delta1);
    if (r == 0) r = take_point(&c, g2, "delta2", z->delta2);
    if (r == 0 && c.p != c.end) r = sn_fail(SN_E_DATA_LOSS, ".zkey header is too long");
    return r;
}

static int take_array(const struct sn_bin *bin, unsigned id, size_t n, size_t size,
                      const uint8_t **ret)
{
    struct sn_str s;
    int r = sn_bin_section(bin, id, (uint64_t)n * size, ".zkey", &s);
    if (r == 0) *ret = (const uint8_t *)s.ptr;
    return r;
}

static int take_coefs(const struct sn_bin *bin, struct sn_zkey *z)
{
    struct sn_str s;
    int r = sn_bin_section(bin, 4, UINT64_MAX, ".zkey", &s);
    if (r < 0) return r;
    struct sn_cursor c = sn_cursor(s);
    z->n_coefs = sn_take32(&c);
    if (c.short_ || (uint64_t)z->n_coefs * SN_ZKEY_COEF_BYTES != (uint64_t)(c.end - c.p))
        return sn_fail(SN_E_DATA_LOSS, ".zkey section 4 of %zu bytes for %u coefficients", s.len,
                       z->n_coefs);
    z->coefs = c.p;
    z->coefs_sorted = true;
    uint32_t last = 0;
    for (uint32_t i = 0; i < z->n_coefs; i++) {
        const uint8_t *e = z->coefs + (size_t)i * SN_ZKEY_COEF_BYTES;
        struct sn_fe v;
        memcpy(v.v, e + 12, 32);
        if (sn_le32(e) > 1 || sn_le32(e + 4) >> z->domain_log || sn_le32(e + 8) >= z->n_vars ||
            sn_fe_cmp(&v, &z->curve->fr->p) >= 0)
            return sn_fail(SN_E_OUT_OF_RANGE, ".zkey coefficient %u", i);
        z->coefs_sorted &= last <= sn_le32(e + 4);
        last = sn_le32(e + 4);
    }
    return 0;
}

static int arrays(const struct sn_bin *bin, struct sn_zkey *z)
{
    size_t s1 = z->curve->g1.affine_size, s2 = z->curve->g2.affine_size;
    size_t n_private = (size_t)z->n_vars - z->n_public - 1;
    size_t n_ic = (size_t)z->n_public + 1, bad;
    const uint8_t *ic = NULL;
    int r = take_array(bin, 3, n_ic, s1, &ic);
    if (r == 0) r = take_array(bin, 5, z->n_vars, s1, &z->a);
    if (r == 0) r = take_array(bin, 6, z->n_vars, s1, &z->b1);
    if (r == 0) r = take_array(bin, 7, z->n_vars, s2, &z->b2);
    if (r == 0) r = take_array(bin, 8, n_private, s1, &z->c);
    if (r == 0) r = take_array(bin, 9, (size_t)1 << z->domain_log, s1, &z->h);
    if (r == 0 && !(z->ic = sn_alloc(n_ic * s1))) r = SN_E_NOMEM;
    if (r == 0) {
        memcpy(z->ic, ic, n_ic * s1);
        r = sn_affine_check_many(&z->curve->g1, z->ic, (size_t)z->n_public + 1, NULL, &bad);
        if (r < 0) r = sn_wrap(r, ".zkey IC[%zu]", bad);
    }
    return r;
}

int sn_zkey_open(struct sn_str file, struct sn_zkey *ret)
{
    struct sn_bin bin;
    struct sn_str s;
    struct sn_zkey z = {0};
    int r = sn_bin_open(file, "zkey", 1, ".zkey", &bin);
    if (r == 0) r = sn_bin_section(&bin, 1, 4, ".zkey", &s);
    if (r == 0 && sn_le32((const uint8_t *)s.ptr) != 1)
        r = sn_fail(SN_E_UNIMPLEMENTED, ".zkey of protocol %u, only 1 (Groth16)",
                    sn_le32((const uint8_t *)s.ptr));
    if (r == 0) r = sn_bin_section(&bin, 2, UINT64_MAX, ".zkey", &s);
    if (r == 0) r = header(s, &z);
    if (r == 0) r = take_coefs(&bin, &z);
    if (r == 0) r = arrays(&bin, &z);
    if (r < 0) {
        sn_zkey_done(&z);
        return r;
    }
    z.contributions = bin.section[10];
    *ret = z;
    return 0;
}

void sn_zkey_done(struct sn_zkey *z)
{
    sn_free(z->ic);
    *z = (struct sn_zkey){0};
}

int sn_zkey_check_points(const struct sn_zkey *z, const struct sn_par *par)
{
    const struct sn_group *g1 = &z->curve->g1, *g2 = &z->curve->g2;
    const struct {
        const char *name;
        const struct sn_group *g;
        const uint8_t *p;
        size_t n;
    } all[] = {
        {"A", g1, z->a, z->n_vars}, {"B1", g1, z->b1, z->n_vars}, {"B2", g2, z->b2, z->n_vars},
        {"C", g1, z->c, (size_t)z->n_vars - z->n_public - 1},
        {"H", g1, z->h, (size_t)1 << z->domain_log},
    };
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) {
        size_t bad;
        int r = sn_affine_check_many(all[i].g, all[i].p, all[i].n, par, &bad);
        if (r < 0) return sn_wrap(r, ".zkey %s[%zu]", all[i].name, bad);
    }
    return 0;
}

int sn_zkey_vkey(const struct sn_zkey *z, struct sn_groth_vkey *ret)
{
    struct sn_groth_vkey k = {.curve = z->curve, .n_public = z->n_public};
    size_t size = ((size_t)z->n_public + 1) * z->curve->g1.affine_size;
    k.ic = sn_alloc(size);
    if (!k.ic) return SN_E_NOMEM;
    memcpy(k.ic, z->ic, size);
    memcpy(k.alpha1, z->alpha1, sizeof(k.alpha1));
    memcpy(k.beta2, z->beta2, sizeof(k.beta2));
    memcpy(k.gamma2, z->gamma2, sizeof(k.gamma2));
    memcpy(k.delta2, z->delta2, sizeof(k.delta2));
    *ret = k;
    return 0;
}
