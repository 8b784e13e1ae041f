/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sim_node_test.c - one node: it does what the core's actions say, and loses what a crash
 * takes. The application counts: its hash folds every transaction it has seen. */
#include <stdio.h>

#include "consensus/genesis.h"
#include "consensus/hash.h"
#include "consensus/sim_world_test.h"
#include "core/alloc.h"
#include "core/map.h"
#include "harness/test.h"

int64_t node_now(const struct node *n) { return n->w->now + n->skew; }

bool node_durable(struct node *n)
{
    if (!n->up) return false;
    if (++n->steps != n->crash_at) return true;
    node_crash(n);
    world_push(n->w, (struct event){.kind = RESTART, .node = n->id,
                                    .at = n->w->now + 50 * SN_MS + (int64_t)world_below(n->w, 500) * SN_MS});
    return false;
}

/* ---- the log ---- */

static void log_record(struct node *n, struct sn_cons_wal_record *rec, bool sync)
{
    rec->time = sn_cons_time_of_ns(node_now(n));
    T_OK(sn_cons_wal_encode(rec, &n->wal));
    if (!node_durable(n)) return;
    if (sync) n->wal_synced = n->wal.len;
}
static void input(struct node *n, const struct sn_cons_input *in, int from)
{
    int r = sn_cons_core_input(n->core, in, node_now(n));
    bool fatal = r == SN_E_NOMEM || r == SN_E_INTERNAL || r == SN_E_DATA_LOSS;
    if (fatal) {
        T_ASSERTF(n->w->o.heavy_byz, "node %d halts: %s", n->id, sn_diag_str(r));
        n->halted = true;
    }
    /* What an honest node sends is never malformed. Parts may be of a block given up since. */
    bool honest = from >= 0 && n->w->nodes[from].what == HONEST;
    bool strict = in->kind == SN_CONS_IN_MSG && in->msg->kind != SN_CONS_MSG_BLOCK_PART &&
                  in->msg->kind != SN_CONS_MSG_VOTE_SET_MAJ23;
    if (honest && strict && !n->w->o.heavy_byz)
        T_ASSERTF(r != SN_E_INVALID_ARGUMENT && r != SN_E_TOO_LARGE, "node %d from %d: %s", n->id,
                  from, sn_diag_str(r));
}

/* ---- the application ---- */

static uint64_t fold_txs(uint64_t hash, const struct sn_cons_block *b)
{
    for (uint32_t i = 0; i < b->n_txs; i++) hash = sn_hash(b->txs[i].ptr, b->txs[i].len, hash);
    return sn_hash_u64(hash, (uint64_t)b->header.height);
}
/* Results of a block; transactions "v:NODE:POWER" change a validator. */
struct results {
    struct sn_cons_tx_result txs[64];
    struct sn_cons_validator updates[NODES_MAX];
    struct sn_cons_block_result res;
};
static void execute(struct node *n, const struct sn_cons_block *b, struct results *x)
{
    bool again = n->app.height == b->header.height;
    uint64_t hash = fold_txs(again ? n->app.before : n->app.hash, b);
    uint64_t present = again ? n->app.present_before : n->app.present;
    memset(x, 0, sizeof(*x));
    T_ASSERT(b->n_txs <= SN_COUNT_OF(x->txs));
    x->res = (struct sn_cons_block_result){.txs = x->txs, .n_txs = b->n_txs, .updates = x->updates,
                                           .app_hash.len = 8};
    memcpy(x->res.app_hash.b, &hash, 8);
    for (uint32_t i = 0; i < b->n_txs; i++) {
        struct sn_str tx = b->txs[i];
        uint64_t who, power;
        x->txs[i] = (struct sn_cons_tx_result){.data = tx, .gas_used = i};
        if (!sn_str_eqc(sn_str_cut(&tx, ':'), "v") || x->res.n_updates) continue;
        T_OK(sn_str_to_u64(sn_str_cut(&tx, ':'), &who));
        T_OK(sn_str_to_u64(tx, &power));
        if (power == 0 && !(present >> who & 1)) continue;
        x->updates[0] = (struct sn_cons_validator){.key = n->w->nodes[who].val.key,
                                                   .power = (int64_t)power};
        x->res.n_updates = 1;
    }
}
static void app_commit(struct node *n, const struct sn_cons_block *b)
{
    if (n->app.height == b->header.height) return;
    T_EQ(n->app.height + 1, b->header.height);
    struct results x;
    execute(n, b, &x);
    uint64_t present = n->app.present;
    for (uint32_t i = 0; i < x.res.n_updates; i++) {
        uint64_t bit = 1ull << (x.updates[i].key.b[0] - 1);
        present = x.updates[i].power ? present | bit : present & ~bit;
    }
    n->app = (struct app){b->header.height, fold_txs(n->app.hash, b), n->app.hash, present,
                          n->app.present};
}
static bool acceptable(const struct sn_cons_block *b)
{
    for (uint32_t i = 0; i < b->n_txs; i++)
        if (sn_str_eqc(b->txs[i], "bad")) return false;
    return true;
}

