/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/meter.h - counters and latencies of one route or endpoint.
 * Each worker writes its own shard with plain stores; a ticker sums them once a second and keeps
 * the last whole second as the window that the board shows. */
#pragma once
#include "core/hist.h"
#include "core/status.h"

#define SN_GW_METER_US_MAX (120ull * 1000 * 1000) /* latencies above two minutes count as that */
#define SN_GW_METER_BITS 5                        /* 3 % */

struct sn_gw_meter_shard {
    uint64_t begun, done; /* requests; in flight is the difference */
    uint64_t classes[6];  /* by first digit of the status; 0 = no answer */
    uint64_t bytes_in, bytes_out, retries;
    struct sn_hist us;
} SN_ALIGNED(SN_CACHE_LINE);

struct sn_gw_window {
    double rps;
    uint64_t p50_us, p99_us, count;
};
struct sn_gw_totals {
    uint64_t requests, classes[6], bytes_in, bytes_out, retries;
    int64_t inflight;
};

struct sn_gw_meter {
    uint32_t refs;
    unsigned workers;
    struct sn_gw_meter_shard *shards;
    /* The ticker's. */
    struct sn_hist seen, now;
    int64_t tick_ns;
    struct sn_gw_window window;
};

/* sn_gw_meter_new - one reference; NULL without memory. */
struct sn_gw_meter *sn_gw_meter_new(unsigned workers);
struct sn_gw_meter *sn_gw_meter_ref(struct sn_gw_meter *m);
void sn_gw_meter_unref(struct sn_gw_meter *m); /* NULL accepted */

static inline void sn_gw_meter_begin(struct sn_gw_meter *m, unsigned worker)
{
    uint64_t *p = &m->shards[worker].begun;
    __atomic_store_n(p, *p + 1, __ATOMIC_RELAXED);
}
/* sn_gw_meter_end - status 0 where no answer was sent. Context: the worker of _begin. */
void sn_gw_meter_end(struct sn_gw_meter *m, unsigned worker, int status, int64_t took_ns,
                     uint64_t bytes_in, uint64_t bytes_out);
void sn_gw_meter_retry(struct sn_gw_meter *m, unsigned worker);
/* sn_gw_meter_tick - closes the current window. One caller; at a steady pace of about a second.
 * all: if given, the window's histogram is added to it (for totals over many meters). */
void sn_gw_meter_tick(struct sn_gw_meter *m, int64_t now_ns, struct sn_hist *all);
void sn_gw_meter_totals(const struct sn_gw_meter *m, struct sn_gw_totals *ret);
/* sn_gw_hist_init - a histogram of the meters' shape. */
int sn_gw_hist_init(struct sn_hist *h) SN_MUST_CHECK;
