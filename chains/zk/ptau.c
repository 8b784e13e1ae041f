/* SPDX-License-Identifier: Apache-2.0 */
/* zk/ptau.c - powers-of-tau files. Sections: 1 header, 2 tau in G1 (2^(p+1) - 1 points), 3 tau in G2
 * (2^p), 4 alpha*tau, 5 beta*tau (2^p each), 6 beta in G2, 7 contributions; prepared files also
 * 12-15, the Lagrange points of 2-5 for every power from 2^0, 12 to one power more. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/ntt.h"
#include "zk/setup_int.h"
#include "zk/zkey_int.h"

static int header(struct sn_str text, struct sn_ptau *p)
{
    struct sn_cursor c = sn_cursor(text);
    uint32_t n8 = sn_take32(&c);
    const uint8_t *q = n8 <= 64 ? sn_take(&c, n8) : NULL;
    p->power = sn_take32(&c);
    p->ceremony_power = sn_take32(&c);
    if (!q || c.short_ || c.p != c.end)
        return sn_fail(SN_E_DATA_LOSS, ".ptau header of %zu bytes, which is not its length",
                       text.len);
    p->curve = sn_zk_curve_of(q, n8);
    if (!p->curve) return sn_fail(SN_E_UNIMPLEMENTED, ".ptau over a curve that is not known");
    if (p->power < 1 || p->power > SN_PTAU_POWER_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, ".ptau of 2^%u powers, expected 2^1 to 2^%u", p->power,
                       SN_PTAU_POWER_MAX);
    return 0;
}

static int lagrange(const struct sn_bin *bin, struct sn_ptau *p)
{
    uint64_t n = (uint64_t)2 << p->power;
    uint64_t s1 = p->curve->g1.affine_size, s2 = p->curve->g2.affine_size;
    uint64_t sizes[4] = {(2 * n - 1) * s1, (n - 1) * s2, (n - 1) * s1, (n - 1) * s1};
    for (unsigned i = 0; i < 4; i++) {
        int r = sn_bin_section(bin, 12 + i, sizes[i], ".ptau", &p->lagrange[i]);
        if (r < 0) return r;
    }
    return 0;
}

int sn_ptau_open(struct sn_str file, struct sn_ptau *ret)
{
    struct sn_bin bin;
    struct sn_str s;
    struct sn_ptau p = {0};
    int r = sn_bin_open(file, "ptau", 1, ".ptau", &bin);
    if (r == 0) r = sn_bin_section(&bin, 1, UINT64_MAX, ".ptau", &s);
    if (r == 0) r = header(s, &p);
    if (r < 0) return r;
    uint64_t n = (uint64_t)1 << p.power;
    uint64_t s1 = p.curve->g1.affine_size, s2 = p.curve->g2.affine_size;
    r = sn_bin_section(&bin, 2, (2 * n - 1) * s1, ".ptau", &p.tau1);
    if (r == 0) r = sn_bin_section(&bin, 3, n * s2, ".ptau", &p.tau2);
    if (r == 0) r = sn_bin_section(&bin, 4, n * s1, ".ptau", &p.alpha1);
    if (r == 0) r = sn_bin_section(&bin, 5, n * s1, ".ptau", &p.beta1);
    if (r == 0) r = sn_bin_section(&bin, 6, s2, ".ptau", &p.beta2);
    if (r == 0) r = sn_bin_section(&bin, 7, UINT64_MAX, ".ptau", &p.contributions);
    if (r == 0 && bin.section[12].ptr) r = lagrange(&bin, &p);
    if (r == 0) *ret = p;
    return r;
}

void sn_ptau_put_header(struct sn_out *o, const struct sn_curve *c, unsigned power,
                        unsigned ceremony_power)
{
    sn_out_section(o, 1, 4 + c->q_size + 8);
    sn_out_u32(o, (uint32_t)c->q_size);
    sn_out_put(o, c->q_le, c->q_size);
    sn_out_u32(o, power);
    sn_out_u32(o, ceremony_power);
}

static void put_repeated(struct sn_out *o, uint32_t id, const struct sn_group *g, uint64_t n)
{
    sn_out_section(o, id, n * g->affine_size);
    for (uint64_t i = 0; i < n && o->err == 0; i++) sn_out_put(o, g->generator, g->affine_size);
}

int sn_ptau_new(const struct sn_curve *c, unsigned power, const struct sn_par *par,
                const struct sn_zk_sink *sink)
{
    struct sn_out o;
    if (power < 1 || power > SN_PTAU_POWER_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, "a power of %u, expected 1 to %u", power,
                       SN_PTAU_POWER_MAX);
    int r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    uint64_t n = (uint64_t)1 << power;
    sn_out_header(&o, "ptau", 1, 7);
    sn_ptau_put_header(&o, c, power, power);
    put_repeated(&o, 2, &c->g1, 2 * n - 1);
    put_repeated(&o, 3, &c->g2, n);
    put_repeated(&o, 4, &c->g1, n);
    put_repeated(&o, 5, &c->g1, n);
    put_repeated(&o, 6, &c->g2, 1);
    sn_out_section(&o, 7, 4);
    sn_out_u32(&o, 0);
    return sn_out_end(&o);
}

/* ---- preparing ------------------------------------------------------------------------------- */

