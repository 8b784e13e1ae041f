/* SPDX-License-Identifier: Apache-2.0 */
/* registry/torture_test.c - the k-th allocation of a call to a gRPC face fails, on whichever side it
 * is, for every k until one gets through untouched: an answer or an error each time, never half of
 * a transaction, and afterwards everything works and every face shows the same. */
#include <stdio.h>

#include "core/alloc.h"
#include "etcd/rpc.grpc.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "nacos/nacos_grpc_service.grpc.h"
#include "registry/registry.h"
#include "registry/server.h"
#include "tests/harness/test.h"

struct face {
    struct sn_regserver *s;
    struct sn_grpc_channel *etcd, *nacos;
    struct sn_arena a;
    char etcd_at[64], nacos_at[64], consul_at[64];
    struct sn_event ended;
    int k;
};

static int64_t left; /* allocations until the one that fails; < 0: none */
static bool fail(size_t size) { return left >= 0 && left-- == 0; }
static const struct sn_alloc_hooks hooks = {.fail = fail};

static const struct sn_grpc_opts patient = {.wait_for_ready = true, .timeout_ns = 10 * SN_SEC};

static int put(struct face *f, const char *key, const char *value, int64_t lease)
{
    struct etcdserverpb_put_request q = {
        .key = sn_str(key), .value = sn_str(value), .lease = lease, .prev_kv = true};
    struct etcdserverpb_put_response *rep;
    return etcdserverpb_kv_put_call(f->etcd, &q, &f->a, &rep, &patient);
}

static int get(struct face *f, const char *key, struct sn_str *ret)
{
    struct etcdserverpb_range_request q = {.key = sn_str(key)};
    struct etcdserverpb_range_response *rep;
    int r = etcdserverpb_kv_range_call(f->etcd, &q, &f->a, &rep, &patient);
    if (r >= 0) *ret = rep->kvs.len ? rep->kvs.ptr[0]->value : SN_STR("");
    return r;
}

/* ---- etcd ----------------------------------------------------------------------------------- */

static int try_put(struct face *f) { return put(f, "t/a", "1", 0); }

/* Both keys or none. */
static int try_txn(struct face *f)
{
    char value[16];
    snprintf(value, sizeof(value), "%d", f->k);
    struct etcdserverpb_put_request p[2] = {{.key = SN_STR("t/x"), .value = sn_str(value)},
                                            {.key = SN_STR("t/y"), .value = sn_str(value)}};
    struct etcdserverpb_delete_range_request d = {.key = SN_STR("t/a"), .prev_kv = true};
    struct etcdserverpb_range_request g = {.key = SN_STR("t/"), .range_end = SN_STR("t0")};
    struct etcdserverpb_request_op ops[4] = {{.request_case = 2, .request_put = &p[0]},
                                             {.request_case = 3, .request_delete_range = &d},
                                             {.request_case = 2, .request_put = &p[1]},
                                             {.request_case = 1, .request_range = &g}},
                                   *list[4] = {&ops[0], &ops[1], &ops[2], &ops[3]};
    struct etcdserverpb_txn_request q = {0};
    struct etcdserverpb_txn_response *rep;
    q.success.ptr = list;
    q.success.len = 4;
    return etcdserverpb_kv_txn_call(f->etcd, &q, &f->a, &rep, &patient);
}

static void check_txn(struct face *f)
{
    struct sn_str x, y;
    T_OK(get(f, "t/x", &x));
    T_OK(get(f, "t/y", &y));
    T_ASSERTF(sn_str_eq(x, y), "half of a transaction: \"%.*s\" and \"%.*s\"", SN_STR_ARG(x),
              SN_STR_ARG(y));
}

