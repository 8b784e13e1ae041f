/* SPDX-License-Identifier: Apache-2.0 */
/* evm_client_peer - the client against a real node (anvil): subscriptions over a WebSocket that is cut,
 * nonces of 64 fibers at once and of somebody else with the same key, replacement, reorgs, ranges of
 * logs, multicall by each way. Each part says "ok WHAT" or ends the program.
 * usage: evm_client_peer HOST:PORT PRIVATE_KEY MULTICALL3_CREATION_CODE (0x...) */
#include <stdio.h>
#include <stdlib.h>

#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "evm/client.h"
#include "fiber/fiber.h"
#include "fiber/net.h"
#include "fiber/sync.h"

#define FIBERS 64u
#define EACH 2u
#define TOTAL (FIBERS * EACH)

#define EMITTER "0x00000000000000000000000000000000000e1119" /* LOG1 of the first word of its data */
#define REVERTER "0x00000000000000000000000000000000000bad00" /* reverts with a word: 0xaa */
#define COUNTER "0x00000000000000000000000000000000000c0de0"  /* returns its caller's block number */

#define CHECK(cond, ...)                                   \
    do {                                                   \
        if (!(cond)) {                                     \
            printf("FAIL line %d: %s: ", __LINE__, #cond); \
            printf(__VA_ARGS__);                           \
            printf("\n");                                  \
            exit(1);                                       \
        }                                                  \
    } while (0)
static void must(int r, const char *what) { CHECK(r >= 0, "%s: %s", what, sn_diag_str(r)); }

/* ---- a wire between client and node that can be cut ---- */

struct wire {
    const char *to;
    struct sn_listener *l;
    struct sn_stream *ends[512];
    unsigned n, cuts;
    char addr[64];
};
static struct wire wire;
struct copy {
    struct sn_stream *from, *to;
};
static void copy_main(void *arg)
{
    struct copy *c = arg;
    (void)!sn_stream_copy(c->to, c->from);
    (void)!sn_stream_shutdown(c->to);
    free(c);
}
static void copy_start(struct sn_stream *from, struct sn_stream *to)
{
    struct copy *c = malloc(sizeof(*c));
    CHECK(c, "no memory");
    *c = (struct copy){from, to};
    must(sn_go("copy", copy_main, c), "copy");
}
static void wire_main(void *arg)
{
    struct sn_stream *in, *out;
    while (sn_accept(wire.l, &in) == 0) {
        must(sn_dial(wire.to, NULL, &out), "dial the node");
        CHECK(wire.n + 2 <= SN_COUNT_OF(wire.ends), "more connections than expected");
        wire.ends[wire.n++] = in;
        wire.ends[wire.n++] = out;
        copy_start(in, out);
        copy_start(out, in);
    }
}
static void wire_cut(void)
{
    for (unsigned i = 0; i < wire.n; i++) (void)!sn_stream_shutdown(wire.ends[i]);
    wire.n = 0; /* the streams end with the program */
    wire.cuts++;
}

/* ---- the scene ---- */

static struct sn_eth_rpc *http, *ws;
static struct sn_eth_client client, live;
static struct sn_eth_signer *signer;
static struct sn_eth_account *account;

static void node_do(const char *method, const char *params)
{
    struct sn_arena a;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 0);
    must(sn_eth_call(http, &a, &v, NULL, method, "%s", params), method);
    sn_arena_done(&a);
}
static void address_of(const char *text, uint8_t ret[SN_ADDRESS_LEN])
{
    CHECK(sn_hex_decode(sn_str(text + 2), ret) == SN_ADDRESS_LEN, "%s", text);
}
static void set_scene(char **argv)
{
    uint8_t key[32];
    char url[96];
    CHECK(sn_hex_decode(sn_str(argv[2] + 2), key) == 32, "the key");
    must(sn_eth_signer_local(key, &signer), "signer");
    sn_wipe(key, sizeof(key));
    snprintf(url, sizeof(url), "http://%s", argv[1]);
    must(sn_eth_open(&(struct sn_eth_opts){.url = sn_str(url)}, &http), "http");
    wire.to = argv[1];
    must(sn_listen("127.0.0.1:0", NULL, &wire.l), "listen");
    must(sn_listener_addr(wire.l, wire.addr, sizeof(wire.addr)), "address");
    must(sn_go("wire", wire_main, NULL), "wire");
    snprintf(url, sizeof(url), "ws://%s", wire.addr);
    must(sn_eth_open(&(struct sn_eth_opts){.url = sn_str(url)}, &ws), "ws");
    int r = sn_eth_client_init(&client, http, 1, 0);
    CHECK(r == SN_E_FAILED_PRECONDITION, "a node of another chain: %s", sn_diag_str(r));
    must(sn_eth_client_init(&client, http, 31337, 100 * SN_MS), "client");
    must(sn_eth_client_init(&live, ws, 31337, 100 * SN_MS), "client over WebSocket");
    must(sn_eth_account_new(&client, signer, NULL, &account), "account");
    node_do("anvil_setCode", "[\"" EMITTER "\",\"0x60003560006000a100\"]");
    node_do("anvil_setCode", "[\"" REVERTER "\",\"0x60aa60005260206000fd\"]");
    node_do("anvil_setCode", "[\"" COUNTER "\",\"0x4360005260206000f3\"]");
    printf("ok chain: another chain's node is refused\n");
}