struct lagrange_sink {
    struct sn_out *out;
    size_t affine_size;
};
static int put_points(void *ctx, const void *affine, size_t n)
{
    const struct lagrange_sink *s = ctx;
    sn_out_put(s->out, affine, n * s->affine_size);
    return s->out->err;
}
/* Lagrange points of every power 0..log_max of one section, in a row; beyond the section's points
 * come infinities (the one power tau's section is short of). */
static int put_lagrange(struct sn_out *o, uint32_t id, const struct sn_group *g, struct sn_str s,
                        unsigned log_max, const struct sn_par *par)
{
    size_t size = g->affine_size, bytes = ((size_t)1 << log_max) * size;
    uint8_t *points SN_CLEANUP(sn_freep) = sn_alloc(bytes);
    if (!points) return SN_E_NOMEM;
    memcpy(points, s.ptr, SN_MIN(bytes, s.len));
    if (bytes > s.len) memset(points + s.len, 0, bytes - s.len);
    sn_out_section(o, id, 2 * bytes - size);
    return sn_lagrange_points(g, log_max, points, par, put_points,
                              &(struct lagrange_sink){o, size});
}

/* Points that are none would make the transform's answer meaningless. */
static int check_section(const struct sn_group *g, const char *name, struct sn_str s,
                         const struct sn_par *par)
{
    size_t bad;
    uint8_t *copy SN_CLEANUP(sn_freep) = sn_alloc(s.len);
    if (!copy) return SN_E_NOMEM;
    memcpy(copy, s.ptr, s.len);
    int r = sn_affine_check_many(g, copy, s.len / g->affine_size, par, &bad);
    return r < 0 ? sn_wrap(r, ".ptau %s[%zu]", name, bad) : 0;
}

int sn_ptau_prepare(const struct sn_ptau *p, const struct sn_par *par,
                    const struct sn_zk_sink *sink)
{
    const struct sn_group *g1 = &p->curve->g1, *g2 = &p->curve->g2;
    struct sn_out o;
    int r = check_section(g1, "tau1", p->tau1, par);
    if (r == 0) r = check_section(g2, "tau2", p->tau2, par);
    if (r == 0) r = check_section(g1, "alpha1", p->alpha1, par);
    if (r == 0) r = check_section(g1, "beta1", p->beta1, par);
    if (r == 0) r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    sn_out_header(&o, "ptau", 1, 11);
    sn_ptau_put_header(&o, p->curve, p->power, p->ceremony_power);
    const struct sn_str *same[] = {&p->tau1, &p->tau2, &p->alpha1, &p->beta1, &p->beta2,
                                   &p->contributions};
    for (uint32_t i = 0; i < SN_COUNT_OF(same); i++) {
        sn_out_section(&o, 2 + i, same[i]->len);
        sn_out_put(&o, same[i]->ptr, same[i]->len);
    }
    r = put_lagrange(&o, 12, g1, p->tau1, p->power + 1, par);
    if (r == 0) r = put_lagrange(&o, 13, g2, p->tau2, p->power, par);
    if (r == 0) r = put_lagrange(&o, 14, g1, p->alpha1, p->power, par);
    if (r == 0) r = put_lagrange(&o, 15, g1, p->beta1, p->power, par);
    int end = sn_out_end(&o);
    return r < 0 ? r : end;
}
