/* SPDX-License-Identifier: Apache-2.0 */
/* What is yours of the service stock: its configuration, and what its handlers share. */
#pragma once
#include "app/daemon.h"
#include "app/rpc.h"
#include "orders/store.h"
#include "stock_rpc.gen.h"

struct stock_config {
    struct sn_daemon_conf base; /* listen, timeout, ...: app/daemon.h */
    struct sn_str db;           /* file of the SQLite database; several processes may share it */
};
/* Made by stock_open before the first call, ended after the last: clients, pools, stores. A handler
 * finds it by stock_ctx(call). */
struct stock_ctx {
    const struct stock_config *config;
    struct store store;
};
static inline struct stock_ctx *stock_ctx(struct sn_grpc_call *call) { return call->arg; }

extern const struct sn_daemon_app stock_app;
