/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/rpc_int.h - a call from its text to its answer.
 *
 *   bytes -> route and arguments (args.c) -> handler (route_*.c) writes the result's JSON behind
 * the head of the answer (answer.c) -> HTTP (http.c) or WebSocket (ws.c) sends the buffer
 *
 * A handler that fails returns an error whose diagnostic is what the caller is told, in CometBFT's
 * words where it has some. */
#pragma once
#include "consensus/index/indexer.h"
#include "consensus/rpc/json.h"
#include "consensus/rpc/json_read.h"
#include "consensus/rpc/server.h"
#include "core/arena.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "wire/json.h"

#define SN_RPC_ARGS_MAX 5
#define SN_RPC_ARG_NAME 16
#define SN_RPC_JSON_DEPTH 64
#define SN_RPC_DATA_MAX 512 /* bytes of an error's text */

/* JSON-RPC's codes. */
enum sn_rpc_code {
    SN_RPC_PARSE_ERROR = -32700,
    SN_RPC_INVALID_REQUEST = -32600,
    SN_RPC_NO_METHOD = -32601,
    SN_RPC_INVALID_PARAMS = -32602,
    SN_RPC_INTERNAL_ERROR = -32603,
    SN_RPC_SERVER_ERROR = -32000,
};

/* ---- arguments ---- */

/* The Go types decide how an argument is written: whole numbers of 64 bits as strings, bytes in
 * base64, HexBytes in hex. _OPT: absent is not the same as 0. */
enum sn_rpc_type {
    SN_RPC_NONE,
    SN_RPC_I64,
    SN_RPC_I64_OPT,
    SN_RPC_INT_OPT,
    SN_RPC_UINT,
    SN_RPC_BOOL,
    SN_RPC_TEXT,
    SN_RPC_BYTES,
    SN_RPC_HEX,
    SN_RPC_TEXTS,
    SN_RPC_EVIDENCE,
};
struct sn_rpc_arg {
    bool set;
    bool b;
    int64_t i;
    struct sn_str s;
    struct sn_str *list;
    size_t n;
    const struct sn_json *json;
};

struct sn_rpc_call;
enum sn_rpc_route_flag {
    SN_RPC_STORES = 1, /* also in inspect */
    SN_RPC_UNSAFE = 2,
    SN_RPC_WS = 4,       /* over a WebSocket only */
    SN_RPC_KEEP = 8,     /* the answer may be cached by clients */
    SN_RPC_KEEP_ARG = 16 /* ... where the first argument is given */
};
struct sn_rpc_route {
    const char *name;
    int (*handler)(struct sn_rpc_call *c);
    uint8_t flags;
    struct {
        const char *name;
        enum sn_rpc_type type;
    } args[SN_RPC_ARGS_MAX];
};
extern const struct sn_rpc_route sn_rpc_routes[];
extern const size_t sn_rpc_routes_n;

struct sn_rpc_ws;
struct sn_rpc_call {
    struct sn_rpc *rpc;
    const struct sn_node_view *view;
    const struct sn_rpc_route *route;
    struct sn_arena *arena;
    struct sn_buf *out;
    struct sn_str id;     /* JSON text; empty: none */
    struct sn_str client; /* "ip:port", by which subscriptions are counted */
    struct sn_rpc_ws *ws; /* NULL: by HTTP */
    struct sn_rpc_arg args[SN_RPC_ARGS_MAX];
};

/* sn_rpc_route - the route of that name that this server has; NULL. */
const struct sn_rpc_route *sn_rpc_route(const struct sn_rpc *rpc, struct sn_str name);
unsigned sn_rpc_route_args(const struct sn_rpc_route *r);
/* sn_rpc_help - the page of all routes. */
void sn_rpc_help(const struct sn_rpc *rpc, struct sn_str host, struct sn_buf *out);

/* sn_rpc_args_json - from the params of a request: an object, an array or absent (NULL).
 * sn_rpc_args_uri - from a query string, and a form's body (.ptr NULL: none). Return 0 or
 * SN_E_INVALID_ARGUMENT, SN_E_NOMEM. What they set is the arena's or borrowed. */
int sn_rpc_args_json(struct sn_rpc_call *c, const struct sn_json *params) SN_MUST_CHECK;
int sn_rpc_args_uri(struct sn_rpc_call *c, struct sn_str query, struct sn_str form) SN_MUST_CHECK;

/* ---- requests ---- */

/* One request of a body. */
struct sn_rpc_request {
    struct sn_str id; /* JSON text; empty: a notification, to which nothing is answered */
    struct sn_str method;
    const struct sn_json *params;
};
/* sn_rpc_requests - the requests in a body: *ret_batch tells whether they are in an array. Returns
 * how many; SN_E_SYNTAX and the reader's errors. The arena's. */
ssize_t sn_rpc_requests(struct sn_str body, struct sn_arena *a, struct sn_rpc_request **ret,
                        bool *ret_batch) SN_MUST_CHECK;

/* ---- answers ---- */

/* sn_rpc_answer - the whole answer of the call, whose arguments are set. Returns whether it is a
 * result (else an error). */
bool sn_rpc_answer(struct sn_rpc_call *c);
/* sn_rpc_error - an answer that is an error; data may be .ptr NULL. */
void sn_rpc_error(struct sn_buf *out, struct sn_str id, enum sn_rpc_code code, struct sn_str data);
/* sn_rpc_error_of - with the diagnostic of r behind `prefix`. */
void sn_rpc_error_of(struct sn_buf *out, struct sn_str id, enum sn_rpc_code code,
                     const char *prefix, int r);
