/* SPDX-License-Identifier: Apache-2.0 */
/* registry/sim_test.c - the client against a scripted registry, in simulation. The registry goes
 * away, comes back empty, forgets leases, loses its history, and pushes empty lists; what must
 * hold:
 *   - a list that was not empty never becomes empty by any of it,
 *   - our instance is announced again within a time to live of the end of the trouble,
 *   - in the end the list is the registry's, and the same seed gives the same run. */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/sim.h"
#include "kit/config.h"
#include "registry/backend_int.h"
#include "registry/registry.h"
#include "tests/harness/test.h"

#define OTHERS 8
#define TTL (9 * SN_SEC)
#define CONFIRM (12 * SN_SEC)

struct script {
    uint64_t rev, compacted; /* history up to here is gone */
    bool other[OTHERS];
    bool ours;
    int64_t ours_until;
    bool down, hang, push_empty;
    struct sn_str text; /* configuration; .ptr NULL = none */
    unsigned puts, renews, removes;
    int64_t put_at;
    /* of the run */
    bool done;
    unsigned lists_seen;
};

static int open_script(struct reg_env *env, void **ret)
{
    *ret = env->arg;
    return 0;
}
static void close_script(void *b) {}

static int reach(struct script *s)
{
    int r = sn_sleep((int64_t)(sn_sim_rand() % 20) * SN_MS);
    if (r < 0) return r;
    if (s->hang) return sn_sleep(SN_HOUR);
    if (s->down) return sn_fail(SN_E_UNAVAILABLE, "scripted registry is down");
    if (s->ours && sn_now() > s->ours_until) {
        s->ours = false;
        s->rev++;
    }
    return 0;
}

static int pull_script(void *b, struct reg_pull *p)
{
    struct script *s = b;
    int64_t until = sn_now() + 5 * SN_SEC;
    for (;;) {
        int r = reach(s);
        if (r < 0) return r;
        if (!p->fresh && p->cursor < s->compacted) return SN_E_OUT_OF_RANGE;
        if (p->fresh || p->cursor != s->rev) break;
        if (sn_now() > until) return 0;
        if ((r = sn_sleep(100 * SN_MS)) < 0) return r;
    }
    p->cursor = s->rev;
    p->list = SN_ARENA_ARRAY(p->arena, struct sn_instance, OTHERS + 1);
    if (!p->list) return SN_E_NOMEM;
    for (int i = 0; i < OTHERS && !s->push_empty; i++) {
        if (!s->other[i]) continue;
        p->list[p->n++] = (struct sn_instance){.id = sn_arena_printf(p->arena, "o%d", i),
                                               .service = p->name,
                                               .address = SN_STR("10.0.0.9"),
                                               .port = (uint16_t)(1000 + i),
                                               .healthy = true};
    }
    if (s->ours && !s->push_empty)
        p->list[p->n++] = (struct sn_instance){.id = SN_STR("ours"),
                                               .service = p->name,
                                               .healthy = true,
                                               .address = SN_STR("10.0.0.1"),
                                               .port = 80};
    return 1;
}

static int config_script(void *b, struct reg_pull *p)
{
    struct script *s = b;
    int r = reach(s);
    if (r >= 0 && !p->fresh) r = sn_sleep(500 * SN_MS);
    if (r < 0) return r;
    p->found = s->text.ptr != NULL;
    p->text = s->text;
    return 1;
}

static int put_script(void *b, struct reg_lease *l)
{
    struct script *s = b;
    int r = reach(s);
    if (r < 0) return r;
    s->puts++;
    s->put_at = sn_now();
    s->rev += !s->ours;
    s->ours = true;
    s->ours_until = sn_now() + l->ttl_ns;
    return 0;
}
static int renew_script(void *b, struct reg_lease *l)
{
    struct script *s = b;
    int r = reach(s);
    if (r < 0) return r;
    s->renews++;
    if (!s->ours) return SN_E_NOT_FOUND;
    s->ours_until = sn_now() + l->ttl_ns;
    return 0;
}
static int remove_script(void *b, struct reg_lease *l)
{
    struct script *s = b;
    int r = reach(s);
    if (r < 0) return r;
    s->removes++;
    s->rev += s->ours;
    s->ours = false;
    return 0;
}

