/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/core.h - the Tendermint state machine of CometBFT 0.38, sans-I/O.
 *
 * Inputs go in one by one, actions come out in order; the core never waits, reads no clock and keeps
 * nothing but memory. Its owner (a fiber) logs each message and timeout before it is put in, does
 * what the actions say, and puts the answers in. What decides the chain is in the logged inputs:
 * answers of the application and the signer only lead to further messages, so that replaying the
 * log rebuilds the state whatever the answers are then.
 *
 *   peer's message, own signed message -> log -> sn_cons_core_input
 *   SIGN_VOTE -> sync the log -> signer -> log -> sn_cons_core_input with no peer -> gossip. The sync is
 *     for liveness: a node must come back to the decision it signed, and then gets that signature again.
 *   SIGN_PROPOSAL, an extended vote -> signer -> log and sync -> likewise: neither can be made again
 *   SCHEDULE -> timer: a timeout for a later height, round, step replaces an earlier one
 *   PREPARE, PROCESS, EXTEND, VERIFY_EXTENSION, FINALIZE, COMMIT -> application -> answer input
 *   SAVE_BLOCK, END_HEIGHT, SAVE_STATE -> disk, durable before the next action is done
 *
 * At a start the records behind the end of the last stored height go in again. Where the log has no
 * such end (the block was stored, then came a crash), the owner writes it before anything else: otherwise
 * a second crash would find nothing to replay, and the node would forget what it had locked.
 *
 * Source: "The latest gossip on BFT consensus" (arXiv 1807.04938); CometBFT v0.38.25
 * consensus/state.go; spec/consensus. */
#pragma once
#include "consensus/codec.h"
#include "consensus/part_set.h"
#include "consensus/state.h"
#include "consensus/vote_set.h"

/* Actions not yet taken beyond which inputs are SN_E_BUSY. */
#define SN_CONS_ACTIONS_MAX 16384
/* Votes whose extension the application has not judged yet. */
#define SN_CONS_EXTENSIONS_PENDING_MAX 1024

enum sn_cons_step {
    SN_CONS_STEP_NEW_HEIGHT = 1, /* waits for late precommits of the last height */
    SN_CONS_STEP_NEW_ROUND,
    SN_CONS_STEP_PROPOSE,
    SN_CONS_STEP_PREVOTE,
    SN_CONS_STEP_PREVOTE_WAIT,
    SN_CONS_STEP_PRECOMMIT,
    SN_CONS_STEP_PRECOMMIT_WAIT,
    SN_CONS_STEP_COMMIT,
};
/* sn_cons_step_name - "RoundStepPropose" and so on: as logs and RPC have it. */
const char *sn_cons_step_name(enum sn_cons_step step);

struct sn_cons_config {
    int64_t propose_ns, propose_delta_ns; /* delta: more per round */
    int64_t prevote_ns, prevote_delta_ns;
    int64_t precommit_ns, precommit_delta_ns;
    int64_t commit_ns;              /* from a commit to the next height */
    bool skip_commit_timeout;       /* go on as soon as all precommits are here */
    bool no_empty_blocks;           /* wait for transactions, except to prove a new app hash */
    int64_t empty_blocks_interval_ns; /* > 0: an empty block after so long */
};
/* sn_cons_config_default - CometBFT's. */
struct sn_cons_config sn_cons_config_default(void);

struct sn_cons_timeout {
    int64_t duration_ns;
    int64_t height;
    int32_t round;
    uint8_t step;
};

/* ---- actions ---- */

enum sn_cons_action_kind {
    /* Timers and signatures. */
    SN_CONS_ACT_SCHEDULE = 1,  /* timeout: fires after its duration as that input */
    SN_CONS_ACT_SIGN_PROPOSAL, /* proposal, parts: sign, then input proposal and parts as our own */
    SN_CONS_ACT_SIGN_VOTE,     /* vote (and its extension, where the vote has one) likewise */
    /* Questions to the application: each has its answer input. */
    SN_CONS_ACT_PREPARE,  /* height, round: the content of a block; see sn_cons_core_last_commit */
    SN_CONS_ACT_PROCESS,  /* block: acceptable? */
    SN_CONS_ACT_EXTEND,   /* block, height, round: the extension of our precommit */
    SN_CONS_ACT_VERIFY_EXTENSION, /* vote: is its extension acceptable? */
    SN_CONS_ACT_FINALIZE, /* block: execute it */
    SN_CONS_ACT_COMMIT,   /* state: the application commits; the mempool forgets the block's */
    /* Storage. */
    SN_CONS_ACT_SAVE_BLOCK, /* block, parts: with the commit of sn_cons_core_seen_commit */
    SN_CONS_ACT_END_HEIGHT, /* height: into the log, synced */
    SN_CONS_ACT_SAVE_STATE, /* state */
    /* News: for gossip, subscribers, the evidence pool. */
    SN_CONS_ACT_NEW_STEP,    /* height, round, step */
    SN_CONS_ACT_HAS_VOTE,    /* vote: it counts */
    SN_CONS_ACT_VALID_BLOCK, /* height, round, step, parts: peers may send us this block */
    SN_CONS_ACT_CONFLICT,    /* vote, vote_b: a validator signed both */
    SN_CONS_ACT_NOTE,        /* note, height, round, step: as they were then */
};
enum sn_cons_note {
    SN_CONS_NOTE_NEW_ROUND = 1,
    SN_CONS_NOTE_COMPLETE_PROPOSAL,
    SN_CONS_NOTE_TIMEOUT_PROPOSE,
    SN_CONS_NOTE_TIMEOUT_WAIT,
    SN_CONS_NOTE_POLKA,
    SN_CONS_NOTE_LOCK,
    SN_CONS_NOTE_RELOCK,
    SN_CONS_NOTE_UNLOCK,
};
/* References are the action's own: sn_cons_action_done. */
struct sn_cons_action {
    enum sn_cons_action_kind kind;
    enum sn_cons_note note;
    uint8_t step;
    int32_t round;
    int64_t height;
    struct sn_cons_timeout timeout;
    struct sn_cons_proposal proposal;
    struct sn_cons_vote *vote, *vote_b;
    struct sn_cons_block *block;
    struct sn_cons_part_set *parts;
    struct sn_cons_state *state;
};
void sn_cons_action_done(struct sn_cons_action *a);

/* ---- inputs ---- */

enum sn_cons_input_kind {
    SN_CONS_IN_MSG = 1,       /* msg from peer: PROPOSAL, BLOCK_PART, VOTE, VOTE_SET_MAJ23 */
    SN_CONS_IN_TIMEOUT,       /* timeout */
    SN_CONS_IN_TXS_AVAILABLE, /* the mempool has some, the first time in this height */
    SN_CONS_IN_PREPARED,      /* height, round, content: to PREPARE */
    SN_CONS_IN_PROCESSED,     /* height, round, ok: to PROCESS */
    SN_CONS_IN_EXTENDED,      /* height, round, extension: to EXTEND */
    SN_CONS_IN_EXTENSION_VERIFIED, /* vote, ok: to VERIFY_EXTENSION */
    SN_CONS_IN_FINALIZED,     /* result: to FINALIZE */
    SN_CONS_IN_COMMITTED,     /* to COMMIT */
};
struct sn_cons_input {
    enum sn_cons_input_kind kind;
    const struct sn_cons_peer_id *peer; /* NULL: ourselves */
    const struct sn_cons_msg *msg;
    struct sn_cons_timeout timeout;
    int64_t height;
    int32_t round;
    bool ok;
    struct sn_str extension;
    struct sn_cons_vote *vote;
    const struct sn_cons_block_content *content; /* commit and proposer are the core's */
    const struct sn_cons_block_result *result;
};

/* ---- the machine ---- */

