/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client.h - what programs do with a node: look at one chain, follow it, send transactions to it
 * and know what became of them. Everything here is a few calls of evm/rpc.h and arithmetic on the
 * answers, so it runs over HTTP, WebSocket, a script, and in simulation alike.
 *
 * The node is not trusted with order or identity: the chain's number is compared, hashes link blocks,
 * logs carry the hash of the block they were asked for, a transaction's hash is known before it is
 * sent. It is trusted with content: this is no light client.
 *
 * Sources: Ethereum execution-apis; EIP-155, 1559, 7702; Multicall3's interface (mds1/multicall3). */
#pragma once
#include "evm/rpc.h"
#include "evm/tx.h"
#include "evm/u256.h"

#define SN_ETH_HASH_LEN 32
#define SN_ETH_POLL_NS_DEFAULT (1 * SN_SEC)

/* The caller's; any number of fibers may use one. */
struct sn_eth_client {
    struct sn_eth_rpc *rpc; /* borrowed */
    uint64_t chain_id;
    int64_t poll_ns;              /* between looks where nothing wakes us */
    _Atomic unsigned multi_lacks; /* ways of sn_eth_multicall that this node does not have */
};
/* sn_eth_client_init - asks the node for its chain. chain_id: the one that is meant, 0 = whichever it
 * is on. poll_ns: 0 = SN_ETH_POLL_NS_DEFAULT. Returns 0, SN_E_FAILED_PRECONDITION where the node is
 * on another chain (both are named), as sn_eth_call. Owns: nothing. Suspends. */
int sn_eth_client_init(struct sn_eth_client *c, struct sn_eth_rpc *rpc, uint64_t chain_id,
                       int64_t poll_ns) SN_MUST_CHECK;
/* sn_eth_client_check - asks again: behind one address may be several nodes. Returns as _init. */
int sn_eth_client_check(const struct sn_eth_client *c) SN_MUST_CHECK;

struct sn_eth_block {
    uint64_t number, timestamp; /* timestamp: unix seconds */
    uint8_t hash[SN_ETH_HASH_LEN], parent[SN_ETH_HASH_LEN];
    const struct sn_json *json;
};
/* sn_eth_block_get - a block's header by "latest", "safe", "finalized", "0x..." number. Returns 0,
 * SN_E_NOT_FOUND, SN_E_PROTOCOL (no block, or another than was asked for), as sn_eth_call. Owns: the
 * arena. Suspends. */
int sn_eth_block_get(const struct sn_eth_client *c, struct sn_str what, struct sn_arena *a,
                     struct sn_eth_block *ret) SN_MUST_CHECK;
/* sn_eth_block_read - from a header as nodes write it. Returns 0, SN_E_PROTOCOL naming the member. */
int sn_eth_block_read(const struct sn_json *v, struct sn_eth_block *ret) SN_MUST_CHECK;
/* sn_eth_number - a "0x..." number of at most 64 bits in a node's answer. Returns 0, SN_E_PROTOCOL;
 * `what` names it. (sn_eth_quantity is for input: it tells absent and too large apart.) */
int sn_eth_number(const struct sn_json *v, const char *what, uint64_t *ret) SN_MUST_CHECK;
/* sn_eth_bytes - exactly n bytes of "0x..." text. Returns 0, SN_E_PROTOCOL; `what` names it. */
int sn_eth_bytes(const struct sn_json *v, const char *what, void *ret, size_t n) SN_MUST_CHECK;
/* sn_eth_data - any number of bytes of "0x..." text, into the arena. Returns as sn_eth_bytes. */
int sn_eth_data(struct sn_arena *a, const struct sn_json *v, const char *what,
                struct sn_str *ret) SN_MUST_CHECK;
/* sn_eth_hex - "0x..." text of bytes, in the arena; .ptr NULL without memory. */
struct sn_str sn_eth_hex(struct sn_arena *a, const void *data, size_t n);

/* ---- signing ---- */

