/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/genesis.h - genesis.json as CometBFT writes it, and the state a chain begins with.
 * Source: CometBFT v0.38.25 types/genesis.go, state/state.go, consensus/replay.go; docs/core. */
#pragma once
#include "consensus/state.h"
#include "core/arena.h"

#define SN_CONS_GENESIS_BYTES_MAX (100u << 20)
#define SN_CONS_NAME_MAX 256

struct sn_cons_genesis_validator {
    struct sn_cons_validator v; /* key, address and power */
    struct sn_str name;
};
struct sn_cons_genesis {
    bool has_time; /* without one the node's first start is the time: its caller sets it */
    struct sn_cons_time time;
    struct sn_str chain_id;
    int64_t initial_height;
    struct sn_cons_params params;
    struct sn_cons_genesis_validator *validators;
    uint32_t n_validators;
    struct sn_cons_app_hash app_hash;
    struct sn_str app_state; /* JSON as it stands in the file; empty where there is none */
};

/* sn_cons_genesis_parse - reads and completes genesis.json. Returns 0; as sn_json_parse;
 * SN_E_INVALID_ARGUMENT with the member and what was expected; SN_E_TOO_LARGE; SN_E_NOMEM.
 * Owns: everything is the arena's or borrows `json`. */
int sn_cons_genesis_parse(struct sn_str json, struct sn_arena *a,
                          struct sn_cons_genesis *ret) SN_MUST_CHECK;
struct sn_json;
/* sn_cons_params_parse - the object `consensus_params` of genesis.json and of the RPC. Returns 0,
 * SN_E_INVALID_ARGUMENT with the member, as sn_cons_params_check. */
int sn_cons_params_parse(const struct sn_json *o, struct sn_cons_params *ret) SN_MUST_CHECK;
/* sn_cons_genesis_print - appends genesis.json, indented as CometBFT writes it. Returns 0 or the
 * buffer's error, SN_E_INVALID_ARGUMENT for application state that is not JSON, SN_E_NOMEM. */
int sn_cons_genesis_print(const struct sn_cons_genesis *g, struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_genesis_state - the state before the first block and before the application's InitChain.
 * Returns 0 with one reference or as sn_cons_valset_new. */
int sn_cons_genesis_state(const struct sn_cons_genesis *g, struct sn_cons_state **ret) SN_MUST_CHECK;

/* What the application answers to InitChain. */
struct sn_cons_init_result {
    const struct sn_cons_validator *validators; /* none: those of the genesis */
    uint32_t n_validators;
    const struct sn_cons_params_update *params;
    struct sn_cons_app_hash app_hash; /* empty: that of the genesis */
};
/* sn_cons_state_init_chain - the state with the application's answer. Returns 0 with one reference;
 * SN_E_INVALID_ARGUMENT where nobody is a validator; as sn_cons_valset_new, sn_cons_params_check. */
int sn_cons_state_init_chain(const struct sn_cons_state *s, const struct sn_cons_init_result *res,
                             struct sn_cons_state **ret) SN_MUST_CHECK;
