/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/home/rollback.h"

#include "consensus/valset.h"

static int copy_state(const struct sn_cons_state *s, struct sn_cons_state **ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_cons_state_encode(s, &b);
    return r < 0 ? r : sn_cons_state_decode(sn_buf_view(&b), ret);
}

static void move_sets(struct sn_cons_state *p, struct sn_cons_valset *before)
{
    sn_cons_valset_unref(p->next_vals);
    p->next_vals = p->vals;
    p->vals = p->last_vals;
    p->last_vals = before;
}

int sn_home_state_before(struct sn_cons_block_store *blocks, struct sn_cons_state_store *states,
                         struct sn_cons_state *s, struct sn_cons_state **ret)
{
    struct sn_cons_block_meta last, before;
    struct sn_cons_valset *vals;
    struct sn_cons_params params;
    struct sn_cons_state *p;
    int64_t height = s->last_height;
    if (height <= s->initial_height)
        return sn_fail(SN_E_NOT_FOUND, "block at height %lld not found: it would be before the first",
                       (long long)height - 1);
    int r = sn_cons_block_store_meta(blocks, height - 1, &before);
    /* What the application came to is only agreed on in the block after. */
    if (r >= 0) r = sn_cons_block_store_meta(blocks, height, &last);
    if (r >= 0) r = sn_cons_state_store_params(states, height, &params);
    if (r >= 0) r = sn_cons_state_store_validators(states, height - 1, &vals);
    if (r < 0) return r;
    r = copy_state(s, &p);
    if (r < 0) {
        sn_cons_valset_unref(vals);
        return r;
    }
    move_sets(p, vals);
    p->last_height = height - 1;
    p->last_block_id = before.block_id;
    p->last_time = before.header.time;
    p->params = params;
    /* CometBFT takes it from the parameters, where it is 0 unless the application changed it there:
     * its node then refuses the very block that is to be executed again. */
    p->app_version = last.header.app_version;
    p->vals_changed = SN_MIN(s->vals_changed, height + 1);
    p->params_changed = SN_MIN(s->params_changed, height);
    p->last_results_hash = last.header.last_results_hash;
    p->app_hash = last.header.app_hash;
    *ret = p;
    return 0;
}

static int go_back(struct sn_cons_block_store *blocks, struct sn_cons_state_store *states,
                   struct sn_cons_state *s, struct sn_cons_state **ret)
{
    struct sn_cons_state *p;
    int64_t height = sn_cons_block_store_height(blocks);
    if (height == s->last_height + 1) {
        *ret = sn_cons_state_ref(s);
        return 0;
    }
    if (height != s->last_height)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "statestore height (%lld) is not one below or equal to blockstore height "
                       "(%lld)",
                       (long long)s->last_height, (long long)height);
    int r = sn_home_state_before(blocks, states, s, &p);
    if (r < 0) return r;
    r = sn_cons_state_store_save(states, p);
    if (r < 0) sn_cons_state_unref(p);
    else *ret = p;
    return r;
}

int sn_home_rollback(struct sn_cons_block_store *blocks, struct sn_cons_state_store *states,
                     bool hard, struct sn_cons_state **ret)
{
    struct sn_cons_state *s, *p;
    int r = sn_cons_state_store_load(states, &s);
    if (r < 0) return r;
    r = go_back(blocks, states, s, &p);
    sn_cons_state_unref(s);
    if (r >= 0 && hard) {
        r = sn_cons_block_store_drop(blocks);
        if (r < 0) {
            sn_cons_state_unref(p);
            return sn_wrap(r, "the state has been rolled back, but its block stays");
        }
    }
    if (r >= 0) *ret = p;
    return r;
}