static const struct reg_backend scripted = {
    .scheme = "script",
    .opts = "",
    .open = open_script,
    .close = close_script,
    .pull = pull_script,
    .config = config_script,
    .put = put_script,
    .renew = renew_script,
    .remove = remove_script,
};

static struct sn_registry *open_it(struct script *s, const char *cache)
{
    struct sn_registry_opts o = {.backend = &scripted,
                                 .backend_arg = s,
                                 .confirm_ns = CONFIRM,
                                 .retry_ns_max = 4 * SN_SEC,
                                 .call_ns_max = 2 * SN_SEC,
                                 .wait_ns = 5 * SN_SEC,
                                 .cache_dir = cache};
    struct sn_registry *r;
    T_OK(sn_registry_open(&o, &r));
    return r;
}

static const struct sn_instance me = {.id = SN_STR_INIT("ours"),
                                      .service = SN_STR_INIT("orders"),
                                      .address = SN_STR_INIT("10.0.0.1"),
                                      .port = 80};

/* ---- chaos ---------------------------------------------------------------------------------- */

static int64_t ms(unsigned n) { return (int64_t)(sn_sim_rand() % n) * SN_MS; }

static void trouble(struct script *s)
{
    switch (sn_sim_rand() % 7) {
    case 0: /* away */
        s->down = true;
        T_OK(sn_sleep(ms(20000)));
        s->down = false;
        break;
    case 1: /* silent */
        s->hang = true;
        T_OK(sn_sleep(ms(8000)));
        s->hang = false;
        break;
    case 2: { /* restarted empty; the others come back one by one */
        bool was[OTHERS];
        memcpy(was, s->other, sizeof(was));
        memset(s->other, 0, sizeof(s->other));
        s->ours = false;
        s->rev = s->compacted = 1;
        for (int i = 0; i < OTHERS; i++) {
            T_OK(sn_sleep(ms(800)));
            s->other[i] = was[i];
            s->rev++;
        }
        break;
    }
    case 3: /* our lease is forgotten */
        s->ours = false;
        s->rev++;
        break;
    case 4: /* history compacted */
        s->rev += 5;
        s->compacted = s->rev - 1;
        break;
    case 5: /* empty pushes, for less than they would have to last */
        s->push_empty = true;
        s->rev++;
        T_OK(sn_sleep(CONFIRM / 2 - ms(3000)));
        s->push_empty = false;
        s->rev++;
        break;
    default: /* real changes */
        s->other[1 + sn_sim_rand() % (OTHERS - 1)] = sn_sim_rand() % 3 != 0;
        s->rev++;
    }
}

struct looker {
    struct script *s;
    struct sn_service *svc;
};

static int look(void *arg)
{
    struct looker *l = arg;
    bool had = false;
    uint64_t version = 0;
    while (!l->s->done) {
        const struct sn_endpoints *e = sn_service_get(l->svc);
        T_ASSERT(e->version >= version);
        version = e->version;
        had |= e->n > 0;
        T_ASSERTF(!had || e->n > 0, "the list became empty at %lld", (long long)sn_now());
        sn_endpoints_unref(e);
        l->s->lists_seen++;
        T_OK(sn_sleep(150 * SN_MS));
    }
    return 0;
}

static void expect_same(struct script *s, struct sn_service *svc)
{
    const struct sn_endpoints *e = sn_service_get(svc);
    unsigned n = 0;
    for (int i = 0; i < OTHERS; i++) n += s->other[i];
    T_EQ(e->n, n + s->ours);
    struct sn_service_stats st;
    sn_service_stats(svc, &st);
    T_CSTR(sn_freshness_name(st.fresh), "fresh");
    sn_endpoints_unref(e);
}

