/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/client.c - which way a height is verified by, and what is kept.
 *
 * Where a block stands for trust its own validators do, not the next ones: a light block has no
 * others, and CometBFT does likewise. */
#include <stdatomic.h>

#include "consensus/check.h"
#include "consensus/hash.h"
#include "consensus/light/client_int.h"
#include "core/alloc.h"
#include "fiber/fiber.h"
#include "kit/log.h"

SN_LOG_MODULE("light");

/* Headers asked for at once where each is wanted. */
#define BATCH 16

struct sn_cons_time light_now(void) { return sn_cons_time_of_ns(sn_wall_now()); }

/* ---- what is kept ---- */

static int save(struct sn_light_client *c, const struct sn_cons_light_block *b)
{
    int r = sn_light_store_put(&c->store, b, c->keep);
    c->first = c->store.first;
    c->latest = c->store.last;
    return r;
}
/* Blocks are in arenas, not on stacks: they are large, and providers' calls go deep. */
static int load(struct sn_light_client *c, int64_t height, struct sn_arena *a,
                struct sn_cons_light_block **ret)
{
    *ret = SN_ARENA_NEW(a, struct sn_cons_light_block);
    int r = *ret ? sn_light_store_get(&c->store, height, a, *ret) : SN_E_NOMEM;
    return r == SN_E_NOT_FOUND
               ? sn_fail(SN_E_DATA_LOSS, "trusted block %lld is gone", (long long)height)
               : r;
}

/* ---- forward ---- */

int light_walk(struct sn_light_client *c, struct sn_light_provider *p, struct sn_light_walk *w,
               struct sn_arena *a, int64_t *ret_height)
{
    for (;;) {
        int r = sn_light_walk_next(w, ret_height);
        if (r != SN_LIGHT_WANT) return r;
        struct sn_cons_light_block *b = SN_ARENA_NEW(a, struct sn_cons_light_block);
        int64_t height = *ret_height;
        *ret_height = 0;
        if (!b) return SN_E_NOMEM;
        r = p ? light_fetch(c, p, height, a, b) : light_primary(c, height, a, b);
        if (r < 0) return sn_wrap(r, "block %lld", (long long)height);
        sn_light_walk_put(w, b);
    }
}

/* What verification works on; the target is where it is going to. */
struct way {
    struct sn_light_client *c;
    struct sn_cons_light_block *target;
    struct sn_cons_time now;
    int64_t bad; /* height of the block that was wrong */
};

/* By bisection. Where the way is longer than one trace its end is compared and kept, and the rest
 * is gone from there. */
static int skip(struct way *way, struct sn_cons_light_block *trusted, struct sn_arena *a)
{
    struct sn_light_client *c = way->c;
    for (;;) {
        struct sn_light_walk w;
        sn_light_walk_begin(&w, &c->rules, trusted, way->target, way->now);
        int step = light_walk(c, NULL, &w, a, &way->bad);
        if (step < 0) return step;
        int r = light_detect(c, w.trace, w.n_trace, a);
        if (r < 0 || step == SN_LIGHT_DONE) return r;
        trusted = w.trace[w.n_trace - 1];
        if ((r = save(c, trusted)) < 0) return r;
    }
}

/* ---- one by one ---- */

