/* SPDX-License-Identifier: Apache-2.0 */
/* blocksync_peer - chains to fetch, and nodes that do nothing but fetch and give them; for blocksync.sh and
 * bench/blocksync.sh.
 *
 *   make HOME VALIDATORS BLOCKS TXS TX_BYTES   a node's data and genesis.json, of a chain made here
 *   serve HOME HOST:PORT                       gives its blocks until it is killed; prints its address
 *   fetch HOME ID@HOST:PORT...                 fetches into HOME (with the genesis of a made chain),
 *                                              prints "N blocks, SECONDS s", then the application hash */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/p2p/node_info.h"
#include "consensus/sync/chain_maker_test.h"
#include "consensus/sync/sync.h"
#include "core/enc.h"
#include "crypto/ed25519.h"
#include "fiber/os.h"

struct args {
    int n;
    char **v;
};
static uint32_t number(const char *s) { return (uint32_t)strtoul(s, NULL, 10); }
static void path_of(char out[600], const char *home, const char *name)
{
    snprintf(out, 600, "%s/%s", home, name);
}

static int make(const struct args *a)
{
    char path[600], data[600];
    struct sn_buf json SN_CLEANUP(sn_buf_done);
    struct chain *c = calloc(1, sizeof(*c));
    sn_buf_init(&json, 0);
    if (!c || a->n != 7) return SN_E_INVALID_ARGUMENT;
    path_of(data, a->v[2], "data");
    struct chain_opts o = {.dir = data, .validators = number(a->v[3]), .txs = number(a->v[5]),
                           .tx_bytes = number(a->v[6])};
    if (o.validators == 0 || o.validators > CHAIN_VALIDATORS_MAX) return SN_E_INVALID_ARGUMENT;
    int r = chain_open(c, &o);
    if (r >= 0) r = chain_extend(c, number(a->v[4]));
    if (r >= 0) r = sn_cons_genesis_print(&c->genesis, &json);
    path_of(path, a->v[2], "config/genesis.json");
    if (r >= 0) r = sn_file_write(path, sn_buf_view(&json), 0644);
    if (r >= 0) printf("%lld blocks\n", (long long)c->state->last_height);
    chain_close(c);
    free(c);
    return r;
}

/* ---- a node of stores, application, switch and block sync ---- */

