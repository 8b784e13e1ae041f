/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/exec_ask.c - requests about blocks and votes, with the fields CometBFT fills. */
#include "consensus/answer.h"
#include "consensus/hash.h"
#include "consensus/node/exec_int.h"
#include "core/varint.h"

/* ---- what requests are made of ---- */

static struct google_protobuf_timestamp *time_of(struct sn_cons_time t, struct sn_arena *a)
{
    struct google_protobuf_timestamp *m = google_protobuf_timestamp_new(a);
    if (m) {
        m->seconds = t.sec;
        m->nanos = t.nsec;
    }
    return m;
}

static struct tendermint_abci_validator *validator_of(const uint8_t *addr, int64_t power,
                                                      struct sn_arena *a)
{
    struct tendermint_abci_validator *m = tendermint_abci_validator_new(a);
    if (m) {
        m->address = sn_str_of((const char *)addr, SN_CONS_ADDR_LEN);
        m->power = power;
    }
    return m;
}

static struct tendermint_abci_misbehavior *misbehavior_of(const struct sn_cons_evidence *ev,
                                                          int32_t type, const uint8_t *addr,
                                                          int64_t power, struct sn_arena *a)
{
    struct tendermint_abci_misbehavior *m = tendermint_abci_misbehavior_new(a);
    if (!m || !(m->validator = validator_of(addr, power, a)) || !(m->time = time_of(ev->time, a)))
        return NULL;
    m->type = type;
    m->height = sn_cons_evidence_height(ev);
    m->total_voting_power = ev->total_power;
    return m;
}

/* One entry for a double vote, one for each culprit of an attack on light clients. */
static int misbehaviors_of(struct sn_cons_evidence *const *list, uint32_t n, struct sn_arena *a,
                           struct tendermint_abci_misbehavior ***ret, uint32_t *ret_n)
{
    size_t count = 0;
    for (uint32_t i = 0; i < n; i++)
        count += list[i]->kind == SN_CONS_DUPLICATE_VOTE ? 1 : list[i]->n_byzantine;
    struct tendermint_abci_misbehavior **all =
        SN_ARENA_ARRAY(a, struct tendermint_abci_misbehavior *, count + 1);
    if (!all) return SN_E_NOMEM;
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct sn_cons_evidence *ev = list[i];
        bool votes = ev->kind == SN_CONS_DUPLICATE_VOTE;
        for (uint32_t k = 0; k < (votes ? 1 : ev->n_byzantine); k++) {
            all[at] = votes
                          ? misbehavior_of(ev, TENDERMINT_ABCI_MISBEHAVIOR_TYPE_DUPLICATE_VOTE,
                                           ev->vote_a->addr, ev->validator_power, a)
                          : misbehavior_of(ev, TENDERMINT_ABCI_MISBEHAVIOR_TYPE_LIGHT_CLIENT_ATTACK,
                                           ev->byzantine[k].addr, ev->byzantine[k].power, a);
            if (!all[at++]) return SN_E_NOMEM;
        }
    }
    *ret = all;
    *ret_n = at;
    return 0;
}

static int check_signers(const struct sn_cons_valset *vals, const struct sn_cons_commit *c)
{
    if (vals->n == c->n) return 0;
    return sn_fail(SN_E_INTERNAL, "commit of height %lld has %u signatures, its validators are %u",
                   (long long)c->height, c->n, vals->n);
}

static int commit_info_of(const struct sn_cons_valset *vals, const struct sn_cons_commit *c,
                          struct sn_arena *a, struct tendermint_abci_commit_info *ret)
{
    int r = check_signers(vals, c);
    if (r < 0) return r;
    ret->round = c->round;
    ret->votes.ptr = SN_ARENA_ARRAY(a, struct tendermint_abci_vote_info *, c->n + 1);
    if (!ret->votes.ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < c->n; i++) {
        struct tendermint_abci_vote_info *v = tendermint_abci_vote_info_new(a);
        if (!v || !(v->validator = validator_of(vals->vals[i].addr, vals->vals[i].power, a)))
            return SN_E_NOMEM;
        v->block_id_flag = c->sigs[i].flag;
        ret->votes.ptr[ret->votes.len++] = v;
    }
    return 0;
}

