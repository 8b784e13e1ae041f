/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/engine.c - the engine's fiber: start and replay, the loop, and ways in. */
#include "consensus/node/engine_int.h"
#include "consensus/hash.h"
#include "core/alloc.h"
#include "kit/log.h"

SN_LOG_MODULE("consensus");

int64_t sn_engine_now(void) { return sn_wall_now(); }

/* ---- making ---- */

static bool make_channels(struct sn_engine *e)
{
    e->inbox = sn_chan_new(sizeof(struct sn_engine_item *), SN_ENGINE_INBOX_MAX);
    e->answers = sn_chan_new(sizeof(struct sn_engine_job *), 64);
    /* The core has one question of each ordered kind at most; stale ones may wait behind. */
    e->ordered = sn_chan_new(sizeof(struct sn_engine_job *), 64);
    e->wake = sn_chan_new(0, 1);
    return e->inbox && e->answers && e->ordered && e->wake;
}

int sn_engine_new(const struct sn_engine_opts *o, struct sn_engine **ret)
{
    size_t torn = 0;
    struct sn_engine *e = SN_NEW(struct sn_engine);
    if (!e) return SN_E_NOMEM;
    e->o = *o;
    sn_list_init(&e->jobs);
    sn_exec_run_init(&e->run);
    sn_sem_init(&e->room, SN_ENGINE_INBOX_BYTES_MAX);
    int r = make_channels(e) ? 0 : SN_E_NOMEM;
    if (r >= 0) r = sn_checked_new(o->verifier, 0, &e->checked);
    if (r >= 0 && o->signer) r = sn_cons_key_addr(&o->signer->key, e->addr);
    if (r >= 0) r = sn_cons_wal_open(o->wal_path, &o->wal, &torn, &e->wal);
    if (r < 0) {
        sn_engine_free(e);
        return r;
    }
    if (torn)
        SN_LOG_WARN("the log's end was torn by a crash", SN_L("path", o->wal_path),
                    SN_L("bytes", torn));
    *ret = e;
    return 0;
}

static void item_free(struct sn_engine *e, struct sn_engine_item *it)
{
    sn_sem_release(&e->room, it->bytes);
    sn_arena_done(&it->arena);
    sn_free(it);
}

void sn_engine_free(struct sn_engine *e)
{
    struct sn_engine_item *it;
    if (!e) return;
    while (e->inbox && sn_chan_try_recv(e->inbox, &it) >= 0) item_free(e, it);
    sn_chan_free(e->inbox);
    sn_chan_free(e->answers);
    sn_chan_free(e->ordered);
    sn_chan_free(e->wake);
    sn_cons_wal_close(e->wal);
    sn_checked_free(e->checked);
    sn_cons_state_unref(e->last);
    sn_exec_run_done(&e->run);
    sn_vec_done(&e->own);
    sn_free(e);
}

void sn_engine_on_news(struct sn_engine *e,
                       void (*fn)(void *arg, const struct sn_cons_action *a,
                                  const struct sn_cons_msg *own),
                       void *arg)
{
    e->o.on_news = fn;
    e->o.arg = arg;
}
void sn_engine_on_event(struct sn_engine *e,
                        void (*fn)(void *arg, const struct sn_cons_action *a,
                                   const struct sn_cons_round_state *rs),
                        void *arg)
{
    e->on_event = fn;
    e->event_arg = arg;
}
void sn_engine_on_fault(struct sn_engine *e,
                        void (*fn)(void *arg, const struct sn_cons_peer_id *peer, int error),
                        void *arg)
{
    e->on_fault = fn;
    e->fault_arg = arg;
}

/* ---- ways in and looks inside, from any fiber ---- */

static bool is_input(enum sn_cons_msg_kind k)
{
    return k == SN_CONS_MSG_PROPOSAL || k == SN_CONS_MSG_BLOCK_PART || k == SN_CONS_MSG_VOTE ||
           k == SN_CONS_MSG_VOTE_SET_MAJ23;
}