/* Whoever can sign as one address: a key in this process, a device, a service. */
struct sn_eth_signer {
    uint8_t address[SN_ADDRESS_LEN];
    int (*sign)(struct sn_eth_signer *s, struct sn_tx *tx); /* as sn_tx_sign. May suspend. */
    int (*sign_digest)(struct sn_eth_signer *s, const uint8_t digest[32], uint8_t ret[65]);
    void (*free)(struct sn_eth_signer *s); /* may be NULL */
};
/* sn_eth_signer_local - a key in memory of its own, kept out of core dumps where the kernel can, wiped
 * by sn_eth_signer_free. The caller wipes its copy. Returns 0, SN_E_INVALID_ARGUMENT for no key (which
 * is not shown), SN_E_NOMEM. Owns: *ret until sn_eth_signer_free. */
int sn_eth_signer_local(const uint8_t key[32], struct sn_eth_signer **ret) SN_MUST_CHECK;
/* sn_eth_signer_free - accepts NULL. */
void sn_eth_signer_free(struct sn_eth_signer *s);

/* ---- sending ---- */

#define SN_ETH_SENDS_MAX 1024u  /* of an account at once, together with nonces given back */
#define SN_ETH_VERSIONS_MAX 8u  /* of one transaction: the first and its replacements */
#define SN_ETH_NONCE_TRIES 16u  /* others took the nonce meanwhile */

struct sn_eth_account_opts {
    struct sn_u256 fee_max; /* wei a unit of gas that no transaction may offer more than; 0 = none */
};
/* sn_eth_account_new - an address that sends on one chain, with its nonces. All sends of the address
 * in this process go through one. Returns 0, SN_E_NOMEM. opts: NULL for defaults. Owns: *ret until
 * sn_eth_account_free; borrows client and signer. */
struct sn_eth_account;
int sn_eth_account_new(struct sn_eth_client *c, struct sn_eth_signer *signer,
                       const struct sn_eth_account_opts *opts,
                       struct sn_eth_account **ret) SN_MUST_CHECK;
void sn_eth_account_free(struct sn_eth_account *acc);
/* sn_eth_account_resync - forgets what was counted here; the next send asks the node. Only while no
 * transaction of the account is on its way: a node that lags would have its nonce used again.
 * Suspends (waits for a send that takes its nonce). */
void sn_eth_account_resync(struct sn_eth_account *acc);
struct sn_eth_nonces {
    uint64_t next; /* meaningless before the first send */
    size_t gaps;   /* nonces below it that were given back: the next sends fill them */
};
/* sn_eth_account_nonces - how the account stands. Suspends. */
void sn_eth_account_nonces(struct sn_eth_account *acc, struct sn_eth_nonces *ret);

/* A transaction that is out. */
struct sn_eth_sent {
    uint8_t from[SN_ADDRESS_LEN];
    bool accepted;  /* the node has said so; false: it may have it or not, see sn_eth_send */
    unsigned n;     /* versions: 1, and one per replacement. At most one of them is ever mined */
    uint8_t hash[SN_ETH_VERSIONS_MAX][SN_ETH_HASH_LEN];
    struct sn_tx tx;    /* the newest, signed */
    struct sn_str raw;  /* its bytes */
};
/* sn_eth_send - gives `tx` what it lacks, signs and sends it. tx->chain_id and nonce are the
 * account's; gas_limit 0 is estimated (sn_gas_estimate) and what would revert is not sent; without
 * fees they are sn_fees_suggest's. Types as in tx.h; a type without fee fields of its own kind set
 * keeps its type.
 *
 * Never twice: one call is one nonce, and another nonce is taken only where every transmission of
 * the signed bytes was answered with a refusal (nonce too low, replacement underpriced: somebody
 * else's transaction has that nonce). After an answer that did not come, the node is asked for the
 * hash and the same bytes are sent again, which cannot do more than once what they do. Where the
 * fate stays unknown the call still succeeds with accepted = false: the nonce stays taken, and
 * sn_eth_await finds out.
 *
 * Returns 0; SN_E_ABORTED for what would revert (*ret_revert, may be NULL, has the data),
 * SN_E_FAILED_PRECONDITION (funds, limits: the node's text), SN_E_OUT_OF_RANGE beyond fee_max,
 * SN_E_RESOURCE_EXHAUSTED (SN_ETH_SENDS_MAX; a full pool), SN_E_INVALID_ARGUMENT, as sn_eth_call:
 * nothing is out, the nonce is given back. Owns: the arena. Suspends. */
int sn_eth_send(struct sn_eth_account *acc, const struct sn_tx *tx, struct sn_arena *a,
                struct sn_eth_sent *ret, struct sn_str *ret_revert) SN_MUST_CHECK;
