/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/check.h - what a value must hold by itself, before anything is known of the chain: the
 * rules CometBFT calls ValidateBasic. The decoders of codec.h have applied them.
 * Each returns 0, or SN_E_INVALID_ARGUMENT or SN_E_TOO_LARGE with the field and what was expected.
 * Source: CometBFT v0.38.25 types/. */
#pragma once
#include "consensus/codec.h"

int sn_cons_check_vote(const struct sn_cons_vote *v) SN_MUST_CHECK;
int sn_cons_check_proposal(const struct sn_cons_proposal *p) SN_MUST_CHECK;
int sn_cons_check_commit(const struct sn_cons_commit *c) SN_MUST_CHECK;
int sn_cons_check_header(const struct sn_cons_header *h) SN_MUST_CHECK;
int sn_cons_check_part(const struct sn_cons_part *p) SN_MUST_CHECK;
int sn_cons_check_evidence(const struct sn_cons_evidence *ev) SN_MUST_CHECK;
/* sn_cons_check_light_block - header and commit belong together and the header names the set.
 * Returns also as sn_cons_header_hash. */
int sn_cons_check_light_block(const struct sn_cons_light_block *b) SN_MUST_CHECK;
/* sn_cons_check_block - the header is well-formed and its hashes are those of what follows it.
 * Returns also as the hash functions. */
int sn_cons_check_block(const struct sn_cons_block *b) SN_MUST_CHECK;
