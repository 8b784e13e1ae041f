/* SPDX-License-Identifier: Apache-2.0 */
/* govern/redis_limit.h - token buckets and period limits shared by many processes through Redis.
 *
 * One script per question, atomic on the server and by the server's clock, so that clocks of
 * clients do not matter. When Redis does not answer within call_ns_max (50 ms), a local bucket of
 * the same rate (divided by `peers`) answers at once, and one caller a second asks Redis again; the
 * first answer ends the fallback. So an outage of Redis neither refuses everybody nor admits
 * everybody. */
#pragma once
#include "govern/limit.h"
#include "kit/redis.h"

struct sn_gov_shared_opts {
    struct sn_redis *redis;
    struct sn_str prefix;    /* of keys in Redis; copied, at most 64 bytes */
    struct sn_gov_rate rate; /* bucket */
    uint32_t quota;          /* period: calls per period; 0 = this is a bucket */
    int64_t period_ns;
    uint32_t peers;      /* processes that share it, for the fallback; 0 = 1 */
    int64_t call_ns_max; /* 0 = 50 ms */
    uint32_t keys_max;   /* local buckets kept; 0 = 4096 */
};
struct sn_gov_shared;
/* sn_gov_shared_new - Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. Owns: redis stays the caller's.
 */
int sn_gov_shared_new(const struct sn_gov_shared_opts *o, struct sn_gov_shared **ret) SN_MUST_CHECK;
void sn_gov_shared_free(struct sn_gov_shared *s);
/* sn_gov_shared_take - whether `key` may make n calls now (n is 1 for periods). ret_wait_ns (or
 * NULL): when to ask again. Returns 1 yes, 0 no, SN_E_INVALID_ARGUMENT (a key of more than 256
 * bytes), SN_E_CANCELLED. Suspends for at most call_ns_max. */
int sn_gov_shared_take(struct sn_gov_shared *s, struct sn_str key, uint32_t n,
                       int64_t *ret_wait_ns) SN_MUST_CHECK;
/* sn_gov_shared_local - whether the fallback answers at present; counts of answers so far. */
bool sn_gov_shared_local(const struct sn_gov_shared *s, uint64_t *ret_shared, uint64_t *ret_local);
