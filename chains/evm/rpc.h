/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc.h - a node's JSON-RPC, as what asks it sees it: one call, one answer. Transports (HTTP,
 * WebSocket, a script in tests) fill in `struct sn_eth_rpc`; estimators, wallets and tools are
 * written against it alone. What a program mostly wants is one step up: evm/client.h.
 *
 * What is tried again. A call that only reads is, after a lost connection, a 5xx or a timeout, with
 * jittered, doubling delays; any call is, where the node said that it did not do it: connection
 * refused, too many requests (Retry-After is obeyed up to 30 s). A call that sends a transaction
 * (eth_send...) whose fate is not known is never repeated here: what may be repeated safely is for
 * those to know who signed it (sn_eth_send).
 *
 * Source: JSON-RPC 2.0; Ethereum execution-apis; EIP-1474 (error codes); geth's documentation,
 * "Real-time Events" (eth_subscribe). */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_ETH_BATCH_MAX 100u              /* calls of one HTTP request; providers refuse more */
#define SN_ETH_ANSWER_BYTES_MAX (64u << 20) /* of one response body */
#define SN_ETH_RETRIES_DEFAULT 3u
#define SN_ETH_SUB_EVENTS_DEFAULT 1024u      /* of one subscription, waiting to be taken */
#define SN_ETH_SUB_BYTES_MAX (16u << 20)     /* of those */
#define SN_ETH_SUBS_MAX 256u                 /* subscriptions of one connection */

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
struct sn_eth_sub;
struct sn_eth_rpc {
    /* Sends n calls (params: JSON text of an array) and fills ret[n] in the calls' order. Returns 0
     * where every call has an answer, be it an error; otherwise SN_E_* of the transport. Suspends. */
    int (*batch)(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                 struct sn_arena *a, struct sn_eth_reply *ret);
    /* NULL where the transport has no subscriptions. See sn_eth_subscribe. */
    int (*subscribe)(struct sn_eth_rpc *rpc, struct sn_str params, size_t events_max,
                     struct sn_eth_sub **ret);
    void (*close)(struct sn_eth_rpc *rpc); /* NULL: the caller's own */
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

struct sn_eth_opts {
    struct sn_str url;       /* "http://127.0.0.1:8545", "https://...", "ws://...", "wss://..." */
    struct sn_str headers;   /* "Name: value\n..." of each request, or of the WebSocket's handshake;
                              * secrets stay out of logs */
    unsigned retries_max;    /* after the first try; 0 = SN_ETH_RETRIES_DEFAULT */
    unsigned batch_max;      /* 0 = SN_ETH_BATCH_MAX; 1 = never batch */
    int64_t timeout_ns;      /* of one try; 0 = 30 s */
    size_t answer_bytes_max; /* 0 = SN_ETH_ANSWER_BYTES_MAX, the most */
    int64_t ping_ns;         /* WebSocket: silence before a ping; 0 = 10 s; two missed are the end */
};
/* sn_eth_open - the transport that the address names. Nothing is connected before the first call; a
 * WebSocket that breaks is connected again by the call that needs it. Diagnostics show the host
 * alone: paths and queries hold API keys. Any number of fibers may call at once.
 * Returns 0, SN_E_INVALID_ARGUMENT, SN_E_NOMEM. Owns: *ret until sn_eth_close. */
int sn_eth_open(const struct sn_eth_opts *opts, struct sn_eth_rpc **ret) SN_MUST_CHECK;
/* sn_eth_close - accepts NULL. No call may be in progress and every subscription is closed.
 * Suspends (a WebSocket says goodbye, 2 s at most). */
void sn_eth_close(struct sn_eth_rpc *rpc);

/* ---- subscriptions ---- */

struct sn_eth_note {
    /* The event as the node sent it: a header, a log, a hash. NULL is a gap: the connection had to be
     * made anew and the node may have had events in between, or `dropped` did not fit the queue
     * because nobody took them. What was missed is asked for by other means: sn_eth_watch does, for
     * blocks and logs; pending transactions are gone. */
    const struct sn_json *event;
    uint64_t dropped;
};
struct sn_eth_sub { /* filled in by the transport */
    int (*next)(struct sn_eth_sub *sub, struct sn_arena *a, struct sn_eth_note *ret);
    void (*close)(struct sn_eth_sub *sub);
};
/* sn_eth_subscribe - eth_subscribe. params: JSON text of its array: ["newHeads"], ["logs",{...}],
 * ["newPendingTransactions"]. events_max: that wait to be taken, 0 = SN_ETH_SUB_EVENTS_DEFAULT, and
 * SN_ETH_SUB_BYTES_MAX bytes; beyond either the newest are dropped and counted, and one gap says so
 * in their place. Returns 0, SN_E_UNIMPLEMENTED (the transport or the node has none), as
 * sn_eth_call. Owns: *ret until sn_eth_sub_close. Suspends. */
int sn_eth_subscribe(struct sn_eth_rpc *rpc, struct sn_str params, size_t events_max,
                     struct sn_eth_sub **ret) SN_MUST_CHECK;
/* sn_eth_sub_next - the next event or gap, in the node's order. After a lost connection it connects
 * and subscribes anew, then tells the gap. Returns 0; SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED; as
 * sn_eth_call where subscribing anew failed: the next call tries again. One fiber at a time.
 * Owns: the event is the arena's. Suspends. */
int sn_eth_sub_next(struct sn_eth_sub *sub, struct sn_arena *a,
                    struct sn_eth_note *ret) SN_MUST_CHECK;
/* sn_eth_sub_close - unsubscribes, 2 s at most. Accepts NULL. Suspends. */
void sn_eth_sub_close(struct sn_eth_sub *sub);