/* ---- the past ---- */

static struct stored *stored_at(struct node *n, int64_t height)
{
    return height >= 1 && height <= (int64_t)n->blocks.len ? &n->blocks.ptr[height - 1] : NULL;
}
static int past_header(void *arg, int64_t height, struct sn_cons_header *ret)
{
    struct stored *s = stored_at(arg, height);
    if (!s) return SN_E_NOT_FOUND;
    *ret = s->block->header;
    return 0;
}
static int past_commit(void *arg, int64_t height, struct sn_arena *a, struct sn_cons_commit *ret)
{
    struct stored *s = stored_at(arg, height);
    return s ? sn_cons_ext_commit_decode(sn_buf_view(&s->commit), a, ret) : SN_E_NOT_FOUND;
}
/* Sets of the past are those of the state that came before: worlds with updates have no evidence. */
static int past_validators(void *arg, int64_t height, struct sn_cons_valset **ret)
{
    struct node *n = arg;
    *ret = sn_cons_valset_ref(sn_cons_core_state(n->core)->vals);
    return 0;
}
static int64_t past_latest(void *arg) { return (int64_t)((struct node *)arg)->blocks.len; }

/* ---- own messages: logged, then put in, then sent; synced before that where they could not be made
 * again (a proposal, an extension) ---- */

static void own(struct node *n, const struct sn_cons_msg *m)
{
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_MSG, .msg = *m};
    log_record(n, &rec, m->kind != SN_CONS_MSG_VOTE || m->vote->ext_sig.len);
    struct packet *p = packet_new(m);
    if (n->up) T_OK(sn_vec_push(&n->inbox, p));
    else packet_unref(p);
}
void own_vote(struct node *n, const struct sn_cons_vote *v)
{
    own(n, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = v});
}
void own_proposal(struct node *n, const struct sn_cons_proposal *p, struct sn_cons_part_set *parts)
{
    own(n, &(struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL, .proposal = *p});
    for (uint32_t i = 0; i < parts->header.total; i++)
        own(n, &(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART, .height = p->height,
                                     .round = p->round, .part = *parts->parts[i]});
}

/* The signer's rule: later than the last, or the same once more with its old time. */
static bool may_sign(struct node *n, struct signer want, struct sn_cons_time *time)
{
    struct signer *s = &n->signer;
    uint8_t step = want.type == SN_CONS_PROPOSAL_TYPE ? 0 : want.type;
    uint8_t last = s->type == SN_CONS_PROPOSAL_TYPE ? 0 : s->type;
    bool same = want.height == s->height && want.round == s->round && step == last && s->height;
    if (same) {
        if (!sn_cons_block_id_eq(&s->block_id, &want.block_id)) return false;
        *time = s->time;
        return true;
    }
    if (want.height < s->height || (want.height == s->height && want.round < s->round) ||
        (want.height == s->height && want.round == s->round && step < last))
        return false;
    want.time = *time;
    *s = want;
    return node_durable(n);
}

