/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/config.h - the gateway's configuration file: its table, and its checks. */
#pragma once
#include "gateway/conf.h"
#include "kit/config.h"

extern const struct sn_conf_table sn_gw_conf_table;

/* sn_gw_conf_read - binds and checks `text`; problems are recorded in `c`, which must be
 * initialised with the arena that will own the result. Returns 0, SN_E_INVALID_ARGUMENT or the
 * parser's code, SN_E_NOMEM. Does not suspend. */
int sn_gw_conf_read(struct sn_conf *c, struct sn_str text, struct sn_gw_conf *ret) SN_MUST_CHECK;
/* sn_gw_conf_read_status - the same, with objects of an API server (gateway.h, kube_objects);
 * status gets a line for each condition of Kubernetes objects. */
int sn_gw_conf_read_status(struct sn_conf *c, struct sn_str text, struct sn_str more,
                           struct sn_gw_conf *ret, struct sn_buf *status,
                           struct sn_buf *documents) SN_MUST_CHECK;
