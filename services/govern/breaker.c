/* SPDX-License-Identifier: Apache-2.0 */
/* govern/breaker.c - see breaker.h. */
#include "govern/breaker.h"

#include "core/status.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)

#define K_MAX 1.5
#define K_MIN 1.1

static void prepare(struct sn_gov_breaker *b)
{
    /* All who come first write the same values. */
    STORE(&b->w.n, SN_GOV_BREAKER_BUCKETS);
    __atomic_store_n(&b->w.width_ns, SN_GOV_BREAKER_SPAN_NS / SN_GOV_BREAKER_BUCKETS,
                     __ATOMIC_RELEASE);
}

static SN_ALWAYS_INLINE void ready(struct sn_gov_breaker *b)
{
    if (SN_UNLIKELY(!__atomic_load_n(&b->w.width_ns, __ATOMIC_ACQUIRE))) prepare(b);
}

static uint32_t failures_at(const struct sn_gov_breaker *b, uint64_t bucket)
{
    uint64_t v = LOAD(&b->failed[bucket % SN_GOV_BREAKER_BUCKETS]);
    return v >> 16 == bucket ? (uint32_t)(v & 0xffff) : 0;
}

/* The latest buckets in a row with failures only (hopeless), and with none at all (clean). Buckets
 * in which nothing was answered are passed over. */
static void trail(const struct sn_gov_breaker *b, uint64_t head, unsigned *ret_hopeless,
                  unsigned *ret_clean)
{
    unsigned hopeless = 0, clean = 0;
    for (uint32_t i = 0; i < SN_GOV_BREAKER_BUCKETS && i <= head; i++) {
        uint32_t failed = failures_at(b, head - i),
                 ok = sn_gov_lo(sn_gov_window_at(&b->w, head, i));
        if (!failed && !ok) continue;
        if (failed && !ok && !clean)
            hopeless++;
        else if (!failed && !hopeless)
            clean++;
        else
            break;
    }
    *ret_hopeless = hopeless;
    *ret_clean = clean;
}

/* How far calls outnumber what the accepted ones allow, at the least strict K: > 0 needs a closer
 * look. */
static double excess(uint64_t sum, double k)
{
    return (double)sn_gov_hi(sum) - SN_GOV_BREAKER_PROTECT - k * (double)sn_gov_lo(sum);
}

static double ratio(struct sn_gov_breaker *b, uint64_t sum, int64_t now)
{
    if (SN_LIKELY(excess(sum, K_MIN) <= 0)) return 0;
    uint64_t head = sn_gov_window_roll(&b->w, now);
    unsigned hopeless, clean;
    trail(b, head, &hopeless, &clean);
    double k = K_MAX - (K_MAX - K_MIN) * hopeless / SN_GOV_BREAKER_BUCKETS;
    double r = excess(sum, k) / ((double)sn_gov_hi(sum) + 1.0);
    if (r <= 0) return 0;
    return r * (SN_GOV_BREAKER_BUCKETS - clean) / SN_GOV_BREAKER_BUCKETS;
}

double sn_gov_breaker_ratio(struct sn_gov_breaker *b, int64_t now_ns)
{
    ready(b);
    sn_gov_window_roll(&b->w, now_ns);
    return ratio(b, sn_gov_window_sum(&b->w), now_ns);
}

/* A call that passes although the ratio says no: the probe, or one that a good answer has granted.
 */
