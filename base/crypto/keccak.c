/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/keccak.c - the Keccak-f[1600] permutation in plain 64-bit words. */
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
/* rho's offsets and pi's destinations, along the cycle that begins at lane (1, 0). */
static const uint8_t rho[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
static const uint8_t pi[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                               15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};

static inline uint64_t rotl(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

static void permute(uint64_t s[25])
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t c[5];
        for (unsigned x = 0; x < 5; x++) c[x] = s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20];
        for (unsigned x = 0; x < 5; x++) {
            uint64_t d = c[(x + 4) % 5] ^ rotl(c[(x + 1) % 5], 1);
            for (unsigned y = 0; y < 25; y += 5) s[x + y] ^= d;
        }
        uint64_t carried = s[1];
        for (unsigned i = 0; i < 24; i++) {
            uint64_t next = s[pi[i]];
            s[pi[i]] = rotl(carried, rho[i]);
            carried = next;
        }
        for (unsigned y = 0; y < 25; y += 5) {
            uint64_t r[5] = {s[y], s[y + 1], s[y + 2], s[y + 3], s[y + 4]};
            for (unsigned x = 0; x < 5; x++) s[y + x] = r[x] ^ (~r[(x + 1) % 5] & r[(x + 2) % 5]);
        }
        s[0] ^= iota[round];
    }
}
static void absorb(struct sn_keccak *k, unsigned at, uint8_t byte)
{
    k->state[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}
void sn_keccak_init(struct sn_keccak *k) { *k = (struct sn_keccak){0}; }
void sn_keccak_put(struct sn_keccak *k, const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++) {
        absorb(k, k->at++, p[i]);
        if (k->at < SN_KECCAK256_RATE) continue;
        permute(k->state);
        k->at = 0;
    }
}
void sn_keccak_final(struct sn_keccak *k, uint8_t out[SN_KECCAK256_LEN])
{
    absorb(k, k->at, 0x01);
    absorb(k, SN_KECCAK256_RATE - 1, 0x80);
    permute(k->state);
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