/* What led to a signature is durable before it is made: a node that came back to another decision in
 * the same place could not sign it, and might be missed for ever. */
static bool sync_log(struct node *n)
{
    if (!node_durable(n)) return false;
    n->wal_synced = n->wal.len;
    return true;
}
static void do_sign_vote(struct node *n, const struct sn_cons_action *a)
{
    struct sn_cons_vote v = *a->vote;
    if (!sync_log(n)) return;
    if (n->what != HONEST) return byz_sign_vote(n, a);
    if (!may_sign(n, (struct signer){v.height, v.round, v.type, v.block_id, v.time}, &v.time)) return;
    sign_vote(n, &v);
    own_vote(n, &v);
}
static void do_sign_proposal(struct node *n, const struct sn_cons_action *a)
{
    struct sn_cons_proposal p = a->proposal;
    if (n->what != HONEST) return byz_sign_proposal(n, a);
    struct signer want = {p.height, p.round, SN_CONS_PROPOSAL_TYPE, p.block_id, p.time};
    if (!may_sign(n, want, &p.time)) return;
    sign_proposal(n, &p);
    own_proposal(n, &p, a->parts);
}

/* ---- actions ---- */

static void save_block(struct node *n, const struct sn_cons_action *a)
{
    struct sn_arena arena;
    struct sn_cons_commit c;
    int64_t height = a->block->header.height;
    sn_arena_init(&arena, NULL, 0);
    if (!stored_at(n, height)) {
        T_EQ((int64_t)n->blocks.len + 1, height);
        struct stored *s = sn_vec_add(&n->blocks);
        T_ASSERT(s);
        s->block = sn_cons_block_ref(a->block);
        s->parts = sn_cons_part_set_ref(a->parts);
        T_OK(sn_cons_core_seen_commit(n->core, &arena, &c));
        T_OK(sn_cons_ext_commit_encode(&c, &s->commit));
    }
    sn_arena_done(&arena);
    world_committed(n, height);
    node_durable(n);
}

static void answer_later(struct node *n, struct sn_cons_action *a)
{
    struct event e = {.kind = ANSWER, .node = n->id, .epoch = n->epoch, .act = *a,
                      .at = n->w->now + (int64_t)world_below(n->w, 30) * SN_MS};
    *a = (struct sn_cons_action){0};
    world_push(n->w, e);
}

static void schedule(struct node *n, const struct sn_cons_timeout *t)
{
    const struct sn_cons_timeout *o = &n->timer;
    if (t->height < o->height || (t->height == o->height && t->round < o->round) ||
        (t->height == o->height && t->round == o->round && o->step && t->step <= o->step))
        return;
    n->timer = *t;
    world_push(n->w, (struct event){.kind = TIMEOUT, .node = n->id, .epoch = n->epoch, .timeout = *t,
                                    .at = n->w->now + t->duration_ns});
}

