/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/config.h - config/config.toml of a node's home folder, as CometBFT 0.38.25 reads
 * and writes it: every key with its default and its check, one C member per key under its own name.
 *
 * A value comes from, in this order: a flag, the environment (CMT_P2P_LADDR for p2p.laddr,
 * CMT_MONIKER for moniker), the file, the default. As in CometBFT, keys ignore case and scalars are
 * converted where that is meant well ("4" for a number, a number of nanoseconds for a duration, a
 * comma-separated string for a list). Keys that no version 0.38 node knows are warned about.
 *
 * Strings belong to the arena the configuration was read into. Nothing here suspends.
 * Source: CometBFT v0.38.25 config/config.go, config/toml.go, cmd/cometbft/commands/root.go. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"
#include "kit/config.h"

#define SN_HOME_CONFIG_BYTES_MAX (1u << 20)
#define SN_HOME_WARNINGS_MAX 20
/* What we say we are, in node info, ABCI Info and config.toml. */
#define SN_HOME_COMET_VERSION "0.38.25"

struct sn_home_rpc {
    struct sn_str laddr; /* "tcp://127.0.0.1:26657" or "unix://PATH"; empty: no RPC */
    struct sn_str *cors_allowed_origins;
    size_t n_cors_allowed_origins;
    struct sn_str *cors_allowed_methods;
    size_t n_cors_allowed_methods;
    struct sn_str *cors_allowed_headers;
    size_t n_cors_allowed_headers;
    struct sn_str grpc_laddr;
    int64_t grpc_max_open_connections; /* 0: no limit */
    bool unsafe;
    int64_t max_open_connections;
    int64_t max_subscription_clients;
    int64_t max_subscriptions_per_client;
    int64_t experimental_subscription_buffer_size;
    int64_t experimental_websocket_write_buffer_size;
    bool experimental_close_on_slow_client;
    int64_t timeout_broadcast_tx_commit; /* ns, as every duration here */
    int64_t max_request_batch_size;      /* 0: no limit */
    int64_t max_body_bytes;
    int64_t max_header_bytes;
    struct sn_str tls_cert_file, tls_key_file; /* under config/ */
    struct sn_str pprof_laddr;
};
struct sn_home_p2p {
    struct sn_str laddr, external_address;
    struct sn_str seeds, persistent_peers; /* "ID@HOST:PORT,..." */
    struct sn_str addr_book_file;
    bool addr_book_strict;
    int64_t max_num_inbound_peers, max_num_outbound_peers;
    struct sn_str unconditional_peer_ids;
    int64_t persistent_peers_max_dial_period; /* 0: exponential backoff alone */
    int64_t flush_throttle_timeout;
    int64_t max_packet_msg_payload_size;
    int64_t send_rate, recv_rate; /* bytes per second */
    bool pex, seed_mode;
    struct sn_str private_peer_ids;
    bool allow_duplicate_ip;
    int64_t handshake_timeout, dial_timeout;
};
struct sn_home_mempool {
    struct sn_str type; /* "flood", "nop" or "" (flood) */
    bool recheck;
    int64_t recheck_timeout;
    bool broadcast;
    struct sn_str wal_dir;
    int64_t size, max_txs_bytes, cache_size;
    bool keep_invalid_txs_in_cache; /* "keep-invalid-txs-in-cache" */
    int64_t max_tx_bytes, max_batch_bytes;
    int64_t experimental_max_gossip_connections_to_persistent_peers; /* 0: no limit */
    int64_t experimental_max_gossip_connections_to_non_persistent_peers;
};
struct sn_home_statesync {
    bool enable;
    struct sn_str *rpc_servers;
    size_t n_rpc_servers;
    int64_t trust_height;
    struct sn_str trust_hash; /* hex */
    int64_t trust_period, discovery_time;
    struct sn_str temp_dir; /* empty: the system's */
    int64_t chunk_request_timeout;
    int32_t chunk_fetchers;
    uint32_t max_snapshot_chunks;
};
struct sn_home_blocksync {
    struct sn_str version; /* "v0" */
};
struct sn_home_consensus {
    struct sn_str wal_file;
    int64_t timeout_propose, timeout_propose_delta;
    int64_t timeout_prevote, timeout_prevote_delta;
    int64_t timeout_precommit, timeout_precommit_delta;
    int64_t timeout_commit;
    int64_t double_sign_check_height;
    bool skip_timeout_commit, create_empty_blocks;
    int64_t create_empty_blocks_interval;
    int64_t peer_gossip_sleep_duration, peer_query_maj23_sleep_duration;
    int64_t block_time_tolerance;
};
struct sn_home_storage {
    bool discard_abci_responses;
};
struct sn_home_tx_index {
    struct sn_str indexer; /* "kv", "null", "psql" */
    struct sn_str psql_conn; /* "psql-conn"; has a password: never in a log */
};
struct sn_home_instrumentation {
    bool prometheus;
    struct sn_str prometheus_listen_addr;
    int64_t max_open_connections;
    struct sn_str namespace_;
};
struct sn_home_config {
    struct sn_str root; /* the home folder; not of the file */
    struct sn_str version;
    struct sn_str proxy_app; /* "tcp://...", "unix://...", or "kvstore", "noop": in this process */
    struct sn_str moniker;
    struct sn_str db_backend, db_dir;
    struct sn_str log_level, log_format;
    struct sn_str genesis_file;
    struct sn_str priv_validator_key_file, priv_validator_state_file;
    struct sn_str priv_validator_laddr; /* empty: the files sign */
    struct sn_str node_key_file;
    struct sn_str abci; /* "socket" or "grpc" */
    bool filter_peers;
    int64_t event_bus_buffer_capacity;
    struct sn_home_rpc rpc;
    struct sn_home_p2p p2p;
    struct sn_home_mempool mempool;
    struct sn_home_statesync statesync;
    struct sn_home_blocksync blocksync;
    struct sn_home_consensus consensus;
    struct sn_home_storage storage;
    struct sn_home_tx_index tx_index;
    struct sn_home_instrumentation instrumentation;
};

