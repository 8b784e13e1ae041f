/* SPDX-License-Identifier: Apache-2.0 */
/* zk/groth_json.c - verification_key.json, proof.json, public.json and the Solidity call. */
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/pairing.h"
#include "wire/json.h"
#include "zk/groth16.h"

/* ---- reading --------------------------------------------------------------------------------- */

/* Numbers come as decimal strings; snarkjs also takes bare integers. */
static struct sn_str number_text(const struct sn_json *v, char out[24])
{
    int64_t i;
    if (sn_json_is(v, SN_JSON_STRING)) return sn_json_str(v);
    if (sn_json_is(v, SN_JSON_BIGINT)) return sn_str_of(v->str, v->len);
    if (sn_json_to_i64(v, &i) < 0 || i < 0) return (struct sn_str){0};
    struct sn_buf b;
    sn_buf_init_fixed(&b, out, 24);
    (void)sn_buf_i64(&b, i);
    return sn_buf_view(&b);
}

static bool is_text(const struct sn_json *v, const char *want)
{
    char buf[24];
    return sn_str_eqc(number_text(v, buf), want);
}

/* One base field coordinate: a number in G1, a pair in G2. */
static const struct sn_json *coordinate(const struct sn_json *v, bool g2, unsigned part)
{
    return g2 ? sn_json_at(v, part) : v;
}

static int read_point(const struct sn_group *g, const struct sn_json *v, const char *name, void *ret)
{
    bool g2 = g->coord_size != g->q_size;
    unsigned parts = g2 ? 2 : 1;
    uint64_t p[SN_AFFINE_MAX / 8] = {0};
    if (sn_json_len(v) != 3) return sn_fail(SN_E_SYNTAX, "%s: expected a point of three", name);
    for (unsigned k = 0; k < 3 && g2; k++)
        if (sn_json_len(sn_json_at(v, k)) != 2)
            return sn_fail(SN_E_SYNTAX, "%s: expected pairs of numbers", name);
    const struct sn_json *z = sn_json_at(v, 2);
    bool z_low = !g2 || is_text(coordinate(z, g2, 1), "0");
    bool one = z_low && is_text(coordinate(z, g2, 0), "1");
    if (!one && !(z_low && is_text(coordinate(z, g2, 0), "0")))
        return sn_fail(SN_E_SYNTAX, "%s: the third coordinate must be 1, or 0 at infinity", name);
    for (unsigned i = 0; i < 2 * parts && one; i++) {
        char buf[24];
        const struct sn_json *c = coordinate(sn_json_at(v, i / parts), g2, i % parts);
        int r = sn_affine_set_dec(g, p, i, number_text(c, buf));
        if (r < 0) return sn_fail(r, "%s: a coordinate that is no number below the prime", name);
    }
    int r = sn_affine_check(g, p);
    if (r < 0) return sn_wrap(r, "%s", name);
    memcpy(ret, p, g->affine_size);
    return 0;
}

static int read_curve(const struct sn_json *v, const struct sn_curve **ret)
{
    struct sn_str protocol = sn_json_str(sn_json_get(v, "protocol"));
    struct sn_str curve = sn_json_str(sn_json_get(v, "curve"));
    if (!sn_str_eqc(protocol, "groth16"))
        return sn_fail(SN_E_SYNTAX, "protocol: expected \"groth16\", got \"%.*s\"",
                       SN_STR_ARG(protocol));
    /* snarkjs itself leaves the curve out of some proofs: then it is BN254. */
    if (!curve.ptr || sn_str_eqc(curve, "bn128") || sn_str_eqc(curve, "bn254"))
        *ret = &sn_bn254;
    else if (sn_str_eqc(curve, "bls12381"))
        *ret = &sn_bls12_381;
    else
        return sn_fail(SN_E_UNIMPLEMENTED, "curve \"%.*s\"", SN_STR_ARG(curve));
    return 0;
}

