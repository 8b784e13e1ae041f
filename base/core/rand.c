/* SPDX-License-Identifier: Apache-2.0 */
/* core/rand.c - xoshiro256**, seeded by splitmix64. */
#include "core/rand.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, unsigned k) { return (x << k) | (x >> (64 - k)); }

void sn_rand_seed(struct sn_rand *r, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) r->s[i] = splitmix(&seed);
}

uint64_t sn_rand_u64(struct sn_rand *r)
{
    uint64_t *s = r->s;
    uint64_t out = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

/* The high half of a 64x64 product is uniform in [0, n) but for 2^64 mod n low halves, which are
 * drawn again. Source: Lemire, "Fast random integer generation in an interval" (2019). */
uint64_t sn_rand_below(struct sn_rand *r, uint64_t n)
{
    SN_ASSERT(n >= 1);
    __uint128_t m = (__uint128_t)sn_rand_u64(r) * n;
    if ((uint64_t)m < n) {
        uint64_t reject = (0 - n) % n;
        while ((uint64_t)m < reject) m = (__uint128_t)sn_rand_u64(r) * n;
    }
    return (uint64_t)(m >> 64);
}

double sn_rand_double(struct sn_rand *r) { return (double)(sn_rand_u64(r) >> 11) * 0x1p-53; }

void sn_rand_bytes(struct sn_rand *r, void *out, size_t n)
{
    uint8_t *p = out;
    while (n > 0) {
        uint64_t v = sn_rand_u64(r);
        for (unsigned i = 0; i < 8 && n > 0; i++, n--, v >>= 8) *p++ = (uint8_t)v;
    }
}
