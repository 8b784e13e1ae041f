/* SPDX-License-Identifier: Apache-2.0 */
/* What is yours of the service orders: its configuration, and what its handlers share. */
#pragma once
#include "app/daemon.h"
#include "app/rpc.h"
#include "orders/store.h"
#include "orders_rpc.gen.h"

struct orders_config {
    struct sn_daemon_conf base; /* listen, timeout, ...: app/daemon.h */
    struct sn_str db;           /* file of the SQLite database; several processes may share it */
};
/* Made by orders_open before the first call, ended after the last: clients, pools, stores. A
 * handler finds it by orders_ctx(call). */
struct orders_ctx {
    const struct orders_config *config;
    struct store store;
};
static inline struct orders_ctx *orders_ctx(struct sn_grpc_call *call) { return call->arg; }

/* orders_read - the row of a statement over ORDERS_COLUMNS as a message whose texts are copied to
 * `a`, on whatever thread has `a` for itself. Returns 0, SN_E_NOMEM. */
#define ORDERS_COLUMNS "key, sku, count, cents, customer, placed_ms"
int orders_read(sqlite3_stmt *st, struct sn_arena *a, struct orders_order *ret);

extern const struct sn_daemon_app orders_app;
