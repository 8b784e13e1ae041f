/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/signer.c - the validator's own files as a signer. */
#include "consensus/node/signer.h"

#include "core/base.h"

static struct sn_privval *file_of(struct sn_signer *s)
{
    return SN_CONTAINER_OF(s, struct sn_signer_file, s)->pv;
}
static int sign_vote(struct sn_signer *s, struct sn_str chain_id, struct sn_cons_vote *v)
{
    return sn_privval_sign_vote(file_of(s), chain_id, v);
}
static int sign_proposal(struct sn_signer *s, struct sn_str chain_id, struct sn_cons_proposal *p)
{
    return sn_privval_sign_proposal(file_of(s), chain_id, p);
}

void sn_signer_file(struct sn_privval *pv, struct sn_signer_file *ret)
{
    *ret = (struct sn_signer_file){.s = {.sign_vote = sign_vote,
                                         .sign_proposal = sign_proposal,
                                         .key = *sn_privval_key(pv)},
                                   .pv = pv};
}