/* sn_home_config_defaults - what a node without a file runs with; moniker: the host's name. root
 * stays empty. Returns 0, SN_E_NOMEM. */
int sn_home_config_defaults(struct sn_arena *a, struct sn_home_config *ret) SN_MUST_CHECK;
/* sn_home_config_read - the values of a config.toml over those in c. file: its name for messages.
 * Unknown keys get a line each in warnings ("FILE:LINE: unknown key p2p.foo ..."; may be NULL).
 * Returns 0; SN_E_SYNTAX and its kin as sn_toml_parse; SN_E_INVALID_ARGUMENT with "FILE:LINE:COLUMN:
 * KEY: expected ..., got ..."; SN_E_TOO_LARGE, SN_E_NOMEM. After an error c is half filled. */
int sn_home_config_read(struct sn_arena *a, const char *file, struct sn_str text,
                        struct sn_home_config *c, struct sn_buf *warnings) SN_MUST_CHECK;
/* sn_home_config_set - one key ("p2p.laddr") by text, as a flag or the environment gives it.
 * Returns 0, SN_E_NOT_FOUND (no such key), SN_E_INVALID_ARGUMENT, SN_E_NOMEM. */
int sn_home_config_set(struct sn_arena *a, struct sn_home_config *c, const char *key,
                       struct sn_str value) SN_MUST_CHECK;
/* sn_home_config_env - CMT_* of the environment, looked up by get(arg, name) (getenv for NULL).
 * Returns 0, SN_E_INVALID_ARGUMENT with the variable, SN_E_NOMEM. Context: before threads. */
int sn_home_config_env(struct sn_arena *a, struct sn_home_config *c,
                       const char *(*get)(void *arg, const char *name), void *arg) SN_MUST_CHECK;
/* sn_home_config_check - what CometBFT refuses to start with. Returns 0 or SN_E_INVALID_ARGUMENT
 * with the key and what was expected. */
int sn_home_config_check(const struct sn_home_config *c) SN_MUST_CHECK;
/* sn_home_config_print - appends config.toml; reading it gives c again, here and in CometBFT.
 * Returns 0 or the buffer's error. */
int sn_home_config_print(const struct sn_home_config *c, struct sn_buf *out) SN_MUST_CHECK;
/* sn_home_config_write - prints it into a file, mode 0644. sn_home_config_read_file - the reverse,
 * over c; warnings go to stderr. Return as print, read and sn_file_write, sn_file_read. */
int sn_home_config_write(const struct sn_home_config *c, const char *path) SN_MUST_CHECK;
int sn_home_config_read_file(struct sn_arena *a, const char *path,
                             struct sn_home_config *c) SN_MUST_CHECK;

/* ---- the command line ------------------------------------------------------------------------ */

/* Flags every command has, and those of `start`; .ptr NULL where not given. An options struct has
 * `struct sn_home_flags home;` and its table SN_HOME_FLAGS(struct opts, home) or, for start,
 * SN_HOME_START_FLAGS too. */
struct sn_home_flags {
    struct sn_str home, log_level;
    bool trace; /* accepted: errors here always say where they come from */
    struct sn_str abci, consensus_create_empty_blocks, consensus_create_empty_blocks_interval;
    struct sn_str consensus_double_sign_check_height, db_backend, db_dir, genesis_hash, moniker;
    struct sn_str p2p_external_address, p2p_laddr, p2p_persistent_peers, p2p_pex;
    struct sn_str p2p_private_peer_ids, p2p_seed_mode, p2p_seeds, p2p_unconditional_peer_ids;
    struct sn_str priv_validator_laddr, proxy_app, rpc_grpc_laddr, rpc_laddr, rpc_pprof_laddr;
    struct sn_str rpc_unsafe;
};
#define SN_HOME_FLAG_(S, m, field, name, text) \
    SN_CONF_STRING(S, m.field, name, .metavar = "VALUE", .help = text)
