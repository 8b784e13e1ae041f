/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/metrics.c - see the header. */
#include "consensus/rpc/metrics.h"

#include <stdio.h>

#include "consensus/block_store.h"
#include "consensus/genesis.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "fiber/sync.h"
#include "kit/http.h"

#define NAME_MAX_ 128
#define CONNECTIONS 3
#define DRAIN_NS (1 * SN_SEC)
#define STEPS 9

/* Bounds of the histograms, in seconds: eight from 0.1 to 100, each the same factor above the last;
 * ten from 1 on in steps of 10; and one list. */
static const double range_bounds[] = {0.1, 0.2683, 0.7197, 1.931, 5.179, 13.9, 37.28, 100};
static const double linear_bounds[] = {1, 11, 21, 31, 41, 51, 61, 71, 81, 91};
static const double abci_bounds[] = {.0001, .0004, .002, .009, .02, .1, .65, 2, 6, 25};

/* What is read when somebody asks. */
enum family {
    BLOCK_SYNCING,
    STATE_SYNCING,
    STORED_HEIGHT,
    PEERS,
    RECEIVED,
    SENT,
    PENDING,
    POOL_SIZE,
    POOL_BYTES,
    POOL_FAILED,
    POOL_REJECTED,
    POOL_EVICTED,
    POOL_DUPLICATES,
    FAMILIES
};
static const struct {
    const char *name, *kind, *help;
} families[FAMILIES] = {
    [BLOCK_SYNCING] = {"blocksync_syncing", "gauge", "1 while blocks are synced."},
    [STATE_SYNCING] = {"statesync_syncing", "gauge", "1 while a state is synced."},
    [STORED_HEIGHT] = {"blocksync_latest_block_height", "gauge", "Height of the last block."},
    [PEERS] = {"p2p_peers", "gauge", "Peers."},
    [RECEIVED] = {"p2p_peer_receive_bytes_total", "counter", "Bytes from a peer."},
    [SENT] = {"p2p_peer_send_bytes_total", "counter", "Bytes to a peer."},
    [PENDING] = {"p2p_peer_pending_send_bytes", "gauge", "Bytes that wait for a peer."},
    [POOL_SIZE] = {"mempool_size", "gauge", "Transactions that wait."},
    [POOL_BYTES] = {"mempool_size_bytes", "gauge", "Bytes of those."},
    [POOL_FAILED] = {"mempool_failed_txs", "counter", "Transactions the application refused."},
    [POOL_REJECTED] = {"mempool_rejected_txs", "counter", "Transactions there was no room for."},
    [POOL_EVICTED] = {"mempool_evicted_txs", "counter",
                      "Transactions that made room or waited too long."},
    [POOL_DUPLICATES] = {"mempool_duplicate_txs", "counter", "Transactions that were known."},
};

struct sn_chain_metrics {
    struct sn_chain_metrics_opts o;
    char names[FAMILIES][NAME_MAX_];
    const char *ns;
    struct sn_metrics *registry;
    struct sn_labels chain;
    struct sn_http_server *http;
    struct sn_listener *listener;
    bool served;

    /* Written by one fiber. */
    struct sn_cons_valset *before; /* who signed the last commit of the next block */
    int64_t step_at, round_at, last_block_ns, last_signed;
    uint8_t step;
    char address[2 * SN_CONS_ADDR_LEN + 1];
    uint8_t addr[SN_CONS_ADDR_LEN];
    bool validates;

    struct sn_gauge *height, *rounds, *validators, *validators_power, *missing, *missing_power,
        *byzantine, *byzantine_power, *num_txs, *block_size, *total_txs, *latest, *power, *missed,
        *signed_at;
    struct sn_counter *chain_size, *proposals_made, *proposals_received, *param_updates,
        *validator_updates;
    struct sn_histogram *interval, *round_duration, *steps[STEPS], *processing;
    struct sn_histogram *abci[SN_ABCI_METHOD_COUNT];
};

/* ---- making ---- */