/* The key of the validator that a vote says it is of, where the core will ask for it. */
static bool key_of(struct sn_engine *e, const struct sn_cons_vote *v, struct sn_cons_key *ret,
                   struct sn_buf *chain_id)
{
    const struct sn_cons_valset *vals = NULL;
    const struct sn_cons_round_state *rs = sn_engine_lock(e);
    if (rs && v->height == rs->height) vals = rs->vals;
    if (rs && v->height + 1 == rs->height && rs->last_commit) vals = rs->last_commit->vals;
    bool found = vals && v->index >= 0 && (uint32_t)v->index < vals->n;
    if (found) {
        *ret = vals->vals[v->index].key;
        found = sn_buf_str(chain_id, sn_cons_state_chain(sn_cons_core_state(e->core))) == 0;
    }
    sn_engine_unlock(e);
    return found;
}
/* Checks a vote's signature in the fiber that brings it; the core then finds it checked. A wrong one
 * is left to the core's word. */
static void check_ahead(struct sn_engine *e, const struct sn_cons_vote *v)
{
    struct sn_cons_key key;
    uint8_t chain[SN_CONS_CHAIN_ID_MAX];
    struct sn_buf chain_id, bytes SN_CLEANUP(sn_buf_done);
    sn_buf_init_fixed(&chain_id, chain, sizeof(chain));
    sn_buf_init(&bytes, 0);
    if (!key_of(e, v, &key, &chain_id)) return;
    const struct sn_cons_verifier *w = sn_checked_verifier(e->checked);
    if (sn_cons_vote_sign_bytes(sn_buf_view(&chain_id), v, &bytes) == 0)
        (void)!sn_cons_verify(w, &key, sn_buf_view(&bytes), &v->sig);
    if (v->ext_sig.len == 0) return;
    sn_buf_reset(&bytes);
    if (sn_cons_extension_sign_bytes(sn_buf_view(&chain_id), v, &bytes) == 0)
        (void)!sn_cons_verify(w, &key, sn_buf_view(&bytes), &v->ext_sig);
}

int sn_engine_submit(struct sn_engine *e, const struct sn_cons_peer_id *peer, struct sn_str encoded)
{
    if (!e->running) return 0;
    struct sn_engine_item *it = SN_NEW(struct sn_engine_item);
    if (!it) return SN_E_NOMEM;
    it->peer = *peer;
    sn_arena_init(&it->arena, NULL, SN_ENGINE_ITEM_MAX);
    struct sn_str own = sn_arena_str(&it->arena, encoded);
    int r = own.ptr ? sn_cons_msg_decode(own, &it->arena, &it->msg) : SN_E_NOMEM;
    bool wanted = r >= 0 && is_input(it->msg.kind);
    int64_t bytes = (int64_t)it->arena.used;
    if (wanted && it->msg.kind == SN_CONS_MSG_VOTE) check_ahead(e, it->msg.vote);
    if (wanted) r = sn_sem_acquire(&e->room, bytes);
    if (wanted && r >= 0) {
        it->bytes = bytes;
        r = sn_chan_send(e->inbox, &it);
        if (r >= 0) return 0;
    }
    item_free(e, it);
    return r;
}

void sn_engine_txs_available(void *engine)
{
    struct sn_engine *e = engine;
    e->txs_available = true;
    (void)!sn_chan_try_send(e->wake, NULL); /* full: it will look anyway */
}

bool sn_engine_running(const struct sn_engine *e) { return e->running; }

const struct sn_cons_round_state *sn_engine_lock(struct sn_engine *e)
{
    sn_mutex_lock_always(&e->lock);
    return e->running ? sn_cons_core_round(e->core) : NULL;
}
struct sn_cons_state *sn_engine_state(struct sn_engine *e)
{
    return e->running ? sn_cons_core_state(e->core) : e->last;
}
void sn_engine_unlock(struct sn_engine *e) { sn_mutex_unlock(&e->lock); }

void sn_engine_stats(const struct sn_engine *e, struct sn_engine_stats *ret)
{
    struct sn_checked_stats c;
    sn_checked_stats(e->checked, &c);
    *ret = (struct sn_engine_stats){.heights = e->n_heights,
                                    .log_syncs = e->n_log_syncs,
                                    .signatures = e->n_signatures,
                                    .messages = e->n_messages,
                                    .faults = e->n_faults,
                                    .stores = e->n_stores,
                                    .waiting = sn_chan_len(e->inbox),
                                    .signatures_known = c.known,
                                    .signatures_checked = c.checked};
}

