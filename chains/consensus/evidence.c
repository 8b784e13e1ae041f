/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/evidence.c - checking evidence. */
#include "consensus/evidence.h"

#include <stdlib.h>

#include "consensus/commit.h"
#include "consensus/hash.h"
#include "consensus/valset.h"

bool sn_cons_evidence_expired(const struct sn_cons_state *s, int64_t height,
                              struct sn_cons_time time)
{
    return s->last_height - height > s->params.evidence_max_blocks &&
           sn_cons_time_sub(s->last_time, time) > s->params.evidence_max_ns;
}

int sn_cons_evidence_of_votes(struct sn_cons_vote *a, struct sn_cons_vote *b,
                              struct sn_cons_time time, const struct sn_cons_valset *vals,
                              struct sn_cons_evidence *ret)
{
    int32_t at = sn_cons_valset_find(vals, a->addr);
    if (at < 0) return sn_fail(SN_E_NOT_FOUND, "signer of the conflicting votes is no validator");
    bool swap = sn_cons_block_id_cmp(&a->block_id, &b->block_id) > 0;
    *ret = (struct sn_cons_evidence){.kind = SN_CONS_DUPLICATE_VOTE,
                                     .vote_a = swap ? b : a,
                                     .vote_b = swap ? a : b,
                                     .total_power = vals->total,
                                     .validator_power = vals->vals[at].power,
                                     .time = time};
    return 0;
}

static int bad(const char *what) { return sn_fail(SN_E_INVALID_ARGUMENT, "evidence: %s", what); }

/* ---- double votes ---- */

static int verify_vote(const struct sn_cons_verifier *v, struct sn_str chain,
                       const struct sn_cons_key *key, const struct sn_cons_vote *vote,
                       const char *what)
{
    struct sn_buf msg SN_CLEANUP(sn_buf_done);
    sn_buf_init(&msg, 0);
    int r = sn_cons_vote_sign_bytes(chain, vote, &msg);
    if (r >= 0) r = sn_cons_verify(v, key, sn_buf_view(&msg), &vote->sig);
    if (r == 0) return sn_fail(SN_E_INVALID_ARGUMENT, "evidence: %s has a wrong signature", what);
    return r < 0 ? r : 0;
}

static int verify_duplicate(const struct sn_cons_evidence *ev, struct sn_str chain,
                            const struct sn_cons_valset *vals, const struct sn_cons_verifier *v)
{
    const struct sn_cons_vote *a = ev->vote_a, *b = ev->vote_b;
    int32_t at = sn_cons_valset_find(vals, a->addr);
    if (at < 0) return bad("the accused was no validator then");
    if (a->height != b->height || a->round != b->round || a->type != b->type)
        return bad("the votes are not for one height, round and type");
    if (memcmp(a->addr, b->addr, SN_CONS_ADDR_LEN) != 0) return bad("the votes are of two signers");
    if (sn_cons_block_id_eq(&a->block_id, &b->block_id)) return bad("the votes agree");
    const struct sn_cons_validator *val = &vals->vals[at];
    if (val->power != ev->validator_power)
        return sn_fail(SN_E_INVALID_ARGUMENT, "evidence: accused has power %lld, expected %lld",
                       (long long)ev->validator_power, (long long)val->power);
    if (vals->total != ev->total_power)
        return sn_fail(SN_E_INVALID_ARGUMENT, "evidence: total power %lld, expected %lld",
                       (long long)ev->total_power, (long long)vals->total);
    int r = verify_vote(v, chain, &val->key, a, "vote a");
    return r < 0 ? r : verify_vote(v, chain, &val->key, b, "vote b");
}

/* ---- light client attacks ---- */

