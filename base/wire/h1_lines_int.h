/* SPDX-License-Identifier: Apache-2.0 */
/* wire/h1_lines_int.h - the scanning loops of the head parser, once per instruction set.
 * It is included more than once, by h1.c, so it has no #pragma once: with ISA_AVX2 32 bytes
 * are looked at per step, otherwise 16 (SSE2 is part of x86-64; elsewhere the portable loop). Only
 * whole vectors inside the buffer are loaded, so nothing is read past its end. */

/* First byte that a field value cannot hold: a control other than HTAB, or DEL. */
static inline const char *FN(scan_value)(const char *p, const char *end)
{
#ifdef ISA_AVX2
    const __m256i ctl = _mm256_set1_epi8(0x1f), tab = _mm256_set1_epi8('\t');
    const __m256i del = _mm256_set1_epi8(0x7f);
    for (; end - p >= 32; p += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)p);
        __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, ctl), v);
        low = _mm256_andnot_si256(_mm256_cmpeq_epi8(v, tab), low);
        unsigned m =
            (unsigned)_mm256_movemask_epi8(_mm256_or_si256(low, _mm256_cmpeq_epi8(v, del)));
        if (m) return p + __builtin_ctz(m);
    }
#endif
#ifdef __SSE2__
    const __m128i ctl16 = _mm_set1_epi8(0x1f), tab16 = _mm_set1_epi8('\t');
    const __m128i del16 = _mm_set1_epi8(0x7f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, ctl16), v);
        low = _mm_andnot_si128(_mm_cmpeq_epi8(v, tab16), low);
        unsigned m = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, del16)));
        if (m) return p + __builtin_ctz(m);
    }
#endif
    while (p < end && !(h1_class[(unsigned char)*p] & C_CTL)) p++;
    return p;
}

/* First byte that is not visible ASCII: ends a request target. */
static inline const char *FN(scan_target)(const char *p, const char *end)
{
#ifdef __SSE2__
    /* Signed: bytes from 0x80 are negative, so "greater than space" leaves 0x21..0x7f. */
    const __m128i space = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i ok = _mm_andnot_si128(_mm_cmpeq_epi8(v, del), _mm_cmpgt_epi8(v, space));
        unsigned m = (unsigned)_mm_movemask_epi8(ok) ^ 0xffffu;
        if (m) return p + __builtin_ctz(m);
    }
#endif
    while (p < end && *p > 0x20 && *p != 0x7f) p++;
    return p;
}

/* First byte that is no token character: ends a field name. */
static inline const char *FN(scan_token)(const char *p, const char *end)
{
#ifdef ISA_AVX2
    /* A byte is split in nibbles; the low one selects the set of high ones that make a token. */
    const __m128i by_low = _mm_setr_epi8((char)0xe8, (char)0xfc, (char)0xf8, (char)0xfc, (char)0xfc,
                                         (char)0xfc, (char)0xfc, (char)0xfc, (char)0xf8, (char)0xf8,
                                         (char)0xf4, 0x54, (char)0xd0, 0x54, (char)0xf4, 0x70);
    const __m128i by_high =
        _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i nib = _mm_set1_epi8(0x0f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i lo = _mm_shuffle_epi8(by_low, _mm_and_si128(v, nib));
        __m128i hi = _mm_shuffle_epi8(by_high, _mm_and_si128(_mm_srli_epi16(v, 4), nib));
        __m128i bad = _mm_cmpeq_epi8(_mm_and_si128(lo, hi), _mm_setzero_si128());
        unsigned m = (unsigned)_mm_movemask_epi8(bad);
        if (m) return p + __builtin_ctz(m);
    }
#endif
    while (p < end && (h1_class[(unsigned char)*p] & C_TOKEN)) p++;
    return p;
}

/* One field line at p. Returns the next line, NULL for more bytes, or (with *err) NULL. */
static inline const char *FN(field_line)(const char *p, const char *end, struct sn_http_header *ret,
                                         enum sn_h1_err *err)
{
    const char *name = p;
    p = FN(scan_token)(p, end);
    if (SN_UNLIKELY(p == end)) return NULL;
    if (SN_UNLIKELY(*p != ':' || p == name)) {
        bool space = *p == ' ' || *p == '\t';
        *err = p != name ? (space ? SN_H1_ERR_SPACE_BEFORE_COLON : SN_H1_ERR_NAME)
                         : (space ? SN_H1_ERR_FOLD : SN_H1_ERR_NAME);
        return NULL;
    }
    ret->name = sn_str_of(name, (size_t)(p - name));
    p++;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    const char *value = p;
    p = FN(scan_value)(p, end);
    if (SN_UNLIKELY(end - p < 2)) {
        if (p < end && *p != '\r') *err = *p == '\n' ? SN_H1_ERR_LINE_END : SN_H1_ERR_VALUE;
        return NULL;
    }
    if (SN_UNLIKELY(p[0] != '\r' || p[1] != '\n')) {
        *err = p[0] == '\n' || p[0] == '\r' ? SN_H1_ERR_LINE_END : SN_H1_ERR_VALUE;
        return NULL;
    }
    const char *next = p + 2;
    while (p > value && (p[-1] == ' ' || p[-1] == '\t')) p--;
    ret->value = sn_str_of(value, (size_t)(p - value));
    return next;
}

/* All field lines from *pp on. Returns 1 past the empty line, 0 for more bytes (*pp is then the
 * start of the incomplete line), -1 with p->err set. */
static int FN(fields)(struct sn_h1 *h, const char **pp, const char *end)
{
    const char *p = *pp;
    for (;;) {
        *pp = p;
        if (p == end) return 0;
        if (*p == '\r') {
            if (end - p < 2) return 0;
            if (p[1] != '\n') return h1_err(h, SN_H1_ERR_LINE_END);
            *pp = p + 2;
            return 1;
        }
        if (SN_UNLIKELY(*p == '\n')) return h1_err(h, SN_H1_ERR_LINE_END);
        struct sn_http_header f;
        enum sn_h1_err e = SN_H1_OK;
        p = FN(field_line)(p, end, &f, &e);
        if (SN_UNLIKELY(!p)) return e ? h1_err(h, e) : 0;
        if (SN_UNLIKELY(h->headers.len >= h->opts.headers_max))
            return h1_err(h, SN_H1_ERR_HEADERS_MANY);
        e = h1_field(h, f.name, f.value);
        if (SN_UNLIKELY(e)) return h1_err(h, e);
        if (SN_UNLIKELY(sn_http_headers_add(&h->headers, h->arena, f.name, f.value) < 0))
            return h1_err(h, SN_H1_ERR_NOMEM);
    }
}
