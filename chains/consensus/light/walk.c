/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/walk.c - bisection. */
#include "consensus/light/walk.h"

void sn_light_walk_begin(struct sn_light_walk *w, const struct sn_cons_light_opts *rules,
                         struct sn_cons_light_block *trusted, struct sn_cons_light_block *target,
                         struct sn_cons_time now)
{
    SN_ASSERT(target->header.height > trusted->header.height);
    *w = (struct sn_light_walk){.rules = *rules, .now = now, .n_trace = 1, .n_pending = 1};
    w->trace[0] = trusted;
    w->pending[0] = target;
}

static int64_t pivot(int64_t from, int64_t to)
{
    return from + (int64_t)((__int128)(to - from) * 9 / 16);
}

int sn_light_walk_next(struct sn_light_walk *w, int64_t *ret_height)
{
    for (;;) {
        if (w->n_trace == SN_LIGHT_TRACE_MAX) return SN_LIGHT_FULL;
        struct sn_cons_light_block *t = w->trace[w->n_trace - 1], *b = w->pending[w->depth];
        struct sn_cons_light_trusted trusted = {&t->header, t->vals};
        int r = sn_cons_light_verify(&w->rules, &trusted, b, w->now);
        if (r == SN_E_AGAIN) {
            w->depth++;
            if (w->depth < w->n_pending) continue;
            SN_ASSERT(w->n_pending < SN_LIGHT_PIVOTS_MAX);
            *ret_height = pivot(t->header.height, b->header.height);
            return SN_LIGHT_WANT;
        }
        if (r < 0) {
            *ret_height = b->header.height;
            return r;
        }
        w->trace[w->n_trace++] = b;
        if (w->depth == 0) return SN_LIGHT_DONE;
        /* What is above the new floor is tried again from the top: the target itself may do now. */
        w->n_pending = w->depth;
        w->depth = 0;
    }
}

void sn_light_walk_put(struct sn_light_walk *w, struct sn_cons_light_block *b)
{
    SN_ASSERT(w->depth == w->n_pending && w->n_pending < SN_LIGHT_PIVOTS_MAX);
    w->pending[w->n_pending++] = b;
}

void sn_light_walk_shorten(struct sn_light_walk *w)
{
    w->trace[1] = w->trace[w->n_trace - 1];
    w->n_trace = SN_MIN(w->n_trace, 2u);
}
