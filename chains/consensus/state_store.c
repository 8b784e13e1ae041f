/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/state_store.c - what is stored of a height, and how what is not is found from what is.
 */
#include "consensus/state_store.h"

#include <stdio.h>

#include "consensus/codec_int.h"
#include "consensus/state_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/varint.h"
#include "tendermint/state/types.pb.h"
#include "tendermint/types/params.pb.h"

#define KEY_MAX 64
#define ARENA_MAX ((size_t)64 << 20)
#define PRUNE_BATCH 1000 /* heights */

static const struct sn_str state_key = SN_STR_INIT("stateKey");
static const struct sn_str last_answer_key = SN_STR_INIT("lastABCIResponseKey");
static const struct sn_str offline_key = SN_STR_INIT("offlineStateSyncHeightKey");
#define VALIDATORS "validatorsKey"
#define PARAMS "consensusParamsKey"
#define ANSWERS "abciResponsesKey"

struct sn_cons_state_store {
    struct sn_kv *kv;
    bool last_only;
};

struct key {
    char text[KEY_MAX];
};
static struct sn_str key_of(struct key *k, const char *kind, int64_t height)
{
    return sn_str_of(k->text,
                     (size_t)snprintf(k->text, KEY_MAX, "%s:%lld", kind, (long long)height));
}

struct sn_cons_state_store *sn_cons_state_store_new(struct sn_kv *kv, bool last_only)
{
    struct sn_cons_state_store *s = SN_NEW(struct sn_cons_state_store);
    if (s) *s = (struct sn_cons_state_store){kv, last_only};
    return s;
}

void sn_cons_state_store_free(struct sn_cons_state_store *s)
{
    if (!s) return;
    sn_kv_close(s->kv);
    sn_free(s);
}

/* ---- one value ---- */

static int get(struct sn_cons_state_store *s, struct sn_str key, struct sn_buf *out)
{
    int r = sn_kv_get(s->kv, key, out);
    if (r == 0 || (r == 1 && out->len == 0))
        return sn_fail(SN_E_NOT_FOUND, "state store: no %.*s", (int)key.len, key.ptr);
    return r < 0 ? r : 0;
}
static int damaged(struct sn_str key, int r)
{
    if (r == SN_E_NOMEM) return r;
    return sn_fail(SN_E_DATA_LOSS, "state store: %.*s cannot be read: %s", (int)key.len, key.ptr,
                   sn_diag_str(r));
}

/* A message in `a` that borrows `value`. */
static int get_message(struct sn_cons_state_store *s, const char *kind, int64_t height,
                       const struct sn_pb_desc *d, struct sn_buf *value, struct sn_arena *a,
                       void **ret)
{
    struct key k;
    struct sn_str key = key_of(&k, kind, height);
    int r = get(s, key, value);
    if (r < 0) return r;
    r = sn_pb_parse(d, sn_buf_view(value), SN_PB_DISCARD_UNKNOWN, a, ret);
    return r < 0 ? damaged(key, r) : 0;
}

static int put_message(struct sn_kv_batch *b, const char *kind, int64_t height,
                       const struct sn_pb_desc *d, const void *m)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct key k;
    sn_buf_init(&value, 0);
    ssize_t n = sn_pb_encode(d, m, &value);
    return n < 0 ? (int)n : sn_kv_batch_put(b, key_of(&k, kind, height), sn_buf_view(&value));
}

/* ---- saving ---- */

/* Validators that are valid from `changed` on, for `height`. */
static int put_validators(struct sn_kv_batch *b, int64_t height, int64_t changed,
                          const struct sn_cons_valset *vals)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, ARENA_MAX);
    struct tendermint_state_validators_info m = {.last_height_changed = changed};
    bool whole = height == changed || height % SN_CONS_VALSET_CHECKPOINT == 0;
    if (changed > height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "validators of height %lld that change at %lld",
                       (long long)height, (long long)changed);
    if (whole && !(m.validator_set = sn_cons_valset_pb(vals, &a))) return SN_E_NOMEM;
    return put_message(b, VALIDATORS, height, &tendermint_state_validators_info_desc, &m);
}

static int put_params(struct sn_kv_batch *b, int64_t height, int64_t changed,
                      const struct sn_cons_params *p)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, ARENA_MAX);
    struct tendermint_state_consensus_params_info m = {.last_height_changed = changed};
    m.consensus_params =
        height == changed ? sn_cons_params_pb(p, &a) : tendermint_types_consensus_params_new(&a);
    if (!m.consensus_params) return SN_E_NOMEM;
    return put_message(b, PARAMS, height, &tendermint_state_consensus_params_info_desc, &m);
}

