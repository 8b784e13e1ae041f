/* SPDX-License-Identifier: Apache-2.0 */
/* Stock.Reserve */
#include "stock.h"

#include "kit/log.h"

SN_LOG_MODULE("stock");

struct job {
    const struct stock_reserve_request *req;
    int64_t cents;
};
/* 1: reserved now or before; 0: there is no such item, or not enough of it. */
static int reserve(sqlite3 *db, void *arg)
{
    struct job *j = arg;
    int64_t count = j->req->count;
    int made = store_do(db, "INSERT OR IGNORE INTO reservations VALUES(?, ?, ?)", "ssi",
                        j->req->key, j->req->sku, count);
    if (made < 0) return made;
    int r = made ? store_do(db, "UPDATE items SET left = left - ? WHERE sku = ? AND left >= ?",
                            "isi", count, j->req->sku, count)
                 : 1;
    if (r <= 0) return r < 0 ? r : SN_E_FAILED_PRECONDITION;
    sqlite3_stmt *st =
        store_ask(db,
                  "SELECT i.cents FROM reservations r JOIN items i ON i.sku = r.sku WHERE r.key = ?"
                  " AND r.sku = ? AND r.count = ?",
                  "ssi", j->req->key, j->req->sku, count);
    if (!st) return store_error(db);
    r = store_row(st);
    if (r > 0) j->cents = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return r == 0 ? SN_E_ALREADY_EXISTS : r;
}

int stock_reserve(struct sn_grpc_call *call, const struct stock_reserve_request *req,
                  struct stock_reserve_reply **ret)
{
    struct job j = {.req = req};
    if (!req->key.len || !req->sku.len || req->count < 1)
        return sn_grpc_fail(call, SN_E_INVALID_ARGUMENT, "expected a key, an item and a count");
    int r = store_run(&stock_ctx(call)->store, reserve, &j);
    if (r == SN_E_FAILED_PRECONDITION)
        return sn_grpc_fail(call, r, "there are not %d of \"%.*s\"", req->count,
                            SN_STR_ARG(req->sku));
    if (r == SN_E_ALREADY_EXISTS)
        return sn_grpc_fail(call, r, "key \"%.*s\" has reserved something else",
                            SN_STR_ARG(req->key));
    if (r < 0) return r;
    SN_LOG_INFO("reserved", SN_L("key", req->key), SN_L("sku", req->sku),
                SN_L("count", req->count));
    *ret = stock_reserve_reply_new(call->arena);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->cents = j.cents;
    return 0;
}