/* An instance by lease, seen through the other layouts, and gone with it. */
static int try_lease(struct face *f)
{
    struct etcdserverpb_lease_grant_request q = {.TTL = 60};
    struct etcdserverpb_lease_grant_response *rep;
    struct etcdserverpb_lease_revoke_response *gone;
    int r = etcdserverpb_lease_lease_grant_call(f->etcd, &q, &f->a, &rep, &patient);
    if (r < 0) return r;
    char key[64];
    snprintf(key, sizeof(key), "t.rpc/%lld", (long long)rep->ID);
    r = put(f, key, "10.0.0.1:80", rep->ID);
    struct etcdserverpb_lease_revoke_request rv = {.ID = rep->ID};
    int e = etcdserverpb_lease_lease_revoke_call(f->etcd, &rv, &f->a, &gone, &patient);
    return r < 0 ? r : e;
}

static void check_lease(struct face *f)
{
    struct etcdserverpb_lease_leases_request q = {0};
    struct etcdserverpb_lease_leases_response *rep;
    struct etcdserverpb_lease_revoke_response *gone;
    struct sn_regserver_stats st;
    T_OK(etcdserverpb_lease_lease_leases_call(f->etcd, &q, &f->a, &rep, &patient));
    for (uint32_t i = 0; i < rep->leases.len; i++) { /* of attempts that failed in between */
        struct etcdserverpb_lease_revoke_request rv = {.ID = rep->leases.ptr[i]->ID};
        T_OK(etcdserverpb_lease_lease_revoke_call(f->etcd, &rv, &f->a, &gone, &patient));
    }
    sn_regserver_stats(f->s, &st);
    T_EQ(st.instances, 0);
    struct etcdserverpb_range_request all = {
        .key = SN_STR("/"), .range_end = SN_STR("0"), .count_only = true};
    struct etcdserverpb_range_response *n;
    /* No derived key outlives its instance for long. */
    int64_t until = sn_now() + 3 * SN_SEC;
    do T_OK(etcdserverpb_kv_range_call(f->etcd, &all, &f->a, &n, &patient));
    while (n->count && sn_now() < until);
    T_EQ(n->count, 0);
}

static int try_watch(struct face *f)
{
    struct sn_grpc_call *c;
    struct etcdserverpb_watch_response *m = NULL;
    struct etcdserverpb_watch_create_request create = {
        .key = SN_STR("t/"), .range_end = SN_STR("t0"), .prev_kv = true, .start_revision = 2};
    struct etcdserverpb_watch_request q = {.request_union_case = 1, .create_request = &create};
    int r = etcdserverpb_watch_watch_open(f->etcd, &patient, &c);
    if (r < 0) return r;
    r = etcdserverpb_watch_watch_send(c, &q);
    for (int i = 0; i < 2 && (r >= 0 || r == SN_E_EOF); i++)
        r = etcdserverpb_watch_watch_recv(c, NULL, &m);
    if (r > 0) T_ASSERT(m->events.len || m->canceled);
    int end = sn_grpc_close(c);
    return r < 0 ? r : r > 0 ? 0 : end;
}

static int consul_put(struct face *f, const char *path, const char *body)
{
    struct sn_http_client *h;
    struct sn_http_resp *resp;
    char url[200];
    snprintf(url, sizeof(url), "http://%s%s", f->consul_at, path);
    int r = sn_http_client_new(&(struct sn_http_client_opts){0}, &h);
    if (r < 0) return r;
    struct sn_http_call q = {.method = SN_STR("PUT"), .url = sn_str(url), .body = sn_str(body)};
    r = sn_http_do(h, &q, &resp);
    if (r >= 0) {
        r = resp->status == 200 ? 0 : SN_E_UNAVAILABLE;
        sn_http_resp_close(resp);
    }
    sn_http_client_free(h);
    return r;
}

/* A registration through Consul has to be seen through etcd, sooner or later. */
static int try_mirror(struct face *f)
{
    return consul_put(f, "/v1/agent/service/register",
                      "{\"Name\":\"m\",\"ID\":\"m1\",\"Address\":\"10.0.0.1\",\"Port\":80}");
}