static int extended_info_of(const struct sn_cons_valset *vals, const struct sn_cons_commit *c,
                            struct sn_arena *a, struct tendermint_abci_extended_commit_info *ret)
{
    int r = check_signers(vals, c);
    if (r < 0) return r;
    ret->round = c->round;
    ret->votes.ptr = SN_ARENA_ARRAY(a, struct tendermint_abci_extended_vote_info *, c->n + 1);
    if (!ret->votes.ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < c->n; i++) {
        struct tendermint_abci_extended_vote_info *v = tendermint_abci_extended_vote_info_new(a);
        if (!v || !(v->validator = validator_of(vals->vals[i].addr, vals->vals[i].power, a)))
            return SN_E_NOMEM;
        v->block_id_flag = c->sigs[i].flag;
        v->vote_extension = c->sigs[i].ext;
        v->extension_signature = sn_str_of((const char *)c->sigs[i].ext_sig.b,
                                           c->sigs[i].ext_sig.len);
        ret->votes.ptr[ret->votes.len++] = v;
    }
    return 0;
}

static struct sn_str hash_str(const struct sn_cons_hash *h)
{
    return sn_str_of((const char *)h->b, h->len);
}

int sn_exec_about(const struct sn_cons_valset *last_vals, int64_t initial_height,
                  const struct sn_cons_block *b, struct sn_arena *a, struct sn_exec_about *ret)
{
    const struct sn_cons_header *h = &b->header;
    *ret = (struct sn_exec_about){.time = time_of(h->time, a),
                                  .commit = tendermint_abci_commit_info_new(a),
                                  .hash = hash_str(&b->hash),
                                  .next_vals = hash_str(&h->next_validators_hash),
                                  .proposer = sn_str_of((const char *)h->proposer,
                                                        h->proposer_len)};
    if (!ret->time || !ret->commit) return SN_E_NOMEM;
    int r = misbehaviors_of(b->evidence, b->n_evidence, a, &ret->misbehavior, &ret->n_misbehavior);
    if (r < 0 || h->height == initial_height) return r; /* nothing was committed before */
    return commit_info_of(last_vals, b->last_commit, a, ret->commit);
}

/* What the requests about a block have by the same names. */
#define FILL(q, about, b)                                                             \
    do {                                                                              \
        (q)->hash = (about)->hash;                                                    \
        (q)->height = (b)->header.height;                                             \
        (q)->time = (about)->time;                                                    \
        (q)->txs.ptr = (b)->txs;                                                      \
        (q)->txs.len = (b)->n_txs;                                                    \
        (q)->misbehavior.ptr = (about)->misbehavior;                                  \
        (q)->misbehavior.len = (about)->n_misbehavior;                                \
        (q)->next_validators_hash = (about)->next_vals;                               \
        (q)->proposer_address = (about)->proposer;                                    \
    } while (0)

/* ---- a proposal of ours ---- */

void sn_exec_proposal_done(struct sn_exec_proposal *p)
{
    for (size_t i = 0; i < p->n_reaped; i++) sn_mempool_tx_unref(p->reaped[i]);
    sn_arena_done(&p->arena);
    *p = (struct sn_exec_proposal){0};
}

static int reap(struct sn_exec *x, int64_t bytes, int64_t gas, struct sn_exec_proposal *p,
                struct tendermint_abci_request_prepare_proposal *q)
{
    struct sn_mempool_stats st;
    if (!x->o.txs) return 0;
    int r = sn_txs_await_rechecked(x->o.txs, sn_now() + SN_EXEC_RECHECK_NS);
    if (r < 0) return r;
    struct sn_mempool *mp = sn_txs_pool(x->o.txs);
    sn_mempool_stats(mp, &st);
    p->reaped = SN_ARENA_ARRAY(&p->arena, struct sn_mempool_tx *, st.txs + 1);
    q->txs.ptr = SN_ARENA_ARRAY(&p->arena, struct sn_str, st.txs + 1);
    if (!p->reaped || !q->txs.ptr) return SN_E_NOMEM;
    struct sn_mempool_limits l = {.bytes = bytes, .gas = gas};
    p->n_reaped = sn_mempool_reap(mp, &l, p->reaped, st.txs);
    for (size_t i = 0; i < p->n_reaped; i++) q->txs.ptr[i] = p->reaped[i]->data;
    q->txs.len = (uint32_t)p->n_reaped;
    return 0;
}