/* What is known in this height: read by gossip. The core owns it. */
struct sn_cons_round_state {
    int64_t height;
    int32_t round;
    uint8_t step;
    int64_t start_ns, commit_ns; /* unix; commit_ns 0 = not yet */
    struct sn_cons_valset *vals; /* the height's, with this round's priorities */
    bool has_proposal;
    struct sn_cons_proposal proposal;
    struct sn_cons_block *block;
    struct sn_cons_part_set *parts;
    int32_t locked_round, valid_round; /* -1 = none */
    struct sn_cons_block *locked_block, *valid_block;
    struct sn_cons_part_set *locked_parts, *valid_parts;
    struct sn_cons_height_votes votes;
    int32_t commit_round; /* -1 = none */
    struct sn_cons_vote_set *last_commit; /* NULL in the first height */
    bool precommit_wait; /* its timeout was scheduled in this round */
};

struct sn_cons_core;
struct sn_cons_core_opts {
    struct sn_cons_config config;
    const struct sn_cons_verifier *verifier;
    bool has_key; /* false: follows, never votes */
    uint8_t addr[SN_CONS_ADDR_LEN];
    /* Checks a proposed block's evidence; NULL: none is accepted. 0, or SN_E_* for a block not to
     * vote for. Must not suspend. */
    int (*check_evidence)(void *arg, const struct sn_cons_state *s, const struct sn_cons_block *b);
    void *arg;
    /* The application hash in the last block's header, for no_empty_blocks; absent: unknown. */
    bool has_last_app_hash;
    struct sn_cons_app_hash last_app_hash;
};
/* sn_cons_core_new - at the height after `state`. seen_commit: of the last block, NULL at the first
 * height. now_ns: unix time. Take the actions before the first input.
 * Returns 0; SN_E_INVALID_ARGUMENT (the commit is not one of the last block by its validators, nobody
 * is a validator), SN_E_NOMEM, the verifier's. */
int sn_cons_core_new(const struct sn_cons_core_opts *opts, struct sn_cons_state *state,
                     const struct sn_cons_commit *seen_commit, int64_t now_ns,
                     struct sn_cons_core **ret) SN_MUST_CHECK;
void sn_cons_core_free(struct sn_cons_core *c);

/* sn_cons_core_input - processes one input at unix time now_ns. Stale inputs are ignored.
 * Returns 0; SN_E_INVALID_ARGUMENT, SN_E_TOO_LARGE, SN_E_ALREADY_EXISTS, SN_E_FAILED_PRECONDITION: the
 * message breaks the rules, its sender is at fault, the core is as before; SN_E_RESOURCE_EXHAUSTED: a
 * named limit kept it out; SN_E_BUSY: actions were not taken, or it is not ready (see below);
 * SN_E_NOMEM, SN_E_INTERNAL, SN_E_DATA_LOSS: the core has halted (more than a third is Byzantine,
 * the application broke its contract, memory ran out), as every later input will tell. */
int sn_cons_core_input(struct sn_cons_core *c, const struct sn_cons_input *in,
                       int64_t now_ns) SN_MUST_CHECK;
/* sn_cons_core_action - takes the oldest action. Returns whether there was one. */
bool sn_cons_core_action(struct sn_cons_core *c, struct sn_cons_action *ret);

/* sn_cons_core_ready - whether messages and timeouts may be put in (and logged before): not between
 * FINALIZE and the answer to COMMIT, nor after a halt. Their owner keeps them until then, so that the
 * log has everything at the height it was processed at. */
bool sn_cons_core_ready(const struct sn_cons_core *c);

const struct sn_cons_round_state *sn_cons_core_round(const struct sn_cons_core *c);
struct sn_cons_state *sn_cons_core_state(const struct sn_cons_core *c);
/* sn_cons_core_last_commit - the last height's commit with extensions, for PREPARE; n 0 at the first
 * height. Owns: the arena's; extensions are borrowed until the next input. */
int sn_cons_core_last_commit(const struct sn_cons_core *c, struct sn_arena *a,
                             struct sn_cons_commit *ret) SN_MUST_CHECK;
/* sn_cons_core_seen_commit - the commit of the block that SAVE_BLOCK names, until COMMITTED. */
int sn_cons_core_seen_commit(const struct sn_cons_core *c, struct sn_arena *a,
                             struct sn_cons_commit *ret) SN_MUST_CHECK;
