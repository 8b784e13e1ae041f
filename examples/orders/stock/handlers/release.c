/* SPDX-License-Identifier: Apache-2.0 */
/* Stock.Release */
#include "stock.h"

static int release(sqlite3 *db, void *arg)
{
    const struct stock_release_request *req = arg;
    int r = store_do(
        db,
        "UPDATE items SET left = left + (SELECT count FROM reservations WHERE key = ?1) WHERE sku ="
        " (SELECT sku FROM reservations WHERE key = ?1)",
        "s", req->key);
    return r < 0 ? r : store_do(db, "DELETE FROM reservations WHERE key = ?", "s", req->key);
}

int stock_release(struct sn_grpc_call *call, const struct stock_release_request *req,
                  struct stock_release_reply **ret)
{
    int r = store_run(&stock_ctx(call)->store, release, (void *)(uintptr_t)req);
    return r < 0 ? r
                 : 0; /* what was not reserved is released already; *ret NULL: an empty answer */
}
