/* SPDX-License-Identifier: Apache-2.0 */
/* kit/suggest.h - "did you mean": the nearest of a few names. */
#pragma once
#include "core/str.h"

/* sn_suggest_begin, _offer - feed candidates one by one; best is the nearest so far, .ptr NULL
 * while none is near enough (at most one edit in three characters, transpositions count as one).
 * Candidates are borrowed. Words beyond 63 bytes match nothing. Context: anywhere. */
struct sn_suggest {
    struct sn_str word, best;
    unsigned distance;
};
static inline struct sn_suggest sn_suggest_begin(struct sn_str word)
{
    return (struct sn_suggest){.word = word, .distance = ~0u};
}
void sn_suggest_offer(struct sn_suggest *s, struct sn_str candidate);
