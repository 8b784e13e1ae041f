/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/config_table.c - every key of config.toml: default, bounds, what it is for. The
 * help becomes the comments of a written file. Source: CometBFT v0.38.25 config/config.go. */
#include "consensus/home/config_int.h"

/* What CometBFT refuses below zero. */
#define FROM_0 .min = 0, .max = INT64_MAX

#define B struct sn_home_config
static const struct sn_conf_field base_fields[] = {
    SN_CONF_STRING(B, version, "version", .def = SN_HOME_COMET_VERSION,
                   .help = "Which version wrote this file."),
    SN_CONF_STRING(B, proxy_app, "proxy_app", .def = "tcp://127.0.0.1:26658",
                   .help = "The application: a socket (tcp:// or unix://), or the name of one that "
                           "is built in\n(kvstore, persistent_kvstore, noop)."),
    SN_CONF_STRING(B, moniker, "moniker", .help = "This node's name for people."),
    SN_CONF_STRING(B, db_backend, "db_backend", .def = "goleveldb",
                   .help = "The database format. Sennit reads and writes goleveldb's."),
    SN_CONF_STRING(B, db_dir, "db_dir", .def = "data", .help = "The databases' folder."),
    SN_CONF_STRING(B, log_level, "log_level", .def = "info",
                   .help = "debug, info, error or none, for all or by module: "
                           "\"consensus:debug,*:info\"."),
    SN_CONF_STRING(B, log_format, "log_format", .def = "plain", .help = "plain or json."),
    SN_CONF_STRING(B, genesis_file, "genesis_file", .def = "config/genesis.json",
                   .help = "What the chain begins with."),
    SN_CONF_STRING(B, priv_validator_key_file, "priv_validator_key_file",
                   .def = "config/priv_validator_key.json",
                   .help = "The key this node signs votes with. Keep it secret."),
    SN_CONF_STRING(B, priv_validator_state_file, "priv_validator_state_file",
                   .def = "data/priv_validator_state.json",
                   .help = "What was signed last. Never copy it back from a backup."),
    SN_CONF_STRING(B, priv_validator_laddr, "priv_validator_laddr",
                   .help = "Where a remote signer connects to (tcp:// or unix://); empty: the key "
                           "file signs."),
    SN_CONF_STRING(B, node_key_file, "node_key_file", .def = "config/node_key.json",
                   .help = "The key that proves this node's ID to its peers."),
    SN_CONF_STRING(B, abci, "abci", .def = "socket",
                   .help = "How the application is spoken to: socket or grpc."),
    SN_CONF_BOOL(B, filter_peers, "filter_peers",
                 .help = "Ask the application whether a new peer is welcome."),
    SN_CONF_INT(B, event_bus_buffer_capacity, "event_bus_buffer_capacity", FROM_0,
                .help = "Events that may wait between a publisher and the event bus."),
};
#undef B

#define R struct sn_home_rpc
static const struct sn_conf_field rpc_fields[] = {
    SN_CONF_STRING(R, laddr, "laddr", .def = "tcp://127.0.0.1:26657",
                   .help = "Where the RPC server listens (tcp:// or unix://)."),
    SN_CONF_LIST(R, cors_allowed_origins, n_cors_allowed_origins, "cors_allowed_origins",
                 SN_CONF_T_STRING,
                 .help = "Origins whose pages may call; [] turns CORS off, [\"*\"] lets all in."),
    SN_CONF_LIST(R, cors_allowed_methods, n_cors_allowed_methods, "cors_allowed_methods",
                 SN_CONF_T_STRING, .def = "HEAD,GET,POST",
                 .help = "Methods those pages may use."),
    SN_CONF_LIST(R, cors_allowed_headers, n_cors_allowed_headers, "cors_allowed_headers",
                 SN_CONF_T_STRING,
                 .def = "Origin,Accept,Content-Type,X-Requested-With,X-Server-Time",
                 .help = "Headers those pages may send."),
    SN_CONF_STRING(R, grpc_laddr, "grpc_laddr",
                   .help = "Where the gRPC server (BroadcastTx only) listens; empty: nowhere."),
    SN_CONF_INT(R, grpc_max_open_connections, "grpc_max_open_connections", .def = "900", FROM_0,
                .help = "gRPC connections at a time; 0: any number."),
    SN_CONF_BOOL(R, unsafe, "unsafe",
                 .help = "Serve the methods that only an operator should call."),
    SN_CONF_INT(R, max_open_connections, "max_open_connections", .def = "900", FROM_0,
                .help = "RPC connections at a time, WebSockets too; 0: any number."),
    SN_CONF_INT(R, max_subscription_clients, "max_subscription_clients", .def = "100", FROM_0,
                .help = "Clients that may subscribe."),
    SN_CONF_INT(R, max_subscriptions_per_client, "max_subscriptions_per_client", .def = "5", FROM_0,
                .help = "Queries one client may subscribe to."),
    SN_CONF_INT(R, experimental_subscription_buffer_size, "experimental_subscription_buffer_size",
                .def = "200", .help = "Events kept per subscription; at least 100."),
    SN_CONF_INT(R, experimental_websocket_write_buffer_size,
                "experimental_websocket_write_buffer_size", .def = "200",
                .help = "Answers kept per WebSocket client; at least the number above."),
    SN_CONF_BOOL(R, experimental_close_on_slow_client, "experimental_close_on_slow_client",
                 .help = "A WebSocket client that reads too slowly is cut off instead of missing "
                         "events."),
    SN_CONF_DURATION(R, timeout_broadcast_tx_commit, "timeout_broadcast_tx_commit", .def = "10s",
                     FROM_0, .help = "How long broadcast_tx_commit waits for the block."),
    SN_CONF_INT(R, max_request_batch_size, "max_request_batch_size", .def = "10", FROM_0,
                .help = "Requests in one batch; 0: any number."),
    SN_CONF_INT(R, max_body_bytes, "max_body_bytes", .def = "1000000", FROM_0,
                .help = "A request's body, in bytes."),
    SN_CONF_INT(R, max_header_bytes, "max_header_bytes", .def = "1048576", FROM_0,
                .help = "A request's header, in bytes."),
    SN_CONF_STRING(R, tls_cert_file, "tls_cert_file",
                   .help = "Certificate chain for HTTPS; absolute, or in config/. Needs the key, "
                           "too."),
    SN_CONF_STRING(R, tls_key_file, "tls_key_file",
                   .help = "The certificate's key; absolute, or in config/."),
    SN_CONF_STRING(R, pprof_laddr, "pprof_laddr",
                   .help = "Where /debug/pprof/ is served; empty: nowhere."),
};
#undef R

