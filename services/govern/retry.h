/* SPDX-License-Identifier: Apache-2.0 */
/* govern/retry.h - whether and when to try again, without making an outage worse. Sans-I/O,
 * lock-free.
 *
 * Two budgets, both must agree. Tokens: a purse of 10; a failed attempt takes one, a good one puts
 * in a tenth; no retry while the purse is at or below half. Concurrency: retries in flight are at
 * most a fifth of the calls in flight, but always three may be. In a full outage attempts stay
 * below 1.2 times the calls. Pause before attempt k: uniform between 0 and min(cap, base * 2^(k-1))
 * ("full jitter"), unless the server says when (grpc-retry-pushback-ms, Retry-After); a negative or
 * malformed pushback means "do not". Hedging sends another attempt when the first has taken longer
 * than usual (a running p95), paid from the same purse.
 *
 * Sources: gRFC A6 (throttling, pushback, hedging), Envoy's retry budget, M. Brooker "Exponential
 * Backoff and Jitter" (AWS, 2015), Q. Ma et al. "Frugal Streaming for Estimating Quantiles" (2014).
 */
#pragma once
#include "core/base.h"
#include "core/str.h"

#define SN_GOV_RETRY_TOKENS 10u
#define SN_GOV_RETRY_RATIO_MILLI 100u
#define SN_GOV_RETRY_PERCENT 20u
#define SN_GOV_RETRY_CONCURRENT_MIN 3
#define SN_GOV_RETRY_ATTEMPTS 3u /* in all */
#define SN_GOV_RETRY_ATTEMPTS_MAX 8u
#define SN_GOV_BACKOFF_BASE_NS (25 * SN_MS)
#define SN_GOV_BACKOFF_MAX_NS (2 * SN_SEC)

struct sn_gov_budget_opts { /* zeroes are the defaults above */
    uint32_t tokens, ratio_milli, percent;
};
struct sn_gov_budget {
    struct sn_gov_budget_opts opts;
    int64_t milli;          /* tokens left, in thousandths */
    int64_t calls, retries; /* in flight */
    uint64_t refused;
};
void sn_gov_budget_init(struct sn_gov_budget *b, const struct sn_gov_budget_opts *opts);
/* sn_gov_budget_begin, _end - bracket every call (not attempt). */
void sn_gov_budget_begin(struct sn_gov_budget *b);
void sn_gov_budget_end(struct sn_gov_budget *b);
/* sn_gov_budget_result - of every attempt, first ones and retries. failed: in a way that could be
 * tried again. */
void sn_gov_budget_result(struct sn_gov_budget *b, bool failed);
/* sn_gov_budget_take - whether one more attempt may be made now; if so it ends with _give. */
bool sn_gov_budget_take(struct sn_gov_budget *b);
void sn_gov_budget_give(struct sn_gov_budget *b);

/* sn_gov_backoff - pause before attempt number `attempt` (1 = the first retry), ns. base_ns,
 * max_ns: 0 = defaults; rnd: 64 random bits. */
int64_t sn_gov_backoff(uint32_t attempt, int64_t base_ns, int64_t max_ns, uint64_t rnd);
/* sn_gov_pushback - reads what the server said: grpc-retry-pushback-ms, or Retry-After in seconds.
 * Either may be empty. Returns the pause in ns, -1 for "do not retry", -2 where nothing was said. A
 * date in Retry-After is taken as nothing said; more than max_ns as "do not". */
int64_t sn_gov_pushback(struct sn_str grpc_ms, struct sn_str retry_after, int64_t max_ns);

/* A running quantile without memory of values: up a little for each value above it, down for each
 * below, in the proportion of the quantile; steps are relative, so it follows from 1 us to hours.
 */
struct sn_gov_quantile {
    int64_t value_ns; /* 0 = no value yet */
    double q;
};
void sn_gov_quantile_init(struct sn_gov_quantile *q, double quantile);
void sn_gov_quantile_add(struct sn_gov_quantile *q, int64_t ns);
/* sn_gov_hedge_delay - how long to wait for the first attempt before sending a second: the
 * quantile, at least min_ns; SN_FOREVER while it knows nothing. */
int64_t sn_gov_hedge_delay(const struct sn_gov_quantile *q, int64_t min_ns);