struct fetch {
    struct sn_light_client *c;
    int64_t height;
    struct sn_cons_valset *vals;
    struct sn_arena arena;
    struct sn_cons_light_block block;
    int r;
};
static int fetch_one(void *arg)
{
    struct fetch *f = arg;
    struct sn_light_provider *p = f->c->providers[0];
    f->r = p->signed_header ? p->signed_header(p, f->height, &f->arena, &f->block)
                            : p->block(p, f->height, &f->arena, &f->block);
    return 0;
}
/* The headers from..from + n - 1 at once; what does not come is asked for again, alone. */
static void fetch_batch(struct fetch *f, unsigned n)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    for (unsigned i = 0; i < n; i++) {
        f[i].r = SN_E_UNAVAILABLE;
        if (sn_scope_go(scope, "light-headers", fetch_one, &f[i]) < 0) break;
    }
    (void)sn_scope_end(scope);
}
/* The batch's block i with its validators: those of the block before where they are the same. */
static int complete(struct sn_light_client *c, struct fetch *f, struct sn_cons_valset *vals)
{
    struct sn_cons_light_block *b = &f->block;
    struct sn_cons_hash hash;
    bool whole = f->r >= 0 && b->header.height == f->height && b->vals;
    if (whole) return 0;
    if (f->r < 0 || b->header.height != f->height)
        return light_header(c, f->height, vals, &f->arena, b);
    int r = sn_cons_valset_hash(vals, &hash);
    if (r < 0) return r;
    b->vals = vals;
    if (sn_cons_hash_eq(&hash, &b->header.validators_hash)) return 0;
    return light_primary(c, f->height, &f->arena, b);
}
/* The set must outlive the batch that it came with. */
static int keep_set(struct sn_arena *a, struct sn_cons_valset **vals)
{
    struct sn_cons_valset *s = SN_ARENA_NEW(a, struct sn_cons_valset);
    if (!s) return SN_E_NOMEM;
    *s = **vals;
    if (!(s->vals = SN_ARENA_ARRAY(a, struct sn_cons_validator, s->n))) return SN_E_NOMEM;
    memcpy(s->vals, (*vals)->vals, s->n * sizeof(*s->vals));
    *vals = s;
    return 0;
}
struct seq {
    struct way *way;
    struct sn_cons_light_block last; /* verified; its commit is of no interest any more */
    struct sn_arena sets[2];         /* the set of `last` is in [flip] */
    unsigned flip;
    struct fetch f[BATCH];
};
static int seq_verify(struct seq *s, struct sn_cons_light_block *b)
{
    struct way *way = s->way;
    struct sn_cons_light_trusted t = {&s->last.header, s->last.vals};
    int r = sn_cons_light_verify(&way->c->rules, &t, b, way->now);
    if (r < 0) way->bad = b->header.height;
    return r;
}
static int seq_batch(struct seq *s, unsigned n)
{
    int r = 0;
    for (unsigned i = 0; r >= 0 && i < n; i++) {
        struct fetch *f = &s->f[i];
        if ((r = complete(s->way->c, f, s->last.vals)) < 0) break;
        if ((r = seq_verify(s, &f->block)) < 0) break;
        struct sn_cons_valset *vals = f->block.vals;
        if (vals != s->last.vals) {
            sn_arena_reset(&s->sets[!s->flip]);
            if ((r = keep_set(&s->sets[!s->flip], &vals)) < 0) break;
            s->flip = !s->flip;
        }
        s->last = (struct sn_cons_light_block){.header = f->block.header, .vals = vals};
    }
    return r;
}
static int seq_run(struct seq *s)
{
    int64_t target = s->way->target->header.height;
    while (s->last.header.height + 1 < target) {
        int64_t from = s->last.header.height + 1;
        unsigned n = (unsigned)SN_MIN(target - from, (int64_t)BATCH);
        for (unsigned i = 0; i < n; i++) {
            sn_arena_reset(&s->f[i].arena);
            s->f[i].c = s->way->c;
            s->f[i].height = from + i;
            s->f[i].block.vals = NULL;
        }
        fetch_batch(s->f, n);
        int r = sn_cancelled() ? SN_E_CANCELLED : seq_batch(s, n);
        if (r < 0) return r;
    }
    return seq_verify(s, s->way->target);
}
static int one_by_one(struct way *way, struct sn_cons_light_block *trusted, struct sn_arena *a)
{
    struct seq *s SN_CLEANUP(sn_freep) = SN_NEW(struct seq);
    if (!s) return SN_E_NOMEM;
    s->way = way;
    s->last = *trusted;
    for (unsigned i = 0; i < BATCH; i++) sn_arena_init(&s->f[i].arena, NULL, SN_LIGHT_ARENA_MAX);
    for (unsigned i = 0; i < 2; i++) sn_arena_init(&s->sets[i], NULL, SN_LIGHT_ARENA_MAX);
    int r = seq_run(s);
    for (unsigned i = 0; i < BATCH; i++) sn_arena_done(&s->f[i].arena);
    for (unsigned i = 0; i < 2; i++) sn_arena_done(&s->sets[i]);
    if (r < 0) return r;
    struct sn_cons_light_block *trace[2] = {trusted, way->target};
    return light_detect(way->c, trace, 2, a);
}

/* Forward, and again with another primary where this one sent something wrong: each has one turn.
 */