static bool passes_by_force(struct sn_gov_breaker *b, int64_t now)
{
    int64_t at = LOAD(&b->pass_at_ns);
    if (now - at >= SN_GOV_BREAKER_PROBE_NS &&
        __atomic_compare_exchange_n(&b->pass_at_ns, &at, now, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        return true;
    int32_t grants = LOAD(&b->grants);
    while (grants > 0)
        if (__atomic_compare_exchange_n(&b->grants, &grants, grants - 1, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

bool sn_gov_breaker_allow(struct sn_gov_breaker *b, int64_t now_ns, uint64_t rnd)
{
    ready(b);
    sn_gov_window_roll(&b->w, now_ns);
    double r = ratio(b, sn_gov_window_sum(&b->w), now_ns);
    if (SN_LIKELY(r <= 0)) {
        if (SN_UNLIKELY(LOAD(&b->open))) STORE(&b->open, 0);
        return true;
    }
    if (!LOAD(&b->open)) {
        STORE(&b->open, 1);
        ADD(&b->trips, 1);
    }
    if ((double)(rnd >> 11) * 0x1p-53 >= r || passes_by_force(b, now_ns)) return true;
    sn_gov_window_add(&b->w, now_ns, 1, 0);
    ADD(&b->dropped, 1);
    return false;
}

static void failed(struct sn_gov_breaker *b, int64_t start, int64_t now)
{
    uint64_t head = sn_gov_window_roll(&b->w, now);
    uint64_t *at = &b->failed[head % SN_GOV_BREAKER_BUCKETS], v = LOAD(at);
    uint64_t n = v >> 16 == head ? SN_MIN((v & 0xffff) + 1, 0xffffu) : 1;
    STORE(at, head << 16 | n);
    if (LOAD(&b->clean) && start < LOAD(&b->clean_start_ns)) return; /* a timeout from before */
    if (start > LOAD(&b->fail_start_ns)) STORE(&b->fail_start_ns, start);
    STORE(&b->clean, 0);
    STORE(&b->grants, 0);
}

/* A good answer while calls are dropped: how the way back goes. */
static void recovering(struct sn_gov_breaker *b, int64_t start, int64_t now)
{
    if (start - LOAD(&b->fail_start_ns) < SN_GOV_BREAKER_CALM_NS) return;
    uint32_t row = ADD(&b->clean, 1);
    if (row == 1) {
        STORE(&b->clean_start_ns, start);
        STORE(&b->clean_since_ns, now);
    }
    ADD(&b->grants, 2);
    if (row < SN_GOV_BREAKER_CLEAR_OK || now - LOAD(&b->clean_since_ns) < SN_GOV_BREAKER_CLEAR_NS)
        return;
    sn_gov_window_clear(&b->w);
    STORE(&b->cleared_start_ns, LOAD(&b->clean_start_ns));
    STORE(&b->open, 0);
    STORE(&b->clean, 0);
    STORE(&b->grants, 0);
}

void sn_gov_breaker_mark(struct sn_gov_breaker *b, int64_t start_ns, int64_t now_ns, bool ok)
{
    ready(b);
    if (!ok && start_ns < LOAD(&b->cleared_start_ns)) return;
    sn_gov_window_add(&b->w, now_ns, 1, ok);
    if (SN_UNLIKELY(!ok))
        failed(b, start_ns, now_ns);
    else if (SN_UNLIKELY(LOAD(&b->open)))
        recovering(b, start_ns, now_ns);
}

bool sn_gov_is_failure(int status)
{
    switch (sn_status_canonical(status)) {
    case -SN_E_DEADLINE_EXCEEDED:
    case -SN_E_INTERNAL:
    case -SN_E_UNAVAILABLE:
    case -SN_E_DATA_LOSS:
    case -SN_E_UNIMPLEMENTED:
    case -SN_E_UNKNOWN:
    case -SN_E_RESOURCE_EXHAUSTED: return true;
    default: return false;
    }
}

/* ---- breakers by name ------------------------------------------------------------------------ */

/* Who still marks for the old key counts a call for the new one. */
static void forget(void *item)
{
    struct sn_gov_breaker *b = item;
    if (LOAD(&b->w.width_ns)) sn_gov_window_clear(&b->w);
    STORE(&b->open, 0);
    STORE(&b->clean, 0);
    STORE(&b->grants, 0);
    STORE(&b->fail_start_ns, 0);
    STORE(&b->cleared_start_ns, 0);
    for (uint32_t i = 0; i < SN_GOV_BREAKER_BUCKETS; i++) STORE(&b->failed[i], 0);
}

int sn_gov_breakers_init(struct sn_gov_keyed *t, uint32_t max)
{
    return sn_gov_keyed_init(t, sizeof(struct sn_gov_breaker), max ? max : SN_GOV_BREAKERS_DEFAULT,
                             forget);
}
