/* SPDX-License-Identifier: Apache-2.0 */
/* core/str.h - borrowed byte strings.
 * struct sn_str never owns: it points into an arena, a buffer or a literal, carries its length
 * and need not end in NUL. ASCII-only where case matters: protocols, not prose. */
#pragma once
#include "core/base.h"

struct sn_str {
    const char *ptr;
    size_t len;
};

#define SN_STR(lit) ((struct sn_str){("" lit), sizeof(lit) - 1})
#define SN_STR_INIT(lit) {("" lit), sizeof(lit) - 1}
/* For "%.*s". */
#define SN_STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct sn_str sn_str_of(const char *ptr, size_t len)
{
    return (struct sn_str){ptr, len};
}
/* sn_str - of a NUL-terminated string; NULL gives the empty string. */
static inline struct sn_str sn_str(const char *cstr)
{
    return (struct sn_str){cstr, cstr ? strlen(cstr) : 0};
}
static inline bool sn_str_eq(struct sn_str a, struct sn_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool sn_str_eqc(struct sn_str a, const char *b) { return sn_str_eq(a, sn_str(b)); }
/* sn_str_ieq - equal ignoring ASCII case. */
bool sn_str_ieq(struct sn_str a, struct sn_str b);
/* sn_str_cmp - <0, 0, >0 by bytes, shorter first. */
int sn_str_cmp(struct sn_str a, struct sn_str b);
static inline bool sn_str_starts(struct sn_str s, struct sn_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}
static inline bool sn_str_ends(struct sn_str s, struct sn_str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}
/* sn_str_sub - bytes [from, to), both clamped to the string. */
static inline struct sn_str sn_str_sub(struct sn_str s, size_t from, size_t to)
{
    if (to > s.len) to = s.len;
    if (from > to) from = to;
    return (struct sn_str){s.ptr + from, to - from};
}
static inline struct sn_str sn_str_from(struct sn_str s, size_t from)
{
    return sn_str_sub(s, from, s.len);
}
/* sn_str_find, sn_str_chr - offset of the first occurrence, or -1. */
ssize_t sn_str_find(struct sn_str s, struct sn_str needle);
ssize_t sn_str_chr(struct sn_str s, char c);
/* sn_str_rchr - offset of the last occurrence, or -1. */
ssize_t sn_str_rchr(struct sn_str s, char c);
/* sn_str_trim - without leading and trailing SP, HTAB, CR, LF. */
struct sn_str sn_str_trim(struct sn_str s);
/* sn_str_cut - splits at the first `sep`: returns what precedes it, leaves what follows in *s.
 * Without `sep` returns all of *s and leaves *s with .ptr NULL, so a loop is
 * while (s.ptr) { part = sn_str_cut(&s, ','); ... } */
struct sn_str sn_str_cut(struct sn_str *s, char sep);

/* sn_str_to_u64, _i64, _double - the whole string must be the number: base 10, no white space, no
 * '+', '-' only for i64 and double; doubles as [-]digits[.digits][e[+-]digits], correctly rounded
 * whatever the length, never inf or nan. Returns 0, SN_E_SYNTAX, or SN_E_OUT_OF_RANGE; no
 * diagnostic. */
int sn_str_to_u64(struct sn_str s, uint64_t *ret) SN_MUST_CHECK;
int sn_str_to_i64(struct sn_str s, int64_t *ret) SN_MUST_CHECK;
int sn_str_to_double(struct sn_str s, double *ret) SN_MUST_CHECK;
/* sn_str_to_bytes - "64KiB", "64Ki", "1.5GB", "1.5G", "4096", "10B": decimal suffixes k/K M G T P E
 * and binary ones with an i, each with an optional B; fractions are cut to whole bytes.
 * Returns 0, SN_E_SYNTAX, SN_E_OUT_OF_RANGE. */
int sn_str_to_bytes(struct sn_str s, uint64_t *ret) SN_MUST_CHECK;
/* sn_str_to_duration - Go's duration grammar: "1h10m0.5s", "-250ms", "10us", "0"; to ns.
 * Returns 0, SN_E_SYNTAX, SN_E_OUT_OF_RANGE. */
int sn_str_to_duration(struct sn_str s, int64_t *ret_ns) SN_MUST_CHECK;
/* sn_str_cz - copies to `out`, NUL-terminated. Returns 0 or SN_E_TOO_LARGE. */
int sn_str_cz(struct sn_str s, char *out, size_t cap) SN_MUST_CHECK;
/* sn_str_dup - a copy, NUL-terminated; NULL without memory. Owns: the caller's, for sn_free. */
char *sn_str_dup(struct sn_str s) __attribute__((malloc));
/* sn_utf8_valid - RFC 3629: no overlongs, no surrogates, at most U+10FFFF. */
bool sn_utf8_valid(struct sn_str s);
/* sn_utf8_put - encodes `cp` (a scalar value) in 1..4 bytes at out. Returns the count. */
unsigned sn_utf8_put(uint32_t cp, char out[4]);

static inline char sn_ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }
