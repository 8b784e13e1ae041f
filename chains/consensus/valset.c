/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/valset.c - updates and proposer rotation. */
#include "consensus/valset.h"

#include <stdlib.h>

#include "consensus/key.h"
#include "core/alloc.h"

static int64_t add_clip(int64_t a, int64_t b)
{
    int64_t r;
    if (!__builtin_add_overflow(a, b, &r)) return r;
    return b < 0 ? INT64_MIN : INT64_MAX;
}
static int64_t sub_clip(int64_t a, int64_t b)
{
    int64_t r;
    if (!__builtin_sub_overflow(a, b, &r)) return r;
    return b > 0 ? INT64_MIN : INT64_MAX;
}

static struct sn_cons_valset *alloc_set(uint32_t cap)
{
    struct sn_cons_valset *s = SN_NEW(struct sn_cons_valset);
    if (!s) return NULL;
    s->refs = 1;
    s->vals = SN_NEW_ARRAY(struct sn_cons_validator, cap + 1);
    if (s->vals) return s;
    sn_free(s);
    return NULL;
}
struct sn_cons_valset *sn_cons_valset_copy(const struct sn_cons_valset *s)
{
    struct sn_cons_valset *n = alloc_set(s->n);
    if (!n) return NULL;
    if (s->n) memcpy(n->vals, s->vals, s->n * sizeof(*s->vals));
    n->n = s->n;
    n->total = s->total;
    n->has_proposer = s->has_proposer;
    n->proposer = s->proposer;
    return n;
}
struct sn_cons_valset *sn_cons_valset_ref(struct sn_cons_valset *s)
{
    s->refs++;
    return s;
}
void sn_cons_valset_unref(struct sn_cons_valset *s)
{
    if (!s || --s->refs) return;
    sn_free(s->vals);
    sn_free(s);
}

int32_t sn_cons_valset_find(const struct sn_cons_valset *s, const uint8_t addr[SN_CONS_ADDR_LEN])
{
    for (uint32_t i = 0; i < s->n; i++)
        if (memcmp(s->vals[i].addr, addr, SN_CONS_ADDR_LEN) == 0) return (int32_t)i;
    return -1;
}

/* ---- rotation ---- */

static struct sn_cons_validator *most_urgent(const struct sn_cons_valset *s)
{
    struct sn_cons_validator *best = s->n ? &s->vals[0] : NULL;
    for (uint32_t i = 1; i < s->n; i++) {
        struct sn_cons_validator *v = &s->vals[i];
        if (v->priority > best->priority ||
            (v->priority == best->priority && memcmp(v->addr, best->addr, SN_CONS_ADDR_LEN) < 0))
            best = v;
    }
    return best;
}

/* Divides priorities so that the largest difference is at most `window`. */
static void rescale(struct sn_cons_valset *s, int64_t window)
{
    if (window <= 0 || s->n == 0) return;
    int64_t max = INT64_MIN, min = INT64_MAX;
    for (uint32_t i = 0; i < s->n; i++) {
        max = SN_MAX(max, s->vals[i].priority);
        min = SN_MIN(min, s->vals[i].priority);
    }
    /* A difference beyond int64 wraps, as it does in the network's other nodes. */
    int64_t diff = (int64_t)((uint64_t)max - (uint64_t)min);
    if (diff < 0) diff = (int64_t)-(uint64_t)diff;
    int64_t ratio = (int64_t)((uint64_t)diff + (uint64_t)window - 1) / window;
    if (diff <= window || ratio == 0) return;
    for (uint32_t i = 0; i < s->n; i++) s->vals[i].priority /= ratio;
}

static void centre(struct sn_cons_valset *s)
{
    if (s->n == 0) return;
    __int128 sum = 0;
    for (uint32_t i = 0; i < s->n; i++) sum += s->vals[i].priority;
    __int128 avg = sum / s->n;
    if (sum % s->n < 0) avg--; /* rounds down, also below zero */
    for (uint32_t i = 0; i < s->n; i++)
        s->vals[i].priority = sub_clip(s->vals[i].priority, (int64_t)avg);
}

void sn_cons_valset_advance(struct sn_cons_valset *s, int32_t times)
{
    SN_ASSERT(s->n > 0 && times > 0);
    rescale(s, SN_CONS_PRIORITY_WINDOW * s->total);
    centre(s);
    struct sn_cons_validator *turn = NULL;
    for (int32_t k = 0; k < times; k++) {
        for (uint32_t i = 0; i < s->n; i++)
            s->vals[i].priority = add_clip(s->vals[i].priority, s->vals[i].power);
        turn = most_urgent(s);
        turn->priority = sub_clip(turn->priority, s->total);
    }
    s->proposer = *turn;
    s->has_proposer = true;
}

const struct sn_cons_validator *sn_cons_valset_proposer(const struct sn_cons_valset *s)
{
    return s->has_proposer ? &s->proposer : most_urgent(s);
}

/* ---- updates ---- */

static int by_addr(const void *a, const void *b)
{
    const struct sn_cons_validator *x = a, *y = b;
    return memcmp(x->addr, y->addr, SN_CONS_ADDR_LEN);
}
int sn_cons_by_power(const void *a, const void *b)
{
    const struct sn_cons_validator *x = a, *y = b;
    if (x->power != y->power) return x->power > y->power ? -1 : 1;
    return by_addr(a, b);
}

