/* SPDX-License-Identifier: Apache-2.0 */
/* Stock.Get */
#include "stock.h"

struct job {
    const struct stock_get_request *req;
    struct stock_item *item;
};
static int get(sqlite3 *db, void *arg)
{
    struct job *j = arg;
    sqlite3_stmt *st =
        store_ask(db, "SELECT left, cents FROM items WHERE sku = ?", "s", j->req->sku);
    if (!st) return store_error(db);
    int r = store_row(st);
    if (r > 0) {
        j->item->left = sqlite3_column_int64(st, 0);
        j->item->cents = sqlite3_column_int64(st, 1);
    }
    sqlite3_finalize(st);
    return r == 0 ? SN_E_NOT_FOUND : r;
}

int stock_get(struct sn_grpc_call *call, const struct stock_get_request *req,
              struct stock_item **ret)
{
    struct job j = {req, stock_item_new(call->arena)};
    if (!j.item) return SN_E_NOMEM;
    int r = store_run(&stock_ctx(call)->store, get, &j);
    if (r == SN_E_NOT_FOUND) return sn_grpc_fail(call, r, "no item \"%.*s\"", SN_STR_ARG(req->sku));
    if (r < 0) return r;
    j.item->sku = req->sku;
    *ret = j.item;
    return 0;
}
