/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/state_codec.c - the state as CometBFT stores it. */
#include "consensus/codec_int.h"
#include "consensus/state.h"
#include "consensus/state_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "tendermint/state/types.pb.h"
#include "tendermint/types/params.pb.h"

#define STATE_ARENA_MAX ((size_t)64 << 20)
/* What CometBFT 0.38.25 writes here; readers ignore it. */
static const struct sn_str software = SN_STR_INIT("0.38.25");

static struct tendermint_state_state *state_pb(const struct sn_cons_state *s, struct sn_arena *a)
{
    struct tendermint_state_state *m = tendermint_state_state_new(a);
    if (!m || !(m->version = tendermint_state_version_new(a)) ||
        !(m->version->consensus = tendermint_version_consensus_new(a)) ||
        !(m->last_block_id = sn_cons_block_id_pb(&s->last_block_id, a)) ||
        !(m->last_block_time = sn_cons_time_pb(s->last_time, a)) ||
        !(m->validators = sn_cons_valset_pb(s->vals, a)) ||
        !(m->next_validators = sn_cons_valset_pb(s->next_vals, a)) ||
        !(m->consensus_params = sn_cons_params_pb(&s->params, a)))
        return NULL;
    if (s->last_height >= 1 && !(m->last_validators = sn_cons_valset_pb(s->last_vals, a)))
        return NULL;
    m->version->consensus->block = SN_CONS_BLOCK_PROTOCOL;
    m->version->consensus->app = s->app_version;
    m->version->software = software;
    m->chain_id = sn_cons_state_chain(s);
    m->initial_height = s->initial_height;
    m->last_block_height = s->last_height;
    m->last_height_validators_changed = s->vals_changed;
    m->last_height_consensus_params_changed = s->params_changed;
    m->last_results_hash = sn_cons_hash_str(&s->last_results_hash);
    m->app_hash = sn_str_of((const char *)s->app_hash.b, s->app_hash.len);
    return m;
}
int sn_cons_state_encode(const struct sn_cons_state *s, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_state_state *m = state_pb(s, &a);
    ssize_t r = m ? tendermint_state_state_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}

/* A set of the state in its own memory; an empty one where the message has none. */
static int set_of(const struct tendermint_types_validator_set *m, const char *what,
                  struct sn_arena *a, struct sn_cons_valset **ret)
{
    struct sn_cons_valset empty = {0}, *s = &empty;
    int r = m && m->validators.len ? sn_cons_valset_of(m, &s, a) : 0;
    if (r < 0) return sn_wrap(r, "%s", what);
    *ret = sn_cons_valset_copy(s);
    return *ret ? 0 : SN_E_NOMEM;
}
static int text_of(const struct tendermint_state_state *m, struct sn_cons_state *s)
{
    if (m->chain_id.len == 0 || m->chain_id.len > SN_CONS_CHAIN_ID_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "chain id of %zu bytes, expected 1 to %d",
                       m->chain_id.len, SN_CONS_CHAIN_ID_MAX);
    if (m->app_hash.len > SN_CONS_APP_HASH_MAX)
        return sn_fail(SN_E_TOO_LARGE, "application hash of %zu bytes, at most %d", m->app_hash.len,
                       SN_CONS_APP_HASH_MAX);
    if (m->last_block_height < 0 || m->initial_height < 1)
        return sn_fail(SN_E_INVALID_ARGUMENT, "height %lld of a chain from height %lld",
                       (long long)m->last_block_height, (long long)m->initial_height);
    s->chain_id_len = (uint8_t)m->chain_id.len;
    memcpy(s->chain_id, m->chain_id.ptr, m->chain_id.len);
    s->app_hash.len = (uint8_t)m->app_hash.len;
    if (m->app_hash.len) memcpy(s->app_hash.b, m->app_hash.ptr, m->app_hash.len);
    return 0;
}
static int params_of(const struct tendermint_types_consensus_params *m, struct sn_cons_params *ret)
{
    struct sn_cons_params_update u = {0};
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "consensus parameters are missing");
    int r = sn_cons_params_update_of(m, &u);
    if (r < 0) return r;
    *ret = u.p;
    return sn_cons_params_check(ret);
}
static int state_of(const struct tendermint_state_state *m, struct sn_cons_state *s,
                    struct sn_arena *a)
{
    s->initial_height = m->initial_height;
    s->last_height = m->last_block_height;
    s->vals_changed = m->last_height_validators_changed;
    s->params_changed = m->last_height_consensus_params_changed;
    if (m->version && m->version->consensus) s->app_version = m->version->consensus->app;
    int r = text_of(m, s);
    if (r >= 0) r = sn_cons_block_id_of(m->last_block_id, &s->last_block_id);
    if (r >= 0) r = sn_cons_time_of(m->last_block_time, &s->last_time);
    if (r >= 0) r = sn_cons_hash_of(m->last_results_hash, "last results hash", &s->last_results_hash);
    if (r >= 0) r = params_of(m->consensus_params, &s->params);
    if (r >= 0) r = set_of(m->validators, "validators", a, &s->vals);
    if (r >= 0) r = set_of(m->next_validators, "next validators", a, &s->next_vals);
    if (r >= 0) r = set_of(m->last_validators, "last validators", a, &s->last_vals);
    return r;
}
int sn_cons_state_decode(struct sn_str in, struct sn_cons_state **ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, STATE_ARENA_MAX);
    struct tendermint_state_state *m;
    int r = tendermint_state_state_parse(in, SN_PB_DISCARD_UNKNOWN, &a, &m);
    if (r < 0) return sn_wrap(r, "state");
    struct sn_cons_state *s = SN_NEW(struct sn_cons_state);
    if (!s) return SN_E_NOMEM;
    s->refs = 1;
    r = state_of(m, s, &a);
    if (r < 0) {
        sn_cons_state_unref(s);
        return sn_wrap(r, "state");
    }
    *ret = s;
    return 0;
}
