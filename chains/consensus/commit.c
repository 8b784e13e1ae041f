/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/commit.c - one walk over a commit's signatures serves all rules; what it picks is then
 * checked in one call, so that a verifier can batch. */
#include "consensus/commit.h"

#include <stdlib.h>

#include "consensus/hash.h"
#include "consensus/valset.h"
#include "core/alloc.h"

struct walk {
    const struct sn_cons_verifier *verifier;
    struct sn_str chain_id;
    const struct sn_cons_valset *vals;
    const struct sn_cons_commit *commit;
    int64_t needed;     /* the tally must be above this */
    bool nil_too;       /* check, but do not count, precommits for nil */
    bool all;           /* do not stop at enough */
    bool by_address;    /* the commit is of another set */
    struct sn_cons_check *checks;
    uint32_t *index;    /* of the signature each check is of */
    size_t *msg_end;
    bool *seen;         /* by_address: validators met */
    uint32_t n;
    int64_t tally;
    struct sn_buf msgs;
};

static void walk_done(struct walk *w)
{
    sn_free(w->checks);
    sn_free(w->index);
    sn_free(w->msg_end);
    sn_free(w->seen);
    sn_buf_done(&w->msgs);
}
static int walk_alloc(struct walk *w)
{
    uint32_t n = w->commit->n;
    sn_buf_init(&w->msgs, 0);
    w->checks = SN_NEW_ARRAY(struct sn_cons_check, n + 1);
    w->index = SN_NEW_ARRAY(uint32_t, n + 1);
    w->msg_end = SN_NEW_ARRAY(size_t, n + 1);
    w->seen = SN_NEW_ARRAY(bool, w->vals->n + 1);
    return w->checks && w->index && w->msg_end && w->seen ? 0 : SN_E_NOMEM;
}

/* The validator of signature i: by place, or by address. Returns 1, 0 (a stranger), SN_E_*. */
static int validator_of(struct walk *w, uint32_t i, const struct sn_cons_validator **ret)
{
    const struct sn_cons_commit_sig *s = &w->commit->sigs[i];
    if (!w->by_address) {
        *ret = &w->vals->vals[i];
        if (memcmp((*ret)->addr, s->addr, SN_CONS_ADDR_LEN) == 0) return 1;
        return sn_fail(SN_E_INVALID_ARGUMENT, "signature %u is not of validator %u of the set", i, i);
    }
    int32_t at = sn_cons_valset_find(w->vals, s->addr);
    if (at < 0) return 0;
    if (w->seen[at])
        return sn_fail(SN_E_INVALID_ARGUMENT, "signature %u: validator %d signed twice", i, at);
    w->seen[at] = true;
    *ret = &w->vals->vals[at];
    return 1;
}

static int walk_pick(struct walk *w)
{
    for (uint32_t i = 0; i < w->commit->n; i++) {
        const struct sn_cons_commit_sig *s = &w->commit->sigs[i];
        const struct sn_cons_validator *val;
        if (s->flag == SN_CONS_ABSENT || (s->flag == SN_CONS_NIL && !w->nil_too)) continue;
        int r = validator_of(w, i, &val);
        if (r < 0) return r;
        if (r == 0) continue;
        struct sn_cons_vote vote;
        sn_cons_commit_vote(w->commit, i, &vote);
        if ((r = sn_cons_vote_sign_bytes(w->chain_id, &vote, &w->msgs)) < 0) return r;
        w->checks[w->n] = (struct sn_cons_check){.key = &val->key, .sig = &s->sig};
        w->index[w->n] = i;
        w->msg_end[w->n++] = w->msgs.len;
        if (s->flag == SN_CONS_COMMIT) w->tally += val->power;
        if (!w->all && w->tally > w->needed) break;
    }
    if (w->tally <= w->needed)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "commit of height %lld has voting power %lld, expected more than %lld",
                       (long long)w->commit->height, (long long)w->tally, (long long)w->needed);
    return 0;
}

static int walk_check(struct walk *w)
{
    size_t from = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        w->checks[i].msg = sn_str_sub(sn_buf_view(&w->msgs), from, w->msg_end[i]);
        from = w->msg_end[i];
    }
    int r = w->verifier->verify(w->verifier, w->checks, w->n);
    for (uint32_t i = 0; r >= 0 && i < w->n; i++)
        if (!w->checks[i].ok)
            return sn_fail(SN_E_INVALID_ARGUMENT, "commit of height %lld: wrong signature %u",
                           (long long)w->commit->height, w->index[i]);
    return r;
}

