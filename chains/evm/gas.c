/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas.c - the gas estimator: static stage, simulation, alignment. gas.h says what comes out. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/enc.h"
#include "core/status.h"
#include "evm/gas_int.h"

#define COVERAGE_DEFAULT 0.95
#define NEAR_PERMILLE 12u /* "within 1.2 %" */
#define LATER_S 60u /* a simulated clock runs ahead: does the call look at the time? */
#define ROUNDS_MAX 3u /* of raising the limit until it suffices for every scene */
/* Without scenes: a slot that others wrote or cleared meanwhile changes one write's price by the
 * first and its refund by the second (EIP-2200, 3529). */
#define SLOT_FIRST 17100u
#define SLOT_REFUND 4800u
/* With scenes and blocks to come: for what none of the simulated orders shows, of what is used. */
#define UNSEEN_PERCENT 3u

/* What is known about a class before its history: shares within 1.2 %, from bench/gas.sh. */
static const double near_alone[] = {1, 0.99, 0.98, 0.98, 0.9, 0.99};

struct work {
    struct sn_eth_rpc *rpc;
    const struct sn_gas_call *call;
    struct sn_arena *a;
    struct sn_gas_estimate *ret;
    struct sn_str block;
    enum sn_gas_method only;
    unsigned drift;
    bool quick;
    /* The newest block, its clock, the most gas a transaction may ask for, its state root. */
    uint64_t newest, time, cap;
    struct sn_str state;
    struct gas_pasts *pasts;
    struct gas_probe scenes[GAS_PROBES_MAX]; /* [0]: nobody comes first */
    unsigned n_scenes;
};

static void reason(struct work *w, const char *fmt, ...) SN_PRINTF(2, 3);
static void reason(struct work *w, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    if (w->ret->n_reasons == SN_GAS_REASONS_MAX) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct sn_str s = sn_arena_str(w->a, sn_str(text));
    if (s.ptr) w->ret->reasons[w->ret->n_reasons++] = s;
}

/* ---- static stage ---- */

/* bytes_of - decodes a field of the call; `what` names it. */
static int bytes_of(struct work *w, struct sn_str hex, const char *what, struct sn_str *ret)
{
    *ret = SN_STR("");
    if (!hex.len) return 0;
    if (hex.len < 2 || hex.ptr[0] != '0' || (hex.ptr[1] | 0x20) != 'x')
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: \"0x...\" expected", what);
    char *out = sn_arena_alloc(w->a, hex.len / 2);
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_hex_decode(sn_str_of(hex.ptr + 2, hex.len - 2), out);
    if (n < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: an even number of hex digits expected", what);
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}
static int address_ok(struct work *w, struct sn_str hex, const char *what)
{
    struct sn_str bytes;
    int r = bytes_of(w, hex, what, &bytes);
    if (r >= 0 && bytes.len != 0 && bytes.len != 20)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: 20 bytes expected, %zu given", what, bytes.len);
    return r;
}
static int count_list(struct work *w, struct sn_str json, const char *what, uint64_t *ret,
                      uint64_t *ret_keys)
{
    const struct sn_json *list;
    *ret = 0;
    if (!json.len) return 0;
    int r = sn_json_parse(w->a, json, NULL, &list);
    if (r < 0) return sn_wrap(SN_E_INVALID_ARGUMENT, "%s", what);
    if (!sn_json_is(list, SN_JSON_ARRAY))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: array expected", what);
    *ret = sn_json_len(list);
    for (size_t i = 0; ret_keys && i < *ret; i++)
        *ret_keys += sn_json_len(sn_json_get(sn_json_at(list, i), "storageKeys"));
    return 0;
}
static int static_stage(struct work *w)
{
    struct sn_gas_shape shape = {.create = !w->call->to.len};
    struct sn_str value, code;
    const struct sn_json *v;
    int r = address_ok(w, w->call->from, "from");
    if (r >= 0) r = address_ok(w, w->call->to, "to");
    if (r >= 0) r = bytes_of(w, w->call->data, "data", &shape.data);
    if (r >= 0)
        r = count_list(w, w->call->access_list, "access list", &shape.access_addresses,
                       &shape.access_keys);
    if (r >= 0)
        r = count_list(w, w->call->authorization_list, "authorization list", &shape.authorizations,
                       NULL);
    if (r < 0) return r;
    value = w->call->value;
    if (value.len && (value.len < 3 || value.ptr[0] != '0' || (value.ptr[1] | 0x20) != 'x'))
        return sn_fail(SN_E_INVALID_ARGUMENT, "value: \"0x...\" expected");
    w->ret->intrinsic = sn_gas_intrinsic(&shape);
    w->ret->floor = sn_gas_floor(&shape);
    w->ret->class = SN_GAS_CREATION;
    if (shape.create) return 0;
    r = sn_eth_call(w->rpc, w->a, &v, NULL, "eth_getCode", "[\"%.*s\",\"latest\"]",
                    SN_STR_ARG(w->call->to));
    if (r >= 0) r = bytes_of(w, sn_json_str(v), "eth_getCode", &code);
    if (r < 0) return r;
    /* A delegated account (EIP-7702) or a minimal proxy is what it calls: nested. */
    w->ret->class =
        sn_str_starts(code, SN_STR("\xef\x01\x00")) ? SN_GAS_NESTED : sn_gas_classify(code);
    return 0;
}

