/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas.h - what a transaction will cost: gas used, gas limit and fees, as three different numbers.
 *
 * `used` is the receipt's gasUsed; `limit` is what must be allowed so that it does not run out on
 * the way (refunds come back only at the end, and a call keeps one 64th back from the callee, so it
 * is more than used); the fees are per unit. eth_estimateGas answers only the second, with up to
 * 1.5 % upwards.
 *
 * Estimation has three stages: static (intrinsic gas, calldata floor, what the code may do),
 * simulation on the newest state (eth_simulateV1, else a trace, else bisection) and alignment with
 * earlier transactions. What others may change before inclusion is simulated too: the contract's
 * own recent transactions, and the call itself from others and with other arguments, are put in
 * front of it. The interval is what comes out of that, and the limit suffices for all of it. Every
 * number says how it came about.
 *
 * Sources: EIP-1559, 2028, 2929, 2930, 3529, 3860, 7623, 7702, 7825; execution-apis. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"
#include "evm/rpc.h"

#define SN_GAS_TX_MAX 16777216u      /* EIP-7825: no transaction may ask for more */
#define SN_GAS_HISTORY_BLOCKS 128u   /* looked at for alignment and fees */
#define SN_GAS_HISTORY_TXS_MAX 64u   /* to the same contract that are kept */
#define SN_GAS_HISTORY_LOOK_MAX 1500u /* transactions looked at: blocks are large where many are */
#define SN_GAS_QUICK_BLOCKS 32u      /* of history for a quick estimate, */
#define SN_GAS_QUICK_TXS 16u         /* or as many as give so many transactions to the contract */
#define SN_GAS_REPEAT_MAX 6u         /* times that one neighbour is put first */
#define SN_GAS_RETRIES_MAX 3u        /* when the state moves between the questions */
#define SN_GAS_REASONS_MAX 12u

/* ---- static ---- */

/* What the intrinsic gas depends on. */
struct sn_gas_shape {
    bool create;               /* no recipient */
    struct sn_str data;        /* call data or init code, bytes */
    uint64_t access_addresses; /* of the access list */
    uint64_t access_keys;      /* storage keys, all addresses together */
    uint64_t authorizations;   /* EIP-7702 */
};
/* sn_gas_intrinsic - gas taken before the first instruction. */
uint64_t sn_gas_intrinsic(const struct sn_gas_shape *s);
/* sn_gas_floor - the least a transaction with this data is charged (EIP-7623). */
uint64_t sn_gas_floor(const struct sn_gas_shape *s);

/* What may make the cost move between estimate and inclusion. */
enum sn_gas_class {
    SN_GAS_TRANSFER,  /* no code at the recipient: exact */
    SN_GAS_PLAIN,     /* code without state writes, nested calls or GAS */
    SN_GAS_STATEFUL,  /* writes storage: refunds, first writes */
    SN_GAS_NESTED,    /* calls other contracts: one 64th stays behind at each */
    SN_GAS_METERED,   /* reads the gas that is left: no limit is sure */
    SN_GAS_CREATION,
};
const char *sn_gas_class_name(enum sn_gas_class c);
/* sn_gas_classify - scans bytecode for the instructions above, skipping PUSH data and the metadata
 * trailer. Never fails: what is not reachable may be counted. */
enum sn_gas_class sn_gas_classify(struct sn_str code);

/* ---- estimate ---- */

/* One call, in JSON-RPC's own terms: "0x..." texts, empty where absent. */
struct sn_gas_call {
    struct sn_str from, to, data, value;
    struct sn_str access_list;   /* JSON text of EIP-2930's array, or empty */
    struct sn_str authorization_list; /* JSON text of EIP-7702's array, or empty */
};
enum sn_gas_method { SN_GAS_SIMULATE = 1, SN_GAS_TRACE, SN_GAS_BISECT };

