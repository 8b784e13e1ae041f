/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/upstream.h - endpoints and the choice among them. Sans-I/O: time comes in as an argument,
 * randomness as a number, so every decision can be tested and simulated.
 *
 * An endpoint outlives configurations: it is found again by upstream name and address, with its
 * health, its latency and its counters. A pool is one configuration's view on endpoints, immutable.
 * All fields that change are updated with relaxed atomics by any worker; decisions tolerate a value
 * that is a moment old.
 *
 * Sources: M. Mitzenmacher, "The power of two choices" (2001) for p2c; D. Karger, "Consistent
 * hashing" (1997) for ring_hash. */
#pragma once
#include "core/base.h"
#include "core/latency.h"
#include "core/spread.h"
#include "core/status.h"
#include "core/str.h"
#include "gateway/conf.h"

struct sn_gw_meter;

struct sn_gw_endpoint {
    uint32_t refs;
    uint64_t id; /* unique in the process, for tests and logs */
    char *addr;  /* as configured, a net.h address */
    struct sn_latency latency;
    /* Active health. */
    uint32_t down;      /* 1 = the health check says so */
    uint32_t drained;   /* 1 = somebody says so: no new requests, whatever its health */
    uint32_t check_row; /* consecutive results against the present state */
    /* Passive health. */
    uint32_t fail_row;
    int64_t suspect_until_ns; /* not chosen before while another is there; 0 = nothing is suspected */
    int64_t probed_at_ns;     /* when it was last given a request to prove itself */
    int64_t heard_ns;         /* the head of its newest answer */
    uint32_t eject_row; /* ejections without a success between them: the exponent of back-off */
    int64_t ejected_until_ns; /* 0 = not ejected */
    int64_t up_since_ns;      /* for slow start; 0 = from the beginning */
    uint64_t ejections;
    uint32_t good, bad; /* results since the last judgement by success rate */
    double rate;        /* the ticker's: at the last judgement; negative = too few requests */
    struct sn_gw_meter *meter; /* may be NULL (tests) */
};

/* sn_gw_endpoint_new - one reference. addr is copied. NULL without memory. */
struct sn_gw_endpoint *sn_gw_endpoint_new(struct sn_str addr);
struct sn_gw_endpoint *sn_gw_endpoint_ref(struct sn_gw_endpoint *ep);
void sn_gw_endpoint_unref(struct sn_gw_endpoint *ep);

/* Tokens for retries, shared by all requests of an upstream; survives reloads. In thousandths. */
#define SN_GW_BUDGET_BURST 10u /* retries a quiet upstream may make in a row */
struct sn_gw_budget {
    int64_t milli_tokens;
};
void sn_gw_budget_init(struct sn_gw_budget *b);
/* sn_gw_budget_deposit - one first attempt was made; percent of a token is put in. */
void sn_gw_budget_deposit(struct sn_gw_budget *b, uint64_t percent);
/* sn_gw_budget_take - whether a retry may be made; takes its token. */
bool sn_gw_budget_take(struct sn_gw_budget *b);

/* How long an answer may be waited for before its endpoint is doubted: twice the slowest answer of the
 * upstream in the last five to ten minutes, SN_GW_PATIENCE_MIN_NS at least; no doubts before
 * SN_GW_PATIENCE_ANSWERS are known. Shared by all workers, survives reloads. */
#define SN_GW_PATIENCE_MIN_NS (100 * SN_MS)
#define SN_GW_PATIENCE_ANSWERS 100u
#define SN_GW_PATIENCE_TURN_NS (5 * SN_MINUTE)
struct sn_gw_patience {
    uint32_t answers;      /* up to SN_GW_PATIENCE_ANSWERS */
    int64_t slowest_ns[2]; /* since turned_at_ns, and in the turn before */
    int64_t turned_at_ns;
};
/* sn_gw_patience_learn - an answer's head took rtt_ns. Not for a first attempt whose endpoint was
 * doubted: one that hung for a minute is no measure. */
void sn_gw_patience_learn(struct sn_gw_patience *p, int64_t rtt_ns, int64_t now_ns);
/* sn_gw_patience_ns - 0 = too little is known. */
int64_t sn_gw_patience_ns(const struct sn_gw_patience *p);

#define SN_GW_ENDPOINTS_MAX SN_SPREAD_MAX

struct sn_gw_pool {
    const struct sn_gw_conf_upstream *conf; /* borrowed */
    struct sn_gw_endpoint **eps;            /* references */
    uint32_t n;
    uint16_t *schedule; /* endpoint indices in smooth weighted order */
    uint32_t n_schedule;
    struct sn_ring_point *ring; /* sorted; ring_hash only */
    uint32_t n_ring;
    uint32_t next;         /* round robin position */
    int64_t counted_at_ns; /* when n_up was counted */
    uint32_t n_up;
    int64_t judged_at_ns; /* the ticker's */
};