static int write_state(struct sn_cons_state_store *s, struct sn_kv_batch *b,
                       const struct sn_cons_state *st, bool sync)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    sn_buf_init(&value, 0);
    int r = sn_cons_state_encode(st, &value);
    if (r == 0) r = sn_kv_batch_put(b, state_key, sn_buf_view(&value));
    return r < 0 ? r : sn_kv_write(s->kv, b, sync);
}

static int save(struct sn_cons_state_store *s, const struct sn_cons_state *st, bool sync)
{
    struct sn_kv_batch b SN_CLEANUP(sn_kv_batch_done) = {0};
    int64_t next = sn_cons_state_next_height(st);
    int r = 0;
    if (st->last_height == 0) r = put_validators(&b, next, next, st->vals);
    if (r == 0) r = put_validators(&b, next + 1, st->vals_changed, st->next_vals);
    if (r == 0) r = put_params(&b, next, st->params_changed, &st->params);
    return r < 0 ? r : write_state(s, &b, st, sync);
}
int sn_cons_state_store_save(struct sn_cons_state_store *s, const struct sn_cons_state *st)
{
    return save(s, st, true);
}
int sn_cons_state_store_save_soon(struct sn_cons_state_store *s, const struct sn_cons_state *st)
{
    return save(s, st, false);
}

int sn_cons_state_store_bootstrap(struct sn_cons_state_store *s, const struct sn_cons_state *st)
{
    struct sn_kv_batch b SN_CLEANUP(sn_kv_batch_done) = {0};
    int64_t next = sn_cons_state_next_height(st);
    int r = 0;
    if (next > 1 && st->last_vals->n) r = put_validators(&b, next - 1, next - 1, st->last_vals);
    if (r == 0) r = put_validators(&b, next, next, st->vals);
    if (r == 0) r = put_validators(&b, next + 1, next + 1, st->next_vals);
    if (r == 0) r = put_params(&b, next, st->params_changed, &st->params);
    return r < 0 ? r : write_state(s, &b, st, true);
}

int sn_cons_state_store_load(struct sn_cons_state_store *s, struct sn_cons_state **ret)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    sn_buf_init(&value, ARENA_MAX);
    int r = get(s, state_key, &value);
    if (r < 0) return r;
    r = sn_cons_state_decode(sn_buf_view(&value), ret);
    return r < 0 ? damaged(state_key, r) : 0;
}

/* ---- validators and parameters of a height ---- */

/* The set stored at this height, one reference, NULL where it only says where to look:
 * *ret_changed. */
static int stored_validators(struct sn_cons_state_store *s, int64_t height,
                             struct sn_cons_valset **ret, int64_t *ret_changed)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_valset *vals = NULL;
    struct key k;
    void *at;
    sn_buf_init(&value, ARENA_MAX);
    sn_arena_init(&a, NULL, ARENA_MAX);
    int r =
        get_message(s, VALIDATORS, height, &tendermint_state_validators_info_desc, &value, &a, &at);
    if (r < 0) return r;
    const struct tendermint_state_validators_info *m = at;
    r = m->validator_set ? sn_cons_valset_of(m->validator_set, &vals, &a) : 0;
    if (r < 0) return damaged(key_of(&k, VALIDATORS, height), r);
    *ret_changed = m->last_height_changed;
    *ret = NULL;
    return vals && !(*ret = sn_cons_valset_copy(vals)) ? SN_E_NOMEM : 0;
}

static int64_t stored_height(int64_t height, int64_t changed)
{
    return SN_MAX(height - height % SN_CONS_VALSET_CHECKPOINT, changed);
}

int sn_cons_state_store_validators(struct sn_cons_state_store *s, int64_t height,
                                   struct sn_cons_valset **ret)
{
    int64_t changed, ignored;
    int r = stored_validators(s, height, ret, &changed);
    if (r < 0 || *ret) return r;
    int64_t from = stored_height(height, changed);
    if (from < height) r = stored_validators(s, from, ret, &ignored);
    if (r < 0) return sn_wrap(r, "validators of height %lld", (long long)height);
    if (!*ret || height - from > INT32_MAX)
        return sn_fail(SN_E_DATA_LOSS, "state store: validators of height %lld are not at %lld",
                       (long long)height, (long long)from);
    if ((*ret)->n) sn_cons_valset_advance(*ret, (int32_t)(height - from));
    return 0;
}

