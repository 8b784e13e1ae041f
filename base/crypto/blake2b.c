/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/blake2b.c - see blake2b.h. */
#include "crypto/blake2b.h"

#include "core/status.h"
#include "crypto/field_int.h"

static const uint64_t iv[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                               0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                               0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
static const uint8_t sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static inline uint64_t rotr(uint64_t x, unsigned n) { return x >> n | x << (64 - n); }
static inline void mix(uint64_t *v, unsigned a, unsigned b, unsigned c, unsigned d, uint64_t x,
                       uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = rotr(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotr(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotr(v[b] ^ v[c], 63);
}
static void compress(struct sn_blake2b *b, const uint8_t block[128], size_t n, bool last)
{
    uint64_t v[16], m[16];
    b->count += n;
    sn_fx_load_le(m, block, 16);
    memcpy(v, b->h, 64);
    memcpy(v + 8, iv, 64);
    v[12] ^= b->count;
    if (last) v[14] = ~v[14];
    for (unsigned i = 0; i < 12; i++) {
        const uint8_t *s = sigma[i % 10];
        for (unsigned k = 0; k < 4; k++) mix(v, k, 4 + k, 8 + k, 12 + k, m[s[2 * k]], m[s[2 * k + 1]]);
        for (unsigned k = 0; k < 4; k++)
            mix(v, k, 4 + (k + 1) % 4, 8 + (k + 2) % 4, 12 + (k + 3) % 4, m[s[8 + 2 * k]],
                m[s[9 + 2 * k]]);
    }
    for (unsigned i = 0; i < 8; i++) b->h[i] ^= v[i] ^ v[8 + i];
}

void sn_blake2b_init(struct sn_blake2b *b)
{
    *b = (struct sn_blake2b){{0}};
    memcpy(b->h, iv, sizeof(iv));
    b->h[0] ^= 0x01010040; /* no key, 64 bytes out, sequential */
}
void sn_blake2b_put(struct sn_blake2b *b, const void *data, size_t n)
{
    const size_t full = sizeof(b->block);
    const uint8_t *p = data;
    while (n) {
        if (b->used == full) compress(b, b->block, full, false), b->used = 0;
        /* Whole blocks that are not the last go by the buffer: what a kept state has behind its
         * bytes is then what the peers leave there. */
        for (; b->used == 0 && n > full; p += full, n -= full) compress(b, p, full, false);
        size_t take = SN_MIN(n, full - b->used);
        memcpy(b->block + b->used, p, take);
        b->used += take;
        p += take, n -= take;
    }
}
void sn_blake2b_final(struct sn_blake2b *b, uint8_t ret[64])
{
    memset(b->block + b->used, 0, sizeof(b->block) - b->used);
    compress(b, b->block, b->used, true);
    sn_fx_store_le(ret, b->h, 8);
}
void sn_blake2b_save(const struct sn_blake2b *b, uint8_t ret[SN_BLAKE2B_STATE])
{
    uint64_t tail[3] = {b->count, b->used, 0};
    memcpy(ret, b->block, 128);
    sn_fx_store_le(ret + 128, b->h, 8);
    sn_fx_store_le(ret + 192, tail, 3);
}
int sn_blake2b_load(struct sn_blake2b *b, const uint8_t in[SN_BLAKE2B_STATE])
{
    uint64_t tail[3];
    sn_fx_load_le(tail, in + 192, 3);
    if (tail[1] > 128 || tail[2] != 0) return SN_E_OUT_OF_RANGE;
    memcpy(b->block, in, 128);
    sn_fx_load_le(b->h, in + 128, 8);
    b->count = tail[0];
    b->used = (size_t)tail[1];
    return 0;
}
