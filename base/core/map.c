/* SPDX-License-Identifier: Apache-2.0 */
/* core/map.c - the hash table and the hash.
 *
 * cap is a power of two and a multiple of GROUP. One heap block holds the slots and after them one
 * control byte each: a 7-bit tag of the hash where full, EMPTY or DELETED otherwise. A probe walks
 * whole aligned groups in triangular steps, which visit each group once, and stops at the first
 * group with an EMPTY: growth_left keeps one in eight slots EMPTY, so it stops. */
#include "core/map.h"

#include "core/alloc.h"
#include "core/status.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define GROUP 16u
#define EMPTY 0x80u
#define DELETED 0xfeu

/* ---- hash ---- */

/* Odd 64-bit constants: fractions of e, pi and sqrt(2). */
#define K0 0xb7e151628aed2a6bull
#define K1 0x243f6a8885a308d3ull
#define K2 0x6a09e667f3bcc909ull

static SN_ALWAYS_INLINE uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static SN_ALWAYS_INLINE uint64_t load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Both halves of the product: every input bit reaches every output bit but in degenerate cases. */
static SN_ALWAYS_INLINE uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Both factors of each fold carry secret bits, so input alone cannot make a factor zero and thereby
 * collide whatever the seed. */
uint64_t sn_hash(const void *data, size_t len, uint64_t seed)
{
    const uint8_t *p = data;
    uint64_t s = fold(seed ^ K0, K1) ^ seed, t = fold(s ^ K1, K2 ^ seed);
    uint64_t a = 0, b = 0;
    if (len > 16) {
        size_t n = len;
        for (; n > 48; n -= 48, p += 48) {
            uint64_t u = fold(load64(p) ^ s, load64(p + 8) ^ t);
            uint64_t v = fold(load64(p + 16) ^ s ^ K0, load64(p + 24) ^ t);
            uint64_t w = fold(load64(p + 32) ^ s ^ K1, load64(p + 40) ^ t);
            s ^= u + (v << 1 | v >> 63) + (w << 2 | w >> 62);
            s = s * K2 + K0;
        }
        for (; n > 16; n -= 16, p += 16) s = fold(load64(p) ^ s, load64(p + 8) ^ t) + K0;
        a = load64(p + n - 16);
        b = load64(p + n - 8);
    } else if (len >= 8) {
        a = load64(p);
        b = load64(p + len - 8);
    } else if (len >= 4) {
        a = load32(p);
        b = load32(p + len - 4);
    } else if (len > 0) {
        a = (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1];
    }
    uint64_t h = fold(a ^ s, b ^ t ^ len * K0);
    return fold(h ^ K1, s ^ K2 ^ len);
}

/* ---- groups ---- */

/* One bit per slot of the group at `c` whose control byte is `want`. */
static SN_ALWAYS_INLINE unsigned match(const uint8_t *c, uint8_t want)
{
#ifdef __SSE2__
    __m128i g = _mm_load_si128((const __m128i *)(const void *)c);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(g, _mm_set1_epi8((char)want)));
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < GROUP; i++) bits |= (unsigned)(c[i] == want) << i;
    return bits;
#endif
}

/* EMPTY or DELETED: the sign bit. */
static SN_ALWAYS_INLINE unsigned match_free(const uint8_t *c)
{
#ifdef __SSE2__
    return (unsigned)_mm_movemask_epi8(_mm_load_si128((const __m128i *)(const void *)c));
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < GROUP; i++) bits |= (unsigned)(c[i] >> 7) << i;
    return bits;
#endif
}

static uint8_t tag_of(uint64_t hash) { return hash >> 57; }

/* First free slot on the probe path of `hash`; the table must have one. */
static size_t find_free(const uint8_t *ctrl, size_t cap, uint64_t hash)
{
    size_t groups = cap / GROUP, g = hash & (groups - 1);
    for (size_t step = 1;; g = (g + step++) & (groups - 1)) {
        unsigned bits = match_free(ctrl + g * GROUP);
        if (bits) return g * GROUP + (unsigned)__builtin_ctz(bits);
        SN_DCHECK(step <= groups);
    }
}

static struct sn_map_slot *find_hashed(const struct sn_map *m, struct sn_str key, uint64_t hash)
{
    size_t groups = m->cap / GROUP;
    if (groups == 0) return NULL;
    size_t g = hash & (groups - 1);
    for (size_t step = 1;; g = (g + step++) & (groups - 1)) {
        const uint8_t *c = m->ctrl + g * GROUP;
        for (unsigned bits = match(c, tag_of(hash)); bits; bits &= bits - 1) {
            struct sn_map_slot *s = &m->slots[g * GROUP + (unsigned)__builtin_ctz(bits)];
            if (SN_LIKELY(sn_str_eq(s->key, key))) return s;
        }
        if (SN_LIKELY(match(c, EMPTY))) return NULL;
        SN_DCHECK(step <= groups);
    }
}

