/* SPDX-License-Identifier: Apache-2.0 */
/* registry/etcd_sim_test.c - the etcd backend against our etcd face, on simulated hosts: the server
 * crashes, comes back with and without its memory, is cut off; history is compacted, leases are
 * revoked and keys deleted behind everybody's back. What must hold:
 *   - a list that was not empty never becomes empty by any of it,
 *   - our instance is announced again within a time to live of the end of the trouble,
 *   - in the end the list is the registry's, and the same seed gives the same run. */
#include <stdio.h>

#include "core/alloc.h"
#include "etcd/rpc.grpc.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "registry/etcd_int.h"
#include "registry/registry.h"
#include "registry/server.h"
#include "tests/harness/test.h"

#define OTHERS 6
#define TTL (9 * SN_SEC)
#define CONFIRM (12 * SN_SEC)

struct world {
    const char *layout;
    unsigned troubles, memory; /* memory: which data folder the server uses */
    struct sn_sim_host *server, *app, *others;
    struct sn_regserver *reg;
    struct sn_event up, ready, stop, done;
    struct sn_grpc_channel *admin;
    struct sn_service *svc;
    struct sn_registration *ours;
    bool looking;
    unsigned seen, reloads;
    char at[64], url[160];
};

static int64_t ms(unsigned n) { return (int64_t)(sn_sim_rand() % n) * SN_MS; }

static void server_main(void *arg)
{
    struct world *w = arg;
    char folder[32];
    snprintf(folder, sizeof(folder), "/data%u", w->memory);
    struct sn_regserver_opts o = {.etcd = w->at, .data_dir = folder};
    T_OK(sn_regserver_new(&o, &w->reg));
    sn_event_set(&w->up);
    (void)!sn_regserver_run(w->reg);
}

static struct sn_registry *open_client(const struct world *w)
{
    /* The first endpoint is nobody's: calls go round to the one that answers. */
    struct sn_registry_opts o = {.url = w->url,
                                 .wait_ns = 5 * SN_SEC,
                                 .call_ns_max = 2 * SN_SEC,
                                 .confirm_ns = CONFIRM,
                                 .retry_ns_max = 2 * SN_SEC};
    struct sn_registry *r;
    T_OK(sn_registry_open(&o, &r));
    return r;
}

static struct sn_registration *announce(struct sn_registry *r, const char *host, unsigned n)
{
    char id[16];
    snprintf(id, sizeof(id), "i%u", n);
    struct sn_instance in = {.id = sn_str(id),
                             .service = SN_STR("orders"),
                             .address = sn_str(host),
                             .port = (uint16_t)(8000 + n)};
    struct sn_registration *g;
    T_OK(sn_registry_register(r, &in, &(struct sn_register_opts){.ttl_ns = TTL}, &g));
    return g;
}

static void others_main(void *arg)
{
    struct world *w = arg;
    struct sn_registry *r = open_client(w);
    for (unsigned i = 1; i <= OTHERS; i++) announce(r, sn_sim_host_addr(w->others), i);
    T_OK(sn_event_wait(&w->stop));
    sn_registry_close(r);
}

static int look(void *arg)
{
    struct world *w = arg;
    bool had = false;
    while (w->looking) {
        const struct sn_endpoints *e = sn_service_get(w->svc);
        had |= e->n > 0;
        T_ASSERTF(!had || e->n > 0, "the list became empty at %lld", (long long)sn_now());
        sn_endpoints_unref(e);
        w->seen++;
        T_OK(sn_sleep(100 * SN_MS));
    }
    return 0;
}

static void app_main(void *arg)
{
    struct world *w = arg;
    struct sn_registry *r = open_client(w);
    struct sn_scope_storage mem;
    T_OK(sn_registry_watch(r, SN_STR("orders"), &w->svc));
    w->ours = announce(r, sn_sim_host_addr(w->app), 0);
    T_OK(sn_registration_wait(w->ours, sn_now() + 10 * SN_SEC));
    w->looking = true;
    struct sn_scope *scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go(scope, "look", look, w));
    sn_event_set(&w->ready);
    T_OK(sn_event_wait(&w->stop));
    w->looking = false;
    T_OK(sn_scope_end(scope));
    sn_registry_close(r);
    sn_event_set(&w->done);
}

