/* SPDX-License-Identifier: Apache-2.0 */
/* core/time.c - calendar arithmetic and time formats. */
#include "core/time.h"

#include "core/status.h"

#define DAY_NS (24 * SN_HOUR)
/* 400 Gregorian years repeat exactly; counting years from March puts the leap day last. */
#define ERA_DAYS 146097
#define EPOCH_SHIFT 719468 /* days from 0000-03-01 to 1970-01-01 */

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static bool leap(int64_t y) { return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0); }

static unsigned month_days(int64_t year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && leap(year));
}

/* Days before month m (0 = March) of a year that begins in March: 30.6 days a month, rounded. */
static int64_t march_days(int64_t m) { return (153 * m + 2) / 5; }

int64_t sn_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2), m = month > 2 ? (int64_t)month - 3 : (int64_t)month + 9;
    int64_t era = floor_div(y, 400), yoe = y - era * 400;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + march_days(m) + (int64_t)day - 1;
    return era * ERA_DAYS + doe - EPOCH_SHIFT;
}

void sn_civil_from_days(int64_t days, struct sn_civil *ret)
{
    int64_t z = days + EPOCH_SHIFT;
    int64_t era = floor_div(z, ERA_DAYS), doe = z - era * ERA_DAYS;
    /* Take the leap days out of the day of the era, so that each year has 365. */
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t m = (5 * doy + 2) / 153;
    struct sn_civil c = {0};
    c.day = (uint8_t)(doy - march_days(m) + 1);
    c.month = (uint8_t)(m < 10 ? m + 3 : m - 9);
    c.year = yoe + era * 400 + (c.month <= 2);
    c.weekday = (uint8_t)((days % 7 + 11) % 7); /* 1970-01-01 was a Thursday */
    c.yearday = (uint16_t)(days - sn_days_from_civil(c.year, 1, 1));
    *ret = c;
}

void sn_civil_from_unix(int64_t unix_ns, struct sn_civil *ret)
{
    int64_t days = floor_div(unix_ns, DAY_NS);
    int64_t ns = unix_ns % DAY_NS; /* days * DAY_NS may be before the first instant */
    if (ns < 0) ns += DAY_NS;
    sn_civil_from_days(days, ret);
    ret->nsec = (uint32_t)(ns % SN_SEC);
    ret->second = (uint8_t)(ns / SN_SEC % 60);
    ret->minute = (uint8_t)(ns / SN_MINUTE % 60);
    ret->hour = (uint8_t)(ns / SN_HOUR);
}

int sn_unix_from_civil(const struct sn_civil *c, int64_t *ret_ns)
{
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->hour > 23 || c->minute > 59 ||
        c->second > 59 || c->nsec >= SN_SEC)
        return SN_E_INVALID_ARGUMENT;
    if (c->year < -1000000000 || c->year > 1000000000) return SN_E_OUT_OF_RANGE;
    if (c->day > month_days(c->year, c->month)) return SN_E_INVALID_ARGUMENT;
    __int128_t ns = (__int128_t)sn_days_from_civil(c->year, c->month, c->day) * DAY_NS +
                    c->hour * SN_HOUR + c->minute * SN_MINUTE + c->second * SN_SEC + c->nsec;
    if (ns < INT64_MIN || ns > INT64_MAX) return SN_E_OUT_OF_RANGE;
    *ret_ns = (int64_t)ns;
    return 0;
}

/* ---- writing ---- */

static char *put_digits(char *p, uint64_t v, unsigned n)
{
    for (unsigned i = n; i-- > 0; v /= 10) p[i] = (char)('0' + v % 10);
    return p + n;
}

static char *put_text(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    return p + n;
}

/* ".5" for 500000000 of 9 digits; digits < 0: without trailing zeros, nothing for 0. */
static char *put_fraction(char *p, uint64_t frac, int width, int digits)
{
    if (digits < 0) {
        for (digits = width; digits > 0 && frac % 10 == 0; digits--) frac /= 10;
    } else {
        for (int i = digits; i < width; i++) frac /= 10;
    }
    if (digits == 0) return p;
    *p++ = '.';
    return put_digits(p, frac, (unsigned)digits);
}

static char *put_clock(char *p, const struct sn_civil *c)
{
    p = put_digits(p, c->hour, 2);
    *p++ = ':';
    p = put_digits(p, c->minute, 2);
    *p++ = ':';
    return put_digits(p, c->second, 2);
}