/* ---- simulation ---- */

static int look_at_newest(struct work *w)
{
    const struct sn_json *b;
    int r = sn_eth_call(w->rpc, w->a, &b, NULL, "eth_getBlockByNumber", "[\"latest\",false]");
    if (r >= 0) r = sn_eth_quantity(sn_json_get(b, "number"), "block number", &w->newest);
    if (r >= 0) r = sn_eth_quantity(sn_json_get(b, "timestamp"), "block timestamp", &w->time);
    if (r >= 0) r = sn_eth_quantity(sn_json_get(b, "gasLimit"), "block gasLimit", &w->cap);
    if (r < 0) return r;
    w->cap = SN_MIN(w->cap, (uint64_t)SN_GAS_TX_MAX);
    w->state = sn_json_str(sn_json_get(b, "stateRoot"));
    return 0;
}
/* first_probes - tries the methods from the best down until one is there. */
static int first_probes(struct work *w)
{
    static const enum sn_gas_method order[] = {SN_GAS_SIMULATE, SN_GAS_TRACE, SN_GAS_BISECT};
    int r = SN_E_UNIMPLEMENTED;
    for (size_t i = 0; i < SN_COUNT_OF(order); i++) {
        struct gas_probe plain = {.call = w->call, .block = w->block};
        if (w->only && w->only != order[i]) continue;
        w->ret->method = order[i];
        if (order[i] == SN_GAS_BISECT) plain.gas = w->cap;
        r = gas_scenes(&plain, w->time + LATER_S, w->drift, w->pasts, w->a, w->scenes);
        if (r < 0) return r;
        w->n_scenes = order[i] == SN_GAS_SIMULATE ? (unsigned)r : order[i] == SN_GAS_TRACE ? 2 : 1;
        r = gas_probe(w->rpc, order[i], w->scenes, w->n_scenes, w->a);
        if (r >= 0) return 0;
        if (r != SN_E_UNIMPLEMENTED && r != SN_E_INVALID_ARGUMENT && r != SN_E_NOT_FOUND &&
            r != SN_E_UNKNOWN)
            return r;
        if (!w->only && order[i] != SN_GAS_BISECT)
            reason(w, "the node has no %s",
                   order[i] == SN_GAS_SIMULATE ? "eth_simulateV1" : "debug_traceCall");
    }
    return sn_wrap(r, "no way to simulate the call");
}
/* drop_failed - an order in which the call fails says nothing about its gas. */
static void drop_failed(struct work *w)
{
    unsigned n = 1, failed = 0;
    if (w->n_scenes > 1 && !w->scenes[1].ok)
        reason(w, "fails when included %u s later: %.*s", LATER_S, SN_STR_ARG(w->scenes[1].error));
    for (unsigned i = 1; i < w->n_scenes; i++) {
        failed += !w->scenes[i].ok && i > 1;
        if (w->scenes[i].ok) w->scenes[n++] = w->scenes[i];
    }
    if (failed) reason(w, "fails in %u of %u simulated orders", failed, w->n_scenes - 2);
    w->n_scenes = n;
}
/* dearest - the scene that used the most. */
static const struct gas_probe *dearest(const struct gas_probe *p, unsigned n)
{
    const struct gas_probe *most = p;
    for (unsigned i = 1; i < n; i++)
        if (p[i].used > most->used) most = &p[i];
    return most;
}
static int least_limit(struct work *w, const struct gas_probe *scene, uint64_t *ret)
{
    struct sn_gas_estimate *e = w->ret;
    uint64_t base = e->method == SN_GAS_BISECT ? SN_MAX(e->intrinsic, e->floor)
                                               : SN_MAX(scene->used, e->floor);
    bool looks = e->class == SN_GAS_METERED && !w->quick;
    uint64_t least = looks ? SN_MIN(SN_MAX(e->intrinsic, e->floor), base) : base;
    int r = gas_least_limit(w->rpc, e->method, scene, least, base, w->cap, w->a, ret);
    if (r == 1) reason(w, "no limit up to %llu succeeds", (unsigned long long)w->cap);
    return r < 0 ? r : 0;
}
/* limit_stage - the least limit of the dearest scene, raised until it suffices for all of them.
 * The scenes are then those with that limit: a program may look at its gas. */
