/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/discover.c - upstreams whose endpoints a registry names. The registry's list takes the
 * place of the configured one before a snapshot is built; when it changes a snapshot is built of
 * the same text again and published like any other, so requests see nothing but another pool. */
#include "core/alloc.h"
#include "gateway/gw_int.h"
#include "services/registry/registry.h"

#define SOURCES_MAX 256u
/* At the first sight of a service: how long its list is waited for before the configured one
 * counts. */
#define FIRST_NS_MAX (2 * SN_SEC)
/* Changes come in bursts: an instance goes and its successor comes. */
#define SETTLE_NS (100 * SN_MS)

struct gw_source {
    struct sn_gateway *gw;
    char *url; /* as configured */
    struct sn_registry *reg;
    struct sn_service *svc;
    uint64_t used; /* version in the snapshot in force */
    bool watched;
};

static void source_free(struct gw_source *s)
{
    sn_registry_close(s->reg);
    sn_free(s->url);
    sn_free(s);
}

void gw_sources_free(struct sn_gateway *gw)
{
    for (size_t i = 0; i < gw->sources.len; i++) source_free(gw->sources.ptr[i]);
    sn_vec_done(&gw->sources);
}

static int source_new(struct sn_gateway *gw, struct sn_str url, struct gw_source **ret)
{
    struct sn_arena a;
    struct sn_str registry, service;
    struct gw_source *s = SN_NEW(struct gw_source);
    if (!s) return SN_E_NOMEM;
    sn_arena_init(&a, NULL, 1 << 16);
    s->gw = gw;
    int r = (s->url = sn_alloc(url.len + 1)) ? 0 : SN_E_NOMEM;
    if (r >= 0) {
        memcpy(s->url, url.ptr, url.len);
        s->url[url.len] = 0;
        r = sn_registry_split(url, &a, &registry, &service);
    }
    if (r >= 0) r = sn_registry_open(&(struct sn_registry_opts){.url = registry.ptr}, &s->reg);
    if (r >= 0) r = sn_registry_watch(s->reg, service, &s->svc);
    if (r >= 0) r = sn_vec_push(&gw->sources, s);
    sn_arena_done(&a);
    if (r < 0) {
        source_free(s);
        return r;
    }
    (void)!sn_service_wait(s->svc, 0, sn_now() + FIRST_NS_MAX);
    *ret = s;
    return 0;
}

static int source_get(struct sn_gateway *gw, struct sn_str url, struct gw_source **ret)
{
    for (size_t i = 0; i < gw->sources.len; i++)
        if (sn_str_eqc(url, (*ret = gw->sources.ptr[i])->url)) return 0;
    if (gw->sources.len >= SOURCES_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%u services are discovered already", SOURCES_MAX);
    return source_new(gw, url, ret);
}

/* Healthy instances, or all of them where none is: a guess beats a sure refusal. With nobody known,
 * an address at which nobody listens, whose name shows in errors. */
static int fill(struct gw_source *s, struct sn_arena *a, struct sn_gw_conf_upstream *u)
{
    const struct sn_endpoints *e = sn_service_get(s->svc);
    uint32_t n = SN_MIN(e->n_healthy ? e->n_healthy : e->n, SN_GW_ENDPOINTS_MAX);
    struct sn_gw_conf_endpoint *list = SN_ARENA_ARRAY(a, struct sn_gw_conf_endpoint, SN_MAX(n, 1u));
    int r = list ? 0 : SN_E_NOMEM;
    s->used = e->version;
    for (uint32_t i = 0; r >= 0 && i < n; i++) {
        const struct sn_instance *in = &e->list[i];
        bool v6 = sn_str_chr(in->address, ':') >= 0;
        list[i] =
            (struct sn_gw_conf_endpoint){.weight = SN_MAX(in->weight, 1u),
                                         .address = sn_arena_printf(a, "%s%.*s%s:%u", v6 ? "[" : "",
                                                                    SN_STR_ARG(in->address),
                                                                    v6 ? "]" : "", in->port)};
        if (!list[i].address.ptr) r = SN_E_NOMEM;
    }
    if (r >= 0 && n == 0 && u->n_endpoints == 0) {
        list[0] =
            (struct sn_gw_conf_endpoint){.weight = 1,
                                         .address = sn_arena_printf(a, "unix:@no-instance-of-%.*s",
                                                                    SN_STR_ARG(u->name))};
        if (!list[0].address.ptr) r = SN_E_NOMEM;
        n = 1;
    }
    if (r >= 0 && n) {
        u->endpoints = list;
        u->n_endpoints = n;
    }
    sn_endpoints_unref(e);
    return r;
}

int gw_discover(struct sn_gateway *gw, struct gw_load *l)
{
    for (size_t i = 0; i < l->conf->n_upstreams; i++) {
        struct sn_gw_conf_upstream *u = &l->conf->upstreams[i];
        struct gw_source *s;
        if (!u->discover.len) continue;
        int r = source_get(gw, u->discover, &s);
        if (r >= 0) r = fill(s, &l->arena, u);
        if (r < 0) return sn_wrap(r, "upstream %.*s", SN_STR_ARG(u->name));
    }
    return 0;
}

static int source_main(void *arg)
{
    struct gw_source *s = arg;
    for (;;) {
        int r = sn_service_wait(s->svc, __atomic_load_n(&s->used, __ATOMIC_RELAXED), SN_FOREVER);
        if (r >= 0) r = sn_sleep(SETTLE_NS);
        if (r < 0) return 0;
        if (gw_rebuild(s->gw) < 0 && sn_sleep(SN_SEC) < 0) return 0;
    }
}

void gw_discover_start(struct sn_gateway *gw)
{
    for (size_t i = 0; i < gw->sources.len; i++) {
        struct gw_source *s = gw->sources.ptr[i];
        if (!s->watched) s->watched = gw_go(gw, "gateway discovery", source_main, s);
    }
}
