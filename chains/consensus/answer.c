/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/answer.c */
#include "consensus/answer.h"

#include "consensus/codec_int.h"
#include "consensus/key.h"
#include "consensus/state_int.h"
#include "tendermint/abci/types.pb.h"

static int results_of(const struct tendermint_abci_response_finalize_block *m, struct sn_arena *a,
                      struct sn_cons_block_result *ret)
{
    struct sn_cons_tx_result *txs =
        SN_ARENA_ARRAY(a, struct sn_cons_tx_result, m->tx_results.len + 1);
    if (!txs) return SN_E_NOMEM;
    for (uint32_t i = 0; i < m->tx_results.len; i++) {
        const struct tendermint_abci_exec_tx_result *t = m->tx_results.ptr[i];
        txs[i] = (struct sn_cons_tx_result){t->code, t->data, t->gas_wanted, t->gas_used};
    }
    ret->txs = txs;
    ret->n_txs = m->tx_results.len;
    return 0;
}

static int updates_of(const struct tendermint_abci_response_finalize_block *m, struct sn_arena *a,
                      struct sn_cons_block_result *ret)
{
    uint32_t n = m->validator_updates.len;
    if (n > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%u validator updates, at most %d", n,
                       SN_CONS_VALIDATORS_MAX);
    struct sn_cons_validator *vals = SN_ARENA_ARRAY(a, struct sn_cons_validator, n + 1);
    if (!vals) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        const struct tendermint_abci_validator_update *u = m->validator_updates.ptr[i];
        vals[i] = (struct sn_cons_validator){.power = u->power};
        int r = sn_cons_key_of(u->pub_key, &vals[i].key);
        if (r < 0) return sn_wrap(r, "validator update %u", i);
    }
    ret->updates = vals;
    ret->n_updates = n;
    return 0;
}

int sn_cons_answer_parse(struct sn_str in, struct sn_arena *a, struct sn_cons_block_result *ret)
{
    struct tendermint_abci_response_finalize_block *m;
    struct sn_cons_block_result res = {0};
    int r = tendermint_abci_response_finalize_block_parse(in, SN_PB_DISCARD_UNKNOWN, a, &m);
    if (r >= 0) r = results_of(m, a, &res);
    if (r >= 0) r = updates_of(m, a, &res);
    if (r >= 0 && m->consensus_param_updates) {
        struct sn_cons_params_update *u = SN_ARENA_NEW(a, struct sn_cons_params_update);
        r = u ? sn_cons_params_update_of(m->consensus_param_updates, u) : SN_E_NOMEM;
        res.params = u;
    }
    if (r >= 0 && m->app_hash.len > SN_CONS_APP_HASH_MAX)
        r = sn_fail(SN_E_TOO_LARGE, "application hash of %zu bytes, at most %d", m->app_hash.len,
                    SN_CONS_APP_HASH_MAX);
    if (r < 0) return sn_wrap(r, "answer to FinalizeBlock");
    res.app_hash.len = (uint8_t)m->app_hash.len;
    if (m->app_hash.len) memcpy(res.app_hash.b, m->app_hash.ptr, m->app_hash.len);
    *ret = res;
    return 0;
}