static int chaos_main(void *arg)
{
    struct script *s = arg;
    for (int i = 0; i < OTHERS; i++) s->other[i] = true;
    struct sn_registry *r = open_it(s, NULL);
    struct sn_service *svc;
    struct sn_registration *g;
    T_OK(sn_registry_watch(r, SN_STR("orders"), &svc));
    struct sn_register_opts ro = {.ttl_ns = TTL};
    T_OK(sn_registry_register(r, &me, &ro, &g));
    struct looker l = {s, svc};
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go(scope, "look", look, &l));
    for (int i = 0; i < 12; i++) {
        trouble(s);
        T_OK(sn_sleep(CONFIRM / 3 + 300 * SN_MS + ms(5000))); /* at least one good answer is read */
    }
    int64_t healed = sn_now();
    while (!s->ours && sn_now() < healed + TTL) T_OK(sn_sleep(20 * SN_MS));
    T_ASSERTF(s->ours, "not announced again within a time to live");
    /* Longest: a hold that began at the end, its pauses, and one long poll. */
    T_OK(sn_sleep(CONFIRM + CONFIRM / 3 + 12 * SN_SEC));
    expect_same(s, svc);
    s->done = true;
    T_OK(sn_scope_end(scope));
    T_OK(sn_registration_remove(g));
    T_ASSERT(!s->ours);
    T_ASSERT(s->lists_seen > 100);
    sn_registry_close(r);
    return 0;
}

SN_TEST_SLOW(registry_chaos, 120)
{
    uint64_t seed = sn_test_seed();
    for (unsigned i = 0; i < sn_test_cases(150); i++) {
        sn_test_row("seed %llu", (unsigned long long)(seed + i));
        uint64_t hash[2];
        for (int k = 0; k < 2; k++) {
            struct script s = {.rev = 1};
            struct sn_sim_opts o = {.seed = seed + i};
            T_OK(sn_sim_run(&o, chaos_main, &s, &hash[k]));
        }
        T_EQ(hash[0], hash[1]);
    }
}

/* ---- one thing at a time -------------------------------------------------------------------- */

static int empty_main(void *arg)
{
    struct script *s = arg;
    s->other[0] = s->other[1] = true;
    struct sn_registry *r = open_it(s, NULL);
    struct sn_service *svc;
    T_OK(sn_registry_watch(r, SN_STR("orders"), &svc));
    T_OK(sn_service_wait(svc, 0, sn_now() + 5 * SN_SEC));
    s->other[0] = s->other[1] = false; /* really gone */
    s->rev++;
    int64_t gone = sn_now();
    T_OK(sn_sleep(CONFIRM - SN_SEC));
    const struct sn_endpoints *e = sn_service_get(svc);
    T_EQ(e->n, 2);
    struct sn_service_stats st;
    sn_service_stats(svc, &st);
    T_CSTR(sn_freshness_name(st.fresh), "held");
    T_OK(sn_service_wait(svc, e->version, sn_now() + 60 * SN_SEC));
    sn_endpoints_unref(e);
    e = sn_service_get(svc);
    T_EQ(e->n, 0);
    T_ASSERT(sn_now() - gone >= CONFIRM && sn_now() - gone < 2 * CONFIRM);
    sn_endpoints_unref(e);
    sn_registry_close(r);
    return 0;
}

SN_TEST(registry_empty_is_believed_in_the_end)
{
    struct script s = {.rev = 1};
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed()}, empty_main, &s, NULL));
}

static struct sn_registration *announced(struct sn_registry *r)
{
    struct sn_registration *g;
    struct sn_register_opts ro = {.ttl_ns = TTL};
    T_OK(sn_registry_register(r, &me, &ro, &g));
    T_OK(sn_registration_wait(g, sn_now() + 5 * SN_SEC));
    return g;
}