#define P struct sn_home_p2p
static const struct sn_conf_field p2p_fields[] = {
    SN_CONF_STRING(P, laddr, "laddr", .def = "tcp://0.0.0.0:26656",
                   .help = "Where peers connect to."),
    SN_CONF_STRING(P, external_address, "external_address",
                   .help = "The HOST:PORT peers are told to dial; empty: as laddr has it."),
    SN_CONF_STRING(P, seeds, "seeds",
                   .help = "Nodes that are asked for peers: ID@HOST:PORT, between commas."),
    SN_CONF_STRING(P, persistent_peers, "persistent_peers",
                   .help = "Peers whose connections are always made again: ID@HOST:PORT, between "
                           "commas."),
    SN_CONF_STRING(P, addr_book_file, "addr_book_file", .def = "config/addrbook.json",
                   .help = "Known addresses."),
    SN_CONF_BOOL(P, addr_book_strict, "addr_book_strict", .def = "true",
                 .help = "Only addresses of the public Internet are kept; false for private "
                         "networks."),
    SN_CONF_INT(P, max_num_inbound_peers, "max_num_inbound_peers", .def = "40", FROM_0,
                .help = "Peers that connected to us."),
    SN_CONF_INT(P, max_num_outbound_peers, "max_num_outbound_peers", .def = "10", FROM_0,
                .help = "Peers we connected to, persistent ones aside."),
    SN_CONF_STRING(P, unconditional_peer_ids, "unconditional_peer_ids",
                   .help = "IDs no limit applies to, between commas."),
    SN_CONF_DURATION(P, persistent_peers_max_dial_period, "persistent_peers_max_dial_period",
                     .def = "0s", FROM_0,
                     .help = "The longest pause between calls to a persistent peer; 0s: growing "
                             "ones."),
    SN_CONF_DURATION(P, flush_throttle_timeout, "flush_throttle_timeout", .def = "100ms", FROM_0,
                     .help = "How long messages are gathered before they are sent."),
    SN_CONF_INT(P, max_packet_msg_payload_size, "max_packet_msg_payload_size", .def = "1024",
                FROM_0, .help = "A packet's payload, in bytes."),
    SN_CONF_INT(P, send_rate, "send_rate", .def = "5120000", FROM_0,
                .help = "Bytes per second to a peer."),
    SN_CONF_INT(P, recv_rate, "recv_rate", .def = "5120000", FROM_0,
                .help = "Bytes per second from a peer."),
    SN_CONF_BOOL(P, pex, "pex", .def = "true", .help = "Exchange addresses with peers."),
    SN_CONF_BOOL(P, seed_mode, "seed_mode",
                 .help = "Only look for nodes and tell of them. Needs pex."),
    SN_CONF_STRING(P, private_peer_ids, "private_peer_ids",
                   .help = "IDs nobody is told of, between commas."),
    SN_CONF_BOOL(P, allow_duplicate_ip, "allow_duplicate_ip",
                 .help = "Several peers may come from one address."),
    SN_CONF_DURATION(P, handshake_timeout, "handshake_timeout", .def = "20s",
                     .help = "How long a handshake may take."),
    SN_CONF_DURATION(P, dial_timeout, "dial_timeout", .def = "3s",
                     .help = "How long a connection may take to come about."),
};
#undef P