/* ---- inputs ---- */

int sn_engine_input(struct sn_engine *e, const struct sn_cons_input *in)
{
    sn_mutex_lock_always(&e->lock);
    int r = sn_cons_core_input(e->core, in, sn_engine_now());
    sn_mutex_unlock(&e->lock);
    return r;
}

static bool is_news(enum sn_cons_action_kind k)
{
    return k == SN_CONS_ACT_NEW_STEP || k == SN_CONS_ACT_HAS_VOTE || k == SN_CONS_ACT_VALID_BLOCK;
}
static void tell(struct sn_engine *e, const struct sn_cons_action *a)
{
    if (e->o.on_news && is_news(a->kind)) e->o.on_news(e->o.arg, a, NULL);
    if (e->on_event && (is_news(a->kind) || a->kind == SN_CONS_ACT_NOTE))
        e->on_event(e->event_arg, a, sn_cons_core_round(e->core));
}

static bool take(struct sn_engine *e, struct sn_cons_action *a)
{
    sn_mutex_lock_always(&e->lock);
    bool have = sn_cons_core_action(e->core, a);
    if (have && !e->replaying) tell(e, a);
    sn_mutex_unlock(&e->lock);
    return have;
}

/* Our own message goes to the others and into the core. */
static int put_own_msg(struct sn_engine *e, const struct sn_cons_msg *m)
{
    sn_mutex_lock_always(&e->lock);
    if (e->o.on_news) e->o.on_news(e->o.arg, NULL, m);
    int r = sn_cons_core_input(
        e->core, &(struct sn_cons_input){.kind = SN_CONS_IN_MSG, .msg = m}, sn_engine_now());
    sn_mutex_unlock(&e->lock);
    if (r < 0 && !sn_engine_fatal(r)) {
        /* A vote that comes when its block is being executed already is no news. */
        if (r != SN_E_BUSY)
            SN_LOG_WARN("own message not taken", SN_L("kind", (int)m->kind), SN_L_ERR(r));
        r = 0;
    }
    return r;
}
static int put_own(struct sn_engine *e, const struct sn_engine_own *own)
{
    if (own->vote)
        return put_own_msg(e, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = own->vote});
    int r = put_own_msg(
        e, &(struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL, .proposal = own->proposal});
    for (uint32_t i = 0; r >= 0 && i < own->parts->header.total; i++) {
        struct sn_cons_msg m = {.kind = SN_CONS_MSG_BLOCK_PART,
                                .height = own->proposal.height,
                                .round = own->proposal.round,
                                .part = *own->parts->parts[i]};
        r = put_own_msg(e, &m);
    }
    return r;
}

/* Does what there is to do until the core waits for something. */
static int settle(struct sn_engine *e)
{
    for (;;) {
        struct sn_cons_action a;
        int r = 0;
        while (r >= 0 && take(e, &a)) {
            r = sn_engine_act(e, &a);
            sn_cons_action_done(&a);
        }
        if (r < 0 || e->own_done == e->own.len) return r;
        struct sn_engine_own own = e->own.ptr[e->own_done++];
        if (e->own_done == e->own.len) e->own_done = e->own.len = 0;
        r = put_own(e, &own);
        sn_engine_own_done(&own);
        if (r < 0) return r;
    }
}

/* Votes for heights the core ignores need not be in the log. */
static bool concerns(const struct sn_engine *e, const struct sn_cons_msg *m)
{
    int64_t height = m->height, ours = sn_cons_core_round(e->core)->height;
    if (m->kind == SN_CONS_MSG_VOTE) height = m->vote->height;
    if (m->kind == SN_CONS_MSG_PROPOSAL) height = m->proposal.height;
    return height == ours || (m->kind == SN_CONS_MSG_VOTE && height + 1 == ours);
}

