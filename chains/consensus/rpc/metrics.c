/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/metrics.c - what the node tells as it goes, and serving. */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/genesis.h"
#include "consensus/rpc/metrics_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "fiber/sync.h"
#include "kit/http.h"

#define CONNECTIONS 3
#define DRAIN_NS (1 * SN_SEC)

/* Bounds of the histograms: eight from 0.1 to 100 s, each the same factor above the last, to the
 * digit (they are labels); ten from 1 on in steps of 10; a list; powers of three, in bytes. */
static const double range_bounds[] = {0.1,
                                      0.2682695795279726,
                                      0.7196856730011522,
                                      1.9306977288832508,
                                      5.1794746792312125,
                                      13.894954943731381,
                                      37.27593720314942,
                                      100.00000000000006};
static const double linear_bounds[] = {1, 11, 21, 31, 41, 51, 61, 71, 81, 91};
static const double size_bounds[] = {1, 3, 9, 27, 81, 243, 729};
static const double abci_bounds[] = {.0001, .0004, .002, .009, .02, .1, .65, 2, 6, 25};

/* ---- making ---- */

static const char *name_of(struct sn_chain_metrics *m, const char *name,
                           char out[SN_METRICS_NAME_MAX])
{
    snprintf(out, SN_METRICS_NAME_MAX, "%s_%s", m->ns, name);
    return out;
}
static struct sn_gauge *gauge(struct sn_chain_metrics *m, const char *name, const char *help)
{
    char text[SN_METRICS_NAME_MAX];
    return sn_gauge_new(m->registry, name_of(m, name, text), help, &m->chain);
}
static struct sn_gauge *gauge_with(struct sn_chain_metrics *m, const char *name, const char *help,
                                   const struct sn_labels *l)
{
    char text[SN_METRICS_NAME_MAX];
    return sn_gauge_new(m->registry, name_of(m, name, text), help, l);
}
static struct sn_gauge *own_gauge(struct sn_chain_metrics *m, const char *name, const char *help)
{
    struct sn_labels l = metrics_labels(m, "validator_address", sn_str(m->address));
    return gauge_with(m, name, help, &l);
}
static struct sn_counter *counter(struct sn_chain_metrics *m, const char *name, const char *help,
                                  const struct sn_labels *l)
{
    char text[SN_METRICS_NAME_MAX];
    return sn_counter_new(m->registry, name_of(m, name, text), help, l ? l : &m->chain);
}
static struct sn_histogram *histogram(struct sn_chain_metrics *m, const char *name,
                                      const char *help, const struct sn_labels *l,
                                      const double *bounds, unsigned n)
{
    char text[SN_METRICS_NAME_MAX];
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
    m->sync_txs = gauge(m, "blocksync_num_txs", "Transactions of the last block synced.");
    m->sync_total_txs = gauge(m, "blocksync_total_txs", "Transactions of blocks synced.");
    m->sync_block_size = gauge(m, "blocksync_block_size_bytes", "Bytes of the last block synced.");
    m->precommits =
        gauge(m, "consensus_precommits_counted", "Precommits when the wait for them ended.");
    m->precommits_power = gauge(m, "consensus_precommits_staking_percentage",
                                "Share of the power that those have, 0 to 1.");
    for (int i = 0; i < 2; i++) {
        struct sn_labels l =
            metrics_labels(m, "vote_type", i ? SN_STR("precommit") : SN_STR("prevote"));
        m->round_power[i] =
            gauge_with(m, "consensus_round_voting_power_percent",
                       "Share of the power that has voted in this round, 0 to 1.", &l);
        if (!m->round_power[i]) return false;
    }
    if (m->validates) {
        m->power = own_gauge(m, "consensus_validator_power", "Power of this validator.");
        m->missed = own_gauge(m, "consensus_validator_missed_blocks",
                              "Blocks this validator did not sign.");
        m->signed_at = own_gauge(m, "consensus_validator_last_signed_height",
                                 "Last height this validator signed.");
    }
    return m->height && m->rounds && m->validators && m->validators_power && m->missing &&
           m->missing_power && m->byzantine && m->byzantine_power && m->num_txs && m->block_size &&
           m->total_txs && m->latest && m->sync_txs && m->sync_total_txs && m->sync_block_size &&
           m->precommits && m->precommits_power &&
           (!m->validates || (m->power && m->missed && m->signed_at));
}

/* As CometBFT labels them: its mempool asks without waiting. */
static bool make_abci(struct sn_chain_metrics *m)
{
    for (int i = 0; i < SN_ABCI_METHOD_COUNT; i++) {
        struct sn_labels l =
            metrics_labels(m, "method", sn_str(sn_abci_method_info((enum sn_abci_method)i)->name));
        l.l[l.n].name = SN_STR("type");
        l.l[l.n++].value = i == SN_ABCI_CHECK_TX ? SN_STR("async") : SN_STR("sync");
        m->abci[i] = histogram(m, "abci_connection_method_timing_seconds",
                               "Length of calls to the application.", &l, abci_bounds,
                               SN_COUNT_OF(abci_bounds));
        if (!m->abci[i]) return false;
    }
    return true;
}

