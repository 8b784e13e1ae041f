/* SPDX-License-Identifier: Apache-2.0 */
/* sennit abi - contract interfaces: the commands, one file each. */
#include "sennit/commands.h"

static const struct sn_cli_command *const subs[] = {
    &sn_cmd_abi_gen,  &sn_cmd_abi_encode, &sn_cmd_abi_decode, &sn_cmd_abi_sig,     &sn_cmd_abi_4byte,
    &sn_cmd_abi_tx,   &sn_cmd_abi_typed,  &sn_cmd_abi_gas,    &sn_cmd_abi_fees,    &sn_cmd_abi_call,
    &sn_cmd_abi_send, &sn_cmd_abi_logs,   &sn_cmd_abi_receipt, NULL,
};

const struct sn_cli_command sn_cmd_abi = {
    .name = "abi",
    .brief = "Contract interfaces: SDKs, calldata, transactions, gas.",
    .subs = subs,
};
