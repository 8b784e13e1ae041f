/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/takeover_conf.c - the keys of `takeover:` and what must hold between them. */
#include "gateway/takeover_conf.h"

#include <stdio.h>

#include "core/map.h"
#include "core/status.h"
#include "gateway/conf.h"
#include "gateway/takeover_wire.h"
#include "kit/config.h"

#define TTL_MIN (300 * SN_MS)

#define SERVICE struct sn_gw_conf_takeover_service
static const struct sn_conf_field service_fields[] = {
    SN_CONF_STRING(SERVICE, name, "name", .required = true, .min = 1, .max = 128,
                   .help = "Unique; names the service in metrics and in `sennit-bpf status`."),
    SN_CONF_STRING(
        SERVICE, address, "address", .required = true, .min = 2, .max = 64,
        .help = "What workloads connect to, `10.96.0.10:80` or `[fd00::10]:80`. Nothing needs "
                "to have this address."),
    SN_CONF_BOOL(SERVICE, udp, "udp", .help = "Datagrams; TCP without it."),
    SN_CONF_STRING(SERVICE, upstream, "upstream",
                   .help = "Back-ends. Without `listener` connections go straight to them."),
    SN_CONF_STRING(SERVICE, listener, "listener",
                   .help =
                       "Connections go to this listener; to the back-ends only when the gateway is "
                       "gone, if `open`."),
    SN_CONF_STRING(SERVICE, via, "via", .max = 64,
                   .help = "Where workloads reach the listener, when that is not the address it "
                           "listens at (`0.0.0.0`, another network namespace)."),
    SN_CONF_STRING(SERVICE, route, "route",
                   .help = "With `listener`: the route of all requests that came to this service, "
                           "whatever their host and path."),
    SN_CONF_BOOL(SERVICE, open, "open",
                 .help = "When the gateway is gone: go on, straight to the back-ends as last known "
                         "(without `upstream`: leave connections alone). Otherwise connections are "
                         "refused then."),
    SN_CONF_BOOL(SERVICE, sticky, "sticky",
                 .help = "All connections of one workload (control group) to one back-end."),
};
static const struct sn_conf_table service_table = SN_CONF_TABLE(SERVICE, service_fields);

#define TAKEOVER struct sn_gw_conf_takeover
static const struct sn_conf_field takeover_fields[] = {
    SN_CONF_STRING(TAKEOVER, socket, "socket", .def = "/run/sennit-bpf.sock", .min = 1, .max = 107,
                   .help = "Where sennit-bpf listens."),
    SN_CONF_DURATION(
        TAKEOVER, ttl, "ttl", .def = "2s", .min = TTL_MIN, .max = SN_HOUR,
        .help = "So long without a sign of life and the gateway counts as gone (at once if "
                "its process ends)."),
    SN_CONF_LIST(TAKEOVER, services, n_services, "services", SN_CONF_T_STRUCT,
                 .sub = &service_table, .max = SN_TKW_SERVICES_MAX, .help = "What is taken over."),
};
const struct sn_conf_table sn_gw_takeover_table = SN_CONF_TABLE(TAKEOVER, takeover_fields);

/* ---- checks ---------------------------------------------------------------------------------- */

static const struct sn_gw_conf_listener *listener_of(const struct sn_gw_conf *g, struct sn_str name)
{
    for (size_t i = 0; i < g->n_listeners; i++)
        if (sn_str_eq(g->listeners[i].name, name)) return &g->listeners[i];
    return NULL;
}

static const struct sn_gw_conf_upstream *upstream_of(const struct sn_gw_conf *g, struct sn_str name)
{
    for (size_t i = 0; i < g->n_upstreams; i++)
        if (sn_str_eq(g->upstreams[i].name, name)) return &g->upstreams[i];
    return NULL;
}

static bool has_route(const struct sn_gw_conf *g, struct sn_str name)
{
    for (size_t i = 0; i < g->n_routes; i++)
        if (sn_str_eq(g->routes[i].name, name)) return true;
    return false;
}

static void check_names(struct sn_conf *c, const char *at, const struct sn_gw_conf *g,
                        const SERVICE *v)
{
    const struct sn_gw_conf_upstream *u = upstream_of(g, v->upstream);
    if (v->upstream.ptr && !u)
        sn_conf_error(c, at, "no upstream is called \"%.*s\"", SN_STR_ARG(v->upstream));
    for (size_t i = 0; u && i < u->n_endpoints; i++)
        if (sn_str_starts(u->endpoints[i].address, SN_STR("unix:")))
            sn_conf_error(
                c, at,
                "upstream %.*s has the endpoint %.*s: connections cannot be sent to a Unix socket",
                SN_STR_ARG(v->upstream), SN_STR_ARG(u->endpoints[i].address));
    if (u && u->n_endpoints > SN_TKW_ENDPOINTS_MAX)
        sn_conf_error(c, at, "upstream %.*s has %zu endpoints, takeover serves at most %u",
                      SN_STR_ARG(v->upstream), u->n_endpoints, SN_TKW_ENDPOINTS_MAX);
    if (v->route.ptr && !has_route(g, v->route))
        sn_conf_error(c, at, "no route is called \"%.*s\"", SN_STR_ARG(v->route));
    if (v->route.ptr && !v->listener.ptr)
        sn_conf_error(c, at, "route needs listener: without it no request passes the gateway");
    if (v->via.ptr && !v->listener.ptr) sn_conf_error(c, at, "via is for services with listener");
    if (!v->upstream.ptr && !v->listener.ptr)
        sn_conf_error(c, at, "expected upstream, listener or both");
}