/* The application may add, drop and reorder, within the room it was given. */
static int check_txs(const struct tendermint_abci_response_prepare_proposal *res, int64_t max)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < res->txs.len; i++)
        bytes += 1 + sn_varint_len(res->txs.ptr[i].len) + res->txs.ptr[i].len;
    if (bytes <= (uint64_t)SN_MAX(max, (int64_t)0)) return 0;
    return sn_fail(SN_E_INTERNAL,
                   "the application proposes %u transactions of %llu bytes, at most %lld",
                   res->txs.len, (unsigned long long)bytes, (long long)max);
}

static int proposal_time(const struct sn_cons_state *s, const struct sn_cons_commit *last,
                         struct sn_cons_time *ret)
{
    *ret = s->last_time;
    if (sn_cons_state_next_height(s) == s->initial_height) return 0;
    return sn_cons_median_time(last, s->last_vals, s->median_skips_nil, ret);
}

static int fill_prepare(struct sn_exec *x, const struct sn_cons_state *s,
                        const struct sn_cons_commit *last, struct sn_exec_proposal *p,
                        struct tendermint_abci_request_prepare_proposal *q)
{
    struct sn_arena *a = &p->arena;
    struct sn_cons_evidence **ev = NULL;
    int64_t ev_bytes = 0;
    struct sn_cons_time time;
    struct sn_cons_hash *next = SN_ARENA_NEW(a, struct sn_cons_hash);
    q->local_last_commit = tendermint_abci_extended_commit_info_new(a);
    if (!next || !q->local_last_commit) return SN_E_NOMEM;
    int r = x->o.evidence ? sn_evidence_keeper_pending(x->o.evidence, s->params.evidence_max_bytes,
                                                       a, &ev, &p->content.n_evidence, &ev_bytes)
                          : 0;
    if (r < 0) return r;
    p->content.evidence = ev;
    q->max_tx_bytes =
        sn_cons_data_bytes_max(sn_cons_params_block_bytes(&s->params), ev_bytes, s->vals->n);
    if (q->max_tx_bytes < 0)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "a block of %lld bytes has no room for transactions",
                       (long long)sn_cons_params_block_bytes(&s->params));
    bool unlimited = s->params.block_max_bytes == -1;
    r = reap(x, unlimited ? -1 : q->max_tx_bytes, s->params.block_max_gas, p, q);
    if (r >= 0) r = proposal_time(s, last, &time);
    if (r >= 0) r = sn_cons_valset_hash(s->next_vals, next);
    if (r >= 0)
        r = misbehaviors_of(ev, p->content.n_evidence, a, &q->misbehavior.ptr, &q->misbehavior.len);
    if (r >= 0 && last->n) r = extended_info_of(s->last_vals, last, a, q->local_last_commit);
    if (r < 0) return r;
    q->next_validators_hash = hash_str(next);
    q->height = sn_cons_state_next_height(s);
    q->time = time_of(time, a);
    return q->time ? 0 : SN_E_NOMEM;
}

int sn_exec_prepare(struct sn_exec *x, const struct sn_cons_state *s,
                    const struct sn_cons_commit *last, const uint8_t proposer[SN_CONS_ADDR_LEN],
                    struct sn_exec_proposal *ret)
{
    struct tendermint_abci_request_prepare_proposal q = {0};
    struct tendermint_abci_response_prepare_proposal *res;
    struct sn_exec_proposal p = {0};
    sn_arena_init(&p.arena, NULL, SN_EXEC_ANSWER_MAX);
    q.proposer_address = sn_str_of((const char *)proposer, SN_CONS_ADDR_LEN);
    int r = fill_prepare(x, s, last, &p, &q);
    if (r >= 0) r = sn_abci_prepare_proposal(x->o.app->consensus, &q, &p.arena, &res);
    if (r >= 0) r = check_txs(res, q.max_tx_bytes);
    if (r < 0) {
        sn_exec_proposal_done(&p);
        return sn_wrap(r, "PrepareProposal of block %lld", (long long)sn_cons_state_next_height(s));
    }
    p.content.txs = res->txs.ptr;
    p.content.n_txs = res->txs.len;
    *ret = p;
    return 0;
}

/* ---- proposals and votes of others ---- */

static int no_verdict(const char *what, int64_t height, int32_t status)
{
    return sn_fail(SN_E_INTERNAL,
                   "%s at height %lld: the application says status %d, expected accept or reject",
                   what, (long long)height, status);
}

