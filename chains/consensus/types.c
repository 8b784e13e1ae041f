/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/types.c - references, comparisons, times. */
#include "consensus/types.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "consensus/valset.h"
#include "core/alloc.h"

#define NS_PER_SEC 1000000000ll

struct sn_cons_time sn_cons_time_of_ns(int64_t ns)
{
    int64_t sec = ns / NS_PER_SEC, nsec = ns % NS_PER_SEC;
    if (nsec < 0) {
        sec--;
        nsec += NS_PER_SEC;
    }
    return (struct sn_cons_time){sec, (int32_t)nsec};
}
static int64_t clamp(__int128 v)
{
    return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}
int64_t sn_cons_time_ns(struct sn_cons_time t)
{
    return clamp((__int128)t.sec * NS_PER_SEC + t.nsec);
}
int sn_cons_time_cmp(struct sn_cons_time a, struct sn_cons_time b)
{
    if (a.sec != b.sec) return a.sec < b.sec ? -1 : 1;
    return a.nsec < b.nsec ? -1 : a.nsec > b.nsec;
}
int64_t sn_cons_time_sub(struct sn_cons_time a, struct sn_cons_time b)
{
    return clamp(((__int128)a.sec - b.sec) * NS_PER_SEC + a.nsec - b.nsec);
}
const char *sn_cons_time_text(struct sn_cons_time t, char out[40])
{
    time_t sec = (time_t)t.sec;
    struct tm tm;
    if (!gmtime_r(&sec, &tm)) {
        snprintf(out, 40, "%lld s", (long long)t.sec);
        return out;
    }
    size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    /* strftime does not pad years below 1000. */
    if (tm.tm_year < -900)
        n = (size_t)snprintf(out, 40, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
                             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (t.nsec) {
        n += (size_t)snprintf(out + n, 40 - n, ".%09d", t.nsec);
        while (out[n - 1] == '0') n--;
    }
    memcpy(out + n, "Z", 2);
    return out;
}

/* `n` digits at s[at] as a number in [lo, hi], or -1. */
static int digits(struct sn_str s, size_t at, size_t n, int lo, int hi)
{
    int v = 0;
    if (at + n > s.len) return -1;
    for (size_t i = at; i < at + n; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return -1;
        v = v * 10 + (s.ptr[i] - '0');
    }
    return v < lo || v > hi ? -1 : v;
}
static bool is(struct sn_str s, size_t at, char c) { return at < s.len && s.ptr[at] == c; }

int sn_cons_time_parse(struct sn_str s, struct sn_cons_time *ret)
{
    struct tm tm = {.tm_year = digits(s, 0, 4, 0, 9999), .tm_mon = digits(s, 5, 2, 1, 12),
                    .tm_mday = digits(s, 8, 2, 1, 31), .tm_hour = digits(s, 11, 2, 0, 23),
                    .tm_min = digits(s, 14, 2, 0, 59), .tm_sec = digits(s, 17, 2, 0, 59)};
    if ((tm.tm_year | tm.tm_mon | tm.tm_mday | tm.tm_hour | tm.tm_min | tm.tm_sec) < 0 ||
        !is(s, 4, '-') || !is(s, 7, '-') || !is(s, 10, 'T') || !is(s, 13, ':') || !is(s, 16, ':'))
        return SN_E_SYNTAX;
    int day = tm.tm_mday;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    int64_t sec = timegm(&tm);
    if (tm.tm_mday != day) return SN_E_SYNTAX; /* 30 February */
    size_t at = 19;
    int32_t nsec = 0;
    if (is(s, at, '.')) {
        int32_t unit = 100000000;
        for (at++; digits(s, at, 1, 0, 9) >= 0; at++, unit /= 10)
            nsec += unit * digits(s, at, 1, 0, 9);
        if (at == 20) return SN_E_SYNTAX;
    }
    if (is(s, at, '+') || is(s, at, '-')) {
        int h = digits(s, at + 1, 2, 0, 23), m = digits(s, at + 4, 2, 0, 59);
        if (h < 0 || m < 0 || !is(s, at + 3, ':') || at + 6 != s.len) return SN_E_SYNTAX;
        sec += (is(s, at, '-') ? 1 : -1) * (h * 3600 + m * 60);
    } else if (!is(s, at, 'Z') || at + 1 != s.len) {
        return SN_E_SYNTAX;
    }
    *ret = (struct sn_cons_time){sec, nsec};
    return 0;
}

bool sn_cons_part_set_header_eq(const struct sn_cons_part_set_header *a,
                                const struct sn_cons_part_set_header *b)
{
    return a->total == b->total && sn_cons_hash_eq(&a->hash, &b->hash);
}
bool sn_cons_block_id_eq(const struct sn_cons_block_id *a, const struct sn_cons_block_id *b)
{
    return sn_cons_hash_eq(&a->hash, &b->hash) && sn_cons_part_set_header_eq(&a->parts, &b->parts);
}
bool sn_cons_block_id_is_nil(const struct sn_cons_block_id *id)
{
    return id->hash.len == 0 && id->parts.total == 0 && id->parts.hash.len == 0;
}
bool sn_cons_block_id_is_complete(const struct sn_cons_block_id *id)
{
    return id->hash.len == SN_CONS_HASH_LEN && id->parts.total > 0 &&
           id->parts.hash.len == SN_CONS_HASH_LEN;
}

/* The part set header as protobuf: the second half of the key evidence sorts by. */
static size_t parts_key(const struct sn_cons_part_set_header *p, uint8_t out[48])
{
    size_t n = 0;
    if (p->total) {
        out[n++] = 1 << 3;
        for (uint32_t v = p->total; n < 8; v >>= 7) {
            out[n++] = (uint8_t)(v < 0x80 ? v : (v & 0x7f) | 0x80);
            if (v < 0x80) break;
        }
    }
    if (p->hash.len) {
        out[n++] = 2 << 3 | 2;
        out[n++] = p->hash.len;
        memcpy(out + n, p->hash.b, p->hash.len);
        n += p->hash.len;
    }
    return n;
}
int sn_cons_block_id_cmp(const struct sn_cons_block_id *a, const struct sn_cons_block_id *b)
{
    uint8_t ka[96], kb[96];
    memcpy(ka, a->hash.b, a->hash.len);
    memcpy(kb, b->hash.b, b->hash.len);
    size_t na = a->hash.len + parts_key(&a->parts, ka + a->hash.len);
    size_t nb = b->hash.len + parts_key(&b->parts, kb + b->hash.len);
    int c = memcmp(ka, kb, SN_MIN(na, nb));
    return c ? c : na < nb ? -1 : na > nb;
}

struct sn_cons_vote *sn_cons_vote_new(const struct sn_cons_vote *v)
{
    struct sn_cons_vote *n = sn_alloc(sizeof(*n) + v->ext.len);
    if (!n) return NULL;
    *n = *v;
    n->refs = 1;
    n->ext.ptr = (const char *)(n + 1);
    if (v->ext.len) memcpy(n + 1, v->ext.ptr, v->ext.len);
    return n;
}
struct sn_cons_vote *sn_cons_vote_ref(struct sn_cons_vote *v)
{
    v->refs++;
    return v;
}
void sn_cons_vote_unref(struct sn_cons_vote *v)
{
    if (v && --v->refs == 0) sn_free(v);
}

int64_t sn_cons_evidence_height(const struct sn_cons_evidence *ev)
{
    return ev->kind == SN_CONS_DUPLICATE_VOTE ? ev->vote_a->height : ev->common_height;
}

struct sn_cons_block *sn_cons_block_new(size_t limit)
{
    struct sn_cons_block *b = SN_NEW(struct sn_cons_block);
    if (!b) return NULL;
    b->refs = 1;
    sn_arena_init(&b->arena, NULL, limit);
    b->last_commit = SN_ARENA_NEW(&b->arena, struct sn_cons_commit);
    if (b->last_commit) return b;
    sn_cons_block_unref(b);
    return NULL;
}
struct sn_cons_block *sn_cons_block_ref(struct sn_cons_block *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}
void sn_cons_block_unref(struct sn_cons_block *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
    sn_arena_done(&b->arena);
    sn_free(b);
}

int sn_cons_bits_init(struct sn_cons_bits *b, uint32_t n)
{
    b->w = SN_NEW_ARRAY(uint64_t, (n + 63) / 64 + 1);
    if (!b->w) return SN_E_NOMEM;
    b->n = n;
    return 0;
}
void sn_cons_bits_done(struct sn_cons_bits *b)
{
    sn_free(b->w);
    *b = (struct sn_cons_bits){0};
}
uint32_t sn_cons_bits_count(const struct sn_cons_bits *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < (b->n + 63) / 64; i++) n += (uint32_t)__builtin_popcountll(b->w[i]);
    return n;
}
