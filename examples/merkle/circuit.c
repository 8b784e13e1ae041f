/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "crypto/ntt.h"
#include "fiber/fiber.h"
#include "zk/par.h"
#include "zk/setup.h"

extern const unsigned char merkle_circom[];
extern const size_t merkle_circom_len;

static const struct sn_curve *const curve = &sn_bn254;
static const struct sn_field *const fr = &sn_bn254_fr;

static int random_bytes(void *out, size_t n) /* n <= 256 */
{
    ssize_t got = getrandom(out, n, 0);
    return got == (ssize_t)n ? 0 : sn_fail_errno(errno, "getrandom");
}
/* Montgomery; every element is as likely as any other. */
static int random_element(struct sn_fe *ret)
{
    struct sn_fe plain;
    int r;
    do {
        r = random_bytes(&plain, sizeof(plain));
        plain.v[3] &= UINT64_MAX >> (256 - fr->bits);
    } while (r >= 0 && sn_fe_cmp(&plain, &fr->p) >= 0);
    if (r >= 0) sn_fe_to_mont(fr, ret, &plain);
    sn_wipe(&plain, sizeof(plain));
    return r;
}

/* ---- the tree ---- */

int tree_init(struct tree *t, const struct poseidon *p)
{
    const struct sn_fe zero = {{0}};
    for (unsigned i = 0; i < TREE_MEMBERS; i++) {
        int r = random_element(&t->secret[i]);
        if (r < 0) return r;
        poseidon_hash(p, &t->secret[i], &zero, &t->node[TREE_MEMBERS + i]);
    }
    for (unsigned i = TREE_MEMBERS; --i > 0;)
        poseidon_hash(p, &t->node[2 * i], &t->node[2 * i + 1], &t->node[i]);
    return 0;
}

/* ---- the circuit ---- */

/* The compiler's files: the circuit, which is part of this program, and the constants. */
static int read_source(void *ctx, const char *path, struct sn_buf *ret)
{
    if (strcmp(path, "merkle.circom") == 0)
        return sn_buf_put(ret, merkle_circom, merkle_circom_len);
    if (strcmp(path, "constants.circom") == 0) return poseidon_circom(ctx, ret);
    return SN_E_NOT_FOUND;
}

int circuit_compile(struct circuit *c, const struct poseidon *p)
{
    struct sn_circom_opts o = {.read = read_source, .ctx = (void *)(uintptr_t)p};
    struct sn_r1cs plain;
    *c = (struct circuit){0};
    sn_buf_init(&c->key, 0);
    int64_t start = sn_now();
    int r = sn_circom_compile(&o, "merkle.circom", &c->compiled);
    if (r >= 0) r = sn_circom_r1cs(c->compiled, &plain);
    if (r < 0) return r;
    r = sn_r1cs_simplify(&plain, &(struct sn_simplify_opts){.level = 2}, &c->system, NULL);
    sn_r1cs_done(&plain);
    c->compile_ns = sn_now() - start;
    return r;
}

void circuit_done(struct circuit *c)
{
    sn_groth_vkey_done(&c->vkey);
    sn_zkey_done(&c->zkey);
    sn_buf_done(&c->key);
    sn_r1cs_done(&c->system);
    sn_circom_free(c->compiled);
}

/* ---- the setup ---- */

/* factor * (1, tau, tau^2, ...), n of them, times the generator; and for the transforms of every size
 * up to 2^log_max their Lagrange points, which whoever knows tau has without transforming points.
 * What the largest size lacks counts as zero. */