static void act(struct node *n, struct sn_cons_action *a)
{
    struct sn_cons_wal_record rec = {.height = a->height, .round = a->round};
    switch (a->kind) {
    case SN_CONS_ACT_SCHEDULE: schedule(n, &a->timeout); break;
    case SN_CONS_ACT_SIGN_VOTE: do_sign_vote(n, a); break;
    case SN_CONS_ACT_SIGN_PROPOSAL: do_sign_proposal(n, a); break;
    case SN_CONS_ACT_PREPARE:
    case SN_CONS_ACT_PROCESS:
    case SN_CONS_ACT_EXTEND:
    case SN_CONS_ACT_VERIFY_EXTENSION:
    case SN_CONS_ACT_FINALIZE:
    case SN_CONS_ACT_COMMIT: answer_later(n, a); break;
    case SN_CONS_ACT_SAVE_BLOCK: save_block(n, a); break;
    case SN_CONS_ACT_END_HEIGHT:
        rec.kind = SN_CONS_WAL_END_HEIGHT;
        log_record(n, &rec, true);
        break;
    case SN_CONS_ACT_SAVE_STATE:
        sn_buf_reset(&n->state);
        T_OK(sn_cons_state_encode(a->state, &n->state));
        node_durable(n);
        break;
    case SN_CONS_ACT_NEW_STEP:
        rec.kind = SN_CONS_WAL_ROUND_STATE;
        rec.step = sn_str(sn_cons_step_name(a->step));
        log_record(n, &rec, false);
        n->w->rounds_max = SN_MAX(n->w->rounds_max, (uint64_t)a->round);
        break;
    case SN_CONS_ACT_CONFLICT:
        n->w->conflicts++;
        if (sn_cons_evpool_report(n->pool, a->vote, a->vote_b) == SN_E_NOMEM) T_ASSERT(false);
        break;
    default: break;
    }
}

/* Does what there is to do, until the node is idle or dead. */
static void settle(struct node *n)
{
    for (;;) {
        struct sn_cons_action a;
        while (n->up && sn_cons_core_action(n->core, &a)) {
            act(n, &a);
            sn_cons_action_done(&a);
        }
        if (!n->up || n->inbox.len == 0) return;
        struct packet *p = n->inbox.ptr[0];
        n->inbox.len--;
        memmove(n->inbox.ptr, n->inbox.ptr + 1, n->inbox.len * sizeof(p));
        struct sn_arena arena;
        struct sn_cons_msg m;
        sn_arena_init(&arena, NULL, 0);
        T_OK(sn_cons_msg_decode(sn_str_of((char *)p->data, p->len), &arena, &m));
        if (n->what == HONEST) world_broadcast(n, p);
        input(n, &(struct sn_cons_input){.kind = SN_CONS_IN_MSG, .msg = &m}, -1);
        sn_arena_done(&arena);
        packet_unref(p);
        if (n->halted) node_crash(n);
    }
}

/* ---- answers ---- */

static void answer_prepare(struct node *n, const struct sn_cons_action *a)
{
    struct world *w = n->w;
    struct sn_arena arena;
    char mem[8][32];
    struct sn_str txs[8];
    uint32_t n_txs = (uint32_t)world_below(w, 4);
    for (uint32_t i = 0; i < n_txs; i++) {
        snprintf(mem[i], 32, "t%llx", (unsigned long long)sn_rand_u64(&w->rand));
        if (i == 0 && w->o.updates && world_chance(w, 0.5))
            snprintf(mem[i], 32, "v:%d:%d", 3 + (int)world_below(w, (uint64_t)w->n - 3),
                     (int)world_below(w, 12));
        txs[i] = sn_str(mem[i]);
    }
    if (n->what == INVALID && world_chance(w, 0.3)) txs[n_txs++] = SN_STR("bad");
    struct sn_cons_block_content c = {.txs = txs, .n_txs = n_txs};
    struct sn_cons_evidence **list;
    int64_t bytes;
    sn_arena_init(&arena, NULL, 0);
    T_OK(sn_cons_evpool_pending(n->pool, 1 << 20, &arena, &list, &c.n_evidence, &bytes));
    c.evidence = list;
    input(n, &(struct sn_cons_input){.kind = SN_CONS_IN_PREPARED, .height = a->height,
                                     .round = a->round, .content = &c}, -1);
    sn_arena_done(&arena);
}

static struct sn_str extension_of(char mem[32], int64_t height)
{
    snprintf(mem, 32, "x%lld", (long long)height);
    return height % 3 ? sn_str(mem) : SN_STR("");
}