static bool make_verdicts(struct sn_chain_metrics *m)
{
    static const struct {
        const char *name, *help;
    } of[2] = {{"consensus_proposal_receive_count", "Whole proposals by what became of them."},
               {"consensus_vote_extension_receive_count",
                "Extensions of votes by what became of them."}};
    for (int what = 0; what < 2; what++)
        for (int ok = 0; ok < 2; ok++) {
            struct sn_labels l =
                metrics_labels(m, "status", ok ? SN_STR("accepted") : SN_STR("rejected"));
            m->verdicts[what][ok] = counter(m, of[what].name, of[what].help, &l);
            if (!m->verdicts[what][ok]) return false;
        }
    return true;
}

static bool make_counters(struct sn_chain_metrics *m)
{
    m->chain_size =
        counter(m, "consensus_chain_size_bytes", "Bytes of all blocks since the start.", NULL);
    m->proposals_made = counter(m, "consensus_proposal_create_count", "Proposals made here.", NULL);
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
    m->tx_sizes = histogram(m, "mempool_tx_size_bytes", "Bytes of the transactions that came in.",
                            NULL, size_bounds, SN_COUNT_OF(size_bounds));
    bool ok = m->chain_size && m->proposals_made && m->param_updates && m->validator_updates &&
              m->interval && m->round_duration && m->processing && m->tx_sizes && make_verdicts(m);
    for (int i = 1; i < SN_METRICS_STEPS && ok; i++) {
        /* "RoundStepPropose" is step="Propose". */
        struct sn_str step =
            sn_str_from(sn_str(sn_cons_step_name((enum sn_cons_step)i)), strlen("RoundStep"));
        struct sn_labels l = metrics_labels(m, "step", step);
        m->steps[i] = histogram(m, "consensus_step_duration_seconds", "Length of steps.", &l,
                                range_bounds, SN_COUNT_OF(range_bounds));
        ok = m->steps[i];
    }
    return ok && make_abci(m);
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

/* Who voted twice; attacks on light clients are not counted, as in CometBFT. */
static void tell_evidence(struct sn_chain_metrics *m, const struct sn_cons_block *b)
{
    int64_t n = 0, power = 0;
    for (uint32_t i = 0; i < b->n_evidence; i++) {
        const struct sn_cons_evidence *ev = b->evidence[i];
        if (ev->kind == SN_CONS_DUPLICATE_VOTE) n++, power += ev->validator_power;
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
    if (m->o.view->block_syncing) {
        sn_gauge_set(m->sync_txs, block->n_txs);
        sn_gauge_add(m->sync_total_txs, block->n_txs);
        sn_gauge_set(m->sync_block_size, (double)whole);
    }
    if (b->res->consensus_param_updates) sn_counter_add(m->param_updates, 1);
    if (b->res->validator_updates.len) sn_counter_add(m->validator_updates, 1);
    sn_cons_valset_unref(m->before);
    m->before = sn_cons_valset_ref(b->state->last_vals);
}

/* ---- votes ---- */

struct timed {
    int64_t after; /* the proposal's time, ns */
    int64_t power;
};
static int by_time(const void *a, const void *b)
{
    int64_t x = ((const struct timed *)a)->after, y = ((const struct timed *)b)->after;
    return (x > y) - (x < y);
}
static void delay(struct sn_chain_metrics *m, const char *name, const char *help,
                  const struct sn_cons_round_state *rs, int64_t ns)
{
    char text[2 * SN_CONS_ADDR_LEN + 1];
    const struct sn_cons_validator *p = sn_cons_valset_proposer(rs->vals);
    if (!p) return;
    text[sn_hex_encode_upper(p->addr, sizeof(p->addr), text)] = 0;
    struct sn_labels l = metrics_labels(m, "proposer_address", sn_str(text));
    struct sn_gauge *g = gauge_with(m, name, help, &l);
    if (g) sn_gauge_set(g, (double)ns * 1e-9);
}
/* How long after the proposal's time, by the votes' own times, two thirds had voted, and all had.
 */
static void tell_delays(struct sn_chain_metrics *m, const struct sn_cons_round_state *rs,
                        enum sn_cons_vote_type type)
{
    const struct sn_cons_vote_set *set = sn_cons_height_votes_get(&rs->votes, rs->round, type);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct timed *v =
        set && rs->has_proposal ? SN_ARENA_ARRAY(&a, struct timed, rs->vals->n) : NULL;
    uint32_t n = 0;
    if (!v) return; /* without memory the gauges stay where they are */
    for (uint32_t i = 0; i < rs->vals->n; i++)
        if (set->votes[i])
            v[n++] = (struct timed){sn_cons_time_sub(set->votes[i]->time, rs->proposal.time),
                                    rs->vals->vals[i].power};
    qsort(v, n, sizeof(*v), by_time);
    int64_t power = 0;
    for (uint32_t i = 0; i < n; i++) {
        power += v[i].power;
        if (power < rs->vals->total / 3 * 2 + rs->vals->total % 3 * 2 / 3 + 1) continue;
        delay(m,
              type == SN_CONS_PREVOTE ? "consensus_quorum_prevote_delay"
                                      : "consensus_quorum_precommit_delay",
              type == SN_CONS_PREVOTE
                  ? "From the proposal to two thirds of the prevotes, seconds."
                  : "From the proposal to two thirds of the precommits, seconds.",
              rs, v[i].after);
        break;
    }
    if (type == SN_CONS_PREVOTE && n == rs->vals->n && n)
        delay(m, "consensus_full_prevote_delay", "From the proposal to all prevotes, seconds.", rs,
              v[n - 1].after);
}
static void tell_vote(struct sn_chain_metrics *m, const struct sn_cons_vote *v,
                      const struct sn_cons_round_state *rs)
{
    if (v->height != rs->height || v->round != rs->round || !rs->vals || rs->vals->total <= 0 ||
        v->index < 0 || (uint32_t)v->index >= rs->vals->n)
        return;
    sn_gauge_add(m->round_power[v->type == SN_CONS_PRECOMMIT],
                 (double)rs->vals->vals[v->index].power / (double)rs->vals->total);
}
/* The wait for more precommits is over. */
static void tell_precommits(struct sn_chain_metrics *m, const struct sn_cons_round_state *rs)
{
    const struct sn_cons_vote_set *set =
        sn_cons_height_votes_get(&rs->votes, rs->round, SN_CONS_PRECOMMIT);
    uint32_t n = 0;
    for (uint32_t i = 0; set && i < rs->vals->n; i++) n += set->votes[i] != NULL;
    sn_gauge_set(m->precommits, n);
    sn_gauge_set(m->precommits_power,
                 set && rs->vals->total > 0 ? (double)set->sum / (double)rs->vals->total : 0);
}

/* ---- steps ---- */

static void tell_step(struct sn_chain_metrics *m, const struct sn_cons_action *a,
                      const struct sn_cons_round_state *rs)
{
    int64_t now = sn_now();
    if (m->step && m->step_at) sn_histogram_observe_ns(m->steps[m->step], now - m->step_at);
    m->step = a->step;
    m->step_at = now;
    sn_gauge_set(m->height, (double)a->height);
    sn_gauge_set(m->rounds, a->round);
    if (a->step != SN_CONS_STEP_COMMIT) return;
    tell_delays(m, rs, SN_CONS_PREVOTE);
    tell_delays(m, rs, SN_CONS_PRECOMMIT);
}
static void tell_note(struct sn_chain_metrics *m, const struct sn_cons_action *a,
                      const struct sn_cons_round_state *rs)
{
    int64_t now = sn_now();
    if (a->note == SN_CONS_NOTE_NEW_ROUND) {
        if (m->round_at) sn_histogram_observe_ns(m->round_duration, now - m->round_at);
        m->round_at = now;
        sn_gauge_set(m->round_power[0], 0);
        sn_gauge_set(m->round_power[1], 0);
    } else if (a->note == SN_CONS_NOTE_COMPLETE_PROPOSAL) {
        const struct sn_cons_validator *p = rs->vals ? sn_cons_valset_proposer(rs->vals) : NULL;
        if (m->validates && p && memcmp(p->addr, m->addr, sizeof(m->addr)) == 0)
            sn_counter_add(m->proposals_made, 1);
    } else if (a->note == SN_CONS_NOTE_TIMEOUT_WAIT && a->step != SN_CONS_STEP_PREVOTE_WAIT) {
        tell_precommits(m, rs);
    }
}
void sn_chain_metrics_event(struct sn_chain_metrics *m, const struct sn_cons_action *a,
                            const struct sn_cons_round_state *rs)
{
    if (!m) return;
    if (a->kind == SN_CONS_ACT_NEW_STEP && a->step < SN_METRICS_STEPS) tell_step(m, a, rs);
    if (a->kind == SN_CONS_ACT_NOTE) tell_note(m, a, rs);
    if (a->kind == SN_CONS_ACT_HAS_VOTE) tell_vote(m, a->vote, rs);
}
void sn_chain_metrics_verdict(struct sn_chain_metrics *m, bool extension, bool accepted)
{
    if (m) sn_counter_add(m->verdicts[extension][accepted], 1);
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

static void tx_added(void *metrics, size_t bytes)
{
    sn_histogram_observe(((struct sn_chain_metrics *)metrics)->tx_sizes, (double)bytes);
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
    metrics_names(m);
    m->registry = sn_metrics_new();
    int r = m->registry && make_gauges(m) && make_counters(m) ? 0 : SN_E_NOMEM;
    if (r == 0) r = sn_metrics_collect(m->registry, metrics_scrape, m);
    if (r == 0 && o->view->txs) sn_mempool_on_added(sn_txs_pool(o->view->txs), tx_added, m);
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
    if (m->o.view->txs) sn_mempool_on_added(sn_txs_pool(m->o.view->txs), NULL, NULL);
    sn_metrics_free(m->registry);
    sn_cons_valset_unref(m->before);
    sn_free(m);
}