static int vkey_ic(const struct sn_json *v, struct sn_groth_vkey *k)
{
    const struct sn_group *g = &k->curve->g1;
    const struct sn_json *ic = sn_json_get(v, "IC");
    if (sn_json_len(ic) != (size_t)k->n_public + 1)
        return sn_fail(SN_E_SYNTAX, "IC: expected %u points, got %zu", k->n_public + 1,
                       sn_json_len(ic));
    k->ic = sn_alloc(((size_t)k->n_public + 1) * g->affine_size);
    if (!k->ic) return SN_E_NOMEM;
    for (uint32_t i = 0; i <= k->n_public; i++) {
        int r = read_point(g, sn_json_at(ic, i), "IC", k->ic + (size_t)i * g->affine_size);
        if (r < 0) return sn_wrap(r, "IC[%u]", i);
    }
    return 0;
}

static int vkey_of_json(const struct sn_json *v, struct sn_groth_vkey *k)
{
    uint64_t n;
    int r = read_curve(v, &k->curve);
    if (r < 0) return r;
    if (sn_json_to_u64(sn_json_get(v, "nPublic"), &n) < 0)
        return sn_fail(SN_E_SYNTAX, "nPublic: expected a number");
    if (n > SN_GROTH_PUBLIC_MAX)
        return sn_fail(SN_E_TOO_LARGE, "nPublic: more than %u", SN_GROTH_PUBLIC_MAX);
    k->n_public = (uint32_t)n;
    const struct sn_curve *c = k->curve;
    r = read_point(&c->g1, sn_json_get(v, "vk_alpha_1"), "vk_alpha_1", k->alpha1);
    if (r == 0) r = read_point(&c->g2, sn_json_get(v, "vk_beta_2"), "vk_beta_2", k->beta2);
    if (r == 0) r = read_point(&c->g2, sn_json_get(v, "vk_gamma_2"), "vk_gamma_2", k->gamma2);
    if (r == 0) r = read_point(&c->g2, sn_json_get(v, "vk_delta_2"), "vk_delta_2", k->delta2);
    return r == 0 ? vkey_ic(v, k) : r;
}

int sn_groth_vkey_read_json(struct sn_str text, struct sn_groth_vkey *ret)
{
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_groth_vkey k = {0};
    sn_arena_init(&a, NULL, 0);
    int r = sn_json_parse(&a, text, NULL, &v);
    if (r == 0) r = vkey_of_json(v, &k);
    sn_arena_done(&a);
    if (r < 0)
        sn_groth_vkey_done(&k);
    else
        *ret = k;
    return r;
}

int sn_groth_proof_read_json(struct sn_str text, struct sn_groth_proof *ret)
{
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_groth_proof p = {0};
    sn_arena_init(&a, NULL, 0);
    int r = sn_json_parse(&a, text, NULL, &v);
    if (r == 0) r = read_curve(v, &p.curve);
    if (r == 0) r = read_point(&p.curve->g1, sn_json_get(v, "pi_a"), "pi_a", p.a);
    if (r == 0) r = read_point(&p.curve->g2, sn_json_get(v, "pi_b"), "pi_b", p.b);
    if (r == 0) r = read_point(&p.curve->g1, sn_json_get(v, "pi_c"), "pi_c", p.c);
    sn_arena_done(&a);
    if (r == 0) *ret = p;
    return r;
}

static int public_of_json(const struct sn_field *fr, const struct sn_json *v, struct sn_fe *w)
{
    for (size_t i = 0; i < sn_json_len(v); i++) {
        char buf[24];
        int r = sn_fe_from_dec(fr, &w[i], number_text(sn_json_at(v, i), buf));
        if (r < 0) return sn_fail(r, "public signal %zu: expected a number below the prime", i);
    }
    return 0;
}

