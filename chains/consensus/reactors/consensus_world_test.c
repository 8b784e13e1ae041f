/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/consensus_world_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "consensus/key.h"
#include "core/alloc.h"
#include "core/map.h"
#include "harness/test.h"

/* ---- signatures ---- */

static void keyed_hash(const struct sn_cons_key *key, struct sn_str msg, struct sn_cons_sig *ret)
{
    ret->len = 64;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t h = sn_hash(msg.ptr, msg.len, sn_hash(key->b, key->len, i));
        memcpy(ret->b + 8 * i, &h, 8);
    }
}
static int verify(const struct sn_cons_verifier *v, struct sn_cons_check *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sn_cons_sig s;
        keyed_hash(c[i].key, c[i].msg, &s);
        c[i].ok = c[i].sig->len == 64 && memcmp(s.b, c[i].sig->b, 64) == 0;
    }
    return 0;
}
static const struct sn_cons_verifier verifier = {verify};

/* ---- the engine ---- */

struct incoming {
    struct sn_cons_peer_id peer;
    struct sn_buf bytes;
};

static void own_message(struct sn_engine *e, const struct sn_cons_msg *m)
{
    struct sn_buf *b = sn_vec_add(&e->own);
    T_ASSERT(b);
    T_OK(sn_cons_msg_encode(m, b));
    if (e->on_news) e->on_news(e->news_arg, NULL, m);
}
static void sign_vote(struct sn_engine *e, const struct sn_cons_action *a)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_cons_vote v = *a->vote;
    struct sn_str chain = sn_cons_state_chain(sn_cons_core_state(e->core));
    sn_buf_init(&b, 0);
    T_OK(sn_cons_vote_sign_bytes(chain, &v, &b));
    keyed_hash(&e->n->val.key, sn_buf_view(&b), &v.sig);
    if (e->n->w->extensions_height && v.type == SN_CONS_PRECOMMIT &&
        !sn_cons_block_id_is_nil(&v.block_id) && v.height >= e->n->w->extensions_height) {
        sn_buf_reset(&b);
        T_OK(sn_cons_extension_sign_bytes(chain, &v, &b));
        keyed_hash(&e->n->val.key, sn_buf_view(&b), &v.ext_sig);
    }
    own_message(e, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v});
}
static void sign_proposal(struct sn_engine *e, const struct sn_cons_action *a)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_cons_proposal p = a->proposal;
    sn_buf_init(&b, 0);
    T_OK(sn_cons_proposal_sign_bytes(sn_cons_state_chain(sn_cons_core_state(e->core)), &p, &b));
    keyed_hash(&e->n->val.key, sn_buf_view(&b), &p.sig);
    own_message(e, &(struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL, .proposal = p});
    for (uint32_t i = 0; i < a->parts->header.total; i++)
        own_message(e, &(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART,
                                             .height = p.height,
                                             .round = p.round,
                                             .part = *a->parts->parts[i]});
}
static void put_in(struct sn_engine *e, const struct sn_cons_input *in)
{
    int r = sn_cons_core_input(e->core, in, sn_wall_now());
    T_ASSERTF(r != SN_E_NOMEM && r != SN_E_INTERNAL && r != SN_E_DATA_LOSS && r != SN_E_BUSY,
              "node %d: %s", e->n->id, sn_diag_str(r));
    if (r < 0 && in->peer) {
        e->faults++;
        if (e->on_fault) e->on_fault(e->fault_arg, in->peer, r);
    }
}
static void put_in_bytes(struct sn_engine *e, const struct sn_cons_peer_id *peer, struct sn_str s)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_msg m;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_msg_decode(s, &a, &m));
    put_in(e, &(struct sn_cons_input){.kind = SN_CONS_IN_MSG, .msg = &m, .peer = peer});
}
static void save(struct sn_engine *e, const struct sn_cons_action *a)
{
    struct sn_arena arena SN_CLEANUP(sn_arena_done);
    struct sn_cons_commit c;
    sn_arena_init(&arena, NULL, 0);
    T_OK(sn_cons_core_seen_commit(e->core, &arena, &c));
    bool extended = e->n->w->extensions_height && c.height >= e->n->w->extensions_height;
    T_OK(sn_cons_block_store_save(e->n->blocks, a->block, a->parts, &c, extended));
}
static void prepare(struct sn_engine *e, const struct sn_cons_action *a)
{
    size_t n = e->n->w->tx_bytes;
    char *tx = malloc(n + 1);
    for (size_t i = 0; i < n; i++) tx[i] = (char)(i * 7 + (size_t)a->height + (size_t)e->n->id);
    struct sn_str s = sn_str_of(tx, n);
    struct sn_cons_block_content c = {.txs = &s, .n_txs = n ? 1 : 0};
    put_in(e, &(struct sn_cons_input){.kind = SN_CONS_IN_PREPARED, .height = a->height,
                                      .round = a->round, .content = &c});
    free(tx);
}
static void answer(struct sn_engine *e, const struct sn_cons_action *a)
{
    struct sn_cons_tx_result results[1] = {{0}};
    struct sn_cons_block_result res = {.txs = results, .app_hash.len = 8};
    struct sn_cons_input in = {.height = a->height, .round = a->round, .ok = true, .vote = a->vote};
    switch (a->kind) {
    case SN_CONS_ACT_PREPARE: prepare(e, a); return;
    case SN_CONS_ACT_PROCESS: in.kind = SN_CONS_IN_PROCESSED; break;
    case SN_CONS_ACT_EXTEND:
        in.kind = SN_CONS_IN_EXTENDED;
        in.extension = SN_STR("extension");
        break;
    case SN_CONS_ACT_VERIFY_EXTENSION: in.kind = SN_CONS_IN_EXTENSION_VERIFIED; break;
    case SN_CONS_ACT_FINALIZE:
        in.kind = SN_CONS_IN_FINALIZED;
        in.result = &res;
        res.n_txs = a->block->n_txs;
        memcpy(res.app_hash.b, a->block->hash.b, 8);
        break;
    default: in.kind = SN_CONS_IN_COMMITTED; break;
    }
    put_in(e, &in);
}
static void schedule(struct sn_engine *e, const struct sn_cons_timeout *t)
{
    const struct sn_cons_timeout *o = &e->timer;
    if (t->height < o->height || (t->height == o->height && t->round < o->round) ||
        (t->height == o->height && t->round == o->round && o->step && t->step <= o->step))
        return;
    e->timer = *t;
    e->timer_at = sn_now() + t->duration_ns;
}
static void act(struct sn_engine *e, struct sn_cons_action *a)
{
    switch (a->kind) {
    case SN_CONS_ACT_SCHEDULE: schedule(e, &a->timeout); break;
    case SN_CONS_ACT_SIGN_PROPOSAL: sign_proposal(e, a); break;
    case SN_CONS_ACT_SIGN_VOTE: sign_vote(e, a); break;
    case SN_CONS_ACT_SAVE_BLOCK: save(e, a); break;
    case SN_CONS_ACT_NEW_STEP:
    case SN_CONS_ACT_HAS_VOTE:
    case SN_CONS_ACT_VALID_BLOCK: e->on_news(e->news_arg, a, NULL); break;
    case SN_CONS_ACT_PREPARE:
    case SN_CONS_ACT_PROCESS:
    case SN_CONS_ACT_EXTEND:
    case SN_CONS_ACT_VERIFY_EXTENSION:
    case SN_CONS_ACT_FINALIZE:
    case SN_CONS_ACT_COMMIT: answer(e, a); break;
    default: break;
    }
}
static void settle(struct sn_engine *e)
{
    struct sn_cons_action a;
    for (;;) {
        while (sn_cons_core_action(e->core, &a)) {
            act(e, &a);
            sn_cons_action_done(&a);
        }
        if (e->own.len == 0) return;
        struct sn_buf b = e->own.ptr[0];
        memmove(e->own.ptr, e->own.ptr + 1, --e->own.len * sizeof(b));
        put_in_bytes(e, NULL, sn_buf_view(&b));
        sn_buf_done(&b);
    }
}
static int engine_fiber(void *arg)
{
    struct sn_engine *e = arg;
    struct incoming *in;
    for (;;) {
        sn_mutex_lock_always(&e->lock);
        settle(e);
        sn_mutex_unlock(&e->lock);
        struct sn_select_case c = {e->inbox, SN_SELECT_RECV, &in, 0};
        int r = sn_select(&c, 1, e->timer_at ? e->timer_at : SN_FOREVER);
        if (r == SN_E_CANCELLED) return 0;
        sn_mutex_lock_always(&e->lock);
        if (r == SN_E_DEADLINE_EXCEEDED) {
            e->timer_at = 0;
            put_in(e, &(struct sn_cons_input){.kind = SN_CONS_IN_TIMEOUT, .timeout = e->timer});
        } else {
            put_in_bytes(e, &in->peer, sn_buf_view(&in->bytes));
            sn_buf_done(&in->bytes);
            sn_free(in);
        }
        sn_mutex_unlock(&e->lock);
    }
}

