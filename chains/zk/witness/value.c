/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/value.c - the operators of the circom language over both forms of a number. */
#include "zk/witness/value.h"

#include "core/status.h"

void sn_zv_plain(const struct sn_field *f, struct sn_fe *ret, const struct sn_zv *a)
{
    if (a->kind == SN_ZV_FE) {
        sn_fe_from_mont(f, ret, &a->m);
        return;
    }
    struct sn_fe v = {{(uint64_t)(a->s < 0 ? -a->s : a->s), 0, 0, 0}};
    if (f->bits <= 64) sn_fe_reduce(f, &v, &v);
    if (a->s < 0) sn_fe_neg(f, &v, &v);
    *ret = v;
}

struct sn_zv sn_zv_from_plain(const struct sn_field *f, const struct sn_fe *p)
{
    struct sn_zv r = {.kind = SN_ZV_SMALL};
    if ((p->v[1] | p->v[2] | p->v[3]) == 0 && p->v[0] <= (uint64_t)SN_ZV_SMALL_MAX) {
        r.s = (int64_t)p->v[0];
        return r;
    }
    r.kind = SN_ZV_FE;
    sn_fe_to_mont(f, &r.m, p);
    return r;
}

struct sn_zv sn_zv_from_fe(const struct sn_field *f, const struct sn_fe *m)
{
    struct sn_fe p;
    sn_fe_from_mont(f, &p, m);
    return sn_zv_from_plain(f, &p);
}

bool sn_zv_equal(const struct sn_field *f, const struct sn_zv *a, const struct sn_zv *b)
{
    if (a->kind == SN_ZV_SMALL && b->kind == SN_ZV_SMALL && a->s == b->s) return true;
    struct sn_fe x, y;
    sn_zv_fe(f, &x, a);
    sn_zv_fe(f, &y, b);
    return sn_fe_equal(&x, &y);
}

int64_t sn_zv_index(const struct sn_field *f, const struct sn_zv *a, uint64_t n)
{
    struct sn_zv v = *a;
    if (v.kind == SN_ZV_FE) v = sn_zv_from_fe(f, &a->m);
    if (v.kind != SN_ZV_SMALL || v.s < 0 || (uint64_t)v.s >= n) return -1;
    return v.s;
}

/* ---- 256-bit integers ------------------------------------------------------------------------ */

static unsigned bits_of(const struct sn_fe *a)
{
    for (int i = 3; i >= 0; i--)
        if (a->v[i]) return (unsigned)(64 * i + 64 - __builtin_clzll(a->v[i]));
    return 0;
}
static void shl_int(struct sn_fe *r, const struct sn_fe *a, unsigned k)
{
    struct sn_fe t = {{0}};
    unsigned w = k / 64, b = k % 64;
    for (unsigned i = w; i < 4; i++) {
        t.v[i] = a->v[i - w] << b;
        if (b && i > w) t.v[i] |= a->v[i - w - 1] >> (64 - b);
    }
    *r = t;
}
static void shr_int(struct sn_fe *r, const struct sn_fe *a, unsigned k)
{
    struct sn_fe t = {{0}};
    unsigned w = k / 64, b = k % 64;
    for (unsigned i = 0; i + w < 4; i++) {
        t.v[i] = a->v[i + w] >> b;
        if (b && i + w + 1 < 4) t.v[i] |= a->v[i + w + 1] << (64 - b);
    }
    *r = t;
}
static void sub_int(struct sn_fe *r, const struct sn_fe *a, const struct sn_fe *b)
{
    unsigned char c = 0;
    for (int i = 0; i < 4; i++) {
        __uint128_t d = (__uint128_t)a->v[i] - b->v[i] - c;
        r->v[i] = (uint64_t)d;
        c = (d >> 64) != 0;
    }
}
/* Quotient and remainder, b not zero. One 64-bit digit at a time where b has one, else bit by bit
 * over the difference in length. */
static void div_int(struct sn_fe *q, struct sn_fe *r, const struct sn_fe *a, const struct sn_fe *b)
{
    struct sn_fe quot = {{0}}, rem = *a;
    if ((b->v[1] | b->v[2] | b->v[3]) == 0) {
        uint64_t carry = 0;
        for (int i = 3; i >= 0; i--) {
            __uint128_t x = (__uint128_t)carry << 64 | a->v[i];
            quot.v[i] = (uint64_t)(x / b->v[0]);
            carry = (uint64_t)(x % b->v[0]);
        }
        rem = (struct sn_fe){{carry}};
    } else {
        unsigned na = bits_of(a), nb = bits_of(b);
        for (int k = na >= nb ? (int)(na - nb) : -1; k >= 0; k--) {
            struct sn_fe t;
            shl_int(&t, b, (unsigned)k);
            if (sn_fe_cmp(&rem, &t) < 0) continue;
            sub_int(&rem, &rem, &t);
            quot.v[k / 64] |= UINT64_C(1) << (k % 64);
        }
    }
    *q = quot;
    *r = rem;
}

