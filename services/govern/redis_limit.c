/* SPDX-License-Identifier: Apache-2.0 */
/* govern/redis_limit.c - see redis_limit.h. */
#include "govern/redis_limit.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/map.h"
#include "fiber/fiber.h"

#define PREFIX_MAX 64u
#define KEY_MAX 256u
#define PROBE_NS SN_SEC

/* The bucket as the time at which it is full again (govern/limit.h), in microseconds of the
 * server's clock. KEYS[1]; ARGV: microseconds per token, burst, tokens. Answers {1, 0} or {0,
 * microseconds to wait}. */
static struct sn_redis_script bucket_script = {
    .text = "local t = redis.call('TIME')\n"
            "local now = t[1] * 1000000 + t[2]\n"
            "local each, burst, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
            "local full = tonumber(redis.call('GET', KEYS[1]) or '0')\n"
            "if full < now then full = now end\n"
            "local after = full + each * n\n"
            "local wait = math.ceil(after - now - each * burst)\n"
            "if wait > 0 then return {0, wait} end\n"
            "redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - "
            "now) / 1000) + 1)\n"
            "return {1, 0}\n"};
/* KEYS[1]; ARGV: quota, period in ms. Answers {1, 0} or {0, ms to wait}. */
static struct sn_redis_script period_script = {
    .text =
        "local n = redis.call('INCR', KEYS[1])\n"
        "local left = redis.call('PTTL', KEYS[1])\n"
        "if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) left = tonumber(ARGV[2]) end\n"
        "if n <= tonumber(ARGV[1]) then return {1, 0} end\n"
        "return {0, left}\n"};

struct sn_gov_shared {
    struct sn_gov_shared_opts o;
    char prefix[PREFIX_MAX + 1];
    struct sn_gov_rate local_rate;
    struct sn_gov_keyed local;
    int64_t local_until_ns; /* 0 = Redis answers */
    uint64_t n_shared, n_local;
};

