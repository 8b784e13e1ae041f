/* SPDX-License-Identifier: Apache-2.0 */
/* app/rpc.c - see rpc.h. */
#include "app/rpc.h"

#include "app/source_int.h"
#include "core/alloc.h"
#include "core/buf.h"
#include "fiber/sync.h"
#include "services/govern/grpc.h"
#include "services/registry/registry.h"

/* A channel's resolver that is told by the registry's fiber. The channel starts it with the first
 * call, perhaps after the list came, so the last list is kept here. */
struct app_discovery {
    struct app_source *source;
    struct sn_grpc_resolver resolver;
    struct sn_mutex lock;
    struct sn_grpc_resolving *channel; /* while the resolver's fiber runs */
    struct sn_arena arena;             /* of the list */
    struct sn_grpc_address *list;      /* NULL before the first */
    unsigned n;
};

static int publish(struct app_discovery *d)
{
    if (!d->channel || !d->list) return 0;
    /* That an empty list is meant was found out by the registry's client. */
    return sn_grpc_resolved(d->channel, d->list, d->n, true, (struct sn_str){0}, 0);
}

static int found(const struct app_target *list, uint32_t n, void *arg)
{
    struct app_discovery *d = arg;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_grpc_address *to = SN_ARENA_ARRAY(&a, struct sn_grpc_address, n + 1);
    int r = to ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r == 0 && i < n; i++) {
        to[i] = (struct sn_grpc_address){.addr = sn_arena_str(&a, list[i].addr),
                                         .weight = list[i].weight};
        if (!to[i].addr.ptr) r = SN_E_NOMEM;
    }
    if (r < 0) {
        sn_arena_done(&a);
        return r;
    }
    sn_mutex_lock_always(&d->lock);
    if (d->list) sn_arena_done(&d->arena);
    d->arena = a;
    d->list = to;
    d->n = n;
    r = publish(d);
    sn_mutex_unlock(&d->lock);
    return r;
}

static int run(struct sn_grpc_resolving *channel, struct sn_str target, void *arg)
{
    struct app_discovery *d = arg;
    sn_mutex_lock_always(&d->lock);
    d->channel = channel;
    int r = publish(d);
    sn_mutex_unlock(&d->lock);
    while (r == SN_E_NOMEM && (r = sn_grpc_resolve_wait(channel, sn_now() + SN_SEC)) == 0) {
        sn_mutex_lock_always(&d->lock);
        r = publish(d);
        sn_mutex_unlock(&d->lock);
    }
    while (r >= 0) r = sn_grpc_resolve_wait(channel, SN_FOREVER);
    sn_mutex_lock_always(&d->lock);
    d->channel = NULL;
    sn_mutex_unlock(&d->lock);
    return r;
}

static void discovery_free(struct app_discovery *d)
{
    if (!d) return;
    if (d->list) sn_arena_done(&d->arena);
    sn_free(d);
}

static int discovery_new(const struct sn_rpc_client_opts *o, struct app_discovery **ret)
{
    struct app_discovery *d = SN_NEW(struct app_discovery);
    if (!d) return SN_E_NOMEM;
    d->resolver = (struct sn_grpc_resolver){.scheme = "registry", .run = run, .arg = d};
    int r = app_source_open(&(struct app_source_opts){.url = o->targets,
                                                      .token = o->registry_token,
                                                      .found = found,
                                                      .arg = d},
                            &d->source);
    if (r < 0) {
        discovery_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

/* "a:1,b:2" as "ipv4:a:1,b:2"; what has a scheme, or is a single name, stays. */
static int target_of(struct sn_str list, struct sn_buf *out)
{
    size_t n = 1;
    for (size_t i = 0; i < list.len; i++) n += list.ptr[i] == ',';
    if (n > SN_RPC_TARGETS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "more than %u targets", SN_RPC_TARGETS_MAX);
    if (n > 1 && sn_str_find(list, SN_STR("://")) < 0 && !sn_str_starts(list, SN_STR("ipv")))
        sn_buf_cstr(out, "ipv4:");
    for (bool first = true; list.ptr; first = false) {
        struct sn_str one = sn_str_trim(sn_str_cut(&list, ','));
        sn_buf_printf(out, "%s%.*s", first ? "" : ",", SN_STR_ARG(one));
    }
    sn_buf_byte(out, 0);
    return out->err;
}

/* The retry policy as a service config. */
static int config_of(unsigned attempts, struct sn_buf *out)
{
    if (attempts <= 1) return 0;
    return sn_buf_printf(
        out,
        "{\"methodConfig\":[{\"name\":[{}],\"retryPolicy\":{\"maxAttempts\":%u,"
        "\"initialBackoff\":"
        "\"0.02s\",\"maxBackoff\":\"1s\",\"backoffMultiplier\":2,\"retryableStatusCodes\":"
        "[\"UNAVAILABLE\"]}}],\"retryThrottling\":{\"maxTokens\":100,\"tokenRatio\":0.1}}",
        SN_MIN(attempts, 5u));
}

static int channel_new(struct sn_rpc_client *c, const struct sn_rpc_client_opts *o)
{
    struct sn_buf target, config;
    struct sn_grpc_interceptor guard = sn_gov_grpc_client(c->gov);
    sn_buf_init(&target, 0);
    sn_buf_init(&config, 0);
    int r = config_of(o->attempts ? o->attempts : 3, &config);
    if (r >= 0 && c->discovery)
        r = sn_buf_printf(&target, "registry:///%.*s%c",
                          SN_STR_ARG(app_source_host(c->discovery->source)), 0);
    else if (r >= 0)
        r = target_of(o->targets, &target);
    if (r >= 0) {
        struct sn_grpc_channel_opts co = {.lb = &sn_gov_grpc_p2c,
                                          .interceptors = &guard,
                                          .n_interceptors = 1,
                                          .service_config = sn_buf_view(&config),
                                          .backoff_ns = 50 * SN_MS,
                                          .backoff_ns_max = 2 * SN_SEC,
                                          .connect_ns_max = 2 * SN_SEC};
        if (c->discovery) {
            co.resolvers = &c->discovery->resolver;
            co.n_resolvers = 1;
        }
        r = sn_grpc_channel_new((const char *)target.ptr, &co, &c->channel);
    }
    sn_buf_done(&target);
    sn_buf_done(&config);
    return r < 0 ? r : 0;
}

int sn_rpc_client_open(const struct sn_rpc_client_opts *o, struct sn_rpc_client *ret)
{
    struct sn_rpc_client c = {0};
    if (!o->targets.len)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "no target: expected host:port[,host:port...] or a registry's URL");
    int r = sn_gov_grpc_client_new(&(struct sn_gov_grpc_client_opts){.otlp = o->otlp,
                                                                     .timeout_ns = o->timeout_ns},
                                   &c.gov);
    if (r < 0) return r;
    if (sn_registry_url_is(o->targets)) r = discovery_new(o, &c.discovery);
    if (r == 0) r = channel_new(&c, o);
    if (r < 0) {
        sn_rpc_client_close(&c);
        return r;
    }
    *ret = c;
    return 0;
}
void sn_rpc_client_close(struct sn_rpc_client *c)
{
    /* The registry's fiber speaks to the channel, whose resolver lies in the discovery. */
    if (c->discovery) app_source_close(c->discovery->source);
    if (c->channel) sn_grpc_channel_free(c->channel);
    discovery_free(c->discovery);
    if (c->gov) sn_gov_grpc_client_free(c->gov);
    *c = (struct sn_rpc_client){0};
}
