/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/client.h - a light client: follows a chain by its headers, from one that its user
 * trusts, asking a primary node, and compares with witnesses. Forward by bisection or one by one,
 * backward by hashes. Source: spec/light-client; CometBFT v0.38.25 light/client.go,
 * light/detector.go. */
#pragma once
#include "consensus/evidence.h"
#include "consensus/light.h"
#include "kit/kv.h"

#define SN_LIGHT_WITNESSES_MAX 32
#define SN_LIGHT_KEEP 1000                   /* trusted blocks */
#define SN_LIGHT_DRIFT_NS (10 * SN_SEC)      /* where rules.drift_ns is 0 */
#define SN_LIGHT_LAG_NS (10 * SN_SEC)        /* how long a block takes from one node to another */
#define SN_LIGHT_ARENA_MAX ((size_t)1 << 30) /* blocks of one verification */

/* Where light blocks come from: an RPC node (sn_light_http), or anything else. */
struct sn_light_provider {
    const char *name; /* in errors and logs */
    /* height 0: the newest. *ret is the arena's, well-formed, of this chain. Returns 0;
     * SN_E_NOT_FOUND (no such height, or not any more), SN_E_OUT_OF_RANGE (higher than it has),
     * SN_E_UNAVAILABLE, SN_E_INVALID_ARGUMENT (what came is none). Suspends. Several fibers may
     * call at once. */
    int (*block)(struct sn_light_provider *p, int64_t height, struct sn_arena *a,
                 struct sn_cons_light_block *ret);
    int (*report)(struct sn_light_provider *p, const struct sn_cons_evidence *ev);
    void (*close)(struct sn_light_provider *p);
    /* NULL, or: as block, but vals stays NULL and is not checked against the header. */
    int (*signed_header)(struct sn_light_provider *p, int64_t height, struct sn_arena *a,
                         struct sn_cons_light_block *ret);
    /* NULL, or: the consensus parameters of a height. */
    int (*params)(struct sn_light_provider *p, int64_t height, struct sn_cons_params *ret);
};
/* sn_light_http - over a CometBFT RPC at "http://HOST:PORT" (commit and validators); "HOST:PORT"
 * and "tcp://HOST:PORT" mean the same. Returns 0, SN_E_SYNTAX, SN_E_NOMEM. Owns: p->close. */
int sn_light_http(const char *url, struct sn_str chain_id,
                  struct sn_light_provider **ret) SN_MUST_CHECK;

struct sn_light_client;
struct sn_light_client_opts {
    struct sn_str chain_id;
    struct sn_cons_light_opts rules;
    bool sequential;
    int64_t trust_height; /* 0: what the store trusts already */
    struct sn_cons_hash trust_hash;
    struct sn_light_provider *primary, *const *witnesses; /* the client's to close */
    unsigned n_witnesses;                                 /* 1 at least */
    struct sn_kv *kv; /* trusted blocks, in CometBFT's form; closed in the end */
    uint32_t keep;    /* trusted blocks kept; 0: SN_LIGHT_KEEP */
};
/* sn_light_client_new - checks the trusted hash with the primary and the witnesses. A store that
 * has another block at trust_height is emptied: the user is right. Owns: providers and kv are
 * closed where it fails, too. Returns 0; SN_E_INVALID_ARGUMENT (options; the primary's block is not
 * the trusted one); SN_E_FAILED_PRECONDITION (nothing is trusted); SN_E_DATA_LOSS (a witness has
 * another block); as sn_light_client_block. Suspends. */
int sn_light_client_new(const struct sn_light_client_opts *o,
                        struct sn_light_client **ret) SN_MUST_CHECK;
/* sn_light_client_free - no call may be going on; accepts NULL. Suspends. */
void sn_light_client_free(struct sn_light_client *c);
/* sn_light_client_block - the verified light block of a height (0: the newest), the arena's.
 * Returns 0; SN_E_DATA_LOSS: an attack: evidence was sent to all, the diagnostic says which header
 * and who; SN_E_FAILED_PRECONDITION (the trusted header has expired), SN_E_UNAVAILABLE (nobody
 * answers, or no witness is left), SN_E_NOT_FOUND, SN_E_OUT_OF_RANGE, SN_E_INVALID_ARGUMENT (what
 * came is wrong); SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. Any fiber; one verification at a time.
 * Suspends. */
int sn_light_client_block(struct sn_light_client *c, int64_t height, struct sn_arena *a,
                          struct sn_cons_light_block *ret) SN_MUST_CHECK;
/* sn_light_client_params - the consensus parameters of a height: those its header's hash covers are
 * verified by it, the others are what primary and answering witnesses agree on. Returns as
 * sn_light_client_block; SN_E_UNIMPLEMENTED where the primary has none to give. Suspends. */
int sn_light_client_params(struct sn_light_client *c, int64_t height,
                           struct sn_cons_params *ret) SN_MUST_CHECK;
/* sn_light_client_latest, _first - height of the newest and the oldest trusted block; 0: none. */
int64_t sn_light_client_latest(const struct sn_light_client *c);
int64_t sn_light_client_first(const struct sn_light_client *c);
