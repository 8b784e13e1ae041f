/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/vote_set.h - the votes of one height, round and type, and all rounds of a height.
 *
 * Per validator one vote counts: the first. A second, conflicting one is evidence, and is kept only
 * for a block that a peer claims to have a majority: otherwise a Byzantine validator could hide one
 * by sending us the other half of its equivocation first. A peer may claim one block per set.
 * Source: CometBFT v0.38.25 types/vote_set.go, consensus/types/height_vote_set.go;
 * spec/consensus. */
#pragma once
#include "consensus/key.h"
#include "consensus/types.h"

/* Claims of a majority that one vote set remembers: one per peer. */
#define SN_CONS_CLAIMS_MAX 256
/* Peers whose votes for rounds ahead of us are followed, two rounds each. */
#define SN_CONS_CATCHUP_PEERS_MAX 256
/* Rounds of one height with votes: beyond it a height is lost in any case. */
#define SN_CONS_ROUNDS_MAX 4096

struct sn_cons_peer_id {
    uint8_t len; /* 0: ourselves */
    char b[SN_CONS_PEER_ID_MAX];
};

/* The votes for one block. */
struct sn_cons_block_votes {
    struct sn_cons_block_id block_id;
    bool claimed; /* a peer says it has two thirds */
    int64_t sum;
    struct sn_cons_bits bits;
    struct {
        struct sn_cons_vote **ptr;
        size_t len, cap;
    } votes;
};
struct sn_cons_claim {
    struct sn_cons_peer_id peer;
    struct sn_cons_block_id block_id;
};
struct sn_cons_vote_set {
    int64_t height;
    int32_t round;
    uint8_t type;
    bool extensions; /* precommits for blocks must have them signed */
    struct sn_cons_valset *vals;
    struct sn_cons_vote **votes; /* per validator, NULL where none; the vote to gossip */
    struct sn_cons_bits bits;    /* of votes */
    int64_t sum;                 /* power that voted */
    bool has_maj23;
    struct sn_cons_block_id maj23; /* nil is a possible majority, too */
    struct {
        struct sn_cons_block_votes **ptr;
        size_t len, cap;
    } blocks;
    struct {
        struct sn_cons_claim *ptr;
        size_t len, cap;
    } claims;
};

/* sn_cons_vote_set_new - empty. Returns 0, SN_E_NOMEM. */
int sn_cons_vote_set_new(int64_t height, int32_t round, uint8_t type, bool extensions,
                         struct sn_cons_valset *vals, struct sn_cons_vote_set **ret) SN_MUST_CHECK;
void sn_cons_vote_set_free(struct sn_cons_vote_set *s);

/* sn_cons_vote_set_admit - whether the vote is one of this set and new, and its signatures right.
 * Returns 1; 0 for a vote that is there already; SN_E_INVALID_ARGUMENT (another height, round, type,
 * validator; an extension where there is none, or none where there is; a wrong signature),
 * SN_E_ALREADY_EXISTS (the same vote with another signature), the verifier's errors. */
int sn_cons_vote_set_admit(const struct sn_cons_vote_set *s, const struct sn_cons_verifier *v,
                           struct sn_str chain_id, const struct sn_cons_vote *vote) SN_MUST_CHECK;
/* sn_cons_vote_set_add - counts an admitted vote (takes its own reference). *ret_conflict is the
 * other vote of an equivocating validator, borrowed, or NULL.
 * Returns 1 counted, 0 not (a conflicting vote for a block nobody claims), SN_E_NOMEM. */
int sn_cons_vote_set_add(struct sn_cons_vote_set *s, struct sn_cons_vote *vote,
                         struct sn_cons_vote **ret_conflict) SN_MUST_CHECK;
/* sn_cons_vote_set_claim - a peer says that it saw two thirds for the block. Returns 0;
 * SN_E_INVALID_ARGUMENT where it claimed another before; SN_E_RESOURCE_EXHAUSTED beyond
 * SN_CONS_CLAIMS_MAX; SN_E_NOMEM. */
int sn_cons_vote_set_claim(struct sn_cons_vote_set *s, const struct sn_cons_peer_id *peer,
                           const struct sn_cons_block_id *block_id) SN_MUST_CHECK;
/* The questions accept NULL, an empty set. */
bool sn_cons_vote_set_two_thirds_any(const struct sn_cons_vote_set *s);
bool sn_cons_vote_set_all(const struct sn_cons_vote_set *s);
/* sn_cons_vote_set_maj23 - the block (or nil) that has two thirds; NULL where none has. */
const struct sn_cons_block_id *sn_cons_vote_set_maj23(const struct sn_cons_vote_set *s);
/* sn_cons_vote_set_for - the votes for one block, NULL where there are none. */
const struct sn_cons_block_votes *sn_cons_vote_set_for(const struct sn_cons_vote_set *s,
                                                       const struct sn_cons_block_id *block_id);
/* sn_cons_vote_set_commit - the commit that a majority's precommits make, with extensions if the set
 * has them; votes for other blocks count as absent. Extensions are borrowed from the votes. Context:
 * the set has a majority for a block. Returns 0, SN_E_NOMEM. */
int sn_cons_vote_set_commit(const struct sn_cons_vote_set *s, struct sn_arena *a,
                            struct sn_cons_commit *ret) SN_MUST_CHECK;

/* ---- a height's rounds ---- */

struct sn_cons_round_votes {
    int32_t round;
    struct sn_cons_vote_set *prevotes, *precommits;
};
struct sn_cons_catchup {
    struct sn_cons_peer_id peer;
    int32_t rounds[2];
    uint8_t n;
};
struct sn_cons_height_votes {
    int64_t height;
    int32_t round; /* rounds 0 to this are followed; others only as catch-up */
    bool extensions;
    struct sn_cons_valset *vals;
    struct {
        struct sn_cons_round_votes *ptr; /* ascending */
        size_t len, cap;
    } rounds;
    struct {
        struct sn_cons_catchup *ptr;
        size_t len, cap;
    } catchup;
};
void sn_cons_height_votes_init(struct sn_cons_height_votes *h, int64_t height, bool extensions,
                               struct sn_cons_valset *vals);
void sn_cons_height_votes_done(struct sn_cons_height_votes *h);
/* sn_cons_height_votes_get - the set, NULL where no vote came for it. */
struct sn_cons_vote_set *sn_cons_height_votes_get(const struct sn_cons_height_votes *h,
                                                  int32_t round, uint8_t type);
/* sn_cons_height_votes_open - the set for a vote of that peer, made if need be. Returns 0;
 * SN_E_FAILED_PRECONDITION (a round we do not follow, and the peer has used up its two);
 * SN_E_RESOURCE_EXHAUSTED, SN_E_NOMEM. */
int sn_cons_height_votes_open(struct sn_cons_height_votes *h, int32_t round, uint8_t type,
                              const struct sn_cons_peer_id *peer,
                              struct sn_cons_vote_set **ret) SN_MUST_CHECK;
/* sn_cons_height_votes_take - the set leaves the height: it becomes the last commit. */
struct sn_cons_vote_set *sn_cons_height_votes_take(struct sn_cons_height_votes *h, int32_t round);
