/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/node/signer_remote.h"

#include "consensus/hash.h"
#include "consensus/key.h"
#include "consensus/node/signer_link.h"
#include "core/alloc.h"
#include "fiber/sync.h"
#include "kit/log.h"

SN_LOG_MODULE("privval");

#define ARENA_MAX (4u << 20)
#define ADDR_MAX 256

struct sn_signer_remote {
    struct sn_signer s; /* first: what the engine holds */
    struct sn_signer_remote_opts o;
    struct sn_listener *l;
    bool tcp;
    /* Of the link; held for a whole question and its answer. */
    struct sn_mutex lock;
    struct sn_cond changed;
    struct sn_signer_link *link;
    bool has_key;
    int64_t asked_ns; /* the last question on this link */
};

static int64_t or_default(int64_t v, int64_t other) { return v ? v : other; }

/* ---- one question ---- */

/* Waits for what the caller gave it until then. With the lock. */
static int wait_changed(struct sn_signer_remote *r, int64_t until_ns)
{
    int64_t d = sn_deadline_tighten(until_ns);
    int x = sn_cond_wait(&r->changed, &r->lock);
    sn_deadline_restore(d);
    return x;
}

static int ask_link(struct sn_signer_remote *r, struct sn_signer_link *link,
                    const struct sn_signer_msg *q, struct sn_arena *a, struct sn_signer_msg *ret)
{
    int64_t d = sn_deadline_tighten(sn_now() + r->o.timeout_rw_ns);
    int x = sn_signer_link_send(link, q);
    if (x >= 0) x = sn_signer_link_recv(link, a, ret);
    sn_deadline_restore(d);
    /* Answers have the number behind their question's. */
    if (x >= 0 && ret->kind != q->kind + 1)
        x = sn_fail(SN_E_PROTOCOL, "the signer answered message %d with message %d", q->kind,
                    ret->kind);
    return x;
}

/* With the lock and a link. A link that failed is gone: its next answer might be to this question. */
static int ask(struct sn_signer_remote *r, const struct sn_signer_msg *q, struct sn_arena *a,
               struct sn_signer_msg *ret)
{
    int x = ask_link(r, r->link, q, a, ret);
    r->asked_ns = sn_now();
    if (x >= 0) return 0;
    sn_signer_link_free(r->link);
    r->link = NULL;
    sn_cond_broadcast(&r->changed);
    return x;
}

/* One attempt: waits for a signer, asks it. */
static int attempt(struct sn_signer_remote *r, const struct sn_signer_msg *q, struct sn_arena *a,
                   struct sn_signer_msg *ret)
{
    int64_t until = sn_now() + r->o.timeout_accept_ns;
    int x = sn_mutex_lock(&r->lock);
    if (x < 0) return x;
    while (!r->link && x >= 0) x = wait_changed(r, until);
    if (x >= 0) x = ask(r, q, a, ret);
    sn_mutex_unlock(&r->lock);
    if (x == SN_E_DEADLINE_EXCEEDED && sn_deadline() > sn_now())
        x = sn_fail(SN_E_UNAVAILABLE, "no remote signer is connected, or it does not answer");
    return x;
}

/* Asks until there is an answer: a signer that restarts shall not cost the round. */
static int ask_for(struct sn_signer_remote *r, const struct sn_signer_msg *q, struct sn_arena *a,
                   struct sn_signer_msg *ret)
{
    int x = 0;
    for (unsigned i = 0; i < r->o.retries; i++) {
        x = attempt(r, q, a, ret);
        if (x >= 0 && ret->refused)
            return sn_fail(SN_E_ABORTED, "the remote signer refused (%d): %.*s", ret->code,
                           SN_STR_ARG(ret->why));
        if (x >= 0 || x == SN_E_CANCELLED || x == SN_E_NOMEM || sn_cancelled()) return x;
        SN_LOG_WARN("remote signer", SN_L("attempt", (int64_t)i + 1), SN_L_ERR(x));
        int y = sn_sleep(r->o.retry_pause_ns);
        if (y < 0) return y;
    }
    return sn_fail(SN_E_UNAVAILABLE, "no signature after %u attempts: %s", r->o.retries,
                   sn_diag_str(x));
}