/* ---- what an operator can do ---------------------------------------------------------------- */

/* The keys in the server's eyes that are our services', and whether ours is one. */
static unsigned announced(struct world *w, bool *ret_ours)
{
    struct sn_arena a;
    struct etcdserverpb_range_request q = {.key = SN_STR("\0"), .range_end = SN_STR("\0")};
    q.key = q.range_end = sn_str_of("\0", 1);
    struct etcdserverpb_range_response *rep;
    unsigned n = 0;
    *ret_ours = false;
    sn_arena_init(&a, NULL, 0);
    struct sn_grpc_opts o = {.timeout_ns = SN_SEC};
    if (etcdserverpb_kv_range_call(w->admin, &q, &a, &rep, &o) >= 0)
        for (uint32_t i = 0; i < rep->kvs.len; i++) {
            if (!rep->kvs.ptr[i]->lease) continue; /* shown in the other layouts */
            n++;
            *ret_ours |= sn_str_find(rep->kvs.ptr[i]->value, SN_STR(":8000")) >= 0;
        }
    sn_arena_done(&a);
    return n;
}

static void compact(struct world *w)
{
    struct sn_arena a;
    struct etcdserverpb_put_request p = {.key = SN_STR("noise"), .value = SN_STR("x")};
    struct etcdserverpb_put_response *put;
    struct etcdserverpb_compaction_response *rep;
    struct sn_grpc_opts o = {.timeout_ns = SN_SEC};
    sn_arena_init(&a, NULL, 0);
    for (int i = 0; i < 5; i++) {
        if (etcdserverpb_kv_put_call(w->admin, &p, &a, &put, &o) < 0) break;
        struct etcdserverpb_compaction_request q = {.revision = put->header->revision};
        (void)!etcdserverpb_kv_compact_call(w->admin, &q, &a, &rep, &o);
    }
    sn_arena_done(&a);
}

static void revoke_all(struct world *w)
{
    struct sn_arena a;
    struct etcdserverpb_lease_leases_request q = {0};
    struct etcdserverpb_lease_leases_response *rep;
    struct etcdserverpb_lease_revoke_response *gone;
    struct sn_grpc_opts o = {.timeout_ns = SN_SEC};
    sn_arena_init(&a, NULL, 0);
    if (etcdserverpb_lease_lease_leases_call(w->admin, &q, &a, &rep, &o) >= 0)
        for (uint32_t i = 0; i < rep->leases.len; i++) {
            struct etcdserverpb_lease_revoke_request r = {.ID = rep->leases.ptr[i]->ID};
            (void)!etcdserverpb_lease_lease_revoke_call(w->admin, &r, &a, &gone, &o);
        }
    sn_arena_done(&a);
}

static void delete_all(struct world *w)
{
    struct sn_arena a;
    struct etcdserverpb_delete_range_request q = {0};
    q.key = q.range_end = sn_str_of("\0", 1);
    struct etcdserverpb_delete_range_response *rep;
    sn_arena_init(&a, NULL, 0);
    (void)!etcdserverpb_kv_delete_range_call(w->admin, &q, &a, &rep,
                                             &(struct sn_grpc_opts){.timeout_ns = SN_SEC});
    sn_arena_done(&a);
}

static void restart(struct world *w, bool forget)
{
    sn_sim_crash(w->server);
    w->memory += forget;
    T_OK(sn_sleep(ms(5000)));
    w->up = (struct sn_event){0};
    T_OK(sn_sim_host_go(w->server, "server", server_main, w));
    T_OK(sn_event_wait(&w->up));
}

static void cut(struct world *w, struct sn_sim_host *h, int64_t ns)
{
    sn_sim_partition(h, w->server, true);
    T_OK(sn_sleep(ns));
    sn_sim_partition(h, w->server, false);
}

