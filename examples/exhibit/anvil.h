/* SPDX-License-Identifier: Apache-2.0 */
/* examples/exhibit/anvil.h - a development node for the time of an example: npm's @foundry-rs/anvil. */
#pragma once
#include "evm/rpc.h"
#include "fiber/os.h"

struct anvil {
    struct sn_proc proc;
    struct sn_eth_rpc *rpc;
    char url[64];
};
/* anvil_start - starts `anvil` on loopback and waits until it answers. port 0: a free one. When this
 * process dies the node dies with it. Returns 0; SN_E_NOT_FOUND where it is not installed,
 * SN_E_ALREADY_EXISTS where the port is taken, SN_E_UNAVAILABLE where it does not come up. Owns: *a
 * until anvil_stop. Suspends. */
int anvil_start(struct anvil *a, unsigned port) SN_MUST_CHECK;
void anvil_stop(struct anvil *a);
