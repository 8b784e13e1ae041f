/* SPDX-License-Identifier: Apache-2.0 */
/* examples/merkle/poseidon.c - see poseidon.h. */
#include "poseidon.h"

#include <string.h>

/* ---- constants ------------------------------------------------------------------------------- */

/* The paper's generator: a shift register of 80 bits, of whose output every other bit decides
 * whether the one after it counts. */
struct grain {
    uint8_t bit[80];
    unsigned at;
};

static unsigned step(struct grain *g)
{
    static const unsigned taps[] = {62, 51, 38, 23, 13, 0};
    unsigned v = 0;
    for (size_t i = 0; i < SN_COUNT_OF(taps); i++) v ^= g->bit[(g->at + taps[i]) % 80];
    g->bit[g->at] = (uint8_t)v;
    g->at = (g->at + 1) % 80;
    return v;
}

static void put_bits(struct grain *g, unsigned value, unsigned n)
{
    while (n-- > 0) g->bit[g->at++] = value >> n & 1;
}

static void grain_init(struct grain *g, unsigned field_bits)
{
    *g = (struct grain){0};
    put_bits(g, 1, 2); /* a prime field */
    put_bits(g, 0, 4); /* a power as the S-box */
    put_bits(g, field_bits, 12);
    put_bits(g, POSEIDON_WIDTH, 12);
    put_bits(g, POSEIDON_FULL, 10);
    put_bits(g, POSEIDON_PARTIAL, 10);
    put_bits(g, 0x3fffffff, 30);
    g->at = 0;
    for (unsigned i = 0; i < 160; i++) (void)step(g);
}

/* A number of as many bits as the prime, big-endian. */
static void number(struct grain *g, unsigned bits, uint8_t be[32])
{
    memset(be, 0, 32);
    for (unsigned i = bits; i-- > 0;) {
        while (!step(g)) (void)step(g);
        if (step(g)) be[31 - i / 8] |= (uint8_t)(1u << (i % 8));
    }
}

void poseidon_init(struct poseidon *p)
{
    const struct sn_field *f = p->field = &sn_bn254_fr;
    struct grain g;
    uint8_t be[32];
    grain_init(&g, f->bits);
    for (unsigned r = 0; r < POSEIDON_ROUNDS; r++)
        for (unsigned i = 0; i < POSEIDON_WIDTH; i++)
            do {
                number(&g, f->bits, be);
            } while (sn_fe_from_bytes_be(f, &p->round[r][i], be) < 0); /* not below the prime */
    /* 1/(x_i + y_j): every square part of such a matrix is invertible. Here numbers are reduced. */
    struct sn_fe xy[2 * POSEIDON_WIDTH];
    for (unsigned i = 0; i < 2 * POSEIDON_WIDTH; i++) {
        struct sn_fe plain;
        number(&g, f->bits, be);
        for (unsigned k = 0; k < 4; k++) {
            plain.v[k] = 0;
            for (unsigned n = 0; n < 8; n++) plain.v[k] |= (uint64_t)be[31 - 8 * k - n] << (8 * n);
        }
        sn_fe_reduce(f, &plain, &plain);
        sn_fe_to_mont(f, &xy[i], &plain);
    }
    for (unsigned i = 0; i < POSEIDON_WIDTH; i++)
        for (unsigned j = 0; j < POSEIDON_WIDTH; j++) {
            sn_fe_add(f, &p->mix[i][j], &xy[i], &xy[POSEIDON_WIDTH + j]);
            sn_fe_inv(f, &p->mix[i][j], &p->mix[i][j]);
        }
}

static bool is_full(unsigned r)
{
    return r < POSEIDON_FULL / 2 || r >= POSEIDON_FULL / 2 + POSEIDON_PARTIAL;
}

/* ---- the function ---------------------------------------------------------------------------- */

static void fifth_power(const struct sn_field *f, struct sn_fe *x)
{
    struct sn_fe t;
    sn_fe_sqr(f, &t, x);
    sn_fe_sqr(f, &t, &t);
    sn_fe_mul(f, x, x, &t);
}

void poseidon_hash(const struct poseidon *p, const struct sn_fe *a, const struct sn_fe *b,
                   struct sn_fe *ret)
{
    const struct sn_field *f = p->field;
    struct sn_fe s[POSEIDON_WIDTH] = {{{0}}, *a, *b}, next[POSEIDON_WIDTH], t;
    for (unsigned r = 0; r < POSEIDON_ROUNDS; r++) {
        for (unsigned i = 0; i < POSEIDON_WIDTH; i++) {
            sn_fe_add(f, &s[i], &s[i], &p->round[r][i]);
            if (i == 0 || is_full(r)) fifth_power(f, &s[i]);
        }
        for (unsigned i = 0; i < POSEIDON_WIDTH; i++) {
            sn_fe_mul(f, &next[i], &p->mix[i][0], &s[0]);
            for (unsigned j = 1; j < POSEIDON_WIDTH; j++) {
                sn_fe_mul(f, &t, &p->mix[i][j], &s[j]);
                sn_fe_add(f, &next[i], &next[i], &t);
            }
        }
        memcpy(s, next, sizeof(s));
    }
    *ret = s[0];
}

/* ---- the circuit ----------------------------------------------------------------------------- */

static struct sn_lin build_fifth_power(struct sn_build *c, struct sn_lin x)
{
    struct sn_lin two = sn_build_mul(c, x, x);
    return sn_build_mul(c, sn_build_mul(c, two, two), x);
}

struct sn_lin poseidon_build(const struct poseidon *p, struct sn_build *c, struct sn_lin a,
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
