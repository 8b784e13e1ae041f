/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/checked.h - a verifier that remembers which signatures were right, so that each is
 * checked once: a vote where it comes in, in its peer's fiber, while the core only finds it; a
 * block's last commit, which is looked at in prevote, precommit and commit, not at all, because
 * those votes came one by one.
 *
 * Remembered is the SHA-256 of key, message and signature, so nothing that was not right itself is
 * ever taken for right. What is forgotten is checked again. Any fiber on any worker. */
#pragma once
#include "consensus/key.h"

#define SN_CHECKED_DEFAULT 65536u /* signatures: two heights of 10,000 validators, and more */
#define SN_CHECKED_MSG_MAX 1024u  /* bytes; longer messages (extensions) are not remembered */

struct sn_checked;
/* sn_checked_new - over `inner`, borrowed. entries: the most it grows to, 32 bytes each, a
 * power of two from 4 on; 0: SN_CHECKED_DEFAULT. It begins with 1024 at most, and has 64 for each
 * signature of the largest commit seen. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. Owns:
 * sn_checked_free. */
int sn_checked_new(const struct sn_cons_verifier *inner, uint32_t entries,
                   struct sn_checked **ret) SN_MUST_CHECK;
void sn_checked_free(struct sn_checked *c);
/* sn_checked_verifier - as long as c lives. */
const struct sn_cons_verifier *sn_checked_verifier(struct sn_checked *c);
struct sn_checked_stats {
    uint64_t known, checked; /* signatures that were remembered, and that inner was asked about */
};
void sn_checked_stats(const struct sn_checked *c, struct sn_checked_stats *ret);