struct sn_gas_opts {
    struct sn_str block;      /* "pending", "latest", "0x..."; empty = "pending" */
    unsigned drift_blocks;    /* expected between the newest block and inclusion, the including one
                               * not counted; 0: on this very state, nothing in between */
    bool no_history;          /* do not look at earlier transactions: fewer questions, wider answer */
    bool quick;               /* as the generated SDKs do it: a short history, nothing replayed */
    double coverage;          /* of the interval; 0 = 0.95 */
    enum sn_gas_method only;  /* 0 = the best the node offers */
};
struct sn_gas_estimate {
    uint64_t used;            /* most likely gasUsed */
    uint64_t used_low, used_high; /* interval of the asked coverage */
    uint64_t limit;           /* to put into the transaction; with drift 3 % of used above limit_min */
    uint64_t limit_min;       /* the least that succeeded in every simulated order */
    uint64_t intrinsic, floor;
    double confidence;        /* that gasUsed is within 1.2 % of `used`, 0..1 */
    unsigned samples;         /* earlier transactions of the kind behind interval and confidence */
    unsigned scenes;          /* orders simulated: what others may do first, a later clock */
    bool steady;              /* none of them moved it by more than 1.2 % */
    enum sn_gas_class class;
    enum sn_gas_method method;
    unsigned retries;         /* the state moved that often while it was looked at */
    bool reverts;             /* the call fails: no number but `used` means anything */
    struct sn_str revert_data; /* "0x..."; with reverts */
    struct sn_str reasons[SN_GAS_REASONS_MAX]; /* one sentence each, in the order found out */
    unsigned n_reasons;
};
/* sn_gas_estimate - asks the node. opts: NULL for defaults. A call that reverts is an answer, not a
 * failure. Returns 0; SN_E_INVALID_ARGUMENT for malformed fields (named), SN_E_UNIMPLEMENTED where
 * the node offers none of the three methods (or not `only`), SN_E_PROTOCOL for an answer that is
 * none, else as sn_eth_batch. A state that
 * moves during the questions starts them again, SN_GAS_RETRIES_MAX times at most; then the last
 * answer counts, with less confidence. Owns: texts are the arena's. Suspends. */
int sn_gas_estimate(struct sn_eth_rpc *rpc, const struct sn_gas_call *call,
                    const struct sn_gas_opts *opts, struct sn_arena *a,
                    struct sn_gas_estimate *ret) SN_MUST_CHECK;

/* ---- fees ---- */

struct sn_fee_opts {
    unsigned blocks;      /* to be included within; 0 = 3 */
    double probability;   /* of that; 0 = 0.95 */
};
struct sn_fees {
    uint64_t max_fee, priority_fee; /* wei a unit: maxFeePerGas, maxPriorityFeePerGas */
    uint64_t base_fee;              /* of the next block */
    uint64_t base_fee_high;         /* projected for the last of the blocks asked for */
    unsigned blocks_seen;           /* of history */
    double inclusion;         /* share of the history's windows that surely would have taken it */
    struct sn_str reason;
};
/* One block of eth_feeHistory, oldest first. */
struct sn_fee_block {
    uint64_t base_fee;
    double full;              /* gas used over gas limit */
    uint64_t tip[5];          /* priority fees at 10, 25, 50, 75, 90 % of its gas */
};
/* sn_fees_from_history - the suggestion, from n blocks and the next one's base fee alone. tip_hint:
 * what the node would tip, for a history without tips. Returns 0, SN_E_INVALID_ARGUMENT. */
int sn_fees_from_history(const struct sn_fee_block *blocks, size_t n, uint64_t next_base,
                         uint64_t tip_hint, const struct sn_fee_opts *opts, struct sn_arena *a,
                         struct sn_fees *ret) SN_MUST_CHECK;
/* sn_fees_suggest - asks the node for its last SN_GAS_HISTORY_BLOCKS blocks. Returns as
 * sn_fees_from_history and sn_eth_call. Suspends. */
int sn_fees_suggest(struct sn_eth_rpc *rpc, const struct sn_fee_opts *opts, struct sn_arena *a,
                    struct sn_fees *ret) SN_MUST_CHECK;
