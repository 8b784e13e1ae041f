/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sim_world_test.c - time, the network, faults, and the checks after each step: agreement,
 * validity, and who is to blame for a fork. */
#include "consensus/sim_world_test.h"

#include <stdio.h>

#include "consensus/genesis.h"
#include "consensus/key.h"
#include "core/alloc.h"
#include "core/map.h"
#include "harness/test.h"

uint64_t world_below(struct world *w, uint64_t n) { return sn_rand_below(&w->rand, n); }
bool world_chance(struct world *w, double p) { return sn_rand_double(&w->rand) < p; }

/* ---- the heap of events ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}
void world_push(struct world *w, struct event e)
{
    e.seq = w->seq++;
    T_OK(sn_vec_push(&w->heap, e));
    struct event *h = w->heap.ptr;
    for (size_t i = w->heap.len - 1; i > 0 && before(&h[i], &h[(i - 1) / 2]); i = (i - 1) / 2) {
        struct event t = h[i];
        h[i] = h[(i - 1) / 2];
        h[(i - 1) / 2] = t;
    }
}
static struct event pop(struct world *w)
{
    struct event *h = w->heap.ptr, top = h[0];
    h[0] = h[--w->heap.len];
    for (size_t i = 0, k; (k = 2 * i + 1) < w->heap.len; i = k) {
        if (k + 1 < w->heap.len && before(&h[k + 1], &h[k])) k++;
        if (!before(&h[k], &h[i])) break;
        struct event t = h[i];
        h[i] = h[k];
        h[k] = t;
    }
    return top;
}

/* ---- the network ---- */

struct packet *packet_new(const struct sn_cons_msg *m)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_cons_msg_encode(m, &b));
    struct packet *p = sn_alloc(sizeof(*p) + b.len);
    T_ASSERT(p);
    p->refs = 1;
    p->len = b.len;
    memcpy(p->data, b.ptr, b.len);
    sn_buf_done(&b);
    return p;
}
void packet_unref(struct packet *p)
{
    if (p && --p->refs == 0) sn_free(p);
}
static int group_of(const struct world *w, int id)
{
    return w->nodes[id].what != HONEST ? -1 : (id - w->o.n_byz) % 2;
}
uint64_t group_mask(const struct world *w, int group)
{
    uint64_t mask = 0;
    for (int i = 0; i < w->n; i++)
        if (group_of(w, i) == group || group_of(w, i) < 0) mask |= 1ull << i;
    return mask;
}
/* Liars who want to forget a commit had better not see it: the first group's precommits. */
static bool unseen(struct node *n, int to, const struct packet *p)
{
    struct sn_arena a;
    struct sn_cons_msg m;
    if (!n->w->o.heavy_byz || n->w->nodes[to].what != AMNESIA || group_of(n->w, n->id) != 0) return false;
    sn_arena_init(&a, NULL, 0);
    bool yes = sn_cons_msg_decode(sn_str_of((const char *)p->data, p->len), &a, &m) >= 0 &&
               m.kind == SN_CONS_MSG_VOTE && m.vote->type == SN_CONS_PRECOMMIT;
    sn_arena_done(&a);
    return yes;
}
void world_send(struct node *n, int to, struct packet *p)
{
    struct world *w = n->w;
    double loss = w->now < w->o.heal_at ? w->o.loss : 0;
    if (w->cut[n->id][to] || world_chance(w, loss) || unseen(n, to, p)) {
        packet_unref(p);
        return;
    }
    int64_t delay = SN_MS + (int64_t)world_below(w, world_chance(w, 0.05) ? 400 : 40) * SN_MS;
    world_push(w, (struct event){.kind = DELIVER, .node = to, .from = n->id, .pkt = p,
                                 .at = w->now + delay});
}
void world_broadcast(struct node *n, struct packet *p)
{
    for (int i = 0; i < n->w->n; i++) {
        if (i == n->id) continue;
        p->refs++;
        world_send(n, i, p);
    }
}

/* ---- checks ---- */

