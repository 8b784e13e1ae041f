/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/codec_vote.c - ids, votes, proposals, commits as protobuf. */
#include "consensus/check.h"
#include "consensus/codec_int.h"

/* ---- writing ---- */

struct google_protobuf_timestamp *sn_cons_time_pb(struct sn_cons_time t, struct sn_arena *a)
{
    struct google_protobuf_timestamp *m = google_protobuf_timestamp_new(a);
    if (!m) return NULL;
    m->seconds = t.sec;
    m->nanos = t.nsec;
    return m;
}

struct tendermint_types_block_id *sn_cons_block_id_pb(const struct sn_cons_block_id *id,
                                                      struct sn_arena *a)
{
    struct tendermint_types_block_id *m = tendermint_types_block_id_new(a);
    if (!m || !(m->part_set_header = tendermint_types_part_set_header_new(a))) return NULL;
    m->hash = sn_cons_hash_str(&id->hash);
    m->part_set_header->total = id->parts.total;
    m->part_set_header->hash = sn_cons_hash_str(&id->parts.hash);
    return m;
}

struct tendermint_types_vote *sn_cons_vote_pb(const struct sn_cons_vote *v, struct sn_arena *a)
{
    struct tendermint_types_vote *m = tendermint_types_vote_new(a);
    if (!m || !(m->block_id = sn_cons_block_id_pb(&v->block_id, a)) ||
        !(m->timestamp = sn_cons_time_pb(v->time, a)))
        return NULL;
    m->type = v->type;
    m->height = v->height;
    m->round = v->round;
    m->validator_address = sn_str_of((const char *)v->addr, sizeof(v->addr));
    m->validator_index = v->index;
    m->signature = sn_cons_sig_str(&v->sig);
    m->extension = v->ext;
    m->extension_signature = sn_cons_sig_str(&v->ext_sig);
    return m;
}

struct tendermint_types_proposal *sn_cons_proposal_pb(const struct sn_cons_proposal *p,
                                                      struct sn_arena *a)
{
    struct tendermint_types_proposal *m = tendermint_types_proposal_new(a);
    if (!m || !(m->block_id = sn_cons_block_id_pb(&p->block_id, a)) ||
        !(m->timestamp = sn_cons_time_pb(p->time, a)))
        return NULL;
    m->type = TENDERMINT_TYPES_SIGNED_MSG_TYPE_PROPOSAL;
    m->height = p->height;
    m->round = p->round;
    m->pol_round = p->pol_round;
    m->signature = sn_cons_sig_str(&p->sig);
    return m;
}

static struct sn_str addr_str(const struct sn_cons_commit_sig *s)
{
    return sn_str_of((const char *)s->addr, s->flag == SN_CONS_ABSENT ? 0 : sizeof(s->addr));
}
struct tendermint_types_commit_sig *sn_cons_commit_sig_pb(const struct sn_cons_commit_sig *s,
                                                          struct sn_arena *a)
{
    struct tendermint_types_commit_sig *m = tendermint_types_commit_sig_new(a);
    if (!m || !(m->timestamp = sn_cons_time_pb(s->time, a))) return NULL;
    m->block_id_flag = s->flag;
    m->validator_address = addr_str(s);
    m->signature = sn_cons_sig_str(&s->sig);
    return m;
}
struct tendermint_types_commit *sn_cons_commit_pb(const struct sn_cons_commit *c,
                                                  struct sn_arena *a)
{
    struct tendermint_types_commit *m = tendermint_types_commit_new(a);
    if (!m || !(m->block_id = sn_cons_block_id_pb(&c->block_id, a))) return NULL;
    m->height = c->height;
    m->round = c->round;
    m->signatures.ptr = SN_ARENA_ARRAY(a, struct tendermint_types_commit_sig *, c->n + 1);
    if (!m->signatures.ptr) return NULL;
    for (; m->signatures.len < c->n; m->signatures.len++) {
        struct tendermint_types_commit_sig *s = sn_cons_commit_sig_pb(&c->sigs[m->signatures.len], a);
        if (!s) return NULL;
        m->signatures.ptr[m->signatures.len] = s;
    }
    return m;
}
static struct tendermint_types_extended_commit *ext_commit_pb(const struct sn_cons_commit *c,
                                                              struct sn_arena *a)
{
    struct tendermint_types_extended_commit *m = tendermint_types_extended_commit_new(a);
    if (!m || !(m->block_id = sn_cons_block_id_pb(&c->block_id, a))) return NULL;
    m->height = c->height;
    m->round = c->round;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct sn_cons_commit_sig *s = &c->sigs[i];
        struct tendermint_types_extended_commit_sig *x =
            tendermint_types_extended_commit_add_extended_signatures(m, a);
        if (!x || !(x->timestamp = sn_cons_time_pb(s->time, a))) return NULL;
        x->block_id_flag = s->flag;
        x->validator_address = addr_str(s);
        x->signature = sn_cons_sig_str(&s->sig);
        x->extension = s->ext;
        x->extension_signature = sn_cons_sig_str(&s->ext_sig);
    }
    return m;
}

