/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/config_int.h - tables of policies, and their checks: config_policy.c for config.c. */
#pragma once
#include "core/map.h"
#include "gateway/conf.h"
#include "kit/config.h"

extern const struct sn_conf_table sn_gw_proxy_in_table, sn_gw_sticky_table, sn_gw_mirror_table,
    sn_gw_rewrite_table, sn_gw_cors_table, sn_gw_provider_table, sn_gw_jwt_table, sn_gw_rate_table,
    sn_gw_admin_table, sn_gw_redis_table, sn_gw_tracing_table, gw_kube_table;
extern const struct sn_conf_enum sn_gw_proxy_out_names[];

/* gw_check_policies - what must hold between policies and the rest; problems go to `c`. Returns 0,
 * SN_E_NOMEM. */
int gw_check_policies(struct sn_conf *c, const struct sn_gw_conf *g,
                      const struct sn_map *upstreams) SN_MUST_CHECK;
/* gw_check_route - of one route; upstreams: NULL where names are not looked at. */
void gw_check_route(struct sn_conf *c, const struct sn_gw_conf *g, size_t i,
                    const struct sn_map *upstreams);
/* gw_conf_route_ok - whether a route by itself is one that the configuration takes. */
bool gw_conf_route_ok(const struct sn_json *route);
/* gw_address_ok - whether it is an address to listen on, or to dial. */
bool gw_address_ok(struct sn_str a, bool listen);
struct gw_kube;
/* gw_kube_expand - puts what the objects of the `kubernetes` section make into the document. *ret:
 * the translation, NULL where there is no such section or it is wrong. more: objects of an API
 * server, see gateway.h. status, documents: as in kube.h; may be NULL. Reads files. */
int gw_kube_expand(struct sn_conf *c, struct sn_str more, struct gw_kube **ret,
                   struct sn_buf *status, struct sn_buf *documents) SN_MUST_CHECK;
/* gw_kube_secrets - the PEM texts of certificates that are Secrets. */
void gw_kube_secrets(const struct gw_kube *k, struct sn_gw_conf *g);
