/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/rollback.h - one block back, for a chain whose application came to a wrong hash.
 * Source: CometBFT v0.38.25 state/rollback.go. Context: fibers; every call suspends. */
#pragma once
#include "consensus/block_store.h"
#include "consensus/state_store.h"

/* sn_home_state_before - the state before the last block of `s`, from what the stores have of it.
 * Returns 0 with one reference; SN_E_NOT_FOUND where something is not stored any more, or s has no
 * block before; as the readers of both stores. */
int sn_home_state_before(struct sn_cons_block_store *blocks, struct sn_cons_state_store *states,
                         struct sn_cons_state *s, struct sn_cons_state **ret) SN_MUST_CHECK;
/* sn_home_rollback - the stored state becomes the one before its last block; where a block has been
 * stored that was not applied yet, the state stays. hard: the last block goes, too. Returns 0 with the
 * state that is stored now (one reference), SN_E_NOT_FOUND (no state), SN_E_FAILED_PRECONDITION (the
 * stores do not belong together), as above, as sn_kv_write. */
int sn_home_rollback(struct sn_cons_block_store *blocks, struct sn_cons_state_store *states,
                     bool hard, struct sn_cons_state **ret) SN_MUST_CHECK;