struct node {
    struct chain c;
    struct sn_node_view view;
    struct sn_switch *sw;
    struct sn_blocksync *sync;
    uint8_t key[64];
    const struct args *a;
    int64_t blocks;
    struct sn_cons_state *state;
    bool ended;
    int64_t seen_at[2], seen[2]; /* the first height from a tenth of the giver's on, and the last */
};
static int node_open(struct node *n, const char *home, const char *listen, uint8_t who)
{
    static char data[600], at[300];
    uint8_t seed[32] = {who, 0x77};
    path_of(data, home, "data");
    const char *validators = getenv("BLOCKSYNC_VALIDATORS");
    struct chain_opts c = {.dir = data, .validators = validators ? number(validators) : 4};
    int r = chain_open(&n->c, &c);
    if (r >= 0) r = sn_ed25519_from_seed(n->key, seed);
    struct sn_switch_opts o = {.key = n->key, .allow_duplicate_ip = true};
    o.self = (struct sn_node_info){.p2p_version = 8, .block_version = 11, .app_version = 1,
                                   .network = "made-chain", .version = "0.38.25", .moniker = "c",
                                   .listen_addr = "tcp://127.0.0.1:1"};
    if (r >= 0) r = sn_node_id(n->key + 32, o.self.id);
    snprintf(at, sizeof(at), "tcp://%s", listen ? listen : "");
    if (listen) {
        o.listen = at;
        o.self.listen_addr[0] = 0; /* the switch says where */
    }
    if (r >= 0) r = sn_switch_new(&o, &n->sw);
    n->view = (struct sn_node_view){.genesis = &n->c.genesis, .blocks = n->c.blocks,
                                    .states = n->c.states, .app = &n->c.app, .exec = n->c.exec,
                                    .sw = n->sw, .verifier = &sn_cons_verifier_zip215};
    return r < 0 ? r : sn_blocksync_new(&n->view, &n->sync);
}
static void node_close(struct node *n)
{
    sn_cons_state_unref(n->state);
    sn_switch_free(n->sw);
    sn_blocksync_free(n->sync);
    chain_close(&n->c);
}
static int meet(void *arg) { return sn_switch_run(((struct node *)arg)->sw); }
/* Looks at the height now and then: what it takes without the beginning and the end. */
static int watch(void *arg)
{
    struct node *n = arg;
    const char *text = getenv("BLOCKSYNC_FROM");
    int64_t from = text ? number(text) : 1;
    while (!n->ended) {
        int64_t h = sn_cons_block_store_height(n->c.blocks);
        if (h >= from && h != n->seen[1]) {
            unsigned i = n->seen_at[0] != 0;
            n->seen_at[i] = sn_now();
            n->seen[i] = h;
        }
        int r = sn_sleep(5 * SN_MS);
        if (r < 0) return r;
    }
    return 0;
}
static int fetch_fiber(void *arg)
{
    struct node *n = arg;
    int r = 0;
    for (int i = 3; i < n->a->n && r >= 0; i++)
        while ((r = sn_switch_connect(n->sw, n->a->v[i])) == SN_E_CLOSED && sn_sleep(SN_MS) >= 0)
            continue;
    if (r < 0) return r;
    int64_t began = sn_now();
    r = sn_blocksync_run(n->sync, n->c.state, &n->state, &n->blocks);
    if (r < 0) return r;
    double s = (double)(sn_now() - began) / SN_SEC;
    n->ended = true;
    char hash[2 * SN_CONS_APP_HASH_MAX + 1] = "";
    hash[sn_hex_encode(n->state->app_hash.b, n->state->app_hash.len, hash)] = 0;
    printf("%lld blocks, %.3f s, %.0f blocks/s\nheight %lld hash %s\n", (long long)n->blocks, s,
           (double)n->blocks / s, (long long)n->state->last_height, hash);
    printf("from %lld to %lld: %.3f s\n", (long long)n->seen[0], (long long)n->seen[1],
           (double)(n->seen_at[1] - n->seen_at[0]) / SN_SEC);
    fflush(stdout);
    return SN_E_ABORTED; /* done: ends the switch */
}

static int fetch(const struct args *a)
{
    struct sn_scope_storage mem;
    struct node *n = calloc(1, sizeof(*n));
    if (!n || a->n < 4) return SN_E_INVALID_ARGUMENT;
    n->a = a;
    int r = node_open(n, a->v[2], NULL, 2);
    struct sn_scope *s = sn_scope_begin(&mem);
    if (r >= 0) r = sn_scope_go(s, "switch", meet, n);
    if (r >= 0) r = sn_scope_go(s, "watch", watch, n);
    if (r >= 0) r = sn_scope_go(s, "fetch", fetch_fiber, n);
    int e = sn_scope_end(s);
    if (r >= 0 && e != SN_E_ABORTED) r = e;
    node_close(n);
    free(n);
    return r;
}
static int serve(const struct args *a)
{
    struct node *n = calloc(1, sizeof(*n));
    if (!n || a->n != 4) return SN_E_INVALID_ARGUMENT;
    int r = node_open(n, a->v[2], a->v[3], 1);
    if (r < 0) return r;
    printf("%s@%s\n", sn_switch_self(n->sw)->id, a->v[3]);
    fflush(stdout);
    return sn_switch_run(n->sw);
}

static int work(void *arg)
{
    const struct args *a = arg;
    if (a->n > 2 && strcmp(a->v[1], "make") == 0) return make(a);
    if (a->n > 2 && strcmp(a->v[1], "serve") == 0) return serve(a);
    if (a->n > 2 && strcmp(a->v[1], "fetch") == 0) return fetch(a);
    return sn_fail(SN_E_INVALID_ARGUMENT, "make, serve or fetch");
}
int main(int argc, char **argv)
{
    struct args a = {argc, argv};
    int r = sn_rt_run(NULL, work, &a);
    if (r < 0) fprintf(stderr, "blocksync_peer: %s\n", sn_diag_str(r));
    return r < 0;
}
