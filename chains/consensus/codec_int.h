/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/codec_int.h - between the domain's structs and the generated protobuf messages.
 *
 * The _pb functions build a message in an arena and return NULL without memory; sub-messages that
 * CometBFT writes even when empty are always there, which is what makes encodings canonical.
 * The _of functions read one, checking lengths and ranges; NULL stands for an absent message.
 * Strings of a message borrow the domain value, and the other way round. */
#pragma once
#include "consensus/codec.h"
#include "tendermint/consensus/types.pb.h"
#include "tendermint/types/block.pb.h"
#include "tendermint/types/evidence.pb.h"
#include "tendermint/types/types.pb.h"
#include "tendermint/types/validator.pb.h"

static inline struct sn_str sn_cons_hash_str(const struct sn_cons_hash *h)
{
    return sn_str_of((const char *)h->b, h->len);
}
static inline struct sn_str sn_cons_sig_str(const struct sn_cons_sig *s)
{
    return sn_str_of((const char *)s->b, s->len);
}

struct google_protobuf_timestamp *sn_cons_time_pb(struct sn_cons_time t, struct sn_arena *a);
struct tendermint_types_block_id *sn_cons_block_id_pb(const struct sn_cons_block_id *id,
                                                      struct sn_arena *a);
struct tendermint_types_vote *sn_cons_vote_pb(const struct sn_cons_vote *v, struct sn_arena *a);
struct tendermint_types_proposal *sn_cons_proposal_pb(const struct sn_cons_proposal *p,
                                                      struct sn_arena *a);
struct tendermint_types_part *sn_cons_part_pb(const struct sn_cons_part *p, struct sn_arena *a);
struct tendermint_types_commit_sig *sn_cons_commit_sig_pb(const struct sn_cons_commit_sig *s,
                                                          struct sn_arena *a);
struct tendermint_types_commit *sn_cons_commit_pb(const struct sn_cons_commit *c,
                                                  struct sn_arena *a);
struct tendermint_types_header *sn_cons_header_pb(const struct sn_cons_header *h,
                                                  struct sn_arena *a);
struct tendermint_crypto_public_key *sn_cons_key_pb(const struct sn_cons_key *k,
                                                    struct sn_arena *a);
struct tendermint_types_validator_set *sn_cons_valset_pb(const struct sn_cons_valset *s,
                                                         struct sn_arena *a);
struct tendermint_types_duplicate_vote_evidence *
sn_cons_duplicate_vote_pb(const struct sn_cons_evidence *ev, struct sn_arena *a);
struct tendermint_types_light_client_attack_evidence *
sn_cons_light_attack_pb(const struct sn_cons_evidence *ev, struct sn_arena *a);
struct tendermint_types_evidence *sn_cons_evidence_pb(const struct sn_cons_evidence *ev,
                                                      struct sn_arena *a);
struct tendermint_types_light_block *sn_cons_light_block_pb(const struct sn_cons_light_block *b,
                                                            struct sn_arena *a);

int sn_cons_time_of(const struct google_protobuf_timestamp *m, struct sn_cons_time *ret);
int sn_cons_hash_of(struct sn_str s, const char *what, struct sn_cons_hash *ret);
int sn_cons_sig_of(struct sn_str s, const char *what, struct sn_cons_sig *ret);
int sn_cons_block_id_of(const struct tendermint_types_block_id *m, struct sn_cons_block_id *ret);
int sn_cons_part_set_header_of(const struct tendermint_types_part_set_header *m,
                               struct sn_cons_part_set_header *ret);
/* ret is a value whose extension borrows the message: sn_cons_vote_new makes it lasting. */
int sn_cons_vote_of(const struct tendermint_types_vote *m, struct sn_cons_vote *ret);
int sn_cons_proposal_of(const struct tendermint_types_proposal *m, struct sn_cons_proposal *ret);
int sn_cons_part_of(const struct tendermint_types_part *m, struct sn_cons_part *ret,
                    struct sn_arena *a);
int sn_cons_commit_of(const struct tendermint_types_commit *m, struct sn_cons_commit *ret,
                      struct sn_arena *a);
int sn_cons_ext_commit_of(const struct tendermint_types_extended_commit *m,
                          struct sn_cons_commit *ret, struct sn_arena *a);
int sn_cons_header_of(const struct tendermint_types_header *m, struct sn_cons_header *ret);
int sn_cons_key_of(const struct tendermint_crypto_public_key *m, struct sn_cons_key *ret);
int sn_cons_validator_of(const struct tendermint_types_validator *m, struct sn_cons_validator *ret);
/* ret lives in the arena and is never counted: see sn_cons_valset_copy. */
int sn_cons_valset_of(const struct tendermint_types_validator_set *m, struct sn_cons_valset **ret,
                      struct sn_arena *a);
int sn_cons_light_block_of(const struct tendermint_types_light_block *m,
                           struct sn_cons_light_block *ret, struct sn_arena *a);
int sn_cons_evidence_of(const struct tendermint_types_evidence *m, struct sn_cons_evidence *ret,
                        struct sn_arena *a);
int sn_cons_block_of(const struct tendermint_types_block *m, struct sn_cons_block *ret);

struct tendermint_consensus_message *sn_cons_msg_pb(const struct sn_cons_msg *m,
                                                    struct sn_arena *a);
int sn_cons_msg_of(const struct tendermint_consensus_message *m, struct sn_cons_msg *ret,
                   struct sn_arena *a);