/* As stored_validators. */
static int stored_params(struct sn_cons_state_store *s, int64_t height, struct sn_cons_params *ret,
                         bool *ret_there, int64_t *ret_changed)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_params_update u = {0};
    struct key k;
    void *at;
    sn_buf_init(&value, ARENA_MAX);
    sn_arena_init(&a, NULL, ARENA_MAX);
    int r = get_message(s, PARAMS, height, &tendermint_state_consensus_params_info_desc, &value, &a,
                        &at);
    if (r < 0) return r;
    const struct tendermint_state_consensus_params_info *m = at;
    if (m->consensus_params && (r = sn_cons_params_update_of(m->consensus_params, &u)) < 0)
        return damaged(key_of(&k, PARAMS, height), r);
    *ret_there = u.has_block || u.has_evidence || u.has_validator || u.has_version || u.has_abci;
    *ret_changed = m->last_height_changed;
    *ret = u.p;
    return 0;
}

int sn_cons_state_store_params(struct sn_cons_state_store *s, int64_t height,
                               struct sn_cons_params *ret)
{
    int64_t changed, ignored;
    bool there;
    int r = stored_params(s, height, ret, &there, &changed);
    if (r < 0 || there) return r;
    r = stored_params(s, changed, ret, &there, &ignored);
    if (r < 0) return sn_wrap(r, "consensus parameters of height %lld", (long long)height);
    return there ? 0
                 : sn_fail(SN_E_DATA_LOSS,
                           "state store: consensus parameters of height %lld are not at %lld",
                           (long long)height, (long long)changed);
}

/* ---- the application's answers ---- */

/* tendermint.state.ABCIResponsesInfo around an encoded answer, without decoding that: one of a
 * large block has a million messages in it. */
#define INFO_HEIGHT 0x10
#define INFO_ANSWER 0x1a

/* What comes before the answer. */
#define INFO_HEAD_MAX (2 + 2 * SN_VARINT_MAX)
static struct sn_str info_head(uint8_t b[INFO_HEAD_MAX], int64_t height, size_t answer_len)
{
    size_t n = 0;
    b[n++] = INFO_HEIGHT;
    n += sn_varint_put(b + n, (uint64_t)height);
    b[n++] = INFO_ANSWER;
    n += sn_varint_put(b + n, answer_len);
    return sn_str_of((const char *)b, n);
}

static bool take_varint(struct sn_str *in, uint64_t *ret)
{
    int n = sn_varint_get(*in, ret);
    if (n > 0) *in = sn_str_from(*in, (size_t)n);
    return n > 0;
}
/* ret_answer: .ptr NULL where there is none. Returns false for what is no such message. */
static bool take_info(struct sn_str in, int64_t *ret_height, struct sn_str *ret_answer)
{
    uint64_t tag, v;
    *ret_height = 0;
    *ret_answer = (struct sn_str){0};
    while (in.len) {
        if (!take_varint(&in, &tag) || !take_varint(&in, &v) || (tag & 7) % 2) return false;
        if (tag == INFO_HEIGHT) *ret_height = (int64_t)v;
        if ((tag & 7) == 0) continue;
        if (v > in.len) return false;
        if (tag == INFO_ANSWER) *ret_answer = sn_str_sub(in, 0, (size_t)v);
        in = sn_str_from(in, (size_t)v);
    }
    return true;
}

/* Of ResponseFinalizeBlock; and the fields of ExecTxResult that the next header's hash covers:
 * code, data, both gas. */
#define ANSWER_EVENTS 1
#define ANSWER_RESULT 2
#define RESULT_TAG 0x12
#define RESULT_HASHED (1u << 1 | 1u << 2 | 1u << 5 | 1u << 6)