/* What the core has already: it need not be asked, nor the log grow. */
static bool is_known(const struct sn_engine *e, const struct sn_cons_msg *m)
{
    const struct sn_cons_round_state *rs = sn_cons_core_round(e->core);
    if (m->kind == SN_CONS_MSG_PROPOSAL)
        return rs->has_proposal && m->proposal.round == rs->proposal.round;
    if (m->kind == SN_CONS_MSG_BLOCK_PART)
        return rs->parts && m->part.index < rs->parts->header.total &&
               rs->parts->parts[m->part.index];
    if (m->kind != SN_CONS_MSG_VOTE) return false;
    const struct sn_cons_vote *v = m->vote, *have;
    const struct sn_cons_vote_set *set =
        v->height == rs->height ? sn_cons_height_votes_get(&rs->votes, v->round, v->type)
                                : rs->last_commit;
    if (!set || set->round != v->round || v->index < 0 || (uint32_t)v->index >= set->vals->n)
        return false;
    have = set->votes[v->index];
    return have && have->sig.len == v->sig.len && memcmp(have->sig.b, v->sig.b, v->sig.len) == 0 &&
           sn_cons_block_id_eq(&have->block_id, &v->block_id);
}

static int on_item(struct sn_engine *e, const struct sn_engine_item *it)
{
    e->n_messages++;
    if (!concerns(e, &it->msg) || is_known(e, &it->msg)) return 0;
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_MSG, .peer = it->peer, .msg = it->msg};
    int r = sn_engine_log(e, &rec);
    if (r < 0) return r;
    r = sn_engine_input(e, &(struct sn_cons_input){
                               .kind = SN_CONS_IN_MSG, .peer = &it->peer, .msg = &it->msg});
    if (r >= 0 || sn_engine_fatal(r)) return r;
    SN_LOG_DEBUG("message refused", SN_L("kind", (int)it->msg.kind),
                 SN_L("peer", sn_str_of(it->peer.b, it->peer.len)), SN_L_ERR(r));
    if (r == SN_E_RESOURCE_EXHAUSTED) return 0; /* a limit of ours, nobody's fault */
    e->n_faults++;
    if (e->on_fault) e->on_fault(e->fault_arg, &it->peer, r);
    return 0;
}

static int on_timer(struct sn_engine *e)
{
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_TIMEOUT, .timeout = e->timer};
    e->timer_at = SN_FOREVER;
    int r = sn_engine_log(e, &rec);
    if (r < 0) return r;
    r = sn_engine_input(
        e, &(struct sn_cons_input){.kind = SN_CONS_IN_TIMEOUT, .timeout = rec.timeout});
    return sn_engine_fatal(r) ? r : 0;
}

static int on_txs(struct sn_engine *e)
{
    e->txs_available = false;
    int r = sn_engine_input(e, &(struct sn_cons_input){.kind = SN_CONS_IN_TXS_AVAILABLE});
    return sn_engine_fatal(r) ? r : 0;
}

/* Waits for the next thing and puts it in. Messages, timers and the mempool's news stay outside
 * while a block is executed. */
static int next(struct sn_engine *e)
{
    bool ready = sn_cons_core_ready(e->core);
    if (ready && sn_now() >= e->timer_at) return on_timer(e);
    if (ready && e->txs_available) return on_txs(e);
    struct sn_engine_job *j;
    struct sn_engine_item *it;
    struct sn_select_case cases[] = {{.chan = e->answers, .op = SN_SELECT_RECV, .elem = &j},
                                     {.chan = e->wake, .op = SN_SELECT_RECV},
                                     {.chan = ready ? e->inbox : NULL,
                                      .op = SN_SELECT_RECV,
                                      .elem = &it}};
    int r = sn_select(cases, SN_COUNT_OF(cases), ready ? e->timer_at : SN_FOREVER);
    if (r == 0) return sn_engine_answer(e, j);
    if (r == 2) {
        r = on_item(e, it);
        item_free(e, it);
        return r;
    }
    if (r == SN_E_DEADLINE_EXCEEDED && sn_now() < sn_deadline()) return 0;
    return r < 0 ? r : 0;
}

/* ---- start ---- */

static int seen_commit(struct sn_engine *e, const struct sn_cons_state *s, int64_t height,
                       struct sn_arena *a, struct sn_cons_commit *ret)
{
    if (sn_cons_params_extensions(&s->params, height))
        return sn_cons_block_store_extended(e->o.env.blocks, height, a, ret);
    return sn_cons_block_store_seen(e->o.env.blocks, height, a, ret);
}

