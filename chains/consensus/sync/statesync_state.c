/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/statesync_state.c - the state after a block from three verified headers: its own,
 * the next one (which has the application's hash and results) and the one after that (whose
 * validators the block's own changes made). */
#include "consensus/sync/statesync_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "fiber/fiber.h"

#define POLL_NS (500 * SN_MS)
#define SOON 10 /* blocks */
/* Time for the light client: what a step or two take, and as much again for each 100 heights of
 * way, as validators may have changed on it. */
#define WAY_NS (60 * SN_SEC)
#define PER_HEIGHT_NS (600 * SN_MS)
#define WAY_NS_MAX (3600 * SN_SEC)

/* Whether the chain is so near that it is worth waiting: a liar's snapshot may be of any height. */
static int comes_soon(struct sn_light_client *light, int64_t height)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_LIGHT_ARENA_MAX);
    struct sn_cons_light_block *b = SN_ARENA_NEW(&a, struct sn_cons_light_block);
    int r = b ? sn_light_client_block(light, 0, &a, b) : SN_E_NOMEM;
    if (r < 0) return r;
    if (b->header.height + SOON >= height) return 0;
    return sn_fail(SN_E_OUT_OF_RANGE, "the chain is at %lld only", (long long)b->header.height);
}
/* The blocks `height` to + 2; the newest may be still to come. */
static int fetch(struct sn_light_client *light, int64_t height, struct sn_arena *a,
                 struct sn_cons_light_block *b)
{
    for (int i = 2; i >= 0; i--) {
        for (;;) {
            int r = sn_light_client_block(light, height + i, a, &b[i]);
            if (r >= 0) break;
            if (r != SN_E_OUT_OF_RANGE) return r;
            if ((r = comes_soon(light, height + i)) < 0) return r;
            if ((r = sn_sleep(POLL_NS)) < 0) return r;
        }
    }
    return 0;
}

static int make(const struct sn_node_view *view, const struct sn_cons_light_block *b,
                const struct sn_cons_params *params, struct sn_cons_state **ret)
{
    struct sn_cons_state *s = SN_NEW(struct sn_cons_state);
    if (!s) return SN_E_NOMEM;
    *s = (struct sn_cons_state){.refs = 1,
                                .app_version = b[1].header.app_version,
                                .initial_height = view->genesis->initial_height,
                                .last_height = b[0].header.height,
                                .last_block_id = b[0].commit.block_id,
                                .last_time = b[0].header.time,
                                .params = *params,
                                .last_results_hash = b[1].header.last_results_hash,
                                .app_hash = b[1].header.app_hash,
                                .vals_changed = b[2].header.height,
                                .params_changed = b[1].header.height,
                                .chain_id_len = b[0].header.chain_id_len};
    memcpy(s->chain_id, b[0].header.chain_id, sizeof(s->chain_id));
    s->last_vals = sn_cons_valset_copy(b[0].vals);
    s->vals = sn_cons_valset_copy(b[1].vals);
    s->next_vals = sn_cons_valset_copy(b[2].vals);
    if (!s->last_vals || !s->vals || !s->next_vals) {
        sn_cons_state_unref(s);
        return SN_E_NOMEM;
    }
    *ret = s;
    return 0;
}

static int run(const struct sn_node_view *view, struct sn_light_client *light, int64_t height,
               struct sn_arena *a, struct sn_cons_state **ret, struct sn_cons_commit *ret_commit)
{
    struct sn_cons_params params;
    struct sn_cons_light_block *b = SN_ARENA_ARRAY(a, struct sn_cons_light_block, 3);
    int r = b ? fetch(light, height, a, b) : SN_E_NOMEM;
    if (r >= 0) r = sn_light_client_params(light, height + 1, &params);
    if (r < 0) return r;
    *ret_commit = b[0].commit;
    return make(view, b, &params, ret);
}
int statesync_state(const struct sn_node_view *view, struct sn_light_client *light, int64_t height,
                    struct sn_arena *a, struct sn_cons_state **ret,
                    struct sn_cons_commit *ret_commit)
{
    int64_t way = height - sn_light_client_latest(light);
    if (way < 0) way = -way;
    int64_t limit = SN_MIN(WAY_NS + SN_MIN(way, (int64_t)1000000) * PER_HEIGHT_NS, WAY_NS_MAX);
    int64_t prev = sn_deadline_tighten(sn_now() + limit);
    int r = run(view, light, height, a, ret, ret_commit);
    sn_deadline_restore(prev);
    /* Its own time is over, not the caller's: the chain has no such height, or nobody shows it. */
    if (r == SN_E_DEADLINE_EXCEEDED && !sn_cancelled()) return SN_E_OUT_OF_RANGE;
    return r;
}
