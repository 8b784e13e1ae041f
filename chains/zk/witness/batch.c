/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/batch.c - the interpreter for eight witnesses at a time.
 *
 * One instruction stream, a value in each of eight lanes. A value is eight 64-bit integers for as
 * long as they are small in every lane, and eight field elements from then on. Where the lanes
 * disagree about a jump each keeps its place: the lanes furthest behind run, the others wait until
 * these come by, so that branches and loops meet again at their ends.
 *
 * A lane that fails goes on with whatever it has (its errors count once); the caller runs it alone
 * to learn what went wrong. Compiled for AVX-512, entered only where the processor has it. */
#include "zk/witness/batch_int.h"

#ifdef __AVX512DQ__
#include <immintrin.h>

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/lanes.h"
#include "zk/witness/dots_int.h"

#define LANES 8
#define ALL 0xffu

typedef int64_t v8 __attribute__((vector_size(64)));
static SN_ALWAYS_INLINE v8 splat(int64_t x) { return (v8)_mm512_set1_epi64(x); }

/* A tag: bits 0 or 1 of the lanes in its low byte, or where the value is. Most signals of most
 * circuits are bits: they take two bytes for all eight lanes, and s and m stay unmapped. */
enum {
    INT = 0x100,     /* eight integers in s */
    FE = 0x200,      /* eight elements in m */
    USED_S = 0x400,  /* s or m held something at some time */
    USED_M = 0x800,
    USED = USED_S | USED_M,
    SHARED = 0x2000,  /* with FE: m begins with where the elements are, in a signal or constant */
    ALSO_FE = 0x1000, /* with INT: m has the same as elements; gone when the value is written */
};

/* Values by index: registers, constants or signals. */
struct bank {
    uint16_t *tag;
    v8 *s;
    struct sn_fe8 *m;
    size_t cap;
};
struct ref {
    uint16_t *tag;
    v8 *s;
    struct sn_fe8 *m;
};
/* Where each bank begins for a frame. */
struct firsts {
    uint16_t *tag[3];
    v8 *s[3];
    struct sn_fe8 *m[3];
};
struct sn_wbatch {
    const struct sn_witness_prog *p;
    struct sn_lanes lanes;
    struct bank bank[3]; /* by SN_WARG_REG, _CONST, _SIGNAL */
    uint8_t *dots;       /* sums of products, one byte an instruction of all instances; NULL: none */
    size_t *dots_at;     /* where an instance's begin */
    struct sn_fe8 one;
    void (*arith[SN_ZOP_MUL + 1])(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                                  const struct sn_fe8 *b); /* of lanes: by operator */
    struct sn_fe8 taken; /* the elements last taken apart, and the same as integers */
    struct sn_fe taken_plain[LANES];
    uint64_t base, steps, steps_max;
    unsigned calls;
    uint8_t failed;
};
/* A running piece of code. */
struct frame {
    const struct sn_wcode *code;
    const struct sn_winstance *inst;
    const uint8_t *dots; /* NULL in functions */
    uint64_t base;
    size_t regs_at;
    uint8_t all, mask;  /* lanes that entered; those that run now */
    uint32_t next;      /* the closest place where others wait */
    uint32_t at[LANES]; /* where each waits; meaningful outside of mask */
};

/* ---- memory ---------------------------------------------------------------------------------- */

static int bank_init(struct bank *b, size_t n)
{
    b->cap = n;
    b->tag = sn_zalloc(n + 1, sizeof(*b->tag));
    b->s = sn_aligned_alloc(64, (n + 1) * sizeof(*b->s));
    b->m = sn_aligned_alloc(64, (n + 1) * sizeof(*b->m));
    return b->tag && b->s && b->m ? 0 : SN_E_NOMEM;
}
/* Stores of zeros that stay: the compiler is told that memory is read afterwards. */
static void bank_wipe(struct bank *b)
{
    static const struct sn_fe8 zero;
    if (!b->tag || !b->s || !b->m) return;
    for (size_t i = 0; i < b->cap; i++) {
        if (b->tag[i] & USED_S) b->s[i] = splat(0);
        if (b->tag[i] & USED_M) b->m[i] = zero;
    }
    memset(b->tag, 0, b->cap * sizeof(*b->tag));
    __asm__ volatile("" : : "r"(b->tag), "r"(b->s), "r"(b->m) : "memory");
}
static void bank_free(struct bank *b)
{
    sn_free(b->tag);
    sn_free(b->s);
    sn_free(b->m);
    *b = (struct bank){0};
}
static void bank_done(struct bank *b)
{
    bank_wipe(b);
    bank_free(b);
}
static SN_ALWAYS_INLINE struct ref ref_at(const struct bank *b, size_t i)
{
    return (struct ref){b->tag + i, b->s + i, b->m + i};
}
/* To be read: where the elements are. */
static SN_ALWAYS_INLINE struct ref found(struct ref r)
{
    if (*r.tag & SHARED) memcpy(&r.m, r.m, sizeof(r.m));
    return r;
}

static void frame_firsts(const struct sn_wbatch *b, const struct frame *f, struct firsts *ret)
{
    const size_t at[3] = {[SN_WARG_REG] = f->regs_at, [SN_WARG_SIGNAL] = f->base};
    for (unsigned i = 0; i < 3; i++) {
        struct ref r = ref_at(&b->bank[i], at[i]);
        ret->tag[i] = r.tag, ret->s[i] = r.s, ret->m[i] = r.m;
    }
}