static void answer_finalize(struct node *n, const struct sn_cons_action *a)
{
    struct results x;
    execute(n, a->block, &x);
    input(n, &(struct sn_cons_input){.kind = SN_CONS_IN_FINALIZED, .result = &x.res}, -1);
}
static void answer_commit(struct node *n, const struct sn_cons_action *a)
{
    app_commit(n, a->block);
    if (!node_durable(n)) return;
    T_OK(sn_cons_evpool_update(n->pool, a->state, a->block));
    input(n, &(struct sn_cons_input){.kind = SN_CONS_IN_COMMITTED}, -1);
}

static void answer(struct node *n, const struct sn_cons_action *a)
{
    char mem[32];
    struct sn_cons_input in = {.height = a->height, .round = a->round};
    switch (a->kind) {
    case SN_CONS_ACT_PREPARE: answer_prepare(n, a); return;
    case SN_CONS_ACT_FINALIZE: answer_finalize(n, a); return;
    case SN_CONS_ACT_COMMIT: answer_commit(n, a); return;
    case SN_CONS_ACT_PROCESS:
        in.kind = SN_CONS_IN_PROCESSED;
        in.ok = acceptable(a->block);
        break;
    case SN_CONS_ACT_EXTEND:
        in.kind = SN_CONS_IN_EXTENDED;
        in.extension = extension_of(mem, a->height);
        break;
    default:
        in.kind = SN_CONS_IN_EXTENSION_VERIFIED;
        in.vote = a->vote;
        in.ok = sn_str_eq(a->vote->ext, extension_of(mem, a->vote->height));
        break;
    }
    input(n, &in, -1);
}

static void deliver(struct node *n, struct packet *p, int from)
{
    struct sn_arena arena;
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_MSG, .peer = {.len = 2, .b = {'n', (char)('0' + from)}}};
    sn_arena_init(&arena, NULL, 0);
    if (sn_cons_msg_decode(sn_str_of((char *)p->data, p->len), &arena, &rec.msg) >= 0) {
        log_record(n, &rec, false);
        if (n->up)
            input(n, &(struct sn_cons_input){.kind = SN_CONS_IN_MSG, .msg = &rec.msg, .peer = &rec.peer},
                  from);
    }
    sn_arena_done(&arena);
}

void node_event(struct node *n, struct event *e)
{
    struct sn_cons_wal_record rec = {.kind = SN_CONS_WAL_TIMEOUT, .timeout = e->timeout};
    if ((e->kind == DELIVER || e->kind == TIMEOUT) && !sn_cons_core_ready(n->core)) {
        struct event later = *e;
        later.at = n->w->now + 5 * SN_MS;
        e->pkt = NULL;
        world_push(n->w, later);
        return;
    }
    if (e->kind == DELIVER) deliver(n, e->pkt, e->from);
    if (e->kind == ANSWER) answer(n, &e->act);
    if (e->kind == TIMEOUT && memcmp(&e->timeout, &n->timer, sizeof(n->timer)) == 0) {
        log_record(n, &rec, false);
        if (n->up)
            input(n, &(struct sn_cons_input){.kind = SN_CONS_IN_TIMEOUT, .timeout = e->timeout}, -1);
    }
    if (n->halted && n->up) node_crash(n);
    settle(n);
}

/* ---- gossip: what `to` lacks and n has ---- */