static int pause_main(void *arg)
{
    struct script *s = arg;
    struct sn_registry *r = open_it(s, NULL);
    struct sn_registration *g = announced(r);
    T_ASSERT(s->ours);
    T_OK(sn_sleep(60 * SN_SEC));
    T_ASSERT(s->ours && s->renews >= 60 / 3 && s->puts == 1);
    sn_registration_pause(g);
    T_OK(sn_sleep(SN_SEC));
    T_EQ(sn_registration_state(g), SN_REG_PAUSED);
    T_ASSERT(!s->ours);
    T_OK(sn_sleep(3 * TTL));
    T_EQ(s->puts, 1);
    sn_registration_resume(g);
    T_OK(sn_registration_wait(g, sn_now() + 5 * SN_SEC));
    T_ASSERT(s->ours);
    /* Pausing while the registry is away: it is taken out once that is back. */
    s->down = true;
    sn_registration_pause(g);
    T_OK(sn_sleep(2 * SN_SEC));
    T_ASSERT(s->ours);
    s->down = false;
    T_OK(sn_sleep(TTL / 2));
    T_ASSERT(!s->ours);
    sn_registration_resume(g);
    T_OK(sn_registration_wait(g, sn_now() + 5 * SN_SEC));
    sn_registry_close(r); /* takes it out too */
    T_ASSERT(!s->ours);
    return 0;
}

SN_TEST(registration_pause_and_resume)
{
    struct script s = {.rev = 1};
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed()}, pause_main, &s, NULL));
}

static int lost_main(void *arg)
{
    struct script *s = arg;
    struct sn_registry *r = open_it(s, NULL);
    struct sn_registration *g = announced(r);
    for (int i = 0; i < 20; i++) {
        T_OK(sn_sleep(ms(10000)));
        s->ours = false;
        int64_t at = sn_now();
        while (!s->ours) {
            T_ASSERTF(sn_now() - at <= TTL / 3 + SN_SEC, "not announced again");
            T_OK(sn_sleep(10 * SN_MS));
        }
    }
    T_EQ(sn_registration_lost(g), 20);
    sn_registry_close(r);
    return 0;
}

SN_TEST(registration_is_made_again_within_a_third_of_its_life)
{
    struct script s = {.rev = 1};
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed()}, lost_main, &s, NULL));
}

/* ---- configuration -------------------------------------------------------------------------- */

struct settings {
    uint64_t limit;
    struct sn_str mode;
};
static const struct sn_conf_field settings_fields[] = {
    SN_CONF_UINT(struct settings, limit, "limit", .min = 1, .max = 100, .def = "10"),
    SN_CONF_STRING(struct settings, mode, "mode", .required = true),
};
static const struct sn_conf_table settings_table = SN_CONF_TABLE(struct settings, settings_fields);

static int check_mode(const struct sn_config *c, void *arg)
{
    const struct settings *s = c->value;
    return sn_str_eqc(s->mode, "forbidden")
               ? sn_fail(SN_E_INVALID_ARGUMENT, "mode forbidden is not for us")
               : 0;
}

static void expect_limit(struct sn_config_item *i, uint64_t limit, uint64_t version,
                         const char *error)
{
    const struct sn_config *c = sn_config_get(i);
    T_EQ(c->version, version);
    T_EQ(((const struct settings *)c->value)->limit, limit);
    sn_config_unref(c);
    struct sn_config_stats st;
    sn_config_stats(i, &st);
    T_ASSERTF(strstr(st.error, error), "error is \"%s\"", st.error);
    T_ASSERT((*error != 0) == (st.error[0] != 0));
}