/* ---- reading ---- */

int sn_cons_time_of(const struct google_protobuf_timestamp *m, struct sn_cons_time *ret)
{
    *ret = SN_CONS_TIME_ZERO;
    if (!m) return 0;
    if (m->seconds < SN_CONS_TIME_ZERO.sec || m->seconds >= 253402300800ll)
        return sn_fail(SN_E_INVALID_ARGUMENT, "time %lld s is outside the years 1 to 9999",
                       (long long)m->seconds);
    if (m->nanos < 0 || m->nanos >= 1000000000)
        return sn_fail(SN_E_INVALID_ARGUMENT, "time has %d ns, expected 0 to 999999999", m->nanos);
    *ret = (struct sn_cons_time){m->seconds, m->nanos};
    return 0;
}

int sn_cons_hash_of(struct sn_str s, const char *what, struct sn_cons_hash *ret)
{
    *ret = (struct sn_cons_hash){0};
    if (s.len != 0 && s.len != SN_CONS_HASH_LEN)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s of %zu bytes, expected 32", what, s.len);
    ret->len = (uint8_t)s.len;
    if (s.len) memcpy(ret->b, s.ptr, s.len);
    return 0;
}

int sn_cons_sig_of(struct sn_str s, const char *what, struct sn_cons_sig *ret)
{
    *ret = (struct sn_cons_sig){0};
    if (s.len > SN_CONS_SIG_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s of %zu bytes, expected at most %d", what, s.len,
                       SN_CONS_SIG_MAX);
    ret->len = (uint8_t)s.len;
    if (s.len) memcpy(ret->b, s.ptr, s.len);
    return 0;
}

static int addr_of(struct sn_str s, uint8_t ret[SN_CONS_ADDR_LEN])
{
    if (s.len != SN_CONS_ADDR_LEN)
        return sn_fail(SN_E_INVALID_ARGUMENT, "validator address of %zu bytes, expected 20", s.len);
    memcpy(ret, s.ptr, s.len);
    return 0;
}

int sn_cons_part_set_header_of(const struct tendermint_types_part_set_header *m,
                               struct sn_cons_part_set_header *ret)
{
    *ret = (struct sn_cons_part_set_header){0};
    if (!m) return 0;
    ret->total = m->total;
    return sn_cons_hash_of(m->hash, "part set hash", &ret->hash);
}

int sn_cons_block_id_of(const struct tendermint_types_block_id *m, struct sn_cons_block_id *ret)
{
    *ret = (struct sn_cons_block_id){0};
    if (!m) return 0;
    int r = sn_cons_hash_of(m->hash, "block hash", &ret->hash);
    return r < 0 ? r : sn_cons_part_set_header_of(m->part_set_header, &ret->parts);
}