struct powers {
    struct sn_str points, lagrange;
};
static int times_generator(const struct sn_group *g, struct sn_fe *k, size_t n,
                           const struct sn_par *par, struct sn_str *ret)
{
    void *points = sn_zalloc(n, g->affine_size);
    if (!points) return SN_E_NOMEM;
    *ret = sn_str_of(points, n * g->affine_size);
    sn_fe_from_mont_many(fr, k, k, n);
    return sn_group_mul_fixed(g, points, g->generator, k, n, par);
}
static int transform_sizes(const struct sn_fe *k, unsigned log_max, struct sn_fe *ret)
{
    for (unsigned log = 0; log <= log_max; log++) {
        struct sn_ntt *t = NULL;
        struct sn_fe *to = ret + ((size_t)1 << log) - 1;
        memcpy(to, k, sizeof(*k) << log);
        int r = log ? sn_ntt_new(fr, log, &t) : 0;
        if (r >= 0 && log) r = sn_ntt_inverse(t, to, NULL);
        sn_ntt_free(t);
        if (r < 0) return r;
    }
    return 0;
}
static int make_powers(const struct sn_group *g, const struct sn_fe *factor,
                       const struct sn_fe *tau, size_t n, unsigned log_max,
                       const struct sn_par *par, struct powers *ret)
{
    size_t room = (size_t)1 << log_max, all = 2 * room - 1;
    struct sn_fe x = *factor, *k = sn_zalloc(room + all, sizeof(*k));
    int r = k ? 0 : SN_E_NOMEM;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        k[i] = x;
        sn_fe_mul(fr, &x, &x, tau);
    }
    if (r >= 0) r = transform_sizes(k, log_max, k + room);
    if (r >= 0) r = times_generator(g, k + room, all, par, &ret->lagrange);
    if (r >= 0) r = times_generator(g, k, n, par, &ret->points);
    if (k) sn_wipe(k, (room + all) * sizeof(*k));
    sn_free(k);
    return r;
}

enum { TAU1, TAU2, ALPHA1, BETA1, BETA2, SECTIONS };
static int powers_of_tau(unsigned power, const struct sn_par *par, struct powers s[SECTIONS],
                         struct sn_ptau *ret)
{
    const struct sn_group *g1 = &curve->g1, *g2 = &curve->g2;
    struct sn_fe tau, alpha, beta;
    size_t n = (size_t)1 << power;
    int r = random_element(&tau);
    if (r >= 0) r = random_element(&alpha);
    if (r >= 0) r = random_element(&beta);
    if (r >= 0) r = make_powers(g1, &fr->one, &tau, 2 * n - 1, power + 1, par, &s[TAU1]);
    if (r >= 0) r = make_powers(g2, &fr->one, &tau, n, power, par, &s[TAU2]);
    if (r >= 0) r = make_powers(g1, &alpha, &tau, n, power, par, &s[ALPHA1]);
    if (r >= 0) r = make_powers(g1, &beta, &tau, n, power, par, &s[BETA1]);
    if (r >= 0) r = make_powers(g2, &beta, &tau, 1, 0, par, &s[BETA2]);
    sn_wipe(&tau, sizeof(tau));
    sn_wipe(&alpha, sizeof(alpha));
    sn_wipe(&beta, sizeof(beta));
    *ret = (struct sn_ptau){.curve = curve,
                            .power = power,
                            .ceremony_power = power,
                            .tau1 = s[TAU1].points,
                            .tau2 = s[TAU2].points,
                            .alpha1 = s[ALPHA1].points,
                            .beta1 = s[BETA1].points,
                            .beta2 = s[BETA2].points,
                            .lagrange = {s[TAU1].lagrange, s[TAU2].lagrange, s[ALPHA1].lagrange,
                                         s[BETA1].lagrange}};
    return r;
}

/* A key with one contribution, whose secret is forgotten at once. */
static int make_key(struct circuit *c, const struct sn_ptau *p, const struct sn_par *par)
{
    struct sn_buf first SN_CLEANUP(sn_buf_done);
    uint8_t secret[64], hash[64];
    sn_buf_init(&first, 0);
    struct sn_zk_sink to_first = sn_zk_sink_buf(&first), to_key = sn_zk_sink_buf(&c->key);
    int r = sn_zkey_new(&c->system, p, par, &to_first);
    if (r >= 0) r = random_bytes(secret, sizeof(secret));
    struct sn_contribution_opts o = {.name = SN_STR("the tour"), .random = secret};
    if (r >= 0) r = sn_zkey_contribute(sn_buf_view(&first), &o, par, &to_key, hash);
    sn_wipe(secret, sizeof(secret));
    return r;
}

int circuit_setup(struct circuit *c)
{
    struct sn_par par = sn_par_workers();
    struct powers made[SECTIONS] = {0};
    struct sn_ptau p;
    unsigned power = 1;
    while (1u << power < c->system.n_rows + c->system.n_outputs + c->system.n_public + 1) power++;
    int64_t start = sn_now();
    int r = powers_of_tau(power, &par, made, &p);
    if (r >= 0) r = make_key(c, &p, &par);
    for (size_t i = 0; i < SECTIONS; i++) {
        sn_free((void *)(uintptr_t)made[i].points.ptr);
        sn_free((void *)(uintptr_t)made[i].lagrange.ptr);
    }
    if (r >= 0) r = sn_zkey_open(sn_buf_view(&c->key), &c->zkey);
    if (r >= 0) r = sn_zkey_vkey(&c->zkey, &c->vkey);
    c->setup_ns = sn_now() - start;
    return r < 0 ? sn_wrap(r, "setup") : 0;
}