static int config_main(void *arg)
{
    struct script *s = arg;
    s->text = SN_STR("limit: 5\nmode: fast\n");
    struct sn_registry *r = open_it(s, NULL);
    struct sn_config_item *i, *again;
    struct sn_config_opts o = {.table = &settings_table, .check = check_mode};
    T_OK(sn_registry_config(r, SN_STR("app"), &o, &i));
    T_EQ(sn_registry_config(r, SN_STR("app"), &o, &again), SN_E_ALREADY_EXISTS);
    T_OK(sn_config_wait(i, 0, sn_now() + 5 * SN_SEC));
    expect_limit(i, 5, 1, "");
    s->text = SN_STR("limit: 6\nmode: slow\n");
    T_OK(sn_config_wait(i, 1, sn_now() + 5 * SN_SEC));
    expect_limit(i, 6, 2, "");
    static const struct {
        const char *text, *error;
    } bad[] = {{"limit: 500\nmode: x\n", "app:1:8: limit"},
               {"limit: 7\n", "mode"},
               {"limit: 7\nmode: forbidden\n", "not for us"},
               {"limit: [\n", "app:2"}};
    for (size_t k = 0; k < SN_COUNT_OF(bad); k++) {
        s->text = sn_str(bad[k].text);
        T_EQ(sn_config_wait(i, 2, sn_now() + 5 * SN_SEC), SN_E_DEADLINE_EXCEEDED);
        expect_limit(i, 6, 2, bad[k].error);
        struct sn_config_stats st;
        sn_config_stats(i, &st);
        T_EQ(st.refused, k + 1); /* once, however often it is read */
    }
    s->text = SN_STR("limit: 6\nmode: slow\n"); /* rolled back */
    T_OK(sn_sleep(2 * SN_SEC));
    expect_limit(i, 6, 2, "");
    s->text = (struct sn_str){0}; /* vanished */
    T_OK(sn_sleep(2 * SN_SEC));
    expect_limit(i, 6, 2, "");
    s->text = SN_STR("limit: 8\nmode: slow\n");
    T_OK(sn_config_wait(i, 2, sn_now() + 5 * SN_SEC));
    expect_limit(i, 8, 3, "");
    sn_registry_close(r);
    return 0;
}

SN_TEST(config_last_good_stays)
{
    struct script s = {.rev = 1};
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed()}, config_main, &s, NULL));
}

/* ---- the cache ------------------------------------------------------------------------------ */

static int cache_main(void *arg)
{
    struct script *s = arg;
    s->other[0] = s->other[3] = true;
    s->text = SN_STR("hello");
    struct sn_registry *r = open_it(s, "/var/cache/app");
    struct sn_service *svc;
    struct sn_config_item *i;
    T_OK(sn_registry_watch(r, SN_STR("orders"), &svc));
    T_OK(sn_registry_config(r, SN_STR("app/one"), NULL, &i));
    T_OK(sn_service_wait(svc, 0, sn_now() + 5 * SN_SEC));
    T_OK(sn_config_wait(i, 0, sn_now() + 5 * SN_SEC));
    T_OK(sn_sleep(SN_SEC));
    sn_registry_close(r);
    /* A new start, without the registry. */
    s->down = true;
    r = open_it(s, "/var/cache/app");
    T_OK(sn_registry_watch(r, SN_STR("orders"), &svc));
    T_OK(sn_registry_config(r, SN_STR("app/one"), NULL, &i));
    T_OK(sn_service_wait(svc, 0, sn_now() + 5 * SN_SEC));
    T_OK(sn_config_wait(i, 0, sn_now() + 5 * SN_SEC));
    const struct sn_endpoints *e = sn_service_get(svc);
    T_EQ(e->n, 2);
    T_STR(e->list[1].id, "o3");
    sn_endpoints_unref(e);
    const struct sn_config *c = sn_config_get(i);
    T_STR(c->text, "hello");
    sn_config_unref(c);
    struct sn_service_stats st;
    T_OK(sn_sleep(5 * SN_SEC));
    sn_service_stats(svc, &st);
    T_CSTR(sn_freshness_name(st.fresh), "cached");
    /* Back, but empty at first: the cached list is held. */
    s->other[0] = s->other[3] = false;
    s->down = false;
    T_OK(sn_sleep(6 * SN_SEC));
    e = sn_service_get(svc);
    T_EQ(e->n, 2);
    sn_endpoints_unref(e);
    sn_registry_close(r);
    return 0;
}

SN_TEST(cache_survives_a_restart)
{
    struct script s = {.rev = 1};
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed()}, cache_main, &s, NULL));
}