static int forward(struct sn_light_client *c, int64_t from, struct sn_cons_light_block *target,
                   struct sn_arena *a)
{
    struct way way = {.c = c, .target = target, .now = light_now()};
    struct sn_cons_light_block *trusted, *other = SN_ARENA_NEW(a, struct sn_cons_light_block);
    struct sn_cons_hash want, got;
    int r = other ? load(c, from, a, &trusted) : SN_E_NOMEM;
    for (unsigned turns = c->n;; turns--) {
        way.bad = 0;
        if (r >= 0) r = c->sequential ? one_by_one(&way, trusted, a) : skip(&way, trusted, a);
        if (r != SN_E_INVALID_ARGUMENT || !way.bad || turns <= 1) return r;
        SN_LOG_WARN("block is wrong", SN_L("height", way.bad),
                    SN_L("provider", c->providers[0]->name), SN_L_ERR(r));
        int64_t height = target->header.height;
        int again = light_replace(c, height, way.bad != height, r, a, other);
        if (again < 0) return again;
        if ((again = sn_cons_header_hash(&target->header, &want)) < 0) return again;
        if ((again = sn_cons_header_hash(&other->header, &got)) < 0) return again;
        /* An inner block was wrong: only who has the same target may go on with it. */
        if (way.bad != height && !sn_cons_hash_eq(&want, &got)) return r;
        *target = *other;
        r = 0;
    }
}

/* ---- backward ---- */

/* From the oldest block above the target down, each by the hash in the one after it. Hashes prove the
 * header and who the validators are, not whose turn it is: that the witnesses are asked. */
static int backward(struct sn_light_client *c, int64_t from, struct sn_cons_light_block *target,
                    struct sn_arena *a)
{
    struct sn_arena one SN_CLEANUP(sn_arena_done);
    struct sn_cons_light_block *top, *b = SN_ARENA_NEW(a, struct sn_cons_light_block);
    struct sn_cons_header *newer = SN_ARENA_NEW(a, struct sn_cons_header);
    sn_arena_init(&one, NULL, SN_LIGHT_ARENA_MAX);
    int r = b && newer ? load(c, from, a, &top) : SN_E_NOMEM;
    if (r < 0) return r;
    *newer = top->header;
    unsigned turns = c->n;
    for (int64_t h = from - 1; h >= target->header.height; h--) {
        bool last = h == target->header.height;
        sn_arena_reset(&one);
        r = last ? 0 : light_header(c, h, top->vals, &one, b);
        if (r < 0) return r;
        r = sn_cons_light_verify_back(newer, last ? &target->header : &b->header);
        if (r == SN_E_INVALID_ARGUMENT && turns-- > 1) {
            r = light_replace(c, h, true, r, last ? a : &one, last ? target : b);
            if (r >= 0) r = sn_cons_light_verify_back(newer, last ? &target->header : &b->header);
        }
        if (r < 0) return r;
        *newer = last ? target->header : b->header;
    }
    return light_confirm(c, target);
}

/* ---- the public ones ---- */

static int verify(struct sn_light_client *c, struct sn_cons_light_block *b, struct sn_arena *a)
{
    int64_t below, above, height = b->header.height;
    struct sn_cons_light_block *base;
    int r = sn_light_store_below(&c->store, height, &below);
    if (r >= 0) r = sn_light_store_above(&c->store, height, &above);
    if (r >= 0 && below && above) {
        /* Between two trusted blocks: forward from the lower, unless that is too old for it. */
        if ((r = load(c, below, a, &base)) < 0) return r;
        if (sn_cons_time_sub(light_now(), base->header.time) >= c->rules.trusting_ns) below = 0;
    }
    if (r < 0) return r;
    r = below ? forward(c, below, b, a) : backward(c, above, b, a);
    return r < 0 ? r : save(c, b);
}

static int find(struct sn_light_client *c, int64_t height, struct sn_arena *a,
                struct sn_cons_light_block *ret)
{
    struct sn_arena work SN_CLEANUP(sn_arena_done);
    sn_arena_init(&work, NULL, SN_LIGHT_ARENA_MAX);
    int r = height ? sn_light_store_get(&c->store, height, a, ret) : SN_E_NOT_FOUND;
    if (r != SN_E_NOT_FOUND) return r;
    if (c->latest == 0) return sn_fail(SN_E_FAILED_PRECONDITION, "light client trusts nothing yet");
    struct sn_cons_light_block *b = SN_ARENA_NEW(&work, struct sn_cons_light_block);
    r = b ? light_primary(c, height, &work, b) : SN_E_NOMEM;
    if (r < 0) return r;
    if (b->header.height <= c->latest) {
        /* The newest is one that is known, or is older than what we know. */
        int known = sn_light_store_get(&c->store, height ? height : c->latest, a, ret);
        if (known != SN_E_NOT_FOUND) return known;
    }
    r = verify(c, b, &work);
    return r < 0 ? r : light_copy(b, a, ret);
}