/* Sorts a copy of the changes by address and refuses what no order can save. */
static int sort_changes(const struct sn_cons_validator *in, uint32_t n,
                        struct sn_cons_validator *out)
{
    for (uint32_t i = 0; i < n; i++) {
        out[i] = in[i];
        int r = sn_cons_key_addr(&in[i].key, out[i].addr);
        if (r < 0) return sn_wrap(r, "validator %u", i);
        if (in[i].power < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "validator %u: power %lld is negative", i,
                           (long long)in[i].power);
        if (in[i].power > SN_CONS_POWER_MAX)
            return sn_fail(SN_E_OUT_OF_RANGE, "validator %u: power %lld is above %lld", i,
                           (long long)in[i].power, (long long)SN_CONS_POWER_MAX);
    }
    if (n > 1) qsort(out, n, sizeof(*out), by_addr);
    for (uint32_t i = 1; i < n; i++)
        if (by_addr(&out[i - 1], &out[i]) == 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "validator %02x%02x%02x%02x... appears twice",
                           out[i].addr[0], out[i].addr[1], out[i].addr[2], out[i].addr[3]);
    return 0;
}

/* What the changes do to the total: *ret_peak is the total after changes, before removals. */
static int weigh(const struct sn_cons_valset *s, const struct sn_cons_validator *changes,
                 uint32_t n, int64_t *ret_peak)
{
    __int128 peak = s->total, removed = 0;
    uint32_t n_new = 0, n_removed = 0;
    for (uint32_t i = 0; i < n; i++) {
        int32_t at = sn_cons_valset_find(s, changes[i].addr);
        if (changes[i].power == 0) {
            if (at < 0)
                return sn_fail(SN_E_NOT_FOUND,
                               "validator %02x%02x%02x%02x... to remove is not in the set",
                               changes[i].addr[0], changes[i].addr[1], changes[i].addr[2],
                               changes[i].addr[3]);
            removed += s->vals[at].power;
            n_removed++;
            continue;
        }
        peak += changes[i].power - (at < 0 ? 0 : s->vals[at].power);
        n_new += at < 0;
    }
    if (n_new == 0 && n_removed == s->n && n > 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "the changes would leave no validator");
    if (peak - removed > SN_CONS_POWER_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, "total voting power would be above %lld",
                       (long long)SN_CONS_POWER_MAX);
    if ((uint64_t)s->n + n_new - n_removed > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %d validators", SN_CONS_VALIDATORS_MAX);
    *ret_peak = (int64_t)peak;
    return 0;
}

int sn_cons_valset_update(struct sn_cons_valset *s, const struct sn_cons_validator *changes,
                          uint32_t n)
{
    if (n == 0) return 0;
    struct sn_cons_validator *sorted SN_CLEANUP(sn_freep) =
        SN_NEW_ARRAY(struct sn_cons_validator, n);
    struct sn_cons_validator *merged SN_CLEANUP(sn_freep) =
        SN_NEW_ARRAY(struct sn_cons_validator, (size_t)s->n + n + 1);
    if (!sorted || !merged) return SN_E_NOMEM;
    int64_t peak;
    int r = sort_changes(changes, n, sorted);
    if (r >= 0) r = weigh(s, sorted, n, &peak);
    if (r < 0) return r;

    qsort(s->vals, s->n, sizeof(*s->vals), by_addr);
    uint32_t len = 0, i = 0, k = 0;
    while (i < s->n || k < n) {
        int c = i == s->n ? 1 : k == n ? -1 : by_addr(&s->vals[i], &sorted[k]);
        if (c < 0) {
            merged[len++] = s->vals[i++];
            continue;
        }
        struct sn_cons_validator v = sorted[k++];
        v.priority = c == 0 ? s->vals[i++].priority : -(peak + (peak >> 3));
        if (v.power) merged[len++] = v;
    }
    s->total = 0;
    for (i = 0; i < len; i++) s->total += merged[i].power;
    struct sn_cons_validator *old = s->vals;
    s->vals = merged;
    merged = old;
    s->n = len;
    rescale(s, SN_CONS_PRIORITY_WINDOW * s->total);
    centre(s);
    qsort(s->vals, s->n, sizeof(*s->vals), sn_cons_by_power);
    return 0;
}

int sn_cons_valset_new(const struct sn_cons_validator *vals, uint32_t n,
                       struct sn_cons_valset **ret)
{
    for (uint32_t i = 0; i < n; i++)
        if (vals[i].power == 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "validator %u: power 0", i);
    struct sn_cons_valset *s = alloc_set(0);
    if (!s) return SN_E_NOMEM;
    int r = sn_cons_valset_update(s, vals, n);
    if (r < 0) {
        sn_cons_valset_unref(s);
        return r;
    }
    if (s->n) sn_cons_valset_advance(s, 1);
    *ret = s;
    return 0;
}

static int check_one(const struct sn_cons_validator *v)
{
    uint8_t addr[SN_CONS_ADDR_LEN];
    int r = sn_cons_key_addr(&v->key, addr);
    if (r < 0) return r;
    if (memcmp(addr, v->addr, sizeof(addr)) != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "address is not that of the public key");
    if (v->power < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "power %lld is negative", (long long)v->power);
    return 0;
}

int sn_cons_valset_check(struct sn_cons_valset *s)
{
    if (s->n == 0) return sn_fail(SN_E_INVALID_ARGUMENT, "validator set is empty");
    __int128 total = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        int r = check_one(&s->vals[i]);
        if (r < 0) return sn_wrap(r, "validator %u", i);
        total += s->vals[i].power;
    }
    if (total > SN_CONS_POWER_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, "total voting power is above %lld",
                       (long long)SN_CONS_POWER_MAX);
    s->total = (int64_t)total;
    if (!s->has_proposer) return sn_fail(SN_E_INVALID_ARGUMENT, "validator set has no proposer");
    int r = check_one(&s->proposer);
    if (r < 0) return sn_wrap(r, "proposer");
    if (sn_cons_valset_find(s, s->proposer.addr) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proposer is not in the validator set");
    return 0;
}
