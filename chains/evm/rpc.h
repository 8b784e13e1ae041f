/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc.h - a node's JSON-RPC, as what asks it sees it: one call, one answer. Transports (HTTP
 * here, WebSocket beside it, a script in tests) fill in `struct sn_eth_rpc`; estimators, wallets and
 * tools are written against it alone.
 *
 * Source: JSON-RPC 2.0; Ethereum execution-apis; EIP-1474 (error codes). */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_ETH_BATCH_MAX 100u              /* calls of one HTTP request; providers refuse more */
#define SN_ETH_ANSWER_BYTES_MAX (64u << 20) /* of one response body */
#define SN_ETH_RETRIES_DEFAULT 3u

/* What a node answered to one call. */
struct sn_eth_reply {
    const struct sn_json *result; /* NULL where the node answered with an error */
    int64_t code;                 /* the error's code, 0 where there is none */
    struct sn_str message;        /* the error's text */
    struct sn_str data;           /* the error's data: "0x..." of a revert; empty where none */
};
struct sn_eth_request {
    const char *method;   /* "eth_call" */
    struct sn_str params; /* JSON text of the array */
};
struct sn_eth_rpc {
    /* Sends n calls (params: JSON text of an array) and fills ret[n] in the calls' order. Returns 0
     * where every call has an answer, be it an error; otherwise SN_E_* of the transport. Suspends. */
    int (*batch)(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                 struct sn_arena *a, struct sn_eth_reply *ret);
};

/* sn_eth_batch - n calls in as few messages as the transport takes. Returns 0 where each has an
 * answer in ret[n], errors of the node included; else SN_E_UNAVAILABLE, SN_E_REFUSED, SN_E_RESET,
 * SN_E_DEADLINE_EXCEEDED, SN_E_RESOURCE_EXHAUSTED (rate limit, retries spent), SN_E_PROTOCOL (no
 * JSON-RPC, an answer missing or twice), SN_E_TOO_LARGE, SN_E_NOMEM, with the endpoint in the
 * diagnostic. Owns: answers are the arena's. Suspends. */
int sn_eth_batch(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                 struct sn_arena *a, struct sn_eth_reply *ret) SN_MUST_CHECK;
/* sn_eth_call - one call whose error is a failure. params: JSON text of an array, as format and
 * arguments of sn_arena_printf. Returns as sn_eth_batch, and sn_eth_status of the node's error with
 * method, code and message in the diagnostic; *ret_error (may be NULL) then has it whole. */
int sn_eth_call(struct sn_eth_rpc *rpc, struct sn_arena *a, const struct sn_json **ret,
                struct sn_eth_reply *ret_error, const char *method, const char *params, ...)
    SN_PRINTF(6, 7) SN_MUST_CHECK;
/* sn_eth_status - what a node's error means: SN_E_UNIMPLEMENTED (method not there),
 * SN_E_INVALID_ARGUMENT, SN_E_RESOURCE_EXHAUSTED (limits), SN_E_ABORTED (execution reverted or
 * failed), SN_E_NOT_FOUND, SN_E_UNKNOWN. Nodes disagree about codes, so the text is looked at too. */
int sn_eth_status(int64_t code, struct sn_str message);

/* sn_eth_quantity - a "0x..." number of at most 64 bits. Returns 0; SN_E_NOT_FOUND for absent,
 * SN_E_INVALID_ARGUMENT for anything else, SN_E_OUT_OF_RANGE. `what` names it in the diagnostic. */
int sn_eth_quantity(const struct sn_json *v, const char *what, uint64_t *ret) SN_MUST_CHECK;

struct sn_eth_http_opts {
    struct sn_str url;       /* "http://127.0.0.1:8545", "https://..." */
    struct sn_str headers;   /* "Name: value\n..." sent with each request; secrets stay out of logs */
    unsigned retries_max;    /* after the first try; 0 = SN_ETH_RETRIES_DEFAULT */
    unsigned batch_max;      /* 0 = SN_ETH_BATCH_MAX; 1 = never batch */
    int64_t timeout_ns;      /* of one try; 0 = 30 s */
};
/* sn_eth_http_open - JSON-RPC over HTTP(S). A lost connection, 429 and 5xx are tried again with
 * jittered, doubling delays (Retry-After is obeyed up to 30 s), except for calls that send a
 * transaction: those are never sent twice. Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. Owns: *ret
 * until sn_eth_http_close; nothing is connected before the first call. */
int sn_eth_http_open(const struct sn_eth_http_opts *opts, struct sn_eth_rpc **ret) SN_MUST_CHECK;
void sn_eth_http_close(struct sn_eth_rpc *rpc);
