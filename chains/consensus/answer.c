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

static int validators_of(struct tendermint_abci_validator_update *const *m, uint32_t n,
                         struct sn_arena *a, const struct sn_cons_validator **ret)
{
    if (n > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%u validator updates, at most %d", n,
                       SN_CONS_VALIDATORS_MAX);
    struct sn_cons_validator *vals = SN_ARENA_ARRAY(a, struct sn_cons_validator, n + 1);
    if (!vals) return SN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        vals[i] = (struct sn_cons_validator){.power = m[i]->power};
        int r = sn_cons_key_of(m[i]->pub_key, &vals[i].key);
        if (r < 0) return sn_wrap(r, "validator update %u", i);
    }
    *ret = vals;
    return 0;
}

static int params_of(const struct tendermint_types_consensus_params *m, struct sn_arena *a,
                     const struct sn_cons_params_update **ret)
{
    *ret = NULL;
    if (!m) return 0;
    struct sn_cons_params_update *u = SN_ARENA_NEW(a, struct sn_cons_params_update);
    int r = u ? sn_cons_params_update_of(m, u) : SN_E_NOMEM;
    if (r >= 0) *ret = u;
    return r;
}

static int hash_of(struct sn_str s, struct sn_cons_app_hash *ret)
{
    if (s.len > SN_CONS_APP_HASH_MAX)
        return sn_fail(SN_E_TOO_LARGE, "application hash of %zu bytes, at most %d", s.len,
                       SN_CONS_APP_HASH_MAX);
    ret->len = (uint8_t)s.len;
    if (s.len) memcpy(ret->b, s.ptr, s.len);
    return 0;
}

int sn_cons_answer_of(const struct tendermint_abci_response_finalize_block *m, struct sn_arena *a,
                      struct sn_cons_block_result *ret)
{
    struct sn_cons_block_result res = {.n_updates = m->validator_updates.len};
    int r = results_of(m, a, &res);
    if (r >= 0)
        r = validators_of(m->validator_updates.ptr, m->validator_updates.len, a, &res.updates);
    if (r >= 0) r = params_of(m->consensus_param_updates, a, &res.params);
    if (r >= 0) r = hash_of(m->app_hash, &res.app_hash);
    if (r < 0) return sn_wrap(r, "answer to FinalizeBlock");
    *ret = res;
    return 0;
}

int sn_cons_answer_parse(struct sn_str in, struct sn_arena *a, struct sn_cons_block_result *ret)
{
    struct tendermint_abci_response_finalize_block *m;
    int r = tendermint_abci_response_finalize_block_parse(in, SN_PB_DISCARD_UNKNOWN, a, &m);
    return r < 0 ? sn_wrap(r, "answer to FinalizeBlock") : sn_cons_answer_of(m, a, ret);
}

int sn_cons_init_answer_of(const struct tendermint_abci_response_init_chain *m, struct sn_arena *a,
                           struct sn_cons_init_result *ret)
{
    struct sn_cons_init_result res = {.n_validators = m->validators.len};
    int r = validators_of(m->validators.ptr, m->validators.len, a, &res.validators);
    if (r >= 0) r = params_of(m->consensus_params, a, &res.params);
    if (r >= 0) r = hash_of(m->app_hash, &res.app_hash);
    if (r < 0) return sn_wrap(r, "answer to InitChain");
    *ret = res;
    return 0;
}

struct tendermint_types_consensus_params *sn_cons_params_message(const struct sn_cons_params *p,
                                                                 struct sn_arena *a)
{
    return sn_cons_params_pb(p, a);
}
struct tendermint_crypto_public_key *sn_cons_key_message(const struct sn_cons_key *k,
                                                         struct sn_arena *a)
{
    return sn_cons_key_pb(k, a);
}