static int64_t power_of(const struct world *w, uint64_t mask)
{
    int64_t p = 0;
    for (int i = 0; i < w->n; i++)
        if (mask >> i & 1) p += w->nodes[i].val.power;
    return p;
}
static uint64_t voters(const struct world *w, int64_t height, int32_t round, uint8_t type,
                       const struct sn_cons_block_id *id, bool others)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < w->votes.len; i++) {
        const struct signed_vote *v = &w->votes.ptr[i];
        if (v->height == height && v->round == round && v->type == type &&
            sn_cons_block_id_eq(&v->block_id, id) != others)
            mask |= 1ull << v->node;
    }
    return mask;
}
/* Whether some value other than id has two thirds of the prevotes of a round. */
static bool other_polka(const struct world *w, int64_t height, int32_t round,
                        const struct sn_cons_block_id *id)
{
    int64_t total = power_of(w, UINT64_MAX);
    for (size_t i = 0; i < w->votes.len; i++) {
        const struct signed_vote *v = &w->votes.ptr[i];
        if (v->height != height || v->round != round || v->type != SN_CONS_PREVOTE ||
            sn_cons_block_id_eq(&v->block_id, id))
            continue;
        uint64_t mask = voters(w, height, round, SN_CONS_PREVOTE, &v->block_id, false);
        if (power_of(w, mask) > total * 2 / 3) return true;
    }
    return false;
}

static struct sn_cons_commit commit_at(struct node *n, int64_t height, struct sn_arena *a)
{
    struct sn_cons_commit c;
    T_OK(sn_cons_ext_commit_decode(sn_buf_view(&n->blocks.ptr[height - 1].commit), a, &c));
    return c;
}

/* Two commits of one height. Of one round: who signed both. Of two: who precommitted the first block and
 * in the first later round with another majority prevoted against it, although nothing had released
 * its lock. At least a third is to blame, and nobody honest. */
static uint64_t blame(const struct world *w, int64_t height, const struct sn_cons_commit *a,
                      const struct sn_cons_commit *b)
{
    if (a->round > b->round) return blame(w, height, b, a);
    uint64_t first = voters(w, height, a->round, SN_CONS_PRECOMMIT, &a->block_id, false);
    if (a->round == b->round)
        return first & voters(w, height, b->round, SN_CONS_PRECOMMIT, &b->block_id, false);
    for (int32_t r = a->round + 1; r <= b->round; r++)
        if (other_polka(w, height, r, &a->block_id))
            return first & voters(w, height, r, SN_CONS_PREVOTE, &a->block_id, true);
    return 0;
}

static void check_fork(struct world *w, struct node *x, struct node *y, int64_t height)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_cons_commit cx = commit_at(x, height, &a), cy = commit_at(y, height, &a);
    w->forked = true;
    T_ASSERTF(w->o.heavy_byz, "nodes %d and %d disagree at height %lld", x->id, y->id,
              (long long)height);
    uint64_t guilty = blame(w, height, &cx, &cy);
    for (int i = 0; i < w->n; i++)
        T_ASSERTF(!(guilty >> i & 1) || w->nodes[i].what != HONEST, "honest node %d is blamed", i);
    T_ASSERTF(power_of(w, guilty) * 3 >= power_of(w, UINT64_MAX),
              "a fork at %lld/%d,%d by %llx only", (long long)height, cx.round, cy.round,
              (unsigned long long)guilty);
    sn_arena_done(&a);
}

static void check_evidence(struct world *w, const struct sn_cons_block *b)
{
    for (uint32_t i = 0; i < b->n_evidence; i++) {
        const uint8_t *who = b->evidence[i]->vote_a->addr;
        for (int k = 0; k < w->n; k++)
            T_ASSERTF(memcmp(who, w->nodes[k].val.addr, 20) != 0 || w->nodes[k].what != HONEST,
                      "evidence against honest node %d", k);
        w->evidence_committed++;
    }
}

void world_committed(struct node *n, int64_t height)
{
    struct world *w = n->w;
    const struct sn_cons_block *b = n->blocks.ptr[height - 1].block;
    if (n->what != HONEST) return;
    for (uint32_t i = 0; i < b->n_txs; i++)
        T_ASSERTF(w->o.heavy_byz || !sn_str_eqc(b->txs[i], "bad"), "an invalid block was committed");
    check_evidence(w, b);
    for (int i = 0; i < w->n && !w->forked; i++) {
        struct node *o = &w->nodes[i];
        if (o == n || o->what != HONEST || (int64_t)o->blocks.len < height) continue;
        if (!sn_cons_hash_eq(&o->blocks.ptr[height - 1].block->hash, &b->hash))
            check_fork(w, n, o, height);
    }
}

/* ---- faults ---- */