/* The listener as a back-end: its address must be one that can be connected to. */
static void check_listener(struct sn_conf *c, const char *at, const struct sn_gw_conf *g,
                           const SERVICE *v, const uint8_t ip[16])
{
    const struct sn_gw_conf_listener *l = listener_of(g, v->listener);
    uint8_t via[16];
    uint16_t port;
    if (!v->listener.ptr) return;
    if (!l) sn_conf_error(c, at, "no listener is called \"%.*s\"", SN_STR_ARG(v->listener));
    if (v->udp) sn_conf_error(c, at, "listeners take TCP: udp needs upstream alone");
    if (l && sn_str_starts(l->address, SN_STR("unix:")))
        sn_conf_error(c, at, "listener %.*s is a Unix socket", SN_STR_ARG(v->listener));
    if (l && !v->via.ptr &&
        (sn_str_starts(l->address, SN_STR("0.0.0.0:")) ||
         sn_str_starts(l->address, SN_STR("[::]:"))))
        sn_conf_error(
            c, at, "listener %.*s listens at every address: via must say which one workloads reach",
            SN_STR_ARG(v->listener));
    if (!v->via.ptr) return;
    if (sn_tkw_addr_parse(v->via, via, &port) < 0)
        sn_conf_error(c, at, "via: %s", sn_diag_str(SN_E_SYNTAX));
    else if (sn_tkw_is_v4(via) != sn_tkw_is_v4(ip))
        sn_conf_error(c, at, "via and address must be of one address family");
}

/* Address, port and protocol as a key. */
struct place {
    uint8_t bytes[19];
};
static bool place_of(struct sn_str address, bool udp, struct place *ret)
{
    uint16_t port;
    *ret = (struct place){{0}};
    if (sn_tkw_addr_parse(address, ret->bytes, &port) < 0) return false;
    memcpy(ret->bytes + 16, &port, sizeof(port));
    ret->bytes[18] = udp;
    return true;
}
static struct sn_str place_str(const struct place *p)
{
    return sn_str_of((const char *)p->bytes, sizeof(p->bytes));
}

/* A back-end that is a service would not be redirected again: nobody means that. Names that resolve
 * to one are found when the loader is told. */
static void check_chain(struct sn_conf *c, const char *at, const struct sn_gw_conf *g,
                        const SERVICE *v, const struct sn_map *places)
{
    const struct sn_gw_conf_upstream *u = upstream_of(g, v->upstream);
    struct place p;
    for (size_t i = 0; u && i < u->n_endpoints; i++)
        if (place_of(u->endpoints[i].address, v->udp, &p) && sn_map_find(places, place_str(&p)))
            sn_conf_error(c, at, "upstream %.*s has the endpoint %.*s, which is a service itself",
                          SN_STR_ARG(v->upstream), SN_STR_ARG(u->endpoints[i].address));
}

int sn_gw_takeover_check(struct sn_conf *c, const struct sn_gw_conf *g)
{
    const TAKEOVER *t = &g->takeover;
    struct sn_map names, places;
    sn_map_init(&names, 0, false);
    sn_map_init(&places, 0, true);
    int r = 0;
    for (size_t i = 0; r >= 0 && i < t->n_services; i++) {
        const SERVICE *v = &t->services[i];
        char at[64];
        struct place place;
        snprintf(at, sizeof(at), "takeover.services[%zu]", i);
        if (!v->name.ptr || !v->address.ptr) continue; /* was reported by the table */
        r = sn_map_put(&names, v->name, (void *)1, NULL);
        if (r == 0) sn_conf_error(c, at, "\"%.*s\" is already taken", SN_STR_ARG(v->name));
        check_names(c, at, g, v);
        if (!place_of(v->address, v->udp, &place)) {
            sn_conf_error(c, at, "address: %s", sn_diag_str(SN_E_SYNTAX));
            continue;
        }
        check_listener(c, at, g, v, place.bytes);
        if (r >= 0) r = sn_map_put(&places, place_str(&place), (void *)1, NULL);
        if (r == 0)
            sn_conf_error(c, at, "address %.*s is another service's already",
                          SN_STR_ARG(v->address));
    }
    for (size_t i = 0; r >= 0 && i < t->n_services; i++) {
        char at[64];
        snprintf(at, sizeof(at), "takeover.services[%zu]", i);
        check_chain(c, at, g, &t->services[i], &places);
    }
    sn_map_done(&names);
    sn_map_done(&places);
    return r < 0 ? r : 0;
}
