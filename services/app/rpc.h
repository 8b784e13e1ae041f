/* SPDX-License-Identifier: Apache-2.0 */
/* app/rpc.h - a gRPC client with everything around it: for services that call others.
 *
 * One channel with p2c over its targets (fixed ones, or a service's instances in a registry),
 * breaker of each method, deadlines, trace headers, and retries of calls that end UNAVAILABLE,
 * streams included until their answer begins. A call that was not answered may have been executed:
 * methods that change something must bear to be called twice (a request with a key of its own), or
 * the client has attempts = 1. */
#pragma once
#include "core/status.h"
#include "core/str.h"
#include "kit/grpc.h"

struct sn_otlp;

#define SN_RPC_TARGETS_MAX 256u

struct sn_rpc_client_opts {
    /* "10.0.0.1:80,10.0.0.2:80"; one target of kit/grpc.h ("dns:///stock:80"); or a registry's URL
     * that ends in the service ("etcd://127.0.0.1:2379/stock", docs/registry.md), whose instances
     * are followed. Required. */
    struct sn_str targets;
    struct sn_str registry_token; /* of the registry; never part of its URL */
    int64_t timeout_ns;   /* of unary calls; 0 = governance's (2 s) */
    unsigned attempts;    /* 0 = 3, 1 = no retries */
    struct sn_otlp *otlp; /* may be NULL */
};
struct sn_rpc_client {
    struct sn_grpc_channel *channel; /* for the generated calls */
    struct sn_gov_grpc_client *gov;
    struct app_discovery *discovery; /* NULL with fixed targets */
};
/* sn_rpc_client_open - does not connect yet, nor wait for a registry: calls do, within their
 * deadline, until it has answered once. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_SYNTAX (a
 * registry's URL), as sn_grpc_channel_new. Owns: sn_rpc_client_close, when no call is in progress.
 * Context: a fiber; what follows a registry is of its scope. */
int sn_rpc_client_open(const struct sn_rpc_client_opts *o, struct sn_rpc_client *ret) SN_MUST_CHECK;
/* sn_rpc_client_close - of a zeroed one: nothing. Suspends. */
void sn_rpc_client_close(struct sn_rpc_client *c);
