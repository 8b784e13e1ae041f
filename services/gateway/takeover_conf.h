/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/takeover_conf.h - the `takeover:` part of the configuration. Memory and conventions as in
 * gateway/conf.h. */
#pragma once
#include "core/str.h"

struct sn_conf;
struct sn_gw_conf;

enum sn_gw_on_loss { SN_GW_CLOSED, SN_GW_OPEN };
struct sn_gw_conf_takeover_service {
    struct sn_str name, address; /* address: what workloads connect to, literal */
    bool udp, open, sticky;
    struct sn_str upstream; /* back-ends; .ptr NULL = none */
    struct sn_str
        listener;      /* set: connections go there, and to the back-ends only without a gateway */
    struct sn_str via; /* where workloads reach the listener; .ptr NULL = its own address */
    struct sn_str route; /* for all requests that come this way; .ptr NULL = as the listener's */
};
struct sn_gw_conf_takeover {
    bool enabled;
    struct sn_str socket;
    int64_t ttl;
    struct sn_gw_conf_takeover_service *services;
    size_t n_services;
};

/* sn_gw_takeover_table - the keys, for the configuration's table. */
extern const struct sn_conf_table sn_gw_takeover_table;
/* sn_gw_takeover_check - what must hold between the services and the rest of the file; problems go
 * to `c`. Returns 0 or SN_E_NOMEM. */
int sn_gw_takeover_check(struct sn_conf *c, const struct sn_gw_conf *g) SN_MUST_CHECK;
