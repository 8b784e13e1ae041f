/* SPDX-License-Identifier: Apache-2.0 */
/* The service orders: configuration, context, and what makes it a program. */
#include "orders.h"

#include "core/alloc.h"

static const struct sn_conf_field fields[] = {
    SN_DAEMON_FIELDS(struct orders_config, base),
    SN_CONF_STRING(struct orders_config, db, "db", .def = "orders.db",
                   .help = "The database, a file."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct orders_config, fields);

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS orders(key TEXT PRIMARY KEY, sku TEXT NOT NULL, count INTEGER NOT "
    "NULL,"
    " cents INTEGER NOT NULL, customer TEXT NOT NULL, placed_ms INTEGER NOT NULL);";

static int orders_open(struct sn_daemon *d, void **ret)
{
    struct orders_ctx *ctx = SN_NEW(struct orders_ctx);
    if (!ctx) return SN_E_NOMEM;
    ctx->config = d->conf;
    int r = store_open(ctx->config->db, schema, &ctx->store);
    if (r < 0) {
        sn_free(ctx);
        return r;
    }
    *ret = ctx;
    return 0;
}
static void orders_close(void *arg)
{
    struct orders_ctx *ctx = arg;
    store_close(&ctx->store);
    sn_free(ctx);
}

int orders_read(sqlite3_stmt *st, struct sn_arena *a, struct orders_order *ret)
{
    ret->key = sn_arena_str(a, store_text(st, 0));
    ret->sku = sn_arena_str(a, store_text(st, 1));
    ret->count = sqlite3_column_int(st, 2);
    ret->cents = sqlite3_column_int64(st, 3);
    ret->customer = sn_arena_str(a, store_text(st, 4));
    ret->placed_ms = sqlite3_column_int64(st, 5);
    return ret->key.ptr && ret->sku.ptr && ret->customer.ptr ? 0 : SN_E_NOMEM;
}

const struct sn_daemon_app orders_app = {
    .name = "orders",
    .version = "0.1.0",
    .about = "Serves the service orders.",
    .table = &table,
    .base_offset = offsetof(struct orders_config, base),
    .open = orders_open,
    .close = orders_close,
    .grpc = orders_grpc_register,
    .services = orders_grpc_services,
};
