/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit-bpf/tables.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "core/map.h"
#include "core/spread.h"

_Static_assert(SN_TK_BACKENDS_MAX == SN_TKW_ENDPOINTS_MAX, "what may be said must fit");
_Static_assert(SN_TK_SERVICES_MAX == SN_TKW_SERVICES_MAX, "what may be said must fit");
_Static_assert((int)SN_TK_REFUSE == SN_TKW_REFUSE && (int)SN_TK_DIRECT == SN_TKW_DIRECT &&
                   (int)SN_TK_PASS == SN_TKW_PASS,
               "one numbering of policies");

struct sn_tk_addr tk_addr(const uint8_t ip[16], uint16_t port)
{
    struct sn_tk_addr a = {.port = htons(port)};
    memcpy(a.ip, ip, sizeof(a.ip));
    return a;
}

struct sn_tk_key tk_key(const struct sn_tkw_service *v)
{
    return (struct sn_tk_key){.vip = tk_addr(v->ip, v->port), .proto = v->proto};
}

static int by_address(const void *a, const void *b)
{
    const struct sn_tkw_endpoint *x = a, *y = b;
    int r = memcmp(x->ip, y->ip, sizeof(x->ip));
    return r ? r : (int)x->port - (int)y->port;
}

static int set_build(const struct sn_tkw_endpoint *list, uint32_t n, struct sn_tk_set *set)
{
    struct sn_tkw_endpoint eps[SN_TK_BACKENDS_MAX];
    uint64_t keys[SN_TK_BACKENDS_MAX], weights[SN_TK_BACKENDS_MAX];
    if (n == 0) return 0;
    memcpy(eps, list, n * sizeof(*eps));
    qsort(eps, n, sizeof(*eps), by_address);
    for (uint32_t i = 0; i < n; i++) {
        const struct sn_tk_addr a = tk_addr(eps[i].ip, eps[i].port);
        keys[i] = sn_hash(&a, sizeof(a), 0);
        weights[i] = eps[i].weight;
        set->backend[i] = (struct sn_tk_backend){.addr = a, .via = eps[i].via};
    }
    set->n = n;
    return sn_spread_maglev(keys, weights, n, set->slot, SN_TK_SLOTS);
}

int tk_table_build(const struct sn_tkw_service *v, uint32_t counters, struct sn_tk_table *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->counters = counters;
    ret->lapsed = v->lapsed;
    ret->affinity = v->by_cgroup ? SN_TK_BY_CGROUP : SN_TK_BY_SOCKET;
    int r = set_build(v->live, v->n_live, &ret->live);
    return r < 0 ? r : set_build(v->direct, v->n_direct, &ret->direct);
}
