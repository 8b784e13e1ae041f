/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/core_int.h - the machine's inside, in four files: core.c (inputs, actions, heights),
 * core_round.c (steps), core_proposal.c (proposals and blocks), core_vote.c (votes). */
#pragma once
#include "consensus/core.h"
#include "core/vec.h"

struct sn_cons_core {
    struct sn_cons_core_opts o;
    struct sn_cons_state *state;
    struct sn_cons_round_state rs;
    int64_t now_ns;
    int halted; /* the code that stopped it, 0 while it runs */
    char halt_text[256];
    /* The newest signature asked for in this height: a later one is for a later round or type. */
    int32_t signed_round;
    uint8_t signed_type;
    /* Questions not yet answered, by the round they were asked in; -1 = none. */
    int32_t preparing, processing, extending;
    struct sn_cons_block_id processing_id, extending_id;
    SN_VEC(struct sn_cons_vote *) unverified; /* at the application */
    bool finalizing;              /* FINALIZE or COMMIT is out */
    struct sn_cons_state *applied; /* the next state, between FINALIZED and COMMITTED */
    SN_VEC(struct sn_cons_action) actions;
    size_t taken; /* of actions, from the front */
};

/* core.c */
int sn_cons_emit(struct sn_cons_core *c, struct sn_cons_action a); /* takes a's references */
int sn_cons_emit_note(struct sn_cons_core *c, enum sn_cons_note note);
int sn_cons_new_step(struct sn_cons_core *c);
int sn_cons_halt(struct sn_cons_core *c, int code, const char *what);
bool sn_cons_extensions(const struct sn_cons_core *c);
void sn_cons_set_block(struct sn_cons_block **at, struct sn_cons_block *b);
void sn_cons_set_parts(struct sn_cons_part_set **at, struct sn_cons_part_set *p);
static inline struct sn_cons_vote_set *sn_cons_votes_of(const struct sn_cons_core *c, int32_t round,
                                                        uint8_t type)
{
    return sn_cons_height_votes_get(&c->rs.votes, round, type);
}

/* core_round.c */
int sn_cons_enter_new_round(struct sn_cons_core *c, int64_t height, int32_t round);
int sn_cons_enter_propose(struct sn_cons_core *c, int64_t height, int32_t round);
int sn_cons_enter_prevote(struct sn_cons_core *c, int64_t height, int32_t round);
int sn_cons_enter_prevote_wait(struct sn_cons_core *c, int64_t height, int32_t round);
int sn_cons_enter_precommit(struct sn_cons_core *c, int64_t height, int32_t round);
int sn_cons_enter_precommit_wait(struct sn_cons_core *c, int64_t height, int32_t round);
int sn_cons_enter_commit(struct sn_cons_core *c, int64_t height, int32_t round);
int sn_cons_try_finalize(struct sn_cons_core *c);
int sn_cons_schedule(struct sn_cons_core *c, int64_t duration_ns, int32_t round, uint8_t step);
bool sn_cons_need_proof_block(const struct sn_cons_core *c);
int sn_cons_unlock(struct sn_cons_core *c);
int sn_cons_expect_block(struct sn_cons_core *c, const struct sn_cons_part_set_header *parts);
bool sn_cons_has_hash(const struct sn_cons_block *b, const struct sn_cons_hash *hash);

/* core_proposal.c */
int sn_cons_ask_prepare(struct sn_cons_core *c, int32_t round);
int sn_cons_on_prepared(struct sn_cons_core *c, const struct sn_cons_input *in);
int sn_cons_on_proposal(struct sn_cons_core *c, const struct sn_cons_proposal *p);
int sn_cons_on_part(struct sn_cons_core *c, const struct sn_cons_msg *m);
bool sn_cons_proposal_complete(const struct sn_cons_core *c);
int sn_cons_validate_block(struct sn_cons_core *c, const struct sn_cons_block *b);
int64_t sn_cons_proposal_bytes_max(const struct sn_cons_core *c);

/* core_vote.c */
int sn_cons_sign_vote(struct sn_cons_core *c, int32_t round, uint8_t type,
                      const struct sn_cons_block_id *id, struct sn_cons_block *block);
int sn_cons_on_extended(struct sn_cons_core *c, const struct sn_cons_input *in);
int sn_cons_on_vote(struct sn_cons_core *c, const struct sn_cons_vote *v,
                    const struct sn_cons_peer_id *peer);
int sn_cons_on_extension_verified(struct sn_cons_core *c, const struct sn_cons_input *in);
int sn_cons_on_claim(struct sn_cons_core *c, const struct sn_cons_msg *m,
                     const struct sn_cons_peer_id *peer);