static int limit_stage(struct work *w)
{
    struct gas_probe *with = SN_ARENA_ARRAY(w->a, struct gas_probe, GAS_PROBES_MAX);
    struct gas_probe *failed = SN_ARENA_ARRAY(w->a, struct gas_probe, GAS_PROBES_MAX);
    uint64_t limit = 0, need;
    if (!with || !failed) return SN_E_NOMEM;
    int r = least_limit(w, dearest(w->scenes, w->n_scenes), &limit);
    for (unsigned round = 0; r >= 0 && round < ROUNDS_MAX; round++) {
        unsigned n = 0;
        memcpy(with, w->scenes, w->n_scenes * sizeof *with);
        for (unsigned i = 0; i < w->n_scenes; i++) with[i].gas = limit;
        if ((r = gas_probe(w->rpc, w->ret->method, with, w->n_scenes, w->a)) < 0) return r;
        for (unsigned i = 0; i < w->n_scenes; i++)
            if (!with[i].ok) failed[n++] = w->scenes[i];
        if (!n) {
            memcpy(w->scenes, with, w->n_scenes * sizeof *with);
            break;
        }
        if ((r = least_limit(w, dearest(failed, n), &need)) < 0) return r;
        limit = SN_MAX(limit, need);
    }
    w->ret->limit_min = limit;
    return r;
}
/* interval_stage - from the cheapest to the dearest scene, and 1.2 % around. */
static void interval_stage(struct work *w)
{
    struct sn_gas_estimate *e = w->ret;
    uint64_t low = w->scenes[0].used, high = dearest(w->scenes, w->n_scenes)->used;
    e->scenes = w->n_scenes;
    e->limit = e->limit_min;
    e->used = low;
    if (e->method == SN_GAS_BISECT) { /* a fifth is refunded at most, a 64th stays at calls */
        e->used = high = e->limit_min;
        low = high - high / 5 - high / 32;
        reason(w, "by bisection: refunds cannot be seen");
    }
    for (unsigned i = 1; i < w->n_scenes; i++) low = SN_MIN(low, w->scenes[i].used);
    uint64_t around = e->used * NEAR_PERMILLE / 1000;
    e->steady = e->method != SN_GAS_BISECT && low + around >= e->used && high <= e->used + around;
    if (e->used == SN_MAX(e->intrinsic, e->floor) && w->call->data.len <= 2) {
        e->steady = true; /* no instruction ran: nothing can move */
    } else {
        low -= low * NEAR_PERMILLE / 1000;
        high += (high * NEAR_PERMILLE + 999) / 1000;
        if (w->drift && e->method != SN_GAS_SIMULATE) {
            low -= SN_MIN(low, SLOT_FIRST + SLOT_REFUND);
            high += SLOT_FIRST;
            e->limit += SLOT_FIRST;
            e->steady = false;
            reason(w, "what others do first cannot be simulated here: one slot's price for it");
        } else if (w->drift) {
            e->limit += e->used * UNSEEN_PERCENT / 100;
        }
    }
    e->limit = SN_MAX(SN_MIN(e->limit, w->cap), SN_MAX(e->limit_min, e->floor));
    e->used_low = SN_MIN(SN_MAX(low, e->floor), e->used);
    e->used_high = SN_MAX(SN_MIN(high, e->limit), e->used);
    if (w->n_scenes > 2 && !e->steady)
        reason(w, "%u simulated orders: gas used from %llu to %llu", w->n_scenes,
               (unsigned long long)e->used_low, (unsigned long long)e->used_high);
}
static int simulate_stage(struct work *w)
{
    int r = first_probes(w);
    if (r < 0) return r;
    w->ret->used = w->ret->used_low = w->ret->used_high = w->scenes[0].used;
    w->ret->reverts = !w->scenes[0].ok;
    if (w->ret->reverts) {
        w->ret->revert_data = w->scenes[0].output;
        reason(w, "the call fails: %.*s", SN_STR_ARG(w->scenes[0].error));
        return 0;
    }
    drop_failed(w);
    r = limit_stage(w);
    if (r >= 0) interval_stage(w);
    return r;
}

