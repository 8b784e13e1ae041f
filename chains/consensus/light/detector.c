/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/detector.c - the primary's header against those of the witnesses, and what to do
 * about two that are both signed: find where the chains parted, make evidence against each side,
 * give it to the other. Source: CometBFT v0.38.25 light/detector.go; spec/light-client/attacks. */
#include "consensus/hash.h"
#include "consensus/light/client_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "fiber/fiber.h"
#include "kit/log.h"

SN_LOG_MODULE("light");

/* How often a witness that is behind is asked whether it has caught up. */
#define POLL_NS (500 * SN_MS)

enum verdict {
    SAME,
    SILENT,     /* it has not got it, or does not answer */
    CONFLICT,   /* it has another one */
    BAD,        /* what it sent is no block */
    PRIORITIES, /* the same block, another order of proposers: which no hash covers */
    OURS,       /* cancelled, no memory */
};
struct witness {
    struct sn_light_client *c;
    struct sn_light_provider *p;
    const struct sn_cons_light_block *target;
    struct sn_cons_hash hash; /* the target's */
    struct sn_arena arena;
    struct sn_cons_light_block block; /* its own, for CONFLICT */
    enum verdict verdict;
    int r;
};

static bool same_priorities(const struct sn_cons_valset *a, const struct sn_cons_valset *b)
{
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++) same = a->vals[i].priority == b->vals[i].priority;
    return same;
}

static enum verdict judge(struct witness *w)
{
    struct sn_cons_hash hash;
    w->r = sn_cons_header_hash(&w->block.header, &hash);
    if (w->r < 0) return OURS;
    if (!sn_cons_hash_eq(&hash, &w->hash)) return CONFLICT;
    return same_priorities(w->target->vals, w->block.vals) ? SAME : PRIORITIES;
}
static enum verdict failed(struct witness *w, int r)
{
    w->r = r;
    return light_ours(r) ? OURS : light_benign(r) ? SILENT : BAD;
}

/* The witness is behind: because it lags, or because the target is of a future that is made up. An
 * honest one has a block as late as the target's soon; one that is lower then is a conflict. */
static enum verdict wait_for(struct witness *w)
{
    struct sn_light_client *c = w->c;
    int64_t height = w->target->header.height;
    int64_t until = sn_now() + 2 * c->rules.drift_ns + SN_LIGHT_LAG_NS;
    for (;;) {
        sn_arena_reset(&w->arena);
        int r = light_fetch(c, w->p, 0, &w->arena, &w->block);
        if (r >= 0 && w->block.header.height > height)
            r = light_fetch(c, w->p, height, &w->arena, &w->block);
        if (r < 0) return failed(w, r);
        if (w->block.header.height == height) return judge(w);
        if (sn_cons_time_cmp(w->block.header.time, w->target->header.time) >= 0) return CONFLICT;
        if (sn_now() >= until) return failed(w, SN_E_OUT_OF_RANGE);
        if ((r = sn_sleep(POLL_NS)) < 0) return failed(w, r);
    }
}
static int compare(void *arg)
{
    struct witness *w = arg;
    int r = light_fetch(w->c, w->p, w->target->header.height, &w->arena, &w->block);
    w->verdict = r >= 0 ? judge(w) : r == SN_E_OUT_OF_RANGE ? wait_for(w) : failed(w, r);
    return 0;
}

/* All of them at once. w: c->n of them, [0] is not used. */
static int compare_all(struct sn_light_client *c, const struct sn_cons_light_block *target,
                       struct witness *w)
{
    struct sn_scope_storage mem;
    struct sn_cons_hash hash;
    int r = sn_cons_header_hash(&target->header, &hash);
    if (r < 0) return r;
    struct sn_scope *scope = sn_scope_begin(&mem);
    for (unsigned i = 1; i < c->n; i++) {
        w[i] = (struct witness){
            .c = c, .p = c->providers[i], .target = target, .hash = hash, .verdict = OURS};
        sn_arena_init(&w[i].arena, NULL, SN_LIGHT_ARENA_MAX);
        w[i].r = r >= 0 ? sn_scope_go(scope, "light-witness", compare, &w[i]) : r;
        if (w[i].r < 0) r = w[i].r;
    }
    int joined = sn_scope_end(scope);
    if (r >= 0) r = joined;
    for (unsigned i = 1; i < c->n; i++)
        if (w[i].verdict == OURS && r >= 0) r = w[i].r;
    return r;
}
static void witnesses_done(struct sn_light_client *c, struct witness *w, unsigned n)
{
    for (unsigned i = n; i-- > 1;) {
        if (w[i].verdict == BAD) light_drop(c, i);
        sn_arena_done(&w[i].arena);
    }
}

static int other_priorities(const struct witness *w)
{
    return sn_fail(SN_E_DATA_LOSS, "%s has other proposer priorities at %lld than %s", w->p->name,
                   (long long)w->target->header.height, w->c->providers[0]->name);
}