/* ---- signing ---- */

static int verify(struct sn_signer_remote *r, struct sn_str bytes, const struct sn_cons_sig *sig)
{
    int ok = sn_cons_verify(r->o.verifier, &r->s.key, bytes, sig);
    if (ok == 1 || ok < 0) return ok < 0 ? ok : 0;
    return sn_fail(SN_E_DATA_LOSS, "the remote signer's signature is not its key's");
}

static int sign_vote(struct sn_signer *s, struct sn_str chain_id, struct sn_cons_vote *v)
{
    struct sn_signer_remote *r = (struct sn_signer_remote *)s;
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_signer_msg m;
    struct sn_cons_vote done = *v;
    sn_arena_init(&a, NULL, ARENA_MAX);
    sn_buf_init(&b, 0);
    int x = ask_for(r, &(struct sn_signer_msg){.kind = SN_SIGNER_SIGN_VOTE_REQUEST, .vote = *v,
                                               .chain_id = chain_id}, &a, &m);
    if (x < 0) return x;
    /* Only what a signer has to say is taken over; that it is of this vote, the signature proves. */
    done.time = m.vote.time;
    done.sig = m.vote.sig;
    done.ext_sig = m.vote.ext_sig;
    x = sn_cons_vote_sign_bytes(chain_id, &done, &b);
    if (x >= 0) x = verify(r, sn_buf_view(&b), &done.sig);
    bool extends = v->type == SN_CONS_PRECOMMIT && !sn_cons_block_id_is_nil(&v->block_id);
    if (x >= 0 && extends && done.ext_sig.len) {
        sn_buf_reset(&b);
        x = sn_cons_extension_sign_bytes(chain_id, &done, &b);
        if (x >= 0) x = verify(r, sn_buf_view(&b), &done.ext_sig);
    }
    if (x >= 0) *v = done;
    return x;
}

static int sign_proposal(struct sn_signer *s, struct sn_str chain_id, struct sn_cons_proposal *p)
{
    struct sn_signer_remote *r = (struct sn_signer_remote *)s;
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_signer_msg m;
    struct sn_cons_proposal done = *p;
    sn_arena_init(&a, NULL, ARENA_MAX);
    sn_buf_init(&b, 0);
    int x = ask_for(r, &(struct sn_signer_msg){.kind = SN_SIGNER_SIGN_PROPOSAL_REQUEST,
                                               .proposal = *p, .chain_id = chain_id}, &a, &m);
    if (x < 0) return x;
    done.time = m.proposal.time;
    done.sig = m.proposal.sig;
    x = sn_cons_proposal_sign_bytes(chain_id, &done, &b);
    if (x >= 0) x = verify(r, sn_buf_view(&b), &done.sig);
    if (x >= 0) *p = done;
    return x;
}

/* ---- connections ---- */

/* A new connection's key: the first one is the validator's, later ones must be the same. */
static int meet(struct sn_signer_remote *r, struct sn_signer_link *link)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_signer_msg m;
    sn_arena_init(&a, NULL, ARENA_MAX);
    int x = ask_link(r, link, &(struct sn_signer_msg){.kind = SN_SIGNER_PUB_KEY_REQUEST,
                                                      .chain_id = r->o.chain_id}, &a, &m);
    if (x >= 0 && m.refused)
        x = sn_fail(SN_E_ABORTED, "it refused (%d): %.*s", m.code, SN_STR_ARG(m.why));
    if (x >= 0 && r->has_key && !sn_cons_key_eq(&m.key, &r->s.key))
        x = sn_fail(SN_E_PERMISSION_DENIED, "it has another key than the signer before");
    if (x >= 0 && !r->has_key) r->s.key = m.key;
    return x;
}