int sn_groth_public_read_json(const struct sn_field *fr, struct sn_str text, struct sn_fe **ret,
                              size_t *ret_n)
{
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_fe *w = NULL;
    sn_arena_init(&a, NULL, 0);
    int r = sn_json_parse(&a, text, NULL, &v);
    if (r == 0 && !sn_json_is(v, SN_JSON_ARRAY))
        r = sn_fail(SN_E_SYNTAX, "expected an array of numbers");
    size_t n = r == 0 ? sn_json_len(v) : 0;
    if (r == 0 && n > SN_GROTH_PUBLIC_MAX) r = sn_fail(SN_E_TOO_LARGE, "%zu public signals", n);
    if (r == 0) {
        w = sn_alloc((n + 1) * sizeof(*w));
        r = w ? public_of_json(fr, v, w) : SN_E_NOMEM;
    }
    sn_arena_done(&a);
    if (r < 0) {
        sn_free(w);
        return r;
    }
    *ret = w;
    *ret_n = n;
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_coordinate(struct sn_jsonw *j, const struct sn_group *g, const void *p, unsigned i)
{
    char dec[SN_FE_DEC_MAX];
    size_t n = sn_affine_get_dec(g, p, i, dec);
    sn_jsonw_str(j, sn_str_of(dec, n));
}

static void put_point(struct sn_jsonw *j, const struct sn_group *g, const void *p)
{
    bool g2 = g->coord_size != g->q_size, zero = sn_affine_is_zero(g, p);
    sn_jsonw_array(j);
    for (unsigned k = 0; k < 3; k++) {
        if (g2) sn_jsonw_array(j);
        for (unsigned part = 0; part < (g2 ? 2u : 1u); part++) {
            /* Infinity is (0 : 1 : 0). */
            bool one = part == 0 && (k == 2 ? !zero : k == 1 && zero);
            if (k == 2 || zero)
                sn_jsonw_str(j, one ? SN_STR("1") : SN_STR("0"));
            else
                put_coordinate(j, g, p, g2 ? 2 * k + part : k);
        }
        if (g2) sn_jsonw_array_end(j);
    }
    sn_jsonw_array_end(j);
}

static void put_named(struct sn_jsonw *j, const struct sn_group *g, const char *name, const void *p)
{
    sn_jsonw_key(j, sn_str(name));
    put_point(j, g, p);
}

static const char *curve_name(const struct sn_curve *c)
{
    return c == &sn_bn254 ? "bn128" : "bls12381";
}

/* snarkjs' BN254 pairing leaves out a division in the final exponentiation: it is ours to the power
 * 2x(6x^2 + 3x + 1), x the curve's parameter. No verifier reads the value; files compare equal. */
static const struct sn_fe bn254_power = {
    {0x2e5d4e223ddedaf4, 0x1ea96b02d9d9e38d, 0x3bec47df15e307c8, 0}};

static void put_alphabeta(struct sn_jsonw *j, const struct sn_groth_vkey *k)
{
    struct sn_gt gt;
    const void *p = k->alpha1, *q = k->beta2;
    sn_pairing(k->curve, &gt, &p, &q, 1);
    if (k->curve == &sn_bn254) sn_gt_pow(k->curve, &gt, &gt, &bn254_power);
    sn_jsonw_key(j, SN_STR("vk_alphabeta_12"));
    sn_jsonw_array(j);
    for (unsigned i = 0; i < 12; i++) {
        char dec[SN_FE_DEC_MAX];
        if (i % 6 == 0) sn_jsonw_array(j);
        if (i % 2 == 0) sn_jsonw_array(j);
        size_t n = sn_gt_get_dec(k->curve, &gt, i, dec);
        sn_jsonw_str(j, sn_str_of(dec, n));
        if (i % 2 == 1) sn_jsonw_array_end(j);
        if (i % 6 == 5) sn_jsonw_array_end(j);
    }
    sn_jsonw_array_end(j);
}

int sn_groth_vkey_write_json(const struct sn_groth_vkey *k, struct sn_buf *out)
{
    struct sn_jsonw j;
    const struct sn_group *g1 = &k->curve->g1, *g2 = &k->curve->g2;
    sn_jsonw_init(&j, out, &(struct sn_json_style){.indent = 1});
    sn_jsonw_object(&j);
    sn_jsonw_key(&j, SN_STR("protocol"));
    sn_jsonw_str(&j, SN_STR("groth16"));
    sn_jsonw_key(&j, SN_STR("curve"));
    sn_jsonw_str(&j, sn_str(curve_name(k->curve)));
    sn_jsonw_key(&j, SN_STR("nPublic"));
    sn_jsonw_u64(&j, k->n_public);
    put_named(&j, g1, "vk_alpha_1", k->alpha1);
    put_named(&j, g2, "vk_beta_2", k->beta2);
    put_named(&j, g2, "vk_gamma_2", k->gamma2);
    put_named(&j, g2, "vk_delta_2", k->delta2);
    put_alphabeta(&j, k);
    sn_jsonw_key(&j, SN_STR("IC"));
    sn_jsonw_array(&j);
    for (uint32_t i = 0; i <= k->n_public; i++) put_point(&j, g1, k->ic + i * g1->affine_size);
    sn_jsonw_array_end(&j);
    sn_jsonw_object_end(&j);
    return out->err;
}

int sn_groth_proof_write_json(const struct sn_groth_proof *p, struct sn_buf *out)
{
    struct sn_jsonw j;
    sn_jsonw_init(&j, out, &(struct sn_json_style){.indent = 1});
    sn_jsonw_object(&j);
    put_named(&j, &p->curve->g1, "pi_a", p->a);
    put_named(&j, &p->curve->g2, "pi_b", p->b);
    put_named(&j, &p->curve->g1, "pi_c", p->c);
    sn_jsonw_key(&j, SN_STR("protocol"));
    sn_jsonw_str(&j, SN_STR("groth16"));
    sn_jsonw_key(&j, SN_STR("curve"));
    sn_jsonw_str(&j, sn_str(curve_name(p->curve)));
    sn_jsonw_object_end(&j);
    return out->err;
}

int sn_groth_public_write_json(const struct sn_field *fr, const struct sn_fe *w, size_t n,
                               struct sn_buf *out)
{
    struct sn_jsonw j;
    sn_jsonw_init(&j, out, &(struct sn_json_style){.indent = 1});
    sn_jsonw_array(&j);
    for (size_t i = 0; i < n; i++) {
        char dec[SN_FE_DEC_MAX];
        size_t len = sn_fe_to_dec(fr, &w[i], dec);
        sn_jsonw_str(&j, sn_str_of(dec, len));
    }
    sn_jsonw_array_end(&j);
    return out->err;
}

/* ---- the call of the exported contract ------------------------------------------------------- */

static void put_word(struct sn_buf *out, const uint8_t le[32])
{
    uint8_t be[32];
    for (int i = 0; i < 32; i++) be[i] = le[31 - i];
    (void)sn_buf_cstr(out, "\"0x");
    (void)sn_buf_hex(out, be, 32);
    (void)sn_buf_byte(out, '"');
}

static void put_coordinates(struct sn_buf *out, const struct sn_group *g, const void *p,
                            const unsigned order[2])
{
    (void)sn_buf_byte(out, '[');
    for (int i = 0; i < 2; i++) {
        uint8_t le[SN_FQ_BYTES_MAX];
        sn_affine_get_le(g, p, order[i], le);
        if (i) (void)sn_buf_cstr(out, ", ");
        put_word(out, le);
    }
    (void)sn_buf_byte(out, ']');
}

int sn_groth_calldata(const struct sn_groth_proof *p, const struct sn_fe *pub, size_t n,
                      struct sn_buf *out)
{
    /* EIP-197 puts the imaginary part of an Fq2 coordinate first. */
    static const unsigned plain[2] = {0, 1}, x2[2] = {1, 0}, y2[2] = {3, 2};
    const struct sn_curve *c = p->curve;
    if (c != &sn_bn254)
        return sn_fail(SN_E_UNIMPLEMENTED, "contracts verify proofs over bn254, not %s", c->name);
    put_coordinates(out, &c->g1, p->a, plain);
    (void)sn_buf_cstr(out, ",[");
    put_coordinates(out, &c->g2, p->b, x2);
    (void)sn_buf_cstr(out, ",");
    put_coordinates(out, &c->g2, p->b, y2);
    (void)sn_buf_cstr(out, "],");
    put_coordinates(out, &c->g1, p->c, plain);
    (void)sn_buf_cstr(out, ",[");
    for (size_t i = 0; i < n; i++) {
        uint8_t le[32];
        sn_fe_to_bytes_le(c->fr, le, &pub[i]);
        if (i) (void)sn_buf_byte(out, ',');
        put_word(out, le);
    }
    return sn_buf_byte(out, ']');
}