static const char *name_of(struct sn_chain_metrics *m, const char *name, char out[NAME_MAX_])
{
    snprintf(out, NAME_MAX_, "%s_%s", m->ns, name);
    return out;
}
static struct sn_labels with(const struct sn_chain_metrics *m, const char *name,
                             struct sn_str value)
{
    struct sn_labels l = m->chain;
    l.l[l.n].name = sn_str(name);
    l.l[l.n++].value = value;
    return l;
}
static struct sn_gauge *gauge(struct sn_chain_metrics *m, const char *name, const char *help)
{
    char text[NAME_MAX_];
    return sn_gauge_new(m->registry, name_of(m, name, text), help, &m->chain);
}
static struct sn_gauge *own_gauge(struct sn_chain_metrics *m, const char *name, const char *help)
{
    char text[NAME_MAX_];
    struct sn_labels l = with(m, "validator_address", sn_str(m->address));
    return sn_gauge_new(m->registry, name_of(m, name, text), help, &l);
}
static struct sn_counter *counter(struct sn_chain_metrics *m, const char *name, const char *help,
                                  const struct sn_labels *l)
{
    char text[NAME_MAX_];
    return sn_counter_new(m->registry, name_of(m, name, text), help, l ? l : &m->chain);
}
static struct sn_histogram *histogram(struct sn_chain_metrics *m, const char *name,
                                      const char *help, const struct sn_labels *l,
                                      const double *bounds, unsigned n)
{
    char text[NAME_MAX_];
    return sn_histogram_new(m->registry, name_of(m, name, text), help, l ? l : &m->chain, bounds,
                            n);
}

static bool make_gauges(struct sn_chain_metrics *m)
{
    m->height = gauge(m, "consensus_height", "Height that is being agreed on.");
    m->rounds = gauge(m, "consensus_rounds", "Round of that height.");
    m->validators = gauge(m, "consensus_validators", "Validators.");
    m->validators_power = gauge(m, "consensus_validators_power", "Power of all validators.");
    m->missing = gauge(m, "consensus_missing_validators", "Validators that did not sign.");
    m->missing_power = gauge(m, "consensus_missing_validators_power", "Power of those.");
    m->byzantine =
        gauge(m, "consensus_byzantine_validators", "Validators accused in the last block.");
    m->byzantine_power = gauge(m, "consensus_byzantine_validators_power", "Power of those.");
    m->num_txs = gauge(m, "consensus_num_txs", "Transactions of the last block.");
    m->block_size = gauge(m, "consensus_block_size_bytes", "Bytes of the last block.");
    m->total_txs = gauge(m, "consensus_total_txs", "Transactions since the start.");
    m->latest = gauge(m, "consensus_latest_block_height", "Height of the last block.");
    if (m->validates) {
        m->power = own_gauge(m, "consensus_validator_power", "Power of this validator.");
        m->missed = own_gauge(m, "consensus_validator_missed_blocks",
                              "Blocks this validator did not sign.");
        m->signed_at = own_gauge(m, "consensus_validator_last_signed_height",
                                 "Last height this validator signed.");
    }
    return m->height && m->rounds && m->validators && m->validators_power && m->missing &&
           m->missing_power && m->byzantine && m->byzantine_power && m->num_txs && m->block_size &&
           m->total_txs && m->latest && (!m->validates || (m->power && m->missed && m->signed_at));
}

/* As CometBFT labels them: its mempool asks without waiting. */
static bool make_abci(struct sn_chain_metrics *m)
{
    for (int i = 0; i < SN_ABCI_METHOD_COUNT; i++) {
        struct sn_labels l =
            with(m, "method", sn_str(sn_abci_method_info((enum sn_abci_method)i)->name));
        l.l[l.n].name = SN_STR("type");
        l.l[l.n++].value = i == SN_ABCI_CHECK_TX ? SN_STR("async") : SN_STR("sync");
        m->abci[i] = histogram(m, "abci_connection_method_timing_seconds",
                               "Length of calls to the application.", &l, abci_bounds,
                               SN_COUNT_OF(abci_bounds));
        if (!m->abci[i]) return false;
    }
    return true;
}

