/* SPDX-License-Identifier: Apache-2.0 */
/* core/rand.h - xoshiro256** pseudo-random numbers from a seed. Deterministic, not for secrets.
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021). */
#pragma once
#include "core/base.h"

struct sn_rand {
    uint64_t s[4];
};
/* sn_rand_seed - expands one word with splitmix64; any seed, 0 included, is good. */
void sn_rand_seed(struct sn_rand *r, uint64_t seed);
/* sn_rand_u64 - 64 uniform bits. */
uint64_t sn_rand_u64(struct sn_rand *r);
/* sn_rand_below - uniform in [0, n), without modulo bias; n >= 1. */
uint64_t sn_rand_below(struct sn_rand *r, uint64_t n);
/* sn_rand_double - uniform in [0, 1). */
double sn_rand_double(struct sn_rand *r);
/* sn_rand_bytes - fills out[0..n) with uniform bytes, the same on every machine. */
void sn_rand_bytes(struct sn_rand *r, void *out, size_t n);