#define SN_HOME_SWITCH_(S, m, field, name, text) \
    SN_CONF_STRING(S, m.field, name, .metavar = "[=BOOL]", .bare = "true", .help = text)
#define SN_HOME_FLAGS(S, m)                                                                     \
    SN_HOME_FLAG_(S, m, home, "home", "The home folder; CMTHOME, else ~/.cometbft."),           \
        SN_HOME_FLAG_(S, m, log_level, "log_level", "debug, info, error or none; by module, too."), \
        SN_CONF_BOOL(S, m.trace, "trace", .help = "Accepted for CometBFT's sake.")
#define SN_HOME_START_FLAGS(S, m)                                                               \
    SN_HOME_FLAG_(S, m, abci, "abci", "socket or grpc."),                                       \
        SN_HOME_SWITCH_(S, m, consensus_create_empty_blocks, "consensus.create_empty_blocks",     \
                      "false: blocks only for transactions and changed application hashes."),   \
        SN_HOME_FLAG_(S, m, consensus_create_empty_blocks_interval,                             \
                      "consensus.create_empty_blocks_interval", "The pause before an empty block."), \
        SN_HOME_FLAG_(S, m, consensus_double_sign_check_height,                                 \
                      "consensus.double_sign_check_height",                                     \
                      "Refuse to start where so many last blocks have our signature."),         \
        SN_HOME_FLAG_(S, m, db_backend, "db_backend", "goleveldb."),                            \
        SN_HOME_FLAG_(S, m, db_dir, "db_dir", "The databases' folder."),                        \
        SN_HOME_FLAG_(S, m, genesis_hash, "genesis_hash", "SHA-256 of the genesis file, in hex."), \
        SN_HOME_FLAG_(S, m, moniker, "moniker", "This node's name for people."),                \
        SN_HOME_FLAG_(S, m, p2p_external_address, "p2p.external-address",                       \
                      "HOST:PORT that peers are told to dial."),                                \
        SN_HOME_FLAG_(S, m, p2p_laddr, "p2p.laddr", "Where peers connect to."),                 \
        SN_HOME_FLAG_(S, m, p2p_persistent_peers, "p2p.persistent_peers", "ID@HOST:PORT,..."),  \
        SN_HOME_SWITCH_(S, m, p2p_pex, "p2p.pex", "false: no exchange of addresses."),            \
        SN_HOME_FLAG_(S, m, p2p_private_peer_ids, "p2p.private_peer_ids", "IDs nobody is told of."), \
        SN_HOME_SWITCH_(S, m, p2p_seed_mode, "p2p.seed_mode", "true: only look for nodes."),      \
        SN_HOME_FLAG_(S, m, p2p_seeds, "p2p.seeds", "ID@HOST:PORT,..."),                        \
        SN_HOME_FLAG_(S, m, p2p_unconditional_peer_ids, "p2p.unconditional_peer_ids",           \
                      "IDs no limit applies to."),                                              \
        SN_HOME_FLAG_(S, m, priv_validator_laddr, "priv_validator_laddr",                       \
                      "Where a remote signer connects to."),                                    \
        SN_HOME_FLAG_(S, m, proxy_app, "proxy_app",                                             \
                      "The application's socket, or kvstore, persistent_kvstore, noop."),       \
        SN_HOME_FLAG_(S, m, rpc_grpc_laddr, "rpc.grpc_laddr", "Where gRPC (BroadcastTx) listens."), \
        SN_HOME_FLAG_(S, m, rpc_laddr, "rpc.laddr", "Where the RPC server listens."),           \
        SN_HOME_FLAG_(S, m, rpc_pprof_laddr, "rpc.pprof_laddr", "Where /debug/pprof/ is served."), \
        SN_HOME_SWITCH_(S, m, rpc_unsafe, "rpc.unsafe", "true: serve unsafe methods.")
/* sn_home_config_load - all of it: the home folder (CMTHOME, --home, TMHOME, then $HOME/.cometbft),
 * its file where there is one, environment, flags, checks. make: the folder, config/, data/ and the
 * file are made where they are missing. Warnings go to stderr. flags->genesis_hash is the caller's
 * to check. Returns 0 or as the functions above; SN_E_IO and its kin. Context: the main thread,
 * before a runtime. */
int sn_home_config_load(struct sn_arena *a, const struct sn_home_flags *flags, bool make,
                        struct sn_home_config *ret) SN_MUST_CHECK;
/* sn_home_path - `path` as it stands where it is absolute, else under the home folder; NUL behind.
 * .ptr NULL without memory. */
struct sn_str sn_home_path(struct sn_arena *a, const struct sn_home_config *c, struct sn_str path);