static bool make_counters(struct sn_chain_metrics *m)
{
    struct sn_labels accepted = with(m, "status", SN_STR("accepted"));
    m->chain_size =
        counter(m, "consensus_chain_size_bytes", "Bytes of all blocks since the start.", NULL);
    m->proposals_made = counter(m, "consensus_proposal_create_count", "Proposals made here.", NULL);
    m->proposals_received = counter(m, "consensus_proposal_receive_count",
                                    "Whole proposals by what became of them.", &accepted);
    m->param_updates = counter(m, "state_consensus_param_updates",
                               "Blocks whose answer changed parameters.", NULL);
    m->validator_updates =
        counter(m, "state_validator_set_updates", "Blocks whose answer changed validators.", NULL);
    m->interval =
        histogram(m, "consensus_block_interval_seconds", "Time between two blocks.", NULL, NULL, 0);
    m->round_duration = histogram(m, "consensus_round_duration_seconds", "Length of rounds.", NULL,
                                  range_bounds, SN_COUNT_OF(range_bounds));
    m->processing = histogram(m, "state_block_processing_time", "Length of FinalizeBlock in ms.",
                              NULL, linear_bounds, SN_COUNT_OF(linear_bounds));
    bool ok = m->chain_size && m->proposals_made && m->proposals_received && m->param_updates &&
              m->validator_updates && m->interval && m->round_duration && m->processing;
    for (int i = 1; i < STEPS && ok; i++) {
        /* "RoundStepPropose" is step="Propose". */
        struct sn_str step =
            sn_str_from(sn_str(sn_cons_step_name((enum sn_cons_step)i)), strlen("RoundStep"));
        struct sn_labels l = with(m, "step", step);
        m->steps[i] = histogram(m, "consensus_step_duration_seconds", "Length of steps.", &l,
                                range_bounds, SN_COUNT_OF(range_bounds));
        ok = m->steps[i];
    }
    return ok && make_abci(m);
}

/* ---- what is read when asked ---- */

struct scrape {
    struct sn_chain_metrics *m;
    struct sn_metrics_writer *w;
    enum family what;
    size_t peers;
};
/* The writer looks at the last name again: names live as long as the node's numbers. */
static void put(struct scrape *s, enum family f, const struct sn_labels *l, double v)
{
    sn_metrics_write(s->w, s->m->names[f], families[f].kind, families[f].help, l ? l : &s->m->chain,
                     v);
}

/* One family after the other: their samples must stand together. */
static void put_peer(void *arg, struct sn_switch_peer *p)
{
    struct scrape *s = arg;
    struct sn_mconn_stats st;
    struct sn_labels l = with(s->m, "peer_id", sn_str(sn_switch_peer_id(p)));
    sn_switch_peer_stats(p, &st);
    if (s->what == PEERS)
        s->peers++;
    else
        put(s, s->what, &l,
            (double)(s->what == RECEIVED ? st.bytes_received
                     : s->what == SENT   ? st.bytes_sent
                                         : st.queued_bytes));
}

static void put_mempool(struct scrape *s, struct sn_txs *txs)
{
    struct sn_mempool_stats st;
    sn_mempool_stats(sn_txs_pool(txs), &st);
    put(s, POOL_SIZE, NULL, (double)st.txs);
    put(s, POOL_BYTES, NULL, (double)st.bytes);
    put(s, POOL_FAILED, NULL, (double)(st.refused + st.failed_recheck));
    put(s, POOL_REJECTED, NULL, (double)st.full);
    put(s, POOL_EVICTED, NULL, (double)(st.displaced + st.expired));
    put(s, POOL_DUPLICATES, NULL, (double)st.duplicates);
}

static void collect(struct sn_metrics_writer *w, void *arg)
{
    struct sn_chain_metrics *m = arg;
    const struct sn_node_view *v = m->o.view;
    struct scrape s = {.m = m, .w = w};
    put(&s, BLOCK_SYNCING, NULL, v->block_syncing);
    put(&s, STATE_SYNCING, NULL, v->state_syncing);
    if (v->blocks) put(&s, STORED_HEIGHT, NULL, (double)sn_cons_block_store_height(v->blocks));
    for (s.what = PEERS; v->sw && s.what <= PENDING; s.what++) {
        sn_switch_each(v->sw, put_peer, &s);
        if (s.what == PEERS) put(&s, PEERS, NULL, (double)s.peers);
    }
    if (v->txs) put_mempool(&s, v->txs);
}

/* ---- what the node tells ---- */

static bool signed_by(const struct sn_cons_commit *c, uint32_t i)
{
    return i < c->n && c->sigs[i].flag != SN_CONS_ABSENT;
}

