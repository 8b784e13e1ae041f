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
#define NEAR 0.012 /* "within 1.2 %" */
#define CODE_BYTES_MAX (64u << 10)
#define LATER_S 60u /* simulated clocks that run ahead: does the call look at the time? */
#define MUCH_LATER_S 3600u

/* What is known about a class before its history: from the corpus of bench/gas.sh. */
static const struct {
    double width;      /* of the interval, both ways, at drift 0 */
    double drift;      /* added for each block of drift, growing with the root */
    double margin;     /* on the limit, at drift 0 */
    double near;       /* share within 1.2 % at drift 0 */
    double near_drift; /* with drift */
} classes[] = {
    [SN_GAS_TRANSFER] = {0, 0, 0, 1, 1},
    [SN_GAS_PLAIN] = {0.012, 0.01, 0, 0.99, 0.97},
    [SN_GAS_STATEFUL] = {0.012, 0.04, 0, 0.98, 0.8},
    [SN_GAS_NESTED] = {0.02, 0.04, 0.002, 0.97, 0.9},
    [SN_GAS_METERED] = {0.1, 0.1, 0.05, 0.8, 0.6},
    [SN_GAS_CREATION] = {0.012, 0.01, 0, 0.99, 0.97},
};

struct work {
    struct sn_eth_rpc *rpc;
    const struct sn_gas_call *call;
    struct sn_arena *a;
    struct sn_gas_estimate *ret;
    struct sn_str block;
    enum sn_gas_method only;
    uint64_t newest, time,
        cap;             /* newest block, its clock, the most gas a transaction may ask for */
    struct sn_str state; /* its state root (or hash) */
    double moved;        /* how far `used` moved when the clock ran ahead, relative */
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
/* first_probe - tries the methods from the best down until one is there; with it, the clock ahead.
 */
static int first_probe(struct work *w, struct gas_probe probes[3])
{
    static const enum sn_gas_method order[] = {SN_GAS_SIMULATE, SN_GAS_TRACE, SN_GAS_BISECT};
    int r = SN_E_UNIMPLEMENTED;
    for (size_t i = 0; i < SN_COUNT_OF(order); i++) {
        if (w->only && w->only != order[i]) continue;
        for (unsigned k = 0; k < 3; k++)
            probes[k] = (struct gas_probe){.call = w->call,
                                           .block = w->block,
                                           .gas = order[i] == SN_GAS_BISECT ? w->cap : 0};
        probes[1].time = w->time + LATER_S;
        probes[2].time = w->time + MUCH_LATER_S;
        r = gas_probe(w->rpc, order[i], probes, order[i] == SN_GAS_BISECT ? 1 : 3, w->a);
        w->ret->method = order[i];
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
static void clock_stage(struct work *w, const struct gas_probe probes[3])
{
    if (w->ret->method == SN_GAS_BISECT) return;
    for (unsigned k = 1; k < 3; k++) {
        if (!probes[k].ok) {
            reason(w, "fails when included %u s later: %.*s", k == 1 ? LATER_S : MUCH_LATER_S,
                   SN_STR_ARG(probes[k].error));
            continue;
        }
        double d = ((double)probes[k].used - (double)probes[0].used) / (double)probes[0].used;
        w->moved = fmax(w->moved, fabs(d));
    }
    if (w->moved > 0) reason(w, "depends on the block's time: %.2f %%", 100 * w->moved);
}
/* rung - try them all in one batch: the first that succeeds, n where none does. */
static int rungs(struct work *w, const uint64_t *gas, unsigned n, unsigned *ret_first)
{
    struct gas_probe *p = SN_ARENA_ARRAY(w->a, struct gas_probe, n);
    if (!p) return SN_E_NOMEM;
    for (unsigned i = 0; i < n; i++)
        p[i] = (struct gas_probe){.call = w->call, .block = w->block, .gas = gas[i]};
    int r = gas_probe(w->rpc, w->ret->method, p, n, w->a);
    if (r < 0) return r;
    *ret_first = n;
    for (unsigned i = n; i-- > 0 && p[i].ok;) *ret_first = i; /* above it all succeed */
    return 0;
}
/* limit_stage - the least limit that succeeds: a ladder above `used`, then the rung divided. */
static int limit_stage(struct work *w)
{
    static const uint16_t ladder[] = {0,  1,  2,  4,  6,  8,   12,  16,  20,
                                      25, 28, 34, 50, 75, 100, 300, 1000};
    uint64_t base = w->ret->method == SN_GAS_BISECT ? SN_MAX(w->ret->intrinsic, w->ret->floor)
                                                    : SN_MAX(w->ret->used, w->ret->floor);
    uint64_t gas[SN_COUNT_OF(ladder) + 1], low = base, high;
    unsigned first, n = 0;
    for (; n < SN_COUNT_OF(ladder); n++) gas[n] = SN_MIN(base + base * ladder[n] / 100, w->cap);
    gas[n++] = w->cap;
    int r = rungs(w, gas, n, &first);
    if (r < 0) return r;
    if (first == n) {
        reason(w, "no limit up to %llu succeeds", (unsigned long long)w->cap);
        w->ret->limit_min = w->cap;
        return 0;
    }
    high = gas[first];
    low = first ? gas[first - 1] : high;
    /* Each round divides the bracket by 16; 0.1 % is finer than any drift. */
    while (high - low > 1 + high / 1000) {
        for (n = 0; n < 15; n++) gas[n] = low + (high - low) * (n + 1) / 16;
        if ((r = rungs(w, gas, n, &first)) < 0) return r;
        high = first < n ? gas[first] : high;
        low = first ? gas[first - 1] : low;
    }
    w->ret->limit_min = high;
    return 0;
}
/* bisected_used - without gasUsed only bounds are known: refunds are at most a fifth, and the 64ths
 * kept back at nested calls are not spent. */
static void bisected_used(struct work *w)
{
    w->ret->used = w->ret->limit_min;
    w->ret->used_high = w->ret->limit_min;
    w->ret->used_low =
        SN_MAX(w->ret->floor, w->ret->limit_min - w->ret->limit_min / 5 - w->ret->limit_min / 32);
    reason(w, "by bisection: refunds cannot be seen");
}
static int simulate_stage(struct work *w)
{
    struct gas_probe *probes = SN_ARENA_ARRAY(w->a, struct gas_probe, 3);
    if (!probes) return SN_E_NOMEM;
    w->moved = 0;
    int r = first_probe(w, probes);
    if (r < 0) return r;
    w->ret->used = w->ret->used_low = w->ret->used_high = probes[0].used;
    w->ret->reverts = !probes[0].ok;
    if (w->ret->reverts) {
        w->ret->revert_data = probes[0].output;
        reason(w, "the call fails: %.*s", SN_STR_ARG(probes[0].error));
        return 0;
    }
    clock_stage(w, probes);
    r = limit_stage(w);
    if (r >= 0 && w->ret->method == SN_GAS_BISECT) bisected_used(w);
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
/* A slot that others wrote or cleared meanwhile changes one write's price by the first and its
 * refund by the second (EIP-2200, 3529). */
#define SLOT_FIRST 17100u
#define SLOT_REFUND 4800u

static bool others_matter(const struct sn_gas_estimate *e, unsigned drift)
{
    return drift > 0 && e->class != SN_GAS_TRANSFER && e->class != SN_GAS_CREATION;
}
/* spread - the interval's bounds relative to `used`, and what earlier ones reached above it. */
static void spread(struct work *w, struct gas_residuals *h, unsigned drift, double coverage,
                   double *ret_low, double *ret_high, double *ret_seen)
{
    double seen_low, width = classes[w->ret->class].width + w->moved;
    width += classes[w->ret->class].drift * sqrt(drift);
    *ret_low = 1 - width, *ret_high = 1 + width, *ret_seen = 1;
    if (!h->n) return;
    conformal(h, coverage, &seen_low, ret_seen);
    bool enough = h->n >= GAS_RESIDUALS_ENOUGH;
    *ret_low = enough ? fmin(seen_low, 1 - w->moved) : fmin(seen_low, *ret_low);
    *ret_high = enough ? fmax(*ret_seen, 1 + w->moved) : fmax(*ret_seen, *ret_high);
    reason(w, "%u earlier transactions of this kind: gas used over simulated from %.4f to %.4f",
           h->n, h->ratio[0], h->ratio[h->n - 1]);
}
static double confidence_of(struct work *w, const struct gas_residuals *h, unsigned drift)
{
    enum sn_gas_class c = w->ret->class;
    double prior = drift ? classes[c].near_drift : classes[c].near, near = 0;
    for (unsigned i = 0; i < h->n; i++) near += fabs(h->ratio[i] - 1) <= NEAR;
    double p = (near + 10 * prior) / (h->n + 10.0); /* the class counts as much as ten of them */
    bool vague = w->moved > NEAR || (w->ret->method == SN_GAS_BISECT && c != SN_GAS_TRANSFER);
    return vague ? fmin(p, 0.5) : p;
}
static void align_stage(struct work *w, struct gas_residuals *h, unsigned drift, double coverage)
{
    struct sn_gas_estimate *e = w->ret;
    double low, high, seen;
    uint64_t first = others_matter(e, drift) ? SLOT_FIRST : 0;
    uint64_t refund = first ? SLOT_FIRST + SLOT_REFUND : 0;
    spread(w, h, drift, coverage, &low, &high, &seen);
    e->confidence = confidence_of(w, h, drift);
    e->samples = h->n;
    if (e->method == SN_GAS_BISECT) low *= (double)e->used_low / (double)e->used;
    e->used_low = SN_MIN((uint64_t)floor((double)e->used * low), e->used - SN_MIN(refund, e->used));
    e->used_low = SN_MAX(e->used_low, SN_MIN(SN_MAX(e->floor, e->intrinsic), e->used));
    e->used_high = SN_MAX((uint64_t)ceil((double)e->used * high), e->used + first);
    double margin = 1 + classes[e->class].margin + w->moved + fmax(seen - 1, 0);
    if (drift) margin += classes[e->class].drift * sqrt(drift);
    e->limit = SN_MAX((uint64_t)ceil((double)e->limit_min * margin), e->limit_min + first);
    e->limit = SN_MAX(SN_MIN(e->limit, w->cap), SN_MAX(e->limit_min, e->floor));
}

int sn_gas_estimate(struct sn_eth_rpc *rpc, const struct sn_gas_call *call,
                    const struct sn_gas_opts *opts, struct sn_arena *a, struct sn_gas_estimate *ret)
{
    static const struct sn_gas_opts defaults;
    const struct sn_gas_opts *o = opts ? opts : &defaults;
    double coverage = o->coverage > 0 ? o->coverage : COVERAGE_DEFAULT;
    struct sn_gas_estimate e = {0};
    struct work w = {.rpc = rpc,
                     .call = call,
                     .a = a,
                     .ret = &e,
                     .only = o->only,
                     .block = o->block.len ? o->block : SN_STR("pending")};
    struct gas_residuals *h = SN_ARENA_ARRAY(a, struct gas_residuals, 1);
    if (!h) return SN_E_NOMEM;
    if (coverage >= 1) return sn_fail(SN_E_INVALID_ARGUMENT, "coverage: below 1 expected");
    int r = static_stage(&w);
    if (r < 0) return sn_wrap(r, "gas estimate");
    if (r >= 0) r = look_at_newest(&w);
    for (unsigned tries = 0; r >= 0; tries++) { /* the look after a try is the one before the next */
        struct sn_str before = w.state;
        unsigned n_reasons = e.n_reasons;
        if ((r = simulate_stage(&w)) < 0) break;
        if (!e.reverts && !o->no_history)
            r = gas_history(rpc, e.method, call, o->drift_blocks, w.newest, a, h);
        if (r < 0) { /* pruned or private history: the class's width has to do */
            reason(&w, "no history: %s", sn_status_name(r));
            h->n = 0;
            r = 0;
        }
        if ((r = look_at_newest(&w)) < 0 || sn_str_eq(before, w.state)) break;
        e.retries = tries;
        if (tries == SN_GAS_RETRIES_MAX) break;
        e.retries = tries + 1;
        e.n_reasons = n_reasons;
    }
    if (r < 0) return sn_wrap(r, "gas estimate");
    if (!e.reverts) align_stage(&w, h, o->drift_blocks, coverage);
    if (e.retries == SN_GAS_RETRIES_MAX) {
        reason(&w, "the state moved during each of the tries");
        e.confidence = fmin(e.confidence, 0.5);
    }
    *ret = e;
    return 0;
}
