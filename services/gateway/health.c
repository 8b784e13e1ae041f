/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/health.c - active checks: one fiber per endpoint of a snapshot. What they find out
 * belongs to the endpoint and so survives the snapshot. */
#include <stdio.h>

#include "gateway/gw_int.h"
#include "gateway/proxy_protocol.h"

struct gw_checker {
    struct gw_snap *snap;
    struct gw_pool *pool;
    struct sn_gw_endpoint *ep;
};

static bool check(const struct gw_checker *k)
{
    const struct sn_gw_conf_health *h = &k->pool->conf->health;
    struct sn_http_header headers[] = {
        {SN_STR("Host"), h->host.ptr ? h->host : sn_str(k->ep->addr)},
        {SN_STR("User-Agent"), SN_STR("sennit-health")},
    };
    struct sn_http_call call = {.method = SN_STR("GET"),
                                .url = k->pool->url,
                                .addr = sn_str(k->ep->addr),
                                .target = h->path,
                                .headers = headers,
                                .n_headers = SN_COUNT_OF(headers),
                                .no_default_headers = true};
    uint8_t preface[SN_PROXYP_OUT_MAX];
    if (k->pool->conf->proxy_protocol) {
        unsigned version = k->pool->conf->proxy_protocol == SN_GW_PROXY_V1 ? 1 : 2;
        size_t n = sn_proxyp_write(version, (struct sn_str){0}, (struct sn_str){0}, preface);
        call.preface = sn_str_of((const char *)preface, n);
    }
    struct sn_http_resp *resp;
    int64_t prev = sn_deadline_tighten(sn_now() + h->timeout);
    int r = sn_http_do(k->pool->client->http, &call, &resp);
    bool ok = false;
    if (r == 0) {
        ok = (uint64_t)resp->status >= h->status_min && (uint64_t)resp->status <= h->status_max;
        const void *p;
        while (sn_http_resp_peek(resp, &p) > 0) {}
        sn_http_resp_close(resp);
    }
    sn_deadline_restore(prev);
    return ok;
}

/* Returns whether the snapshot was retired meanwhile. */
static bool pause_for(struct gw_snap *s, int64_t ns)
{
    int64_t prev = sn_deadline_tighten(sn_now() + ns);
    int r = sn_event_wait(&s->retired);
    sn_deadline_restore(prev);
    return r != SN_E_DEADLINE_EXCEEDED;
}

static int checker_main(void *arg)
{
    struct gw_checker *k = arg;
    const struct sn_gw_conf_health *h = &k->pool->conf->health;
    /* Spread over the interval, so that a thousand endpoints are not asked in one moment. */
    int64_t wait = (int64_t)(sn_random() % (uint64_t)SN_MIN(h->interval, 500 * SN_MS));
    while (!pause_for(k->snap, wait)) {
        bool ok = check(k);
        if (sn_event_is_set(&k->snap->retired)) break;
        if (sn_gw_endpoint_checked(k->pool->pool, k->ep, sn_now(), ok))
            gw_event(k->snap->gw, ok ? "info" : "warn", "upstream %.*s: endpoint %s is %s",
                     SN_STR_ARG(k->pool->conf->name), k->ep->addr, ok ? "healthy" : "unhealthy");
        wait = h->interval;
    }
    __atomic_sub_fetch(&k->snap->checkers, 1, __ATOMIC_RELEASE);
    return 0;
}

int gw_health_prepare(struct gw_snap *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->conf->n_upstreams; i++)
        if (s->pools[i].conf->health.enabled) n += s->pools[i].pool->n;
    s->checks = SN_ARENA_ARRAY(&s->arena, struct gw_checker, n + 1);
    return s->checks ? 0 : SN_E_NOMEM;
}

void gw_health_start(struct sn_gateway *gw, struct gw_snap *s)
{
    struct gw_checker *k = s->checks;
    for (size_t i = 0; i < s->conf->n_upstreams; i++) {
        struct gw_pool *p = &s->pools[i];
        for (uint32_t e = 0; e < p->pool->n; e++) {
            if (!p->conf->health.enabled) {
                /* Nobody would ever take an old verdict back. */
                __atomic_store_n(&p->pool->eps[e]->down, 0, __ATOMIC_RELAXED);
                continue;
            }
            *k = (struct gw_checker){s, p, p->pool->eps[e]};
            __atomic_add_fetch(&s->checkers, 1, __ATOMIC_RELAXED);
            if (!gw_go(gw, "health check", checker_main, k++))
                __atomic_sub_fetch(&s->checkers, 1, __ATOMIC_RELEASE);
        }
    }
}
