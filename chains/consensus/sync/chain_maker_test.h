/* SPDX-License-Identifier: Apache-2.0 */
/* sync/chain_maker_test.h - a chain without a network: one process has all validators' keys, makes each
 * block, signs it for all of them and executes it by sn_exec with the kvstore. The stores are what a node
 * would have: for tests of block sync, and for homes of any length that real nodes open. */
#pragma once
#include "chains/abci/kvstore.h"
#include "consensus/node/exec.h"

#define CHAIN_VALIDATORS_MAX 200

struct chain_opts {
    uint32_t validators;
    int64_t extensions_height;
    uint32_t txs, tx_bytes;  /* of each block */
    const char *dir;         /* with blockstore.db and state.db; NULL: in memory */
    uint32_t absent;         /* so many of the validators never sign */
    bool forged;             /* blocks are signed by others than the validators */
    bool follower;           /* makes nothing: a node that begins with the genesis */
};
struct chain {
    struct chain_opts o;
    struct sn_cons_genesis genesis;
    struct sn_cons_genesis_validator validators[CHAIN_VALIDATORS_MAX];
    uint8_t secrets[CHAIN_VALIDATORS_MAX][64]; /* in the order of the set */
    struct sn_kvstore *kv;
    struct sn_abci_conns app;
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    struct sn_exec *exec;
    struct sn_cons_state *state;
    struct sn_arena last_arena; /* last's */
    struct sn_cons_commit last; /* of the last block; n 0: none */
    uint64_t made;
};
/* chain_open - the genesis, stores and application, after the handshake. */
int chain_open(struct chain *c, const struct chain_opts *o);
/* chain_extend - n more blocks. */
int chain_extend(struct chain *c, uint32_t n);
void chain_close(struct chain *c);