static void heal(struct world *w)
{
    for (int i = 0; i < w->n; i++)
        for (int k = 0; k < w->n; k++)
            w->cut[i][k] = w->o.heavy_byz && group_of(w, i) + group_of(w, k) == 1;
}
static void split(struct world *w)
{
    uint64_t side = sn_rand_u64(&w->rand);
    for (int i = 0; i < w->n; i++)
        for (int k = 0; k < w->n; k++) w->cut[i][k] = (side >> i & 1) != (side >> k & 1);
}
static void plan_faults(struct world *w)
{
    for (int64_t at = SN_SEC / 2; at < w->o.heal_at; at += (int64_t)world_below(w, 1500) * SN_MS) {
        struct event e = {.at = at, .node = (int)world_below(w, (uint64_t)w->n)};
        uint64_t k = world_below(w, 4);
        e.kind = k == 0 ? SPLIT : k == 1 ? HEAL : CRASH;
        world_push(w, e);
    }
    world_push(w, (struct event){.kind = HEAL, .at = w->o.heal_at});
}
static void crash(struct world *w, struct node *n)
{
    if (!n->up) return;
    /* Now, with all of the log, or in the middle of something to come. */
    if (!world_chance(w, 0.5)) {
        n->crash_at = n->steps + 1 + world_below(w, 12);
        return;
    }
    n->clean = true;
    n->wal_synced = n->wal.len;
    node_crash(n);
    world_push(w, (struct event){.kind = RESTART, .node = n->id,
                                 .at = w->now + (int64_t)world_below(w, 3000) * SN_MS});
}

/* ---- the world ---- */

static void make_genesis(struct world *w)
{
    struct sn_cons_genesis *g = SN_ARENA_NEW(&w->arena, struct sn_cons_genesis);
    T_ASSERT(g);
    g->validators = SN_ARENA_ARRAY(&w->arena, struct sn_cons_genesis_validator, (size_t)w->n);
    T_ASSERT(g->validators);
    g->chain_id = SN_STR("sim");
    g->initial_height = 1;
    g->time = sn_cons_time_of_ns(1000 * SN_SEC);
    g->params = sn_cons_params_default();
    g->params.extensions_height = w->o.extensions ? 2 : 0;
    for (int i = 0; i < w->n; i++) g->validators[g->n_validators++].v = w->nodes[i].val;
    w->genesis = g;
}
/* Powers of 1 to 10; liars together below a third, or in a heavy world at a third and more. */
static void make_powers(struct world *w)
{
    for (;;) {
        int64_t liars = 0, total = 0;
        for (int i = 0; i < w->n; i++) {
            w->nodes[i].val.power = (int64_t)(1 + world_below(w, w->o.updates ? 3 : 10));
            if (w->o.heavy_byz) w->nodes[i].val.power = 5;
            total += w->nodes[i].val.power;
            if (i < w->o.n_byz) liars += w->nodes[i].val.power;
        }
        if (w->o.heavy_byz ? liars * 3 >= total && liars * 3 < total * 2 : liars * 3 < total) return;
    }
}
static void make_node(struct world *w, int i)
{
    struct node *n = &w->nodes[i];
    struct sn_cons_state *s;
    n->w = w;
    n->id = i;
    n->app.present = (1ull << w->n) - 1;
    n->skew = 1000 * SN_SEC;
    if (w->o.skew) n->skew += ((int64_t)world_below(w, 4000) - 2000) * SN_MS;
    sn_buf_init(&n->wal, 0);
    sn_buf_init(&n->state, 0);
    T_OK(sn_cons_genesis_state(w->genesis, &s));
    T_OK(sn_cons_results_hash(NULL, 0, &s->last_results_hash));
    T_OK(sn_cons_state_encode(s, &n->state));
    sn_cons_state_unref(s);
    node_start(n);
    world_push(w, (struct event){.kind = GOSSIP, .node = i, .at = (int64_t)world_below(w, 100) * SN_MS});
}

static void step(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->node];
    w->trace = sn_hash_u64(w->trace ^ (uint64_t)e->at, (uint64_t)e->kind << 32 | (uint64_t)e->node << 8 |
                                                           (uint64_t)e->from);
    if (e->pkt) w->trace = sn_hash(e->pkt->data, e->pkt->len, w->trace);
    switch (e->kind) {
    case SPLIT: split(w); break;
    case HEAL: heal(w); break;
    case CRASH: crash(w, n); break;
    case RESTART:
        w->restarts++;
        n->crash_at = w->o.crash_step && w->restarts == 1 ? n->steps + 7 : 0;
        if (!n->halted && !n->up) node_start(n);
        break;
    case GOSSIP:
        world_push(w, (struct event){.kind = GOSSIP, .node = n->id, .at = w->now + 100 * SN_MS});
        if (n->what != SILENT && n->what != WITHHOLD && (n->what == HONEST || !w->o.heavy_byz))
            node_gossip(n, (int)world_below(w, (uint64_t)w->n));
        break;
    default:
        if (n->up && (e->kind == DELIVER || e->epoch == n->epoch)) node_event(n, e);
    }
}

