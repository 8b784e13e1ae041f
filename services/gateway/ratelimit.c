/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/ratelimit.c - how many requests a route takes, in all or for each key. The buckets are
 * services/govern's, local or shared by Redis; they outlive reloads that do not change them. */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "gateway/gw_int.h"
#include "services/govern/limit.h"
#include "services/govern/redis_limit.h"

#define PASSWORD_BYTES_MAX 4096u
#define KEY_BYTES_MAX 200u /* longer values count by their hash */

struct gw_redis {
    uint32_t refs;
    struct sn_buf key;
    struct sn_redis *redis;
};
struct gw_limiter {
    uint32_t refs;
    struct sn_buf key; /* the settings, as bytes */
    struct sn_gov_rate rate;
    struct sn_gov_keyed local;
    struct sn_gov_shared *shared; /* NULL = local */
    struct gw_redis *redis;       /* reference; NULL = none */
};

/* ---- Redis ------------------------------------------------------------------------------------
 */

void gw_redis_unref(struct gw_redis *r)
{
    if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL)) return;
    sn_redis_free(r->redis);
    sn_buf_done(&r->key);
    sn_free(r);
}

static int redis_new(const struct sn_gw_conf_redis *c, struct gw_redis *r)
{
    struct sn_arena a;
    struct sn_str password = {0};
    sn_arena_init(&a, NULL, 1 << 16);
    struct sn_str addr = sn_arena_str(&a, c->address), file = sn_arena_str(&a, c->password_file);
    int e = addr.ptr && file.ptr ? 0 : SN_E_NOMEM;
    if (e == 0 && file.len) e = sn_file_read(&a, file.ptr, PASSWORD_BYTES_MAX, &password);
    while (password.len && password.ptr[password.len - 1] == '\n') password.len--;
    struct sn_redis_opts o = {.addr = addr.ptr,
                              .user = c->user,
                              .password = password,
                              .db = (uint32_t)c->database};
    if (e == 0) e = sn_redis_new(&o, &r->redis);
    sn_arena_done(&a);
    return e;
}

int gw_redis_get(const struct gw_snap *old, const struct sn_gw_conf_redis *c, struct gw_redis **ret)
{
    struct gw_redis *r = SN_NEW(struct gw_redis);
    if (!r) return SN_E_NOMEM;
    r->refs = 1;
    const struct sn_str parts[] = {c->address, c->user, c->password_file};
    sn_buf_u64(&r->key, c->database);
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++) {
        sn_buf_byte(&r->key, 0);
        sn_buf_str(&r->key, parts[i]);
    }
    int e = r->key.err;
    if (e == 0 && old && old->redis &&
        sn_str_eq(sn_buf_view(&old->redis->key), sn_buf_view(&r->key))) {
        gw_redis_unref(r);
        r = old->redis;
        __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    } else if (e == 0) {
        e = redis_new(c, r);
        if (e < 0) gw_redis_unref(r);
    }
    if (e < 0) return e;
    *ret = r;
    return 0;
}

/* ---- limiters ---------------------------------------------------------------------------------
 */

void gw_limiter_unref(struct gw_limiter *l)
{
    if (!l || __atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL)) return;
    sn_gov_shared_free(l->shared);
    sn_gov_keyed_done(&l->local);
    gw_redis_unref(l->redis);
    sn_buf_done(&l->key);
    sn_free(l);
}

static int limiter_new(struct gw_snap *s, const struct sn_gw_conf_route *c, struct gw_limiter *l)
{
    const struct sn_gw_conf_rate *k = &c->rate_limit;
    if (!k->shared)
        return sn_gov_buckets_init(&l->local,
                                   k->key == SN_GW_RATE_ROUTE ? 8 : (uint32_t)k->keys_max);
    char prefix[64];
    uint64_t id = sn_hash(c->name.ptr, c->name.len, 1);
    int n = snprintf(prefix, sizeof(prefix), "sennit:gw:%016llx:", (unsigned long long)id);
    l->redis = s->redis;
    __atomic_add_fetch(&l->redis->refs, 1, __ATOMIC_RELAXED);
    struct sn_gov_shared_opts o = {.redis = l->redis->redis,
                                   .prefix = sn_str_of(prefix, (size_t)n),
                                   .rate = l->rate,
                                   .peers = (uint32_t)k->gateways,
                                   .keys_max = (uint32_t)k->keys_max};
    return sn_gov_shared_new(&o, &l->shared);
}

