/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/switch_peer.c - our switch with peer exchange and a pool of transactions, and
 * nothing of consensus: on its channels it says once that it is far ahead, so that nobody sends it
 * blocks, and is silent.
 *
 *   switch_peer N CHAIN LISTEN [persistent=ADDR|seed=ADDR|book=FILE|lag=1]...
 *
 * N: of its key. Prints "listening ID@HOST:PORT"; then answers a line to each line of stdin:
 *   tx TEXT            into the pool               load N BYTES RATE   many, RATE a second
 *   stats              what it has and has sent    peers               ID OUTBOUND, each on a line
 *   connect ADDR       dials                       quit
 *   accuse KEY ...     evidence against a validator, to everybody
 * lag: says nothing of its height. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "consensus/codec.h"
#include "consensus/hash.h"
#include "consensus/key.h"
#include "consensus/reactors/evidence.h"
#include "consensus/reactors/mempool.h"
#include "consensus/reactors/pex.h"
#include "core/alloc.h"
#include "core/buf.h"
#include "core/enc.h"
#include "core/varint.h"
#include "fiber/net.h"
#include "kit/log.h"

#define ADDRS_MAX 16
#define HEIGHT 50000 /* far ahead, and not so far that evidence is too old for us */

static struct node {
    uint8_t key[64];
    struct sn_switch_opts o;
    struct sn_pex_reactor_opts pex_opts;
    const char *persistent[ADDRS_MAX + 1], *seeds[ADDRS_MAX + 1];
    unsigned n_persistent, n_seeds;
    bool lag;
    struct sn_switch *sw;
    struct sn_txs *txs;
    struct sn_mempool_reactor *mempool;
    struct sn_pex_reactor *pex;
} node;

static void must(int r, const char *what)
{
    if (r >= 0) return;
    printf("FAIL %s: %s\n", what, sn_diag_str(r));
    (void)fflush(stdout);
    exit(1);
}

static bool numbers(struct sn_str args, uint64_t *ret, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!args.ptr || sn_str_to_u64(sn_str_cut(&args, ' '), &ret[i]) < 0) return false;
    return !args.ptr;
}

/* ---- consensus, silent ---- */

static int say_height(void *arg, struct sn_switch_peer *p)
{
    const struct sn_cons_msg m = {.kind = SN_CONS_MSG_NEW_ROUND_STEP, .height = HEIGHT, .step = 1};
    struct sn_buf out = {0};
    sn_switch_peer_set_height(p, HEIGHT);
    if (node.lag) return 0;
    int r = sn_cons_msg_encode(&m, &out);
    if (r >= 0) r = sn_switch_peer_try_send(p, 0x20, out.ptr, out.len);
    sn_buf_done(&out);
    return r;
}
static const struct sn_mconn_channel consensus_channels[] = {{.id = 0x20, .priority = 6},
                                                             {.id = 0x21, .priority = 10},
                                                             {.id = 0x22, .priority = 7},
                                                             {.id = 0x23, .priority = 1}};
static const struct sn_reactor consensus = {.name = "consensus",
                                            .channels = consensus_channels,
                                            .n_channels = 4,
                                            .add_peer = say_height};

/* ---- evidence: what comes is read, what is sent is made up ---- */

static _Atomic unsigned pieces;
static int on_evidence(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    struct sn_str piece;
    struct sn_cons_evidence ev;
    struct sn_arena a;
    size_t at = 0;
    int r;
    sn_arena_init(&a, NULL, 0);
    while ((r = sn_evidence_list_next(m, &at, &piece)) > 0) {
        r = sn_cons_evidence_decode(piece, &a, &ev);
        if (r < 0) break;
        pieces++;
    }
    sn_arena_done(&a);
    return r;
}
static const struct sn_mconn_channel evidence_channel[] = {
    {.id = SN_EVIDENCE_CHANNEL, .priority = 6}};
static const struct sn_reactor evidence = {.name = "evidence",
                                           .channels = evidence_channel,
                                           .n_channels = 1,
                                           .receive = on_evidence};
/* "KEY HEIGHT SECONDS NANOS POWER": the key, in hexadecimal, of the only validator, whose power it
 * is, and the time of that block. */
