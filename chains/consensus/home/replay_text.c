/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/replay_text.c - records, actions and rounds as lines for people. */
#include "consensus/home/replay_int.h"
#include "core/enc.h"
#include "core/status.h"

#define HASH_SHOWN 6 /* bytes of a hash: enough to tell one from another */

static void put_hash(struct sn_buf *out, const struct sn_cons_hash *h)
{
    if (!h->len) sn_buf_cstr(out, "nil");
    sn_buf_hex_upper(out, h->b, SN_MIN(h->len, HASH_SHOWN));
}

static void put_addr(struct sn_buf *out, const uint8_t addr[SN_CONS_ADDR_LEN])
{
    sn_buf_hex_upper(out, addr, HASH_SHOWN);
}

static const char *type_name(unsigned type)
{
    return type == SN_CONS_PREVOTE ? "prevote" : type == SN_CONS_PRECOMMIT ? "precommit" : "vote";
}

static void put_vote(struct sn_buf *out, const struct sn_cons_vote *v)
{
    sn_buf_printf(out, "%s %lld/%d of validator %d ", type_name(v->type), (long long)v->height,
                  v->round, v->index);
    put_addr(out, v->addr);
    sn_buf_cstr(out, " for ");
    put_hash(out, &v->block_id.hash);
}

static void put_proposal(struct sn_buf *out, const struct sn_cons_proposal *p)
{
    sn_buf_printf(out, "proposal %lld/%d of ", (long long)p->height, p->round);
    put_hash(out, &p->block_id.hash);
    if (p->pol_round >= 0) sn_buf_printf(out, ", proof of lock in round %d", p->pol_round);
}

static void put_msg(struct sn_buf *out, const struct sn_cons_msg *m)
{
    switch (m->kind) {
    case SN_CONS_MSG_PROPOSAL: put_proposal(out, &m->proposal); return;
    case SN_CONS_MSG_BLOCK_PART:
        sn_buf_printf(out, "block part %lld/%d number %u, %zu bytes", (long long)m->height, m->round,
                      m->part.index, m->part.bytes.len);
        return;
    case SN_CONS_MSG_VOTE: put_vote(out, m->vote); return;
    case SN_CONS_MSG_VOTE_SET_MAJ23:
        sn_buf_printf(out, "claims two thirds of %ss %lld/%d for ", type_name(m->vote_type),
                      (long long)m->height, m->round);
        put_hash(out, &m->block_id.hash);
        return;
    default: sn_buf_printf(out, "message %d", m->kind);
    }
}

void sn_home_put_record_(struct sn_buf *out, uint64_t n, const struct sn_cons_wal_record *rec)
{
    char time[40];
    sn_buf_printf(out, "%llu %s ", (unsigned long long)n, sn_cons_time_text(rec->time, time));
    switch (rec->kind) {
    case SN_CONS_WAL_ROUND_STATE:
        sn_buf_printf(out, "entered %lld/%d %.*s", (long long)rec->height, rec->round,
                      SN_STR_ARG(rec->step));
        break;
    case SN_CONS_WAL_MSG:
        put_msg(out, &rec->msg);
        if (rec->peer.len) sn_buf_printf(out, " from %.*s", rec->peer.len, rec->peer.b);
        else sn_buf_cstr(out, " of our own");
        break;
    case SN_CONS_WAL_TIMEOUT:
        sn_buf_printf(out, "timeout %lld/%d %s", (long long)rec->timeout.height, rec->timeout.round,
                      sn_cons_step_name((enum sn_cons_step)rec->timeout.step));
        break;
    case SN_CONS_WAL_END_HEIGHT:
        sn_buf_printf(out, "end of height %lld", (long long)rec->height);
        break;
    }
    sn_buf_byte(out, '\n');
}

/* ---- actions ---- */

static const char *note_name(enum sn_cons_note n)
{
    static const char *const names[] = {"", "new round", "complete proposal", "timeout of the proposal",
                                        "timeout of votes", "polka", "locked", "locked again",
                                        "unlocked"};
    return (size_t)n < SN_COUNT_OF(names) ? names[n] : "?";
}

static void put_block(struct sn_buf *out, const char *what, const struct sn_cons_action *a)
{
    sn_buf_printf(out, "%s", what);
    if (a->block)
        sn_buf_printf(out, " %lld, %u transactions", (long long)a->block->header.height,
                      a->block->n_txs);
}

static void put_signature(struct sn_buf *out, const struct sn_cons_action *a)
{
    sn_buf_cstr(out, "would sign ");
    if (a->kind == SN_CONS_ACT_SIGN_VOTE) put_vote(out, a->vote);
    else put_proposal(out, &a->proposal);
}

static void put_news(struct sn_buf *out, const struct sn_cons_action *a)
{
    switch (a->kind) {
    case SN_CONS_ACT_NEW_STEP:
        sn_buf_printf(out, "step %lld/%d %s", (long long)a->height, a->round,
                      sn_cons_step_name((enum sn_cons_step)a->step));
        break;
    case SN_CONS_ACT_HAS_VOTE:
        sn_buf_cstr(out, "counts ");
        put_vote(out, a->vote);
        break;
    case SN_CONS_ACT_CONFLICT:
        sn_buf_cstr(out, "double signature: ");
        put_vote(out, a->vote);
        sn_buf_cstr(out, " and ");
        put_vote(out, a->vote_b);
        break;
    case SN_CONS_ACT_NOTE: sn_buf_cstr(out, note_name(a->note)); break;
    default: sn_buf_cstr(out, "valid block"); break;
    }
}

