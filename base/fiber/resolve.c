/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/resolve.c - names to addresses: the system's resolver on the blocking pool, and a cache.
 * The system interface tells no time to live, so every answer is kept for the same bounded time;
 * failures are kept shortly, to blunt a retry storm on a missing name. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/map.h"
#include "fiber/net_int.h"

#define CACHE_SLOTS 256u /* direct-mapped by hash: a colliding name replaces, memory is bounded */
#define CACHE_TTL_MS 30000
#define CACHE_TTL_FAIL_MS 1000

struct answer {
    char host[SN_HOST_MAX];
    int64_t at_ns;
    int code; /* 0, SN_E_NOT_FOUND */
    int n;
    struct sn_sockaddr a[SN_DIAL_ADDRS_MAX];
};
static struct {
    struct sn_spin lock;
    struct answer *slot[CACHE_SLOTS];
} cache;

static struct answer **cache_slot(const char *host)
{
    return &cache.slot[sn_hash(host, strlen(host), 0) % CACHE_SLOTS];
}

static bool cache_get(const char *host, int64_t ttl_ms, struct answer *ret)
{
    bool hit = false;
    sn_spin_lock(&cache.lock);
    const struct answer *e = *cache_slot(host);
    if (e && strcmp(e->host, host) == 0) {
        int64_t ttl = e->code < 0 ? SN_MIN(ttl_ms, (int64_t)CACHE_TTL_FAIL_MS) : ttl_ms;
        hit = sn_now_coarse() - e->at_ns < ttl * SN_MS;
        if (hit) *ret = *e;
    }
    sn_spin_unlock(&cache.lock);
    return hit;
}

/* cache_put - best effort: without memory the name is simply resolved again. */
static void cache_put(const struct answer *a)
{
    struct answer *mine = sn_alloc(sizeof *mine);
    if (!mine) return;
    *mine = *a;
    mine->at_ns = sn_now_coarse();
    sn_spin_lock(&cache.lock);
    struct answer **slot = cache_slot(a->host), *old = *slot;
    *slot = mine;
    sn_spin_unlock(&cache.lock);
    sn_free(old);
}

void sn_resolve_flush(void)
{
    for (unsigned i = 0; i < CACHE_SLOTS; i++) {
        sn_spin_lock(&cache.lock);
        struct answer *old = cache.slot[i];
        cache.slot[i] = NULL;
        sn_spin_unlock(&cache.lock);
        sn_free(old);
    }
}

static int gai_code(int eai)
{
    switch (eai) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY: return SN_E_NOT_FOUND;
    case EAI_MEMORY: return SN_E_NOMEM;
    default: return SN_E_UNAVAILABLE;
    }
}

/* interleave - RFC 8305 §4: families alternate, beginning with the one the system prefers. */
static void interleave(struct sn_sockaddr *a, int n)
{
    struct sn_sockaddr out[SN_DIAL_ADDRS_MAX];
    bool used[SN_DIAL_ADDRS_MAX] = {false};
    int family = n ? a[0].u.sa.sa_family : 0;
    for (int k = 0; k < n; k++) {
        int pick = -1;
        for (int i = 0; i < n && pick < 0; i++)
            if (!used[i] && a[i].u.sa.sa_family == family) pick = i;
        for (int i = 0; i < n && pick < 0; i++)
            if (!used[i]) pick = i;
        used[pick] = true;
        out[k] = a[pick];
        family = a[pick].u.sa.sa_family == AF_INET ? AF_INET6 : AF_INET;
    }
    memcpy(a, out, (size_t)n * sizeof *a);
}

/* On a thread of the blocking pool. */
static int resolve_blocking(void *arg)
{
    struct answer *ans = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    int eai = getaddrinfo(ans->host, NULL, &hints, &list);
    if (eai == 0 && !list) eai = EAI_NONAME;
    if (eai != 0) {
        ans->code = gai_code(eai);
        return eai < 0 ? -eai : eai; /* positive: the caller words it */
    }
    for (struct addrinfo *i = list; i && ans->n < SN_DIAL_ADDRS_MAX; i = i->ai_next) {
        if (i->ai_family != AF_INET && i->ai_family != AF_INET6) continue;
        struct sn_sockaddr *a = &ans->a[ans->n++];
        *a = (struct sn_sockaddr){.len = i->ai_addrlen};
        memcpy(&a->u, i->ai_addr, i->ai_addrlen);
    }
    freeaddrinfo(list);
    return 0;
}

