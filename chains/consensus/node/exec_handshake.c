/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/exec_handshake.c - the application comes to the stored chain.
 *
 * Three heights tell what to do: the application's (what it has committed), the state's and the
 * block store's, which is at most one ahead of the state's. A crash between two durable points of a
 * block leaves one of these:
 *
 *   application  state  blocks
 *       H          H      H      nothing to do
 *       H          H      H+1    the block was stored: execute it
 *       H+1        H      H+1    it was committed: its stored answer makes the state
 *       < H        H      H..    the application lost its past: blocks again, without a state */
#include "consensus/answer.h"
#include "consensus/node/exec_int.h"
#include "consensus/valset.h"
#include "core/enc.h"
#include "kit/log.h"

SN_LOG_MODULE("exec");

#define VERSION "0.38.25" /* whose node this one stands in for */
#define P2P_PROTOCOL 8

struct shake {
    struct sn_exec *x;
    const struct sn_cons_genesis *g;
    struct sn_cons_state *state; /* one reference */
    int64_t app;                 /* the application's height */
    struct sn_cons_app_hash hash;
    uint64_t version;
};

static void set_state(struct shake *k, struct sn_cons_state *s)
{
    sn_cons_state_unref(k->state);
    k->state = s;
}

/* ---- Info, InitChain ---- */

static int ask_info(struct shake *k)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_EXEC_ANSWER_MAX);
    struct tendermint_abci_request_info q = {.version = SN_STR(VERSION),
                                             .block_version = SN_CONS_BLOCK_PROTOCOL,
                                             .p2p_version = P2P_PROTOCOL,
                                             .abci_version = SN_STR(SN_ABCI_VERSION)};
    struct tendermint_abci_response_info *res;
    int r = sn_abci_info(k->x->o.app->query, &q, &a, &res);
    if (r < 0) return r;
    if (res->last_block_height < 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "the application is at height %lld",
                       (long long)res->last_block_height);
    if (res->last_block_app_hash.len > SN_CONS_APP_HASH_MAX)
        return sn_fail(SN_E_TOO_LARGE, "the application's hash has %zu bytes, at most %d",
                       res->last_block_app_hash.len, SN_CONS_APP_HASH_MAX);
    k->app = res->last_block_height;
    k->version = res->app_version;
    k->hash.len = (uint8_t)res->last_block_app_hash.len;
    if (k->hash.len) memcpy(k->hash.b, res->last_block_app_hash.ptr, k->hash.len);
    return 0;
}

/* A state of one's own, to be changed. */
static int copy_state(const struct sn_cons_state *s, struct sn_cons_state **ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_cons_state_encode(s, &b);
    if (r < 0) return r;
    r = sn_cons_state_decode(sn_buf_view(&b), ret);
    if (r >= 0) (*ret)->median_skips_nil = s->median_skips_nil;
    return r;
}

static int take_version(struct shake *k)
{
    struct sn_cons_state *own;
    if (k->state->last_height != 0 || k->state->app_version == k->version) return 0;
    int r = copy_state(k->state, &own);
    if (r < 0) return r;
    own->app_version = k->version;
    set_state(k, own);
    return 0;
}

static int fill_init(const struct sn_cons_genesis *g, struct sn_arena *a,
                     struct tendermint_abci_request_init_chain *q)
{
    struct sn_cons_state *first;
    int r = sn_cons_genesis_state(g, &first); /* its set has the order CometBFT's has */
    if (r < 0) return r;
    q->time = google_protobuf_timestamp_new(a);
    q->chain_id = g->chain_id;
    q->consensus_params = sn_cons_params_message(&g->params, a);
    q->app_state_bytes = g->app_state;
    q->initial_height = g->initial_height;
    q->validators.ptr =
        SN_ARENA_ARRAY(a, struct tendermint_abci_validator_update *, first->vals->n + 1);
    if (!q->time || !q->consensus_params || !q->validators.ptr) r = SN_E_NOMEM;
    for (uint32_t i = 0; r >= 0 && i < first->vals->n; i++) {
        struct tendermint_abci_validator_update *u = tendermint_abci_validator_update_new(a);
        struct sn_cons_key *key = SN_ARENA_NEW(a, struct sn_cons_key);
        if (!u || !key) {
            r = SN_E_NOMEM;
            break;
        }
        *key = first->vals->vals[i].key;
        u->power = first->vals->vals[i].power;
        if (!(u->pub_key = sn_cons_key_message(key, a))) r = SN_E_NOMEM;
        q->validators.ptr[q->validators.len++] = u;
    }
    sn_cons_state_unref(first);
    if (r < 0) return r;
    q->time->seconds = g->time.sec;
    q->time->nanos = g->time.nsec;
    return 0;
}

