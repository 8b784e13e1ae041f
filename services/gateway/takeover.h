/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/takeover.h - keeps the kernel's service tables (sennit-bpf) as the gateway's
 * configuration, health checks and registries have it, and tells requests by where their connection
 * was meant to go. */
#pragma once
#include "gateway/gw_int.h"

/* A service whose requests take a route of their own. */
struct gw_origin {
    uint8_t ip[16];
    uint16_t port;
    struct sn_str listener;
    struct gw_route *route;
};

/* gw_takeover_prepare - of a new snapshot: the services' pools, and which have a route. Returns 0
 * or SN_E_NOMEM. */
int gw_takeover_prepare(struct gw_snap *s) SN_MUST_CHECK;
/* gw_takeover_start - a fiber that speaks with sennit-bpf, where the configuration in force wants
 * it and it does not run yet. While running. */
void gw_takeover_start(struct sn_gateway *gw);
/* gw_takeover_stop - takes leave of sennit-bpf, so that services lapse before the listeners close.
 * Suspends, a second at most. */
void gw_takeover_stop(struct sn_gateway *gw);
/* gw_takeover_route - the route of a request by its connection's original destination; NULL where
 * it has none, or none with a route. One system call on listeners that have such services. */
struct gw_route *gw_takeover_route(struct gw_req *q, const struct gw_listener *l);

/* gw_takeover_snapshot - what the loader shall know, of the snapshot `s`; lists are the arena's.
 * now_ns: for health. Suspends where endpoints are names, for a quarter of the time to live at
 * most. Returns 0, SN_E_BUSY (a reload is at work), SN_E_NOMEM. */
struct sn_tkw_snapshot;
int gw_takeover_snapshot(struct sn_gateway *gw, struct gw_snap *s, struct sn_arena *a,
                         int64_t now_ns, struct sn_tkw_snapshot *ret) SN_MUST_CHECK;