static int accept_one(struct sn_signer_remote *r)
{
    struct sn_signer_link *link = NULL;
    struct sn_stream *s;
    char peer[ADDR_MAX] = "";
    int x = sn_accept(r->l, &s);
    if (x < 0) return x;
    (void)!sn_stream_addr(s, true, peer, sizeof(peer));
    int64_t d = sn_deadline_tighten(sn_now() + r->o.timeout_rw_ns);
    x = sn_signer_link_new(s, r->tcp ? r->o.node_key : NULL, &link);
    sn_deadline_restore(d);
    if (x >= 0) x = meet(r, link);
    if (x < 0) {
        SN_LOG_WARN("not a signer for us", SN_L("peer", peer), SN_L_ERR(x));
        sn_signer_link_free(link);
        return sn_cancelled() ? SN_E_CANCELLED : 0;
    }
    SN_LOG_INFO("remote signer connected", SN_L("peer", peer));
    sn_mutex_lock_always(&r->lock);
    r->link = link;
    r->has_key = true;
    r->asked_ns = sn_now();
    sn_cond_broadcast(&r->changed);
    sn_mutex_unlock(&r->lock);
    return 0;
}

/* Until the link is gone; with the lock. Pings keep it, or show that nobody is there any more. */
static int keep(struct sn_signer_remote *r)
{
    while (r->link) {
        struct sn_arena a SN_CLEANUP(sn_arena_done);
        struct sn_signer_msg m;
        int64_t at = r->asked_ns + r->o.timeout_rw_ns * 2 / 3;
        sn_arena_init(&a, NULL, ARENA_MAX);
        if (sn_now() < at) {
            int x = wait_changed(r, at);
            if (x == SN_E_CANCELLED || sn_cancelled()) return SN_E_CANCELLED;
            continue;
        }
        int x = ask(r, &(struct sn_signer_msg){.kind = SN_SIGNER_PING_REQUEST}, &a, &m);
        if (x < 0) SN_LOG_WARN("the remote signer has gone", SN_L_ERR(x));
        if (x < 0 && sn_cancelled()) return SN_E_CANCELLED;
    }
    return 0;
}

int sn_signer_remote_run(struct sn_signer_remote *r)
{
    int x = 0;
    while (x >= 0) {
        x = accept_one(r);
        if (x < 0) break;
        sn_mutex_lock_always(&r->lock);
        x = keep(r);
        sn_mutex_unlock(&r->lock);
    }
    return x;
}

int sn_signer_remote_wait(struct sn_signer_remote *r, int64_t timeout_ns, struct sn_signer **ret)
{
    int64_t until = timeout_ns ? sn_now() + timeout_ns : SN_FOREVER;
    int x = sn_mutex_lock(&r->lock);
    if (x < 0) return x;
    while (!r->has_key && x >= 0) x = wait_changed(r, until);
    sn_mutex_unlock(&r->lock);
    if (x >= 0) *ret = &r->s;
    return x;
}

int sn_signer_remote_addr(const struct sn_signer_remote *r, char *out, size_t cap)
{
    return sn_listener_addr(r->l, out, cap);
}

int sn_signer_remote_new(const struct sn_signer_remote_opts *o, struct sn_signer_remote **ret)
{
    char addr[ADDR_MAX];
    int x = sn_signer_addr(o->laddr, addr, sizeof(addr));
    if (x < 0) return sn_wrap(x, "priv_validator_laddr");
    struct sn_signer_remote *r = SN_NEW(struct sn_signer_remote);
    if (!r) return SN_E_NOMEM;
    r->o = *o;
    r->s = (struct sn_signer){.sign_vote = sign_vote, .sign_proposal = sign_proposal};
    r->tcp = sn_signer_addr_is_tcp(addr);
    r->o.timeout_accept_ns = or_default(o->timeout_accept_ns, 3 * SN_SEC);
    r->o.timeout_rw_ns = or_default(o->timeout_rw_ns, 5 * SN_SEC);
    r->o.retries = o->retries ? o->retries : 50;
    r->o.retry_pause_ns = or_default(o->retry_pause_ns, 100 * SN_MS);
    x = sn_listen(addr, NULL, &r->l);
    if (x < 0) {
        sn_free(r);
        return sn_wrap(x, "priv_validator_laddr");
    }
    *ret = r;
    return 0;
}

void sn_signer_remote_free(struct sn_signer_remote *r)
{
    if (!r) return;
    sn_listener_close(r->l);
    sn_signer_link_free(r->link);
    sn_free(r);
}