size_t sn_time_rfc3339(int64_t unix_ns, int frac_digits, char out[SN_RFC3339_MAX])
{
    struct sn_civil c;
    sn_civil_from_unix(unix_ns, &c);
    char *p = put_digits(out, (uint64_t)c.year, 4);
    *p++ = '-';
    p = put_digits(p, c.month, 2);
    *p++ = '-';
    p = put_digits(p, c.day, 2);
    *p++ = 'T';
    p = put_clock(p, &c);
    p = put_fraction(p, c.nsec, 9, frac_digits > 9 ? 9 : frac_digits);
    *p++ = 'Z';
    *p = 0;
    return (size_t)(p - out);
}

size_t sn_time_http(int64_t unix_ns, char out[SN_HTTP_DATE_MAX])
{
    struct sn_civil c;
    sn_civil_from_unix(unix_ns, &c);
    char *p = put_text(out, day_names[c.weekday], 3);
    p = put_text(p, ", ", 2);
    p = put_digits(p, c.day, 2);
    *p++ = ' ';
    p = put_text(p, month_names[c.month - 1], 3);
    *p++ = ' ';
    p = put_digits(p, (uint64_t)c.year, 4);
    *p++ = ' ';
    p = put_clock(p, &c);
    p = put_text(p, " GMT", 5);
    return (size_t)(p - out) - 1;
}

static char *put_number(char *p, uint64_t v)
{
    unsigned n = 1;
    for (uint64_t w = v; w >= 10; w /= 10) n++;
    return put_digits(p, v, n);
}

size_t sn_duration_format(int64_t ns, char out[SN_DURATION_MAX])
{
    char *p = out;
    uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0) *p++ = '-';
    if (v == 0) {
        p = put_text(p, "0s", 2);
    } else if (v < SN_US) {
        p = put_text(put_number(p, v), "ns", 2);
    } else if (v < SN_MS) {
        p = put_fraction(put_number(p, v / SN_US), v % SN_US, 3, -1);
        p = put_text(p, "\xc2\xb5s", 3);
    } else if (v < SN_SEC) {
        p = put_fraction(put_number(p, v / SN_MS), v % SN_MS, 6, -1);
        p = put_text(p, "ms", 2);
    } else {
        if (v >= SN_HOUR) p = put_text(put_number(p, v / SN_HOUR), "h", 1);
        if (v >= SN_MINUTE) p = put_text(put_number(p, v % SN_HOUR / SN_MINUTE), "m", 1);
        p = put_fraction(put_number(p, v % SN_MINUTE / SN_SEC), v % SN_SEC, 9, -1);
        *p++ = 's';
    }
    *p = 0;
    return (size_t)(p - out);
}

/* ---- reading: a cursor that fails once and stays failed ---- */

struct cursor {
    struct sn_str rest;
    bool bad;
};

static unsigned take_number(struct cursor *c, size_t n)
{
    unsigned v = 0;
    if (c->bad || c->rest.len < n) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        char d = c->rest.ptr[i];
        if (d < '0' || d > '9') c->bad = true;
        v = v * 10 + (unsigned)(d - '0');
    }
    c->rest = sn_str_from(c->rest, n);
    return c->bad ? 0 : v;
}

static bool looking_at(const struct cursor *c, char want)
{
    return !c->bad && c->rest.len && c->rest.ptr[0] == want;
}

static void take_char(struct cursor *c, char want)
{
    if (c->bad || c->rest.len == 0 || c->rest.ptr[0] != want)
        c->bad = true;
    else
        c->rest = sn_str_from(c->rest, 1);
}

static void take_text(struct cursor *c, const char *want)
{
    for (; *want; want++) take_char(c, *want);
}

static unsigned take_month(struct cursor *c)
{
    for (unsigned m = 1; !c->bad && m <= 12; m++) {
        if (!sn_str_starts(c->rest, sn_str_of(month_names[m - 1], 3))) continue;
        c->rest = sn_str_from(c->rest, 3);
        return m;
    }
    c->bad = true;
    return 1;
}

/* A weekday, in full or its first three letters. Returns whether it was the full name. */
static bool take_weekday(struct cursor *c)
{
    for (unsigned d = 0; d < 7; d++) {
        struct sn_str full = sn_str(day_names[d]);
        if (!sn_str_starts(c->rest, sn_str_sub(full, 0, 3))) continue;
        bool is_full = sn_str_starts(c->rest, full);
        c->rest = sn_str_from(c->rest, is_full ? full.len : 3);
        return is_full;
    }
    c->bad = true;
    return false;
}

