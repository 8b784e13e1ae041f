/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/takeover_test.c - a gateway and a loader that is played by the test; what the kernel
 * makes of it is tests/e2e/takeover.sh. */
#include "gateway/config.h"
#include "gateway/gw_int.h"
#include "gateway/rig_test.h"
#include "gateway/takeover_wire.h"
#include "tests/harness/test.h"

/* ---- configuration --------------------------------------------------------------------------- */

SN_TEST(takeover_conf_errors_say_what_was_expected)
{
    static const struct {
        const char *service, *says;
    } rows[] = {
        {"{name: a, address: '10.96.0.1', upstream: u}",
         "address: expected an address such as 10.0.0.1:80"},
        {"{name: a, address: '10.96.0.1:80'}", "expected upstream, listener or both"},
        {"{name: a, address: '10.96.0.1:80', upstream: x}", "no upstream is called \"x\""},
        {"{name: a, address: '10.96.0.1:80', upstream: s}", "cannot be sent to a Unix socket"},
        {"{name: a, address: '10.96.0.1:80', listener: x}", "no listener is called \"x\""},
        {"{name: a, address: '10.96.0.1:80', listener: w, udp: true}", "listeners take TCP"},
        {"{name: a, address: '10.96.0.1:80', listener: all}",
         "via must say which one workloads reach"},
        {"{name: a, address: '10.96.0.1:80', listener: w, via: '[fd00::1]:80'}",
         "must be of one address family"},
        {"{name: a, address: '10.96.0.1:80', listener: w, via: here}", "via: expected an address"},
        {"{name: a, address: '10.96.0.1:80', upstream: u, via: '10.0.0.1:80'}",
         "via is for services with listener"},
        {"{name: a, address: '10.96.0.1:80', listener: w, route: x}", "no route is called \"x\""},
        {"{name: a, address: '10.96.0.1:80', upstream: u, route: r}", "route needs listener"},
        {"{name: a, address: '10.1.0.1:80', listener: w}",
         "10.1.0.1:80, which is a service itself"},
        {"{name: b, address: '10.96.0.1:80', upstream: u}", "\"b\" is already taken"},
        {"{name: a, address: '10.96.0.9:80', upstream: u}", "is another service's already"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_conf cf;
        struct sn_gw_conf g;
        struct sn_buf text = {0}, errors = {0};
        sn_test_row("%s", rows[i].service);
        sn_arena_init(&a, NULL, 0);
        sn_conf_init(&cf, &a, "gateway.yaml");
        sn_buf_printf(
            &text,
            "listeners: [{name: w, address: '127.0.0.1:1'}, {name: all, address: '0.0.0.0:2'}]\n"
            "upstreams: [{name: u, endpoints: [{address: '10.1.0.1:80'}]},"
            " {name: s, endpoints: [{address: 'unix:/x'}]}]\n"
            "routes: [{name: r, respond: {}}]\n"
            "takeover:\n  services:\n"
            "  - {name: b, address: '10.96.0.9:80', upstream: u}\n  - %s\n",
            rows[i].service);
        int r = sn_gw_conf_read(&cf, sn_buf_view(&text), &g);
        sn_conf_report(&cf, &errors);
        T_ASSERTF(r < 0 && strstr(sn_buf_cz(&errors), rows[i].says), "said: %s",
                  sn_buf_cz(&errors));
        T_ASSERTF(strstr(sn_buf_cz(&errors), "gateway.yaml:6:") ||
                      strstr(sn_buf_cz(&errors), "gateway.yaml:7:"),
                  "no place: %s", sn_buf_cz(&errors));
        sn_buf_done(&text);
        sn_buf_done(&errors);
        sn_arena_done(&a);
    }
}

/* ---- a loader -------------------------------------------------------------------------------- */

struct loader {
    struct sn_listener *l;
    struct sn_mutex lock;
    struct sn_tkw_snapshot snap; /* the last one, in `mem` */
    struct sn_arena mem;
    _Atomic int snapshots, refusals, beats, links, ended;
    _Atomic bool refuse, mute; /* mute: hangs up at once */
};
static struct loader loader;
static char sock[200], config[2048];

static int answer(struct loader *d, struct sn_stream *s, enum sn_tkw_type type, struct sn_str body)
{
    struct sn_buf b = {0};
    uint16_t version;
    uint32_t ttl;
    sn_mutex_lock_always(&d->lock);
    if (type == SN_TKW_HELLO) {
        T_OK(sn_tkw_get_hello(body, &version));
        T_OK(sn_tkw_put_welcome(&b, &(struct sn_tkw_welcome){.version = 1, .cgroup = S("/cg")}));
    } else if (type == SN_TKW_SNAPSHOT && d->refuse) {
        T_OK(sn_tkw_put_refused(&b, S("not today")));
        d->refusals++;
    } else if (type == SN_TKW_SNAPSHOT) {
        char *copy = sn_arena_alloc(&d->mem, body.len + 1);
        memcpy(copy, body.ptr, body.len);
        T_OK(sn_tkw_get_snapshot(&d->mem, sn_str_of(copy, body.len), &d->snap));
        d->snapshots++;
        T_OK(sn_tkw_put_applied(&b, &(struct sn_tkw_applied){.generation = d->snap.generation}));
    } else if (type == SN_TKW_BEAT) {
        T_OK(sn_tkw_get_beat(body, &ttl));
        d->beats++;
    } else {
        T_EQ(type, SN_TKW_ASK);
        T_OK(sn_tkw_put_stats(&b, &(struct sn_tkw_stats){0}));
    }
    sn_mutex_unlock(&d->lock);
    int r = b.len ? (int)sn_write(s, b.ptr, b.len) : 0;
    sn_buf_done(&b);
    return r;
}

static void talk(struct loader *d, struct sn_stream *s)
{
    static char body[1 << 16];
    uint8_t head[SN_TKW_HEAD];
    enum sn_tkw_type type;
    while (!d->mute && sn_read_full(s, head, sizeof(head)) == 0) {
        int64_t n = sn_tkw_head(head, sizeof(head), &type);
        T_ASSERT(n >= SN_TKW_HEAD && n < (int64_t)sizeof(body));
        if (sn_read_full(s, body, (size_t)n - SN_TKW_HEAD) < 0) break;
        if (answer(d, s, type, sn_str_of(body, (size_t)n - SN_TKW_HEAD)) < 0) break;
    }
    sn_stream_close(s);
}

static int loader_main(void *arg)
{
    struct loader *d = arg;
    struct sn_stream *s;
    while (sn_accept(d->l, &s) == 0) {
        __atomic_add_fetch(&d->links, 1, __ATOMIC_RELAXED);
        talk(d, s);
        __atomic_add_fetch(&d->ended, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

static void loader_open(struct loader *d)
{
    char at[256];
    snprintf(at, sizeof(at), "unix:%s", sock);
    T_OK(sn_listen(at, NULL, &d->l));
}

#define WAIT(cond)                                                 \
    do {                                                           \
        int64_t until_ = sn_now() + 15 * SN_SEC;                   \
        while (!(cond)) {                                          \
            T_ASSERTF(sn_now() < until_, "never came: %s", #cond); \
            T_OK(sn_sleep(10 * SN_MS));                            \
        }                                                          \
    } while (0)

/* Whether the last snapshot has these numbers of back-ends. */
static bool shows(uint32_t services, uint32_t live, uint32_t direct)
{
    sn_mutex_lock_always(&loader.lock);
    const struct sn_tkw_snapshot *s = &loader.snap;
    bool yes = loader.snapshots && s->n == services &&
               (!services || (s->services[0].n_live == live && s->services[0].n_direct == direct));
    sn_mutex_unlock(&loader.lock);
    return yes;
}

static int in_runtime(void *arg)
{
    struct sn_scope_storage mem;
    loader_open(&loader);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "loader", loader_main, &loader));
    with_rig(config, (int (*)(struct rig *))arg);
    sn_listener_close(loader.l);
    T_OK(sn_scope_end(s));
    sn_arena_done(&loader.mem);
    return 0;
}

static void run(const char *services, int (*body)(struct rig *))
{
    sn_test_allow_live(
        "heap blocks"); /* metrics live as long as the process; LeakSanitizer sees the rest */
    snprintf(sock, sizeof(sock), "%s/l.sock", sn_test_tmpdir());
    snprintf(config, sizeof(config),
             "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
             "upstreams:\n- name: app\n  endpoints: [{address: @0, weight: 3}, {address: @1}]\n"
             "  health: {path: /healthz, interval: 20ms, unhealthy: 2, healthy: 1}\n"
             "routes: [{name: r, proxy: {to: [{upstream: app}]}}, {name: other, respond: {status: "
             "222}}]\n"
             "takeover:\n  socket: %s\n  ttl: 300ms\n  services:\n%s",
             sock, services);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, in_runtime, (void *)body));
}

/* ---- what it is told ------------------------------------------------------------------------- */

static int withdraws(struct rig *g)
{
    WAIT(shows(1, 2, 2));
    sn_mutex_lock_always(&loader.lock);
    const struct sn_tkw_service *v = &loader.snap.services[0];
    T_STR(v->name, "shop");
    T_EQ(v->port, 80);
    T_EQ(v->proto, 6);
    T_EQ(v->lapsed, SN_TKW_DIRECT);
    T_ASSERT(v->by_cgroup && !v->live[0].via);
    T_EQ(v->live[0].weight + v->live[1].weight, 4);
    T_EQ(loader.snap.ttl_ms, 300);
    sn_mutex_unlock(&loader.lock);
    int beats = loader.beats;
    WAIT(loader.beats > beats + 2);
    __atomic_store_n(&g->up[0].status, 500, __ATOMIC_RELAXED);
    WAIT(shows(1, 1, 1));
    __atomic_store_n(&g->up[0].status, 0, __ATOMIC_RELAXED);
    WAIT(shows(1, 2, 2));
    T_EQ(loader.links, 1);
    return 0;
}
SN_TEST(takeover_health_withdraws_and_brings_back)
{
    run("  - {name: shop, address: '10.96.0.1:80', upstream: app, open: true, sticky: true}\n",
        withdraws);
    T_EQ(loader.ended, 1); /* the gateway took its leave */
}

static int through(struct rig *g)
{
    WAIT(shows(1, 1, 0));
    char text[SN_TKW_ADDR_TEXT_MAX];
    sn_mutex_lock_always(&loader.lock);
    const struct sn_tkw_service *v = &loader.snap.services[0];
    T_ASSERT(v->live[0].via);
    T_CSTR(sn_tkw_addr_text(v->live[0].ip, v->live[0].port, text), g->addr);
    T_EQ(v->lapsed, SN_TKW_REFUSE);
    sn_mutex_unlock(&loader.lock);
    /* A connection that no program has redirected takes the route it would take anyway. */
    struct answer a = ASK("GET", "/", 200);
    DONE(a);
    return 0;
}
SN_TEST(takeover_sends_to_the_listener)
{
    run("  - {name: shop, address: '10.96.0.1:80', listener: web, route: other, upstream: app}\n",
        through);
}

static int reloads(struct rig *g)
{
    WAIT(shows(1, 2, 0));
    struct sn_buf b = {0};
    char *end = strstr(config, "takeover:");
    *end = 0;
    config_text(&b, config, g);
    T_OK(sn_gateway_set_text(g->gw, sn_buf_view(&b)));
    WAIT(loader.ended == 1); /* not wanted any more: it leaves, and services lapse */
    *end = 't';
    sn_buf_reset(&b);
    config_text(&b, config, g);
    T_OK(sn_gateway_set_text(g->gw, sn_buf_view(&b)));
    WAIT(loader.links == 2 && loader.snapshots == 2);
    sn_buf_done(&b);
    return 0;
}
SN_TEST(takeover_comes_and_goes_with_reloads)
{
    run("  - {name: shop, address: '10.96.0.1:80', upstream: app}\n", reloads);
}

static int without(struct rig *g)
{
    /* It hangs up, refuses, and comes to reason: requests are served all the while. */
    WAIT(loader.ended >= 2);
    struct answer a = ASK("GET", "/", 200);
    DONE(a);
    loader.refuse = true;
    loader.mute = false;
    WAIT(loader.refusals >= 2);
    int ended = loader.ended;
    T_EQ(loader.snapshots, 0);
    T_EQ(loader.beats, 0);
    loader.refuse = false;
    WAIT(shows(1, 2, 0));
    WAIT(loader.beats > 2);
    /* What is refused later leaves what is in force, and the beats that keep it so. */
    loader.refuse = true;
    __atomic_store_n(&g->up[0].status, 500, __ATOMIC_RELAXED);
    int refusals = loader.refusals, beats = loader.beats;
    WAIT(loader.refusals > refusals + 1);
    T_ASSERT(loader.beats > beats && shows(1, 2, 0));
    T_EQ(loader.ended, ended);
    loader.refuse = false;
    WAIT(shows(1, 1, 0));
    T_EQ(loader.ended, ended);
    return 0;
}
SN_TEST_SLOW(takeover_survives_a_bad_loader, 60)
{
    loader.mute = true;
    run("  - {name: shop, address: '10.96.0.1:80', upstream: app}\n", without);
}