/* Whether the header was made up: its state is not what the common chain leads to. */
static bool is_forged(const struct sn_cons_header *h, const struct sn_cons_header *trusted)
{
    return !sn_cons_hash_eq(&h->validators_hash, &trusted->validators_hash) ||
           !sn_cons_hash_eq(&h->next_validators_hash, &trusted->next_validators_hash) ||
           !sn_cons_hash_eq(&h->consensus_hash, &trusted->consensus_hash) ||
           !sn_cons_app_hash_eq(&h->app_hash, &trusted->app_hash) ||
           !sn_cons_hash_eq(&h->last_results_hash, &trusted->last_results_hash);
}

int sn_cons_evidence_byzantine(const struct sn_cons_evidence *ev,
                               const struct sn_cons_valset *common,
                               const struct sn_cons_header *trusted,
                               const struct sn_cons_commit *trusted_commit, struct sn_arena *a,
                               struct sn_cons_validator **ret, uint32_t *ret_n)
{
    const struct sn_cons_light_block *lb = ev->conflicting;
    const struct sn_cons_commit *c = &lb->commit;
    bool forged = is_forged(&lb->header, trusted);
    *ret_n = 0;
    *ret = SN_ARENA_ARRAY(a, struct sn_cons_validator, c->n + 1);
    if (!*ret) return SN_E_NOMEM;
    if (!forged && trusted_commit->round != c->round) return 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->sigs[i].flag != SN_CONS_COMMIT) continue;
        if (!forged && (i >= trusted_commit->n || trusted_commit->sigs[i].flag != SN_CONS_COMMIT))
            continue;
        const struct sn_cons_valset *vals = forged ? common : lb->vals;
        int32_t at = sn_cons_valset_find(vals, c->sigs[i].addr);
        if (at >= 0) (*ret)[(*ret_n)++] = vals->vals[at];
    }
    qsort(*ret, *ret_n, sizeof(**ret), sn_cons_by_power);
    return 0;
}

int sn_cons_evidence_of_attack(struct sn_cons_light_block *conflicting,
                               const struct sn_cons_light_block *trusted,
                               const struct sn_cons_light_block *common, struct sn_arena *a,
                               struct sn_cons_evidence *ret)
{
    /* Equivocation and amnesia happen at one height, under one set; only a forged header must be led
     * back to the last set that both chains had. */
    const struct sn_cons_light_block *at =
        is_forged(&conflicting->header, &trusted->header) ? common : trusted;
    *ret = (struct sn_cons_evidence){.kind = SN_CONS_LIGHT_ATTACK,
                                     .conflicting = conflicting,
                                     .common_height = at->header.height,
                                     .time = at->header.time,
                                     .total_power = at->vals->total};
    return sn_cons_evidence_byzantine(ret, common->vals, &trusted->header, &trusted->commit, a,
                                      &ret->byzantine, &ret->n_byzantine);
}

static int check_accused(const struct sn_cons_evidence *ev, const struct sn_cons_valset *common,
                         const struct sn_cons_header *trusted,
                         const struct sn_cons_commit *trusted_commit)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_cons_validator *want;
    uint32_t n;
    int r = sn_cons_evidence_byzantine(ev, common, trusted, trusted_commit, &a, &want, &n);
    if (r < 0) return r;
    if (n != ev->n_byzantine)
        return sn_fail(SN_E_INVALID_ARGUMENT, "evidence accuses %u validators, expected %u",
                       ev->n_byzantine, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct sn_cons_validator *got = &ev->byzantine[i];
        uint8_t addr[SN_CONS_ADDR_LEN];
        if (memcmp(got->addr, want[i].addr, SN_CONS_ADDR_LEN) != 0 || got->power != want[i].power)
            return sn_fail(SN_E_INVALID_ARGUMENT, "evidence: accused %u is not the one to blame", i);
        if ((r = sn_cons_key_addr(&got->key, addr)) < 0) return r;
        if (memcmp(addr, got->addr, SN_CONS_ADDR_LEN) != 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "evidence: accused %u has another's key", i);
    }
    return 0;
}

