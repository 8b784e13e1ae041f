/* SPDX-License-Identifier: Apache-2.0 */
/* govern/limit.c - see limit.h. */
#include "govern/limit.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)

static double token_ns(const struct sn_gov_rate *r)
{
    double per_s = r->per_s > 0 ? SN_MIN(r->per_s, SN_GOV_RATE_MAX) : 1e-3;
    /* Whole nanoseconds, rounded up: never more than the rate, at most 1 % less. */
    return (double)(int64_t)((double)SN_SEC / per_s + 0.999999);
}

static uint32_t burst_of(const struct sn_gov_rate *r) { return r->burst ? r->burst : 1; }

bool sn_gov_bucket_take(struct sn_gov_bucket *b, const struct sn_gov_rate *r, uint32_t n,
                        int64_t now_ns, int64_t *ret_wait_ns)
{
    int64_t wait = 0, at = LOAD(&b->full_at_ns), next;
    double each = token_ns(r);
    int64_t span = (int64_t)SN_MIN(each * burst_of(r), (double)(INT64_MAX / 4));
    bool ok = n <= burst_of(r);
    if (!ok) wait = SN_FOREVER;
    while (ok) {
        next = SN_MAX(at, now_ns) + (int64_t)SN_MIN(each * n, (double)(INT64_MAX / 4));
        wait = next - now_ns - span;
        if (wait > 0)
            ok = false;
        else if (__atomic_compare_exchange_n(&b->full_at_ns, &at, next, true, __ATOMIC_RELAXED,
                                             __ATOMIC_RELAXED))
            break;
    }
    if (ret_wait_ns) *ret_wait_ns = SN_MAX(wait, 0);
    return ok;
}

uint32_t sn_gov_bucket_left(const struct sn_gov_bucket *b, const struct sn_gov_rate *r,
                            int64_t now_ns)
{
    int64_t behind = LOAD(&b->full_at_ns) - now_ns;
    if (behind <= 0) return burst_of(r);
    double left = burst_of(r) - (double)behind / token_ns(r);
    return left > 0 ? (uint32_t)left : 0;
}

enum sn_gov_quota sn_gov_period_take(struct sn_gov_period *p, uint32_t quota, int64_t period_ns,
                                     int64_t offset_ns, int64_t now_ns)
{
    uint64_t number = (uint64_t)((now_ns - offset_ns) / period_ns) & 0xffffffffu;
    uint64_t old = LOAD(&p->word), next;
    do {
        uint64_t taken = old >> 32 == number ? old & 0xffffffffu : 0;
        if (taken >= quota) return SN_GOV_OVER;
        next = number << 32 | (taken + 1);
    } while (!__atomic_compare_exchange_n(&p->word, &old, next, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return (next & 0xffffffffu) == quota ? SN_GOV_LAST : SN_GOV_WITHIN;
}

static void forget(void *item)
{
    __atomic_store_n(&((struct sn_gov_bucket *)item)->full_at_ns, 0, __ATOMIC_RELAXED);
}

int sn_gov_buckets_init(struct sn_gov_keyed *t, uint32_t max)
{
    return sn_gov_keyed_init(t, sizeof(struct sn_gov_bucket), max, forget);
}