/* ---- operators ------------------------------------------------------------------------------- */

static bool negative(const struct sn_field *f, const struct sn_fe *plain)
{
    struct sn_fe half;
    shr_int(&half, &f->p, 1);
    return sn_fe_cmp(plain, &half) > 0;
}

static int compare(const struct sn_field *f, const struct sn_zv *a, const struct sn_zv *b)
{
    if (a->kind == SN_ZV_SMALL && b->kind == SN_ZV_SMALL && f->bits > 64)
        return a->s < b->s ? -1 : a->s > b->s;
    struct sn_fe x, y;
    sn_zv_plain(f, &x, a);
    sn_zv_plain(f, &y, b);
    bool nx = negative(f, &x), ny = negative(f, &y);
    if (nx != ny) return nx ? -1 : 1;
    return sn_fe_cmp(&x, &y);
}

static struct sn_zv shift(const struct sn_field *f, const struct sn_zv *a, const struct sn_zv *b,
                          bool left)
{
    struct sn_fe x, k;
    sn_zv_plain(f, &x, a);
    sn_zv_plain(f, &k, b);
    if (negative(f, &k)) {
        sub_int(&k, &f->p, &k);
        left = !left;
    }
    if ((k.v[1] | k.v[2] | k.v[3]) != 0 || k.v[0] >= f->bits) return sn_zv_small(0);
    unsigned n = (unsigned)k.v[0];
    if (!left) {
        shr_int(&x, &x, n);
        return sn_zv_from_plain(f, &x);
    }
    shl_int(&x, &x, n);
    shl_int(&x, &x, 256 - f->bits); /* cut to the modulus's length */
    shr_int(&x, &x, 256 - f->bits);
    sn_fe_reduce(f, &x, &x);
    return sn_zv_from_plain(f, &x);
}

static struct sn_zv bitwise(const struct sn_field *f, enum sn_zop op, const struct sn_zv *a,
                            const struct sn_zv *b)
{
    struct sn_fe x, y = {{0}};
    sn_zv_plain(f, &x, a);
    if (op != SN_ZOP_NOT) sn_zv_plain(f, &y, b);
    for (int i = 0; i < 4; i++) {
        if (op == SN_ZOP_AND)
            x.v[i] &= y.v[i];
        else if (op == SN_ZOP_OR)
            x.v[i] |= y.v[i];
        else if (op == SN_ZOP_XOR)
            x.v[i] ^= y.v[i];
        else
            x.v[i] = ~x.v[i];
    }
    if (op == SN_ZOP_NOT) {
        shl_int(&x, &x, 256 - f->bits);
        shr_int(&x, &x, 256 - f->bits);
    }
    sn_fe_reduce(f, &x, &x);
    return sn_zv_from_plain(f, &x);
}

static bool small_ok(int64_t s) { return s <= SN_ZV_SMALL_MAX && s >= -SN_ZV_SMALL_MAX; }

/* The result where both operands are small and so is it. Fields of less than 64 bits reduce. */
static bool small_op(const struct sn_field *f, enum sn_zop op, struct sn_zv *ret, int64_t a,
                     int64_t b)
{
    int64_t r;
    if (f->bits <= 64) return false;
    switch (op) {
    case SN_ZOP_ADD: r = a + b; break;
    case SN_ZOP_SUB: r = a - b; break;
    case SN_ZOP_MUL:
        if (__builtin_mul_overflow(a, b, &r)) return false;
        break;
    case SN_ZOP_NEG: r = -a; break;
    case SN_ZOP_AND:
        if (a < 0 || b < 0) return false;
        r = a & b;
        break;
    case SN_ZOP_OR:
        if (a < 0 || b < 0) return false;
        r = a | b;
        break;
    case SN_ZOP_XOR:
        if (a < 0 || b < 0) return false;
        r = a ^ b;
        break;
    case SN_ZOP_SHR:
        if (a < 0 || b < 0) return false;
        r = b > 62 ? 0 : a >> b;
        break;
    case SN_ZOP_SHL:
        if (a < 0 || b < 0 || b > 60 || a > (SN_ZV_SMALL_MAX >> b)) return false;
        r = a << b;
        break;
    case SN_ZOP_IDIV:
        if (a < 0 || b <= 0) return false;
        r = a / b;
        break;
    case SN_ZOP_MOD:
        if (a < 0 || b <= 0) return false;
        r = a % b;
        break;
    case SN_ZOP_DIV:
        if (b == 0 || a % b != 0) return false;
        r = a / b;
        break;
    default: return false;
    }
    if (!small_ok(r)) return false;
    *ret = sn_zv_small(r);
    return true;
}