/* The last commit against those who should have signed it. */
static void tell_commit(struct sn_chain_metrics *m, const struct sn_cons_block *b)
{
    const struct sn_cons_valset *vals = m->before;
    int64_t missing = 0, power = 0;
    if (!vals || b->last_commit->n != vals->n) return;
    for (uint32_t i = 0; i < vals->n; i++) {
        bool here = signed_by(b->last_commit, i);
        if (!here) missing++, power += vals->vals[i].power;
        if (!m->validates || memcmp(vals->vals[i].addr, m->addr, sizeof(m->addr)) != 0) continue;
        if (here)
            sn_gauge_set(m->signed_at, (double)b->last_commit->height);
        else
            sn_gauge_add(m->missed, 1);
    }
    sn_gauge_set(m->missing, (double)missing);
    sn_gauge_set(m->missing_power, (double)power);
}

static void tell_validators(struct sn_chain_metrics *m, const struct sn_cons_state *s)
{
    int32_t own = m->validates ? sn_cons_valset_find(s->vals, m->addr) : -1;
    sn_gauge_set(m->validators, s->vals->n);
    sn_gauge_set(m->validators_power, (double)s->vals->total);
    if (m->validates) sn_gauge_set(m->power, own < 0 ? 0 : (double)s->vals->vals[own].power);
}

static void tell_evidence(struct sn_chain_metrics *m, const struct sn_cons_block *b)
{
    int64_t n = 0, power = 0;
    for (uint32_t i = 0; i < b->n_evidence; i++) {
        const struct sn_cons_evidence *ev = b->evidence[i];
        if (ev->kind == SN_CONS_DUPLICATE_VOTE) n++, power += ev->validator_power;
        for (uint32_t k = 0; k < ev->n_byzantine; k++) n++, power += ev->byzantine[k].power;
    }
    sn_gauge_set(m->byzantine, (double)n);
    sn_gauge_set(m->byzantine_power, (double)power);
}

void sn_chain_metrics_block(struct sn_chain_metrics *m, const struct sn_exec_block *b)
{
    if (!m) return;
    const struct sn_cons_block *block = b->block;
    int64_t at = sn_cons_time_ns(block->header.time);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < block->n_txs; i++) bytes += block->txs[i].len;
    tell_commit(m, block);
    tell_validators(m, b->state);
    tell_evidence(m, block);
    if (m->last_block_ns) sn_histogram_observe_ns(m->interval, at - m->last_block_ns);
    m->last_block_ns = at;
    sn_gauge_set(m->num_txs, block->n_txs);
    sn_gauge_add(m->total_txs, block->n_txs);
    /* Whole parts but for the last: what the block takes on the wire within a part. */
    uint64_t whole = SN_MAX((uint64_t)(b->id->parts.total - 1) * SN_CONS_PART_BYTES, bytes);
    sn_gauge_set(m->block_size, (double)whole);
    sn_counter_add(m->chain_size, whole);
    sn_gauge_set(m->latest, (double)block->header.height);
    if (b->res->consensus_param_updates) sn_counter_add(m->param_updates, 1);
    if (b->res->validator_updates.len) sn_counter_add(m->validator_updates, 1);
    sn_cons_valset_unref(m->before);
    m->before = sn_cons_valset_ref(b->state->last_vals);
}

void sn_chain_metrics_event(struct sn_chain_metrics *m, const struct sn_cons_action *a,
                            const struct sn_cons_round_state *rs)
{
    if (!m) return;
    int64_t now = sn_now();
    if (a->kind == SN_CONS_ACT_NEW_STEP && a->step < STEPS) {
        if (m->step && m->step_at) sn_histogram_observe_ns(m->steps[m->step], now - m->step_at);
        m->step = a->step;
        m->step_at = now;
        sn_gauge_set(m->height, (double)a->height);
        sn_gauge_set(m->rounds, a->round);
        return;
    }
    if (a->kind != SN_CONS_ACT_NOTE) return;
    if (a->note == SN_CONS_NOTE_NEW_ROUND) {
        if (m->round_at) sn_histogram_observe_ns(m->round_duration, now - m->round_at);
        m->round_at = now;
    } else if (a->note == SN_CONS_NOTE_COMPLETE_PROPOSAL) {
        const struct sn_cons_validator *p = rs->vals ? sn_cons_valset_proposer(rs->vals) : NULL;
        bool ours = m->validates && p && memcmp(p->addr, m->addr, sizeof(m->addr)) == 0;
        sn_counter_add(ours ? m->proposals_made : m->proposals_received, 1);
    }
}