/* Fresh registers for one more frame. */
static int enter(struct sn_wbatch *b, size_t at, uint32_t n)
{
    struct bank *r = &b->bank[SN_WARG_REG];
    if (at + n > r->cap) {
        struct bank grown = {0};
        int e = bank_init(&grown, (at + n) * 2 + 64);
        for (size_t i = 0; e == 0 && i < at; i++) {
            grown.tag[i] = r->tag[i];
            if (r->tag[i] & INT) grown.s[i] = r->s[i];
            if (r->tag[i] & (FE | ALSO_FE)) grown.m[i] = r->m[i];
        }
        if (e < 0) {
            bank_done(&grown);
            return e;
        }
        bank_done(r);
        *r = grown;
    }
    for (size_t i = at; i < at + n; i++) r->tag[i] &= USED;
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool is_fe(struct ref r) { return *r.tag & FE; }
static bool is_bits(struct ref r) { return !(*r.tag & (INT | FE)); }
/* A lane's bit from each element of a comparison's result. */
static SN_ALWAYS_INLINE uint8_t mask_of(v8 truth)
{
    return _mm512_movepi64_mask((__m512i)truth);
}
static SN_ALWAYS_INLINE v8 bools(uint8_t mask) { return (v8)_mm512_maskz_set1_epi64(mask, 1); }
static SN_ALWAYS_INLINE v8 blend(uint8_t mask, v8 a, v8 b)
{
    return (v8)_mm512_mask_mov_epi64((__m512i)a, mask, (__m512i)b);
}
/* The integers of a value that is no element. */
static SN_ALWAYS_INLINE v8 ints(struct ref r)
{
    return *r.tag & INT ? *r.s : bools((uint8_t)*r.tag);
}
/* The value as elements. Integers are products with 2^512, so that what is asked for once is kept: constants and
 * coefficients meet elements again and again. */
static const struct sn_fe8 *as_fe(const struct sn_wbatch *b, struct ref r, struct sn_fe8 *tmp)
{
    if (*r.tag & (FE | ALSO_FE)) return r.m;
    if (is_bits(r)) {
        sn_fe8_select(&b->lanes, tmp, (uint8_t)*r.tag, &b->lanes.zero, &b->one);
        return tmp;
    }
    sn_fe8_from_i64(&b->lanes, r.m, (const int64_t *)r.s);
    *r.tag |= ALSO_FE | USED_M;
    return r.m;
}

static SN_NOINLINE void put_fe_some(const struct sn_wbatch *b, uint8_t mask, const uint16_t *tag,
                                    const v8 *s, struct sn_fe8 *m, const struct sn_fe8 *v)
{
    struct sn_fe8 tmp;
    struct ref d = {(uint16_t *)tag, (v8 *)s, m};
    const struct sn_fe8 *old = as_fe(b, found(d), &tmp);
    sn_fe8_select(&b->lanes, m, mask, old, v);
}
static SN_ALWAYS_INLINE void put_fe(const struct sn_wbatch *b, const struct frame *f, struct ref d,
                                    const struct sn_fe8 *v)
{
    if (SN_UNLIKELY(f->mask != f->all))
        put_fe_some(b, f->mask, d.tag, d.s, d.m, v);
    else if (d.m != v)
        *d.m = *v;
    *d.tag = (uint16_t)(FE | USED_M | (*d.tag & USED));
}
/* Whether these are 0 and 1 only, and which. */
static SN_ALWAYS_INLINE bool are_bits(v8 v, uint8_t *ret)
{
    *ret = _mm512_test_epi64_mask((__m512i)v, (__m512i)v);
    return _mm512_test_epi64_mask((__m512i)v, _mm512_set1_epi64(~INT64_C(1))) == 0;
}
/* For all lanes. */
static SN_ALWAYS_INLINE void put_ints(struct ref d, v8 v)
{
    uint16_t used = *d.tag & USED;
    uint8_t bits;
    if (are_bits(v, &bits)) {
        *d.tag = bits | used;
    } else {
        *d.s = v;
        *d.tag = (uint16_t)(INT | USED_S | used);
    }
}
static void put_small(const struct sn_wbatch *b, const struct frame *f, struct ref d, v8 v)
{
    if (f->mask != f->all) {
        if (is_fe(d)) {
            struct sn_fe8 x;
            sn_fe8_from_i64(&b->lanes, &x, (const int64_t *)&v);
            put_fe(b, f, d, &x);
            return;
        }
        v = blend(f->mask, ints(d), v);
    }
    put_ints(d, v);
}
static void put_bools(const struct sn_wbatch *b, const struct frame *f, struct ref d, uint8_t mask)
{
    if (f->mask == f->all)
        *d.tag = (uint16_t)(mask | (*d.tag & USED));
    else
        put_small(b, f, d, bools(mask));
}
static SN_ALWAYS_INLINE void put_ref(const struct sn_wbatch *b, const struct frame *f, struct ref d,
                                     struct ref a)
{
    if (is_bits(a))
        put_bools(b, f, d, (uint8_t)*a.tag);
    else if (is_fe(a))
        put_fe(b, f, d, a.m);
    else
        put_small(b, f, d, *a.s);
}

/* As put_ref, of what is not written again: signals are written once, and long ones are passed on from component to
 * component. */
static SN_ALWAYS_INLINE void put_stable(const struct sn_wbatch *b, const struct frame *f, struct ref d,
                                        struct ref a)
{
    if (!is_fe(a) || f->mask != f->all || a.m == d.m) {
        put_ref(b, f, d, a);
        return;
    }
    memcpy(d.m, &a.m, sizeof(a.m));
    *d.tag = (uint16_t)(FE | SHARED | (*d.tag & USED));
}

static uint8_t zeros(const struct sn_wbatch *b, struct ref a)
{
    if (is_bits(a)) return (uint8_t) ~*a.tag;
    return is_fe(a) ? sn_fe8_equal(&b->lanes, a.m, &b->lanes.zero) : mask_of(*a.s == 0);
}
static uint8_t equals(const struct sn_wbatch *b, struct ref x, struct ref y)
{
    struct sn_fe8 p, q;
    if (is_bits(x) && is_bits(y)) return (uint8_t) ~(*x.tag ^ *y.tag);
    if (!is_fe(x) && !is_fe(y)) return mask_of(ints(x) == ints(y));
    return sn_fe8_equal(&b->lanes, as_fe(b, x, &p), as_fe(b, y, &q));
}

/* ---- operators ------------------------------------------------------------------------------- */

static void lanes_of(const struct sn_wbatch *b, struct ref a, struct sn_zv ret[LANES])
{
    struct sn_fe m[LANES];
    v8 s = is_fe(a) ? splat(0) : ints(a);
    if (is_fe(a)) sn_fe8_to_fe(&b->lanes, m, a.m);
    for (unsigned i = 0; i < LANES; i++) {
        if (is_fe(a))
            ret[i] = (struct sn_zv){.kind = SN_ZV_FE, .m = m[i]};
        else
            ret[i] = sn_zv_small(s[i]);
    }
}
/* Any operator, lane by lane. */
static void each_lane(struct sn_wbatch *b, const struct frame *f, enum sn_zop op, struct ref d,
                      struct ref x, struct ref y)
{
    struct sn_zv p[LANES], q[LANES] = {{0}}, r[LANES];
    bool small = true;
    lanes_of(b, x, p);
    if (op < SN_ZOP_NEG) lanes_of(b, y, q);
    for (unsigned i = 0; i < LANES; i++) {
        r[i] = sn_zv_small(0);
        if (sn_zv_op(b->p->field, op, &r[i], &p[i], &q[i]) < 0) b->failed |= f->mask & 1u << i;
        small &= r[i].kind == SN_ZV_SMALL;
    }
    if (small) {
        v8 v;
        for (unsigned i = 0; i < LANES; i++) v[i] = r[i].s;
        put_small(b, f, d, v);
    } else {
        struct sn_fe m[LANES];
        struct sn_fe8 v;
        for (unsigned i = 0; i < LANES; i++) sn_zv_fe(b->p->field, &m[i], &r[i]);
        sn_fe8_from_fe(&b->lanes, &v, m);
        put_fe(b, f, d, &v);
    }
}

static SN_ALWAYS_INLINE bool in_range(v8 r)
{
    __m512i max = _mm512_set1_epi64(SN_ZV_SMALL_MAX);
    __m512i up = _mm512_add_epi64((__m512i)r, max);
    return _mm512_cmpgt_epu64_mask(up, _mm512_add_epi64(max, max)) == 0;
}
/* Whether x * y stays below 2^60: by the product of their nearest doubles, which is off by far less
 * than the margin. */
static bool product_small(v8 x, v8 y)
{
    typedef double d8 __attribute__((vector_size(64)));
    d8 e = __builtin_convertvector(x, d8) * __builtin_convertvector(y, d8);
    const double max = (double)SN_ZV_SMALL_MAX * 0.999;
    return mask_of((v8)((e > max) | (e < -max))) == 0;
}
static bool nonnegative(v8 x) { return mask_of(x) == 0; }
/* Both below 2^29: their product is small for certain. */
static SN_ALWAYS_INLINE bool both_short(v8 x, v8 y)
{
    __m512i any = _mm512_or_si512(_mm512_abs_epi64((__m512i)x), _mm512_abs_epi64((__m512i)y));
    return _mm512_test_epi64_mask(any, _mm512_set1_epi64(~((INT64_C(1) << 29) - 1))) == 0;
}

/* Both operands small: the result where it is too, without leaving the registers. */
static bool small_op(uint32_t op, v8 x, v8 y, v8 *ret)
{
    const v8 one = splat(1);
    switch (op) {
    case SN_ZOP_ADD: *ret = x + y; return in_range(*ret);
    case SN_ZOP_SUB: *ret = x - y; return in_range(*ret);
    case SN_ZOP_MUL:
        if (!product_small(x, y)) return false;
        *ret = x * y;
        return true;
    case SN_ZOP_NEG: *ret = -x; return true;
    case SN_ZOP_AND: *ret = x & y; return nonnegative(x | y);
    case SN_ZOP_OR: *ret = x | y; return nonnegative(x | y);
    case SN_ZOP_XOR: *ret = x ^ y; return nonnegative(x | y);
    case SN_ZOP_SHR:
        if (!nonnegative(x | y)) return false;
        *ret = x >> (v8)_mm512_min_epi64((__m512i)y, _mm512_set1_epi64(63));
        return true;
    case SN_ZOP_SHL:
        if (!nonnegative(x | y) || _mm512_cmpgt_epi64_mask((__m512i)y, _mm512_set1_epi64(60))) return false;
        *ret = x << y;
        return nonnegative(*ret) && in_range(*ret) && mask_of((*ret >> y) != x) == 0;
    case SN_ZOP_LT: *ret = (x < y) & one; return true;
    case SN_ZOP_LE: *ret = (x <= y) & one; return true;
    case SN_ZOP_GT: *ret = (x > y) & one; return true;
    case SN_ZOP_GE: *ret = (x >= y) & one; return true;
    case SN_ZOP_EQ: *ret = (x == y) & one; return true;
    case SN_ZOP_NE: *ret = (x != y) & one; return true;
    case SN_ZOP_LAND: *ret = (x != 0) & (y != 0) & one; return true;
    case SN_ZOP_LOR: *ret = ((x | y) != 0) & one; return true;
    case SN_ZOP_LNOT: *ret = (x == 0) & one; return true;
    default: return false;
    }
}
/* Both operands bits: where the result is too. */
static bool bit_op(uint32_t op, uint8_t x, uint8_t y, uint8_t *ret)
{
    switch (op) {
    case SN_ZOP_MUL:
    case SN_ZOP_AND:
    case SN_ZOP_LAND: *ret = x & y; return true;
    case SN_ZOP_OR:
    case SN_ZOP_LOR: *ret = x | y; return true;
    case SN_ZOP_XOR:
    case SN_ZOP_NE: *ret = x ^ y; return true;
    case SN_ZOP_EQ: *ret = (uint8_t) ~(x ^ y); return true;
    default: return false;
    }
}

/* Bits times elements, sums that begin with nothing. */
static SN_ALWAYS_INLINE bool unit_op(struct sn_wbatch *b, const struct frame *f, uint32_t op,
                                     struct ref d, struct ref x, struct ref y)
{
    struct ref s = is_fe(x) ? y : x, m = is_fe(x) ? x : y;
    uint8_t keep = (uint8_t)*s.tag;
    if (!is_bits(s) && !are_bits(*s.s, &keep)) return false;
    if (op == SN_ZOP_MUL) {
        struct sn_fe8 v, *to = f->mask == f->all ? d.m : &v;
        if (keep == 0) {
            put_bools(b, f, d, 0);
            return true;
        }
        sn_fe8_select(&b->lanes, to, keep, &b->lanes.zero, m.m);
        put_fe(b, f, d, to);
        return true;
    }
    if (keep || (op == SN_ZOP_SUB && s.tag != y.tag)) return false;
    put_fe(b, f, d, m.m);
    return true;
}

/* 1/a, without an inversion where the lanes agree on what the program knows. */
static void invert(const struct sn_wbatch *b, struct sn_fe8 *ret, const struct sn_fe8 *a)
{
    struct sn_fe x[LANES];
    bool same = b->p->inverse_at;
    for (unsigned l = 0; same && l < 5; l++)
        for (unsigned i = 1; i < LANES; i++) same &= a->l[l][i] == a->l[l][0];
    if (same) sn_fe8_to_fe(&b->lanes, x, a);
    if (same && sn_winverse(b->p, &x[0], &x[0])) {
        for (unsigned i = 1; i < LANES; i++) x[i] = x[0];
        sn_fe8_from_fe(&b->lanes, ret, x);
    } else {
        sn_fe8_inv(&b->lanes, ret, a);
    }
}
static SN_ALWAYS_INLINE void field_op(struct sn_wbatch *b, const struct frame *f, uint32_t op,
                                      struct ref d, struct ref x, struct ref y)
{
    struct sn_fe8 p, q, out, *to = f->mask == f->all ? d.m : &out;
    const struct sn_fe8 *u = as_fe(b, x, &p), *v;
    if (op == SN_ZOP_NEG) {
        v = u;
        u = &b->lanes.zero;
        op = SN_ZOP_SUB;
    } else {
        v = as_fe(b, y, &q);
    }
    if (op == SN_ZOP_ADD)
        sn_fe8_add(&b->lanes, to, u, v);
    else if (op == SN_ZOP_SUB)
        sn_fe8_sub(&b->lanes, to, u, v);
    else {
        if (op == SN_ZOP_DIV) {
            invert(b, &q, v);
            v = &q;
        }
        sn_fe8_mul(&b->lanes, to, u, v);
    }
    put_fe(b, f, d, to);
}

/* What circuits of bits are made of: sums, differences and products of small numbers in all lanes, no elements.
 * Which way this goes hardly depends on values, or the processor would guess wrong at every second sum of two bits:
 * a register holds integers even where they are bits, a signal's are looked at. Returns false where it takes more. */
static SN_ALWAYS_INLINE bool quick(uint32_t op, struct ref d, struct ref x, struct ref y, bool to_signal)
{
    uint16_t a = *x.tag, b = *y.tag;
    v8 r;
    if (op == SN_ZOP_MUL) {
        if (!((a | b) & INT)) {
            *d.tag = (uint16_t)((a & b & ALL) | (*d.tag & USED));
            return true;
        }
        if (!(a & INT))
            r = (v8)_mm512_maskz_mov_epi64((__mmask8)a, (__m512i)*y.s);
        else if (!(b & INT))
            r = (v8)_mm512_maskz_mov_epi64((__mmask8)b, (__m512i)*x.s);
        else if (both_short(*x.s, *y.s))
            r = *x.s * *y.s;
        else
            return false;
    } else {
        v8 u = ints(x), v = ints(y);
        r = op == SN_ZOP_ADD ? u + v : u - v;
        if ((a | b) & INT && !in_range(r)) return false;
    }
    if (to_signal) {
        put_ints(d, r);
    } else {
        *d.s = r;
        *d.tag = (uint16_t)(INT | USED_S | (*d.tag & USED));
    }
    return true;
}
/* What begins at first[] for the operand's bank. */
static SN_ALWAYS_INLINE struct ref ref_of(const struct firsts *first, uint32_t arg)
{
    size_t i = SN_WARG_INDEX(arg), bank = arg >> 30;
    return (struct ref){first->tag[bank] + i, first->s[bank] + i, first->m[bank] + i};
}
/* The same to be read. */
static SN_ALWAYS_INLINE struct ref arg_of(const struct firsts *first, uint32_t arg)
{
    return found(ref_of(first, arg));
}
/* Takes the instruction, not three references: copies of these through the stack cost more than a sum. */
static SN_NOINLINE void operate(struct sn_wbatch *b, const struct frame *f, const struct firsts *first,
                                const struct sn_wins *i)
{
    struct ref d = ref_of(first, i->d), x = arg_of(first, i->a);
    uint32_t op = i->op;
    bool unary = op >= SN_ZOP_NEG;
    struct ref y = unary ? x : arg_of(first, i->b);
    uint8_t mask;
    if (!unary && is_bits(x) && is_bits(y) && bit_op(op, (uint8_t)*x.tag, (uint8_t)*y.tag, &mask)) {
        put_bools(b, f, d, mask);
        return;
    }
    if (!is_fe(x) && (unary || !is_fe(y))) {
        v8 r;
        if (small_op(op, ints(x), unary ? splat(0) : ints(y), &r)) {
            put_small(b, f, d, r);
            return;
        }
    } else if (op <= SN_ZOP_MUL && is_fe(x) != is_fe(y) && unit_op(b, f, op, d, x, y)) {
        return;
    }
    switch (op) {
    case SN_ZOP_ADD:
    case SN_ZOP_SUB:
    case SN_ZOP_MUL:
    case SN_ZOP_DIV:
    case SN_ZOP_NEG: field_op(b, f, op, d, x, y); break;
    case SN_ZOP_EQ: put_bools(b, f, d, equals(b, x, y)); break;
    case SN_ZOP_NE: put_bools(b, f, d, (uint8_t)~equals(b, x, y)); break;
    case SN_ZOP_LAND: put_bools(b, f, d, (uint8_t) ~(zeros(b, x) | zeros(b, y))); break;
    case SN_ZOP_LOR: put_bools(b, f, d, (uint8_t) ~(zeros(b, x) & zeros(b, y))); break;
    case SN_ZOP_LNOT: put_bools(b, f, d, zeros(b, x)); break;
    default: each_lane(b, f, (enum sn_zop)op, d, x, y); break;
    }
}

/* Decompositions ask for one bit of the same elements after the other. */
static uint8_t element_bits(struct sn_wbatch *b, const struct sn_fe8 *x, uint32_t k)
{
    uint8_t r = 0;
    if (k > 255) return 0;
    if (sn_fe8_equal(&b->lanes, &b->taken, x) != ALL) {
        sn_fe8_to_plain(&b->lanes, b->taken_plain, x);
        b->taken = *x;
    }
    for (unsigned i = 0; i < LANES; i++)
        r |= (uint8_t)((b->taken_plain[i].v[k / 64] >> k % 64 & 1) << i);
    return r;
}
static void take_bit(struct sn_wbatch *b, const struct frame *f, struct ref d, struct ref a,
                     uint32_t k)
{
    v8 s = is_fe(a) ? splat(-1) : ints(a);
    struct sn_fe8 tmp;
    if (!nonnegative(s))
        put_bools(b, f, d, element_bits(b, as_fe(b, a, &tmp), k));
    else
        put_bools(b, f, d, k > 62 ? 0 : mask_of(s << (int64_t)(63 - k)));
}

static void select_op(struct sn_wbatch *b, const struct frame *f, struct ref d, uint8_t zero,
                      struct ref x, struct ref y)
{
    if (zero == 0 || zero == ALL) {
        put_ref(b, f, d, zero ? y : x);
    } else if (!is_fe(x) && !is_fe(y)) {
        put_small(b, f, d, blend(zero, ints(x), ints(y)));
    } else {
        struct sn_fe8 p, q, r;
        sn_fe8_select(&b->lanes, &r, zero, as_fe(b, x, &p), as_fe(b, y, &q));
        put_fe(b, f, d, &r);
    }
}

/* ---- indexes --------------------------------------------------------------------------------- */

static void bound(struct sn_wbatch *b, const struct frame *f, struct ref d, struct ref a, uint32_t n)
{
    struct sn_zv x[LANES];
    v8 r;
    lanes_of(b, a, x);
    for (unsigned i = 0; i < LANES; i++) {
        int64_t k = sn_zv_index(b->p->field, &x[i], n);
        if (k < 0) b->failed |= f->mask & 1u << i;
        r[i] = k < 0 ? 0 : k;
    }
    put_small(b, f, d, r);
}

/* The index of each lane, 0 where it is none: lanes that do not run hold anything. An index is an
 * element where its register held one for the lanes that wait. Returns whether the running lanes
 * agree. */
static bool indexes(const struct sn_wbatch *b, const struct frame *f, struct ref k, uint32_t n,
                    uint32_t ret[LANES])
{
    struct sn_fe x[LANES];
    unsigned first = (unsigned)__builtin_ctz(f->mask);
    v8 s = is_fe(k) ? splat(0) : ints(k);
    if (is_fe(k)) sn_fe8_to_plain(&b->lanes, x, k.m);
    for (unsigned i = 0; i < LANES; i++) {
        uint64_t at = (uint64_t)s[i];
        if (is_fe(k)) at = x[i].v[1] | x[i].v[2] | x[i].v[3] ? UINT64_MAX : x[i].v[0];
        ret[i] = at < n ? (uint32_t)at : 0;
    }
    for (unsigned i = 0; i < LANES; i++)
        if (f->mask >> i & 1 && ret[i] != ret[first]) return false;
    ret[0] = ret[first];
    return true;
}

static void load(struct sn_wbatch *b, const struct frame *f, struct ref d, const struct bank *from,
                 size_t at, struct ref k, uint32_t n)
{
    uint32_t at_lane[LANES];
    if (n == 0) {
        b->failed |= f->mask;
        return;
    }
    if (indexes(b, f, k, n, at_lane)) {
        put_ref(b, f, d, found(ref_at(from, at + at_lane[0])));
        return;
    }
    v8 s;
    bool fe = false;
    for (unsigned i = 0; i < LANES; i++) {
        struct ref e = ref_at(from, at + at_lane[i]);
        fe |= is_fe(e);
        s[i] = is_fe(e) ? 0 : ints(e)[i];
    }
    if (!fe) {
        put_small(b, f, d, s);
        return;
    }
    struct sn_fe8 r, tmp;
    for (unsigned i = 0; i < LANES; i++) {
        const struct sn_fe8 *e = as_fe(b, found(ref_at(from, at + at_lane[i])), &tmp);
        for (unsigned l = 0; l < 5; l++) r.l[l][i] = e->l[l][i];
    }
    put_fe(b, f, d, &r);
}

static void store(struct sn_wbatch *b, const struct frame *f, const struct bank *to, size_t at,
                  struct ref k, struct ref v, uint32_t n)
{
    uint32_t at_lane[LANES];
    if (n == 0) {
        b->failed |= f->mask;
        return;
    }
    if (indexes(b, f, k, n, at_lane)) {
        put_ref(b, f, ref_at(to, at + at_lane[0]), v);
        return;
    }
    struct frame single = *f;
    single.all = ALL; /* never the same as one lane: the others keep what they have */
    for (unsigned i = 0; i < LANES; i++) {
        if (!(f->mask >> i & 1)) continue;
        single.mask = (uint8_t)(1u << i);
        put_ref(b, &single, ref_at(to, at + at_lane[i]), v);
    }
}

/* ---- control --------------------------------------------------------------------------------- */

/* Puts the running lanes to wait at `to` and wakes those furthest behind. Returns where they are. */
static uint32_t regroup(struct frame *f, uint32_t to)
{
    uint32_t low = UINT32_MAX;
    f->next = UINT32_MAX;
    for (unsigned i = 0; i < LANES; i++) {
        if (f->mask >> i & 1) f->at[i] = to;
        if (f->all >> i & 1 && f->at[i] < low) low = f->at[i];
    }
    f->mask = 0;
    for (unsigned i = 0; i < LANES; i++) {
        if (!(f->all >> i & 1)) continue;
        if (f->at[i] == low)
            f->mask |= (uint8_t)(1u << i);
        else if (f->at[i] < f->next)
            f->next = f->at[i];
    }
    return low;
}
/* A jump of the lanes in `jump` to `to`; the others of the mask go on at pc. */
static uint32_t diverge(struct sn_wbatch *b, struct frame *f, uint8_t jump, uint32_t pc, uint32_t to)
{
    uint8_t good = f->mask & (uint8_t)~b->failed;
    if (good && (jump & good) == good) jump = f->mask; /* failed lanes go where the others go */
    if (good && (jump & good) == 0) jump = 0;
    if (jump == 0) return pc;
    if (jump == f->mask) return f->mask == f->all ? to : regroup(f, to);
    for (unsigned i = 0; i < LANES; i++)
        if (f->mask >> i & 1) f->at[i] = jump >> i & 1 ? to : pc;
    uint8_t stay = f->mask & (uint8_t)~jump;
    f->mask = stay;
    return regroup(f, pc);
}
static bool spend(struct sn_wbatch *b, uint32_t n)
{
    b->steps += n + 1u;
    if (b->steps <= b->steps_max) return true;
    b->failed = ALL;
    return false;
}

static int run(struct sn_wbatch *b, struct frame *f);

static int call(struct sn_wbatch *b, const struct frame *f, const struct sn_wins *i)
{
    const struct sn_wcode *fn = &b->p->functions[i->c];
    size_t to = f->regs_at + f->code->n_regs;
    int r = enter(b, to, fn->n_regs);
    if (r < 0) return r;
    struct bank *regs = &b->bank[SN_WARG_REG];
    struct frame in = {.code = fn, .base = f->base, .regs_at = to, .all = f->mask, .mask = f->mask};
    for (uint32_t k = 0; k < fn->n_args; k++)
        put_ref(b, &in, ref_at(regs, to + k), found(ref_at(regs, f->regs_at + i->a + k)));
    if ((r = run(b, &in)) < 0) return r;
    for (uint32_t k = 0; k < fn->n_ret; k++)
        put_ref(b, f, ref_at(regs, f->regs_at + i->d + k), found(ref_at(regs, to + fn->ret_at + k)));
    return 0;
}
static const uint8_t *dots_of(const struct sn_wbatch *b, const struct sn_winstance *i)
{
    return b->dots ? b->dots + b->dots_at[i - b->p->instances] : NULL;
}
static int run_sub(struct sn_wbatch *b, const struct frame *f, const struct sn_wins *i)
{
    const struct sn_wsub *sub = &f->inst->subs[i->c];
    const struct sn_winstance *to = &b->p->instances[sub->instance];
    struct frame in = {.code = &to->code,
                       .inst = to,
                       .dots = dots_of(b, to),
                       .base = f->base + sub->offset,
                       .regs_at = f->regs_at + f->code->n_regs,
                       .all = f->mask,
                       .mask = f->mask};
    int r = enter(b, in.regs_at, to->code.n_regs);
    return r < 0 ? r : run(b, &in);
}

/* As many bits as there are at the start of a run without gaps, at most 32. Returns how many. */
static SN_ALWAYS_INLINE uint32_t copy_bits(uint16_t *d, const uint16_t *a, uint32_t n)
{
    n = SN_MIN(n, 32u);
    __mmask32 all = (__mmask32)((UINT64_C(1) << n) - 1);
    __m512i x = _mm512_maskz_loadu_epi16(all, a), y = _mm512_maskz_loadu_epi16(all, d);
    __mmask32 no_bits = _mm512_test_epi16_mask(x, _mm512_set1_epi16(INT | FE));
    if (no_bits) n = (uint32_t)__builtin_ctz(no_bits);
    x = _mm512_and_si512(x, _mm512_set1_epi16(0xff));
    y = _mm512_and_si512(y, _mm512_set1_epi16(USED));
    _mm512_mask_storeu_epi16(d, (__mmask32)((UINT64_C(1) << n) - 1), _mm512_or_si512(x, y));
    return n;
}
static void copy(struct sn_wbatch *b, const struct frame *f, const struct sn_wins *i)
{
    const struct bank *sig = &b->bank[SN_WARG_SIGNAL];
    size_t d = f->base + SN_WARG_INDEX(i->d), a = f->base + SN_WARG_INDEX(i->a);
    size_t step_d = (size_t)(ptrdiff_t)SN_WSTEP_D(i->b), step_a = (size_t)(ptrdiff_t)SN_WSTEP_A(i->b);
    /* Not where one would read what it wrote. */
    bool dense = step_d == 1 && step_a == 1 && f->mask == f->all && (d + i->c <= a || a + i->c <= d);
    for (uint32_t n = i->c; n > 0;) {
        uint32_t done = 1;
        if (dense && n > 3 && is_bits(ref_at(sig, a)))
            done = copy_bits(sig->tag + d, sig->tag + a, n);
        else
            put_stable(b, f, ref_at(sig, d), found(ref_at(sig, a)));
        d += done * step_d;
        a += done * step_a;
        n -= done;
    }
}

/* Frames of other code, in and out. */
static int transfer(struct sn_wbatch *b, const struct frame *f, const struct sn_wins *i)
{
    uint32_t n = i->op == SN_WOP_RUN ? b->p->instances[f->inst->subs[i->c].instance].code.n
                                     : b->p->functions[i->c].n;
    if (!spend(b, n)) return SN_E_RESOURCE_EXHAUSTED;
    return i->op == SN_WOP_RUN ? run_sub(b, f, i) : call(b, f, i);
}

/* The sum of products that begins at i, where all factors are elements. */
static bool sum_products(const struct sn_wbatch *b, const struct firsts *first, const struct sn_wins *i, uint8_t dot)
{
    const struct sn_fe8 *x[SN_FE8_DOT_MAX], *y[SN_FE8_DOT_MAX];
    unsigned n = SN_WDOT_PRODUCTS(dot);
    const struct sn_wins *last = i + sn_wdots_length(dot) - 1;
    for (unsigned k = 0; k < n; k++) {
        struct ref u = arg_of(first, i->a), v = arg_of(first, i->b);
        if (!(*u.tag & (FE | ALSO_FE)) || !(*v.tag & (FE | ALSO_FE))) return false;
        x[k] = u.m, y[k] = v.m;
        i += k > 0 || dot & SN_WDOT_ZERO ? 2 : 1;
    }
    struct ref d = ref_of(first, last->d);
    sn_fe8_dot(&b->lanes, d.m, x, y, n);
    *d.tag = (uint16_t)(FE | USED_M | (*d.tag & USED));
    return true;
}
/* Sums, differences and products in all lanes from pc on, as far as they are quick: most of all instructions. Returns
 * where it takes more. */
static SN_NOINLINE uint32_t straight(const struct sn_wbatch *b, const struct frame *f, const struct firsts *first,
                                     uint32_t pc)
{
    const struct sn_wcode *code = f->code;
    for (; pc < code->n; pc++) {
        const struct sn_wins *i = &code->ins[pc];
        if (i->op > SN_ZOP_MUL) break;
        if (f->dots && f->dots[pc] && sum_products(b, first, i, f->dots[pc])) {
            pc += sn_wdots_length(f->dots[pc]) - 1;
            continue;
        }
        struct ref d = ref_of(first, i->d), x = arg_of(first, i->a), y = arg_of(first, i->b);
        if (*x.tag & *y.tag & FE) {
            b->arith[i->op](&b->lanes, d.m, x.m, y.m);
            *d.tag = (uint16_t)(FE | USED_M | (*d.tag & USED));
        } else if ((*x.tag | *y.tag) & FE || !quick(i->op, d, x, y, i->d >> 30 == SN_WARG_SIGNAL)) {
            break;
        }
    }
    return pc;
}

/* long: one case for each instruction. */
static int run(struct sn_wbatch *b, struct frame *f)
{
    if (++b->calls > SN_WITNESS_CALLS_MAX) {
        b->failed = ALL;
        return SN_E_DEPTH;
    }
    f->next = UINT32_MAX;
    struct firsts first;
    frame_firsts(b, f, &first);
    int r = 0;
#define BANK(x) (&b->bank[(x) >> 30])
#define AT(x) ((size_t)(first.tag[(x) >> 30] - BANK(x)->tag) + SN_WARG_INDEX(x))
#define ARG(x) arg_of(&first, x)
#define TO(x) ref_of(&first, x)
    for (uint32_t pc = 0;;) {
        if (SN_UNLIKELY(pc >= f->next)) pc = regroup(f, pc); /* others wait here */
        if (f->mask == f->all) pc = straight(b, f, &first, pc);
        if (pc >= f->code->n) break;
        const struct sn_wins *i = &f->code->ins[pc++];
        if (i->op < SN_ZOP_N) {
            operate(b, f, &first, i);
            continue;
        }
        switch (i->op) {
        case SN_WOP_MOV:
            if (i->a >> 30 == SN_WARG_REG)
                put_ref(b, f, TO(i->d), ARG(i->a));
            else
                put_stable(b, f, TO(i->d), ARG(i->a));
            break;
        case SN_WOP_COPY: copy(b, f, i); break;
        case SN_WOP_BIT: take_bit(b, f, TO(i->d), ARG(i->a), i->c); break;
        case SN_WOP_SELECT:
            select_op(b, f, TO(i->d), zeros(b, ARG(i->a)), ARG(i->b), ARG(i->c));
            break;
        case SN_WOP_BOUND: bound(b, f, TO(i->d), ARG(i->a), i->c); break;
        case SN_WOP_LOAD: load(b, f, TO(i->d), BANK(i->a), AT(i->a), ARG(i->b), i->c); break;
        case SN_WOP_STORE: store(b, f, BANK(i->d), AT(i->d), ARG(i->a), ARG(i->b), i->c); break;
        case SN_WOP_JZ:
            if (i->c < pc && !spend(b, f->code->n)) return SN_E_RESOURCE_EXHAUSTED;
            pc = diverge(b, f, zeros(b, ARG(i->a)) & f->mask, pc, i->c);
            break;
        case SN_WOP_JMP:
            if (!spend(b, f->code->n)) return SN_E_RESOURCE_EXHAUSTED;
            pc = f->mask == f->all ? i->c : regroup(f, i->c);
            break;
        case SN_WOP_CHECK:
            b->failed |= f->mask & (uint8_t)~equals(b, ARG(i->a), ARG(i->b));
            break;
        case SN_WOP_ASSERT: b->failed |= f->mask & zeros(b, ARG(i->a)); break;
        case SN_WOP_RUN:
        case SN_WOP_CALL:
            if ((r = transfer(b, f, i)) < 0) return r;
            frame_firsts(b, f, &first); /* registers may have moved */
            break;
        case SN_WOP_RET: pc = f->mask == f->all ? f->code->n : regroup(f, f->code->n); break;
        default: break; /* log: programs that log run one at a time */
        }
    }
    b->calls--;
    return 0;
}

/* ---- entry ----------------------------------------------------------------------------------- */

/* One element in every lane: its limbs of 52 bits. */
static void same_in_all(struct sn_fe8 *ret, const struct sn_fe *a)
{
    const uint64_t low = (UINT64_C(1) << 52) - 1, *w = a->v;
    const uint64_t limbs[5] = {w[0] & low, (w[0] >> 52 | w[1] << 12) & low, (w[1] >> 40 | w[2] << 24) & low,
                               (w[2] >> 28 | w[3] << 36) & low, w[3] >> 16};
    for (unsigned i = 0; i < 5; i++) *(v8 *)ret->l[i] = splat((int64_t)limbs[i]);
}
static int set_consts(struct sn_wbatch *b)
{
    const struct sn_witness_prog *p = b->p;
    struct bank *c = &b->bank[SN_WARG_CONST];
    int r = bank_init(c, p->n_consts);
    if (r < 0) return r;
    for (uint32_t i = 0; i < p->n_consts; i++) {
        const struct sn_zv *v = &p->consts[i];
        if (v->kind == SN_ZV_SMALL) {
            put_small(b, &(struct frame){0}, ref_at(c, i), splat(v->s));
            continue;
        }
        same_in_all(&c->m[i], &v->m);
        c->tag[i] = FE | USED_M;
    }
    return 0;
}

static int find_dots(struct sn_wbatch *b)
{
    const struct sn_witness_prog *p = b->p;
    size_t n = 0;
    if (b->lanes.dot_max < 2) return 0;
    b->dots_at = sn_alloc((p->n_instances + 1u) * sizeof(*b->dots_at));
    if (!b->dots_at) return SN_E_NOMEM;
    for (uint32_t i = 0; i < p->n_instances; i++) b->dots_at[i] = n, n += p->instances[i].code.n;
    b->dots = sn_alloc(n + 1);
    if (!b->dots) return SN_E_NOMEM;
    for (uint32_t i = 0; i < p->n_instances; i++)
        sn_wdots_find(p, &p->instances[i].code, b->lanes.dot_max, b->dots + b->dots_at[i]);
    return 0;
}

int sn_wbatch_new(const struct sn_witness_prog *p, struct sn_wbatch **ret)
{
    if (p->field->bits <= 64) return SN_E_UNIMPLEMENTED;
    struct sn_wbatch *b = sn_aligned_alloc(64, sizeof(*b));
    if (!b) return SN_E_NOMEM;
    memset(b, 0, sizeof(*b));
    b->p = p;
    int r = sn_lanes_init(&b->lanes, p->field);
    if (r == 0) {
        same_in_all(&b->one, &p->field->one);
        b->arith[SN_ZOP_ADD] = b->lanes.ops->add;
        b->arith[SN_ZOP_SUB] = b->lanes.ops->sub;
        b->arith[SN_ZOP_MUL] = b->lanes.ops->mul;
        r = set_consts(b);
    }
    if (r == 0) r = find_dots(b);
    if (r == 0) r = bank_init(&b->bank[SN_WARG_SIGNAL], p->n_labels);
    if (r < 0) {
        sn_wbatch_free(b);
        return r;
    }
    *ret = b;
    return 0;
}
void sn_wbatch_free(struct sn_wbatch *b)
{
    if (!b) return;
    bank_done(&b->bank[SN_WARG_REG]);
    bank_done(&b->bank[SN_WARG_SIGNAL]);
    bank_free(&b->bank[SN_WARG_CONST]); /* no secrets */
    sn_free(b->dots);
    sn_free(b->dots_at);
    explicit_bzero(&b->taken, sizeof(b->taken));
    explicit_bzero(b->taken_plain, sizeof(b->taken_plain));
    sn_free(b);
}

static void set_inputs(struct sn_wbatch *b, const struct sn_fe *const inputs[LANES])
{
    const struct sn_field *f = b->p->field;
    struct bank *sig = &b->bank[SN_WARG_SIGNAL];
    struct frame whole = {.mask = ALL, .all = ALL};
    /* What the last eight left is overwritten or, when all is done, wiped. */
    for (size_t i = 0; i < sig->cap; i++) sig->tag[i] &= USED;
    sig->tag[0] |= ALL;
    for (uint32_t i = 0; i < b->p->n_inputs; i++) {
        size_t at = b->p->first_input + i;
        struct sn_fe m[LANES];
        v8 s = splat(0);
        bool small = true;
        for (unsigned k = 0; k < LANES; k++) {
            struct sn_zv v = sn_zv_from_fe(f, &inputs[k][i]);
            m[k] = inputs[k][i];
            small &= v.kind == SN_ZV_SMALL;
            if (small) s[k] = v.s;
        }
        if (small) {
            put_small(b, &whole, ref_at(sig, at), s);
        } else {
            sn_fe8_from_fe(&b->lanes, &sig->m[at], m);
            sig->tag[at] |= FE | USED_M;
        }
    }
}

#define PIECE 512u /* wires */
#define CACHED_WIRES_MAX (1u << 12) /* times eight lanes of 32 bytes: 1 MiB */
/* n >= 16 wires of one lane that are bits, 64 to a word. A store is a line of memory, wherever in an element it
 * begins; where eight witnesses are more than the second cache holds it goes past the caches, which would read every
 * line before it is written. */
static void put_bits(const struct sn_wbatch *b, struct sn_fe *ret, const uint64_t *bits, unsigned n)
{
    bool past = sn_witness_n_wires(b->p) > CACHED_WIRES_MAX;
    const uint64_t *one = b->p->field->one.v;
    uint8_t words[PIECE / 2 + 2] = {0}; /* a bit for each word */
    for (unsigned i = 0; 16 * i < n; i++) {
        uint64_t w = 0xf * _pdep_u64(bits[i / 4] >> i % 4 * 16, 0x1111111111111111);
        memcpy(words + 8 * (size_t)i, &w, sizeof(w));
    }
    unsigned skip = (unsigned)(0 - (uintptr_t)ret / 8) % 8, n_lines = (4 * n - skip) / 8; /* words; whole lines */
    __m512i ones = _mm512_setr_epi64((int64_t)one[skip % 4], (int64_t)one[(skip + 1) % 4],
                                     (int64_t)one[(skip + 2) % 4], (int64_t)one[(skip + 3) % 4],
                                     (int64_t)one[skip % 4], (int64_t)one[(skip + 1) % 4],
                                     (int64_t)one[(skip + 2) % 4], (int64_t)one[(skip + 3) % 4]);
    uint64_t *to = ret->v;
    for (unsigned i = 0; i < skip; i++) to[i] = words[0] >> i & 1 ? one[i % 4] : 0;
    for (unsigned i = 0; i < n_lines; i++) {
        unsigned w = words[i] | (unsigned)words[i + 1] << 8;
        __m512i line = _mm512_maskz_mov_epi64((__mmask8)(w >> skip), ones);
        void *at = to + skip + 8 * (size_t)i;
        if (past)
            _mm512_stream_si512(at, line);
        else
            _mm512_store_si512(at, line);
    }
    for (unsigned i = skip + 8 * n_lines; i < 4 * n; i++) to[i] = words[i / 8] >> i % 8 & 1 ? one[i % 4] : 0;
}
static SN_ALWAYS_INLINE void put_wire(const struct sn_wbatch *b, struct sn_fe *const ret[LANES], uint64_t i,
                                      struct ref v)
{
    __m256i one = _mm256_loadu_si256((const __m256i *)&b->p->field->one);
    struct sn_fe m[LANES];
    struct sn_fe8 tmp;
    if (is_bits(v)) {
        unsigned bits = *v.tag;
#pragma GCC unroll 8
        for (unsigned k = 0; k < LANES; k++)
            _mm256_storeu_si256((__m256i *)&ret[k][i],
                                _mm256_maskz_mov_epi64((__mmask8) - (bits >> k & 1), one));
        return;
    }
    sn_fe8_to_fe(&b->lanes, m, as_fe(b, v, &tmp));
#pragma GCC unroll 8
    for (unsigned k = 0; k < LANES; k++) ret[k][i] = m[k];
}
/* A piece of all eight witnesses. Where most are bits, these come first, a lane after the other. */
static void get_piece(const struct sn_wbatch *b, struct sn_fe *const ret[LANES], uint64_t from, unsigned n)
{
    const struct bank *sig = &b->bank[SN_WARG_SIGNAL];
    const uint32_t *wires = b->p->wires;
    _Alignas(64) uint8_t bits[PIECE] = {0}, other[PIECE] = {0};
    uint64_t rest[PIECE / 64], lane[PIECE / 64];
    unsigned n_other = 0, words = (n + 63) / 64;
    for (unsigned i = 0; i < n; i++) {
        uint16_t tag = sig->tag[wires ? wires[from + i] : from + i];
        bits[i] = (uint8_t)tag;
        other[i] = (uint8_t)(tag >> 8) & (INT | FE) >> 8;
    }
    for (unsigned j = 0; j < words; j++) {
        __m512i v = _mm512_load_si512(other + 64 * (size_t)j);
        rest[j] = _mm512_test_epi8_mask(v, v);
        n_other += (unsigned)__builtin_popcountll(rest[j]);
    }
    bool bits_first = n_other < n / 16;
    for (unsigned k = 0; bits_first && k < LANES; k++) {
        for (unsigned j = 0; j < words; j++)
            lane[j] = _mm512_test_epi8_mask(_mm512_load_si512(bits + 64 * (size_t)j),
                                            _mm512_set1_epi8((char)(1 << k)));
        put_bits(b, ret[k] + from, lane, n);
    }
    for (unsigned j = 0; !bits_first && j < words; j++) rest[j] = UINT64_MAX >> (64 - SN_MIN(n - 64 * j, 64u));
    for (unsigned j = 0; j < words; j++)
        for (; rest[j]; rest[j] &= rest[j] - 1) {
            uint64_t i = from + 64 * j + (unsigned)__builtin_ctzll(rest[j]);
            put_wire(b, ret, i, found(ref_at(sig, wires ? wires[i] : i)));
        }
}
/* Piece by piece, since eight rows of memory in turn take twice as long to write as one after the other. */
static void get_wires(const struct sn_wbatch *b, struct sn_fe *const ret[LANES])
{
    uint64_t n = sn_witness_n_wires(b->p);
    for (uint64_t from = 0; from < n; from += PIECE)
        get_piece(b, ret, from, (unsigned)SN_MIN(n - from, (uint64_t)PIECE));
    _mm_sfence(); /* whoever is handed the witnesses sees what went past the caches */
}

int sn_wbatch_run(struct sn_wbatch *b, const struct sn_fe *const inputs[LANES], uint64_t steps_max,
                  struct sn_fe *const ret[LANES])
{
    const struct sn_witness_prog *p = b->p;
    const struct sn_winstance *main = &p->instances[p->main];
    struct frame f = {
        .code = &main->code, .inst = main, .dots = dots_of(b, main), .base = 1, .all = ALL, .mask = ALL};
    b->failed = 0;
    b->steps = 0;
    b->calls = 0;
    b->steps_max = steps_max;
    int r = enter(b, 0, main->code.n_regs);
    if (r == 0) {
        set_inputs(b, inputs);
        r = run(b, &f);
    }
    if (r == 0) get_wires(b, ret);
    return r == SN_E_NOMEM ? r : b->failed;
}
#else
#include "core/status.h"

int sn_wbatch_new(const struct sn_witness_prog *p, struct sn_wbatch **ret)
{
    return SN_E_UNIMPLEMENTED;
}
void sn_wbatch_free(struct sn_wbatch *b) {}
int sn_wbatch_run(struct sn_wbatch *b, const struct sn_fe *const inputs[8], uint64_t steps_max,
                  struct sn_fe *const ret[8])
{
    return SN_E_UNIMPLEMENTED;
}
#endif
