/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas_int.h - the pieces of the gas estimator. */
#pragma once
#include <stdio.h>

#include "core/buf.h"
#include "evm/gas.h"

#define GAS_PROBES_MAX 48u       /* of one question */
#define GAS_WORDS_MAX 4u         /* of arguments that are tried with other values */
#define GAS_RESIDUALS_ENOUGH 20u /* for a 95 % bound on one side: fewer move no limit */

/* One try of a call. */
struct gas_probe {
    const struct sn_gas_call *call;
    const struct sn_gas_call *before; /* mined first, in a block of its own; NULL: nothing */
    unsigned repeat;                  /* of `before`; 0 counts as 1 */
    struct sn_str block;              /* tag or "0x..." */
    uint64_t gas;                     /* limit; 0 = the node's */
    uint64_t time;                    /* of the simulated block, seconds; 0 = the node's */
    /* The answer. */
    bool ok;
    uint64_t used;               /* gasUsed of a receipt; 0 where the method does not tell */
    struct sn_str error, output; /* where it failed: why, and the returned "0x..." */
};
/* gas_probe - n tries in one batch. Returns 0; what sn_eth_status says of an error that is not the
 * call's own (method not there, block unknown) - for a try with `before` or `time`, which the node
 * may refuse for their own reasons, only of a limit of the node's; SN_E_PROTOCOL for an answer that
 * is none; else as sn_eth_batch. Owns: texts are the arena's. */
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

/* An earlier transaction to the same contract. */
struct gas_past {
    struct sn_gas_call call;
    struct sn_str hash;
    uint64_t block;
    uint64_t used; /* of its receipt; gas_residuals fills it in */
};
struct gas_pasts {
    struct gas_past tx[SN_GAS_HISTORY_TXS_MAX]; /* newest first */
    unsigned n;
    unsigned blocks, txs; /* looked at */
};
/* gas_same_kind - the same contract, selector and length of data. */
bool gas_same_kind(const struct sn_gas_call *a, const struct sn_gas_call *b);
/* gas_pasts - the transactions to call->to in the newest blocks: as many blocks as asked for, or as
 * hold SN_GAS_HISTORY_LOOK_MAX transactions, or as give `enough` of them. Returns 0 (also with none
 * found), else as sn_eth_batch. */
int gas_pasts(struct sn_eth_rpc *rpc, const struct sn_gas_call *call, uint64_t newest,
              unsigned blocks, unsigned enough, struct sn_arena *a,
              struct gas_pasts *ret) SN_MUST_CHECK;

/* Residuals: what earlier transactions of the same kind used over what was simulated for them. */
struct gas_residuals {
    double ratio[SN_GAS_HISTORY_TXS_MAX];
    unsigned n;
};
/* gas_residuals - simulates each past transaction of the call's kind on the state `drift` blocks
 * before its own. Returns 0 (also with none), else as sn_eth_batch. */
int gas_residuals(struct sn_eth_rpc *rpc, enum sn_gas_method method, const struct sn_gas_call *call,
                  unsigned drift, const struct gas_pasts *pasts, struct sn_arena *a,
                  struct gas_residuals *ret) SN_MUST_CHECK;

/* gas_scenes - what others may do first, as tries of the call: [0] nothing, [1] a later clock; with
 * drift, the call itself from its own and from another sender, the call with each of its first
 * arguments changed, and the past transactions, one of each kind first: once and, for a drift of
 * more, that many times. Returns how many, at most GAS_PROBES_MAX; SN_E_NOMEM. */
int gas_scenes(const struct gas_probe *plain, uint64_t later, unsigned drift,
               const struct gas_pasts *pasts, struct sn_arena *a,
               struct gas_probe scenes[GAS_PROBES_MAX]) SN_MUST_CHECK;

/* gas_least_limit - the least limit at which the try succeeds: a ladder from `base`,
 * what it uses with plenty, up to `cap`, then the rung divided; `cap` where none succeeds. A program
 * that looks at its gas may do with less: `least` below `base` looks there too, for limits with
 * which it returns what it returned with plenty. Returns 0, 1 where none succeeds, else as
 * gas_probe. */
int gas_least_limit(struct sn_eth_rpc *rpc, enum sn_gas_method method, const struct gas_probe *try,
                    uint64_t least, uint64_t base, uint64_t cap, struct sn_arena *a,
                    uint64_t *ret) SN_MUST_CHECK;

/* gas_by_value - orders doubles for qsort. */
int gas_by_value(const void *a, const void *b);
