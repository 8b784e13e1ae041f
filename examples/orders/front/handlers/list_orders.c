/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/orders - Orders by key, a page at a time. */
#include "front.h"

int front_list_orders(struct sn_rest_call *call, const struct front_list_req *req,
                      struct front_orders *ret)
{
    struct orders_list_request list = {.limit = req->limit, .after = req->after};
    struct orders_list_reply *page;
    struct sn_grpc_status status = {0};
    struct sn_grpc_opts o = {.wait_for_ready = true, .ret_status = &status};
    int r = orders_orders_list_call(front_ctx(call)->orders.channel, &list, call->arena, &page, &o);
    if (r < 0) return front_failed(call, r, &status);
    ret->orders.ptr = SN_ARENA_ARRAY(call->arena, struct front_order, page->orders.len + 1);
    if (!ret->orders.ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < page->orders.len && r == 0; i++)
        r = front_order_of(call->arena, page->orders.ptr[i], &ret->orders.ptr[ret->orders.len++]);
    return r;
}
