/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/keccak.c - the Keccak-f[1600] permutation in plain 64-bit words. */
#include <endian.h>

#include "crypto/keccak.h"

#define ROUNDS 24

static const uint64_t iota[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};
static inline uint64_t rotl(uint64_t x, unsigned n) { return x << n | x >> ((64 - n) & 63); }

/* One row of chi, from lanes that rho has turned and pi has brought here. The diagonals that pi
 * makes rows of, and rho's offsets, are the arguments: with everything constant the 25 lanes live in
 * registers and a few stack slots, three times as fast as the loops. */
#define ROW(to, s0, r0, s1, r1, s2, r2, s3, r3, s4, r4)                                      \
    do {                                                                                     \
        uint64_t b0 = rotl(a[s0] ^ d[(s0) % 5], r0), b1 = rotl(a[s1] ^ d[(s1) % 5], r1),     \
                 b2 = rotl(a[s2] ^ d[(s2) % 5], r2), b3 = rotl(a[s3] ^ d[(s3) % 5], r3),     \
                 b4 = rotl(a[s4] ^ d[(s4) % 5], r4);                                         \
        e[(to) + 0] = b0 ^ (~b1 & b2);                                                       \
        e[(to) + 1] = b1 ^ (~b2 & b3);                                                       \
        e[(to) + 2] = b2 ^ (~b3 & b4);                                                       \
        e[(to) + 3] = b3 ^ (~b4 & b0);                                                       \
        e[(to) + 4] = b4 ^ (~b0 & b1);                                                       \
    } while (0)
static SN_ALWAYS_INLINE void step(const uint64_t a[25], uint64_t e[25], uint64_t constant)
{
    uint64_t c[5], d[5];
    for (unsigned x = 0; x < 5; x++) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    d[0] = c[4] ^ rotl(c[1], 1);
    d[1] = c[0] ^ rotl(c[2], 1);
    d[2] = c[1] ^ rotl(c[3], 1);
    d[3] = c[2] ^ rotl(c[4], 1);
    d[4] = c[3] ^ rotl(c[0], 1);
    ROW(0, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);
    e[0] ^= constant;
    ROW(5, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
    ROW(10, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
    ROW(15, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
    ROW(20, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
}
void sn_keccak_permute(uint64_t s[25])
{
    uint64_t a[25], e[25];
    memcpy(a, s, sizeof(a));
    for (unsigned round = 0; round < ROUNDS; round += 2) {
        step(a, e, iota[round]);
        step(e, a, iota[round + 1]);
    }
    memcpy(s, a, sizeof(a));
}
static void absorb(struct sn_keccak *k, unsigned at, uint8_t byte)
{
    k->state[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}
static void absorb_block(struct sn_keccak *k, const uint8_t *p)
{
    for (unsigned i = 0; i < SN_KECCAK256_RATE / 8; i++) {
        uint64_t w;
        memcpy(&w, p + 8 * i, 8);
        k->state[i] ^= le64toh(w);
    }
    sn_keccak_permute(k->state);
}
void sn_keccak_init(struct sn_keccak *k) { *k = (struct sn_keccak){0}; }
void sn_keccak_put(struct sn_keccak *k, const void *data, size_t n)
{
    const uint8_t *p = data;
    while (n > 0) {
        if (k->at == 0 && n >= SN_KECCAK256_RATE) {
            absorb_block(k, p);
            p += SN_KECCAK256_RATE;
            n -= SN_KECCAK256_RATE;
            continue;
        }
        if (k->at % 8 == 0 && n >= 8 && k->at < SN_KECCAK256_RATE) {
            uint64_t w;
            memcpy(&w, p, 8);
            k->state[k->at / 8] ^= le64toh(w);
            k->at += 8;
            p += 8;
            n -= 8;
        } else {
            absorb(k, k->at++, *p++);
            n--;
        }
        if (k->at < SN_KECCAK256_RATE) continue;
        sn_keccak_permute(k->state);
        k->at = 0;
    }
}
void sn_keccak_final(struct sn_keccak *k, uint8_t out[SN_KECCAK256_LEN])
{
    absorb(k, k->at, 0x01);
    absorb(k, SN_KECCAK256_RATE - 1, 0x80);
    sn_keccak_permute(k->state);
    for (unsigned i = 0; i < SN_KECCAK256_LEN; i++)
        out[i] = (uint8_t)(k->state[i / 8] >> (8 * (i % 8)));
}
void sn_keccak256(const void *data, size_t n, uint8_t out[SN_KECCAK256_LEN])
{
    struct sn_keccak k;
    sn_keccak_init(&k);
    sn_keccak_put(&k, data, n);
    sn_keccak_final(&k, out);
}
