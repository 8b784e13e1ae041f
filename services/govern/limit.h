/* SPDX-License-Identifier: Apache-2.0 */
/* govern/limit.h - how much a caller may ask: a token bucket (a rate with bursts) and a period
 * limit (so many per period). Local ones are one atomic word each; govern/redis_limit.h shares them
 * over Redis.
 *
 * The bucket is kept as the time at which it will be full again (GCRA): taking a token moves that
 * time on by one token's worth, and is refused where it would lie further ahead than the burst.
 * Source: ITU-T I.371 annex A (GCRA); go-zero's limiters for the shape. */
#pragma once
#include "govern/keyed.h"

#define SN_GOV_RATE_MAX 1e7 /* tokens a second */

struct sn_gov_rate {
    double per_s;   /* tokens a second, 0.001 .. SN_GOV_RATE_MAX */
    uint32_t burst; /* tokens at once; 0 = 1 */
};
struct sn_gov_bucket { /* zero-initialised is full */
    int64_t full_at_ns;
};
/* sn_gov_bucket_take - whether n tokens are there; takes them if so. ret_wait_ns (or NULL): how
 * long until they will be, SN_FOREVER where n exceeds the burst. Lock-free, any thread. */
bool sn_gov_bucket_take(struct sn_gov_bucket *b, const struct sn_gov_rate *r, uint32_t n,
                        int64_t now_ns, int64_t *ret_wait_ns);
/* sn_gov_bucket_left - whole tokens in it. */
uint32_t sn_gov_bucket_left(const struct sn_gov_bucket *b, const struct sn_gov_rate *r,
                            int64_t now_ns);

enum sn_gov_quota {
    SN_GOV_WITHIN,
    SN_GOV_LAST,
    SN_GOV_OVER
};                     /* LAST: this was the last one allowed */
struct sn_gov_period { /* zero-initialised is new */
    uint64_t word;     /* period number << 32 | taken in it */
};
/* sn_gov_period_take - counts one call in the period that now_ns lies in; periods begin at
 * multiples of period_ns plus offset_ns, so that with wall time days can begin at local midnight.
 */
enum sn_gov_quota sn_gov_period_take(struct sn_gov_period *p, uint32_t quota, int64_t period_ns,
                                     int64_t offset_ns, int64_t now_ns);

/* sn_gov_buckets_init - a table of buckets by key (client address, user), for sn_gov_keyed_get. */
int sn_gov_buckets_init(struct sn_gov_keyed *t, uint32_t max) SN_MUST_CHECK;
