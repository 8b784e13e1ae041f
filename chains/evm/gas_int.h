/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas_int.h - the pieces of the gas estimator. */
#pragma once
#include <stdio.h>

#include "core/buf.h"
#include "evm/gas.h"

#define GAS_PROBES_MAX 24u /* of one question */
#define GAS_RESIDUALS_ENOUGH 20u /* for a 95 % bound on one side; fewer do not narrow a class's width */

/* One try of a call. */
struct gas_probe {
    const struct sn_gas_call *call;
    struct sn_str block; /* tag or "0x..." */
    uint64_t gas;        /* limit; 0 = the node's */
    uint64_t time;       /* of the simulated block, seconds; 0 = the node's */
    /* The answer. */
    bool ok;
    uint64_t used;               /* gasUsed of a receipt; 0 where the method does not tell */
    struct sn_str error, output; /* where it failed: why, and the returned "0x..." */
};
/* gas_probe - n tries in one batch. Returns 0; what sn_eth_status says of an error that is not the
 * call's own (method not there, block unknown); else as sn_eth_batch. Owns: texts are the arena's.
 */
int gas_probe(struct sn_eth_rpc *rpc, enum sn_gas_method method, struct gas_probe *probes, size_t n,
              struct sn_arena *a) SN_MUST_CHECK;

static inline void gas_write_quantity(struct sn_jsonw *w, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "0x%llx", (unsigned long long)v);
    sn_jsonw_str(w, sn_str_of(text, (size_t)n));
}
/* gas_text_is_out_of_gas - whether an error's text says that more gas might have helped. */
bool gas_text_is_out_of_gas(struct sn_str text);

/* Residuals: what earlier transactions of the same kind used over what was simulated for them. */
struct gas_residuals {
    double ratio[SN_GAS_HISTORY_TXS_MAX];
    unsigned n;
};
/* gas_history - finds transactions to the same contract and method in the last blocks and simulates
 * each on the state `drift` blocks before its own. Returns 0 (also with none found), else as
 * sn_eth_batch. */
int gas_history(struct sn_eth_rpc *rpc, enum sn_gas_method method, const struct sn_gas_call *call,
                unsigned drift, uint64_t newest, struct sn_arena *a,
                struct gas_residuals *ret) SN_MUST_CHECK;
/* gas_by_value - orders doubles for qsort. */
int gas_by_value(const void *a, const void *b);
