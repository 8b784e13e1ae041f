/* SPDX-License-Identifier: Apache-2.0 */
/* core/time.h - calendar arithmetic and time formats; reads no clock.
 * Instants are int64_t unix nanoseconds (1678..2262), proleptic Gregorian, no leap seconds. */
#pragma once
#include "core/base.h"
#include "core/str.h"

/* A broken-down instant. month 1..12, day 1..31, weekday 0 = Sunday, yearday 0..365. */
struct sn_civil {
    int64_t year;
    uint8_t month, day, hour, minute, second, weekday;
    uint16_t yearday;
    uint32_t nsec;
};

/* sn_days_from_civil - days since 1970-01-01 of a date; month 1..12, day 1..31.
 * sn_civil_from_days - the inverse; fills year, month, day, weekday, yearday, zeroes the rest.
 * Any day of the years -10^9..10^9. */
int64_t sn_days_from_civil(int64_t year, unsigned month, unsigned day);
void sn_civil_from_days(int64_t days, struct sn_civil *ret);
/* sn_civil_from_unix - the UTC calendar time of an instant. */
void sn_civil_from_unix(int64_t unix_ns, struct sn_civil *ret);
/* sn_unix_from_civil - the instant of a UTC calendar time; weekday and yearday are ignored.
 * Returns 0, SN_E_INVALID_ARGUMENT for a date that does not exist, SN_E_OUT_OF_RANGE. */
int sn_unix_from_civil(const struct sn_civil *c, int64_t *ret_ns) SN_MUST_CHECK;

#define SN_RFC3339_MAX 31 /* "2006-01-02T15:04:05.999999999Z" and a NUL */
#define SN_HTTP_DATE_MAX 30
#define SN_DURATION_MAX 32

/* sn_time_rfc3339 - "2006-01-02T15:04:05Z" with the fraction, if any, in as many digits as it needs
 * (frac_digits < 0) or in exactly frac_digits 0..9, cut. NUL-terminated. Returns the length. */
size_t sn_time_rfc3339(int64_t unix_ns, int frac_digits, char out[SN_RFC3339_MAX]);
/* sn_time_parse_rfc3339 - upper or lower case T and Z, any offset, any number of fraction digits
 * (beyond nine cut); second 60 is read as the following second.
 * Returns 0, SN_E_SYNTAX, SN_E_OUT_OF_RANGE. Source: RFC 3339 section 5.6. */
int sn_time_parse_rfc3339(struct sn_str s, int64_t *ret_ns) SN_MUST_CHECK;
/* sn_time_http - IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT", for years 0..9999. NUL-terminated.
 * Returns the length, 29. Source: RFC 9110 section 5.6.7. */
size_t sn_time_http(int64_t unix_ns, char out[SN_HTTP_DATE_MAX]);
/* sn_time_parse_http - IMF-fixdate and the two obsolete forms recipients must accept (RFC 850's
 * with a two-digit year, asctime's). now_ns resolves two-digit years: not more than 50 years ahead.
 * Returns 0, SN_E_SYNTAX, SN_E_OUT_OF_RANGE. Source: RFC 9110 section 5.6.7. */
int sn_time_parse_http(struct sn_str s, int64_t now_ns, int64_t *ret_ns) SN_MUST_CHECK;

/* sn_duration_format - as Go prints durations: "1h30m0s", "1m30s", "1.5s", "250ms", "10µs", "0s".
 * sn_str_to_duration reads it back exactly. NUL-terminated. Returns the length. */
size_t sn_duration_format(int64_t ns, char out[SN_DURATION_MAX]);
