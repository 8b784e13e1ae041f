/* SPDX-License-Identifier: Apache-2.0 */
/* wire/json_double.c - the shortest decimal text that reads back as the same double.
 * Source: Raffaello Giulietti, "The Schubfach way to render doubles" (2020): the interval of reals
 * that round to the double is scaled by one power of ten so that it holds at least one integer and
 * at most one multiple of ten; 128 bits of that power decide which, exactly. */
#include <math.h>

#include "wire/json.h"
#include "wire/json_pow10_int.h"

#define MANTISSA_BITS 52
#define EXP_BIAS 1075 /* value = mantissa * 2^(field - 1075) */
#define DIGITS_MAX 17

/* Floors of logarithms by fixed-point multiplication, exact over the doubles' exponents (ibid). */
static int floor_log10_pow2(int e) { return (e * 1262611) >> 22; }
static int floor_log10_three_quarters_pow2(int e) { return (e * 1262611 - 524031) >> 22; }
static int floor_log2_pow10(int e) { return (e * 1741647) >> 19; }

/* The top 64 of the product's 192 bits, its last bit set if anything below is not zero (but for the
 * rounding of the power): comparisons with even numbers then come out as for the exact product. */
static uint64_t scale(const uint64_t g[2], uint64_t c)
{
    __uint128_t low = (__uint128_t)g[1] * c, high = (__uint128_t)g[0] * c;
    high += (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The shortest m and k with d = m * 10^k after rounding; among equally short the nearest. d > 0. */
static uint64_t shortest(double d, int *ret_exp)
{
    uint64_t bits, c;
    memcpy(&bits, &d, sizeof(bits));
    int field = (int)(bits >> MANTISSA_BITS & 0x7ff), q = field - EXP_BIAS;
    c = bits & ((1ull << MANTISSA_BITS) - 1);
    /* Above a power of two the neighbour below is only half as far. */
    bool uneven = c == 0 && field > 1;
    if (field) c |= 1ull << MANTISSA_BITS;
    else q = 1 - EXP_BIAS;
    if (q <= 0 && q >= -MANTISSA_BITS && (c & ((1ull << -q) - 1)) == 0) { /* a whole number */
        *ret_exp = 0;
        return c >> -q;
    }
    int k = uneven ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int h = q + floor_log2_pow10(-k) + 1;
    const uint64_t *g = sn_pow10_128[-k - SN_POW10_FIRST];
    /* Four times the scaled value and its interval's ends; odd mantissas do not own their ends. */
    uint64_t v = scale(g, 4 * c << h), odd = c & 1;
    uint64_t left = scale(g, (4 * c - (uneven ? 1 : 2)) << h) + odd;
    uint64_t right = scale(g, (4 * c + 2) << h) - odd;
    uint64_t s = v / 4;
    *ret_exp = k;
    if (s >= 10) {
        uint64_t below = s / 10 * 10, above = below + 10;
        bool below_in = left <= 4 * below, above_in = 4 * above <= right;
        if (below_in != above_in) return below_in ? below : above;
    }
    bool s_in = left <= 4 * s, next_in = 4 * (s + 1) <= right;
    if (s_in != next_in) return s_in ? s : s + 1;
    uint64_t middle = 4 * s + 2; /* both or neither: the nearer, even on a tie */
    return v < middle || (v == middle && s % 2 == 0) ? s : s + 1;
}

/* Digits of m without trailing zeros (counted into *exp); returns their number. */
static int digits_of(uint64_t m, int *exp, char out[20])
{
    char rev[20];
    int n = 0;
    while (m % 10 == 0) {
        m /= 10;
        ++*exp;
    }
    for (; m; m /= 10) rev[n++] = (char)('0' + m % 10);
    for (int i = 0; i < n; i++) out[i] = rev[n - 1 - i];
    return n;
}

static char *put_exponent(char *p, int e)
{
    *p++ = 'e';
    *p++ = e < 0 ? '-' : '+';
    if (e < 0) e = -e;
    if (e >= 100) *p++ = (char)('0' + e / 100);
    if (e >= 10) *p++ = (char)('0' + e / 10 % 10);
    *p++ = (char)('0' + e % 10);
    return p;
}

int sn_json_write_double(struct sn_buf *out, double d)
{
    char t[48], digits[20] = {0}, *p = t;
    int exp;
    if (!isfinite(d)) return sn_buf_put(out, "null", 4);
    if (signbit(d)) *p++ = '-';
    if (d == 0) {
        memcpy(p, "0.0", 3);
        return sn_buf_put(out, t, (size_t)(p + 3 - t));
    }
    uint64_t m = shortest(fabs(d), &exp);
    int n = digits_of(m, &exp, digits), point = n + exp; /* 0.DIGITS * 10^point */
    SN_DCHECK(n >= 1 && n <= DIGITS_MAX);
    if (point < -5 || point > 21) { /* where ECMAScript changes to exponents as well */
        *p++ = digits[0];
        if (n > 1) *p++ = '.';
        memcpy(p, digits + 1, (size_t)n - 1);
        p = put_exponent(p + n - 1, point - 1);
    } else if (point <= 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = point; i < 0; i++) *p++ = '0';
        memcpy(p, digits, (size_t)n);
        p += n;
    } else {
        for (int i = 0; i < point; i++) *p++ = i < n ? digits[i] : '0';
        *p++ = '.';
        if (n <= point) *p++ = '0';
        for (int i = point; i < n; i++) *p++ = digits[i];
    }
    return sn_buf_put(out, t, (size_t)(p - t));
}
