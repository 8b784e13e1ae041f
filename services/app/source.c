/* SPDX-License-Identifier: Apache-2.0 */
/* app/source.c - see source_int.h. */
#include "app/source_int.h"

#include "core/alloc.h"
#include "core/map.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "services/registry/registry.h"
#include "wire/http.h"

#define AGAIN_NS SN_SEC

struct app_source {
    struct app_source_opts o;
    struct sn_arena arena;
    struct sn_str name;
    struct sn_registry *reg;
    struct sn_service *svc;
    struct sn_event close, ended;
};

static int add(struct sn_arena *a, struct sn_map *seen, const struct sn_instance *in,
               struct app_target *list, uint32_t *n)
{
    bool v6 = sn_str_chr(in->address, ':') >= 0;
    struct app_target t = {.zone = in->zone, .weight = SN_MAX(in->weight, 1u)};
    t.addr = sn_arena_printf(a, "%s%.*s%s:%u", v6 ? "[" : "", SN_STR_ARG(in->address),
                             v6 ? "]" : "", in->port);
    if (!t.addr.ptr) return SN_E_NOMEM;
    if (sn_map_find(seen, t.addr)) return 0; /* one process announced under two ids */
    int r = sn_map_put(seen, t.addr, list, NULL);
    if (r < 0) return r;
    list[(*n)++] = t;
    return 0;
}

static int tell(struct app_source *s, const struct sn_endpoints *e)
{
    struct sn_arena a;
    struct sn_map seen;
    uint32_t n = 0, of = SN_MIN(e->n_healthy ? e->n_healthy : e->n, APP_SOURCE_TARGETS_MAX);
    sn_arena_init(&a, NULL, 0);
    sn_map_init(&seen, sn_random(), false);
    struct app_target *list = SN_ARENA_ARRAY(&a, struct app_target, of + 1);
    int r = list ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r >= 0 && i < of; i++) r = add(&a, &seen, &e->list[i], list, &n);
    if (r >= 0) r = s->o.found(list, n, s->o.arg);
    sn_map_done(&seen);
    sn_arena_done(&a);
    return r;
}

static int follow(void *arg)
{
    struct app_source *s = arg;
    for (uint64_t seen = 0;;) {
        int r = sn_service_wait(s->svc, seen, SN_FOREVER);
        if (r < 0) return r;
        const struct sn_endpoints *e = sn_service_get(s->svc);
        r = tell(s, e);
        uint64_t now = e->version;
        sn_endpoints_unref(e);
        if (r >= 0)
            seen = now;
        else if ((r = sn_sleep(AGAIN_NS)) < 0)
            return r;
    }
}

/* A scope of its own, so that closing ends what follows while the caller's scope lives on. */
static void source_main(void *arg)
{
    struct app_source *s = arg;
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r;
    while ((r = sn_scope_go(scope, "service", follow, s)) < 0 && r != SN_E_CANCELLED)
        if (sn_event_wait_until(&s->close, sn_now() + AGAIN_NS) != SN_E_DEADLINE_EXCEEDED) break;
    (void)!sn_event_wait(&s->close);
    sn_scope_cancel(scope);
    (void)!sn_scope_end(scope);
    sn_event_set(&s->ended);
}

static int open_parts(struct app_source *s)
{
    struct sn_str registry;
    int r = sn_registry_split(s->o.url, &s->arena, &registry, &s->name);
    if (r == 0)
        r = sn_registry_open(&(struct sn_registry_opts){.url = registry.ptr, .token = s->o.token},
                             &s->reg);
    if (r == 0) r = sn_registry_watch(s->reg, s->name, &s->svc);
    return r == 0 ? sn_go("service source", source_main, s) : r;
}

int app_source_open(const struct app_source_opts *o, struct app_source **ret)
{
    struct app_source *s = SN_NEW(struct app_source);
    if (!s) return SN_E_NOMEM;
    s->o = *o;
    sn_arena_init(&s->arena, NULL, 0);
    int r = open_parts(s);
    if (r < 0) {
        sn_registry_close(s->reg);
        sn_arena_done(&s->arena);
        sn_free(s);
        return r;
    }
    s->o.url = s->o.token = (struct sn_str){0}; /* the caller's */
    *ret = s;
    return 0;
}

static int wait_event(void *event) { return sn_event_wait(event); }

void app_source_close(struct app_source *s)
{
    if (!s) return;
    sn_event_set(&s->close);
    while (sn_shield(SN_MINUTE, wait_event, &s->ended) < 0) {} /* it ends at its next wait */
    sn_registry_close(s->reg);
    sn_arena_done(&s->arena);
    sn_free(s);
}

struct sn_str app_source_host(const struct app_source *s)
{
    return sn_http_host_valid(s->name) ? s->name : SN_STR("localhost");
}