int sn_gov_shared_new(const struct sn_gov_shared_opts *o, struct sn_gov_shared **ret)
{
    bool period = o->quota != 0;
    if (!o->redis || o->prefix.len > PREFIX_MAX ||
        (period ? o->period_ns < SN_MS : !(o->rate.per_s > 0)))
        return sn_fail(
            SN_E_INVALID_ARGUMENT,
            "shared limit: a client, a prefix of at most %u bytes, and a rate or a quota "
            "with a period of at least 1 ms are expected",
            PREFIX_MAX);
    struct sn_gov_shared *s = SN_NEW(struct sn_gov_shared);
    if (!s) return SN_E_NOMEM;
    s->o = *o;
    memcpy(s->prefix, o->prefix.len ? o->prefix.ptr : "", o->prefix.len);
    if (!s->o.call_ns_max) s->o.call_ns_max = 50 * SN_MS;
    uint32_t peers = o->peers ? o->peers : 1;
    /* A period's quota as a bucket that it fills: nearly the same over the period, smoother within.
     */
    s->local_rate =
        period ? (struct sn_gov_rate){(double)o->quota * SN_SEC / (double)o->period_ns, o->quota}
               : o->rate;
    s->local_rate.per_s /= peers;
    s->local_rate.burst = SN_MAX(s->local_rate.burst / peers, 1u);
    int r = sn_gov_buckets_init(&s->local, o->keys_max ? o->keys_max : 4096);
    if (r < 0) {
        sn_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void sn_gov_shared_free(struct sn_gov_shared *s)
{
    if (!s) return;
    sn_gov_keyed_done(&s->local);
    sn_free(s);
}

/* Whether to ask Redis: yes while it answers; while it does not, one caller a second. */
static bool ask_redis(struct sn_gov_shared *s, int64_t now)
{
    int64_t until = __atomic_load_n(&s->local_until_ns, __ATOMIC_RELAXED);
    if (SN_LIKELY(!until)) return true;
    return now >= until && __atomic_compare_exchange_n(&s->local_until_ns, &until, now + PROBE_NS,
                                                       false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static int take_redis(struct sn_gov_shared *s, struct sn_str key, uint32_t n, int64_t *ret_wait)
{
    char each[40], burst[16], count[16];
    struct sn_arena a;
    struct sn_resp v;
    struct sn_redis_script *script = s->o.quota ? &period_script : &bucket_script;
    sn_arena_init(&a, NULL, 64u << 10);
    struct sn_str words[4] = {sn_arena_printf(&a, "%s%.*s", s->prefix, SN_STR_ARG(key))};
    size_t n_words = 3;
    if (s->o.quota) {
        snprintf(burst, sizeof(burst), "%u", s->o.quota);
        snprintf(each, sizeof(each), "%lld", (long long)(s->o.period_ns / SN_MS));
        words[1] = sn_str(burst);
        words[2] = sn_str(each);
    } else {
        snprintf(each, sizeof(each), "%.6f", 1e6 / s->o.rate.per_s);
        snprintf(burst, sizeof(burst), "%u", SN_MAX(s->o.rate.burst, 1u));
        snprintf(count, sizeof(count), "%u", n);
        words[1] = sn_str(each);
        words[2] = sn_str(burst);
        words[3] = sn_str(count);
        n_words = 4;
    }
    int64_t prev = sn_deadline_tighten(sn_now() + s->o.call_ns_max);
    int r =
        words[0].ptr ? sn_redis_eval(s->o.redis, script, words, 1, n_words, &a, &v) : SN_E_NOMEM;
    sn_deadline_restore(prev);
    if (r == 0 && v.type == SN_RESP_ERROR)
        r = sn_fail(SN_E_UNAVAILABLE, "redis: %.*s", SN_STR_ARG(v.str));
    if (r == 0 && (v.type != SN_RESP_ARRAY || v.n != 2 || v.items[0].type != SN_RESP_INT ||
                   v.items[1].type != SN_RESP_INT))
        r = sn_fail(SN_E_PROTOCOL, "redis: the limiter's script answered something else");
    if (r == 0) {
        *ret_wait = v.items[1].i * (s->o.quota ? SN_MS : SN_US);
        r = v.items[0].i == 1;
    }
    sn_arena_done(&a);
    return r;
}

int sn_gov_shared_take(struct sn_gov_shared *s, struct sn_str key, uint32_t n, int64_t *ret_wait_ns)
{
    int64_t now = sn_now(), wait = 0;
    if (key.len > KEY_MAX || (s->o.quota && n != 1))
        return sn_fail(SN_E_INVALID_ARGUMENT, "shared limit: a key of %zu bytes, %u calls", key.len,
                       n);
    if (ask_redis(s, now)) {
        int r = take_redis(s, key, n, &wait);
        if (r >= 0) {
            __atomic_add_fetch(&s->n_shared, 1, __ATOMIC_RELAXED);
            if (s->local_until_ns) __atomic_store_n(&s->local_until_ns, 0, __ATOMIC_RELAXED);
            if (ret_wait_ns) *ret_wait_ns = wait;
            return r;
        }
        if (sn_cancelled()) return SN_E_CANCELLED;
        __atomic_store_n(&s->local_until_ns, sn_now() + PROBE_NS, __ATOMIC_RELAXED);
    }
    __atomic_add_fetch(&s->n_local, 1, __ATOMIC_RELAXED);
    struct sn_gov_bucket *b = sn_gov_keyed_get(&s->local, sn_hash(key.ptr, key.len, 0), now);
    return sn_gov_bucket_take(b, &s->local_rate, n, now, ret_wait_ns);
}

bool sn_gov_shared_local(const struct sn_gov_shared *s, uint64_t *ret_shared, uint64_t *ret_local)
{
    if (ret_shared) *ret_shared = __atomic_load_n(&s->n_shared, __ATOMIC_RELAXED);
    if (ret_local) *ret_local = __atomic_load_n(&s->n_local, __ATOMIC_RELAXED);
    return __atomic_load_n(&s->local_until_ns, __ATOMIC_RELAXED) != 0;
}
