/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/signer_msg.c - the messages as protobuf. */
#include "consensus/signer_msg.h"

#include "consensus/codec_int.h"
#include "core/varint.h"
#include "tendermint/privval/types.pb.h"

#define M(name) struct tendermint_privval_##name
#define NEW(name) tendermint_privval_##name##_new(a)

/* ---- writing ---- */

static bool put_error(const struct sn_signer_msg *m, M(remote_signer_error) * *ret,
                      struct sn_arena *a)
{
    if (!m->refused) return true;
    if (!(*ret = NEW(remote_signer_error))) return false;
    (*ret)->code = m->code;
    (*ret)->description = m->why;
    return true;
}

/* CometBFT writes an empty vote, proposal or key where it refuses; readers want it there. */
static bool put_vote(const struct sn_signer_msg *m, struct tendermint_types_vote **ret,
                     struct sn_arena *a)
{
    static const struct sn_cons_vote none = {.time = {-62135596800ll, 0}};
    *ret = sn_cons_vote_pb(m->refused ? &none : &m->vote, a);
    if (*ret && m->refused) (*ret)->validator_address = SN_STR("");
    return *ret;
}
static bool put_proposal(const struct sn_signer_msg *m, struct tendermint_types_proposal **ret,
                         struct sn_arena *a)
{
    static const struct sn_cons_proposal none = {.time = {-62135596800ll, 0}};
    *ret = sn_cons_proposal_pb(m->refused ? &none : &m->proposal, a);
    if (*ret && m->refused) (*ret)->type = 0;
    return *ret;
}
static bool put_key(const struct sn_signer_msg *m, struct tendermint_crypto_public_key **ret,
                    struct sn_arena *a)
{
    *ret = m->refused ? tendermint_crypto_public_key_new(a) : sn_cons_key_pb(&m->key, a);
    return *ret;
}

static bool build(const struct sn_signer_msg *m, M(message) * out, struct sn_arena *a)
{
    out->sum_case = m->kind;
    switch (m->kind) {
    case SN_SIGNER_PUB_KEY_REQUEST:
        if (!(out->pub_key_request = NEW(pub_key_request))) return false;
        out->pub_key_request->chain_id = m->chain_id;
        return true;
    case SN_SIGNER_PUB_KEY_RESPONSE:
        return (out->pub_key_response = NEW(pub_key_response)) &&
               put_key(m, &out->pub_key_response->pub_key, a) &&
               put_error(m, &out->pub_key_response->error, a);
    case SN_SIGNER_SIGN_VOTE_REQUEST:
        if (!(out->sign_vote_request = NEW(sign_vote_request))) return false;
        out->sign_vote_request->chain_id = m->chain_id;
        return put_vote(m, &out->sign_vote_request->vote, a);
    case SN_SIGNER_SIGNED_VOTE_RESPONSE:
        return (out->signed_vote_response = NEW(signed_vote_response)) &&
               put_vote(m, &out->signed_vote_response->vote, a) &&
               put_error(m, &out->signed_vote_response->error, a);
    case SN_SIGNER_SIGN_PROPOSAL_REQUEST:
        if (!(out->sign_proposal_request = NEW(sign_proposal_request))) return false;
        out->sign_proposal_request->chain_id = m->chain_id;
        return put_proposal(m, &out->sign_proposal_request->proposal, a);
    case SN_SIGNER_SIGNED_PROPOSAL_RESPONSE:
        return (out->signed_proposal_response = NEW(signed_proposal_response)) &&
               put_proposal(m, &out->signed_proposal_response->proposal, a) &&
               put_error(m, &out->signed_proposal_response->error, a);
    case SN_SIGNER_PING_REQUEST: return (out->ping_request = NEW(ping_request));
    case SN_SIGNER_PING_RESPONSE: return (out->ping_response = NEW(ping_response));
    }
    return false;
}

int sn_signer_msg_put(const struct sn_signer_msg *m, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_buf body SN_CLEANUP(sn_buf_done);
    uint8_t len[SN_VARINT_MAX];
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&body, 0);
    M(message) *pb = tendermint_privval_message_new(&a);
    if (!pb || !build(m, pb, &a)) return SN_E_NOMEM;
    ssize_t r = tendermint_privval_message_encode(pb, &body);
    if (r < 0) return (int)r;
    sn_buf_put(out, len, sn_varint_put(len, body.len));
    return sn_buf_str(out, sn_buf_view(&body));
}

/* ---- reading ---- */

static int absent(const char *what)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s is missing in a signer's message", what);
}

