/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/codec.h - the protobuf forms of CometBFT 0.38: what peers, disks and hashes see.
 *
 * Decoders accept what CometBFT accepts (unknown fields are dropped) and check what its
 * ValidateBasic checks, so that what is decoded is well-formed. They return 0; SN_E_SYNTAX (not
 * protobuf), SN_E_INVALID_ARGUMENT (a field out of its rules; the diagnostic names it),
 * SN_E_TOO_LARGE, SN_E_NOMEM. Encoders append and return 0, SN_E_NOMEM or the buffer's error; two
 * equal values have equal encodings. Context: any fiber or thread, never suspends.
 * Source: the .proto files under api/tendermint; CometBFT v0.38.25 types/. */
#pragma once
#include "consensus/types.h"

/* ---- parts ---- */

/* One part of an encoded block, with its proof against the part set's root. */
struct sn_cons_part {
    uint32_t index;
    struct sn_str bytes;
    int64_t proof_total, proof_index;
    uint8_t leaf_hash[SN_CONS_HASH_LEN];
    uint32_t n_aunts;
    const uint8_t (*aunts)[SN_CONS_HASH_LEN];
};

/* ---- values ---- */

int sn_cons_vote_encode(const struct sn_cons_vote *v, struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_vote_decode - Owns: *ret has one reference. */
int sn_cons_vote_decode(struct sn_str in, struct sn_cons_vote **ret) SN_MUST_CHECK;
int sn_cons_proposal_encode(const struct sn_cons_proposal *p, struct sn_buf *out) SN_MUST_CHECK;
int sn_cons_proposal_decode(struct sn_str in, struct sn_cons_proposal *ret) SN_MUST_CHECK;
int sn_cons_commit_encode(const struct sn_cons_commit *c, struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_commit_decode - the commit and what it points to are the arena's; nothing borrows `in`. */
int sn_cons_commit_decode(struct sn_str in, struct sn_arena *a,
                          struct sn_cons_commit *ret) SN_MUST_CHECK;
/* The same with vote extensions: what a proposer that has them on stores for each height. */
int sn_cons_ext_commit_encode(const struct sn_cons_commit *c, struct sn_buf *out) SN_MUST_CHECK;
int sn_cons_ext_commit_decode(struct sn_str in, struct sn_arena *a,
                              struct sn_cons_commit *ret) SN_MUST_CHECK;
int sn_cons_header_encode(const struct sn_cons_header *h, struct sn_buf *out) SN_MUST_CHECK;
int sn_cons_header_decode(struct sn_str in, struct sn_cons_header *ret) SN_MUST_CHECK;
int sn_cons_valset_encode(const struct sn_cons_valset *s, struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_valset_decode - Owns: *ret has one reference. */
int sn_cons_valset_decode(struct sn_str in, struct sn_cons_valset **ret) SN_MUST_CHECK;
int sn_cons_light_block_encode(const struct sn_cons_light_block *b, struct sn_buf *out)
    SN_MUST_CHECK;
int sn_cons_light_block_decode(struct sn_str in, struct sn_arena *a,
                               struct sn_cons_light_block *ret) SN_MUST_CHECK;
int sn_cons_evidence_encode(const struct sn_cons_evidence *ev, struct sn_buf *out) SN_MUST_CHECK;
int sn_cons_evidence_decode(struct sn_str in, struct sn_arena *a,
                            struct sn_cons_evidence *ret) SN_MUST_CHECK;
int sn_cons_block_encode(const struct sn_cons_block *b, struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_block_decode - with every check of a block that needs no state: its parts' hashes are what
 * the header says. Owns: *ret has one reference; nothing borrows `in`. */
int sn_cons_block_decode(struct sn_str in, struct sn_cons_block **ret) SN_MUST_CHECK;

/* ---- messages between consensus reactors ---- */

enum sn_cons_msg_kind {
    SN_CONS_MSG_NEW_ROUND_STEP = 1,
    SN_CONS_MSG_NEW_VALID_BLOCK,
    SN_CONS_MSG_PROPOSAL,
    SN_CONS_MSG_PROPOSAL_POL,
    SN_CONS_MSG_BLOCK_PART,
    SN_CONS_MSG_VOTE,
    SN_CONS_MSG_HAS_VOTE,
    SN_CONS_MSG_VOTE_SET_MAJ23,
    SN_CONS_MSG_VOTE_SET_BITS,
};
/* Which fields a kind has: see the .proto. Pointers are the arena's of the decoder, or the
 * builder's. */
struct sn_cons_msg {
    enum sn_cons_msg_kind kind;
    int64_t height;
    int32_t round;         /* PROPOSAL_POL: of the proof of lock */
    uint8_t step;          /* NEW_ROUND_STEP: enum sn_cons_step */
    uint8_t vote_type;     /* HAS_VOTE, VOTE_SET_* */
    bool is_commit;        /* NEW_VALID_BLOCK */
    int64_t since_start_s; /* NEW_ROUND_STEP */
    int32_t last_commit_round;
    int32_t index; /* HAS_VOTE */
    struct sn_cons_part_set_header parts;
    struct sn_cons_block_id block_id;
    struct sn_cons_bits bits;
    struct sn_cons_proposal proposal;
    struct sn_cons_part part;
    const struct sn_cons_vote *vote; /* uncounted: sn_cons_vote_new to keep it */
};
int sn_cons_msg_encode(const struct sn_cons_msg *m, struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_msg_decode - beyond SN_CONS_MSG_MAX bytes is SN_E_TOO_LARGE. Owns: what *ret points to is
 * the arena's and borrows `in`. */
int sn_cons_msg_decode(struct sn_str in, struct sn_arena *a, struct sn_cons_msg *ret) SN_MUST_CHECK;