static void send_vote(struct node *n, int to, const struct sn_cons_vote *v)
{
    world_send(n, to, packet_new(&(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = v}));
}
static void send_votes(struct node *n, int to, const struct sn_cons_vote_set *mine,
                       const struct sn_cons_vote_set *theirs)
{
    if (!mine) return;
    for (uint32_t i = 0; i < mine->vals->n; i++)
        if (mine->votes[i] && !(theirs && theirs->votes[i])) send_vote(n, to, mine->votes[i]);
    const struct sn_cons_block_id *maj = sn_cons_vote_set_maj23(mine);
    if (!maj || sn_cons_vote_set_maj23(theirs)) return;
    /* They may have the other half of an equivocation: say that this is the block. */
    const struct sn_cons_block_votes *b = sn_cons_vote_set_for(mine, maj);
    const struct sn_cons_block_votes *t = sn_cons_vote_set_for(theirs, maj);
    world_send(n, to, packet_new(&(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE_SET_MAJ23,
                                                       .height = mine->height, .round = mine->round,
                                                       .vote_type = mine->type, .block_id = *maj}));
    for (size_t i = 0; i < b->votes.len; i++)
        if (!t || !sn_cons_bits_get(&t->bits, (uint32_t)b->votes.ptr[i]->index))
            send_vote(n, to, b->votes.ptr[i]);
}
static void send_parts(struct node *n, int to, const struct sn_cons_part_set *mine,
                       const struct sn_cons_round_state *theirs, int32_t round)
{
    if (!mine || !theirs->parts ||
        !sn_cons_part_set_header_eq(&mine->header, &theirs->parts->header))
        return;
    for (uint32_t i = 0; i < mine->header.total; i++)
        if (mine->parts[i] && !theirs->parts->parts[i])
            world_send(n, to, packet_new(&(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART,
                                                               .height = theirs->height, .round = round,
                                                               .part = *mine->parts[i]}));
}

static void catch_up(struct node *n, int to, const struct sn_cons_round_state *theirs)
{
    struct stored *s = stored_at(n, theirs->height);
    struct sn_arena a;
    struct sn_cons_commit c;
    if (!s) return;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_ext_commit_decode(sn_buf_view(&s->commit), &a, &c));
    const struct sn_cons_vote_set *have =
        sn_cons_height_votes_get(&theirs->votes, c.round, SN_CONS_PRECOMMIT);
    const struct sn_cons_block_votes *for_it = sn_cons_vote_set_for(have, &c.block_id);
    if (have && !sn_cons_vote_set_maj23(have))
        world_send(n, to, packet_new(&(struct sn_cons_msg){
                              .kind = SN_CONS_MSG_VOTE_SET_MAJ23, .height = c.height, .round = c.round,
                              .vote_type = SN_CONS_PRECOMMIT, .block_id = c.block_id}));
    for (uint32_t i = 0; i < c.n; i++) {
        struct sn_cons_vote v;
        sn_cons_commit_vote(&c, i, &v);
        if (c.sigs[i].flag == SN_CONS_COMMIT && !(for_it && sn_cons_bits_get(&for_it->bits, i)))
            send_vote(n, to, &v);
    }
    send_parts(n, to, s->parts, theirs, theirs->round);
    sn_arena_done(&a);
}

void node_gossip(struct node *n, int to)
{
    struct node *peer = &n->w->nodes[to];
    if (!n->up || !peer->up || peer->halted) return;
    const struct sn_cons_round_state *me = sn_cons_core_round(n->core),
                                     *it = sn_cons_core_round(peer->core);
    if (it->height < me->height) catch_up(n, to, it);
    if (it->height == me->height - 1 && me->last_commit)
        send_votes(n, to, me->last_commit,
                   sn_cons_height_votes_get(&it->votes, me->last_commit->round, SN_CONS_PRECOMMIT));
    if (it->height != me->height) return;
    if (it->step == SN_CONS_STEP_NEW_HEIGHT && me->last_commit)
        send_votes(n, to, me->last_commit, it->last_commit);
    if (me->has_proposal && it->round == me->round && !it->has_proposal)
        world_send(n, to, packet_new(&(struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL,
                                                           .proposal = me->proposal}));
    send_parts(n, to, me->parts, it, me->round);
    if (it->has_proposal && it->proposal.pol_round >= 0)
        send_votes(n, to, sn_cons_height_votes_get(&me->votes, it->proposal.pol_round, SN_CONS_PREVOTE),
                   sn_cons_height_votes_get(&it->votes, it->proposal.pol_round, SN_CONS_PREVOTE));
    for (int32_t r = it->round; r <= me->round && r <= it->round + 1; r++)
        for (uint8_t t = SN_CONS_PREVOTE; t <= SN_CONS_PRECOMMIT; t++)
            send_votes(n, to, sn_cons_height_votes_get(&me->votes, r, t),
                       sn_cons_height_votes_get(&it->votes, r, t));
}