/* ---- alignment ---- */

int gas_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
/* conformal - bounds that hold for the next residual with the coverage, as far as n allows. */
static void conformal(struct gas_residuals *h, double coverage, double *ret_low, double *ret_high)
{
    double tail = (1 - coverage) / 2;
    qsort(h->ratio, h->n, sizeof *h->ratio, gas_by_value);
    size_t low = (size_t)floor((double)(h->n + 1) * tail);
    size_t high = (size_t)ceil((double)(h->n + 1) * (1 - tail));
    *ret_low = h->ratio[low ? low - 1 : 0];
    *ret_high = h->ratio[SN_MIN(SN_MAX(high, 1u), (size_t)h->n) - 1];
}
static double confidence_of(const struct work *w, const struct gas_residuals *h)
{
    double prior = w->ret->steady ? near_alone[w->ret->class] : 0.7, near = 0;
    for (unsigned i = 0; i < h->n; i++) near += fabs(h->ratio[i] - 1) <= NEAR_PERMILLE / 1000.0;
    double p = (near + 10 * prior) / (h->n + 10.0); /* the class counts as much as ten of them */
    return w->ret->method == SN_GAS_BISECT && w->ret->class != SN_GAS_TRANSFER ? fmin(p, 0.5) : p;
}
/* align_stage - earlier transactions of the kind widen interval and limit by what they moved. */
static void align_stage(struct work *w, struct gas_residuals *h, double coverage)
{
    struct sn_gas_estimate *e = w->ret;
    double low, high;
    e->confidence = confidence_of(w, h);
    e->samples = h->n;
    if (!h->n) return;
    conformal(h, coverage, &low, &high);
    reason(w, "%u earlier transactions of this kind: gas used over simulated from %.4f to %.4f",
           h->n, h->ratio[0], h->ratio[h->n - 1]);
    uint64_t by_high = (uint64_t)ceil((double)e->used * fmin(high, 100));
    e->used_low = SN_MIN(e->used_low, SN_MAX((uint64_t)floor((double)e->used * low), e->floor));
    e->used_high = SN_MAX(e->used_high, by_high);
    /* On this very state the limit that was found suffices, whatever moved earlier ones; and a few
     * of them, from a contract's first days, say little about a limit. */
    if (w->drift && h->n >= GAS_RESIDUALS_ENOUGH)
        e->limit = SN_MAX(e->limit, SN_MIN(by_high, w->cap));
    e->used_high = SN_MIN(e->used_high, e->limit);
}
/* try_once - everything that depends on the state. */
static int try_once(struct work *w, const struct sn_gas_opts *o, struct gas_residuals *h)
{
    bool replay = !o->no_history && !o->quick;
    int r = 0;
    h->n = 0;
    *w->pasts = (struct gas_pasts){0};
    if (!o->no_history && (replay || w->drift))
        r = gas_pasts(w->rpc, w->call, w->newest,
                      o->quick ? SN_GAS_QUICK_BLOCKS : SN_GAS_HISTORY_BLOCKS,
                      o->quick ? SN_GAS_QUICK_TXS : SN_GAS_HISTORY_TXS_MAX, w->a, w->pasts);
    if (r >= 0) r = simulate_stage(w);
    if (r < 0 || w->ret->reverts || !replay) return r;
    r = gas_residuals(w->rpc, w->ret->method, w->call, w->drift, w->pasts, w->a, h);
    if (r < 0) { /* pruned or private history: the scenes have to do */
        reason(w, "no history: %s", sn_status_name(r));
        h->n = 0;
    }
    return 0;
}