static int resolve_host(struct sn_str host, int64_t ttl_ms, struct answer *ans)
{
    if (host.len == 0 || host.len >= SN_HOST_MAX) return sn_fail(SN_E_SYNTAX, "host name length");
    *ans = (struct answer){0};
    memcpy(ans->host, host.ptr, host.len);
    for (size_t i = 0; i < host.len; i++) ans->host[i] = sn_ascii_lower(ans->host[i]);
    if (ttl_ms <= 0) ttl_ms = CACHE_TTL_MS;
    char name[SN_HOST_MAX];
    memcpy(name, ans->host, sizeof name);
    if (!cache_get(name, ttl_ms, ans)) {
        int r = sn_offload(resolve_blocking, ans);
        if (r < 0) return r;
        if (r == 0) interleave(ans->a, ans->n);
        if (ans->code == 0 && ans->n == 0) ans->code = SN_E_NOT_FOUND;
        if (ans->code == 0 || ans->code == SN_E_NOT_FOUND) cache_put(ans);
        if (ans->code < 0)
            return sn_fail(ans->code, "resolve %s: %s", name, r ? gai_strerror(-r) : "no address");
    }
    return ans->code < 0 ? sn_fail(ans->code, "resolve %s: no such name", name) : ans->n;
}

/* resolve_heap - the answer is too large for a fiber's frame. */
static int resolve_heap(struct sn_str host, int64_t ttl_ms, struct answer **ret)
{
    struct answer *ans = SN_NEW(struct answer);
    if (!ans) return SN_E_NOMEM;
    int n = resolve_host(host, ttl_ms, ans);
    if (n < 0)
        sn_free(ans);
    else
        *ret = ans;
    return n;
}

int sn_net_resolve_name(const struct sn_net_name *n, const char *text, int64_t ttl_ms,
                        struct sn_sockaddr *ret, int max)
{
    struct sn_str host = n->host.len ? n->host : SN_STR("127.0.0.1");
    if (sn_net_ip_parse(host, n->port, &ret[0])) return 1;
    struct answer *ans = NULL;
    int count = resolve_heap(host, ttl_ms, &ans);
    if (count < 0) return sn_wrap(count, "address %s", text);
    count = SN_MIN(count, max);
    for (int i = 0; i < count; i++) {
        ret[i] = ans->a[i];
        if (ret[i].u.sa.sa_family == AF_INET)
            ret[i].u.in4.sin_port = htons(n->port);
        else
            ret[i].u.in6.sin6_port = htons(n->port);
    }
    sn_free(ans);
    return count;
}

int sn_resolve(struct sn_str host, char (*ret)[SN_ADDR_TEXT_MAX], int max)
{
    struct sn_sockaddr lit;
    if (max <= 0) return SN_E_INVALID_ARGUMENT;
    if (sn_net_ip_parse(host, 0, &lit))
        return snprintf(ret[0], SN_ADDR_TEXT_MAX, "%.*s", SN_STR_ARG(host)) > 0;
    if (sn_sim_on) return sn_simnet_resolve(host, ret, max);
    struct answer *ans = NULL;
    int count = resolve_heap(host, 0, &ans);
    if (count < 0) return count;
    count = SN_MIN(count, max);
    for (int i = 0; i < count; i++) {
        const struct sn_sockaddr *a = &ans->a[i];
        bool v4 = a->u.sa.sa_family == AF_INET;
        inet_ntop(a->u.sa.sa_family,
                  v4 ? (const void *)&a->u.in4.sin_addr : (const void *)&a->u.in6.sin6_addr, ret[i],
                  SN_ADDR_TEXT_MAX);
    }
    sn_free(ans);
    return count;
}
