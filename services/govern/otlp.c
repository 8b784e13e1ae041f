/* SPDX-License-Identifier: Apache-2.0 */
/* govern/otlp.c - see otlp.h. */
#include "govern/otlp.h"

#include "core/alloc.h"
#include "core/ring.h"
#include "fiber/fiber.h"
#include "govern/retry.h"
#include "kit/http.h"
#include "kit/log.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

SN_LOG_MODULE("otlp");

#define RETRY_FOR_NS (60 * SN_SEC)
#define DRAIN_NS (5 * SN_SEC)
#define LOOK_NS (100 * SN_MS)
#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)

/* A span that has ended, with its texts behind it. */
struct record {
    struct sn_mpsc_node node;
    struct sn_span s;
    char text[];
};
struct sn_otlp {
    struct sn_otlp_opts o;
    char *strings; /* what the options' strings point into */
    struct sn_mpsc queue;
    int64_t waiting;
    uint64_t queued, sent, dropped, rejected, batches, failures;
};

static int strings_copy(struct sn_otlp *o)
{
    struct sn_str *all[] = {&o->o.url, &o->o.service, &o->o.version, &o->o.instance,
                            &o->o.authorization};
    size_t n = 0;
    struct sn_str rest = o->o.url;
    ssize_t scheme = sn_str_find(rest, SN_STR("://"));
    if (scheme < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "otlp: 'http://HOST:PORT' is expected, not '%.*s'",
                       SN_STR_ARG(rest));
    bool path = sn_str_chr(sn_str_from(rest, (size_t)scheme + 3), '/') >= 0;
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) n += all[i]->len;
    char *p = o->strings = sn_alloc(n + 16);
    if (!p) return SN_E_NOMEM;
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) {
        if (all[i]->len) memcpy(p, all[i]->ptr, all[i]->len);
        all[i]->ptr = p;
        p += all[i]->len;
        if (i == 0 && !path) {
            memcpy(p, "/v1/traces", 10);
            p += 10;
            all[0]->len += 10;
        }
    }
    return 0;
}

int sn_otlp_new(const struct sn_otlp_opts *opts, struct sn_otlp **ret)
{
    if (!opts->client || !opts->service.len)
        return sn_fail(SN_E_INVALID_ARGUMENT, "otlp: a client and a service's name are expected");
    struct sn_otlp *o = sn_aligned_alloc(SN_CACHE_LINE, sizeof(*o));
    if (!o) return SN_E_NOMEM;
    memset(o, 0, sizeof(*o));
    o->o = *opts;
    if (!o->o.queue_max) o->o.queue_max = 2048;
    if (!o->o.batch_max) o->o.batch_max = 512;
    if (!o->o.flush_ns) o->o.flush_ns = 5 * SN_SEC;
    sn_mpsc_init(&o->queue);
    int r = strings_copy(o);
    if (r < 0) {
        sn_free(o);
        return r;
    }
    *ret = o;
    return 0;
}

static struct record *take(struct sn_otlp *o)
{
    struct sn_mpsc_node *n = sn_mpsc_pop(&o->queue);
    if (!n) return NULL;
    ADD(&o->waiting, -1);
    return SN_CONTAINER_OF(n, struct record, node);
}

void sn_otlp_free(struct sn_otlp *o)
{
    if (!o) return;
    for (struct record *r; (r = take(o));) sn_free(r);
    sn_free(o->strings);
    sn_free(o);
}

static size_t kept(struct sn_str s) { return SN_MIN(s.len, SN_SPAN_TEXT_MAX); }

