/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync_run.c - from bytes to state: decode, check, execute, each in its own fibers. */
#include <string.h>

#include "consensus/commit.h"
#include "consensus/hash.h"
#include "consensus/sync/blocksync_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/vec.h"
#include "kit/log.h"

SN_LOG_MODULE("blocksync");

/* ---- jobs, with the lock held ---- */

static void job_unref(struct sn_sync_job *j)
{
    while (j && --j->refs == 0) {
        struct sn_sync_job *next = j->next;
        sn_buf_done(&j->bytes);
        sn_buf_done(&j->ext_bytes);
        sn_cons_block_unref(j->block);
        sn_cons_part_set_unref(j->parts);
        sn_arena_done(&j->arena);
        sn_free(j);
        j = next;
    }
}
static struct sn_sync_job **job_at(struct sn_blocksync *b, int64_t height)
{
    return &b->jobs[height % SN_SYNC_WINDOW];
}
/* The job of that height, decoded; NULL where it is not. */
static struct sn_sync_job *ready(struct sn_blocksync *b, int64_t height)
{
    struct sn_sync_job *j = *job_at(b, height);
    return j && j->height == height && j->state >= SN_JOB_READY ? j : NULL;
}

void sn_blocksync_wrong(struct sn_blocksync *b, int64_t height, int why)
{
    struct sn_sync_job **at = job_at(b, height);
    if (!*at || (*at)->height != height) return;
    int giver = sn_sync_pool_redo(&b->pool, height);
    job_unref(*at);
    *at = NULL;
    SN_LOG_WARN("a wrong block is fetched again", SN_L("height", height), SN_L_ERR(why));
    if (giver < 0 || !b->links[giver]) return;
    /* Nothing is asked of it while it is being stopped. */
    sn_sync_pool_remove(&b->pool, (unsigned)giver);
    sn_switch_peer_stop(b->links[giver]->sp, why, SN_BLOCKSYNC_BAN_NS);
}

/* ---- decoding ---- */

struct decode_task {
    struct sn_blocksync *b;
    struct sn_sync_job *j;
};
static int decode(struct sn_sync_job *j)
{
    int r = sn_cons_block_decode(sn_buf_view(&j->bytes), &j->block);
    if (r >= 0 && j->block->header.height != j->height)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "block of height %lld",
                    (long long)j->block->header.height);
    if (r >= 0) r = sn_cons_part_set_split(sn_buf_view(&j->bytes), &j->parts);
    if (r >= 0 && j->has_ext)
        r = sn_cons_ext_commit_decode(sn_buf_view(&j->ext_bytes), &j->arena, &j->ext);
    if (r < 0) return r;
    j->id = (struct sn_cons_block_id){j->block->hash, j->parts->header};
    sn_buf_done(&j->bytes);
    sn_buf_done(&j->ext_bytes);
    return 0;
}
static int decode_fiber(void *arg)
{
    struct decode_task t = *(struct decode_task *)arg;
    sn_free(arg);
    int r = decode(t.j);
    sn_mutex_lock_always(&t.b->lock);
    bool still = *job_at(t.b, t.j->height) == t.j;
    if (still && r >= 0) t.j->state = SN_JOB_READY;
    /* Without memory the sync ends; the block is nobody's fault. */
    else if (still && r != SN_E_NOMEM) sn_blocksync_wrong(t.b, t.j->height, r);
    job_unref(t.j);
    if (t.b->syncing) sn_blocksync_pump(t.b);
    sn_mutex_unlock(&t.b->lock);
    return r == SN_E_NOMEM ? r : 0;
}

