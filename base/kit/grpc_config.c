/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_config.c - service configs. Sources: grpc doc/service_config.md, service_config.proto (its
 * JSON form), gRFC A6. */
#include "core/alloc.h"
#include "kit/grpc_client_int.h"
#include "wire/json.h"

/* "1.5s": digits, perhaps nine decimals, an s. */
static int duration(const struct sn_json *v, const char *what, int64_t *ret)
{
    struct sn_str s = sn_json_str(v);
    double d;
    if (s.len < 2 || s.ptr[s.len - 1] != 's' ||
        sn_str_to_double(sn_str_sub(s, 0, s.len - 1), &d) < 0 || d < 0 || d > 3.0e8)
        return sn_fail(SN_E_SYNTAX, "service config: %s is no duration like \"1.5s\"", what);
    *ret = (int64_t)(d * 1e9);
    return 0;
}

static int codes(const struct sn_json *v, uint32_t *ret)
{
    *ret = 0;
    for (SN_JSON_EACH(v, it)) {
        struct sn_str name = sn_json_str(it);
        int64_t n = sn_json_i64_or(it, -1);
        for (int k = 1; k <= 16 && name.ptr; k++)
            if (sn_str_ieq(name, sn_str(sn_status_name(-k)))) n = k;
        if (n < 1 || n > 16)
            return sn_fail(SN_E_SYNTAX, "service config: retryableStatusCodes holds no status %.*s",
                           SN_STR_ARG(name));
        *ret |= 1u << n;
    }
    return *ret ? 0 : sn_fail(SN_E_SYNTAX, "service config: retryableStatusCodes is empty");
}

static int retry_policy(const struct sn_json *v, struct gr_retry *ret)
{
    int64_t n = sn_json_i64_or(sn_json_get(v, "maxAttempts"), 0);
    if (n < 2) return sn_fail(SN_E_SYNTAX, "service config: maxAttempts must be 2 or more");
    ret->attempts_max = (unsigned)SN_MIN(n, (int64_t)GRPC_ATTEMPTS_MAX);
    int r = duration(sn_json_get(v, "initialBackoff"), "initialBackoff", &ret->backoff_ns);
    if (r == 0) r = duration(sn_json_get(v, "maxBackoff"), "maxBackoff", &ret->backoff_ns_max);
    ret->multiplier = sn_json_double_or(sn_json_get(v, "backoffMultiplier"), 0);
    if (r == 0 && !(ret->multiplier > 0))
        r = sn_fail(SN_E_SYNTAX, "service config: backoffMultiplier must be above 0");
    return r < 0 ? r : codes(sn_json_get(v, "retryableStatusCodes"), &ret->codes);
}

static int64_t bytes_of(const struct sn_json *v)
{
    uint64_t n;
    struct sn_str s = sn_json_str(v);
    if (s.ptr && sn_str_to_u64(s, &n) == 0) return (int64_t)SN_MIN(n, (uint64_t)INT64_MAX);
    return sn_json_i64_or(v, -1);
}

static int method_config(const struct sn_json *v, struct gr_method_config *ret)
{
    *ret = (struct gr_method_config){.wait_for_ready = -1, .recv_max = -1, .send_max = -1};
    const struct sn_json *x = sn_json_get(v, "timeout");
    int r = x ? duration(x, "timeout", &ret->timeout_ns) : 0;
    if (sn_json_is(x = sn_json_get(v, "waitForReady"), SN_JSON_BOOL)) ret->wait_for_ready = x->b;
    ret->recv_max = bytes_of(sn_json_get(v, "maxResponseMessageBytes"));
    ret->send_max = bytes_of(sn_json_get(v, "maxRequestMessageBytes"));
    if (r == 0 && (x = sn_json_get(v, "retryPolicy"))) r = retry_policy(x, &ret->retry);
    return r;
}

