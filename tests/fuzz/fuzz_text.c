/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_text.c - instants, durations, sizes and numbers: what is read prints and reads back as
 * the same value; a failure leaves the output alone. The first eight bytes are also an instant and a
 * duration that must survive printing and reading. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "core/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UNTOUCHED 0x5aa55aa5

static void failed(int r, int64_t v)
{
    SN_ASSERT(r == 0 || ((r == SN_E_SYNTAX || r == SN_E_OUT_OF_RANGE) && v == UNTOUCHED));
}

static void print_and_read(int64_t v)
{
    char text[SN_RFC3339_MAX], dur[SN_DURATION_MAX];
    int64_t back;
    struct sn_civil c;
    size_t n = sn_time_rfc3339(v, -1, text);
    SN_ASSERT(n < sizeof(text) && text[n] == 0);
    SN_ASSERT(sn_time_parse_rfc3339(sn_str_of(text, n), &back) == 0 && back == v);
    n = sn_duration_format(v, dur);
    SN_ASSERT(n < sizeof(dur) && dur[n] == 0);
    SN_ASSERT(sn_str_to_duration(sn_str_of(dur, n), &back) == 0 && back == v);
    sn_civil_from_unix(v, &c);
    SN_ASSERT(sn_unix_from_civil(&c, &back) == 0 && back == v);
}

static void times(struct sn_str s, int64_t now)
{
    int64_t v = UNTOUCHED, back;
    char text[SN_HTTP_DATE_MAX];
    int r = sn_time_parse_rfc3339(s, &v);
    failed(r, v);
    if (r == 0) print_and_read(v);
    v = UNTOUCHED;
    r = sn_time_parse_http(s, now, &v);
    failed(r, v);
    if (r == 0) {
        SN_ASSERT(sn_time_http(v, text) == 29);
        SN_ASSERT(sn_time_parse_http(sn_str_of(text, 29), now, &back) == 0 && back == v);
    }
    v = UNTOUCHED;
    r = sn_str_to_duration(s, &v);
    failed(r, v);
    if (r == 0) print_and_read(v);
}

static void numbers(struct sn_str s)
{
    int64_t i = UNTOUCHED;
    uint64_t u = UNTOUCHED, bytes = UNTOUCHED;
    double d = UNTOUCHED, again;
    char text[64];
    int ri = sn_str_to_i64(s, &i), ru = sn_str_to_u64(s, &u), rd = sn_str_to_double(s, &d);
    failed(ri, i);
    failed(ru, (int64_t)u);
    failed(sn_str_to_bytes(s, &bytes), (int64_t)bytes);
    if (ri == 0 && ru == 0) SN_ASSERT((uint64_t)i == u);
    if (ru == 0) SN_ASSERT(sn_str_to_bytes(s, &bytes) == 0 && bytes == u);
    if (ri == 0) SN_ASSERT(rd == 0 && d == (double)i);
    if (rd != 0) return;
    char *z = malloc(s.len + 1), *end; /* the C library is the judge of rounding */
    SN_ASSERT(z && isfinite(d));
    memcpy(z, s.ptr, s.len);
    z[s.len] = 0;
    again = strtod(z, &end);
    SN_ASSERT(*end == 0 && again == d && signbit(again) == signbit(d));
    free(z);
    int n = snprintf(text, sizeof(text), "%.17g", d);
    for (char *e = text; *e; e++) /* "e+20" */
        if (*e == '+') memmove(e, e + 1, strlen(e)), n--; /* within our grammar */
    SN_ASSERT(sn_str_to_double(sn_str_of(text, (size_t)n), &again) == 0 && again == d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str s = sn_str_of((const char *)data, size);
    int64_t v = 0;
    if (size >= sizeof(v)) memcpy(&v, data, sizeof(v));
    print_and_read(v);
    times(s, v);
    numbers(s);
    return 0;
}