static int fill(struct sn_sync_job *j, const struct sn_blocksync_msg *m)
{
    j->height = m->height;
    j->has_ext = m->ext_commit.ptr != NULL;
    sn_buf_init(&j->bytes, 0);
    sn_buf_init(&j->ext_bytes, 0);
    sn_arena_init(&j->arena, NULL, 0);
    int r = sn_buf_str(&j->bytes, m->block);
    return r < 0 ? r : sn_buf_str(&j->ext_bytes, m->ext_commit);
}
int sn_blocksync_fetched(struct sn_blocksync *b, const struct sn_blocksync_msg *m)
{
    struct sn_sync_job *j = SN_NEW(struct sn_sync_job);
    struct decode_task *t = SN_NEW(struct decode_task);
    int r = j && t ? fill(j, m) : SN_E_NOMEM;
    if (j) j->refs = 1;
    if (r >= 0) {
        *t = (struct decode_task){b, j};
        r = sn_scope_go(b->scope, "decode block", decode_fiber, t);
    }
    if (r < 0) {
        sn_free(t);
        job_unref(j);
        (void)sn_sync_pool_redo(&b->pool, m->height);
        return r;
    }
    j->refs++; /* the fiber's */
    SN_ASSERT(!*job_at(b, m->height));
    *job_at(b, m->height) = j;
    return 0;
}

/* ---- checking ---- */

/* Takes the signatures that the rules want checked, to check those of several commits at once. */
struct collector {
    struct sn_cons_verifier v;
    struct sn_arena arena;
    SN_VEC(struct sn_cons_check) checks;
};
static int add_check(struct collector *c, const struct sn_cons_check *x)
{
    struct sn_cons_check mine = *x;
    mine.msg = sn_arena_str(&c->arena, x->msg);
    return mine.msg.ptr ? sn_vec_push(&c->checks, mine) : SN_E_NOMEM;
}
static int collect(const struct sn_cons_verifier *v, struct sn_cons_check *checks, size_t n)
{
    struct collector *c = (struct collector *)v; /* its first member */
    for (size_t i = 0; i < n; i++) {
        int r = add_check(c, &checks[i]);
        if (r < 0) return r;
        checks[i].ok = true;
    }
    return 0;
}

struct check_task {
    struct sn_blocksync *b;
    unsigned n;
    struct sn_sync_job *jobs[SN_BLOCKSYNC_CHECK_HEIGHTS + 1]; /* n, and the last one's successor */
    struct sn_cons_valset *sets[SN_BLOCKSYNC_CHECK_HEIGHTS];
    /* Of each height: what is wrong with the commit that its successor brought, and with the block by
     * that commit; 0: nothing. */
    int commits[SN_BLOCKSYNC_CHECK_HEIGHTS], blocks[SN_BLOCKSYNC_CHECK_HEIGHTS];
    /* Where its commit's and its extended commit's signatures end in the collected checks. */
    size_t ends[SN_BLOCKSYNC_CHECK_HEIGHTS], ext_ends[SN_BLOCKSYNC_CHECK_HEIGHTS];
    struct collector c;
};

/* The extended commit is one of the same block, and each vote for it has its extension signed. */
static int check_ext(struct check_task *t, unsigned i, struct sn_str chain)
{
    const struct sn_sync_job *j = t->jobs[i];
    struct sn_buf msg SN_CLEANUP(sn_buf_done);
    sn_buf_init(&msg, 0);
    int r = sn_cons_commit_verify(&t->c.v, chain, t->sets[i], &j->ext, j->height, &j->id);
    for (uint32_t k = 0; r >= 0 && k < j->ext.n; k++) {
        const struct sn_cons_commit_sig *s = &j->ext.sigs[k];
        struct sn_cons_vote v;
        if (s->flag != SN_CONS_COMMIT) continue;
        sn_cons_commit_vote(&j->ext, k, &v);
        sn_buf_reset(&msg);
        r = sn_cons_extension_sign_bytes(chain, &v, &msg);
        if (r >= 0)
            r = add_check(&t->c, &(struct sn_cons_check){.key = &t->sets[i]->vals[k].key,
                                                         .msg = sn_buf_view(&msg),
                                                         .sig = &s->ext_sig});
    }
    return r;
}
/* The commit is checked for the block it names itself: so it is known which of the two is wrong, if
 * that is another. */