/* sn_eth_replace - the same nonce with fees a node takes for a replacement (an eighth more, twice for
 * blobs, at least what is suggested now). cancel: instead of doing what it did, nothing.
 * Returns 0 with one more version in *sent; SN_E_FAILED_PRECONDITION where the nonce is used already,
 * SN_E_RESOURCE_EXHAUSTED at SN_ETH_VERSIONS_MAX, else as sn_eth_send. Suspends. */
int sn_eth_replace(struct sn_eth_account *acc, bool cancel, struct sn_arena *a,
                   struct sn_eth_sent *sent) SN_MUST_CHECK;

struct sn_eth_await_opts {
    uint64_t confirmations;   /* blocks, the including one counted; 0 = 1 */
    int64_t timeout_ns;       /* 0 = 5 min */
    int64_t rebroadcast_ns;   /* the same bytes again where the node does not know them; 0 = 15 s */
};
struct sn_eth_receipt {
    unsigned version;  /* which of sent->hash */
    bool success;      /* false: it was included and reverted */
    uint8_t hash[SN_ETH_HASH_LEN], block_hash[SN_ETH_HASH_LEN];
    uint64_t block, index, gas_used, confirmations;
    struct sn_u256 gas_price; /* effective */
    bool created;
    uint8_t contract[SN_ADDRESS_LEN]; /* where created */
    const struct sn_json *logs, *json;
    unsigned reorgs;   /* how often its block was replaced while waiting */
};
/* sn_eth_await - until one version is `confirmations` deep in the chain that the node then holds; a
 * block that is replaced starts the count again, and what falls out of the pool is sent again, byte
 * for byte. sent->raw empty: only the hashes are known (somebody else's transaction).
 * Returns 0; SN_E_ABORTED where the nonce went to a transaction that is none of the versions,
 * SN_E_DEADLINE_EXCEEDED at timeout_ns or the fiber's deadline (the diagnostic has the last failure),
 * SN_E_CANCELLED, SN_E_NOMEM. A node that fails or answers nonsense meanwhile is asked again. opts:
 * NULL for defaults. Owns: the arena. Suspends. */
int sn_eth_await(const struct sn_eth_client *c, const struct sn_eth_sent *sent,
                 const struct sn_eth_await_opts *opts, struct sn_arena *a,
                 struct sn_eth_receipt *ret) SN_MUST_CHECK;

/* ---- logs ---- */

/* JSON texts as eth_getLogs has them, each empty for any: "\"0x...\"" or "[\"0x...\",...]"; and
 * "[topic or null or [topics],...]". */
struct sn_eth_filter {
    struct sn_str address, topics;
};
struct sn_eth_logs_opts {
    uint64_t step;     /* blocks asked for at once to begin with; 0 = 10,000 */
    uint64_t step_max; /* 0 = 1,000,000 */
};
struct sn_eth_logs_stats {
    uint64_t requests, splits, logs;
};
/* sn_eth_logs - on_log for every log of blocks [from, to], in order, with the bytes valid during the
 * call; < 0 from it ends and is returned. A range that the node finds too wide, too full or too slow
 * is halved (or becomes what its error proposes) and grows again with success.
 * Returns 0; SN_E_PROTOCOL for logs outside the range or out of order; as sn_eth_call where a single
 * block fails. opts, ret_stats: may be NULL. Only blocks that will stay should be asked for: what is
 * newer is sn_eth_watch's. Suspends. */
int sn_eth_logs(const struct sn_eth_client *c, const struct sn_eth_filter *f, uint64_t from,
                uint64_t to, const struct sn_eth_logs_opts *opts,
                int (*on_log)(void *ctx, const struct sn_json *log), void *ctx,
                struct sn_eth_logs_stats *ret_stats) SN_MUST_CHECK;

/* ---- several calls at once ---- */

