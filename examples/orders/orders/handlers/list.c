/* SPDX-License-Identifier: Apache-2.0 */
/* Orders.List */
#include "orders.h"

#define LIMIT_MAX 100

struct job {
    const struct orders_list_request *req;
    struct sn_arena *arena;
    struct orders_list_reply *page;
};
static int list(sqlite3 *db, void *arg)
{
    struct job *j = arg;
    int64_t limit = j->req->limit < 1 || j->req->limit > LIMIT_MAX ? LIMIT_MAX : j->req->limit;
    sqlite3_stmt *st =
        store_ask(db, "SELECT " ORDERS_COLUMNS " FROM orders WHERE key > ? ORDER BY key LIMIT ?",
                  "si", j->req->after, limit);
    if (!st) return store_error(db);
    int r;
    while ((r = store_row(st)) > 0) {
        struct orders_order *o = orders_list_reply_add_orders(j->page, j->arena);
        r = o ? orders_read(st, j->arena, o) : SN_E_NOMEM;
        if (r < 0) break;
    }
    sqlite3_finalize(st);
    return r;
}

int orders_list(struct sn_grpc_call *call, const struct orders_list_request *req,
                struct orders_list_reply **ret)
{
    struct job j = {req, call->arena, orders_list_reply_new(call->arena)};
    if (!j.page) return SN_E_NOMEM;
    int r = store_run(&orders_ctx(call)->store, list, &j);
    if (r < 0) return r;
    *ret = j.page;
    return 0;
}