void sn_engine_on_news(struct sn_engine *e,
                       void (*fn)(void *arg, const struct sn_cons_action *a,
                                  const struct sn_cons_msg *own),
                       void *arg)
{
    e->on_news = fn;
    e->news_arg = arg;
}
void sn_engine_on_fault(struct sn_engine *e,
                        void (*fn)(void *arg, const struct sn_cons_peer_id *peer, int error),
                        void *arg)
{
    e->on_fault = fn;
    e->fault_arg = arg;
}
bool sn_engine_running(const struct sn_engine *e) { return e->running; }
int sn_engine_submit(struct sn_engine *e, const struct sn_cons_peer_id *peer, struct sn_str encoded)
{
    struct incoming *in = SN_NEW(struct incoming);
    T_ASSERT(in);
    in->peer = *peer;
    T_OK(sn_buf_str(&in->bytes, encoded));
    int r = sn_chan_send(e->inbox, &in);
    if (r < 0) {
        sn_buf_done(&in->bytes);
        sn_free(in);
    }
    return r;
}
const struct sn_cons_round_state *sn_engine_lock(struct sn_engine *e)
{
    sn_mutex_lock_always(&e->lock);
    return e->running ? sn_cons_core_round(e->core) : NULL;
}
struct sn_cons_state *sn_engine_state(struct sn_engine *e) { return sn_cons_core_state(e->core); }
void sn_engine_unlock(struct sn_engine *e) { sn_mutex_unlock(&e->lock); }