/* Where everybody is: what a world that does not get on is read by. */
static void dump(const struct world *w)
{
    for (int i = 0; i < w->n; i++) {
        const struct node *n = &w->nodes[i];
        const struct sn_cons_round_state *rs = sn_cons_core_round(n->core);
        printf("node %d (%d, power %lld) %s%s %lld/%d %s, %zu blocks, proposal %d, block %d, parts %d of %d, "
               "locked %d, valid %d, timer %lld/%d/%u, steps %llu crash at %llu\n",
               i, n->what, (long long)n->val.power, n->up ? "up" : "down", n->halted ? " halted" : "",
               (long long)rs->height, rs->round, sn_cons_step_name(rs->step), n->blocks.len,
               rs->has_proposal, rs->block != NULL, rs->parts ? (int)rs->parts->count : -1,
               rs->parts ? (int)rs->parts->header.total : -1, rs->locked_round, rs->valid_round,
               (long long)n->timer.height, n->timer.round, n->timer.step,
               (unsigned long long)n->steps, (unsigned long long)n->crash_at);
        for (size_t k = 0; k < rs->votes.rounds.len && k < 12; k++) {
            const struct sn_cons_round_votes *r = &rs->votes.rounds.ptr[k];
            printf("    round %d: prevotes %llx precommits %llx\n", r->round,
                   (unsigned long long)r->prevotes->bits.w[0],
                   r->precommits ? (unsigned long long)r->precommits->bits.w[0] : 0);
        }
    }
}

static bool reached(const struct world *w)
{
    if (w->forked) return true;
    for (int i = 0; i < w->n; i++)
        if (w->nodes[i].what == HONEST && (int64_t)w->nodes[i].blocks.len < w->o.target) return false;
    return true;
}

uint64_t world_run(struct world *w, const struct world_opts *o)
{
    memset(w, 0, sizeof(*w));
    w->o = *o;
    w->n = o->n;
    sn_rand_seed(&w->rand, o->seed);
    sn_arena_init(&w->arena, NULL, 0);
    for (int i = 0; i < w->n; i++) {
        struct node *n = &w->nodes[i];
        n->val.key = (struct sn_cons_key){.type = SN_CONS_ED25519, .len = 32, .b = {(uint8_t)(i + 1)}};
        T_OK(sn_cons_key_addr(&n->val.key, n->val.addr));
        if (i < o->n_byz)
            n->what = o->byz != HONEST ? o->byz : (enum behaviour)(1 + world_below(w, N_BEHAVIOURS - 1));
    }
    make_powers(w);
    heal(w);
    make_genesis(w);
    for (int i = 0; i < w->n; i++) make_node(w, i);
    if (o->faults) plan_faults(w);
    w->nodes[0].crash_at = o->crash_step;
    while (w->heap.len && !reached(w)) {
        struct event e = pop(w);
        w->now = e.at;
        w->events_run++;
        if (w->now >= o->limit && !o->heavy_byz) dump(w);
        T_ASSERTF(w->now < o->limit || o->heavy_byz, "height %lld is not reached after %lld s",
                  (long long)o->target, (long long)(w->now / SN_SEC));
        bool over = w->now >= o->limit;
        if (!over) step(w, &e);
        packet_unref(e.pkt);
        sn_cons_action_done(&e.act);
        if (over) break;
    }
    return sn_hash_u64(w->trace, w->events_run);
}

void world_done(struct world *w)
{
    while (w->heap.len) {
        struct event e = pop(w);
        packet_unref(e.pkt);
        sn_cons_action_done(&e.act);
    }
    for (int i = 0; i < w->n; i++) {
        struct node *n = &w->nodes[i];
        sn_cons_core_free(n->core);
        sn_cons_evpool_free(n->pool);
        SN_VEC_EACH(&n->inbox, p) packet_unref(*p);
        sn_vec_done(&n->inbox);
        SN_VEC_EACH(&n->blocks, s) {
            sn_cons_block_unref(s->block);
            sn_cons_part_set_unref(s->parts);
            sn_buf_done(&s->commit);
        }
        sn_vec_done(&n->blocks);
        sn_buf_done(&n->wal);
        sn_buf_done(&n->state);
    }
    sn_vec_done(&w->heap);
    sn_vec_done(&w->votes);
    sn_arena_done(&w->arena);
}
