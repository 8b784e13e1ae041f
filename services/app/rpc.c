/* SPDX-License-Identifier: Apache-2.0 */
/* app/rpc.c - see rpc.h. */
#include "app/rpc.h"

#include "core/buf.h"
#include "services/govern/grpc.h"

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

int sn_rpc_client_open(const struct sn_rpc_client_opts *o, struct sn_rpc_client *ret)
{
    struct sn_rpc_client c = {0};
    struct sn_buf target, config;
    if (!o->targets.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "no target: expected host:port[,host:port...]");
    int r = sn_gov_grpc_client_new(&(struct sn_gov_grpc_client_opts){.otlp = o->otlp,
                                                                     .timeout_ns = o->timeout_ns},
                                   &c.gov);
    if (r < 0) return r;
    struct sn_grpc_interceptor guard = sn_gov_grpc_client(c.gov);
    sn_buf_init(&target, 0);
    sn_buf_init(&config, 0);
    unsigned attempts = o->attempts ? o->attempts : 3;
    if (attempts > 1)
        sn_buf_printf(
            &config,
            "{\"methodConfig\":[{\"name\":[{}],\"retryPolicy\":{\"maxAttempts\":%u,"
            "\"initialBackoff\":"
            "\"0.02s\",\"maxBackoff\":\"1s\",\"backoffMultiplier\":2,\"retryableStatusCodes\":"
            "[\"UNAVAILABLE\"]}}],\"retryThrottling\":{\"maxTokens\":100,\"tokenRatio\":0.1}}",
            SN_MIN(attempts, 5u));
    r = target_of(o->targets, &target);
    if (r == 0) r = config.err;
    if (r == 0) {
        struct sn_grpc_channel_opts co = {.lb = &sn_gov_grpc_p2c,
                                          .interceptors = &guard,
                                          .n_interceptors = 1,
                                          .service_config = sn_buf_view(&config),
                                          .backoff_ns = 50 * SN_MS,
                                          .backoff_ns_max = 2 * SN_SEC,
                                          .connect_ns_max = 2 * SN_SEC};
        r = sn_grpc_channel_new((const char *)target.ptr, &co, &c.channel);
    }
    sn_buf_done(&target);
    sn_buf_done(&config);
    if (r < 0) {
        sn_gov_grpc_client_free(c.gov);
        return r;
    }
    *ret = c;
    return 0;
}
void sn_rpc_client_close(struct sn_rpc_client *c)
{
    if (c->channel) sn_grpc_channel_free(c->channel);
    if (c->gov) sn_gov_grpc_client_free(c->gov);
    *c = (struct sn_rpc_client){0};
}
