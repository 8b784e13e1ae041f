/* SPDX-License-Identifier: Apache-2.0 */
/* evm/fees.c - fee suggestion from eth_feeHistory.
 *
 * Two unknowns: how far the base fee climbs until the last acceptable block, and which tip the
 * producers of those blocks take. Both are read off the history by sliding a window of that many
 * blocks over it - the windows that began as this one does: after a full block in a rush, after one
 * with room otherwise, so that a rush long past is not paid for now. The climb is the wanted
 * quantile of the windows' climbs (and never more than the protocol allows). The tip is a
 * percentile of what the newest block took: the lowest one that, by the same rule, enough windows
 * would have taken. A full block is held to take what reaches its tenth percentile: a tenth of its
 * gas tipped less and got in as well, so nine tenths of the wanted share are enough. */
#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"
#include "evm/gas_int.h"

#define BLOCKS_DEFAULT 3u
#define BLOCKS_MAX 64u
#define PROBABILITY_DEFAULT 0.95
#define STEP_MAX 1.125 /* EIP-1559: one eighth a block */
#define TIP_LOWEST 0.10 /* of the percentiles asked for: what a full block surely takes */
#define FULL_MIN 0.10  /* emptier blocks say nothing about tips */
#define ROOM_MAX 0.95  /* below this a block had room for anyone */
#define TIP_MIN 1u     /* wei: producers may refuse none at all */
#define CLIMB_SLACK 1.02
#define RULE_STEPS 4u   /* between two percentiles of tips */
#define RULES (SN_COUNT_OF(((struct sn_fee_block *)0)->tip) * RULE_STEPS)
#define WINDOWS_MIN 10u /* fewer say nothing about a share */

/* upper_quantile - of n values, so that a new one lies at or below it with probability p (split
 * conformal: rank ceil((n + 1) p), the largest where n is too small for p). Sorts v. */
static double upper_quantile(double *v, size_t n, double p)
{
    qsort(v, n, sizeof *v, gas_by_value);
    size_t rank = (size_t)ceil((double)(n + 1) * p);
    return v[SN_MIN(SN_MAX(rank, 1u), n) - 1];
}
static double climb_limit(unsigned blocks) { return pow(STEP_MAX, (double)(blocks - 1)); }

/* rush - a block without room: who tips less than others waits. */
static bool rush(const struct sn_fee_block *b) { return b->full >= ROOM_MAX; }
/* like_now - whether the window that starts at i began as the next one does. */
static bool like_now(const struct sn_fee_block *b, size_t n, size_t i)
{
    return i > 0 && rush(&b[i - 1]) == rush(&b[n - 1]);
}
/* climb_of - how much higher than the next base fee it may be in the last of `blocks` blocks. */
static double climb_of(const struct sn_fee_block *b, size_t n, unsigned blocks, double p,
                       double *work)
{
    size_t windows = 0;
    if (blocks == 1) return 1;
    for (size_t i = 0; i + blocks <= n; i++) {
        if (!like_now(b, n, i)) continue;
        /* Its highest block counts: only what is charged is paid, so room costs nothing. */
        double high = 1, first = (double)SN_MAX(b[i].base_fee, (uint64_t)1);
        for (size_t j = i; j < i + blocks; j++) high = fmax(high, (double)b[j].base_fee / first);
        work[windows++] = high;
    }
    if (windows < WINDOWS_MIN) return climb_limit(blocks);
    double climb = upper_quantile(work, windows, p) * CLIMB_SLACK;
    return fmin(climb, climb_limit(blocks));
}
/* taken - whether one of the window's blocks would have taken a transaction with this tip. */
static bool taken(const struct sn_fee_block *b, unsigned blocks, uint64_t tip)
{
    for (unsigned j = 0; j < blocks; j++)
        if (tip >= (rush(&b[j]) ? b[j].tip[0] : TIP_MIN)) return true;
    return false;
}
/* rule_tip - what the rule k says after block i: 0 the least that anyone takes, then up to the
 * percentiles of the last block up to i that says something about tips, RULE_STEPS for each. */
static uint64_t rule_tip(const struct sn_fee_block *b, size_t i, unsigned k, uint64_t least)
{
    if (k == 0) return least;
    unsigned above = (k - 1) / RULE_STEPS, step = (k - 1) % RULE_STEPS + 1;
    while (i > 0 && (b[i].full < FULL_MIN || b[i].tip[above] == 0)) i--;
    uint64_t low = SN_MAX(above ? b[i].tip[above - 1] : least, least);
    uint64_t high = SN_MAX(b[i].tip[above], low);
    uint64_t d = high - low;
    return low + d / RULE_STEPS * step + d % RULE_STEPS * step / RULE_STEPS;
}
/* rule_share - the share of the windows like this one that the rule would have been taken in. */
static double rule_share(const struct sn_fee_block *b, size_t n, unsigned blocks, unsigned k,
                         uint64_t least, size_t *ret_windows)
{
    size_t windows = 0, good = 0;
    for (size_t i = 1; i + blocks <= n; i++) {
        if (!like_now(b, n, i)) continue;
        windows++;
        good += taken(&b[i], blocks, rule_tip(b, i - 1, k, least));
    }
    *ret_windows = windows;
    return windows ? (double)good / (double)windows : 0;
}
/* tip_of - by the cheapest rule that enough windows would have taken; in a rush too new to have
 * windows, more than a quarter of the newest block tipped. */
