/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/publish.h - what happens on the chain as events on the bus: their attributes
 * (tm.event, tx.hash, tx.height, the application's own) and the JSON that subscribers get as the
 * result's `data`, as CometBFT 0.38 prints it: {"type":"tendermint/event/NewBlock","value":{...}}.
 * An event nobody could match costs next to nothing: it is not built. */
#pragma once
#include "consensus/core.h"
#include "consensus/events/bus.h"
#include "consensus/node/exec.h"

/* sn_publish_block - NewBlock, NewBlockHeader, NewBlockEvents, NewEvidence, Tx,
 * ValidatorSetUpdates, in Go's order. Fits nothing by itself: the node's on_block calls it. Returns
 * 0, SN_E_NOMEM (some were not published). */
int sn_publish_block(struct sn_event_bus *bus, const struct sn_exec_block *b) SN_MUST_CHECK;
/* sn_publish_action - NEW_STEP (NewRoundStep), NOTE (NewRound, CompleteProposal, TimeoutPropose,
 * TimeoutWait, Polka, Lock, Relock), VALID_BLOCK, HAS_VOTE (Vote); others are nothing. rs: of the
 * core at that moment. Returns 0, SN_E_NOMEM. */
int sn_publish_action(struct sn_event_bus *bus, const struct sn_cons_action *a,
                      const struct sn_cons_round_state *rs) SN_MUST_CHECK;
