/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/absent.c - stands in until evidence_keeper.c is merged, and goes with
 * that merge: nothing makes the objects these take, so none is ever called. */
#include "consensus/node/evidence_keeper.h"

int sn_evidence_keeper_report(struct sn_evidence_keeper *k, struct sn_cons_vote *a,
                              struct sn_cons_vote *b)
{
    return SN_E_UNIMPLEMENTED;
}
int sn_evidence_keeper_check(void *k, const struct sn_cons_state *s, const struct sn_cons_block *b)
{
    return SN_E_UNIMPLEMENTED;
}
int sn_evidence_keeper_pending(struct sn_evidence_keeper *k, int64_t bytes_max, struct sn_arena *a,
                               struct sn_cons_evidence ***ret, uint32_t *ret_n, int64_t *ret_bytes)
{
    return SN_E_UNIMPLEMENTED;
}
int sn_evidence_keeper_update(struct sn_evidence_keeper *k, struct sn_cons_state *s,
                              const struct sn_cons_block *b)
{
    return SN_E_UNIMPLEMENTED;
}
