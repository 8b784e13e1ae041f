/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/signer.h - who signs for this validator: its files (privval.h), or a process
 * elsewhere. */
#pragma once
#include "consensus/privval.h"

struct sn_signer {
    /* Each as its namesake of privval.h; a remote one also returns SN_E_UNAVAILABLE (nobody is
     * connected, within its time), SN_E_ABORTED (the other side refused, with its words). Suspend.
     */
    int (*sign_vote)(struct sn_signer *s, struct sn_str chain_id, struct sn_cons_vote *v);
    int (*sign_proposal)(struct sn_signer *s, struct sn_str chain_id, struct sn_cons_proposal *p);
    struct sn_cons_key key; /* known from the start */
};
/* sn_signer_file - of an open sn_privval, borrowed. */
struct sn_signer_file {
    struct sn_signer s;
    struct sn_privval *pv;
};
void sn_signer_file(struct sn_privval *pv, struct sn_signer_file *ret);
