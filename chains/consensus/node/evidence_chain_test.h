/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/evidence_chain_test.h - a chain of empty blocks by four validators with real keys,
 * whose votes may be in conflict, in stores of memory or of a data folder. */
#pragma once
#include "consensus/node/evidence_keeper.h"

#define EVIDENCE_CHAIN_ID "evidence"
#define EVIDENCE_CHAIN_VALIDATORS 4
struct evidence_chain {
    const char *dir; /* NULL: in memory */
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    struct sn_kv *kv; /* of evidence; the keeper's while there is one */
    struct sn_evidence_keeper *keeper;
    struct sn_cons_state *state;
    uint8_t keys[EVIDENCE_CHAIN_VALIDATORS][64];
};
/* Each ends the program where it fails: what is tested is the keeper. */
void evidence_chain_open(struct evidence_chain *c, const char *dir);
void evidence_chain_close(struct evidence_chain *c);
/* One block more, with evidence in it; the keeper, where there is one, is told. */
void evidence_chain_grow(struct evidence_chain *c, struct sn_cons_evidence **list, uint32_t n);
/* The keeper, over what was stored before: of the same store, as after a restart. */
int evidence_chain_keeper(struct evidence_chain *c);
/* Two votes of a validator at a height, and what they prove. tag: of the blocks they are for.
 * votes: one reference each; ret borrows them. */
void evidence_chain_votes(const struct evidence_chain *c, unsigned who, int64_t height, uint8_t tag,
                          struct sn_cons_vote *votes[2]);
void evidence_chain_double(struct evidence_chain *c, int64_t height, struct sn_cons_vote *votes[2],
                           struct sn_cons_evidence *ret);
/* A copy of what a store of evidence has, as one that a restart finds. */
int evidence_chain_copy(struct sn_kv *kv, struct sn_kv **ret);