static int methods(struct gr_config *c, const struct sn_json *list)
{
    size_t n = 0;
    for (SN_JSON_EACH(list, it)) n += SN_MAX(sn_json_len(sn_json_get(it, "name")), (size_t)1);
    if (n > GRPC_METHOD_CONFIGS_MAX)
        return sn_fail(SN_E_SYNTAX, "service config: more than %u methodConfigs",
                       GRPC_METHOD_CONFIGS_MAX);
    c->methods = SN_ARENA_ARRAY(&c->arena, struct gr_method_config, n + 1);
    if (!c->methods) return SN_E_NOMEM;
    for (SN_JSON_EACH(list, it)) {
        struct gr_method_config m;
        int r = method_config(it, &m);
        if (r < 0) return r;
        for (SN_JSON_EACH(sn_json_get(it, "name"), name)) {
            m.service = sn_json_str(sn_json_get(name, "service"));
            m.method = sn_json_str(sn_json_get(name, "method"));
            if (m.method.len && !m.service.len)
                return sn_fail(SN_E_SYNTAX, "service config: method %.*s without a service",
                               SN_STR_ARG(m.method));
            c->methods[c->n_methods++] = m;
        }
    }
    return 0;
}

static int throttling(struct gr_config *c, const struct sn_json *v)
{
    if (!v) return 0;
    c->tokens_max = sn_json_double_or(sn_json_get(v, "maxTokens"), 0);
    c->token_ratio = sn_json_double_or(sn_json_get(v, "tokenRatio"), 0);
    if (!(c->tokens_max > 0 && c->tokens_max <= 1000 && c->token_ratio > 0))
        return sn_fail(SN_E_SYNTAX, "service config: retryThrottling wants maxTokens in (0,1000] and "
                                    "tokenRatio above 0");
    return 0;
}

static int health(struct gr_config *c, const struct sn_json *v)
{
    if (!v) return 0;
    const struct sn_json *name = sn_json_get(v, "serviceName");
    if (!sn_json_is(v, SN_JSON_OBJECT) || (name && !sn_json_is(name, SN_JSON_STRING)))
        return sn_fail(SN_E_SYNTAX, "service config: healthCheckConfig wants a serviceName, a string");
    if (!name) return 0; /* it asks for nothing then */
    c->health = sn_json_str(name);
    if (!c->health.ptr) c->health = SN_STR("");
    return 0;
}

static int parse(struct gr_config *c, struct sn_str text)
{
    const struct sn_json *v;
    text = sn_arena_str(&c->arena, text);
    if (!text.ptr) return SN_E_NOMEM;
    int r = sn_json_parse(&c->arena, text, NULL, &v);
    if (r < 0) return r == SN_E_NOMEM ? r : sn_wrap(SN_E_SYNTAX, "service config");
    if (!sn_json_is(v, SN_JSON_OBJECT))
        return sn_fail(SN_E_SYNTAX, "service config: expected an object");
    for (SN_JSON_EACH(sn_json_get(v, "loadBalancingConfig"), it)) {
        if (c->lb.ptr) break;
        for (SN_JSON_MEMBERS(it, m))
            if (gr_lb_by_name(sn_json_str(&m->key))) c->lb = sn_json_str(&m->key);
    }
    r = throttling(c, sn_json_get(v, "retryThrottling"));
    if (r == 0) r = health(c, sn_json_get(v, "healthCheckConfig"));
    return r < 0 ? r : methods(c, sn_json_get(v, "methodConfig"));
}

int gr_config_parse(struct sn_str json, struct gr_config **ret)
{
    struct gr_config *c = SN_NEW(struct gr_config);
    if (!c) return SN_E_NOMEM;
    sn_arena_init(&c->arena, NULL, 16u << 20);
    int r = parse(c, json);
    if (r < 0) {
        gr_config_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void gr_config_free(struct gr_config *c)
{
    if (!c) return;
    sn_arena_done(&c->arena);
    sn_free(c);
}

const struct gr_method_config *gr_config_method(const struct gr_config *c, struct sn_str path)
{
    const struct gr_method_config *best = NULL;
    if (!c || path.len == 0) return NULL;
    struct sn_str method = sn_str_from(path, 1), service = sn_str_cut(&method, '/');
    int rank = -1;
    for (unsigned i = 0; i < c->n_methods; i++) {
        const struct gr_method_config *m = &c->methods[i];
        if (m->service.len && !sn_str_eq(m->service, service)) continue;
        if (m->method.len && !sn_str_eq(m->method, method)) continue;
        int score = (m->service.len ? 1 : 0) + (m->method.len ? 1 : 0);
        if (score <= rank) continue;
        rank = score;
        best = m;
    }
    return best;
}