/* Of a request, too, which has no signature yet: less strict than codec.h's. */
static int vote_of(const struct tendermint_types_vote *m, struct sn_cons_vote *ret)
{
    if (!m) return absent("the vote");
    if (m->type != SN_CONS_PREVOTE && m->type != SN_CONS_PRECOMMIT)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote type %d, expected prevote or precommit",
                       m->type);
    if (m->height <= 0 || m->round < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote for height %lld, round %d",
                       (long long)m->height, m->round);
    if (m->validator_address.len != 0 && m->validator_address.len != SN_CONS_ADDR_LEN)
        return sn_fail(SN_E_INVALID_ARGUMENT, "validator address of %zu bytes, expected 20",
                       m->validator_address.len);
    if (m->extension.len > SN_CONS_EXTENSION_MAX)
        return sn_fail(SN_E_TOO_LARGE, "vote extension of %zu bytes, at most %u", m->extension.len,
                       SN_CONS_EXTENSION_MAX);
    *ret = (struct sn_cons_vote){.type = (uint8_t)m->type, .height = m->height, .round = m->round,
                                 .index = m->validator_index, .ext = m->extension};
    if (m->validator_address.len)
        memcpy(ret->addr, m->validator_address.ptr, m->validator_address.len);
    int r = sn_cons_block_id_of(m->block_id, &ret->block_id);
    if (r >= 0) r = sn_cons_time_of(m->timestamp, &ret->time);
    if (r >= 0) r = sn_cons_sig_of(m->signature, "vote signature", &ret->sig);
    if (r >= 0) r = sn_cons_sig_of(m->extension_signature, "extension signature", &ret->ext_sig);
    return r;
}

static int proposal_of(const struct tendermint_types_proposal *m, struct sn_cons_proposal *ret)
{
    if (!m) return absent("the proposal");
    if (m->type != SN_CONS_PROPOSAL_TYPE)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proposal has type %d, expected 32", m->type);
    if (m->height <= 0 || m->round < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proposal for height %lld, round %d",
                       (long long)m->height, m->round);
    *ret = (struct sn_cons_proposal){
        .height = m->height, .round = m->round, .pol_round = m->pol_round};
    int r = sn_cons_block_id_of(m->block_id, &ret->block_id);
    if (r >= 0) r = sn_cons_time_of(m->timestamp, &ret->time);
    if (r >= 0) r = sn_cons_sig_of(m->signature, "proposal signature", &ret->sig);
    return r;
}

static bool refused(const M(remote_signer_error) * e, struct sn_signer_msg *ret)
{
    if (!e) return false;
    ret->refused = true;
    ret->code = e->code;
    ret->why = sn_str_sub(e->description, 0, SN_SIGNER_ERROR_MAX);
    return true;
}

static int fill(const M(message) * m, struct sn_signer_msg *ret)
{
    ret->kind = (enum sn_signer_msg_kind)m->sum_case;
    switch (ret->kind) {
    case SN_SIGNER_PUB_KEY_REQUEST: ret->chain_id = m->pub_key_request->chain_id; return 0;
    case SN_SIGNER_PUB_KEY_RESPONSE:
        if (refused(m->pub_key_response->error, ret)) return 0;
        return m->pub_key_response->pub_key
                   ? sn_cons_key_of(m->pub_key_response->pub_key, &ret->key)
                   : absent("the key");
    case SN_SIGNER_SIGN_VOTE_REQUEST:
        ret->chain_id = m->sign_vote_request->chain_id;
        return vote_of(m->sign_vote_request->vote, &ret->vote);
    case SN_SIGNER_SIGNED_VOTE_RESPONSE:
        return refused(m->signed_vote_response->error, ret)
                   ? 0
                   : vote_of(m->signed_vote_response->vote, &ret->vote);
    case SN_SIGNER_SIGN_PROPOSAL_REQUEST:
        ret->chain_id = m->sign_proposal_request->chain_id;
        return proposal_of(m->sign_proposal_request->proposal, &ret->proposal);
    case SN_SIGNER_SIGNED_PROPOSAL_RESPONSE:
        return refused(m->signed_proposal_response->error, ret)
                   ? 0
                   : proposal_of(m->signed_proposal_response->proposal, &ret->proposal);
    case SN_SIGNER_PING_REQUEST: case SN_SIGNER_PING_RESPONSE: return 0;
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "a signer's message of an unknown kind");
}

ssize_t sn_signer_msg_get(struct sn_str in, struct sn_arena *a, struct sn_signer_msg *ret)
{
    uint64_t n;
    M(message) * m;
    int head = sn_varint_get(in, &n);
    if (head < 0) return sn_fail(head, "a signer's message: its length is none");
    if (head == 0) return 0;
    if (n > SN_SIGNER_MSG_MAX)
        return sn_fail(SN_E_TOO_LARGE, "a signer's message of %llu bytes, at most %u",
                       (unsigned long long)n, SN_SIGNER_MSG_MAX);
    if (in.len - (size_t)head < n) return 0;
    *ret = (struct sn_signer_msg){0};
    struct sn_str body = sn_str_sub(in, (size_t)head, (size_t)head + n);
    int r = tendermint_privval_message_parse(body, SN_PB_COPY, a, &m);
    if (r >= 0) r = fill(m, ret);
    return r < 0 ? r : head + (ssize_t)n;
}