int sn_cons_vote_of(const struct tendermint_types_vote *m, struct sn_cons_vote *ret)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "vote is missing");
    *ret = (struct sn_cons_vote){.height = m->height,
                                 .round = m->round,
                                 .index = m->validator_index,
                                 .ext = m->extension};
    /* A type that does not fit is no type. */
    ret->type = m->type > 0 && m->type < 256 ? (uint8_t)m->type : 0;
    int r = sn_cons_block_id_of(m->block_id, &ret->block_id);
    if (r >= 0) r = sn_cons_time_of(m->timestamp, &ret->time);
    if (r >= 0) r = addr_of(m->validator_address, ret->addr);
    if (r >= 0) r = sn_cons_sig_of(m->signature, "vote signature", &ret->sig);
    if (r >= 0) r = sn_cons_sig_of(m->extension_signature, "extension signature", &ret->ext_sig);
    return r < 0 ? r : sn_cons_check_vote(ret);
}

int sn_cons_proposal_of(const struct tendermint_types_proposal *m, struct sn_cons_proposal *ret)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "proposal is missing");
    if (m->type != TENDERMINT_TYPES_SIGNED_MSG_TYPE_PROPOSAL)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proposal has type %d, expected 32", m->type);
    *ret = (struct sn_cons_proposal){
        .height = m->height, .round = m->round, .pol_round = m->pol_round};
    int r = sn_cons_block_id_of(m->block_id, &ret->block_id);
    if (r >= 0) r = sn_cons_time_of(m->timestamp, &ret->time);
    if (r >= 0) r = sn_cons_sig_of(m->signature, "proposal signature", &ret->sig);
    return r < 0 ? r : sn_cons_check_proposal(ret);
}

static int commit_sig_of(int flag, struct sn_str addr, const struct google_protobuf_timestamp *time,
                         struct sn_str sig, struct sn_cons_commit_sig *ret)
{
    if (flag < SN_CONS_ABSENT || flag > SN_CONS_NIL)
        return sn_fail(SN_E_INVALID_ARGUMENT, "unknown block id flag %d", flag);
    ret->flag = (uint8_t)flag;
    int r = sn_cons_time_of(time, &ret->time);
    if (r >= 0) r = sn_cons_sig_of(sig, "signature", &ret->sig);
    if (r < 0) return r;
    if (flag != SN_CONS_ABSENT) {
        if (sig.len == 0) return sn_fail(SN_E_INVALID_ARGUMENT, "signature is missing");
        return addr_of(addr, ret->addr);
    }
    if (addr.len || sig.len || !sn_cons_time_is_zero(ret->time))
        return sn_fail(SN_E_INVALID_ARGUMENT, "absent validator has address, time or signature");
    return 0;
}

static int commit_head(int64_t height, int32_t round, const struct tendermint_types_block_id *id,
                       uint32_t n, struct sn_cons_commit *ret)
{
    *ret = (struct sn_cons_commit){.height = height, .round = round};
    int r = sn_cons_block_id_of(id, &ret->block_id);
    if (r < 0) return r;
    if (n > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "commit has %u signatures, at most %d", n,
                       SN_CONS_VALIDATORS_MAX);
    return 0;
}

int sn_cons_commit_of(const struct tendermint_types_commit *m, struct sn_cons_commit *ret,
                      struct sn_arena *a)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "commit is missing");
    uint32_t n = m->signatures.len;
    int r = commit_head(m->height, m->round, m->block_id, n, ret);
    if (r < 0) return r;
    ret->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, n + 1);
    if (!ret->sigs) return SN_E_NOMEM;
    for (; ret->n < n; ret->n++) {
        const struct tendermint_types_commit_sig *s = m->signatures.ptr[ret->n];
        r = commit_sig_of(s->block_id_flag, s->validator_address, s->timestamp, s->signature,
                          &ret->sigs[ret->n]);
        if (r < 0) return sn_wrap(r, "commit signature %u", ret->n);
    }
    return sn_cons_check_commit(ret);
}