static int check_one(struct check_task *t, unsigned i, struct sn_str chain)
{
    const struct sn_sync_job *j = t->jobs[i];
    const struct sn_cons_commit *c = t->jobs[i + 1]->block->last_commit;
    int r = sn_cons_commit_verify(&t->c.v, chain, t->sets[i], c, j->height, &c->block_id);
    if (r == SN_E_NOMEM) return r;
    t->commits[i] = r;
    t->ends[i] = t->c.checks.len;
    if (!sn_cons_block_id_eq(&c->block_id, &j->id))
        t->blocks[i] = sn_fail(SN_E_INVALID_ARGUMENT, "two thirds signed another block %lld",
                               (long long)j->height);
    else if (j->has_ext) t->blocks[i] = check_ext(t, i, chain);
    t->ext_ends[i] = t->c.checks.len;
    return t->blocks[i] == SN_E_NOMEM ? SN_E_NOMEM : 0;
}
static int check_all(struct check_task *t)
{
    struct sn_str chain = t->b->view->genesis->chain_id;
    t->c.v.verify = collect;
    sn_arena_init(&t->c.arena, NULL, 0);
    for (unsigned i = 0; i < t->n; i++) {
        int r = check_one(t, i, chain);
        if (r < 0) return r;
    }
    const struct sn_cons_verifier *v = t->b->view->verifier;
    int r = v->verify(v, t->c.checks.ptr, t->c.checks.len);
    if (r < 0) return r;
    size_t k = 0;
    for (unsigned i = 0; i < t->n; i++) {
        for (; k < t->ends[i]; k++)
            if (!t->c.checks.ptr[k].ok) t->commits[i] = SN_E_INVALID_ARGUMENT;
        for (; k < t->ext_ends[i]; k++)
            if (!t->c.checks.ptr[k].ok) t->blocks[i] = SN_E_INVALID_ARGUMENT;
    }
    return 0;
}

static void take_verdict(struct sn_blocksync *b, struct sn_sync_job *j, struct sn_sync_job *next,
                         int commit, int block)
{
    if (*job_at(b, j->height) != j) return; /* it went meanwhile */
    if (commit < 0) {
        j->state = SN_JOB_READY;
        if (*job_at(b, next->height) == next) sn_blocksync_wrong(b, next->height, commit);
    } else if (block < 0) {
        sn_blocksync_wrong(b, j->height, block);
    } else {
        j->state = SN_JOB_CHECKED;
        j->next = next;
        next->refs++;
    }
}
static int check_fiber(void *arg)
{
    struct check_task *t = arg;
    struct sn_blocksync *b = t->b;
    int r = check_all(t);
    sn_mutex_lock_always(&b->lock);
    for (unsigned i = 0; r < 0 && i < t->n; i++) t->jobs[i]->state = SN_JOB_READY;
    for (unsigned i = 0; r >= 0 && i < t->n; i++)
        take_verdict(b, t->jobs[i], t->jobs[i + 1], t->commits[i], t->blocks[i]);
    for (unsigned i = 0; i < t->n; i++) sn_cons_valset_unref(t->sets[i]);
    for (unsigned i = 0; i <= t->n; i++) job_unref(t->jobs[i]);
    b->checks--;
    if (b->syncing) sn_blocksync_pump(b);
    sn_cond_signal(&b->changed);
    sn_mutex_unlock(&b->lock);
    sn_vec_done(&t->c.checks);
    sn_arena_done(&t->c.arena);
    sn_free(t);
    return r;
}

