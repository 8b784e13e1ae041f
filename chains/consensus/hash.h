/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/hash.h - the hashes a header is made of, and the bytes validators sign.
 * All return 0, SN_E_NOMEM or SN_E_INTERNAL (libcrypto).
 * Source: CometBFT v0.38.25 types/; spec/core/data_structures, spec/core/encoding. */
#pragma once
#include "consensus/types.h"

/* sn_cons_header_hash - the block's hash: the tree over its 14 fields, each in its protobuf form.
 * Without a validators hash there is none (len 0). */
int sn_cons_header_hash(const struct sn_cons_header *h, struct sn_cons_hash *ret) SN_MUST_CHECK;
/* sn_cons_commit_hash - the tree over the encoded signatures. */
int sn_cons_commit_hash(const struct sn_cons_commit *c, struct sn_cons_hash *ret) SN_MUST_CHECK;
/* sn_cons_txs_hash - the tree over the transactions' SHA-256 hashes. */
int sn_cons_txs_hash(const struct sn_str *txs, size_t n, struct sn_cons_hash *ret) SN_MUST_CHECK;
/* sn_cons_tx_hashes - those hashes themselves. sn_cons_tx_hashes_root - the tree over them. */
int sn_cons_tx_hashes(const struct sn_str *txs, size_t n,
                      uint8_t (*ret)[SN_CONS_HASH_LEN]) SN_MUST_CHECK;
int sn_cons_tx_hashes_root(const uint8_t (*hashes)[SN_CONS_HASH_LEN], size_t n,
                           struct sn_cons_hash *ret) SN_MUST_CHECK;
/* sn_cons_evidence_hash - the tree over the encoded pieces. */
int sn_cons_evidence_hash(struct sn_cons_evidence *const *ev, size_t n,
                          struct sn_cons_hash *ret) SN_MUST_CHECK;
/* sn_cons_evidence_id - what one piece is known by in pools and on the wire. */
int sn_cons_evidence_id(const struct sn_cons_evidence *ev, struct sn_cons_hash *ret) SN_MUST_CHECK;
/* sn_cons_valset_hash - the tree over keys and powers; priorities are not in it. */
int sn_cons_valset_hash(const struct sn_cons_valset *s, struct sn_cons_hash *ret) SN_MUST_CHECK;

/* One transaction's result as far as all nodes must agree on it. */
struct sn_cons_tx_result {
    uint32_t code;
    struct sn_str data;
    int64_t gas_wanted, gas_used;
};
/* sn_cons_results_hash - the tree over the results: the next header's last_results_hash. */
int sn_cons_results_hash(const struct sn_cons_tx_result *results, size_t n,
                         struct sn_cons_hash *ret) SN_MUST_CHECK;

/* sn_cons_vote_sign_bytes - appends what the vote's signature is over. Also the buffer's errors. */
int sn_cons_vote_sign_bytes(struct sn_str chain_id, const struct sn_cons_vote *v,
                            struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_extension_sign_bytes - appends what the vote's extension signature is over. */
int sn_cons_extension_sign_bytes(struct sn_str chain_id, const struct sn_cons_vote *v,
                                 struct sn_buf *out) SN_MUST_CHECK;
int sn_cons_proposal_sign_bytes(struct sn_str chain_id, const struct sn_cons_proposal *p,
                                struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_commit_vote - the vote that signature i of a commit is of; the extension is borrowed. */
void sn_cons_commit_vote(const struct sn_cons_commit *c, uint32_t i, struct sn_cons_vote *ret);