int sn_cons_ext_commit_of(const struct tendermint_types_extended_commit *m,
                          struct sn_cons_commit *ret, struct sn_arena *a)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "extended commit is missing");
    uint32_t n = m->extended_signatures.len;
    int r = commit_head(m->height, m->round, m->block_id, n, ret);
    if (r < 0) return r;
    ret->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, n + 1);
    if (!ret->sigs) return SN_E_NOMEM;
    for (; ret->n < n; ret->n++) {
        const struct tendermint_types_extended_commit_sig *s = m->extended_signatures.ptr[ret->n];
        struct sn_cons_commit_sig *x = &ret->sigs[ret->n];
        r = commit_sig_of(s->block_id_flag, s->validator_address, s->timestamp, s->signature, x);
        if (r >= 0) r = sn_cons_sig_of(s->extension_signature, "extension signature", &x->ext_sig);
        x->ext = s->extension;
        if (r >= 0 && s->extension.len > SN_CONS_EXTENSION_MAX)
            r = sn_fail(SN_E_TOO_LARGE, "vote extension of %zu bytes, at most %u",
                        s->extension.len, SN_CONS_EXTENSION_MAX);
        if (r >= 0 && s->extension.len && !x->ext_sig.len)
            r = sn_fail(SN_E_INVALID_ARGUMENT, "vote extension without signature");
        if (r < 0) return sn_wrap(r, "extended commit signature %u", ret->n);
    }
    return sn_cons_check_commit(ret);
}

/* ---- bytes ---- */

#define ARENA_MAX ((size_t)64 << 20)

int sn_cons_vote_encode(const struct sn_cons_vote *v, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_vote *m = sn_cons_vote_pb(v, &a);
    ssize_t r = m ? tendermint_types_vote_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_vote_decode(struct sn_str in, struct sn_cons_vote **ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_types_vote *m;
    struct sn_cons_vote v;
    sn_arena_init(&a, NULL, ARENA_MAX);
    int r = tendermint_types_vote_parse(in, SN_PB_DISCARD_UNKNOWN, &a, &m);
    if (r >= 0) r = sn_cons_vote_of(m, &v);
    if (r < 0) return sn_wrap(r, "vote");
    *ret = sn_cons_vote_new(&v);
    return *ret ? 0 : SN_E_NOMEM;
}

int sn_cons_proposal_encode(const struct sn_cons_proposal *p, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_proposal *m = sn_cons_proposal_pb(p, &a);
    ssize_t r = m ? tendermint_types_proposal_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_proposal_decode(struct sn_str in, struct sn_cons_proposal *ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_types_proposal *m;
    sn_arena_init(&a, NULL, ARENA_MAX);
    int r = tendermint_types_proposal_parse(in, SN_PB_DISCARD_UNKNOWN, &a, &m);
    if (r >= 0) r = sn_cons_proposal_of(m, ret);
    return r < 0 ? sn_wrap(r, "proposal") : 0;
}

int sn_cons_commit_encode(const struct sn_cons_commit *c, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_commit *m = sn_cons_commit_pb(c, &a);
    ssize_t r = m ? tendermint_types_commit_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_commit_decode(struct sn_str in, struct sn_arena *a, struct sn_cons_commit *ret)
{
    struct tendermint_types_commit *m;
    int r = tendermint_types_commit_parse(in, SN_PB_DISCARD_UNKNOWN | SN_PB_COPY, a, &m);
    if (r >= 0) r = sn_cons_commit_of(m, ret, a);
    return r < 0 ? sn_wrap(r, "commit") : 0;
}
int sn_cons_ext_commit_encode(const struct sn_cons_commit *c, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_extended_commit *m = ext_commit_pb(c, &a);
    ssize_t r = m ? tendermint_types_extended_commit_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_ext_commit_decode(struct sn_str in, struct sn_arena *a, struct sn_cons_commit *ret)
{
    struct tendermint_types_extended_commit *m;
    int r = tendermint_types_extended_commit_parse(in, SN_PB_DISCARD_UNKNOWN | SN_PB_COPY, a, &m);
    if (r >= 0) r = sn_cons_ext_commit_of(m, ret, a);
    return r < 0 ? sn_wrap(r, "extended commit") : 0;
}
