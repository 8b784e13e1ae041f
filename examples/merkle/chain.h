/* SPDX-License-Identifier: Apache-2.0 */
/* examples/merkle/chain.h - the exported verifier in a real EVM: Solidity compiled by npm's solc, put
 * on a development node of our own. */
#pragma once
#include "circuit.h"
#include "evm/client.h"
#include "evm/gen/sdk.h"
#include "exhibit/anvil.h"

struct chain {
    struct anvil anvil;
    struct sn_eth_client client;
    struct sn_sdk_at at; /* the contract */
    const struct sn_abi_item *method;
    const struct sn_abi_type *args;
};
struct judged { /* what the contract says of a proof */
    bool accepted, refused; /* as it is; with another root */
    uint64_t gas;           /* of a transaction that verifies it */
};
/* chain_open - starts the node, compiles and deploys. Returns 0; SN_E_NOT_FOUND where anvil or solcjs
 * is not installed; the failure of either. Owns: chain_close. Suspends. */
int chain_open(struct chain *c, struct sn_arena *a, const struct sn_groth_vkey *key,
               unsigned port) SN_MUST_CHECK;
/* chain_judge - Returns 0 or the node's failure. Suspends. */
int chain_judge(struct chain *c, const struct proved *p, struct judged *ret) SN_MUST_CHECK;
void chain_close(struct chain *c);