static int init_chain(struct shake *k)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_EXEC_ANSWER_MAX);
    struct tendermint_abci_request_init_chain q = {0};
    struct tendermint_abci_response_init_chain *res;
    struct sn_cons_init_result result;
    struct sn_cons_state *after;
    int r = fill_init(k->g, &a, &q);
    if (r >= 0) r = sn_abci_init_chain(k->x->o.app->consensus, &q, &a, &res);
    if (r >= 0) r = sn_cons_init_answer_of(res, &a, &result);
    if (r < 0) return sn_wrap(r, "InitChain");
    k->hash = result.app_hash;
    if (k->state->last_height != 0) return 0; /* only the application begins anew */
    r = sn_cons_state_init_chain(k->state, &result, &after);
    if (r < 0) return r;
    set_state(k, after);
    if (k->hash.len == 0) k->hash = after->app_hash;
    return sn_cons_state_store_save(k->x->o.states, after);
}

/* ---- the plan ---- */

static const char *hex_of(const struct sn_cons_app_hash *h, char out[2 * SN_CONS_APP_HASH_MAX + 1])
{
    out[sn_hex_encode(h->b, h->len, out)] = 0;
    return out;
}
static int same_hash(const struct sn_cons_app_hash *got, const struct sn_cons_app_hash *want,
                     int64_t height)
{
    char g[2 * SN_CONS_APP_HASH_MAX + 1], w[2 * SN_CONS_APP_HASH_MAX + 1];
    if (sn_cons_app_hash_eq(got, want)) return 0;
    return sn_fail(SN_E_FAILED_PRECONDITION,
                   "application hash mismatch at height %lld: the application has %s, the chain %s",
                   (long long)height, hex_of(got, g), hex_of(want, w));
}

static int check_heights(const struct shake *k, int64_t base, int64_t top)
{
    int64_t state = k->state->last_height;
    if (k->app > SN_MAX(top, state))
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "the application is ahead: it is at height %lld, the chain's last block is "
                       "%lld",
                       (long long)k->app, (long long)top);
    if (top == 0) return 0; /* nothing stored yet, or after a state sync */
    if ((k->app == 0 && k->state->initial_height < base) || (k->app > 0 && k->app < base - 1))
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "the application is behind: it is at height %lld, the oldest stored block "
                       "is %lld",
                       (long long)k->app, (long long)base);
    if (top < state || top > state + 1)
        if (!(state == 0 && top == k->state->initial_height))
            return sn_fail(SN_E_DATA_LOSS,
                           "the stores do not fit: the state is of height %lld, the last block "
                           "%lld",
                           (long long)state, (long long)top);
    return 0;
}

/* ---- replay ---- */

/* The application alone executes a block whose state is known. */
static int replay_block(struct shake *k, int64_t height)
{
    struct sn_exec_run run SN_CLEANUP(sn_exec_run_done);
    struct sn_cons_valset *vals = NULL;
    struct sn_cons_block *b;
    sn_exec_run_init(&run);
    int r = sn_cons_block_store_block(k->x->o.blocks, height, &b);
    if (r < 0) return r;
    if (height > k->state->initial_height) {
        /* The block before has led to the hash in this one's header. */
        if (k->app + 1 == height) r = same_hash(&k->hash, &b->header.app_hash, height - 1);
        if (r >= 0) r = sn_cons_state_store_validators(k->x->o.states, height - 1, &vals);
    }
    if (r >= 0)
        r = sn_exec_finalize(k->x, vals, k->state->initial_height, b, false, &run);
    if (r >= 0) r = sn_exec_commit(k->x, b, &run, k->state);
    if (r >= 0) {
        k->app = height;
        k->hash = run.result.app_hash;
    }
    sn_cons_valset_unref(vals);
    sn_cons_block_unref(b);
    return r < 0 ? sn_wrap(r, "replay of block %lld", (long long)height) : 0;
}

