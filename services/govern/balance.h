/* SPDX-License-Identifier: Apache-2.0 */
/* govern/balance.h - which instance gets the next call. Sans-I/O: time comes in as a number,
 * randomness as 64 bits; a decision allocates nothing and takes no lock.
 *
 * A set is an immutable snapshot of endpoints with the tables of its policy; a picker holds the
 * present one and publishes the next with one store. Endpoints outlive sets: a new set takes over
 * those of the old one that have the same address, with latency, success and load reports.
 *
 * Policies
 *   P2C      two candidates drawn by weight; the one with the lower cost. Cost = expected wait
 *            (core/latency.h: peak-sensitive EWMA, tau 600 ms, or the age of what is in flight)
 *            times the queue, over the success rate (halved by a failure, tau 600 ms back up) and
 *            the share during slow start. The loser is picked by force when it was not picked for
 *            1 s and nothing is in flight there, or a better one would never be found out; after
 *            a failed forced pick the next comes twice as late, up to 10 s.
 *   WRR      exact shares by weight without shared state but one counter (a static stride). With
 *            load_reports the weights follow the endpoints' ORCA reports: qps / (utilization +
 *            penalty * eps / qps), from 10 s after the first report until 3 min after the last.
 *   RING     hash ring with bounded loads: an endpoint over 1.25 times the average passes a key on.
 *   MAGLEV   the same over a Maglev table: O(1) look-up, the most even shares.
 *
 * Zones (P2C): candidates come from the picker's own zone with the probability that its share of
 * the endpoints allows, so that a small zone is not overrun; 1 where endpoints and clients are
 * spread alike.
 *
 * Subsets: with subset_size each client number uses its own subset (sn_spread_subset), all evenly
 * loaded.
 *
 * Sources: go-zero and Kratos p2c (constants), gRFC A58 (load reports), V. Mirrokni et al.
 * "Consistent Hashing with Bounded Loads" (2016), Envoy's zone aware routing, SRE book chapter 20. */
#pragma once
#include "core/base.h"
#include "core/latency.h"
#include "core/spread.h"
#include "core/status.h"
#include "core/str.h"

enum sn_gov_policy { SN_GOV_P2C, SN_GOV_WRR, SN_GOV_RING, SN_GOV_MAGLEV };
enum sn_gov_result { SN_GOV_OK, SN_GOV_FAILED, SN_GOV_ABANDONED };

#define SN_GOV_ENDPOINTS_MAX SN_SPREAD_MAX
#define SN_GOV_FORCE_NS SN_SEC
#define SN_GOV_FORCE_MAX_NS (10 * SN_SEC)
#define SN_GOV_ONE 1000000u /* success, in millionths */
#define SN_GOV_SLOW_START_NS (10 * SN_SEC)
#define SN_GOV_REPORT_BLACKOUT_NS (10 * SN_SEC)
#define SN_GOV_REPORT_EXPIRE_NS (3 * SN_MINUTE)
#define SN_GOV_REPORT_EVERY_NS SN_SEC /* how often weights are made anew of reports */

struct sn_gov_endpoint {
    /* Set once. */
    uint32_t refs;
    char *addr, *zone;
    uint64_t key; /* hash of addr */
    void *user;   /* the owner's, for example a connection; freed by user_free with the endpoint */
    void (*user_free)(void *user);
    /* Changed by any worker, relaxed. */
    struct sn_latency latency SN_ALIGNED(SN_CACHE_LINE);
    int64_t picked_at_ns, force_ns; /* last pick; how long until the next forced one */
    int64_t up_since_ns;            /* for slow start; 0 = from the beginning */
    uint32_t success;               /* SN_GOV_ONE = no failure lately */
    uint32_t down;                  /* health check, drain: not used while another is up */
    uint64_t failures;
    uint64_t report_milli; /* weight by load reports, in thousandths; 0 = none */
    int64_t report_since_ns, report_at_ns;
};

struct sn_gov_endpoint_spec {
    struct sn_str addr, zone;
    uint32_t weight; /* 0 = 1; at most 1,000,000 */
};
struct sn_gov_balance_opts {
    enum sn_gov_policy policy;
    struct sn_str zone;        /* the client's own; empty: zones do not matter */
    double zone_clients_share; /* of all clients those in this zone; 0 = the zone's share of
                                  endpoints */
    uint32_t subset_size;      /* 0 = all */
    uint64_t subset_client;    /* this client's number */
    bool load_reports;         /* WRR: follow ORCA reports */
    int64_t slow_start_ns;     /* 0 = SN_GOV_SLOW_START_NS; -1 = none */
    double bound; /* RING, MAGLEV: load over the average at which keys move on; 0 = 1.25 */
};

