/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/answer.h - between the application's messages and what changes the state: its answers
 * to FinalizeBlock and InitChain, and the parameters and keys it is told. */
#pragma once
#include "consensus/genesis.h"
#include "consensus/state.h"

struct tendermint_abci_response_finalize_block;
struct tendermint_abci_response_init_chain;
struct tendermint_crypto_public_key;
struct tendermint_types_consensus_params;

#define SN_CONS_ANSWER_ARENA_MAX ((size_t)512 << 20)

/* sn_cons_answer_parse - Returns 0; SN_E_SYNTAX, SN_E_INVALID_ARGUMENT (a validator's key,
 * parameters), SN_E_TOO_LARGE, SN_E_NOMEM. Owns: everything is the arena's and borrows `in`. */
int sn_cons_answer_parse(struct sn_str in, struct sn_arena *a,
                         struct sn_cons_block_result *ret) SN_MUST_CHECK;
/* sn_cons_answer_of - the same of a message that is parsed, which *ret borrows. */
int sn_cons_answer_of(const struct tendermint_abci_response_finalize_block *m, struct sn_arena *a,
                      struct sn_cons_block_result *ret) SN_MUST_CHECK;
/* sn_cons_init_answer_of - the answer to InitChain. Returns and owns as above. */
int sn_cons_init_answer_of(const struct tendermint_abci_response_init_chain *m, struct sn_arena *a,
                           struct sn_cons_init_result *ret) SN_MUST_CHECK;
/* sn_cons_params_message, sn_cons_key_message - what the application is told; the arena's, NULL
 * without memory. The key's bytes are borrowed. */
struct tendermint_types_consensus_params *sn_cons_params_message(const struct sn_cons_params *p,
                                                                 struct sn_arena *a);
struct tendermint_crypto_public_key *sn_cons_key_message(const struct sn_cons_key *k,
                                                         struct sn_arena *a);