/* The stored block that the state does not have yet. */
static int apply_last(struct shake *k, int64_t height)
{
    struct sn_cons_block_meta meta;
    struct sn_cons_block *b;
    struct sn_cons_state *after;
    int r = sn_cons_block_store_meta(k->x->o.blocks, height, &meta);
    if (r >= 0) r = sn_cons_block_store_block(k->x->o.blocks, height, &b);
    if (r < 0) return r;
    r = sn_exec_apply(k->x, k->state, b, &meta.block_id, &after);
    sn_cons_block_unref(b);
    if (r < 0) return sn_wrap(r, "the stored block %lld", (long long)height);
    set_state(k, after);
    k->hash = after->app_hash;
    return 0;
}

/* The application has committed the block: what it answered then makes the state. */
static int apply_answer(struct shake *k, int64_t height)
{
    struct sn_exec_run run SN_CLEANUP(sn_exec_run_done);
    struct sn_cons_block_meta meta;
    struct sn_cons_block *b;
    struct sn_cons_state *after = NULL;
    sn_exec_run_init(&run);
    int r = sn_cons_state_store_last_answer(k->x->o.states, height, &run.answer);
    if (r >= 0)
        r = tendermint_abci_response_finalize_block_parse(
            sn_buf_view(&run.answer), SN_PB_DISCARD_UNKNOWN, &run.arena, &run.res);
    if (r >= 0) r = sn_cons_answer_of(run.res, &run.arena, &run.result);
    if (r >= 0) r = sn_cons_block_store_meta(k->x->o.blocks, height, &meta);
    if (r >= 0) r = sn_cons_block_store_block(k->x->o.blocks, height, &b);
    if (r < 0) return sn_wrap(r, "the answer to block %lld", (long long)height);
    /* Answers of before 0.38 had no hash. */
    if (run.result.app_hash.len == 0) run.result.app_hash = k->hash;
    r = sn_cons_state_validate(k->state, k->x->o.verifier, b);
    if (r >= 0) r = sn_cons_state_apply(k->state, b, &meta.block_id, &run.result, &after);
    if (r >= 0) r = same_hash(&k->hash, &after->app_hash, height);
    if (r >= 0) r = sn_exec_evidence(k->x, after, b);
    if (r >= 0) r = sn_cons_state_store_save(k->x->o.states, after);
    if (r >= 0) {
        sn_exec_done(k->x, &(struct sn_exec_block){b, &meta.block_id, run.res,
                                                   sn_buf_view(&run.answer), after, 0,
                                                   &run.arena, &run.answer});
        set_state(k, after);
    } else {
        sn_cons_state_unref(after);
    }
    sn_cons_block_unref(b);
    return r < 0 ? sn_wrap(r, "the stored block %lld", (long long)height) : 0;
}

static int catch_up(struct shake *k)
{
    int64_t top = sn_cons_block_store_height(k->x->o.blocks), state = k->state->last_height;
    int64_t first = k->app == 0 ? k->state->initial_height : k->app + 1;
    bool ahead = top > state;
    int r = 0;
    if (k->app == top && ahead) return apply_answer(k, top);
    for (int64_t h = first; r >= 0 && h <= SN_MIN(top, state); h++) {
        r = replay_block(k, h);
        if (r >= 0 && sn_cancelled()) r = SN_E_CANCELLED;
    }
    if (r < 0) return r;
    if (k->app == state || state == 0) r = same_hash(&k->hash, &k->state->app_hash, state);
    return r >= 0 && ahead ? apply_last(k, top) : r;
}

static int shake_hands(struct shake *k)
{
    int r = ask_info(k);
    if (r < 0) return sn_wrap(r, "Info");
    int64_t top = sn_cons_block_store_height(k->x->o.blocks);
    SN_LOG_INFO("application", SN_L("height", k->app), SN_L("state", k->state->last_height),
                SN_L("blocks", top), SN_L("app_version", k->version));
    r = take_version(k);
    if (r >= 0 && k->app == 0) r = init_chain(k);
    if (r >= 0) r = check_heights(k, sn_cons_block_store_base(k->x->o.blocks), top);
    return r < 0 ? r : catch_up(k);
}

int sn_exec_handshake(struct sn_exec *x, const struct sn_cons_genesis *g,
                      struct sn_cons_state *state, struct sn_cons_state **ret)
{
    struct shake k = {.x = x, .g = g, .state = sn_cons_state_ref(state)};
    int r = shake_hands(&k);
    if (r < 0) {
        sn_cons_state_unref(k.state);
        return sn_wrap(r, "handshake with the application");
    }
    *ret = k.state;
    return 0;
}
