/* SPDX-License-Identifier: Apache-2.0 */
/* govern/retry.c - see retry.h. */
#include "govern/retry.h"

#include "core/status.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)

void sn_gov_budget_init(struct sn_gov_budget *b, const struct sn_gov_budget_opts *opts)
{
    *b = (struct sn_gov_budget){0};
    if (opts) b->opts = *opts;
    if (!b->opts.tokens) b->opts.tokens = SN_GOV_RETRY_TOKENS;
    if (!b->opts.ratio_milli) b->opts.ratio_milli = SN_GOV_RETRY_RATIO_MILLI;
    if (!b->opts.percent) b->opts.percent = SN_GOV_RETRY_PERCENT;
    b->milli = (int64_t)b->opts.tokens * 1000;
}

void sn_gov_budget_begin(struct sn_gov_budget *b) { ADD(&b->calls, 1); }
void sn_gov_budget_end(struct sn_gov_budget *b) { ADD(&b->calls, -1); }

/* Compare and exchange, so that the purse never leaves [0, full] for anyone's eyes. */
static void purse_add(struct sn_gov_budget *b, int64_t d)
{
    int64_t full = (int64_t)b->opts.tokens * 1000, old = LOAD(&b->milli), now;
    do {
        now = SN_MIN(SN_MAX(old + d, 0), full);
        if (now == old) return; /* full is the usual case and costs one load */
    } while (!__atomic_compare_exchange_n(&b->milli, &old, now, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
}

void sn_gov_budget_result(struct sn_gov_budget *b, bool failed)
{
    purse_add(b, failed ? -1000 : (int64_t)b->opts.ratio_milli);
}

bool sn_gov_budget_take(struct sn_gov_budget *b)
{
    int64_t n = ADD(&b->retries, 1), most = LOAD(&b->calls) * b->opts.percent / 100;
    if (LOAD(&b->milli) * 2 > (int64_t)b->opts.tokens * 1000 &&
        n <= SN_MAX(most, SN_GOV_RETRY_CONCURRENT_MIN))
        return true;
    ADD(&b->retries, -1);
    ADD(&b->refused, 1);
    return false;
}

void sn_gov_budget_give(struct sn_gov_budget *b) { ADD(&b->retries, -1); }

int64_t sn_gov_backoff(uint32_t attempt, int64_t base_ns, int64_t max_ns, uint64_t rnd)
{
    if (base_ns <= 0) base_ns = SN_GOV_BACKOFF_BASE_NS;
    if (max_ns <= 0) max_ns = SN_GOV_BACKOFF_MAX_NS;
    int64_t top = base_ns;
    for (uint32_t i = 1; i < attempt && top < max_ns; i++)
        top = top > INT64_MAX / 2 ? max_ns : top * 2;
    top = SN_MIN(top, max_ns);
    return (int64_t)((double)(rnd >> 11) * 0x1p-53 * (double)top);
}

int64_t sn_gov_pushback(struct sn_str grpc_ms, struct sn_str retry_after, int64_t max_ns)
{
    int64_t v, unit = SN_MS;
    if (grpc_ms.len) {
        if (sn_str_to_i64(grpc_ms, &v) < 0) return -1;
    } else {
        if (!retry_after.len || sn_str_to_i64(retry_after, &v) < 0) return -2;
        unit = SN_SEC;
    }
    return v < 0 || v > max_ns / unit ? -1 : v * unit;
}

#define STEP 0.02

void sn_gov_quantile_init(struct sn_gov_quantile *q, double quantile)
{
    *q = (struct sn_gov_quantile){.q = quantile};
}

void sn_gov_quantile_add(struct sn_gov_quantile *q, int64_t ns)
{
    int64_t v = LOAD(&q->value_ns);
    if (ns < 1) ns = 1;
    if (!v)
        v = ns;
    else if (ns > v)
        v += (int64_t)((double)v * STEP * q->q) + 1;
    else if (ns < v)
        v -= (int64_t)((double)v * STEP * (1.0 - q->q));
    STORE(&q->value_ns, SN_MIN(SN_MAX(v, 1), SN_HOUR));
}

int64_t sn_gov_hedge_delay(const struct sn_gov_quantile *q, int64_t min_ns)
{
    int64_t v = LOAD(&q->value_ns);
    return v ? SN_MAX(v, min_ns) : SN_FOREVER;
}