struct sn_gov_picker;
/* sn_gov_picker_new - a picker without endpoints for callers numbered 0..slots-1 (workers).
 * Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. opts is copied. */
int sn_gov_picker_new(const struct sn_gov_balance_opts *opts, uint32_t slots,
                      struct sn_gov_picker **ret) SN_MUST_CHECK;
/* sn_gov_picker_free - every pick must be done. NULL is accepted. */
void sn_gov_picker_free(struct sn_gov_picker *p);
/* sn_gov_picker_update - publishes a new set of endpoints; n may be 0. Addresses that were there
 * keep their state; new ones in a running set start slowly with the others' average latency.
 * Returns 0, SN_E_INVALID_ARGUMENT (over SN_GOV_ENDPOINTS_MAX, an address twice, an empty one),
 * SN_E_NOMEM: then the old set stays. Context: one at a time; spins until picks that run now
 * (nanoseconds) are through. */
int sn_gov_picker_update(struct sn_gov_picker *p, const struct sn_gov_endpoint_spec *specs,
                         size_t n, int64_t now_ns) SN_MUST_CHECK;

#define SN_GOV_TRIED_MAX 8u
struct sn_gov_ask {
    uint32_t slot; /* the calling worker */
    int64_t now_ns;
    uint64_t rnd;          /* 64 random bits */
    uint64_t hash;         /* of the call's key: RING, MAGLEV */
    const uint64_t *tried; /* keys of endpoints to avoid while another is there */
    uint32_t n_tried;
};
/* sn_gov_pick - chooses an endpoint and begins an attempt at it, started at ask->now_ns.
 * Returns 0, SN_E_UNAVAILABLE without endpoints (no diagnostic). Owns: *ret until sn_gov_done.
 * Context: one caller per slot at a time; never suspends. */
int sn_gov_pick(struct sn_gov_picker *p, const struct sn_gov_ask *ask,
                struct sn_gov_endpoint **ret) SN_MUST_CHECK;
/* sn_gov_done - ends the attempt that began at start_ns. ABANDONED (the caller left) counts neither
 * way. */
void sn_gov_done(struct sn_gov_picker *p, struct sn_gov_endpoint *ep, int64_t start_ns,
                 int64_t now_ns, enum sn_gov_result result);
/* sn_gov_endpoint_health - a check's or the registry's word. Up again means slow start. */
void sn_gov_endpoint_health(struct sn_gov_endpoint *ep, bool up, int64_t now_ns);
/* sn_gov_endpoint_report - an ORCA load report; penalty as gRFC A58 (default 1).
 * utilization 0..n (application's, else CPU's), qps, eps: errors per second; qps 0 is ignored. */
void sn_gov_endpoint_report(struct sn_gov_endpoint *ep, double utilization, double qps, double eps,
                            double penalty, int64_t now_ns);
/* sn_gov_endpoint_cost - what P2C compares. */
double sn_gov_endpoint_cost(const struct sn_gov_endpoint *ep, int64_t now_ns,
                            int64_t slow_start_ns);
/* For balancers that keep their own lists (govern/grpc.c): P2C's pieces on endpoints of theirs.
 * sn_gov_endpoint_reset - a zeroed endpoint is ready for use. sn_gov_better - of two candidates the
 * one to ask; may be the worse one, by force. sn_gov_endpoint_begin, _end - bracket an attempt;
 * start_ns is the same in both. */
void sn_gov_endpoint_reset(struct sn_gov_endpoint *ep);
struct sn_gov_endpoint *sn_gov_better(struct sn_gov_endpoint *a, struct sn_gov_endpoint *b,
                                      int64_t now_ns, int64_t slow_start_ns);
void sn_gov_endpoint_begin(struct sn_gov_endpoint *ep, int64_t start_ns);
void sn_gov_endpoint_end(struct sn_gov_endpoint *ep, int64_t start_ns, int64_t now_ns,
                         enum sn_gov_result result);
/* sn_gov_picker_each - calls fn for each endpoint of the present set. Context: as sn_gov_pick, slot
 * is the caller's; fn must not suspend. */
void sn_gov_picker_each(struct sn_gov_picker *p, uint32_t slot,
                        void (*fn)(struct sn_gov_endpoint *ep, void *arg), void *arg);