static int run(struct walk *w)
{
    int r = walk_alloc(w);
    if (r >= 0) r = walk_pick(w);
    if (r >= 0) r = walk_check(w);
    walk_done(w);
    return r;
}

static int belongs(const struct sn_cons_valset *vals, const struct sn_cons_commit *c,
                   int64_t height, const struct sn_cons_block_id *block_id)
{
    if (vals->n != c->n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "commit has %u signatures for %u validators", c->n,
                       vals->n);
    if (c->height != height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "commit of height %lld, expected %lld",
                       (long long)c->height, (long long)height);
    if (!sn_cons_block_id_eq(&c->block_id, block_id))
        return sn_fail(SN_E_INVALID_ARGUMENT, "commit of height %lld is for another block",
                       (long long)height);
    return 0;
}

int sn_cons_commit_verify(const struct sn_cons_verifier *v, struct sn_str chain_id,
                          const struct sn_cons_valset *vals, const struct sn_cons_commit *c,
                          int64_t height, const struct sn_cons_block_id *block_id)
{
    int r = belongs(vals, c, height, block_id);
    if (r < 0) return r;
    struct walk w = {.verifier = v, .chain_id = chain_id, .vals = vals, .commit = c,
                     .needed = vals->total * 2 / 3, .nil_too = true, .all = true};
    return run(&w);
}

int sn_cons_commit_verify_light(const struct sn_cons_verifier *v, struct sn_str chain_id,
                                const struct sn_cons_valset *vals, const struct sn_cons_commit *c,
                                int64_t height, const struct sn_cons_block_id *block_id,
                                unsigned flags)
{
    int r = belongs(vals, c, height, block_id);
    if (r < 0) return r;
    struct walk w = {.verifier = v, .chain_id = chain_id, .vals = vals, .commit = c,
                     .needed = vals->total * 2 / 3, .all = flags & SN_CONS_ALL_SIGNATURES};
    return run(&w);
}

int sn_cons_commit_verify_trusting(const struct sn_cons_verifier *v, struct sn_str chain_id,
                                   const struct sn_cons_valset *vals,
                                   const struct sn_cons_commit *c, struct sn_cons_fraction level,
                                   unsigned flags)
{
    if (level.den == 0 || level.num > INT64_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "trust level %llu/%llu",
                       (unsigned long long)level.num, (unsigned long long)level.den);
    __int128 needed = (__int128)vals->total * (int64_t)level.num;
    if (needed > INT64_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "trust level %llu/%llu is too large a number",
                       (unsigned long long)level.num, (unsigned long long)level.den);
    struct walk w = {.verifier = v, .chain_id = chain_id, .vals = vals, .commit = c,
                     .needed = (int64_t)((uint64_t)needed / level.den), .by_address = true,
                     .all = flags & SN_CONS_ALL_SIGNATURES};
    return run(&w);
}

struct weighted {
    struct sn_cons_time time;
    int64_t power;
};
static int by_time(const void *a, const void *b)
{
    const struct weighted *x = a, *y = b;
    return sn_cons_time_cmp(x->time, y->time);
}
int sn_cons_median_time(const struct sn_cons_commit *c, const struct sn_cons_valset *vals,
                        bool skip_nil, struct sn_cons_time *ret)
{
    struct weighted *t SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(struct weighted, c->n + 1);
    if (!t) return SN_E_NOMEM;
    uint32_t n = 0;
    int64_t total = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct sn_cons_commit_sig *s = &c->sigs[i];
        if (s->flag == SN_CONS_ABSENT || (skip_nil && s->flag == SN_CONS_NIL)) continue;
        int32_t at = sn_cons_valset_find(vals, s->addr);
        if (at < 0) return sn_fail(SN_E_NOT_FOUND, "signer %u of the commit is no validator", i);
        t[n++] = (struct weighted){s->time, vals->vals[at].power};
        total += vals->vals[at].power;
    }
    qsort(t, n, sizeof(*t), by_time);
    int64_t median = total / 2;
    *ret = SN_CONS_TIME_ZERO;
    for (uint32_t i = 0; i < n; i++) {
        if (median <= t[i].power) {
            *ret = t[i].time;
            break;
        }
        median -= t[i].power;
    }
    return 0;
}