/* ---- a proof ---- */

/* The inputs by name: the secret, and from the leaf to the root each sibling and its side. */
static void put_inputs(const struct sn_witness_prog *p, const struct tree *t, unsigned member,
                       struct sn_fe *inputs)
{
    size_t n;
    uint32_t first;
    const struct sn_witness_shape *shapes = sn_witness_inputs(p, &n);
    (void)sn_witness_n_inputs(p, &first);
    for (size_t i = 0; i < n; i++) {
        struct sn_fe *to = inputs + shapes[i].label - first;
        unsigned at = TREE_MEMBERS + member;
        if (sn_str_eqc(shapes[i].name, "secret")) *to = t->secret[member];
        for (unsigned k = 0; k < TREE_DEPTH; k++, at /= 2) {
            if (sn_str_eqc(shapes[i].name, "sibling")) to[k] = t->node[at ^ 1];
            if (sn_str_eqc(shapes[i].name, "side")) sn_fe_set_u64(fr, &to[k], at & 1);
        }
    }
}

/* Of all signals, those that the simplified constraints still have. */
static int make_witness(const struct circuit *c, const struct tree *t, unsigned member,
                        struct sn_fe *ret)
{
    const struct sn_witness_prog *p = sn_circom_witness(c->compiled);
    uint64_t n = sn_witness_n_labels(p);
    struct sn_fe inputs[1 + 2 * TREE_DEPTH];
    struct sn_fe *labels = sn_zalloc(n, sizeof(*labels));
    uint32_t first;
    if (!labels) return SN_E_NOMEM;
    SN_ASSERT(sn_witness_n_inputs(p, &first) == SN_COUNT_OF(inputs));
    put_inputs(p, t, member, inputs);
    int r = sn_witness_run(p, inputs, NULL, labels);
    for (uint32_t w = 0; r >= 0 && w < c->system.n_wires; w++)
        ret[w] = labels[c->system.label_of ? c->system.label_of[w] : w];
    sn_wipe(inputs, sizeof(inputs));
    sn_wipe(labels, n * sizeof(*labels));
    sn_free(labels);
    return r;
}

static int check(const struct circuit *c, struct proved *p)
{
    struct sn_fe other;
    int64_t start = sn_now();
    int r = sn_groth_verify(&c->vkey, &p->proof, &p->root, 1);
    p->verify_ns = sn_now() - start;
    if (r < 0 && r != SN_E_FAILED_PRECONDITION) return r;
    p->verified = r == 0;
    sn_fe_add(fr, &other, &p->root, &fr->one);
    r = sn_groth_verify(&c->vkey, &p->proof, &other, 1);
    if (r < 0 && r != SN_E_FAILED_PRECONDITION) return r;
    p->refused = r == SN_E_FAILED_PRECONDITION;
    return 0;
}

int circuit_prove(const struct circuit *c, const struct tree *t, unsigned member,
                  struct proved *ret)
{
    struct sn_par par = sn_par_workers();
    uint8_t random[SN_GROTH_RANDOM_BYTES];
    size_t n = c->system.n_wires;
    struct sn_fe *w = sn_zalloc(n, sizeof(*w));
    if (!w) return SN_E_NOMEM;
    int64_t start = sn_now();
    int r = make_witness(c, t, member, w);
    int64_t between = sn_now();
    if (r >= 0) r = random_bytes(random, sizeof(random));
    if (r >= 0) r = sn_groth_prove(&c->zkey, w, n, random, &par, &ret->proof);
    ret->witness_ns = between - start;
    ret->prove_ns = sn_now() - between;
    ret->root = w[1];
    sn_wipe(random, sizeof(random));
    sn_wipe(w, n * sizeof(*w));
    sn_free(w);
    if (r >= 0 && !sn_fe_equal(&ret->root, &t->node[1]))
        r = sn_fail(SN_E_INTERNAL, "the circuit's root is not the tree's");
    return r < 0 ? r : check(c, ret);
}
