/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/txs.h - the mempool (mempool/mempool.h) with its application: every way in for a
 * transaction (RPC, gossip) comes here, and is checked in the fiber that brought it, many at a
 * time. */
#pragma once
#include "chains/abci/client.h"
#include "consensus/mempool/mempool.h"

struct sn_txs;
struct sn_txs_opts {
    struct sn_mempool_opts pool;
    struct sn_abci_client *app; /* the mempool connection; borrowed */
    uint32_t recheck_parallel;  /* 0: 32 */
    /* The first transaction since sn_txs_update, or at it where some are left. From any fiber; must
     * not suspend. */
    void (*on_available)(void *arg);
    void *arg;
};
/* sn_txs_new - Returns 0, as sn_mempool_new. */
int sn_txs_new(const struct sn_txs_opts *o, struct sn_txs **ret) SN_MUST_CHECK;
void sn_txs_free(struct sn_txs *t);
struct sn_mempool *sn_txs_pool(struct sn_txs *t);
/* sn_txs_on_available - sets the hook, before anything is checked. */
void sn_txs_on_available(struct sn_txs *t, void (*fn)(void *arg), void *arg);
/* sn_txs_check - a transaction of `from` (0: a user of this node): asks the application, and keeps
 * it where it says OK. Returns 0 with the application's answer (its code says whether it was
 * taken), in `a`, or in `tx`; as sn_mempool_begin and sn_mempool_finish; as sn_abci_client_call.
 * Suspends. */
int sn_txs_check(struct sn_txs *t, struct sn_str tx, uint16_t from, struct sn_arena *a,
                 struct tendermint_abci_response_check_tx **ret) SN_MUST_CHECK;
/* sn_txs_begin, sn_txs_ask - sn_txs_check in two halves: who takes in many may sort out the known
 * ones first and ask the application about the others in fibers of their own. _begin returns as
 * sn_mempool_begin, and SN_E_TOO_LARGE where no block has room for it; what it gives _ask must
 * take. _ask returns as sn_txs_check; *ret may be part of tx: who reads it has a reference.
 * Suspend.
 */
int sn_txs_begin(struct sn_txs *t, struct sn_str tx, uint16_t from,
                 struct sn_mempool_tx **ret_tx) SN_MUST_CHECK;
int sn_txs_ask(struct sn_txs *t, struct sn_mempool_tx *tx, struct sn_arena *a,
               struct tendermint_abci_response_check_tx **ret) SN_MUST_CHECK;
/* sn_txs_check_later - sn_txs_check in a fiber of the pool's own: returns when the transaction is known
 * to be new and to have room, before the application is asked. Returns 0; as sn_txs_begin;
 * SN_E_RESOURCE_EXHAUSTED where SN_TXS_LATER_MAX are on their way already; without sn_txs_run it asks
 * at once, and returns as sn_txs_check. Suspends. */
#define SN_TXS_LATER_MAX 4096u
int sn_txs_check_later(struct sn_txs *t, struct sn_str tx, uint16_t from) SN_MUST_CHECK;
/* sn_txs_running - whether sn_txs_run has begun and not ended: whether _check_later returns at once. */
bool sn_txs_running(struct sn_txs *t);
/* sn_txs_set_limits - what a block may have, as consensus parameters say: bytes of transactions as
 * fields of its Data, gas; < 0: no limit, as at first. A transaction beyond them by itself is not
 * taken. Any fiber. */
void sn_txs_set_limits(struct sn_txs *t, int64_t bytes_max, int64_t gas_max);
/* sn_txs_hold, _release - while held no CheckTx begins, and those that had begun are answered:
 * around the application's Commit. _release: a block of this height is decided; 0: none is. Returns 0,
 * SN_E_CANCELLED. Suspends. */
int sn_txs_hold(struct sn_txs *t) SN_MUST_CHECK;
void sn_txs_release(struct sn_txs *t, int64_t decided);
/* sn_txs_update - the block's transactions leave, after the release: that takes as long as the block
 * is large, and nobody who brings others need wait for it. Returns as sn_mempool_update. Suspends. */
int sn_txs_update(struct sn_txs *t, int64_t now_ns, const struct sn_mempool_done *txs,
                  size_t n) SN_MUST_CHECK;
/* sn_txs_await_rechecked - until what waits has been checked against the last block, at most until
 * until_ns; without sn_txs_run not at all. Who makes a block right after another would find nothing to
 * put into it. Returns 0, also when the time is up; SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED (the
 * fiber's own). Suspends. */
int sn_txs_await_rechecked(struct sn_txs *t, int64_t until_ns) SN_MUST_CHECK;
/* sn_txs_run - rechecks after blocks, until cancelled: one fiber of the node's. */
int sn_txs_run(struct sn_txs *t) SN_MUST_CHECK;
