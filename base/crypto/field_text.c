/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/field_text.c - decimal and hexadecimal text of multi-word integers. */
#include "core/status.h"
#include "crypto/field_int.h"

#define TEN19 10000000000000000000u

size_t sn_fx_dec(const uint64_t *a, unsigned n, char out[SN_FE_DEC_MAX])
{
    uint64_t t[SN_FX_WORDS_MAX];
    char rev[SN_FE_DEC_MAX];
    size_t len = 0;
    memcpy(t, a, 8 * n);
    while (!fx_is_zero(t, n)) {
        uint64_t rem = 0;
        for (unsigned i = n; i-- > 0;) {
            sn_u128 x = (sn_u128)rem << 64 | t[i];
            t[i] = (uint64_t)(x / TEN19), rem = (uint64_t)(x % TEN19);
        }
        bool last = fx_is_zero(t, n);
        for (int k = 0; k < 19 && (!last || rem > 0); k++, rem /= 10)
            rev[len++] = (char)('0' + rem % 10);
    }
    if (len == 0) rev[len++] = '0';
    for (size_t i = 0; i < len; i++) out[i] = rev[len - 1 - i];
    out[len] = '\0';
    return len;
}

static int digit_of(char c, unsigned base)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
    return -1;
}

int sn_fx_parse(uint64_t *r, struct sn_str text, unsigned base, const uint64_t *p, unsigned n)
{
    uint64_t t[SN_FX_WORDS_MAX] = {0};
    bool over = false;
    if (text.len > SN_FE_DEC_DIGITS_MAX) return SN_E_TOO_LARGE;
    if (text.len == 0) return SN_E_SYNTAX;
    for (size_t k = 0; k < text.len; k++) {
        int digit = digit_of(text.ptr[k], base);
        if (digit < 0) return SN_E_SYNTAX;
        uint64_t carry = (uint64_t)digit;
        for (unsigned i = 0; i < n; i++) {
            sn_u128 x = (sn_u128)t[i] * base + carry;
            t[i] = (uint64_t)x, carry = (uint64_t)(x >> 64);
        }
        over = over || carry != 0;
    }
    if (over || fx_cmp(t, p, n) >= 0) return SN_E_OUT_OF_RANGE;
    memcpy(r, t, 8 * n);
    return 0;
}
