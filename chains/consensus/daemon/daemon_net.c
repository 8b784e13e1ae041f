/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon_net.c - the node among others: key, address book, switch, reactors. */
#include <stdio.h>

#include "consensus/daemon/daemon_int.h"
#include "consensus/home/files.h"
#include "core/base.h"
#include "crypto/hash.h"
#include "fiber/os.h"
#include "kit/log.h"

SN_LOG_MODULE("node");

/* "a, b,c" as a NULL-ended list of the arena's; NULL without memory. */
static const char *const *list_of(struct sn_daemon *d, struct sn_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) n += text.ptr[i] == ',';
    const char **all = SN_ARENA_ARRAY(&d->arena, const char *, n + 2);
    if (!all) return NULL;
    n = 0;
    while (text.ptr && text.len) {
        struct sn_str one = sn_str_trim(sn_str_cut(&text, ','));
        if (one.len == 0) continue;
        if (!(all[n++] = sn_arena_str(&d->arena, one).ptr)) return NULL;
    }
    return all;
}

int sn_daemon_read_node_key(struct sn_daemon *d)
{
    char id[SN_NODE_ID_LEN + 1];
    const char *path = sn_daemon_path(d, d->c->node_key_file);
    if (!path) return SN_E_NOMEM;
    int r = sn_home_node_key_read(path, d->node_key, id);
    if (r == SN_E_NOT_FOUND) r = sn_home_node_key_make(path, id);
    return r < 0 ? r : sn_home_node_key_read(path, d->node_key, d->self.id);
}

static int set_text(char out[SN_NODE_TEXT_MAX + 1], struct sn_str text, const char *what)
{
    if (sn_str_cz(text, out, SN_NODE_TEXT_MAX + 1) >= 0) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: %zu bytes, at most %u", what, text.len,
                   SN_NODE_TEXT_MAX);
}

static int fill_self(struct sn_daemon *d)
{
    struct sn_node_info *n = &d->self;
    n->p2p_version = SN_P2P_VERSION;
    n->block_version = SN_BLOCK_VERSION;
    n->app_version = d->state->app_version;
    bool indexed = !sn_str_eqc(d->c->tx_index.indexer, "null");
    struct sn_str at = d->c->p2p.external_address;
    int r = set_text(n->network, d->genesis.chain_id, "chain_id");
    if (r >= 0) r = set_text(n->version, SN_STR(SN_HOME_COMET_VERSION), "version");
    if (r >= 0) r = set_text(n->moniker, d->c->moniker, "moniker");
    if (r >= 0) r = set_text(n->tx_index, indexed ? SN_STR("on") : SN_STR("off"), "indexer");
    if (r >= 0) r = set_text(n->rpc_address, d->c->rpc.laddr, "rpc.laddr");
    if (r >= 0) r = set_text(n->listen_addr, at.len ? at : d->c->p2p.laddr, "p2p.laddr");
    return r;
}

static int open_book(struct sn_daemon *d)
{
    const struct sn_home_p2p *p = &d->c->p2p;
    const char *const *private_ids = list_of(d, p->private_peer_ids);
    struct sn_book_opts o = {.strict = p->addr_book_strict};
    int s = sn_secret_bytes(&o.seed, sizeof(o.seed)); /* of the book's own key */
    if (s < 0) return s;
    d->book_path = sn_daemon_path(d, p->addr_book_file);
    if (!d->book_path || !private_ids) return SN_E_NOMEM;
    int r = sn_pex_book_open(d->book_path, &o, private_ids, &d->book);
    return r < 0 ? r : sn_book_keep_out(d->book, d->self.id);
}

/* Whether the application wants the peer: CometBFT's two queries. */
static int ask_filter(struct sn_daemon *d, const char *kind, const char *what)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_ABCI_MESSAGE_MAX);
    struct tendermint_abci_request_query q = {
        .path = sn_arena_printf(&a, "/p2p/filter/%s/%s", kind, what)};
    struct tendermint_abci_response_query *res;
    int r = q.path.ptr ? sn_abci_query(d->app.query, &q, &a, &res) : SN_E_NOMEM;
    if (r < 0 || res->code == 0) return r;
    return sn_fail(SN_E_PERMISSION_DENIED, "the application does not want peer %s", what);
}
static int filter(void *arg, const char *remote_addr, const char *id)
{
    int r = ask_filter(arg, "addr", remote_addr);
    return r < 0 ? r : ask_filter(arg, "id", id);
}