/* ---- 64 fibers send at once, a watcher sees each log once, the wire is cut ---- */

static unsigned seen[TOTAL + 1]; /* the watcher's until it has ended */
static _Atomic unsigned n_seen, n_sent;
static _Atomic bool stop_watching;
static struct sn_eth_watch_stats watched;

static int watch_main(void *arg)
{
    struct sn_eth_watch_opts o = {.from = 0, .filter.address = SN_STR("\"" EMITTER "\"")};
    struct sn_eth_watch *w;
    must(sn_eth_watch_open(&live, &o, &w), "watch");
    while (!stop_watching) {
        struct sn_eth_event e;
        int64_t prev = sn_deadline_tighten(sn_now() + SN_SEC);
        int r = sn_eth_watch_next(w, &e);
        sn_deadline_restore(prev);
        if (r == SN_E_DEADLINE_EXCEEDED) continue;
        must(r, "watch");
        if (e.kind != SN_ETH_EVENT_LOG) continue;
        uint8_t topic[32];
        must(sn_eth_bytes(sn_json_path(e.json, "topics.0"), "topic", topic, 32), "topic");
        uint64_t i = sn_u256_load(topic).w[0];
        CHECK(i >= 1 && i <= TOTAL, "log %llu", (unsigned long long)i);
        seen[i]++;
        n_seen++;
    }
    sn_eth_watch_stats(w, &watched);
    sn_eth_watch_close(w);
    return 0;
}
static struct sn_tx emit(uint64_t i, uint8_t data[32])
{
    struct sn_tx tx = {.type = SN_TX_DYNAMIC_FEE, .has_to = true, .data = sn_str_of((char *)data, 32)};
    sn_u256_store(sn_u256(i), data);
    address_of(EMITTER, tx.to);
    return tx;
}
static void sender_main(void *arg)
{
    uint64_t first = 1 + (uint64_t)(uintptr_t)arg * EACH;
    for (uint64_t i = first; i < first + EACH; i++) {
        struct sn_eth_sent s;
        struct sn_eth_receipt receipt;
        struct sn_arena a;
        uint8_t data[32];
        struct sn_tx tx = emit(i, data);
        sn_arena_init(&a, NULL, 0);
        must(sn_eth_send(account, &tx, &a, &s, NULL), "send");
        must(sn_eth_await(&client, &s, &(struct sn_eth_await_opts){.confirmations = 2}, &a, &receipt),
             "await");
        CHECK(receipt.success && s.accepted, "transaction %llu", (unsigned long long)i);
        n_sent++;
        sn_arena_done(&a);
    }
}
static int sender_fiber(void *arg)
{
    sender_main(arg);
    return 0;
}
static void check_nonces(uint64_t want)
{
    struct sn_eth_nonces n;
    sn_eth_account_nonces(account, &n);
    CHECK(n.next == want && n.gaps == 0, "next %llu, %zu gaps, expected %llu",
          (unsigned long long)n.next, n.gaps, (unsigned long long)want);
}
static void many_senders(void)
{
    struct sn_scope_storage outer_mem, mem;
    struct sn_scope *outer = sn_scope_begin(&outer_mem);
    must(sn_scope_go(outer, "watch", watch_main, NULL), "watch");
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < FIBERS; i++)
        must(sn_scope_go(s, "sender", sender_fiber, (void *)(uintptr_t)i), "sender");
    for (unsigned i = 0; i < 3; i++) {
        must(sn_sleep(700 * SN_MS), "sleep");
        for (unsigned k = 0; k < 600 && n_seen == 0; k++) must(sn_sleep(50 * SN_MS), "sleep");
        wire_cut(); /* under a watch that has begun */
    }
    must(sn_scope_end(s), "senders");
    check_nonces(TOTAL);
    for (unsigned i = 0; i < 300 && n_seen < TOTAL; i++) must(sn_sleep(100 * SN_MS), "sleep");
    stop_watching = true;
    must(sn_scope_end(outer), "watch");
    CHECK(n_sent == TOTAL && n_seen == TOTAL, "%u sent, %u seen", n_sent, n_seen);
    for (unsigned i = 1; i <= TOTAL; i++) CHECK(seen[i] == 1, "log %u: %u times", i, seen[i]);
    CHECK(watched.gaps >= 1, "the wire was cut %u times and nobody noticed", wire.cuts);
    printf("ok concurrency: %u transactions of %u fibers, nonces 0 to %u without a gap\n", TOTAL, FIBERS,
           TOTAL - 1);
    printf("ok watch: %u logs, each once, over a WebSocket cut %u times\n", n_seen, wire.cuts);
}

