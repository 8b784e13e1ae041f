/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain show-node-id, show-validator, version. */
#include <stdio.h>

#include "consensus/key.h"
#include "consensus/privval.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "sennit/chain_home.h"
#include "sennit/files.h"

static int node_id_run(const struct sn_cli_call *call)
{
    const struct chain_home_opts *o = call->opts;
    struct sn_home_config c;
    struct chain_home_log log;
    uint8_t secret[SN_ED25519_SECRET_LEN];
    char id[SN_NODE_ID_LEN + 1];
    int r = chain_home_load(call, &o->home, &c, &log);
    if (r < 0) return r;
    struct sn_str path = sn_home_path(call->arena, &c, c.node_key_file);
    r = path.ptr ? sn_home_node_key_read(path.ptr, secret, id) : SN_E_NOMEM;
    sn_wipe(secret, sizeof(secret));
    if (r == 0) puts(id);
    return r;
}

const struct sn_cli_command sn_cmd_chain_show_node_id = {
    .name = "show-node-id",
    .alias = "show_node_id",
    .brief = "Prints this node's ID.",
    .table = &chain_home_table,
    .run = node_id_run,
};

static int validator_run(const struct sn_cli_call *call)
{
    const struct chain_home_opts *o = call->opts;
    struct sn_home_config c;
    struct chain_home_log log;
    struct sn_privval *pv;
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = chain_home_load(call, &o->home, &c, &log);
    if (r < 0) return r;
    struct sn_str key = sn_home_path(call->arena, &c, c.priv_validator_key_file),
                  state = sn_home_path(call->arena, &c, c.priv_validator_state_file);
    if (!key.ptr || !state.ptr) return SN_E_NOMEM;
    r = sn_privval_open(&(struct sn_privval_opts){.key_path = key.ptr, .state_path = state.ptr},
                        &pv);
    if (r < 0) return r;
    const struct sn_cons_key *k = sn_privval_key(pv);
    sn_buf_printf(&b, "{\"type\":\"tendermint/PubKey%s\",\"value\":\"",
                  k->type == SN_CONS_SECP256K1 ? "Secp256k1" : "Ed25519");
    sn_buf_base64(&b, k->b, k->len, SN_BASE64_STD);
    sn_buf_cstr(&b, "\"}");
    sn_privval_close(pv);
    return files_print(&b);
}

const struct sn_cli_command sn_cmd_chain_show_validator = {
    .name = "show-validator",
    .alias = "show_validator",
    .brief = "Prints this node's public key as a validator.",
    .table = &chain_home_table,
    .run = validator_run,
};

/* ---- version ---- */

#define VERSION SN_HOME_COMET_VERSION "+sennit"
struct version_opts {
    bool verbose;
};
static const struct sn_conf_field version_fields[] = {
    SN_CONF_BOOL(struct version_opts, verbose, "verbose", .letter = 'v',
                 .help = "Protocols' versions, too."),
};
static const struct sn_conf_table version_table = SN_CONF_TABLE(struct version_opts,
                                                                version_fields);

static int version_run(const struct sn_cli_call *call)
{
    const struct version_opts *o = call->opts;
    if (o->verbose)
        printf("{\n  \"cometbft\": \"%s\",\n  \"abci\": \"2.0.0\",\n  \"block_protocol\": %d,\n"
               "  \"p2p_protocol\": %d\n}\n",
               VERSION, SN_BLOCK_VERSION, SN_P2P_VERSION);
    else puts(VERSION);
    return 0;
}

const struct sn_cli_command sn_cmd_chain_version = {
    .name = "version",
    .brief = "Prints which CometBFT this node is compatible with.",
    .table = &version_table,
    .run = version_run,
};