/* ---- life and death ---- */

void node_crash(struct node *n)
{
    if (!n->up) return;
    n->up = false;
    n->epoch++;
    /* Of the log, what was synced stays, and of the rest some. */
    size_t extra = n->wal.len - n->wal_synced;
    n->wal.len = n->wal_synced + (size_t)world_below(n->w, extra + 1);
    SN_VEC_EACH(&n->inbox, p) packet_unref(*p);
    n->inbox.len = 0;
}

struct replay {
    struct node *n;
    struct sn_cons_core *core;
};
static void feed(struct sn_cons_core *core, const struct node *n, const struct sn_cons_wal_record *rec)
{
    struct sn_cons_input in = {.kind = SN_CONS_IN_MSG, .msg = &rec->msg,
                               .peer = rec->peer.len ? &rec->peer : NULL, .timeout = rec->timeout};
    if (rec->kind == SN_CONS_WAL_TIMEOUT) in.kind = SN_CONS_IN_TIMEOUT;
    else if (rec->kind != SN_CONS_WAL_MSG) return;
    int r = sn_cons_core_input(core, &in, node_now(n)); /* refused then as now */
    T_ASSERT(r != SN_E_NOMEM && r != SN_E_INTERNAL);
}
/* What replaying must rebuild. */
static uint64_t digest(const struct sn_cons_core *core)
{
    const struct sn_cons_round_state *rs = sn_cons_core_round(core);
    uint64_t h = sn_hash_u64((uint64_t)rs->height, (uint64_t)rs->round << 8 | rs->step);
    h = sn_hash_u64(h, (uint64_t)(uint32_t)rs->locked_round << 32 | (uint32_t)rs->valid_round);
    if (rs->locked_block) h = sn_hash(rs->locked_block->hash.b, 32, h);
    if (rs->valid_block) h = sn_hash(rs->valid_block->hash.b, 32, h);
    if (rs->block) h = sn_hash(rs->block->hash.b, 32, h);
    if (rs->parts) h = sn_hash(rs->parts->header.hash.b, 32, h + rs->parts->count);
    for (size_t i = 0; i < rs->votes.rounds.len; i++) {
        const struct sn_cons_round_votes *r = &rs->votes.rounds.ptr[i];
        h = sn_hash_u64(h, r->prevotes->bits.w[0] << 32 | (uint64_t)r->round);
        if (r->precommits) h = sn_hash_u64(h, r->precommits->bits.w[0]);
    }
    return h;
}

/* Records after the end of the last stored height go in again; the core answers with actions, which
 * the node does when all are in. */
static bool replay(struct node *n, struct sn_cons_core *core, int64_t height)
{
    struct sn_arena a;
    struct sn_cons_wal_record rec;
    struct sn_str all = sn_buf_view(&n->wal), rest = all, from = {0};
    sn_arena_init(&a, NULL, 0);
    while (sn_cons_wal_next(&rest, &a, &rec) == 0)
        if (rec.kind == SN_CONS_WAL_END_HEIGHT && rec.height == height) from = rest;
    if (height == 0) from = all;
    bool found = from.ptr != NULL;
    while (found && sn_cons_wal_next(&from, &a, &rec) == 0) feed(core, n, &rec);
    sn_arena_done(&a);
    return found;
}