int sn_light_client_block(struct sn_light_client *c, int64_t height, struct sn_arena *a,
                          struct sn_cons_light_block *ret)
{
    if (height < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "height %lld", (long long)height);
    int r = sn_mutex_lock(&c->lock);
    if (r < 0) return r;
    r = find(c, height, a, ret);
    sn_mutex_unlock(&c->lock);
    return r < 0 && height ? sn_wrap(r, "light block %lld", (long long)height) : r;
}
int64_t sn_light_client_latest(const struct sn_light_client *c) { return c->latest; }
int64_t sn_light_client_first(const struct sn_light_client *c) { return c->first; }

/* Parameters that the header's hash leaves out are only as good as the nodes that agree on them. */
static bool same_params(const struct sn_cons_params *a, const struct sn_cons_params *b)
{
    return a->block_max_bytes == b->block_max_bytes && a->block_max_gas == b->block_max_gas &&
           a->evidence_max_blocks == b->evidence_max_blocks &&
           a->evidence_max_ns == b->evidence_max_ns &&
           a->evidence_max_bytes == b->evidence_max_bytes && a->app_version == b->app_version &&
           a->extensions_height == b->extensions_height && a->key_types == b->key_types;
}
static int get_params(struct sn_light_client *c, int64_t height,
                      const struct sn_cons_header *header, struct sn_cons_params *ret)
{
    struct sn_light_provider *p = c->providers[0];
    struct sn_cons_params other;
    struct sn_cons_hash hash;
    if (!p->params) return sn_fail(SN_E_UNIMPLEMENTED, "%s has no parameters to give", p->name);
    int r = p->params(p, height, ret);
    if (r >= 0) r = sn_cons_params_hash(ret, &hash);
    if (r < 0) return r;
    if (!sn_cons_hash_eq(&hash, &header->consensus_hash))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "%s: consensus parameters of height %lld are not those of its header",
                       p->name, (long long)height);
    for (unsigned i = 1; i < c->n; i++) {
        struct sn_light_provider *w = c->providers[i];
        r = w->params ? w->params(w, height, &other) : SN_E_UNIMPLEMENTED;
        if (light_ours(r)) return r;
        if (r >= 0 && !same_params(ret, &other))
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "%s and %s disagree on the consensus parameters of height %lld", p->name,
                           w->name, (long long)height);
    }
    return 0;
}
int sn_light_client_params(struct sn_light_client *c, int64_t height, struct sn_cons_params *ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_LIGHT_ARENA_MAX);
    struct sn_cons_light_block *b = SN_ARENA_NEW(&a, struct sn_cons_light_block);
    int r = b ? sn_light_client_block(c, height, &a, b) : SN_E_NOMEM;
    if (r >= 0) r = sn_mutex_lock(&c->lock);
    if (r < 0) return r;
    r = get_params(c, height, &b->header, ret);
    sn_mutex_unlock(&c->lock);
    return r;
}

/* ---- beginning and end ---- */

void sn_light_client_free(struct sn_light_client *c)
{
    if (!c) return;
    for (unsigned i = 0; i < c->n; i++) c->providers[i]->close(c->providers[i]);
    sn_kv_close(c->kv);
    sn_free(c);
}

static int has_hash(const struct sn_cons_light_block *b, const struct sn_cons_hash *want)
{
    struct sn_cons_hash hash;
    int r = sn_cons_header_hash(&b->header, &hash);
    return r < 0 ? r : sn_cons_hash_eq(&hash, want);
}

/* The user's word is the beginning: the block must be the one, signed by its own validators, and
 * nobody may have another. */
static int begin(struct sn_light_client *c, const struct sn_light_client_opts *o)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_LIGHT_ARENA_MAX);
    struct sn_cons_light_block *b = SN_ARENA_NEW(&a, struct sn_cons_light_block);
    int r = b ? light_primary(c, o->trust_height, &a, b) : SN_E_NOMEM;
    if (r >= 0) r = sn_cons_check_light_block(b);
    if (r >= 0) r = has_hash(b, &o->trust_hash);
    if (r == 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%s has another block %lld than the trusted one",
                    c->providers[0]->name, (long long)o->trust_height);
    if (r >= 0)
        r = sn_cons_commit_verify_light(c->rules.verifier, o->chain_id, b->vals, &b->commit,
                                        b->header.height, &b->commit.block_id, 0);
    if (r >= 0) r = light_compare_first(c, b);
    return r < 0 ? sn_wrap(r, "trusted block") : save(c, b);
}