/* ---- the switch ---- */

struct packet {
    int64_t at;
    uint8_t channel;
    size_t n;
    uint8_t data[];
};
static int put_packet(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n,
                      bool wait)
{
    struct world *w = p->self->w;
    struct packet *k = malloc(sizeof(*k) + n);
    int64_t start = SN_MAX(sn_now(), p->line_free_at);
    if (w->bytes_per_s) start += (int64_t)n * SN_SEC / w->bytes_per_s;
    *k = (struct packet){.at = start + w->delay_ns, .channel = channel, .n = n};
    memcpy(k->data, data, n);
    int r = p->conn->closed ? SN_E_CLOSED
            : wait          ? sn_chan_send(p->out, &k)
                            : sn_chan_try_send(p->out, &k);
    if (r < 0) {
        free(k);
        return r == SN_E_AGAIN ? SN_E_BUSY : r;
    }
    p->line_free_at = start;
    w->messages++;
    w->bytes += n;
    return 0;
}
int sn_switch_peer_send(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n)
{
    return put_packet(p, channel, data, n, true);
}
int sn_switch_peer_send_soon(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n)
{
    return put_packet(p, channel, data, n, true);
}
int sn_switch_peer_try_send(struct sn_switch_peer *p, uint8_t channel, const void *data, size_t n)
{
    return put_packet(p, channel, data, n, false);
}
int sn_switch_add_reactor(struct sn_switch *sw, const struct sn_reactor *r)
{
    sw->reactor = r;
    return 0;
}
bool sn_switch_peer_has_channel(const struct sn_switch_peer *p, uint8_t channel) { return true; }
void sn_switch_peer_set_height(struct sn_switch_peer *p, int64_t height) {}
const char *sn_switch_peer_id(const struct sn_switch_peer *p) { return p->other->peer_id; }
void *sn_switch_peer_get(const struct sn_switch_peer *p, int slot) { return p->slot; }
void sn_switch_peer_set(struct sn_switch_peer *p, int slot, void *value) { p->slot = value; }
struct job {
    struct sn_switch_peer *p;
    int (*fn)(void *arg);
    void *arg;
};
static int job_fiber(void *arg)
{
    struct job j = *(struct job *)arg;
    sn_free(arg);
    int r = j.fn(j.arg);
    if (r >= 0 || r == SN_E_CANCELLED || r == SN_E_CLOSED) return 0;
    if (!j.p->why) j.p->why = r;
    world_cut(j.p->conn);
    return 0;
}
int sn_switch_peer_go(struct sn_switch_peer *p, const char *name, int (*fn)(void *arg), void *arg)
{
    struct job *j = SN_NEW(struct job);
    T_ASSERT(j);
    *j = (struct job){p, fn, arg};
    return sn_scope_go(p->scope, name, job_fiber, j);
}
void sn_switch_peer_stop(struct sn_switch_peer *p, int why, int64_t ban_ns)
{
    p->why = why;
    world_cut(p->conn);
}