static struct sn_cons_valset *set_of(struct sn_blocksync *b, const struct sn_cons_hash *hash)
{
    for (unsigned i = 0; i < 2; i++)
        if (b->sets[i].set && sn_cons_hash_eq(&b->sets[i].hash, hash)) return b->sets[i].set;
    return NULL;
}
/* Adds the heights from h on that can be checked now. */
static void take_run(struct sn_blocksync *b, struct check_task *t, int64_t h)
{
    size_t signatures = 0;
    while (t->n < SN_BLOCKSYNC_CHECK_HEIGHTS && signatures < SN_BLOCKSYNC_CHECK_SIGNATURES) {
        struct sn_sync_job *j = ready(b, h), *next = ready(b, h + 1);
        struct sn_cons_valset *set =
            j && next && j->state == SN_JOB_READY ? set_of(b, &j->block->header.validators_hash) : NULL;
        if (!set) break;
        j->state = SN_JOB_CHECKING;
        j->refs++;
        t->jobs[t->n] = j;
        t->sets[t->n++] = sn_cons_valset_ref(set);
        t->jobs[t->n] = next;
        signatures += set->n;
        h++;
    }
    if (t->n) t->jobs[t->n]->refs++; /* the last one's successor */
}
static void begin_checks(struct sn_blocksync *b)
{
    unsigned most = 2 * sn_worker_count();
    for (int64_t h = b->pool.next; h < b->pool.top && b->checks < most; h++) {
        struct sn_sync_job *j = ready(b, h);
        if (!j || j->state != SN_JOB_READY || !ready(b, h + 1) ||
            !set_of(b, &j->block->header.validators_hash))
            continue;
        struct check_task *t = SN_NEW(struct check_task);
        if (!t) return; /* the next event tries again */
        t->b = b;
        take_run(b, t, h);
        if (sn_scope_go(b->scope, "check commits", check_fiber, t) < 0) {
            for (unsigned i = 0; i < t->n; i++) {
                t->jobs[i]->state = SN_JOB_READY;
                sn_cons_valset_unref(t->sets[i]);
            }
            for (unsigned i = 0; i <= t->n; i++) job_unref(t->jobs[i]);
            sn_free(t);
            return;
        }
        b->checks++;
    }
}

void sn_blocksync_pump(struct sn_blocksync *b)
{
    unsigned i;
    int64_t height;
    while (sn_sync_pool_request(&b->pool, sn_now(), &i, &height)) {
        b->links[i]->owed++;
        sn_blocksync_send(b->links[i], &(struct sn_blocksync_msg){
                                           .kind = SN_BLOCKSYNC_BLOCK_REQUEST, .height = height});
    }
    begin_checks(b);
}

/* ---- executing ---- */

struct run {
    struct sn_blocksync *b;
    struct sn_cons_state *state;
    int64_t blocks, began, status_at, settled_since, said_at, said_blocks;
    const struct sn_sync_job *checked; /* its last commit was checked; only compared */
    struct sn_sync_job *job;           /* being applied */
};

static int store(void *arg)
{
    struct run *x = arg;
    const struct sn_sync_job *j = x->job;
    const struct sn_cons_commit *seen = j->has_ext ? &j->ext : j->next->block->last_commit;
    return sn_cons_block_store_save(x->b->view->blocks, j->block, j->parts, seen, j->has_ext);
}
/* Returns 0; SN_E_INVALID_ARGUMENT: the block does not follow. */
static int apply(struct run *x)
{
    struct sn_sync_job *j = x->job;
    struct sn_cons_state *after;
    bool due = sn_cons_params_extensions(&x->state->params, j->height);
    if (due != j->has_ext)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block %lld comes %s an extended commit",
                       (long long)j->height, due ? "without" : "with");
    struct sn_exec_apply_opts o = {.commit_checked = x->checked == j,
                                   .store = store,
                                   .arg = x,
                                   .state_soon = true};
    int r = sn_exec_apply_with(x->b->view->exec, x->state, j->block, &j->id, &o, &after);
    if (r < 0) return r;
    sn_cons_state_unref(x->state);
    x->state = after;
    x->blocks++;
    x->checked = j->next;
    return 0;
}

/* The sets of the next two heights under their hashes; copies, for fibers that check. hash: of the set,
 * NULL where it has to be computed. */
