/* SPDX-License-Identifier: Apache-2.0 */
/* govern/otlp.h - spans to a collector: OTLP 1.x, protobuf over HTTP.
 *
 * A span that ends is copied into a bounded queue, from any fiber, without waiting; a full queue
 * drops it and counts. One fiber sends batches: when half of the queue's batch size is there, or
 * after flush_ns. What the collector refuses for now (429, 502, 503, 504, no connection) is sent
 * again after a pause that doubles from 1 s, or the one its Retry-After names, for at most 60 s;
 * then the batch is dropped and counted. Sources: OTLP specification 1.5, opentelemetry-proto 1.3.
 */
#pragma once
#include "core/buf.h"
#include "govern/span.h"

struct sn_http_client;
struct sn_otlp_opts {
    struct sn_http_client *client;
    struct sn_str url; /* "http://127.0.0.1:4318"; "/v1/traces" is appended where it has no path */
    struct sn_str service, version, instance; /* resource: service.name, .version, .instance.id */
    struct sn_str authorization;              /* header's value; empty: none */
    uint32_t queue_max;                       /* spans; 0 = 2048 */
    uint32_t batch_max;                       /* 0 = 512 */
    int64_t flush_ns;                         /* 0 = 5 s */
};
struct sn_otlp;
/* sn_otlp_new - strings are copied. Returns 0, SN_E_INVALID_ARGUMENT (no client, no service, url),
 * SN_E_NOMEM. */
int sn_otlp_new(const struct sn_otlp_opts *o, struct sn_otlp **ret) SN_MUST_CHECK;
/* sn_otlp_free - what is still queued is dropped. NULL is accepted. */
void sn_otlp_free(struct sn_otlp *o);
/* sn_otlp_end - the span ends at wall_ns; queued if it is sampled. Any fiber, never waits. o may be
 * NULL. */
void sn_otlp_end(struct sn_otlp *o, struct sn_span *s, int64_t wall_ns);
/* sn_otlp_run - sends until cancelled; then sends what is queued, for at most 5 s. Returns
 * SN_E_CANCELLED. Suspends. */
int sn_otlp_run(struct sn_otlp *o) SN_MUST_CHECK;
struct sn_otlp_stats {
    uint64_t queued, sent, dropped, rejected, batches,
        failures; /* rejected: by the collector, for good */
    int64_t waiting;
};
void sn_otlp_stats(const struct sn_otlp *o, struct sn_otlp_stats *ret);