static void trouble(struct world *w)
{
    switch (sn_sim_rand() % 7) {
    case 0: restart(w, false); break;
    case 1: restart(w, true); break;
    case 2: cut(w, w->app, ms(20000)); break;
    case 3: cut(w, w->others, ms(20000)); break;
    case 4: compact(w); break;
    case 5: revoke_all(w); break;
    default: delete_all(w);
    }
}

/* ---- the run -------------------------------------------------------------------------------- */

static void open_admin(struct world *w)
{
    struct sn_grpc_channel_opts o = {.backoff_ns = 50 * SN_MS, .backoff_ns_max = 200 * SN_MS};
    T_OK(sn_grpc_channel_new(w->at, &o, &w->admin));
}

static void expect_whole(struct world *w)
{
    int64_t until = sn_now() + 2 * CONFIRM + 20 * SN_SEC;
    for (;;) {
        struct sn_service_stats st;
        const struct sn_endpoints *e = sn_service_get(w->svc);
        uint32_t n = e->n;
        sn_endpoints_unref(e);
        sn_service_stats(w->svc, &st);
        w->reloads = (unsigned)st.reloads;
        if (n == OTHERS + 1 && st.fresh == SN_FRESH) return;
        T_ASSERTF(sn_now() < until, "%u instances, %s, expected %u", n, sn_freshness_name(st.fresh),
                  OTHERS + 1);
        T_OK(sn_sleep(50 * SN_MS));
    }
}

static int world_main(void *arg)
{
    struct world *w = arg;
    w->server = sn_sim_host_new("etcd");
    w->app = sn_sim_host_new("app");
    w->others = sn_sim_host_new("others");
    snprintf(w->at, sizeof(w->at), "%s:2379", sn_sim_host_addr(w->server));
    snprintf(w->url, sizeof(w->url), "etcd://%s:9,%s?layout=%s", sn_sim_host_addr(w->server), w->at,
             w->layout);
    T_OK(sn_sim_host_go(w->server, "server", server_main, w));
    T_OK(sn_event_wait(&w->up));
    open_admin(w);
    T_OK(sn_sim_host_go(w->others, "others", others_main, w));
    T_OK(sn_sim_host_go(w->app, "app", app_main, w));
    T_OK(sn_event_wait(&w->ready));
    T_OK(sn_sleep(3 * SN_SEC));
    expect_whole(w);
    for (unsigned i = 0; i < w->troubles; i++) {
        trouble(w);
        T_OK(sn_sleep(CONFIRM / 3 + ms(5000)));
    }
    bool ours = false;
    for (int64_t until = sn_now() + TTL; !ours && sn_now() < until;) {
        (void)announced(w, &ours);
        if (!ours) T_OK(sn_sleep(50 * SN_MS));
    }
    T_ASSERTF(ours, "not announced again within a time to live");
    expect_whole(w);
    T_EQ(announced(w, &ours), OTHERS + 1);
    sn_event_set(&w->stop);
    T_OK(sn_event_wait(&w->done));
    T_OK(sn_sleep(3 * SN_SEC));
    T_EQ(announced(w, &ours), 0); /* everybody has taken himself out */
    T_ASSERT(w->seen > 50);
    sn_grpc_channel_free(w->admin);
    return 0;
}

SN_TEST_SLOW(etcd_backend_and_face_in_trouble, 240)
{
    static const char *const layouts[] = {"sennit", "go-zero", "kratos"};
    sn_test_allow_crash_leaks();
    uint64_t seed = sn_test_seed();
    unsigned reloads = 0;
    for (unsigned i = 0; i < sn_test_cases(24); i++) {
        uint64_t hash[2];
        sn_test_row("seed %llu", (unsigned long long)(seed + i));
        for (int k = 0; k < 2; k++) {
            struct world w = {.layout = layouts[i % 3], .troubles = 8};
            T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = seed + i}, world_main, &w, &hash[k]));
            reloads += w.reloads;
        }
        T_EQ(hash[0], hash[1]);
    }
    T_ASSERT(reloads > 0); /* history was lost under a watch at least once */
}
