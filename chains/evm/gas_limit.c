/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas_limit.c - the least gas limit at which a call succeeds. */
#include "core/status.h"
#include "evm/gas_int.h"

#define BELOW 5u /* rungs below what the call uses with plenty */

/* rungs - tries all limits in one batch: the first from which on all succeed - and, below `base`,
 * return what they return with more -, n where the last does not. */
static int rungs(struct sn_eth_rpc *rpc, enum sn_gas_method method, const struct gas_probe *try,
                 uint64_t base, const uint64_t *gas, unsigned n, struct sn_arena *a)
{
    struct gas_probe *p = SN_ARENA_ARRAY(a, struct gas_probe, n);
    if (!p) return SN_E_NOMEM;
    for (unsigned i = 0; i < n; i++) {
        p[i] = *try;
        p[i].gas = gas[i];
    }
    int r = gas_probe(rpc, method, p, n, a);
    if (r < 0) return r;
    unsigned first = n;
    while (first > 0 && p[first - 1].ok &&
           (gas[first - 1] >= base || sn_str_eq(p[first - 1].output, try->output)))
        first--;
    return (int)first;
}
int gas_least_limit(struct sn_eth_rpc *rpc, enum sn_gas_method method, const struct gas_probe *try,
                    uint64_t least, uint64_t base, uint64_t cap, struct sn_arena *a, uint64_t *ret)
{
    /* In per cent: a 64th for each nested call, a quarter for a refund at its cap, loops. */
    static const uint16_t ladder[] = {0,  1,  2,  4,  6,  8,  12, 16,  20,
                                      25, 28, 34, 50, 75, 100, 300, 1000};
    uint64_t gas[BELOW + SN_COUNT_OF(ladder) + 1], low, high;
    unsigned n = 0;
    base = SN_MIN(base, cap);
    for (; n < BELOW && least < base; n++) gas[n] = least + (base - least) * n / BELOW;
    for (size_t i = 0; i < SN_COUNT_OF(ladder); i++)
        gas[n++] = SN_MIN(base + base * ladder[i] / 100, cap);
    gas[n++] = cap;
    int first = rungs(rpc, method, try, base, gas, n, a);
    if (first < 0) return first;
    *ret = cap;
    if ((unsigned)first == n) return 1;
    high = gas[first];
    low = first ? gas[first - 1] : high;
    /* Each round divides the bracket by 16: three or four of them. */
    while (high - low > 1) {
        for (n = 0; n < 15; n++) gas[n] = low + (high - low) * (n + 1) / 16;
        if ((first = rungs(rpc, method, try, base, gas, n, a)) < 0) return first;
        high = (unsigned)first < n ? gas[first] : high;
        low = first ? gas[first - 1] : low;
    }
    *ret = high;
    return 0;
}