static void accuse(struct sn_str args)
{
    uint8_t key[64];
    uint64_t of[4];
    struct sn_cons_vote votes[2];
    struct sn_buf piece = {0}, list = {0};
    if (sn_hex_decode(sn_str_cut(&args, ' '), key) != 64 || !numbers(args, of, 4)) {
        puts("FAIL accuse: expected KEY HEIGHT SECONDS NANOS POWER");
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct sn_buf buf = {0};
        votes[i] = (struct sn_cons_vote){.refs = 1,
                                         .type = SN_CONS_PRECOMMIT,
                                         .height = (int64_t)of[0],
                                         .time = {(int64_t)of[1], 0},
                                         .block_id = {{32, {(uint8_t)(i + 1)}}, {1, {32, {1}}}},
                                         .sig.len = 64};
        struct sn_cons_key public = {.type = SN_CONS_ED25519, .len = 32};
        memcpy(public.b, key + 32, 32);
        must(sn_cons_key_addr(&public, votes[i].addr), "address");
        must(sn_cons_vote_sign_bytes(sn_str(node.o.self.network), &votes[i], &buf), "sign bytes");
        must(sn_ed25519_sign(key, buf.ptr, buf.len, votes[i].sig.b), "sign");
        sn_buf_done(&buf);
    }
    const struct sn_cons_evidence ev = {.kind = SN_CONS_DUPLICATE_VOTE,
                                        .vote_a = &votes[0],
                                        .vote_b = &votes[1],
                                        .total_power = (int64_t)of[3],
                                        .validator_power = (int64_t)of[3],
                                        .time = {(int64_t)of[1], (int32_t)of[2]}};
    uint8_t head[1 + SN_VARINT_MAX] = {0x0a};
    must(sn_cons_evidence_encode(&ev, &piece), "evidence");
    sn_buf_put(&list, head, 1 + sn_varint_put(head + 1, piece.len));
    must(sn_buf_put(&list, piece.ptr, piece.len), "list");
    printf("accused before %zu\n",
           sn_switch_broadcast(node.sw, SN_EVIDENCE_CHANNEL, list.ptr, list.len));
    sn_buf_done(&piece);
    sn_buf_done(&list);
}

/* ---- an application that takes everything ---- */

static int check_tx(struct sn_abci_call *c, const struct tendermint_abci_request_check_tx *req,
                    struct tendermint_abci_response_check_tx *res)
{
    return 0;
}
static struct sn_abci_app app = {.name = "all",
                                 .concurrent = SN_ABCI_BIT(SN_ABCI_CHECK_TX),
                                 .check_tx = check_tx};

/* ---- commands ---- */

static int submit(struct sn_str tx)
{
    struct tendermint_abci_response_check_tx *res;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = sn_txs_check(node.txs, tx, 0, &a, &res);
    sn_arena_done(&a);
    return r;
}
static void load(const char *args)
{
    static char tx[65536];
    uint64_t of[3];
    if (!numbers(sn_str(args), of, 3) || of[1] < 24 || of[1] >= sizeof(tx) || of[2] == 0) {
        puts("FAIL load: expected N BYTES RATE");
        return;
    }
    unsigned n = (unsigned)of[0];
    size_t bytes = of[1];
    int64_t rate = (int64_t)of[2];
    memset(tx, 'x', sizeof(tx));
    int64_t start = sn_now();
    for (unsigned i = 0; i < n; i++) {
        int len = snprintf(tx, 24, "load%08u-%08x=", i, (unsigned)sn_random());
        tx[len] = 'x';
        must(submit(sn_str_of(tx, bytes)), "load");
        must(sn_sleep_until(start + (int64_t)(i + 1) * SN_SEC / rate), "sleep");
    }
    printf("loaded %u\n", n);
}
static void add(void *arg, struct sn_switch_peer *p)
{
    struct sn_mconn_stats *sum = arg, s;
    sn_switch_peer_stats(p, &s);
    sum->bytes_sent += s.bytes_sent;
    sum->bytes_received += s.bytes_received;
    sum->messages_sent += s.messages_sent;
    sum->messages_received += s.messages_received;
}
static void stats(void)
{
    struct sn_mempool_stats pool;
    struct sn_mempool_gossip g;
    struct sn_switch_counts c;
    struct sn_mconn_stats sum = {0};
    sn_mempool_stats(sn_txs_pool(node.txs), &pool);
    sn_mempool_reactor_stats(node.mempool, &g);
    sn_switch_counts(node.sw, &c);
    sn_switch_each(node.sw, add, &sum);
    printf("stats txs=%llu inbound=%u outbound=%u joined=%llu txs_in=%llu known_in=%llu "
           "messages_in=%llu txs_out=%llu messages_out=%llu bytes_out=%llu sent=%llu received=%llu "
           "evidence=%u\n",
           (unsigned long long)pool.txs, c.inbound, c.outbound, (unsigned long long)c.joined,
           (unsigned long long)g.txs_in, (unsigned long long)g.known_in,
           (unsigned long long)g.messages_in, (unsigned long long)g.txs_out,
           (unsigned long long)g.messages_out, (unsigned long long)g.bytes_out,
           (unsigned long long)sum.bytes_sent, (unsigned long long)sum.bytes_received, pieces);
}
static void put_peer(void *arg, struct sn_switch_peer *p)
{
    printf("peer %s %s\n", sn_switch_peer_id(p), sn_switch_peer_outbound(p) ? "out" : "in");
}
static bool command(char *line)
{
    if (strncmp(line, "tx ", 3) == 0) {
        int r = submit(sn_str(line + 3));
        printf("%s\n", r == 0 ? "taken" : sn_status_name(r));
    } else if (strncmp(line, "load ", 5) == 0) {
        load(line + 5);
    } else if (strncmp(line, "connect ", 8) == 0) {
        int r = sn_switch_connect(node.sw, line + 8);
        printf("connect %s\n", r == 0 ? "OK" : sn_status_name(r));
    } else if (strncmp(line, "accuse ", 7) == 0) {
        accuse(sn_str(line + 7));
    } else if (strcmp(line, "stats") == 0) {
        stats();
    } else if (strcmp(line, "peers") == 0) {
        sn_switch_each(node.sw, put_peer, NULL);
        puts("end");
    } else {
        return false;
    }
    (void)fflush(stdout);
    return true;
}
static void commands(void)
{
    static char line[4096];
    size_t len = 0;
    (void)fcntl(0, F_SETFL, O_NONBLOCK);
    for (;;) {
        ssize_t n = read(0, line + len, sizeof(line) - 1 - len);
        if (n == 0) return;
        if (n < 0) {
            if (errno != EAGAIN || sn_fd_wait(0, EPOLLIN) < 0) return;
            continue;
        }
        len += (size_t)n;
        for (char *end; (end = memchr(line, '\n', len)) != NULL;) {
            *end = 0;
            if (!command(line)) return;
            len -= (size_t)(end + 1 - line);
            memmove(line, end + 1, len);
        }
    }
}

