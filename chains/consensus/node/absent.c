/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/absent.c - stands in until txs.c and evidence_keeper.c are merged, and goes with
 * that merge: nothing makes the objects these take, so none is ever called. */
#include "consensus/node/evidence_keeper.h"
#include "consensus/node/txs.h"

int sn_txs_hold(struct sn_txs *t) { return SN_E_UNIMPLEMENTED; }
void sn_txs_release(struct sn_txs *t) {}
int sn_txs_update(struct sn_txs *t, int64_t height, int64_t now_ns,
                  const struct sn_mempool_done *txs, size_t n)
{
    return SN_E_UNIMPLEMENTED;
}
struct sn_mempool *sn_txs_pool(struct sn_txs *t) { return NULL; }
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
