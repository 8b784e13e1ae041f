/* SPDX-License-Identifier: Apache-2.0 */
/* examples/membership - a circuit defined in C: "I know a leaf of the tree with this root".
 *
 *   membership [DEPTH [POWERS.ptau]]
 *
 * Builds the circuit, solves it for a tree of random siblings, checks that a wrong leaf is refused,
 * and with prepared powers of tau makes a key, a Groth16 proof, and verifies both the proof and that
 * it is none for another root. Public: the root. Secret: the leaf and where it stands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "merkle/poseidon.h"
#include "zk/build.h"
#include "zk/setup.h"

#define DEPTH_MAX 32u

struct tree {
    struct poseidon hash;
    unsigned depth;
    struct sn_circuit *circuit;
    struct sn_r1cs sys;   /* simplified */
    struct sn_fe *inputs; /* leaf, then sibling and side of each level */
    struct sn_fe *wires;  /* of sys */
    struct sn_fe root;
};

/* ---- the circuit ----------------------------------------------------------------------------- */

static bool is_full(unsigned r)
{
    return r < POSEIDON_FULL / 2 || r >= POSEIDON_FULL / 2 + POSEIDON_PARTIAL;
}

static struct sn_lin build_fifth_power(struct sn_build *c, struct sn_lin x)
{
    struct sn_lin two = sn_build_mul(c, x, x);
    return sn_build_mul(c, sn_build_mul(c, two, two), x);
}

static struct sn_lin build_hash(const struct poseidon *p, struct sn_build *c, struct sn_lin a,
                                struct sn_lin b)
{
    struct sn_lin s[POSEIDON_WIDTH] = {{0}, a, b}, next[POSEIDON_WIDTH];
    for (unsigned r = 0; r < POSEIDON_ROUNDS; r++) {
        for (unsigned i = 0; i < POSEIDON_WIDTH; i++) {
            s[i] = sn_build_add(c, s[i], sn_build_const(c, &p->round[r][i]));
            if (i == 0 || is_full(r)) s[i] = build_fifth_power(c, s[i]);
        }
        for (unsigned i = 0; i < POSEIDON_WIDTH; i++) {
            next[i] = sn_build_scale(c, s[0], &p->mix[i][0]);
            for (unsigned j = 1; j < POSEIDON_WIDTH; j++)
                next[i] = sn_build_add(c, next[i], sn_build_scale(c, s[j], &p->mix[i][j]));
        }
        memcpy(s, next, sizeof(s));
    }
    return s[0];
}

static int define(struct tree *t)
{
    struct sn_build *b = sn_build_new(&sn_bn254_fr);
    if (!b) return SN_E_NOMEM;
    struct sn_lin node = sn_build_private(b, "leaf");
    for (unsigned i = 0; i < t->depth; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "level%u", i);
        sn_build_scope(b, name);
        struct sn_lin sibling = sn_build_private(b, "sibling"), side = sn_build_private(b, "side");
        sn_build_bool(b, side);
        /* side 1: the node is the right child. The other child is what remains of the sum. */
        struct sn_lin left = sn_build_select(b, side, sibling, node);
        struct sn_lin right = sn_build_sub(b, sn_build_add(b, node, sibling), left);
        node = build_hash(&t->hash, b, left, right);
        sn_build_scope_end(b);
    }
    sn_build_output(b, "root", node);
    int r = sn_build_finish(b, &t->circuit);
    struct sn_simplify_stats st;
    if (r == 0)
        r = sn_r1cs_simplify(sn_circuit_r1cs(t->circuit), &(struct sn_simplify_opts){.level = 2},
                             &t->sys, &st);
    if (r == 0)
        printf("depth %u: %u constraints, %u wires; simplified %u and %u\n", t->depth, st.rows_before,
               st.wires_before, st.rows_after, st.wires_after);
    return r;
}

/* ---- a witness ------------------------------------------------------------------------------- */

static int random_fe(const struct sn_field *f, struct sn_fe *ret)
{
    struct sn_fe plain;
    if (getrandom(&plain, sizeof(plain), 0) != sizeof(plain)) return sn_fail(SN_E_IO, "random bytes");
    sn_fe_reduce(f, &plain, &plain);
    sn_fe_to_mont(f, ret, &plain);
    return 0;
}