int gw_limiter_get(struct gw_snap *s, const struct sn_gw_conf_route *c, struct gw_limiter *old,
                   struct gw_limiter **ret)
{
    const struct sn_gw_conf_rate *k = &c->rate_limit;
    struct gw_limiter *l = SN_NEW(struct gw_limiter);
    if (!l) return SN_E_NOMEM;
    l->refs = 1;
    l->rate.per_s = k->requests * (double)SN_SEC / (double)k->per;
    l->rate.burst = k->burst ? (uint32_t)k->burst : (uint32_t)SN_MAX(k->requests, 1.0);
    sn_buf_printf(&l->key, "%.17g %u %d %d %llu %llu %.*s", l->rate.per_s, l->rate.burst,
                  (int)k->key, k->shared, (unsigned long long)k->keys_max,
                  (unsigned long long)k->gateways, SN_STR_ARG(k->name));
    int r = l->key.err;
    bool same = r == 0 && old && sn_str_eq(sn_buf_view(&old->key), sn_buf_view(&l->key)) &&
                (!k->shared || old->redis == s->redis);
    if (same) {
        gw_limiter_unref(l);
        __atomic_add_fetch(&old->refs, 1, __ATOMIC_RELAXED);
        l = old;
    } else if (r == 0) {
        r = limiter_new(s, c, l);
    }
    if (r < 0) {
        gw_limiter_unref(l);
        return r;
    }
    *ret = l;
    return 0;
}

/* ---- a request --------------------------------------------------------------------------------
 */

/* What the bucket is found by. An IPv6 client has a /64 for itself, so that is what counts. */
static struct sn_str key_of(struct gw_req *q, char buf[64])
{
    const struct sn_gw_conf_rate *c = &q->route->conf->rate_limit;
    struct sn_str v = {0};
    struct gw_cidr ip;
    switch (c->key) {
    case SN_GW_RATE_ROUTE: break;
    case SN_GW_RATE_HEADER: v = sn_http_headers_get(&q->x->req.headers, c->name); break;
    case SN_GW_RATE_CLAIM: v = gw_claim_text(q, c->name); break;
    case SN_GW_RATE_ADDRESS:
        v = gw_client_address(q);
        if (sn_str_chr(v, ':') < 0 || gw_cidr_parse(v, &ip) < 0) break;
        snprintf(buf, 64, "%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64", ip.addr[0], ip.addr[1],
                 ip.addr[2], ip.addr[3], ip.addr[4], ip.addr[5], ip.addr[6], ip.addr[7]);
        return sn_str(buf);
    }
    if (v.len <= KEY_BYTES_MAX) return v;
    snprintf(buf, 64, "#%016llx", (unsigned long long)sn_hash(v.ptr, v.len, 2));
    return sn_str(buf);
}

int gw_limit(struct gw_req *q)
{
    struct gw_limiter *l = q->route->limiter;
    char buf[64];
    struct sn_str key = key_of(q, buf);
    int64_t wait = 0, now = sn_now();
    int r;
    if (l->shared) {
        r = sn_gov_shared_take(l->shared, key, 1, &wait);
        if (r < 0) return r;
    } else {
        uint64_t h = sn_hash(key.ptr ? key.ptr : "", key.len, q->snap->gw->rate_seed);
        r = sn_gov_bucket_take(sn_gov_keyed_get(&l->local, h, now), &l->rate, 1, now, &wait);
    }
    if (r) return 0;
    struct sn_str after =
        sn_arena_printf(q->x->arena, "%lld", (long long)((wait + SN_SEC - 1) / SN_SEC));
    if (!after.ptr) return SN_E_NOMEM;
    q->more = (struct sn_http_header){SN_STR("Retry-After"), after};
    r = gw_answer(q, 429, "too many requests");
    return r < 0 ? r : 1;
}