void world_cut(struct world_conn *c)
{
    if (c->closed) return;
    c->closed = true;
    for (int i = 0; i < 2; i++) sn_chan_close(c->end[i].out);
}
static int end_fiber(void *arg)
{
    struct sn_switch_peer *p = arg;
    struct sn_switch_peer *peer = &p->conn->end[p == &p->conn->end[0]];
    const struct sn_reactor *r = p->self->sw.reactor;
    struct sn_scope_storage mem;
    struct packet *k;
    p->scope = sn_scope_begin(&mem);
    T_OK(r->add_peer(r->arg, p));
    int s = 0;
    while (s >= 0 && sn_chan_recv(peer->out, &k) >= 0) {
        if (!p->conn->closed && k->at > sn_now()) s = sn_sleep_until(k->at);
        if (s >= 0 && !p->conn->closed)
            s = r->receive(r->arg, p, k->channel, sn_str_of((char *)k->data, k->n));
        free(k);
    }
    if (s < 0 && !p->why) p->why = s;
    world_cut(p->conn);
    while (sn_chan_try_recv(peer->out, &k) >= 0) free(k);
    sn_scope_cancel(p->scope);
    (void)!sn_scope_end(p->scope);
    r->remove_peer(r->arg, p, p->why);
    p->conn->running--;
    return 0;
}
struct world_conn *world_connect(struct world *w, int a, int b)
{
    struct world_conn *c = SN_NEW(struct world_conn);
    T_ASSERT(c);
    for (int i = 0; i < 2; i++) {
        c->end[i] = (struct sn_switch_peer){.conn = c,
                                            .self = &w->nodes[i ? b : a],
                                            .other = &w->nodes[i ? a : b],
                                            .out = sn_chan_new(sizeof(struct packet *), 256)};
        c->running++;
    }
    for (int i = 0; i < 2; i++) T_OK(sn_scope_go(w->scope, "end", end_fiber, &c->end[i]));
    T_OK(sn_vec_push(&w->conns, c));
    return c;
}

/* ---- the world ---- */