/* ---- somebody else uses the key ---- */

static void foreign_nonce(struct sn_arena *a)
{
    struct sn_eth_sent s;
    struct sn_eth_receipt receipt;
    uint8_t data[32];
    struct sn_tx tx = emit(1, data);
    char from[SN_ADDRESS_TEXT_LEN], params[256];
    sn_address_format(signer->address, from);
    snprintf(params, sizeof(params), "[{\"from\":\"%.42s\",\"to\":\"" COUNTER "\",\"gas\":\"0x186a0\"}]", from);
    node_do("eth_sendTransaction", params);
    must(sn_sleep(2500 * SN_MS), "sleep"); /* it is mined */
    must(sn_eth_send(account, &tx, a, &s, NULL), "send after somebody else");
    must(sn_eth_await(&client, &s, NULL, a, &receipt), "await");
    CHECK(s.tx.nonce == TOTAL + 1, "nonce %llu", (unsigned long long)s.tx.nonce);
    check_nonces(TOTAL + 2);
    printf("ok nonces: a nonce that somebody else took is passed over\n");
}

/* ---- replacement, with the miner stopped ---- */

static void mine(unsigned n)
{
    for (unsigned i = 0; i < n; i++) node_do("evm_mine", "[]");
}
static void replacement(struct sn_arena *a)
{
    struct sn_eth_sent s, canceled;
    struct sn_eth_receipt receipt;
    uint8_t data[32];
    struct sn_tx tx = emit(1, data);
    node_do("evm_setIntervalMining", "[0]");
    must(sn_eth_send(account, &tx, a, &s, NULL), "send");
    must(sn_eth_replace(account, false, a, &s), "replace");
    must(sn_eth_send(account, &tx, a, &canceled, NULL), "send");
    must(sn_eth_replace(account, true, a, &canceled), "cancel");
    mine(1);
    must(sn_eth_await(&client, &s, NULL, a, &receipt), "await");
    CHECK(receipt.version == 1 && sn_json_len(receipt.logs) == 1, "version %u", receipt.version);
    must(sn_eth_await(&client, &canceled, NULL, a, &receipt), "await");
    CHECK(receipt.version == 1 && sn_json_len(receipt.logs) == 0, "canceled: version %u", receipt.version);
    int r = sn_eth_replace(account, false, a, &s);
    CHECK(r == SN_E_FAILED_PRECONDITION, "replaced what is mined: %d", r);
    printf("ok replacement: the dearer version is mined, a canceled one does nothing\n");
}

/* ---- a reorg under a transaction ---- */