static int solve(struct tree *t)
{
    const struct sn_field *f = &sn_bn254_fr;
    const struct sn_r1cs *full = sn_circuit_r1cs(t->circuit);
    struct sn_fe *all = SN_NEW_ARRAY(struct sn_fe, full->n_wires), node;
    t->inputs = SN_NEW_ARRAY(struct sn_fe, sn_circuit_n_inputs(t->circuit));
    t->wires = SN_NEW_ARRAY(struct sn_fe, t->sys.n_wires);
    int r = all && t->inputs && t->wires ? random_fe(f, &t->inputs[0]) : SN_E_NOMEM;
    if (r == 0) node = t->inputs[0];
    for (unsigned i = 0; i < t->depth && r == 0; i++) {
        struct sn_fe *sibling = &t->inputs[1 + 2 * i], *side = sibling + 1;
        if ((r = random_fe(f, sibling)) < 0) break;
        bool right = sibling->v[0] & 1;
        sn_fe_set_u64(f, side, right);
        poseidon_hash(&t->hash, right ? sibling : &node, right ? &node : sibling, &node);
    }
    if (r == 0) r = sn_circuit_solve(t->circuit, t->inputs, all);
    if (r == 0) {
        t->root = node;
        for (uint32_t w = 0; w < t->sys.n_wires; w++) t->wires[w] = all[t->sys.label_of[w]];
        if (!sn_fe_equal(&all[1], &node)) r = sn_fail(SN_E_INTERNAL, "another root than the tree's");
    }
    if (r == 0) {
        uint32_t row;
        struct sn_fe side = t->inputs[2];
        r = sn_r1cs_check(&t->sys, t->wires, NULL, &row);
        /* Two is no side. */
        sn_fe_set_u64(f, &t->inputs[2], 2);
        if (r == 0 && sn_circuit_solve(t->circuit, t->inputs, all) != SN_E_FAILED_PRECONDITION)
            r = sn_fail(SN_E_INTERNAL, "a wrong witness passes");
        t->inputs[2] = side;
    }
    sn_free(all);
    return r;
}

/* ---- a proof --------------------------------------------------------------------------------- */

static int prove(const struct tree *t, const struct sn_zkey *z)
{
    uint8_t random[SN_GROTH_RANDOM_BYTES];
    struct sn_groth_proof proof;
    struct sn_groth_vkey key;
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return sn_fail(SN_E_IO, "random bytes");
    int r = sn_groth_prove(z, t->wires, t->sys.n_wires, random, NULL, &proof);
    sn_wipe(random, sizeof(random));
    if (r < 0 || (r = sn_zkey_vkey(z, &key)) < 0) return r;
    r = sn_groth_verify(&key, &proof, &t->root, 1);
    if (r == SN_E_FAILED_PRECONDITION) r = sn_fail(r, "the proof does not verify");
    struct sn_fe other;
    sn_fe_add(&sn_bn254_fr, &other, &t->root, &sn_bn254_fr.one);
    if (r == 0 && sn_groth_verify(&key, &proof, &other, 1) != SN_E_FAILED_PRECONDITION)
        r = sn_fail(SN_E_INTERNAL, "the proof verifies for another root");
    sn_groth_vkey_done(&key);
    if (r == 0) printf("proof verified\n");
    return r;
}

static int read_file(const char *path, struct sn_buf *ret)
{
    char block[65536];
    FILE *f = fopen(path, "rb");
    if (!f) return sn_fail(SN_E_NOT_FOUND, "%s", path);
    for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;) (void)sn_buf_put(ret, block, n);
    fclose(f);
    return ret->err;
}

static int prove_with(const struct tree *t, const char *path)
{
    struct sn_buf powers, key;
    struct sn_ptau p;
    struct sn_zkey z;
    sn_buf_init(&powers, 0);
    sn_buf_init(&key, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&key);
    int r = read_file(path, &powers);
    if (r == 0) r = sn_ptau_open(sn_buf_view(&powers), &p);
    if (r == 0) r = sn_zkey_new(&t->sys, &p, NULL, &sink);
    if (r == 0 && (r = sn_zkey_open(sn_buf_view(&key), &z)) == 0) {
        r = prove(t, &z);
        sn_zkey_done(&z);
    }
    sn_buf_done(&powers);
    sn_buf_done(&key);
    return r;
}

int main(int argc, char **argv)
{
    static struct tree t;
    int depth = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 4;
    if (depth < 1 || depth > (int)DEPTH_MAX) {
        fprintf(stderr, "usage: membership [DEPTH [POWERS.ptau]], DEPTH from 1 to %u\n", DEPTH_MAX);
        return 2;
    }
    t.depth = (unsigned)depth;
    poseidon_init(&t.hash);
    int r = define(&t);
    if (r == 0) r = solve(&t);
    if (r == 0) printf("witness found and checked\n");
    if (r == 0 && argc > 2) r = prove_with(&t, argv[2]);
    if (r < 0) fprintf(stderr, "membership: %s\n", sn_diag_str(r));
    if (t.wires) sn_wipe(t.wires, t.sys.n_wires * sizeof(*t.wires));
    if (t.inputs) sn_wipe(t.inputs, sn_circuit_n_inputs(t.circuit) * sizeof(*t.inputs));
    sn_free(t.wires);
    sn_free(t.inputs);
    sn_r1cs_done(&t.sys);
    sn_circuit_free(t.circuit);
    return r < 0;
}