struct field {
    unsigned number;
    struct sn_str whole, text; /* text: of what has a length */
};
/* Takes the first field of a message. Returns false where there is none of the kinds of an answer. */
static bool take_field(struct sn_str *in, struct field *ret)
{
    uint64_t tag, v;
    struct sn_str rest = *in;
    if (!take_varint(&rest, &tag) || !take_varint(&rest, &v)) return false;
    size_t len = tag & 7 ? (size_t)v : 0;
    if ((tag & 7) % 2 || tag >> 3 >= 32 || len > rest.len) return false;
    ret->number = (unsigned)(tag >> 3);
    ret->text = sn_str_sub(rest, 0, len);
    ret->whole = sn_str_sub(*in, 0, in->len - rest.len + len);
    *in = sn_str_from(rest, len);
    return true;
}
static bool put_hashed_result(struct sn_str result, struct sn_buf *out)
{
    uint8_t head[1 + SN_VARINT_MAX] = {RESULT_TAG};
    struct field f;
    size_t len = 0;
    for (struct sn_str in = result; in.len;) {
        if (!take_field(&in, &f)) return false;
        if (RESULT_HASHED >> f.number & 1) len += f.whole.len;
    }
    sn_buf_put(out, head, 1 + sn_varint_put(head + 1, len));
    while (take_field(&result, &f))
        if (RESULT_HASHED >> f.number & 1) sn_buf_str(out, f.whole);
    return true;
}
/* What of an answer the chain's next state is made from: events, logs and what else only people
 * read is left out. */
static int put_hashed(struct sn_str answer, struct sn_buf *out)
{
    struct field f;
    while (answer.len) {
        bool ok = take_field(&answer, &f);
        if (ok && f.number == ANSWER_RESULT)
            ok = put_hashed_result(f.text, out);
        else if (ok && f.number != ANSWER_EVENTS)
            sn_buf_str(out, f.whole);
        if (!ok)
            return sn_fail(SN_E_INTERNAL, "an answer to FinalizeBlock whose encoding is broken");
    }
    return out->err;
}

/* CometBFT stores the answer twice: for the block's height, and as the last one, which it reads
 * only after a crash between the application's Commit and the state, to make the state. For that
 * the last one needs no events: they are most of an answer, and the other copy has them. A CometBFT
 * node that starts at just such a moment comes to the same state; its results of this one block are
 * without events then. */
static int put_last(struct sn_cons_state_store *s, struct sn_kv_batch *b, int64_t height,
                    struct sn_str answer)
{
    struct sn_buf hashed SN_CLEANUP(sn_buf_done) = {0};
    uint8_t head[INFO_HEAD_MAX];
    int r = s->last_only ? 0 : put_hashed(answer, &hashed);
    if (r < 0) return r;
    struct sn_str last = s->last_only ? answer : sn_buf_view(&hashed);
    const struct sn_str parts[] = {info_head(head, height, last.len), last};
    return sn_kv_batch_put_parts(b, last_answer_key, parts, SN_COUNT_OF(parts));
}
int sn_cons_state_store_save_answer(struct sn_cons_state_store *s, int64_t height,
                                    struct sn_str answer)
{
    struct sn_kv_batch b SN_CLEANUP(sn_kv_batch_done) = {0};
    struct key k;
    int r = put_last(s, &b, height, answer);
    if (r == 0 && !s->last_only) r = sn_kv_batch_put(&b, key_of(&k, ANSWERS, height), answer);
    if (r == 0) r = sn_kv_write(s->kv, &b, true);
    return r < 0 ? sn_wrap(r, "answer to block %lld", (long long)height) : 0;
}

int sn_cons_state_store_answer(struct sn_cons_state_store *s, int64_t height, struct sn_buf *out)
{
    struct key k;
    if (s->last_only)
        return sn_fail(SN_E_FAILED_PRECONDITION, "node is not persisting finalize block responses");
    return get(s, key_of(&k, ANSWERS, height), out);
}

int sn_cons_state_store_last_answer(struct sn_cons_state_store *s, int64_t height,
                                    struct sn_buf *out)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done) = {0};
    struct sn_str answer;
    struct key k;
    int64_t of;
    int r = get(s, last_answer_key, &value);
    if (r < 0) return r;
    if (!take_info(sn_buf_view(&value), &of, &answer)) return damaged(last_answer_key, SN_E_SYNTAX);
    if (of != height || !answer.ptr)
        return sn_fail(SN_E_NOT_FOUND, "state store: the last answer is to block %lld, not %lld",
                       (long long)of, (long long)height);
    r = sn_kv_get(s->kv, key_of(&k, ANSWERS, height), out);
    return r == 0 ? sn_buf_str(out, answer) : SN_MIN(r, 0);
}

/* ---- pruning ---- */

struct pruning {
    struct sn_cons_state_store *s;
    int64_t evidence;
    int64_t keep_vals[2], keep_params; /* heights that later ones look back to; 0: none */
};

