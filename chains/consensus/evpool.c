/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/evpool.c - the pool: pieces that wait for a block, and ids of those that had one. */
#include <stdlib.h>

#include "consensus/codec.h"
#include "consensus/evidence.h"
#include "consensus/hash.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/varint.h"
#include "core/vec.h"

struct piece {
    struct sn_arena arena;
    struct sn_cons_evidence ev;
    struct sn_cons_hash id;
    int64_t height;
    size_t bytes; /* in a list: with tag and length */
};
struct done {
    struct sn_cons_hash id;
    int64_t height;
    struct sn_cons_time time;
};
struct report {
    struct sn_cons_vote *a, *b;
};
struct sn_cons_evpool {
    struct sn_cons_state *state;
    const struct sn_cons_history *history;
    const struct sn_cons_verifier *verifier;
    SN_VEC(struct piece *) pending; /* by height, then id: the order blocks have */
    SN_VEC(struct done) committed;
    SN_VEC(struct report) reports;
};

int sn_cons_evpool_new(struct sn_cons_state *s, const struct sn_cons_history *h,
                       const struct sn_cons_verifier *v, struct sn_cons_evpool **ret)
{
    struct sn_cons_evpool *p = SN_NEW(struct sn_cons_evpool);
    if (!p) return SN_E_NOMEM;
    p->state = sn_cons_state_ref(s);
    p->history = h;
    p->verifier = v;
    *ret = p;
    return 0;
}
static void piece_free(struct piece *x)
{
    if (!x) return;
    sn_arena_done(&x->arena);
    sn_free(x);
}
void sn_cons_evpool_free(struct sn_cons_evpool *p)
{
    if (!p) return;
    SN_VEC_EACH(&p->pending, x) piece_free(*x);
    SN_VEC_EACH(&p->reports, r) {
        sn_cons_vote_unref(r->a);
        sn_cons_vote_unref(r->b);
    }
    sn_vec_done(&p->pending);
    sn_vec_done(&p->committed);
    sn_vec_done(&p->reports);
    sn_cons_state_unref(p->state);
    sn_free(p);
}

/* A copy in its own memory, through its encoding. */
static int piece_new(const struct sn_cons_evidence *ev, struct piece **ret)
{
    struct piece *x = SN_NEW(struct piece);
    if (!x) return SN_E_NOMEM;
    sn_arena_init(&x->arena, NULL, 0);
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_cons_evidence_encode(ev, &b);
    if (r >= 0) r = sn_cons_evidence_decode(sn_buf_view(&b), &x->arena, &x->ev);
    if (r >= 0) r = sn_cons_evidence_id(&x->ev, &x->id);
    if (r < 0) {
        piece_free(x);
        return r;
    }
    x->height = sn_cons_evidence_height(&x->ev);
    x->bytes = 1 + sn_varint_len(b.len) + b.len;
    *ret = x;
    return 0;
}

static int order(int64_t h1, const struct sn_cons_hash *id1, int64_t h2,
                 const struct sn_cons_hash *id2)
{
    if (h1 != h2) return h1 < h2 ? -1 : 1;
    return memcmp(id1->b, id2->b, SN_CONS_HASH_LEN);
}
/* The place of (height, id) among the pending; whether it is there. */
static bool find_pending(const struct sn_cons_evpool *p, int64_t height,
                         const struct sn_cons_hash *id, size_t *ret_at)
{
    size_t lo = 0, hi = p->pending.len;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct piece *x = p->pending.ptr[mid];
        if (order(x->height, &x->id, height, id) < 0) lo = mid + 1;
        else hi = mid;
    }
    *ret_at = lo;
    return lo < p->pending.len && p->pending.ptr[lo]->height == height &&
           sn_cons_hash_eq(&p->pending.ptr[lo]->id, id);
}
static bool is_committed(const struct sn_cons_evpool *p, const struct sn_cons_hash *id)
{
    SN_VEC_EACH(&p->committed, d)
        if (sn_cons_hash_eq(&d->id, id)) return true;
    return false;
}

/* Takes x. */
static int insert(struct sn_cons_evpool *p, struct piece *x)
{
    size_t at;
    int r = 0;
    if (find_pending(p, x->height, &x->id, &at)) r = 1;
    else if (p->pending.len == SN_CONS_EVPOOL_PENDING_MAX)
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "more than %d pieces of evidence wait",
                    SN_CONS_EVPOOL_PENDING_MAX);
    else
        r = sn_vec_reserve(&p->pending, p->pending.len + 1);
    if (r != 0) {
        piece_free(x);
        return r < 0 ? r : 0;
    }
    memmove(&p->pending.ptr[at + 1], &p->pending.ptr[at],
            (p->pending.len - at) * sizeof(*p->pending.ptr));
    p->pending.ptr[at] = x;
    p->pending.len++;
    return 1;
}

int sn_cons_evpool_add(struct sn_cons_evpool *p, const struct sn_cons_evidence *ev)
{
    struct sn_cons_hash id;
    size_t at;
    int r = sn_cons_evidence_id(ev, &id);
    if (r < 0) return r;
    if (is_committed(p, &id) || find_pending(p, sn_cons_evidence_height(ev), &id, &at)) return 0;
    r = sn_cons_evidence_verify(ev, p->state, p->history, p->verifier);
    if (r < 0) return r;
    struct piece *x;
    r = piece_new(ev, &x);
    return r < 0 ? r : insert(p, x);
}

int sn_cons_evpool_report(struct sn_cons_evpool *p, struct sn_cons_vote *a, struct sn_cons_vote *b)
{
    if (p->reports.len == SN_CONS_EVPOOL_REPORTS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "more than %d conflicting votes in one height",
                       SN_CONS_EVPOOL_REPORTS_MAX);
    if (sn_vec_push(&p->reports, (struct report){a, b}) < 0) return SN_E_NOMEM;
    sn_cons_vote_ref(a);
    sn_cons_vote_ref(b);
    return 0;
}

