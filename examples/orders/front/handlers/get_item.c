/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/stock/:sku - What is left of an item. */
#include "front.h"

int front_get_item(struct sn_rest_call *call, const struct front_sku_req *req,
                   struct front_item *ret)
{
    struct stock_get_request get = {.sku = req->sku};
    struct stock_item *item;
    struct sn_grpc_status status = {0};
    struct sn_grpc_opts o = {.wait_for_ready = true, .ret_status = &status};
    int r = stock_stock_get_call(front_ctx(call)->stock.channel, &get, call->arena, &item, &o);
    if (r < 0) return front_failed(call, r, &status);
    *ret = (struct front_item){.sku = item->sku, .left = item->left, .cents = item->cents};
    return 0;
}