static bool signed_by(const struct sn_cons_commit *c, const uint8_t addr[SN_CONS_ADDR_LEN])
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->sigs[i].flag == SN_CONS_COMMIT &&
            memcmp(c->sigs[i].addr, addr, SN_CONS_ADDR_LEN) == 0)
            return true;
    return false;
}

/* A signature of ours in the newest blocks: perhaps another process signs with this key. */
static int check_double_sign(struct sn_engine *e, const struct sn_cons_state *s)
{
    for (int64_t i = 0; e->o.signer && i < e->o.double_sign_check && s->last_height - i >= 1; i++) {
        struct sn_arena a SN_CLEANUP(sn_arena_done);
        sn_arena_init(&a, NULL, 0);
        struct sn_cons_commit c;
        int r = sn_cons_block_store_seen(e->o.env.blocks, s->last_height - i, &a, &c);
        if (r == SN_E_NOT_FOUND) return 0;
        if (r < 0) return r;
        if (signed_by(&c, e->addr))
            return sn_fail(SN_E_FAILED_PRECONDITION,
                           "block %lld has a signature of this node's key, and double_sign_check "
                           "looks at %lld blocks: does another node sign with it? Else wait for "
                           "more blocks, or turn the check off",
                           (long long)(s->last_height - i), (long long)e->o.double_sign_check);
    }
    return 0;
}

static int make_core(struct sn_engine *e, struct sn_cons_state *s)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_cons_commit c, *seen = NULL;
    struct sn_cons_block_meta meta;
    struct sn_cons_core_opts o = {.config = e->o.config,
                                  .verifier = sn_checked_verifier(e->checked),
                                  .has_key = e->o.signer != NULL};
    memcpy(o.addr, e->addr, sizeof(o.addr));
    if (e->o.env.evidence) {
        o.check_evidence = sn_evidence_keeper_check;
        o.arg = e->o.env.evidence;
    }
    if (s->last_height) {
        int r = seen_commit(e, s, s->last_height, &a, &c);
        if (r < 0) return r;
        seen = &c;
        if (sn_cons_block_store_meta(e->o.env.blocks, s->last_height, &meta) >= 0) {
            o.has_last_app_hash = true;
            o.last_app_hash = meta.header.app_hash;
        }
    }
    return sn_cons_core_new(&o, s, seen, sn_engine_now(), &e->core);
}

struct replay {
    struct sn_engine *e;
    SN_VEC(struct sn_cons_action) actions;
    uint64_t records;
    bool ended;
};
static int collect(struct replay *p)
{
    struct sn_cons_action a;
    while (take(p->e, &a))
        if (sn_vec_push(&p->actions, a) < 0) {
            sn_cons_action_done(&a);
            return SN_E_NOMEM;
        }
    return 0;
}
static int replay_record(void *arg, const struct sn_cons_wal_record *rec)
{
    struct replay *p = arg;
    struct sn_cons_input in = {.kind = SN_CONS_IN_MSG,
                               .msg = &rec->msg,
                               .peer = rec->peer.len ? &rec->peer : NULL,
                               .timeout = rec->timeout};
    /* What comes behind the end of this height was of a chain that was rolled back since. */
    p->ended |= rec->kind == SN_CONS_WAL_END_HEIGHT;
    if (p->ended) return 0;
    if (rec->kind == SN_CONS_WAL_TIMEOUT)
        in.kind = SN_CONS_IN_TIMEOUT;
    else if (rec->kind != SN_CONS_WAL_MSG)
        return 0;
    p->records++;
    int r = sn_engine_input(p->e, &in); /* refused then as now */
    return sn_engine_fatal(r) ? r : collect(p);
}

/* Of what is asked or signed once per round only the last is open: answers to earlier questions are
 * ignored by the core, and earlier places refused by the signer. A height may have had many rounds. */
static bool once_per_round(enum sn_cons_action_kind k)
{
    return k == SN_CONS_ACT_PREPARE || k == SN_CONS_ACT_PROCESS || k == SN_CONS_ACT_EXTEND ||
           k == SN_CONS_ACT_SIGN_VOTE || k == SN_CONS_ACT_SIGN_PROPOSAL;
}
static int do_collected(struct replay *p)
{
    size_t last[SN_CONS_ACT_NOTE + 1] = {0};
    int r = 0;
    for (size_t i = 0; i < p->actions.len; i++) last[p->actions.ptr[i].kind] = i;
    for (size_t i = 0; i < p->actions.len; i++) {
        struct sn_cons_action *a = &p->actions.ptr[i];
        bool open = !once_per_round(a->kind) || i == last[a->kind];
        if (r >= 0 && open) r = sn_engine_act(p->e, a);
        sn_cons_action_done(a);
    }
    sn_vec_done(&p->actions);
    return r;
}

