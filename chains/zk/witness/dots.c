/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/dots.c - finds sums of products: rows of a matrix times a vector, as in Poseidon's mixing layers. */
#include "zk/witness/dots_int.h"

#define LOOK_AHEAD 64u /* instructions, for the next use of a register */
#define PRODUCTS_MAX 8u

static bool is_reg(uint32_t x) { return x >> 30 == SN_WARG_REG; }

/* Whether no instruction reads register `reg` before one writes it. What is not clear counts as read. */
static bool dead(const struct sn_wcode *code, uint32_t from, uint32_t reg)
{
    for (uint32_t k = from; k < code->n; k++) {
        const struct sn_wins *i = &code->ins[k];
        if (k - from >= LOOK_AHEAD) return false;
        switch (i->op) {
        case SN_WOP_RUN: /* registers of its own */
        case SN_WOP_COPY:
        case SN_WOP_LOG_STR:
        case SN_WOP_LOG_END: continue;
        case SN_WOP_CHECK:
            if (i->a == reg || i->b == reg) return false;
            continue;
        case SN_WOP_ASSERT:
        case SN_WOP_LOG_NUM:
            if (i->a == reg) return false;
            continue;
        case SN_WOP_BIT:
        case SN_WOP_BOUND:
        case SN_WOP_MOV:
            if (i->a == reg) return false;
            break;
        case SN_WOP_SELECT:
            if (i->a == reg || i->b == reg || i->c == reg) return false;
            break;
        default: /* operators; arrays, jumps and calls are not looked into */
            if (i->op >= SN_ZOP_N || i->a == reg || i->b == reg) return false;
            break;
        }
        if (i->d == reg) return true;
    }
    return true;
}

static bool is_zero(const struct sn_witness_prog *p, uint32_t x)
{
    return x >> 30 == SN_WARG_CONST && sn_zv_is_zero(&p->consts[SN_WARG_INDEX(x)]);
}
static bool adds(const struct sn_wins *i, uint32_t x, uint32_t y)
{
    return i->op == SN_ZOP_ADD && ((i->a == x && i->b == y) || (i->a == y && i->b == x));
}

/* Registers written on the way: what comes later must not read them, since they are not written then. */
struct written {
    uint32_t reg[PRODUCTS_MAX];
    unsigned n;
};
static bool reads_any(const struct sn_wins *i, const struct written *w)
{
    for (unsigned k = 0; k < w->n; k++)
        if (i->a == w->reg[k] || i->b == w->reg[k]) return true;
    return false;
}

/* The sum that begins with the product at `at`. */
static uint8_t find(const struct sn_witness_prog *p, const struct sn_wcode *code, uint32_t at, unsigned max)
{
    const struct sn_wins *ins = code->ins;
    uint32_t sum = ins[at].d, next = at + 1;
    struct written w = {{sum}, 1};
    uint8_t zero = 0;
    unsigned n = 1;
    if (next < code->n && ins[next].op == SN_ZOP_ADD && ins[next].d == sum &&
        ((is_zero(p, ins[next].a) && ins[next].b == sum) || (is_zero(p, ins[next].b) && ins[next].a == sum)))
        zero = SN_WDOT_ZERO, next++;
    for (; n < max && code->n - next >= 2; n++, next += 2) {
        const struct sn_wins *mul = &ins[next], *add = &ins[next + 1];
        if (mul->op != SN_ZOP_MUL || !is_reg(mul->d) || mul->d == sum || reads_any(mul, &w) ||
            !adds(add, sum, mul->d) || !dead(code, next + 2, mul->d))
            break;
        if (add->d != sum) { /* the end of it */
            if (add->d == mul->d || !dead(code, next + 2, sum)) break;
            n++;
            break;
        }
        w.reg[w.n++] = mul->d;
    }
    return n > 1 ? (uint8_t)(n | zero) : 0;
}

void sn_wdots_find(const struct sn_witness_prog *p, const struct sn_wcode *code, unsigned max, uint8_t *ret)
{
    for (uint32_t i = 0; i < code->n; i++) {
        bool may = code->ins[i].op == SN_ZOP_MUL && is_reg(code->ins[i].d);
        ret[i] = may ? find(p, code, i, SN_MIN(max, PRODUCTS_MAX - 1)) : 0;
    }
}