static struct sn_cons_core *new_core(struct node *n, struct sn_cons_state *s)
{
    struct sn_arena a;
    struct sn_cons_commit c, *seen = NULL;
    struct sn_cons_core *core;
    struct sn_cons_core_opts o = {.config = sn_cons_config_default(), .verifier = &sim_verifier,
                                  .has_key = true, .check_evidence = sn_cons_evpool_check,
                                  .arg = n->pool};
    memcpy(o.addr, n->val.addr, sizeof(o.addr));
    o.config.propose_ns = 600 * SN_MS;
    o.config.prevote_ns = o.config.precommit_ns = 300 * SN_MS;
    o.config.propose_delta_ns = o.config.prevote_delta_ns = o.config.precommit_delta_ns = 150 * SN_MS;
    o.config.commit_ns = 100 * SN_MS;
    sn_arena_init(&a, NULL, 0);
    if (s->last_height) {
        T_OK(past_commit(n, s->last_height, &a, &c));
        seen = &c;
    }
    T_OK(sn_cons_core_new(&o, s, seen, node_now(n), &core));
    sn_arena_done(&a);
    return core;
}

/* A stored block that the stored state does not have yet is executed (again). */
static struct sn_cons_state *handshake(struct node *n, struct sn_cons_state *s)
{
    struct stored *next = stored_at(n, s->last_height + 1);
    if (!next) return s;
    struct results x;
    struct sn_cons_state *after;
    struct sn_cons_block_id id = {next->block->hash, next->parts->header};
    execute(n, next->block, &x);
    T_OK(sn_cons_state_apply(s, next->block, &id, &x.res, &after));
    app_commit(n, next->block);
    sn_cons_state_unref(s);
    sn_buf_reset(&n->state);
    T_OK(sn_cons_state_encode(after, &n->state));
    return after;
}

/* Replaying twice gives one state; while nothing was lost, that of the moment before the crash. */
static void check_replay(struct node *n, struct sn_cons_state *s, uint64_t before, bool whole)
{
    uint64_t got[2];
    for (unsigned i = 0; i < 2; i++) {
        struct sn_cons_core *core = new_core(n, s);
        replay(n, core, s->last_height);
        got[i] = digest(core);
        sn_cons_core_free(core);
    }
    T_ASSERTF(got[0] == got[1], "node %d: two replays differ", n->id);
    n->replays++;
    if (whole) T_ASSERTF(got[0] == before, "node %d: replay is not what it was", n->id);
    n->replays_equal += whole;
}

void node_start(struct node *n)
{
    struct sn_cons_state *s;
    uint64_t before = 0;
    bool whole = false;
    if (n->core) {
        before = digest(n->core);
        whole = n->clean && sn_cons_core_ready(n->core) && !n->w->o.extensions;
        n->clean = false;
    }
    T_OK(sn_cons_state_decode(sn_buf_view(&n->state), &s));
    s = handshake(n, s);
    sn_cons_evpool_free(n->pool);
    n->history = (struct sn_cons_history){n, past_header, past_commit, past_validators, past_latest};
    T_OK(sn_cons_evpool_new(s, &n->history, &sim_verifier, &n->pool));
    struct sn_cons_core *old = n->core;
    n->core = new_core(n, s);
    for (size_t i = 0; i < n->blocks.len; i++)
        T_OK(sn_cons_evpool_update(n->pool, s, n->blocks.ptr[i].block));
    if (old) check_replay(n, s, before, whole);
    sn_cons_core_free(old);
    n->wal.len = sn_cons_wal_intact(sn_buf_view(&n->wal));
    n->wal_synced = n->wal.len;
    n->timer = (struct sn_cons_timeout){0};
    n->up = true;
    /* The block was stored, but not the mark: without it the next start would not find this height. */
    struct sn_cons_wal_record end = {.kind = SN_CONS_WAL_END_HEIGHT, .height = s->last_height};
    if (!replay(n, n->core, s->last_height)) log_record(n, &end, true);
    sn_cons_state_unref(s);
    settle(n);
}
