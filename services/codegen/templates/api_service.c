/* The service {{service}}: configuration, context, and what makes it a program. */
#include "{{name}}.h"

#include "core/alloc.h"

static const struct sn_conf_field fields[] = {
    SN_DAEMON_FIELDS(struct {{name}}_config, base),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct {{name}}_config, fields);

static int {{name}}_open(struct sn_daemon *d, void **ret)
{
    struct {{name}}_ctx *ctx = SN_NEW(struct {{name}}_ctx);
    if (!ctx) return SN_E_NOMEM;
    ctx->config = d->conf;
    *ret = ctx;
    return 0;
}
static void {{name}}_close(void *ctx)
{
    sn_free(ctx);
}

const struct sn_daemon_app {{name}}_app = {
    .name = "{{name}}",
    .version = "0.1.0",
    .about = "Serves the service {{service}}.",
    .table = &table,
    .base_offset = offsetof(struct {{name}}_config, base),
    .open = {{name}}_open,
    .close = {{name}}_close,
    .routes = {{name}}_routes,
    .n_routes = {{NAME}}_METHODS,
};
