/* SPDX-License-Identifier: Apache-2.0 */
/* Our side of tests/interop/chain_rpc.sh.
 *   chain_rpc_peer inspect HOME    the stores of HOME over RPC, until stdin ends; prints its
 * address chain_rpc_peer events HOME     what subscribers of everything get of each block, a line
 * an event chain_rpc_peer index HOME OUT  OUT/data/tx_index.db of the chain in HOME chain_rpc_peer
 * search HOME QUERY  what chain_rpc/main.go prints for it */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "consensus/index/indexer.h"
#include "consensus/rpc/publish.h"
#include "consensus/rpc/server.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "fiber/os.h"

struct home {
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    struct sn_indexer *indexer;
};

static int open_kv(const char *home, const char *name, bool must, struct sn_kv **ret)
{
    char path[512];
    const struct sn_kv_opts o = {.must_exist = must};
    snprintf(path, sizeof(path), "%s/data", home);
    int r = must ? 0 : sn_mkdirs(path, 0700);
    snprintf(path, sizeof(path), "%s/data/%s.db", home, name);
    return r < 0 ? r : sn_kv_open(path, &o, ret);
}

/* index: the folder whose index it is, NULL for none. */
static int open_home(const char *home, const char *index, struct home *h)
{
    struct sn_kv *kv;
    int r = open_kv(home, "blockstore", true, &kv);
    if (r == 0) r = sn_cons_block_store_new(kv, &h->blocks);
    if (r == 0) r = open_kv(home, "state", true, &kv);
    if (r == 0 && !(h->states = sn_cons_state_store_new(kv, false))) r = SN_E_NOMEM;
    if (r == 0 && index) r = open_kv(index, "tx_index", strcmp(index, home) == 0, &kv);
    if (r == 0 && index)
        r = sn_indexer_new(&(struct sn_indexer_opts){kv, h->blocks, h->states}, &h->indexer);
    return r;
}
static void close_home(struct home *h)
{
    sn_indexer_free(h->indexer);
    sn_cons_state_store_free(h->states);
    sn_cons_block_store_free(h->blocks);
}

/* ---- inspect ---- */

static int serve(void *rpc) { return sn_rpc_run(rpc); }
static int until_eof(void *arg)
{
    char c;
    while (read(0, &c, 1) > 0) continue;
    return 0;
}

static int inspect(struct home *h)
{
    static struct sn_node_view view;
    view.blocks = h->blocks;
    view.states = h->states;
    view.indexer = h->indexer;
    struct sn_rpc *rpc;
    struct sn_scope_storage mem;
    char addr[64];
    int r = sn_rpc_new(
        &(struct sn_rpc_opts){.view = &view, .listen = "tcp://127.0.0.1:0", .inspect = true}, &rpc);
    if (r == 0) r = sn_rpc_addr(rpc, 0, false, addr, sizeof(addr));
    if (r < 0) return r;
    printf("%s\n", addr);
    fflush(stdout);
    struct sn_scope *s = sn_scope_begin(&mem);
    r = sn_scope_go(s, "rpc", serve, rpc);
    if (r == 0) r = sn_offload(until_eof, NULL);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    sn_rpc_free(rpc);
    return r;
}

/* ---- events ---- */

static int print_events(struct sn_subscription *s)
{
    struct sn_chain_event *e;
    int r;
    while ((r = sn_subscription_take(s, &e)) > 0) {
        printf("{\"query\":\"q\",\"data\":%.*s}\n", (int)e->data.len, e->data.ptr);
        sn_chain_event_unref(e);
    }
    return r;
}

static int publish_height(struct home *h, struct sn_event_bus *bus, int64_t height)
{
    struct sn_cons_block_meta meta;
    struct sn_arena a SN_CLEANUP(sn_arena_done) = {0};
    struct sn_buf answer SN_CLEANUP(sn_buf_done) = {0};
    struct sn_exec_block b = {.id = &meta.block_id};
    struct sn_cons_block *block = NULL;
    struct tendermint_abci_response_finalize_block *res = NULL;
    int r = sn_cons_block_store_meta(h->blocks, height, &meta);
    if (r == 0) r = sn_cons_block_store_block(h->blocks, height, &block);
    if (r == 0) r = sn_cons_state_store_answer(h->states, height, &answer);
    if (r == 0)
        r = tendermint_abci_response_finalize_block_parse(sn_buf_view(&answer), 0, &a, &res);
    b.block = block;
    b.res = res;
    if (r >= 0) r = sn_publish_block(bus, &b);
    sn_cons_block_unref(block);
    return r;
}

static int events(struct home *h)
{
    struct sn_event_bus *bus;
    struct sn_subscription *s;
    int r = sn_event_bus_new(&(struct sn_event_bus_opts){.queue_max = 10000}, &bus);
    if (r < 0) return r;
    r = sn_event_bus_subscribe(bus, SN_STR("me"), SN_STR("tm.event EXISTS"), NULL, NULL, &s);
    int64_t last = sn_cons_block_store_height(h->blocks);
    for (int64_t i = sn_cons_block_store_base(h->blocks); i <= last && r == 0; i++) {
        r = publish_height(h, bus, i);
        if (r == 0) r = print_events(s);
    }
    sn_subscription_end(s);
    sn_event_bus_free(bus);
    return r;
}

/* ---- index ---- */

static int search(struct home *h, const char *text)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done) = {0};
    const struct sn_indexer_page p = {.page = 1, .per_page = 1000000};
    struct sn_query *q;
    struct sn_str *txs;
    int64_t *heights;
    size_t n;
    uint64_t total;
    int r = sn_query_parse(sn_str(text), &q);
    if (r < 0) return r;
    r = sn_indexer_tx_search(h->indexer, q, &p, &a, &txs, &n, &total);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct tendermint_abci_tx_result *t;
        uint8_t hash[32];
        r = tendermint_abci_tx_result_parse(txs[i], 0, &a, &t);
        if (r >= 0) r = sn_hash_once(SN_SHA256, t->tx.ptr, t->tx.len, hash);
        if (r < 0) break;
        printf("tx %" PRId64 " %u ", t->height, t->index);
        for (int k = 0; k < 32; k++) printf("%02x", hash[k]);
        putchar('\n');
    }
    if (r == 0) r = sn_indexer_block_search(h->indexer, q, &p, &a, &heights, &n, &total);
    for (size_t i = 0; r == 0 && i < n; i++) printf("block %" PRId64 "\n", heights[i]);
    sn_query_free(q);
    return r;
}

static char **args;
static int run(void *arg)
{
    struct home h = {0};
    const char *what = args[1];
    bool index = strcmp(what, "index") == 0;
    int r = open_home(args[2], index ? args[3] : strcmp(what, "events") == 0 ? NULL : args[2], &h);
    if (r == 0 && strcmp(what, "inspect") == 0) r = inspect(&h);
    if (r == 0 && strcmp(what, "events") == 0) r = events(&h);
    if (r == 0 && index)
        r = sn_indexer_range(h.indexer, sn_cons_block_store_base(h.blocks),
                             sn_cons_block_store_height(h.blocks));
    if (r == 0 && strcmp(what, "search") == 0) r = search(&h, args[3]);
    if (r < 0) fprintf(stderr, "%s\n", sn_diag_str(r));
    close_home(&h);
    return r;
}

int main(int argc, char **argv)
{
    args = argv;
    if (argc < 3) return 2;
    return sn_rt_run(NULL, run, NULL) < 0;
}