/* ---- the node ---- */

static int run_switch(void *arg)
{
    int r = sn_switch_run(node.sw);
    must(r == SN_E_CANCELLED ? 0 : r, "switch");
    return 0;
}
static int run_pex(void *arg)
{
    (void)!sn_pex_reactor_run(node.pex);
    return 0;
}
static int run_txs(void *arg)
{
    (void)!sn_txs_run(node.txs);
    return 0;
}
static int run(void *arg)
{
    struct sn_abci_client *client;
    struct sn_scope_storage mem;
    must(sn_pex_book_open(node.pex_opts.book_path, &(struct sn_book_opts){.seed = sn_random()},
                          NULL, &node.o.book),
         "book");
    must(sn_switch_new(&node.o, &node.sw), "switch");
    must(sn_abci_client_local(&app, "mempool", NULL, &client), "application");
    must(sn_txs_new(&(struct sn_txs_opts){.app = client, .pool = {.txs_max = 100000}}, &node.txs),
         "pool");
    must(sn_switch_add_reactor(node.sw, &consensus), "consensus");
    must(sn_switch_add_reactor(node.sw, &evidence), "evidence");
    must(sn_mempool_reactor_new(&(struct sn_mempool_reactor_opts){.sw = node.sw, .txs = node.txs},
                                &node.mempool),
         "mempool");
    node.pex_opts.sw = node.sw;
    must(sn_pex_reactor_new(&node.pex_opts, &node.pex), "pex");
    struct sn_scope *s = sn_scope_begin(&mem);
    must(sn_scope_go(s, "switch", run_switch, NULL), "switch");
    while (!sn_switch_listening(node.sw)) must(sn_sleep(SN_MS), "sleep");
    must(sn_scope_go(s, "pex", run_pex, NULL), "pex");
    must(sn_scope_go(s, "txs", run_txs, NULL), "txs");
    printf("listening %s@%s\n", node.o.self.id, sn_switch_listen_addr(node.sw));
    (void)fflush(stdout);
    commands();
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    sn_mempool_reactor_free(node.mempool);
    sn_pex_reactor_free(node.pex);
    sn_switch_free(node.sw);
    sn_txs_free(node.txs);
    sn_abci_client_close(client);
    sn_book_free(node.o.book);
    puts("ended");
    return 0;
}
int main(int argc, char **argv)
{
    uint8_t seed[32] = {0x5e};
    if (argc < 4) return 2;
    uint64_t n;
    must(sn_str_to_u64(sn_str(argv[1]), &n), "number");
    seed[1] = (uint8_t)n;
    must(sn_ed25519_from_seed(node.key, seed), "key");
    struct sn_node_info *self = &node.o.self;
    *self = (struct sn_node_info){.p2p_version = SN_P2P_VERSION,
                                  .block_version = SN_BLOCK_VERSION,
                                  .version = "0.38.25+sennit",
                                  .moniker = "sennit",
                                  .tx_index = "on",
                                  .rpc_address = "tcp://127.0.0.1:1"};
    (void)snprintf(self->network, sizeof(self->network), "%s", argv[2]);
    must(sn_node_id(node.key + 32, self->id), "id");
    node.o.key = node.key;
    node.o.listen = argv[3];
    node.o.allow_duplicate_ip = true;
    node.o.persistent = node.persistent;
    node.pex_opts.seeds = node.seeds;
    for (int i = 4; i < argc; i++) {
        if (strncmp(argv[i], "persistent=", 11) == 0 && node.n_persistent < ADDRS_MAX)
            node.persistent[node.n_persistent++] = argv[i] + 11;
        else if (strncmp(argv[i], "seed=", 5) == 0 && node.n_seeds < ADDRS_MAX)
            node.seeds[node.n_seeds++] = argv[i] + 5;
        else if (strncmp(argv[i], "book=", 5) == 0)
            node.pex_opts.book_path = argv[i] + 5;
        else if (strcmp(argv[i], "lag=1") == 0)
            node.lag = true;
    }
    return sn_rt_run(&(struct sn_rt_opts){.workers = 2}, run, NULL) < 0;
}
