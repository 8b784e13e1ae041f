/* SPDX-License-Identifier: Apache-2.0 */
/* evm/u256.h - 256-bit unsigned integers as amounts and words: arithmetic that says when it
 * overflows, text in both bases, ether's units, addresses. Not for secrets: nothing is constant
 * time. */
#pragma once
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"

struct sn_u256 {
    uint64_t w[4]; /* least significant first */
};
static inline struct sn_u256 sn_u256(uint64_t v) { return (struct sn_u256){{v, 0, 0, 0}}; }
static inline bool sn_u256_is_zero(struct sn_u256 a)
{
    return (a.w[0] | a.w[1] | a.w[2] | a.w[3]) == 0;
}
/* sn_u256_load, _store - 32 bytes, big-endian. */
struct sn_u256 sn_u256_load(const uint8_t word[32]);
void sn_u256_store(struct sn_u256 a, uint8_t word[32]);
/* sn_u256_cmp - <0, 0, >0. */
int sn_u256_cmp(struct sn_u256 a, struct sn_u256 b);
/* sn_u256_bits - the position of the highest one bit plus one; 0 for zero. */
unsigned sn_u256_bits(struct sn_u256 a);
/* sn_u256_add, _sub, _mul - *ret modulo 2^256; true where the exact result did not fit. */
bool sn_u256_add(struct sn_u256 a, struct sn_u256 b, struct sn_u256 *ret);
bool sn_u256_sub(struct sn_u256 a, struct sn_u256 b, struct sn_u256 *ret);
bool sn_u256_mul(struct sn_u256 a, uint64_t b, struct sn_u256 *ret);
/* sn_u256_divmod - quotient; the remainder to *ret_rest. b is not 0. */
struct sn_u256 sn_u256_divmod(struct sn_u256 a, uint64_t b, uint64_t *ret_rest);
/* sn_u256_parse - decimal digits, or 0x and hex digits. Returns 0, SN_E_SYNTAX, SN_E_OUT_OF_RANGE;
 * no diagnostic. */
int sn_u256_parse(struct sn_str s, struct sn_u256 *ret) SN_MUST_CHECK;
#define SN_U256_TEXT_MAX 78
/* sn_u256_format - decimal digits, no NUL. Returns the count, at most SN_U256_TEXT_MAX. */
size_t sn_u256_format(struct sn_u256 a, char out[SN_U256_TEXT_MAX]);
/* sn_buf_u256, sn_buf_u256_hex - decimal digits; 0x and hex digits without leading zeros (a
 * JSON-RPC quantity). Return 0 or the buffer's sticky error. */
int sn_buf_u256(struct sn_buf *b, struct sn_u256 a);
int sn_buf_u256_hex(struct sn_buf *b, struct sn_u256 a);

/* sn_units_parse - an amount with `decimals` fractional digits: ("1.5", 18) is 1.5e18. At most that
 * many digits behind the point. Returns 0, SN_E_SYNTAX, SN_E_OUT_OF_RANGE; no diagnostic. */
int sn_units_parse(struct sn_str s, unsigned decimals, struct sn_u256 *ret) SN_MUST_CHECK;
/* sn_buf_units - the reverse, without trailing zeros: "1.5", "1". Returns 0 or the buffer's error.
 */
int sn_buf_units(struct sn_buf *b, struct sn_u256 a, unsigned decimals);
/* sn_units_decimals - of "wei", "kwei", "mwei", "gwei", "szabo", "finney", "ether": 0..18, or
 * SN_E_NOT_FOUND. */
int sn_units_decimals(struct sn_str unit);
/* sn_amount_parse - an amount with its unit behind it: "1.5 ether", "30gwei", "7" (wei), "0x10".
 * Returns as sn_units_parse. */
int sn_amount_parse(struct sn_str s, struct sn_u256 *ret) SN_MUST_CHECK;

#define SN_ADDRESS_LEN 20
#define SN_ADDRESS_TEXT_LEN 42
/* sn_address_format - 0x and 40 digits in EIP-55's mixed case; no NUL. */
void sn_address_format(const uint8_t address[SN_ADDRESS_LEN], char out[SN_ADDRESS_TEXT_LEN]);
/* sn_address_parse - 0x and 40 digits; mixed case must be EIP-55's. Returns 0, SN_E_SYNTAX,
 * SN_E_DATA_LOSS (wrong checksum); no diagnostic. */
int sn_address_parse(struct sn_str s, uint8_t ret[SN_ADDRESS_LEN]) SN_MUST_CHECK;