#define M struct sn_home_mempool
static const struct sn_conf_field mempool_fields[] = {
    SN_CONF_STRING(M, type, "type", .def = "flood",
                   .help = "flood: transactions are kept and passed on; nop: the application does "
                           "all that."),
    SN_CONF_BOOL(M, recheck, "recheck", .def = "true",
                 .help = "After a block, ask the application about what remains."),
    SN_CONF_DURATION(M, recheck_timeout, "recheck_timeout", .def = "1s",
                     .help = "How long it may take to answer all of that."),
    SN_CONF_BOOL(M, broadcast, "broadcast", .def = "true",
                 .help = "Pass transactions on to peers."),
    SN_CONF_STRING(M, wal_dir, "wal_dir", .help = "Unused; kept for old files."),
    SN_CONF_INT(M, size, "size", .def = "5000", FROM_0, .help = "Transactions kept."),
    SN_CONF_INT(M, max_txs_bytes, "max_txs_bytes", .def = "1073741824", FROM_0,
                .help = "Bytes of all transactions together."),
    SN_CONF_INT(M, cache_size, "cache_size", .def = "10000", FROM_0,
                .help = "Transactions that are remembered as seen."),
    SN_CONF_BOOL(M, keep_invalid_txs_in_cache, "keep-invalid-txs-in-cache",
                 .help = "Remember invalid ones, too: where they can never become valid."),
    SN_CONF_INT(M, max_tx_bytes, "max_tx_bytes", .def = "1048576", FROM_0,
                .help = "One transaction, in bytes."),
    SN_CONF_INT(M, max_batch_bytes, "max_batch_bytes", .help = "Unused; kept for old files."),
    SN_CONF_INT(M, experimental_max_gossip_connections_to_persistent_peers,
                "experimental_max_gossip_connections_to_persistent_peers", FROM_0,
                .help = "Persistent peers that transactions are sent to; 0: all."),
    SN_CONF_INT(M, experimental_max_gossip_connections_to_non_persistent_peers,
                "experimental_max_gossip_connections_to_non_persistent_peers", FROM_0,
                .help = "Other peers that transactions are sent to; 0: all."),
};
#undef M

#define S struct sn_home_statesync
static const struct sn_conf_field statesync_fields[] = {
    SN_CONF_BOOL(S, enable, "enable",
                 .help = "An empty node begins with a snapshot of the application instead of the "
                         "first block."),
    SN_CONF_LIST(S, rpc_servers, n_rpc_servers, "rpc_servers", SN_CONF_T_STRING,
                 .help = "At least two RPC servers for the light client, between commas, and the "
                         "header that is\ntrusted."),
    SN_CONF_INT(S, trust_height, "trust_height", .help = ""),
    SN_CONF_STRING(S, trust_hash, "trust_hash", .help = ""),
    SN_CONF_DURATION(S, trust_period, "trust_period", .def = "168h0m0s", .help = ""),
    SN_CONF_DURATION(S, discovery_time, "discovery_time", .def = "15s",
                     .help = "How long snapshots are looked for."),
    SN_CONF_STRING(S, temp_dir, "temp_dir",
                   .help = "Where chunks are kept meanwhile; empty: the system's folder for that."),
    SN_CONF_DURATION(S, chunk_request_timeout, "chunk_request_timeout", .def = "10s",
                     .help = "After that a chunk is asked of another peer."),
    SN_CONF_INT(S, chunk_fetchers, "chunk_fetchers", .def = "4",
                .help = "Chunks fetched at a time."),
    SN_CONF_UINT(S, max_snapshot_chunks, "max_snapshot_chunks", .def = "100000",
                 .help = "Chunks of a snapshot."),
};
#undef S

static const struct sn_conf_field blocksync_fields[] = {
    SN_CONF_STRING(struct sn_home_blocksync, version, "version", .def = "v0",
                   .help = "There is only v0."),
};