int sn_exec_process(struct sn_exec *x, const struct sn_cons_state *s, const struct sn_cons_block *b,
                    bool *ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_EXEC_ANSWER_MAX);
    struct tendermint_abci_request_process_proposal q = {0};
    struct tendermint_abci_response_process_proposal *res;
    struct sn_exec_about about;
    int r = sn_exec_about(s->last_vals, s->initial_height, b, &a, &about);
    FILL(&q, &about, b);
    q.proposed_last_commit = about.commit;
    if (r >= 0) r = sn_abci_process_proposal(x->o.app->consensus, &q, &a, &res);
    if (r < 0) return sn_wrap(r, "ProcessProposal of block %lld", (long long)b->header.height);
    *ret = res->status == TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_ACCEPT;
    if (x->o.on_verdict) x->o.on_verdict(x->o.arg, false, *ret);
    if (*ret || res->status == TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_REJECT)
        return 0;
    return no_verdict("ProcessProposal", b->header.height, res->status);
}

int sn_exec_extend(struct sn_exec *x, const struct sn_cons_state *s, const struct sn_cons_block *b,
                   struct sn_arena *a, struct sn_str *ret)
{
    struct tendermint_abci_request_extend_vote q = {0};
    struct tendermint_abci_response_extend_vote *res;
    struct sn_exec_about about;
    int r = sn_exec_about(s->last_vals, s->initial_height, b, a, &about);
    FILL(&q, &about, b);
    q.proposed_last_commit = about.commit;
    if (r >= 0) r = sn_abci_extend_vote(x->o.app->consensus, &q, a, &res);
    if (r < 0) return sn_wrap(r, "ExtendVote at height %lld", (long long)b->header.height);
    *ret = res->vote_extension;
    return 0;
}

int sn_exec_verify(struct sn_exec *x, const struct sn_cons_vote *v, bool *ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_EXEC_ANSWER_MAX);
    struct tendermint_abci_request_verify_vote_extension q = {
        .hash = hash_str(&v->block_id.hash),
        .validator_address = sn_str_of((const char *)v->addr, SN_CONS_ADDR_LEN),
        .height = v->height,
        .vote_extension = v->ext};
    struct tendermint_abci_response_verify_vote_extension *res;
    int r = sn_abci_verify_vote_extension(x->o.app->consensus, &q, &a, &res);
    if (r < 0) return sn_wrap(r, "VerifyVoteExtension at height %lld", (long long)v->height);
    *ret = res->status == TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_ACCEPT;
    if (x->o.on_verdict) x->o.on_verdict(x->o.arg, true, *ret);
    if (*ret || res->status == TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_REJECT)
        return 0;
    return no_verdict("VerifyVoteExtension", v->height, res->status);
}

/* ---- execution ---- */

void sn_exec_run_init(struct sn_exec_run *run)
{
    *run = (struct sn_exec_run){0};
    sn_arena_init(&run->arena, NULL, SN_EXEC_ANSWER_MAX);
    sn_buf_init(&run->answer, SN_EXEC_ANSWER_MAX);
}
void sn_exec_run_done(struct sn_exec_run *run)
{
    sn_buf_done(&run->answer);
    sn_arena_done(&run->arena);
    sn_exec_run_init(run);
}

int sn_exec_finalize(struct sn_exec *x, const struct sn_cons_valset *last_vals,
                     int64_t initial_height, const struct sn_cons_block *b, bool stored,
                     struct sn_exec_run *run)
{
    struct tendermint_abci_request_finalize_block q = {0};
    struct sn_exec_about about;
    int64_t height = b->header.height;
    int r = sn_exec_about(last_vals, initial_height, b, &run->arena, &about);
    FILL(&q, &about, b);
    q.decided_last_commit = about.commit;
    int64_t began = sn_now();
    if (r >= 0) r = sn_abci_finalize_block(x->o.app->consensus, &q, &run->arena, &run->res);
    run->took_ns = sn_now() - began;
    if (r >= 0 && run->res->tx_results.len != b->n_txs)
        r = sn_fail(SN_E_INTERNAL, "the application has %u results for %u transactions",
                    run->res->tx_results.len, b->n_txs);
    ssize_t n = r < 0 ? 0 : tendermint_abci_response_finalize_block_encode(run->res, &run->answer);
    if (r >= 0 && n < 0) r = (int)n;
    if (r >= 0) r = sn_cons_answer_of(run->res, &run->arena, &run->result);
    if (r >= 0 && stored)
        r = sn_cons_state_store_save_answer(x->o.states, height, sn_buf_view(&run->answer));
    return r < 0 ? sn_wrap(r, "FinalizeBlock of block %lld", (long long)height) : 0;
}