static void check_mirror(struct face *f)
{
    struct sn_str v = SN_STR("");
    struct sn_regserver_stats st;
    static const char *const keys[] = {"/services/m/m1", "/microservices/m/m1"};
    sn_regserver_stats(f->s, &st);
    for (size_t i = 0; st.instances && i < SN_COUNT_OF(keys); i++) {
        int64_t until = sn_now() + 3 * SN_SEC;
        do {
            T_OK(get(f, keys[i], &v));
            if (!v.len) T_OK(sn_sleep(20 * SN_MS));
        } while (!v.len && sn_now() < until);
        T_ASSERTF(v.len, "%s is not there", keys[i]);
    }
    int64_t until = sn_now() + 3 * SN_SEC;
    if (st.instances) T_OK(consul_put(f, "/v1/agent/service/deregister/m1", ""));
    do T_OK(get(f, keys[0], &v));
    while (v.len && sn_now() < until);
    T_EQ(v.len, 0);
}

/* ---- Nacos ---------------------------------------------------------------------------------- */

static int nacos_ask(struct face *f, const char *type, const char *json, struct sn_str *ret)
{
    struct metadata m = {.type = sn_str(type)};
    struct google_protobuf_any body = {.value = sn_str(json)};
    struct payload q = {.metadata = &m, .body = &body}, *rep;
    int r = request_request_call(f->nacos, &q, &f->a, &rep, &patient);
    if (r < 0) return r;
    *ret = rep->body ? rep->body->value : SN_STR("");
    return sn_str_find(*ret, SN_STR("\"errorCode\":0")) >= 0 ? 0 : SN_E_UNAVAILABLE;
}

/* A client's whole life: its stream, a registration, a subscription, a configuration listened to
 * and changed, and the pushes of both. */
static int life(struct face *f, struct sn_grpc_call *c)
{
    struct metadata m = {.type = SN_STR("ConnectionSetupRequest")};
    struct google_protobuf_any body = {.value = SN_STR("{}")};
    struct payload q = {.metadata = &m, .body = &body}, *push;
    struct sn_str out;
    static const char *const asks[][2] = {
        {"SubscribeServiceRequest", "{\"serviceName\":\"n\",\"subscribe\":true}"},
        {"InstanceRequest",
         "{\"serviceName\":\"n\",\"type\":\"registerInstance\",\"instance\":{\"ip\":\"10.0.0.1\","
         "\"port\":80,\"metadata\":{\"a\":\"b\"}}}"},
        {"ConfigBatchListenRequest",
         "{\"configListenContexts\":[{\"dataId\":\"d\",\"group\":\"g\",\"md5\":\"\"}]}"},
        {"ConfigPublishRequest", "{\"dataId\":\"d\",\"group\":\"g\",\"content\":\"x\"}"},
        {"ConfigQueryRequest", "{\"dataId\":\"d\",\"group\":\"g\"}"},
        {"ConfigRemoveRequest", "{\"dataId\":\"d\",\"group\":\"g\"}"},
    };
    int r = bi_request_stream_request_bi_stream_send(c, &q);
    for (int i = 0; i < 200 && r >= 0; i++) { /* until the stream is known */
        r = nacos_ask(f, "HealthCheckRequest", "{}", &out);
        if (r != SN_E_UNAVAILABLE) break;
        if (i == 199) return SN_E_UNAVAILABLE;
        r = sn_sleep(SN_MS);
    }
    for (size_t i = 0; r >= 0 && i < SN_COUNT_OF(asks); i++)
        r = nacos_ask(f, asks[i][0], asks[i][1], &out);
    for (int i = 0; r >= 0 && i < 2; i++)
        if ((r = bi_request_stream_request_bi_stream_recv(c, NULL, &push)) == 0) r = SN_E_EOF;
    return r < 0 ? r : 0;
}

