/* SPDX-License-Identifier: Apache-2.0 */
#include "poseidon.h"

static const struct sn_field *const fr = &sn_bn254_fr;

/* ---- constants ---- */

struct grain {
    uint8_t bit[80]; /* the oldest at `at` */
    unsigned at;
};
static unsigned shift(struct grain *g)
{
    static const uint8_t taps[] = {62, 51, 38, 23, 13, 0};
    unsigned next = 0;
    for (size_t i = 0; i < sizeof(taps); i++) next ^= g->bit[(g->at + taps[i]) % 80];
    g->bit[g->at] = (uint8_t)next;
    g->at = (g->at + 1) % 80;
    return next;
}
/* Of two bits the first says whether the second counts. */
static unsigned next_bit(struct grain *g)
{
    while (!shift(g)) (void)shift(g);
    return shift(g);
}
static void grain_init(struct grain *g)
{
    /* Prime field, x^alpha, bits of the modulus, width, full and partial rounds, and ones. */
    const struct {
        unsigned bits, value;
    } parts[] = {{2, 1},  {4, 0},           {12, fr->bits}, {12, POSEIDON_WIDTH}, {10, POSEIDON_FULL},
                 {10, POSEIDON_PARTIAL}, {30, (1u << 30) - 1}};
    unsigned n = 0;
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++)
        for (unsigned k = parts[i].bits; k-- > 0;) g->bit[n++] = parts[i].value >> k & 1;
    g->at = 0;
    for (unsigned i = 0; i < 160; i++) (void)shift(g);
}
/* As many bits as the modulus has, the highest first; plain, perhaps not reduced. */
static struct sn_fe next_number(struct grain *g)
{
    struct sn_fe v = {{0}};
    for (unsigned k = fr->bits; k-- > 0;) v.v[k / 64] |= (uint64_t)next_bit(g) << k % 64;
    return v;
}

void poseidon_init(struct poseidon *p)
{
    struct grain g;
    struct sn_fe ends[2 * POSEIDON_WIDTH];
    grain_init(&g);
    for (unsigned i = 0; i < POSEIDON_ROUNDS * POSEIDON_WIDTH; i++) {
        struct sn_fe v;
        do v = next_number(&g);
        while (sn_fe_cmp(&v, &fr->p) >= 0);
        sn_fe_to_mont(fr, &p->round[i / POSEIDON_WIDTH][i % POSEIDON_WIDTH], &v);
    }
    /* Cauchy's matrix: 1 / (x_i + y_j). */
    for (unsigned i = 0; i < 2 * POSEIDON_WIDTH; i++) {
        struct sn_fe v = next_number(&g);
        sn_fe_reduce(fr, &v, &v);
        sn_fe_to_mont(fr, &ends[i], &v);
    }
    for (unsigned i = 0; i < POSEIDON_WIDTH; i++)
        for (unsigned j = 0; j < POSEIDON_WIDTH; j++) {
            struct sn_fe sum;
            sn_fe_add(fr, &sum, &ends[i], &ends[POSEIDON_WIDTH + j]);
            sn_fe_inv(fr, &p->mix[i][j], &sum);
        }
}

int poseidon_circom(const struct poseidon *p, struct sn_buf *out)
{
    char text[SN_FE_DEC_MAX];
    const struct {
        const char *name;
        const struct sn_fe *value;
        unsigned rows;
    } tables[] = {{"ROUND", p->round[0], POSEIDON_ROUNDS}, {"MIX", p->mix[0], POSEIDON_WIDTH}};
    for (size_t t = 0; t < SN_COUNT_OF(tables); t++) {
        sn_buf_printf(out, "function %s(i, j) {\n    var t[%u][%d] = [", tables[t].name,
                      tables[t].rows, POSEIDON_WIDTH);
        for (unsigned i = 0; i < tables[t].rows * POSEIDON_WIDTH; i++) {
            sn_fe_to_dec(fr, &tables[t].value[i], text);
            sn_buf_printf(out, "%s%s", i % POSEIDON_WIDTH ? ", " : i ? "],\n        [" : "[", text);
        }
        sn_buf_cstr(out, "]];\n    return t[i][j];\n}\n");
    }
    return out->err;
}

/* ---- the hash ---- */

static void fifth(struct sn_fe *x)
{
    struct sn_fe square, fourth;
    sn_fe_sqr(fr, &square, x);
    sn_fe_sqr(fr, &fourth, &square);
    sn_fe_mul(fr, x, &fourth, x);
}
static void mix(const struct poseidon *p, struct sn_fe state[POSEIDON_WIDTH])
{
    struct sn_fe next[POSEIDON_WIDTH], part;
    for (unsigned i = 0; i < POSEIDON_WIDTH; i++) {
        sn_fe_mul(fr, &next[i], &p->mix[i][0], &state[0]);
        for (unsigned j = 1; j < POSEIDON_WIDTH; j++) {
            sn_fe_mul(fr, &part, &p->mix[i][j], &state[j]);
            sn_fe_add(fr, &next[i], &next[i], &part);
        }
    }
    for (unsigned i = 0; i < POSEIDON_WIDTH; i++) state[i] = next[i];
}

void poseidon_permute(const struct poseidon *p, struct sn_fe state[POSEIDON_WIDTH])
{
    for (unsigned r = 0; r < POSEIDON_ROUNDS; r++) {
        bool full = r < POSEIDON_FULL / 2 || r >= POSEIDON_FULL / 2 + POSEIDON_PARTIAL;
        for (unsigned i = 0; i < POSEIDON_WIDTH; i++) {
            sn_fe_add(fr, &state[i], &state[i], &p->round[r][i]);
            if (full || i == 0) fifth(&state[i]);
        }
        mix(p, state);
    }
}

void poseidon_hash(const struct poseidon *p, const struct sn_fe *a, const struct sn_fe *b,
                   struct sn_fe *ret)
{
    struct sn_fe state[POSEIDON_WIDTH] = {{{0}}, *a, *b};
    poseidon_permute(p, state);
    *ret = state[0];
}