int light_compare_first(struct sn_light_client *c, struct sn_cons_light_block *b)
{
    unsigned n = c->n;
    struct witness *w SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(struct witness, n + 1);
    if (!w) return SN_E_NOMEM;
    int r = compare_all(c, b, w);
    for (unsigned i = 1; r >= 0 && i < n; i++) {
        if (w[i].verdict == CONFLICT)
            r = sn_fail(SN_E_DATA_LOSS, "%s has another block %lld than %s", w[i].p->name,
                        (long long)b->header.height, c->providers[0]->name);
        else if (w[i].verdict == PRIORITIES)
            r = other_priorities(&w[i]);
    }
    witnesses_done(c, w, n);
    return r;
}

int light_confirm(struct sn_light_client *c, const struct sn_cons_light_block *b)
{
    unsigned n = c->n, same = 0;
    if (n < 2) return sn_fail(SN_E_UNAVAILABLE, "no witness is left to compare with");
    struct witness *w SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(struct witness, n);
    if (!w) return SN_E_NOMEM;
    int r = compare_all(c, b, w);
    for (unsigned i = 1; r >= 0 && i < n; i++) {
        if (w[i].verdict == SAME) same++;
        /* The header is proven: who has another one lies. */
        if (w[i].verdict == CONFLICT) w[i].verdict = BAD;
        if (w[i].verdict == PRIORITIES) r = other_priorities(&w[i]);
    }
    witnesses_done(c, w, n);
    if (r < 0 || same) return r < 0 ? r : 0;
    return sn_fail(SN_E_UNAVAILABLE, "no witness could confirm the validators of block %lld",
                   (long long)b->header.height);
}

/* ---- two headers, both signed ---- */

/* Where a chain parts from a trace: `from` is the last block both have, `theirs` what the source
 * has verified after it, `parted` the trace's block beside it. */
struct fork {
    struct sn_cons_light_block *from, *theirs, *parted;
    struct sn_light_walk way; /* the source's, from `from` to `theirs` */
};

/* The source's chain from `from` to `to`. Its inner blocks only matter where it is itself accused.
 */
static int follow(struct sn_light_client *c, struct sn_light_provider *source, struct fork *f,
                  struct sn_cons_light_block *to, struct sn_arena *a)
{
    struct sn_cons_light_block *from = f->from;
    int64_t height;
    for (;;) {
        sn_light_walk_begin(&f->way, &c->rules, from, to, light_now());
        int r = light_walk(c, source, &f->way, a, &height);
        if (r < 0)
            return sn_wrap(r, "%s cannot prove its block %lld", source->name,
                           (long long)to->header.height);
        if (r == SN_LIGHT_DONE) break;
        from = f->way.trace[f->way.n_trace - 1];
    }
    f->way.trace[0] = f->from;
    f->theirs = to;
    return 0;
}
static int same_block(const struct sn_cons_light_block *x, const struct sn_cons_light_block *y)
{
    struct sn_cons_hash a, b;
    int r = sn_cons_header_hash(&x->header, &a);
    if (r >= 0) r = sn_cons_header_hash(&y->header, &b);
    return r < 0 ? r : sn_cons_hash_eq(&a, &b);
}

/* The trace is of blocks the other side verified; `target` is the source's block that differs, at
 * the height of the trace's last or below it. */
