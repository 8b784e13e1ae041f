/* SPDX-License-Identifier: Apache-2.0 */
/* govern/chain_int.h - servers and routes, for chain.c (the core) and chain_http.c. */
#pragma once
#include "govern/chain.h"

#define GOV_CODES 600u /* HTTP's statuses, gRPC's codes */

struct sn_gov_server {
    struct sn_gov_server_opts o;
    struct sn_gov_shed shed;
    struct sn_gov_keyed buckets; /* rate, by client */
    struct sn_gov_route *routes;
    bool draining;
    int64_t active;
    uint64_t calls, refused[SN_GOV_WHY_COUNT], panics;
    struct sn_counter *m_refused[SN_GOV_WHY_COUNT], *m_panics;
    struct sn_gauge *m_active, *m_limit, *m_cpu;
};
struct sn_gov_route {
    struct sn_gov_route *next;
    struct sn_gov_server *s;
    struct sn_gov_route_opts o;
    char *name;
    struct sn_gov_breaker breaker;
    struct sn_histogram *m_duration;
    struct sn_gauge *m_open;
    struct sn_counter *m_codes[GOV_CODES]; /* made at the first answer of each status */
};
void gov_count(struct sn_gov_server *s, enum sn_gov_why why);
