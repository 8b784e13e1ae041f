/* SPDX-License-Identifier: Apache-2.0 */
/* evm/u256.c - 256-bit integers, amounts, addresses. */
#include "core/enc.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/u256.h"

struct sn_u256 sn_u256_load(const uint8_t word[32])
{
    struct sn_u256 a;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t v;
        memcpy(&v, word + 8 * (3 - i), 8);
        a.w[i] = __builtin_bswap64(v);
    }
    return a;
}
void sn_u256_store(struct sn_u256 a, uint8_t word[32])
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t v = __builtin_bswap64(a.w[i]);
        memcpy(word + 8 * (3 - i), &v, 8);
    }
}
int sn_u256_cmp(struct sn_u256 a, struct sn_u256 b)
{
    for (unsigned i = 4; i-- > 0;)
        if (a.w[i] != b.w[i]) return a.w[i] < b.w[i] ? -1 : 1;
    return 0;
}
unsigned sn_u256_bits(struct sn_u256 a)
{
    for (unsigned i = 4; i-- > 0;)
        if (a.w[i]) return 64 * i + 64 - (unsigned)__builtin_clzll(a.w[i]);
    return 0;
}
bool sn_u256_add(struct sn_u256 a, struct sn_u256 b, struct sn_u256 *ret)
{
    unsigned __int128 carry = 0;
    for (unsigned i = 0; i < 4; i++) {
        carry += (unsigned __int128)a.w[i] + b.w[i];
        ret->w[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return carry != 0;
}
bool sn_u256_sub(struct sn_u256 a, struct sn_u256 b, struct sn_u256 *ret)
{
    bool borrow = false;
    for (unsigned i = 0; i < 4; i++) {
        unsigned __int128 d = (unsigned __int128)a.w[i] - b.w[i] - borrow;
        ret->w[i] = (uint64_t)d;
        borrow = d >> 64 != 0;
    }
    return borrow;
}
bool sn_u256_mul(struct sn_u256 a, uint64_t b, struct sn_u256 *ret)
{
    unsigned __int128 carry = 0;
    for (unsigned i = 0; i < 4; i++) {
        carry += (unsigned __int128)a.w[i] * b;
        ret->w[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return carry != 0;
}
struct sn_u256 sn_u256_divmod(struct sn_u256 a, uint64_t b, uint64_t *ret_rest)
{
    unsigned __int128 rest = 0;
    struct sn_u256 q;
    for (unsigned i = 4; i-- > 0;) {
        rest = rest << 64 | a.w[i];
        q.w[i] = (uint64_t)(rest / b);
        rest %= b;
    }
    *ret_rest = (uint64_t)rest;
    return q;
}

static int parse_hex(struct sn_str s, struct sn_u256 *ret)
{
    struct sn_u256 a = sn_u256(0);
    if (s.len == 0) return SN_E_SYNTAX;
    for (size_t i = 0; i < s.len; i++) {
        int d = sn_hex_digit(s.ptr[i]);
        if (d < 0) return SN_E_SYNTAX;
        if (a.w[3] >> 60) return SN_E_OUT_OF_RANGE;
        for (unsigned k = 3; k > 0; k--) a.w[k] = a.w[k] << 4 | a.w[k - 1] >> 60;
        a.w[0] = a.w[0] << 4 | (unsigned)d;
    }
    *ret = a;
    return 0;
}
static int parse_digits(struct sn_str s, struct sn_u256 *a)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return SN_E_SYNTAX;
        if (sn_u256_mul(*a, 10, a) || sn_u256_add(*a, sn_u256((uint64_t)(s.ptr[i] - '0')), a))
            return SN_E_OUT_OF_RANGE;
    }
    return 0;
}
int sn_u256_parse(struct sn_str s, struct sn_u256 *ret)
{
    if (sn_str_starts(s, SN_STR("0x"))) return parse_hex(sn_str_from(s, 2), ret);
    struct sn_u256 a = sn_u256(0);
    int r = s.len ? parse_digits(s, &a) : SN_E_SYNTAX;
    if (r == 0) *ret = a;
    return r;
}
size_t sn_u256_format(struct sn_u256 a, char out[SN_U256_TEXT_MAX])
{
    char text[5 * 19];
    size_t at = sizeof(text);
    do { /* 19 digits at a time: the largest power of ten in a word */
        uint64_t rest;
        a = sn_u256_divmod(a, 10000000000000000000ull, &rest);
        bool more = !sn_u256_is_zero(a);
        for (unsigned i = 0; i < 19 && (more || rest || i == 0); i++, rest /= 10)
            text[--at] = (char)('0' + rest % 10);
    } while (!sn_u256_is_zero(a));
    memcpy(out, text + at, sizeof(text) - at);
    return sizeof(text) - at;
}
int sn_buf_u256(struct sn_buf *b, struct sn_u256 a)
{
    char text[SN_U256_TEXT_MAX];
    return sn_buf_put(b, text, sn_u256_format(a, text));
}
int sn_buf_u256_hex(struct sn_buf *b, struct sn_u256 a)
{
    uint8_t word[32];
    char text[64];
    size_t skip = 0;
    sn_u256_store(a, word);
    sn_hex_encode(word, sizeof(word), text);
    while (skip < 63 && text[skip] == '0') skip++;
    sn_buf_cstr(b, "0x");
    return sn_buf_put(b, text + skip, 64 - skip);
}

int sn_units_parse(struct sn_str s, unsigned decimals, struct sn_u256 *ret)
{
    ssize_t dot = sn_str_chr(s, '.');
    struct sn_str whole = dot < 0 ? s : sn_str_sub(s, 0, (size_t)dot);
    struct sn_str part = dot < 0 ? SN_STR("") : sn_str_from(s, (size_t)dot + 1);
    struct sn_u256 a = sn_u256(0);
    if (whole.len + part.len == 0 || (dot >= 0 && part.len == 0) || part.len > decimals)
        return SN_E_SYNTAX;
    int r = parse_digits(whole, &a);
    if (r == 0) r = parse_digits(part, &a);
    for (size_t i = part.len; i < decimals && r == 0; i++)
        if (sn_u256_mul(a, 10, &a)) r = SN_E_OUT_OF_RANGE;
    if (r == 0) *ret = a;
    return r;
}
int sn_buf_units(struct sn_buf *b, struct sn_u256 a, unsigned decimals)
{
    char text[SN_U256_TEXT_MAX];
    size_t n = sn_u256_format(a, text);
    size_t whole = n > decimals ? n - decimals : 0, end = n;
    while (end > whole && text[end - 1] == '0') end--;
    if (whole) sn_buf_put(b, text, whole);
    else sn_buf_byte(b, '0');
    if (end == whole) return b->err;
    sn_buf_byte(b, '.');
    for (size_t i = n; i < decimals; i++) sn_buf_byte(b, '0');
    return sn_buf_put(b, text + whole, end - whole);
}
int sn_units_decimals(struct sn_str unit)
{
    static const struct {
        const char *name;
        int decimals;
    } units[] = {{"wei", 0},   {"kwei", 3},    {"mwei", 6},  {"gwei", 9},
                 {"szabo", 12}, {"finney", 15}, {"ether", 18}, {"eth", 18}};
    for (size_t i = 0; i < SN_COUNT_OF(units); i++)
        if (sn_str_eqc(unit, units[i].name)) return units[i].decimals;
    return SN_E_NOT_FOUND;
}
int sn_amount_parse(struct sn_str s, struct sn_u256 *ret)
{
    if (sn_str_starts(s, SN_STR("0x"))) return sn_u256_parse(s, ret);
    size_t n = s.len;
    while (n > 0 && s.ptr[n - 1] >= 'a' && s.ptr[n - 1] <= 'z') n--;
    int decimals = n == s.len ? 0 : sn_units_decimals(sn_str_from(s, n));
    if (decimals < 0) return SN_E_SYNTAX;
    return sn_units_parse(sn_str_trim(sn_str_sub(s, 0, n)), (unsigned)decimals, ret);
}

void sn_address_format(const uint8_t address[SN_ADDRESS_LEN], char out[SN_ADDRESS_TEXT_LEN])
{
    uint8_t hash[SN_KECCAK256_LEN];
    memcpy(out, "0x", 2);
    sn_hex_encode(address, SN_ADDRESS_LEN, out + 2);
    sn_keccak256(out + 2, 2 * SN_ADDRESS_LEN, hash);
    for (unsigned i = 0; i < 2 * SN_ADDRESS_LEN; i++) {
        unsigned nibble = i % 2 ? hash[i / 2] & 15u : hash[i / 2] >> 4;
        if (out[2 + i] >= 'a' && nibble >= 8) out[2 + i] = (char)(out[2 + i] - 32);
    }
}
int sn_address_parse(struct sn_str s, uint8_t ret[SN_ADDRESS_LEN])
{
    uint8_t raw[SN_ADDRESS_LEN];
    char want[SN_ADDRESS_TEXT_LEN];
    bool lower = false, upper = false;
    if (s.len != SN_ADDRESS_TEXT_LEN || !sn_str_starts(s, SN_STR("0x")) ||
        sn_hex_decode(sn_str_from(s, 2), raw) < 0)
        return SN_E_SYNTAX;
    for (size_t i = 2; i < s.len; i++) {
        lower |= s.ptr[i] >= 'a' && s.ptr[i] <= 'f';
        upper |= s.ptr[i] >= 'A' && s.ptr[i] <= 'F';
    }
    sn_address_format(raw, want);
    if (lower && upper && memcmp(want, s.ptr, sizeof(want)) != 0) return SN_E_DATA_LOSS;
    memcpy(ret, raw, sizeof(raw));
    return 0;
}