static void power(const struct sn_field *f, struct sn_zv *ret, const struct sn_zv *a,
                  const struct sn_zv *b)
{
    if (a->kind == SN_ZV_SMALL && b->kind == SN_ZV_SMALL && b->s >= 0 && b->s < 64) {
        struct sn_zv r = sn_zv_small(1);
        int64_t i = 0;
        for (; i < b->s && small_op(f, SN_ZOP_MUL, &r, r.s, a->s); i++) {}
        if (i == b->s) {
            *ret = r;
            return;
        }
    }
    struct sn_fe x, e;
    sn_zv_fe(f, &x, a);
    sn_zv_plain(f, &e, b);
    ret->kind = SN_ZV_FE;
    sn_fe_pow(f, &ret->m, &x, &e);
}

static int divide(const struct sn_field *f, enum sn_zop op, struct sn_zv *ret,
                  const struct sn_zv *a, const struct sn_zv *b)
{
    struct sn_fe x, y, q, r;
    if (sn_zv_is_zero(b)) return SN_E_INVALID_ARGUMENT;
    sn_zv_plain(f, &x, a);
    sn_zv_plain(f, &y, b);
    div_int(&q, &r, &x, &y);
    *ret = sn_zv_from_plain(f, op == SN_ZOP_IDIV ? &q : &r);
    return 0;
}

static void field_op(const struct sn_field *f, enum sn_zop op, struct sn_zv *ret,
                     const struct sn_zv *a, const struct sn_zv *b)
{
    struct sn_fe x, y;
    sn_zv_fe(f, &x, a);
    if (op != SN_ZOP_NEG) sn_zv_fe(f, &y, b);
    ret->kind = SN_ZV_FE;
    if (op == SN_ZOP_ADD)
        sn_fe_add(f, &ret->m, &x, &y);
    else if (op == SN_ZOP_SUB)
        sn_fe_sub(f, &ret->m, &x, &y);
    else if (op == SN_ZOP_MUL)
        sn_fe_mul(f, &ret->m, &x, &y);
    else if (op == SN_ZOP_NEG)
        sn_fe_neg(f, &ret->m, &x);
    else {
        sn_fe_inv(f, &y, &y);
        sn_fe_mul(f, &ret->m, &x, &y);
    }
}

int sn_zv_op(const struct sn_field *f, enum sn_zop op, struct sn_zv *ret, const struct sn_zv *a,
             const struct sn_zv *b)
{
    bool unary = op >= SN_ZOP_NEG;
    if (a->kind == SN_ZV_SMALL && (unary || b->kind == SN_ZV_SMALL) &&
        small_op(f, op, ret, a->s, unary ? 0 : b->s))
        return 0;
    bool truth;
    switch (op) {
    case SN_ZOP_ADD:
    case SN_ZOP_SUB:
    case SN_ZOP_MUL:
    case SN_ZOP_DIV:
    case SN_ZOP_NEG: field_op(f, op, ret, a, b); return 0;
    case SN_ZOP_IDIV:
    case SN_ZOP_MOD: return divide(f, op, ret, a, b);
    case SN_ZOP_POW: power(f, ret, a, b); return 0;
    case SN_ZOP_SHL:
    case SN_ZOP_SHR: *ret = shift(f, a, b, op == SN_ZOP_SHL); return 0;
    case SN_ZOP_AND:
    case SN_ZOP_OR:
    case SN_ZOP_XOR:
    case SN_ZOP_NOT: *ret = bitwise(f, op, a, b); return 0;
    case SN_ZOP_LT: truth = compare(f, a, b) < 0; break;
    case SN_ZOP_LE: truth = compare(f, a, b) <= 0; break;
    case SN_ZOP_GT: truth = compare(f, a, b) > 0; break;
    case SN_ZOP_GE: truth = compare(f, a, b) >= 0; break;
    case SN_ZOP_EQ: truth = sn_zv_equal(f, a, b); break;
    case SN_ZOP_NE: truth = !sn_zv_equal(f, a, b); break;
    case SN_ZOP_LAND: truth = !sn_zv_is_zero(a) && !sn_zv_is_zero(b); break;
    case SN_ZOP_LOR: truth = !sn_zv_is_zero(a) || !sn_zv_is_zero(b); break;
    default: truth = sn_zv_is_zero(a); break; /* LNOT */
    }
    *ret = sn_zv_small(truth);
    return 0;
}