struct sn_eth_multi {
    uint8_t to[SN_ADDRESS_LEN];
    struct sn_str data;
    bool ok;              /* out: did not revert */
    struct sn_str result; /* out: bytes returned, or the revert's data */
};
enum sn_eth_multi_way {
    SN_ETH_MULTI_CONTRACT = 1, /* Multicall3 at its address */
    SN_ETH_MULTI_OVERRIDE = 2, /* code put there for the call */
    SN_ETH_MULTI_CREATE = 4,   /* code run as a creation */
    SN_ETH_MULTI_BATCH = 8,    /* calls of their own, at one block */
};
struct sn_eth_multi_opts {
    struct sn_str block;    /* "latest", "0x..."; empty = "latest" */
    unsigned ways;          /* of enum sn_eth_multi_way that may be used; 0 = all */
    size_t calls_max;       /* of one request; 0 = 500 */
    size_t data_bytes_max;  /* of one request; 0 = 96 KiB, 40 KiB as a creation */
};
/* sn_eth_multicall - n calls on one state: each succeeds or fails for itself. By Multicall3 where the
 * chain has it, else by a program of this library that the node runs for the call, else one by one
 * at one block number. The callee sees another sender with each way: contracts that ask who calls
 * them need calls of their own. A request that is too large for the node is halved.
 * Returns 0 with ok and result of each; SN_E_PROTOCOL for an answer that is none, as sn_eth_call.
 * *ret_way (may be NULL): the way of the last request. Owns: the arena. Suspends. */
int sn_eth_multicall(struct sn_eth_client *c, struct sn_eth_multi *calls, size_t n,
                     const struct sn_eth_multi_opts *opts, struct sn_arena *a,
                     enum sn_eth_multi_way *ret_way) SN_MUST_CHECK;

/* ---- following the chain ---- */

#define SN_ETH_REORG_MAX 256u    /* blocks remembered; a deeper reorg is a failure */
#define SN_ETH_FROM_NOW UINT64_MAX

struct sn_eth_watch_opts {
    uint64_t from;          /* the first block; SN_ETH_FROM_NOW: the one after the newest at the
                             * first sn_eth_watch_next */
    struct sn_eth_filter filter;
    bool no_logs;           /* blocks alone */
    uint64_t confirmations; /* a block is told once so many are on top of it; 0 = at once */
    int64_t down_ns_max;    /* how long a failing node is waited for; 0 = 10 min */
};
enum sn_eth_event_kind {
    SN_ETH_EVENT_BLOCK = 1, /* json: the header */
    SN_ETH_EVENT_LOG,       /* of the block told last */
    SN_ETH_EVENT_REORG,     /* blocks from `number` on that were told are void, with their logs */
};
struct sn_eth_event {
    enum sn_eth_event_kind kind;
    uint64_t number;
    uint8_t hash[SN_ETH_HASH_LEN]; /* of the block; zero for a reorg */
    const struct sn_json *json;    /* valid until the next call */
};
struct sn_eth_watch;
/* sn_eth_watch_open - every block from `from` on and the logs in it that match, each exactly once and
 * in order, through lost connections, restarts and reorgs. A node's own subscription to logs cannot
 * promise that, for nothing in it shows that one is missing; so its subscription to heads is taken
 * as a hint that there is something new, blocks are linked by their parents' hashes, and logs are
 * asked for by the hash of their block. Without subscriptions it looks every poll_ns.
 * Returns 0, SN_E_NOMEM. Owns: *ret until sn_eth_watch_close; borrows client. Does not suspend. */
int sn_eth_watch_open(struct sn_eth_client *c, const struct sn_eth_watch_opts *opts,
                      struct sn_eth_watch **ret) SN_MUST_CHECK;
/* sn_eth_watch_next - waits for the next event. Returns 0; SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED;
 * SN_E_OUT_OF_RANGE for a reorg deeper than SN_ETH_REORG_MAX blocks; SN_E_FAILED_PRECONDITION where
 * the node is on another chain by now; after down_ns_max of failures the last of them. After
 * SN_E_DEADLINE_EXCEEDED it may be called again and nothing is lost. One fiber at a time. Suspends. */
int sn_eth_watch_next(struct sn_eth_watch *w, struct sn_eth_event *ret) SN_MUST_CHECK;
struct sn_eth_watch_stats {
    uint64_t blocks, logs, reorgs, gaps, failures;
};
void sn_eth_watch_stats(const struct sn_eth_watch *w, struct sn_eth_watch_stats *ret);
/* sn_eth_watch_close - accepts NULL. Suspends as sn_eth_sub_close. */
void sn_eth_watch_close(struct sn_eth_watch *w);
