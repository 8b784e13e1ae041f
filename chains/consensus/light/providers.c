/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/providers.c - asking the primary, and who takes its place. */
#include "consensus/codec.h"
#include "consensus/hash.h"
#include "consensus/light/client_int.h"
#include "core/alloc.h"
#include "fiber/fiber.h"
#include "kit/log.h"

SN_LOG_MODULE("light");

static int right_one(const struct sn_light_client *c, const struct sn_light_provider *p,
                     int64_t height, const struct sn_cons_header *h)
{
    if (!sn_str_eq(sn_cons_header_chain(h), sn_str_of(c->chain_id, c->chain_id_len)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: block of another chain", p->name);
    if (height && h->height != height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: block of height %lld, expected %lld", p->name,
                       (long long)h->height, (long long)height);
    return 0;
}

int light_fetch(struct sn_light_client *c, struct sn_light_provider *p, int64_t height,
                struct sn_arena *a, struct sn_cons_light_block *ret)
{
    int r = p->block(p, height, a, ret);
    return r < 0 ? r : right_one(c, p, height, &ret->header);
}

void light_drop(struct sn_light_client *c, unsigned i)
{
    SN_LOG_WARN("provider dropped", SN_L("provider", c->providers[i]->name));
    c->providers[i]->close(c->providers[i]);
    c->n--;
    memmove(&c->providers[i], &c->providers[i + 1], (c->n - i) * sizeof(c->providers[0]));
}

int light_copy(const struct sn_cons_light_block *b, struct sn_arena *a,
               struct sn_cons_light_block *ret)
{
    struct sn_buf buf SN_CLEANUP(sn_buf_done);
    sn_buf_init(&buf, 0);
    int r = sn_cons_light_block_encode(b, &buf);
    return r < 0 ? r : sn_cons_light_block_decode(sn_buf_view(&buf), a, ret);
}

/* ---- replacing the primary ---- */

struct race {
    struct sn_light_client *c;
    int64_t height;
    struct sn_scope *scope;
    _Atomic int winner; /* 1 + its place; 0: none yet */
};
struct runner {
    struct race *race;
    int place;
    struct sn_arena arena;
    struct sn_cons_light_block block;
    int r;
};
static int run(void *arg)
{
    struct runner *q = arg;
    struct race *race = q->race;
    q->r = light_fetch(race->c, race->c->providers[q->place], race->height, &q->arena, &q->block);
    int nobody = 0;
    if (q->r >= 0 && atomic_compare_exchange_strong(&race->winner, &nobody, 1 + q->place))
        sn_scope_cancel(race->scope);
    return 0;
}

/* Asks the witnesses at once; the first answer counts. Returns its place, or < 0. */
static int race_run(struct race *race, struct runner *runners, struct sn_arena *a,
                    struct sn_cons_light_block *ret)
{
    struct sn_light_client *c = race->c;
    struct sn_scope_storage mem;
    race->scope = sn_scope_begin(&mem);
    int started = 0;
    for (unsigned i = 1; i < c->n; i++) {
        struct runner *q = &runners[i];
        *q = (struct runner){.race = race, .place = (int)i, .r = SN_E_UNAVAILABLE};
        sn_arena_init(&q->arena, NULL, SN_LIGHT_ARENA_MAX);
        int r = sn_scope_go(race->scope, "light-ask", run, q);
        if (r < 0 && r != SN_E_CANCELLED && started >= 0) started = r;
    }
    int r = sn_scope_end(race->scope);
    int winner = race->winner - 1;
    if (winner >= 0)
        r = light_copy(&runners[winner].block, a, ret);
    else if (r >= 0 || r == SN_E_CANCELLED)
        r = sn_cancelled() ? SN_E_CANCELLED : started;
    for (unsigned i = 1; i < c->n; i++) sn_arena_done(&runners[i].arena);
    if (r < 0) return r;
    return winner >= 0 ? winner : SN_E_NOT_FOUND;
}

int light_replace(struct sn_light_client *c, int64_t height, bool drop, int why, struct sn_arena *a,
                  struct sn_cons_light_block *ret)
{
    struct race race = {.c = c, .height = height};
    struct sn_diag first = *sn_diag();
    if (c->n < 2) return why;
    struct runner *runners SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(struct runner, c->n);
    if (!runners) return SN_E_NOMEM;
    int winner = race_run(&race, runners, a, ret);
    if (light_ours(winner)) return winner;
    /* Witnesses that sent what is no block go; from behind, so that places stay true. */
    for (unsigned i = c->n; i-- > 1;) {
        if ((int)i == winner || runners[i].r >= 0 || light_benign(runners[i].r) ||
            light_ours(runners[i].r))
            continue;
        light_drop(c, i);
        if ((int)i < winner) winner--;
    }
    if (winner < 0) {
        *sn_diag() = first;
        return why;
    }
    struct sn_light_provider *old = c->providers[0], *next = c->providers[winner];
    SN_LOG_WARN("primary replaced", SN_L("primary", old->name), SN_L("by", next->name),
                SN_L("height", height), SN_L("why", sn_status_name(why)));
    memmove(&c->providers[winner], &c->providers[winner + 1],
            (c->n - 1 - (unsigned)winner) * sizeof(next));
    c->providers[0] = next;
    c->providers[c->n - 1] = old;
    if (drop) light_drop(c, c->n - 1);
    return 0;
}

int light_primary(struct sn_light_client *c, int64_t height, struct sn_arena *a,
                  struct sn_cons_light_block *ret)
{
    int r = light_fetch(c, c->providers[0], height, a, ret);
    if (r >= 0 || light_ours(r)) return r;
    return light_replace(c, height, !light_benign(r), r, a, ret);
}

int light_header(struct sn_light_client *c, int64_t height, struct sn_cons_valset *vals,
                 struct sn_arena *a, struct sn_cons_light_block *ret)
{
    struct sn_light_provider *p = c->providers[0];
    struct sn_cons_hash hash;
    if (!vals || !p->signed_header) return light_primary(c, height, a, ret);
    int r = p->signed_header(p, height, a, ret);
    if (r >= 0) r = right_one(c, p, height, &ret->header);
    if (r >= 0) r = sn_cons_valset_hash(vals, &hash);
    if (r >= 0 && sn_cons_hash_eq(&hash, &ret->header.validators_hash)) {
        ret->vals = vals;
        return 0;
    }
    return light_ours(r) ? r : light_primary(c, height, a, ret);
}
