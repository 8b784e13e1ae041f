/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/merlin.h - transcripts of a protocol run: both sides append what they said, and challenges
 * depend on all of it. Nothing here fails, allocates or suspends; it holds what was appended, so
 * wipe it (sn_wipe) where that was secret. Source: merlin.cool; STROBE v1.0.2
 * (strobe.sourceforge.io). */
#pragma once
#include "core/str.h"

struct sn_merlin {
    SN_ALIGNED(8) uint8_t state[200];
    uint8_t at, began, flags;
};
/* sn_merlin_init - a transcript of the protocol `label` names. */
void sn_merlin_init(struct sn_merlin *m, struct sn_str label);
/* sn_merlin_append - n bytes under a label; n below 2^32. */
void sn_merlin_append(struct sn_merlin *m, struct sn_str label, const void *data, size_t n);
/* sn_merlin_challenge - n bytes that depend on everything so far; n below 2^32. */
void sn_merlin_challenge(struct sn_merlin *m, struct sn_str label, void *ret, size_t n);
