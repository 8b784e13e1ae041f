/* SPDX-License-Identifier: Apache-2.0 */
/* Orders.Get */
#include "orders.h"

struct job {
    struct sn_str key;
    struct sn_arena *arena;
    struct orders_order *order;
};
static int get(sqlite3 *db, void *arg)
{
    struct job *j = arg;
    sqlite3_stmt *st =
        store_ask(db, "SELECT " ORDERS_COLUMNS " FROM orders WHERE key = ?", "s", j->key);
    if (!st) return store_error(db);
    int r = store_row(st);
    bool found = r > 0;
    if (found) r = orders_read(st, j->arena, j->order);
    sqlite3_finalize(st);
    return r < 0 ? r : found ? 0 : SN_E_NOT_FOUND;
}

int orders_get(struct sn_grpc_call *call, const struct orders_get_request *req,
               struct orders_order **ret)
{
    struct job j = {req->key, call->arena, orders_order_new(call->arena)};
    if (!j.order) return SN_E_NOMEM;
    int r = store_run(&orders_ctx(call)->store, get, &j);
    if (r == SN_E_NOT_FOUND)
        return sn_grpc_fail(call, r, "no order \"%.*s\"", SN_STR_ARG(req->key));
    if (r < 0) return r;
    *ret = j.order;
    return 0;
}
