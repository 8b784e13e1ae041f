/* SPDX-License-Identifier: Apache-2.0 */
/* What is yours of the service front: its configuration, and what its handlers share. */
#pragma once
#include "app/daemon.h"
#include "app/rpc.h"
#include "front_routes.gen.h"
#include "orders.grpc.h"
#include "stock.grpc.h"

struct front_config {
    struct sn_daemon_conf base;  /* listen, timeout, jwt, ...: app/daemon.h */
    struct sn_str orders, stock; /* targets: "127.0.0.1:9201,127.0.0.1:9202" */
};
/* Made by front_open before the first request, ended after the last: clients, pools, stores. A
 * handler finds it by front_ctx(call). */
struct front_ctx {
    const struct front_config *config;
    struct sn_rpc_client orders, stock;
};
static inline struct front_ctx *front_ctx(struct sn_rest_call *call) { return call->ctx; }

/* front_failed - what a client is told of a call behind that failed: its own words where they are
 * about the request, not where something broke. */
int front_failed(struct sn_rest_call *call, int code, const struct sn_grpc_status *status);
/* front_order_of - the answer's form of an order. Returns 0, SN_E_NOMEM. */
int front_order_of(struct sn_arena *a, const struct orders_order *from, struct front_order *ret);

extern const struct sn_daemon_app front_app;