int sn_cons_evpool_check(void *pool, const struct sn_cons_state *s, const struct sn_cons_block *b)
{
    struct sn_cons_evpool *p = pool;
    for (uint32_t i = 0; i < b->n_evidence; i++) {
        const struct sn_cons_evidence *ev = b->evidence[i];
        struct sn_cons_hash id, other;
        size_t at;
        int r = sn_cons_evidence_id(ev, &id);
        if (r < 0) return r;
        if (is_committed(p, &id))
            return sn_fail(SN_E_INVALID_ARGUMENT, "evidence %u was in an earlier block", i);
        for (uint32_t k = 0; k < i; k++) {
            if ((r = sn_cons_evidence_id(b->evidence[k], &other)) < 0) return r;
            if (sn_cons_hash_eq(&id, &other))
                return sn_fail(SN_E_INVALID_ARGUMENT, "evidence %u is evidence %u again", i, k);
        }
        /* An attack's id does not cover whom it accuses, so a known one is checked again. */
        bool known = find_pending(p, sn_cons_evidence_height(ev), &id, &at);
        if (known && ev->kind == SN_CONS_DUPLICATE_VOTE) continue;
        r = sn_cons_evidence_verify(ev, s, p->history, p->verifier);
        if (r < 0) return sn_wrap(r, "evidence %u", i);
    }
    return 0;
}

int sn_cons_evpool_pending(const struct sn_cons_evpool *p, int64_t bytes_max, struct sn_arena *a,
                           struct sn_cons_evidence ***ret, uint32_t *ret_n, int64_t *ret_bytes)
{
    *ret = SN_ARENA_ARRAY(a, struct sn_cons_evidence *, p->pending.len + 1);
    *ret_n = 0;
    *ret_bytes = 0;
    if (!*ret) return SN_E_NOMEM;
    SN_VEC_EACH(&p->pending, x) {
        if (*ret_bytes + (int64_t)(*x)->bytes > bytes_max) break;
        (*ret)[(*ret_n)++] = &(*x)->ev;
        *ret_bytes += (int64_t)(*x)->bytes;
    }
    return 0;
}

/* Votes that were in conflict become evidence once their block's time is known. */
static int settle_reports(struct sn_cons_evpool *p)
{
    size_t kept = 0;
    int r = 0;
    for (size_t i = 0; i < p->reports.len; i++) {
        struct report rep = p->reports.ptr[i];
        struct sn_cons_evidence ev;
        struct sn_cons_header header;
        struct sn_cons_valset *vals = NULL;
        if (r < 0 || rep.a->height > p->state->last_height) {
            p->reports.ptr[kept++] = rep;
            continue;
        }
        int e = p->history->header(p->history->arg, rep.a->height, &header);
        if (e >= 0) e = p->history->validators(p->history->arg, rep.a->height, &vals);
        if (e >= 0) e = sn_cons_evidence_of_votes(rep.a, rep.b, header.time, vals, &ev);
        if (e >= 0) e = sn_cons_evpool_add(p, &ev);
        sn_cons_valset_unref(vals);
        sn_cons_vote_unref(rep.a);
        sn_cons_vote_unref(rep.b);
        /* What is no evidence after all (expired, unknown past) is dropped. */
        if (e == SN_E_NOMEM || e == SN_E_INTERNAL) r = e;
    }
    p->reports.len = kept;
    return r;
}

int sn_cons_evpool_restore(struct sn_cons_evpool *p, const struct sn_cons_hash *id, int64_t height,
                           struct sn_cons_time time)
{
    if (p->committed.len == SN_CONS_EVPOOL_COMMITTED_MAX) sn_vec_remove_swap(&p->committed, 0);
    return sn_vec_push(&p->committed, (struct done){*id, height, time}) < 0 ? SN_E_NOMEM : 0;
}
static int commit_block(struct sn_cons_evpool *p, const struct sn_cons_block *b)
{
    for (uint32_t i = 0; i < b->n_evidence; i++) {
        struct sn_cons_hash id;
        size_t at;
        int64_t height = sn_cons_evidence_height(b->evidence[i]);
        int r = sn_cons_evidence_id(b->evidence[i], &id);
        if (r < 0) return r;
        if (find_pending(p, height, &id, &at)) {
            piece_free(p->pending.ptr[at]);
            memmove(&p->pending.ptr[at], &p->pending.ptr[at + 1],
                    (p->pending.len - at - 1) * sizeof(*p->pending.ptr));
            p->pending.len--;
        }
        r = sn_cons_evpool_restore(p, &id, height, b->evidence[i]->time);
        if (r < 0) return r;
    }
    return 0;
}

int sn_cons_evpool_update(struct sn_cons_evpool *p, struct sn_cons_state *s,
                          const struct sn_cons_block *b)
{
    sn_cons_state_ref(s);
    sn_cons_state_unref(p->state);
    p->state = s;
    int r = commit_block(p, b);
    if (r >= 0) r = settle_reports(p);
    size_t kept = 0;
    for (size_t i = 0; i < p->pending.len; i++) {
        struct piece *x = p->pending.ptr[i];
        if (sn_cons_evidence_expired(s, x->height, x->ev.time)) piece_free(x);
        else p->pending.ptr[kept++] = x;
    }
    p->pending.len = kept;
    for (size_t i = 0; i < p->committed.len;) {
        if (sn_cons_evidence_expired(s, p->committed.ptr[i].height, p->committed.ptr[i].time))
            sn_vec_remove_swap(&p->committed, i);
        else
            i++;
    }
    return r;
}