/* A height that is kept has the set itself: it may be what its own pointer leads to. */
static int keep_validators(struct pruning *p, struct sn_kv_batch *b, int64_t h)
{
    struct sn_cons_valset *vals;
    int64_t changed;
    int r = stored_validators(p->s, h, &vals, &changed);
    bool whole = r == 0 && vals;
    if (r == 0 && !vals) r = sn_cons_state_store_validators(p->s, h, &vals);
    if (r == 0 && !whole) r = put_validators(b, h, h, vals);
    if (r == 0) sn_cons_valset_unref(vals);
    return r;
}

static int keep_params(struct pruning *p, struct sn_kv_batch *b, int64_t h)
{
    struct sn_cons_params params;
    int64_t changed;
    bool there;
    int r = stored_params(p->s, h, &params, &there, &changed);
    if (r < 0 || there) return r;
    r = sn_cons_state_store_params(p->s, h, &params);
    return r < 0 ? r : put_params(b, h, h, &params);
}

static int prune_height(struct pruning *p, struct sn_kv_batch *b, int64_t h)
{
    struct key k;
    int r = 0;
    if (h == p->keep_vals[0] || h == p->keep_vals[1])
        r = keep_validators(p, b, h);
    else if (h < p->evidence)
        r = sn_kv_batch_del(b, key_of(&k, VALIDATORS, h));
    if (r == 0)
        r = h == p->keep_params ? keep_params(p, b, h) : sn_kv_batch_del(b, key_of(&k, PARAMS, h));
    return r < 0 ? r : sn_kv_batch_del(b, key_of(&k, ANSWERS, h));
}

static int plan(struct pruning *p, int64_t to)
{
    struct sn_cons_valset *vals;
    struct sn_cons_params params;
    int64_t changed, at = SN_MIN(to, p->evidence);
    bool there;
    int r = stored_validators(p->s, at, &vals, &changed);
    if (r < 0) return sn_wrap(r, "validators of height %lld, where pruning ends", (long long)at);
    if (!vals) {
        p->keep_vals[0] = changed;
        p->keep_vals[1] = stored_height(to, changed);
    }
    sn_cons_valset_unref(vals);
    r = stored_params(p->s, to, &params, &there, &changed);
    if (r < 0)
        return sn_wrap(r, "consensus parameters of height %lld, where pruning ends", (long long)to);
    if (!there) p->keep_params = changed;
    return 0;
}

/* From above: what a height looks back to is still there when its turn comes. */
int sn_cons_state_store_prune(struct sn_cons_state_store *s, int64_t from, int64_t to,
                              int64_t evidence)
{
    struct pruning p = {.s = s, .evidence = evidence};
    if (from < 1 || from >= to)
        return sn_fail(SN_E_INVALID_ARGUMENT, "prune states from height %lld to %lld",
                       (long long)from, (long long)to);
    int r = plan(&p, to);
    for (int64_t h = to - 1; r == 0 && h >= from;) {
        struct sn_kv_batch b SN_CLEANUP(sn_kv_batch_done) = {0};
        for (int n = 0; r == 0 && h >= from && n < PRUNE_BATCH; n++) r = prune_height(&p, &b, h--);
        if (r == 0) r = sn_kv_write(s->kv, &b, h < from);
    }
    return r;
}

/* ---- after a state sync by hand: a varint, as Go's encoding/binary has it for signed numbers ----
 */

int sn_cons_state_store_offline(struct sn_cons_state_store *s, int64_t *ret)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    uint64_t n = 0;
    sn_buf_init(&value, 0);
    int r = sn_kv_get(s->kv, offline_key, &value);
    if (r < 0) return r;
    if (value.len && sn_varint_get(sn_buf_view(&value), &n) != (int)value.len)
        return sn_fail(SN_E_DATA_LOSS, "state store: %.*s cannot be read", (int)offline_key.len,
                       offline_key.ptr);
    *ret = sn_unzigzag(n);
    return 0;
}

int sn_cons_state_store_set_offline(struct sn_cons_state_store *s, int64_t height)
{
    struct sn_kv_batch b SN_CLEANUP(sn_kv_batch_done) = {0};
    uint8_t value[SN_VARINT_MAX];
    size_t n = sn_varint_put(value, sn_zigzag(height));
    int r = sn_kv_batch_put(&b, offline_key, sn_str_of((const char *)value, n));
    return r < 0 ? r : sn_kv_write(s->kv, &b, true);
}
