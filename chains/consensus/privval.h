/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/privval.h - the validator's key, and the memory that keeps it from ever signing two
 * things for one place: priv_validator_key.json and priv_validator_state.json, as CometBFT 0.38
 * writes them.
 *
 * A place is height, round and step. Nothing is signed for a place before the last one. For the
 * last place itself the last signature is given out again, if what is to be signed is the same but
 * for its time; then it gets the time it was signed with. A signature leaves only when its place is
 * on the disk.
 *
 * Extensions of precommits are signed each time: they are no votes.
 * Source: CometBFT v0.38.25 privval/file.go. Context: fibers; calls that sign suspend. */
#pragma once
#include "consensus/types.h"

struct sn_privval;
struct sn_privval_opts {
    const char *key_path, *state_path;
    bool make; /* a new Ed25519 key where there are no files */
};
/* sn_privval_open - Returns 0; SN_E_NOT_FOUND (a file is missing, or one of the two where they are
 * to be made), SN_E_SYNTAX, SN_E_INVALID_ARGUMENT with the file's member and what was expected,
 * SN_E_IO, SN_E_NOMEM. Owns: sn_privval_close. */
int sn_privval_open(const struct sn_privval_opts *o, struct sn_privval **ret) SN_MUST_CHECK;
/* sn_privval_close - wipes the key; accepts NULL. */
void sn_privval_close(struct sn_privval *pv);
/* sn_privval_key - the public key; its address is sn_cons_key_addr's. */
const struct sn_cons_key *sn_privval_key(const struct sn_privval *pv);
/* sn_privval_height - of the last signature; 0: none yet. */
int64_t sn_privval_height(const struct sn_privval *pv);

/* sn_privval_sign_vote - sets v's signature, its extension's for a precommit of a block, and the
 * time of an earlier signature that is given out again. Returns 0; SN_E_FAILED_PRECONDITION for a
 * place before the last one, and for other contents at the last one; SN_E_INVALID_ARGUMENT for an
 * extension where none may be; SN_E_IO: then nothing has been signed. */
int sn_privval_sign_vote(struct sn_privval *pv, struct sn_str chain_id,
                         struct sn_cons_vote *v) SN_MUST_CHECK;
/* sn_privval_sign_proposal - the same for a proposal. */
int sn_privval_sign_proposal(struct sn_privval *pv, struct sn_str chain_id,
                             struct sn_cons_proposal *p) SN_MUST_CHECK;
/* sn_privval_forget - the memory begins anew: for a chain that begins anew, and nothing else. */
int sn_privval_forget(struct sn_privval *pv) SN_MUST_CHECK;