static void keep(struct sn_str *s, char **at)
{
    size_t n = kept(*s);
    while (n < s->len && n && ((uint8_t)s->ptr[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    if (n) memcpy(*at, s->ptr, n);
    *s = sn_str_of(*at, n);
    *at += n;
}

void sn_otlp_end(struct sn_otlp *o, struct sn_span *s, int64_t wall_ns)
{
    s->end_wall_ns = wall_ns;
    if (!o || !sn_span_sampled(s)) return;
    size_t n = kept(s->name) + kept(s->message) + kept(s->state);
    for (unsigned i = 0; i < s->n_attrs; i++)
        if (s->attrs[i].type == SN_ATTR_STR) n += kept(s->attrs[i].str);
    struct record *r = ADD(&o->waiting, 1) <= o->o.queue_max ? sn_alloc(sizeof(*r) + n) : NULL;
    if (!r) {
        ADD(&o->waiting, -1);
        ADD(&o->dropped, 1);
        return;
    }
    char *at = r->text;
    memcpy(&r->s, s, offsetof(struct sn_span, attrs) + s->n_attrs * sizeof(s->attrs[0]));
    keep(&r->s.name, &at);
    keep(&r->s.message, &at);
    keep(&r->s.state, &at);
    for (unsigned i = 0; i < s->n_attrs; i++)
        if (s->attrs[i].type == SN_ATTR_STR) keep(&r->s.attrs[i].str, &at);
    ADD(&o->queued, 1);
    sn_mpsc_push(&o->queue, &r->node);
}

/* ---- the message ----------------------------------------------------------------------------- */

typedef struct opentelemetry_proto_common_v1_key_value key_value;

static bool value_of(key_value *kv, const struct sn_attr *t, struct sn_arena *a)
{
    struct opentelemetry_proto_common_v1_any_value *v =
        kv ? opentelemetry_proto_common_v1_key_value_mut_value(kv, a) : NULL;
    if (!v) return false;
    kv->key = sn_str(t->key);
    switch (t->type) {
    case SN_ATTR_STR: opentelemetry_proto_common_v1_any_value_set_string_value(v, t->str); break;
    case SN_ATTR_INT: opentelemetry_proto_common_v1_any_value_set_int_value(v, t->i); break;
    case SN_ATTR_DOUBLE: opentelemetry_proto_common_v1_any_value_set_double_value(v, t->d); break;
    case SN_ATTR_BOOL: opentelemetry_proto_common_v1_any_value_set_bool_value(v, t->i != 0); break;
    }
    return true;
}

static struct sn_str valid(struct sn_str s) { return sn_utf8_valid(s) ? s : SN_STR("(not UTF-8)"); }

static int span_put(struct opentelemetry_proto_trace_v1_scope_spans *to, struct record *r,
                    struct sn_arena *a)
{
    static const uint8_t none[8];
    struct opentelemetry_proto_trace_v1_span *p =
        opentelemetry_proto_trace_v1_scope_spans_add_spans(to, a);
    if (!p) return SN_E_NOMEM;
    struct sn_span *s = &r->s;
    p->trace_id = sn_str_of((const char *)s->ctx.trace_id, 16);
    p->span_id = sn_str_of((const char *)s->ctx.span_id, 8);
    if (memcmp(s->parent_id, none, 8)) p->parent_span_id = sn_str_of((const char *)s->parent_id, 8);
    p->trace_state = valid(s->state);
    p->flags = s->ctx.flags;
    p->name = valid(s->name);
    p->kind = (int32_t)s->kind;
    p->start_time_unix_nano = (uint64_t)s->start_wall_ns;
    p->end_time_unix_nano = (uint64_t)SN_MAX(s->end_wall_ns, s->start_wall_ns);
    p->dropped_attributes_count = s->dropped_attrs;
    for (unsigned i = 0; i < s->n_attrs; i++) {
        s->attrs[i].str = valid(s->attrs[i].str);
        if (!value_of(opentelemetry_proto_trace_v1_span_add_attributes(p, a), &s->attrs[i], a))
            return SN_E_NOMEM;
    }
    if (!s->error) return 0;
    struct opentelemetry_proto_trace_v1_status *st =
        opentelemetry_proto_trace_v1_span_mut_status(p, a);
    if (!st) return SN_E_NOMEM;
    st->code = 2; /* STATUS_CODE_ERROR */
    st->message = valid(s->message);
    return 0;
}

static int encode(struct sn_otlp *o, struct record **batch, size_t n, struct sn_buf *out)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 64u << 20);
    struct opentelemetry_proto_collector_trace_v1_export_trace_service_request *m =
        opentelemetry_proto_collector_trace_v1_export_trace_service_request_new(&a);
    struct opentelemetry_proto_trace_v1_resource_spans *rs =
        m ? opentelemetry_proto_collector_trace_v1_export_trace_service_request_add_resource_spans(
                m, &a)
          : NULL;
    struct opentelemetry_proto_resource_v1_resource *res =
        rs ? opentelemetry_proto_trace_v1_resource_spans_mut_resource(rs, &a) : NULL;
    struct opentelemetry_proto_trace_v1_scope_spans *ss =
        rs ? opentelemetry_proto_trace_v1_resource_spans_add_scope_spans(rs, &a) : NULL;
    struct opentelemetry_proto_common_v1_instrumentation_scope *scope =
        ss ? opentelemetry_proto_trace_v1_scope_spans_mut_scope(ss, &a) : NULL;
    int r = res && scope ? 0 : SN_E_NOMEM;
    const struct sn_attr attrs[] = {{.key = "service.name", .str = valid(o->o.service)},
                                    {.key = "service.version", .str = valid(o->o.version)},
                                    {.key = "service.instance.id", .str = valid(o->o.instance)},
                                    {.key = "telemetry.sdk.name", .str = SN_STR("sennit")},
                                    {.key = "telemetry.sdk.language", .str = SN_STR("c")}};
    for (size_t i = 0; r == 0 && i < SN_COUNT_OF(attrs); i++)
        if (attrs[i].str.len &&
            !value_of(opentelemetry_proto_resource_v1_resource_add_attributes(res, &a), &attrs[i],
                      &a))
            r = SN_E_NOMEM;
    if (scope) scope->name = SN_STR("sennit/govern");
    for (size_t i = 0; r == 0 && i < n; i++) r = span_put(ss, batch[i], &a);
    if (r == 0) {
        ssize_t len =
            opentelemetry_proto_collector_trace_v1_export_trace_service_request_encode(m, out);
        if (len < 0) r = (int)len;
    }
    sn_arena_done(&a);
    return r;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Spans that the collector took the request for but not them. */
static int64_t rejected_in(struct sn_str body)
{
    struct sn_arena a;
    struct opentelemetry_proto_collector_trace_v1_export_trace_service_response *m;
    int64_t n = 0;
    sn_arena_init(&a, NULL, 1u << 20);
    if (opentelemetry_proto_collector_trace_v1_export_trace_service_response_parse(body, 0, &a,
                                                                                   &m) == 0 &&
        m->partial_success)
        n = m->partial_success->rejected_spans;
    sn_arena_done(&a);
    return n;
}

/* One attempt. Returns 0 taken, 1 again after *ret_wait_ns, < 0 refused for good. */
static int post(struct sn_otlp *o, struct sn_str body, size_t n, int64_t *ret_wait)
{
    struct sn_http_header h[2] = {{SN_STR("content-type"), SN_STR("application/x-protobuf")},
                                  {SN_STR("authorization"), o->o.authorization}};
    struct sn_http_call call = {.method = SN_STR("POST"),
                                .url = o->o.url,
                                .headers = h,
                                .n_headers = o->o.authorization.len ? 2 : 1,
                                .body = body,
                                .answer_ns_max = 10 * SN_SEC};
    struct sn_http_resp *resp;
    struct sn_str answer = {0};
    *ret_wait = -2;
    int r = sn_http_do(o->o.client, &call, &resp);
    if (r < 0) return sn_cancelled() ? r : 1;
    int status = resp->status;
    struct sn_str after = sn_http_headers_get(&resp->headers, SN_STR("retry-after"));
    *ret_wait = sn_gov_pushback((struct sn_str){0}, after, RETRY_FOR_NS);
    r = sn_http_resp_all(resp, 64u << 10, &answer);
    if (status >= 200 && status < 300) {
        int64_t lost = r == 0 ? SN_MIN(SN_MAX(rejected_in(answer), 0), (int64_t)n) : 0;
        ADD(&o->rejected, (uint64_t)lost);
        ADD(&o->sent, n - (uint64_t)lost);
        r = 0;
    } else {
        bool again = status == 429 || (status >= 502 && status <= 504);
        r = again ? 1 : sn_fail(SN_E_FAILED_PRECONDITION, "status %d", status);
    }
    sn_http_resp_close(resp);
    return r;
}

static int deliver(struct sn_otlp *o, struct sn_str body, size_t n)
{
    int64_t end = sn_now() + RETRY_FOR_NS, pause = SN_SEC, wait;
    for (;;) {
        int r = post(o, body, n, &wait);
        if (r <= 0) return r;
        ADD(&o->failures, 1);
        if (wait < 0) wait = pause + (int64_t)(sn_random() % (uint64_t)(pause / 4));
        wait = SN_MAX(wait, 100 * SN_MS);
        pause = SN_MIN(2 * pause, 30 * SN_SEC);
        if (sn_now() + wait > end)
            return sn_fail(SN_E_UNAVAILABLE, "no answer or refusals for %lld s",
                           (long long)(RETRY_FOR_NS / SN_SEC));
        r = sn_sleep(wait);
        if (r < 0) return r;
    }
}

/* Returns the spans of the batch, 0 when there are none. */
static size_t send_batch(struct sn_otlp *o)
{
    struct record **batch = SN_NEW_ARRAY(struct record *, o->o.batch_max);
    size_t n = 0;
    while (batch && n < o->o.batch_max && (batch[n] = take(o))) n++;
    if (n) {
        struct sn_buf b = {0};
        int r = encode(o, batch, n, &b);
        if (r == 0) r = deliver(o, sn_buf_view(&b), n);
        if (r < 0) {
            ADD(&o->dropped, n);
            if (!sn_cancelled())
                SN_LOG_WARN("spans lost", SN_L("spans", n), SN_L("url", o->o.url), SN_L_ERR(r));
        }
        ADD(&o->batches, 1);
        sn_buf_done(&b);
    }
    for (size_t i = 0; i < n; i++) sn_free(batch[i]);
    sn_free(batch);
    return n;
}

static int drain(void *arg)
{
    while (!sn_cancelled() && send_batch(arg)) {}
    return 0;
}

int sn_otlp_run(struct sn_otlp *o)
{
    int r = 0;
    int64_t since = sn_now();
    while (r == 0) {
        r = sn_sleep(SN_MIN(LOOK_NS, o->o.flush_ns));
        int64_t n = LOAD(&o->waiting);
        if (r < 0 || !n) {
            since = sn_now();
            continue;
        }
        if (n < o->o.batch_max / 2 && sn_now() - since < o->o.flush_ns) continue;
        while (send_batch(o) == o->o.batch_max) {}
        since = sn_now();
    }
    (void)sn_shield(DRAIN_NS, drain, o);
    return r;
}

void sn_otlp_stats(const struct sn_otlp *o, struct sn_otlp_stats *ret)
{
    *ret = (struct sn_otlp_stats){LOAD(&o->queued),   LOAD(&o->sent),    LOAD(&o->dropped),
                                  LOAD(&o->rejected), LOAD(&o->batches), LOAD(&o->failures),
                                  LOAD(&o->waiting)};
}