static uint64_t tip_of(const struct sn_fee_block *b, size_t n, unsigned blocks, double p,
                       uint64_t hint, double *ret_share)
{
    uint64_t least = UINT64_MAX;
    size_t windows = 0;
    for (size_t i = 0; i < n; i++)
        if (b[i].full >= FULL_MIN && b[i].tip[0] > 0) least = SN_MIN(least, b[i].tip[0]);
    *ret_share = 0;
    if (least == UINT64_MAX) return SN_MAX(hint, (uint64_t)TIP_MIN); /* nobody tips, or says so */
    if (hint >= TIP_MIN) least = SN_MIN(least, hint);
    unsigned k = 0;
    do *ret_share = rule_share(b, n, blocks, k, least, &windows);
    while (windows >= WINDOWS_MIN && *ret_share < p && ++k < RULES);
    if (windows < WINDOWS_MIN) k = rush(&b[n - 1]) ? 2 * RULE_STEPS : RULE_STEPS;
    return rule_tip(b, n - 1, k, least);
}

static uint64_t scaled(uint64_t fee, double by)
{
    double v = ceil((double)fee * by);
    return v >= 1.8e19 ? UINT64_MAX / 2 : (uint64_t)v;
}
int sn_fees_from_history(const struct sn_fee_block *blocks, size_t n, uint64_t next_base,
                         uint64_t tip_hint, const struct sn_fee_opts *opts, struct sn_arena *a,
                         struct sn_fees *ret)
{
    unsigned want = opts && opts->blocks ? opts->blocks : BLOCKS_DEFAULT;
    double p = opts && opts->probability > 0 ? opts->probability : PROBABILITY_DEFAULT;
    if (want > BLOCKS_MAX || p >= 1)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "fees: 1 to %u blocks and a probability below 1 expected", BLOCKS_MAX);
    double *work = SN_ARENA_ARRAY(a, double, n + 1);
    if (!work) return SN_E_NOMEM;
    double share, climb = climb_of(blocks, n, want, p, work);
    uint64_t tip = tip_of(blocks, n, want, p * (1 - TIP_LOWEST), tip_hint, &share);
    *ret = (struct sn_fees){.priority_fee = tip,
                            .base_fee = next_base,
                            .base_fee_high = scaled(next_base, climb),
                            .blocks_seen = (unsigned)n,
                            .inclusion = share};
    ret->max_fee = ret->base_fee_high + SN_MIN(tip, UINT64_MAX - ret->base_fee_high);
    ret->reason =
        sn_arena_printf(a,
                        "%zu blocks%s: within %u blocks the base fee stayed below %.3f times the "
                        "next one's in %.0f %% of cases; a tip by this rule, now %llu wei, was "
                        "surely taken in %.1f %%",
                        n, n && rush(&blocks[n - 1]) ? ", the newest full" : "", want, climb,
                        100 * p, (unsigned long long)tip, 100 * share);
    return ret->reason.ptr ? 0 : SN_E_NOMEM;
}

/* ---- from a node ---- */

static int read_history(const struct sn_json *h, struct sn_arena *a, struct sn_fee_block **ret,
                        size_t *ret_n, uint64_t *ret_next)
{
    const struct sn_json *base = sn_json_get(h, "baseFeePerGas"),
                         *full = sn_json_get(h, "gasUsedRatio");
    const struct sn_json *reward = sn_json_get(h, "reward");
    size_t n = sn_json_len(full);
    if (!sn_json_is(base, SN_JSON_ARRAY) || sn_json_len(base) != n + 1 || n > 1024)
        return sn_fail(SN_E_PROTOCOL,
                       "eth_feeHistory: %zu ratios and one base fee more expected, %zu came", n,
                       sn_json_len(base));
    struct sn_fee_block *b = SN_ARENA_ARRAY(a, struct sn_fee_block, n + 1);
    if (!b) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        int r = sn_eth_quantity(sn_json_at(base, i), "baseFeePerGas", &b[i].base_fee);
        if (r < 0) return r;
        b[i].full = sn_json_double_or(sn_json_at(full, i), 0);
        const struct sn_json *tips = sn_json_at(reward, i);
        for (size_t k = 0; k < SN_MIN(sn_json_len(tips), SN_COUNT_OF(b[i].tip)); k++)
            if ((r = sn_eth_quantity(sn_json_at(tips, k), "reward", &b[i].tip[k])) < 0) return r;
    }
    int r = sn_eth_quantity(sn_json_at(base, n), "baseFeePerGas", ret_next);
    *ret = b;
    *ret_n = n;
    return r;
}
int sn_fees_suggest(struct sn_eth_rpc *rpc, const struct sn_fee_opts *opts, struct sn_arena *a,
                    struct sn_fees *ret)
{
    const struct sn_json *history, *hint;
    struct sn_fee_block *b = NULL;
    uint64_t next = 0, tip = 0;
    size_t n = 0;
    int r = sn_eth_call(rpc, a, &history, NULL, "eth_feeHistory",
                        "[\"0x%x\",\"latest\",[10,25,50,75,90]]", SN_GAS_HISTORY_BLOCKS);
    if (r >= 0) r = read_history(history, a, &b, &n, &next);
    if (r < 0) return r;
    /* Only a hint: nodes without it are fine. */
    if (sn_eth_call(rpc, a, &hint, NULL, "eth_maxPriorityFeePerGas", "[]") >= 0 &&
        sn_eth_quantity(hint, "eth_maxPriorityFeePerGas", &tip) < 0)
        tip = 0;
    return sn_fees_from_history(b, n, next, tip, opts, a, ret);
}
