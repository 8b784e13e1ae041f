/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain reset-state, unsafe-reset-all, unsafe-reset-priv-validator. */
#include "core/status.h"
#include "sennit/chain_home.h"

struct reset_opts {
    struct sn_home_flags home;
    bool keep_addr_book;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_BOOL(struct reset_opts, keep_addr_book, "keep-addr-book",
                 .help = "Known addresses stay."),
    SN_HOME_FLAGS(struct reset_opts, home),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct reset_opts, fields);

static int all_run(const struct sn_cli_call *call)
{
    const struct reset_opts *o = call->opts;
    struct sn_home_config c;
    struct chain_home_log log;
    int r = chain_home_load(call, &o->home, &c, &log);
    return r < 0 ? r : sn_home_reset_all(&c, o->keep_addr_book, &log.log);
}
static int state_run(const struct sn_cli_call *call)
{
    const struct chain_home_opts *o = call->opts;
    struct sn_home_config c;
    struct chain_home_log log;
    int r = chain_home_load(call, &o->home, &c, &log);
    return r < 0 ? r : sn_home_reset_state(&c, &log.log);
}
static int signer_run(const struct sn_cli_call *call)
{
    const struct chain_home_opts *o = call->opts;
    struct sn_home_config c;
    struct chain_home_log log;
    int r = chain_home_load(call, &o->home, &c, &log);
    return r < 0 ? r : sn_home_reset_signer(&c, &log.log);
}

const struct sn_cli_command sn_cmd_chain_unsafe_reset_all = {
    .name = "unsafe-reset-all",
    .alias = "unsafe_reset_all",
    .brief = "Removes all data and makes the validator forget what it signed.",
    .about = "A validator of a running chain that forgets may sign twice, and be punished.",
    .table = &table,
    .run = all_run,
};
const struct sn_cli_command sn_cmd_chain_reset_state = {
    .name = "reset-state",
    .alias = "reset_state",
    .brief = "Removes blocks, state, evidence, index and log; the validator remembers.",
    .table = &chain_home_table,
    .run = state_run,
};
const struct sn_cli_command sn_cmd_chain_unsafe_reset_priv_validator = {
    .name = "unsafe-reset-priv-validator",
    .alias = "unsafe_reset_priv_validator",
    .brief = "Makes the validator forget what it signed; makes its key where there is none.",
    .table = &chain_home_table,
    .run = signer_run,
};