void world_init(struct world *w, int n)
{
    w->n = n;
    if (!w->delay_ns) w->delay_ns = 2 * SN_MS;
    w->genesis = (struct sn_cons_genesis){.chain_id = SN_STR("sim"),
                                          .initial_height = 1,
                                          .time = sn_cons_time_of_ns(SN_SEC),
                                          .params = sn_cons_params_default(),
                                          .validators = w->validators};
    w->genesis.params.extensions_height = w->extensions_height;
    for (int i = 0; i < n; i++) {
        struct world_node *x = &w->nodes[i];
        x->w = w;
        x->id = i;
        snprintf(x->peer_id, sizeof(x->peer_id), "node%02d", i);
        x->val.power = 10;
        x->val.key = (struct sn_cons_key){.type = SN_CONS_ED25519, .len = 32};
        x->val.key.b[0] = (uint8_t)(i + 1);
        T_OK(sn_cons_key_addr(&x->val.key, x->val.addr));
        w->validators[w->genesis.n_validators++].v = x->val;
        x->sw.n = x->engine.n = x;
        x->engine.inbox = sn_chan_new(sizeof(struct incoming *), SN_ENGINE_INBOX_MAX);
        struct sn_kv *kv;
        T_OK(sn_kv_open_memory(&kv));
        T_OK(sn_cons_block_store_new(kv, &x->blocks));
        x->view = (struct sn_node_view){.genesis = &w->genesis,
                                        .blocks = x->blocks,
                                        .engine = &x->engine,
                                        .sw = &x->sw,
                                        .validator_key = &x->val.key};
        T_OK(sn_consensus_reactor_new(&x->view, &x->reactor));
    }
}
void world_start(struct world *w, int i)
{
    struct world_node *x = &w->nodes[i];
    struct sn_cons_state *s;
    struct sn_cons_core_opts o = {.config = sn_cons_config_default(), .verifier = &verifier,
                                  .has_key = true};
    memcpy(o.addr, x->val.addr, sizeof(o.addr));
    o.config.commit_ns = 100 * SN_MS;
    T_OK(sn_cons_genesis_state(&w->genesis, &s));
    T_OK(sn_cons_results_hash(NULL, 0, &s->last_results_hash));
    T_OK(sn_cons_core_new(&o, s, NULL, sn_wall_now(), &x->engine.core));
    sn_cons_state_unref(s);
    x->engine.running = true;
    T_OK(sn_scope_go(w->scope, "engine", engine_fiber, &x->engine));
}
int64_t world_height(const struct world_node *n) { return sn_cons_block_store_height(n->blocks); }
void world_until(struct world *w, int n, int64_t height, int64_t limit_ns)
{
    int64_t end = sn_now() + limit_ns;
    for (int i = 0; i < n; i++)
        while (world_height(&w->nodes[i]) < height) {
            T_ASSERTF(sn_now() < end, "node %d is at height %lld, expected %lld", i,
                      (long long)world_height(&w->nodes[i]), (long long)height);
            T_OK(sn_sleep(10 * SN_MS));
        }
}
void world_check(struct world *w, int n)
{
    for (int64_t h = 1; h <= world_height(&w->nodes[0]); h++) {
        struct sn_cons_block_meta first, other;
        T_OK(sn_cons_block_store_meta(w->nodes[0].blocks, h, &first));
        for (int i = 1; i < n && world_height(&w->nodes[i]) >= h; i++) {
            T_OK(sn_cons_block_store_meta(w->nodes[i].blocks, h, &other));
            T_ASSERTF(sn_cons_block_id_eq(&first.block_id, &other.block_id),
                      "node %d has another block %lld", i, (long long)h);
        }
    }
}
void world_end(struct world *w)
{
    SN_VEC_EACH(&w->conns, c) {
        world_cut(*c);
        while ((*c)->running) T_OK(sn_sleep(SN_MS));
        for (int k = 0; k < 2; k++) sn_chan_free((*c)->end[k].out);
        sn_free(*c);
    }
    sn_vec_done(&w->conns);
    sn_scope_cancel(w->scope);
    (void)!sn_scope_wait(w->scope);
    for (int i = 0; i < w->n; i++) {
        struct world_node *x = &w->nodes[i];
        struct incoming *in;
        while (sn_chan_try_recv(x->engine.inbox, &in) >= 0) {
            sn_buf_done(&in->bytes);
            sn_free(in);
        }
        sn_chan_free(x->engine.inbox);
        sn_cons_core_free(x->engine.core);
        SN_VEC_EACH(&x->engine.own, b) sn_buf_done(b);
        sn_vec_done(&x->engine.own);
        sn_consensus_reactor_free(x->reactor);
        sn_cons_block_store_free(x->blocks);
    }
}