void sn_chain_metrics_processed(struct sn_chain_metrics *m, int64_t ns)
{
    if (m) sn_histogram_observe(m->processing, (double)ns / (double)SN_MS);
}

void sn_chain_metrics_abci(void *metrics, enum sn_abci_method method, int64_t ns)
{
    struct sn_chain_metrics *m = metrics;
    if (m && m->abci[method]) sn_histogram_observe_ns(m->abci[method], ns);
}

/* ---- serving ---- */

int sn_chain_metrics_text(struct sn_chain_metrics *m, struct sn_buf *out)
{
    struct sn_str type;
    int r = sn_metrics_text(m->registry, (struct sn_str){0}, out, &type);
    return r < 0 ? r : sn_metrics_text(NULL, (struct sn_str){0}, out, &type);
}

static int handle(struct sn_http_x *x, void *arg)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    if (!sn_str_eqc(x->req.path, "/metrics") && !sn_str_eqc(x->req.path, "/"))
        return sn_http_reply(x, 404, SN_STR("text/plain; charset=utf-8"),
                             SN_STR("404 page not found\n"));
    int r = sn_chain_metrics_text(arg, &b);
    return r < 0 ? r
                 : sn_http_reply(x, 200, SN_STR("text/plain; version=0.0.4; charset=utf-8"),
                                 sn_buf_view(&b));
}

static void own_key(struct sn_chain_metrics *m)
{
    const struct sn_cons_key *k = m->o.view->validator_key;
    m->validates = k && sn_cons_key_addr(k, m->addr) == 0;
    if (m->validates) sn_hex_encode_upper(m->addr, sizeof(m->addr), m->address);
}

int sn_chain_metrics_new(const struct sn_chain_metrics_opts *o, struct sn_chain_metrics **ret)
{
    struct sn_chain_metrics *m = SN_NEW(struct sn_chain_metrics);
    if (!m) return SN_E_NOMEM;
    m->o = *o;
    m->ns = o->name_space && o->name_space[0] ? o->name_space : "cometbft";
    m->chain.n = 1;
    m->chain.l[0].name = SN_STR("chain_id");
    m->chain.l[0].value = o->view->genesis ? o->view->genesis->chain_id : SN_STR("");
    own_key(m);
    for (int f = 0; f < FAMILIES; f++) (void)name_of(m, families[f].name, m->names[f]);
    m->registry = sn_metrics_new();
    int r = m->registry && make_gauges(m) && make_counters(m) ? 0 : SN_E_NOMEM;
    if (r == 0) r = sn_metrics_collect(m->registry, collect, m);
    const struct sn_http_server_opts h = {.handler = handle,
                                          .arg = m,
                                          .conns_max = o->connections_max ? o->connections_max
                                                                          : CONNECTIONS};
    if (r == 0 && o->listen) r = sn_http_server_new(&h, &m->http);
    if (r == 0 && o->listen) r = sn_listen(o->listen, NULL, &m->listener);
    if (r < 0) {
        sn_chain_metrics_free(m);
        return sn_wrap(r, "metrics");
    }
    *ret = m;
    return 0;
}

int sn_chain_metrics_addr(const struct sn_chain_metrics *m, char *out, size_t cap)
{
    if (!m->listener) return SN_E_NOT_FOUND;
    int r = sn_listener_addr(m->listener, out, cap);
    return r < 0 ? r : 0;
}

static int drain(void *arg)
{
    sn_http_server_drain(((struct sn_chain_metrics *)arg)->http, DRAIN_NS);
    return 0;
}

int sn_chain_metrics_run(struct sn_chain_metrics *m)
{
    struct sn_event never = {0};
    if (!m->listener) return sn_event_wait(&never);
    m->served = true;
    int r = sn_http_serve(m->http, m->listener);
    sn_listener_close(m->listener);
    (void)!sn_shield(2 * DRAIN_NS, drain, m);
    return r < 0 ? r : SN_E_CANCELLED;
}

void sn_chain_metrics_free(struct sn_chain_metrics *m)
{
    if (!m) return;
    if (m->listener && !m->served) sn_listener_close(m->listener);
    sn_http_server_free(m->http);
    sn_metrics_free(m->registry);
    sn_cons_valset_unref(m->before);
    sn_free(m);
}
