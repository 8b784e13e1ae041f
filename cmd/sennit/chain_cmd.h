/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/chain_cmd.h - the commands of `sennit chain`, and a session with an application. */
#pragma once
#include "abci/client.h"
#include "sennit/commands.h"

extern const struct sn_cli_command sn_cmd_chain_batch;
extern const struct sn_cli_command sn_cmd_chain_check_tx;
extern const struct sn_cli_command sn_cmd_chain_commit;
extern const struct sn_cli_command sn_cmd_chain_console;
extern const struct sn_cli_command sn_cmd_chain_echo;
extern const struct sn_cli_command sn_cmd_chain_finalize_block;
extern const struct sn_cli_command sn_cmd_chain_info;
extern const struct sn_cli_command sn_cmd_chain_kvstore;
extern const struct sn_cli_command sn_cmd_chain_light;
extern const struct sn_cli_command sn_cmd_chain_prepare_proposal;
extern const struct sn_cli_command sn_cmd_chain_process_proposal;
extern const struct sn_cli_command sn_cmd_chain_query;
extern const struct sn_cli_command sn_cmd_chain_start;
/* A node's home folder. */
extern const struct sn_cli_command sn_cmd_chain_compact;
extern const struct sn_cli_command sn_cmd_chain_debug;
extern const struct sn_cli_command sn_cmd_chain_gen_node_key;
extern const struct sn_cli_command sn_cmd_chain_gen_validator;
extern const struct sn_cli_command sn_cmd_chain_init;
extern const struct sn_cli_command sn_cmd_chain_inspect;
extern const struct sn_cli_command sn_cmd_chain_reindex_event;
extern const struct sn_cli_command sn_cmd_chain_replay;
extern const struct sn_cli_command sn_cmd_chain_replay_console;
extern const struct sn_cli_command sn_cmd_chain_reset_state;
extern const struct sn_cli_command sn_cmd_chain_rollback;
extern const struct sn_cli_command sn_cmd_chain_show_node_id;
extern const struct sn_cli_command sn_cmd_chain_show_validator;
extern const struct sn_cli_command sn_cmd_chain_testnet;
extern const struct sn_cli_command sn_cmd_chain_unsafe_reset_all;
extern const struct sn_cli_command sn_cmd_chain_unsafe_reset_priv_validator;
extern const struct sn_cli_command sn_cmd_chain_version;

enum chain_transport { CHAIN_SOCKET, CHAIN_GRPC };
extern const struct sn_conf_enum chain_transports[];

/* Where the application is: the first fields of every options struct here. */
struct chain_abci_opts {
    struct sn_str address;
    uint32_t transport;
    bool verbose, prove;
    struct sn_str path;
    int64_t height, timeout;
};
#define CHAIN_ADDRESS_DEFAULT "tcp://127.0.0.1:26658"
#define CHAIN_ADDRESS_FIELDS(S)                                                               \
    SN_CONF_STRING(S, address, "address", .def = CHAIN_ADDRESS_DEFAULT, .metavar = "ADDRESS", \
                   .help = "The application's socket: `tcp://HOST:PORT` or `unix://PATH`."),  \
        SN_CONF_ENUM(S, transport, "abci", chain_transports, .def = "socket",                 \
                     .help = "How the application is spoken to.")

struct chain_session {
    const struct chain_abci_opts *o;
    struct sn_abci_client *c;
    struct sn_arena arena; /* of one command */
};
/* chain_session_run - connects, runs work(session, arg), closes. Returns work's result or why there
 * is no connection. Context: the main thread; work runs in a fiber. */
int chain_session_run(const struct sn_cli_call *call,
                      int (*work)(struct chain_session *s, void *arg), void *arg);
/* chain_abci_run - one command by abci-cli's name ("check_tx", hyphens too) and its words; prints
 * what abci-cli prints. What is wrong with the words is printed as a response; < 0 is the end of
 * the session. */
int chain_abci_run(struct chain_session *s, struct sn_str name, const struct sn_str *args,
                   size_t n);
extern const struct sn_conf_table chain_abci_table;