static int know_set(struct sn_blocksync *b, unsigned i, const struct sn_cons_valset *set,
                    const struct sn_cons_hash *hash)
{
    struct sn_cons_hash own;
    int r = hash ? 0 : sn_cons_valset_hash(set, &own);
    if (!hash) hash = &own;
    if (r < 0 || (b->sets[i].set && sn_cons_hash_eq(hash, &b->sets[i].hash))) return r;
    struct sn_cons_valset *copy = sn_cons_valset_copy(set);
    if (!copy) return SN_E_NOMEM;
    sn_cons_valset_unref(b->sets[i].set);
    b->sets[i].set = copy;
    b->sets[i].hash = *hash;
    return 0;
}
/* applied: the block that has led to the state, whose header has been found right; NULL: none yet. */
static int know_sets(struct run *x, const struct sn_cons_block *applied)
{
    const struct sn_cons_state *s = x->state;
    const struct sn_cons_hash *vals = applied ? &applied->header.next_validators_hash : NULL;
    bool changed = s->vals_changed == s->last_height + 2;
    int r = know_set(x->b, 0, s->vals, vals);
    return r < 0 ? r : know_set(x->b, 1, s->next_vals, changed ? NULL : vals);
}

static void say(struct run *x)
{
    int64_t now = sn_now();
    if (now - x->said_at < 10 * SN_SEC) return;
    SN_LOG_INFO("block sync", SN_L("height", x->state->last_height),
                SN_L("of", sn_sync_pool_max(&x->b->pool)),
                SN_L("blocks_per_s", (x->blocks - x->said_blocks) * SN_SEC / (now - x->said_at)));
    x->said_at = now;
    x->said_blocks = x->blocks;
}

/* Applies the next block, the lock held on entry and return. */
static int advance(struct run *x)
{
    struct sn_blocksync *b = x->b;
    struct sn_sync_job *j = x->job;
    j->refs++;
    sn_mutex_unlock(&b->lock);
    int r = apply(x);
    sn_mutex_lock_always(&b->lock);
    if (r == SN_E_INVALID_ARGUMENT) {
        if (*job_at(b, j->height) == j) sn_blocksync_wrong(b, j->height, r);
        r = 0;
    } else if (r >= 0) {
        sn_sync_pool_applied(&b->pool);
        job_unref(*job_at(b, j->height));
        *job_at(b, j->height) = NULL;
        r = know_sets(x, j->block);
        say(x);
    }
    job_unref(j);
    sn_blocksync_pump(b);
    return r;
}

/* ---- when it ends ---- */

/* With a third of the power the chain has not gone on without us. */
static bool chain_waits_for_us(const struct run *x)
{
    uint8_t addr[SN_CONS_ADDR_LEN];
    const struct sn_cons_key *key = x->b->view->validator_key;
    if (!key || sn_cons_key_addr(key, addr) < 0) return false;
    int32_t i = sn_cons_valset_find(x->state->vals, addr);
    return i >= 0 && x->state->vals->vals[i].power >= x->state->vals->total / 3;
}
/* After a state sync: a node that is to propose needs the extensions of the last commit. */
static int lacks_extensions(const struct run *x)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_commit c;
    sn_arena_init(&a, NULL, 0);
    int64_t h = x->state->last_height;
    if (h == 0 || x->blocks > 0 || !sn_cons_params_extensions(&x->state->params, h)) return 0;
    int r = sn_cons_block_store_extended(x->b->view->blocks, h, &a, &c);
    return r == SN_E_NOT_FOUND ? 1 : r;
}
static bool ended(struct run *x, bool needs_more, int64_t now)
{
    if (needs_more && x->blocks == 0) return false;
    if (chain_waits_for_us(x)) return true;
    const struct sn_sync_pool *p = &x->b->pool;
    if (!sn_sync_pool_caught_up(p)) {
        /* A few blocks that came while we asked are no reason to ask again: a fast chain has always
         * some. What is missing in the end comes by consensus. */
        if (sn_sync_pool_max(p) - p->next > SN_BLOCKSYNC_NEAR) x->settled_since = 0;
        return false;
    }
    if (!x->settled_since) {
        x->settled_since = now;
        sn_blocksync_ask_status(x->b); /* they may have gone on since they said */
    }
    return now - x->settled_since >= SN_BLOCKSYNC_SETTLE_NS;
}

/* ---- the run ---- */

