/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/answer.h - the application's ResponseFinalizeBlock, from its encoding to what changes
 * the state. */
#pragma once
#include "consensus/state.h"

#define SN_CONS_ANSWER_ARENA_MAX ((size_t)512 << 20)

/* sn_cons_answer_parse - Returns 0; SN_E_SYNTAX, SN_E_INVALID_ARGUMENT (a validator's key,
 * parameters), SN_E_TOO_LARGE, SN_E_NOMEM. Owns: everything is the arena's and borrows `in`. */
int sn_cons_answer_parse(struct sn_str in, struct sn_arena *a,
                         struct sn_cons_block_result *ret) SN_MUST_CHECK;
