/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519_vec_hash.c - eight SHA-512 at a time: signatures hash short messages, for which
 * setting up a general digest costs as much as the digest. Needs AVX-512 F and BW.
 * Source: FIPS 180-4. */
#include "crypto/ed25519_int.h"

#ifdef __AVX512F__
#include <immintrin.h>

#define BLOCK 128u
#define ROUNDS 80

static const uint64_t round_k[ROUNDS] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};
static const uint64_t start_h[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* One block of each lane's padded input, built when its turn comes. */
struct lane {
    const struct ed_hash_in *in;
    size_t total, blocks; /* bytes of input; blocks with the padding */
};
/* Bytes at..at+n-1 of R, key and message one after the other. */
static void copy_input(uint8_t *to, const struct ed_hash_in *in, size_t at, size_t n)
{
    const uint8_t *part[3] = {in->r, in->key, in->msg};
    const size_t len[3] = {32, 32, in->msg_len};
    for (unsigned i = 0; i < 3 && n > 0; i++) {
        if (at >= len[i]) {
            at -= len[i];
            continue;
        }
        size_t take = SN_MIN(n, len[i] - at);
        memcpy(to, part[i] + at, take);
        to += take;
        n -= take;
        at = 0;
    }
}
static void fill(uint8_t to[BLOCK], const struct lane *l, size_t block)
{
    size_t at = block * BLOCK, have = at < l->total ? SN_MIN(BLOCK, l->total - at) : 0;
    if (have > 0) copy_input(to, l->in, at, have);
    memset(to + have, 0, BLOCK - have);
    if (at + have == l->total && have < BLOCK) to[have] = 0x80;
    if (block + 1 == l->blocks) {
        uint64_t bits = htobe64((uint64_t)l->total * 8);
        memcpy(to + BLOCK - 8, &bits, 8);
        to[BLOCK - 9] = (uint8_t)(l->total >> 61);
    }
}

/* Rows of eight words each become words of eight lanes each. */
static SN_ALWAYS_INLINE void transpose(__m512i r[8])
{
    __m512i t[8], u[8];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        t[2 * i] = _mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (unsigned i = 0; i < 2; i++) {
        u[4 * i] = _mm512_shuffle_i64x2(t[4 * i], t[4 * i + 2], 0x88);
        u[4 * i + 1] = _mm512_shuffle_i64x2(t[4 * i + 1], t[4 * i + 3], 0x88);
        u[4 * i + 2] = _mm512_shuffle_i64x2(t[4 * i], t[4 * i + 2], 0xdd);
        u[4 * i + 3] = _mm512_shuffle_i64x2(t[4 * i + 1], t[4 * i + 3], 0xdd);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i64x2(u[i], u[i + 4], 0x88);
        r[i + 4] = _mm512_shuffle_i64x2(u[i], u[i + 4], 0xdd);
    }
}
static SN_ALWAYS_INLINE __m512i xor3(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}
/* One block into the state of the lanes in the mask. */
static void compress(__m512i h[8], uint8_t block[ED_LANES][BLOCK], __mmask8 lanes)
{
    const __m512i swap =
        _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    __m512i w[16], s[8];
    for (unsigned half = 0; half < 2; half++) {
        for (unsigned i = 0; i < 8; i++)
            w[8 * half + i] =
                _mm512_shuffle_epi8(_mm512_loadu_si512(block[i] + 64 * (size_t)half), swap);
        transpose(w + 8 * (size_t)half);
    }
    memcpy(s, h, sizeof(s));
#pragma GCC unroll 80
    for (unsigned i = 0; i < ROUNDS; i++) {
        __m512i *x = &w[i % 16];
        if (i >= 16) {
            __m512i a = w[(i + 1) % 16], b = w[(i + 14) % 16];
            __m512i s0 =
                xor3(_mm512_ror_epi64(a, 1), _mm512_ror_epi64(a, 8), _mm512_srli_epi64(a, 7));
            __m512i s1 =
                xor3(_mm512_ror_epi64(b, 19), _mm512_ror_epi64(b, 61), _mm512_srli_epi64(b, 6));
            *x = _mm512_add_epi64(_mm512_add_epi64(*x, s0), _mm512_add_epi64(w[(i + 9) % 16], s1));
        }
        /* a..h move on by one name each round. */
        __m512i a = s[(80 - i) % 8], b = s[(81 - i) % 8], c = s[(82 - i) % 8], e = s[(84 - i) % 8],
                f = s[(85 - i) % 8], g = s[(86 - i) % 8], *d = &s[(83 - i) % 8],
                *hh = &s[(87 - i) % 8];
        __m512i t = _mm512_add_epi64(*x, _mm512_set1_epi64((int64_t)round_k[i]));
        t = _mm512_add_epi64(t, *hh);
        t = _mm512_add_epi64(t, _mm512_ternarylogic_epi64(e, f, g, 0xca));
        t = _mm512_add_epi64(t, xor3(_mm512_ror_epi64(e, 14), _mm512_ror_epi64(e, 18),
                                     _mm512_ror_epi64(e, 41)));
        __m512i t2 = _mm512_add_epi64(_mm512_ternarylogic_epi64(a, b, c, 0xe8),
                                      xor3(_mm512_ror_epi64(a, 28), _mm512_ror_epi64(a, 34),
                                           _mm512_ror_epi64(a, 39)));
        *d = _mm512_add_epi64(*d, t);
        *hh = _mm512_add_epi64(t, t2);
    }
    for (unsigned i = 0; i < 8; i++) h[i] = _mm512_mask_add_epi64(h[i], lanes, h[i], s[i]);
}
static void hash_eight(uint8_t (*ret)[64], const struct ed_hash_in *in, unsigned n)
{
    SN_ALIGNED(64) uint8_t block[ED_LANES][BLOCK];
    struct lane lane[ED_LANES];
    __m512i h[8];
    size_t most = 0;
    memset(block, 0, sizeof(block));
    for (unsigned i = 0; i < n; i++) {
        size_t total = 64 + in[i].msg_len;
        lane[i] = (struct lane){&in[i], total, (total + 17 + BLOCK - 1) / BLOCK};
        most = SN_MAX(most, lane[i].blocks);
    }
    for (unsigned i = 0; i < 8; i++) h[i] = _mm512_set1_epi64((int64_t)start_h[i]);
    for (size_t b = 0; b < most; b++) {
        unsigned mask = 0;
        for (unsigned i = 0; i < n; i++) {
            if (b >= lane[i].blocks) continue;
            fill(block[i], &lane[i], b);
            mask |= 1u << i;
        }
        compress(h, block, (__mmask8)mask);
    }
    transpose(h);
    const __m512i swap =
        _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    for (unsigned i = 0; i < n; i++) _mm512_storeu_si512(ret[i], _mm512_shuffle_epi8(h[i], swap));
}
int ed_vec_hash(uint8_t (*ret)[64], const struct ed_hash_in *in, size_t n)
{
    for (size_t i = 0; i < n; i += ED_LANES)
        hash_eight(ret + i, in + i, (unsigned)SN_MIN(ED_LANES, n - i));
    return 0;
}
#endif