static int examine(struct sn_light_client *c, struct sn_cons_light_block *const *trace, unsigned n,
                   struct sn_cons_light_block *target, struct sn_light_provider *source,
                   struct sn_arena *a, struct fork *f)
{
    if (target->header.height < trace[0]->header.height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s is below what is trusted", source->name);
    for (unsigned i = 0; i < n; i++) {
        struct sn_cons_light_block *t = trace[i], *b = target;
        int r;
        if (t->header.height > target->header.height) {
            /* A header of the future: the source's newest block is as late and lower. */
            if (sn_cons_time_cmp(t->header.time, target->header.time) > 0)
                return sn_fail(SN_E_INVALID_ARGUMENT, "%s is behind", source->name);
            f->parted = t;
            f->way = (struct sn_light_walk){.trace[0] = f->from, .n_trace = 1};
            f->theirs = f->from;
            return f->from->header.height == target->header.height
                       ? 0
                       : follow(c, source, f, target, a);
        }
        if (t->header.height < target->header.height) {
            if (!(b = SN_ARENA_NEW(a, struct sn_cons_light_block))) return SN_E_NOMEM;
            if ((r = light_fetch(c, source, t->header.height, a, b)) < 0) return r;
        }
        if (i > 0 && (r = follow(c, source, f, b, a)) < 0) return r;
        if ((r = same_block(b, t)) < 0) return r;
        if (r == 0 && i == 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%s has another trusted block %lld", source->name,
                           (long long)t->header.height);
        if (r == 0) {
            f->parted = t;
            return 0;
        }
        f->from = t;
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s has the same blocks after all", source->name);
}

/* Evidence against the side whose block `accused` is, for the other one. */
static int accuse(struct sn_light_provider *judge, struct sn_cons_light_block *accused,
                  const struct fork *f, struct sn_arena *a)
{
    struct sn_cons_evidence ev;
    int r = sn_cons_evidence_of_attack(accused, f->theirs, f->from, a, &ev);
    if (r >= 0 && judge->report) r = judge->report(judge, &ev);
    if (r < 0)
        SN_LOG_ERROR("evidence was not taken", SN_L("by", judge->name), SN_L_ERR(r));
    else
        SN_LOG_WARN("evidence sent", SN_L("to", judge->name),
                    SN_L("height", accused->header.height), SN_L("common_height", ev.common_height),
                    SN_L("accused", (int64_t)ev.n_byzantine));
    return light_ours(r) ? r : 0;
}

/* One by one the way was not kept: evidence needs steps that a validator set leads across. */
static int retrace(struct sn_light_client *c, struct sn_cons_light_block *const *trace, unsigned n,
                   struct sn_arena *a, struct sn_light_walk *w)
{
    int64_t height;
    sn_light_walk_begin(w, &c->rules, trace[0], trace[n - 1], light_now());
    int r = light_walk(c, c->providers[0], w, a, &height);
    return r == SN_LIGHT_DONE || light_ours(r) ? r : -1;
}

static int attack(struct sn_light_client *c, const struct witness *w, const struct fork *f)
{
    char mine[2 * SN_CONS_HASH_LEN + 1] = "", theirs[2 * SN_CONS_HASH_LEN + 1] = "";
    struct sn_cons_hash hash;
    int r = sn_cons_header_hash(&f->parted->header, &hash);
    if (r < 0) return r;
    sn_hex_encode(hash.b, hash.len, mine);
    if ((r = sn_cons_header_hash(&f->theirs->header, &hash)) < 0) return r;
    sn_hex_encode(hash.b, hash.len, theirs);
    return sn_fail(
        SN_E_DATA_LOSS,
        "attack on the light client: after block %lld %s has %s at %lld, and %s has %s at "
        "%lld",
        (long long)f->from->header.height, c->providers[0]->name, mine,
        (long long)f->parted->header.height, w->p->name, theirs,
        (long long)f->theirs->header.height);
}

/* The witness says otherwise. Returns SN_E_DATA_LOSS where it can prove it, 0 where not,
 * light_ours. */
static int divergence(struct sn_light_client *c, struct sn_cons_light_block *const *trace,
                      unsigned n, struct witness *w, struct sn_arena *a)
{
    struct sn_light_provider *primary = c->providers[0];
    struct sn_light_walk *again = SN_ARENA_NEW(a, struct sn_light_walk);
    struct fork *f = SN_ARENA_ARRAY(a, struct fork, 2), *back = f ? f + 1 : NULL;
    if (!again || !f) return SN_E_NOMEM;
    if (c->sequential) {
        int r = retrace(c, trace, n, a, again);
        if (light_ours(r)) return r;
        if (r >= 0) {
            trace = again->trace;
            n = again->n_trace;
        }
    }
    int r = examine(c, trace, n, &w->block, w->p, a, f);
    if (light_ours(r)) return r;
    if (r < 0) {
        SN_LOG_WARN("witness cannot prove its header", SN_L("witness", w->p->name), SN_L_ERR(r));
        return 0;
    }
    if ((r = accuse(w->p, f->parted, f, a)) < 0) return r;
    /* The witness may be the liar: then the primary's chain proves that. */
    r = examine(c, f->way.trace, f->way.n_trace, f->parted, primary, a, back);
    if (r >= 0) r = accuse(primary, back->parted, back, a);
    return light_ours(r) ? r : attack(c, w, f);
}

int light_detect(struct sn_light_client *c, struct sn_cons_light_block *const *trace, unsigned n,
                 struct sn_arena *a)
{
    unsigned n_witnesses = c->n, same = 0;
    const struct sn_cons_light_block *last = trace[n - 1];
    if (n_witnesses < 2) return sn_fail(SN_E_UNAVAILABLE, "no witness is left to compare with");
    struct witness *w SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(struct witness, n_witnesses);
    if (!w) return SN_E_NOMEM;
    int r = compare_all(c, last, w);
    for (unsigned i = 1; r >= 0 && i < n_witnesses; i++) {
        if (w[i].verdict == SAME) same++;
        if (w[i].verdict == PRIORITIES) r = other_priorities(&w[i]);
        if (w[i].verdict != CONFLICT) continue;
        r = divergence(c, trace, n, &w[i], a);
        if (r >= 0) w[i].verdict = BAD;
    }
    witnesses_done(c, w, n_witnesses);
    if (r < 0) return r;
    if (same) return 0;
    return sn_fail(SN_E_UNAVAILABLE, "no witness could confirm block %lld",
                   (long long)last->header.height);
}
