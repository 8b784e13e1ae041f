/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/engine.h - one fiber that owns the consensus core: inputs are logged and put in,
 * actions are done in their order (the rules of docs/consensus.md). Others hand it messages and
 * look at what it knows under its lock. */
#pragma once
#include "consensus/core.h"
#include "consensus/node/exec.h"
#include "consensus/node/signer.h"
#include "consensus/wal_file.h"

/* Messages that wait; a peer's message beyond these waits in its connection. */
#define SN_ENGINE_INBOX_MAX 1024
#define SN_ENGINE_INBOX_BYTES_MAX (64 << 20)
#define SN_ENGINE_ITEM_MAX ((size_t)8 << 20) /* of one message, decoded */

struct sn_engine;
struct sn_engine_opts {
    struct sn_cons_config config;
    const struct sn_cons_verifier *verifier;
    struct sn_exec *exec;
    struct sn_exec_opts env;  /* what exec was made of */
    struct sn_signer *signer; /* NULL: follows and never votes */
    const char *wal_path;
    struct sn_cons_wal_opts wal;
    int64_t double_sign_check; /* refuse to start where one of the last so many blocks has our
                                  signature; 0: no */
    /* NEW_STEP, HAS_VOTE, VALID_BLOCK, and our own messages before they are put in, for gossip.
     * Called in the engine's fiber with its lock held: must not suspend. own: NULL, or a message of
     * ours that is now logged. */
    void (*on_news)(void *arg, const struct sn_cons_action *a, const struct sn_cons_msg *own);
    void *arg;
};
/* sn_engine_new - opens the log. Returns 0, as sn_cons_wal_open. */
int sn_engine_new(const struct sn_engine_opts *o, struct sn_engine **ret) SN_MUST_CHECK;
void sn_engine_free(struct sn_engine *e);
/* sn_engine_on_news - sets the hook, before sn_engine_run. */
void sn_engine_on_news(struct sn_engine *e,
                       void (*fn)(void *arg, const struct sn_cons_action *a,
                                  const struct sn_cons_msg *own),
                       void *arg);
/* sn_engine_on_event - sets another hook, likewise: every NEW_STEP, HAS_VOTE, VALID_BLOCK and NOTE
 * with the round state of that moment. For subscribers (rpc/publish.h) and metrics. */
void sn_engine_on_event(struct sn_engine *e,
                        void (*fn)(void *arg, const struct sn_cons_action *a,
                                   const struct sn_cons_round_state *rs),
                        void *arg);
/* sn_engine_run - from `state` (which the stores have) on: replays the log, then agrees on block
 * after block until cancelled. caught_up_by_sync: blocks came by block or state sync since the log
 * was written, so that it need not fit. Returns SN_E_CANCELLED, or why consensus had to halt.
 * Suspends. */
int sn_engine_run(struct sn_engine *e, struct sn_cons_state *state,
                  bool caught_up_by_sync) SN_MUST_CHECK;
/* sn_engine_running - whether it agrees on blocks by now. */
bool sn_engine_running(const struct sn_engine *e);
/* sn_engine_submit - a peer's PROPOSAL, BLOCK_PART, VOTE or VOTE_SET_MAJ23, as it came; waits for
 * room. Dropped while the engine does not run. What is wrong with it is known later, but for what
 * the decoder finds: on_fault is called with the peer and the error. Returns 0, SN_E_CANCELLED,
 * SN_E_CLOSED (the engine has ended), as sn_cons_msg_decode. Suspends. */
int sn_engine_submit(struct sn_engine *e, const struct sn_cons_peer_id *peer,
                     struct sn_str encoded) SN_MUST_CHECK;
/* sn_engine_on_fault - called in the engine's fiber: must not suspend. */
void sn_engine_on_fault(struct sn_engine *e,
                        void (*fn)(void *arg, const struct sn_cons_peer_id *peer, int error),
                        void *arg);
/* sn_engine_txs_available - a hook for txs.h. Does not suspend. */
void sn_engine_txs_available(void *engine);
/* sn_engine_lock - what the core knows, until sn_engine_unlock; NULL while the engine does not run
 * (unlock all the same). Short: consensus stands still meanwhile. */
const struct sn_cons_round_state *sn_engine_lock(struct sn_engine *e);
struct sn_cons_state *sn_engine_state(struct sn_engine *e); /* with the lock held; borrowed */
void sn_engine_unlock(struct sn_engine *e);

/* Counters since the start. */
struct sn_engine_stats {
    uint64_t heights, signatures, log_syncs, stores, messages, faults, waiting;
    uint64_t signatures_known, signatures_checked; /* checked.h */
};
void sn_engine_stats(const struct sn_engine *e, struct sn_engine_stats *ret);
