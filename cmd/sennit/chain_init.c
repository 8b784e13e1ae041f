/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain init, testnet - folders to start nodes from. */
#include <stdio.h>

#include "core/status.h"
#include "sennit/chain_home.h"

static int init_run(const struct sn_cli_call *call)
{
    const struct chain_home_opts *o = call->opts;
    struct sn_home_config c;
    struct chain_home_log log;
    int r = chain_home_load(call, &o->home, &c, &log);
    return r < 0 ? r : sn_home_init(&c, &log.log);
}

const struct sn_cli_command sn_cmd_chain_init = {
    .name = "init",
    .brief = "Makes a node's home folder: configuration, keys and a genesis, each where missing.",
    .about = "The folder is CMTHOME, else --home, else ~/.cometbft. CometBFT 0.38 starts from it,\n"
             "and this program starts from one that `cometbft init` made.",
    .table = &chain_home_table,
    .run = init_run,
};

struct testnet_opts {
    struct sn_home_flags home;
    int64_t v, n, initial_height, p2p_port;
    struct sn_str config, o, node_dir_prefix, hostname_prefix, hostname_suffix, starting_ip_address;
    struct sn_str populate_persistent_peers;
    struct sn_str *hostnames;
    size_t n_hostnames;
    bool random_monikers;
};
#define T struct testnet_opts
static const struct sn_conf_field testnet_fields[] = {
    SN_CONF_INT(T, v, "v", .def = "4", .min = 0, .max = SN_HOME_TESTNET_MAX,
                .help = "Validators."),
    SN_CONF_INT(T, n, "n", .min = 0, .max = SN_HOME_TESTNET_MAX, .help = "Further nodes."),
    SN_CONF_STRING(T, o, "o", .def = "./mytestnet", .metavar = "FOLDER",
                   .help = "Where their folders go."),
    SN_CONF_STRING(T, config, "config", .metavar = "FILE",
                   .help = "A config.toml that theirs begin with."),
    SN_CONF_STRING(T, node_dir_prefix, "node-dir-prefix", .def = "node",
                   .help = "A folder's name, before its number."),
    SN_CONF_INT(T, initial_height, "initial-height", .min = 0, .max = INT64_MAX,
                .help = "The first block's height."),
    SN_CONF_STRING(T, populate_persistent_peers, "populate-persistent-peers", .def = "true",
                   .bare = "true", .metavar = "[=BOOL]",
                   .help = "Every node knows all the others as persistent peers."),
    SN_CONF_STRING(T, hostname_prefix, "hostname-prefix", .def = "node",
                   .help = "A host's name, before its number."),
    SN_CONF_STRING(T, hostname_suffix, "hostname-suffix", .help = "And what is behind it."),
    SN_CONF_STRING(T, starting_ip_address, "starting-ip-address", .metavar = "IPv4",
                   .help = "Addresses instead of names, from this one on."),
    SN_CONF_LIST(T, hostnames, n_hostnames, "hostname", SN_CONF_T_STRING,
                 .max = SN_HOME_TESTNET_MAX,
                 .help = "A host's name as it is; once for each node, or not at all."),
    SN_CONF_INT(T, p2p_port, "p2p-port", .def = "26656", .min = 0, .max = 65535,
                .help = "Every host's port for peers."),
    SN_CONF_BOOL(T, random_monikers, "random-monikers", .help = "Names for people by chance."),
    SN_HOME_FLAGS(T, home),
};
#undef T
static const struct sn_conf_table testnet_table = SN_CONF_TABLE(struct testnet_opts,
                                                                testnet_fields);

static int testnet_run(const struct sn_cli_call *call)
{
    const struct testnet_opts *o = call->opts;
    struct sn_home_config c, begin;
    struct chain_home_log log;
    bool peers = sn_str_eqc(o->populate_persistent_peers, "true");
    if (!peers && !sn_str_eqc(o->populate_persistent_peers, "false"))
        return sn_fail(SN_E_INVALID_ARGUMENT, "--populate-persistent-peers: expected true or false");
    int r = chain_home_load(call, &o->home, &c, &log);
    if (r == 0) r = sn_home_config_defaults(call->arena, &begin);
    if (r == 0 && o->config.len) {
        struct sn_str path = sn_arena_str(call->arena, o->config);
        r = path.ptr ? sn_home_config_read_file(call->arena, path.ptr, &begin) : SN_E_NOMEM;
        if (r == 0) r = sn_home_config_check(&begin);
    }
    if (r < 0) return r;
    struct sn_home_testnet_opts t = {
        .config = &begin, .dir = o->o, .node_dir_prefix = o->node_dir_prefix, .validators = o->v,
        .others = o->n, .initial_height = o->initial_height, .populate_persistent_peers = peers,
        .hostname_prefix = o->hostname_prefix, .hostname_suffix = o->hostname_suffix,
        .starting_ip_address = o->starting_ip_address, .hostnames = o->hostnames,
        .n_hostnames = o->n_hostnames, .p2p_port = o->p2p_port,
        .random_monikers = o->random_monikers};
    r = sn_home_testnet(&t, &log.log);
    if (r < 0) return r;
    printf("Successfully initialized %lld node directories\n", (long long)(o->v + o->n));
    return 0;
}

const struct sn_cli_command sn_cmd_chain_testnet = {
    .name = "testnet",
    .brief = "Makes home folders of a whole network.",
    .about = "Example:\n"
             "  sennit chain testnet --v 4 --o ./output --starting-ip-address 192.168.10.2",
    .table = &testnet_table,
    .run = testnet_run,
};