static void take_clock(struct cursor *c, struct sn_civil *t)
{
    t->hour = (uint8_t)take_number(c, 2);
    take_char(c, ':');
    t->minute = (uint8_t)take_number(c, 2);
    take_char(c, ':');
    t->second = (uint8_t)take_number(c, 2);
}

static uint32_t take_nsec(struct cursor *c)
{
    uint32_t ns = 0, unit = 100000000;
    size_t n = 0;
    for (; n < c->rest.len; n++, unit /= 10) {
        char d = c->rest.ptr[n];
        if (d < '0' || d > '9') break;
        ns += (uint32_t)(d - '0') * unit;
    }
    if (n == 0) c->bad = true;
    c->rest = sn_str_from(c->rest, n);
    return ns;
}

/* "Z" or "+hh:mm" to seconds east. */
static int64_t take_offset(struct cursor *c)
{
    if (looking_at(c, 'Z') || looking_at(c, 'z')) {
        take_char(c, c->rest.ptr[0]);
        return 0;
    }
    bool west = looking_at(c, '-');
    take_char(c, west ? '-' : '+');
    unsigned hours = take_number(c, 2);
    take_char(c, ':');
    unsigned minutes = take_number(c, 2);
    if (hours > 23 || minutes > 59) c->bad = true;
    int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    return west ? -seconds : seconds;
}

/* The end of every parser: all text used, a date that exists, a leap second carried over. */
static int finish(const struct cursor *c, struct sn_civil *t, int64_t offset_s, int64_t *ret_ns)
{
    if (c->bad || c->rest.len) return SN_E_SYNTAX;
    bool leap_second = t->second == 60;
    if (leap_second) t->second = 59;
    int64_t ns;
    int r = sn_unix_from_civil(t, &ns);
    if (r < 0) return r == SN_E_OUT_OF_RANGE ? r : SN_E_SYNTAX;
    if (__builtin_sub_overflow(ns, (offset_s - leap_second) * SN_SEC, &ns))
        return SN_E_OUT_OF_RANGE;
    *ret_ns = ns;
    return 0;
}

int sn_time_parse_rfc3339(struct sn_str s, int64_t *ret_ns)
{
    struct cursor c = {s, false};
    struct sn_civil t = {0};
    t.year = take_number(&c, 4);
    take_char(&c, '-');
    t.month = (uint8_t)take_number(&c, 2);
    take_char(&c, '-');
    t.day = (uint8_t)take_number(&c, 2);
    take_char(&c, looking_at(&c, 't') ? 't' : 'T');
    take_clock(&c, &t);
    if (looking_at(&c, '.')) {
        take_char(&c, '.');
        t.nsec = take_nsec(&c);
    }
    int64_t offset = take_offset(&c);
    return finish(&c, &t, offset, ret_ns);
}

/* The year with these last two digits that is not more than 50 years after now. */
static int64_t full_year(unsigned two_digits, int64_t now_ns)
{
    struct sn_civil now;
    sn_civil_from_unix(now_ns, &now);
    int64_t year = now.year - now.year % 100 + two_digits;
    if (year > now.year + 50) year -= 100;
    if (year <= now.year - 50) year += 100;
    return year;
}

int sn_time_parse_http(struct sn_str s, int64_t now_ns, int64_t *ret_ns)
{
    struct cursor c = {s, false};
    struct sn_civil t = {0};
    bool full_name = take_weekday(&c);
    if (looking_at(&c, ' ')) { /* asctime: Sun Nov  6 08:49:37 1994 */
        take_char(&c, ' ');
        t.month = (uint8_t)take_month(&c);
        take_char(&c, ' ');
        bool padded = looking_at(&c, ' ');
        if (padded) take_char(&c, ' ');
        t.day = (uint8_t)take_number(&c, padded ? 1 : 2);
        take_char(&c, ' ');
        take_clock(&c, &t);
        take_char(&c, ' ');
        t.year = take_number(&c, 4);
        return full_name ? SN_E_SYNTAX : finish(&c, &t, 0, ret_ns);
    }
    char sep = full_name ? '-' : ' '; /* RFC 850: Sunday, 06-Nov-94 08:49:37 GMT */
    take_text(&c, ", ");
    t.day = (uint8_t)take_number(&c, 2);
    take_char(&c, sep);
    t.month = (uint8_t)take_month(&c);
    take_char(&c, sep);
    t.year = full_name ? full_year(take_number(&c, 2), now_ns) : take_number(&c, 4);
    take_char(&c, ' ');
    take_clock(&c, &t);
    take_text(&c, " GMT");
    return finish(&c, &t, 0, ret_ns);
}