static int try_nacos(struct face *f)
{
    struct sn_grpc_call *c;
    int r = bi_request_stream_request_bi_stream_open(f->nacos, &patient, &c);
    if (r < 0) return r;
    r = life(f, c);
    sn_grpc_close(c);
    return r;
}

static void check_nacos(struct face *f)
{
    struct sn_regserver_stats st;
    struct sn_str out;
    int64_t until = sn_now() + 3 * SN_SEC;
    do {
        sn_regserver_stats(f->s, &st);
        T_OK(sn_sleep(SN_MS));
    } while ((st.instances || st.leases || st.waiting) && sn_now() < until);
    T_EQ(st.instances, 0); /* gone with the stream */
    T_EQ(st.leases, 0);
    T_EQ(st.waiting, 0);
    (void)!nacos_ask(f, "ConfigRemoveRequest", "{\"dataId\":\"d\",\"group\":\"g\"}", &out);
}

/* ---- the run -------------------------------------------------------------------------------- */

static const struct {
    const char *what;
    int (*go)(struct face *f);
    void (*check)(struct face *f);
} kinds[] = {
    {"put", try_put, NULL},           {"transaction", try_txn, check_txn},
    {"lease", try_lease, check_lease}, {"watch", try_watch, NULL},
    {"mirror", try_mirror, check_mirror}, {"nacos", try_nacos, check_nacos},
};

static void one_kind(struct face *f, size_t kind)
{
    for (f->k = 0;; f->k++) {
        sn_test_row("%s, allocation %d", kinds[kind].what, f->k);
        T_ASSERT(f->k < 5000);
        int64_t prev = sn_deadline_tighten(sn_now() + 15 * SN_SEC);
        left = f->k;
        sn_alloc_set_hooks(&hooks);
        int r = kinds[kind].go(f);
        bool untouched = left >= 0;
        sn_alloc_set_hooks(NULL);
        sn_deadline_restore(prev);
        T_ASSERTF(r != SN_E_DEADLINE_EXCEEDED, "hangs");
        T_OK(put(f, "t/after", "1", 0));
        if (kinds[kind].check) kinds[kind].check(f);
        sn_arena_reset(&f->a);
        if (!untouched) continue;
        T_OK(r);
        return;
    }
}

static void serve(void *arg)
{
    struct face *f = arg;
    T_OK(sn_regserver_run(f->s));
    sn_event_set(&f->ended);
}

static int torture_main(void *arg)
{
    struct face *f = arg;
    struct sn_regserver_opts o = {.etcd = ":0", .consul = ":0", .nacos_grpc = ":0"};
    struct sn_grpc_channel_opts co = {.backoff_ns = SN_MS, .backoff_ns_max = 10 * SN_MS};
    T_OK(sn_regserver_new(&o, &f->s));
    T_ASSERT(sn_regserver_addr(f->s, "etcd", f->etcd_at, sizeof(f->etcd_at)) > 0);
    T_ASSERT(sn_regserver_addr(f->s, "consul", f->consul_at, sizeof(f->consul_at)) > 0);
    T_ASSERT(sn_regserver_addr(f->s, "nacos_grpc", f->nacos_at, sizeof(f->nacos_at)) > 0);
    T_OK(sn_go("server", serve, f));
    T_OK(sn_grpc_channel_new(f->etcd_at, &co, &f->etcd));
    T_OK(sn_grpc_channel_new(f->nacos_at, &co, &f->nacos));
    sn_arena_init(&f->a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(kinds); i++) one_kind(f, i);
    sn_arena_done(&f->a);
    sn_grpc_channel_free(f->etcd);
    sn_grpc_channel_free(f->nacos);
    sn_regserver_stop(f->s);
    T_OK(sn_event_wait(&f->ended));
    sn_regserver_free(f->s);
    return 0;
}

SN_TEST_SLOW(faces_torture, 240)
{
    struct face f = {0};
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, torture_main, &f));
}
