/* SPDX-License-Identifier: Apache-2.0 */
/* The service front: configuration, context, and what makes it a program. */
#include "front.h"

#include "core/alloc.h"
#include "core/time.h"

static const struct sn_conf_field fields[] = {
    SN_DAEMON_FIELDS(struct front_config, base),
    SN_CONF_STRING(struct front_config, orders, "orders", .def = "127.0.0.1:9201",
                   .metavar = "TARGETS", .help = "Instances of orders, with commas."),
    SN_CONF_STRING(struct front_config, stock, "stock", .def = "127.0.0.1:9211",
                   .metavar = "TARGETS", .help = "Instances of stock, with commas."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct front_config, fields);

static void front_close(void *arg)
{
    struct front_ctx *ctx = arg;
    sn_rpc_client_close(&ctx->orders);
    sn_rpc_client_close(&ctx->stock);
    sn_free(ctx);
}
static int front_open(struct sn_daemon *d, void **ret)
{
    struct front_ctx *ctx = SN_NEW(struct front_ctx);
    if (!ctx) return SN_E_NOMEM;
    ctx->config = d->conf;
    /* Every method behind bears to be called twice (orders have keys), so a lost answer is asked
     * for again. */
    struct sn_rpc_client_opts o = {.targets = ctx->config->orders, .otlp = d->otlp, .attempts = 5};
    int r = sn_rpc_client_open(&o, &ctx->orders);
    o.targets = ctx->config->stock;
    if (r == 0) r = sn_rpc_client_open(&o, &ctx->stock);
    if (r < 0) {
        front_close(ctx);
        return r;
    }
    *ret = ctx;
    return 0;
}

int front_failed(struct sn_rest_call *call, int code, const struct sn_grpc_status *status)
{
    switch (code) {
    case SN_E_INVALID_ARGUMENT:
    case SN_E_NOT_FOUND:
    case SN_E_ALREADY_EXISTS:
    case SN_E_FAILED_PRECONDITION:
        return sn_rest_fail(call, code, "%.*s", SN_STR_ARG(status->message));
    default: return code;
    }
}
int front_order_of(struct sn_arena *a, const struct orders_order *from, struct front_order *ret)
{
    char text[SN_RFC3339_MAX];
    size_t n = sn_time_rfc3339(from->placed_ms * SN_MS, 3, text);
    *ret = (struct front_order){.key = from->key,
                                .sku = from->sku,
                                .count = from->count,
                                .cents = from->cents,
                                .customer = from->customer,
                                .placed = sn_arena_str(a, sn_str_of(text, n))};
    return ret->placed.ptr ? 0 : SN_E_NOMEM;
}

const struct sn_daemon_app front_app = {
    .name = "front",
    .version = "0.1.0",
    .about = "Serves the service front.",
    .table = &table,
    .base_offset = offsetof(struct front_config, base),
    .open = front_open,
    .close = front_close,
    .routes = front_routes,
    .n_routes = FRONT_METHODS,
};
