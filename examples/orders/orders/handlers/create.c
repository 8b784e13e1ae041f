/* SPDX-License-Identifier: Apache-2.0 */
/* Orders.Create */
#include "orders.h"

#include "kit/log.h"

SN_LOG_MODULE("orders");

struct job {
    const struct orders_order *req;
    int64_t now_ms;
    struct sn_arena *arena;
    struct orders_order *made;
};
static int create(sqlite3 *db, void *arg)
{
    struct job *j = arg;
    const struct orders_order *o = j->req;
    int r =
        store_do(db, "INSERT OR IGNORE INTO orders(" ORDERS_COLUMNS ") VALUES(?, ?, ?, ?, ?, ?)",
                 "ssiisi", o->key, o->sku, (int64_t)o->count, o->cents, o->customer, j->now_ms);
    if (r < 0) return r;
    sqlite3_stmt *st =
        store_ask(db, "SELECT " ORDERS_COLUMNS " FROM orders WHERE key = ?", "s", o->key);
    if (!st) return store_error(db);
    r = store_row(st);
    if (r > 0) r = orders_read(st, j->arena, j->made);
    sqlite3_finalize(st);
    return r;
}

int orders_create(struct sn_grpc_call *call, const struct orders_order *req,
                  struct orders_order **ret)
{
    struct job j = {req, sn_wall_now() / SN_MS, call->arena, orders_order_new(call->arena)};
    if (!req->key.len || !req->sku.len || req->count < 1)
        return sn_grpc_fail(call, SN_E_INVALID_ARGUMENT, "expected a key, an item and a count");
    if (!j.made) return SN_E_NOMEM;
    int r = store_run(&orders_ctx(call)->store, create, &j);
    if (r < 0) return r;
    if (!sn_str_eq(j.made->sku, req->sku) || j.made->count != req->count)
        return sn_grpc_fail(call, SN_E_ALREADY_EXISTS, "key \"%.*s\" is another order's",
                            SN_STR_ARG(req->key));
    SN_LOG_INFO("order written", SN_L("key", req->key), SN_L("sku", req->sku));
    *ret = j.made;
    return 0;
}
