/* SPDX-License-Identifier: Apache-2.0 */
/* govern/client.h - everything around an outgoing call: deadline, breaker of the method and of
 * (method, instance), balancing, trace headers, retries within a budget, hedging on request.
 *
 * Deadline: the sooner of the fiber's (so that a handler's bounds what it asks for) and timeout_ns;
 * it covers all attempts and their pauses. Retried: no connection, connection lost, 502, 503, 504,
 * 429 with Retry-After; only calls that may be repeated (idempotent methods, or call.idempotent)
 * unless nothing was sent; not while the budget is low, not where the server says so. Another
 * instance is asked where there is one. A hedged call sends a second attempt when the first has
 * taken longer than the running p95 of its method's answers; the first good answer wins, the other
 * is cancelled.
 *
 * Metrics: http_client_requests_duration_ms {path}, http_client_requests_code_total {path, code},
 * govern_client_attempts_total, govern_client_retries_total, govern_client_hedges_total,
 * govern_client_refused_total (by a breaker). */
#pragma once
#include "govern/balance.h"
#include "govern/breaker.h"
#include "govern/retry.h"
#include "govern/span.h"
#include "kit/http.h"
#include "kit/metrics.h"

struct sn_otlp;

struct sn_gov_client_opts {
    struct sn_http_client *http; /* borrowed */
    struct sn_gov_balance_opts balance;
    struct sn_metrics *metrics; /* NULL = the process's own */
    const char *service;        /* name in metrics and spans; required, a literal */
    int64_t timeout_ns;         /* 0 = SN_GOV_TIMEOUT_RPC_NS (2 s); -1 = only the fiber's */
    uint32_t attempts;          /* in all; 0 = SN_GOV_RETRY_ATTEMPTS, 1 = no retries */
    struct sn_gov_budget_opts budget;
    int64_t backoff_base_ns, backoff_max_ns;
    bool breaker_off;
    struct sn_otlp *otlp;
    double trace_ratio; /* of traces that begin here; 0 = 1.0, < 0 none */
};
struct sn_gov_client;
/* sn_gov_client_new - no endpoints yet. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. Context: a
 * fiber. */
int sn_gov_client_new(const struct sn_gov_client_opts *o, struct sn_gov_client **ret) SN_MUST_CHECK;
/* sn_gov_client_free - no call may be in progress. NULL is accepted. */
void sn_gov_client_free(struct sn_gov_client *c);
/* sn_gov_client_update - the instances there are now: sn_gov_picker_update. */
int sn_gov_client_update(struct sn_gov_client *c, const struct sn_gov_endpoint_spec *specs,
                         size_t n) SN_MUST_CHECK;

struct sn_gov_request {
    const char *method; /* "GET /users/:id": label, span and breaker; a literal */
    const struct sn_http_call
        *call;       /* url's host is kept, the connection goes to the chosen instance */
    uint64_t hash;   /* key for RING and MAGLEV */
    bool idempotent; /* may be repeated whatever its HTTP method */
    bool hedge;      /* only with such calls and without body_fn */
};
/* sn_gov_client_do - the answer, as sn_http_do gives it; any status is an answer.
 * Returns 0; SN_E_UNAVAILABLE (no instance, or refused by a breaker: the diagnostic tells),
 * SN_E_DEADLINE_EXCEEDED, SN_E_CANCELLED, and as sn_http_do. Owns: *ret until sn_http_resp_close.
 * Suspends. */
int sn_gov_client_do(struct sn_gov_client *c, const struct sn_gov_request *q,
                     struct sn_http_resp **ret) SN_MUST_CHECK;

struct sn_gov_client_stats {
    uint64_t calls, attempts, retries, hedges, refused;
};
void sn_gov_client_stats(const struct sn_gov_client *c, struct sn_gov_client_stats *ret);
