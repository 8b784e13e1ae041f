/* SPDX-License-Identifier: Apache-2.0 */
/* The service stock: configuration, context, and what makes it a program. */
#include "stock.h"

#include "core/alloc.h"

static const struct sn_conf_field fields[] = {
    SN_DAEMON_FIELDS(struct stock_config, base),
    SN_CONF_STRING(struct stock_config, db, "db", .def = "stock.db",
                   .help = "The database, a file."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct stock_config, fields);

static const char schema[] = "CREATE TABLE IF NOT EXISTS items(sku TEXT PRIMARY KEY, left INTEGER "
                             "NOT NULL, cents INTEGER NOT NULL);"
                             "CREATE TABLE IF NOT EXISTS reservations(key TEXT PRIMARY KEY, sku "
                             "TEXT NOT NULL, count INTEGER NOT NULL);"
                             "INSERT OR IGNORE INTO items VALUES('pen', 1000000000, 120), ('book', "
                             "1000000, 1990), ('lamp', 3, 4500);";

static int stock_open(struct sn_daemon *d, void **ret)
{
    struct stock_ctx *ctx = SN_NEW(struct stock_ctx);
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
static void stock_close(void *arg)
{
    struct stock_ctx *ctx = arg;
    store_close(&ctx->store);
    sn_free(ctx);
}

const struct sn_daemon_app stock_app = {
    .name = "stock",
    .version = "0.1.0",
    .about = "Serves the service stock.",
    .table = &table,
    .base_offset = offsetof(struct stock_config, base),
    .open = stock_open,
    .close = stock_close,
    .grpc = stock_grpc_register,
    .services = stock_grpc_services,
};