/* Whether what the store has fits the user's word: our newest block is one of the primary's chain,
 * and so is the user's, found as any other. Returns 1, 0, SN_E_*. */
static int fits(struct sn_light_client *c, const struct sn_light_client_opts *o)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_light_block *mine, *b;
    struct sn_cons_hash hash;
    sn_arena_init(&a, NULL, SN_LIGHT_ARENA_MAX);
    if (!(b = SN_ARENA_NEW(&a, struct sn_cons_light_block))) return SN_E_NOMEM;
    int r = light_primary(c, c->latest, &a, b);
    if (r == SN_E_NOT_FOUND || r == SN_E_OUT_OF_RANGE) return 0;
    if (r >= 0) r = load(c, c->latest, &a, &mine);
    if (r >= 0) r = sn_cons_header_hash(&mine->header, &hash);
    if (r >= 0) r = has_hash(b, &hash);
    if (r <= 0 || o->trust_height > c->latest) return r;
    r = find(c, o->trust_height, &a, b);
    if (r == SN_E_UNAVAILABLE || light_ours(r)) return r;
    return r < 0 ? 0 : has_hash(b, &o->trust_hash);
}
static int start(struct sn_light_client *c, const struct sn_light_client_opts *o)
{
    int r = sn_light_store_open(c->kv, o->chain_id, &c->store);
    if (r < 0) return r;
    c->first = c->store.first;
    c->latest = c->store.last;
    if (o->trust_height == 0)
        return c->latest
                   ? 0
                   : sn_fail(SN_E_FAILED_PRECONDITION,
                             "light client without a trusted block: expected height and hash");
    if (c->latest) {
        if ((r = fits(c, o)) < 0) return r;
        if (r == 0) {
            SN_LOG_WARN("trusted blocks are not of the chain that is to be trusted: all removed",
                        SN_L("height", o->trust_height), SN_L("latest", (int64_t)c->latest));
            if ((r = sn_light_store_clear(&c->store)) < 0) return r;
            c->first = c->latest = 0;
        }
    }
    return o->trust_height > c->latest ? begin(c, o) : 0;
}

static int check_opts(const struct sn_light_client_opts *o)
{
    struct sn_cons_fraction l = o->rules.level;
    if (o->chain_id.len == 0 || o->chain_id.len > SN_CONS_CHAIN_ID_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "chain id of %zu bytes, expected 1 to %d",
                       o->chain_id.len, SN_CONS_CHAIN_ID_MAX);
    if (o->n_witnesses == 0 || o->n_witnesses > SN_LIGHT_WITNESSES_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%u witnesses, expected 1 to %d", o->n_witnesses,
                       SN_LIGHT_WITNESSES_MAX);
    if (o->rules.trusting_ns <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "trusting period: expected more than 0");
    if (l.den && (l.num > l.den || l.num < (l.den + 2) / 3))
        return sn_fail(SN_E_INVALID_ARGUMENT, "trust level %llu/%llu, expected 1/3 to 1",
                       (unsigned long long)l.num, (unsigned long long)l.den);
    if (o->trust_height < 0 || (o->trust_height && o->trust_hash.len != SN_CONS_HASH_LEN))
        return sn_fail(SN_E_INVALID_ARGUMENT, "trusted block: expected a height and its hash");
    return 0;
}
int sn_light_client_new(const struct sn_light_client_opts *o, struct sn_light_client **ret)
{
    struct sn_light_client *c = SN_NEW(struct sn_light_client);
    if (!c) {
        o->primary->close(o->primary);
        for (unsigned i = 0; i < o->n_witnesses; i++) o->witnesses[i]->close(o->witnesses[i]);
        sn_kv_close(o->kv);
        return SN_E_NOMEM;
    }
    c->rules = o->rules;
    if (!c->rules.drift_ns) c->rules.drift_ns = SN_LIGHT_DRIFT_NS;
    c->sequential = o->sequential;
    c->keep = o->keep ? o->keep : SN_LIGHT_KEEP;
    c->kv = o->kv;
    c->providers[c->n++] = o->primary;
    for (unsigned i = 0; i < o->n_witnesses; i++) {
        if (c->n < PROVIDERS_MAX)
            c->providers[c->n++] = o->witnesses[i];
        else
            o->witnesses[i]->close(o->witnesses[i]);
    }
    int r = check_opts(o);
    if (r >= 0) {
        memcpy(c->chain_id, o->chain_id.ptr, o->chain_id.len);
        c->chain_id_len = o->chain_id.len;
        r = start(c, o);
    }
    if (r < 0) {
        sn_light_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}