/* 0 means none in config.toml, the default in the switch's options. */
static unsigned limit_of(int64_t configured)
{
    return configured > 0 ? (unsigned)configured : SN_SWITCH_NONE;
}
static int make_switch(struct sn_daemon *d)
{
    const struct sn_home_p2p *p = &d->c->p2p;
    struct sn_switch_opts o = {.key = d->node_key,
                               .self = d->self,
                               .listen = p->laddr.len ? sn_arena_str(&d->arena, p->laddr).ptr : NULL,
                               .persistent = list_of(d, p->persistent_peers),
                               .unconditional = list_of(d, p->unconditional_peer_ids),
                               .inbound_max = limit_of(p->max_num_inbound_peers),
                               .outbound_max = limit_of(p->max_num_outbound_peers),
                               .allow_duplicate_ip = p->allow_duplicate_ip,
                               .handshake_ns = p->handshake_timeout,
                               .dial_ns = p->dial_timeout,
                               .persistent_max_dial_ns = p->persistent_peers_max_dial_period,
                               .mconn = {.payload = (uint32_t)p->max_packet_msg_payload_size,
                                         .send_rate = p->send_rate,
                                         .recv_rate = p->recv_rate},
                               .book = d->book,
                               .filter = d->c->filter_peers ? filter : NULL,
                               .arg = d};
    if ((p->laddr.len && !o.listen) || !o.persistent || !o.unconditional) return SN_E_NOMEM;
    return sn_switch_new(&o, &d->sw);
}

static int add_mempool(struct sn_daemon *d)
{
    const struct sn_home_mempool *m = &d->c->mempool;
    struct sn_mempool_reactor_opts o = {
        .sw = d->sw,
        .txs = d->txs,
        .no_broadcast = !m->broadcast,
        .tx_bytes_max = (uint32_t)m->max_tx_bytes,
        .batch_bytes_max = m->max_batch_bytes,
        .persistent_max = (unsigned)m->experimental_max_gossip_connections_to_persistent_peers,
        .others_max = (unsigned)m->experimental_max_gossip_connections_to_non_persistent_peers};
    return d->txs ? sn_mempool_reactor_new(&o, &d->mempool) : 0;
}

static int add_pex(struct sn_daemon *d)
{
    struct sn_pex_reactor_opts o = {.sw = d->sw,
                                    .seeds = list_of(d, d->c->p2p.seeds),
                                    .seed_mode = d->c->p2p.seed_mode,
                                    .book_path = d->book_path};
    if (!d->c->p2p.pex) return 0;
    return o.seeds ? sn_pex_reactor_new(&o, &d->pex) : SN_E_NOMEM;
}

int sn_daemon_open_net(struct sn_daemon *d)
{
    int r = fill_self(d);
    if (r >= 0) r = open_book(d);
    if (r >= 0) r = make_switch(d);
    if (r >= 0) d->view.sw = d->sw;
    if (r >= 0) d->view.self = sn_switch_self(d->sw);
    if (r >= 0) r = sn_consensus_reactor_new(&d->view, &d->gossip);
    if (r >= 0) r = sn_blocksync_new(&d->view, &d->blocksync);
    if (r >= 0) r = sn_statesync_new(&d->view, &d->statesync);
    if (r >= 0) r = add_mempool(d);
    if (r >= 0) r = sn_evidence_reactor_new(d->sw, d->evidence, &d->accuse);
    if (r >= 0) r = add_pex(d);
    return r < 0 ? sn_wrap(r, "network") : 0;
}

void sn_daemon_close_net(struct sn_daemon *d)
{
    sn_pex_reactor_free(d->pex);
    sn_evidence_reactor_free(d->accuse);
    sn_mempool_reactor_free(d->mempool);
    sn_statesync_free(d->statesync);
    sn_blocksync_free(d->blocksync);
    sn_consensus_reactor_free(d->gossip);
    sn_switch_free(d->sw);
    sn_book_free(d->book);
    sn_wipe(d->node_key, sizeof(d->node_key));
}