int sn_gas_estimate(struct sn_eth_rpc *rpc, const struct sn_gas_call *call,
                    const struct sn_gas_opts *opts, struct sn_arena *a, struct sn_gas_estimate *ret)
{
    static const struct sn_gas_opts defaults;
    const struct sn_gas_opts *o = opts ? opts : &defaults;
    double coverage = o->coverage > 0 ? o->coverage : COVERAGE_DEFAULT;
    struct sn_gas_estimate e = {0};
    struct work *w = SN_ARENA_ARRAY(a, struct work, 1);
    struct gas_residuals *h = SN_ARENA_ARRAY(a, struct gas_residuals, 1);
    struct gas_pasts *pasts = SN_ARENA_ARRAY(a, struct gas_pasts, 1);
    if (!w || !h || !pasts) return SN_E_NOMEM;
    if (coverage >= 1) return sn_fail(SN_E_INVALID_ARGUMENT, "coverage: below 1 expected");
    *w = (struct work){.rpc = rpc,
                       .call = call,
                       .a = a,
                       .ret = &e,
                       .only = o->only,
                       .drift = o->drift_blocks,
                       .quick = o->quick,
                       .pasts = pasts,
                       .block = o->block.len ? o->block : SN_STR("pending")};
    int r = static_stage(w);
    if (r >= 0) r = look_at_newest(w);
    for (unsigned tries = 0; r >= 0; tries++) { /* the look after a try is the one before the next */
        struct sn_str before = w->state;
        unsigned n_reasons = e.n_reasons;
        if ((r = try_once(w, o, h)) < 0) break;
        if ((r = look_at_newest(w)) < 0 || sn_str_eq(before, w->state)) break;
        e.retries = tries;
        if (tries == SN_GAS_RETRIES_MAX) break;
        e.retries = tries + 1;
        e.n_reasons = n_reasons;
    }
    if (r < 0) return sn_wrap(r, "gas estimate");
    if (!e.reverts) align_stage(w, h, coverage);
    if (e.retries == SN_GAS_RETRIES_MAX) {
        reason(w, "the state moved during each of the tries");
        e.confidence = fmin(e.confidence, 0.5);
    }
    *ret = e;
    return 0;
}