/* sn_gw_pool_new - eps: conf->n_endpoints references, taken over on success. conf is borrowed.
 * Returns 0, SN_E_NOMEM, SN_E_INVALID_ARGUMENT (no or too many endpoints). */
int sn_gw_pool_new(const struct sn_gw_conf_upstream *conf, struct sn_gw_endpoint **eps,
                   struct sn_gw_pool **ret) SN_MUST_CHECK;
void sn_gw_pool_free(struct sn_gw_pool *p);

/* What one request has tried already. */
struct sn_gw_tried {
    struct sn_gw_endpoint *eps[SN_GW_RETRIES_MAX + 1];
    uint32_t n;
};
/* sn_gw_pool_pick - an endpoint for a request. rnd: 64 random bits; hash: of the request's key, for
 * ring_hash. Endpoints in `tried` are avoided while another is available. When fewer than
 * panic_percent are available, health is ignored: a guess beats a sure refusal.
 * Returns a borrowed endpoint, never NULL. */
struct sn_gw_endpoint *sn_gw_pool_pick(struct sn_gw_pool *p, int64_t now_ns, uint64_t rnd,
                                       uint64_t hash, const struct sn_gw_tried *tried);

/* An endpoint that gave no answer at all is suspected: for so long, but not longer than its first
 * ejection would last, others are chosen where there are any (p2c, round_robin). After that, and after
 * an ejection, it is given one request in that time until one is answered; if the first is not, it is
 * ejected. Its average alone would not do: when calls pile up for a moment, every endpoint looks slow. */
#define SN_GW_SUSPECT_NS SN_SEC

enum sn_gw_result {
    SN_GW_RESULT_OK,
    SN_GW_RESULT_FAILED, /* an answer that counts against it */
    SN_GW_RESULT_SILENT, /* no connection, connection lost, timeout */
    SN_GW_RESULT_ABANDONED,
};
static inline bool sn_gw_result_bad(enum sn_gw_result r)
{
    return r == SN_GW_RESULT_FAILED || r == SN_GW_RESULT_SILENT;
}
/* sn_gw_endpoint_heard - the head of an answer of it is here. */
static inline void sn_gw_endpoint_heard(struct sn_gw_endpoint *ep, int64_t now_ns)
{
    __atomic_store_n(&ep->heard_ns, now_ns, __ATOMIC_RELAXED);
}
/* sn_gw_endpoint_silent - whether the endpoint has answered nothing since start_ns while another of the
 * pool has, in the newer half of that time: where all stand still nobody is doubted. Then it is
 * suspected from now on, if it was not yet. */
bool sn_gw_endpoint_silent(const struct sn_gw_pool *p, struct sn_gw_endpoint *ep, int64_t start_ns,
                           int64_t now_ns);
/* sn_gw_endpoint_begin, _finish - bracket every attempt. ABANDONED (the client left) counts neither
 * way. finish returns true where this result ejected the endpoint. */
void sn_gw_endpoint_begin(struct sn_gw_endpoint *ep, int64_t now_ns);
bool sn_gw_endpoint_finish(struct sn_gw_pool *p, struct sn_gw_endpoint *ep, int64_t start_ns,
                           int64_t now_ns, enum sn_gw_result result);
/* sn_gw_pool_judge - at a steady pace: once deviation_interval has passed, ejects endpoints whose
 * success rate since then is outlier.deviation standard deviations, and SN_GW_RATE_GAP_MIN, below
 * the mean of all that had enough requests. Returns how many. One caller. */
#define SN_GW_RATE_GAP_MIN 0.05
uint32_t sn_gw_pool_judge(struct sn_gw_pool *p, int64_t now_ns);
/* sn_gw_endpoint_checked - result of an active check. Returns true where the state changed. */
bool sn_gw_endpoint_checked(const struct sn_gw_pool *p, struct sn_gw_endpoint *ep, int64_t now_ns,
                            bool ok);
bool sn_gw_endpoint_available(const struct sn_gw_endpoint *ep, int64_t now_ns);
/* sn_gw_endpoint_state - "healthy", "unhealthy", "ejected", "slow start", "drained". */
const char *sn_gw_endpoint_state(const struct sn_gw_pool *p, const struct sn_gw_endpoint *ep,
                                 int64_t now_ns);
const char *sn_gw_balance_name(enum sn_gw_balance b);