void sn_home_put_action_(struct sn_buf *out, const struct sn_cons_action *a)
{
    sn_buf_cstr(out, "    ");
    switch (a->kind) {
    case SN_CONS_ACT_SCHEDULE:
        sn_buf_printf(out, "timeout %lld/%d %s after %lld ms", (long long)a->timeout.height,
                      a->timeout.round, sn_cons_step_name((enum sn_cons_step)a->timeout.step),
                      (long long)(a->timeout.duration_ns / 1000000));
        break;
    case SN_CONS_ACT_SIGN_PROPOSAL: case SN_CONS_ACT_SIGN_VOTE: put_signature(out, a); break;
    case SN_CONS_ACT_PREPARE:
        sn_buf_printf(out, "would ask the application for a block %lld/%d", (long long)a->height,
                      a->round);
        break;
    case SN_CONS_ACT_PROCESS: put_block(out, "the application judged block", a); break;
    case SN_CONS_ACT_EXTEND: sn_buf_cstr(out, "would ask for a vote extension"); break;
    case SN_CONS_ACT_VERIFY_EXTENSION: sn_buf_cstr(out, "a vote extension was judged"); break;
    case SN_CONS_ACT_FINALIZE: put_block(out, "executes block", a); break;
    case SN_CONS_ACT_COMMIT: sn_buf_cstr(out, "the application commits"); break;
    case SN_CONS_ACT_SAVE_BLOCK: put_block(out, "stores block", a); break;
    case SN_CONS_ACT_END_HEIGHT:
        sn_buf_printf(out, "logs the end of height %lld", (long long)a->height);
        break;
    case SN_CONS_ACT_SAVE_STATE: sn_buf_cstr(out, "stores the state"); break;
    default: put_news(out, a);
    }
    sn_buf_byte(out, '\n');
}

/* ---- the round ---- */

static void put_validators(struct sn_buf *out, const struct sn_cons_round_state *rs)
{
    for (uint32_t i = 0; i < rs->vals->n; i++) {
        const struct sn_cons_validator *v = &rs->vals->vals[i];
        sn_buf_printf(out, "validator %u ", i);
        sn_buf_hex_upper(out, v->addr, SN_CONS_ADDR_LEN);
        sn_buf_printf(out, " power %lld priority %lld\n", (long long)v->power,
                      (long long)v->priority);
    }
}

static void put_parts(struct sn_buf *out, const char *what, const struct sn_cons_part_set *p,
                      const struct sn_cons_block *b)
{
    if (!p) {
        sn_buf_printf(out, "%s none\n", what);
        return;
    }
    sn_buf_printf(out, "%s ", what);
    put_hash(out, &p->header.hash);
    sn_buf_printf(out, ", %u of %u parts", p->count, p->header.total);
    if (b) sn_buf_printf(out, ", %u transactions", b->n_txs);
    sn_buf_byte(out, '\n');
}

static void put_vote_set(struct sn_buf *out, const char *what, int32_t round,
                         const struct sn_cons_vote_set *s)
{
    if (!s) return;
    sn_buf_printf(out, "%s %d ", what, round);
    for (uint32_t i = 0; i < s->bits.n; i++) sn_buf_byte(out, sn_cons_bits_get(&s->bits, i) ? 'x' : '_');
    const struct sn_cons_block_id *maj = sn_cons_vote_set_maj23(s);
    if (maj) {
        sn_buf_cstr(out, " two thirds for ");
        put_hash(out, &maj->hash);
    }
    sn_buf_byte(out, '\n');
}

static void put_votes(struct sn_buf *out, const struct sn_cons_round_state *rs)
{
    for (size_t i = 0; i < rs->votes.rounds.len; i++) {
        const struct sn_cons_round_votes *r = &rs->votes.rounds.ptr[i];
        put_vote_set(out, "prevotes", r->round, r->prevotes);
        put_vote_set(out, "precommits", r->round, r->precommits);
    }
    if (rs->last_commit) put_vote_set(out, "last commit", rs->last_commit->round, rs->last_commit);
}

int sn_home_put_round_(struct sn_buf *out, const struct sn_cons_round_state *rs, struct sn_str what)
{
    bool all = !what.len, known = all;
#define PART(word) (all || (sn_str_eqc(what, word) && (known = true)))
    if (PART("short"))
        sn_buf_printf(out, "%lld/%d/%s\n", (long long)rs->height, rs->round,
                      sn_cons_step_name((enum sn_cons_step)rs->step));
    if (PART("validators")) put_validators(out, rs);
    if (PART("proposal")) {
        if (rs->has_proposal) put_proposal(out, &rs->proposal);
        else sn_buf_cstr(out, "no proposal");
        sn_buf_byte(out, '\n');
    }
    if (PART("proposal_block")) put_parts(out, "proposed block", rs->parts, rs->block);
    if (PART("locked_round")) sn_buf_printf(out, "locked in round %d\n", rs->locked_round);
    if (PART("locked_block")) put_parts(out, "locked block", rs->locked_parts, rs->locked_block);
    if (PART("votes")) put_votes(out, rs);
#undef PART
    if (!known)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "expected short, validators, proposal, proposal_block, locked_round, "
                       "locked_block or votes, got %.*s",
                       SN_STR_ARG(what));
    return out->err;
}
