/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/json.h - what a chain is made of as CometBFT 0.38 prints it, byte for byte: 64-bit
 * numbers as strings, hashes in upper-case hex, bytes in base64, times as RFC 3339 with the digits
 * they need, keys and evidence as {"type","value"}, what Go has as nil as null.
 *
 * Everything is appended straight to the answer's buffer, whose error sticks: nothing here returns
 * one. Nothing suspends. Source: CometBFT v0.38.25 libs/json, types/, abci/types/types.go (whose
 * results are printed by protobuf's rules: every field, also at its default), Go's encoding/json
 * for strings. */
#pragma once
#include "consensus/core.h"
#include "consensus/reactors/consensus_peer.h"
#include "consensus/types.h"
#include "core/buf.h"
#include "tendermint/abci/types.pb.h"

/* A literal. */
#define SN_CONS_JSON_LIT(b, lit) sn_buf_put((b), "" lit, sizeof(lit) - 1)

/* sn_cons_json_str - quoted; < > & and the two line separators are escaped, bytes that are not
 * UTF-8 become U+FFFD. */
void sn_cons_json_str(struct sn_buf *b, struct sn_str s);
void sn_cons_json_hex(struct sn_buf *b, const void *data, size_t n);
/* sn_cons_json_b64 - null where .ptr is NULL. */
void sn_cons_json_b64(struct sn_buf *b, struct sn_str s);
void sn_cons_json_i64(struct sn_buf *b, int64_t v);
void sn_cons_json_u64(struct sn_buf *b, uint64_t v);
void sn_cons_json_bool(struct sn_buf *b, bool v);
void sn_cons_json_time(struct sn_buf *b, struct sn_cons_time t);
/* sn_cons_json_time_ns - of unix nanoseconds. */
void sn_cons_json_time_ns(struct sn_buf *b, int64_t ns);

void sn_cons_json_key(struct sn_buf *b, const struct sn_cons_key *k);
void sn_cons_json_part_set_header(struct sn_buf *b, const struct sn_cons_part_set_header *h);
void sn_cons_json_block_id(struct sn_buf *b, const struct sn_cons_block_id *id);
void sn_cons_json_header(struct sn_buf *b, const struct sn_cons_header *h);
void sn_cons_json_commit(struct sn_buf *b, const struct sn_cons_commit *c);
void sn_cons_json_vote(struct sn_buf *b, const struct sn_cons_vote *v);
void sn_cons_json_proposal(struct sn_buf *b, const struct sn_cons_proposal *p);
void sn_cons_json_validator(struct sn_buf *b, const struct sn_cons_validator *v);
void sn_cons_json_valset(struct sn_buf *b, const struct sn_cons_valset *s);
void sn_cons_json_evidence(struct sn_buf *b, const struct sn_cons_evidence *ev);
/* sn_cons_json_block - NULL is null. */
void sn_cons_json_block(struct sn_buf *b, const struct sn_cons_block *block);
void sn_cons_json_params(struct sn_buf *b, const struct sn_cons_params *p);

/* ---- the application's answers ---- */

/* sn_cons_json_events - as fields of Go structs: null without any, nothing that is empty. */
void sn_cons_json_events(struct sn_buf *b, struct tendermint_abci_event *const *ev, size_t n);
/* sn_cons_json_tx_result - by protobuf's rules. sn_cons_json_tx_result_bare - as a Go struct: what
 * is at its default is left out. */
void sn_cons_json_tx_result(struct sn_buf *b, const struct tendermint_abci_exec_tx_result *r);
void sn_cons_json_tx_result_bare(struct sn_buf *b, const struct tendermint_abci_exec_tx_result *r);
void sn_cons_json_check_tx(struct sn_buf *b, const struct tendermint_abci_response_check_tx *r);
void sn_cons_json_query(struct sn_buf *b, const struct tendermint_abci_response_query *r);
void sn_cons_json_info(struct sn_buf *b, const struct tendermint_abci_response_info *r);
/* sn_cons_json_validator_updates, _param_updates - null where there are none. */
void sn_cons_json_validator_updates(struct sn_buf *b,
                                    struct tendermint_abci_validator_update *const *u, size_t n);
void sn_cons_json_param_updates(struct sn_buf *b,
                                const struct tendermint_types_consensus_params *p);
/* sn_cons_json_finalize_block - of the NewBlock event. */
void sn_cons_json_finalize_block(struct sn_buf *b,
                                 const struct tendermint_abci_response_finalize_block *r);

/* ---- consensus as it goes on ---- */

/* sn_cons_json_round_state - everything; last_vals: of the state. sn_cons_json_round_summary - the
 * short form of consensus_state. */
void sn_cons_json_round_state(struct sn_buf *b, const struct sn_cons_round_state *rs,
                              const struct sn_cons_valset *last_vals);
void sn_cons_json_round_summary(struct sn_buf *b, const struct sn_cons_round_state *rs);
/* sn_cons_json_peer_state - what we know of a peer; n: validators of its height. */
void sn_cons_json_peer_state(struct sn_buf *b, const struct sn_gossip_peer *p, uint32_t n);