/* sn_rpc_head - what stands before a result. */
void sn_rpc_head(struct sn_buf *out, struct sn_str id);
/* sn_rpc_kept - whether clients may cache an answer to the call. */
bool sn_rpc_kept(const struct sn_rpc_call *c);

/* ---- results that cannot change, as bytes ---- */

struct sn_rpc_cache;
int sn_rpc_cache_new(uint64_t bytes_max, struct sn_rpc_cache **ret) SN_MUST_CHECK;
void sn_rpc_cache_free(struct sn_rpc_cache *k);
/* sn_rpc_cache_get - appends what was put for the route and these numbers. Returns whether it was
 * there. */
bool sn_rpc_cache_get(struct sn_rpc_cache *k, const struct sn_rpc_route *route, int64_t x,
                      int64_t y, struct sn_buf *out);
/* sn_rpc_cache_put - out from byte `from` on; does nothing without memory. */
void sn_rpc_cache_put(struct sn_rpc_cache *k, const struct sn_rpc_route *route, int64_t x,
                      int64_t y, const struct sn_buf *out, size_t from);

/* ---- the server ---- */

struct sn_rpc {
    struct sn_rpc_opts o;
    struct sn_http_server *http, *grpc_http;
    struct sn_grpc_server *grpc;
    struct sn_tls_config *tls;
    struct sn_listener *listeners[SN_RPC_LISTENERS_MAX], *grpc_listeners[SN_RPC_LISTENERS_MAX];
    size_t n_listeners, n_grpc_listeners;
    struct sn_rpc_cache *cache;
    struct sn_buf genesis; /* compact */
    struct sn_mutex lock;  /* for ws */
    struct sn_list ws;
    _Atomic bool stopping; /* set under the lock, looked at without by those who say goodbye */
    bool served;
    struct sn_waitgroup ws_running;
    _Atomic uint64_t
        clients; /* calls that wait for their transaction: each is a client of its own */
};
/* sn_rpc_http - the sn_http_handler. */
int sn_rpc_http(struct sn_http_x *x, void *rpc);
/* sn_rpc_websocket - serves a connection until it ends. */
int sn_rpc_websocket(struct sn_http_x *x, struct sn_rpc *rpc);
/* sn_rpc_ws_stop - ends every connection and waits for them. */
void sn_rpc_ws_stop(struct sn_rpc *rpc);
/* sn_rpc_compact - JSON without white space, with < > & and the line separators in strings escaped,
 * as Go's encoder makes it of text. The text is JSON. */
void sn_rpc_compact(struct sn_str json, struct sn_buf *out);

/* ---- handlers ---- */

/* sn_rpc_height - the height an argument asks for, `latest` where it does not. Returns 0 or
 * SN_E_INVALID_ARGUMENT. */
int sn_rpc_height(const struct sn_rpc_call *c, const struct sn_rpc_arg *a, int64_t latest,
                  int64_t *ret) SN_MUST_CHECK;
/* sn_rpc_latest_uncommitted - the height that is being agreed on, whose validators are known. */
int64_t sn_rpc_latest_uncommitted(const struct sn_rpc_call *c);
int64_t sn_rpc_per_page(const struct sn_rpc_arg *a);
/* sn_rpc_page - the page of total entries. Returns 0 or SN_E_INVALID_ARGUMENT. */
int sn_rpc_page(const struct sn_rpc_arg *a, int64_t per_page, int64_t total,
                int64_t *ret) SN_MUST_CHECK;
/* sn_rpc_commit_tx - broadcast_tx_commit; *ret_result is the JSON of the transaction's result as an
 * event has it, in the arena, or NULL where CheckTx refused it. */
int sn_rpc_commit_tx(struct sn_rpc_call *c, struct sn_str tx,
                     struct tendermint_abci_response_check_tx **ret_check,
                     const struct sn_json **ret_result, int64_t *ret_height) SN_MUST_CHECK;
/* sn_rpc_result_of_event - the result of a Tx event. The arena's. */
int sn_rpc_result_of_event(struct sn_arena *a, const struct sn_json *result,
                           struct tendermint_abci_exec_tx_result **ret) SN_MUST_CHECK;
void sn_rpc_put_node_info(struct sn_buf *b, const struct sn_node_info *i);

#define SN_RPC_HANDLERS(X)                                                                    \
    X(health)                                                                                 \
    X(status)                                                                                 \
    X(net_info) X(blockchain) X(genesis) X(genesis_chunked) X(block) X(block_by_hash)         \
        X(block_results) X(commit) X(header) X(header_by_hash) X(check_tx) X(tx) X(tx_search) \
            X(block_search) X(validators) X(dump_consensus_state) X(consensus_state)          \
                X(consensus_params) X(unconfirmed_txs) X(num_unconfirmed_txs)                 \
                    X(broadcast_tx_commit) X(broadcast_tx_sync) X(broadcast_tx_async)         \
                        X(abci_query) X(abci_info) X(broadcast_evidence) X(dial_seeds)        \
                            X(dial_peers) X(unsafe_flush_mempool) X(subscribe) X(unsubscribe) \
                                X(unsubscribe_all)
#define X(name) int sn_rpc_do_##name(struct sn_rpc_call *c);
SN_RPC_HANDLERS(X)
#undef X
