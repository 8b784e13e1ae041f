/* SPDX-License-Identifier: Apache-2.0 */
/* govern/grpc.h - the chains as gRPC interceptors, and p2c as a gRPC balancer.
 *
 * Server: every method of the services named gets a route (govern/chain.h) of its own: shedding,
 * breaker, limit, token, deadline (2 s for unary calls that bring none sooner), trace, metrics. A
 * refusal says with grpc-retry-pushback-ms when to come back. Client: breaker of the method, trace
 * headers, 2 s for unary calls; retries, their budget and hedging are the channel's (its service
 * config), instances are chosen by sn_gov_grpc_p2c. */
#pragma once
#include "govern/chain.h"
#include "kit/grpc.h"

struct sn_gov_grpc;
/* sn_gov_grpc_new - o: what every route has beside its name (jwt, timeout, ...); NULL for defaults.
 * Returns 0, SN_E_NOMEM. Owns: sn_gov_grpc_free after the gRPC server. */
int sn_gov_grpc_new(struct sn_gov_server *s, const struct sn_gov_route_opts *o,
                    struct sn_gov_grpc **ret) SN_MUST_CHECK;
void sn_gov_grpc_free(struct sn_gov_grpc *g);
/* sn_gov_grpc_add - routes for the methods of a service; before the first call. Other methods pass
 * unguarded. Returns 0, SN_E_NOMEM. */
int sn_gov_grpc_add(struct sn_gov_grpc *g, const struct sn_pb_service *svc) SN_MUST_CHECK;
/* sn_gov_grpc_server - the interceptor, for sn_grpc_server_opts. */
struct sn_grpc_interceptor sn_gov_grpc_server(struct sn_gov_grpc *g);

struct sn_gov_grpc_client_opts {
    struct sn_metrics *metrics; /* NULL = the process's own */
    struct sn_otlp *otlp;
    int64_t timeout_ns; /* of unary calls; 0 = SN_GOV_TIMEOUT_RPC_NS, -1 = only the fiber's */
    bool breaker_off;
    double trace_ratio; /* 0 = 1.0, < 0 none */
};
struct sn_gov_grpc_client;
/* sn_gov_grpc_client_new - Returns 0, SN_E_NOMEM. Owns: sn_gov_grpc_client_free after the channel.
 */
int sn_gov_grpc_client_new(const struct sn_gov_grpc_client_opts *o,
                           struct sn_gov_grpc_client **ret) SN_MUST_CHECK;
void sn_gov_grpc_client_free(struct sn_gov_grpc_client *c);
/* sn_gov_grpc_client - the interceptor, for sn_grpc_channel_opts. */
struct sn_grpc_interceptor sn_gov_grpc_client(struct sn_gov_grpc_client *c);

/* sn_gov_grpc_p2c - the balancer, for sn_grpc_channel_opts.lb: per worker, by latency, what is in
 * flight, and success. */
extern const struct sn_grpc_lb_ops sn_gov_grpc_p2c;
