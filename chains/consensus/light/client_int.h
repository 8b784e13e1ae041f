/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/client_int.h - the client's parts: who is asked (providers.c), how a block is
 * verified (client.c), who is compared with whom (detector.c). All of it runs with the client's
 * lock held. */
#pragma once
#include "consensus/light/client.h"
#include "consensus/light/store.h"
#include "consensus/light/walk.h"
#include "fiber/sync.h"

#define PROVIDERS_MAX (1 + SN_LIGHT_WITNESSES_MAX)

struct sn_light_client {
    struct sn_mutex lock;
    struct sn_cons_light_opts rules;
    char chain_id[SN_CONS_CHAIN_ID_MAX];
    size_t chain_id_len;
    bool sequential;
    uint32_t keep;
    struct sn_light_provider *providers[PROVIDERS_MAX]; /* [0] is the primary */
    unsigned n;
    struct sn_kv *kv;
    struct sn_light_store store;
    _Atomic int64_t first, latest;
};

/* ---- providers.c ---- */

/* A failure that says nothing against the provider: it has not got the block, or does not answer.
 */
static inline bool light_benign(int r)
{
    return r == SN_E_NOT_FOUND || r == SN_E_OUT_OF_RANGE || r == SN_E_UNAVAILABLE;
}
/* A failure of our own. */
static inline bool light_ours(int r)
{
    return r == SN_E_NOMEM || r == SN_E_CANCELLED || r == SN_E_DEADLINE_EXCEEDED;
}
/* light_fetch - a block of provider p, of the chain and height that was asked for. */
int light_fetch(struct sn_light_client *c, struct sn_light_provider *p, int64_t height,
                struct sn_arena *a, struct sn_cons_light_block *ret) SN_MUST_CHECK;
/* light_primary - of the primary; where it fails a witness takes its place, and where it sent what
 * is no block it goes for good. */
int light_primary(struct sn_light_client *c, int64_t height, struct sn_arena *a,
                  struct sn_cons_light_block *ret) SN_MUST_CHECK;
/* light_replace - a witness that has the height becomes the primary, which goes for good (drop) or
 * behind the witnesses. Returns `why`, which the primary failed with, where nobody can. */
int light_replace(struct sn_light_client *c, int64_t height, bool drop, int why, struct sn_arena *a,
                  struct sn_cons_light_block *ret) SN_MUST_CHECK;
/* light_header - as light_primary; where the header names `vals` (may be NULL) they need not be
 * asked for. */
int light_header(struct sn_light_client *c, int64_t height, struct sn_cons_valset *vals,
                 struct sn_arena *a, struct sn_cons_light_block *ret) SN_MUST_CHECK;
/* light_copy - into another arena. */
int light_copy(const struct sn_cons_light_block *b, struct sn_arena *a,
               struct sn_cons_light_block *ret) SN_MUST_CHECK;
/* light_drop - closes provider i; those behind it move up. */
void light_drop(struct sn_light_client *c, unsigned i);

/* ---- client.c ---- */

struct sn_cons_time light_now(void);
/* light_walk - runs w to its end, asking p, or the primary and who replaces it (p NULL). Returns
 * enum sn_light_step without WANT, or an error with the height at fault, 0 where it is no block's.
 */
int light_walk(struct sn_light_client *c, struct sn_light_provider *p, struct sn_light_walk *w,
               struct sn_arena *a, int64_t *ret_height) SN_MUST_CHECK;

/* ---- detector.c ---- */

/* light_detect - whether the witnesses have the trace's last block, too; each other one of the
 * trace was verified by the one before. Returns 0 where one has it and none has proof of another;
 * SN_E_DATA_LOSS, SN_E_UNAVAILABLE, as light_ours. Witnesses that lied are dropped. */
int light_detect(struct sn_light_client *c, struct sn_cons_light_block *const *trace, unsigned n,
                 struct sn_arena *a) SN_MUST_CHECK;
/* light_compare_first - the block that everything begins with: nobody may have another. */
int light_compare_first(struct sn_light_client *c, struct sn_cons_light_block *b) SN_MUST_CHECK;
/* light_confirm - whether a witness has block b, too, whose header is proven by hashes: no hash covers
 * its validators' priorities, by which proposers are chosen (ASA-2024-009). Witnesses with another
 * header are dropped. Returns 0; SN_E_DATA_LOSS: one has other priorities; SN_E_UNAVAILABLE: none
 * has the block; light_ours. */
int light_confirm(struct sn_light_client *c, const struct sn_cons_light_block *b) SN_MUST_CHECK;