static struct sn_eth_sent reorged;
static struct sn_eth_receipt reorged_receipt;
static int await_deep(void *arg)
{
    struct sn_eth_await_opts o = {.confirmations = 4, .timeout_ns = 60 * SN_SEC,
                                  .rebroadcast_ns = 200 * SN_MS};
    return sn_eth_await(&client, &reorged, &o, arg, &reorged_receipt);
}
static void reorg(struct sn_arena *a)
{
    uint8_t data[32];
    struct sn_tx tx = emit(2, data);
    struct sn_eth_watch *w;
    struct sn_eth_event e = {0};
    struct sn_scope_storage mem;
    struct sn_arena turn;
    must(sn_eth_watch_open(&live, &(struct sn_eth_watch_opts){.from = SN_ETH_FROM_NOW, .no_logs = true}, &w),
         "watch");
    int64_t prev = sn_deadline_tighten(sn_now() + 500 * SN_MS);
    CHECK(sn_eth_watch_next(w, &e) == SN_E_DEADLINE_EXCEEDED, "an event of a chain that stands");
    sn_deadline_restore(prev);
    must(sn_eth_send(account, &tx, a, &reorged, NULL), "send");
    mine(2);
    sn_arena_init(&turn, NULL, 0);
    struct sn_scope *s = sn_scope_begin(&mem);
    must(sn_scope_go(s, "await", await_deep, &turn), "await");
    for (unsigned i = 0; i < 2; i++) {
        must(sn_eth_watch_next(w, &e), "watch");
        CHECK(e.kind == SN_ETH_EVENT_BLOCK, "event %d", e.kind);
    }
    must(sn_sleep(500 * SN_MS), "sleep"); /* it has seen the receipt */
    node_do("anvil_reorg", "[2,[]]");
    for (unsigned i = 0; i < 8; i++) {
        must(sn_sleep(300 * SN_MS), "sleep");
        mine(1);
    }
    must(sn_scope_end(s), "await through a reorg");
    CHECK(reorged_receipt.success && reorged_receipt.reorgs == 1, "%u reorgs", reorged_receipt.reorgs);
    must(sn_eth_watch_next(w, &e), "watch");
    CHECK(e.kind == SN_ETH_EVENT_REORG, "event %d", e.kind);
    printf("ok reorg: told by the watch, the transaction was sent again and is 4 deep\n");
    sn_arena_done(&turn);
    sn_eth_watch_close(w);
}

/* ---- the rest ---- */