static int verify_attack(const struct sn_cons_evidence *ev, const struct sn_cons_state *s,
                         const struct sn_cons_header *common_header,
                         const struct sn_cons_valset *common, const struct sn_cons_header *trusted,
                         const struct sn_cons_commit *trusted_commit,
                         const struct sn_cons_verifier *v)
{
    const struct sn_cons_light_block *lb = ev->conflicting;
    struct sn_str chain = sn_cons_state_chain(s);
    struct sn_cons_hash mine;
    int r = 0;
    if (common_header->height != lb->header.height)
        r = sn_cons_commit_verify_trusting(v, chain, common, &lb->commit,
                                           (struct sn_cons_fraction){1, 3}, SN_CONS_ALL_SIGNATURES);
    else if (is_forged(&lb->header, trusted))
        r = bad("header of the common height does not follow from the chain");
    if (r >= 0)
        r = sn_cons_commit_verify_light(v, chain, lb->vals, &lb->commit, lb->header.height,
                                        &lb->commit.block_id, SN_CONS_ALL_SIGNATURES);
    if (r < 0) return sn_wrap(r, "conflicting block");
    if (ev->total_power != common->total)
        return sn_fail(SN_E_INVALID_ARGUMENT, "evidence: total power %lld, expected %lld",
                       (long long)ev->total_power, (long long)common->total);
    if (lb->header.height > trusted->height &&
        sn_cons_time_cmp(lb->header.time, trusted->time) > 0)
        return bad("conflicting block is later than any of ours");
    if ((r = sn_cons_header_hash(trusted, &mine)) < 0) return r;
    if (sn_cons_hash_eq(&mine, &lb->commit.block_id.hash)) return bad("the blocks are the same");
    return check_accused(ev, common, trusted, trusted_commit);
}

/* Our block at the conflicting height; where there is none yet, the newest, which then must not be
 * older than the conflicting one. */
static int find_trusted(const struct sn_cons_evidence *ev, const struct sn_cons_history *h,
                        struct sn_arena *a, struct sn_cons_header *ret,
                        struct sn_cons_commit *ret_commit)
{
    int64_t height = ev->conflicting->header.height;
    int r = h->header(h->arg, height, ret);
    if (r >= 0) r = h->commit(h->arg, height, a, ret_commit);
    if (r != SN_E_NOT_FOUND) return r;
    height = h->latest(h->arg);
    r = h->header(h->arg, height, ret);
    if (r >= 0) r = h->commit(h->arg, height, a, ret_commit);
    if (r >= 0 && sn_cons_time_cmp(ret->time, ev->conflicting->header.time) < 0)
        return bad("conflicting block is of a time we have not reached");
    return r;
}

int sn_cons_evidence_verify(const struct sn_cons_evidence *ev, const struct sn_cons_state *s,
                            const struct sn_cons_history *h, const struct sn_cons_verifier *v)
{
    int64_t height = sn_cons_evidence_height(ev);
    struct sn_cons_header header, trusted;
    int r = h->header(h->arg, height, &header);
    if (r < 0) return sn_wrap(r, "evidence of height %lld", (long long)height);
    if (sn_cons_time_cmp(ev->time, header.time) != 0)
        return bad("its time is not that of its block");
    if (sn_cons_evidence_expired(s, height, header.time))
        return sn_fail(SN_E_FAILED_PRECONDITION, "evidence of height %lld is too old at %lld",
                       (long long)height, (long long)s->last_height);
    struct sn_cons_valset *vals;
    r = h->validators(h->arg, height, &vals);
    if (r < 0) return sn_wrap(r, "validators of height %lld", (long long)height);
    if (ev->kind == SN_CONS_DUPLICATE_VOTE) {
        r = verify_duplicate(ev, sn_cons_state_chain(s), vals, v);
    } else {
        struct sn_arena a SN_CLEANUP(sn_arena_done);
        struct sn_cons_commit commit;
        sn_arena_init(&a, NULL, 0);
        r = find_trusted(ev, h, &a, &trusted, &commit);
        if (r >= 0) r = verify_attack(ev, s, &header, vals, &trusted, &commit, v);
    }
    sn_cons_valset_unref(vals);
    return r;
}
