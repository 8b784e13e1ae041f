/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/state_int.h - parameters in protobuf and JSON, for the state and the genesis. */
#pragma once
#include "consensus/state.h"

struct tendermint_types_consensus_params;

/* Applies the groups of u and checks the result against the rules for changes at `height`. */
int sn_cons_params_apply(struct sn_cons_params *p, const struct sn_cons_params_update *u,
                         int64_t height);
struct tendermint_types_consensus_params *sn_cons_params_pb(const struct sn_cons_params *p,
                                                            struct sn_arena *a);
int sn_cons_params_update_of(const struct tendermint_types_consensus_params *m,
                             struct sn_cons_params_update *ret);
int sn_cons_key_types_add(struct sn_cons_params *p, struct sn_str name);
