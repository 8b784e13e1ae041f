/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain - chains: the commands, one file each. */
#include "sennit/chain_cmd.h"

static const struct sn_cli_command *const subs[] = {
    &sn_cmd_chain_start,
    &sn_cmd_chain_init,
    &sn_cmd_chain_testnet,
    &sn_cmd_chain_show_node_id,
    &sn_cmd_chain_show_validator,
    &sn_cmd_chain_gen_node_key,
    &sn_cmd_chain_gen_validator,
    &sn_cmd_chain_rollback,
    &sn_cmd_chain_compact,
    &sn_cmd_chain_replay,
    &sn_cmd_chain_replay_console,
    &sn_cmd_chain_reindex_event,
    &sn_cmd_chain_inspect,
    &sn_cmd_chain_debug,
    &sn_cmd_chain_reset_state,
    &sn_cmd_chain_unsafe_reset_all,
    &sn_cmd_chain_unsafe_reset_priv_validator,
    &sn_cmd_chain_version,
    &sn_cmd_chain_light,
    &sn_cmd_chain_kvstore,
    &sn_cmd_chain_console,
    &sn_cmd_chain_batch,
    &sn_cmd_chain_echo,
    &sn_cmd_chain_info,
    &sn_cmd_chain_check_tx,
    &sn_cmd_chain_finalize_block,
    &sn_cmd_chain_commit,
    &sn_cmd_chain_query,
    &sn_cmd_chain_prepare_proposal,
    &sn_cmd_chain_process_proposal,
    NULL,
};

const struct sn_cli_command sn_cmd_chain = {
    .name = "chain",
    .brief = "Chains: applications and how to talk to them.",
    .subs = subs,
    .leading = "home= log_level= trace",
};
