/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/orders/:key - One order. */
#include "front.h"

int front_get_order(struct sn_rest_call *call, const struct front_key_req *req,
                    struct front_order *ret)
{
    struct orders_get_request get = {.key = req->key};
    struct orders_order *order;
    struct sn_grpc_status status = {0};
    struct sn_grpc_opts o = {.wait_for_ready = true, .ret_status = &status};
    int r = orders_orders_get_call(front_ctx(call)->orders.channel, &get, call->arena, &order, &o);
    return r < 0 ? front_failed(call, r, &status) : front_order_of(call->arena, order, ret);
}
