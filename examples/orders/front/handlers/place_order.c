/* SPDX-License-Identifier: Apache-2.0 */
/* PUT /v1/orders/:key - Places an order: reserves stock, then writes the order down. */
#include "front.h"

#include "kit/log.h"

SN_LOG_MODULE("front");

/* Both steps go by the order's key, so the whole may be repeated after a failure at any point; only
 * a refusal by orders gives the stock back. */
int front_place_order(struct sn_rest_call *call, const struct front_place_req *req,
                      struct front_order *ret)
{
    struct front_ctx *ctx = front_ctx(call);
    struct stock_reserve_request reserve = {.key = req->key, .sku = req->sku, .count = req->count};
    struct stock_reserve_reply *reserved;
    struct sn_grpc_status status = {0};
    struct sn_grpc_opts o = {.wait_for_ready = true, .ret_status = &status};
    int r = stock_stock_reserve_call(ctx->stock.channel, &reserve, call->arena, &reserved, &o);
    if (r < 0) return front_failed(call, r, &status);
    struct orders_order order = {.key = req->key,
                                 .sku = req->sku,
                                 .count = req->count,
                                 .customer = req->customer,
                                 .cents = reserved->cents * req->count};
    struct orders_order *made;
    r = orders_orders_create_call(ctx->orders.channel, &order, call->arena, &made, &o);
    if (r == SN_E_ALREADY_EXISTS || r == SN_E_INVALID_ARGUMENT) {
        struct stock_release_request release = {.key = req->key};
        struct stock_release_reply *none;
        struct sn_grpc_opts again = {.wait_for_ready = true};
        int e = stock_stock_release_call(ctx->stock.channel, &release, call->arena, &none, &again);
        if (e < 0) SN_LOG_WARN("stock stays reserved", SN_L("key", req->key), SN_L_ERR(e));
    }
    if (r < 0) return front_failed(call, r, &status);
    SN_LOG_INFO("order placed", SN_L("key", req->key), SN_L("sku", req->sku),
                SN_L("count", req->count));
    return front_order_of(call->arena, made, ret);
}