static void tick(struct run *x, int64_t now)
{
    struct sn_blocksync *b = x->b;
    unsigned i;
    while (sn_sync_pool_expired(&b->pool, now, &i)) {
        sn_sync_pool_remove(&b->pool, i);
        int r = sn_fail(SN_E_DEADLINE_EXCEEDED, "no block for %lld s, or too slowly",
                        (long long)(SN_SYNC_TIMEOUT_NS / SN_SEC));
        if (b->links[i]) sn_switch_peer_stop(b->links[i]->sp, r, SN_BLOCKSYNC_BAN_NS);
    }
    if (now - x->status_at >= SN_BLOCKSYNC_STATUS_NS) {
        x->status_at = now;
        sn_blocksync_ask_status(b);
    }
    sn_blocksync_pump(b);
}
static int sync_loop(struct run *x, bool needs_more)
{
    struct sn_blocksync *b = x->b;
    for (;;) {
        int64_t now = sn_now();
        /* A fiber that failed has cancelled the scope: why is known when it ends. */
        if (sn_cancelled() || sn_scope_cancelled(b->scope)) return SN_E_CANCELLED;
        x->job = ready(b, b->pool.next);
        if (x->job && x->job->state == SN_JOB_CHECKED) {
            int r = advance(x);
            if (r < 0) return r;
            continue;
        }
        if (ended(x, needs_more, now)) return 0;
        tick(x, now);
        int64_t before = sn_deadline_tighten(now + SN_BLOCKSYNC_TICK_NS);
        int r = sn_cond_wait(&b->changed, &b->lock);
        sn_deadline_restore(before);
        if (r == SN_E_CANCELLED) return r;
    }
}

static void begin(struct run *x)
{
    struct sn_blocksync *b = x->b;
    b->syncing = true;
    b->view->block_syncing = true;
    sn_sync_pool_init(&b->pool, sn_cons_state_next_height(x->state));
    for (unsigned i = 0; i < SN_SYNC_PEERS_MAX; i++) {
        const struct sn_sync_link *l = b->links[i];
        /* A new pool: whatever it says first is taken. */
        if (l && l->has_status) (void)!sn_sync_pool_status(&b->pool, i, l->base, l->height);
    }
    sn_blocksync_ask_status(b);
    x->began = x->said_at = x->status_at = sn_now();
}
static void end(struct run *x)
{
    struct sn_blocksync *b = x->b;
    for (unsigned i = 0; i < SN_SYNC_WINDOW; i++) {
        job_unref(b->jobs[i]);
        b->jobs[i] = NULL;
    }
    for (unsigned i = 0; i < 2; i++) {
        sn_cons_valset_unref(b->sets[i].set);
        b->sets[i].set = NULL;
    }
    b->view->block_syncing = false;
}

int sn_blocksync_run(struct sn_blocksync *b, struct sn_cons_state *state,
                     struct sn_cons_state **ret, int64_t *ret_blocks)
{
    struct run x = {.b = b, .state = sn_cons_state_ref(state)};
    struct sn_scope_storage mem;
    int needs_more = lacks_extensions(&x);
    int r = needs_more < 0 ? needs_more : 0;
    struct sn_scope *outer = sn_scope_begin(&mem);
    sn_mutex_lock_always(&b->lock);
    b->scope = outer;
    if (r >= 0) r = know_sets(&x, NULL);
    if (r >= 0) {
        begin(&x);
        r = sync_loop(&x, needs_more > 0);
        b->syncing = false;
    }
    sn_mutex_unlock(&b->lock);
    sn_scope_cancel(outer);
    int s = sn_scope_end(outer);
    /* A fiber's failure has cancelled the scope, and this one with it. */
    if ((r >= 0 || r == SN_E_CANCELLED) && s < 0 && s != SN_E_CANCELLED) r = s;
    sn_mutex_lock_always(&b->lock);
    end(&x);
    sn_mutex_unlock(&b->lock);
    if (r < 0) {
        sn_cons_state_unref(x.state);
        return sn_wrap(r, "block sync");
    }
    SN_LOG_INFO("block sync is done", SN_L("height", x.state->last_height), SN_L("blocks", x.blocks),
                SN_L_DURATION("took", sn_now() - x.began));
    *ret = x.state;
    *ret_blocks = x.blocks;
    return 0;
}
