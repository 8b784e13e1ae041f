/* SPDX-License-Identifier: Apache-2.0 */
/* core/spread.h - tables that spread choices over weighted items: a smooth schedule, a hash ring, a
 * Maglev table, a deterministic subset. Built once per set of items, read by any number of threads.
 * Items are numbers 0..n-1, n at most SN_SPREAD_MAX; what identifies one over changes is its 64-bit
 * key (usually sn_hash of its address).
 *
 * Sources: smooth weighted round robin as nginx plays it; D. Karger et al., "Consistent hashing and
 * random trees" (1997); D. Eisenbud et al., "Maglev" (2016) section 3.4; "Site Reliability
 * Engineering" (2016) chapter 20 for subsets. */
#pragma once
#include "core/base.h"

#define SN_SPREAD_MAX 1024u
#define SN_SPREAD_SCHEDULE_MAX 4096u
#define SN_SPREAD_RING_POINTS 160u /* per item of average weight */
#define SN_SPREAD_MAGLEV 65537u    /* a prime, 64 times SN_SPREAD_MAX */

/* sn_spread_reduce - divides the weights by their common divisor and, if their sum still exceeds
 * `max`, scales them down together; none falls below 1. Returns the new sum, at most max + n. */
uint64_t sn_spread_reduce(uint64_t *w, size_t n, uint64_t max);
/* sn_spread_smooth - plays smooth weighted round robin once: every step each item gains its weight,
 * the richest is chosen and pays the total. Weights 5,1,1 come as 0,0,1,0,2,0,0. out: `total`
 * places, the sum of w. Returns 0 or SN_E_NOMEM. */
int sn_spread_smooth(const uint64_t *w, size_t n, uint64_t total, uint16_t *out) SN_MUST_CHECK;

struct sn_ring_point {
    uint64_t hash;
    uint32_t index;
};
/* sn_spread_ring - a hash ring, sorted. A point depends on its item's key alone, so a changed set
 * moves only the keys of items that came or went. Returns the number of points or SN_E_NOMEM. Owns:
 * *ret is the caller's, for sn_free. */
int sn_spread_ring(const uint64_t *keys, const uint64_t *w, size_t n,
                   struct sn_ring_point **ret) SN_MUST_CHECK;
/* sn_spread_ring_find - index of the first point at or after `hash`, n_points for none: wrap there.
 */
uint32_t sn_spread_ring_find(const struct sn_ring_point *ring, uint32_t n_points, uint64_t hash);

/* sn_spread_maglev - fills `table` (`size` places, prime and more than n): the item of hash h is
 * table[h % size]. Shares are as the weights to within 1 %; a changed set disturbs few other
 * places. Returns 0 or SN_E_NOMEM. */
int sn_spread_maglev(const uint64_t *keys, const uint64_t *w, size_t n, uint16_t *table,
                     uint32_t size) SN_MUST_CHECK;

/* sn_spread_subset - which `size` of n items the client number `client` uses. Clients numbered in a
 * row put on every item the same load: each run of n / size clients is dealt a fresh shuffle of all
 * items. out: min(size, n) places. Returns their number or SN_E_NOMEM. */
int sn_spread_subset(uint64_t client, size_t n, size_t size, uint16_t *out) SN_MUST_CHECK;