/* ---- the map ---- */

static size_t growth_of(size_t cap) { return cap - cap / 8; }

void sn_map_init(struct sn_map *m, uint64_t seed, bool own_keys)
{
    *m = (struct sn_map){.seed = seed, .own_keys = own_keys};
}

static void free_keys(struct sn_map *m)
{
    if (!m->own_keys) return;
    for (size_t i = 0; i < m->cap; i++)
        if (m->ctrl[i] < EMPTY) sn_free((void *)m->slots[i].key.ptr);
}

void sn_map_done(struct sn_map *m)
{
    free_keys(m);
    sn_free(m->slots);
    sn_map_init(m, m->seed, m->own_keys);
}

void sn_map_clear(struct sn_map *m)
{
    free_keys(m);
    if (m->cap) memset(m->ctrl, EMPTY, m->cap);
    m->len = 0;
    m->growth_left = growth_of(m->cap);
}

struct sn_map_slot *sn_map_find(const struct sn_map *m, struct sn_str key)
{
    if (m->len == 0) return NULL;
    return find_hashed(m, key, sn_hash(key.ptr, key.len, m->seed));
}

void *sn_map_get(const struct sn_map *m, struct sn_str key)
{
    struct sn_map_slot *s = sn_map_find(m, key);
    return s ? s->value : NULL;
}

/* Moves everything into a new table: twice as large, or as large where deletions filled it. */
static int rehash(struct sn_map *m)
{
    size_t cap = m->cap == 0 ? GROUP : m->len >= growth_of(m->cap) / 2 ? m->cap * 2 : m->cap;
    size_t bytes;
    if (cap < m->cap || __builtin_mul_overflow(cap, sizeof(struct sn_map_slot) + 1, &bytes))
        return SN_E_NOMEM;
    struct sn_map_slot *slots = sn_alloc(bytes);
    if (!slots) return SN_E_NOMEM;
    uint8_t *ctrl = (uint8_t *)(slots + cap);
    memset(ctrl, EMPTY, cap);
    for (size_t i = 0; i < m->cap; i++) {
        if (m->ctrl[i] >= EMPTY) continue;
        struct sn_str key = m->slots[i].key;
        uint64_t hash = sn_hash(key.ptr, key.len, m->seed);
        size_t at = find_free(ctrl, cap, hash);
        ctrl[at] = tag_of(hash);
        slots[at] = m->slots[i];
    }
    sn_free(m->slots);
    m->slots = slots;
    m->ctrl = ctrl;
    m->cap = cap;
    m->growth_left = growth_of(cap) - m->len;
    return 0;
}

int sn_map_put(struct sn_map *m, struct sn_str key, void *value, void **ret_old)
{
    uint64_t hash = sn_hash(key.ptr, key.len, m->seed);
    struct sn_map_slot *s = find_hashed(m, key, hash);
    if (s) {
        if (ret_old) *ret_old = s->value;
        if (!m->own_keys) s->key = key;
        s->value = value;
        return 0;
    }
    size_t at = m->cap ? find_free(m->ctrl, m->cap, hash) : 0;
    if (m->growth_left == 0 && (m->cap == 0 || m->ctrl[at] == EMPTY)) {
        int r = rehash(m);
        if (r < 0) return r;
        at = find_free(m->ctrl, m->cap, hash);
    }
    if (m->own_keys) {
        char *copy = sn_alloc(key.len);
        if (!copy) return SN_E_NOMEM;
        if (key.len) memcpy(copy, key.ptr, key.len);
        key.ptr = copy;
    }
    if (m->ctrl[at] == EMPTY) m->growth_left--;
    m->ctrl[at] = tag_of(hash);
    m->slots[at] = (struct sn_map_slot){key, value};
    m->len++;
    if (ret_old) *ret_old = NULL;
    return 1;
}

void *sn_map_del(struct sn_map *m, struct sn_str key)
{
    struct sn_map_slot *s = sn_map_find(m, key);
    if (!s) return NULL;
    size_t at = (size_t)(s - m->slots);
    void *value = s->value;
    if (m->own_keys) sn_free((void *)s->key.ptr);
    /* A group that still has an EMPTY never let a probe pass, so no key lies beyond it. */
    if (match(m->ctrl + (at & ~(size_t)(GROUP - 1)), EMPTY)) {
        m->ctrl[at] = EMPTY;
        m->growth_left++;
    } else {
        m->ctrl[at] = DELETED;
    }
    m->len--;
    return value;
}

struct sn_map_slot *sn_map_next(const struct sn_map *m, size_t *it)
{
    for (size_t i = *it; i < m->cap; i++) {
        if (m->ctrl[i] >= EMPTY) continue;
        *it = i + 1;
        return &m->slots[i];
    }
    *it = m->cap;
    return NULL;
}