#define C struct sn_home_consensus
static const struct sn_conf_field consensus_fields[] = {
    SN_CONF_STRING(C, wal_file, "wal_file", .def = "data/cs.wal/wal",
                   .help = "The log that a crash is recovered from."),
    SN_CONF_DURATION(C, timeout_propose, "timeout_propose", .def = "3s", FROM_0,
                     .help = "How long a proposal is waited for; the delta is added each round."),
    SN_CONF_DURATION(C, timeout_propose_delta, "timeout_propose_delta", .def = "500ms", FROM_0,
                     .help = ""),
    SN_CONF_DURATION(C, timeout_prevote, "timeout_prevote", .def = "1s", FROM_0,
                     .help = "How long further prevotes are waited for once two thirds are in."),
    SN_CONF_DURATION(C, timeout_prevote_delta, "timeout_prevote_delta", .def = "500ms", FROM_0,
                     .help = ""),
    SN_CONF_DURATION(C, timeout_precommit, "timeout_precommit", .def = "1s", FROM_0,
                     .help = "The same for precommits."),
    SN_CONF_DURATION(C, timeout_precommit_delta, "timeout_precommit_delta", .def = "500ms", FROM_0,
                     .help = ""),
    SN_CONF_DURATION(C, timeout_commit, "timeout_commit", .def = "1s", FROM_0,
                     .help = "The pause between a block and the next height, for late "
                             "precommits."),
    SN_CONF_INT(C, double_sign_check_height, "double_sign_check_height", FROM_0,
                .help = "Refuse to start where one of the last so many blocks has our signature; "
                        "0: no."),
    SN_CONF_BOOL(C, skip_timeout_commit, "skip_timeout_commit",
                 .help = "Go on as soon as all precommits are there."),
    SN_CONF_BOOL(C, create_empty_blocks, "create_empty_blocks", .def = "true",
                 .help = "Blocks without transactions, at once or after the interval."),
    SN_CONF_DURATION(C, create_empty_blocks_interval, "create_empty_blocks_interval", .def = "0s",
                     FROM_0, .help = ""),
    SN_CONF_DURATION(C, peer_gossip_sleep_duration, "peer_gossip_sleep_duration", .def = "100ms",
                     FROM_0, .help = "Pauses of gossip with a peer that has all we have."),
    SN_CONF_DURATION(C, peer_query_maj23_sleep_duration, "peer_query_maj23_sleep_duration",
                     .def = "2s", FROM_0, .help = ""),
    SN_CONF_DURATION(C, block_time_tolerance, "block_time_tolerance", .def = "1m0s",
                     .help = "How far ahead of our clock a block's time may be."),
};
#undef C

static const struct sn_conf_field storage_fields[] = {
    SN_CONF_BOOL(struct sn_home_storage, discard_abci_responses, "discard_abci_responses",
                 .help = "Do not keep what the application answered: block_results and "
                         "reindex-event need it."),
};
static const struct sn_conf_field tx_index_fields[] = {
    SN_CONF_STRING(struct sn_home_tx_index, indexer, "indexer", .def = "kv",
                   .help = "kv, null (none) or psql."),
    SN_CONF_STRING(struct sn_home_tx_index, psql_conn, "psql-conn", .secret = true,
                   .help = "For psql: postgresql://USER:PASSWORD@HOST:PORT/DATABASE."),
};
#define I struct sn_home_instrumentation
static const struct sn_conf_field instrumentation_fields[] = {
    SN_CONF_BOOL(I, prometheus, "prometheus", .help = "Serve /metrics."),
    SN_CONF_STRING(I, prometheus_listen_addr, "prometheus_listen_addr", .def = ":26660",
                   .help = "Where."),
    SN_CONF_INT(I, max_open_connections, "max_open_connections", .def = "3", FROM_0,
                .help = "Connections at a time; 0: any number."),
    SN_CONF_STRING(I, namespace_, "namespace", .def = "cometbft",
                   .help = "What names of metrics begin with."),
};
#undef I

#define TABLE(name, S) static const struct sn_conf_table name##_table = SN_CONF_TABLE(S, name##_fields)
TABLE(base, struct sn_home_config);
TABLE(rpc, struct sn_home_rpc);
TABLE(p2p, struct sn_home_p2p);
TABLE(mempool, struct sn_home_mempool);
TABLE(statesync, struct sn_home_statesync);
TABLE(blocksync, struct sn_home_blocksync);
TABLE(consensus, struct sn_home_consensus);
TABLE(storage, struct sn_home_storage);
TABLE(tx_index, struct sn_home_tx_index);
TABLE(instrumentation, struct sn_home_instrumentation);

#define SECTION(s, what) {#s, what, &s##_table, offsetof(struct sn_home_config, s)}
const struct sn_home_section sn_home_sections_[] = {
    {"", NULL, &base_table, 0},
    SECTION(rpc, "The RPC server"),
    SECTION(p2p, "Peers"),
    SECTION(mempool, "Transactions that wait for a block"),
    SECTION(statesync, "Beginning with a snapshot"),
    SECTION(blocksync, "Catching up block by block"),
    SECTION(consensus, "Consensus"),
    SECTION(storage, "What is stored"),
    SECTION(tx_index, "Finding transactions and blocks by their events"),
    SECTION(instrumentation, "Metrics"),
    {0},
};