/* Puts the records of the running height in again; what the core says to that is done when all are
 * in: the signer gives old signatures again, or refuses. */
static int replay(struct sn_engine *e, bool caught_up_by_sync)
{
    struct replay p = {.e = e};
    int64_t last = sn_cons_core_state(e->core)->last_height;
    e->replaying = true;
    int r = collect(&p);
    if (r >= 0) r = sn_cons_wal_replay(e->wal, last, replay_record, &p);
    if (r == SN_E_NOT_FOUND) {
        if (!caught_up_by_sync)
            SN_LOG_WARN("the log does not have this height's beginning", SN_L("height", last + 1));
        struct sn_cons_wal_record end = {.kind = SN_CONS_WAL_END_HEIGHT, .height = last};
        r = sn_engine_log(e, &end);
        if (r >= 0) r = sn_engine_sync(e);
    }
    int done = do_collected(&p);
    e->replaying = false;
    if (p.records) SN_LOG_INFO("replayed", SN_L("records", p.records), SN_L("height", last + 1));
    return r < 0 ? sn_wrap(r, "replay of height %lld", (long long)(last + 1)) : done;
}

static void begin(struct sn_engine *e)
{
    sn_mutex_lock_always(&e->lock);
    e->running = true;
    const struct sn_cons_round_state *rs = sn_cons_core_round(e->core);
    struct sn_cons_action a = {.kind = SN_CONS_ACT_NEW_STEP,
                               .height = rs->height,
                               .round = rs->round,
                               .step = rs->step};
    tell(e, &a);
    sn_mutex_unlock(&e->lock);
}

static int agree(struct sn_engine *e, struct sn_cons_state *state, bool caught_up_by_sync)
{
    int r = check_double_sign(e, state);
    if (r >= 0) r = make_core(e, state);
    if (r >= 0) r = sn_scope_go(e->scope, "application", sn_engine_ordered_run, e);
    if (r >= 0) r = replay(e, caught_up_by_sync);
    if (r >= 0) begin(e);
    while (r >= 0) {
        r = settle(e);
        if (r >= 0) r = next(e);
    }
    return r;
}

/* Nobody finds the core any more, and nobody waits for room. */
static void end(struct sn_engine *e)
{
    struct sn_cons_core *core = e->core;
    sn_mutex_lock_always(&e->lock);
    e->running = false;
    if (core) {
        sn_cons_state_unref(e->last);
        e->last = sn_cons_state_ref(sn_cons_core_state(core));
    }
    e->core = NULL;
    sn_mutex_unlock(&e->lock);
    sn_chan_close(e->inbox);
    sn_sem_release(&e->room, SN_ENGINE_INBOX_BYTES_MAX);
    while (!sn_list_empty(&e->jobs))
        sn_engine_job_free(SN_LIST_ENTRY(e->jobs.next, struct sn_engine_job, link));
    for (; e->own_done < e->own.len; e->own_done++) sn_engine_own_done(&e->own.ptr[e->own_done]);
    sn_cons_block_unref(e->block);
    e->block = NULL;
    sn_cons_core_free(core);
}

int sn_engine_run(struct sn_engine *e, struct sn_cons_state *state, bool caught_up_by_sync)
{
    struct sn_scope_storage mem;
    char why[SN_DIAG_BYTES];
    e->timer = (struct sn_cons_timeout){0};
    e->timer_at = SN_FOREVER;
    e->scope = sn_scope_begin(&mem);
    int r = agree(e, state, caught_up_by_sync);
    sn_diag_format(r, why, sizeof(why));
    sn_scope_cancel(e->scope);
    (void)!sn_scope_end(e->scope);
    end(e);
    if (r == SN_E_CANCELLED || r == SN_E_DEADLINE_EXCEEDED) return r;
    return sn_fail(r, "consensus: %s", why);
}