static int count_log(void *ctx, const struct sn_json *log)
{
    ++*(uint64_t *)ctx;
    return log ? 0 : SN_E_INTERNAL;
}
static void log_ranges(struct sn_arena *a)
{
    struct sn_eth_filter f = {.address = SN_STR("\"" EMITTER "\"")};
    struct sn_eth_block head;
    struct sn_eth_logs_stats stats;
    uint64_t small = 0, whole = 0;
    must(sn_eth_block_get(&client, SN_STR("latest"), a, &head), "head");
    must(sn_eth_logs(&client, &f, 0, head.number, &(struct sn_eth_logs_opts){3, 3}, count_log, &small,
                     &stats), "logs");
    CHECK(stats.requests >= head.number / 3, "%llu requests", (unsigned long long)stats.requests);
    must(sn_eth_logs(&live, &f, 0, head.number, NULL, count_log, &whole, &stats), "logs");
    CHECK(small == whole && whole >= TOTAL && stats.requests == 1, "%llu logs by threes, %llu at once",
          (unsigned long long)small, (unsigned long long)whole);
    printf("ok logs: %llu, by three blocks and at once\n", (unsigned long long)whole);
}
static void one_way(struct sn_arena *a, unsigned way, struct sn_eth_multi *calls, size_t n)
{
    enum sn_eth_multi_way used = 0;
    client.multi_lacks = 0;
    must(sn_eth_multicall(&client, calls, n, &(struct sn_eth_multi_opts){.ways = way, .calls_max = 40}, a,
                          &used), "multicall");
    CHECK(used == way, "way %d instead of %u", used, way);
    for (size_t i = 0; i < n; i++) {
        bool fails = i % 3 == 1;
        uint8_t want[32] = {0};
        want[31] = 0xaa;
        CHECK(calls[i].ok == !fails, "way %u, call %zu", way, i);
        if (fails) CHECK(calls[i].result.len == 32 && memcmp(calls[i].result.ptr, want, 32) == 0,
                         "way %u: %zu bytes of revert data", way, calls[i].result.len);
        if (i % 3 == 0) CHECK(sn_str_eq(calls[i].result, calls[i].data), "way %u, call %zu", way, i);
        if (i % 3 == 2) CHECK(sn_str_eq(calls[i].result, calls[2].result), "two blocks in one multicall");
    }
}
static void multicall(struct sn_arena *a, const char *creation)
{
    enum { N = 100 };
    struct sn_eth_multi *calls = SN_ARENA_ARRAY(a, struct sn_eth_multi, N);
    static const uint8_t identity[SN_ADDRESS_LEN] = {[19] = 4};
    for (size_t i = 0; i < N; i++) {
        calls[i].data = sn_str_of(creation, i); /* any bytes, of any length */
        if (i % 3 == 0) memcpy(calls[i].to, identity, SN_ADDRESS_LEN);
        else address_of(i % 3 == 1 ? REVERTER : COUNTER, calls[i].to);
    }
    one_way(a, SN_ETH_MULTI_OVERRIDE, calls, N);
    one_way(a, SN_ETH_MULTI_CREATE, calls, N);
    one_way(a, SN_ETH_MULTI_BATCH, calls, N);
    enum sn_eth_multi_way used;
    client.multi_lacks = 0;
    must(sn_eth_multicall(&client, calls, N, NULL, a, &used), "multicall");
    CHECK(used == SN_ETH_MULTI_OVERRIDE, "without the contract: way %d", used);
    /* The contract's code is what its creation returns. */
    const struct sn_json *code;
    must(sn_eth_call(http, a, &code, NULL, "eth_call", "[{\"data\":\"%s\"},\"latest\"]", creation), "code");
    struct sn_str params = sn_arena_printf(a, "[\"0xcA11bde05977b3631167028862bE2a173976CA11\",\"%.*s\"]",
                                           SN_STR_ARG(sn_json_str(code)));
    node_do("anvil_setCode", params.ptr);
    mine(1);
    one_way(a, SN_ETH_MULTI_CONTRACT, calls, N);
    printf("ok multicall: %d calls by Multicall3, override, creation and one by one agree\n", N);
}
static void pending(struct sn_arena *a)
{
    struct sn_eth_sub *sub;
    struct sn_eth_sent s;
    struct sn_eth_note note;
    uint8_t data[32], hash[32];
    struct sn_tx tx = emit(3, data);
    must(sn_eth_subscribe(ws, SN_STR("[\"newPendingTransactions\"]"), 0, &sub), "subscribe");
    must(sn_eth_send(account, &tx, a, &s, NULL), "send");
    must(sn_eth_sub_next(sub, a, &note), "event");
    must(sn_eth_bytes(note.event, "hash", hash, 32), "hash");
    CHECK(memcmp(hash, s.hash[0], 32) == 0, "another transaction is pending");
    sn_eth_sub_close(sub);
    mine(1);
    tx = (struct sn_tx){.type = SN_TX_DYNAMIC_FEE, .has_to = true};
    address_of(REVERTER, tx.to);
    struct sn_str revert = {0};
    int r = sn_eth_send(account, &tx, a, &s, &revert);
    CHECK(r == SN_E_ABORTED && revert.len == 32, "what reverts was sent: %d, %zu bytes", r, revert.len);
    printf("ok pending: told of; what would revert is not sent, its data is given\n");
}
static int run(void *arg)
{
    char **argv = arg;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    set_scene(argv);
    many_senders();
    foreign_nonce(&a);
    replacement(&a);
    reorg(&a);
    log_ranges(&a);
    multicall(&a, argv[3]);
    pending(&a);
    sn_arena_done(&a);
    sn_eth_account_free(account);
    sn_eth_signer_free(signer);
    sn_eth_close(ws);
    sn_eth_close(http);
    sn_listener_close(wire.l);
    return 0;
}
int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: evm_client_peer HOST:PORT PRIVATE_KEY MULTICALL3_CREATION_CODE\n");
        return 2;
    }
    int r = sn_rt_run(NULL, run, argv);
    if (r < 0) printf("FAIL %s\n", sn_diag_str(r));
    return r < 0;
}
